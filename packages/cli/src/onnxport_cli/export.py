"""``onnxport export``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import onnxport
import typer
from onnxport.errors import InvalidArgument

from onnxport_cli.loading import load_model
from onnxport_cli.output import Output, size_text

_MORE = "What becomes of what ONNX has no equal for"
_FORM = "The form of the file"

Model = Annotated[str, typer.Argument(help="package.module:factory, path/to/file.py:factory, or a TorchScript .pt.")]
Inputs = Annotated[
    list[str] | None,
    typer.Option("--input", "-i", help="An example input: [NAME=]SHAPE[:DTYPE], 1,3,224,224 or 2,16:int64."),
]
InputNames = Annotated[list[str] | None, typer.Option("--input-name", help="Names of the inputs, in order; repeat.")]
OutputNames = Annotated[list[str] | None, typer.Option("--output-name", help="Names of the outputs, in order; repeat.")]
Dynamic = Annotated[
    list[str] | None,
    typer.Option("--dynamic", "-d", help="Dynamic axes of an input or output: x:0 or x:0=batch,2=height."),
]
Check = Annotated[
    bool | None,
    typer.Option(
        "--check/--no-check", help="Run the result with other sizes against the model; by default where it is cheap."
    ),
]
Training = Annotated[
    Literal["eval", "preserve", "training"], typer.Option(help="The mode that the model is captured in.")
]
OnFrozen = Annotated[
    Literal["auto", "error", "warn", "ignore"],
    typer.Option(help="Values that the trace has fixed although the input decides them.", rich_help_panel=_MORE),
]
MutatedBuffers = Annotated[
    Literal["ignore", "outputs", "error"],
    typer.Option(help="Buffers that the model writes while it runs.", rich_help_panel=_MORE),
]
Custom = Annotated[
    Literal["error", "keep"],
    typer.Option(help="Custom operators without a symbolic function.", rich_help_panel=_MORE),
]
ComplexPairs = Annotated[
    bool,
    typer.Option("--complex-pairs", help="Complex inputs and outputs as pairs of numbers.", rich_help_panel=_MORE),
]
Loops = Annotated[
    Literal["keep", "unroll"],
    typer.Option(help="A script's loops with a constant number of turns.", rich_help_panel=_FORM),
]
Functions = Annotated[
    bool, typer.Option("--functions", help="Every module as a local function.", rich_help_panel=_FORM)
]
Optimize = Annotated[bool, typer.Option(help="Run the passes over the graph.", rich_help_panel=_FORM)]
Folding = Annotated[
    bool, typer.Option(help="Store what is computed from weights alone, not the weights.", rich_help_panel=_FORM)
]
Weights = Annotated[bool, typer.Option(help="Write the weights.", rich_help_panel=_FORM)]
ExternalData = Annotated[
    bool, typer.Option(help="Put weights into a second file if the model exceeds 2 GB.", rich_help_panel=_FORM)
]
WeightInputs = Annotated[
    bool,
    typer.Option(
        "--keep-initializers-as-inputs",
        help="Make inputs of the weights, so that a caller can replace them.",
        rich_help_panel=_FORM,
    ),
]


def export(
    model: Model,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    inputs: Inputs = None,
    opset: Annotated[int, typer.Option(help="The ONNX opset.")] = onnxport.DEFAULT_OPSET,
    input_names: InputNames = None,
    output_names: OutputNames = None,
    dynamic: Dynamic = None,
    check: Check = None,
    training: Training = "eval",
    on_frozen: OnFrozen = "auto",
    mutated_buffers: MutatedBuffers = "ignore",
    custom: Custom = "error",
    complex_pairs: ComplexPairs = False,
    loops: Loops = "keep",
    functions: Functions = False,
    optimize: Optimize = True,
    constant_folding: Folding = True,
    export_params: Weights = True,
    external_data: ExternalData = True,
    keep_initializers_as_inputs: WeightInputs = False,
    report: Annotated[Path | None, typer.Option(help="A folder for a report in Markdown.")] = None,
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
            check="auto" if check is None else check,
            training=onnxport.TrainingMode[training.upper()],
            on_frozen=on_frozen,
            mutated_buffers=mutated_buffers,
            custom=custom,
            complex_pairs=complex_pairs,
            loops=loops,
            export_modules_as_functions=functions,
            optimize=optimize,
            do_constant_folding=constant_folding,
            export_params=export_params,
            external_data=external_data,
            keep_initializers_as_inputs=keep_initializers_as_inputs,
            report=report is not None,
            artifacts_dir=report or ".",
            verbose=verbose,
        )
    _show(out, program, output)


def _show(out: Output, program: onnxport.ONNXProgram, output: Path) -> None:
    """Say what was exported."""
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
