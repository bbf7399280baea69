"""Window functions and frequencies of signal processing; of known lengths they are constants.

Sums of cosines, and the triangle, are computed where it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnxport_ir import DType, Value

from onnxport_symbolics.aten.create import chosen_dtype
from onnxport_symbolics.integers import add, arange
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten

_Array = npt.NDArray[Any]


def _window(op: Op, length: int, periodic: bool, dtype: DType | None, shape: Callable[[_Array], _Array]) -> Value:
    """``shape`` of the positions from 0 to 1; a periodic window is a longer one without its last element."""
    kind = chosen_dtype(op, dtype)
    if length <= 1:
        return op.const(np.ones(length), kind)
    last = length if periodic else length - 1
    return op.const(shape(np.arange(length, dtype=np.float64) / last).astype(kind.numpy), kind)


def _sum_of_cosines(op: Op, length: Int, periodic: bool, dtype: DType | None, *coefficients: float) -> Value:
    if isinstance(length, Value):
        return _computed(op, length, periodic, dtype, lambda x, kind: _cosines(op, x, kind, coefficients))

    def shape(x: _Array) -> _Array:
        total: _Array = np.zeros_like(x)
        for index, coefficient in enumerate(coefficients):
            total = total + coefficient * np.cos(2 * np.pi * index * x)
        return total

    return _window(op, length, periodic, dtype, shape)


def _cosines(op: Op, x: Value, kind: DType, coefficients: Sequence[float]) -> Value:
    total: Value = op.const(coefficients[0], kind)
    for index, coefficient in enumerate(coefficients[1:], 1):
        wave = op.Cos(op.Mul(x, op.const(2 * np.pi * index, kind)))
        total = op.Add(total, op.Mul(wave, op.const(coefficient, kind)))
    return total


def _computed(
    op: Op, length: Value, periodic: bool, dtype: DType | None, shape: Callable[[Value, DType], Value]
) -> Value:
    """A window of dynamic length; a single element is 1."""
    kind = chosen_dtype(op, dtype)
    one = op.const(1, DType.INT64)
    last = length if periodic else op.Max(op.Sub(length, one), one)
    x = op.Div(op.cast(arange(op, length), kind), op.cast(last, kind))
    return op.Where(op.Equal(length, one), op.const(1, kind), shape(x, kind))


@aten("hann_window")
def hann_window(op: Op, window_length: Int, dtype: DType | None, periodic: bool = True) -> Value:
    """hann_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None) -> Tensor; hann_window"""
    return _sum_of_cosines(op, window_length, periodic, dtype, 0.5, -0.5)


@aten("hamming_window")
def hamming_window(
    op: Op, window_length: Int, dtype: DType | None, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46
) -> Value:
    """hamming_window.periodic_alpha_beta(int window_length, bool periodic, float alpha, float beta) -> Tensor; ..."""
    return _sum_of_cosines(op, window_length, periodic, dtype, alpha, -beta)


@aten("blackman_window")
def blackman_window(op: Op, window_length: Int, dtype: DType | None, periodic: bool = True) -> Value:
    """blackman_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None) -> Tensor"""
    return _sum_of_cosines(op, window_length, periodic, dtype, 0.42, -0.5, 0.08)


@aten("bartlett_window")
def bartlett_window(op: Op, window_length: Int, dtype: DType | None, periodic: bool = True) -> Value:
    """bartlett_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None) -> Tensor"""
    if isinstance(window_length, Value):
        return _computed(op, window_length, periodic, dtype, lambda x, kind: _triangle(op, x, kind))
    return _window(op, window_length, periodic, dtype, lambda x: 1 - np.abs(2 * x - 1))


def _triangle(op: Op, x: Value, kind: DType) -> Value:
    one = op.const(1, kind)
    return op.Sub(one, op.Abs(op.Sub(op.Mul(x, op.const(2, kind)), one)))


@aten("kaiser_window")
def kaiser_window(op: Op, window_length: int, dtype: DType | None, periodic: bool = True, beta: float = 12.0) -> Value:
    """kaiser_window.beta(int window_length, bool periodic, float beta, *, ScalarType? dtype=None) -> Tensor; ..."""
    return _window(
        op,
        window_length,
        periodic,
        dtype,
        lambda x: np.i0(beta * np.sqrt(np.maximum(1 - (2 * x - 1) ** 2, 0))) / np.i0(beta),
    )


@aten("fft_fftfreq")
def fftfreq(op: Op, n: Int, d: float, dtype: DType | None) -> Value:
    """fft_fftfreq(int n, float d=1.0, *, ScalarType? dtype=None) -> Tensor

    The second half counts up to -1.
    """
    places, count = arange(op, n), op.scalar(n, DType.INT64)
    first = op.Div(op.Add(count, op.const(1, DType.INT64)), op.const(2, DType.INT64))
    numbers = op.Where(op.Less(places, first), places, op.Sub(places, count))
    return _frequencies(op, numbers, count, d, dtype)


@aten("fft_rfftfreq")
def rfftfreq(op: Op, n: Int, d: float, dtype: DType | None) -> Value:
    """fft_rfftfreq(int n, float d=1.0, *, ScalarType? dtype=None) -> Tensor"""
    count = op.scalar(n, DType.INT64)
    numbers = arange(op, n // 2 + 1 if isinstance(n, int) else add(op, op.Div(n, op.const(2, DType.INT64)), 1))
    return _frequencies(op, numbers, count, d, dtype)


def _frequencies(op: Op, numbers: Value, count: Value, spacing: float, dtype: DType | None) -> Value:
    kind = chosen_dtype(op, dtype)
    return op.Div(op.cast(numbers, kind), op.Mul(op.cast(count, kind), op.const(spacing, kind)))
