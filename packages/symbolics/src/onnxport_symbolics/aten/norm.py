"""Normalisations over the last axes, over groups of channels, and over each channel of each sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.aten.batch_norm import affine, batch_norm, normalized, statistics
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import reshape


def _with(op: Op, x: Value, *parameters: Value | None) -> Value:
    """``x`` in the type of the parameters: of half precision beside single, as autocast leaves it."""
    given = [parameter for parameter in parameters if parameter is not None]
    return op.cast(x, op.dtype(given[0])) if given else x


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
    dtype, channels = op.dtype(input), op.dim(input, 1)
    x = _with(op, input, weight, bias)
    if isinstance(channels, int) and op.rank(input) >= 3:
        scale = op.const(np.ones(channels), op.dtype(x)) if weight is None else weight
        shift = op.const(np.zeros(channels), op.dtype(x)) if bias is None else bias
        return op.cast(op.InstanceNormalization(x, scale, shift, epsilon=eps), dtype)
    return op.cast(affine(op, normalized(op, x, list(range(2, op.rank(x))), eps), weight, bias), dtype)


@aten("layer_norm")
def layer_norm(
    op: Op,
    input: Value,
    normalized_shape: Sequence[Int],
    weight: Value | None = None,
    bias: Value | None = None,
    eps: float = 1e-5,
) -> Value:
    """layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05,
    bool cudnn_enable=True) -> Tensor

    input (*, normalized_shape); weight, bias (normalized_shape).
    """
    dtype = op.dtype(input)
    x = _with(op, input, weight, bias)
    known = [size for size in normalized_shape if isinstance(size, int)]
    if len(known) < len(normalized_shape):
        # ONNX Runtime's takes no single element, which a dynamic size may be.
        x = normalized(op, x, list(range(-len(normalized_shape), 0)), eps)
        x = x if weight is None else op.Mul(x, op.cast(weight, op.dtype(x)))
        return op.cast(x if bias is None else op.Add(x, op.cast(bias, op.dtype(x))), dtype)
    scale = op.const(np.ones(known), op.dtype(x)) if weight is None else weight
    return op.cast(op.LayerNormalization(x, scale, bias, axis=-len(normalized_shape), epsilon=eps), dtype)


@aten("native_layer_norm")
def native_layer_norm(
    op: Op, input: Value, normalized_shape: Sequence[Int], weight: Value | None, bias: Value | None, eps: float
) -> tuple[Value, Value, Value]:
    """native_layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight, Tensor? bias, float eps)
    -> (Tensor, Tensor, Tensor)

    The second and third result are the mean and the reciprocal of the standard deviation.
    """
    mean, _, deviation = statistics(op, input, list(range(-len(normalized_shape), 0)), eps)
    return layer_norm(op, input, normalized_shape, weight, bias, eps), mean, op.Reciprocal(deviation)


@aten("rms_norm")
def rms_norm(
    op: Op, input: Value, normalized_shape: Sequence[int], weight: Value | None = None, eps: float | None = None
) -> Value:
    """rms_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor

    input (*, normalized_shape), weight (normalized_shape).
    """
    dtype = op.dtype(input)
    x = _with(op, input, weight)
    scale = op.const(np.ones(normalized_shape), op.dtype(x)) if weight is None else weight
    result = op.RMSNormalization(x, scale, axis=-len(normalized_shape), epsilon=_epsilon(dtype, eps))
    return op.cast(result, dtype)


@aten("_fused_rms_norm")
def fused_rms_norm(
    op: Op, input: Value, normalized_shape: Sequence[int], weight: Value | None, eps: float | None
) -> tuple[Value, Value]:
    """_fused_rms_norm(Tensor input, int[] normalized_shape, Tensor? weight, float? eps) -> (Tensor, Tensor)

    The second result is the reciprocal of the root of the mean square.
    """
    dtype = op.dtype(input)
    wide = op.cast(input, DType.FLOAT32) if dtype in (DType.FLOAT16, DType.BFLOAT16) else input
    square = op.ReduceMean(op.Mul(wide, wide), list(range(-len(normalized_shape), 0)), keepdims=1)
    root = op.Sqrt(op.Add(square, op.const_like(_epsilon(dtype, eps), square)))
    return rms_norm(op, input, normalized_shape, weight, eps), op.Reciprocal(root)


def _epsilon(dtype: DType, eps: float | None) -> float:
    """What is added to a mean square: by default the epsilon of the type that torch computes in."""
    if eps is not None:
        return eps
    return float(np.finfo(np.float64 if dtype is DType.FLOAT64 else np.float32).eps)


@aten("group_norm")
def group_norm(
    op: Op, input: Value, num_groups: int, weight: Value | None = None, bias: Value | None = None, eps: float = 1e-5
) -> Value:
    """group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05,
    bool cudnn_enabled=True) -> Tensor

    input (N, C, *); weight, bias (C).
    """
    dtype, channels = op.dtype(input), op.dim(input, 1)
    x = _with(op, input, weight, bias)
    if isinstance(channels, int) and (weight is not None or bias is not None) and op.rank(x) >= 3:
        scale = op.const(np.ones(channels), op.dtype(x)) if weight is None else weight
        shift = op.const(np.zeros(channels), op.dtype(x)) if bias is None else bias
        return op.cast(op.GroupNormalization(x, scale, shift, num_groups=num_groups, epsilon=eps), dtype)
    # A group is normalised like the last axis of a tensor.
    grouped = reshape(op, x, [op.dim(x, 0), num_groups, -1])
    normal = op.LayerNormalization(grouped, op.const([1.0], op.dtype(x)), axis=-1, epsilon=eps)
    return op.cast(affine(op, reshape(op, normal, op.dims(x)), weight, bias), dtype)


@aten("native_group_norm")
def native_group_norm(
    op: Op,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    N: int | Value,
    C: int | Value,
    HxW: int | Value,
    group: int,
    eps: float,
) -> tuple[Value, Value, Value]:
    """native_group_norm(Tensor input, Tensor? weight, Tensor? bias, SymInt N, SymInt C, SymInt HxW, int group,
    float eps) -> (Tensor, Tensor, Tensor)

    The second and third result (N, group) are the means and the reciprocals of the standard deviations.
    """
    grouped = reshape(op, input, [op.dim(input, 0), group, -1])
    mean, _, deviation = statistics(op, grouped, [2], eps)
    rstd = op.Reciprocal(op.Squeeze(deviation, [2]))
    return group_norm(op, input, group, weight, bias, eps), op.Squeeze(mean, [2]), rstd


@aten("_weight_norm")
def weight_norm(op: Op, v: Value, g: Value, dim: int = 0) -> Value:
    """_weight_norm(Tensor v, Tensor g, int dim=0) -> Tensor"""
    return op.Mul(v, op.Div(g, norm_except_dim(op, v, 2, dim)))


@aten("_weight_norm_interface")
def weight_norm_interface(op: Op, v: Value, g: Value, dim: int = 0) -> tuple[Value, Value]:
    """_weight_norm_interface(Tensor v, Tensor g, int dim=0) -> (Tensor, Tensor)"""
    return weight_norm(op, v, g, dim), norm_except_dim(op, v, 2, dim)


@aten("norm_except_dim")
def norm_except_dim(op: Op, v: Value, pow: int = 2, dim: int = 0) -> Value:
    """norm_except_dim(Tensor v, int pow=2, int dim=0) -> Tensor; a dim of -1 leaves out none"""
    if pow != 2:
        raise op.refuse(f"norm_except_dim with pow={pow}")
    if dim == -1:
        return op.ReduceL2(v, None, keepdims=0)
    kept = op.axis(v, dim)
    return op.ReduceL2(v, [axis for axis in range(op.rank(v)) if axis != kept], keepdims=1)
