"""Every family of operators with all axes dynamic: what ONNX Runtime gives at many sizes is what torch gives.

Each case is exported once, from an example, and run on larger sizes, on every size in turn as 1 and as 0, and on all
as 1. Sizes that torch refuses, or at which its results have other ranks than in the example, are left out: a graph has
the ranks of the example. Before opset 14, ONNX reads a computed size of 0 in Reshape as a copy, so that sizes of 0 are
tried from there on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from onnxport import NEWEST_OPSET
from onnxport.export import build
from onnxport.options import ExportOptions
from onnxport.runtime import create_session, run_session
from onnxport_frontend import Captured, capture
from onnxport_ir.errors import NeedsOpset, OnnxExporterError, UnsupportedOperators
from onnxport_ir.proto import to_proto
from onnxport_symbolics import Target, default_registry
from torch import Tensor
from torch.utils import _pytree as pytree

from tests.dynamic_sizes import elementwise, layers, shapes
from tests.dynamic_sizes.cases import Case
from tests.node_counts.patterns import Call
from tests.ops.harness import check

OPSETS = (9, 13, 18, 21, NEWEST_OPSET)
#: The first opset at which a computed size of 0 can be told to Reshape.
EMPTY_SINCE = 14
CASES = [*elementwise.CASES, *shapes.CASES, *layers.CASES]

# Any: what models give.
Try = tuple[dict[str, int], tuple[Tensor, ...], list[Any]]


def model_of(case: Case) -> torch.nn.Module:
    model = case.function if isinstance(case.function, torch.nn.Module) else Call(case.function)
    return model.eval()


def captured_of(case: Case) -> Captured:
    args = case.example()
    names = [f"x{index}" for index in range(len(args))]
    axes = {names[index]: dims for index, dims in case.axes().items()}
    return capture(model_of(case), args, input_names=names, dynamic_axes=axes)


def results_of(model: torch.nn.Module, args: tuple[Tensor, ...]) -> list[Any] | None:
    """What torch gives; None where it refuses the sizes."""
    try:
        with torch.no_grad():
            return list(pytree.tree_leaves(model(*(arg.clone() for arg in args))))
    except (IndexError, RuntimeError, ValueError):
        return None


def tries_of(case: Case) -> list[Try]:
    """All sizes at which there is something to compare, the example first."""
    model, example = model_of(case), case.example()
    expected = results_of(model, example)
    assert expected is not None, "torch refuses the example"
    tries: list[Try] = [({}, example, expected)]
    for sizes, args in case.others():
        results = results_of(model, args)
        if results is not None and [ranked(item) for item in results] == [ranked(item) for item in expected]:
            tries.append((sizes, args, results))
    assert len(tries) > 1, "torch refuses all other sizes"
    return tries


def ranked(result: Any) -> Any:
    return result.dim() if isinstance(result, Tensor) else result


@pytest.mark.parametrize("case", [case for case in CASES if not case.refused], ids=str)
def test_sizes(case: Case) -> None:
    captured, tries = captured_of(case), tries_of(case)
    failed: list[str] = []
    for opset in OPSETS:
        if opset < case.since:
            expect_needs_opset(captured, opset)
            continue
        model = build(captured, default_registry(), ExportOptions(Target(opset)), {})
        session = create_session(to_proto(model).SerializeToString())
        names = [value.name or "" for value in model.graph.outputs]
        for sizes, args, expected in tries:
            is_empty = 0 in sizes.values()
            if is_empty and (opset < EMPTY_SINCE or case.nothing):
                continue
            feeds = captured.signature.flatten(args, {})
            try:
                found = run_session(session, feeds, names)
            except Exception:  # the runtime's errors have no type of their own
                if not (is_empty and case.loud):
                    raise
                failed.append(f"opset {opset}, {sizes}")
                continue
            compare(expected, pytree.tree_leaves(captured.signature.unflatten(found)), f"opset {opset}, {sizes}")
    assert failed or not case.loud, "the runtime takes all sizes now"


def compare(expected: list[Any], found: list[Any], where: str) -> None:
    assert len(expected) == len(found), where
    for index, (theirs, ours) in enumerate(zip(expected, found, strict=True)):
        if not isinstance(theirs, Tensor):
            assert theirs == ours, where
            continue
        limit = 1e-4 if theirs.is_floating_point() else 0.0
        torch.testing.assert_close(
            ours,
            theirs,
            rtol=limit,
            atol=limit,
            equal_nan=True,
            msg=lambda text, index=index: f"{where}, result {index}: {text}",
        )


def expect_needs_opset(captured: Captured, opset: int) -> None:
    with pytest.raises(OnnxExporterError) as caught:
        build(captured, default_registry(), ExportOptions(Target(opset)), {})
    error = caught.value
    errors = [item.error for item in error.refusals] if isinstance(error, UnsupportedOperators) else [error]
    assert any(isinstance(item, NeedsOpset) for item in errors), f"opset {opset}: {error}"


@pytest.mark.parametrize("case", [case for case in CASES if case.refused], ids=str)
def test_refusals_name_what_is_needed(case: Case) -> None:
    for opset in OPSETS:
        with pytest.raises(OnnxExporterError, match=case.refused) as caught:
            build(captured_of(case), default_registry(), ExportOptions(Target(opset)), {})
        assert caught.value.hint or isinstance(caught.value, UnsupportedOperators), "it says what to do"


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.cumprod(1),
        lambda x: x.cummax(0),
        lambda x: x.logcumsumexp(1),
        lambda x: torch.einsum("bs,ks->bk", x, x),
        lambda x: torch.einsum("bs,bk->sk", x, x),
        lambda x: torch.einsum("bs,ks,bl->skl", x, x, x),
    ],
)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_fixed_sizes_of_0(function: Callable[[Tensor], Any], shape: tuple[int, int]) -> None:
    check(function, (torch.zeros(shape),), opsets=OPSETS)


def test_cases_have_names_of_their_own() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))
    assert len(names) >= 250
