"""``onnxport ops``."""

from __future__ import annotations

import dataclasses
import re
from typing import Annotated

import onnxport
import typer
from onnxport.coverage import Coverage, operator_coverage

from onnxport_cli.output import Output


def ops(
    context: typer.Context,
    pattern: Annotated[str, typer.Argument(help="Only operators whose name matches this regular expression.")] = "",
    opset: Annotated[int | None, typer.Option(help="Only operators that are known to work at this opset.")] = None,
    missing: Annotated[bool, typer.Option("--missing", help="Those of torch's that have no handler, instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document instead of a table.")] = False,
) -> None:
    """List the operators that can be exported, or those that cannot."""
    out = dataclasses.replace(context.obj or Output(), as_json=as_json)
    found = [entry for entry in operator_coverage() if re.search(pattern, entry.name)]
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
