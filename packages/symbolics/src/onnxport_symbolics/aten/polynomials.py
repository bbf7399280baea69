"""Orthogonal polynomials of a degree that may differ from element to element, by their recurrences."""

from __future__ import annotations

from collections.abc import Callable

from onnxport_ir import DType, TensorType, Value

from onnxport_symbolics.aten.arithmetic import promote_real
from onnxport_symbolics.op import Op
from onnxport_symbolics.promote import TensorOrNumber
from onnxport_symbolics.registry import aten
from onnxport_symbolics.series import number

#: Gives the polynomial of degree 1 at x.
_First = Callable[[Op, Value], Value]
#: Gives the polynomial of degree k + 1 at x from those of degree k and k - 1; k is a value of rank 0.
_Next = Callable[[Op, Value, Value, Value, Value], Value]


def _polynomial(op: Op, x: TensorOrNumber, n: TensorOrNumber, first: _First, following: _Next) -> Value:
    """The polynomials of degree ``n`` at ``x``; 0 for a negative degree.

    In float64, so that the recurrences are as good as the closed forms that torch uses for some arguments.
    """
    left, right = promote_real(op, x, n, to_float=True)
    dtype = op.dtype(left)
    point, degree = op.cast(left, DType.FLOAT64), op.cast(right, DType.INT64)
    shape = op.shape(op.Add(point, op.cast(degree, DType.FLOAT64)))
    point, degree = op.Expand(point, shape), op.Expand(degree, shape)
    start = op.Expand(number(op, 1), shape)
    one, zero = op.const(1), op.const(0)
    # The largest degree says how far to go; a leading 1 makes that a number for no elements too.
    degrees = op.Concat(op.const([1]), op.Reshape(degree, op.const([-1])), axis=0)
    trips = op.Sub(op.ReduceMax(degrees, keepdims=0), one)
    last = _recur(op, point, degree, [start, first(op, point)], trips, following)
    result = op.Where(op.Less(degree, one), start, last)
    result = op.Where(op.Less(degree, zero), number(op, 0), result)
    return op.cast(result, dtype)


def _recur(op: Op, x: Value, degree: Value, initial: list[Value], trips: Value, following: _Next) -> Value:
    """The polynomials of the wanted degrees, where those are above 0; initially there are those of 0 and 1."""
    counter, flag = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ()))
    previous, current = (Value(TensorType(value.dtype, x.shape)) for value in initial)
    with op.body([counter, flag, previous, current], name="degree") as body:
        k = op.Add(counter, op.const(1))
        further = following(op, x, op.cast(k, DType.FLOAT64), current, previous)
        wanted = op.Less(k, degree)
        results = [op.Where(wanted, current, previous), op.Where(wanted, further, current)]
        body.outputs = [op.own(value) for value in (flag, *results)]
    found = op.multi("Loop", 2, trips, op.const(True), *initial, body=body)
    return op.retype(found[1], TensorType(DType.FLOAT64, x.shape))


def _double(op: Op, x: Value) -> Value:
    return op.Add(x, x)


def _chebyshev(op: Op, x: Value, k: Value, current: Value, previous: Value) -> Value:
    return op.Sub(op.Mul(_double(op, x), current), previous)


def _hermite(op: Op, x: Value, k: Value, current: Value, previous: Value) -> Value:
    return _double(op, op.Sub(op.Mul(x, current), op.Mul(k, previous)))


def _hermite_of_statistics(op: Op, x: Value, k: Value, current: Value, previous: Value) -> Value:
    return op.Sub(op.Mul(x, current), op.Mul(k, previous))


def _laguerre(op: Op, x: Value, k: Value, current: Value, previous: Value) -> Value:
    after = op.Add(k, number(op, 1))
    factor = op.Sub(op.Add(k, after), x)
    return op.Div(op.Sub(op.Mul(factor, current), op.Mul(k, previous)), after)


def _legendre(op: Op, x: Value, k: Value, current: Value, previous: Value) -> Value:
    after = op.Add(k, number(op, 1))
    factor = op.Mul(op.Add(k, after), x)
    return op.Div(op.Sub(op.Mul(factor, current), op.Mul(k, previous)), after)


def _plain(op: Op, x: Value) -> Value:
    return x


def _less_one(op: Op, x: Value) -> Value:
    return op.Sub(_double(op, x), number(op, 1))


def _plus_one(op: Op, x: Value) -> Value:
    return op.Add(_double(op, x), number(op, 1))


def _one_less(op: Op, x: Value) -> Value:
    return op.Sub(number(op, 1), x)


def _register(name: str, first: _First, following: _Next) -> None:
    def function(op: Op, x: TensorOrNumber, n: TensorOrNumber) -> Value:
        return _polynomial(op, x, n, first, following)

    function.__doc__ = f"special_{name}(Tensor x, Tensor n) -> Tensor"
    aten(f"special_{name}")(function)


def _register_shifted(name: str, first: _First) -> None:
    """Chebyshev's polynomials of ``2 x - 1``."""

    def shifted_first(op: Op, x: Value) -> Value:
        return first(op, _less_one(op, x))

    def following(op: Op, x: Value, k: Value, current: Value, previous: Value) -> Value:
        return _chebyshev(op, _less_one(op, x), k, current, previous)

    _register(f"shifted_{name}", shifted_first, following)


for _kind, _first in (("t", _plain), ("u", _double), ("v", _less_one), ("w", _plus_one)):
    _register(f"chebyshev_polynomial_{_kind}", _first, _chebyshev)
    _register_shifted(f"chebyshev_polynomial_{_kind}", _first)
_register("hermite_polynomial_h", _double, _hermite)
_register("hermite_polynomial_he", _plain, _hermite_of_statistics)
_register("laguerre_polynomial_l", _one_less, _laguerre)
_register("legendre_polynomial_p", _plain, _legendre)
