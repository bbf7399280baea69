"""Tables of vectors whose elements have 8 or 4 bits: the vectors that are read are made real, not the table."""

from __future__ import annotations

from collections.abc import Sequence

from onnxport_ir import DType, Value

from onnxport_symbolics.aten.embedding import embedding_bag
from onnxport_symbolics.aten.index import as_index
from onnxport_symbolics.integers import arange
from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import quantized
from onnxport_symbolics.shaping import reshape


def _rows(op: Op, table: object, indices: Value, bits: int) -> Value:
    """The vectors (*, D) float32 of the indices (*)."""
    if not isinstance(table, tuple) or len(table) != 4:
        raise op.refuse("a packed table of vectors that is no attribute of the model")
    width, elements, scales, shifts = table
    if width != bits:
        raise op.refuse(
            f"an embedding of {bits} bits whose table has {width}",
            "torch reads such a table wrongly: quantise nn.Embedding to 8 bits, or use nn.EmbeddingBag for 4.",
        )
    index = as_index(op, indices)
    found, scale, shift = (op.Gather(column, index, axis=0) for column in (elements, scales, shifts))
    if bits == 4:
        found = _halves(op, found)
    return op.Add(op.Mul(op.cast(found, DType.FLOAT32), scale), shift)


def _halves(op: Op, found: Value) -> Value:
    """The elements of 4 bits: the low one of each byte, then the high one."""
    whole = op.cast(found, DType.INT32)
    high = op.Div(whole, op.const(16, DType.INT32))
    low = op.Sub(whole, op.Mul(high, op.const(16, DType.INT32)))
    pairs = op.Concat(op.Unsqueeze(low, [-1]), op.Unsqueeze(high, [-1]), axis=-1)
    return reshape(op, pairs, [*op.dims(found)[:-1], -1])


def _embedding(name: str, bits: int) -> None:
    def function(op: Op, weight: object, indices: Value, pruned_weights: bool = False) -> Value:
        if pruned_weights:
            raise op.refuse(f"quantized::{name} of a pruned table")
        return _rows(op, weight, indices, bits)

    function.__doc__ = f"{name}(EmbeddingPackedParamsBase weight, Tensor indices, bool pruned_weights=False) -> Tensor"
    quantized(name)(function)


def _bag(name: str, bits: int) -> None:
    def function(
        op: Op,
        weight: object,
        indices: Value,
        offsets: Value | None = None,
        scale_grad_by_freq: bool = False,
        mode: int = 0,
        pruned_weights: bool = False,
        per_sample_weights: Value | None = None,
        compressed_indices_mapping: Value | None = None,
        include_last_offset: bool = False,
    ) -> Value:
        if pruned_weights and compressed_indices_mapping is not None:
            raise op.refuse(f"quantized::{name} of a pruned table")
        rows = _rows(op, weight, indices, bits)
        if op.rank(indices) == 2:
            return _sum_of_rows(op, rows, per_sample_weights)
        if offsets is None:
            raise op.refuse(f"quantized::{name} of indices in one row without offsets")
        # torch's kernels know sums only, whatever the mode says.
        positions = arange(op, op.dim(indices, 0))
        return embedding_bag(op, rows, positions, offsets, 0, per_sample_weights, include_last_offset)[0]

    function.__doc__ = (
        f"{name}(EmbeddingPackedParamsBase weight, Tensor indices, Tensor? offsets=None, bool scale_grad_by_freq, "
        "int mode=0, bool pruned_weights=False, Tensor? per_sample_weights=None, Tensor? compressed_indices_mapping, "
        "bool include_last_offset=False) -> Tensor; indices (I) or (B, L), result (B, D)"
    )
    quantized(name)(function)


def _sum_of_rows(op: Op, rows: Value, factors: Value | None) -> Value:
    """Sums over (B, L, D); the factors are (B, L)."""
    axes: Sequence[int] = [1]
    return op.ReduceSum(rows if factors is None else op.Mul(rows, op.Unsqueeze(factors, [2])), axes, keepdims=0)


_embedding("embedding_byte", 8)
_embedding("embedding_4bit", 4)
_bag("embedding_bag_byte", 8)
_bag("embedding_bag_4bit", 4)
