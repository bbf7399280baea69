"""Writes inside ``prim::Loop`` to tensors from outside, and tensors that a loop hands from turn to turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from onnxport_ir.captured import Arg, Block, Eqn, TensorLiteral, Var
from onnxport_ir.dtypes import DType
from onnxport_ir.types import ScalarType, TensorType

from onnxport_frontend.choices import (
    ChoosingMemory,
    Origin,
    can_choose,
    can_scatter,
    chosen_from,
    is_at,
    is_within,
    positions_of,
    scattered,
    view_variables,
)
from onnxport_frontend.mutation_blocks import Body, Run, bind_same, bind_way, read_block, slot_of
from onnxport_frontend.storage import Handle, Owner, Region, Spoiled, regions_of
from onnxport_frontend.tensor_state import TensorState, is_tracked

#: A carried tensor that can be in more regions than this counts as one that can be anywhere.
_MOST_REGIONS = 4


@dataclass(slots=True)
class LoopFacts:
    """What is found out about a loop by reading its body; it grows until nothing new is found.

    Attributes:
        carried: owners of bases that the body writes.
        moved: positions of carried variables that are not the same memory in each turn.
        shared: pairs of such a position and the owner of a base that may share memory with it.
        spoiled: owners of bases whose content is not known at the end of a turn.
        fresh: those of the moved positions that can be memory which has no name outside of the loop.
        lost: those of the moved positions of which it is not known where they can be.
        spread: those of the moved positions that are other views of a base in each turn.
        retyped: those of the moved positions that can have another element type than at first.
    """

    carried: dict[Owner, None] = field(default_factory=dict)
    moved: dict[int, None] = field(default_factory=dict)
    shared: dict[tuple[int, Owner], None] = field(default_factory=dict)
    spoiled: dict[Owner, Spoiled] = field(default_factory=dict)
    fresh: dict[int, None] = field(default_factory=dict)
    lost: dict[int, None] = field(default_factory=dict)
    spread: dict[int, None] = field(default_factory=dict)
    retyped: dict[int, None] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How much is known."""
        known = len(self.carried) + len(self.moved) + len(self.shared) + len(self.spoiled)
        return known + len(self.fresh) + len(self.lost) + len(self.spread) + len(self.retyped)


@dataclass(frozen=True, slots=True)
class _Whereabouts:
    """Variables that say where carried tensors are, by their positions and the regions from outside.

    Attributes:
        flags: whether it is there; where it is another view in each turn, the region is the whole base.
        places: for those the positions of its elements in the base.
    """

    flags: dict[int, dict[Region, Var]]
    places: dict[int, dict[Region, Var]]

    @staticmethod
    def new(regions: Mapping[int, Mapping[Region, None]], spread: Mapping[int, None]) -> _Whereabouts:
        # Both in the order of the regions, in which what they begin and end with is found.
        flags = {one: {region: Var(ScalarType("bool")) for region in found} for one, found in regions.items()}
        places = {
            one: {region: Var(TensorType(DType.INT64)) for region in found}
            for one, found in regions.items()
            if one in spread
        }
        return _Whereabouts(flags, places)

    @property
    def variables(self) -> tuple[Var, ...]:
        return tuple([var for part in (self.flags, self.places) for found in part.values() for var in found.values()])


def visit_loop(state: TensorState, eqn: Eqn, run: Run, facts: LoopFacts) -> None:
    """Read ``prim::Loop``: what the body writes to outside is carried from turn to turn.

    The body is read under the assumption that nothing outside is written and each carried tensor stays where it is,
    and again with what was found out, until reading it finds nothing new.

    Raises:
        UnsafeMutation: if the effect of a write cannot be proved.
    """
    regions: dict[int, dict[Region, None]] = {}
    while True:
        attempt = _Loop(state, eqn, facts, regions)
        known = facts.size, _sizes(regions)
        body = attempt.read(run)
        if (facts.size, _sizes(regions)) == known:
            attempt.finish(body)
            return


class _Loop:
    """One reading of a loop: ``prim::Loop(count, condition, *initial)`` with ``block(i, *carried)``."""

    def __init__(self, state: TensorState, eqn: Eqn, facts: LoopFacts, regions: dict[int, dict[Region, None]]) -> None:
        state.emit.place = eqn.place
        self.state, self.eqn, self.facts, self.regions = state, eqn, facts, regions
        self.block = eqn.blocks[0]
        self.args = state.resolve_all(eqn.args)
        self.handles = [_handle(state, arg) for arg in eqn.args[2:]]
        self.initial = [None if handle is None else handle.region for handle in self.handles]
        self.initial_bases = [state.bases([arg]) for arg in eqn.args[2:]]
        self.dtypes = [state.dtype_of(arg) for arg in eqn.args[2:]]
        self.kept = [region if i not in facts.moved else None for i, region in enumerate(self.initial)]
        # A base that is carried anyway needs no further variable.
        bases = [state.handle(owner).region.base for owner in facts.carried]
        self.slots = {base: slot_of(base, [self.kept]) for base in bases}
        self.added = {base: Var(base.root.type) for base, slot in self.slots.items() if slot is None}
        self._follow_moved()
        self.where = _Whereabouts.new(regions, facts.spread)

    def _follow_moved(self) -> None:
        """Begin with the region that a moved tensor is in at first."""
        for position in self.facts.moved:
            first, out = self.initial[position], self.eqn.outputs[position]
            if position in self.facts.lost:
                continue
            is_none = self.eqn.args[2 + position] is None
            if not can_choose(out.type) or (first is None and not is_none):
                self.facts.lost[position] = None
                continue
            if is_none:
                self.facts.fresh.setdefault(position)
            starts = [first] if first is not None and not first.base.is_void else []
            found = [one.base.root if position in self.facts.spread else one for one in starts]
            self.regions.setdefault(position, dict.fromkeys(found))

    def read(self, run: Run) -> Body:
        """Read the body, and add to the facts."""
        inputs = (*self.block.inputs, *self.added.values(), *self.where.variables)
        body = read_block(self.state, inputs, self.block, run, self._enter, self._leave)
        facts = self.facts
        for base in body.effects.contents:
            facts.carried.setdefault(base.owner)
        for base, reason in body.effects.spoiled.items():
            facts.spoiled.setdefault(base.owner, reason)
        for position, first in enumerate(self.initial):
            is_same = first is not None and body.regions[position + 1] is first
            if not is_same and is_tracked(self.eqn.outputs[position]):
                facts.moved.setdefault(position)
                if not isinstance(self.state.memory, ChoosingMemory):
                    facts.lost.setdefault(position)
        for position in facts.moved:
            self._share(position, body)
        return body

    def _share(self, position: int, body: Body) -> None:
        """Find what the next turn's value of a carried variable may share memory with, but where it says when."""
        exact = position in self.regions
        if not exact and position not in self.facts.lost:
            # It was just found to move; where to shows when the body is read again.
            return
        reach = body.ends[position + 1].reach(exact=exact)
        for base in reach:
            if base.depth <= self.state.memory.depth or (not exact and base.owner in self.block.inputs):
                self._add_shared(position, base.owner, exact=exact)
        for other in self.facts.moved:
            names = body.ends[other + 1].names(exact=other in self.regions)
            if other != position and any(base in reach for base in names):
                self._add_shared(position, self.block.inputs[other + 1], exact=exact)

    def _add_shared(self, position: int, owner: Owner, *, exact: bool) -> None:
        known: list[Owner] = [self.block.inputs[position + 1]]
        if not exact:
            known += [base.owner for base in self.initial_bases[position]]
        if not any(owner is other for other in known):
            self.facts.shared.setdefault((position, owner))

    def _enter(self) -> None:
        """Give the block's inputs and the carried bases their meaning inside."""
        state, inputs = self.state, self.block.inputs[1:]
        for base, slot in self.slots.items():
            state.memory.rebind(base, self.added[base] if slot is None else inputs[slot], base.spoiled)
        for owner, reason in self.facts.spoiled.items():
            state.memory.spoil(state.handle(owner).region.base, reason)
        self._bind(inputs, self.handles, self.where)

    def _leave(self, body: Body) -> tuple[Arg, ...]:
        """Where the carried tensors are at the end of the turn."""
        state, defined = self.state, body.defined
        flags: list[Arg] = []
        places: list[Arg] = []
        for position, found in self.where.flags.items():
            origin = body.ends[position + 1].origin
            if body.ends[position + 1].dtype is not self.dtypes[position]:
                self.facts.retyped[position] = None
            if origin is None:
                self._lose(position)
            elif not self._covers(position, origin, defined):
                continue
            elif position in self.where.places:
                flags += [is_within(origin.way, root.base, state.emit) for root in found]
                for root, place in self.where.places[position].items():
                    places.append(positions_of(state.memory, origin.way, root.base, place, state.emit))
            else:
                flags += [is_at(origin.way, region, state.emit) for region in found]
        return (*flags, *places)

    def _covers(self, position: int, origin: Origin, defined: set[Var]) -> bool:
        """Whether a carried tensor ends where it was assumed to be; otherwise the body is read again."""
        known, is_known = self.regions[position], True
        is_spread = position in self.facts.spread
        for region in regions_of(origin.way):
            found = region.base.root if is_spread else region
            if is_spread and not can_scatter(region):
                self._lose(position)
                return False
            if found in known:
                continue
            is_known = False
            if len(known) == _MOST_REGIONS or (not is_spread and any(var in defined for var in view_variables(region))):
                self._spread(position)
                return False
            known[found] = None
        if origin.owns and position not in self.facts.fresh:
            self.facts.fresh[position], is_known = None, False
        return is_known

    def _spread(self, position: int) -> None:
        """Follow the positions of a tensor's elements rather than the regions that it can be in, which are too many."""
        if position in self.facts.spread or not all(map(can_scatter, self.regions[position])):
            self._lose(position)
            return
        self.facts.spread[position] = None
        self.regions[position] = dict.fromkeys(region.base.root for region in self.regions[position])

    def _lose(self, position: int) -> None:
        self.facts.lost[position] = None
        del self.regions[position]

    def _bind(self, variables: Sequence[Var], ends: Sequence[Handle | None], where: _Whereabouts) -> None:
        """Bind the carried variables, the block's inputs or the results.

        Args:
            variables: the variables.
            ends: the tensor objects that the turn before has given.
            where: where those are that can be in several regions.
        """
        state = self.state
        ways = zip(variables, self.kept, self.handles, ends, self.initial_bases, strict=True)
        for position, (var, kept, start, end, bases) in enumerate(ways):
            if kept is not None:
                bind_same(state, var, kept, [start, end])
            elif position in where.flags:
                flags, places = where.flags[position], where.places.get(position)
                if places is not None:
                    flags = {scattered(state.memory, root.base, places[root]): flag for root, flag in flags.items()}
                way = chosen_from(flags, may_own=position in self.facts.fresh)
                if position not in self.facts.retyped:
                    state.set_dtype(var, [self.dtypes[position]])
                bind_way(state, var, way, is_strided=True)
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
        where = _Whereabouts.new(self.regions, self.facts.spread)
        contents = tuple([body.effects.contents[base] for base in self.added])
        carried, ends = body.outputs[: len(self.block.outputs)], body.outputs[len(self.block.outputs) :]
        block = Block(body.inputs, body.eqns, (*carried, *contents, *ends))
        args = (*self.args, *(base.root.value for base in self.added), *self._starts())
        names = (*eqn.names, *(f"carried{number}" for number in range(len(self.initial), len(args) - 2)))
        outputs = (*eqn.outputs, *results.values(), *where.variables)
        state.add_outputs(eqn, Eqn(eqn.op, args, names, outputs, (block,), eqn.place))
        for base, slot in self.slots.items():
            state.memory.rebind(base, results[base] if slot is None else eqn.outputs[slot], base.spoiled)
            state.memory.set(base, "written_at", eqn.place)
        for owner, reason in self.facts.spoiled.items():
            state.memory.spoil(state.handle(owner).region.base, reason)
        self._bind(eqn.outputs, [end.handle for end in body.ends[1:]], where)

    def _starts(self) -> tuple[Arg, ...]:
        """Where the carried tensors are before the first turn."""
        state, flags, places = self.state, list[Arg](), list[Arg]()
        for position, found in self.where.flags.items():
            first = self.initial[position]
            for region in found:
                is_there = first is not None and (first.base.root if position in self.where.places else first) is region
                flags.append(is_there)
                if position in self.where.places:
                    # Where it is elsewhere, what stands here is not read; it has the axes that it will have.
                    start = first if first is not None and not first.base.is_void else region
                    places.append(positions_of(state.memory, start, start.base, None, state.emit))
        return (*flags, *places)


def _handle(state: TensorState, arg: Arg) -> Handle | None:
    return state.handle(arg) if isinstance(arg, Var | TensorLiteral) and is_tracked(arg) else None


def _sizes(regions: Mapping[int, Mapping[Region, None]]) -> dict[int, int]:
    return {position: len(found) for position, found in regions.items()}
