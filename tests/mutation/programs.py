"""Random programs as modules: their text, chosen by hypothesis, and what it means to torch at several sizes."""

from __future__ import annotations

import copy
import itertools
import linecache
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import hypothesis.strategies as st
import torch

from tests.mutation.lines import HEADS, READS, REBINDS, RESHAPES, UNSCRIPTED, VIEWS, WRITES

#: A line's template and the numbers that choose what it works on.
Line = tuple[str, int, int, int]
#: A block's head, its lines, and those of the other branch.
Block = tuple[str, int, list[Any], list[Any]]
#: The sizes that a program is exported with, and those that it is run with as well.
SIZES = ((4, 6), (6, 8))
#: ``n`` and ``flag`` of the calls of a program with blocks; the first is the example.
CHOICES = ((2, True), (0, False), (1, False), (3, True))

_MOST_ELEMENTS = 400
_MOST_AXES = 4
_POOL = 7
_LENGTH = 14

_HEAD = """
import torch

class Inner(torch.nn.Module):
    def forward(self, t: torch.Tensor):
        u = t[..., 0]
        u.mul_(2)
        t.add_(1)
        return u

class Program(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Inner()
        self.register_buffer("state", torch.arange(12.0).reshape(4, 3) - 5)
        self.register_buffer("count", torch.tensor(3))
        self.weight = torch.nn.Parameter(torch.arange(8.0).reshape(2, 4) - 3)

"""

_number = st.integers(0, 7)


def _line(*kinds: Sequence[str]) -> st.SearchStrategy[Line]:
    return st.tuples(st.one_of(*(st.sampled_from(kind) for kind in kinds)), _number, _number, st.integers(0, 3))


def straight_programs(*, scripted: bool) -> st.SearchStrategy[list[Line]]:
    """Programs without blocks."""
    line = _line(VIEWS, READS, WRITES, WRITES, RESHAPES, *([] if scripted else [UNSCRIPTED]))
    return st.lists(line, min_size=3, max_size=_LENGTH)


def _blocks(depth: int) -> st.SearchStrategy[list[Any]]:
    line = _line(VIEWS, READS, WRITES, WRITES, REBINDS)
    if depth == 0:
        return st.lists(line, min_size=1, max_size=4)
    block = st.tuples(st.sampled_from(HEADS), _number, _blocks(depth - 1), st.one_of(st.just([]), _blocks(depth - 1)))
    return st.lists(st.one_of(line, line, line, block), min_size=2, max_size=8)


def block_programs() -> st.SearchStrategy[list[Any]]:
    """Programs with branches and loops in one another."""
    return _blocks(2)


def inputs(size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """``x: (n, m) float`` and ``y: (m,) float`` with different small elements, which are halves."""
    rows, columns = size
    x = (torch.arange(float(rows * columns)).reshape(rows, columns) * 7 % 11 - 5) / 2
    return x, torch.arange(float(columns)) % 5 - 2


@dataclass(frozen=True)
class Text:
    """A program.

    Attributes:
        source: the source of a module with the class ``Program``.
        writes: how many of its lines write.
    """

    source: str
    writes: int

    def module(self) -> Any:
        """A new module, whose source can be found, as scripting needs it."""
        name = f"<random program {hash(self.source)}>"
        linecache.cache[name] = (len(self.source), None, self.source.splitlines(keepends=True), name)
        scope: dict[str, Any] = {"__name__": "tests.mutation.random"}
        exec(compile(self.source, name, "exec"), scope)
        return scope["Program"]().eval()


def text_of(steps: Sequence[Any], signature: str) -> Text:
    """The program of some steps: those of its lines that torch takes at all sizes."""
    return _Writer().write(steps, signature)


class _Writer:
    """Writes lines, and runs each at all sizes to see whether torch takes it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names = ["x", "y"]
        self.writes = 0
        self._numbers = itertools.count()
        self._holder = Text(f"{_HEAD}    def forward(self, x):\n        return x\n", 0)
        self._done: list[str] = []
        self._scopes = [self._replayed(size) for size in SIZES]

    def write(self, steps: Sequence[Any], signature: str) -> Text:
        """The program as text."""
        with torch.no_grad(), warnings.catch_warnings():
            # What torch deprecates, as writes to expanded tensors, is no case.
            warnings.simplefilter("error")
            self._steps(steps, 2)
        result = ", ".join(self.names[-_POOL:] + [name for name in ("x", "y") if name not in self.names[-_POOL:]])
        body = "\n".join([f"    def forward(self, {signature}):", *self.lines, f"        return {result}", ""])
        return Text(_HEAD + body, self.writes)

    def _steps(self, steps: Sequence[Any], depth: int) -> None:
        for step in steps:
            if isinstance(step[2], list):
                self._block(step, depth)
            else:
                self._line(step, depth)

    def _line(self, line: Line, depth: int) -> None:
        template, first, second, number = line
        pool = self.names[-_POOL:]
        a, b = pool[-1 - first % len(pool)], pool[-1 - second % len(pool)]
        new = f"v{next(self._numbers)}"
        text = template.format(a=a, b=b, i=number, n=new)
        writes = template not in (*VIEWS, *READS, *REBINDS)
        if not all(self._runs(scope, text, new, a, b, writes) for scope in self._scopes):
            # It may have done a part of its work.
            self._scopes = [self._replayed(size) for size in SIZES]
            return
        self._done.append(text)
        self.writes += writes
        self.lines += [f"{'    ' * depth}{part}" for part in text.split("\n")]
        if "{n}" in template:
            self.names.append(new)

    def _replayed(self, size: tuple[int, int]) -> dict[str, Any]:
        x, y = inputs(size)
        scope = {"x": x, "y": y, "self": self._holder.module(), "torch": torch, "n": 2, "flag": True}
        for text in self._done:
            exec(text, scope)
        return scope

    @staticmethod
    def _runs(scope: dict[str, Any], text: str, new: str, a: str, b: str, writes: bool) -> bool:
        # Where several elements are one, what a write gives is not defined.
        if writes and any(torch._debug_has_internal_overlap(scope[name]) for name in (a, b)):
            return False
        before, axes = scope[a], scope[a].dim()
        try:
            exec(text, scope)
        except (RuntimeError, IndexError, TypeError, ValueError, Warning):
            return False
        after = scope[a]
        if "squeeze" in text and "unsqueeze" not in text and axes == scope.get(new, after).dim():
            # Of an axis of dynamic size, it is not known whether it goes.
            return False
        if text.startswith(f"{a} = ") and (after.dim() != before.dim() or after.dtype != before.dtype):
            return False
        tensors = [value for value in scope.values() if isinstance(value, torch.Tensor)]
        return all(0 < tensor.numel() < _MOST_ELEMENTS and tensor.dim() <= _MOST_AXES for tensor in tensors)

    def _block(self, block: Block, depth: int) -> None:
        head, number, body, other = block
        pool = self.names[-_POOL:]
        line = head.format(a=pool[-1 - number % len(pool)], m=f"i{next(self._numbers)}")
        self._branch(line, body, depth)
        if head.startswith("if") and other:
            self._branch("else:", other, depth)

    def _branch(self, head: str, body: Sequence[Any], depth: int) -> None:
        known, start = list(self.names), len(self.lines)
        self.lines.append("    " * depth + head)
        self._steps(body, depth + 1)
        if len(self.lines) == start + 1:
            self.lines.append("    " * (depth + 1) + "pass")
        # What a block names is not known behind it.
        self.names = known


def results_of(model: Callable[..., Any], *args: Any) -> list[torch.Tensor] | None:
    """What torch gives for a call of a copy of the model; None if it does not take it."""
    fresh = copy.deepcopy(model) if isinstance(model, torch.nn.Module) else model
    try:
        with torch.no_grad():
            # Aliased results would be told apart by a runtime that copies: their values count.
            return [item.detach().clone() for item in fresh(*args)]
    except RuntimeError:
        return None
