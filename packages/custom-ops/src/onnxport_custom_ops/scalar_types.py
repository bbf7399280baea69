"""Element types under the names that symbolic functions written for torch use."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
import torch
from onnxport_ir import ArrayTensor, DType
from onnxport_ir.errors import InvalidArgument

_TORCH: dict[DType, torch.dtype] = {
    DType.FLOAT32: torch.float32,
    DType.FLOAT64: torch.float64,
    DType.FLOAT16: torch.float16,
    DType.BFLOAT16: torch.bfloat16,
    DType.UINT8: torch.uint8,
    DType.INT8: torch.int8,
    DType.UINT16: torch.uint16,
    DType.INT16: torch.int16,
    DType.UINT32: torch.uint32,
    DType.INT32: torch.int32,
    DType.UINT64: torch.uint64,
    DType.INT64: torch.int64,
    DType.BOOL: torch.bool,
    DType.COMPLEX64: torch.complex64,
    DType.COMPLEX128: torch.complex128,
    DType.FLOAT8E4M3FN: torch.float8_e4m3fn,
    DType.FLOAT8E4M3FNUZ: torch.float8_e4m3fnuz,
    DType.FLOAT8E5M2: torch.float8_e5m2,
    DType.FLOAT8E5M2FNUZ: torch.float8_e5m2fnuz,
}
_FROM_TORCH = {theirs: ours for ours, theirs in _TORCH.items()}
# Types that numpy has under another name go through integers of the same width.
_CARRIERS: dict[torch.dtype, torch.dtype] = {
    dtype: torch.int16 if dtype is torch.bfloat16 else torch.uint8
    for dtype in (
        torch.bfloat16,
        torch.float8_e4m3fn,
        torch.float8_e4m3fnuz,
        torch.float8_e5m2,
        torch.float8_e5m2fnuz,
    )
}


def to_torch_dtype(dtype: DType) -> torch.dtype:
    """The torch dtype of an element type.

    Raises:
        InvalidArgument: if torch has none (strings, int4).
    """
    found = _TORCH.get(dtype)
    if found is None:
        raise InvalidArgument(f"torch has no tensors of {dtype.name.lower()}")
    return found


def from_torch_dtype(dtype: torch.dtype) -> DType:
    """The element type of a torch dtype.

    Raises:
        InvalidArgument: if ONNX has none (quantized types).
    """
    found = _FROM_TORCH.get(dtype)
    if found is None:
        raise InvalidArgument(f"ONNX has no element type for {dtype}")
    return found


def from_torch(tensor: torch.Tensor) -> ArrayTensor:
    """A torch tensor as a constant; shares memory with one on the CPU."""
    dtype = from_torch_dtype(tensor.dtype)
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
    carrier = _CARRIERS.get(tensor.dtype)
    if carrier is None:
        return ArrayTensor(tensor.numpy(), dtype)
    return ArrayTensor(np.asarray(tensor.view(carrier).numpy()).view(dtype.numpy), dtype)


def to_torch(array: np.ndarray[Any, Any], dtype: DType) -> torch.Tensor:
    """The elements of a constant as a torch tensor of their own."""
    theirs = to_torch_dtype(dtype)
    carrier = _CARRIERS.get(theirs)
    if carrier is None:
        return torch.from_numpy(np.array(array, dtype.numpy))
    bits = np.array(array, dtype.numpy).view(np.int16 if carrier is torch.int16 else np.uint8)
    return torch.from_numpy(bits).view(theirs)


class TensorProtoDataType(enum.IntEnum):
    """ONNX's numbers of element types, which Cast takes, under the names of ``torch.onnx.TensorProtoDataType``."""

    UNDEFINED = 0
    FLOAT = 1
    UINT8 = 2
    INT8 = 3
    UINT16 = 4
    INT16 = 5
    INT32 = 6
    INT64 = 7
    STRING = 8
    BOOL = 9
    FLOAT16 = 10
    DOUBLE = 11
    UINT32 = 12
    UINT64 = 13
    COMPLEX64 = 14
    COMPLEX128 = 15
    BFLOAT16 = 16
    FLOAT8E4M3FN = 17
    FLOAT8E4M3FNUZ = 18
    FLOAT8E5M2 = 19
    FLOAT8E5M2FNUZ = 20


class JitScalarType(enum.IntEnum):
    """The element types of torch, with the names and numbers of ``torch.onnx.JitScalarType``."""

    UINT8 = 0
    INT8 = 1
    INT16 = 2
    INT = 3
    INT64 = 4
    HALF = 5
    FLOAT = 6
    DOUBLE = 7
    COMPLEX32 = 8
    COMPLEX64 = 9
    COMPLEX128 = 10
    BOOL = 11
    QINT8 = 12
    QUINT8 = 13
    QINT32 = 14
    BFLOAT16 = 15
    FLOAT8E5M2 = 16
    FLOAT8E4M3FN = 17
    FLOAT8E5M2FNUZ = 18
    FLOAT8E4M3FNUZ = 19
    UNDEFINED = 20

    @classmethod
    def from_dtype(cls, dtype: torch.dtype | None) -> JitScalarType:
        """The member for a torch dtype; ``UNDEFINED`` for None.

        Raises:
            InvalidArgument: if there is none.
        """
        if dtype is None:
            return cls.UNDEFINED
        found = _MEMBERS.get(dtype)
        if found is None:
            raise InvalidArgument(f"{dtype} has no JitScalarType")
        return found

    @classmethod
    def from_name(cls, name: str | None) -> JitScalarType:
        """The member for a name: ``Float`` as tensor types print it, or ``float`` as torch does.

        Raises:
            InvalidArgument: if there is none.
        """
        for member, (scalar_name, torch_name, _, _) in _FACTS.items():
            if name in (scalar_name, torch_name):
                return member
        raise InvalidArgument(f"{name!r} is the name of no JitScalarType")

    @classmethod
    def from_onnx_type(cls, number: int | None) -> JitScalarType:
        """The member for a number of ``onnx.TensorProto.DataType``.

        Raises:
            InvalidArgument: if there is none.
        """
        for member, (_, _, _, onnx_type) in _FACTS.items():
            if number is not None and onnx_type is not None and int(number) == onnx_type.onnx:
                return member
        raise InvalidArgument(f"ONNX's element type {number} has no JitScalarType")

    @classmethod
    def from_value(cls, value: Any, default: JitScalarType | None = None) -> JitScalarType:
        """The element type of a graph's value or of a tensor.

        Args:
            value: a value, a tensor, or None.
            default: what to give where the type is not known.

        Raises:
            InvalidArgument: if it is not known and there is no default.
        """
        if isinstance(value, torch.Tensor):
            return cls.from_dtype(value.dtype)
        name = None
        if value is not None and hasattr(value, "type"):
            found = value.type()
            element = found.getElementType() if found.kind() in ("ListType", "OptionalType") else found
            name = element.scalarType()
        if name is not None:
            return cls.from_name(name)
        if default is not None:
            return default
        raise InvalidArgument(f"the element type of {value} is not known")

    def scalar_name(self) -> str:
        """The name in tensor types: ``Float``."""
        return self._fact()[0]

    def torch_name(self) -> str:
        """The name as torch's functions spell it: ``float``."""
        return self._fact()[1]

    def dtype(self) -> torch.dtype:
        """The torch dtype."""
        dtype = self._fact()[2]
        if dtype is None:
            raise InvalidArgument(f"{self.name} has no torch dtype")
        return dtype

    def onnx_type(self) -> int:
        """The number in ``onnx.TensorProto.DataType``.

        Raises:
            InvalidArgument: if ONNX has no such type.
        """
        found = self._fact()[3]
        if found is None:
            raise InvalidArgument(f"ONNX has no element type for {self.name}")
        return found.onnx

    def onnx_compatible(self) -> bool:
        """Whether ONNX has the type."""
        return self._fact()[3] is not None

    def _fact(self) -> tuple[str, str, torch.dtype | None, DType | None]:
        return _FACTS[self]


_Fact = tuple[str, str, torch.dtype | None, DType | None]
_J = JitScalarType
_FACTS: dict[JitScalarType, _Fact] = {
    _J.BOOL: ("Bool", "bool", torch.bool, DType.BOOL),
    _J.UINT8: ("Byte", "uint8_t", torch.uint8, DType.UINT8),
    _J.INT8: ("Char", "int8_t", torch.int8, DType.INT8),
    _J.INT16: ("Short", "int16_t", torch.int16, DType.INT16),
    _J.INT: ("Int", "int", torch.int32, DType.INT32),
    _J.INT64: ("Long", "int64_t", torch.int64, DType.INT64),
    _J.HALF: ("Half", "half", torch.float16, DType.FLOAT16),
    _J.FLOAT: ("Float", "float", torch.float32, DType.FLOAT32),
    _J.DOUBLE: ("Double", "double", torch.float64, DType.FLOAT64),
    _J.COMPLEX32: ("ComplexHalf", "complex32", torch.complex32, None),
    _J.COMPLEX64: ("ComplexFloat", "complex64", torch.complex64, DType.COMPLEX64),
    _J.COMPLEX128: ("ComplexDouble", "complex128", torch.complex128, DType.COMPLEX128),
    _J.QINT8: ("QInt8", "qint8", torch.qint8, DType.INT8),
    _J.QUINT8: ("QUInt8", "quint8", torch.quint8, DType.UINT8),
    _J.QINT32: ("QInt32", "qint32", torch.qint32, DType.INT32),
    _J.BFLOAT16: ("BFloat16", "bfloat16", torch.bfloat16, DType.BFLOAT16),
    _J.FLOAT8E5M2: ("Float8E5M2", "float8_e5m2", torch.float8_e5m2, DType.FLOAT8E5M2),
    _J.FLOAT8E4M3FN: ("Float8E4M3FN", "float8_e4m3fn", torch.float8_e4m3fn, DType.FLOAT8E4M3FN),
    _J.FLOAT8E5M2FNUZ: ("Float8E5M2FNUZ", "float8_e5m2fnuz", torch.float8_e5m2fnuz, DType.FLOAT8E5M2FNUZ),
    _J.FLOAT8E4M3FNUZ: ("Float8E4M3FNUZ", "float8_e4m3fnuz", torch.float8_e4m3fnuz, DType.FLOAT8E4M3FNUZ),
    _J.UNDEFINED: ("Undefined", "undefined", None, None),
}
# Quantized types have the same ONNX types as the integers that hold them, which come first.
_SCALAR_NAMES = {
    **{onnx_type: name for name, _, _, onnx_type in reversed(list(_FACTS.values())) if onnx_type is not None},
    DType.UINT16: "UInt16",
    DType.UINT32: "UInt32",
    DType.UINT64: "UInt64",
}


def scalar_name(dtype: DType) -> str | None:
    """What a tensor type calls an element type; None if torch has no such tensors."""
    return _SCALAR_NAMES.get(dtype)


def dtype_of_scalar_name(name: str | None) -> DType | None:
    """The element type that a tensor type calls ``name``; None if there is none."""
    for dtype, found in _SCALAR_NAMES.items():
        if found == name:
            return dtype
    return None


_MEMBERS = {dtype: member for member, (_, _, dtype, _) in _FACTS.items() if dtype is not None}
