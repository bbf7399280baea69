"""Batch normalisation, by running statistics or by those of the batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnxport_ir import DType, TensorType, Value
from onnxport_ir.types import AnyType

from onnxport_symbolics.integers import product
from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten


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
    dtype = op.dtype(input)
    if training or running_mean is None or running_var is None:
        return op.cast(affine(op, normalized(op, input, _all_but_channels(op, input), eps), weight, bias), dtype)
    if op.rank(input) < 2:
        raise op.refuse("batch_norm of a tensor without channels")
    channels = op.dim(input, 1)
    if not isinstance(channels, int):
        # The parameters that are missing take their size from those that are there.
        channels = op.dim(running_mean, 0)
    if (weight is None or bias is None) and not isinstance(channels, int):
        raise op.refuse("batch_norm without weight over a number of channels that depends on the input")
    # A batch norm in float32 on half-precision data, as autocast leaves it.
    computed = op.dtype(running_mean)
    scale = op.const(np.ones(channels), computed) if weight is None else op.cast(weight, computed)
    shift = op.const(np.zeros(channels), computed) if bias is None else op.cast(bias, computed)
    x = op.cast(input, computed)
    return op.cast(op.BatchNormalization(x, scale, shift, running_mean, running_var, epsilon=eps), dtype)


def _all_but_channels(op: Op, x: Value) -> list[int]:
    return [axis for axis in range(op.rank(x)) if axis != 1]


def statistics(op: Op, x: Value, axes: Sequence[int], eps: float) -> tuple[Value, Value, Value]:
    """The mean, ``x`` less the mean, and the standard deviation with ``eps`` in it; axes keep size 1.

    They are in single precision at least.
    """
    x = op.cast(x, DType.FLOAT32) if op.dtype(x) in (DType.FLOAT16, DType.BFLOAT16) else x
    mean = op.ReduceMean(x, list(axes), keepdims=1)
    centred = op.Sub(x, mean)
    variance = op.ReduceMean(op.Mul(centred, centred), list(axes), keepdims=1)
    return mean, centred, op.Sqrt(op.Add(variance, op.const_like(eps, variance)))


def normalized(op: Op, x: Value, axes: Sequence[int], eps: float) -> Value:
    """``x`` with mean 0 and deviation 1 over ``axes``, in single precision at least."""
    _, centred, deviation = statistics(op, x, axes, eps)
    return op.Div(centred, deviation)


def affine(op: Op, x: Value, weight: Value | None, bias: Value | None) -> Value:
    """``x * weight + bias`` along axis 1."""
    trailing = list(range(1, op.rank(x) - 1))
    for parameter, operator in ((weight, op.Mul), (bias, op.Add)):
        if parameter is not None:
            column = op.Unsqueeze(op.cast(parameter, op.dtype(x)), trailing) if trailing else parameter
            x = operator(x, op.cast(column, op.dtype(x)))
    return x


@aten("native_batch_norm", "_native_batch_norm_legit", "cudnn_batch_norm", "miopen_batch_norm")
def native_batch_norm(
    op: Op,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    training: bool,
    running_mean: Value | None = None,
    running_var: Value | None = None,
    momentum: float = 0.0,
    eps: float = 0.0,
    exponential_average_factor: float = 0.0,
    epsilon: float = 0.0,
) -> tuple[Value | Exception, ...]:
    """native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var,
    bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor); _native_batch_norm_legit.no_stats(
    Tensor input, Tensor? weight, Tensor? bias, bool training, float momentum, float eps)
    -> (Tensor, Tensor, Tensor); cudnn_batch_norm(Tensor input, Tensor weight, Tensor? bias, Tensor? running_mean,
    Tensor? running_var, bool training, float exponential_average_factor, float epsilon)
    -> (Tensor, Tensor, Tensor, Tensor)

    The second and third result are the mean and the reciprocal of the deviation of the batch, empty unless it is
    training; the fourth serves a backward pass.
    """
    eps = eps or epsilon
    result = batch_norm(op, input, weight, bias, running_mean, running_var, training, momentum, eps)
    mean, rstd = _saved(op, input, training, eps)
    rest = [op.refuse("the reserve of a batch norm")] * (len(op.expected) - 3)
    return result, mean, rstd, *rest


def _saved(op: Op, input: Value, training: bool, eps: float) -> tuple[Value, Value]:
    """What a backward pass needs: (C) each, or nothing."""
    if not training:
        dtype = DType.FLOAT64 if op.dtype(input) is DType.FLOAT64 else DType.FLOAT32
        return op.const(np.zeros(0), dtype), op.const(np.zeros(0), dtype)
    axes = _all_but_channels(op, input)
    mean, _, deviation = statistics(op, input, axes, eps)
    return op.Squeeze(mean, axes), op.Reciprocal(op.Squeeze(deviation, axes))


@aten("_native_batch_norm_legit_no_training", "_batch_norm_no_update")
def batch_norm_no_training(
    op: Op,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    momentum: float,
    eps: float,
) -> tuple[Value | Exception, ...]:
    """_native_batch_norm_legit_no_training(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean,
    Tensor running_var, float momentum, float eps) -> (Tensor, Tensor, Tensor)
    """
    return native_batch_norm(op, input, weight, bias, False, running_mean, running_var, momentum, eps)


@aten("_batch_norm_impl_index")
def batch_norm_impl_index(
    op: Op,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Value | Exception, ...]:
    """_batch_norm_impl_index(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var,
    bool training, float momentum, float eps, bool cudnn_enabled) -> (Tensor, Tensor, Tensor, Tensor, int)
    """
    return native_batch_norm(op, input, weight, bias, training, running_mean, running_var, momentum, eps)


def _reserve(op: Op, kind: AnyType) -> Value | Exception:
    """What the backward pass needs besides the statistics: nothing on a CPU."""
    if isinstance(kind, TensorType) and kind.shape == (0,):
        return op.const(np.zeros(0, np.uint8))
    return op.refuse("the reserve of a batch norm")


@aten("_native_batch_norm_legit_functional", "_batch_norm_with_update_functional")
def batch_norm_functional(
    op: Op,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value,
    running_var: Value,
    momentum: float,
    eps: float,
    training: bool = True,
) -> tuple[Value | Exception, ...]:
    """_native_batch_norm_legit_functional(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean,
    Tensor running_var, bool training, float momentum, float eps)
    -> (Tensor, Tensor, Tensor, Tensor running_mean_out, Tensor running_var_out)
    """
    result = batch_norm(op, input, weight, bias, running_mean, running_var, training, momentum, eps)
    saved = _saved(op, input, training, eps)
    reserve = [_reserve(op, kind) for kind in op.expected[3:-2]]
    if not training:
        return result, *saved, *reserve, running_mean, running_var
    axes = _all_but_channels(op, input)
    mean, centred, _ = statistics(op, input, axes, eps)
    squares = op.ReduceSum(op.Mul(centred, centred), axes, keepdims=0)
    count = op.scalar(product(op, [op.dim(input, axis) for axis in axes]), DType.INT64)
    variance = op.Div(squares, op.cast(op.Sub(count, 1), op.dtype(squares)))
    updated = [
        op.Add(op.Mul(old, op.const_like(1 - momentum, old)), op.Mul(new, op.const_like(momentum, new)))
        for old, new in ((running_mean, op.Squeeze(mean, axes)), (running_var, variance))
    ]
    return result, *saved, *reserve, *updated
