"""Every mutation, through both doors and at several opsets, at two sizes, against the model itself in ONNX Runtime."""

from __future__ import annotations

import copy
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

from tests.mutation.corpus import CASES, Case
from tests.mutation.programs import SIZES, inputs

OPSETS = (13, 18, NEWEST_OPSET)
AXES = {"x": {0: "rows", 1: "columns"}, "y": {0: "columns"}}


class Function(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x, y):
        return self.function(x, y)


def modelled(case: Case) -> torch.nn.Module:
    return case.function().eval() if isinstance(case.function, type) else Function(case.function)


def scripted(case: Case) -> Any:
    return torch.jit.script(case.function().eval() if isinstance(case.function, type) else case.function)


@pytest.mark.parametrize("case", [case for case in CASES if case.traced != ""], ids=str)
def test_traced(case: Case) -> None:
    check(modelled(case), case.traced)


@pytest.mark.parametrize("case", [case for case in CASES if case.scripted != ""], ids=str)
def test_scripted(case: Case) -> None:
    check(scripted(case), case.scripted)


def check(model: Any, refused: str | None) -> None:
    if refused is not None:
        with pytest.raises(OnnxExporterError, match=refused) as caught:
            capture(model, inputs(SIZES[0]), dynamic_axes=AXES)
        assert not isinstance(caught.value, InternalError)
        return
    calls = [inputs(size) for size in SIZES] + [tuple(-item for item in inputs(SIZES[1]))]
    expected = [results(model, call) for call in calls]
    captured = capture(model, inputs(SIZES[0]), dynamic_axes=AXES)
    for opset in OPSETS:
        onnx_model = build(captured, default_registry(), ExportOptions(Target(opset)), {})
        session = create_session(to_proto(onnx_model).SerializeToString())
        for call, theirs in zip(calls, expected, strict=True):
            names = [item.name for item in session.get_outputs()]
            ours = as_tuple(captured.signature.unflatten(run_session(session, captured.signature.flatten(call), names)))
            torch.testing.assert_close(
                ours, theirs, rtol=1e-6, atol=1e-6, msg=lambda text, o=opset: f"opset {o}: {text}"
            )


def results(model: Any, call: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    fresh = copy.deepcopy(model) if isinstance(model, torch.nn.Module) else model
    with torch.no_grad():
        return tuple(item.clone() for item in as_tuple(fresh(*(item.clone() for item in call))))


def as_tuple(result: Any) -> tuple[torch.Tensor, ...]:
    return (result,) if isinstance(result, torch.Tensor) else tuple(result)
