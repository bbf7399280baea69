"""Attention at all opsets: one node from 23 on where the runtime's is exact."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from onnxport_ir.errors import UnsupportedCase
from torch import nn

from tests.ops.harness import Case, check

torch.manual_seed(0)
randn = torch.randn
attend = F.scaled_dot_product_attention
aten = torch.ops.aten
_QUERY, _KEY = {0: "batch", 2: "rows"}, {0: "batch", 2: "columns"}
_AXES: Mapping[int, Mapping[int, str]] = {0: _QUERY, 1: _KEY, 2: _KEY}
_FIRST = randn(2, 4, 5, 8), randn(2, 4, 7, 8), randn(2, 4, 7, 6)
_SECOND = randn(3, 4, 6, 8), randn(3, 4, 9, 8), randn(3, 4, 9, 6)
_LOWEST = torch.finfo(torch.float32).min
_EMBED, _HEADS = 8, 2
_WEIGHTS = randn(24, 8), randn(24), randn(8, 8), randn(8)
_LAYER = randn(8), randn(8), randn(8), randn(8), randn(16, 8), randn(16), randn(8, 16), randn(8)
_TEXTS = (randn(2, 5, 8),), (randn(3, 7, 8),), {0: [0, 1]}


def _mask(*shape: int) -> torch.Tensor:
    """A random mask with a row in which nothing takes part."""
    mask = torch.rand(*shape) > 0.3
    mask[0] = False
    return mask


def _attention(name: str, model: object, **more: Any) -> Case:
    return Case(name, model, _FIRST, _SECOND, _AXES, **more)  # type: ignore[arg-type]  # a function


def _masked(name: str, model: object, first: torch.Tensor, second: torch.Tensor, axes: Mapping[int, str]) -> Case:
    return Case(name, model, (*_FIRST, first), (*_SECOND, second), {**_AXES, 3: axes})  # type: ignore[arg-type]  # a function


def _added(mask: torch.Tensor) -> torch.Tensor:
    return torch.where(mask, 0.0, -torch.inf)


PLAIN = ["Mul", "Transpose", "MatMul", "Softmax", "MatMul"]
CASES = [
    _attention("plain", attend, nodes={17: PLAIN, 23: ["Attention"]}),
    _attention("causal", lambda q, k, v: attend(q, k, v, is_causal=True), nodes={23: ["Attention"]}),
    _attention("scaled", lambda q, k, v: attend(q, k, v, scale=0.3), nodes={23: ["Attention"]}),
    _attention("scaled to nothing", lambda q, k, v: attend(q, k, v, scale=0.0)),
    _masked("bool mask", attend, _mask(5, 7), _mask(6, 9), {0: "rows", 1: "columns"}),
    _masked("mask of keys", attend, _mask(2, 1, 1, 7), _mask(3, 1, 1, 9), {0: "batch", 3: "columns"}),
    _masked("added mask", attend, _added(_mask(5, 7)), _added(_mask(6, 9)), {0: "rows", 1: "columns"}),
    _masked(
        "added finite mask",
        lambda q, k, v, mask: attend(q, k, v, torch.where(mask, 0.0, _LOWEST)),
        _mask(2, 1, 5, 7),
        _mask(3, 1, 6, 9),
        {0: "batch", 2: "rows", 3: "columns"},
    ),
    Case(
        "added mask of lowest numbers",
        attend,
        (*_FIRST, torch.where(_mask(5, 7), 0.0, _LOWEST)),
        (*_SECOND, torch.where(_mask(6, 9), 0.0, _LOWEST)),
        {**_AXES, 3: {0: "rows", 1: "columns"}},
    ),
    Case("constant mask", lambda q, k, v: attend(q, k, v, torch.ones(5, 7).bool().tril()), _FIRST),
    Case(
        "grouped queries",
        lambda q, k, v: attend(q, k, v, enable_gqa=True),
        (randn(2, 8, 5, 8), randn(2, 2, 7, 8), randn(2, 2, 7, 8)),
        (randn(3, 8, 6, 8), randn(3, 2, 9, 8), randn(3, 2, 9, 8)),
        _AXES,
        nodes={23: ["Attention"]},
    ),
    Case("one head", attend, (randn(2, 5, 8), randn(2, 7, 8), randn(2, 7, 8)), nodes={23: ["Attention"]}),
    Case("one head, mask", attend, (randn(2, 5, 8), randn(2, 7, 8), randn(2, 7, 8), _mask(2, 5, 7))),
    Case("one sample", attend, (randn(5, 8), randn(7, 8), randn(7, 8))),
    Case("broadcast", attend, (randn(1, 4, 5, 8), randn(2, 1, 7, 8), randn(2, 4, 7, 8))),
    _attention("flash attention", lambda q, k, v: aten._scaled_dot_product_flash_attention_for_cpu(q, k, k)[0]),
    _attention("math", lambda q, k, v: aten._scaled_dot_product_attention_math(q, k, v)[0]),
    Case(
        "multi-head attention",
        nn.MultiheadAttention(8, 2),
        (randn(5, 2, 8), randn(6, 2, 8), randn(6, 2, 8)),
        (randn(7, 3, 8), randn(4, 3, 8), randn(4, 3, 8)),
        {0: {0: "rows", 1: "batch"}, 1: {0: "columns", 1: "batch"}, 2: {0: "columns", 1: "batch"}},
    ),
    Case("encoder", nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2), *_TEXTS),
    Case("encoder, norm first", nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True), *_TEXTS),
    Case(
        "transformer",
        nn.Transformer(8, 2, 1, 1, 16, batch_first=True),
        (randn(2, 5, 8), randn(2, 4, 8)),
        (randn(3, 7, 8), randn(3, 6, 8)),
        {0: {0: "batch", 1: "source"}, 1: {0: "batch", 1: "target"}},
    ),
    Case(
        "native attention",
        lambda x: aten._native_multi_head_attention(x, x, x, _EMBED, _HEADS, *_WEIGHTS),
        *_TEXTS,
    ),
    Case(
        "native attention with padding",
        lambda x, mask: aten._native_multi_head_attention(x, x, x, 8, 2, *_WEIGHTS, mask, True, False, 1),
        (*_TEXTS[0], torch.rand(2, 5) > 0.7),
        (*_TEXTS[1], torch.rand(3, 7) > 0.7),
        {0: {0: "batch", 1: "steps"}, 1: {0: "batch", 1: "steps"}},
    ),
    Case(
        "native encoder layer",
        lambda x: aten._transformer_encoder_layer_fwd(x, 8, 2, *_WEIGHTS, True, False, 1e-5, *_LAYER),
        *_TEXTS,
    ),
    Case(
        "native encoder layer, norm first",
        lambda x: aten._transformer_encoder_layer_fwd(x, 8, 2, *_WEIGHTS, False, True, 1e-3, *_LAYER),
        *_TEXTS,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_attention(case: Case) -> None:
    case.check()


def test_the_statistics_of_flash_attention_are_refused() -> None:
    with pytest.raises(UnsupportedCase, match="beside the first"):
        check(lambda q, k, v: aten._scaled_dot_product_flash_attention_for_cpu(q, k, k)[1], _FIRST)
