"""Rules of convolution and pooling."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from onnxport_ir import DimSource, DType, Node, SymDim, TensorType, Value
from onnxport_ir.rules import ShapeMismatch, infer

n, m, h, w, k = (SymDim.named(name) for name in "nmhwk")
X = ("f32", n, 4, h, w)
WINDOWS = list(itertools.product((1, 2, 3), (1, 2, 3), ((0, 0), (1, 0), (0, 1))))
WIDE = [{"n": 1, "h": size, "w": size + 1} for size in (7, 8, 10)]


def ints(*numbers):
    return np.array(numbers, np.int64)


def conv(weight=("f32", 6, 4, 3, 3), **attributes):
    return ("Conv", [X, weight], attributes, {"sizes": WIDE})


def transposed(weight=("f32", 4, 6, 3, 3), **attributes):
    return ("ConvTranspose", [X, weight], attributes, {"sizes": WIDE})


def pool(op, first=7, results=1, loose=0, **attributes):
    return (op, [X], attributes, {"sizes": WIDE, "first": first, "results": results, "loose": loose})


CASES = {
    "Conv": conv(),
    "Conv-padded": conv(pads=(1, 1, 1, 1), strides=(2, 2), kernel_shape=(3, 3)),
    "Conv-uneven": conv(pads=(0, 1, 2, 1), strides=(3, 1), dilations=(1, 2)),
    "Conv-group": conv(("f32", 8, 1, 3, 3), group=4),
    "Conv-same-upper": conv(auto_pad="SAME_UPPER", strides=(2, 3)),
    "Conv-same-lower": conv(auto_pad="SAME_LOWER"),
    "Conv-valid": conv(auto_pad="VALID", strides=(2, 2)),
    "Conv-1d": ("Conv", [("f32", n, 4, h), ("f32", 6, 4, 3), ("f32", 6)], {"pads": (1, 1)}),
    "Conv-3d": ("Conv", [("f32", n, 4, 5, h, w), ("f32", 6, 4, 1, 3, 3)], {"strides": (1, 2, 2)}),
    "Conv-symbolic-channels": ("Conv", [("f32", n, m, h), ("f32", k, m, 3)]),
    "Conv-symbolic-kernel": ("Conv", [("f32", n, m, h), ("f32", 3, m, k)], {"pads": (2, 2)}),
    "ConvInteger": ("ConvInteger", [("u8", n, 4, h, w), ("u8", 6, 4, 3, 3)]),
    "QLinearConv": (
        "QLinearConv",
        [("u8", n, 4, h, w), np.float32(1), np.uint8(0), ("u8", 6, 4, 3, 3), *[np.float32(1), np.uint8(0)] * 2],
    ),
    "ConvTranspose": transposed(),
    "ConvTranspose-padded": transposed(pads=(1, 1, 1, 1), strides=(2, 2), output_padding=(1, 1)),
    "ConvTranspose-dilated": transposed(pads=(0, 1, 2, 1), strides=(3, 1), dilations=(1, 2)),
    "ConvTranspose-group": transposed(("f32", 4, 3, 2, 2), group=2),
    "ConvTranspose-shape": (
        "ConvTranspose",
        [("f32", n, 4, 5, 5), ("f32", 4, 6, 3, 3)],
        {"output_shape": (10, 11), "strides": (2, 2)},
    ),
    "ConvTranspose-same": transposed(auto_pad="SAME_UPPER", strides=(2, 2)),
    "ConvTranspose-valid": transposed(auto_pad="VALID", strides=(2, 2)),
    "MaxPool": pool("MaxPool", kernel_shape=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1)),
    "MaxPool-indices": pool("MaxPool", 8, results=2, kernel_shape=(2, 2)),
    "MaxPool-dilated": pool("MaxPool", 10, kernel_shape=(2, 2), dilations=(3, 2)),
    "MaxPool-same": pool("MaxPool", kernel_shape=(3, 3), strides=(2, 2), auto_pad="SAME_UPPER"),
    "MaxPool-same-lower": pool("MaxPool", kernel_shape=(2, 2), auto_pad="SAME_LOWER"),
    "MaxPool-valid": pool("MaxPool", kernel_shape=(3, 3), strides=(2, 2), auto_pad="VALID"),
    "MaxPool-ceil": pool("MaxPool", 10, kernel_shape=(3, 3), strides=(2, 2), ceil_mode=1),
    "MaxPool-ceil-padded": pool("MaxPool", 10, kernel_shape=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1), ceil_mode=1),
    "MaxPool-ceil-dropped": pool(
        "MaxPool", 10, loose=2, kernel_shape=(2, 2), strides=(3, 3), pads=(1, 1, 1, 1), ceil_mode=1
    ),
    "AveragePool": pool("AveragePool", kernel_shape=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1)),
    "AveragePool-same": pool("AveragePool", kernel_shape=(3, 3), strides=(2, 2), auto_pad="SAME_LOWER"),
    "AveragePool-ceil": pool("AveragePool", 10, kernel_shape=(3, 3), strides=(2, 2), ceil_mode=1),
    "AveragePool-ceil-dropped": pool(
        "AveragePool", 10, loose=2, kernel_shape=(2, 2), strides=(3, 3), pads=(1, 1, 1, 1), ceil_mode=1
    ),
    "AveragePool-dilated": pool("AveragePool", 19, kernel_shape=(2, 2), dilations=(3, 2)),
    "LpPool": pool("LpPool", kernel_shape=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1)),
    "LpPool-ceil": pool("LpPool", 18, kernel_shape=(3, 3), strides=(2, 2), ceil_mode=1),
    "GlobalAveragePool": ("GlobalAveragePool", [X]),
    "GlobalMaxPool": ("GlobalMaxPool", [("f32", n, m, h)]),
    "GlobalLpPool": ("GlobalLpPool", [X], {}, {"last": 21}),
    "MaxUnpool": (
        "MaxUnpool",
        [("f32", n, 1, h, 2), np.zeros((2, 1, 8, 2), np.int64)],
        {"kernel_shape": (2, 2), "strides": (2, 2)},
        {"sizes": [{"n": 2, "h": 8}]},
    ),
    "MaxUnpool-shape": (
        "MaxUnpool",
        [("f32", 1, 1, 2, 2), np.zeros((1, 1, 2, 2), np.int64), ints(1, 1, 5, 5)],
        {"kernel_shape": (2, 2), "strides": (2, 2)},
    ),
    "DeformConv": (
        "DeformConv",
        [X, ("f32", 6, 4, 3, 3), ("f32", n, 18, h, w)],
        {"pads": (1, 1, 1, 1), "kernel_shape": (3, 3)},
    ),
    "Col2Im": ("Col2Im", [("f32", n, 8 * m, 12), ints(4, 5), ints(2, 2)]),
    "Col2Im-symbols": ("Col2Im", [("f32", n, 8, h), ("sizes", h, 1), ints(1, 1)]),
}


def test_type_is_that_of_the_runtime(case, oracle):
    opset, op, operands, attributes, options = case
    oracle.check(opset, op, operands, attributes, **options)


@pytest.mark.parametrize(("kernel", "stride", "pads"), WINDOWS)
@pytest.mark.parametrize("ceil_mode", [0, 1])
def test_windows_of_every_kind(oracle, kernel, stride, pads, ceil_mode):
    if max(pads) >= kernel:
        pads = (0, 0)
    attributes = {"kernel_shape": (kernel,), "strides": (stride,), "pads": pads, "ceil_mode": ceil_mode}
    sizes = [{"n": 1, "h": size} for size in range(3, 10)]
    oracle.check(22, "MaxPool", [("f32", n, 2, h)], attributes, loose=ceil_mode, sizes=sizes)


def test_common_ceil_mode_has_a_formula():
    x = Value(TensorType(DType.FLOAT32, (n, 3, h)))
    for kernel, stride, pads in [(3, 2, (0, 0)), (2, 2, (0, 0)), (3, 2, (1, 1))]:
        node = Node("MaxPool", [x], {"kernel_shape": (kernel,), "strides": (stride,), "pads": pads, "ceil_mode": 1})
        (found,) = infer(node, 18, DimSource())
        assert "?" not in str(found)


def test_unknown_operands_keep_what_is_known():
    unknown, x, weight = (Value(TensorType(DType.FLOAT32, shape)) for shape in (None, (n, 3, h), (8, 3, 5)))

    def typed(op, operands, **attributes):
        return str(infer(Node(op, operands, attributes), 18, DimSource())[0])

    assert typed("Conv", [unknown, weight]) == "f32[?0,8,?1]"
    assert typed("Conv", [x, unknown]) == "f32[n,?0,?1]"
    assert typed("Conv", [unknown, unknown]) == "f32[...]"
    assert typed("ConvTranspose", [x, unknown]) == "f32[?0,?1,?2]"
    assert typed("ConvTranspose", [unknown, unknown]) == "f32[...]"
    assert typed("MaxPool", [unknown], kernel_shape=(2, 2)) == "f32[?0,?1,?2,?3]"
    assert typed("GlobalMaxPool", [unknown]) == "f32[...]"


@pytest.mark.parametrize(
    ("shapes", "attributes"),
    [
        (((2, 3), (8, 3)), {}),
        (((2, 3, 9), (8, 3, 3, 3)), {}),
        (((2, 3, 9), (8, 3, 3)), {"strides": (1, 1)}),
        (((2, 3, 9), (8, 3, 3)), {"pads": (1,)}),
        (((2, 3, 9), (8, 3, 3)), {"strides": (0,)}),
    ],
)
def test_contradictions(shapes, attributes):
    node = Node("Conv", [Value(TensorType(DType.FLOAT32, shape)) for shape in shapes], attributes)
    with pytest.raises(ShapeMismatch):
        infer(node, 18, DimSource())
