"""Each option of ``onnxport export`` has the effect of its parameter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

#: The fixture of conftest.py: gives the exit code, standard output and standard error.
Run = Callable[..., Any]

MODELS = """
import torch


class Counting(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x):
        self.count += 1
        return x + self.count


class Choosing(torch.nn.Module):
    def forward(self, x):
        return x + 1 if x.sum() > 0 else x - 1


class Looping(torch.nn.Module):
    def forward(self, x):
        for _ in range(3):
            x = torch.sin(x)
        return x




class Spectrum(torch.nn.Module):
    def forward(self, x):
        return x * 2j


class Layers(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = torch.nn.Conv2d(1, 2, 3)
        self.norm = torch.nn.BatchNorm2d(2)

    def forward(self, x):
        return torch.dropout(self.norm(self.convolution(x)), 0.5, self.training)


@torch.library.custom_op("onnxport_cli_tests::twice", mutates_args=())
def twice(x: torch.Tensor) -> torch.Tensor:
    return x * 2


class Custom(torch.nn.Module):
    def forward(self, x):
        return torch.ops.onnxport_cli_tests.twice(x)


def counting():
    return Counting(), (torch.ones(2),)


def choosing():
    return Choosing(), (torch.ones(2),)


def looping():
    return torch.jit.script(Looping()), (torch.ones(2),)


def spectrum():
    return Spectrum(), (torch.ones(2, dtype=torch.complex64),)


def layers():
    return Layers(), (torch.ones(1, 1, 4, 4),)


def custom():
    return Custom(), (torch.ones(2),)
"""


@pytest.fixture
def export(run: Run) -> Callable[..., Any]:
    """Exports a factory with options; gives the result of the command and the model."""
    Path("models.py").write_text(MODELS, encoding="utf-8")

    def call(factory: str, *options: str) -> tuple[Any, onnx.ModelProto | None]:
        path = Path("m.onnx")
        path.unlink(missing_ok=True)
        result = run("export", f"models.py:{factory}", "-o", path, *options)
        return result, onnx.load(path) if path.exists() else None

    return call


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize(
    ("factory", "options", "message"),
    [
        ("counting", ["--mutated-buffers", "error"], "count"),
        ("choosing", [], "inputs of the other sign than the example's: output output is wrong"),
        ("spectrum", [], "complex"),
        ("custom", [], "onnxport_cli_tests::twice"),
    ],
)
def test_refusals(export: Callable[..., Any], factory: str, options: list[str], message: str) -> None:
    result, model = export(factory, *options)
    assert (result.code, model) == (1, None)
    assert message in result.err


def test_buffers_as_outputs(export: Callable[..., Any]) -> None:
    _, model = export("counting", "--mutated-buffers", "outputs")
    assert [output.name for output in model.graph.output][1:] == ["count.updated"]


def test_frozen_values_by_wish(export: Callable[..., Any]) -> None:
    result, model = export("choosing", "--on-frozen", "ignore")
    assert result.code == 0
    assert operators(model) == ["Add"]


def test_complex_pairs(export: Callable[..., Any]) -> None:
    _, model = export("spectrum", "--complex-pairs")
    assert [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim] == [2, 2]


def test_custom_operators_kept(export: Callable[..., Any]) -> None:
    result, model = export("custom", "--custom", "keep")
    assert result.code == 0
    assert [(node.domain, node.op_type) for node in model.graph.node] == [("onnxport_cli_tests", "twice")]


def test_loops_unrolled(export: Callable[..., Any]) -> None:
    assert operators(export("looping")[1]) == ["Loop"]
    assert operators(export("looping", "--loops", "unroll")[1]) == ["Sin"] * 3


def test_functions(export: Callable[..., Any]) -> None:
    _, model = export("layers", "--functions")
    assert {function.name for function in model.functions} == {"Conv2d", "BatchNorm2d"}


def test_training(export: Callable[..., Any]) -> None:
    assert "Dropout" not in operators(export("layers")[1])
    assert "Dropout" in operators(export("layers", "--training", "training")[1])


@pytest.mark.parametrize("option", ["--no-optimize", "--no-constant-folding"])
def test_batch_norm_stays(export: Callable[..., Any], option: str) -> None:
    assert operators(export("layers")[1]) == ["Conv"]
    assert operators(export("layers", option)[1]) == ["Conv", "BatchNormalization"]


def test_weights(export: Callable[..., Any]) -> None:
    _, model = export("layers")
    assert (len(model.graph.input), len(model.graph.initializer)) == (1, 2)
    _, model = export("layers", "--keep-initializers-as-inputs")
    assert len(model.graph.input) == 1 + len(model.graph.initializer) > 1
    _, model = export("layers", "--no-export-params")
    assert not model.graph.initializer
    assert len(model.graph.input) > 1


def test_report(export: Callable[..., Any]) -> None:
    export("looping", "--report", "reports")
    (path,) = Path("reports").iterdir()
    assert path.suffix == ".md"


@pytest.mark.parametrize("option", ["on-frozen", "mutated-buffers", "custom", "loops", "training"])
def test_unknown_choices(export: Callable[..., Any], option: str) -> None:
    result, model = export("looping", f"--{option}", "sometimes")
    assert (result.code, model) == (2, None)
    assert "sometimes" in result.err
