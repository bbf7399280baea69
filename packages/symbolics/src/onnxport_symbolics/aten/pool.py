"""Pooling. Each function is made once for 1, 2 and 3 spatial dimensions."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.aten.conv import spread, unbatched
from onnxport_symbolics.aten.fold import divided, indexed_max, places, window_count, windows
from onnxport_symbolics.aten.reduce import amax, mean
from onnxport_symbolics.aten.whole_pool import reduce_whole
from onnxport_symbolics.integers import add, maximum, minimum, mul, product, sub
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import full, pad_axes, reshape


def _max_pool(spatial: int) -> None:
    @aten(f"max_pool{spatial}d", f"mkldnn_max_pool{spatial}d")
    def max_pool(
        op: Op,
        self: Value,
        kernel_size: Sequence[int | Value],
        stride: Sequence[int | Value],
        padding: Sequence[int],
        dilation: Sequence[int],
        ceil_mode: bool,
    ) -> Value:
        """max_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] dilation=1,
        bool ceil_mode=False) -> Tensor

        self (N, C, *) or (C, *).
        """
        rest = reduce_whole(op, amax, self, kernel_size, stride, padding, dilation)
        if rest.x is not self and rest.is_done:
            return rest.x
        window = _Window.of(spatial, rest.kernel, rest.stride, padding, dilation, ceil_mode)
        return unbatched(op, rest.x, spatial, lambda x: _max(op, x, window)[0])

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
        window = _Window.of(spatial, kernel_size, stride, padding, dilation, ceil_mode)
        single = op.rank(self) == spatial + 1
        x = op.Unsqueeze(self, [0]) if single else self
        values, flat = _max(op, x, window, indices=True)
        # ONNX's indices count through the whole tensor.
        indices = op.Mod(flat, op.scalar(product(op, op.dims(x)[2:]), DType.INT64))
        return (op.Squeeze(values, [0]), op.Squeeze(indices, [0])) if single else (values, indices)


@dataclasses.dataclass(frozen=True)
class _Window:
    """The arguments of a pooling, spread to all spatial dimensions; pads are those at the starts, then at the ends."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...]
    dilations: tuple[int, ...]
    ceil_mode: int

    @classmethod
    def of(
        cls,
        spatial: int,
        kernel: Sequence[int],
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        ceil_mode: bool,
    ) -> _Window:
        """The window of an ATen call."""
        sizes = spread(kernel, spatial)
        return cls(
            sizes,
            spread(stride, spatial) if stride else sizes,
            spread(padding, spatial) * 2,
            spread(dilation, spatial),
            int(ceil_mode),
        )

    @property
    def elements(self) -> int:
        """How many elements a window covers."""
        return math.prod(self.kernel)

    def counts(self, op: Op, x: Value) -> list[Int]:
        """How many windows there are along each spatial axis of x."""
        return [self._count(op, size, axis) for axis, size in enumerate(op.dims(x)[2:])]

    def _count(self, op: Op, size: Int, axis: int) -> Int:
        kernel, stride, pad, dilation = (s[axis] for s in (self.kernel, self.strides, self.pads, self.dilations))
        count = window_count(op, add(op, size, 2 * pad + self.ceil_mode * (stride - 1)), kernel, stride, dilation)
        if not self.ceil_mode:
            return count
        # The last window begins inside the input or the padding before it.
        last = divided(op, add(op, size, pad - 1), stride)
        return minimum(op, count, add(op, last, 1))

    def padded(self, op: Op, x: Value, counts: Sequence[Int], fill: int) -> Value:
        """``x`` with the padding of the window, and at the end what rounding up needs."""
        ends = []
        for axis, (size, count) in enumerate(zip(op.dims(x)[2:], counts, strict=True)):
            reach = self.dilations[axis] * (self.kernel[axis] - 1) + 1
            needed = add(op, mul(op, count, self.strides[axis]), reach - self.strides[axis] - self.pads[axis])
            ends.append(maximum(op, sub(op, needed, size), 0))
        axes = list(range(2, 2 + len(ends)))
        return pad_axes(op, x, axes, self.pads[: len(ends)], ends, op.const_like(fill, x) if fill else None)

    def view(self, op: Op, x: Value, fill: int, counts: Sequence[Int]) -> Value:
        """The windows: (N, C, k1, ..., kn, o1, ..., on)."""
        return windows(op, self.padded(op, x, counts, fill), self.kernel, self.strides, self.dilations, counts)

    def indexed_view(self, op: Op, x: Value, fill: int) -> tuple[Value, Value]:
        """The largest element of each window, and where it is in a channel of x."""
        counts = self.counts(op, x)
        where = [places(op, *of) for of in zip(self.kernel, self.strides, self.dilations, counts, strict=True)]
        return indexed_max(op, self.padded(op, x, counts, fill), where, counts, op.dims(x)[2:], self.pads)


def _max(op: Op, x: Value, window: _Window, *, indices: bool = False) -> tuple[Value, ...]:
    dtype = op.dtype(x)
    if not dtype.is_float and dtype is not DType.BOOL:
        lowest = int(np.iinfo(dtype.numpy).min)
        if indices:
            return window.indexed_view(op, x, lowest)
        axes = list(range(2, 2 + len(window.kernel)))
        return (op.ReduceMax(window.view(op, x, lowest, window.counts(op, x)), axes, keepdims=0),)
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
        kernel_size: Sequence[int | Value],
        stride: Sequence[int | Value],
        padding: Sequence[int],
        ceil_mode: bool,
        count_include_pad: bool,
        divisor_override: int | None = None,
    ) -> Value:
        """avg_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, bool ceil_mode=False,
        bool count_include_pad=True, int? divisor_override=None) -> Tensor

        self (N, C, *) or (C, *).
        """
        rest = reduce_whole(op, mean, self, kernel_size, stride, padding, [1])
        if rest.x is not self and divisor_override is not None:
            raise op.refuse("avg_pool with a divisor and a window of the whole axis")
        if rest.x is not self and rest.is_done:
            return rest.x
        window = _Window.of(spatial, rest.kernel, rest.stride, padding, [1], ceil_mode)
        return unbatched(op, rest.x, spatial, lambda x: _average(op, x, window, count_include_pad, divisor_override))

    aten(f"avg_pool{spatial}d")(avg_pool)


def _average(op: Op, x: Value, window: _Window, include_pad: bool, divisor: int | None) -> Value:
    if not op.dtype(x).is_float:
        return _average_of_integers(op, x, window, include_pad, divisor)
    if divisor is not None and window.ceil_mode:
        # With zeros put in for what rounding up needs, all windows are full.
        x = window.padded(op, x, window.counts(op, x), 0)
        window = dataclasses.replace(window, pads=(0,) * len(window.pads), ceil_mode=0)
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


def _average_of_integers(op: Op, x: Value, window: _Window, include_pad: bool, divisor: int | None) -> Value:
    """Sums of integers, divided and rounded towards zero."""
    axes = list(range(2, 2 + len(window.kernel)))
    counts = window.counts(op, x)
    sums = op.ReduceSum(window.view(op, x, 0, counts), axes, keepdims=0)
    if divisor is not None:
        return op.Div(sums, op.const_like(divisor, sums))
    ones = op.Expand(op.const_like(1, x), op.ints([1, 1, *op.dims(x)[2:]]))
    if include_pad:
        pads = window.pads
        ones = pad_axes(op, ones, axes, pads[: len(axes)], pads[len(axes) :], op.const_like(1, x))
        window = dataclasses.replace(window, pads=(0,) * len(pads))
    return op.Div(sums, op.ReduceSum(window.view(op, ones, 0, counts), axes, keepdims=0))


def _max_unpool(spatial: int) -> None:
    @aten(f"max_unpool{spatial}d")
    def max_unpool(
        op: Op,
        self: Value,
        indices: Value,
        output_size: Sequence[int | Value],
        stride: object = None,
        padding: object = None,
    ) -> Value:
        """max_unpool2d(Tensor self, Tensor indices, SymInt[2] output_size) -> Tensor;
        max_unpool3d(Tensor self, Tensor indices, SymInt[3] output_size, int[3] stride, int[3] padding) -> Tensor

        self, indices (N, C, *) or (C, *); the indices count within one channel.
        """
        leading = op.dims(self)[:-spatial]
        rows: Int = product(op, leading)
        zeros = full(op, [rows, product(op, output_size)], 0, op.dtype(self))
        flat = op.ScatterElements(zeros, reshape(op, indices, [rows, -1]), reshape(op, self, [rows, -1]), axis=1)
        return reshape(op, flat, [*leading, *output_size])


for _count in (1, 2, 3):
    _max_pool(_count)
    _avg_pool(_count)
for _count in (2, 3):
    _max_unpool(_count)
