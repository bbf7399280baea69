"""Images at other coordinates: Resize before opset 10, GridSample, AffineGrid."""

from __future__ import annotations

from typing import Any

from onnxport_ir import DType, Value

from onnxport_symbolics.calls import Call, backport
from onnxport_symbolics.downgrades.antialias import antialiased
from onnxport_symbolics.downgrades.resize import plain_scales, resampled, with_all_axes
from onnxport_symbolics.integers import along, arange, items, sub
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.sampling import sampled


@backport("Resize")
def resize(op: Op, *operands: Value | None, **attributes: Any) -> Value:
    """Upsample where the scales are at least 1 and the coordinates are its own, else by hand."""
    call = Call("Resize", list(operands), attributes)
    if attributes.get("antialias", 0):
        return antialiased(op, call)
    call = with_all_axes(op, call)
    scales = plain_scales(op, call)
    if scales is not None and bool((scales.array() >= 1).all()):
        return op.Upsample(operands[0], scales, mode=attributes.get("mode", "nearest"))
    return resampled(op, call, 10 if scales is not None else 11)


@backport("GridSample")
def grid_sample(
    op: Op, x: Value, grid: Value, align_corners: int = 0, mode: str = "linear", padding_mode: str = "zeros"
) -> Value:
    """Sums of elements around each position, which are gathered from the flattened images."""
    return sampled(op, x, grid, bool(align_corners), mode, padding_mode)


@backport("AffineGrid")
def affine_grid(op: Op, theta: Value, size: Value, align_corners: int = 0) -> Value:
    """The positions of all elements, as columns of a matrix, transformed."""
    given = items(op, size)
    if given is None:
        raise op.needs("AffineGrid")
    spatial, dtype = given[2:], op.dtype(theta)
    count = len(spatial)
    shape = op.ints(spatial)
    columns = []
    # The last axis comes first, as x does before y.
    for axis in reversed(range(count)):
        line = along(op, _line(op, spatial[axis], dtype, align_corners=bool(align_corners)), axis, count)
        columns.append(op.Reshape(op.Expand(line, shape), [-1, 1]))
    ones = op.Expand(op.const([[1.0]], dtype), op.shape(columns[0]))
    positions = op.Concat(*columns, ones, axis=1)
    grid = op.MatMul(positions, op.Transpose(theta, perm=[0, 2, 1]))
    return op.Reshape(grid, op.ints([op.dim(theta, 0), *spatial, count]))


def _line(op: Op, size: Int, dtype: DType, *, align_corners: bool) -> Value:
    """The coordinates of the elements along an axis, from -1 to 1."""
    one, two = op.const(1, dtype), op.const(2, dtype)
    positions = op.cast(arange(op, size), dtype)
    if align_corners:
        return op.Sub(op.Div(op.Mul(positions, two), op.scalar(sub(op, size, 1), dtype)), one)
    return op.Sub(op.Div(op.Add(op.Mul(positions, two), one), op.scalar(size, dtype)), one)
