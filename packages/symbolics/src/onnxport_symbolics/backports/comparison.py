"""Comparisons, signs, roundings and remainders."""

from __future__ import annotations

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.calls import backport
from onnxport_symbolics.downgrades.numeric import floored
from onnxport_symbolics.downgrades.types import largest_number
from onnxport_symbolics.op import Op


@backport("GreaterOrEqual")
def greater_or_equal(op: Op, left: Value, right: Value) -> Value:
    """False where one of the operands is NaN."""
    return _or_equal(op, left, right, op.Less(left, right), less=False)


@backport("LessOrEqual")
def less_or_equal(op: Op, left: Value, right: Value) -> Value:
    """False where one of the operands is NaN."""
    return _or_equal(op, left, right, op.Greater(left, right), less=True)


def _or_equal(op: Op, left: Value, right: Value, opposite: Value, *, less: bool) -> Value:
    if not op.dtype(left).is_float:
        return op.Not(opposite)
    if op.has("ScatterElements"):
        # Floats can be compared for equality.
        return op.Or(op.Less(left, right) if less else op.Greater(left, right), op.Equal(left, right))
    for value in (left, right):
        if value.const is None or value.is_weight or np.isnan(value.array()).any():
            opposite = op.Or(opposite, op.IsNaN(value))
    return op.Not(opposite)


@backport("IsNaN")
def is_nan(op: Op, x: Value) -> Value:
    """NaN alone is neither below 1 nor above 0."""
    return op.Not(op.Or(op.Less(x, op.const_like(1, x)), op.Greater(x, op.const_like(0, x))))


@backport("IsInf")
def is_inf(op: Op, x: Value, detect_negative: int = 1, detect_positive: int = 1) -> Value:
    """Infinity alone is larger than the largest number."""
    largest = largest_number(op.dtype(x))
    above = op.Greater(x, op.const_like(largest, x)) if detect_positive else None
    below = op.Less(x, op.const_like(-largest, x)) if detect_negative else None
    if above is None or below is None:
        return below or above or op.And(op.IsNaN(x), op.Not(op.IsNaN(x)))
    return op.Or(above, below)


@backport("Sign")
def sign(op: Op, x: Value) -> Value:
    """-1, 0 or 1; 0 for NaN."""
    zero, dtype = op.const_like(0, x), op.dtype(x)
    above = op.cast(op.Greater(x, zero), dtype)
    return op.Sub(above, op.cast(op.Less(x, zero), dtype)) if dtype.is_signed else above


@backport("Round")
def round_half_to_even(op: Op, x: Value) -> Value:
    """The nearest integer, the even one of two."""
    half, floor = op.const_like(0.5, x), op.Floor(x)
    rest = op.Sub(x, floor)
    # Halves are exact: half an odd number is a quarter away from its own floor and the next at least.
    halved = op.Mul(floor, half)
    odd = op.Greater(op.Sub(halved, op.Floor(halved)), op.const_like(0.25, x))
    more = op.Greater(rest, half)
    tie = op.Not(op.Or(op.Less(rest, half), more))
    # Infinity has no rest and is not odd: it stays.
    return op.Add(floor, op.cast(op.Or(more, op.And(tie, odd)), op.dtype(x)))


@backport("Mod")
def mod(op: Op, dividend: Value, divisor: Value, fmod: int = 0) -> Value:
    """The remainder, with the sign of the divisor, or of the dividend if ``fmod``.

    Raises:
        NeedsOpset: for float64, as nothing wider holds the products.
    """
    dtype = op.dtype(dividend)
    if dtype is DType.FLOAT64:
        raise op.needs("Mod")
    if dtype.is_float:
        rest = op.cast(_float_rest(op, dividend, divisor), dtype)
    else:
        rest = op.Sub(dividend, op.Mul(op.Div(dividend, divisor), divisor))
    if fmod or not dtype.is_signed:
        return rest
    if dtype.is_float:
        return floored(op, rest, divisor)
    zero = op.const(0, dtype)
    # The remainder of a truncated division is moved by one divisor if its sign is the other one.
    other = op.Or(
        op.And(op.Less(rest, zero), op.Greater(divisor, zero)), op.And(op.Greater(rest, zero), op.Less(divisor, zero))
    )
    return op.Add(rest, op.Mul(op.cast(other, dtype), divisor))


def _float_rest(op: Op, dividend: Value, divisor: Value) -> Value:
    """The remainder with the sign of the dividend, exact: in double precision, 29 bits of the quotient at a time."""
    wide, zero = op.cast(dividend, DType.FLOAT64), op.const(0.0, DType.FLOAT64)
    size = op.Abs(op.cast(divisor, DType.FLOAT64))
    rest = op.Abs(wide)
    # 2**277 is the largest quotient of two numbers of single precision; a half has no larger one than 2**40.
    for power in range(261 if op.dtype(dividend).bits == 32 or op.dtype(dividend) is DType.BFLOAT16 else 29, -1, -29):
        step = op.Mul(size, op.const(2.0**power, DType.FLOAT64)) if power else size
        # Both the quotient's whole part and its product with 24 bits fit. Rounded up, it leaves a negative rest, which
        # the next step turns positive again.
        rest = op.Sub(rest, op.Mul(op.Floor(op.Div(rest, step)), step))
    rest = op.Add(rest, op.Mul(op.cast(op.Less(rest, zero), DType.FLOAT64), size))
    signed = op.Mul(
        rest, op.Sub(op.const(1.0, DType.FLOAT64), op.Mul(_negative(op, wide), op.const(2.0, DType.FLOAT64)))
    )
    # A finite number is its own remainder of infinity.
    largest = op.const(1e300, DType.FLOAT64)
    infinite = op.And(op.Greater(size, largest), op.Less(op.Abs(wide), largest))
    return op.Where(infinite, wide, signed)


def _negative(op: Op, value: Value) -> Value:
    return op.cast(op.Less(value, op.const_like(0, value)), op.dtype(value))
