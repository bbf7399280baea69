"""Pooling, unfolding and folding at all opsets."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.ops.harness import Case

torch.manual_seed(0)
randn = torch.randn
max_unpool2d = torch.ops.aten.max_unpool2d
_AXES = {0: [0, 2, 3]}
_IMAGES = (randn(2, 3, 9, 8),), (randn(1, 3, 12, 11),), _AXES
_STATIC = (randn(2, 3, 9, 8),), (randn(5, 3, 9, 8),), {0: [0]}
_INTEGERS = (torch.randint(-9, 9, (2, 3, 9, 8)),), (torch.randint(-9, 9, (1, 3, 12, 11)),), _AXES


def _image(name: str, model: object, **more: object) -> Case:
    """A case of images of any size."""
    return Case(name, model, *_IMAGES, **more)  # type: ignore[arg-type]  # a function or module; dataclass fields


def _static(name: str, model: object, **more: object) -> Case:
    """A case of images of one size, of any number."""
    return Case(name, model, *_STATIC, **more)  # type: ignore[arg-type]  # as above


def _integers(name: str, model: object, **more: object) -> Case:
    return Case(name, model, *_INTEGERS, **more)  # type: ignore[arg-type]  # as above


CASES = [
    _image("max", nn.MaxPool2d(2), nodes={7: ["MaxPool"], 18: ["MaxPool"]}),
    _image("max, padded", nn.MaxPool2d(3, stride=2, padding=1)),
    _image("max, dilated", nn.MaxPool2d(2, stride=1, dilation=3), since=10),
    _static("max, rounded up", nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)),
    _image("max, indices", nn.MaxPool2d(3, stride=2, padding=1, return_indices=True), since=8),
    _image("max, dilated indices", nn.MaxPool2d(3, stride=1, dilation=2, padding=1, return_indices=True), since=10),
    _integers("max of integers", nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)),
    _integers("max of integers, indices", nn.MaxPool2d(3, stride=1, dilation=2, return_indices=True)),
    Case("max1d", nn.MaxPool1d(3, 2), (randn(2, 3, 9),), (randn(1, 3, 12),), {0: [0, 2]}),
    Case("max1d of one sample", nn.MaxPool1d(3, 2), (randn(3, 9),), (randn(3, 12),), {0: [1]}),
    Case("max3d", nn.MaxPool3d(2, return_indices=True), (randn(1, 2, 4, 5, 6),), since=8),
    _image("average", nn.AvgPool2d(2), nodes={18: ["AveragePool"]}),
    _image("average, padding counts", nn.AvgPool2d(3, 2, padding=1)),
    _image("average, padding does not count", nn.AvgPool2d(3, 2, padding=1, count_include_pad=False)),
    _static("average, rounded up", nn.AvgPool2d(3, 2, padding=1, ceil_mode=True)),
    _static("average, rounded up, no padding counts", nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)),
    _image("average, divisor", nn.AvgPool2d(3, 2, padding=1, divisor_override=4)),
    _image("average, divisor, rounded up", nn.AvgPool2d(3, 2, 1, ceil_mode=True, divisor_override=4)),
    _integers("average of integers", lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True)),
    _integers("average of integers, no padding", lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)),
    _image("power average", nn.LPPool2d(2, 3)),
    _image("adaptive average to one", nn.AdaptiveAvgPool2d(1), nodes={7: ["GlobalAveragePool"]}),
    _static("adaptive average, even", nn.AdaptiveAvgPool2d((3, 4)), nodes={18: ["AveragePool"]}),
    _static("adaptive average, uneven", nn.AdaptiveAvgPool2d((4, 5))),
    _image("adaptive average, any size", nn.AdaptiveAvgPool2d((4, 5))),
    _image("adaptive average, one axis", nn.AdaptiveAvgPool2d((None, 5))),
    _static("adaptive average, larger", nn.AdaptiveAvgPool2d(10)),
    _static("adaptive max, even", nn.AdaptiveMaxPool2d((3, 4)), nodes={18: ["MaxPool"]}),
    _static("adaptive max, uneven", nn.AdaptiveMaxPool2d((4, 5))),
    _image("adaptive max, any size", nn.AdaptiveMaxPool2d((4, 5))),
    _image("adaptive max, indices", nn.AdaptiveMaxPool2d((4, 5), return_indices=True)),
    _static("adaptive max to one, indices", nn.AdaptiveMaxPool2d(1, return_indices=True)),
    _static("unpool", lambda x: max_unpool2d(*F.max_pool2d(x, 3, 2, return_indices=True), x.shape[2:]), since=9),
    _image("unfold", nn.Unfold((2, 3), dilation=(2, 1), padding=1, stride=2)),
    Case("fold", nn.Fold((5, 6), (2, 3), padding=1), (randn(2, 12, 36),), (randn(1, 12, 36),), {0: [0]}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_pooling(case: Case) -> None:
    case.check()
