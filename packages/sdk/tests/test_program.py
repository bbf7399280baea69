"""The result of an export, and running it."""

from __future__ import annotations

import gc
import io
import sys

import onnx
import onnxport
import pytest
import torch
from onnxport.collector import collector_paused
from onnxport.coverage import operator_coverage
from onnxport.errors import InvalidArgument, OnnxExporterError, UnknownOpset
from onnxport.options import TrainingMode
from onnxport.runtime import create_session, run_session
from onnxport_symbolics import Registry, Table


@pytest.mark.parametrize(
    ("dtype", "opset"),
    [
        (torch.float32, 7),
        (torch.float64, 18),
        (torch.int64, 18),
        (torch.bool, 18),
        (torch.bfloat16, 18),
        (torch.uint8, 18),
    ],
    ids=str,
)
def test_tensors_of_each_type_go_in_and_come_out(dtype, opset):
    x = torch.tensor([[0, 1], [1, 0]]).to(dtype)
    program = onnxport.export(torch.nn.Flatten(0), (x,), opset_version=opset)
    found = program(x)
    assert found.dtype is dtype
    assert torch.equal(found, x.flatten())


def test_results_stay_when_the_session_runs_again():
    program = onnxport.export(torch.nn.Flatten(0), (torch.ones(2, 2, dtype=torch.bfloat16),))
    first = program(torch.ones(2, 2, dtype=torch.bfloat16))
    program(torch.zeros(2, 2, dtype=torch.bfloat16))
    assert torch.equal(first, torch.ones(4, dtype=torch.bfloat16))


def test_inputs_need_not_be_contiguous_and_may_need_gradients():
    program = onnxport.export(torch.nn.Identity(), (torch.ones(3, 2),))
    x = torch.arange(6.0).reshape(2, 3).t().requires_grad_()
    assert torch.equal(program(x), x.detach())


def test_a_sequence_goes_in_and_comes_out():
    graph = onnx.parser.parse_graph("g (seq(float[n]) x, float[m] y) => (seq(float[k]) z) { z = SequenceInsert(x, y) }")
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)
    (found,) = run_session(
        create_session(model.SerializeToString()), {"x": [torch.ones(1)], "y": torch.zeros(2)}, ["z"]
    )
    assert [item.tolist() for item in found] == [[1.0], [0.0, 0.0]]


def test_a_model_that_the_runtime_refuses():
    with pytest.raises(OnnxExporterError, match="does not load the model"):
        create_session(b"no model")


def test_without_the_runtime_the_error_says_how_to_install_it(monkeypatch):
    program = onnxport.export(torch.nn.ReLU(), (torch.ones(2),), check=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(OnnxExporterError, match=r"pip install 'onnxport\[runtime\]'"):
        program(torch.ones(2))


def test_without_the_runtime_an_export_is_not_checked(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    program = onnxport.export(torch.nn.ReLU(), (torch.ones(2),), dynamic_axes={"input": {0: "n"}})
    assert program.checked.reason == "onnxruntime is not installed"


def test_a_program_is_saved_as_it_was_exported(tmp_path):
    buffer = io.BytesIO()
    program = onnxport.export(torch.nn.Linear(20, 20), (torch.ones(1, 20),), buffer)
    program.save(tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == buffer.getvalue()
    program.save(tmp_path / "two.onnx", external_data=True)
    assert (tmp_path / "two.onnx.data").stat().st_size >= 1600


def test_weights_are_shared_with_the_model():
    model = torch.nn.Linear(4, 4, bias=False)
    program = onnxport.export(model, (torch.ones(1, 4),))
    (weight,) = program.model.graph.constants()
    assert weight.const.numpy().ctypes.data == model.weight.data_ptr()


# --- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [TrainingMode.TRAINING, 2, torch.onnx.TrainingMode.TRAINING])
def test_training_modes_of_all_kinds(mode):
    assert TrainingMode.of(mode) is TrainingMode.TRAINING
    assert TrainingMode.of(mode).module_mode is True


@pytest.mark.parametrize("mode", [True, 3, "TRAINING"])
def test_what_is_no_training_mode(mode):
    with pytest.raises(InvalidArgument):
        TrainingMode.of(mode)


def test_an_unknown_opset_is_refused_before_the_model_runs():
    class Never(torch.nn.Module):
        def forward(self, x):
            pytest.fail("the model must not run")

    with pytest.raises(UnknownOpset, match=r"the range is 7 to \d+"):
        onnxport.export(Never(), (torch.ones(1),), opset_version=6)


# --- the garbage collector -------------------------------------------------------------------------------------------


def test_the_collector_is_as_before_after_an_export_and_after_an_error():
    for enabled in (True, False):
        gc.enable() if enabled else gc.disable()
        try:
            onnxport.export(torch.nn.ReLU(), (torch.ones(2),))
            with pytest.raises(InvalidArgument):
                onnxport.export(torch.nn.ReLU(), (torch.ones(2),), input_names=["a", "a"])
            assert gc.isenabled() is enabled
        finally:
            gc.enable()


def test_the_collector_is_paused_until_the_last_export_ends():
    first, second = collector_paused(), collector_paused()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not gc.isenabled()
    second.__exit__(None, None, None)
    assert gc.isenabled()


# --- coverage --------------------------------------------------------------------------------------------------------


def test_coverage_names_each_operator_once_with_its_origin():
    entries = operator_coverage()
    names = [entry.name for entry in entries]
    assert names == sorted(set(names))
    by_name = {entry.name: entry for entry in entries}
    assert by_name["aten::relu"].origin == "onnxport-symbolics"
    assert any(entry.origin is None for entry in entries)


def test_coverage_of_a_registry_of_ones_own():
    table = Table("mine")
    table.op("mine::thing")(lambda op: None)
    by_name = {entry.name: entry.origin for entry in operator_coverage(Registry([table]))}
    assert by_name["mine::thing"] == "mine"
    assert by_name["aten::relu"] is None
