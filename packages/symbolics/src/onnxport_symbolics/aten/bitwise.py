"""Operators on the bits of integers; of bool they are the logical ones."""

from __future__ import annotations

from onnxport_ir import DType, TensorType, Value

from onnxport_symbolics.aten.arithmetic import floor_divide_integers, known_number
from onnxport_symbolics.op import Op
from onnxport_symbolics.promote import TensorOrNumber, promote
from onnxport_symbolics.registry import aten

#: Of the integers that shifts are computed in.
_BITS = 64
_TENSOR_OVERLOADS = ("Tensor", "Scalar", "Scalar_Tensor")


def _on_bits(name: str, dunder: str, logical: str, bits: str) -> None:
    def function(op: Op, self: TensorOrNumber, other: TensorOrNumber) -> Value:
        left, right = promote(op, self, other)
        return op.multi(logical if left.dtype is DType.BOOL else bits, 1, left, right)[0]

    function.__doc__ = f"{name}.Tensor(Tensor self, Tensor other) -> Tensor"
    names = [f"{name}.{overload}" for overload in _TENSOR_OVERLOADS]
    aten(*names, f"{dunder}.Tensor", f"{dunder}.Scalar")(function)


_on_bits("bitwise_and", "__and__", "And", "BitwiseAnd")
_on_bits("bitwise_or", "__or__", "Or", "BitwiseOr")
_on_bits("bitwise_xor", "__xor__", "Xor", "BitwiseXor")


@aten("bitwise_not")
def bitwise_not(op: Op, self: Value) -> Value:
    """bitwise_not(Tensor self) -> Tensor"""
    dtype = op.dtype(self)
    if dtype is DType.BOOL:
        return op.Not(self)
    if op.has("BitwiseNot"):
        return op.BitwiseNot(self)
    return op.Sub(op.const_like(-1 if dtype.is_signed else 2**dtype.bits - 1, self), self)


@aten("bitwise_left_shift.Tensor", "bitwise_left_shift.Tensor_Scalar", "bitwise_left_shift.Scalar_Tensor")
@aten("__lshift__.Tensor", "__lshift__.Scalar")
def left_shift(op: Op, self: TensorOrNumber, other: TensorOrNumber) -> Value:
    """bitwise_left_shift.Tensor(Tensor self, Tensor other) -> Tensor"""
    value, power, dtype = _power_of_two(op, self, other)
    return op.cast(op.Mul(value, power), dtype)


@aten("bitwise_right_shift.Tensor", "bitwise_right_shift.Tensor_Scalar", "bitwise_right_shift.Scalar_Tensor")
@aten("__rshift__.Tensor", "__rshift__.Scalar")
def right_shift(op: Op, self: TensorOrNumber, other: TensorOrNumber) -> Value:
    """bitwise_right_shift.Tensor(Tensor self, Tensor other) -> Tensor; the sign is shifted in"""
    value, power, dtype = _power_of_two(op, self, other)
    return op.cast(floor_divide_integers(op, value, power), dtype)


def _power_of_two(op: Op, self: TensorOrNumber, other: TensorOrNumber) -> tuple[Value, Value, DType]:
    """The operand to shift and ``2 ** other``, and the type of the result.

    ONNX's own shift takes unsigned integers only. Both are int64, in which a power that leaves nothing of a narrower
    type is still a number; what a multiplication then has too much, the cast back cuts off.
    """
    value, count = promote(op, self, other)
    dtype = op.dtype(value)
    if not dtype.is_integer or dtype is DType.UINT64:
        raise op.refuse(f"a shift of {dtype.short}")
    value = op.cast(value, DType.INT64)
    number = known_number(count)
    if number is None:
        return value, op.Pow(op.const(2), op.cast(count, DType.INT64)), dtype
    if not 0 <= number < _BITS - 1:
        raise op.refuse(f"a shift by {int(number)} bits")
    return value, op.const(2 ** int(number)), dtype


@aten("gcd")
def gcd(op: Op, self: Value, other: Value) -> Value:
    """gcd(Tensor self, Tensor other) -> Tensor; by Euclid's algorithm, until all elements are done"""
    left, right = promote(op, self, other)
    if not op.dtype(left).is_integer:
        raise op.refuse(f"gcd of {op.dtype(left).short}")
    shape = op.shape(op.Add(left, right))
    initial = [op.Expand(op.Abs(value), shape) for value in (left, right)]
    counter, flag = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ()))
    larger, smaller = (Value(value.value_type) for value in initial)
    with op.body([counter, flag, larger, smaller], name="euclid") as body:
        done = op.Equal(smaller, op.const_like(0, smaller))
        # A remainder by 1 is 0, where there is nothing left to divide by.
        rest = op.Mod(larger, op.Where(done, op.const_like(1, smaller), smaller))
        results = [_any_left(op, rest), op.Where(done, larger, smaller), rest]
        body.outputs = [op.own(value) for value in results]
    found = op.multi("Loop", 2, None, _any_left(op, initial[1]), *initial, body=body)[0]
    return op.retype(found, initial[0].value_type)


def _any_left(op: Op, rest: Value) -> Value:
    largest = op.ReduceMax(rest, keepdims=0) if op.rank(rest) else rest
    return op.Less(op.const_like(0, largest), largest)


@aten("lcm")
def lcm(op: Op, self: Value, other: Value) -> Value:
    """lcm(Tensor self, Tensor other) -> Tensor; 0 if both are"""
    left, right = promote(op, self, other)
    divisor = gcd(op, left, right)
    divisor = op.Max(divisor, op.const_like(1, divisor))
    return op.Abs(op.Mul(op.Div(left, divisor), right))
