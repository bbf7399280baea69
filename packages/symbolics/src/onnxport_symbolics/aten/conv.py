"""Convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from onnxport_ir import Value

from onnxport_symbolics.aten.integer_conv import convolve, convolve_transposed, is_sliced
from onnxport_symbolics.integers import sub
from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import slice_axis

_Size = TypeVar("_Size", int, int | Value)


@aten("_convolution", "convolution", "convolution_overrideable")
def convolution(
    op: Op,
    input: Value,
    weight: Value,
    bias: Value | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int | Value],
    groups: int | Value,
) -> Value:
    """convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation,
    bool transposed, SymInt[] output_padding, SymInt groups) -> Tensor

    input (N, C, *), weight (M, C/groups, *), or (C, M/groups, *) if transposed; bias (M).
    """
    spatial = op.rank(weight) - 2
    pads = spread(padding, spatial) * 2
    if not transposed:
        return _conv(op, input, weight, bias, stride, pads, dilation, groups)
    strides, steps = spread(stride, spatial), spread(dilation, spatial)
    extra = spread(output_padding, spatial)
    # An output padding that is computed is what remains of the largest.
    largest = [number if isinstance(number, int) else step - 1 for number, step in zip(extra, strides, strict=True)]
    result = _conv_transpose(op, input, weight, bias, strides, pads, largest, steps, groups)
    for axis, (number, step) in enumerate(zip(extra, strides, strict=True)):
        if not isinstance(number, int):
            if steps[axis] > step:
                raise op.refuse("a transposed convolution with a dilation beyond its stride and a computed output size")
            last = sub(op, op.dim(result, axis - spatial), sub(op, step - 1, number))
            result = slice_axis(op, result, op.rank(result) + axis - spatial, end=last)
    return result


def _conv_transpose(
    op: Op,
    input: Value,
    weight: Value,
    bias: Value | None,
    strides: Sequence[int],
    pads: Sequence[int],
    extra: Sequence[int],
    steps: Sequence[int],
    groups: int | Value,
) -> Value:
    spatial = len(strides)
    if not isinstance(groups, int) or is_sliced(op, input, weight):
        return unbatched(
            op,
            input,
            spatial,
            lambda x: convolve_transposed(op, x, weight, bias, strides, pads, extra, steps, groups),
        )
    cut, rest = _within_stride(op, pads, extra, strides)
    _check_dtype(op, input)
    return unbatched(
        op,
        input,
        spatial,
        lambda x: op.ConvTranspose(
            x,
            weight,
            bias,
            kernel_shape=_kernel(op, weight),
            strides=strides,
            pads=cut,
            dilations=steps,
            output_padding=rest,
            group=groups,
        ),
    )


def _within_stride(
    op: Op, pads: Sequence[int], extra: Sequence[int], strides: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Padding and output padding of a transposed convolution with the latter below the stride, as ONNX has it.

    What is added to the end of the result is taken off what is cut from there.
    """
    pads, extra = list(pads), list(extra)
    for axis, stride in enumerate(strides):
        end = axis + len(strides)
        if extra[axis] >= stride:
            less = min(extra[axis], pads[end])
            pads[end] -= less
            extra[axis] -= less
        if extra[axis] >= stride:
            raise op.refuse("a transposed convolution with an output padding beyond padding and stride")
    return pads, extra


@aten("_convolution_mode")
def convolution_mode(
    op: Op,
    input: Value,
    weight: Value,
    bias: Value | None,
    stride: Sequence[int],
    padding: str,
    dilation: Sequence[int],
    groups: int | Value,
) -> Value:
    """_convolution_mode(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, str padding, SymInt[] dilation,
    SymInt groups) -> Tensor
    """
    spatial = op.rank(weight) - 2
    if padding == "valid":
        pads = [0] * (2 * spatial)
    elif padding == "same":
        kernel = _kernel(op, weight)
        if kernel is None:
            raise op.refuse("padding='same' with a kernel of unknown size")
        # torch puts the odd element at the end.
        totals = [d * (k - 1) for d, k in zip(spread(dilation, spatial), kernel, strict=True)]
        pads = [total // 2 for total in totals] + [total - total // 2 for total in totals]
    else:
        raise op.refuse(f"padding={padding!r}")
    return _conv(op, input, weight, bias, stride, pads, dilation, groups)


@aten("conv1d", "conv2d", "conv3d")
def conv(
    op: Op,
    input: Value,
    weight: Value,
    bias: Value | None,
    stride: Sequence[int],
    padding: Sequence[int] | str,
    dilation: Sequence[int],
    groups: int,
) -> Value:
    """conv2d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=1, SymInt[2] padding=0,
    SymInt[2] dilation=1, SymInt groups=1) -> Tensor
    """
    if isinstance(padding, str):
        return convolution_mode(op, input, weight, bias, stride, padding, dilation, groups)
    pads = spread(padding, op.rank(weight) - 2) * 2
    return _conv(op, input, weight, bias, stride, pads, dilation, groups)


@aten("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def conv_transpose(
    op: Op,
    input: Value,
    weight: Value,
    bias: Value | None,
    stride: Sequence[int],
    padding: Sequence[int],
    output_padding: Sequence[int],
    groups: int,
    dilation: Sequence[int],
) -> Value:
    """conv_transpose2d.input(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=1, SymInt[2] padding=0,
    SymInt[2] output_padding=0, SymInt groups=1, SymInt[2] dilation=1) -> Tensor
    """
    return convolution(op, input, weight, bias, stride, padding, dilation, True, output_padding, groups)


@aten(
    "cudnn_convolution",
    "mkldnn_convolution",
    "miopen_convolution",
    "_mps_convolution",
    "_nnpack_spatial_convolution",
    "slow_conv_dilated2d",
    "slow_conv_dilated3d",
    "slow_conv3d",
    "slow_conv3d_forward",
    "_slow_conv2d_forward",
    "thnn_conv2d",
)
def backend_convolution(
    op: Op,
    weight: Value,
    padding: Sequence[int],
    stride: Sequence[int],
    self: Value | None = None,
    input: Value | None = None,
    bias: Value | None = None,
    dilation: Sequence[int] = (1,),
    groups: int = 1,
    kernel_size: object = None,
) -> Value:
    """cudnn_convolution(Tensor self, Tensor weight, SymInt[] padding, SymInt[] stride, SymInt[] dilation,
    SymInt groups, bool benchmark, bool deterministic, bool allow_tf32) -> Tensor;
    thnn_conv2d(Tensor self, Tensor weight, SymInt[2] kernel_size, Tensor? bias=None, SymInt[2] stride=1,
    SymInt[2] padding=0) -> Tensor
    """
    x = self if self is not None else input
    if x is None:
        raise op.refuse("a convolution without its operand")
    return _conv(op, x, weight, bias, stride, spread(padding, op.rank(weight) - 2) * 2, dilation, groups)


@aten("cudnn_convolution_relu", "miopen_convolution_relu", "cudnn_convolution_add_relu", "miopen_convolution_add_relu")
def convolution_relu(
    op: Op,
    self: Value,
    weight: Value,
    bias: Value | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    z: Value | None = None,
    alpha: float | None = None,
) -> Value:
    """cudnn_convolution_add_relu(Tensor self, Tensor weight, Tensor z, Scalar? alpha, Tensor? bias, SymInt[] stride,
    SymInt[] padding, SymInt[] dilation, SymInt groups) -> Tensor
    """
    result = backend_convolution(op, weight, padding, stride, self, None, bias, dilation, groups)
    if z is not None:
        result = op.Add(result, op.Mul(z, op.const_like(1 if alpha is None else alpha, z)))
    return op.Relu(result)


@aten("_conv_depthwise2d", "conv_depthwise3d", "miopen_depthwise_convolution")
def depthwise_convolution(
    op: Op,
    self: Value,
    weight: Value,
    bias: Value | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    kernel_size: object = None,
    groups: object = None,
) -> Value:
    """_conv_depthwise2d(Tensor self, Tensor weight, SymInt[2] kernel_size, Tensor? bias, SymInt[2] stride,
    SymInt[2] padding, SymInt[2] dilation) -> Tensor

    self (N, C, *), weight (C * m, 1, *).
    """
    channels = op.dim(self, 1 - op.rank(weight))
    if not isinstance(channels, int):
        raise op.refuse("a depthwise convolution whose number of channels depends on the input")
    return backend_convolution(op, weight, padding, stride, self, None, bias, dilation, channels)


@aten(
    "cudnn_convolution_transpose",
    "miopen_convolution_transpose",
    "_mps_convolution_transpose",
    "slow_conv_transpose2d",
    "slow_conv_transpose3d",
)
def backend_convolution_transpose(
    op: Op,
    self: Value,
    weight: Value,
    padding: Sequence[int],
    output_padding: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    bias: Value | None = None,
    groups: int = 1,
    kernel_size: object = None,
) -> Value:
    """cudnn_convolution_transpose(Tensor self, Tensor weight, SymInt[] padding, SymInt[] output_padding,
    SymInt[] stride, SymInt[] dilation, SymInt groups, bool benchmark, bool deterministic, bool allow_tf32) -> Tensor
    """
    return convolution(op, self, weight, bias, stride, padding, dilation, True, output_padding, groups)


@aten("conv_tbc")
def conv_tbc(op: Op, self: Value, weight: Value, bias: Value, pad: int) -> Value:
    """conv_tbc(Tensor self, Tensor weight, Tensor bias, int pad=0) -> Tensor

    self (T, N, C), weight (K, C, M), bias (M) -> (T', N, M).
    """
    x = op.Transpose(self, perm=(1, 2, 0))
    result = _conv(op, x, op.Transpose(weight, perm=(2, 1, 0)), bias, [1], [pad, pad], [1], 1)
    return op.Transpose(result, perm=(2, 0, 1))


def _conv(
    op: Op,
    input: Value,
    weight: Value,
    bias: Value | None,
    stride: Sequence[int],
    pads: Sequence[int],
    dilation: Sequence[int],
    groups: int | Value,
) -> Value:
    spatial = op.rank(weight) - 2
    # Operators of ONNX have as many groups as the file says.
    if not isinstance(groups, int) or is_sliced(op, input, weight):
        strides, steps = spread(stride, spatial), spread(dilation, spatial)
        return unbatched(op, input, spatial, lambda x: convolve(op, x, weight, bias, strides, pads, steps, groups))
    _check_dtype(op, input)
    return unbatched(
        op,
        input,
        spatial,
        lambda x: op.Conv(
            x,
            weight,
            bias,
            kernel_shape=_kernel(op, weight),
            strides=spread(stride, spatial),
            pads=pads,
            dilations=spread(dilation, spatial),
            group=groups,
        ),
    )


def _check_dtype(op: Op, input: Value) -> None:
    if not op.dtype(input).is_float:
        raise op.refuse(f"a convolution of {op.dtype(input).short}", "Cast its operands to float.")


def unbatched(op: Op, input: Value, spatial: int, build: Callable[[Value], Value]) -> Value:
    """Call ``build`` with a batch dimension, which torch lets a single sample go without and ONNX does not.

    Args:
        op: the builder.
        input: (N, C, *) or (C, *).
        spatial: the number of dimensions behind the channels.
        build: takes (N, C, *) and gives (N, M, *).
    """
    if op.rank(input) == spatial + 2:
        return build(input)
    return op.Squeeze(build(op.Unsqueeze(input, [0])), [0])


def _kernel(op: Op, weight: Value) -> tuple[int, ...] | None:
    """The sizes of the kernel; None if they are not known, for ONNX to take them from the weight."""
    sizes = [size for size in op.sizes(weight)[2:] if isinstance(size, int)]
    return tuple(sizes) if len(sizes) == op.rank(weight) - 2 else None


def spread(sizes: Sequence[_Size], count: int) -> tuple[_Size, ...]:
    """One size for all dimensions, or one for each."""
    return tuple(sizes) * count if len(sizes) == 1 else tuple(sizes)
