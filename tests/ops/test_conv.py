"""Convolutions at all opsets."""

import pytest
import torch
import torch.nn.functional as F
from onnxport_ir.errors import UnsupportedCase
from torch import nn

from tests.ops.harness import Case

torch.manual_seed(0)
randn = torch.randn
aten = torch.ops.aten
_IMAGE = {0: [0, 2, 3]}
_IMAGES = (randn(2, 4, 9, 8),), (randn(3, 4, 12, 11),), _IMAGE
_WEIGHT = randn(6, 4, 3, 3)


def _image(name: str, model: nn.Module, **more: object) -> Case:
    """A case of images of any size and number."""
    return Case(name, model, *_IMAGES, **more)  # type: ignore[arg-type]  # dataclass fields


CASES = [
    _image("conv2d", nn.Conv2d(4, 6, 3), nodes={7: ["Conv"], 18: ["Conv"], 23: ["Conv"]}),
    _image("without bias", nn.Conv2d(4, 6, 3, bias=False, stride=2, padding=1, dilation=2)),
    _image("grouped", nn.Conv2d(4, 8, (3, 2), groups=2, padding=(2, 1))),
    _image("depthwise", nn.Conv2d(4, 4, 3, groups=4)),
    _image("same, odd", nn.Conv2d(4, 6, 3, padding="same", dilation=2)),
    _image("same, even", nn.Conv2d(4, 6, (2, 4), padding="same")),
    _image("valid", nn.Conv2d(4, 6, 3, padding="valid")),
    _image("reflect", nn.Conv2d(4, 6, 3, padding=2, padding_mode="reflect")),
    _image("replicate", nn.Conv2d(4, 6, 3, padding=(1, 2), padding_mode="replicate")),
    _image("transposed", nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1)),
    _image("transposed in groups", nn.ConvTranspose2d(4, 6, 3, stride=3, groups=2, bias=False)),
    _image(
        "output padding beyond stride", nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=2, dilation=4)
    ),
    Case("conv1d", nn.Conv1d(3, 5, 4, stride=2), (randn(2, 3, 11),), (randn(4, 3, 20),), {0: [0, 2]}),
    Case("conv3d", nn.Conv3d(2, 3, 2), (randn(2, 2, 4, 5, 6),), (randn(1, 2, 6, 5, 4),), {0: [0, 2, 3, 4]}),
    Case("unbatched", nn.Conv2d(4, 6, 3), (randn(4, 9, 8),), (randn(4, 5, 6),), {0: [1, 2]}),
    Case("transposed, unbatched", nn.ConvTranspose1d(4, 6, 3), (randn(4, 9),), (randn(4, 5),), {0: [1]}),
    Case("weight as input", F.conv2d, (randn(2, 4, 9, 8), _WEIGHT), (randn(3, 4, 9, 9), _WEIGHT * 2), _IMAGE),
    Case("conv_tbc", torch.conv_tbc, (randn(7, 2, 4), randn(3, 4, 5), randn(5), 1)),
    Case(
        "thnn_conv2d", lambda x, w: aten.thnn_conv2d(x, w, [3, 3], None, [2, 1], [1, 0]), (randn(2, 4, 9, 8), _WEIGHT)
    ),
    Case(
        "slow_conv_transpose2d",
        lambda x, w: aten.slow_conv_transpose2d(x, w, [3, 3], None, [2, 2], [1, 1], [1, 0]),
        (randn(2, 6, 5, 4), _WEIGHT),
    ),
    Case("circular", nn.Conv1d(3, 5, 4, padding=2, padding_mode="circular"), (randn(2, 3, 11),), since=7),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_convolution(case: Case) -> None:
    case.check()


def test_convolution_of_integers_is_refused() -> None:
    with pytest.raises(UnsupportedCase, match="a convolution of i64"):
        Case("integers", F.conv1d, (torch.ones(1, 1, 4).long(), torch.ones(1, 1, 2).long())).check()
