"""Integers that are known or not: arithmetic on sizes and indices that stays in Python as far as it can."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnxport_ir import DType, Value
from onnxport_ir.rules.contents import contents

from onnxport_symbolics.op import Int, Op

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)


def known_ints(value: Value | None) -> tuple[int, ...] | None:
    """The elements of an integer value of rank 0 or 1 if all of them are numbers."""
    found = None if value is None else contents(value)
    if found is None:
        return None
    numbers = tuple(element for element in found if isinstance(element, int))
    return numbers if len(numbers) == len(found) else None


def settle(value: Int) -> Int:
    """``value`` as a number if it is one."""
    if isinstance(value, int):
        return value
    known = known_ints(value)
    return known[0] if known is not None and len(known) == 1 else value


def add(op: Op, left: Int, right: Int) -> Int:
    """``left + right``."""
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    if left == 0 or right == 0:
        return right if left == 0 else left
    return settle(op.Add(op.scalar(left, DType.INT64), op.scalar(right, DType.INT64)))


def sub(op: Op, left: Int, right: Int) -> Int:
    """``left - right``."""
    if isinstance(left, int) and isinstance(right, int):
        return left - right
    if right == 0:
        return left
    return settle(op.Sub(op.scalar(left, DType.INT64), op.scalar(right, DType.INT64)))


def mul(op: Op, left: Int, right: Int) -> Int:
    """``left * right``."""
    if isinstance(left, int) and isinstance(right, int):
        return left * right
    if left == 1 or right == 1:
        return right if left == 1 else left
    return settle(op.Mul(op.scalar(left, DType.INT64), op.scalar(right, DType.INT64)))


def product(op: Op, factors: Sequence[Int]) -> Int:
    """The product of ``factors``; 1 for none."""
    number = 1
    result: Int | None = None
    for factor in factors:
        if isinstance(factor, int):
            number *= factor
        else:
            result = factor if result is None else mul(op, result, factor)
    return number if result is None else mul(op, result, number)


def maximum(op: Op, left: Int, right: Int) -> Int:
    """The larger of two integers."""
    if isinstance(left, int) and isinstance(right, int):
        return max(left, right)
    return settle(op.Max(op.scalar(left, DType.INT64), op.scalar(right, DType.INT64)))


def minimum(op: Op, left: Int, right: Int) -> Int:
    """The smaller of two integers."""
    if isinstance(left, int) and isinstance(right, int):
        return min(left, right)
    return settle(op.Min(op.scalar(left, DType.INT64), op.scalar(right, DType.INT64)))


def item(op: Op, vector: Value, index: int) -> Int:
    """An element of an integer vector."""
    known = contents(vector)
    element = None if known is None else known[index]
    if isinstance(element, int):
        return element
    return settle(op.cast(op.Gather(vector, op.const(np.array(index)), axis=0), DType.INT64))


def length(vector: Value) -> int | None:
    """The number of elements of a value of rank 1, if it is known; 1 for rank 0."""
    if vector.shape is None or len(vector.shape) > 1:
        return None
    if not vector.shape:
        return 1
    return vector.shape[0] if isinstance(vector.shape[0], int) else None


def items(op: Op, vector: Value) -> list[Int] | None:
    """The elements of an integer vector of known length."""
    count = length(vector)
    return None if count is None else [item(op, vector, index) for index in range(count)]


def wrap(op: Op, indices: Value, size: Int) -> Value:
    """Indices of which negative ones count from the end, counted from the front."""
    dtype = op.dtype(indices)
    if indices.const is not None and not indices.is_weight:
        array = indices.array()
        if array.size == 0 or array.min() >= 0:
            return indices
        if isinstance(size, int):
            return op.const(np.where(array < 0, array + size, array), dtype)
    negative = op.cast(op.Less(indices, op.const(0, dtype)), dtype)
    return op.Add(indices, op.Mul(negative, op.scalar(size, dtype)))


def arange(op: Op, size: Int) -> Value:
    """0, 1, ... as int64; a constant if the size is known."""
    if isinstance(size, int):
        return op.const(np.arange(size, dtype=np.int64))
    return op.Range(op.const(0, DType.INT64), op.scalar(size, DType.INT64), op.const(1, DType.INT64))


def along(op: Op, vector: Value, axis: int, rank: int) -> Value:
    """A vector as a tensor of rank ``rank`` that has its elements along ``axis`` and size 1 elsewhere."""
    if rank == 1:
        return vector
    return op.Reshape(vector, [-1 if a == axis else 1 for a in range(rank)])
