"""Functions of ONNX-script, which become local functions of the model."""

from __future__ import annotations

import onnxport
import pytest
import torch

from tests.custom.harness import Apply, check, ops, registered, run

onnxscript = pytest.importorskip("onnxscript")
op = pytest.importorskip("onnxscript.onnx_opset").opset18

first = onnxscript.values.Opset("first", 1)
second = onnxscript.values.Opset("second", 1)


@onnxscript.script(first)
def Double(X):
    return op.Add(X, X)


@onnxscript.script(second)
def Leaky(X, alpha: float, bound: float = 0.0):
    """With a nested function, and an attribute that has a default."""
    limit = op.CastLike(op.Constant(value_float=bound), X)
    slope = op.CastLike(op.Constant(value_float=alpha), X)
    return op.Where(op.Less(X, limit), Double(X) * slope, X)


def double_of_second():
    @onnxscript.script(second)
    def Double(X):
        return op.Mul(X, op.CastLike(op.Constant(value_int=2), X))

    return Double


DoubleOfSecond = double_of_second()


@onnxscript.script(second)
def Both(X):
    return Double(DoubleOfSecond(X))


@onnxscript.script(first)
def Parts(X):
    return op.Neg(X), op.Abs(X)


class Named(torch.autograd.Function):
    """Calls whatever function of ONNX-script stands for it."""

    @staticmethod
    def forward(ctx, x, how):
        return HOW[how][0](x)

    @staticmethod
    def symbolic(g, x, how):
        return HOW[how][1](g, x)


HOW = {
    "double": (lambda x: x + x, lambda g, x: g.onnxscript_op(Double, x).setType(x.type())),
    "second": (lambda x: 2 * x, lambda g, x: g.onnxscript_op(DoubleOfSecond, x).setType(x.type())),
    "both": (lambda x: 4 * x, lambda g, x: g.onnxscript_op(Both, x).setType(x.type())),
    "parts": (lambda x: (-x, x.abs()), lambda g, x: g.onnxscript_op(Parts, x, outputs=2)),
}


def test_several_functions_of_one_name_in_two_domains():
    model = Apply(lambda x: Named.apply(Named.apply(Named.apply(x, "double"), "second"), "double"))
    proto = check(model, torch.randn(2, 3), inputs=(torch.randn(2, 3),), custom_opsets={"second": 4})
    assert ops(proto) == ["first::Double", "second::Double", "first::Double"]
    assert [(f.domain, f.name) for f in proto.functions] == [("first", "Double"), ("second", "Double")]
    assert {entry.domain: entry.version for entry in proto.opset_import} == {"": 18, "first": 1, "second": 4}


def test_functions_that_call_functions_of_one_name():
    proto = check(Apply(lambda x: Named.apply(x, "both")), torch.randn(2, 3), inputs=(torch.randn(2, 3),))
    names = [(f.domain, f.name) for f in proto.functions]
    assert set(names) == {("first", "Double"), ("second", "Double"), ("second", "Both")}
    assert names[-1] == ("second", "Both")


def test_several_results():
    proto = check(Apply(lambda x: Named.apply(x, "parts")), torch.randn(2, 3), inputs=(torch.randn(2, 3),))
    assert ops(proto) == ["first::Parts"]


@pytest.mark.parametrize("slope", [0.01, 0.3])
def test_attributes(slope):
    @onnxport.symbolic_helper.parse_args("v", "f")
    def leaky(g, x, negative_slope):
        return g.onnxscript_op(Leaky, x, alpha_f=negative_slope / 2)

    with registered("aten::leaky_relu", leaky):
        check(torch.nn.LeakyReLU(slope), torch.randn(2, 3), inputs=(torch.randn(2, 3),))


def test_older_opsets_have_no_functions():
    with pytest.raises(onnxport.errors.NeedsOpset, match="opset 15"):
        onnxport.export(Apply(lambda x: Named.apply(x, "double")), torch.randn(2), opset_version=14)


def test_a_function_for_another_opset_in_which_its_operators_are_the_same():
    model = Apply(lambda x: Named.apply(x, "double"))
    check(model, torch.randn(2), opset_version=16)


def test_a_function_for_another_opset_in_which_an_operator_changed():
    opset11 = pytest.importorskip("onnxscript.onnx_opset").opset11

    @onnxscript.script(first)
    def Sum(X):
        return opset11.ReduceSum(X, keepdims=0)

    with (
        registered("aten::sum", lambda g, x, dtype: g.onnxscript_op(Sum, x)),
        pytest.raises(onnxport.errors.UnsupportedCase, match="ReduceSum is another operator at opset 18"),
    ):
        onnxport.export(Apply(torch.sum), torch.randn(2))


def test_two_functions_under_one_name_are_refused():
    def make(factor):
        @onnxscript.script(first)
        def Scaled(X):
            return op.Mul(X, op.CastLike(op.Constant(value_float=factor), X))

        return Scaled

    functions = iter([make(2.0), make(3.0)])
    with (
        registered("aten::relu", lambda g, x: g.onnxscript_op(next(functions), x)),
        pytest.raises(onnxport.errors.InvalidArgument, match="two different functions are called first::Scaled"),
    ):
        onnxport.export(Apply(lambda x: torch.relu(torch.relu(x))), torch.randn(2))


def test_what_is_no_function_of_onnx_script_is_refused():
    with (
        registered("aten::relu", lambda g, x: g.onnxscript_op(torch.relu, x)),
        pytest.raises(onnxport.errors.InvalidArgument, match="no function of ONNX-script"),
    ):
        onnxport.export(Apply(torch.relu), torch.randn(2))


def test_a_function_that_nothing_reads_is_left_out():
    def symbolic(g, x):
        g.onnxscript_op(Parts, x, outputs=2)
        return g.onnxscript_op(Double, x)

    with registered("aten::relu", symbolic):
        proto = onnxport.export(Apply(torch.relu), torch.randn(2)).model_proto
    assert [f.name for f in proto.functions] == ["Double"]
    (found,) = run(proto, torch.tensor([1.0, 2.0]))
    assert found.tolist() == [2.0, 4.0]
