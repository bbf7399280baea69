"""The memory of a captured graph: which tensors share it, and what each holds at the current equation.

A :class:`Base` is a piece of memory, a :class:`Region` a part of it in some shape: the whole, or a view of another
region. A write to a region makes new values for it and for the regions around it up to the whole, and raises the
base's version; the other regions make their value again when they are next read. So the number of equations grows
with the reads and writes that the program does, not with the number of its views.

Bases that may or may not share memory are related. A write to one spoils the others: their content depends on what
is not known here, so reading them is an error.
"""

from __future__ import annotations

import itertools
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
        root: the region of the whole.
    """

    owner: Owner
    depth: int
    version: int = 0
    spoiled: Spoiled | None = None
    related: dict[Base, None] = field(default_factory=dict)
    written_at: Place = field(default_factory=Place)
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


@dataclass(slots=True, eq=False)
class Handle:
    """A tensor object of the program: several variables can be the same one.

    Attributes:
        region: its memory; an operator such as ``unsqueeze_`` changes it.
        depth: how many blocks lie around the place where it came to be.
    """

    region: Region
    depth: int


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

    def outer_effects(self) -> tuple[dict[Base, Arg], dict[Base, Spoiled]]:
        """What the current block has done so far to bases from outside: new contents, and contents lost."""
        frame = self._frames[-1]
        contents = {base: base.root.value for base in frame.written if base.depth < self.depth}
        touched = (*frame.written, *frame.spoiled)
        return contents, {base: base.spoiled for base in touched if base.depth < self.depth and base.spoiled}

    def leave(self) -> None:
        """End the block and take back what it did."""
        frame = self._frames.pop()
        mark = frame.mark
        for base in frame.bases:
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
        path = [(region, value)]
        while region.parent is not None:
            parent = region.parent
            before = self.read(parent, emit)
            write = Write(emit, _step(region), before, parent.tensor_type, region.tensor_type, value)
            region, value = parent, write_back(write)
            path.append((region, value))
        self.rebind(region.base, value)
        self.set(region.base, "written_at", emit.place)
        for view, content in path[:-1]:
            self.hold(view, content)
        self._spoil_related(region.base, what, emit.place)

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
            left.related[right] = None
            right.related[left] = None

    def _spoil_related(self, base: Base, what: str, place: Place) -> None:
        for other in group(base):
            if other is not base:
                why = "another tensor that is read later may or may not share its memory"
                self.spoil(other, Spoiled(what, why, place))


def group(base: Base) -> dict[Base, None]:
    """The bases that may share memory with ``base``, itself included."""
    found: dict[Base, None] = {base: None}
    todo = [base] if base.related else []
    while todo:
        for other in todo.pop().related:
            if other not in found:
                found[other] = None
                todo.append(other)
    return found


def _forget(base: Base) -> None:
    """Take a base that no variable is left for out of the relations; what it related stays related.

    Where a loop is read again, its variables have other bases, which what was done to the old ones does not concern.
    """
    others = list(base.related)
    for other in others:
        del other.related[base]
    for left, right in itertools.pairwise(others):
        left.related[right] = None
        right.related[left] = None
    base.related.clear()


def _parent(region: Region) -> Region:
    if region.parent is None:
        raise LookupError("the whole base always has its present value")
    return region.parent


def _step(region: Region) -> Step:
    if region.step is None:
        raise LookupError("the whole base is no view")
    return region.step
