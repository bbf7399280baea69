"""Packed sequences: sequences of several lengths, step by step, without the padding.

A packed tensor is made as torch makes it, for whoever reads it; recurrent networks and ``_pad_packed_sequence`` take
the padded tensor that it came from, which is remembered beside it, so that packing costs nothing unless it is read.
"""

from __future__ import annotations

from onnxport_ir import DType, Value

from onnxport_symbolics.integers import arange, sub
from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import dim_of, slice_axis


@aten("_pack_padded_sequence")
def pack_padded_sequence(op: Op, input: Value, lengths: Value, batch_first: bool) -> tuple[Value, Value]:
    """_pack_padded_sequence(Tensor input, Tensor lengths, bool batch_first) -> (Tensor, Tensor)

    input (L, N, *) or (N, L, *), lengths (N) int64, in descending order -> (sum of lengths, *), (longest) int64: how
    many samples have each step.
    """
    rest = range(2, op.rank(input))
    padded = op.Transpose(input, perm=(1, 0, *rest)) if batch_first else input
    lengths = op.cast(lengths, DType.INT64)
    longest = op.ReduceMax(lengths, [0], keepdims=0)
    steps = op.Unsqueeze(op.Range(0, longest, 1), [1])
    batch_sizes = op.ReduceSum(op.cast(op.Less(steps, lengths), DType.INT64), [1], keepdims=0)
    return packed_like(op, padded, lengths, batch_sizes), batch_sizes


def packed_like(op: Op, padded: Value, lengths: Value, batch_sizes: Value) -> Value:
    """Pack a tensor (L, N, *) by the lengths of its samples."""
    steps = op.Unsqueeze(arange(op, op.dim(padded, 0)), [1])
    inside = op.Reshape(op.Less(steps, lengths), [-1])
    rows = op.Reshape(padded, op.ints([-1, *op.dims(padded)[2:]]))
    data = op.Compress(rows, inside, axis=0)
    op.memorise(("padded", data), padded)
    op.memorise(("lengths", batch_sizes), lengths)
    return data


def unpacked(op: Op, data: Value, batch_sizes: Value) -> tuple[Value, Value]:
    """The padded tensor (L, N, *) behind a packed one, L the longest length or more; and the lengths (N)."""
    padded, lengths = op.recall(("padded", data)), op.recall(("lengths", batch_sizes))
    if lengths is None:
        lengths = _lengths(op, batch_sizes)
    return padded if padded is not None else _scattered(op, data, batch_sizes), lengths


def _inside(op: Op, batch_sizes: Value) -> Value:
    """(longest, N) bool: which samples have each step; they are in descending order of their lengths."""
    count = op.Gather(batch_sizes, op.const(0, DType.INT64), axis=0)
    return op.Less(op.Unsqueeze(op.Range(0, count, 1), [0]), op.Unsqueeze(batch_sizes, [1]))


def _lengths(op: Op, batch_sizes: Value) -> Value:
    return op.ReduceSum(op.cast(_inside(op, batch_sizes), DType.INT64), [0], keepdims=0)


def _scattered(op: Op, data: Value, batch_sizes: Value) -> Value:
    """A packed tensor with zeros as padding."""
    inside = _inside(op, batch_sizes)
    places = op.Transpose(op.NonZero(inside), perm=(1, 0))
    zeros = op.Expand(op.const_like(0, data), op.Concat(op.Shape(inside), op.ints(op.dims(data)[1:]), axis=0))
    return op.ScatterND(zeros, places, data)


@aten("_pad_packed_sequence")
def pad_packed_sequence(
    op: Op, data: Value, batch_sizes: Value, batch_first: bool, padding_value: float, total_length: int | Value
) -> tuple[Value, Value]:
    """_pad_packed_sequence(Tensor data, Tensor batch_sizes, bool batch_first, Scalar padding_value, int total_length)
    -> (Tensor, Tensor)

    data (sum of lengths, *) -> (total_length or the longest, N, *), or with the batch first; and the lengths (N).
    """
    padded, lengths = unpacked(op, data, batch_sizes)
    longest = op.dim(batch_sizes, 0)
    x = slice_axis(op, padded, 0, 0, longest)
    steps = op.Unsqueeze(arange(op, longest), [1])
    inside = op.Unsqueeze(op.Less(steps, lengths), list(range(2, op.rank(x))))
    x = op.Where(inside, x, op.const_like(padding_value, x))
    if not _is_longest(op, total_length, batch_sizes):
        missing = sub(op, total_length, longest)
        zero = [0] * (op.rank(x) - 1)
        pads = op.ints([0, *zero, missing, *zero])
        x = op.Pad(x, op.Max(pads, 0), op.const_like(padding_value, x))
    rest = range(2, op.rank(x))
    return (op.Transpose(x, perm=(1, 0, *rest)) if batch_first else x), lengths


def _is_longest(op: Op, total_length: int | Value, batch_sizes: Value) -> bool:
    """Whether nothing more is to be padded; torch says so by a length that is not positive as well."""
    if isinstance(total_length, int):
        return total_length <= 0
    return dim_of(op, total_length) == op.sizes(batch_sizes)[0]
