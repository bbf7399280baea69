"""Recurrent layers, attention, spectra, and the operators of detection models."""

from __future__ import annotations

from onnxport_ir.dims import Dim
from onnxport_ir.dtypes import DType
from onnxport_ir.graph import Node
from onnxport_ir.rules.common import (
    Context,
    Rule,
    int_attr,
    ints_attr,
    mismatch,
    normalise_axis,
    operand,
    replaced,
    require_same,
    tensor,
    text_attr,
)
from onnxport_ir.rules.creation import scalar_size
from onnxport_ir.rules.sizes import quotient
from onnxport_ir.types import Shape, TensorType, ValueType


def _recurrent(node: Node, ctx: Context) -> list[ValueType]:
    """RNN, GRU and LSTM. X: (seq, batch, input), or (batch, seq, input) with ``layout=1``."""
    data, recurrence = tensor(node, 0), tensor(node, 2).shape
    directions = 2 if text_attr(node, "direction", "forward").lower() == "bidirectional" else 1
    size = int_attr(node, "hidden_size", 0) or ctx.dims.unknown()
    hidden = size if recurrence is None else recurrence[-1]
    first, second = data.shape[:2] if data.shape is not None else ctx.unknown(2)
    steps: Shape
    state: Shape
    if int_attr(node, "layout", 0):
        steps, state = (first, second, directions, hidden), (first, directions, hidden)
    else:
        steps, state = (first, directions, second, hidden), (directions, second, hidden)
    return [TensorType(data.dtype, steps), TensorType(data.dtype, state), TensorType(data.dtype, state)]


def _attention(node: Node, ctx: Context) -> list[ValueType]:
    """Q: (B, H, L, E) or (B, L, H*E); K and V alike, of their own number of heads and length."""
    query, key, value = tensor(node, 0), tensor(node, 1), tensor(node, 2)
    if query.shape is None or key.shape is None or value.shape is None:
        return [TensorType(query.dtype), TensorType(key.dtype), TensorType(value.dtype), TensorType(query.dtype)]
    past_key, past_value = tensor(node, 4).shape, tensor(node, 5).shape
    with_past = operand(node, 4) is not None
    flat = len(query.shape) == 3
    kv_heads: Dim
    if flat:
        batch, length, _ = query.shape
        heads, kv_heads = int_attr(node, "q_num_heads", 1), int_attr(node, "kv_num_heads", 1)
        kv_length: Dim = key.shape[1]
        head_size, value_size = quotient(key.shape[2], kv_heads), quotient(value.shape[2], kv_heads)
        output: Shape = (batch, length, value_size * heads)
        scores_heads: Dim = heads
    else:
        batch, scores_heads, length, _ = query.shape
        _, kv_heads, kv_length, head_size = key.shape
        value_size = value.shape[3]
        output = (batch, scores_heads, length, value_size)
    total = kv_length
    if with_past:
        total = ctx.dims.unknown() if past_key is None else past_key[2] + kv_length
        head_size = head_size if past_key is None else past_key[3]
        value_size = value_size if past_value is None else past_value[3]
    return [
        TensorType(query.dtype, output),
        TensorType(key.dtype, (batch, kv_heads, total, head_size)),
        TensorType(value.dtype, (batch, kv_heads, total, value_size)),
        TensorType(query.dtype, (batch, scores_heads, length, total)),
    ]


def _dft(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    if data.shape is None:
        return [data]
    rank = len(data.shape)
    onesided, inverse = int_attr(node, "onesided", 0), int_attr(node, "inverse", 0)
    # Real in, complex out; a one-sided inverse is the other way round.
    parts: Dim = 1 if onesided and inverse else 2
    axis: int | None = int_attr(node, "axis", 1)
    if ctx.opset >= 20:
        axis = -2
        if operand(node, 2) is not None:
            found = scalar_size(node, 2, ctx)
            axis = found if isinstance(found, int) else None
    if axis is None:
        return [TensorType(data.dtype, (*ctx.unknown(rank - 1), parts))]
    axis = normalise_axis(node, axis, rank)
    size = data.shape[axis]
    if operand(node, 1) is not None:
        size = scalar_size(node, 1, ctx)
    elif onesided and inverse:
        # The length of the real signal is twice that of the spectrum, less the ends.
        size = (size - 1) * 2
    if onesided and not inverse:
        size = quotient(size, 2) + 1
    return [TensorType(data.dtype, replaced(replaced(data.shape, axis, size), rank - 1, parts))]


def _stft(node: Node, ctx: Context) -> list[ValueType]:
    signal = tensor(node, 0)
    if signal.shape is None:
        return [TensorType(signal.dtype, (*ctx.unknown(3), 2))]
    window = tensor(node, 2).shape
    length: Dim
    if operand(node, 3) is not None:
        length = scalar_size(node, 3, ctx)
    elif operand(node, 2) is not None:
        length = window[0] if window else ctx.dims.unknown()
    else:
        length = signal.shape[1]
    step = scalar_size(node, 1, ctx)
    frames = quotient(signal.shape[1] - length, step) + 1 if step != 0 else ctx.dims.unknown()
    bins = quotient(length, 2) + 1 if int_attr(node, "onesided", 1) else length
    return [TensorType(signal.dtype, (signal.shape[0], frames, bins, 2))]


def _grid_sample(node: Node, ctx: Context) -> list[ValueType]:
    data, grid = tensor(node, 0), tensor(node, 1)
    if data.shape is None and grid.shape is None:
        return [TensorType(data.dtype)]
    if data.shape is None or grid.shape is None:
        known = data.shape or grid.shape or ()
        batch, channels = (known[0], ctx.dims.unknown()) if data.shape is None else data.shape[:2]
        return [TensorType(data.dtype, (batch, channels, *ctx.unknown(len(known) - 2)))]
    if len(data.shape) != len(grid.shape):
        mismatch(node, "input and grid of different rank")
    batch = require_same(node, data.shape[0], grid.shape[0], "batches of")
    return [TensorType(data.dtype, (batch, data.shape[1], *grid.shape[1:-1]))]


def _roi_align(node: Node, ctx: Context) -> list[ValueType]:
    data, rois = tensor(node, 0), tensor(node, 1).shape
    count = ctx.dims.unknown() if rois is None else rois[0]
    channels = ctx.dims.unknown() if data.shape is None else data.shape[1]
    size = (int_attr(node, "output_height", 1), int_attr(node, "output_width", 1))
    return [TensorType(data.dtype, (count, channels, *size))]


def _max_roi_pool(node: Node, ctx: Context) -> list[ValueType]:
    data, rois = tensor(node, 0), tensor(node, 1).shape
    count = ctx.dims.unknown() if rois is None else rois[0]
    channels = ctx.dims.unknown() if data.shape is None else data.shape[1]
    return [TensorType(data.dtype, (count, channels, *(ints_attr(node, "pooled_shape") or ctx.unknown(2))))]


def _non_max_suppression(node: Node, ctx: Context) -> list[ValueType]:
    return [TensorType(DType.INT64, (ctx.dims.unknown(), 3))]


RULES: dict[str, Rule] = {
    **dict.fromkeys(["GRU", "LSTM", "RNN"], _recurrent),
    "Attention": _attention,
    "DFT": _dft,
    "GridSample": _grid_sample,
    "MaxRoiPool": _max_roi_pool,
    "NonMaxSuppression": _non_max_suppression,
    "RoiAlign": _roi_align,
    "STFT": _stft,
}
