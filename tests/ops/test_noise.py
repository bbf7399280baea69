"""Models in training mode that draw numbers: the distribution is torch's, the numbers are the runtime's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime
import pytest
import torch
from onnxport import export
from torch.nn import functional as F

#: So many elements put means and variances within 2 % of their limits.
COUNT = 40_000
TRAINING = torch.onnx.TrainingMode.TRAINING


class Drawn(torch.nn.Module):
    """A function of one tensor."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def draw(function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, opset: int) -> torch.Tensor:
    """What the exported function gives of ``x``."""
    program = export(Drawn(function), (x,), opset_version=opset, training=TRAINING)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    (result,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    return torch.from_numpy(np.asarray(result))


@pytest.mark.parametrize("opset", [11, 13, 18])
@pytest.mark.parametrize("p", [0.2, 0.7])
def test_alpha_dropout(opset: int, p: float) -> None:
    x = torch.linspace(-3, 3, COUNT)
    found = draw(lambda x: F.alpha_dropout(x, p, True), x, opset)
    (low,) = torch.unique(F.alpha_dropout(torch.full((COUNT,), 7.0), p, True)).tolist()[:1]
    is_dropped = (found - low).abs() < 1e-4
    assert abs(is_dropped.float().mean().item() - p) < 0.02
    # What is kept is a line whose slope and height are torch's.
    kept = F.alpha_dropout(x, p, True)
    both = ~is_dropped & ((kept - low).abs() > 1e-4)
    torch.testing.assert_close(found[both], kept[both], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("opset", [13, 18])
def test_feature_alpha_dropout_drops_channels(opset: int) -> None:
    x = torch.ones(100, 40, 3, 2)
    found = draw(lambda x: F.feature_alpha_dropout(x, 0.25, True), x, opset).flatten(2)
    assert torch.equal(found.amin(2), found.amax(2))
    low, high = found.unique().tolist()
    expected = F.feature_alpha_dropout(x, 0.25, True).unique()
    torch.testing.assert_close(torch.tensor([low, high]), expected, rtol=1e-4, atol=1e-4)
    assert abs((found[..., 0] == low).float().mean().item() - 0.25) < 0.03


@pytest.mark.parametrize("opset", [11, 13, 18])
def test_feature_dropout_draws_channels_anew(opset: int) -> None:
    x = torch.ones(100, 40, 3)
    program = export(
        Drawn(lambda x: torch.feature_dropout(x, 0.25, True)), (x,), opset_version=opset, training=TRAINING
    )
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    first, second = (session.run(None, {session.get_inputs()[0].name: x.numpy()})[0] for _ in range(2))
    assert (first.min(2) == first.max(2)).all()
    assert abs((first[..., 0] == 0).mean() - 0.25) < 0.03
    np.testing.assert_allclose(first.max(), 1 / 0.75, rtol=1e-6)
    assert (first != second).any()


@pytest.mark.parametrize("opset", [13, 18])
def test_rrelu(opset: int) -> None:
    x = torch.cat([torch.full((COUNT,), -1.0), torch.linspace(0, 5, 7)])
    found = draw(lambda x: F.rrelu(x, 0.1, 0.5, training=True), x, opset)
    assert torch.equal(found[COUNT:], x[COUNT:])
    slopes = -found[:COUNT]
    assert slopes.min() >= 0.1
    assert slopes.max() <= 0.5
    assert abs(slopes.mean().item() - 0.3) < 0.01
    assert abs(slopes.std().item() - 0.4 / 12**0.5) < 0.01
