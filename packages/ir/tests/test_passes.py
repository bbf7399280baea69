"""Passes: what they change, what they leave alone, and that results stay the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from onnxport_ir import ArrayTensor, Block, DType, Model, Node, SymDim, TensorType, Value
from onnxport_ir.naming import assign_names
from onnxport_ir.passes import DEFAULT_PIPELINE, run
from onnxport_ir.passes.batch_norm import fold_batch_norms
from onnxport_ir.passes.rms_norm import fuse_rms_norms
from onnxport_ir.passes.weights import transpose_weights

BATCH = SymDim.named("batch", 2)


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def weight(name: str, array: np.ndarray) -> Value:
    return Value.weight(ArrayTensor.of(array), name)


def floats(*shape: Any) -> TensorType:
    return TensorType(DType.FLOAT32, shape)


def node(op_type: str, operands: Sequence[Value], shape: Sequence[Any], **attributes: Any) -> Node:
    return Node(op_type, operands, attributes, result_types=[floats(*shape)])


def ints(*items: int) -> Value:
    return Value.of(np.array(items, np.int64))


def model_of(x: Value, nodes: Sequence[Node], *more: Value, opset: int = 18) -> Model:
    return Model(Block([x], nodes, [nodes[-1].result, *more]), {"": opset}, ir_version=11 if opset > 22 else 8)


def operators(model: Model) -> list[str]:
    return [item.op_type for item in model.graph.nodes]


def run_both(tools: Any, model: Model, change: Any, x: np.ndarray) -> int:
    """Apply a pass; the results must stay the same but for rounding."""
    assign_names(model)
    before = tools.run_model(model, x=x)
    changes = change(model)
    assign_names(model)
    for old, new in zip(before, tools.run_model(model, x=x), strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-5, atol=1e-5)
    return int(changes)


def normalized(*, bias: bool = True, group: int = 1, shared: bool = False, looked_at: bool = False) -> Model:
    """A batch norm after a convolution; x: (batch, 4, 5, 6) float."""
    x = Value(floats(BATCH, 4, 5, 6), name="x")
    kernel = weight("conv.weight", numbers(6, 4 // group, 3, 3))
    operands = [x, kernel] + ([weight("conv.bias", numbers(6, seed=1))] if bias else [])
    conv = node("Conv", operands, (BATCH, 6, 3, 4), group=group)
    terms = [weight(f"bn.{name}", numbers(6, seed=seed)) for seed, name in enumerate(("weight", "bias", "mean"), 2)]
    terms.append(weight("bn.var", np.abs(numbers(6, seed=9)) + 0.1))
    norm = node("BatchNormalization", [conv.result, *terms], (BATCH, 6, 3, 4), epsilon=1e-3)
    nodes, more = [conv, norm, node("Relu", [norm.result], (BATCH, 6, 3, 4))], []
    if shared:
        second = node("Conv", [x, kernel], (BATCH, 6, 3, 4), group=group)
        nodes.insert(0, second)
        more.append(second.result)
    if looked_at:
        more.append(conv.result)
    return model_of(x, nodes, *more)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("group", [1, 2])
def test_batch_norms_become_part_of_convolutions(tools: Any, bias: bool, group: int) -> None:
    model = normalized(bias=bias, group=group)
    assert run_both(tools, model, fold_batch_norms, numbers(2, 4, 5, 6, seed=7)) == 1
    assert operators(model) == ["Conv", "Relu"]
    names = ["conv.weight.folded", "conv.bias.folded" if bias else "bn.bias.folded"]
    assert [value.name for value in model.graph.constants()] == names


def test_a_batch_norm_that_gives_an_output_keeps_its_name(tools: Any) -> None:
    model = normalized()
    norm = model.graph.nodes[1]
    model.graph.nodes, model.graph.outputs = model.graph.nodes[:2], [norm.result]
    norm.result.name = "y"
    assert run_both(tools, model, fold_batch_norms, numbers(2, 4, 5, 6, seed=7)) == 1
    assert [output.name for output in model.graph.outputs] == ["y"]


@pytest.mark.parametrize("why", ["the weight is read twice", "the convolution is an output", "training", "inputs"])
def test_batch_norms_stay(tools: Any, why: str) -> None:
    model = normalized(shared=why == "the weight is read twice", looked_at=why == "the convolution is an output")
    if why == "training":
        model.graph.nodes[1].attributes["training_mode"] = 1
        assert fold_batch_norms(model) == 0
        return
    model.keep_initializers_as_inputs = why == "inputs"
    assert run_both(tools, model, fold_batch_norms, numbers(2, 4, 5, 6, seed=7)) == 0
    assert "BatchNormalization" in operators(model)


def test_a_weight_is_stored_as_it_is_read(tools: Any) -> None:
    x = Value(floats(BATCH, 4, 2), name="x")
    turned = node("Transpose", [weight("w", numbers(2, 4))], (4, 2), perm=[1, 0])
    row = node("Unsqueeze", [turned.result, ints(0)], (1, 4, 2))
    scale = node("Reshape", [weight("scale", numbers(4)), ints(-1, 1)], (4, 1))
    token = node("Expand", [weight("token", numbers(1, 2)), ints(4, 2)], (4, 2))
    place = node("Gather", [weight("table", numbers(9, 2)), ints(1, -1, 0, 2)], (4, 2), axis=0)
    terms = [row, scale, token, place]
    sums, total = [], x
    for term in terms:
        sums.append(node("Add", [total, term.result], (BATCH, 4, 2)))
        total = sums[-1].result
    model = model_of(x, [turned, *terms, *sums])
    assert run_both(tools, model, transpose_weights, numbers(3, 4, 2, seed=5)) == 5
    assert operators(model) == ["Add"] * 4
    stored = {value.name: value.const.shape for value in model.graph.constants() if value.const is not None}
    assert stored == {
        "w.T.reshaped": (1, 4, 2),
        "scale.reshaped": (4, 1),
        "token.expanded": (4, 2),
        "table.gathered": (4, 2),
    }


@pytest.mark.parametrize("case", ["long", "twice", "output", "out of range", "computed"])
def test_a_weight_stays(case: str) -> None:
    x = Value(floats(4096, 4), name="x")
    table = weight("table", numbers(3, 4))
    indices = ints(*range(3), 7) if case == "out of range" else ints(0, 1, 2, 0)
    if case == "long":
        changed = node("Expand", [weight("token", numbers(1, 4)), ints(4096, 4)], (4096, 4))
    elif case == "computed":
        shape = Node("Shape", [x], result_types=[TensorType(DType.INT64, (2,))])
        changed = node("Expand", [weight("token", numbers(1, 4)), shape.result], (SymDim.named("n"), 4))
    else:
        changed = node("Gather", [table, indices], (4, 4), axis=0)
    other = node("Mul", [x, table if case == "twice" else x], (4096, 4))
    added = node("Add", [other.result, changed.result], (4096, 4))
    model = model_of(x, [changed, other, added], *([changed.result] if case == "output" else []))
    assert transpose_weights(model) == 0
    assert model.graph.nodes[0] is changed


def rms(
    *, epsilon: Value | None = None, length: int = 4, axis: int = -1, opset: int = 23, looked_at: bool = False
) -> Model:
    """The norm as it is written out; x: (batch, 3, 4) float."""
    x = Value(floats(BATCH, 3, 4), name="x")
    sizes = (BATCH, 3, 1)
    square = node("Mul", [x, x], (BATCH, 3, 4))
    mean = node("ReduceMean", [square.result, ints(axis)], sizes if axis == -1 else (BATCH, 1, 4), keepdims=1)
    total = node("Add", [mean.result, epsilon or Value.of(np.float32(1e-6))], sizes)
    root = node("Sqrt", [total.result], sizes)
    inverse = node("Reciprocal", [root.result], sizes)
    scaled = node("Mul", [x, inverse.result], (BATCH, 3, 4))
    result = node("Mul", [weight("norm.weight", numbers(length)), scaled.result], (BATCH, 3, 4))
    nodes = [square, mean, total, root, inverse, scaled, result]
    return model_of(x, nodes, *([inverse.result] if looked_at else []), opset=opset)


def test_a_norm_written_out_is_one_node(tools: Any) -> None:
    model = rms()
    assert run_both(tools, model, fuse_rms_norms, numbers(2, 3, 4, seed=5)) == 1
    assert operators(model) == ["RMSNormalization"]
    assert model.graph.nodes[0].attributes == {"axis": -1, "epsilon": pytest.approx(1e-6)}


@pytest.mark.parametrize(
    "model",
    [
        rms(opset=22),
        rms(length=1),
        rms(axis=1),
        rms(looked_at=True),
        rms(epsilon=weight("epsilon", np.full((), 1e-6, np.float32))),
    ],
    ids=["opset", "weight", "axis", "output", "epsilon"],
)
def test_other_norms_stay(tools: Any, model: Model) -> None:
    assert run_both(tools, model, fuse_rms_norms, numbers(2, 3, 4, seed=5)) == 0


def test_the_pipeline_says_what_each_pass_does() -> None:
    assert [step.name for step in DEFAULT_PIPELINE if step.folds_weights] == ["fold-batch-norm", "transpose-weights"]
    assert [step.name for step in DEFAULT_PIPELINE if step.joins_modules] == ["fold-batch-norm"]
    assert run(DEFAULT_PIPELINE, normalized()) == {
        "dead-code": 0,
        "fold-batch-norm": 1,
        "transpose-weights": 0,
        "fuse-rms-norm": 0,
    }
