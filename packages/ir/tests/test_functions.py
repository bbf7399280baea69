"""Local functions made of runs of nodes."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnxport_ir import Block, DType, Model, Node, TensorType, Value
from onnxport_ir.errors import InternalError, NeedsOpset
from onnxport_ir.naming import assign_names, finish_outputs
from onnxport_ir.passes.functions import FunctionCall, extract_functions
from onnxport_ir.proto import to_proto

VECTOR = TensorType(DType.FLOAT32, (2,))


def layer(x: Value, weight: float, name: str, factor: float = 2.0, slope: float = 0.5) -> list[Node]:
    """``leaky_relu(x * weight, slope) * factor``."""
    constant = Value.weight(Value.of(np.full(2, weight, np.float32)).const, f"{name}.weight")
    first = Node("Mul", [x, constant], result_types=[VECTOR])
    second = Node("LeakyRelu", [first.result], {"alpha": slope}, result_types=[VECTOR])
    third = Node("Mul", [second.result, Value.of(np.float32(factor))], result_types=[VECTOR])
    return [first, second, third]


def stack(*settings: dict[str, float], opset: int = 18) -> tuple[Model, list[FunctionCall]]:
    """Layers one after the other, and a call for each."""
    x = value = Value(VECTOR, name="x")
    calls, nodes = [], []
    for index, options in enumerate(settings):
        made = layer(value, index + 1.0, f"layers.{index}", **options)
        calls.append(FunctionCall(f"layers.{index}", "module", "Layer", made))
        nodes += made
        value = made[-1].result
    model = Model(Block([x], nodes, [value]), {"": opset}, ir_version=8)
    finish_outputs(model, ["y"])
    return model, calls


def run(model: Model) -> np.ndarray:
    assign_names(model)
    session = onnxruntime.InferenceSession(to_proto(model).SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": np.array([1.0, -1.0], np.float32)})[0]


def test_equal_calls_share_a_function():
    model, calls = stack({}, {})
    expected = run(stack({}, {})[0])
    assert extract_functions(model, calls) == 1
    assert [node.op_type for node in model.graph.nodes] == ["Layer", "Layer"]
    assert [operand.name for operand in model.graph.nodes[1].operands[1:]] == ["layers.1.weight"]
    (function,) = model.functions.values()
    assert [value.name for value in function.body.inputs][1:] == ["weight"]
    np.testing.assert_array_equal(run(model), expected)


def test_numbers_that_differ_are_attributes_and_the_others_are_not():
    settings = {"factor": 3.0}, {"factor": 4.0}
    model, calls = stack(*settings)
    extract_functions(model, calls)
    (function,) = model.functions.values()
    assert list(function.attributes) == ["inferred::Mul_1"]
    assert [dict(node.attributes) for node in model.graph.nodes] == [{"inferred::Mul_1": 3.0}, {"inferred::Mul_1": 4.0}]
    np.testing.assert_array_equal(run(model), run(stack(*settings)[0]))


def test_calls_inside_of_calls():
    model, calls = stack({}, {"slope": 0.25})
    whole = FunctionCall("layers", "module", "Layers", [node for call in calls for node in call.nodes])
    extract_functions(model, [whole, *calls])
    assert [key[1] for key in model.functions] == ["Layer", "Layers"]
    assert [node.op_type for node in model.graph.nodes] == ["Layers"]
    outer = model.functions["module", "Layers", ""]
    assert [node.op_type for node in outer.body.nodes] == ["Layer", "Layer"]
    assert outer.opset_imports == {"module": 1, "": 18}
    assert not model.graph.nodes[0].attributes
    np.testing.assert_array_equal(run(model), run(stack({}, {"slope": 0.25})[0]))


def test_a_call_whose_nodes_are_gone_has_no_function():
    model, calls = stack({})
    dead = FunctionCall("dead", "module", "Dead", [Node("Relu", [model.graph.inputs[0]])])
    unread = Node("Relu", [model.graph.inputs[0]])
    model.graph.nodes.append(unread)
    assert extract_functions(model, [*calls, dead, FunctionCall("unread", "module", "Unread", [unread])]) == 1


def test_nodes_that_are_not_together_are_refused():
    model, calls = stack({})
    first, _, third = calls[0].nodes
    with pytest.raises(InternalError, match="not together"):
        extract_functions(model, [FunctionCall("a", "module", "A", [first, third])])


def test_before_opset_15_there_are_no_functions():
    with pytest.raises(NeedsOpset):
        extract_functions(*stack({}, opset=14))
