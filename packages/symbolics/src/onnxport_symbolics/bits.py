"""Shifts of integers by arithmetic, for opsets and types that have none."""

from __future__ import annotations

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.op import Op


def shifted(op: Op, x: Value, amount: Value, direction: str) -> Value:
    """A shift by arithmetic in int64; what is shifted out is lost.

    Raises:
        NeedsOpset: for uint64, of which int64 does not hold all values.
    """
    dtype = op.dtype(x)
    if dtype is DType.UINT64:
        raise op.needs_opset("BitShift of u64", 11)
    count = dtype.bits
    wide, steps = op.cast(x, DType.INT64), op.cast(amount, DType.INT64)
    inside = op.And(op.Greater(steps, op.const(-1, DType.INT64)), op.Less(steps, op.const(min(count, 63), DType.INT64)))
    steps = op.Mul(steps, op.cast(inside, DType.INT64))
    power = op.Gather(op.const(2 ** np.arange(63, dtype=np.int64), DType.INT64), steps, axis=0)
    if direction == "RIGHT":
        result = op.Div(op.Sub(wide, op.Mod(wide, power)), power)
        beyond = op.Sub(op.const(0, DType.INT64), op.cast(op.Less(wide, op.const(0, DType.INT64)), DType.INT64))
    else:
        # int64 drops what is shifted beyond it; narrower types drop it in the cast, to which only their bits are left.
        result = op.Mul(wide, power)
        beyond = op.const(0, DType.INT64)
        if count == 64:
            top = op.Equal(op.cast(amount, DType.INT64), op.const(63, DType.INT64))
            sign = op.Mul(op.Mod(wide, op.const(2, DType.INT64)), op.const(-(2**63), DType.INT64))
            return op.Where(top, sign, op.Where(inside, result, beyond))
        result = _wrapped(op, result, dtype)
    return op.cast(op.Where(inside, result, beyond), dtype)


def _wrapped(op: Op, value: Value, dtype: DType) -> Value:
    """``value`` modulo the width of a narrow type, in its range."""
    rest = op.Mod(value, op.const(2**dtype.bits, DType.INT64))
    if not dtype.is_signed:
        return rest
    above = op.cast(op.Greater(rest, op.const(2 ** (dtype.bits - 1) - 1, DType.INT64)), DType.INT64)
    return op.Sub(rest, op.Mul(above, op.const(2**dtype.bits, DType.INT64)))
