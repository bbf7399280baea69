"""The incomplete gamma functions, by their series and their continued fraction, in float64, until both converge."""

from __future__ import annotations

import math

import numpy as np
from onnxport_ir import DType, TensorType, Value

from onnxport_symbolics.aten.special import log_gamma
from onnxport_symbolics.op import Op
from onnxport_symbolics.promote import promote
from onnxport_symbolics.registry import aten
from onnxport_symbolics.series import narrow, number, wide

#: Steps are about as many as the root of the parameter, times ten.
_STEPS = 200_000
_EPSILON = 2e-15
#: Stands for 0 in a denominator of the continued fraction (Lentz).
_TINY = 1e-300


def _away_from_zero(op: Op, x: Value) -> Value:
    return op.Where(op.Less(op.Abs(x), number(op, _TINY)), number(op, _TINY), x)


def _converged(op: Op, a: Value, x: Value) -> tuple[Value, Value]:
    """The sum of the series x**n / (a (a + 1) ... (a + n)), where x < a + 1, and the fraction, where x > a + 1."""
    one = number(op, 1)
    is_small = op.Less(x, op.Add(a, one))
    low = op.Where(is_small, x, number(op, 0))
    high = op.Where(is_small, op.Add(op.Mul(a, number(op, 2)), number(op, 10)), x)
    b = op.Sub(op.Add(high, one), a)
    first = op.Reciprocal(a)
    start = [first, first, op.Expand(number(op, 1 / _TINY), op.shape(a)), op.Reciprocal(b), op.Reciprocal(b)]
    counter, flag = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ()))
    states = [Value(value.value_type) for value in start]
    total, term, c, d, fraction = states
    with op.body([counter, flag, *states], name="step") as body:
        n = op.Add(op.cast(counter, DType.FLOAT64), one)
        next_term = op.Mul(term, op.Div(low, op.Add(a, n)))
        numerator = op.Mul(op.Neg(n), op.Sub(n, a))
        denominator = op.Add(b, op.Mul(n, number(op, 2)))
        next_d = op.Reciprocal(_away_from_zero(op, op.Add(op.Mul(numerator, d), denominator)))
        next_c = _away_from_zero(op, op.Add(denominator, op.Div(numerator, c)))
        factor = op.Mul(next_c, next_d)
        changes = [op.Div(next_term, total), op.Sub(factor, one)]
        flat = [op.Reshape(op.Abs(change), [-1]) for change in changes]
        worst = op.ReduceMax(op.Concat(*flat, op.const(np.zeros(1)), axis=0), op.const([0]), keepdims=0)
        results = [op.Add(total, next_term), next_term, next_c, next_d, op.Mul(fraction, factor)]
        body.outputs = [op.own(value) for value in (op.Greater(worst, number(op, _EPSILON)), *results)]
    found = op.multi("Loop", len(start), op.const(_STEPS), op.const(True), *start, body=body)
    return found[0], found[4]


def _incomplete(op: Op, self: Value, other: Value, *, upper: bool) -> Value:
    """The share of the gamma function's integral below, or above, a limit."""
    a, x = (wide(op, operand) for operand in promote(op, self, other, to_float=True))
    zero, one, infinity = (number(op, n) for n in (0.0, 1.0, math.inf))
    is_usual = [op.And(op.Greater(value, zero), op.Less(value, infinity)) for value in (a, x)]
    usual = op.And(*is_usual)
    # Both have the shape of the result from here on.
    safe_a, safe_x = op.Where(usual, a, one), op.Where(usual, x, one)
    total, fraction = _converged(op, safe_a, safe_x)
    scale = op.Exp(op.Sub(op.Sub(op.Mul(safe_a, op.Log(safe_x)), safe_x), log_gamma(op, safe_a)))
    is_small = op.Less(safe_x, op.Add(safe_a, one))
    below, above = op.Mul(scale, total), op.Mul(scale, fraction)
    part = above if upper else below
    found = op.Where(is_small if not upper else op.Not(is_small), part, op.Sub(one, below if upper else above))
    # Nothing lies below 0, or below any limit if the parameter is infinite; all lies below infinity, or if it is 0.
    nothing = op.Or(op.Equal(x, zero), op.Equal(a, infinity))
    everything = op.Or(op.Equal(x, infinity), op.And(op.Equal(a, zero), op.Greater(x, zero)))
    ends = (one, zero) if upper else (zero, one)
    edge = op.Where(nothing, ends[0], op.Where(everything, ends[1], number(op, math.nan)))
    bad = op.Or(op.Less(a, zero), op.Less(x, zero))
    both = op.Or(op.And(op.Equal(a, zero), op.Equal(x, zero)), op.And(op.Equal(a, infinity), op.Equal(x, infinity)))
    edge = op.Where(op.Or(bad, both), number(op, math.nan), edge)
    return op.Where(usual, found, edge)


@aten("igamma", "special_gammainc")
def igamma(op: Op, self: Value, other: Value) -> Value:
    """igamma(Tensor self, Tensor other) -> Tensor"""
    return narrow(op, _incomplete(op, self, other, upper=False), promote(op, self, other)[0])


@aten("igammac", "special_gammaincc")
def igammac(op: Op, self: Value, other: Value) -> Value:
    """igammac(Tensor self, Tensor other) -> Tensor"""
    return narrow(op, _incomplete(op, self, other, upper=True), promote(op, self, other)[0])
