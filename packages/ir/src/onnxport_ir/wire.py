"""Protocol buffers' wire format, as much as writing an ONNX file takes.

A message is encoded from the inside out, as each is preceded by its length; tensors stand in it as references, so
that the length of a whole model is known, and its bytes can be streamed, without a copy of any weight.
"""

from __future__ import annotations

import io
import struct
from typing import BinaryIO, TypeAlias

from onnxport_ir.errors import InternalError
from onnxport_ir.tensors import TensorRef

#: Small pieces are joined up to this size before they are written.
_BUFFER_BYTES = 1 << 20
_ONE_BYTE = [bytes((n,)) for n in range(128)]


def varint(number: int) -> bytes:
    """An integer of 64 bits; negative ones take ten bytes."""
    if 0 <= number < 128:
        return _ONE_BYTE[number]
    if not -(1 << 63) <= number < 1 << 64:
        raise InternalError(f"{number} does not fit into 64 bits")
    number &= (1 << 64) - 1
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def varint_tag(field: int) -> bytes:
    """What precedes a field that is an integer."""
    return varint(field << 3)


def bytes_tag(field: int) -> bytes:
    """What precedes the length of a field that is text, bytes or a message."""
    return varint(field << 3 | 2)


def float_tag(field: int) -> bytes:
    """What precedes a field that is a float of 32 bits."""
    return varint(field << 3 | 5)


def float32(number: float) -> bytes:
    """A float of 32 bits; what is too large for one becomes infinite, as in a conversion."""
    try:
        return struct.pack("<f", number)
    except OverflowError:
        return struct.pack("<f", float("inf") if number > 0 else float("-inf"))


def text(tag: bytes, content: str | bytes) -> bytes:
    """A field of text or bytes."""
    data = content.encode() if isinstance(content, str) else content
    return tag + varint(len(data)) + data


class Message:
    """A message that may contain tensors by reference.

    Attributes:
        nbytes: the encoded length.
    """

    __slots__ = ("_pieces", "nbytes")

    def __init__(self) -> None:
        self._pieces: list[bytes | TensorRef] = []
        self.nbytes = 0

    def add(self, encoded: bytes) -> None:
        """Append fields that are encoded."""
        self._pieces.append(encoded)
        self.nbytes += len(encoded)

    def extend(self, fields: Encoded) -> None:
        """Append fields, tensors among them or not."""
        if isinstance(fields, bytes):
            self.add(fields)
        else:
            self._pieces += fields._pieces
            self.nbytes += fields.nbytes

    def add_tensor(self, tag: bytes, tensor: TensorRef) -> None:
        """Append a field that holds a tensor's bytes."""
        size = tensor.nbytes
        self.add(tag + varint(size))
        self._pieces.append(tensor)
        self.nbytes += size

    def add_message(self, tag: bytes, message: Encoded) -> None:
        """Append a field that is a message."""
        if isinstance(message, bytes):
            self.add(tag + varint(len(message)) + message)
            return
        self.add(tag + varint(message.nbytes))
        self._pieces += message._pieces
        self.nbytes += message.nbytes

    def write_to(self, out: BinaryIO) -> None:
        """Write the encoded message, tensors straight from where they are.

        Raises:
            InternalError: if a tensor gives another number of bytes than it said.
        """
        buffer = bytearray()
        for piece in self._pieces:
            if isinstance(piece, bytes):
                buffer += piece
                if len(buffer) < _BUFFER_BYTES:
                    continue
            if buffer:
                out.write(buffer)
                buffer = bytearray()
            if not isinstance(piece, bytes):
                write_tensor(piece, out)
        if buffer:
            out.write(buffer)

    def to_bytes(self) -> bytes:
        """The encoded message in memory."""
        out = io.BytesIO()
        self.write_to(out)
        return out.getvalue()


#: An encoded message; plain bytes where there is no tensor by reference in it.
Encoded: TypeAlias = bytes | Message


def write_tensor(tensor: TensorRef, out: BinaryIO) -> None:
    """Write a tensor's bytes and see that there are as many as its length says.

    Raises:
        InternalError: if there are not.
    """
    counter = _Counter(out)
    # write_to needs no more of its argument than write().
    tensor.write_to(counter)  # type: ignore[arg-type]
    if counter.nbytes != tensor.nbytes:
        raise InternalError(
            f"a tensor {tensor.dtype.name.lower()}{list(tensor.shape)} wrote {counter.nbytes} bytes",
            why=f"its length was given as {tensor.nbytes}",
        )


def tensor_bytes(tensor: TensorRef) -> bytes:
    """A tensor's bytes in memory."""
    out = io.BytesIO()
    write_tensor(tensor, out)
    return out.getvalue()


class _Counter:
    """Counts what goes through."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self.nbytes = 0

    def write(self, data: bytes | bytearray | memoryview) -> int:
        self._out.write(data)
        size = data.nbytes if isinstance(data, memoryview) else len(data)
        self.nbytes += size
        return size
