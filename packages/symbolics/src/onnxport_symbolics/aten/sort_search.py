"""Order, search and counts: sort, topk, searchsorted, unique, bincount, histc."""

from __future__ import annotations

import numpy as np
from onnxport_ir import DType, Value
from onnxport_ir.errors import LoweringError

from onnxport_symbolics.aten.index import as_index
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.promote import TensorOrNumber, expected_dtype, promote
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import flatten_all, full, index_axis, reshape, slice_axis, unsqueeze


def sorted_(op: Op, x: Value, dim: int, count: Int, largest: bool) -> tuple[Value, Value]:
    """The first ``count`` elements in order, and where they were; equal ones in the order in which they stand.

    Where NaN belongs is left to the runtime: ONNX does not say it.
    """
    if op.rank(x) == 0:
        values, indices = sorted_(op, unsqueeze(op, x, [0]), 0, count, largest)
        kept: list[Int] = [] if isinstance(count, int) and count == 1 else [count]
        return reshape(op, values, kept), reshape(op, indices, kept)
    axis = op.axis(x, dim)
    sizes = op.dims(x)
    if any(isinstance(size, int) and size == 0 for size in sizes) or (isinstance(count, int) and count == 0):
        sizes[axis] = count
        return full(op, sizes, 0, op.dtype(x)), full(op, sizes, 0, DType.INT64)
    k = op.ints([count])
    if op.dtype(x) is DType.BOOL:
        # ONNX orders numbers only.
        values, indices = op.multi("TopK", 2, op.cast(x, DType.INT32), k, axis=axis, largest=int(largest), sorted=1)
        return op.cast(values, DType.BOOL), indices
    values, indices = op.multi("TopK", 2, x, k, axis=axis, largest=int(largest), sorted=1)
    return values, indices


def any_of_equals(op: Op, name: str, x: Value) -> LoweringError:
    """The refusal that stands for indices of which torch does not say which of equal elements they name.

    Floats are let through: equal ones are rare, and rarely matter. Truth values and integers are mostly equal.
    """
    return op.refuse(
        f"the indices of {name} of {op.dtype(x).short}, as torch does not say which of equal elements they name",
        "Use torch.sort(stable=True), or floats.",
    )


@aten("sort")
def sort(
    op: Op, self: Value, dim: int, descending: bool, stable: bool | None = None
) -> tuple[Value, Value | LoweringError]:
    """sort.stable(Tensor self, *, bool? stable, int dim=-1, bool descending=False) -> (Tensor, Tensor); sort"""
    count = op.dim(self, op.axis(self, dim)) if op.rank(self) else 1
    values, indices = sorted_(op, self, dim, count, descending)
    if op.dtype(self) is DType.BOOL and not stable:
        return values, any_of_equals(op, "an unstable sort", self)
    return values, indices


@aten("argsort")
def argsort(op: Op, self: Value, dim: int, descending: bool, stable: bool | None = None) -> Value | LoweringError:
    """argsort.stable(Tensor self, *, bool stable, int dim=-1, bool descending=False) -> Tensor"""
    return sort(op, self, dim, descending, stable)[1]


@aten("msort")
def msort(op: Op, self: Value) -> Value:
    """msort(Tensor self) -> Tensor"""
    return sort(op, self, 0, False)[0]


@aten("topk")
def topk(op: Op, self: Value, k: Int, dim: int, largest: bool, sorted: bool) -> tuple[Value, Value | LoweringError]:
    """topk(Tensor self, SymInt k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor, Tensor)"""
    values, indices = sorted_(op, self, dim, k, largest)
    return values, indices if op.dtype(self).is_float else any_of_equals(op, "topk", self)


@aten("searchsorted")
def searchsorted(
    op: Op,
    sorted_sequence: Value,
    self: TensorOrNumber,
    out_int32: bool,
    right: bool,
    side: str | None,
    sorter: Value | None,
) -> Value:
    """searchsorted.Tensor(Tensor sorted_sequence, Tensor self, *, bool out_int32=False, bool right=False, str? side)"""
    bounds = sorted_sequence
    if sorter is not None:
        bounds = op.GatherElements(bounds, as_index(op, sorter), axis=op.rank(bounds) - 1)
    return _places(op, bounds, self, right or side == "right", out_int32)


@aten("bucketize")
def bucketize(op: Op, self: TensorOrNumber, boundaries: Value, out_int32: bool, right: bool) -> Value:
    """bucketize.Tensor(Tensor self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor; .Scalar"""
    return _places(op, boundaries, self, right, out_int32)


def _places(op: Op, bounds: Value, values: TensorOrNumber, right: bool, out_int32: bool) -> Value:
    """How many of the sorted bounds lie before each value."""
    bounds, x = promote(op, bounds, values)
    if op.rank(bounds) > 1:
        bounds = op.Unsqueeze(bounds, [-2])
    x = unsqueeze(op, x, [op.rank(x)])
    if op.dtype(x).is_float:
        # Spelled so that every bound lies before NaN.
        passed = op.Not(op.Greater(bounds, x) if right else op.GreaterOrEqual(bounds, x))
    else:
        passed = op.LessOrEqual(bounds, x) if right else op.Less(bounds, x)
    dtype = DType.INT32 if out_int32 else DType.INT64
    return op.ReduceSum(op.cast(passed, dtype), [-1], keepdims=0)


@aten("bincount")
def bincount(op: Op, self: Value, weights: Value | None, minlength: Int) -> Value:
    """bincount(Tensor self, Tensor? weights=None, SymInt minlength=0) -> Tensor"""
    x = op.cast(self, DType.INT64)
    lowest = op.Sub(op.scalar(minlength, DType.INT64), 1)
    # With minlength - 1 among them, the largest exists where there are no elements.
    largest = op.ReduceMax(op.Concat(x, op.Reshape(lowest, [1]), axis=0), keepdims=0)
    bins = op.Range(op.const(0), op.Add(largest, 1), op.const(1))
    hits = op.Equal(op.Unsqueeze(bins, [1]), op.Unsqueeze(x, [0]))
    if weights is None:
        return op.ReduceSum(op.cast(hits, DType.INT64), [1], keepdims=0)
    dtype = expected_dtype(op) or (DType.FLOAT32 if op.dtype(weights) is DType.FLOAT32 else DType.FLOAT64)
    given = op.cast(weights, dtype)
    return op.ReduceSum(op.Where(hits, op.Unsqueeze(given, [0]), op.const(0, dtype)), [1], keepdims=0)


@aten("histc")
def histc(op: Op, self: Value, bins: int, min: float, max: float) -> Value:
    """histc(Tensor self, int bins=100, Scalar min=0, Scalar max=0) -> Tensor"""
    dtype = op.dtype(self)
    if not dtype.is_float:
        raise op.refuse(f"histc of {dtype.short}")
    x = flatten_all(op, self)
    low, high = _histogram_range(op, x, min, max)
    place = op.Mul(op.Div(op.Sub(x, low), op.Sub(high, low)), op.const(bins, dtype))
    # The last bin includes its end.
    index = op.Min(op.Floor(place), op.const(bins - 1, dtype))
    inside = op.And(op.GreaterOrEqual(x, low), op.LessOrEqual(x, high))
    hits = op.Equal(op.Unsqueeze(index, [0]), op.const(np.arange(bins)[:, None], dtype))
    counted = op.And(hits, op.Unsqueeze(inside, [0]))
    return op.cast(op.ReduceSum(op.cast(counted, DType.INT64), [1], keepdims=0), dtype)


def _histogram_range(op: Op, x: Value, low: float, high: float) -> tuple[Value, Value]:
    dtype = op.dtype(x)
    if low != high:
        return op.const(low, dtype), op.const(high, dtype)
    if any(size == 0 for size in op.sizes(x)):
        return op.const(low - 1, dtype), op.const(high + 1, dtype)
    least, most = op.const(low, dtype), op.const(high, dtype)
    if low == 0:
        least, most = op.ReduceMin(x, keepdims=0), op.ReduceMax(x, keepdims=0)
    one = op.cast(op.Equal(least, most), dtype)
    return op.Sub(least, one), op.Add(most, one)


def _order_carrier(dtype: DType) -> DType:
    """The type in which ONNX Runtime finds unique elements."""
    if dtype in (DType.FLOAT32, DType.FLOAT64, DType.INT64, DType.INT8):
        return dtype
    return DType.FLOAT32 if dtype.is_float else DType.INT64


def _unique(op: Op, x: Value, axis: int | None) -> tuple[Value, Value, Value]:
    """The different elements (or slices) in order, where each element's is among them, and how many there are."""
    dtype = op.dtype(x)
    values, _, inverse, counts = op.multi("Unique", 4, op.cast(x, _order_carrier(dtype)), axis=axis, sorted=1)
    return op.cast(values, dtype), inverse, counts


def _or_nothing(op: Op, wanted: bool, value: Value) -> Value:
    """Torch gives an empty tensor for what was not asked for."""
    return value if wanted else full(op, [0], 0, DType.INT64)


@aten("_unique2", "_unique")
def unique2(op: Op, self: Value, sorted: bool, return_inverse: bool, return_counts: bool = False) -> tuple[Value, ...]:
    """_unique2(Tensor self, bool sorted=True, bool return_inverse=False, bool return_counts=False) -> (Tensor, ...)"""
    values, inverse, counts = _unique(op, self, None)
    shaped = reshape(op, inverse, op.dims(self)) if return_inverse else inverse
    results = (values, _or_nothing(op, return_inverse, shaped), _or_nothing(op, return_counts, counts))
    return results[: max(len(op.expected), 2)]


@aten("unique_dim")
def unique_dim(
    op: Op, self: Value, dim: int, sorted: bool, return_inverse: bool, return_counts: bool
) -> tuple[Value, Value, Value]:
    """unique_dim(Tensor self, int dim, bool sorted=True, bool return_inverse=False, bool return_counts=False)

    Unlike the operators without an axis, this one gives everything in any case.
    """
    return _unique(op, self, op.axis(self, dim))


@aten("unique_consecutive")
def unique_consecutive(
    op: Op, self: Value, return_inverse: bool, return_counts: bool, dim: int | None
) -> tuple[Value, Value, Value]:
    """unique_consecutive(Tensor self, bool return_inverse=False, bool return_counts=False, int? dim=None)"""
    x = flatten_all(op, self) if dim is None else self
    axis = 0 if dim is None else op.axis(self, dim)
    changed = op.Not(op.Equal(slice_axis(op, x, axis, 1), slice_axis(op, x, axis, 0, -1)))
    others = [a for a in range(op.rank(x)) if a != axis]
    if others:
        changed = op.Greater(op.ReduceSum(op.cast(changed, DType.INT64), others, keepdims=0), 0)
    size = op.dim(x, axis)
    # The first is new; unless there is none.
    starts = slice_axis(op, op.Concat(op.const(np.array([True])), changed, axis=0), 0, 0, size)
    values = op.Compress(x, starts, axis=axis)
    inverse = counts = full(op, [0], 0, DType.INT64)
    if return_inverse:
        inverse = op.Sub(op.CumSum(op.cast(starts, DType.INT64), 0), 1)
        inverse = reshape(op, inverse, op.dims(self)) if dim is None else inverse
    if return_counts:
        places = index_axis(op, op.NonZero(starts), 0, 0)
        ends = op.Concat(slice_axis(op, places, 0, 1), op.ints([size]), axis=0)
        # Without elements there is no place that the end could be behind.
        counts = op.Sub(slice_axis(op, ends, 0, 0, op.dim(places, 0)), places)
    return values, inverse, counts
