"""Helpers for quantized tensors in symbolic functions; :mod:`onnxport_custom_ops.symbolic_helper` has them all."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch

from onnxport_custom_ops.context import GraphContext
from onnxport_custom_ops.reading import _get_const, _is_none, _is_value, _unpack_tuple
from onnxport_custom_ops.values import SymbolicValue

_F = TypeVar("_F", bound=Callable[..., Any])


def quantized_args(
    *arg_q_descriptors: bool, scale: float | None = None, zero_point: int | None = None, quantize_output: bool = True
) -> Callable[[_F], _F]:
    """Let a symbolic function for floats serve quantized tensors as well: it gets them dequantized.

    Args:
        arg_q_descriptors: for each argument, whether it may be quantized.
        scale: the scale of the result; that of the first quantized argument if None.
        zero_point: the zero point of the result; that of the first quantized argument if None.
        quantize_output: whether the result is quantized again.
    """

    def decorate(function: _F) -> _F:
        @functools.wraps(function)
        def symbolic(g: GraphContext, *args: Any, **kwargs: Any) -> Any:
            flags = [*arg_q_descriptors, *[False] * len(args)]
            packed = [_is_quantized(arg) and flag for arg, flag in zip(args, flags, strict=False)]
            if not any(packed):
                return function(g, *args, **kwargs)
            own_scale = own_zero = None
            floats = []
            for arg, is_packed in zip(args, packed, strict=True):
                if is_packed:
                    arg, its_scale, its_zero, _ = dequantize_helper(g, arg)  # noqa: PLW2901 - it takes its place
                    own_scale = its_scale if own_scale is None else own_scale
                    own_zero = its_zero if own_zero is None else own_zero
                floats.append(arg)
            result = function(g, *floats, **kwargs)
            if not quantize_output:
                return result
            out_scale = own_scale if scale is None else g.op("Constant", value_t=torch.tensor(scale))
            out_zero = (
                own_zero
                if zero_point is None
                else g.op("Constant", value_t=torch.tensor(zero_point, dtype=torch.uint8))
            )
            return quantize_helper(g, result, out_scale, out_zero)

        return symbolic  # type: ignore[return-value]  # has the parameters of what it wraps

    return decorate


def _is_quantized(value: Any) -> bool:
    return _is_value(value) and value.node().kind() == "prim::TupleConstruct"


def dequantize_helper(g: GraphContext, qtensor: SymbolicValue, qdtype: int | None = None) -> tuple[Any, ...]:
    """A quantized tensor, which is a tuple of integers, scale, zero point and perhaps axis, as floats.

    Returns:
        The floats, the scale, the zero point, and the axis or None.
    """
    tensor, scale, zero_point, *rest = _unpack_tuple(qtensor)
    axis = _get_const(rest[0], "i", "axis") if rest and not _is_none(rest[0]) else None
    result = g.op("DequantizeLinear", tensor, scale, zero_point, axis_i=axis)
    return result, scale, zero_point, rest[0] if rest else None


def quantize_helper(g: GraphContext, tensor: Any, scale: Any, zero_point: Any, axis: Any = None) -> SymbolicValue:
    """Floats as a quantized tensor: a tuple of integers, scale, zero point and perhaps axis."""
    number = None if axis is None or _is_none(axis) else _get_const(axis, "i", "axis")
    result = g.op("QuantizeLinear", tensor, scale, zero_point, axis_i=number)
    parts = [result, scale, zero_point, *([] if axis is None else [axis])]
    return g.pack(*parts)
