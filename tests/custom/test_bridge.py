"""What libraries do through ``torch.onnx``: registrations are found, and calls of its ``export`` can be redirected."""

from __future__ import annotations

import contextlib
import sys
import threading

import onnx
import onnxport
import pytest
import torch
from onnxport_custom_ops import Session

from tests.custom.harness import Apply, check, ops, registered


@contextlib.contextmanager
def registered_with_torch(name, function, opset):
    torch.onnx.register_custom_op_symbolic(name, function, opset)
    try:
        yield
    finally:
        torch.onnx.unregister_custom_op_symbolic(name, opset)


@torch.library.custom_op("onnxport_bridge::nms", mutates_args=())
def nms(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    kept = []
    for index in scores.argsort(descending=True).tolist():
        box = boxes[index]
        overlaps = False
        for other in kept:
            low, high = torch.maximum(box[:2], boxes[other][:2]), torch.minimum(box[2:], boxes[other][2:])
            common = (high - low).clamp(min=0).prod()
            areas = (box[2:] - box[:2]).prod() + (boxes[other][2:] - boxes[other][:2]).prod()
            overlaps = overlaps or bool(common / (areas - common) > iou_threshold)
        if not overlaps:
            kept.append(index)
    return torch.tensor(kept)


@torch.onnx.symbolic_helper.parse_args("v", "v", "f")
def symbolic_nms(g, boxes, scores, iou_threshold):
    """Written against torch's helpers and opset modules, as the detection libraries' functions are."""
    from torch.onnx import symbolic_helper, symbolic_opset11  # noqa: PLC0415 - as libraries do

    assert isinstance(boxes, torch._C.Value)
    assert isinstance(boxes.type(), torch._C.TensorType)
    boxes = symbolic_opset11.unsqueeze(g, boxes, 0)
    scores = symbolic_helper._unsqueeze_helper(g, scores, [0, 1])
    most = g.op("Constant", value_t=torch.tensor([sys.maxsize], dtype=torch.long))
    threshold = g.op("Constant", value_t=torch.tensor([iou_threshold], dtype=torch.float))
    found = g.op(
        "NonMaxSuppression",
        g.op("Cast", boxes, to_i=torch.onnx.TensorProtoDataType.FLOAT),
        g.op("Cast", scores, to_i=torch.onnx.TensorProtoDataType.FLOAT),
        most,
        threshold,
    )
    column = g.op("Constant", value_t=torch.tensor([2], dtype=torch.long))
    return symbolic_opset11.squeeze(g, symbolic_opset11.select(g, found, 1, column), 1)


def detect(x, scores):
    centres, halves = x[:, :2] * 2, x[:, 2:].abs() + 0.5
    return nms(torch.cat([centres - halves, centres + halves], 1), scores, 0.3)


@pytest.mark.parametrize("opset", [11, 13, 18, 21])
def test_a_librarys_function_runs_unchanged(opset):
    with registered_with_torch("onnxport_bridge::nms", symbolic_nms, 11):
        proto = check(
            Apply(detect),
            *(torch.randn(12, 4), torch.rand(12)),
            inputs=(torch.randn(30, 4), torch.rand(30)),
            input_names=["x", "scores"],
            dynamic_axes={"x": {0: "n"}, "scores": {0: "n"}},
            opset_version=opset,
            check=False,  # its inputs of other sizes repeat the example: of equal scores, any may be the first
        )
    assert "NonMaxSuppression" in ops(proto)


def test_the_function_for_the_opset_is_taken():
    def named(name):
        return lambda g, x: g.op(f"custom::{name}", x)

    with (
        registered_with_torch("onnxport_bridge::op", named("Sixteen"), 16),
        registered_with_torch("onnxport_bridge::op", named("Eleven"), 11),
    ):
        library = torch.library.Library("onnxport_bridge", "FRAGMENT")
        library.define("op(Tensor x) -> Tensor")
        library.impl("op", lambda x: x.clone(), "CompositeExplicitAutograd")
        model, x = Apply(torch.ops.onnxport_bridge.op), torch.randn(2)
        found = {
            opset: ops(onnxport.export(model, x, opset_version=opset).model_proto) for opset in (11, 15, 16, 18, 23)
        }
        assert found == {
            11: ["custom::Eleven"],
            15: ["custom::Eleven"],
            16: ["custom::Sixteen"],
            18: ["custom::Sixteen"],
            23: ["custom::Sixteen"],
        }
        with pytest.raises(onnxport.OnnxExporterError, match="onnxport_bridge::op is not supported"):
            onnxport.export(model, x, opset_version=10)
        # What is registered with onnxport itself is the user's last word.
        with registered("onnxport_bridge::op", named("Ours"), 18):
            assert ops(onnxport.export(model, x, opset_version=18).model_proto) == ["custom::Ours"]
            assert ops(onnxport.export(model, x, opset_version=17).model_proto) == ["custom::Sixteen"]


def test_torchs_own_symbolic_functions_are_not_used():
    assert Session(18).registered == {}


def test_a_librarys_function_for_a_function():
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def symbolic(g, x):
            helper = torch.onnx.symbolic_helper
            assert helper._get_tensor_sizes(x) == [None, 3]
            assert helper._get_tensor_rank(x) == 2
            assert not helper._is_constant(x)
            assert not helper._is_none(x)
            assert torch.onnx.JitScalarType.from_value(x).dtype() is torch.float32
            return helper._reducesum_helper(g, helper._unsqueeze_helper(g, g.op("Add", x, x), [0]), [0], keepdims_i=0)

    check(
        Apply(Twice.apply), torch.randn(2, 3), inputs=(torch.randn(5, 3),), input_names=["x"], dynamic_axes={"x": [0]}
    )


class Probe(torch.nn.Module):
    def forward(self, x):
        return x + 1 if torch.onnx.is_in_onnx_export() and onnxport.is_in_onnx_export() else x


@pytest.mark.parametrize(("bare", "redirected"), [(False, False), (True, True)])
def test_calls_of_torchs_export_are_redirected(tmp_path, monkeypatch, bare, redirected):
    calls = []
    monkeypatch.setattr(torch.onnx, "export", lambda *args, **kwargs: calls.append(kwargs))
    before = torch.onnx.export, torch.onnx.utils.export
    path = tmp_path / "m.onnx"
    with onnxport.compat.installed(bare=bare):
        result = torch.onnx.export(
            Probe(),
            (torch.randn(2),),
            path,
            dynamo=False,
            opset_version=13,
            training=torch.onnx.TrainingMode.EVAL,
            operator_export_type=torch.onnx.OperatorExportTypes.ONNX,
        )
        assert result is None
        assert onnx.load(path).producer_name == "onnxport"
        assert ops(onnx.load(path)) == ["Add"]
        torch.onnx.utils.export(Probe(), (torch.randn(2),), tmp_path / "old.onnx", opset_version=13)
        assert onnx.load(tmp_path / "old.onnx").producer_name == "onnxport"
        assert calls == []
        torch.onnx.export(Probe(), (torch.randn(2),), tmp_path / "bare.onnx")
        assert (tmp_path / "bare.onnx").exists() is redirected
        torch.onnx.export(Probe(), (torch.randn(2),), dynamo=True)
    assert calls == ([{"dynamo": True}] if redirected else [{}, {"dynamo": True}])
    assert (torch.onnx.export, torch.onnx.utils.export) == before


def _unknown(x):
    return torch.ops.aten._foobar(x)


@pytest.mark.parametrize(
    ("function", "options", "theirs", "ours"),
    [
        (_unknown, {}, "UnsupportedOperatorError", "UnsupportedOperator"),
        (
            lambda x: _unknown(x) + nms(x[:, [0, 0, 1, 1]], x[:, 0], 0.5).sum(),
            {},
            "UnsupportedOperatorError",
            "UnsupportedOperators",
        ),
        (
            torch.neg,
            {"export_modules_as_functions": True, "opset_version": 14},
            "UnsupportedOperatorError",
            "NeedsOpset",
        ),
        (torch.neg, {"dynamic_axes": {"y": [0]}}, "OnnxExporterError", "InvalidArgument"),
        (torch.neg, {"f": "no/such/folder/m.onnx"}, "OnnxExporterError", "WriteFailed"),
        (lambda x: x @ x.new_ones(7), {}, "OnnxExporterError", "CaptureFailed"),
    ],
)
def test_errors_can_be_caught_as_torchs(function, options, theirs, ours):
    with onnxport.compat.installed(), pytest.raises(getattr(torch.onnx.errors, theirs)) as caught:
        torch.onnx.export(Apply(function), (torch.rand(2, 2),), dynamo=False, **options)
    assert isinstance(caught.value, torch.onnx.OnnxExporterError)
    assert isinstance(caught.value, getattr(onnxport.errors, ours))
    assert type(caught.value).__name__ == ours
    assert str(caught.value).startswith(f"[{caught.value.code}] ")
    # Outside of it, errors are our own.
    with pytest.raises(getattr(onnxport.errors, ours)) as caught:
        onnxport.export(Apply(function), (torch.rand(2, 2),), **options)
    assert not isinstance(caught.value, torch.onnx.OnnxExporterError)


def test_threads_that_install_leave_it_as_it_was():
    before = torch.onnx.export

    def work(index):
        with onnxport.compat.installed(bare=True):
            return index

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torch.onnx.export is before


def test_install_twice_and_nested():
    before = torch.onnx.export
    onnxport.compat.install()
    onnxport.compat.install(bare=True)
    with onnxport.compat.installed():
        assert torch.onnx.export is not before
    assert torch.onnx.export is not before
    onnxport.compat.uninstall()
    assert torch.onnx.export is before
    onnxport.compat.uninstall()
    assert torch.onnx.export is before


def test_the_flag_is_down_outside_of_exports():
    assert not onnxport.is_in_onnx_export()
    assert Probe()(torch.zeros(1)).tolist() == [0.0]


def test_threads_with_symbolic_functions():
    """Each of many exports at once sees its own arguments, and what was registered when it started."""

    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            return x * factor

        @staticmethod
        def symbolic(g, x, factor):
            return g.op("Mul", x, torch.tensor(factor))

    def model(factor):
        return Apply(lambda x: Scaled.apply(Scaled.apply(x, factor) + 1, factor))

    x = torch.randn(3)
    alone = [onnxport.export(model(float(i)), x).model_proto.SerializeToString() for i in range(8)]
    found = {}

    def run(index):
        found[index] = onnxport.export(model(float(index)), x).model_proto.SerializeToString()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for index in range(50):
        onnxport.register_custom_op_symbolic(f"onnxport_bridge::op{index}", lambda g, x: x, 9)
    for thread in threads:
        thread.join()
    for index in range(50):
        onnxport.unregister_custom_op_symbolic(f"onnxport_bridge::op{index}", 9)
    assert [found[index] for index in range(8)] == alone
