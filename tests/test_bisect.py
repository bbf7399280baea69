"""``onnxport.bisect``: the first operator at which the models part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxport
import onnxruntime
import pytest
import torch
from onnxport import bisection
from onnxport.errors import CaptureFailed, OnnxExporterError, VerificationFailed, WriteFailed
from onnxport_symbolics import Op, Table, default_registry
from torch import Tensor, nn


class Layer(nn.Module):
    def __init__(self, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.linear, self.activation = nn.Linear(4, 4), activation

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x).reshape(x.shape[0], 4)
        return self.activation(x)  # the line


LINE = Layer.forward.__code__.co_firstlineno + 2


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(Layer(torch.tanh), nn.Sequential(Layer(torch.relu), Layer(torch.relu)), nn.Linear(4, 2))


Replace = Callable[..., None]


@pytest.fixture
def lowered_as(monkeypatch: pytest.MonkeyPatch) -> Replace:
    """Replaces the handler of an operator."""

    def replace(name: str, function: Callable[..., Any]) -> None:
        table = Table("a test")
        table.op(name)(function)
        registry = default_registry().extended(table)
        monkeypatch.setattr(bisection, "default_registry", lambda: registry)

    return replace


def wrong_relu(op: Op, self: Any) -> Any:
    return op.Add(op.Relu(self), op.const(0.25, self.dtype))


def reproduced(found: onnxport.Bisection) -> list[tuple[np.ndarray, np.ndarray]]:
    """ONNX Runtime's and torch's values for the outputs of a reproduction."""
    assert found.model_path is not None
    assert found.inputs_path is not None
    session = onnxruntime.InferenceSession(str(found.model_path), providers=["CPUExecutionProvider"])
    arrays = dict(np.load(found.inputs_path))
    expected = [arrays.pop(name) for name in sorted(arrays) if name.startswith("expected_")]
    assert set(arrays) == {item.name for item in session.get_inputs()}
    return list(zip(session.run(None, arrays), expected, strict=True))


def test_models_that_agree(tmp_path: Path) -> None:
    found = onnxport.bisect(model(), (torch.randn(2, 4),), folder=tmp_path)
    assert (found.verdict, found.operator, found.model_path) == ("agrees", "", None)
    assert found.comparison is not None
    assert found.comparison.problem is None
    assert "agrees" in str(found)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("batch_bytes", [1, 1 << 20])
def test_the_first_operator_is_found_with_its_module_and_line(
    lowered_as: Replace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_bytes: int
) -> None:
    lowered_as("aten::relu", wrong_relu)
    monkeypatch.setattr(bisection, "_BATCH_BYTES", batch_bytes)
    found = onnxport.bisect(model(), (torch.randn(2, 4),), dynamic_axes={"input": {0: "n"}}, folder=tmp_path / "new")
    assert (found.verdict, found.operator, found.module, found.module_class) == (
        "operator",
        "aten::relu",
        "1.0",
        "Layer",
    )
    assert found.nodes == ("Relu", "Add")
    assert (found.place.file, found.place.line) == (__file__, LINE)
    assert found.source_line == "return self.activation(x)  # the line"
    assert found.comparison is not None
    assert found.comparison.max_abs_error == pytest.approx(0.25, abs=1e-3)
    assert found.model_path == tmp_path / "new" / "bisect.onnx"
    ((ours, theirs),) = reproduced(found)
    np.testing.assert_allclose(ours, theirs + 0.25, atol=1e-6)
    text = str(found)
    for part in ("aten::relu in module 1.0 (Layer)", "Relu, Add", f"{__file__}:{LINE}", "bisect.onnx"):
        assert part in text


def test_the_reproduction_is_the_operator_alone(lowered_as: Replace, tmp_path: Path) -> None:
    def wrong_linear(op: Op, input: Any, weight: Any, bias: Any) -> Any:  # noqa: A002 - ATen's name
        return op.MatMul(input, op.Transpose(weight, perm=[1, 0]))

    lowered_as("aten::linear", wrong_linear)
    x = torch.randn(2, 4)
    found = onnxport.bisect(nn.Sequential(nn.Linear(4, 1000), nn.Linear(1000, 4)), (x,), folder=tmp_path)
    assert (found.operator, found.module, found.module_class) == ("aten::linear", "0", "Linear")
    # The weights of the second layer are not in it.
    assert found.model_path is not None
    assert 16000 < found.model_path.stat().st_size < 17000
    ((ours, theirs),) = reproduced(found)
    assert np.abs(ours - theirs).max() > 0.01


def test_an_operator_that_is_right_alone_is_shown_with_what_comes_before(lowered_as: Replace, tmp_path: Path) -> None:
    def wrong_after_others(op: Op, self: Any) -> Any:
        return wrong_relu(op, self) if self.producer is not None else op.Relu(self)

    lowered_as("aten::relu", wrong_after_others)
    found = onnxport.bisect(model(), (torch.randn(2, 4),), folder=tmp_path)
    assert (found.operator, found.module) == ("aten::relu", "1.0")
    ((ours, theirs),) = reproduced(found)
    np.testing.assert_allclose(ours, theirs + 0.25, atol=1e-6)


def test_operators_with_lists_and_numbers(lowered_as: Replace, tmp_path: Path) -> None:
    class Joined(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return torch.cat([x, y, x + 1], dim=1)

    def wrong_cat(op: Op, tensors: Any, dim: int) -> Any:
        return op.Concat(*reversed(tensors), axis=dim)

    lowered_as("aten::cat", wrong_cat)
    found = onnxport.bisect(Joined(), (torch.randn(2, 3), torch.randn(2, 3)), folder=tmp_path)
    assert (found.operator, found.module, found.module_class) == ("aten::cat", "", "Joined")
    assert reproduced(found)[0][0].shape == (2, 9)


def test_branches_of_scripts(lowered_as: Replace, tmp_path: Path) -> None:
    class Choice(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x * 2
            if bool(y.sum() > 0):
                y = torch.relu(y - 1)
            return y

    lowered_as("aten::relu", wrong_relu)
    found = onnxport.bisect(torch.jit.script(Choice()), (torch.ones(3),), folder=tmp_path)
    assert found.operator == "prim::If"
    assert found.nodes == ("If",)
    assert reproduced(found)


def test_constants_are_compared_too(lowered_as: Replace) -> None:
    class Table(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.arange(3)

    def wrong_arange(op: Op, end: Any, dtype: Any, layout: Any, device: Any, pin_memory: Any) -> Any:
        return op.const(np.array([0, 1, 3]))

    lowered_as("aten::arange", wrong_arange)
    found = onnxport.bisect(Table(), (torch.ones(3),), folder=None)
    assert (found.operator, found.nodes, found.model_path) == ("aten::arange", (), None)
    assert "a constant" in str(found)


def test_a_capture_that_does_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    original = bisection.replay
    monkeypatch.setattr(bisection, "replay", lambda *args: [value + 1 for value in original(*args)])
    found = onnxport.bisect(model(), (torch.randn(2, 4),), folder=None)
    assert found.verdict == "capture"
    assert "frozen values" in str(found)


@pytest.mark.parametrize("verdict", ["optimization", "spread"])
def test_outputs_that_are_wrong_though_no_operator_is(monkeypatch: pytest.MonkeyPatch, verdict: str) -> None:
    original = bisection._Search._results_of

    def results(self: Any, values: Any, *, optimize: bool = True) -> list[Any]:
        found = original(self, values, optimize=optimize)
        # The operators are asked for one more value than the outputs.
        is_whole = len(values) == 1 and (optimize or verdict == "spread")
        return [value + 1 for value in found] if is_whole else found

    monkeypatch.setattr(bisection._Search, "_results_of", results)
    found = onnxport.bisect(nn.Sequential(nn.ReLU(), nn.Linear(4, 4)), (torch.randn(2, 4),), folder=None)
    assert found.verdict == verdict
    assert "its largest error is 1" in str(found)


def test_autograd_functions_are_run_as_they_are(tmp_path: Path) -> None:
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, factor: float) -> tuple[Tensor, Tensor]:
            return x * factor, x + factor

        @staticmethod
        def symbolic(g: Any, x: Any, factor: float) -> Any:
            constant = g.op("Constant", value_t=torch.tensor(factor))
            return g.op("Mul", x, constant), g.op("Sub", x, constant)

    class Model(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            first, second = Twice.apply(x, 2.0)
            return first * second

    found = onnxport.bisect(Model(), (torch.randn(3),), folder=tmp_path)
    assert found.operator == "prim::PythonOp"
    assert "Sub" in found.nodes
    assert len(reproduced(found)) == 2


def test_what_cannot_be_compared() -> None:
    class Noisy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.randn_like(x)

    class Raising(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError("no")

    with pytest.raises(OnnxExporterError, match="draws random numbers"):
        onnxport.bisect(Noisy(), (torch.ones(2),))
    with pytest.raises(CaptureFailed):
        onnxport.bisect(Raising(), (torch.ones(2),))


def test_a_model_that_does_not_run_is_an_error(lowered_as: Replace) -> None:
    def wrong_reshape(op: Op, self: Any, shape: Any) -> Any:
        return op.Reshape(self, op.const(np.array([7, -1])))

    lowered_as("aten::reshape", wrong_reshape)
    with pytest.raises(VerificationFailed, match="does not run on the example"):
        onnxport.bisect(model(), (torch.randn(2, 4),), dynamic_axes={"input": {0: "n"}}, folder=None)


def test_a_folder_that_cannot_be_written_to(lowered_as: Replace, tmp_path: Path) -> None:
    lowered_as("aten::relu", wrong_relu)
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    with pytest.raises(WriteFailed):
        onnxport.bisect(model(), (torch.randn(2, 4),), folder=tmp_path / "file")
