"""Axes: from inputs to attributes, counted from the front, and the softmax that flattened its input."""

from __future__ import annotations

from onnxport_ir import Value
from onnxport_ir.errors import InternalError

from onnxport_symbolics.calls import Call, downgrade
from onnxport_symbolics.integers import known_ints, wrap
from onnxport_symbolics.op import Op

#: Reductions that took their axes as an input later than ReduceSum did.
_REDUCTIONS = (
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSumSquare",
)
#: Reductions of no axis that leave the elements as they are.
_NEUTRAL = frozenset({"ReduceSum", "ReduceMax", "ReduceMin", "ReduceMean", "ReduceProd"})


def first(call: Call) -> Value:
    """The first operand, which no schema lets out.

    Raises:
        InternalError: if it is missing all the same.
    """
    value = call.operands[0] if call.operands else None
    if value is None:
        raise InternalError(f"{call.op_type} without its first operand")
    return value


@downgrade("Squeeze", "Unsqueeze", "ReduceSum", at=13)
@downgrade(*_REDUCTIONS, at=18)
def axes_become_attribute(op: Op, call: Call) -> Call | Value:
    """Axes was an attribute, so it must be known now; there was no reduction of no axes."""
    since = 18 if call.op_type in _REDUCTIONS else 13
    noop = bool(call.attributes.pop("noop_with_empty_axes", 0))
    axes = call.take("axes")
    known = () if axes is None else known_ints(axes)
    if known is None:
        raise op.needs_opset(f"{call.op_type} with axes that depend on the input", since)
    if known or call.op_type == "Unsqueeze":
        call.attributes["axes"] = known
    elif noop and call.op_type in _NEUTRAL:
        return first(call)
    elif noop:
        raise op.needs_opset(f"{call.op_type} with noop_with_empty_axes=1", since)
    return call


@downgrade(
    *_REDUCTIONS,
    "ReduceSum",
    "ArgMax",
    "ArgMin",
    "Compress",
    "Concat",
    "Flatten",
    "Hardmax",
    "LogSoftmax",
    "OneHot",
    "Softmax",
    "Split",
    "Squeeze",
    "Unsqueeze",
    at=11,
)
def axes_count_from_front(op: Op, call: Call) -> Call:
    """Negative axes were not allowed."""
    return normalised(op, call)


def normalised(op: Op, call: Call) -> Call:
    """The call with the attributes ``axis`` and ``axes`` counted from the front."""
    axis, axes = call.attributes.get("axis"), call.attributes.get("axes")
    # OneHot and TopK count -1 from the end in every opset: it was their default.
    if isinstance(axis, int) and axis < 0 and not (axis == -1 and call.op_type in ("OneHot", "TopK")):
        call.attributes["axis"] = axis + _rank(op, call)
    if isinstance(axes, tuple) and any(a < 0 for a in axes):
        rank = _rank(op, call)
        call.attributes["axes"] = tuple(a + rank if a < 0 else a for a in axes)
    return call


@downgrade("Gather", at=11)
def gather_counts_from_front(op: Op, call: Call) -> Call:
    """Negative axes were not allowed, and nothing was said of negative indices: known ones are counted anew."""
    normalised(op, call)
    data, indices = call.operands
    if data is not None and indices is not None and indices.const is not None:
        size = None if data.shape is None else data.shape[call.attributes.get("axis", 0)]
        if isinstance(size, int):
            call.operands[1] = wrap(op, indices, size)
    return call


@downgrade("Softmax", "LogSoftmax", "Hardmax", at=13)
def softmax_flattens(op: Op, call: Call) -> Call | Value:
    """The input was flattened to two dimensions at axis; with the last axis that makes no difference."""
    data = first(call)
    axis = int(call.attributes.get("axis", -1))
    if data.rank is None and axis == -1 and op.has("Round"):
        # Round came with negative axes: what is meant can be said without knowing the rank.
        return Call(call.op_type, call.operands, {"axis": -1})
    last = op.rank(data) - 1
    axis = op.axis(data, axis)
    sizes = op.sizes(data)
    if axis == last or all(size == 1 for size in sizes[axis + 1 :]):
        return Call(call.op_type, call.operands, {"axis": axis})
    order = list(range(last + 1))
    order[axis], order[last] = last, axis
    (result,) = op.emit(Call(call.op_type, [op.Transpose(data, perm=order)], {"axis": last}))
    return op.Transpose(result, perm=order)


def _rank(op: Op, call: Call) -> int:
    data = first(call)
    if data.rank is None:
        raise op.needs_opset(f"{call.op_type} with a negative axis of a tensor of unknown rank", 11)
    if call.op_type == "Unsqueeze":
        return data.rank + len(call.attributes["axes"])
    return data.rank + 1 if call.op_type == "OneHot" else max(data.rank, 1)
