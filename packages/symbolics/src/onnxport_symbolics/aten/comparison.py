"""Comparisons, choices between elements, bounds."""

from __future__ import annotations

import math

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.aten.arithmetic import as_number, known_number, promote_real, with_number
from onnxport_symbolics.aten.casts import as_float, convert, filled_like, real_dtype
from onnxport_symbolics.op import Op
from onnxport_symbolics.promote import TensorOrNumber, as_dtype, promote, result_dtype
from onnxport_symbolics.registry import aten


@aten("eq.Tensor")
def eq(op: Op, self: TensorOrNumber, other: TensorOrNumber) -> Value:
    """eq.Tensor(Tensor self, Tensor other) -> Tensor"""
    return op.Equal(*promote_real(op, self, other))


@aten("ne.Tensor", "not_equal.Tensor")
def ne(op: Op, self: TensorOrNumber, other: TensorOrNumber) -> Value:
    """ne.Tensor(Tensor self, Tensor other) -> Tensor"""
    return op.Not(eq(op, self, other))


@aten("lt.Tensor", "less.Tensor")
def lt(op: Op, self: TensorOrNumber, other: TensorOrNumber) -> Value:
    """lt.Tensor(Tensor self, Tensor other) -> Tensor"""
    return op.Less(*promote_real(op, self, other))


@aten("le.Tensor", "less_equal.Tensor")
def le(op: Op, self: TensorOrNumber, other: TensorOrNumber) -> Value:
    """le.Tensor(Tensor self, Tensor other) -> Tensor"""
    return op.LessOrEqual(*promote_real(op, self, other))


@aten("gt.Tensor", "greater.Tensor")
def gt(op: Op, self: TensorOrNumber, other: TensorOrNumber) -> Value:
    """gt.Tensor(Tensor self, Tensor other) -> Tensor"""
    return op.Greater(*promote_real(op, self, other))


@aten("ge.Tensor", "greater_equal.Tensor")
def ge(op: Op, self: TensorOrNumber, other: TensorOrNumber) -> Value:
    """ge.Tensor(Tensor self, Tensor other) -> Tensor"""
    return op.GreaterOrEqual(*promote_real(op, self, other))


with_number(eq, "eq.Scalar")
with_number(ne, "ne.Scalar", "not_equal.Scalar")
with_number(lt, "lt.Scalar", "less.Scalar")
with_number(le, "le.Scalar", "less_equal.Scalar")
with_number(gt, "gt.Scalar", "greater.Scalar")
with_number(ge, "ge.Scalar", "greater_equal.Scalar")


@aten("maximum", "max.other")
def maximum(op: Op, self: Value, other: Value) -> Value:
    """maximum(Tensor self, Tensor other) -> Tensor; NaN if either is"""
    left, right = promote_real(op, self, other)
    return op.Or(left, right) if left.dtype is DType.BOOL else op.Max(left, right)


@aten("minimum", "min.other")
def minimum(op: Op, self: Value, other: Value) -> Value:
    """minimum(Tensor self, Tensor other) -> Tensor; NaN if either is"""
    left, right = promote_real(op, self, other)
    return op.And(left, right) if left.dtype is DType.BOOL else op.Min(left, right)


@aten("fmax")
def fmax(op: Op, self: Value, other: Value) -> Value:
    """fmax(Tensor self, Tensor other) -> Tensor; NaN only if both are"""
    left, right = promote_real(op, self, other)
    return _unless_nan(op, left, right, maximum(op, left, right))


@aten("fmin")
def fmin(op: Op, self: Value, other: Value) -> Value:
    """fmin(Tensor self, Tensor other) -> Tensor; NaN only if both are"""
    left, right = promote_real(op, self, other)
    return _unless_nan(op, left, right, minimum(op, left, right))


def _unless_nan(op: Op, left: Value, right: Value, chosen: Value) -> Value:
    if not op.dtype(left).is_float:
        return chosen
    return op.Where(op.IsNaN(left), right, op.Where(op.IsNaN(right), left, chosen))


@aten("clamp.Tensor", "clip.Tensor")
def clamp(op: Op, self: Value, min: TensorOrNumber | None = None, max: TensorOrNumber | None = None) -> Value:
    """clamp(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor; clamp.Tensor(Tensor self, Tensor? min, ...)"""
    bounds = [bound for bound in (min, max) if bound is not None]
    if not bounds:
        raise op.refuse("clamp without bounds")
    dtype = result_dtype(op, self, *bounds)
    if dtype.is_complex:
        raise op.refuse(f"clamp of {dtype.short}")
    x = op.cast(self, dtype)
    low, high = (None if bound is None else as_dtype(op, bound, dtype) for bound in (min, max))
    if dtype is not DType.BOOL and _is_clip(low, high):
        return op.Clip(x, low, high)
    x = x if low is None else maximum(op, x, low)
    return x if high is None else minimum(op, x, high)


def _is_clip(low: Value | None, high: Value | None) -> bool:
    """Whether ONNX's Clip has the same results as a maximum and a minimum.

    Its bounds are of rank 0; ONNX Runtime takes the largest number for one that is missing, so that infinity is
    clipped; and before opset 11 it wants them in order.
    """
    if low is None or high is None or low.rank != 0 or high.rank != 0:
        return False
    least, most = known_number(low), known_number(high)
    return least is None or most is None or least <= most


@aten("clamp", "clip")
def clamp_numbers(op: Op, self: Value, min: TensorOrNumber | None = None, max: TensorOrNumber | None = None) -> Value:
    """clamp(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor"""
    low, high = (None if bound is None else as_number(op, bound, self) for bound in (min, max))
    return clamp(op, self, low, high)


@aten("clamp_min.Tensor")
def clamp_min(op: Op, self: Value, min: TensorOrNumber) -> Value:
    """clamp_min.Tensor(Tensor self, Tensor min) -> Tensor"""
    return clamp(op, self, min)


@aten("clamp_min")
def clamp_min_number(op: Op, self: Value, min: TensorOrNumber) -> Value:
    """clamp_min(Tensor self, Scalar min) -> Tensor"""
    return clamp(op, self, as_number(op, min, self))


@aten("clamp_max.Tensor")
def clamp_max(op: Op, self: Value, max: TensorOrNumber) -> Value:
    """clamp_max.Tensor(Tensor self, Tensor max) -> Tensor"""
    return clamp(op, self, None, max)


@aten("clamp_max")
def clamp_max_number(op: Op, self: Value, max: TensorOrNumber) -> Value:
    """clamp_max(Tensor self, Scalar max) -> Tensor"""
    return clamp(op, self, None, as_number(op, max, self))


@aten("where.ScalarOther")
def where_other_number(op: Op, condition: Value, self: Value, other: TensorOrNumber) -> Value:
    """where.ScalarOther(Tensor condition, Tensor self, Scalar other) -> Tensor"""
    return where(op, condition, self, as_number(op, other, self))


@aten("where.ScalarSelf")
def where_self_number(op: Op, condition: Value, self: TensorOrNumber, other: Value) -> Value:
    """where.ScalarSelf(Tensor condition, Scalar self, Tensor other) -> Tensor"""
    return where(op, condition, as_number(op, self, other), other)


@aten("where.self", "where.Scalar")
def where(op: Op, condition: Value, self: TensorOrNumber, other: TensorOrNumber) -> Value:
    """where.self(Tensor condition, Tensor self, Tensor other) -> Tensor"""
    left, right = promote(op, self, other)
    real_dtype(op, left)
    return op.Where(op.cast(condition, DType.BOOL), left, right)


@aten("masked_fill")
def masked_fill(op: Op, self: Value, mask: Value, value: TensorOrNumber) -> Value:
    """masked_fill.Scalar(Tensor self, Tensor mask, Scalar value) -> Tensor"""
    real_dtype(op, self)
    return op.Where(op.cast(mask, DType.BOOL), as_dtype(op, value, op.dtype(self)), self)


@aten("threshold")
def threshold(op: Op, self: Value, threshold: float, value: float) -> Value:
    """threshold(Tensor self, Scalar threshold, Scalar value) -> Tensor; NaN stays"""
    limit, replacement = (op.const_like(_whole(number, self), self) for number in (threshold, value))
    return op.Where(op.LessOrEqual(self, limit), replacement, self)


def _whole(number: float, like: Value) -> float:
    """A number as torch converts it to the element type of a tensor."""
    return number if like.dtype is None or like.dtype.is_float else int(number)


@aten("isnan")
def isnan(op: Op, self: Value) -> Value:
    """isnan(Tensor self) -> Tensor"""
    return op.IsNaN(self) if real_dtype(op, self).is_float else filled_like(op, self, False, DType.BOOL)


@aten("isinf")
def isinf(op: Op, self: Value) -> Value:
    """isinf(Tensor self) -> Tensor"""
    if not real_dtype(op, self).is_float:
        return filled_like(op, self, False, DType.BOOL)
    return op.Equal(op.Abs(self), op.const_like(math.inf, self))


@aten("isfinite")
def isfinite(op: Op, self: Value) -> Value:
    """isfinite(Tensor self) -> Tensor"""
    if not real_dtype(op, self).is_float:
        return filled_like(op, self, True, DType.BOOL)
    return op.Less(op.Abs(self), op.const_like(math.inf, self))


@aten("isposinf")
def isposinf(op: Op, self: Value) -> Value:
    """isposinf(Tensor self) -> Tensor"""
    if not real_dtype(op, self).is_float:
        return filled_like(op, self, False, DType.BOOL)
    return op.Equal(self, op.const_like(math.inf, self))


@aten("isneginf")
def isneginf(op: Op, self: Value) -> Value:
    """isneginf(Tensor self) -> Tensor"""
    if not real_dtype(op, self).is_float:
        return filled_like(op, self, False, DType.BOOL)
    return op.Equal(self, op.const_like(-math.inf, self))


@aten("isreal")
def isreal(op: Op, self: Value) -> Value:
    """isreal(Tensor self) -> Tensor; of real numbers"""
    real_dtype(op, self)
    return filled_like(op, self, True, DType.BOOL)


@aten("nan_to_num")
def nan_to_num(
    op: Op, self: Value, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Value:
    """nan_to_num(Tensor self, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor"""
    dtype = real_dtype(op, self)
    if not dtype.is_float:
        return self
    x = op.Where(op.IsNaN(self), op.const_like(nan or 0.0, self), self)
    # A missing replacement is the largest number of the type, which is what clipping makes of infinity.
    largest = _LARGEST.get(dtype)
    if largest is None:
        raise op.refuse(f"nan_to_num of {dtype.short}")
    if posinf is not None:
        x = op.Where(op.Equal(x, op.const_like(math.inf, x)), op.const_like(posinf, x), x)
    if neginf is not None:
        x = op.Where(op.Equal(x, op.const_like(-math.inf, x)), op.const_like(neginf, x), x)
    if posinf is not None and neginf is not None:
        return x
    return clamp(op, x, None if neginf is not None else -largest, None if posinf is not None else largest)


_LARGEST = {
    DType.FLOAT16: 65504.0,
    DType.BFLOAT16: 3.3895313892515355e38,
    DType.FLOAT32: float(np.finfo(np.float32).max),
    DType.FLOAT64: float(np.finfo(np.float64).max),
}


@aten("isclose")
def isclose(
    op: Op, self: Value, other: Value, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Value:
    """isclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> Tensor"""
    left, right = promote_real(op, self, other)
    close = op.Equal(left, right)
    if equal_nan and op.dtype(left).is_float:
        close = op.Or(close, op.And(op.IsNaN(left), op.IsNaN(right)))
    if rtol == 0 and atol == 0:
        return close
    left, right = as_float(op, left), as_float(op, right)
    difference = op.Abs(op.Sub(left, right))
    allowed = op.Add(op.const_like(atol, right), op.Abs(op.Mul(op.const_like(rtol, right), right)))
    # Infinite numbers are close to equal ones only.
    near = op.And(isfinite(op, difference), op.LessOrEqual(difference, allowed))
    return op.Or(close, near)


@aten("allclose")
def allclose(
    op: Op, self: Value, other: Value, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Value:
    """allclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> bool"""
    return every(op, isclose(op, self, other, rtol, atol, equal_nan))


@aten("equal")
def equal(op: Op, self: Value, other: Value) -> Value | bool:
    """equal(Tensor self, Tensor other) -> bool; whether shapes and elements are equal"""
    sizes, others = op.sizes(self), op.sizes(other)
    pairs = list(zip(sizes, others, strict=False))
    if len(sizes) != len(others) or any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in pairs):
        return False
    if any(a != b for a, b in pairs):
        raise op.refuse("torch.equal of tensors whose shapes may differ")
    return every(op, op.Equal(*promote_real(op, self, other)))


def every(op: Op, x: Value) -> Value:
    """Whether all elements of a bool tensor are true, which holds if there are none."""
    if op.rank(x) == 0:
        return x
    return op.cast(op.ReduceProd(op.cast(x, DType.INT32), keepdims=0), DType.BOOL)


@aten("is_nonzero")
def is_nonzero(op: Op, self: Value) -> Value:
    """is_nonzero(Tensor self) -> bool; of one element"""
    x = op.cast(self, DType.BOOL)
    return x if op.rank(x) == 0 else op.Reshape(x, op.const(np.zeros(0, np.int64)))


@aten("logical_and")
def logical_and(op: Op, self: Value, other: Value) -> Value:
    """logical_and(Tensor self, Tensor other) -> Tensor"""
    return op.And(convert(op, self, DType.BOOL), convert(op, other, DType.BOOL))


@aten("logical_or")
def logical_or(op: Op, self: Value, other: Value) -> Value:
    """logical_or(Tensor self, Tensor other) -> Tensor"""
    return op.Or(convert(op, self, DType.BOOL), convert(op, other, DType.BOOL))


@aten("logical_xor")
def logical_xor(op: Op, self: Value, other: Value) -> Value:
    """logical_xor(Tensor self, Tensor other) -> Tensor"""
    return op.Xor(convert(op, self, DType.BOOL), convert(op, other, DType.BOOL))


@aten("logical_not")
def logical_not(op: Op, self: Value) -> Value:
    """logical_not(Tensor self) -> Tensor"""
    return op.Not(convert(op, self, DType.BOOL))
