"""The models that the benchmarks export: random weights, built when asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

Example = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Case:
    """One benchmark.

    Attributes:
        build: gives the model and the arguments of a call.
        repeats: how often it is exported; the fastest counts.
        slow: exporters that are left out, because they take minutes.
    """

    build: Callable[[], tuple[nn.Module, Example]]
    repeats: int = 3
    slow: frozenset[str] = frozenset()


def transformer(depth: int) -> tuple[nn.Module, Example]:
    """A stack of encoder layers: width 256, 4 heads, sequences of 16."""
    layer = nn.TransformerEncoderLayer(256, 4, 512, dropout=0.0, batch_first=True)
    return nn.TransformerEncoder(layer, depth, enable_nested_tensor=False), (torch.randn(2, 16, 256),)


class Bottleneck(nn.Module):
    """ResNet's block of three convolutions."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out = 4 * width
        self.main = nn.Sequential(
            nn.Conv2d(channels, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.skip: nn.Module = nn.Identity()
        if stride != 1 or channels != out:
            self.skip = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (N, C, H, W)."""
        return torch.relu(self.main(x) + self.skip(x))


def resnet50() -> tuple[nn.Module, Example]:
    """ResNet-50 at 64 by 64."""
    parts: list[nn.Module] = [
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    channels = 64
    for width, count, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for index in range(count):
            parts.append(Bottleneck(channels, width, stride if index == 0 else 1))
            channels = 4 * width
    parts += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000)]
    return nn.Sequential(*parts), (torch.randn(1, 3, 64, 64),)


class SmallNodes(nn.Module):
    """A long chain of elementwise operations on a small tensor."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: any shape."""
        for _ in range(self.count // 4):
            x = (torch.tanh(x * 1.01) + 0.5).abs()
        return x


def small_nodes(count: int) -> tuple[nn.Module, Example]:
    """A chain of ``count`` operations."""
    return SmallNodes(count), (torch.randn(2, 8),)


class UnrolledLstm(nn.Module):
    """An LSTM cell in a Python loop."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(32, 32)
        self.steps = steps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (N, 32)."""
        h = c = torch.zeros_like(x)
        for _ in range(self.steps):
            gates = self.cell.weight_ih @ x.T + self.cell.bias_ih[:, None] + self.cell.weight_hh @ h.T
            i, f, g, o = gates.T.chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return h


def unrolled_lstm() -> tuple[nn.Module, Example]:
    """200 steps."""
    return UnrolledLstm(200), (torch.randn(2, 32),)


def weights(megabytes: int) -> tuple[nn.Module, Example]:
    """Linear layers of 16 MB each."""
    layers = [nn.Linear(2048, 2048, bias=False) for _ in range(megabytes // 16)]
    return nn.Sequential(*layers), (torch.randn(1, 2048),)


_DYNAMO = frozenset({"dynamo"})

CASES: dict[str, Case] = {
    "transformer-6": Case(lambda: transformer(6)),
    "transformer-24": Case(lambda: transformer(24)),
    "transformer-96": Case(lambda: transformer(96), repeats=2, slow=_DYNAMO),
    "resnet-50": Case(resnet50),
    "nodes-1000": Case(lambda: small_nodes(1000)),
    "nodes-4000": Case(lambda: small_nodes(4000), slow=_DYNAMO),
    "nodes-16000": Case(lambda: small_nodes(16000), repeats=2, slow=frozenset({"dynamo", "torchscript"})),
    "lstm-200-steps": Case(unrolled_lstm),
    "weights-256MB": Case(lambda: weights(256)),
    "weights-1GB": Case(lambda: weights(1024), repeats=2),
}
