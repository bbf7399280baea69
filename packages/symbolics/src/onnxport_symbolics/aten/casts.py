"""Operators that change an element type or nothing at all, and dropout."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Concatenate, ParamSpec

from onnxport_ir import DType, Value

from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten

#: The types that torch computes in float32, and ONNX as the operator says.
HALVES = frozenset({DType.FLOAT16, DType.BFLOAT16})


def convert(op: Op, value: Value, dtype: DType) -> Value:
    """``value`` as ``dtype``; complex types have no cast in ONNX."""
    known = value.dtype
    if dtype is not known and (dtype.is_complex or (known is not None and known.is_complex)):
        raise op.refuse(f"a conversion from {known and known.short} to {dtype.short}")
    return op.cast(value, dtype)


def as_float(op: Op, value: Value) -> Value:
    """Integers and bool as float32, which is what torch's float functions compute them in; floats as they are."""
    dtype = op.dtype(value)
    if dtype.is_complex:
        raise op.refuse("this operator on complex numbers")
    return value if dtype.is_float else op.cast(value, DType.FLOAT32)


_P = ParamSpec("_P")
_Unary = Callable[Concatenate[Op, Value, _P], Value]


def in_single(function: _Unary[_P]) -> _Unary[_P]:
    """Let a function of a tensor compute in float32 what is given in half precision, as torch does.

    For what would lose digits by rounding in between; one ONNX operator, or two, need no more than they get.
    """

    @functools.wraps(function)
    def in_float32(op: Op, self: Value, *args: _P.args, **kwargs: _P.kwargs) -> Value:
        dtype = self.dtype
        if dtype not in HALVES:
            return function(op, self, *args, **kwargs)
        return op.cast(function(op, op.cast(self, DType.FLOAT32), *args, **kwargs), dtype)

    return in_float32  # type: ignore[return-value]  # it has names for what the type says is positional


def widened(op: Op, *values: Value) -> list[Value]:
    """Half precision as float32, for a function whose intermediate results would overflow, or lose digits."""
    return [op.cast(v, DType.FLOAT32) if v.dtype in HALVES else v for v in values]


def real_dtype(op: Op, value: Value) -> DType:
    """The element type of ``value``, which must not be complex."""
    dtype = op.dtype(value)
    if dtype.is_complex:
        raise op.refuse("this operator on complex numbers")
    return dtype


def filled_like(op: Op, value: Value, number: bool | float, dtype: DType) -> Value:
    """A tensor of the shape of ``value`` with every element ``number``."""
    return op.Expand(op.const(number, dtype), op.shape(value))


@aten("to")
def to(op: Op, self: Value, dtype: object = None, other: Value | None = None) -> Value:
    """to.dtype(Tensor self, ScalarType dtype, bool non_blocking=False, bool copy=False, MemoryFormat?) -> Tensor"""
    if other is not None:
        return convert(op, self, op.dtype(other))
    if dtype is None:
        return self
    found = DType.from_torch_number(dtype) if isinstance(dtype, int) else dtype
    if not isinstance(found, DType):
        raise op.refuse(f"a conversion to {dtype!r}")
    return convert(op, self, found)


@aten("_to_copy")
def to_copy(op: Op, self: Value, dtype: DType | None = None) -> Value:
    """_to_copy(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, ...) -> Tensor"""
    return self if dtype is None else convert(op, self, dtype)


@aten("type_as")
def type_as(op: Op, self: Value, other: Value) -> Value:
    """type_as(Tensor self, Tensor other) -> Tensor"""
    return convert(op, self, op.dtype(other))


@aten("_autocast_to_full_precision")
def autocast_to_full_precision(op: Op, self: Value, cuda_enabled: bool, cpu_enabled: bool) -> Value:
    """_autocast_to_full_precision(Tensor self, bool cuda_enabled, bool cpu_enabled) -> Tensor"""
    narrow = op.dtype(self) in (DType.FLOAT16, DType.BFLOAT16)
    return op.cast(self, DType.FLOAT32) if narrow and (cuda_enabled or cpu_enabled) else self


_NAMED_CASTS = {
    "Float": DType.FLOAT32,
    "Double": DType.FLOAT64,
    "Half": DType.FLOAT16,
    "Long": DType.INT64,
    "Int": DType.INT32,
    "Short": DType.INT16,
    "Char": DType.INT8,
    "Byte": DType.UINT8,
}


def _named_cast(name: str, dtype: DType) -> None:
    def cast(op: Op, self: Value) -> Value:
        return convert(op, self, dtype)

    cast.__doc__ = f"_cast_{name}(Tensor self, bool non_blocking=False) -> Tensor"
    aten(f"_cast_{name}")(cast)


for _name, _dtype in _NAMED_CASTS.items():
    _named_cast(_name, _dtype)


@aten("detach", "detach_copy", "alias", "alias_copy", "clone", "contiguous", "data", "cpu", "cuda", "pin_memory")
@aten("lift", "lift_fresh", "lift_fresh_copy", "resolve_conj", "resolve_neg")
def identity(op: Op, self: Value) -> Value:
    """clone(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor"""
    return self


@aten("conj", "conj_physical", "_conj", "real", "positive")
def real_identity(op: Op, self: Value) -> Value:
    """conj(Tensor self) -> Tensor; real(Tensor self) -> Tensor; of real numbers"""
    real_dtype(op, self)
    return self


@aten("dropout")
def dropout(op: Op, input: Value, p: float, train: bool) -> Value:
    """dropout(Tensor input, float p, bool train) -> Tensor"""
    if not train or p == 0:
        return input
    return _drop(op, input, p)


def _drop(op: Op, x: Value, p: float) -> Value:
    if p == 1:
        return op.Mul(x, op.const_like(0, x))
    return op.Dropout(x, op.const(p, DType.FLOAT32), op.const(True))


@aten("native_dropout")
def native_dropout(op: Op, input: Value, p: float, train: bool | None) -> tuple[Value, Value]:
    """native_dropout(Tensor input, float p, bool? train) -> (Tensor, Tensor)"""
    if train is False or p == 0:
        return input, filled_like(op, input, True, DType.BOOL)
    output, mask = op.multi("Dropout", 2, input, op.const(p, DType.FLOAT32), op.const(True))
    return output, mask


@aten("feature_dropout")
def feature_dropout(op: Op, input: Value, p: float, train: bool) -> Value:
    """feature_dropout(Tensor input, float p, bool train) -> Tensor; input (N, C, ...): whole channels are dropped"""
    if not train or p == 0:
        return input
    if p == 1:
        return _drop(op, input, p)
    kept = op.cast(_kept(op, _channels(op, input), p), op.dtype(input))
    return op.Mul(input, op.Mul(kept, op.const_like(1 / (1 - p), input)))


def _channels(op: Op, x: Value) -> Value:
    """One element of each channel: (N, C, 1, ...)."""
    axes = list(range(2, op.rank(x)))
    return op.Slice(x, op.const([0] * len(axes)), op.const([1] * len(axes)), op.const(axes)) if axes else x


def _kept(op: Op, x: Value, p: float) -> Value:
    """Which elements of a tensor are kept; bool.

    The mask of a dropout of the tensor itself: that of a constant would be drawn once, when a runtime folds it.
    """
    return op.multi("Dropout", 2, x, op.const(p, DType.FLOAT32), op.const(True))[1]


@aten("alpha_dropout")
def alpha_dropout(op: Op, input: Value, p: float, train: bool) -> Value:
    """alpha_dropout(Tensor input, float p, bool train) -> Tensor"""
    return _drop_to_alpha(op, input, input, p) if train else input


@aten("feature_alpha_dropout")
def feature_alpha_dropout(op: Op, input: Value, p: float, train: bool) -> Value:
    """feature_alpha_dropout(Tensor input, float p, bool train) -> Tensor; input (N, C, ...): whole channels"""
    return _drop_to_alpha(op, input, _channels(op, input), p) if train else input


#: What SELU tends to for small numbers: scale times alpha.
_SELU_LIMIT = 1.0507009873554805 * 1.6732632423543772


def _drop_to_alpha(op: Op, x: Value, like: Value, p: float) -> Value:
    """What is dropped becomes SELU's limit; all is then brought back to mean 0 and variance 1."""
    if p == 0:
        return x
    if p == 1:
        return _drop(op, x, p)
    scale = 1 / math.sqrt((1 - p) * (1 + p * _SELU_LIMIT**2))
    dropped = op.Where(_kept(op, like, p), x, op.const_like(-_SELU_LIMIT, x))
    return op.Add(op.Mul(dropped, op.const_like(scale, x)), op.const_like(scale * p * _SELU_LIMIT, x))
