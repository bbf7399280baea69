"""TopK before it took integers and found the smallest, ArgMax before it could find the last."""

from __future__ import annotations

import math

from onnxport_ir import DType, Value

from onnxport_symbolics import integers
from onnxport_symbolics.calls import Call, downgrade
from onnxport_symbolics.downgrades.axes import first, normalised
from onnxport_symbolics.downgrades.numeric import WIDE, halves
from onnxport_symbolics.downgrades.types import largest_number
from onnxport_symbolics.integers import known_ints
from onnxport_symbolics.op import Op


@downgrade("ArgMax", "ArgMin", at=12)
def first_index_is_selected(op: Op, call: Call) -> Call | Value:
    """Of equal elements the first was found; the last is the first from the end."""
    if not call.attributes.pop("select_last_index", 0):
        return call
    data = first(call)
    axis = op.axis(data, int(call.attributes.get("axis", 0)))
    reversed_data = op.Slice(data, [-1], [integers.INT64_MIN], [axis], [-1])
    (found,) = op.multi(call.op_type, 1, reversed_data, **call.attributes)
    return op.Sub(op.scalar(integers.sub(op, op.dim(data, axis), 1), DType.INT64), found)


@downgrade("TopK", at=11)
def topk_of_largest(op: Op, call: Call) -> Call | tuple[Value, ...]:
    """Only the largest elements were found, always sorted; the smallest are the largest of the negated."""
    call.attributes.pop("sorted", None)
    normalised(op, call)
    data, largest = first(call), bool(call.attributes.pop("largest", 1))
    if op.dtype(data) in WIDE:
        return _by_halves(op, call, largest=largest)[: call.num_results]
    if largest:
        return call
    if not op.dtype(data).is_float:
        # A wider type has room for the negated, also of the lowest.
        wide = op.cast(data, DType.FLOAT64 if op.dtype(data).bits == 32 else DType.FLOAT32)
        values, indices = op.multi("TopK", 2, wide, call.operands[1], largest=0, **call.attributes)
        return (op.cast(values, op.dtype(data)), indices)[: call.num_results]
    # NaN is larger than infinity: of the negated, it has to be the smallest.
    lowest = op.const_like(-largest_number(op.dtype(data)), data)
    keys = op.Where(op.IsNaN(data), op.const_like(-math.inf, data), op.Max(op.Neg(data), lowest))
    _, indices = op.multi("TopK", 2, keys, call.operands[1], **call.attributes)
    axis = op.axis(data, int(call.attributes.get("axis", -1)))
    return (op.GatherElements(data, indices, axis=axis), indices)[: call.num_results]


@downgrade("TopK", at=10)
def topk_count_becomes_attribute(op: Op, call: Call) -> Call:
    """K was an attribute, so it must be known now."""
    count = known_ints(call.take("K"))
    if count is None:
        raise op.needs_opset("TopK with a K that depends on the input", 10)
    call.attributes["k"] = count[0]
    return call


def _by_halves(op: Op, call: Call, *, largest: bool) -> tuple[Value, Value]:
    """64-bit integers sorted by the lower halves, and then, as equal ones keep their order, by the higher."""
    data = first(call)
    axis = op.axis(data, int(call.attributes.get("axis", -1)))
    keys = [op.cast(half, DType.FLOAT64) for half in halves(op, data)]
    high, low = keys if largest else map(op.Neg, keys)
    _, order = op.multi("TopK", 2, low, op.ints([op.dim(data, axis)]), axis=axis)
    _, chosen = op.multi("TopK", 2, op.GatherElements(high, order, axis=axis), call.operands[1], axis=axis)
    indices = op.GatherElements(order, chosen, axis=axis)
    return op.GatherElements(data, indices, axis=axis), indices
