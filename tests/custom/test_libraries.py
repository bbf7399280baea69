"""Symbolic functions as libraries write them, against ``torch.onnx`` and with ``onnxport`` in its place."""

from __future__ import annotations

import importlib
from typing import Any

import onnx
import onnxport
import pytest
import torch
from onnxport.errors import InvalidArgument, OnnxExporterError
from torch.nn import functional as F

from tests.custom.harness import Apply, check, ops, registered

HOUSES = ["torch.onnx", "onnxport"]
X, OTHER = torch.randn(2, 3, 4), torch.randn(5, 3, 4)


def module(house: str, name: str) -> Any:
    """``torch.onnx.symbolic_opset9``, or ours."""
    return importlib.import_module(f"{house}.{name}")


def compare(symbolic: Any, function: Any, *args: Any, others: tuple[Any, ...] = (), **options: Any) -> list[str]:
    """Export ``function`` as one operator with a symbolic function; gives the operators of ONNX."""

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *given: Any) -> Any:
            return function(*given)

    Function.symbolic = staticmethod(symbolic)  # type: ignore[attr-defined]  # as a class would define it
    model = Apply(lambda *tensors: Function.apply(*tensors, *[arg for arg in args if not torch.is_tensor(arg)]))
    tensors = tuple(arg for arg in args if torch.is_tensor(arg))
    names = [f"x{index}" for index in range(len(tensors))]
    axes = {name: {0: "n"} for name in names} if others else None
    return ops(check(model, *tensors, inputs=others or None, input_names=names, dynamic_axes=axes, **options))


@pytest.mark.parametrize("house", HOUSES)
@pytest.mark.parametrize("opset", [11, 13, 18])
def test_functions_of_the_opset_modules(house: str, opset: int) -> None:
    """Attention masks of the transformer libraries: an operator of torch inside of a symbolic function."""
    nine, thirteen = module(house, "symbolic_opset9"), module(house, "symbolic_opset13")

    def symbolic(g: Any, x: Any, scale: float) -> Any:
        scaled = g.op("Mul", x, torch.tensor(scale))
        mask = nine.lt(g, scaled, g.op("Constant", value_t=torch.tensor(0.0)))
        filled = nine.masked_fill(g, scaled, mask, g.op("Constant", value_t=torch.tensor(-100.0)))
        total = nine.add(g, filled, nine.ones_like(g, x))
        # torch's function for opset 13 writes what opset 13 has; ours writes what the export has.
        return (thirteen if g.opset >= 13 else nine).softmax(g, total, g.op("Constant", value_t=torch.tensor(-1)))

    def function(x: torch.Tensor, scale: float) -> torch.Tensor:
        scaled = x * scale
        return torch.softmax(scaled.masked_fill(scaled < 0, -100.0) + 1, -1)

    found = compare(symbolic, function, X, 0.5, others=(OTHER,), opset_version=opset)
    assert "Softmax" in found


@pytest.mark.parametrize("house", HOUSES)
@pytest.mark.parametrize("opset", [11, 13, 18, 20])
def test_indices_of_regions(house: str, opset: int) -> None:
    """What the detection libraries do before RoiAlign: one column as integers, the others as boxes."""
    eleven = module(house, "symbolic_opset11")

    def symbolic(g: Any, x: Any, boxes: Any) -> Any:
        column = eleven.select(g, boxes, 1, g.op("Constant", value_t=torch.tensor([0])))
        batch = g.op("Cast", eleven.squeeze(g, column, 1), to_i=torch.onnx.TensorProtoDataType.INT64)
        corners = eleven.select(g, boxes, 1, g.op("Constant", value_t=torch.tensor([1, 2, 3, 4])))
        found = g.op("Gather", x, batch, axis_i=0)
        sizes = g.op("ReduceMax", corners, axes_i=[1], keepdims_i=0) if g.opset < 18 else corners
        if g.opset >= 18:
            sizes = g.op("ReduceMax", corners, g.op("Constant", value_t=torch.tensor([1])), keepdims_i=0)
        return g.op("Mul", found, eleven.unsqueeze(g, eleven.unsqueeze(g, sizes, 1), 2))

    def function(x: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        return x[boxes[:, 0].long()] * boxes[:, 1:].amax(1)[:, None, None]

    boxes = torch.cat([torch.tensor([[0.0], [1.0]]), torch.rand(2, 4)], 1)
    more = torch.cat([torch.tensor([[4.0], [1.0], [0.0], [2.0], [3.0]]), torch.rand(5, 4)], 1)
    compare(symbolic, function, X, boxes, others=(OTHER, more), opset_version=opset)


@pytest.mark.parametrize("house", HOUSES)
def test_quantisers_state_types(house: str) -> None:
    """Fake quantisation of the quantisation toolkits: half precision goes through floats, types are stated."""
    helper = module(house, "symbolic_helper")

    def symbolic(g: Any, x: Any, scale: float, zero: int) -> Any:
        shape, dtype = helper._get_tensor_sizes(x), x.type().scalarType()
        assert shape[1:] == [3, 4]
        if dtype == "Half":
            x = g.op("Cast", x, to_i=torch.onnx.TensorProtoDataType.FLOAT)
        operands = g.op("Constant", value_t=torch.tensor(scale)), g.op("Constant", value_t=torch.tensor(zero).char())
        packed = g.op("QuantizeLinear", x, *operands).setType(
            x.type().with_dtype(torch.int8).with_sizes([None, *shape[1:]])
        )
        assert packed.type().scalarType() == "Char"
        found = g.op("DequantizeLinear", packed, *operands).setType(x.type())
        return g.op("Cast", found, to_i=torch.onnx.TensorProtoDataType.FLOAT16) if dtype == "Half" else found

    def function(x: torch.Tensor, scale: float, zero: int) -> torch.Tensor:
        found = ((x.float() / scale).round() + zero).clamp(-128, 127)
        return ((found - zero) * scale).to(x.dtype)

    for dtype in (torch.float32, torch.float16):
        found = compare(symbolic, function, X.to(dtype), 0.125, 3, others=(OTHER.to(dtype),), opset_version=13)
        assert found.count("QuantizeLinear") == 1
        assert found.count("Cast") == (2 if dtype == torch.float16 else 0)


@pytest.mark.parametrize("known", [True, False])
def test_resizing_by_the_helpers(known: bool) -> None:
    helper = module("onnxport", "symbolic_helper")

    def symbolic(g: Any, x: Any, size: list[int], corners: bool, first: float, second: float) -> Any:
        values = g.op("Constant", value_t=torch.tensor(size))
        scales, aligned = helper._get_interpolate_attributes(g, "linear", [corners, first, second])
        assert aligned is corners
        if scales is None:
            scales = helper._interpolate_size_to_scales(g, x, values, 4)
        empty = g.op("Constant", value_t=torch.tensor([], dtype=torch.float32))
        return g.op("Resize", x, empty, scales, mode_s="linear", coordinate_transformation_mode_s="align_corners")

    def function(x: torch.Tensor, size: list[int], *_: Any) -> torch.Tensor:
        return F.interpolate(x, size, mode="bilinear", align_corners=True)

    factors = (2.0, 3.0) if known else (-1.0, -1.0)
    x, y = torch.randn(1, 2, 3, 4), torch.randn(4, 2, 3, 4)
    compare(symbolic, function, x, [6, 12], True, *factors, others=(y,), opset_version=13)


def test_helpers_that_are_operators() -> None:
    helper = module("onnxport", "symbolic_helper")

    def symbolic(g: Any, x: Any) -> Any:
        values, indices = helper._sort_helper(g, x, _integer(g, -1), _integer(g, 1))
        last = helper._topk_helper(g, x, 2, _integer(g, 2), sorted=True)[0]
        return values, indices, last, helper._argmin_argmax_helper(g, x, _integer(g, 1), False, "ArgMax")

    def _integer(g: Any, number: int) -> Any:
        return g.op("Constant", value_t=torch.tensor(number))

    def function(x: torch.Tensor) -> Any:
        return *x.sort(-1, descending=True), x.topk(2, 2)[0], x.argmax(1)

    compare(symbolic, function, X, others=(OTHER,), opset_version=13)


def test_nodes_of_other_domains_with_the_attributes_of_a_convolution() -> None:
    """Deformable convolution of the vision libraries; the runtime that has it is not ONNX Runtime."""

    class Deformable(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, offset: Any, weight: Any, stride: Any, padding: Any, groups: int) -> Any:
            return F.conv2d(x, weight, stride=stride, padding=padding)

        @staticmethod
        def symbolic(g: Any, x: Any, offset: Any, weight: Any, stride: Any, padding: Any, groups: int) -> Any:
            return g.op("mmcv::Deform", x, offset, weight, stride_i=stride, padding_i=padding, groups_i=groups)

    model = Apply(lambda x, offset, weight: Deformable.apply(x, offset, weight, (2, 1), (1, 1), 1))
    args = torch.randn(1, 2, 8, 8), torch.randn(1, 18, 4, 8), torch.randn(3, 2, 3, 3)
    proto = onnxport.export(model, args).model_proto
    node = proto.graph.node[0]
    assert {a.name: list(a.ints) or a.i for a in node.attribute} == {"stride": [2, 1], "padding": [1, 1], "groups": 1}
    sizes = [dim.dim_value for dim in proto.graph.output[0].type.tensor_type.shape.dim]
    assert sizes == [1, 3, 4, 8]


def test_the_runtimes_own_registrations() -> None:
    """ONNX Runtime registers functions for the operators that it has beside ONNX's."""
    contrib = pytest.importorskip("onnxruntime.tools.pytorch_export_contrib_ops")

    def function(x: torch.Tensor, grid: torch.Tensor) -> tuple[torch.Tensor, ...]:
        square = x[:, :, :3] + 5 * torch.eye(3)
        exact, rough = F.gelu(x), F.gelu(x, approximate="tanh")
        sampled = F.grid_sample(x[:, None], grid, align_corners=True)
        return exact, rough, torch.linalg.inv(square), torch.tril(x, 1) + torch.triu(x, -1), sampled

    axes = {name: {0: "n"} for name in ("x", "grid")}
    contrib.register()
    try:
        proto = check(
            Apply(function),
            *(X, torch.rand(2, 4, 4, 2) * 2 - 1),
            inputs=(OTHER, torch.rand(5, 4, 4, 2) * 2 - 1),
            input_names=["x", "grid"],
            dynamic_axes=axes,
            opset_version=17,
        )
    finally:
        contrib.unregister()
    names = {"Gelu", "Inverse", "Trilu", "GridSample"}
    assert {f"com.microsoft::{name}" for name in names} <= set(ops(proto))


# --- our modules, beyond what torch's do ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "function"),
    [
        ("add", [1.5], lambda x: x + 1.5),
        ("sub", [torch.ones(4)], lambda x: x - 1),
        ("clamp", [-0.5, None], lambda x: x.clamp(min=-0.5)),
        ("transpose", [0, 2], lambda x: x.transpose(0, 2)),
        ("permute", [[2, 0, 1]], lambda x: x.permute(2, 0, 1)),
        ("reshape", [[-1, 4]], lambda x: x.reshape(-1, 4)),
        ("flatten", [1, 2], lambda x: x.flatten(1, 2)),
        ("sum", [[1], True], lambda x: x.sum([1], True)),
        ("mean", [1], lambda x: x.mean(1)),
        ("gelu", [], F.gelu),
        ("layer_norm", [[4]], lambda x: F.layer_norm(x, [4])),
        ("select", [1, 2], lambda x: x.select(1, 2)),
        ("slice", [1, 0, 2, 1], lambda x: x[:, 0:2]),
        ("_cast_Long", [False], lambda x: x.long()),
        ("full_like", [7.0], lambda x: torch.full_like(x, 7)),
        ("zeros_like", [onnxport.JitScalarType.INT64], lambda x: torch.zeros_like(x, dtype=torch.int64)),
        ("pow", [2], lambda x: x**2),
        ("where", None, lambda x: torch.where(x > 0, x, -x)),
        ("index_select", [1, torch.tensor([2, 0])], lambda x: x.index_select(1, torch.tensor([2, 0]))),
        ("max", [1], lambda x: tuple(x.max(1))),
        ("split", [2, 1], lambda x: tuple(x.split(2, 1))),
    ],
)
@pytest.mark.parametrize("opset", [9, 13, 18])
def test_operators_of_torch_inside_of_a_symbolic_function(name: str, arguments: Any, function: Any, opset: int) -> None:
    nine = module("onnxport", "symbolic_opset9")

    def symbolic(g: Any, x: Any) -> Any:
        if arguments is None:
            return nine.where(g, nine.gt(g, x, 0), x, nine.neg(g, x))
        found = getattr(nine, name)(g, x, *arguments)
        return tuple(found) if isinstance(found, list) else found

    compare(symbolic, function, X, others=(OTHER,), opset_version=opset)


def test_what_torch_has_no_operator_for() -> None:
    nine = module("onnxport", "symbolic_opset9")
    with pytest.raises(AttributeError, match="torch has no operator aten::_prepare_onnx_paddings"):
        nine._prepare_onnx_paddings  # noqa: B018 - it is asked for
    with pytest.raises(InvalidArgument, match="calls aten::transpose with "):
        compare(lambda g, x: nine.transpose(g, x, "left"), lambda x: x, X)
    with pytest.raises(OnnxExporterError, match="_foobar, which a symbolic function calls, is not supported"):
        compare(nine._foobar, lambda x: x, X)


def test_functions_of_torch_onnx_utils() -> None:
    utils = onnxport.utils
    with pytest.raises(AttributeError, match=r"no _model_to_graph: onnxport_frontend.capture\(model, args\)"):
        utils._model_to_graph  # noqa: B018 - it is asked for
    with pytest.raises(AttributeError, match=r"no made_up$"):
        utils.made_up  # noqa: B018 - it is asked for
    assert str(utils.model_signature(torch.nn.Linear(2, 2))) == str(
        torch.onnx.utils.model_signature(torch.nn.Linear(2, 2))
    )

    def symbolic(g: Any, x: Any) -> Any:
        condition = g.op("Greater", g.op("ReduceSum", x, keepdims_i=0), torch.tensor(0.0))
        found, contexts, _ = utils.add_op_with_blocks(g, "If", condition, n_blocks=2)
        for context, op_type in zip(contexts, ("Neg", "Exp"), strict=True):
            utils._add_output_to_block(context.block, context.op(op_type, x))
        return found

    def function(x: torch.Tensor) -> torch.Tensor:
        return -x if x.sum() > 0 else x.exp()

    compare(symbolic, function, X, others=(X.abs(),))
    compare(symbolic, function, X, others=(-OTHER.abs(),))


def test_the_graph_of_unconvertible_operators_as_the_spec_writes_it() -> None:
    model, args, opset_version = Apply(torch.ops.aten._foobar), (torch.rand(3),), 18
    graph, unconvertible_ops = onnxport.utils.unconvertible_ops(model, args, opset_version=opset_version)
    assert set(unconvertible_ops) == {"aten::_foobar"}
    assert "aten::_foobar" in str(graph)


def test_registration_through_utils() -> None:
    assert onnxport.utils.register_custom_op_symbolic is onnxport.register_custom_op_symbolic
    with registered("aten::relu", lambda g, x: g.op("Relu", g.op("Neg", x))):
        assert ops(onnxport.utils.export(Apply(torch.relu), X).model_proto) == ["Neg", "Relu"]


def test_numbers_and_errors_have_torchs_names() -> None:
    theirs = torch.onnx.TensorProtoDataType.__members__
    assert {name: int(member) for name, member in theirs.items()}.items() <= {
        name: int(member) for name, member in onnxport.TensorProtoDataType.__members__.items()
    }.items()
    for member in onnxport.TensorProtoDataType:
        assert onnx.TensorProto.DataType.Value(member.name) == member
    with pytest.raises(onnxport.errors.UnsupportedOperatorError):
        onnxport.export(Apply(torch.ops.aten._foobar), X)


def test_a_range_that_is_a_buffer_is_known_to_torchs_helpers() -> None:
    """Quantisers keep their ranges in buffers, which they read as ``.data``, and want them as numbers."""

    class Quantise(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, amax: Any) -> Any:
            return (x / amax * 127).round().clamp(-128, 127) * amax / 127

        @staticmethod
        @torch.onnx.symbolic_helper.parse_args("v", "t")
        def symbolic(g: Any, x: Any, amax: Any) -> Any:
            assert isinstance(amax, torch.Tensor)
            scale, zero = g.op("Constant", value_t=amax / 127), g.op("Constant", value_t=torch.tensor(0).char())
            return g.op("DequantizeLinear", g.op("QuantizeLinear", x, scale, zero), scale, zero)

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("amax", torch.tensor(2.0))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return Quantise.apply(x, self.amax.data)

    class Moving(Model):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return Quantise.apply(x, x.abs().max())

    proto = check(Model(), X, inputs=(OTHER,), input_names=["x"], dynamic_axes={"x": {0: "n"}})
    assert ops(proto) == ["QuantizeLinear", "DequantizeLinear"]
    with pytest.raises(onnxport.errors.UnsupportedCase, match="SymbolicValueError"):
        onnxport.export(Moving(), X)
