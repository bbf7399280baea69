"""Operators that make tensors from sizes, and those that resize images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from onnxport_ir.dims import Dim, hint_of
from onnxport_ir.dtypes import DType
from onnxport_ir.graph import Node
from onnxport_ir.rules.common import (
    UNKNOWN,
    Context,
    Rule,
    dtype_attr,
    int_attr,
    ints_attr,
    length_of,
    mismatch,
    normalise_axes,
    normalise_axis,
    operand,
    operand_contents,
    tensor,
    text_attr,
)
from onnxport_ir.rules.contents import MAX_ELEMENTS
from onnxport_ir.rules.sizes import known_or_unknown, quotient, with_hint
from onnxport_ir.rules.slicing import range_length
from onnxport_ir.tensors import ArrayTensor, TensorRef
from onnxport_ir.types import Shape, TensorType, ValueType


def _constant(node: Node, ctx: Context) -> list[ValueType]:
    for name, value in node.attributes.items():
        if name == "value" and isinstance(value, ArrayTensor | TensorRef):
            return [TensorType(value.dtype, value.shape)]
        if name in _CONSTANTS:
            dtype, plural = _CONSTANTS[name]
            return [TensorType(dtype, (len(value),) if plural else ())]  # type: ignore[arg-type]  # a tuple by schema
    return [UNKNOWN]


_CONSTANTS = {
    "value_float": (DType.FLOAT32, False),
    "value_floats": (DType.FLOAT32, True),
    "value_int": (DType.INT64, False),
    "value_ints": (DType.INT64, True),
    "value_string": (DType.STRING, False),
    "value_strings": (DType.STRING, True),
}


def _constant_of_shape(node: Node, ctx: Context) -> list[ValueType]:
    value = node.attributes.get("value")
    dtype = value.dtype if isinstance(value, ArrayTensor | TensorRef) else DType.FLOAT32
    sizes = operand_contents(node, 0)
    if sizes is None:
        rank = length_of(node, 0)
        return [TensorType(dtype, None if rank is None else ctx.unknown(rank))]
    return [TensorType(dtype, sizes)]


def small_array(node: Node, index: int) -> npt.NDArray[Any] | None:
    """The elements of a small constant operand that is no weight."""
    value = operand(node, index)
    if value is None or value.const is None or value.is_weight or math.prod(value.const.shape) > MAX_ELEMENTS:
        return None
    return value.const.numpy()


def scalar_size(node: Node, index: int, ctx: Context) -> Dim:
    """The size that an operand of one element holds, be it of an integer type or not."""
    found = operand_contents(node, index)
    if found:
        return found[0]
    array = small_array(node, index)
    if array is not None and array.size == 1:
        return int(array.reshape(-1)[0])
    return ctx.dims.unknown()


def _range(node: Node, ctx: Context) -> list[ValueType]:
    dtype = tensor(node, 0).dtype or tensor(node, 1).dtype or tensor(node, 2).dtype
    start, limit, delta = (operand_contents(node, index) for index in range(3))
    if start and limit and delta:
        return [TensorType(dtype, (known_or_unknown(range_length(start[0], limit[0], delta[0]), ctx.dims),))]
    arrays = [small_array(node, index) for index in range(3)]
    first, last, step = arrays
    if first is None or last is None or step is None or any(a is None or a.size != 1 for a in arrays):
        return [TensorType(dtype, ctx.unknown(1))]
    counts = {_count(first, last, step, kind) for kind in (first.dtype, np.dtype(np.float64))}
    count = counts.pop()
    # Where rounding decides the count, runtimes need not agree.
    return [TensorType(dtype, ctx.unknown(1) if counts or count is None else (count,))]


def _count(first: npt.NDArray[Any], last: npt.NDArray[Any], step: npt.NDArray[Any], kind: np.dtype[Any]) -> int | None:
    with np.errstate(all="ignore"):
        span = last.reshape(()).astype(kind) - first.reshape(()).astype(kind)
        ratio = float(span) / float(step.reshape(())) if float(step.reshape(())) else math.nan
    return max(math.ceil(ratio), 0) if math.isfinite(ratio) else None


def _eye_like(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    return [TensorType(dtype_attr(node, "dtype", data.dtype), data.shape)]


def _one_hot(node: Node, ctx: Context) -> list[ValueType]:
    indices = tensor(node, 0).shape
    dtype = tensor(node, 2).dtype
    if indices is None:
        return [TensorType(dtype)]
    axis = normalise_axis(node, int_attr(node, "axis", -1), len(indices) + 1)
    return [TensorType(dtype, (*indices[:axis], scalar_size(node, 1, ctx), *indices[axis:]))]


def _random(node: Node, ctx: Context) -> list[ValueType]:
    return [TensorType(dtype_attr(node, "dtype", DType.FLOAT32), ints_attr(node, "shape"))]


def _random_like(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    return [TensorType(dtype_attr(node, "dtype", data.dtype), data.shape)]


def _multinomial(node: Node, ctx: Context) -> list[ValueType]:
    shape = tensor(node, 0).shape
    batch = ctx.dims.unknown() if shape is None else shape[0]
    return [TensorType(dtype_attr(node, "dtype", DType.INT32), (batch, int_attr(node, "sample_size", 1)))]


def _window(node: Node, ctx: Context) -> list[ValueType]:
    return [TensorType(dtype_attr(node, "output_datatype", DType.FLOAT32), (scalar_size(node, 0, ctx),))]


def _mel_weights(node: Node, ctx: Context) -> list[ValueType]:
    bins = quotient(scalar_size(node, 1, ctx), 2) + 1
    return [TensorType(dtype_attr(node, "output_datatype", DType.FLOAT32), (bins, scalar_size(node, 0, ctx)))]


def _affine_grid(node: Node, ctx: Context) -> list[ValueType]:
    theta = tensor(node, 0)
    size = operand_contents(node, 1)
    if size is not None:
        return [TensorType(theta.dtype, (size[0], *size[2:], len(size) - 2))]
    count = length_of(node, 1)
    return [TensorType(theta.dtype, None if count is None else (*ctx.unknown(count - 1), count - 2))]


def _upsample(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    if data.shape is None:
        return [TensorType(data.dtype)]
    given = node.attributes.get("scales")
    scales = small_array(node, 1) if given is None else np.array(given, np.float32)
    return [TensorType(data.dtype, _scaled(node, data.shape, range(len(data.shape)), scales, ctx))]


def _resize(node: Node, ctx: Context) -> list[ValueType]:
    if ctx.opset < 11:
        return _upsample(node, ctx)
    data = tensor(node, 0)
    shape = data.shape
    if shape is None:
        return [TensorType(data.dtype)]
    rank = len(shape)
    axes = normalise_axes(node, ints_attr(node, "axes") or tuple(range(rank)), rank)
    if _is_given(node, 3):
        sizes = operand_contents(node, 3)
        if sizes is not None and text_attr(node, "keep_aspect_ratio_policy", "stretch") == "stretch":
            if len(sizes) != len(axes):
                mismatch(node, f"{len(sizes)} sizes for {len(axes)} axes")
            by_axis = dict(zip(axes, sizes, strict=True))
            return [TensorType(data.dtype, tuple(by_axis.get(axis, size) for axis, size in enumerate(shape)))]
        scales = None
    elif text_attr(node, "coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize":
        # The region of interest takes part in the sizes.
        scales = None
    else:
        scales = small_array(node, 2)
    return [TensorType(data.dtype, _scaled(node, shape, axes, scales, ctx))]


def _is_given(node: Node, index: int) -> bool:
    """Whether an operand is there; Resize marks scales that are left out by an empty tensor, too."""
    return operand(node, index) is not None and tensor(node, index).shape != (0,)


def _scaled(
    node: Node, shape: tuple[Dim, ...], axes: Sequence[int], scales: npt.NDArray[Any] | None, ctx: Context
) -> Shape:
    if scales is not None and scales.size != len(axes):
        mismatch(node, f"{scales.size} scales for {len(axes)} axes")
    result = list(shape)
    for index, axis in enumerate(axes):
        result[axis] = ctx.dims.unknown() if scales is None else _times(shape[axis], float(scales[index]), ctx)
    return tuple(result)


def _times(size: Dim, scale: float, ctx: Context) -> Dim:
    """``floor(size * scale)`` where rounding of the product cannot matter."""
    if scale == int(scale):
        return size * int(scale)
    if (1 / scale).is_integer() and math.frexp(scale)[0] == 0.5:
        return quotient(size, int(1 / scale))
    number = hint_of(size)
    if number is None:
        return ctx.dims.unknown()
    exact = math.floor(number * scale)
    single = int(np.floor(np.float32(number) * np.float32(scale)))
    if isinstance(size, int) and exact == single:
        return exact
    return with_hint(ctx.dims.unknown(), single)


RULES: dict[str, Rule] = {
    **dict.fromkeys(["RandomNormal", "RandomUniform"], _random),
    **dict.fromkeys(["RandomNormalLike", "RandomUniformLike"], _random_like),
    **dict.fromkeys(["BlackmanWindow", "HammingWindow", "HannWindow"], _window),
    "AffineGrid": _affine_grid,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "EyeLike": _eye_like,
    "MelWeightMatrix": _mel_weights,
    "Multinomial": _multinomial,
    "OneHot": _one_hot,
    "Range": _range,
    "Resize": _resize,
    "Upsample": _upsample,
}
