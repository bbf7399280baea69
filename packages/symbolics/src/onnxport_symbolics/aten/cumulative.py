"""Running sums, products and extremes, and differences of neighbours."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from onnxport_ir import DType, TensorType, Value

from onnxport_symbolics.aten.arithmetic import add, div, logaddexp, mul
from onnxport_symbolics.aten.casts import as_float, convert, in_single, real_dtype, widened
from onnxport_symbolics.aten.reduce import accumulator_dtype, sum_
from onnxport_symbolics.op import Op
from onnxport_symbolics.promote import TensorOrNumber, promote_dtypes
from onnxport_symbolics.registry import aten

#: Takes the state and a slice; gives the next state and what is put out for the slice.
_Step = Callable[[Sequence[Value], Value], tuple[Sequence[Value], Sequence[Value]]]


def scan(op: Op, x: Value, axis: int, states: Sequence[Value], step: _Step) -> list[Value]:
    """Go along an axis of ``x``, slice by slice; the outputs of all slices, put together along the axis.

    The states are made for ``x`` as :func:`never_empty` gives it.
    """
    original, x = op.sizes(x), never_empty(op, x)
    sizes = op.sizes(x)
    item = Value(TensorType(x.dtype, sizes[:axis] + sizes[axis + 1 :]))
    formals = [Value(state.value_type) for state in states]
    with op.body([*formals, item], name="scan") as body:
        following, outputs = step(formals, item)
        # A value can be an output of the body once.
        results = [op.own(value) for value in following]
        body.outputs = [*results, *(op.alias(value) for value in outputs)]
    axes = (axis,) * len(outputs)
    found = op.multi(
        "Scan",
        len(states) + len(outputs),
        *states,
        x,
        body=body,
        num_scan_inputs=1,
        scan_input_axes=(axis,),
        scan_output_axes=axes,
    )[len(states) :]
    grown = [place for place, size in enumerate(sizes) if size != original[place]]
    if grown:
        found = tuple(op.Slice(result, [0] * len(grown), [-1] * len(grown), grown) for result in found)
    return [
        op.retype(result, TensorType(output.dtype, original)) for result, output in zip(found, outputs, strict=True)
    ]


def never_empty(op: Op, x: Value) -> Value:
    """``x`` with one more element at the end of every dynamic axis.

    ONNX Runtime's Scan divides by zero where a slice has no elements, which ends the process.
    """
    grows = [not isinstance(size, int) for size in op.sizes(x)]
    return op.Pad(x, [*[0] * len(grows), *map(int, grows)]) if any(grows) else x


def _slice_of(op: Op, x: Value, axis: int, number: bool | float, dtype: DType) -> Value:
    """A tensor of the shape of a slice of ``x``, filled with a number."""
    dims = op.dims(never_empty(op, x))
    return op.Expand(op.const(number, dtype), op.ints(dims[:axis] + dims[axis + 1 :]))


@aten("cumsum")
def cumsum(op: Op, self: Value, dim: int, dtype: DType | None = None) -> Value:
    """cumsum(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor"""
    x = convert(op, self, accumulator_dtype(op, self, dtype))
    axis = op.axis(x, dim)
    return op.CumSum(x, op.const(axis)) if op.rank(x) else x


@aten("cumprod")
def cumprod(op: Op, self: Value, dim: int, dtype: DType | None = None) -> Value:
    """cumprod(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor"""
    given = convert(op, self, accumulator_dtype(op, self, dtype))
    x = widened(op, given)[0]
    axis = op.axis(x, dim)
    if _needs_no_scan(op, x):
        return given

    def step(state: Sequence[Value], item: Value) -> tuple[Sequence[Value], Sequence[Value]]:
        product = op.Mul(state[0], item)
        return [product], [product]

    return op.cast(scan(op, x, axis, [_slice_of(op, x, axis, 1, op.dtype(x))], step)[0], op.dtype(given))


@aten("logcumsumexp", "_logcumsumexp")
@in_single
def logcumsumexp(op: Op, self: Value, dim: int) -> Value:
    """logcumsumexp(Tensor self, int dim) -> Tensor"""
    x = as_float(op, self)
    axis = op.axis(x, dim)
    if _needs_no_scan(op, x):
        return x

    def step(state: Sequence[Value], item: Value) -> tuple[Sequence[Value], Sequence[Value]]:
        total = logaddexp(op, state[0], item)
        return [total], [total]

    return scan(op, x, axis, [_slice_of(op, x, axis, -math.inf, op.dtype(x))], step)[0]


@aten("cummax")
def cummax(op: Op, self: Value, dim: int) -> tuple[Value, Value]:
    """cummax(Tensor self, int dim) -> (Tensor values, Tensor indices); the last of several"""
    return _running_extreme(op, self, dim, "GreaterOrEqual", -1)


@aten("cummin")
def cummin(op: Op, self: Value, dim: int) -> tuple[Value, Value]:
    """cummin(Tensor self, int dim) -> (Tensor values, Tensor indices); the last of several"""
    return _running_extreme(op, self, dim, "LessOrEqual", 1)


def _running_extreme(op: Op, x: Value, dim: int, compare: str, sign: int) -> tuple[Value, Value]:
    dtype = real_dtype(op, x)
    carrier = {DType.BOOL: DType.INT32, DType.BFLOAT16: DType.FLOAT32}.get(dtype)
    if carrier is not None:
        values, indices = _running_extreme(op, op.cast(x, carrier), dim, compare, sign)
        return op.cast(values, dtype), indices
    axis = op.axis(x, dim)
    if op.rank(x) == 0:
        return x, op.const(0)
    if _needs_no_scan(op, x):
        return x, op.cast(x, DType.INT64)

    def step(state: Sequence[Value], item: Value) -> tuple[Sequence[Value], Sequence[Value]]:
        best, where, position = state
        better = op.multi(compare, 1, item, best)[0]
        if dtype.is_float:
            # The first NaN stays the extreme, until the next one.
            better = op.Or(better, op.IsNaN(item))
        best, where = op.Where(better, item, best), op.Where(better, position, where)
        return [best, where, op.Add(position, op.const(1))], [best, where]

    worst = sign * math.inf if dtype.is_float else _integer_limit(dtype, sign)
    states = [_slice_of(op, x, axis, worst, dtype), _slice_of(op, x, axis, 0, DType.INT64), op.const(0)]
    values, indices = scan(op, x, axis, states, step)
    return values, indices


def _integer_limit(dtype: DType, sign: int) -> int:
    limits = np.iinfo(dtype.numpy)
    return int(limits.max if sign > 0 else limits.min)


def _needs_no_scan(op: Op, x: Value) -> bool:
    return op.rank(x) == 0 or 0 in op.sizes(x)


@aten("diff")
def diff(
    op: Op, self: Value, n: int = 1, dim: int = -1, prepend: Value | None = None, append: Value | None = None
) -> Value:
    """diff(Tensor self, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> Tensor"""
    parts = [part for part in (prepend, self, append) if part is not None]
    dtype = op.dtype(parts[0])
    for part in parts[1:]:
        dtype = promote_dtypes(dtype, op.dtype(part))
    x = op.Concat(*(op.cast(part, dtype) for part in parts), axis=op.axis(self, dim))
    axis = op.axis(x, dim)
    for _ in range(n):
        later = _without_ends(op, x, axis, 1, None)
        earlier = _without_ends(op, x, axis, 0, -1)
        x = op.Xor(later, earlier) if dtype is DType.BOOL else op.Sub(later, earlier)
    return x


def _without_ends(op: Op, x: Value, axis: int, start: int, end: int | None) -> Value:
    last = np.iinfo(np.int64).max if end is None else end
    return op.Slice(x, op.const([start]), op.const([int(last)]), op.const([axis]), op.const([1]))


@aten("trapezoid", "trapz")
def trapezoid(op: Op, y: Value, x: Value | None = None, dx: TensorOrNumber = 1, dim: int = -1) -> Value:
    """trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor; trapezoid.dx(Tensor y, *, Scalar dx=1, int dim=-1)"""
    areas = _double_areas(op, y, x, dx, dim)
    return div(op, sum_(op, areas, [op.axis(y, dim)]), 2.0)


@aten("cumulative_trapezoid")
def cumulative_trapezoid(op: Op, y: Value, x: Value | None = None, dx: TensorOrNumber = 1, dim: int = -1) -> Value:
    """cumulative_trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor"""
    areas = _double_areas(op, y, x, dx, dim)
    return div(op, cumsum(op, areas, op.axis(y, dim)), 2.0)


def _double_areas(op: Op, y: Value, x: Value | None, dx: TensorOrNumber, dim: int) -> Value:
    """Twice the areas between neighbouring points, in the type that torch computes them in."""
    axis = op.axis(y, dim)
    total = add(op, _without_ends(op, y, axis, 1, None), _without_ends(op, y, axis, 0, -1))
    if x is None:
        return mul(op, total, dx)
    if op.rank(x) != 1 and op.rank(x) != op.rank(y):
        raise op.refuse("trapezoid of points whose rank is not that of the values")
    width = diff(op, x, 1, 0 if op.rank(x) == 1 else axis)
    trailing = op.rank(y) - 1 - axis
    if op.rank(x) == 1 and trailing:
        width = op.Unsqueeze(width, op.const(list(range(1, 1 + trailing))))
    return mul(op, total, width)


@aten("cross", "linalg_cross")
def cross(op: Op, self: Value, other: Value, dim: int | None = None) -> Value:
    """linalg_cross(Tensor self, Tensor other, *, int dim=-1) -> Tensor"""
    dtype = promote_dtypes(real_dtype(op, self), real_dtype(op, other))
    left, right = op.cast(self, dtype), op.cast(other, dtype)
    if dim is None:
        threes = [axis for axis, size in enumerate(op.sizes(self)) if size == 3]
        if not threes:
            raise op.refuse("cross without a dimension that is known to be of size 3", "Pass dim.")
        dim = threes[0] - op.rank(self)
    axis = dim if dim < 0 else dim - op.rank(self)
    turns = op.const([1, 2, 0]), op.const([2, 0, 1])

    def product(first: Value, second: Value) -> Value:
        return op.Mul(op.Gather(left, first, axis=axis), op.Gather(right, second, axis=axis))

    return op.Sub(product(*turns), product(*reversed(turns)))
