"""Cases of operators and models as data: each runs at all opsets, against eager torch, also on other sizes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import onnx
import pytest
import torch
from onnxport import NEWEST_OPSET
from onnxport.export import build
from onnxport.options import ExportOptions
from onnxport.runtime import create_session, run_session
from onnxport_frontend import Captured, capture
from onnxport_ir.errors import LoweringError, NeedsOpset, UnsupportedOperators
from onnxport_ir.proto import to_proto
from onnxport_symbolics import Target, default_registry
from torch.utils import _pytree as pytree

#: Where something changed that models meet, the oldest and the newest.
OPSETS = (7, 9, 11, 13, 15, 17, 18, 20, 21, 23, NEWEST_OPSET)

# Any: the arguments and results of models.
Model = Callable[..., Any]
#: The dynamic axes of the tensors among the arguments, by position: their numbers, or names by number.
Axes = Mapping[int, Sequence[int] | Mapping[int, str]]


@dataclasses.dataclass(frozen=True)
class Case:
    """A model with what is to become of it.

    Attributes:
        name: for the report.
        model: a function or module.
        args: the example.
        other: inputs of other sizes for the same exported model.
        axes: the dynamic axes.
        since: the lowest opset that can express the model; below it, ``NeedsOpset`` is expected.
        nodes: the operators of the exported graph at an opset, in order.
        tolerance: the largest difference of floats, relative and absolute.
    """

    name: str
    model: Model
    args: tuple[Any, ...]
    other: tuple[Any, ...] | None = None
    axes: Axes = dataclasses.field(default_factory=dict)
    since: int = 7
    nodes: Mapping[int, Sequence[str]] = dataclasses.field(default_factory=dict)
    tolerance: float = 1e-4

    def check(self, opsets: Sequence[int] = OPSETS) -> None:
        """Export and compare at each opset."""
        check(
            self.model,
            self.args,
            self.other,
            self.axes,
            opsets,
            since=self.since,
            nodes=self.nodes,
            tolerance=self.tolerance,
        )

    def __str__(self) -> str:
        return self.name


class Call(torch.nn.Module):
    """A function as a model."""

    def __init__(self, function: Model) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any) -> Any:
        return self.function(*args)


def check(
    fn: Model,
    args: tuple[Any, ...],
    other_args: tuple[Any, ...] | None = None,
    dynamic_axes: Axes | None = None,
    opsets: Sequence[int] = OPSETS,
    *,
    since: int = 7,
    nodes: Mapping[int, Sequence[str]] | None = None,
    tolerance: float = 1e-4,
) -> None:
    """Export ``fn`` and compare dtype, shape and values with eager torch.

    Args:
        fn: a function or module.
        args: the example.
        other_args: further inputs for the same exported model.
        dynamic_axes: the dynamic axes.
        opsets: the opsets.
        since: the lowest opset that can express it; below it, ``NeedsOpset`` is expected.
        nodes: the operators of the exported graph at an opset, in order.
        tolerance: the largest difference of floats, relative and absolute.

    Raises:
        AssertionError: if something differs, or an opset below ``since`` is no trouble.
    """
    captured = _capture(fn, args, dynamic_axes or {})
    tries = [(args, _eager(fn, args))]
    if other_args is not None:
        tries.append((other_args, _eager(fn, other_args)))
    for opset in opsets:
        if opset < since:
            _expect_needs_opset(captured, opset)
            continue
        model = build(captured, default_registry(), ExportOptions(Target(opset)), {})
        if nodes and opset in nodes:
            found = [node.op_type for node in model.graph.nodes]
            assert found == list(nodes[opset]), f"opset {opset}: {found}"
        proto = to_proto(model)
        onnx.checker.check_model(proto)
        session = create_session(proto.SerializeToString())
        for inputs, expected in tries:
            feeds = captured.signature.flatten(_clone(inputs), {})
            results = run_session(session, feeds, [value.name or "" for value in model.graph.outputs])
            _compare(expected, pytree.tree_leaves(captured.signature.unflatten(results)), opset, tolerance)


def _capture(fn: Model, args: tuple[Any, ...], axes: Axes) -> Captured:
    count = sum(isinstance(leaf, torch.Tensor) for leaf in pytree.tree_leaves(args))
    names = [f"x{index}" for index in range(count)]
    dynamic = {names[index]: dict(dims) if isinstance(dims, Mapping) else list(dims) for index, dims in axes.items()}
    # A scripted or plain module is exported as it is; functions are called by one.
    model = fn if isinstance(fn, torch.nn.Module | torch.jit.ScriptFunction) else Call(fn)
    if isinstance(model, torch.nn.Module):
        model.eval()
    return capture(model, _clone(args), input_names=names, dynamic_axes=dynamic)


def _expect_needs_opset(captured: Captured, opset: int) -> None:
    with pytest.raises(LoweringError) as caught:
        build(captured, default_registry(), ExportOptions(Target(opset)), {})
    error = caught.value
    errors = [refusal.error for refusal in error.refusals] if isinstance(error, UnsupportedOperators) else [error]
    assert any(isinstance(item, NeedsOpset) for item in errors), f"opset {opset}: {error}"


def _eager(fn: Model, args: tuple[Any, ...]) -> list[Any]:
    with torch.no_grad():
        return pytree.tree_leaves(fn(*_clone(args)))


def _clone(value: Any) -> Any:
    return pytree.tree_map(lambda x: x.detach().clone() if isinstance(x, torch.Tensor) else x, value)


def _compare(expected: list[Any], found: list[Any], opset: int, tolerance: float) -> None:
    assert len(expected) == len(found), f"opset {opset}: {len(found)} results, torch has {len(expected)}"
    for index, (theirs, ours) in enumerate(zip(expected, found, strict=True)):
        if not isinstance(theirs, torch.Tensor):
            continue
        exact = not (theirs.is_floating_point() or theirs.is_complex())
        limit = 0.0 if exact else tolerance
        torch.testing.assert_close(
            ours,
            theirs,
            rtol=limit,
            atol=limit,
            equal_nan=True,
            msg=lambda text, index=index: f"opset {opset}, result {index}: {text}",
        )
