"""Reductions, ordering, and parts of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from onnxport_ir.evaluate.call import Array, Call, Kernel, has_nan, is_float, is_integer, normalise, require
from onnxport_ir.rules.slicing import slice_range


def _slice(call: Call) -> list[Array]:
    data = call[0]
    starts, ends = call.int_list("starts", 1), call.int_list("ends", 2)
    require(starts is not None and ends is not None)
    axes = call.int_list("axes", 3) or list(range(len(starts or ())))
    steps = (call.ints(4) if call.has(4) else None) or [1] * len(axes)
    index: list[Any] = [slice(None)] * data.ndim
    for axis, start, end, step in zip(axes, starts or (), ends or (), steps, strict=True):
        place = normalise(axis, data.ndim)
        require(step != 0 and index[place] == slice(None))
        index[place] = list(slice_range(data.shape[place], start, end, step))
    for axis, chosen in enumerate(index):
        if isinstance(chosen, list):
            data = np.take(data, np.array(chosen, np.int64), axis)
    return [data]


def _gather(call: Call) -> list[Array]:
    data, indices = call[0], call[1]
    axis = call.axis(0, data.ndim)
    require(is_integer(indices) and _in_range(indices, data.shape[axis]))
    call.room((*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :]))
    return [np.take(data, indices, axis)]


def _in_range(indices: Array, size: int) -> bool:
    return bool(((indices >= -size) & (indices < size)).all())


def _gather_elements(call: Call) -> list[Array]:
    data, indices = call[0], call[1]
    axis = call.axis(0, data.ndim)
    require(is_integer(indices) and _in_range(indices, data.shape[axis]) and data.ndim == indices.ndim)
    sizes = [size for index, size in enumerate(data.shape) if index != axis]
    wanted = [size for index, size in enumerate(indices.shape) if index != axis]
    require(all(a <= b for a, b in zip(wanted, sizes, strict=True)))
    # take_along_axis wants equal sizes beside the axis; the operator takes the first ones.
    trimmed = data[tuple(slice(None) if i == axis else slice(s) for i, s in enumerate(indices.shape))]
    return [np.take_along_axis(trimmed, indices.astype(np.int64), axis)]


def _gather_nd(call: Call) -> list[Array]:
    data, indices = call[0], call[1]
    require(call.number("batch_dims", 0) == 0 and is_integer(indices) and indices.ndim >= 1)
    depth = indices.shape[-1]
    require(1 <= depth <= data.ndim)
    require(all(_in_range(indices[..., part], data.shape[part]) for part in range(depth)))
    call.room((*indices.shape[:-1], *data.shape[depth:]))
    return [data[tuple(indices[..., part] for part in range(depth))]]


def _scatter_elements(call: Call) -> list[Array]:
    data, indices, updates = call[0], call[1], call[2]
    axis = call.axis(0, data.ndim)
    require(call.attribute("reduction") in {None, "none", b"none"})
    require(is_integer(indices) and _in_range(indices, data.shape[axis]) and indices.shape == updates.shape)
    require(data.ndim == indices.ndim and data.dtype == updates.dtype)
    places = np.where(indices < 0, indices + data.shape[axis], indices)
    grid: list[Array] = list(np.indices(indices.shape))
    grid[axis] = places
    # Which of two updates to one place wins is not defined.
    flat = np.ravel_multi_index([part.reshape(-1) for part in grid], data.shape)
    require(len(np.unique(flat)) == flat.size)
    result = data.copy()
    result[tuple(grid)] = updates
    return [result]


def _scatter_nd(call: Call) -> list[Array]:
    data, indices, updates = call[0], call[1], call[2]
    require(call.attribute("reduction") in {None, "none", b"none"})
    require(is_integer(indices) and indices.ndim >= 1 and data.dtype == updates.dtype)
    depth = indices.shape[-1]
    require(1 <= depth <= data.ndim and updates.shape == (*indices.shape[:-1], *data.shape[depth:]))
    require(all(_in_range(indices[..., part], data.shape[part]) for part in range(depth)))
    places = tuple(
        np.where(indices[..., p] < 0, indices[..., p] + data.shape[p], indices[..., p]) for p in range(depth)
    )
    flat = np.ravel_multi_index([place.reshape(-1) for place in places], data.shape[:depth])
    require(len(np.unique(flat)) == flat.size)
    result = data.copy()
    result[places] = updates
    return [result]


def _non_zero(call: Call) -> list[Array]:
    data = call[0]
    require(data.ndim > 0)
    found = np.stack(np.nonzero(data)).astype(np.int64)
    call.room(found.shape)
    return [found]


def _reduce(function: Callable[..., Any], kinds: str) -> Kernel:
    def kernel(call: Call) -> list[Array]:
        data = call[0]
        require(data.dtype.kind in kinds and not has_nan(data))
        # Sums of half precision are accumulated in different types.
        require(not (is_float(data) and data.dtype.itemsize == 2 and function not in {np.max, np.min}))
        axes = call.int_list("axes", 1)
        if not axes and call.number("noop_with_empty_axes", 0):
            return [data]
        chosen = tuple(normalise(axis, data.ndim) for axis in axes or range(data.ndim))
        keep = bool(call.number("keepdims", 1))
        if function in {np.max, np.min}:
            require(data.size > 0)
            return [function(data, axis=chosen, keepdims=keep)]
        return [function(data, axis=chosen, keepdims=keep, dtype=data.dtype)]

    return kernel


def _reduce_mean(call: Call) -> list[Array]:
    require(is_float(call[0]) and call[0].size > 0)
    return _reduce(np.mean, "f")(call)


def _arg(function: Callable[..., Any]) -> Kernel:
    def kernel(call: Call) -> list[Array]:
        data = call[0]
        axis = call.axis(0, data.ndim)
        require(data.dtype.kind in "fiu" and not has_nan(data) and data.size > 0)
        if call.number("select_last_index", 0):
            found = data.shape[axis] - 1 - function(np.flip(data, axis), axis=axis, keepdims=True)
        else:
            found = function(data, axis=axis, keepdims=True)
        result = np.asarray(found, np.int64)
        return [result if call.number("keepdims", 1) else np.squeeze(result, axis)]

    return kernel


def _top_k(call: Call) -> list[Array]:
    data = call[0]
    axis = call.axis(-1, data.ndim)
    k = call.number("k", 0) if call.attribute("k") is not None else call.ints(1)[0]
    require(
        data.dtype.kind in "fiu" and not has_nan(data) and 0 <= k <= data.shape[axis] and bool(call.number("sorted", 1))
    )
    if call.number("largest", 1):
        # Stable from the back, so that of equal elements the first comes first.
        order = data.shape[axis] - 1 - np.flip(np.argsort(np.flip(data, axis), axis=axis, kind="stable"), axis)
    else:
        order = np.argsort(data, axis=axis, kind="stable")
    chosen = np.take(order, np.arange(k), axis).astype(np.int64)
    return [np.take_along_axis(data, chosen, axis), chosen]


def _cum_sum(call: Call) -> list[Array]:
    data = call[0]
    axis = normalise(call.ints(1)[0], data.ndim)
    require(data.dtype.kind in "fi" and data.dtype.itemsize > 2)
    if call.number("reverse", 0):
        data = np.flip(data, axis)
    result = np.cumsum(data, axis=axis, dtype=data.dtype)
    if call.number("exclusive", 0):
        first = np.zeros_like(np.take(result, [0], axis)) if result.shape[axis] else result
        kept = np.take(result, np.arange(max(result.shape[axis] - 1, 0)), axis)
        result = np.concatenate([first, kept], axis)
    return [np.flip(result, axis) if call.number("reverse", 0) else result]


KERNELS: dict[str, Kernel] = {
    "ArgMax": _arg(np.argmax),
    "ArgMin": _arg(np.argmin),
    "CumSum": _cum_sum,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "NonZero": _non_zero,
    "ReduceMax": _reduce(np.max, "fiub"),
    "ReduceMean": _reduce_mean,
    "ReduceMin": _reduce(np.min, "fiub"),
    "ReduceProd": _reduce(np.prod, "fiu"),
    "ReduceSum": _reduce(np.sum, "fiu"),
    "ScatterElements": _scatter_elements,
    "ScatterND": _scatter_nd,
    "Slice": _slice,
    "TopK": _top_k,
}
