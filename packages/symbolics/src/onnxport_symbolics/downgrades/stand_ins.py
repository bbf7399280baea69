"""What is done at every opset where ONNX allows a type and ONNX Runtime has no kernel, nor one for a wider type.

This concerns float64 and int64. The graphs are correct everywhere; they only have more nodes than they need.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from onnxport_ir import DType, Value

from onnxport_symbolics.calls import Call, backport_of, stand_in
from onnxport_symbolics.downgrades.axes import first
from onnxport_symbolics.downgrades.resize import resampled, with_all_axes
from onnxport_symbolics.downgrades.shaping import depth_to_space, pad_without_wrap, space_to_depth
from onnxport_symbolics.op import Op

# Any: the attributes of the operator.
_Write = Callable[[Op, Value, dict[str, Any]], Value]


@stand_in(
    "Acosh",
    "Asinh",
    "Atanh",
    "Cosh",
    "DequantizeLinear",
    "Gelu",
    "GridSample",
    "MeanVarianceNormalization",
    "Mish",
    "OneHot",
    "QuantizeLinear",
    "Sinh",
    "SwiGLU",
    "Swish",
    "ThresholdedRelu",
)
def as_if_absent(op: Op, call: Call) -> Call | Value:
    """What stands in for the operator at opsets that lack it."""
    function = backport_of(call.op_type)
    if function is None or op.has_kernel(call):
        return call
    result: Value = function(op, *call.operands, **call.attributes)
    return result


@stand_in("GroupNormalization", "HardSwish")
def always_as_if_absent(op: Op, call: Call) -> Call | Value:
    """What ONNX Runtime would compute by the operator's definition, worse.

    The variance of a group is the mean of the squares less the square of the mean there, which loses its digits where
    the mean is large. In float64 the numbers of a hard swish are rounded to float32.
    """
    if call.op_type == "HardSwish" and op.dtype(first(call)) is not DType.FLOAT64:
        return call
    function = backport_of(call.op_type)
    if function is None:
        raise op.needs(call.op_type)
    result: Value = function(op, *call.operands, **call.attributes)
    return result


@stand_in("Resize")
def resize_by_hand(op: Op, call: Call) -> Call | Value:
    """Known sizes are resampled; others are left to other runtimes."""
    data = first(call)
    sizes = op.known_dims(call.operands[3]) if len(call.operands) > 3 and call.operands[3] is not None else ()
    is_static = all(isinstance(size, int) for size in (*op.sizes(data), *(sizes or ())))
    if op.has_kernel(call) or not is_static or sizes is None or call.attributes.get("antialias", 0):
        return call
    attributes = {k: v for k, v in call.attributes.items() if k != "antialias"}
    return resampled(op, with_all_axes(op, Call("Resize", call.operands, attributes)), 19)


@stand_in("DepthToSpace", "SpaceToDepth")
def blocks_by_transposing(op: Op, call: Call) -> Call | Value:
    """A transposition of six axes."""
    if op.has_kernel(call):
        return call
    write = depth_to_space if call.op_type == "DepthToSpace" else space_to_depth
    return write(op, call, channels_first=call.attributes.get("mode", "DCR") != "DCR")


@stand_in("Pad")
def wrap_of_nothing(op: Op, call: Call) -> Call | Value | tuple[Value, ...]:
    """ONNX Runtime does not wrap a tensor without elements."""
    is_empty = 0 in (first(call).shape or ())
    return pad_without_wrap(op, call) if is_empty and call.attributes.get("mode") == "wrap" else call


@stand_in("PRelu")
def prelu_by_choice(op: Op, call: Call) -> Call | Value:
    """``slope * x`` below 0."""
    if op.has_kernel(call):
        return call
    data, slope = (value for value in call.operands if value is not None)
    return op.Where(op.Less(data, op.const_like(0, data)), op.Mul(data, slope), data)


@stand_in("Max", "Min")
def extrema_by_choice(op: Op, call: Call) -> Call | Value:
    """The first operand where it wins or is NaN, else the other, which may be NaN as well."""
    if op.has_kernel(call) or not op.dtype(first(call)).is_float:
        return call
    result, *others = (value for value in call.operands if value is not None)
    for value in others:
        wins = op.Greater(result, value) if call.op_type == "Max" else op.Less(result, value)
        result = op.Where(op.Or(wins, op.IsNaN(result)), result, value)
    return result


def _elu(op: Op, x: Value, alpha: float) -> Value:
    """``alpha * (exp(x) - 1)`` below 0, else 0."""
    zero = op.const_like(0, x)
    below = op.Sub(op.Exp(op.Min(x, zero)), op.const_like(1, x))
    return below if alpha == 1.0 else op.Mul(below, op.const_like(alpha, x))


def _write_relu(op: Op, x: Value, attributes: dict[str, Any]) -> Value:
    return op.Max(x, op.const_like(0, x))


def _write_elu(op: Op, x: Value, attributes: dict[str, Any]) -> Value:
    return op.Add(op.Max(x, op.const_like(0, x)), _elu(op, x, float(attributes.get("alpha", 1.0))))


def _write_selu(op: Op, x: Value, attributes: dict[str, Any]) -> Value:
    alpha = float(attributes.get("alpha", 1.67326319217681884765625))
    gamma = float(attributes.get("gamma", 1.05070102214813232421875))
    return op.Mul(_write_elu(op, x, {"alpha": alpha}), op.const_like(gamma, x))


def _write_leaky_relu(op: Op, x: Value, attributes: dict[str, Any]) -> Value:
    alpha = op.const_like(float(attributes.get("alpha", 0.01)), x)
    return op.Where(op.Less(x, op.const_like(0, x)), op.Mul(x, alpha), x)


def _write_hard_sigmoid(op: Op, x: Value, attributes: dict[str, Any]) -> Value:
    alpha, beta = (op.const_like(float(attributes.get(*pair)), x) for pair in (("alpha", 0.2), ("beta", 0.5)))
    return op.Max(op.Min(op.Add(op.Mul(x, alpha), beta), op.const_like(1, x)), op.const_like(0, x))


def _write_softplus(op: Op, x: Value, attributes: dict[str, Any]) -> Value:
    """``max(x, 0) + log(1 + exp(-|x|))``, which does not overflow."""
    rest = op.Log(op.Add(op.Exp(op.Neg(op.Abs(x))), op.const_like(1, x)))
    return op.Add(op.Max(x, op.const_like(0, x)), rest)


def _write_softsign(op: Op, x: Value, attributes: dict[str, Any]) -> Value:
    return op.Div(x, op.Add(op.Abs(x), op.const_like(1, x)))


def _write_tan(op: Op, x: Value, attributes: dict[str, Any]) -> Value:
    return op.Div(op.Sin(x), op.Cos(x))


def _write_average(op: Op, x: Value, attributes: dict[str, Any]) -> Value:
    return op.ReduceMean(x, list(range(2, op.rank(x))), keepdims=1)


def _write_maximum(op: Op, x: Value, attributes: dict[str, Any]) -> Value:
    return op.ReduceMax(x, list(range(2, op.rank(x))), keepdims=1)


_WRITTEN_OUT: dict[str, _Write] = {
    "Elu": _write_elu,
    "GlobalAveragePool": _write_average,
    "GlobalMaxPool": _write_maximum,
    "HardSigmoid": _write_hard_sigmoid,
    "LeakyRelu": _write_leaky_relu,
    "Relu": _write_relu,
    "Selu": _write_selu,
    "Softplus": _write_softplus,
    "Softsign": _write_softsign,
    "Tan": _write_tan,
}


# Operators that in float64 have their numbers rounded to float32, as attributes are, or overflow.
_ROUND_NUMBERS = frozenset({"Elu", "HardSigmoid", "LeakyRelu", "Selu", "Softplus"})

# Half precision, in which definitions overflow; the runtime has only these for some operators at some opsets.
_HALVES = frozenset({DType.FLOAT16, DType.BFLOAT16})


# The version of the operator that has no kernel for any type.
_WITHOUT_LOG_SUM_EXP = 28


def _in_single(op: Op, call: Call) -> tuple[Value, ...]:
    """The call with its halves as float32, and the results halved again."""
    dtype = op.dtype(first(call))
    operands = [
        op.cast(value, DType.FLOAT32) if value is not None and value.dtype in _HALVES else value
        for value in call.operands
    ]
    results = op.lower(dataclasses.replace(call, operands=operands))
    return tuple(op.cast(result, dtype) for result in results)


@stand_in(*_WRITTEN_OUT)
def written_out(op: Op, call: Call) -> Call | Value | tuple[Value, ...]:
    """The operator's formula."""
    dtype = op.dtype(first(call))
    if call.op_type == "Softplus" and dtype in _HALVES:
        return _in_single(op, call)
    rounds = dtype is DType.FLOAT64 and call.op_type in _ROUND_NUMBERS
    return call if op.has_kernel(call) and not rounds else _WRITTEN_OUT[call.op_type](op, first(call), call.attributes)


@stand_in("RMSNormalization", "Attention")
def brain_floats_in_single(op: Op, call: Call) -> Call | tuple[Value, ...]:
    """ONNX Runtime takes them apart for bfloat16, and lacks kernels for the parts.

    In its kernel of Attention, which the newest version has no more, scores overflow in float16.
    """
    dtype = op.dtype(first(call))
    overflows = call.op_type == "Attention" and not op.has_attribute("Attention", "left_window_size")
    return _in_single(op, call) if dtype is DType.BFLOAT16 or (dtype is DType.FLOAT16 and overflows) else call


@stand_in("ReduceLogSumExp")
def log_sum_exp_below_the_largest(op: Op, call: Call) -> Call | Value | tuple[Value, ...]:
    """The logarithm of a sum of exponentials, none of which overflows, nor all vanish.

    Where the runtime has the definition instead of a kernel.
    """
    data, keeps = first(call), call.attributes.get("keepdims", 1)
    if op.dtype(data) in _HALVES:
        return _in_single(op, call)
    if not op.dtype(data).is_float or op.since(call.op_type) < _WITHOUT_LOG_SUM_EXP:
        return call
    axes = call.operands[1] if len(call.operands) > 1 else None
    largest = op.ReduceMax(data, axes, keepdims=1)
    # Infinity less itself is no number.
    largest = op.Where(op.IsInf(largest), op.const_like(0, data), largest)
    total = op.ReduceSum(op.Exp(op.Sub(data, largest)), axes, keepdims=keeps)
    if not keeps:
        largest = op.Squeeze(largest, axes) if axes is not None else op.Squeeze(largest)
    return op.Add(op.Log(total), largest)


@stand_in("InstanceNormalization")
def instance_norm_by_reductions(op: Op, call: Call) -> Call | Value:
    """Mean and variance of the spatial axes."""
    if op.has_kernel(call):
        return call
    data, scale, bias = (value for value in call.operands if value is not None)
    axes = list(range(2, op.rank(data)))
    column = [-1 if axis == 0 else 1 for axis in range(op.rank(data) - 1)]
    centred = op.Sub(data, op.ReduceMean(data, axes, keepdims=1))
    variance = op.ReduceMean(op.Mul(centred, centred), axes, keepdims=1)
    epsilon = op.const_like(float(call.attributes.get("epsilon", 1e-5)), data)
    normal = op.Div(centred, op.Sqrt(op.Add(variance, epsilon)))
    return op.Add(op.Mul(normal, op.Reshape(scale, column)), op.Reshape(bias, column))


@stand_in("BatchNormalization")
def batch_norm_by_formula(op: Op, call: Call) -> Call | Value:
    """The running statistics, applied."""
    if op.has_kernel(call) or call.attributes.get("training_mode", 0) or call.num_results > 1:
        return call
    data = first(call)
    column = [-1 if axis == 0 else 1 for axis in range(op.rank(data) - 1)]
    scale, bias, mean, variance = (
        op.Reshape(op.cast(value, op.dtype(data)), column) for value in call.operands[1:] if value is not None
    )
    epsilon = op.const_like(float(call.attributes.get("epsilon", 1e-5)), data)
    factor = op.Div(scale, op.Sqrt(op.Add(variance, epsilon)))
    return op.Add(op.Mul(op.Sub(data, mean), factor), bias)


@stand_in("Gemm")
def gemm_by_matmul(op: Op, call: Call) -> Call | Value:
    """A product of matrices and a sum, of integers."""
    dtype = op.dtype(first(call))
    alpha, beta = (float(call.attributes.get(name, 1.0)) for name in ("alpha", "beta"))
    if op.has_kernel(call) or (dtype.is_integer and (alpha != int(alpha) or beta != int(beta))):
        return call
    left, right, *bias = (value for value in call.operands if value is not None)
    left = op.Transpose(left, perm=[1, 0]) if call.attributes.get("transA", 0) else left
    right = op.Transpose(right, perm=[1, 0]) if call.attributes.get("transB", 0) else right
    factors = [int(factor) if dtype is not DType.FLOAT64 else factor for factor in (alpha, beta)]
    product = op.Mul(op.MatMul(left, right), op.const(factors[0], dtype))
    return op.Add(product, op.Mul(bias[0], op.const(factors[1], dtype))) if bias else product
