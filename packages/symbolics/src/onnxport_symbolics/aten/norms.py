"""Norms of vectors and matrices, and distances."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.aten.arithmetic import add, promote_real, sub
from onnxport_symbolics.aten.casts import convert, real_dtype, widened
from onnxport_symbolics.aten.reduce import amax, amin, reduce_dims
from onnxport_symbolics.aten.singular import singular_values
from onnxport_symbolics.aten.solve import square
from onnxport_symbolics.op import Int, OnnxOperator, Op
from onnxport_symbolics.promote import promote_dtypes
from onnxport_symbolics.registry import aten


def vector_norm(op: Op, x: Value, p: float, dim: Sequence[int] | None, keepdim: bool = False) -> Value:
    """The p-norm over dims, of floats; None and an empty list mean all dims."""
    if not real_dtype(op, x).is_float:
        raise op.refuse(f"a norm of {op.dtype(x).short}")
    if p == 2:
        return reduce_dims(op, "ReduceL2", x, dim, keepdim)
    if p == 1:
        return reduce_dims(op, "ReduceL1", x, dim, keepdim)
    if p == 0:
        present = op.cast(op.Not(op.Equal(x, op.const_like(0, x))), op.dtype(x))
        return reduce_dims(op, "ReduceSum", present, dim, keepdim)
    if math.isinf(p):
        return (amax if p > 0 else amin)(op, op.Abs(x), dim, keepdim)
    size = widened(op, op.Abs(x))[0]
    total = reduce_dims(op, "ReduceSum", op.Pow(size, op.const_like(p, size)), dim, keepdim)
    return op.cast(op.Pow(total, op.const_like(1 / p, size)), op.dtype(x))


@aten("linalg_vector_norm")
def linalg_vector_norm(
    op: Op,
    self: Value,
    ord: float = 2,
    dim: Sequence[int] | None = None,
    keepdim: bool = False,
    dtype: DType | None = None,
) -> Value:
    """linalg_vector_norm(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None)"""
    return vector_norm(op, self if dtype is None else convert(op, self, dtype), ord, dim, keepdim)


@aten("norm")
def norm(
    op: Op,
    self: Value,
    p: float | None = 2,
    dim: Sequence[int] | None = None,
    keepdim: bool = False,
    dtype: DType | None = None,
) -> Value:
    """norm.ScalarOpt_dim(Tensor self, Scalar? p, int[1] dim, bool keepdim=False) -> Tensor"""
    return linalg_vector_norm(op, self, 2 if p is None else p, dim, keepdim, dtype)


@aten("frobenius_norm")
def frobenius_norm(op: Op, self: Value, dim: Sequence[int] | None = None, keepdim: bool = False) -> Value:
    """frobenius_norm.dim(Tensor self, int[1] dim, bool keepdim=False) -> Tensor"""
    return vector_norm(op, self, 2, dim, keepdim)


@aten("linalg_norm")
def linalg_norm(
    op: Op,
    self: Value,
    ord: float | None = None,
    dim: Sequence[int] | None = None,
    keepdim: bool = False,
    dtype: DType | None = None,
) -> Value:
    """linalg_norm(Tensor self, Scalar? ord=None, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None)"""
    if ord is None:
        return linalg_vector_norm(op, self, 2, dim, keepdim, dtype)
    dims = list(range(op.rank(self))) if dim is None else dim
    if len(dims) == 2:
        return linalg_matrix_norm(op, self, ord, dims, keepdim, dtype)
    return linalg_vector_norm(op, self, ord, dims, keepdim, dtype)


@aten("linalg_norm.ord_str", "linalg_matrix_norm.str_ord")
def matrix_norm_by_name(
    op: Op,
    self: Value,
    ord: str = "fro",
    dim: Sequence[int] | None = None,
    keepdim: bool = False,
    dtype: DType | None = None,
) -> Value:
    """linalg_matrix_norm.str_ord(Tensor self, str ord='fro', int[] dim=[-2, -1], bool keepdim=False, *, ...)"""
    dims = [-2, -1] if dim is None else dim
    if ord == "nuc":
        return _norm_of_values(op, self if dtype is None else convert(op, self, dtype), op.ReduceSum, dims, keepdim)
    if ord != "fro":
        raise op.refuse(f"a matrix norm with ord={ord!r}")
    return linalg_vector_norm(op, self, 2, dims, keepdim, dtype)


@aten("nuclear_norm")
def nuclear_norm(op: Op, self: Value, dim: Sequence[int] | None = None, keepdim: bool = False) -> Value:
    """nuclear_norm(Tensor self, bool keepdim=False) -> Tensor; nuclear_norm.dim(Tensor self, int[2] dim, ...)"""
    return _norm_of_values(op, self, op.ReduceSum, [-2, -1] if dim is None else dim, keepdim)


@aten("linalg_matrix_norm")
def linalg_matrix_norm(
    op: Op, self: Value, ord: float, dim: Sequence[int], keepdim: bool = False, dtype: DType | None = None
) -> Value:
    """linalg_matrix_norm(Tensor self, Scalar ord, int[] dim=[-2, -1], bool keepdim=False, *, ScalarType? dtype=None)"""
    x = self if dtype is None else convert(op, self, dtype)
    if abs(ord) == 2:
        return _norm_of_values(op, x, op.ReduceMax if ord > 0 else op.ReduceMin, dim, keepdim)
    if abs(ord) not in (1, math.inf):
        raise op.refuse(f"a matrix norm with ord={ord}")
    rows, columns = (op.axis(x, d) for d in dim)
    summed, kept = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = vector_norm(op, x, 1, [summed], True)
    result = (amax if ord > 0 else amin)(op, sums, [kept], True)
    return result if keepdim else op.Squeeze(result, op.const(sorted((rows, columns))))


def _norm_of_values(op: Op, x: Value, reduce: OnnxOperator, dim: Sequence[int], keepdim: bool) -> Value:
    """A norm that is read off the singular values."""
    axes = [op.axis(x, d) for d in dim]
    others = [axis for axis in range(op.rank(x)) if axis not in axes]
    values = singular_values(op, square(op, op.Transpose(x, perm=[*others, *axes])))
    result = op.cast(reduce(values, op.const([-1]), keepdims=0), op.dtype(x))
    return op.Unsqueeze(result, op.const(sorted(axes))) if keepdim else result


@aten("renorm")
def renorm(op: Op, self: Value, p: float, dim: int, maxnorm: float) -> Value:
    """renorm(Tensor self, Scalar p, int dim, Scalar maxnorm) -> Tensor"""
    others = [axis for axis in range(op.rank(self)) if axis != op.axis(self, dim)]
    norm = vector_norm(op, self, p, others, True)
    limit = op.const_like(maxnorm, norm)
    factor = op.Div(limit, op.Add(norm, op.const_like(1e-7, norm)))
    return op.Mul(self, op.Where(op.Less(limit, norm), factor, op.const_like(1, norm)))


@aten("dist")
def dist(op: Op, self: Value, other: Value, p: float = 2) -> Value:
    """dist(Tensor self, Tensor other, Scalar p=2) -> Tensor"""
    left, right = promote_real(op, self, other)
    return vector_norm(op, op.Sub(left, right), p, None)


@aten("pairwise_distance")
def pairwise_distance(op: Op, x1: Value, x2: Value, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Value:
    """pairwise_distance(Tensor x1, Tensor x2, float p=2, float eps=1e-06, bool keepdim=False) -> Tensor"""
    return vector_norm(op, add(op, sub(op, x1, x2), eps), p, [-1], keepdim)


@aten("cosine_similarity")
def cosine_similarity(op: Op, x1: Value, x2: Value, dim: int = 1, eps: float = 1e-8) -> Value:
    """cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08) -> Tensor"""
    dtype = promote_dtypes(op.dtype(x1), op.dtype(x2))
    if not dtype.is_float:
        raise op.refuse(f"cosine_similarity of {dtype.short}")
    left, right = op.cast(x1, dtype), op.cast(x2, dtype)
    product = op.Mul(left, right)
    axis = op.axis(product, dim) - max(op.rank(product), 1)
    left, right = (_with_whole_axis(op, x, product, axis) for x in (left, right))
    total = reduce_dims(op, "ReduceSum", product, [axis])
    limit = op.const(eps, dtype)
    norms = [op.Max(vector_norm(op, x, 2, [axis]), limit) for x in (left, right)]
    return op.Div(total, op.Mul(*norms))


def _with_whole_axis(op: Op, x: Value, full: Value, axis: int) -> Value:
    """``x`` repeated along an axis (counted from the end) along which it is broadcast."""
    rank = op.rank(x)
    if op.rank(full) == 0 or (rank >= -axis and op.sizes(x)[axis] == op.sizes(full)[axis]):
        return x
    return op.Expand(x, op.shape(full))


@aten("cdist", "_cdist_forward", "_euclidean_dist")
def cdist(op: Op, x1: Value, x2: Value, p: float = 2.0, compute_mode: int | None = None) -> Value:
    """cdist(Tensor x1, Tensor x2, float p=2, int? compute_mode=None) -> Tensor; x1 (..., P, M), x2 (..., R, M)

    The distances are those of the differences: torch's faster way for many rows, a matrix product, loses digits.
    """
    left, right = promote_real(op, x1, x2)
    difference = op.Sub(op.Unsqueeze(left, op.const([-2])), op.Unsqueeze(right, op.const([-3])))
    return vector_norm(op, difference, p, [-1])


@aten("pdist", "_pdist_forward")
def pdist(op: Op, self: Value, p: float = 2.0) -> Value:
    """pdist(Tensor self, float p=2) -> Tensor; self (N, M): the distances of rows i < j"""
    rows = [op.Gather(self, index, axis=0) for index in _pairs(op, op.dim(self, 0))]
    return vector_norm(op, op.Sub(*rows), p, [-1])


def _pairs(op: Op, count: Int) -> list[Value]:
    """The indices i and j of all pairs i < j below ``count``, in order."""
    if isinstance(count, int):
        return [op.const(index.astype(np.int64)) for index in np.triu_indices(count, 1)]
    numbers = op.Range(op.const(0), count, op.const(1))
    before = op.Less(op.Unsqueeze(numbers, op.const([1])), op.Unsqueeze(numbers, op.const([0])))
    found = op.NonZero(before)
    return [op.Gather(found, op.const(row), axis=0) for row in (0, 1)]
