"""The gamma function and its kin, the error function's inverse.

ONNX has none of them. They are computed in float64 by series that are exact to its rounding, or nearly, so that
the results in float32 are as good as torch's own.
"""

from __future__ import annotations

import math

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.aten.casts import as_float
from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.series import narrow, number, polynomial, sum_of, wide

#: Lanczos' approximation of the gamma function, g = 7: relative error below 2e-15.
_LANCZOS_G = 7.0
_LANCZOS_FIRST = 0.99999999999980993
_LANCZOS = (
    676.5203681218851,
    -1259.1392167224028,
    771.32342877765313,
    -176.61502916214059,
    12.507343278686905,
    -0.13857109526572012,
    9.9843695780195716e-6,
    1.5056327351493116e-7,
)
#: Bernoulli numbers B2, B4, ...
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
#: From where on asymptotic series with these terms are exact to float64's rounding.
_SHIFT = 10


def _fraction(op: Op, x: Value) -> Value:
    """``x`` less the nearest integer: a function of period 1 keeps its digits far from 0, and near it."""
    return op.Sub(x, op.Round(x))


def log_gamma(op: Op, x: Value) -> Value:
    """Of float64."""
    one, half = number(op, 1), number(op, 0.5)
    mirrored = op.Less(x, half)
    z = op.Sub(op.Where(mirrored, op.Sub(one, x), x), one)
    parts = op.Add(op.Unsqueeze(z, op.const([-1])), op.const(np.arange(1.0, 9.0)))
    series = op.Add(sum_of(op, op.Div(op.const(np.array(_LANCZOS)), parts)), number(op, _LANCZOS_FIRST))
    t = op.Add(z, number(op, _LANCZOS_G + 0.5))
    log = op.Add(op.Sub(op.Mul(op.Add(z, half), op.Log(t)), t), op.Log(series))
    log = op.Add(log, number(op, 0.5 * math.log(2 * math.pi)))
    sine = op.Sin(op.Mul(_fraction(op, x), number(op, math.pi)))
    reflected = op.Sub(op.Sub(number(op, math.log(math.pi)), op.Log(op.Abs(sine))), log)
    result = op.Where(mirrored, reflected, log)
    # Poles at 0, -1, -2, ...; and both infinities.
    pole = op.And(op.Less(x, half), op.Equal(op.Floor(x), x))
    infinite = op.Or(pole, op.Equal(x, number(op, math.inf)))
    return op.Where(infinite, number(op, math.inf), result)


@aten("lgamma", "special_gammaln")
def lgamma(op: Op, self: Value) -> Value:
    """lgamma(Tensor self) -> Tensor"""
    return narrow(op, log_gamma(op, wide(op, self)), self)


@aten("mvlgamma", "special_multigammaln")
def mvlgamma(op: Op, self: Value, p: int) -> Value:
    """mvlgamma(Tensor self, int p) -> Tensor"""
    x = op.Unsqueeze(wide(op, self), op.const([-1]))
    total = sum_of(op, log_gamma(op, op.Sub(x, op.const(np.arange(p) / 2))))
    return narrow(op, op.Add(total, number(op, p * (p - 1) / 4 * math.log(math.pi))), self)


@aten("digamma", "special_digamma", "special_psi")
def digamma(op: Op, self: Value) -> Value:
    """digamma(Tensor self) -> Tensor"""
    x = wide(op, self)
    zero, one = number(op, 0), number(op, 1)
    mirrored = op.Less(x, zero)
    positive = op.Where(mirrored, op.Sub(one, x), x)
    steps = op.Add(op.Unsqueeze(positive, op.const([-1])), op.const(np.arange(float(_SHIFT))))
    y = op.Add(positive, number(op, _SHIFT))
    inverse = op.Reciprocal(op.Mul(y, y))
    coefficients = [-b / (2 * k) for k, b in enumerate(BERNOULLI, 1)]
    tail = op.Mul(polynomial(op, inverse, coefficients[::-1]), inverse)
    result = op.Sub(op.Add(op.Sub(op.Log(y), op.Div(number(op, 0.5), y)), tail), sum_of(op, op.Reciprocal(steps)))
    angle = op.Mul(_fraction(op, x), number(op, math.pi))
    cotangent = op.Div(op.Cos(angle), op.Sin(angle))
    reflected = op.Sub(result, op.Mul(number(op, math.pi), cotangent))
    # At negative integers the function has no limit; at 0 the sign of the zero says which.
    pole = op.Where(op.Equal(op.Floor(x), x), number(op, math.nan), reflected)
    result = op.Where(mirrored, pole, result)
    return narrow(op, op.Where(op.Equal(x, zero), op.Neg(op.Reciprocal(x)), result), self)


@aten("polygamma", "special_polygamma")
def polygamma(op: Op, n: int, self: Value) -> Value:
    """polygamma(int n, Tensor self) -> Tensor"""
    if n == 0:
        return digamma(op, self)
    if n == 1:
        x = as_float(op, self)
        return op.cast(_trigamma(op, x if op.dtype(x).bits > 16 else op.cast(x, DType.FLOAT32)), op.dtype(x))
    x = wide(op, self)
    mirrored = op.Less(x, number(op, 0))
    positive = op.Where(mirrored, op.Sub(number(op, 1), x), x)
    sign = 1.0 if n % 2 else -1.0
    result = op.Mul(number(op, sign * math.factorial(n)), _zeta(op, n + 1, positive))
    # The reflection: psi_n(1 - x) - sign psi_n(x) = -sign pi d^n cot(pi x) / dx^n.
    angle = op.Mul(_fraction(op, x), number(op, math.pi))
    cotangent = op.Div(op.Cos(angle), op.Sin(angle))
    derivative = polynomial(op, cotangent, _cotangent_derivative(n))
    reflected = op.Sub(op.Mul(number(op, -sign), result), op.Mul(number(op, math.pi ** (n + 1)), derivative))
    pole = op.Where(op.Equal(op.Floor(x), x), number(op, sign * math.inf), reflected)
    return narrow(op, op.Where(mirrored, pole, result), self)


def _trigamma(op: Op, x: Value) -> Value:
    """In the type of ``x``: next to the poles torch's results are those of rounded sines, far from the true ones."""
    one, half = op.const_like(1, x), op.const_like(0.5, x)
    mirrored = op.Less(x, half)
    sine = op.Sin(op.Mul(x, op.const_like(math.pi, x)))
    pole = op.Div(op.const_like(math.pi**2, x), op.Mul(sine, sine))
    start = op.Where(mirrored, op.Sub(one, x), x)
    steps = op.Add(op.Unsqueeze(start, op.const([-1])), op.const(np.arange(6.0), op.dtype(x)))
    near = sum_of(op, op.Reciprocal(op.Mul(steps, steps)))
    y = op.Add(start, op.const_like(6, x))
    inverse = op.Reciprocal(op.Mul(y, y))
    series = op.Mul(inverse, op.const_like(1 / 42, x))
    series = op.Mul(inverse, op.Sub(op.const_like(1 / 30, x), series))
    series = op.Mul(inverse, op.Sub(op.const_like(1 / 6, x), series))
    far = op.Div(op.Add(op.Add(op.Div(half, y), one), series), y)
    result = op.Add(near, far)
    return op.Where(mirrored, op.Sub(pole, result), result)


def _zeta(op: Op, s: int, a: Value) -> Value:
    """Hurwitz' zeta function of a natural number and a float64 that is not negative, by Euler and Maclaurin."""
    power = number(op, -s)
    steps = op.Add(op.Unsqueeze(a, op.const([-1])), op.const(np.arange(float(_SHIFT))))
    total = sum_of(op, op.Pow(steps, power))
    y = op.Add(a, number(op, _SHIFT))
    inverse = op.Reciprocal(op.Mul(y, y))
    # B2j / (2j)! * s (s + 1) ... (s + 2j - 2)
    coefficients = [b / math.factorial(2 * j) * math.prod(range(s, s + 2 * j - 1)) for j, b in enumerate(BERNOULLI, 1)]
    last = op.Pow(y, power)
    tail = op.Div(op.Mul(polynomial(op, inverse, coefficients[::-1]), last), y)
    integral = op.Div(op.Pow(y, number(op, 1 - s)), number(op, s - 1))
    return op.Add(op.Add(total, op.Add(integral, op.Mul(last, number(op, 0.5)))), tail)


def _cotangent_derivative(n: int) -> list[float]:
    """The n-th derivative of cot as a polynomial in cot, the highest power first."""
    powers = [0.0, 1.0]
    for _ in range(n):
        # d cot^k = -k cot^(k-1) (1 + cot^2)
        following = [0.0] * (len(powers) + 1)
        for k, coefficient in enumerate(powers):
            if k:
                following[k - 1] -= k * coefficient
                following[k + 1] -= k * coefficient
        powers = following
    return powers[::-1]


@aten("erfinv", "special_erfinv")
def erfinv(op: Op, self: Value) -> Value:
    """erfinv(Tensor self) -> Tensor"""
    if op.dtype(self) is DType.FLOAT64:
        raise op.refuse("erfinv of float64")
    x = wide(op, self)
    one = number(op, 1)
    w = op.Neg(op.Log(op.Mul(op.Sub(one, x), op.Add(one, x))))
    central = polynomial(op, op.Sub(w, number(op, 2.5)), _ERFINV_CENTRAL)
    tail = polynomial(op, op.Sub(op.Sqrt(op.Max(w, number(op, 5))), number(op, 3)), _ERFINV_TAIL)
    result = op.Mul(op.Where(op.Less(w, number(op, 5)), central, tail), x)
    edge = op.Equal(op.Abs(x), one)
    return narrow(op, op.Where(edge, op.Mul(x, number(op, math.inf)), result), self)


#: M. Giles, "Approximating the erfinv function": relative error below 3.6e-7 in float32.
_ERFINV_CENTRAL = (
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
)
_ERFINV_TAIL = (
    -0.000200214257,
    0.000100950558,
    0.00134934322,
    -0.00367342844,
    0.00573950773,
    -0.0076224613,
    0.00943887047,
    1.00167406,
    2.83297682,
)
