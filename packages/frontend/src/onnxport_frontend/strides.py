"""Strides and strided views of tensors that lie in memory without gaps, as operations on sizes that a trace records."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import torch

_STRIDE = torch.Tensor.stride
_OFFSET = torch.Tensor.storage_offset


def strides_of_sizes(tensor: torch.Tensor, dim: int | None = None) -> Any:
    """``tensor.stride()`` as products of sizes, which are tensors in a trace.

    Args:
        tensor: the tensor.
        dim: the axis whose stride is wanted; None for those of all.

    Returns:
        A tuple, or what belongs to the axis; None unless the elements lie in memory one behind the other.
    """
    order = _order_in_memory(tensor) if type(dim) in (int, type(None)) else None
    if order is None:
        return None
    sizes, known, real = tuple(tensor.shape), list(map(int, tensor.shape)), _STRIDE(tensor)
    strides: list[Any] = [1] * len(sizes)
    for place, axis in enumerate(order):
        inner = order[place + 1 :]
        if known[axis] != 1 and real[axis] != math.prod(known[other] for other in inner):
            return None
        # The stride of the last axis is 1, whatever the sizes are.
        strides[axis] = functools.reduce(operator.mul, (sizes[other] for other in inner), 1)
    return tuple(strides) if dim is None else strides[dim]


def strided_view(
    tensor: torch.Tensor, size: Sequence[Any], stride: Sequence[Any], storage_offset: int | None = None
) -> torch.Tensor | None:
    """``tensor.as_strided(size, stride)`` by indices; a tensor of its own rather than a view.

    Args:
        tensor: (...)
        size: whole numbers and tensors of one.
        stride: the same.
        storage_offset: where the first element is in memory; None for that of the tensor.

    Returns:
        What the view has in it; None if that is not known to be part of the tensor.
    """
    order = _order_in_memory(tensor) if len(size) == len(stride) else None
    first = 0 if storage_offset is None else int(storage_offset) - _OFFSET(tensor)
    last = first + sum((int(count) - 1) * int(step) for count, step in zip(size, stride, strict=True))
    if order is None or first < 0 or last >= tensor.numel() or not all(map(int, size)):
        return None
    index = torch.full((), int(first), dtype=torch.int64, device=tensor.device)
    for count, step in zip(size, stride, strict=True):
        index = index.unsqueeze(-1) + torch.arange(count, device=tensor.device) * step
    rows = tensor if tensor.is_contiguous() else tensor.permute(order)
    return rows.reshape(-1)[index]


def _order_in_memory(tensor: torch.Tensor) -> list[int] | None:
    """The axes in the order in which the elements lie in memory, without gaps; None if there are some."""
    if tensor.layout is not torch.strided:
        return None
    axes = list(range(tensor.dim()))
    if tensor.is_contiguous():
        return axes
    real = _STRIDE(tensor)
    axes.sort(key=lambda axis: -real[axis])
    size = 1
    for axis in reversed(axes):
        count = int(tensor.shape[axis])
        if count != 1 and real[axis] != size:
            return None
        size *= count
    return axes


def read_arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    """The arguments of ``as_strided``, in order."""
    names = ("input", "size", "stride", "storage_offset")
    named = dict(zip(names, args, strict=False)) | dict(kwargs)
    return tuple(named.get(name) for name in names)
