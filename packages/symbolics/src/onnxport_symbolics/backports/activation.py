"""Functions of one element: hyperbolic functions, Erf and activations made of older ones."""

from __future__ import annotations

import math

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.calls import backport
from onnxport_symbolics.op import Op


@backport("HardSwish")
def hard_swish(op: Op, x: Value) -> Value:
    """``x * max(0, min(1, x / 6 + 1/2))``."""
    return op.Mul(x, op.HardSigmoid(x, alpha=1 / 6, beta=0.5))


@backport("Mish")
def mish(op: Op, x: Value) -> Value:
    """``x * tanh(softplus(x))``."""
    return op.Mul(x, op.Tanh(op.Softplus(x)))


@backport("Swish")
def swish(op: Op, x: Value, alpha: float = 1.0) -> Value:
    """``x * sigmoid(alpha * x)``."""
    if alpha == 1.0:
        return op.Mul(x, op.Sigmoid(x))
    return op.Mul(x, op.Sigmoid(op.Mul(x, op.const_like(alpha, x))))


@backport("SwiGLU")
def swiglu(op: Op, gate: Value, value: Value, alpha: float = 1.0) -> Value:
    """``swish(gate) * value``."""
    return op.Mul(op.Swish(gate, alpha=alpha), value)


@backport("Celu")
def celu(op: Op, x: Value, alpha: float = 1.0) -> Value:
    """``max(0, x) + min(0, alpha * (exp(x / alpha) - 1))``."""
    if alpha == 1.0:
        return op.Elu(x)
    scale = op.const_like(alpha, x)
    falling = op.Mul(scale, op.Elu(op.Div(op.Min(x, op.const_like(0, x)), scale)))
    return op.Add(op.Relu(x), falling)


@backport("Gelu")
def gelu(op: Op, x: Value, approximate: str = "none") -> Value:
    """``x * Phi(x)``, with the distribution function exact or by tanh."""
    half, one = op.const_like(0.5, x), op.const_like(1, x)
    if approximate == "tanh":
        factor = math.sqrt(2 / math.pi)
        slope = op.Add(op.Mul(op.Mul(x, x), op.const_like(0.044715 * factor, x)), op.const_like(factor, x))
        inner = op.Tanh(op.Mul(x, slope))
    else:
        inner = op.Erf(op.Mul(x, op.const_like(math.sqrt(0.5), x)))
    return op.Mul(op.Mul(x, half), op.Add(inner, one))


@backport("Cosh")
def cosh(op: Op, x: Value) -> Value:
    """``(exp(x) + exp(-x)) / 2``, by halves, so that it overflows no earlier than it must."""
    half = op.const_like(0.5, x)
    root = op.Exp(op.Mul(x, half))
    return op.Add(op.Mul(op.Mul(half, root), root), op.Div(op.Div(half, root), root))


@backport("Sinh")
def sinh(op: Op, x: Value) -> Value:
    """``tanh(x) * cosh(x)``, which loses nothing near 0."""
    return op.Mul(op.Tanh(x), op.Cosh(x))


#: From here on, one more or less makes no difference to the square.
_LARGE = 2.0**28


@backport("Asinh")
def asinh(op: Op, x: Value) -> Value:
    """``sign(x) * log(|x| + sqrt(x * x + 1))`` in double precision, without loss near 0."""
    wide = op.cast(x, DType.FLOAT64)
    size, one = op.Abs(wide), op.const_like(1, wide)
    near = op.Min(size, op.const_like(_LARGE, wide))
    square = op.Mul(near, near)
    rest = op.Add(near, op.Div(square, op.Add(op.Sqrt(op.Add(square, one)), one)))
    return op.cast(op.Mul(op.Sign(wide), _near_or_large(op, size, _log1p(op, rest))), op.dtype(x))


@backport("Acosh")
def acosh(op: Op, x: Value) -> Value:
    """``log(x + sqrt(x * x - 1))`` in double precision, without loss near 1."""
    wide = op.cast(x, DType.FLOAT64)
    above = op.Sub(op.Min(wide, op.const_like(_LARGE, wide)), op.const_like(1, wide))
    root = op.Mul(op.Sqrt(above), op.Sqrt(op.Add(above, op.const_like(2, wide))))
    return op.cast(_near_or_large(op, wide, _log1p(op, op.Add(above, root))), op.dtype(x))


@backport("Atanh")
def atanh(op: Op, x: Value) -> Value:
    """``log((1 + x) / (1 - x)) / 2`` in double precision, without loss near 0."""
    wide = op.cast(x, DType.FLOAT64)
    size, one = op.Abs(wide), op.const_like(1, wide)
    rest = op.Div(op.Add(size, size), op.Sub(one, size))
    half = op.Mul(_log1p(op, rest), op.const_like(0.5, wide))
    return op.cast(op.Mul(op.Sign(wide), half), op.dtype(x))


def _near_or_large(op: Op, x: Value, near: Value) -> Value:
    """``log(2 x)`` of large numbers, else what is given."""
    large = op.Add(op.Log(x), op.const_like(math.log(2), x))
    return op.Where(op.Less(op.const_like(_LARGE, x), x), large, near)


def _log1p(op: Op, x: Value) -> Value:
    """``log(1 + x)``; what rounding ``1 + x`` loses is added back to first order, where there is any."""
    one = op.const_like(1, x)
    rounded = op.Add(x, one)
    log, kept = op.Log(rounded), op.Sub(rounded, one)
    return op.Where(op.Equal(kept, x), log, op.Add(log, op.Div(op.Sub(x, kept), rounded)))


#: erf(x) / x as a quotient of polynomials in x * x, highest power first, fitted on [-4, 4].
ERF_NUMERATOR = (
    -1.320392765938006e-08,
    4.685042211055889e-06,
    0.0003796257400955602,
    0.00384990765586784,
    0.05431799268754256,
    0.18520944414880672,
    1.1283791692471583,
)
ERF_DENOMINATOR = (
    6.31132703151998e-05,
    0.0013076543749087272,
    0.015462727413643875,
    0.11396121674784594,
    0.49747100869637123,
    1.0,
)


@backport("Erf")
def erf(op: Op, x: Value) -> Value:
    """A quotient of polynomials, in double precision, right to the last place of single precision.

    Raises:
        NeedsOpset: for float64, which the fit is not good enough for.
    """
    dtype = op.dtype(x)
    if dtype not in (DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16):
        raise op.needs("Erf")
    # Beyond 4 it is 1 in single precision.
    wide = op.cast(op.Clip(op.cast(x, DType.FLOAT32), op.const(-4.0), op.const(4.0)), DType.FLOAT64)
    square = op.Mul(wide, wide)
    ratio = op.Div(_polynomial(op, square, ERF_NUMERATOR), _polynomial(op, square, ERF_DENOMINATOR))
    return op.cast(op.Mul(wide, ratio), dtype)


def _polynomial(op: Op, x: Value, coefficients: tuple[float, ...]) -> Value:
    """Horner's scheme."""
    result = op.const(np.array(coefficients[0]), DType.FLOAT64)
    for coefficient in coefficients[1:]:
        result = op.Add(op.Mul(result, x), op.const(np.array(coefficient), DType.FLOAT64))
    return result
