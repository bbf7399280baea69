"""Captured graphs before and after they are made functional, and running them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from onnxport_frontend import capture
from onnxport_frontend.aliasing import op_facts
from onnxport_frontend.functionalize import functionalize
from onnxport_frontend.interpret import interpret
from onnxport_ir.captured import CapturedGraph, walk
from onnxport_ir.captured_text import check_graph


def raw_graph(model: Any, args: Sequence[Any], **options: Any) -> CapturedGraph:
    """The graph of a model before it is made functional."""
    return capture(model, tuple(args), functional=False, **options).graph


def written(graph: CapturedGraph) -> list[str]:
    """The operators in a graph that write tensors."""
    facts = [(str(eqn.op), op_facts(eqn.op)) for eqn in walk(graph.eqns)]
    return [name for name, fact in facts if fact is not None and fact.tensor_writes]


def checked(graph: CapturedGraph) -> CapturedGraph:
    """The functional graph, well formed and without writes."""
    result = functionalize(graph)
    check_graph(result)
    assert written(result) == []
    return result


def same(left: Any, right: Any) -> bool:
    """Whether two results are equal, element types included."""
    return left.dtype == right.dtype and torch.equal(left.nan_to_num(7.0), right.nan_to_num(7.0))


def flat(result: Any) -> list[Any]:
    """A model's result as a list of tensors."""
    return [leaf for item in result for leaf in flat(item)] if isinstance(result, list | tuple) else [result]


def agrees(model: Any, *inputs: Any, **options: Any) -> CapturedGraph:
    """Check a model's functional graph against the model, and give the graph."""
    graph = checked(raw_graph(model, inputs, **options))
    expected = flat(model(*(item.clone() if isinstance(item, torch.Tensor) else item for item in inputs)))
    results = interpret(graph, [item for item in inputs if isinstance(item, torch.Tensor)])
    assert len(results) == len(expected)
    for number, (got, wanted) in enumerate(zip(results, expected, strict=True)):
        assert same(got, wanted), f"result {number}: {got} is not {wanted}\n{graph}"
    return graph


class Function(torch.nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any) -> Any:
        return self.function(*args)


class Tools:
    """What the tests share."""

    agrees = staticmethod(agrees)
    checked = staticmethod(checked)
    raw_graph = staticmethod(raw_graph)
    run_captured = staticmethod(interpret)
    same = staticmethod(same)
    flat = staticmethod(flat)

    @staticmethod
    def traced(function: Callable[..., Any], *inputs: torch.Tensor, **options: Any) -> CapturedGraph:
        """Trace a function and check its functional graph."""
        return agrees(Function(function), *inputs, **options)


@pytest.fixture(scope="session")
def tools() -> Tools:
    """What the tests share."""
    return Tools()
