"""Rules of reductions and matrix products."""

from __future__ import annotations

import numpy as np
from onnxport_ir import SymDim

n, m, h, w, k = (SymDim.named(name) for name in "nmhwk")
X = ("f32", n, m, h)


def ints(*numbers):
    return np.array(numbers, np.int64)


REDUCE = [
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSumSquare",
]
OLD = {"last": 17}
NEW = {"first": 18}
U8, F32 = np.uint8(1), np.float32(1)

CASES = {
    **{op: (op, [X], {"axes": (1,)}, OLD) for op in REDUCE},
    **{f"{op}-all": (op, [X], {"keepdims": 0}) for op in [*REDUCE, "ReduceSum"]},
    **{f"{op}-back": (op, [X], {"axes": (-1, 0), "keepdims": 0}, {"first": 11, "last": 17}) for op in REDUCE},
    **{f"{op}-operand": (op, [X, ints(-1, 0)], {"keepdims": 0}, NEW) for op in REDUCE},
    **{f"{op}-noop": (op, [X], {"noop_with_empty_axes": 1}, NEW) for op in REDUCE},
    **{f"{op}-empty": (op, [X, ints()], {}, NEW) for op in REDUCE},
    "ReduceSum-attribute": ("ReduceSum", [X], {"axes": (2,), "keepdims": 0}, {"last": 12}),
    "ReduceSum-operand": ("ReduceSum", [X, ints(2)], {"keepdims": 1}, {"first": 13}),
    "ReduceSum-noop": ("ReduceSum", [X, ints()], {"noop_with_empty_axes": 1}, {"first": 13}),
    "ReduceSum-dynamic": ("ReduceSum", [X, ("i64", 1)], {"keepdims": 0}, {"first": 13, "loose": 2}),
    "ReduceSum-dynamic-keep": ("ReduceSum", [X, ("i64", 1)], {}, {"first": 13, "loose": 3}),
    "ReduceMax-int": ("ReduceMax", [("i64", n, h)], {"keepdims": 0}),
    "ReduceProd-contents": ("ReduceProd", [("sizes", n, h, 2)], {"keepdims": 0}, {"known": True}),
    "ReduceProd-contents-keep": ("ReduceProd", [("sizes", n, h, 2)], {}, {"known": True}),
    "ReduceSum-contents": ("ReduceSum", [("sizes", n, h, 2)], {"keepdims": 0}, {"known": True}),
    "ReduceMax-contents": ("ReduceMax", [("sizes", n, 5)], {"keepdims": 0}, {"known": True}),
    "ReduceMin-contents": ("ReduceMin", [("sizes", n, h)], {"keepdims": 0}, {"known": True}),
    "ArgMax": ("ArgMax", [X], {"axis": 1}),
    "ArgMin": ("ArgMin", [X], {"axis": 2, "keepdims": 0}),
    "ArgMax-default": ("ArgMax", [X]),
    "MatMul": ("MatMul", [("f32", n, h, 4), ("f32", 4, w)]),
    "MatMul-stack": ("MatMul", [("f32", n, 1, h, 4), ("f32", m, 4, w)]),
    "MatMul-vector": ("MatMul", [("f32", 4), ("f32", n, 4, w)]),
    "MatMul-vector-right": ("MatMul", [("f32", n, h, 4), ("f32", 4)]),
    "MatMul-dot": ("MatMul", [("f64", h), ("f64", h)]),
    "MatMul-int": ("MatMul", [("i64", n, h), ("i64", h, 3)], {}, {"first": 9}),
    "MatMulInteger": ("MatMulInteger", [("u8", n, h, 4), ("i8", 4, w)]),
    "QLinearMatMul": ("QLinearMatMul", [("u8", n, h), F32, U8, ("u8", h, 4), F32, U8, F32, U8]),
    "Gemm": ("Gemm", [("f32", n, h), ("f32", h, 4), ("f32", 4)]),
    "Gemm-transposed": ("Gemm", [("f32", h, n), ("f32", 4, h), ("f32", 1)], {"transA": 1, "transB": 1}),
    "Einsum": ("Einsum", [("f32", n, h, 4), ("f32", n, 4, w)], {"equation": "bij,bjk->bik"}),
    "Einsum-ellipsis": ("Einsum", [("f32", n, m, h, 4), ("f32", 1, m, 4, w)], {"equation": "...ij,...jk->...ik"}),
    "Einsum-implicit": ("Einsum", [("f32", n, h), ("f32", h, w)], {"equation": "zj, ja"}),
    "Einsum-scalar": ("Einsum", [("f32", h, h)], {"equation": "ii->"}),
    "Det": ("Det", [("f32", n, m, 3, 3)]),
    "Det-matrix": ("Det", [("f32", 3, 3)]),
    "NegativeLogLikelihoodLoss": (
        "NegativeLogLikelihoodLoss",
        [("f32", n, 5, h), ("i64", n, h)],
        {"reduction": "none"},
    ),
    "NegativeLogLikelihoodLoss-mean": ("NegativeLogLikelihoodLoss", [("f32", n, 5), ("i64", n)]),
    "SoftmaxCrossEntropyLoss": ("SoftmaxCrossEntropyLoss", [("f32", n, 5), ("i64", n)], {}, {"results": 2}),
}


def test_type_is_that_of_the_runtime(case, oracle):
    opset, op, operands, attributes, options = case
    oracle.check(opset, op, operands, attributes, **options)
