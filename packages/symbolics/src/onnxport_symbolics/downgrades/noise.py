"""Random numbers where ONNX Runtime has no kernel for the generators: from opset 22 on it has one for Dropout only.

One Dropout of 32 elements draws a key for the call, anew at each run; the numbers are a hash of their positions and the
key, in integers of 32 bits. Bits of Dropout itself would not do: the runtime seeds each call with the next number,
which leaves the same positions of two calls correlated.
"""

from __future__ import annotations

import math

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.calls import Call, stand_in
from onnxport_symbolics.downgrades.axes import first
from onnxport_symbolics.op import Op

#: Factors and shifts of a bijection of 32-bit integers each of whose output bits depends on all input bits.
_FACTORS = (0x7FEB352D, 0x846CA68B)
_SHIFTS = (16, 15, 16)
_BY_NUMBER = {dtype.onnx: dtype for dtype in (DType.FLOAT16, DType.BFLOAT16, DType.FLOAT32, DType.FLOAT64)}


def _lacks_generators(op: Op) -> bool:
    """Whether the target has the generators and the runtime does not."""
    return op.has("RandomUniformLike") and not op.has_kernel(Call("RandomUniformLike", [op.const(0.0, DType.FLOAT32)]))


@stand_in("RandomUniform", "RandomUniformLike", "RandomNormal", "RandomNormalLike")
def numbers_by_hashing(op: Op, call: Call) -> Call | Value:
    """Uniform numbers of 24 bits, or of 53 for float64; normal ones by Box's and Muller's formula."""
    if not _lacks_generators(op):
        return call
    like = call.operands[0] if call.operands else None
    wanted = call.attributes.get("dtype")
    dtype = _BY_NUMBER[int(wanted)] if wanted else op.dtype(like) if like is not None else DType.FLOAT32
    kind = DType.FLOAT64 if dtype is DType.FLOAT64 else DType.FLOAT32
    shape = op.shape(like) if like is not None else op.const(np.array(call.attributes["shape"], np.int64))
    seed = call.attributes.get("seed")
    if "Uniform" in call.op_type:
        (drawn,) = uniform_numbers(op, shape, kind, 1, seed)
        low, high = (float(call.attributes.get(*pair)) for pair in (("low", 0.0), ("high", 1.0)))
        return op.cast(_scaled(op, drawn, high - low, low), dtype)
    radius, angle = uniform_numbers(op, shape, kind, 2, seed)
    length = op.Sqrt(op.Mul(op.Log(op.Sub(op.const(1.0, kind), radius)), op.const(-2.0, kind)))
    normal = op.Mul(length, op.Cos(op.Mul(angle, op.const(2 * math.pi, kind))))
    mean, scale = (float(call.attributes.get(*pair)) for pair in (("mean", 0.0), ("scale", 1.0)))
    return op.cast(_scaled(op, normal, scale, mean), dtype)


@stand_in("Multinomial")
def categories_by_cumulating(op: Op, call: Call) -> Call | Value:
    """The number of categories whose cumulated probability a uniform number reaches."""
    if not _lacks_generators(op):
        return call
    logits = op.cast(first(call), DType.FLOAT32)
    count, wanted = int(call.attributes.get("sample_size", 1)), int(call.attributes.get("dtype", DType.INT32.onnx))
    chances = op.Exp(op.Sub(logits, op.ReduceMax(logits, [1], keepdims=1)))
    cumulated = op.CumSum(chances, op.const(1))
    total = op.Slice(cumulated, [-1], [np.iinfo(np.int64).max], [1])
    shape = op.Concat(op.Slice(op.shape(logits), [0], [1], [0]), op.const([count]), axis=0)
    (drawn,) = uniform_numbers(op, shape, DType.FLOAT32, 1, call.attributes.get("seed"))
    reached = op.LessOrEqual(op.Unsqueeze(cumulated, [1]), op.Unsqueeze(op.Mul(drawn, total), [2]))
    dtype = DType.INT32 if wanted == DType.INT32.onnx else DType.INT64
    return op.ReduceSum(op.cast(reached, dtype), [2], keepdims=0)


def _scaled(op: Op, x: Value, factor: float, offset: float) -> Value:
    scaled = x if factor == 1.0 else op.Mul(x, op.const_like(factor, x))
    return scaled if offset == 0.0 else op.Add(scaled, op.const_like(offset, x))


def uniform_numbers(op: Op, shape: Value, dtype: DType, count: int, seed: float | None) -> list[Value]:
    """``count`` independent tensors of numbers from [0, 1), of float32 or float64."""
    key = _key(op, seed)
    words = 2 if dtype is DType.FLOAT64 else 1
    size = op.Mul(op.ReduceProd(shape, [0], keepdims=0), op.const(count * words))
    positions = op.Cast(op.Range(op.const(0), size, op.const(1)), to=DType.UINT32)
    hashed = _mixed(op, op.BitwiseXor(_mixed(op, positions), key))
    rows = op.Reshape(hashed, op.Concat(op.const([count * words]), shape, axis=0), allowzero=1)
    parts = [op.Gather(rows, op.const(row), axis=0) for row in range(count * words)]
    if words == 1:
        return [_fraction(op, part, 24, dtype) for part in parts]
    highs, lows = parts[:count], parts[count:]
    return [
        op.Add(_fraction(op, high, 32, dtype), op.Mul(_fraction(op, low, 21, dtype), op.const(2.0**-32, dtype)))
        for high, low in zip(highs, lows, strict=True)
    ]


def _fraction(op: Op, word: Value, bits: int, dtype: DType) -> Value:
    """The upper bits of a word as a fraction."""
    upper = word if bits == 32 else op.BitShift(word, _word(op, 32 - bits), direction="RIGHT")
    return op.Mul(op.Cast(upper, to=dtype), op.const(2.0**-bits, dtype))


def _key(op: Op, seed: float | None) -> Value:
    """A random word, another at each run."""
    ones = op.const(np.ones(32, np.float32))
    mask = op.multi("Dropout", 2, ones, op.const(0.5, DType.FLOAT32), op.const(True), seed=seed and int(seed))[1]
    # The first bits drawn change least from one seed to the next: they weigh least.
    weights = op.const(2 ** np.arange(32, dtype=np.int64))
    return op.Cast(op.ReduceSum(op.Mul(op.Cast(mask, to=DType.INT64), weights), [0], keepdims=0), to=DType.UINT32)


def _mixed(op: Op, word: Value) -> Value:
    """The bijection: shifts and products by turns."""
    for index, shift in enumerate(_SHIFTS):
        word = op.BitwiseXor(word, op.BitShift(word, _word(op, shift), direction="RIGHT"))
        if index < len(_FACTORS):
            word = op.Mul(word, _word(op, _FACTORS[index]))
    return word


def _word(op: Op, number: int) -> Value:
    return op.const(number, DType.UINT32)
