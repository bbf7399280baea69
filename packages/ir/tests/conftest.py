"""Models made by hand, and ways to run them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxport_ir import ArrayTensor, Block, DType, Function, Model, Node, RefAttr, SymDim, TensorType, Value
from onnxport_ir.errors import Place
from onnxport_ir.naming import assign_names, finish_outputs
from onnxport_ir.proto import encode

BATCH = SymDim.named("batch", 5)


def floats(*shape: Any) -> TensorType:
    return TensorType(DType.FLOAT32, shape)


def weight(name: str, *shape: int, seed: int = 0) -> Value:
    array = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return Value.weight(ArrayTensor.of(array), name)


def model_of(block: Block, opset: int, **imports: int) -> Model:
    entries = [onnx.helper.make_opsetid("", opset)]
    return Model(block, {"": opset, **imports}, ir_version=onnx.helper.find_min_ir_version_for(entries))


def mlp(opset: int = 17, *, width: int = 3) -> Model:
    """relu(x @ w + b), reshaped by a constant; x: (batch, 4) float."""
    x = Value(floats(BATCH, 4), name="x")
    w, b = weight("fc.weight", 4, width), weight("fc.bias", width, seed=1)
    place = Place("fc", "/home/someone/net/model.py", 12)
    product = Node("MatMul", [x, w], result_types=[floats(BATCH, width)], place=place)
    added = Node("Add", [product.result, b], result_types=[floats(BATCH, width)], place=place)
    relu = Node("Relu", [added.result], result_types=[floats(BATCH, width)], place=Place("act.0"))
    shape = Value.of(np.array([-1, width, 1], np.int64))
    reshaped = Node("Reshape", [relu.result, shape], result_types=[floats(BATCH, width, 1)])
    reshaped.result.name = "y"
    return model_of(Block([x], [product, added, relu, reshaped], [reshaped.result], "main"), opset)


def mlp_expected(model: Model, x: np.ndarray) -> np.ndarray:
    w, b = (value.array() for value in model.graph.constants() if value.is_weight)
    return np.maximum(x @ w + b, 0)[:, :, None]


def branches(opset: int = 17) -> Model:
    """x doubled as long as the sum is under 100, then negated if flag; x: (n) float, flag: () bool."""
    n = SymDim.named("n")
    x, flag = Value(floats(n), name="x"), Value(TensorType(DType.BOOL, ()), name="flag")
    step, go = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ()))
    carried = Value(floats(n))
    doubled = Node("Mul", [carried, Value.of(np.float32(2))], result_types=[floats(n)])
    total = Node("ReduceSum", [doubled.result], {"keepdims": 0}, result_types=[floats()])
    again = Node("Less", [total.result, Value.of(np.float32(100))], result_types=[TensorType(DType.BOOL, ())])
    body = Block([step, go, carried], [doubled, total, again], [again.result, doubled.result])
    loop = Node("Loop", [Value.of(np.int64(20)), Value.of(np.bool_(True)), x], {"body": body}, result_types=[floats(n)])
    negated = Node("Neg", [loop.result], result_types=[floats(n)])
    # The other branch hands on a value from around it.
    then_branch, else_branch = Block([], [negated], [negated.result]), Block([], [], [loop.result])
    chosen = Node("If", [flag], {"then_branch": then_branch, "else_branch": else_branch}, result_types=[floats(n)])
    chosen.result.name = "y"
    return model_of(Block([x, flag], [loop, chosen], [chosen.result]), opset)


def branches_expected(x: np.ndarray, flag: bool) -> np.ndarray:
    for _ in range(20):
        x = x * 2
        if not x.sum() < 100:
            break
    return -x if flag else x


def functions(opset: int = 18) -> Model:
    """A local function ``scaled(x) = leaky_relu(x * 3)`` with an attribute, called twice with other attributes."""
    formal = Value(name="x")
    scaled = Node("Mul", [formal, Value.of(np.float32(3))])
    leaky = Node("LeakyRelu", [scaled.result], {"alpha": RefAttr("slope", onnx.AttributeProto.FLOAT)})
    body = Block([formal], [scaled, leaky], [leaky.result])
    function = Function("local", "scaled", body, attributes={"slope": None}, opset_imports={"": opset})
    x = Value(floats(BATCH), name="x")
    first = Node("scaled", [x], {"slope": 0.5}, domain="local", result_types=[floats(BATCH)])
    second = Node("scaled", [first.result], {"slope": 0.1}, domain="local", result_types=[floats(BATCH)])
    second.result.name = "y"
    model = model_of(Block([x], [first, second], [second.result]), opset, local=1)
    model.ir_version = max(model.ir_version, 8)
    model.functions[function.key] = function
    return model


def finished(model: Model) -> Model:
    finish_outputs(model)
    assign_names(model)
    return model


def run_bytes(content: bytes | str, **inputs: Any) -> list[Any]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def run_model(model: Model, **inputs: Any) -> list[Any]:
    content = encode(model).to_bytes()
    onnx.checker.check_model(onnx.ModelProto.FromString(content), full_check=True)
    return run_bytes(content, **inputs)


class Tools:
    """What the tests share; modules of tests cannot import each other."""

    branches = staticmethod(branches)
    branches_expected = staticmethod(branches_expected)
    finished = staticmethod(finished)
    floats = staticmethod(floats)
    functions = staticmethod(functions)
    mlp = staticmethod(mlp)
    mlp_expected = staticmethod(mlp_expected)
    model_of = staticmethod(model_of)
    run_bytes = staticmethod(run_bytes)
    run_model = staticmethod(run_model)
    weight = staticmethod(weight)


@pytest.fixture
def tools() -> type[Tools]:
    return Tools


@pytest.fixture(params=["mlp", "branches", "functions"])
def any_model(request: pytest.FixtureRequest) -> Model:
    makers: dict[str, Callable[[], Model]] = {"mlp": mlp, "branches": branches, "functions": functions}
    return finished(makers[request.param]())
