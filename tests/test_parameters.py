"""What the documentation says of the parameters of ``export``, sentence by sentence."""

from __future__ import annotations

from typing import Any

import onnxport
import pytest
import torch
from onnxport.errors import InvalidArgument
from torch import Tensor, nn


class Recurrent(nn.Module):
    """Weights that ONNX wants in another layout, one way and the other."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 3, bidirectional=True, batch_first=True)
        self.matrix = nn.Parameter(torch.randn(5, 6))

    def forward(self, x: Tensor) -> Tensor:
        return torch.matmul(self.lstm(x)[0], self.matrix.t())


# --- weights ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opset", [7, 13, 18])
@pytest.mark.parametrize(
    ("options", "folds"),
    [
        ({}, True),
        ({"do_constant_folding": False}, False),
        ({"keep_initializers_as_inputs": True}, False),
        ({"training": onnxport.TrainingMode.TRAINING}, False),
        ({"training": onnxport.TrainingMode.PRESERVE}, True),
    ],
)
def test_weights_stay_as_they_are_where_they_are_not_folded(options: dict[str, Any], folds: bool, opset: int) -> None:
    model = Recurrent().eval()
    axes = {"x": [0, 1]}
    program = onnxport.export(model, torch.randn(2, 4, 4), dynamic_axes=axes, opset_version=opset, **options)
    for x in (torch.randn(2, 4, 4), torch.randn(3, 7, 4)):
        torch.testing.assert_close(program(x), model(x).detach(), rtol=1e-4, atol=1e-5)
    stored = {tensor.name: list(tensor.dims) for tensor in program.model_proto.graph.initializer}
    weights = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    if folds:
        assert stored["matrix.T"] == [6, 5]
        assert not stored.keys() & weights.keys()
    else:
        assert {name: stored.get(name) for name in weights} == weights


def test_a_model_in_training_mode_keeps_its_weights() -> None:
    model = Recurrent().train()
    kept = onnxport.export(model, torch.randn(2, 4, 4), training=onnxport.TrainingMode.PRESERVE)
    assert {tensor.name for tensor in kept.model_proto.graph.initializer} >= model.state_dict().keys()


@pytest.mark.parametrize("name", ["transpose-weights", "onnxscript"])
def test_folding_cannot_be_asked_for_and_forbidden(name: str) -> None:
    with pytest.raises(InvalidArgument, match=f"do_constant_folding=False and optimize with '{name}'"):
        onnxport.export(Recurrent(), torch.randn(2, 4, 4), do_constant_folding=False, optimize=[name])
