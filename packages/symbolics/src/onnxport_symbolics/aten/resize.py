"""Interpolation: ``upsample_*`` in all modes, by ONNX's Resize."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten


@dataclass(frozen=True)
class Mode:
    """How a position of the result maps to the input, and what is made of the elements there.

    Attributes:
        name: ONNX's mode.
        coordinates: ONNX's coordinate_transformation_mode, if corners are not aligned.
        rounding: ONNX's nearest_mode, for the mode ``nearest``.
        cubic: the coefficient of the cubic kernel.
        antialias: whether the kernel widens when the input shrinks.
    """

    name: str
    coordinates: str = "half_pixel"
    rounding: str | None = None
    cubic: float | None = None
    antialias: bool = False


_NEAREST = Mode("nearest", coordinates="asymmetric", rounding="floor")
_NEAREST_EXACT = Mode("nearest", rounding="round_prefer_ceil")
_LINEAR = Mode("linear")
_CUBIC = Mode("cubic", cubic=-0.75)
_LINEAR_ANTIALIAS = Mode("linear", antialias=True)
_CUBIC_ANTIALIAS = Mode("cubic", cubic=-0.5, antialias=True)


def _register_nearest(mode: Mode, *names: str) -> None:
    @aten(*names)
    def upsample(
        op: Op,
        output_size: Sequence[int | Value] | None,
        input: Value | None = None,
        self: Value | None = None,
        scale_factors: Sequence[float] | None = None,
        scales: float | None = None,
        scales_d: float | None = None,
        scales_h: float | None = None,
        scales_w: float | None = None,
    ) -> Value:
        """upsample_nearest2d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor;
        upsample_nearest2d(Tensor self, SymInt[2] output_size, float? scales_h=None, float? scales_w=None) -> Tensor
        """
        x = _data(op, input, self)
        return _resize(op, x, mode, output_size, scale_factors or _given(scales, scales_d, scales_h, scales_w), False)


def _register_smooth(mode: Mode, *names: str) -> None:
    @aten(*names)
    def upsample(
        op: Op,
        output_size: Sequence[int | Value] | None,
        align_corners: bool,
        input: Value | None = None,
        self: Value | None = None,
        scale_factors: Sequence[float] | None = None,
        scales: float | None = None,
        scales_d: float | None = None,
        scales_h: float | None = None,
        scales_w: float | None = None,
    ) -> Value:
        """upsample_bilinear2d.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors)
        -> Tensor; upsample_bilinear2d(Tensor self, SymInt[2] output_size, bool align_corners, float? scales_h=None,
        float? scales_w=None) -> Tensor
        """
        x = _data(op, input, self)
        factors = scale_factors or _given(scales, scales_d, scales_h, scales_w)
        return _resize(op, x, mode, output_size, factors, align_corners)


_register_nearest(_NEAREST, "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d")
_register_nearest(_NEAREST_EXACT, "_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d")
_register_smooth(_LINEAR, "upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d")
_register_smooth(_CUBIC, "upsample_bicubic2d")
_register_smooth(_LINEAR_ANTIALIAS, "_upsample_bilinear2d_aa")
_register_smooth(_CUBIC_ANTIALIAS, "_upsample_bicubic2d_aa")


def _resize(
    op: Op,
    x: Value,
    mode: Mode,
    sizes: Sequence[Int] | None,
    factors: Sequence[float] | None,
    align_corners: bool,
) -> Value:
    """Resize the axes behind the channels of x (N, C, *), to sizes or by factors.

    Where both are known, torch maps positions by the factors, as ONNX does with scales; with aligned corners only the
    sizes count.
    """
    axes = list(range(2, op.rank(x)))
    scales = None
    if factors is not None and not align_corners and _same_sizes(op, x, factors, sizes):
        scales, sizes = np.array(factors, np.float32), None
    elif sizes is None:
        if factors is None:
            raise op.refuse("an interpolation with neither sizes nor factors")
        sizes = _scaled_sizes(op, x, factors)
    dtype = op.dtype(x)
    if not dtype.is_float and mode.name != "nearest":
        raise op.refuse(f"an interpolation of {dtype.short} in mode {mode.name}")
    return op.Resize(
        x,
        None,
        None if scales is None else op.const(scales),
        None if sizes is None else op.ints(sizes),
        axes=axes,
        mode=mode.name,
        coordinate_transformation_mode="align_corners" if align_corners else mode.coordinates,
        nearest_mode=mode.rounding,
        cubic_coeff_a=mode.cubic,
        antialias=int(mode.antialias),
        # The kernel of a widened window is cut off at the border and made to sum to 1.
        exclude_outside=int(mode.antialias and mode.name == "cubic"),
    )


def _same_sizes(op: Op, x: Value, factors: Sequence[float], sizes: Sequence[Int] | None) -> bool:
    """Whether ``factors`` give torch's sizes when they are applied in single precision, as runtimes do.

    Raises:
        UnsupportedCase: if they do not.
    """
    for axis, factor in enumerate(factors, 2):
        length = op.sizes(x)[axis]
        if not isinstance(length, int):
            continue
        exact = int(length * factor)
        if exact != int(np.floor(np.float32(length) * np.float32(factor))):
            raise op.refuse(f"an interpolation by {factor}, which single precision rounds to another size")
        wanted = None if sizes is None else sizes[axis - 2]
        if isinstance(wanted, int) and wanted != exact:
            return False
    return True


def _scaled_sizes(op: Op, x: Value, factors: Sequence[float]) -> list[Int]:
    """The sizes that ``factors`` lead to, rounded down."""
    sizes: list[Int] = []
    for axis, factor in enumerate(factors, 2):
        length = op.dim(x, axis)
        if isinstance(length, int):
            sizes.append(int(length * factor))
        else:
            scaled = op.Floor(op.Mul(op.cast(length, DType.FLOAT64), op.const(factor, DType.FLOAT64)))
            sizes.append(op.cast(scaled, DType.INT64))
    return sizes


def _given(*factors: float | None) -> list[float] | None:
    found = [factor for factor in factors if factor is not None]
    return found or None


def _data(op: Op, *candidates: Value | None) -> Value:
    """The one operand that the overload has."""
    for candidate in candidates:
        if candidate is not None:
            return candidate
    raise op.refuse("an interpolation without its operand")
