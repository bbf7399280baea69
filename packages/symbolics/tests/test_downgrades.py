"""Calls spelled for the newest opset mean the same at every older one, or are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnxport_ir import Value
from onnxport_symbolics.op import Op

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(7)


def floats(*shape: int, dtype: Any = np.float32) -> Array:
    """Normally distributed floats."""
    return RNG.standard_normal(shape).astype(dtype)


def ints(*shape: int, low: int = -9, high: int = 10, dtype: Any = np.int64) -> Array:
    """Small integers."""
    return RNG.integers(low, high, shape).astype(dtype)


X = floats(2, 3, 4)
IMAGE = floats(1, 2, 5, 6)
EDGES = np.array([-np.inf, -2.5, -1.0, -0.0, 0.0, 0.5, 1.0, np.inf, np.nan], np.float32)
WIDE = np.array([-(2**63), -(2**53) - 1, -(2**53), -3, 0, 3, 2**53, 2**53 + 1, 2**63 - 1], np.int64)

NANS = np.array([[3, np.nan, 1, np.inf, 2, np.nan, -1, -np.inf]], np.float32)
UNSIGNED = np.array([0, 3, 2**53, 2**53 + 1, 2**63, 2**64 - 1], np.uint64)


def case(op_type: str, *operands: Any, name: str = "", **settings: Any) -> Any:
    """A case; settings that are none of the case's own are attributes."""
    own = {
        key: settings.pop(key) for key in list(settings) if key in {"results", "since", "since_dynamic", "tolerance"}
    }
    title = f"{op_type}-{name}" if name else op_type
    return pytest.param({"op_type": op_type, "operands": operands, "attributes": settings, **own}, id=title)


CASES = [
    case("Squeeze", floats(2, 1, 3), [1]),
    case("Squeeze", floats(2, 1, 3), [-2], name="negative"),
    case("Unsqueeze", X, [0, -1]),
    case("ReduceSum", X, [1], keepdims=0),
    case("ReduceSum", X, [-1], keepdims=1, name="negative"),
    case("ReduceSum", X, None, keepdims=0, name="all"),
    case("ReduceSum", X, [], noop_with_empty_axes=1, name="none"),
    case("ReduceSum", ints(3, 4), [0], keepdims=0, name="int64"),
    case("ReduceMean", X, [-1, 0], keepdims=0),
    case("ReduceMax", X, [2], keepdims=0),
    case("ReduceMax", ints(3, 4), [-1], keepdims=0, name="int64"),
    case("ReduceMax", ints(3, 4, low=0, high=2).astype(bool), [1], keepdims=0, name="bool"),
    case("ReduceMin", X, [0], keepdims=1),
    case("ReduceProd", X, [1], keepdims=0),
    case("ReduceL1", X, [1], keepdims=0),
    case("ReduceL2", X, [1], keepdims=0),
    case("ReduceLogSumExp", X, [-1], keepdims=0),
    case("ReduceLogSum", np.abs(X), [-1], keepdims=0),
    case("ReduceSumSquare", X, [-1], keepdims=0),
    case("ArgMax", X, axis=-1, keepdims=0),
    case("ArgMax", X, axis=1, select_last_index=1, name="last"),
    case("ArgMin", ints(3, 9, low=0, high=3), axis=-1, keepdims=1, select_last_index=1, name="last-int64"),
    case("Concat", X, X, axis=-1),
    case("Flatten", X, axis=-1),
    case("Flatten", ints(2, 3, 4), axis=2, name="int64"),
    case("Gather", X, [1, -1], axis=-1),
    case("Gather", X, ints(3, low=0, high=3), axis=1, name="computed"),
    case("Softmax", X, axis=-1),
    case("Softmax", X, axis=1, name="inner"),
    case("Softmax", X, axis=0, name="first"),
    case("LogSoftmax", X, axis=-2),
    case("Hardmax", X, axis=1),
    case("Slice", X, [0, 1], [2, 3], [0, -1]),
    case("Slice", X, [-2], [2**63 - 1], [2], name="end"),
    case("Slice", X, [-1], [-(2**63)], [1], [-1], name="reversed"),
    case("Slice", X, [3], [0], [2], [-2], name="backwards"),
    case("Slice", X, [0], [4], [2], [2], name="steps"),
    case("Slice", X, np.array([1]), np.array([-1]), [2], name="computed"),
    case("Slice", X, np.array([-100]), np.array([100]), [1], [2], name="computed-steps"),
    case("Split", floats(2, 6), [2, 4], axis=1, results=2),
    case("Split", floats(2, 7), axis=1, num_outputs=3, results=3, name="uneven"),
    case("Split", floats(2, 6), axis=-1, num_outputs=3, results=3, name="even"),
    case("Split", floats(2, 6), np.array([1, 5]), axis=1, results=2, name="computed"),
    case("Pad", X, [0, 1, 0, 0, 0, 2], 1.5),
    case("Pad", X, [1, 2], None, [-1], name="axes"),
    case("Pad", X, [0, 0, 2, 0, 1, 1], mode="reflect", name="reflect"),
    case("Pad", X, [0, 1, 2, 0, 1, 1], mode="edge", name="edge"),
    case("Pad", X, [0, 0, 2, 0, 0, 1], mode="wrap", name="wrap"),
    case("Pad", ints(2, 3), [0, 1, 1, 0], 5, name="int64"),
    case("Pad", ints(2, 3), [0, -1, 1, 0], name="int64-cut"),
    case("Pad", ints(2, 4), [0, 2, 0, 1], mode="reflect", name="int64-reflect"),
    case("Pad", ints(2, 4, dtype=np.int32), [0, 2, 0, 1], name="int32"),
    case("Pad", X, np.array([0, 1, -1, 0, 0, 2]), name="computed"),
    case("Pad", floats(2, 3, dtype=np.float64), [0, 1, 1, 0], 0.1, name="float64"),
    case("TopK", X, [2], axis=-1, results=2),
    case("TopK", X, [2], axis=1, largest=0, results=2, name="smallest"),
    case("TopK", NANS, [8], largest=0, results=2, name="smallest-nan"),
    case("TopK", NANS.astype(np.float64), [5], largest=0, results=2, name="smallest-nan-float64"),
    case("TopK", NANS.astype(np.float16), [6], largest=0, results=2, name="smallest-nan-float16"),
    case("TopK", ints(3, 5, high=100, dtype=np.int32), [2], axis=1, largest=0, results=2, name="smallest-int32"),
    case("TopK", X, np.array([2]), axis=1, results=2, name="computed", since=10),
    case("TopK", ints(3, 5, high=100), [2], axis=1, results=2, name="int64"),
    case("TopK", WIDE[None], [9], axis=1, results=2, name="wide"),
    case("TopK", np.stack([WIDE, WIDE]), [5], axis=1, largest=0, results=2, name="wide-smallest"),
    case("TopK", ints(2, 6, low=0, high=4), [6], axis=1, largest=0, results=2, name="ties"),
    case("TopK", ints(2, 6, low=0, high=9, dtype=np.uint8), [3], axis=1, largest=0, results=2, name="uint8"),
    case("Reshape", X, [0, -1]),
    case("Reshape", floats(0, 3), [3, 0], allowzero=1, name="zero"),
    case("Reshape", X, [4, 6], allowzero=1, name="no-zero"),
    case("Shape", X, start=1),
    case("Shape", X, start=-2, end=-1, name="end"),
    case("DepthToSpace", floats(1, 8, 2, 3), blocksize=2, mode="CRD"),
    case("DepthToSpace", floats(1, 8, 2, 3), blocksize=2, mode="DCR", name="DCR"),
    case("SpaceToDepth", floats(1, 2, 4, 6), blocksize=2, mode="CRD"),
    case("SpaceToDepth", floats(1, 2, 4, 6), blocksize=2, name="DCR"),
    case("Max", X, floats(3, 1), name="broadcast"),
    case("Max", ints(2, 3), ints(3), name="int64"),
    case("Max", WIDE, np.roll(WIDE, 3), name="wide"),
    case("Min", WIDE, np.roll(WIDE, 2), 4, name="wide"),
    case("Min", ints(2, 3, dtype=np.int32), ints(3, dtype=np.int32), name="int32"),
    case("Sum", X, floats(4), floats(3, 1)),
    case("Mean", X, floats(4)),
    case("Clip", X, -0.5, 0.5),
    case("Clip", X, None, 0.5, name="max"),
    case("Clip", X, np.array(-0.5, np.float32), np.array(0.5, np.float32), name="computed"),
    case("Clip", ints(3, 4), -2, 3, name="int64"),
    case("Clip", WIDE, -(2**53), 2**62, name="wide"),
    case("Clip", ints(3, 4, dtype=np.int32), -2, None, name="int32"),
    case("Clip", floats(3, dtype=np.float64), -0.1, 0.1, name="float64"),
    case("Less", WIDE, np.roll(WIDE, 1), name="wide"),
    case("Greater", WIDE[:, None], WIDE, name="wide"),
    case("Greater", WIDE, 3, name="constant"),
    case("Less", UNSIGNED, np.roll(UNSIGNED, 1), name="uint64"),
    case("Equal", UNSIGNED[:, None], UNSIGNED, name="uint64"),
    case("Max", UNSIGNED, np.roll(UNSIGNED, 2), name="uint64"),
    case("Less", ints(4, dtype=np.int32), ints(4, dtype=np.int32), name="int32"),
    case("Equal", EDGES[:, None], EDGES, name="edges"),
    case("Equal", EDGES, 0.0, name="constant"),
    case("Equal", WIDE[:, None], WIDE, name="wide"),
    case("Equal", ints(4, low=0, high=2).astype(bool), ints(4, low=0, high=2).astype(bool), name="bool"),
    case("Pow", X, 2.0),
    case("Pow", X, np.abs(ints(2, 3, 4)), name="mixed"),
    case("Pow", X, 3, name="constant"),
    case("Pow", ints(3, 4), 3, name="int64"),
    case("Pow", ints(3, 4), 0, name="int64-zero"),
    case("Pow", ints(3, 4), ints(4, low=0, high=3), name="int64-computed"),
    case("Pow", np.array([1, -1, -1, 3, 2]), np.array([-3, -2, -3, -1, 62]), name="int64-negative"),
    case("Pow", ints(3, 4, dtype=np.int32), ints(4, low=0, high=3, dtype=np.int32), name="int32"),
    case("MatMul", ints(2, 3, 4), ints(4, 5), name="int64"),
    case("MatMul", ints(4), ints(2, 4, 5), name="int64-vector"),
    case("MatMul", ints(4), ints(4), name="int64-vectors"),
    case("Gemm", floats(3, 4), floats(5, 4), transB=1, alpha=0.5),
    case("Relu", ints(3, 4), name="int64"),
    case("Relu", ints(3, 4, dtype=np.int32), name="int32"),
    case("PRelu", X, floats(4)),
    case("Celu", floats(3, 4), alpha=1.5),
    case("Mod", ints(3, 4), ints(4, low=1)),
]

LAYERS = [
    case("BatchNormalization", IMAGE, floats(2), floats(2), floats(2), np.abs(floats(2)) + 1),
    case(
        "BatchNormalization",
        IMAGE,
        floats(2),
        floats(2),
        floats(2),
        np.abs(floats(2)) + 1,
        training_mode=1,
        results=3,
        name="training",
    ),
    case("Dropout", X, 0.5),
    case("Dropout", X, 0.5, results=2, name="mask"),
    case("MaxPool", IMAGE, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1, name="ceil", since_dynamic=10),
    case(
        "MaxPool",
        IMAGE,
        kernel_shape=[3, 2],
        strides=[2, 2],
        pads=[1, 1, 1, 1],
        ceil_mode=1,
        name="pads",
        since_dynamic=10,
    ),
    case("MaxPool", IMAGE, kernel_shape=[2, 2], dilations=[2, 1], name="dilated", since=10),
    case("MaxPool", IMAGE, kernel_shape=[2, 2], dilations=[1, 1], results=2, name="indices", since=8),
    case("AveragePool", IMAGE, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1, name="ceil", since_dynamic=10),
    case(
        "AveragePool",
        IMAGE,
        kernel_shape=[3, 3],
        strides=[2, 2],
        pads=[1, 1, 1, 1],
        ceil_mode=1,
        count_include_pad=1,
        name="ceil-count",
        since_dynamic=10,
    ),
    case("AveragePool", IMAGE, kernel_shape=[2, 2], dilations=[1, 2], name="dilated", since=19),
    case("LpPool", IMAGE, kernel_shape=[2, 2], strides=[2, 2], p=2),
    case("GatherND", floats(2, 3, 4), ints(2, 2, 1, low=0, high=3), batch_dims=1),
    case("GatherND", floats(2, 3, 4), ints(5, 2, low=0, high=2), name="plain"),
    case("GroupNormalization", floats(2, 4, 3, 3), floats(4), floats(4), num_groups=2),
    case(
        "Resize",
        IMAGE,
        None,
        [1, 1, 2, 3],
        mode="nearest",
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
        name="repeat",
    ),
    case("Resize", IMAGE, None, [1, 1, 2.0, 2.0], mode="nearest", name="repeat-half-pixel"),
    case(
        "Resize",
        IMAGE,
        None,
        None,
        [1, 2, 7, 4],
        mode="nearest",
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
        name="sizes",
        since_dynamic=11,
    ),
    case(
        "Resize",
        IMAGE,
        None,
        None,
        [1, 2, 7, 4],
        mode="linear",
        coordinate_transformation_mode="pytorch_half_pixel",
        name="linear",
        since_dynamic=11,
    ),
    case(
        "Resize",
        IMAGE,
        None,
        None,
        [1, 2, 7, 4],
        mode="linear",
        coordinate_transformation_mode="align_corners",
        name="corners",
        since_dynamic=11,
    ),
    case(
        "Resize",
        IMAGE,
        None,
        None,
        [1, 2, 7, 4],
        mode="cubic",
        coordinate_transformation_mode="half_pixel",
        name="cubic",
        since_dynamic=11,
    ),
    case(
        "Resize", IMAGE, None, None, [7, 4], mode="cubic", axes=[2, 3], exclude_outside=1, name="axes", since_dynamic=11
    ),
    case(
        "Resize",
        IMAGE,
        None,
        [1, 1, 1.5, 1.5],
        mode="linear",
        coordinate_transformation_mode="asymmetric",
        name="asymmetric",
        since_dynamic=11,
    ),
    case("Resize", IMAGE, None, None, [1, 2, 7, 4], mode="linear", antialias=1, name="antialias", since=18),
    case(
        "Resize",
        IMAGE,
        None,
        [1, 1, 0.6, 0.6],
        mode="linear",
        coordinate_transformation_mode="half_pixel_symmetric",
        name="symmetric",
        since_dynamic=19,
    ),
    case("DequantizeLinear", ints(2, 3, 4, low=0, high=255, dtype=np.uint8), 0.1, ints(dtype=np.uint8, low=9, high=99)),
    case(
        "DequantizeLinear", ints(2, 3, 4, dtype=np.int8), np.abs(floats(3)), ints(3, dtype=np.int8), axis=1, name="axis"
    ),
    case(
        "DequantizeLinear",
        ints(2, 3, 4, dtype=np.int16),
        np.abs(floats(3)),
        ints(3, dtype=np.int16),
        axis=1,
        name="int16",
    ),
    case("QuantizeLinear", X, 0.1, np.array(3, np.int8)),
    case("QuantizeLinear", X, np.abs(floats(3)) + 0.1, ints(3, dtype=np.int8), axis=1, name="axis"),
]


@pytest.mark.parametrize("settings", [*CASES, *LAYERS])
def test_call_means_the_same_at_every_opset(
    settings: dict[str, Any], check_everywhere: Callable[[Any], None], case_of: Callable[..., Any]
) -> None:
    check_everywhere(case_of(**settings))


@pytest.mark.parametrize("opset", [7, 9, 11, 13])
def test_dropout_of_training_drops_and_scales(
    opset: int, lower_build: Callable[..., onnx.ModelProto], run_model: Callable[..., list[Array]]
) -> None:
    data = floats(100, 100)

    def build(op: Op, x: Value) -> tuple[Value, ...]:
        return op.multi("Dropout", 2, x, 0.25, True)

    result, mask = run_model(lower_build(build, [data], opset), [data])
    assert mask.dtype == bool
    assert 0.7 < mask.mean() < 0.8
    np.testing.assert_allclose(result, np.where(mask, data / 0.75, 0), rtol=1e-6)
