"""Linear algebra beyond products at all opsets."""

import pytest
import torch

from tests.ops.harness import Case

torch.manual_seed(0)
randn = torch.randn
_MATRICES = (randn(2, 4, 4),), (randn(3, 4, 4),), {0: [0]}


def _matrices(name: str, model: object, **more: object) -> Case:
    return Case(name, model, *_MATRICES, **more)  # type: ignore[arg-type]  # a function; dataclass fields


CASES = [
    _matrices("det", torch.linalg.det, since=11),
    _matrices("logdet", torch.logdet, since=11),
    _matrices("slogdet", torch.linalg.slogdet, since=11),
    _matrices("matrix_power", lambda x: [torch.linalg.matrix_power(x, n) for n in (0, 1, 2, 5)]),
    _matrices("vecdot", lambda x: torch.linalg.vecdot(x, x + 1, dim=1)),
    Case(
        "tensordot",
        lambda x, y: torch.tensordot(x, y, ([1, 2], [2, 0])),
        (randn(2, 3, 4), randn(4, 5, 3)),
        (randn(6, 3, 4), randn(4, 5, 3)),
        {0: [0]},
    ),
    Case("tensordot, one side of size 1", lambda x, y: torch.tensordot(x, y, 1), (randn(2, 3), randn(1, 4))),
    Case("outer", torch.outer, (randn(3), randn(4)), (randn(5), randn(2)), {0: [0], 1: [0]}),
    Case("chain", lambda x, y, z: torch.linalg.multi_dot([x, y, z]), (randn(3, 4), randn(4, 2), randn(2, 5))),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_linear_algebra(case: Case) -> None:
    case.check()
