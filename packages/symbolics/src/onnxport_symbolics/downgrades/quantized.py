"""Quantisation: scales along an axis, and integer types that came later."""

from __future__ import annotations

from onnxport_ir import DType, Value

from onnxport_symbolics.calls import Call, downgrade
from onnxport_symbolics.downgrades.axes import first
from onnxport_symbolics.op import Op

_BY_NUMBER = {dtype.onnx: dtype for dtype in DType}
#: What could be quantised to and from before opset 21.
_OLD_TYPES = frozenset(
    {
        DType.INT8,
        DType.UINT8,
        DType.INT32,
        DType.FLOAT8E4M3FN,
        DType.FLOAT8E4M3FNUZ,
        DType.FLOAT8E5M2,
        DType.FLOAT8E5M2FNUZ,
    }
)


@downgrade("QuantizeLinear", at=23)
def quantize_without_precision(op: Op, call: Call) -> Call:
    """The division was done in the type of its operands; the same type may be named."""
    precision = call.attributes.pop("precision", 0)
    if precision not in (0, op.dtype(first(call)).onnx):
        raise op.needs_opset(f"QuantizeLinear with precision={precision}", 23)
    return call


@downgrade("QuantizeLinear", at=21)
def quantize_to_type_of_zero_point(op: Op, call: Call) -> Call:
    """The result's type was the zero point's; there were no blocks."""
    if call.attributes.pop("block_size", 0):
        raise op.needs_opset("QuantizeLinear with block_size", 21)
    number = int(call.attributes.pop("output_dtype", 0))
    zero_point = call.operand("y_zero_point")
    dtype = op.dtype(zero_point) if zero_point is not None else _BY_NUMBER.get(number, DType.UINT8)
    if dtype not in _OLD_TYPES:
        raise op.needs_opset(f"QuantizeLinear to {dtype.short}", 21)
    if zero_point is None and number:
        scale = call.operands[1]
        zero = op.const(0, dtype)
        call.operands = [*call.operands[:2], zero if scale is None else op.Expand(zero, op.shape(scale))]
    return call


@downgrade("QuantizeLinear", at=13)
def quantize_with_one_scale(op: Op, call: Call) -> Call | Value:
    """There was one scale for the whole tensor; dividing by several is written out."""
    axis = int(call.attributes.pop("axis", 1))
    data, scale = first(call), call.operands[1]
    if scale is None or _is_single(op, scale):
        return call
    zero_point = call.operand("y_zero_point")
    dtype = DType.UINT8 if zero_point is None else op.dtype(zero_point)
    return quantized(op, data, scale, zero_point, axis, dtype)


def quantized(op: Op, data: Value, scale: Value, zero_point: Value | None, axis: int, dtype: DType) -> Value:
    """``saturate(round(x / scale) + zero_point)`` along the axis, to 8 bits."""
    single = _is_single(op, scale)
    column = [] if single else _column(op, data, axis)
    quotient = op.Div(op.cast(data, DType.FLOAT32), scale if single else op.Reshape(scale, column))
    low, high = (-128.0, 127.0) if dtype is DType.INT8 else (0.0, 255.0)
    result = op.Round(quotient)
    if zero_point is not None:
        shift = op.cast(zero_point, DType.FLOAT32)
        result = op.Add(result, shift if single else op.Reshape(shift, column))
    # What is clipped is exact: above 2**24, a float32 is out of range whatever is added.
    return op.cast(op.Clip(result, op.const(low), op.const(high)), dtype)


@downgrade("DequantizeLinear", at=23)
def dequantize_to_type_of_scale(op: Op, call: Call) -> Call:
    """The result had the type of the scale."""
    number = int(call.attributes.pop("output_dtype", 0))
    scale = call.operands[1]
    if number and scale is not None and number != op.dtype(scale).onnx:
        raise op.needs_opset("DequantizeLinear with output_dtype", 23)
    return call


@downgrade("DequantizeLinear", at=21)
def dequantize_bytes(op: Op, call: Call) -> Call | Value:
    """There were no blocks, and no integers of 4 and 16 bits."""
    if call.attributes.pop("block_size", 0):
        raise op.needs_opset("DequantizeLinear with block_size", 21)
    if op.dtype(first(call)) in _OLD_TYPES:
        return call
    return _written_out(op, call)


@downgrade("DequantizeLinear", at=13)
def dequantize_with_one_scale(op: Op, call: Call) -> Call | Value:
    """There was one scale for the whole tensor."""
    scale = call.operands[1]
    if scale is None or _is_single(op, scale):
        call.attributes.pop("axis", None)
        return call
    return _written_out(op, call)


def _written_out(op: Op, call: Call) -> Value:
    data, scale = first(call), call.operands[1]
    if scale is None:
        raise op.refuse("DequantizeLinear without a scale")
    axis = int(call.attributes.get("axis", 1))
    return dequantized(op, data, scale, call.operand("x_zero_point"), axis)


def dequantized(op: Op, data: Value, scale: Value, zero_point: Value | None, axis: int) -> Value:
    """``(x - zero_point) * scale`` along the axis, in 32 bits."""
    single = _is_single(op, scale)
    column = [] if single else _column(op, data, axis)
    result = op.cast(data, DType.INT32)
    if zero_point is not None:
        shift = op.cast(zero_point, DType.INT32)
        result = op.Sub(result, shift if single else op.Reshape(shift, column))
    return op.Mul(op.cast(result, op.dtype(scale)), scale if single else op.Reshape(scale, column))


def _is_single(op: Op, scale: Value) -> bool:
    return op.rank(scale) == 0 or op.sizes(scale) == (1,)


def _column(op: Op, data: Value, axis: int) -> list[int]:
    rank = op.rank(data)
    return [-1 if index == axis % rank else 1 for index in range(rank)]
