"""Operators that take parts of a tensor: Slice, the Gather family, Compress, Unique, NonZero, TopK."""

from __future__ import annotations

from collections.abc import Sequence

from onnxport_ir.dims import Dim
from onnxport_ir.dtypes import DType
from onnxport_ir.graph import Node
from onnxport_ir.rules.common import (
    Context,
    Rule,
    int_attr,
    int_contents,
    ints_attr,
    length_of,
    mismatch,
    normalise_axes,
    normalise_axis,
    operand,
    operand_contents,
    replaced,
    tensor,
)
from onnxport_ir.rules.sizes import (
    ceil_quotient,
    is_at_least,
    is_nonnegative,
    known_or_unknown,
    maximum,
    minimum,
)
from onnxport_ir.types import TensorType, ValueType

#: An end of at least this, or a negative one of that size, means "to the end": no size reaches it.
_FAR = (1 << 31) - 1


def _slice(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    if data.shape is None:
        return [TensorType(data.dtype)]
    if "starts" in node.attributes:
        starts: Sequence[Dim] | None = ints_attr(node, "starts")
        ends: Sequence[Dim] | None = ints_attr(node, "ends")
        axes, steps = ints_attr(node, "axes"), None
        has_axes, has_steps = axes is not None, False
    else:
        starts, ends = operand_contents(node, 1), operand_contents(node, 2)
        axes, steps = int_contents(node, 3), int_contents(node, 4)
        has_axes, has_steps = operand(node, 3) is not None, operand(node, 4) is not None
    rank = len(data.shape)
    if not has_axes:
        count = length_of(node, 1) if starts is None else len(starts)
        axes = None if count is None else tuple(range(count))
    if axes is None:
        return [TensorType(data.dtype, ctx.unknown(rank))]
    result = list(data.shape)
    steps = steps if has_steps else (1,) * len(axes)
    for index, axis in enumerate(normalise_axes(node, axes, rank)):
        size = None
        if starts is not None and ends is not None and steps is not None:
            size = slice_length(result[axis], starts[index], ends[index], steps[index])
        result[axis] = known_or_unknown(size, ctx.dims)
    return [TensorType(data.dtype, tuple(result))]


def slice_length(size: Dim, start: Dim, end: Dim, step: int) -> Dim | None:
    """How many elements ``start:end:step`` takes from ``size``; None if that is not known by formula."""
    if step == 0:
        return None
    if isinstance(size, int) and isinstance(start, int) and isinstance(end, int):
        return len(slice_range(size, start, end, step))
    if step > 0 and isinstance(start, int) and isinstance(end, int):
        length = _between(size, start, end)
        return length if length is None or step == 1 else ceil_quotient(length, step)
    if step < 0:
        # Only the reversal of everything is common enough to be worth a formula.
        from_the_back = isinstance(start, int) and (start == -1 or start >= _FAR)
        to_the_front = isinstance(end, int) and end <= -_FAR
        return ceil_quotient(size, -step) if from_the_back and to_the_front else None
    first, last = _clamped(start, size), _clamped(end, size)
    if first is None or last is None:
        return None
    # What lies between, or nothing where the end is not behind the start.
    before = minimum(first, last)
    return None if before is None else ceil_quotient(last - before, step) if step > 1 else last - before


def _between(size: Dim, start: int, end: int) -> Dim | None:
    """The length of ``start:end`` of a size that is not a number.

    What counts from the front, ``k``, stands at ``min(k, size)``; what counts from the back at ``size - min(k, size)``.
    """
    if start <= -_FAR:
        start = 0
    if end >= _FAR:
        end = 0
    elif end <= -_FAR or start >= _FAR:
        return 0
    elif end >= 0:
        if start < 0:
            return None
        return 0 if end <= start else _difference(_capped(end, size), _capped(start, size))
    # From here on the end counts from the back.
    if start >= 0:
        return _difference(size, _capped(start - end, size))
    return 0 if start >= end and end else _difference(_capped(-start, size), _capped(-end, size))


def _capped(position: int, size: Dim) -> Dim | None:
    return minimum(position, size) if position else 0


def _difference(left: Dim | None, right: Dim | None) -> Dim | None:
    return None if left is None or right is None else left - right


def slice_range(size: int, start: int, end: int, step: int) -> range:
    """The positions that Slice takes from an axis, for a ``step`` that is not 0."""
    start += size if start < 0 else 0
    end += size if end < 0 else 0
    if step > 0:
        return range(min(max(start, 0), size), min(max(end, 0), size), step)
    # Stepping back, Slice moves a start that lies before the axis onto its first element, as Python does not.
    return range(min(max(start, 0), size - 1), min(max(end, -1), size - 1), step)


def _clamped(position: Dim, size: Dim) -> Dim | None:
    """A start or end as Slice reads it: counted from the front, within ``0..size``."""
    if isinstance(position, int) and abs(position) >= _FAR:
        return size if position > 0 else 0
    if is_nonnegative(position):
        return 0 if position == 0 else minimum(position, size)
    if is_nonnegative(-position - 1):
        # max(size + position, 0), spelled so that it cancels against min(-position, size).
        cut = minimum(-position, size)
        return None if cut is None else size - cut
    return None


def _gather(node: Node, ctx: Context) -> list[ValueType]:
    data, indices = tensor(node, 0), tensor(node, 1)
    if data.shape is None or indices.shape is None:
        return [TensorType(data.dtype)]
    axis = normalise_axis(node, int_attr(node, "axis", 0), len(data.shape))
    return [TensorType(data.dtype, (*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :]))]


def _gather_elements(node: Node, ctx: Context) -> list[ValueType]:
    data, indices = tensor(node, 0), tensor(node, 1)
    if data.shape is not None and indices.shape is not None and len(data.shape) != len(indices.shape):
        mismatch(node, "operands of different rank")
    return [TensorType(data.dtype, indices.shape)]


def _gather_nd(node: Node, ctx: Context) -> list[ValueType]:
    data, indices = tensor(node, 0), tensor(node, 1)
    if data.shape is None or indices.shape is None or not indices.shape or not isinstance(indices.shape[-1], int):
        return [TensorType(data.dtype)]
    taken = int_attr(node, "batch_dims", 0) + indices.shape[-1]
    if taken > len(data.shape):
        mismatch(node, f"indices of {indices.shape[-1]} parts")
    return [TensorType(data.dtype, (*indices.shape[:-1], *data.shape[taken:]))]


def _compress(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    if "axis" not in node.attributes:
        return [TensorType(data.dtype, ctx.unknown(1))]
    if data.shape is None:
        return [TensorType(data.dtype)]
    axis = normalise_axis(node, int_attr(node, "axis", 0), len(data.shape))
    return [TensorType(data.dtype, replaced(data.shape, axis, ctx.dims.unknown()))]


def _unique(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    count = ctx.dims.unknown()
    counts = TensorType(DType.INT64, (count,))
    if "axis" not in node.attributes:
        total: Dim = 1
        for size in data.shape or ():
            total = total * size
        inverse = ctx.dims.unknown() if data.shape is None else total
        return [TensorType(data.dtype, (count,)), counts, TensorType(DType.INT64, (inverse,)), counts]
    if data.shape is None:
        return [TensorType(data.dtype), counts, TensorType(DType.INT64, ctx.unknown(1)), counts]
    axis = normalise_axis(node, int_attr(node, "axis", 0), len(data.shape))
    inverse = data.shape[axis]
    return [
        TensorType(data.dtype, replaced(data.shape, axis, count)),
        counts,
        TensorType(DType.INT64, (inverse,)),
        counts,
    ]


def _non_zero(node: Node, ctx: Context) -> list[ValueType]:
    shape = tensor(node, 0).shape
    # A scalar is read as one element of rank 1 by some runtimes and as rank 0 by others.
    rank = ctx.dims.unknown() if not shape else len(shape)
    return [TensorType(DType.INT64, (rank, ctx.dims.unknown()))]


def _top_k(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    if data.shape is None:
        return [data, TensorType(DType.INT64)]
    axis = normalise_axis(node, int_attr(node, "axis", -1), len(data.shape))
    if "k" in node.attributes:
        k: Dim = int_attr(node, "k", 0)
    else:
        found = operand_contents(node, 1)
        k = found[0] if found else ctx.dims.unknown()
    size = data.shape[axis]
    if isinstance(k, int) and isinstance(size, int) and not 0 <= k <= size:
        mismatch(node, f"the first {k} of {size}")
    shape = replaced(data.shape, axis, k)
    return [TensorType(data.dtype, shape), TensorType(DType.INT64, shape)]


def _center_crop_pad(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    if data.shape is None:
        return [TensorType(data.dtype)]
    rank = len(data.shape)
    axes = normalise_axes(node, ints_attr(node, "axes") or tuple(range(rank)), rank)
    sizes = operand_contents(node, 1)
    if sizes is not None and len(sizes) != len(axes):
        mismatch(node, f"{len(sizes)} sizes for {len(axes)} axes")
    result = list(data.shape)
    for index, axis in enumerate(axes):
        result[axis] = ctx.dims.unknown() if sizes is None else sizes[index]
    return [TensorType(data.dtype, tuple(result))]


def range_length(start: Dim, limit: Dim, delta: Dim) -> Dim | None:
    """How many numbers a Range of integers gives; None if that is not known by formula."""
    if not isinstance(delta, int) or delta == 0:
        return None
    span = limit - start if delta > 0 else start - limit
    if is_at_least(span, 0):
        return ceil_quotient(span, abs(delta))
    clipped = maximum(span, 0)
    return None if clipped is None else ceil_quotient(clipped, abs(delta))


RULES: dict[str, Rule] = {
    "CenterCropPad": _center_crop_pad,
    "Compress": _compress,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "NonZero": _non_zero,
    "Slice": _slice,
    "TopK": _top_k,
    "Unique": _unique,
}
