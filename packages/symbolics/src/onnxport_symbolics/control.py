"""Control flow: ``prim::If``, errors that the model raises, and the table of equations that are no plain calls."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onnxport_ir import DType, Eqn, SequenceType, Value
from onnxport_ir.captured import Block
from onnxport_ir.types import AnyType

from onnxport_symbolics.binder import Lowered
from onnxport_symbolics.emitter import Scope
from onnxport_symbolics.layouts import Layout, leaves, pack, unpack
from onnxport_symbolics.loops import known_bool, lower_loop, outputs_of
from onnxport_symbolics.planner import Planner
from onnxport_symbolics.scans import length_in_turn
from onnxport_symbolics.script_lists import LISTS
from onnxport_symbolics.structures import UNINITIALIZED, Growing, ListCell, ModelRaises, entangle, holding

if TYPE_CHECKING:
    from onnxport_symbolics.lower import Lowering

#: Gives the results of an equation, or None to leave it to the handler of its operator.
Control = Callable[["Lowering", Eqn], tuple[Lowered, ...] | None]


@dataclass(frozen=True, slots=True, eq=False)
class _Branch:
    """A branch after it was lowered: its body, what it gives, and what it leaves in the lists from outside."""

    scope: Scope
    results: list[Lowered]
    lists: dict[ListCell, Lowered]


def lower_if(lowering: Lowering, eqn: Eqn) -> tuple[Lowered, ...]:
    """``prim::If``: one branch where the condition is known or the other one only raises, else ONNX's If."""
    condition = lowering.value(eqn.args[0])
    if lowering.is_poisoned(condition):
        return lowering.poisoned(eqn)
    known = known_bool(condition)
    if known is not None:
        return _inline(lowering, eqn.blocks[0 if known else 1])
    if not isinstance(condition, Value):
        raise lowering.op.refuse(f"a condition that is no tensor: {condition!r}")
    branches, sizes = [], lowering.op.unknown_sizes.count
    for position, (block, name) in enumerate(zip(eqn.blocks, ("then", "else"), strict=True)):
        try:
            if _only_raises(block):
                raise ModelRaises
            branches.append(_branch(lowering, block, name))
        except ModelRaises:
            # ONNX cannot raise: where the condition holds, the other branch is computed although torch would raise.
            return _inline(lowering, eqn.blocks[1 - position])
    lowering.op.place = eqn.place
    return _join(lowering, eqn, condition, branches, Planner(lowering.op, "branches", sizes))


def _inline(lowering: Lowering, block: Block) -> tuple[Lowered, ...]:
    lowering.run(block.eqns)
    return tuple(lowering.raw(out) for out in block.outputs)


def _only_raises(block: Block) -> bool:
    for eqn in block.eqns:
        if eqn.op.base == "prim::RaiseException" or (eqn.op.base == "prim::If" and all(map(_only_raises, eqn.blocks))):
            return True
    return False


def _branch(lowering: Lowering, block: Block, name: str) -> _Branch:
    scope = lowering.op.scope(name=name)
    refusals = len(lowering.refusals)
    try:
        with lowering.block(scope) as lists:
            lowering.run(block.eqns)
            results = [lowering.raw(out) for out in block.outputs]
    except ModelRaises:
        del lowering.refusals[refusals:]
        raise
    return _Branch(scope, results, lists)


def _join(
    lowering: Lowering, eqn: Eqn, condition: Value, branches: Sequence[_Branch], planner: Planner
) -> tuple[Lowered, ...]:
    op, depth = lowering.op, lowering.op.depth
    results: list[Lowered] = [None] * len(eqn.outputs)
    wanted: dict[int, Layout] = {}
    for index, var in enumerate(eqn.outputs):
        ways = [branch.results[index] for branch in branches]
        odd = [way for way in ways if lowering.is_poisoned(way)]
        if ways[0] is ways[1] or odd or var not in lowering.used:
            results[index] = odd[0] if odd else ways[0]
        else:
            wanted[index] = _planned(planner, branches, ways, var.type)
    written = dict.fromkeys(cell for branch in branches for cell in branch.lists)
    lists = {}
    for cell in written:
        ways = [branch.lists.get(cell, cell.content) for branch in branches]
        lists[cell] = _planned(planner, branches, ways, SequenceType(cell.element))
    layouts = [*wanted.values(), *lists.values()]
    for branch in branches:
        carried = [*(branch.results[index] for index in wanted), *(branch.lists.get(c, c.content) for c in lists)]
        with op.inside(branch.scope) as body, holding(branch.lists):
            body.outputs = outputs_of(op, [v for way in zip(layouts, carried, strict=True) for v in pack(op, *way)])
    types = [leaf for layout in layouts for leaf in leaves(layout)]
    values: Iterator[Value] = iter(())
    if types:
        bodies = [branch.scope.block for branch in branches]
        condition = op.cast(condition, DType.BOOL)
        found = op.multi("If", len(types), condition, then_branch=bodies[0], else_branch=bodies[1])
        values = iter([op.retype(value, kind) for value, kind in zip(found, types, strict=True)])
    for index, layout in wanted.items():
        results[index] = unpack(layout, values, depth)
    entangle([results[i] for i in wanted], [[branch.results[i] for branch in branches] for i in wanted], depth)
    for cell, layout in lists.items():
        lowering.restore(cell, unpack(layout, values, depth))
    return tuple(results)


def _planned(planner: Planner, branches: Sequence[_Branch], ways: Sequence[Lowered], kind: AnyType) -> Layout:
    found = []
    for branch, way in zip(branches, ways, strict=True):
        with holding(branch.lists):
            found.append(planner.layout(way, kind))
    return functools.reduce(lambda left, right: planner.join(left, right, kind), found)


def _raise(lowering: Lowering, eqn: Eqn) -> tuple[Lowered, ...]:
    raise ModelRaises


def _uninitialized(lowering: Lowering, eqn: Eqn) -> tuple[Lowered, ...]:
    return (UNINITIALIZED,) * len(eqn.outputs)


def _nothing(lowering: Lowering, eqn: Eqn) -> tuple[Lowered, ...]:
    """A print, a warning or a mark for a profiler: the exported model says nothing."""
    return (None,) * len(eqn.outputs)


def _length(lowering: Lowering, eqn: Eqn) -> tuple[Lowered, ...] | None:
    """The length of a list that the loop around appends to; all others have a handler."""
    cell = lowering.raw(eqn.args[0])
    if not isinstance(cell, ListCell) or not isinstance(cell.content, Growing):
        return None
    return (length_in_turn(lowering.op, cell.content),)


#: The equations that the lowering itself takes apart.
CONTROL: dict[str, Control] = {
    "prim::If": lower_if,
    "prim::Loop": lower_loop,
    "aten::len": _length,
    "prim::RaiseException": _raise,
    "prim::Uninitialized": _uninitialized,
    "prim::Print": _nothing,
    "aten::warn": _nothing,
    "profiler::_record_function_enter": _nothing,
    "profiler::_record_function_enter_new": _nothing,
    "profiler::_record_function_exit": _nothing,
    "profiler::_record_function_exit._RecordFunction": _nothing,
    **LISTS,
}
