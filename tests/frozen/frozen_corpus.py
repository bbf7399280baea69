"""Small models, what a trace fixes in each, and whether the exported model is right for other inputs all the same.

A case is a function of one tensor ``x`` of sizes ``(b, n)``, both dynamic. The line on which something is fixed ends
with a comment that says so; a function of one line needs none.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

MARK = "# fixed"


@dataclass(frozen=True)
class Case:
    """A model and the truth about it.

    Attributes:
        name: of the test.
        function: what the model computes.
        findings: kind and dependence of each fixed value that is not the same for all inputs.
        right: whether the model that a trace gives holds for other sizes and values.
    """

    name: str
    function: Callable[[torch.Tensor], Any]
    findings: frozenset[tuple[str, str]]
    right: bool

    @property
    def lines(self) -> set[int]:
        """The lines on which values are fixed."""
        lines, first = inspect.getsourcelines(self.function)
        marked = {first + index for index, line in enumerate(lines) if MARK in line}
        return marked or {first}


CASES: list[Case] = []
N, B, BOTH, X, COUNT = "sizes n", "sizes b", "sizes b n", "data x", "counts x"


def case(*findings: tuple[str, str], right: bool = False) -> Callable[[Any], Any]:
    """Enter a function as a case."""

    def enter(function: Any) -> Any:
        name = function.__name__
        CASES.append(Case(name, function, frozenset(findings), right))
        return function

    return enter


def entry(name: str, function: Callable[[torch.Tensor], Any], *findings: tuple[str, str], right: bool = False) -> None:
    """Enter a function of one line."""
    CASES.append(Case(name, function, frozenset(findings), right))


# Numbers of sizes.

entry("int of a size", lambda x: x * int(x.shape[1]), ("int", N))
entry("int of a batch", lambda x: x + int(x.size(0)), ("int", B))
entry("float of a size", lambda x: x / float(x.shape[1]), ("float", N))
entry("square root of a size", lambda x: x / math.sqrt(x.shape[-1]), ("float", N))
entry("power of a size", lambda x: x / x.shape[-1] ** 0.5, right=True)
entry("ceiling", lambda x: x[:, : math.ceil(x.shape[1] / 4)], right=True)
entry("floor", lambda x: x * math.floor(x.shape[1] / 4), right=True)
entry("rounding", lambda x: x.new_zeros(round(x.shape[1] / 4), x.shape[0]), right=True)
entry("truncation", lambda x: x * math.trunc(x.shape[1] / 4), right=True)
entry("int of a quotient", lambda x: x * int(x.shape[1] / 4), ("int", N))
entry("floor division", lambda x: x[:, : x.shape[1] // 4 + 1], right=True)
entry("logarithm", lambda x: x * math.log2(x.shape[1]), ("float", N))
entry("item of a size", lambda x: x * torch.ones(x.shape[1]).sum().item(), ("number", N))
entry("quotient and rest", lambda x: F.pad(x, divmod(x.shape[1], 4)), right=True)
entry("rest of a number", lambda x: x * divmod(7, x.shape[1])[1], right=True)
entry("numel", lambda x: x / int(x.numel()), ("int", BOTH))
entry("numel in arithmetic", lambda x: x.sum() / x.numel(), right=True)
entry("numel of the shape", lambda x: x.sum() / x.shape.numel(), ("index", BOTH))
entry("len", lambda x: x.sum(0) / len(x), ("len", B))
entry("len of a list", lambda x: x + len([0] * x.shape[1]), ("index", N))
entry("repeated list", lambda x: x * torch.tensor([2.0] * x.shape[1]), ("index", N))
entry("range", lambda x: sum(x[:, i].sum() for i in range(x.shape[1])), ("index", N))
entry("arange of numpy", lambda x: x + torch.from_numpy(np.arange(int(x.shape[1]))), ("int", N))
entry("product of numpy", lambda x: x.sum() / np.prod(np.array(x.shape)).item(), ("int", BOTH), ("numpy", BOTH))
entry("square root of numpy", lambda x: x / np.sqrt(int(x.shape[1])), ("int", N))
entry("largest size", lambda x: x * max(x.shape), ("bool", BOTH))
entry("smallest size", lambda x: x[: min(x.shape[0], 2)], ("bool", B))
entry("sorted sizes", lambda x: x * sorted(x.shape)[0], ("bool", BOTH))
entry("strides", lambda x: x + x.stride(0), right=True)
entry("all strides", lambda x: x * sum(x.t()[:, None].stride()), right=True)
entry("strides with a gap", lambda x: x + x[:, 1:].stride(0), ("stride", BOTH))
entry("tensor of a size", lambda x: x * torch.tensor([x.shape[1], 1]).sum(), right=True)
entry("tensor of nested sizes", lambda x: x * torch.as_tensor([(x.shape[1], 2), tuple(x.shape)]).sum(), right=True)
entry("tensor of a size and a half", lambda x: x * torch.tensor([x.shape[1], 0.5]).prod(), right=True)
entry("tensor of rows", lambda x: x * torch.tensor([*x[0].unbind()]).sum(), ("parts", N))
entry("tensor of a traced size", lambda x: x * torch.as_tensor(x.shape[1]), right=True)
entry("integer tensor of a size", lambda x: x * torch.LongTensor([x.shape[1]]), ("index", N))
entry("new tensor of a list", lambda x: x * x.new_tensor([x.shape[1]]), right=True)
entry("new tensor of that size", lambda x: x + x.new(x.shape[0], 1).zero_(), ("constant", B))
entry("list of a tensor of sizes", lambda x: x * torch.arange(x.shape[1]).tolist()[-1], ("list", N))
entry("numpy of a tensor of sizes", lambda x: x * torch.from_numpy(torch.arange(x.shape[1]).numpy()), ("numpy", N))
entry("text of a size", lambda x: x + {"2": 1.0, "3": 2.0}.get(f"{x.size(0)}", 3.0), ("text", B))
entry("key of a dictionary", lambda x: x + {2: 1.0, 3: 2.0}.get(x.shape[0], 3.0), ("hash", B))
entry("argument of a cached function", lambda x: x + _cached(x.shape[1]), ("hash", N), right=True)


@functools.lru_cache
def _cached(size: int) -> Any:
    return torch.zeros(size)


# Branches on sizes.

entry("branch on a size", lambda x: x + 1 if x.shape[1] > 7 else x - 1, ("bool", N))
entry("branch on the batch", lambda x: x * 2 if x.shape[0] == 1 else x, ("bool", B))
entry("branch on an odd size", lambda x: x[:, :-1] if x.shape[1] % 2 else x, ("bool", N))
entry("branch far away", lambda x: x * 2 if x.shape[1] > 1000 else x, ("bool", N))
entry("branch on a small size", lambda x: x * 2 if x.shape[1] < 4 else x, ("bool", N))
entry("equal shapes", lambda x: x * 2 if x.shape == x.t().shape else x, ("bool", BOTH))
entry("shapes against numbers", lambda x: x * 2 if x.shape == (2, 6) else x, ("bool", BOTH))
entry("membership", lambda x: x * 2 if x.shape[0] in (2, 3) else x, ("bool", B))
entry("same sizes", lambda x: x * 2 if x.is_same_size(x.t()) else x, ("bool", BOTH))
entry("conditional with two equal sides", lambda x: x + x if x.shape[0] > 2 else x * 2, ("bool", B), right=True)
entry("a size that cannot be", lambda x: x if x.shape[1] > 0 else x + 1, ("bool", N), right=True)
entry("branch on a convolved size", lambda x: _convolved(x) if _convolved(x).shape[-1] > 7 else x, ("bool", N))
entry("branch on a joined size", lambda x: x * 2 if torch.cat([x, x], 1).shape[1] > 13 else x, ("bool", N))
entry("branch on a transposed size", lambda x: x * 2 if x.t().contiguous().shape[0] > 7 else x, ("bool", N))
entry("branch on a viewed size", lambda x: x * 2 if x.reshape(-1).shape[0] > 13 else x, ("bool", BOTH))
entry("branch on a static size", lambda x: x * 2 if x.unsqueeze(-1).shape[2] == 1 else x, right=True)
entry("branch on the rank", lambda x: x * 2 if x.dim() == 2 else x, right=True)
entry("branch on the type", lambda x: x * 2 if x.dtype is torch.float32 else x, right=True)
entry("isinstance", lambda x: x + x if isinstance(x.shape[0], int) else x * 2, right=True)
entry("branch on a hidden size", lambda x: x * 2 if F.one_hot(x.long() * 0, 4).shape[-1] == 4 else x, right=True)
entry("constant tensor", lambda x: x * torch.tensor([1.0, 2.0]).sum(), right=True)
entry("branch on a constant", lambda x: x * 2 if torch.ones(3).sum() > 2 else x, right=True)


def _convolved(x: torch.Tensor) -> torch.Tensor:
    return F.conv1d(x[:, None], torch.ones(1, 1, 3), padding=1)[:, 0]


@case(("bool", N))
def a_loop_over_a_size(x):
    step = 1
    while step < x.shape[1]:  # fixed
        x = x + 1
        step = step * 2
    return x


@case(("bool", N), right=True)
def a_check_that_raises(x):
    if x.shape[1] < 2:  # fixed
        raise ValueError("too narrow")
    return x * 2


@case(("bool", N))
def padding_to_a_multiple(x):
    rest = -x.shape[1] % 4
    if rest > 0:  # fixed
        return F.pad(x, (0, rest))
    return x * 2


@case(("bool", N), right=True)
def padding_that_may_be_nothing(x):
    rest = (4 - x.shape[1] % 4) % 4
    if rest > 0:  # fixed
        x = F.pad(x, (0, rest))
    return x.sum(1)


@case(("int", N))
def a_number_that_makes_a_tensor(x):
    size = int(x.shape[1])  # fixed
    return x * torch.full((3,), size).sum()


@case(right=True)
def sizes_in_calls(x):
    size = x.shape[1]
    grown = x.view(size, -1).t().reshape(tuple(x.shape))
    return grown + torch.zeros(size) + torch.arange(size) + x[:, : size - 1].sum() + torch.full((size,), 2.0)


@case(right=True)
def sizes_unpacked(x):
    rows, columns = x.shape
    return x.reshape(columns, rows).t() + torch.ones(rows, columns)


# Tensors taken apart.

entry("rows by iteration", lambda x: sum(row for row in x), ("iteration", B))
entry("rows by unbind", lambda x: sum(x.unbind(0)), ("parts", B))
entry("columns by split", lambda x: sum(part.sum() for part in x.split(2, 1)), ("parts", N))
entry("columns by chunk", lambda x: torch.stack([part.sum() for part in x.chunk(2, 1)]), ("parts", N), right=True)
entry("a list of rows", lambda x: torch.stack(list(x)), ("iteration", B), ("len", B))
entry("rows of a static axis", lambda x: sum(torch.stack([x, x + 1]).unbind(0)), right=True)
entry("a row of two", lambda x: sum(torch.stack([x, x + 1], 1).unbind(1)), right=True)


@case(("iteration", B))
def enumerated_rows(x):
    total = x[0] * 0
    for index, row in enumerate(x):  # fixed
        total = total + index * row
    return total


# Elements.

entry("branch on data", lambda x: x + 1 if x.sum() > 0 else x - 1, ("bool", X))
entry("branch far away on data", lambda x: x * 2 if x.sum() > 1e6 else x, ("bool", X))
entry("item", lambda x: x * x.max().item(), ("number", X))
entry("float of data", lambda x: x * float(x.max()), ("float", X))
entry("int of data", lambda x: x * int(x.max() * 4), ("int", X))
entry("list of data", lambda x: x + sum(x[0].tolist()), ("list", X))
entry("numpy of data", lambda x: x + torch.from_numpy(x.numpy().copy()), ("numpy", X))
entry("array of data", lambda x: x + float(np.asarray(x).max()), ("numpy", X))
entry("number added", lambda x: x.add(x.max().item()), ("number", X))
entry("range of data", lambda x: x + sum(range((x.max() * 8).long())), ("index", X))
entry("slice by data", lambda x: x[:, : int(x.argmax()) % 3 + 1], ("int", X))
entry("index by data", lambda x: [x, x * 2, x * 3][int(x.argmax()) % 3], ("int", X))
entry("comparison of tensors", lambda x: x if torch.equal(x, x.abs()) else x * 2, ("bool", X))
entry("closeness of tensors", lambda x: x if torch.allclose(x, x.abs()) else x * 2, ("bool", X))
entry("not zero", lambda x: x if torch.is_nonzero((x < 0).sum()) else x * 2, ("bool", X))
entry("membership of a value", lambda x: x if 5.0 in x else x * 2, ("bool", X), right=True)
entry("any", lambda x: x if (x < 0).any() else x * 2, ("bool", X))
entry("written through a view", lambda x: _written(x).clone(), ("bool", X))
entry("tensor of an item", lambda x: x * torch.tensor([x.max(), 1.0]).sum(), right=True)
entry("tensor of a tensor", lambda x: x * torch.tensor([[x[0, 0]], [1.0]]).mean(), right=True)
entry("how many are chosen", lambda x: x if x[x > 0.5].shape[0] > 3 else x * 2, ("bool", COUNT))
entry("the number of those", lambda x: x * int(x[x > 0.5].numel()), ("int", COUNT))
entry("assertion", lambda x: (torch._assert(x.max() < 100, "too large"), x * 2)[1], right=True)


def _written(x: torch.Tensor) -> torch.Tensor:
    flag = torch.zeros(2)
    flag[1:] += x.sum()
    return x if flag.max() > 0 else x * 2  # fixed


# Sizes that two axes must share.


@case(("bool", BOTH))
def more_rows_than_columns(x):
    if x.shape[0] > x.shape[1]:  # fixed
        return x.t() * 2
    return x


@case(("bool", B), ("bool", N))
def two_branches(x):
    if x.shape[0] > 2:  # fixed
        x = x + 1
    if x.shape[1] > 7:  # fixed
        x = x * 2
    return x


@case(("bool", N), right=True)
def a_branch_that_does_not_matter(x):
    y = x.relu() if x.shape[1] > 7 else x.clamp(min=0)  # fixed
    return y + 1


@case(("float", N))
@torch.no_grad()
def without_gradients(x):
    return x / math.sqrt(x.shape[1])  # fixed
