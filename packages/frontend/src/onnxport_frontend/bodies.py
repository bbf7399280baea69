"""Branches and loops while graphs are followed: their bodies, and what they write to dictionaries and objects.

A dictionary exists only while a graph is followed. What a branch has written to one from outside becomes further
results of the branch; what a loop writes to one is carried from turn to turn, each entry as a value of its own.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from onnxport_ir.captured import Arg, Block, Eqn, OpName, TensorLiteral, Var
from onnxport_ir.errors import NotYetSupported, UnsafeMutation
from onnxport_ir.types import AnyType, OptionalType, ScalarType, SequenceType, TensorType, TupleType

from onnxport_frontend import _torch_private as private
from onnxport_frontend.dictionaries import EnumMember, Record, StaticDict, StaticObject, put_back
from onnxport_frontend.list_writes import is_written

if TYPE_CHECKING:
    from onnxport_frontend.inline import Frame, Inliner

# Any: what exists only while graphs are followed: Known, in inline.py.
_Known = Any
_Entries = Mapping[Record, Mapping[Any, _Known]]

_IF = OpName("prim", "If")
_LOOP = OpName("prim", "Loop")
_FEW_TURNS = 64
#: Which entries a loop carries, and their types, has settled long before.
_MOST_ROUNDS = 8


@dataclass(slots=True, eq=False)
class _Body:
    """A body after it was followed.

    Attributes:
        eqns: its equations.
        results: what it gives.
        written: what it leaves in dictionaries and objects from outside.
    """

    eqns: tuple[Eqn, ...]
    results: list[_Known]
    written: _Entries

    def entries(self, record: Record) -> Mapping[Any, _Known]:
        """What a record holds at the end."""
        return self.written[record] if record in self.written else record.sure()


def follow_if(inliner: Inliner, node: private.Node, frame: Frame) -> None:
    """``prim::If``: the branch that is taken if that is known, else both."""
    (condition,) = inliner.args(node, frame)
    branches = list(node.blocks())
    if isinstance(condition, bool):
        chosen = branches[0 if condition else 1]
        inliner.bind(node, inliner.run(chosen, frame), frame)
        return
    bodies = [_follow(inliner, functools.partial(inliner.run, branch, frame)) for branch in branches]
    join = _Join(inliner, condition, bodies)
    outputs = private.outputs_of(node)
    pairs = zip(bodies[0].results, bodies[1].results, outputs, strict=True)
    results = [join.value(left, right, output) for left, right, output in pairs]
    written = {record: join.entries(record) for record in dict.fromkeys([*bodies[0].written, *bodies[1].written])}
    blocks = tuple(Block((), body.eqns, tuple(out)) for body, out in zip(bodies, join.outputs, strict=True))
    inliner.emit(node, frame, _IF, (condition,), ("cond",), tuple(join.variables), blocks)
    for record, (entries, unsure) in written.items():
        inliner.journal.before(record)
        record.entries, record.unsure = entries, unsure
    inliner.bind(node, results, frame)


def follow_loop(inliner: Inliner, node: private.Node, frame: Frame) -> None:
    """``prim::Loop``: a loop, or its turns one after the other where it cannot be one."""
    trip_count, condition, *carried = inliner.known(node, frame)
    count = trip_count if isinstance(trip_count, int) and condition is True else None
    try:
        _Loop(inliner, node, frame, carried).keep(inliner.as_arg(trip_count), inliner.as_arg(condition))
    except (NotYetSupported, UnsafeMutation):
        # A dictionary, say, whose keys are those of the turns: they are known one by one.
        if count is None or count > _FEW_TURNS or not _unroll(inliner, node, frame, count, carried):
            raise


def _unroll(inliner: Inliner, node: private.Node, frame: Frame, count: int, carried: Sequence[_Known]) -> bool:
    """Follow the turns one after the other; gives whether their number is known."""
    (body,) = node.blocks()
    before, values = len(inliner.eqns), list(carried)
    with inliner.journal.level(math.inf) as states:
        for turn in range(count):
            inliner.enter(body.inputs(), [turn, *values], frame)
            goes_on, *values = inliner.run(body, frame)
            if not isinstance(goes_on, bool):
                del inliner.eqns[before:]
                put_back(states)
                return False
            if not goes_on:
                break
    inliner.bind(node, values, frame)
    return True


def _follow(inliner: Inliner, run: Callable[[], list[_Known]]) -> _Body:
    """Follow a body; dictionaries and objects from outside hold afterwards what they held before."""
    with inliner.journal.level(inliner.block_depth + 1) as states:
        try:
            eqns, results = inliner.collect(run)
        finally:
            written = put_back(states)
    return _Body(eqns, results, written)


@dataclass(slots=True)
class _Join:
    """What comes out of the branches of an If.

    Attributes:
        inliner: gives variables.
        condition: which branch is taken.
        bodies: the branches.
        outputs: what each branch gives.
        variables: the results of the If.
    """

    inliner: Inliner
    condition: Arg
    bodies: Sequence[_Body]
    outputs: tuple[list[Arg], list[Arg]] = field(default_factory=lambda: ([], []))
    variables: list[Var] = field(default_factory=list)

    def value(self, left: _Known, right: _Known, output: private.Value | None = None) -> _Known:
        """A value that is one or the other; ``output`` is the node's result that it is."""
        if left is right and not isinstance(left, Var):
            return left
        if isinstance(left, Record) or isinstance(right, Record):
            return self._record(left, right)
        if _holds_record(left) or _holds_record(right):
            return self._tuple(left, right)
        if left is right or (isinstance(left, EnumMember) and left == right):
            return left
        if output is not None:
            return self._typed(left, right, self.inliner.typer.unknown(output))
        kind = _joined(self.inliner.type_of(left), self.inliner.type_of(right))
        return self._typed(left, right, self.inliner.variable(kind))

    def _typed(self, left: _Known, right: _Known, variable: Var) -> _Known:
        """A value for which there is a variable. A tuple is its items, as each of them may have other names."""
        kind = variable.type
        if isinstance(kind, TupleType) and any(isinstance(way, tuple) for way in (left, right)):
            sides = self._sides(left, right)
            if sides is not None and all(len(side) == len(kind.elements) for side in sides):
                items = zip(*sides, kind.elements, strict=True)
                return tuple([self._typed(one, other, self.inliner.variable(item)) for one, other, item in items])
        ways = (self.inliner.as_arg(left), self.inliner.as_arg(right))
        for outputs, way in zip(self.outputs, ways, strict=True):
            outputs.append(way)
        self.variables.append(variable)
        self.inliner.identities.chosen(variable, self, self.condition, ways)
        return variable

    def _tuple(self, left: _Known, right: _Known) -> _Known:
        sides = self._sides(left, right)
        if sides is None:
            raise NotYetSupported("a tuple that is something else in another branch")
        return tuple([self.value(*pair) for pair in zip(*sides, strict=True)])

    def _sides(self, left: _Known, right: _Known) -> list[Sequence[_Known]] | None:
        """The items of two tuples, one of which may be a value that nobody reads; None if they are no such."""
        length = len(left if isinstance(left, tuple) else right)
        sides = [[side] * length if self.inliner.is_uninitialized(side) else side for side in (left, right)]
        if any(not isinstance(side, (list, tuple)) or len(side) != length for side in sides):
            return None
        return sides

    def entries(self, record: Record) -> tuple[dict[Any, _Known], frozenset[Any]]:
        """What a record from outside holds afterwards, and the keys that it may or may not have."""
        sides = [body.entries(record) for body in self.bodies]
        keys = [key for key in sides[0] if key in sides[1]]
        doubtful = frozenset(key for side in sides for key in side if key not in keys)
        if not doubtful and list(sides[0]) != list(sides[1]):
            raise NotYetSupported(f"{record.what} that has its keys in another order in some runs")
        return {key: self.value(sides[0][key], sides[1][key]) for key in keys}, doubtful | record.unsure

    def _record(self, left: _Known, right: _Known) -> _Known:
        sides = (left, right)
        if any(map(self.inliner.is_uninitialized, sides)):
            # The branch has left the function or the loop: nobody reads what it gives.
            record = left if isinstance(left, Record) else right
            keys = list(self._entries(sides.index(record), record))
        elif isinstance(left, Record) and type(left) is type(right):
            record, keys = left, list(self._entries(0, left))
            if keys != list(self._entries(1, right)):
                raise NotYetSupported(f"{left.what} with other keys in another branch")
        else:
            raise NotYetSupported("a dictionary or an object that is something else, or None, in another branch")
        entries = {key: self.value(*(self._entry(i, side, key) for i, side in enumerate(sides))) for key in keys}
        outer = [side for side in sides if isinstance(side, Record) and side.depth <= self.inliner.block_depth]
        for side in outer:
            side.is_shared = True
        return _like(record, entries, self.inliner.block_depth, is_shared=bool(outer))

    def _entry(self, index: int, side: _Known, key: Any) -> _Known:
        return self._entries(index, side)[key] if isinstance(side, Record) else side

    def _entries(self, index: int, record: Record) -> Mapping[Any, _Known]:
        return self.bodies[index].entries(record)


class _Loop:
    """A loop that stays one.

    The body is followed once to see which entries of dictionaries and objects it writes, and then with variables in
    their place, until it writes no others.
    """

    def __init__(self, inliner: Inliner, node: private.Node, frame: Frame, carried: Sequence[_Known]) -> None:
        self.inliner = inliner
        self.node = node
        self.frame = frame
        self.carried = carried
        (self.body,) = node.blocks()
        # Those of the carried values that are records: the record at the start, or the one that a turn gives where
        # there is none at the start.
        self.records = {index: record for index, record in enumerate(carried) if isinstance(record, Record)}
        # The types of what is carried of each record, by key.
        self.types: dict[Record, dict[Any, AnyType]] = {}
        for record in self.records.values():
            self.types[record] = {key: _joined(inliner.type_of(value), None) for key, value in record.sure().items()}

    def _from_outside(self) -> list[Record]:
        """The records that are written to, rather than carried."""
        return [record for record in self.types if record not in self.records.values()]

    def keep(self, trip_count: Arg, condition: Arg) -> None:
        """Emit the loop.

        Raises:
            NotYetSupported: if what it carries cannot be.
        """
        for initial, value in zip(self.carried, self._formals(), strict=True):
            if isinstance(initial, tuple) and is_written(value, self.inliner.schemas):
                raise UnsafeMutation("a loop writes to a list that it was given")
        for _ in range(_MOST_ROUNDS):
            counter, variables, starts, formals = self._start()
            body = _follow(self.inliner, lambda: self._turn(counter, starts, formals))  # noqa: B023 - called at once
            if not self._widened(body, formals):
                break
        else:
            raise NotYetSupported("a loop that writes ever more entries of a dictionary")
        self._emit((trip_count, condition), (counter, *variables), body)

    def _formals(self) -> list[private.Value]:
        return list(self.body.inputs())[1:]

    def _start(self) -> tuple[Var, list[Var], list[_Known], dict[Record, dict[Any, Var]]]:
        """Variables for a turn: the counter's, all carried ones, what the graph's are, and those of records."""
        inliner = self.inliner
        counter = inliner.typer.unknown(next(iter(self.body.inputs())))
        variables: list[Var] = []
        starts: list[_Known] = []
        for index, (initial, value) in enumerate(zip(self.carried, self._formals(), strict=True)):
            if index in self.records:
                record = self.records[index]
                entries = {key: inliner.variable(kind) for key, kind in self.types[record].items()}
                variables += entries.values()
                starts.append(_like(record, dict(entries), inliner.block_depth + 1, is_shared=True))
            else:
                starts.append(inliner.typer.unknown(value))
                variables.append(starts[-1])
                if inliner.is_uninitialized(initial):
                    inliner.never_read(starts[-1])
        formals = {
            record: {key: inliner.variable(kind) for key, kind in self.types[record].items()}
            for record in self._from_outside()
        }
        variables += [variable for found in formals.values() for variable in found.values()]
        return counter, variables, starts, formals

    def _turn(self, counter: Var, starts: list[_Known], formals: dict[Record, dict[Any, Var]]) -> list[_Known]:
        inliner = self.inliner
        for record, variables in formals.items():
            inliner.journal.before(record)
            record.entries = {**record.sure(), **variables}
        inliner.identities.may_be_old([counter, *(start for start in starts if isinstance(start, Var))])
        inliner.identities.may_be_old(variable for found in formals.values() for variable in found.values())
        inliner.enter(self.body.inputs(), [counter, *starts], self.frame)
        return inliner.run(self.body, self.frame)

    def _widened(self, body: _Body, formals: Mapping[Record, Mapping[Any, Var]]) -> bool:
        """Let what is carried cover what a turn gives; whether that was necessary."""
        before = {record: dict(kinds) for record, kinds in self.types.items()}
        for index, (initial, end) in enumerate(zip(self.carried, body.results[1:], strict=True)):
            if isinstance(end, Record) and self.inliner.is_uninitialized(initial):
                found = self.records.setdefault(index, end)
                self._widen(found, dict(body.entries(end)))
            elif index in self.records:
                self._widen(self.records[index], self._ends(self.records[index], end, body))
        for record, ends in body.written.items():
            if list(ends) != list(record.sure()):
                raise UnsafeMutation(
                    f"a loop adds or removes entries of {record.what}",
                    why="ONNX has no dictionaries, so that their keys must be known",
                    hint="Collect the values in a list, or write all entries before the loop.",
                )
            known = formals.get(record, {})
            changed = {key: end for key, end in ends.items() if end is not known.get(key, record.entries[key])}
            self._widen(record, changed)
        return self.types != before

    def _ends(self, initial: Record, end: _Known, body: _Body) -> Mapping[Any, _Known]:
        if type(end) is not type(initial):
            raise NotYetSupported(f"{initial.what} that a loop replaces by something else")
        ends = body.entries(end)
        if list(ends) != list(initial.sure()):
            raise NotYetSupported(f"{initial.what} that has other keys in the next turn of a loop")
        for record in (initial, end):
            # After the loop it may be either, and in the next turn the last one's.
            if record.depth <= self.inliner.block_depth:
                record.is_shared = True
        return ends

    def _widen(self, record: Record, ends: Mapping[Any, _Known]) -> None:
        kinds = self.types.setdefault(record, {})
        for key, end in ends.items():
            start = kinds.get(key) or self.inliner.type_of(record.sure()[key])
            kinds[key] = _joined(start, self.inliner.type_of(end))

    def _emit(self, bounds: tuple[Arg, Arg], inputs: tuple[Var, ...], body: _Body) -> None:
        inliner = self.inliner
        first: list[Arg] = []
        last: list[Arg] = [inliner.as_arg(body.results[0])]
        outputs: list[Var] = []
        results: list[_Known] = []
        outs = private.outputs_of(self.node)
        for index, (initial, end, value) in enumerate(zip(self.carried, body.results[1:], outs, strict=True)):
            if index in self.records:
                record = self.records[index]
                starts = initial.sure() if isinstance(initial, Record) else dict.fromkeys(self.types[record], initial)
                found = self._leave(starts, body.entries(end), self.types[record], (first, last, outputs))
                results.append(_like(record, found, inliner.block_depth, is_shared=True))
            else:
                first.append(inliner.as_arg(initial))
                last.append(inliner.as_arg(end))
                outputs.append(inliner.typer.unknown(value))
                results.append(outputs[-1])
        written = {
            record: self._leave(record.sure(), body.entries(record), self.types[record], (first, last, outputs))
            for record in self._from_outside()
        }
        inliner.identities.may_be_old(outputs)
        names = ("max_trip_count", "cond", *(f"carried{index}" for index in range(len(first))))
        block = Block(inputs, body.eqns, tuple(last))
        inliner.emit(self.node, self.frame, _LOOP, (*bounds, *first), names, tuple(outputs), (block,))
        for record, entries in written.items():
            inliner.journal.before(record)
            record.entries = {**record.sure(), **entries}
        inliner.bind(self.node, results, self.frame)

    def _leave(
        self,
        starts: Mapping[Any, _Known],
        ends: Mapping[Any, _Known],
        kinds: Mapping[Any, AnyType],
        into: tuple[list[Arg], list[Arg], list[Var]],
    ) -> dict[Any, _Known]:
        """Carry the entries of a record; gives what they are after the loop."""
        first, last, outputs = into
        found: dict[Any, _Known] = {}
        for key, kind in kinds.items():
            first.append(self.inliner.as_arg(starts[key]))
            last.append(self.inliner.as_arg(ends[key]))
            found[key] = self.inliner.variable(kind)
            outputs.append(found[key])
        return found


def _holds_record(known: _Known) -> bool:
    return isinstance(known, tuple) and any(isinstance(item, Record) or _holds_record(item) for item in known)


def _like(record: Record, entries: dict[Any, _Known], depth: int, *, is_shared: bool = False) -> Record:
    """Another dictionary or object of the same kind."""
    if isinstance(record, StaticObject):
        return StaticObject(entries, depth, is_shared=is_shared, kind=record.kind)
    return StaticDict(entries, depth, is_shared=is_shared)


def type_of(arg: Arg) -> AnyType:
    """What the compiler knows of a value, which is nothing of a tensor's element type and sizes.

    Raises:
        NotYetSupported: for what no variable can be.
    """
    match arg:
        case Var():
            return _without_sizes(arg.type)
        case TensorLiteral():
            return TensorType()
        case None:
            return ScalarType("none")
        case bool():
            return ScalarType("bool")
        case int():
            return ScalarType("int")
        case float():
            return ScalarType("float")
        case str():
            return ScalarType("str")
        case tuple():
            return TupleType(tuple(map(type_of, arg)))
    raise NotYetSupported(f"{arg!r} as a value that a branch or loop gives")


def _without_sizes(kind: AnyType) -> AnyType:
    match kind:
        case TensorType():
            return TensorType()
        case SequenceType(element):
            return SequenceType(_without_sizes(element))
        case OptionalType(element):
            return OptionalType(_without_sizes(element))
        case TupleType(elements):
            return TupleType(tuple(map(_without_sizes, elements)))
    return kind


def _joined(left: AnyType | None, right: AnyType | None) -> AnyType:
    """The type of a value that is one or the other; None is that of a value which nobody reads."""
    if left is None or right is None:
        found = right if left is None else left
        if found is None:
            raise NotYetSupported("a value that no branch gives")
        return found
    if left == right:
        return left
    for one, other in ((left, right), (right, left)):
        if one == ScalarType("none"):
            return other if isinstance(other, OptionalType) else OptionalType(other)
        if isinstance(one, OptionalType):
            inner = other.element if isinstance(other, OptionalType) else other
            return OptionalType(_joined(one.element, inner))
        if isinstance(one, SequenceType) and isinstance(other, TupleType):
            return one
    if isinstance(left, TupleType) and isinstance(right, TupleType) and len(left.elements) == len(right.elements):
        return TupleType(tuple(_joined(a, b) for a, b in zip(left.elements, right.elements, strict=True)))
    raise NotYetSupported(f"an entry of a dictionary or an attribute that is of type {left} or {right}")
