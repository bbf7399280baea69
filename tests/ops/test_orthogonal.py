"""QR factors, singular values, and what is made of them."""

from __future__ import annotations

import pytest
import torch
from onnxport_ir.errors import LoweringError

from tests.ops.harness import Case, check

FEW_OPSETS = (9, 13, 18, 23)


def matrices(*sizes: int) -> torch.Tensor:
    """Random numbers, always the same."""
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(sum(sizes)))


def of_rank(rank: int, rows: int, columns: int) -> torch.Tensor:
    """A matrix of a lower rank than it could have."""
    return matrices(rows, rank) @ matrices(rank, columns)


def symmetric(*sizes: int) -> torch.Tensor:
    """Symmetric matrices with eigenvalues of both signs."""
    x = matrices(*sizes)
    return x + x.mT


ANY = {0: (0, 1, 2)}
LINALG = torch.linalg
REFLECTIONS = torch.geqrf(matrices(3, 5, 4))
SIZES = [(1, 1), (5, 5), (3, 6), (6, 3), (2, 4, 3), (0, 3), (3, 0)]

CASES = [
    *(Case(f"qr-{mode}-{size}", lambda x, m=mode: LINALG.qr(x, m), (matrices(*size),))
      for mode in ("reduced", "complete", "r") for size in SIZES),
    Case("qr-zero-columns", LINALG.qr, (torch.tensor([[0.0, 1.0], [0.0, 2.0], [0.0, 3.0]]),)),
    Case("qr-triangle", LINALG.qr, (torch.tensor([[-2.0, 1.0], [0.0, 3.0]]),)),
    Case("qr-any-size", LINALG.qr, (matrices(2, 5, 3),), (matrices(3, 2, 4),), ANY),
    Case("qr-complete-any-size", lambda x: LINALG.qr(x, "complete"), (matrices(2, 5, 3),), (matrices(3, 2, 4),), ANY),
    Case("qr-old", lambda x: torch.qr(x, some=False), (matrices(4, 2),)),
    Case("geqrf", torch.geqrf, (matrices(2, 4, 5),)),
    Case("householder-product", LINALG.householder_product, (*REFLECTIONS,)),
    *(Case(f"ormqr-{left}-{transpose}",
           lambda a, t, b, left=left, transpose=transpose: torch.ormqr(a, t, b, left=left, transpose=transpose),
           (*REFLECTIONS, matrices(3, 5, 2) if left else matrices(3, 2, 5)))
      for left in (False, True) for transpose in (False, True)),
    *(Case(f"svdvals-{size}", LINALG.svdvals, (matrices(*size),)) for size in [*SIZES, (7, 7), (2, 2), (40, 30)]),
    Case("svdvals-low-rank", LINALG.svdvals, (of_rank(2, 6, 7),)),
    Case("svdvals-zeros", LINALG.svdvals, (torch.zeros(3, 4),)),
    Case("svdvals-any-size", LINALG.svdvals, (matrices(2, 5, 3),), (matrices(1, 4, 6),), ANY, 10),
    Case("svdvals-f64", LINALG.svdvals, (matrices(5, 6).double(),), tolerance=1e-12),
    *(Case(f"eigvalsh-{side}", lambda x, s=side: LINALG.eigvalsh(x, s), (matrices(3, 5, 5),)) for side in "LU"),
    Case("eigvalsh-any-size", LINALG.eigvalsh, (symmetric(2, 4, 4),), (symmetric(3, 7, 7),), ANY, 10),
    *(Case(f"rank-{size}", LINALG.matrix_rank, (of_rank(2, *size),)) for size in [(5, 5), (4, 7), (7, 2)]),
    Case("rank-hermitian", lambda x: LINALG.matrix_rank(x, hermitian=True), (symmetric(3, 4, 4),)),
    Case("rank-tolerance", lambda x: LINALG.matrix_rank(x, atol=1.0, rtol=0.1), (matrices(3, 4, 5),)),
    Case("rank-any-size", LINALG.matrix_rank, (matrices(2, 5, 3),), (matrices(1, 4, 6),), ANY, 10),
    *(Case(f"pinv-{size}", LINALG.pinv, (matrices(*size),)) for size in SIZES),
    Case("pinv-low-rank", LINALG.pinv, (of_rank(2, 5, 4),), tolerance=1e-3),
    Case("pinv-hermitian", lambda x: LINALG.pinv(x, hermitian=True), (symmetric(3, 4, 4),), tolerance=1e-3),
    Case("pinv-tolerance", lambda x: LINALG.pinv(x, rtol=0.5), (matrices(5, 3),)),
    Case("pinverse-any-size", torch.pinverse, (matrices(5, 3),), (matrices(4, 6),), {0: (0, 1)}),
    *(Case(f"cond-{p}", lambda x, p=p: LINALG.cond(x, p), (matrices(2, 4, 4),), tolerance=1e-3)
      for p in (None, 2, -2, 1, -1, float("inf"), "fro", "nuc")),
    Case("cond-singular", lambda x: LINALG.cond(x, 1), (torch.ones(3, 3),)),
    *(Case(f"matrix-norm-{p}-{keepdim}", lambda x, p=p, k=keepdim: LINALG.matrix_norm(x, p, (2, 0), k),
           (matrices(4, 2, 5),)) for p in (2, -2, "nuc") for keepdim in (False, True)),
    Case("lstsq", lambda a, b: LINALG.lstsq(a, b)[::2], (matrices(5, 3), matrices(5, 2)),
         (matrices(2, 3), matrices(2, 4)), {0: (0,), 1: (0, 1)}, 10),
    Case("lstsq-residuals", lambda a, b: LINALG.lstsq(a, b, driver="gels").residuals, (matrices(5, 3), matrices(5, 2))),
    Case("lstsq-values", lambda a, b: LINALG.lstsq(a, b, driver="gelsd").singular_values,
         (matrices(3, 3), matrices(3, 2))),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values(case: Case) -> None:
    case.check(FEW_OPSETS)


SINGULAR = torch.tensor(
    [[[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]], [[2.0, 0.0, 1.0], [0.0, 3.0, 0.0], [1.0, 0.0, 2.0]]]
)


@pytest.mark.parametrize("opset", FEW_OPSETS)
def test_information(opset: int) -> None:
    """The matrix that has no inverse is named, and the other one's is right."""
    for function in (LINALG.inv_ex, LINALG.cholesky_ex, LINALG.lu_factor_ex, lambda x: LINALG.solve_ex(x, x)):
        check(lambda x, f=function: f(x)[-1], (SINGULAR,), (SINGULAR[1:],), {0: (0,)}, (opset,))
        check(lambda x, f=function: f(x)[0], (SINGULAR[1:],), None, None, (opset,))
    check(lambda x: LINALG.inv_ex(x)[1], (matrices(2, 0, 0),), None, None, (opset,))


@pytest.mark.parametrize(
    "function", [LINALG.svd, LINALG.eigh, LINALG.eig, LINALG.eigvals, lambda x: torch.svd(x, compute_uv=False)]
)
def test_vectors_are_refused(function: object) -> None:
    """Their signs and order are not torch's to say."""
    with pytest.raises(LoweringError, match=r"(?s)singular vectors or eigenvectors, .*svdvals"):
        check(function, (matrices(3, 3),), opsets=(18,))  # type: ignore[arg-type]  # a callable
