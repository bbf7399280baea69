"""Pooling. Each function is made once for 1, 2 and 3 spatial dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from onnxport_ir import DType, Value

from onnxport_symbolics.aten.conv import spread, unbatched
from onnxport_symbolics.integers import add, mul
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import slice_axis, transpose


def _max_pool(spatial: int) -> None:
    @aten(f"max_pool{spatial}d")
    def max_pool(
        op: Op,
        self: Value,
        kernel_size: Sequence[int],
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        ceil_mode: bool,
    ) -> Value:
        """max_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] dilation=1,
        bool ceil_mode=False) -> Tensor

        self (N, C, *) or (C, *).
        """
        window = _Window(spatial, kernel_size, stride, padding, dilation, ceil_mode)
        return unbatched(op, self, spatial, lambda x: _max(op, x, window)[0])

    @aten(f"max_pool{spatial}d_with_indices")
    def max_pool_with_indices(
        op: Op,
        self: Value,
        kernel_size: Sequence[int],
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        ceil_mode: bool,
    ) -> tuple[Value, Value]:
        """max_pool2d_with_indices(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0,
        int[2] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)

        The indices count within one channel of one sample.
        """
        window = _Window(spatial, kernel_size, stride, padding, dilation, ceil_mode)
        single = op.rank(self) == spatial + 1
        x = op.Unsqueeze(self, [0]) if single else self
        values, flat = _max(op, x, window, indices=True)
        # ONNX's indices count through the whole tensor.
        plane = op.ReduceProd(op.ints(op.dims(x)[2:]), [0], keepdims=0)
        indices = op.Sub(flat, op.Mul(op.Div(flat, plane), plane))
        return (op.Squeeze(values, [0]), op.Squeeze(indices, [0])) if single else (values, indices)


class _Window:
    """The arguments of a pooling, spread to all spatial dimensions."""

    def __init__(
        self,
        spatial: int,
        kernel: Sequence[int],
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        ceil_mode: bool,
    ) -> None:
        self.kernel = spread(kernel, spatial)
        self.strides = spread(stride, spatial) if stride else self.kernel
        self.pads = spread(padding, spatial) * 2
        self.dilations = spread(dilation, spatial)
        self.ceil_mode = int(ceil_mode)

    @property
    def elements(self) -> int:
        """How many elements a window covers."""
        return math.prod(self.kernel)


def _max(op: Op, x: Value, window: _Window, *, indices: bool = False) -> tuple[Value, ...]:
    return op.multi(
        "MaxPool",
        2 if indices else 1,
        x,
        kernel_shape=window.kernel,
        strides=window.strides,
        pads=window.pads,
        dilations=window.dilations,
        ceil_mode=window.ceil_mode,
    )


def _avg_pool(spatial: int) -> None:
    def avg_pool(
        op: Op,
        self: Value,
        kernel_size: Sequence[int],
        stride: Sequence[int],
        padding: Sequence[int],
        ceil_mode: bool,
        count_include_pad: bool,
        divisor_override: int | None = None,
    ) -> Value:
        """avg_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, bool ceil_mode=False,
        bool count_include_pad=True, int? divisor_override=None) -> Tensor

        self (N, C, *) or (C, *).
        """
        window = _Window(spatial, kernel_size, stride, padding, [1], ceil_mode)
        return unbatched(op, self, spatial, lambda x: _average(op, x, window, count_include_pad, divisor_override))

    aten(f"avg_pool{spatial}d")(avg_pool)


def _average(op: Op, x: Value, window: _Window, include_pad: bool, divisor: int | None) -> Value:
    if not op.dtype(x).is_float:
        raise op.refuse(f"an average pooling of {op.dtype(x).short}")
    if divisor is not None and window.ceil_mode:
        raise op.refuse("avg_pool with divisor_override and ceil_mode")
    averages = op.AveragePool(
        x,
        kernel_shape=window.kernel,
        strides=window.strides,
        pads=window.pads,
        ceil_mode=window.ceil_mode,
        count_include_pad=int(include_pad or divisor is not None),
    )
    if divisor is None:
        return averages
    return op.Mul(averages, op.const_like(window.elements / divisor, averages))


def _adaptive(spatial: int) -> None:
    @aten(f"adaptive_avg_pool{spatial}d", f"_adaptive_avg_pool{spatial}d")
    def adaptive_avg_pool(op: Op, self: Value, output_size: Sequence[int]) -> Value:
        """adaptive_avg_pool2d(Tensor self, SymInt[2] output_size) -> Tensor

        self (N, C, *) or (C, *).
        """
        return unbatched(op, self, spatial, lambda x: _adaptive_average(op, x, spread(output_size, spatial)))

    @aten(f"adaptive_max_pool{spatial}d")
    def adaptive_max_pool(op: Op, self: Value, output_size: Sequence[int]) -> tuple[Value, object]:
        """adaptive_max_pool2d(Tensor self, int[2] output_size) -> (Tensor, Tensor)

        self (N, C, *) or (C, *). The second result, the indices, is refused if it is used.
        """
        values = unbatched(op, self, spatial, lambda x: _adaptive_max(op, x, spread(output_size, spatial)))
        return values, op.refuse("the indices of an adaptive max pooling", "Call it with return_indices=False.")


def _adaptive_average(op: Op, x: Value, sizes: Sequence[int]) -> Value:
    if all(size == 1 for size in sizes):
        return op.GlobalAveragePool(x)
    window = _even_window(op, x, sizes)
    if window is not None:
        return op.AveragePool(x, kernel_shape=window, strides=window)
    # The mean over a box is the mean over each of its sides in turn: one matrix of weights per dimension.
    result = x
    for axis, size in enumerate(sizes, 2):
        last = axis == op.rank(x) - 1
        turned = result if last else transpose(op, result, axis, -1)
        turned = op.MatMul(turned, _window_weights(op, op.dim(x, axis), size, op.dtype(x)))
        result = turned if last else transpose(op, turned, axis, -1)
    return result


def _adaptive_max(op: Op, x: Value, sizes: Sequence[int]) -> Value:
    if all(size == 1 for size in sizes):
        return op.GlobalMaxPool(x)
    window = _even_window(op, x, sizes)
    if window is not None:
        return op.MaxPool(x, kernel_shape=window, strides=window)
    result = x
    for axis, size in enumerate(sizes, 2):
        length = op.dim(x, axis)
        parts = []
        for index in range(size):
            start, end = _edge(op, index, length, size), _edge(op, index + 1, length, size, up=True)
            part = slice_axis(op, result, axis, start, end)
            parts.append(op.ReduceMax(part, [axis], keepdims=1))
        result = op.Concat(*parts, axis=axis)
    return result


def _even_window(op: Op, x: Value, sizes: Sequence[int]) -> tuple[int, ...] | None:
    """The window that cuts each dimension into equal parts; None if they are dynamic or do not come out even."""
    window = []
    for size, length in zip(sizes, op.sizes(x)[2:], strict=True):
        if not isinstance(length, int) or size == 0 or length % size:
            return None
        window.append(length // size)
    return tuple(window)


def _edge(op: Op, index: int, length: Int, size: int, *, up: bool = False) -> Int:
    """``index * length / size``, rounded down, or up."""
    scaled = mul(op, length, index)
    if up:
        scaled = add(op, scaled, size - 1)
    if isinstance(scaled, int):
        return scaled // size
    return op.Div(scaled, size)


def _window_weights(op: Op, length: Int, size: int, dtype: DType) -> Value:
    """(length, size): column i has 1/n at the n places that window i covers, else 0."""
    places = op.Unsqueeze(op.Range(0, op.scalar(length, DType.INT64), 1), [1])
    starts = [_edge(op, i, length, size) for i in range(size)]
    ends = [_edge(op, i + 1, length, size, up=True) for i in range(size)]
    first, last = op.ints(starts), op.ints(ends)
    inside = op.And(op.GreaterOrEqual(places, first), op.Less(places, last))
    return op.Div(op.cast(inside, dtype), op.cast(op.Sub(last, first), dtype))


for _count in (1, 2, 3):
    _max_pool(_count)
    _avg_pool(_count)
    _adaptive(_count)
