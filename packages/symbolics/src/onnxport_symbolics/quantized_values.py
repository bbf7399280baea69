"""Quantised tensors inside a graph: the real numbers that they stand for, and how they are quantised.

A handler gets one only if its annotation says so. Between two quantised operators, the real numbers come out of
DequantizeLinear after QuantizeLinear, which runtimes fuse with the operator in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
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
        whole: the integers, where they are at hand.
    """

    real: Value
    scale: Value
    zero_point: Value
    axis: int | None = None
    whole: Value | None = None

    @property
    def along(self) -> dict[str, int]:
        """The attribute of a quantiser that says which axis the scale is along."""
        return {} if self.axis is None else {"axis": self.axis}

    def __repr__(self) -> str:
        return f"<quantised {self.real.value_type}>"


def holds_quantized(lowered: object) -> bool:
    """Whether an argument is, or contains, a quantised tensor."""
    if isinstance(lowered, tuple):
        return any(map(holds_quantized, lowered))
    return isinstance(lowered, QuantizedValue)


def integers(op: Op, q: QuantizedValue) -> Value:
    """The integers of a quantised tensor."""
    return q.whole if q.whole is not None else rounded(op, q.real, q)


def quantize(op: Op, real: Value, like: QuantizedValue) -> QuantizedValue:
    """Real numbers quantised as ``like`` is."""
    return of_integers(op, rounded(op, real, like), like)


def rounded(op: Op, real: Value, like: QuantizedValue) -> Value:
    """The integers of real numbers that are quantised as ``like`` is."""
    if like.axis is not None:
        return op.QuantizeLinear(real, like.scale, like.zero_point, axis=like.axis)
    maker = real.producer
    if maker is None or maker.op_type != "DequantizeLinear" or "axis" in maker.attributes:
        return op.QuantizeLinear(real, like.scale, like.zero_point)
    whole, *kept = maker.operands
    if whole is not None and len(kept) == 2 and all(map(_is_same, kept, (like.scale, like.zero_point))):
        return whole
    # ONNX Runtime 1.32 makes one quantisation of two, and rounds once where torch rounds twice. Powers of 2 are exact.
    two = op.const(2.0)
    return op.QuantizeLinear(op.Mul(real, two), op.Mul(like.scale, two), like.zero_point)


def _is_same(one: Value | None, other: Value) -> bool:
    if one is None or one is other:
        return one is other
    constants = one.const is not None and other.const is not None and not (one.is_weight or other.is_weight)
    return constants and one.dtype is other.dtype and bool(np.array_equal(one.array(), other.array()))


def is_confused(op: Op, q: QuantizedValue) -> bool:
    """Whether the tensor's real numbers must not be reshaped between DequantizeLinear and another operator.

    ONNX Runtime 1.32 puts a pair of quantisers there, and then finds signed integers with an unsigned zero point.
    """
    return op.has_attribute("QuantizeLinear", "output_dtype") and op.dtype(q.zero_point) is DType.INT8


def moved(op: Op, real: Value, like: QuantizedValue) -> QuantizedValue:
    """Real numbers that are quantised already as ``like`` is, by an operator that moves or chooses elements."""
    if is_confused(op, like):
        return of_integers(op, op.QuantizeLinear(real, like.scale, like.zero_point, **like.along), like)
    return QuantizedValue(real, like.scale, like.zero_point, like.axis)


def of_integers(op: Op, whole: Value, like: QuantizedValue) -> QuantizedValue:
    """Integers that mean what those of ``like`` do."""
    real = op.DequantizeLinear(whole, like.scale, like.zero_point, **like.along)
    return QuantizedValue(real, like.scale, like.zero_point, like.axis, whole)


def parameters(op: Op, real: Value, scale: float, zero_point: int, dtype: DType) -> QuantizedValue:
    """Real numbers quantised with one scale and zero point."""
    return quantize(op, real, QuantizedValue(real, op.const(scale, DType.FLOAT32), op.const(zero_point, dtype)))


def by_range(op: Op, x: Value, reduce_range: bool, *, plain: bool = False) -> QuantizedValue:
    """A tensor quantised by its own smallest and largest element.

    Args:
        op: the builder.
        x: the tensor, float32.
        reduce_range: whether it has 7 bits, not 8.
        plain: whether to write out what DynamicQuantizeLinear does, whose scale for zeros alone is not torch's.
    """
    if not reduce_range and not plain:
        integers, scale, zero_point = op.multi("DynamicQuantizeLinear", 3, x)
        return of_integers(op, integers, QuantizedValue(x, scale, zero_point))
    zero, largest = op.const(0.0), op.const(127.0 if reduce_range else 255.0)
    low, high = op.Min(op.ReduceMin(x, keepdims=0), zero), op.Max(op.ReduceMax(x, keepdims=0), zero)
    spread = op.Div(op.Sub(high, low), largest)
    scale = op.Where(op.Equal(spread, zero), op.const(0.1), spread)
    whole = op.Clip(op.Round(op.Div(op.Neg(low), scale)), zero, largest)
    if reduce_range:
        x = op.Min(x, op.Mul(op.Sub(largest, whole), scale))
    zero_point = op.Cast(whole, to=DType.UINT8)
    return quantize(op, x, QuantizedValue(x, scale, zero_point))


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
        *("_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d"),
        *("max", "min", "sort", "topk", "repeat_interleave", "index"),
    }
)
#: Operators whose results are rounded to the integers of their operand.
_ROUNDED = frozenset(
    {
        *("cat", "stack", "hardtanh", "clamp", "clamp_min", "clamp_max", "relu6", "leaky_relu", "gelu", "std"),
        *("reflection_pad1d", "reflection_pad2d", "masked_fill"),
    }
)
#: The same, of means: they are computed on whole quanta, where a sum is exact and a tie is one, and not on multiples
#: of the scale, where noise decides ties.
_MEANS = frozenset(
    {
        *("mean", "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d"),
        *("adaptive_avg_pool3d", "_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "upsample_bilinear2d"),
    }
)
#: Scale and zero point of results that always have the same range.
_FIXED = {"sigmoid": (1 / 256, 0), "hardsigmoid": (1 / 256, 0), "tanh": (2 / 256, 128)}
_FIXED_SIGNED = {"sigmoid": (1 / 256, -128), "hardsigmoid": (1 / 256, -128), "tanh": (2 / 256, 0)}
#: Operators whose results are no quantised tensors.
_PLAIN = frozenset({"eq", "ne", "lt", "le", "gt", "ge", "size", "sym_size", "dim", "numel", "len"})
#: Operators of ``aten`` that are computed on real numbers, and whose results are quantised again.
ON_REAL_NUMBERS = frozenset(f"aten::{name}" for name in {*_EXACT, *_ROUNDED, *_MEANS, *_FIXED, *_PLAIN})


@dataclass(frozen=True, slots=True)
class RealNumbers:
    """A call of an operator of :data:`ON_REAL_NUMBERS` with real numbers in the place of quantised tensors.

    Attributes:
        name: the operator's, without namespace.
        args: what to call it with.
        like: the first quantised tensor among the arguments.
        pools_up: whether a pooling rounds the count of its windows up.
        shifted: whether a mean is one of integers with their zero point. torch adds that before it rounds, which tells
            an even number from an odd one. Where zeros are added to the numbers, or the sum is divided by something
            else than their count, it must be left out.
    """

    name: str
    args: tuple[object, ...]
    like: QuantizedValue
    pools_up: bool
    shifted: bool

    @classmethod
    def of(cls, op: Op, base: str, names: Sequence[str], args: Sequence[object]) -> RealNumbers | None:
        """The call, None if there is no quantised tensor among its arguments."""
        like = _first_quantised(args)
        if like is None:
            return None
        name = base.partition("::")[2]
        if name not in _MEANS:
            return cls(name, tuple(map(_multiples, args)), like, False, False)
        named = dict(zip(names, args, strict=True))
        pads = named.get("padding") or ()
        padded = named.get("count_include_pad") and any(pads if isinstance(pads, tuple) else (pads,))
        shifted = not padded and named.get("divisor_override") is None
        call = cls(name, (), like, bool(named.get("ceil_mode")), shifted)
        return replace(
            call, args=tuple(call._quanta(op, item) if isinstance(item, QuantizedValue) else item for item in args)
        )

    def quantized(self, op: Op, result: object) -> object:
        """What the operator gave, quantised as torch does."""
        if isinstance(result, list | tuple):
            return tuple(self.quantized(op, item) for item in result)
        if not isinstance(result, Value) or not op.dtype(result).is_float:
            return result
        if self.like.axis is not None and self.name not in ("contiguous", "clone", "detach", "alias", "to"):
            raise op.refuse(f"aten::{self.name} of a tensor that is quantised along an axis")
        dtype = op.dtype(self.like.zero_point)
        fixed = (_FIXED if dtype is DType.UINT8 else _FIXED_SIGNED).get(self.name)
        if fixed is not None:
            return parameters(op, result, *fixed, dtype)
        if self.name in _MEANS:
            return self._rounded_mean(op, result)
        return moved(op, result, self.like) if self.name in _EXACT else quantize(op, result, self.like)

    def _quanta(self, op: Op, q: QuantizedValue) -> Value:
        """The whole quanta of a tensor."""
        zero_point = op.const(0, op.dtype(q.zero_point)) if self.shifted else q.zero_point
        reshapes = "adaptive" in self.name and is_confused(op, q)
        if not self.pools_up and not reshapes:
            return op.DequantizeLinear(integers(op, q), op.const(1.0), zero_point)
        # ONNX Runtime 1.32 divides by whole windows in QLinearAveragePool, also by those of which a part stands out.
        return op.Sub(op.cast(integers(op, q), DType.FLOAT32), op.cast(zero_point, DType.FLOAT32))

    def _rounded_mean(self, op: Op, mean: Value) -> QuantizedValue:
        shifted = self.shifted
        if self.pools_up and not shifted:
            mean, shifted = op.Add(mean, op.cast(self.like.zero_point, DType.FLOAT32)), True
        zero_point = op.const(0, op.dtype(self.like.zero_point)) if shifted else self.like.zero_point
        return of_integers(op, op.QuantizeLinear(mean, op.const(1.0), zero_point), self.like)


def _first_quantised(lowered: object) -> QuantizedValue | None:
    if isinstance(lowered, tuple):
        return next((found for found in map(_first_quantised, lowered) if found is not None), None)
    return lowered if isinstance(lowered, QuantizedValue) else None


def _multiples(lowered: object) -> object:
    if isinstance(lowered, tuple):
        return tuple(map(_multiples, lowered))
    return lowered.real if isinstance(lowered, QuantizedValue) else lowered
