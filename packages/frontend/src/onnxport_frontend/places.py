"""The user's line behind a node, a warning or an exception."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from onnxport_ir.errors import Place

from onnxport_frontend import _torch_private as private

# Frames of these are between what happens and whoever made it happen: this package, Python's warning machinery, NumPy,
# and the methods of tensors and operators.
_BETWEEN = (
    *(f"{Path(__file__).parent}/", warnings.__file__, f"{Path(np.__file__).parent}/", private.TENSOR_FILE),
    str(Path(torch.__file__).with_name("_ops.py")),
)
# Frames below these are not the user's.
_LIBRARIES = (f"{Path(torch.__file__).parent}/", *_BETWEEN)
#: The module that runs the model.
_ENTRANCE = str(Path(__file__).with_name("tracing.py"))

_SCRIPT_LINE = re.compile(r'File "(?P<file>[^"]*)", line (?P<line>\d+)')
_TRACE_LINE = re.compile(r"(?P<file>.*)\((?P<line>\d+)\): (?P<function>.*)")


def is_user_file(filename: str) -> bool:
    """Whether code in this file is the user's (or another package's) rather than torch's or ours."""
    return not filename.startswith(_LIBRARIES) and not filename.startswith("<frozen ")


def is_between(filename: str) -> bool:
    """Whether code in this file only passes calls and warnings on."""
    return filename.startswith(_BETWEEN)


def is_entrance(filename: str) -> bool:
    """Whether this is the module that runs the model: what called it is not the model's code."""
    return filename == _ENTRANCE


def user_place(frames: Iterable[tuple[str, int, str]]) -> Place | None:
    """The innermost frame of the user's code.

    Args:
        frames: file, line and function of each frame, innermost first.

    Returns:
        None if all frames are torch's or ours.
    """
    for file, line, function in frames:
        if is_user_file(file):
            return Place(file=file, line=line, function=function)
    return None


class Places:
    """Reads the source ranges of nodes, each distinct one once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Place] = {}
        self._parsed: dict[str, Place] = {}

    def __call__(self, module: str, source_range: str) -> Place:
        """The place of a node with this source range in the module of this name."""
        key = module, source_range
        place = self._known.get(key)
        if place is None:
            at = self._parsed.get(source_range)
            if at is None:
                at = self._parsed[source_range] = parse_source_range(source_range)
            place = self._known[key] = Place(module, at.file, at.line, at.function)
        return place


def last_script_place(text: str) -> Place | None:
    """The innermost frame of a traceback as compiled code prints it; None if there is none in it."""
    matches = list(_SCRIPT_LINE.finditer(text))
    return Place(file=matches[-1]["file"], line=int(matches[-1]["line"])) if matches else None


def parse_source_range(text: str) -> Place:
    """The user's frame in a node's source range.

    A traced node carries the Python stack, a frame a line, innermost first; a scripted one an excerpt of the source per
    call, innermost first. Where all frames are in torch, the innermost one is the best that there is.
    """
    if not text:
        return Place()
    script = _SCRIPT_LINE.search(text)
    if script is not None:
        return Place(file=script["file"], line=int(script["line"]))
    innermost: Place | None = None
    for line in text.split("\n"):
        if line.startswith(_ENTRANCE):
            # Below it is whoever called the export.
            break
        # rpartition finds the frame's shape in half the time of the expression; most lines are torch's and end here.
        file = line.rpartition("(")[0]
        if is_between(file) or (innermost is not None and not is_user_file(file)):
            continue
        match = _TRACE_LINE.fullmatch(line)
        if match is None:
            continue
        place = Place(file=match["file"], line=int(match["line"]), function=match["function"])
        if is_user_file(place.file or ""):
            return place
        innermost = innermost or place
    return innermost or Place()
