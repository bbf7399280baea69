"""Calls that are not made, or made together: what is emitted, and that it gives the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnxport_ir import Block, DType, Model, SymDim, TensorType, Value
from onnxport_ir.naming import assign_names, finish_outputs
from onnxport_ir.passes.dead_code import remove_dead_code
from onnxport_ir.proto import to_proto
from onnxport_symbolics.emitter import Emitter
from onnxport_symbolics.integers import add, maximum, mul
from onnxport_symbolics.op import Op
from onnxport_symbolics.target import Target

B, S = SymDim.named("batch"), SymDim.named("time")
Build = Callable[[Op, Value], Value]
OPSETS = (7, 9, 13, 15, 18, 23)


def run(function: Build, shape: Sequence[Any], x: np.ndarray[Any, Any], opset: int) -> tuple[list[str], Any]:
    """The operators of a model of one input, and what it gives."""
    value = Value(TensorType(DType.FLOAT32, tuple(shape)), name="x")
    block = Block([value], name="test")
    block.outputs = [function(Op(Emitter(opset, block)), value)]
    model = Model(block, {"": opset}, ir_version=Target(opset).ir_version)
    remove_dead_code(model)
    operators = [node.op_type for node in model.graph.nodes]
    finish_outputs(model, ["y"])
    assign_names(model)
    session = onnxruntime.InferenceSession(to_proto(model).SerializeToString(), providers=["CPUExecutionProvider"])
    (result,) = session.run(["y"], {"x": x})
    return operators, result


def check(
    function: Build, expected: Callable[[Any], Any], operators: dict[int, list[str]], sizes: Sequence[int]
) -> None:
    x = np.arange(np.prod(sizes), dtype=np.float32).reshape(sizes)
    for opset in OPSETS:
        found, result = run(function, (B, 4, S), x, opset)
        np.testing.assert_array_equal(result, expected(x))
        if opset in operators:
            assert found == operators[opset], f"opset {opset}"


@pytest.mark.parametrize("sizes", [(2, 4, 3), (5, 4, 1)])
class TestSizes:
    def test_all_sizes_of_a_tensor_are_its_shape(self, sizes):
        check(lambda op, x: op.ints(op.dims(x)), lambda x: x.shape, {7: ["Shape"], 18: ["Shape"]}, sizes)

    def test_sizes_side_by_side_are_taken_together(self, sizes):
        operators = {13: ["Shape", "Gather"], 15: ["Shape"]}
        check(lambda op, x: op.ints([4, op.dim(x, 2)]), lambda x: x.shape[1:], operators, sizes)

    def test_other_sizes_stand_between_constants(self, sizes):
        operators = {13: ["Shape", "Gather", "Concat"], 15: ["Shape", "Concat"]}
        check(lambda op, x: op.ints([op.dim(x, 2), 7]), lambda x: (x.shape[2], 7), operators, sizes)

    def test_arithmetic_on_sizes_is_done_on_vectors(self, sizes):
        def build(op: Op, x: Value) -> Value:
            return op.ints([add(op, mul(op, op.dim(x, 0), 3), op.dim(x, 2)), 2])

        operators = {15: ["Shape", "Mul", "Shape", "Add", "Concat"]}
        check(build, lambda x: (x.shape[0] * 3 + x.shape[2], 2), operators, sizes)

    def test_a_number_that_comes_from_elsewhere_is_reshaped(self, sizes):
        def build(op: Op, x: Value) -> Value:
            largest = op.cast(op.ReduceMax(x, keepdims=0), DType.INT64)
            return op.ints([maximum(op, largest, op.dim(x, 0)), op.dim(x, 0)])

        check(build, lambda x: (max(int(x.max()), x.shape[0]), x.shape[0]), {}, sizes)


@pytest.mark.parametrize("sizes", [(2, 4, 3), (5, 4, 1)])
class TestAxes:
    @pytest.mark.parametrize(
        ("first", "second", "axes"),
        [([1], [2], (1, 2)), ([2], [1], (1, 3)), ([0, 2], [-1], (0, 2, 5)), ([1], [1], (1, 2))],
    )
    def test_new_axes_are_made_at_once(self, sizes, first, second, axes):
        def build(op: Op, x: Value) -> Value:
            return op.Unsqueeze(op.Unsqueeze(x, first), second)

        check(build, lambda x: np.expand_dims(x, axes), {18: ["Unsqueeze"]}, sizes)

    def test_an_axis_that_is_moved_and_taken_away_is_not_made(self, sizes):
        def build(op: Op, x: Value) -> Value:
            return op.Squeeze(op.Transpose(op.Unsqueeze(x, [0]), perm=[3, 2, 1, 0]), [3])

        check(build, lambda x: x.transpose(2, 1, 0), {9: ["Transpose"], 18: ["Transpose"]}, sizes)

    def test_another_axis_is_taken_away_as_it_is(self, sizes):
        def build(op: Op, x: Value) -> Value:
            first = op.Slice(x, [0], [1], [0])
            return op.Squeeze(op.Transpose(op.Unsqueeze(first, [0]), perm=[3, 2, 1, 0]), [2])

        check(build, lambda x: x[:1, None].transpose(3, 2, 0, 1)[:, :, 0], {}, sizes)


@pytest.mark.parametrize("sizes", [(2, 4, 3), (5, 4, 1), (0, 4, 3)])
class TestReshape:
    @pytest.mark.parametrize(
        ("first", "second"), [([-1], [-1, 2]), ([-1, 2], [-1, 4]), ([-1, 4, 1], [-1, 2, 2]), ([0, -1, 1], [0, 2, -1])]
    )
    def test_the_shape_between_does_not_matter(self, sizes, first, second):
        if 0 in sizes and 0 in first:
            pytest.skip("beside a 0, a Reshape cannot tell what its -1 stands for")

        def build(op: Op, x: Value) -> Value:
            return op.Reshape(op.Reshape(x, first), second)

        def expected(x: Any) -> Any:
            return x.reshape([x.shape[0] if size == 0 else size for size in second])

        check(build, expected, {18: ["Reshape"]}, sizes)

    def test_a_copied_size_is_what_is_left(self, sizes):
        def build(op: Op, x: Value) -> Value:
            rows = op.Reshape(x, [-1, 4])
            return op.Reshape(rows, [0, 2, 2])

        check(build, lambda x: x.reshape(-1, 2, 2), {18: ["Reshape"]}, sizes)
