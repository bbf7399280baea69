"""The helpers for shapes write as few nodes as they can, and the nodes give what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnxport_ir import Block, DType, Model, SymDim, TensorType, Value
from onnxport_ir.errors import UnsupportedCase
from onnxport_ir.naming import assign_names, finish_outputs
from onnxport_ir.passes.dead_code import remove_dead_code
from onnxport_ir.proto import to_proto
from onnxport_symbolics import shaping
from onnxport_symbolics.emitter import Emitter
from onnxport_symbolics.integers import mul
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.target import Target

B, S = SymDim.named("batch"), SymDim.named("time")
Build = Callable[[Op, Value], Value]


def build(function: Build, shape: Sequence[Any], opset: int = 18) -> Model:
    """A model of one input of the given sizes, without dead nodes."""
    x = Value(TensorType(DType.FLOAT32, tuple(shape)), name="x")
    block = Block([x], name="test")
    block.outputs = [function(Op(Emitter(opset, block)), x)]
    model = Model(block, {"": opset}, ir_version=Target(opset).ir_version)
    remove_dead_code(model)
    return model


def run(model: Model, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    finish_outputs(model, ["y"])
    assign_names(model)
    session = onnxruntime.InferenceSession(to_proto(model).SerializeToString(), providers=["CPUExecutionProvider"])
    (result,) = session.run(["y"], {"x": x})
    return result


def reshaped(model: Model) -> tuple[list[int] | None, int]:
    """The constant shape of the Reshape that gives the output, and its allowzero."""
    node = model.graph.nodes[-1]
    assert node.op_type == "Reshape"
    shape = node.operands[1]
    return (None if shape.const is None else shape.array().tolist()), node.attributes.get("allowzero", 0)


def sized(*sizes: int | str) -> Callable[[Op, Value], list[Int]]:
    """Sizes by number, or by the axes of x that are multiplied: "0" is x.size(0), "01" their product."""

    def make(op: Op, x: Value) -> list[Int]:
        result: list[Int] = []
        for size in sizes:
            if isinstance(size, int):
                result.append(size)
                continue
            product: Int = 1
            for axis in size:
                product = mul(op, product, op.dim(x, int(axis)))
            result.append(product)
        return result

    return make


@pytest.mark.parametrize(
    ("shape", "sizes", "expected"),
    [
        ((2, 12), (2, 3, 4), [2, 3, 4]),
        ((B, 12), ("0", 3, 4), [0, 3, 4]),
        ((B, 12), (-1, 3, 4), [-1, 3, 4]),
        ((B, 3, 4), ("0", -1), [0, 12]),
        ((B, S, 12), ("0", "1", 3, 4), [0, 0, 3, 4]),
        ((B, S, 12), ("01", 12), [-1, 12]),
        ((B, S, 12), ("0", "1", -1), None),
        ((B, S, 12), ("0", -1, 6), [0, -1, 6]),
        ((B, 2, S, 6), ("0", 2, -1), [0, 2, -1]),
        ((B, S, 2, 6), ("0", -1, 12), [0, -1, 12]),
    ],
)
def test_shapes_are_constants(shape: Sequence[Any], sizes: Sequence[Any], expected: list[int] | None) -> None:
    model = build(lambda op, x: shaping.reshape(op, x, sized(*sizes)(op, x)), shape)
    if expected is None:
        assert not model.graph.nodes
        return
    assert [node.op_type for node in model.graph.nodes] == ["Reshape"]
    assert reshaped(model) == (expected, 0)


@pytest.mark.parametrize("opset", [9, 13, 14, 21])
def test_two_new_dynamic_sizes_are_computed(opset: int) -> None:
    model = build(lambda op, x: shaping.reshape(op, x, sized("1", 6, "0")(op, x)), (B, S, 6), opset)
    assert reshaped(model) == (None, int(opset >= 14))
    x = np.arange(48, dtype=np.float32).reshape(2, 4, 6)
    np.testing.assert_array_equal(run(model, x), x.reshape(4, 6, 2))


def test_a_computed_size_of_zero_is_no_copy() -> None:
    model = build(lambda op, x: shaping.reshape(op, x, sized("1", 6, "0")(op, x)), (B, S, 6))
    assert run(model, np.zeros((0, 4, 6), np.float32)).shape == (4, 6, 0)


def test_a_size_of_zero_makes_an_empty_tensor() -> None:
    model = build(lambda op, x: shaping.reshape(op, x, sized(0, "0", 7)(op, x)), (B, 0, 3))
    assert run(model, np.zeros((5, 0, 3), np.float32)).shape == (0, 5, 7)


@pytest.mark.parametrize(
    ("shape", "sizes", "expected"),
    [
        ((1, 3), (4, -1), [4, 1]),
        ((3,), (2, 3), [2, 1]),
        ((B, 1), ("0", 5), [5]),
        ((B, 3), (-1, 3), None),
    ],
)
def test_expansions_keep_what_they_can(shape: Sequence[Any], sizes: Sequence[Any], expected: list[int] | None) -> None:
    model = build(lambda op, x: shaping.expand_to(op, x, sized(*sizes)(op, x)), shape)
    if expected is None:
        assert not model.graph.nodes
        return
    (node,) = model.graph.nodes
    assert node.op_type == "Expand"
    assert node.operands[1].array().tolist() == expected


@pytest.mark.parametrize("opset", [9, 18])
@pytest.mark.parametrize(("shape", "sizes"), [((1,), (0,)), ((B, 1), (-1, 0)), ((1, B), (0, -1)), ((1, 1), (3, 0))])
def test_an_expansion_to_nothing_is_kept(shape: Sequence[Any], sizes: Sequence[int], opset: int) -> None:
    x = np.ones([2 if size is B else size for size in shape], np.float32)
    model = build(lambda op, x: op.Neg(shaping.expand_to(op, op.Neg(x), sizes)), shape, opset)
    expected = [old if size == -1 else size for size, old in zip(sizes, x.shape, strict=True)]
    assert run(model, x).shape == tuple(expected)


def test_an_expansion_cannot_keep_a_new_axis() -> None:
    with pytest.raises(UnsupportedCase, match="new axis"):
        build(lambda op, x: shaping.expand_to(op, x, [-1, 3]), (3,))


@pytest.mark.parametrize(
    ("shape", "start", "end", "nodes"),
    [
        ((4, 6), None, None, 0),
        ((4, 6), 0, 99, 0),
        ((4, 6), -2, None, 1),
        ((4, S), 0, None, 0),
        ((4, S), 1, -1, 1),
        ((4, S), 5, 2, 1),
    ],
)
def test_slices(shape: Sequence[Any], start: int | None, end: int | None, nodes: int) -> None:
    model = build(lambda op, x: shaping.slice_axis(op, x, 1, start, end), shape)
    assert len(model.graph.nodes) == nodes
    x = np.arange(24, dtype=np.float32).reshape(4, 6)
    np.testing.assert_array_equal(run(model, x), x[:, start:end])


def test_slices_with_a_step() -> None:
    x = np.arange(24, dtype=np.float32).reshape(4, 6)
    for start, end, step in ((None, None, -1), (4, 1, -2), (1, None, 3)):
        model = build(lambda op, v, a=start, b=end, s=step: shaping.slice_axis(op, v, -1, a, b, s), (4, S))
        np.testing.assert_array_equal(run(model, x), x[:, start:end:step])


def test_broadcast_sizes() -> None:
    """A size of 1 gives way, whether it is known or not."""

    def function(op: Op, x: Value) -> Value:
        sizes = shaping.broadcast_shape(op, x, op.Transpose(x, perm=(1, 0)))
        return op.cast(op.ints(sizes), DType.FLOAT32)

    for shape in ((1, 5), (5, 1), (3, 3), (1, 0)):
        expected = np.broadcast_shapes(shape, shape[::-1])
        assert tuple(run(build(function, (B, S)), np.zeros(shape, np.float32))) == expected


def test_axes() -> None:
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for function, expected in (
        (shaping.transpose_last, x.swapaxes(1, 2)),
        (lambda op, v: shaping.move_axis(op, v, 0, -1), np.moveaxis(x, 0, -1)),
        (lambda op, v: shaping.squeeze(op, shaping.unsqueeze(op, v, [0, -1]), [0]), x[..., None]),
        (shaping.flatten_all, x.reshape(-1)),
        (lambda op, v: shaping.index_axis(op, v, -1, -2), x[..., -2]),
        (lambda op, v: shaping.full(op, op.dims(v), 2.5, DType.FLOAT32), np.full_like(x, 2.5)),
    ):
        np.testing.assert_array_equal(run(build(function, (B, S, 4)), x), expected)
