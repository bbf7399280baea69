"""A model and torch's settings come out of an export exactly as they went in, wherever the export ends."""

from __future__ import annotations

import random
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnxport
import pytest
import torch
from onnxport.errors import OnnxExporterError
from torch import nn


class Model(nn.Module):
    """Much that a forward can change, and does; ``end`` is what happens after that."""

    def __init__(self, end: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.norm = nn.BatchNorm1d(3)
        self.dropout = nn.Dropout(0.5)
        self.frozen = nn.Linear(3, 3).requires_grad_(False)
        self.frozen.weight = self.layer.weight
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("hidden", torch.zeros(3), persistent=False)
        self.losses: list[torch.Tensor] = []
        self.cache: dict[str, torch.Tensor] = {}
        self.seen: set[int] = set()
        self.last: torch.Tensor | None = None
        self.end = end

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.hidden = torch.ones(3)
        self.losses.append(x.sum())
        self.cache["x"] = x
        self.seen.add(len(self.losses))
        self.last = x
        self.extra = "new"
        self.layer.bias.requires_grad_(False)
        self.dropout.eval()
        self.norm.register_forward_hook(lambda *_: None)
        random_numbers = torch.rand(3)
        self.cache["random"] = random_numbers
        torch.set_default_dtype(torch.float64)
        y = self.dropout(self.norm(self.frozen(self.layer(x))))
        torch.set_default_dtype(torch.float32)
        return self.end(y)


def raises(y: torch.Tensor) -> torch.Tensor:
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(True)
    raise RuntimeError("no")


@torch.library.custom_op("onnxport_tests::of_no_handler", mutates_args=())
def of_no_handler(y: torch.Tensor) -> torch.Tensor:
    """An operator that nothing can convert."""
    return y.clone()


def unsupported(y: torch.Tensor) -> torch.Tensor:
    return of_no_handler(y)


def frozen(y: torch.Tensor) -> torch.Tensor:
    return y * 2 if y.shape[0] > 2 else y


def data(y: torch.Tensor) -> torch.Tensor:
    return y * y.max().item()


def no_tensor(y: torch.Tensor) -> Any:
    return "nothing"


def unsafe(y: torch.Tensor) -> torch.Tensor:
    y.as_strided((2, 2), (1, 1)).add_(1)
    return y


class WritesParameter(nn.Module):
    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.model(x)
        self.model.layer.weight.data = self.model.layer.weight.data + 1
        return y


def state(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """All of a model that can be compared, by identity where there is one."""
    for path, module in model.named_modules(remove_duplicate=False):
        yield f"{path}.training", module.training
        for name, value in vars(module).items():
            yield f"{path}.{name}", id(value)
            if isinstance(value, dict):
                yield f"{path}.{name}.content", [(key, id(item)) for key, item in value.items()]
            if isinstance(value, list | set):
                yield f"{path}.{name}.content", [id(item) for item in value]
    for name, tensor in model.state_dict(keep_vars=True).items():
        yield f"{name} itself", id(tensor)
        yield f"{name} memory", tensor.data_ptr()
        yield f"{name} values", tensor.detach().clone().tolist()
        yield f"{name} flags", (tensor.requires_grad, tensor.is_leaf, tuple(tensor.shape), tensor.stride())
        yield f"{name} gradient", None if tensor.grad is None else (id(tensor.grad), tensor.grad.tolist())


def settings() -> Iterator[tuple[str, Any]]:
    """What of torch and of this process a model could change."""
    yield "random numbers", torch.get_rng_state().tolist()
    yield "Python's", random.getstate()
    yield "numpy's", np.random.get_state()[1].tolist()
    yield "default dtype", torch.get_default_dtype()
    yield "gradients", torch.is_grad_enabled()
    yield "inference", torch.is_inference_mode_enabled()
    yield "autocast", (torch.is_autocast_enabled("cpu"), torch.is_autocast_cache_enabled())
    yield "attention", torch.backends.mha.get_fastpath_enabled()
    yield "exporting", torch.onnx.is_in_onnx_export()
    yield "tracing", torch.jit.is_tracing()
    yield "warnings", (warnings.showwarning, list(warnings.filters))
    for name in (
        "__bool__",
        "__int__",
        "__index__",
        "__len__",
        "__iter__",
        "__hash__",
        "item",
        "numpy",
        "new",
        "stride",
    ):
        yield f"Tensor.{name}", (name in vars(torch.Tensor), getattr(torch.Tensor, name))


def prepared(end: Callable[[torch.Tensor], Any], training: bool) -> Model:
    torch.manual_seed(0)
    model = Model(end).train(training)
    model.norm.eval()
    model.layer.bias.grad = torch.ones(3)
    model.layer.register_forward_hook(lambda *_: None)
    model.layer.register_full_backward_hook(lambda *_: None)
    model.register_state_dict_pre_hook(lambda *_: None)
    return model


ENDS: dict[str, tuple[Callable[[torch.Tensor], Any], dict[str, Any], type[Exception] | None]] = {
    "success": (torch.relu, {}, None),
    "success without a check": (torch.relu, {"check": False}, None),
    "success with a check": (torch.relu, {"check": True, "verify": True}, None),
    "arguments that do not fit": (torch.relu, {"opset_version": 3}, OnnxExporterError),
    "a call that does not fit": (torch.relu, {"kwargs": {"y": 1}}, OnnxExporterError),
    "names that do not fit": (torch.relu, {"dynamic_axes": {"nothing": [0]}}, OnnxExporterError),
    "a model that raises": (raises, {}, OnnxExporterError),
    "no result": (no_tensor, {}, OnnxExporterError),
    "a write that cannot be followed": (unsafe, {}, OnnxExporterError),
    "an operator without a handler": (unsupported, {}, OnnxExporterError),
    "an opset that is too old": (torch.erfinv, {"opset_version": 7}, None),
    "sizes that are frozen": (frozen, {"dynamic_axes": {"x": [0]}}, OnnxExporterError),
    "data that is frozen": (data, {"check": False}, OnnxExporterError),
    "a pass that does not exist": (torch.relu, {"optimize": ["nothing"]}, OnnxExporterError),
    "a folder that does not exist": (torch.relu, {"f": "/nowhere/at/all.onnx"}, OnnxExporterError),
}


@pytest.mark.parametrize("mode", list(onnxport.TrainingMode))
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("end", ENDS)
def test_everything_is_as_it_was(end, training, mode):
    function, options, error = ENDS[end]
    model = prepared(function, training)
    x = torch.rand(2, 3, requires_grad=True)
    before, set_before, given = dict(state(model)), dict(settings()), (x.tolist(), x._version, x.grad)
    raised = None
    try:
        onnxport.export(model, (x,), training=mode, mutated_buffers="ignore", **{"on_frozen": "auto", **options})
    except OnnxExporterError as failure:
        raised = failure
    assert dict(state(model)) == before
    assert dict(settings()) == set_before
    assert (x.tolist(), x._version, x.grad) == given
    if error is not None:
        assert isinstance(raised, error)


def test_memory_behind_a_parameter_comes_back():
    model = WritesParameter(prepared(torch.relu, training=False))
    before, set_before = dict(state(model)), dict(settings())
    with pytest.raises(OnnxExporterError, match=r"parameters|assignment"):
        onnxport.export(model, (torch.rand(2, 3),))
    # The count of writes is torch's, and cannot be set back.
    assert dict(state(model)) == before
    assert {**dict(settings()), "random numbers": 0} == {**set_before, "random numbers": 0}


@pytest.mark.parametrize("stage", ["lower", "check", "verify", "write"])
def test_a_fault_of_ours_changes_nothing(stage, monkeypatch, tmp_path):
    """An exception of any kind at any stage, as a bug or the machine may raise it."""

    def fault(*_: Any, **__: Any) -> Any:
        raise MemoryError(stage)

    names = {"lower": "build", "check": "check_other_inputs", "verify": "verify_example", "write": "write"}
    monkeypatch.setattr(sys.modules["onnxport.export"], names[stage], fault)
    model = prepared(torch.relu, training=True)
    before, set_before = dict(state(model)), dict(settings())
    with pytest.raises(MemoryError, match=stage):
        onnxport.export(model, (torch.ones(2, 3),), tmp_path / "model.onnx", verify=True)
    assert dict(state(model)) == before
    assert dict(settings()) == set_before
    assert not list(tmp_path.iterdir())


def test_a_script_keeps_its_buffers_and_modes():
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(x)

    model = torch.jit.script(Counts().train())
    before = {name: value.tolist() for name, value in model.state_dict().items()}
    onnxport.export(model, (torch.rand(4, 3),), training=onnxport.TrainingMode.TRAINING)
    assert {name: value.tolist() for name, value in model.state_dict().items()} == before
    assert model.training
