"""What torch's tracer freezes without a word becomes a finding, and ``x.data`` stays in the trace."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from onnxport_frontend import capture
from onnxport_frontend.interpret import interpret
from onnxport_frontend.watching import Watching
from onnxport_ir.errors import UnsafeMutation
from torch import nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves


class Call(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def kinds(function):
    captured = capture(Call(function), torch.ones(2, 3), dynamic_axes={"x": {1: "n"}})
    return [(finding.kind, finding.in_library, finding.place.function) for finding in captured.findings]


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (lambda x: sum(x[:, i] for i in range(x.shape[1])), "index"),
        (lambda x: x * [1, 2, 3, 4][x.shape[1]], "index"),
        (lambda x: x.sum() + len([0.0] * x.shape[1]), "index"),
        (lambda x: x + x[:, ::2].stride(0), "stride"),
        (lambda x: x * int(x.shape[1]), "int"),
    ],
    ids=["range", "list", "repeat", "stride", "int"],
)
def test_frozen_numbers_are_found_at_the_users_line(function, kind):
    assert kinds(function) == [(kind, False, "<lambda>")]


def test_sizes_in_calls_of_torch_are_recorded_and_no_finding():
    def function(x):
        size = x.shape[1]
        x[:, size - 1] = 3
        parts = x[:, : size - 1], x[:, size - 1], x.view(size, -1), x.narrow(1, 0, size), x.expand(size, *x.shape)
        return parts, torch.zeros(size), torch.arange(size), torch.nn.functional.pad(x, (0, size))

    assert [kind for kind, _, _ in kinds(function)] == ["input_write"]


def test_numbers_for_all_axes_and_lists_of_indices_are_recorded_too():
    def function(x):
        size = x.shape[1]
        ends = x.clone()
        ends[:, [0, size - 1]] = 3
        rolled = x.roll(size, 1), torch.roll(x, shifts=size, dims=1), x[:, [size - 1, 0]], ends
        pooled = F.avg_pool1d(x, size), F.max_pool1d(x, 2, stride=size), F.adaptive_avg_pool1d(x, size)
        summed = F.conv1d(x[None], x.new_ones(2, 1, 2), padding=size, groups=x.shape[0])
        return rolled, pooled, summed, x.split(size, 1)[0], torch.split(x, size - 1, dim=1)[0]

    captured = capture(Call(function), torch.ones(2, 3), dynamic_axes={"x": {1: "n"}})
    assert {finding.kind for finding in captured.findings} <= {"parts"}
    x = torch.randn(2, 6)
    torch.testing.assert_close(interpret(captured.graph, [x]), tree_leaves(function(x)))


def test_a_factor_of_sizes_is_a_finding():
    assert kinds(lambda x: F.interpolate(x[None], scale_factor=x.shape[1] / x.shape[0])) == [
        ("float", False, "<lambda>")
    ]


def test_checks_of_torch_take_sizes_and_functional_call_takes_a_trace():
    layer = nn.Linear(3, 3)

    def function(x):
        torch._check(x.shape[1] > 0, lambda: "empty")
        return torch.func.functional_call(layer, {"weight": x.T @ x, "bias": x[0]}, (x,))

    found = capture(Call(function), torch.ones(2, 3), dynamic_axes={"x": {0: "n"}})
    assert not found.findings
    x = torch.rand(5, 3)
    (result,) = interpret(found.graph, [x])
    torch.testing.assert_close(result, F.linear(x, x.T @ x, x[0]))
    with pytest.raises(TypeError, match="cond must be a bool"):
        torch._check(x.sum() > 0)


def test_what_torchs_own_code_reads_is_said_to_be_so():
    found = kinds(lambda x: torch.nn.functional.interpolate(x[None], size=x.shape[1]))
    assert all(in_library for _, in_library, _ in found)


def test_data_stays_in_the_trace():
    captured = capture(Call(lambda x: x + x.data.sum()), torch.ones(2, 3))
    assert "aten::sum" in {op.base for op in captured.graph.op_counts()}
    assert not captured.findings


@pytest.mark.parametrize("scripted", [False, True])
def test_places_are_not_those_of_the_exporter(scripted):
    """Where no code of the user's is on the way, the line is torch's, and never ours or that of the export's caller."""
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.ReLU())
    captured = capture(torch.jit.script(model) if scripted else model, torch.ones(2, 3))
    files = {eqn.place.file for eqn in captured.graph.eqns if eqn.place.file is not None}
    assert files
    assert all("/torch/nn/" in file for file in files), files


@pytest.mark.parametrize("part", [lambda x: x[1:], lambda x: x.chunk(2)[-1], lambda x: x.unbind(0)[1].unsqueeze(0)])
@pytest.mark.parametrize(
    ("drop", "rank"),
    [
        *itertools.product([F.dropout, F.alpha_dropout, F.feature_alpha_dropout, torch.dropout], [2]),
        *itertools.product([F.dropout1d, F.dropout2d, torch.feature_dropout], [3]),
        # Without a batch axis torch adds one, and takes it away again.
        (F.dropout1d, 2), (F.dropout2d, 4), (F.dropout3d, 4), (F.dropout3d, 5),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:dropout2d")
def test_a_write_to_what_dropout_hands_back_is_kept(drop, rank, part):
    class Model(nn.Module):
        def forward(self, x):
            base = x * 2
            drop(part(base), 0.5, False).add_(1)
            return base * 1

    x = torch.ones(2, 3, 4, 5, 6)[(..., *[0] * (5 - rank))]
    graph = capture(Model(), (x,)).graph
    (result,) = interpret(graph, [x])
    assert torch.equal(result, Model()(x))
    assert not torch.equal(result, x * 2)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.type_as(torch.ones(1)),
        torch.atleast_2d,
        lambda x: torch.einsum("ij->ij", x),
        torch.conj_physical,
        lambda x: x.sum_to_size(x.shape),
        lambda x: x.expand_as(torch.ones(1, 3)),
    ],
    ids=["type_as", "atleast_2d", "einsum", "conj_physical", "sum_to_size", "expand_as"],
)
def test_a_write_to_what_an_operator_hands_back_is_kept(function):
    class Model(nn.Module):
        def forward(self, x):
            base = x * 2
            function(base[1:]).add_(1)
            return base * 1

    x = torch.ones(2, 3)
    graph = capture(Model(), (x,)).graph
    (result,) = interpret(graph, [x])
    assert torch.equal(result, torch.tensor([[2.0, 2.0, 2.0], [3.0, 3.0, 3.0]]))


def test_dropout_in_training_is_a_value_of_its_own():
    class Model(nn.Module):
        def forward(self, x):
            base = x * 2
            return base, F.dropout(base, 0.5, training=True)

    graph = capture(Model(), (torch.ones(3),)).graph
    assert [eqn.op.name for eqn in graph.eqns] == ["mul", "dropout"]
    assert graph.outputs[0].value is not graph.outputs[1].value


LIBRARY = torch.library.Library("watching", "DEF")
for schema in ("first(Tensor x, SymInt n) -> Tensor", "some.int(Tensor x, int n) -> Tensor"):
    LIBRARY.define(schema)
    LIBRARY.impl(schema.partition("(")[0], lambda x, n: x[:, :n].clone(), "CompositeExplicitAutograd")
LIBRARY.define("some.Tensor(Tensor x, Tensor n) -> Tensor")
LIBRARY.impl("some.Tensor", lambda x, n: x + n, "CompositeExplicitAutograd")
OPS = torch.ops.watching


@pytest.mark.parametrize(
    "function", [lambda x: OPS.first(x, x.shape[1] - 1), lambda x: OPS.some.int(x, n=x.shape[1] - 1)]
)
def test_sizes_that_custom_operators_take_are_found(function):
    assert kinds(function) == [("number", False, "<lambda>")]


@pytest.mark.parametrize(
    "function", [lambda x: OPS.first(x, 2), lambda x: OPS.some(x, x.shape[1]), lambda x: x[: x.shape[1]]]
)
def test_other_arguments_of_operators_are_not(function):
    assert kinds(function) == []


class Two(nn.Module):
    """A function of ``x``, which gets a tensor of its own."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x * 2)


def shared_storage(x):
    y = torch.empty(0)
    y.set_(x.untyped_storage(), 0, x.shape)
    return y.add_(1)


def other_data(x):
    y = torch.zeros_like(x)
    y.data = x
    return y.add_(1)


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (lambda x: x.resize_(2), r"Tensor\.resize_"),
        (lambda x: x.resize_as_(torch.ones(1)), r"Tensor\.resize_as_"),
        (lambda x: x.apply_(lambda value: value + 1), r"Tensor\.apply_"),
        (lambda x: torch.empty(0).set_(x), r"Tensor\.set_"),
        (lambda x: copy.copy(x).add_(1), r"copy\.copy"),
        (lambda x: torch.from_dlpack(x).add_(1), "DLPack"),
        (shared_storage, r"Tensor\.set_"),
        (other_data, r"Tensor\.data"),
    ],
    ids=["resize", "resize_as", "apply", "set", "copy", "dlpack", "storage", "data"],
)
def test_what_the_trace_does_not_record_is_refused(function, what):
    set_ = torch.Tensor.set_
    with pytest.raises(UnsafeMutation, match=what) as caught:
        capture(Two(function), torch.ones(2, 3))
    assert caught.value.where is not None
    assert caught.value.where.file in (__file__, copy.__file__)
    assert torch.Tensor.set_ is set_


def test_the_same_memory_is_let_through():
    def function(x):
        x.data = x.data
        return x + torch.ones(3)

    (result,) = interpret(capture(Two(function), torch.ones(2, 3)).graph, [torch.ones(2, 3)])
    assert torch.equal(result, torch.full((2, 3), 3.0))


def test_a_deep_copy_is_an_operator():
    def function(x):
        twin = copy.deepcopy([x, x])
        x.add_(1)
        return x + twin[0] + twin[1]

    (result,) = interpret(capture(Two(function), torch.ones(2, 3)).graph, [torch.full((2, 3), 5.0)])
    assert torch.equal(result, torch.full((2, 3), 31.0))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4)])
@pytest.mark.parametrize("function", [torch.atleast_1d, torch.atleast_2d, torch.atleast_3d])
def test_a_write_to_what_atleast_gives_is_kept(function, shape):
    class Model(nn.Module):
        def forward(self, x):
            base = x * 2
            function(base).add_(1)
            several = function(base, x)
            several[0].mul_(2)
            return base * 1, several[1].sum(), function(base)

    x = torch.ones(shape)
    for got, wanted in zip(interpret(capture(Model(), (x,)).graph, [x]), Model()(x), strict=True):
        assert torch.equal(got, wanted)
        assert got.shape == wanted.shape


def test_a_write_that_a_result_of_another_shape_shares_is_refused():
    def function(x):
        torch.einsum("ij->ji", x).add_(1)
        return x * 1

    with pytest.raises(UnsafeMutation, match="shares its memory with a result of einsum"):
        capture(Two(function), torch.ones(2, 3))
    capture(Two(lambda x: torch.einsum("ij->ji", x) + 1), torch.ones(2, 3))


def test_a_watch_within_a_watch_leaves_the_outer_one_in_place():
    def refused():
        with pytest.raises(UnsafeMutation, match=r"Tensor\.set_"):
            torch.empty(0).set_(torch.ones(2))
        return True

    with Watching():
        with Watching():
            assert refused()
        assert refused()
    assert torch.equal(torch.empty(0).set_(torch.ones(2)), torch.ones(2))
    assert "set_" not in vars(torch.Tensor)
