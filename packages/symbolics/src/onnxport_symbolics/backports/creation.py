"""Tensors made of sizes: Expand, ConstantOfShape, Range, EyeLike, windows, random choices; and CastLike."""

from __future__ import annotations

import numpy as np
from onnxport_ir import DType, TensorRef, TensorType, Value
from onnxport_ir.rules.sizes import is_nonnegative

from onnxport_symbolics import integers
from onnxport_symbolics.calls import backport
from onnxport_symbolics.integers import known_ints
from onnxport_symbolics.op import Op

_BY_NUMBER = {dtype.onnx: dtype for dtype in DType}


@backport("Expand")
def expand(op: Op, x: Value, shape: Value) -> Value:
    """Broadcasting does it: times ones of that shape, or And with truths."""
    dtype = op.dtype(x)
    one = op.const(1, DType.BOOL) if dtype is DType.BOOL else op.const(1, dtype)
    count = integers.length(shape)
    if count == 0:
        return x
    if count is None:
        # As many ones as there are sizes.
        sizes = op.Add(op.Mul(shape, op.const(0, DType.INT64)), op.const(1, DType.INT64))
        column = op.Reshape(one, sizes)
    else:
        column = op.const(np.ones([1] * count), dtype)
    if x.const is not None and not x.is_weight and x.rank == 0:
        number = op.const(x.array().reshape([1] * count), dtype) if count is not None else op.Reshape(x, sizes)
        return op.Tile(number, shape)
    ones = op.Tile(column, shape)
    return op.And(x, ones) if dtype is DType.BOOL else op.Mul(x, ones)


@backport("ConstantOfShape")
def constant_of_shape(op: Op, shape: Value, value: TensorRef | None = None) -> Value:
    """A number, expanded."""
    number = op.const(np.zeros((), np.float32)) if value is None else op.const(value.numpy().reshape(()), value.dtype)
    return op.Expand(number, shape)


@backport("Range")
def arange(op: Op, start: Value, limit: Value, delta: Value, stash_type: int = 1) -> Value:
    """``start + delta * (0, 1, ...)``."""
    dtype = op.dtype(start)
    size = op.known_dims(limit) if known_ints(start) == (0,) and known_ints(delta) == (1,) else None
    if dtype is DType.INT64 and size is not None and is_nonnegative(size[0]):
        return _counted(op, limit)
    if dtype in (DType.FLOAT16, DType.BFLOAT16):
        return op.cast(op.Range(*(op.cast(value, DType.FLOAT32) for value in (start, limit, delta))), dtype)
    if dtype.is_float:
        span, step = (op.cast(value, DType.FLOAT64) for value in (op.Sub(limit, start), delta))
        count = op.cast(op.Ceil(op.Div(span, step)), DType.INT64)
    else:
        span, step = op.cast(op.Sub(limit, start), DType.INT64), op.cast(delta, DType.INT64)
        # Truncated division rounds a positive quotient up if all but one of the divisor is added before.
        count = op.Div(op.Sub(op.Add(span, step), op.Sign(step)), step)
    count = op.Mul(count, op.cast(op.Greater(count, op.const(0, DType.INT64)), DType.INT64))
    positions = op.cast(_counted(op, op.Reshape(count, op.const([], DType.INT64))), dtype)
    return op.Add(start, op.Mul(positions, delta))


def _counted(op: Op, count: Value) -> Value:
    """0, 1, ... as int64."""
    if op.has("NonZero"):
        one = Value.of(np.ones(1, np.int64)).const
        ones = op.ConstantOfShape(op.ints([count]), value=one)
        positions = op.Squeeze(op.NonZero(ones), [0])
    else:
        counter, flag = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ()))
        with op.body([counter, flag], name="count") as body:
            body.outputs = [op.own(flag), op.own(counter)]
        positions = op.Reshape(op.Loop(count, op.const(True, DType.BOOL), body=body), [-1])
    known = op.known_dims(count)
    if known is not None and positions.shape is not None:
        op.retype(positions, TensorType(DType.INT64, known))
    return positions


@backport("EyeLike")
def eye_like(op: Op, like: Value, dtype: int | None = None, k: int = 0) -> Value:
    """Ones on a diagonal."""
    rows = integers.along(op, integers.arange(op, op.dim(like, 0)), 0, 2)
    columns = integers.along(op, integers.arange(op, op.dim(like, 1)), 1, 2)
    wanted = op.dtype(like) if dtype is None else _BY_NUMBER[dtype]
    return op.cast(op.Equal(op.Sub(columns, rows), op.const(k, DType.INT64)), wanted)


@backport("CastLike")
def cast_like(op: Op, x: Value, like: Value, saturate: int = 1, round_mode: str = "up") -> Value:
    """Cast to the type of another tensor."""
    return op.Cast(x, to=op.dtype(like), saturate=saturate, round_mode=round_mode)


@backport("Bernoulli")
def bernoulli(op: Op, x: Value, dtype: int | None = None, seed: float | None = None) -> Value:
    """1 where a uniform number is below the probability."""
    wanted = op.dtype(x) if dtype is None else _BY_NUMBER[dtype]
    # Random numbers of double precision are not to be had for a tensor of any type.
    drawn = op.RandomUniformLike(x, dtype=op.dtype(x), seed=seed)
    return op.cast(op.Less(drawn, x), wanted)


def _window(op: Op, size: Value, output_datatype: int, periodic: int, terms: tuple[float, ...]) -> Value:
    """A sum of cosines over ``size`` positions."""
    length = op.Reshape(op.cast(size, DType.FLOAT32), op.const([], DType.INT64))
    span = length if periodic else op.Sub(length, op.const(1.0))
    count = op.Reshape(op.cast(size, DType.INT64), op.const([], DType.INT64))
    index = op.cast(op.Range(op.const(0, DType.INT64), count, op.const(1, DType.INT64)), DType.FLOAT32)
    angle = op.Div(op.Mul(index, op.const(2 * np.pi, DType.FLOAT32)), span)
    result = op.const(terms[0], DType.FLOAT32)
    for factor, term in enumerate(terms[1:], 1):
        harmonic = angle if factor == 1 else op.Mul(angle, op.const(float(factor), DType.FLOAT32))
        result = op.Add(result, op.Mul(op.Cos(harmonic), op.const(term, DType.FLOAT32)))
    return op.cast(result, _BY_NUMBER[output_datatype])


@backport("HannWindow")
def hann_window(op: Op, size: Value, output_datatype: int = 1, periodic: int = 1) -> Value:
    """``0.5 - 0.5 * cos(2 pi n / N)``."""
    return _window(op, size, output_datatype, periodic, (0.5, -0.5))


@backport("HammingWindow")
def hamming_window(op: Op, size: Value, output_datatype: int = 1, periodic: int = 1) -> Value:
    """As the Hann window, with the factors 25/46 and 21/46."""
    return _window(op, size, output_datatype, periodic, (25 / 46, -21 / 46))


@backport("BlackmanWindow")
def blackman_window(op: Op, size: Value, output_datatype: int = 1, periodic: int = 1) -> Value:
    """``0.42 - 0.5 * cos(2 pi n / N) + 0.08 * cos(4 pi n / N)``."""
    return _window(op, size, output_datatype, periodic, (0.42, -0.5, 0.08))
