"""Fourier transforms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnxport_ir import DType, TensorType, Value

from onnxport_symbolics import complex_values as cv
from onnxport_symbolics.aten.casts import as_float
from onnxport_symbolics.aten.complex_views import conj, dims_of
from onnxport_symbolics.complex_values import ComplexValue
from onnxport_symbolics.integers import add, mul, sub
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import dim_of, expand_to, reshape, slice_axis

Tensor = ComplexValue | Value
#: What the other direction's scaling is called.
_OTHER_WAY = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


@aten("fft_fft")
def fft(op: Op, self: ComplexValue | Value, n: Int | None, dim: int, norm: str | None) -> ComplexValue:
    """fft_fft(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor"""
    return _transform(op, self, n, dim, norm)


@aten("fft_ifft")
def ifft(op: Op, self: ComplexValue | Value, n: Int | None, dim: int, norm: str | None) -> ComplexValue:
    """fft_ifft(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor"""
    return _transform(op, self, n, dim, norm, inverse=True)


@aten("fft_rfft")
def rfft(op: Op, self: Value, n: Int | None, dim: int, norm: str | None) -> ComplexValue:
    """fft_rfft(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor; result: (..., n // 2 + 1, ...)"""
    return _transform(op, self, n, dim, norm, onesided=True)


@aten("fft_irfft")
def irfft(op: Op, self: ComplexValue | Value, n: Int | None, dim: int, norm: str | None) -> Value:
    """fft_irfft(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor; n is 2 * (size - 1) by default"""
    x = _pairs(op, self, real_too=True)
    rank = op.rank(x) - 1
    axis = _axis(op, rank, dim)
    length: Int = mul(op, sub(op, op.dim(x, axis), 1), 2) if n is None else n
    half = _resized(op, x, add(op, _halved(op, length), 1), axis)
    # The other half of the spectrum is the first one's mirror image, conjugate.
    last = _halved(op, sub(op, length, 1))
    mirrored = op.Slice(half, op.ints([last]), [0], [axis], [-1])
    flipped = op.Mul(mirrored, op.const(np.array([1, -1]), op.dtype(x)))
    spectrum = op.Concat(half, flipped, axis=axis)
    found = _scaled(op, op.DFT(spectrum, None, op.const(axis), inverse=1), length, norm, inverse=True)
    return op.Gather(found, 0, axis=-1)


@aten("fft_hfft")
def hfft(op: Op, self: ComplexValue | Value, n: Int | None, dim: int, norm: str | None) -> Value:
    """fft_hfft(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor"""
    return irfft(op, _conj(op, self), n, dim, _other_way(op, norm))


@aten("fft_ihfft")
def ihfft(op: Op, self: Value, n: Int | None, dim: int, norm: str | None) -> ComplexValue:
    """fft_ihfft(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor"""
    return conj(op, rfft(op, self, n, dim, _other_way(op, norm)))


@aten("fft_fftn", "fft_fft2")
def fftn(
    op: Op, self: ComplexValue | Value, s: Sequence[Int] | None, dim: Sequence[int] | None, norm: str | None
) -> ComplexValue:
    """fft_fftn(Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor; fft_fft2"""
    return _transform_axes(op, self, _axes(op, self, s, dim), norm, inverse=False)


@aten("fft_ifftn", "fft_ifft2")
def ifftn(
    op: Op, self: ComplexValue | Value, s: Sequence[Int] | None, dim: Sequence[int] | None, norm: str | None
) -> ComplexValue:
    """fft_ifftn(Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor; fft_ifft2"""
    return _transform_axes(op, self, _axes(op, self, s, dim), norm, inverse=True)


@aten("fft_rfftn", "fft_rfft2")
def rfftn(op: Op, self: Value, s: Sequence[Int] | None, dim: Sequence[int] | None, norm: str | None) -> ComplexValue:
    """fft_rfftn(Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor; fft_rfft2"""
    *others, (axis, size) = _axes(op, self, s, dim)
    return _transform_axes(op, rfft(op, self, size, axis, norm), others, norm, inverse=False)


@aten("fft_irfftn", "fft_irfft2")
def irfftn(
    op: Op, self: ComplexValue | Value, s: Sequence[Int] | None, dim: Sequence[int] | None, norm: str | None
) -> Value:
    """fft_irfftn(Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor; fft_irfft2"""
    *others, (axis, size) = _axes(op, self, s, dim)
    return irfft(op, _transform_axes(op, self, others, norm, inverse=True) if others else self, size, axis, norm)


@aten("fft_hfftn", "fft_hfft2")
def hfftn(
    op: Op, self: ComplexValue | Value, s: Sequence[Int] | None, dim: Sequence[int] | None, norm: str | None
) -> Value:
    """fft_hfftn(Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor; fft_hfft2"""
    *others, (axis, size) = _axes(op, self, s, dim)
    return hfft(op, _transform_axes(op, self, others, norm, inverse=False) if others else self, size, axis, norm)


@aten("fft_ihfftn", "fft_ihfft2")
def ihfftn(op: Op, self: Value, s: Sequence[Int] | None, dim: Sequence[int] | None, norm: str | None) -> ComplexValue:
    """fft_ihfftn(Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor; fft_ihfft2"""
    *others, (axis, size) = _axes(op, self, s, dim)
    return _transform_axes(op, ihfft(op, self, size, axis, norm), others, norm, inverse=True)


def _transform_axes(
    op: Op, x: Tensor, axes: Sequence[tuple[int, Int | None]], norm: str | None, *, inverse: bool
) -> ComplexValue:
    for axis, size in reversed(axes):
        x = _transform(op, x, size, axis, norm, inverse=inverse)
    return x if isinstance(x, ComplexValue) else cv.from_real(op, as_float(op, x))


def _axes(op: Op, x: Tensor, sizes: Sequence[Int] | None, dims: Sequence[int] | None) -> list[tuple[int, Int | None]]:
    """The axes to transform, with the sizes that they are to have."""
    rank = cv.rank(op, x) if isinstance(x, ComplexValue) else op.rank(x)
    if dims is None:
        dims = list(range(rank)) if sizes is None else list(range(rank - len(sizes), rank))
    wanted: Sequence[Int | None] = [None] * len(dims) if sizes is None else sizes
    return [
        (_axis(op, rank, dim), None if isinstance(size, int) and size == -1 else size)
        for dim, size in zip(dims, wanted, strict=True)
    ]


def _axis(op: Op, rank: int, dim: int) -> int:
    if not -rank <= dim < rank:
        raise op.refuse(f"a Fourier transform along axis {dim} of a tensor of rank {rank}")
    return dim % rank


def _pairs(op: Op, x: Tensor, *, real_too: bool = False) -> Value:
    """``x`` as DFT takes it: with a last axis of size 1 if it is real, 2 if it is complex."""
    if isinstance(x, ComplexValue):
        return cv.pair(op, x)
    values = as_float(op, x)
    return cv.pair(op, cv.from_real(op, values)) if real_too else op.Unsqueeze(values, [-1])


def _transform(
    op: Op, x: Tensor, n: Int | None, dim: int, norm: str | None, *, inverse: bool = False, onesided: bool = False
) -> ComplexValue:
    pairs = _pairs(op, x)
    axis = _axis(op, op.rank(pairs) - 1, dim)
    if n is not None:
        pairs = _resized(op, pairs, n, axis)
    length = op.dim(pairs, axis)
    found = op.DFT(pairs, None, op.const(axis), inverse=int(inverse), onesided=int(onesided))
    return ComplexValue(_scaled(op, found, length, norm, inverse=inverse))


def _halved(op: Op, size: Int) -> Int:
    """Half of a size, rounded down."""
    return size // 2 if isinstance(size, int) else op.Div(op.scalar(size, DType.INT64), 2)


def _resized(op: Op, x: Value, size: Int, axis: int) -> Value:
    """``x`` cut, or filled with zeros, to a size of an axis."""
    old, new = op.sizes(x)[axis], dim_of(op, size)
    if old == new and new is not None:
        return x
    if not isinstance(old, int) or not isinstance(new, int):
        missing = op.Max(op.scalar(sub(op, size, op.dim(x, axis)), DType.INT64), op.const(0))
        result = slice_axis(op, _with_zeros(op, x, missing, axis), axis, 0, size)
        # ONNX's Pad says nothing of the other axes where the number of zeros is not known.
        shape = list(op.sizes(x))
        shape[axis] = op.sizes(result)[axis] if new is None else new
        return op.retype(result, TensorType(result.dtype, tuple(shape)))
    return slice_axis(op, x, axis, 0, new) if new < old else _with_zeros(op, x, new - old, axis)


def _with_zeros(op: Op, x: Value, count: Int, axis: int) -> Value:
    rank = op.rank(x)
    pads: list[Int] = [0] * (2 * rank)
    pads[rank + axis] = count
    return op.Pad(x, op.ints(pads))


def _scaled(op: Op, x: Value, length: Int, norm: str | None, *, inverse: bool) -> Value:
    """The result of DFT, which divides by the length on the way back, in the scaling that is asked for."""
    way = _named(op, norm)
    if way == ("forward" if inverse else "backward"):
        exponent = 1.0 if inverse else 0.0
    elif way == "ortho":
        exponent = 0.5 if inverse else -0.5
    else:
        exponent = 0.0 if inverse else -1.0
    if exponent == 0:
        return x
    if isinstance(length, int):
        return op.Mul(x, op.const(float(length) ** exponent, op.dtype(x)))
    return op.Mul(x, op.Pow(op.cast(length, op.dtype(x)), op.const(exponent, op.dtype(x))))


def _named(op: Op, norm: str | None) -> str:
    if norm not in _OTHER_WAY:
        raise op.refuse(f"a Fourier transform with norm={norm!r}")
    return norm or "backward"


def _other_way(op: Op, norm: str | None) -> str:
    return _OTHER_WAY[_named(op, norm)]


def _conj(op: Op, x: Tensor) -> Tensor:
    return conj(op, x) if isinstance(x, ComplexValue) else x


@aten("stft")
def stft(
    op: Op,
    self: ComplexValue | Value,
    n_fft: int,
    hop_length: int | None,
    win_length: int | None,
    window: ComplexValue | Value | None,
    normalized: bool,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
    center: bool = False,
    pad_mode: str = "reflect",
) -> ComplexValue | Value:
    """stft(Tensor self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, ...) -> Tensor

    self: (T) or (B, T) real; result: (B, n_fft // 2 + 1, frames), complex, or with a last axis of the parts
    """
    if isinstance(self, ComplexValue) or isinstance(window, ComplexValue) or center or align_to_window:
        raise op.refuse("stft of complex numbers, or that pads its input itself", "Use torch.stft on a real signal.")
    dtype = op.dtype(self)
    signal = self if op.rank(self) == 2 else op.Unsqueeze(self, [0])
    whole = _window(op, window, n_fft if win_length is None else win_length, n_fft, dtype)
    hop = n_fft // 4 if hop_length is None else hop_length
    sided = int(onesided is None or onesided)
    frames = op.STFT(signal, op.const(hop), whole, op.const(n_fft), onesided=sided)
    spectrum = op.Transpose(frames, perm=[0, 2, 1, 3])
    if normalized:
        spectrum = op.Mul(spectrum, op.const(n_fft**-0.5, dtype))
    result = spectrum if op.rank(self) == 2 else op.Squeeze(spectrum, [0])
    return ComplexValue(result) if return_complex else result


def _window(op: Op, window: Value | None, length: int, n_fft: int, dtype: DType) -> Value:
    """The window, in the middle of as many values as a frame has."""
    values = op.const(np.ones(length), dtype) if window is None else op.cast(window, dtype)
    left = (n_fft - length) // 2
    return values if length == n_fft else op.Pad(values, [left, n_fft - length - left])


@aten("istft")
def istft(
    op: Op,
    self: ComplexValue,
    n_fft: int,
    hop_length: int | None,
    win_length: int | None,
    window: ComplexValue | Value | None,
    center: bool,
    normalized: bool,
    onesided: bool | None = None,
    length: Int | None = None,
    return_complex: bool = False,
) -> Value:
    """istft(Tensor self, int n_fft, int? hop_length=None, ..., int? length=None, bool return_complex=False) -> Tensor

    self: (n_fft // 2 + 1, frames) or (B, n_fft // 2 + 1, frames) complex
    """
    sizes = dims_of(op, self)
    is_onesided = sizes[-2] != n_fft if onesided is None else onesided
    if return_complex or not is_onesided or isinstance(window, ComplexValue):
        raise op.refuse("istft to complex numbers, or of a spectrum with both sides")
    whole = cv.pair(op, self) if len(sizes) == 3 else op.Unsqueeze(cv.pair(op, self), [0])
    rows = irfft(op, ComplexValue(whole), n_fft, 1, "ortho" if normalized else None)
    dtype = op.dtype(rows)
    weights = reshape(op, _window(op, window, n_fft if win_length is None else win_length, n_fft, dtype), [1, n_fft, 1])
    hop = n_fft // 4 if hop_length is None else hop_length
    signal = _overlapped(op, op.Mul(rows, weights), n_fft, hop)
    squares = expand_to(op, op.Mul(weights, weights), [1, n_fft, op.dim(rows, 2)])
    # Where no frame reaches, torch would have refused.
    signal = op.Div(signal, _overlapped(op, squares, n_fft, hop))
    start = n_fft // 2 if center else 0
    if length is None:
        end: Int | None = -start if start else None
    else:
        end = add(op, start, length)
    signal = slice_axis(op, signal, 1, start, end)
    if length is not None:
        signal = _resized(op, signal, length, 1)
    return signal if len(sizes) == 3 else op.Squeeze(signal, [0])


def _overlapped(op: Op, rows: Value, n_fft: int, hop: int) -> Value:
    """Frames (B, n_fft, frames) added up where they overlap."""
    kernel = op.const(np.eye(n_fft)[:, None, :], op.dtype(rows))
    return op.Squeeze(op.ConvTranspose(rows, kernel, kernel_shape=[n_fft], strides=[hop]), [1])
