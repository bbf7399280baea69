"""LU factors with partial pivoting."""

from __future__ import annotations

import pytest
import torch

from tests.ops.harness import Case

FEW_OPSETS = (11, 13, 18, 23)


def matrices(*sizes: int) -> torch.Tensor:
    """Random numbers, always the same."""
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(sum(sizes)))


PAIR = torch.linalg.lu_factor(matrices(4, 4))
PAIRS = torch.linalg.lu_factor(matrices(3, 4, 4))
ALL = {0: (0, 1, 2)}

CASES = [
    *(
        Case(f"lu-{rows}-{columns}", torch.linalg.lu, (matrices(rows, columns),))
        for rows, columns in ((1, 1), (5, 5), (3, 5), (6, 4), (0, 3), (3, 0))
    ),
    Case("lu-any-size", torch.linalg.lu, (matrices(3, 4, 4),), (matrices(2, 7, 5),), ALL),
    Case("lu-singular", torch.linalg.lu, (torch.tensor([[0.0, 2.0, 1.0], [0.0, 4.0, 1.0], [0.0, 1.0, 5.0]]),)),
    Case("lu-factor", torch.linalg.lu_factor, (matrices(2, 6, 6),)),
    Case("lu-unpack", torch.lu_unpack, (*PAIRS,)),
    Case("lu-unpack-pivots", lambda a, p: torch.lu_unpack(a, p, unpack_data=False)[0], (*PAIR,)),
    Case("lu-solve-old", torch.lu_solve, (matrices(4, 2), *PAIR)),
    *(
        Case(
            f"lu-solve-{left}-{adjoint}",
            lambda a, p, b, left=left, adjoint=adjoint: torch.linalg.lu_solve(a, p, b, left=left, adjoint=adjoint),
            (*PAIRS, matrices(3, 4, 4)),
        )
        for left in (False, True)
        for adjoint in (False, True)
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values(case: Case) -> None:
    case.check(FEW_OPSETS)
