"""The complement of the error function, itself and scaled, and the normal distribution's logarithm and inverse."""

from __future__ import annotations

import math

from onnxport_ir import DType, Value

from onnxport_symbolics.aten.casts import as_float, in_single
from onnxport_symbolics.aten.elementwise import log1p
from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.series import narrow, number, polynomial, wide

#: Polynomials in s = 2 t - 1 for log(exp(x * x) erfc(x) / t) of t = 2 / (2 + x), highest power first; interpolated at
#: Chebyshev's points. The error of the first is below 7e-9, that of the second below float64's rounding.
_SCALED_ERFC = (
    1.5401817283772113e-05,
    -8.70509883316567e-05,
    -3.825410526006034e-05,
    0.0005731254989469202,
    -0.0001758054723287054,
    -0.0022881236566899177,
    0.0017670032525904623,
    0.008808544323316852,
    -0.009873662468445727,
    -0.046893590304725064,
    0.04734334109347023,
    0.6726431522588268,
    -0.6717940840566923,
)
_SCALED_ERFC_OF_DOUBLES = (
    -1.3791307091712085e-08,
    2.9923273057708554e-08,
    8.35469423874137e-08,
    -2.902443995600044e-07,
    -5.7457241119152446e-08,
    1.2851059663435704e-06,
    -1.3853380961247002e-06,
    -2.9659329859106468e-06,
    8.639485366744026e-06,
    1.420950999465928e-07,
    -3.0223285604111387e-05,
    3.174564452587231e-05,
    7.141197420995915e-05,
    -0.00017430363340430627,
    -9.373724844136099e-05,
    0.0006736790125595953,
    -0.00014624658593819772,
    -0.002345812534455851,
    0.0017589335383343834,
    0.00882493855975445,
    -0.009872689365754328,
    -0.04689561023126843,
    0.047343306841898185,
    0.6726432239776576,
    -0.6717940840566923,
)
#: Newton's steps from a start within 5e-4.
_NEWTON_STEPS = 2
#: Abramowitz and Stegun, 26.2.23: the quantile of a small probability p in terms of sqrt(-2 log p).
_QUANTILE_ABOVE = (0.010328, 0.802853, 2.515517)
_QUANTILE_BELOW = (0.001308, 0.189269, 1.432788, 1.0)


def _scaled_erfc(op: Op, x: Value) -> Value:
    """``exp(x * x) erfc(x)`` of a number that is not negative, or but little."""
    t, logarithm = _exponent(op, x)
    return op.Mul(t, op.Exp(logarithm))


def _exponent(op: Op, x: Value) -> tuple[Value, Value]:
    """What :func:`_scaled_erfc` is the product of, the second one as a logarithm."""
    coefficients = _SCALED_ERFC_OF_DOUBLES if op.dtype(x) is DType.FLOAT64 else _SCALED_ERFC
    two = op.const_like(2, x)
    t = op.Div(two, op.Add(x, two))
    s = op.Sub(op.Mul(t, two), op.const_like(1, x))
    result = op.const_like(coefficients[0], x)
    for coefficient in coefficients[1:]:
        result = op.Add(op.Mul(result, s), op.const_like(coefficient, x))
    return t, result


@aten("erfc", "special_erfc")
@in_single
def erfc(op: Op, self: Value) -> Value:
    """erfc(Tensor self) -> Tensor; it keeps its digits where ``1 - erf(x)`` would be 0"""
    x = as_float(op, self)
    half = op.const_like(0.5, x)
    positive = op.Max(x, half)
    t, logarithm = _exponent(op, positive)
    tail = op.Mul(t, op.Exp(op.Sub(logarithm, op.Mul(positive, positive))))
    return op.Where(op.Less(x, half), op.Sub(op.const_like(1, x), op.Erf(x)), tail)


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
    square = op.Mul(op.Mul(x, number(op, 0.5)), x)
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
