"""Values that a trace fixes: found by running the finished model on other inputs, or reported."""

from __future__ import annotations

import warnings

import onnxport
import pytest
import torch
from onnxport.errors import FrozenValue, InvalidArgument
from onnxport.selfcheck import AUTO_SUSPECT_WEIGHT_BYTES
from torch import nn


class LoopOverASize(nn.Module):
    def forward(self, x):
        total = x.new_zeros(())
        for column in range(int(x.shape[1])):
            total = total + x[:, column].sum()
        return total


class BranchOnASize(nn.Module):
    def forward(self, x):
        return x + 1 if x.shape[0] > 2 else x - 1


class BranchOnData(nn.Module):
    def forward(self, x):
        return x + 1 if x.sum() > 0 else x - 1


class NumberOfData(nn.Module):
    def forward(self, x):
        return x.reshape(2, -1) * x.max().item()


class HarmlessCheck(nn.Module):
    def forward(self, x):
        if x.shape[0] < 1:
            raise ValueError("an empty batch")
        return torch.softmax(x.reshape(x.shape[0], -1), -1)


class HeavyBranch(nn.Module):
    def __init__(self):
        super().__init__()
        # Never used in arithmetic, so that nothing of this size is computed.
        self.weight = nn.Parameter(torch.empty(AUTO_SUSPECT_WEIGHT_BYTES // 4 + 1))

    def forward(self, x):
        return x + self.weight[:1] if x.shape[0] > 2 else x - self.weight[:1]


def example():
    torch.manual_seed(0)
    return torch.rand(2, 3) - 0.25


@pytest.mark.parametrize("model", [LoopOverASize, BranchOnASize, BranchOnData, NumberOfData])
def test_what_is_wrong_for_other_inputs_is_refused(model, tmp_path):
    path = tmp_path / "model.onnx"
    with pytest.raises(FrozenValue) as caught:
        onnxport.export(model(), example(), path, dynamic_axes={"x": [0, 1]})
    assert "test_frozen.py" in str(caught.value)
    assert not path.exists()


@pytest.mark.parametrize("model", [BranchOnData, NumberOfData])
def test_data_that_is_frozen_is_found_without_dynamic_axes(model):
    with pytest.raises(FrozenValue):
        onnxport.export(model(), example())


def test_a_check_that_does_not_matter_is_no_error():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        program = onnxport.export(HarmlessCheck(), example(), dynamic_axes={"x": {0: "batch", 1: "width"}})
    assert program.checked.sizes == {"batch": 4, "width": 6}
    assert [finding.kind for finding in program.findings] == ["bool"]


def test_a_model_without_dynamic_axes_and_frozen_values_is_not_run_again():
    program = onnxport.export(nn.Linear(3, 2), example())
    assert program.checked.sizes is None
    assert "nothing" in program.checked.reason


class TestUnchecked:
    def test_a_warning_names_the_place(self):
        with pytest.warns(onnxport.FrozenValueWarning, match=r"too large[\s\S]*test_frozen\.py"):
            onnxport.export(HeavyBranch(), example(), dynamic_axes={"x": [0]})

    def test_an_error_on_request(self, tmp_path):
        path = tmp_path / "model.onnx"
        with pytest.raises(FrozenValue, match="check=False"):
            onnxport.export(BranchOnASize(), example(), path, dynamic_axes={"x": [0]}, check=False, on_frozen="error")
        assert not path.exists()

    def test_silence_on_request(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            program = onnxport.export(BranchOnASize(), example(), check=False, on_frozen="ignore")
        assert program.findings

    def test_another_word_is_refused(self):
        with pytest.raises(InvalidArgument, match="on_frozen"):
            onnxport.export(nn.ReLU(), example(), on_frozen="perhaps")


def test_a_model_that_rounding_decides_is_no_proof():
    class Chaos(nn.Module):
        def forward(self, x):
            return torch.sin(x * 1e7) if x.shape[0] > 2 else torch.cos(x * 1e7)

    with pytest.warns(onnxport.FrozenValueWarning, match="last digit"):
        program = onnxport.export(Chaos(), example(), dynamic_axes={"x": [0]})
    assert program.checked.sizes is None


def test_random_models_are_left_alone():
    class Noise(nn.Module):
        def forward(self, x):
            return x + torch.rand_like(x)

    program = onnxport.export(Noise(), example(), dynamic_axes={"x": [0]})
    assert program.checked.reason == "the model draws random numbers"


def test_the_model_is_not_changed_by_the_check():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x):
            self.calls += 1
            return x * 2

    model = Counting().train()
    onnxport.export(model, example(), dynamic_axes={"x": [0]})
    assert model.training
    assert model.calls == 0
