"""Sizes, and the numbers of the script language: known ones are Python numbers, others values of rank 0."""

from __future__ import annotations

from collections.abc import Sequence

from onnxport_ir import DType, Value

from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten, prim


@aten("size")
def size(op: Op, self: Value, dim: int | None = None) -> Int | Sequence[Int]:
    """size.int(Tensor self, int dim) -> int; size(Tensor self) -> int[]"""
    if dim is None:
        return tuple(op.dims(self))
    return op.dim(self, op.axis(self, dim))


@aten("dim")
def dim(op: Op, self: Value) -> int:
    """dim(Tensor self) -> int"""
    return op.rank(self)


@aten("numel")
def numel(op: Op, self: Value) -> Int:
    """numel(Tensor self) -> int"""
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
    if not isinstance(a, Value):
        return int(a)
    return op.cast(a, DType.INT64)


@aten("Float", "FloatImplicit")
def to_float(op: Op, a: int | float | bool | Value) -> float | Value:
    """Float.Tensor(Tensor a) -> float"""
    if not isinstance(a, Value):
        return float(a)
    return op.cast(a, DType.FLOAT64)


@aten("Bool")
def to_bool(op: Op, a: int | float | bool | Value) -> bool | Value:
    """Bool.Tensor(Tensor a) -> bool"""
    if not isinstance(a, Value):
        return bool(a)
    return op.cast(a, DType.BOOL)


@aten("ScalarImplicit", "item")
def scalar_implicit(
    op: Op, a: int | float | bool | Value | None = None, self: int | float | bool | Value | None = None
) -> object:
    """ScalarImplicit(Tensor a) -> Scalar; item(Tensor self) -> Scalar"""
    return a if a is not None else self
