"""Which tensors lie in a file of their own beside the model, and where in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from onnxport_ir.dtypes import DType
from onnxport_ir.errors import InternalError
from onnxport_ir.graph import Value
from onnxport_ir.proto import ExternalSlice, Storage
from onnxport_ir.tensors import FileTensor, TensorRef
from onnxport_ir.wire import write_tensor

_ALIGNMENT_BYTES = 64
#: Tensors from this size on start at a page, so that a runtime can map them into memory.
_PAGED_BYTES = 1 << 20
_PAGE_BYTES = 4096


@dataclass(slots=True)
class DataFile:
    """The layout of a file of tensors, and its writer.

    Attributes:
        location: the file's name, relative to the model's folder.
        slices: where each constant lies, in the order of the file.
        nbytes: the file's size.
    """

    location: str
    slices: dict[Value, ExternalSlice] = field(default_factory=dict)
    nbytes: int = 0

    @staticmethod
    def plan(constants: Iterable[Value], location: str, threshold_bytes: int) -> DataFile:
        """Lay out the constants of at least ``threshold_bytes``, in their order."""
        layout = DataFile(location)
        for value in constants:
            tensor = _tensor(value)
            size = tensor.nbytes
            # Text has no raw form, so it cannot be external.
            if size < max(threshold_bytes, 1) or tensor.dtype is DType.STRING:
                continue
            alignment = _PAGE_BYTES if size >= _PAGED_BYTES else _ALIGNMENT_BYTES
            offset = -(-layout.nbytes // alignment) * alignment
            layout.slices[value] = ExternalSlice(location, offset, size)
            layout.nbytes = offset + size
        return layout

    def storage(self, value: Value) -> Storage | ExternalSlice:
        """What becomes of ``value`` in the model's file."""
        return self.slices.get(value, Storage.INLINE)

    def write_to(self, out: BinaryIO) -> None:
        """Write the tensors, zeros between them."""
        position = 0
        for value, place in self.slices.items():
            if place.offset > position:
                out.write(bytes(place.offset - position))
            write_tensor(_tensor(value), out)
            position = place.offset + place.nbytes


def reads_from(tensor: TensorRef, path: Path) -> bool:
    """Whether a tensor's bytes come from the file at ``path``, directly or through transforms."""
    source: object = tensor
    while source is not None:
        if isinstance(source, FileTensor):
            return source.path.resolve() == path.resolve()
        source = getattr(source, "source", None)
    return False


def _tensor(value: Value) -> TensorRef:
    if value.const is None:
        raise InternalError(f"{value!r} is no constant")
    return value.const
