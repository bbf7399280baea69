"""Loops over a size that a trace unrolls are loops in the exported model, where their turns are alike."""

import warnings

import onnxport
import pytest
import torch
from onnx import checker
from onnxport.errors import FrozenValue

AXES = {"x": {0: "b", 1: "n"}}


class Model(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def example(rows=2, columns=5):
    return torch.rand(rows, columns, 3, generator=torch.Generator().manual_seed(rows * columns)) + 0.5


def recurrence(x):
    state, outputs = torch.zeros_like(x[:, 0]), []
    for index in range(x.shape[1]):
        state = state * 0.5 + x[:, index]
        outputs.append(state * 2)
    return torch.stack(outputs, 1), state


def written_by_turns(x):
    """The first turn is another one, and numbers count the turns."""
    result, state = torch.zeros_like(x), None
    for index in range(x.shape[1]):
        state = x[:, index] * index if state is None else state * 0.5 + x[:, index] * index
        result[:, index] = state
    return result


def neighbours(x):
    """From the second element on, backwards as well, with a value of the last turn that is not handed on."""
    outputs = []
    for index in range(1, x.shape[1]):
        outputs.append((x[:, index] - x[:, index - 1]).abs() + x[:, x.shape[1] - 1 - index])
    return torch.cat(outputs, -1), outputs[-1]


def several_states(x):
    """What the last turn hands on is read by nobody, so that a trace drops it."""
    mean, scale, result = x[:, 0] * 0, x[:, 0] * 0 + 1, torch.zeros_like(x)
    for index in range(x.shape[1]):
        result[:, index] = (x[:, index] + mean) / scale
        larger = torch.maximum(scale, x[:, index] * index)
        mean, scale = mean * 0.9 + x[:, index], larger
    return result


def two_loops(x):
    first, _ = recurrence(x)
    second, state = recurrence(first.flip(1))
    return second, state.sum()


def rows(x):
    total = torch.zeros_like(x[0])
    for row in x:
        total = total * 0.5 + row
    return total


def listed(x):
    return torch.cat(list(x), 0) * 2


def rows_and_steps(x):
    half = x.shape[1] // 2
    total = x[:, 0]
    for step in range(half):
        total = total + x[:, step * 2]
    return total


@pytest.mark.parametrize(
    "function",
    [recurrence, written_by_turns, neighbours, several_states, two_loops, rows, listed, rows_and_steps],
    ids=lambda function: function.__name__,
)
def test_a_loop_over_a_size_stays_one(function, tmp_path):
    path = tmp_path / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("error", onnxport.FrozenValueWarning)
        program = onnxport.export(Model(function), example(), path, dynamic_axes=AXES)
    checker.check_model(path, full_check=True)
    assert "Loop" in {node.op_type for node in program.model.graph.all_nodes()}
    for sizes in ((2, 5), (3, 9), (1, 4), (4, 2)):
        x = example(*sizes)
        expected = function(x)
        found = program(x)
        for ours, theirs in zip(
            found if isinstance(found, tuple) else [found],
            expected if isinstance(expected, tuple) else [expected],
            strict=True,
        ):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def broken_off(x):
    total = x[:, 0]
    for index in range(x.shape[1]):
        if index == x.shape[1] - 2:
            break
        total = total * x[:, index]
    return total


def other_every_second_time(x):
    total = x[:, 0]
    for index in range(x.shape[1]):
        total = total + x[:, index] if index % 2 else total * x[:, index]
    return total


def growing(x):
    total = x[:, :1]
    for index in range(x.shape[1]):
        total = torch.cat([total, x[:, index : index + 1] + total[:, -1:]], 1)
    return total


def squares(x):
    return sum(x[:, index] * index**2 for index in range(x.shape[1]))


def loop_in_a_loop(x):
    total = x.sum()
    for first in range(x.shape[0]):
        for second in range(x.shape[1]):
            total = total * 0.5 + x[first, second].sum()
    return total


@pytest.mark.parametrize(
    "function",
    [broken_off, other_every_second_time, growing, squares, loop_in_a_loop],
    ids=lambda function: function.__name__,
)
def test_turns_that_differ_are_refused(function):
    with pytest.raises(FrozenValue):
        onnxport.export(Model(function), example(2, 7), dynamic_axes=AXES)


def test_turns_that_become_others_later_are_found_by_the_check():
    def later(x):
        total = x[:, 0]
        for index in range(x.shape[1]):
            total = total + x[:, index] if index < 6 else total * 0.5
        return total

    with pytest.raises(FrozenValue, match="n=10"):
        onnxport.export(Model(later), example(), dynamic_axes=AXES)


def seldom(x):
    total = x[:, 0]
    for index in range(x.shape[1]):
        total = total * 0.5 if index % 50 == 49 else total + x[:, index]
    return total


def later_layers(x):
    scales = [1.0, 0.5]
    total = x[:, 0]
    for index in range(x.shape[1]):
        total = total + x[:, index] * scales[index // 50]
    return total


def handed_to_a_function(x):
    def step(total, index):
        return total * 0.5 if index == 77 else total + x[:, index]

    total = x[:, 0]
    for index in range(x.shape[1]):
        total = step(total, index)
    return total


def counted(x):
    total, left = x[:, 0], 90
    for row in range(x.shape[1]):
        total = total + x[:, row]
        left -= 1
        if left < 0:
            total = total * 0.5
    return total


@pytest.mark.parametrize(
    "function", [seldom, later_layers, handed_to_a_function, counted], ids=lambda function: function.__name__
)
def test_loops_that_could_do_something_else_beyond_what_is_tried_are_refused(function):
    with pytest.raises(FrozenValue):
        onnxport.export(Model(function), example(), dynamic_axes=AXES)


def settings(x):
    """What decides here is the same in all turns, or in all but the first."""
    doubles, state, outputs = x.dim() == 3, None, []
    for index in range(x.shape[1]):
        row = x[:, index] * 2 if doubles else x[:, index]
        if state is None:
            state = torch.zeros_like(row)
        state = state + row
        if index > 0:
            state = state * 0.5
        outputs.append(state)
    return torch.stack(outputs, 1)


def test_what_decides_the_same_in_all_turns_but_the_first_is_no_obstacle():
    program = onnxport.export(Model(settings), example(), dynamic_axes=AXES)
    for sizes in ((3, 9), (1, 70)):
        torch.testing.assert_close(program(example(*sizes)), settings(example(*sizes)), rtol=1e-4, atol=1e-5)


def test_functions_for_modules_hold_the_loop():
    class Inner(torch.nn.Module):
        def forward(self, x):
            return recurrence(x)[0]

    class Outer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = Inner(), Inner()

        def forward(self, x):
            return self.two(self.one(x).relu())

    program = onnxport.export(Outer(), example(), dynamic_axes=AXES, export_modules_as_functions={Inner})
    x = example(3, 8)
    torch.testing.assert_close(program(x), Outer()(x))


def test_a_value_of_a_list_that_is_longer_for_other_inputs_is_not_known():
    def parts(x):
        listed = x.unbind(0)
        return listed[0] * 2 if listed[1].sum() > 0 else listed[0] * 3

    with pytest.raises(FrozenValue, match="elements of"):
        onnxport.export(Model(parts), example(), dynamic_axes={"x": {0: "b"}})
