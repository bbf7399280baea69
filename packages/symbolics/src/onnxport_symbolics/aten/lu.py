"""LU factors with partial pivoting, by a loop over the columns, in float64.

The pivots are torch's where the largest element of a column is clearly the largest: of elements that differ by no
more than float32's rounding, either may be chosen.
"""

from __future__ import annotations

from collections.abc import Callable

from onnxport_ir import DType, TensorType, Value

from onnxport_symbolics.aten.solve import cholesky, each_column, inverse, rows_of, solve, solved, square
from onnxport_symbolics.integers import minimum
from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import full, slice_axis, transpose_last


def _columns_of(op: Op, x: Value) -> Value:
    """The numbers of the columns of a matrix, as a row."""
    return op.Range(op.const(0), op.scalar(op.dim(x, -1), DType.INT64), op.const(1))


def _exchange(op: Op, rows: Value, k: Value, other: Value) -> Value:
    """The rows' numbers when row ``k`` and another one have changed places."""
    return op.Where(op.Equal(rows, k), other, op.Where(op.Equal(rows, other), k, rows))


def _factor(op: Op, matrix: Value) -> tuple[Value, Value]:
    """Both factors in one matrix (*, M, N), of float64, and the rows' exchanges (*, K), of int32, from 1."""
    rows, columns = rows_of(op, matrix), _columns_of(op, matrix)
    sizes = op.dims(matrix)
    count = minimum(op, sizes[-2], sizes[-1])
    zero = op.const(0.0, DType.FLOAT64)
    exchanges = op.Range(op.const(0), op.scalar(count, DType.INT64), op.const(1))

    def step(k: Value, rest: Value, pivots: Value) -> tuple[Value, Value]:
        sizes_of_column = op.Abs(op.Gather(rest, k, axis=-1))
        candidates = op.Where(op.GreaterOrEqual(rows, k), sizes_of_column, op.const(-1.0, DType.FLOAT64))
        chosen = op.ArgMax(candidates, axis=-2, keepdims=1)
        order = op.Expand(_exchange(op, rows, k, chosen), op.shape(rest))
        exchanged = op.GatherElements(rest, order, axis=-2)
        row, column = op.Gather(exchanged, k, axis=-2), op.Gather(exchanged, k, axis=-1)
        pivot = op.Gather(row, k, axis=-1)
        is_below = op.And(op.Greater(rows, k), op.Not(op.Equal(pivot, zero)))
        multipliers = op.Where(is_below, op.Div(column, pivot), zero)
        behind = op.Where(op.Greater(columns, k), row, zero)
        reduced = op.Sub(exchanged, op.Mul(multipliers, behind))
        stored = op.Where(op.And(op.Equal(columns, k), is_below), multipliers, reduced)
        number = op.cast(op.Squeeze(chosen, op.const([-1])), DType.FLOAT64)
        return stored, op.Where(op.Equal(exchanges, k), op.Add(number, op.const(1.0, DType.FLOAT64)), pivots)

    start = full(op, [*sizes[:-2], count], 0, DType.FLOAT64)
    both, pivots = each_column(op, matrix, start, step, "column")
    return both, op.cast(pivots, DType.INT32)


def first_pivot_where(op: Op, is_bad: Callable[[Value], Value], both: Value) -> Value:
    """The number, from 1 and of int32, of the first pivot of factors (*, M, N) that is bad; 0 if none is."""
    sizes = op.dims(both)
    count = minimum(op, sizes[-2], sizes[-1])
    top = slice_axis(op, both, op.rank(both) - 2, 0, count)
    on_diagonal = op.Equal(rows_of(op, top), _columns_of(op, top))
    pivots = op.ReduceSum(op.Where(on_diagonal, top, op.const_like(0, top)), op.const([-1]), keepdims=1)
    none = op.Add(op.scalar(count, DType.INT64), op.const(1))
    numbers = op.Where(is_bad(pivots), op.Add(rows_of(op, top), op.const(1)), none)
    # A number that is always there keeps the minimum of no pivots at that of none.
    guard = op.Expand(none, op.Concat(op.Slice(op.Shape(numbers), [0], [-2], [0]), op.const([1, 1]), axis=0))
    found = op.ReduceMin(op.Concat(numbers, guard, axis=-2), op.const([-2, -1]), keepdims=0)
    return op.cast(op.Where(op.Equal(found, none), op.const(0), found), DType.INT32)


def _is_zero(op: Op) -> Callable[[Value], Value]:
    return lambda pivots: op.Equal(pivots, op.const_like(0, pivots))


def _singular(op: Op, matrix: Value) -> Value:
    """LAPACK's information: which pivot is zero."""
    return first_pivot_where(op, _is_zero(op), _factor(op, square(op, matrix))[0])


def _permutation(op: Op, pivots: Value, rows: Value) -> Value:
    """The matrix P (*, M, M) of float64 that undoes exchanges (*, K) of rows, whose numbers are given as a column."""
    numbers = op.Squeeze(rows, op.const([1]))
    batch = op.Shape(op.ReduceSum(op.cast(pivots, DType.FLOAT64), op.const([-1]), keepdims=1))
    shape = op.Concat(op.Slice(batch, op.const([0]), op.const([-1]), op.const([0])), op.Shape(numbers), axis=0)
    start = op.cast(op.Expand(numbers, shape), DType.FLOAT64)

    def step(k: Value, order: Value, pivots: Value) -> tuple[Value, Value]:
        other = op.cast(op.Sub(op.Gather(pivots, k, axis=-1), op.const(1.0, DType.FLOAT64)), DType.INT64)
        exchange = op.Expand(_exchange(op, numbers, k, other), shape)
        return op.GatherElements(order, exchange, axis=-1), pivots

    order = each_column(op, start, op.cast(pivots, DType.FLOAT64), step, "exchange")[0]
    found = op.Equal(rows, op.Unsqueeze(op.cast(order, DType.INT64), op.const([-2])))
    return op.cast(found, DType.FLOAT64)


def _unpack(op: Op, both: Value) -> tuple[Value, Value]:
    """L (*, M, K) and U (*, K, N)."""
    sizes = op.dims(both)
    count = minimum(op, sizes[-2], sizes[-1])
    left = slice_axis(op, both, op.rank(both) - 1, 0, count)
    upper = op.Trilu(slice_axis(op, both, op.rank(both) - 2, 0, count), op.const(0), upper=1)
    ones = op.cast(op.Equal(rows_of(op, left), _columns_of(op, left)), op.dtype(both))
    return op.Add(op.Trilu(left, op.const(-1), upper=0), ones), upper


@aten("linalg_lu_factor")
def lu_factor(op: Op, A: Value, pivot: bool = True) -> tuple[Value, Value]:
    """linalg_lu_factor(Tensor A, *, bool pivot=True) -> (Tensor LU, Tensor pivots); A (*, M, N)"""
    if not pivot:
        raise op.refuse("LU factors without pivoting")
    both, pivots = _factor(op, square(op, A))
    return op.cast(both, op.dtype(A)), pivots


@aten("linalg_lu_factor_ex", "_lu_with_info")
def lu_factor_ex(
    op: Op, A: Value | None = None, self: Value | None = None, pivot: bool = True, check_errors: bool = False
) -> tuple[Value, Value, Value]:
    """linalg_lu_factor_ex(Tensor A, *, bool pivot=True, bool check_errors=False) -> (Tensor LU, Tensor pivots, Tensor
    info); _lu_with_info(Tensor self, bool pivot=True, bool check_errors=True) -> (Tensor LU, Tensor pivots, Tensor
    info)
    """
    matrix = A if A is not None else self
    if matrix is None or not pivot:
        raise op.refuse("LU factors without pivoting")
    both, pivots = _factor(op, square(op, matrix))
    return op.cast(both, op.dtype(matrix)), pivots, first_pivot_where(op, _is_zero(op), both)


@aten("linalg_inv_ex")
def inv_ex(op: Op, A: Value, check_errors: bool = False) -> tuple[Value, Value]:
    """linalg_inv_ex(Tensor A, *, bool check_errors=False) -> (Tensor inverse, Tensor info)"""
    return inverse(op, A), _singular(op, A)


@aten("linalg_solve_ex")
def solve_ex(op: Op, A: Value, B: Value, left: bool = True, check_errors: bool = False) -> tuple[Value, Value]:
    """linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False) -> (Tensor, Tensor info)"""
    return solve(op, A, B, left), _singular(op, A)


@aten("linalg_cholesky_ex")
def cholesky_ex(op: Op, self: Value, upper: bool = False, check_errors: bool = False) -> tuple[Value, Value]:
    """linalg_cholesky_ex(Tensor self, *, bool upper=False, bool check_errors=False) -> (Tensor L, Tensor info)"""
    factor = cholesky(op, self, upper)
    return factor, first_pivot_where(op, op.IsNaN, factor)


@aten("linalg_lu")
def lu(op: Op, A: Value, pivot: bool = True) -> tuple[Value, Value, Value]:
    """linalg_lu(Tensor A, *, bool pivot=True) -> (Tensor P, Tensor L, Tensor U); A (*, M, N)"""
    both, pivots = lu_factor(op, A, pivot)
    return op.cast(_permutation(op, pivots, rows_of(op, A)), op.dtype(A)), *_unpack(op, both)


@aten("lu_unpack")
def lu_unpack(
    op: Op, LU_data: Value, LU_pivots: Value, unpack_data: bool = True, unpack_pivots: bool = True
) -> tuple[Value, Value, Value]:
    """lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data=True, bool unpack_pivots=True)
    -> (Tensor P, Tensor L, Tensor U)
    """
    none = op.retype(op.const([], op.dtype(LU_data)), TensorType(op.dtype(LU_data), (0,)))
    permutation = none
    if unpack_pivots:
        permutation = op.cast(_permutation(op, LU_pivots, rows_of(op, LU_data)), op.dtype(LU_data))
    return permutation, *(_unpack(op, LU_data) if unpack_data else (none, none))


def _matrix(op: Op, both: Value, pivots: Value) -> Value:
    """The matrix whose factors are given, in float64."""
    lower, upper = _unpack(op, square(op, both))
    return op.MatMul(_permutation(op, pivots, rows_of(op, both)), op.MatMul(lower, upper))


@aten("linalg_lu_solve")
def linalg_lu_solve(op: Op, LU: Value, pivots: Value, B: Value, left: bool = True, adjoint: bool = False) -> Value:
    """linalg_lu_solve(Tensor LU, Tensor pivots, Tensor B, *, bool left=True, bool adjoint=False) -> Tensor"""
    matrix = _matrix(op, LU, pivots)
    return solved(op, transpose_last(op, matrix) if adjoint else matrix, B, left)


@aten("lu_solve")
def lu_solve(op: Op, self: Value, LU_data: Value, LU_pivots: Value) -> Value:
    """lu_solve(Tensor self, Tensor LU_data, Tensor LU_pivots) -> Tensor"""
    return linalg_lu_solve(op, LU_data, LU_pivots, self)
