"""Lowers one call of an operator through a symbolic function, and runs it in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxport_custom_ops import Session, register_custom_op_symbolic, unregister_custom_op_symbolic
from onnxport_ir import CapturedGraph, DType, Eqn, Input, Output, SymDim, TensorType, Var
from onnxport_ir.naming import assign_names
from onnxport_ir.proto import to_proto
from onnxport_symbolics import Target, default_registry, lower


@dataclass(frozen=True)
class Lowered:
    """A model of one call."""

    proto: onnx.ModelProto

    @property
    def ops(self) -> list[str]:
        return [f"{node.domain}::{node.op_type}" if node.domain else node.op_type for node in self.proto.graph.node]

    @property
    def attributes(self) -> dict[str, Any]:
        """Of the first node."""
        return {a.name: onnx.helper.get_attribute_value(a) for a in self.proto.graph.node[0].attribute}

    def run(self, *inputs: np.ndarray) -> list[np.ndarray]:
        onnx.checker.check_model(self.proto)
        session = onnxruntime.InferenceSession(self.proto.SerializeToString(), providers=["CPUExecutionProvider"])
        return session.run(None, {f"x{index}": value for index, value in enumerate(inputs)})


def f32(*shape: int | SymDim) -> TensorType:
    return TensorType(DType.FLOAT32, shape)


N = SymDim.named("n", 2)
Lower = Callable[..., Lowered]


@pytest.fixture
def lowered() -> Lower:
    """``lowered(symbolic, inputs, arguments)``: arguments that are integers with a sign are inputs by position."""

    def call(
        symbolic: Callable[..., Any],
        inputs: Sequence[TensorType] = (f32(N, 3),),
        arguments: Sequence[Any] = (),
        results: Sequence[TensorType] = (TensorType(),),
        opset: int = 18,
        **options: Any,
    ) -> Lowered:
        variables = [Var(kind) for kind in inputs]
        args = [*[(f"x{i}", var) for i, var in enumerate(variables)], *[(f"a{i}", a) for i, a in enumerate(arguments)]]
        outputs = [Var(kind) for kind in results]
        graph = CapturedGraph(
            inputs=tuple(Input(var, f"x{i}") for i, var in enumerate(variables)),
            eqns=(Eqn.of("tests::op", args, outputs),),
            outputs=tuple(Output(var, f"y{i}") for i, var in enumerate(outputs)),
        )
        register_custom_op_symbolic("tests::op", symbolic, 7)
        try:
            session = Session(opset, **options)
        finally:
            unregister_custom_op_symbolic("tests::op", 7)
        model = lower(graph, session.registry(default_registry(plugins=False), {}), Target(opset))
        session.finish(model)
        assign_names(model)
        return Lowered(to_proto(model))

    return call
