"""Element types both ways, and torch tensors as :class:`~onnxport_ir.tensors.TensorRef`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import torch
from onnxport_ir.dtypes import DType
from onnxport_ir.tensors import packed_nbytes, write_array

_CHUNK_BYTES = 4 << 20

_FROM_TORCH: dict[torch.dtype, DType] = {
    torch.float32: DType.FLOAT32,
    torch.float64: DType.FLOAT64,
    torch.float16: DType.FLOAT16,
    torch.bfloat16: DType.BFLOAT16,
    torch.uint8: DType.UINT8,
    torch.int8: DType.INT8,
    torch.uint16: DType.UINT16,
    torch.int16: DType.INT16,
    torch.uint32: DType.UINT32,
    torch.int32: DType.INT32,
    torch.uint64: DType.UINT64,
    torch.int64: DType.INT64,
    torch.bool: DType.BOOL,
    torch.complex64: DType.COMPLEX64,
    torch.complex128: DType.COMPLEX128,
    torch.float8_e4m3fn: DType.FLOAT8E4M3FN,
    torch.float8_e4m3fnuz: DType.FLOAT8E4M3FNUZ,
    torch.float8_e5m2: DType.FLOAT8E5M2,
    torch.float8_e5m2fnuz: DType.FLOAT8E5M2FNUZ,
}
_TO_TORCH = {ours: theirs for theirs, ours in _FROM_TORCH.items()}

# What a tensor type calls its element type; the float8 types print like their members of torch.
_TYPE_NAMES: dict[str, DType] = {
    **{dtype.torch_name: dtype for dtype in _FROM_TORCH.values() if dtype.bits != 8 or dtype.is_integer},
    "Bool": DType.BOOL,
    "UInt16": DType.UINT16,
    "UInt32": DType.UINT32,
    "UInt64": DType.UINT64,
    "Float8_e4m3fn": DType.FLOAT8E4M3FN,
    "Float8_e4m3fnuz": DType.FLOAT8E4M3FNUZ,
    "Float8_e5m2": DType.FLOAT8E5M2,
    "Float8_e5m2fnuz": DType.FLOAT8E5M2FNUZ,
}

# Same bits under a type that numpy has; the array is then viewed as the ml_dtypes type.
_CARRIERS: dict[torch.dtype, torch.dtype] = {
    torch.bfloat16: torch.int16,
    torch.float8_e4m3fn: torch.uint8,
    torch.float8_e4m3fnuz: torch.uint8,
    torch.float8_e5m2: torch.uint8,
    torch.float8_e5m2fnuz: torch.uint8,
}


def dtype_from_torch(dtype: torch.dtype) -> DType:
    """The member for a torch dtype.

    Raises:
        TypeError: if ONNX has no type for it (quantized types, complex32).
    """
    found = _FROM_TORCH.get(dtype)
    if found is None:
        raise TypeError(f"{dtype} has no ONNX element type")
    return found


def dtype_to_torch(dtype: DType) -> torch.dtype:
    """The torch dtype for a member.

    Raises:
        TypeError: if torch has no such tensors (strings, int4).
    """
    found = _TO_TORCH.get(dtype)
    if found is None:
        raise TypeError(f"{dtype.name} has no torch dtype")
    return found


def dtype_from_type_name(name: str | None) -> DType | None:
    """The member for the name in a TorchScript tensor type (``Float``); None if unknown there or to ONNX."""
    return None if name is None else _TYPE_NAMES.get(name)


@dataclass(frozen=True, eq=False, slots=True)
class TorchTensor:
    """A torch tensor by reference; nothing is copied until it is written.

    Attributes:
        tensor: a dense tensor on any device that holds data.
        dtype: its element type.
    """

    tensor: torch.Tensor
    dtype: DType

    @staticmethod
    def of(tensor: torch.Tensor) -> TorchTensor:
        """Wrap ``tensor``.

        Raises:
            TypeError: if ONNX has no type for its elements.
        """
        return TorchTensor(tensor.detach(), dtype_from_torch(tensor.dtype))

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes."""
        return tuple(self.tensor.shape)

    @property
    def nbytes(self) -> int:
        """Bytes in ``raw_data``."""
        return packed_nbytes(self.dtype, self.shape)

    def write_to(self, out: BinaryIO) -> None:
        """Write the elements; what is not contiguous in the memory of the CPU goes through a buffer of a few MiB."""
        if self.tensor.device.type == "cpu" and self.tensor.is_contiguous():
            write_array(_as_numpy(self.tensor), self.dtype, out)
        else:
            _write_parts(self.tensor, self.dtype, out)

    def numpy(self) -> npt.NDArray[Any]:
        """The elements; shares memory with a tensor on the CPU, copies from another device."""
        return _as_numpy(self.tensor.cpu())


def _as_numpy(tensor: torch.Tensor) -> npt.NDArray[Any]:
    tensor = tensor.resolve_conj().resolve_neg()
    carrier = _CARRIERS.get(tensor.dtype)
    if carrier is None:
        array: npt.NDArray[Any] = tensor.numpy()
        return array
    return np.asarray(tensor.view(carrier).numpy()).view(dtype_from_torch(tensor.dtype).numpy)


def _write_parts(tensor: torch.Tensor, dtype: DType, out: BinaryIO) -> None:
    """Write along the first axis a few MiB at a time, and a row that is larger than that in the same way."""
    size = tensor.numel() * tensor.element_size()
    if size <= _CHUNK_BYTES or tensor.dim() == 0:
        write_array(_as_numpy(tensor.cpu().contiguous()), dtype, out)
        return
    rows = _CHUNK_BYTES * tensor.shape[0] // size
    if rows == 0:
        for row in tensor:
            _write_parts(row, dtype, out)
        return
    for start in range(0, tensor.shape[0], rows):
        write_array(_as_numpy(tensor[start : start + rows].cpu().contiguous()), dtype, out)
