"""Quantised tensors inside a graph: the real numbers that they stand for, and how they are quantised.

A handler gets one only if its annotation says so. Between two quantised operators, the real numbers come out of
DequantizeLinear after QuantizeLinear, which runtimes fuse with the operator in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from onnxport_ir import DType, Value

if TYPE_CHECKING:
    from onnxport_symbolics.op import Op


@dataclass(frozen=True, slots=True, eq=False)
class QuantizedValue:
    """A quantised tensor.

    Attributes:
        real: the numbers that its integers stand for, in float32.
        scale: of rank 0, or 1 along the axis.
        zero_point: of the scale's rank; its element type is that of the integers.
        axis: the axis that scale and zero point are along; None for one of each.
    """

    real: Value
    scale: Value
    zero_point: Value
    axis: int | None = None

    def with_real(self, real: Value) -> QuantizedValue:
        """Other numbers that are quantised already in the same way."""
        return QuantizedValue(real, self.scale, self.zero_point, self.axis)

    def __repr__(self) -> str:
        return f"<quantised {self.real.value_type}>"


def holds_quantized(lowered: object) -> bool:
    """Whether an argument is, or contains, a quantised tensor."""
    if isinstance(lowered, tuple):
        return any(map(holds_quantized, lowered))
    return isinstance(lowered, QuantizedValue)


def integers(op: Op, q: QuantizedValue) -> Value:
    """The integers of a quantised tensor."""
    return _quantized(op, q.real, q)


def quantize(op: Op, real: Value, like: QuantizedValue) -> QuantizedValue:
    """Real numbers quantised as ``like`` is."""
    axis = {} if like.axis is None else {"axis": like.axis}
    found = op.DequantizeLinear(_quantized(op, real, like), like.scale, like.zero_point, **axis)
    return like.with_real(found)


def _quantized(op: Op, real: Value, like: QuantizedValue) -> Value:
    axis = {} if like.axis is None else {"axis": like.axis}
    return op.QuantizeLinear(real, like.scale, like.zero_point, **axis)


def parameters(op: Op, real: Value, scale: float, zero_point: int, dtype: DType) -> QuantizedValue:
    """Real numbers quantised with one scale and zero point."""
    return quantize(op, real, QuantizedValue(real, op.const(scale, DType.FLOAT32), op.const(zero_point, dtype)))


#: Operators that take and give quantised tensors by moving or choosing elements: the results need no rounding.
_EXACT = frozenset(
    {
        *(
            "view",
            "_unsafe_view",
            "reshape",
            "flatten",
            "unflatten",
            "squeeze",
            "unsqueeze",
            "transpose",
            "permute",
            "t",
        ),
        *("slice", "select", "narrow", "split", "split_with_sizes", "chunk", "unbind", "expand", "repeat", "flip"),
        *("contiguous", "clone", "detach", "alias", "to", "relu", "max_pool1d", "max_pool2d", "max_pool3d", "pad"),
        *("constant_pad_nd", "dropout", "index_select", "channel_shuffle", "pixel_shuffle", "pixel_unshuffle"),
        *("native_channel_shuffle", "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "movedim"),
    }
)
#: Operators whose results are rounded to the integers of their operand.
_ROUNDED = frozenset(
    {
        *("mean", "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "cat"),
        *("adaptive_avg_pool3d", "upsample_bilinear2d", "hardtanh", "clamp", "relu6", "hardsigmoid", "leaky_relu"),
        *("stack", "reflection_pad1d", "reflection_pad2d", "clamp_min", "clamp_max"),
    }
)
#: Scale and zero point of results that always have the same range.
_FIXED = {"sigmoid": (1 / 256, 0), "tanh": (2 / 256, 128)}
_FIXED_SIGNED = {"sigmoid": (1 / 256, -128), "tanh": (2 / 256, 0)}
#: Operators of ``aten`` that are computed on the real numbers, and whose results are quantised again.
ON_REAL_NUMBERS = frozenset(f"aten::{name}" for name in {*_EXACT, *_ROUNDED, *_FIXED})


def quantized_operand(lowered: object) -> QuantizedValue | None:
    """The first quantised tensor in an argument."""
    if isinstance(lowered, tuple):
        return next((found for found in map(quantized_operand, lowered) if found is not None), None)
    return lowered if isinstance(lowered, QuantizedValue) else None


def real_numbers(lowered: object) -> object:
    """An argument with the real numbers in place of quantised tensors."""
    if isinstance(lowered, tuple):
        return tuple(map(real_numbers, lowered))
    return lowered.real if isinstance(lowered, QuantizedValue) else lowered


def quantized_result(op: Op, base: str, result: object, like: QuantizedValue) -> object:
    """What an operator gave for real numbers, quantised as torch does for this operator."""
    name = base.partition("::")[2]
    if isinstance(result, list | tuple):
        return tuple(quantized_result(op, base, item, like) for item in result)
    if not isinstance(result, Value):
        return result
    if like.axis is not None and name not in ("contiguous", "clone", "detach", "alias", "to"):
        raise op.refuse(f"{base} of a tensor that is quantised along an axis")
    dtype = op.dtype(like.zero_point)
    fixed = (_FIXED if dtype is DType.UINT8 else _FIXED_SIGNED).get(name)
    if fixed is not None:
        return parameters(op, result, *fixed, dtype)
    return like.with_real(result) if name in _EXACT else quantize(op, result, like)
