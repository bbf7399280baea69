"""QR factors by Householder's reflections, in float64, with the signs that LAPACK gives them.

A reflection is ``I - tau v v'``, the first element of ``v`` is 1. Where a column is zero below its diagonal there is
no reflection, as in LAPACK: tau is 0. The factors of a matrix whose columns depend on each other are not unique.
"""

from __future__ import annotations

from onnxport_ir import DType, TensorType, Value

from onnxport_symbolics.aten.solve import each_column, rows_of, square
from onnxport_symbolics.integers import minimum
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.series import number
from onnxport_symbolics.shaping import expand_to, full, slice_axis, transpose_last


def _columns_of(op: Op, x: Value) -> Value:
    """The numbers of the columns of a matrix, as a row."""
    return op.Range(op.const(0), op.scalar(op.dim(x, -1), DType.INT64), op.const(1))


def _reflections(op: Op, matrix: Value) -> tuple[Value, Value]:
    """R with the vectors below its diagonal (*, M, N), and tau (*, K); of float64."""
    rows, columns = rows_of(op, matrix), _columns_of(op, matrix)
    sizes = op.dims(matrix)
    count = minimum(op, sizes[-2], sizes[-1])
    numbers = op.Range(op.const(0), op.scalar(count, DType.INT64), op.const(1))
    zero, one = number(op, 0), number(op, 1)

    def step(k: Value, rest: Value, scales: Value) -> tuple[Value, Value]:
        column = op.Gather(rest, k, axis=-1)
        alpha = op.Gather(column, k, axis=-2)
        below = op.Where(op.Greater(rows, k), column, zero)
        tail = op.ReduceSum(op.Mul(below, below), op.const([-2]), keepdims=1)
        length = op.Sqrt(op.Add(op.Mul(alpha, alpha), tail))
        is_done = op.Equal(tail, zero)
        beta = op.Where(is_done, alpha, op.Where(op.Less(alpha, zero), length, op.Neg(length)))
        tau = op.Where(is_done, zero, op.Div(op.Sub(beta, alpha), beta))
        vector = op.Where(is_done, zero, op.Div(below, op.Sub(alpha, beta)))
        whole = op.Where(op.Equal(rows, k), one, vector)
        behind = op.Where(op.Greater(columns, k), rest, zero)
        change = op.Mul(op.Mul(tau, whole), op.MatMul(transpose_last(op, whole), behind))
        stored = op.Where(op.Equal(rows, k), beta, op.Where(op.Greater(rows, k), vector, column))
        kept = op.Where(op.Equal(columns, k), stored, op.Sub(rest, change))
        return kept, op.Where(op.Equal(numbers, k), op.Squeeze(tau, op.const([-1])), scales)

    start = full(op, [*sizes[:-2], count], 0, DType.FLOAT64)
    return each_column(op, matrix, start, step, "reflection")


def _reflected(op: Op, vectors: Value, tau: Value, target: Value, *, from_last: bool) -> Value:
    """``target`` (*, M, C) after the reflections (*, M, N), (*, K), the first or the last one first."""
    rows = rows_of(op, vectors)
    last = op.Sub(op.scalar(op.dim(tau, -1), DType.INT64), op.const(1))
    zero, one = number(op, 0), number(op, 1)

    def step(counter: Value, rest: Value, scales: Value) -> tuple[Value, Value]:
        k = op.Sub(last, counter) if from_last else counter
        below = op.Where(op.Greater(rows, k), op.Gather(vectors, k, axis=-1), zero)
        vector = op.Where(op.Equal(rows, k), one, below)
        scale = op.Unsqueeze(op.Gather(scales, k, axis=-1), op.const([-1]))
        return op.Sub(rest, op.Mul(op.Mul(scale, vector), op.MatMul(transpose_last(op, vector), rest))), scales

    return each_column(op, target, tau, step, "reflection")[0]


def _product(op: Op, vectors: Value, tau: Value, count: Int) -> Value:
    """The first ``count`` columns of the product of the reflections."""
    rows = rows_of(op, vectors)
    columns = op.Range(op.const(0), op.scalar(count, DType.INT64), op.const(1))
    identity = op.cast(op.Equal(rows, columns), DType.FLOAT64)
    batch = op.dims(vectors)[:-2]
    target = expand_to(op, identity, [*batch, -1, -1]) if batch else identity
    return _reflected(op, vectors, tau, target, from_last=True)


@aten("geqrf")
def geqrf(op: Op, self: Value) -> tuple[Value, Value]:
    """geqrf(Tensor self) -> (Tensor a, Tensor tau); (*, M, N) -> (*, M, N), (*, min(M, N))"""
    both, tau = _reflections(op, square(op, self))
    return op.cast(both, op.dtype(self)), op.cast(tau, op.dtype(self))


@aten("linalg_householder_product", "orgqr")
def householder_product(
    op: Op, input: Value | None = None, tau: Value | None = None, self: Value | None = None, input2: Value | None = None
) -> Value:
    """linalg_householder_product(Tensor input, Tensor tau) -> Tensor; orgqr(Tensor self, Tensor input2) -> Tensor

    (*, M, N), (*, K) -> (*, M, N)
    """
    vectors, scales = input if input is not None else self, tau if tau is not None else input2
    if vectors is None or scales is None:
        raise op.refuse("reflections without their vectors or factors")
    wide = square(op, vectors)
    found = _product(op, wide, op.cast(scales, DType.FLOAT64), op.dim(vectors, -1))
    return op.cast(found, op.dtype(vectors))


@aten("ormqr")
def ormqr(op: Op, self: Value, input2: Value, input3: Value, left: bool = True, transpose: bool = False) -> Value:
    """ormqr(Tensor self, Tensor input2, Tensor input3, bool left=True, bool transpose=False) -> Tensor

    self (*, M, K) and input2 (*, K) are reflections, input3 is what they are multiplied with.
    """
    other = square(op, input3)
    target = other if left else transpose_last(op, other)
    tau = op.cast(input2, DType.FLOAT64)
    # Q applies the last reflection first; the transposed product from the right is that of Q' from the left.
    found = _reflected(op, square(op, self), tau, target, from_last=left != transpose)
    return op.cast(found if left else transpose_last(op, found), op.dtype(input3))


@aten("linalg_qr")
def linalg_qr(op: Op, A: Value, mode: str = "reduced") -> tuple[Value, Value]:
    """linalg_qr(Tensor A, str mode='reduced') -> (Tensor Q, Tensor R); (*, M, N)"""
    both, tau = _reflections(op, square(op, A))
    sizes = op.dims(A)
    count = sizes[-2] if mode == "complete" else minimum(op, sizes[-2], sizes[-1])
    kept = slice_axis(op, both, op.rank(A) - 2, 0, count)
    upper = op.cast(op.Trilu(kept, op.const(0), upper=1), op.dtype(A))
    if mode == "r":
        return op.retype(op.const([], op.dtype(A)), TensorType(op.dtype(A), (0,))), upper
    return op.cast(_product(op, both, tau, count), op.dtype(A)), upper


@aten("qr")
def qr(op: Op, self: Value, some: bool = True) -> tuple[Value, Value]:
    """qr(Tensor self, bool some=True) -> (Tensor Q, Tensor R); (*, M, N)"""
    return linalg_qr(op, self, "reduced" if some else "complete")
