"""``loops="keep"`` and ``loops="unroll"``: what is in the model, and what it computes."""

# ruff: noqa: B007 - the script language as people write it

from __future__ import annotations

from collections import Counter
from typing import Any

import onnx
import onnxport
import pytest
import torch


@torch.jit.script
def constant(x):
    for i in range(3):
        x = x * 0.5 + i
    return x


@torch.jit.script
def nested(x):
    for i in range(3):
        for j in range(2):
            x = x * (i + 1) + j
    return x


@torch.jit.script
def inner_constant(x, n: int):
    for i in range(n):
        for j in range(2):
            x = x * (i + 1) + j
    return x


@torch.jit.script
def known_break(x):
    for i in range(10):
        if i == 2:
            break
        x = x * 2
    return x


@torch.jit.script
def unknown_break(x):
    for i in range(5):
        x = x * 2
        if bool(x.sum() > 30):
            break
    return x


@torch.jit.script
def many_turns(x):
    for i in range(200):
        x = x * 0.5 + i
    return x


@torch.jit.script
def no_turns(x):
    for i in range(0):
        x = x * 2
    return x + 1


@torch.jit.script
def argument(x, n: int):
    for i in range(n):
        x = x + i
    return x


@torch.jit.script
def search(x):
    while bool(x.sum() < 50):
        x = x * 2
    return x


# The loops, and the multiplications in all bodies together, of the kept and of the unrolled model.
CASES = [
    (constant, (), {"Loop": 1, "Mul": 1}, {"Loop": 0, "Mul": 3}),
    (nested, (), {"Loop": 2, "Mul": 1}, {"Loop": 0, "Mul": 4}),  # the two of the first turn multiply by 1
    (inner_constant, (3,), {"Loop": 2, "Mul": 1}, {"Loop": 1, "Mul": 2}),
    (known_break, (), {"Loop": 1, "Mul": 1}, {"Loop": 0, "Mul": 2}),
    (unknown_break, (), {"Loop": 1, "Mul": 1}, {"Loop": 1, "Mul": 1}),
    (many_turns, (), {"Loop": 1, "Mul": 1}, {"Loop": 0, "Mul": 200}),
    (no_turns, (), {"Loop": 0, "Mul": 0}, {"Loop": 0, "Mul": 0}),
    (argument, (3,), {"Loop": 1, "Mul": 0}, {"Loop": 1, "Mul": 0}),
    (search, (), {"Loop": 1, "Mul": 1}, {"Loop": 1, "Mul": 1}),
]


def operators(graph: onnx.GraphProto) -> Counter[str]:
    """How often each operator is in a graph, its bodies included."""
    found: Counter[str] = Counter()
    for node in graph.node:
        found[node.op_type] += 1
        for attribute in node.attribute:
            found += operators(attribute.g)
    return found


@pytest.mark.parametrize(("model", "numbers", "kept", "unrolled"), CASES, ids=[case[0].name for case in CASES])
def test_nodes_and_values(model: Any, numbers: Any, kept: dict[str, int], unrolled: dict[str, int]) -> None:
    x = torch.tensor([1.0, 2.0])
    for loops, expected in (("keep", kept), ("unroll", unrolled)):
        program = onnxport.export(model, (x, *numbers), loops=loops)
        found = operators(program.model_proto.graph)
        assert {name: found[name] for name in expected} == expected, loops
        for call in ((x, *numbers), (x * 40 - 3, *(0 for _ in numbers)), (x / 9, *(7 for _ in numbers))):
            torch.testing.assert_close(program(*call), model(*call))
