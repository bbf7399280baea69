"""Rules of operators that reshape, join and part tensors."""

from __future__ import annotations

import numpy as np
import pytest
from onnxport_ir import DimSource, DType, Node, SymDim, TensorType, Value
from onnxport_ir.rules import ShapeMismatch, infer

n, m, h, w, k = (SymDim.named(name) for name in "nmhwk")
i64 = np.int64


def ints(*numbers):
    return np.array(numbers, np.int64)


X = ("f32", n, m, h, w)
OLD = {"last": 12}
NEW = {"first": 13}
CASES = {
    "Shape": ("Shape", [X], {}, {"known": True}),
    "Shape-part": ("Shape", [X], {"start": 1, "end": -1}, {"known": True, "first": 15}),
    "Shape-behind": ("Shape", [X], {"start": -9, "end": 9}, {"known": True, "first": 15}),
    "Shape-empty": ("Shape", [X], {"start": 3, "end": 1}, {"known": True, "first": 15}),
    "Shape-scalar": ("Shape", [("f32",)], {}, {"known": True}),
    "Size": ("Size", [X], {}, {"known": True}),
    "Squeeze-attribute": ("Squeeze", [("f32", 1, n, 1)], {"axes": (0,)}, OLD),
    "Squeeze-back": ("Squeeze", [("f32", 1, n, 1)], {"axes": (-1, 0)}, {"first": 11, "last": 12}),
    "Squeeze-operand": ("Squeeze", [("f32", 1, n, 1), ints(-1)], {}, NEW),
    "Squeeze-numbers": ("Squeeze", [("f32", 1, 3, 1)]),
    "Squeeze-unknown": ("Squeeze", [("f32", 1, n, 1)], {}, {"loose": -1}),
    "Squeeze-symbol": ("Squeeze", [("f32", n, h), ints(0)], {}, {"first": 13, "sizes": [{"n": 1, "h": 3}]}),
    "Squeeze-contents": ("Squeeze", [("sizes", n), ints(0)], {}, {"first": 13, "known": True}),
    "Unsqueeze-attribute": ("Unsqueeze", [("f32", n, h)], {"axes": (0, 2)}, OLD),
    "Unsqueeze-operand": ("Unsqueeze", [("f32", n, h), ints(-1, 0)], {}, NEW),
    "Unsqueeze-contents": ("Unsqueeze", [("size", n), ints(0)], {}, {"first": 13, "known": True}),
    "Unsqueeze-contents-attribute": ("Unsqueeze", [("size", n)], {"axes": (0,)}, {"last": 12, "known": True}),
    "Unsqueeze-dynamic": ("Unsqueeze", [("f32", n, h), ("i64", 1)], {}, {"first": 13, "loose": 3}),
    "Reshape-constant": ("Reshape", [("f32", n, 6), ints(-1, 3)]),
    "Reshape-copy": ("Reshape", [("f32", n, h, 6), ints(0, 0, 2, 3)]),
    "Reshape-infer": ("Reshape", [("f32", n, h, 6), ints(0, -1, 3)]),
    "Reshape-flat": ("Reshape", [("f32", n, h, 6), ints(-1)]),
    "Reshape-symbols": ("Reshape", [("f32", n, h, w), ("sizes", n, h * w)]),
    "Reshape-symbols-infer": ("Reshape", [("f32", n, h, w), ("sizes", n, -1)]),
    "Reshape-product": ("Reshape", [("f32", n * h, w), ("sizes", n, h, -1)]),
    "Reshape-polynomial": ("Reshape", [("f32", n * h + n, w + 1), ("sizes", h + 1, w + 1, -1)]),
    "Reshape-floor": ("Reshape", [("f32", n * h, 4), ("sizes", -1, 2 * h)]),
    "Reshape-odd": ("Reshape", [("f32", n, 4), ints(2, -1)]),
    "Reshape-zero": ("Reshape", [("f32", 0, n), ints(0, 5)], {"allowzero": 1}, {"first": 14}),
    "Reshape-scalar": ("Reshape", [("f32", 1, 1), np.zeros(0, np.int64)]),
    "Reshape-contents": ("Reshape", [("sizes", n), np.zeros(0, np.int64)], {}, {"known": True}),
    "Reshape-contents-1": ("Reshape", [("size", n), ints(1)], {}, {"known": True}),
    "Expand": ("Expand", [("f32", n, 1), ("sizes", n, h)]),
    "Expand-front": ("Expand", [("f32", n, 1), ("sizes", m, 1, h)]),
    "Expand-stay": ("Expand", [("f32", n, 3), ("sizes", 1, 1)]),
    "Expand-contents": ("Expand", [("sizes", n), ints(3)], {}, {"known": True}),
    "Tile": ("Tile", [("f32", n, h), ints(2, 1)]),
    "Tile-symbols": ("Tile", [("f32", n, h), ("sizes", 1, m)]),
    "Transpose": ("Transpose", [X], {"perm": (0, 2, 3, 1)}),
    "Transpose-default": ("Transpose", [X]),
    "Flatten": ("Flatten", [X]),
    "Flatten-0": ("Flatten", [X], {"axis": 0}),
    "Flatten-end": ("Flatten", [X], {"axis": 4}),
    "Flatten-back": ("Flatten", [X], {"axis": -1}, {"first": 11}),
    "Concat": ("Concat", [("f32", n, h), ("f32", n, 3), ("f32", n, w)], {"axis": 1}),
    "Concat-back": ("Concat", [("f32", n, h), ("f32", m, h)], {"axis": -2}, {"first": 11}),
    "Concat-same": ("Concat", [("f32", 2, h), ("f32", n, w)], {"axis": 1}, {"sizes": [{"n": 2, "h": 3, "w": 4}]}),
    "Concat-contents": ("Concat", [("sizes", n, 1), ints(-1), ("sizes", h)], {"axis": 0}, {"known": True}),
    "Split": ("Split", [("f32", n, 6)], {"axis": 1}, {"results": 3, "last": 17}),
    "Split-sizes": ("Split", [("f32", n, 6)], {"axis": 1, "split": (1, 5)}, {"results": 2, "last": 12}),
    "Split-operand": ("Split", [("f32", n, 6), ints(4, 2)], {"axis": -1}, {"results": 2, "first": 13}),
    "Split-symbols": ("Split", [("f32", n + h, 6), ("sizes", n, h)], {"axis": 0}, {"results": 2, "first": 13}),
    "Split-even": ("Split", [("f32", 3 * n, 6)], {}, {"results": 3, "last": 17}),
    "Split-halves": ("Split", [("f32", h, 6)], {}, {"results": 2, "last": 17, "sizes": [{"h": 8}, {"h": 2}]}),
    "Split-outputs": ("Split", [("f32", w, 6)], {"num_outputs": 3}, {"results": 3, "first": 18}),
    "Split-outputs-number": ("Split", [("f32", 7, n)], {"num_outputs": 3}, {"results": 3, "first": 18}),
    "Split-contents": ("Split", [("sizes", n, h, 5)], {"split": (1, 2)}, {"results": 2, "last": 12, "known": True}),
    "Pad-attribute": ("Pad", [("f32", n, h)], {"pads": (0, 1, 2, 3)}, {"last": 10}),
    "Pad-operand": ("Pad", [("f32", n, h), ints(0, 1, 2, 3)], {}, {"first": 11}),
    "Pad-negative": ("Pad", [("f32", n, h), ints(0, -1, 0, -2)], {}, {"first": 11}),
    "Pad-symbols": ("Pad", [("f32", n, h), ("sizes", 0, w, m, 1)], {}, {"first": 11}),
    "Pad-axes": ("Pad", [("f32", n, h, w), ints(1, 2), None, ints(-1)], {}, {"first": 18}),
    "Pad-dynamic": ("Pad", [("f32", n, h), ("i64", 4)], {}, {"first": 11, "loose": 2}),
    "DepthToSpace": ("DepthToSpace", [("f32", n, 4 * k, h, w)], {"blocksize": 2}),
    "DepthToSpace-number": ("DepthToSpace", [("f32", n, 8, h, w)], {"blocksize": 2, "mode": "CRD"}, {"first": 11}),
    "SpaceToDepth": ("SpaceToDepth", [("f32", n, 3, 2 * h, 2 * w)], {"blocksize": 2}),
    "SpaceToDepth-floor": ("SpaceToDepth", [("f32", n, 3, h, 4)], {"blocksize": 2}, {"sizes": [{"n": 1, "h": 6}]}),
}


def test_type_is_that_of_the_runtime(case, oracle):
    opset, op, operands, attributes, options = case
    oracle.check(opset, op, operands, attributes, **options)


def of(*shape):
    return Value(TensorType(DType.FLOAT32, shape))


def typed(op, operands, opset=18, results=1, **attributes):
    node = Node(op, operands, attributes, result_types=[None] * results)
    return [str(t) for t in infer(node, opset, DimSource())]


@pytest.mark.parametrize(
    ("op", "operands", "attributes"),
    [
        ("Add", [of(2), of(3)], {}),
        ("MatMul", [of(2, 3), of(4, 5)], {}),
        ("Gemm", [of(2, 3), of(4, 5)], {}),
        ("Reshape", [of(2, 3), Value.of(ints(4, 2))], {}),
        ("Reshape", [of(2, 3), Value.of(ints(4, -1))], {}),
        ("Reshape", [of(2, 3), Value.of(ints(-1, -1))], {}),
        ("Reshape", [of(0, n), Value.of(ints(0, -1))], {}),
        ("Concat", [of(2, 3), of(3, 3)], {"axis": 1}),
        ("Concat", [of(2, 3), of(3)], {"axis": 0}),
        ("Squeeze", [of(2, 3)], {"axes": (0,)}),
        ("Unsqueeze", [of(2, 3)], {"axes": (0, 0)}),
        ("Transpose", [of(2, 3)], {"perm": (0, 0)}),
        ("Conv", [of(n, 3, 8, 8), of(4, 5, 3, 3)], {}),
        ("Conv", [of(n, 3, 2, 2), of(4, 3, 3, 3)], {}),
        ("Split", [of(5)], {"split": (2, 2)}),
        ("TopK", [of(2), Value.of(ints(3))], {}),
    ],
)
def test_contradiction_names_both_types(op, operands, attributes):
    with pytest.raises(ShapeMismatch) as caught:
        typed(op, operands, results=2 if op == "Split" else 1, **attributes)
    assert all(str(value.value_type) in str(caught.value) for value in operands)


def test_unknown_operands_keep_what_is_known():
    unknown = Value(TensorType(DType.FLOAT32))
    assert typed("Reshape", [unknown, Value.of(ints(0, 3, -1))]) == ["f32[?0,3,?1]"]
    assert typed("Reshape", [of(n), Value(TensorType(DType.INT64, (3,)))]) == ["f32[?0,?1,?2]"]
    assert typed("Reshape", [of(n), Value(TensorType(DType.INT64, (n,)))]) == ["f32[...]"]
    assert typed("Concat", [of(n, 3), unknown], axis=1) == ["f32[n,?0]"]
    assert typed("Expand", [of(n, 3), Value(TensorType(DType.INT64, (3,)))]) == ["f32[?0,?1,3]"]
    assert typed("Expand", [of(n, 2, 3), Value(TensorType(DType.INT64, (1,)))]) == ["f32[n,2,3]"]
    assert typed("Expand", [of(n, 2, 1), Value(TensorType(DType.INT64, (2,)))]) == ["f32[n,2,?1]"]
    assert typed("Expand", [of(2), Value(TensorType(DType.INT64, (2,)))]) == ["f32[?0,2]"]
    assert typed("Tile", [unknown, Value.of(ints(1, 2))]) == ["f32[?0,?1]"]
    assert typed("Tile", [of(n), Value(TensorType(DType.INT64, (1,)))]) == ["f32[?0]"]
    assert typed("Pad", [of(n, 3), Value.of(ints(0, 1)), None, Value(TensorType(DType.INT64, (1,)))]) == ["f32[?0,?1]"]
    assert typed("Split", [unknown], results=2) == ["f32[...]", "f32[...]"]
    assert typed("Split", [of(n, 3), Value(TensorType(DType.INT64, (2,)))], results=2) == ["f32[?0,3]", "f32[?1,3]"]
    assert typed("Unsqueeze", [of(n), Value(TensorType(DType.INT64))]) == ["f32[...]"]
    assert typed("DepthToSpace", [unknown], blocksize=2) == ["f32[?0,?1,?2,?3]"]
    assert typed("Slice", [unknown, Value.of(ints(0)), Value.of(ints(1))]) == ["f32[...]"]
    assert typed("Slice", [of(n, 3), Value.of(ints(0)), Value(TensorType(DType.INT64, (1,)))]) == ["f32[?0,3]"]
    assert typed("Slice", [of(n), Value.of(ints(0)), Value.of(ints(1)), Value(TensorType(DType.INT64, (1,)))]) == [
        "f32[?0]"
    ]
    assert typed("Transpose", [unknown], perm=(1, 0)) == ["f32[?0,?1]"]
    assert typed("Flatten", [unknown]) == ["f32[?0,?1]"]
    assert typed("Shape", [unknown]) == ["i64[?0]"]
    assert typed("Add", [of(n), unknown]) == ["f32[...]"]
    assert typed("Squeeze", [unknown], axes=(0,)) == ["f32[...]"]


def test_weights_say_nothing_about_shapes():
    shape = Value.of(ints(2, 3))
    shape.is_weight = True
    assert typed("Reshape", [of(n), shape]) == ["f32[?0,?1]"]
