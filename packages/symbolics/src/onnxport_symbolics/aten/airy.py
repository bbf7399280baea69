"""Airy's function of the first kind."""

from __future__ import annotations

import math

import numpy as np
from onnxport_ir import Value

from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.series import Floats, column, narrow, number, polynomial, weighted, wide

#: Between these the power series is used, below an asymptotic one, above an integral.
_LEFT, _RIGHT = -8.0, 1.0
#: Powers of x in the power series: what is left out is below 1e-18 at the left end.
_POWERS = 106
#: Step and number of steps of the integral over a curve that vanishes as exp(-t * t).
_STEP = 0.16
_STEPS = 40
_TERMS = 14
#: From here on torch gives 0.
_ZERO_FROM = 103.892


def _power_series(op: Op, x: Value) -> Value:
    coefficients = [3 ** (-2 / 3) / math.gamma(2 / 3), -(3 ** (-1 / 3)) / math.gamma(1 / 3), 0.0]
    for k in range(3, _POWERS):
        coefficients.append(coefficients[k - 3] / (k * (k - 1)))
    exponents = np.array([k for k, coefficient in enumerate(coefficients) if coefficient], np.float64)
    kept: Floats = np.array([coefficient for coefficient in coefficients if coefficient])
    return weighted(op, op.Pow(column(op, x), op.const(exponents)), kept)


def _integral(op: Op, x: Value) -> Value:
    """``exp(-2/3 x**1.5) / pi`` times the integral of ``exp(-sqrt(x) t**2) cos(t**3 / 3)`` from 0 on."""
    root = op.Sqrt(x)
    t = _STEP * np.arange(_STEPS + 1)
    weights = np.full(_STEPS + 1, _STEP / math.pi)
    weights[0] /= 2
    total = weighted(op, op.Exp(op.Mul(column(op, root), op.const(-t * t))), weights * np.cos(t**3 / 3))
    return op.Mul(total, op.Exp(op.Mul(op.Mul(x, root), number(op, -2 / 3))))


def _asymptotic(op: Op, x: Value) -> Value:
    """Of ``-x`` for a large x."""
    root = op.Sqrt(x)
    zeta = op.Mul(op.Mul(x, root), number(op, 2 / 3))
    terms = [1.0]
    for k in range(1, _TERMS):
        terms.append(terms[-1] * (6 * k - 5) * (6 * k - 3) * (6 * k - 1) / (216 * k * (2 * k - 1)))
    signed = [term * (-1.0) ** (k // 2) for k, term in enumerate(terms)]
    inverse = op.Reciprocal(zeta)
    square = op.Mul(inverse, inverse)
    even = polynomial(op, square, signed[::2][::-1])
    odd = op.Mul(polynomial(op, square, signed[1::2][::-1]), inverse)
    phase = op.Sub(zeta, number(op, math.pi / 4))
    wave = op.Add(op.Mul(even, op.Cos(phase)), op.Mul(odd, op.Sin(phase)))
    return op.Div(wave, op.Mul(op.Sqrt(root), number(op, math.sqrt(math.pi))))


@aten("special_airy_ai")
def airy_ai(op: Op, x: Value) -> Value:
    """special_airy_ai(Tensor x) -> Tensor"""
    point = wide(op, x)
    left, right = number(op, _LEFT), number(op, _RIGHT)
    is_left, is_right = op.Less(point, left), op.Greater(point, right)
    middle = _power_series(op, op.Where(op.Or(is_left, is_right), right, point))
    falling = _integral(op, op.Where(is_right, point, right))
    waves = _asymptotic(op, op.Neg(op.Where(is_left, point, left)))
    result = op.Where(is_left, waves, op.Where(is_right, falling, middle))
    result = op.Where(op.Greater(point, number(op, _ZERO_FROM)), number(op, 0), result)
    return narrow(op, op.Where(op.IsInf(point), number(op, math.nan), result), x)
