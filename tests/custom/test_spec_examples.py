"""The examples of the exporter's documentation, with onnxport in the place of torch.onnx."""

from __future__ import annotations

import onnxport
import pytest
import torch
from onnxport import symbolic_helper

from tests.custom.harness import Apply, check, ops, registered, run


def test_elu():
    def elu(g, input: torch.Value, alpha: torch.Value, inplace: bool = False):  # noqa: A002 - as torch names it
        return g.op("Elu", input, alpha_f=alpha)

    with registered("aten::elu", elu):
        proto = check(torch.nn.ELU(0.7), torch.randn(2, 3))
    assert ops(proto) == ["Elu"]


def test_elu_with_an_argument_that_the_symbolic_function_does_not_take():
    def elu(g, input, alpha, inplace=False):  # noqa: A002 - as torch names it
        return g.op("Elu", input, alpha_f=alpha)

    model = Apply(lambda x: torch.ops.aten.elu(x, 1.0, 2.0, 1.0))
    with registered("aten::elu", elu), pytest.raises(onnxport.OnnxExporterError, match="takes no argument scale"):
        onnxport.export(model, torch.randn(2, 3))


class MyRelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - as torch names it
        ctx.save_for_backward(input)
        return input.clamp(min=0)

    @staticmethod
    def symbolic(g: torch.Graph, input: torch.Value) -> torch.Value:  # noqa: A002 - as torch names it
        return g.op("Clip", input, g.op("Constant", value_t=torch.tensor(0, dtype=torch.float)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_static_symbolic_method(dtype):
    proto = check(Apply(MyRelu.apply), torch.randn(2, 3, dtype=dtype))
    assert ops(proto) == ["Clip"]


class MyLogExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - as torch names it
        ctx.save_for_backward(input)
        h = input.exp()
        return h.log().log()


def test_inlined_autograd_function():
    proto = check(Apply(MyLogExp.apply), torch.rand(2) + 1)
    assert ops(proto) == ["Exp", "Log", "Log"]


def test_onnx_script_function(tmp_path):
    onnxscript = pytest.importorskip("onnxscript", reason="the extra onnxscript is optional")
    op = onnxscript.onnx_opset.opset15
    opset_version = 15
    x = torch.randn(1, 2, 3, 4, requires_grad=True)
    model = torch.nn.SELU()
    custom_opset = onnxscript.values.Opset(domain="onnx-script", version=1)

    @onnxscript.script(custom_opset)
    def Selu(X):
        alpha = 1.67326  # auto wrapped as Constants
        gamma = 1.0507
        alphaX = op.CastLike(alpha, X)
        gammaX = op.CastLike(gamma, X)
        neg = gammaX * (alphaX * op.Exp(X) - alphaX)
        pos = gammaX * X
        zero = op.CastLike(0, X)
        return op.Where(zero >= X, neg, pos)

    # setType API provides shape/type to ONNX shape/type inference
    def custom_selu(g: onnxport.GraphContext, X):
        return g.onnxscript_op(Selu, X).setType(X.type())

    with registered("aten::selu", custom_selu, opset_version):
        program = onnxport.export(
            model,
            x,
            tmp_path / "model.onnx",
            opset_version=opset_version,
            # only needed if you want to specify an opset version > 1.
            custom_opsets={"onnx-script": 2},
        )
    proto = program.model_proto
    assert ops(proto) == ["onnx-script::Selu"]
    assert {entry.domain: entry.version for entry in proto.opset_import} == {"": 15, "onnx-script": 2}
    (found,) = run(proto, x.detach())
    # The function has fewer digits of the constants than torch.
    torch.testing.assert_close(found, model(x).detach(), rtol=1e-4, atol=1e-5)


def test_unconvertible_ops():
    @torch.library.custom_op("onnxport_spec::nothing", mutates_args=())
    def nothing(x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    class Model(torch.nn.Module):
        def forward(self, x):
            return torch.ops.aten._foobar(torch.relu(x)) + nothing(x)

    model = Model()
    graph, unconvertible_ops = onnxport.unconvertible_ops(model, (torch.rand(3, 3),), opset_version=18)
    assert set(unconvertible_ops) == {"aten::_foobar", "onnxport_spec::nothing"}
    assert "aten::relu" in str(graph)


def test_dynamic_axes():
    class SumModule(torch.nn.Module):
        def forward(self, x):
            return torch.sum(x, dim=1)

    def sizes(info):
        return [dim.dim_param or dim.dim_value for dim in info.type.tensor_type.shape.dim]

    proto = check(SumModule(), torch.ones(2, 2), input_names=["x"], output_names=["sum"])
    assert (sizes(proto.graph.input[0]), sizes(proto.graph.output[0])) == ([2, 2], [2])
    proto = check(
        SumModule(),
        torch.ones(2, 2),
        inputs=(torch.ones(5, 2),),
        input_names=["x"],
        output_names=["sum"],
        dynamic_axes={
            # dict value: manually named axes
            "x": {0: "my_custom_axis_name"},
            # list value: automatic names
            "sum": [0],
        },
    )
    assert sizes(proto.graph.input[0]) == ["my_custom_axis_name", 2]
    assert sizes(proto.graph.output[0]) == ["sum_dynamic_axes_1"]


def test_helpers_are_imported_from_onnxport():
    assert symbolic_helper.parse_args("v", "i")(lambda g, x, n: (x, n))(None, "x", 3) == ("x", 3)
