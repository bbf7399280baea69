"""Sequences, optionals, and the operators with subgraphs."""

from __future__ import annotations

from onnxport_ir.dims import Dim, SymDim
from onnxport_ir.dtypes import DType
from onnxport_ir.graph import Block, Node, Value
from onnxport_ir.rules.common import (
    UNKNOWN,
    Context,
    Rule,
    dtype_attr,
    int_attr,
    ints_attr,
    normalise_axis,
    operand,
    operand_contents,
    replaced,
    tensor,
)
from onnxport_ir.rules.shaping import concatenated
from onnxport_ir.rules.sizes import is_nonnegative
from onnxport_ir.types import OptionalType, SequenceType, Shape, TensorType, ValueType


def merged(left: ValueType, right: ValueType, ctx: Context) -> ValueType:
    """What is known of a value that is one or the other: sizes that differ become unknown, ranks that differ too."""
    if left == right:
        return left
    if isinstance(left, TensorType) and isinstance(right, TensorType):
        return TensorType(
            left.dtype if left.dtype is right.dtype else None, _merged_shape(left.shape, right.shape, ctx)
        )
    if isinstance(left, SequenceType) and isinstance(right, SequenceType):
        return SequenceType(merged(_value_type(left.element), _value_type(right.element), ctx))
    if isinstance(left, OptionalType) and isinstance(right, OptionalType):
        return OptionalType(merged(_value_type(left.element), _value_type(right.element), ctx))
    return UNKNOWN


def _merged_shape(left: Shape, right: Shape, ctx: Context) -> Shape:
    if left is None or right is None or len(left) != len(right):
        return None
    return tuple([a if a == b else ctx.dims.unknown() for a, b in zip(left, right, strict=True)])


def _value_type(element: object) -> ValueType:
    return element if isinstance(element, TensorType | SequenceType | OptionalType) else UNKNOWN


def _element(node: Node) -> TensorType:
    """The element type of the sequence that is the first operand."""
    value = operand(node, 0)
    if value is not None and isinstance(value.value_type, SequenceType):
        element = value.value_type.element
        if isinstance(element, TensorType):
            return element
    return UNKNOWN


def _sequence_construct(node: Node, ctx: Context) -> list[ValueType]:
    element: ValueType = tensor(node, 0)
    for index in range(1, len(node.operands)):
        element = merged(element, tensor(node, index), ctx)
    return [SequenceType(_varying(element, ctx))]


def _varying(element: ValueType, ctx: Context) -> ValueType:
    """An element type as it is written for all elements: an unknown size may differ from one to the next."""
    if isinstance(element, TensorType) and element.shape is not None:
        return TensorType(element.dtype, tuple([_fresh(size, ctx) for size in element.shape]))
    return element


def _fresh(size: Dim, ctx: Context) -> Dim:
    return size if not isinstance(size, SymDim) or size.is_printable else ctx.dims.unknown()


def _sequence_empty(node: Node, ctx: Context) -> list[ValueType]:
    return [SequenceType(TensorType(dtype_attr(node, "dtype", DType.FLOAT32)))]


def _sequence_at(node: Node, ctx: Context) -> list[ValueType]:
    return [_varying(_element(node), ctx)]


def _sequence_insert(node: Node, ctx: Context) -> list[ValueType]:
    added = tensor(node, 1)
    producer = node.operands[0].producer if node.operands and node.operands[0] is not None else None
    if producer is not None and producer.op_type == "SequenceEmpty":
        # An empty sequence says nothing about shapes, so the first element decides.
        return [SequenceType(_varying(added, ctx))]
    return [SequenceType(_varying(merged(_element(node), added, ctx), ctx))]


def _sequence_same(node: Node, ctx: Context) -> list[ValueType]:
    value = operand(node, 0)
    return [UNKNOWN if value is None else value.value_type]


def _sequence_length(node: Node, ctx: Context) -> list[ValueType]:
    return [TensorType(DType.INT64, ())]


def _split_to_sequence(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    if data.shape is None:
        return [SequenceType(data)]
    axis = normalise_axis(node, int_attr(node, "axis", 0), len(data.shape))
    if operand(node, 1) is None:
        keep = int_attr(node, "keepdims", 1)
        rest = replaced(data.shape, axis, 1) if keep else (*data.shape[:axis], *data.shape[axis + 1 :])
        return [SequenceType(TensorType(data.dtype, rest))]
    size = _chunk(data.shape[axis], operand_contents(node, 1), tensor(node, 1).rank)
    part = ctx.dims.unknown() if size is None else size
    return [SequenceType(TensorType(data.dtype, replaced(data.shape, axis, part)))]


def _chunk(size: Dim, parts: tuple[Dim, ...] | None, rank: int | None) -> Dim | None:
    """The size that all chunks have, if they have one."""
    if not parts or rank is None:
        return None
    if rank == 1:
        return parts[0] if all(part == parts[0] for part in parts) else None
    if parts[0] == 1:
        return 1
    if isinstance(size, int) and isinstance(parts[0], int) and parts[0] > 0 and size % parts[0] == 0:
        return parts[0]
    return None


def _concat_from_sequence(node: Node, ctx: Context) -> list[ValueType]:
    element = _element(node)
    if element.shape is None:
        return [TensorType(element.dtype)]
    axis = int_attr(node, "axis", 0)
    value = operand(node, 0)
    producer = None if value is None else value.producer
    # Only where the sequence is made on the spot are the number and the sizes of its elements known.
    parts = None
    if producer is not None and producer.op_type == "SequenceConstruct":
        parts = [tensor(producer, index).shape for index in range(len(producer.operands))]
    if int_attr(node, "new_axis", 0):
        axis = normalise_axis(node, axis, len(element.shape) + 1)
        count = ctx.dims.unknown() if parts is None else len(parts)
        return [TensorType(element.dtype, (*element.shape[:axis], count, *element.shape[axis:]))]
    if parts is not None:
        return [TensorType(element.dtype, concatenated(node, parts, axis, ctx))]
    axis = normalise_axis(node, axis, len(element.shape))
    return [TensorType(element.dtype, replaced(element.shape, axis, ctx.dims.unknown()))]


def _optional(node: Node, ctx: Context) -> list[ValueType]:
    value = operand(node, 0)
    if value is not None:
        return [OptionalType(value.value_type)]
    given = node.attributes.get("type")
    return [OptionalType(_value_type(given))]


def _optional_get(node: Node, ctx: Context) -> list[ValueType]:
    value = operand(node, 0)
    if value is None:
        return [UNKNOWN]
    if isinstance(value.value_type, OptionalType):
        return [_value_type(value.value_type.element)]
    return [value.value_type]


def _optional_has(node: Node, ctx: Context) -> list[ValueType]:
    return [TensorType(DType.BOOL, ())]


def _body(node: Node, name: str) -> Block | None:
    body = node.attributes.get(name)
    return body if isinstance(body, Block) else None


def _if(node: Node, ctx: Context) -> list[ValueType]:
    then, otherwise = _body(node, "then_branch"), _body(node, "else_branch")
    if then is None or otherwise is None:
        return []
    pairs = zip(then.outputs, otherwise.outputs, strict=False)
    return [merged(a.value_type, b.value_type, ctx) for a, b in pairs]


def _loop(node: Node, ctx: Context) -> list[ValueType]:
    """Operands: trip count, condition, carried values.

    The body takes iteration, condition and carried values, and gives condition, carried values and scanned ones.
    """
    body = _body(node, "body")
    if body is None:
        return []
    carried = node.operands[2:]
    results: list[ValueType] = []
    for initial, last in zip(carried, body.outputs[1:], strict=False):
        results.append(UNKNOWN if initial is None else merged(initial.value_type, _varying(last.value_type, ctx), ctx))
    trips = _trips(node, body, ctx)
    for scanned in body.outputs[1 + len(carried) :]:
        results.append(_stacked(scanned, 0, trips, ctx))
    return results


def _trips(node: Node, body: Block, ctx: Context) -> Dim:
    """The number of iterations; known only if nothing but the trip count ends the loop."""
    count = operand_contents(node, 0)
    condition = operand(node, 1)
    if not count or not (condition is None or _is_true(condition)):
        return ctx.dims.unknown()
    kept = body.outputs[0]
    while kept.producer is not None and kept.producer.op_type == "Identity" and kept.producer.operands[0] is not None:
        kept = kept.producer.operands[0]
    passed = len(body.inputs) > 1 and kept is body.inputs[1]
    endless = _is_true(kept) or passed
    return count[0] if endless and is_nonnegative(count[0]) else ctx.dims.unknown()


def _is_true(value: Value) -> bool:
    return value.const is not None and not value.is_weight and bool(value.const.numpy().all())


def _stacked(scanned: Value, axis: int, count: Dim, ctx: Context) -> ValueType:
    element = _varying(scanned.value_type, ctx)
    if not isinstance(element, TensorType) or element.shape is None:
        return element if isinstance(element, TensorType) else UNKNOWN
    axis += len(element.shape) + 1 if axis < 0 else 0
    return TensorType(element.dtype, (*element.shape[:axis], count, *element.shape[axis:]))


def _scan(node: Node, ctx: Context) -> list[ValueType]:
    body = _body(node, "body")
    if body is None or ctx.opset < 9:
        return []
    scanned_in = int_attr(node, "num_scan_inputs", 0)
    states = len(node.operands) - scanned_in
    results: list[ValueType] = []
    for initial, last in zip(node.operands[:states], body.outputs, strict=False):
        results.append(UNKNOWN if initial is None else merged(initial.value_type, _varying(last.value_type, ctx), ctx))
    count: Dim = ctx.dims.unknown()
    for index, axis in enumerate(ints_attr(node, "scan_input_axes") or (0,) * scanned_in):
        shape = tensor(node, states + index).shape
        if shape is not None and -len(shape) <= axis < len(shape):
            count = shape[axis]
            break
    outputs = body.outputs[states:]
    axes = ints_attr(node, "scan_output_axes") or (0,) * len(outputs)
    results.extend(_stacked(value, axis, count, ctx) for value, axis in zip(outputs, axes, strict=False))
    return results


RULES: dict[str, Rule] = {
    "ConcatFromSequence": _concat_from_sequence,
    "If": _if,
    "Loop": _loop,
    "Optional": _optional,
    "OptionalGetElement": _optional_get,
    "OptionalHasElement": _optional_has,
    "Scan": _scan,
    "SequenceAt": _sequence_at,
    "SequenceConstruct": _sequence_construct,
    "SequenceEmpty": _sequence_empty,
    "SequenceErase": _sequence_same,
    "SequenceInsert": _sequence_insert,
    "SequenceLength": _sequence_length,
    "SplitToSequence": _split_to_sequence,
}
