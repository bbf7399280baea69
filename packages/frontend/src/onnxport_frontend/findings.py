"""What a captured graph does not say: torch warns of values that a trace fixes, here they become data."""

from __future__ import annotations

import contextlib
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import FrameType, TracebackType
from typing import Any, TextIO

import torch
from onnxport_ir.errors import CaptureFailed, Place

from onnxport_frontend import _torch_private as private
from onnxport_frontend.conversions import Conversion, Watch, watched_conversions
from onnxport_frontend.departures import AS_THE_EXAMPLE, Departures
from onnxport_frontend.dependence import Dependence, mark_text
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


_MOST_VALUES = 16
_MOST_TURNS = 10_000


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that the captured graph does not do as the model does.

    Attributes:
        kind: ``bool``, ``int``, ``float``, ``number``, ``index``, ``list``, ``numpy``, ``text``: a tensor became one;
            ``hash``: it was a key of a dictionary or the argument of a cached function;
            ``stride``: its memory layout was asked for;
            ``len``, ``iteration``: its first size became a Python number;
            ``parts``: a list of as many tensors as the example has in an axis was taken apart;
            ``constant``: a tensor was made of Python values;
            ``aliased_write``: an in-place write to shared memory; ``buffer_write``, ``input_write``: a write to what
            outlives the call; ``other``.
        what: a sentence, torch's own where it warns.
        place: the user's line, or torch's own where no user code is on the stack.
        in_library: whether torch's own code read the value, which is mostly a check of arguments.
        depends: what the value depends on; None where that is not known, and for what is no value.
        values: what the values were for the example, where they are numbers or truth values, each distinct one once.
        marks: the numbers of the marks that the trace has of it.
        is_turned: whether the trace went on as if the value were the other one.
    """

    kind: str
    what: str
    place: Place
    in_library: bool = False
    depends: Dependence | None = None
    values: tuple[Any, ...] = ()  # Any: bool, int, float and complex
    marks: tuple[int, ...] = ()
    is_turned: bool = False


class Findings:
    """What a run of the model is found to do, one entry for each kind and place.

    Attributes:
        watch: sees conversions as long as they are collected.
    """

    watch: Watch

    def __init__(self, departures: Departures = AS_THE_EXAMPLE) -> None:
        self._found: dict[tuple[str, Place, bool], Finding] = {}
        self._marks = 0
        self._departures = departures
        self._turns = 0

    def add(self, finding: Finding) -> None:
        """Enter a finding, or what it says beyond the one that is there."""
        key = finding.kind, finding.place, finding.in_library
        before = self._found.get(key)
        if before is not None:
            values = (*before.values, *(value for value in finding.values if value not in before.values))
            finding = replace(before, values=values[:_MOST_VALUES], marks=before.marks + finding.marks)
        self._found[key] = finding

    def converted(
        self, conversion: Conversion, tensors: list[torch.Tensor], value: Any, frame: FrameType | None
    ) -> Any:
        """Enter a conversion, and mark in the trace what was converted.

        Returns:
            The value, or the one that was chosen for this line.

        Raises:
            CaptureFailed: if there is no end of lines with a chosen value, as of a loop that ends with another one.
        """
        marks = []
        for tensor in tensors:
            text = mark_text(self._marks, conversion.aspect)
            # The number is kept also where there is no mark: that it is missing says that nothing is known.
            private.mark_in_trace(tensor, text)
            marks.append(self._marks)
            self._marks += 1
        place, in_library = _where(frame, "", 0)
        values = () if value is None else (value,)
        chosen = (
            self._departures.branches.get((place.file or "", place.line or 0)) if conversion.kind == "bool" else None
        )
        is_turned = chosen is not None and value is not None
        self.add(Finding(conversion.kind, conversion.what, place, in_library, None, values, tuple(marks), is_turned))
        self._turns += is_turned
        if self._turns > _MOST_TURNS:
            raise CaptureFailed("a loop that the model ends by a condition does not end without it", where=place)
        return chosen if is_turned else value

    def all(self) -> list[Finding]:
        """The findings in the order in which they were made."""
        return list(self._found.values())


@contextlib.contextmanager
def collect_findings(departures: Departures = AS_THE_EXAMPLE, *, quiet: bool = False) -> Iterator[Findings]:
    """Turn this thread's conversions and ``TracerWarning`` into findings; other warnings are shown as ever.

    Filters and the hook of the ``warnings`` module belong to the process, so the caller holds the tracing lock; what
    other threads warn of meanwhile goes to the hook that was there.

    Args:
        departures: where numbers stay tensors.
        quiet: whether this thread's other warnings are dropped, as for inputs that nobody but a check has thought of.
    """
    findings = Findings(departures)
    thread = threading.get_ident()
    with watched_conversions(findings.converted, departures) as findings.watch, warnings.catch_warnings():
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
                finding = _finding(str(message), filename, lineno, sys._getframe(1))
                if not findings.watch.busy or finding.kind == "constant":
                    findings.add(finding)
            elif not quiet or threading.get_ident() != thread:
                show(message, category, filename, lineno, file, line)

        warnings.showwarning = hook
        warnings.filterwarnings("always", category=private.TracerWarning)
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.trace.*` is (deprecated|not supported)")
        yield findings


def _finding(message: str, filename: str, lineno: int, frame: FrameType | None) -> Finding:
    kind = next((kind for text, kind in _KINDS if text in message), "other")
    place, in_library = _where(frame, filename, lineno)
    what = message.partition(". ")[0].strip()
    # What Python's values were made of was found where they were made. torch.Tensor(2, n) takes sizes as well.
    depends = Dependence() if kind == "constant" and not what.startswith("torch.Tensor ") else None
    return Finding(kind, what, place, in_library, depends)


def _where(frame: FrameType | None, filename: str, lineno: int) -> tuple[Place, bool]:
    """The user's line behind a frame, and whether torch's own code is between."""
    frames = list(_frames(frame))
    reader = next((file for file, _, _ in frames if not is_between(file)), filename)
    place = user_place(frames) or Place(file=filename or frames[0][0], line=lineno or frames[0][1])
    return place, not is_user_file(reader)


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
