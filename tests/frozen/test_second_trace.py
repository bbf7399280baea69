"""Where a trace has fixed what matters, a second one keeps tensors for numbers and takes branches that do no harm."""

import math
import sys
import warnings

import onnxport
import pytest
import torch
from onnxport.errors import FrozenValue
from torch.nn import functional as F

AXES = {"x": {0: "b", 1: "n"}}


class Model(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def example(rows=2, columns=6):
    return torch.rand(rows, columns, generator=torch.Generator().manual_seed(rows * columns)) + 0.5


def agree(function, turned=False, **options):
    """Export from one example, without a word but of branches that are turned; compare on inputs of other sizes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", onnxport.FrozenValueWarning)
        program = onnxport.export(Model(function), example(), dynamic_axes=AXES, **options)
    said = [str(item.message) for item in caught if item.category is onnxport.FrozenValueWarning]
    assert [text.startswith("the exported model always takes branches") for text in said] == [True] * turned
    for sizes in ((2, 6), (3, 7), (1, 9), (5, 16), (4, 1)):
        x = example(*sizes)
        torch.testing.assert_close(program(x), function(x).to(program(x).dtype), rtol=1e-4, atol=1e-5)
    return program


def whole_of_a_share(x):
    return x[:, : int(x.shape[1] * 0.5) + 1]


def number_of_an_element(x):
    return torch.zeros(x.shape[0], int((x.argmax()) % 3) + 2) + x.sum()


def number_of_a_number(x):
    half = int(x.shape[1]) / 2
    return F.pad(x, (0, int(half) + 1))


def item(x):
    return x * x.max().item()


def list_of_counts(x):
    counts = torch.stack([(x > 0.9).sum(), (x <= 0.9).sum()]).tolist()
    first, second = x.reshape(-1).split(counts)
    return torch.stack([first.sum(), second.sum()])


def list_of_rows(x):
    (first, second), (third, _) = (x.sum() * torch.eye(2)).tolist()
    return x * first + second * 3 + third


def length(x):
    return x / len(x.t())


def largest(x):
    return x.new_ones(max(x.shape[0], x.shape[1] - 2, 3)) * x.sum()


def smallest_in_a_list(x):
    return x[:, : min([4, x.shape[1]])]


def largest_of_sizes(x):
    return x / max(x.shape)


def quotient_and_rest(x):
    quotient, rest = divmod(x.shape[1], 4)
    return F.pad(x, (quotient, rest))


def square_root(x):
    return x / math.sqrt(x.shape[1]) + math.log(x.shape[0] + 1)


def double_precision(x):
    return x * float(x.shape[1]) / float(x.mean())


NUMBERS = [
    *(whole_of_a_share, number_of_an_element, number_of_a_number, item, list_of_counts, list_of_rows, length, largest),
    *(smallest_in_a_list, largest_of_sizes, quotient_and_rest, square_root, double_precision),
]


@pytest.mark.parametrize("function", NUMBERS, ids=lambda function: function.__name__)
def test_numbers_stay_tensors(function):
    program = agree(function)
    assert program.checked.sizes == {"b": 4, "n": 12}
    assert not {"int", "len", "max", "float"} & globals().keys()
    assert globals()["math"] is sys.modules["math"]


def padded_to_even(x):
    if x.shape[1] % 2 != 0:
        x = F.pad(x, (0, x.shape[1] % 2))
    return x.reshape(x.shape[0], -1, 2).sum(1)


def cut_to_eight(x):
    if x.shape[1] > 8:
        x = x[:, -8:]
    return x.sum(1)


def resized_to_a_multiple(x):
    wanted = math.ceil(x.shape[1] / 2) * 2
    if wanted != x.shape[1]:
        x = F.interpolate(x[:, None], size=wanted)[:, 0]
    return x.reshape(x.shape[0], -1, 2).sum(1)


def padded_twice(x):
    if x.shape[1] % 2:
        x = F.pad(x, (0, 1))  # that it pads does harm where it need not
    if x.shape[0] > 100:
        x = x * 1
    return x


@pytest.mark.parametrize(
    "function", [padded_to_even, cut_to_eight, resized_to_a_multiple], ids=lambda function: function.__name__
)
def test_a_branch_that_does_nothing_where_it_is_not_needed_is_taken_always(function):
    program = agree(function, turned=True)
    (finding,) = (found for found in program.findings if found.kind == "bool" and not found.in_library)
    assert finding.is_turned
    assert finding.values == (False,)


def test_strict_exports_turn_no_branches():
    with pytest.raises(FrozenValue, match="always takes branches"):
        onnxport.export(Model(padded_to_even), example(), dynamic_axes=AXES, on_frozen="error")


def test_a_branch_that_does_harm_is_not_taken():
    with pytest.warns(onnxport.FrozenValueWarning, match="does not hold for all sizes"):
        program = onnxport.export(Model(padded_twice), example(), dynamic_axes=AXES)
    torch.testing.assert_close(program(example(3, 8)), example(3, 8))


def test_a_loop_that_never_ends_with_the_other_branch_is_given_up():
    def halved(x):
        while x.shape[1] % 2 == 0:
            x = x[:, ::2]
        return x

    with pytest.raises(FrozenValue):
        onnxport.export(Model(halved), example(), dynamic_axes={"x": {1: "n"}})


def test_elements_that_decide_a_branch_are_an_error_still():
    with pytest.raises(FrozenValue, match="elements"):
        onnxport.export(Model(lambda x: x.abs() if (x < 0).any() else x), example(), dynamic_axes=AXES)


def test_without_a_check_nothing_is_tried():
    program = onnxport.export(
        Model(lambda x: x * int(x.shape[1])), example(), dynamic_axes=AXES, check=False, on_frozen="ignore"
    )
    torch.testing.assert_close(program(example(3, 7)), example(3, 7) * 6)


def test_what_is_too_large_for_a_check_keeps_tensors_for_numbers():
    class Large(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1, 33 << 20), requires_grad=False)

        def forward(self, x):
            return x[:, : int(x.shape[1]) - 1] * self.weight[:, 0]

    with warnings.catch_warnings():
        warnings.simplefilter("error", onnxport.FrozenValueWarning)
        program = onnxport.export(Large(), example(), dynamic_axes=AXES)
    assert program.checked.sizes is None
    assert not [finding for finding in program.findings if finding.kind == "int"]
    torch.testing.assert_close(program(example(3, 9)), example(3, 9)[:, :8])


def test_the_report_and_the_result_are_of_the_way_that_was_taken(tmp_path):
    program = onnxport.export(Model(length), example(), dynamic_axes=AXES, report=True, artifacts_dir=tmp_path)
    (report,) = tmp_path.iterdir()
    assert not [finding for finding in program.findings if finding.kind == "len"]
    assert "Using len" not in report.read_text()


def test_a_branch_is_not_turned_where_the_example_gives_0_for_it():
    """The last digits of 0 are no measure of what is wrong."""

    def shifted(x):
        return x + 1 if x.shape[0] < 5 else x - 1

    with pytest.raises(FrozenValue):
        onnxport.export(Model(shifted), -torch.ones(3, 4), dynamic_axes={"x": {0: "n"}})
