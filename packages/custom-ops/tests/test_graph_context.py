"""``g``: operators, attributes, constants, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnxport_custom_ops import JitScalarType, SymbolicValue
from onnxport_ir import DType, SymDim, TensorType
from onnxport_ir.errors import (
    InternalError,
    InvalidArgument,
    NeedsOpset,
    NeedsStatic,
    OnnxExporterError,
    UnsupportedCase,
    UnsupportedOperator,
)

N = SymDim.named("n", 2)


def f32(*shape):
    return TensorType(DType.FLOAT32, shape)


X = np.float32([[1, -2, 3], [-4, 5, -6]])


def test_attributes_of_all_kinds(lowered):
    model = lowered(
        lambda g, x: g.op(
            "my.domain::Foo",
            x,
            a_i=1,
            b_f=1,
            c_s="text",
            d_t=torch.tensor([1.5, 2.5], dtype=torch.float64),
            e_i=[1, 2],
            f_f=(1.5, 2),
            g_s=["a", "b"],
            h_is=[3],
            i_fs=[3],
            j_ss=["c"],
            k_i=True,
            l_i=None,
            m_i=torch.tensor(7),
            n_f=torch.tensor([0.5, 1.0]),
            o_z=torch.tensor([1]),
            attr_with_i_i=4,
            inplace_i=0,
            inplace=True,
        ),
        results=[f32(N, 3)],
    )
    found = model.attributes
    tensors = {name: found.pop(name) for name in ("d", "o")}
    assert tensors["d"].data_type == 11
    assert found == {
        "a": 1,
        "b": 1.0,
        "c": b"text",
        "e": [1, 2],
        "f": [1.5, 2.0],
        "g": [b"a", b"b"],
        "h": [3],
        "i": [3.0],
        "j": [b"c"],
        "k": 1,
        "m": 7,
        "n": [0.5, 1.0],
        "attr_with_i": 4,
        "inplace": 0,
    }
    assert [(entry.domain, entry.version) for entry in model.proto.opset_import] == [("", 18), ("my.domain", 1)]


def test_attributes_may_be_constants_of_the_model(lowered):
    model = lowered(
        lambda g, x, a, axes: g.op("d::Foo", x, a_f=a, axes_i=axes), arguments=[0.5, (1, 2)], results=[f32()]
    )
    assert model.attributes == {"a": 0.5, "axes": [1, 2]}


def test_attributes_that_depend_on_the_input_are_refused(lowered):
    with pytest.raises(NeedsStatic, match="attribute alpha must be known"):
        lowered(lambda g, x: g.op("Elu", x, alpha_f=x))


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"alpha": 1.0}, "no suffix"),
        ({"alpha_q": 1.0}, "no suffix"),
        ({"alpha_f": "much"}, "not what its suffix says"),
        ({"alpha_i": 1.5}, "not what its suffix says"),
        ({"alpha_fs": 1.5}, "not what its suffix says"),
    ],
)
def test_attributes_that_are_none(lowered, keywords, message):
    with pytest.raises(InvalidArgument, match=message):
        lowered(lambda g, x: g.op("Elu", x, **keywords))


@pytest.mark.parametrize(
    ("call", "opset", "error", "message"),
    [
        (lambda g, x: g.op("Elu", x, alpha_i=1), 18, UnsupportedCase, "attribute is alpha_f"),
        (lambda g, x: g.op("Elu", x, beta_f=1.0), 18, UnsupportedCase, "it has it at no opset"),
        (lambda g, x: g.op("Squeeze", x, axes_i=[0]), 18, UnsupportedCase, "it had it up to opset 12"),
        (lambda g, x: g.op("Clip", x, min_f=0.0), 18, UnsupportedCase, "it had it up to opset 10"),
        (lambda g, x: g.op("Gelu", x), 18, NeedsOpset, "opset 20"),
        (lambda g, x: g.op("Cast", x), 18, UnsupportedCase, "without to"),
        (lambda g, x: g.op("Reshape", x, [1], allowzero_i=1), 13, NeedsOpset, "opset 14"),
        (lambda g, x: g.op("Elu"), 18, UnsupportedCase, "it takes 1 to 1"),
        (lambda g, x: g.op("Elu", x, x), 18, UnsupportedCase, "gives Elu 2 inputs"),
        (lambda g, x: g.op("Elu", x, outputs=2), 18, UnsupportedCase, "wants 2 results"),
        (lambda g, x: g.op("Upsample", x, [1.0, 1.0]), 18, UnsupportedCase, "no longer exists at opset 18"),
        (lambda g, x: g.op("Fancy", x), 18, UnsupportedOperator, "g.op\\('my_domain::Fancy'"),
        (lambda g, x: g.op("Elu", "x"), 18, InvalidArgument, "no operand"),
        (lambda g, x: g.op("Constant"), 18, InvalidArgument, "one attribute"),
        (lambda g, x: None, 18, UnsupportedOperator, "does not convert this call"),
        (lambda g, x: "x", 18, UnsupportedCase, "no value of the graph"),
        (lambda g, x: (x, x), 18, UnsupportedCase, "2 of 3 results"),
    ],
)
def test_calls_that_onnx_does_not_have(lowered, call, opset, error, message):
    results = [f32()] * 3 if "of 3" in message else [TensorType()]
    with pytest.raises(error, match=message):
        lowered(call, opset=opset, results=results)


@pytest.mark.parametrize("opset", [7, 10])
def test_the_target_opsets_spelling_is_written_as_it_is(lowered, opset):
    model = lowered(lambda g, x: g.op("Clip", x, min_f=0.0, max_f=2.0), opset=opset)
    assert model.ops == ["Clip"]
    assert model.attributes == {"min": 0.0, "max": 2.0}
    np.testing.assert_array_equal(model.run(X)[0], X.clip(0, 2))


@pytest.mark.parametrize(
    "bound",
    [
        lambda g: g.op("Constant", value_t=torch.tensor(0, dtype=torch.float)),
        lambda g: g.op("onnx::Constant", value_f=0.0),
        lambda g: torch.tensor(0.0),
        lambda g: 0.0,
        lambda g: 0,
        lambda g: np.float32(0),
    ],
)
@pytest.mark.parametrize("dtype", [DType.FLOAT32, DType.FLOAT64])
def test_constants_take_the_type_of_what_they_meet(lowered, bound, dtype):
    model = lowered(lambda g, x: g.op("Clip", x, bound(g)), inputs=[TensorType(dtype, (N, 3))])
    assert model.ops == ["Clip"]
    np.testing.assert_array_equal(model.run(X.astype(dtype.numpy))[0], X.clip(0).astype(dtype.numpy))


def test_operands_of_different_types_are_refused(lowered):
    inputs = [f32(N, 3), TensorType(DType.INT64, (N, 3))]
    with pytest.raises(UnsupportedCase, match="i64 and f32"):
        lowered(lambda g, x, y: g.op("Add", x, y), inputs=inputs)
    with pytest.raises(UnsupportedCase, match="f32 and i64"):
        lowered(lambda g, x, y: g.op("Add", y, torch.tensor(0.5)), inputs=inputs)


def test_left_out_inputs(lowered):
    for absent in (lambda g: None, lambda g: g.op("prim::Constant")):
        model = lowered(lambda g, x, absent=absent: g.op("Clip", x, absent(g), 1.0))
        np.testing.assert_array_equal(model.run(X)[0], X.clip(max=1))


def test_several_results(lowered):
    def symbolic(g, x):
        values, indices = g.op("TopK", x, torch.tensor([2]), axis_i=1, outputs=2)
        assert isinstance(values, SymbolicValue)
        return values, indices

    model = lowered(symbolic, results=[f32(N, 2), TensorType(DType.INT64, (N, 2))])
    values, indices = model.run(X)
    np.testing.assert_array_equal(values, [[3, 1], [5, -4]])
    np.testing.assert_array_equal(indices, [[2, 0], [1, 0]])


def test_results_that_are_not_given_are_refused_where_they_are_used(lowered):
    with pytest.raises(UnsupportedOperator, match="only some of its results"):
        lowered(lambda g, x: (x, None), results=[TensorType(), TensorType()])
    # More than the operator has, and only None: as the functions of some libraries say it.
    assert lowered(lambda g, x: (g.op("Neg", x), None)).ops == ["Neg"]


def test_lists_as_operands(lowered):
    model = lowered(lambda g, x, shape: g.op("Reshape", x, shape), arguments=[(3, -1)])
    assert model.run(X)[0].shape == (3, 2)


def test_at_is_a_node_of_torch(lowered):
    model = lowered(lambda g, x: g.at("foo", x, overload_name="out", axis_i=1), results=[f32(N, 3)])
    assert model.ops == ["org.pytorch.aten::ATen"]
    assert model.attributes == {"operator": b"foo", "overload_name": b"out", "axis": 1}


def test_types_of_custom_results_come_from_the_capture(lowered):
    model = lowered(lambda g, x: g.op("Relu", g.op("d::Foo", x)), results=[f32(N, 3)])
    kind = model.proto.graph.output[0].type.tensor_type
    assert (kind.elem_type, [dim.dim_param or dim.dim_value for dim in kind.shape.dim]) == (1, ["n", 3])


def test_a_result_of_another_type_than_the_captures_is_refused(lowered):
    with pytest.raises(UnsupportedCase, match="i64 where torch gives f32"):
        lowered(lambda g, x: g.op("Cast", x, to_i=JitScalarType.INT64.onnx_type()), results=[f32(N, 3)])


def test_the_context_tells_about_the_call(lowered):
    def symbolic(g, x, a):
        node = g.original_node
        assert g.opset == 18
        assert (node.kind(), node.inputsSize(), node.outputsSize()) == ("tests::op", 2, 1)
        assert node.inputs()[0] is x
        assert node.output().type().sizes() == [4]
        assert not node.hasAttribute("name")
        assert g.graph.op("Neg", x).node().kind() == "onnx::Neg"
        assert g.block.op("Neg", x) is g.op("Neg", x)
        assert dict(g.params_dict) == dict(g.env) == {}
        return g.op("d::Foo", x)

    lowered(symbolic, arguments=[3], results=[f32(4)])


def test_an_error_of_ours_is_not_wrapped(lowered):
    def symbolic(g, x):
        raise InternalError("as it is")

    with pytest.raises(OnnxExporterError, match=r"\[OXP900\] as it is"):
        lowered(symbolic)


@pytest.mark.parametrize(
    ("custom_opsets", "message"),
    [({"": 3}, "no domain"), ({"ai.onnx": 3}, "no domain"), ({"d": 0}, "no positive"), ({"d": True}, "no positive")],
)
def test_custom_opsets_that_are_none(lowered, custom_opsets, message):
    with pytest.raises(InvalidArgument, match=message):
        lowered(lambda g, x: x, custom_opsets=custom_opsets)


@pytest.mark.parametrize("opset", [10, 18])
def test_what_is_computed_from_constants_is_a_constant(lowered, opset):
    def symbolic(g, x):
        zero = g.op("Cast", g.op("Constant", value_t=torch.tensor(3)), to_i=JitScalarType.INT8.onnx_type())
        scale = g.op("Div", g.op("Constant", value_t=torch.tensor(1.0)), g.op("Constant", value_t=torch.tensor(4.0)))
        assert zero.type().scalarType() == "Char"
        return g.op("DequantizeLinear", g.op("QuantizeLinear", x, scale, zero), scale, zero)

    model = lowered(symbolic, opset=opset)
    assert model.ops == ["QuantizeLinear", "DequantizeLinear"]
    np.testing.assert_array_equal(model.run(X)[0], X)
