"""``onnxport export``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import onnxport
import typer
from onnxport.errors import InvalidArgument

from onnxport_cli.loading import load_model
from onnxport_cli.output import Output, size_text


def export(
    model: Annotated[
        str, typer.Argument(help="package.module:factory, path/to/file.py:factory, or a TorchScript .pt.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", help="An example input: [NAME=]SHAPE[:DTYPE], 1,3,224,224 or 2,16:int64."),
    ] = None,
    opset: Annotated[int, typer.Option(help="The ONNX opset.")] = onnxport.DEFAULT_OPSET,
    input_names: Annotated[
        list[str] | None, typer.Option("--input-name", help="Names of the inputs, in order; repeat.")
    ] = None,
    output_names: Annotated[
        list[str] | None, typer.Option("--output-name", help="Names of the outputs, in order; repeat.")
    ] = None,
    dynamic: Annotated[
        list[str] | None,
        typer.Option("--dynamic", "-d", help="Dynamic axes of an input or output: x:0 or x:0=batch,2=height."),
    ] = None,
    external_data: Annotated[
        bool, typer.Option(help="Put weights into a second file if the model exceeds 2 GB.")
    ] = True,
    export_params: Annotated[bool, typer.Option(help="Write the weights.")] = True,
    check: Annotated[
        bool | None,
        typer.Option(
            "--check/--no-check",
            help="Run the result with other sizes against the model; by default where it is cheap.",
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print the exported graph.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document instead of a table.")] = False,
) -> None:
    """Export a model to an ONNX file."""
    out = Output(as_json)
    axes = dynamic_axes(dynamic or [])
    with out.working("Loading the model"):
        loaded = load_model(model, inputs or [])
    with out.working("Exporting"):
        program = onnxport.export(
            loaded.model,
            loaded.args,
            output,
            kwargs=loaded.kwargs,
            opset_version=opset,
            input_names=input_names,
            output_names=output_names,
            dynamic_axes=axes or None,
            external_data=external_data,
            export_params=export_params,
            verbose=verbose,
            check="auto" if check is None else check,
        )
    files = [path for path in (output, output.with_name(f"{output.name}.data")) if path.is_file()]
    nbytes = sum(path.stat().st_size for path in files[:1])
    out.table(
        f"{output}",
        ["stage", "seconds"],
        [*program.timings.items(), ("all", sum(program.timings.values()))],
    )
    out.text(
        f"opset {program.model.opset}, {program.model.num_nodes()} nodes, {size_text(nbytes)}, "
        f"inputs {', '.join(program.input_names)}, outputs {', '.join(program.output_names)}"
    )
    checked = program.checked
    out.text(
        f"not checked: {checked.reason}" if checked.sizes is None else f"checked with {_sizes_text(checked.sizes)}"
    )
    out.document(
        {
            "path": str(output),
            "opset": program.model.opset,
            "nodes": program.model.num_nodes(),
            "bytes": nbytes,
            "inputs": list(program.input_names),
            "outputs": list(program.output_names),
            "checked": {"sizes": checked.sizes, "reason": checked.reason},
            "seconds": program.timings,
        }
    )


def _sizes_text(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={size}" for name, size in sizes.items()) or "other values"


def dynamic_axes(texts: list[str]) -> dict[str, dict[int, str] | list[int]]:
    """Read ``x:0=batch,2`` as ``{"x": {0: "batch", 2: "x_dynamic_axes_2"}}``, and ``x:0,2`` as ``{"x": [0, 2]}``."""
    axes: dict[str, dict[int, str] | list[int]] = {}
    for text in texts:
        name, colon, rest = text.partition(":")
        entries = [entry.partition("=") for entry in rest.split(",")]
        try:
            numbers = [int(axis) for axis, _, _ in entries]
        except ValueError:
            numbers = []
        if not colon or not name or not numbers:
            raise InvalidArgument(
                f"--dynamic {text!r} is not understood", hint="Write NAME:AXIS or NAME:AXIS=SIZE_NAME."
            )
        if not any(label for _, _, label in entries):
            axes[name] = numbers
            continue
        axes[name] = {
            number: label or f"{name}_dynamic_axes_{index}"
            for index, (number, (_, _, label)) in enumerate(zip(numbers, entries, strict=True), 1)
        }
    return axes
