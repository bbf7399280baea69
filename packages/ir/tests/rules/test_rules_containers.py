"""Rules of sequences, optionals, and the operators with subgraphs."""

from __future__ import annotations

import numpy as np
import pytest
from onnxport_ir import Block, DimSource, DType, Node, OptionalType, SequenceType, SymDim, TensorType, Value
from onnxport_ir.rules import infer

n, m, h, w, k = (SymDim.named(name) for name in "nmhwk")
OPSETS = [11, 13, 18, 23]


def ints(*numbers):
    return np.array(numbers, np.int64)


def scalar(dtype=DType.INT64):
    return Value(TensorType(dtype, ()))


SEQUENCES = {
    "at": ([("f32", n, 3)], lambda g, x: g("SequenceAt", [g("SequenceConstruct", [x, x]), np.int64(1)]), "f32[n,3]"),
    "construct": ([("f32", n, 3), ("f32", h, 3)], lambda g, x, y: g("SequenceConstruct", [x, y]), "f32[?,3][]"),
    "length": (
        [("f32", n)],
        lambda g, x: g("SequenceLength", [g("SequenceConstruct", [x])]),
        "i64[]",
    ),
    "insert": (
        [("f32", n, 3), ("f32", h, 3)],
        lambda g, x, y: g("SequenceInsert", [g("SequenceConstruct", [x]), y]),
        "f32[?,3][]",
    ),
    "insert-into-empty": ([("f32", n, 3)], lambda g, x: g("SequenceInsert", [g("SequenceEmpty", []), x]), "f32[n,3][]"),
    "erase": ([("f32", n, 3)], lambda g, x: g("SequenceErase", [g("SequenceConstruct", [x, x])]), "f32[n,3][]"),
    "split-ones": ([("f32", n, h)], lambda g, x: g("SplitToSequence", [x], axis=1), "f32[n,1][]"),
    "split-default": ([("f32", n, h)], lambda g, x: g("SplitToSequence", [x]), "f32[1,h][]"),
    "split-drop": ([("f32", n, h)], lambda g, x: g("SplitToSequence", [x], axis=1, keepdims=0), "f32[n][]"),
    "split-chunks": ([("f32", n, h)], lambda g, x: g("SplitToSequence", [x, np.int64(2)], axis=1), "f32[n,?][]"),
    "split-even": ([("f32", n, 6)], lambda g, x: g("SplitToSequence", [x, np.int64(2)], axis=1), "f32[n,2][]"),
    "split-uneven": ([("f32", n, 6)], lambda g, x: g("SplitToSequence", [x, ints(1, 5)], axis=1), "f32[n,?][]"),
    "split-equal": ([("f32", n, 6)], lambda g, x: g("SplitToSequence", [x, ints(3, 3)], axis=1), "f32[n,3][]"),
    "concat": (
        [("f32", n, h), ("f32", n, 3)],
        lambda g, x, y: g("ConcatFromSequence", [g("SequenceConstruct", [x, y])], axis=1),
        "f32[n,h + 3]",
    ),
    "concat-parts": (
        [("f32", n, h)],
        lambda g, x: g("ConcatFromSequence", [g("SplitToSequence", [x], axis=1)], axis=-1),
        "f32[n,?]",
    ),
    "stack": (
        [("f32", n, h)],
        lambda g, x: g("ConcatFromSequence", [g("SequenceConstruct", [x, x])], axis=-1, new_axis=1),
        "f32[n,h,2]",
    ),
    "stack-parts": (
        [("f32", n, h)],
        lambda g, x: g("ConcatFromSequence", [g("SplitToSequence", [x], axis=1, keepdims=0)], axis=0, new_axis=1),
        "f32[?,n]",
    ),
}


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize(("specs", "make", "expected"), list(SEQUENCES.values()), ids=list(SEQUENCES))
def test_sequences(oracle, opset, specs, make, expected):
    oracle.check_graph(opset, specs, make, expected=expected)


def choice(then, otherwise):
    def make(g, x, y, flag):
        return g("If", [flag], then_branch=g.block([], then(x, y)), else_branch=g.block([], otherwise(x, y)))

    return make


CHOICES = {
    "same": (
        lambda x, y: lambda g: [g("Neg", [x])],
        lambda x, y: lambda g: [g("Abs", [x])],
        "f32[n,h]",
    ),
    "sizes-differ": (
        lambda x, y: lambda g: [g("Neg", [x])],
        lambda x, y: lambda g: [g("Abs", [y])],
        "f32[?,h]",
    ),
    "ranks-differ": (
        lambda x, y: lambda g: [g("Neg", [x])],
        lambda x, y: lambda g: [g("Unsqueeze", [x, ints(0)])],
        "f32[...]",
    ),
}


@pytest.mark.parametrize("flag", [True, False])
@pytest.mark.parametrize("opset", [13, 16, 19, 23])
@pytest.mark.parametrize(("then", "otherwise", "expected"), list(CHOICES.values()), ids=list(CHOICES))
def test_if(oracle, opset, then, otherwise, expected, flag):
    specs = [("f32", n, h), ("f32", w, h), ("bool",)]
    oracle.check_graph(opset, specs, choice(then, otherwise), expected=expected, fixed=[np.array(flag)])


def looped(count, body, *, condition=True, result=0, results=1, first=None):
    def make(g, x, *rest):
        carried = Value(first or x.value_type)
        inputs = [scalar(), scalar(DType.BOOL), carried]
        trips = rest[0] if count is None else count
        given = Value.of(np.bool_(condition)) if condition is not None else None
        outputs = g("Loop", [trips, given, x], results, body=g.block(inputs, body))
        return outputs if results == 1 else outputs[result]

    return make


LOOPS = {
    "carried": ([("f32", n, h)], looped(np.int64(3), lambda g, i, c, x: [c, g("Neg", [x])]), "f32[n,h]"),
    "growing": (
        [("f32", n, h)],
        looped(
            np.int64(3),
            lambda g, i, c, x: [c, g("Concat", [x, x], axis=0)],
            first=TensorType(DType.FLOAT32, (SymDim.named("?9"), h)),
        ),
        "f32[?,h]",
    ),
    "scanned": (
        [("f32", n, h)],
        looped(np.int64(3), lambda g, i, c, x: [c, x, g("Neg", [x])], results=2, result=1),
        "f32[3,n,h]",
    ),
    "scanned-identity": (
        [("f32", n, h)],
        looped(np.int64(3), lambda g, i, c, x: [g("Identity", [c]), x, g("Neg", [x])], results=2, result=1),
        "f32[3,n,h]",
    ),
    "scanned-until": (
        [("f32", n, h)],
        looped(
            np.int64(3),
            lambda g, i, c, x: [g("Less", [i, np.int64(1)]), x, g("Neg", [x])],
            results=2,
            result=1,
        ),
        "f32[?,n,h]",
    ),
    "scanned-symbol": (
        [("f32", n, h), ("size", n)],
        looped(None, lambda g, i, c, x: [c, x, g("Neg", [x])], results=2, result=1),
        "f32[n,n,h]",
    ),
    "scanned-no-condition": (
        [("f32", n, h)],
        looped(
            np.int64(2),
            lambda g, i, c, x: [g("Identity", [np.bool_(True)]), x, g("Neg", [x])],
            results=2,
            result=1,
            condition=None,
        ),
        "f32[2,n,h]",
    ),
}


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize(("specs", "make", "expected"), list(LOOPS.values()), ids=list(LOOPS))
def test_loop(oracle, opset, specs, make, expected):
    oracle.check_graph(opset, specs, make, expected=expected)


def test_sizes_of_a_body_do_not_leave_it():
    # The body's ?5 is another size in each iteration, so outside it must not equal anything.
    inside = SymDim.named("?5")
    carried, last = Value(TensorType(DType.FLOAT32, (inside,))), Value(TensorType(DType.FLOAT32, (inside,)))
    body = Block([scalar(), scalar(DType.BOOL), carried], [], [Value.of(np.bool_(True)), last, last])
    first = Value(TensorType(DType.FLOAT32, (inside,)))
    node = Node("Loop", [Value.of(np.int64(2)), None, first], {"body": body}, result_types=[None, None])
    dims = DimSource()
    carried_out, scanned = infer(node, 18, dims)
    assert inside not in carried_out.shape
    assert inside not in scanned.shape
    assert carried_out.shape[0] != scanned.shape[1]


@pytest.mark.parametrize("opset", [9, 11, 16, 23])
def test_scan(oracle, opset):
    def make(g, state, xs):
        carried, element = Value(state.value_type), Value(TensorType(DType.FLOAT32, (h,)))

        def body(inner, s, x):
            total = inner("Add", [s, x])
            return [total, inner("Neg", [total])]

        block = g.block([carried, element], body)
        return g("Scan", [state, xs], 2, body=block, num_scan_inputs=1, scan_output_axes=(1,))[1]

    oracle.check_graph(opset, [("f32", h), ("f32", n, h)], make, expected="f32[h,n]")


def test_scan_axis_and_state(oracle):
    def make(g, state, xs):
        carried, element = Value(state.value_type), Value(TensorType(DType.FLOAT32, (h,)))
        block = g.block([carried, element], lambda inner, s, x: [inner("Add", [s, x])])
        return g("Scan", [state, xs], body=block, num_scan_inputs=1, scan_input_axes=(1,))

    oracle.check_graph(18, [("f32", h), ("f32", h, n)], make, expected="f32[h]")


@pytest.mark.parametrize("opset", [15, 18])
def test_optional(opset):
    x = Value(TensorType(DType.FLOAT32, (n, 3)))

    def types(op, operands, **attributes):
        return infer(Node(op, operands, attributes), opset, DimSource())

    (optional,) = types("Optional", [x])
    assert optional == OptionalType(x.value_type)
    assert types("OptionalGetElement", [Value(optional)]) == [x.value_type]
    assert types("OptionalHasElement", [Value(optional)]) == [TensorType(DType.BOOL, ())]
    assert types("Optional", [], type=SequenceType(TensorType(DType.INT64))) == [
        OptionalType(SequenceType(TensorType(DType.INT64)))
    ]
