"""Operators that are made in Python: ``torch.library``."""

from __future__ import annotations

import onnx
import onnxport
import pytest
import torch

from tests.custom.harness import Apply, check, ops, registered


@torch.library.custom_op("onnxport_tests::shifted", mutates_args=())
def shifted(x: torch.Tensor, by: float, axes: list[int], label: str = "none") -> torch.Tensor:
    return x + by


@torch.library.custom_op("onnxport_tests::pair", mutates_args=())
def pair(xs: list[torch.Tensor], scale: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    total = sum(xs) * (1 if scale is None else scale)
    return total, (total > 0).to(torch.int32)


@torch.library.custom_op("onnxport_tests::add_to", mutates_args=("x",))
def add_to(x: torch.Tensor, value: float) -> None:
    x.add_(value)


def test_an_operator_with_a_symbolic_function():
    def symbolic(g, x, by, axes, label):
        assert onnxport.symbolic_helper._parse_arg(axes, "is") == [0, 1]
        assert onnxport.symbolic_helper._parse_arg(label, "s") == "none"
        return g.op("Add", x, by)

    with registered("onnxport_tests::shifted", symbolic):
        model = Apply(lambda x: shifted(x, 0.5, [0, 1]) * 2)
        proto = check(model, torch.randn(2, 3), inputs=(torch.randn(2, 3),))
    assert ops(proto) == ["Add", "Mul"]


def test_an_operator_is_kept_with_its_arguments():
    model = Apply(lambda x: shifted(x, 0.5, [0, 1], label="here").relu())
    proto = onnxport.export(model, torch.randn(2, 3), custom="keep").model_proto
    assert ops(proto) == ["onnxport_tests::shifted", "Relu"]
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in proto.graph.node[0].attribute}
    assert attributes == {"by": 0.5, "axes": [0, 1], "label": b"here"}


def test_lists_of_tensors_and_several_results_are_kept():
    def model(x, y):
        total, sign = pair([x, y, x])
        return total.exp(), sign + 1

    proto = onnxport.export(Apply(model), (torch.randn(2), torch.randn(2)), custom="keep").model_proto
    node = proto.graph.node[0]
    assert node.op_type == "pair"
    assert len(node.input) == 3
    assert len(node.output) == 2
    kinds = [output.type.tensor_type.elem_type for output in proto.graph.output]
    assert kinds == [onnx.TensorProto.FLOAT, onnx.TensorProto.INT32]


def test_what_a_node_cannot_say_is_refused():
    model = Apply(lambda x, y: pair([x, y], x)[0])
    with pytest.raises(onnxport.errors.UnsupportedCase, match="could not be told"):
        onnxport.export(model, (torch.randn(2), torch.randn(2)), custom="keep")


def test_an_operator_that_writes_is_refused():
    def model(x):
        y = x * 2
        add_to(y, 1.0)
        return y

    with pytest.raises(onnxport.OnnxExporterError, match="add_to"):
        onnxport.export(Apply(model), torch.randn(2), custom="keep")


def test_calls_of_operators_are_not_merged():
    @torch.library.custom_op("onnxport_tests::noise", mutates_args=())
    def noise(x: torch.Tensor) -> torch.Tensor:
        return torch.randn_like(x)

    model = Apply(lambda x: noise(x) - noise(x))
    proto = onnxport.export(model, torch.randn(2), custom="keep").model_proto
    assert ops(proto) == ["onnxport_tests::noise", "onnxport_tests::noise", "Sub"]


def test_keep_does_not_touch_what_torch_has():
    with pytest.raises(onnxport.OnnxExporterError, match="aten::_foobar"):
        onnxport.export(Apply(torch.ops.aten._foobar), torch.rand(2), custom="keep")


def test_custom_is_one_of_two():
    with pytest.raises(onnxport.errors.InvalidArgument, match="custom='drop'"):
        onnxport.export(Apply(torch.relu), torch.rand(2), custom="drop")


LIBRARY = torch.library.Library("onnxport_lists", "DEF")
LIBRARY.define("halves(Tensor x) -> Tensor[]")
LIBRARY.impl("halves", lambda x: [x.relu(), x.neg()], "CompositeExplicitAutograd")


def test_a_list_of_results_is_said_by_a_symbolic_function_only():
    model = Apply(lambda x: tuple(torch.ops.onnxport_lists.halves(x)))
    with pytest.raises(onnxport.errors.UnsupportedCase, match="it gives a list of tensors"):
        onnxport.export(model, torch.randn(3), custom="keep")
    with registered("onnxport_lists::halves", lambda g, x: [g.op("Relu", x), g.op("Neg", x)]):
        check(model, torch.randn(3), inputs=(torch.randn(3),))
