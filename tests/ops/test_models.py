"""Small models of the kinds that are exported most, at all opsets, with other numbers of samples and sizes."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.ops.harness import Case

torch.manual_seed(0)
randn = torch.randn


class AlexNet(nn.Sequential):
    """Convolutions, pooling to a fixed size, a classifier."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 5, stride=2, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.LocalResponseNorm(3),
            nn.AdaptiveAvgPool2d((6, 6)),
            nn.Flatten(),
            nn.Dropout(),
            nn.Linear(8 * 36, 10),
        )


class Bottleneck(nn.Module):
    """A block of a residual network, with a way around it."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(4, 2, 1, bias=False),
            nn.BatchNorm2d(2),
            nn.ReLU(inplace=True),
            nn.Conv2d(2, 2, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(2),
            nn.ReLU(inplace=True),
            nn.Conv2d(2, 8, 1, bias=False),
            nn.BatchNorm2d(8),
        )
        self.around = nn.Sequential(nn.Conv2d(4, 8, 1, stride=2, bias=False), nn.BatchNorm2d(8))

    def forward(self, x: Tensor) -> Tensor:
        out = self.body(x)
        out += self.around(x)
        return torch.flatten(F.adaptive_avg_pool2d(F.relu(out), 1), 1)


class InvertedResidual(nn.Module):
    """A block of a mobile network, with squeeze and excitation."""

    def __init__(self) -> None:
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(4, 8, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(inplace=True))
        self.depth = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1, groups=8, bias=False), nn.BatchNorm2d(8), nn.Hardswish())
        self.excite = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.Hardsigmoid())
        self.project = nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.depth(self.expand(x))
        return x + self.project(y * self.excite(y))


class UNet(nn.Module):
    """Down, up again to the size of what was kept, joined with it."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1)
        self.up, self.last = nn.ConvTranspose2d(8, 4, 2, stride=2), nn.Conv2d(16, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept = F.relu(self.first(x))
        low = F.relu(self.second(F.max_pool2d(kept, 2)))
        up = self.up(low)
        missing = [kept.shape[3] - up.shape[3], kept.shape[2] - up.shape[2]]
        up = F.pad(up, [missing[0] // 2, missing[0] - missing[0] // 2, missing[1] // 2, missing[1] - missing[1] // 2])
        low = F.interpolate(low, size=kept.shape[2:], mode=self.mode)
        return self.last(torch.cat([kept, up, low], dim=1))


class VisionTransformer(nn.Module):
    """Patches, a class token, an encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.token, self.positions = nn.Parameter(randn(1, 1, 8)), nn.Parameter(randn(1, 10, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True, norm_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.positions
        return self.head(self.encoder(x)[:, 0])


class Attention(nn.Module):
    """Self-attention by hand, as in language models."""

    def __init__(self, width: int, heads: int, shared: int) -> None:
        super().__init__()
        self.heads, self.shared, self.size = heads, shared, width // heads
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * shared * self.size)

    def forward(self, x: Tensor, mask: Tensor | None, rotation: tuple[Tensor, Tensor] | None = None) -> Tensor:
        batch, steps, _ = x.shape
        query = self.query(x).view(batch, steps, self.heads, self.size).transpose(1, 2)
        key, value = self.key_value(x).view(batch, steps, 2 * self.shared, self.size).transpose(1, 2).chunk(2, dim=1)
        if rotation is not None:
            query, key = _rotated(query, rotation), _rotated(key, rotation)
        repeats = self.heads // self.shared
        key, value = (
            t[:, :, None].expand(batch, self.shared, repeats, steps, self.size).reshape(batch, self.heads, steps, -1)
            for t in (key, value)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, mask, is_causal=mask is None)
        return self.out(mixed.transpose(1, 2).reshape(batch, steps, -1))


def _rotated(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    half = x.shape[-1] // 2
    return x * rotation[0] + torch.cat((-x[..., half:], x[..., :half]), dim=-1) * rotation[1]


class Bert(nn.Module):
    """Embeddings of tokens and positions, attention with padding left out."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(20, 8, padding_idx=0), nn.Embedding(16, 8)
        self.norm, self.attention = nn.LayerNorm(8), Attention(8, 2, 2)
        self.register_buffer("numbers", torch.arange(16).expand(1, -1))

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        x = self.norm(self.tokens(tokens) + self.positions(self.numbers[:, : tokens.shape[1]]))
        added = (1.0 - mask[:, None, None, :].to(x.dtype)) * torch.finfo(x.dtype).min
        x = self.norm(x + self.attention(x, added.expand(-1, -1, tokens.shape[1], -1)))
        return x, torch.tanh(x[:, 0])


class Gpt(nn.Module):
    """Causal attention, approximate gelu, the embedding as the last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(20, 8), nn.Embedding(16, 8)
        self.norm, self.attention = nn.LayerNorm(8), Attention(8, 2, 2)
        self.inner, self.outer = nn.Linear(8, 32), nn.Linear(32, 8)
        self.last = nn.Linear(8, 20, bias=False)
        self.last.weight = self.tokens.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1], device=tokens.device))
        x = x + self.attention(self.norm(x), None)
        return self.last(x + self.outer(F.gelu(self.inner(self.norm(x)), approximate="tanh")))


class Llama(nn.Module):
    """Root mean square norms, rotated positions, shared keys and values, a gated layer."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.norm, self.attention = nn.Embedding(20, 16), nn.RMSNorm(16), Attention(16, 4, 2)
        self.gate, self.up, self.down = (nn.Linear(16, 24), nn.Linear(16, 24), nn.Linear(24, 16))
        self.register_buffer("frequencies", 1.0 / (100 ** (torch.arange(0, 4, 2) / 4)))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens)
        steps = torch.arange(tokens.shape[1])
        angles = torch.outer(steps.float(), self.frequencies).repeat(1, 2)
        mask = torch.full((tokens.shape[1], tokens.shape[1]), torch.finfo(x.dtype).min).triu(1)
        x = x + self.attention(self.norm(x), mask[None, None], (angles.cos(), angles.sin()))
        y = self.norm(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class T5(nn.Module):
    """Attention with buckets of relative positions."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.bias, self.attention = nn.Embedding(20, 8), nn.Embedding(8, 2), Attention(8, 2, 2)
        self.weight = nn.Parameter(torch.ones(8))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens)
        places = torch.arange(tokens.shape[1])
        distance = places[None, :] - places[:, None]
        buckets = (distance > 0).long() * 4
        distance = distance.abs()
        far = 2 + (torch.log(distance.float().clamp(min=1) / 2) / math.log(4) * 2).long()
        buckets = buckets + torch.where(distance < 2, distance, torch.min(far, torch.full_like(far, 3)))
        y = self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))
        return x + self.attention(y, self.bias(buckets).permute(2, 0, 1).unsqueeze(0))


class Whisper(nn.Module):
    """Convolutions over time, then attention."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(6, 8, 3, padding=1), nn.Conv1d(8, 8, 3, stride=2, padding=1)
        self.positions, self.norm = nn.Embedding(16, 8), nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.second(F.gelu(self.first(x)))).permute(0, 2, 1)
        x = x + self.positions.weight[: x.shape[1]]
        y = self.norm(x)
        return x + self.attention(y, y, y, need_weights=False)[0]


def _trained(model: nn.Module) -> nn.Module:
    """The model with the statistics of a batch norm that has seen data."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -1, 1)  # type: ignore[arg-type]  # there with affine=True
            nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]  # as above
    return model


def _image(name: str, model: nn.Module, channels: int = 3, **more: Any) -> Case:
    inputs = (randn(2, channels, 16, 18),), (randn(3, channels, 21, 23),)
    return Case(name, _trained(model), *inputs, {0: [0, 2, 3]}, **more)


def _text(name: str, model: nn.Module, **more: Any) -> Case:
    inputs = (torch.randint(1, 20, (2, 6)),), (torch.randint(1, 20, (3, 9)),)
    return Case(name, model, *inputs, {0: [0, 1]}, **more)


_PADDED = torch.tensor([[1, 1, 1, 1, 0, 0], [1] * 6]), torch.tensor([[1] * 9, [1] * 5 + [0] * 4, [1] + [0] * 8])
CASES = [
    Case("AlexNet", AlexNet(), (randn(2, 3, 63, 63),), (randn(3, 3, 63, 63),), {0: [0]}),
    _image("AlexNet, any size", AlexNet()),
    _image("residual network", Bottleneck(), 4),
    _image("mobile network", InvertedResidual(), 4),
    _image("U-Net", UNet("nearest")),
    _image("U-Net, bilinear", UNet("bilinear"), since=11),
    Case("vision transformer", VisionTransformer(), (randn(2, 3, 12, 12),), (randn(3, 3, 12, 12),), {0: [0]}),
    Case(
        "BERT",
        Bert(),
        (torch.randint(1, 20, (2, 6)), _PADDED[0]),
        (torch.randint(1, 20, (3, 9)), _PADDED[1]),
        {0: {0: "batch", 1: "steps"}, 1: {0: "batch", 1: "steps"}},
    ),
    _text("GPT", Gpt()),
    _text("Llama", Llama()),
    _text("T5", T5()),
    Case("Whisper", Whisper(), (randn(2, 6, 12),), (randn(3, 6, 20),), {0: [0, 2]}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_model(case: Case) -> None:
    case.check()
