"""Linear algebra beyond products: determinants, powers, contractions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnxport_ir import DType, TensorType, Value

from onnxport_symbolics.aten.solve import inverse, rows_of, square
from onnxport_symbolics.integers import product as size_product
from onnxport_symbolics.op import Op
from onnxport_symbolics.promote import promote
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import expand_to, reshape

#: The determinants of matrices up to this size fit their type wherever their logarithms are of use.
_SMALL = 8


@aten("det", "linalg_det")
def det(op: Op, self: Value | None = None, A: Value | None = None) -> Value:
    """det(Tensor self) -> Tensor; linalg_det(Tensor A) -> Tensor; (*, N, N) -> (*)"""
    return op.Det(_operand(op, self, A))


@aten("logdet")
def logdet(op: Op, self: Value) -> Value:
    """logdet(Tensor self) -> Tensor; (*, N, N) -> (*); NaN where the determinant is negative"""
    return op.Log(op.Det(_small(op, self)))


@aten("slogdet", "linalg_slogdet")
def slogdet(op: Op, self: Value | None = None, A: Value | None = None) -> tuple[Value, Value]:
    """linalg_slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet); (*, N, N) -> (*) each"""
    found = op.Det(_small(op, _operand(op, self, A)))
    return op.Sign(found), op.Log(op.Abs(found))


def _operand(op: Op, *candidates: Value | None) -> Value:
    """The one operand, which overloads name differently."""
    for candidate in candidates:
        if candidate is not None:
            return candidate
    raise op.refuse("a determinant without its operand")


def _small(op: Op, x: Value) -> Value:
    """``x`` if it is so small that its determinant neither overflows nor vanishes before its logarithm is taken."""
    size = op.sizes(x)[-1]
    if not isinstance(size, int) or size > _SMALL:
        raise op.refuse(f"the logarithm of the determinant of a matrix of more than {_SMALL} rows")
    return x


@aten("matrix_power", "linalg_matrix_power")
def matrix_power(op: Op, self: Value, n: int) -> Value:
    """linalg_matrix_power(Tensor self, int n) -> Tensor; (*, N, N)"""
    if n < 0:
        return matrix_power(op, inverse(op, self), -n)
    if n == 0:
        rows = op.dim(self, -1)
        if not isinstance(rows, int):
            raise op.refuse("matrix_power with n=0 of a matrix whose size depends on the input")
        return expand_to(op, op.const(np.eye(rows), op.dtype(self)), op.dims(self))
    result: Value | None = None
    while True:
        if n & 1:
            result = self if result is None else op.MatMul(result, self)
        n >>= 1
        if not n:
            return self if result is None else result
        self = op.MatMul(self, self)


#: The series of the exponential is exact to float64's rounding with so many terms, up to this norm.
_TERMS, _NORM = 14, 0.5


@aten("matrix_exp", "linalg_matrix_exp")
def matrix_exp(op: Op, self: Value) -> Value:
    """linalg_matrix_exp(Tensor self) -> Tensor; (*, N, N); by its series, scaling and squaring, in float64"""
    x = square(op, self)
    sums = op.Reshape(op.ReduceSum(op.Abs(x), op.const([-1]), keepdims=0), [-1])
    # A small number keeps the logarithm finite; so many squarings overflow anyway.
    norm = op.ReduceMax(op.Concat(sums, op.const(np.full(1, _NORM)), axis=0), op.const([0]), keepdims=0)
    doublings = op.Ceil(op.Div(op.Log(op.Div(norm, op.const(_NORM, DType.FLOAT64))), op.const(np.log(2.0))))
    doublings = op.Min(doublings, op.const(1100.0, DType.FLOAT64))
    scaled = op.Mul(x, op.Pow(op.const(2.0, DType.FLOAT64), op.Neg(doublings)))
    rows = rows_of(op, x)
    identity = op.cast(op.Equal(rows, op.Squeeze(rows, op.const([1]))), DType.FLOAT64)
    total = op.Add(op.Mul(scaled, op.const(1 / _TERMS, DType.FLOAT64)), identity)
    for term in range(_TERMS - 1, 0, -1):
        total = op.Add(op.Mul(op.MatMul(scaled, total), op.const(1 / term, DType.FLOAT64)), identity)
    counter, flag = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ()))
    power = Value(total.value_type)
    with op.body([counter, flag, power], name="squaring") as body:
        body.outputs = [op.own(flag), op.own(op.MatMul(power, power))]
    (found,) = op.multi("Loop", 1, op.cast(doublings, DType.INT64), op.const(True), total, body=body)
    return op.cast(op.retype(found, TensorType(DType.FLOAT64, x.shape)), op.dtype(self))


@aten("tensordot")
def tensordot(op: Op, self: Value, other: Value, dims_self: Sequence[int], dims_other: Sequence[int]) -> Value:
    """tensordot(Tensor self, Tensor other, int[] dims_self, int[] dims_other) -> Tensor

    The axes named are summed over; the others of self stand before those of other.
    """
    left = [op.axis(self, axis) for axis in dims_self]
    right = [op.axis(other, axis) for axis in dims_other]
    kept_left = [axis for axis in range(op.rank(self)) if axis not in left]
    kept_right = [axis for axis in range(op.rank(other)) if axis not in right]
    for a, b in zip(left, right, strict=True):
        # Of a summed axis of size 1 on one side only, torch sums the other side's.
        if op.sizes(other)[b] == 1 and op.sizes(self)[a] != 1:
            self = op.ReduceSum(self, [a], keepdims=1)
        elif op.sizes(self)[a] == 1 and op.sizes(other)[b] != 1:
            other = op.ReduceSum(other, [b], keepdims=1)
    sizes_left, sizes_right = op.dims(self), op.dims(other)
    summed = size_product(op, [sizes_left[axis] for axis in left])
    rows = reshape(op, op.Transpose(self, perm=[*kept_left, *left]), [-1, summed])
    columns = reshape(op, op.Transpose(other, perm=[*right, *kept_right]), [summed, -1])
    result = [*(sizes_left[axis] for axis in kept_left), *(sizes_right[axis] for axis in kept_right)]
    return reshape(op, op.MatMul(rows, columns), result)


@aten("linalg_vecdot")
def vecdot(op: Op, x: Value, y: Value, dim: int = -1) -> Value:
    """linalg_vecdot(Tensor x, Tensor y, *, int dim=-1) -> Tensor"""
    left, right = promote(op, x, y)
    if op.dtype(left) is DType.BOOL or op.dtype(left).is_complex:
        raise op.refuse(f"linalg_vecdot of {op.dtype(left).short}")
    return op.ReduceSum(op.Mul(left, right), [dim], keepdims=0)
