"""Gradients by differences."""

from __future__ import annotations

from collections.abc import Sequence

from onnxport_ir import Value

from onnxport_symbolics.op import Op
from onnxport_symbolics.promote import Scalar, as_dtype
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import slice_axis

_SCHEMAS = ("scalarint", "scalararray", "array", "scalarrayint", "scalarrayarray")


@aten(*(f"gradient.{overload}" for overload in _SCHEMAS))
def gradient(
    op: Op,
    self: Value,
    edge_order: int,
    dim: Sequence[int] | None = None,
    spacing: Sequence[float] | None = None,
) -> list[Value]:
    """gradient.scalarint(Tensor self, *, Scalar? spacing=None, int? dim=None, int edge_order=1) -> Tensor[];
    .scalararray(Tensor self, *, Scalar spacing, int[] dim, int edge_order=1) -> Tensor[]; .array; ...
    """
    dims = list(range(op.rank(self))) if dim is None else [op.axis(self, axis) for axis in dim]
    steps = [1.0] if spacing is None else list(spacing)
    steps = steps * len(dims) if len(steps) == 1 else steps
    if not op.dtype(self).is_float:
        raise op.refuse(f"the gradient of {op.dtype(self).short}", "Cast it to float.")
    return [_along(op, self, axis, step, edge_order) for axis, step in zip(dims, steps, strict=True)]


def _along(op: Op, x: Value, axis: int, step: Scalar, edge_order: int) -> Value:
    """Central differences, and one-sided ones of two or three elements at both ends."""

    def element(start: int) -> Value:
        return slice_axis(op, x, axis, start, start + 1 if start != -1 else None)

    dtype = op.dtype(x)
    width, twice = as_dtype(op, step, dtype), as_dtype(op, 2 * step, dtype)
    inner = op.Div(op.Sub(slice_axis(op, x, axis, 2), slice_axis(op, x, axis, None, -2)), twice)
    if edge_order == 1:
        first = op.Div(op.Sub(element(1), element(0)), width)
        last = op.Div(op.Sub(element(-1), element(-2)), width)
    else:
        three, four = op.const(3, dtype), op.const(4, dtype)
        first = op.Div(op.Sub(op.Sub(op.Mul(element(1), four), op.Mul(element(0), three)), element(2)), twice)
        last = op.Div(op.Add(op.Sub(op.Mul(element(-1), three), op.Mul(element(-2), four)), element(-3)), twice)
    return op.Concat(first, inner, last, axis=axis)
