"""Singular values, eigenvalues of symmetric matrices and pseudo-inverses, by Jacobi's rotations, in float64.

Pairs of columns are rotated until all are orthogonal: their lengths are the singular values (Hestenes). Half of the
columns meet the other half at once, and then change partners as in a tournament. The vectors themselves are refused as
results: their signs are not specified, and LAPACK's follow from how it happens to compute them.
"""

from __future__ import annotations

import numpy as np
from onnxport_ir import DType, TensorType, Value

from onnxport_symbolics.aten.solve import inverse, rows_of, square, triangle
from onnxport_symbolics.aten.sort_search import sorted_
from onnxport_symbolics.integers import add, arange, maximum, minimum, sub
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import expand_to, full, slice_axis, transpose_last

#: So often all columns meet at the most; ten times are enough for a thousand columns.
_SWEEPS = 40
#: The cosine of the angle between columns that count as orthogonal, and the length that counts as none.
_ORTHOGONAL, _NOTHING = 1e-13, 1e-15


def _number(op: Op, number: float) -> Value:
    return op.const(number, DType.FLOAT64)


def _halves(op: Op, x: Value) -> Int:
    """Half of the number of columns, rounded up."""
    size = op.dim(x, -1)
    return (size + 1) // 2 if isinstance(size, int) else op.Div(op.Add(size, op.const(1)), op.const(2))


def _partners(op: Op, half: Int) -> Value:
    """Where each column comes from when partners are changed: the first stays, the others go round."""
    if isinstance(half, int):
        top, bottom = list(range(half)), list(range(half, 2 * half))
        if half > 1:
            top, bottom = [0, half, *top[1:-1]], [*bottom[1:], half - 1]
        return op.const(np.array(top + bottom, np.int64))
    count, one = op.Mul(half, op.const(2)), op.const(1)
    places = arange(op, count)
    last = op.Sub(count, one)
    end = op.Where(op.Equal(half, one), one, op.Sub(half, one))
    others = op.Where(op.Less(places, half), op.Sub(places, one), op.Add(places, one))
    found = op.Where(op.Equal(places, one), half, others)
    return op.Where(op.Equal(places, op.const(0)), places, op.Where(op.Equal(places, last), end, found))


def _rotated(op: Op, x: Value, rows: Int, half: Int) -> tuple[Value, Value]:
    """The columns after rotations, and the largest cosine of an angle of a pair before.

    ``x`` is (*, M + V, 2 * half); only the first ``rows`` = M rows count, the others are carried along.
    """
    left, right = slice_axis(op, x, op.rank(x) - 1, 0, half), slice_axis(op, x, op.rank(x) - 1, half)
    heads = [slice_axis(op, part, op.rank(x) - 2, 0, rows) for part in (left, right)]
    alpha, beta, gamma = (
        op.ReduceSum(op.Mul(a, b), op.const([-2]), keepdims=1)
        for a, b in ((heads[0], heads[0]), (heads[1], heads[1]), (heads[0], heads[1]))
    )
    zero, one = _number(op, 0), _number(op, 1)
    is_orthogonal = op.Equal(gamma, zero)
    ratio = op.Div(op.Sub(beta, alpha), op.Mul(op.Where(is_orthogonal, one, gamma), _number(op, 2)))
    size = op.Reciprocal(op.Add(op.Abs(ratio), op.Sqrt(op.Add(op.Mul(ratio, ratio), one))))
    tangent = op.Where(op.Less(ratio, zero), op.Neg(size), size)
    tangent = op.Where(is_orthogonal, zero, tangent)
    cosine = op.Reciprocal(op.Sqrt(op.Add(op.Mul(tangent, tangent), one)))
    sine = op.Mul(cosine, tangent)
    first = op.Sub(op.Mul(cosine, left), op.Mul(sine, right))
    second = op.Add(op.Mul(sine, left), op.Mul(cosine, right))
    longest = op.ReduceMax(op.Max(alpha, beta), op.const([-1]), keepdims=1)
    counts = op.Greater(op.Min(alpha, beta), op.Mul(longest, _number(op, _NOTHING**2)))
    angle = op.Div(op.Abs(gamma), op.Sqrt(op.Where(counts, op.Mul(alpha, beta), one)))
    angles = op.Reshape(op.Where(counts, angle, zero), [-1])
    worst = op.ReduceMax(op.Concat(angles, op.const(np.zeros(1)), axis=0), op.const([0]), keepdims=0)
    return op.Gather(op.Concat(first, second, axis=-1), _partners(op, half), axis=-1), worst


def orthogonalised(op: Op, matrix: Value, rows: Int) -> Value:
    """A matrix (*, R, 2 * half) of float64 with columns rotated until their first ``rows`` elements are orthogonal."""
    half = _halves(op, matrix)
    steps = op.Sub(op.scalar(op.dim(matrix, -1), DType.INT64), op.const(1))
    counter, flag = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ()))
    columns, worst = Value(TensorType(DType.FLOAT64, matrix.shape)), Value(TensorType(DType.FLOAT64, ()))
    with op.body([counter, flag, columns, worst], name="rotation") as body:
        turned, angle = _rotated(op, columns, rows, half)
        number = op.Mod(counter, steps)
        so_far = op.Where(op.Equal(number, op.const(0)), angle, op.Max(worst, angle))
        is_end = op.Equal(number, op.Sub(steps, op.const(1)))
        goes_on = op.Not(op.And(is_end, op.LessOrEqual(so_far, _number(op, _ORTHOGONAL))))
        body.outputs = [op.own(value) for value in (goes_on, turned, so_far)]
    trips = op.Mul(steps, op.const(_SWEEPS))
    found = op.multi("Loop", 2, trips, op.const(True), matrix, _number(op, 0), body=body)[0]
    return op.retype(found, TensorType(DType.FLOAT64, matrix.shape))


def _padded(op: Op, matrix: Value) -> Value:
    """With a column of zeros if the number of columns is odd, and at least two columns."""
    missing = sub(op, add(op, _halves(op, matrix), _halves(op, matrix)), op.dim(matrix, -1))
    if missing == 0:
        return matrix
    zeros = full(op, [*op.dims(matrix)[:-1], missing], 0, DType.FLOAT64)
    return op.Concat(matrix, zeros, axis=-1)


def singular_values(op: Op, matrix: Value) -> Value:
    """Of a matrix (*, M, N) of float64, the largest first: (*, min(M, N))."""
    rows, columns = op.sizes(matrix)[-2:]
    if isinstance(rows, int) and isinstance(columns, int) and rows < columns:
        matrix = transpose_last(op, matrix)
    sizes = op.dims(matrix)
    count = minimum(op, sizes[-2], sizes[-1])
    turned = orthogonalised(op, _padded(op, matrix), sizes[-2])
    lengths = op.Sqrt(op.ReduceSum(op.Mul(turned, turned), op.const([-2]), keepdims=0))
    return sorted_(op, lengths, op.rank(lengths) - 1, count, True)[0]


def _symmetric(op: Op, x: Value, upper: bool) -> Value:
    """The symmetric matrix of which one triangle is given, of float64."""
    part = triangle(op, square(op, x), upper)
    strict = op.Trilu(part, op.const(1 if upper else -1), upper=int(upper))
    return op.Add(part, transpose_last(op, strict))


def eigenvalues(op: Op, symmetric: Value) -> Value:
    """Of symmetric matrices (*, N, N) of float64, the largest first.

    They are the singular values of the matrix plus so many times the identity that none is negative.
    """
    squares = op.Mul(symmetric, symmetric)
    shift = op.Sqrt(op.ReduceSum(squares, op.const([-2, -1]), keepdims=1))
    rows = rows_of(op, symmetric)
    identity = op.cast(op.Equal(rows, op.Squeeze(rows, op.const([1]))), DType.FLOAT64)
    values = singular_values(op, op.Add(symmetric, op.Mul(shift, identity)))
    return op.Sub(values, op.Squeeze(shift, op.const([-1])))


@aten("linalg_svdvals")
def svdvals(op: Op, A: Value, driver: str | None = None) -> Value:
    """linalg_svdvals(Tensor A, *, str? driver=None) -> Tensor; (*, M, N) -> (*, min(M, N))"""
    return op.cast(singular_values(op, square(op, A)), op.dtype(A))


@aten("linalg_eigvalsh")
def eigvalsh(op: Op, self: Value, UPLO: str = "L") -> Value:
    """linalg_eigvalsh(Tensor self, str UPLO='L') -> Tensor; (*, N, N) -> (*, N), the smallest first"""
    found = eigenvalues(op, _symmetric(op, self, UPLO.upper() == "U"))
    ascending = sorted_(op, found, op.rank(found) - 1, op.dim(found, -1), False)[0]
    return op.cast(ascending, op.dtype(self))


@aten("linalg_svd", "svd", "_linalg_svd", "linalg_eigh", "_linalg_eigh", "linalg_eig", "linalg_eigvals")
def refused(
    op: Op,
    A: Value | None = None,
    self: Value | None = None,
    full_matrices: bool = True,
    some: bool = True,
    compute_uv: bool = True,
    compute_v: bool = True,
    driver: str | None = None,
    UPLO: str = "L",
) -> Value:
    """linalg_svd(Tensor A, bool full_matrices=True, *, str? driver=None) -> (Tensor U, Tensor S, Tensor Vh); ..."""
    raise op.refuse(
        "a decomposition into singular vectors or eigenvectors, whose signs and order torch does not specify",
        "linalg.svdvals, eigvalsh, pinv, lstsq, matrix_rank, cond and norm are supported.",
    )


def _tolerance(op: Op, x: Value, atol: float | Value | None, rtol: float | Value | None, largest: Value) -> Value:
    """What a singular value must exceed to count: (*, 1) like ``largest``, of float64."""
    default = maximum(op, op.dim(x, -2), op.dim(x, -1))
    unit = _number(op, float(np.finfo(op.dtype(x).numpy).eps))
    relative = op.Mul(unit, op.scalar(default, DType.FLOAT64))
    absolute = _number(op, 0) if atol is None else _as_column(op, atol)
    if rtol is not None:
        relative = _as_column(op, rtol)
    elif atol is not None:
        relative = op.Where(op.Greater(absolute, _number(op, 0)), _number(op, 0), relative)
    return op.Max(absolute, op.Mul(relative, largest))


def _as_column(op: Op, tolerance: float | Value) -> Value:
    if not isinstance(tolerance, Value):
        return _number(op, tolerance)
    wide = op.cast(tolerance, DType.FLOAT64)
    return op.Unsqueeze(wide, op.const([-1])) if op.rank(wide) else wide


@aten("linalg_matrix_rank")
def matrix_rank(
    op: Op,
    self: Value | None = None,
    input: Value | None = None,
    tol: float | Value | None = None,
    atol: float | Value | None = None,
    rtol: float | Value | None = None,
    hermitian: bool = False,
) -> Value:
    """linalg_matrix_rank(Tensor self, *, float? atol=None, float? rtol=None, bool hermitian=False) -> Tensor"""
    matrix = self if self is not None else input
    if matrix is None:
        raise op.refuse("a rank without its matrix")
    if tol is not None:
        atol, rtol = tol, 0.0
    values = op.Abs(eigenvalues(op, _symmetric(op, matrix, False))) if hermitian else None
    values = values if values is not None else singular_values(op, square(op, matrix))
    largest = _largest(op, values)
    counted = op.Greater(values, _tolerance(op, matrix, atol, rtol, largest))
    return op.ReduceSum(op.cast(counted, DType.INT64), op.const([-1]), keepdims=0)


def _largest(op: Op, values: Value) -> Value:
    """The largest of each row of numbers that are not negative, as a column; 0 of none."""
    zeros = full(op, [*op.dims(values)[:-1], 1], 0, DType.FLOAT64)
    return op.ReduceMax(op.Concat(values, zeros, axis=-1), op.const([-1]), keepdims=1)


def pseudo_inverse(op: Op, x: Value, atol: float | Value | None, rtol: float | Value | None) -> Value:
    """Moore's and Penrose's, (*, N, M), of float64, of a matrix (*, M, N)."""
    rows, columns = op.sizes(x)[-2:]
    if isinstance(rows, int) and isinstance(columns, int) and rows < columns:
        return transpose_last(op, pseudo_inverse(op, transpose_last(op, x), atol, rtol))
    padded = _padded(op, square(op, x))
    count = arange(op, op.dim(padded, -1))
    identity = op.cast(op.Equal(op.Unsqueeze(count, op.const([1])), count), DType.FLOAT64)
    batch = op.dims(x)[:-2]
    carried = expand_to(op, identity, [*batch, -1, -1]) if batch else identity
    turned = orthogonalised(op, op.Concat(padded, carried, axis=-2), op.dim(x, -2))
    axis = op.rank(x) - 2
    left, right = slice_axis(op, turned, axis, 0, op.dim(x, -2)), slice_axis(op, turned, axis, op.dim(x, -2))
    squares = op.ReduceSum(op.Mul(left, left), op.const([-2]), keepdims=0)
    values = op.Sqrt(squares)
    counts = op.Greater(values, _tolerance(op, x, atol, rtol, _largest(op, values)))
    factors = op.Where(counts, op.Reciprocal(op.Where(counts, squares, _number(op, 1))), _number(op, 0))
    whole = op.MatMul(op.Mul(right, op.Unsqueeze(factors, op.const([-2]))), transpose_last(op, left))
    return slice_axis(op, whole, axis, 0, op.dim(x, -1))


@aten("linalg_pinv", "pinverse")
def pinv(
    op: Op,
    self: Value,
    rcond: float | Value | None = None,
    atol: float | Value | None = None,
    rtol: float | Value | None = None,
    hermitian: bool = False,
) -> Value:
    """linalg_pinv(Tensor self, *, float? atol=None, float? rtol=None, bool hermitian=False) -> Tensor; (*, M, N)"""
    if rcond is not None:
        atol, rtol = None, rcond
    matrix = op.cast(_symmetric(op, self, False), op.dtype(self)) if hermitian else self
    return op.cast(pseudo_inverse(op, matrix, atol, rtol), op.dtype(self))


@aten("linalg_cond.p_str")
def cond_by_name(op: Op, self: Value, p: str) -> Value:
    """linalg_cond.p_str(Tensor self, str p) -> Tensor"""
    norms = [_norm_by_name(op, x, p) for x in (square(op, self), inverse(op, square(op, self)))]
    return _cond(op, self, *norms)


def _norm_by_name(op: Op, x: Value, name: str) -> Value:
    if name == "nuc":
        return op.ReduceSum(singular_values(op, x), op.const([-1]), keepdims=0)
    return op.Sqrt(op.ReduceSum(op.Mul(x, x), op.const([-2, -1]), keepdims=0))


def _cond(op: Op, self: Value, norm: Value, of_inverse: Value) -> Value:
    product = op.Mul(norm, of_inverse)
    # A matrix without an inverse.
    infinite = op.Where(op.IsNaN(product), _number(op, np.inf), product)
    return op.cast(infinite, op.dtype(self))


@aten("linalg_cond")
def cond(op: Op, self: Value, p: float | None = None) -> Value:
    """linalg_cond(Tensor self, Scalar? p=None) -> Tensor; (*, M, N) -> (*)"""
    wide = square(op, self)
    if p is None or abs(p) == 2:
        values = singular_values(op, wide)
        last = op.dim(values, -1)
        ends = [op.Gather(values, op.scalar(place, DType.INT64), axis=-1) for place in (0, sub(op, last, 1))]
        return op.cast(op.Div(*(ends if p != -2 else reversed(ends))), op.dtype(self))
    summed, compared = (-2, -1) if abs(p) == 1 else (-1, -2)
    if abs(p) not in (1, np.inf):
        raise op.refuse(f"a condition number with p={p}")
    norms = []
    for x in (wide, inverse(op, wide)):
        sums = op.ReduceSum(op.Abs(x), op.const([summed]), keepdims=1)
        reduce = op.ReduceMax if p > 0 else op.ReduceMin
        norms.append(op.Squeeze(reduce(sums, op.const([compared]), keepdims=1), op.const([-2, -1])))
    return _cond(op, self, *norms)


@aten("linalg_lstsq")
def lstsq(
    op: Op, self: Value, b: Value, rcond: float | None = None, driver: str | None = None
) -> tuple[Value, Value, Value, Value]:
    """linalg_lstsq(Tensor self, Tensor b, float? rcond=None, *, str? driver=None) -> (Tensor solution, Tensor
    residuals, Tensor rank, Tensor singular_values); self (*, M, N), b (*, M, K), or (*, M)
    """
    dtype = op.dtype(self)
    none = op.retype(op.const([], dtype), TensorType(dtype, (0,)))
    name = driver or "gelsy"
    rows, columns = op.sizes(self)[-2:]
    if name != "gelsy" and not (isinstance(rows, int) and isinstance(columns, int)):
        raise op.refuse(f"least squares with driver={name!r} of a matrix of dynamic sizes", "Use driver='gelsy'.")
    is_tall = name != "gelsy" and isinstance(rows, int) and isinstance(columns, int) and rows > columns
    if is_tall and name != "gels":
        raise op.refuse(f"residuals with driver={name!r}, of which there are none if the rank is low", "Use 'gelsy'.")
    is_vector = op.rank(b) == op.rank(self) - 1
    right = op.Unsqueeze(square(op, b), op.const([-1])) if is_vector else square(op, b)
    found = op.MatMul(pseudo_inverse(op, self, None, rcond), right)
    rest = op.Sub(right, op.MatMul(square(op, self), found))
    residuals = op.cast(op.ReduceSum(op.Mul(rest, rest), op.const([-2]), keepdims=0), dtype) if is_tall else none
    solution = op.cast(op.Squeeze(found, op.const([-1])) if is_vector else found, dtype)
    whole = op.retype(op.const([], DType.INT64), TensorType(DType.INT64, (0,)))
    rank = whole if name == "gels" else matrix_rank(op, self, rtol=rcond)
    values = svdvals(op, self) if name in ("gelsd", "gelss") else none
    return solution, residuals, rank, values
