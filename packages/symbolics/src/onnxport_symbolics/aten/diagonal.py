"""Diagonals and triangles, and writes to parts of a tensor: diag, tril, select_scatter, slice_scatter."""

from __future__ import annotations

import numpy as np
from onnxport_ir import DType, Value
from onnxport_ir.errors import NeedsStatic

from onnxport_symbolics.aten.slicing import from_front
from onnxport_symbolics.integers import INT64_MAX, add, arange, mul, sub
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import expand_to, full, move_axis, reshape, slice_axis, unsqueeze


def _least(op: Op, left: Int, right: Int) -> Int:
    if isinstance(left, int) and isinstance(right, int):
        return min(left, right)
    return op.Min(op.scalar(left, DType.INT64), op.scalar(right, DType.INT64))


def _at_least_zero(op: Op, size: Int) -> Int:
    return max(size, 0) if isinstance(size, int) else op.Max(size, 0)


def diagonal_length(op: Op, rows: Int, columns: Int, offset: int) -> Int:
    """How many elements a diagonal has."""
    return _at_least_zero(op, _least(op, add(op, rows, min(offset, 0)), sub(op, columns, max(offset, 0))))


@aten("diagonal", "diagonal_copy")
def diagonal(op: Op, self: Value, offset: int, dim1: int, dim2: int) -> Value:
    """diagonal(Tensor(a) self, int offset=0, int dim1=0, int dim2=1) -> Tensor(a)

    In a flattened matrix of m columns the elements of a diagonal are m + 1 apart.
    """
    first, second = op.axis(self, dim1), op.axis(self, dim2)
    batch = [axis for axis in range(op.rank(self)) if axis not in (first, second)]
    x = op.Transpose(self, perm=[*batch, first, second])
    *sizes, rows, columns = op.dims(x)
    length = diagonal_length(op, rows, columns, offset)
    if isinstance(length, int) and length == 0:
        return full(op, [*sizes, 0], 0, op.dtype(self))
    flat = reshape(op, x, [*sizes, mul(op, rows, columns)])
    start = offset if offset >= 0 else mul(op, columns, -offset)
    apart = add(op, columns, 1)
    end = add(op, start, mul(op, length, apart))
    return op.Slice(flat, op.ints([start]), op.ints([end]), [len(sizes)], op.ints([apart]))


@aten("linalg_diagonal")
def linalg_diagonal(op: Op, A: Value, offset: int, dim1: int, dim2: int) -> Value:
    """linalg_diagonal(Tensor(a) A, *, int offset=0, int dim1=-2, int dim2=-1) -> Tensor(a)"""
    return diagonal(op, A, offset, dim1, dim2)


@aten("diag")
def diag(op: Op, self: Value, diagonal: int) -> Value:
    """diag(Tensor self, int diagonal=0) -> Tensor"""
    build = diag_embed if op.rank(self) == 1 else linalg_diagonal
    return build(op, self, diagonal, 0, 1)


@aten("diagflat")
def diagflat(op: Op, self: Value, offset: int) -> Value:
    """diagflat(Tensor self, int offset=0) -> Tensor"""
    return diag_embed(op, op.Reshape(self, [-1]), offset, 0, 1)


def _is_on_diagonal(op: Op, rows: Int, columns: Int, offset: int) -> Value:
    if isinstance(rows, int) and isinstance(columns, int):
        return op.const(np.eye(rows, columns, offset, dtype=np.bool_))
    row = op.Add(op.Unsqueeze(arange(op, rows), [1]), offset)
    return op.Equal(row, op.Unsqueeze(arange(op, columns), [0]))


def _spread(op: Op, x: Value, length: Int, columns: Int, offset: int) -> Value:
    """The elements (..., length) of a diagonal, each in its column: (..., 1, columns); other columns hold anything."""
    shift = max(offset, 0)
    if isinstance(length, int) and isinstance(columns, int):
        index = op.const(np.clip(np.arange(columns, dtype=np.int64) - shift, 0, max(length - 1, 0)))
    else:
        highest = op.Max(op.Sub(op.scalar(length, DType.INT64), 1), 0)
        index = op.Min(op.Max(op.Sub(arange(op, columns), shift), 0), highest)
    return op.Unsqueeze(op.Gather(x, index, axis=op.rank(x) - 1), [-2])


@aten("diag_embed")
def diag_embed(op: Op, self: Value, offset: int, dim1: int, dim2: int) -> Value:
    """diag_embed(Tensor self, int offset=0, int dim1=-2, int dim2=-1) -> Tensor"""
    rank = op.rank(self) + 1
    first, second = dim1 % rank, dim2 % rank
    *batch, length = op.dims(self)
    size = add(op, length, abs(offset))
    if isinstance(length, int) and length == 0:
        matrix = full(op, [*batch, size, size], 0, op.dtype(self))
    else:
        row = op.Unsqueeze(self, [-2]) if offset == 0 else _spread(op, self, length, size, offset)
        mask = _is_on_diagonal(op, size, size, offset)
        matrix = op.Where(mask, row, op.const_like(0, self))
    # The matrix has its rows and columns last; they belong at `first` and `second`.
    places = {first: rank - 2, second: rank - 1}
    rest = iter(range(rank - 2))
    return op.Transpose(matrix, perm=[places[axis] if axis in places else next(rest) for axis in range(rank)])


@aten("diagonal_scatter")
def diagonal_scatter(op: Op, self: Value, src: Value, offset: int, dim1: int, dim2: int) -> Value:
    """diagonal_scatter(Tensor self, Tensor src, int offset=0, int dim1=0, int dim2=1) -> Tensor"""
    first, second = op.axis(self, dim1), op.axis(self, dim2)
    batch = [axis for axis in range(op.rank(self)) if axis not in (first, second)]
    order = [*batch, first, second]
    x = op.Transpose(self, perm=order)
    rows, columns = op.dim(x, -2), op.dim(x, -1)
    length = diagonal_length(op, rows, columns, offset)
    if isinstance(length, int) and length == 0:
        return self
    mask = _is_on_diagonal(op, rows, columns, offset)
    written = op.Where(mask, _spread(op, op.cast(src, op.dtype(self)), length, columns, offset), x)
    return op.Transpose(written, perm=[int(axis) for axis in np.argsort(order)])


@aten("tril")
def tril(op: Op, self: Value, diagonal: Int) -> Value:
    """tril(Tensor self, SymInt diagonal=0) -> Tensor"""
    return op.Trilu(self, op.scalar(diagonal, DType.INT64), upper=0)


@aten("triu")
def triu(op: Op, self: Value, diagonal: Int) -> Value:
    """triu(Tensor self, SymInt diagonal=0) -> Tensor"""
    return op.Trilu(self, op.scalar(diagonal, DType.INT64), upper=1)


@aten("tril_indices")
def tril_indices(op: Op, row: int, col: int, offset: int, dtype: DType | None) -> Value:
    """tril_indices(int row, int col, int offset=0, *, ScalarType? dtype=4) -> Tensor"""
    return op.const(np.stack(np.tril_indices(row, offset, col)), dtype or DType.INT64)


@aten("triu_indices")
def triu_indices(op: Op, row: int, col: int, offset: int, dtype: DType | None) -> Value:
    """triu_indices(int row, int col, int offset=0, *, ScalarType? dtype=4) -> Tensor"""
    return op.const(np.stack(np.triu_indices(row, offset, col)), dtype or DType.INT64)


@aten("vander")
def vander(op: Op, x: Value, N: int | None, increasing: bool) -> Value:
    """vander(Tensor x, int? N=None, bool increasing=False) -> Tensor"""
    powers = _powers(op, op.cast(x, _at_least_int64(op, x)), N)
    ordered = powers if increasing else powers[::-1]
    return op.Concat(*ordered, axis=-1) if ordered else full(op, [*op.dims(x), 0], 0, _at_least_int64(op, x))


@aten("linalg_vander")
def linalg_vander(op: Op, x: Value, N: int | None) -> Value:
    """linalg_vander(Tensor x, *, SymInt? N=None) -> Tensor"""
    vector = x if op.rank(x) else unsqueeze(op, x, [0])
    return op.Concat(*_powers(op, op.cast(vector, _at_least_int64(op, x)), N), axis=-1)


def _at_least_int64(op: Op, x: Value) -> DType:
    return op.dtype(x) if op.dtype(x).is_float else DType.INT64


def _powers(op: Op, x: Value, count: int | None) -> list[Value]:
    """X ** 0, x ** 1, ... with an axis of size 1 at the end; as products, which are exact in integers."""
    if count is None:
        size = op.sizes(x)[-1]
        if not isinstance(size, int):
            raise NeedsStatic("vander of a tensor of dynamic size without N", where=op.place)
        count = size
    column = op.Unsqueeze(x, [-1])
    powers = [expand_to(op, op.const(np.ones((1,) * (op.rank(x) + 1)), op.dtype(x)), op.dims(column))]
    while len(powers) < count:
        powers.append(column if len(powers) == 1 else op.Mul(powers[-1], column))
    return powers[:count]


@aten("select_scatter")
def select_scatter(op: Op, self: Value, src: Value, dim: int, index: Int) -> Value:
    """select_scatter(Tensor self, Tensor src, int dim, SymInt index) -> Tensor"""
    axis = op.axis(self, dim)
    size = op.dim(self, axis)
    first = from_front(op, index, size)
    part = unsqueeze(op, op.cast(src, op.dtype(self)), [axis])
    return _replaced(op, self, part, axis, first, add(op, first, 1))


def _replaced(op: Op, x: Value, part: Value, axis: int, start: Int, end: Int) -> Value:
    """``x`` with the positions ``start`` to ``end`` (not below 0) of an axis replaced by ``part``."""
    size = op.sizes(x)[axis]
    parts = [part]
    if not (isinstance(start, int) and start == 0):
        parts.insert(0, slice_axis(op, x, axis, 0, start))
    if not (isinstance(end, int) and (end == INT64_MAX or (isinstance(size, int) and end >= size))):
        parts.append(slice_axis(op, x, axis, end))
    return op.Concat(*parts, axis=axis)


@aten("slice_scatter")
def slice_scatter(op: Op, self: Value, src: Value, dim: int, start: Int | None, end: Int | None, step: int) -> Value:
    """slice_scatter(Tensor self, Tensor src, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1)"""
    axis = op.axis(self, dim)
    size = op.dim(self, axis)
    part = op.cast(src, op.dtype(self))
    first = from_front(op, 0 if start is None else start, size)
    if isinstance(first, int) and isinstance(size, int):
        first = min(max(first, 0), size)
    elif not isinstance(first, int) or first < 0:
        first = _at_least_zero(op, first)
    count = op.dim(part, axis)
    if step == 1:
        # The part is as long as the slice that it replaces, whatever `end` was.
        return _replaced(op, self, part, axis, first, add(op, first, count))
    return _written(op, self, part, axis, op.Add(op.Mul(arange(op, count), step), op.scalar(first, DType.INT64)))


def _written(op: Op, x: Value, part: Value, axis: int, positions: Value) -> Value:
    """``x`` with its ``positions`` along an axis, which are all different, replaced by ``part``."""
    index = op.Unsqueeze(positions, [1])
    if axis == 0:
        return op.ScatterND(x, index, part)
    written = op.ScatterND(move_axis(op, x, axis, 0), index, move_axis(op, part, axis, 0))
    return move_axis(op, written, 0, axis)
