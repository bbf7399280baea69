"""Histograms with their edges."""

from __future__ import annotations

import pytest
import torch

from tests.ops.harness import Case

FEW_OPSETS = (9, 13, 18, 23)
X = torch.randn(50, generator=torch.Generator().manual_seed(0))
EDGES = torch.tensor([-1.0, 0.0, 0.5, 2.0])
POINTS = X.reshape(25, 2)

CASES = [
    Case("count", lambda x: torch.histogram(x, 7), (X,)),
    Case("range", lambda x: torch.histogram(x, 7, range=(-1.0, 1.0)), (X,), (X[:5],), {0: (0,)}),
    Case("range-of-one", lambda x: torch.histogram(x, 4, range=(1.0, 1.0)), (X,), (X[:0],), {0: (0,)}),
    Case("density", lambda x, w: torch.histogram(x, 5, weight=w, density=True), (X, X.abs())),
    Case("edges", torch.histogram, (X, EDGES), (X[:7], EDGES[1:3]), {0: (0,), 1: (0,)}),
    Case("all-alike", lambda x: torch.histogram(x, 3), (torch.ones(4),)),
    Case("on-edges", torch.histogram, (EDGES, EDGES)),
    Case("points", lambda x: torch.histogramdd(x, [3, 4]), (POINTS,)),
    Case("points-range", lambda x: torch.histogramdd(x, 3, range=[-1.0, 1.0, -2.0, 0.5], density=True), (POINTS,),
         (POINTS[:4],), {0: (0,)}),
    Case("points-edges", lambda x, a, b: torch.histogramdd(x, [a, b]), (POINTS, EDGES, EDGES[:3])),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values(case: Case) -> None:
    case.check(FEW_OPSETS)
