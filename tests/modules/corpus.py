"""How a small model as users write it is entered: ``@module(call, call)`` above a function or a class of modules."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch

# Any: the arguments of a model.
Call = Callable[[], Any]


@dataclasses.dataclass(frozen=True)
class Entry:
    """A model with two calls of different sizes.

    Attributes:
        target: a function, or a class of modules that takes no arguments.
        calls: make the arguments; the second call has other sizes or values.
        ways: ``"t"`` for traced, ``"s"`` for scripted.
    """

    target: Any  # Any: a function or a class
    calls: tuple[Call, Call]
    ways: str

    def __str__(self) -> str:
        return str(self.target.__name__)

    def build(self, way: str) -> Any:
        """The model itself, scripted or not."""
        torch.manual_seed(1)
        is_class = isinstance(self.target, type)
        model = self.target().eval() if is_class else self.target
        return torch.jit.script(model) if way == "s" else model


ENTRIES: list[Entry] = []


def module(first: Call, second: Call, *, ways: str = "ts") -> Callable[[Any], Any]:
    """Enter what stands below."""

    def enter(target: Any) -> Any:
        ENTRIES.append(Entry(target, (first, second), ways))
        return target

    return enter


def normal(*shape: int) -> torch.Tensor:
    """Numbers of both signs."""
    return torch.randn(*shape)


def uniform(*shape: int) -> torch.Tensor:
    """Numbers between 0 and 1."""
    return torch.rand(*shape)


def integers(limit: int, *shape: int) -> torch.Tensor:
    """Integers below ``limit``."""
    return torch.randint(0, limit, shape)


def flags(*shape: int) -> torch.Tensor:
    """True and false."""
    return torch.rand(*shape) > 0.5
