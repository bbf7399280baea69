"""Normalisations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import reshape


@aten("batch_norm")
def batch_norm(
    op: Op,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    training: bool,
    momentum: float,
    eps: float,
) -> Value:
    """batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var,
    bool training, float momentum, float eps, bool cudnn_enabled) -> Tensor

    input (N, C, *); weight, bias, running_mean, running_var (C).
    """
    if training or running_mean is None or running_var is None:
        return _batch_statistics(op, input, weight, bias, eps)
    dtype = op.dtype(input)
    channels = op.dim(input, 1)
    if (weight is None or bias is None) and not isinstance(channels, int):
        # The parameters that are missing take their size from those that are there.
        channels = op.dim(running_mean, 0)
    if not isinstance(channels, int):
        raise op.refuse("batch_norm without weight over a number of channels that depends on the input")
    scale = op.const(np.ones(channels), dtype) if weight is None else weight
    shift = op.const(np.zeros(channels), dtype) if bias is None else bias
    # A batch norm in float32 on half-precision data, as autocast leaves it.
    mixed = op.dtype(scale) is not dtype
    x = op.cast(input, op.dtype(scale)) if mixed else input
    return op.cast(op.BatchNormalization(x, scale, shift, running_mean, running_var, epsilon=eps), dtype)


def _batch_statistics(op: Op, input: Value, weight: Value | None, bias: Value | None, eps: float) -> Value:
    """Normalise by the statistics of the batch itself, over all axes but the channels."""
    rank = op.rank(input)
    axes = [axis for axis in range(rank) if axis != 1]
    mean = op.ReduceMean(input, axes, keepdims=1)
    centred = op.Sub(input, mean)
    variance = op.ReduceMean(op.Mul(centred, centred), axes, keepdims=1)
    normal = op.Div(centred, op.Sqrt(op.Add(variance, op.const_like(eps, variance))))
    return _affine(op, normal, weight, bias)


def _affine(op: Op, x: Value, weight: Value | None, bias: Value | None) -> Value:
    """``x * weight + bias`` along axis 1."""
    trailing = list(range(1, op.rank(x) - 1))
    if weight is not None:
        x = op.Mul(x, op.Unsqueeze(weight, trailing))
    if bias is not None:
        x = op.Add(x, op.Unsqueeze(bias, trailing))
    return x


@aten("instance_norm")
def instance_norm(
    op: Op,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
) -> Value:
    """instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var,
    bool use_input_stats, float momentum, float eps, bool cudnn_enabled) -> Tensor

    input (N, C, *).
    """
    if not use_input_stats:
        return batch_norm(op, input, weight, bias, running_mean, running_var, False, momentum, eps)
    channels = op.dim(input, 1)
    if isinstance(channels, int) and op.rank(input) >= 3:
        scale = op.const(np.ones(channels), op.dtype(input)) if weight is None else weight
        shift = op.const(np.zeros(channels), op.dtype(input)) if bias is None else bias
        return op.InstanceNormalization(input, scale, shift, epsilon=eps)
    axes = list(range(2, op.rank(input)))
    mean = op.ReduceMean(input, axes, keepdims=1)
    centred = op.Sub(input, mean)
    variance = op.ReduceMean(op.Mul(centred, centred), axes, keepdims=1)
    normal = op.Div(centred, op.Sqrt(op.Add(variance, op.const_like(eps, variance))))
    return _affine(op, normal, weight, bias)


@aten("layer_norm")
def layer_norm(
    op: Op,
    input: Value,
    normalized_shape: Sequence[int],
    weight: Value | None = None,
    bias: Value | None = None,
    eps: float = 1e-5,
) -> Value:
    """layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05,
    bool cudnn_enable=True) -> Tensor

    input (*, normalized_shape); weight, bias (normalized_shape).
    """
    dtype = op.dtype(input)
    scale = op.const(np.ones(normalized_shape), dtype) if weight is None else weight
    return op.LayerNormalization(input, scale, bias, axis=-len(normalized_shape), epsilon=eps)


@aten("native_layer_norm")
def native_layer_norm(
    op: Op, input: Value, normalized_shape: Sequence[int], weight: Value | None, bias: Value | None, eps: float
) -> tuple[Value, Value, Value]:
    """native_layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight, Tensor? bias, float eps)
    -> (Tensor, Tensor, Tensor)

    The second and third result are the mean and the reciprocal of the standard deviation.
    """
    axes = list(range(-len(normalized_shape), 0))
    mean = op.ReduceMean(input, axes, keepdims=1)
    centred = op.Sub(input, mean)
    variance = op.ReduceMean(op.Mul(centred, centred), axes, keepdims=1)
    rstd = op.Reciprocal(op.Sqrt(op.Add(variance, op.const_like(eps, variance))))
    return layer_norm(op, input, normalized_shape, weight, bias, eps), mean, rstd


@aten("rms_norm")
def rms_norm(
    op: Op, input: Value, normalized_shape: Sequence[int], weight: Value | None = None, eps: float | None = None
) -> Value:
    """rms_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor"""
    dtype = op.dtype(input)
    if eps is None:
        half = dtype in (DType.FLOAT16, DType.BFLOAT16)
        eps = float(np.finfo(np.float32 if half else dtype.numpy).eps)
    scale = op.const(np.ones(normalized_shape), dtype) if weight is None else weight
    return op.RMSNormalization(input, scale, axis=-len(normalized_shape), epsilon=eps)


@aten("group_norm")
def group_norm(
    op: Op, input: Value, num_groups: int, weight: Value | None = None, bias: Value | None = None, eps: float = 1e-5
) -> Value:
    """group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05,
    bool cudnn_enabled=True) -> Tensor

    input (N, C, *); weight, bias (C).
    """
    channels = op.dim(input, 1)
    if (
        op.has("GroupNormalization")
        and op.has_attribute("GroupNormalization", "stash_type")
        and isinstance(channels, int)
    ):
        scale = op.const(np.ones(channels), op.dtype(input)) if weight is None else weight
        shift = op.const(np.zeros(channels), op.dtype(input)) if bias is None else bias
        return op.GroupNormalization(input, scale, shift, num_groups=num_groups, epsilon=eps)
    # One group is one channel of an instance norm.
    grouped = reshape(op, input, [op.dim(input, 0), num_groups, -1])
    ones = op.const(np.ones(num_groups), op.dtype(input))
    zeros = op.const(np.zeros(num_groups), op.dtype(input))
    normal = op.InstanceNormalization(grouped, ones, zeros, epsilon=eps)
    return _affine(op, reshape(op, normal, op.dims(input)), weight, bias)


@aten("local_response_norm")
def local_response_norm(op: Op, input: Value, size: int, alpha: float, beta: float, k: float) -> Value:
    """local_response_norm(Tensor input, int size, float alpha=0.0001, float beta=0.75, float k=1.0) -> Tensor"""
    return op.LRN(input, size=size, alpha=alpha, beta=beta, bias=k)
