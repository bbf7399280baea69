"""Parts of tensors by position: slice, select, narrow, split, chunk, unbind, flip, roll, unfold."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from onnxport_ir import DType, Value
from onnxport_ir.dims import exact_div
from onnxport_ir.errors import NeedsStatic
from onnxport_ir.rules.sizes import is_at_least, is_nonnegative

from onnxport_symbolics.integers import INT64_MIN, add, mul, settle, sub
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import dim_of, flatten_all, index_axis, reshape, slice_axis, unsqueeze


@aten("slice.Tensor", "slice_copy.Tensor")
def slice_(op: Op, self: Value, dim: int, start: Int | None, end: Int | None, step: int) -> Value:
    """slice.Tensor(Tensor(a) self, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> Tensor(a)"""
    return slice_axis(op, self, dim, start, end, step)


@aten("select.int", "select_copy.int")
def select(op: Op, self: Value, dim: int, index: Int) -> Value:
    """select.int(Tensor(a) self, int dim, SymInt index) -> Tensor(a)"""
    return index_axis(op, self, dim, index)


@aten("narrow", "narrow_copy")
def narrow(op: Op, self: Value, dim: int, start: Int, length: Int) -> Value:
    """narrow(Tensor(a) self, int dim, SymInt start, SymInt length); narrow.Tensor(..., Tensor start, SymInt length)"""
    first = from_front(op, start, op.dim(self, op.axis(self, dim)))
    return slice_axis(op, self, dim, first, add(op, first, length))


def from_front(op: Op, index: Int, size: Int) -> Int:
    """An index of an axis of ``size`` that may be negative, counted from the front."""
    known = dim_of(op, index)
    if known is not None and is_nonnegative(known):
        return index
    if isinstance(index, int):
        return add(op, size, index)
    index = op.cast(index, DType.INT64)
    return settle(op.Where(op.Less(index, 0), op.scalar(add(op, index, size), DType.INT64), index))


def cut(op: Op, x: Value, axis: int, sizes: Sequence[Int]) -> list[Value]:
    """Consecutive parts of the given sizes along one axis."""
    if len(sizes) == 1:
        return [x]
    return list(op.multi("Split", len(sizes), x, op.ints(sizes), axis=axis))


@aten("split.Tensor", "unsafe_split.Tensor", "split_copy.Tensor")
def split(op: Op, self: Value, split_size: Int, dim: int) -> list[Value] | Value:
    """split.Tensor(Tensor(a -> *) self, SymInt split_size, int dim=0) -> Tensor(a)[]

    Where the number of parts depends on the input, the result is an ONNX sequence.
    """
    axis = op.axis(self, dim)
    size = op.sizes(self)[axis]
    if isinstance(split_size, int):
        if isinstance(size, int):
            return cut(op, self, axis, _parts(size, split_size))
        count = exact_div(size, split_size) if split_size else None
        if isinstance(count, int):
            return cut(op, self, axis, [split_size] * count)
    else:
        formula = dim_of(op, split_size)
        count = None if formula is None else exact_div(size, formula)
        if isinstance(count, int):
            return cut(op, self, axis, [split_size] * count)
    return in_parts(op, self, axis, split_size)


def in_parts(op: Op, x: Value, axis: int, part: Int, of_none: int = 1) -> Value:
    """Parts of the length ``part`` along one axis, the last may be shorter, as a sequence.

    Of an axis of size 0, torch gives ``of_none`` empty parts. ONNX gives none where the operator is told one length,
    so that unless the axis is known to have elements it is told the length of each part.
    """
    if is_at_least(op.sizes(x)[axis], 1):
        return op.SplitToSequence(x, op.scalar(part, DType.INT64), axis=axis)
    size = op.scalar(op.dim(x, axis), DType.INT64)
    part = op.scalar(part, DType.INT64)
    end = op.Max(size, 1) if of_none == 1 else op.Where(op.Equal(size, 0), of_none, size)
    left = op.Sub(size, op.Range(op.const(0), end, op.Max(part, 1)))
    if of_none > 1:
        left = op.Max(left, 0)
    # Not a minimum, which older opsets spell otherwise: `part_of_sequence` reads it.
    return op.SplitToSequence(x, op.Where(op.Less(left, part), left, part), axis=axis)


def part_of_sequence(length: Value) -> Int | None:
    """The length of the parts that :func:`in_parts` was asked for, from what it tells the operator."""
    if not length.rank:
        return settle(length)
    node = length.producer
    part = node.operands[2] if node is not None and node.op_type == "Where" else None
    return None if part is None else settle(part)


def _parts(size: int, part: int) -> list[int]:
    if part == 0:
        return [size]
    return [min(part, size - start) for start in range(0, size, part)] or [0]


@aten("split_with_sizes", "unsafe_split_with_sizes", "split_with_sizes_copy")
def split_with_sizes(op: Op, self: Value, split_sizes: Sequence[Int], dim: int) -> list[Value]:
    """split_with_sizes(Tensor(a -> *) self, SymInt[] split_sizes, int dim=0) -> Tensor(a)[]"""
    return cut(op, self, op.axis(self, dim), split_sizes)


@aten("split", "split.sizes")
def split_sizes_(
    op: Op, self: Value, dim: int, split_size: Sequence[Int] | None = None, split_sizes: Sequence[Int] | None = None
) -> list[Value]:
    """split.sizes(Tensor(a -> *) self, SymInt[] split_size, int dim=0) -> Tensor(a)[]"""
    sizes = split_sizes if split_size is None else split_size
    return cut(op, self, op.axis(self, dim), sizes or [])


@aten("chunk", "unsafe_chunk")
def chunk(op: Op, self: Value, chunks: int, dim: int) -> list[Value] | Value:
    """chunk(Tensor(a -> *) self, int chunks, int dim=0) -> Tensor(a)[]

    An axis of dynamic size has ``chunks`` parts for certain only if it is a multiple, or if they are two: of two,
    the second is missing only for a size of 1, with which code that takes the parts apart cannot run. Otherwise the
    result is an ONNX sequence.
    """
    axis = op.axis(self, dim)
    size = op.sizes(self)[axis]
    if isinstance(size, int):
        return cut(op, self, axis, _parts(size, -(-size // chunks)))
    if chunks == 1:
        return [self]
    even = exact_div(size, chunks)
    if even is not None:
        part = op.Div(op.dim(self, axis), chunks)
        return cut(op, self, axis, [part] * chunks)
    if chunks == 2:
        length = op.dim(self, axis)
        first = op.Div(add(op, length, 1), 2)
        return cut(op, self, axis, [first, sub(op, length, first)])
    part = op.Div(add(op, op.dim(self, axis), chunks - 1), chunks)
    return in_parts(op, self, axis, part, of_none=chunks)


@aten("tensor_split")
def tensor_split(
    op: Op,
    self: Value,
    dim: int,
    sections: int | None = None,
    indices: Sequence[Int] | None = None,
    tensor_indices_or_sections: Value | None = None,
) -> list[Value]:
    """tensor_split.sections(Tensor(a -> *) self, SymInt sections, int dim=0) -> Tensor(a)[]; .indices; .tensor_..."""
    if tensor_indices_or_sections is not None:
        sections, indices = _read_sections(op, tensor_indices_or_sections)
    axis = op.axis(self, dim)
    if indices is not None:
        bounds: list[Int | None] = [0, *indices, None]
        return [slice_axis(op, self, axis, a, b) for a, b in itertools.pairwise(bounds)]
    if sections is None:
        raise op.refuse("tensor_split without sections or indices")
    return cut(op, self, axis, _sections(op, op.dim(self, axis), sections))


def _read_sections(op: Op, given: Value) -> tuple[int | None, list[Int] | None]:
    if given.const is not None and not given.is_weight:
        array = given.array()
        return (int(array), None) if array.ndim == 0 else (None, [int(index) for index in array])
    size = op.sizes(given)[0] if op.rank(given) == 1 else None
    if not isinstance(size, int):
        raise NeedsStatic("tensor_split into a number of parts that depends on the input", where=op.place)
    return None, [op.Gather(given, op.const(index)) for index in range(size)]


def _sections(op: Op, size: Int, sections: int) -> list[Int]:
    """As many sizes as ``sections`` that differ by 1 at most, the larger ones first."""
    if isinstance(size, int):
        part, rest = divmod(size, sections)
        return [part + (index < rest) for index in range(sections)]
    # The first index // sections elements beyond a multiple go to the first parts, one each.
    return [op.Div(add(op, size, sections - 1 - index), sections) for index in range(sections)]


def _numpy_split(name: str, axis_of: tuple[int, ...]) -> None:
    """hsplit, vsplit, dsplit: ``axis_of`` is the axis by rank, the last entry for all higher ranks."""

    @aten(name)
    def along_axis(
        op: Op, self: Value, sections: int | None = None, indices: Sequence[Int] | None = None
    ) -> list[Value]:
        axis = axis_of[min(op.rank(self), len(axis_of) - 1)]
        return tensor_split(op, self, axis, sections, indices)

    along_axis.__doc__ = (
        f"{name}.int(Tensor(a -> *) self, int sections); {name}.array(..., int[] indices) -> Tensor(a)[]"
    )


_numpy_split("hsplit", (0, 0, 1))
_numpy_split("vsplit", (0,))
_numpy_split("dsplit", (2,))


@aten("unbind", "unbind_copy")
def unbind(op: Op, self: Value, dim: int) -> list[Value] | Value:
    """unbind.int(Tensor(a -> *) self, int dim=0) -> Tensor(a)[]

    Where the number of parts depends on the input, the result is an ONNX sequence.
    """
    axis = op.axis(self, dim)
    size = op.sizes(self)[axis]
    if isinstance(size, int):
        return [index_axis(op, self, axis, index) for index in range(size)]
    return op.SplitToSequence(self, axis=axis, keepdims=0)


@aten("flip")
def flip(op: Op, self: Value, dims: Sequence[int]) -> Value:
    """flip(Tensor self, int[] dims) -> Tensor"""
    axes = [op.axis(self, dim) for dim in dims] if op.rank(self) else []
    axes = [axis for axis in axes if op.sizes(self)[axis] not in (0, 1)]
    if not axes:
        return self
    count = len(axes)
    return op.Slice(self, [-1] * count, [INT64_MIN + 1] * count, axes, [-1] * count)


@aten("fliplr")
def fliplr(op: Op, self: Value) -> Value:
    """fliplr(Tensor self) -> Tensor"""
    return flip(op, self, [1])


@aten("flipud")
def flipud(op: Op, self: Value) -> Value:
    """flipud(Tensor self) -> Tensor"""
    return flip(op, self, [0])


@aten("rot90")
def rot90(op: Op, self: Value, k: int, dims: Sequence[int]) -> Value:
    """rot90(Tensor self, int k=1, int[] dims=[0, 1]) -> Tensor"""
    first, second = (op.axis(self, dim) for dim in dims)
    perm = list(range(op.rank(self)))
    perm[first], perm[second] = second, first
    match k % 4:
        case 1:
            return op.Transpose(flip(op, self, [second]), perm=perm)
        case 2:
            return flip(op, self, [first, second])
        case 3:
            return op.Transpose(flip(op, self, [first]), perm=perm)
    return self


@aten("roll")
def roll(op: Op, self: Value, shifts: Sequence[Int], dims: Sequence[int]) -> Value:
    """roll(Tensor self, SymInt[1] shifts, int[1] dims=[]) -> Tensor"""
    if not op.rank(self):
        return self
    if not dims:
        flat = _rolled(op, flatten_all(op, self), 0, shifts[0])
        return reshape(op, flat, op.dims(self))
    x = self
    for shift, dim in zip(shifts, dims, strict=True):
        x = _rolled(op, x, op.axis(x, dim), shift)
    return x


def _rolled(op: Op, x: Value, axis: int, shift: Int) -> Value:
    size = op.dim(x, axis)
    if isinstance(size, int) and isinstance(shift, int):
        start: Int = -shift % size if size else 0
    elif isinstance(shift, int) and abs(shift) <= 1:
        # As the slices read it, whatever the size: of one element, and of none, there is nothing to move.
        start = -shift
    else:
        # A size of 0 has no remainders; with 1 in its place the slices of nothing are empty all the same.
        start = op.Mod(op.scalar(sub(op, 0, shift), DType.INT64), op.Max(op.scalar(size, DType.INT64), 1))
    if isinstance(start, int) and start == 0:
        return x
    return op.Concat(slice_axis(op, x, axis, start), slice_axis(op, x, axis, 0, start), axis=axis)


@aten("fft_fftshift")
def fft_shift(op: Op, self: Value, dim: Sequence[int] | None) -> Value:
    """fft_fftshift(Tensor self, int[1]? dim=None) -> Tensor"""
    return _shifted(op, self, dim, 0)


@aten("fft_ifftshift")
def fft_shift_back(op: Op, self: Value, dim: Sequence[int] | None) -> Value:
    """fft_ifftshift(Tensor self, int[1]? dim=None) -> Tensor"""
    return _shifted(op, self, dim, 1)


def _shifted(op: Op, x: Value, dim: Sequence[int] | None, extra: int) -> Value:
    """Each axis rolled by half of its size, rounded down, or up if ``extra`` is 1."""
    for axis in range(op.rank(x)) if dim is None else dim:
        size = add(op, op.dim(x, op.axis(x, axis)), extra)
        x = _rolled(op, x, op.axis(x, axis), size // 2 if isinstance(size, int) else op.Div(size, 2))
    return x


@aten("unfold", "unfold_copy")
def unfold(op: Op, self: Value, dimension: int, size: int, step: int) -> Value:
    """unfold(Tensor(a) self, int dimension, int size, int step) -> Tensor(a); result: (..., windows, ..., size)"""
    if not op.rank(self):
        return unsqueeze(op, self, [0]) if size else reshape(op, self, [0])
    axis = op.axis(self, dimension)
    length = op.dim(self, axis)
    if isinstance(length, int):
        starts: Value = op.const(np.arange(0, length - size + 1, step, dtype=np.int64)[:, None])
    else:
        count = add(op, op.Div(op.scalar(add(op, length, -size), DType.INT64), step), 1)
        starts = op.Unsqueeze(op.Range(0, op.scalar(mul(op, count, step), DType.INT64), step), [1])
    index = op.Add(starts, np.arange(size, dtype=np.int64))
    windows = op.Gather(self, index, axis=axis)
    rank = op.rank(self) + 1
    return op.Transpose(windows, perm=[*(a for a in range(rank) if a != axis + 1), axis + 1])


@aten("as_strided", "as_strided_copy")
def as_strided(
    op: Op, self: Value, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Value:
    """as_strided(Tensor(a) self, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None) -> Tensor(a)

    Which elements are meant depends on how the tensor lies in memory, which ONNX does not know. It is certain only
    for an input of the model, which ONNX takes in row-major order.
    """
    return op.Gather(flatten_all(op, self), _strided_index(op, self, size, stride, storage_offset or 0), axis=0)


@aten("as_strided_scatter")
def as_strided_scatter(
    op: Op, self: Value, src: Value, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Value:
    """as_strided_scatter(Tensor self, Tensor src, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None)"""
    index = _strided_index(op, self, size, stride, storage_offset or 0)
    if len(np.unique(index)) != index.size:
        raise op.refuse("a write to a strided view with overlapping elements")
    written = op.ScatterND(flatten_all(op, self), op.const(index[..., None]), op.cast(src, op.dtype(self)))
    return reshape(op, written, op.dims(self))


def _strided_index(op: Op, x: Value, size: Sequence[int], stride: Sequence[int], offset: int) -> npt.NDArray[np.int64]:
    """The places in memory of the elements of a strided view, if they are known."""
    if x.producer is not None or x.const is not None or not all(isinstance(n, int) for n in op.sizes(x)):
        raise op.refuse("a strided view of a tensor whose layout in memory is not known", "Use unfold or indices.")
    index = np.full((), offset, np.int64)
    for count, step in zip(size, stride, strict=True):
        index = index[..., None] + np.arange(count, dtype=np.int64) * step
    return index
