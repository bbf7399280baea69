"""Calls of ``torch.autograd.Function``: with a symbolic method, followed, or kept as nodes."""

from __future__ import annotations

import threading

import onnxport
import pytest
import torch

from tests.custom.harness import Apply, check, ops, registered


class Scale(torch.autograd.Function):
    """Several kinds of arguments that are no tensors."""

    @staticmethod
    def forward(ctx, x, factor, dtype, names, flag):
        ctx.factor = factor
        return x.to(dtype) * factor

    @staticmethod
    def symbolic(g, x, factor, dtype, names, flag):
        assert dtype is torch.float64
        assert names == ["a", 1]
        assert flag is True
        kind = onnxport.JitScalarType.from_dtype(dtype).onnx_type()
        return g.op("Mul", g.op("Cast", x, to_i=kind), torch.tensor(factor, dtype=dtype))


def test_a_symbolic_method_gets_what_is_no_tensor_as_it_was_passed():
    model = Apply(lambda x: Scale.apply(x, 2.5, torch.float64, ["a", 1], True))
    proto = check(model, torch.randn(3), inputs=(torch.randn(3),))
    assert ops(proto) == ["Cast", "Mul"]


class Split(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.mark_non_differentiable(x)
        return x.relu(), x.neg(), torch.full_like(x, 2)


def test_several_outputs_are_followed():
    proto = check(Apply(Split.apply), torch.randn(2, 3), inputs=(torch.randn(2, 3),))
    assert set(ops(proto)) <= {"Relu", "Neg", "Identity", "ConstantOfShape", "Expand"}


class SplitSymbolic(Split):
    @staticmethod
    def symbolic(g, x):
        low, high = g.op("Split", x, torch.tensor([1, 1]), axis_i=0, outputs=2)
        return g.op("Relu", x), g.op("Neg", x), g.op("Concat", low, high, axis_i=0)


def test_several_outputs_of_a_symbolic_method():
    program = onnxport.export(Apply(SplitSymbolic.apply), torch.randn(2, 3))
    assert ops(program.model_proto) == ["Split", "Relu", "Neg", "Concat"]


class Inner(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.exp()

    @staticmethod
    def symbolic(g, x):
        return g.op("Exp", g.op("Identity", x))


class Middle(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.y = y
        return Inner.apply(x) + ctx.y


class Outer(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y):
        return Middle.apply(x * 2, y).sum(-1)


def test_nested_functions_are_followed_to_the_one_with_a_symbolic_method():
    proto = check(Apply(Outer.apply), torch.randn(2, 3), torch.randn(3), inputs=(torch.randn(2, 3), torch.randn(3)))
    assert "Identity" in ops(proto)
    assert ops(proto)[-1] == "ReduceSum"


class Writes(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = x.clone()
        y[0] = 7
        y.mul_(2)
        ctx.saved = y
        return y


def test_a_function_that_writes_to_its_own_tensors():
    check(Apply(lambda x: Writes.apply(x) + x), torch.randn(3, 2), inputs=(torch.randn(3, 2),))


class WritesInput(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(3)


def test_a_function_that_writes_to_its_input():
    def model(x):
        y = x + 1
        WritesInput.apply(y)
        return y * 2

    check(Apply(model), torch.randn(3, 2), inputs=(torch.randn(3, 2),))


class WritesInputSymbolic(WritesInput):
    @staticmethod
    def symbolic(g, x):
        return g.op("Mul", x, torch.tensor(3.0))


def test_a_symbolic_method_cannot_stand_for_a_write_to_the_input():
    def model(x):
        y = x + 1
        WritesInputSymbolic.apply(y)
        return y * 2

    with pytest.raises(onnxport.errors.UnsafeMutation):
        onnxport.export(Apply(model), torch.randn(3, 2))


class Shapes(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.reshape(x.shape[0], -1) / x.shape[1]


def test_sizes_stay_dynamic_in_a_followed_function():
    check(
        Apply(Shapes.apply),
        torch.randn(2, 3, 4),
        inputs=(torch.randn(5, 2, 4),),
        input_names=["x"],
        dynamic_axes={"x": [0, 1]},
    )


class Separate(torch.autograd.Function):
    """The newer way to write a function: without a context in ``forward``."""

    @staticmethod
    def forward(x, factor=2.0):
        return x * factor, 3, x

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, factor = inputs
        assert ctx.needs_input_grad == (False, False)
        ctx.save_for_backward(output[0])
        ctx.factor = factor


def test_a_function_with_a_separate_context_and_results_in_any_order():
    def model(x):
        scaled, count, same = Separate.apply(x)
        same = same + 1
        return scaled * count, same

    check(Apply(model), torch.randn(3), inputs=(torch.randn(3),))


class Unordered(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        last = x.exp()
        first = x.neg()
        return first, last


def test_results_that_are_computed_in_another_order():
    check(Apply(Unordered.apply), torch.randn(3), inputs=(torch.randn(3),))


class UnorderedSymbolic(Unordered):
    @staticmethod
    def symbolic(g, x):
        last = g.op("Exp", x)
        return g.op("Neg", x), last


def test_results_of_a_symbolic_method_are_in_the_order_that_it_gives():
    check(Apply(UnorderedSymbolic.apply), torch.randn(3), inputs=(torch.randn(3),))


def test_a_result_that_is_the_argument_is_the_same_memory():
    class Same(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

    def model(x):
        y = x + 1
        Same.apply(y).add_(5)
        return y

    check(Apply(model), torch.randn(3), inputs=(torch.randn(3),))


def test_functions_may_read_the_modules_weights():
    class Weighted(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, module):
            return x @ module.weight.t() + module.bias

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.Linear(3, 2)

        def forward(self, x):
            return Weighted.apply(x, self.inner)

    proto = check(Model(), torch.randn(4, 3), inputs=(torch.randn(4, 3),))
    assert {tensor.name.removesuffix(".T") for tensor in proto.graph.initializer} == {"inner.weight", "inner.bias"}


def test_other_threads_keep_their_gradients_while_a_model_is_traced():
    """Functions are only followed in the thread that traces."""
    gradients = []
    tracing, done = threading.Event(), threading.Event()

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, gradient):
            return 2 * ctx.saved_tensors[0] * gradient

    def train():
        tracing.wait()
        x = torch.tensor([3.0], requires_grad=True)
        Square.apply(x).backward()
        gradients.append(x.grad.item())
        done.set()

    def model(x):
        tracing.set()
        assert done.wait(60)
        return Square.apply(x)

    thread = threading.Thread(target=train)
    thread.start()
    check(Apply(model), torch.randn(3))
    thread.join()
    assert gradients == [6.0]


class MyClip(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, low, high):
        return x.clamp(low, high)


class MyNeg(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return -x


def test_a_symbolic_function_for_all_functions_gets_their_names():
    seen = []

    def python_op(g, *args, **kwargs):
        n = g.original_node
        seen.append((n.pyname(), kwargs["name"], n.kind(), n.output().type().varyingSizes()))
        if n.pyname() == "MyClip":
            low, high = n.scalar_args()
            return g.op("Clip", args[0], torch.tensor(low), torch.tensor(high))
        return g.op("Neg", args[0])

    with registered("prim::PythonOp", python_op):
        proto = check(Apply(lambda x: MyNeg.apply(MyClip.apply(x, -0.5, 0.25))), torch.randn(7))
    assert ops(proto) == ["Clip", "Neg"]
    assert seen == [("MyClip", "MyClip", "prim::PythonOp", [7]), ("MyNeg", "MyNeg", "prim::PythonOp", [7])]


@pytest.mark.parametrize(
    "options",
    [
        {"operator_export_type": onnxport.OperatorExportTypes.ONNX_FALLTHROUGH},
        {"operator_export_type": torch.onnx.OperatorExportTypes.ONNX_FALLTHROUGH},
        {"operator_export_type": torch.onnx.OperatorExportTypes.ONNX_ATEN_FALLBACK},
        {"autograd_inlining": False},
    ],
)
def test_functions_are_kept_as_nodes(options):
    model = Apply(lambda x: Inner.apply(MyClip.apply(x, -0.5, 0.25)).relu())
    proto = onnxport.export(model, torch.randn(7), **options).model_proto
    assert ops(proto) == ["prim::PythonOp", "Identity", "Exp", "Relu"]
    attributes = {a.name: a for a in proto.graph.node[0].attribute}
    assert attributes["name"].s == b"MyClip"
    assert (attributes["arg1"].f, attributes["arg2"].f) == (-0.5, 0.25)


def test_operators_without_handler_fall_through():
    class Model(torch.nn.Module):
        def forward(self, x):
            return torch.ops.aten._foobar(x).relu()

    model, x = Model(), torch.rand(3) + 2
    with pytest.raises(onnxport.OnnxExporterError, match="aten::_foobar"):
        onnxport.export(model, x)
    kinds = onnxport.OperatorExportTypes
    proto = onnxport.export(model, x, operator_export_type=kinds.ONNX_FALLTHROUGH).model_proto
    assert ops(proto) == ["org.pytorch.aten::_foobar", "Relu"]
    proto = onnxport.export(model, x, operator_export_type=kinds.ONNX_ATEN_FALLBACK).model_proto
    assert ops(proto) == ["org.pytorch.aten::ATen", "Relu"]
    assert {a.name: a.s for a in proto.graph.node[0].attribute} == {"operator": b"_foobar", "overload_name": b""}
    proto = onnxport.export(model, x, operator_export_type=kinds.ONNX_ATEN).model_proto
    assert ops(proto) == ["org.pytorch.aten::ATen", "org.pytorch.aten::ATen"]


def test_an_error_in_a_symbolic_method_says_where_it_was_called():
    class Faulty(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def symbolic(g, x):
            raise KeyError("lost")

    with pytest.raises(onnxport.errors.UnsupportedCase, match="raised KeyError: 'lost'") as caught:
        onnxport.export(Apply(Faulty.apply), torch.randn(2))
    assert isinstance(caught.value.__cause__, KeyError)
    assert "harness.py" in str(caught.value)
