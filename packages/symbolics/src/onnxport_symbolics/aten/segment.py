"""Reductions of runs of rows."""

from __future__ import annotations

import math

from onnxport_ir import DType, TensorType, Value

from onnxport_symbolics.integers import arange, product
from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import expand_to, reshape, slice_axis

_NEUTRAL = {"max": -math.inf, "min": math.inf, "sum": 0.0, "mean": 0.0, "prod": 1.0}
_REDUCE = {"max": "ReduceMax", "min": "ReduceMin", "sum": "ReduceSum", "mean": "ReduceSum", "prod": "ReduceProd"}


@aten("segment_reduce")
def segment_reduce(
    op: Op,
    data: Value,
    reduce: str,
    lengths: Value | None = None,
    offsets: Value | None = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: float | None = None,
) -> Value:
    """segment_reduce(Tensor data, str reduce, *, Tensor? lengths=None, Tensor? indices=None, Tensor? offsets=None,
    int axis=0, bool unsafe=False, Scalar? initial=None) -> Tensor

    data (*, N, ...); lengths (*, S) or offsets (*, S + 1) -> (*, S, ...). A mean of nothing is NaN.
    """
    bounds = lengths if lengths is not None else offsets
    if bounds is None or not op.dtype(data).is_float:
        raise op.refuse(f"segment_reduce without lengths or offsets, or of {op.dtype(data).short}")
    outer = op.rank(bounds) - 1
    if op.axis(data, axis) != outer:
        raise op.refuse("segment_reduce along an axis that its lengths do not reach to")
    wide = op.cast(bounds, DType.INT64)
    if lengths is not None:
        ends = op.CumSum(wide, op.const(outer))
        starts = op.Sub(ends, wide)
    else:
        starts, ends = slice_axis(op, wide, outer, 0, -1), slice_axis(op, wide, outer, 1)
    sizes = op.dims(data)
    batch, rest = sizes[:outer], sizes[outer + 1 :]
    if outer:
        # The rows of all stand below each other.
        count = product(op, batch)
        first = op.Mul(arange(op, count), op.scalar(sizes[outer], DType.INT64))
        shift = reshape(op, first, [*batch, 1])
        starts, ends = op.Add(starts, shift), op.Add(ends, shift)
        data = reshape(op, data, [product(op, [*batch, sizes[outer]]), *rest])
    segments = op.dim(starts, outer)
    flat = [reshape(op, value, [product(op, [*batch, segments])]) for value in (starts, ends)]
    found = _each_segment(op, data, flat[0], flat[1], reduce, initial)
    return reshape(op, found, [*batch, segments, *rest])


def _each_segment(op: Op, data: Value, starts: Value, ends: Value, reduce: str, initial: float | None) -> Value:
    """The reductions of ``data[start:end]`` for all starts and ends, below each other."""
    dtype, rest = op.dtype(data), op.sizes(data)[1:]
    edge = op.const([_NEUTRAL[reduce] if initial is None else initial], dtype)
    edge = expand_to(op, reshape(op, edge, [1] * op.rank(data)), [1, *op.dims(data)[1:]])
    counter, flag = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ()))
    with op.body([counter, flag], name="segment") as body:
        place = op.Unsqueeze(counter, op.const([0]))
        start, end = (op.Gather(bound, place, axis=0) for bound in (starts, ends))
        rows = op.Concat(edge, op.Slice(data, start, end, op.const([0])), axis=0)
        result = op.multi(_REDUCE[reduce], 1, rows, op.const([0]), keepdims=0)[0]
        if reduce == "mean":
            count = op.Squeeze(op.cast(op.Sub(end, start), dtype), op.const([0]))
            empty = op.Equal(count, op.const(0, dtype))
            # Of nothing the initial value itself is the mean.
            share = op.const(math.nan, dtype) if initial is None else result
            result = op.Where(empty, share, op.Div(result, op.Where(empty, op.const(1, dtype), count)))
        body.outputs = [op.own(flag), op.own(result)]
    trips = op.scalar(op.dim(starts, 0), DType.INT64)
    (found,) = op.multi("Loop", 1, trips, op.const(True), body=body)
    return op.retype(found, TensorType(dtype, (op.sizes(starts)[0], *rest)))
