"""Window functions of signal processing; of a length that is known during the export, they are constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from onnxport_ir import DType, Value

from onnxport_symbolics.aten.create import chosen_dtype
from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten

_Array = npt.NDArray[Any]


def _window(op: Op, length: int, periodic: bool, dtype: DType | None, shape: Callable[[_Array], _Array]) -> Value:
    """``shape`` of the positions from 0 to 1; a periodic window is a longer one without its last element."""
    kind = chosen_dtype(op, dtype)
    if length <= 1:
        return op.const(np.ones(length), kind)
    last = length if periodic else length - 1
    return op.const(shape(np.arange(length, dtype=np.float64) / last).astype(kind.numpy), kind)


def _cosines(*coefficients: float) -> Callable[[_Array], _Array]:
    def shape(x: _Array) -> _Array:
        total: _Array = np.zeros_like(x)
        for index, coefficient in enumerate(coefficients):
            total = total + coefficient * np.cos(2 * np.pi * index * x)
        return total

    return shape


@aten("hann_window")
def hann_window(op: Op, window_length: int, dtype: DType | None, periodic: bool = True) -> Value:
    """hann_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None) -> Tensor; hann_window"""
    return _window(op, window_length, periodic, dtype, _cosines(0.5, -0.5))


@aten("hamming_window")
def hamming_window(
    op: Op, window_length: int, dtype: DType | None, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46
) -> Value:
    """hamming_window.periodic_alpha_beta(int window_length, bool periodic, float alpha, float beta) -> Tensor; ..."""
    return _window(op, window_length, periodic, dtype, _cosines(alpha, -beta))


@aten("blackman_window")
def blackman_window(op: Op, window_length: int, dtype: DType | None, periodic: bool = True) -> Value:
    """blackman_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None) -> Tensor"""
    return _window(op, window_length, periodic, dtype, _cosines(0.42, -0.5, 0.08))


@aten("bartlett_window")
def bartlett_window(op: Op, window_length: int, dtype: DType | None, periodic: bool = True) -> Value:
    """bartlett_window.periodic(int window_length, bool periodic, *, ScalarType? dtype=None) -> Tensor"""
    return _window(op, window_length, periodic, dtype, lambda x: 1 - np.abs(2 * x - 1))


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
