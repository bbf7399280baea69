"""Fractional max pooling: windows of one size at places that a random number shifts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.integers import along, arange, product, sub
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import reshape, unsqueeze


def _starts(op: Op, sample: Value, size: Int, window: int, count: int) -> Value:
    """Where the windows of one axis start: (N, C, count) of int64, for samples (N, C, 1)."""
    dtype = op.dtype(sample)
    last = op.scalar(sub(op, size, window), DType.INT64)
    end = op.Expand(last, op.shape(sample))
    if count == 1:
        return end
    apart = op.Div(op.cast(last, dtype), op.const(count - 1, dtype))
    steps = op.const(np.arange(count - 1), dtype)
    places = op.cast(op.Mul(op.Add(sample, steps), apart), DType.INT64)
    first = op.cast(op.Mul(sample, apart), DType.INT64)
    return op.Concat(op.Sub(places, first), end, axis=-1)


def _pooled(
    op: Op, x: Value, windows: Sequence[int], counts: Sequence[int], samples: Value, order: Sequence[int]
) -> tuple[Value, Value]:
    """X (N, C, D1, ..., Dn), samples (N, C, n); ``order``: which sample belongs to which axis."""
    spatial = op.dims(x)[2:]
    n = len(spatial)
    index: Value | None = None
    for axis, (size, window, count, sample) in enumerate(zip(spatial, windows, counts, order, strict=True)):
        chosen = op.Gather(samples, op.const([sample]), axis=2)
        starts = _starts(op, chosen, size, window, count)
        places = op.Add(unsqueeze(op, starts, [-1]), along(op, arange(op, window), 3, 4))
        # (N, C, count, window) with the counts of all axes before the windows of all axes
        others = [2 + k for k in range(2 * n) if k not in (axis, n + axis)]
        places = op.Unsqueeze(places, op.const(others))
        index = places if index is None else op.Add(op.Mul(index, op.scalar(size, DType.INT64)), places)
    if index is None:
        raise op.refuse("pooling without axes")
    batch = op.dims(x)[:2]
    number, window = int(np.prod(counts)), int(np.prod(windows))
    flat = reshape(op, index, [*batch, number * window])
    values = op.GatherElements(reshape(op, x, [*batch, product(op, spatial)]), flat, axis=2)
    values, places = (reshape(op, value, [*batch, number, window]) for value in (values, flat))
    best = op.ArgMax(values, axis=3, keepdims=1)
    found = [op.GatherElements(value, best, axis=3) for value in (values, places)]
    result, indices = (reshape(op, value, [*batch, *counts]) for value in found)
    return result, indices


def _of_batch(
    op: Op, self: Value, windows: Sequence[int], counts: Sequence[int], samples: Value, order: Sequence[int]
) -> tuple[Value, Value]:
    n = len(order)
    if op.rank(self) == n + 2:
        return _pooled(op, self, windows, counts, samples, order)
    result, indices = _pooled(op, unsqueeze(op, self, [0]), windows, counts, samples, order)
    return op.Squeeze(result, op.const([0])), op.Squeeze(indices, op.const([0]))


@aten("fractional_max_pool2d")
def fractional_max_pool2d(
    op: Op, self: Value, kernel_size: Sequence[int], output_size: Sequence[int], random_samples: Value
) -> tuple[Value, Value]:
    """fractional_max_pool2d(Tensor self, int[2] kernel_size, int[2] output_size, Tensor random_samples)
    -> (Tensor, Tensor); (N, C, H, W) or (C, H, W), samples (N, C, 2) of which the first is the width's
    """
    return _of_batch(op, self, kernel_size, output_size, random_samples, (1, 0))


@aten("fractional_max_pool3d")
def fractional_max_pool3d(
    op: Op, self: Value, kernel_size: Sequence[int], output_size: Sequence[int], random_samples: Value
) -> tuple[Value, Value]:
    """fractional_max_pool3d(Tensor self, int[3] kernel_size, int[3] output_size, Tensor random_samples)
    -> (Tensor, Tensor); (N, C, T, H, W) or (C, T, H, W), samples (N, C, 3)
    """
    return _of_batch(op, self, kernel_size, output_size, random_samples, (0, 1, 2))
