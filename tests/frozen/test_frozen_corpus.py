"""What a trace fixes is found where it is, with what it depends on; no model that it makes wrong leaves unsaid."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import onnxport
import pytest
import torch
from onnxport.errors import OnnxExporterError
from onnxport_frontend import Dependence, Finding, capture
from torch import nn

from tests.frozen.frozen_corpus import CASES, Case

AXES = {"x": {0: "b", 1: "n"}}


class Model(nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x)


def inputs() -> list[torch.Tensor]:
    """The example, and others: larger, odd, one row, narrow, wide, other values."""
    torch.manual_seed(0)
    sizes = [(2, 6), (4, 12), (3, 7), (1, 6), (2, 3), (5, 5), (7, 4), (2, 1001)]
    return [*(torch.rand(size) - 0.25 for size in sizes), -torch.rand(2, 6), torch.rand(2, 6) * 1e6 + 1]


def words(depends: Dependence | None) -> str:
    assert depends is not None
    kinds = (("data", depends.inputs), ("counts", depends.counts), ("sizes", depends.sizes))
    kind, names = next((kind, names) for kind, names in kinds if names)
    return f"{kind} {' '.join(sorted(names))}"


def fixed(findings: tuple[Finding, ...]) -> list[Finding]:
    """What is not the same for all inputs, and not torch's own check of something."""
    return [f for f in findings if f.depends is not None and not f.depends.is_nothing and not f.in_library]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_fixed_is_found_at_its_line(case: Case):
    found = fixed(capture(Model(case.function), inputs()[0], dynamic_axes=AXES).findings)
    assert {(finding.kind, words(finding.depends)) for finding in found} == case.findings
    if found:
        assert {finding.place.file for finding in found} == {inspect.getsourcefile(inspect.unwrap(case.function))}
        if not case.name.startswith("written"):
            assert {finding.place.line for finding in found} == case.lines


def is_right(program: onnxport.ONNXProgram, case: Case) -> bool:
    for x in inputs():
        try:
            expected = case.function(x.clone())
        except (ValueError, AssertionError):
            # The model itself refuses it.
            continue
        try:
            found = program(x)
        except Exception:  # onnxruntime's exceptions share no base class but this
            return False
        if found.shape != expected.shape or not torch.allclose(found, expected.to(found.dtype), 1e-3, 1e-4):
            return False
    return True


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_truth_about_the_model_is_as_stated(case: Case):
    try:
        program = onnxport.export(Model(case.function), inputs()[0], dynamic_axes=AXES, check=False, on_frozen="ignore")
    except OnnxExporterError:
        assert not case.right
        return
    assert is_right(program, case) == case.right


@pytest.mark.parametrize("check", ["auto", False])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_wrong_model_leaves_without_a_word(case: Case, check: Any):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            program = onnxport.export(Model(case.function), inputs()[0], dynamic_axes=AXES, check=check)
        except OnnxExporterError:
            if case.right and not case.findings:
                raise
            return
    warned = [str(item.message) for item in said if issubclass(item.category, onnxport.FrozenValueWarning)]
    if not case.findings:
        assert not warned
    assert warned or is_right(program, case)
