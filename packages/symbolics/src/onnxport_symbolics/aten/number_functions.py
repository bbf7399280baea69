"""The functions of Python's ``math`` that script code calls, beyond those that are arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from onnxport_ir import DType, Value

from onnxport_symbolics.aten import arithmetic, bitwise, elementwise, normal, special
from onnxport_symbolics.aten.scalar_math import Number, binary, common, unary
from onnxport_symbolics.calls import Call
from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten

_PAIRS = ("int", "float", "int_float", "float_int", "Scalar_Scalar")


def _of_one(name: str) -> list[str]:
    return [f"{name}.int", f"{name}.float", f"{name}.Scalar"]


def _onnx(op: Op, value: Value, *, op_type: str) -> Value:
    return _computed(op, Call(op_type, [value], {}, 1))


def _computed(op: Op, call: Call) -> Value:
    """A function of one number, in single precision where ONNX Runtime has no other."""
    (value,) = call.operands
    if value is None or op.has_kernel(call):
        return op.multi(call.op_type, 1, *call.operands)[0]
    return op.cast(op.multi(call.op_type, 1, op.cast(value, DType.FLOAT32))[0], DType.FLOAT64)


def _in_single_precision(function: Callable[..., Value]) -> Callable[..., Value]:
    """A function of tensors that uses operators which ONNX Runtime has for float32 only."""

    def build(op: Op, *values: Value) -> Value:
        return op.cast(function(op, *(op.cast(value, DType.FLOAT32) for value in values)), DType.FLOAT64)

    return build


_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "Asin": math.asin,
    "Acos": math.acos,
    "Atan": math.atan,
    "Sinh": math.sinh,
    "Cosh": math.cosh,
    "Asinh": math.asinh,
    "Acosh": math.acosh,
    "Atanh": math.atanh,
    "Erf": math.erf,
}
for _op_type, _known in _FUNCTIONS.items():
    unary(_of_one(_op_type.lower()), _known, partial(_onnx, op_type=_op_type))

unary(_of_one("fabs"), math.fabs, lambda op, a: op.Abs(a))
unary(_of_one("expm1"), math.expm1, elementwise.expm1)
unary(_of_one("erfc"), math.erfc, _in_single_precision(normal.erfc))
unary(_of_one("lgamma"), math.lgamma, special.lgamma)
unary(_of_one("degrees"), math.degrees, lambda op, a: op.Mul(a, op.const_like(180 / math.pi, a)))
unary(_of_one("radians"), math.radians, lambda op, a: op.Mul(a, op.const_like(math.pi / 180, a)))
binary([f"atan2.{pair}" for pair in _PAIRS], math.atan2, _in_single_precision(arithmetic.atan2), least=float)
binary([f"copysign.{pair}" for pair in _PAIRS], math.copysign, arithmetic.copysign, least=float)
binary(["gcd.int"], math.gcd, bitwise.gcd)


def _ieee_remainder(op: Op, a: Value, b: Value) -> Value:
    """What is left of ``a`` after the nearest multiple of ``b``."""
    return op.Sub(a, op.Mul(op.Round(op.Div(a, b)), b))


binary([f"mathremainder.{pair}" for pair in _PAIRS[:4]], math.remainder, _ieee_remainder, least=float)


@aten("divmod.int", "divmod.float", "divmod.int_float", "divmod.float_int")
def divmod_(op: Op, x: Number, y: Number) -> tuple[Number, Number]:
    """divmod.int(int x, int y) -> (int, int)"""
    if not isinstance(x, Value) and not isinstance(y, Value):
        if not y:
            raise op.refuse(f"a division of {x} by zero")
        return divmod(x, y)
    left, right = common(op, x, y)
    return arithmetic.floor_divide(op, left, right), arithmetic.remainder(op, left, right)


@aten("modf")
def modf(op: Op, a: Number) -> tuple[Number, Number]:
    """modf(float a) -> (float, float)"""
    if not isinstance(a, Value):
        return math.modf(a)
    whole = elementwise.trunc(op, a)
    return op.Sub(a, whole), whole


@aten("ldexp")
def ldexp(op: Op, x: Number, i: Number) -> Number:
    """ldexp(float x, int i) -> float"""
    if not isinstance(x, Value) and not isinstance(i, Value):
        return math.ldexp(x, int(i))
    mantissa, exponent = common(op, x, i, least=float)
    return op.Mul(mantissa, op.Pow(op.const(2.0, DType.FLOAT64), exponent))


@aten("gamma.int", "gamma.float", "gamma.Scalar")
def gamma(op: Op, a: float) -> float:
    """gamma.float(float a) -> float"""
    return math.gamma(a)


@aten("factorial.int")
def factorial(op: Op, a: int) -> int:
    """factorial.int(int a) -> int"""
    if a < 0:
        raise op.refuse(f"the factorial of {a}")
    return math.factorial(a)
