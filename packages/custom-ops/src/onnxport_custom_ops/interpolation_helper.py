"""Helpers for resizing in symbolic functions; :mod:`onnxport_custom_ops.symbolic_helper` has them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from onnxport_custom_ops.context import GraphContext
from onnxport_custom_ops.reading import _get_tensor_sizes, _is_none, _is_value, _maybe_get_const
from onnxport_custom_ops.spelling_helper import _slice_helper


def _interpolate_get_scales_if_available(g: GraphContext, scales: Sequence[Any]) -> Any:
    """The factors of all axes, with 1 for the first two, as a value; None if they are not given.

    Args:
        g: the context.
        scales: the factors, one by one, or in a list that is the first of them.
    """
    if not scales or _is_none(scales[0]):
        return None
    first = _maybe_get_const(scales[0], "fs")
    found = first if isinstance(first, list) and len(first) > 1 else [_maybe_get_const(item, "f") for item in scales]
    if any(_is_value(item) or item is None or item == -1 for item in found):
        return None
    return g.op("Constant", value_t=torch.tensor([1.0, 1.0, *found], dtype=torch.float32))


def _get_interpolate_attributes(g: GraphContext, mode: str, args: Sequence[Any]) -> tuple[Any, Any]:
    """The factors, and whether corners are aligned, of the arguments after the size of torch's ``upsample`` operators.

    Args:
        g: the context.
        mode: how they interpolate; ``nearest`` knows no corners.
        args: the arguments.
    """
    aligned = None if mode == "nearest" else args[0]
    factors = args if mode == "nearest" else args[1:]
    return _interpolate_get_scales_if_available(g, factors), aligned


def _interpolate_size_to_scales(g: GraphContext, input: Any, output_size: Any, dim: int) -> Any:  # noqa: A002 - torch's name
    """The factors of all axes that give a size of the last ones.

    Args:
        g: the context.
        input: the tensor.
        output_size: the size, known or a value.
        dim: the rank of the tensor.
    """
    known = _maybe_get_const(output_size, "is")
    sizes = _get_tensor_sizes(input)
    if not _is_value(known) and sizes is not None and all(size is not None for size in sizes[2:]):
        wanted = list(known) * (dim - 2 if len(known) == 1 else 1)
        factors = [new / old for new, old in zip(wanted, sizes[2:], strict=True)]
        return g.op("Constant", value_t=torch.tensor([1.0, 1.0, *factors], dtype=torch.float32))
    wanted = known if _is_value(known) else g.op("Constant", value_t=torch.tensor(known))
    old = _slice_helper(g, g.op("Shape", input), axes=[0], starts=[2], ends=[dim])
    factors = g.op("Div", g.op("Cast", wanted, to_i=1), g.op("Cast", old, to_i=1))
    return g.op("Concat", torch.ones(2), factors, axis_i=0)


def _interpolate_get_scales(g: GraphContext, scale_factor: Any, dim: int) -> Any:
    """The factors of all axes that a ``scale_factor`` stands for: one number for all, or one each."""
    known = _maybe_get_const(scale_factor, "fs")
    if _is_value(known):
        count = 1 if known.type().dim() == 0 else None
        factors = g.op("Expand", known, torch.tensor([dim - 2])) if count else known
        return g.op("Concat", torch.ones(2), factors, axis_i=0)
    factors = list(known) * (dim - 2 if len(known) == 1 else 1)
    return g.op("Constant", value_t=torch.tensor([1.0, 1.0, *factors], dtype=torch.float32))


def _interpolate_get_scales_and_mode(
    g: GraphContext,
    input: Any,  # noqa: A002 - torch's name
    size: Any,
    scale_factor: Any,
    mode: Any,
    align_corners: Any,
) -> tuple[Any, str]:
    """The factors of all axes, and ONNX's name of the mode, of the arguments of ``interpolate``."""
    name = _maybe_get_const(mode, "s")
    name = "linear" if "linear" in name else ("cubic" if "cubic" in name else name)
    dim = input.type().dim()
    if not _is_none(size):
        return _interpolate_size_to_scales(g, input, size, dim), name
    return _interpolate_get_scales(g, scale_factor, dim), name
