"""Names of inputs, outputs, parameters and dynamic axes."""

import pytest
import torch
from onnxport_frontend import capture
from onnxport_ir.errors import InvalidArgument
from torch import nn


class Sum(nn.Module):
    def forward(self, x):
        return torch.sum(x, dim=1)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3)

    def forward(self, x, y):
        return self.second(self.first(x)), y


ARGS = (torch.ones(2, 3), torch.ones(4, 3))


def names(captured):
    graph = captured.graph
    return [[item.name for item in items] for items in (graph.inputs, graph.params, graph.outputs)]


def test_names_beyond_the_inputs_name_parameters():
    learned = [f"learned_{number}" for number in range(4)]
    captured = capture(Model(), ARGS, input_names=["in", "other", *learned], output_names=["out"])
    assert names(captured) == [["in", "other"], learned, ["out", "output_1"]]
    partly = capture(Model(), ARGS, input_names=["in", "other", "w"])
    assert names(partly)[1] == ["w", "first.bias", "second.weight", "second.bias"]


def test_parameters_give_way_to_inputs():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3))

        def forward(self, x):
            return x * self.scale

    captured = capture(Scale(), (torch.ones(3),), input_names=["scale"])
    assert names(captured) == [["scale"], ["scale_1"], ["output"]]


def test_automatic_axis_names_count_from_one():
    captured = capture(
        Sum(),
        (torch.ones(2, 2),),
        input_names=["x"],
        output_names=["sum"],
        dynamic_axes={"x": {0: "my_custom_axis_name"}, "sum": [0]},
    )
    assert str(captured.graph.inputs[0].var.type) == "f32[my_custom_axis_name,2]"
    assert captured.graph.outputs[0].axes == ((0, "sum_dynamic_axes_1"),)


def test_axes_by_argument_name_and_from_the_end():
    captured = capture(Sum(), (torch.ones(2, 5),), input_names=["data"], dynamic_axes={"x": {-1: "width"}})
    assert str(captured.graph.inputs[0].var.type) == "f32[2,width]"


def test_one_name_is_one_symbol():
    x, y = (item.var for item in capture(Model(), ARGS, dynamic_axes={"x": {1: "n"}, "y": {1: "n"}}).graph.inputs)
    assert x.type.shape[1] == y.type.shape[1]


@pytest.mark.parametrize(
    ("options", "messages"),
    [
        ({"input_names": ["a", "a"]}, ["'a' more than once"]),
        ({"input_names": ["a", ""]}, ["empty name"]),
        ({"input_names": "ab"}, ["sequence of texts"]),
        ({"input_names": list("abcdefg")}, ["1 names more"]),
        ({"output_names": ["a", "b", "c"]}, ["3 names, the model has 2 outputs"]),
        ({"input_names": ["a"], "output_names": ["a"]}, ["both in input_names and in output_names"]),
        ({"dynamic_axes": {"z": [0]}}, ["'z'", "'x', 'y'"]),
        ({"dynamic_axes": {"x": [2], "y": {-3: "n"}}}, ["axis 2 is out of range", "axis -3 is out of range"]),
        ({"dynamic_axes": {"x": ["0"], "y": {0: ""}}}, ["axis '0' is no integer", "the name ''"]),
        ({"dynamic_axes": {"x": {0: "n"}, "y": {0: "n"}}}, ["size 2 in x[0] and 4 in y[0]"]),
        ({"dynamic_axes": {"x": 0}}, ["neither a mapping"]),
        ({"dynamic_axes": {"x": {0: "n", -2: "m"}}}, ["axis 0 occurs twice"]),
        ({"input_names": ["a", "a"], "dynamic_axes": {"z": [0], "y": [7]}}, ["more than once", "'z'", "axis 7"]),
    ],
)
def test_everything_that_does_not_fit_is_said_at_once(options, messages):
    with pytest.raises(InvalidArgument) as caught:
        capture(Model(), ARGS, **options)
    for message in messages:
        assert message in str(caught.value)
