"""What is quantised by its range as it is computed, tables of vectors, and graphs whose integers are plain tensors."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnxport
import pytest
import torch
from torch import nn
from torch.ao import quantization
from torch.ao.quantization import quantize_fx

from tests.ops.quantised_layers import run
from tests.ops.test_quantised_models import ENGINES, fused

OPSETS = (9, 13, 18, 21, onnxport.NEWEST_OPSET)


def noise(*sizes: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def engine(request: Any) -> Any:
    """The engine that a test names, else the default one of servers."""
    name = getattr(request, "param", "x86")
    if name not in ENGINES:
        pytest.skip(f"this torch has no engine {name}")
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = name
    yield
    torch.backends.quantized.engine = before


#: qnnpack takes 8 bits where it is asked for 7.
EACH_ENGINE = pytest.mark.parametrize("engine", ["x86", "fbgemm", "onednn", "qnnpack"], indirect=True)


def dynamic(model: nn.Module, *kinds: type[nn.Module], dtype: torch.dtype = torch.qint8) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return quantization.quantize_dynamic(model.eval(), set(kinds), dtype=dtype)


def check(model: nn.Module, inputs: Sequence[torch.Tensor], other: Sequence[torch.Tensor], opset: int) -> None:
    """Compare with torch, closer than a quantum; the first two axes of all inputs are dynamic as far as they differ."""
    axes = {}
    for index, (one, two) in enumerate(zip(inputs, other, strict=True)):
        axes[f"x{index}"] = [axis for axis in range(one.dim()) if one.shape[axis] != two.shape[axis]]
    program = onnxport.export(
        model, tuple(inputs), opset_version=opset, input_names=list(axes), dynamic_axes=axes, verify=False
    )
    for given in (inputs, other):
        theirs = torch.utils._pytree.tree_leaves(model(*given))
        for mine, found in zip(run(program, given), theirs, strict=True):
            torch.testing.assert_close(mine, found, rtol=1e-5, atol=1e-5)


@EACH_ENGINE
@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("shape", [(5, 8), (3, 5, 8), (2, 3, 5, 8)], ids=str)
def test_linear_layers(shape: tuple[int, ...], opset: int) -> None:
    torch.manual_seed(0)
    net = dynamic(nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4, bias=False)), nn.Linear)
    check(net, (noise(*shape),), (noise(*shape)[:2] * 4,), opset)


def test_linear_layers_are_fused(tmp_path: Path) -> None:
    """One product of integers for each layer, and none that rounds the input once more."""
    net = dynamic(nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)), nn.Linear)
    counts = fused(onnxport.export(net, (noise(3, 5, 8),)), tmp_path)
    assert counts["MatMulIntegerToFloat"] == 2, counts
    assert not {"MatMul", "Gemm", "MatMulNBits", "DequantizeLinear"} & set(counts), counts


class Recurrent(nn.Module):
    """A recurrent network and what reads its output."""

    def __init__(self, kind: type[nn.RNNBase], **options: Any) -> None:
        super().__init__()
        self.network = kind(4, 6, **options)
        self.last = nn.Linear(12 if options.get("bidirectional") else 6, 3)

    def forward(self, x: torch.Tensor) -> tuple[Any, ...]:
        output, states = self.network(x)
        return self.last(output), states


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"batch_first": True}], ids=str)
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
@pytest.mark.parametrize(
    ("engine", "dtype"),
    [("x86", torch.qint8), ("qnnpack", torch.qint8), ("x86", torch.float16)],
    indirect=["engine"],
    ids=str,
)
def test_recurrent_networks(kind: type[nn.RNNBase], options: dict[str, Any], dtype: torch.dtype, opset: int) -> None:
    torch.manual_seed(0)
    net = dynamic(Recurrent(kind, **options), kind, nn.Linear, dtype=dtype)
    check(net, (noise(5, 3, 4),), (noise(4, 2, 4, seed=1) * 3,), opset)


@EACH_ENGINE
@pytest.mark.parametrize("opset", [7, 13, 21])
@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_cells(kind: type[nn.Module], opset: int) -> None:
    torch.manual_seed(0)
    net = dynamic(nn.Sequential(kind(8, 6)), kind)  # type: ignore[call-arg]  # input and hidden size
    check(net, (noise(3, 8),), (noise(5, 8, seed=1),), opset)


class Table(nn.Module):
    """Vectors that are looked up."""

    def __init__(self, kind: type[nn.Module], **options: Any) -> None:
        super().__init__()
        self.table = kind(30, 16, **options)

    def forward(self, *args: torch.Tensor) -> torch.Tensor:
        return self.table(*args)


def table(kind: type[nn.Module], bits: int, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    model = Table(kind, **options).eval()
    eight, four = quantization.float_qparams_weight_only_qconfig, quantization.float_qparams_weight_only_qconfig_4bit
    model.table.qconfig = eight if bits == 8 else four
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantization.prepare(model, inplace=True)
        return quantization.convert(model, inplace=True)


INDICES = torch.randint(0, 30, (4, 5), generator=torch.Generator().manual_seed(0))
FLAT, STARTS = INDICES.flatten(), torch.tensor([0, 3, 3, 11])


@pytest.mark.parametrize("opset", [7, 11, 18])
def test_embeddings(opset: int) -> None:
    check(table(nn.Embedding, 8), (INDICES,), (INDICES[:2, :3].contiguous(),), opset)


def test_an_embedding_of_4_bits_is_refused() -> None:
    """torch reads the table as if it had 8 bits, and gives vectors of another length."""
    with pytest.raises(onnxport.OnnxExporterError, match="an embedding of 8 bits whose table has 4"):
        onnxport.export(table(nn.Embedding, 4), (INDICES,))


@pytest.mark.parametrize("opset", [16, 21])
@pytest.mark.parametrize("bits", [8, 4])
def test_bags(bits: int, opset: int) -> None:
    bags = table(nn.EmbeddingBag, bits, mode="sum")
    check(bags, (FLAT, STARTS), (FLAT[:9], STARTS[:3]), opset)
    check(bags, (FLAT, STARTS, noise(20)), (FLAT[:9], STARTS[:3], noise(9)), opset)
    check(bags, (INDICES,), (INDICES[:3],), opset)
    ends = table(nn.EmbeddingBag, bits, mode="sum", include_last_offset=True)
    check(ends, (FLAT, torch.tensor([0, 3, 20])), (FLAT[:9], torch.tensor([0, 9])), opset)


def test_tables_stay_small() -> None:
    """The file holds integers, two of 4 bits in a byte."""
    for bits, size in ((8, 30 * 16), (4, 30 * 8)):
        program = onnxport.export(table(nn.EmbeddingBag, bits, mode="sum"), (INDICES,))
        stored = {item.name: len(item.raw_data) for item in program.model_proto.graph.initializer}
        assert stored["table.weight"] == size


class Images(nn.Module):
    """What the tools for graphs quantise, with arithmetic of numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.second = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, groups=8)
        self.last = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.second(torch.relu(self.norm(self.first(x)))) + 1.0
        return self.last((nn.functional.avg_pool2d(x, 2) * 2.0).mean([2, 3]))


def graph(convert: Callable[[nn.Module], nn.Module], engine: str) -> nn.Module:
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        prepared = quantize_fx.prepare_fx(
            Images().eval(), quantization.get_default_qconfig_mapping(engine), (noise(2, 3, 10, 10),)
        )
        prepared(noise(8, 3, 10, 10, seed=1))
        return convert(prepared)


@pytest.mark.parametrize("opset", [10, 13, 21, onnxport.NEWEST_OPSET])
@pytest.mark.parametrize(
    "convert",
    [
        quantize_fx.convert_fx,
        quantize_fx.convert_to_reference_fx,
        # What gives operators of quantized_decomposed, as the tools for exported programs do.
        quantize_fx._convert_to_reference_decomposed_fx,
    ],
)
@pytest.mark.parametrize("tool", sorted({"x86", "qnnpack"} & set(ENGINES)))
def test_graphs(tool: str, convert: Callable[[nn.Module], nn.Module], opset: int) -> None:
    net, x = graph(convert, tool), noise(16, 3, 10, 10, seed=2)
    (ours,) = run(onnxport.export(net, (x,), opset_version=opset), (x,))
    theirs = net(x).detach()
    spread = (theirs.max() - theirs.min()).item()
    difference = (ours - theirs).abs()
    # A quantum of the result is about 1 % of its range; torch computes reference models with floats, where noise
    # decides ties of means.
    assert difference.max() <= 0.03 * spread
    assert (difference > 1e-5).float().mean() <= (0.02 if convert is quantize_fx.convert_fx else 0.4)


@torch.jit.script
def turned(x: torch.Tensor) -> torch.Tensor:
    """A script that asks a quantised tensor for a size."""
    q = torch.quantize_per_tensor(x, 0.1, 3, torch.quint8)
    return q.reshape(q.size(1), -1).dequantize()


def test_sizes_in_scripts() -> None:
    check(turned, (noise(5, 3),), (noise(2, 7, seed=1),), 18)


class Learned(nn.Module):
    """Fake quantisation whose scale and zero point are trained."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.zero = nn.Parameter(torch.tensor([0.05])), nn.Parameter(torch.tensor([3.4]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch._fake_quantize_learnable_per_tensor_affine(x, self.scale, self.zero, 0, 255, 1.0)


class Ranged(nn.Module):
    """A tensor that is quantised by its range."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.quantize_per_tensor_dynamic(x, torch.quint8, False).dequantize()


@pytest.mark.parametrize("opset", [7, 13, 21])
@pytest.mark.parametrize("model", [Learned(), Ranged()], ids=["learned", "ranged"])
def test_quantisers(model: nn.Module, opset: int) -> None:
    check(model.eval(), (noise(5, 3),), (noise(2, 7, seed=1),), opset)
