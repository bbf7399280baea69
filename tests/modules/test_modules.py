"""Small models as users write them, traced and scripted, on two inputs and at several opsets."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from onnxport import NEWEST_OPSET
from torch.utils import _pytree as pytree

import tests.modules.geometry
import tests.modules.indexing
import tests.modules.layers
import tests.modules.scripts
import tests.modules.shapes  # noqa: F401 - importing these five enters their models
from tests.modules.corpus import ENTRIES, Entry
from tests.ops.harness import check

OPSETS = (13, 18, NEWEST_OPSET)


@pytest.mark.parametrize(
    ("entry", "way"), [pytest.param(entry, way, id=f"{entry}-{way}") for entry in ENTRIES for way in entry.ways]
)
def test_module(entry: Entry, way: str) -> None:
    torch.manual_seed(0)
    first, second = (as_tuple(call()) for call in entry.calls)
    check(entry.build(way), first, second, different_axes(first, second), OPSETS)


def as_tuple(args: Any) -> tuple[Any, ...]:
    return args if isinstance(args, tuple) else (args,)


def different_axes(first: Any, second: Any) -> dict[int, list[int]]:
    """The axes in which two calls differ, by the position of the tensor."""
    pairs = zip(tensors(first), tensors(second), strict=True)
    return {
        index: [axis for axis, (m, n) in enumerate(zip(left.shape, right.shape, strict=True)) if m != n]
        for index, (left, right) in enumerate(pairs)
        if left.shape != right.shape
    }


def tensors(call: Any) -> list[torch.Tensor]:
    return [leaf for leaf in pytree.tree_leaves(call) if isinstance(leaf, torch.Tensor)]
