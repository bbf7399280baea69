"""Reading and writing by index, masks, search and counts."""

from __future__ import annotations

import pytest
import torch
from torch import tensor
from torch.nn import functional as F

from tests.ops.harness import Case

X = torch.linspace(-2, 2, 72).reshape(4, 6, 3).sin().add(torch.arange(3.0) / 7 - 0.1)
Y = torch.linspace(-3, 1, 108).reshape(3, 12, 3).cos().sub(torch.arange(3.0) / 3)
AXES = {0: {0: "batch", 1: "time"}}
put = torch.ops.aten.index_put


def case(name: str, model: object, since: int = 7, nodes: dict[int, list[str]] | None = None) -> Case:
    """A function of one tensor of which two axes are dynamic."""
    return Case(name, model, (X,), (Y,), AXES, since, nodes or {})


READS = [
    case("one-index", lambda x: x[tensor([0, -1])], nodes={18: ["Gather"]}),
    case("one-index-inside", lambda x: (x[:, tensor([[1, 0], [-1, 2]])], x[..., tensor(2)])),
    case("indices-in-front", lambda x: x[tensor([0, -1]), tensor([1, 2])], nodes={18: ["GatherND"]}),
    case("indices-apart", lambda x: x[tensor([0, -1]), :, tensor([1, 2])]),
    case("indices-behind", lambda x: x[:, tensor([0, -1]), tensor([[1], [2]])]),
    case("indices-of-three-shapes", lambda x: x[tensor([[0]]), tensor([1, 2]), tensor(0)]),
    Case(
        "indices-static", lambda x: (x[:, tensor([0, -1]), tensor([[1], [2]])], x[tensor([[0]]), tensor([1, 2])]), (X,)
    ),
    case("index-from-input", lambda x: x[x[:, 0, 0].gt(0).long(), x[:, 0, 1].lt(0).long()]),
    case("mask", lambda x: x[x > 0]),
    case("mask-in-front", lambda x: x[x[:, :, 0] > 0]),
    case("mask-inside", lambda x: (x[:, x[0, :, 0] > 0], x[:, :, x[0, 0] > 0])),
    case("mask-and-index", lambda x: (x[x[:, :, 0] > 0, tensor(1)], x[x[:, 0, 0] > 0, :, tensor(0)])),
    case("mask-scalar", lambda x: (x[x[0, 0, 0] > -100], x[x[0, 0, 0] > 100])),
    case("index-select", lambda x: (x.index_select(1, tensor([0, 2])), x.index_select(0, tensor(1)))),
    case("gather", lambda x: (x.gather(1, (x > 0).long()), x.gather(0, (x[:, :2] > 0).long()))),
    case("gather-scalar", lambda x: x[0, 0, 0].gather(0, tensor(0))),
    case("take", lambda x: x.take(tensor([[0, -1], [3, 4]]))),
    case("take-along-dim", lambda x: (x.take_along_dim(x.gt(0).long(), 1), x.take_along_dim(tensor([[[0]]]), 1))),
    case("masked-select", lambda x: (x.masked_select(x > 0), x.masked_select(x[0, :1] > 0))),
    case(
        "nonzero",
        lambda x: (x.gt(0).nonzero(), x[0, 0, 0].nonzero(), x.double().nonzero(), torch.argwhere(x > 0.5)),
    ),
    case("nonzero-tuple", lambda x: (x.nonzero(as_tuple=True), torch.where(x > 0))),
    case("nonzero-static", lambda x: torch.nonzero_static(x > 0, size=200, fill_value=-1)),
    case("isin", lambda x: (torch.isin(x.mul(3).long(), tensor([0, 1])), torch.isin(x.long(), 1, invert=True))),
    case(
        "embedding",
        lambda x: F.embedding(x.gt(0).long(), torch.arange(12.0).reshape(4, 3)),
        nodes={18: ["Greater", "Cast", "Gather"]},
    ),
    case(
        "one-hot",
        lambda x: (F.one_hot(x.gt(0).long(), 4), F.one_hot(x.gt(-9).long()), F.one_hot(x[0, 0, 0].abs().long(), 3)),
    ),
]

BAG = torch.linspace(-1, 1, 21).reshape(7, 3)
INDICES, OFFSETS = tensor([1, 2, 4, 5, 4, 3, 2, 6]), tensor([0, 2, 2, 5])


def bag(mode: str, options: dict[str, int]) -> Case:
    """Bags of any length; one is empty."""

    def model(weight: torch.Tensor, indices: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        return F.embedding_bag(indices, weight, offsets, mode=mode, **options)

    example, other = (BAG, INDICES, OFFSETS), (BAG, INDICES[:6], tensor([0, 1, 6]))
    axes = {1: {0: "count"}, 2: {0: "bags"}}
    return Case(f"embedding-bag-{mode}-{options}", model, example, other, axes)


BAGS = [
    *(
        bag(mode, options)
        for mode in ("sum", "mean", "max")
        for options in ({}, {"padding_idx": 4}, {"padding_idx": -1})
    ),
    Case("embedding-bag-even", lambda w, i: F.embedding_bag(i.reshape(4, 2), w), (BAG, INDICES)),
    Case(
        "embedding-bag-last-offset",
        lambda w, i, o: F.embedding_bag(i, w, o, include_last_offset=True),
        (BAG, INDICES, tensor([0, 3, 8])),
    ),
    Case(
        "embedding-bag-weighted",
        lambda w, i, o, p: F.embedding_bag(i, w, o, mode="sum", per_sample_weights=p),
        (BAG, INDICES, OFFSETS, torch.linspace(0, 1, 8)),
    ),
]


WRITES = [
    case("put-mask-number", lambda x: put(x, (x > 0,), tensor(1.0)), nodes={18: ["Greater", "Where"]}),
    case(
        "put-mask-rows",
        lambda x: (put(x, (x[:, :, 0] > 0,), tensor([1.0, 2, 3])), put(x, (x[:, :, 0] > 0,), tensor([[1.0, 2, 3]]))),
    ),
    case(
        "put-mask-values",
        lambda x: (put(x, (x > 0,), x[x > 0] * 2), put(x, (x[:, :, 0] > 0,), x[x[:, :, 0] > 0] * 3)),
    ),
    case(
        "put-one-index",
        lambda x: (put(x, (tensor([0, -1]),), tensor(5.0)), put(x, (None, tensor([0, 2])), x[:, :2])),
    ),
    case(
        "put-indices",
        lambda x: (
            put(x, (tensor([0, 1]), None, tensor([1, 2])), x[:2, :, 0]),
            put(x, (None, tensor([0, -1]), tensor([1, 2])), x[:, :2, 0]),
            put(x, (tensor([[0], [1]]), tensor([1, 2])), tensor([1.0, 2, 3])),
        ),
    ),
    case(
        "put-accumulate",
        lambda x: (
            put(x, (tensor([0, 0]),), tensor(5.0), True),
            put(x.long(), (None, tensor([0, 0])), x[:, :2].mul(9).long(), True),
        ),
    ),
    case("put-accumulate-mask", lambda x: put(x, (x > 0,), tensor(5.0), True)),
    case(
        "put-scalar-mask",
        lambda x: (put(x, (x[0, 0, 0] > -100,), tensor(5.0)), put(x, (x[:, 0, 0] > 0, None, tensor(1)), tensor(5.0))),
    ),
    case("scatter", lambda x: (x.scatter(1, (x[:, :2] > 0).long(), 3), x.scatter(2, tensor([[[0]]]), x)), since=9),
    case(
        "scatter-add",
        lambda x: (x.scatter_add(1, (x > 0).long(), x), x.scatter(1, (x > 0).long(), 2, reduce="multiply")),
    ),
    case(
        "index-add",
        lambda x: (
            x.index_add(1, tensor([0, 0, 2]), x[:, :3], alpha=2),
            x[0, 0, 0].index_add(0, tensor([0]), tensor(2.0)),
        ),
    ),
    case("index-copy", lambda x: x.index_copy(1, tensor([1, 0]), x[:, :2])),
    case("index-fill", lambda x: (x.index_fill(1, tensor([1, -1]), 5), x.index_fill(0, tensor(1), tensor(3.0)))),
    case("put-flat", lambda x: x.put(tensor([1, -1]), tensor([9.0, 8]))),
    case("put-flat-accumulate", lambda x: x.put(tensor([1, 1]), tensor([9.0, 8]), True)),
    case(
        "unsafe-masked",
        lambda x: torch.ops.aten._unsafe_masked_index(x, x[:, :2] > 0, [None, tensor([-7, 99])], 2.0),
    ),
    case(
        "masked-scatter",
        lambda x: (
            x.masked_scatter(x > 0, x),
            x.masked_scatter(x[0, :1] > 0, x),
            x[0, 0, 0].masked_scatter(tensor(True), x),
        ),
    ),
]


def reduction(name: str, include_self: bool, dtype: torch.dtype) -> Case:
    """scatter_reduce, and index_reduce where it has the reduction."""

    def model(x: torch.Tensor) -> list[torch.Tensor]:
        x = (x * 4).to(dtype)
        index = (x[:, :2] > 0).long()
        results = [torch.scatter_reduce(x, 1, index, x[:, 2:], name, include_self=include_self)]
        if name != "sum":
            rows = tensor([0, 0, 1])
            results.append(torch.index_reduce(x, 1, rows, x[:, :3], name, include_self=include_self))
        return results

    return case(f"{name}-{include_self}-{dtype}", model)


REDUCTIONS = [
    reduction(name, include_self, dtype)
    for name in ("sum", "prod", "mean", "amax", "amin")
    for include_self in (True, False)
    for dtype in (torch.float32, torch.int64)
]

NAN = float("nan")
SPECIAL = [
    Case(
        f"{name}-nan-{include_self}",
        lambda x, s, n=name, i=include_self: x.scatter_reduce(0, tensor([0, 0, 1, 2]), s, n, include_self=i),
        (tensor([1.0, 2.0, NAN, NAN]), tensor([NAN, 5.0, float("inf"), 3.0])),
    )
    for name in ("amax", "amin")
    for include_self in (True, False)
]

ORDER = [
    case("sort", lambda x: (x.sort(1), x.sort(0, descending=True)), since=10),
    case(
        "sort-stable",
        lambda x: (x.gt(0).sort(stable=True, dim=1), x.long().sort(stable=True, dim=1, descending=True)),
        since=10,
    ),
    case("sort-scalar", lambda x: x[0, 0, 0].sort()),
    case("argsort", lambda x: (x.argsort(-1), x.gt(0).long().argsort(dim=0, stable=True), x.msort()), since=10),
    case(
        "topk",
        lambda x: (x.topk(2), x.topk(2, 0, largest=False), x[0, 0, 0].topk(1)),
    ),
    case("topk-dynamic", lambda x: x.topk(x.size(1) // 2, 1), since=10),
    case("searchsorted", lambda x: torch.searchsorted(tensor([-1.0, 0.0, 0.5, 1]), x)),
    case(
        "searchsorted-right",
        lambda x: torch.searchsorted(tensor([-1.0, 0, 0, 1]), x.round(), right=True, out_int32=True),
    ),
    case("searchsorted-rows", lambda x: torch.searchsorted(x.sort(-1)[0], x)),
    case("searchsorted-sorter", lambda x: torch.searchsorted(x[0, 0], x[1, 0], sorter=x[0, 0].argsort())),
    case(
        "bucketize",
        lambda x: (
            torch.bucketize(x, tensor([-1.0, 0.0, 0.5, 1])),
            torch.bucketize(x.mul(3).long(), tensor([-1, 0, 1]), right=True),
        ),
    ),
    Case(
        "bucketize-nan", lambda x: torch.bucketize(x, tensor([-1.0, 1])), (tensor([float("nan"), 0.0, float("inf")]),)
    ),
    case(
        "bincount",
        lambda x: (torch.bincount(x.gt(0).long().flatten()), torch.bincount(x[:0, 0, 0].long(), minlength=3)),
    ),
    case("bincount-weights", lambda x: torch.bincount(x.gt(0).long().flatten(), x.flatten(), minlength=4)),
    case("histc", lambda x: (torch.histc(x, 5), torch.histc(x, 7, -1, 1), torch.histc(x[0, 0, 0], 3))),
    case(
        "unique",
        lambda x: (
            torch.unique(x.mul(3).long(), return_inverse=True, return_counts=True),
            torch.unique(x.round()),
            torch.unique(x > 0),
            torch.unique(x.int()),
        ),
        since=11,
    ),
    case(
        "unique-dim", lambda x: torch.unique(x.gt(0).long(), dim=1, return_inverse=True, return_counts=True), since=11
    ),
    case(
        "unique-consecutive",
        lambda x: torch.unique_consecutive(x.mul(3).long(), return_inverse=True, return_counts=True),
    ),
    case("unique-consecutive-dim", lambda x: torch.unique_consecutive(x.gt(0).long(), dim=1, return_counts=True)),
]


@pytest.mark.parametrize("case", [*READS, *BAGS], ids=str)
def test_reads(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("case", [*WRITES, *REDUCTIONS, *SPECIAL], ids=str)
def test_writes(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("case", ORDER, ids=str)
def test_order_and_counts(case: Case) -> None:
    case.check()


def test_nan_is_the_largest_number_in_order() -> None:
    x = tensor([1.0, NAN, 3.0, NAN, -1.0])
    Case("sort-nan", lambda x: (x.sort(stable=True), x.sort(stable=True, descending=True)), (x,)).check((11, 18, 23))
