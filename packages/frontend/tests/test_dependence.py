"""What a fixed value depends on, what it would be for other inputs, and that nothing of the search is left behind."""

from __future__ import annotations

import threading
import time

import pytest
import torch
from onnxport_frontend import capture
from onnxport_frontend.dependence import Dependence, marks_of
from torch import nn
from torch.nn import functional as F


class Call(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.ones(4, 6))
        self.table = nn.Parameter(torch.ones(1, 32, 4))

    def forward(self, x):
        self.function(self, x)
        return x + 1


def captured(function, example=None, axes=None):
    x = torch.ones(2, 3, 6) if example is None else example
    return capture(Call(function), x, dynamic_axes={"x": axes or {0: "b", 1: "s"}})


def only(function, **options):
    result = captured(function, **options)
    (finding,) = result.findings
    return result, finding


SIZES = {
    "view": lambda m, x: x.view(x.shape[0], -1, 2, 3).shape[1],
    "view to what the others leave": lambda m, x: x.reshape(x.shape[0] * x.shape[1], -1).shape[0] // x.shape[0],
    "permute": lambda m, x: x.permute(1, 0, 2).shape[0],
    "transpose": lambda m, x: x.transpose(1, 2).shape[2],
    "linear": lambda m, x: F.linear(x, m.weight).shape[1],
    "matmul": lambda m, x: (x @ m.weight.t()).shape[1],
    "reduction": lambda m, x: x.sum(0).shape[0],
    "kept reduction": lambda m, x: x.mean(-1, keepdim=True).shape[1],
    "slice": lambda m, x: x[:, 1:].shape[1] + 1,
    "select": lambda m, x: x[0].shape[0],
    "unsqueeze": lambda m, x: x[:, None].shape[2],
    "joined": lambda m, x: torch.cat([x, x], 1).shape[1] // 2,
    "stacked": lambda m, x: torch.stack([x, x]).shape[2],
    "expanded": lambda m, x: x[:1].expand(5, -1, -1).shape[1],
    "broadcast": lambda m, x: (x[:, :, :1] * torch.ones(6)).shape[1],
    "padded": lambda m, x: F.pad(x, (0, 0, 1, 1)).shape[1] - 2,
    "repeated": lambda m, x: x.repeat(1, 2, 1).shape[1] // 2,
    "embedded": lambda m, x: F.embedding(x[..., 0].long(), m.weight).shape[1],
    "indexed": lambda m, x: x[m.weight[:3, 0].long()].shape[1],
    "flattened": lambda m, x: x.flatten(0, 1).shape[0] // x.shape[0],
    "attention": lambda m, x: F.scaled_dot_product_attention(x, x, x).shape[1],
    "normalised": lambda m, x: F.layer_norm(x, (6,)).shape[1],
    "einsum": lambda m, x: torch.einsum("bsk,ok->bso", x, m.weight).shape[1],
    "arange": lambda m, x: torch.arange(x.shape[1]).shape[0],
    "masked": lambda m, x: x.masked_fill(x > 2, 0).shape[1],
    "split": lambda m, x: x.split(3, -1)[1].shape[1],
    "added to the first of many": lambda m, x: (x[..., :4] + m.table[:, : x.shape[1]]).shape[1],
    "largest": lambda m, x: x.max(-1)[0].shape[1],
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_followed_exactly(name):
    result, finding = only(lambda m, x: int(SIZES[name](m, x)))
    if "leave" in name or "flattened" in name:
        assert set(finding.depends.sizes) <= {"b", "s"}
    else:
        assert finding.depends == Dependence(sizes=("s",))
    assert finding.values == (3,)
    assert result.frozen.for_sizes(finding, {"b": 2, "s": 3}) in ((3,), None)
    if name not in ("expanded", "attention"):
        assert result.frozen.for_sizes(finding, {"b": 4, "s": 7}) in ((7,), None)


STATIC = {
    "hidden size": lambda m, x: int(F.linear(x, m.weight).shape[-1]),
    "what a view leaves": lambda m, x: int(x.view(x.shape[0], x.shape[1], 2, -1).shape[-1]),
    "a weight": lambda m, x: float(m.weight.sum()),
    "a constant": lambda m, x: float(torch.ones(3).sum()),
    "items of a list": lambda m, x: int(x.split(3, -1)[0].shape[-1]),
    "a channel": lambda m, x: int(F.conv1d(x.transpose(1, 2), m.weight[:, :, None]).shape[1]),
}


@pytest.mark.parametrize("name", STATIC)
def test_what_is_the_same_for_all_inputs_is_known_to_be(name):
    _, finding = only(STATIC[name])
    assert finding.depends.is_nothing


def test_elements_and_what_they_decide_are_told_apart():
    _, finding = only(lambda m, x: float(x.sum()))
    assert finding.depends.inputs == ("x",)
    _, finding = only(lambda m, x: int(x[x > 0].shape[0]))
    assert finding.depends.counts == ("x",)
    assert not finding.depends.inputs
    _, finding = only(lambda m, x: int(torch.zeros(int(x.dim())).shape[0]))
    assert finding.depends.is_nothing


def test_a_write_through_a_view_is_followed():
    def function(m, x):
        flags = torch.zeros(3)
        flags[1:] += x.sum()
        return bool(flags.max() > 0)

    _, finding = only(function)
    assert finding.depends.inputs == ("x",)


def test_values_for_other_inputs():
    result, finding = only(lambda m, x: bool(x.sum() > 0))
    assert result.frozen.for_inputs([finding], {"x": -torch.ones(2, 3, 6)}) == {finding: (False,)}
    assert result.frozen.for_inputs([finding], {"x": torch.ones(4, 5, 6)}) == {finding: (True,)}


def test_formulas_are_little_arithmetic_on_sizes():
    result, finding = only(lambda m, x: bool((x.shape[1] + 1) // 2 % 2 == 0))
    values = [result.frozen.for_sizes(finding, {"b": 2, "s": size}) for size in range(1, 9)]
    assert values == [((size + 1) // 2 % 2 == 0,) for size in range(1, 9)]


def test_the_graph_is_what_it_is_without_marks():
    result = captured(lambda m, x: bool((x * 2).sum() > x.shape[1]))
    assert [str(op) for op in result.graph.op_counts()] == ["aten::add.Tensor"]
    assert not list(marks_of(result.graph.eqns))


def test_tensors_are_as_they_were():
    before = dict(vars(torch.Tensor))
    captured(lambda m, x: bool(x.sum() > 0))
    with pytest.raises(RuntimeError):
        captured(lambda m, x: x.view(-1, 5))
    assert dict(vars(torch.Tensor)) == before


def test_other_threads_convert_as_ever():
    started, done, seen = threading.Event(), threading.Event(), []

    def elsewhere():
        started.wait(10)
        seen.append((int(torch.tensor(3)), bool(torch.ones(1)), len(torch.ones(4)), [float(v) for v in torch.ones(2)]))
        done.set()

    def function(m, x):
        started.set()
        assert done.wait(10)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    result = captured(function)
    thread.join()
    assert seen == [(3, True, 4, [1.0, 1.0])]
    assert not result.findings


def test_the_cost_is_linear():
    def function(m, x):
        for _ in range(count):
            x = x.relu() * 2
            bool(x.shape[1] > 100)

    def seconds():
        start = time.process_time()
        result = captured(function)
        assert result.findings[0].depends == Dependence(sizes=("s",))
        return time.process_time() - start

    count = 50
    seconds()
    few = min(seconds() for _ in range(3))
    count = 400
    assert seconds() < 24 * few
