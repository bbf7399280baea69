"""Operators on the bits of integers; of bool they are the logical ones."""

from __future__ import annotations

from onnxport_ir import DType, Value

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
