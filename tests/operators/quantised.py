"""Programs of torch's quantised operators, each within one quantum of torch's result."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch

from tests.operators.programs import Program, noise, program

ops = torch.ops.quantized
SCALE, ZERO = 0.03, 110
X, OTHER_X = noise(3, 4), (noise(5, 2),)
IMAGES, OTHER_IMAGES = noise(2, 4, 6, 5), (noise(1, 4, 9, 7),)
AXES = {0: [0, 2, 3]}
WEIGHT, SHIFT = noise(4), noise(4, seed=1)
#: The results' own scale and zero point.
TO = (0.05, 100)
#: What separates two neighbouring results.
STEP = TO[0] * 1.001


def _packed(kind: str, dims: int, *, transposed: bool = False, channels: bool = True) -> Any:
    """A packed weight with a bias, 4 channels to 6."""
    engine = torch.backends.quantized.engine
    if transposed and "fbgemm" in torch.backends.quantized.supported_engines:
        # torch's kernel of oneDNN, the default on some processors, is wrong for inputs whose zero point is not 0.
        torch.backends.quantized.engine = "fbgemm"
    try:
        return _pack(kind, dims, transposed=transposed, channels=channels)
    finally:
        torch.backends.quantized.engine = engine


def _pack(kind: str, dims: int, *, transposed: bool, channels: bool) -> Any:
    sizes = {0: (6, 4), 1: (6, 4, 3), 2: (6, 4, 3, 2), 3: (6, 4, 2, 3, 2)}[dims]
    weight, bias = noise(*sizes) * 0.3, noise(6) * 0.5
    if transposed:
        # torch quantises weights of transposed convolutions as a whole only.
        quantised = torch.quantize_per_tensor(weight.transpose(0, 1).contiguous(), 0.01, 0, torch.qint8)
    elif channels:
        scales = torch.linspace(0.004, 0.01, 6).double()
        quantised = torch.quantize_per_channel(weight, scales, torch.zeros(6, dtype=torch.int64), 0, torch.qint8)
    else:
        quantised = torch.quantize_per_tensor(weight, 0.01, 0, torch.qint8)
    if dims == 0:
        return ops.linear_prepack(quantised, bias)
    ones, zeros = [1] * dims, [0] * dims
    if transposed:
        return getattr(ops, f"{kind}_prepack")(quantised, bias, ones, zeros, zeros, ones, 1)
    return getattr(ops, f"{kind}_prepack")(quantised, bias, ones, zeros, ones, 1)


class Layer(torch.nn.Module):
    """A quantised layer that holds its packed weight."""

    def __init__(self, operator: str, packed: Any, *more: Any) -> None:
        super().__init__()
        self.operator, self.packed, self.more = operator, packed, more

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        quantised = torch.quantize_per_tensor(x, SCALE, ZERO, torch.quint8)
        return getattr(ops, self.operator)(quantised, self.packed, *TO, *self.more).dequantize()


class Dynamic(torch.nn.Module):
    """A layer of real tensors that quantises its input by its range."""

    def __init__(self, operator: str, packed: Any, *, reduce_range: bool) -> None:
        super().__init__()
        self.operator, self.packed, self.reduce_range = operator, packed, reduce_range

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return getattr(ops, self.operator)(x, self.packed, self.reduce_range)


def _layers() -> list[Program]:
    programs = []
    examples = {
        0: (noise(3, 4), (noise(5, 4),), {0: [0]}),
        1: (noise(2, 4, 9), (noise(3, 4, 12),), {0: [0, 2]}),
        2: (noise(2, 4, 6, 5), (noise(1, 4, 9, 7),), {0: [0, 2, 3]}),
        3: (noise(2, 4, 4, 5, 6), (noise(1, 4, 6, 4, 5),), {0: [0, 2, 3, 4]}),
    }

    def add(name: str, model: torch.nn.Module, dims: int) -> None:
        example, other, axes = examples[dims]
        programs.append(program(f"quantized::{name}", model, example, other=other, axes=axes, tolerance=STEP))

    for channels in (True, False):
        for suffix, more in (("", ()), ("_relu", ())):
            add(f"linear{suffix}", Layer(f"linear{suffix}", _packed("linear", 0, channels=channels), *more), 0)
            for dims in (1, 2, 3):
                packed = _packed(f"conv{dims}d", dims, channels=channels)
                add(f"conv{dims}d{suffix}", Layer(f"conv{dims}d{suffix}", packed), dims)
    for dims in (1, 2, 3):
        packed = _packed(f"conv_transpose{dims}d", dims, transposed=True)
        add(f"conv_transpose{dims}d", Layer(f"conv_transpose{dims}d", packed), dims)
    for reduce_range in (False, True):
        for name, dims in (("linear_dynamic", 0), ("linear_relu_dynamic", 0), ("conv2d_dynamic", 2)):
            packed = _packed(name.partition("_")[0], dims)
            add(name, Dynamic(name, packed, reduce_range=reduce_range), dims)
    return programs


def _of_tensors(name: str, *args: Any, others: int = 0, signed: bool = False, **facts: Any) -> Program:
    """An operator of quantised tensors: the first argument, and ``others`` more that are like it."""
    kind, zero = (torch.qint8, -7) if signed else (torch.quint8, ZERO)

    def run(x: torch.Tensor) -> torch.Tensor:
        given = [torch.quantize_per_tensor(item, SCALE, zero, kind) for item in (x, *([x.flip(0)] * others))]
        return getattr(ops, name)(*given, *args).dequantize()

    example, other = facts.pop("example", X), facts.pop("other", OTHER_X)
    facts.setdefault("tolerance", STEP)
    return program(f"quantized::{name}", run, example, other=other, **facts)


def _joined(name: str) -> Program:
    def run(x: torch.Tensor) -> torch.Tensor:
        given = torch.quantize_per_tensor(x, SCALE, ZERO, torch.quint8)
        return getattr(ops, name)([given, given], 1, *TO).dequantize()

    return program(f"quantized::{name}", run, X, other=OTHER_X, tolerance=STEP)


def _of_numbers(name: str, function: Callable[..., torch.Tensor], *args: Any, tolerance: float) -> Program:
    def run(x: torch.Tensor) -> torch.Tensor:
        found = function(x, *args)
        return found.dequantize() if found.is_quantized else found

    return program(name, run, X, other=OTHER_X, tolerance=tolerance)


STATISTICS = (WEIGHT, SHIFT, noise(4, seed=2), noise(4, seed=3).abs() + 0.5, 1e-5)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    PROGRAMS: list[Program] = [
        *_layers(),
        _of_tensors("add", *TO, others=1),
        _of_tensors("add", *TO, others=1, signed=True),
        _of_tensors("add_relu", *TO, others=1),
        _of_tensors("mul", *TO, others=1),
        _of_tensors("mul_relu", *TO, others=1),
        _of_tensors("add_scalar", 0.37),
        _of_tensors("add_scalar", -9.0, tolerance=0.08),
        _of_tensors("add_scalar", 30.0, tolerance=0.2, signed=True),
        _of_tensors("add_scalar_relu", 0.37),
        _of_tensors("mul_scalar", -2.0, tolerance=0.061),
        _of_tensors("mul_scalar", 0.0),
        _of_tensors("mul_scalar_relu", 1.5),
        _joined("cat"),
        _joined("cat_relu"),
        _of_tensors("hardswish", *TO),
        _of_tensors("sigmoid", 1 / 256, 0, tolerance=1 / 255),
        _of_tensors("leaky_relu", 0.1, False, *TO),
        _of_tensors("elu", *TO, 1.0),
        _of_tensors("celu", *TO, 1.3),
        _of_tensors("softmax", 1, 1 / 256, 0, tolerance=1 / 255),
        _of_tensors("relu6", False, tolerance=SCALE),
        _of_tensors("clamp", -0.5, 1.0, tolerance=SCALE),
        _of_tensors("threshold", 0.4, 0.2, tolerance=SCALE),
        _of_tensors("dropout", SCALE, ZERO, 0.5, False),
        _of_tensors("layer_norm", [5], None, None, 1e-5, *TO, example=IMAGES, other=None),
        _of_tensors("group_norm", 2, WEIGHT, SHIFT, 1e-5, *TO, example=IMAGES, other=OTHER_IMAGES, axes=AXES),
        _of_tensors("instance_norm", WEIGHT, SHIFT, 1e-5, *TO, example=IMAGES, other=OTHER_IMAGES, axes=AXES),
        *(
            _of_tensors(name, *STATISTICS, *TO, example=IMAGES, other=OTHER_IMAGES, axes=AXES)
            for name in ("batch_norm", "batch_norm2d", "batch_norm2d_relu")
        ),
        _of_tensors("max_pool2d", [2, 2], [2, 2], [0, 0], [1, 1], False, example=IMAGES, other=OTHER_IMAGES, axes=AXES),
        _of_numbers(
            "aten::quantize_per_tensor aten::dequantize",
            torch.quantize_per_tensor,
            0.1,
            -3,
            torch.qint8,
            tolerance=0.101,
        ),
        _of_numbers(
            "aten::fake_quantize_per_tensor_affine",
            torch.fake_quantize_per_tensor_affine,
            0.1,
            7,
            0,
            255,
            tolerance=0.101,
        ),
        _of_numbers(
            "aten::fake_quantize_per_tensor_affine",
            torch.fake_quantize_per_tensor_affine,
            0.1,
            0,
            -64,
            63,
            tolerance=0.101,
        ),
        program(
            "aten::fake_quantize_per_channel_affine",
            lambda x: torch.fake_quantize_per_channel_affine(
                x, torch.tensor([0.1, 0.02, 0.3]), torch.tensor([0, 1, 2], dtype=torch.int32), 0, -128, 127
            ),
            X,
            other=(noise(3, 7),),
            axes={0: [1]},
            tolerance=0.301,
        ),
    ]
