"""``onnxport check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import onnx
import torch
import typer
from onnxport.errors import InvalidArgument, OnnxExporterError
from onnxport.runtime import create_session, run_session
from onnxport_frontend import dtype_to_torch
from onnxport_ir import DType

from onnxport_cli.loading import random_tensor
from onnxport_cli.output import Output


def check(
    model: Annotated[Path, typer.Argument(help="An ONNX file.")],
    sizes: Annotated[
        list[str] | None, typer.Option("--size", "-s", help="The size of a dynamic axis: batch=4; repeat.")
    ] = None,
    default_size: Annotated[int, typer.Option(help="The size of all other dynamic axes.", min=1)] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document instead of a table.")] = False,
) -> None:
    """Check an ONNX file: its form with onnx.checker, and that ONNX Runtime runs it on random inputs."""
    out = Output(as_json)
    known = _sizes(sizes or [])
    proto = read_header(model)
    with out.working("Checking the form"):
        check_form(model)
    with out.working("Running"):
        feeds = {item.name: _example(item, known, default_size) for item in inputs_of(proto)}
        names = [item.name for item in proto.graph.output]
        results = _run(model, feeds, names)
    rows = [(name, _kind(result), _range(result)) for name, result in zip(names, results, strict=True)]
    out.table(f"{model}: well formed, and runs", ["output", "type", "values"], rows)
    out.document(
        {
            "path": str(model),
            "ok": True,
            "outputs": [{"name": name, "type": kind, "values": values} for name, kind, values in rows],
        }
    )


def read_header(model: Path) -> onnx.ModelProto:
    """Read a model without its external data.

    Raises:
        InvalidArgument: if the file is missing or no ONNX model.
    """
    if not model.is_file():
        raise InvalidArgument(f"there is no file {model}")
    try:
        proto = onnx.load(str(model), load_external_data=False)
    except Exception as error:  # protobuf's errors differ between its implementations
        raise InvalidArgument(f"{model} is no ONNX model", why=str(error).splitlines()[0]) from error
    if not proto.HasField("graph") or not proto.opset_import:
        raise InvalidArgument(f"{model} is no ONNX model", why="it holds no graph")
    return proto


def check_form(model: Path) -> None:
    """Run onnx.checker with shape inference.

    Raises:
        OnnxExporterError: with what it says.
    """
    try:
        onnx.checker.check_model(str(model), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise OnnxExporterError(f"{model} is not well formed", why=str(error).strip()) from error


def inputs_of(proto: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs that a caller must give: those without an initializer."""
    stored = {tensor.name for tensor in proto.graph.initializer}
    return [item for item in proto.graph.input if item.name not in stored]


def _run(model: Path, feeds: dict[str, Any], names: list[str]) -> list[Any]:
    session = create_session(str(model))
    try:
        return run_session(session, feeds, names)
    except Exception as error:  # onnxruntime's exceptions share no base class but this
        raise OnnxExporterError(
            f"ONNX Runtime does not run {model}",
            why=str(error).strip(),
            hint="Sizes that do not go together are a common cause: give them with --size NAME=NUMBER.",
        ) from error


def _example(item: onnx.ValueInfoProto, known: dict[str, int], default: int) -> Any:
    if not item.type.HasField("tensor_type"):
        raise OnnxExporterError(f"input {item.name} is no tensor", hint="Run the model with your own inputs.")
    tensor = item.type.tensor_type
    shape = tuple(
        dim.dim_value if dim.HasField("dim_value") else known.get(dim.dim_param, default) for dim in tensor.shape.dim
    )
    try:
        dtype = dtype_to_torch(DType(tensor.elem_type))
    except (TypeError, ValueError) as error:
        name = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
        raise OnnxExporterError(
            f"input {item.name} is of type {name}",
            why="torch has none like it",
            hint="Run the model with your own inputs.",
        ) from error
    return random_tensor(shape, dtype)


def _sizes(texts: list[str]) -> dict[str, int]:
    sizes = {}
    for text in texts:
        name, _, size = text.partition("=")
        if not name or not size.isdigit():
            raise InvalidArgument(f"--size {text!r} is not understood", hint="Write NAME=NUMBER.")
        sizes[name] = int(size)
    return sizes


def _kind(result: Any) -> str:
    if isinstance(result, torch.Tensor):
        return f"{str(result.dtype).removeprefix('torch.')}{list(result.shape)}"
    return f"sequence of {len(result)}" if isinstance(result, list) else "none"


def _range(result: Any) -> str:
    if not isinstance(result, torch.Tensor) or result.numel() == 0 or result.is_complex():
        return ""
    numbers = result.to(torch.float64)
    return f"{numbers.min().item():.4g} to {numbers.max().item():.4g}"
