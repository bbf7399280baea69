from __future__ import annotations

import numpy as np
import onnx
import onnx.helper
import onnx.parser
import pytest
from onnxport_ir import DType, FileTensor, SequenceType, SymDim, TensorType
from onnxport_ir.check import check_model
from onnxport_ir.errors import InvalidArgument, NotYetSupported
from onnxport_ir.proto import encode, to_proto
from onnxport_ir.read import from_proto, load, parse_dim
from onnxport_ir.write import write


def parsed(text: str, *, ir_version: int = 8) -> onnx.ModelProto:
    return onnx.parser.parse_model(f'<ir_version: {ir_version}, opset_import: ["" : 17, "custom" : 1]> {text}')


@pytest.mark.parametrize("value_info", ["none", "all"])
def test_a_model_that_is_read_is_written_with_the_same_bytes(any_model, value_info):
    content = encode(any_model, value_info=value_info).to_bytes()
    model = from_proto(onnx.ModelProto.FromString(content))
    check_model(model)
    assert encode(model, value_info=value_info).to_bytes() == content


def test_external_data_stays_in_its_file_until_it_is_used(tools, tmp_path):
    model = tools.finished(tools.mlp(width=1000))
    write(model, tmp_path / "m.onnx", external_data="always")
    loaded = load(tmp_path / "m.onnx")
    weights = [value.const for value in loaded.graph.constants()]
    assert [type(weight) is FileTensor for weight in weights] == [True, True, False]
    for weight, original in zip(weights, model.graph.constants(), strict=True):
        np.testing.assert_array_equal(weight.numpy(), original.array())
    assert to_proto(loaded) == to_proto(model)


@pytest.mark.parametrize("location", ["../w", "/etc/passwd", "a/../../w", "C:\\w", "\\w", ""])
def test_external_data_outside_the_folder_is_refused(tools, tmp_path, location):
    model = tools.finished(tools.mlp(width=1000))
    write(model, tmp_path / "m.onnx", external_data="always")
    proto = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    proto.graph.initializer[0].external_data[0].value = location
    with pytest.raises(InvalidArgument, match="outside the model's folder"):
        from_proto(proto, tmp_path)


def test_external_data_must_have_a_folder_and_the_right_length(tools, tmp_path):
    model = tools.finished(tools.mlp(width=1000))
    write(model, tmp_path / "m.onnx", external_data="always")
    proto = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    with pytest.raises(InvalidArgument, match="base_dir"):
        from_proto(proto)
    proto.graph.initializer[0].external_data[2].value = "12"
    with pytest.raises(InvalidArgument, match="12 bytes"):
        from_proto(proto, tmp_path)


def test_what_is_no_model(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"no model at all")
    with pytest.raises(InvalidArgument, match=r"m\.onnx is not an ONNX model"):
        load(tmp_path / "m.onnx")


def test_every_way_to_store_elements():
    typed = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [2], [1.5, 2.5])
    half = onnx.helper.make_tensor("h", onnx.TensorProto.BFLOAT16, [2], [1.5, 2.5])
    int4 = onnx.helper.make_tensor("q", onnx.TensorProto.INT4, [3], [1, -2, 7])
    text = onnx.helper.make_tensor("s", onnx.TensorProto.STRING, [1, 2], [b"a", b"\xff"])
    proto = parsed("g (float[2] x) => (float[2] y) { y = Add(x, w) a = custom.F(w, h, q, s) }")
    proto.graph.initializer.extend([typed, half, int4, text])
    found = {value.name: value.const for value in from_proto(proto).graph.constants()}
    assert {name: tensor.dtype for name, tensor in found.items()} == {
        "w": DType.FLOAT32,
        "h": DType.BFLOAT16,
        "q": DType.INT4,
        "s": DType.STRING,
    }
    assert found["w"].numpy().tolist() == [1.5, 2.5]
    assert found["h"].numpy().astype(float).tolist() == [1.5, 2.5]
    assert found["q"].numpy().astype(int).tolist() == [1, -2, 7]
    assert found["s"].numpy().tolist() == [["a", b"\xff"]]
    again = from_proto(to_proto(from_proto(proto)))
    for value in again.graph.constants():
        np.testing.assert_array_equal(value.array(), found[value.name].numpy())


def test_a_tensor_of_the_wrong_size_is_refused():
    proto = parsed("g (float[2] x) => (float[2] y) { y = Add(x, w) }")
    proto.graph.initializer.append(
        onnx.TensorProto(name="w", dims=[3], data_type=onnx.TensorProto.FLOAT, raw_data=b"\0" * 8)
    )
    with pytest.raises(InvalidArgument, match="has 8 bytes"):
        from_proto(proto)


def test_initializers_that_are_inputs_as_well_can_be_replaced_and_others_cannot():
    proto = parsed("g (float[2] x, float[2] w) => (float[2] y) { a = Add(x, w) y = Add(a, c) }")
    proto.graph.initializer.extend(
        onnx.helper.make_tensor(name, onnx.TensorProto.FLOAT, [2], [1, 2]) for name in ("w", "c")
    )
    model = from_proto(proto)
    assert model.keep_initializers_as_inputs
    assert [value.name for value in model.graph.inputs] == ["x"]
    again = to_proto(model)
    assert [info.name for info in again.graph.input] == ["x", "w"]
    assert [tensor.name for tensor in again.graph.initializer] == ["w"]
    assert again.graph.node[0].output[0] == "c"


def test_inner_graphs_see_outer_values_and_hide_their_own(tools):
    proto = parsed(
        """g (bool c, float[2] x) => (float[2] y) {
             y = If(c) <then_branch = t () => (float[2] r) { q = Neg(x) r = Abs(q) },
                        else_branch = e () => (float[2] s) { q = Abs(x) s = Neg(q) }>
           }"""
    )
    model = from_proto(proto)
    check_model(model)
    then_branch, else_branch = model.graph.nodes[0].blocks()
    assert then_branch.nodes[0].operands[0] is else_branch.nodes[0].operands[0] is model.graph.inputs[1]
    assert then_branch.nodes[0].result is not else_branch.nodes[0].result
    # Both branches have a ``q``, which ONNX allows and our names do not.
    assert [block.nodes[0].result.name for block in (then_branch, else_branch)] == ["q", "q_1"]
    x = np.array([1, -2], np.float32)
    for flag, expected in ((True, np.abs(-x)), (False, -np.abs(x))):
        (result,) = tools.run_model(model, c=np.array(flag), x=x)
        np.testing.assert_array_equal(result, expected)


def test_initializers_of_inner_graphs_move_out(tools):
    proto = parsed(
        "g (bool c, float[2] x) => (float[2] y) { y = If(c) <then_branch = t () => (float[2] r) "
        "{ r = Add(x, k) }, else_branch = e () => (float[2] s) { s = Add(x, k) }> }"
    )
    for attribute, number in zip(proto.graph.node[0].attribute, (1.0, 10.0), strict=True):
        attribute.g.initializer.append(onnx.helper.make_tensor("k", onnx.TensorProto.FLOAT, [1], [number]))
    model = from_proto(proto)
    assert [value.name for value in model.graph.constants()] == ["k", "k_1"]
    x = np.array([1, -2], np.float32)
    for flag, number in ((True, 1), (False, 10)):
        (result,) = tools.run_model(model, c=np.array(flag), x=x)
        np.testing.assert_array_equal(result, x + number)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("g (float[2] x) => (float[2] y) { y = Add(x, z) }", "node '' (Add) reads 'z', which nothing before it"),
        ("g (float[2] x) => (float[2] y) { z = Neg(x) }", "an output reads 'y'"),
        ("g (float[2] x) => (float[2] y) { y = Neg(x) y = Abs(x) }", "'y' is defined twice"),
    ],
)
def test_malformed_graphs(text, message):
    with pytest.raises(InvalidArgument) as caught:
        from_proto(parsed(text))
    assert message in str(caught.value)


def test_what_the_graph_cannot_hold():
    proto = parsed("g (float[2] x) => (float[2] y) { y = custom.F(x) }")
    sparse = onnx.ModelProto.FromString(proto.SerializeToString())
    sparse.graph.sparse_initializer.add()
    tensors = onnx.ModelProto.FromString(proto.SerializeToString())
    attribute = tensors.graph.node[0].attribute.add()
    attribute.name, attribute.type = "ts", onnx.AttributeProto.TENSORS
    training = onnx.ModelProto.FromString(proto.SerializeToString())
    training.training_info.add()
    maps = onnx.ModelProto.FromString(proto.SerializeToString())
    maps.graph.input[0].type.map_type.key_type = 1
    strange = onnx.ModelProto.FromString(proto.SerializeToString())
    strange.graph.initializer.add(name="w", data_type=onnx.TensorProto.FLOAT4E2M1)
    for unsupported, message in (
        (sparse, "sparse initializers"),
        (tensors, "the attribute ts of type TENSORS"),
        (training, "training_info"),
        (maps, "map_type"),
        (strange, "element type 23"),
    ):
        with pytest.raises(NotYetSupported, match=message):
            from_proto(unsupported)


def test_types_and_places(tools):
    model = tools.finished(tools.mlp(18))
    model.ir_version = 10
    again = from_proto(to_proto(model, provenance="source", value_info="all"))
    place = again.graph.nodes[0].place
    assert (place.module, place.file, place.line) == ("fc", "model.py", 12)
    assert again.graph.nodes[0].result.value_type == TensorType(DType.FLOAT32, (SymDim.named("batch"), 3))


def test_sizes_without_name_are_unknown_and_different():
    model = from_proto(parsed("g (float[] s, seq(float[?, ?]) x) => (float y) { y = custom.F(x) }"))
    value_type = model.graph.inputs[1].value_type
    assert isinstance(value_type, SequenceType)
    first, second = value_type.element.shape
    assert first != second
    assert not first.is_printable


@pytest.mark.parametrize(
    "text", ["batch", "2*batch + 1", "(h - 1)//2", "max(a, b)", "3*(h//2)", "batch size", "a/b", "past+seq", "unk__3"]
)
def test_formulas_are_read_and_printed_alike(text):
    assert str(parse_dim(text)) == text


def test_formulas_that_are_read_equal_those_that_are_computed():
    batch = SymDim.named("batch")
    assert parse_dim("2*batch + 1") == batch * 2 + 1
    assert parse_dim("(batch - 1)//2") == (batch - 1) // 2
    assert parse_dim("past+seq") == SymDim.named("past+seq")
    assert parse_dim("-3") == -3
