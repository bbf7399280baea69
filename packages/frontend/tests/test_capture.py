"""Capturing modules by tracing: equations, weights, places, structure."""

import inspect
from collections import namedtuple
from dataclasses import dataclass

import pytest
import torch
from onnxport_frontend import Captured, capture
from onnxport_ir.captured import TensorLiteral, Var, walk
from onnxport_ir.captured_text import check_graph
from onnxport_ir.dims import SymDim
from onnxport_ir.dtypes import DType
from onnxport_ir.types import TensorType
from torch import nn


def line_of(text: str) -> int:
    """The line of this file that contains ``text`` first, beyond this function."""
    lines = inspect.getsource(inspect.getmodule(line_of)).split("\n")
    return next(number for number, line in enumerate(lines, 1) if text in line)


def checked(*args, **kwargs) -> Captured:
    captured = capture(*args, **kwargs)
    check_graph(captured.graph)
    return captured


def ops(captured: Captured) -> list[str]:
    return [str(eqn.op) for eqn in captured.graph.eqns]


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.register_buffer("offset", torch.ones(4), persistent=False)
        self.plain = torch.full((4,), 7.0)

    def forward(self, x):
        return self.linear(x) + self.offset * self.plain  # the line of Inner


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4))
        self.inner = Inner()
        self.again = self.inner
        self.tied = nn.Linear(4, 4, bias=False)
        self.tied.weight = self.weight
        self.unused = nn.Linear(2, 2)

    def forward(self, x, y=None):
        x = self.again(self.inner(x))
        return self.tied(x) @ self.weight


def test_weights_have_their_state_dict_names_once():
    model = Outer()
    captured = checked(model, (torch.randn(2, 4),))
    params = {param.name: param for param in captured.graph.params}
    # Module attribute order, each module's own tensors first; tied ones under their first name, unused ones not at all.
    assert list(params) == ["weight", "inner.offset", "inner.linear.weight", "inner.linear.bias"] or list(params) == [
        "weight",
        "inner.linear.weight",
        "inner.linear.bias",
        "inner.offset",
    ]
    assert params["weight"].aliases == ("tied.weight",)
    assert params["inner.linear.weight"].aliases == ("again.linear.weight",)
    assert params["inner.offset"].is_buffer
    assert not params["weight"].is_buffer
    for name, param in params.items():
        owner, _, attribute = name.rpartition(".")
        assert param.tensor.numpy().ctypes.data == getattr(model.get_submodule(owner), attribute).data_ptr()


def test_params_are_in_state_dict_order():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.BatchNorm1d(3)
            self.second = nn.Linear(3, 3)

        def forward(self, x):
            return self.first(self.second(x))

    model = Model().eval()
    captured = checked(model, (torch.randn(2, 3),))
    assert [p.name for p in captured.graph.params] == [k for k in model.state_dict() if "num_batches" not in k]


def test_calls_places_and_classes():
    captured = checked(Outer(), (torch.randn(2, 4),))
    linears = [eqn for eqn in captured.graph.eqns if eqn.op.name == "linear"]
    assert [eqn.place.module for eqn in linears] == ["inner.linear", "inner.linear", "tied"]
    assert {eqn.place.line for eqn in linears[:2]} == {line_of("# the line of " + "Inner")}
    assert linears[0].place.file == __file__
    assert linears[0].place.function == "forward"
    assert captured.graph.module_classes["inner"] == "Inner"
    assert captured.graph.module_classes["inner.linear"] == "Linear"
    assert captured.graph.name == "Outer"
    calls = [(call.path, call.class_name.rpartition(".")[2]) for call in captured.graph.calls]
    assert calls == [("inner", "Inner"), ("inner.linear", "Linear")] * 2 + [("tied", "Linear")]
    for call in captured.graph.calls:
        inside = [eqn.place.module for eqn in captured.graph.eqns[call.first : call.last]]
        assert inside
        assert all(path == call.path or path.startswith(call.path + ".") for path in inside)


def test_arguments_are_bound_by_schema():
    class Model(nn.Module):
        def forward(self, x):
            return torch.zeros(2, 3).to(torch.float16) + x.sum(1, keepdim=True)

    zeros, to, total, add = checked(Model(), (torch.randn(2, 3),)).graph.eqns
    assert str(total.op) == "aten::sum.dim_IntList"
    assert total.names == ("self", "dim", "keepdim", "dtype")
    assert total.args[1:] == ((1,), True, None)
    assert dict(zip(to.names, to.args, strict=True))["dtype"] is DType.FLOAT16
    assert dict(zip(zeros.names, zeros.args, strict=True))["size"] == (2, 3)
    assert dict(zip(zeros.names, zeros.args, strict=True))["device"].name == "cpu"
    assert add.names == ("self", "other", "alpha")


def test_python_numbers_are_told_from_tensors():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.two = torch.tensor(2.0, dtype=torch.float64)

        def forward(self, x):
            return (x + 1) * 2.5 - self.two

    add, mul, sub = checked(Model(), (torch.randn(3),)).graph.eqns
    assert isinstance(add.args[1], TensorLiteral)
    assert [eqn.args[1].wrapped_number for eqn in (add, mul, sub)] == [True, True, False]
    assert add.args[1].tensor.numpy() == 1


def test_sizes_are_facts_only_where_no_dynamic_axis_reaches():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(5, 3))

        def forward(self, x, y):
            return x.relu(), y.relu(), self.weight.t().relu(), y.nonzero(), y[y > 0], y[torch.tensor([0, 0])]

    captured = checked(Model(), (torch.randn(2, 3), torch.ones(4)), dynamic_axes={"x": {0: "n"}})
    x, y = captured.graph.inputs
    assert x.var.type == TensorType(DType.FLOAT32, (SymDim.named("n"), 3))
    assert x.var.type.shape[0].hint == 2
    assert y.var.type == TensorType(DType.FLOAT32, (4,))
    shapes = [output.value.type.shape for output in captured.graph.outputs]
    assert [dim.hint for dim in shapes[0]] == [2, 3]
    assert not any(dim.is_printable for dim in shapes[0])
    assert shapes[1] == (4,)
    assert shapes[2] == (3, 5)
    assert isinstance(shapes[3][0], SymDim)
    assert isinstance(shapes[4][0], SymDim)
    assert shapes[5] == (2,)


def test_sizes_that_are_computed_from_elements_are_no_facts():
    class Model(nn.Module):
        def forward(self, x, y):
            return torch.zeros(y.max()), x[: y.max()], x[: y.shape[0]]

    captured = checked(Model(), (torch.randn(9), torch.tensor([1, 3])))
    shapes = [output.value.type.shape for output in captured.graph.outputs]
    assert isinstance(shapes[0][0], SymDim)
    assert isinstance(shapes[1][0], SymDim)
    assert shapes[2] == (2,)


def test_lstm():
    model = nn.LSTM(4, 3, num_layers=2, bidirectional=True).eval()
    captured = checked(model, (torch.randn(5, 2, 4),), dynamic_axes={"input": {1: "batch"}})
    (lstm,) = [eqn for eqn in captured.graph.eqns if eqn.op.name == "lstm"]
    arguments = dict(zip(lstm.names, lstm.args, strict=True))
    assert len(arguments["params"]) == 16
    assert all(isinstance(var, Var) for var in arguments["params"])
    assert arguments["num_layers"] == 2
    assert len(captured.graph.params) == 16
    assert [output.name for output in captured.graph.outputs] == ["output_0", "output_1.0", "output_1.1"]
    result = captured.signature.unflatten([1, 2, 3])
    assert result == (1, (2, 3))


Point = namedtuple("Point", "left right")


@dataclass
class Batch:
    image: torch.Tensor
    scale: float
    extra: list


class Holder:
    """No container that anyone has registered."""

    def __init__(self, keys):
        self.keys = keys
        self.label = "a"


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ({"a": torch.ones(2), "b": {"c": torch.ones(2)}}, ["x.a", "x.b.c"]),
        (Point(torch.ones(2), 3.0), ["x.left"]),
        (Batch(torch.ones(2), 2.0, [torch.ones(2), None]), ["x.image", "x.extra.0"]),
        ([torch.ones(2), (torch.ones(2), "text")], ["x.0", "x.1.0"]),
        (Holder([torch.ones(2), torch.ones(2)]), ["x.keys.0", "x.keys.1"]),
        (torch.ones(2), ["x"]),
    ],
    ids=["dict", "namedtuple", "dataclass", "list", "object", "tensor"],
)
def test_structures_in_and_out(value, names):
    class Model(nn.Module):
        def forward(self, *, x, flag=None):
            self.seen = type(x), flag
            return x

    model = Model()
    captured = checked(model, (), {"x": value})
    assert [item.name for item in captured.graph.inputs] == names
    flat = captured.signature.flatten((), {"x": value})
    assert list(flat) == names
    # The inputs are the outputs here, in the same structure.
    assert [output.value for output in captured.graph.outputs] == [item.var for item in captured.graph.inputs]
    result = captured.signature.unflatten(list(flat.values()))
    assert type(result) is type(value)
    if not isinstance(value, Holder):
        assert repr(result) == repr(value)
    else:
        assert result.keys[1] is value.keys[1]
        assert result.label == "a"
    assert not hasattr(model, "seen")


def test_positional_and_keyword_calls_are_the_same():
    class Model(nn.Module):
        def forward(self, x, scale=2.0, *rest, mask=None):
            return x * scale + sum(rest) + mask

    ones = torch.ones(2)
    captured = checked(Model(), (ones, 2.0, ones), {"mask": ones})
    assert [item.name for item in captured.graph.inputs] == ["x", "rest.0", "mask"]
    assert list(captured.signature.flatten((ones, 2.0, ones), {"mask": ones})) == ["x", "rest.0", "mask"]
    plain = checked(Model(), (ones,), {"mask": ones})
    by_keyword = plain.signature.flatten((), {"mask": ones, "x": ones * 2})
    assert torch.equal(by_keyword["x"], ones * 2)
    plain.signature.flatten((ones, 2.0), {"mask": ones})
    with pytest.raises(ValueError, match=r"scale is 3\.0, the model was exported with 2\.0"):
        plain.signature.flatten((ones, 3.0), {"mask": ones})
    with pytest.raises(ValueError, match="mask is missing"):
        plain.signature.flatten((ones,))


def test_outputs_that_are_inputs_parameters_and_constants():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))
            self.plain = torch.zeros(2)

        def forward(self, x):
            return {"x": x, "w": self.weight, "c": self.plain, "n": None, "k": 3}

    captured = checked(Model(), (torch.ones(1),))
    x, w, c = (output.value for output in captured.graph.outputs)
    assert x is captured.graph.inputs[0].var
    assert w is captured.graph.params[0].var
    assert isinstance(c, TensorLiteral)
    assert [output.name for output in captured.graph.outputs] == ["x_1", "w", "c"]
    assert captured.signature.unflatten([1, 2, 3]) == {"x": 1, "w": 2, "c": 3, "n": None, "k": 3}


def test_one_tensor_passed_twice_is_two_inputs():
    class Model(nn.Module):
        def forward(self, a, b, unused):
            return a - 2 * b

    x = torch.ones(3)
    captured = checked(Model(), (x, x, x))
    assert [item.name for item in captured.graph.inputs] == ["a", "b", "unused"]
    mul, sub = captured.graph.eqns
    assert sub.args[0] is captured.graph.inputs[0].var
    assert mul.args[0] is captured.graph.inputs[1].var or mul.args[1] is captured.graph.inputs[1].var


def test_lists_that_operators_return_stay_lists():
    class Model(nn.Module):
        def forward(self, x):
            a, b = x.split(2)
            return a + b

    assert ops(checked(Model(), (torch.ones(4),))) == ["aten::split.Tensor", "prim::ListUnpack", "aten::add.Tensor"]


def test_autograd_function_keeps_its_class_and_its_body():
    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            return x * factor

        @staticmethod
        def backward(ctx, gradient):
            return gradient, None

    class Model(nn.Module):
        def forward(self, x):
            return Scale.apply(x, 3) + 1

    captured = checked(Model(), (torch.ones(2),))
    call, _ = captured.graph.eqns
    assert str(call.op) == "prim::PythonOp"
    name, x, factor = call.args
    assert captured.functions[name] is Scale
    assert (x, factor) == (captured.graph.inputs[0].var, 3)
    assert [str(eqn.op) for eqn in walk(captured.graph.eqns)][1] == "aten::mul.Tensor"
    (body,) = call.blocks
    assert len(body.outputs) == len(call.outputs) == 1


def test_truth_values_as_scalars():
    class Model(nn.Module):
        def forward(self, x):
            mask = torch.full((3,), True)
            return torch.where((x > 0) == True, mask ^ True, False), mask.masked_fill(x > 0, False)  # noqa: E712 - the operator is meant

    x = torch.tensor([1.0, -1.0, 2.0])
    captured = checked(Model(), (x,))
    for found, wanted in zip(captured.example_outputs, Model()(x), strict=True):
        assert found.dtype == wanted.dtype
        assert torch.equal(found, wanted)


def test_constants_that_the_model_writes_to():
    class Model(nn.Module):
        def forward(self, x):
            before = torch.tensor([1.0, 2.0])
            y = x * before
            before += 1
            after = torch.tensor([1.0, 2.0])
            after[0] = 7
            return y, x * after

    captured = checked(Model(), (torch.ones(2),))
    literals = [arg for eqn in captured.graph.eqns for arg in eqn.args if isinstance(arg, TensorLiteral)]
    held = [literal.tensor.numpy().tolist() for literal in literals if literal.tensor.shape == (2,)]
    assert held
    assert all(values == [1.0, 2.0] for values in held)


def test_export_flag_is_set_only_while_the_model_runs():
    class Model(nn.Module):
        def forward(self, x):
            return x + 1 if torch.onnx.is_in_onnx_export() else x - 1

    captured = checked(Model(), (torch.zeros(1),))
    assert captured.example_outputs[0].item() == 1
    assert not torch.onnx.is_in_onnx_export()


def test_attention_stays_in_plain_operators():
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2).eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    names = ops(checked(model, (torch.randn(2, 3, 8),)))
    assert not any("_transformer_encoder" in name or "_native_multi_head" in name for name in names)
    assert torch.backends.mha.get_fastpath_enabled()


def test_training_mode():
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(), nn.BatchNorm1d(3))
    trained = checked(model, (torch.randn(4, 3),), training=True)
    (dropout,) = [eqn for eqn in trained.graph.eqns if eqn.op.name == "dropout"]
    assert dropout.args[2] is True
    model.train()
    model[1].eval()
    mixed = checked(model, (torch.randn(4, 3),))
    assert not any(eqn.op.name == "dropout" and eqn.args[2] for eqn in mixed.graph.eqns)
    assert [module.training for module in model] == [True, False, True]
    evaluated = checked(model, (torch.randn(4, 3),), training=False)
    (norm,) = [eqn for eqn in evaluated.graph.eqns if eqn.op.name == "batch_norm"]
    assert dict(zip(norm.names, norm.args, strict=True))["training"] is False
    assert [module.training for module in model] == [True, False, True]


def test_findings():
    class Model(nn.Module):
        def forward(self, x):
            if x.sum() > 0:  # the line of the branch
                return x * int(x[0])
            return x

    captured = checked(Model(), (torch.ones(3),))
    branch, number = captured.findings
    assert branch.kind == "bool"
    assert branch.place.line == line_of("# the line of the " + "branch")
    assert branch.place.file == __file__
    assert not branch.in_library
    assert number.kind == "int"
