"""Incomplete gamma functions, exponentials of matrices, reductions of segments, fractional pooling."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from tests.ops.harness import Case

FEW_OPSETS = (9, 13, 18, 23)
#: Where the series and the fraction meet, small and large, and the edges.
PARAMETERS = [0.0, 1e-3, 0.5, 1.0, 2.5, 10.0, 199.0, 201.0, 1000.0, math.inf, -1.0, math.nan]
LIMITS = [*PARAMETERS, 1e-8, 9.5, 11.0, 190.0, 205.0, 990.0, 1010.0]
A, X = torch.tensor(PARAMETERS).double(), torch.tensor(LIMITS).double()


def matrices(*sizes: int) -> torch.Tensor:
    """Random numbers, always the same."""
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(sum(sizes)))


def segments(reduce: str, initial: float | None, *, offsets: bool) -> object:
    """A reduction of runs whose lengths, or bounds, are an input."""

    def function(x: torch.Tensor, bounds: torch.Tensor) -> torch.Tensor:
        which = {"offsets": bounds} if offsets else {"lengths": bounds}
        return torch.segment_reduce(x, reduce, **which, axis=bounds.dim() - 1, initial=initial)

    return function


def fractional(function: object, size: object) -> object:
    """Pooling with samples that are an input."""
    return lambda x, samples: function(x, 2, output_size=size, return_indices=True, _random_samples=samples)  # type: ignore[operator]  # a function


CASES = [
    *(Case(f"{f.__name__}-{dtype}", lambda a, x, f=f: f(a[:, None], x), (A.to(dtype), X.to(dtype)),
           (A[1:2].to(dtype), X[:0].to(dtype)), {0: (0,), 1: (0,)}, tolerance=limit)
      for f in (torch.igamma, torch.igammac) for dtype, limit in ((torch.float32, 1e-4), (torch.float64, 1e-8))),
    *(Case(f"matrix-exp-{size}", torch.matrix_exp, (matrices(*size),)) for size in ((3, 3), (2, 4, 4), (1, 1), (0, 0))),
    Case("matrix-exp-large", torch.matrix_exp, (matrices(3, 3) * torch.tensor([[[1e-5]], [[1.0]], [[10.0]]]),)),
    Case("matrix-exp-any", torch.matrix_exp, (matrices(2, 3, 3),), (matrices(1, 5, 5) * 4,), {0: (0, 1, 2)}),
    *(Case(f"segment-{reduce}-{initial}", segments(reduce, initial, offsets=False),
           (matrices(6, 2), torch.tensor([2, 0, 1, 3])), (matrices(4, 2), torch.tensor([4])), {0: (0,), 1: (0,)})
      for reduce in ("sum", "mean", "max", "min", "prod") for initial in (None, 0.5)),
    Case("segment-offsets", segments("sum", None, offsets=True), (matrices(6), torch.tensor([0, 2, 2, 6]))),
    Case("segment-batch", segments("mean", None, offsets=False), (matrices(2, 5, 3), torch.tensor([[1, 4], [3, 2]])),
         (matrices(3, 4, 3), torch.tensor([[4, 0, 0], [1, 1, 2], [0, 3, 1]])), {0: (0, 1), 1: (0, 1)}),
    Case("segment-offsets-batch", segments("max", None, offsets=True),
         (matrices(2, 5), torch.tensor([[0, 1, 5], [0, 3, 5]]))),
    Case("fractional-2d", fractional(F.fractional_max_pool2d, (3, 4)), (matrices(2, 3, 7, 9), torch.rand(2, 3, 2)),
         (matrices(1, 3, 11, 8), torch.rand(1, 3, 2)), {0: (0, 2, 3), 1: (0,)}),
    Case("fractional-2d-one", fractional(F.fractional_max_pool2d, (1, 5)), (matrices(3, 6, 6), torch.rand(1, 3, 2))),
    Case("fractional-3d", fractional(F.fractional_max_pool3d, (2, 3, 4)),
         (matrices(2, 3, 5, 7, 9), torch.rand(2, 3, 3))),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values(case: Case) -> None:
    case.check(FEW_OPSETS)
