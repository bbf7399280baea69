"""A second trace where the first one has fixed what matters: with tensors for numbers, and with other branches.

A first export tells which lines fix something, and its check whether outputs are wrong for that. The model is then
traced again with other :class:`~onnxport_frontend.Departures` on these lines. What numbers become is what the model
computes; that a branch may be taken always is no more than a guess, and is kept only if the check finds all outputs
right, those for the example included, which would not have taken it.
"""

from __future__ import annotations

import linecache
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from onnxport_frontend import Captured, Departures, Finding
from onnxport_ir import Model
from onnxport_ir.errors import FrozenValue, NeedsStatic, OnnxExporterError, UnsupportedOperators

from onnxport.comparison import compare_values
from onnxport.frozen_values import open_questions, suspected, turning_sizes
from onnxport.journal import Journal
from onnxport.loop_sources import is_uniform
from onnxport.other_inputs import example_sizes
from onnxport.selfcheck import Checked, ExampleDiffers

#: What these attempts may cost together where there are more than a few, and how many there are.
_BUDGET_S = 10.0
_FEW = 2
_MOST = 12
_ROUNDS = 3
#: The kinds of findings that a stand-in can keep a tensor for, and the functions that fix truth values of sizes.
_NUMBERS = frozenset({"int", "float", "number", "list", "len"})
_CHOOSING = ("max(", "min(")


#: A line, and what a tensor on it is to be.
_Turn = tuple[tuple[str, int], bool]


@dataclass(frozen=True, slots=True)
class Attempt:
    """An export up to its check.

    Attributes:
        captured: the capture.
        model: the finished model; None if it cannot be lowered.
        checked: what the check found.
        error: what the check raised.
        departures: what the trace did otherwise than the example.
        journal: what else has come to be known.
    """

    captured: Captured
    model: Model | None
    checked: Checked
    error: OnnxExporterError | None
    departures: Departures
    journal: Journal

    @property
    def is_wrong(self) -> bool:
        """Whether the trace has fixed something that gives wrong outputs, or that elements of inputs decide."""
        if self.model is None:
            return _needs_sizes(self.error) and any(
                finding.kind in _NUMBERS or _is_loop(finding) for finding in suspected(self.captured)
            )
        if self.error is not None or self.checked.limits:
            return isinstance(self.error, FrozenValue | None)
        return any(item.is_data for item in open_questions(self.captured, self.checked.cleared))

    @property
    def is_wrong_or_open(self) -> bool:
        """Whether a second trace can be better: not where the error is another one."""
        return self.is_wrong or (self.error is None and self.checked.sizes is None and bool(_number_count(self)))

    @property
    def is_right(self) -> bool:
        """Whether a check has found nothing wrong."""
        return self.error is None and self.checked.sizes is not None and not self.is_wrong


def improved(first: Attempt, attempt: Callable[[Departures], Attempt]) -> Attempt:
    """The first attempt, or a better one.

    Args:
        first: the export as the example goes.
        attempt: exports in another way.
    """
    if first.is_right or not first.is_wrong_or_open:
        return first
    search = _Search(first, attempt)
    search.keep_numbers()
    if not search.best.is_right:
        search.keep_loops()
    if not search.best.is_right:
        search.turn_branches()
    return search.best


class _Search:
    """The attempts so far.

    Attributes:
        best: the best of them.
    """

    def __init__(self, first: Attempt, attempt: Callable[[Departures], Attempt]) -> None:
        self.best = first
        self._attempt = attempt
        self._until = time.thread_time() + _BUDGET_S
        self._count = 0
        self._longest_s = 0.0

    def keep_numbers(self) -> None:
        """Try tensors for numbers: what was a number of Python's before may be made one on another line then."""
        last: Attempt | None = self.best
        for _ in range(_ROUNDS):
            if last is None or last.is_right or not _number_lines(last) - last.departures.kept:
                return
            last = self._try(replace(last.departures, kept=last.departures.kept | _number_lines(last)))
            if last is not None and (last.is_right or _is_better(last, self.best)):
                self.best = last

    def keep_loops(self) -> None:
        """Try loops for what loops over sizes have done one turn after the other."""
        # What a loop decides by its turn could come true beyond all turns that are tried.
        lines = frozenset(line for line in _lines(filter(_is_loop, _open(self.best))) if is_uniform(*line))
        if not lines or not self._can_check():
            return
        other = self._try(replace(self.best.departures, loops=lines))
        if other is not None and other.error is None and other.checked.sizes is not None:
            self.best = other
            if not other.is_right:
                self.keep_numbers()

    def _can_check(self) -> bool:
        return self.best.checked.sizes is not None or self.best.error is not None

    def turn_branches(self) -> None:
        """Try all branches that the example does not take and that have no effect on it."""
        if not self._can_check():
            return
        turns = _turns(self.best)
        harmless = self._harmless(turns)
        if not self.best.is_right and 0 < len(harmless) < len(turns):
            self._turned(harmless)

    def _harmless(self, turns: Sequence[_Turn]) -> list[_Turn]:
        """Those branches that leave the example's outputs as they are, found by halves."""
        if not turns or self.best.is_right:
            return []
        if self._turned(turns):
            return list(turns)
        half = len(turns) // 2
        return [] if not half else [*self._harmless(turns[:half]), *self._harmless(turns[half:])]

    def _turned(self, turns: Sequence[_Turn]) -> bool:
        """Whether the example's outputs are right with these branches."""
        other = self._try(replace(self.best.departures, branches=dict(turns)))
        if other is None or isinstance(other.error, ExampleDiffers):
            return False
        if other.is_right:
            self.best = other
        return True

    def _try(self, departures: Departures) -> Attempt | None:
        start = time.thread_time()
        if self._count == _MOST or (self._count >= _FEW and start + self._longest_s > self._until):
            return None
        self._count += 1
        try:
            return self._attempt(departures)
        except OnnxExporterError:
            # What the model does with tensors for numbers, or on other ways, need not be possible.
            return None
        finally:
            self._longest_s = max(self._longest_s, time.thread_time() - start)


def _is_better(other: Attempt, best: Attempt) -> bool:
    """Whether numbers that stayed tensors have left less that is fixed, and the example's outputs are the same."""
    if other.error is not None and best.error is None:
        return False
    if len(other.checked.limits) > len(best.checked.limits) or _number_count(other) >= _number_count(best):
        return False
    pairs = zip(best.captured.example_outputs, other.captured.example_outputs, strict=True)
    return all(compare_values(before, after) is None for before, after in pairs)


def _open(attempt: Attempt) -> list[Finding]:
    """What may be at fault: where something is, also what has been another value without an effect."""
    cleared = () if attempt.error is not None or attempt.checked.limits else attempt.checked.cleared
    return [finding for finding in suspected(attempt.captured) if finding not in cleared]


def _number_count(attempt: Attempt) -> int:
    return sum(finding.kind in _NUMBERS for finding in _open(attempt))


def _number_lines(attempt: Attempt) -> frozenset[tuple[str, int]]:
    """The lines on which numbers are made of tensors."""
    return _lines(
        finding
        for finding in _open(attempt)
        if finding.kind in _NUMBERS or (finding.kind == "bool" and _calls(finding, _CHOOSING))
    )


def _lines(findings: Iterable[Finding]) -> frozenset[tuple[str, int]]:
    return frozenset((f.place.file, f.place.line) for f in findings if f.place.file and f.place.line)


def _needs_sizes(error: OnnxExporterError | None) -> bool:
    """Whether nothing but sizes that are not known stands in the way of a model."""
    if isinstance(error, UnsupportedOperators):
        return all(isinstance(refusal.error, NeedsStatic) for refusal in error.refusals)
    return isinstance(error, NeedsStatic)


def _is_loop(finding: Finding) -> bool:
    return finding.kind == "iteration" or (finding.kind == "index" and _calls(finding, ("range(",)))


def _calls(finding: Finding, names: Sequence[str]) -> bool:
    """Whether the line of a finding calls one of these."""
    text = linecache.getline(finding.place.file or "", finding.place.line or 0)
    return any(name in text for name in names)


def _turns(attempt: Attempt) -> list[_Turn]:
    """The branches on sizes that could be taken always, with the truth value for that."""
    symbols = example_sizes(attempt.captured)
    found = []
    for finding in _open(attempt):
        place = finding.place
        if (
            finding.kind != "bool"
            or not finding.values
            or not place.file
            or not place.line
            or _calls(finding, _CHOOSING)
        ):
            continue
        if finding.depends is None or finding.depends.inputs or not finding.depends.is_known:
            # Whether other elements take the other way no check would know.
            continue
        if turning_sizes(attempt.captured, finding, symbols) != []:
            both = [True, False] if len(finding.values) == 2 else [not finding.values[0]]
            found += [((place.file, place.line), value) for value in both]
    return found


__all__ = ["Attempt", "improved"]
