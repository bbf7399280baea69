"""Scripted programs made at random: what is not refused gives what torch gives, whichever branches are taken."""

from __future__ import annotations

import random
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from onnxport.export import build
from onnxport.options import ExportOptions
from onnxport.runtime import create_session, run_session
from onnxport_frontend import capture
from onnxport_ir.check import check_model
from onnxport_ir.errors import InternalError, LoweringError, OnnxExporterError
from onnxport_ir.proto import to_proto
from onnxport_symbolics import NEWEST_OPSET, Target, default_registry
from onnxruntime.capi.onnxruntime_pybind11_state import Fail

from tests.script.random_programs import Author, scripted
from tests.script.test_script import clone, compare, errors_of

OPSETS = (11, 13, 17, 18, 21, NEWEST_OPSET)
#: From which opset on loops take sequences.
SEQUENCES_IN_LOOPS = 13
#: The names of all inputs but the numbers, and the axes that differ from call to call.
AXES = {"t0": [0], "u0": [0]}


def calls(seed: int) -> list[tuple[Any, ...]]:
    """An example, and calls that take other branches, have other sizes, and do not enter loops."""
    source = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(2, 3, generator=source), 3, 0.8, True, torch.tensor([3, 1, 2])),
        (torch.randn(4, 3, generator=source), 2, -1.7, False, torch.tensor([0, 5])),
        (-torch.rand(1, 3, generator=source), 5, 2.5, False, torch.tensor([1])),
        (torch.rand(3, 3, generator=source), 0, 0.0, True, torch.tensor([2, 2, 2, 2])),
    ]


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32), st.sampled_from(["keep", "unroll"]))
def test_programs(seed: int, loops: str) -> None:
    text = Author(random.Random(seed)).program()
    try:
        model = scripted(text)
    except RuntimeError:
        # The compiler knows that a variable is None here, or is not.
        assume(False)
    given = calls(seed)
    expected = [answer(model, call) for call in given]
    assume(expected[0] is not None)
    try:
        captured = capture(model, clone(given[0]), dynamic_axes=AXES)
    except OnnxExporterError as error:
        no_internal(error, text)
        return
    for opset in OPSETS:
        try:
            exported = build(captured, default_registry(), ExportOptions(Target(opset), loops=loops), {})
        except OnnxExporterError as error:
            no_internal(error, text)
            continue
        check_model(exported)
        session = create_session(to_proto(exported).SerializeToString())
        names = [value.name or "" for value in exported.graph.outputs]
        for call, theirs in zip(given, expected, strict=True):
            if theirs is not None:
                feeds = captured.signature.flatten(clone(call), {})
                try:
                    results = run_session(session, feeds, names)
                except Fail as error:
                    # Where no sequence goes around a loop, a list that one fills has elements of one shape.
                    if opset < SEQUENCES_IN_LOOPS and "Inconsistent shape in loop output" in str(error):
                        continue
                    raise
                # Many of the numbers come from tensors of float32.
                compare(theirs, captured.signature.unflatten(results), f"opset {opset}\n{text}", number_rtol=1e-3)


def no_internal(error: OnnxExporterError, text: str) -> None:
    """A refusal is fine, a fault of ours is not."""
    found = errors_of(error) if isinstance(error, LoweringError) else [error]
    if any(isinstance(item, InternalError) for item in found):
        raise AssertionError(text) from error


def answer(model: Any, call: tuple[Any, ...]) -> Any:
    """What torch gives; None if the program raises, which ONNX cannot."""
    try:
        # With its optimizer, torch writes to the constant that a list like [1, 2, 3] is made of: from the second run
        # of one program on, which writes to the list, it had other elements.
        with torch.jit.optimized_execution(False):
            return model(*clone(call))
    except (RuntimeError, torch.jit.Error):
        return None


def test_most_programs_are_exported() -> None:
    """So that the test above does not pass because all is refused."""
    refused = 0
    for seed in range(24):
        try:
            model = scripted(Author(random.Random(seed)).program())
        except RuntimeError:
            continue
        try:
            captured = capture(model, clone(calls(seed)[0]), dynamic_axes=AXES)
            build(captured, default_registry(), ExportOptions(Target(18)), {})
        except OnnxExporterError:
            refused += 1
    assert refused < 8


def test_texts_are_the_same_every_time() -> None:
    texts = [Author(random.Random(7)).program() for _ in range(2)]
    assert texts[0] == texts[1]
    assert "def program" in texts[0]


def test_an_invalid_text_is_refused() -> None:
    with pytest.raises(RuntimeError):
        scripted("def program(x: Tensor) -> Tensor:\n    return x.no_such_method()\n")
