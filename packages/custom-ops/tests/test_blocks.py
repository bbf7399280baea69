"""Branches and loops that symbolic functions write by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from onnxport_custom_ops import symbolic_helper
from onnxport_ir import DType, SymDim, TensorType
from onnxport_ir.errors import InvalidArgument, UnsupportedCase
from torch.onnx import utils
from torch.onnx._internal.torchscript_exporter import jit_utils

N = SymDim.named("n", 2)
X = np.float32([[1, -2, 3], [4, 5, -6]])
Y = np.float32([[-1, -2, -3]])


def is_positive(g, x):
    total = g.op("ReduceSum", x, keepdims_i=0)
    return g.op("Greater", total, torch.tensor(0.0))


def by_contexts(g, x):
    """As torch's own functions do it."""
    found, (then, otherwise), _ = jit_utils.add_op_with_blocks(g, "If", is_positive(g, x), n_blocks=2)
    utils._add_output_to_block(then.block, then.op("Mul", x, then.op("Constant", value_t=torch.tensor(2.0))))
    utils._add_output_to_block(otherwise.block, otherwise.op("Sub", x, torch.tensor(1.0)))
    return found


def by_blocks(g, x):
    """As older libraries do it: a block is taken for the graph, by torch's helpers too."""
    found = g.op("If", is_positive(g, x))
    then = utils._add_block(found.node())
    longer = symbolic_helper._unsqueeze_helper(then, then.op("Mul", x, torch.tensor(2.0)), [0])
    utils._add_output_to_block(then, torch.onnx.symbolic_helper._squeeze_helper(then, longer, [0]))
    otherwise = utils._add_block(found.node())
    assert len(found.node().blocks()) == 2
    utils._add_output_to_block(otherwise, otherwise.op("Sub", x, torch.tensor(1.0)))
    return found


def nested(g, x):
    """An If in the branch of an If, with a value of the model that is computed after the first one is begun."""
    found = g.op("If", is_positive(g, x))
    then, otherwise = found.node().addBlock(), found.node().addBlock()
    doubled = g.op("Add", x, x)
    inner = then.op("If", then.op("Not", is_positive(then, x)))
    first, second = inner.node().addBlock(), inner.node().addBlock()
    first.registerOutput(first.op("Neg", x))
    second.registerOutput(second.op("Identity", doubled))
    then.registerOutput(inner)
    g_of_block = dataclasses.replace(g, block=otherwise)
    g_of_block.block.registerOutput(g_of_block.op("Sub", x, torch.tensor(1.0)))
    return found


@pytest.mark.parametrize("symbolic", [by_contexts, by_blocks, nested])
@pytest.mark.parametrize("opset", [9, 13, 18, 23])
def test_branches(lowered, symbolic, opset):
    model = lowered(symbolic, opset=opset)
    assert model.ops.count("If") == 1
    np.testing.assert_array_equal(model.run(X)[0], X * 2)
    np.testing.assert_array_equal(model.run(Y)[0], Y - 1)


def powers(g, x, count):
    """``x ** 2 ** count``, and each of the steps on the way."""
    (last, steps), (body,), node = jit_utils.add_op_with_blocks(g, "Loop", count, True, x, outputs=2)
    assert (node.kind(), node.outputsSize(), node.inputsSize()) == ("onnx::Loop", 2, 3)
    turn, condition, carried = (utils._add_input_to_block(body.block) for _ in range(3))
    assert turn.type().scalarType() == "Long"
    assert carried.type().scalarType() == "Float"
    carried.setType(x.type())
    squared = body.op("Mul", carried, carried)
    for result in (condition, squared, body.op("ReduceSum", squared, keepdims_i=0)):
        utils._add_output_to_block(body.block, result)
    return last, steps


@pytest.mark.parametrize("opset", [11, 18])
def test_loops(lowered, opset):
    model = lowered(
        powers,
        inputs=[TensorType(DType.FLOAT32, (N, 3)), TensorType(DType.INT64, ())],
        results=[TensorType(DType.FLOAT32, (N, 3)), TensorType()],
        opset=opset,
    )
    for x, count in ((X, 2), (Y, 3), (Y, 0)):
        last, steps = model.run(x, np.array(count))
        np.testing.assert_array_equal(last, x**2**count)
        np.testing.assert_array_equal(steps, np.float32([(x**2 ** (i + 1)).sum() for i in range(count)]))


def test_results_can_be_used_and_typed(lowered):
    def symbolic(g, x):
        found, (then, otherwise), _ = jit_utils.add_op_with_blocks(g, "If", is_positive(g, x), n_blocks=2, outputs=2)
        assert not found[0].isCompleteTensor()
        found[0].setType(x.type())
        assert found[0].type() == x.type()
        for context in (then, otherwise):
            utils._add_output_to_block(context.block, context.op("Neg", x))
            utils._add_output_to_block(context.block, x)
        return g.op("Add", *found)

    np.testing.assert_array_equal(lowered(symbolic).run(X)[0], X * 0)


def test_two_nodes_of_one_condition_are_two(lowered):
    def symbolic(g, x):
        condition = is_positive(g, x)
        found = []
        for op_type in ("Neg", "Abs"):
            result, contexts, _ = jit_utils.add_op_with_blocks(g, "If", condition, n_blocks=2)
            for context in contexts:
                utils._add_output_to_block(context.block, context.op(op_type, x))
            found.append(result)
        return g.op("Sub", *found)

    np.testing.assert_array_equal(lowered(symbolic).run(X)[0], -X - abs(X))


def test_a_node_that_is_not_used_is_not_there(lowered):
    def symbolic(g, x):
        g.op("If", is_positive(g, x))
        return g.op("Neg", x)

    assert "If" not in lowered(symbolic).ops


def _one_block(g, x):
    found = g.op("If", is_positive(g, x))
    found.node().addBlock()
    return found


def _three_blocks(g, x):
    found = g.op("If", is_positive(g, x))
    for _ in range(3):
        found.node().addBlock()
    return found


def _no_outputs(g, x):
    found, _, _ = jit_utils.add_op_with_blocks(g, "If", is_positive(g, x), n_blocks=2)
    return found


def _late(g, x):
    found, (then, otherwise), _ = jit_utils.add_op_with_blocks(g, "If", is_positive(g, x), n_blocks=2)
    for context in (then, otherwise):
        utils._add_output_to_block(context.block, context.op("Neg", x))
    used = g.op("Neg", found)
    then.op("Neg", x)
    return used


def _other_types(g, x):
    found, (then, otherwise), _ = jit_utils.add_op_with_blocks(g, "If", is_positive(g, x), n_blocks=2)
    utils._add_output_to_block(then.block, then.op("Cast", x, to_i=7))
    utils._add_output_to_block(otherwise.block, otherwise.op("Neg", x))
    return found


def _other_carried(g, x):
    found, (body,), _ = jit_utils.add_op_with_blocks(g, "Loop", torch.tensor(2), True, x)
    _, condition, carried = (utils._add_input_to_block(body.block) for _ in range(3))
    utils._add_output_to_block(body.block, condition)
    utils._add_output_to_block(body.block, body.op("Cast", carried, to_i=7))
    return found


@pytest.mark.parametrize(
    ("symbolic", "error", "message"),
    [
        (_one_block, UnsupportedCase, "If with 1 of 2 blocks"),
        (_three_blocks, InvalidArgument, "adds 3 blocks to If"),
        (_no_outputs, UnsupportedCase, "then_branch with 0 inputs and 0 outputs: it must have 0 and 1"),
        (_late, InvalidArgument, "whose node is in use already"),
        (_other_types, UnsupportedCase, "If with values of different types in one place: i64.* and f32"),
        (_other_carried, UnsupportedCase, "Loop with values of different types in one place: f32.* and i64"),
        (lambda g, x: g.op("Neg", x).node().addBlock(), InvalidArgument, "onnx::Neg has no blocks"),
        (lambda g, x: g.block.registerOutput(x), InvalidArgument, "gives back a value of the model"),
        (lambda g, x: g.block.addInputToBlock(), InvalidArgument, "adds an input to the model"),
    ],
)
def test_blocks_that_onnx_does_not_have(lowered, symbolic, error, message):
    with pytest.raises(error, match=message):
        lowered(symbolic)
