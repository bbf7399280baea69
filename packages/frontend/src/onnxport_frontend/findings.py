"""What a captured graph does not say: torch warns of values that a trace fixes, here they become data."""

from __future__ import annotations

import contextlib
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any, TextIO

from onnxport_ir.errors import Place

from onnxport_frontend import _torch_private as private
from onnxport_frontend.places import is_between, is_entrance, is_user_file, user_place

# What torch's messages begin with or contain, and the kind of finding that each is.
_KINDS = (
    ("to a Python boolean", "bool"),
    ("to a Python integer", "int"),
    ("to a Python float", "float"),
    ("to a Python number", "number"),
    ("to a Python index", "index"),
    ("Reading the strides of a tensor", "stride"),
    ("to a Python list", "list"),
    ("to a NumPy array", "numpy"),
    ("results are registered as constants", "constant"),
    ("Iterating over a tensor", "iteration"),
    ("Using len to get tensor shape", "len"),
    ("live references to the data region being modified", "aliased_write"),
    ("no recorded value for", "detached"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that the captured graph does not do as the model does.

    Attributes:
        kind: ``bool``, ``int``, ``float``, ``number``, ``index``, ``list``, ``numpy``: a tensor became one;
            ``stride``: its memory layout was asked for;
            ``len``, ``iteration``: so did its size; ``constant``: a tensor was made of Python values;
            ``aliased_write``: an in-place write to shared memory; ``buffer_write``, ``input_write``: a write to what
            outlives the call; ``other``.
        what: torch's sentence.
        place: the user's line, or torch's own where no user code is on the stack.
        in_library: whether torch's own code read the value, which is mostly a check of arguments.
    """

    kind: str
    what: str
    place: Place
    in_library: bool = False


@contextlib.contextmanager
def collect_findings() -> Iterator[list[Finding]]:
    """Turn this thread's ``TracerWarning`` into findings; all other warnings are shown as they would have been.

    Filters and the hook of the ``warnings`` module belong to the process, so the caller holds the tracing lock; what
    other threads warn of meanwhile goes to the hook that was there.
    """
    findings: dict[Finding, None] = {}
    thread = threading.get_ident()
    result: list[Finding] = []
    with warnings.catch_warnings():
        # catch_warnings has saved the hook; the module's functions look it up by name at each warning.
        show = warnings.showwarning

        def hook(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, private.TracerWarning) and threading.get_ident() == thread:
                findings.setdefault(_finding(str(message), filename, lineno, sys._getframe(1)))
            else:
                show(message, category, filename, lineno, file, line)

        warnings.showwarning = hook
        warnings.filterwarnings("always", category=private.TracerWarning)
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.trace.*` is (deprecated|not supported)")
        try:
            yield result
        finally:
            result.extend(findings)


def _finding(message: str, filename: str, lineno: int, frame: FrameType | None) -> Finding:
    kind = next((kind for text, kind in _KINDS if text in message), "other")
    frames = list(_frames(frame))
    reader = next((file for file, _, _ in frames if not is_between(file)), filename)
    place = user_place(frames) or Place(file=filename, line=lineno)
    return Finding(kind, message.partition(". ")[0].strip(), place, not is_user_file(reader))


def _frames(frame: FrameType | None) -> Iterator[tuple[str, int, str]]:
    # Whoever called the export is not where a value was read.
    while frame is not None and not is_entrance(frame.f_code.co_filename):
        yield frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name
        frame = frame.f_back


def frames_of(traceback: TracebackType | None) -> list[tuple[str, int, str]]:
    """The frames of a traceback, innermost first."""
    frames: list[Any] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append((code.co_filename, traceback.tb_lineno, code.co_name))
        traceback = traceback.tb_next
    return frames[::-1]
