"""Normalisations, made of reductions."""

from __future__ import annotations

from collections.abc import Sequence

from onnxport_ir import DType, Value

from onnxport_symbolics.calls import backport
from onnxport_symbolics.downgrades.layers import group_normalized
from onnxport_symbolics.op import Op

_BY_NUMBER = {dtype.onnx: dtype for dtype in DType}
_NARROW = (DType.FLOAT16, DType.BFLOAT16)


def _stashed(op: Op, x: Value, stash_type: int) -> Value:
    """``x`` in the type that statistics are computed in; double precision is not given up."""
    stash = _BY_NUMBER[stash_type]
    return op.cast(x, stash) if op.dtype(x) in _NARROW or stash is DType.FLOAT64 else x


@backport("LayerNormalization")
def layer_normalization(
    op: Op,
    x: Value,
    scale: Value,
    bias: Value | None = None,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
    num_results: int = 1,
) -> tuple[Value, ...]:
    """``(x - mean) / sqrt(variance + epsilon) * scale + bias`` over the last axes from ``axis`` on."""
    axes = list(range(axis, 0)) if axis < 0 else list(range(axis, op.rank(x)))
    wide = _stashed(op, x, stash_type)
    mean = op.ReduceMean(wide, axes, keepdims=1)
    centred = op.Sub(wide, mean)
    variance = op.ReduceMean(op.Mul(centred, centred), axes, keepdims=1)
    deviation = op.Sqrt(op.Add(variance, op.const_like(epsilon, variance)))
    result = op.Mul(op.cast(op.Div(centred, deviation), op.dtype(x)), scale)
    results = [result if bias is None else op.Add(result, bias)]
    if num_results > 1:
        results.append(mean)
    if num_results > 2:
        results.append(op.Reciprocal(deviation))
    return tuple(results)


@backport("RMSNormalization")
def rms_normalization(
    op: Op, x: Value, scale: Value, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Value:
    """``x / sqrt(mean(x * x) + epsilon) * scale`` over the last axes from ``axis`` on."""
    axes = list(range(axis, 0)) if axis < 0 else list(range(axis, op.rank(x)))
    wide = _stashed(op, x, stash_type)
    square = op.ReduceMean(op.Mul(wide, wide), axes, keepdims=1)
    deviation = op.Sqrt(op.Add(square, op.const_like(epsilon, square)))
    return op.Mul(op.cast(op.Div(wide, deviation), op.dtype(x)), scale)


@backport("GroupNormalization")
def group_normalization(
    op: Op, x: Value, scale: Value, bias: Value, *, num_groups: int, epsilon: float = 1e-5, stash_type: int = 1
) -> Value:
    """An instance normalisation of groups; scale and bias are those of channels."""
    return group_normalized(op, x, scale, bias, {"num_groups": num_groups, "epsilon": epsilon})


@backport("MeanVarianceNormalization")
def mean_variance_normalization(op: Op, x: Value, axes: Sequence[int] = (0, 2, 3)) -> Value:
    """``(x - mean) / (deviation + 1e-9)``."""
    centred = op.Sub(x, op.ReduceMean(x, list(axes), keepdims=1))
    deviation = op.Sqrt(op.ReduceMean(op.Mul(centred, centred), list(axes), keepdims=1))
    return op.Div(centred, op.Add(deviation, op.const_like(1e-9, x)))
