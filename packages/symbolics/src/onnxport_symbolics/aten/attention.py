"""Scaled dot-product attention."""

from __future__ import annotations

import math

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import expand_to, reshape, transpose_last


@aten("scaled_dot_product_attention")
def scaled_dot_product_attention(
    op: Op,
    query: Value,
    key: Value,
    value: Value,
    attn_mask: Value | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Value:
    """scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None,
    float dropout_p=0.0, bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor

    query (N, ..., Hq, L, E), key (N, ..., H, S, E), value (N, ..., H, S, Ev), attn_mask broadcast to (N, ..., L, S),
    bool (True takes part) or float (added to the scores) -> (N, ..., Hq, L, Ev). A row of which nothing takes part
    is zero, as torch has it.
    """
    if dropout_p:
        raise op.refuse(f"scaled_dot_product_attention with dropout_p={dropout_p}", "Export the model in eval mode.")
    if attn_mask is not None and is_causal:
        raise op.refuse("scaled_dot_product_attention with both attn_mask and is_causal")
    if enable_gqa:
        key, value = _repeat_heads(op, query, key), _repeat_heads(op, query, value)
    if op.has("Attention") and op.rank(query) == 4 and not is_causal and not _may_mask_rows(attn_mask):
        return op.Attention(query, key, value, attn_mask, scale=scale)
    scores = _scores(op, query, key, scale)
    if is_causal:
        attn_mask = _causal_mask(op, op.dim(query, -2), op.dim(key, -2))
    if attn_mask is None:
        return op.MatMul(op.Softmax(scores, axis=-1), value)
    if op.dtype(attn_mask) is not DType.BOOL:
        return op.MatMul(_softmax_or_zero(op, op.Add(scores, op.cast(attn_mask, op.dtype(scores)))), value)
    lowest = op.const_like(-math.inf, scores)
    if is_causal:
        # Every row of a causal mask has its first element.
        return op.MatMul(op.Softmax(op.Where(attn_mask, scores, lowest), axis=-1), value)
    weights = op.Softmax(op.Where(attn_mask, scores, lowest), axis=-1)
    # Where nothing takes part in a row, its softmax is NaN.
    return op.MatMul(op.Where(attn_mask, weights, op.const_like(0.0, scores)), value)


def _scores(op: Op, query: Value, key: Value, scale: float | None) -> Value:
    """``query @ key^T * scale``; the factor is put on the query, which is smaller than the scores."""
    factor: Value
    if scale is not None:
        factor = op.const_like(scale, query)
    else:
        width = op.dim(query, -1)
        if isinstance(width, int):
            factor = op.const_like(width**-0.5 if width else 1.0, query)
        else:
            factor = op.Reciprocal(op.Sqrt(op.cast(width, op.dtype(query))))
    return op.MatMul(op.Mul(query, factor), transpose_last(op, key))


def _softmax_or_zero(op: Op, scores: Value) -> Value:
    """The softmax over the last axis, and zeros in a row where every score is -inf."""
    weights = op.Softmax(scores, axis=-1)
    highest = op.ReduceMax(scores, [-1], keepdims=1)
    return op.Where(op.Equal(highest, op.const_like(-math.inf, scores)), op.const_like(0.0, scores), weights)


def _may_mask_rows(attn_mask: Value | None) -> bool:
    """Whether a row can be masked as a whole, which ONNX's Attention answers with NaN."""
    return attn_mask is not None


def _causal_mask(op: Op, rows: Int, columns: Int) -> Value:
    """(L, S) bool: True on and below the diagonal that starts in the upper left corner."""
    if isinstance(rows, int) and isinstance(columns, int):
        return op.const(np.tril(np.ones((rows, columns), np.bool_)))
    down = op.Unsqueeze(op.Range(0, op.scalar(rows, DType.INT64), 1), [1])
    across = op.Range(0, op.scalar(columns, DType.INT64), 1)
    return op.GreaterOrEqual(down, across)


def _repeat_heads(op: Op, query: Value, shared: Value) -> Value:
    """Repeat each head of a key or value for the query heads that share it: axis -3 grows from H to Hq."""
    wanted, there = op.dim(query, -3), op.dim(shared, -3)
    if not isinstance(wanted, int) or not isinstance(there, int):
        raise op.refuse("enable_gqa with numbers of heads that depend on the input")
    if wanted == there:
        return shared
    axis = op.rank(shared) - 2
    dims = op.dims(shared)
    grown = expand_to(op, op.Unsqueeze(shared, [axis]), [*dims[:axis], wanted // there, *dims[axis:]])
    return reshape(op, grown, [*dims[: axis - 1], wanted, *dims[axis:]])
