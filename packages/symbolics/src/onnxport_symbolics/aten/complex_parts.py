"""Operators that do to both parts of a complex tensor what they do to a real one, and others made of such."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from onnxport_ir import DType, Value

from onnxport_symbolics import complex_values as cv
from onnxport_symbolics.aten import (
    complex_math,
    complex_views,
    cumulative,
    diagonal as diagonals,
    index as indexing,
    norms,
)
from onnxport_symbolics.complex_values import ComplexValue
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten_complex


def _both(op: Op, z: ComplexValue, change: Callable[[Value], Value]) -> ComplexValue:
    real, imaginary = (change(part) for part in cv.parts(op, z))
    return ComplexValue(parts=(real, imaginary))


@aten_complex("mH", "adjoint", "matrix_H", "H")
def adjoint(op: Op, self: ComplexValue) -> ComplexValue:
    """mH(Tensor(a) self) -> Tensor(a); adjoint; matrix_H"""
    return complex_views.conj(op, complex_views.transposed(op, self))


@aten_complex("numpy_T")
def numpy_transposed(op: Op, self: ComplexValue) -> ComplexValue:
    """numpy_T(Tensor(a) self) -> Tensor(a)"""
    return complex_views.permute(op, self, list(range(cv.rank(op, self)))[::-1])


@aten_complex("cumsum")
def cumsum(op: Op, self: ComplexValue, dim: int, dtype: DType | None = None) -> ComplexValue:
    """cumsum(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor"""
    return _both(op, self, lambda part: cumulative.cumsum(op, part, dim))


@aten_complex("gather")
def gather(op: Op, self: ComplexValue, dim: int, index: Value) -> ComplexValue:
    """gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor"""
    return _both(op, self, lambda part: indexing.gather(op, part, dim, index))


@aten_complex("tril")
def tril(op: Op, self: ComplexValue, diagonal: Int = 0) -> ComplexValue:
    """tril(Tensor self, SymInt diagonal=0) -> Tensor"""
    return _both(op, self, lambda part: diagonals.tril(op, part, diagonal))


@aten_complex("triu")
def triu(op: Op, self: ComplexValue, diagonal: Int = 0) -> ComplexValue:
    """triu(Tensor self, SymInt diagonal=0) -> Tensor"""
    return _both(op, self, lambda part: diagonals.triu(op, part, diagonal))


@aten_complex("diagonal", "diagonal_copy")
def diagonal(op: Op, self: ComplexValue, offset: int, dim1: int, dim2: int) -> ComplexValue:
    """diagonal(Tensor(a) self, int offset=0, int dim1=0, int dim2=1) -> Tensor(a)"""
    return _both(op, self, lambda part: diagonals.diagonal(op, part, offset, dim1, dim2))


@aten_complex("outer", "ger")
def outer(op: Op, self: ComplexValue | Value, vec2: ComplexValue | Value) -> ComplexValue:
    """outer(Tensor self, Tensor vec2) -> Tensor"""
    return complex_math.einsum(op, "i,j->ij", [self, vec2])


@aten_complex("vdot")
def vdot(op: Op, self: ComplexValue | Value, other: ComplexValue | Value) -> ComplexValue:
    """vdot(Tensor self, Tensor other) -> Tensor, the first conjugated"""
    left = complex_views.conj(op, self) if isinstance(self, ComplexValue) else self
    return complex_math.matmul(op, left, other)


@aten_complex("linear")
def linear(
    op: Op, input: ComplexValue | Value, weight: ComplexValue | Value, bias: ComplexValue | Value | None = None
) -> ComplexValue:
    """linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor"""
    if isinstance(weight, ComplexValue):
        turned: ComplexValue | Value = complex_views.transposed(op, weight)
    else:
        turned = op.Transpose(weight, perm=(1, 0))
    result = complex_math.matmul(op, input, turned)
    return result if bias is None else complex_math.add(op, result, bias)


@aten_complex("linalg_vector_norm")
def vector_norm(
    op: Op, self: ComplexValue, ord: float = 2.0, dim: Sequence[int] | None = None, keepdim: bool = False
) -> Value:
    """linalg_vector_norm(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None)
    -> Tensor
    """
    return norms.vector_norm(op, complex_math.abs_(op, self), ord, dim, keepdim)


@aten_complex("linalg_norm")
def norm(
    op: Op, self: ComplexValue, ord: float | None = None, dim: Sequence[int] | None = None, keepdim: bool = False
) -> Value:
    """linalg_norm(Tensor self, Scalar? ord=None, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None)
    -> Tensor; of vectors, or the Frobenius norm of matrices
    """
    if ord is not None and (cv.rank(op, self) if dim is None else len(dim)) != 1:
        raise op.refuse("a norm of complex matrices other than Frobenius'", "Compute with their parts.")
    return vector_norm(op, self, 2.0 if ord is None else ord, dim, keepdim)


@aten_complex("sqrt")
def sqrt(op: Op, self: ComplexValue) -> ComplexValue:
    """sqrt(Tensor self) -> Tensor, with half of the angle"""
    root = op.Sqrt(complex_math.abs_(op, self))
    angle = complex_math.angle(op, self)
    return complex_views.polar(op, root, op.Div(angle, op.const_like(2, angle)))


@aten_complex("sgn")
def sgn(op: Op, self: ComplexValue) -> ComplexValue:
    """sgn(Tensor self) -> Tensor, of absolute value 1 or 0"""
    length = complex_math.abs_(op, self)
    safe = op.Where(op.Equal(length, op.const_like(0, length)), op.const_like(1, length), length)
    return _both(op, self, lambda part: op.Div(part, safe))
