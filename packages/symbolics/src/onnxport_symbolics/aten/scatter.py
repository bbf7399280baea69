"""Writes by index: index_put, scatter, scatter_reduce, index_add, index_copy, masked_scatter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.aten.index import (
    Indexing,
    as_index,
    inside,
    is_mask,
    read_indices,
    single,
    stack_indices,
)
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.promote import TensorOrNumber, as_dtype
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import (
    broadcast_shape,
    expand_to,
    flatten_all,
    full,
    reshape,
    slice_axis,
    unsqueeze,
)

#: torch's names of reductions (the older and the newer ones) by ONNX's; "mean" is made of "add".
_REDUCTIONS = {
    "add": "add",
    "sum": "add",
    "mean": "add",
    "multiply": "mul",
    "prod": "mul",
    "amax": "max",
    "amin": "min",
}

#: What ONNX Runtime does not reduce, by what it does instead. In integers, the sum and the maximum of truth values are
#: "or", the product and the minimum "and".
_REDUCED_AS = {DType.BOOL: DType.INT32, DType.FLOAT16: DType.FLOAT32, DType.BFLOAT16: DType.FLOAT32}


@aten("index_put", "_index_put_impl", "_unsafe_index_put")
def index_put(
    op: Op, self: Value, indices: Sequence[Value | None], values: Value, accumulate: bool, unsafe: bool = False
) -> Value:
    """index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor"""
    values = op.cast(values, op.dtype(self))
    only = single(indices)
    if only is not None and is_mask(op, only[1]):
        written = _masked(op, self, only[0], only[1], values, accumulate)
        if written is not None:
            return written
    indexing = read_indices(op, self, indices)
    if not indexing.axes:
        sizes = op.dims(self)
        spread = expand_to(op, _without_leading_ones(op, values, len(sizes)), sizes)
        return op.Add(self, spread) if accumulate else spread
    result = _scattered(op, indexing, values, accumulate)
    return result if indexing.x is self else reshape(op, result, op.dims(self))


@aten("_unsafe_masked_index_put_accumulate")
def unsafe_masked_index_put(op: Op, self: Value, mask: Value, indices: Sequence[Value | None], values: Value) -> Value:
    """_unsafe_masked_index_put_accumulate(Tensor self, Tensor mask, Tensor?[] indices, Tensor values) -> Tensor"""
    added = op.Where(op.cast(mask, DType.BOOL), op.cast(values, op.dtype(self)), op.const_like(0, self))
    return index_put(op, self, inside(op, self, indices), added, True)


def _without_leading_ones(op: Op, values: Value, rank: int) -> Value:
    """Values of a higher rank than what they are written to, which only axes of size 1 can make up."""
    extra = op.rank(values) - rank
    return op.Squeeze(values, list(range(extra))) if extra > 0 else values


def _masked(op: Op, x: Value, axis: int, mask: Value, values: Value, accumulate: bool) -> Value | None:
    """A write through one mask as a choice per element, if the values do not differ from one hit to the next."""
    behind = op.rank(x) - axis - op.rank(mask)
    sizes = op.sizes(values)
    # Of the values, only the axes behind those of the mask may say something: the one before them counts the hits.
    if any(size != 1 for size in sizes[: max(len(sizes) - behind, 0)]):
        return None
    if len(sizes) > behind:
        values = (
            op.Reshape(values, op.ints([1] * behind))
            if all(s == 1 for s in sizes)
            else (op.Squeeze(values, list(range(len(sizes) - behind))))
        )
    condition = unsqueeze(op, op.cast(mask, DType.BOOL), range(op.rank(mask), op.rank(mask) + behind))
    return op.Where(condition, op.Add(x, values) if accumulate else values, x)


def _scattered(op: Op, indexing: Indexing, values: Value, accumulate: bool) -> Value:
    x, axes = indexing.x, indexing.axes
    rank = op.rank(x)
    rest = [axis for axis in range(rank) if axis not in axes]
    perm = [*axes, *rest]
    stacked, index_rank = stack_indices(op, indexing.indices)
    sizes = op.dims(x)
    positions = [op.dim(stacked, axis) for axis in range(index_rank)]
    # The values are broadcast to the shape of x[indices], which has the indices' axes at `place`.
    place = axes[0] if indexing.is_consecutive else 0
    others: list[Int] = [sizes[axis] for axis in rest]
    shape = [*others[:place], *positions, *others[place:]]
    values = expand_to(op, _without_leading_ones(op, values, len(shape)), shape)
    count = len(shape)
    order = [*range(place, place + index_rank), *range(place), *range(place + index_rank, count)]
    updates = op.Transpose(values, perm=order)
    front = op.Transpose(x, perm=perm)
    written = reduce_nd(op, front, stacked, updates) if accumulate else op.ScatterND(front, stacked, updates)
    return op.Transpose(written, perm=[int(axis) for axis in np.argsort(perm)])


def reduce_nd(op: Op, x: Value, index: Value, updates: Value, reduction: str = "add") -> Value:
    """ScatterND with a reduction, for tensors of any type."""
    dtype = op.dtype(x)
    carrier = _REDUCED_AS.get(dtype, dtype)
    written = op.ScatterND(op.cast(x, carrier), index, op.cast(updates, carrier), reduction=reduction)
    return op.cast(written, dtype)


def scatter_elements(op: Op, x: Value, axis: int, index: Value, updates: Value, reduction: str | None) -> Value:
    """ScatterElements for tensors of any rank; ``updates`` may be larger than ``index``."""
    if op.rank(x) == 0:
        flat = scatter_elements(op, flatten_all(op, x), 0, flatten_all(op, index), flatten_all(op, updates), reduction)
        return reshape(op, flat, [])
    axis = op.axis(x, axis)
    if op.rank(index) == 0:
        index, updates = flatten_all(op, index), flatten_all(op, updates)
    if 0 in op.sizes(index):
        return x
    updates = _cut_to(op, updates, index)
    carrier = _REDUCED_AS.get(op.dtype(x)) if reduction is not None else None
    if carrier is not None:
        dtype = op.dtype(x)
        x, updates = op.cast(x, carrier), op.cast(updates, carrier)
        return op.cast(scatter_elements(op, x, axis, index, updates, reduction), dtype)
    return op.ScatterElements(x, as_index(op, index), updates, axis=axis, reduction=reduction)


def _cut_to(op: Op, x: Value, like: Value) -> Value:
    """The corner of ``x`` that is as large as ``like``."""
    for axis, (size, wanted) in enumerate(zip(op.sizes(x), op.sizes(like), strict=True)):
        if size != wanted:
            x = slice_axis(op, x, axis, 0, op.dim(like, axis))
    return x


@aten("scatter")
def scatter(
    op: Op,
    self: Value,
    dim: int,
    index: Value,
    src: Value | None = None,
    value: TensorOrNumber | None = None,
    reduce: str | None = None,
) -> Value:
    """scatter.src(Tensor self, int dim, Tensor index, Tensor src); .value(..., Scalar value); .reduce; .value_reduce"""
    dtype = op.dtype(self)
    updates = src
    if updates is None:
        updates = expand_to(op, as_dtype(op, 0 if value is None else value, dtype), op.dims(index))
    reduction = None if reduce is None else _reduction(op, reduce)
    return scatter_elements(op, self, dim, index, op.cast(updates, dtype), reduction)


def _reduction(op: Op, name: str) -> str:
    if name not in _REDUCTIONS:
        raise op.refuse(f"the reduction {name!r}")
    return _REDUCTIONS[name]


@aten("scatter_add")
def scatter_add(op: Op, self: Value, dim: int, index: Value, src: Value) -> Value:
    """scatter_add(Tensor self, int dim, Tensor index, Tensor src) -> Tensor"""
    return scatter_elements(op, self, dim, index, src, "add")


@aten("scatter_reduce")
def scatter_reduce(op: Op, self: Value, dim: int, index: Value, src: Value, reduce: str, include_self: bool) -> Value:
    """scatter_reduce.two(Tensor self, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True)"""
    return _reduced(op, self, dim, index, src, reduce, include_self)


@aten("index_reduce")
def index_reduce(op: Op, self: Value, dim: int, index: Value, source: Value, reduce: str, include_self: bool) -> Value:
    """index_reduce(Tensor self, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True)"""
    return _reduced(op, self, dim, _spread_index(op, self, dim, index, source), source, reduce, include_self)


def _reduced(op: Op, x: Value, dim: int, index: Value, src: Value, reduce: str, include_self: bool) -> Value:
    dtype = op.dtype(x)
    start = x
    if not include_self:
        # What is written to starts from the reduction's neutral element.
        start = scatter_elements(op, x, dim, index, _filled(op, index, _neutral(op, reduce, dtype), dtype), None)
    result = scatter_elements(op, start, dim, index, src, _reduction(op, reduce))
    if reduce in ("amax", "amin") and dtype.is_float:
        # Whether NaN wins is left open by ONNX; in torch it does.
        return op.Add(result, scatter_elements(op, _nan_or_zero(op, start), dim, index, _nan_or_zero(op, src), "add"))
    if reduce != "mean":
        return result
    counts = full(op, op.dims(x), 1 if include_self else 0, DType.INT64)
    counts = scatter_elements(op, counts, dim, index, _filled(op, index, 1, DType.INT64), "add")
    return _quotient(op, result, counts if include_self else op.Max(counts, 1))


def _nan_or_zero(op: Op, x: Value) -> Value:
    return op.Where(op.IsNaN(x), op.const_like(np.nan, x), op.const_like(0, x))


def _quotient(op: Op, total: Value, counts: Value) -> Value:
    """``total / counts``; of integers, rounded down."""
    dtype = op.dtype(total)
    divisor = op.cast(counts, dtype)
    quotient = op.Div(total, divisor)
    if dtype.is_float or not dtype.is_signed:
        return quotient
    # ONNX rounds towards 0: one less where the remainder is negative.
    remainder = op.Sub(total, op.Mul(quotient, divisor))
    return op.Sub(quotient, op.cast(op.Less(remainder, op.const(0, dtype)), dtype))


def _filled(op: Op, like: Value, number: float, dtype: DType) -> Value:
    return expand_to(op, op.const(number, dtype), op.dims(like))


def _neutral(op: Op, reduce: str, dtype: DType) -> float:
    if reduce in ("sum", "mean"):
        return 0
    if reduce == "prod":
        return 1
    largest = reduce == "amin"
    if dtype.is_float:
        return np.inf if largest else -np.inf
    if dtype is DType.BOOL:
        return largest
    limits = np.iinfo(dtype.numpy)
    return int(limits.max if largest else limits.min)


def _spread_index(op: Op, x: Value, dim: int, index: Value, source: Value) -> Value:
    """The index of ``index_add`` and its like, a vector, as the index of a scatter of ``source``."""
    if op.rank(source) == 0:
        return reshape(op, index, [])
    axis = op.axis(x, dim)
    vector = op.Reshape(index, [-1 if a == axis else 1 for a in range(op.rank(source))])
    return expand_to(op, vector, op.dims(source))


@aten("index_add")
def index_add(op: Op, self: Value, dim: int, index: Value, source: Value, alpha: int | float | bool) -> Value:
    """index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor"""
    dtype = op.dtype(self)
    source = op.cast(source, dtype)
    if alpha != 1:
        # As in torch, -1 is the largest number of an unsigned type.
        source = op.Mul(source, op.const(np.asarray(alpha).astype(dtype.numpy), dtype))
    return scatter_elements(op, self, dim, _spread_index(op, self, dim, index, source), source, "add")


@aten("index_copy")
def index_copy(op: Op, self: Value, dim: int, index: Value, source: Value) -> Value:
    """index_copy(Tensor self, int dim, Tensor index, Tensor source) -> Tensor"""
    source = op.cast(source, op.dtype(self))
    if op.rank(source) < op.rank(self):
        source = unsqueeze(op, source, [op.axis(self, dim)])
    return scatter_elements(op, self, dim, _spread_index(op, self, dim, index, source), source, None)


@aten("index_fill")
def index_fill(op: Op, self: Value, dim: int, index: Value, value: TensorOrNumber) -> Value:
    """index_fill.int_Scalar(Tensor self, int dim, Tensor index, Scalar value); .int_Tensor(..., Tensor value)"""
    dtype = op.dtype(self)
    number = as_dtype(op, value, dtype)
    if op.rank(self) == 0:
        return scatter_elements(op, self, 0, index, expand_to(op, number, op.dims(index)), None)
    axis = op.axis(self, dim)
    sizes = op.dims(self)
    sizes[axis] = op.dim(index, 0) if op.rank(index) else 1
    updates = expand_to(op, number, sizes)
    return scatter_elements(op, self, axis, _spread_index(op, self, axis, index, updates), updates, None)


@aten("put")
def put(op: Op, self: Value, index: Value, source: Value, accumulate: bool) -> Value:
    """put(Tensor self, Tensor index, Tensor source, bool accumulate=False) -> Tensor"""
    flat, positions, values = flatten_all(op, self), flatten_all(op, index), flatten_all(op, source)
    written = scatter_elements(op, flat, 0, positions, values, "add" if accumulate else None)
    return reshape(op, written, op.dims(self))


@aten("masked_scatter")
def masked_scatter(op: Op, self: Value, mask: Value, source: Value) -> Value:
    """masked_scatter(Tensor self, Tensor mask, Tensor source) -> Tensor"""
    x, condition = self, op.cast(mask, DType.BOOL)
    if self.shape is None or self.shape != mask.shape:
        sizes = broadcast_shape(op, self, mask)
        x, condition = expand_to(op, self, sizes), expand_to(op, condition, sizes)
    if op.rank(x) == 0:
        return reshape(op, masked_scatter(op, flatten_all(op, x), flatten_all(op, condition), source), [])
    positions = op.Transpose(op.NonZero(condition), perm=[1, 0])
    values = slice_axis(op, flatten_all(op, source), 0, 0, op.dim(positions, 0))
    return op.ScatterND(x, positions, values)
