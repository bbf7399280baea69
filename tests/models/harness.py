"""A model as a case: captured once, exported to every opset, compared with eager torch on two calls."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from onnxport.export import build
from onnxport.options import ExportOptions
from onnxport.runtime import create_session, run_session
from onnxport_frontend import Captured, capture
from onnxport_frontend.structure import flatten
from onnxport_ir.errors import LoweringError, NeedsOpset, UnsupportedOperators
from onnxport_ir.write import write
from onnxport_symbolics import Target, default_registry

from tests.ops.harness import OPSETS

# Any: the arguments and results of models.
Call = tuple[tuple[Any, ...], dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class ModelCase:
    """A model with what is to become of it.

    Attributes:
        name: for the report.
        model: builds it; torch's random numbers have a fixed seed then.
        call: makes ``(args, kwargs)`` of some sizes.
        sizes: what ``call`` gets for the example.
        others: what it gets for the second run, all different.
        axes: as for ``dynamic_axes``.
        since: the lowest opset that can express the model; below it, ``NeedsOpset`` is expected.
        tolerance: the largest difference, of the spread of an output's values.
    """

    name: str
    model: Callable[[], torch.nn.Module]
    call: Callable[..., Call]
    sizes: Mapping[str, int]
    others: Mapping[str, int]
    axes: Mapping[str, Mapping[int, str]]
    since: int = 7
    tolerance: float = 1e-4

    def __str__(self) -> str:
        return self.name


def check(case: ModelCase, folder: Path) -> None:
    """Export at every opset, and compare on both calls.

    Raises:
        AssertionError: naming each opset at which something differs, or that works though it is below ``since``.
    """
    assert all(case.sizes[name] != size for name, size in case.others.items()), "the second call must differ"
    torch.manual_seed(0)
    model = case.model().eval()
    calls = [case.call(**case.sizes), case.call(**case.others)]
    expected = [_eager(model, call) for call in calls]
    captured = capture(model, *_clone(calls[0]), dynamic_axes=case.axes)
    failures = []
    for opset in OPSETS:
        try:
            if opset < case.since:
                _expect_needs_opset(captured, opset)
            else:
                _check_opset(case, captured, opset, calls, expected, folder / f"{case.name}-{opset}.onnx")
        except Exception as error:  # one opset's fault says nothing of the others
            failures.append(f"opset {opset}: {type(error).__name__}: {error}")
        except pytest.fail.Exception as error:
            failures.append(f"opset {opset}: {error}: it is expressed below opset {case.since}")
    assert not failures, "\n".join(failures)


def _check_opset(
    case: ModelCase, captured: Captured, opset: int, calls: list[Call], expected: list[list[Any]], path: Path
) -> None:
    model = build(captured, default_registry(), ExportOptions(Target(opset)), {})
    write(model, path)
    onnx.checker.check_model(str(path), full_check=True)
    _check_inputs(case, model.graph.inputs)
    session = create_session(str(path))
    for call, results in zip(calls, expected, strict=True):
        feeds = captured.signature.flatten(*_clone(call))
        found = run_session(session, feeds, [value.name or "" for value in model.graph.outputs])
        _compare(results, flatten(captured.signature.unflatten(found))[0], case.tolerance)


def _check_inputs(case: ModelCase, inputs: list[Any]) -> None:
    """The model must say which axes are dynamic, and no others."""
    for value in inputs:
        dims = {axis: str(dim) for axis, dim in enumerate(value.shape) if not isinstance(dim, int)}
        assert dims == dict(case.axes.get(value.name, {})), f"input {value.name} has the dynamic axes {dims}"


def _expect_needs_opset(captured: Captured, opset: int) -> None:
    with pytest.raises(LoweringError) as caught:
        build(captured, default_registry(), ExportOptions(Target(opset)), {})
    error = caught.value
    refusals = [refusal.error for refusal in error.refusals] if isinstance(error, UnsupportedOperators) else [error]
    assert all(isinstance(item, NeedsOpset) for item in refusals), str(error)


def _eager(model: torch.nn.Module, call: Call) -> list[Any]:
    args, kwargs = _clone(call)
    with torch.no_grad():
        return flatten(model(*args, **kwargs))[0]


def _clone(call: Call) -> Call:
    """The call with tensors of its own: models may write to them, caches grow."""
    leaves, tree = flatten(call)
    args, kwargs = tree.unflatten(leaf.detach().clone() if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves)
    return args, kwargs


def _compare(expected: list[Any], found: list[Any], tolerance: float) -> None:
    assert len(expected) == len(found), f"{len(found)} results, torch has {len(expected)}"
    compared = 0
    for index, (theirs, ours) in enumerate(zip(expected, found, strict=True)):
        if not isinstance(theirs, torch.Tensor):
            assert type(ours) is type(theirs), f"result {index} is {ours!r}, torch has {theirs!r}"
            continue
        compared += theirs.numel()
        assert theirs.isfinite().all(), f"result {index} of torch holds infinity or NaN, which hides differences"
        limit = tolerance * float(theirs.max() - theirs.min()) if theirs.is_floating_point() and theirs.numel() else 0
        torch.testing.assert_close(
            ours, theirs, rtol=0, atol=limit, msg=lambda text, index=index: f"result {index}: {text}"
        )
    assert compared, "there is nothing to compare"
