"""Numbers of gamma and Dirichlet distributions: the moments of what is drawn."""

from __future__ import annotations

import pytest
import torch
from onnxport import NEWEST_OPSET

from tests.ops.test_noise import COUNT, draw

OPSETS = (7, 11, 18, NEWEST_OPSET)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("shape", [0.3, 1.0, 4.5])
def test_gamma(opset: int, shape: float) -> None:
    found = draw(torch._standard_gamma, torch.full((COUNT,), shape), opset)
    assert found.min() > 0
    assert abs(found.mean().item() / shape - 1) < 0.04
    assert abs(found.var().item() / shape - 1) < 0.08
    skewness = (found - shape).pow(3).mean().item() / shape**1.5
    assert abs(skewness - 2 / shape**0.5) < 0.5 + 0.2 / shape


@pytest.mark.parametrize("opset", OPSETS)
def test_what_is_no_shape_ends(opset: int) -> None:
    found = draw(torch._standard_gamma, torch.tensor([float("nan"), 2.0, float("inf")]), opset)
    assert found[0].isnan()
    assert found[1] > 0


@pytest.mark.parametrize("opset", OPSETS)
def test_dirichlet(opset: int) -> None:
    shapes = torch.tensor([0.5, 1.0, 2.5])
    found = draw(torch._sample_dirichlet, shapes.repeat(COUNT // 2, 1), opset)
    torch.testing.assert_close(found.sum(1), torch.ones(COUNT // 2))
    share = shapes / shapes.sum()
    torch.testing.assert_close(found.mean(0), share, rtol=0.03, atol=0)
    torch.testing.assert_close(found.var(0), share * (1 - share) / (shapes.sum() + 1), rtol=0.08, atol=0)
