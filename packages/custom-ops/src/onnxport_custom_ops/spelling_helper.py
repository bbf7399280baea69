"""Helpers that write an operator as the opset spells it; :mod:`onnxport_custom_ops.symbolic_helper` has them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from onnxport_ir.errors import NeedsOpset

from onnxport_custom_ops.context import GraphContext
from onnxport_custom_ops.reading import _get_const, _get_tensor_rank, _is_value, _maybe_get_const, _maybe_get_scalar
from onnxport_custom_ops.values import SymbolicValue


def _unsqueeze_helper(g: GraphContext, input: Any, axes_i: Sequence[int]) -> Any:  # noqa: A002 - torch's name
    """``Unsqueeze`` as the opset spells it."""
    return _with_axes(g, "Unsqueeze", input, axes_i, since=13)


def _squeeze_helper(g: GraphContext, input: Any, axes_i: Any) -> Any:  # noqa: A002 - torch's name
    """``Squeeze`` as the opset spells it."""
    return _with_axes(g, "Squeeze", input, axes_i, since=13)


def _reducesum_helper(
    g: GraphContext,
    input: Any,  # noqa: A002 - torch's name
    axes_i: Any = None,
    keepdims_i: int = 1,
    noop_with_empty_axes_i: int = 0,
) -> Any:
    """``ReduceSum`` as the opset spells it."""
    if noop_with_empty_axes_i and not axes_i:
        return input
    return _with_axes(g, "ReduceSum", input, axes_i, since=13, keepdims_i=keepdims_i)


def _with_axes(g: GraphContext, op_type: str, x: Any, axes: Any, *, since: int, **attributes: int) -> Any:
    """An operator whose axes became an input at opset ``since``."""
    if g.opset < since:
        return g.op(op_type, x, axes_i=_maybe_get_const(axes, "is"), **attributes)
    if axes is None:
        return g.op(op_type, x, **attributes)
    if not _is_value(axes):
        axes = g.op("Constant", value_t=torch.tensor(axes, dtype=torch.int64).reshape(-1))
    return g.op(op_type, x, axes, **attributes)


def _select_helper(g: GraphContext, self: Any, dim: Any, index: Any, apply_reshape: bool = True) -> Any:
    """Some indices along an axis, which stays, with size 1 for a single one."""
    known = _maybe_get_scalar(index)
    if not _is_value(known):
        index = g.op("Constant", value_t=torch.as_tensor(known, dtype=torch.int64).reshape(-1))
    elif apply_reshape and _get_tensor_rank(index) == 0:
        index = _reshape_helper(g, index, [1])
    if index.type().scalarType() not in ("Long", "Int"):
        index = g.op("Cast", index, to_i=7)
    return g.op("Gather", self, index, axis_i=_get_const(dim, "i", "dim"))


def _slice_helper(
    g: GraphContext,
    input: Any,  # noqa: A002 - torch's name
    axes: Any,
    starts: Any,
    ends: Any,
    steps: Any = None,
) -> Any:
    """``Slice`` as the opset spells it."""
    if g.opset < 10:
        if steps is not None and any(step != 1 for step in _maybe_get_const(steps, "is")):
            raise NeedsOpset("Slice with steps", 10, g.opset)
        lists = [_maybe_get_const(items, "is") for items in (axes, starts, ends)]
        return g.op("Slice", input, axes_i=lists[0], starts_i=lists[1], ends_i=lists[2])
    operands = [starts, ends, axes, *([] if steps is None else [steps])]
    return g.op("Slice", input, *[item if _is_value(item) else torch.tensor(item).reshape(-1) for item in operands])


def _reshape_helper(
    g: GraphContext,
    input: Any,  # noqa: A002 - torch's name
    shape: Any,
    allowzero: int = 0,
) -> Any:
    """``Reshape`` to a list of sizes, known or not."""
    if not _is_value(shape):
        shape = g.op("Constant", value_t=torch.as_tensor(shape, dtype=torch.int64).reshape(-1))
    return g.op("Reshape", input, shape, allowzero_i=allowzero or None)


def _size_helper(g: GraphContext, self: Any, dim: Any) -> Any:
    """The size of an axis, as a value of rank 0."""
    return g.op("Gather", g.op("Shape", self), dim, axis_i=0)


def _numel_helper(g: GraphContext, self: Any) -> Any:
    """The number of elements, as a value of rank 0."""
    return g.op("Size", self)


def _topk_helper(
    g: GraphContext,
    input: Any,  # noqa: A002 - torch's name
    k: Any,
    dim: Any,
    largest: bool = True,
    sorted: bool = False,  # noqa: A002 - torch's name
    out: Any = None,
) -> Any:
    """``TopK`` as the opset spells it: values and indices.

    Raises:
        NeedsOpset: if the smallest are wanted below opset 11.
    """
    axis = _get_const(dim, "i", "dim")
    if g.opset < 11 and not largest:
        raise NeedsOpset("TopK with largest=0", 11, g.opset)
    if g.opset < 10:
        return g.op("TopK", input, k_i=_get_const(k, "i", "k"), axis_i=axis, outputs=2)
    if not _is_value(k):
        k = g.op("Constant", value_t=torch.tensor([k], dtype=torch.int64))
    else:
        k = _reshape_helper(g, k, [1])
    if g.opset < 11:
        return g.op("TopK", input, k, axis_i=axis, outputs=2)
    return g.op("TopK", input, k, axis_i=axis, largest_i=int(largest), sorted_i=int(sorted), outputs=2)


def _lt_helper(g: GraphContext, input: Any, other: Any) -> Any:  # noqa: A002 - torch's name
    """``Less``."""
    return g.op("Less", input, other)


def _optional_input_placeholder_tensor(g: GraphContext) -> SymbolicValue:
    """Stands for an optional input that is left out."""
    return g.op("prim::Constant")  # type: ignore[no-any-return]  # one result is a value


def _generate_wrapped_number(g: GraphContext, scalar: Any) -> Any:
    """A number as a tensor that takes its type from what it meets."""
    return g.op("Constant", value_t=torch.tensor(scalar))


def _flatten_helper(
    g: GraphContext,
    input: Any,  # noqa: A002 - torch's name
    start_dim: int,
    end_dim: int,
    dim: int,
) -> Any:
    """Join the axes from ``start_dim`` to ``end_dim`` of a tensor of rank ``dim``."""
    sizes = g.op("Shape", input)
    parts = [torch.tensor([-1])]
    if start_dim > 0:
        parts.insert(0, _slice_helper(g, sizes, axes=[0], starts=[0], ends=[start_dim]))
    if end_dim < dim - 1:
        parts.append(_slice_helper(g, sizes, axes=[0], starts=[end_dim + 1], ends=[dim]))
    return _reshape_helper(g, input, g.op("Concat", *parts, axis_i=0) if len(parts) > 1 else [-1])
