"""Adaptive pooling: windows of which there are as many as asked for."""

from __future__ import annotations

from collections.abc import Sequence

from onnxport_ir import DType, Value

from onnxport_symbolics.aten.conv import unbatched
from onnxport_symbolics.aten.fold import divided, indexed_max
from onnxport_symbolics.integers import add, arange, settle
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import dim_of, transpose


def _register(spatial: int) -> None:
    @aten(f"adaptive_avg_pool{spatial}d", f"_adaptive_avg_pool{spatial}d", f"mkldnn_adaptive_avg_pool{spatial}d")
    def adaptive_avg_pool(op: Op, self: Value, output_size: Sequence[int | Value]) -> Value:
        """adaptive_avg_pool2d(Tensor self, SymInt[2] output_size) -> Tensor

        self (N, C, *) or (C, *).
        """
        sizes = _sizes(op, output_size, spatial)
        return unbatched(op, self, spatial, lambda x: _average(op, x, sizes))

    @aten(f"adaptive_max_pool{spatial}d")
    def adaptive_max_pool(op: Op, self: Value, output_size: Sequence[int | Value]) -> tuple[Value, Value]:
        """adaptive_max_pool2d(Tensor self, int[2] output_size) -> (Tensor, Tensor)

        self (N, C, *) or (C, *). The indices count within one channel of one sample.
        """
        sizes = _sizes(op, output_size, spatial)
        values = unbatched(op, self, spatial, lambda x: _max(op, x, sizes))
        return values, unbatched(op, self, spatial, lambda x: _max_indices(op, x, sizes))


def _sizes(op: Op, output_size: Sequence[Int], spatial: int) -> list[Int]:
    sizes = [settle(size) for size in output_size]
    return sizes * spatial if len(sizes) == 1 else sizes


def _average(op: Op, x: Value, sizes: Sequence[Int]) -> Value:
    dtype = op.dtype(x)
    if not dtype.is_float:
        raise op.refuse(f"an adaptive average pooling of {dtype.short}")
    if all(size == 1 for size in sizes):
        return op.GlobalAveragePool(x)
    window = _even_window(op, x, sizes)
    if window is not None:
        # A window of one element is the element.
        return x if set(window) == {1} else op.AveragePool(x, kernel_shape=window, strides=window)
    # The mean over a box is the mean over each of its sides in turn: one matrix of weights per dimension.
    for axis, size in _changed(op, x, sizes):
        last = axis == op.rank(x) - 1
        weights = _window_weights(op, op.dim(x, axis), size, dtype)
        turned = op.MatMul(x if last else transpose(op, x, axis, -1), weights)
        x = turned if last else transpose(op, turned, axis, -1)
    return x


def _changed(op: Op, x: Value, sizes: Sequence[Int]) -> list[tuple[int, Int]]:
    """The axes whose size changes, with their new sizes."""
    pairs = enumerate(zip(sizes, op.sizes(x)[2:], strict=True), 2)
    return [(axis, size) for axis, (size, old) in pairs if dim_of(op, size) is None or dim_of(op, size) != old]


def _max(op: Op, x: Value, sizes: Sequence[Int]) -> Value:
    if all(size == 1 for size in sizes):
        if op.dtype(x).is_float:
            return op.GlobalMaxPool(x)
        return op.ReduceMax(x, list(range(2, op.rank(x))), keepdims=1)
    window = _even_window(op, x, sizes) if op.dtype(x).is_float else None
    if window is not None:
        return x if set(window) == {1} else op.MaxPool(x, kernel_shape=window, strides=window)
    for axis, size in _changed(op, x, sizes):
        places = _places(op, op.dim(x, axis), size)
        x = op.ReduceMax(op.Gather(x, places, axis=axis), [axis + 1], keepdims=0)
    return x


def _max_indices(op: Op, x: Value, sizes: Sequence[Int]) -> Value:
    """Where the largest element of each window is, the first of several."""
    lengths = op.dims(x)[2:]
    places = [_places(op, length, size) for length, size in zip(lengths, sizes, strict=True)]
    return indexed_max(op, x, places, sizes, lengths, [0] * len(sizes))[1]


def _even_window(op: Op, x: Value, sizes: Sequence[Int]) -> tuple[int, ...] | None:
    """The window that cuts each dimension into equal parts; None if they are dynamic or do not come out even."""
    window = []
    for size, length in zip(sizes, op.sizes(x)[2:], strict=True):
        if not isinstance(size, int) or not isinstance(length, int) or size == 0 or length % size:
            return None
        window.append(length // size)
    return tuple(window)


def _edges(op: Op, length: Int, size: Int) -> tuple[Value, Value]:
    """(size, 1) each: where the windows start, and where they end."""
    number = op.Unsqueeze(arange(op, size), [1])
    whole, parts = op.scalar(length, DType.INT64), op.scalar(size, DType.INT64)
    starts = op.Div(op.Mul(number, whole), parts)
    raised = op.Add(op.Mul(op.Add(number, 1), whole), op.Sub(parts, 1))
    return starts, op.Div(raised, parts)


def _places(op: Op, length: Int, size: Int) -> Value:
    """(size, longest window): the places of each window; a short one has its last place again."""
    starts, ends = _edges(op, length, size)
    longest: Int
    if isinstance(length, int) and isinstance(size, int):
        longest = int((ends.array() - starts.array()).max(initial=1))
    else:
        longest = add(op, divided(op, length, size), 2)
    return op.Min(op.Add(starts, arange(op, longest)), op.Sub(ends, 1))


def _window_weights(op: Op, length: Int, size: Int, dtype: DType) -> Value:
    """(length, size): column i has 1/n at the n places that window i covers, else 0."""
    starts, ends = (op.Transpose(edge, perm=(1, 0)) for edge in _edges(op, length, size))
    places = op.Unsqueeze(arange(op, length), [1])
    inside = op.And(op.GreaterOrEqual(places, starts), op.Less(places, ends))
    return op.Div(op.cast(inside, dtype), op.cast(op.Sub(ends, starts), dtype))


for _count in (1, 2, 3):
    _register(_count)
