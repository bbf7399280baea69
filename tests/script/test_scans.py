"""What loops that fill lists become: the nodes, not only their values."""

# ruff: noqa: UP006, UP035, RUF100 - the script language

from __future__ import annotations

from collections import Counter
from typing import Any, List

import onnx
import onnxport
import pytest
import torch

OPSETS = (7, 10, 11, 12, 13, 18)


@torch.jit.script
def stacked(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        found.append(x * i)
    return torch.stack(found)


@torch.jit.script
def stacked_elsewhere(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        found.append(x * i)
    return torch.stack(found, dim=1)


@torch.jit.script
def concatenated(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        found.append(x * i)
    return torch.cat(found)


@torch.jit.script
def counted(x, n: int):
    found = [x]
    for i in range(n):
        found.append(x * i)
    return len(found)


@torch.jit.script
def numbers(x, n: int):
    found: List[int] = []
    for i in range(n):
        found.append(i * i)
    return torch.tensor(found)


@torch.jit.script
def returned(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        found.append(x * i)
    return found


@torch.jit.script
def of_any_size(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        found.append(x[: i + 1])
    return torch.cat(found)


def nodes(model: Any, opset: int) -> Counter[str]:
    """The operators outside of the loop."""
    program = onnxport.export(model, (torch.ones(2, 3), 3), dynamic_axes={"x": [0]}, opset_version=opset)
    return Counter(node.op_type for node in program.model_proto.graph.node)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (stacked, ["Loop"]),
        (stacked_elsewhere, ["Loop", "Transpose"]),
        (concatenated, ["Loop", "Reshape"]),
        (numbers, ["Loop"]),
    ],
    ids=["stacked", "stacked_elsewhere", "concatenated", "numbers"],
)
def test_the_scan_output_is_the_list(model: Any, expected: list[str], opset: int) -> None:
    assert nodes(model, opset) == Counter(expected)


def test_a_list_that_is_only_counted_is_not_put_together() -> None:
    assert not nodes(counted, 18).keys() & {"Concat", "SplitToSequence", "SequenceInsert"}


def test_a_list_that_is_returned_is_split() -> None:
    assert nodes(returned, 11) == Counter(["Loop", "SplitToSequence"])


@pytest.mark.parametrize("opset", [13, 18])
def test_elements_of_any_size_go_around_as_a_sequence(opset: int) -> None:
    assert nodes(of_any_size, opset)["ConcatFromSequence"] == 1


def test_the_rows_of_an_empty_list_have_known_sizes() -> None:
    program = onnxport.export(stacked, (torch.ones(2, 3), 3), opset_version=18)
    onnx.checker.check_model(program.model_proto, full_check=True)
    assert program(torch.ones(2, 3), 0).shape == (0, 2, 3)
