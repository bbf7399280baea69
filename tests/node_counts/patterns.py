"""Patterns that models are made of, whose graphs should be as small as anybody's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.ops.harness import Axes

#: The opsets at which nodes are counted.
OPSETS = (9, 13, 17, 18, 20, 23)


@dataclasses.dataclass(frozen=True)
class Pattern:
    """A small model.

    Attributes:
        name: for the report, and in the data.
        make: gives the function or module; torch's random numbers have a fixed seed then.
        args: the example.
        other: inputs of other sizes, for the model with dynamic axes.
        axes: the dynamic axes.
    """

    name: str
    make: Callable[[], Callable[..., Any]]  # Any: arguments and results of models
    args: tuple[Tensor, ...]
    other: tuple[Tensor, ...]
    axes: Axes

    def model(self) -> nn.Module:
        """The model, with the same weights whenever it is made."""
        torch.manual_seed(0)
        made = self.make()
        return made.eval() if isinstance(made, nn.Module) else Call(made)

    def __str__(self) -> str:
        return self.name


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Tensor) -> Any:
        return self.function(*args)


def numbers(*shape: int) -> Tensor:
    """Floats that do not repeat themselves, the same in every run."""
    count = int(torch.tensor(shape).prod())
    return torch.sin(torch.arange(1, count + 1, dtype=torch.float32) * 1.37).reshape(shape) * 1.5


def integers(limit: int, *shape: int) -> Tensor:
    """Integers from 0 to below a limit, the same in every run."""
    return torch.arange(int(torch.tensor(shape).prod())).mul(7).remainder(limit).reshape(shape)


def flags(*shape: int) -> Tensor:
    """Booleans, of which every row's first is true."""
    found = integers(3, *shape) > 0
    found[..., 0] = True
    return found


class RMSNorm(nn.Module):
    """The norm as language models write it by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(8))

    def forward(self, x: Tensor) -> Tensor:
        dtype = x.dtype
        x = x.to(torch.float32)
        variance = x.pow(2).mean(-1, keepdim=True)
        x = x * torch.rsqrt(variance + 1e-6)
        return self.weight * x.to(dtype)


class Attention(nn.Module):
    """Multi-head self-attention as transformers have it, of heads of a fixed size."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(8, 8) for _ in range(4))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        def heads(t: Tensor) -> Tensor:
            return t.view(*x.shape[:-1], -1, 4).transpose(1, 2)

        query, key, value = heads(self.query(x)), heads(self.key(x)), heads(self.value(x))
        scores = torch.matmul(query, key.transpose(-1, -2)) / 2.0
        scores = scores + (1.0 - mask[:, None, None, :].to(scores.dtype)) * -10000.0
        mixed = torch.matmul(torch.softmax(scores, dim=-1), value)
        return self.out(mixed.transpose(1, 2).reshape(*x.shape[:-1], -1))


class MultiHead(nn.Module):
    """torch's own module, for self-attention."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x, need_weights=False)[0]


class Positions(nn.Module):
    """Token and position embeddings."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(11, 4), nn.Embedding(16, 4)

    def forward(self, ids: Tensor) -> Tensor:
        places = torch.arange(ids.shape[1], device=ids.device).unsqueeze(0)
        return self.tokens(ids) + self.positions(places)


class Patches(nn.Module):
    """How a vision transformer begins."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.token = nn.Conv2d(3, 8, 2, 2), nn.Parameter(torch.rand(1, 1, 8))

    def forward(self, x: Tensor) -> Tensor:
        patches = self.conv(x).flatten(2).transpose(1, 2)
        return torch.cat([self.token.expand(x.shape[0], -1, -1), patches], dim=1)


class Squeeze(nn.Module):
    """Squeeze and excitation."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(4, 2, 1), nn.Conv2d(2, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1)))))


class Recurrent(nn.Module):
    """A recurrent layer, of which only the sequence is used."""

    def __init__(self, kind: type[nn.RNNBase], **options: Any) -> None:
        super().__init__()
        self.layer = kind(8, 3, batch_first=True, **options)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0]


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding: ``x`` (batch, head, sequence, 8)."""
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), dim=-1)
    return x * cos + turned * sin


def window_partition(x: Tensor) -> Tensor:
    """``x`` (batch, height, width, channels) as windows of 2 by 2."""
    batch, height, width, channels = x.shape
    x = x.view(batch, height // 2, 2, width // 2, 2, channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, channels)


def norm_by_hand(x: Tensor) -> Tensor:
    """Layer normalization out of its parts."""
    mean = x.mean(-1, keepdim=True)
    variance = (x - mean).pow(2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + 1e-5)


def repeat_heads(x: Tensor) -> Tensor:
    """Key and value heads shared by groups of queries: ``x`` (batch, head, sequence, size)."""
    batch, heads, length, size = x.shape
    return x[:, :, None, :, :].expand(batch, heads, 2, length, size).reshape(batch, heads * 2, length, size)


def causal_scores(x: Tensor) -> Tensor:
    """Scores of which those of later places are masked."""
    scores = x @ x.transpose(1, 2)
    keeps = torch.tril(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool))
    return scores.masked_fill(~keeps, float("-inf"))


def sdpa(**options: Any) -> Callable[[], Callable[..., Tensor]]:
    """Scaled dot product attention."""
    return lambda: lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **options)


def masked_sdpa() -> Callable[..., Tensor]:
    """Scaled dot product attention with a mask."""
    return lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def function(name: str, model: Callable[..., Any], args: Any, other: Any, axes: Axes) -> Pattern:
    """A pattern without weights."""
    return Pattern(name, lambda: model, args, other, axes)


def images(name: str, make: Callable[[], Callable[..., Any]]) -> Pattern:
    """A pattern on images whose batch and sizes are dynamic."""
    return Pattern(name, make, (numbers(2, 4, 6, 8),), (numbers(3, 4, 10, 12),), {0: {0: "b", 2: "h", 3: "w"}})


def tokens(name: str, make: Callable[[], Callable[..., Any]]) -> Pattern:
    """A pattern on sequences whose batch and length are dynamic."""
    return Pattern(name, make, (numbers(2, 5, 8),), (numbers(3, 7, 8),), {0: {0: "b", 1: "s"}})


def heads(name: str, make: Callable[[], Callable[..., Any]], *more: Tensor, other: tuple[Tensor, ...] = ()) -> Pattern:
    """A pattern on query, key and value with dynamic batch and length, and maybe a mask."""
    axes: dict[int, dict[int, str]] = {index: {0: "b", 2: "s"} for index in range(3)}
    if more:
        axes[3] = {0: "b", 2: "s", 3: "s"}
    return Pattern(
        name,
        make,
        (numbers(2, 2, 5, 4), numbers(2, 2, 5, 4) + 0.2, numbers(2, 2, 5, 4) - 0.1, *more),
        (numbers(3, 2, 6, 4), numbers(3, 2, 6, 4) + 0.2, numbers(3, 2, 6, 4) - 0.1, *other),
        axes,
    )


BATCH: Axes = {0: {0: "b"}}
BATCHES: Axes = {0: {0: "b"}, 1: {0: "b"}}

PATTERNS = [
    Pattern("linear", lambda: nn.Linear(8, 5), (numbers(2, 8),), (numbers(3, 8),), BATCH),
    tokens("linear of a sequence", lambda: nn.Linear(8, 5)),
    tokens("linear without bias", lambda: nn.Linear(8, 5, bias=False)),
    images("conv, bias, relu", lambda: nn.Sequential(nn.Conv2d(4, 3, 3), nn.ReLU())),
    images(
        "conv, batch norm, relu", lambda: nn.Sequential(nn.Conv2d(4, 3, 3, bias=False), nn.BatchNorm2d(3), nn.ReLU())
    ),
    images("transposed convolution", lambda: nn.ConvTranspose2d(4, 3, 2, stride=2)),
    Pattern("batch norm 1d", lambda: nn.BatchNorm1d(4), (numbers(2, 4),), (numbers(3, 4),), BATCH),
    tokens("layer norm", lambda: nn.LayerNorm(8)),
    tokens("layer norm by hand", lambda: norm_by_hand),
    tokens("rms norm", lambda: nn.RMSNorm(8, eps=1e-6)),
    tokens("rms norm by hand", RMSNorm),
    images("group norm", lambda: nn.GroupNorm(2, 4)),
    images("instance norm", lambda: nn.InstanceNorm2d(4, affine=True)),
    tokens("gelu", nn.GELU),
    tokens("gelu, tanh", lambda: nn.GELU(approximate="tanh")),
    tokens("silu", nn.SiLU),
    tokens("hardswish", nn.Hardswish),
    tokens("mish", nn.Mish),
    heads("sdpa", sdpa()),
    heads("sdpa, causal", sdpa(is_causal=True)),
    heads("sdpa, bool mask", masked_sdpa, flags(2, 1, 5, 5), other=(flags(3, 1, 6, 6),)),
    heads("sdpa, float mask", masked_sdpa, numbers(2, 1, 5, 5), other=(numbers(3, 1, 6, 6),)),
    Pattern(
        "attention of a transformer",
        Attention,
        (numbers(2, 5, 8), flags(2, 5)),
        (numbers(3, 6, 8), flags(3, 6)),
        {0: {0: "b", 1: "s"}, 1: {0: "b", 1: "s"}},
    ),
    tokens("multi-head attention", MultiHead),
    tokens("encoder layer", lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)),
    tokens("heads split", lambda: lambda x: x.view(x.shape[0], x.shape[1], 2, 4).transpose(1, 2)),
    function(
        "heads merged",
        lambda x: x.transpose(1, 2).contiguous().view(x.shape[0], x.shape[2], -1),
        (numbers(2, 2, 5, 4),),
        (numbers(3, 2, 7, 4),),
        {0: {0: "b", 2: "s"}},
    ),
    function("heads repeated", repeat_heads, (numbers(2, 2, 5, 4),), (numbers(3, 2, 7, 4),), {0: {0: "b", 2: "s"}}),
    function(
        "rotary embedding",
        rotate,
        (numbers(2, 2, 5, 8), numbers(1, 1, 5, 8), numbers(1, 1, 5, 8)),
        (numbers(3, 2, 6, 8), numbers(1, 1, 6, 8), numbers(1, 1, 6, 8)),
        {0: {0: "b", 2: "s"}, 1: {2: "s"}, 2: {2: "s"}},
    ),
    function(
        "key cache",
        lambda past, key: torch.cat((past, key), dim=2),
        (numbers(2, 2, 5, 4), numbers(2, 2, 1, 4)),
        (numbers(3, 2, 7, 4), numbers(3, 2, 2, 4)),
        {0: {0: "b", 2: "p"}, 1: {0: "b", 2: "s"}},
    ),
    tokens(
        "fused qkv split", lambda: lambda x: x.reshape(x.shape[0], x.shape[1], 2, 2, 2).permute(2, 0, 3, 1, 4).unbind(0)
    ),
    images("windows", lambda: window_partition),
    images("permuted to channels last", lambda: lambda x: x.permute(0, 2, 3, 1).flatten(1, 2)),
    Pattern(
        "embedding", lambda: nn.Embedding(11, 4), (integers(11, 2, 5),), (integers(11, 3, 6),), {0: {0: "b", 1: "s"}}
    ),
    Pattern("embedding of positions", Positions, (integers(11, 2, 5),), (integers(11, 3, 6),), {0: {0: "b", 1: "s"}}),
    images("patches and a token", lambda: nn.Sequential(nn.Conv2d(4, 3, 1), Patches())),
    tokens("slices", lambda: lambda x: x[:, 1:, ::2]),
    tokens("last token", lambda: lambda x: x[:, -1]),
    tokens("new axes", lambda: lambda x: x[:, None, :, None]),
    images("focus", lambda: lambda x: torch.cat([x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2]], 1)),
    function(
        "masked_fill",
        lambda x, mask: x.masked_fill(mask, float("-inf")),
        (numbers(2, 5), flags(2, 5)),
        (numbers(3, 6), flags(3, 6)),
        {0: {0: "b", 1: "s"}, 1: {0: "b", 1: "s"}},
    ),
    function(
        "mask made additive",
        lambda mask: (1.0 - mask[:, None, None, :].to(torch.float32)) * torch.finfo(torch.float32).min,
        (integers(2, 2, 5),),
        (integers(2, 3, 6),),
        {0: {0: "b", 1: "s"}},
    ),
    tokens("causal mask", lambda: causal_scores),
    function(
        "mean of what a mask keeps",
        lambda x, mask: (x * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True).clamp(min=1),
        (numbers(2, 5, 8), flags(2, 5).float()),
        (numbers(3, 6, 8), flags(3, 6).float()),
        {0: {0: "b", 1: "s"}, 1: {0: "b", 1: "s"}},
    ),
    tokens("softmax", lambda: nn.Softmax(dim=-1)),
    tokens("softmax, middle axis", lambda: nn.Softmax(dim=1)),
    tokens("log_softmax", lambda: nn.LogSoftmax(dim=-1)),
    function(
        "cross entropy",
        F.cross_entropy,
        (numbers(4, 6), integers(6, 4)),
        (numbers(5, 6), integers(6, 5)),
        BATCHES,
    ),
    function(
        "cat",
        lambda x, y: torch.cat([x, y], 1),
        (numbers(2, 3), numbers(2, 4)),
        (numbers(3, 3), numbers(3, 4)),
        BATCHES,
    ),
    function(
        "stack",
        lambda x, y: torch.stack([x, y], 1),
        (numbers(2, 3), numbers(2, 3)),
        (numbers(5, 3), numbers(5, 3)),
        BATCHES,
    ),
    tokens("split", lambda: lambda x: x.split([2, 6], dim=-1)),
    tokens("chunk", lambda: lambda x: x.chunk(2, dim=-1)),
    tokens("unbind", lambda: lambda x: x.unbind(-1)[:3]),
    images("max pool", lambda: nn.MaxPool2d(3, 2, 1)),
    images("average pool", lambda: nn.AvgPool2d(2, 2)),
    images("global average pool", lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))),
    images("upsample, nearest", lambda: nn.Upsample(scale_factor=2, mode="nearest")),
    images("upsample, bilinear", lambda: nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)),
    function(
        "interpolate to another's size",
        lambda x, y: F.interpolate(x, size=y.shape[2:], mode="nearest"),
        (numbers(2, 4, 3, 4), numbers(2, 4, 6, 8)),
        (numbers(3, 4, 4, 5), numbers(3, 4, 8, 10)),
        {0: {0: "b", 2: "h", 3: "w"}, 1: {0: "b", 2: "h2", 3: "w2"}},
    ),
    images("pixel shuffle", lambda: nn.PixelShuffle(2)),
    images("pixel unshuffle", lambda: nn.PixelUnshuffle(2)),
    images("squeeze and excitation", Squeeze),
    images("pad, constant", lambda: lambda x: F.pad(x, (1, 2, 0, 1))),
    images("pad, reflect", lambda: lambda x: F.pad(x, (1, 2, 1, 1), mode="reflect")),
    tokens("lstm", lambda: Recurrent(nn.LSTM)),
    tokens("gru, both ways", lambda: Recurrent(nn.GRU, bidirectional=True)),
    tokens("cumsum", lambda: lambda x: x.cumsum(1)),
    tokens("topk", lambda: lambda x: x.topk(3)),
    tokens("argmax", lambda: lambda x: x.argmax(-1)),
    tokens("mean, keeping the axis", lambda: lambda x: x.mean(1, keepdim=True)),
    tokens("standard deviation", lambda: lambda x: x.std(-1)),
    tokens("normalize", lambda: lambda x: F.normalize(x, dim=-1)),
    function("one_hot", lambda x: F.one_hot(x, 6), (integers(6, 2, 3),), (integers(6, 3, 4),), {0: {0: "b", 1: "s"}}),
    tokens("index_select", lambda: lambda x: x.index_select(1, torch.tensor([0, 2]))),
    function(
        "gather",
        lambda x, index: x.gather(1, index),
        (numbers(2, 5), integers(5, 2, 3)),
        (numbers(3, 6), integers(6, 3, 4)),
        {0: {0: "b", 1: "s"}, 1: {0: "b", 1: "n"}},
    ),
    function(
        "index by a tensor",
        lambda x, index: x[:, index],
        (numbers(2, 5, 4), integers(5, 3)),
        (numbers(3, 6, 4), integers(6, 4)),
        {0: {0: "b", 1: "s"}, 1: {0: "n"}},
    ),
    function(
        "where",
        torch.where,
        (flags(2, 5), numbers(2, 5), numbers(2, 5) * 2),
        (flags(3, 6), numbers(3, 6), numbers(3, 6) * 2),
        {index: {0: "b", 1: "s"} for index in range(3)},
    ),
    function(
        "expand_as",
        lambda x, y: x.unsqueeze(-1).expand_as(y),
        (numbers(2, 5), numbers(2, 5, 8)),
        (numbers(3, 6), numbers(3, 6, 8)),
        {0: {0: "b", 1: "s"}, 1: {0: "b", 1: "s"}},
    ),
    tokens("expand", lambda: lambda x: x[:, :, :1].expand(-1, -1, 4)),
    tokens("repeat", lambda: lambda x: x.repeat(1, 2, 1)),
    function(
        "einsum",
        lambda x, y: torch.einsum("bqd,bkd->bqk", x, y),
        (numbers(2, 5, 4), numbers(2, 6, 4)),
        (numbers(3, 7, 4), numbers(3, 8, 4)),
        {0: {0: "b", 1: "q"}, 1: {0: "b", 1: "k"}},
    ),
    function(
        "baddbmm",
        lambda x, y, z: torch.baddbmm(x, y, z, beta=1, alpha=0.5),
        (numbers(2, 5, 6), numbers(2, 5, 4), numbers(2, 4, 6)),
        (numbers(3, 5, 6), numbers(3, 5, 4), numbers(3, 4, 6)),
        {index: {0: "b"} for index in range(3)},
    ),
    tokens("clamp", lambda: lambda x: x.clamp(-1.0, 0.5)),
    tokens("matrix product with itself", lambda: lambda x: x @ x.transpose(1, 2)),
    tokens("flatten and a layer", lambda: lambda x: torch.relu(x.flatten(0, 1))),
    tokens("roll", lambda: lambda x: x.roll(1, 1)),
    function(
        "zeros of a size",
        lambda x: torch.cat([x, x.new_zeros(x.shape[0], 4)], 1),
        (numbers(2, 3),),
        (numbers(5, 3),),
        BATCH,
    ),
]
