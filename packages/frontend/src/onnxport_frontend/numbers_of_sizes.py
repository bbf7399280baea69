"""Functions of torch that take numbers which a trace would have from the example, without a word, where they are sizes.

A size is a tensor in a trace. Where a function takes several numbers and gets one, ``avg_pool1d(x, x.shape[2])``, or
where they stand in a list that is an index, ``x[:, [0, n - 1]]``, torch makes numbers of sizes; so do ``split``
and ``pad_sequence``. ``interpolate`` takes no tensor for a factor, unless it is to compute the factor again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.nn import functional

from onnxport_frontend import _torch_private as private

Function = Callable[..., Any]
#: What is called in place of a function: it gets the function, and its arguments.
Stand = Callable[[Function, tuple[Any, ...], Mapping[str, Any]], Any]

_POOL = ("kernel_size", "stride", "padding", "dilation")
_AVERAGE = ("kernel_size", "stride", "padding")
_ADAPTIVE = ("output_size",)
#: Parameters that are numbers for several axes, from the second one on, and how many axes.
_LISTS: dict[Function, tuple[tuple[str, ...], int]] = {
    torch.roll: (("shifts", "dims"), 1),
    torch.Tensor.roll: (("shifts", "dims"), 1),
    functional.unfold: (("kernel_size", "dilation", "padding", "stride"), 2),
    torch.avg_pool1d: (_AVERAGE, 1),
    functional.avg_pool2d: (_AVERAGE, 2),
    functional.avg_pool3d: (_AVERAGE, 3),
    torch.adaptive_avg_pool1d: (_ADAPTIVE, 1),
    functional.adaptive_avg_pool2d: (_ADAPTIVE, 2),
    functional.adaptive_avg_pool3d: (_ADAPTIVE, 3),
    **{
        getattr(functional, f"{name}{axes}d{rest}"): (parameters, axes)
        for axes in (1, 2, 3)
        for rest in ("", "_with_indices")
        for name, parameters in (("max_pool", _POOL), ("adaptive_max_pool", _ADAPTIVE))
    },
}


def _in_lists(function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Give a list instead of one size for all axes."""
    names, axes = _LISTS[function]
    if any(isinstance(value, torch.Tensor) for value in args[1 : len(names) + 1]):
        args = (args[0], *(_listed(value, axes) for value in args[1 : len(names) + 1]), *args[len(names) + 1 :])
    if kwargs:
        kwargs = {name: _listed(value, axes) if name in names else value for name, value in kwargs.items()}
    return function(*args, **kwargs)


def _listed(value: Any, axes: int) -> Any:
    return [value] * axes if isinstance(value, torch.Tensor) else value


def _split(function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``x.split(size)``, whose size torch makes a number before the trace has it."""
    given = {**dict(zip(("tensor", "split_size", "dim"), args, strict=False)), **kwargs}
    size = given.get("split_size", given.get("split_size_or_sections"))
    if isinstance(size, torch.Tensor) and not size.dim():
        return private.split(given["tensor"], size, given.get("dim", 0))
    return function(*args, **kwargs)


def _index(function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``x[[0, n]]``: a list as an index, with sizes among its numbers, as a tensor."""
    index = args[1]
    if type(index) is list:
        args = (args[0], _as_tensor(index), *args[2:])
    elif type(index) is tuple and list in map(type, index):
        args = (args[0], tuple(_as_tensor(item) if type(item) is list else item for item in index), *args[2:])
    return function(*args, **kwargs)


def _as_tensor(items: list[Any]) -> Any:
    if not any(isinstance(item, torch.Tensor) for item in items):
        return items
    if not all(_is_number(item) for item in items):
        return items
    return torch.stack([item if isinstance(item, torch.Tensor) else torch.full((), item) for item in items])


def _is_number(item: Any) -> bool:
    if isinstance(item, torch.Tensor):
        return item.dim() == 0 and item.dtype is torch.int64
    return type(item) is int


def _pad_sequence(function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``pad_sequence`` by operators, since which of the sequences is the longest is not in a trace."""
    given = {**dict(zip(("sequences", "batch_first", "padding_value", "padding_side"), args, strict=False)), **kwargs}
    sequences = list(given["sequences"])
    lengths = [sequence.shape[0] for sequence in sequences if sequence.dim()]
    if len(lengths) < len(sequences) or not any(isinstance(length, torch.Tensor) for length in lengths):
        return function(*args, **kwargs)
    longest = torch.stack(lengths).max()
    is_left = given.get("padding_side") == "left"
    padded = []
    for sequence, length in zip(sequences, lengths, strict=True):
        sides = [longest - length, 0] if is_left else [0, longest - length]
        pads = [0, 0] * (sequence.dim() - 1) + sides
        padded.append(functional.pad(sequence, pads, value=given.get("padding_value", 0.0)))
    return torch.stack(padded, 0 if given.get("batch_first") else 1)


def with_factor(
    function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], as_number: Callable[[torch.Tensor], float]
) -> Any:
    """``interpolate(x, scale_factor=n / m)``, which takes no tensor for a factor but where it computes sizes with it.

    Args:
        function: the function.
        args: its arguments.
        kwargs: those by name.
        as_number: gives the number that a tensor is in the example, and notes that.

    Returns:
        Its result.
    """
    factor = args[2] if len(args) > 2 else kwargs.get("scale_factor")
    if args[5] if len(args) > 5 else kwargs.get("recompute_scale_factor"):
        return function(*args, **kwargs)
    if isinstance(factor, torch.Tensor):
        factor = as_number(factor)
    elif isinstance(factor, list | tuple):
        factor = [as_number(item) if isinstance(item, torch.Tensor) else item for item in factor]
    else:
        return function(*args, **kwargs)
    if len(args) > 2:
        return function(*args[:2], factor, *args[3:], **kwargs)
    return function(*args, **{**kwargs, "scale_factor": factor})


#: What is called in place of functions.
STANDS: Mapping[Function, Stand] = MappingProxyType(
    {
        **dict.fromkeys(_LISTS, _in_lists),
        **dict.fromkeys((torch.split, torch.Tensor.split), _split),
        private.pad_sequence: _pad_sequence,
        **dict.fromkeys((torch.Tensor.__getitem__, torch.Tensor.__setitem__), _index),
    }
)
