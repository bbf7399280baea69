"""torch's quantised operators: the real ones between DequantizeLinear and QuantizeLinear, which runtimes fuse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnxport_ir import DType, Value

from onnxport_symbolics import quantized_values as qv
from onnxport_symbolics.aten import activation, batch_norm, conv, linear, norm
from onnxport_symbolics.aten.joining import cat
from onnxport_symbolics.op import Op
from onnxport_symbolics.quantized_values import QuantizedValue
from onnxport_symbolics.registry import quantized

#: What is done to the result before it is quantised.
_After = Callable[[Op, Value], Value]


@dataclass(frozen=True, slots=True)
class Packed:
    """What a packed weight holds, as the frontend gives it.

    Attributes:
        weight: the real weight, from its integers; before it is scaled if there are ``factors``.
        scale: the weight's scale, of rank 0 or 1.
        factors: what the channels of the result are still to be multiplied by; None for nothing.
        bias: the real bias, or None.
        sizes: of a convolution: stride, padding, dilation, groups, output padding, whether it is transposed.
    """

    weight: Value
    scale: Value
    factors: Value | None
    bias: Value | None
    sizes: tuple[object, ...]


def _packed(op: Op, packed: object) -> Packed:
    if not isinstance(packed, tuple) or len(packed) < 5:
        raise op.refuse("a packed weight that is no attribute of the model")
    integers, scale, zero_point, axis, bias, *sizes = packed
    if scale is None:
        raise op.refuse("a weight in float16 for a quantised layer of integers")
    steps, zeros = _array(scale), _array(zero_point)
    step = op.const(steps, DType.FLOAT32)
    if axis is not None and not zeros.any() and not op.has_attribute("DequantizeLinear", "axis"):
        # Weights without integers are quantised by ONNX Runtime, otherwise than by torch. Scales are for results, too.
        whole = op.DequantizeLinear(integers, op.const(1.0), op.const(0, DType.INT8))
        return Packed(whole, step, step, bias, tuple(sizes))
    along = {} if axis is None else {"axis": axis}
    weight = op.DequantizeLinear(integers, step, op.const(zeros.astype(np.int8), DType.INT8), **along)
    return Packed(weight, step, None, bias, tuple(sizes))


def _layer(
    op: Op, packed: Packed, bias: Value | None, product: Callable[[Value | None], Value], spatial: int = 0
) -> Value:
    """The result of a layer.

    Args:
        op: the builder.
        packed: the layer's weight.
        bias: the bias, or None.
        product: gives the product of the weight with the input, plus what it is called with.
        spatial: how many axes are behind the channels.
    """
    # ONNX Runtime 1.32 rounds a bias beside integers with Round, also where the model's opset lacks it.
    if packed.factors is None and (bias is None or not op.has("QuantizeLinear") or op.has("Round")):
        return product(bias)

    def along(vector: Value) -> Value:
        return op.Unsqueeze(vector, list(range(1, spatial + 1))) if spatial and vector.rank else vector

    found = product(None)
    if packed.factors is not None:
        found = op.Mul(found, along(packed.factors))
    return found if bias is None else op.Add(found, along(bias))


def _bias(op: Op, x: QuantizedValue, packed: Packed) -> Value | None:
    """The bias in integers of the product's scale, as fused kernels take it, and back."""
    bias = packed.bias
    if bias is None or bias.const is None or x.scale.const is None or x.scale.is_weight or x.axis is not None:
        return bias
    steps = (x.scale.array() * packed.scale.array()).astype(np.float32)
    wide = np.rint(bias.array().astype(np.float64) / steps)
    if np.abs(wide).max(initial=0) > np.iinfo(np.int32).max:
        return bias
    if packed.factors is not None:
        return op.const((wide * steps).astype(np.float32), DType.FLOAT32)
    along = {"axis": 0} if steps.ndim else {}
    zeros = op.const(np.zeros(steps.shape, np.int32), DType.INT32)
    return op.DequantizeLinear(op.const(wide.astype(np.int32), DType.INT32), op.const(steps), zeros, **along)


def _product(op: Op, x: Value, packed: Packed, bias: Value | None) -> Value:
    return _layer(op, packed, bias, lambda added: linear.linear(op, x, packed.weight, added))


def _relu(op: Op, x: Value) -> Value:
    return op.Relu(x)


def _as_is(op: Op, x: Value) -> Value:
    return x


def _result(op: Op, real: Value, like: QuantizedValue, scale: float, zero_point: int) -> QuantizedValue:
    """A result quantised anew, to integers of the same type as an operand's."""
    return qv.parameters(op, real, scale, zero_point, op.dtype(like.zero_point))


def _linear(name: str, after: _After) -> None:
    def function(op: Op, X: QuantizedValue, W_prepack: object, Y_scale_i: float, Y_zero_point_i: int) -> QuantizedValue:
        packed = _packed(op, W_prepack)
        found = after(op, _product(op, X.real, packed, _bias(op, X, packed)))
        return _result(op, found, X, Y_scale_i, Y_zero_point_i)

    function.__doc__ = f"{name}(Tensor X, LinearPackedParamsBase W_prepack, float Y_scale_i, int Y_zero_point_i)"
    quantized(name)(function)


_linear("linear", _as_is)
_linear("linear_relu", _relu)
_linear("linear_tanh", lambda op, x: op.Tanh(x))


@quantized("linear_leaky_relu")
def linear_leaky_relu(
    op: Op, X: QuantizedValue, W_prepack: object, Y_scale_i: float, Y_zero_point_i: int, negative_slope: float
) -> QuantizedValue:
    """linear_leaky_relu(Tensor X, ... W_prepack, float Y_scale_i, int Y_zero_point_i, float negative_slope)"""
    packed = _packed(op, W_prepack)
    found = op.LeakyRelu(_product(op, X.real, packed, _bias(op, X, packed)), alpha=negative_slope)
    return _result(op, found, X, Y_scale_i, Y_zero_point_i)


def _dynamic(name: str, after: _After) -> None:
    def function(op: Op, X: Value, W_prepack: object, reduce_range: bool = False) -> Value:
        return after(op, dynamic_product(op, X, W_prepack, reduce_range))

    function.__doc__ = f"{name}(Tensor X, LinearPackedParamsBase W_prepack, bool reduce_range=False) -> Tensor Y"
    quantized(name)(function)


def dynamic_product(op: Op, x: Value, packed_weight: object, reduce_range: bool) -> Value:
    """A linear layer of a real tensor, which is quantised by its range; where the weight is float16, it is not."""
    if not isinstance(packed_weight, tuple) or len(packed_weight) != 6:
        raise op.refuse("a packed weight that is no attribute of the model")
    *_, takes_all_bits = packed_weight
    if packed_weight[1] is None:
        return _half_product(op, x, packed_weight)
    source = qv.by_range(op, x, reduce_range and not takes_all_bits)
    if op.has("MatMulInteger"):
        return _integer_product(op, source, packed_weight)
    packed = _packed(op, packed_weight)
    return _product(op, source.real, packed, packed.bias)


def _integer_product(op: Op, x: QuantizedValue, packed_weight: tuple[Any, ...]) -> Value:
    """The product of whole numbers, then in the scale of both.

    ONNX Runtime 1.32 fuses this. A product of real numbers it does in MatMulNBits, which rounds the input once more.
    """
    weight, scale, zero_point, _, bias, _ = packed_weight
    zeros = _array(zero_point).astype(np.int8)
    shift = op.const(zeros, DType.INT8) if zeros.any() else None
    found = op.MatMulInteger(qv.integers(op, x), op.Transpose(weight, perm=(1, 0)), x.zero_point, shift)
    real = op.Mul(op.cast(found, DType.FLOAT32), op.Mul(x.scale, op.const(_array(scale), DType.FLOAT32)))
    return real if bias is None else op.Add(real, bias)


def _array(item: Any) -> npt.NDArray[Any]:
    """Scales or zero points of a packed weight: a constant tensor, or a number."""
    found: npt.NDArray[Any] = item.tensor.numpy() if hasattr(item, "tensor") else np.array(item)
    return found


def _half_product(op: Op, x: Value, packed_weight: object) -> Value:
    """A linear layer of real tensors; its weight is stored in float16."""
    if not isinstance(packed_weight, tuple) or len(packed_weight) != 6 or packed_weight[1] is not None:
        raise op.refuse("a weight in float16 that is no attribute of the model")
    weight, _, _, _, bias, _ = packed_weight
    return linear.linear(op, x, op.cast(weight, DType.FLOAT32), bias)


def _half(name: str, after: _After) -> None:
    def function(op: Op, X: Value, W_prepack: object) -> Value:
        return after(op, _half_product(op, X, W_prepack))

    function.__doc__ = f"{name}(Tensor X, LinearPackedParamsBase W_prepack) -> Tensor Y"
    quantized(name)(function)


_half("linear_dynamic_fp16", _as_is)
_half("linear_relu_dynamic_fp16", _relu)
_dynamic("linear_dynamic", _as_is)
_dynamic("linear_relu_dynamic", _relu)


def _conv(op: Op, x: Value, packed: Packed, bias: Value | None, dims: int, transposed: bool) -> Value:
    stride, padding, dilation, groups, output_padding, is_transposed = packed.sizes
    if bool(is_transposed) != transposed:
        raise op.refuse("a packed weight of a transposed convolution in an ordinary one, or the other way")
    lists = [list(item) for item in (stride, padding, dilation, output_padding)]  # type: ignore[call-overload]  # ints
    flat = dims == 1 and len(lists[0]) == 2
    source = op.Unsqueeze(x, [2]) if flat else x
    count = int(groups)  # type: ignore[call-overload]  # a number

    def product(added: Value | None) -> Value:
        stride_, padding_, dilation_, outside = lists
        return conv.convolution(
            op, source, packed.weight, added, stride_, padding_, dilation_, transposed, outside, count
        )

    found = _layer(op, packed, bias, product, len(lists[0]))
    return op.Squeeze(found, [2]) if flat else found


def _convolution(name: str, dims: int, after: _After, *, transposed: bool = False) -> None:
    def function(
        op: Op, qx: QuantizedValue, packed_weight: object, output_scale: float, output_zero_point: int
    ) -> QuantizedValue:
        packed = _packed(op, packed_weight)
        found = after(op, _conv(op, qx.real, packed, _bias(op, qx, packed), dims, transposed))
        return _result(op, found, qx, output_scale, output_zero_point)

    function.__doc__ = f"{name}(Tensor qx, ... packed_weight, float output_scale, int output_zero_point) -> Tensor"
    quantized(name)(function)


def _dynamic_convolution(name: str, dims: int, *, transposed: bool = False) -> None:
    def function(op: Op, qx: Value, packed_weight: object, reduce_range: bool = False) -> Value:
        packed = _packed(op, packed_weight)
        source = qv.by_range(op, qx, reduce_range, plain=True)
        # torch quantises the result as well, and by the range of the input.
        return qv.quantize(op, _conv(op, source.real, packed, packed.bias, dims, transposed), source).real

    function.__doc__ = f"{name}(Tensor qx, ... packed_weight, bool reduce_range=False) -> Tensor"
    quantized(name)(function)


for _dims, _suffix in ((1, ""), (2, ".new"), (3, ".new")):
    _convolution(f"conv{_dims}d{_suffix}", _dims, _as_is)
    _convolution(f"conv{_dims}d_relu{_suffix}", _dims, _relu)
    _convolution(f"conv_transpose{_dims}d", _dims, _as_is, transposed=True)
    _dynamic_convolution(f"conv{_dims}d_dynamic", _dims)
    _dynamic_convolution(f"conv_transpose{_dims}d_dynamic", _dims, transposed=True)


def _conv_add(name: str, after: _After) -> None:
    def function(
        op: Op,
        qx: QuantizedValue,
        qaccum: QuantizedValue,
        packed_weight: object,
        output_scale: float,
        output_zero_point: int,
    ) -> QuantizedValue:
        packed = _packed(op, packed_weight)
        found = op.Add(_conv(op, qx.real, packed, _bias(op, qx, packed), 2, transposed=False), qaccum.real)
        return _result(op, after(op, found), qx, output_scale, output_zero_point)

    function.__doc__ = f"{name}(Tensor qx, Tensor qaccum, ... packed_weight, float output_scale, int output_zero_point)"
    quantized(name)(function)


_conv_add("conv2d_add", _as_is)
_conv_add("conv2d_add_relu", _relu)


def _pair(name: str, operator: Callable[[Op, Value, Value], Value], after: _After) -> None:
    def function(op: Op, qa: QuantizedValue, qb: QuantizedValue, scale: float, zero_point: int) -> QuantizedValue:
        return _result(op, after(op, operator(op, qa.real, qb.real)), qa, scale, zero_point)

    function.__doc__ = f"{name}(Tensor qa, Tensor qb, float scale, int zero_point) -> Tensor qc"
    quantized(name)(function)


_pair("add", lambda op, a, b: op.Add(a, b), _as_is)
_pair("add_relu", lambda op, a, b: op.Add(a, b), _relu)
_pair("mul", lambda op, a, b: op.Mul(a, b), _as_is)
_pair("mul_relu", lambda op, a, b: op.Mul(a, b), _relu)
_pair("matmul", lambda op, a, b: op.MatMul(a, b), _as_is)


def _cat(name: str, after: _After) -> None:
    def function(
        op: Op, qx: Sequence[QuantizedValue], dim: int, scale: float | None, zero_point: int | None
    ) -> QuantizedValue:
        found = after(op, cat(op, [item.real for item in qx], dim))
        if scale is None or zero_point is None:
            return qv.quantize(op, found, qx[0])
        return _result(op, found, qx[0], scale, zero_point)

    function.__doc__ = f"{name}(Tensor[] qx, int dim, float? scale, int? zero_point) -> Tensor"
    quantized(name)(function)


_cat("cat", _as_is)
_cat("cat_relu", _relu)


@quantized("hardswish")
def hardswish(op: Op, input: QuantizedValue, output_scale: float, output_zero_point: int) -> QuantizedValue:
    """hardswish(Tensor input, float output_scale, int output_zero_point) -> Tensor"""
    return _result(op, op.HardSwish(input.real), input, output_scale, output_zero_point)


@quantized("sigmoid")
def sigmoid(op: Op, qx: QuantizedValue, output_scale: float, output_zero_point: int) -> QuantizedValue:
    """sigmoid(Tensor qx, float output_scale, int output_zero_point) -> Tensor"""
    return _result(op, op.Sigmoid(qx.real), qx, output_scale, output_zero_point)


@quantized("leaky_relu")
def leaky_relu(
    op: Op, qx: QuantizedValue, negative_slope: float, inplace: bool, output_scale: float, output_zero_point: int
) -> QuantizedValue:
    """leaky_relu(Tensor qx, Scalar negative_slope, bool inplace, float output_scale, int output_zero_point)"""
    return _result(op, op.LeakyRelu(qx.real, alpha=negative_slope), qx, output_scale, output_zero_point)


@quantized("elu")
def elu(
    op: Op,
    self: QuantizedValue,
    output_scale: float,
    output_zero_point: int,
    alpha: float,
    scale: float,
    input_scale: float,
) -> QuantizedValue:
    """elu(Tensor self, float output_scale, int output_zero_point, Scalar alpha=1, Scalar scale=1, ...) -> Tensor"""
    found = activation.elu(op, self.real, alpha, scale, input_scale)
    return _result(op, found, self, output_scale, output_zero_point)


@quantized("softmax")
def softmax(op: Op, qx: QuantizedValue, dim: int, output_scale: float, output_zero_point: int) -> QuantizedValue:
    """softmax(Tensor qx, int dim, float output_scale, int output_zero_point) -> Tensor"""
    return _result(op, op.Softmax(qx.real, axis=dim), qx, output_scale, output_zero_point)


@quantized("relu6")
def relu6(op: Op, qx: QuantizedValue, inplace: bool = False) -> QuantizedValue:
    """relu6(Tensor qx, bool inplace=False) -> Tensor"""
    return qv.quantize(op, op.Clip(qx.real, op.const(0.0), op.const(6.0)), qx)


@quantized("prelu")
def prelu(
    op: Op, qx: QuantizedValue, weight: QuantizedValue | Value, output_scale: float, output_zero_point: int
) -> QuantizedValue:
    """prelu(Tensor qx, Tensor weight, float output_scale, int output_zero_point) -> Tensor"""
    slope = weight.real if isinstance(weight, QuantizedValue) else weight
    return _result(op, activation.prelu(op, qx.real, slope), qx, output_scale, output_zero_point)


@quantized("layer_norm")
def layer_norm(
    op: Op,
    input: QuantizedValue,
    normalized_shape: Sequence[int],
    weight: Value | None,
    bias: Value | None,
    eps: float,
    output_scale: float,
    output_zero_point: int,
) -> QuantizedValue:
    """layer_norm(Tensor input, int[] normalized_shape, Tensor? weight, Tensor? bias, float eps, ...) -> Tensor"""
    found = norm.layer_norm(op, input.real, normalized_shape, weight, bias, eps)
    return _result(op, found, input, output_scale, output_zero_point)


def _batch_norm(name: str, after: _After) -> None:
    def function(
        op: Op,
        qx: QuantizedValue,
        weight: Value | None,
        bias: Value | None,
        mean: Value,
        var: Value,
        eps: float,
        output_scale: float,
        output_zero_point: int,
    ) -> QuantizedValue:
        found = batch_norm.batch_norm(op, qx.real, weight, bias, mean, var, False, 0.0, eps)
        return _result(op, after(op, found), qx, output_scale, output_zero_point)

    function.__doc__ = (
        f"{name}(Tensor qx, Tensor? weight, Tensor? bias, Tensor mean, Tensor var, float eps, float, int)"
    )
    quantized(name)(function)


for _kind in ("batch_norm", "batch_norm1d", "batch_norm2d", "batch_norm3d"):
    _batch_norm(_kind, _as_is)
    _batch_norm(f"{_kind}_relu", _relu)
