"""Writes inside ``prim::If`` and ``prim::Loop`` to tensors from outside: they become results of the equation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from onnxport_ir.captured import Arg, Block, Eqn, TensorLiteral, Var
from onnxport_ir.errors import UnsafeMutation

from onnxport_frontend.storage import Base, Handle, Owner, Region, Spoiled, group
from onnxport_frontend.tensor_state import TensorState, is_tracked

#: Reads the equations of a block.
Run = Callable[[Sequence[Eqn]], None]


@dataclass(slots=True)
class Body:
    """A block after it was read.

    Attributes:
        eqns: its functional equations.
        outputs: its outputs in them.
        handles: per output the tensor object, or None for what is no tensor.
        regions: per output the tensor's memory at the end, or None.
        groups: per output the bases that may share its memory.
        contents: the new contents of bases from outside.
        spoiled: the bases from outside whose content is not known at the end.
    """

    eqns: tuple[Eqn, ...]
    outputs: tuple[Arg, ...]
    handles: list[Handle | None]
    regions: list[Region | None]
    groups: list[dict[Base, None]]
    contents: dict[Base, Arg]
    spoiled: dict[Base, Spoiled]


@dataclass(slots=True)
class LoopFacts:
    """What is found out about a loop by reading its body; it grows until nothing new is found.

    Attributes:
        carried: owners of bases that the body writes.
        moved: positions of carried variables that are not the same memory in each iteration.
        shared: pairs of such a position and the owner of a base that may share memory with it.
        spoiled: owners of bases whose content is not known at the end of an iteration.
    """

    carried: dict[Owner, None] = field(default_factory=dict)
    moved: dict[int, None] = field(default_factory=dict)
    shared: dict[tuple[int, Owner], None] = field(default_factory=dict)
    spoiled: dict[Owner, Spoiled] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How much is known."""
        return len(self.carried) + len(self.moved) + len(self.shared) + len(self.spoiled)


def visit_if(state: TensorState, eqn: Eqn, run: Run) -> None:
    """Read ``prim::If``: what a branch writes to outside becomes a result of the equation.

    Raises:
        UnsafeMutation: if the effect of a write cannot be proved.
    """
    args = state.resolve_all(eqn.args)
    bodies = [_read(state, block.inputs, block, run) for block in eqn.blocks]
    state.emit.place = eqn.place
    written = dict.fromkeys(base for body in bodies for base in body.contents)
    slots = {base: _slot(base, [body.regions for body in bodies]) for base in written}
    added = {base: Var(base.root.type) for base in written if slots[base] is None}
    blocks = [
        Block(block.inputs, body.eqns, (*body.outputs, *(body.contents.get(b, b.root.value) for b in added)))
        for block, body in zip(eqn.blocks, bodies, strict=True)
    ]
    state.add_outputs(eqn, Eqn(eqn.op, args, eqn.names, (*eqn.outputs, *added.values()), tuple(blocks), eqn.place))
    for base, slot in slots.items():
        untouched = base.spoiled if any(base not in body.contents for body in bodies) else None
        state.memory.rebind(base, added[base] if slot is None else eqn.outputs[slot], untouched)
        state.memory.set(base, "written_at", eqn.place)
    for body in bodies:
        for base, reason in body.spoiled.items():
            state.memory.spoil(base, reason)
    for position, out in enumerate(eqn.outputs):
        if is_tracked(out):
            _bind_result(state, out, position, bodies)
    _relate_results(state, eqn.outputs, bodies)


def _slot(base: Base, regions: Sequence[Sequence[Region | None]]) -> int | None:
    """The output that is the whole base in each block, if there is one."""
    for position, candidates in enumerate(zip(*regions, strict=True)):
        if all(region is base.root for region in candidates):
            return position
    return None


def _bind_result(state: TensorState, out: Var, position: int, bodies: Sequence[Body]) -> None:
    regions = [body.regions[position] for body in bodies]
    first, depth = regions[0], state.memory.depth
    if first is not None and all(region is first for region in regions) and first.base.depth <= depth:
        if not state.memory.is_current(first):
            state.memory.hold(first, out)
        _bind_same(state, out, first, [body.handles[position] for body in bodies])
        return
    for body in bodies:
        _relate_result(state, out, body.groups[position])
    state.set_strided(out, any(region is None or not region.is_contiguous for region in regions))


def _bind_same(state: TensorState, out: Var, region: Region, handles: Sequence[Handle | None]) -> None:
    """Let ``out`` be the tensor object over a region that all ways give, or note that the way taken decides which."""
    first = handles[0]
    if first is not None and all(handle is first for handle in handles):
        state.bind(out, first)
        return
    region.is_doubtful = True
    state.bind_region(out, region)


def _relate_result(state: TensorState, out: Var, bases: Iterable[Base]) -> None:
    """Note what a result of blocks may share memory with: the bases that live on outside of the blocks."""
    state.set_strided(out, True)
    outer = [base for base in bases if base.depth <= state.memory.depth] if is_tracked(out) else []
    for base in outer:
        state.memory.relate(state.handle(out).region.base, base)


def _relate_results(state: TensorState, outputs: Sequence[Var], bodies: Sequence[Body]) -> None:
    """Two results that come from one tensor of a branch may be the same memory."""
    for body in bodies:
        for i, first in enumerate(outputs):
            for j, second in enumerate(outputs[:i]):
                region = body.regions[j]
                if region is not None and region.base in body.groups[i] and is_tracked(first) and is_tracked(second):
                    state.relate((first,), (second,))


def visit_loop(state: TensorState, eqn: Eqn, run: Run, facts: LoopFacts) -> None:
    """Read ``prim::Loop``: what the body writes to outside is carried from iteration to iteration.

    The body is read under the assumption that nothing outside is written and each carried tensor stays where it is,
    and again with what was found out, until reading it finds nothing new.

    Raises:
        UnsafeMutation: if the effect of a write cannot be proved.
    """
    while True:
        size = facts.size
        attempt = _Loop(state, eqn, facts)
        body = attempt.read(run)
        if facts.size == size:
            attempt.finish(body)
            return


class _Loop:
    """One reading of a loop: ``prim::Loop(count, condition, *initial)`` with ``block(i, *carried)``."""

    def __init__(self, state: TensorState, eqn: Eqn, facts: LoopFacts) -> None:
        state.emit.place = eqn.place
        self.state, self.eqn, self.facts = state, eqn, facts
        self.block = eqn.blocks[0]
        self.args = state.resolve_all(eqn.args)
        self.handles = [_handle(state, arg) for arg in eqn.args[2:]]
        self.initial = [None if handle is None else handle.region for handle in self.handles]
        self.initial_bases = [state.bases([arg]) for arg in eqn.args[2:]]
        self.kept = [region if i not in facts.moved else None for i, region in enumerate(self.initial)]
        # A base that is carried anyway needs no further variable.
        bases = [state.handle(owner).region.base for owner in facts.carried]
        self.slots = {base: _slot(base, [self.kept]) for base in bases}
        self.added = {base: Var(base.root.type) for base, slot in self.slots.items() if slot is None}

    def read(self, run: Run) -> Body:
        """Read the body, and add to the facts."""
        inputs = (*self.block.inputs, *self.added.values())
        body = _read(self.state, inputs, self.block, run, self._enter)
        facts = self.facts
        for base in body.contents:
            facts.carried.setdefault(base.owner)
        for base, reason in body.spoiled.items():
            facts.spoiled.setdefault(base.owner, reason)
        for position, first in enumerate(self.initial):
            is_same = first is not None and body.regions[position + 1] is first
            if not is_same and is_tracked(self.eqn.outputs[position]):
                facts.moved.setdefault(position)
        for position in facts.moved:
            self._share(position, body)
        return body

    def _share(self, position: int, body: Body) -> None:
        """Find what the next iteration's value of a carried variable may share memory with."""
        for base in body.groups[position + 1]:
            if base.depth <= self.state.memory.depth or base.owner in self.block.inputs:
                self._add_shared(position, base.owner)
        for other in self.facts.moved:
            region = body.regions[other + 1]
            if other != position and region is not None and region.base in body.groups[position + 1]:
                self._add_shared(position, self.block.inputs[other + 1])

    def _add_shared(self, position: int, owner: Owner) -> None:
        known = [self.block.inputs[position + 1], *(base.owner for base in self.initial_bases[position])]
        if not any(owner is other for other in known):
            self.facts.shared.setdefault((position, owner))

    def _enter(self) -> None:
        """Give the block's inputs and the carried bases their meaning inside."""
        state, inputs = self.state, self.block.inputs[1:]
        for base, slot in self.slots.items():
            state.memory.rebind(base, self.added[base] if slot is None else inputs[slot], base.spoiled)
        for owner, reason in self.facts.spoiled.items():
            state.memory.spoil(state.handle(owner).region.base, reason)
        self._bind(inputs, self.handles)

    def _bind(self, variables: Sequence[Var], ends: Sequence[Handle | None]) -> None:
        """Bind the carried variables: the block's inputs, or the results, given the tensor objects of the last turn."""
        state = self.state
        ways = zip(variables, self.kept, self.handles, ends, self.initial_bases, strict=True)
        for var, kept, start, end, bases in ways:
            if kept is not None:
                _bind_same(state, var, kept, [start, end])
            elif is_tracked(var):
                state.set_strided(var, True)
                for base in bases:
                    state.memory.relate(state.handle(var).region.base, base)
        here = dict(zip(self.block.inputs[1:], variables, strict=True))
        for position, owner in self.facts.shared:
            other = here.get(owner, owner) if isinstance(owner, Var) else owner
            state.memory.relate(state.handle(variables[position]).region.base, state.handle(other).region.base)

    def finish(self, body: Body) -> None:
        """Emit the loop, and give its results their meaning outside."""
        state, eqn = self.state, self.eqn
        state.emit.place = eqn.place
        results = {base: Var(var.type) for base, var in self.added.items()}
        inputs = (*self.block.inputs, *self.added.values())
        block = Block(inputs, body.eqns, (*body.outputs, *(body.contents[base] for base in self.added)))
        args = (*self.args, *(base.root.value for base in self.added))
        names = (*eqn.names, *(f"carried{len(self.initial) + number}" for number in range(len(results))))
        state.add_outputs(eqn, Eqn(eqn.op, args, names, (*eqn.outputs, *results.values()), (block,), eqn.place))
        for base, slot in self.slots.items():
            state.memory.rebind(base, results[base] if slot is None else eqn.outputs[slot], base.spoiled)
            state.memory.set(base, "written_at", eqn.place)
        for owner, reason in self.facts.spoiled.items():
            state.memory.spoil(state.handle(owner).region.base, reason)
        self._bind(eqn.outputs, body.handles[1:])


def visit_other(state: TensorState, eqn: Eqn, run: Run) -> None:
    """Read an operator with blocks of which nothing is known: it may read tensors from outside, not write them.

    Raises:
        UnsafeMutation: if a block writes a tensor from outside.
    """
    args = state.resolve_all(eqn.args)
    bodies = [_read(state, block.inputs, block, run) for block in eqn.blocks]
    if any(body.contents or body.spoiled for body in bodies):
        raise UnsafeMutation(f"a block of {eqn.op} writes a tensor from outside", where=eqn.place)
    blocks = [Block(block.inputs, body.eqns, body.outputs) for block, body in zip(eqn.blocks, bodies, strict=True)]
    state.add_outputs(eqn, Eqn(eqn.op, args, eqn.names, eqn.outputs, tuple(blocks), eqn.place))
    if len(bodies) == 1 and len(bodies[0].groups) == len(eqn.outputs):
        # What the operator is in the end need not be its body, so a result is never taken to be one of its arguments.
        for out, bases in zip(eqn.outputs, bodies[0].groups, strict=True):
            _relate_result(state, out, bases)
        _relate_results(state, eqn.outputs, bodies)
    else:
        state.relate(eqn.outputs, eqn.args)


def _read(
    state: TensorState, inputs: Sequence[Var], block: Block, run: Run, enter: Callable[[], None] | None = None
) -> Body:
    """Read a block, and take back what it did to tensors from outside."""
    memory = state.memory
    outside, state.emit.eqns = state.emit.eqns, []
    memory.enter()
    state.define(inputs)
    if enter is not None:
        enter()
    run(block.eqns)
    outputs = state.resolve_all(block.outputs)
    handles = [_handle(state, output) for output in block.outputs]
    regions = [None if handle is None else handle.region for handle in handles]
    groups = [{base: None for one in state.bases([output]) for base in group(one)} for output in block.outputs]
    contents, spoiled = memory.outer_effects()
    eqns = tuple(state.emit.eqns)
    state.emit.eqns = outside
    memory.leave()
    return Body(eqns, outputs, handles, regions, groups, contents, spoiled)


def _handle(state: TensorState, arg: Arg) -> Handle | None:
    return state.handle(arg) if isinstance(arg, Var | TensorLiteral) and is_tracked(arg) else None
