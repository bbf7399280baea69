"""Sliding windows: unfold, fold, and poolings that ONNX's own do not cover."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.integers import add, arange, mul, product, settle, sub
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import pad_axes, reshape


def windows(
    op: Op, x: Value, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], counts: Sequence[Int]
) -> Value:
    """All windows over the spatial axes of x (N, C, d1, ..., dn): (N, C, k1, ..., kn, o1, ..., on).

    Args:
        op: the builder.
        x: the padded tensor.
        kernel: the sizes of a window.
        strides: the steps from one window to the next.
        dilations: the steps within a window.
        counts: how many windows there are along each axis.
    """
    spatial = len(kernel)
    for axis in range(spatial):
        place = places(op, kernel[axis], strides[axis], dilations[axis], counts[axis])
        x = op.Gather(x, op.Transpose(place, perm=(1, 0)), axis=2 + 2 * axis)
    return op.Transpose(x, perm=[0, 1, *range(2, 2 + 2 * spatial, 2), *range(3, 3 + 2 * spatial, 2)])


def places(op: Op, kernel: int, stride: int, dilation: int, count: Int) -> Value:
    """(count, kernel): the places that each window has along an axis."""
    inner = op.const(np.arange(kernel, dtype=np.int64) * dilation)
    return op.Add(op.Unsqueeze(op.Mul(arange(op, count), stride), [1]), inner)


def window_count(op: Op, length: Int, kernel: int, stride: int, dilation: int) -> Int:
    """How many windows fit into ``length``."""
    return add(op, divided(op, sub(op, length, dilation * (kernel - 1) + 1), stride), 1)


def divided(op: Op, number: Int, divisor: Int) -> Int:
    """``number / divisor``, both not negative, rounded down."""
    if isinstance(number, int) and isinstance(divisor, int):
        return number // divisor
    if divisor == 1:
        return number
    return settle(op.Div(op.scalar(number, DType.INT64), op.scalar(divisor, DType.INT64)))


def indexed_max(
    op: Op, x: Value, places: Sequence[Value], counts: Sequence[Int], lengths: Sequence[Int], offset: Sequence[int]
) -> tuple[Value, Value]:
    """The largest element of each window, and where the first of them is.

    Args:
        op: the builder.
        x: (N, C, *).
        places: for each spatial axis, (o, k): which places each window has.
        counts: the number of windows o of each axis.
        lengths: the sizes by which the results' indices count through the spatial axes.
        offset: what is taken off the places for that.

    Returns:
        (N, C, o1, ..., on) each; the second of int64.
    """
    spatial = len(places)
    indices: Value = op.const(0, DType.INT64)
    for axis, place in enumerate(places):
        x = op.Gather(x, place, axis=2 + 2 * axis)
        # The outputs' axes first, then the windows'.
        others = [other for other in range(2 * spatial) if other not in (axis, spatial + axis)]
        spread = op.Unsqueeze(op.Sub(place, offset[axis]), others)
        indices = op.Add(op.Mul(indices, op.scalar(lengths[axis], DType.INT64)), spread)
    outer = [op.dim(x, 0), op.dim(x, 1), *counts]
    x = op.Transpose(x, perm=[0, 1, *range(2, 2 + 2 * spatial, 2), *range(3, 3 + 2 * spatial, 2)])
    x = reshape(op, x, [*outer, -1])
    best = op.ArgMax(x, axis=-1, keepdims=1)
    table = op.Expand(reshape(op, indices, [1, 1, *counts, -1]), op.shape(x))
    found = op.GatherElements(table, best, axis=-1)
    return op.Squeeze(op.GatherElements(x, best, axis=-1), [-1]), op.Squeeze(found, [-1])


@aten("im2col")
def im2col(
    op: Op,
    self: Value,
    kernel_size: Sequence[int],
    dilation: Sequence[int],
    padding: Sequence[int],
    stride: Sequence[int],
) -> Value:
    """im2col(Tensor self, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) -> Tensor

    self (N, C, H, W) or (C, H, W) -> (N, C * k1 * k2, L) or (C * k1 * k2, L).
    """
    kernel, dilations, pads, strides = (_pair(sizes) for sizes in (kernel_size, dilation, padding, stride))
    single = op.rank(self) == 3
    x = op.Unsqueeze(self, [0]) if single else self
    batch, channels, *sizes = op.dims(x)
    counts = [
        window_count(op, add(op, size, 2 * pads[i]), kernel[i], strides[i], dilations[i])
        for i, size in enumerate(sizes)
    ]
    x = pad_axes(op, x, [2, 3], pads, pads)
    columns = windows(op, x, kernel, strides, dilations, counts)
    height = mul(op, channels, kernel[0] * kernel[1])
    result = reshape(op, columns, [batch, height, product(op, counts)])
    return op.Squeeze(result, [0]) if single else result


@aten("col2im")
def col2im(
    op: Op,
    self: Value,
    output_size: Sequence[int | Value],
    kernel_size: Sequence[int],
    dilation: Sequence[int],
    padding: Sequence[int],
    stride: Sequence[int],
) -> Value:
    """col2im(Tensor self, SymInt[2] output_size, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride)
    -> Tensor

    self (N, C * k1 * k2, L) or (C * k1 * k2, L) -> (N, C, H, W) or (C, H, W).
    """
    single = op.rank(self) == 2
    result = op.Col2Im(
        op.Unsqueeze(self, [0]) if single else self,
        op.ints(output_size if len(output_size) == 2 else [*output_size, *output_size]),
        _pair(kernel_size),
        dilations=_pair(dilation),
        pads=_pair(padding) * 2,
        strides=_pair(stride),
    )
    return op.Squeeze(result, [0]) if single else result


def _pair(sizes: Sequence[int]) -> tuple[int, ...]:
    return tuple(sizes) * 2 if len(sizes) == 1 else tuple(sizes)
