"""Operators that an attribute tells their result's type, which older opsets may lack."""

from __future__ import annotations

import numpy as np
from onnxport_ir import DType, TensorRef

from onnxport_symbolics.calls import Call, downgrade
from onnxport_symbolics.op import Op

#: The first opset in which Cast gives these types.
_CAST_SINCE = {
    DType.STRING: 9,
    DType.BFLOAT16: 13,
    DType.FLOAT8E4M3FN: 19,
    DType.FLOAT8E4M3FNUZ: 19,
    DType.FLOAT8E5M2: 19,
    DType.FLOAT8E5M2FNUZ: 19,
    DType.INT4: 21,
    DType.UINT4: 21,
}
_BY_NUMBER = {dtype.onnx: dtype for dtype in DType}


def largest_number(dtype: DType) -> float:
    """The largest finite number of a float type."""
    # numpy does not know bfloat16: it has the exponents of float32 and 8 bits.
    return (2 - 2**-7) * 2.0**127 if dtype is DType.BFLOAT16 else float(np.finfo(dtype.numpy).max)


def _refuse_type(op: Op, call: Call, at: int) -> Call:
    dtype = _BY_NUMBER.get(int(call.attributes["to"]))
    since = 23 if dtype is None else _CAST_SINCE.get(dtype, 1)
    if since >= at:
        name = call.attributes["to"] if dtype is None else dtype.short
        raise op.needs_opset(f"Cast to {name}", since)
    return call


@downgrade("Cast", at=24)
def cast_without_round_mode(op: Op, call: Call) -> Call:
    """What round_mode says is said of float8e8m0, which is as young."""
    call.attributes.pop("round_mode", None)
    return call


@downgrade("Cast", at=21)
def cast_to_no_int4(op: Op, call: Call) -> Call:
    """There were no 4-bit integers."""
    return _refuse_type(op, call, 21)


@downgrade("Cast", at=19)
def cast_to_no_float8(op: Op, call: Call) -> Call:
    """There were no 8-bit floats, of which alone saturate says something."""
    call.attributes.pop("saturate", None)
    return _refuse_type(op, call, 19)


@downgrade("Cast", at=13)
def cast_to_no_bfloat16(op: Op, call: Call) -> Call:
    """There was no bfloat16."""
    return _refuse_type(op, call, 13)


@downgrade("Cast", at=9)
def cast_to_no_text(op: Op, call: Call) -> Call:
    """Numbers could not be made texts."""
    return _refuse_type(op, call, 9)


@downgrade("CastLike", at=24)
def cast_like_without_round_mode(op: Op, call: Call) -> Call:
    """What round_mode says is said of float8e8m0, which is as young."""
    call.attributes.pop("round_mode", None)
    return call


@downgrade("CastLike", at=19)
def cast_like_without_saturate(op: Op, call: Call) -> Call:
    """What saturate says is said of 8-bit floats, which are as young."""
    call.attributes.pop("saturate", None)
    return call


@downgrade("ConstantOfShape", at=20)
def constant_of_no_float8(op: Op, call: Call) -> Call:
    """There were no constants of bfloat16 and of the smaller types."""
    value = call.attributes.get("value")
    if isinstance(value, TensorRef) and value.dtype in _CAST_SINCE:
        raise op.needs_opset(f"ConstantOfShape of {value.dtype.short}", max(20, _CAST_SINCE[value.dtype]))
    return call


@downgrade("EyeLike", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", at=22)
def dtype_is_no_bfloat16(op: Op, call: Call) -> Call:
    """The result could not be bfloat16."""
    if call.attributes.get("dtype") == DType.BFLOAT16.onnx:
        raise op.needs_opset(f"{call.op_type} of bf16", 22)
    return call
