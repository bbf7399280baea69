"""Bits of integers, by exact arithmetic: quotients and remainders of powers of two."""

from __future__ import annotations

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.bits import shifted
from onnxport_symbolics.calls import backport
from onnxport_symbolics.op import Op

_HALF = 2**32


@backport("BitwiseNot")
def bitwise_not(op: Op, x: Value) -> Value:
    """``-1 - x``, or the largest number less ``x``."""
    dtype = op.dtype(x)
    return op.Sub(op.const(np.iinfo(dtype.numpy).max if not dtype.is_signed else -1, dtype), x)


@backport("BitwiseAnd")
def bitwise_and(op: Op, left: Value, right: Value) -> Value:
    """Products of bits."""
    return _by_bits(op, left, right, op.Mul)


@backport("BitwiseOr")
def bitwise_or(op: Op, left: Value, right: Value) -> Value:
    """Sums of bits less their products."""
    return _by_bits(op, left, right, lambda a, b: op.Sub(op.Add(a, b), op.Mul(a, b)))


@backport("BitwiseXor")
def bitwise_xor(op: Op, left: Value, right: Value) -> Value:
    """Squared differences of bits."""
    return _by_bits(op, left, right, lambda a, b: op.Mul(op.Sub(a, b), op.Sub(a, b)))


def _by_bits(op: Op, left: Value, right: Value, combine: object) -> Value:
    """Take both operands apart along a new last axis, and put the combined bits together again."""
    dtype = op.dtype(left)
    if dtype is DType.UINT64 or not callable(combine):
        raise op.needs("BitwiseAnd")
    count = dtype.bits
    powers = 2 ** np.arange(min(count, 63), dtype=np.int64)
    bits = combine(*(_bits(op, op.cast(value, DType.INT64), powers, count) for value in (left, right)))
    weights = powers if count < 64 else np.append(powers, np.int64(-(2**63)))
    whole = op.ReduceSum(op.Mul(bits, op.const(weights % _HALF, DType.INT64)), [-1], keepdims=0)
    if count > 32:
        # In halves, as ONNX Runtime sums int64 in double precision.
        high = op.ReduceSum(op.Mul(bits, op.const(weights // _HALF, DType.INT64)), [-1], keepdims=0)
        whole = op.Add(whole, op.Mul(high, op.const(_HALF, DType.INT64)))
    if dtype.is_signed and count < 64:
        # The highest bit stands for a negative number.
        above = op.cast(op.Greater(whole, op.const(2 ** (count - 1) - 1, DType.INT64)), DType.INT64)
        whole = op.Sub(whole, op.Mul(above, op.const(2**count, DType.INT64)))
    return op.cast(whole, dtype)


def _bits(op: Op, value: Value, powers: np.ndarray[tuple[int], np.dtype[np.int64]], count: int) -> Value:
    """The bits of the two's complement along a new last axis, as 0 and 1."""
    column = op.Unsqueeze(value, [-1])
    # Rounding down is what shifts a negative number: what is less than the power is taken off first.
    steps = op.const(powers, DType.INT64)
    shifted = op.Div(op.Sub(column, op.Mod(column, steps)), steps)
    bits = op.Mod(shifted, op.const(2, DType.INT64))
    if count < 64:
        return bits
    return op.Concat(bits, op.cast(op.Less(column, op.const(0, DType.INT64)), DType.INT64), axis=-1)


@backport("BitShift")
def bit_shift(op: Op, x: Value, amount: Value, *, direction: str) -> Value:
    """Products with powers of two, and quotients rounded down."""
    return shifted(op, x, amount, direction)
