"""Bessel functions of order 0 and 1, and Airy's function.

In float64, by integrals whose integrands are periodic or vanish at both ends: for those the trapezoidal rule converges
faster than any power of the step, and is one weighted sum.
"""

from __future__ import annotations

import math

import numpy as np
from onnxport_ir import Value

from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.series import Floats, column, narrow, number, polynomial, sum_of, weighted, wide

#: Below this the Bessel functions are computed by quadrature, above by their asymptotic series.
_SPLIT = 30.0
#: Points of the quadrature over half a circle; its error is below exp(-(2 * 24)**2 / (2 * 30)).
_POINTS = 24
_TERMS = 12
#: Terms of the power series below 1.
_POWERS = 9


def _scaled_bessel(op: Op, x: Value, order: int) -> Value:
    """``exp(-|x|) I(|x|)`` of order 0 or 1, of float64.

    The trapezoidal rule for the mean of ``exp(x (cos t - 1)) cos(order t)`` over a circle, which for a periodic
    function converges faster than any power of the step.
    """
    size = op.Abs(x)
    near = op.Min(size, number(op, _SPLIT))
    cosines = np.cos(np.pi * np.arange(_POINTS + 1) / _POINTS)
    weights = np.full(_POINTS + 1, 1 / _POINTS)
    weights[[0, -1]] /= 2
    powers = op.Exp(op.Mul(op.Unsqueeze(near, op.const([-1])), op.const(cosines - 1)))
    quadrature = sum_of(op, op.Mul(powers, op.const(weights * cosines**order)))
    far = op.Max(size, number(op, _SPLIT))
    terms = [1.0]
    for k in range(1, _TERMS):
        terms.append(-terms[-1] * (4 * order**2 - (2 * k - 1) ** 2) / (8 * k))
    series = polynomial(op, op.Reciprocal(far), terms[::-1])
    asymptotic = op.Div(series, op.Mul(op.Sqrt(far), number(op, math.sqrt(2 * math.pi))))
    result = op.Where(op.Less(size, number(op, _SPLIT)), quadrature, asymptotic)
    if order == 0:
        return result
    # The mean of what is half negative loses its digits near 0.
    square = op.Mul(op.Mul(size, size), number(op, 0.25))
    powers = polynomial(op, square, [1 / (math.factorial(k) * math.factorial(k + 1)) for k in range(_POWERS)][::-1])
    start = op.Mul(op.Mul(op.Mul(size, number(op, 0.5)), powers), op.Exp(op.Neg(size)))
    return op.Where(op.Less(size, number(op, 1)), start, result)


def _bessel(op: Op, self: Value, order: int, scaled: bool) -> Value:
    x = wide(op, self)
    result = _scaled_bessel(op, x, order)
    if not scaled:
        result = op.Mul(result, op.Exp(op.Abs(x)))
    return narrow(op, op.Mul(result, op.Sign(x)) if order else result, self)


@aten("i0", "special_i0", "special_modified_bessel_i0")
def i0(op: Op, self: Value) -> Value:
    """i0(Tensor self) -> Tensor"""
    return _bessel(op, self, 0, scaled=False)


@aten("special_i0e")
def i0e(op: Op, self: Value) -> Value:
    """special_i0e(Tensor self) -> Tensor"""
    return _bessel(op, self, 0, scaled=True)


@aten("special_i1", "special_modified_bessel_i1")
def i1(op: Op, self: Value) -> Value:
    """special_i1(Tensor self) -> Tensor"""
    return _bessel(op, self, 1, scaled=False)


@aten("special_i1e")
def i1e(op: Op, self: Value) -> Value:
    """special_i1e(Tensor self) -> Tensor"""
    return _bessel(op, self, 1, scaled=True)


#: Below this J and Y are computed by quadrature, above by Hankel's asymptotic series.
_WAVES_SPLIT = 20.0
#: Terms of Hankel's series: its error is below 1e-12.
_HANKEL_TERMS = 14
#: So many functions of even order matter in Neumann's series of Y below the split, and of K below 2.
_NEUMANN_TERMS = 28


def _circle(points: int) -> tuple[Floats, Floats]:
    """Cosines of angles over a quarter of a circle with the weights of the mean of a function even in both axes."""
    angles = np.pi / 2 * np.arange(points + 1) / points
    weights = np.full(points + 1, 1 / points)
    weights[[0, -1]] /= 2
    return angles, weights


def _neumann(angles: Floats) -> Floats:
    """``sum(cos(2 k t) / k)``: the factor that makes the integral of a Bessel function one of Neumann's series."""
    k = np.arange(1, _NEUMANN_TERMS + 1)
    factor: Floats = (np.cos(2 * np.outer(angles, k)) / k).sum(axis=1)
    return factor


def _log_half(op: Op, x: Value) -> Value:
    """``log(x / 2)`` plus Euler's constant, which is what the functions of the second kind have at 0."""
    return op.Add(op.Log(x), number(op, float(np.euler_gamma) - math.log(2)))


def _hankel(op: Op, x: Value, order: int, second: bool) -> Value:
    """J or Y (``second``) far from 0."""
    terms = [1.0]
    for k in range(1, _HANKEL_TERMS):
        terms.append(terms[-1] * (4 * order**2 - (2 * k - 1) ** 2) / (8 * k))
    signs = [(-1.0) ** (k // 2) for k in range(_HANKEL_TERMS)]
    signed = [term * sign for term, sign in zip(terms, signs, strict=True)]
    inverse = op.Reciprocal(x)
    square = op.Mul(inverse, inverse)
    even = polynomial(op, square, signed[::2][::-1])
    odd = op.Mul(polynomial(op, square, signed[1::2][::-1]), inverse)
    phase = op.Sub(x, number(op, (order / 2 + 0.25) * math.pi))
    cosine, sine = op.Cos(phase), op.Sin(phase)
    if second:
        wave = op.Add(op.Mul(even, sine), op.Mul(odd, cosine))
    else:
        wave = op.Sub(op.Mul(even, cosine), op.Mul(odd, sine))
    return op.Mul(wave, op.Sqrt(op.Mul(inverse, number(op, 2 / math.pi))))


def _waves(op: Op, x: Value, order: int, second: bool) -> Value:
    """J or Y (``second``) of float64 that is not negative, without Y at 0."""
    split = number(op, _WAVES_SPLIT)
    is_near = op.Less(x, split)
    near = op.Where(is_near, x, split)
    angles, weights = _circle(_NEUMANN_TERMS + 1)
    cosines = np.cos(angles)
    products = op.Mul(column(op, near), op.const(cosines))
    cosine, sine = op.Cos(products), op.Sin(products)
    even, odd = cosine, sine
    zeroth = weighted(op, even, weights)
    if not second:
        result = weighted(op, odd, weights * cosines) if order else zeroth
    elif not order:
        rest = weighted(op, even, weights * _neumann(angles) * 2)
        result = op.Mul(op.Sub(op.Mul(_log_half(op, near), zeroth), rest), number(op, 2 / math.pi))
    else:
        first = weighted(op, odd, weights * cosines)
        rest = weighted(op, odd, weights * cosines * _neumann(angles) * 2)
        total = op.Sub(op.Sub(op.Mul(_log_half(op, near), first), rest), op.Div(zeroth, near))
        result = op.Mul(total, number(op, 2 / math.pi))
    far = op.Where(is_near, split, x)
    return op.Where(is_near, result, _hankel(op, far, order, second))


@aten("special_bessel_j0")
def bessel_j0(op: Op, self: Value) -> Value:
    """special_bessel_j0(Tensor self) -> Tensor"""
    return narrow(op, _waves(op, op.Abs(wide(op, self)), 0, second=False), self)


@aten("special_bessel_j1")
def bessel_j1(op: Op, self: Value) -> Value:
    """special_bessel_j1(Tensor self) -> Tensor"""
    x = wide(op, self)
    return narrow(op, op.Mul(_waves(op, op.Abs(x), 1, second=False), op.Sign(x)), self)


def _second_kind(op: Op, self: Value, order: int) -> Value:
    x = wide(op, self)
    result = _waves(op, x, order, second=True)
    return narrow(op, op.Where(op.Equal(x, number(op, 0)), number(op, -math.inf), result), self)


@aten("special_bessel_y0")
def bessel_y0(op: Op, self: Value) -> Value:
    """special_bessel_y0(Tensor self) -> Tensor"""
    return _second_kind(op, self, 0)


@aten("special_bessel_y1")
def bessel_y1(op: Op, self: Value) -> Value:
    """special_bessel_y1(Tensor self) -> Tensor"""
    return _second_kind(op, self, 1)


#: Below this K is computed by Neumann's series, above by its integral.
_DECAY_SPLIT = 2.0
#: Step and number of steps of that integral: what is left out is below exp(-(21 * 0.4)**2 / 2).
_DECAY_STEP = 0.4
_DECAY_STEPS = 21
#: From here on the shape of the integrand changes no more.
_DECAY_LIMIT = 1e10


def _decay_near(op: Op, x: Value, order: int) -> Value:
    """K between 0 and 2, by the series of its logarithmic part."""
    angles, weights = _circle(_NEUMANN_TERMS)
    cosines = np.cos(angles)
    powers = op.Exp(op.Mul(column(op, x), op.const(cosines)))
    inverses = op.Reciprocal(powers)
    zeroth = weighted(op, op.Add(powers, inverses), weights / 2)
    if not order:
        rest = weighted(op, op.Add(powers, inverses), weights * _neumann(angles))
        return op.Sub(rest, op.Mul(_log_half(op, x), zeroth))
    odd = op.Sub(powers, inverses)
    first = weighted(op, odd, weights * cosines / 2)
    rest = weighted(op, odd, weights * cosines * _neumann(angles))
    return op.Sub(op.Add(op.Div(zeroth, x), op.Mul(_log_half(op, x), first)), rest)


def _decay_far(op: Op, x: Value, order: int) -> Value:
    """``exp(x) K`` from 2 on: the integral of ``exp(x - x cosh t) cosh(order t)``, stretched by the root of x."""
    shape = op.Min(x, number(op, _DECAY_LIMIT))
    steps = _DECAY_STEP * np.arange(_DECAY_STEPS + 1)
    halves = op.Exp(op.Div(op.const(steps / 2), column(op, op.Sqrt(shape))))
    inverses = op.Reciprocal(halves)
    difference, total = op.Sub(halves, inverses), op.Add(halves, inverses)
    # x cosh t - x = 2 x sinh(t / 2)**2; cosh t = 2 cosh(t / 2)**2 - 1.
    exponent = op.Mul(op.Mul(difference, difference), op.Mul(column(op, shape), number(op, -0.5)))
    weights = np.full(_DECAY_STEPS + 1, _DECAY_STEP)
    weights[0] /= 2
    terms = op.Exp(exponent)
    if order:
        terms = op.Mul(terms, op.Sub(op.Mul(op.Mul(total, total), number(op, 0.5)), number(op, 1)))
    return op.Div(weighted(op, terms, weights), op.Sqrt(x))


def _decay(op: Op, self: Value, order: int, scaled: bool) -> Value:
    x = wide(op, self)
    split = number(op, _DECAY_SPLIT)
    is_near = op.Less(x, split)
    near = _decay_near(op, op.Where(is_near, x, split), order)
    far = _decay_far(op, op.Where(is_near, split, x), order)
    if scaled:
        near = op.Mul(near, op.Exp(x))
    else:
        far = op.Mul(far, op.Exp(op.Neg(x)))
    result = op.Where(is_near, near, far)
    return narrow(op, op.Where(op.Equal(x, number(op, 0)), number(op, math.inf), result), self)


@aten("special_modified_bessel_k0")
def modified_bessel_k0(op: Op, self: Value) -> Value:
    """special_modified_bessel_k0(Tensor self) -> Tensor"""
    return _decay(op, self, 0, scaled=False)


@aten("special_modified_bessel_k1")
def modified_bessel_k1(op: Op, self: Value) -> Value:
    """special_modified_bessel_k1(Tensor self) -> Tensor"""
    return _decay(op, self, 1, scaled=False)


@aten("special_scaled_modified_bessel_k0")
def scaled_modified_bessel_k0(op: Op, x: Value) -> Value:
    """special_scaled_modified_bessel_k0(Tensor x) -> Tensor"""
    return _decay(op, x, 0, scaled=True)


@aten("special_scaled_modified_bessel_k1")
def scaled_modified_bessel_k1(op: Op, x: Value) -> Value:
    """special_scaled_modified_bessel_k1(Tensor x) -> Tensor"""
    return _decay(op, x, 1, scaled=True)


@aten("special_spherical_bessel_j0")
def spherical_bessel_j0(op: Op, x: Value) -> Value:
    """special_spherical_bessel_j0(Tensor x) -> Tensor"""
    point = wide(op, x)
    result = op.Div(op.Sin(point), point)
    result = op.Where(op.Equal(point, number(op, 0)), number(op, 1), result)
    return narrow(op, op.Where(op.IsInf(point), number(op, 0), result), x)
