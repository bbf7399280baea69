"""Normalisations at all opsets."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from onnxport_ir.errors import UnsupportedCase
from torch import nn

from tests.ops.harness import Case, check

torch.manual_seed(0)
randn = torch.randn
aten = torch.ops.aten
_AXES = {0: [0, 2, 3]}
_IMAGES = (randn(2, 6, 5, 4),), (randn(3, 6, 7, 3),), _AXES
_TEXTS = (randn(2, 5, 8),), (randn(3, 7, 8),), {0: [0, 1]}


def _random(module: nn.Module) -> nn.Module:
    """The module with random weights and statistics."""
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_floating_point():
            tensor.data = torch.rand_like(tensor) + (0.5 if "var" in name else 0.0)
    return module


def _image(name: str, model: object, **more: object) -> Case:
    return Case(name, model, *_IMAGES, **more)  # type: ignore[arg-type]  # a function or module; dataclass fields


def _text(name: str, model: object, **more: object) -> Case:
    return Case(name, model, *_TEXTS, **more)  # type: ignore[arg-type]  # as above


def _updating(norm: Callable[..., tuple[torch.Tensor, ...]], x: torch.Tensor, *rest: float) -> tuple[torch.Tensor, ...]:
    """The results of a batch norm and the running statistics that it has written."""
    mean, variance = torch.zeros(6), torch.ones(6)
    return *norm(x, torch.ones(6), None, mean, variance, *rest)[:3], mean, variance


CASES = [
    _image("batch norm", _random(nn.BatchNorm2d(6)), nodes={7: ["BatchNormalization"], 18: ["BatchNormalization"]}),
    _image("batch norm without weights", _random(nn.BatchNorm2d(6, affine=False))),
    _image("batch norm by the batch", nn.BatchNorm2d(6, track_running_stats=False)),
    _image(
        "batch norm in training", lambda x: F.batch_norm(x, None, None, torch.ones(6), torch.ones(6), training=True)
    ),
    Case("batch norm of vectors", _random(nn.BatchNorm1d(8)), (randn(3, 8),), (randn(5, 8),), {0: [0]}),
    _image("native batch norm", lambda x: torch.native_batch_norm(x, None, None, None, None, True, 0.1, 1e-5)),
    _image(
        "functional batch norm",
        lambda x: aten._native_batch_norm_legit_functional(
            x, torch.ones(6), None, torch.zeros(6), torch.ones(6), True, 0.1, 1e-5
        ),
    ),
    _image("batch norm that writes", lambda x: _updating(aten._native_batch_norm_legit, x, True, 0.1, 1e-5)),
    _image("batch norm that could write", lambda x: _updating(aten._native_batch_norm_legit, x, False, 0.1, 1e-5)),
    _image("batch norm with update", lambda x: _updating(aten._batch_norm_with_update, x, 0.3, 1e-5)),
    Case(
        "batch norm with its reserve",
        lambda x: aten._batch_norm_with_update(x, None, None, torch.zeros(6), torch.ones(6), 0.3, 1e-5),
        (randn(2, 6, 3),),
    ),
    _image("instance norm", _random(nn.InstanceNorm2d(6, affine=True)), nodes={7: ["InstanceNormalization"]}),
    _image("instance norm without weights", nn.InstanceNorm2d(6)),
    _image("instance norm by running statistics", _random(nn.InstanceNorm2d(6, track_running_stats=True))),
    _text("layer norm", _random(nn.LayerNorm(8)), nodes={17: ["LayerNormalization"], 23: ["LayerNormalization"]}),
    _text("layer norm without weights", nn.LayerNorm(8, elementwise_affine=False)),
    _text("layer norm without bias", _random(nn.LayerNorm(8, bias=False))),
    Case("layer norm of two axes", _random(nn.LayerNorm((4, 3))), (randn(2, 4, 3),), (randn(5, 4, 3),), {0: [0]}),
    _text("native layer norm", lambda x: torch.native_layer_norm(x, (8,), None, torch.ones(8), 1e-5)),
    _text("rms norm", _random(nn.RMSNorm(8)), nodes={23: ["RMSNormalization"]}),
    _text("rms norm of halves", lambda x: F.rms_norm(x.half(), (8,)), tolerance=2e-3),
    _text("fused rms norm", lambda x: aten._fused_rms_norm(x, [8], None, 1e-3)),
    _image(
        "group norm",
        _random(nn.GroupNorm(3, 6)),
        nodes={23: ["Reshape", "InstanceNormalization", "Shape", "Reshape", "Mul", "Add"]},
    ),
    _image("group norm without weights", nn.GroupNorm(2, 6, affine=False)),
    Case("group norm of vectors", _random(nn.GroupNorm(2, 6)), (randn(2, 6),), (randn(3, 6),), {0: [0]}),
    Case(
        "native group norm", lambda x: torch.native_group_norm(x, None, None, 2, 6, 20, 3, 1e-5), (randn(2, 6, 5, 4),)
    ),
    _image("local response norm", nn.LocalResponseNorm(3)),
    _image("weight norm", nn.utils.weight_norm(nn.Conv2d(6, 4, 3, padding=1))),
    _image("weight norm by parametrisation", nn.utils.parametrizations.weight_norm(nn.Conv2d(6, 4, 1), dim=1)),
    _text("spectral norm", nn.utils.spectral_norm(nn.Linear(8, 4)).eval()),
    _text("normalize", lambda x: F.normalize(x, dim=1)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_normalisation(case: Case) -> None:
    case.check()


def test_batch_norm_without_channels_is_refused() -> None:
    empty = torch.zeros(0)
    with pytest.raises(UnsupportedCase, match="without channels"):
        check(lambda x: nn.functional.batch_norm(x, empty, empty), (empty,), opsets=(18,))
