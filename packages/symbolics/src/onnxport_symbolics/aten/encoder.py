"""The fused forms of multi-head attention and of a transformer's encoder layer, as TorchScript models hold them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from onnxport_ir import DType, Value

from onnxport_symbolics.aten.attention import attention_weights, scaled_dot_product_attention
from onnxport_symbolics.aten.linear import linear
from onnxport_symbolics.aten.norm import layer_norm
from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import reshape, unsqueeze

#: What ``mask_type`` says: (L, L) for all, (N, L) of keys, anything that broadcasts to (N, H, L, L).
_OF_POSITIONS, _OF_KEYS = 0, 1


@aten("_native_multi_head_attention")
def native_multi_head_attention(
    op: Op,
    query: Value,
    key: Value,
    value: Value,
    embed_dim: int,
    num_head: int,
    qkv_weight: Value,
    qkv_bias: Value,
    proj_weight: Value,
    proj_bias: Value,
    mask: Value | None = None,
    need_weights: bool = True,
    average_attn_weights: bool = True,
    mask_type: int | None = None,
) -> tuple[Value, Value | Exception]:
    """_native_multi_head_attention(Tensor query, Tensor key, Tensor value, int embed_dim, int num_head,
    Tensor qkv_weight, Tensor qkv_bias, Tensor proj_weight, Tensor proj_bias, Tensor? mask=None,
    bool need_weights=True, bool average_attn_weights=True, int? mask_type=None) -> (Tensor, Tensor)

    query, key, value (N, L, E); the mask is True, or not 0, where nothing takes part. A row without any part is NaN.
    """
    projected = _projected(op, (query, key, value), qkv_weight, qkv_bias)
    heads = tuple(_heads(op, part, num_head) for part in projected)
    weights: Value | Exception = op.refuse("the weights of _native_multi_head_attention with need_weights=False")
    if mask is None and not need_weights:
        mixed = scaled_dot_product_attention(op, heads[0], heads[1], heads[2])
    else:
        weights, mixed = _with_weights(op, heads, mask, mask_type)
        if average_attn_weights:
            weights = op.ReduceMean(weights, [1], keepdims=0)
    joined = reshape(op, op.Transpose(mixed, perm=(0, 2, 1, 3)), [op.dim(query, 0), op.dim(query, 1), embed_dim])
    return linear(op, joined, proj_weight, proj_bias), weights


def _projected(op: Op, inputs: Sequence[Value], weight: Value, bias: Value) -> Sequence[Value]:
    """Query, key and value times their parts of the weight (3 * E, E), which one product serves if they are one."""
    if len(set(inputs)) == 1:
        return op.multi("Split", 3, linear(op, inputs[0], weight, bias), axis=-1, num_outputs=3)
    weights = op.multi("Split", 3, weight, axis=0, num_outputs=3)
    biases = op.multi("Split", 3, bias, axis=0, num_outputs=3)
    return [linear(op, *parts) for parts in zip(inputs, weights, biases, strict=True)]


def _heads(op: Op, x: Value, count: int) -> Value:
    """(N, L, E) -> (N, heads, L, E / heads)"""
    split = reshape(op, x, [op.dim(x, 0), op.dim(x, 1), count, -1])
    return op.Transpose(split, perm=(0, 2, 1, 3))


def _with_weights(op: Op, heads: Sequence[Value], mask: Value | None, mask_type: int | None) -> tuple[Value, Value]:
    query, key, value = heads
    if mask is None:
        weights, _ = attention_weights(op, query, key, None, None)
        return weights, op.MatMul(weights, value)
    # Of a mask of numbers torch's kernel adds nothing either: whatever is not 0, as -inf, leaves out.
    mask = op.cast(mask, DType.BOOL)
    if mask_type == _OF_KEYS:
        mask = unsqueeze(op, mask, [1, 2])
    elif mask_type != _OF_POSITIONS and op.rank(mask) != 4:
        raise op.refuse(f"_native_multi_head_attention with mask_type={mask_type}")
    added = op.Where(mask, op.const_like(-math.inf, query), op.const_like(0.0, query))
    # The guard against rows without any part is left off: torch has NaN there.
    weights, _ = attention_weights(op, query, key, added, None, every_row=True)
    return weights, op.MatMul(weights, value)


@aten("_transformer_encoder_layer_fwd")
def transformer_encoder_layer(
    op: Op,
    src: Value,
    embed_dim: int,
    num_heads: int,
    qkv_weight: Value,
    qkv_bias: Value,
    proj_weight: Value,
    proj_bias: Value,
    use_gelu: bool,
    norm_first: bool,
    eps: float,
    norm_weight_1: Value,
    norm_bias_1: Value,
    norm_weight_2: Value,
    norm_bias_2: Value,
    ffn_weight_1: Value,
    ffn_bias_1: Value,
    ffn_weight_2: Value,
    ffn_bias_2: Value,
    mask: Value | None = None,
    mask_type: int | None = None,
) -> Value:
    """_transformer_encoder_layer_fwd(Tensor src, int embed_dim, int num_heads, Tensor qkv_weight, Tensor qkv_bias,
    Tensor proj_weight, Tensor proj_bias, bool use_gelu, bool norm_first, float eps, Tensor norm_weight_1,
    Tensor norm_bias_1, Tensor norm_weight_2, Tensor norm_bias_2, Tensor ffn_weight_1, Tensor ffn_bias_1,
    Tensor ffn_weight_2, Tensor ffn_bias_2, Tensor? mask=None, int? mask_type=None) -> Tensor

    src (N, L, E).
    """

    def first_norm(x: Value) -> Value:
        return layer_norm(op, x, [embed_dim], norm_weight_1, norm_bias_1, eps)

    def second_norm(x: Value) -> Value:
        return layer_norm(op, x, [embed_dim], norm_weight_2, norm_bias_2, eps)

    x = first_norm(src) if norm_first else src
    attended, _ = native_multi_head_attention(
        op, x, x, x, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias, mask, False, False, mask_type
    )
    middle = op.Add(src, attended)
    if not norm_first:
        middle = first_norm(middle)
    hidden = linear(op, second_norm(middle) if norm_first else middle, ffn_weight_1, ffn_bias_1)
    hidden = op.Gelu(hidden) if use_gelu else op.Relu(hidden)
    result = op.Add(middle, linear(op, hidden, ffn_weight_2, ffn_bias_2))
    return result if norm_first else second_norm(result)
