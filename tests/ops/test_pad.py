"""Padding at all opsets."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.ops.harness import Case

torch.manual_seed(0)
randn = torch.randn
_IMAGES = (randn(2, 3, 6, 5),), (randn(1, 3, 8, 9),), {0: [0, 2, 3]}


def _image(name: str, model: object) -> Case:
    return Case(name, model, *_IMAGES)  # type: ignore[arg-type]  # a function or module


CASES = [
    _image("constant", nn.ConstantPad2d((1, 2, 0, 3), 1.5)),
    _image("zeros on one axis", nn.ZeroPad2d((0, 0, 2, 1))),
    _image("cut off", lambda x: F.pad(x, (-1, 2, 1, -2))),
    _image("reflect", nn.ReflectionPad2d((1, 2, 3, 0))),
    _image("replicate", nn.ReplicationPad2d((1, 2, 3, 0))),
    _image("circular", lambda x: F.pad(x, (1, 2, 3, 0), mode="circular")),
    _image("circular, cut off", lambda x: F.pad(x, (-1, 2, 3, 0), mode="circular")),
    _image("replicate and cut off", lambda x: F.pad(x, (-4, 5, 0, 0), mode="replicate")),
    _image("reflect and cut off", lambda x: F.pad(x, (-3, 3, 0, 0), mode="reflect")),
    _image("by the size of the input", lambda x: F.pad(x, (0, 10 - x.shape[3], 0, 10 - x.shape[2]))),
    _image("integers", lambda x: F.pad((x * 9).long(), (1, 2), value=3)),
    _image("bool", lambda x: F.pad(x > 0, (1, 2))),
    Case("replicate in 3 dimensions", nn.ReplicationPad3d(1), (randn(1, 2, 3, 4, 5),)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_padding(case: Case) -> None:
    case.check()
