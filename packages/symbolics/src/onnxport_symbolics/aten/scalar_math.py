"""Arithmetic on the numbers of the script language: Python's, on values where they are not known.

A known number is a Python number; another one is a value of rank 0 and type int64, float64 or bool.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from onnxport_ir import DType, Value

from onnxport_symbolics.aten import arithmetic, bitwise, comparison, elementwise
from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten, prim
from onnxport_symbolics.structures import as_vector

#: A number of the script language.
Number = bool | int | float | Value

_PAIRS = ("int", "float", "int_float", "float_int")
# Any: Python's own functions on numbers of all kinds.
_Known = Callable[..., Any]
_Build = Callable[..., Value]


def number_kind(op: Op, number: Number) -> type:
    """``bool``, ``int`` or ``float``: the script type of a number."""
    if not isinstance(number, Value):
        return type(number)
    dtype = op.dtype(number)
    return bool if dtype is DType.BOOL else float if dtype.is_float else int


def number_value(op: Op, number: Number, kind: type) -> Value:
    """A number as a value of the type that carries its kind."""
    return op.scalar(number, {bool: DType.BOOL, int: DType.INT64, float: DType.FLOAT64}[kind])


def common(op: Op, *numbers: Number, least: type = int) -> list[Value]:
    """Numbers as values of one type: float64 if one of them is a float."""
    kinds = {least, *(number_kind(op, number) for number in numbers)}
    kind = float if float in kinds else int if int in kinds else bool
    # From here on they are tensors of rank 0: between numbers, torch's rules for tensors hold in float64.
    op.numbers = frozenset()
    return [number_value(op, number, kind) for number in numbers]


def _python(op: Op, what: str, known: _Known, *numbers: Number) -> Any:  # Any: the number that the function gives
    try:
        return known(*numbers)
    except (ArithmeticError, ValueError) as error:
        raise op.refuse(f"{what} of {', '.join(map(str, numbers))}: {error}") from error


def binary(names: Sequence[str], known: _Known, build: _Build, least: type = int) -> None:
    """Register an operator of two numbers."""

    def function(op: Op, a: Number, b: Number) -> object:
        if not isinstance(a, Value) and not isinstance(b, Value):
            return _python(op, names[0], known, a, b)
        return build(op, *common(op, a, b, least=least))

    function.__doc__ = f"{names[0]}(Scalar a, Scalar b) -> Scalar"
    aten(*names)(function)


def _overloads(name: str, *overloads: str) -> list[str]:
    return [name, *(f"{name}.{overload}" for overload in overloads)]


def _pow(a: float, b: float) -> float:
    result = a**b
    if isinstance(result, complex):
        raise ValueError("the result is complex")
    return float(result)


def _truncated_quotient(a: int, b: int) -> int:
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


binary(_overloads("add", *_PAIRS), operator.add, lambda op, a, b: op.Add(a, b))
binary(_overloads("sub", *_PAIRS), operator.sub, lambda op, a, b: op.Sub(a, b))
binary(_overloads("mul", *_PAIRS), operator.mul, lambda op, a, b: op.Mul(a, b))
binary(_overloads("div", "int", "float"), operator.truediv, lambda op, a, b: op.Div(a, b), least=float)
binary(_overloads("floordiv", *_PAIRS), operator.floordiv, arithmetic.floor_divide)
binary(_overloads("remainder", *_PAIRS), operator.mod, arithmetic.remainder)
binary(_overloads("fmod", *_PAIRS), math.fmod, lambda op, a, b: op.Mod(a, b, fmod=1), least=float)
# Of two integers as well, scripts compute a power in float, unless the overload says otherwise.
binary(_overloads("pow", *_PAIRS, "Scalar_Scalar"), _pow, lambda op, a, b: op.Pow(a, b), least=float)
binary(["pow.int_to_int"], operator.pow, lambda op, a, b: op.Pow(a, b))
binary(_overloads("eq", *_PAIRS, "bool"), operator.eq, comparison.eq, least=bool)
binary(_overloads("ne", *_PAIRS, "bool"), operator.ne, comparison.ne, least=bool)
binary(_overloads("lt", *_PAIRS), operator.lt, comparison.lt, least=bool)
binary(_overloads("le", *_PAIRS), operator.le, comparison.le, least=bool)
binary(_overloads("gt", *_PAIRS), operator.gt, comparison.gt, least=bool)
binary(_overloads("ge", *_PAIRS), operator.ge, comparison.ge, least=bool)
binary(["__and__.bool"], operator.and_, lambda op, a, b: op.And(a, b), least=bool)
binary(["__or__.bool"], operator.or_, lambda op, a, b: op.Or(a, b), least=bool)
binary(["__xor__.bool"], operator.xor, lambda op, a, b: op.Xor(a, b), least=bool)
binary(["__lshift__.int"], operator.lshift, bitwise.left_shift)
binary(["__rshift__.int"], operator.rshift, bitwise.right_shift)
binary(["__round_to_zero_floordiv.int"], _truncated_quotient, lambda op, a, b: op.Div(a, b))
binary(["__and__.int"], operator.and_, lambda op, a, b: op.BitwiseAnd(a, b))
binary(["__or__.int"], operator.or_, lambda op, a, b: op.BitwiseOr(a, b))
binary(["__xor__.int"], operator.xor, lambda op, a, b: op.BitwiseXor(a, b))


def unary(names: Sequence[str], known: _Known, build: _Build, least: type = float) -> None:
    """Register a function of one number."""

    def function(op: Op, a: Number) -> object:
        if not isinstance(a, Value):
            return _python(op, names[0], known, a)
        return build(op, *common(op, a, least=least))

    function.__doc__ = f"{names[0]}(Scalar a) -> Scalar"
    aten(*names)(function)


def _floats(name: str) -> list[str]:
    return [f"{name}.int", f"{name}.float", f"{name}.Scalar"]


def _rounded(op_type: str) -> _Build:
    def build(op: Op, a: Value) -> Value:
        whole = op.multi(op_type, 1, a)[0] if op.dtype(a).is_float else a
        return op.cast(whole, DType.INT64)

    return build


unary(_floats("sqrt"), math.sqrt, lambda op, a: op.Sqrt(a))
unary(_floats("exp"), math.exp, lambda op, a: op.Exp(a))
unary(_floats("log"), math.log, lambda op, a: op.Log(a))
unary(_floats("log2"), math.log2, elementwise.log2)
unary(_floats("log10"), math.log10, elementwise.log10)
unary(_floats("log1p"), math.log1p, elementwise.log1p)
unary(_floats("sin"), math.sin, lambda op, a: op.Sin(a))
unary(_floats("cos"), math.cos, lambda op, a: op.Cos(a))
# ONNX Runtime has no Tan of float64.
unary(_floats("tan"), math.tan, lambda op, a: op.Div(op.Sin(a), op.Cos(a)))
unary(_floats("tanh"), math.tanh, lambda op, a: op.Tanh(a))
unary(["ceil.int", "ceil.float", "ceil.Scalar"], math.ceil, _rounded("Ceil"), least=int)
unary(["floor.int", "floor.float", "floor.Scalar"], math.floor, _rounded("Floor"), least=int)
unary(_floats("round"), lambda a: float(round(a)), lambda op, a: op.Round(a))
unary(["neg.int", "neg.float", "neg.Scalar"], operator.neg, lambda op, a: op.Neg(a), least=int)
unary(["isnan.float"], math.isnan, comparison.isnan)
unary(["isinf.float"], math.isinf, comparison.isinf)
unary(["isfinite.float"], math.isfinite, comparison.isfinite)


@aten("__not__")
def not_(op: Op, self: Number) -> bool | Value:
    """__not__(bool self) -> bool"""
    return op.Not(op.cast(self, DType.BOOL)) if isinstance(self, Value) else not self


@prim("abs")
def abs_(op: Op, a: Number) -> Number:
    """abs.int(int a) -> int"""
    return op.Abs(a) if isinstance(a, Value) else abs(a)


@prim("max", "max.int", "max.float", "max.int_float", "max.float_int")
def max_(op: Op, a: Number, b: Number) -> Number:
    """max.int(int a, int b) -> int"""
    if isinstance(a, Value) or isinstance(b, Value):
        return op.Max(*common(op, a, b))
    return max(a, b)


@prim("min", "min.int", "min.float", "min.int_float", "min.float_int")
def min_(op: Op, a: Number, b: Number) -> Number:
    """min.int(int a, int b) -> int"""
    if isinstance(a, Value) or isinstance(b, Value):
        return op.Min(*common(op, a, b))
    return min(a, b)


@prim("max.self_int", "max.self_float", "max.self_bool")
def max_of_list(op: Op, self: object) -> Number:
    """max.self_int(int[] self) -> int"""
    return op.ReduceMax(self, keepdims=0) if _is_vector(self) else _fold(op, max_, self)  # type: ignore[arg-type]  # asked


@prim("min.self_int", "min.self_float", "min.self_bool")
def min_of_list(op: Op, self: object) -> Number:
    """min.self_int(int[] self) -> int"""
    return op.ReduceMin(self, keepdims=0) if _is_vector(self) else _fold(op, min_, self)  # type: ignore[arg-type]  # asked


@aten("sum.int", "sum.float", "sum.bool")
def sum_of_list(op: Op, self: object) -> Number:
    """sum.int(int[] self) -> int"""
    if isinstance(self, Value) and self.const is None:
        (items,) = common(op, self)
        return op.ReduceSum(items, keepdims=0)
    return _fold(op, _plus, (0, *_items(self)))


def _is_vector(items: object) -> bool:
    return isinstance(items, Value) and items.const is None


def _items(items: object) -> tuple[Number, ...]:
    """The numbers of a list that is known, or was folded."""
    if isinstance(items, Value):
        return tuple(items.array().tolist())
    return items if isinstance(items, tuple) else ()


def _plus(op: Op, a: Number, b: Number) -> Number:
    if isinstance(a, Value) or isinstance(b, Value):
        return op.Add(*common(op, a, b))
    return a + b


def _fold(op: Op, function: Callable[[Op, Number, Number], Number], items: object) -> Number:
    numbers = _items(items)
    if not numbers:
        raise op.refuse("the largest or smallest of an empty list")
    result = numbers[0]
    for number in numbers[1:]:
        result = function(op, result, number)
    return result


_LISTS = ("int_list", "float_list", "bool_list", "str_list", "str", "device")


@aten(*(f"eq.{overload}" for overload in _LISTS))
def eq_lists(op: Op, a: object, b: object) -> bool | Value:
    """eq.int_list(int[] a, int[] b) -> bool"""
    if not isinstance(a, tuple) or not isinstance(b, tuple):
        if isinstance(a, Value) or isinstance(b, Value):
            return _equal_vectors(op, a, b)
        return a == b
    if len(a) != len(b):
        return False
    unknown: Value | None = None
    for left, right in zip(a, b, strict=True):
        if not isinstance(left, Value) and not isinstance(right, Value):
            if left != right:
                return False
            continue
        same = op.Equal(*common(op, left, right))
        unknown = same if unknown is None else op.And(unknown, same)
    return True if unknown is None else unknown


def _as_vector(op: Op, items: object, dtype: DType) -> Value:
    if not isinstance(items, tuple):
        raise op.refuse("a comparison of a list with what is none")
    return as_vector(op, items, dtype)


def _equal_vectors(op: Op, a: object, b: object) -> Value:
    """Whether two lists of numbers are equal of which the input decides how long one is."""
    dtype = next(op.dtype(side) for side in (a, b) if isinstance(side, Value))
    left, right = (side if isinstance(side, Value) else _as_vector(op, side, dtype) for side in (a, b))
    sizes = [op.Shape(side) for side in (left, right)]
    shorter = op.Min(*sizes)
    heads = [op.Slice(side, [0], shorter, [0]) for side in (left, right)]
    parted = op.ReduceSum(op.cast(op.Not(op.Equal(*heads)), DType.INT64), keepdims=0)
    return op.And(op.Equal(op.Squeeze(sizes[0], [0]), op.Squeeze(sizes[1], [0])), op.Equal(parted, op.const(0)))


@aten(*(f"ne.{overload}" for overload in _LISTS))
def ne_lists(op: Op, a: object, b: object) -> bool | Value:
    """ne.int_list(int[] a, int[] b) -> bool"""
    same = eq_lists(op, a, b)
    return op.Not(same) if isinstance(same, Value) else not same


@aten("__range_length")
def range_length(op: Op, lo: Number, hi: Number, step: Number) -> Number:
    """__range_length(int lo, int hi, int step) -> int"""
    if not isinstance(lo, Value) and not isinstance(hi, Value) and not isinstance(step, Value):
        return len(range(int(lo), int(hi), int(step)))
    first, last, stride = common(op, lo, hi, step)
    # Rounding up is rounding down of the negatives.
    turns = op.Neg(arithmetic.floor_divide(op, op.Sub(first, last), stride))
    return op.Max(turns, op.const(0))


@aten("__derive_index")
def derive_index(op: Op, index: Number, start: Number, step: Number) -> Number:
    """__derive_index(int index, int start, int step) -> int"""
    if not isinstance(index, Value) and not isinstance(start, Value) and not isinstance(step, Value):
        return start + index * step
    turn, first, stride = common(op, index, start, step)
    return op.Add(first, op.Mul(turn, stride))
