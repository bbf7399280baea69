"""Loops that a trace has unrolled although a size decides how many turns they have, as loops again.

``for t in range(x.shape[1])`` leaves its turns one behind the other in a trace. Where a second trace has left marks
between them (:mod:`onnxport_frontend.departures`), and the turns are the same but for values that they hand on and for
numbers that grow evenly from turn to turn, they are one ``prim::Loop``. That they would be the same for other sizes,
too, is for a check to find out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from onnxport_ir.captured import Arg, Block, CapturedGraph, Eqn, ModuleCall, OpName, TensorLiteral, Var
from onnxport_ir.dims import DimSource, hint_of
from onnxport_ir.dtypes import DType
from onnxport_ir.errors import NotYetSupported
from onnxport_ir.tensors import ArrayTensor
from onnxport_ir.types import AnyType, ScalarType, SequenceType, TensorType

_PRINT = OpName("prim", "Print")
_MARK = "onnxport turn"
_INT = ScalarType("int")
#: Fewer turns cannot be compared.
_FEWEST = 2

#: The place of a value in a turn: its equation, and which of the results.
_Slot = tuple[int, int]


def turn_text(loop: int, turn: int) -> str:
    """The text that a trace prints, with the number of turns, before a turn; -1 stands for the end."""
    return f"{_MARK} {loop} {turn}"


def _turn_of(eqn: Eqn) -> tuple[int, int, Arg] | None:
    if eqn.op != _PRINT:
        return None
    args = eqn.args[0] if len(eqn.args) == 1 and isinstance(eqn.args[0], tuple) else eqn.args
    if len(args) != 2 or not isinstance(args[0], str) or not args[0].startswith(_MARK):
        return None
    loop, turn = args[0].removeprefix(_MARK).split()
    return int(loop), int(turn), args[1]


def rolled(graph: CapturedGraph) -> CapturedGraph:
    """The graph with a loop for the turns of each loop that has marks.

    Raises:
        NotYetSupported: if turns differ.
    """
    places: dict[int, list[tuple[int, int, Arg]]] = {}
    for index, eqn in enumerate(graph.eqns):
        found = _turn_of(eqn)
        if found is not None:
            places.setdefault(found[0], []).append((index, found[1], found[2]))
    if not places:
        return graph
    new: list[Eqn] = []
    at: list[int] = []
    names: dict[Any, Arg] = {}
    position = 0
    for marks in sorted(places.values(), key=lambda marks: marks[0][0]):
        begin, end = marks[0][0], marks[-1][0]
        if begin < position or marks[-1][1] != -1:
            raise _refused("a loop within a loop, or one that ends early")
        for eqn in graph.eqns[position:begin]:
            at.append(len(new))
            new.append(_renamed(eqn, names))
        turns = [
            [_renamed(eqn, names) for eqn in graph.eqns[first[0] + 1 : last[0]]]
            for first, last in itertools.pairwise(marks)
        ]
        at += [len(new)] * (end + 1 - begin)
        made, more = _loop(turns, _rename(marks[0][2], names), _read(graph, end + 1))
        new += made
        names |= more
        position = end + 1
    for eqn in graph.eqns[position:]:
        at.append(len(new))
        new.append(_renamed(eqn, names))
    at.append(len(new))
    outputs = tuple(replace(output, value=_rename(output.value, names)) for output in graph.outputs)
    calls = [ModuleCall(call.path, call.class_name, at[call.first], at[call.last]) for call in graph.calls]
    kept = tuple(call for call in calls if call.first < call.last)
    return replace(graph, eqns=tuple(new), outputs=outputs, calls=kept)


def _loop(turns: Sequence[Sequence[Eqn]], count: Arg, later: Sequence[Arg]) -> tuple[list[Eqn], dict[Any, Arg]]:
    """The loop, without a turn in front of it if it can be."""
    if len(turns) > _FEWEST and len(turns[-1]) < len(turns[-2]) == len(turns[-3]):
        turns = [*turns[:-1], _completed(turns[-3], turns[-2], turns[-1])]
    for first in (0, 1):
        try:
            return _Loop(turns, count, first).build(later)
        except _Differs:
            continue
    raise _refused("a loop whose turns differ")


def _completed(before: Sequence[Eqn], turn: Sequence[Eqn], last: Sequence[Eqn]) -> Sequence[Eqn]:
    """The last turn with what only a next one would read, which a trace drops.

    Args:
        before: the turn before the one before.
        turn: the turn before the last.
        last: the last turn.
    """
    names: dict[Any, Arg] = {}
    for old, new in zip(before, turn, strict=True):
        if len(old.outputs) != len(new.outputs):
            return last
        names.update(zip(old.outputs, new.outputs, strict=True))
    result: list[Eqn] = []
    waiting = list(last)
    for old, new in zip(before, turn, strict=True):
        if len(old.args) != len(new.args):
            return last
        args = tuple(_rename(_next(*pair), names) for pair in zip(old.args, new.args, strict=True))
        eqn = waiting[0] if waiting else None
        if eqn is None or eqn.op != new.op or not _are_equal(eqn.args, args):
            eqn = replace(new, args=args, outputs=tuple(Var(out.type) for out in new.outputs))
        else:
            waiting.pop(0)
        if len(eqn.outputs) != len(new.outputs):
            return last
        names.update(zip(new.outputs, eqn.outputs, strict=True))
        result.append(eqn)
    return last if waiting else result


def _next(before: Arg, arg: Arg) -> Arg:
    """An argument in the next turn, but for variables."""
    if isinstance(before, tuple) and isinstance(arg, tuple) and len(before) == len(arg):
        return tuple(map(_next, before, arg))
    old, new = _number(before), _number(arg)
    if old is None or new is None or old == new:
        return arg
    if isinstance(arg, TensorLiteral):
        return TensorLiteral(ArrayTensor.of(np.array(2 * new - old)))
    return 2 * new - old


def _are_equal(left: Sequence[Arg], right: Sequence[Arg]) -> bool:
    return len(left) == len(right) and all(map(_is_equal, left, right))


def _read(graph: CapturedGraph, position: int) -> list[Arg]:
    """What is read from an equation on."""
    args = [arg for eqn in graph.eqns[position:] for arg in _args(eqn)]
    return args + [output.value for output in graph.outputs]


def _args(eqn: Eqn) -> Iterable[Arg]:
    yield from eqn.args
    for block in eqn.blocks:
        for inner in block.eqns:
            yield from _args(inner)
        yield from block.outputs


class _Differs(Exception):
    """Turns are not the same."""


class _Loop:
    """The turns of a loop, from some turn on; what is before stays as it is.

    Args:
        turns: the equations of each.
        count: how many there are, as the graph computes it.
        first: the turn with which the loop begins.
    """

    def __init__(self, turns: Sequence[Sequence[Eqn]], count: Arg, first: int) -> None:
        self._turns = turns
        self._count = count
        self._first = first
        self._slots = [
            {out: (k, o) for k, eqn in enumerate(turn) for o, out in enumerate(eqn.outputs)} for turn in turns
        ]
        # What is handed on, by where it comes from: the value before the loop, and what stands for it in the body.
        self._carried: dict[_Slot, tuple[Arg, Var]] = {}
        self._numbers: dict[tuple[int, int, bool], Var] = {}
        self._dims = DimSource("turn")
        self._turn = Var(_INT)
        self._before: list[Eqn] = []
        self._body: list[Eqn] = []

    def build(self, later: Sequence[Arg]) -> tuple[list[Eqn], dict[Any, Arg]]:
        """The equations of the loop, and what is to be read in place of values of its turns, and of lists of them.

        Args:
            later: what is read after the loop.

        Raises:
            _Differs: if the turns differ in more than what is handed on and evenly growing numbers.
        """
        turns = self._turns[self._first :]
        if len(turns) < _FEWEST or len({len(turn) for turn in turns}) != 1:
            raise _Differs
        body = [self._same(eqns) for eqns in zip(*turns, strict=True)]
        names: dict[Any, Arg] = {}
        before: list[Eqn] = [eqn for turn in self._turns[: self._first] for eqn in turn]
        appended: list[Eqn] = []
        for arg in later:
            self._follow(arg, names, before, appended)
        count = self._counted(before)
        outputs: tuple[Arg, ...] = (True, *map(self._template, self._carried))
        variables = [variable for _, variable in self._carried.values()]
        block = Block((self._turn, *variables), (*self._body, *body, *appended), outputs)
        args: list[tuple[str, Arg]] = [("max_trip_count", count), ("cond", True)]
        args += [(f"carried{index}", init) for index, (init, _) in enumerate(self._carried.values())]
        results = [Var(variable.type) for variable in variables]
        place = turns[0][0].place if turns[0] else None
        for slot, result in zip(self._carried, results, strict=True):
            names[self._at(-1, slot)] = result
        return [*before, Eqn.of("prim::Loop", args, results, [block], place)], names

    def _counted(self, before: list[Eqn]) -> Arg:
        count = Var(_INT)
        before.append(Eqn.of("aten::Int.Tensor", [("a", self._count)], [count]))
        if self._first:
            rest = Var(_INT)
            before.append(Eqn.of("aten::sub.int", [("a", count), ("b", self._first)], [rest]))
            count = rest
        return count

    def _at(self, turn: int, slot: _Slot) -> Var:
        return self._turns[turn][slot[0]].outputs[slot[1]]

    def _template(self, slot: _Slot) -> Var:
        return self._at(self._first + 1, slot)

    def _same(self, eqns: Sequence[Eqn]) -> Eqn:
        """The equation that stands for those of all turns."""
        one = eqns[1]
        if any(eqn.op != one.op or eqn.names != one.names or eqn.blocks for eqn in eqns):
            raise _Differs
        for outs in zip(*(eqn.outputs for eqn in eqns), strict=True):
            if len({_known(out.type) for out in outs}) != 1:
                raise _Differs
        return replace(one, args=tuple(self._merged(args) for args in zip(*(eqn.args for eqn in eqns), strict=True)))

    def _merged(self, args: Sequence[Arg]) -> Arg:
        """An argument that stands for those of all turns."""
        one = args[1]
        if all(isinstance(arg, tuple) for arg in args):
            items: Any = args
            if len({len(item) for item in items}) != 1:
                raise _Differs
            return tuple(self._merged(column) for column in zip(*items, strict=True))
        if isinstance(one, Var):
            return self._merged_variables(args, one)
        if any(type(arg) is not type(one) for arg in args):
            raise _Differs
        numbers = [_number(arg) for arg in args]
        known: Any = [number for number in numbers if number is not None]
        steps = {after - before for before, after in itertools.pairwise(known)}
        if len(known) == len(args) and len(steps) == 1 and steps != {0}:
            return self._growing(known[0], steps.pop(), isinstance(one, TensorLiteral))
        if not all(_is_equal(arg, one) for arg in args):
            raise _Differs
        return one

    def _merged_variables(self, args: Sequence[Arg], one: Var) -> Arg:
        places = range(self._first, len(self._turns))
        own = {
            self._slots[turn].get(arg) if isinstance(arg, Var) else None for turn, arg in zip(places, args, strict=True)
        }
        if len(own) == 1 and None not in own:
            return one
        if all(arg is one for arg in args):
            return one
        later = zip(places[1:], args[1:], strict=True)
        from_before = {self._slots[turn - 1].get(arg) if isinstance(arg, Var) else None for turn, arg in later}
        slot = from_before.pop()
        if from_before or slot is None:
            raise _Differs
        return self._handed_on(slot, args[0])

    def _handed_on(self, slot: _Slot, init: Arg) -> Var:
        if slot not in self._carried:
            self._carried[slot] = init, Var(self._type(slot, init))
        known, variable = self._carried[slot]
        if known is not init:
            raise _Differs
        return variable

    def _type(self, slot: _Slot, init: Arg) -> AnyType:
        """The type of what is handed on: sizes are known where they are the same before the first turn."""
        type_ = self._template(slot).type
        given = init.type if isinstance(init, Var) else None
        if not isinstance(type_, TensorType) or not isinstance(given, TensorType):
            if given != type_:
                raise _Differs
            return type_
        if type_.shape is None or given.shape is None or given.dtype != type_.dtype:
            raise _Differs
        if [hint_of(dim) for dim in given.shape] != [hint_of(dim) for dim in type_.shape]:
            raise _Differs
        pairs = zip(given.shape, type_.shape, strict=True)
        shape = tuple(
            new if new == old and isinstance(new, int) else self._dims.unknown(hint_of(new)) for old, new in pairs
        )
        return TensorType(type_.dtype, shape)

    def _growing(self, start: int, step: int, is_tensor: bool) -> Var:
        """A number that is ``start`` in the first turn."""
        key = start, step, is_tensor
        if key not in self._numbers:
            number = self._turn
            for op, other in (("aten::mul.int", step), ("aten::add.int", start)):
                if other != (1 if op == "aten::mul.int" else 0):
                    result = Var(_INT)
                    self._body.append(Eqn.of(op, [("a", number), ("b", other)], [result]))
                    number = result
            if is_tensor:
                result = Var(TensorType(DType.INT64, ()))
                self._body.append(Eqn.of("prim::NumToTensor.Scalar", [("a", number)], [result]))
                number = result
            self._numbers[key] = number
        return self._numbers[key]

    def _follow(self, arg: Arg, names: dict[Any, Arg], before: list[Eqn], appended: list[Eqn]) -> None:
        """See to it that what is read after the loop comes out of it.

        Args:
            arg: what is read.
            names: receives lists that stand for tuples.
            before: receives equations before the loop.
            appended: receives equations at the end of its body.
        """
        if isinstance(arg, tuple):
            slot = self._collected(arg)
            if slot is None:
                for item in arg:
                    self._follow(item, names, before, appended)
            elif arg not in names:
                type_ = SequenceType(self._template(slot).type)
                result = Var(type_)
                items: list[tuple[str, Arg]] = [(f"item{index}", item) for index, item in enumerate(arg[: self._first])]
                before.append(Eqn.of("prim::ListConstruct", items, [result]))
                appended.append(
                    Eqn.of("aten::append.t", [("self", result), ("el", self._template(slot))], [Var(type_)])
                )
                names[arg] = result
        elif isinstance(arg, Var):
            turn = next((turn for turn, slots in enumerate(self._slots) if arg in slots), None)
            if turn is None or turn < self._first:
                return
            slot = self._slots[turn][arg]
            if turn + 1 != len(self._turns):
                raise _Differs
            if slot not in self._carried:
                # Before the first turn of the loop nothing is there but what a turn in front of it has.
                if not self._first or slot not in self._slots[0].values():
                    raise _Differs
                self._handed_on(slot, self._at(0, slot))

    def _collected(self, items: tuple[Arg, ...]) -> _Slot | None:
        """Where a list has one value of each turn from."""
        if len(items) != len(self._turns) or not all(isinstance(item, Var) for item in items):
            return None
        rest = zip(self._slots[self._first :], items[self._first :], strict=True)
        slots = {known.get(item) for known, item in rest if isinstance(item, Var)}
        slot = slots.pop()
        return None if slots else slot


def _known(type_: AnyType) -> Any:
    """What must be the same in all turns; sizes that differ would grow."""
    if not isinstance(type_, TensorType):
        return type_
    return type_.dtype, None if type_.shape is None else tuple(map(hint_of, type_.shape))


def _number(arg: Arg) -> int | None:
    """A whole number, or one in a tensor."""
    if isinstance(arg, TensorLiteral):
        value = arg.tensor.numpy()
        return int(value) if not value.shape and value.dtype == np.int64 else None
    return arg if type(arg) is int else None


def _is_equal(left: Arg, right: Arg) -> bool:
    if isinstance(left, TensorLiteral) and isinstance(right, TensorLiteral):
        ours, theirs = left.tensor.numpy(), right.tensor.numpy()
        return ours.dtype == theirs.dtype and ours.shape == theirs.shape and ours.tobytes() == theirs.tobytes()
    if isinstance(left, tuple) and isinstance(right, tuple):
        return _are_equal(left, right)
    return type(left) is type(right) and left == right


def _rename(arg: Arg, names: Mapping[Any, Arg]) -> Arg:
    if isinstance(arg, (Var, tuple)) and arg in names:
        return names[arg]
    return tuple(_rename(item, names) for item in arg) if isinstance(arg, tuple) else arg


def _renamed(eqn: Eqn, names: Mapping[Any, Arg]) -> Eqn:
    if not names:
        return eqn
    blocks = tuple(
        Block(
            block.inputs,
            tuple(_renamed(inner, names) for inner in block.eqns),
            tuple(_rename(output, names) for output in block.outputs),
        )
        for block in eqn.blocks
    )
    return replace(eqn, args=tuple(_rename(arg, names) for arg in eqn.args), blocks=blocks)


def _refused(what: str) -> NotYetSupported:
    return NotYetSupported(what, hint="Script the loop with torch.jit.script.")
