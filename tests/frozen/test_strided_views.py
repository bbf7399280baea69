"""Strided views of what a model computes, with sizes and strides that follow from dynamic axes."""

import onnxport
import pytest
import torch
from onnxport.errors import OnnxExporterError, UnsafeMutation

AXES = {"x": {0: "b", 1: "n"}}


class Model(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def overlapping(x):
    """Chunks of 4 that begin every 2, as attention in windows makes them."""
    chunks = (x * 2).view(x.shape[0], torch.div(x.shape[1], 4, rounding_mode="trunc"), 4)
    size, stride = list(chunks.size()), list(chunks.stride())
    size[1], stride[1] = size[1] * 2 - 1, stride[1] // 2
    return chunks.as_strided(size=size, stride=stride)


def of_a_transposed_tensor(x):
    turned = (x + 1).t()
    return turned.as_strided((x.shape[1], 2), (turned.stride(0), turned.stride(1) * (x.shape[0] - 1)))


def with_an_offset(x):
    return torch.as_strided(x.exp(), (x.shape[0],), (x.shape[1],), 1)


def of_a_part(x):
    return (x + 1)[1:].as_strided((2, 2), (1, 2))


@pytest.mark.parametrize("function", [overlapping, of_a_transposed_tensor, with_an_offset, of_a_part])
def test_they_hold_for_other_sizes(function):
    program = onnxport.export(Model(function), torch.randn(2, 8), dynamic_axes=AXES, on_frozen="error")
    for sizes in ((2, 8), (3, 12), (5, 4)):
        x = torch.randn(sizes)
        torch.testing.assert_close(program(x), function(x))


def test_what_lies_outside_of_the_tensor_is_refused():
    def outside(x):
        return (x + 1)[1:].as_strided((2,), (1,), 0)

    with pytest.raises(OnnxExporterError, match="strided view"):
        onnxport.export(Model(outside), torch.randn(2, 8), dynamic_axes=AXES)


@pytest.mark.parametrize("writes_to_view", [True, False])
def test_a_write_that_shows_through_the_view_is_refused(writes_to_view):
    def written(x):
        y = x + 1
        view = y.as_strided((2, 2), (1, 1))
        (view if writes_to_view else y).zero_()
        return view + y[:2, :2]

    with pytest.raises(UnsafeMutation, match="as_strided"):
        onnxport.export(Model(written), torch.randn(2, 8), dynamic_axes=AXES)
