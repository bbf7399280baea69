"""Interpolation at all opsets."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from onnxport_ir.errors import UnsupportedCase
from torch import nn

from tests.ops.harness import Case, check

torch.manual_seed(0)
randn = torch.randn
_AXES = {0: [0, 2, 3]}
_IMAGES = (randn(2, 3, 5, 6),), (randn(1, 3, 8, 7),), _AXES
_STATIC = (randn(2, 3, 14, 6),), (randn(1, 3, 14, 6),), {0: [0]}


def _any_size(name: str, **options: object) -> Case:
    """A case of images of any size; ONNX interpolates between elements of dynamic axes from opset 11 on."""
    since = 7 if str(options["mode"]).startswith("nearest") else 11
    return Case(name, _interpolation(options), *_IMAGES, since=since)


def _static(name: str, **options: object) -> Case:
    """A case of images of one size."""
    return Case(name, _interpolation(options), *_STATIC)


def _interpolation(options: dict[str, object]) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: F.interpolate(x, **options)  # type: ignore[arg-type]  # options are of all kinds


MODES = ("nearest", "nearest-exact", "bilinear", "bicubic")
CASES = [
    *(_any_size(f"{mode}, twice", mode=mode, scale_factor=2) for mode in MODES),
    *(_any_size(f"{mode}, half", mode=mode, scale_factor=0.5) for mode in MODES),
    *(_any_size(f"{mode} by 1.6", mode=mode, scale_factor=(1.6, 1.0)) for mode in MODES),
    *(
        _any_size(f"{mode} by 1.6, recomputed", mode=mode, scale_factor=1.6, recompute_scale_factor=True)
        for mode in MODES
    ),
    *(_any_size(f"{mode} to a size", mode=mode, size=(7, 9)) for mode in MODES),
    *(_static(f"{mode} to a smaller size", mode=mode, size=(2, 4)) for mode in MODES),
    *(_static(f"{mode} to one", mode=mode, size=1) for mode in MODES),
    *(_any_size(f"{mode}, aligned", mode=mode, size=(7, 1), align_corners=True) for mode in MODES[2:]),
    *(_any_size(f"{mode}, aligned, by 1.5", mode=mode, scale_factor=1.5, align_corners=True) for mode in MODES[2:]),
    _static("nearest by 0.7", mode="nearest", scale_factor=0.7),
    _any_size("nearest of any size by 0.7", mode="nearest", scale_factor=0.7),
    _static("area", mode="area", size=(7, 3)),
    Case(
        "linear",
        nn.Upsample(scale_factor=2, mode="linear"),
        (randn(2, 3, 5),),
        (randn(1, 3, 7),),
        {0: [0, 2]},
        since=11,
    ),
    Case("trilinear", nn.Upsample(scale_factor=2, mode="trilinear"), (randn(1, 2, 3, 4, 5),)),
    Case("nearest in 3 dimensions", nn.Upsample(scale_factor=2), (randn(1, 2, 3, 4, 5),)),
    Case(
        "to the size of another",
        lambda x, y: F.interpolate(x, size=y.shape[2:], mode="bilinear"),
        (randn(1, 3, 5, 6), randn(1, 3, 7, 8)),
        (randn(2, 3, 9, 4), randn(1, 3, 3, 4)),
        {0: [0, 2, 3], 1: [2, 3]},
        since=11,
    ),
    Case(
        "nearest to the size of another",
        lambda x, y: F.interpolate(x, size=y.shape[2:]),
        (randn(1, 3, 5, 6), randn(1, 3, 7, 8)),
        (randn(2, 3, 14, 4), randn(1, 3, 2, 4)),
        {0: [0, 2, 3], 1: [2, 3]},
    ),
    *(
        Case(f"{mode}, antialias", _interpolation({"mode": mode, "size": (3, 9), "antialias": True}), *_IMAGES)
        for mode in MODES[2:]
    ),
    *(
        Case(
            f"{mode}, antialias, to the size of another",
            lambda x, y, mode=mode: F.interpolate(x, size=y.shape[2:], mode=mode, antialias=True),
            (randn(1, 3, 5, 6), randn(1, 3, 3, 8)),
            (randn(2, 3, 9, 4), randn(1, 3, 2, 3)),
            {0: [0, 2, 3], 1: [2, 3]},
        )
        for mode in MODES[2:]
    ),
    *(
        Case(
            f"{mode}, antialias, by factors",
            lambda x, mode=mode: F.interpolate(x, scale_factor=(0.5, 1.5), mode=mode, antialias=True),
            (randn(1, 3, 6, 6),),
            (randn(2, 3, 10, 4),),
            {0: [0, 2, 3]},
        )
        for mode in MODES[2:]
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_interpolation(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_the_nearest_element_is_torchs_for_all_sizes(mode: str) -> None:
    for length in range(1, 30):
        x = torch.arange(length).float().reshape(1, 1, length)
        sizes = range(1, 60, 1 if length in (4, 14, 21) else 13)
        check(lambda x, sizes=sizes: [F.interpolate(x, size=size, mode=mode) for size in sizes], (x,), opsets=(18,))


def test_a_factor_that_rounds_otherwise_in_single_precision_is_refused() -> None:
    with pytest.raises(UnsupportedCase, match=r"interpolation by 0\.7"):
        check(lambda x: F.interpolate(x, scale_factor=0.7, mode="bilinear"), *_IMAGES)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.ops.aten.upsample_bilinear2d(x, [3, 3], False, 1.7, 0.9),
        lambda x: torch.ops.aten.upsample_bilinear2d(x, [6, 8], False, None, 2.0),
        lambda x: torch.ops.aten.upsample_nearest2d(x, [6, 8], None, 2.0),
    ],
)
def test_factors_that_are_not_those_of_the_sizes_are_refused(function: Callable[..., torch.Tensor]) -> None:
    with pytest.raises(UnsupportedCase, match=r"an interpolation (by|with factors)"):
        check(function, (torch.rand(1, 2, 3, 4),), opsets=(18,))
