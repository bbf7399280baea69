"""Scripted programs as data: each with several calls, which take different branches or have different sizes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import torch

# Any: the arguments, and the models, of programs of all kinds.
Call = tuple[Any, ...]
Build = Callable[[], Any]

PROGRAMS: list[Program] = []


@dataclasses.dataclass(frozen=True)
class Program:
    """A scripted program and its calls.

    Attributes:
        name: for the report.
        build: gives the scripted (or loaded, or traced) model.
        calls: the example, then others.
        since: the lowest opset that can express it; below it ``NeedsOpset`` is expected.
        refused: part of the message that refuses it at every opset; None if it is exported.
        loops: how loops are exported.
        has_line: whether the refusal can name a line of the script.
        uneven_since: the lowest opset at which lists that a loop fills may have elements of different shapes; below it
            ONNX Runtime refuses to run the calls for which they have.
        until: the highest opset at which ONNX Runtime has its operators.
    """

    name: str
    build: Build
    calls: tuple[Call, ...]
    since: int = 7
    refused: str | None = None
    loops: str = "keep"
    has_line: bool = True
    uneven_since: int = 7
    until: int = 99

    def __str__(self) -> str:
        return self.name


def add(name: str, build: Build, *calls: Call, **facts: Any) -> None:
    """Enter a program; ``facts`` are fields of :class:`Program`."""
    if any(program.name == name for program in PROGRAMS):
        raise ValueError(f"there is a program {name} already")
    PROGRAMS.append(Program(name, build, calls, **facts))


def program(*calls: Call, **facts: Any) -> Callable[[Any], Any]:
    """Enter a function or module class, which is scripted."""

    def enter(source: Any) -> Any:
        def build() -> Any:
            return torch.jit.script(source().eval() if isinstance(source, type) else source)

        add(source.__name__, build, *calls, **facts)
        return source

    return enter


def rows(*sizes: int, start: float = -1.0) -> torch.Tensor:
    """A tensor with distinct elements of both signs."""
    return (torch.arange(math.prod(sizes), dtype=torch.float32) * 0.37 + start).reshape(sizes)


def ints(*values: int) -> torch.Tensor:
    """A vector of int64."""
    return torch.tensor(values, dtype=torch.int64)
