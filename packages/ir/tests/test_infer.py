from __future__ import annotations

import numpy as np
import onnx.shape_inference
import pytest
from onnxport_ir import Block, DimSource, DType, LazyTensor, Model, Node, SequenceType, SymDim, TensorType, Value
from onnxport_ir.infer import fill_types
from onnxport_ir.naming import finish_outputs

N = SymDim.named("n")


def forget(model: Model) -> None:
    for node in model.graph.all_nodes():
        for result in node.results:
            result.value_type = TensorType()


@pytest.mark.parametrize("maker", ["mlp", "branches"])
@pytest.mark.parametrize("opset", [11, 13, 20])
def test_forgotten_types_are_found_again(tools, maker, opset):
    model = getattr(tools, maker)(opset)
    finish_outputs(model)
    before = [result.value_type for node in model.graph.all_nodes() for result in node.results]
    forget(model)
    assert fill_types(model) == []
    after = [result.value_type for node in model.graph.all_nodes() for result in node.results]
    for known, found in zip(before, after, strict=True):
        assert found.dtype == known.dtype
    # onnx gives up the sizes of what a loop hands from turn to turn, and what Reshape finds for -1.
    if maker == "mlp":
        assert after[:3] == before[:3]
        assert after[3].shape[1:] == before[3].shape[1:]
    assert [node.name for node in model.graph.nodes] == [""] * len(model.graph.nodes)


def single(op: str, known: TensorType, *inputs: Value, **attributes) -> Model:
    node = Node(op, inputs, attributes, result_types=[known])
    return Model(Block([v for v in inputs if v.const is None], [node], [node.result]), {"": 17}, ir_version=8)


def test_what_is_known_stays_and_contradictions_are_told():
    x = Value(TensorType(DType.FLOAT32, (2, 3)))
    model = single("Relu", TensorType(DType.FLOAT32, None), x)
    assert fill_types(model) == []
    assert model.graph.outputs[0].value_type == TensorType(DType.FLOAT32, (2, 3))

    for known in (TensorType(None, (2, 4)), TensorType(None, (2, 3, 1))):
        model = single("Relu", known, x)
        (finding,) = fill_types(model)
        assert "f32[2,3] by onnx's inference" in finding
        assert model.graph.outputs[0].value_type == known


def test_open_sizes_are_filled_in_and_named_ones_stay():
    x = Value(TensorType(DType.FLOAT32, (N, 3)))
    open_size = DimSource().unknown()
    model = single("Relu", TensorType(DType.FLOAT32, (open_size, open_size)), x)
    fill_types(model)
    assert model.graph.outputs[0].shape == (N, 3)
    model = single("Relu", TensorType(None, (SymDim.named("m"), 3)), x)
    fill_types(model)
    assert model.graph.outputs[0].value_type == TensorType(DType.FLOAT32, (SymDim.named("m"), 3))


def test_sizes_nobody_knows_differ_from_those_of_an_earlier_run():
    x = Value(TensorType(DType.FLOAT32, (4,)))
    first = Node("NonZero", [x])
    graph = Block([x], [first], [first.result])
    model = Model(graph, {"": 17}, ir_version=8)
    fill_types(model)
    assert first.result.dtype is DType.INT64
    assert first.result.shape[0] == 1
    assert not first.result.shape[1].is_printable
    second = Node("NonZero", [x])
    graph.nodes.append(second)
    graph.outputs.append(second.result)
    fill_types(model)
    assert second.result.shape[1] != first.result.shape[1]


def test_shape_values_are_followed_through_small_constants():
    x = Value(TensorType(DType.FLOAT32, (N, 6)))
    shape = Node("Shape", [x])
    first = Node("Gather", [shape.result, Value.of(np.array([0], np.int64))], {"axis": 0})
    target = Node("Concat", [first.result, Value.of(np.array([2, 3], np.int64))], {"axis": 0})
    reshaped = Node("Reshape", [x, target.result])
    model = Model(Block([x], [shape, first, target, reshaped], [reshaped.result]), {"": 17}, ir_version=8)
    assert fill_types(model) == []
    assert reshaped.result.value_type == TensorType(DType.FLOAT32, (N, 2, 3))


def test_weights_are_not_read(tools):
    def fail(_array):
        raise AssertionError("a weight was read")

    model = tools.mlp(width=1000)
    weight = model.graph.constants()[0]
    weight.const = LazyTensor(weight.const, fail, DType.FLOAT32, weight.const.shape)
    forget(model)
    assert fill_types(model) == []
    assert model.graph.nodes[0].result.shape == (SymDim.named("batch"), 1000)


def test_sequences():
    x = Value(TensorType(DType.FLOAT32, (N, 6)))
    node = Node("SplitToSequence", [x], {"axis": 0})
    model = Model(Block([x], [node], [node.result]), {"": 17}, ir_version=8)
    assert fill_types(model) == []
    assert isinstance(node.result.value_type, SequenceType)
    assert node.result.value_type.element.dtype is DType.FLOAT32


def test_a_failure_of_the_inference_is_a_finding(tools, monkeypatch):
    def fail(*_args, **_kwargs):
        raise RuntimeError("out of order")

    monkeypatch.setattr(onnx.shape_inference, "infer_shapes", fail)
    model = tools.mlp()
    assert fill_types(model) == []  # nothing is open
    forget(model)
    assert fill_types(model) == ["onnx's shape inference failed: out of order"]
