"""Evaluation against ONNX Runtime, for every element type that an operator takes there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxport_ir import ArrayTensor, Block, DimSource, DType, Model, Node, RefAttr, SymDim, TensorType, Value
from onnxport_ir.evaluate import can_evaluate, evaluate
from onnxport_ir.naming import assign_names
from onnxport_ir.proto import encode
from onnxport_ir.rules import infer

OPSETS = (7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 24, 25)
FLOATS = (np.float32, np.float64, np.float16)
INTS = (np.int64, np.int32, np.int16, np.int8, np.uint64, np.uint32, np.uint16, np.uint8)
NUMBERS = FLOATS + INTS
ALL = (*NUMBERS, np.bool_)
FAR = 2**63 - 1


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def some(shape: tuple[int, ...], low: float = -9, high: float = 9, seed: int = 0) -> Any:
    """Makes numbers between the bounds of any type, in the order given by the seed."""

    def make(dtype: Any) -> np.ndarray:
        rng = np.random.default_rng(seed)
        if dtype is np.bool_:
            return np.asarray(rng.integers(0, 2, shape), np.bool_)
        bottom = max(low, 0) if np.dtype(dtype).kind == "u" else low
        if np.dtype(dtype).kind == "f":
            return np.asarray(rng.uniform(bottom, high, shape), dtype)
        return np.asarray(rng.integers(int(bottom), int(high) + 1, shape), dtype)

    return make


def of(*numbers: Any) -> Any:
    """Makes these numbers of any type."""

    def make(dtype: Any) -> np.ndarray:
        # A number beyond half precision is infinite in it, as wanted.
        with np.errstate(over="ignore"):
            return np.array(numbers, dtype)

    return make


X, Y, ROW, ONE = some((2, 3)), some((2, 3), seed=1), some((3,), seed=2), some((), 1, 5, seed=3)
POSITIVE = some((2, 3), 1, 9, seed=4)
NONZERO = of(-3, 2, 5)
EDGES = of(-np.inf, -2.5, -0.5, -0.0, 0.0, 0.5, 1.5, 2.5, np.inf, np.nan)
BINARY = [(X, Y), (X, ROW), (ONE, X)]

#: operator -> (operands, attributes, element types, first opset, last opset), any number of them
CASES: list[tuple[str, tuple[Any, ...], dict[str, Any], Any, int, int]] = []


def case(op: str, *operands: Any, types: Any = NUMBERS, first: int = 7, last: int = 99, **attributes: Any) -> None:
    CASES.append((op, operands, attributes, types, first, last))


for op in ("Add", "Sub", "Mul"):
    for pair in BINARY:
        case(op, *pair)
case("Add", EDGES, EDGES, types=FLOATS)
case("Mul", of(2**62, -(2**62), 3), of(7, 5, 2**62), types=(np.int64,))
case("Div", X, POSITIVE)
case("Div", some((4, 3)), NONZERO, types=(np.int64, np.int32, *FLOATS))
case("Div", X, some((2, 3), 0, 1), types=FLOATS)
for op in ("Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"):
    for pair in BINARY:
        case(op, *pair)
    case(op, EDGES, of(np.nan), types=FLOATS)
case("Equal", X, Y, types=(np.bool_,))
for op in ("And", "Or", "Xor"):
    case(op, X, ROW, types=(np.bool_,))
case("Not", X, types=(np.bool_,))
case("Mod", some((4, 3)), NONZERO, types=(np.int64, np.int32, np.int16, np.int8))
case("Mod", X, POSITIVE, types=INTS)
case("Mod", some((4, 3)), NONZERO, types=(np.int64, np.int32, *FLOATS), fmod=1)
case("Pow", some((2, 3), 0, 9), some((2, 3), 0, 4), types=(np.int64, np.int32, np.float32, np.float64))
case("Pow", some((2, 3)), lambda dtype: np.array([2, 3, 0], np.int64), types=(np.float32, np.float64), first=12)
case("Pow", some((2, 3), 0, 9), lambda dtype: np.array([2, 0.5, 1.5], np.float32), types=(np.int64, np.int32), first=12)
for op in ("Max", "Min"):
    case(op, X, Y, ROW, first=8)
    case(op, X)
for op in ("Sum", "Mean"):
    case(op, X, ROW, ONE, types=FLOATS, first=8)
for op in ("Abs", "Sign"):
    case(op, X)
    case(op, of(-np.inf, -2.5, -0.0, 0.0, 1.5, np.inf), types=FLOATS)
case("Neg", X, types=(*FLOATS, np.int64, np.int32, np.int8))
for op in ("Floor", "Ceil", "Round", "IsNaN", "Sqrt"):
    case(op, some((5, 5)), types=FLOATS)
    case(op, EDGES, types=FLOATS)
case("Round", of(-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 1e6 + 0.5), types=FLOATS)
case("IsInf", EDGES, types=FLOATS)
case("IsInf", EDGES, types=FLOATS, detect_negative=0)
case("Reciprocal", X, types=FLOATS)
case("Reciprocal", EDGES, types=FLOATS)
for op in ("Exp", "Cos", "Sin", "Tanh"):
    case(op, X, types=FLOATS)
case("Log", POSITIVE, types=FLOATS)
case("Log", of(-1, 0, 1), types=FLOATS)
case("Relu", X, types=(*FLOATS, np.int32, np.int8))
case("Clip", X, types=(np.float32,), last=10, min=-2.0, max=3.0)
case("Clip", X, types=(np.float32,), last=10, max=3.0)
case("Clip", X, lambda d: np.array(2, d), types=NUMBERS, first=11)
case("Clip", X, lambda d: np.array(1, d), lambda d: np.array(4, d), first=11)
case("Clip", X, lambda d: np.array(4, d), lambda d: np.array(1, d), first=11)
case("Clip", X, None, lambda d: np.array(4, d), first=11)
case("BitShift", some((2, 3), 0, 200), some((2, 3), 0, 7), types=(np.uint64, np.uint32, np.uint8), direction="LEFT")
case("BitShift", some((2, 3), 0, 200), some((2, 3), 0, 7), types=(np.uint64, np.uint32, np.uint8), direction="RIGHT")
for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
    case(op, X, ROW, types=INTS)
case("BitwiseNot", X, types=INTS)
case("Where", some((2, 1), seed=5)(np.bool_), X, ROW, types=ALL)
for target in (1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 16):
    since = 13 if target == 16 else 7
    case("Cast", some((4, 4), 0, 90), types=ALL, first=since, to=target)
    case("Cast", of(0.49, 0.5, 1.5, 2.99, 7), types=FLOATS, first=since, to=target)
for target in (1, 5, 6, 7, 9, 10, 11, 16):
    since = 13 if target == 16 else 7
    case("Cast", some((4, 4)), types=(*FLOATS, np.int64, np.int32), first=since, to=target)
case("Cast", of(300, -300, 70000, 2**33), types=(np.int64,), to=3)
case("Cast", of(300, -300, 70000, 2**33), types=(np.int64,), to=2)
case("Cast", of(300, -300, 70000, 2**33 + 5), types=(np.int64,), to=6)
case("Cast", of(2**53 + 1, -(2**53) - 1, 2**24 + 1, 2049), types=(np.int64,), to=1)
case("Cast", of(2**53 + 1, -(2**53) - 1, 2**24 + 1, 2049), types=(np.int64,), to=11)
case("Cast", of(2049, 2051, 65504, 65519, 65520, 100000), types=(np.int64, np.float32, np.float64), to=10)
case("Cast", of(1 + 2**-11 + 2**-30, 1 + 2**-8 + 2**-30), types=(np.float64, np.float32), to=10)
case("Cast", of(257, 259, 1 + 2**-8, 1 + 3 * 2**-8), types=(np.float32, np.float64), first=13, to=16)
case("Cast", EDGES, types=FLOATS, to=9)
case("Cast", EDGES, types=FLOATS, to=10)
case("Cast", EDGES, types=FLOATS, to=11)
case("CastLike", X, lambda d: np.zeros(1, np.int32), types=FLOATS)
case("Identity", X, types=ALL)
case("Shape", X, types=ALL)
case("Shape", some((2, 3, 4)), types=FLOATS, first=15, start=1, end=-1)
case("Size", X, types=ALL)
for name, value in (("value_int", 3), ("value_ints", (3, 4)), ("value_float", 1.5), ("value_floats", (1.5, 2.5))):
    case("Constant", types=(np.float32,), first=12, **{name: value})
case("Constant", types=(np.float32,), value=ArrayTensor.of(ints(1, 2)))
case("ConstantOfShape", ints(2, 3), types=(np.float32,))
case("ConstantOfShape", ints(0), types=(np.float32,))
case("ConstantOfShape", ints(2), types=(np.float32,), value=ArrayTensor.of(ints(-1)))
for numbers in ((0, 5, 1), (5, 0, -2), (0, 5, 2), (3, 3, 1), (4, 0, 1)):
    case("Range", *[lambda d, x=x: np.array(x, d) for x in numbers], types=(np.int64, np.int32, np.float32, np.float64))
case("Range", *[lambda d, x=x: np.array(x, d) for x in (0, 1.5, 0.25)], types=(np.float32, np.float64))
case("EyeLike", some((3, 4)), types=(np.float32, np.int64, np.float64), k=1)
case("EyeLike", some((3, 4)), types=(np.float32, np.int64), dtype=6, k=-1)
case("OneHot", ints(0, 2, -1, 7), np.int64(3), of(5, 8), types=(np.float32, np.int64))
case("OneHot", ints(0, 2), ints(3), of(5, 8), types=(np.float32, np.int64), axis=0)
case("Trilu", some((2, 4, 3)), types=(np.float32, np.int64, np.float64, np.bool_))
case("Trilu", some((4, 3)), np.int64(-1), types=(np.float32, np.int64), upper=0)
case("Reshape", some((2, 6)), ints(3, -1), types=ALL)
case("Reshape", some((2, 6)), ints(0, 2, 3), types=ALL)
case("Reshape", some((0, 6)), ints(0, 2, 3), types=ALL, first=14, allowzero=1)
case("Expand", some((2, 1)), ints(3, 1, 4), types=ALL)
case("Expand", some((2, 3)), ints(1), types=ALL)
case("Tile", X, ints(2, 3), types=(*FLOATS[:2], np.int64, np.int32, np.bool_))
case("Transpose", some((2, 3, 4)), types=ALL, perm=(2, 0, 1))
case("Transpose", some((2, 3, 4)), types=ALL)
for axis in (0, 1, 3):
    case("Flatten", some((2, 3, 4)), types=ALL, axis=axis)
case("Flatten", some((2, 3, 4)), types=ALL, first=11, axis=-1)
case("Flatten", some((0, 3)), types=ALL)
case("Squeeze", some((1, 3, 1)), types=ALL)
case("Squeeze", some((1, 3, 1)), types=ALL, last=12, axes=(0,))
case("Squeeze", some((1, 3, 1)), ints(-1), types=ALL, first=13)
case("Unsqueeze", X, types=ALL, last=12, axes=(0, 2))
case("Unsqueeze", X, ints(0, -1), types=ALL, first=13)
case("Concat", X, Y, some((2, 1)), types=ALL, axis=1)
case("Concat", X, Y, types=ALL, first=11, axis=-2)
case("Split", some((6, 2)), types=ALL, last=17, results=3)
case("Split", some((6, 2)), types=ALL, last=12, results=2, split=(4, 2))
case("Split", some((2, 6)), ints(4, 2), types=ALL, first=13, results=2, axis=-1)
case("Split", some((7, 2)), types=ALL, first=18, results=3, num_outputs=3)
case("Pad", X, types=FLOATS[:2], last=10, pads=(0, 1, 2, 3), value=2.0)
case("Pad", X, ints(0, 1, 2, 3), types=(*FLOATS[:2], np.int64, np.int32), first=11)
case("Pad", X, ints(0, 1, 2, 3), lambda d: np.array(3, d), types=(*FLOATS[:2], np.int64), first=11)
for start, end, step in ((0, 3, 1), (1, FAR, 2), (-2, FAR, 1), (-1, -FAR, -1), (4, 1, -2), (-9, -9, -1), (3, 1, 1)):
    case("Slice", some((5, 3)), ints(start), ints(end), ints(0), ints(step), types=ALL, first=10)
case("Slice", some((5, 3)), types=ALL, last=9, starts=(1, 0), ends=(-1, FAR))
case("Slice", some((5, 3)), types=ALL, last=9, starts=(1,), ends=(3,), axes=(1,))
case("Slice", some((5, 3)), ints(1, 0), ints(3, -1), types=ALL, first=10)
case("Gather", some((4, 3)), ints(0, -1, 2), types=ALL, first=11)
case("Gather", some((4, 3)), np.int64([[0], [2]]), types=ALL, axis=1)
case("Gather", some((4, 3)), np.int64(1), types=ALL, axis=1)
case("Gather", some((4, 3)), np.int32([1]), types=ALL)
case("GatherElements", some((3, 4)), np.int64([[0, -1], [2, 1]]), types=ALL, axis=0)
case("GatherElements", some((3, 4)), np.int64([[0, -1, 3], [2, 1, 0]]), types=ALL, axis=1)
case("GatherND", some((3, 4, 2)), np.int64([[0, -1], [2, 1]]), types=ALL)
case("GatherND", some((3, 4)), np.int64([[[0, 1]], [[2, 1]]]), types=ALL)
case("ScatterElements", some((3, 4)), np.int64([[0, -1], [2, 1]]), some((2, 2), seed=7), types=ALL, axis=1)
case("ScatterElements", some((3, 4)), np.int64([[0, -1], [2, 1]]), some((2, 2), seed=7), types=ALL)
case("ScatterND", some((3, 4)), np.int64([[0, 1], [-1, 1]]), some((2,), seed=7), types=ALL)
case("ScatterND", some((3, 4)), np.int64([[0], [2]]), some((2, 4), seed=7), types=ALL)
case("NonZero", some((3, 4), 0, 1), types=(np.float32, np.int64, np.int32, np.bool_, np.uint8))
REDUCED = some((2, 3, 4), -4, 4)
for op in ("ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin", "ReduceMean"):
    types = (np.float32, np.float64) if op == "ReduceMean" else (np.float32, np.float64, np.int64, np.int32)
    new = 13 if op == "ReduceSum" else 18
    case(op, REDUCED, types=types, keepdims=0)
    case(op, REDUCED, types=types, last=new - 1, axes=(1,))
    case(op, REDUCED, ints(-1, 0), types=types, first=new, keepdims=0)
    case(op, REDUCED, ints(), types=types, first=new)
    case(op, REDUCED, ints(), types=types, first=new, noop_with_empty_axes=1)
case("ReduceMax", some((3, 4)), types=(np.bool_, np.uint8, np.int8), first=20)
case("ReduceSum", some((0, 3)), types=(np.float32, np.int64))
TIES = of(*[[3, 1, 3, 2, 1]] * 2)
for op in ("ArgMax", "ArgMin"):
    case(op, TIES, types=(np.float32, np.int32, np.int64, np.int8), axis=1)
    case(op, TIES, types=(np.float32, np.int32), axis=1, keepdims=0, first=12, select_last_index=1)
case("TopK", TIES, types=(np.float32, np.float64, np.int64), last=9, results=2, k=3)
case("TopK", TIES, ints(3), types=(np.float32, np.float64, np.int64, np.int32), first=10, results=2)
case("TopK", TIES, ints(3), types=(np.float32, np.int64), first=11, results=2, largest=0)
case("TopK", some((5, 2)), ints(2), types=(np.float32, np.int64), first=11, results=2, axis=0)
for reverse in (0, 1):
    for exclusive in (0, 1):
        types = (np.float32, np.float64, np.int64, np.int32)
        case("CumSum", X, np.int64(1), types=types, reverse=reverse, exclusive=exclusive)
case("CumSum", X, np.int64(-2), types=(np.int64,))

#: Element types for which ONNX Runtime has no kernel, in some opsets or in all.
NO_KERNEL = {
    *(f"{op}-{opset}-{name}" for op in ("Clip", "Max", "Min") for opset in (12, 13) for name in ("int16", "uint16")),
    *(f"Where-{opset}-{name}" for opset in (9, 16) for name in ("bool", "int16", "uint16", "uint64")),
    *("Clip-11-float64", "Max-7-float64", "Min-7-float64", "Mean-8-float64", "Mean-13-float64"),
}

#: Functions that need not be rounded correctly, and sums, whose order is free.
LOOSE = {"Exp", "Log", "Cos", "Sin", "Tanh", "Pow", "ReduceSum", "ReduceProd", "ReduceMean", "CumSum", "Mean", "Sqrt"}


def chosen_opsets(op: str, first: int, last: int) -> list[int]:
    chosen: dict[int, int] = {}
    for opset in OPSETS:
        if first <= opset <= last:
            try:
                chosen.setdefault(onnx.defs.get_schema(op, opset).since_version, opset)
            except onnx.defs.SchemaError:
                continue
    return list(chosen.values())


def allowed(op: str, opset: int, arrays: list[np.ndarray | None]) -> bool:
    """Whether the schema takes these element types."""
    schema = onnx.defs.get_schema(op, opset)
    constraints = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}
    for index, array in enumerate(arrays):
        if array is not None:
            formal = schema.inputs[min(index, len(schema.inputs) - 1)]
            names = {"float32": "float", "float64": "double"}
            name = names.get(array.dtype.name, array.dtype.name)
            if f"tensor({name})" not in constraints.get(formal.type_str, [formal.type_str]):
                return False
    return True


def expanded() -> Iterator[Any]:
    """One parameter per case, element type and distinct version of the operator."""
    for number, (op, operands, attributes, types, first, last) in enumerate(CASES):
        for opset in chosen_opsets(op, first, last):
            for dtype in types:
                arrays = [None if o is None else np.asarray(o(dtype) if callable(o) else o) for o in operands]
                if allowed(op, opset, arrays) and f"{op}-{opset}-{dtype.__name__}" not in NO_KERNEL:
                    yield pytest.param(op, opset, arrays, attributes, id=f"{op}-{number}-{opset}-{dtype.__name__}")


def run(node: Node, opset: int, arrays: list[np.ndarray | None]) -> list[np.ndarray]:
    """What the runtime gives."""
    inputs = [Value(TensorType(DType.from_numpy(a.dtype), a.shape)) for a in arrays if a is not None]
    for index, value in enumerate(inputs):
        value.name = f"x{index}"
    operands = iter(inputs)
    count = len(node.results)
    fed = Node(
        node.op_type,
        [None if a is None else next(operands) for a in arrays],
        node.attributes,
        result_types=[None] * count,
    )
    for index, (result, value_type) in enumerate(zip(fed.results, infer(fed, opset, DimSource()), strict=True)):
        result.value_type = TensorType(value_type.dtype)
        result.name = f"y{index}"
    nodes, outputs = [fed], list(fed.results)
    if fed.result.dtype is DType.BFLOAT16:
        # numpy is not given this type; float32 holds each of its numbers.
        nodes.append(Node("Cast", [fed.result], {"to": 1}, result_types=[TensorType(DType.FLOAT32)]))
        fed.result.name, nodes[1].result.name = "y", "y0"
        outputs = [nodes[1].result]
    version = onnx.helper.find_min_ir_version_for([onnx.helper.make_opsetid("", opset)])
    model = Model(Block(inputs, nodes, outputs), {"": opset}, ir_version=max(version, 4))
    assign_names(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(encode(model).to_bytes(), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, {f"x{i}": a for i, a in enumerate(a for a in arrays if a is not None)}))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("op", "opset", "arrays", "attributes"), list(expanded()))
def test_evaluation_gives_what_the_runtime_gives(op, opset, arrays, attributes):
    attributes = dict(attributes)
    count = attributes.pop("results", 1)
    node = Node(op, [None if a is None else Value.of(a) for a in arrays], attributes, result_types=[None] * count)
    found = evaluate(node, opset)
    wanted = run(node, opset, arrays)
    assert found is not None
    assert len(found) == len(wanted) == count
    found = [array.astype(np.float32) if array.dtype.name == "bfloat16" else array for array in found]
    for mine, its in zip(found, wanted, strict=True):
        assert mine.dtype == its.dtype
        assert mine.shape == its.shape
        if op in LOOSE and mine.dtype.kind == "f":
            np.testing.assert_allclose(mine, its, rtol=4 * np.finfo(mine.dtype).eps, atol=1e-30)
        else:
            np.testing.assert_array_equal(mine, its)
            if mine.dtype.kind == "f":
                # Zeros have a sign, too; a NaN's means nothing.
                np.testing.assert_array_equal(np.signbit(mine) | np.isnan(mine), np.signbit(its) | np.isnan(its))


def make(op: str, *arrays: Any, results: int = 1, **attributes: Any) -> Node:
    operands = [None if a is None else a if isinstance(a, Value) else Value.of(a) for a in arrays]
    return Node(op, operands, attributes, result_types=[None] * results)


F = np.float32
DECLINED = {
    "integer by zero": make("Div", ints(1, 2), ints(1, 0)),
    "remainder by zero": make("Mod", ints(1, 2), ints(1, 0)),
    "quotient that overflows": make("Div", np.array([-(2**63)]), ints(-1)),
    "remainder of the same": make("Mod", np.array([-(2**63)]), ints(-1)),
    "Mod of floats without fmod": make("Mod", F([3]), F([2])),
    "NaN in Max": make("Max", F([np.nan]), F([1])),
    "NaN in Clip": make("Clip", F([np.nan]), F(1)),
    "NaN in ArgMax": make("ArgMax", F([1, np.nan])),
    "NaN in TopK": make("TopK", F([1, np.nan]), ints(1), results=2),
    "NaN in ReduceMax": make("ReduceMax", F([1, np.nan])),
    "NaN to int": make("Cast", F([np.nan]), to=7),
    "infinity to int": make("Cast", F([np.inf]), to=7),
    "float beyond int8": make("Cast", F([128]), to=3),
    "negative float to unsigned": make("Cast", F([-1]), to=2),
    "float beyond int64": make("Cast", F([2**63]), to=7),
    "to string": make("Cast", F([1]), to=8),
    "to float8": make("Cast", F([1]), to=17),
    "to nothing": make("Cast", F([1]), to=999),
    "different types": make("Add", ints(1), F([1])),
    "shapes that do not broadcast": make("Add", ints(1, 2), ints(1, 2, 3)),
    "And of numbers": make("And", ints(1), ints(1)),
    "shift by the width": make("BitShift", np.uint8([1]), np.uint8([8]), direction="LEFT"),
    "large power": make("Pow", ints(3), ints(60)),
    "negative power": make("Pow", ints(0), ints(-1)),
    "index out of range": make("Gather", ints(1, 2), ints(2)),
    "index below range": make("GatherElements", ints(1, 2), ints(-3)),
    "GatherND out of range": make("GatherND", ints(1, 2), np.int64([[5]])),
    "two updates to one place": make("ScatterElements", ints(1, 2, 3), ints(0, -3), ints(4, 5)),
    "two rows to one place": make("ScatterND", ints(1, 2, 3), np.int64([[0], [0]]), ints(4, 5)),
    "scatter with a reduction": make("ScatterElements", ints(1, 2), ints(0), ints(4), reduction="add"),
    "TopK without order": make("TopK", ints(1, 2), ints(1), results=2, sorted=0),
    "TopK of too many": make("TopK", ints(1, 2), ints(3), results=2),
    "reshape to another size": make("Reshape", ints(1, 2, 3), ints(2, -1)),
    "-1 beside 0": make("Reshape", np.zeros((0, 2), F), ints(0, -1)),
    "squeeze of another size": make("Squeeze", ints(1, 2), ints(0)),
    "axis out of range": make("Concat", ints(1), ints(2), axis=1),
    "step of 0": make("Slice", ints(1, 2), ints(0), ints(2), ints(0), ints(0)),
    "range without a step": make("Range", np.int64(0), np.int64(3), np.int64(0)),
    "range that rounds": make("Range", F(0), F(1), F(0.1)),
    "range too long": make("Range", np.int64(0), np.int64(2**40), np.int64(1)),
    "too many ones": make("ConstantOfShape", ints(1 << 20, 1 << 20)),
    "negative size": make("ConstantOfShape", ints(-1)),
    "too large a copy": make("Expand", F([1]), ints(1 << 40)),
    "too many tiles": make("Tile", F([1]), ints(1 << 40)),
    "too wide a pad": make("Pad", F([1]), ints(0, 1 << 40)),
    "reflecting pad": make("Pad", F([1, 2]), ints(0, 1), mode="reflect"),
    "too deep": make("OneHot", ints(0), ints(1 << 40), F([0, 1])),
    "nonzero of a scalar": make("NonZero", F(1)),
    "maximum of nothing": make("ReduceMax", np.zeros((0,), F)),
    "sum of halves": make("ReduceSum", np.float16([1, 2])),
    "mean of ints": make("ReduceMean", ints(1, 2)),
    "operand missing": make("Add", ints(1), None),
    "operand not constant": make("Add", ints(1), Value(TensorType(DType.INT64, (1,)))),
    "operand too large": make("Neg", np.zeros(1025, F)),
    "result too large": make("Add", np.zeros((64, 1), F), np.zeros((1, 64), F)),
    "text": make("Identity", np.array(["a"], object)),
    "unknown operator": make("Frobnicate", ints(1)),
    "random": make("RandomNormalLike", F([1])),
    "size of an unknown shape": make("Size", Value(TensorType(DType.INT64))),
    "size that is a symbol": make("Shape", Value(TensorType(DType.INT64, (SymDim.named("n"),)))),
    "another domain": Node("Neg", [Value.of(ints(1))], domain="mine"),
    "attribute of a function": make("Softmax", F([1]), axis=RefAttr("axis", 2)),
    "attribute of a function in a fold": make("Concat", F([1]), axis=RefAttr("axis", 2)),
    "more results than there are": make("Neg", ints(1), results=2),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("node", list(DECLINED.values()), ids=list(DECLINED))
def test_declined(node):
    assert evaluate(node, 21) is None


def test_symbolic_contents_that_are_numbers_count_as_constants():
    value = Value(TensorType(DType.INT64, (2,)))
    value.symbolic = (2, 3)
    (found,) = evaluate(make("ReduceProd", value, keepdims=0), 21)
    assert found == 6
    assert found.dtype == np.int64
    value.symbolic = (2, SymDim.named("n"))
    assert evaluate(make("ReduceProd", value, keepdims=0), 21) is None


def test_shape_needs_no_constant():
    x = Value(TensorType(DType.FLOAT32, (2, SymDim.named("n"), 5)))
    (found,) = evaluate(make("Shape", x, start=2), 21)
    assert found.tolist() == [5]
    assert evaluate(make("Size", x), 21) is None


def test_the_limit_is_the_callers():
    node = make("Add", np.zeros((64, 1), F), np.zeros((1, 64), F))
    assert evaluate(node, 21, max_elements=4096)[0].shape == (64, 64)


def test_operands_are_not_written_to():
    array = ints(1, 2, 3)
    for node in (
        make("ScatterElements", array, ints(0), ints(9)),
        make("Clip", array, np.int64(2)),
        make("CumSum", array, np.int64(0), reverse=1),
        make("Identity", array),
    ):
        assert evaluate(node, 21) is not None
    assert array.tolist() == [1, 2, 3]


def test_can_evaluate():
    assert can_evaluate("Add")
    assert can_evaluate("Shape")
    assert not can_evaluate("Conv")
    assert {op for op, *_ in CASES} == {s.name for s in onnx.defs.get_all_schemas() if can_evaluate(s.name)}
