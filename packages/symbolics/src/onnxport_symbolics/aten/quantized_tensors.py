"""torch's quantised operators without packed weights: normalisation, pooling, arithmetic with numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics import quantized_values as qv
from onnxport_symbolics.aten import activation, norm, pool  # noqa: F401 - pool registers what is looked up
from onnxport_symbolics.downgrades.quantized import dequantized as written_out
from onnxport_symbolics.op import Op
from onnxport_symbolics.quantized_values import QuantizedValue
from onnxport_symbolics.registry import BUILTIN, aten, quantized

_HANDLERS = {str(handler.name): handler.function for handler in BUILTIN}


def _result(op: Op, real: Value, like: QuantizedValue, scale: float, zero_point: int) -> QuantizedValue:
    """A result quantised anew, to integers of the same type as an operand's."""
    return qv.parameters(op, real, scale, zero_point, op.dtype(like.zero_point))


def _real(op: Op, q: QuantizedValue) -> Value:
    """The real numbers for an operator that reshapes them."""
    if not qv.is_confused(op, q):
        return q.real
    return written_out(op, qv.integers(op, q), q.scale, q.zero_point, q.axis or 0)


@quantized("group_norm")
def group_norm(
    op: Op,
    input: QuantizedValue,
    num_groups: int,
    weight: Value | None,
    bias: Value | None,
    eps: float,
    output_scale: float,
    output_zero_point: int,
) -> QuantizedValue:
    """group_norm(Tensor input, int num_groups, Tensor? weight, Tensor? bias, float eps, float output_scale, int)"""
    found = norm.group_norm(op, _real(op, input), num_groups, weight, bias, eps)
    return _result(op, found, input, output_scale, output_zero_point)


@quantized("instance_norm")
def instance_norm(
    op: Op,
    input: QuantizedValue,
    weight: Value | None,
    bias: Value | None,
    eps: float,
    output_scale: float,
    output_zero_point: int,
) -> QuantizedValue:
    """instance_norm(Tensor input, Tensor? weight, Tensor? bias, float eps, float output_scale, int) -> Tensor"""
    found = norm.instance_norm(op, input.real, weight, bias, None, None, True, 0.0, eps)
    return _result(op, found, input, output_scale, output_zero_point)


def _pool(name: str) -> None:
    def pooled(
        op: Op,
        self: QuantizedValue,
        kernel_size: Sequence[int],
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        ceil_mode: bool,
    ) -> QuantizedValue:
        function = _HANDLERS[f"aten::{name}"]
        return qv.moved(op, function(op, self.real, kernel_size, stride, padding, dilation, ceil_mode), self)

    def function(
        op: Op,
        qx: QuantizedValue,
        kernel_size: Sequence[int],
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        ceil_mode: bool,
    ) -> QuantizedValue:
        return pooled(op, qx, kernel_size, stride, padding, dilation, ceil_mode)

    rest = "int[] kernel_size, int[] stride, int[] padding, int[] dilation, bool ceil_mode"
    pooled.__doc__ = f"quantized_{name}(Tensor self, {rest}) -> Tensor"
    function.__doc__ = f"{name}(Tensor qx, {rest}) -> Tensor"
    aten(f"quantized_{name}")(pooled)
    if name != "max_pool3d":
        quantized(name)(function)


_pool("max_pool1d")
_pool("max_pool2d")
_pool("max_pool3d")


@quantized("threshold")
def threshold(op: Op, qx: QuantizedValue, threshold: float, value: float) -> QuantizedValue:
    """threshold(Tensor qx, Scalar threshold, Scalar value) -> Tensor qy"""
    kept = op.Greater(qx.real, op.const(threshold, DType.FLOAT32))
    return qv.quantize(op, op.Where(kept, qx.real, op.const(value, DType.FLOAT32)), qx)


@quantized("clamp")
def clamp(op: Op, qx: QuantizedValue, min: float | None, max: float | None) -> QuantizedValue:
    """clamp(Tensor qx, Scalar? min=None, Scalar? max=None) -> Tensor qy"""
    low, high = (None if bound is None else op.const(bound, DType.FLOAT32) for bound in (min, max))
    return qv.quantize(op, op.Clip(qx.real, low, high), qx)


@quantized("celu")
def celu(op: Op, self: QuantizedValue, output_scale: float, output_zero_point: int, alpha: float) -> QuantizedValue:
    """celu(Tensor self, float output_scale, int output_zero_point, Scalar alpha=1) -> Tensor"""
    return _result(op, activation.celu(op, self.real, alpha), self, output_scale, output_zero_point)


@quantized("dropout")
def dropout(
    op: Op, self: QuantizedValue, output_scale: float, output_zero_point: int, p: float, training: bool
) -> QuantizedValue:
    """dropout(Tensor self, float output_scale, int output_zero_point, Scalar p=0.5, bool training=False) -> Tensor"""
    if training:
        raise op.refuse("dropout of a quantised tensor in training", "Call eval() on the model.")
    # torch leaves scale and zero point as they are.
    return self


def _known(op: Op, x: QuantizedValue) -> tuple[float, int, int, int]:
    """Scale, zero point, and the smallest and largest integer."""
    if x.scale.const is None or x.zero_point.const is None or x.axis is not None:
        raise op.refuse("a quantised tensor and a number, where the scale depends on the input")
    limits = np.iinfo(op.dtype(x.zero_point).numpy)
    # torch keeps scales in double precision; what it computes with them here is not rounded to single.
    return float(x.scale.array()), int(x.zero_point.array()), int(limits.min), int(limits.max)


def _add_number(op: Op, x: QuantizedValue, number: float) -> QuantizedValue:
    """The number in whole quanta moves the zero point; as far as that cannot move, the scale grows."""
    scale, zero, least, largest = _known(op, x)
    quanta = int(np.rint(number / scale))
    moved = zero - quanta
    found = op.Add(x.real, op.const(quanta * scale, DType.FLOAT32))
    span = largest - least
    if moved < least:
        return _result(op, found, x, (largest - moved) / span * scale, least)
    if moved > largest:
        return _result(op, found, x, (moved - least) / span * scale, largest)
    return _result(op, found, x, scale, moved)


def _multiply_number(op: Op, x: QuantizedValue, number: float) -> QuantizedValue:
    """The number changes the scale; a negative one mirrors the integers."""
    scale, zero, least, largest = _known(op, x)
    if number == 0:
        return _result(op, op.Mul(x.real, op.const(0.0)), x, 1.0, 0)
    mirrored = zero if number > 0 else largest - (zero - least)
    return _result(op, op.Mul(x.real, op.const(number, DType.FLOAT32)), x, abs(number) * scale, mirrored)


def _with_number(
    base: str, operator: Callable[[Op, QuantizedValue, float], QuantizedValue], *, rectified: bool = False
) -> None:
    suffix = "_relu" if rectified else ""
    name = f"{base}_scalar{suffix}"

    def function(op: Op, qa: QuantizedValue, b: float) -> QuantizedValue:
        found = operator(op, qa, b)
        return qv.moved(op, op.Relu(found.real), found) if rectified else found

    function.__doc__ = (
        f"{name}(Tensor qa, Scalar b) -> Tensor qc; {name}.Tensor(Tensor qa, Tensor b) -> Tensor qc; "
        f"{base}{suffix}.Scalar(Tensor qa, Scalar b) -> Tensor qc; {base}{suffix}.Scalar2(Scalar b, Tensor qa)"
    )
    quantized(name, f"{base}{suffix}.Scalar", f"{base}{suffix}.Scalar2")(function)


_with_number("add", _add_number)
_with_number("add", _add_number, rectified=True)
_with_number("mul", _multiply_number)
_with_number("mul", _multiply_number, rectified=True)
