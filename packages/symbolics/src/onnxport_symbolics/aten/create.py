"""Tensors from sizes and numbers: zeros, full, arange, linspace, eye, tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnxport_ir import DType, TensorLiteral, Value

from onnxport_symbolics import integers
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.promote import TensorOrNumber, default_dtype, expected_dtype
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import expand_to, full, reshape

#: Constants of more elements than this are computed when the model runs.
_MAX_STORED = 4096


def chosen_dtype(op: Op, dtype: DType | None, default: DType = DType.FLOAT32) -> DType:
    """The element type asked for, else the one that the capture saw (torch's default type is a setting)."""
    found = dtype or expected_dtype(op) or default
    if found.is_complex:
        raise op.refuse("a complex tensor")
    return found


def filled(op: Op, sizes: Sequence[Int], number: TensorOrNumber, dtype: DType) -> Value:
    """A tensor of ``sizes`` whose elements are a number, known or not."""
    if not isinstance(number, Value):
        return full(op, sizes, number, dtype)
    if number.const is not None and not number.is_weight:
        return full(op, sizes, number.array().item(), dtype)
    scalar = op.cast(number, dtype)
    return expand_to(op, reshape(op, scalar, []) if scalar.rank else scalar, sizes)


def filled_as(op: Op, like: Value, number: TensorOrNumber, dtype: DType) -> Value:
    """A tensor of the shape of ``like`` whose elements are a number, known or not."""
    if all(isinstance(size, int) for size in op.sizes(like)):
        return filled(op, op.dims(like), number, dtype)
    scalar = op.cast(number, dtype) if isinstance(number, Value) else op.const(number, dtype)
    return op.Expand(reshape(op, scalar, []) if scalar.rank else scalar, op.Shape(like))


@aten("zeros", "empty", "empty_strided", "empty_permuted")
def zeros(
    op: Op,
    size: Sequence[Int],
    dtype: DType | None,
    stride: Sequence[Int] | None = None,
    physical_layout: Sequence[int] | None = None,
) -> Value:
    """zeros(SymInt[] size, *, ScalarType? dtype=None) -> Tensor; empty.memory_format(SymInt[] size, ...) -> Tensor

    What an empty tensor holds is left open by torch; here it is zeros.
    """
    return full(op, size, 0, chosen_dtype(op, dtype))


@aten("ones")
def ones(op: Op, size: Sequence[Int], dtype: DType | None) -> Value:
    """ones(SymInt[] size, *, ScalarType? dtype=None) -> Tensor"""
    return full(op, size, 1, chosen_dtype(op, dtype))


@aten("full")
def full_(op: Op, size: Sequence[Int], fill_value: TensorOrNumber, dtype: DType | None) -> Value:
    """full(SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None) -> Tensor"""
    default = default_dtype(op, fill_value)
    return filled(op, size, fill_value, chosen_dtype(op, dtype, default))


@aten("new_zeros", "new_empty", "new_empty_strided")
def new_zeros(
    op: Op, self: Value, size: Sequence[Int], dtype: DType | None, stride: Sequence[Int] | None = None
) -> Value:
    """new_zeros(Tensor self, SymInt[] size, *, ScalarType? dtype=None) -> Tensor"""
    return full(op, size, 0, chosen_dtype(op, dtype or op.dtype(self)))


@aten("new_ones")
def new_ones(op: Op, self: Value, size: Sequence[Int], dtype: DType | None) -> Value:
    """new_ones(Tensor self, SymInt[] size, *, ScalarType? dtype=None) -> Tensor"""
    return full(op, size, 1, chosen_dtype(op, dtype or op.dtype(self)))


@aten("new_full")
def new_full(op: Op, self: Value, size: Sequence[Int], fill_value: TensorOrNumber, dtype: DType | None) -> Value:
    """new_full(Tensor self, SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None) -> Tensor"""
    return filled(op, size, fill_value, chosen_dtype(op, dtype or op.dtype(self)))


@aten("zeros_like", "empty_like")
def zeros_like(op: Op, self: Value, dtype: DType | None) -> Value:
    """zeros_like(Tensor self, *, ScalarType? dtype=None) -> Tensor"""
    return filled_as(op, self, 0, chosen_dtype(op, dtype or op.dtype(self)))


@aten("zero")
def zero(op: Op, self: Value) -> Value:
    """zero(Tensor self) -> Tensor"""
    return filled_as(op, self, 0, op.dtype(self))


@aten("ones_like")
def ones_like(op: Op, self: Value, dtype: DType | None) -> Value:
    """ones_like(Tensor self, *, ScalarType? dtype=None) -> Tensor"""
    return filled_as(op, self, 1, chosen_dtype(op, dtype or op.dtype(self)))


@aten("full_like")
def full_like(op: Op, self: Value, fill_value: TensorOrNumber, dtype: DType | None) -> Value:
    """full_like(Tensor self, Scalar fill_value, *, ScalarType? dtype=None) -> Tensor"""
    return filled_as(op, self, fill_value, chosen_dtype(op, dtype or op.dtype(self)))


@aten("fill")
def fill(op: Op, self: Value, value: TensorOrNumber) -> Value:
    """fill.Scalar(Tensor self, Scalar value) -> Tensor; fill.Tensor(Tensor self, Tensor value) -> Tensor"""
    return filled_as(op, self, value, op.dtype(self))


@aten("scalar_tensor")
def scalar_tensor(op: Op, s: TensorOrNumber, dtype: DType | None) -> Value:
    """scalar_tensor(Scalar s, *, ScalarType? dtype=None) -> Tensor"""
    return filled(op, [], s, chosen_dtype(op, dtype))


@aten("tensor", "as_tensor.float", "as_tensor.int", "as_tensor.bool", "as_tensor.list")
def tensor(op: Op, dtype: DType | None, t: object = None, data: object = None) -> Value:
    """tensor.float(float t, *, ScalarType? dtype=None) -> Tensor; tensor(t[] data, ...) -> Tensor"""
    given = data if t is None else t
    found = _from_data(op, given)
    is_number = not isinstance(given, Value | TensorLiteral) or given in op.numbers
    # Numbers are float64 until they are a tensor.
    default = DType.FLOAT32 if is_number and op.dtype(found) is DType.FLOAT64 else op.dtype(found)
    return op.cast(found, chosen_dtype(op, dtype, default))


@aten("as_tensor")
def as_tensor(op: Op, data: Value, dtype: DType | None) -> Value:
    """as_tensor(Tensor(a) data, *, ScalarType? dtype=None) -> Tensor(b|a)"""
    return data if dtype is None else op.cast(data, dtype)


def _from_data(op: Op, data: object) -> Value:
    """A tensor from a number or nested lists of numbers, known or not."""
    if isinstance(data, Value):
        return data
    if isinstance(data, TensorLiteral):
        return op.const(data.tensor.numpy(), data.tensor.dtype)
    if isinstance(data, bool | int | float):
        return op.const(data, DType.FLOAT64 if isinstance(data, float) else None)
    if not isinstance(data, tuple | list):
        raise op.refuse(f"a tensor made of {data!r}")
    items = [_from_data(op, item) for item in data]
    if not items:
        return op.const(np.zeros(0, np.float32))
    order = [DType.BOOL, DType.INT64, DType.FLOAT32, DType.FLOAT64]
    dtype = max((op.dtype(item) for item in items), key=lambda d: order.index(d) if d in order else -1)
    return op.Concat(*(op.Unsqueeze(op.cast(item, dtype), [0]) for item in items), axis=0)


@aten("arange")
def arange(
    op: Op,
    end: TensorOrNumber,
    dtype: DType | None,
    start: TensorOrNumber = 0,
    step: TensorOrNumber = 1,
) -> Value:
    """arange.start_step(Scalar start, Scalar end, Scalar step=1, *, ScalarType? dtype=None) -> Tensor; .start; ..."""
    given: tuple[TensorOrNumber, ...] = (start, end, step)
    default = DType.INT64 if all(map(_is_integer, given)) else DType.FLOAT32
    kind = chosen_dtype(op, dtype, default)
    known = [_number(item) for item in given]
    first, last, apart = known
    if first is not None and last is not None and apart is not None:
        count = _arange_count(first, last, apart, kind)
        return _progression(op, first, apart, count, kind)
    if not kind.is_float:
        # A step of -1.0 between integers is as good as -1.
        given = tuple(
            int(number) if isinstance(number, float) and number.is_integer() else item
            for item, number in zip(given, known, strict=True)
        )
    if all(map(_is_integer, given)):
        return op.cast(op.Range(*(op.scalar(item, DType.INT64) for item in given)), kind)
    if not kind.is_float:
        raise op.refuse("arange of integers between floats that depend on the input")
    lower, upper, width = (op.scalar(item, DType.FLOAT64) for item in given)
    count_value = op.cast(op.Ceil(op.Div(op.Sub(upper, lower), width)), DType.INT64)
    numbers = op.cast(op.Range(op.const(0), count_value, op.const(1)), DType.FLOAT64)
    return op.cast(op.Add(op.Mul(numbers, width), lower), kind)


def _is_integer(number: TensorOrNumber) -> bool:
    if isinstance(number, Value):
        return number.dtype is not None and not number.dtype.is_float
    return isinstance(number, int)


def _number(given: TensorOrNumber) -> float | int | None:
    """The number itself, if it is known."""
    if not isinstance(given, Value):
        return given
    if given.const is None or given.is_weight:
        return None
    found = given.array().reshape(-1)[0].item()
    return found if isinstance(found, bool | int | float) else None


def _arange_count(start: float, end: float, step: float, dtype: DType) -> int:
    """How many numbers there are, as torch counts: int64 in integers, other types in float64."""
    if dtype is DType.INT64:
        return max(-(-(int(end) - int(start)) // int(step)), 0)
    return max(math.ceil((end - start) / step), 0)


def _progression(op: Op, start: float, step: float, count: int, dtype: DType) -> Value:
    """``start + step * i`` for ``count`` numbers, rounded once."""
    if dtype.is_float:
        if count > _MAX_STORED:
            steps = op.cast(op.Range(op.const(0), op.const(count), op.const(1)), DType.FLOAT64)
            scaled = op.Mul(steps, op.const(float(step), DType.FLOAT64))
            return op.cast(op.Add(scaled, op.const(float(start), DType.FLOAT64)), dtype)
        return op.const((start + step * np.arange(count, dtype=np.float64)).astype(dtype.numpy), dtype)
    first, apart = int(start), int(step)
    if count > _MAX_STORED:
        return op.cast(op.Range(op.const(first), op.const(first + apart * count), op.const(apart)), dtype)
    return op.const((first + apart * np.arange(count, dtype=np.int64)).astype(dtype.numpy), dtype)


@aten("range")
def range_(op: Op, start: float, end: float, dtype: DType | None, step: float = 1.0) -> Value:
    """range.step(Scalar start, Scalar end, Scalar step=1, *, ScalarType? dtype=None) -> Tensor; range; with the end"""
    kind = chosen_dtype(op, dtype)
    return _progression(op, start, step, max(math.floor((end - start) / step) + 1, 0), kind)


@aten("linspace")
def linspace(op: Op, start: TensorOrNumber, end: TensorOrNumber, steps: Int, dtype: DType | None) -> Value:
    """linspace(Scalar start, Scalar end, int steps, *, ScalarType? dtype=None); .Tensor_Tensor; .Tensor_Scalar; ..."""
    kind = chosen_dtype(op, dtype)
    first, last = _number(start), _number(end)
    if first is not None and last is not None and isinstance(steps, int):
        return op.const(_spaced(first, last, steps, kind).astype(kind.numpy), kind)
    work = kind if kind.is_float else DType.FLOAT64
    return op.cast(_spaced_values(op, op.scalar(start, work), op.scalar(end, work), steps), kind)


def _spaced(start: float, end: float, steps: int, dtype: DType) -> npt.NDArray[Any]:
    """Evenly spaced numbers, counted from the nearer end as torch does."""
    if not dtype.is_float:
        start, end = int(start), int(end)
    work: npt.DTypeLike = np.float32 if dtype is DType.FLOAT32 else np.float64
    if steps <= 1:
        return np.full(steps, start, work)
    apart = np.asarray(end - start, work) / np.asarray(steps - 1, work)
    index = np.arange(steps).astype(work)
    front = np.asarray(start, work) + apart * index
    back = np.asarray(end, work) - apart * index[::-1]
    result: npt.NDArray[Any] = np.where(np.arange(steps) < steps // 2, front, back)
    return result


def _spaced_values(op: Op, start: Value, end: Value, steps: Int) -> Value:
    dtype = op.dtype(start)
    if not isinstance(steps, int):
        return _spaced_dynamically(op, start, end, steps)
    if steps <= 1:
        return op.Expand(start, [steps])
    apart = op.Div(op.Sub(end, start), op.const(steps - 1, dtype))
    index = np.arange(steps)
    half = steps // 2
    front = op.Add(start, op.Mul(apart, op.const(index[:half], dtype)))
    back = op.Sub(end, op.Mul(apart, op.const(index[::-1][half:], dtype)))
    return op.Concat(front, back, axis=0)


def _spaced_dynamically(op: Op, start: Value, end: Value, steps: Value) -> Value:
    """As above; a single number is the start, which the distance from the other end does not tell."""
    dtype = op.dtype(start)
    last = integers.sub(op, steps, 1)
    apart = op.Div(op.Sub(end, start), op.cast(op.scalar(integers.maximum(op, last, 1), DType.INT64), dtype))
    index = integers.arange(op, steps)
    front = op.Add(start, op.Mul(apart, op.cast(index, dtype)))
    back = op.Sub(end, op.Mul(apart, op.cast(op.Sub(op.scalar(last, DType.INT64), index), dtype)))
    half = op.Max(op.Div(steps, op.const(2)), op.const(1))
    return op.Where(op.Less(index, half), front, back)


@aten("logspace")
def logspace(op: Op, start: TensorOrNumber, end: TensorOrNumber, steps: Int, base: float, dtype: DType | None) -> Value:
    """logspace(Scalar start, Scalar end, int steps, float base=10., *, ScalarType? dtype=None); .Tensor_Tensor; ..."""
    kind = chosen_dtype(op, dtype)
    first, last = _number(start), _number(end)
    if first is not None and last is not None and isinstance(steps, int):
        exponents = _spaced(first, last, steps, kind)
        with np.errstate(all="ignore"):
            return op.const(np.power(np.asarray(base, exponents.dtype), exponents).astype(kind.numpy), kind)
    work = kind if kind.is_float else DType.FLOAT64
    exponent = _spaced_values(op, op.scalar(start, work), op.scalar(end, work), steps)
    return op.cast(op.Pow(op.const(base, work), exponent), kind)


@aten("eye")
def eye(op: Op, n: Int, dtype: DType | None, m: Int | None = None) -> Value:
    """eye(SymInt n, *, ScalarType? dtype=None) -> Tensor; eye.m(SymInt n, SymInt m, *, ScalarType? dtype=None)"""
    kind = chosen_dtype(op, dtype)
    columns = n if m is None else m
    if isinstance(n, int) and isinstance(columns, int):
        if n * columns > _MAX_STORED:
            return op.EyeLike(full(op, [n, columns], 0, DType.FLOAT32), dtype=kind)
        return op.const(np.eye(n, columns, dtype=np.float32).astype(kind.numpy), kind)
    rows = op.Unsqueeze(op.Range(op.const(0), op.scalar(n, DType.INT64), op.const(1)), [1])
    return op.cast(op.Equal(rows, op.Range(op.const(0), op.scalar(columns, DType.INT64), op.const(1))), kind)


@aten("_dim_arange")
def dim_arange(op: Op, like: Value, dim: int) -> Value:
    """_dim_arange(Tensor like, int dim) -> Tensor"""
    return integers.arange(op, op.dim(like, op.axis(like, dim)))
