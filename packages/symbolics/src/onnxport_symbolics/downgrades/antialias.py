"""Resize with antialiasing before Resize had it: a product with the weights of the window, axis by axis."""

from __future__ import annotations

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics import integers
from onnxport_symbolics.calls import Call
from onnxport_symbolics.downgrades.axes import first
from onnxport_symbolics.op import Int, Op


def antialiased(op: Op, call: Call) -> Value:
    """Resize the last two axes of (..., H, W) with windows that widen where the result is smaller.

    Raises:
        NeedsOpset: for other axes, modes or element types.
    """
    data, attributes = first(call), call.attributes
    rank, mode = op.rank(data), str(attributes.get("mode"))
    axes = [axis % rank for axis in attributes.get("axes", range(rank))]
    plain = attributes.get("coordinate_transformation_mode") == "half_pixel" and attributes.get("exclude_outside")
    if not plain or mode not in ("linear", "cubic") or min(axes) < rank - 2 or not op.dtype(data).is_float:
        raise op.needs_opset("Resize with antialias=1", 18)
    scales, sizes = call.operand("scales"), call.operand("sizes")
    for index, axis in enumerate(axes):
        length = op.dim(data, axis)
        if sizes is not None:
            wanted = integers.item(op, sizes, index)
            ratio = op.Div(op.scalar(length, DType.FLOAT32), op.scalar(wanted, DType.FLOAT32))
        elif scales is not None and scales.const is not None:
            scale = float(scales.array()[index])
            wanted = int(length * scale) if isinstance(length, int) else _floor(op, length, scale)
            ratio = op.const(1 / scale, DType.FLOAT32)
        else:
            raise op.needs_opset("Resize with antialias=1 and scales that are not known", 18)
        weights = _weights(op, length, wanted, ratio, mode, float(attributes.get("cubic_coeff_a", -0.75)))
        weights = op.cast(weights, op.dtype(data))
        is_last = axis == rank - 1
        data = op.MatMul(data, op.Transpose(weights, perm=[1, 0])) if is_last else op.MatMul(weights, data)
    return data


def _floor(op: Op, length: Value, scale: float) -> Value:
    return op.cast(op.Floor(op.Mul(op.cast(length, DType.FLOAT32), op.const(scale, DType.FLOAT32))), DType.INT64)


def _weights(op: Op, length: Int, wanted: Int, ratio: Value, mode: str, a: float) -> Value:
    """How much of each element is in each of the result: (wanted, length), the sum of each row is 1."""
    window = op.Max(ratio, op.const(1.0, DType.FLOAT32))
    centres = op.Unsqueeze(op.Mul(_middles(op, wanted), ratio), [1])
    distance = op.Abs(op.Div(op.Sub(_middles(op, length), centres), window))
    weights = op.Max(op.Sub(op.const(1.0, DType.FLOAT32), distance), op.const(0.0, DType.FLOAT32))
    if mode == "cubic":
        weights = _cubic(op, distance, a)
    return op.Div(weights, op.ReduceSum(weights, [1], keepdims=1))


def _middles(op: Op, length: Int) -> Value:
    """The coordinates of the middles of so many elements."""
    if isinstance(length, int):
        return op.const(np.arange(length) + 0.5, DType.FLOAT32)
    return op.Add(op.cast(op.Range(0, length, 1), DType.FLOAT32), op.const(0.5, DType.FLOAT32))


def _cubic(op: Op, distance: Value, a: float) -> Value:
    """Keys' cubic convolution kernel."""

    def polynomial(*factors: float) -> Value:
        result = op.const(factors[0], DType.FLOAT32)
        for factor in factors[1:]:
            result = op.Add(op.Mul(result, distance), op.const(factor, DType.FLOAT32))
        return result

    near, far = polynomial(a + 2, -(a + 3), 0.0, 1.0), polynomial(a, -5 * a, 8 * a, -4 * a)
    outer = op.Where(op.Less(distance, op.const(2.0, DType.FLOAT32)), far, op.const(0.0, DType.FLOAT32))
    return op.Where(op.Less(distance, op.const(1.0, DType.FLOAT32)), near, outer)
