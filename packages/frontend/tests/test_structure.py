"""Structures that torch's pytree does not know, as lists of leaves and back."""

from __future__ import annotations

import collections
from dataclasses import dataclass, field

import pytest
import torch
from onnxport_frontend import capture
from onnxport_frontend.structure import flatten


class Result(collections.OrderedDict):
    """Items that are attributes as well, as in the results of transformers and timm."""

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        super().__setattr__(key, value)


class Plain(dict):
    def __getattr__(self, name):
        return self[name]


class Listed(list):
    pass


class Numbers(tuple):
    pass


class WithSlots(tuple):
    __slots__ = ()


class Extra(dict):
    def __init__(self, *args):
        super().__init__(*args)
        self.mask = torch.zeros(2)
        self.note = "kept"


@dataclass
class Fields:
    x: torch.Tensor
    rest: list = field(default_factory=list)


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        (Result(a=torch.ones(1), b=None), [("a",), ("b",)]),
        (Plain(a=torch.ones(1)), [("a",)]),
        (Listed([torch.ones(1), 2]), [("0",), ("1",)]),
        (Numbers((torch.ones(1), 2)), [("0",), ("1",)]),
        (WithSlots((torch.ones(1),)), [("0",)]),
        (collections.defaultdict(list, a=torch.ones(1)), [("a",)]),
        (torch.Size([2, 3]), [("0",), ("1",)]),
        (Extra({3: torch.ones(1)}), [("3",), ("mask",)]),
        (Fields(torch.ones(1), Listed([torch.ones(2)])), [("x",), ("rest", "0")]),
        ({"a": Plain(b=Numbers((torch.ones(1),)))}, [("a", "b", "0")]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_leaves_and_back(value, paths):
    leaves, tree = flatten(value)
    assert list(tree.paths()) == paths
    new = [leaf + 1 if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
    made = tree.unflatten(iter(new))
    # pytree knows torch.Size, and makes a tuple of it, which is equal.
    assert type(made) is (tuple if isinstance(value, torch.Size) else type(value))
    again, _ = flatten(made)
    assert all(a is b or a == b for a, b in zip(again, new, strict=True))
    # The original has not changed.
    assert all(a is b or a == b for a, b in zip(flatten(value)[0], leaves, strict=True))


def test_attributes_follow_the_items_that_they_are():
    leaves, tree = flatten(Result(a=torch.ones(1)))
    made = tree.unflatten(iter([leaves[0] + 1]))
    assert made.a is made["a"]
    assert made.a.item() == 2


def test_attributes_that_hold_no_tensor_are_kept():
    leaves, tree = flatten(Extra({"a": torch.ones(1)}))
    assert tree.unflatten(iter(leaves)).note == "kept"


def test_tensors_in_a_class_of_the_users_are_outputs():
    class Model(torch.nn.Module):
        def forward(self, inputs):
            return Plain(total=inputs["x"] + 1, parts=Listed([inputs["x"] * 2]))

    captured = capture(Model(), (Plain(x=torch.ones(2)),))
    assert [item.name for item in captured.graph.inputs] == ["inputs.x"]
    assert [item.name for item in captured.graph.outputs] == ["total", "parts.0"]


def test_a_size_that_is_returned_is_an_output():
    class Model(torch.nn.Module):
        def forward(self, x):
            return x + 1, x.shape

    captured = capture(Model(), (torch.ones(2, 3),), dynamic_axes={"x": {0: "n"}})
    assert len(captured.graph.outputs) == 3
    result = captured.signature.unflatten([torch.ones(1), torch.tensor(4), torch.tensor(3)])
    assert result[1] == torch.Size([4, 3])
