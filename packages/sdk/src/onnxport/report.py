"""``report=True``: what an export did, or where it failed, as a Markdown file that names no folder of the machine."""

from __future__ import annotations

import collections
import os
import platform
import re
import site
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from onnxport_frontend import Finding
from onnxport_ir.errors import OnnxExporterError, Place, Refusal, UnsupportedOperators, WriteFailed
from onnxport_ir.proto import source_of

from onnxport.journal import Journal

_PACKAGES = (
    "onnxport",
    "onnxport-ir",
    "onnxport-symbolics",
    "onnxport-frontend",
    "onnxport-custom-ops",
    "torch",
    "onnx",
    "onnxruntime",
    "onnxscript",
)
# A Python file with its folders: the folders are nobody else's business.
_FILE = re.compile(r"(?:[A-Za-z]:)?[\\/](?:[^\s:\"'\\/]+[\\/])+(?=[^\s:\"'\\/]+\.py\b)")


@contextmanager
def reporting(journal: Journal, path: Path | None) -> Iterator[None]:
    """Write a report of what happens inside, however it ends.

    Args:
        journal: what is known; read at the end.
        path: the file to write; None writes nothing.

    Raises:
        WriteFailed: if the export succeeds and the report cannot be written.
    """
    try:
        yield
    except Exception as error:
        if path is not None:
            try:
                _write(path, render(journal, error))
            except WriteFailed as second:
                error.add_note(str(second))
            else:
                error.add_note(f"Report: {path}")
        raise
    if path is not None:
        _write(path, render(journal))


def report_path(folder: str | os.PathLike[str], f: object, model_class: str) -> Path:
    """Where the report goes: a file in ``folder`` called after the model's file, or after its class."""
    name = Path(os.fspath(f)).stem if isinstance(f, str | os.PathLike) else model_class.rpartition(".")[2]
    return Path(folder) / f"{name or 'model'}.report.md"


def render(journal: Journal, error: Exception | None = None) -> str:
    """The report as Markdown.

    Args:
        journal: what is known of the export.
        error: what it has failed with.
    """
    name = journal.model_class.rpartition(".")[2]
    parts = [
        f"# Export of `{name}`: {'succeeded' if error is None else 'failed'}",
        f"The model is a `{journal.model_class}`, exported to ONNX opset {journal.opset}.",
        *([] if error is None else _failure(error)),
        *_section("Stages", ["stage", "seconds"], [(s, f"{t:.3f}") for s, t in journal.timings.items()]),
        *_torch_operators(journal),
        *_onnx_operators(journal),
        *_findings(journal),
        *_checks(journal),
        *_section("Versions", ["package", "version"], [("Python", platform.python_version()), *_versions()]),
    ]
    return "\n\n".join(parts) + "\n"


def _failure(error: Exception) -> list[str]:
    if not isinstance(error, OnnxExporterError):
        return ["## Error", f"`{type(error).__name__}`: {_clean(str(error))}"]
    parts = ["## Error", f"{error.code}: {_clean(error.what)}" + (f": {_clean(error.why)}" if error.why else "")]
    if error.where is not None and _place(error.where):
        parts.append(f"At {_place(error.where)}.")
    if error.hint:
        parts.append(_clean(error.hint))
    if isinstance(error, UnsupportedOperators):
        parts += _refusals(error.refusals)
    return parts


def _refusals(refusals: Iterable[Refusal]) -> list[str]:
    rows = []
    for refusal in refusals:
        error = refusal.error
        reason = error.what if error.why is None else f"{error.what}: {error.why}"
        place = _place(error.where) if error.where else ""
        rows.append((refusal.op, f"{error.code} {_clean(reason)}", place, str(refusal.count), _clean(error.hint or "")))
    return _section("Unsupported operators", ["operator", "reason", "place", "times", "way out"], rows)


def _torch_operators(journal: Journal) -> list[str]:
    if journal.captured is None:
        return []
    counts = {str(op): number for op, number in journal.captured.graph.op_counts().items()}
    timings = journal.operators
    columns = ["operator", "calls"]
    if timings is None:
        rows = [(op, str(n)) for op, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    else:
        # Decomposed operators are lowered as others, and what is shared is lowered once.
        columns += ["lowered", "seconds"]
        rows = [
            (op, str(counts.get(op, 0)), str(t.calls), f"{t.seconds:.4f}")  # type: ignore[misc]  # rows of two lengths
            for op, t in sorted(timings.items(), key=lambda item: -item[1].seconds)
        ]
        rows += [(op, str(n), "0", "") for op, n in counts.items() if op not in timings]  # type: ignore[misc]  # the same
    parts = _section("Operators of torch", columns, rows)
    if journal.decomposed:
        names = ", ".join(f"`{op}`" for op in journal.decomposed)
        parts.append(f"Exported as torch expresses them in others: {names}.")
    return parts


def _onnx_operators(journal: Journal) -> list[str]:
    model = journal.model
    if model is None:
        return []
    bodies = [model.graph, *(function.body for function in model.functions.values())]
    nodes = [node for body in bodies for node in body.all_nodes()]
    counts = collections.Counter(f"{node.domain}::{node.op_type}" if node.domain else node.op_type for node in nodes)
    weights = [value for value in model.graph.constants() if value.is_weight and value.const is not None]
    nbytes = sum(value.const.nbytes for value in weights if value.const is not None)
    rows = [(op, str(n)) for op, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    changes = ", ".join(f"{name}: {number} changes" for name, number in journal.changes.items())
    return [
        *_section("Operators of ONNX", ["operator", "nodes"], rows),
        f"{len(nodes)} nodes, {len(model.functions)} functions, {len(weights)} weights of {nbytes:,} bytes."
        + (f" Passes: {changes}." if changes else ""),
    ]


def _findings(journal: Journal) -> list[str]:
    findings: Sequence[Finding] = journal.captured.findings if journal.captured else ()
    rows = [(f.kind, _clean(f.what), _place(f.place), "yes" if f.in_library else "") for f in findings]
    return _section("Frozen values and writes", ["kind", "what", "place", "in torch's own code"], rows)


def _checks(journal: Journal) -> list[str]:
    parts = []
    if journal.checked is not None:
        sizes = journal.checked.sizes
        tried = "" if sizes is None else ", ".join(f"{name}={size}" for name, size in sizes.items()) or "other values"
        text = (
            f"Not checked on other inputs: {_clean(journal.checked.reason)}." if sizes is None else f"Ran with {tried}."
        )
        parts += ["## Check on other inputs", text]
    verification = journal.verification
    if verification is not None:
        rows = [
            (name, c.kind, _number(c.max_abs_error), _number(c.max_rel_error), _clean(c.problem or "agrees"))
            for name, c in verification.outputs.items()
        ]
        columns = ["output", "type", "largest absolute error", "largest relative error", "result"]
        parts += _section("Verification on the example", columns, rows)
        if not verification.values:
            parts.append("The model draws random numbers: types and shapes alone were compared.")
    return parts


def _section(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A heading and a table; nothing if there are no rows."""
    if not rows:
        return []
    lines = [_row(columns), _row(["---"] * len(columns)), *(_row(row) for row in rows)]
    return [f"## {title}", "\n".join(lines)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(' '.join(cell.replace('|', chr(92) + '|').split()) for cell in cells)} |"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _place(place: Place) -> str:
    parts = [
        source_of(place),
        f"in {place.function}" if place.function else "",
        place.module and f"module {place.module}",
    ]
    return ", ".join(part for part in parts if part)


def _clean(text: str) -> str:
    """A text without folders of this machine."""
    for root in _roots():
        text = text.replace(root + os.sep, "")
    return _FILE.sub("", text)


def _roots() -> list[str]:
    folders = {os.getcwd(), str(Path.home()), tempfile.gettempdir(), sys.prefix, *site.getsitepackages(), *sys.path}
    return sorted((f.rstrip(os.sep) for f in folders if os.path.isabs(f) and len(f) > 1), key=len, reverse=True)


def _versions() -> list[tuple[str, str]]:
    found = []
    for name in _PACKAGES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return found


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WriteFailed(f"cannot write the report {path}", why=error.strerror or str(error)) from error
