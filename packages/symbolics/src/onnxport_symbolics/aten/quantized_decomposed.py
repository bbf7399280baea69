"""``quantized_decomposed``: quantisation in graphs whose integers are plain tensors, as torch's tools make them."""

from __future__ import annotations

import numpy as np
from onnxport_ir import DType, TensorType, Value

from onnxport_symbolics import quantized_values as qv
from onnxport_symbolics.aten.casts import convert
from onnxport_symbolics.aten.quantization import dequantize
from onnxport_symbolics.op import Op
from onnxport_symbolics.quantized_values import QuantizedValue
from onnxport_symbolics.registry import BUILTIN

_TYPES = frozenset({DType.UINT8, DType.INT8, DType.UINT16, DType.INT16})


def _name(base: str) -> str:
    return f"quantized_decomposed::{base}"


def _how(
    op: Op, x: Value, scale: float | Value, zero_point: int | Value | None, dtype: DType, axis: int | None
) -> QuantizedValue:
    """How a tensor is quantised; of rank 0 without an axis."""
    if dtype not in _TYPES:
        raise op.refuse(f"quantisation to {dtype.short}", "Use integers of 8 or 16 bits.")
    zeros: float | Value = np.zeros(()) if zero_point is None else zero_point  # type: ignore[assignment]  # a constant
    values = [item if isinstance(item, Value) else op.const(item) for item in (scale, zeros)]
    if axis is None:
        values = [op.Reshape(value, []) if value.rank else value for value in values]
    step, zero = op.cast(values[0], DType.FLOAT32), op.cast(values[1], dtype)
    if axis is not None and zero_point is None:
        zero = op.Expand(zero, op.shape(step))
    return QuantizedValue(x, step, zero, None if axis is None else op.axis(x, axis))


def _integers(op: Op, how: QuantizedValue, low: int, high: int) -> Value:
    """Integers from ``low`` to ``high``; what is cut off is cut off from the real numbers, which are in order."""
    limits = np.iinfo(op.dtype(how.zero_point).numpy)
    x = op.cast(how.real, DType.FLOAT32)
    for bound, limit, choose in ((low, limits.min, op.Max), (high, limits.max, op.Min)):
        if bound != limit:
            edge = op.Mul(op.Sub(op.const(float(bound)), op.cast(how.zero_point, DType.FLOAT32)), how.scale)
            if how.axis is not None:
                edge = op.Reshape(edge, [-1 if axis == how.axis else 1 for axis in range(op.rank(x))])
            x = choose(x, edge)
    return qv.rounded(op, x, how)


def _real(op: Op, how: QuantizedValue, dtype: DType | None) -> Value:
    """What the integers of ``how`` stand for."""
    return convert(op, dequantize(op, qv.of_integers(op, how.real, how)), dtype or DType.FLOAT32)


@BUILTIN.op(_name("quantize_per_tensor"), _name("quantize_per_tensor.tensor"))
def quantize_per_tensor(
    op: Op,
    input: Value,
    scale: float | Value,
    zero_point: int | Value,
    quant_min: int,
    quant_max: int,
    dtype: DType,
) -> Value:
    """quantize_per_tensor(Tensor input, float scale, int zero_point, int quant_min, int quant_max, ScalarType dtype)"""
    return _integers(op, _how(op, input, scale, zero_point, dtype, None), quant_min, quant_max)


@BUILTIN.op(_name("dequantize_per_tensor"), _name("dequantize_per_tensor.tensor"))
def dequantize_per_tensor(
    op: Op,
    input: Value,
    scale: float | Value,
    zero_point: int | Value,
    quant_min: int,
    quant_max: int,
    dtype: DType,
    out_dtype: DType | None = None,
) -> Value:
    """dequantize_per_tensor(Tensor input, float scale, int zero_point, int quant_min, int quant_max, ScalarType dtype,
    *, ScalarType? out_dtype=None) -> Tensor
    """
    return _real(op, _how(op, input, scale, zero_point, dtype, None), out_dtype)


@BUILTIN.op(_name("quantize_per_channel"))
def quantize_per_channel(
    op: Op, input: Value, scales: Value, zero_points: Value, axis: int, quant_min: int, quant_max: int, dtype: DType
) -> Value:
    """quantize_per_channel(Tensor input, Tensor scales, Tensor zero_points, int axis, int quant_min, int quant_max,
    ScalarType dtype) -> Tensor
    """
    return _integers(op, _how(op, input, scales, zero_points, dtype, axis), quant_min, quant_max)


@BUILTIN.op(_name("dequantize_per_channel"))
def dequantize_per_channel(
    op: Op,
    input: Value,
    scales: Value,
    zero_points: Value | None,
    axis: int,
    quant_min: int,
    quant_max: int,
    dtype: DType,
    out_dtype: DType | None = None,
) -> Value:
    """dequantize_per_channel(Tensor input, Tensor scales, Tensor? zero_points, int axis, int quant_min, int quant_max,
    ScalarType dtype, *, ScalarType? out_dtype=None) -> Tensor
    """
    return _real(op, _how(op, input, scales, zero_points, dtype, axis), out_dtype)


@BUILTIN.op(_name("choose_qparams.tensor"))
def choose_qparams(
    op: Op, input: Value, quant_min: int, quant_max: int, eps: float, dtype: DType
) -> tuple[Value, Value]:
    """choose_qparams.tensor(Tensor input, int quant_min, int quant_max, float eps, ScalarType dtype)
    -> (Tensor, Tensor): scale (1), zero point (1)
    """
    zero = op.const(0.0)
    x = op.cast(input, DType.FLOAT32)
    low, high = op.Min(op.ReduceMin(x, keepdims=0), zero), op.Max(op.ReduceMax(x, keepdims=0), zero)
    spread = op.Div(op.Sub(high, low), op.const(float(quant_max - quant_min)))
    scale = op.Max(spread, op.const(eps, DType.FLOAT32))
    shift = op.Sub(op.const(float(quant_min)), op.Round(op.Div(low, scale)))
    shift = op.Clip(shift, op.const(float(quant_min)), op.const(float(quant_max)))
    kinds = [kind.dtype if isinstance(kind, TensorType) else None for kind in op.expected]
    found = zip((scale, shift), kinds, (DType.FLOAT32, DType.INT32), strict=True)
    first, second = (op.Unsqueeze(op.cast(item, kind or usual), [0]) for item, kind, usual in found)
    return first, second


@BUILTIN.op(_name("convert_element_type.no_fuse"))
def convert_element_type(op: Op, input: Value, dtype: DType) -> Value:
    """convert_element_type.no_fuse(Tensor input, ScalarType dtype) -> Tensor"""
    return convert(op, input, dtype)
