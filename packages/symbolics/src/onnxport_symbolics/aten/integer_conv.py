"""Convolutions as sums of products of shifted slices.

Exact ones of whole numbers, which ONNX has of bytes only, those of float64, which ONNX Runtime lacks, and those whose
number of groups follows from sizes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.integers import INT64_MAX, mul
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.shaping import full, reshape, unsqueeze

# What ONNX Runtime multiplies matrices of.
_WHOLE = frozenset({DType.INT32, DType.INT64})
#: So many slices, one per element of the kernel, are not worth a model.
_MOST_SLICES = 512


def is_sliced(op: Op, x: Value, weight: Value) -> bool:
    """Whether a convolution of ``x`` is to be written as slices."""
    dtype = op.dtype(x)
    if dtype is not DType.FLOAT64:
        return dtype in _WHOLE
    sizes = [size for size in op.sizes(weight)[2:] if isinstance(size, int)]
    # A larger one is left to runtimes that have it.
    return len(sizes) == op.rank(weight) - 2 and 0 < math.prod(sizes) <= _MOST_SLICES


def convolve(
    op: Op,
    x: Value,
    weight: Value,
    bias: Value | None,
    stride: Sequence[int],
    pads: Sequence[int],
    dilation: Sequence[int],
    groups: Int,
) -> Value:
    """A convolution; x (N, C, *), weight (M, C / groups, *), pads of all beginnings, then of all ends."""
    kernel, spatial = _kernel(op, weight), len(stride)
    x = pad_with_zeros(op, x, pads[:spatial], pads[spatial:])
    slices = [unsqueeze(op, part, [2]) for part in slices_of_windows(op, x, kernel, stride, dilation)]
    stacked = op.Concat(*slices, axis=2)
    sizes = op.dims(slices[0])
    rows = op.dim(weight, 0)
    inner = mul(op, op.dim(weight, 1), math.prod(kernel))
    columns = reshape(op, stacked, [sizes[0], groups, inner, -1])
    factors = reshape(op, weight, [groups, -1, inner])
    result = reshape(op, op.MatMul(factors, columns), [sizes[0], rows, *sizes[3:]])
    return result if bias is None else op.Add(result, unsqueeze(op, bias, list(range(1, spatial + 1))))


def convolve_transposed(
    op: Op,
    x: Value,
    weight: Value,
    bias: Value | None,
    stride: Sequence[int],
    pads: Sequence[int],
    output_padding: Sequence[int],
    dilation: Sequence[int],
    groups: Int,
) -> Value:
    """A transposed convolution; x (N, C, *), weight (C, M / groups, *).

    The plain one of ``x`` with zeros between its elements, with the kernel turned around.
    """
    kernel, spatial = _kernel(op, weight), len(stride)
    for axis, step in enumerate(stride):
        x = _spread(op, x, axis + 2, step)
    reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    before = [r - p for r, p in zip(reach, pads[:spatial], strict=True)]
    after = [r - p + o for r, p, o in zip(reach, pads[spatial:], output_padding, strict=True)]
    outputs = op.dim(weight, 1)
    axes = list(range(2, spatial + 2))
    back = [-1] * spatial
    turned = op.Slice(weight, op.const(back), op.const([-INT64_MAX] * spatial), op.const(axes), op.const(back))
    grouped = reshape(op, turned, [groups, -1, outputs, *kernel])
    swapped = op.Transpose(grouped, perm=(0, 2, 1, *range(3, spatial + 3)))
    factors = reshape(op, swapped, [mul(op, groups, outputs), op.dim(swapped, 2), *kernel])
    return convolve(op, x, factors, bias, [1] * spatial, [*before, *after], dilation, groups)


def slices_of_windows(
    op: Op, x: Value, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> list[Value]:
    """What each element of a kernel meets as it moves over the last axes of ``x``, one slice for each."""
    slices = []
    for offset in itertools.product(*map(range, kernel)):
        starts = [o * d for o, d in zip(offset, dilation, strict=True)]
        # What stands behind, counted from the end, makes all slices equally long.
        behind = [(k - 1 - o) * d for k, o, d in zip(kernel, offset, dilation, strict=True)]
        ends = [-count or INT64_MAX for count in behind]
        axes = list(range(2, len(kernel) + 2))
        slices.append(op.Slice(x, op.const(starts), op.const(ends), op.const(axes), op.const(list(stride))))
    return slices


def _kernel(op: Op, weight: Value) -> list[int]:
    kernel = [_known(op, weight, axis) for axis in range(2, op.rank(weight))]
    if not 0 < math.prod(kernel) <= _MOST_SLICES:
        raise op.refuse(f"a convolution of {op.dtype(weight).short} with a kernel of {math.prod(kernel)} elements")
    return kernel


def _known(op: Op, weight: Value, axis: int) -> int:
    size = op.sizes(weight)[axis]
    if not isinstance(size, int):
        raise op.refuse(f"a convolution of {op.dtype(weight).short} with a kernel of unknown size")
    return size


def pad_with_zeros(op: Op, x: Value, before: Sequence[int], after: Sequence[int]) -> Value:
    """Zeros around ``x``; negative numbers cut."""
    if not any(before) and not any(after):
        return x
    return op.Pad(x, op.const(np.array([0, 0, *before, 0, 0, *after], np.int64)), op.const_like(0, x))


def _spread(op: Op, x: Value, axis: int, step: int) -> Value:
    """``step - 1`` zeros between the elements along an axis."""
    if step == 1:
        return x
    sizes = op.dims(x)
    gaps = full(op, [*sizes[: axis + 1], step - 1, *sizes[axis + 1 :]], 0, op.dtype(x))
    both = op.Concat(unsqueeze(op, x, [axis + 1]), gaps, axis=axis + 1)
    joined = reshape(op, both, [*sizes[:axis], -1, *sizes[axis + 1 :]])
    return op.Slice(joined, op.const([0]), op.const([1 - step]), op.const([axis]))
