"""Tensors joined, and axes repeated: cat, stack, expand, repeat, meshgrid."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from onnxport_ir import DType, Value
from onnxport_ir.errors import NeedsStatic

from onnxport_symbolics import stacked_lists
from onnxport_symbolics.integers import mul
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.promote import promote, result_dtype
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import broadcast_shape, expand_to, flatten_all, full, move_axis, reshape, unsqueeze
from onnxport_symbolics.structures import Pieces


def tensor_list(op: Op, tensors: object) -> list[Value]:
    """The tensors of a list that is known during the export; numbers in it become tensors.

    Raises:
        NeedsStatic: if the list exists only when the model runs.
    """
    if isinstance(tensors, Pieces):
        tensors = stacked_lists.known_elements(op, tensors)
    if not isinstance(tensors, tuple | list):
        raise NeedsStatic("a list of tensors whose length depends on the input", where=op.place)
    result = []
    for item in tensors:
        if isinstance(item, Value):
            result.append(item)
        elif isinstance(item, bool | int | float):
            result.append(op.const(item))
        elif hasattr(item, "tensor"):
            result.append(op.const(item.tensor.numpy(), item.tensor.dtype))
        else:
            raise op.refuse(f"a list of tensors with {item!r} in it")
    return result


def join(op: Op, tensors: Sequence[Value], axis: int) -> Value:
    """Tensors of one rank joined along ``axis``, promoted as torch does."""
    dtype = result_dtype(op, *tensors)
    axis = op.axis(tensors[0], axis)
    return op.Concat(*(op.cast(tensor, dtype) for tensor in tensors), axis=axis)


@aten("cat", "concat", "concatenate")
def cat(op: Op, tensors: object, dim: int) -> Value:
    """cat(Tensor[] tensors, int dim=0) -> Tensor"""
    if isinstance(tensors, Value) and tensors.is_sequence:
        return op.ConcatFromSequence(tensors, axis=dim)
    if isinstance(tensors, Pieces):
        tensors = stacked_lists.concatenated(op, tensors, dim)
    items = tensor_list(op, tensors)
    dtype = result_dtype(op, *items)
    # For history's sake torch lets a tensor of shape (0,) stand beside tensors of any rank, and skips it.
    rank = max(op.rank(item) for item in items)
    kept = [item for item in items if item.rank == rank and not (rank == 1 and item.shape == (0,))]
    if any(item.rank not in (1, rank) for item in items):
        raise op.refuse("cat of tensors of different ranks")
    return op.cast(join(op, kept or items[:1], dim), dtype)


@aten("stack")
def stack(op: Op, tensors: object, dim: int) -> Value:
    """stack(Tensor[] tensors, int dim=0) -> Tensor"""
    if isinstance(tensors, Value) and tensors.is_sequence:
        return op.ConcatFromSequence(tensors, axis=dim, new_axis=1)
    if isinstance(tensors, Pieces):
        return move_axis(op, join(op, stacked_lists.as_rows(op, tensors.items), 0), 0, dim)
    items = tensor_list(op, tensors)
    dtype = result_dtype(op, *items)
    return join(op, [unsqueeze(op, op.cast(item, dtype), [dim]) for item in items], dim)


@aten("hstack")
def hstack(op: Op, tensors: object) -> Value:
    """hstack(Tensor[] tensors) -> Tensor"""
    items = [at_least(op, item, 1) for item in tensor_list(op, tensors)]
    return cat(op, tuple(items), 0 if op.rank(items[0]) == 1 else 1)


@aten("vstack", "row_stack")
def vstack(op: Op, tensors: object) -> Value:
    """vstack(Tensor[] tensors) -> Tensor"""
    return cat(op, tuple(at_least(op, item, 2) for item in tensor_list(op, tensors)), 0)


@aten("dstack")
def dstack(op: Op, tensors: object) -> Value:
    """dstack(Tensor[] tensors) -> Tensor"""
    return cat(op, tuple(at_least(op, item, 3) for item in tensor_list(op, tensors)), 2)


@aten("column_stack")
def column_stack(op: Op, tensors: object) -> Value:
    """column_stack(Tensor[] tensors) -> Tensor"""
    items = [unsqueeze(op, at_least(op, i, 1), [1]) if op.rank(i) < 2 else i for i in tensor_list(op, tensors)]
    return cat(op, tuple(items), 1)


def at_least(op: Op, x: Value, rank: int) -> Value:
    """``x`` with at least ``rank`` axes, put where ``atleast_1d``, ``_2d`` and ``_3d`` put them."""
    missing = rank - op.rank(x)
    if missing <= 0:
        return x
    if rank == 3 and missing < 3:
        return unsqueeze(op, x, [0, 2] if missing == 2 else [2])
    return unsqueeze(op, x, range(missing))


def _atleast(rank: int) -> None:
    @aten(f"atleast_{rank}d")
    def atleast(op: Op, self: Value | None = None, tensors: object = None) -> Value | list[Value]:
        if self is not None:
            return at_least(op, self, rank)
        return [at_least(op, item, rank) for item in tensor_list(op, tensors)]

    atleast.__doc__ = f"atleast_{rank}d(Tensor self) -> Tensor; atleast_{rank}d.Sequence(Tensor[] tensors) -> Tensor[]"


for _rank in (1, 2, 3):
    _atleast(_rank)


@aten("block_diag")
def block_diag(op: Op, tensors: object) -> Value:
    """block_diag(Tensor[] tensors) -> Tensor"""
    items = [at_least(op, item, 2) for item in tensor_list(op, tensors)]
    dtype = result_dtype(op, *items)
    widths = [op.dim(item, 1) for item in items]
    rows = []
    for index, item in enumerate(items):
        height = op.dim(item, 0)
        parts = [
            op.cast(item, dtype) if other == index else full(op, [height, width], 0, dtype)
            for other, width in enumerate(widths)
        ]
        rows.append(op.Concat(*parts, axis=1))
    return op.Concat(*rows, axis=0)


@aten("expand", "expand_copy")
def expand(op: Op, self: Value, size: Sequence[Int]) -> Value:
    """expand(Tensor(a) self, SymInt[] size, *, bool implicit=False) -> Tensor(a)"""
    return expand_to(op, self, size)


@aten("broadcast_to")
def broadcast_to(op: Op, self: Value, size: Sequence[Int]) -> Value:
    """broadcast_to(Tensor(a) self, SymInt[] size) -> Tensor(a)"""
    return expand_to(op, self, size)


@aten("expand_as")
def expand_as(op: Op, self: Value, other: Value) -> Value:
    """expand_as(Tensor(a) self, Tensor other) -> Tensor(a)"""
    return expand_like(op, self, other)


def expand_like(op: Op, x: Value, other: Value) -> Value:
    """``x`` broadcast to the shape of ``other``, at the cost of one Shape if that is dynamic."""
    own, sizes = op.sizes(x), op.sizes(other)
    added = len(sizes) - len(own)
    if added >= 0 and all(size == mine for size, mine in zip(sizes[added:], own, strict=True)):
        if added == 0:
            return x
        if all(isinstance(size, int) for size in sizes[:added]):
            return expand_to(op, x, [*(op.dim(other, axis) for axis in range(added)), *[-1] * len(own)])
    return op.Expand(x, op.shape(other))


@aten("broadcast_tensors")
def broadcast_tensors(op: Op, tensors: object) -> list[Value]:
    """broadcast_tensors(Tensor[] tensors) -> Tensor[]"""
    items = tensor_list(op, tensors)
    sizes = broadcast_shape(op, *items)
    return [expand_to(op, item, sizes) for item in items]


@aten("repeat")
def repeat(op: Op, self: Value, repeats: Sequence[Int]) -> Value:
    """repeat(Tensor self, SymInt[] repeats) -> Tensor"""
    added = len(repeats) - op.rank(self)
    if added < 0:
        raise op.refuse(f"repeat with {len(repeats)} numbers for a tensor of rank {op.rank(self)}")
    x = unsqueeze(op, self, range(added))
    if not repeats:
        return x
    if any(isinstance(count, int) and count == 0 for count in repeats):
        return full(op, [mul(op, size, n) for size, n in zip(op.dims(x), repeats, strict=True)], 0, op.dtype(x))
    # Where everything that is repeated has size 1, expanding does without a copy of the elements.
    if all(n == 1 or size == 1 for n, size in zip(repeats, op.sizes(x), strict=True)):
        return expand_to(op, x, [-1 if isinstance(n, int) and n == 1 else n for n in repeats])
    return op.Tile(x, op.ints(repeats))


@aten("tile")
def tile(op: Op, self: Value, dims: Sequence[Int]) -> Value:
    """tile(Tensor self, SymInt[] dims) -> Tensor"""
    return repeat(op, self, [*[1] * (op.rank(self) - len(dims)), *dims])


@aten("repeat_interleave.self_int")
def repeat_interleave_int(op: Op, self: Value, repeats: Int, dim: int | None, output_size: Int | None) -> Value:
    """repeat_interleave.self_int(Tensor self, SymInt repeats, int? dim=None, *, SymInt? output_size=None) -> Tensor"""
    x = flatten_all(op, self) if dim is None else self
    axis = 0 if dim is None else op.axis(x, dim)
    if op.rank(x) == 0:
        x = unsqueeze(op, x, [0])
    sizes = op.dims(x)
    size = sizes[axis]
    if isinstance(repeats, int) and isinstance(size, int):
        return op.Gather(x, np.arange(size, dtype=np.int64).repeat(repeats), axis=axis)
    grown: list[Int] = [-1] * (len(sizes) + 1)
    grown[axis + 1] = repeats
    x = expand_to(op, unsqueeze(op, x, [axis + 1]), grown)
    return reshape(op, x, [*sizes[:axis], mul(op, size, repeats), *sizes[axis + 1 :]])


@aten("repeat_interleave.Tensor")
def repeat_interleave_index(op: Op, repeats: Value, output_size: Int | None) -> Value:
    """repeat_interleave.Tensor(Tensor repeats, *, SymInt? output_size=None) -> Tensor"""
    return _interleaved(op, repeats)


@aten("repeat_interleave.self_Tensor")
def repeat_interleave_tensor(op: Op, self: Value, repeats: Value, dim: int | None, output_size: Int | None) -> Value:
    """repeat_interleave.self_Tensor(Tensor self, Tensor repeats, int? dim=None, *, SymInt? output_size=None)"""
    x = flatten_all(op, self) if dim is None else self
    axis = 0 if dim is None else op.axis(x, dim)
    if op.rank(repeats) == 0 or op.sizes(repeats)[0] == 1:
        number = op.cast(op.Reshape(repeats, []), DType.INT64) if op.rank(repeats) else op.cast(repeats, DType.INT64)
        count: Int = int(number.array().item()) if number.const is not None and not number.is_weight else number
        return repeat_interleave_int(op, x, count, axis, None)
    return op.Gather(x, _interleaved(op, repeats), axis=axis)


def _interleaved(op: Op, repeats: Value) -> Value:
    """Each index as often as ``repeats`` says, in order."""
    counts = op.cast(repeats, DType.INT64)
    if counts.const is not None and not counts.is_weight:
        numbers = counts.array()
        return op.const(np.arange(len(numbers), dtype=np.int64).repeat(numbers))
    ends = op.CumSum(counts, 0)
    # A tensor without elements has no last one, so the total is a sum.
    positions = op.Range(0, op.ReduceSum(counts, [0], keepdims=0), 1)
    passed = op.LessOrEqual(op.Unsqueeze(ends, [1]), op.Unsqueeze(positions, [0]))
    return op.ReduceSum(op.cast(passed, DType.INT64), [0], keepdims=0)


@aten("meshgrid")
def meshgrid(op: Op, tensors: object, indexing: str = "ij") -> list[Value]:
    """meshgrid(Tensor[] tensors); meshgrid.indexing(Tensor[] tensors, *, str indexing) -> Tensor[]"""
    items = [at_least(op, item, 1) for item in tensor_list(op, tensors)]
    order = list(range(len(items)))
    if indexing == "xy" and len(items) > 1:
        order[0], order[1] = 1, 0
    sizes: list[Int] = [op.dim(items[source], 0) for source in order]
    result = []
    for index, item in enumerate(items):
        axis = order.index(index)
        own = unsqueeze(op, item, [other for other in range(len(items)) if other != axis])
        keep: list[Int] = [-1 if other == axis else size for other, size in enumerate(sizes)]
        result.append(expand_to(op, own, keep))
    return result


@aten("cartesian_prod")
def cartesian_prod(op: Op, tensors: object) -> Value:
    """cartesian_prod(Tensor[] tensors) -> Tensor"""
    items = tensor_list(op, tensors)
    if len(items) == 1:
        return items[0]
    columns = [flatten_all(op, grid) for grid in meshgrid(op, tuple(items))]
    return op.Concat(*(op.Unsqueeze(column, [1]) for column in columns), axis=1)


@aten("combinations")
def combinations(op: Op, self: Value, r: int, with_replacement: bool) -> Value:
    """combinations(Tensor self, int r=2, bool with_replacement=False) -> Tensor"""
    (size,) = op.sizes(self)
    if not isinstance(size, int):
        if r != 2:
            raise NeedsStatic(
                f"combinations of {r} elements of a tensor of dynamic size",
                where=op.place,
                hint="Make the size static; pairs, with r=2, may have a dynamic one.",
            )
        length = op.dim(self, 0)
        pairs = op.Trilu(full(op, [length, length], 1, DType.INT64), 0 if with_replacement else 1, upper=1)
        return op.Gather(self, op.Transpose(op.NonZero(pairs), perm=(1, 0)), axis=0)
    if r == 0:
        return full(op, [0], 0, op.dtype(self))
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    index = np.array(list(choose(range(size), r)), np.int64).reshape(-1, r)
    return op.Gather(self, index, axis=0)


@aten("kron")
def kron(op: Op, self: Value, other: Value) -> Value:
    """kron(Tensor self, Tensor other) -> Tensor"""
    rank = max(op.rank(self), op.rank(other))
    left, right = (unsqueeze(op, x, range(rank - op.rank(x))) for x in (self, other))
    sizes = [mul(op, a, b) for a, b in zip(op.dims(left), op.dims(right), strict=True)]
    # Each axis of the one beside the same axis of the other: (a1, 1, a2, 1, ...) * (1, b1, 1, b2, ...).
    left = unsqueeze(op, left, range(1, 2 * rank, 2))
    right = unsqueeze(op, right, range(0, 2 * rank, 2))
    return reshape(op, op.Mul(*promote(op, left, right)), sizes)
