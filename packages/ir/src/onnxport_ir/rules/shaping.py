"""Operators that give the same elements another shape, join or part them, and those that read shapes."""

from __future__ import annotations

from collections.abc import Sequence

from onnxport_ir.dims import Dim, product
from onnxport_ir.dtypes import DType
from onnxport_ir.graph import Node
from onnxport_ir.rules.common import (
    Context,
    Rule,
    broadcast,
    dtype_attr,
    int_attr,
    int_contents,
    ints_attr,
    ints_of,
    length_of,
    mismatch,
    normalise_axes,
    normalise_axis,
    operand,
    operand_contents,
    replaced,
    require_same,
    tensor,
)
from onnxport_ir.rules.sizes import ceil_quotient, quotient
from onnxport_ir.types import Shape, TensorType, ValueType


def shape_range(node: Node, rank: int) -> tuple[int, int]:
    """The first dimension that a Shape node reads, and the one after the last."""
    start, end = int_attr(node, "start", 0), int_attr(node, "end", rank)
    start = min(max(start + rank if start < 0 else start, 0), rank)
    end = min(max(end + rank if end < 0 else end, 0), rank)
    return start, max(start, end)


def _shape(node: Node, ctx: Context) -> list[ValueType]:
    shape = tensor(node, 0).shape
    if shape is None:
        return [TensorType(DType.INT64, ctx.unknown(1))]
    if "start" not in node.attributes and "end" not in node.attributes:
        return [TensorType(DType.INT64, (len(shape),))]
    start, end = shape_range(node, len(shape))
    return [TensorType(DType.INT64, (end - start,))]


def _size(node: Node, ctx: Context) -> list[ValueType]:
    return [TensorType(DType.INT64, ())]


def _squeeze(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    given, axes = ints_of(node, "axes", 1)
    return [TensorType(data.dtype, _squeezed(node, data.shape, given, axes, ctx))]


def _squeezed(node: Node, shape: Shape, given: bool, axes: tuple[int, ...] | None, ctx: Context) -> Shape:
    if shape is None:
        return None
    if not given:
        # Which sizes are 1 decides the rank.
        return tuple(size for size in shape if size != 1) if all(isinstance(size, int) for size in shape) else None
    if axes is None:
        count = length_of(node, 1)
        return None if count is None else ctx.unknown(len(shape) - count)
    removed = normalise_axes(node, axes, len(shape))
    for axis in removed:
        if isinstance(shape[axis], int) and shape[axis] != 1:
            mismatch(node, f"axis {axis} of size {shape[axis]} cannot be squeezed")
    return tuple(size for axis, size in enumerate(shape) if axis not in removed)


def _unsqueeze(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    _, axes = ints_of(node, "axes", 1)
    if data.shape is None:
        return [TensorType(data.dtype)]
    if axes is None:
        count = length_of(node, 1)
        return [TensorType(data.dtype, None if count is None else ctx.unknown(len(data.shape) + count))]
    rank = len(data.shape) + len(axes)
    added = normalise_axes(node, axes, rank)
    rest = iter(data.shape)
    return [TensorType(data.dtype, tuple(1 if axis in added else next(rest) for axis in range(rank)))]


def _reshape(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    target = ints_attr(node, "shape") or operand_contents(node, 1)
    if target is None:
        rank = length_of(node, 1)
        return [TensorType(data.dtype, None if rank is None else ctx.unknown(rank))]
    return [TensorType(data.dtype, reshaped(node, data.shape, target, ctx))]


def reshaped(node: Node, shape: Shape, target: Sequence[Dim], ctx: Context) -> Shape:
    """The shape of the result for a target that may hold 0 (copy, unless ``allowzero``) and -1 (infer).

    Raises:
        ShapeMismatch: if the number of elements cannot be the same.
    """
    allow_zero = int_attr(node, "allowzero", 0)
    result: list[Dim] = []
    inferred = None
    for axis, size in enumerate(target):
        if isinstance(size, int) and size <= 0 and not (size == 0 and allow_zero):
            if size < -1 or (size == -1 and inferred is not None):
                mismatch(node, f"shape {_text(target)}")
            if size == -1:
                inferred = axis
                result.append(-1)
            elif shape is None:
                result.append(ctx.dims.unknown())
            elif axis < len(shape):
                result.append(shape[axis])
            else:
                mismatch(node, f"shape {_text(target)} copies a size that is not there")
        else:
            result.append(size)
    if shape is not None:
        others = result if inferred is None else result[:inferred] + result[inferred + 1 :]
        old, new = _cancelled(shape, others)
        if inferred is not None:
            result[inferred] = _inferred(node, old, new, target)
        elif _is_known(old) and _is_known(new) and product(old) != product(new):
            mismatch(node, f"as {_text(result)}")
    elif inferred is not None:
        result[inferred] = ctx.dims.unknown()
    return tuple(result)


def _cancelled(old: Sequence[Dim], new: Sequence[Dim]) -> tuple[list[Dim], list[Dim]]:
    """Both without the sizes that they have in common."""
    remaining = list(old)
    added = []
    for size in new:
        if size in remaining and size != 0:
            remaining.remove(size)
        else:
            added.append(size)
    return remaining, added


def _is_known(sizes: Sequence[Dim]) -> bool:
    return all(isinstance(size, int) for size in sizes)


def _inferred(node: Node, old: Sequence[Dim], new: Sequence[Dim], target: Sequence[Dim]) -> Dim:
    """The size that -1 stands for where the elements of ``old`` are left and ``new`` are taken."""
    total, taken = product(old), product(new)
    if taken == 0:
        mismatch(node, f"shape {_text(target)}: -1 beside a size of 0")
    if isinstance(total, int) and isinstance(taken, int) and total % taken:
        mismatch(node, f"shape {_text(target)}: {total} does not divide by {taken}")
    return quotient(total, taken)


def _text(sizes: Sequence[Dim]) -> str:
    return f"({', '.join(map(str, sizes))})"


def _expand(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    target = operand_contents(node, 1)
    if target is None:
        count = length_of(node, 1)
        if count is None or data.shape is None:
            return [TensorType(data.dtype)]
        # A known size above 1 stays; the others may grow.
        unknown = ctx.unknown(count)
        return [TensorType(data.dtype, _expanded_unknown(data.shape, unknown))]
    return [TensorType(data.dtype, broadcast(node, data.shape, tuple(target), ctx))]


def _expanded_unknown(shape: tuple[Dim, ...], unknown: tuple[Dim, ...]) -> Shape:
    rank = max(len(shape), len(unknown))
    front = len(shape) - len(unknown)
    result = list(shape[: max(front, 0)])
    for axis in range(max(front, 0), rank):
        size = shape[axis - (rank - len(shape))] if axis >= rank - len(shape) else 1
        result.append(size if isinstance(size, int) and size != 1 else unknown[axis - (rank - len(unknown))])
    return tuple(result)


def _tile(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    if data.shape is None:
        rank = length_of(node, 1)
        return [TensorType(data.dtype, None if rank is None else ctx.unknown(rank))]
    repeats = operand_contents(node, 1)
    if repeats is None:
        return [TensorType(data.dtype, ctx.unknown(len(data.shape)))]
    if len(repeats) != len(data.shape):
        mismatch(node, f"repeats {_text(repeats)} for rank {len(data.shape)}")
    return [TensorType(data.dtype, tuple(size * times for size, times in zip(data.shape, repeats, strict=True)))]


def _transpose(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    perm = ints_attr(node, "perm")
    if data.shape is None:
        return [TensorType(data.dtype, None if perm is None else ctx.unknown(len(perm)))]
    if perm is None:
        return [TensorType(data.dtype, data.shape[::-1])]
    if sorted(perm) != list(range(len(data.shape))):
        mismatch(node, f"perm {perm}")
    return [TensorType(data.dtype, tuple([data.shape[axis] for axis in perm]))]


def _flatten(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    if data.shape is None:
        return [TensorType(data.dtype, ctx.unknown(2))]
    axis = int_attr(node, "axis", 1)
    rank = len(data.shape)
    if not -rank <= axis <= rank:
        mismatch(node, f"axis {axis} of rank {rank}")
    axis += rank if axis < 0 else 0
    return [TensorType(data.dtype, (product(data.shape[:axis]), product(data.shape[axis:])))]


def _concat(node: Node, ctx: Context) -> list[ValueType]:
    types = [tensor(node, index) for index in range(len(node.operands))]
    dtype = next((t.dtype for t in types if t.dtype is not None), None)
    return [TensorType(dtype, concatenated(node, [t.shape for t in types], int_attr(node, "axis", 1), ctx))]


def concatenated(node: Node, shapes: Sequence[Shape], axis: int, ctx: Context) -> Shape:
    """The shape of several tensors joined along ``axis``.

    Raises:
        ShapeMismatch: if the ranks or the other sizes differ.
    """
    known = [shape for shape in shapes if shape is not None]
    if not known:
        return None
    rank = len(known[0])
    axis = normalise_axis(node, axis, rank)
    result = list(known[0])
    for shape in known[1:]:
        if len(shape) != rank:
            mismatch(node, "operands of different rank")
        for index, size in enumerate(shape):
            if index == axis:
                result[index] = result[index] + size
            elif size is not result[index]:
                result[index] = require_same(node, result[index], size, "sizes beside the axis differ:")
    if len(known) < len(shapes):
        result[axis] = ctx.dims.unknown()
    return tuple(result)


def _split(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    count = len(node.results)
    if data.shape is None:
        return [TensorType(data.dtype)] * count
    axis = normalise_axis(node, int_attr(node, "axis", 0), len(data.shape))
    sizes = split_sizes(node, data.shape[axis], count, ctx)
    return [TensorType(data.dtype, replaced(data.shape, axis, size)) for size in sizes]


def split_sizes(node: Node, size: Dim, count: int, ctx: Context) -> Sequence[Dim]:
    """The sizes of the ``count`` parts that a Split node cuts ``size`` into.

    Raises:
        ShapeMismatch: if the given sizes do not add up, or equal parts cannot be.
    """
    given = ints_attr(node, "split") or operand_contents(node, 1)
    if given is not None:
        total: Dim = 0
        for part in given:
            total = total + part
        if len(given) != count or (isinstance(size, int) and isinstance(total, int) and total != size):
            mismatch(node, f"{size} split into {count} parts of {_text(given)}")
        return given
    if operand(node, 1) is not None:
        return ctx.unknown(count)
    if "num_outputs" in node.attributes:
        part = ceil_quotient(size, count)
        return [part] * (count - 1) + [size - part * (count - 1)]
    if isinstance(size, int) and size % count:
        mismatch(node, f"{size} split into {count} equal parts")
    return [quotient(size, count)] * count


def _pad(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    if data.shape is None:
        return [TensorType(data.dtype)]
    rank = len(data.shape)
    pads = ints_attr(node, "pads") or operand_contents(node, 1)
    axes: Sequence[int] | None = range(rank)
    if operand(node, 3) is not None:
        found = int_contents(node, 3)
        axes = None if found is None else normalise_axes(node, found, rank)
    if axes is None or pads is None:
        untouched = () if axes is None else set(range(rank)) - set(axes)
        sizes = tuple(size if axis in untouched else ctx.dims.unknown() for axis, size in enumerate(data.shape))
        return [TensorType(data.dtype, sizes)]
    if len(pads) != 2 * len(axes):
        mismatch(node, f"pads {_text(pads)} for {len(axes)} axes")
    result = list(data.shape)
    for axis, before, after in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        result[axis] = result[axis] + before + after
        if isinstance(result[axis], int) and result[axis] < 0:  # type: ignore[operator]  # an int, as asked
            mismatch(node, f"pads {_text(pads)} cut off more than there is")
    return [TensorType(data.dtype, tuple(result))]


def _depth_to_space(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    if data.shape is None or len(data.shape) != 4:
        return [TensorType(data.dtype, ctx.unknown(4))]
    block = int_attr(node, "blocksize", 1)
    batch, channels, height, width = data.shape
    if isinstance(channels, int) and channels % block**2:
        mismatch(node, f"{channels} channels for blocks of {block}")
    return [TensorType(data.dtype, (batch, quotient(channels, block**2), height * block, width * block))]


def _space_to_depth(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    if data.shape is None or len(data.shape) != 4:
        return [TensorType(data.dtype, ctx.unknown(4))]
    block = int_attr(node, "blocksize", 1)
    batch, channels, *sizes = data.shape
    if any(isinstance(size, int) and size % block for size in sizes):
        mismatch(node, f"blocks of {block}")
    return [TensorType(data.dtype, (batch, channels * block**2, *(quotient(size, block) for size in sizes)))]


def _bit_cast(node: Node, ctx: Context) -> list[ValueType]:
    return [TensorType(dtype_attr(node, "to", None), tensor(node, 0).shape)]


RULES: dict[str, Rule] = {
    "BitCast": _bit_cast,
    "Concat": _concat,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "Flatten": _flatten,
    "Pad": _pad,
    "Reshape": _reshape,
    "Shape": _shape,
    "Size": _size,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
