"""The scaled complement of the error function, and the normal distribution's logarithm and inverse."""

from __future__ import annotations

import math

import numpy as np
from onnxport_ir import Value

from onnxport_symbolics.aten.elementwise import log1p
from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.series import column, narrow, number, polynomial, weighted, wide

#: Points of Gauss' quadrature, and how far it goes: exp(-2 s) vanishes there.
_POINTS = 64
_END = 19.0
#: From here on the shape of the integrand changes no more.
_LIMIT = 1e8
#: Newton's steps from a start within 5e-4.
_NEWTON_STEPS = 2
#: Abramowitz and Stegun, 26.2.23: the quantile of a small probability p in terms of sqrt(-2 log p).
_QUANTILE_ABOVE = (0.010328, 0.802853, 2.515517)
_QUANTILE_BELOW = (0.001308, 0.189269, 1.432788, 1.0)


def _scaled_erfc(op: Op, x: Value) -> Value:
    """``exp(x * x) erfc(x)`` of a float64 that is not negative, or but little.

    The integral of ``exp(-t * t - 2 x t)`` from 0 on, stretched by ``sqrt(1 + x * x)`` so that it ends where it does
    for each x.
    """
    near = op.Min(x, number(op, _LIMIT))
    root = op.Sqrt(op.Add(op.Mul(near, near), number(op, 1)))
    nodes, weights = np.polynomial.legendre.leggauss(_POINTS)
    s = (nodes + 1) * _END / 2
    inverse = op.Reciprocal(root)
    quadratic = op.Mul(column(op, op.Mul(inverse, inverse)), op.const(-s * s))
    linear = op.Mul(column(op, op.Mul(near, inverse)), op.const(2 * s))
    total = weighted(op, op.Exp(op.Sub(quadratic, linear)), weights * _END / math.sqrt(math.pi))
    return op.Div(total, op.Max(root, x))


@aten("special_erfcx")
def erfcx(op: Op, self: Value) -> Value:
    """special_erfcx(Tensor self) -> Tensor"""
    x = wide(op, self)
    result = _scaled_erfc(op, op.Abs(x))
    mirrored = op.Sub(op.Mul(op.Exp(op.Mul(x, x)), number(op, 2)), result)
    return narrow(op, op.Where(op.Less(x, number(op, 0)), mirrored, result), self)


@aten("special_log_ndtr")
def log_ndtr(op: Op, self: Value) -> Value:
    """special_log_ndtr(Tensor self) -> Tensor"""
    x = wide(op, self)
    square = op.Mul(op.Mul(x, x), number(op, 0.5))
    tail = op.Mul(_scaled_erfc(op, op.Mul(op.Abs(x), number(op, math.sqrt(0.5)))), number(op, 0.5))
    lower = op.Sub(op.Log(tail), square)
    upper = log1p(op, op.Neg(op.Mul(tail, op.Exp(op.Neg(square)))))
    return narrow(op, op.Where(op.Less(x, number(op, 0)), lower, upper), self)


@aten("special_ndtri")
def ndtri(op: Op, self: Value) -> Value:
    """special_ndtri(Tensor self) -> Tensor"""
    p = wide(op, self)
    zero, one = number(op, 0), number(op, 1)
    log = op.Log(op.Min(p, op.Sub(one, p)))
    t = op.Sqrt(op.Mul(log, number(op, -2)))
    z = op.Sub(t, op.Div(polynomial(op, t, _QUANTILE_ABOVE), polynomial(op, t, _QUANTILE_BELOW)))
    for _ in range(_NEWTON_STEPS):
        # Of log(erfc(z / sqrt(2)) / 2) - log(p), whose derivative is -sqrt(2 / pi) / erfcx(z / sqrt(2)).
        scaled = _scaled_erfc(op, op.Mul(z, number(op, math.sqrt(0.5))))
        value = op.Sub(op.Log(op.Mul(scaled, number(op, 0.5))), op.Mul(op.Mul(z, z), number(op, 0.5)))
        z = op.Add(z, op.Mul(op.Mul(op.Sub(value, log), scaled), number(op, math.sqrt(math.pi / 2))))
    result = op.Where(op.Less(p, number(op, 0.5)), op.Neg(z), z)
    result = op.Where(op.Equal(p, zero), number(op, -math.inf), result)
    return narrow(op, op.Where(op.Equal(p, one), number(op, math.inf), result), self)
