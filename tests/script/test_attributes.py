"""Scripts that set their modules' attributes: followed within a call, and put back after it."""

# ruff: noqa: UP006, UP035, UP045 - the script language as people write it

import copy
import warnings
from typing import Any, List, Optional

import onnxport
import pytest
import torch
from onnxport.buffers import MutatedBuffersWarning
from onnxport.errors import UnsafeMutation
from torch import Tensor, nn


class Scratch(nn.Module):
    features: List[Tensor]

    def __init__(self):
        super().__init__()
        self.features = []
        self.size = 0
        self.last = torch.zeros(1)

    def forward(self, x):
        self.features = [x]
        self.size = x.size(0)
        self.last = x * 2
        for _ in range(2):
            self.features.append(x + self.size)
        return torch.cat(self.features, 1) + self.last.sum()


class Cached(nn.Module):
    table: Optional[Tensor]

    def __init__(self):
        super().__init__()
        self.table = None

    def forward(self, x):
        table = self.table
        if table is None or table.size(0) < x.size(0):
            table = torch.arange(x.size(0), dtype=x.dtype).unsqueeze(1)
            self.table = table
        return x + table[: x.size(0)]


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x * self.calls


class Steps(nn.Module):
    def __init__(self):
        super().__init__()
        self.counter = Counter()
        self.total = 0.5
        self.register_buffer("mean", torch.ones(3))

    def forward(self, x):
        for i in range(x.size(0)):
            if bool(x[i].sum() > 0):
                self.total += float(i)
                self.mean = self.mean * 0.5 + x[i]
            x = self.counter(x)
        self.counter.calls = self.counter.calls * 2
        return x + self.total, self.mean, self.counter.calls


X, Y = torch.arange(6.0).reshape(2, 3) - 2, torch.arange(12.0).reshape(4, 3) - 7


def state(model: Any) -> list[Any]:
    return [getattr(model, name) for name in ("size", "table", "calls", "total", "mean") if hasattr(model, name)]


@pytest.mark.parametrize("kind", [Scratch, Cached, Counter, Steps])
@pytest.mark.parametrize("opset", [13, 17, 21])
@pytest.mark.filterwarnings("ignore::onnxport.buffers.MutatedBuffersWarning")
def test_each_call_begins_with_the_present_values(kind: type[nn.Module], opset: int) -> None:
    model = torch.jit.script(kind())
    before = copy.deepcopy(state(model))
    program = onnxport.export(model, (X,), dynamic_axes={"x": [0]}, opset_version=opset)
    torch.testing.assert_close(state(model), before)
    for call in (X, Y, -X, Y):
        expected = torch.jit.script(kind())(call)
        torch.testing.assert_close(program(call), torch.utils._pytree.tree_map(torch.as_tensor, expected))


def test_an_attribute_that_a_call_hands_to_the_next_is_told() -> None:
    with pytest.warns(MutatedBuffersWarning, match="reads and sets its attribute calls"):
        onnxport.export(torch.jit.script(Counter()), (X,))


@pytest.mark.parametrize("choice", ["outputs", "error"])
def test_an_attribute_cannot_be_an_output(choice: Any) -> None:
    model = torch.jit.script(Counter())
    with pytest.raises(UnsafeMutation, match="sets attributes, which no output can be: calls"):
        onnxport.export(model, (X,), mutated_buffers=choice)
    assert model.calls == 0


@pytest.mark.filterwarnings("error")
def test_an_attribute_that_is_set_before_it_is_read_is_no_matter() -> None:
    class Scribbled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.size = 0

        def forward(self, x: Tensor) -> Tensor:
            self.size = x.size(0)
            return x * self.size

    with warnings.catch_warnings():
        # torch says that scripts are to go.
        warnings.simplefilter("ignore")
        model = torch.jit.script(Scribbled())
    program = onnxport.export(model, (X,), mutated_buffers="error", dynamic_axes={"x": [0]})
    assert torch.equal(program(Y), Y * 4)


def test_a_parameter_that_is_set_is_refused() -> None:
    class Written(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self, x: Tensor) -> Tensor:
            self.weight = self.weight * 2
            return x * self.weight

    with pytest.raises(UnsafeMutation, match="weight"):
        onnxport.export(torch.jit.script(Written()), (X,))
