"""The gamma function and its kin, Bessel functions, the inverse of the error function."""

from __future__ import annotations

import math

import pytest
import torch

from tests.ops.harness import Case

#: Both sides of 0, the poles, and where series change.
X = torch.cat(
    [torch.linspace(-6.3, 12, 80), torch.tensor([0.0, -0.0, -1.0, 1.0, 2.0, 1e-6, 29.9, 30.1, 1e10, math.nan])]
)
OTHER = torch.tensor([0.25, 3.5])
POSITIVE = torch.linspace(0.1, 40, 50)
UNIT = torch.linspace(-1, 1, 101)
ROW = {0: (0,)}
FEW_OPSETS = (11, 18, 23)

CASES = [
    Case("lgamma", torch.lgamma, (X,), (OTHER,), ROW, tolerance=2e-6),
    Case("lgamma-double", torch.lgamma, (X.double(),), None, ROW, tolerance=1e-12),
    Case("lgamma-int", torch.lgamma, (torch.arange(1, 9),), None, ROW, tolerance=2e-6),
    Case("mvlgamma", lambda x: torch.mvlgamma(x + 1, 3), (POSITIVE,), (OTHER,), ROW, tolerance=2e-6),
    Case("digamma", torch.digamma, (X,), (OTHER,), ROW, tolerance=1e-5),
    Case("digamma-double", torch.digamma, (POSITIVE.double(),), None, ROW, tolerance=1e-12),
    *(
        Case(f"polygamma-{n}", lambda x, n=n: torch.polygamma(n, x), (POSITIVE,), (OTHER,), ROW, tolerance=1e-5)
        for n in range(5)
    ),
    *(
        Case(
            f"polygamma-negative-{n}",
            lambda x, n=n: torch.polygamma(n, x),
            (torch.tensor([-0.5, -2.25, -7.75]),),
            None,
            ROW,
        )
        for n in range(1, 5)
    ),
    *(Case(name, getattr(torch.special, name), (X * 3,), (OTHER,), ROW, tolerance=2e-6) for name in ("i0e", "i1e")),
    *(Case(name, getattr(torch.special, name), (X[:-2],), (OTHER,), ROW, tolerance=2e-6) for name in ("i0", "i1")),
    Case("erfinv", torch.erfinv, (UNIT,), (OTHER[:1],), ROW, tolerance=2e-6),
    Case("erfinv-edge", torch.erfinv, (1 - 10 ** torch.linspace(-7, -1, 30),), None, ROW, tolerance=1e-5),
]

POLYNOMIALS = [
    *(f"{shift}chebyshev_polynomial_{kind}" for shift in ("", "shifted_") for kind in "tuvw"),
    "hermite_polynomial_h",
    "hermite_polynomial_he",
    "laguerre_polynomial_l",
    "legendre_polynomial_p",
]
POINTS = torch.tensor([[-1.5], [-1.0], [-0.3], [0.0], [0.5], [1.0], [2.0]])
DEGREES = torch.tensor([-1, 0, 1, 2, 5, 9])
CASES += [
    Case(name, getattr(torch.special, name), (POINTS, DEGREES), (POINTS[:2], DEGREES[:2]), {0: (0,), 1: (0,)})
    for name in POLYNOMIALS
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values(case: Case) -> None:
    case.check(FEW_OPSETS)
