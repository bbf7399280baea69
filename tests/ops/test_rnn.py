"""Recurrent networks and their cells at all opsets."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import rnn

from tests.ops.harness import Case

torch.manual_seed(0)
randn = torch.randn
_STEPS = (randn(5, 2, 4),), (randn(7, 3, 4),), {0: [0, 1]}
_LENGTHS = (randn(5, 2, 4), torch.tensor([5, 3])), (randn(7, 3, 4), torch.tensor([7, 2, 1])), {0: [0, 1], 1: [0]}


def _steps(name: str, model: object, **more: object) -> Case:
    """A case of any number of samples and steps."""
    return Case(name, model, *_STEPS, **more)  # type: ignore[arg-type]  # a module; dataclass fields


class Packed(nn.Module):
    """A network on sequences of several lengths."""

    def __init__(self, network: nn.Module, *, batch_first: bool = False, is_sorted: bool = True, **more: Any) -> None:
        super().__init__()
        self.network, self.batch_first, self.is_sorted, self.more = network, batch_first, is_sorted, more

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> Any:
        x = x.transpose(0, 1) if self.batch_first else x
        packed = rnn.pack_padded_sequence(x, lengths, self.batch_first, enforce_sorted=self.is_sorted)
        output, state = self.network(packed)
        return rnn.pad_packed_sequence(output, self.batch_first, **self.more), state


class Cell(nn.Module):
    """A cell on the first two steps of a sequence."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: torch.Tensor) -> Any:
        return self.cell(x[1], self.cell(x[0]))


class Given(nn.Module):
    """An LSTM with the initial state as an input, of which the first of two layers is read."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.LSTM(4, 3, num_layers=2, bidirectional=True)

    def forward(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> Any:
        return self.network(x, (h, c))


CASES = [
    _steps("lstm", nn.LSTM(4, 3), nodes={7: ["LSTM", "Squeeze"], 18: ["LSTM", "Squeeze"]}),
    _steps(
        "lstm, batch first", nn.LSTM(4, 3, batch_first=True), nodes={18: ["Transpose", "LSTM", "Squeeze", "Transpose"]}
    ),
    _steps("lstm, bidirectional", nn.LSTM(4, 3, bidirectional=True), nodes={18: ["LSTM", "Transpose", "Reshape"]}),
    _steps("lstm, two layers", nn.LSTM(4, 3, num_layers=2, bidirectional=True, batch_first=True)),
    _steps("lstm without biases", nn.LSTM(4, 3, num_layers=2, bias=False)),
    _steps("gru", nn.GRU(4, 3, num_layers=2, bidirectional=True)),
    _steps("gru without biases", nn.GRU(4, 3, bias=False, batch_first=True)),
    _steps("rnn", nn.RNN(4, 3, num_layers=2, bidirectional=True)),
    _steps("rnn of relu", nn.RNN(4, 3, nonlinearity="relu", bidirectional=True)),
    Case("lstm, one sample", nn.LSTM(4, 3), (randn(5, 4),), (randn(7, 4),), {0: [0]}),
    Case(
        "lstm, initial state",
        Given(),
        (randn(5, 2, 4), randn(4, 2, 3), randn(4, 2, 3)),
        (randn(6, 3, 4), randn(4, 3, 3), randn(4, 3, 3)),
        {0: {0: "steps", 1: "batch"}, 1: {1: "batch"}, 2: {1: "batch"}},
    ),
    _steps("lstm cell", Cell(nn.LSTMCell(4, 3))),
    _steps("gru cell", Cell(nn.GRUCell(4, 3))),
    _steps("rnn cell", Cell(nn.RNNCell(4, 3, nonlinearity="relu"))),
    _steps("projected lstm", nn.LSTM(4, 3, proj_size=2, num_layers=2), since=8),
    _steps(
        "projected lstm, both ways", nn.LSTM(4, 3, proj_size=2, num_layers=2, bidirectional=True, bias=False), since=9
    ),
    Case("projected lstm, batch first", nn.LSTM(4, 3, proj_size=2, batch_first=True), *_STEPS, since=8),
    Case("packed lstm with projections", Packed(nn.LSTM(4, 3, proj_size=2, bidirectional=True)), *_LENGTHS, since=9),
    Case("packed lstm", Packed(nn.LSTM(4, 3, bidirectional=True, num_layers=2)), *_LENGTHS),
    Case("packed gru, batch first", Packed(nn.GRU(4, 3, batch_first=True), batch_first=True), *_LENGTHS),
    Case("packed rnn, unsorted", Packed(nn.RNN(4, 3), is_sorted=False), *_LENGTHS, since=11),
    Case("packed lstm, padded further", Packed(nn.LSTM(4, 3), total_length=9, padding_value=2.0), *_LENGTHS),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_recurrent_network(case: Case) -> None:
    case.check()
