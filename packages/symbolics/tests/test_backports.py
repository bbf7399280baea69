"""Operators mean the same at opsets that lack them, or are refused there."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnxport_ir import ArrayTensor, DType, Value
from onnxport_symbolics.op import Op

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(11)


def floats(*shape: int, dtype: Any = np.float32) -> Array:
    """Normally distributed floats."""
    return RNG.standard_normal(shape).astype(dtype)


def ints(*shape: int, low: int = -9, high: int = 10, dtype: Any = np.int64) -> Array:
    """Small integers."""
    return RNG.integers(low, high, shape).astype(dtype)


def bools(*shape: int) -> Array:
    """Truth values."""
    return RNG.integers(0, 2, shape).astype(bool)


X = floats(2, 3, 4)
IMAGE = floats(2, 3, 5, 6)
EDGES = np.array([-np.inf, -2.5, -1.5, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 1.5, 2.5, np.inf, np.nan], np.float32)
FINITE = EDGES[1:-2]
LARGE = np.array([1e38, -3.3e37, 12345.678, -0.1, 7.5, 1e-38, np.inf, 1e-44], np.float32)
REPEATED = ints(2, 2, 4, low=0, high=2)
GRID = (floats(2, 3, 4, 2) * 1.2).astype(np.float32)


def case(op_type: str, *operands: Any, name: str = "", **settings: Any) -> Any:
    """A case; settings that are none of the case's own are attributes."""
    keys = {"results", "since", "since_dynamic", "tolerance", "expected"}
    own = {key: settings.pop(key) for key in list(settings) if key in keys}
    title = f"{op_type}-{name}" if name else op_type
    return pytest.param({"op_type": op_type, "operands": operands, "attributes": settings, **own}, id=title)


ELEMENTS = [
    case("Where", bools(3, 4), floats(3, 4), floats(3, 4)),
    case("Where", bools(3, 1), floats(4), floats(2, 1, 1), name="broadcast"),
    case("Where", bools(13), EDGES, np.flip(EDGES).copy(), name="edges"),
    case("Where", bools(13), EDGES, -np.inf, name="constant"),
    case("Where", bools(3, 4), 1.5, np.nan, name="constants"),
    case("Where", bools(3, 4), ints(4), ints(3, 1), name="int64"),
    case("Where", bools(3, 4), bools(3, 4), bools(4), name="bool"),
    case("Where", bools(3, 4), ints(3, 4, dtype=np.int32), 7, name="int32"),
    case("Where", bools(3, 4), floats(3, 4, dtype=np.float64), floats(4, dtype=np.float64), name="float64"),
    case("Shrink", FINITE, lambd=1.0, bias=0.25),
    case("ThresholdedRelu", FINITE, alpha=0.5),
    case("GreaterOrEqual", EDGES[:, None], EDGES),
    case("LessOrEqual", EDGES[:, None], EDGES),
    case("LessOrEqual", ints(3, 4), ints(4), name="int64"),
    case("IsNaN", EDGES),
    case("IsInf", EDGES),
    case("IsInf", EDGES, detect_negative=0, name="positive"),
    case("IsInf", EDGES, detect_positive=0, name="negative"),
    case("Sign", EDGES[:-1]),
    case("Sign", ints(3, 4), name="int64"),
    case("Round", np.concatenate([EDGES, np.array([3.5, 4.5, 1e20, 8388609.0, 0.49999997], np.float32)])),
    case("Mod", ints(3, 4), np.array([-3, 4, 5, -7])),
    case("Mod", ints(3, 4), np.array([-3, 4, 5, -7]), fmod=1, name="fmod"),
    case("Mod", ints(3, 4, dtype=np.int32), np.array([-3, 4, 5, -7], np.int32), name="int32"),
    case("HardSwish", X * 4),
    case("Mish", X),
    case("Swish", X),
    case("Swish", X, alpha=1.5, name="alpha"),
    case("SwiGLU", X, floats(2, 3, 4)),
    case("Celu", X),
    case("Celu", X, alpha=2.0, name="alpha"),
    case("Celu", X.astype(np.float64), alpha=2.0, name="float64"),
    case("Gelu", X),
    case("Gelu", X, approximate="tanh", name="tanh"),
    case("Erf", EDGES),
    case("Sinh", np.array([-80, -1, -1e-6, 0, 1e-4, 2, 88], np.float32), tolerance=2e-6),
    case("Cosh", np.array([-89, -1, -1e-6, 0, 1e-4, 2, 88], np.float32), tolerance=2e-6),
    case("Asinh", np.array([-1e30, -1, -1e-6, 0, 1e-4, 2, 88], np.float32), tolerance=1e-6),
    case("Acosh", np.array([1, 1.0001, 2, 88, 1e30], np.float32), tolerance=1e-6),
    case("Atanh", np.array([-0.999, -1e-5, 0, 1e-4, 0.5, 0.9999], np.float32), tolerance=1e-6),
    case("BitwiseNot", ints(3, 4)),
    case("BitwiseNot", ints(3, 4, low=0, high=255, dtype=np.uint8), name="uint8"),
    case("BitwiseAnd", ints(3, 4, high=99), np.array([-(2**63), 2**63 - 1, 5, -3]), name="int64"),
    case("BitwiseOr", ints(3, 4, high=99), np.array([-(2**63), 2**63 - 1, 5, -3]), name="int64"),
    case("BitwiseXor", ints(3, 4, high=99), np.array([-(2**63), 2**63 - 1, 5, -3]), name="int64"),
    case("BitwiseXor", ints(3, 4, dtype=np.int32), ints(4, dtype=np.int32), name="int32"),
    case("BitwiseAnd", ints(3, 4, low=0, high=255, dtype=np.uint8), np.array([1, 7, 128, 255], np.uint8), name="uint8"),
    case("BitShift", ints(3, 4, low=0, high=255, dtype=np.uint8), np.array([1, 7, 0, 9], np.uint8), direction="LEFT"),
    case(
        "BitShift",
        ints(3, 4, low=0, dtype=np.uint32),
        np.array([1, 7, 0, 2], np.uint32),
        direction="RIGHT",
        name="right",
    ),
    case("BitShift", ints(3, 4), np.array([1, 7, 63, 64]), direction="LEFT", name="int64-left"),
    case("BitShift", ints(3, 4), np.array([1, 7, 63, 64]), direction="RIGHT", name="int64-right"),
    case("CastLike", X, ints(1)),
]

TENSORS = [
    case("Expand", X, [5, 1, 3, 4]),
    case("Expand", bools(3, 1), [3, 4], name="bool"),
    case("Expand", ints(3, 1, dtype=np.int32), [2, 1, 4], name="int32"),
    case("Expand", EDGES[:, None], np.array([1, 3]), name="computed"),
    case("ConstantOfShape", np.array([2, 3]), value=ArrayTensor.of(np.array([7]))),
    case("ConstantOfShape", np.array([2, 3]), name="zeros"),
    case("ConstantOfShape", np.array([2, 3]), value=ArrayTensor.of(np.array([True])), name="bool"),
    case("Range", np.array(2), np.array(9), np.array(3)),
    case("Range", np.array(9), np.array(-2), np.array(-3), name="down"),
    case("Range", np.array(9), np.array(2), np.array(3), name="empty"),
    case("Range", np.array(0.5, np.float32), np.array(2.6, np.float32), np.array(0.3, np.float32), name="float"),
    case("Range", np.array(2, np.int32), np.array(9, np.int32), np.array(3, np.int32), name="int32"),
    case("EyeLike", floats(3, 5), k=1),
    case("EyeLike", floats(4, 3), k=-1, dtype=DType.INT64, name="int64"),
    case("Trilu", X, upper=1),
    case("Trilu", X, -1, upper=0, name="lower"),
    case("Trilu", X, np.array(1), upper=0, name="computed"),
    case("Trilu", bools(3, 4), 1, name="bool"),
    case("Trilu", ints(3, 4), name="int64"),
    case("OneHot", ints(3, low=-4, high=4), 4, np.array([0.5, 2.0], np.float32)),
    case("OneHot", ints(2, 3, low=0, high=4), np.array(4), np.array([0, 1]), axis=1, name="int64"),
    case("Compress", X, [True, False, True], axis=1),
    case("Compress", X, bools(3), axis=1, name="computed"),
    case("NonZero", bools(3, 4), name="bool"),
    case("NonZero", ints(3, 2, 2, low=-1, high=1), name="int64"),
    case("NonZero", np.zeros((2, 0), np.float32), name="empty"),
    case("HannWindow", 8, tolerance=1e-6),
    case("HannWindow", np.array(9), periodic=0, name="computed", tolerance=1e-6),
    case("HammingWindow", 8),
    case("BlackmanWindow", 8),
    case("GatherElements", X, ints(2, 2, 4, low=-3, high=3), axis=1),
    case("GatherElements", X, ints(2, 3, 4, low=0, high=4), axis=-1, name="last"),
    case("GatherElements", X, ints(1, 3, 2, low=0, high=2), axis=0, name="first"),
    case("GatherND", X, ints(5, 2, low=-2, high=2)),
    case("GatherND", X, ints(2, 5, 1, low=0, high=3), batch_dims=1, name="batch"),
    case("ScatterElements", X, np.array([[[2, 0, 1, -1]], [[1, 1, 2, 0]]]), floats(2, 1, 4), axis=1, since_dynamic=9),
    case("ScatterElements", X, np.array([[[2, 0]], [[1, 1]]]), floats(2, 1, 2), axis=1, name="part", since=9),
    case("ScatterElements", X, REPEATED, floats(2, 2, 4), axis=1, reduction="add", name="add", since_dynamic=9),
    case("ScatterElements", X, REPEATED, floats(2, 2, 4), axis=1, reduction="mul", name="mul", since_dynamic=9),
    case("ScatterElements", X, REPEATED, floats(2, 2, 4), axis=1, reduction="max", name="max", since_dynamic=9),
    case("ScatterElements", X, REPEATED, floats(2, 2, 4), axis=1, reduction="min", name="min", since_dynamic=9),
    case("ScatterElements", ints(5), np.array([0, 0, 3]), ints(3), reduction="add", name="int64"),
    case("ScatterND", X, np.array([[0, 1], [1, -1], [0, 1]]), floats(3, 4), reduction="add", name="add"),
    case("ScatterND", X, np.array([[0], [0]]), floats(2, 3, 4), reduction="mul", name="mul"),
    case("ScatterND", X, np.array([[0, 1], [1, -1]]), floats(2, 4)),
    case("ScatterND", X, np.array([[0, 1, 2], [1, -1, 0]]), floats(2), name="elements"),
    case("TensorScatter", floats(2, 6, 3), floats(2, 2, 3), np.array([1, 3]), since_dynamic=9),
    case(
        "TensorScatter",
        floats(2, 6, 3),
        floats(2, 2, 3),
        np.array([5, 3]),
        mode="circular",
        name="circular",
        since_dynamic=9,
    ),
    case("ReverseSequence", floats(4, 3, 2), np.array([4, 1, 3])),
    case("ReverseSequence", floats(3, 4), np.array([4, 1, 3]), batch_axis=0, time_axis=1, name="batch"),
    case("CumSum", X, 1),
    case("CumSum", X, -1, exclusive=1, reverse=1, name="exclusive-reverse"),
    case("CumSum", ints(5), 0, name="int64"),
    case("CumSum", EDGES, 0, name="edges"),
    case("CumProd", X, 1),
    case("CumProd", X, 2, reverse=1, name="reverse"),
    case("CumProd", X, 0, exclusive=1, name="exclusive"),
]

LAYERS = [
    case("LayerNormalization", X, floats(4), floats(4)),
    case("LayerNormalization", X, floats(3, 4), axis=1, results=3, name="all"),
    case("RMSNormalization", X, floats(4)),
    case("GroupNormalization", floats(2, 4, 3, 3), floats(4), floats(4), num_groups=2),
    case("MeanVarianceNormalization", IMAGE),
    case("Col2Im", floats(1, 8, 12), [4, 5], [2, 2], since_dynamic=18),
    case(
        "Col2Im", floats(1, 8, 9), [5, 5], [2, 2], strides=[2, 2], pads=[1, 1, 0, 0], name="strides", since_dynamic=18
    ),
    case(
        "Col2Im", floats(1, 8, 4), [5, 6], [2, 2], strides=[2, 2], dilations=[2, 3], name="dilations", since_dynamic=18
    ),
    case("GridSample", IMAGE, GRID),
    case("GridSample", IMAGE, GRID, align_corners=1, name="corners"),
    case("GridSample", IMAGE, GRID, mode="nearest", name="nearest"),
    case("GridSample", IMAGE, GRID, padding_mode="border", name="border"),
    case("GridSample", IMAGE, GRID, padding_mode="reflection", name="reflection"),
    case("GridSample", IMAGE, GRID, padding_mode="reflection", align_corners=1, name="reflection-corners"),
    case("GridSample", IMAGE, GRID, mode="cubic", tolerance=1e-4, name="cubic"),
    case(
        "GridSample",
        IMAGE,
        GRID,
        mode="cubic",
        padding_mode="border",
        align_corners=1,
        tolerance=1e-4,
        name="cubic-border",
    ),
    case("GridSample", floats(1, 2, 3, 4, 5), (floats(1, 2, 2, 3, 3)).astype(np.float32), name="volume"),
    case("GridSample", floats(1, 2, 3, 4, 5), floats(1, 2, 2, 3, 3), mode="nearest", name="volume-nearest"),
    case(
        "DeformConv",
        floats(2, 4, 6, 5),
        floats(6, 2, 3, 2),
        floats(2, 2 * 6 * 2, 3, 5),
        floats(6),
        floats(2, 2 * 6, 3, 5),
        group=2,
        offset_group=2,
        pads=[1, 1, 0, 0],
        strides=[2, 1],
        since_dynamic=19,
        tolerance=1e-4,
    ),
    case(
        "DeformConv",
        floats(1, 2, 5, 5),
        floats(3, 2, 2, 2),
        floats(1, 8, 3, 3),
        dilations=[2, 2],
        name="dilated",
        since_dynamic=19,
    ),
    case("AffineGrid", floats(2, 2, 3), [2, 3, 4, 5]),
    case("AffineGrid", floats(2, 2, 3), [2, 3, 4, 5], align_corners=1, name="corners"),
    case("CenterCropPad", floats(7, 4), [4, 6]),
    case("QuantizeLinear", X * 50, 0.7, np.array(3, np.int8)),
    case("QuantizeLinear", X, np.abs(floats(3)) + 0.1, ints(3, dtype=np.int8), axis=1, name="axis"),
    case("DequantizeLinear", ints(2, 3, low=0, high=255, dtype=np.uint8), 0.1, np.array(9, np.uint8)),
    case(
        "MatMulInteger",
        ints(2, 3, 4, dtype=np.int8),
        ints(4, 5, dtype=np.int8),
        np.array(3, np.int8),
        np.array(-2, np.int8),
    ),
    case("DynamicQuantizeLinear", X, results=3),
    case("Attention", floats(2, 2, 3, 4), floats(2, 2, 5, 4), floats(2, 2, 5, 4)),
    case("Attention", floats(2, 4, 3, 4), floats(2, 2, 5, 4), floats(2, 2, 5, 4), is_causal=1, name="causal"),
    case(
        "Attention",
        floats(2, 2, 3, 4),
        floats(2, 2, 5, 4),
        floats(2, 2, 5, 4),
        bools(3, 5) | np.eye(3, 5, dtype=bool),
        name="mask",
    ),
    case("RotaryEmbedding", floats(2, 2, 3, 4), floats(5, 2), floats(5, 2), ints(2, 3, low=0, high=5)),
    case("NegativeLogLikelihoodLoss", floats(3, 4), ints(3, low=0, high=4)),
    case(
        "NegativeLogLikelihoodLoss",
        floats(3, 4, 2),
        ints(3, 2, low=0, high=4),
        floats(4),
        reduction="sum",
        name="weight",
    ),
    case("NegativeLogLikelihoodLoss", floats(3, 4), ints(3, low=0, high=3), ignore_index=1, name="ignore"),
    case("SoftmaxCrossEntropyLoss", floats(3, 4), ints(3, low=0, high=4)),
    case(
        "LinearAttention",
        floats(1, 3, 8),
        floats(1, 3, 8),
        floats(1, 3, 8),
        q_num_heads=2,
        kv_num_heads=2,
        update_rule="linear",
        results=2,
        since=8,
    ),
    case("CausalConvWithState", floats(2, 3, 6), floats(3, 1, 4), results=2, since_dynamic=27),
    case("DFT", floats(2, 8, 1), since_dynamic=17),
    case("DFT", floats(2, 8, 2), None, 1, inverse=1, name="inverse", since_dynamic=17),
    case("DFT", floats(2, 6, 1), None, 1, onesided=1, name="onesided", since_dynamic=17),
    case("DFT", floats(2, 6, 3, 2), 8, 1, name="padded", since_dynamic=17),
    case("STFT", floats(2, 20, 1), 4, np.hanning(8).astype(np.float32), since_dynamic=17),
    case("STFT", floats(2, 20, 1), 4, None, 8, onesided=0, name="two-sided", since_dynamic=17),
    case("MelWeightMatrix", 8, 16, 8192, 0.0, 4096.0),
    case("Einsum", floats(2, 3, 4), floats(2, 4, 5), equation="bij,bjk->bik"),
    case("Einsum", floats(2, 3, 4), floats(5, 4), floats(5, 3), equation="bij,kj,ki->kb", name="three"),
    case("Einsum", floats(2, 3, 4), equation="bij->ji", name="sum"),
    case("Einsum", floats(3), floats(4), equation="i,j", name="outer"),
    case("Einsum", floats(3, 3), equation="ii->i", name="diagonal", since=12),
    case("Mod", FINITE[:, None], np.array([-1.5, 2.0, 0.7], np.float32), fmod=1, name="float-fmod", tolerance=0.0),
    case("Mod", LARGE[:, None], LARGE, fmod=1, name="float-fmod-large", tolerance=0.0),
    case("Mod", FINITE[:, None].astype(np.float64), np.array([-1.5]), fmod=1, name="float64", since=10),
    case("Mod", FINITE[:, None], np.array([-1.5, 2.0, 0.7], np.float32), name="float", tolerance=0.0),
]


@pytest.mark.parametrize("settings", [*ELEMENTS, *TENSORS, *LAYERS])
def test_operator_means_the_same_at_every_opset(
    settings: dict[str, Any], check_everywhere: Callable[[Any], None], case_of: Callable[..., Any]
) -> None:
    check_everywhere(case_of(**settings))


def test_erf_is_right_to_the_last_place(
    lower_build: Callable[..., onnx.ModelProto], run_model: Callable[..., list[Array]]
) -> None:
    x = np.concatenate([np.linspace(-6, 6, 200_001), np.geomspace(1e-30, 6, 2001)]).astype(np.float32)

    def build(op: Op, value: Value) -> Value:
        return op.Erf(value)

    (result,) = run_model(lower_build(build, [x], 7), [x])
    exact = np.array([math.erf(value) for value in x.tolist()])
    assert np.max(np.abs(result - exact)) < 6e-8
    away = x != 0
    assert np.max(np.abs(result[away] / exact[away] - 1)) < 1.2e-7
