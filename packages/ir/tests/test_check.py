from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnxport_ir import ArrayTensor, Block, DType, Model, Node, RefAttr, TensorType, Value
from onnxport_ir.check import check_model
from onnxport_ir.errors import InternalError, Place


def test_sound_models_pass(any_model):
    check_model(any_model)


def test_unnamed_models_pass(tools):
    check_model(tools.mlp())
    check_model(tools.branches())


def refused(model: Model, message: str) -> str:
    with pytest.raises(InternalError) as caught:
        check_model(model)
    assert message in str(caught.value)
    return str(caught.value)


def test_a_value_read_before_it_is_defined_with_its_neighbourhood(tools):
    model = tools.finished(tools.mlp())
    nodes = model.graph.nodes
    nodes[1], nodes[2] = nodes[2], nodes[1]
    text = refused(model, "before it is defined")
    assert "->%/act.0/Relu_output_0:f32[batch,3] = Relu(%/fc/Add_output_0)  # module act.0" in text
    assert "%/fc/MatMul_output_0:f32[batch,3] = MatMul(%x, %fc.weight)" in text
    assert "at module act.0" in text


def test_a_value_of_another_block(tools):
    model = tools.branches()
    then_branch, else_branch = model.graph.nodes[1].blocks()
    else_branch.outputs[0] = then_branch.nodes[0].result
    refused(model, "which is only visible in another block")


def test_a_value_of_a_block_is_not_visible_after_it(tools):
    model = tools.branches()
    (body,) = model.graph.nodes[0].blocks()
    model.graph.outputs.append(body.nodes[0].result)
    refused(model, "which is only visible in another block")


def test_an_output_that_nothing_defines(tools):
    model = tools.mlp()
    model.graph.outputs.append(Value(TensorType(DType.FLOAT32, ())))
    refused(model, "the outputs of the graph reads")


def test_a_value_defined_twice(tools):
    model = tools.mlp()
    model.graph.nodes.append(model.graph.nodes[0])
    refused(model, "defines <value: f32[batch,3]> a second time")
    model = tools.mlp()
    model.graph.inputs.append(model.graph.inputs[0])
    refused(model, "the inputs of the graph defines <x: f32[batch,4]> a second time")


def test_a_constant_as_input(tools):
    model = tools.mlp()
    model.graph.inputs.append(model.graph.constants()[0])
    refused(model, "which is a constant")


def test_a_result_of_another_node(tools):
    model = tools.mlp()
    model.graph.nodes[0].results[0].producer = model.graph.nodes[1]
    refused(model, "as its producer")


def test_equal_names(tools):
    model = tools.finished(tools.mlp())
    model.graph.nodes[0].result.name = "fc.weight"
    refused(model, "several values are called fc.weight")
    model = tools.finished(tools.mlp())
    model.graph.nodes[0].name = model.graph.nodes[1].name
    refused(model, "several nodes are called /fc/Add")


def test_an_input_without_element_type(tools):
    model = tools.mlp()
    model.graph.inputs[0].value_type = TensorType()
    refused(model, "the element type of <x: ?[...]>")


def one_node(op: str, operands: int = 1, results: int = 1, opset: int = 17, domain: str = "", **attributes) -> Model:
    inputs = [Value(TensorType(DType.FLOAT32, (2, 2)), name=f"x{number}") for number in range(operands)]
    node = Node(op, inputs, attributes, result_types=[inputs[0].value_type] * results, domain=domain, place=Place("m"))
    return Model(Block(inputs, [node], node.results), {"": opset, "custom": 1}, ir_version=8)


GOOD = [
    one_node("Relu"),
    one_node("Concat", 3, axis=0),
    one_node("Squeeze", opset=11, axes=(0,)),
    one_node("Squeeze", 2, opset=13),
    one_node("LeakyRelu", alpha=0.5),
    one_node("Split", 1, 2, opset=11, split=()),
    one_node("Anything", 4, 2, domain="custom", whatever=1),
    one_node("Upsample", opset=7, scales=(1.0, 2.0), mode="nearest"),
    one_node("ConstantOfShape", value=ArrayTensor.of([1.0])),
    one_node("LeakyRelu", alpha=RefAttr("slope", onnx.AttributeProto.FLOAT)),
]


@pytest.mark.parametrize("model", GOOD, ids=lambda model: model.graph.nodes[0].op_type)
def test_nodes_as_their_schemas_want_them(model):
    check_model(model)


BAD = [
    (one_node("Nonsense"), "ONNX has no operator Nonsense at opset 17"),
    (one_node("LayerNormalization", 2, opset=16), "no operator LayerNormalization at opset 16"),
    (one_node("Upsample", opset=17), "Upsample is deprecated at opset 17"),
    (one_node("Relu", 2), "has 2 inputs, Relu takes 1 to 1"),
    (one_node("Relu", 1, 2), "has 2 outputs, Relu takes 1 to 1"),
    (one_node("Squeeze", opset=13, axes=(0,)), "has an attribute axes, which Squeeze has not at opset 13"),
    (one_node("Concat", 2), "has no attribute axis, which Concat needs"),
    (one_node("Concat", 2, axis=1.0), "is 1.0, it must be INT"),
    (one_node("Concat", 2, axis=(1,)), "is (1,), it must be INT"),
    (one_node("LeakyRelu", alpha=1), "is 1, it must be FLOAT"),
    (one_node("Transpose", perm=(0.0, 1.0)), "it must be INTS"),
    (one_node("Cast", to="float"), "it must be INT"),
    (one_node("Upsample", opset=7, scales=(1.0, 2.0), mode=2), "it must be STRING"),
    (one_node("Constant", 1, value=3), "has 1 inputs"),
    (one_node("If", 1, then_branch=1, else_branch=2), "it must be GRAPH"),
    (one_node("ConstantOfShape", 1, value=(0,)), "it must be TENSOR"),
    (one_node("LeakyRelu", alpha=RefAttr("slope", onnx.AttributeProto.INT)), "it must be FLOAT"),
    (one_node("Relu", domain="unknown.domain"), "operator set that the model does not import"),
]


@pytest.mark.parametrize(("model", "message"), BAD, ids=[message for _, message in BAD])
def test_nodes_that_do_not_fit_their_schema(model, message):
    text = refused(model, message)
    assert "  ->%v" in text
    assert "module m" in text


def test_operands_that_are_left_out():
    x = Value(TensorType(DType.FLOAT32, (2,)), name="x")
    clip = Node("Clip", [x, None, None], result_types=[x.value_type])
    check_model(Model(Block([x], [clip], [clip.result]), {"": 17}, ir_version=8))
    add = Node("Add", [None, x], result_types=[x.value_type])
    refused(Model(Block([x], [add], [add.result]), {"": 17}, ir_version=8), "leaves out A, which Add needs")


def test_faults_inside_blocks_and_functions(tools):
    model = tools.branches()
    (body,) = model.graph.nodes[0].blocks()
    body.nodes[0].attributes["nonsense"] = 1
    refused(model, "has an attribute nonsense")
    model = tools.functions()
    next(iter(model.functions.values())).body.nodes[0].attributes["nonsense"] = 1
    refused(model, "has an attribute nonsense")


def test_a_function_cannot_see_the_graph(tools):
    model = tools.functions()
    body = next(iter(model.functions.values())).body
    body.nodes[0].operands = (model.graph.inputs[0], Value.of(np.float32(1)))
    refused(model, "before it is defined")


def test_functions_need_their_ir_version(tools):
    model = tools.functions()
    model.ir_version = 7
    refused(model, "IR version 8")
