"""What the documentation says of the parameters of ``export``, sentence by sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
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


# --- what does not fit -----------------------------------------------------------------------------------------------


def test_all_arguments_that_do_not_fit_are_said_at_once() -> None:
    with pytest.raises(InvalidArgument) as caught:
        onnxport.export(
            Recurrent(),
            torch.randn(2, 4, 4),
            opset_version=99,
            optimize="fast",
            dynamo=True,
            training="EVAL",  # type: ignore[arg-type]  # on purpose
            operator_export_type="ONNX",
            custom_opsets={"": 1},
            verify="yes",  # type: ignore[arg-type]  # on purpose
            export_modules_as_functions={"LSTM"},  # type: ignore[arg-type]  # on purpose
            check="yes",  # type: ignore[arg-type]  # on purpose
            on_frozen="stop",  # type: ignore[arg-type]  # on purpose
        )
    text = str(caught.value)
    assert text.startswith("[OXP001] 9 arguments do not fit\n  [OXP003] dynamo=True: not supported yet\n")
    for part in ("opset 99", "'fast'", "training='EVAL'", "operator_export_type='ONNX'", "custom_opsets: ''"):
        assert part in text
    for part in ("verify='yes'", "export_modules_as_functions={'LSTM'}", "check='yes'", "on_frozen='stop'"):
        assert part in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_names": (name for name in "ab")}, "input_names must be a sequence"),
        ({"output_names": {"a"}}, "output_names must be a sequence"),
        ({"dynamic_axes": ["x"]}, "dynamic_axes is a list"),
        ({"check": 1.5}, "check=1.5 is none of"),
        ({"do_constant_folding": None}, "do_constant_folding=None"),
        ({"optimize": None}, "there is no pass None"),
    ],
)
def test_arguments_of_other_kinds(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        onnxport.export(Recurrent(), torch.randn(2, 4, 4), **options)


def test_an_opset_may_be_an_integer_of_any_kind() -> None:
    assert onnxport.export(nn.ReLU(), torch.ones(2), opset_version=np.int64(17)).model.opset == 17


def test_training_none_is_eval() -> None:
    model = nn.Dropout(0.5).train()
    x = torch.ones(100)
    assert torch.equal(onnxport.export(model, x, training=None)(x), x)
    assert model.training
