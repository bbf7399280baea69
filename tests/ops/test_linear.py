"""Matrix products at all opsets."""

import pytest
import torch
from torch import nn

from tests.ops.harness import Case

torch.manual_seed(0)
randn = torch.randn
_ROWS = (randn(3, 4),), (randn(5, 4),), {0: [0]}
_BATCHES = (randn(2, 3, 4),), (randn(5, 6, 4),), {0: [0, 1]}
_M, _K = randn(3, 5), randn(4, 5)

CASES = [
    Case("linear", nn.Linear(4, 5), *_ROWS, nodes={7: ["Gemm"], 18: ["Gemm"], 23: ["Gemm"]}),
    Case("linear without bias", nn.Linear(4, 5, bias=False), *_ROWS),
    Case("linear of batches", nn.Linear(4, 5), *_BATCHES, nodes={7: ["MatMul", "Add"], 18: ["MatMul", "Add"]}),
    Case("linear of a vector", nn.Linear(4, 5), (randn(4),)),
    Case("bilinear", nn.Bilinear(4, 3, 5), (randn(2, 4), randn(2, 3)), (randn(6, 4), randn(6, 3)), {0: [0], 1: [0]}),
    Case("matmul", torch.matmul, (randn(2, 1, 3, 4), randn(5, 4, 2))),
    Case("matmul of vectors", torch.matmul, (randn(4), randn(4))),
    Case("matmul of integers", torch.matmul, (torch.arange(6).view(2, 3), torch.arange(12).view(3, 4))),
    Case("mv", torch.mv, (randn(3, 4), randn(4)), (randn(6, 4), randn(4)), {0: [0]}),
    Case("addmm", lambda x: torch.addmm(_M[0], x, _K, beta=0.5, alpha=2.0), *_ROWS, nodes={18: ["Gemm"]}),
    Case("addmm without bias", lambda x: torch.addmm(_M[0] * torch.nan, x, _K, beta=0), *_ROWS),
    Case("baddbmm", lambda x: torch.baddbmm(randn(1), x, x.transpose(1, 2), beta=0, alpha=3), *_BATCHES),
    Case("addbmm", lambda x: torch.addbmm(torch.ones(4, 4), x.transpose(1, 2), x, alpha=0.5), *_BATCHES),
    Case("einsum", lambda x: torch.einsum("bik, bjk -> bij", x, x), *_BATCHES),
    Case("einsum, implicit", lambda x: torch.einsum("...i,ij", x, _K), *_BATCHES),
    Case("einsum, diagonal", lambda x: torch.einsum("bii->bi", x @ x.transpose(1, 2)), *_BATCHES, since=10),
    Case("einsum, trace", lambda x: torch.einsum("ii", x[0] @ x[0].T), *_BATCHES, since=10),
    Case("einsum, diagonal of three", lambda x: torch.einsum("iii,j->ij", x[:2, :2, :2], x[0, 0]), *_BATCHES, since=10),
    Case("einsum, ellipsis of no axes", lambda x: torch.einsum("...id,...jd->...ij", x, _K.T), *_BATCHES),
    Case("einsum, ellipses of different ranks", lambda x: torch.einsum("...d,...d->...", x, x[0, 0]), *_BATCHES),
    Case("einsum, ellipsis summed", lambda x: torch.einsum("...d,...d->d", x, x[:1]), *_BATCHES),
    Case("einsum, ellipsis behind", lambda x: torch.einsum("i...,i...->...i", x, x * 2), *_BATCHES),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_product(case: Case) -> None:
    case.check()
