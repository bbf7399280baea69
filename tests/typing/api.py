"""The public types as a type checker sees them; `nox -s types` checks this file, nothing runs it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import assert_type

import onnx
import onnxport
import torch
from onnxport_ir import CapturedGraph, DType, Eqn, Input, Output, TensorType, Var


def a_graph_is_written_by_hand() -> None:
    x = Var(TensorType(DType.FLOAT32, (2, 3)))
    y = Var(TensorType(DType.FLOAT32, (2, 3)))
    eqn = Eqn.of("aten::relu", [("self", x)], [y])
    assert_type(eqn.outputs, tuple[Var, ...])
    assert_type(CapturedGraph(inputs=(Input(x, "x"),), eqns=(eqn,), outputs=(Output(y, "y"),)), CapturedGraph)


def export_takes_paths_files_and_none(model: torch.nn.Module, x: torch.Tensor) -> None:
    for target in ("model.onnx", Path("model.onnx"), io.BytesIO(), None):
        assert_type(onnxport.export(model, (x,), target), onnxport.ONNXProgram)


def a_program_holds_the_model(program: onnxport.ONNXProgram) -> None:
    assert_type(program.model_proto, onnx.ModelProto)
    program.save("model.onnx")


def what_was_verified_is_known(program: onnxport.ONNXProgram) -> None:
    assert_type(program.verification, onnxport.Verification | None)


def symbolic_functions_are_registered() -> None:
    def foo(g: onnxport.GraphContext, x: object) -> object:
        return g.op("custom_domain::Foo", x)

    assert_type(onnxport.register_custom_op_symbolic("custom::foo", foo, 9), None)
