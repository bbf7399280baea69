"""Handlers for an operator of a library, and another handler for one of torch's."""

from __future__ import annotations

from onnxport_ir import Value
from onnxport_symbolics import Op, Table

TABLE = Table("onnxport-example-plugin")


@TABLE.op("example::scaled_add")
def scaled_add(op: Op, x: Value, y: Value, scale: float) -> Value:
    """scaled_add(Tensor x, Tensor y, float scale) -> Tensor"""
    return op.Add(x, op.Mul(y, op.const_like(scale, y)))


@TABLE.op("aten::hardswish")
def hardswish(op: Op, self: Value) -> Value:
    """hardswish(Tensor self) -> Tensor

    Without ONNX's HardSwish, which the plugin's runtime is said not to have.
    """
    gate = op.Clip(op.Add(self, op.const_like(3, self)), op.const_like(0, self), op.const_like(6, self))
    return op.Div(op.Mul(self, gate), op.const_like(6, self))
