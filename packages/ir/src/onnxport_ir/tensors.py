"""Tensors by reference: bytes that are read when they are written, never copied before."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from onnxport_ir.dtypes import DType

_CHUNK_BYTES = 1 << 20


@runtime_checkable
class TensorRef(Protocol):
    """Where a tensor's elements are to be had.

    Implementations are immutable as far as the exporter is concerned: dtype and shape never change, and two
    calls of ``write_to`` write the same bytes.
    """

    @property
    def dtype(self) -> DType:
        """The element type."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes."""

    @property
    def nbytes(self) -> int:
        """How many bytes ``write_to`` writes (int4 types packed two a byte)."""

    def write_to(self, out: BinaryIO) -> None:
        """Write the elements in ONNX's ``raw_data`` layout: C order, little endian."""

    def numpy(self) -> npt.NDArray[Any]:
        """The elements as an array, shared with the source where that is possible; do not write to it."""


def packed_nbytes(dtype: DType, shape: tuple[int, ...]) -> int:
    """Bytes of a tensor in ``raw_data``."""
    return (math.prod(shape) * dtype.bits + 7) // 8


def write_array(array: npt.NDArray[Any], dtype: DType, out: BinaryIO) -> None:
    """Write ``array`` in ``raw_data`` layout, a chunk at a time where it must be converted or copied."""
    if dtype.bits == 4:
        flat = np.ascontiguousarray(array).astype(np.uint8).reshape(-1) & 0x0F
        if flat.size % 2:
            flat = np.append(flat, np.uint8(0))
        out.write((flat[0::2] | (flat[1::2] << 4)).tobytes())
        return
    if array.flags.c_contiguous:
        view = array.reshape(-1).view(np.uint8) if array.size else np.empty(0, np.uint8)
        out.write(view.data)
        return
    if array.ndim == 0 or array.nbytes <= _CHUNK_BYTES:
        out.write(array.tobytes())
        return
    rows = max(1, _CHUNK_BYTES * len(array) // array.nbytes)
    for start in range(0, len(array), rows):
        part = array[start : start + rows]
        out.write(part.tobytes())


@dataclass(frozen=True, eq=False, slots=True)
class ArrayTensor:
    """A tensor held as a numpy array."""

    array: npt.NDArray[Any]
    dtype: DType

    @staticmethod
    def of(array: npt.ArrayLike, dtype: DType | None = None) -> ArrayTensor:
        """Wrap ``array``, converted to ``dtype`` if that is given and differs."""
        converted = np.asarray(array, dtype=None if dtype is None else dtype.numpy)
        return ArrayTensor(converted, dtype or DType.from_numpy(converted.dtype))

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes."""
        return self.array.shape

    @property
    def nbytes(self) -> int:
        """Bytes in ``raw_data``."""
        return packed_nbytes(self.dtype, self.shape)

    def write_to(self, out: BinaryIO) -> None:
        """Write the elements."""
        write_array(self.array, self.dtype, out)

    def numpy(self) -> npt.NDArray[Any]:
        """The wrapped array itself."""
        return self.array


@dataclass(frozen=True, eq=False, slots=True)
class FileTensor:
    """A tensor that lies in a file, as external data does."""

    path: Path
    offset: int
    dtype: DType
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes in the file."""
        return packed_nbytes(self.dtype, self.shape)

    def write_to(self, out: BinaryIO) -> None:
        """Copy the bytes, a chunk at a time."""
        left = self.nbytes
        with self.path.open("rb") as source:
            source.seek(self.offset)
            while left:
                chunk = source.read(min(left, _CHUNK_BYTES))
                if not chunk:
                    raise OSError(f"{self.path.name} ends {left} bytes before its tensor does")
                out.write(chunk)
                left -= len(chunk)

    def numpy(self) -> npt.NDArray[Any]:
        """A memory map of the elements (int4 types are unpacked into memory)."""
        if self.dtype.bits == 4:
            packed = np.fromfile(self.path, np.uint8, self.nbytes, offset=self.offset)
            pairs = np.stack([packed & 0x0F, packed >> 4], axis=-1).reshape(-1)
            if self.dtype is DType.INT4:
                pairs = ((pairs ^ 8).astype(np.int8) - 8).astype(np.int8)
            return pairs[: math.prod(self.shape)].astype(self.dtype.numpy).reshape(self.shape)
        if self.nbytes == 0:
            return np.empty(self.shape, self.dtype.numpy)
        raw = np.memmap(self.path, np.uint8, "r", offset=self.offset, shape=(self.nbytes,))
        return raw.view(self.dtype.numpy).reshape(self.shape)


@dataclass(frozen=True, eq=False, slots=True)
class LazyTensor:
    """A tensor made from another one when it is needed: a transposed weight, say.

    Attributes:
        source: the tensor it is made from.
        transform: takes the source's array and gives this tensor's; called once per use, keeps nothing.
        dtype: the element type of the result.
        shape: the sizes of the result.
    """

    source: TensorRef
    transform: Callable[[npt.NDArray[Any]], npt.NDArray[Any]] = field(repr=False)
    dtype: DType
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes in ``raw_data``."""
        return packed_nbytes(self.dtype, self.shape)

    def write_to(self, out: BinaryIO) -> None:
        """Write the transformed elements; a transform that gives a view costs one chunk of memory."""
        write_array(self.numpy(), self.dtype, out)

    def numpy(self) -> npt.NDArray[Any]:
        """The transformed elements."""
        return self.transform(self.source.numpy())
