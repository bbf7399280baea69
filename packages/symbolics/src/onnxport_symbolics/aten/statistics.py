"""Variances, and order statistics: what is read off a sorted tensor."""

from __future__ import annotations

from collections.abc import Sequence

from onnxport_ir import DType, Value
from onnxport_ir.errors import LoweringError

from onnxport_symbolics.aten.casts import as_float, real_dtype
from onnxport_symbolics.aten.reduce import count_reduced, mean, reduce_dims, reduced_axes
from onnxport_symbolics.aten.sort_search import any_of_equals
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.promote import TensorOrNumber, as_dtype
from onnxport_symbolics.registry import aten

_NARROW = (DType.FLOAT16, DType.BFLOAT16)


def moments(
    op: Op, x: Value, dim: Sequence[int] | None, correction: float, keepdim: bool, root: bool = False
) -> tuple[Value, Value]:
    """Variance (or its root) and mean over dims; NaN where nothing is left after the correction."""
    dtype = real_dtype(op, x)
    if not dtype.is_float:
        raise op.refuse(f"a variance of {dtype.short}")
    # Squares of half precision overflow; torch computes them in float32 as well.
    wide = op.cast(x, DType.FLOAT32) if dtype in _NARROW else x
    count = count_reduced(op, x, dim)
    centre = _average(op, wide, dim, True, count, 0.0)
    centred = op.Sub(wide, centre)
    squares = op.Mul(centred, centred)
    variance = _average(op, squares, dim, keepdim, count, correction)
    if not keepdim and op.rank(x):
        centre = op.Squeeze(centre, op.const(reduced_axes(op, x, dim)))
    return op.cast(op.Sqrt(variance) if root else variance, dtype), op.cast(centre, dtype)


def _average(op: Op, x: Value, dim: Sequence[int] | None, keepdim: bool, count: Int, correction: float) -> Value:
    """The sum divided by what the correction leaves of the count; NaN if that is nothing, also of no elements."""
    if correction == 0 and isinstance(count, int):
        return mean(op, x, dim, keepdim)
    dtype = op.dtype(x)
    if isinstance(count, int):
        left = op.const(max(count - correction, 0.0), dtype)
    else:
        left = op.cast(count, dtype)
        if correction:
            left = op.Max(op.Sub(left, op.const(correction, dtype)), op.const(0.0, dtype))
    return op.Div(reduce_dims(op, "ReduceSum", x, dim, keepdim), left)


def _correction(unbiased: bool, correction: float | None) -> float:
    return (1.0 if unbiased else 0.0) if correction is None else correction


@aten("var")
def var(
    op: Op,
    self: Value,
    dim: Sequence[int] | None = None,
    unbiased: bool = True,
    keepdim: bool = False,
    correction: float | None = None,
) -> Value:
    """var.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor"""
    return moments(op, self, dim, _correction(unbiased, correction), keepdim)[0]


@aten("std")
def std(
    op: Op,
    self: Value,
    dim: Sequence[int] | None = None,
    unbiased: bool = True,
    keepdim: bool = False,
    correction: float | None = None,
) -> Value:
    """std.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor"""
    return moments(op, self, dim, _correction(unbiased, correction), keepdim, root=True)[0]


@aten("var_mean")
def var_mean(
    op: Op,
    self: Value,
    dim: Sequence[int] | None = None,
    unbiased: bool = True,
    keepdim: bool = False,
    correction: float | None = None,
) -> tuple[Value, Value]:
    """var_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False)"""
    return moments(op, self, dim, _correction(unbiased, correction), keepdim)


@aten("std_mean")
def std_mean(
    op: Op,
    self: Value,
    dim: Sequence[int] | None = None,
    unbiased: bool = True,
    keepdim: bool = False,
    correction: float | None = None,
) -> tuple[Value, Value]:
    """std_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False)"""
    return moments(op, self, dim, _correction(unbiased, correction), keepdim, root=True)


def _ascending(op: Op, x: Value, axis: int) -> tuple[Value, Value]:
    """The elements in order, NaN last, and where each came from."""
    values, indices = op.multi("TopK", 2, x, op.ints([op.dim(x, axis)]), axis=axis, largest=0, sorted=1)
    return values, indices


def _take(op: Op, values: Sequence[Value], position: Value, axis: int, keepdim: bool) -> list[Value]:
    """The slices at a position of rank 0."""
    index = op.Unsqueeze(position, op.const([0])) if keepdim else position
    return [op.Gather(value, index, axis=axis) for value in values]


def _flat(op: Op, x: Value) -> Value:
    return x if op.rank(x) == 1 else op.Reshape(x, op.const([-1]))


def _plus(op: Op, number: Int, other: int) -> Int:
    return number + other if isinstance(number, int) else op.Add(number, op.const(other))


def _half(op: Op, number: Int) -> Int:
    """A number that is not negative, halved and rounded down."""
    return number // 2 if isinstance(number, int) else op.Div(number, op.const(2))


@aten("median")
def median(op: Op, self: Value) -> Value:
    """median(Tensor self) -> Tensor; the lower of two, NaN if there is one"""
    return median_dim(op, _flat(op, self), 0)[0]


@aten("median.dim")
def median_dim(op: Op, self: Value, dim: int, keepdim: bool = False) -> tuple[Value, Value]:
    """median.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)"""
    if op.rank(self) == 0:
        return self, op.const(0)
    axis = op.axis(self, dim)
    size = op.dim(self, axis)
    ordered = _ascending(op, self, axis)
    middle = op.scalar(_half(op, _plus(op, size, -1)), DType.INT64)
    value, index = _take(op, ordered, middle, axis, keepdim)
    if not real_dtype(op, self).is_float:
        return value, index
    last, last_index = _take(op, ordered, op.scalar(_plus(op, size, -1), DType.INT64), axis, keepdim)
    missing = op.IsNaN(last)
    return op.Where(missing, last, value), op.Where(missing, last_index, index)


@aten("nanmedian")
def nanmedian(op: Op, self: Value) -> Value:
    """nanmedian(Tensor self) -> Tensor"""
    return nanmedian_dim(op, _flat(op, self), 0)[0]


@aten("nanmedian.dim")
def nanmedian_dim(op: Op, self: Value, dim: int, keepdim: bool = False) -> tuple[Value, Value]:
    """nanmedian.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)"""
    if op.rank(self) == 0 or not real_dtype(op, self).is_float:
        return median_dim(op, self, dim, keepdim)
    axis = op.axis(self, dim)
    ordered = _ascending(op, self, axis)
    present = reduce_dims(op, "ReduceSum", op.cast(op.Not(op.IsNaN(self)), DType.INT64), [axis], True)
    # Where all are NaN the position is 0, and NaN is what stands there.
    middle = op.Div(op.Max(op.Sub(present, op.const(1)), op.const(0)), op.const(2))
    found = [op.GatherElements(item, middle, axis=axis) for item in ordered]
    value, index = found if keepdim else [op.Squeeze(item, op.const([axis])) for item in found]
    return value, index


@aten("kthvalue")
def kthvalue(op: Op, self: Value, k: Int, dim: int = -1, keepdim: bool = False) -> tuple[Value, Value | LoweringError]:
    """kthvalue(Tensor self, SymInt k, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)"""
    if op.rank(self) == 0:
        return self, op.const(0)
    axis = op.axis(self, dim)
    ordered = op.multi("TopK", 2, self, op.ints([k]), axis=axis, largest=0, sorted=1)
    value, index = _take(op, ordered, op.scalar(_plus(op, k, -1), DType.INT64), axis, keepdim)
    return value, index if op.dtype(self).is_float else any_of_equals(op, "kthvalue", self)


@aten("mode")
def mode(op: Op, self: Value, dim: int = -1, keepdim: bool = False) -> tuple[Value, Value]:
    """mode(Tensor self, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)

    The smallest of the most frequent elements, and the last place where it stands. All pairs are compared.
    """
    if op.rank(self) == 0:
        return self, op.const(0)
    axis = op.axis(self, dim)
    x = op.cast(self, DType.INT32) if op.dtype(self) is DType.BOOL else self
    ordered, _ = _ascending(op, x, axis)
    same = op.Equal(op.Unsqueeze(ordered, op.const([axis])), op.Unsqueeze(ordered, op.const([axis + 1])))
    counts = reduce_dims(op, "ReduceSum", op.cast(same, DType.INT32), [axis])
    first = op.ArgMax(counts, axis=axis, keepdims=1)
    value = op.GatherElements(ordered, first, axis=axis)
    place = op.ArgMax(op.cast(op.Equal(x, value), DType.INT32), axis=axis, keepdims=1, select_last_index=1)
    value = op.cast(value, op.dtype(self))
    if keepdim:
        return value, place
    axes = op.const([axis])
    return op.Squeeze(value, axes), op.Squeeze(place, axes)


@aten("cov")
def cov(
    op: Op, self: Value, correction: int = 1, fweights: Value | None = None, aweights: Value | None = None
) -> Value:
    """cov(Tensor self, *, int correction=1, Tensor? fweights=None, Tensor? aweights=None) -> Tensor

    self: (variables, observations) or (observations)
    """
    x = as_float(op, self)
    rows = x if op.rank(x) == 2 else op.Reshape(x, op.const([1, -1]))
    weights = _weights(op, fweights, aweights, op.dtype(x))
    if weights is None:
        count = op.scalar(op.dim(rows, 1), op.dtype(x))
        centred = op.Sub(rows, mean(op, rows, [1], True))
        product = op.MatMul(centred, op.Transpose(centred, perm=(1, 0)))
        left = op.Sub(count, op.const_like(correction, x))
    else:
        total = op.ReduceSum(weights, op.const([0]), keepdims=0)
        average = op.Div(op.ReduceSum(op.Mul(rows, weights), op.const([1]), keepdims=1), total)
        centred = op.Sub(rows, average)
        product = op.MatMul(centred, op.Transpose(op.Mul(centred, weights), perm=(1, 0)))
        taken: Value = op.const_like(correction, x)
        if aweights is not None:
            # The correction is for observations that are worth as much as the average one.
            squares = op.Mul(weights, op.cast(aweights, op.dtype(x)))
            taken = op.Mul(taken, op.Div(op.ReduceSum(squares, op.const([0]), keepdims=0), total))
        left = op.Sub(total, taken)
    result = op.Div(product, op.Max(left, op.const_like(0, x)))
    # One variable is a number, however it is given.
    return op.Squeeze(result, op.const([0, 1])) if op.dim(rows, 0) == 1 else result


def _weights(op: Op, fweights: Value | None, aweights: Value | None, dtype: DType) -> Value | None:
    """How often observations occur times how much they are worth; (observations)."""
    given = [op.cast(weights, dtype) for weights in (fweights, aweights) if weights is not None]
    if not given:
        return None
    return given[0] if len(given) == 1 else op.Mul(given[0], given[1])


@aten("corrcoef")
def corrcoef(op: Op, self: Value) -> Value:
    """corrcoef(Tensor self) -> Tensor; self (variables, observations) or (observations)"""
    covariance = cov(op, self)
    if op.rank(covariance) == 0:
        return op.Div(covariance, covariance)
    size = op.dim(self, 0)
    steps = op.Range(op.const(0), op.scalar(size, DType.INT64), op.const(1))
    index = op.Unsqueeze(steps, op.const([1]))
    deviation = op.Sqrt(op.GatherElements(covariance, index, axis=1))
    result = op.Div(op.Div(covariance, deviation), op.Transpose(deviation, perm=(1, 0)))
    return op.Clip(result, op.const_like(-1, result), op.const_like(1, result))


@aten("quantile")
def quantile(
    op: Op,
    self: Value,
    q: TensorOrNumber,
    dim: int | None = None,
    keepdim: bool = False,
    interpolation: str = "linear",
) -> Value:
    """quantile(Tensor self, Tensor q, int? dim=None, bool keepdim=False, *, str interpolation='linear') -> Tensor"""
    rank = op.rank(self)
    x = _flat(op, self) if dim is None else self
    if op.rank(x) == 0:
        x = op.Unsqueeze(x, op.const([0]))
    axis = 0 if dim is None else op.axis(self, dim)
    at = as_dtype(op, q, op.dtype(x))
    found = _at_quantiles(op, x, at, axis, interpolation)
    several = op.rank(at)
    if several and axis:
        others = [i for i in range(op.rank(found)) if i != axis]
        found = op.Transpose(found, perm=[axis, *others])
    if not keepdim:
        return found
    axes = [several + i for i in range(rank)] if dim is None else [several + axis]
    return op.Unsqueeze(found, op.const(axes)) if rank else found


def _at_quantiles(op: Op, x: Value, q: Value, axis: int, interpolation: str) -> Value:
    """The elements of ``x`` at the quantiles ``q``, whose dims take the place of the axis; NaN if there is one."""
    ordered, _ = _ascending(op, x, axis)
    last = op.scalar(_plus(op, op.dim(x, axis), -1), DType.INT64)
    position = op.Mul(q, op.cast(last, op.dtype(q)))
    below, above = op.Floor(position), op.Ceil(position)
    if interpolation == "lower":
        above = position = below
    elif interpolation == "higher":
        below = position = above
    elif interpolation == "nearest":
        below = above = position = op.Round(position)
    elif interpolation not in ("linear", "midpoint"):
        raise op.refuse(f"quantile with interpolation={interpolation!r}")
    low = op.Gather(ordered, op.cast(below, DType.INT64), axis=axis)
    if above is below:
        found = low
    else:
        high = op.Gather(ordered, op.cast(above, DType.INT64), axis=axis)
        weight = op.const_like(0.5, q) if interpolation == "midpoint" else op.Sub(position, below)
        if op.rank(q) and interpolation == "linear":
            trailing = list(range(1, op.rank(x) - axis))
            weight = op.Unsqueeze(weight, op.const(trailing)) if trailing else weight
        found = op.Add(low, op.Mul(op.Sub(high, low), weight))
    greatest = op.Gather(ordered, op.Unsqueeze(last, op.const([0])) if op.rank(q) else last, axis=axis)
    return op.Where(op.IsNaN(greatest), greatest, found)
