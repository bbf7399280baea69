"""What the values that a trace has fixed depend on: nothing that varies, sizes of dynamic axes, or elements of inputs.

The marks that :mod:`onnxport_frontend.conversions` leaves are equations of the captured graph, which is functional by
then: a write through any alias is part of what is read. The graph is walked once, over what marks can reach. A size is
followed exactly where the operator's rule is known (:mod:`onnxport_frontend.size_rules`), and depends on all sizes of
all arguments where it is not: what is called independent is so.

A number that has left the graph cannot be followed any further. It is a finding of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from onnxport_ir.captured import Arg, Block, CapturedGraph, Eqn, ModuleCall, OpName, TensorLiteral, Var, arg_vars
from onnxport_ir.dims import Dim, DimSource, evaluate
from onnxport_ir.types import ScalarType, TensorType

from onnxport_frontend import _torch_private as private
from onnxport_frontend.aliasing import op_facts

_PRINT = "prim::Print"
_MARK = "onnxport mark"


@dataclass(frozen=True, slots=True)
class Dependence:
    """What a value depends on.

    Attributes:
        sizes: the names of dynamic axes whose size it depends on.
        inputs: the names of inputs on whose elements it depends.
        counts: the names of inputs whose elements decide sizes on which it depends: of what a mask chooses.
        is_known: whether that is all.
    """

    sizes: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    is_known: bool = True

    @property
    def is_nothing(self) -> bool:
        """Whether the value is the same for all inputs."""
        return self.is_known and not self.sizes and not self.inputs and not self.counts

    def __or__(self, other: Dependence) -> Dependence:
        return Dependence(
            tuple(dict.fromkeys(self.sizes + other.sizes)),
            tuple(dict.fromkeys(self.inputs + other.inputs)),
            tuple(dict.fromkeys(self.counts + other.counts)),
            self.is_known and other.is_known,
        )

    def __str__(self) -> str:
        if not self.is_known:
            return "what it depends on is not known"
        if self.inputs:
            return f"it depends on the elements of {', '.join(self.inputs)}"
        if self.counts:
            return f"it depends on a size that the elements of {', '.join(self.counts)} decide"
        if self.sizes:
            return f"it depends on the size of {', '.join(self.sizes)}"
        return "it is the same for all inputs"


#: What the marks of a graph say of themselves: number, aspect, and what is marked.
@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """A place in the graph where a tensor became something of Python's.

    Attributes:
        number: which one.
        aspect: what of the tensor it was, as :data:`onnxport_frontend.conversions.Aspect` has it.
        value: the tensor.
    """

    number: int
    aspect: str
    value: Arg


def mark_text(number: int, aspect: str) -> str:
    """The text by which a mark is known in the trace."""
    return f"{_MARK} {number} {aspect}"


def mark_of(eqn: Eqn) -> Mark | None:
    """What an equation marks, if it is a mark."""
    if eqn.op.base != _PRINT or len(eqn.args) != 1 or not isinstance(eqn.args[0], tuple):
        args = eqn.args
    else:
        args = eqn.args[0]
    if eqn.op.base != _PRINT or len(args) != 2 or not isinstance(args[0], str) or not args[0].startswith(_MARK):
        return None
    number, aspect = args[0].removeprefix(_MARK).split()
    return Mark(int(number), aspect, args[1])


def marks_of(eqns: Iterable[Eqn]) -> Iterator[Mark]:
    """The marks among equations, those in bodies included."""
    for eqn in eqns:
        mark = mark_of(eqn)
        if mark is not None:
            yield mark
        for block in eqn.blocks:
            yield from marks_of(block.eqns)


def without_marks(graph: CapturedGraph) -> CapturedGraph:
    """The graph without its marks and what only they read; the same object if it has none."""
    marked = _reached(graph.eqns, ())
    if not marked:
        return graph
    only_marked = set(marked)
    used = {var for output in graph.outputs for var in arg_vars(output.value)}
    kept: list[Eqn | None] = []
    for eqn in reversed(graph.eqns):
        is_mark = mark_of(eqn) is not None
        if is_mark or (eqn in only_marked and used.isdisjoint(eqn.outputs) and _is_pure(eqn)):
            kept.append(None)
            continue
        bare = _without_marks(eqn)
        used.update(_reads(bare))
        kept.append(bare)
    counts = [0]
    for item in reversed(kept):
        counts.append(counts[-1] + (item is not None))
    calls = tuple(ModuleCall(c.path, c.class_name, counts[c.first], counts[c.last]) for c in graph.calls)
    return replace(graph, eqns=tuple(eqn for eqn in reversed(kept) if eqn is not None), calls=calls)


def _is_pure(eqn: Eqn) -> bool:
    facts = op_facts(eqn.op)
    return not eqn.blocks and facts is not None and not facts.tensor_writes and not facts.container_writes


def _without_marks(eqn: Eqn) -> Eqn:
    if not eqn.blocks or not _has_marks(eqn):
        return eqn
    blocks = tuple(
        Block(block.inputs, tuple(_without_marks(e) for e in block.eqns if mark_of(e) is None), block.outputs)
        for block in eqn.blocks
    )
    return Eqn(eqn.op, eqn.args, eqn.names, eqn.outputs, blocks, eqn.place)


@dataclass(frozen=True, slots=True)
class Fact:
    """What is known of a value.

    Attributes:
        deps: what its elements depend on, as a set of bits.
        dims: its sizes, if it is a tensor of known rank.
        rest: what its sizes depend on where ``dims`` does not say.
        number: its value, if it is a whole number that sizes decide.
    """

    deps: int = 0
    dims: tuple[Dim, ...] | None = None
    rest: int = 0
    number: Dim | None = None


UNKNOWN = Fact(deps=1, rest=1)


@dataclass(slots=True, eq=False)
class Facts:
    """What is known of the values of a graph, found out in the order of its equations.

    Attributes:
        of: the fact of each variable.
        labels: the meaning of each bit of a set: the first is "not known", then sizes and inputs as they come.
        atoms: what each size without a formula depends on, and how it is computed, by its name.
    """

    of: dict[Var, Fact] = field(default_factory=dict)
    labels: list[tuple[str, str]] = field(default_factory=lambda: [("", "")])
    atoms: dict[str, tuple[int, Callable[[Mapping[str, int]], int | None] | None]] = field(default_factory=dict)
    _bits: dict[tuple[str, str], int] = field(default_factory=dict)
    _source: DimSource = field(default_factory=lambda: DimSource("size"))

    def bit(self, kind: str, name: str) -> int:
        """The set of one label."""
        key = kind, name
        if key not in self._bits:
            self._bits[key] = 1 << len(self.labels)
            self.labels.append(key)
        return self._bits[key]

    def counted(self, deps: int) -> int:
        """What a size depends on that these decide: elements as far as they do so."""
        for index, (kind, name) in enumerate(list(self.labels)):
            if kind == "data" and deps >> index & 1:
                deps = deps & ~(1 << index) | self.bit("count", name)
        return deps

    def unknown(
        self, hint: int | None, deps: int, compute: Callable[[Mapping[str, int]], int | None] | None = None
    ) -> Dim:
        """A size of which only this is known."""
        dim = self._source.unknown(hint)
        self.atoms[dim.terms[0][0][0]] = deps, compute
        return dim

    def deps_of(self, dim: Dim) -> int:
        """What a size depends on."""
        if isinstance(dim, int):
            return 0
        deps = 0
        for monomial, _ in dim.terms:
            for atom in monomial:
                deps |= self.atoms[atom][0] if atom in self.atoms else self.bit("size", atom)
        return deps

    def shape_deps(self, fact: Fact) -> int:
        """What the sizes of a value depend on."""
        deps = fact.rest
        for dim in fact.dims or ():
            deps |= self.deps_of(dim)
        return deps

    def all_deps(self, fact: Fact) -> int:
        """What its elements or sizes depend on."""
        return fact.deps | self.shape_deps(fact)

    def size(self, dim: Dim, sizes: Mapping[str, int]) -> int | None:
        """A size for other sizes of the dynamic axes; None where it has no formula."""
        if isinstance(dim, int):
            return dim
        known = dict(sizes)
        for monomial, _ in dim.terms:
            for atom in monomial:
                if atom not in known:
                    compute = self.atoms.get(atom, (0, None))[1]
                    value = None if compute is None else compute(sizes)
                    if value is None:
                        return None
                    known[atom] = value
        return evaluate(dim, known)

    def arg(self, arg: Arg) -> Fact:
        """What is known of an argument."""
        match arg:
            case Var():
                return self.of.get(arg, UNKNOWN)
            case bool():
                return Fact()
            case int():
                return Fact(number=arg)
            case TensorLiteral():
                shape = tuple(arg.tensor.shape)
                return Fact(dims=shape, number=_whole(arg) if not shape else None)
            case tuple():
                items = [self.arg(item) for item in arg]
                deps = rest = 0
                for item in items:
                    deps |= item.deps
                    rest |= self.shape_deps(item)
                return Fact(deps=deps, rest=rest)
            case _:
                return Fact()

    def dependence(self, deps: int) -> Dependence:
        """A set of bits in words."""
        named = [label for index, label in enumerate(self.labels) if deps >> index & 1 and index]
        return Dependence(
            tuple(name for kind, name in named if kind == "size"),
            tuple(name for kind, name in named if kind == "data"),
            tuple(name for kind, name in named if kind == "count"),
            not deps & 1,
        )


def _whole(literal: TensorLiteral) -> int | None:
    value = literal.tensor.numpy()
    return int(value) if value.dtype.kind in "iu" else None


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """The marks of a graph and what they depend on.

    Attributes:
        graph: the graph, with its marks.
        dependences: by the number of the mark.
        formulas: how to compute what was marked from the sizes of the dynamic axes, where that is known.
        parts: lists that were taken apart although the size of a dynamic axis decides how many parts they have.
    """

    graph: CapturedGraph
    dependences: dict[int, Dependence]
    formulas: dict[int, Callable[[Mapping[str, int]], Any]]
    parts: list[tuple[Eqn, Dependence]]


#: Operators that give as many tensors as an axis is long, or as fit into it, and the name of the axis argument.
_LISTS = {"unbind": "dim", "split": "dim", "chunk": "dim", "unsafe_split": "dim", "unsafe_chunk": "dim"}
_UNPACK = OpName("prim", "ListUnpack")


def analyse(graph: CapturedGraph) -> Marked:
    """Find out what the marks of a functional graph depend on; linear in the equations that they reach."""
    from onnxport_frontend.following import follow  # noqa: PLC0415 - the walk is written with the facts of this module
    from onnxport_frontend.formulas import formula  # noqa: PLC0415 - it runs operators, which only marks need

    marks = list(marks_of(graph.eqns))
    lists = {out: eqn for eqn in graph.eqns if eqn.op.name in _LISTS for out in eqn.outputs}
    unpacked = [eqn for eqn in graph.eqns if eqn.op == _UNPACK and _may_vary(eqn.args[0], lists)]
    facts = Facts()
    if not marks and (not unpacked or _is_of_fixed_sizes(graph)):
        return Marked(graph, {}, {}, [])
    makers = _reached(graph.eqns, [eqn.args[0] for eqn in unpacked])
    for item in graph.inputs:
        type_ = item.var.type
        dims = type_.shape if isinstance(type_, TensorType) else None
        rest = 0 if dims is not None or isinstance(type_, ScalarType) else 1
        facts.of[item.var] = Fact(facts.bit("data", item.name), dims, rest)
    for param in graph.params:
        facts.of[param.var] = Fact(dims=tuple(param.tensor.shape))
    for eqn in makers:
        follow(eqn, facts)
    made = {out: eqn for eqn in makers for out in eqn.outputs}
    order = {eqn: index for index, eqn in enumerate(makers)}
    dependences, formulas = {}, {}
    for mark in marks:
        dependences[mark.number] = facts.dependence(_deps_of(mark, facts))
        found = formula(mark, facts, made, order)
        if found is not None:
            formulas[mark.number] = found
    parts = []
    for eqn in unpacked:
        (arg,) = eqn.args
        deps = _count_deps(arg, facts, made)
        if deps and isinstance(arg, Var):
            parts.append((made[arg], facts.dependence(deps)))
    return Marked(graph, dependences, formulas, parts)


def _is_of_fixed_sizes(graph: CapturedGraph) -> bool:
    """Whether no size in a graph can be another: none of the inputs', and no operator decides one from elements."""
    types = [item.var.type for item in graph.inputs]
    return all(
        isinstance(type_, TensorType) and type_.shape is not None and all(isinstance(size, int) for size in type_.shape)
        for type_ in types
    ) and not any(
        eqn.blocks
        or private.has_dynamic_shape(eqn.op.namespace, eqn.op.name, eqn.op.overload)
        # A number, which may come from elements.
        or any(isinstance(out.type, ScalarType) for out in eqn.outputs)
        for eqn in graph.eqns
    )


def _may_vary(arg: Arg, lists: Mapping[Var, Eqn]) -> bool:
    """Whether a list may have another number of parts: not if all sizes of the tensor that it is made of are known."""
    maker = lists.get(arg) if isinstance(arg, Var) else None
    if maker is None:
        return False
    whole = maker.args[0]
    type_ = whole.type if isinstance(whole, Var) else None
    shape = type_.shape if isinstance(type_, TensorType) else None
    return shape is None or not all(isinstance(size, int) for size in shape)


def _reached(eqns: Sequence[Eqn], ends: Iterable[Arg]) -> list[Eqn]:
    """The equations that compute these values or what is marked, in order."""
    wanted = {var for end in ends for var in arg_vars(end)}
    found = []
    for eqn in reversed(eqns):
        if mark_of(eqn) is not None or not wanted.isdisjoint(eqn.outputs) or (eqn.blocks and _has_marks(eqn)):
            found.append(eqn)
            wanted.update(_reads(eqn))
    return found[::-1]


def _has_marks(eqn: Eqn) -> bool:
    return any(True for _ in marks_of([eqn]))


def _reads(eqn: Eqn) -> Iterator[Var]:
    for arg in eqn.args:
        yield from arg_vars(arg)
    for block in eqn.blocks:
        for inner in block.eqns:
            yield from _reads(inner)
        for output in block.outputs:
            yield from arg_vars(output)


def _deps_of(mark: Mark, facts: Facts) -> int:
    fact = facts.arg(mark.value)
    if mark.aspect == "length" and fact.dims:
        return facts.deps_of(fact.dims[0])
    return facts.shape_deps(fact) if mark.aspect in ("length", "sizes") else facts.all_deps(fact)


def _count_deps(arg: Arg, facts: Facts, made: Mapping[Var, Eqn]) -> int:
    """What decides how many parts a list has."""
    eqn = made.get(arg) if isinstance(arg, Var) else None
    if eqn is None or eqn.op.name not in _LISTS:
        return 0
    named = dict(zip(eqn.names, eqn.args, strict=True))
    axis, dims = named.get(_LISTS[eqn.op.name]), facts.arg(eqn.args[0]).dims
    if "split_sizes" in named and isinstance(named["split_sizes"], tuple):
        return 0
    if dims is None or not isinstance(axis, int) or not -len(dims) <= axis < len(dims):
        return facts.shape_deps(facts.arg(eqn.args[0]))
    return facts.deps_of(dims[axis])
