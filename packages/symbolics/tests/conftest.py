"""Calls of ONNX operators, lowered to an opset and run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.reference import ReferenceEvaluator
from onnxport_ir import Block, DType, Model, SymDim, TensorType, Value
from onnxport_ir.errors import NeedsOpset
from onnxport_ir.infer import fill_types
from onnxport_ir.naming import assign_names, finish_outputs
from onnxport_ir.proto import to_proto
from onnxport_symbolics.emitter import Emitter
from onnxport_symbolics.op import Op
from onnxport_symbolics.schemas import NEWEST_OPSET, OLDEST_OPSET
from onnxport_symbolics.target import Target
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NotImplementedKernel

Array = np.ndarray[Any, Any]
Build = Callable[..., Value | Sequence[Value]]

onnxruntime.set_default_logger_severity(4)


@dataclass(frozen=True)
class Case:
    """A call as the newest opset spells it.

    Attributes:
        op_type: the operator.
        operands: arrays become inputs of the model, numbers and lists constants, None stays out.
        attributes: the attributes.
        results: how many results there are.
        since: the oldest opset that can express it.
        since_dynamic: the same where no size of an input is known; None as ``since``.
        tolerance: how far floats may be off, relative and absolute.
        name: what tells it from other cases of the operator.
        expected: the results, where neither the runtime nor onnx's reference gives them; called with the inputs.
    """

    op_type: str
    operands: Sequence[Any]
    attributes: dict[str, Any] = field(default_factory=dict)
    results: int = 1
    since: int = 7
    since_dynamic: int | None = None
    tolerance: float = 1e-5
    name: str = ""
    expected: Callable[..., Any] | None = None

    def __str__(self) -> str:
        return f"{self.op_type}-{self.name}" if self.name else self.op_type

    @property
    def inputs(self) -> list[Array]:
        """The operands that become inputs."""
        return [operand for operand in self.operands if isinstance(operand, np.ndarray)]

    def build(self, op: Op, *values: Value) -> tuple[Value, ...]:
        """Call the operator."""
        inputs = iter(values)
        operands = [next(inputs) if isinstance(o, np.ndarray) else o for o in self.operands]
        return op.multi(self.op_type, self.results, *operands, **self.attributes)


def lower_call(build: Build, inputs: Sequence[Array], opset: int, *, dynamic: bool = False) -> onnx.ModelProto:
    """A model of what ``build(op, *values)`` gives."""
    block = Block(name="graph")
    values = []
    for index, array in enumerate(inputs):
        # The last axis of integers is left alone: it is how many axes they name.
        fixed = array.ndim - (array.dtype.kind == "i") if dynamic else 0
        shape = tuple(
            SymDim.named(f"s{index}_{axis}", size) if axis < fixed else size for axis, size in enumerate(array.shape)
        )
        values.append(Value(TensorType(DType.from_numpy(array.dtype), shape), name=f"x{index}"))
    block.inputs = values
    results = build(Op(Emitter(opset, block)), *values)
    block.outputs = [results] if isinstance(results, Value) else list(results)
    model = Model(block, {"": opset}, ir_version=Target(opset).ir_version)
    fill_types(model)
    finish_outputs(model, [f"y{index}" for index in range(len(block.outputs))])
    assign_names(model)
    return to_proto(model)


def run(proto: onnx.ModelProto, inputs: Sequence[Array]) -> list[Array]:
    """The outputs of a model in ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    outputs: list[Array] = session.run(None, dict(zip(names, inputs, strict=True)))
    return outputs


def expected_results(case: Case) -> list[Array]:
    """What the newest opset gives, in ONNX Runtime or, where that lacks the kernel, in onnx's reference."""
    if case.expected is not None:
        results = case.expected(*case.inputs)
        return list(results) if isinstance(results, tuple | list) else [results]
    return _run_anywhere(lower_call(case.build, case.inputs, NEWEST_OPSET), case.inputs)


def _run_anywhere(proto: onnx.ModelProto, inputs: Sequence[Array]) -> list[Array]:
    """The outputs in ONNX Runtime or, where that lacks a kernel, in onnx's reference."""
    try:
        return run(proto, inputs)
    except NotImplementedKernel:
        feed = {f"x{index}": array for index, array in enumerate(inputs)}
        outputs: list[Array] = ReferenceEvaluator(proto).run(None, feed)
        return outputs


def check_case(case: Case, opset: int, expected: Sequence[Array], *, dynamic: bool) -> None:
    """The call gives the same at ``opset``, or is refused if that is too old."""
    since = case.since_dynamic if dynamic and case.since_dynamic is not None else case.since
    if opset < since:
        with pytest.raises(NeedsOpset) as refused:
            lower_call(case.build, case.inputs, opset, dynamic=dynamic)
        assert opset < refused.value.needs <= since
        return
    proto = lower_call(case.build, case.inputs, opset, dynamic=dynamic)
    onnx.checker.check_model(proto)
    results = _run_anywhere(proto, case.inputs)
    assert len(results) == len(expected)
    for result, wanted in zip(results, expected, strict=True):
        assert result.dtype == wanted.dtype
        assert result.shape == wanted.shape
        np.testing.assert_allclose(result, wanted, rtol=case.tolerance, atol=case.tolerance)


@pytest.fixture(scope="session")
def check_everywhere() -> Callable[[Case], None]:
    """Check a case at every opset, with known sizes and without; all that is wrong is reported at once."""

    def check(case: Case) -> None:
        expected = expected_results(case)
        wrong = []
        for opset in range(OLDEST_OPSET, NEWEST_OPSET + 1):
            for dynamic in (False, True):
                try:
                    check_case(case, opset, expected, dynamic=dynamic)
                # The failures of all opsets are one report.
                except (Exception, pytest.fail.Exception) as error:
                    sizes = "dynamic" if dynamic else "static"
                    wrong.append(f"opset {opset}, {sizes}: {type(error).__name__}: {str(error).strip()[:400]}")
        assert not wrong, "\n".join(wrong)

    return check


@pytest.fixture(scope="session")
def case_of() -> type[Case]:
    """The class of cases; a fixture, as test modules cannot import this one."""
    return Case


@pytest.fixture(scope="session")
def lower_build() -> Callable[..., onnx.ModelProto]:
    """Build a model from a function of ``Op``."""
    return lower_call


@pytest.fixture(scope="session")
def run_model() -> Callable[[onnx.ModelProto, Sequence[Array]], list[Array]]:
    """Run a model in ONNX Runtime."""
    return run


@pytest.fixture(scope="session")
def expected_of() -> Callable[[Case], list[Array]]:
    """What onnx's reference gives for a case, as a node of its own."""

    def expected(case: Case) -> list[Array]:
        names = [f"x{index}" for index in range(len(case.inputs))]
        feed = dict(zip(names, case.inputs, strict=True))
        operands, operand_names = iter(names), []
        initializers = []
        for operand in case.operands:
            if isinstance(operand, np.ndarray):
                operand_names.append(next(operands))
            elif operand is None:
                operand_names.append("")
            else:
                first = case.inputs[-1] if isinstance(operand, float) else None
                array = np.asarray(operand, None if first is None else first.dtype)
                initializers.append(onnx.numpy_helper.from_array(array, f"c{len(initializers)}"))
                operand_names.append(initializers[-1].name)
        node = onnx.helper.make_node(case.op_type, operand_names, ["y"], **case.attributes)
        inputs = [
            onnx.helper.make_tensor_value_info(n, onnx.helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for n, a in feed.items()
        ]
        graph = onnx.helper.make_graph([node], "case", inputs, [onnx.ValueInfoProto(name="y")], initializers)
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", NEWEST_OPSET)])
        outputs: list[Array] = ReferenceEvaluator(model).run(None, feed)
        return outputs

    return expected
