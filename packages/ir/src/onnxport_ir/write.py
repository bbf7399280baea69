"""Writing a model to a file, or to a file and one of weights beside it: all of it or nothing.

Weights are streamed from where they are. Files are written under a temporary name in their folder and renamed when
they are complete, so that no half-written model is ever seen and an older one stays until its successor is whole.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, TypeAlias, cast

from onnxport_ir.errors import InvalidArgument, WriteFailed
from onnxport_ir.external import DataFile, reads_from
from onnxport_ir.graph import Model, Value
from onnxport_ir.proto import Encoder, Provenance, ValueInfo
from onnxport_ir.wire import Message

#: When weights go to a file of their own.
ExternalData: TypeAlias = Literal["auto", "always", "never"]

#: Protocol buffers cannot hold 2 GiB; the margin is for tools that add types to the model.
SIZE_LIMIT_BYTES = (1 << 31) - (16 << 20)
_THRESHOLD_BYTES = 1024
_TEMPORARY = ".onnxport-"


class Writable(Protocol):
    """What a file object must offer."""

    def write(self, data: bytes, /) -> int | None:
        """Take bytes and return how many were taken; None means all."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written.

    Attributes:
        path: the model's file; None if it was written to a file object.
        nbytes: its size.
        data_path: the file of weights beside it, if there is one.
        data_nbytes: its size.
    """

    path: Path | None
    nbytes: int
    data_path: Path | None = None
    data_nbytes: int = 0


def write(
    model: Model,
    f: str | os.PathLike[str] | Writable,
    *,
    external_data: ExternalData = "auto",
    size_limit_bytes: int = SIZE_LIMIT_BYTES,
    external_threshold_bytes: int = _THRESHOLD_BYTES,
    location: str | None = None,
    provenance: Provenance = "module",
    value_info: ValueInfo = "custom",
) -> Written:
    """Write ``model`` to ``f``.

    Args:
        model: finished and named.
        f: a path, or an object open for writing bytes. A symbolic link is replaced, not followed; a device or
            a pipe is written to.
        external_data: ``"auto"`` puts weights into a file beside the model if the model would exceed the limit,
            ``"always"`` does so in any case, ``"never"`` refuses a model over the limit.
        size_limit_bytes: the largest model file.
        external_threshold_bytes: smaller tensors stay in the model.
        location: the name of the file of weights; the model's with ``.data`` appended if not given.
        provenance: what to say of each node's origin.
        value_info: which types to write beside those of inputs and outputs.

    Raises:
        InvalidArgument: if ``location`` is not a mere file name, or ``f`` is neither a path nor writable.
        WriteFailed: if the model is too large for what was asked, or a file cannot be written; no file that was
            there before has changed then, and none is left.
    """
    path = _as_path(f)
    in_one_stream = path is None or _is_special(path)
    if external_data == "always" and in_one_stream:
        raise WriteFailed("a file object cannot have a file of weights beside it", hint="Give a path.")
    data: DataFile | None = None
    message: Message | None = None
    constants = [value for value in model.graph.constants() if model.is_stored(value)]
    if external_data != "always" and sum(map(_nbytes, constants)) <= size_limit_bytes:
        message = Encoder(model, provenance=provenance, value_info=value_info).model()
    if message is None or message.nbytes > size_limit_bytes:
        if external_data == "never" or path is None or in_one_stream:
            raise _too_large(constants, size_limit_bytes, can_have_path=path is not None and not in_one_stream)
        data = DataFile.plan(constants, _location(path, location), external_threshold_bytes)
        message = Encoder(model, provenance=provenance, value_info=value_info, storage=data.storage).model()
        if message.nbytes > size_limit_bytes:
            raise WriteFailed(
                f"the model without its weights takes {_gib(message.nbytes)}, the limit is {_gib(size_limit_bytes)}"
            )
    if path is None:
        _write_to_object(message, cast(Writable, f))
        return Written(None, message.nbytes)
    return _write_files(path, message, data if data and data.slices else None)


def _write_files(path: Path, message: Message, data: DataFile | None) -> Written:
    if _is_special(path):
        with _reported(path), path.open("wb", buffering=0) as out:
            message.write_to(_stream(out))
        return Written(path, message.nbytes)
    with _NewFiles() as files:
        if data is None:
            files.create(path, message.write_to)
            files.put_in_place()
            return Written(path, message.nbytes)
        data_path = path.parent / data.location
        _refuse_own_weights(data, data_path)
        files.create(data_path, data.write_to)
        files.create(path, message.write_to)
        files.put_in_place()
        return Written(path, message.nbytes, data_path, data.nbytes)


class _NewFiles:
    """Files under temporary names, removed unless they are put in place."""

    def __init__(self) -> None:
        self._pending: list[tuple[Path, Path]] = []
        # (what to remove or move back to undo a rename, where to)
        self._undo: list[tuple[Path | None, Path]] = []

    def __enter__(self) -> _NewFiles:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            for backup, path in reversed(self._undo):
                with contextlib.suppress(OSError):
                    if backup is None:
                        path.unlink()
                    else:
                        backup.replace(path)
        for temporary, _path in self._pending:
            with contextlib.suppress(OSError):
                temporary.unlink()

    def create(self, path: Path, fill: Callable[[BinaryIO], None]) -> None:
        """Write what is to become ``path``."""
        with _reported(path):
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if path.exists() and not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            temporary = _beside(path)
            self._pending.append((temporary, path))
            with temporary.open("xb", buffering=0) as out:
                fill(_stream(out))
            if path.is_file():
                temporary.chmod(path.stat().st_mode & 0o777)

    def put_in_place(self) -> None:
        """Rename the files, in the order in which they were written."""
        *first, (last, last_path) = self._pending
        for temporary, path in first:
            with _reported(path):
                backup = _beside(path) if path.exists() else None
                if backup is not None:
                    path.replace(backup)
                    self._undo.append((backup, path))
                temporary.replace(path)
                if backup is None:
                    self._undo.append((None, path))
        with _reported(last_path):
            last.replace(last_path)
        for backup, _path in self._undo:
            if backup is not None:
                with contextlib.suppress(OSError):
                    backup.unlink()
        self._pending.clear()
        self._undo.clear()


class _Stream:
    """Hands on all bytes, to an object that may take only a part of them at a time."""

    def __init__(self, target: Writable) -> None:
        self._target = target

    def write(self, data: bytes | bytearray | memoryview) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        while left:
            taken = self._target.write(cast(bytes, left))
            if taken is None or taken >= len(left):
                break
            left = left[taken:]
        return size


def _stream(target: object) -> BinaryIO:
    # Of a stream, tensors and messages use write() alone.
    return cast(BinaryIO, _Stream(cast(Writable, target)))


def _write_to_object(message: Message, target: Writable) -> None:
    if isinstance(target, io.TextIOBase):
        raise WriteFailed("the file object is open for text", hint='Open the file with mode "wb".')
    if getattr(target, "closed", False):
        raise WriteFailed("the file object is closed")
    start = _position(target)
    try:
        with _reported("the file object"):
            message.write_to(_stream(target))
    except BaseException:
        if start is not None:
            # What a failed export has left in the caller's file goes as far as the caller's object allows it.
            with contextlib.suppress(Exception):
                target.seek(start)  # type: ignore[attr-defined]  # _position has asked whether it can
                target.truncate()  # type: ignore[attr-defined]  # the same
        raise


def _position(target: object) -> int | None:
    """Where the next byte goes, for an object that can go back there."""
    if not isinstance(target, io.IOBase) or not target.seekable():
        return None
    return target.tell()


@contextlib.contextmanager
def _reported(target: Path | str) -> Iterator[None]:
    """Turn what the operating system says into a WriteFailed."""
    try:
        yield
    except WriteFailed:
        raise
    except OSError as error:
        raise _write_failed(target, error) from error


def _write_failed(target: Path | str, error: OSError) -> WriteFailed:
    why, hint, number = str(error), None, error.errno
    if isinstance(error, io.UnsupportedOperation):
        why = "it is not open for writing"
    elif _is_source(error.filename, target):
        why = f"its weights cannot be read from {error.filename}: {error.strerror}"
    elif number == errno.ENOENT and isinstance(target, Path) and not target.parent.is_dir():
        why, hint = f"the folder {target.parent} does not exist", "Create the folder first."
    elif number == errno.EISDIR:
        why, hint = "it is a folder", "Give the path of a file."
    elif number in {errno.ENOSPC, errno.EDQUOT}:
        why, hint = "no space is left on the device", "Make room, or write to another device."
    elif number is not None:
        why = os.strerror(number)
    failure = WriteFailed(f"cannot write {target}", why=why, hint=hint)
    # OSError's own attributes, for callers that look at them.
    failure.errno = number
    failure.filename = str(target) if isinstance(target, Path) else None
    return failure


def _is_source(filename: object, target: Path | str) -> bool:
    """Whether the file that an error is about is neither the target nor its temporary name."""
    if filename is None:
        return False
    path = Path(str(filename))
    return path != target and not path.name.startswith(_TEMPORARY)


def _as_path(f: object) -> Path | None:
    if isinstance(f, str | os.PathLike):
        path = os.fspath(f)
        if not isinstance(path, str) or "\0" in path:
            raise InvalidArgument(f"{path!r} is not the path of a file")
        return Path(path)
    if not callable(getattr(f, "write", None)):
        raise InvalidArgument(
            f"f is a {type(f).__name__}", why="it must be a path or a file object open for writing bytes"
        )
    return None


def _is_special(path: Path) -> bool:
    """Whether there is something that is neither a file nor a folder: a device, a pipe."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _location(path: Path, location: str | None) -> str:
    name = f"{path.name}.data" if location is None else location
    if not name or name in {".", "..", path.name} or any(c in name for c in "/\\:\0"):
        raise InvalidArgument(
            f"{location!r} cannot be the name of the file of weights",
            why="it must be a file name without a folder, other than the model's",
        )
    return name


def _beside(path: Path) -> Path:
    return path.parent / f"{_TEMPORARY}{secrets.token_hex(8)}.part"


def _refuse_own_weights(data: DataFile, data_path: Path) -> None:
    """Refuse to replace the file that weights of this model are read from: they would be lost for a second use."""
    for value in data.slices:
        if value.const is not None and reads_from(value.const, data_path):
            raise WriteFailed(
                f"cannot write {data_path}",
                why="weights of this model are read from that file",
                hint="Write the model under another name, or into another folder.",
            )


def _too_large(constants: list[Value], limit_bytes: int, *, can_have_path: bool) -> WriteFailed:
    return WriteFailed(
        f"the model takes more than {_gib(limit_bytes)}, which is all that one file can hold",
        why=f"its weights alone take {_gib(sum(map(_nbytes, constants)))}",
        hint="Let the weights go to a file of their own: external_data=True."
        if can_have_path
        else "Write to a path, so that the weights can go to a file of their own.",
    )


def _gib(nbytes: int) -> str:
    return f"{nbytes / (1 << 30):.2f} GiB"


def _nbytes(value: Value) -> int:
    return 0 if value.const is None else value.const.nbytes
