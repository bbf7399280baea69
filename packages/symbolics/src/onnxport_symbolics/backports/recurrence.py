"""Sums and products along an axis, one element after the other."""

from __future__ import annotations

from onnxport_ir import DType, TensorType, Value

from onnxport_symbolics import integers
from onnxport_symbolics.calls import backport
from onnxport_symbolics.integers import known_ints
from onnxport_symbolics.op import OnnxOperator, Op


@backport("CumSum")
def cumulative_sum(op: Op, x: Value, axis: Value, exclusive: int = 0, reverse: int = 0) -> Value:
    """A loop, in the order of the axis: a product with a triangular matrix would spread NaN and infinity."""
    return _cumulative(op, x, axis, (exclusive, reverse), "CumSum", op.Add)


@backport("CumProd")
def cumulative_product(op: Op, x: Value, axis: Value, exclusive: int = 0, reverse: int = 0) -> Value:
    """A loop, in the order of the axis."""
    return _cumulative(op, x, axis, (exclusive, reverse), "CumProd", op.Mul)


def _cumulative(op: Op, x: Value, axis: Value, flags: tuple[int, int], name: str, combine: OnnxOperator) -> Value:
    exclusive, reverse = flags
    known = known_ints(axis)
    if known is None:
        raise op.needs(name)
    along = op.axis(x, known[0])
    rank, dtype = op.rank(x), op.dtype(x)
    order = [along, *(other for other in range(rank) if other != along)]
    first = op.Transpose(x, perm=order)
    count = op.dim(x, along)
    rest = op.sizes(first)[1:]
    neutral = op.const(1 if name == "CumProd" else 0, dtype)
    start = op.Expand(neutral, op.ints(op.dims(first)[1:])) if rest else neutral
    counter, flag = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ()))
    carried = Value(TensorType(dtype, rest))
    with op.body([counter, flag, carried], name="cumulate") as body:
        position = op.Sub(op.scalar(integers.sub(op, count, 1), DType.INT64), counter) if reverse else counter
        total = combine(carried, op.Gather(first, position, axis=0))
        body.outputs = [op.alias(flag), op.own(total), op.alias(carried if exclusive else total)]
    trips = op.scalar(count, DType.INT64)
    _, stacked = op.multi("Loop", 2, trips, op.const(True, DType.BOOL), start, body=body)
    op.retype(stacked, TensorType(dtype, op.sizes(first)))
    if reverse:
        stacked = op.Gather(
            stacked, op.Sub(op.scalar(integers.sub(op, count, 1), DType.INT64), integers.arange(op, count))
        )
    back = [order.index(other) for other in range(rank)]
    return op.Transpose(stacked, perm=back)
