"""Operators that the standard itself defines by others: their definition, node by node, stands in for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import onnx
from onnxport_ir import ArrayTensor, Block, DType, TensorType, Value
from onnxport_ir.errors import InternalError

from onnxport_symbolics.calls import backport
from onnxport_symbolics.op import Op
from onnxport_symbolics.schemas import NEWEST_OPSET, newest_schema

#: Operators whose definitions are spelled as the newest opset spells them.
DEFINED = (
    "Attention",
    "CausalConvWithState",
    "CenterCropPad",
    "DynamicQuantizeLinear",
    "LinearAttention",
    "NegativeLogLikelihoodLoss",
    "RotaryEmbedding",
    "SoftmaxCrossEntropyLoss",
)
_BY_NUMBER = {dtype.onnx: dtype for dtype in DType}


def _stand_in(op_type: str) -> None:
    @backport(op_type)
    def expand(op: Op, *operands: Value | None, num_results: int = 1, **attributes: Any) -> tuple[Value, ...]:
        """The standard's definition for operands of these types."""
        body = _definition(op_type, operands, attributes, num_results)
        if not body.node:
            # The definition depends on sizes that are not known.
            raise op.needs(op_type)
        env: dict[str, Value | None] = dict(zip(body.input, operands, strict=False))
        given = {**newest_schema(op_type).defaults, **attributes}
        _run(op, body.node, env, given)
        return tuple(_required(env, name) for name in body.output[:num_results])


for _name in DEFINED:
    _stand_in(_name)


def _definition(
    op_type: str, operands: tuple[Value | None, ...], attributes: dict[str, Any], num_results: int
) -> onnx.FunctionProto:
    """The body of a function operator, made for a call where it depends on that."""
    # Any: onnx's stubs lack what is asked of the schema here.
    schema: Any = onnx.defs.get_schema(op_type, NEWEST_OPSET, "")
    if schema.has_function:
        function: onnx.FunctionProto = schema.function_body
        return function
    inputs = [f"input_{index}" if value is not None else "" for index, value in enumerate(operands)]
    inputs += [""] * (len(schema.inputs) - len(inputs))
    outputs = [f"output_{index}" if index < num_results else "" for index in range(len(schema.outputs))]
    node = onnx.helper.make_node(op_type, inputs, outputs, **attributes)
    types = [_type_of(value).SerializeToString() for value in operands]
    types += [onnx.TypeProto().SerializeToString()] * (len(schema.inputs) - len(types))
    version = max(schema.context_dependent_function_opset_versions)
    body = onnx.FunctionProto()
    body.ParseFromString(
        schema.get_context_dependent_function_with_opset_version(version, node.SerializeToString(), types)
    )
    return body


def _type_of(value: Value | None) -> onnx.TypeProto:
    if value is None:
        return onnx.TypeProto()
    dtype = 0 if value.dtype is None else value.dtype.onnx
    sizes = None if value.shape is None else [size if isinstance(size, int) else None for size in value.shape]
    return onnx.helper.make_tensor_type_proto(dtype, sizes)


def _run(op: Op, nodes: Iterable[onnx.NodeProto], env: dict[str, Value | None], given: Mapping[str, Any]) -> None:
    """Call the operators of a body, in order; their results go to ``env``."""
    for node in nodes:
        operands = [env.get(name) if name else None for name in node.input]
        attributes = {a.name: _attribute(a, given) for a in node.attribute}
        attributes = {name: value for name, value in attributes.items() if value is not None}
        if node.op_type == "Scan":
            attributes["body"] = _scan_body(op, attributes, operands, env, given)
        if node.op_type == "Constant":
            env[node.output[0]] = _constant(op, attributes)
            continue
        results = op.multi(node.op_type, len(node.output), *operands, **attributes)
        env.update(zip(node.output, results, strict=True))


def _constant(op: Op, attributes: Mapping[str, Any]) -> Value:
    ((name, value),) = attributes.items()
    if isinstance(value, ArrayTensor):
        return op.const(value.array, value.dtype)
    return op.const(
        list(value) if isinstance(value, tuple) else value, DType.FLOAT32 if "float" in name else DType.INT64
    )


def _attribute(attribute: onnx.AttributeProto, given: Mapping[str, Any]) -> Any:  # Any: values of all kinds
    """The value of an attribute, which may be the function's own of another name."""
    if attribute.ref_attr_name:
        return given.get(attribute.ref_attr_name)
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, onnx.TensorProto):
        return ArrayTensor.of(onnx.numpy_helper.to_array(value), _BY_NUMBER[value.data_type])
    return tuple(value) if isinstance(value, list) else value


def _scan_body(
    op: Op,
    attributes: Mapping[str, Any],
    operands: Sequence[Value | None],
    env: Mapping[str, Value | None],
    given: Mapping[str, Any],
) -> Block:
    """The body of a Scan along first axes: it gets states as they are, and a slice of everything else."""
    graph: onnx.GraphProto = attributes["body"]
    num_states = len(operands) - int(attributes["num_scan_inputs"])
    formals = []
    for index, operand in enumerate(operands):
        shape = None if operand is None else operand.shape
        if shape is not None and index >= num_states:
            shape = shape[1:]
        formals.append(Value(TensorType(None if operand is None else operand.dtype, shape)))
    inner = {**env, **dict(zip((item.name for item in graph.input), formals, strict=True))}
    with op.body(formals, name=graph.name or "body") as block:
        _run(op, graph.node, inner, given)
        block.outputs = [op.own(_required(inner, item.name)) for item in graph.output]
    return block


def _required(env: Mapping[str, Value | None], name: str) -> Value:
    value = env[name]
    if value is None:
        raise InternalError(f"the standard's definition of an operator leaves {name} out")
    return value
