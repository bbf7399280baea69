"""Making, shaping, joining and parting tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from onnxport_ir.dtypes import DType
from onnxport_ir.evaluate.call import Array, Call, Kernel, is_float, normalise, require
from onnxport_ir.tensors import ArrayTensor, TensorRef


def _constant(call: Call) -> list[Array]:
    ((name, value),) = call.node.attributes.items()
    if name == "value":
        require(isinstance(value, ArrayTensor | TensorRef))
        tensor: Any = value
        require(math.prod(tensor.shape) <= call.limit)
        return [tensor.numpy()]
    if name in {"value_int", "value_ints"}:
        return [np.asarray(value, np.int64)]
    require(name in {"value_float", "value_floats"})
    return [np.asarray(value, np.float32)]


def _constant_of_shape(call: Call) -> list[Array]:
    shape = call.room(call.ints(0))
    value = call.attribute("value")
    if value is None:
        return [np.zeros(shape, np.float32)]
    require(isinstance(value, ArrayTensor | TensorRef))
    tensor: Any = value
    fill = tensor.numpy().reshape(-1)
    return [np.full(shape, fill[0], dtype=fill.dtype)]


def _range(call: Call) -> list[Array]:
    start, limit, delta = (array.reshape(()) for array in call.all())
    require(start.dtype == limit.dtype == delta.dtype and start.dtype.kind in "fi")
    require(bool(delta != 0))
    if not is_float(start):
        numbers = range(int(start), int(limit), int(delta))
        call.room((len(numbers),))
        return [np.array(numbers, dtype=start.dtype)]
    count = max(math.ceil((float(limit) - float(start)) / float(delta)), 0)
    call.room((count,))
    multiplied = start + np.arange(count).astype(start.dtype) * delta
    # Runtimes add up or multiply; where rounding tells the two apart, or decides the count, it is left to them.
    added = np.cumsum(np.concatenate([[start], np.full(max(count - 1, 0), delta)]).astype(start.dtype))[:count]
    single = max(math.ceil(float(limit - start) / float(delta)), 0)
    require(single == count and bool((added == multiplied).all()))
    return [multiplied.astype(start.dtype)]


def _eye_like(call: Call) -> list[Array]:
    data = call[0]
    number = call.attribute("dtype")
    dtype = data.dtype if number is None else DType(number).numpy
    require(data.ndim == 2)
    rows, columns = call.room(data.shape)
    return [np.eye(rows, columns, k=call.number("k", 0), dtype=dtype)]


def _one_hot(call: Call) -> list[Array]:
    indices, values = call[0], call[2]
    (depth,) = call.ints(1)
    require(indices.dtype.kind in "iu" and values.shape == (2,) and depth > 0)
    axis = normalise(call.number("axis", -1), indices.ndim + 1)
    call.room((*indices.shape, depth))
    signed = indices.astype(np.int64)
    wrapped = np.where(signed < 0, signed + depth, signed)
    hot = np.expand_dims(wrapped, axis) == np.arange(depth).reshape(
        [-1 if index == axis else 1 for index in range(indices.ndim + 1)]
    )
    return [np.where(hot, values[1], values[0])]


def _trilu(call: Call) -> list[Array]:
    data = call[0]
    k = call.ints(1)[0] if call.has(1) else 0
    require(data.ndim >= 2)
    call.room(data.shape)
    return [np.triu(data, k) if call.number("upper", 1) else np.tril(data, k)]


def _reshape(call: Call) -> list[Array]:
    data = call[0]
    target = call.int_list("shape", 1)
    require(target is not None)
    allow_zero = call.number("allowzero", 0)
    sizes = []
    for axis, size in enumerate(target or ()):
        sizes.append(data.shape[axis] if size == 0 and not allow_zero else size)
    require(all(size >= -1 for size in sizes) and not (-1 in sizes and 0 in sizes))
    return [data.reshape(sizes)]


def _expand(call: Call) -> list[Array]:
    data = call[0]
    shape = call.room(np.broadcast_shapes(data.shape, tuple(call.ints(1))))
    return [np.broadcast_to(data, shape).copy()]


def _tile(call: Call) -> list[Array]:
    data, repeats = call[0], call.ints(1)
    require(len(repeats) == data.ndim)
    call.room(size * times for size, times in zip(data.shape, repeats, strict=True))
    return [np.tile(data, repeats)]


def _transpose(call: Call) -> list[Array]:
    perm = call.attribute("perm")
    require(perm is None or isinstance(perm, tuple | list))
    return [np.transpose(call[0], perm)]  # type: ignore[arg-type]  # ints by the schema; numpy refuses the rest


def _flatten(call: Call) -> list[Array]:
    data, axis = call[0], call.number("axis", 1)
    require(-data.ndim <= axis <= data.ndim)
    rows = math.prod(data.shape[: axis + data.ndim if axis < 0 else axis])
    return [data.reshape(rows, math.prod(data.shape) // rows if rows else math.prod(data.shape[axis:]))]


def _squeeze(call: Call) -> list[Array]:
    data, axes = call[0], call.int_list("axes", 1)
    return [np.squeeze(data) if axes is None else np.squeeze(data, tuple(axes))]


def _unsqueeze(call: Call) -> list[Array]:
    data, axes = call[0], call.int_list("axes", 1)
    return [np.expand_dims(data, tuple(axes or ()))]


def _concat(call: Call) -> list[Array]:
    arrays = call.all()
    require(len({array.dtype for array in arrays}) == 1 and sum(array.size for array in arrays) <= call.limit)
    return [np.concatenate(arrays, axis=call.axis(1, arrays[0].ndim))]


def _split(call: Call) -> list[Array]:
    data = call[0]
    axis = call.axis(0, data.ndim)
    size, count = data.shape[axis], len(call.node.results)
    sizes = call.int_list("split", 1)
    if sizes is None:
        part = -(-size // count)
        require(size % count == 0 or call.opset >= 18)
        sizes = [part] * (count - 1) + [size - part * (count - 1)]
    require(sum(sizes) == size and len(sizes) == count and min(sizes) >= 0)
    return np.split(data, np.cumsum(sizes)[:-1], axis)


def _pad(call: Call) -> list[Array]:
    data = call[0]
    mode = call.attribute("mode")
    require(mode in {None, "constant", b"constant"} and not call.has(3))
    pads = call.int_list("pads", 1) or []
    require(len(pads) == 2 * data.ndim and min(pads, default=0) >= 0)
    widths = list(zip(pads[: data.ndim], pads[data.ndim :], strict=True))
    call.room(size + before + after for size, (before, after) in zip(data.shape, widths, strict=True))
    fill = call[2].reshape(()) if call.has(2) else np.asarray(call.attribute("value") or 0, data.dtype)
    return [np.pad(data, widths, constant_values=fill)]


KERNELS: dict[str, Kernel] = {
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Expand": _expand,
    "EyeLike": _eye_like,
    "Flatten": _flatten,
    "OneHot": _one_hot,
    "Pad": _pad,
    "Range": _range,
    "Reshape": _reshape,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Trilu": _trilu,
    "Unsqueeze": _unsqueeze,
}
