"""Hurwitz' zeta function."""

from __future__ import annotations

import math

from onnxport_ir import DType, TensorType, Value

from onnxport_symbolics.aten.arithmetic import promote_real
from onnxport_symbolics.aten.special import BERNOULLI
from onnxport_symbolics.op import Op
from onnxport_symbolics.promote import TensorOrNumber
from onnxport_symbolics.registry import aten
from onnxport_symbolics.series import number

#: At least so many terms are summed one by one, and until the next is of more than this.
_STEPS = 10


@aten("special_zeta")
def zeta(op: Op, self: TensorOrNumber, other: TensorOrNumber) -> Value:
    """special_zeta(Tensor self, Tensor other) -> Tensor

    By Euler and Maclaurin: terms one by one until they are smooth enough, then an integral with corrections.
    """
    left, right = promote_real(op, self, other, to_float=True)
    s, a = op.cast(left, DType.FLOAT64), op.cast(right, DType.FLOAT64)
    shape = op.shape(op.Add(s, a))
    s, a = op.Expand(s, shape), op.Expand(a, shape)
    zero, one = number(op, 0), number(op, 1)
    not_positive = op.LessOrEqual(a, zero)
    pole = op.And(not_positive, op.Equal(op.Floor(a), a))
    # Powers of negative numbers are real for whole exponents only.
    unreal = op.Or(op.And(not_positive, op.Not(op.Equal(op.Floor(s), s))), op.Less(s, one))
    total, y = _sum_terms(op, s, op.Where(op.Or(pole, unreal), one, a))
    ended = op.And(op.IsInf(s), op.Greater(total, zero))
    result = op.Where(ended, total, op.Add(total, _tail(op, s, y)))
    result = op.Where(op.And(not_positive, unreal), number(op, math.nan), result)
    result = op.Where(pole, number(op, math.inf), result)
    result = op.Where(op.Less(s, one), number(op, math.nan), result)
    return op.cast(op.Where(op.Equal(s, one), number(op, math.inf), result), op.dtype(left))


def _sum_terms(op: Op, s: Value, a: Value) -> tuple[Value, Value]:
    """The terms up to where the rest is smooth, and from where on that is."""
    negative = op.Reshape(op.Where(op.Less(a, number(op, 0)), a, number(op, 0)), op.const([-1]))
    # A leading 0 makes the least a number for no elements too.
    least = op.ReduceMin(op.Concat(op.const([0.0], DType.FLOAT64), negative, axis=0), keepdims=0)
    trips = op.Sub(op.const(_STEPS), op.cast(op.Floor(least), DType.INT64))
    start = op.Expand(number(op, 0), op.shape(a))
    counter, flag = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ()))
    total, y = (Value(TensorType(DType.FLOAT64, a.shape)) for _ in range(2))
    with op.body([counter, flag, total, y], name="terms") as body:
        early = op.Less(counter, op.const(_STEPS))
        wanted = op.Or(early, op.Less(y, number(op, _STEPS)))
        further = op.Add(total, op.Pow(y, op.Neg(s)))
        results = [op.Where(wanted, further, total), op.Where(wanted, op.Add(y, number(op, 1)), y)]
        body.outputs = [op.own(value) for value in (flag, *results)]
    found = op.multi("Loop", 2, trips, op.const(True), start, a, body=body)
    summed, following = (op.retype(value, TensorType(DType.FLOAT64, a.shape)) for value in found)
    return summed, following


def _tail(op: Op, s: Value, y: Value) -> Value:
    """The terms from ``y`` on."""
    one = number(op, 1)
    last = op.Pow(y, op.Neg(s))
    # B2j / (2j)! * s (s + 1) ... (s + 2j - 2) / y**(2j - 1), from the innermost factor outwards.
    inverse = op.Reciprocal(op.Mul(y, y))
    nested = number(op, 0)
    for j in range(len(BERNOULLI), 0, -1):
        coefficient = BERNOULLI[j - 1] / math.factorial(2 * j)
        nested = op.Add(nested, number(op, coefficient))
        if j > 1:
            factor = op.Mul(op.Add(s, number(op, 2 * j - 3)), op.Add(s, number(op, 2 * j - 2)))
            nested = op.Mul(nested, op.Mul(factor, inverse))
    correction = op.Div(op.Mul(nested, s), y)
    integral = op.Div(y, op.Sub(s, one))
    return op.Mul(last, op.Add(op.Add(integral, correction), number(op, 0.5)))
