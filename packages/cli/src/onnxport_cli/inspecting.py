"""``onnxport inspect``."""

from __future__ import annotations

import collections
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import onnx
import typer
from onnxport_ir import DType
from onnxport_ir.tensors import packed_nbytes

from onnxport_cli.check import inputs_of, read_header
from onnxport_cli.output import Output, size_text


def inspect(
    model: Annotated[Path, typer.Argument(help="An ONNX file.")],
    weights: Annotated[int, typer.Option(help="How many weights to list, the largest first; 0 for none.", min=0)] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document instead of tables.")] = False,
) -> None:
    """Show what an ONNX file consists of: inputs, outputs, operators, weights, opsets."""
    out = Output(as_json)
    content = describe(read_header(model))
    out.text(f"{model}: {size_text(model.stat().st_size)}, made by {content['producer'] or 'an unknown producer'}")
    out.table("Opsets", ["domain", "version"], [(d or "ai.onnx", v) for d, v in content["opsets"].items()])
    for title in ("inputs", "outputs"):
        out.table(title.capitalize(), ["name", "type"], [(i["name"], i["type"]) for i in content[title]])
    out.table("Operators", ["operator", "nodes"], content["operators"].items())
    if weights:
        rows = [(w["name"], w["type"], w["bytes"]) for w in content["weights"][:weights]]
        total = sum(w["bytes"] for w in content["weights"])
        out.table(f"Weights: {len(content['weights'])}, {size_text(total)}", ["name", "type", "bytes"], rows)
    if content["functions"]:
        out.table("Functions", ["function", "nodes"], content["functions"].items())
    out.document({"path": str(model), **content})


def describe(proto: onnx.ModelProto) -> dict[str, Any]:
    """What a model consists of, as a JSON document."""
    operators = collections.Counter(
        f"{node.domain}::{node.op_type}" if node.domain else node.op_type for node in _nodes(proto.graph.node)
    )
    weights = [
        {
            "name": tensor.name,
            "type": f"{_dtype_name(tensor.data_type)}{list(tensor.dims)}",
            "bytes": packed_nbytes(DType(tensor.data_type), tuple(tensor.dims))
            if tensor.data_type != onnx.TensorProto.STRING
            else math.prod(tensor.dims),
        }
        for tensor in proto.graph.initializer
    ]
    return {
        "ir_version": proto.ir_version,
        "producer": f"{proto.producer_name} {proto.producer_version}".strip(),
        "opsets": {entry.domain: entry.version for entry in proto.opset_import},
        "inputs": [{"name": item.name, "type": _type_text(item.type)} for item in inputs_of(proto)],
        "outputs": [{"name": item.name, "type": _type_text(item.type)} for item in proto.graph.output],
        "operators": dict(operators.most_common()),
        "weights": sorted(weights, key=lambda weight: -int(str(weight["bytes"]))),
        "functions": {f"{f.domain}::{f.name}": len(list(_nodes(f.node))) for f in proto.functions},
        "metadata": {entry.key: entry.value for entry in proto.metadata_props},
    }


def _nodes(nodes: Any) -> Iterator[onnx.NodeProto]:  # Any: a repeated field of protobuf
    for node in nodes:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _nodes(attribute.g.node)


def _type_text(proto: onnx.TypeProto) -> str:
    if proto.HasField("sequence_type"):
        return f"sequence of {_type_text(proto.sequence_type.elem_type)}"
    if proto.HasField("optional_type"):
        return f"optional {_type_text(proto.optional_type.elem_type)}"
    tensor = proto.tensor_type
    if not tensor.HasField("shape"):
        return f"{_dtype_name(tensor.elem_type)}[...]"
    dims = [str(dim.dim_value) if dim.HasField("dim_value") else dim.dim_param or "?" for dim in tensor.shape.dim]
    return f"{_dtype_name(tensor.elem_type)}[{', '.join(dims)}]"


def _dtype_name(number: int) -> str:
    return DType(number).name.lower() if number in {dtype.onnx for dtype in DType} else f"type {number}"
