"""Results of scripts that are lists: compared with torch's by the check of the export, and handed back as they are."""

# ruff: noqa: UP006, UP035 - the script language as people write it

from typing import Any, List, Tuple

import onnxport
import pytest
import torch
from onnxport.errors import LoweringError
from torch import Tensor
from torch.utils import _pytree as pytree


@torch.jit.script
def positions(x: Tensor) -> Tuple[Tensor, List[int], Tensor]:
    found: List[int] = []
    for i in range(x.size(0)):
        if bool(x[i] > 0):
            found.append(i)
    return x, found, x * 2


@torch.jit.script
def sizes(x: Tensor) -> List[int]:
    found = [1, 2]
    found.append(x.size(0))
    return found


@torch.jit.script
def parts(x: Tensor) -> Tuple[List[Tensor], List[float]]:
    found: List[Tensor] = []
    weights: List[float] = []
    for i in range(x.size(0)):
        found.append(x[i:])
        weights.append(i * 0.5)
    return found, weights


@torch.jit.script
def numbered(x: Tensor) -> List[Tuple[Tensor, int]]:
    found: List[Tuple[Tensor, int]] = []
    for i in range(2):
        found += [(x * i, i)]
    return found


@torch.jit.script
def nested(x: Tensor) -> Tuple[Tensor, List[List[int]]]:
    found: List[List[int]] = []
    for i in range(2):
        found.append([i, x.size(0)])
    return x, found


@torch.jit.script
def numbered_rows(x: Tensor) -> List[Tuple[Tensor, int]]:
    found: List[Tuple[Tensor, int]] = []
    for i in range(x.size(0)):
        found.append((x[i], i))
    return found


def plain(result: Any) -> Any:
    """Numbers and lists of numbers as the tensors that they are in the exported model."""
    if isinstance(result, list) and all(isinstance(item, int | float) for item in result):
        return torch.tensor(result, dtype=None if result else torch.int64)
    if isinstance(result, list | tuple):
        return type(result)(map(plain, result))
    return torch.as_tensor(result)


@pytest.mark.parametrize("script", [positions, sizes, parts, numbered, nested], ids=lambda script: script.name)
@pytest.mark.parametrize("opset", [13, 17])
def test_lists_are_compared_and_handed_back(script: Any, opset: int) -> None:
    example = torch.tensor([1.0, -2.0, 3.0])
    program = onnxport.export(script, (example,), dynamic_axes={"x": [0]}, opset_version=opset, check=True, verify=True)
    for call in (example, -example, torch.arange(5.0)):
        expected = plain(script(call))
        found = program(call)
        assert pytree.tree_structure(found) == pytree.tree_structure(expected)
        torch.testing.assert_close(found, expected, check_dtype=False)


def test_a_list_of_tuples_of_any_length_is_refused() -> None:
    with pytest.raises(LoweringError, match="a list whose length depends on the input"):
        onnxport.export(numbered_rows, (torch.ones(3),), dynamic_axes={"x": [0]})
