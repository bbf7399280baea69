"""Tensors quantised, taken back, and quantised only in effect."""

from __future__ import annotations

import numpy as np
from onnxport_ir import DType, Enumeral, Value

from onnxport_symbolics import quantized_values as qv
from onnxport_symbolics.downgrades.quantized import dequantized as written_out
from onnxport_symbolics.op import Op
from onnxport_symbolics.quantized_values import QuantizedValue
from onnxport_symbolics.registry import aten

#: torch's numbers of its quantised types.
_TYPES = {12: DType.INT8, 13: DType.UINT8}
_RANGES = {DType.UINT8: (0, 255), DType.INT8: (-128, 127)}


def integer_type(op: Op, dtype: object) -> DType:
    """The integers of a quantised type."""
    found = _TYPES.get(dtype.value if isinstance(dtype, Enumeral) else dtype if isinstance(dtype, int) else -1)
    if found is None:
        raise op.refuse(f"quantisation to {dtype!r}", "Use torch.quint8 or torch.qint8.")
    return found


def constant(op: Op, value: Value, dtype: DType, what: str) -> Value:
    """Scales or zero points as QuantizeLinear takes them; known ones become constants of the right type."""
    if value.const is None:
        return op.cast(value, dtype)
    array = value.array()
    if dtype in _RANGES and not ((_RANGES[dtype][0] <= array) & (array <= _RANGES[dtype][1])).all():
        raise op.refuse(f"a quantisation whose {what} is out of the range of {dtype.short}")
    return op.const(array.astype(dtype.numpy), dtype)


@aten("quantize_per_tensor", "quantize_per_tensor.tensor_qparams")
def quantize_per_tensor(
    op: Op, self: Value, scale: float | Value, zero_point: int | Value, dtype: object
) -> QuantizedValue:
    """quantize_per_tensor(Tensor self, float scale, int zero_point, ScalarType dtype) -> Tensor"""
    return qv.quantize(op, self, _one(op, self, scale, zero_point, integer_type(op, dtype)))


def _one(op: Op, x: Value, scale: float | Value, zero_point: int | Value, dtype: DType) -> QuantizedValue:
    """How a tensor is quantised with one scale and zero point."""
    values = [op.const(item) if not isinstance(item, Value) else item for item in (scale, zero_point)]
    step, zero = (op.Reshape(v, []) if v.rank else v for v in values)
    return QuantizedValue(x, constant(op, step, DType.FLOAT32, "scale"), constant(op, zero, dtype, "zero point"))


@aten("quantize_per_channel")
def quantize_per_channel(
    op: Op, self: Value, scales: Value, zero_points: Value, axis: int, dtype: object
) -> QuantizedValue:
    """quantize_per_channel(Tensor self, Tensor scales, Tensor zero_points, int axis, ScalarType dtype) -> Tensor"""
    return qv.quantize(op, self, _many(op, self, scales, zero_points, axis, integer_type(op, dtype)))


def _many(op: Op, x: Value, scales: Value, zero_points: Value, axis: int, dtype: DType) -> QuantizedValue:
    """How a tensor is quantised along an axis."""
    if op.dtype(zero_points).is_float:
        raise op.refuse("quantisation with zero points that are no integers")
    zeros = constant(op, zero_points, dtype, "zero point")
    return QuantizedValue(x, constant(op, scales, DType.FLOAT32, "scale"), zeros, op.axis(x, axis))


@aten("quantize_per_tensor_dynamic")
def quantize_per_tensor_dynamic(op: Op, self: Value, dtype: object, reduce_range: bool) -> QuantizedValue:
    """quantize_per_tensor_dynamic(Tensor self, ScalarType dtype, bool reduce_range) -> Tensor"""
    if reduce_range or integer_type(op, dtype) is not DType.UINT8:
        raise op.refuse("quantize_per_tensor_dynamic to 7 bits, or to signed integers", "Quantise to torch.quint8.")
    return qv.by_range(op, self, reduce_range=False, plain=True)


@aten("dequantize")
def dequantize(op: Op, self: QuantizedValue | Value) -> Value:
    """dequantize.self(Tensor self) -> Tensor"""
    if not isinstance(self, QuantizedValue):
        return self
    if self.whole is not None and op.has("QuantizeLinear") and not op.has("Round"):
        # Between quantisers, ONNX Runtime 1.32 rounds the bias of a layer with Round, also where the opset lacks it.
        return written_out(op, self.whole, self.scale, self.zero_point, self.axis or 0)
    return self.real


@aten("int_repr")
def int_repr(op: Op, self: QuantizedValue) -> Value:
    """int_repr(Tensor self) -> Tensor"""
    return qv.integers(op, self)


@aten("fake_quantize_per_tensor_affine", "fake_quantize_per_tensor_affine.tensor_qparams")
def fake_quantize_per_tensor(
    op: Op, self: Value, scale: float | Value, zero_point: int | Value, quant_min: int, quant_max: int
) -> Value:
    """fake_quantize_per_tensor_affine(Tensor self, float scale, int zero_point, int quant_min, int quant_max)"""
    dtype = _fitting(op, quant_min, quant_max)
    return _fake(op, self, _one(op, op.cast(self, DType.FLOAT32), scale, zero_point, dtype), quant_min, quant_max)


@aten("fake_quantize_per_channel_affine")
def fake_quantize_per_channel(
    op: Op, self: Value, scale: Value, zero_point: Value, axis: int, quant_min: int, quant_max: int
) -> Value:
    """fake_quantize_per_channel_affine(Tensor self, Tensor scale, Tensor zero_point, int axis, int quant_min, ...)"""
    dtype = _fitting(op, quant_min, quant_max)
    x = op.cast(self, DType.FLOAT32)
    return _fake(op, self, _many(op, x, scale, zero_point, axis, dtype), quant_min, quant_max)


@aten("fake_quantize_per_tensor_affine_cachemask", "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams")
def fake_quantize_per_tensor_cachemask(
    op: Op,
    self: Value,
    scale: float | Value,
    zero_point: int | Value,
    quant_min: int,
    quant_max: int,
    fake_quant_enabled: Value | None = None,
) -> tuple[Value, object]:
    """fake_quantize_per_tensor_affine_cachemask(Tensor self, float scale, int zero_point, ...) -> (Tensor, Tensor)"""
    if fake_quant_enabled is not None and (fake_quant_enabled.const is None or not fake_quant_enabled.array().all()):
        raise op.refuse("fake quantisation with a switch that is off or not known", "Call enable_fake_quant first.")
    found = fake_quantize_per_tensor(op, self, scale, zero_point, quant_min, quant_max)
    return found, op.refuse("the mask of fake quantisation, which training needs")


@aten("fake_quantize_per_channel_affine_cachemask")
def fake_quantize_per_channel_cachemask(
    op: Op, self: Value, scale: Value, zero_point: Value, axis: int, quant_min: int, quant_max: int
) -> tuple[Value, object]:
    """fake_quantize_per_channel_affine_cachemask(Tensor self, Tensor scale, ...) -> (Tensor output, Tensor mask)"""
    found = fake_quantize_per_channel(op, self, scale, zero_point, axis, quant_min, quant_max)
    return found, op.refuse("the mask of fake quantisation, which training needs")


@aten("_fake_quantize_learnable_per_tensor_affine")
def fake_quantize_learnable_per_tensor(
    op: Op, self: Value, scale: Value, zero_point: Value, quant_min: int, quant_max: int, grad_factor: float
) -> Value:
    """_fake_quantize_learnable_per_tensor_affine(Tensor self, Tensor scale, Tensor zero_point, int quant_min, ...)"""
    zero = _learned(op, zero_point, quant_min, quant_max)
    return fake_quantize_per_tensor(op, self, scale, zero, quant_min, quant_max)


@aten("_fake_quantize_learnable_per_channel_affine")
def fake_quantize_learnable_per_channel(
    op: Op, self: Value, scale: Value, zero_point: Value, axis: int, quant_min: int, quant_max: int, grad_factor: float
) -> Value:
    """_fake_quantize_learnable_per_channel_affine(Tensor self, Tensor scale, Tensor zero_point, int axis, ...)"""
    zero = _learned(op, zero_point, quant_min, quant_max)
    return fake_quantize_per_channel(op, self, scale, zero, axis, quant_min, quant_max)


def _learned(op: Op, zero_point: Value, low: int, high: int) -> Value:
    """The whole zero point that is next to one that is trained."""
    if zero_point.const is not None:
        return op.const(np.clip(np.rint(zero_point.array()), low, high).astype(np.int32), DType.INT32)
    real = op.cast(zero_point, DType.FLOAT32)
    return op.cast(op.Clip(op.Round(real), op.const(float(low)), op.const(float(high))), DType.INT32)


def _fitting(op: Op, low: int, high: int) -> DType:
    """The integers that hold a range."""
    for dtype, (least, largest) in _RANGES.items():
        if least <= low and high <= largest:
            return dtype
    raise op.refuse(f"fake quantisation from {low} to {high}", "Use a range of 8 bits.")


def _fake(op: Op, x: Value, how: QuantizedValue, low: int, high: int) -> Value:
    """Quantised and back; a range smaller than the integers' is cut off from the real numbers, which are in order."""
    found = qv.quantize(op, how.real, how).real
    if (low, high) != _RANGES[op.dtype(how.zero_point)]:
        zero = op.cast(how.zero_point, DType.FLOAT32)
        bounds = [op.Mul(op.Sub(op.const(float(bound)), zero), how.scale) for bound in (low, high)]
        if how.axis is not None:
            column = np.array([-1 if axis == how.axis else 1 for axis in range(op.rank(x))])
            bounds = [op.Reshape(bound, op.const(column)) for bound in bounds]
        found = op.Min(op.Max(found, bounds[0]), bounds[1])
    return op.cast(found, op.dtype(x))
