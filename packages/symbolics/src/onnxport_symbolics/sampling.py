"""Images at computed coordinates, for opsets without GridSample or with one for images of two dimensions only."""

from __future__ import annotations

import itertools

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.integers import along, arange, product, sub
from onnxport_symbolics.op import Int, Op


def sampled(op: Op, x: Value, grid: Value, align_corners: bool, mode: str, padding: str) -> Value:
    """GridSample by hand.

    Args:
        op: the builder.
        x: (N, C, D1, ..., Dn) float.
        grid: (N, d1, ..., dn, n) float, the last axis in the order Dn ... D1.
        align_corners: whether -1 and 1 are the centres of the outermost elements, not their edges.
        mode: ``nearest``, ``linear`` or ``cubic``.
        padding: ``zeros``, ``border`` or ``reflection``.
    """
    count = op.rank(x) - 2
    coordinates = []
    for axis, size in enumerate(op.dims(x)[2:]):
        coordinate = op.Gather(grid, op.const(count - 1 - axis, DType.INT64), axis=count + 1)
        coordinates.append(_denormalised(op, coordinate, size, align_corners))
    result = at_positions(op, x, coordinates, mode, padding, align_corners=align_corners)
    return op.Transpose(result, perm=[0, count + 1, *range(1, count + 1)])


def at_positions(
    op: Op, x: Value, coordinates: list[Value], mode: str, padding: str, *, align_corners: bool = False
) -> Value:
    """The elements of images at coordinates that count elements.

    Args:
        op: the builder.
        x: (N, C, D1, ..., Dn) float.
        coordinates: n tensors (N, ...) float, of D1 ... Dn.
        mode: ``nearest``, ``linear`` or ``cubic``.
        padding: ``zeros``, ``border`` or ``reflection``.
        align_corners: whether a reflection is one at the centres of the outermost elements, not at their edges.

    Returns:
        (N, ..., C) float.
    """
    count, sizes = op.rank(x) - 2, op.dims(x)[2:]
    taps = [_taps(op, coordinate, mode) for coordinate in coordinates]
    pixels = [
        [_inside(op, position, size, align_corners, padding) for position, _ in line]
        for line, size in zip(taps, sizes, strict=True)
    ]
    rows = op.Reshape(op.Transpose(x, perm=[0, *range(2, count + 2), 1]), op.ints([-1, op.dim(x, 1)]))
    starts = op.Mul(arange(op, op.dim(x, 0)), op.scalar(product(op, sizes), DType.INT64))
    batch = along(op, starts, 0, op.rank(coordinates[0]))
    result: Value | None = None
    for corner in itertools.product(*(range(len(line)) for line in pixels)):
        term = _corner(op, rows, batch, [pixels[axis][tap] for axis, tap in enumerate(corner)], sizes)
        for axis, tap in enumerate(corner):
            weight = taps[axis][tap][1]
            if weight is not None:
                term = op.Mul(term, op.Unsqueeze(weight, [-1]))
        result = term if result is None else op.Add(result, term)
    if result is None:
        raise op.refuse("sampling of a tensor without spatial axes")
    return result


def _denormalised(op: Op, coordinate: Value, size: Int, align_corners: bool) -> Value:
    """From -1 ... 1 to 0 ... size - 1."""
    dtype = op.dtype(coordinate)
    one, half = op.const(1, dtype), op.const(0.5, dtype)
    length = op.scalar(sub(op, size, 1) if align_corners else size, dtype)
    scaled = op.Mul(op.Add(coordinate, one), length)
    return op.Mul(scaled if align_corners else op.Sub(scaled, one), half)


def _taps(op: Op, coordinate: Value, mode: str) -> list[tuple[Value, Value | None]]:
    """The integer positions around a coordinate, as floats, with their weights."""
    if mode == "nearest":
        return [(op.Round(coordinate), None)]
    floor = op.Floor(coordinate)
    offset = op.Sub(coordinate, floor)
    one = op.const_like(1, coordinate)
    if mode == "linear":
        return [(floor, op.Sub(one, offset)), (op.Add(floor, one), offset)]
    taps: list[tuple[Value, Value | None]] = []
    for tap in (-1, 0, 1, 2):
        distance = op.Abs(op.Sub(offset, op.const_like(tap, coordinate)))
        taps.append((op.Add(floor, op.const_like(tap, coordinate)), _cubic(op, distance, near=tap in (0, 1))))
    return taps


def _cubic(op: Op, distance: Value, *, near: bool) -> Value:
    """Keys' kernel with a = -0.75, within 1 of its centre or between 1 and 2."""
    a = -0.75
    coefficients = (a + 2, -(a + 3), 0.0, 1.0) if near else (a, -5 * a, 8 * a, -4 * a)
    result = op.const_like(coefficients[0], distance)
    for coefficient in coefficients[1:]:
        result = op.Add(op.Mul(result, distance), op.const_like(coefficient, distance))
    return result


def _inside(op: Op, position: Value, size: Int, align_corners: bool, padding: str) -> tuple[Value, Value | None]:
    """A position as an index that exists, and whether it was one, if that matters."""
    zero, last = op.const(0, DType.INT64), op.scalar(sub(op, size, 1), DType.INT64)
    index = op.cast(position, DType.INT64)
    clipped = op.Min(op.Max(index, zero), last)
    if padding == "zeros":
        return clipped, op.Equal(index, clipped)
    if padding == "border":
        return clipped, None
    if align_corners:
        # Mirrored at the centres of the outermost elements; with one element, there is but that one.
        period = op.Max(op.Mul(last, op.const(2, DType.INT64)), op.const(1, DType.INT64))
        folded = op.Mod(index, period)
        return op.Min(folded, op.Sub(op.Mul(last, op.const(2, DType.INT64)), folded)), None
    length = op.scalar(size, DType.INT64)
    folded = op.Mod(index, op.Mul(length, op.const(2, DType.INT64)))
    mirrored = op.Sub(op.Sub(op.Mul(length, op.const(2, DType.INT64)), op.const(1, DType.INT64)), folded)
    return op.Min(folded, mirrored), None


def _corner(op: Op, rows: Value, batch: Value, pixels: list[tuple[Value, Value | None]], sizes: list[Int]) -> Value:
    """The elements at one of the positions around each coordinate, channels last; 0 outside if that is asked for."""
    index = pixels[0][0]
    for (position, _), size in zip(pixels[1:], sizes[1:], strict=True):
        index = op.Add(op.Mul(index, op.scalar(size, DType.INT64)), position)
    values = op.Gather(rows, op.Add(batch, index), axis=0)
    masks = [mask for _, mask in pixels if mask is not None]
    if not masks:
        return values
    kept = masks[0]
    for mask in masks[1:]:
        kept = op.And(kept, mask)
    return op.Where(op.Unsqueeze(kept, [-1]), values, op.const(np.zeros((), np.float32), op.dtype(values)))
