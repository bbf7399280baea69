"""Systems of linear equations, inverses and Cholesky's factors, by loops over the columns, in float64.

ONNX has none of them. A matrix that torch refuses for being singular, or not positive definite, gives what is not
finite.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from onnxport_ir import DType, TensorType, Value

from onnxport_symbolics.integers import product
from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import reshape, transpose_last

#: Takes the number of a column as a value of shape (1), and what changes; gives that for the next column.
_Step = Callable[[Value, Value, Value], tuple[Value, Value]]


def each_column(op: Op, matrix: Value, second: Value, step: _Step, name: str) -> tuple[Value, Value]:
    """Carry out a step for each column of a matrix: of (matrix, second), which keep their shapes."""
    types = [TensorType(DType.FLOAT64, value.shape) for value in (matrix, second)]
    counter, flag = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ()))
    first, other = (Value(value_type) for value_type in types)
    with op.body([counter, flag, first, other], name=name) as body:
        results = step(op.Unsqueeze(counter, op.const([0])), first, other)
        body.outputs = [op.own(value) for value in (flag, *results)]
    trips = op.scalar(op.dim(second, -1), DType.INT64)
    found = op.multi("Loop", 2, trips, op.const(True), matrix, second, body=body)
    left, right = (op.retype(value, value_type) for value, value_type in zip(found, types, strict=True))
    return left, right


def rows_of(op: Op, x: Value) -> Value:
    """The numbers of the rows of a matrix, as a column."""
    count = op.scalar(op.dim(x, -2), DType.INT64)
    return op.Unsqueeze(op.Range(op.const(0), count, op.const(1)), op.const([1]))


def square(op: Op, x: Value) -> Value:
    """A matrix of float64 that is to be inverted or factored."""
    if not op.dtype(x).is_float:
        raise op.refuse(f"linear algebra of {op.dtype(x).short}")
    return op.cast(x, DType.FLOAT64)


def _zeros_like(op: Op, x: Value) -> Value:
    return op.Expand(op.const(0.0, DType.FLOAT64), op.shape(x))


def _solve(op: Op, a: Value, b: Value) -> Value:
    """``X`` in ``a X = b``; a (*, N, N), b (*, N, K) with the same *, of float64.

    Gauss' and Jordan's elimination. Rows are not exchanged: the row that has the largest element of a column among
    those not taken yet is taken for it, which is noted in a permutation matrix.
    """
    size = op.dim(a, -1)
    columns = op.ints([op.dim(b, -1)])
    rows = rows_of(op, a)

    def step(k: Value, both: Value, taken: Value) -> tuple[Value, Value]:
        column = op.Gather(both, k, axis=-1)
        is_taken = op.Cast(op.ReduceSum(taken, op.const([-1]), keepdims=1), to=DType.BOOL)
        candidates = op.Where(is_taken, op.const(-1.0, DType.FLOAT64), op.Abs(column))
        chosen = op.cast(op.Equal(rows, op.ArgMax(candidates, axis=-2, keepdims=1)), DType.FLOAT64)
        pivot = op.ReduceSum(op.Mul(chosen, column), op.const([-2]), keepdims=1)
        row = op.Div(op.ReduceSum(op.Mul(chosen, both), op.const([-2]), keepdims=1), pivot)
        here = op.cast(op.Equal(op.Squeeze(rows, op.const([1])), k), DType.FLOAT64)
        eliminated = op.Sub(both, op.Mul(op.Sub(column, chosen), row))
        return eliminated, op.Add(taken, op.Mul(chosen, here))

    both, taken = each_column(op, op.Concat(a, b, axis=-1), _zeros_like(op, a), step, "column")
    end = op.Add(op.ints([size]), columns)
    solved = op.Slice(both, op.ints([size]), end, op.const([-1]))
    return op.MatMul(transpose_last(op, taken), solved)


def _inverse(op: Op, a: Value) -> Value:
    """Of float64; (*, N, N)."""
    rows = rows_of(op, a)
    identity = op.cast(op.Equal(rows, op.Squeeze(rows, op.const([1]))), DType.FLOAT64)
    return _solve(op, a, op.Expand(identity, op.shape(a)))


def inverse(op: Op, a: Value) -> Value:
    """The inverse of a float matrix, (*, N, N), in its type."""
    return op.cast(_inverse(op, square(op, a)), op.dtype(a))


@aten("linalg_inv", "inverse")
def inv(op: Op, A: Value | None = None, self: Value | None = None) -> Value:
    """linalg_inv(Tensor A) -> Tensor; inverse(Tensor self) -> Tensor; (*, N, N)"""
    operand = A if A is not None else self
    if operand is None:
        raise op.refuse("an inverse without its operand")
    return inverse(op, operand)


def _same_batch(op: Op, a: Value, b: Value) -> tuple[Value, Value]:
    """Two stacks of matrices with their leading axes broadcast."""
    if op.rank(a) == op.rank(b) == 2:
        return a, b
    if op.sizes(a)[:-2] == op.sizes(b)[:-2]:
        return a, b
    # A product with an inner size of 0 has the broadcast axes, and computes nothing.
    none = [op.Slice(x, op.const([0]), op.const([0]), op.const([axis])) for x, axis in ((a, -1), (b, -2))]
    shape = op.Shape(op.MatMul(*none))
    batch = op.Slice(shape, op.const([0]), op.const([-2]), op.const([0]))
    inner = [op.ints(op.dims(x)[-2:]) for x in (a, b)]
    left, right = (op.Expand(x, op.Concat(batch, part, axis=0)) for x, part in zip((a, b), inner, strict=True))
    return left, right


def solved(op: Op, a: Value, b: Value, left: bool = True) -> Value:
    """``X`` in ``a X = b``, or in ``X a = b``, in the type of ``b``."""
    wide, right = square(op, a), square(op, b)
    if not left:
        wide, right = transpose_last(op, wide), transpose_last(op, right)
    result = _solve(op, *_same_batch(op, wide, right))
    return op.cast(result if left else transpose_last(op, result), op.dtype(b))


@aten("linalg_solve")
def solve(op: Op, A: Value, B: Value, left: bool = True) -> Value:
    """linalg_solve(Tensor A, Tensor B, *, bool left=True) -> Tensor; A (*, N, N), B (*, N, K), (*, N) or (N)"""
    is_vector = op.rank(B) == 1 or (op.rank(B) == op.rank(A) - 1 and op.sizes(B) == op.sizes(A)[:-1])
    if not is_vector:
        return solved(op, A, B, left)
    return op.Squeeze(solved(op, A, op.Unsqueeze(B, op.const([-1]))), op.const([-1]))


def triangle(op: Op, x: Value, upper: bool, unitriangular: bool = False) -> Value:
    """A triangle of a matrix, which is all that is read of it; ``unitriangular``: with ones on its diagonal."""
    part = op.Trilu(x, op.const(int(unitriangular) * (1 if upper else -1)), upper=int(upper))
    if not unitriangular:
        return part
    rows = rows_of(op, x)
    return op.Add(part, op.cast(op.Equal(rows, op.Squeeze(rows, op.const([1]))), op.dtype(x)))


@aten("linalg_solve_triangular")
def solve_triangular(
    op: Op, self: Value, B: Value, upper: bool, left: bool = True, unitriangular: bool = False
) -> Value:
    """linalg_solve_triangular(Tensor self, Tensor B, *, bool upper, bool left=True, bool unitriangular=False) -> Tensor

    self (*, N, N), B (*, N, K), or (*, K, N) if not left.
    """
    return solved(op, triangle(op, self, upper, unitriangular), B, left)


@aten("triangular_solve")
def triangular_solve(
    op: Op, self: Value, A: Value, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> tuple[Value, Value]:
    """triangular_solve(Tensor self, Tensor A, bool upper=True, bool transpose=False, bool unitriangular=False)
    -> (Tensor solution, Tensor cloned_coefficient); self (*, N, K), A (*, N, N)
    """
    part = triangle(op, A, upper, unitriangular)
    right, coefficient = _same_batch(op, self, A)
    return solved(op, transpose_last(op, part) if transpose else part, right), coefficient


@aten("linalg_tensorinv")
def tensorinv(op: Op, self: Value, ind: int = 2) -> Value:
    """linalg_tensorinv(Tensor self, int ind=2) -> Tensor"""
    sizes = op.dims(self)
    rows, columns = product(op, sizes[:ind]), product(op, sizes[ind:])
    return reshape(op, inverse(op, reshape(op, self, [rows, columns])), [*sizes[ind:], *sizes[:ind]])


@aten("linalg_tensorsolve")
def tensorsolve(op: Op, self: Value, other: Value, dims: Sequence[int] | None = None) -> Value:
    """linalg_tensorsolve(Tensor self, Tensor other, int[]? dims=None) -> Tensor"""
    moved = [op.axis(self, dim) for dim in dims or ()]
    if moved:
        self = op.Transpose(self, perm=[axis for axis in range(op.rank(self)) if axis not in moved] + moved)
    result = op.dims(self)[op.rank(other) :]
    columns = product(op, result)
    found = solved(op, reshape(op, self, [-1, columns]), reshape(op, other, [-1, 1]))
    return reshape(op, found, result)


def _cholesky(op: Op, x: Value, upper: bool) -> Value:
    """Cholesky's factor of the symmetric matrix of which one triangle is given."""
    a = square(op, x)
    lower = transpose_last(op, triangle(op, a, True)) if upper else triangle(op, a, False)
    below = op.Trilu(lower, op.const(-1), upper=0)
    rows = rows_of(op, a)

    def step(k: Value, rest: Value, factor: Value) -> tuple[Value, Value]:
        column = op.Gather(rest, k, axis=-1)
        scaled = op.Div(column, op.Sqrt(op.Gather(column, k, axis=-2)))
        kept = op.Where(op.GreaterOrEqual(rows, k), scaled, op.const(0.0, DType.FLOAT64))
        here = op.cast(op.Equal(op.Squeeze(rows, op.const([1])), k), DType.FLOAT64)
        return op.Sub(rest, op.Mul(kept, transpose_last(op, kept))), op.Add(factor, op.Mul(kept, here))

    symmetric = op.Add(lower, transpose_last(op, below))
    factor = each_column(op, symmetric, _zeros_like(op, a), step, "column")[1]
    return op.cast(transpose_last(op, factor) if upper else factor, op.dtype(x))


@aten("cholesky", "linalg_cholesky")
def cholesky(op: Op, self: Value, upper: bool = False) -> Value:
    """linalg_cholesky(Tensor self, *, bool upper=False) -> Tensor; (*, N, N)"""
    return _cholesky(op, self, upper)


def _from_factor(op: Op, factor: Value, upper: bool) -> Value:
    """The matrix, in float64, whose Cholesky factor is given."""
    part = triangle(op, square(op, factor), upper)
    other = transpose_last(op, part)
    return op.MatMul(other, part) if upper else op.MatMul(part, other)


@aten("cholesky_inverse")
def cholesky_inverse(op: Op, self: Value, upper: bool = False) -> Value:
    """cholesky_inverse(Tensor self, bool upper=False) -> Tensor; (*, N, N)"""
    return op.cast(_inverse(op, _from_factor(op, self, upper)), op.dtype(self))


@aten("cholesky_solve")
def cholesky_solve(op: Op, self: Value, input2: Value, upper: bool = False) -> Value:
    """cholesky_solve(Tensor self, Tensor input2, bool upper=False) -> Tensor; self (*, N, K), input2 (*, N, N)"""
    return solved(op, _from_factor(op, input2, upper), self)
