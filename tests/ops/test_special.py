"""The gamma function and its kin, Bessel functions, the normal distribution, orthogonal polynomials."""

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

#: A dense grid over both sides of 0 with the changes of formulas, the limits and what is undefined.
GRID = torch.cat(
    [
        torch.linspace(-12, 30, 400),
        torch.logspace(-12, 2, 60),
        torch.tensor([0.0, -0.0, 1e-40, 1e-38, math.inf, -math.inf, math.nan]),
    ]
)
PROBABILITIES = torch.cat([torch.linspace(0, 1, 301), torch.logspace(-44, 0, 60), torch.tensor([-0.5, 2.0, math.nan])])
EXPONENTS = torch.tensor([[1.0], [1.1], [2.0], [2.5], [7.0], [30.0], [0.5], [math.inf], [math.nan]])
PLACES = torch.tensor([-20.25, -3.0, -1.5, 0.0, 0.1, 1.0, 2.0, 12.5, 1e4, 1e30, math.inf, -math.inf])
#: With the error of torch's own results in float32, which are not always as close as ours.
BY_GRID = {
    "bessel_j0": 2e-6,
    "bessel_j1": 2e-6,
    "bessel_y0": 2e-6,
    "bessel_y1": 2e-6,
    "modified_bessel_k0": 2e-6,
    "modified_bessel_k1": 2e-6,
    "scaled_modified_bessel_k0": 2e-6,
    "scaled_modified_bessel_k1": 2e-6,
    "spherical_bessel_j0": 2e-6,
    "airy_ai": 5e-6,
    "erfcx": 5e-6,
    "log_ndtr": 2e-6,
}
CASES += [
    Case(name, getattr(torch.special, name), (GRID,), (OTHER,), ROW, tolerance=tolerance)
    for name, tolerance in BY_GRID.items()
]
CASES += [
    Case(f"{name}-{dtype}", getattr(torch.special, name), (torch.arange(2).to(dtype),), None, ROW, tolerance=2e-6)
    for name in (*BY_GRID, "ndtri")
    for dtype in (torch.int64, torch.bool)
]
CASES += [
    Case(f"{name}-double", getattr(torch.special, name), (POSITIVE.double(),), None, ROW, tolerance=1e-12)
    for name in ("modified_bessel_k0", "scaled_modified_bessel_k1", "spherical_bessel_j0", "erfcx", "log_ndtr")
]
CASES += [
    Case("ndtri", torch.special.ndtri, (PROBABILITIES,), (OTHER[:1],), ROW, tolerance=2e-6),
    Case("zeta", torch.special.zeta, (EXPONENTS, PLACES), (EXPONENTS[:2], PLACES[:3]), {0: (0,), 1: (0,)}, 7, {}, 2e-6),
    Case("zeta-number", lambda x: torch.special.zeta(3.0, x), (PLACES[4:8],), None, ROW, tolerance=2e-6),
    Case("zeta-no-element", torch.special.zeta, (EXPONENTS[:0], PLACES), None, {0: (0,)}),
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
