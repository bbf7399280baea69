from __future__ import annotations

import struct

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
from hypothesis import given, strategies as st
from onnxport_ir import (
    ArrayTensor,
    Block,
    DType,
    LazyTensor,
    Model,
    Node,
    OptionalType,
    RefAttr,
    ScalarType,
    SequenceType,
    SymDim,
    TensorType,
    Value,
)
from onnxport_ir.errors import InternalError, Place
from onnxport_ir.infer import fill_types
from onnxport_ir.proto import MODULE_KEY, SOURCE_KEY, encode, to_proto
from onnxport_ir.wire import Message, float32, varint

OPSETS = [7, 8, 9, 11, 13, 15, 17, 18, 20, 21, 23]


def one_node(attributes, *, domain="custom", op="Thing", opset=17) -> Model:
    x = Value(TensorType(DType.FLOAT32, (2,)), name="x")
    node = Node(op, [x], attributes, domain=domain, result_types=[x.value_type])
    node.result.name = "y"
    node.name = "node"
    return Model(Block([x], [node], [node.result]), {"": opset, domain: 1}, ir_version=8)


def attribute_of(value):
    proto = to_proto(one_node({"a": value}))
    (attribute,) = proto.graph.node[0].attribute
    return attribute


def test_the_stream_is_what_protobuf_itself_writes(any_model):
    content = encode(any_model, value_info="all").to_bytes()
    assert onnx.ModelProto.FromString(content).SerializeToString(deterministic=True) == content
    assert to_proto(any_model, value_info="all").SerializeToString(deterministic=True) == content
    assert encode(any_model, value_info="all").nbytes == len(content)


def test_the_same_model_gives_the_same_bytes(tools):
    first, second = (encode(tools.finished(tools.branches())).to_bytes() for _ in range(2))
    assert first == second


@pytest.mark.parametrize("opset", OPSETS)
def test_models_of_every_opset_pass_the_checker_and_run(tools, opset):
    model = tools.finished(tools.mlp(opset))
    x = np.random.default_rng(3).standard_normal((7, 4)).astype(np.float32)
    (result,) = tools.run_model(model, x=x)
    np.testing.assert_allclose(result, tools.mlp_expected(model, x), rtol=1e-6)


def test_the_newest_opset_passes_the_checker(tools):
    model = tools.finished(tools.mlp(onnx.defs.onnx_opset_version()))
    onnx.checker.check_model(to_proto(model), full_check=True)


def test_local_functions_run(tools):
    model = tools.finished(tools.functions())
    x = np.array([1, -1, 2, -4, 0.5], np.float32)
    (result,) = tools.run_model(model, x=x)
    first = np.where(x > 0, x * 3, x * 3 * 0.5)
    np.testing.assert_allclose(result, np.where(first > 0, first * 3, first * 3 * 0.1), rtol=1e-6)


def test_local_functions_need_ir_version_8(tools):
    model = tools.finished(tools.functions())
    model.ir_version = 7
    with pytest.raises(InternalError, match="IR version 8"):
        encode(model)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3),
        (0, 0),
        (-1, -1),
        (2**63 - 1, 2**63 - 1),
        (True, 1),
        (np.int64(-7), -7),
        (0.5, 0.5),
        (-0.0, -0.0),
        (1e60, float("inf")),
        ("näme", "näme".encode()),
        (b"\xff\x00", b"\xff\x00"),
        ((1, -2, 3), [1, -2, 3]),
        ((1.0, 2.5), [1.0, 2.5]),
        ((1, 0.5), [1.0, 0.5]),
        (("a", "b"), [b"a", b"b"]),
        ((), []),
    ],
)
def test_attributes_of_every_kind(value, expected):
    found = onnx.helper.get_attribute_value(attribute_of(value))
    assert found == expected
    if isinstance(value, float):
        assert np.copysign(1, found) == np.copysign(1, value)


def test_attributes_have_their_types():
    tensor = ArrayTensor.of(np.zeros(2, np.float32))
    kinds = [(0, "INT"), (0.0, "FLOAT"), ("", "STRING"), ((1,), "INTS"), ((1.0,), "FLOATS"), (("",), "STRINGS")]
    for value, kind in [*kinds, ((), "INTS"), (tensor, "TENSOR")]:
        assert onnx.AttributeProto.AttributeType.Name(attribute_of(value).type) == kind
    assert attribute_of(RefAttr("outer", onnx.AttributeProto.FLOAT)).ref_attr_name == "outer"
    found = attribute_of(SequenceType(TensorType(DType.INT64, (1, SymDim.named("n")))))
    assert found.tp.sequence_type.elem_type.tensor_type.shape.dim[1].dim_param == "n"


def test_an_empty_list_has_the_type_that_the_operator_declares():
    model = one_node({"keys_floats": ()}, domain="ai.onnx.ml", op="LabelEncoder", opset=17)
    model.opset_imports["ai.onnx.ml"] = 2
    assert to_proto(model).graph.node[0].attribute[0].type == onnx.AttributeProto.FLOATS


@pytest.mark.parametrize("value", [None, {1}, (1, "a"), 2**70, TensorType()])
def test_what_has_no_place_in_a_file_is_refused_with_the_place_in_the_users_model(value):
    model = one_node({"a": value})
    model.graph.nodes[0].place = Place("encoder.fc")
    with pytest.raises(InternalError, match=r"encoder\.fc"):
        encode(model)


def test_a_value_without_name_is_refused(tools):
    with pytest.raises(InternalError, match="assign_names"):
        encode(tools.mlp())


@pytest.mark.parametrize(
    ("value_type", "expected"),
    [
        (TensorType(DType.FLOAT32, ()), [1, []]),
        (TensorType(DType.FLOAT32, None), [1, None]),
        (TensorType(DType.INT64, (2, SymDim.named("b"))), [7, [2, "b"]]),
        (TensorType(DType.BOOL, (SymDim.named("?3"), SymDim.named("b") * 2 + 1)), [9, [None, "2*b + 1"]]),
        (TensorType(DType.BOOL, (0, 300)), [9, [0, 300]]),
    ],
)
def test_tensor_types(value_type, expected):
    model = one_node({})
    model.graph.inputs[0].value_type = value_type
    tensor = to_proto(model).graph.input[0].type.tensor_type
    dims = [
        d.dim_value if d.HasField("dim_value") else d.dim_param if d.HasField("dim_param") else None
        for d in tensor.shape.dim
    ]
    assert [tensor.elem_type, dims if tensor.HasField("shape") else None] == expected


def test_optional_and_sequence_types():
    model = one_node({})
    model.graph.inputs[0].value_type = OptionalType(SequenceType(TensorType(DType.FLOAT32, (1,))))
    found = to_proto(model).graph.input[0].type
    assert found.optional_type.elem_type.sequence_type.elem_type.tensor_type.elem_type == 1


def test_a_type_without_element_type_is_left_out_and_a_foreign_one_refused():
    model = one_node({})
    model.graph.inputs[0].value_type = TensorType(None, (2,))
    assert not to_proto(model).graph.input[0].HasField("type")
    model.graph.inputs[0].value_type = SequenceType(ScalarType("int"))
    with pytest.raises(InternalError, match="no place in an ONNX graph"):
        encode(model)


@pytest.mark.parametrize("dtype", [dtype for dtype in DType if dtype is not DType.STRING])
def test_tensors_of_every_type_are_read_back_by_onnx(dtype):
    array = np.array([[0, 1, 0], [1, 0, 1]]).astype(dtype.numpy)
    model = one_node({"t": ArrayTensor(array, dtype)})
    found = onnx.numpy_helper.to_array(to_proto(model).graph.node[0].attribute[0].t)
    assert found.dtype == dtype.numpy
    np.testing.assert_array_equal(found.astype(np.complex128), array.astype(np.complex128))


def test_text_tensors():
    tensor = ArrayTensor.of(np.array(["a", "bé"], object))
    found = to_proto(one_node({"t": tensor})).graph.node[0].attribute[0].t
    assert list(found.string_data) == [b"a", "bé".encode()]
    assert list(found.dims) == [2]


def test_scalars_and_empty_tensors():
    for array in (np.float32(3), np.zeros((0, 4), np.float32)):
        found = onnx.numpy_helper.to_array(attribute_of(ArrayTensor.of(array)).t)
        assert found.shape == array.shape
        np.testing.assert_array_equal(found, array)


def test_left_out_operands_and_results():
    x = Value(TensorType(DType.FLOAT32, (2,)), name="x")
    node = Node("Clip", [x, None, x, None], result_types=[x.value_type, None])
    node.results[0].name, node.results[1].name = "y", ""
    proto = to_proto(Model(Block([x], [node], [node.result]), {"": 17}, ir_version=8))
    assert list(proto.graph.node[0].input) == ["x", "", "x"]
    assert list(proto.graph.node[0].output) == ["y", ""]


@pytest.mark.parametrize(
    ("provenance", "ir_version", "expected"),
    [
        ("none", 10, {}),
        ("module", 10, {MODULE_KEY: "fc"}),
        ("source", 10, {MODULE_KEY: "fc", SOURCE_KEY: "model.py:12"}),
        ("source", 9, {}),
    ],
)
def test_provenance_goes_into_the_metadata_of_nodes_and_never_names_a_folder(tools, provenance, ir_version, expected):
    model = tools.finished(tools.mlp(18))
    model.ir_version = ir_version
    content = encode(model, provenance=provenance).to_bytes()
    proto = onnx.ModelProto.FromString(content)
    assert {entry.key: entry.value for entry in proto.graph.node[0].metadata_props} == expected
    assert b"someone" not in content


def test_types_of_results_are_written_where_asked(tools):
    model = tools.finished(tools.mlp())
    model.graph.nodes[0].domain = "custom"
    names = {
        kind: [info.name for info in to_proto(model, value_info=kind).graph.value_info]
        for kind in ("none", "custom", "all")
    }
    assert names["none"] == []
    assert names["custom"] == ["/fc/MatMul_output_0"]
    assert names["all"] == ["/fc/MatMul_output_0", "/fc/Add_output_0", "/act.0/Relu_output_0"]


def test_initializers_as_inputs_leave_constants_alone(tools):
    model = tools.finished(tools.mlp())
    model.keep_initializers_as_inputs = True
    proto = to_proto(model)
    assert [info.name for info in proto.graph.input] == ["x", "fc.weight", "fc.bias"]
    assert [tensor.name for tensor in proto.graph.initializer] == ["fc.weight", "fc.bias"]
    assert proto.graph.node[0].op_type == "Constant"
    x = np.ones((2, 4), np.float32)
    (result,) = tools.run_model(model, x=x)
    np.testing.assert_allclose(result, tools.mlp_expected(model, x), rtol=1e-6)
    zeros = np.zeros((4, 3), np.float32)
    (result,) = tools.run_model(model, x=x, **{"fc.weight": zeros})
    np.testing.assert_allclose(result, tools.mlp_expected(model, x * 0), rtol=1e-6)


def test_old_files_have_every_initializer_among_the_inputs(tools):
    model = tools.finished(tools.mlp(8))
    assert model.ir_version < 4
    graph = to_proto(model).graph
    assert {tensor.name for tensor in graph.initializer} <= {info.name for info in graph.input}


def test_weights_that_are_not_stored_become_inputs(tools):
    model = tools.finished(tools.mlp())
    x = np.ones((2, 4), np.float32)
    expected = tools.mlp_expected(model, x)
    weights = {value.name: value.array() for value in model.graph.constants() if value.is_weight}
    model.store_weights = False
    proto = to_proto(model)
    assert [info.name for info in proto.graph.input] == ["x", "fc.weight", "fc.bias"]
    assert [tensor.name for tensor in proto.graph.initializer] == ["/Reshape_constant"]
    (result,) = tools.run_model(model, x=x, **weights)
    np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_models_metadata_and_producer(tools):
    model = tools.finished(tools.mlp())
    model.producer_version = "1.2"
    model.metadata = {"a": "b"}
    proto = to_proto(model)
    assert (proto.producer_name, proto.producer_version) == ("onnxport", "1.2")
    assert [(entry.key, entry.value) for entry in proto.metadata_props] == [("a", "b")]
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", 17)]


def test_types_found_by_inference_agree_with_onnx(tools):
    model = tools.finished(tools.mlp())
    for node in model.graph.nodes:
        node.result.value_type = TensorType()
    assert fill_types(model) == []
    onnx.checker.check_model(to_proto(model, value_info="all"), full_check=True)


def test_a_tensor_that_gives_another_number_of_bytes_is_no_silent_fault(tools):
    model = tools.finished(tools.mlp(width=4096))
    wrong = LazyTensor(model.graph.constants()[0].const, lambda array: array[:1], DType.FLOAT32, (4, 4096))
    model.graph.constants()[0].const = wrong
    with pytest.raises(InternalError, match=r"wrote 16384 bytes: its length was given as 65536"):
        encode(model).to_bytes()


@given(st.integers(-(2**63), 2**64 - 1))
def test_varints_are_read_back(number):
    proto = onnx.AttributeProto.FromString(b"\x18" + varint(number))
    assert proto.i % 2**64 == number % 2**64


@given(st.floats(width=32))
def test_floats_of_32_bits_are_exact(number):
    assert struct.pack("<f", number) == float32(number)


def test_messages_know_their_length():
    message = Message()
    message.add(b"abc")
    inner = Message()
    inner.add_tensor(b"\n", ArrayTensor.of(np.arange(300, dtype=np.uint8)))
    message.add_message(b"\x12", inner)
    message.extend(inner)
    content = message.to_bytes()
    assert len(content) == message.nbytes
    assert content.count(bytes(range(256))) == 2
