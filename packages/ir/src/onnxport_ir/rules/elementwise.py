"""Operators that work element by element, and those that keep the shape of their first operand."""

from __future__ import annotations

from onnxport_ir.dims import Dim
from onnxport_ir.dtypes import DType
from onnxport_ir.graph import Node
from onnxport_ir.rules.common import (
    UNKNOWN,
    Context,
    Rule,
    broadcast,
    broadcast_all,
    dtype_attr,
    int_attr,
    normalise_axis,
    operand,
    tensor,
)
from onnxport_ir.types import Shape, TensorType, ValueType


def _same(node: Node, ctx: Context) -> list[ValueType]:
    """Type and shape of the first operand."""
    return [tensor(node, 0)]


def _identity(node: Node, ctx: Context) -> list[ValueType]:
    """The first operand's type, be it tensor, sequence or optional."""
    value = operand(node, 0)
    return [UNKNOWN if value is None else value.value_type]


def _binary(node: Node, ctx: Context) -> list[ValueType]:
    left, right = tensor(node, 0), tensor(node, 1)
    dtype = left.dtype or right.dtype
    if left.shape == right.shape and dtype is left.dtype:
        return [left]
    return [TensorType(dtype, broadcast(node, left.shape, right.shape, ctx))]


def _first_dtype(node: Node, ctx: Context) -> list[ValueType]:
    """Broadcasting; the result has the first operand's type, whatever the second one's is (Pow, BitShift)."""
    left, right = tensor(node, 0), tensor(node, 1)
    return [TensorType(left.dtype, broadcast(node, left.shape, right.shape, ctx))]


def _comparison(node: Node, ctx: Context) -> list[ValueType]:
    return [TensorType(DType.BOOL, broadcast(node, tensor(node, 0).shape, tensor(node, 1).shape, ctx))]


def _to_bool(node: Node, ctx: Context) -> list[ValueType]:
    return [TensorType(DType.BOOL, tensor(node, 0).shape)]


def _variadic(node: Node, ctx: Context) -> list[ValueType]:
    types = [tensor(node, index) for index in range(len(node.operands))]
    dtype = next((t.dtype for t in types if t.dtype is not None), None)
    return [TensorType(dtype, broadcast_all(node, [t.shape for t in types], ctx) if types else None)]


def _where(node: Node, ctx: Context) -> list[ValueType]:
    condition, left, right = tensor(node, 0), tensor(node, 1), tensor(node, 2)
    shape = broadcast_all(node, [condition.shape, left.shape, right.shape], ctx)
    return [TensorType(left.dtype or right.dtype, shape)]


def _cast(node: Node, ctx: Context) -> list[ValueType]:
    return [TensorType(dtype_attr(node, "to", None), tensor(node, 0).shape)]


def _cast_like(node: Node, ctx: Context) -> list[ValueType]:
    return [TensorType(tensor(node, 1).dtype, tensor(node, 0).shape)]


def _bernoulli(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    return [TensorType(dtype_attr(node, "dtype", data.dtype), data.shape)]


def _dropout(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    return [data, TensorType(DType.BOOL if ctx.opset >= 10 else data.dtype, data.shape)]


def _channels(node: Node, shape: Shape) -> Shape:
    """The shape of per-channel statistics: that of the scale, or one size, the input's second."""
    for index in range(1, len(node.operands)):
        given = tensor(node, index).shape
        if given is not None:
            return given
    if shape is None:
        return None
    return (shape[1],) if len(shape) > 1 else (1,)


def _batch_normalization(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    if len(node.results) == 1:
        return [data]
    statistics = TensorType(tensor(node, 3).dtype or data.dtype, _channels(node, data.shape))
    return [data, *[statistics] * (len(node.results) - 1)]


def _layer_normalization(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    if len(node.results) == 1:
        return [data]
    shape = data.shape
    if shape is not None:
        axis = normalise_axis(node, int_attr(node, "axis", -1), len(shape))
        ones: tuple[Dim, ...] = (1,) * (len(shape) - axis)
        shape = (*shape[:axis], *ones)
    statistics = TensorType(dtype_attr(node, "stash_type", DType.FLOAT32), shape)
    return [data, statistics, statistics]


def _rms_normalization(node: Node, ctx: Context) -> list[ValueType]:
    # The schema gives the result the scale's element type.
    return [TensorType(tensor(node, 1).dtype, tensor(node, 0).shape)]


def _quantize_linear(node: Node, ctx: Context) -> list[ValueType]:
    dtype = tensor(node, 2).dtype
    if operand(node, 2) is None:
        dtype = dtype_attr(node, "output_dtype", None) if int_attr(node, "output_dtype", 0) else DType.UINT8
    return [TensorType(dtype, tensor(node, 0).shape)]


def _dequantize_linear(node: Node, ctx: Context) -> list[ValueType]:
    dtype = tensor(node, 1).dtype
    if int_attr(node, "output_dtype", 0):
        dtype = dtype_attr(node, "output_dtype", None)
    return [TensorType(dtype, tensor(node, 0).shape)]


def _dynamic_quantize_linear(node: Node, ctx: Context) -> list[ValueType]:
    return [
        TensorType(DType.UINT8, tensor(node, 0).shape),
        TensorType(DType.FLOAT32, ()),
        TensorType(DType.UINT8, ()),
    ]


_SAME = [
    "Abs",
    "Acos",
    "Acosh",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "BitwiseNot",
    "Ceil",
    "Celu",
    "Clip",
    "Cos",
    "Cosh",
    "CumProd",
    "CumSum",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "GroupNormalization",
    "HardSigmoid",
    "HardSwish",
    "Hardmax",
    "InstanceNormalization",
    "LRN",
    "LeakyRelu",
    "Log",
    "LogSoftmax",
    "LpNormalization",
    "MeanVarianceNormalization",
    "Mish",
    "Neg",
    "Not",
    "PRelu",
    "Reciprocal",
    "Relu",
    "ReverseSequence",
    "RotaryEmbedding",
    "Round",
    "Scatter",
    "ScatterElements",
    "ScatterND",
    "Selu",
    "Shrink",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Softmax",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Swish",
    "Tan",
    "Tanh",
    "TensorScatter",
    "ThresholdedRelu",
    "Trilu",
]
_BINARY = ["Add", "And", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Div", "Mod", "Mul", "Or", "Sub", "Xor"]
_COMPARISON = ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"]

RULES: dict[str, Rule] = {
    **dict.fromkeys(_SAME, _same),
    **dict.fromkeys(_BINARY, _binary),
    **dict.fromkeys(_COMPARISON, _comparison),
    **dict.fromkeys(["Max", "Mean", "Min", "Sum"], _variadic),
    **dict.fromkeys(["IsInf", "IsNaN"], _to_bool),
    **dict.fromkeys(["Pow", "BitShift"], _first_dtype),
    "Bernoulli": _bernoulli,
    "BatchNormalization": _batch_normalization,
    "Cast": _cast,
    "CastLike": _cast_like,
    "DequantizeLinear": _dequantize_linear,
    "Dropout": _dropout,
    "DynamicQuantizeLinear": _dynamic_quantize_linear,
    "Identity": _identity,
    "LayerNormalization": _layer_normalization,
    "QuantizeLinear": _quantize_linear,
    "RMSNormalization": _rms_normalization,
    "Where": _where,
}
