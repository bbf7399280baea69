"""The tables of the documentation's support page, from the registry of handlers and the measured coverage.

``nox -s opinfo -- --json FILE`` measures; ``tools/support_page.py --record FILE`` keeps what the page shows of it in
``docs/opinfo``, one line per case, and in ``onnxport_symbolics`` the lowest opset at which each operator has passed.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RECORDS = Path("docs", "opinfo", "coverage.json")
FIRST_OPSETS = Path("packages", "symbolics", "src", "onnxport_symbolics", "support.json")
PLACEHOLDER = "<!-- support tables -->"
#: The element types of the standing measurement.
COUNTED_TOGETHER = ("float32", "int64", "bool")
# What the page calls the opinfo session's statuses; `skip` says nothing about onnxport and is left out.
STATUSES = {
    "pass": "passed",
    "refused": "refused",
    "wrong": "wrong",
    "runtime": "not run by ONNX Runtime",
    "error": "failed",
    "crash": "crashed",
    "timeout": "timed out",
}


@dataclass(frozen=True)
class Case:
    """The outcome for one variant and element type at one opset.

    Attributes:
        variant: the name in torch's database.
        dtype: the element type of the samples.
        opset: the target of the exports.
        status: a key of ``STATUSES``.
        by_type_only: whether only types and shapes could be compared.
        operators: the ATen operators in the captured graphs.
        reason: why the case is refused, in a line; empty if it is not.
    """

    variant: str
    dtype: str
    opset: int
    status: str
    by_type_only: bool
    operators: tuple[str, ...]
    reason: str = ""

    @property
    def shown(self) -> str:
        """The status as the page's cell."""
        return STATUSES[self.status] + (" (types)" if self.by_type_only and self.status == "pass" else "")


@dataclass(frozen=True)
class Measurements:
    """What was measured, sorted, and with which versions, ``torch 2.13.0, ...``."""

    cases: tuple[Case, ...] = ()
    versions: str = ""

    @staticmethod
    def of_runs(paths: Iterable[Path]) -> Measurements:
        """Read files of the opinfo session; later ones override earlier ones.

        Raises:
            ValueError: if a status is unknown.
        """
        cases: dict[tuple[str, str, int], Case] = {}
        versions = ""
        for path in paths:
            document = json.loads(path.read_text(encoding="utf-8"))
            versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
            for case in document["cases"]:
                if case["status"] == "skip":
                    continue
                if case["status"] not in STATUSES:
                    raise ValueError(f"{path}: unknown status {case['status']!r}")
                key = case["name"], case["dtype"], case["opset"]
                reason = _reason(case.get("detail", "")) if case["status"] == "refused" else ""
                cases[key] = Case(*key, case["status"], case["by_type_only"], tuple(case["operators"]), reason)
        return Measurements(tuple(cases[key] for key in sorted(cases)), versions)

    @staticmethod
    def recorded(path: Path) -> Measurements:
        """Read what ``record`` has written; nothing if there is no such file."""
        if not path.exists():
            return Measurements()
        document = json.loads(path.read_text(encoding="utf-8"))
        cases = []
        for variant, dtype, operators, outcomes, by_type_only, reasons in document["cases"]:
            why = {opset: reason for reason, opsets in reasons.items() for opset in opsets}
            cases += [
                Case(variant, dtype, opset, status, opset in by_type_only, tuple(operators), why.get(opset, ""))
                for status, opsets in outcomes.items()
                for opset in opsets
            ]
        return Measurements(tuple(sorted(cases, key=lambda c: (c.variant, c.dtype, c.opset))), document["versions"])

    def record(self, path: Path) -> None:
        """Write everything to a file, one line for each variant and element type."""
        grouped: dict[tuple[str, str, tuple[str, ...]], list[Case]] = defaultdict(list)
        for case in self.cases:
            grouped[case.variant, case.dtype, case.operators].append(case)
        lines = []
        for key, cases in grouped.items():
            outcomes: dict[str, list[int]] = defaultdict(list)
            reasons: dict[str, list[int]] = defaultdict(list)
            for case in cases:
                outcomes[case.status].append(case.opset)
                if case.reason:
                    reasons[case.reason].append(case.opset)
            lines.append(json.dumps([*key, outcomes, [case.opset for case in cases if case.by_type_only], reasons]))
        path.parent.mkdir(parents=True, exist_ok=True)
        content = ",\n".join(lines)
        path.write_text(f'{{"versions": {json.dumps(self.versions)}, "cases": [\n{content}\n]}}\n', encoding="utf-8")

    def first_opsets(self) -> dict[str, int]:
        """The lowest opset at which a case that uses an operator has passed, by name without overload, sorted."""
        passed: dict[str, int] = {}
        for case in self.cases:
            if case.status == "pass":
                for name in case.operators:
                    base = name.partition(".")[0]
                    passed[base] = min(case.opset, passed.get(base, case.opset))
        return dict(sorted(passed.items()))

    @property
    def opsets(self) -> list[int]:
        """The opsets that were measured, ascending."""
        return sorted({case.opset for case in self.cases})


def render(root: Path = ROOT) -> str:
    """The tables as Markdown.

    Args:
        root: the project's root, for the measurements that it keeps.
    """
    from onnxport_symbolics import default_registry  # noqa: PLC0415 - the rest of this file needs no package

    names = [str(handler.name) for handler in default_registry(plugins=False)]
    measured = Measurements.recorded(root / RECORDS)
    return "\n\n".join([operator_table(names, measured), measured_tables(measured)])


def operator_table(names: Iterable[str], measured: Measurements) -> str:
    """The operators that have a handler, the overloads that have one of their own, and what was measured of them."""
    overloads: dict[str, list[str]] = defaultdict(list)
    for name in names:
        base, _, overload = name.partition(".")
        overloads[base].append(overload)
    newest = measured.opsets[-1:]
    tallies: dict[str, Counter[str]] = defaultdict(Counter)
    for case in measured.cases:
        if case.opset in newest:
            for base in {operator.partition(".")[0] for operator in case.operators}:
                tallies[base][case.status] += 1
    columns = [column for opset in newest for column in ("passes from opset", f"cases passed at opset {opset}")]
    first = measured.first_opsets()
    lines = [
        "## Operators with a handler",
        "",
        f"{len(overloads)} operators; a handler covers all overloads unless some are named.",
        "",
        _row("operator", "overloads", *columns),
        _row("---", "---", *("---:" for _ in columns)),
    ]
    for base in sorted(overloads):
        named = sorted(overload for overload in overloads[base] if overload)
        shown = "all" if "" in overloads[base] else ", ".join(f"`{overload}`" for overload in named)
        tally = tallies[base]
        cells = (first.get(base, ""), f"{tally['pass']} of {tally.total()}" if tally else "") if columns else ()
        lines.append(_row(f"`{base}`", shown, *cells))
    return "\n".join(lines)


def measured_tables(measured: Measurements) -> str:
    """The counts per opset, and the outcome of each variant and dtype at each opset."""
    heading = "## Measured with torch's operator database\n\n"
    if not measured.cases:
        return heading + "There are no measurements with this build of the documentation; `nox -s opinfo` makes them."
    lines = [f"With {measured.versions}.", ""]
    lines.append(_row("element types", "opset", *STATUSES.values(), "counted", "share passed"))
    lines.append(_row("---", *("---:" for _ in range(len(STATUSES) + 3))))
    for dtypes in _groups(measured):
        for opset in measured.opsets:
            tally = Counter(case.status for case in measured.cases if case.opset == opset and case.dtype in dtypes)
            if tally:
                share = f"{100 * tally['pass'] / tally.total():.1f} %"
                lines.append(
                    _row(", ".join(dtypes), opset, *(tally[status] for status in STATUSES), tally.total(), share)
                )
    lines += ["", *_refusals(measured)]
    cells: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for case in measured.cases:
        cells[case.variant, case.dtype][case.opset] = case.shown
    lines += ["", "### By operator and element type", "", _row("variant", "element type", *measured.opsets)]
    lines.append(_row("---", "---", *("---" for _ in measured.opsets)))
    for (variant, dtype), by_opset in cells.items():
        lines.append(_row(f"`{variant}`", dtype, *(by_opset.get(opset, "") for opset in measured.opsets)))
    return heading + "\n".join(lines)


def _groups(measured: Measurements) -> list[tuple[str, ...]]:
    """The element types that are counted together: those that the standing measurement is made of, then each other."""
    others = sorted({case.dtype for case in measured.cases} - set(COUNTED_TOGETHER))
    return [COUNTED_TOGETHER, *((dtype,) for dtype in others)]


def _refusals(measured: Measurements) -> list[str]:
    """What is refused in the types that are counted together at the newest opset, by reason."""
    newest = measured.opsets[-1]
    by_reason: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for case in measured.cases:
        if case.opset == newest and case.reason and case.dtype in COUNTED_TOGETHER:
            by_reason[case.reason][case.variant].append(case.dtype)
    if not by_reason:
        return []
    lines = [f"### What is refused at opset {newest}, and why", "", _row("reason", "variants"), _row("---", "---")]
    for reason, variants in sorted(by_reason.items()):
        lines.append(_row(reason, ", ".join(f"`{name}` ({', '.join(dtypes)})" for name, dtypes in variants.items())))
    return lines


def _reason(detail: str) -> str:
    """The first line of an error's message, without its class and code."""
    return re.sub(r"^\w+: (\[OXP\d+\] )?", "", detail.split("\n", maxsplit=1)[0]).replace("|", "\\|").strip()


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def record(runs: Iterable[Path], root: Path = ROOT, revision: str = "") -> str:
    """Keep what runs of the opinfo session have measured, in place of what was kept before.

    Args:
        runs: files of the session; later ones override earlier ones.
        root: the project's root.
        revision: the commit that was measured, if the page is to name it.

    Returns:
        What was written, in words.
    """
    measured = Measurements.of_runs(runs)
    if revision:
        measured = replace(measured, versions=f"{measured.versions}, onnxport at {revision}")
    measured.record(root / RECORDS)
    first: dict[str, Any] = {"first_opset": measured.first_opsets()}
    (root / FIRST_OPSETS).write_text(json.dumps(first, indent=1) + "\n", encoding="utf-8")
    return f"{len(measured.cases)} outcomes at {len(measured.opsets)} opsets, {len(first['first_opset'])} operators"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables, or keep measurements."""
    parser = argparse.ArgumentParser(description="Print the tables of the support page as Markdown.")
    parser.add_argument("--record", nargs="+", type=Path, metavar="FILE", help="keep what the opinfo session measured")
    parser.add_argument("--revision", default="", help="the commit that was measured, for the page to name")
    options = parser.parse_args(arguments)
    print(record(options.record, revision=options.revision) if options.record else render())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
