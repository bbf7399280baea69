"""Element types shared by the captured graph and the ONNX graph."""

from __future__ import annotations

import enum
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt


class DType(enum.Enum):
    """An element type; the value is ONNX's ``TensorProto.DataType`` number.

    Members carry the field's usual names (``float32``, ``int64``, ...), in capitals.
    """

    FLOAT32 = 1
    UINT8 = 2
    INT8 = 3
    UINT16 = 4
    INT16 = 5
    INT32 = 6
    INT64 = 7
    STRING = 8
    BOOL = 9
    FLOAT16 = 10
    FLOAT64 = 11
    UINT32 = 12
    UINT64 = 13
    COMPLEX64 = 14
    COMPLEX128 = 15
    BFLOAT16 = 16
    FLOAT8E4M3FN = 17
    FLOAT8E4M3FNUZ = 18
    FLOAT8E5M2 = 19
    FLOAT8E5M2FNUZ = 20
    UINT4 = 21
    INT4 = 22

    # Members are compared by identity; Enum's own hash is a Python function, and tables by type are asked often.
    __hash__ = object.__hash__

    @property
    def onnx(self) -> int:
        """The number of this type in ``onnx.TensorProto.DataType``."""
        return self.value

    @property
    def numpy(self) -> np.dtype[Any]:
        """The numpy dtype that holds this type (``ml_dtypes`` for bfloat16, float8 and int4)."""
        return _NUMPY[self]

    @property
    def short(self) -> str:
        """The short spelling of printed graphs: ``f32``, ``i64``, ``bool``."""
        return _SHORT[self]

    @property
    def torch_name(self) -> str:
        """The name that TorchScript prints in a tensor type: ``Float``, ``Long``."""
        return _TORCH_NAMES.get(self, self.name.capitalize())

    @property
    def torch_number(self) -> int | None:
        """The number of this type in ``c10::ScalarType``, which TorchScript writes for a dtype; None if it has none."""
        return _TORCH_NUMBERS.get(self)

    @property
    def bits(self) -> int:
        """Bits an element takes in a file (int4 types are packed two a byte)."""
        if self in (DType.INT4, DType.UINT4):
            return 4
        return self.numpy.itemsize * 8

    @property
    def is_float(self) -> bool:
        """Whether this is a real floating-point type of any width."""
        return self in _FLOATS

    @property
    def is_complex(self) -> bool:
        """Whether this is a complex type."""
        return self in (DType.COMPLEX64, DType.COMPLEX128)

    @property
    def is_integer(self) -> bool:
        """Whether this is an integer type, signed or not; bool is none."""
        return self in _SIGNED or self in _UNSIGNED

    @property
    def is_signed(self) -> bool:
        """Whether negative numbers can be held."""
        return self in _SIGNED or self.is_float

    @classmethod
    def from_numpy(cls, dtype: npt.DTypeLike) -> DType:
        """The member for a numpy dtype.

        Raises:
            TypeError: if ONNX has no type for it.
        """
        found = _FROM_NUMPY.get(np.dtype(dtype))
        if found is None:
            raise TypeError(f"numpy dtype {np.dtype(dtype)} has no ONNX element type")
        return found

    @staticmethod
    def from_torch_number(number: int) -> DType | None:
        """The member for a number of ``c10::ScalarType``; None if ONNX has no such type."""
        return _FROM_TORCH_NUMBER.get(number)

    def __repr__(self) -> str:
        return f"DType.{self.name}"


_FLOATS = frozenset(
    {
        DType.FLOAT16,
        DType.BFLOAT16,
        DType.FLOAT32,
        DType.FLOAT64,
        DType.FLOAT8E4M3FN,
        DType.FLOAT8E4M3FNUZ,
        DType.FLOAT8E5M2,
        DType.FLOAT8E5M2FNUZ,
    }
)
_SIGNED = frozenset({DType.INT4, DType.INT8, DType.INT16, DType.INT32, DType.INT64})
_UNSIGNED = frozenset({DType.UINT4, DType.UINT8, DType.UINT16, DType.UINT32, DType.UINT64})

_NUMPY: dict[DType, np.dtype[Any]] = {
    DType.FLOAT32: np.dtype(np.float32),
    DType.UINT8: np.dtype(np.uint8),
    DType.INT8: np.dtype(np.int8),
    DType.UINT16: np.dtype(np.uint16),
    DType.INT16: np.dtype(np.int16),
    DType.INT32: np.dtype(np.int32),
    DType.INT64: np.dtype(np.int64),
    DType.STRING: np.dtype(np.object_),
    DType.BOOL: np.dtype(np.bool_),
    DType.FLOAT16: np.dtype(np.float16),
    DType.FLOAT64: np.dtype(np.float64),
    DType.UINT32: np.dtype(np.uint32),
    DType.UINT64: np.dtype(np.uint64),
    DType.COMPLEX64: np.dtype(np.complex64),
    DType.COMPLEX128: np.dtype(np.complex128),
    DType.BFLOAT16: np.dtype(ml_dtypes.bfloat16),
    DType.FLOAT8E4M3FN: np.dtype(ml_dtypes.float8_e4m3fn),
    DType.FLOAT8E4M3FNUZ: np.dtype(ml_dtypes.float8_e4m3fnuz),
    DType.FLOAT8E5M2: np.dtype(ml_dtypes.float8_e5m2),
    DType.FLOAT8E5M2FNUZ: np.dtype(ml_dtypes.float8_e5m2fnuz),
    DType.UINT4: np.dtype(ml_dtypes.uint4),
    DType.INT4: np.dtype(ml_dtypes.int4),
}
_FROM_NUMPY = {numpy_dtype: member for member, numpy_dtype in _NUMPY.items()}

_SHORT: dict[DType, str] = {
    DType.FLOAT32: "f32",
    DType.UINT8: "u8",
    DType.INT8: "i8",
    DType.UINT16: "u16",
    DType.INT16: "i16",
    DType.INT32: "i32",
    DType.INT64: "i64",
    DType.STRING: "str",
    DType.BOOL: "bool",
    DType.FLOAT16: "f16",
    DType.FLOAT64: "f64",
    DType.UINT32: "u32",
    DType.UINT64: "u64",
    DType.COMPLEX64: "c64",
    DType.COMPLEX128: "c128",
    DType.BFLOAT16: "bf16",
    DType.FLOAT8E4M3FN: "f8e4m3fn",
    DType.FLOAT8E4M3FNUZ: "f8e4m3fnuz",
    DType.FLOAT8E5M2: "f8e5m2",
    DType.FLOAT8E5M2FNUZ: "f8e5m2fnuz",
    DType.UINT4: "u4",
    DType.INT4: "i4",
}

_TORCH_NAMES: dict[DType, str] = {
    DType.FLOAT32: "Float",
    DType.FLOAT64: "Double",
    DType.FLOAT16: "Half",
    DType.BFLOAT16: "BFloat16",
    DType.INT64: "Long",
    DType.INT32: "Int",
    DType.INT16: "Short",
    DType.INT8: "Char",
    DType.UINT8: "Byte",
    DType.BOOL: "Bool",
    DType.COMPLEX64: "ComplexFloat",
    DType.COMPLEX128: "ComplexDouble",
}

# The numbers stand in every graph that mentions a dtype and in every saved model, so they are fixed.
_TORCH_NUMBERS: dict[DType, int] = {
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
_FROM_TORCH_NUMBER = {number: member for member, number in _TORCH_NUMBERS.items()}
