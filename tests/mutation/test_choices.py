"""Writes to what a branch or loop chooses: each script at several opsets, for both decisions and at two sizes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from onnxport.export import build
from onnxport.options import ExportOptions
from onnxport.runtime import create_session, run_session
from onnxport_frontend import capture
from onnxport_ir.errors import InternalError, OnnxExporterError
from onnxport_ir.proto import to_proto
from onnxport_symbolics import NEWEST_OPSET, Target, default_registry

from tests.mutation.choices_corpus import CASES, Case
from tests.mutation.programs import SIZES, inputs, results_of

OPSETS = (11, 13, 17, 18, 21, NEWEST_OPSET)
AXES = {"x": {0: "rows", 1: "columns"}, "y": {0: "columns"}}
CHOICES = tuple(itertools.product((True, False), (2, 0, 1, 3)))


def scripted(case: Case) -> Any:
    return torch.jit.script(case.function().eval() if isinstance(case.function, type) else case.function)


@pytest.mark.parametrize("case", [case for case in CASES if case.refused is None], ids=str)
def test_written_where_the_condition_says(case: Case) -> None:
    model = scripted(case)
    calls = [(*inputs(size), *choice) for choice in CHOICES for size in SIZES]
    expected = [results_of(model, *fresh(call)) for call in calls]
    captured = capture(model, fresh(calls[0]), dynamic_axes=AXES)
    for opset in OPSETS:
        onnx_model = build(captured, default_registry(), ExportOptions(Target(opset)), {})
        session = create_session(to_proto(onnx_model).SerializeToString())
        names = [item.name for item in session.get_outputs()]
        for call, theirs in zip(calls, expected, strict=True):
            ours = captured.signature.unflatten(run_session(session, captured.signature.flatten(fresh(call)), names))
            assert theirs is not None
            for number, (got, wanted) in enumerate(zip(ours, theirs, strict=True)):
                assert got.shape == wanted.shape
                where = f"result {number} at opset {opset} of {call[2:]}: "
                torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-6, msg=lambda text, w=where: w + text)


@pytest.mark.parametrize("case", [case for case in CASES if case.refused is not None], ids=str)
def test_refused(case: Case) -> None:
    with pytest.raises(OnnxExporterError, match=case.refused) as caught:
        export(case)
    assert not isinstance(caught.value, InternalError)


def export(case: Case) -> None:
    captured = capture(scripted(case), (*inputs(SIZES[0]), *CHOICES[0]), dynamic_axes=AXES)
    build(captured, default_registry(), ExportOptions(Target(NEWEST_OPSET)), {})


def fresh(call: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple([item.clone() if isinstance(item, torch.Tensor) else item for item in call])
