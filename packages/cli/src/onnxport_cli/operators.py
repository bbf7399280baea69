"""``onnxport ops``."""

from __future__ import annotations

import dataclasses
import re
from typing import Annotated

import onnxport
import typer
from onnxport.coverage import Coverage, operator_coverage
from onnxport.errors import InvalidArgument
from onnxport_symbolics import Target

from onnxport_cli.output import Output


def ops(
    pattern: Annotated[str, typer.Argument(help="Only operators whose name matches this regular expression.")] = "",
    opset: Annotated[
        int | None, typer.Option(help="Count operators that have shown to need a later opset as missing.")
    ] = None,
    missing: Annotated[bool, typer.Option("--missing", help="Those of torch's that have no handler, instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document instead of a table.")] = False,
) -> None:
    """List the operators that can be exported, or those that cannot."""
    out = Output(as_json)
    if opset is not None:
        Target(opset)  # refuses an unknown one
    try:
        matches = re.compile(pattern).search
    except re.error as error:
        raise InvalidArgument(f"{pattern!r} is no regular expression", why=str(error)) from error
    found = [entry for entry in operator_coverage() if matches(entry.name)]
    chosen = [entry for entry in found if _is_chosen(entry, opset, missing)]
    title = "Operators without a handler" if missing else "Operators"
    if opset is not None:
        title += f" at opset {opset}"
    if missing:
        out.table(title, ["operator"], [(entry.name,) for entry in chosen])
    else:
        out.table(title, ["operator", "handler in"], [(entry.name, entry.origin or "") for entry in chosen])
    out.text(f"{len(chosen)} of {len(found)} operators; the newest opset is {onnxport.NEWEST_OPSET}")
    out.document({"opset": opset, "missing": missing, "operators": [dataclasses.asdict(entry) for entry in chosen]})


def _is_chosen(entry: Coverage, opset: int | None, missing: bool) -> bool:
    supported = entry.origin is not None and (opset is None or entry.first_opset is None or entry.first_opset <= opset)
    return supported != missing
