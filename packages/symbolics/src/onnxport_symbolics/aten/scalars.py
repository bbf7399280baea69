"""Sizes, and the numbers of the script language: known ones are Python numbers, others values of rank 0."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten, prim


@aten("size")
def size(op: Op, self: Value, dim: int | None = None) -> Int | Sequence[Int]:
    """size.int(Tensor self, int dim) -> int; size(Tensor self) -> int[]"""
    if self.rank is None:
        return op.Shape(self) if dim is None else op.Gather(op.Shape(self), op.const(dim))
    if dim is None:
        return tuple(op.dims(self))
    return op.dim(self, op.axis(self, dim))


@aten("dim")
def dim(op: Op, self: Value) -> Int:
    """dim(Tensor self) -> int"""
    return op.rank(self) if self.rank is not None else op.Size(op.Shape(self))


@aten("numel")
def numel(op: Op, self: Value) -> Int:
    """numel(Tensor self) -> int"""
    if self.rank is None:
        return op.Size(self)
    result: Int = 1
    for item in op.dims(self):
        result = (
            result * item
            if isinstance(result, int) and isinstance(item, int)
            else op.Mul(op.scalar(result, DType.INT64), op.scalar(item, DType.INT64))
        )
    return result


@prim("NumToTensor")
def num_to_tensor(op: Op, a: int | float | bool | Value) -> Value:
    """NumToTensor.Scalar(Scalar a) -> Tensor"""
    return a if isinstance(a, Value) else op.const(a)


@aten("Int", "IntImplicit")
def to_int(op: Op, a: int | float | bool | Value) -> Int:
    """Int.Tensor(Tensor a) -> int"""
    return number_from(op, a, DType.INT64) if isinstance(a, Value) else int(a)


@aten("Float", "FloatImplicit")
def to_float(op: Op, a: int | float | bool | Value) -> float | Value:
    """Float.Tensor(Tensor a) -> float"""
    return number_from(op, a, DType.FLOAT64) if isinstance(a, Value) else float(a)


@aten("Bool")
def to_bool(op: Op, a: int | float | bool | Value) -> bool | Value:
    """Bool.Tensor(Tensor a) -> bool"""
    return number_from(op, a, DType.BOOL) if isinstance(a, Value) else bool(a)


@aten("ScalarImplicit", "item")
def scalar_implicit(
    op: Op, a: int | float | bool | Value | None = None, self: int | float | bool | Value | None = None
) -> object:
    """ScalarImplicit(Tensor a) -> Scalar; item(Tensor self) -> Scalar"""
    given = self if a is None else a
    if not isinstance(given, Value):
        return given
    dtype = op.dtype(given)
    if dtype.is_complex:
        raise op.refuse("a complex number")
    kind = DType.BOOL if dtype is DType.BOOL else DType.FLOAT64 if dtype.is_float else DType.INT64
    return number_from(op, given, kind)


def number_from(op: Op, tensor: Value, dtype: DType) -> Value:
    """The only element of a tensor as a number of the script language: of rank 0."""
    scalar = tensor if tensor.rank == 0 else op.Reshape(tensor, op.const(np.zeros(0, np.int64)))
    # A number and a tensor of the same value differ in type promotion, so that they must not be one value.
    return (
        op.alias(scalar) if scalar.dtype is dtype is DType.FLOAT64 and scalar.const is None else op.cast(scalar, dtype)
    )
