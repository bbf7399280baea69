"""Systems of linear equations, inverses and Cholesky's factors."""

from __future__ import annotations

import pytest
import torch

from tests.ops.harness import Case

FEW_OPSETS = (11, 13, 18, 23)


def matrices(*sizes: int, seed: int = 0) -> torch.Tensor:
    """Random numbers, of which the square matrices are neither singular nor dominated by their diagonals."""
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed))


def definite(*sizes: int) -> torch.Tensor:
    """Symmetric matrices that are positive definite."""
    factor = matrices(*sizes)
    return factor @ factor.mT + torch.eye(sizes[-1])


A, B = matrices(5, 5), matrices(5, 3, seed=1)
STACK, RIGHT = matrices(4, 6, 6), matrices(4, 6, 2, seed=1)
BATCH, ALL = {0: (0,)}, {0: (0, 1, 2), 1: (0, 1, 2)}
#: Its first pivots are 0: rows must be exchanged.
EXCHANGED = torch.tensor([[0.0, 2.0, 1.0], [0.0, 0.0, 3.0], [4.0, 1.0, 1.0]])
SPD = definite(3, 5, 5)

CASES = [
    Case("inv", torch.linalg.inv, (A,)),
    Case("inv-any-size", torch.linalg.inv, (STACK,), (matrices(2, 9, 9),), {0: (0, 1, 2)}),
    Case("inv-exchanged", torch.linalg.inv, (EXCHANGED,)),
    Case("inv-double", torch.inverse, (A.double(),), tolerance=1e-11),
    Case("inv-empty", torch.linalg.inv, (torch.zeros(0, 0),)),
    Case("inv-no-matrix", torch.linalg.inv, (torch.zeros(0, 5, 5),)),
    Case("inv-large", torch.linalg.inv, (definite(40, 40),)),
    Case("matrix-power", lambda x: torch.linalg.matrix_power(x, -3), (definite(3, 3),)),
    Case("solve", torch.linalg.solve, (A, B)),
    Case("solve-any-size", torch.linalg.solve, (STACK, RIGHT), (matrices(2, 3, 3), matrices(2, 3, 5, seed=1)), ALL),
    Case("solve-vector", torch.linalg.solve, (A, B[:, 0])),
    Case("solve-vectors", torch.linalg.solve, (STACK, RIGHT[..., 0])),
    Case("solve-one-for-all", torch.linalg.solve, (STACK, RIGHT[0])),
    Case("solve-broadcast", torch.linalg.solve, (STACK[:, None], RIGHT[:2]), None, BATCH),
    Case("solve-right", lambda a, b: torch.linalg.solve(a, b, left=False), (A, B.mT)),
    *(
        Case(
            f"triangular-{upper}-{unit}",
            lambda a, b, upper=upper, unit=unit: torch.linalg.solve_triangular(a, b, upper=upper, unitriangular=unit),
            (SPD, B),
        )
        for upper in (False, True)
        for unit in (False, True)
    ),
    Case("triangular-right", lambda a, b: torch.linalg.solve_triangular(a, b, upper=True, left=False), (SPD[0], B.mT)),
    Case("triangular-old", lambda b, a: torch.triangular_solve(b, a, transpose=True), (B, SPD[0])),
    Case("tensorinv", lambda x: torch.linalg.tensorinv(x, ind=1), (matrices(6, 2, 3),)),
    Case("tensorsolve", torch.linalg.tensorsolve, (matrices(2, 3, 6), matrices(2, 3, seed=1))),
    Case("tensorsolve-dims", lambda a, b: torch.linalg.tensorsolve(a, b, (0,)), (matrices(6, 2, 3), matrices(2, 3))),
    Case("cholesky", torch.linalg.cholesky, (SPD,), (definite(2, 7, 7),), {0: (0, 1, 2)}),
    Case("cholesky-upper", lambda x: torch.linalg.cholesky(x, upper=True), (SPD,)),
    # One triangle is read, whatever is in the other.
    Case("cholesky-of-triangle", torch.cholesky, (SPD.tril(),)),
    Case("cholesky-of-upper-triangle", lambda x: torch.cholesky(x, upper=True), (SPD.triu(),)),
    Case("cholesky-inverse", torch.cholesky_inverse, (SPD,)),
    Case("cholesky-inverse-upper", lambda x: torch.cholesky_inverse(x, upper=True), (SPD[0],)),
    Case("cholesky-solve", lambda b, x: torch.cholesky_solve(b, torch.linalg.cholesky(x)), (B, SPD)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values(case: Case) -> None:
    case.check(FEW_OPSETS)
