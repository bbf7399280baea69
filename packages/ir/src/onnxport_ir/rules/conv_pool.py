"""Convolution, pooling, and their inverses."""

from __future__ import annotations

from collections.abc import Sequence

from onnxport_ir.dims import Dim, product
from onnxport_ir.dtypes import DType
from onnxport_ir.graph import Node
from onnxport_ir.rules.common import (
    Context,
    Rule,
    int_attr,
    ints_attr,
    mismatch,
    operand_contents,
    require_same,
    tensor,
    text_attr,
)
from onnxport_ir.rules.sizes import affine_quotient, ceil_quotient, quotient
from onnxport_ir.types import Shape, TensorType, ValueType


class _Window:
    """The attributes that conv and pool operators share, filled in with their defaults.

    Attributes:
        kernel: sizes of the window; may be symbolic where they come from a weight's shape.
        strides: steps per spatial axis.
        dilations: distance between the window's elements.
        pads: begins, then ends; zeros unless ``auto_pad`` is NOTSET.
        auto_pad: NOTSET, VALID, SAME_UPPER or SAME_LOWER.
        ceil_mode: whether a window that does not fit entirely counts.
    """

    __slots__ = ("auto_pad", "ceil_mode", "dilations", "kernel", "pads", "strides")

    def __init__(self, node: Node, kernel: Sequence[Dim]) -> None:
        count = len(kernel)
        self.kernel = kernel
        self.strides = ints_attr(node, "strides") or (1,) * count
        self.dilations = ints_attr(node, "dilations") or (1,) * count
        self.auto_pad = text_attr(node, "auto_pad", "NOTSET")
        pads = ints_attr(node, "pads") if self.auto_pad == "NOTSET" else None
        self.pads = pads or (0,) * (2 * count)
        self.ceil_mode = int_attr(node, "ceil_mode", 0)
        if len(self.strides) != count or len(self.dilations) != count or len(self.pads) != 2 * count:
            mismatch(node, f"strides, dilations or pads do not fit {count} spatial axes")

    def output(self, node: Node, sizes: Sequence[Dim], ctx: Context) -> tuple[Dim, ...]:
        """The spatial sizes of the result.

        Raises:
            ShapeMismatch: if the window does not fit into the padded input.
        """
        if len(sizes) != len(self.kernel):
            mismatch(node, f"a window of rank {len(self.kernel)} over {len(sizes)} spatial axes")
        return tuple(self._size(node, axis, size, ctx) for axis, size in enumerate(sizes))

    def _size(self, node: Node, axis: int, size: Dim, ctx: Context) -> Dim:
        stride = self.strides[axis]
        if self.auto_pad.startswith("SAME"):
            return ceil_quotient(size, stride)
        extent = (self.kernel[axis] - 1) * self.dilations[axis] + 1
        before, after = self.pads[axis], self.pads[axis + len(self.kernel)]
        if not isinstance(extent, int):
            room = size + (before + after) - extent
            return ctx.dims.unknown() if self.ceil_mode else quotient(room, stride) + 1
        spare = before + after - extent
        if isinstance(size, int) and size + spare < 0:
            mismatch(node, f"a window of {extent} does not fit into {size} with pads {before} and {after}")
        if not self.ceil_mode:
            return affine_quotient(size, spare, stride, 1)
        # A last window that would start behind the input is dropped; it cannot where a window is larger than that.
        if after + stride <= extent:
            return affine_quotient(size, spare + stride - 1, stride, 1)
        steps = affine_quotient(size, spare + stride - 1, stride, 0)
        if isinstance(steps, int) and isinstance(size, int):
            return steps + (steps * stride < size + before)
        return ctx.dims.unknown()


def _kernel(node: Node, weight: Shape) -> Sequence[Dim] | None:
    given = ints_attr(node, "kernel_shape")
    if given is not None:
        return given
    return None if weight is None else weight[2:]


def _conv_shape(node: Node, data: Shape, weight: Shape, ctx: Context) -> Shape:
    kernel = _kernel(node, weight)
    if data is None and weight is None:
        return None
    if data is None or weight is None or kernel is None:
        known = data or weight or ()
        batch = ctx.dims.unknown() if data is None else data[0]
        channels = ctx.dims.unknown() if weight is None else weight[0]
        return (batch, channels, *ctx.unknown(len(known) - 2))
    if len(data) != len(weight) or len(data) < 3:
        mismatch(node, "input and weight of different rank, or without a spatial axis")
    group = int_attr(node, "group", 1)
    require_same(node, data[1], weight[1] * group, "input channels:")
    return (data[0], weight[0], *_Window(node, kernel).output(node, data[2:], ctx))


def _conv(node: Node, ctx: Context) -> list[ValueType]:
    data, weight = tensor(node, 0), tensor(node, 1)
    return [TensorType(data.dtype or weight.dtype, _conv_shape(node, data.shape, weight.shape, ctx))]


def _conv_integer(node: Node, ctx: Context) -> list[ValueType]:
    return [TensorType(DType.INT32, _conv_shape(node, tensor(node, 0).shape, tensor(node, 1).shape, ctx))]


def _qlinear_conv(node: Node, ctx: Context) -> list[ValueType]:
    # Operands: x, its scale and zero point, w, its scale and zero point, the result's scale and zero point, bias.
    return [TensorType(tensor(node, 7).dtype, _conv_shape(node, tensor(node, 0).shape, tensor(node, 3).shape, ctx))]


def _conv_transpose(node: Node, ctx: Context) -> list[ValueType]:
    data, weight = tensor(node, 0), tensor(node, 1)
    dtype = data.dtype or weight.dtype
    if data.shape is None or weight.shape is None:
        known = data.shape or weight.shape
        return [TensorType(dtype, None if known is None else ctx.unknown(len(known)))]
    if len(data.shape) != len(weight.shape) or len(data.shape) < 3:
        mismatch(node, "input and weight of different rank, or without a spatial axis")
    require_same(node, data.shape[1], weight.shape[0], "input channels:")
    channels = weight.shape[1] * int_attr(node, "group", 1)
    window = _Window(node, _kernel(node, weight.shape) or ())
    sizes = data.shape[2:]
    given = ints_attr(node, "output_shape")
    if given is not None:
        # Some producers list batch and channels as well.
        spatial: tuple[Dim, ...] = given[-len(sizes) :]
        return [TensorType(dtype, (data.shape[0], channels, *spatial))]
    extra = ints_attr(node, "output_padding") or (0,) * len(sizes)
    spatial = tuple(_transposed(window, axis, size, extra[axis]) for axis, size in enumerate(sizes))
    return [TensorType(dtype, (data.shape[0], channels, *spatial))]


def _transposed(window: _Window, axis: int, size: Dim, extra: int) -> Dim:
    if window.auto_pad.startswith("SAME"):
        return size * window.strides[axis]
    extent = (window.kernel[axis] - 1) * window.dilations[axis] + 1
    pads = window.pads[axis] + window.pads[axis + len(window.kernel)]
    return (size - 1) * window.strides[axis] + (extent + (extra - pads))


def _pool(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    kernel = ints_attr(node, "kernel_shape")
    shape = data.shape
    if kernel is None:
        mismatch(node, "no kernel_shape")
    if shape is not None:
        shape = (*shape[:2], *_Window(node, kernel).output(node, shape[2:], ctx))
    else:
        shape = ctx.unknown(len(kernel) + 2)
    return [TensorType(data.dtype, shape), TensorType(DType.INT64, shape)]


def _global_pool(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    if data.shape is None:
        return [data]
    ones: tuple[Dim, ...] = (1,) * (len(data.shape) - 2)
    return [TensorType(data.dtype, (*data.shape[:2], *ones))]


def _max_unpool(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    given = operand_contents(node, 2)
    if given is not None:
        return [TensorType(data.dtype, given)]
    kernel = ints_attr(node, "kernel_shape")
    if data.shape is None or len(node.operands) > 2 or kernel is None:
        return [TensorType(data.dtype, None if data.shape is None else ctx.unknown(len(data.shape)))]
    window = _Window(node, kernel)
    sizes = (_transposed(window, axis, size, 0) for axis, size in enumerate(data.shape[2:]))
    return [TensorType(data.dtype, (*data.shape[:2], *sizes))]


def _deform_conv(node: Node, ctx: Context) -> list[ValueType]:
    data, weight = tensor(node, 0), tensor(node, 1)
    # Same sizes as Conv, but the groups of the weight are checked by the runtime only.
    kernel = _kernel(node, weight.shape)
    if data.shape is None or weight.shape is None or kernel is None:
        known = data.shape or weight.shape
        return [TensorType(data.dtype, None if known is None else ctx.unknown(len(known)))]
    sizes = _Window(node, kernel).output(node, data.shape[2:], ctx)
    return [TensorType(data.dtype, (data.shape[0], weight.shape[0], *sizes))]


def _col2im(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    image, block = operand_contents(node, 1), operand_contents(node, 2)
    if data.shape is None or image is None:
        rank = tensor(node, 1).shape
        count = rank[0] if rank else None
        return [TensorType(data.dtype, ctx.unknown(count + 2) if isinstance(count, int) else None)]
    channels = ctx.dims.unknown() if block is None else quotient(data.shape[1], product(block))
    return [TensorType(data.dtype, (data.shape[0], channels, *image))]


RULES: dict[str, Rule] = {
    **dict.fromkeys(["AveragePool", "LpPool", "MaxPool"], _pool),
    **dict.fromkeys(["GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool"], _global_pool),
    "Col2Im": _col2im,
    "Conv": _conv,
    "ConvInteger": _conv_integer,
    "ConvTranspose": _conv_transpose,
    "DeformConv": _deform_conv,
    "MaxUnpool": _max_unpool,
    "QLinearConv": _qlinear_conv,
}
