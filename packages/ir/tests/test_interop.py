from __future__ import annotations

import builtins
import io

import numpy as np
import onnx
import pytest
from onnxport_ir import DType, LazyTensor
from onnxport_ir.errors import NotYetSupported
from onnxport_ir.interop import from_onnx_ir, to_onnx_ir
from onnxport_ir.proto import encode, to_proto
from onnxport_ir.write import write

onnx_ir = pytest.importorskip("onnx_ir", reason="the extra onnx-ir is optional")


def without_types_of_constants(proto: onnx.ModelProto) -> onnx.ModelProto:
    """onnx_ir also lists initializers among the intermediate values."""
    stored = {tensor.name for tensor in proto.graph.initializer}
    kept = [info for info in proto.graph.value_info if info.name not in stored]
    del proto.graph.value_info[:]
    proto.graph.value_info.extend(kept)
    return proto


def test_onnx_ir_reads_what_we_write_as_protobuf_does(any_model):
    content = encode(any_model, value_info="all").to_bytes()
    through_protobuf = onnx.load(io.BytesIO(content))
    assert through_protobuf == to_proto(any_model, value_info="all")
    through_ir = onnx_ir.to_proto(onnx_ir.from_proto(through_protobuf))
    assert without_types_of_constants(through_ir) == through_protobuf


def test_to_onnx_ir_gives_the_model_that_is_written(any_model):
    converted = onnx_ir.to_proto(to_onnx_ir(any_model))
    assert without_types_of_constants(converted) == to_proto(any_model, value_info="all")


def test_there_and_back_gives_the_same_bytes(any_model):
    again = from_onnx_ir(to_onnx_ir(any_model))
    assert encode(again, value_info="all").to_bytes() == encode(any_model, value_info="all").to_bytes()


def test_weights_are_shared_in_both_directions(tools):
    model = tools.finished(tools.mlp(width=1000))
    source = model.graph.constants()[0].array()
    converted = to_onnx_ir(model)
    assert np.shares_memory(converted.graph.initializers["fc.weight"].const_value.numpy(), source)
    again = from_onnx_ir(converted)
    assert np.shares_memory(again.graph.constants()[0].array(), source)


def test_weights_are_not_touched_before_they_are_used(tools):
    def fail(_array):
        raise AssertionError("read too early")

    model = tools.finished(tools.mlp(width=1000))
    weight = model.graph.constants()[0]
    weight.const = LazyTensor(weight.const, fail, DType.FLOAT32, weight.const.shape)
    again = from_onnx_ir(to_onnx_ir(model))
    assert again.graph.constants()[0].const.nbytes == 16_000
    with pytest.raises(AssertionError, match="read too early"):
        again.graph.constants()[0].array()


def test_a_model_from_onnx_ir_can_be_written_and_run(tools, tmp_path):
    model = tools.finished(tools.mlp(width=1000))
    converted = to_onnx_ir(model)
    x = np.ones((2, 4), np.float32)
    for external_data in ("never", "always"):
        write(from_onnx_ir(converted), tmp_path / "m.onnx", external_data=external_data)
        (result,) = tools.run_bytes(str(tmp_path / "m.onnx"), x=x)
        np.testing.assert_allclose(result, tools.mlp_expected(model, x), rtol=1e-5)


def test_an_initializer_without_elements_is_refused(tools):
    converted = to_onnx_ir(tools.finished(tools.mlp()))
    converted.graph.initializers["fc.weight"].const_value = None
    with pytest.raises(NotYetSupported, match=r"'fc\.weight', which has no elements"):
        from_onnx_ir(converted)


def test_without_onnx_ir_the_error_says_what_to_install(tools, monkeypatch):
    real_import = builtins.__import__

    def no_onnx_ir(name, *args, **kwargs):
        if name == "onnx_ir":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_onnx_ir)
    with pytest.raises(ImportError, match=r"pip install 'onnxport-ir\[onnx-ir\]'"):
        to_onnx_ir(tools.finished(tools.mlp()))
