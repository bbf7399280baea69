"""Sampling of images at all opsets."""

import pytest
import torch
import torch.nn.functional as F

from tests.ops.harness import Case

torch.manual_seed(0)
_INPUTS = (torch.randn(2, 3, 5, 6), torch.rand(2, 4, 7, 2) * 2.6 - 1.3)
_OTHERS = (torch.randn(1, 3, 8, 4), torch.rand(1, 3, 5, 2) * 2.6 - 1.3)
_AXES = {0: {0: "batch", 2: "height", 3: "width"}, 1: {0: "batch", 1: "rows", 2: "columns"}}

CASES = [
    *(
        Case(
            f"{mode}, {padding}{', aligned' if aligned else ''}",
            lambda x, grid, mode=mode, padding=padding, aligned=aligned: F.grid_sample(x, grid, mode, padding, aligned),
            _INPUTS,
            _OTHERS,
            _AXES,
        )
        for mode in ("bilinear", "nearest", "bicubic")
        for padding in ("zeros", "border", "reflection")
        for aligned in (False, True)
    ),
    *(
        Case(
            f"{mode} in 3 dimensions",
            lambda x, grid, mode=mode: F.grid_sample(x, grid, mode, align_corners=False),
            (torch.randn(1, 2, 3, 4, 5), torch.rand(1, 2, 3, 4, 3) * 2.6 - 1.3),
        )
        for mode in ("bilinear", "nearest")
    ),
    *(
        Case(
            f"affine grid{', aligned' if aligned else ''}",
            lambda theta, x, aligned=aligned: F.affine_grid(theta, x.shape, align_corners=aligned),
            (torch.randn(2, 2, 3), torch.randn(2, 3, 5, 6)),
            (torch.randn(3, 2, 3), torch.randn(3, 3, 4, 7)),
            {0: {0: "batch"}, 1: {0: "batch", 2: "height", 3: "width"}},
        )
        for aligned in (False, True)
    ),
    Case("affine grid in 3 dimensions", lambda t: F.affine_grid(t, (2, 3, 4, 5, 6), False), (torch.randn(2, 3, 4),)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_sampling(case: Case) -> None:
    case.check()
