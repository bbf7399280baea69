"""Elements by index: index, gather, take, masked_select, nonzero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onnxport_ir import DType, Value

from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.promote import TensorOrNumber, as_dtype, result_dtype
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


@dataclass(frozen=True, slots=True)
class Indexing:
    """What ``x[indices]`` means, with masks turned into positions.

    Attributes:
        x: the tensor; with an axis of size 1 more for each mask of rank 0.
        axes: the indexed axes, in order.
        indices: an integer tensor for each of them.
    """

    x: Value
    axes: tuple[int, ...]
    indices: tuple[Value, ...]

    @property
    def is_consecutive(self) -> bool:
        """Whether the result has the axes of the indices where the first indexed axis was, not in front."""
        return self.axes == tuple(range(self.axes[0], self.axes[0] + len(self.axes)))


def is_mask(op: Op, index: Value) -> bool:
    """Whether an index says for each element whether it is taken."""
    return op.dtype(index) in (DType.BOOL, DType.UINT8)


def read_indices(op: Op, x: Value, indices: Sequence[Value | None]) -> Indexing:
    """Normalise the indices of ``index`` and ``index_put``."""
    axes: list[int] = []
    positions: list[Value] = []
    axis = 0
    for index in indices:
        if index is None:
            axis += 1
        elif not is_mask(op, index):
            axes.append(axis)
            positions.append(op.cast(index, DType.INT64))
            axis += 1
        else:
            if op.rank(index) == 0:
                # Such a mask takes all of x or nothing, along a new axis.
                x = unsqueeze(op, x, [axis])
            mask = unsqueeze(op, index, [0]) if op.rank(index) == 0 else index
            found = op.NonZero(op.cast(mask, DType.BOOL))
            for row in range(op.rank(mask)):
                axes.append(axis)
                positions.append(op.Gather(found, op.const(row), axis=0))
                axis += 1
    if axis > op.rank(x):
        raise op.refuse(f"{axis} indices for a tensor of rank {op.rank(x)}")
    return Indexing(x, tuple(axes), tuple(positions))


def single(indices: Sequence[Value | None]) -> tuple[int, Value] | None:
    """The only index and its place, if there is only one."""
    given = [(place, index) for place, index in enumerate(indices) if index is not None]
    return given[0] if len(given) == 1 else None


@aten("index", "_unsafe_index")
def index(op: Op, self: Value, indices: Sequence[Value | None]) -> Value:
    """index.Tensor(Tensor self, Tensor?[] indices) -> Tensor"""
    only = single(indices)
    if only is not None:
        axis, given = only
        if not is_mask(op, given):
            return op.Gather(self, as_index(op, given), axis=axis)
        if op.rank(given):
            return _compressed(op, self, given, axis)
    indexing = read_indices(op, self, indices)
    if not indexing.axes:
        return self
    if len(indexing.axes) == 1:
        return op.Gather(indexing.x, indexing.indices[0], axis=indexing.axes[0])
    return _gathered(op, indexing)


def as_index(op: Op, value: Value) -> Value:
    """An index of a type that ONNX's Gather takes."""
    return value if op.dtype(value) in (DType.INT32, DType.INT64) else op.cast(value, DType.INT64)


def _compressed(op: Op, x: Value, mask: Value, axis: int) -> Value:
    """``x[:, ..., mask]`` with the mask over the axes from ``axis`` on."""
    mask = op.cast(mask, DType.BOOL)
    count = op.rank(mask)
    if count > 1:
        sizes = op.dims(x)
        x = reshape(op, x, [*sizes[:axis], -1, *sizes[axis + count :]]) if op.rank(x) > count else flatten_all(op, x)
        mask = flatten_all(op, mask)
    return op.Compress(x, mask, axis=axis)


def _gathered(op: Op, indexing: Indexing) -> Value:
    x, axes = indexing.x, indexing.axes
    rank = op.rank(x)
    first = axes[0]
    sizes = op.sizes(x)
    is_known = all(i.const is not None and not i.is_weight for i in indexing.indices)
    if not op.has("GatherND") or (
        is_known and indexing.is_consecutive and all(isinstance(sizes[axis], int) for axis in axes)
    ):
        return _gathered_flat(op, indexing)
    rest = [axis for axis in range(rank) if axis not in axes]
    front = op.Transpose(x, perm=[*axes, *rest])
    stacked, index_rank = stack_indices(op, indexing.indices)
    result = op.GatherND(front, stacked)
    return _placed(op, result, index_rank, first) if indexing.is_consecutive else result


def _placed(op: Op, x: Value, count: int, place: int) -> Value:
    """``x`` with its first ``count`` axes moved behind ``place`` others."""
    if place == 0:
        return x
    rest = range(count, op.rank(x))
    return op.Transpose(x, perm=[*rest[:place], *range(count), *rest[place:]])


def _gathered_flat(op: Op, indexing: Indexing) -> Value:
    """Gather from the indexed axes merged into one."""
    x, axes = indexing.x, indexing.axes
    place = axes[0] if indexing.is_consecutive else 0
    rest = [axis for axis in range(op.rank(x)) if axis not in axes]
    x = op.Transpose(x, perm=[*rest[:place], *axes, *rest[place:]])
    sizes = op.dims(x)
    flat: Value | None = None
    for position, size in zip(indexing.indices, sizes[place : place + len(axes)], strict=True):
        index_ = non_negative(op, position, size)
        flat = index_ if flat is None else op.Add(op.Mul(flat, op.scalar(size, DType.INT64)), index_)
    merged = reshape(op, x, [*sizes[:place], -1, *sizes[place + len(axes) :]])
    return op.Gather(merged, flat, axis=place)


def non_negative(op: Op, index: Value, size: Int) -> Value:
    """An int64 index with negative elements counted from the front."""
    if index.const is not None and not index.is_weight and (index.array() >= 0).all():
        return index
    zero = op.const(0, DType.INT64)
    return op.Where(op.Less(index, zero), op.Add(index, op.scalar(size, DType.INT64)), index)


def stack_indices(op: Op, indices: Sequence[Value]) -> tuple[Value, int]:
    """Indices broadcast to one shape and joined along a new last axis, as GatherND takes them; and their rank."""
    shapes = {index.shape for index in indices}
    if len(shapes) > 1:
        sizes = broadcast_shape(op, *indices)
        indices = [expand_to(op, index, sizes) for index in indices]
    rank = op.rank(indices[0])
    return op.Concat(*(op.Unsqueeze(index, [rank]) for index in indices), axis=rank), rank


@aten("_unsafe_masked_index")
def unsafe_masked_index(
    op: Op, self: Value, mask: Value, indices: Sequence[Value | None], fill: bool | int | float
) -> Value:
    """_unsafe_masked_index(Tensor self, Tensor mask, Tensor?[] indices, Scalar fill) -> Tensor"""
    taken = index(op, self, inside(op, self, indices))
    return op.Where(op.cast(mask, DType.BOOL), taken, op.const_like(fill, self))


def inside(op: Op, x: Value, indices: Sequence[Value | None]) -> list[Value | None]:
    """Indices without masks, of which those out of range are moved to the nearest element."""
    moved: list[Value | None] = []
    for axis, given in enumerate(indices):
        if given is None:
            moved.append(None)
            continue
        size = op.scalar(op.dim(x, axis), DType.INT64)
        limited = op.Min(op.cast(given, DType.INT64), op.Sub(size, 1))
        moved.append(op.Max(limited, op.Neg(size)))
    return moved


@aten("index_select", "index_select_copy")
def index_select(op: Op, self: Value, dim: int, index: Value) -> Value:
    """index_select(Tensor self, int dim, Tensor index) -> Tensor"""
    if not op.rank(self):
        return self
    vector = unsqueeze(op, index, [0]) if op.rank(index) == 0 else index
    return op.Gather(self, as_index(op, vector), axis=op.axis(self, dim))


@aten("gather")
def gather(op: Op, self: Value, dim: int, index: Value) -> Value:
    """gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor"""
    if op.rank(self) == 0 or op.rank(index) == 0:
        flat = op.Gather(flatten_all(op, self), as_index(op, flatten_all(op, index)), axis=0)
        return reshape(op, flat, op.dims(index))
    return op.GatherElements(self, as_index(op, index), axis=op.axis(self, dim))


@aten("take")
def take(op: Op, self: Value, index: Value) -> Value:
    """take(Tensor self, Tensor index) -> Tensor"""
    return op.Gather(flatten_all(op, self), as_index(op, index), axis=0)


@aten("take_along_dim")
def take_along_dim(op: Op, self: Value, indices: Value, dim: int | None) -> Value:
    """take_along_dim(Tensor self, Tensor indices, int? dim=None) -> Tensor"""
    if dim is None:
        return op.Gather(flatten_all(op, self), as_index(op, flatten_all(op, indices)), axis=0)
    axis = op.axis(self, dim)
    own, given = op.dims(self), op.dims(indices)
    shape = broadcast_shape(op, slice_axis(op, self, axis, 0, 1), slice_axis(op, indices, axis, 0, 1))
    data = expand_to(op, self, [*shape[:axis], own[axis], *shape[axis + 1 :]])
    index = expand_to(op, indices, [*shape[:axis], given[axis], *shape[axis + 1 :]])
    return op.GatherElements(data, as_index(op, index), axis=axis)


@aten("masked_select")
def masked_select(op: Op, self: Value, mask: Value) -> Value:
    """masked_select(Tensor self, Tensor mask) -> Tensor"""
    x, condition = self, op.cast(mask, DType.BOOL)
    if self.shape is None or self.shape != mask.shape:
        sizes = broadcast_shape(op, self, mask)
        x, condition = expand_to(op, self, sizes), expand_to(op, condition, sizes)
    return op.Compress(flatten_all(op, x), flatten_all(op, condition), axis=0)


def non_zero(op: Op, x: Value) -> Value:
    """The positions of the elements that are not 0, of shape (rank, count); a tensor of rank 0 counts as a vector."""
    vector = unsqueeze(op, x, [0]) if op.rank(x) == 0 else x
    return op.NonZero(vector if op.dtype(x) in _COUNTED else op.cast(vector, DType.BOOL))


#: The types for which ONNX Runtime has NonZero.
_COUNTED = frozenset({DType.BOOL, DType.FLOAT32, DType.INT32, DType.INT64, DType.UINT8})


@aten("nonzero", "argwhere")
def nonzero(op: Op, self: Value) -> Value:
    """nonzero(Tensor self) -> Tensor; of shape (count, rank)"""
    found = non_zero(op, self)
    if op.rank(self) == 0:
        return full(op, [op.dim(found, 1), 0], 0, DType.INT64)
    return op.Transpose(found, perm=[1, 0])


@aten("nonzero_numpy", "where")
def nonzero_numpy(op: Op, self: Value | None = None, condition: Value | None = None) -> list[Value]:
    """nonzero_numpy(Tensor self) -> Tensor[]; where(Tensor condition) -> Tensor[]"""
    x = self if condition is None else condition
    if x is None:
        raise op.refuse("nonzero_numpy without a tensor")
    found = non_zero(op, x)
    return [op.Gather(found, op.const(row), axis=0) for row in range(max(op.rank(x), 1))]


@aten("nonzero_static")
def nonzero_static(op: Op, self: Value, size: Int, fill_value: int) -> Value:
    """nonzero_static(Tensor self, *, SymInt size, int fill_value=-1) -> Tensor"""
    if op.rank(self) == 0:
        return full(op, [size, 0], 0, DType.INT64)
    rows = op.Transpose(non_zero(op, self), perm=[1, 0])
    filled = op.Concat(rows, full(op, [size, op.rank(self)], fill_value, DType.INT64), axis=0)
    return op.Slice(filled, op.ints([0]), op.ints([size]), [0])


@aten("isin")
def isin(
    op: Op,
    assume_unique: bool,
    invert: bool,
    elements: TensorOrNumber | None = None,
    element: TensorOrNumber | None = None,
    test_elements: TensorOrNumber | None = None,
    test_element: TensorOrNumber | None = None,
) -> Value:
    """isin.Tensor_Tensor(Tensor elements, Tensor test_elements, *, bool assume_unique=False, bool invert=False)"""
    asked = element if elements is None else elements
    among = test_element if test_elements is None else test_elements
    if asked is None or among is None:
        raise op.refuse("isin without operands")
    dtype = result_dtype(op, asked, among)
    left, right = as_dtype(op, asked, dtype), as_dtype(op, among, dtype)
    if op.rank(right) == 0:
        found = op.Equal(left, right)
        return op.Not(found) if invert else found
    equal = op.Equal(unsqueeze(op, left, [op.rank(left)]), flatten_all(op, right))
    count = op.ReduceSum(op.cast(equal, DType.INT64), [-1], keepdims=0)
    return op.Equal(count, 0) if invert else op.Greater(count, 0)
