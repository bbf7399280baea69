"""``prim::Loop``: ONNX's Loop, or its turns one after the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onnxport_ir import DType, Eqn, SequenceType, TensorType, Value, Var
from onnxport_ir.captured import Block as CapturedBlock, walk
from onnxport_ir.errors import LoweringError
from onnxport_ir.types import AnyType

from onnxport_symbolics.binder import Lowered
from onnxport_symbolics.emitter import Scope
from onnxport_symbolics.layouts import AsList, InColumns, Known, Layout, Leaf, Stacked, leaves, pack, unpack
from onnxport_symbolics.op import Op
from onnxport_symbolics.planner import Planner
from onnxport_symbolics.scans import Scan, collected, fits, proposed, scanned
from onnxport_symbolics.stacked_lists import as_sequence, whole
from onnxport_symbolics.structures import (
    UNINITIALIZED,
    Filled,
    ListCell,
    ModelRaises,
    Pieces,
    ReadWhileGrowing,
    cells_of,
    entangle,
    holding,
    sources_of,
)

if TYPE_CHECKING:
    from onnxport_symbolics.lower import Lowering

#: The script language writes ``while`` as a loop with this many turns.
_ENDLESS = 2**63 - 1
#: A loop that ONNX cannot express is unrolled if it has at most so many turns.
_FEW_TURNS = 64
#: A while loop is unrolled up to so many turns.
_MOST_TURNS = 1000
#: The types of what is carried have settled long before.
_MOST_ROUNDS = 8


def lower_loop(lowering: Lowering, eqn: Eqn) -> tuple[Lowered, ...]:
    """``prim::Loop(max_trip_count, condition, carried...)``: ONNX's Loop with the same carried values.

    A loop with a constant number of turns is unrolled where that is asked for, where ONNX's Loop cannot express what it
    does, and where it makes a list longer or shorter: the length is then known, and no sequence is needed.
    """
    turns, condition = lowering.value(eqn.args[0]), lowering.value(eqn.args[1])
    carried = [lowering.raw(arg) for arg in eqn.args[2:]]
    if any(map(lowering.is_poisoned, (turns, condition, *carried))):
        return lowering.poisoned(eqn)
    count, enters = known_int(turns), known_bool(condition)
    if enters is False or (count is not None and count <= 0):
        return tuple(carried)
    is_constant = enters is True and count is not None and count < _ENDLESS
    if enters is True and count is not None and lowering.loops == "unroll":
        # A loop with a break is written as a while loop: how many turns it has shows when it is unrolled.
        unrolled = _unroll(lowering, eqn, count, carried)
        if unrolled is not None:
            return unrolled
    is_short = is_constant and count is not None and count <= _FEW_TURNS
    _put_together(lowering, eqn)
    before = list(lowering.refusals)
    failure: LoweringError | None = None
    try:
        results = _Kept(lowering, eqn, carried, keeps_lengths=is_short).lower(turns, condition)
        if len(lowering.refusals) == len(before):
            return results
    except LoweringError as error:
        failure = error
    if is_short and count is not None:
        refusals, lowering.refusals[:] = list(lowering.refusals), before
        unrolled = _unroll(lowering, eqn, count, carried)
        if unrolled is not None:
            return unrolled
        lowering.refusals[:] = refusals
    if failure is not None:
        raise failure
    return lowering.poisoned(eqn)


def _put_together(lowering: Lowering, eqn: Eqn) -> None:
    """Put the pieces of lists together, of which a loop reads elements, that this be not done in each turn."""
    for inner in walk(eqn.blocks[0].eqns):
        if inner.op.base == "aten::__getitem__" and isinstance(inner.args[0], Var):
            cell = lowering.env.get(inner.args[0])
            content = cell.content if isinstance(cell, ListCell) else None
            if isinstance(content, Pieces) and whole(lowering.op, content) is None:
                # Without a way to make a sequence, what needs one says so.
                with suppress(LoweringError):
                    as_sequence(lowering.op, content)


def known_int(number: Lowered) -> int | None:
    """A number that is known during the export."""
    if isinstance(number, Value) and number.const is not None:
        return int(number.array().reshape(-1)[0])
    return number if isinstance(number, int) else None


def known_bool(condition: Lowered) -> bool | None:
    """A condition that is known during the export."""
    number = known_int(condition)
    return None if number is None else bool(number)


def outputs_of(op: Op, values: Sequence[Value]) -> list[Value]:
    """Values as outputs of the innermost open block: each the result of a node of its, none twice."""
    outputs: list[Value] = []
    for value in values:
        owned = op.own(value)
        outputs.append(op.alias(owned) if owned in outputs else owned)
    return outputs


def _unroll(lowering: Lowering, eqn: Eqn, count: int, carried: Sequence[Lowered]) -> tuple[Lowered, ...] | None:
    """The turns one after the other; None if the input decides how many there are."""
    (body,) = eqn.blocks
    values = list(carried)
    is_endless = count == _ENDLESS
    with lowering.attempt() as attempt:
        for turn in range(_MOST_TURNS if is_endless else count):
            lowering.env.update(zip(body.inputs, [turn, *values], strict=True))
            lowering.run(body.eqns)
            goes_on = known_bool(lowering.value(body.outputs[0]))
            values = [lowering.raw(out) for out in body.outputs[1:]]
            if goes_on is False:
                break
            if goes_on is None and turn + 1 < count:
                return None
        else:
            if is_endless:
                return None
        attempt.succeeded = True
    return tuple(values)


@dataclass(slots=True, eq=False)
class _Turn:
    """One turn of a loop, lowered with what is assumed of the carried values."""

    scope: Scope
    condition: Lowered
    ends: list[Lowered]
    lists: dict[ListCell, Lowered]


class _Kept:
    """A loop that stays one.

    The body is lowered with the types that the carried values begin with; where it gives others, once more with types
    that cover both, until it gives what was assumed.
    """

    def __init__(self, lowering: Lowering, eqn: Eqn, carried: list[Lowered], *, keeps_lengths: bool) -> None:
        self.lowering = lowering
        self.op = lowering.op
        self.eqn = eqn
        self.body: CapturedBlock = eqn.blocks[0]
        self.carried = [self._as_list(value, var.type) for value, var in zip(carried, eqn.outputs, strict=True)]
        self.keeps_lengths = keeps_lengths
        self.counter = Value(TensorType(DType.INT64, ()))
        self.planner = Planner(lowering.op, "turns of a loop", lowering.op.unknown_sizes.count)
        self.layouts = [self._assumed(index) for index in range(len(carried))]
        self.lists: dict[ListCell, Layout] = {}
        # The lists from outside that a carried list may be from the second turn on, and which two may be one.
        self.others: list[frozenset[ListCell]] = [frozenset()] * len(carried)
        self.pairs: frozenset[tuple[int, int]] = frozenset()
        # The lists, by place among the carried values or themselves, to which the loop does nothing but append.
        self.scans: dict[int | ListCell, Scan] = {}
        self.never: set[int | ListCell] = set()

    def lower(self, turns: Lowered, condition: Lowered) -> tuple[Lowered, ...]:
        """Emit the loop.

        Raises:
            LoweringError: if ONNX's Loop cannot express it.
        """
        lowering, op = self.lowering, self.op
        before, rounds = len(lowering.refusals), 0
        while True:
            del lowering.refusals[before:]
            turn, is_settled = self._round(before)
            if turn is not None and is_settled:
                break
            rounds += turn is not None
            if rounds == _MOST_ROUNDS:
                raise op.refuse("a loop whose carried values take ever new types")
            if self.keeps_lengths and (self.scans or any(map(_grows, (*self.layouts, *self.lists.values())))):
                raise op.refuse("a loop that makes a list longer or shorter")
        if len(lowering.refusals) > before:
            return lowering.poisoned(self.eqn)
        op.place = self.eqn.place
        return self._emit(turn, turns, condition)

    def _round(self, before: int) -> tuple[_Turn | None, bool]:
        """One turn, and whether it gives what was assumed; no turn if it does more to a list than to append to it."""
        try:
            turn = self._turn()
            is_settled = not self._loosened(turn)
        except ReadWhileGrowing as error:
            if not self._give_up({error.owner}):
                raise
            return None, False
        errors = (refusal.error for refusal in self.lowering.refusals[before:])
        owners = {error.owner for error in errors if isinstance(error, ReadWhileGrowing)}
        return (None, False) if self._give_up(owners) else (turn, is_settled)

    def _give_up(self, owners: set[Filled]) -> bool:
        """Carry lists that were taken for scanned ones; whether there are any."""
        found = [slot for slot, scan in self.scans.items() if scan.growing.owner in owners]
        for slot in found:
            self.never.add(slot)
            del self.scans[slot]
            if isinstance(slot, ListCell):
                self.lists.pop(slot, None)
            else:
                self.layouts[slot] = Known(self.carried[slot])
        return bool(found)

    def _scans(self, slot: int | ListCell, cell: ListCell, end: Lowered) -> Layout | None:
        """The layout of a list that is only appended to; None for others."""
        scan = self.scans.get(slot)
        if scan is None:
            scan = None if slot in self.never else proposed(self.op, cell, end, self.counter)
            if scan is not None:
                self.scans[slot] = scan
        else:
            added = scan.added(end)
            if added is None or not fits(self.planner, scan, added, scan.element):
                raise ReadWhileGrowing(scan.growing.owner)
        return None if scan is None else Known(scan.growing)

    def _as_list(self, value: Lowered, kind: AnyType) -> Lowered:
        """A list that has no name yet is one like others."""
        if isinstance(value, tuple) and isinstance(kind, SequenceType):
            return ListCell(value, kind.element, self.op.depth)
        return value

    def _assumed(self, index: int) -> Layout:
        formal, out = self.body.inputs[1 + index], self.body.outputs[1 + index]
        used = self.lowering.used
        if formal not in used and self.eqn.outputs[index] not in used:
            return Known(UNINITIALIZED)
        if out is formal or isinstance(self.carried[index], ListCell):
            # A list is often handed on by name only, while the loop writes to it.
            return Known(self.carried[index])
        return self.planner.layout(self.carried[index], self.eqn.outputs[index].type, changes=True)

    def _turn(self) -> _Turn:
        lowering, op = self.lowering, self.op
        types = [leaf for layout in (*self.layouts, *self.lists.values()) for leaf in leaves(layout)]
        formals = [Value(kind) for kind in types]
        scope = op.scope([self.counter, Value(TensorType(DType.BOOL, ())), *formals], name="loop")
        try:
            with lowering.block(scope) as lists:
                values = iter(formals)
                starts = [unpack(layout, values, op.depth) for layout in self.layouts]
                self._entangle(starts)
                for cell, layout in self.lists.items():
                    lowering.restore(cell, unpack(layout, values, op.depth))
                lowering.env.update(zip(self.body.inputs, [self.counter, *starts], strict=True))
                lowering.run(self.body.eqns)
                condition = lowering.value(self.body.outputs[0])
                ends = [lowering.raw(out) for out in self.body.outputs[1:]]
        except ModelRaises:
            raise op.refuse("a loop whose first turn raises an error") from None
        return _Turn(scope, condition, ends, lists)

    def _loosened(self, turn: _Turn) -> bool:
        """Widen the assumptions to what a turn gives; whether that was necessary."""
        planner, old = self.planner, (list(self.layouts), dict(self.lists), list(self.others), self.pairs)
        for index, (layout, end) in enumerate(zip(self.layouts, turn.ends, strict=True)):
            kind = self.eqn.outputs[index].type
            if isinstance(layout, Known) and (end is layout.lowered or layout.lowered is UNINITIALIZED):
                continue
            is_list = isinstance(layout, Known) and isinstance(layout.lowered, ListCell)
            if is_list or index in self.scans:
                found = self._scans(index, self.carried[index], end)
                if found is not None:
                    self.layouts[index] = AsList(found, self.carried[index].element)
                    continue
            start = planner.layout(self.carried[index], kind, changes=True) if is_list else layout
            if not self.lowering.is_poisoned(end):
                with holding(turn.lists):
                    layout_of_end = planner.layout(end, kind, changes=True)
                self.layouts[index] = planner.join(start, layout_of_end, kind)
        self._alias(turn)
        for cell, content in turn.lists.items():
            kind = SequenceType(cell.element)
            known = self.lists.get(cell)
            if known is None or cell in self.scans:
                found = self._scans(cell, cell, content)
                if found is not None:
                    self.lists[cell] = found
                    continue
            before = known or planner.layout(cell.content, kind, changes=True)
            if not self.lowering.is_poisoned(content):
                with holding(turn.lists):
                    layout_of_end = planner.layout(content, kind, changes=True)
                self.lists[cell] = planner.join(before, layout_of_end, kind)
        return (self.layouts, self.lists, self.others, self.pairs) != old

    def _alias(self, turn: _Turn) -> None:
        """Note which lists the carried ones may be in the next turn."""
        sources = [sources_of(way) for way in zip(self.carried, turn.ends, strict=True)]
        outer = [frozenset(cell for cell in found if cell.depth <= self.op.depth) for found in sources]
        self.others = [known | found for known, found in zip(self.others, outer, strict=True)]
        pairs = itertools.combinations(range(len(sources)), 2)
        self.pairs |= {(i, j) for i, j in pairs if sources[i] & sources[j]}

    def _entangle(self, starts: Sequence[Lowered]) -> None:
        carried = [index for index, start in enumerate(starts) if start is not self.carried[index]]
        ways = [[self.carried[index], *self.others[index]] for index in carried]
        entangle([starts[index] for index in carried], ways, self.op.depth)
        for left, right in self.pairs:
            for cell in cells_of(starts[left]):
                for other in set(cells_of(starts[right])) - {cell}:
                    cell.twins.add(other)
                    other.twins.add(cell)

    def _emit(self, turn: _Turn, turns: Lowered, condition: Lowered) -> tuple[Lowered, ...]:
        op, lowering, depth = self.op, self.lowering, self.op.depth
        layouts = [*self.layouts, *self.lists.values()]
        types = [self.planner.outside(leaf) for layout in layouts for leaf in leaves(layout)]
        with op.inside(turn.scope) as body, holding(turn.lists):
            ends = [*turn.ends, *(turn.lists[cell] for cell in self.lists)]
            slots = [*range(len(turn.ends)), *self.lists]
            scans = [
                (scan, scan.added(end) or ())
                for slot, end in zip(slots, ends, strict=True)
                if (scan := self.scans.get(slot)) is not None
            ]
            last = [value for way in zip(layouts, ends, strict=True) for value in pack(op, *way)]
            rows = [value for scan, added in scans for value in scanned(op, added, scan.element)]
            body.outputs = outputs_of(op, [op.scalar(turn.condition, DType.BOOL), *last, *rows])
        starts = [*self.carried, *(cell.content for cell in self.lists)]
        first = [value for way in zip(layouts, starts, strict=True) for value in pack(op, *way)]
        values: Iterator[Value] = iter(())
        contents: dict[int | ListCell, Lowered] = {}
        if types or rows:
            limit, goes_on = self._bounds(turn, turns, condition)
            if not first and goes_on is None:
                # An input can be left out only before others.
                goes_on = op.const(True)
            results_count = len(types) + len(rows)
            found = op.multi("Loop", results_count, limit, goes_on, *first, body=turn.scope.block)
            values = iter([op.retype(value, kind) for value, kind in zip(found, types, strict=False)])
            outputs = iter(found[len(types) :])
            of_slots = (slot for slot in slots if slot in self.scans)
            for slot, (scan, added) in zip(of_slots, scans, strict=True):
                contents[slot] = collected(self.planner, scan.before, scan.element, added, outputs)
        results = tuple(unpack(layout, values, depth) for layout in self.layouts)
        for index, result in enumerate(results):
            if index in contents:
                result.content = contents[index]
        changed = [index for index, layout in enumerate(self.layouts) if not isinstance(layout, Known)]
        ways = [(self.carried[index], turn.ends[index], *self.others[index]) for index in changed]
        entangle([results[index] for index in changed], ways, depth)
        for cell, layout in self.lists.items():
            content = unpack(layout, values, depth)
            lowering.restore(cell, contents.get(cell, content))
        return results

    def _bounds(self, turn: _Turn, turns: Lowered, condition: Lowered) -> tuple[Value | None, Value | None]:
        op, count = self.op, known_int(turns)
        limit = None if count is not None and count >= _ENDLESS else op.scalar(turns, DType.INT64)
        # Without a condition ONNX does not look at the one that the body gives.
        is_counted = limit is not None and known_bool(condition) is True and known_bool(turn.condition) is True
        return limit, None if is_counted else op.scalar(condition, DType.BOOL)


def _grows(layout: Layout) -> bool:
    """Whether a list is carried whose length is not known."""
    if isinstance(layout, AsList):
        return isinstance(layout.content, Leaf | InColumns) or _grows(layout.content)
    return isinstance(layout, Stacked) or (isinstance(layout, Leaf) and layout.is_list)
