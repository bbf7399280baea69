"""What ONNX Runtime does not compute in float64 is written in terms of what it does, and as exact as torch's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tests.ops.harness import Case, check

_INF = float("inf")
_EDGES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.46875,
    -0.46876,
    0.66,
    0.67,
    2.4142,
    2.4143,
    4.0,
    -4.0001,
    1e-300,
    _INF,
    -_INF,
    float("nan"),
]


def _double(*sizes: int) -> Tensor:
    return torch.randn(*sizes, dtype=torch.float64, generator=torch.Generator().manual_seed(len(sizes)))


def _points(low: float, high: float) -> Tensor:
    return torch.cat([torch.tensor(_EDGES, dtype=torch.float64), torch.linspace(low, high, 999, dtype=torch.float64)])


@pytest.mark.parametrize(
    ("function", "low", "high", "since"),
    [
        (torch.erf, -8, 8, 9),
        (torch.nn.functional.gelu, -8, 8, 9),
        (torch.atan, -20, 20, 7),
        (torch.asin, -1, 1, 7),
        (torch.acos, -1, 1, 7),
    ],
    ids=["erf", "gelu", "atan", "asin", "acos"],
)
def test_functions(function: Callable[[Tensor], Tensor], low: float, high: float, since: int) -> None:
    points = _points(low, high)
    # Infinity times zero is NaN in both, but torch's GELU knows better at one end.
    points = points[points.isfinite()] if function is torch.nn.functional.gelu else points
    check(function, (points,), (points[:3],), {0: [0]}, (since, 13, 18, 23), tolerance=1e-14)


class Packed(nn.Module):
    """A recurrent network over sequences of several lengths."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        output, state = self.network(pack_padded_sequence(x, lengths, enforce_sorted=False))
        return pad_packed_sequence(output)[0], state


NETWORKS: list[tuple[str, nn.Module, tuple[int, ...], tuple[int, ...], tuple[int, ...], int]] = [
    ("conv1d", nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2), (2, 4, 11), (3, 4, 16), (0, 2), 9),
    ("conv2d", nn.Conv2d(3, 4, (3, 2), padding="same"), (2, 3, 7, 8), (1, 3, 9, 5), (0, 2, 3), 9),
    ("conv3d", nn.Conv3d(2, 4, 3, stride=2), (1, 2, 5, 6, 7), (2, 2, 8, 7, 5), (0, 2, 3, 4), 9),
    (
        "conv_transpose2d",
        nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
        (2, 4, 5, 6),
        (1, 4, 7, 3),
        (0, 2, 3),
        9,
    ),
    ("avg_pool", nn.AvgPool2d(3, 2, 1), (2, 3, 7, 8), (1, 3, 9, 5), (0, 2, 3), 9),
    ("avg_pool_of_elements", nn.AvgPool2d(3, 2, 1, count_include_pad=False), (2, 3, 7, 8), (1, 3, 9, 5), (0, 2, 3), 9),
    ("lstm", nn.LSTM(3, 4, 2, bidirectional=True), (5, 2, 3), (7, 1, 3), (0, 1), 7),
    ("gru", nn.GRU(3, 4, 2, bidirectional=True, batch_first=True), (5, 2, 3), (7, 1, 3), (0, 1), 7),
    ("gru_without_bias", nn.GRU(3, 4, bias=False), (5, 2, 3), (7, 1, 3), (0, 1), 7),
    ("rnn", nn.RNN(3, 4, nonlinearity="relu"), (5, 2, 3), (7, 1, 3), (0, 1), 7),
]


@pytest.mark.parametrize("network", NETWORKS, ids=[network[0] for network in NETWORKS])
def test_networks(network: tuple[str, nn.Module, tuple[int, ...], tuple[int, ...], tuple[int, ...], int]) -> None:
    name, module, sizes, other, axes, since = network
    case = Case(name, module.double().eval(), (_double(*sizes),), (_double(*other),), {0: axes}, tolerance=1e-12)
    case.check((since, 13, 18, 23))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_packed_sequences(kind: type[nn.Module]) -> None:
    model = Packed(kind(3, 4, bidirectional=True).double().eval())
    example = (_double(5, 2, 3), torch.tensor([3, 5]))
    other = (_double(7, 3, 3), torch.tensor([2, 7, 1]))
    check(model, example, other, {0: [0, 1], 1: [0]}, (11, 18, 23), tolerance=1e-12)
