"""Helpers that are whole operators of torch; :mod:`onnxport_custom_ops.symbolic_helper` has them all."""

from __future__ import annotations

from typing import Any

from onnxport_custom_ops.aten_calls import call_aten
from onnxport_custom_ops.context import GraphContext


def _sort_helper(
    g: GraphContext,
    input: Any,  # noqa: A002 - torch's name
    dim: Any,
    descending: Any = True,
    out: Any = None,
) -> Any:
    """``sort``: values and indices."""
    return call_aten(g, "sort", [input, dim, descending])


def _max_helper(g: GraphContext, self: Any, dim_or_y: Any = None, keepdim: Any = None) -> Any:
    """``max`` of all elements, of two tensors, or along an axis."""
    return call_aten(g, "max", _given(self, dim_or_y, keepdim))


def _min_helper(g: GraphContext, self: Any, dim_or_y: Any = None, keepdim: Any = None) -> Any:
    """``min`` of all elements, of two tensors, or along an axis."""
    return call_aten(g, "min", _given(self, dim_or_y, keepdim))


def _argmin_argmax_helper(
    g: GraphContext,
    input: Any,  # noqa: A002 - torch's name
    dim: Any,
    keepdim: Any,
    op_name: str,
) -> Any:
    """``argmax`` or ``argmin``, which ``op_name`` calls ``ArgMax`` or ``ArgMin``."""
    return call_aten(g, op_name.lower(), [input, dim, keepdim])


def _scatter_helper(g: GraphContext, self: Any, dim: Any, index: Any, src: Any) -> Any:
    """``scatter``."""
    return call_aten(g, "scatter", [self, dim, index, src])


def _unbind_helper(g: GraphContext, self: Any, dim: Any, _outputs: Any = None) -> Any:
    """``unbind``: a list of values."""
    return call_aten(g, "unbind", [self, dim])


def _given(*arguments: Any) -> list[Any]:
    return [argument for argument in arguments if argument is not None]
