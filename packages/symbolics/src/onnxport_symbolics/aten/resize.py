"""Interpolation between elements: ``upsample_*`` but for the nearest, by ONNX's Resize."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnxport_ir import Value

from onnxport_symbolics.aten.nearest import data_of, given, rounds_alike, scaled_size
from onnxport_symbolics.integers import settle
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten

#: A factor that is so near to the quotient of the sizes is that quotient.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Mode:
    """How a position of the result maps to the input, and what is made of the elements there.

    Attributes:
        name: ONNX's mode.
        cubic: the coefficient of the cubic kernel.
        antialias: whether the kernel widens when the input shrinks.
    """

    name: str
    cubic: float | None = None
    antialias: bool = False


_LINEAR = Mode("linear")
_CUBIC = Mode("cubic", cubic=-0.75)
_LINEAR_ANTIALIAS = Mode("linear", antialias=True)
_CUBIC_ANTIALIAS = Mode("cubic", cubic=-0.5, antialias=True)


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
        x = data_of(op, input, self)
        factors = scale_factors or given(op, x, scales, scales_d, scales_h, scales_w)
        return _resize(op, x, mode, output_size, factors, align_corners)


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
    if sizes is not None:
        sizes = [settle(size) for size in sizes]
    dtype = op.dtype(x)
    if mode.antialias and align_corners:
        raise op.refuse("an interpolation with antialias=True and align_corners=True", "Use align_corners=False.")
    if not dtype.is_float:
        raise op.refuse(f"an interpolation of {dtype.short} in mode {mode.name}")
    scales = None
    if factors is not None and not align_corners and _same_sizes(op, x, factors, sizes):
        scales, sizes = np.array(factors, np.float32), None
    elif sizes is None:
        if factors is None:
            raise op.refuse("an interpolation with neither sizes nor factors")
        sizes = [scaled_size(op, op.dim(x, axis), factor) for axis, factor in enumerate(factors, 2)]
    return op.Resize(
        x,
        None,
        None if scales is None else op.const(scales),
        None if sizes is None else op.ints(sizes),
        axes=axes,
        mode=mode.name,
        coordinate_transformation_mode="align_corners" if align_corners else "half_pixel",
        cubic_coeff_a=mode.cubic,
        antialias=int(mode.antialias),
        # The kernel of a widened window is cut off at the border and made to sum to 1.
        exclude_outside=int(mode.antialias),
    )


def _same_sizes(op: Op, x: Value, factors: Sequence[float], sizes: Sequence[Int] | None) -> bool:
    """Whether ``factors`` lead to ``sizes``, and to torch's if they are not given.

    Raises:
        UnsupportedCase: if they lead to sizes that are not those, or single precision, in which runtimes compute, does.
    """
    for axis, factor in enumerate(factors, 2):
        length = op.sizes(x)[axis]
        wanted = None if sizes is None else sizes[axis - 2]
        if isinstance(length, int) and isinstance(wanted, int) and wanted != int(length * factor):
            # torch goes by the factor then, and ONNX cannot be told of both.
            if abs(length * factor - wanted) > _ROUNDING * wanted:
                raise op.refuse(f"an interpolation by {factor} of {length} elements to {wanted}")
            return False
        if not rounds_alike(length, factor):
            raise op.refuse(
                f"an interpolation by {factor}, which single precision rounds to another size",
                "Pass size= to interpolate, or recompute_scale_factor=True.",
            )
    return True
