"""Models of plain torch at every opset, on two sizes."""

from __future__ import annotations

import functools
import runpy
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.models.definitions import Encoder, MobileNetV2, Recurrent, ResNet50, UNet, ViT, settle
from tests.models.harness import Call, ModelCase, check


def alexnet() -> nn.Module:
    """The example's AlexNet, with narrower linear layers."""
    path = Path(__file__).parents[2] / "examples" / "alexnet.py"
    model: nn.Module = runpy.run_path(str(path))["AlexNet"](num_classes=10)
    layers = model.classifier
    layers[1], layers[4], layers[6] = nn.Linear(9216, 32), nn.Linear(32, 32), nn.Linear(32, 10)
    return model


def images(batch: int, height: int, width: int) -> Call:
    return (torch.randn(batch, 3, height, width),), {}


def tokens(batch: int, length: int) -> Call:
    return (torch.randint(0, 20, (batch, length)),), {}


def padded_tokens(batch: int, length: int) -> Call:
    # One sequence is of full length: torch cuts what all have as padding.
    padding = torch.arange(length) >= length - torch.arange(batch).unsqueeze(1) % (length - 1)
    return (torch.randint(0, 20, (batch, length)), padding), {}


IMAGES = functools.partial(ModelCase, call=images, axes={"x": {0: "batch", 2: "height", 3: "width"}})
BATCH_FIRST = {"tokens": {0: "batch", 1: "length"}}
LENGTH_FIRST = {"tokens": {0: "length", 1: "batch"}}

CASES = [
    ModelCase(
        "alexnet",
        alexnet,
        functools.partial(images, height=224, width=224),
        sizes={"batch": 2},
        others={"batch": 3},
        axes={"x": {0: "batch"}},
    ),
    IMAGES(
        "resnet50",
        lambda: settle(ResNet50()),
        sizes={"batch": 2, "height": 64, "width": 64},
        others={"batch": 3, "height": 96, "width": 71},
    ),
    IMAGES(
        "mobilenet_v2",
        lambda: settle(MobileNetV2()),
        sizes={"batch": 2, "height": 64, "width": 64},
        others={"batch": 3, "height": 96, "width": 71},
    ),
    IMAGES(
        "unet-learned",
        lambda: settle(UNet(learned=True)),
        sizes={"batch": 2, "height": 48, "width": 48},
        others={"batch": 3, "height": 64, "width": 35},
    ),
    IMAGES(
        "unet-bilinear",
        lambda: settle(UNet(learned=False)),
        sizes={"batch": 2, "height": 48, "width": 48},
        others={"batch": 3, "height": 64, "width": 35},
        since=11,  # the operator before Resize aligns pixels differently; a stand-in needs to know the sizes
    ),
    ModelCase(
        "vit",
        lambda: ViT(resamples=False),
        functools.partial(images, height=32, width=32),
        sizes={"batch": 2},
        others={"batch": 3},
        axes={"x": {0: "batch"}},
    ),
    IMAGES(
        "vit-resampled",
        lambda: ViT(resamples=True),
        sizes={"batch": 2, "height": 32, "width": 32},
        others={"batch": 3, "height": 48, "width": 24},
        since=11,  # the same
    ),
    *(
        ModelCase(
            f"{kind.__name__.lower()}-{'batch' if batch_first else 'length'}-first",
            functools.partial(Recurrent, kind, batch_first=batch_first),
            tokens if batch_first else lambda batch, length: tokens(length, batch),
            sizes={"batch": 2, "length": 7},
            others={"batch": 3, "length": 4},
            axes=BATCH_FIRST if batch_first else LENGTH_FIRST,
        )
        for kind in (nn.LSTM, nn.GRU)
        for batch_first in (True, False)
    ),
    *(
        ModelCase(
            f"transformer-encoder-{'norm-first' if norm_first else 'norm-last'}",
            functools.partial(Encoder, norm_first=norm_first),
            padded_tokens,
            sizes={"batch": 2, "length": 7},
            others={"batch": 3, "length": 5},
            axes={"tokens": {0: "batch", 1: "length"}, "padding": {0: "batch", 1: "length"}},
        )
        for norm_first in (True, False)
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values(case: ModelCase, tmp_path: Path) -> None:
    check(case, tmp_path)
