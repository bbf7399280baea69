"""Modes and state: training, autocast, other dtypes, wrapped weights, hooks, and what else surrounds a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxport
import pytest
import torch
import torch.nn.utils.prune
from onnxport import TrainingMode
from onnxport.runtime import create_session
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:`torch.jit:DeprecationWarning")


def compare(
    model: nn.Module, *sizes: tuple[int, ...], dtype: torch.dtype = torch.float32, tolerance: float = 1e-5
) -> list[str]:
    """Export at the first size, compare with torch at all of them, and give the node types."""
    torch.manual_seed(0)
    model.eval()
    inputs = [torch.randn(size).to(dtype) for size in sizes]
    program = onnxport.export(model, (inputs[0],), input_names=["x"], dynamic_axes={"x": {0: "batch"}})
    for value in inputs:
        with torch.no_grad():
            expected = model(value)
        for got, want in zip(_tensors(program(value)), _tensors(expected), strict=True):
            torch.testing.assert_close(got, want, atol=tolerance, rtol=tolerance)
    return [node.op_type for node in program.model_proto.graph.node]


def _tensors(result: Any) -> list[Tensor]:
    return [result] if isinstance(result, Tensor) else [leaf for item in result for leaf in _tensors(item)]


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))


# --- training --------------------------------------------------------------------------------------------------------


def test_training_normalises_by_the_batch_and_drops() -> None:
    model = network().eval()
    x = torch.randn(16, 3)
    program = onnxport.export(
        model, (x,), input_names=["input"], dynamic_axes={"input": [0]}, training=TrainingMode.TRAINING
    )
    kinds = [node.op_type for node in program.model_proto.graph.node]
    assert "Dropout" in kinds
    assert not any(module.training for module in model.modules())
    # ONNX Runtime's optimiser takes every Dropout out.
    session = create_session(program.model_proto.SerializeToString(), optimize=False)
    first, second = (session.run(None, {"input": x.numpy()})[0] for _ in range(2))
    assert not np.array_equal(first, second), "each run drops others"


def test_training_without_dropout_equals_torch() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU())
    program = onnxport.export(
        model.eval(),
        (torch.randn(6, 3),),
        input_names=["x"],
        dynamic_axes={"x": {0: "batch"}},
        training=TrainingMode.TRAINING,
    )
    for size in (6, 9):
        x = torch.randn(size, 3)
        torch.testing.assert_close(program(x), model.train()(x).detach(), atol=1e-5, rtol=1e-5)


def test_preserve_keeps_the_mode_of_each_module() -> None:
    model = network().eval()
    model[2].train()
    program = onnxport.export(model, (torch.randn(2, 3),), training=TrainingMode.PRESERVE)
    kinds = [node.op_type for node in program.model_proto.graph.node]
    assert kinds == ["Gemm", "BatchNormalization", "Dropout", "Gemm"]
    assert [module.training for module in model] == [False, False, True, False]


# --- dtypes ----------------------------------------------------------------------------------------------------------

NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], tuple[int, ...]]] = {
    "perceptron": (
        lambda: nn.Sequential(nn.Linear(3, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 2), nn.Tanh()),
        (2, 3),
        (5, 3),
    ),
    "convolution": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.SiLU(), nn.MaxPool2d(2), nn.AvgPool2d(2), nn.Flatten()
        ),
        (2, 3, 10, 10),
        (4, 3, 10, 10),
    ),
    "attention": (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (2, 5, 8), (3, 5, 8)),
    "recurrence": (lambda: nn.LSTM(3, 4, bidirectional=True), (5, 2, 3), (7, 2, 3)),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float16, 2e-2), (torch.bfloat16, 1e-1), (torch.float64, 1e-12)],
    ids=["float16", "bfloat16", "float64"],
)
def test_a_model_of_another_dtype(name: str, dtype: torch.dtype, tolerance: float) -> None:
    make, *sizes = NETWORKS[name]
    torch.manual_seed(0)
    compare(make().to(dtype), *sizes, dtype=dtype, tolerance=tolerance)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", NETWORKS)
def test_a_model_on_a_gpu_is_the_one_on_the_cpu(name: str) -> None:
    make, *sizes = NETWORKS[name]
    model = make().eval()
    example = torch.randn(sizes[0])
    here = onnxport.export(model, (example,))
    there = onnxport.export(model.cuda(), (example.cuda(),))
    assert next(model.parameters()).is_cuda
    assert there.model_proto.graph == here.model_proto.graph
    torch.testing.assert_close(there(example.cuda()), here(example))


class Autocast(nn.Module):
    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.dtype = dtype

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast("cpu", dtype=self.dtype):
            y = self.linear(x)
            return y, torch.softmax(y, -1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_casts_of_autocast_are_in_the_graph(dtype: torch.dtype) -> None:
    assert "Cast" in compare(Autocast(dtype), (2, 3), (5, 3), tolerance=2e-2)


def test_autocast_around_the_export_is_in_the_graph() -> None:
    model = nn.Linear(3, 3).eval()
    x = torch.randn(2, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        program = onnxport.export(model, (x,))
        expected = model(x)
    torch.testing.assert_close(program(x), expected, atol=1e-2, rtol=1e-2)
    assert program(x).dtype == torch.bfloat16


# --- what surrounds the weights --------------------------------------------------------------------------------------


class Twice(nn.Module):
    """One module called twice, with weights that are tied, and a buffer of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.register_buffer("scale", torch.arange(3.0))
        self.register_buffer("shift", torch.ones(3), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(self.first(x))) * self.scale + self.shift


def pruned() -> nn.Module:
    layer = nn.Linear(3, 3)
    torch.nn.utils.prune.random_unstructured(layer, "weight", 0.5)
    return layer


def lazy() -> nn.Module:
    layers = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
    layers(torch.randn(2, 3))
    return layers


def hooked() -> nn.Module:
    layer = nn.Linear(3, 3)
    layer.register_forward_pre_hook(lambda module, inputs: (inputs[0] + 1,))
    layer.register_forward_hook(lambda module, inputs, output: output * 2)
    layer.register_full_backward_hook(lambda module, inputs, outputs: None)
    return layer


class Calls(nn.Module):
    """A module called by way of a function."""

    def __init__(self, call: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)
        self.call = call

    def forward(self, x: Tensor) -> Tensor:
        return self.call(self.inner, x)


def inference(inner: nn.Module, x: Tensor) -> Tensor:
    with torch.inference_mode():
        return inner(x) + 1


def profiled(inner: nn.Module, x: Tensor) -> Tensor:
    with torch.profiler.record_function("inner"):
        return inner(x)


SURROUNDED: dict[str, Callable[[], nn.Module]] = {
    "tied-and-called-twice": Twice,
    "weight-norm": lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)),
    "weight-norm-by-hook": lambda: nn.utils.weight_norm(nn.Linear(3, 4)),
    "spectral-norm": lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(3, 4)),
    "spectral-norm-by-hook": lambda: nn.utils.spectral_norm(nn.Linear(3, 4)),
    "pruned": pruned,
    "lazy": lazy,
    "hooks": hooked,
    "fx": lambda: torch.fx.symbolic_trace(nn.Sequential(nn.Linear(3, 4), nn.ReLU())),
    "quantisation-stubs": lambda: torch.ao.quantization.QuantWrapper(nn.Linear(3, 3)),
    "no-grad": lambda: Calls(torch.no_grad()(lambda inner, x: inner(x) * 2)),
    "inference-mode": lambda: Calls(inference),
    "checkpoint": lambda: Calls(lambda inner, x: checkpoint(inner, x, use_reentrant=False)),
    "checkpoint-that-reenters": lambda: Calls(lambda inner, x: checkpoint(inner, x, use_reentrant=True)),
    "vmap": lambda: Calls(lambda inner, x: torch.vmap(lambda row: (row * row).sum())(inner(x))),
    "profiler": lambda: Calls(profiled),
}


@pytest.mark.parametrize("name", SURROUNDED)
def test_a_model_with(name: str) -> None:
    torch.manual_seed(0)
    compare(SURROUNDED[name](), (2, 3), (5, 3))


def test_a_default_dtype_is_that_of_the_model() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        compare(Calls(lambda inner, x: inner(x) * torch.ones(3) + 1.5).double(), (2, 3), (5, 3), dtype=torch.float64)
    finally:
        torch.set_default_dtype(torch.float32)
