"""``export_modules_as_functions``: calls of modules as local functions of the model."""

from __future__ import annotations

import io
from typing import Any

import onnx
import onnx.inliner
import onnxport
import onnxruntime
import pytest
import torch
from onnxport.errors import InvalidArgument, NeedsOpset
from onnxport.module_functions import annotated_attributes
from torch import Tensor, nn


class Block(nn.Module):
    """A layer with numbers of its own.

    The annotations are attributes of its function.
    """

    width: int
    kind: str
    sizes: list[int]
    on: bool
    ratio: float
    later: int
    other: object
    linear: nn.Linear

    def __init__(self, width: int = 8, scale: float = 0.5, eps: float = 1e-5) -> None:
        super().__init__()
        self.width, self.kind, self.sizes, self.on, self.ratio, self.other = width, "plain", [1, 2], True, 0.5, object()
        self.linear = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=eps)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(torch.relu(self.linear(x))) * self.scale + x.reshape(x.shape[0], -1, self.width)


class Net(nn.Module):
    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Sequential(nn.Linear(8, 3), nn.Softmax(-1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        for block in self.blocks:
            x = block(x)
        return self.head(x), x + 1


def export(model: nn.Module, *args: Any, functions: Any = True, **options: Any) -> onnx.ModelProto:
    """Export, verified on the example and checked, with one dynamic axis, and check the file."""
    options = {"dynamic_axes": {"x": {0: "n"}}, "verify": True, "check": True, **options}
    program = onnxport.export(model.eval(), args, export_modules_as_functions=functions, **options)
    assert program.verification is not None
    assert program.verification.problems == {}
    proto = program.model_proto
    onnx.checker.check_model(proto, full_check=True)
    return proto


def names(proto: onnx.ModelProto) -> list[str]:
    return [function.name for function in proto.functions]


def operators(proto: onnx.GraphProto | onnx.FunctionProto) -> list[str]:
    return [node.op_type for node in proto.node]


def test_each_module_is_a_function_and_equal_ones_share_it() -> None:
    proto = export(Net(Block(), Block(), Block()), torch.randn(2, 5, 8))
    assert names(proto) == [
        "Linear",
        "LayerNorm",
        "Block",
        "Softmax",
        "Sequential",
    ]
    assert operators(proto.graph) == ["Block", "Block", "Block", "Sequential", "Add"]
    first, second, *_ = proto.graph.node
    assert first.input[0] == "x"
    assert [name for name in second.input if name.startswith("blocks.1.")] == [
        "blocks.1.linear.weight.T",
        "blocks.1.linear.bias",
        "blocks.1.norm.weight",
        "blocks.1.norm.bias",
    ]
    block = proto.functions[2]
    assert (block.domain, proto.functions[0].domain) == (Block.__module__, "torch.nn.modules.linear")
    assert list(block.input)[1:] == ["linear.weight.T", "linear.bias", "norm.weight", "norm.bias"]
    assert {"Linear", "LayerNorm", "Relu"} <= set(operators(block))
    assert {entry.domain: entry.version for entry in proto.opset_import}[block.domain] == 1
    assert {entry.domain for entry in block.opset_import} == {
        "",
        "torch.nn.modules.linear",
        "torch.nn.modules.normalization",
    }


def test_a_set_of_types_chooses() -> None:
    proto = export(Net(Block(), Block()), torch.randn(2, 5, 8), functions={nn.Linear, nn.Softmax})
    assert names(proto) == ["Linear", "Softmax"]
    assert operators(proto.graph).count("Linear") == 3
    derived = type("Derived", (nn.Linear,), {})
    assert names(export(Net(Block()), torch.randn(2, 5, 8), functions=[derived])) == []


def test_false_and_an_empty_set_make_none() -> None:
    for functions in (False, set(), ()):
        assert names(export(Net(Block()), torch.randn(2, 5, 8), functions=functions)) == []


def test_annotated_variables_are_attributes_that_the_function_does_not_use() -> None:
    proto = export(Net(Block()), torch.randn(2, 5, 8), functions={Block})
    (function,) = proto.functions
    assert list(function.attribute) == ["width", "kind", "sizes", "on", "ratio"]
    found = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in proto.graph.node[0].attribute}
    assert found == {"width": 8, "kind": b"plain", "sizes": [1, 2], "on": 1, "ratio": 0.5}
    assert not [a for node in function.node for a in node.attribute if a.ref_attr_name]


def test_annotations_of_base_classes_count_and_those_of_every_module_do_not() -> None:
    class Base(nn.Module):
        depth: int = 3

    class Child(Base):
        names: tuple[str, ...] = ("a", "b")
        nothing: tuple[int, ...] = ()
        mixed: tuple[object, ...] = (1, "a")

    assert annotated_attributes(Child()) == {"depth": 3, "names": ("a", "b")}
    assert annotated_attributes(nn.Linear(2, 3)) == {"in_features": 2, "out_features": 3}


def test_numbers_in_which_calls_differ_are_inferred_attributes() -> None:
    model = Net(Block(scale=0.5, eps=1e-5), Block(scale=-2.0, eps=1e-2), Block(scale=-2.0, eps=1e-5))
    proto = export(model, torch.randn(2, 5, 8), functions={Block})
    (function,) = proto.functions
    inferred = [name for name in function.attribute if name.startswith("inferred::")]
    assert inferred == ["inferred::LayerNormalization_epsilon", "inferred::Mul_1"]
    values = [
        tuple(onnx.helper.get_attribute_value(a) for a in node.attribute if a.name.startswith("inferred::"))
        for node in proto.graph.node
        if node.op_type == "Block"
    ]
    assert values == [
        (pytest.approx(1e-5), 0.5),
        (pytest.approx(1e-2), -2.0),
        (pytest.approx(1e-5), -2.0),
    ]
    used = [a.ref_attr_name for node in function.node for a in node.attribute if a.ref_attr_name]
    assert sorted(used) == sorted(inferred)


def test_inferred_attributes_go_through_nested_functions() -> None:
    model = Net(Block(eps=1e-5), Block(eps=1e-2))
    proto = export(model, torch.randn(2, 5, 8))
    by_name = {function.name: function for function in proto.functions}
    assert "inferred::LayerNormalization_epsilon" in by_name["LayerNorm"].attribute
    (norm,) = [node for node in by_name["Block"].node if node.op_type == "LayerNorm"]
    given = {attribute.name: attribute.ref_attr_name for attribute in norm.attribute}
    assert given["inferred::LayerNormalization_epsilon"] in by_name["Block"].attribute
    assert given["eps"] in by_name["Block"].attribute


def test_zeros_of_either_sign_differ() -> None:
    class Sign(nn.Module):
        def __init__(self, zero: float) -> None:
            super().__init__()
            self.zero = zero

        def forward(self, x: Tensor) -> Tensor:
            return 1 / torch.maximum(x, x) * (x * 0 + 1) + torch.atan2(torch.full_like(x, self.zero), -x.abs() - 1)

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = Sign(0.0), Sign(-0.0)

        def forward(self, x: Tensor) -> Tensor:
            return self.a(x) + 2 * self.b(x)

    export(Both(), torch.rand(2, 3) + 1)


def test_shapes_and_strides_may_differ_too() -> None:
    class Convolutions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 3, 3, stride=1, padding=1), nn.Conv2d(3, 6, 5, stride=2)
            self.flat = nn.Flatten()

        def forward(self, x: Tensor) -> Tensor:
            return self.flat(self.b(self.a(x)))

    proto = export(Convolutions(), torch.randn(2, 3, 9, 9), functions={nn.Conv2d})
    assert names(proto) == ["Conv2d"]
    assert {"inferred::Conv_strides", "inferred::Conv_pads"} <= set(proto.functions[0].attribute)


def test_another_structure_is_another_function() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4, bias=False), nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.c(self.b(self.a(x)))

    proto = export(Two(), torch.randn(2, 4))
    assert names(proto) == ["Linear", "Linear.1"]
    assert operators(proto.graph) == ["Linear", "Linear.1", "Linear"]


def test_a_module_that_is_called_twice_and_tied_weights() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
            self.b.weight = self.a.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.b(self.a(self.a(x)))

    proto = export(Tied(), torch.randn(2, 4))
    assert operators(proto.graph) == ["Linear", "Linear", "Linear"]
    assert [node.input[1] for node in proto.graph.node] == ["a.weight"] * 3
    assert len(proto.graph.initializer) == 3


def test_sizes_that_modules_ask_for_are_their_own() -> None:
    class Pooled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.reshape(x.shape[0] * x.shape[1], x.shape[2]).sum(1).reshape(x.shape[0], x.shape[1], 1) + x

    proto = export(Net(Pooled(), Pooled()), torch.randn(2, 5, 8), dynamic_axes={"x": {0: "n", 1: "m"}})
    assert names(proto)[0] == "Pooled"
    assert [len(node.input) for node in proto.graph.node if node.op_type == "Pooled"] == [1, 1]


def test_several_outputs_and_a_result_used_inside_and_outside() -> None:
    class Pair(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            y = x * 2
            return y, y.relu()

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pair, self.drop = Pair(), nn.Dropout()

        def forward(self, x: Tensor) -> Tensor:
            a, b = self.pair(self.drop(x))
            return a + b

    proto = export(Model(), torch.randn(2, 4))
    assert names(proto) == ["Pair"]
    assert len(proto.graph.node[0].output) == 2


def test_large_constants_stay_in_the_graph() -> None:
    class Table(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.arange(1000.0) + torch.tensor([1.5])

    proto = export(nn.Sequential(Table(), Table()), torch.randn(2, 1000), dynamic_axes={"input": {0: "n"}})
    assert names(proto) == ["Table"]
    assert len(proto.functions[0].input) == 2


def test_branches_of_scripts_inside_of_functions() -> None:
    @torch.jit.script
    def choose(x: Tensor, y: Tensor) -> Tensor:
        if bool(x.sum() > 0):
            return x + y
        return x - y * 2

    class Choice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4))

        def forward(self, x: Tensor) -> Tensor:
            return choose(x, self.weight) * x

    model = nn.Sequential(Choice(), Choice())
    program = onnxport.export(
        model, (torch.ones(2, 4),), dynamic_axes={"input": {0: "n"}}, export_modules_as_functions=True, check=True
    )
    assert names(program.model_proto) == ["Choice"]
    assert "If" in operators(program.model_proto.functions[0])
    for x in (torch.rand(3, 4), -torch.rand(5, 4)):
        torch.testing.assert_close(program(x), model(x))


def test_scripted_models_have_functions_too() -> None:
    model = torch.jit.script(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3)))
    program = onnxport.export(model, (torch.randn(2, 3),), export_modules_as_functions=True, verify=True)
    assert [function.name for function in program.model_proto.functions] == ["Linear", "ReLU"]


@pytest.mark.parametrize(
    "options", [{"export_params": False}, {"keep_initializers_as_inputs": True}, {"optimize": False}]
)
def test_with_other_options(options: dict[str, bool]) -> None:
    proto = export(Net(Block(), Block()), torch.randn(2, 5, 8), **options)
    assert len(names(proto)) == 5


@pytest.mark.parametrize("opset", [15, 17, onnxport.NEWEST_OPSET])
def test_inlined_it_is_the_ordinary_graph(opset: int) -> None:
    model, x = Net(Block(eps=1e-3), Block(scale=3.0)), torch.randn(2, 5, 8)
    proto = export(model, x, opset_version=opset)
    inlined = onnx.inliner.inline_local_functions(proto)
    assert not inlined.functions
    feeds = {"x": x.numpy()}
    expected = [output.detach() for output in model(x)]
    for found in (proto, inlined):
        session = onnxruntime.InferenceSession(found.SerializeToString(), providers=["CPUExecutionProvider"])
        for ours, theirs in zip(session.run(None, feeds), expected, strict=True):
            torch.testing.assert_close(torch.from_numpy(ours), theirs, rtol=1e-4, atol=1e-5)


def test_two_exports_give_the_same_bytes() -> None:
    def content() -> bytes:
        torch.manual_seed(0)
        out = io.BytesIO()
        onnxport.export(Net(Block(), Block(eps=0.1)), (torch.ones(2, 5, 8),), out, export_modules_as_functions=True)
        return out.getvalue()

    assert content() == content()


def test_before_opset_15_there_are_no_functions() -> None:
    with pytest.raises(NeedsOpset, match="export_modules_as_functions needs ONNX opset 15, the target is 14") as caught:
        onnxport.export(nn.Linear(2, 2), (torch.ones(2),), export_modules_as_functions=True, opset_version=14)
    assert caught.value.code == "OXP102"


@pytest.mark.parametrize("value", [{"Linear"}, 1, None, nn.Linear, {int}])
def test_other_values_are_refused(value: Any) -> None:
    with pytest.raises(InvalidArgument, match="export_modules_as_functions="):
        onnxport.export(nn.Linear(2, 2), (torch.ones(2),), export_modules_as_functions=value)
