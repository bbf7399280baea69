"""Models that draw random numbers: their elements say nothing, the shapes of their outputs do."""

import warnings

import onnxport
import pytest
import torch
from onnxport.errors import FrozenValue
from torch import nn

AXES = {"x": {0: "b"}}


class RowByRow(nn.Module):
    """Chooses elements of each row in a loop over the rows, as vision transformers do with patches."""

    def forward(self, x):
        chosen = []
        for row in x:
            chosen.append(row[torch.multinomial(torch.ones(row.shape[0]), 3)] * (len(chosen) + 1))
        return torch.cat(chosen).reshape(x.shape[0], -1)


class Noise(nn.Module):
    def forward(self, x):
        return x + torch.rand_like(x)


class SomeOfThem(nn.Module):
    """The number of elements is drawn."""

    def forward(self, x):
        return x[torch.rand_like(x) > 0.5]


class RowCount(nn.Module):
    """Makes a number of a size, which decides the shape."""

    def forward(self, x):
        return torch.rand_like(x) + x.new_ones(int(x.shape[0] * 1.5) + 1, 1, 1)


def export(model, x, **options):
    return onnxport.export(model, x, input_names=["x"], dynamic_axes=AXES, opset_version=17, **options)


def test_wrong_shapes_are_refused():
    with pytest.raises(FrozenValue, match="a loop ran over the example's rows"):
        export(RowByRow(), torch.rand(2, 5))


def test_on_frozen_makes_a_warning_of_it():
    with pytest.warns(onnxport.FrozenValueWarning, match="a loop ran over the example's rows"):
        program = export(RowByRow(), torch.rand(2, 5), on_frozen="warn")
    assert program(torch.rand(2, 5)).shape == (2, 3)


@pytest.mark.parametrize("model", [Noise(), SomeOfThem(), nn.Dropout(0.5)], ids=lambda m: type(m).__name__)
def test_elements_and_counts_that_are_drawn_say_nothing(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error", onnxport.FrozenValueWarning)
        program = export(model, torch.rand(4, 5), training=onnxport.TrainingMode.PRESERVE)
    assert program.checked.sizes is None
    assert program.checked.reason == "the model draws random numbers"


def test_shapes_that_a_second_trace_mends_are_right():
    program = export(RowCount(), torch.rand(4, 5))
    assert program(torch.rand(2, 5)).shape == (4, 2, 5)
    assert program(torch.rand(7, 5)).shape == (11, 7, 5)


def test_the_check_leaves_the_random_numbers_of_torch_as_they_are():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    export(SomeOfThem(), torch.rand(4, 5, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(torch.rand(3), expected)
