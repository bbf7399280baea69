"""Small models as users write them, each of which was once refused or wrong, on two inputs."""

from __future__ import annotations

import onnxport
import pytest
import torch
import torch.nn.functional as F
from onnxport.errors import FrozenValue
from onnxport_frontend import capture
from torch import Tensor

from tests.ops.harness import Case

OPSETS = (11, 13, 17, 21)


def spaced_by_size(x: Tensor) -> tuple[Tensor, ...]:
    n = x.shape[0]
    return (
        torch.linspace(0, 1, n),
        torch.linspace(-1.0, 2.0, steps=n, dtype=torch.float64),
        torch.linspace(0, 10, n, dtype=torch.int64),
        torch.logspace(0, 1, n),
    )


def pools_of_the_whole_image(x: Tensor) -> tuple[Tensor, ...]:
    h, w = x.shape[2:]
    return (
        F.max_pool2d(x, (h, w)),
        F.avg_pool2d(x, x.shape[2:]),
        F.max_pool2d(x, (h, 2)),
        F.avg_pool2d(x, (1, w), stride=(1, w)),
        F.avg_pool2d(x, (h, 3), stride=(1, 2), padding=(0, 1)),
        F.max_pool2d(x, x.size()[2:], stride=1, ceil_mode=True),
        F.max_pool1d(x[0], x.size(3)),
    )


def patches_there_and_back(x: Tensor) -> tuple[Tensor, Tensor]:
    size = x.shape[2:]
    return F.fold(F.unfold(x, 2, stride=2), size, 2, stride=2), F.fold(F.unfold(x, 3, padding=1), size, 3, padding=1)


def assigned_by_mask(x: Tensor) -> tuple[Tensor, ...]:
    scaled, rows, filled = x.clone(), x.clone(), x.clone()
    positive = x.sum(1) > 0
    scaled[x > 1] *= 2
    rows[positive] = rows[positive] + 1
    filled[positive] = torch.ones(1, 1, 1, x.shape[1])
    return scaled, rows, filled


#: One element is above 1, and one row has a positive sum.
ONE = torch.tensor([[2.0, -9.0, 0.1], [-1.0, 0.9, 0.2]])
SEVERAL = torch.tensor([[2.0, 3.0, 0.1], [4.0, 0.1, 0.2], [0.1, -3.0, 0.0]])

CASES = [
    Case("assigned-one", assigned_by_mask, (ONE,), (SEVERAL,), {0: [0]}),
    Case("assigned-none", assigned_by_mask, (ONE,), (-SEVERAL,), {0: [0]}),
    Case("fold", patches_there_and_back, (torch.randn(2, 3, 8, 6),), (torch.randn(1, 3, 9, 7),), {0: [0, 2, 3]}),
    Case("linspace", spaced_by_size, (torch.zeros(4),), (torch.zeros(7),), {0: [0]}),
    Case("linspace-one", spaced_by_size, (torch.zeros(4),), (torch.zeros(1),), {0: [0]}),
    Case("pools", pools_of_the_whole_image, (torch.randn(2, 3, 5, 6),), (torch.randn(1, 3, 7, 4),), {0: [0, 2, 3]}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_model(case: Case) -> None:
    case.check(OPSETS)


class Function(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


@pytest.mark.parametrize("example", [torch.randn(3, 7), torch.zeros(3, 7)], ids=["scores", "equal"])
def test_a_model_that_sorts_is_not_refused(example):
    program = onnxport.export(Function(lambda x: x.topk(3, 1)), (example,), dynamic_axes={"x": [0, 1]})
    assert (program.checked.sizes is None) == bool((example == 0).all())


def test_a_wrong_output_is_found_beside_one_that_rounding_changes():
    def function(x):
        return x.sum() - x.sum().double(), torch.tensor(len("-" * x.shape[0]))

    with pytest.raises(FrozenValue, match="output_1"):
        onnxport.export(Function(function), (torch.rand(2, 3),), dynamic_axes={"x": [0]})


def test_a_number_that_a_script_returns_is_an_output_though_it_is_known():
    @torch.jit.script
    def function(x: Tensor):
        parts = [x, x + 1]
        return torch.cat(parts), len(parts), x.size(0)

    program = onnxport.export(function, (torch.randn(2, 3),), dynamic_axes={"x": [0]})
    assert len(program.model.graph.outputs) == 3
    assert [int(number) for number in program(torch.randn(5, 3))[1:]] == [2, 5]


class Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.softmax(x, -1)

    @staticmethod
    def backward(ctx, grad):
        return grad


def test_sizes_after_a_call_of_an_autograd_function_are_no_facts():
    captured = capture(Function(lambda x: Softmax.apply(x) * 2), (torch.randn(2, 3),), dynamic_axes={"x": [0]})
    shape = captured.graph.eqns[-1].outputs[0].type.shape
    assert not isinstance(shape[0], int)


def test_what_is_sorted_in_the_example_is_so_in_the_check():
    def function(x):
        return torch.searchsorted(x, x * 1.01), x[:, 1:] - x[:, :-1]

    depths = torch.sort(torch.rand(4, 8) + 2, -1).values
    program = onnxport.export(Function(function), (depths,), dynamic_axes={"x": [0, 1]})
    assert program.checked.sizes is not None


@pytest.mark.filterwarnings("error")
def test_sizes_for_which_torch_has_no_numbers_say_nothing():
    program = onnxport.export(Function(lambda x: x[1:].mean(0)), (torch.randn(3, 4),), dynamic_axes={"x": [0]})
    assert program.checked.sizes == {"x_dynamic_axes_1": 6}
