"""The tables of the documentation's support page, from the registry of handlers and the measured coverage.

Measurements are JSON files that the opinfo session writes, one per opset::

    {"opset": 18, "torch": "2.13.0", "onnx": "1.23.2", "onnxruntime": "1.32.0",
     "cases": [{"variant": "add", "dtype": "float32", "outcome": "passed"}, ...]}

An outcome is ``passed``, ``refused`` (a specific error), ``wrong`` (other values than torch's), ``failed`` (anything
else), or ``skipped`` (not counted). Without measurements the page says so.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

PLACEHOLDER = "<!-- support tables -->"
OUTCOMES = ("passed", "refused", "wrong", "failed")


@dataclass(frozen=True)
class Measurement:
    """The coverage at one opset.

    Attributes:
        opset: the target of the exports.
        versions: of torch, onnx and onnxruntime, as a text.
        outcomes: by variant and dtype.
    """

    opset: int
    versions: str
    outcomes: dict[tuple[str, str], str]

    @staticmethod
    def read(path: Path) -> Measurement:
        """Read a file of the opinfo session.

        Raises:
            ValueError: if an outcome is unknown.
        """
        document = json.loads(path.read_text(encoding="utf-8"))
        outcomes = {(case["variant"], case["dtype"]): case["outcome"] for case in document["cases"]}
        unknown = set(outcomes.values()) - {*OUTCOMES, "skipped"}
        if unknown:
            raise ValueError(f"{path}: unknown outcomes {sorted(unknown)}")
        names = [name for name in ("torch", "onnx", "onnxruntime") if name in document]
        return Measurement(document["opset"], ", ".join(f"{name} {document[name]}" for name in names), outcomes)


def render(folder: Path) -> str:
    """The tables as Markdown.

    Args:
        folder: where measurements lie; it need not exist.
    """
    from onnxport_symbolics import default_registry  # noqa: PLC0415 - the rest of this file needs no package

    names = [str(handler.name) for handler in default_registry(plugins=False)]
    measurements = [Measurement.read(path) for path in sorted(folder.glob("*.json"))]
    measurements.sort(key=lambda measurement: measurement.opset)
    return "\n\n".join([operator_table(names), measured_tables(measurements)])


def operator_table(names: Iterable[str]) -> str:
    """The operators that have a handler, with the overloads that have one of their own."""
    overloads: dict[str, list[str]] = defaultdict(list)
    for name in names:
        base, _, overload = name.partition(".")
        overloads[base].append(overload)
    lines = [
        "## Operators with a handler",
        "",
        f"{len(overloads)} operators; a handler covers all overloads unless some are named.",
        "",
        "| operator | overloads |",
        "| --- | --- |",
    ]
    for base in sorted(overloads):
        named = sorted(overload for overload in overloads[base] if overload)
        shown = "all" if "" in overloads[base] else ", ".join(f"`{overload}`" for overload in named)
        lines.append(f"| `{base}` | {shown} |")
    return "\n".join(lines)


def measured_tables(measurements: Sequence[Measurement]) -> str:
    """The counts per opset, and the outcome of each variant and dtype at each opset."""
    heading = "## Measured with torch's operator database\n\n"
    if not measurements:
        return heading + "There are no measurements with this build of the documentation; `nox -s opinfo` makes them."
    counts = ["| opset | " + " | ".join(OUTCOMES) + " | counted |", "| ---: |" + " ---: |" * (len(OUTCOMES) + 1)]
    for measurement in measurements:
        tally = Counter(measurement.outcomes.values())
        numbers = [tally[outcome] for outcome in OUTCOMES]
        counts.append(f"| {measurement.opset} | {' | '.join(map(str, numbers))} | {sum(numbers)} |")
    opsets = [measurement.opset for measurement in measurements]
    detail = ["| variant | dtype | " + " | ".join(map(str, opsets)) + " |", "| --- | --- |" + " --- |" * len(opsets)]
    for variant, dtype in sorted({key for measurement in measurements for key in measurement.outcomes}):
        cells = [measurement.outcomes.get((variant, dtype), "") for measurement in measurements]
        detail.append(f"| `{variant}` | {dtype} | {' | '.join(cells)} |")
    versions = f"With {measurements[-1].versions}."
    return heading + "\n".join([versions, "", *counts, "", "### By operator and dtype", "", *detail])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Print the tables of the support page as Markdown.")
    folder = Path(__file__).parents[1] / "docs" / "opinfo"
    parser.add_argument(
        "folder", nargs="?", type=Path, default=folder, help="where the opinfo session's JSON files lie"
    )
    print(render(parser.parse_args(arguments).folder))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
