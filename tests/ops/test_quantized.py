"""Quantised models, quantised operators and fake quantisation, within one quantum of torch's results."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import onnxport
import pytest
import torch
from torch.ao import quantization

from tests.ops.harness import Case

nnq = torch.ao.nn.quantized


def _x(*sizes: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed + sum(sizes)))


def _static(model: torch.nn.Module, fuse: list[list[str]], *size: int) -> torch.nn.Module:
    """A model with quantised layers, calibrated with noise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        model = copy.deepcopy(model).eval()
        if fuse:
            quantization.fuse_modules(model, fuse, inplace=True)
        model.qconfig = quantization.get_default_qconfig("fbgemm")
        quantization.prepare(model, inplace=True)
        for seed in range(4):
            model(_x(*size, seed=seed))
        return quantization.convert(model, inplace=True)


class Net(torch.nn.Module):
    """Layers between a quantiser and its inverse."""

    def __init__(self, body: Callable[..., torch.Tensor], **layers: torch.nn.Module) -> None:
        super().__init__()
        self.quant, self.dequant = quantization.QuantStub(), quantization.DeQuantStub()
        self.functions = nnq.FloatFunctional()
        self.body = body
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dequant(self.body(self, self.quant(x)))


def _residual(net: Any, x: torch.Tensor) -> torch.Tensor:
    y = net.relu(net.conv(x))
    y = net.functions.add(net.conv2(y), y)
    y = torch.nn.functional.max_pool2d(torch.nn.functional.relu(y), 2)
    y = net.functions.cat([y, y], dim=1)
    return net.fc(torch.nn.functional.adaptive_avg_pool2d(y, 1).flatten(1))


def _quantised(function: Callable[..., torch.Tensor], dtype: torch.dtype = torch.quint8) -> Callable[..., torch.Tensor]:
    """A function of a quantised tensor on real ones."""
    zero = 110 if dtype is torch.quint8 else -7

    def run(x: torch.Tensor) -> torch.Tensor:
        return function(torch.quantize_per_tensor(x, 0.03, zero, dtype)).dequantize()

    return run


torch.manual_seed(0)
CONV_NET = _static(
    Net(
        _residual,
        conv=torch.nn.Conv2d(3, 8, 3, padding=1),
        relu=torch.nn.ReLU(),
        conv2=torch.nn.Conv2d(8, 8, 3, padding=1, groups=2),
        fc=torch.nn.Linear(16, 5),
    ),
    [["conv", "relu"]],
    *(2, 3, 8, 8),
)
CONV1D_NET = _static(Net(lambda net, x: net.conv(x), conv=torch.nn.Conv1d(3, 4, 3, stride=2)), [], 2, 3, 9)
CONV3D_NET = _static(Net(lambda net, x: net.conv(x), conv=torch.nn.Conv3d(2, 3, 2)), [], 2, 2, 4, 4, 4)
NO_BIAS_NET = _static(Net(lambda net, x: net.fc(x), fc=torch.nn.Linear(6, 4, bias=False)), [], 2, 6)


def _dynamic() -> torch.nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layers = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
        return quantization.quantize_dynamic(layers.eval(), {torch.nn.Linear}, dtype=torch.qint8)


#: One quantum of the results.
STEP = {"tolerance": 0.031}
_ALL = {0: [0, 1]}
PAIR, OTHER = (_x(3, 4),), (_x(5, 2),)

CASES = [
    Case("conv net", CONV_NET, (_x(2, 3, 8, 8),), (_x(3, 3, 8, 8),), {0: [0]}, tolerance=0.05),
    Case("conv1d", CONV1D_NET, (_x(2, 3, 9),), (_x(3, 3, 12),), {0: [0, 2]}, **STEP),
    Case("conv3d", CONV3D_NET, (_x(2, 2, 4, 4, 4),), **STEP),
    Case("no bias", NO_BIAS_NET, (_x(2, 6),), (_x(5, 6),), {0: [0]}, **STEP),
    Case("dynamic", _dynamic(), (_x(2, 6),), (_x(5, 6),), {0: [0]}, **STEP),
    Case("quantize", _quantised(lambda q: q), PAIR, OTHER, _ALL, **STEP),
    Case("quantize signed", _quantised(lambda q: q, torch.qint8), PAIR, OTHER, _ALL, **STEP),
    Case("int_repr", lambda x: torch.quantize_per_tensor(x, 0.3, 5, torch.quint8).int_repr(), PAIR),
    Case(
        "quantize_per_channel",
        lambda x: torch.quantize_per_channel(
            x, torch.tensor([0.1, 0.2, 0.3]), torch.tensor([3, 4, 5]), 0, torch.quint8
        ).dequantize(),
        PAIR,
        (_x(3, 7),),
        {0: [1]},
        tolerance=0.3,
    ),
    Case("relu", _quantised(torch.relu), PAIR, OTHER, _ALL, **STEP),
    Case("sigmoid", _quantised(torch.sigmoid), PAIR, OTHER, _ALL, tolerance=1 / 255),
    Case("tanh", _quantised(torch.tanh), PAIR, OTHER, _ALL, tolerance=2 / 255),
    Case("mean", _quantised(lambda q: q.mean(1)), PAIR, OTHER, _ALL, **STEP),
    Case("views", _quantised(lambda q: q.reshape(-1, 2).t()[:, 1:].contiguous()), PAIR, OTHER, _ALL, **STEP),
    Case("add", _quantised(lambda q: torch.ops.quantized.add(q, q, 0.06, 90)), PAIR, OTHER, _ALL, tolerance=0.061),
    Case("mul_relu", _quantised(lambda q: torch.ops.quantized.mul_relu(q, q, 0.02, 3)), PAIR, OTHER, _ALL, **STEP),
    Case("hardswish", _quantised(lambda q: torch.ops.quantized.hardswish(q, 0.03, 9)), PAIR, OTHER, _ALL, **STEP),
    Case("leaky_relu", _quantised(lambda q: torch.ops.quantized.leaky_relu(q, 0.1, False, 0.03, 99)), PAIR, **STEP),
    Case("elu", _quantised(lambda q: torch.ops.quantized.elu(q, 0.03, 99)), PAIR, **STEP),
    Case(
        "fake", lambda x: torch.fake_quantize_per_tensor_affine(x, 0.05, 3, 0, 255), PAIR, OTHER, _ALL, tolerance=0.05
    ),
    Case("fake narrow", lambda x: torch.fake_quantize_per_tensor_affine(x, 0.05, -3, -15, 14), PAIR, tolerance=0.05),
    Case(
        "fake per channel",
        lambda x: torch.fake_quantize_per_channel_affine(
            x, torch.tensor([0.1, 0.02, 0.3]), torch.tensor([0, 0, 0], dtype=torch.int32), 0, -127, 127
        ),
        PAIR,
        tolerance=0.3,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_within_a_quantum(case: Case) -> None:
    case.check((9, 10, 11, 13, 18, 21, 23, onnxport.NEWEST_OPSET))


def test_layers_stand_between_quantisers() -> None:
    """The pattern that runtimes fuse: no other operator between DequantizeLinear, Conv and QuantizeLinear."""
    program = onnxport.export(CONV1D_NET, (_x(2, 3, 9),))
    nodes = {id(node): node for node in program.model.graph.nodes}
    conv = next(node for node in nodes.values() if node.op_type == "Conv")
    assert [value.producer.op_type for value in conv.operands[1:]] == ["DequantizeLinear", "DequantizeLinear"]


def test_fake_quantisation_of_trained_models() -> None:
    """Observers that are switched off write nothing, so that the model can be exported."""
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    model.qconfig = quantization.get_default_qat_qconfig("fbgemm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantization.prepare_qat(model.train(), inplace=True)
    model(_x(2, 3, 8, 8))
    model.eval()
    with pytest.raises(onnxport.OnnxExporterError, match="fused_moving_avg_obs_fake_quant"):
        onnxport.export(model, (_x(2, 3, 8, 8),))
    model.apply(quantization.disable_observer)
    Case("qat", model, (_x(2, 3, 8, 8),), (_x(3, 3, 8, 8),), {0: [0]}, tolerance=0.05).check((13, 18))


def test_quantised_outputs_are_refused() -> None:
    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.quantize_per_tensor(x, 0.1, 0, torch.quint8)

    with pytest.raises(onnxport.OnnxExporterError, match="a quantised tensor as an output"):
        onnxport.export(Model(), (_x(3),))


def test_an_operator_that_knows_no_quantised_tensors_is_refused() -> None:
    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.quantize_per_tensor(x, 0.1, 0, torch.quint8).fill_(0.3).dequantize()

    with pytest.raises(onnxport.OnnxExporterError, match="a quantised self"):
        onnxport.export(Model(), (_x(3),))
