"""Sums in float64, for functions that ONNX does not have: they are rounded to the input's type at the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from onnxport_ir import DType, Value

from onnxport_symbolics.aten.casts import as_float
from onnxport_symbolics.op import Op

#: Numbers that become a constant.
Floats = npt.NDArray[np.float64]


def wide(op: Op, x: Value) -> Value:
    """``x`` as float64."""
    return op.cast(as_float(op, x), DType.FLOAT64)


def narrow(op: Op, result: Value, x: Value) -> Value:
    """A result in the type that torch gives a float function of ``x``."""
    return op.cast(result, op.dtype(as_float(op, x)))


def number(op: Op, number: float) -> Value:
    """A constant of rank 0 and type float64."""
    return op.const(number, DType.FLOAT64)


def column(op: Op, x: Value) -> Value:
    """``x`` with a last axis of size 1, along which a row of numbers is broadcast."""
    return op.Unsqueeze(x, op.const([-1]))


def sum_of(op: Op, terms: Value) -> Value:
    """The sum over the last axis."""
    return op.ReduceSum(terms, op.const([-1]), keepdims=0)


def weighted(op: Op, terms: Value, weights: Floats) -> Value:
    """The sum over the last axis of ``terms`` times ``weights``, as of a quadrature."""
    return sum_of(op, op.Mul(terms, op.const(weights)))


def polynomial(op: Op, x: Value, coefficients: Sequence[float]) -> Value:
    """Horner's scheme, the highest power first."""
    result = number(op, coefficients[0])
    for coefficient in coefficients[1:]:
        result = op.Add(op.Mul(result, x), number(op, coefficient))
    return result
