"""Fourier transforms as products with matrices of known size, and the mel scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from onnxport_ir import DType, Value

from onnxport_symbolics.calls import backport
from onnxport_symbolics.integers import known_ints
from onnxport_symbolics.op import Op

#: A longer transform would make a matrix of tens of megabytes.
LONGEST = 2048
_BY_NUMBER = {dtype.onnx: dtype for dtype in DType}


@backport("DFT")
def dft(
    op: Op,
    x: Value,
    dft_length: Value | None = None,
    axis: Value | None = None,
    inverse: int = 0,
    onesided: int = 0,
) -> Value:
    """One product with a matrix that holds cosines and sines; the sums are those of the definition."""
    rank = op.rank(x)
    along = known_ints(axis) if axis is not None else (-2,)
    parts, size = op.sizes(x)[-1], None
    if along is not None:
        size = known_ints(dft_length) if dft_length is not None else op.sizes(x)[along[0] % rank]
    length = size[0] if isinstance(size, tuple) else size
    if along is None or not isinstance(length, int) or not isinstance(parts, int) or length > LONGEST:
        raise op.needs("DFT")
    if inverse and onesided:
        raise op.needs_opset("DFT with inverse and onesided", 20)
    order = list(range(rank))
    order[along[0] % rank], order[-2] = order[-2], order[along[0] % rank]
    data = _of_length(op, op.Transpose(x, perm=order), length)
    count = length // 2 + 1 if onesided else length
    matrix = op.const(fourier(length, count, parts, inverse=bool(inverse)), op.dtype(x))
    product = op.MatMul(op.Reshape(data, [0] * (rank - 2) + [length * parts]), matrix)
    return op.Transpose(op.Reshape(product, [0] * (rank - 2) + [count, 2]), perm=order)


def _of_length(op: Op, x: Value, length: int) -> Value:
    """``x`` cut or filled with zeros to a length of its last axis but one."""
    size = op.sizes(x)[-2]
    if size == length:
        return x
    padded = x if isinstance(size, int) and size > length else op.Pad(x, [0] * (2 * op.rank(x) - 2) + [length, 0])
    return op.Slice(padded, [0], [length], [op.rank(x) - 2])


def fourier(length: int, count: int, parts: int, *, inverse: bool) -> npt.NDArray[Any]:
    """The matrix that takes (length * parts) to (count * 2), where parts are real or real and imaginary."""
    # Reducing the product first keeps the angles exact.
    turns = np.outer(np.arange(length), np.arange(count)) % length / length * (1 if inverse else -1)
    real, imaginary = np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)
    matrix = np.zeros((length, parts, count, 2))
    matrix[:, 0, :, 0], matrix[:, 0, :, 1] = real, imaginary
    if parts == 2:
        matrix[:, 1, :, 0], matrix[:, 1, :, 1] = -imaginary, real
    flat: npt.NDArray[Any] = matrix.reshape(length * parts, count * 2) / (length if inverse else 1)
    return flat


@backport("STFT")
def stft(
    op: Op,
    signal: Value,
    frame_step: Value,
    window: Value | None = None,
    frame_length: Value | None = None,
    onesided: int = 1,
) -> Value:
    """A convolution: each frame is multiplied with the window and a row of the matrix."""
    step, sizes = known_ints(frame_step), known_ints(frame_length)
    length = sizes[0] if sizes else None if window is None else op.sizes(window)[0]
    parts = op.sizes(signal)[-1] if op.rank(signal) == 3 else 1
    if step is None or not isinstance(length, int) or parts != 1 or length > LONGEST:
        raise op.needs("STFT")
    count = length // 2 + 1 if onesided else length
    dtype = op.dtype(signal)
    kernel = op.const(fourier(length, count, 1, inverse=False).T.reshape(2 * count, 1, length), dtype)
    if window is not None:
        kernel = op.Mul(kernel, op.cast(window, dtype))
    row = op.Reshape(signal, [0, 1, -1])
    frames = op.Conv(row, kernel, kernel_shape=[length], strides=[step[0]])
    return op.Reshape(op.Transpose(frames, perm=[0, 2, 1]), op.ints([op.dim(signal, 0), -1, count, 2]))


@backport("MelWeightMatrix")
def mel_weight_matrix(
    op: Op, bins: Value, length: Value, rate: Value, lower: Value, upper: Value, output_datatype: int = 1
) -> Value:
    """A constant, where everything that it depends on is known."""
    values = (bins, length, rate, lower, upper)
    if any(value.const is None or value.is_weight for value in values):
        raise op.needs("MelWeightMatrix")
    num_bins, dft_length, sample_rate, low, high = (value.array().reshape(-1)[0].item() for value in values)
    spectrum = dft_length // 2 + 1
    mel_low, mel_high = (2595 * np.log10(1 + hertz / 700) for hertz in (low, high))
    edges = mel_low + np.arange(num_bins + 2) * (mel_high - mel_low) / (num_bins + 2)
    bins_at = (((dft_length + 1) * (700 * (10 ** (edges / 2595) - 1))) // sample_rate).astype(np.int64)
    matrix = np.zeros((spectrum, num_bins))
    for index in range(num_bins):
        first, centre, last = bins_at[index : index + 3]
        if centre < spectrum:
            matrix[centre, index] = 1
        rising, falling = np.arange(first, centre), np.arange(centre, last)
        matrix[rising, index] = (rising - first) / max(centre - first, 1)
        matrix[falling, index] = (last - falling) / max(last - centre, 1)
    return op.const(matrix, _BY_NUMBER[output_datatype])
