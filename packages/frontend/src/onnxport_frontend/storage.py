"""The memory of a captured graph: which tensors share it, and what each holds at the current equation.

A :class:`Base` is a piece of memory, a :class:`Region` a part of it in some shape: the whole, or a view of another
region. A write to a region makes new values for it and for the regions around it up to the whole, and raises the
base's version; the other regions make their value again when they are next read. So the number of equations grows
with the reads and writes that the program does, not with the number of its views.

Bases that may or may not share memory are related. A write to one spoils the others: their content depends on what
is not known here, so reading them is an error.

A base can be a :class:`Choice`: memory that is one of several regions, as a condition decides. What is written to one
of these is then no loss, as the condition says what the choice holds (:mod:`onnxport_frontend.choices`).
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from onnxport_ir.captured import Arg, TensorLiteral, Var
from onnxport_ir.errors import Place, UnsafeMutation
from onnxport_ir.types import AnyType, TensorType

from onnxport_frontend.emitting import Emitter, tensor_type
from onnxport_frontend.views import Step, apply, keeps_contiguous
from onnxport_frontend.write_back import Write, write_back

#: What a base is known by in the graph: the variable or constant that first held it.
Owner = Var | TensorLiteral


@dataclass(frozen=True, slots=True)
class Spoiled:
    """Why the content of a base is not known.

    Attributes:
        what: what was done, as a clause.
        why: why that concerns this base.
        place: where it was done.
    """

    what: str
    why: str
    place: Place


@dataclass(slots=True, eq=False)
class Base:
    """A piece of memory.

    Attributes:
        owner: the variable or constant that first held it.
        depth: how many blocks lie around the place where it came to be.
        version: a number that no two states of any base share.
        spoiled: why its content is unknown, or None.
        related: bases that may share its memory.
        written_at: the place of the last write.
        choice: the memory that it is in truth, where a condition decides that.
        choosers: the bases of whose choices it is a part.
        seen: the versions of the choice's parts that the content belongs to; None if it has to be asked for again.
        is_void: whether nobody reads what it holds, as after a branch that has left the function.
        root: the region of the whole.
    """

    owner: Owner
    depth: int
    version: int = 0
    spoiled: Spoiled | None = None
    related: dict[Base, None] = field(default_factory=dict)
    written_at: Place = field(default_factory=Place)
    choice: Choice | None = None
    choosers: dict[Base, None] = field(default_factory=dict)
    seen: tuple[int, ...] | None = None
    is_void: bool = False
    root: Region = field(init=False)


@dataclass(slots=True, eq=False)
class Region:
    """A tensor's part of a base.

    Attributes:
        base: the memory.
        type: element type and shape.
        is_contiguous: whether it is known to lie contiguously in memory.
        parent: the region that it is a view of; None for the whole base.
        step: the view operator.
        value: what it held at ``version``.
        version: the base's version that ``value`` belongs to; -1 if there is no value.
        children: the views of it, by their step.
        is_shared: whether several tensor objects lie over all of it.
        is_doubtful: whether a branch or loop decides which of several tensor objects over it a variable is.
    """

    base: Base
    type: AnyType
    is_contiguous: bool
    parent: Region | None = None
    step: Step | None = None
    value: Arg = None
    version: int = -1
    children: dict[object, Region] = field(default_factory=dict)
    is_shared: bool = False
    is_doubtful: bool = False

    @property
    def tensor_type(self) -> TensorType:
        """The type as a tensor's; one that says nothing for lists."""
        return self.type if isinstance(self.type, TensorType) else TensorType()


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Memory that a condition decides.

    Attributes:
        condition: a bool, known during the export or not.
        ways: what it is if the condition holds, and if it does not: a region, another choice, or None for memory that
            has no other name.
    """

    condition: Arg
    ways: tuple[Way, Way]

    @property
    def regions(self) -> list[Region]:
        """The regions that it can be."""
        return [region for way in self.ways for region in regions_of(way)]

    @property
    def may_own(self) -> bool:
        """Whether it can be memory that has no other name."""
        return any(way.may_own if isinstance(way, Choice) else way is None for way in self.ways)


class Nowhere(enum.Enum):
    """Where a value is that nobody reads."""

    NOWHERE = enum.auto()


#: Where a tensor is: in a region, where a condition says, or in memory that has no other name.
Way = Region | Choice | Nowhere | None


def regions_of(way: Way) -> list[Region]:
    """The regions that something can be in."""
    return way.regions if isinstance(way, Choice) else [way] if isinstance(way, Region) else []


@dataclass(slots=True, eq=False)
class Handle:
    """A tensor object of the program: several variables can be the same one.

    Attributes:
        region: its memory; an operator such as ``unsqueeze_`` changes it.
        depth: how many blocks lie around the place where it came to be.
    """

    region: Region
    depth: int


@dataclass(frozen=True, slots=True)
class Effects:
    """What a block does to memory from outside.

    Attributes:
        contents: the new contents of bases.
        spoiled: the bases whose content is not known at the end.
    """

    contents: Mapping[Base, Arg]
    spoiled: Mapping[Base, Spoiled]


@dataclass(slots=True)
class Frame:
    """A block that is being read.

    Attributes:
        mark: the length of the journal at its beginning.
        written: the bases written in it.
        spoiled: the bases spoiled in it.
        bases: the bases that came to be in it.
    """

    mark: int
    written: dict[Base, None] = field(default_factory=dict)
    spoiled: dict[Base, None] = field(default_factory=dict)
    bases: list[Base] = field(default_factory=list)


class Memory:
    """The state of all bases, and the way back to an earlier state."""

    def __init__(self) -> None:
        self.depth = 0
        self._version = 0
        self._journal: list[tuple[object, str, object]] = []
        self._frames = [Frame(0)]

    def enter(self) -> None:
        """Begin a block."""
        self.depth += 1
        self._frames.append(Frame(len(self._journal)))

    def outer_effects(self) -> Effects:
        """What the current block has done so far to bases from outside."""
        frame = self._frames[-1]
        contents = {base: base.root.value for base in frame.written if base.depth < self.depth}
        touched = (*frame.written, *frame.spoiled)
        lost = {base: base.spoiled for base in touched if base.depth < self.depth and base.spoiled}
        return Effects(contents, lost)

    def leave(self) -> None:
        """End the block and take back what it did."""
        frame = self._frames.pop()
        mark = frame.mark
        # What chooses from others came to be after them.
        for base in reversed(frame.bases):
            _forget(base)
        while len(self._journal) > mark:
            target, name, before = self._journal.pop()
            setattr(target, name, before)
        self.depth -= 1

    def set(self, target: object, name: str, value: object) -> None:
        """Set an attribute so that leaving the block takes it back."""
        if self.depth:
            self._journal.append((target, name, getattr(target, name)))
        setattr(target, name, value)

    def new_base(self, owner: Owner, depth: int, *, is_contiguous: bool) -> Region:
        """A base that nothing else shares, and its whole region, which holds ``owner``."""
        kind = owner.type if isinstance(owner, Var) else tensor_type(owner)
        self._version += 1
        base = Base(owner, depth, self._version)
        self._frames[depth].bases.append(base)
        base.root = Region(base, kind, is_contiguous, value=owner, version=self._version)
        return base.root

    def child(self, parent: Region, step: Step, kind: AnyType) -> Region:
        """The view of ``parent`` by ``step``; the same region for the same step."""
        region = parent.children.get(step.key)
        if region is None:
            out = kind if isinstance(kind, TensorType) else TensorType()
            if out.dtype is None and isinstance(kind, TensorType):
                # A script says no types; a view has the elements of what it is a view of.
                kind = out = TensorType(parent.tensor_type.dtype, out.shape)
            contiguous = parent.is_contiguous and keeps_contiguous(step, parent.tensor_type, out)
            region = parent.children[step.key] = Region(parent.base, kind, contiguous, parent, step)
        return region

    def is_current(self, region: Region) -> bool:
        """Whether the region's value is that of the base's present version."""
        return region.version == region.base.version

    def hold(self, region: Region, value: Arg) -> None:
        """Note that the region holds ``value`` at present."""
        self.set(region, "value", value)
        self.set(region, "version", region.base.version)

    def read(self, region: Region, emit: Emitter, out: Var | None = None, *, checked: bool = True) -> Arg:
        """The present value of a region; equations that make it again are emitted if need be.

        Args:
            region: what to read.
            emit: where the equations go.
            out: the variable to make the value in, if it must be made.
            checked: whether a content that is not known is an error.

        Raises:
            UnsafeMutation: if the content is not known.
        """
        if checked:
            self.check(region.base)
        stale: list[Region] = []
        while not self.is_current(region):
            stale.append(region)
            region = _parent(region)
        value = region.value
        for view in reversed(stale):
            step = _step(view)
            is_new = out is not None and view is stale[0]
            made = out if out is not None and is_new else Var(view.type)
            apply(emit, step, value, made, step.place if is_new else region.base.written_at)
            value = made
            self.hold(view, value)
        return value

    def check(self, base: Base) -> None:
        """Refuse to go on with a base whose content is not known.

        Raises:
            UnsafeMutation: if it is spoiled.
        """
        if base.spoiled is not None:
            raise UnsafeMutation(
                base.spoiled.what,
                why=base.spoiled.why,
                where=base.spoiled.place,
                hint="Call clone() on the tensor before writing to it, or write without the in-place operator.",
            )

    def write(self, region: Region, value: Arg, emit: Emitter, what: str) -> None:
        """Make ``value`` the content of a region, and change the base accordingly.

        Raises:
            UnsafeMutation: if the write cannot be carried to the base.
        """
        *path, (_, content) = self._written(region, value, emit)
        self.rebind(region.base, content)
        self.set(region.base, "written_at", emit.place)
        for view, held in path:
            self.hold(view, held)
        self._spoil_related(region.base, what, emit.place)

    def _written(self, region: Region, value: Arg, emit: Emitter) -> list[tuple[Region, Arg]]:
        """What the regions from ``region`` to the whole base hold after a write."""
        path = [(region, value)]
        while region.parent is not None:
            parent = region.parent
            before = self.read(parent, emit)
            write = Write(emit, _step(region), before, parent.tensor_type, region.tensor_type, value)
            region, value = parent, write_back(write)
            path.append((region, value))
        return path

    def rebind(self, base: Base, value: Arg, spoiled: Spoiled | None = None) -> None:
        """Give a whole base a new content."""
        self._version += 1
        self._frames[-1].written[base] = None
        self.set(base, "version", self._version)
        self.set(base, "spoiled", spoiled)
        self.hold(base.root, value)

    def spoil(self, base: Base, reason: Spoiled) -> None:
        """Note that the content of a base is not known any more."""
        if base.spoiled is None:
            self._frames[-1].spoiled[base] = None
            self.set(base, "spoiled", reason)

    def relate(self, left: Base, right: Base) -> None:
        """Note that two bases may share memory; for good, as it can only make reads fail."""
        if left is not right:
            _link(left, right)

    def settle(self, effects: Iterable[Effects], results: Mapping[Base, Arg], place: Place) -> None:
        """Give bases from outside what the ways of a branch have left in them.

        Args:
            effects: one for each way.
            results: the content of each base that one of them has written.
            place: that of the branch.
        """
        ways = list(effects)
        for base, value in results.items():
            untouched = base.spoiled if any(base not in way.contents for way in ways) else None
            self.rebind(base, value, untouched)
            self.set(base, "written_at", place)
        for way in ways:
            for base, reason in way.spoiled.items():
                self.spoil(base, reason)

    def _spoil_related(self, base: Base, what: str, place: Place) -> None:
        for other in untracked(base):
            why = "another tensor that is read later may or may not share its memory"
            self.spoil(other, Spoiled(what, why, place))


def group(base: Base) -> dict[Base, None]:
    """The bases that may share memory with ``base``, itself included."""
    return _closure([base]) if base.related or base.choice or base.choosers else {base: None}


def untracked(base: Base) -> dict[Base, None]:
    """The bases of which it is not known whether and when they share memory with ``base``, itself not included.

    What chooses it is not among them, but what may share memory with that is.
    """
    if not base.related and not base.choosers:
        return {}
    todo, exact = [base], {base: None}
    while todo:
        new = [other for other in todo.pop().choosers if other not in exact]
        exact.update(dict.fromkeys(new))
        todo += new
    found = _closure(other for one in exact for other in one.related)
    found.pop(base, None)
    return found


def tracked(base: Base) -> dict[Base, None]:
    """The base, and those of which it is known when they are its memory."""
    found, todo = {base: None}, [base]
    while todo:
        choice = todo.pop().choice
        for region in choice.regions if choice is not None else ():
            if region.base not in found:
                found[region.base] = None
                todo.append(region.base)
    return found


def _closure(bases: Iterable[Base]) -> dict[Base, None]:
    todo = list(bases)
    found = dict.fromkeys(todo)
    while todo:
        one = todo.pop()
        chosen = [region.base for region in one.choice.regions] if one.choice is not None else []
        for other in (*one.related, *one.choosers, *chosen):
            if other not in found:
                found[other] = None
                todo.append(other)
    return found


def _link(left: Base, right: Base) -> None:
    left.related[right] = None
    right.related[left] = None


def _forget(base: Base) -> None:
    """Take a base that no variable is left for out of the relations; what it related stays related.

    Where a loop is read again, its variables have other bases, which what was done to the old ones does not concern.
    """
    others = list(base.related)
    for other in others:
        del other.related[base]
    for left, right in itertools.pairwise(others):
        _link(left, right)
    base.related.clear()
    for chosen in dict.fromkeys(region.base for region in base.choice.regions) if base.choice is not None else ():
        del chosen.choosers[base]
        for other in others:
            if other is not chosen:
                _link(chosen, other)


def _parent(region: Region) -> Region:
    if region.parent is None:
        raise LookupError("the whole base always has its present value")
    return region.parent


def _step(region: Region) -> Step:
    if region.step is None:
        raise LookupError("the whole base is no view")
    return region.step
