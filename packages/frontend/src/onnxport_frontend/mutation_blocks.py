"""Writes inside ``prim::If`` to tensors from outside: they become results of the equation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from onnxport_ir.captured import Arg, Block, Eqn, TensorLiteral, Var
from onnxport_ir.dtypes import DType
from onnxport_ir.errors import UnsafeMutation

from onnxport_frontend.choices import ChoosingMemory, Exports, Origin, can_choose, joined
from onnxport_frontend.storage import Base, Choice, Effects, Handle, Nowhere, Region, Way, group
from onnxport_frontend.tensor_state import TensorState, is_tracked

#: Reads the equations of a block.
Run = Callable[[Sequence[Eqn]], None]


@dataclass(frozen=True, slots=True)
class End:
    """What an output of a block is.

    Attributes:
        handle: the tensor object, or None for what is no tensor.
        region: its memory, or None.
        group: the bases that may share its memory.
        origin: where it is in terms of memory from outside, if that is known.
        dtype: the element type of a tensor, if it is known.
    """

    handle: Handle | None
    region: Region | None
    group: dict[Base, None]
    origin: Origin | None
    dtype: DType | None

    @property
    def is_void(self) -> bool:
        """Whether nobody reads it."""
        return self.region is not None and self.region.base.is_void

    def reach(self, *, exact: bool) -> Iterable[Base]:
        """The bases that may share its memory; if ``exact``, those of which the origin does not say when."""
        return self.origin.apart if exact and self.origin is not None else self.group

    def names(self, *, exact: bool) -> Iterable[Base]:
        """Its memory; if ``exact``, only what has no name outside."""
        if exact and self.origin is not None:
            return self.origin.owns
        return () if self.region is None else (self.region.base,)


@dataclass(slots=True)
class Body:
    """A block after it was read.

    Attributes:
        inputs: its inputs, added ones included.
        eqns: its functional equations.
        outputs: its outputs in them.
        ends: what each output is.
        effects: what it does to memory from outside.
    """

    inputs: tuple[Var, ...]
    eqns: tuple[Eqn, ...]
    outputs: tuple[Arg, ...]
    ends: list[End]
    effects: Effects

    @property
    def regions(self) -> list[Region | None]:
        """The memory of each output."""
        return [end.region for end in self.ends]

    @property
    def defined(self) -> set[Var]:
        """The variables that it defines."""
        return {*self.inputs, *(var for eqn in self.eqns for var in eqn.outputs)}


def visit_if(state: TensorState, eqn: Eqn, run: Run) -> None:
    """Read ``prim::If``: what a branch writes to outside becomes a result of the equation.

    Raises:
        UnsafeMutation: if the effect of a write cannot be proved.
    """
    args = state.resolve_all(eqn.args)
    bodies = [read_block(state, block.inputs, block, run) for block in eqn.blocks]
    state.emit.place = eqn.place
    ways, exports = _ways(state, eqn, args[0], bodies)
    contents = [body.effects.contents for body in bodies]
    slots = {base: slot_of(base, [body.regions for body in bodies]) for content in contents for base in content}
    added = {base: Var(base.root.type) for base in slots if slots[base] is None}
    blocks = []
    for index, (block, body) in enumerate(zip(eqn.blocks, bodies, strict=True)):
        more, exported = exports.ends(index, eqn.place)
        ends = (*body.outputs, *(contents[index].get(base, base.root.value) for base in added), *exported)
        blocks.append(Block(block.inputs, (*body.eqns, *more), ends))
    outputs = (*eqn.outputs, *added.values(), *exports.results)
    state.add_outputs(eqn, Eqn(eqn.op, args, eqn.names, outputs, tuple(blocks), eqn.place))
    results = {base: added[base] if slot is None else eqn.outputs[slot] for base, slot in slots.items()}
    state.memory.settle([body.effects for body in bodies], results, eqn.place)
    for position, out in enumerate(eqn.outputs):
        ends_here = [body.ends[position] for body in bodies]
        if position in ways:
            is_strided = any(_is_strided(end) for end in ends_here if not end.is_void)
            state.set_dtype(out, [end.dtype for end in ends_here if not end.is_void])
            bind_way(state, out, ways[position], is_strided=is_strided)
            for end in ends_here:
                _relate_result(state, out, end.reach(exact=True))
        elif is_tracked(out):
            _bind_result(state, out, ends_here)
    _relate_results(state, eqn.outputs, bodies, ways)


def _ways(state: TensorState, eqn: Eqn, condition: Arg, bodies: Sequence[Body]) -> tuple[dict[int, Way], Exports]:
    """Where those of the tensors among the results are that are not the same in all blocks, by position."""
    exports, ways = Exports(len(bodies)), dict[int, Way]()
    if isinstance(state.memory, ChoosingMemory):
        defined = [body.defined for body in bodies]
        for position, out in enumerate(eqn.outputs):
            ends = [body.ends[position] for body in bodies]
            origins = [end.origin for end in ends if end.origin is not None]
            if can_choose(out.type) and len(origins) == len(bodies) and not _is_same(state, ends):
                left, right = [
                    exports.outside(state.memory, index, origin.way, defined[index])
                    for index, origin in enumerate(origins)
                ]
                ways[position] = joined(condition, left, right)
    return ways, exports


def _is_same(state: TensorState, ends: Sequence[End]) -> bool:
    """Whether all blocks give the same memory from outside."""
    first = ends[0].region
    return first is not None and first.base.depth <= state.memory.depth and all(end.region is first for end in ends)


def _is_strided(end: End) -> bool:
    return end.region is None or not end.region.is_contiguous


def slot_of(base: Base, regions: Sequence[Sequence[Region | None]]) -> int | None:
    """The output that is the whole base in each block, if there is one."""
    for position, candidates in enumerate(zip(*regions, strict=True)):
        if all(region is base.root for region in candidates):
            return position
    return None


def _bind_result(state: TensorState, out: Var, ends: Sequence[End]) -> None:
    region = ends[0].region
    if region is not None and _is_same(state, ends):
        if not state.memory.is_current(region):
            state.memory.hold(region, out)
        bind_same(state, out, region, [end.handle for end in ends])
        return
    # Before the tensor is asked for, as it is made with what is known then.
    state.set_strided(out, any(map(_is_strided, ends)))
    for end in ends:
        _relate_result(state, out, end.group)


def bind_way(state: TensorState, out: Var, way: Way, *, is_strided: bool) -> None:
    """Let ``out``, which holds the present value, be where conditions say."""
    if isinstance(way, Region):
        bind_same(state, out, way, [None])
        return
    state.set_strided(out, is_strided)
    if isinstance(way, Nowhere):
        state.handle(out).region.base.is_void = True
    if isinstance(way, Choice) and isinstance(state.memory, ChoosingMemory):
        state.memory.choose(state.handle(out).region, way)


def bind_same(state: TensorState, out: Var, region: Region, handles: Sequence[Handle | None]) -> None:
    """Let ``out`` be the tensor object over a region that all ways give, or note that the way taken decides which."""
    first = handles[0]
    if first is not None and all(handle is first for handle in handles):
        state.bind(out, first)
        return
    state.memory.set(region, "is_doubtful", True)
    state.bind_region(out, region)


def _relate_result(state: TensorState, out: Var, bases: Iterable[Base]) -> None:
    """Note what a result of blocks may share memory with: the bases that live on outside of the blocks."""
    outer = [base for base in bases if base.depth <= state.memory.depth] if is_tracked(out) else []
    for base in outer:
        state.memory.relate(state.handle(out).region.base, base)


def _relate_results(
    state: TensorState, outputs: Sequence[Var], bodies: Sequence[Body], ways: Mapping[int, Way] | None = None
) -> None:
    """Two results that come from one tensor of a branch may be the same memory."""
    tracked = [(index, out, index in (ways or {})) for index, out in enumerate(outputs) if is_tracked(out)]
    for body in bodies:
        for number, (i, first, exact) in enumerate(tracked):
            reach = body.ends[i].reach(exact=exact)
            for j, second, is_exact in tracked[:number]:
                if any(base in reach for base in body.ends[j].names(exact=is_exact)):
                    state.relate((first,), (second,))


def visit_other(state: TensorState, eqn: Eqn, run: Run) -> None:
    """Read an operator with blocks of which nothing is known: it may read tensors from outside, not write them.

    Raises:
        UnsafeMutation: if a block writes a tensor from outside.
    """
    args = state.resolve_all(eqn.args)
    bodies = [read_block(state, block.inputs, block, run) for block in eqn.blocks]
    if any(body.effects.contents or body.effects.spoiled for body in bodies):
        raise UnsafeMutation(f"a block of {eqn.op} writes a tensor from outside", where=eqn.place)
    blocks = [Block(block.inputs, body.eqns, body.outputs) for block, body in zip(eqn.blocks, bodies, strict=True)]
    state.add_outputs(eqn, Eqn(eqn.op, args, eqn.names, eqn.outputs, tuple(blocks), eqn.place))
    if len(bodies) == 1 and len(bodies[0].ends) == len(eqn.outputs):
        # What the operator is in the end need not be its body, so a result is never taken to be one of its arguments.
        for out, end in zip(eqn.outputs, bodies[0].ends, strict=True):
            state.set_strided(out, True)
            _relate_result(state, out, end.group)
        _relate_results(state, eqn.outputs, bodies)
    else:
        state.relate(eqn.outputs, eqn.args)


def read_block(
    state: TensorState,
    inputs: Sequence[Var],
    block: Block,
    run: Run,
    enter: Callable[[], None] | None = None,
    leave: Callable[[Body], tuple[Arg, ...]] | None = None,
) -> Body:
    """Read a block, and take back what it did to tensors from outside.

    Args:
        state: the tensors.
        inputs: the block's inputs, and what is added to them.
        block: the block.
        run: reads its equations.
        enter: gives the inputs their meaning.
        leave: gives further outputs, before anything is taken back; it may add equations.
    """
    memory = state.memory
    outside, state.emit.eqns = state.emit.eqns, []
    memory.enter()
    state.define(inputs)
    if enter is not None:
        enter()
    run(block.eqns)
    outputs = state.resolve_all(block.outputs)
    ends = [_end(state, output) for output in block.outputs]
    body = Body(tuple(inputs), tuple(state.emit.eqns), outputs, ends, memory.outer_effects())
    if leave is not None:
        body.outputs = (*outputs, *leave(body))
        body.eqns = tuple(state.emit.eqns)
    state.emit.eqns = outside
    memory.leave()
    return body


def _end(state: TensorState, output: Arg) -> End:
    found = {base: None for one in state.bases([output]) for base in group(one)}
    chooses, origin = isinstance(state.memory, ChoosingMemory), None
    if not isinstance(output, Var | TensorLiteral) or not is_tracked(output):
        return End(None, None, found, Origin(state.memory, None) if chooses and output is None else None, None)
    handle = state.handle(output)
    if chooses and (can_choose(handle.region.type) or handle.region.base.is_void):
        origin = Origin(state.memory, handle.region)
    known = origin if origin is not None and origin.is_known else None
    return End(handle, handle.region, found, known, state.dtype_of(output))
