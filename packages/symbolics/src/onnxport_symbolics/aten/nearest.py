"""Interpolation by the nearest element: ``upsample_nearest*`` and ``_upsample_nearest_exact*``.

torch and runtimes round the position of an element in single precision, but not the same quotient: from 14 elements to
2 their choices differ. ONNX's Resize is used where they are known to agree, and the elements are gathered elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnxport_ir import Dim, DType, Value
from onnxport_ir.rules.sizes import polynomial_quotient

from onnxport_symbolics.integers import arange, settle, sub
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import dim_of

#: Lengths and positions up to these are compared where they are not known.
_LENGTHS = np.arange(1, 1 << 14)
_POSITIONS = np.arange(1 << 16)


@dataclass(frozen=True)
class _Axis:
    """How an axis is resized.

    Attributes:
        length: its size.
        size: its new size; None where the factor says it.
        factor: the factor that positions are mapped by; None where it is the quotient of the sizes.
        centred: whether elements are at the centres of their places, not at the beginnings.
    """

    length: Dim
    size: Int | None
    factor: float | None
    centred: bool

    @property
    def target(self) -> Int | None:
        """The new size, if it is known or a value."""
        if self.size is not None or self.factor is None or not isinstance(self.length, int):
            return self.size
        return int(self.length * self.factor)

    def fits_factor(self) -> bool:
        """Whether the factor leads to the new size, also in single precision."""
        if self.factor is None or not rounds_alike(self.length, self.factor):
            return False
        return self.size is None or (isinstance(self.length, int) and self.size == int(self.length * self.factor))

    def agrees(self, op: Op, by_factor: bool) -> bool:
        """Whether a runtime's Resize picks the same elements as torch."""
        target = self.target
        if isinstance(self.length, int) and isinstance(target, int):
            quotient = np.float32(target) / np.float32(self.length)
            scale = np.float32(self.factor) if by_factor else quotient
            return self._picks_alike(np.arange(target), self.step(self.length, target), scale, self.length - 1)
        factor: float | None = self.factor if by_factor else None
        if factor is None and self.factor is None and target is not None:
            formula = dim_of(op, target)
            whole = None if formula is None else polynomial_quotient(formula, self.length)
            factor = whole if isinstance(whole, int) and whole > 0 else None
        if factor is None:
            return False
        return self._picks_alike(_POSITIONS, np.float32(1.0 / factor), np.float32(factor), None)

    def step(self, length: int, target: int) -> np.float32:
        """How far apart in the input two elements of the result are, as torch computes it."""
        if self.factor is not None:
            return np.float32(1.0 / self.factor)
        return np.float32(length) / np.float32(target)

    def picks(self, positions: npt.NDArray[Any], step: np.float32) -> npt.NDArray[Any]:
        """The elements that torch picks."""
        half = np.float32(0.5 if self.centred else 0.0)
        places: npt.NDArray[Any] = (positions.astype(np.float32) + half) * step
        picked: npt.NDArray[Any] = np.floor(places).astype(np.int64)
        return picked

    def _picks_alike(self, positions: npt.NDArray[Any], step: np.float32, scale: np.float32, last: int | None) -> bool:
        places = positions.astype(np.float32)
        half = np.float32(0.5)
        theirs = np.floor((places + half) / scale - half + 0.5) if self.centred else np.floor(places / scale)
        ours = self.picks(positions, step)
        if last is not None:
            ours, theirs = np.minimum(ours, last), np.clip(theirs, 0, last)
        return bool((ours == theirs).all())


def rounds_alike(length: Dim, factor: float) -> bool:
    """Whether a length times a factor, rounded down, is the same in single precision, in which runtimes compute."""
    lengths = np.array([length]) if isinstance(length, int) else _LENGTHS
    single = np.floor(lengths.astype(np.float32) * np.float32(factor))
    return bool((single == np.floor(lengths * factor)).all())


def _register(centred: bool, *names: str) -> None:
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
        x = data_of(op, input, self)
        factors = scale_factors or given(op, x, scales, scales_d, scales_h, scales_w)
        spatial = op.rank(x) - 2
        axes = [
            _Axis(length, size, factor, centred)
            for length, size, factor in zip(
                op.sizes(x)[2:],
                [None] * spatial if output_size is None else [settle(size) for size in output_size],
                [None] * spatial if factors is None else factors,
                strict=True,
            )
        ]
        return _resized(op, x, axes, centred)


def _resized(op: Op, x: Value, axes: Sequence[_Axis], centred: bool) -> Value:
    by_factor = all(axis.fits_factor() for axis in axes)
    sizes: list[Int] = [_target(op, x, number, axis) for number, axis in enumerate(axes, 2)]
    if not all(axis.agrees(op, by_factor) and _is_spelled(op, axis, by_factor) for axis in axes):
        places = [_places(op, op.dim(x, n), sizes[n - 2], axis) for n, axis in enumerate(axes, 2)]
        for number, picked in enumerate(places, 2):
            x = op.Gather(x, picked, axis=number)
        return x
    return op.Resize(
        x,
        None,
        op.const(np.array([axis.factor for axis in axes], np.float32)) if by_factor else None,
        None if by_factor else op.ints(sizes),
        axes=list(range(2, op.rank(x))),
        mode="nearest",
        coordinate_transformation_mode="half_pixel" if centred else "asymmetric",
        nearest_mode="round_prefer_ceil" if centred else "floor",
    )


def _is_spelled(op: Op, axis: _Axis, by_factor: bool) -> bool:
    """Whether the target has a Resize for the axis: without coordinates, a dynamic one can only be multiplied."""
    if isinstance(axis.length, int) or op.has_attribute("Resize", "coordinate_transformation_mode"):
        return True
    factor = axis.factor or 0.0
    return by_factor and not axis.centred and factor >= 1 and float(factor).is_integer()


def _target(op: Op, x: Value, number: int, axis: _Axis) -> Int:
    if axis.target is not None:
        return axis.target
    if axis.factor is None:
        raise op.refuse("an interpolation with neither sizes nor factors")
    return scaled_size(op, op.dim(x, number), axis.factor)


def scaled_size(op: Op, length: Int, factor: float) -> Int:
    """``length * factor`` in double precision, rounded down."""
    if isinstance(length, int):
        return int(length * factor)
    scaled = op.Floor(op.Mul(op.cast(length, DType.FLOAT64), op.const(factor, DType.FLOAT64)))
    return op.cast(scaled, DType.INT64)


def _places(op: Op, length: Int, target: Int, axis: _Axis) -> Value:
    """Which elements of an axis are picked, computed as torch does."""
    if isinstance(length, int) and isinstance(target, int):
        return op.const(np.minimum(axis.picks(np.arange(target), axis.step(length, target)), length - 1))
    if axis.factor is not None:
        step = op.const(np.float32(1.0 / axis.factor))
    else:
        step = op.Div(op.scalar(length, DType.FLOAT32), op.scalar(target, DType.FLOAT32))
    places = op.cast(arange(op, target), DType.FLOAT32)
    if axis.centred:
        places = op.Add(places, 0.5)
    # No place is negative: a conversion rounds it down.
    picked = op.cast(op.Mul(places, step), DType.INT64)
    return op.Min(picked, op.scalar(sub(op, length, 1), DType.INT64))


def given(op: Op, x: Value, *factors: float | None) -> list[float] | None:
    """The factors that an overload has: all of them, or none."""
    found = [factor for factor in factors if factor is not None]
    if found and len(found) != op.rank(x) - 2:
        raise op.refuse("an interpolation with factors for some axes only")
    return found or None


def data_of(op: Op, *candidates: Value | None) -> Value:
    """The one operand that the overload has."""
    for candidate in candidates:
        if candidate is not None:
            return candidate
    raise op.refuse("an interpolation without its operand")


_register(False, "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d")
_register(True, "_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d")
