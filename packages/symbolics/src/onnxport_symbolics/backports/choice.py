"""Elements chosen by a condition or a position: Where, Compress, OneHot, Trilu, ThresholdedRelu, Shrink."""

from __future__ import annotations

import numpy as np
from onnxport_ir import DType, TensorType, Value

from onnxport_symbolics import integers
from onnxport_symbolics.calls import backport
from onnxport_symbolics.integers import known_ints
from onnxport_symbolics.op import Op


@backport("Where")
def where(op: Op, condition: Value, x: Value, y: Value) -> Value:
    """Bools by logic, integers by arithmetic modulo their width, floats by position: NaN and infinity survive."""
    dtype = op.dtype(x)
    if dtype is DType.BOOL:
        return op.Or(op.And(condition, x), op.And(op.Not(condition), y))
    if dtype.is_integer:
        return op.Add(y, op.Mul(op.cast(condition, dtype), op.Sub(x, y)))
    position = op.cast(condition, DType.INT64)
    if _is_number(x) and _is_number(y):
        table = op.const(np.concatenate([y.array().reshape(-1), x.array().reshape(-1)]), dtype)
        result = op.Gather(table, position, axis=0)
        ranks = [value.rank or 0 for value in (x, y)]
        return op.Unsqueeze(result, list(range(-max(ranks), 0))) if max(ranks) > op.rank(condition) else result
    # The elements of both lie one after the other; a position further on means the other tensor's element.
    shape = op.shape(op.Expand(op.Expand(op.Expand(position, op.shape(x)), op.shape(y)), op.shape(condition)))
    flat = op.const([-1], DType.INT64)
    both = op.Concat(*(op.Reshape(op.Expand(value, shape), flat) for value in (y, x)), axis=0)
    chosen = op.Reshape(op.Expand(position, shape), flat)
    count = op.dim(chosen, 0)
    indices = op.Add(integers.arange(op, count), op.Mul(chosen, op.scalar(count, DType.INT64)))
    return op.Reshape(op.Gather(both, indices, axis=0), shape)


def _is_number(value: Value) -> bool:
    return value.const is not None and not value.is_weight and int(np.prod(value.const.shape)) == 1


@backport("Shrink")
def shrink(op: Op, x: Value, bias: float = 0.0, lambd: float = 0.5) -> Value:
    """``x + bias`` below ``-lambd``, ``x - bias`` above ``lambd``, else 0."""
    zero, shift = op.const_like(0, x), op.const_like(bias, x)
    above = op.Where(op.Greater(x, op.const_like(lambd, x)), op.Sub(x, shift), zero)
    return op.Where(op.Less(x, op.const_like(-lambd, x)), op.Add(x, shift), above)


@backport("ThresholdedRelu")
def thresholded_relu(op: Op, x: Value, alpha: float = 1.0) -> Value:
    """``x`` above ``alpha``, else 0."""
    return op.Where(op.Greater(x, op.const_like(alpha, x)), x, op.const_like(0, x))


@backport("Trilu")
def trilu(op: Op, data: Value, k: Value | None = None, *, upper: int = 1) -> Value:
    """The elements on one side of a diagonal; the others become 0."""
    rank = op.rank(data)
    rows = integers.along(op, integers.arange(op, op.dim(data, rank - 2)), 0, 2)
    columns = integers.along(op, integers.arange(op, op.dim(data, rank - 1)), 1, 2)
    limit = op.const(0, DType.INT64) if k is None else op.Reshape(k, op.const([], DType.INT64))
    distance = op.Sub(op.Sub(columns, rows), limit)
    zero = op.const(0, DType.INT64)
    kept = op.Not(op.Less(distance, zero)) if upper else op.Not(op.Greater(distance, zero))
    return op.And(kept, data) if op.dtype(data) is DType.BOOL else op.Where(kept, data, op.const_like(0, data))


@backport("OneHot")
def one_hot(op: Op, indices: Value, depth: Value, values: Value, axis: int = -1) -> Value:
    """The second of ``values`` where an index names the position along a new axis, else the first."""
    known = known_ints(depth)
    size = known[0] if known is not None else op.Reshape(op.cast(depth, DType.INT64), op.const([], DType.INT64))
    rank = op.rank(indices) + 1
    axis %= rank
    positions = integers.along(op, integers.arange(op, size), axis, rank)
    wrapped = integers.wrap(op, op.cast(indices, DType.INT64), size)
    hot = op.Equal(op.Unsqueeze(wrapped, [axis]), positions)
    off, on = (op.Gather(values, op.const(index, DType.INT64), axis=0) for index in (0, 1))
    return op.Where(hot, on, off)


@backport("Compress")
def compress(op: Op, data: Value, condition: Value, axis: int | None = None) -> Value:
    """The slices of ``data`` for which ``condition`` holds."""
    if condition.const is not None and not condition.is_weight:
        chosen = op.const(np.flatnonzero(condition.array()), DType.INT64)
    else:
        chosen = _positions(op, condition)
    if axis is None:
        return op.Gather(op.Reshape(data, [-1]), chosen, axis=0)
    return op.Gather(data, chosen, axis=axis)


@backport("NonZero")
def non_zero(op: Op, x: Value) -> Value:
    """The indices along each axis (rank, count) of the elements that are not 0, in the order of their places."""
    mask = x if op.dtype(x) is DType.BOOL else op.Cast(x, to=DType.BOOL)
    left = _positions(op, op.Reshape(mask, [-1]))
    rows: list[Value] = []
    for size in reversed(op.dims(x)[1:]):
        # Of a tensor without elements nothing is divided, but a runtime asks nonetheless.
        length = op.Max(op.scalar(size, DType.INT64), op.const(1, DType.INT64))
        quotient = op.Div(left, length)
        rows.insert(0, op.Sub(left, op.Mul(quotient, length)))
        left = quotient
    if op.rank(x):
        rows.insert(0, left)
    return op.Concat(*(op.Unsqueeze(row, [0]) for row in rows), axis=0) if rows else op.Reshape(left, [0, -1])


def _positions(op: Op, mask: Value) -> Value:
    """Where a mask (N) holds, ascending: one element after the other is put to those that were found."""
    counter, flag = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ()))
    found = Value(TensorType(DType.INT64, (op.unknown_dim(),)))
    with op.body([counter, flag, found], name="positions") as body:
        here = op.Reshape(op.Gather(mask, counter, axis=0), op.const([], DType.INT64))
        (longer,) = op.branch(here, lambda: op.Concat(found, op.Reshape(counter, [1]), axis=0), lambda: found)
        body.outputs = [op.own(flag), op.own(longer)]
    count = op.scalar(op.dim(mask, 0), DType.INT64)
    start = op.const(np.zeros(0, np.int64), DType.INT64)
    (result,) = op.multi("Loop", 1, count, op.const(True), start, body=body)
    return op.retype(result, TensorType(DType.INT64, (op.unknown_dim(),)))
