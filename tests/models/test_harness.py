"""The harness itself: what must not pass does not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from tests.models import harness
from tests.models.harness import Call, ModelCase, check


class Rounding(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.round() + x.sum()


class Frozen(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * int(x.shape[0])


class Young(torch.nn.Module):
    """What no opset below 9 expresses."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.erf(x.double())


def call(batch: int) -> Call:
    return (torch.randn(batch, 3),), {}


CASE = ModelCase("case", Rounding, call, {"batch": 2}, {"batch": 3}, {"x": {0: "batch"}})


@pytest.fixture(autouse=True)
def few_opsets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "OPSETS", (7, 8, 18))


def test_a_model_that_is_right_passes(tmp_path: Path) -> None:
    check(CASE, tmp_path)


def test_a_model_that_works_below_its_opset_is_named(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="it is expressed below opset 9") as caught:
        check(dataclasses.replace(CASE, since=9), tmp_path)
    assert "opset 7" in str(caught.value)
    assert "opset 8" in str(caught.value)
    assert "opset 18" not in str(caught.value)


def test_a_model_that_needs_an_opset_passes_where_that_is_said(tmp_path: Path) -> None:
    case = dataclasses.replace(CASE, model=Young)
    check(dataclasses.replace(case, since=9), tmp_path)
    with pytest.raises(AssertionError, match="opset 8: NeedsOpset"):
        check(case, tmp_path)


def test_wrong_values_on_the_second_call_are_found_at_each_opset(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="not close") as caught:
        check(dataclasses.replace(CASE, model=Frozen), tmp_path)
    assert all(f"opset {opset}:" in str(caught.value) for opset in (7, 8, 18))


def test_an_axis_that_is_not_dynamic_is_found(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        check(dataclasses.replace(CASE, axes={}), tmp_path)


def test_the_second_call_must_differ(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="must differ"):
        check(dataclasses.replace(CASE, others={"batch": 2}), tmp_path)


def test_infinite_expected_values_are_refused(tmp_path: Path) -> None:
    class Infinite(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x / 0

    with pytest.raises(AssertionError, match="infinity or NaN"):
        check(dataclasses.replace(CASE, model=Infinite), tmp_path)
