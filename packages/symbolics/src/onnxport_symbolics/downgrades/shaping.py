"""Operators that cut, join and arrange: Slice, Split, Pad, Reshape, Shape, Flatten, DepthToSpace, scatters."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from onnxport_ir import DType, Value
from onnxport_ir.dims import exact_div

from onnxport_symbolics import integers, reductions
from onnxport_symbolics.calls import Call, downgrade
from onnxport_symbolics.downgrades.axes import first
from onnxport_symbolics.integers import INT64_MAX, known_ints
from onnxport_symbolics.op import Int, Op


@downgrade("Slice", at=11)
def slice_axes_count_from_front(op: Op, call: Call) -> Call:
    """Negative axes were not allowed."""
    data = first(call)
    axes = known_ints(call.operand("axes"))
    if axes is not None and any(axis < 0 for axis in axes):
        rank = op.rank(data)
        call.operands[3] = op.ints([axis % rank for axis in axes])
    return call


@downgrade("Slice", at=10)
def slice_bounds_become_attributes(op: Op, call: Call) -> Call | Value:
    """Bounds were attributes, and there were no steps; what cannot be said so is gathered."""
    data = first(call)
    starts, ends, axes, steps = (call.operand(name) for name in ("starts", "ends", "axes", "steps"))
    known = [known_ints(value) for value in (starts, ends)]
    known_axes, known_steps = known_ints(axes), known_ints(steps)
    is_plain = steps is None or (known_steps is not None and all(step == 1 for step in known_steps))
    if None not in known and (axes is None or known_axes is not None) and is_plain:
        attributes = {"starts": known[0], "ends": known[1]}
        if known_axes is not None:
            attributes["axes"] = known_axes
        return Call("Slice", [data], attributes)
    count = None if starts is None else integers.length(starts)
    if starts is None or ends is None or count is None or (axes is not None and known_axes is None):
        raise op.needs_opset("Slice along axes that depend on the input", 10)
    if steps is not None and known_steps is None:
        raise op.needs_opset("Slice with steps that depend on the input", 10)
    for index, axis in enumerate(known_axes or range(count)):
        step = 1 if known_steps is None else known_steps[index]
        size = op.dim(data, axis)
        indices = _positions(op, integers.item(op, starts, index), integers.item(op, ends, index), step, size)
        data = op.Gather(data, indices, axis=axis)
    return data


def _positions(op: Op, start: Int, end: Int, step: int, size: Int) -> Value:
    """The positions that a slice takes of an axis."""
    if step > 0:
        low: Int = 0
        high: Int = size
    else:
        low, high = -1, integers.sub(op, size, 1)
    start = _bound(op, start, size, 0 if step > 0 else low, high)
    end = _bound(op, end, size, low, high)
    return op.Range(*(op.scalar(item, DType.INT64) for item in (start, end, step)))


def _bound(op: Op, bound: Int, size: Int, low: Int, high: Int) -> Int:
    """``bound`` counted from the front and limited to ``low`` and ``high``."""
    if isinstance(bound, int):
        if bound < 0:
            # A bound below all sizes stays there: adding a size to it would cost nodes for nothing.
            return low if bound < -(2**62) else integers.maximum(op, integers.add(op, size, bound), low)
        if bound == 0 and high is size:
            return 0
        return high if bound >= 2**62 else integers.minimum(op, high, bound)
    negative = op.cast(op.Less(bound, op.const(0, DType.INT64)), DType.INT64)
    counted = op.Add(bound, op.Mul(negative, op.scalar(size, DType.INT64)))
    return integers.minimum(op, integers.maximum(op, counted, low), high)


@downgrade("Split", at=18)
def split_without_count(op: Op, call: Call) -> Call:
    """There was no num_outputs: without sizes, the parts were equal."""
    call.attributes.pop("num_outputs", None)
    if call.operand("split") is not None:
        return call
    data = first(call)
    count = call.num_results
    axis = int(call.attributes.get("axis", 0))
    size = None if data.shape is None else data.shape[op.axis(data, axis)]
    if size is not None and exact_div(size, count) is not None:
        return call
    length = op.dim(data, op.axis(data, axis))
    if isinstance(length, int):
        whole = -(-length // count)
        sizes: list[Int] = [min(whole, max(length - index * whole, 0)) for index in range(count)]
    else:
        part = integers.settle(op.Div(op.Add(length, op.const(count - 1)), op.const(count)))
        sizes = [part] * (count - 1)
        sizes.append(integers.sub(op, length, integers.mul(op, part, count - 1)))
    call.operands = [data, op.ints(sizes)]
    return call


@downgrade("Split", at=13)
def split_sizes_become_attribute(op: Op, call: Call) -> Call | tuple[Value, ...]:
    """The sizes were an attribute; where they are not known, each part is a Slice."""
    data, sizes = first(call), call.take("split")
    if sizes is None:
        return call
    known = known_ints(sizes)
    if known is not None:
        call.attributes["split"] = known
        return call
    axis = int(call.attributes.get("axis", 0))
    results = []
    start: Int = 0
    for index in range(call.num_results):
        end = integers.add(op, start, integers.item(op, sizes, index))
        results.append(op.Slice(data, op.ints([start]), op.ints([end]), [axis]))
        start = end
    return tuple(results)


@downgrade("Pad", at=19)
def pad_without_wrap(op: Op, call: Call) -> Call | Value:
    """There was no mode wrap: the ends are cut out and joined on."""
    if call.attributes.get("mode") != "wrap":
        return call
    data, pads, axes = first(call), call.operand("pads"), call.operand("axes")
    known = tuple(range(op.rank(data))) if axes is None else known_ints(axes)
    given = None if pads is None else integers.items(op, pads)
    if known is None or given is None:
        raise op.needs_opset("Pad with mode='wrap' and an unknown number of sizes", 19)
    if any(isinstance(pad, int) and pad < 0 for pad in given):
        raise op.needs_opset("Pad with mode='wrap' and negative sizes", 19)
    for axis, before, after in zip(known, given, given[len(known) :], strict=False):
        size = op.dim(data, axis)
        if isinstance(size, int) and any(isinstance(pad, int) and pad > size for pad in (before, after)):
            raise op.needs_opset("Pad with mode='wrap' that goes around more than once", 19)
        parts = [data]
        if after != 0:
            parts.append(op.Slice(data, [0], op.ints([after]), [axis]))
        if before != 0:
            start = integers.sub(op, op.dim(data, axis), before)
            parts.insert(0, op.Slice(data, op.ints([start]), [integers.INT64_MAX], [axis]))
        data = op.Concat(*parts, axis=axis)
    return data


@downgrade("Pad", at=18)
def pad_all_axes(op: Op, call: Call) -> Call:
    """There was no input axes: sizes were given for all of them."""
    axes = call.take("axes")
    if axes is None:
        return call
    known = known_ints(axes)
    if known is None:
        raise op.needs_opset("Pad with axes that depend on the input", 18)
    rank = op.rank(first(call))
    pads = call.operands[1]
    given = None if pads is None else integers.items(op, pads)
    if given is None:
        raise op.needs_opset("Pad with an unknown number of sizes", 18)
    full: list[Int] = [0] * (2 * rank)
    for index, axis in enumerate(known):
        full[axis % rank], full[rank + axis % rank] = given[index], given[len(known) + index]
    call.operands[1] = op.ints(full)
    return call


@downgrade("Pad", at=11)
def pad_sizes_become_attribute(op: Op, call: Call) -> Call | Value:
    """Sizes and the constant were attributes, and only floats were padded; constants can be joined on instead."""
    data, pads, fill = first(call), call.operand("pads"), call.operand("constant_value")
    mode = str(call.attributes.get("mode", "constant"))
    known = known_ints(pads)
    value = attribute_number(fill, 0.0)
    if known is not None and not _is_wide(op.dtype(data)) and (mode != "constant" or value is not None):
        padding: dict[str, object] = {"mode": mode, "pads": known}
        if mode == "constant":
            padding["value"] = value
        return Call("Pad", [data], padding)
    given = None if pads is None else integers.items(op, pads)
    if given is None:
        raise op.needs_opset("Pad with an unknown number of sizes", 11)
    if mode != "constant" and known is None:
        raise op.needs_opset(f"Pad with mode={mode!r} and sizes that depend on the input", 11)
    rank = op.rank(data)
    for axis in range(rank):
        before, after = given[axis], given[rank + axis]
        if before != 0 or after != 0:
            data = (
                _padded(op, data, axis, (before, after), fill)
                if mode == "constant"
                else _mirrored(op, data, axis, (before, after), mode)
            )
    return data


def _padded(op: Op, data: Value, axis: int, pads: Sequence[Int], fill: Value | None) -> Value:
    """``data`` with constants at both ends of an axis, or cut where the pads are negative."""
    dtype = op.dtype(data)
    number = op.const(0, dtype) if fill is None else op.Reshape(op.cast(fill, dtype), op.const([], DType.INT64))
    if not all(isinstance(pad, int) and pad >= 0 for pad in pads):
        cut = [integers.maximum(op, integers.sub(op, 0, pad), 0) for pad in pads]
        end = integers.sub(op, op.dim(data, axis), cut[1])
        data = op.Slice(data, op.ints([cut[0]]), op.ints([end]), [axis])
    parts = []
    for pad in pads:
        size = integers.maximum(op, pad, 0)
        sizes = op.dims(data)
        sizes[axis] = size
        parts.append(None if size == 0 else op.Expand(number, op.ints(sizes)))
    return op.Concat(*(part for part in (parts[0], data, parts[1]) if part is not None), axis=axis)


def _mirrored(op: Op, data: Value, axis: int, pads: Sequence[Int], mode: str) -> Value:
    """``data`` with its own elements at both ends of an axis of known size."""
    size, (before, after) = op.dim(data, axis), pads
    if not (isinstance(size, int) and isinstance(before, int) and isinstance(after, int)):
        raise op.needs_opset(f"Pad of {op.dtype(data).short} with mode={mode!r} along a dynamic axis", 11)
    positions = []
    for index in range(-before, size + after):
        if mode == "edge":
            positions.append(min(max(index, 0), size - 1))
        else:
            folded = index % max(2 * (size - 1), 1)
            positions.append(min(folded, 2 * (size - 1) - folded))
    return op.Gather(data, op.const(positions, DType.INT64), axis=axis)


def _is_wide(dtype: DType) -> bool:
    """Whether no float type holds all values."""
    return dtype in (DType.INT64, DType.UINT64)


def attribute_number(value: Value | None, default: float) -> float | None:
    """The number in a constant as a float attribute; None if it is not known, or not exact in single precision."""
    if value is None:
        return default
    if value.const is None or value.is_weight:
        return None
    number = value.array().reshape(-1)[0].item()
    rounded = float(np.float32(number))
    return rounded if rounded == number or math.isnan(number) else None


@downgrade("ScatterElements", "ScatterND", at=18)
def scatter_without_extrema(op: Op, call: Call) -> Call | Value:
    """Elements were set, added or multiplied."""
    return _scattered(op, call) if call.attributes.get("reduction", "none") in ("max", "min") else call


@downgrade("ScatterElements", "ScatterND", at=16)
def scatter_only_writes(op: Op, call: Call) -> Call | Value:
    """Elements were set."""
    if call.attributes.get("reduction", "none") != "none":
        return _scattered(op, call)
    call.attributes.pop("reduction", None)
    return call


def _scattered(op: Op, call: Call) -> Value:
    data, indices, updates = (value for value in call.operands if value is not None)
    reduction = str(call.attributes["reduction"])
    if call.op_type == "ScatterND":
        return reductions.scatter_nd(op, data, indices, updates, reduction)
    axis = op.axis(data, int(call.attributes.get("axis", 0)))
    return reductions.scatter_elements(op, data, indices, updates, axis, reduction)


@downgrade("Reshape", at=14)
def reshape_copies_zeros(op: Op, call: Call) -> Call | Value:
    """A 0 in the shape always copied the size of the input there."""
    if not call.attributes.pop("allowzero", 0):
        return call
    data, shape = call.operands
    known = None if shape is None else op.known_dims(shape)
    if known is None or data is None or shape is None:
        raise op.needs_opset("Reshape with allowzero=1 to a shape that depends on the input", 14)
    if 0 not in known:
        # A dynamic size that turns out to be 0 has nothing to copy but the 0 of an empty input.
        return call
    if -1 in known:
        raise op.refuse("Reshape to a shape that holds both 0 and -1")
    return op.Expand(op.const(0, op.dtype(data)), shape)


@downgrade("Shape", at=15)
def shape_of_all_axes(op: Op, call: Call) -> Call | Value:
    """There were no start and end: the part of the shape is cut out of the whole."""
    start, end = int(call.attributes.pop("start", 0)), call.attributes.pop("end", None)
    if start == 0 and end is None:
        return call
    return op.Slice(op.Shape(first(call)), [start], [INT64_MAX if end is None else int(end)], [0])


@downgrade("Flatten", at=9)
def flatten_floats(op: Op, call: Call) -> Call | Value:
    """Only floats were flattened; Reshape takes every type."""
    data = first(call)
    if op.dtype(data).is_float:
        return call
    axis = int(call.attributes.get("axis", 1))
    sizes = op.dims(data)
    return op.Reshape(data, op.ints([integers.product(op, sizes[:axis]), integers.product(op, sizes[axis:])]))


@downgrade("DepthToSpace", at=11)
def depth_to_space_by_depth(op: Op, call: Call) -> Call | Value:
    """There was no mode CRD, in which the channels come first."""
    if call.attributes.pop("mode", "DCR") == "DCR":
        return call
    data, block = first(call), int(call.attributes["blocksize"])
    depth = op.sizes(data)[1]
    if not isinstance(depth, int):
        return depth_to_space(op, call, channels_first=True)
    order = np.arange(depth).reshape(-1, block * block).T.reshape(-1)
    call.operands[0] = data if depth == block * block else op.Gather(data, op.const(order), axis=1)
    return call


def depth_to_space(op: Op, call: Call, *, channels_first: bool) -> Value:
    """DepthToSpace as a transposition of six axes."""
    data, block = first(call), int(call.attributes["blocksize"])
    batch, depth, height, width = op.dims(data)
    channels = _quotient(op, depth, block * block)
    if channels_first:
        split = op.Reshape(data, op.ints([batch, channels, block, block, height, width]))
        mixed = op.Transpose(split, perm=[0, 1, 4, 2, 5, 3])
    else:
        split = op.Reshape(data, op.ints([batch, block, block, channels, height, width]))
        mixed = op.Transpose(split, perm=[0, 3, 4, 1, 5, 2])
    sizes = [batch, channels, integers.mul(op, height, block), integers.mul(op, width, block)]
    return op.Reshape(mixed, op.ints(sizes))


@downgrade("SpaceToDepth", at=28)
def space_to_depth_by_depth(op: Op, call: Call) -> Call | Value:
    """There was no mode CRD, in which the channels come first."""
    if call.attributes.pop("mode", "DCR") == "DCR":
        return call
    depth, block = op.sizes(first(call))[1], int(call.attributes["blocksize"])
    if not isinstance(depth, int):
        return space_to_depth(op, call, channels_first=True)
    (moved,) = op.emit(call)
    order = np.arange(depth * block * block).reshape(block * block, -1).T.reshape(-1)
    return moved if depth == 1 else op.Gather(moved, op.const(order), axis=1)


def space_to_depth(op: Op, call: Call, *, channels_first: bool) -> Value:
    """SpaceToDepth as a transposition of six axes."""
    data, block = first(call), int(call.attributes["blocksize"])
    batch, channels, height, width = op.dims(data)
    rows, columns = _quotient(op, height, block), _quotient(op, width, block)
    split = op.Reshape(data, op.ints([batch, channels, rows, block, columns, block]))
    mixed = op.Transpose(split, perm=[0, 1, 3, 5, 2, 4] if channels_first else [0, 3, 5, 1, 2, 4])
    return op.Reshape(mixed, op.ints([batch, integers.mul(op, channels, block * block), rows, columns]))


def _quotient(op: Op, size: Int, divisor: int) -> Int:
    if isinstance(size, int):
        return size // divisor
    return integers.settle(op.Div(size, op.const(divisor)))
