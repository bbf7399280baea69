"""Half precision where ONNX Runtime has the definition of an operator instead of a kernel: nothing overflows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from onnxport import NEWEST_OPSET
from torch import Tensor
from torch.nn import functional

from tests.ops.harness import check

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "softplus": functional.softplus,
    "logsigmoid": functional.logsigmoid,
    "logsumexp": lambda x: torch.logsumexp(x, -1),
    "logsumexp_of_all": lambda x: torch.logsumexp(x, (0, 1), keepdim=True),
    "rms_norm": lambda x: functional.rms_norm(x, (4,)),
    "attention": lambda x: functional.scaled_dot_product_attention(x[None], x[None], x[None]),
}
ROWS = [[11.0, 12.0, 1.0, -2.0], [90.0, -90.0, 30.0, 1.0], [-20.0, -20.0, -20.0, -20.0]]


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 2e-3), (torch.bfloat16, 2e-2)], ids=["half", "brain"])
def test_moderate_numbers(name: str, dtype: torch.dtype, tolerance: float) -> None:
    x = torch.tensor(ROWS).to(dtype)
    check(
        FUNCTIONS[name], (x,), (x[:2],), {0: [0]}, (13, 17, 18, 19, 20, 22, 23, 24, NEWEST_OPSET), tolerance=tolerance
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_logarithm_of_a_sum_of_large_exponentials(dtype: torch.dtype) -> None:
    infinity = float("inf")
    rows = [[-9e15, -9e15], [1e4, 1e4], [-infinity, -infinity], [infinity, 1.0], [1.0, 2.0]]
    x = torch.tensor(rows, dtype=dtype)
    check(lambda x: torch.logsumexp(x, -1), (x,), (x[:3],), {0: [0]}, (13, 18, 23, 27, NEWEST_OPSET))
