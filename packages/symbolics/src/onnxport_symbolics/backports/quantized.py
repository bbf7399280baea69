"""Quantisation in floats and 32-bit integers."""

from __future__ import annotations

from onnxport_ir import DType, Value

from onnxport_symbolics.calls import backport
from onnxport_symbolics.downgrades.quantized import dequantized, quantized
from onnxport_symbolics.op import Op

_BY_NUMBER = {dtype.onnx: dtype for dtype in DType}


@backport("QuantizeLinear")
def quantize_linear(
    op: Op,
    x: Value,
    scale: Value,
    zero_point: Value | None = None,
    axis: int = 1,
    saturate: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    precision: int = 0,
) -> Value:
    """``saturate(round(x / scale) + zero_point)``."""
    dtype = op.dtype(zero_point) if zero_point is not None else _BY_NUMBER[output_dtype or DType.UINT8.onnx]
    if block_size or dtype not in (DType.INT8, DType.UINT8) or op.dtype(x) is not DType.FLOAT32:
        raise op.needs_opset(f"QuantizeLinear of {op.dtype(x).short} to {dtype.short}", 21)
    return quantized(op, x, scale, zero_point, axis, dtype)


@backport("DequantizeLinear")
def dequantize_linear(
    op: Op,
    x: Value,
    scale: Value,
    zero_point: Value | None = None,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
) -> Value:
    """``(x - zero_point) * scale``."""
    if block_size or output_dtype not in (0, op.dtype(scale).onnx):
        raise op.needs_opset("DequantizeLinear with block_size or output_dtype", 23)
    return dequantized(op, x, scale, zero_point, axis)


@backport("MatMulInteger")
def matmul_integer(
    op: Op, left: Value, right: Value, left_zero: Value | None = None, right_zero: Value | None = None
) -> Value:
    """A product of 32-bit integers."""
    wide_left, wide_right = op.cast(left, DType.INT32), op.cast(right, DType.INT32)
    if left_zero is not None:
        # One zero point a row stands along the last axis but one.
        column = op.cast(left_zero, DType.INT32)
        wide_left = op.Sub(wide_left, op.Unsqueeze(column, [-1]) if op.rank(left_zero) == 1 else column)
    if right_zero is not None:
        wide_right = op.Sub(wide_right, op.cast(right_zero, DType.INT32))
    return op.MatMul(wide_left, wide_right)
