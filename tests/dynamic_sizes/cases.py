"""Cases whose every axis is dynamic: what they are made of."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

#: The sizes of the example, by letter.
EXAMPLE = {"b": 2, "s": 3, "d": 4, "h": 6, "w": 8, "n": 5, "k": 3, "c": 4}
#: Others, which differ from those of the example in every axis.
OTHER = {"b": 5, "s": 7, "d": 6, "h": 9, "w": 11, "n": 8, "k": 4, "c": 2}


@dataclasses.dataclass(frozen=True)
class Case:
    """A function with tensors of which every axis that has a letter is dynamic.

    Attributes:
        name: for the report.
        function: a function or module.
        inputs: a kind and sizes for each tensor, as ``"b s 4"`` for floats; ``"i9 b s"`` are integers below 9,
            ``"? b s"`` truth values and ``"+ b s"`` positive floats. Equal letters are equal sizes.
        since: the lowest opset that can express it.
        sizes: other sizes than usual, by letter, in the example and in the other inputs.
        loud: why the runtime fails on some tensors without elements, rather than give what torch gives.
        nothing: why tensors without elements are not tried.
        refused: what the refusal says, if there is no export at all.
    """

    name: str
    function: Callable[..., Any]  # Any: arguments and results of models
    inputs: tuple[str, ...]
    since: int = 7
    sizes: tuple[Mapping[str, int], Mapping[str, int]] = ({}, {})
    loud: str = ""
    nothing: str = ""
    refused: str = ""

    def __str__(self) -> str:
        return self.name

    def letters(self) -> list[str]:
        """The letters of the sizes, in order."""
        found = [token for text in self.inputs for token in _sizes_of(text) if token.isalpha()]
        return list(dict.fromkeys(found))

    def example(self) -> tuple[Tensor, ...]:
        """The tensors of the example."""
        return self.tensors(EXAMPLE | dict(self.sizes[0]))

    def others(self) -> Iterator[tuple[dict[str, int], tuple[Tensor, ...]]]:
        """Tensors of other sizes: all larger, each 1, all 1, each 0."""
        larger, first = OTHER | dict(self.sizes[1]), EXAMPLE | dict(self.sizes[0])
        letters = self.letters()
        choices = [larger, *(larger | {letter: 1} for letter in letters), dict.fromkeys(letters, 1)]
        choices += [first | {letter: 0} for letter in letters]
        for sizes in choices:
            chosen = {letter: sizes[letter] for letter in letters}
            yield chosen, self.tensors(chosen)

    def tensors(self, sizes: Mapping[str, int]) -> tuple[Tensor, ...]:
        """The tensors of certain sizes."""
        return tuple(_tensor(text, sizes, index) for index, text in enumerate(self.inputs))

    def axes(self) -> dict[int, dict[int, str]]:
        """The dynamic axes, by input."""
        named = {
            index: {axis: token for axis, token in enumerate(_sizes_of(text)) if token.isalpha()}
            for index, text in enumerate(self.inputs)
        }
        return {index: axes for index, axes in named.items() if axes}


def case(name: str, function: Callable[..., Any], *inputs: str, **options: Any) -> Case:
    """A case."""
    return Case(name, function, inputs, **options)


def _kind(text: str) -> str:
    first = text.split(maxsplit=1)[0] if text.split() else ""
    return first if first[:1] in ("?", "+") or (first[:1] == "i" and first[1:].isdigit()) else ""


def _sizes_of(text: str) -> list[str]:
    return text.split()[1:] if _kind(text) else text.split()


def _tensor(text: str, sizes: Mapping[str, int], index: int) -> Tensor:
    shape = [sizes[token] if token.isalpha() else int(token) for token in _sizes_of(text)]
    kind, count = _kind(text), math.prod(shape)
    places = torch.arange(1, count + 1)
    if kind == "?":
        return (places * 5 % 3 > 0).reshape(shape)
    if kind.startswith("i"):
        return (places * 7 % int(kind[1:])).reshape(shape)
    numbers = torch.sin(places.to(torch.float32) * 1.37 + index) * 1.5
    return (numbers.abs() + 0.1 if kind == "+" else numbers).reshape(shape)
