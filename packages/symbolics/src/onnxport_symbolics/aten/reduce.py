"""Sums, means, products, extremes, norms over dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.aten.casts import as_float, convert, real_dtype
from onnxport_symbolics.aten.comparison import every
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten


def reduce_dims(op: Op, op_type: str, x: Value, dim: Sequence[int] | None, keepdim: bool = False) -> Value:
    """An ONNX reduction over the dims given as torch does: None and an empty list mean all.

    A tensor of rank 0 has no axis to reduce; the result is the operator's on one element.
    """
    if x.rank is None and not dim and not keepdim:
        x = op.Reshape(x, [-1])
    if op.rank(x) == 0:
        if op_type in ("ReduceL1", "ReduceL2"):
            return op.Abs(x)
        return x
    if not dim:
        return op.multi(op_type, 1, x, keepdims=int(keepdim))[0]
    axes = sorted({op.axis(x, d) for d in dim})
    return op.multi(op_type, 1, x, op.const(axes), keepdims=int(keepdim))[0]


def reduced_axes(op: Op, x: Value, dim: Sequence[int] | None) -> list[int]:
    """The axes that a reduction goes over, counted from the front."""
    return sorted({op.axis(x, d) for d in dim}) if dim else list(range(op.rank(x)))


def count_reduced(op: Op, x: Value, dim: Sequence[int] | None) -> Int:
    """How many elements each result is made of."""
    if op.rank(x) == 0:
        return 1
    known = 1
    dynamic: Value | None = None
    for axis in reduced_axes(op, x, dim):
        size = op.dim(x, axis)
        if isinstance(size, int):
            known *= size
        else:
            dynamic = size if dynamic is None else op.Mul(dynamic, size)
    return known if dynamic is None else op.Mul(dynamic, op.const(known))


def accumulator_dtype(op: Op, x: Value, dtype: DType | None) -> DType:
    """The type of a sum: as asked for, else int64 for integers and bool."""
    own = real_dtype(op, x)
    return dtype if dtype is not None else own if own.is_float else DType.INT64


@aten("sum")
def sum_(
    op: Op, self: Value, dim: Sequence[int] | None = None, keepdim: bool = False, dtype: DType | None = None
) -> Value:
    """sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"""
    return reduce_dims(op, "ReduceSum", convert(op, self, accumulator_dtype(op, self, dtype)), dim, keepdim)


@aten("nansum")
def nansum(
    op: Op, self: Value, dim: Sequence[int] | None = None, keepdim: bool = False, dtype: DType | None = None
) -> Value:
    """nansum(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"""
    return sum_(op, _without_nan(op, self), dim, keepdim, dtype)


def _without_nan(op: Op, x: Value) -> Value:
    return op.Where(op.IsNaN(x), op.const_like(0, x), x) if real_dtype(op, x).is_float else x


@aten("sum_to_size")
def sum_to_size(op: Op, self: Value, size: Sequence[int]) -> Value:
    """sum_to_size(Tensor self, SymInt[] size) -> Tensor; what broadcasting from ``size`` has repeated is summed"""
    if not size:
        return sum_(op, self)
    sizes = op.sizes(self)
    lead = len(sizes) - len(size)
    if lead < 0 or any(not isinstance(s, int) for s in sizes):
        raise op.refuse(f"sum_to_size to {list(size)} of a tensor of another or unknown shape")
    axes = [i for i, s in enumerate(sizes) if i >= lead and size[i - lead] == 1 and s != 1]
    x = sum_(op, self, axes, True) if axes else self
    return sum_(op, x, list(range(lead))) if lead else x


@aten("mean")
def mean(
    op: Op, self: Value, dim: Sequence[int] | None = None, keepdim: bool = False, dtype: DType | None = None
) -> Value:
    """mean.dim(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"""
    x = self if dtype is None else convert(op, self, dtype)
    if not real_dtype(op, x).is_float:
        raise op.refuse(f"mean of {op.dtype(x).short}")
    if count_is_zero(op, x, dim):
        # ONNX does not say what the mean of nothing is.
        return op.Add(reduce_dims(op, "ReduceSum", x, dim, keepdim), op.const_like(math.nan, x))
    return reduce_dims(op, "ReduceMean", x, dim, keepdim)


def count_is_zero(op: Op, x: Value, dim: Sequence[int] | None) -> bool:
    """Whether a reduction is known to be over no elements."""
    sizes = op.sizes(x)
    return any(sizes[axis] == 0 for axis in reduced_axes(op, x, dim)) if sizes else False


@aten("nanmean")
def nanmean(
    op: Op, self: Value, dim: Sequence[int] | None = None, keepdim: bool = False, dtype: DType | None = None
) -> Value:
    """nanmean(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"""
    total = nansum(op, self, dim, keepdim, dtype)
    present = op.cast(op.Not(op.IsNaN(as_float(op, self))), op.dtype(total))
    return op.Div(total, reduce_dims(op, "ReduceSum", present, dim, keepdim))


@aten("prod")
def prod(op: Op, self: Value, dim: int | None = None, keepdim: bool = False, dtype: DType | None = None) -> Value:
    """prod.dim_int(Tensor self, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"""
    x = convert(op, self, accumulator_dtype(op, self, dtype))
    return reduce_dims(op, "ReduceProd", x, None if dim is None else [dim], keepdim)


@aten("amax")
def amax(op: Op, self: Value, dim: Sequence[int] | None = None, keepdim: bool = False) -> Value:
    """amax(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor"""
    return _extreme(op, "ReduceMax", self, dim, keepdim)


@aten("amin")
def amin(op: Op, self: Value, dim: Sequence[int] | None = None, keepdim: bool = False) -> Value:
    """amin(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor"""
    return _extreme(op, "ReduceMin", self, dim, keepdim)


def _extreme(op: Op, op_type: str, x: Value, dim: Sequence[int] | None, keepdim: bool) -> Value:
    dtype = real_dtype(op, x)
    if count_is_zero(op, x, dim):
        raise op.refuse("the largest or smallest of no elements")
    if dtype is DType.BOOL:
        return op.cast(reduce_dims(op, op_type, op.cast(x, DType.INT32), dim, keepdim), DType.BOOL)
    return reduce_dims(op, op_type, x, dim, keepdim)


@aten("max")
def max_(op: Op, self: Value) -> Value:
    """max(Tensor self) -> Tensor"""
    return amax(op, self)


@aten("min")
def min_(op: Op, self: Value) -> Value:
    """min(Tensor self) -> Tensor"""
    return amin(op, self)


@aten("max.dim")
def max_dim(op: Op, self: Value, dim: int, keepdim: bool = False) -> tuple[Value, Value]:
    """max.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)"""
    return amax(op, self, [dim], keepdim), argmax(op, self, dim, keepdim)


@aten("min.dim")
def min_dim(op: Op, self: Value, dim: int, keepdim: bool = False) -> tuple[Value, Value]:
    """min.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)"""
    return amin(op, self, [dim], keepdim), argmin(op, self, dim, keepdim)


@aten("argmax")
def argmax(op: Op, self: Value, dim: int | None = None, keepdim: bool = False) -> Value:
    """argmax(Tensor self, int? dim=None, bool keepdim=False) -> Tensor; the first of several"""
    return _position(op, "ArgMax", self, dim, keepdim)


@aten("argmin")
def argmin(op: Op, self: Value, dim: int | None = None, keepdim: bool = False) -> Value:
    """argmin(Tensor self, int? dim=None, bool keepdim=False) -> Tensor; the first of several"""
    return _position(op, "ArgMin", self, dim, keepdim)


def _position(op: Op, op_type: str, x: Value, dim: int | None, keepdim: bool) -> Value:
    rank = op.rank(x)
    if rank == 0:
        return op.const(0)
    if real_dtype(op, x) is DType.BOOL:
        x = op.cast(x, DType.INT32)
    if dim is not None:
        return op.multi(op_type, 1, x, axis=op.axis(x, dim), keepdims=int(keepdim))[0]
    flat = op.Reshape(x, op.const([-1]))
    found = op.multi(op_type, 1, flat, axis=0, keepdims=int(keepdim))[0]
    return op.Reshape(found, op.const([1] * rank)) if keepdim else found


@aten("aminmax", "_aminmax")
def aminmax(op: Op, self: Value, dim: int | None = None, keepdim: bool = False) -> tuple[Value, Value]:
    """aminmax(Tensor self, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)"""
    dims = None if dim is None else [dim]
    return amin(op, self, dims, keepdim), amax(op, self, dims, keepdim)


@aten("all", "all.dims")
def all_(op: Op, self: Value, dim: Sequence[int] | None = None, keepdim: bool = False) -> Value:
    """all.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor; true of no elements"""
    return _truth(op, "ReduceProd", self, dim, keepdim)


@aten("any", "any.dims")
def any_(op: Op, self: Value, dim: Sequence[int] | None = None, keepdim: bool = False) -> Value:
    """any.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor; false of no elements"""
    return _truth(op, "ReduceSum", self, dim, keepdim)


def _truth(op: Op, op_type: str, x: Value, dim: Sequence[int] | None, keepdim: bool) -> Value:
    """Sums and products of 0 and 1, which unlike extremes are defined of no elements."""
    result_dtype = DType.UINT8 if op.dtype(x) is DType.UINT8 else DType.BOOL
    truth = convert(op, x, DType.BOOL)
    # An empty list reduces nothing here, unlike in all other reductions.
    if op.rank(x) and dim != []:
        truth = op.cast(reduce_dims(op, op_type, op.cast(truth, DType.INT32), dim, keepdim), DType.BOOL)
    return op.cast(truth, result_dtype)


@aten("all.int", "all.bool", "all.float")
def all_numbers(op: Op, self: Sequence[Value] | Value) -> Value:
    """all.int(int[] self) -> bool"""
    return every(op, _stacked(op, self))


@aten("any.int", "any.bool", "any.float")
def any_numbers(op: Op, self: Sequence[Value] | Value) -> Value:
    """any.int(int[] self) -> bool"""
    return any_(op, _stacked(op, self))


def _stacked(op: Op, items: Sequence[Value] | Value) -> Value:
    """The truth of each number of a list; one whose length depends on the input is a vector already."""
    if isinstance(items, Value):
        return op.cast(items, DType.BOOL)
    if not items:
        return op.const(np.zeros(0, np.bool_))
    one = op.const([1])
    return op.Concat(*(op.Reshape(op.cast(item, DType.BOOL), one) for item in items), axis=0)


@aten("count_nonzero")
def count_nonzero(op: Op, self: Value, dim: Sequence[int] | None = None) -> Value:
    """count_nonzero.dim_IntList(Tensor self, int[] dim) -> Tensor"""
    return reduce_dims(op, "ReduceSum", op.cast(convert(op, self, DType.BOOL), DType.INT64), dim)


@aten("logsumexp", "special_logsumexp")
def logsumexp(op: Op, self: Value, dim: Sequence[int], keepdim: bool = False) -> Value:
    """logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor"""
    return reduce_dims(op, "ReduceLogSumExp", as_float(op, self), dim, keepdim)


@aten("trace")
def trace(op: Op, self: Value) -> Value:
    """trace(Tensor self) -> Tensor; self (n, m)"""
    rows, columns = op.sizes(self)
    if isinstance(rows, int) and isinstance(columns, int):
        mask = op.const(np.eye(rows, columns, dtype=np.bool_))
    else:
        # ONNX Runtime has no EyeLike that gives bool.
        mask = op.cast(op.EyeLike(self, dtype=DType.INT64), DType.BOOL)
    return sum_(op, op.Where(mask, self, op.const_like(0, self)))
