"""Models quantised by torch's tools: results in quanta of torch's, and what ONNX Runtime makes of the graph."""

from __future__ import annotations

import collections
import warnings
from pathlib import Path
from typing import Any

import onnx
import onnxport
import onnxruntime
import pytest
import torch
from torch import nn
from torch.ao import quantization
from torch.ao.quantization import quantize_fx

ENGINES = [
    engine for engine in ("fbgemm", "qnnpack", "onednn", "x86") if engine in torch.backends.quantized.supported_engines
]
OPSETS = (7, 10, 11, 13, 19, 21, 23, onnxport.NEWEST_OPSET)
#: The opsets of which ONNX Runtime has kernels that take weights with a scale for each channel.
FUSING = (13, 19, 21, 23)


class Block(nn.Module):
    """Two convolutions and what goes around them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, groups=2)
        self.norms = nn.ModuleList([nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)])
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.norms[1](self.second(self.relu(self.norms[0](self.first(x))))) + x)


class Net(nn.Module):
    """A small network for images."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.blocks = nn.Sequential(Block(8), Block(8))
        self.pool, self.swish, self.sigmoid, self.relu = (
            nn.AdaptiveAvgPool2d(1),
            nn.Hardswish(),
            nn.Sigmoid(),
            nn.ReLU(),
        )
        self.hidden, self.last = nn.Linear(8, 16), nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(self.stem(x))
        both = torch.cat([x, self.swish(x)], 1)
        x = both[:, :8] * self.sigmoid(both[:, 8:])
        return self.last(self.relu(self.hidden(self.pool(x).flatten(1))))


def images(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=ENGINES)
def engine(request: Any) -> Any:
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = request.param
    yield request.param
    torch.backends.quantized.engine = before


def quantised(engine: str, *, aware: bool) -> nn.Module:
    """The network after quantisation, static or aware of it in training."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = Net().train()
        for seed in range(3):
            net(images(4, seed))
        if aware:
            mapping = quantization.get_default_qat_qconfig_mapping(engine)
            prepared = quantize_fx.prepare_qat_fx(net, mapping, (images(2, 0),))
        else:
            mapping = quantization.get_default_qconfig_mapping(engine)
            prepared = quantize_fx.prepare_fx(net.eval(), mapping, (images(2, 0),))
        for seed in range(3, 6):
            prepared(images(4, seed))
        return quantize_fx.convert_fx(prepared.eval())


@pytest.mark.parametrize("aware", [False, True], ids=["static", "aware"])
def test_whole_networks(engine: str, aware: bool) -> None:
    net = quantised(engine, aware=aware)
    others = (images(2, 7), images(5, 8))
    expected = [net(x) for x in others]
    for opset in OPSETS:
        program = onnxport.export(net, (others[0],), opset_version=opset, input_names=["x"], dynamic_axes={"x": [0]})
        session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
        for x, theirs in zip(others, expected, strict=True):
            (ours,) = session.run(None, {"x": x.numpy()})
            quanta = (torch.from_numpy(ours) - theirs).abs() / net.last.scale
            # All engines but qnnpack add biases that are no integers; of 256 images, 2 of 100 results differ for that.
            largest, mean = (0.01, 0.01) if engine == "qnnpack" else (2.01, 0.2)
            assert quanta.max().item() <= largest, f"opset {opset}: {quanta.max()} quanta"
            assert quanta.mean().item() <= mean, f"opset {opset}: {quanta.mean()} quanta"


def fused(program: onnxport.ONNXProgram, folder: Path) -> collections.Counter[str]:
    """The operators in the graph that ONNX Runtime runs."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(program.model_proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return collections.Counter(node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node)


class Two(nn.Module):
    """A convolution with its activation, and a linear layer with its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 196, 6), nn.ReLU(), nn.Linear(6, 3)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


@pytest.mark.parametrize("opset", FUSING)
def test_layers_are_fused(opset: int, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mapping = quantization.get_default_qconfig_mapping("x86")
        prepared = quantize_fx.prepare_fx(Two().eval(), mapping, (images(2, 0),))
        prepared(images(4, 1))
        net = quantize_fx.convert_fx(prepared)
    program = onnxport.export(net, (images(2, 0),), opset_version=opset)
    counts = fused(program, tmp_path)
    # Neither a Conv, a Gemm nor a Relu is left, and nothing goes back to floats but the result.
    layers = {name: count for name, count in counts.items() if name in ("QLinearConv", "QGemm", "Conv", "Gemm", "Relu")}
    assert layers == {"QLinearConv": 1, "QGemm": 2}, counts
    assert counts["QuantizeLinear"] == 1, counts


class Eager(nn.Module):
    """A network for the eager tools, with the functions that they replace."""

    def __init__(self) -> None:
        super().__init__()
        self.quant, self.dequant = quantization.QuantStub(), quantization.DeQuantStub()
        self.conv, self.relu, self.functions = nn.Conv1d(3, 4, 3), nn.ReLU(), torch.ao.nn.quantized.FloatFunctional()
        self.up = nn.ConvTranspose1d(4, 4, 2, stride=2)
        self.norms = nn.ModuleList([nn.LayerNorm([4, 28]), nn.GroupNorm(2, 4), nn.InstanceNorm1d(4)])
        self.leaky, self.elu = nn.LeakyReLU(0.2), nn.ELU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.up(self.relu(self.conv(self.quant(x))))
        for norm in self.norms:
            x = norm(x)
        x = self.functions.add(self.leaky(x), self.elu(x))
        return self.dequant(self.functions.mul(x, self.functions.add_scalar(x, 0.5)))


@pytest.mark.parametrize("tool", sorted({"fbgemm", "qnnpack"} & set(ENGINES)))
def test_eager_tools(tool: str) -> None:
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = tool
    try:
        torch.manual_seed(0)
        x = images(2, 0)[:, :, 0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            net = Eager().eval()
            net.qconfig = quantization.get_default_qconfig("qnnpack")
            quantization.prepare(net, inplace=True)
            net(x)
            quantization.convert(net, inplace=True)
        theirs = net(x)
        for opset in OPSETS:
            program = onnxport.export(net, (x,), opset_version=opset)
            session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
            (ours,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
            quanta = ((torch.from_numpy(ours) - theirs).abs() / float(net.functions.scale)).round()
            # With fbgemm, a bias that is no integer lets a normalisation round the other way, and a product of two
            # factors counts that a few times.
            assert quanta.max().item() <= (0 if tool == "qnnpack" else 4), f"opset {opset}: {quanta.max()}"
            assert (quanta > 0).float().mean().item() <= 0.01, f"opset {opset}"
    finally:
        torch.backends.quantized.engine = before


@pytest.mark.parametrize("opset", [10, 13, 18, onnxport.NEWEST_OPSET])
def test_dynamic_layers(opset: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        layers = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 4)).eval()
        net = quantization.quantize_dynamic(layers, {nn.Linear}, dtype=torch.qint8)
    x = images(3, 0)[0, 0, :, :8]
    program = onnxport.export(net, (x,), opset_version=opset, input_names=["x"], dynamic_axes={"x": [0]})
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    for given in (x, x[:3] * 4):
        (ours,) = session.run(None, {"x": given.numpy()})
        torch.testing.assert_close(torch.from_numpy(ours), net(given), rtol=1e-5, atol=1e-6)
