"""Buffers that a model writes: ignored with a warning, handed out and fed back, or refused."""

from __future__ import annotations

import copy
import warnings

import onnxport
import pytest
import torch
from onnxport.errors import UnsafeMutation
from onnxport.runtime import create_session, run_session
from torch import nn


class Cache(nn.Module):
    """A ring of the last rows, and the number of calls; x: (1, n)."""

    def __init__(self):
        super().__init__()
        self.register_buffer("rows", torch.zeros(3, 4))
        self.register_buffer("count", torch.tensor(0))
        self.register_buffer("unused", torch.ones(2))

    def forward(self, x):
        self.rows[:-1] = self.rows[1:].clone()
        self.rows[-1] = x.sum(0)
        self.count += 1
        return x @ self.rows.t() + self.count


class Normed(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm1d(4, momentum=0.3)

    def forward(self, x):
        return self.norm(self.conv(x)).relu()


class Replacing(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("total", torch.zeros(4))

    def forward(self, x):
        old = self.total
        self.total = self.total + x.sum(0)
        self.total[0] += 1
        return x * self.total + old


def steps(model: nn.Module, calls: list[torch.Tensor]) -> list[tuple[torch.Tensor, dict[str, torch.Tensor]]]:
    """What torch gives for calls in a row, and the buffers after each."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        return [(model(x), {name: value.clone() for name, value in model.named_buffers()}) for x in calls]


CASES = {
    "cache": (Cache().eval(), [torch.randn(2, 4), torch.randn(5, 4), torch.randn(1, 4)], False),
    "replacing": (Replacing().eval(), [torch.randn(2, 4), torch.randn(5, 4), torch.randn(1, 4)], False),
    "norm": (Normed().train(), [torch.randn(4, 3, 6), torch.randn(2, 3, 6), torch.randn(3, 3, 6)], True),
    "instance": (
        nn.InstanceNorm1d(3, track_running_stats=True).train(),
        [torch.randn(4, 3, 6), torch.randn(2, 3, 6), torch.randn(3, 3, 6)],
        True,
    ),
}


@pytest.mark.parametrize("opset", [13, 18, onnxport.NEWEST_OPSET])
@pytest.mark.parametrize("scripted", [False, True], ids=["traced", "scripted"])
@pytest.mark.parametrize("name", list(CASES))
def test_state_is_handed_on(name, scripted, opset):
    model, calls, training = CASES[name]
    expected = steps(model, calls)
    before = copy.deepcopy(model.state_dict())
    program = onnxport.export(
        torch.jit.script(model) if scripted else model,
        (calls[0],),
        input_names=["x"],
        dynamic_axes={"x": {0: "n"}},
        opset_version=opset,
        training=onnxport.TrainingMode.TRAINING if training else onnxport.TrainingMode.EVAL,
        mutated_buffers="outputs",
        keep_initializers_as_inputs=True,
        check=True,
        verify=True,
    )
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    written = [output.removesuffix(".updated") for output in program.output_names[1:]]
    assert set(written) == {name for name, value in expected[0][1].items() if not torch.equal(value, before[name])}
    session = create_session(program.model_proto.SerializeToString())
    state = {}
    for x, (result, buffers) in zip(calls, expected, strict=True):
        found = run_session(session, {"x": x, **state}, program.output_names)
        torch.testing.assert_close(found[0], result, rtol=1e-4, atol=1e-5)
        state = dict(zip(written, found[1:], strict=True))
        for key, value in state.items():
            torch.testing.assert_close(value, buffers[key], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(program(calls[0]), expected[0][0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scripted", [False, True], ids=["traced", "scripted"])
def test_ignored_buffers_are_named_and_each_run_begins_anew(scripted):
    model, calls, _ = CASES["cache"]
    with pytest.warns(onnxport.MutatedBuffersWarning, match=r"buffer rows(.|\n)*buffer count"):
        program = onnxport.export(torch.jit.script(model) if scripted else model, (calls[0],))
    assert len(program.output_names) == 1
    for _ in range(2):
        torch.testing.assert_close(program(calls[0]), steps(model, calls[:1])[0][0])


def test_written_buffers_are_refused_on_demand():
    model, calls, _ = CASES["cache"]
    with pytest.raises(UnsafeMutation, match="rows"):
        onnxport.export(model, (calls[0],), mutated_buffers="error")
    with pytest.raises(onnxport.errors.InvalidArgument, match="mutated_buffers='keep'"):
        onnxport.export(model, (calls[0],), mutated_buffers="keep")


@pytest.mark.parametrize("scripted", [False, True], ids=["traced", "scripted"])
def test_a_replaced_buffer_is_named_or_refused(scripted):
    x = torch.ones(2, 4)
    model = torch.jit.script(Replacing()) if scripted else Replacing()
    with pytest.warns(onnxport.MutatedBuffersWarning, match="replaces its buffer total"):
        program = onnxport.export(model, (x,))
    torch.testing.assert_close(program(x), Replacing()(x))
    assert torch.equal(model.total, torch.zeros(4))
    with pytest.raises(UnsafeMutation, match="total"):
        onnxport.export(model, (x,), mutated_buffers="error")
    assert torch.equal(model.total, torch.zeros(4))


def test_the_report_names_written_buffers(tmp_path):
    model, calls, _ = CASES["cache"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", onnxport.MutatedBuffersWarning)
        program = onnxport.export(model, (calls[0],), report=True, artifacts_dir=tmp_path)
    text = program.report.read_text(encoding="utf-8")
    assert "the model writes to its buffer rows" in text
    assert "the model writes to its buffer count" in text


def test_an_output_of_the_same_name_is_refused():
    model, calls, _ = CASES["cache"]
    with pytest.raises(onnxport.errors.InvalidArgument, match=r"rows\.updated"):
        onnxport.export(model, (calls[0],), output_names=["rows.updated"], mutated_buffers="outputs")
