"""Tensors whose memory a condition decides: ``v = x if flag else y``, or what a loop hands from turn to turn.

A base with a :class:`Choice` holds the value of such a tensor. It is made again, by an If over what each way holds,
when it is read after one of these was written; what is written to it goes to the way that the condition says, by an If
as well. So nothing is written twice, and the number of equations grows with the reads and writes that the program does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from onnxport_ir.captured import Arg, Block, Eqn, OpName, Var, arg_vars
from onnxport_ir.dtypes import DType
from onnxport_ir.errors import Place
from onnxport_ir.types import AnyType, OptionalType, ScalarType, TensorType

from onnxport_frontend.emitting import Emitter, positions, reshape_like, tensor_type
from onnxport_frontend.storage import Base, Choice, Memory, Nowhere, Region, Spoiled, Way, tracked, untracked
from onnxport_frontend.views import EXPANDS, Step, apply

#: A tensor that can be in more regions than this counts as one that can be anywhere.
MOST_WAYS = 16

IF = OpName("prim", "If")
_NOTHING = OpName("prim", "Uninitialized")
_TAKE = OpName("aten", "take")


#: Equations, and what they give.
_Block = tuple[tuple[Eqn, ...], tuple[Arg, ...]]


class ChoosingMemory(Memory):
    """A memory in which a condition can decide where a tensor is."""

    def choose(self, region: Region, choice: Choice) -> None:
        """Let the base of a variable that has just come to be, and holds its present value, be a choice."""
        base = region.base
        base.choice = choice
        for way in choice.regions:
            way.base.choosers[base] = None
        self.set(base, "seen", _versions(base))

    def is_current(self, region: Region) -> bool:
        """Whether the region's value is that of its base and, where that is a choice, of what it has chosen from."""
        return super().is_current(region) and _is_fresh(region.base)

    def check(self, base: Base) -> None:
        """Refuse to go on with a base whose content, or that of a part of its choice, is not known.

        Raises:
            UnsafeMutation: if it is spoiled.
        """
        for one in tracked(base):
            super().check(one)

    def rebind(self, base: Base, value: Arg, spoiled: Spoiled | None = None) -> None:
        """Give a whole base a new content."""
        super().rebind(base, value, spoiled)
        if base.choice is not None:
            self.set(base, "seen", None)
            if not base.choice.may_own:
                # All of what it holds is elsewhere as well.
                self._frames[-1].written.pop(base)

    def read(self, region: Region, emit: Emitter, out: Var | None = None, *, checked: bool = True) -> Arg:
        """The present value of a region, as :meth:`Memory.read`.

        Raises:
            UnsafeMutation: if the content is not known.
        """
        if region.base.choice is not None:
            if checked:
                self.check(region.base)
            self._refresh(region.base, region.base.choice, emit, checked=checked)
        return super().read(region, emit, out, checked=checked)

    def write(self, region: Region, value: Arg, emit: Emitter, what: str) -> None:
        """Make ``value`` the content of a region, in all memory that it can be, as :meth:`Memory.write`.

        Raises:
            UnsafeMutation: if the write cannot be carried there.
        """
        super().write(region, value, emit, what)
        base = region.base
        if base.choice is not None:
            self._write_ways(base.choice, base.root.value, emit, what)
            self.set(base, "seen", _versions(base))

    def _refresh(self, base: Base, choice: Choice, emit: Emitter, *, checked: bool) -> None:
        """Bring the content of a choice up to date."""
        if _is_fresh(base):
            return
        for way in choice.regions:
            # Before the If, as several of its ways may be in one of these.
            if way.base.choice is not None:
                self._refresh(way.base, way.base.choice, emit, checked=checked)
        if base.seen == _versions(base):
            return
        value = self._value(choice, base.root.value, base.root.type, emit, checked=checked)
        self._version += 1
        self.set(base, "version", self._version)
        self.hold(base.root, value)
        self.set(base, "seen", _versions(base))

    def _value(self, way: Way, own: Arg, kind: AnyType, emit: Emitter, *, checked: bool) -> Arg:
        """What a way holds; ``own`` is the content of memory that has no other name."""
        if isinstance(way, Region):
            return self.read(way, emit, checked=checked)
        if not isinstance(way, Choice):
            return own
        ways = self._both(way, emit, lambda one: (self._value(one, own, kind, emit, checked=checked),))
        out = Var(kind)
        _branch(emit, way, ways, (out,))
        return out

    def _write_ways(self, choice: Choice, value: Arg, emit: Emitter, what: str) -> None:
        """Write to the regions of a choice: each base gets what it holds then, whichever way is taken."""
        bases = dict.fromkeys(region.base for region in choice.regions)
        plain = [base for base in bases if base.choice is None]
        # One that is a choice itself can have others as its parts, so that what it does to them must be seen.
        for together in ([plain] if plain else []) + [[base] for base in bases if base.choice is not None]:
            for base in together:
                self.read(base.root, emit)
            contents = self._contents(choice, together, value, emit)
            for base, content in zip(together, contents, strict=True):
                self.write(base.root, content, emit, what)

    def _contents(self, way: Way, bases: Sequence[Base], value: Arg, emit: Emitter) -> tuple[Arg, ...]:
        """What bases hold, if a way is taken, after a write to it."""
        if isinstance(way, Choice) and any(region.base in bases for region in way.regions):
            ways = self._both(way, emit, lambda one: self._contents(one, bases, value, emit))
            outputs = tuple([Var(base.root.type) for base in bases])
            _branch(emit, way, ways, outputs)
            return outputs
        contents = {base: base.root.value for base in bases}
        if isinstance(way, Region) and way.base in contents:
            _, contents[way.base] = self._written(way, self._shaped(value, way, emit), emit)[-1]
        return tuple(contents.values())

    def _shaped(self, value: Arg, way: Region, emit: Emitter) -> Arg:
        """A value that has the shape of a region whenever it is written to it, so that this is known as well."""
        kind = way.tensor_type
        is_shaped = kind.shape is not None and tensor_type(value).shape == kind.shape
        if is_shaped or not isinstance(way.type, TensorType):
            return value
        return reshape_like(emit, value, kind, self.read(way, emit))

    def _both(self, choice: Choice, emit: Emitter, find: Callable[[Way], tuple[Arg, ...]]) -> list[_Block]:
        """What is found for each way, in blocks of their own."""
        found, outside = list[_Block](), emit.eqns
        for way in choice.ways:
            emit.eqns = []
            self.enter()
            results = find(way)
            self.leave()
            found.append((tuple(emit.eqns), results))
        emit.eqns = outside
        return found


def _branch(emit: Emitter, choice: Choice, ways: Sequence[_Block], outputs: tuple[Var, ...]) -> None:
    blocks = tuple([Block((), eqns, ends) for eqns, ends in ways])
    eqn = Eqn(IF, (choice.condition,), ("cond",), outputs, blocks, emit.place)
    emit.add(eqn)
    emit.added[eqn] = 0


def _versions(base: Base) -> tuple[int, ...]:
    return tuple([way.base.version for way in base.choice.regions]) if base.choice is not None else ()


def _is_fresh(base: Base) -> bool:
    """Whether nothing that a choice has chosen from was written since its content was made."""
    return base.choice is None or all(one.choice is None or one.seen == _versions(one) for one in tracked(base))


def can_choose(kind: AnyType) -> bool:
    """Whether a value of a type is a tensor, or perhaps one: what a choice can hold."""
    return isinstance(kind.element if isinstance(kind, OptionalType) else kind, TensorType)


def joined(condition: Arg, left: Way, right: Way) -> Way:
    """One way or the other; a choice only if they differ."""
    if isinstance(left, Nowhere) or isinstance(right, Nowhere):
        return right if isinstance(left, Nowhere) else left
    return left if left is right else Choice(condition, (left, right))


class Origin:
    """Where a tensor of the present block is, in terms of memory from outside.

    Attributes:
        way: where it is.
        owns: the bases of the block, among those that it can be in, that have no name outside.
        is_known: whether that is all; there can be too many ways.
        apart: the bases that may share the memory of ``owns``, but where a choice says when.
    """

    def __init__(self, memory: Memory, region: Region | None) -> None:
        self.owns: dict[Base, None] = {}
        self._memory = memory
        self._left = MOST_WAYS
        # No tensor is in memory that has no other name.
        self.way: Way = None if region is None else self._outer(region)
        self.is_known = self._left >= 0
        self.apart = dict.fromkeys(self.owns)
        for base in self.owns:
            self.apart.update(untracked(base))

    def _outer(self, region: Region) -> Way:
        base = region.base
        self._left -= 1
        if base.is_void:
            return Nowhere.NOWHERE
        if base.depth < self._memory.depth:
            return region
        if base.choice is not None and self._left >= 0:
            return self._through(base.choice, region)
        self.owns[base] = None
        return None

    def _through(self, choice: Choice, region: Region) -> Way:
        """A view of a choice: the choice among the same views of its ways."""
        left, right = [self._view(way, region) for way in choice.ways]
        return joined(choice.condition, left, right)

    def _view(self, way: Way, region: Region) -> Way:
        if isinstance(way, Choice):
            return self._through(way, region)
        if not isinstance(way, Region):
            self.owns[region.base] = None
            return None
        for step, view in steps_to(region):
            way = self._memory.child(way, step, view.type)
        return self._outer(way)


def steps_to(region: Region) -> list[tuple[Step, Region]]:
    """The view operators from the whole base to a region, and what each gives."""
    found: list[tuple[Step, Region]] = []
    while region.parent is not None and region.step is not None:
        found.append((region.step, region))
        region = region.parent
    return found[::-1]


def variables(way: Way) -> list[Var]:
    """The variables that say which memory it is."""
    if isinstance(way, Choice):
        nested = [var for one in way.ways for var in variables(one)]
        return [*arg_vars(way.condition), *nested]
    return view_variables(way) if isinstance(way, Region) else []


def view_variables(region: Region) -> list[Var]:
    """The variables in the view operators from the whole base to a region."""
    return [var for step, _ in steps_to(region) for arg in step.rest for var in arg_vars(arg)]


class Exports:
    """Variables of a branch's blocks that say which memory a result is, as further results of the branch."""

    def __init__(self, blocks: int) -> None:
        self._found: list[dict[Var, Var]] = [{} for _ in range(blocks)]

    def outside(self, memory: Memory, index: int, way: Way, defined: set[Var]) -> Way:
        """A way of a block, as it is named behind the branch.

        Args:
            memory: makes views.
            index: which block.
            way: where a tensor is in it.
            defined: the variables that the block defines.
        """
        names = self._found[index]
        for var in variables(way):
            if var in defined and var not in names:
                names[var] = Var(var.type, var.hint)
        return _renamed(memory, way, names)

    @property
    def results(self) -> tuple[Var, ...]:
        """The results."""
        return tuple([var for names in self._found for var in names.values()])

    def ends(self, index: int, place: Place) -> tuple[tuple[Eqn, ...], tuple[Var, ...]]:
        """What a block gives for the results; those of other blocks say nothing."""
        eqns: list[Eqn] = []
        outputs: list[Var] = []
        for number, names in enumerate(self._found):
            for var in names:
                end = var if number == index else Var(var.type)
                if number != index:
                    eqns.append(Eqn(_NOTHING, (), (), (end,), place=place))
                outputs.append(end)
        return tuple(eqns), tuple(outputs)


def _renamed(memory: Memory, way: Way, names: dict[Var, Var]) -> Way:
    if not any(var in names for var in variables(way)):
        return way
    if isinstance(way, Choice):
        left, right = [_renamed(memory, one, names) for one in way.ways]
        return joined(_renamed_arg(way.condition, names), left, right)
    if not isinstance(way, Region):
        return way
    region = way.base.root
    for step, view in steps_to(way):
        rest = tuple([_renamed_arg(arg, names) for arg in step.rest])
        region = memory.child(region, replace(step, rest=rest), view.type)
    return region


def _renamed_arg(arg: Arg, names: dict[Var, Var]) -> Arg:
    if isinstance(arg, tuple):
        return tuple([_renamed_arg(item, names) for item in arg])
    return names.get(arg, arg) if isinstance(arg, Var) else arg


def chosen_from(flags: dict[Region, Var], *, may_own: bool) -> Way:
    """The region whose flag is set; if none is, memory without another name, or the last region if that cannot be."""
    regions = list(flags)
    way: Way = None if may_own or not regions else regions.pop()
    for region in reversed(regions):
        way = Choice(flags[region], (region, way))
    return way


def is_at(way: Way, region: Region, emit: Emitter) -> Arg:
    """Whether a tensor is in a region."""
    return _depending(way, lambda one: one is region, ScalarType("bool"), emit)


def is_within(way: Way, base: Base, emit: Emitter) -> Arg:
    """Whether a tensor is a view of a base."""
    return _depending(way, lambda one: isinstance(one, Region) and one.base is base, ScalarType("bool"), emit)


def positions_of(memory: Memory, way: Way, base: Base, otherwise: Arg, emit: Emitter) -> Arg:
    """The positions in a base of the elements of a tensor; ``otherwise`` if it is no view of it."""

    def find(one: Way) -> Arg:
        if not isinstance(one, Region) or one.base is not base:
            return otherwise
        found: Arg = positions(emit, memory.read(base.root, emit), base.root.tensor_type)
        for step, _ in steps_to(one):
            view = Var(TensorType(DType.INT64))
            apply(emit, step, found, view, emit.place)
            found = view
        return found

    return _depending(way, find, TensorType(DType.INT64), emit)


def _depending(way: Way, find: Callable[[Way], Arg], kind: AnyType, emit: Emitter) -> Arg:
    """What is found for the way that conditions say."""
    if not isinstance(way, Choice):
        return find(way)
    outside, found = emit.eqns, []
    for one in way.ways:
        emit.eqns = []
        result = _depending(one, find, kind, emit)
        found.append((tuple(emit.eqns), (result,)))
    emit.eqns = outside
    results = [ends[0] for _, ends in found]
    if results[0] is results[1]:
        return results[0]
    out = Var(kind)
    _branch(emit, way, found, (out,))
    return out


def scattered(memory: Memory, base: Base, where: Arg) -> Region:
    """The elements of a base at some positions, in the shape of these."""
    step = Step(_TAKE, (where,), ("self", "index"))
    return memory.child(base.root, step, TensorType(base.root.tensor_type.dtype))


def can_scatter(region: Region) -> bool:
    """Whether positions say all of a view: it must not repeat elements, which could not be told from others then."""
    names = [step.op.base for step, _ in steps_to(region)]
    is_tensor = isinstance(region.type, TensorType) and isinstance(region.base.root.type, TensorType)
    return is_tensor and not any(name in EXPANDS or name == "aten::unfold" for name in names)
