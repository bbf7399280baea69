"""Rules of operators that make tensors from sizes, and of Resize."""

from __future__ import annotations

import numpy as np
import pytest
from onnxport_ir import ArrayTensor, SymDim

n, m, h, w, k = (SymDim.named(name) for name in "nmhwk")
X = ("f32", n, 3, h, w)


def ints(*numbers):
    return np.array(numbers, np.int64)


def floats(*numbers):
    return np.array(numbers, np.float32)


def tensor(array):
    return ArrayTensor.of(array)


CASES = {
    "Constant": ("Constant", [], {"value": tensor(ints(1, 2))}, {"known": False}),
    "Constant-int": ("Constant", [], {"value_int": 3}, {"first": 12}),
    "Constant-ints": ("Constant", [], {"value_ints": (3, 4)}, {"first": 12}),
    "Constant-float": ("Constant", [], {"value_float": 3.0}, {"first": 12}),
    "Constant-floats": ("Constant", [], {"value_floats": (3.0, 4.0)}, {"first": 12}),
    "ConstantOfShape": ("ConstantOfShape", [("sizes", n, 2)]),
    "ConstantOfShape-int": ("ConstantOfShape", [ints(2)], {"value": tensor(ints(-1))}, {"known": True}),
    "ConstantOfShape-scalar": ("ConstantOfShape", [ints()], {"value": tensor(ints(7))}, {"known": True}),
    "ConstantOfShape-dynamic": ("ConstantOfShape", [("i64", 3)], {}, {"loose": 3}),
    "Range": ("Range", [np.int64(0), ("size", n), np.int64(1)]),
    "Range-from": ("Range", [("size", n), ("size", n + h), np.int64(1)]),
    "Range-step": ("Range", [np.int64(0), ("size", h), np.int64(3)]),
    "Range-back": ("Range", [("size", h), np.int64(-1), np.int64(-1)]),
    "Range-nothing": ("Range", [("size", h), ("size", n), np.int64(1)]),
    "Range-less": ("Range", [np.int64(0), ("size", n - 2), np.int64(1)], {}, {"sizes": [{"n": 0}, {"n": 1}, {"n": 4}]}),
    "Range-numbers": ("Range", [np.int64(5), np.int64(-2), np.int64(-2)], {}, {"known": True}),
    "Range-float": ("Range", [np.float32(0), np.float32(1), np.float32(0.25)]),
    "Range-dynamic": ("Range", [("i64",), ("i64",), np.int64(1)], {}, {"loose": 1}),
    "EyeLike": ("EyeLike", [("f32", n, h)]),
    "EyeLike-dtype": ("EyeLike", [("i32", n, h)], {"dtype": 1}),
    "OneHot": ("OneHot", [("i64", n, h), np.int64(6), floats(0, 1)]),
    "OneHot-axis": ("OneHot", [("i64", n, h), ints(6), floats(0, 1)], {"axis": 1}),
    "OneHot-symbol": ("OneHot", [("i64", n), ("size", h), ints(0, 1)], {"axis": 0}),
    "RandomNormal": ("RandomNormal", [], {"shape": (2, 3)}, {"last": 21}),
    "RandomUniform": ("RandomUniform", [], {"shape": (2, 3), "dtype": 11}, {"last": 21}),
    "RandomNormalLike": ("RandomNormalLike", [("f32", n, h)], {}, {"last": 21}),
    "RandomUniformLike": ("RandomUniformLike", [("i64", n, h)], {"dtype": 1}, {"last": 21}),
    "Multinomial": ("Multinomial", [("f32", n, 4)], {"sample_size": 5}, {"last": 21}),
    "Multinomial-dtype": ("Multinomial", [("f32", n, 4)], {"dtype": 7}, {"last": 21}),
    "HannWindow": ("HannWindow", [np.int64(5)]),
    "HammingWindow": ("HammingWindow", [("size", n)], {"output_datatype": 11}),
    "BlackmanWindow": ("BlackmanWindow", [("size", h)]),
    "MelWeightMatrix": (
        "MelWeightMatrix",
        [np.int64(4), np.int64(16), np.int64(8000), np.float32(0), np.float32(4000)],
    ),
    "AffineGrid": ("AffineGrid", [("f32", n, 2, 3), ("sizes", n, 3, h, w)]),
    "AffineGrid-3d": ("AffineGrid", [("f32", n, 3, 4), ("sizes", n, 3, h, w, 2)]),
    "Upsample-7": ("Upsample", [X], {"scales": (1.0, 1.0, 2.0, 3.0)}, {"last": 8}),
    "Upsample-9": ("Upsample", [X, floats(1, 1, 2, 3)], {}, {"first": 9, "last": 9}),
    "Resize-10": ("Resize", [X, floats(1, 1, 2, 0.5)], {}, {"last": 10}),
    "Resize-scales": ("Resize", [X, floats(), floats(1, 1, 2, 0.5)], {}, {"first": 11}),
    "Resize-scales-13": ("Resize", [X, None, floats(1, 1, 2, 0.25)], {}, {"first": 13}),
    "Resize-odd": ("Resize", [X, None, floats(1, 1, 1.3, 0.7)], {}, {"first": 13, "loose": 2}),
    "Resize-odd-number": ("Resize", [("f32", n, 3, 7, 9), None, floats(1, 1, 1.3, 0.71)], {}, {"first": 13}),
    "Resize-sizes": ("Resize", [X, None, None, ("sizes", n, 3, 2 * h, 7)], {}, {"first": 13}),
    "Resize-sizes-11": ("Resize", [X, floats(), floats(), ("sizes", n, 3, 2 * h, 7)], {}, {"first": 11, "last": 12}),
    "Resize-axes": ("Resize", [X, None, None, ("sizes", 5, h)], {"axes": (3, 2)}, {"first": 18}),
    "Resize-axes-scales": ("Resize", [X, None, floats(3, 2)], {"axes": (-1, 2)}, {"first": 18}),
    "Resize-policy": (
        "Resize",
        [X, None, None, ints(20, 20)],
        {"axes": (2, 3), "keep_aspect_ratio_policy": "not_larger"},
        {"first": 18, "loose": 2},
    ),
    "Resize-crop": (
        "Resize",
        [X, floats(0, 0, 0, 0, 1, 1, 0.5, 0.5), floats(1, 1, 2, 2)],
        {"coordinate_transformation_mode": "tf_crop_and_resize"},
        {"first": 11, "loose": 4},
    ),
}


def test_type_is_that_of_the_runtime(case, oracle):
    opset, op, operands, attributes, options = case
    oracle.check(opset, op, operands, attributes, **options)


@pytest.mark.parametrize("scale", [0.1, 0.3, 1 / 3, 0.5, 0.7, 0.9, 1.1, 1.5, 2.0, 2.3, 3.0])
def test_sizes_of_resize_where_rounding_is_close(oracle, scale):
    for size in range(3, 40, 3):
        oracle.check(19, "Resize", [("f32", 1, 1, size), None, floats(1, 1, scale)], loose=1)


@pytest.mark.parametrize("delta", [0.1, 0.3, 1 / 3, 0.5, 0.7, -0.25, 1.0])
def test_length_of_a_range_where_rounding_is_close(oracle, delta):
    for steps in (1, 3, 7, 10):
        limit = np.float32(np.float32(delta) * steps)
        oracle.check(19, "Range", [np.float32(0), limit, np.float32(delta)], loose=1)
