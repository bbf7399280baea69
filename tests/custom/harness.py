"""What the tests of custom operators share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import onnx
import onnxport
import onnxruntime
import torch


@contextlib.contextmanager
def registered(name: str, function: Any, opset: int = 9) -> Iterator[None]:
    """A symbolic function that is registered inside of the block only."""
    onnxport.register_custom_op_symbolic(name, function, opset)
    try:
        yield
    finally:
        onnxport.unregister_custom_op_symbolic(name, opset)


def run(proto: onnx.ModelProto, *inputs: torch.Tensor) -> list[torch.Tensor]:
    """The outputs of ONNX Runtime."""
    onnx.checker.check_model(proto)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = {item.name: value.numpy() for item, value in zip(session.get_inputs(), inputs, strict=True)}
    return [torch.as_tensor(value) for value in session.run(None, feeds)]


def check(model: torch.nn.Module, *args: Any, inputs: tuple[Any, ...] | None = None, **options: Any) -> onnx.ModelProto:
    """Export, run in ONNX Runtime, and compare with the model; also on other inputs, if given."""
    program = onnxport.export(model, args, **options)
    for given in (args, inputs):
        if given is None:
            continue
        expected = model(*given)
        expected = expected if isinstance(expected, tuple) else (expected,)
        results = run(program.model_proto, *[arg for arg in given if isinstance(arg, torch.Tensor)])
        for found, wanted in zip(results, expected, strict=True):
            torch.testing.assert_close(found, wanted.detach(), equal_nan=True)
    return program.model_proto


def ops(proto: onnx.ModelProto) -> list[str]:
    """The operators of the main graph, with their domains."""
    return [f"{node.domain}::{node.op_type}" if node.domain else node.op_type for node in proto.graph.node]


class Apply(torch.nn.Module):
    """A module that calls a function."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any) -> Any:
        return self.function(*args)
