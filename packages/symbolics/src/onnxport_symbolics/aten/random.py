"""Random numbers: the distribution and the type are torch's, the numbers are the runtime's."""

from __future__ import annotations

import math
from collections.abc import Sequence

from onnxport_ir import DType, Value

from onnxport_symbolics.aten.create import chosen_dtype
from onnxport_symbolics.aten.sort_search import sorted_
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import full, unsqueeze

#: The types that ONNX Runtime draws; others are cast from float32.
_GENERATED = frozenset({DType.FLOAT32, DType.FLOAT64})
#: The bits of torch's uniform numbers in narrow types: rounding finer ones could give 1.
_BITS = {DType.FLOAT16: 11, DType.BFLOAT16: 8}


def uniform_like(op: Op, x: Value, dtype: DType, low: float = 0.0, high: float = 1.0) -> Value:
    """Numbers from ``[low, high)`` in the shape of ``x``."""
    if dtype in _BITS:
        scale = op.const(float(1 << _BITS[dtype]), DType.FLOAT32)
        steps = op.Div(op.Floor(op.Mul(uniform_like(op, x, DType.FLOAT32), scale)), scale)
        spread = op.Add(op.Mul(steps, op.const(high - low, DType.FLOAT32)), op.const(low, DType.FLOAT32))
        return op.cast(spread, dtype)
    kind = dtype if dtype in _GENERATED else DType.FLOAT32
    if x.shape is not None and all(isinstance(size, int) for size in x.shape):
        drawn = op.RandomUniform(shape=x.shape, dtype=kind, low=low, high=high)
    else:
        drawn = op.RandomUniformLike(x, dtype=kind, low=low, high=high)
    return op.cast(drawn, dtype)


def normal_like(op: Op, x: Value, dtype: DType, mean: float = 0.0, scale: float = 1.0) -> Value:
    """Normally distributed numbers in the shape of ``x``."""
    kind = dtype if dtype in _GENERATED else DType.FLOAT32
    if x.shape is not None and all(isinstance(size, int) for size in x.shape):
        drawn = op.RandomNormal(shape=x.shape, dtype=kind, mean=mean, scale=scale)
    else:
        drawn = op.RandomNormalLike(x, dtype=kind, mean=mean, scale=scale)
    return op.cast(drawn, dtype)


def integers_like(op: Op, x: Value, low: Int, high: Int, dtype: DType) -> Value:
    """Whole numbers from ``low`` to ``high`` - 1 in the shape of ``x``."""
    first, last = op.scalar(low, DType.FLOAT64), op.scalar(high, DType.FLOAT64)
    drawn = op.Mul(uniform_like(op, x, DType.FLOAT64), op.Sub(last, first))
    # A product that is rounded up to the range's length would lie outside of it.
    whole = op.Min(op.Add(op.Floor(drawn), first), op.Sub(last, op.const(1.0, DType.FLOAT64)))
    return op.cast(whole, dtype)


def _shape_of(op: Op, size: Sequence[Int]) -> Value:
    """A tensor of the given sizes, whatever is in it."""
    return full(op, size, 0, DType.FLOAT32)


@aten("rand")
def rand(op: Op, size: Sequence[Int], dtype: DType | None) -> Value:
    """rand(SymInt[] size, *, ScalarType? dtype=None) -> Tensor"""
    return uniform_like(op, _shape_of(op, size), chosen_dtype(op, dtype))


@aten("rand_like")
def rand_like(op: Op, self: Value, dtype: DType | None) -> Value:
    """rand_like(Tensor self, *, ScalarType? dtype=None) -> Tensor"""
    return uniform_like(op, self, chosen_dtype(op, dtype or op.dtype(self)))


@aten("randn")
def randn(op: Op, size: Sequence[Int], dtype: DType | None) -> Value:
    """randn(SymInt[] size, *, ScalarType? dtype=None) -> Tensor"""
    return normal_like(op, _shape_of(op, size), chosen_dtype(op, dtype))


@aten("randn_like")
def randn_like(op: Op, self: Value, dtype: DType | None) -> Value:
    """randn_like(Tensor self, *, ScalarType? dtype=None) -> Tensor"""
    return normal_like(op, self, chosen_dtype(op, dtype or op.dtype(self)))


@aten("randint")
def randint(op: Op, high: Int, size: Sequence[Int], dtype: DType | None, low: Int = 0) -> Value:
    """randint.low(SymInt low, SymInt high, SymInt[] size, *, ScalarType? dtype=4) -> Tensor; randint"""
    return integers_like(op, _shape_of(op, size), low, high, dtype or DType.INT64)


@aten("randint_like")
def randint_like(op: Op, self: Value, high: Int, dtype: DType | None, low: Int = 0) -> Value:
    """randint_like.low_dtype(Tensor self, SymInt low, SymInt high, *, ScalarType? dtype=None) -> Tensor; ..."""
    return integers_like(op, self, low, high, dtype or op.dtype(self))


@aten("normal.Tensor_float", "normal.float_Tensor", "normal.Tensor_Tensor")
def normal(op: Op, mean: float | Value, std: float | Value) -> Value:
    """normal.Tensor_float(Tensor mean, float std=1.) -> Tensor; normal.float_Tensor; normal.Tensor_Tensor"""
    tensors = [item for item in (mean, std) if isinstance(item, Value)]
    dtype = op.dtype(tensors[0])
    shape = tensors[0] if len(tensors) == 1 else op.Add(*tensors)
    return op.Add(op.Mul(normal_like(op, shape, dtype), op.scalar(std, dtype)), op.scalar(mean, dtype))


@aten("normal.float_float")
def normal_of_size(op: Op, mean: float, std: float, size: Sequence[Int], dtype: DType | None) -> Value:
    """normal.float_float(float mean, float std, SymInt[] size, *, ScalarType? dtype=None) -> Tensor"""
    return normal_like(op, _shape_of(op, size), chosen_dtype(op, dtype), mean, std)


@aten("normal", "normal_functional")
def normal_as(op: Op, self: Value, mean: float, std: float) -> Value:
    """normal_functional(Tensor self, float mean=0., float std=1.) -> Tensor"""
    return normal_like(op, self, op.dtype(self), mean, std)


@aten("uniform")
def uniform(op: Op, self: Value, from_: float, to: float) -> Value:
    """uniform(Tensor self, float from=0., float to=1.) -> Tensor"""
    return uniform_like(op, self, op.dtype(self), from_, to)


@aten("bernoulli")
def bernoulli(op: Op, self: Value, p: float | Value | None = None) -> Value:
    """bernoulli(Tensor self) -> Tensor; bernoulli.p(Tensor self, float p); bernoulli.Tensor(Tensor self, Tensor p)"""
    chance = self if p is None else p
    kind = op.dtype(chance) if isinstance(chance, Value) and op.dtype(chance) in _GENERATED else DType.FLOAT32
    hit = op.Less(uniform_like(op, self, kind), op.scalar(chance, kind))
    return op.cast(hit, op.dtype(self))


@aten("exponential")
def exponential(op: Op, self: Value, lambd: float) -> Value:
    """exponential(Tensor self, float lambd=1.) -> Tensor"""
    dtype = op.dtype(self)
    return op.Div(_exponential_like(op, self, dtype), op.const(lambd, dtype))


def _exponential_like(op: Op, x: Value, dtype: DType) -> Value:
    # 1 - u lies in (0, 1], so that the logarithm is finite.
    return op.Neg(op.Log(op.Sub(op.const(1, dtype), uniform_like(op, x, dtype))))


@aten("geometric")
def geometric(op: Op, self: Value, p: float) -> Value:
    """geometric(Tensor self, float p) -> Tensor"""
    drawn = op.Div(_exponential_like(op, self, DType.FLOAT64), op.const(-math.log1p(-p), DType.FLOAT64))
    # The first trial is number 1, also where the exponential is exactly 0.
    return op.cast(op.Max(op.Ceil(drawn), op.const(1.0, DType.FLOAT64)), op.dtype(self))


@aten("log_normal")
def log_normal(op: Op, self: Value, mean: float, std: float) -> Value:
    """log_normal(Tensor self, float mean=1, float std=2) -> Tensor"""
    return op.Exp(normal_like(op, self, op.dtype(self), mean, std))


@aten("cauchy")
def cauchy(op: Op, self: Value, median: float, sigma: float) -> Value:
    """cauchy(Tensor self, float median=0, float sigma=1) -> Tensor"""
    dtype = op.dtype(self)
    angle = op.Mul(op.Sub(uniform_like(op, self, dtype), op.const(0.5, dtype)), op.const(3.141592653589793, dtype))
    return op.Add(op.Mul(op.Tan(angle), op.const(sigma, dtype)), op.const(median, dtype))


@aten("multinomial")
def multinomial(op: Op, self: Value, num_samples: Int, replacement: bool) -> Value:
    """multinomial(Tensor self, SymInt num_samples, bool replacement=False) -> Tensor"""
    if op.rank(self) == 1:
        return op.Squeeze(multinomial(op, unsqueeze(op, self, [0]), num_samples, replacement), [0])
    if replacement:
        if not isinstance(num_samples, int):
            raise op.refuse("multinomial with a number of samples that depends on the input")
        logits = op.Log(op.cast(self, DType.FLOAT32))
        return op.Multinomial(logits, sample_size=num_samples, dtype=DType.INT64)
    # The first of exponential clocks with these rates to ring is each category with its probability; and so on.
    weights = op.cast(self, DType.FLOAT32)
    clocks = op.Max(_exponential_like(op, weights, DType.FLOAT32), op.const(1e-30, DType.FLOAT32))
    return sorted_(op, op.Div(weights, clocks), 1, num_samples, True)[1]


@aten("randperm")
def randperm(op: Op, n: Int, dtype: DType | None) -> Value:
    """randperm(SymInt n, *, ScalarType? dtype=4) -> Tensor"""
    order = sorted_(op, uniform_like(op, _shape_of(op, [n]), DType.FLOAT64), 0, n, True)[1]
    return op.cast(order, dtype or DType.INT64)
