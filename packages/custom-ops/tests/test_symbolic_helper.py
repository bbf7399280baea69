"""The helpers that symbolic functions import, at opsets that spell operators differently."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnxport_custom_ops import JitScalarType, symbolic_helper as sh
from onnxport_ir import DType, SymDim, TensorType
from onnxport_ir.errors import InvalidArgument, NeedsOpset, NeedsStatic, UnsupportedCase, UnsupportedOperator

X = np.arange(-6, 6, dtype=np.float32).reshape(2, 3, 2)
N = SymDim.named("n", 2)
INPUT = TensorType(DType.FLOAT32, (N, 3, 2))


@pytest.mark.parametrize("opset", [9, 10, 11, 12, 13, 18])
@pytest.mark.parametrize(
    ("symbolic", "expected"),
    [
        (lambda g, x: sh._unsqueeze_helper(g, x, [0, 2]), X[None, :, None]),
        (lambda g, x: sh._squeeze_helper(g, sh._unsqueeze_helper(g, x, [1]), [1]), X),
        (lambda g, x: sh._reducesum_helper(g, x, [1], keepdims_i=0), X.sum(1)),
        (sh._reducesum_helper, X.sum(keepdims=True)),
        (lambda g, x: sh._reducesum_helper(g, x, None, noop_with_empty_axes_i=1), X),
        (lambda g, x: sh._select_helper(g, x, 1, 2), X[:, 2:]),
        (lambda g, x: sh._select_helper(g, x, 1, torch.tensor([2, 0])), X[:, [2, 0]]),
        (lambda g, x: sh._slice_helper(g, x, axes=[1], starts=[1], ends=[3]), X[:, 1:3]),
        (lambda g, x: sh._reshape_helper(g, x, [3, -1]), X.reshape(3, -1)),
        (lambda g, x: sh._flatten_helper(g, x, 1, 2, 3), X.reshape(2, 6)),
        (lambda g, x: sh._flatten_helper(g, x, 0, 1, 3), X.reshape(6, 2)),
        (sh._numel_helper, np.int64(12)),
        (lambda g, x: sh._size_helper(g, x, torch.tensor(0)), np.int64(2)),
        (lambda g, x: sh._topk_helper(g, x, 1, 1)[0], X.max(1, keepdims=True)),
        (lambda g, x: sh._lt_helper(g, x, sh._generate_wrapped_number(g, 0.0)), X < 0),
        (lambda g, x: sh._maybe_cast_to_type(g, x, JitScalarType.INT64), X.astype(np.int64)),
        (lambda g, x: sh._maybe_cast_to_type(g, x, JitScalarType.FLOAT), X),
    ],
)
def test_helpers_that_write_operators(lowered, opset, symbolic, expected):
    (found,) = lowered(symbolic, inputs=[INPUT], opset=opset).run(X)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


def test_steps_and_smallest_elements_need_their_opset(lowered):
    strided = lambda g, x: sh._slice_helper(g, x, axes=[1], starts=[0], ends=[3], steps=[2])  # noqa: E731 - data
    smallest = lambda g, x: sh._topk_helper(g, x, 1, 1, largest=False)[0]  # noqa: E731 - data
    np.testing.assert_array_equal(lowered(strided, inputs=[INPUT], opset=10).run(X)[0], X[:, ::2])
    np.testing.assert_array_equal(lowered(smallest, inputs=[INPUT], opset=11).run(X)[0], X.min(1, keepdims=True))
    with pytest.raises(NeedsOpset):
        lowered(strided, inputs=[INPUT], opset=9)
    with pytest.raises(NeedsOpset):
        lowered(smallest, inputs=[INPUT], opset=10)


def test_parse_args(lowered):
    seen = []

    @sh.parse_args("v", "i", "f", "b", "s", "is", "fs", "t", "none", "i")
    def symbolic(g, x, *rest):
        seen.extend(rest)
        return g.op("Neg", x)

    lowered(symbolic, inputs=[INPUT], arguments=[2, 0.1, True, "text", (1, 2), (0.5, 1), 3, (), None])
    tensor, *rest = seen[6:]
    assert seen[:6] == [2, 0.1, True, "text", [1, 2], [0.5, 1.0]]
    assert tensor.item() == 3
    assert rest[1] is None
    assert symbolic.__name__ == "symbolic"


@pytest.mark.parametrize(
    ("descriptor", "argument", "error"),
    [("i", "text", UnsupportedCase), ("is", (1, "a"), UnsupportedCase), ("f", (1, 2), UnsupportedCase)],
)
def test_arguments_that_are_not_as_described(lowered, descriptor, argument, error):
    with pytest.raises(error, match=f"descriptor '{descriptor}'"):
        lowered(sh.parse_args("v", descriptor)(lambda g, x, a: x), inputs=[INPUT], arguments=[argument])


def test_arguments_that_depend_on_the_input(lowered):
    with pytest.raises(NeedsStatic, match="argument a must be known"):
        lowered(sh.parse_args("v", "i")(lambda g, x, a: x), inputs=[INPUT, INPUT])


def test_descriptors_that_do_not_fit(lowered):
    with pytest.raises(InvalidArgument, match="knows no q"):
        sh.parse_args("v", "q")
    with pytest.raises(UnsupportedCase, match="wants b"):
        lowered(sh.parse_args("v")(lambda g, x0, b: x0), inputs=[INPUT])
    with pytest.raises(InvalidArgument, match="1 descriptors for 2 arguments"):
        lowered(sh.parse_args("v")(lambda g, x, b: x), inputs=[INPUT], arguments=[1])


def test_questions(lowered):
    def symbolic(g, x, number, nothing, items, size):
        constant = g.op("Constant", value_t=torch.tensor([1, 2]))
        assert sh._is_value(x)
        assert not sh._is_value(3)
        assert sh._is_none(nothing)
        assert sh._is_none(None)
        assert not sh._is_none(x)
        assert sh._is_constant(number)
        assert sh._is_constant(constant)
        assert not sh._is_constant(x)
        assert sh._is_tensor(x)
        assert sh._is_packed_list(items)
        assert sh._is_list(items)
        assert sh._is_scalar_list(items)
        assert not sh._is_tensor_list(items)
        assert not sh._is_tuple_construct(items)
        assert len(sh._unpack_list(items)) == 2
        assert sh._maybe_get_const(number, "i") == 4
        assert sh._maybe_get_const(x, "i") is x
        assert sh._get_const(constant, "is", "constant") == [1, 2]
        assert sh._maybe_get_scalar(number).item() == 4
        assert sh._maybe_get_scalar(x) is x
        assert sh._scalar(torch.tensor(3)) == 3
        assert sh._scalar(torch.tensor([3])) is None
        assert sh._get_tensor_sizes(x) == [None, 3, 2]
        assert sh._get_tensor_sizes(x, allow_nonstatic=False) is None
        assert sh._get_tensor_rank(x) == 3
        assert (sh._get_tensor_dim_size(x, 0), sh._get_tensor_dim_size(x, 1)) == (None, 3)
        assert sh._is_fp(x)
        assert not sh._is_bool(x)
        assert not sh.is_complex_value(x)
        assert sh._try_get_scalar_type(nothing, x) is JitScalarType.FLOAT
        assert sh._try_get_scalar_type(nothing) is None
        assert sh._type_promote_from_values(x, constant) is JitScalarType.FLOAT
        assert sh.args_have_same_dtype([x, x])
        assert not sh.args_have_same_dtype([x, constant])
        assert sh._optional_input_placeholder_tensor(g).node().mustBeNone()
        return g.op("Neg", x)

    lowered(symbolic, inputs=[INPUT], arguments=[4, None, (1, 2), 5])


@pytest.mark.parametrize(
    ("refuse", "error", "message"),
    [
        (lambda x: sh._unimplemented("foo", "with bar", x), UnsupportedCase, "foo: with bar"),
        (lambda x: sh._onnx_unsupported("foo"), UnsupportedOperator, "foo is not supported"),
        (lambda x: sh._onnx_opset_unsupported("foo", 18, 20), NeedsOpset, "foo needs ONNX opset 20"),
        (lambda x: sh._onnx_opset_unsupported_detailed("foo", 18, 20, "bar"), NeedsOpset, "bar"),
        (sh._unpack_list, UnsupportedCase, "no list"),
        (sh._unpack_tuple, UnsupportedCase, "no tuple"),
        (lambda x: sh._get_const(x, "i", "k"), NeedsStatic, "argument k"),
    ],
)
def test_refusals(lowered, refuse, error, message):
    with pytest.raises(error, match=message):
        lowered(lambda g, x: refuse(x), inputs=[INPUT])


def test_quantized_arguments(lowered):
    @sh.quantized_args(True)
    def neg(g, x):
        return g.op("Neg", x)

    def symbolic(g, x):
        scale, zero = g.op("Constant", value_t=torch.tensor(0.5)), torch.tensor(128, dtype=torch.uint8)
        quantized = sh.quantize_helper(g, x, scale, g.op("Constant", value_t=zero))
        result = neg(g, quantized)
        assert sh._is_tuple_construct(result)
        assert neg(g, x).node().kind() == "onnx::Neg"
        return sh.dequantize_helper(g, result)[0]

    model = lowered(symbolic, inputs=[INPUT])
    wanted = ["QuantizeLinear", "DequantizeLinear", "Neg", "QuantizeLinear", "Neg", "DequantizeLinear"]
    assert model.ops == wanted
    np.testing.assert_array_equal(model.run(X)[0], -X)


def test_training_is_warned_of():
    with pytest.warns(UserWarning, match="dropout is exported as it works in training"):
        sh.check_training_mode(1, "dropout")
    sh.check_training_mode(0, "dropout")


def test_tables():
    assert sh.cast_pytorch_to_onnx["Float"] == 1
    assert sh.cast_pytorch_to_onnx["Long"] == 7
    assert "QInt8" not in sh.cast_pytorch_to_onnx
    assert sh.scalar_type_to_onnx[JitScalarType.FLOAT] == 1
    assert sh.scalar_type_to_pytorch_type[JitScalarType.HALF] is torch.float16
    assert sh.pytorch_name_to_type["int64_t"] == "Long"
    assert sh.scalar_name_to_pytorch["Long"] == "int64_t"


@pytest.mark.parametrize("member", [m for m in JitScalarType if m is not JitScalarType.UNDEFINED])
def test_scalar_types_are_those_of_torch(member):
    theirs = torch.onnx.JitScalarType[member.name]
    assert member.value == theirs.value
    assert member.scalar_name() == theirs.scalar_name()
    assert member.torch_name() == theirs.torch_name()
    assert member.dtype() is theirs.dtype()
    assert member.onnx_compatible() == theirs.onnx_compatible()
    if member.onnx_compatible():
        assert member.onnx_type() == int(theirs.onnx_type())
    assert JitScalarType.from_dtype(member.dtype()) is member
    assert JitScalarType.from_name(member.scalar_name()) is JitScalarType.from_name(member.torch_name()) is member
    assert JitScalarType.from_value(torch.empty(0, dtype=torch.float16)) is JitScalarType.HALF


def test_scalar_types_that_are_none():
    for call in (
        lambda: JitScalarType.from_name("Nothing"),
        lambda: JitScalarType.from_onnx_type(99),
        lambda: JitScalarType.from_value(None),
        JitScalarType.COMPLEX32.onnx_type,
        JitScalarType.UNDEFINED.dtype,
        lambda: JitScalarType.from_dtype(torch.bits8),
    ):
        with pytest.raises(InvalidArgument):
            call()
    assert JitScalarType.from_dtype(None) is JitScalarType.UNDEFINED
    assert JitScalarType.from_value(None, JitScalarType.INT) is JitScalarType.INT
    assert JitScalarType.from_onnx_type(7) is JitScalarType.INT64
