"""Tables of vectors: embedding, embedding_bag, one_hot."""

from __future__ import annotations

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.aten.index import as_index
from onnxport_symbolics.aten.scatter import reduce_nd
from onnxport_symbolics.integers import add, sub
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import full, reshape, slice_axis, unsqueeze

_SUM, _MEAN, _MAX = range(3)


@aten("embedding")
def embedding(op: Op, weight: Value, indices: Value, padding_idx: int) -> Value:
    """embedding(Tensor weight, Tensor indices, SymInt padding_idx=-1, bool scale_grad_by_freq, bool sparse) -> Tensor

    ``padding_idx`` has a meaning for gradients only.
    """
    return op.Gather(weight, as_index(op, indices), axis=0)


@aten("one_hot")
def one_hot(op: Op, self: Value, num_classes: int) -> Value:
    """one_hot(Tensor self, int num_classes=-1) -> Tensor"""
    depth: Int = num_classes
    if num_classes == -1:
        depth = op.Add(op.ReduceMax(self, keepdims=0), 1)
    if op.rank(self) == 0 or not op.has("OneHot"):
        positions = op.const(np.arange(depth)) if isinstance(depth, int) else op.Range(op.const(0), depth, op.const(1))
        return op.cast(op.Equal(unsqueeze(op, self, [op.rank(self)]), positions), DType.INT64)
    return op.OneHot(self, op.scalar(depth, DType.INT64), op.const(np.array([0, 1], np.int64)), axis=-1)


@aten("embedding_bag")
def embedding_bag(
    op: Op,
    weight: Value,
    indices: Value,
    offsets: Value,
    mode: int,
    per_sample_weights: Value | None,
    include_last_offset: bool,
    padding_idx: int | None = None,
) -> tuple[Value, None, None, None]:
    """embedding_bag.padding_idx(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq, int mode,
    bool sparse, Tensor? per_sample_weights, bool include_last_offset, int? padding_idx) -> (Tensor, Tensor, Tensor,
    Tensor); weight: (N, D), indices: (I,), offsets: (B,), result: (B, D)

    The other results serve the gradient and are not there.
    """
    rows = op.Gather(weight, as_index(op, indices), axis=0)
    if per_sample_weights is not None:
        rows = op.Mul(rows, op.Unsqueeze(per_sample_weights, [1]))
    length = None if padding_idx is not None or include_last_offset else _even_length(op, indices, offsets)
    if length is not None:
        bags = reshape(op, rows, [-1, length, op.dim(weight, 1)])
        reduce = (op.ReduceSum, op.ReduceMean, op.ReduceMax)[mode]
        return reduce(bags, [1], keepdims=0), None, None, None
    # An end of the last bag that is given begins the one that nothing is taken from.
    number = sub(op, op.dim(offsets, 0), 1) if include_last_offset else op.dim(offsets, 0)
    bags = _bags(op, weight, rows, as_index(op, indices), offsets, number, mode, padding_idx)
    return bags, None, None, None


def _even_length(op: Op, indices: Value, starts: Value) -> int | None:
    """The length that all bags have, if that is known and not 0."""
    (count,) = op.sizes(indices)
    if starts.const is None or starts.is_weight or not isinstance(count, int) or not starts.array().size:
        return None
    edges = np.append(starts.array(), count)
    lengths = np.unique(np.diff(edges))
    return int(lengths[0]) if len(lengths) == 1 and lengths[0] > 0 and edges[0] == 0 else None


def _bags(
    op: Op,
    weight: Value,
    rows: Value,
    indices: Value,
    starts: Value,
    number: Int,
    mode: int,
    padding_idx: int | None,
) -> Value:
    """Reduce bags of any length by adding each row to its bag's; what is left out goes to one more bag."""
    dtype = op.dtype(weight)
    size = op.dim(indices, 0)
    positions = op.const(np.arange(size)) if isinstance(size, int) else op.Range(op.const(0), size, op.const(1))
    begun = op.LessOrEqual(op.Unsqueeze(op.cast(starts, DType.INT64), [0]), op.Unsqueeze(positions, [1]))
    bag = op.Sub(op.ReduceSum(op.cast(begun, DType.INT64), [1], keepdims=0), 1)
    if padding_idx is not None:
        left_out = padding_idx if padding_idx >= 0 else add(op, op.dim(weight, 0), padding_idx)
        is_left_out = op.Equal(op.cast(indices, DType.INT64), op.scalar(left_out, DType.INT64))
        bag = op.Where(is_left_out, op.scalar(number, DType.INT64), bag)
    index = op.Unsqueeze(bag, [1])
    table: list[Int] = [add(op, number, 1), op.dim(weight, 1)]
    counts = full(op, [table[0], 1], 0, DType.INT64)
    ones = full(op, [size, 1], 1, DType.INT64)
    counts = slice_axis(op, op.ScatterND(counts, index, ones, reduction="add"), 0, 0, sub(op, table[0], 1))
    neutral = -np.inf if mode == _MAX else 0
    filled = full(op, table, neutral, dtype)
    reduced = reduce_nd(op, filled, index, rows, "max" if mode == _MAX else "add")
    result = slice_axis(op, reduced, 0, 0, number)
    if mode == _MAX:
        return op.Where(op.Equal(counts, 0), op.const(0, dtype), result)
    return op.Div(result, op.cast(op.Max(counts, 1), dtype)) if mode == _MEAN else result
