"""Scaled dot-product attention: one node where ONNX has it, else products around a softmax."""

from __future__ import annotations

import math

import numpy as np
from onnxport_ir import Dim, DType, Value

from onnxport_symbolics.aten.casts import dropout
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import expand_to, reshape, transpose_last

#: A result that a handler does not give: the error to raise if it is used.
Refused = Exception


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
    bool (True takes part) or float (added to the scores) -> (N, ..., Hq, L, Ev). A causal mask starts in the upper
    left corner. A row in which nothing takes part gives zeros.
    """
    if attn_mask is not None and is_causal:
        raise op.refuse("scaled_dot_product_attention with both attn_mask and is_causal")
    if attn_mask is not None and op.dtype(attn_mask) is not DType.BOOL:
        attn_mask = op.cast(attn_mask, op.dtype(query))
    one_node = not dropout_p and _is_one_node(op, query, key, value, scale, enable_gqa)
    if one_node and _reads_mask(op, attn_mask):
        return _one_node(op, query, key, value, attn_mask, is_causal, scale)
    if enable_gqa:
        key, value = _repeat_heads(op, query, key), _repeat_heads(op, query, value)
    if is_causal:
        attn_mask = _causal_mask(op, op.dim(query, -2), op.dim(key, -2))
    weights, empty_rows = attention_weights(op, query, key, attn_mask, scale, every_row=is_causal)
    result = op.MatMul(dropout(op, weights, dropout_p, True), value)
    return result if empty_rows is None else op.Where(empty_rows, op.const_like(0.0, result), result)


def attention_weights(
    op: Op, query: Value, key: Value, mask: Value | None, scale: float | None, *, every_row: bool = False
) -> tuple[Value, Value | None]:
    """The weights (..., L, S) of the values, and which rows (..., L, 1) of the result are to be zero, if any can be.

    Args:
        op: the builder.
        query: (..., L, E).
        key: (..., S, E).
        mask: bool, True takes part; or of query's type, added to the scores.
        scale: the factor of the scores; None is 1 / sqrt(E).
        every_row: whether something takes part in every row of the mask.
    """
    scores = _scores(op, query, key, scale)
    if mask is None:
        return op.Softmax(scores, axis=-1), None
    if op.dtype(mask) is DType.BOOL:
        weights = op.Softmax(op.Where(mask, scores, op.const_like(-math.inf, scores)), axis=-1)
        if every_row or _has_true_rows(mask):
            return weights, None
        # Where nothing takes part in a row, its softmax is NaN.
        return op.Where(mask, weights, op.const_like(0.0, weights)), None
    weights = op.Softmax(op.Add(scores, mask), axis=-1)
    if _has_open_rows(mask) or _all_finite(mask):
        return weights, None
    return weights, op.Equal(op.ReduceMax(mask, [-1], keepdims=1), op.const_like(-math.inf, mask))


def _is_one_node(op: Op, query: Value, key: Value, value: Value, scale: float | None, gqa: bool) -> bool:
    """Whether ONNX's Attention exists and takes the shapes: it neither broadcasts nor takes empty sequences."""
    if not op.has("Attention") or (scale is not None and scale <= 0) or op.rank(query) not in (3, 4):
        return False
    # The operator's softmax is one of float32.
    if not op.rank(query) == op.rank(key) == op.rank(value) or op.dtype(query) is DType.FLOAT64:
        return False
    if not op.dtype(query).is_float:
        return False
    *batch, rows, width = op.sizes(query)
    *key_batch, columns, _ = op.sizes(key)
    *value_batch, _, value_width = op.sizes(value)
    if 0 in (*batch, *key_batch, rows, columns, width, value_width) or key_batch != value_batch:
        return False
    if not gqa or len(batch) < 2:
        return batch == key_batch
    heads, shared = batch[1], key_batch[1]
    return batch[0] == key_batch[0] and isinstance(heads, int) and isinstance(shared, int) and heads % shared == 0


#: ONNX Runtime 1.32's kernel for opsets 23 and 24 takes the lowest float32 for -inf, and in a row of which nothing
#: else takes part gives zeros where torch gives the mean. The scores of a number this low are all the same as well.
_ALMOST_LOWEST = -3.4e38


def _reads_mask(op: Op, mask: Value | None) -> bool:
    """Whether the runtime's Attention does with the mask what torch does."""
    if mask is None or op.dtype(mask) in (DType.BOOL, DType.FLOAT64) or op.has_attribute("Attention", _NEWER):
        return True
    return op.dtype(mask) is DType.FLOAT32 and (_has_open_rows(mask) or _all_finite(mask))


#: An attribute of the version of Attention that runtimes expand as ONNX defines it.
_NEWER = "left_window_size"


def _one_node(
    op: Op, query: Value, key: Value, value: Value, mask: Value | None, is_causal: bool, scale: float | None
) -> Value:
    if mask is not None:
        if op.dtype(mask) is DType.FLOAT32 and not (op.has_attribute("Attention", _NEWER) or _has_open_rows(mask)):
            mask = op.Max(mask, op.const_like(_ALMOST_LOWEST, mask))
        mask = _full_rows(op, mask, op.sizes(query)[-2], op.sizes(key)[-2], query, key)
    heads = None
    if op.rank(query) == 3:
        # A tensor of rank 3 has its heads side by side in the last axis: here there is one.
        heads = 1
        if mask is not None and op.rank(mask) == 3:
            mask = op.Unsqueeze(mask, [1])
    return op.Attention(
        query, key, value, mask, is_causal=int(is_causal), scale=scale, q_num_heads=heads, kv_num_heads=heads
    )


def _full_rows(op: Op, mask: Value, rows: Dim, columns: Dim, query: Value, key: Value) -> Value:
    """The mask with its last two axes as long as the scores': ONNX pads the last one, runtimes want the other."""
    sizes = op.sizes(mask)
    if sizes[-2:] == (rows, columns) or (sizes[-1:] == (columns,) and op.has_attribute("Attention", _NEWER)):
        return mask
    leading: list[Int] = [-1] * (op.rank(mask) - 2)
    return expand_to(op, mask, [*leading, op.dim(query, -2), op.dim(key, -2)])


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


def _causal_mask(op: Op, rows: Int, columns: Int) -> Value:
    """(L, S) bool: True on and below the diagonal that starts in the upper left corner."""
    down = op.Unsqueeze(op.Range(0, op.scalar(rows, DType.INT64), 1), [1])
    across = op.Range(0, op.scalar(columns, DType.INT64), 1)
    return op.GreaterOrEqual(down, across)


def _has_true_rows(mask: Value) -> bool:
    """Whether a bool mask is known to have something in each row."""
    return mask.const is not None and mask.rank != 0 and bool(mask.array().any(-1).all())


#: Operators that only move elements of their first operand.
_MOVES = frozenset({"Expand", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"})


def _has_open_rows(mask: Value) -> bool:
    """Whether each row of a float mask is known to have something that is not masked."""
    if mask.const is None:
        return False
    array = np.asarray(mask.array(), np.float64)
    return bool((array if array.ndim == 0 else array.max(-1, initial=-math.inf)).min(initial=0) > -1e30)


def _all_finite(value: Value | None, depth: int = 8) -> bool:
    """Whether all elements are known to be finite: constants, moved about and chosen between."""
    if value is None:
        return False
    if value.const is not None:
        return bool(np.isfinite(np.asarray(value.array(), np.float64)).all())
    node = value.producer
    if node is None or depth == 0:
        return False
    if node.op_type == "Where":
        return all(_all_finite(choice, depth - 1) for choice in node.operands[1:])
    return node.op_type in _MOVES and _all_finite(node.operands[0], depth - 1)


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


@aten("_scaled_dot_product_attention_math")
def attention_math(
    op: Op,
    query: Value,
    key: Value,
    value: Value,
    attn_mask: Value | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> tuple[Value, Value | Refused]:
    """_scaled_dot_product_attention_math(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None,
    float dropout_p=0., bool is_causal=False, Tensor? dropout_mask=None, *, float? scale=None,
    bool enable_gqa=False) -> (Tensor, Tensor)
    """
    result = scaled_dot_product_attention(op, query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)
    return result, op.refuse("the weights of _scaled_dot_product_attention_math")


def _register_fused(name: str, others: int) -> None:
    @aten(name)
    def fused(
        op: Op,
        query: Value,
        key: Value,
        value: Value,
        attn_mask: Value | None = None,
        attn_bias: Value | None = None,
        compute_log_sumexp: bool = False,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
    ) -> tuple[Value | Refused, ...]:
        """_scaled_dot_product_flash_attention(Tensor query, Tensor key, Tensor value, float dropout_p=0.,
        bool is_causal=False, bool return_debug_mask=False, *, float? scale=None) -> (Tensor output, Tensor logsumexp,
        ...)

        The results behind the first serve a backward pass; they are refused if they are used.
        """
        mask = attn_mask if attn_mask is not None else attn_bias
        result = scaled_dot_product_attention(op, query, key, value, mask, dropout_p, is_causal, scale)
        return result, *[op.refuse(f"a result of aten::{name} beside the first")] * others


_register_fused("_scaled_dot_product_flash_attention_for_cpu", 1)
_register_fused("_scaled_dot_product_flash_attention", 8)
_register_fused("_scaled_dot_product_efficient_attention", 3)
_register_fused("_scaled_dot_product_cudnn_attention", 8)
_register_fused("_scaled_dot_product_fused_attention_overrideable", 8)
