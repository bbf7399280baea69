"""Products of groups of rows, with offsets that are data, at all opsets."""

import pytest
import torch

from tests.ops.harness import Case

torch.manual_seed(0)
randn = torch.randn


def grouped(x, y, offsets):
    # It has no public name in this version of torch.
    return torch._grouped_mm(x, y, offs=offsets)


def ends(*numbers):
    return torch.tensor(numbers, dtype=torch.int32)


CASES = [
    Case(
        "rows",
        lambda x, offsets: grouped(x, _EXPERTS, offsets),
        (randn(7, 16), ends(2, 2, 7)),
        (randn(9, 16), ends(1, 5, 9)),
        {0: [0]},
    ),
    Case("columns", lambda x, offsets: grouped(x, _WIDE, offsets), (randn(3, 6, 16), ends(4, 4, 32))),
    Case("inner", lambda x, offsets: grouped(x, _TALL, offsets), (randn(8, 32), ends(8, 8, 32))),
]
_EXPERTS, _WIDE, _TALL = randn(3, 16, 8), randn(16, 32), randn(32, 16)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_product(case: Case) -> None:
    case.check()
