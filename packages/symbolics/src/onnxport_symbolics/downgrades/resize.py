"""Resize before it took sizes, axes and the coordinate transformations; known sizes are resampled by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnxport_ir import DType, Value
from onnxport_ir.dims import exact_div

from onnxport_symbolics import integers
from onnxport_symbolics.calls import Call, downgrade
from onnxport_symbolics.downgrades.antialias import antialiased
from onnxport_symbolics.downgrades.axes import first
from onnxport_symbolics.op import Op

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Resampling:
    """What a Resize does along one axis.

    Attributes:
        size: the size of the input, if it is known.
        result: the size of the result, if it is known.
        scale: the ratio, as the coordinates are computed with it.
    """

    size: int | None
    result: int | None
    scale: float


@downgrade("Resize", at=19)
def resize_without_symmetry(op: Op, call: Call) -> Call | Value:
    """There was no half_pixel_symmetric."""
    if call.attributes.get("coordinate_transformation_mode") == "half_pixel_symmetric":
        return resampled(op, call, 19)
    return call


@downgrade("Resize", at=18)
def resize_all_axes(op: Op, call: Call) -> Call | Value:
    """Scales and sizes were given for all axes, and nothing was done about aliases."""
    if call.attributes.get("antialias", 0):
        return antialiased(op, call)
    return with_all_axes(op, call)


def with_all_axes(op: Op, call: Call) -> Call:
    """The call as it was spelled before opset 18."""
    if call.attributes.pop("antialias", 0):
        raise op.needs_opset("Resize with antialias=1", 18)
    policy = call.attributes.pop("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch":
        raise op.needs_opset(f"Resize with keep_aspect_ratio_policy={policy!r}", 18)
    axes = call.attributes.pop("axes", None)
    if axes is None:
        return call
    data, scales, sizes = first(call), call.operand("scales"), call.operand("sizes")
    rank = op.rank(data)
    order = [axis % rank for axis in axes]
    if scales is not None:
        parts = [op.const([1.0])] * rank
        for index, axis in enumerate(order):
            parts[axis] = op.Slice(scales, [index], [index + 1], [0])
        scales = op.Concat(*parts, axis=0)
    if sizes is not None:
        full = op.dims(data)
        for index, axis in enumerate(order):
            full[axis] = integers.item(op, sizes, index)
        sizes = op.ints(full)
    call.operands = [data, None, scales, sizes]
    return call


@downgrade("Resize", at=13)
def resize_with_region(op: Op, call: Call) -> Call:
    """The region and the scales were required; empty tensors say nothing."""
    nothing = op.const(np.zeros(0, np.float32))
    operands = [*call.operands, None, None, None][:4]
    call.operands = [operands[0], operands[1] or nothing, operands[2] or nothing, operands[3]]
    return call


@downgrade("Resize", at=11)
def resize_by_scales(op: Op, call: Call) -> Call | Value:
    """Only scales were given, and pixels were taken at the coordinate divided by the scale, rounded down."""
    scales = plain_scales(op, call)
    if scales is None:
        return resampled(op, call, 11)
    return Call("Resize", [first(call), scales], {"mode": call.attributes.get("mode", "nearest")})


def plain_scales(op: Op, call: Call) -> Value | None:
    """The scales with which a Resize of opset 10 does the same as ``call``; None if it cannot."""
    mode = str(call.attributes.get("mode", "nearest"))
    coordinates = str(call.attributes.get("coordinate_transformation_mode", "half_pixel"))
    rounding = str(call.attributes.get("nearest_mode", "round_prefer_floor"))
    plan = _plan(op, call)
    if plan is None:
        return None
    scales = [axis.scale for axis in plan]
    given = np.array(scales, np.float32)
    for axis in plan:
        # Runtimes find the size of the result anew from the scale.
        whole = axis.scale == int(axis.scale)
        if not whole and (axis.size is None or axis.result != _scaled(axis.size, axis.scale)):
            return None
    whole = all(scale >= 1 and scale == int(scale) for scale in scales)
    if mode == "nearest":
        # Rounding to the nearest pixel's centre is the same as rounding down where each is repeated a whole number
        # of times. Below 1, runtimes rounded up.
        exact = whole and coordinates in ("half_pixel", "pytorch_half_pixel") and rounding.startswith("round_prefer")
        same = coordinates == "asymmetric" and rounding == "floor" and min(scales) >= 1
        return op.const(given) if exact or same else None
    if mode == "linear" and (coordinates == "asymmetric" or set(scales) == {1.0}):
        return op.const(given)
    return None


def _plan(op: Op, call: Call) -> list[Resampling] | None:
    """What is done along each axis; None if the scales are not known."""
    data = first(call)
    shape = op.sizes(data)
    scales, sizes = _given(call, 2), _given(call, 3)
    plan = []
    if sizes is not None:
        wanted = op.known_dims(sizes)
        if wanted is None:
            return None
        for size, result in zip(shape, wanted, strict=True):
            if isinstance(size, int) and isinstance(result, int):
                plan.append(Resampling(size, result, float(np.float32(result) / np.float32(size))))
                continue
            ratio = exact_div(result, size) if result != 0 and size != 0 else None
            if not isinstance(ratio, int) or ratio < 1:
                return None
            plan.append(Resampling(None, None, float(ratio)))
        return plan
    if scales is None or scales.const is None or scales.is_weight:
        return None
    for size, scale in zip(shape, scales.array().tolist(), strict=True):
        known = size if isinstance(size, int) else None
        plan.append(Resampling(known, None if known is None else _scaled(known, scale), float(scale)))
    return plan


def _given(call: Call, index: int) -> Value | None:
    """An operand that is neither left out nor empty."""
    value = call.operands[index] if index < len(call.operands) else None
    return None if value is None or value.shape == (0,) else value


def _scaled(size: int, scale: float) -> int:
    return int(np.floor(np.float32(size) * np.float32(scale)))


def resampled(op: Op, call: Call, since: int) -> Value:
    """Resize along axes of known size: by Gather of the nearest elements, or as weighted sums of such.

    Raises:
        NeedsOpset: if a size is not known, or the mode is another.
    """
    data = first(call)
    mode = str(call.attributes.get("mode", "nearest"))
    coordinates = str(call.attributes.get("coordinate_transformation_mode", "half_pixel"))
    plan = _plan(op, call)
    if plan is None or coordinates == "tf_crop_and_resize":
        raise op.needs_opset(
            f"Resize with mode={mode!r}, coordinates {coordinates!r} and sizes that are not known", since
        )
    dtype = op.dtype(data)
    if mode != "nearest" and not dtype.is_float:
        raise op.needs_opset(f"Resize of {dtype.short} with mode={mode!r}", since)
    for axis, step in enumerate(plan):
        if step.scale == 1.0:
            continue
        if step.size is None or step.result is None:
            raise op.needs_opset(f"Resize with mode={mode!r} along a dynamic axis", since)
        positions = source_coordinates(coordinates, step.size, step.result, step.scale)
        if mode == "nearest":
            rounding = str(call.attributes.get("nearest_mode", "round_prefer_floor"))
            data = op.Gather(data, op.const(_nearest(positions, rounding, step.size), DType.INT64), axis=axis)
        else:
            data = _interpolated(op, data, axis, _taps(positions, step.size, mode, call.attributes))
    return data


def source_coordinates(kind: str, size: int, result: int, scale: float) -> Array:
    """Where in the input the elements of the result lie; in single precision, as runtimes compute it."""
    index = np.arange(result, dtype=np.float32)
    ratio, half = np.float32(scale), np.float32(0.5)
    if kind == "align_corners":
        return index * np.float32(size - 1) / np.float32(result - 1) if result > 1 else np.zeros(1, np.float32)
    if kind == "asymmetric":
        return index / ratio
    if kind == "tf_half_pixel_for_nn":
        return (index + half) / ratio
    if kind == "pytorch_half_pixel" and result == 1:
        return np.zeros(1, np.float32)
    shifted = (index + half) / ratio - half
    if kind == "half_pixel_symmetric":
        adjustment = np.float32(result) / (ratio * np.float32(size))
        shifted = shifted + np.float32(size) * half * (np.float32(1) - adjustment)
    return shifted


def _nearest(positions: Array, rounding: str, size: int) -> Array:
    half = np.float32(0.5)
    if rounding == "round_prefer_floor":
        chosen = np.ceil(positions - half)
    elif rounding == "round_prefer_ceil":
        chosen = np.floor(positions + half)
    else:
        chosen = np.floor(positions) if rounding == "floor" else np.ceil(positions)
    clipped: Array = np.clip(chosen.astype(np.int64), 0, size - 1)
    return clipped


def _taps(positions: Array, size: int, mode: str, attributes: dict[str, Any]) -> list[tuple[Array, Array]]:
    """The elements of the input that those of the result are made of, each with its weight."""
    exclude = bool(attributes.get("exclude_outside", 0))
    start = np.floor(positions.astype(np.float64))
    offset = positions.astype(np.float64) - start
    if mode == "linear":
        weights = {0: 1 - offset, 1: offset}
    else:
        a = float(attributes.get("cubic_coeff_a", -0.75))
        weights = {tap: _cubic(np.abs(offset - tap), a) for tap in (-1, 0, 1, 2)}
    columns = {tap: start.astype(np.int64) + tap for tap in weights}
    if exclude:
        weights = {tap: np.where((columns[tap] >= 0) & (columns[tap] < size), w, 0) for tap, w in weights.items()}
        total = sum(weights.values())
        weights = {tap: weight / total for tap, weight in weights.items()}
    return [(np.clip(columns[tap], 0, size - 1), weight) for tap, weight in weights.items()]


def _cubic(distance: Array, a: float) -> Array:
    """Keys' cubic convolution kernel."""
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    weights: Array = np.where(distance <= 1, near, np.where(distance < 2, far, 0))
    return weights


def _interpolated(op: Op, data: Value, axis: int, taps: list[tuple[Array, Array]]) -> Value:
    dtype, rank = op.dtype(data), op.rank(data)
    column = [-1 if index == axis else 1 for index in range(rank)]
    terms = [
        op.Mul(op.Gather(data, op.const(positions, DType.INT64), axis=axis), op.const(weights.reshape(column), dtype))
        for positions, weights in taps
    ]
    result = terms[0]
    for term in terms[1:]:
        result = op.Add(result, term)
    return result


@downgrade("Upsample", at=9)
def upsample_scales_become_attribute(op: Op, call: Call) -> Call:
    """The scales were an attribute, so they must be known now."""
    scales = call.take("scales")
    if scales is None or scales.const is None or scales.is_weight:
        raise op.needs_opset("Upsample with scales that depend on the input", 9)
    call.attributes["scales"] = tuple(float(scale) for scale in scales.array().reshape(-1))
    return call
