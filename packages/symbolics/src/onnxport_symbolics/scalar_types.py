"""Element types as the numbers that TorchScript has for them: it compares them, and keeps them in lists."""

from __future__ import annotations

from onnxport_ir import DType

#: ``c10::ScalarType``; the numbers stand in every saved model, so they are fixed.
_NUMBERS: dict[DType, int] = {
    DType.UINT8: 0,
    DType.INT8: 1,
    DType.INT16: 2,
    DType.INT32: 3,
    DType.INT64: 4,
    DType.FLOAT16: 5,
    DType.FLOAT32: 6,
    DType.FLOAT64: 7,
    DType.COMPLEX64: 9,
    DType.COMPLEX128: 10,
    DType.BOOL: 11,
    DType.BFLOAT16: 15,
    DType.FLOAT8E5M2: 23,
    DType.FLOAT8E4M3FN: 24,
    DType.FLOAT8E5M2FNUZ: 25,
    DType.FLOAT8E4M3FNUZ: 26,
    DType.UINT16: 27,
    DType.UINT32: 28,
    DType.UINT64: 29,
}
_TYPES = {number: dtype for dtype, number in _NUMBERS.items()}


def number_of(dtype: DType) -> int | None:
    """TorchScript's number of an element type; None if it has none."""
    return _NUMBERS.get(dtype)


def dtype_of(number: int) -> DType | None:
    """The element type of a number of TorchScript's; None if ONNX has no such type."""
    return _TYPES.get(number)
