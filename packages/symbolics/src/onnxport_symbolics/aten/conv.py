"""Convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from onnxport_ir import Value

from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten


@aten("_convolution", "convolution")
def convolution(
    op: Op,
    input: Value,
    weight: Value,
    bias: Value | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Value:
    """convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation,
    bool transposed, SymInt[] output_padding, SymInt groups) -> Tensor

    input (N, C, *), weight (M, C/groups, *), or (C, M/groups, *) if transposed; bias (M).
    """
    spatial = op.rank(weight) - 2
    pads = list(spread(padding, spatial)) * 2
    if not transposed:
        return _conv(op, input, weight, bias, stride, pads, dilation, groups)
    return unbatched(
        op,
        input,
        spatial,
        lambda x: op.ConvTranspose(
            x,
            weight,
            bias,
            kernel_shape=_kernel(op, weight),
            strides=spread(stride, spatial),
            pads=pads,
            dilations=spread(dilation, spatial),
            output_padding=spread(output_padding, spatial),
            group=groups,
        ),
    )


@aten("_convolution_mode")
def convolution_mode(
    op: Op,
    input: Value,
    weight: Value,
    bias: Value | None,
    stride: Sequence[int],
    padding: str,
    dilation: Sequence[int],
    groups: int,
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
    pads = list(spread(padding, op.rank(weight) - 2)) * 2
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


def _conv(
    op: Op,
    input: Value,
    weight: Value,
    bias: Value | None,
    stride: Sequence[int],
    pads: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Value:
    spatial = op.rank(weight) - 2
    if not op.dtype(input).is_float:
        raise op.refuse(f"a convolution of {op.dtype(input).short}")
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


def spread(sizes: Sequence[int], count: int) -> tuple[int, ...]:
    """One size for all dimensions, or one for each."""
    return tuple(sizes) * count if len(sizes) == 1 else tuple(sizes)
