"""Straight-line graphs: views, in-place operators, and what is read through which alias."""

from __future__ import annotations

import copy

import pytest
import torch
from onnxport_frontend import TorchTensor
from onnxport_frontend.functionalize import functionalize, functionalize_with_report
from onnxport_ir.captured import CapturedGraph, Eqn, Output, TensorLiteral, Var
from onnxport_ir.dtypes import DType
from onnxport_ir.errors import UnsafeMutation
from onnxport_ir.types import TensorType


def ops(graph):
    return [eqn.op.name for eqn in graph.eqns]


def x34():
    return torch.arange(12.0).reshape(3, 4)


def test_a_graph_without_writes_is_returned_as_it_is(tools):
    graph = tools.raw_graph(torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU()), [x34()])
    assert functionalize(graph) is graph


def write_through_select(x, y):
    v = x[:, 0]
    v += y
    v.mul_(2)
    return x


def views_of_views(x):
    v = x[1:].t()[1].unsqueeze(0)
    v.add_(5)
    return x, v, x[1:]


def alias_read_before_and_after(x):
    v = x.view(4, 3)
    before = v * 1
    x.add_(1)
    return before, v * 1, v.sum()


def two_views(x):
    a, b = x[0], x[:, 1]
    a.mul_(3)
    b.sub_(1)
    return a, b, x


def through_transpose(x):
    x.transpose(0, 1)[2].fill_(7)
    return x


def unbound(x):
    a, b, c = x.unbind(0)
    b.zero_()
    c[1:3] = a[0:2]
    return x, a, b, c


def strided_slice(x):
    x[::2, 1::2] = -1.0
    x[:, -3:-1].mul_(2)
    return x


def split_parts(x):
    a, b = x.split([1, 3], dim=1)
    b.add_(a)
    c, d = x.chunk(2, 1)
    c.neg_()
    e = x.tensor_split(3, dim=0)[1]
    e.mul_(2)
    return x, a, b, c, d, e


def narrowed(x):
    x.narrow(1, 1, 2).fill_(3)
    x.narrow(1, -2, 2).add_(1)
    return x


def diagonals(x):
    x.diagonal().add_(100)
    x.diagonal(1).zero_()
    return x


def moved(x):
    y = x.reshape(3, 2, 2)
    y.movedim(0, 2)[1].add_(1)
    y.permute(2, -3, 1)[0].mul_(2)
    y.swapaxes(0, 1)[1].sub_(3)
    return x, y


def reshaped(x):
    x.flatten()[5:7] = 0
    x.view(2, 6)[1].add_(1)
    x.unflatten(1, (2, 2))[:, 1].mul_(3)
    x.reshape(-1).neg_()
    return x


def squeezed(x):
    y = x.unsqueeze(1)
    y.squeeze(1).add_(1)
    y.squeeze()[0] = 9
    y.view_as(x)[2].zero_()
    return x, y


def unfolded(x):
    x.unfold(1, 2, 2)[0].fill_(4)
    return x


def expanded_without_repeating(x):
    x.expand(1, 3, 4).add_(1)
    return x


def read_through_expand(x):
    row = x[0]
    wide = row.expand(2, 4)
    row.add_(1)
    return wide * 1


def detached(x):
    y = x.detach()
    y.mul_(2)
    return x + 0


def masked(x):
    x.masked_fill_(x > 5, -1.0)
    x[x < 2] = 50.0
    x[0].masked_scatter_(torch.tensor([True, False, True, False]), torch.tensor([1.0, 2.0]))
    return x


def indexed(x):
    x[torch.tensor([0, 2]), torch.tensor([1, 1])] += 10
    x.index_fill_(1, torch.tensor([3]), 0.5)
    x.index_add_(0, torch.tensor([0]), torch.ones(1, 4))
    x.scatter_(1, torch.tensor([[0], [1], [2]]), -4.0)
    return x


def copied(x, y):
    x[1].copy_(y)
    x[:, 2:] = y[0]
    return x


def filled(x):
    x[0].fill_(torch.tensor(3))
    x[1].fill_(2.5)
    x[2, :2].zero_()
    return x


def filled_diagonal(x):
    x.fill_diagonal_(8)
    return x


def chained(x):
    return x.add_(1).mul_(2).sub_(x).relu_(), x


def activations(x):
    y = torch.relu_(x - 5)
    z = torch.nn.functional.hardtanh_(y + 0, -1, 1)
    w = torch.nn.functional.leaky_relu_(y, 0.5)
    return y, z, w, torch.nn.functional.dropout(y, 0.5, False, inplace=True).sigmoid_(), y


def evaluation_dropout_is_the_input(x):
    y = torch.nn.functional.dropout(x, 0.5, False)
    y.add_(1)
    return x + 0


def compared(x):
    x.gt_(4)
    x[0].logical_not_()
    return x


def shapes_in_place(x):
    y = x.unsqueeze_(0)
    y[0, 0].zero_()
    x.squeeze_(0).t_()
    x[0].add_(1)
    x.transpose_(0, 1)
    return x, y


def augmented_slice(x, y):
    x[:, 0] += y
    x[1] *= 2
    x[:, 1:3] /= 4
    return x


def shifted(x):
    x[:, :2] = x[:, 2:]
    x[0] = x[1] + x[0]
    return x


def in_lists(x):
    parts = [x[0], x[1]]
    x.add_(1)
    return torch.stack(parts), torch.cat([x, *[p.unsqueeze(0) for p in parts]])


def constants(x):
    c = torch.tensor([1.0, 2.0, 3.0, 4.0])
    c += x[0]
    d = torch.zeros(4)
    d[1:] = c[1:]
    return c, d


def numpy_style(x):
    x.T[0] = 5
    x.mT[1].add_(1)
    return x


def bitwise(x):
    m = x > 3
    m |= x < 1
    m &= x != 7
    m ^= m
    return m


def outs(x):
    a = torch.empty(3, 4)
    torch.add(x, 1, out=a)
    torch.mul(x[0], 2, out=a[1])
    empty = torch.empty(0)
    torch.cat([x, x], out=empty)
    values, indices = torch.empty(3, 4), torch.empty(3, 4, dtype=torch.long)
    torch.sort(x, 1, True, out=(values, indices))
    total = torch.zeros(4, dtype=torch.float64)
    torch.sum(x, 0, out=total)
    ones = torch.zeros(2, dtype=torch.long)
    torch.ones(2, out=ones)
    return a, empty, values, indices, total, ones


CASES = [
    views_of_views,
    alias_read_before_and_after,
    two_views,
    through_transpose,
    unbound,
    strided_slice,
    split_parts,
    narrowed,
    diagonals,
    moved,
    reshaped,
    squeezed,
    unfolded,
    expanded_without_repeating,
    read_through_expand,
    detached,
    masked,
    indexed,
    filled,
    filled_diagonal,
    chained,
    activations,
    evaluation_dropout_is_the_input,
    compared,
    shapes_in_place,
    shifted,
    in_lists,
    constants,
    numpy_style,
    bitwise,
    outs,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_one_input(tools, case):
    tools.traced(case, x34())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_result_of_the_model(tools, case):
    """The same where the tensor is not an input but made in the graph."""
    tools.traced(lambda x: (case(x * 1), x), x34())


@pytest.mark.parametrize(
    ("case", "y"), [(write_through_select, torch.ones(3)), (copied, torch.ones(4)), (augmented_slice, torch.ones(3))]
)
def test_two_inputs(tools, case, y):
    tools.traced(case, x34(), y.requires_grad_(False))


def test_element_types_are_those_of_the_written_tensor(tools):
    def f(x, h, n):
        h.add_(x)
        h[0].copy_(x[0])
        n[0] = x[1]
        n.mul_(torch.tensor(2))
        n.cumsum_(0)
        return h, n, h.eq_(1.0)

    tools.traced(f, x34(), torch.ones(3, 4, dtype=torch.float16), torch.ones(3, 4, dtype=torch.int32))


def test_sizes_that_the_trace_does_not_know(tools):
    def f(x, y):
        m = torch.zeros(x.shape[0], x.shape[1])
        m[:, :2] = y
        z = x.view(x.shape[0] * 2, -1)
        z[1:].mul_(m.sum())
        b = x.chunk(2, 0)[1]
        b.add_(1)
        x.t().reshape(-1)
        x.unsqueeze(0).squeeze(0).flatten()[1:].sub_(3)
        x.narrow(0, x.shape[0] - 1, 1).zero_()
        return x, m, b

    axes = {"args.0": {0: "n"}, "args.1": {0: "n"}}
    graph = tools.traced(f, torch.arange(16.0).reshape(4, 4), torch.ones(4, 2), dynamic_axes=axes)
    other = torch.arange(24.0).reshape(6, 4), torch.full((6, 2), 3.0)
    expected = f(*(item.clone() for item in other))
    results = tools.run_captured(graph, other)
    assert all(tools.same(got, wanted) for got, wanted in zip(results, expected, strict=True))


def test_a_value_written_to_the_view_that_it_came_from_adds_no_equations(tools):
    def f(x, y):
        x[:, 0] += y
        x[1] *= 2

    graph = tools.traced(lambda x, y: (f(x, y), x)[1], x34(), torch.ones(3))
    assert ops(graph) == ["select", "add", "select_scatter", "select", "mul", "select_scatter"]


def test_the_number_of_equations_is_linear(tools):
    """A hundred writes to views of one tensor, with a hundred other views that are not read in between."""

    def f(x):
        rows = [x[i] for i in range(100)]
        for row in rows:
            row.add_(1)
        return x

    assert len(tools.traced(f, torch.zeros(100, 2)).eqns) == 300


def test_views_that_nobody_reads_are_dropped(tools):
    def f(x):
        x[0][1:].view(-1)
        return x.add_(1)

    assert ops(tools.traced(f, x34())) == ["add"]


def test_new_equations_stand_where_the_write_does(tools):
    def f(x):
        v = x[0]
        x.add_(1)
        return v * 2

    places = {eqn.op.name: eqn.place for eqn in tools.traced(f, x34()).eqns}
    assert places["select"].line == places["add"].line == places["mul"].line - 1


class Counter(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("steps", torch.zeros(1))
        self.register_buffer("cache", torch.zeros(2, 4))

    def forward(self, x):
        self.steps.add_(1)
        self.cache[0] = x
        return self.cache * self.steps


def test_writes_to_buffers_and_inputs_are_reported(tools):
    model = torch.nn.Sequential(Counter())
    graph = tools.raw_graph(model, [torch.ones(4)])
    result = functionalize_with_report(graph)
    assert [name for name, _ in result.mutated_params] == ["0.steps", "0.cache"]
    assert {place.module for _, place in result.mutated_params} == {"0"}
    assert result.mutated_inputs == ()
    (got,) = tools.run_captured(result.graph, [torch.ones(4)])
    assert tools.same(got, model(torch.ones(4)))

    written = functionalize_with_report(tools.raw_graph(Plain(lambda x: x.add_(1)), [x34()]))
    assert [name for name, _ in written.mutated_inputs] == [written.graph.inputs[0].name]
    assert written.mutated_params == ()


class Plain(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *args):
        return self.function(*args)


def test_batch_normalisation_in_training_is_reported(tools):
    model = torch.nn.Sequential(torch.nn.BatchNorm1d(4), torch.nn.ReLU()).train()
    graph = tools.raw_graph(model, [x34()], training=True)
    result = functionalize_with_report(graph)
    names = ["0.num_batches_tracked", "0.running_mean", "0.running_var"]
    assert sorted(name for name, _ in result.mutated_params) == names
    assert ops(result.graph) == ["batch_norm", "relu"]


@pytest.mark.parametrize(
    ("norm", "shape"),
    [
        (torch.nn.BatchNorm1d(4), (3, 4)),
        (torch.nn.BatchNorm2d(4, momentum=0.3), (2, 4, 3, 5)),
        (torch.nn.InstanceNorm1d(4, track_running_stats=True), (3, 4, 5)),
    ],
    ids=["batch", "batch_2d", "instance"],
)
def test_statistics_are_read_as_updated(tools, norm, shape):
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = copy.deepcopy(norm)

        def forward(self, x):
            return self.norm(x) + 1, self.norm.running_mean * 1, self.norm.running_var * 1

    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    graph = functionalize(tools.raw_graph(Model().train(), [x], training=True))
    for got, wanted in zip(tools.run_captured(graph, [x]), Model().train()(x), strict=True):
        torch.testing.assert_close(got, wanted)


def test_calls_of_modules_keep_their_equations(tools):
    graph = tools.raw_graph(
        torch.nn.Sequential(torch.nn.ReLU(inplace=True), Counter(), torch.nn.Tanh()), [torch.ones(4)]
    )
    result = functionalize(graph)
    inside = {c.path: [e.op.name for e in result.eqns[c.first : c.last]] for c in result.calls}
    assert inside == {
        "0": ["relu"],
        "1": ["add", "select_scatter", "mul"],
        "2": ["tanh"],
    }


def overlapping(x):
    y = x[0].expand(2, 4)
    torch.ops.aten.add_.Scalar(y[0], 1)
    return x


def test_a_write_through_repeated_elements_is_refused(tools):
    with pytest.raises(UnsafeMutation, match="can share memory"):
        functionalize(tools.raw_graph(Plain(overlapping), [x34()]))


def unclear_reshape(x):
    y = x.t().reshape(-1)
    y.add_(1)
    return x * 1, y


def unclear_source(x):
    y = x.t().reshape(-1)
    x.add_(1)
    return y * 1


def other_memory(x):
    y = x * 1
    y.set_(x)
    return y


@pytest.mark.parametrize("case", [unclear_reshape, unclear_source, other_memory])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_cannot_be_proved_is_refused(tools, case):
    with pytest.raises(UnsafeMutation) as caught:
        functionalize(tools.raw_graph(Plain(case), [x34()]))
    assert caught.value.where.function == case.__name__


def test_a_constant_that_holds_what_was_written_is_refused():
    """What it held before is lost; capture keeps this from happening with torch.tensor(...)."""
    tensor = torch.zeros(2).add_(1)
    constant = TensorLiteral(TorchTensor.of(tensor))
    out = Var(TensorType(DType.FLOAT32, (2,)))
    write = Eqn.of("aten::add_.Scalar", [("self", constant), ("other", 1), ("alpha", 1)], [out])
    graph = CapturedGraph((), (write,), (Output(out, "y"),))
    with pytest.raises(UnsafeMutation, match="constant"):
        functionalize(graph)


def unclear_but_not_read(x):
    y = x.t().reshape(-1)
    y.add_(1)
    y.view(4, 3)[0] = 3
    return y


def test_an_unclear_alias_is_fine_where_it_makes_no_difference(tools):
    tools.traced(unclear_but_not_read, x34())


def test_a_function_with_a_body_of_its_own(tools):
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    def f(x):
        y = Double.apply(x)
        y.add_(1)
        return y

    graph = functionalize(tools.raw_graph(Plain(f), [x34()]))
    assert ops(graph)[-1] == "add"


def test_an_assigned_value_keeps_its_dynamic_sizes(tools):
    class Model(torch.nn.Module):
        def forward(self, x, y):
            z = x * 1
            z[:] = y
            z[0] = y[None, None]
            z[torch.tensor([1, 2])] = y[None] * 2
            return z

    x, y = torch.ones(3, 4), torch.arange(4.0)
    graph = functionalize(tools.raw_graph(Model(), [x, y], dynamic_axes={"x": [0, 1], "y": [0]}))
    for rows, columns in ((3, 4), (5, 2)):
        call = torch.ones(rows, columns), torch.arange(float(columns)) + 1
        (result,) = tools.run_captured(graph, call)
        assert tools.same(result, Model()(*call))


def test_an_expansion_that_repeats_nothing_is_written_through(tools):
    def function(x, y):
        z = x * 1
        torch.broadcast_to(z, (z.shape[0], y.shape[0])).add_(y)
        z.unsqueeze(0).expand(1, -1, -1).mul_(2)
        return z

    args = torch.ones(3, 4), torch.arange(4.0)
    graph = functionalize(tools.raw_graph(Plain(function), args, dynamic_axes={"args.0": [0, 1], "args.1": [0]}))
    for rows, columns in ((3, 4), (5, 2)):
        call = torch.ones(rows, columns), torch.arange(float(columns))
        (result,) = tools.run_captured(graph, call)
        assert tools.same(result, function(*call))


@pytest.mark.parametrize(
    "text",
    [
        "v = x.t().long()\n    x.add_(1)\n    return v, x",
        "v = (x + 1).flip(0)\n    w = v.double()\n    v.add_(1)\n    return v, w",
        "v = torch.stack([x, x])\n    w = v.to(torch.int32)\n    v.neg_()\n    return v, w",
        "v = x > 1\n    w = v.float()\n    v.logical_not_()\n    return v, w",
    ],
)
def test_a_conversion_of_a_known_type_is_another_tensor(tools, text):
    script = torch.jit.CompilationUnit(f"def f(x):\n    {text}\n").f
    x = torch.arange(6.0).reshape(2, 3)
    graph = functionalize(tools.raw_graph(script, [x]))
    for got, wanted in zip(tools.run_captured(graph, [x]), script(x.clone()), strict=True):
        assert tools.same(got, wanted)


def test_a_source_that_shares_memory_is_refused(tools):
    def function(x):
        z = x * 1
        z.masked_scatter_(z > 0, z)
        return z

    with pytest.raises(UnsafeMutation, match="its source may share memory"):
        functionalize(tools.raw_graph(Plain(function), [torch.ones(3)]))


def test_a_shape_changed_in_place_is_not_missed_by_what_may_be_the_same_tensor(tools):
    script = torch.jit.CompilationUnit("def f(x, y):\n    v = x.type_as(y)\n    x.unsqueeze_(0)\n    return x, v\n").f
    with pytest.raises(UnsafeMutation, match="may or may not be the same one"):
        functionalize(tools.raw_graph(script, [torch.ones(3), torch.ones(3)]))


def test_loops_in_loops_with_a_name_that_moves_on(tools):
    text = """
def f(x):
    z = x * 1
    for i in range(2):
        for j in range(2):
            z[j] += 1
        z = z.clone()
    return z
"""
    script, x = torch.jit.CompilationUnit(text).f, torch.arange(6.0).reshape(2, 3)
    (result,) = tools.run_captured(functionalize(tools.raw_graph(script, [x])), [x])
    assert tools.same(result, script(x))
