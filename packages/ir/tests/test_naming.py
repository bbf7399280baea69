from __future__ import annotations

import numpy as np
import pytest
from onnxport_ir import Block, DType, Function, Node, SequenceType, Value
from onnxport_ir.errors import InvalidArgument, NeedsOpset, Place
from onnxport_ir.graph import Model
from onnxport_ir.naming import assign_names, finish_outputs, module_prefix


def chain(*places: str) -> Model:
    value = Value(name="x")
    graph = Block([value])
    for place in places:
        node = Node("Relu", [value], place=Place(place))
        graph.nodes.append(node)
        value = node.result
    graph.outputs = [value]
    return Model(graph, {"": 17}, ir_version=8)


@pytest.mark.parametrize(
    ("module", "prefix"),
    [
        ("", ""),
        ("fc", "/fc"),
        ("encoder.layer.0.attention", "/encoder/layer.0/attention"),
        ("0.1", "/0.1"),
        ("blocks.1.2.conv", "/blocks.1.2/conv"),
    ],
)
def test_module_paths_become_node_names(module, prefix):
    assert module_prefix(module) == prefix


def test_nodes_are_numbered_per_module_and_results_follow_them():
    model = chain("a.0", "a.0", "", "a.0", "a.1")
    assign_names(model)
    assert [node.name for node in model.graph.nodes] == [
        "/a.0/Relu",
        "/a.0/Relu_1",
        "/Relu",
        "/a.0/Relu_2",
        "/a.1/Relu",
    ]
    assert [node.result.name for node in model.graph.nodes][1] == "/a.0/Relu_1_output_0"


def test_names_of_inputs_and_outputs_win_over_weights_and_those_over_the_rest(tools):
    x = Value(name="x")
    first = Node("Add", [x, tools.weight("x", 2)])
    first.result.name = "fc.weight"
    second = Node("Mul", [first.result, tools.weight("fc.weight", 2)])
    second.result.name = "y"
    third = Node("Sub", [second.result, tools.weight("y", 2)])
    third.result.name = "/Add_output_0"
    model = Model(Block([x], [first, second, third], [third.result]), {"": 17}, ir_version=8)
    finish_outputs(model, ["y"])
    assign_names(model)
    assert x.name == "x"
    assert third.result.name == "y"
    assert [node.operands[1].name for node in model.graph.nodes] == ["x_1", "fc.weight", "y_1"]
    assert first.result.name == "fc.weight_1"
    assert second.result.name not in {"x", "y", "fc.weight"}


def test_names_are_unique_over_all_blocks(tools):
    model = tools.finished(tools.branches())
    names = [result.name for node in model.graph.all_nodes() for result in node.results]
    names += [value.name for node in model.graph.all_nodes() for block in node.blocks() for value in block.inputs]
    names += [value.name for value in (*model.graph.inputs, *model.graph.constants())]
    assert len(names) == len(set(names))
    assert all(names)
    nodes = [node.name for node in model.graph.all_nodes()]
    assert len(nodes) == len(set(nodes))
    assert [block.name for node in model.graph.nodes for block in node.blocks()] == [
        "/Loop_body",
        "/If_then_branch",
        "/If_else_branch",
    ]


def test_naming_twice_changes_nothing_and_two_equal_models_get_equal_names(tools):
    def names(model):
        return [(node.name, [result.name for result in node.results]) for node in model.graph.all_nodes()]

    model = tools.finished(tools.branches())
    before = names(model)
    assign_names(model)
    assert names(model) == before
    assert names(tools.finished(tools.branches())) == before


def test_a_left_out_result_stays_without_name():
    node = Node("LSTM", [Value(name="x")], result_types=[None, None, None])
    node.results[1].name = ""
    model = Model(Block([node.operands[0]], [node], [node.results[2]]), {"": 17}, ir_version=8)
    assign_names(model)
    assert [result.name for result in node.results] == ["/LSTM_output_0", "", "/LSTM_output_2"]


def test_equal_names_of_two_inputs_are_refused():
    model = Model(Block([Value(name="x"), Value(name="x")]), {"": 17}, ir_version=8)
    with pytest.raises(InvalidArgument, match="'x' is given to two different"):
        assign_names(model)


def test_a_constant_shared_by_functions_and_graph_has_one_name():
    shared = Value.of(np.float32(2))
    bodies = []
    for number in range(2):
        formal = Value(name="/Mul_constant")
        node = Node("Mul", [formal, shared])
        bodies.append(Function("local", f"f{number}", Block([formal], [node], [node.result])))
    x = Value(name="x")
    main = Node("Mul", [x, shared])
    model = Model(Block([x], [main], [main.result]), {"": 17, "local": 1}, ir_version=8)
    model.functions = {function.key: function for function in bodies}
    assign_names(model)
    assert shared.name == "/Mul_constant"
    assert [function.body.inputs[0].name for function in bodies] == ["/Mul_constant_1"] * 2


def test_outputs_that_no_node_gives_or_that_occur_twice_go_through_identity(tools):
    x = Value(tools.floats(2), name="x")
    constant = Value.of(np.array([1.0, 2.0], np.float32))
    node = Node("Neg", [x], result_types=[tools.floats(2)])
    model = tools.model_of(Block([x], [node], [x, constant, node.result, node.result]), 17)
    finish_outputs(model, ["a", "b", "c", "d"])
    assign_names(model)
    assert [each.op_type for each in model.graph.nodes] == ["Neg", "Identity", "Identity", "Identity"]
    assert [value.name for value in model.graph.outputs] == ["a", "b", "c", "d"]
    assert model.graph.outputs[2] is node.result
    x_array = np.array([3, -4], np.float32)
    results = tools.run_model(model, x=x_array)
    for result, expected in zip(results, [x_array, [1, 2], -x_array, -x_array], strict=True):
        np.testing.assert_array_equal(result, expected)


def test_a_branch_may_hand_on_a_value_from_around_it(tools):
    model = tools.finished(tools.branches())
    x = np.array([1, 2, 3], np.float32)
    for flag in (True, False):
        (result,) = tools.run_model(model, x=x, flag=np.array(flag))
        np.testing.assert_array_equal(result, tools.branches_expected(x, flag))


def test_a_sequence_passes_through_only_where_identity_takes_it(tools):
    for opset, fits in ((13, False), (14, True)):
        x = Value(SequenceType(tools.floats(2)), name="x")
        model = tools.model_of(Block([x], [], [x]), opset)
        if fits:
            finish_outputs(model, ["y"])
            assert model.graph.outputs[0].value_type == SequenceType(tools.floats(2))
        else:
            with pytest.raises(NeedsOpset, match="needs ONNX opset 14"):
                finish_outputs(model, ["y"])


def test_as_many_names_as_outputs(tools):
    with pytest.raises(InvalidArgument, match="2 output names are given for 1 outputs"):
        finish_outputs(tools.mlp(), ["a", "b"])


def test_constants_are_named_after_their_first_reader(tools):
    model = tools.finished(tools.mlp())
    assert [value.name for value in model.graph.constants()] == ["fc.weight", "fc.bias", "/Reshape_constant"]
    assert model.graph.constants()[2].dtype is DType.INT64
