"""Element by element: arithmetic, comparison, logic, conversion."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import ml_dtypes
import numpy as np

from onnxport_ir.dtypes import DType
from onnxport_ir.evaluate.call import Array, Call, Declined, Kernel, has_nan, is_float, is_integer, require

#: Results of functions that need not be rounded correctly are kept only for tensors up to this size.
_MAX_TRANSCENDENTAL = 1024
#: Below this an integer survives a detour through float64.
_EXACT = 1 << 53


def _pair(call: Call) -> tuple[Array, Array]:
    """Two operands of one element type that numpy computes with, whose broadcast result is small enough."""
    left, right = call[0], call[1]
    require(left.dtype == right.dtype and left.dtype.kind in "fiub")
    call.room(np.broadcast_shapes(left.shape, right.shape))
    return left, right


def _binary(function: Callable[..., Any]) -> Kernel:
    def kernel(call: Call) -> list[Array]:
        left, right = _pair(call)
        require(left.dtype.kind != "b")
        return [function(left, right)]

    return kernel


def _div(call: Call) -> list[Array]:
    left, right = _pair(call)
    if is_float(left):
        return [np.divide(left, right)]
    _check_division(left, right)
    # Rounded towards zero, where numpy rounds down.
    quotient = np.floor_divide(left, right)
    inexact = (left % right != 0) & ((left < 0) != (right < 0))
    return [(quotient + inexact).astype(left.dtype)]


def _check_division(left: Array, right: Array) -> None:
    require(is_integer(left) and bool((right != 0).all()))
    if left.dtype.kind == "i":
        # The one quotient that does not fit.
        require(not bool(((left == np.iinfo(left.dtype).min) & (right == -1)).any()))


def _mod(call: Call) -> list[Array]:
    left, right = _pair(call)
    if is_float(left):
        require(call.number("fmod", 0) == 1)
        return [np.fmod(left, right)]
    _check_division(left, right)
    return [np.fmod(left, right) if call.number("fmod", 0) else np.mod(left, right)]


def _pow(call: Call) -> list[Array]:
    base, exponent = call[0], call[1]
    require(base.dtype.kind in "fi" and exponent.dtype.kind in "fiu")
    shape = call.room(np.broadcast_shapes(base.shape, exponent.shape))
    require(math.prod(shape) <= _MAX_TRANSCENDENTAL)
    if is_float(base):
        return [np.power(base.astype(np.float64), exponent.astype(np.float64)).astype(base.dtype)]
    # Runtimes take integers through double, so only what double holds is the same everywhere.
    result = np.power(base.astype(np.float64), exponent.astype(np.float64))
    require(bool(np.isfinite(result).all()) and bool((np.abs(result) < _EXACT).all()))
    return [_float_to_int(result, base.dtype)]


def _variadic(function: Callable[..., Any]) -> Kernel:
    def kernel(call: Call) -> list[Array]:
        arrays = call.all()
        require(len({array.dtype for array in arrays}) == 1 and arrays[0].dtype.kind in "fiu")
        call.room(np.broadcast_shapes(*(array.shape for array in arrays)))
        require(not has_nan(*arrays))
        return [reduce(function, arrays)]

    return kernel


def _mean(call: Call) -> list[Array]:
    (total,) = _variadic(np.add)(call)
    require(is_float(total))
    return [total / total.dtype.type(len(call.arrays))]


def _unary(function: Callable[..., Any], kinds: str, limit: int | None = None) -> Kernel:
    def kernel(call: Call) -> list[Array]:
        data = call[0]
        require(data.dtype.kind in kinds and (limit is None or data.size <= limit))
        call.room(data.shape)
        return [np.asarray(function(data)).astype(data.dtype, copy=False)]

    return kernel


def _reciprocal(data: Array) -> Array:
    return np.asarray(np.divide(data.dtype.type(1), data))


def _sign(data: Array) -> Array:
    require(not has_nan(data))
    return np.asarray(np.sign(data))


def _relu(data: Array) -> Array:
    require(not has_nan(data))
    return np.asarray(np.maximum(data, data.dtype.type(0)))


def _clip(call: Call) -> list[Array]:
    data = call[0]
    low, high = _bound(call, "min", 1), _bound(call, "max", 2)
    require(data.dtype.kind in "fiu" and not has_nan(data))
    call.room(data.shape)
    for bound in (low, high):
        require(bound is None or (bound.dtype == data.dtype and bound.size == 1 and not has_nan(bound)))
    if low is not None:
        data = np.maximum(data, low.reshape(()))
    if high is not None:
        data = np.minimum(data, high.reshape(()))
    return [data]


def _bound(call: Call, name: str, index: int) -> Array | None:
    given = call.attribute(name)
    if isinstance(given, int | float):
        return np.asarray(given, call[0].dtype)
    return call[index] if call.has(index) else None


def _compare(function: Callable[..., Any]) -> Kernel:
    def kernel(call: Call) -> list[Array]:
        return [function(*_pair(call))]

    return kernel


def _logical(function: Callable[..., Any]) -> Kernel:
    def kernel(call: Call) -> list[Array]:
        left, right = _pair(call)
        require(left.dtype.kind == "b")
        return [function(left, right)]

    return kernel


def _bitwise(function: Callable[..., Any]) -> Kernel:
    def kernel(call: Call) -> list[Array]:
        left, right = _pair(call)
        require(is_integer(left))
        return [function(left, right)]

    return kernel


def _bit_shift(call: Call) -> list[Array]:
    data, count = _pair(call)
    # Shifting by the width or more, or a signed number, is not defined.
    require(data.dtype.kind == "u" and bool((count < data.dtype.itemsize * 8).all()))
    direction = call.attribute("direction")
    text = direction.decode() if isinstance(direction, bytes) else direction
    require(text in {"LEFT", "RIGHT"})
    return [np.left_shift(data, count) if text == "LEFT" else np.right_shift(data, count)]


def _is_inf(call: Call) -> list[Array]:
    data = call[0]
    require(is_float(data))
    positive = np.isposinf(data) & bool(call.number("detect_positive", 1))
    negative = np.isneginf(data) & bool(call.number("detect_negative", 1))
    return [positive | negative]


def _is_nan(call: Call) -> list[Array]:
    require(is_float(call[0]))
    return [np.isnan(call[0])]


def _where(call: Call) -> list[Array]:
    condition, left, right = call[0], call[1], call[2]
    require(condition.dtype.kind == "b" and left.dtype == right.dtype)
    call.room(np.broadcast_shapes(condition.shape, left.shape, right.shape))
    return [np.where(condition, left, right)]


def _cast(call: Call) -> list[Array]:
    number = call.number("to", 0)
    try:
        target = DType(number)
    except ValueError:
        raise Declined from None
    return [_convert(call, target.numpy)]


def _cast_like(call: Call) -> list[Array]:
    return [_convert(call, call[1].dtype)]


def _convert(call: Call, target: np.dtype[Any]) -> Array:
    data = call[0]
    call.room(data.shape)
    if data.dtype == target:
        return data
    bfloat16 = np.dtype(ml_dtypes.bfloat16)
    if data.dtype == bfloat16:
        data = data.astype(np.float32)
    require(data.dtype.kind in "fiub" and (target.kind in "fiub" or target == bfloat16))
    if is_float(data) and target.kind in "iu":
        return _float_to_int(data, target)
    if target.itemsize == 2 and target.kind not in "iu":
        # Runtimes go through float32 here, which rounds twice.
        return data.astype(np.float32).astype(target)
    return data.astype(target)


def _float_to_int(data: Array, target: np.dtype[Any]) -> Array:
    """Rounded towards zero; numbers that the type cannot hold are converted differently everywhere."""
    require(bool(np.isfinite(data).all()))
    whole = np.trunc(data.astype(np.float64))
    info = np.iinfo(target)
    # The bounds above 2**53 are powers of two or one below, so `<` with the power itself is exact.
    require(bool((whole >= float(info.min)).all()) and bool((whole < float(int(info.max) + 1)).all()))
    return whole.astype(target)


def _identity(call: Call) -> list[Array]:
    return [call[0]]


KERNELS: dict[str, Kernel] = {
    "Abs": _unary(np.abs, "fiu"),
    "Add": _binary(np.add),
    "And": _logical(np.logical_and),
    "BitShift": _bit_shift,
    "BitwiseAnd": _bitwise(np.bitwise_and),
    "BitwiseNot": _unary(np.invert, "iu"),
    "BitwiseOr": _bitwise(np.bitwise_or),
    "BitwiseXor": _bitwise(np.bitwise_xor),
    "Cast": _cast,
    "CastLike": _cast_like,
    "Ceil": _unary(np.ceil, "f"),
    "Clip": _clip,
    "Cos": _unary(np.cos, "f", _MAX_TRANSCENDENTAL),
    "Div": _div,
    "Equal": _compare(np.equal),
    "Exp": _unary(np.exp, "f", _MAX_TRANSCENDENTAL),
    "Floor": _unary(np.floor, "f"),
    "Greater": _compare(np.greater),
    "GreaterOrEqual": _compare(np.greater_equal),
    "Identity": _identity,
    "IsInf": _is_inf,
    "IsNaN": _is_nan,
    "Less": _compare(np.less),
    "LessOrEqual": _compare(np.less_equal),
    "Log": _unary(np.log, "f", _MAX_TRANSCENDENTAL),
    "Max": _variadic(np.maximum),
    "Mean": _mean,
    "Min": _variadic(np.minimum),
    "Mod": _mod,
    "Mul": _binary(np.multiply),
    "Neg": _unary(np.negative, "fi"),
    "Not": _unary(np.logical_not, "b"),
    "Or": _logical(np.logical_or),
    "Pow": _pow,
    "Reciprocal": _unary(_reciprocal, "f"),
    "Relu": _unary(_relu, "fi"),
    "Round": _unary(np.rint, "f"),
    "Sign": _unary(_sign, "fiu"),
    "Sin": _unary(np.sin, "f", _MAX_TRANSCENDENTAL),
    "Sqrt": _unary(np.sqrt, "f"),
    "Sub": _binary(np.subtract),
    "Sum": _variadic(np.add),
    "Tanh": _unary(np.tanh, "f", _MAX_TRANSCENDENTAL),
    "Where": _where,
    "Xor": _logical(np.logical_xor),
}
