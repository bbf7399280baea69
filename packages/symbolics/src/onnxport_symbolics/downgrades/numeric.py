"""Arithmetic and comparisons whose operands were broadcast, typed or bounded otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from onnxport_ir import DType, TensorType, Value

from onnxport_symbolics.bits import shifted
from onnxport_symbolics.calls import Call, downgrade, stand_in
from onnxport_symbolics.downgrades.axes import first
from onnxport_symbolics.downgrades.shaping import attribute_number
from onnxport_symbolics.op import Op

#: Integers of which no float type holds all values: there is no wider type to compute in.
WIDE = frozenset({DType.INT64, DType.UINT64})
#: Integers of which single precision does not hold all values; runtimes have few kernels of double precision.
WHERE_CHOSEN = WIDE | {DType.INT32, DType.UINT32}
#: float64 holds every integer up to this size.
_EXACT = 2**53 - 1
_HALF = 2**32


@downgrade("Max", "Min", at=12)
def extrema_of_floats(op: Op, call: Call) -> Call | Value:
    """Only floats were compared; integers that single precision does not hold are chosen by Where."""
    values = _given(call)
    if op.dtype(values[0]) not in WHERE_CHOSEN:
        return call
    result = values[0]
    for value in values[1:]:
        condition = op.Greater(result, value) if call.op_type == "Max" else op.Less(result, value)
        result = op.Where(condition, result, value)
    return result


@downgrade("Max", "Min", "Sum", "Mean", at=8)
def operands_of_one_shape(op: Op, call: Call) -> Call:
    """All operands had the same shape."""
    values = _given(call)
    if len({value.shape for value in values}) == 1 and values[0].shape is not None:
        return call
    # Expanding to one shape after the other broadcasts to what all of them have in common.
    common = values[0]
    for value in values[1:]:
        common = op.Expand(common, op.shape(value))
    shape = op.shape(common)
    return Call(call.op_type, [common, *(op.Expand(value, shape) for value in values[1:])], call.attributes)


@downgrade("Clip", at=12)
def clip_of_floats(op: Op, call: Call) -> Call | Value:
    """Only floats were clipped, and runtimes have no kernels of double precision; below 11, its bounds were others."""
    dtype = op.dtype(first(call))
    return _bounded(op, call) if dtype in WHERE_CHOSEN or dtype is DType.FLOAT64 else call


@downgrade("Clip", at=11)
def clip_bounds_become_attributes(op: Op, call: Call) -> Call | Value:
    """Bounds were attributes in single precision; others are applied by Max and Min."""
    data, low, high = first(call), call.operand("min"), call.operand("max")
    attributes = {}
    for name, bound in (("min", low), ("max", high)):
        if bound is not None:
            number = attribute_number(bound, 0.0)
            if number is None:
                return _bounded(op, call)
            attributes[name] = number
    return Call("Clip", [data], attributes)


def _bounded(op: Op, call: Call) -> Value:
    data, low, high = first(call), call.operand("min"), call.operand("max")
    if low is not None:
        data = op.Max(data, low)
    return data if high is None else op.Min(data, high)


@downgrade("Less", "Greater", at=9)
def ordering_of_floats(op: Op, call: Call) -> Call | Value:
    """Only floats were compared; 64-bit integers are compared in halves that float64 holds."""
    left, right = _given(call)
    if op.dtype(left) not in WIDE:
        return call
    compare: Callable[[Value, Value], Value] = op.Less if call.op_type == "Less" else op.Greater
    if _is_small(left) or _is_small(right):
        # Rounding to float64 is monotonous and leaves the constant as it is, so it changes no comparison with it.
        return compare(op.cast(left, DType.FLOAT64), op.cast(right, DType.FLOAT64))
    (left_high, left_low), (right_high, right_low) = halves(op, left), halves(op, right)
    decided = compare(op.cast(left_high, DType.FLOAT64), op.cast(right_high, DType.FLOAT64))
    rest = compare(op.cast(left_low, DType.FLOAT64), op.cast(right_low, DType.FLOAT64))
    return op.Or(decided, op.And(op.Equal(left_high, right_high), rest))


def halves(op: Op, value: Value) -> tuple[Value, Value]:
    """A 64-bit integer as ``high * 2**32 + low``, both of its sign, so that they are ordered as it is."""
    half = op.const_like(_HALF, value)
    high = op.Div(value, half)
    return high, op.Sub(value, op.Mul(high, half))


def _is_small(value: Value) -> bool:
    """Whether a value is a constant that float64 holds, and its neighbours too."""
    if value.const is None or value.is_weight:
        return False
    array = value.array()
    return array.size == 0 or bool(np.all((array >= -_EXACT) & (array <= _EXACT)))


@downgrade("Equal", at=11)
def equality_of_integers(op: Op, call: Call) -> Call | Value:
    """Only bool, int32 and int64 were compared; floats are equal if neither is less and neither is NaN."""
    left, right = _given(call)
    dtype = op.dtype(left)
    if dtype is DType.UINT64:
        return op.Not(op.cast(op.Sub(left, right), DType.BOOL))
    if not dtype.is_float:
        return call
    unequal = op.Or(op.Less(left, right), op.Greater(left, right))
    for value in (left, right):
        if value.const is None or value.is_weight or np.isnan(value.array()).any():
            unequal = op.Or(unequal, op.IsNaN(value))
    return op.Not(unequal)


@downgrade("Pow", at=12)
def power_of_one_type(op: Op, call: Call) -> Call | Value:
    """Base and exponent were floats of one type."""
    base, exponent = _given(call)
    dtype, power = op.dtype(base), op.dtype(exponent)
    whole = None
    if exponent.const is not None and not exponent.is_weight and exponent.array().size == 1 and not exponent.rank:
        number = exponent.array().reshape(()).item()
        whole = int(number) if math.isfinite(number) and abs(number) < 64 and number == int(number) else None
    if dtype.is_float:
        if dtype is power:
            return call
        if whole is not None:
            return op.Pow(base, op.const(whole, dtype))
        # The exponent is not rounded to a narrower type than its own.
        return op.cast(op.Pow(op.cast(base, DType.FLOAT64), op.cast(exponent, DType.FLOAT64)), dtype)
    if whole is not None and whole >= 0:
        return _power(op, base, whole)
    if dtype is DType.INT64 and power.is_integer:
        return _computed_power(op, base, op.cast(exponent, DType.INT64))
    if dtype is DType.INT64:
        raise op.needs_opset(f"Pow of int64 with an exponent of {power.short}", 12)
    return op.cast(op.Pow(op.cast(base, DType.FLOAT64), op.cast(exponent, DType.FLOAT64)), dtype)


@stand_in("Pow")
def power_of_integers(op: Op, call: Call) -> Call | Value:
    """ONNX Runtime computes powers of integers in double precision: they are wrong beyond 2**53, and of 0."""
    base, exponent = _given(call)
    dtype = op.dtype(base)
    if not dtype.is_integer or not op.dtype(exponent).is_integer:
        return call
    if exponent.const is not None and not exponent.is_weight and exponent.array().size == 1 and not exponent.rank:
        number = int(exponent.array().reshape(()).item())
        if number >= 0:
            return _power(op, base, number)
    return op.cast(_computed_power(op, op.cast(base, DType.INT64), op.cast(exponent, DType.INT64)), dtype)


def _power(op: Op, base: Value, exponent: int) -> Value:
    """A power of integers by squaring."""
    result: Value | None = None
    square = base
    while exponent:
        if exponent & 1:
            result = square if result is None else op.Mul(result, square)
        exponent >>= 1
        if exponent:
            square = op.Mul(square, square)
    # The zeroth power has the shape of its base.
    return op.Add(op.Mul(base, op.const(0, op.dtype(base))), op.const(1, op.dtype(base))) if result is None else result


def _computed_power(op: Op, base: Value, exponent: Value) -> Value:
    """A power of integers by squaring, one bit of the exponent after the other, modulo 2**64."""
    zero, one, two = (op.const(number, DType.INT64) for number in (0, 1, 2))
    positive = op.Mul(exponent, op.cast(op.Greater(exponent, zero), DType.INT64))
    # All that is carried has the shape of the result.
    spread = op.Mul(op.Mul(base, exponent), zero)
    start = [op.Add(spread, value) for value in (one, base, positive)]
    counter, flag = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ()))
    result, square, rest = (Value(value.value_type) for value in start)
    with op.body([counter, flag, result, square, rest], name="power") as body:
        half = op.Div(rest, two)
        bit = op.Sub(rest, op.Mul(half, two))
        factor = op.Add(one, op.Mul(bit, op.Sub(square, one)))
        outputs = [op.Mul(result, factor), op.Mul(square, square), half]
        body.outputs = [op.alias(flag), *map(op.own, outputs)]
    bits = op.const(63, DType.INT64)
    powers = op.multi("Loop", 3, bits, op.const(True, DType.BOOL), *start, body=body)[0]
    # One over a number is 0 but for 1 and -1, which are their own inverses: parity decides.
    is_unit = op.cast(op.Equal(op.Mul(base, base), one), DType.INT64)
    parity = op.Sub(exponent, op.Mul(op.Div(exponent, two), two))
    inverse = op.Mul(is_unit, op.Add(one, op.Mul(op.Mul(parity, parity), op.Sub(base, one))))
    return op.Where(op.Less(op.Add(spread, exponent), zero), inverse, powers)


@downgrade("MatMul", at=9)
def product_of_floats(op: Op, call: Call) -> Call | Value:
    """Only floats were multiplied; sums of integer products are written out."""
    left, right = _given(call)
    if op.dtype(left).is_float:
        return call
    drop = []
    if op.rank(left) == 1:
        left = op.Unsqueeze(left, [0])
        drop.append(-2)
    if op.rank(right) == 1:
        right = op.Unsqueeze(right, [1])
        drop.append(-1)
    products = op.Mul(op.Unsqueeze(left, [-1]), op.Unsqueeze(right, [-3]))
    result = op.ReduceSum(products, [-2], keepdims=0)
    return op.Squeeze(result, drop) if drop else result


@downgrade("Gemm", at=11)
def gemm_with_bias(op: Op, call: Call) -> Call:
    """The third operand was required."""
    if len(call.operands) < 3 or call.operands[2] is None:
        call.operands = [*call.operands[:2], op.const(0, op.dtype(first(call)))]
    return call


@downgrade("Gemm", at=9)
def gemm_of_floats(op: Op, call: Call) -> Call | Value:
    """Only floats were multiplied."""
    left, right, bias = _given(call)
    dtype = op.dtype(left)
    if dtype.is_float:
        return call
    alpha, beta = (float(call.attributes.get(name, 1.0)) for name in ("alpha", "beta"))
    if alpha != int(alpha) or beta != int(beta):
        raise op.needs_opset(f"Gemm of {dtype.short} with alpha={alpha} and beta={beta}", 9)
    left = op.Transpose(left, perm=[1, 0]) if call.attributes.get("transA", 0) else left
    right = op.Transpose(right, perm=[1, 0]) if call.attributes.get("transB", 0) else right
    product = op.Mul(op.MatMul(left, right), op.const(int(alpha), dtype))
    return op.Add(product, op.Mul(bias, op.const(int(beta), dtype)))


@downgrade("Relu", at=14)
def relu_of_floats(op: Op, call: Call) -> Call | Value:
    """Only floats were taken."""
    data = first(call)
    return op.Max(data, op.const(0, DType.INT64)) if op.dtype(data) is DType.INT64 else call


@downgrade("PRelu", at=9)
def prelu_of_floats(op: Op, call: Call) -> Call | Value:
    """Only floats were taken."""
    data, slope = _given(call)
    dtype = op.dtype(data)
    return op.Where(op.Less(data, op.const(0, dtype)), op.Mul(data, slope), data) if dtype in WIDE else call


@downgrade("Celu", at=28)
def celu_of_single_precision(op: Op, call: Call) -> Call | Value:
    """Only float32 was taken; double precision is written out."""
    data = first(call)
    if op.dtype(data) is not DType.FLOAT64:
        return call
    alpha = op.const(float(call.attributes.get("alpha", 1.0)), DType.FLOAT64)
    falling = op.Mul(alpha, op.Elu(op.Div(op.Min(data, op.const(0, DType.FLOAT64)), alpha)))
    return op.Add(op.Relu(data), falling)


@downgrade("BitShift", at=28)
def shift_of_unsigned(op: Op, call: Call) -> Call | Value:
    """Only unsigned integers were shifted, and by less than their width."""
    data, amount = _given(call)
    dtype = op.dtype(data)
    if dtype.is_signed:
        return shifted(op, data, amount, str(call.attributes["direction"]))
    known = None if amount.const is None or amount.is_weight else amount.array()
    if known is not None and (known < dtype.bits).all():
        return call
    width = op.const(dtype.bits, dtype)
    inside = op.Less(amount, width)
    (result,) = op.emit(Call("BitShift", [data, op.Where(inside, amount, op.const(0, dtype))], call.attributes))
    return op.Where(inside, result, op.const(0, dtype))


@downgrade("Mod", at=28)
def remainder_of_floats(op: Op, call: Call) -> Call | Value:
    """The remainder of floats had the sign of the dividend; one with the divisor's is made of it."""
    dividend, divisor = _given(call)
    dtype = op.dtype(dividend)
    if not dtype.is_float or call.attributes.get("fmod", 0):
        return call
    return floored(op, op.Mod(dividend, divisor, fmod=1), divisor)


def floored(op: Op, rest: Value, divisor: Value) -> Value:
    """A remainder with the divisor's sign, of one with the dividend's."""
    zero = op.const_like(0, rest)
    other = op.Or(
        op.And(op.Less(rest, zero), op.Greater(divisor, zero)), op.And(op.Greater(rest, zero), op.Less(divisor, zero))
    )
    return op.Where(other, op.Add(rest, divisor), rest)


def _given(call: Call) -> list[Value]:
    """The operands, none of which may be left out."""
    return [value for value in call.operands if value is not None]
