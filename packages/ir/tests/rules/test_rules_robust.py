"""Every operator of onnx, with operands of every kind: types or a ShapeMismatch, and nothing else."""

from __future__ import annotations

import random
import time
import timeit

import numpy as np
import onnx
import pytest
from onnxport_ir import Block, DimSource, DType, Node, OptionalType, RefAttr, SequenceType, SymDim, TensorType, Value
from onnxport_ir.rules import ShapeMismatch, infer, propagate
from onnxport_ir.rules.schema import types_from_schema

n, h = SymDim.named("n", 4), SymDim.named("h", 32)
SCHEMAS = {s.name: s for s in onnx.defs.get_all_schemas() if not s.domain and not s.deprecated}
NEWEST = onnx.defs.onnx_opset_version()


def some_value(rng):
    dtype = rng.choice([DType.FLOAT32, DType.INT64, DType.BOOL, DType.UINT8, None])
    kind = rng.randrange(8)
    if kind == 0:
        return None
    if kind == 1:
        return Value.of(np.array([rng.randrange(-3, 4) for _ in range(rng.randrange(4))], np.int64))
    if kind == 2:
        return Value(SequenceType(TensorType(dtype, rng.choice([None, (n, 3)]))))
    if kind == 3:
        return Value(OptionalType(TensorType(dtype)))
    if kind == 4:
        value = Value(TensorType(DType.INT64, (2,)))
        value.symbolic = (n - 1, h)
        return value
    shape = [rng.choice([0, 1, 2, 3, n, h, n - h]) for _ in range(rng.randrange(6))]
    return Value(TensorType(dtype, rng.choice([None, tuple(shape), tuple(shape)])))


def some_attribute(kind, rng):
    kinds = onnx.defs.OpSchema.AttrType
    numbers = [rng.randrange(-3, 4) for _ in range(rng.randrange(4))]
    return {
        kinds.INT: rng.randrange(-3, 8),
        kinds.INTS: tuple(numbers),
        kinds.FLOAT: 0.5,
        kinds.FLOATS: tuple(float(x) for x in numbers),
        kinds.STRING: rng.choice(["bij,bjk->bik", "...", "SAME_UPPER", b"none", "x"]),
        kinds.GRAPH: Block([Value()], [], [Value(TensorType(DType.FLOAT32, (n,)))] * rng.randrange(3)),
    }.get(kind)


@pytest.mark.parametrize("op", sorted(SCHEMAS))
def test_operands_of_every_kind(op):
    rng = random.Random(op)
    schema = SCHEMAS[op]
    outcomes = set()
    for _ in range(150):
        operands = [some_value(rng) for _ in range(rng.randrange(min(schema.max_input, 6) + 1))]
        attributes = {}
        for name, attribute in schema.attributes.items():
            value = some_attribute(attribute.type, rng)
            if value is not None and (attribute.required or rng.random() < 0.4):
                attributes[name] = value
        results = rng.randint(max(schema.min_output, 1), max(1, min(schema.max_output, 4)))
        node = Node(op, operands, attributes, result_types=[None] * results)
        opset = rng.choice([7, 9, 11, 13, 18, 21, NEWEST])
        try:
            types = infer(node, opset, DimSource())
        except ShapeMismatch:
            outcomes.add("mismatch")
            continue
        outcomes.add("types")
        assert len(types) == results
        for result, value_type in zip(node.results, types, strict=True):
            assert isinstance(value_type, TensorType | SequenceType | OptionalType)
            result.value_type = value_type
        propagate(node, opset)
    assert "types" in outcomes


#: Their results' types come from subgraphs and attributes, or the first allowed type needs one.
BY_ATTRIBUTE = {
    *("BitCast", "Cast", "Constant", "If", "Loop", "Optional", "Scan", "SequenceMap"),
    *("RandomNormalLike", "RandomUniformLike"),
}


@pytest.mark.parametrize("op", sorted(SCHEMAS.keys() - BY_ATTRIBUTE))
def test_element_types_are_among_those_of_the_schema(op):
    """Operands of the first allowed type; the results' types must be allowed, and follow wherever they can."""
    schema = SCHEMAS[op]
    allowed = {c.type_param_str: list(c.allowed_type_strs) for c in schema.type_constraints}

    def first(type_str):
        text = allowed.get(type_str, [type_str])[0]
        for wrapper, kind in (("seq(", SequenceType), ("optional(", OptionalType)):
            if text.startswith(wrapper):
                return kind(TensorType(DType.FLOAT32))
        element = text.removeprefix("tensor(").removesuffix(")")
        return TensorType(DType[{"float": "FLOAT32", "double": "FLOAT64"}.get(element, element.upper())])

    operands = [Value(first(i.type_str)) for i in schema.inputs if i.option.name != "Optional"]
    required = {k: some_attribute(a.type, random.Random(0)) for k, a in schema.attributes.items() if a.required}
    if op in {"MaxPool", "AveragePool", "LpPool", "MaxUnpool"}:
        required["kernel_shape"] = (1,)
    count = max(1, schema.min_output)
    node = Node(op, operands, required, result_types=[None] * count)
    for found, output, general in zip(
        infer(node, NEWEST, DimSource()), schema.outputs, types_from_schema(node, NEWEST), strict=False
    ):
        if isinstance(found, TensorType):
            names = {None: "?", DType.FLOAT32: "float", DType.FLOAT64: "double"}
            name = names.get(found.dtype) or found.dtype.name.lower()
            if found.dtype is not None:
                assert f"tensor({name})" in allowed.get(output.type_str, [output.type_str])
            # A rule never knows less than the schema does.
            assert found.dtype is not None or not isinstance(general, TensorType) or general.dtype is None


@pytest.mark.parametrize(
    ("op", "operands", "expected"),
    [
        ("Add", [TensorType(DType.FLOAT16, (n,)), TensorType()], ["f16[...]"]),
        ("Add", [TensorType(), TensorType(DType.FLOAT16, (n,))], ["f16[...]"]),
        ("Add", [TensorType(), TensorType()], ["?[...]"]),
        ("Where", [TensorType(DType.BOOL), TensorType(DType.INT32), TensorType()], ["i32[...]"]),
        ("Cast", [TensorType(DType.FLOAT32)], ["?[...]"]),
        ("NonZero", [TensorType(DType.FLOAT32)], ["i64[...]"]),
        ("TopK", [TensorType(DType.FLOAT32), TensorType(DType.INT64)], ["f32[...]", "i64[...]"]),
        ("SequenceAt", [SequenceType(TensorType(DType.FLOAT32, (n,))), TensorType()], ["?[...]"]),
        ("SequenceErase", [SequenceType(TensorType(DType.FLOAT32, (n,)))], ["f32[...][]"]),
        ("SequenceErase", [TensorType()], ["?[...][]"]),
        ("OptionalGetElement", [OptionalType(TensorType(DType.FLOAT32, (n,)))], ["?[...]"]),
        ("StringConcat", [TensorType(), TensorType()], ["str[...]"]),
        ("RegexFullMatch", [TensorType(DType.STRING)], ["bool[...]"]),
        ("Loop", [TensorType(DType.INT64), TensorType(DType.BOOL), TensorType(DType.FLOAT32)], ["?[...]"]),
        ("NoSuchOperator", [TensorType(DType.FLOAT32)], ["?[...]", "?[...]"]),
    ],
)
def test_what_the_schema_alone_says(op, operands, expected):
    node = Node(op, [Value(t) for t in operands], result_types=[None] * len(expected))
    assert [str(t) for t in types_from_schema(node, 20)] == expected


def test_other_domains_are_unknown():
    node = Node("Add", [Value(TensorType(DType.FLOAT32, (n,)))] * 2, domain="mine", result_types=[None, None])
    assert infer(node, 18, DimSource()) == [TensorType(), TensorType()]
    propagate(node, 18)
    assert node.result.symbolic is None


def test_attributes_of_a_function_leave_the_shape_open():
    x = Value(TensorType(DType.FLOAT32, (n, 3)))
    node = Node("Softmax", [x], {"axis": RefAttr("axis", onnx.AttributeProto.INT)})
    assert infer(node, 18, DimSource()) == [TensorType(DType.FLOAT32)]


@pytest.mark.parametrize(
    ("op", "operands", "attributes", "limit_us"),
    [
        ("Relu", [(n, 3, h)], {}, 5),
        ("Add", [(n, 3, h), (n, 3, h)], {}, 5),
        ("Mul", [(n, 3, h), (3, 1)], {}, 5),
        ("MatMul", [(n, 12, h, 64), (n, 12, 64, h)], {}, 10),
        ("Transpose", [(n, h, 12, 64)], {"perm": (0, 2, 1, 3)}, 10),
        ("Conv", [(n, 3, h, h), (8, 3, 3, 3)], {"strides": (2, 2), "pads": (1, 1, 1, 1)}, 10),
        ("Concat", [(n, 3), (n, 4)], {"axis": 1}, 10),
        ("ReduceMean", [(n, h)], {"axes": (-1,)}, 10),
    ],
)
def test_speed(op, operands, attributes, limit_us):
    values = [Value(TensorType(DType.FLOAT32, shape)) for shape in operands]
    node = Node(op, values, attributes)
    dims = DimSource()

    def once():
        node.result.value_type = infer(node, 17, dims)[0]
        propagate(node, 17)

    once()
    # The best of several, without what other processes take; a slow machine is no fault, so twice the limit.
    best = min(timeit.repeat(once, timer=time.process_time, number=500, repeat=10)) / 500 * 1e6
    assert best < 2 * limit_us
