"""Arithmetic on two or three tensors, with torch's type promotion."""

from __future__ import annotations

import math
from collections.abc import Callable

from onnxport_ir import DType, Value
from onnxport_ir.rules.sizes import is_nonnegative, quotient

from onnxport_symbolics.aten.casts import HALVES, as_float, real_dtype, widened
from onnxport_symbolics.op import OnnxOperator, Op
from onnxport_symbolics.promote import TensorOrNumber, as_dtype, promote, promote_dtypes, result_dtype
from onnxport_symbolics.registry import aten

#: The largest exponent of integers that is written out in multiplications; ``Pow`` of a runtime goes through float64.
_LARGEST_UNROLLED_POWER = 64


def promote_real(op: Op, *operands: TensorOrNumber, to_float: bool = False) -> list[Value]:
    """As :func:`promote`, refusing complex numbers, for which ONNX has no arithmetic."""
    values = promote(op, *operands, to_float=to_float)
    real_dtype(op, values[0])
    return values


def _with_exact_number(
    op: Op, self: TensorOrNumber, other: TensorOrNumber, *, always: bool
) -> tuple[Value, Value] | None:
    """A tensor of half precision and a number that is none, in float32; None for other operands.

    torch multiplies and divides by the number as it is. Rounded, it costs one unit in the last place of the result,
    unless it overflows, or nearly vanishes, or the result is rounded to an integer (``always``).
    """
    for tensor, number in ((self, other), (other, self)):
        if not isinstance(tensor, Value) or tensor.dtype not in HALVES:
            continue
        value = known_number(number) if not isinstance(number, Value) or number.rank == 0 else None
        if value is None or _is_half(value, tensor.dtype, always):
            continue
        wide, constant = op.cast(tensor, DType.FLOAT32), op.const(value, DType.FLOAT32)
        return (wide, constant) if tensor is self else (constant, wide)
    return None


def _is_half(number: float, half: DType | None, exactly: bool) -> bool:
    """Whether a number is one of a half-precision type, or rounded to one."""
    size = abs(number)
    digits, smallest, largest = (11, 2.0**-14, 65504.0) if half is DType.FLOAT16 else (8, 2.0**-126, 3.38e38)
    if not math.isfinite(number) or size == 0:
        return True
    if not smallest <= size <= largest:
        return False
    return not exactly or (math.frexp(size)[0] * 2**digits).is_integer()


def known_number(value: TensorOrNumber) -> float | None:
    """The number that an operand holds in all of its elements, if it is known."""
    if not isinstance(value, Value):
        return float(value)
    if value.const is None or value.is_weight:
        return None
    array = value.array()
    return float(array.reshape(-1)[0]) if array.size == 1 else None


def as_number(op: Op, number: TensorOrNumber, like: Value) -> TensorOrNumber:
    """A number of the script language that is not known, in the type that it is promoted to as a number is.

    Its value is of type int64, float64 or bool; as a tensor it would make ``like`` float64.
    """
    if not isinstance(number, Value):
        return number
    dtype = op.dtype(number)
    example = False if dtype is DType.BOOL else 1.0 if dtype.is_float else 1
    return op.cast(number, result_dtype(op, like, example))


def with_number(function: Callable[[Op, TensorOrNumber, TensorOrNumber], Value], *names: str) -> None:
    """Register the overloads whose second operand is a number of a function of two tensors."""

    def of_number(op: Op, self: Value, other: TensorOrNumber) -> Value:
        return function(op, self, as_number(op, other, self))

    of_number.__doc__ = f"{names[0]}(Tensor self, Scalar other) -> Tensor"
    aten(*names)(of_number)


def _with_scaled_number(function: Callable[..., Value], *names: str) -> None:
    def of_number(op: Op, self: Value, other: TensorOrNumber, alpha: TensorOrNumber = 1) -> Value:
        return function(op, self, as_number(op, other, self), alpha)

    of_number.__doc__ = f"{names[0]}(Tensor self, Scalar other, Scalar alpha=1) -> Tensor"
    aten(*names)(of_number)


@aten("add.Tensor")
def add(op: Op, self: TensorOrNumber, other: TensorOrNumber, alpha: TensorOrNumber = 1) -> Value:
    """add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor"""
    left, right = promote_real(op, self, other)
    if left.dtype is DType.BOOL:
        return op.Or(left, _scaled(op, right, alpha))
    return _with_scaled(op, op.Add, left, right, alpha)


@aten("sub.Tensor", "subtract.Tensor")
def sub(op: Op, self: TensorOrNumber, other: TensorOrNumber, alpha: TensorOrNumber = 1) -> Value:
    """sub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor"""
    left, right = promote_real(op, self, other)
    return _with_scaled(op, op.Sub, left, right, alpha)


@aten("rsub.Tensor")
def rsub(op: Op, self: TensorOrNumber, other: TensorOrNumber, alpha: TensorOrNumber = 1) -> Value:
    """rsub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor"""
    return sub(op, other, self, alpha)


@aten("mul.Tensor", "multiply.Tensor")
def mul(op: Op, self: TensorOrNumber, other: TensorOrNumber) -> Value:
    """mul.Tensor(Tensor self, Tensor other) -> Tensor"""
    exact = _with_exact_number(op, self, other, always=False)
    if exact is not None:
        return op.cast(op.Mul(*exact), result_dtype(op, self, other))
    left, right = promote_real(op, self, other)
    return op.And(left, right) if left.dtype is DType.BOOL else op.Mul(left, right)


def _with_scaled(op: Op, operator: OnnxOperator, left: Value, right: Value, alpha: TensorOrNumber) -> Value:
    """``left`` and ``alpha * right``, added or subtracted; the product is not rounded to half precision."""
    if _is_one(alpha):
        return operator(left, right)
    wide, other = widened(op, left, right)
    return op.cast(operator(wide, _scaled(op, other, alpha)), op.dtype(left))


def _is_one(number: TensorOrNumber) -> bool:
    return not isinstance(number, Value) and number == 1


def _scaled(op: Op, value: Value, alpha: TensorOrNumber) -> Value:
    if _is_one(alpha):
        return value
    factor = as_dtype(op, alpha, op.dtype(value))
    return op.And(value, factor) if value.dtype is DType.BOOL else op.Mul(value, factor)


@aten("div.Tensor", "div.Tensor_mode", "divide.Tensor", "divide.Tensor_mode")
def div(op: Op, self: TensorOrNumber, other: TensorOrNumber, rounding_mode: str | None = None) -> Value:
    """div.Tensor_mode(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor"""
    if rounding_mode == "floor":
        return floor_divide(op, self, other)
    if rounding_mode not in (None, "trunc"):
        raise op.refuse(f"division with rounding_mode={rounding_mode!r}")
    exact = _with_exact_number(op, self, other, always=rounding_mode is not None)
    if exact is not None:
        quotient = op.Div(*exact)
        return op.cast(truncate(op, quotient) if rounding_mode else quotient, result_dtype(op, self, other))
    left, right = promote_real(op, self, other, to_float=rounding_mode is None)
    quotient = op.Div(left, right)
    return truncate(op, quotient) if rounding_mode and op.dtype(left).is_float else quotient


@aten("true_divide.Tensor")
def true_divide(op: Op, self: TensorOrNumber, other: TensorOrNumber) -> Value:
    """true_divide.Tensor(Tensor self, Tensor other) -> Tensor"""
    return div(op, self, other)


def truncate(op: Op, x: Value) -> Value:
    """``x`` rounded towards 0; the sign of a zero is kept."""
    return op.Mul(op.Sign(x), op.Floor(op.Abs(x)))


@aten("div.Scalar", "div.Scalar_mode", "divide.Scalar", "divide.Scalar_mode")
def div_number(op: Op, self: Value, other: TensorOrNumber, rounding_mode: str | None = None) -> Value:
    """div.Scalar_mode(Tensor self, Scalar other, *, str? rounding_mode) -> Tensor"""
    return div(op, self, as_number(op, other, self), rounding_mode)


@aten("floor_divide")
def floor_divide(op: Op, self: TensorOrNumber, other: TensorOrNumber) -> Value:
    """floor_divide(Tensor self, Tensor other) -> Tensor"""
    exact = _with_exact_number(op, self, other, always=True)
    if exact is not None:
        return op.cast(_floor_divide_floats(op, *exact), result_dtype(op, self, other))
    left, right = promote_real(op, self, other)
    if op.dtype(left).is_float:
        return _floor_divide_floats(op, left, right)
    if left.rank == 0 or op.known_dims(left) is not None or _is_never_negative(op, left):
        return floor_divide_integers(op, left, right)
    return _floor_divide_any(op, left, right)


def _floor_divide_floats(op: Op, left: Value, right: Value) -> Value:
    # The quotient of the exact remainder, as torch computes it: 1.0 // 0.1 is 9, though 1.0 / 0.1 rounds to 10.
    rest = op.Mod(left, right, fmod=1)
    quotient = op.Div(op.Sub(left, rest), right)
    quotient = op.Round(op.Sub(quotient, op.cast(_is_off(op, rest, right), op.dtype(left))))
    if known_number(right) not in (None, 0.0):
        return quotient
    return op.Where(op.Equal(right, op.const_like(0, right)), op.Div(left, right), quotient)


def floor_divide_integers(op: Op, left: Value, right: Value) -> Value:
    """The quotient rounded down of integers that are far from the bounds of their type; ONNX rounds to 0."""
    if _is_never_negative(op, left) and _is_never_negative(op, right):
        return op.Div(left, right)
    result = op.Div(op.Sub(left, op.Mod(left, right)), right)
    sizes, divisor = op.known_dims(left), known_number(right)
    if result.symbolic is None and sizes is not None and divisor:
        # So that shapes made of sizes keep their formula: (n - 1) // 2.
        result.symbolic = tuple(quotient(size, int(divisor)) for size in sizes)
    return result


def _floor_divide_any(op: Op, left: Value, right: Value) -> Value:
    """The quotient of integers rounded towards 0, less 1 where that is too much; nothing overflows."""
    divisor = known_number(right)
    towards_zero = op.Div(left, right)
    product = op.Mul(towards_zero, right)
    if divisor is not None:
        off = op.Less(left, product) if divisor > 0 else op.Less(product, left)
    else:
        positive = op.Less(op.const_like(0, right), right)
        off = op.Where(positive, op.Less(left, product), op.Less(product, left))
    return op.Sub(towards_zero, op.cast(off, op.dtype(left)))


def _is_never_negative(op: Op, value: Value) -> bool:
    if value.dtype in (DType.BOOL, DType.UINT8, DType.UINT16, DType.UINT32, DType.UINT64):
        return True
    if value.const is not None and not value.is_weight:
        return bool((value.array() >= 0).all())
    dims = op.known_dims(value)
    return dims is not None and all(is_nonnegative(dim) for dim in dims)


def _is_off(op: Op, rest: Value, divisor: Value) -> Value:
    """Whether a remainder has not the divisor's sign, and is not 0."""
    zero = op.const_like(0, rest)
    number = known_number(divisor)
    if number is not None and number != 0:
        return op.Less(rest, zero) if number > 0 else op.Less(zero, rest)
    return op.Less(op.Mul(rest, op.Sign(divisor)), zero)


@aten("remainder.Tensor", "remainder.Scalar_Tensor")
def remainder(op: Op, self: TensorOrNumber, other: TensorOrNumber) -> Value:
    """remainder.Tensor(Tensor self, Tensor other) -> Tensor; it has the sign of ``other``"""
    left, right = promote_real(op, self, other)
    if not op.dtype(left).is_float:
        return op.Mod(left, right)
    rest = op.Mod(left, right, fmod=1)
    return op.Where(_is_off(op, rest, right), op.Add(rest, right), rest)


@aten("fmod.Tensor")
def fmod(op: Op, self: TensorOrNumber, other: TensorOrNumber) -> Value:
    """fmod.Tensor(Tensor self, Tensor other) -> Tensor; it has the sign of ``self``"""
    left, right = promote_real(op, self, other)
    return op.Mod(left, right, fmod=1)


@aten("pow.Tensor_Tensor", "pow.Scalar")
def pow_(op: Op, self: TensorOrNumber, exponent: TensorOrNumber) -> Value:
    """pow.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor; pow.Scalar(Scalar self, Tensor exponent) -> Tensor"""
    base, power = promote_real(op, self, exponent)
    if isinstance(exponent, Value):
        return op.Pow(base, power)
    if op.dtype(base).is_float:
        return _float_power(op, base, power, float(exponent))
    if base.dtype is DType.BOOL:
        # b ** False is True, b ** True is b.
        return base if exponent else op.Or(base, op.Not(base))
    return _integer_power(op, base, int(exponent))


def _float_power(op: Op, base: Value, power: Value, number: float) -> Value:
    """The powers that torch computes by other functions, which give other results for -inf and -0."""
    if number == 1:
        return base
    if number == 2:
        return op.Mul(base, base)
    if number in (0.5, -0.5):
        root = op.Sqrt(base)
        return root if number > 0 else op.Reciprocal(root)
    if number == -1:
        return op.Reciprocal(base)
    return op.Pow(base, power)


def _integer_power(op: Op, base: Value, number: int) -> Value:
    if number < 0:
        raise op.refuse("integers to a negative integer power")
    if number > _LARGEST_UNROLLED_POWER or number == 0:
        return op.Pow(base, op.const_like(number, base))
    result: Value | None = None
    square = base
    while True:
        if number % 2:
            result = square if result is None else op.Mul(result, square)
        number //= 2
        if result is not None and number == 0:
            return result
        square = op.Mul(square, square)


@aten("float_power")
def float_power(op: Op, self: TensorOrNumber, exponent: TensorOrNumber) -> Value:
    """float_power.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor"""
    base, power = (as_dtype(op, operand, DType.FLOAT64) for operand in (self, exponent))
    return op.Pow(base, power)


@aten("pow.Tensor_Scalar")
def pow_number(op: Op, self: Value, exponent: TensorOrNumber) -> Value:
    """pow.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor"""
    return pow_(op, self, as_number(op, exponent, self))


@aten("square")
def square(op: Op, self: Value) -> Value:
    """square(Tensor self) -> Tensor"""
    return pow_(op, self, 2)


@aten("ldexp.Tensor")
def ldexp(op: Op, self: TensorOrNumber, other: TensorOrNumber) -> Value:
    """ldexp.Tensor(Tensor self, Tensor other) -> Tensor"""
    return mul(op, self, pow_(op, 2.0, other))


@aten("addcmul")
def addcmul(op: Op, self: Value, tensor1: Value, tensor2: Value, value: TensorOrNumber = 1) -> Value:
    """addcmul(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor"""
    operands = promote_real(op, self, tensor1, tensor2)
    base, left, right = widened(op, *operands)
    return op.cast(op.Add(base, op.Mul(_scaled(op, left, value), right)), op.dtype(operands[0]))


@aten("addcdiv")
def addcdiv(op: Op, self: Value, tensor1: Value, tensor2: Value, value: TensorOrNumber = 1) -> Value:
    """addcdiv(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor"""
    operands = promote_real(op, self, tensor1, tensor2)
    base, left, right = widened(op, *operands)
    return op.cast(op.Add(base, op.Div(_scaled(op, left, value), right)), op.dtype(operands[0]))


@aten("lerp")
def lerp(op: Op, self: Value, end: Value, weight: TensorOrNumber) -> Value:
    """lerp.Tensor(Tensor self, Tensor end, Tensor weight) -> Tensor; lerp.Scalar(..., Scalar weight) -> Tensor"""
    dtype = promote_dtypes(op.dtype(self), op.dtype(end))
    start, stop = widened(op, op.cast(self, dtype), op.cast(end, dtype))
    return op.cast(_interpolated(op, start, stop, weight), dtype)


def _interpolated(op: Op, start: Value, stop: Value, weight: TensorOrNumber) -> Value:
    dtype = op.dtype(start)
    factor = as_dtype(op, weight, dtype)
    difference = op.Sub(stop, start)
    number = known_number(weight)
    # From the nearer end, as torch does, so that weight 1 gives `end` exactly.
    if number is not None and abs(number) >= 0.5:
        return op.Sub(stop, op.Mul(difference, as_dtype(op, 1 - number, dtype)))
    if number is not None:
        return op.Add(start, op.Mul(difference, factor))
    far = op.Sub(stop, op.Mul(difference, op.Sub(op.const_like(1, factor), factor)))
    near = op.Add(start, op.Mul(difference, factor))
    return op.Where(op.Less(op.Abs(factor), op.const_like(0.5, factor)), near, far)


@aten("hypot")
def hypot(op: Op, self: Value, other: Value) -> Value:
    """hypot(Tensor self, Tensor other) -> Tensor"""
    left, right = (op.Abs(operand) for operand in promote_real(op, self, other))
    # Scaled by the larger one, so that squares neither overflow nor vanish.
    larger = op.Max(left, right)
    scale = op.Where(op.Equal(larger, op.const_like(0, larger)), op.const_like(1, larger), larger)
    ratio = op.Div(op.Min(left, right), scale)
    length = op.Mul(larger, op.Sqrt(op.Add(op.Mul(ratio, ratio), op.const_like(1, ratio))))
    # An infinite side is an infinite length, whatever the other side is.
    return op.Where(op.Or(op.IsInf(left), op.IsInf(right)), op.const_like(math.inf, length), length)


@aten("atan2", "arctan2")
def atan2(op: Op, self: Value, other: Value) -> Value:
    """atan2(Tensor self, Tensor other) -> Tensor; the angle of the point (x=other, y=self)"""
    y, x = promote_real(op, self, other, to_float=True)
    zero, pi = op.const_like(0, y), op.const_like(3.141592653589793, y)
    # 0/0 must give 0, or pi if x is negative; the signs of zeros count. Infinities are as far as each other.
    diagonal = op.And(op.IsInf(x), op.IsInf(y))
    slope = op.Where(diagonal, op.Mul(op.Sign(x), op.Sign(y)), op.Div(y, x))
    angle = op.Atan(op.Where(op.And(op.Equal(y, zero), op.Not(op.IsNaN(x))), y, slope))
    half_turn = op.Where(is_sign_set(op, y), op.Neg(pi), pi)
    return op.Add(angle, op.Where(is_sign_set(op, x), half_turn, zero))


def is_sign_set(op: Op, x: Value) -> Value:
    """Whether the sign bit is set: for negative numbers and for -0."""
    negative = op.Less(x, op.const_like(0, x))
    if not op.dtype(x).is_float:
        return negative
    return op.Or(negative, op.Less(op.Reciprocal(x), op.const_like(0, x)))


@aten("signbit")
def signbit(op: Op, self: Value) -> Value:
    """signbit(Tensor self) -> Tensor"""
    if op.dtype(self) is DType.BOOL:
        return op.And(self, op.Not(self))
    return is_sign_set(op, self)


@aten("copysign")
def copysign(op: Op, self: Value, other: TensorOrNumber) -> Value:
    """copysign.Tensor(Tensor self, Tensor other) -> Tensor"""
    magnitude, sign = promote_real(op, self, other, to_float=True)
    magnitude = op.Abs(magnitude)
    return op.Where(is_sign_set(op, sign), op.Neg(magnitude), magnitude)


@aten("logaddexp")
def logaddexp(op: Op, self: Value, other: Value) -> Value:
    """logaddexp(Tensor self, Tensor other) -> Tensor"""
    left, right = promote_real(op, self, other, to_float=True)
    return op.Add(op.Max(left, right), op.Softplus(op.Neg(_distance(op, left, right))))


@aten("logaddexp2")
def logaddexp2(op: Op, self: Value, other: Value) -> Value:
    """logaddexp2(Tensor self, Tensor other) -> Tensor"""
    operands = promote_real(op, self, other, to_float=True)
    left, right = widened(op, *operands)
    ln2 = op.const_like(0.6931471805599453, left)
    difference = op.Mul(_distance(op, left, right), ln2)
    result = op.Add(op.Max(left, right), op.Div(op.Softplus(op.Neg(difference)), ln2))
    return op.cast(result, op.dtype(operands[0]))


def _distance(op: Op, left: Value, right: Value) -> Value:
    """``|left - right|``, which is 0 for two equal infinities."""
    return op.Where(op.Equal(left, right), op.const_like(0, left), op.Abs(op.Sub(left, right)))


@aten("heaviside")
def heaviside(op: Op, self: Value, values: Value) -> Value:
    """heaviside(Tensor self, Tensor values) -> Tensor"""
    x, at_zero = promote_real(op, self, values)
    if x.dtype is DType.BOOL:
        return op.Or(x, at_zero)
    zero = op.const_like(0, x)
    return op.Where(op.Equal(x, zero), at_zero, op.cast(op.Less(zero, x), op.dtype(x)))


@aten("deg2rad")
def deg2rad(op: Op, self: Value) -> Value:
    """deg2rad(Tensor self) -> Tensor"""
    x = as_float(op, self)
    return op.Mul(x, op.const_like(0.017453292519943295, x))


@aten("rad2deg")
def rad2deg(op: Op, self: Value) -> Value:
    """rad2deg(Tensor self) -> Tensor"""
    x = as_float(op, self)
    return op.Mul(x, op.const_like(57.29577951308232, x))


_with_scaled_number(add, "add.Scalar")
_with_scaled_number(sub, "sub.Scalar", "subtract.Scalar")
_with_scaled_number(rsub, "rsub.Scalar")
with_number(mul, "mul.Scalar", "multiply.Scalar")
with_number(true_divide, "true_divide.Scalar")
with_number(floor_divide, "floor_divide.Scalar")
with_number(remainder, "remainder.Scalar")
with_number(fmod, "fmod.Scalar")
