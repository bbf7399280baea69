"""``onnxport verify`` and ``onnxport bisect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import onnxport
import typer

from onnxport_cli.check import read_header
from onnxport_cli.export import dynamic_axes
from onnxport_cli.loading import load_model
from onnxport_cli.output import Output

_Inputs = Annotated[
    list[str] | None,
    typer.Option("--input", "-i", help="An example input: [NAME=]SHAPE[:DTYPE], 1,3,224,224 or 2,16:int64."),
]
_Rtol = Annotated[float | None, typer.Option(help="The allowed error as a share of torch's value.")]
_Atol = Annotated[float | None, typer.Option(help="The allowed error beside that.")]
_Json = Annotated[bool, typer.Option("--json", help="Print a JSON document instead of a table.")]


def verify(
    file: Annotated[Path, typer.Argument(help="An ONNX file.")],
    model: Annotated[str, typer.Option("--model", "-m", help="The torch model: see `onnxport export`.")],
    inputs: _Inputs = None,
    rtol: _Rtol = None,
    atol: _Atol = None,
    as_json: _Json = False,
) -> None:
    """Compare an ONNX file with the torch model that it stands for; the exit code is 1 if their outputs differ."""
    out = Output(as_json)
    read_header(file)
    with out.working("Loading the model"):
        loaded = load_model(model, inputs or [])
    options = onnxport.VerifyOptions(rtol, atol)
    with out.working("Running both"):
        found = onnxport.verify(file, loaded.model, loaded.args, kwargs=loaded.kwargs, options=options)
    rows = [
        (name, c.kind, _number(c.max_abs_error), _number(c.max_rel_error), c.problem or "agrees")
        for name, c in found.outputs.items()
    ]
    out.table(f"{file}", ["output", "type", "absolute error", "relative error", "result"], rows)
    out.document(
        {
            "path": str(file),
            "ok": not found.problems,
            "outputs": [
                {
                    "name": name,
                    "type": c.kind,
                    "max_abs_error": c.max_abs_error,
                    "max_rel_error": c.max_rel_error,
                    "problem": c.problem,
                }
                for name, c in found.outputs.items()
            ],
        }
    )
    if found.problems:
        raise typer.Exit(1)


def bisect(
    model: Annotated[
        str, typer.Argument(help="package.module:factory, path/to/file.py:factory, or a TorchScript .pt.")
    ],
    inputs: _Inputs = None,
    opset: Annotated[int, typer.Option(help="The ONNX opset.")] = onnxport.DEFAULT_OPSET,
    dynamic: Annotated[
        list[str] | None, typer.Option("--dynamic", "-d", help="Dynamic axes of an input: x:0 or x:0=batch,2=height.")
    ] = None,
    folder: Annotated[Path, typer.Option("--output", "-o", help="Where the reproduction goes.")] = Path(),
    rtol: _Rtol = None,
    atol: _Atol = None,
    as_json: _Json = False,
) -> None:
    """Find the first operator at which ONNX Runtime and torch part; the exit code is 1 if they do."""
    out = Output(as_json)
    with out.working("Loading the model"):
        loaded = load_model(model, inputs or [])
    with out.working("Comparing the operators"):
        found = onnxport.bisect(
            loaded.model,
            loaded.args,
            kwargs=loaded.kwargs,
            opset_version=opset,
            dynamic_axes=dynamic_axes(dynamic or []) or None,
            options=onnxport.VerifyOptions(rtol, atol),
            folder=folder,
        )
    out.text(str(found))
    out.document(
        {
            "verdict": found.verdict,
            "problem": found.comparison.problem if found.comparison else None,
            "operator": found.operator or None,
            "module": found.module,
            "class": found.module_class,
            "file": found.place.file,
            "line": found.place.line,
            "source": found.source_line,
            "nodes": list(found.nodes),
            "model": None if found.model_path is None else str(found.model_path),
            "inputs": None if found.inputs_path is None else str(found.inputs_path),
        }
    )
    if found.verdict != "agrees":
        raise typer.Exit(1)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
