"""Activation functions."""

from __future__ import annotations

import math

from onnxport_ir import DType, Value

from onnxport_symbolics.aten.casts import as_float, convert, in_single, real_dtype
from onnxport_symbolics.aten.comparison import clamp
from onnxport_symbolics.aten.random import uniform_like
from onnxport_symbolics.op import Op
from onnxport_symbolics.promote import Scalar
from onnxport_symbolics.registry import aten

#: Where ``log(1 + exp(x))`` and ``x`` are the same float32 number.
_SOFTPLUS_IS_LINEAR = 20.0


@aten("relu")
def relu(op: Op, self: Value) -> Value:
    """relu(Tensor self) -> Tensor"""
    # A maximum of integers is older, and more runtimes have it.
    return op.Relu(self) if real_dtype(op, self).is_float else op.Max(self, op.const_like(0, self))


@aten("relu6")
def relu6(op: Op, self: Value) -> Value:
    """relu6(Tensor self) -> Tensor"""
    return hardtanh(op, self, 0, 6)


@aten("hardtanh")
def hardtanh(op: Op, self: Value, min_val: Scalar = -1, max_val: Scalar = 1) -> Value:
    """hardtanh(Tensor self, Scalar min_val=-1, Scalar max_val=1) -> Tensor"""
    if real_dtype(op, self).is_integer:
        min_val, max_val = int(min_val), int(max_val)
    return clamp(op, self, min_val, max_val)


@aten("leaky_relu")
def leaky_relu(op: Op, self: Value, negative_slope: float) -> Value:
    """leaky_relu(Tensor self, Scalar negative_slope=0.01) -> Tensor"""
    return op.LeakyRelu(self, alpha=negative_slope)


@aten("rrelu", "rrelu_with_noise")
def rrelu(op: Op, self: Value, lower: float, upper: float, training: bool, noise: Value | None = None) -> Value:
    """rrelu(Tensor self, Scalar lower=0.125, Scalar upper=0.3333333333333333, bool training=False, ...) -> Tensor"""
    if training and lower != upper:
        if noise is not None:
            raise op.refuse("rrelu with given noise in training mode", "Call model.eval() before the export.")
        slope = uniform_like(op, self, op.dtype(self), lower, upper)
        return op.Where(op.LessOrEqual(self, op.const_like(0, self)), op.Mul(self, slope), self)
    return op.LeakyRelu(self, alpha=(lower + upper) / 2)


@aten("prelu")
def prelu(op: Op, self: Value, weight: Value) -> Value:
    """prelu(Tensor self, Tensor weight) -> Tensor; self (N, C, ...), weight (C) or one element"""
    rank = op.rank(self)
    sizes = op.sizes(weight)
    if rank > 2 and sizes not in ((), (1,)):
        weight = op.Unsqueeze(weight, op.const(list(range(1, rank - 1))))
    elif rank == 0 and sizes:
        weight = op.Squeeze(weight, op.const([0]))
    return op.PRelu(self, weight)


@aten("_prelu_kernel")
def prelu_kernel(op: Op, self: Value, weight: Value) -> Value:
    """_prelu_kernel(Tensor self, Tensor weight) -> Tensor; weight broadcasts to self"""
    return op.PRelu(self, weight)


@aten("elu")
def elu(op: Op, self: Value, alpha: float, scale: float, input_scale: float) -> Value:
    """elu(Tensor self, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1) -> Tensor"""
    if scale == 1 and input_scale == 1:
        return op.Elu(self, alpha=alpha)
    if input_scale == 1:
        return op.Mul(op.Elu(self, alpha=alpha), op.const_like(scale, self))
    below = op.Elu(op.Mul(self, op.const_like(input_scale, self)), alpha=alpha)
    return op.Mul(op.Where(op.Less(op.const_like(0, self), self), self, below), op.const_like(scale, self))


@aten("selu")
def selu(op: Op, self: Value) -> Value:
    """selu(Tensor self) -> Tensor"""
    return op.Selu(self, alpha=1.6732632423543772, gamma=1.0507009873554805)


@aten("celu")
def celu(op: Op, self: Value, alpha: float = 1.0) -> Value:
    """celu(Tensor self, Scalar alpha=1.0) -> Tensor"""
    if alpha == 1:
        return op.Elu(self, alpha=1.0)
    if alpha > 0 and op.has("Celu") and self.dtype is DType.FLOAT32:
        return op.Celu(self, alpha=alpha)
    return elu(op, self, alpha, 1.0, 1.0 / alpha)


@aten("gelu")
def gelu(op: Op, self: Value, approximate: str = "none") -> Value:
    """gelu(Tensor self, *, str approximate='none') -> Tensor"""
    if approximate not in ("none", "tanh"):
        raise op.refuse(f"gelu with approximate={approximate!r}")
    return op.Gelu(self, approximate=approximate)


@aten("silu")
def silu(op: Op, self: Value) -> Value:
    """silu(Tensor self) -> Tensor"""
    # Runtimes have fused these two for longer than ONNX has had Swish.
    return op.Mul(self, op.Sigmoid(self))


@aten("mish")
def mish(op: Op, self: Value) -> Value:
    """mish(Tensor self) -> Tensor"""
    if op.has("Mish"):
        return op.Mish(self)
    return op.Mul(self, op.Tanh(op.Softplus(self)))


@aten("softplus")
@in_single
def softplus(op: Op, self: Value, beta: float = 1.0, threshold: float = 20.0) -> Value:
    """softplus(Tensor self, Scalar beta=1, Scalar threshold=20) -> Tensor; linear above the threshold"""
    x = self if beta == 1 else op.Mul(self, op.const_like(beta, self))
    result = op.Softplus(x)
    if beta != 1:
        result = op.Div(result, op.const_like(beta, self))
    if threshold >= _SOFTPLUS_IS_LINEAR and op.dtype(x) is not DType.FLOAT64:
        return result
    return op.Where(op.Less(op.const_like(threshold, x), x), self, result)


@aten("softsign")
def softsign(op: Op, self: Value) -> Value:
    """softsign(Tensor self) -> Tensor"""
    x = as_float(op, self)
    return op.Div(x, op.Add(op.Abs(x), op.const_like(1, x)))


@aten("softshrink")
def softshrink(op: Op, self: Value, lambd: float) -> Value:
    """softshrink(Tensor self, Scalar lambd=0.5) -> Tensor; NaN stays, which ONNX Runtime's Shrink makes 0"""
    return op.Sub(self, op.Clip(self, op.const_like(-lambd, self), op.const_like(lambd, self)))


@aten("hardshrink")
def hardshrink(op: Op, self: Value, lambd: float) -> Value:
    """hardshrink(Tensor self, Scalar lambd=0.5) -> Tensor; NaN stays, which ONNX Runtime's Shrink makes 0"""
    small = op.LessOrEqual(op.Abs(self), op.const_like(lambd, self))
    return op.Where(small, op.const_like(0, self), self)


@aten("hardsigmoid")
def hardsigmoid(op: Op, self: Value) -> Value:
    """hardsigmoid(Tensor self) -> Tensor"""
    return op.HardSigmoid(self, alpha=1 / 6, beta=0.5)


@aten("hardswish")
def hardswish(op: Op, self: Value) -> Value:
    """hardswish(Tensor self) -> Tensor"""
    return op.HardSwish(self) if op.has("HardSwish") else op.Mul(self, hardsigmoid(op, self))


@aten("log_sigmoid")
def log_sigmoid(op: Op, self: Value) -> Value:
    """log_sigmoid(Tensor self) -> Tensor"""
    return op.Neg(op.Softplus(op.Neg(self)))


@aten("log_sigmoid_forward")
def log_sigmoid_forward(op: Op, self: Value) -> tuple[Value, Value]:
    """log_sigmoid_forward(Tensor self) -> (Tensor output, Tensor buffer); the buffer is exp(-|self|)"""
    return log_sigmoid(op, self), op.Exp(op.Neg(op.Abs(self)))


@aten("glu")
def glu(op: Op, self: Value, dim: int = -1) -> Value:
    """glu(Tensor self, int dim=-1) -> Tensor"""
    left, right = op.multi("Split", 2, self, axis=op.axis(self, dim), num_outputs=2)
    return op.Mul(left, op.Sigmoid(right))


def _on_axis(op: Op, op_type: str, x: Value, dim: int) -> Value:
    axis = op.axis(x, dim)
    if op.rank(x):
        return op.multi(op_type, 1, x, axis=axis)[0]
    # ONNX's softmax needs an axis; one element is a list of one.
    row = op.multi(op_type, 1, op.Unsqueeze(x, op.const([0])), axis=0)[0]
    return op.Squeeze(row, op.const([0]))


def _softmax_operand(op: Op, x: Value, dtype: DType | None) -> Value:
    return x if dtype is None else convert(op, x, dtype)


@aten("softmax", "special_softmax")
def softmax(op: Op, self: Value, dim: int, dtype: DType | None = None) -> Value:
    """softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor"""
    return _on_axis(op, "Softmax", _softmax_operand(op, self, dtype), dim)


@aten("log_softmax", "special_log_softmax")
def log_softmax(op: Op, self: Value, dim: int, dtype: DType | None = None) -> Value:
    """log_softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor"""
    return _on_axis(op, "LogSoftmax", _softmax_operand(op, self, dtype), dim)


@aten("_softmax")
def softmax_kernel(op: Op, self: Value, dim: int, half_to_float: bool) -> Value:
    """_softmax(Tensor self, int dim, bool half_to_float) -> Tensor"""
    return softmax(op, self, dim, DType.FLOAT32 if half_to_float else None)


@aten("_log_softmax")
def log_softmax_kernel(op: Op, self: Value, dim: int, half_to_float: bool) -> Value:
    """_log_softmax(Tensor self, int dim, bool half_to_float) -> Tensor"""
    return log_softmax(op, self, dim, DType.FLOAT32 if half_to_float else None)


@aten("_safe_softmax")
def safe_softmax(op: Op, self: Value, dim: int, dtype: DType | None = None) -> Value:
    """_safe_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor; 0 in rows of -inf only"""
    x = _softmax_operand(op, self, dtype)
    result = softmax(op, x, dim)
    largest = op.ReduceMax(x, op.const([op.axis(x, dim)]), keepdims=1) if op.rank(x) else x
    empty = op.Equal(largest, op.const_like(-math.inf, x))
    return op.Where(empty, op.const_like(0, x), result)
