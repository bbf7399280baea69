"""Values that a trace fixes: found by running the finished model on other inputs, or reported."""

from __future__ import annotations

import warnings

import onnxport
import pytest
import torch
from onnxport.errors import FrozenValue, InvalidArgument, VerificationFailed
from onnxport.selfcheck import AUTO_SUSPECT_WEIGHT_BYTES
from torch import nn


class LoopOverASize(nn.Module):
    def forward(self, x):
        total = x.new_zeros(())
        for column in range(int(x.shape[1])):
            total = total + x[:, column].sum() if column % 2 else total * 2
        return total


class BranchOnASize(nn.Module):
    def forward(self, x):
        return x + 1 if x.shape[0] > 2 else x - 1


class BranchOnData(nn.Module):
    def forward(self, x):
        return x + 1 if x.sum() > 0 else x - 1


class NumberOfData(nn.Module):
    def forward(self, x):
        return x.reshape(2, -1) * float(x.max().numpy())


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


@pytest.mark.parametrize(
    "parts",
    [lambda x: x.unbind(1), lambda x: x.split(2, 1), lambda x: x.chunk(3, 1)],
    ids=["unbind", "split", "chunk"],
)
def test_a_list_has_as_many_parts_as_the_example(parts):
    class Last(nn.Module):
        def forward(self, x):
            return parts(x)[-1]

    class First(nn.Module):
        def forward(self, x):
            return parts(x)[0]

    with pytest.raises(FrozenValue, match=r"test_frozen\.py[\s\S]*taken apart"):
        onnxport.export(Last(), example(), dynamic_axes={"x": [1]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        onnxport.export(First(), example(), dynamic_axes={"x": [1]})


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


def test_an_exported_model_that_rounding_decides_is_no_proof_either():
    class Angle(nn.Module):
        """Of the gradient of an image, which is 0 in an image of one element, but for rounding."""

        def forward(self, x):
            kernel = torch.tensor([[[[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]]])
            padded = nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
            found = nn.functional.conv2d(padded, torch.cat([kernel, kernel.mT]))
            return torch.atan2(found[:, 1], found[:, 0])

    program = onnxport.export(Angle(), torch.rand(2, 1, 10, 11), dynamic_axes={"x": [0, 2, 3]})
    assert program.checked.sizes is not None


def test_sizes_that_belong_together_may_not_part():
    class Sum(torch.autograd.Function):
        @staticmethod
        def forward(_, x, y):
            return x + y

        @staticmethod
        def symbolic(g, x, y):
            return g.op("Add", x, g.op("Reshape", y, g.op("Shape", x)))

    class Together(nn.Module):
        def forward(self, x, y):
            return Sum.apply(x, y)

    args = torch.rand(2, 3), torch.rand(2, 3)
    with pytest.warns(
        onnxport.FrozenValueWarning, match="does not hold for all sizes: the exported model does not run"
    ):
        onnxport.export(Together(), args, dynamic_axes={"x": [0], "y": [0]})
    with pytest.raises(VerificationFailed, match="does not run"):
        onnxport.export(Together(), args, dynamic_axes={"x": [0], "y": [0]}, on_frozen="error")


def test_the_check_is_silent_about_its_own_inputs():
    class Deviation(nn.Module):
        def forward(self, x):
            return x - x.std(0)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        onnxport.export(Deviation(), torch.rand(3, 4), dynamic_axes={"x": {0: "n", 1: "m"}})


def test_a_rank_that_python_decides_is_not_squeezed():
    class Ranks(nn.Module):
        def forward(self, x):
            return x.flatten(int(x.shape[0] == 1))

    with pytest.raises(FrozenValue) as caught:
        onnxport.export(Ranks(), torch.rand(3, 4), dynamic_axes={"x": {0: "n"}})
    assert "squeeze" not in str(caught.value)


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


class Squeezed(nn.Module):
    def forward(self, x):
        return x.squeeze() + 1


class Positions(nn.Module):
    """Takes up to 8 positions; torch itself refuses more."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(8, 3)

    def forward(self, x):
        return x[..., None] + self.table(torch.arange(x.shape[1]))


class OfMultiples(nn.Module):
    def forward(self, x):
        if x.shape[1] % 32:
            raise ValueError("not a multiple of 32")
        return x.view(x.shape[0], -1, 32).sum(1)


class OneRow(nn.Module):
    def forward(self, x):
        return x * 2 if x.shape[0] == 1 else x


class FewRows(nn.Module):
    def forward(self, x):
        return x * 2 if x.shape[0] < 4 else x


class OddWidth(nn.Module):
    def forward(self, x):
        return x[:, :-1] if x.shape[1] % 2 else x


class LongRows(nn.Module):
    def forward(self, x):
        return x * 2 if x.shape[1] > 100 else x


AXES = {"x": {0: "rows", 1: "columns"}}


class TestFurtherSizes:
    def test_an_axis_of_size_1_that_is_dropped_is_found(self):
        with pytest.warns(onnxport.FrozenValueWarning, match=r"rows=1[\s\S]*squeeze"):
            onnxport.export(Squeezed(), torch.rand(2, 6), dynamic_axes=AXES, check=True)
        with pytest.warns(onnxport.FrozenValueWarning, match=r"rows=1[\s\S]*squeeze"):
            onnxport.export(
                nn.Sequential(nn.Linear(6, 1), Squeezed()), torch.rand(2, 6), dynamic_axes={"input": {0: "rows"}}
            )
        with pytest.raises(VerificationFailed, match=r"rows=1[\s\S]*squeeze"):
            onnxport.export(Squeezed(), torch.rand(2, 6), dynamic_axes=AXES, on_frozen="error")

    @pytest.mark.parametrize("model", [Positions, OfMultiples])
    def test_sizes_that_torch_refuses_are_passed_over(self, model):
        x = torch.rand(2, 64 if model is OfMultiples else 6)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            program = onnxport.export(model(), x, dynamic_axes=AXES, check=True)
        assert program.checked.sizes is not None
        assert not program.checked.limits

    @pytest.mark.parametrize(
        ("model", "size"),
        [(OneRow, "rows=1"), (FewRows, "rows=3"), (OddWidth, "columns=7"), (LongRows, "columns=101")],
    )
    def test_sizes_at_which_a_branch_turns_are_tried(self, model, size):
        with pytest.warns(onnxport.FrozenValueWarning, match=size) as caught:
            program = onnxport.export(model(), torch.rand(6, 6), dynamic_axes=AXES, check=True)
        assert program.checked.limits
        assert "test_frozen.py" in str(caught[0].message)

    def test_such_a_size_is_an_error_on_request(self):
        with pytest.raises(FrozenValue, match=r"columns=10[12]"):
            onnxport.export(LongRows(), torch.rand(6, 6), dynamic_axes=AXES, check=True, on_frozen="error")


def test_what_would_be_another_value_comes_first():
    class Both(nn.Module):
        def forward(self, x):
            if x.shape[0] > 1000:
                x = x + 1
            return x * len(range(x.shape[1]))

    with pytest.raises(FrozenValue) as caught:
        onnxport.export(Both(), example(), dynamic_axes=AXES)
    first, second = (line for line in str(caught.value).split("\n") if "it depends on" in line)
    assert "index, 3 in the example; it depends on the size of columns; here it would be 6" in first
    assert "bool" in second


def test_wrong_outputs_are_a_warning_on_request():
    with pytest.warns(onnxport.FrozenValueWarning, match="is wrong with"):
        program = onnxport.export(BranchOnData(), example(), on_frozen="warn")
    assert program.checked.sizes is None


def test_data_that_no_check_could_change_is_an_error():
    class Rare(nn.Module):
        def forward(self, x):
            return x * 2 if x.sum() > 1e6 else x

    with pytest.raises(FrozenValue, match="elements of x"):
        onnxport.export(Rare(), example())
    with pytest.warns(onnxport.FrozenValueWarning, match="elements of x"):
        onnxport.export(Rare(), example(), on_frozen="warn")


def test_an_output_of_about_0_that_should_be_large_is_wrong():
    """Its last digits, which a nudge of the inputs changes, are all that it has."""

    class Shifted(nn.Module):
        def forward(self, x):
            return x + 1 if len(x) < 5 else x - 1

    with pytest.raises(FrozenValue, match="wrong with n=6"):
        onnxport.export(Shifted(), -torch.ones(3, 4), dynamic_axes={"x": {0: "n"}})
