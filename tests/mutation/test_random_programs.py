"""Random programs of views, writes and reads: what is exported gives what torch gives, at two sizes.

Each program is exported with all sizes dynamic, once as a trace and once scripted, and run in ONNX Runtime. With
``--hypothesis-show-statistics`` pytest tells how many programs were refused, and why.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from hypothesis import assume, event, given
from onnxport.export import build
from onnxport.options import ExportOptions
from onnxport.runtime import create_session, run_session
from onnxport_frontend import capture
from onnxport_ir.errors import InternalError, OnnxExporterError, UnsupportedOperators
from onnxport_ir.proto import to_proto
from onnxport_symbolics import Target, default_registry
from onnxruntime.capi.onnxruntime_pybind11_state import Fail

from tests.mutation.programs import CHOICES, SIZES, Text, block_programs, inputs, results_of, straight_programs, text_of

AXES = {"x": {0: "rows", 1: "columns"}, "y": {0: "columns"}}


def exported(model: Any, args: tuple[Any, ...]) -> tuple[Any, bytes] | None:
    """Names of the outputs, and the model; None if it is refused."""
    try:
        captured = capture(model, args, dynamic_axes=AXES)
        onnx_model = build(captured, default_registry(), ExportOptions(Target(18)), {})
    except InternalError:
        raise
    except OnnxExporterError as error:
        event(f"refused: {reason_of(error)}")
        return None
    return captured.signature, to_proto(onnx_model).SerializeToString()


def reason_of(error: OnnxExporterError) -> str:
    if isinstance(error, UnsupportedOperators):
        first = error.refusals[0]
        return f"{first.op}: {first.error.what[:60]}"
    return f"{error.code} {error.what[:80]}: {(error.why or '')[:60]}"


def compare(program: Text, signature: Any, session: Any, args: tuple[Any, ...], expected: list[torch.Tensor]) -> None:
    names = [item.name for item in session.get_outputs()]
    # A number that the program does not use is an input all the same.
    found = signature.unflatten(run_session(session, signature.flatten(args), names))
    assert len(found) == len(expected)
    for number, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        where = f"result {number} of {args[2:]}\n{program.source}"
        assert ours.dtype == theirs.dtype, where
        assert ours.shape == theirs.shape, where
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5, equal_nan=True, msg=lambda m, w=where: f"{m}{w}")


def check(program: Text, model: Any, calls: list[tuple[Any, ...]]) -> bool:
    """Export a program with the first call, and run it with all."""
    expected = [results_of(model, *copies(call)) for call in calls]
    assume(expected[0] is not None)
    result = exported(model, copies(calls[0]))
    if result is None:
        return False
    wanted = [pair for pair in zip(calls, expected, strict=True) if pair[1] is not None]
    try:
        agree(program, result, wanted)
    except Fail:
        # Where weights alone decide a branch, ONNX Runtime's optimizer writes its body out, and at times loses a value
        # of it that an inner branch reads. It says so, and runs the model as it is.
        agree(program, result, wanted, optimize=False)
        event("fails in ONNX Runtime when optimized")
    event("exported")
    return True


def agree(program: Text, result: tuple[Any, bytes], wanted: list[tuple[Any, Any]], *, optimize: bool = True) -> None:
    """Run what was exported with calls of which the results are known."""
    session = create_session(result[1], optimize=optimize)
    for call, expected in wanted:
        compare(program, result[0], session, copies(call), expected)


def copies(call: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(item.clone() if isinstance(item, torch.Tensor) else item for item in call)


def scripted(program: Text) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(program.module())


@given(straight_programs(scripted=False))
def test_traced(steps):
    program = text_of(steps, "x, y")
    assume(program.writes)
    check(program, program.module(), [inputs(size) for size in SIZES])


@given(straight_programs(scripted=True))
def test_scripted(steps):
    program = text_of(steps, "x, y")
    assume(program.writes)
    with torch.jit.optimized_execution(False):
        check(program, scripted(program), [inputs(size) for size in SIZES])


@given(block_programs())
def test_scripted_with_branches_and_loops(steps):
    program = text_of(steps, "x, y, n: int, flag: bool")
    assume(program.writes)
    calls = [(*inputs(size), *choice) for choice in CHOICES for size in SIZES]
    # The optimising executor fails on some of these programs, from their second run on.
    with torch.jit.optimized_execution(False):
        check(program, scripted(program), calls)
