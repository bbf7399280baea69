"""View operators: how their results relate to memory, and how a view is made again from its base."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from onnxport_ir.captured import Arg, Enumeral, Eqn, OpName, Var
from onnxport_ir.dtypes import DType
from onnxport_ir.errors import Place
from onnxport_ir.types import SequenceType, TensorType

from onnxport_frontend.emitting import Emitter, tensor_type

MAX_SIZE = 2**63 - 1
#: The numbers of torch.contiguous_format and torch.preserve_format.
CONTIGUOUS, PRESERVE = 0, 1


class Sharing(enum.Enum):
    """How the result of an operator relates to the memory of its first argument."""

    #: The result is the argument itself.
    SAME = enum.auto()
    #: A new tensor over all elements of the argument, in the same shape.
    WHOLE = enum.auto()
    #: A view of known form.
    VIEW = enum.auto()
    #: A list of views of known form.
    VIEWS = enum.auto()
    #: Shared or copied: it depends on what is not known here.
    MAYBE = enum.auto()
    #: Memory of its own.
    FRESH = enum.auto()


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One view operator, ready to be applied to another value of its base.

    Attributes:
        op: the operator; its first argument is the base.
        rest: the other arguments.
        names: the names of all arguments.
        item: which element of the result it is, for operators that give a list of views.
        place: where the view was made.
    """

    op: OpName
    rest: tuple[Arg, ...]
    names: tuple[str, ...]
    item: int | None = None
    place: Place = field(default_factory=Place)

    @property
    def key(self) -> tuple[OpName, tuple[Arg, ...], int | None]:
        """Equal for steps that give the same view of a base."""
        return self.op, self.rest, self.item

    def arg(self, name: str) -> Arg:
        """An argument other than the base."""
        return self.rest[self.names.index(name) - 1]


def sharing(eqn: Eqn, base: TensorType, is_contiguous: bool) -> Sharing:
    """How the result of ``eqn`` relates to its first argument.

    Args:
        eqn: the call; its arguments may be those of the graph before it was changed.
        base: the type of the first argument.
        is_contiguous: whether the first argument is known to lie contiguously in memory.
    """
    name = eqn.op.base
    if name in _WHOLE:
        return Sharing.WHOLE
    if name in _BY_TYPE:
        return _BY_TYPE[name](eqn, base)
    if name in _REAL_SAME:
        is_real = base.dtype is not None and not base.dtype.is_complex
        return Sharing.SAME if is_real else Sharing.MAYBE
    if name == "aten::slice" and _is_whole(eqn, base):
        return Sharing.WHOLE
    if name in _LISTS:
        return Sharing.VIEWS
    if name in ("aten::to", "aten::type_as"):
        return _conversion(eqn, base, is_contiguous)
    if name == "aten::contiguous":
        plain = _literal(eqn, "memory_format") in (None, CONTIGUOUS)
        return Sharing.SAME if is_contiguous and plain else Sharing.MAYBE
    if name in RESHAPES:
        return _reshape(eqn, base, is_contiguous)
    if (name == "aten::view" and eqn.op.overload) or name not in _VIEWS:
        return Sharing.MAYBE
    return Sharing.VIEW


def step_of(eqn: Eqn, rest: Sequence[Arg]) -> Step:
    """The step of a view operator, given its other arguments as they are in the new graph."""
    return Step(eqn.op, tuple(rest), eqn.names, place=eqn.place)


def item_step(step: Step, index: int, base: TensorType) -> Step:
    """The step to element ``index`` of the list of views that ``step`` makes, as one view operator if possible."""
    name, dim = step.op.name, step.arg("dim") if "dim" in step.names else None
    if name == "unbind":
        return Step(OpName("aten", "select", "int"), (dim, index), ("self", "dim", "index"), place=step.place)
    bounds = _bounds(step, name.removeprefix("unsafe_"), index, base)
    if bounds is None:
        return Step(step.op, step.rest, step.names, index, step.place)
    names = ("self", "dim", "start", "end", "step")
    return Step(OpName("aten", "slice", "Tensor"), (dim, *bounds, 1), names, place=step.place)


def keeps_contiguous(step: Step, base: TensorType, out: TensorType) -> bool:
    """Whether this view of a contiguous tensor is contiguous."""
    name = step.op.base
    if name in RESHAPES or name in SAME_ORDER:
        return True
    if name in ("aten::select", "aten::slice", "aten::narrow"):
        dim = step.arg("dim")
        first = dim == 0 or (isinstance(dim, int) and base.rank is not None and dim == -base.rank)
        return first and (name != "aten::slice" or step.arg("step") == 1)
    return name in EXPANDS and base.shape is not None and base.shape == out.shape


def apply(emit: Emitter, step: Step, base: Arg, out: Var, place: Place) -> None:
    """Emit the view of ``base`` as ``out``."""
    args = (base, *step.rest)
    if step.item is None:
        emit.add(Eqn(step.op, args, step.names, (out,), place=place))
        return
    parts = Var(SequenceType(TensorType(tensor_type(base).dtype)))
    emit.add(Eqn(step.op, args, step.names, (parts,), place=place))
    emit.add(Eqn(OpName("aten", "__getitem__", "t"), (parts, step.item), ("list", "idx"), (out,), place=place))


EXPANDS = frozenset({"aten::expand", "aten::expand_as", "aten::broadcast_to"})
RESHAPES = frozenset({"aten::reshape", "aten::reshape_as", "aten::flatten", "aten::ravel"})
_WHOLE = frozenset({"aten::detach", "aten::alias", "prim::data", "aten::lift_fresh"})
_REAL_SAME = frozenset(
    {
        "aten::real",
        "aten::conj",
        "aten::_conj",
        "aten::conj_physical",
        "aten::resolve_conj",
        "aten::resolve_neg",
        "aten::positive",
    }
)
#: Transposed views of real tensors.
ADJOINTS = frozenset({"aten::mH", "aten::matrix_H", "aten::adjoint"})
_LISTS = frozenset(
    {"aten::unbind", "aten::split", "aten::split_with_sizes", "aten::chunk", "aten::tensor_split"}
    | {"aten::hsplit", "aten::vsplit", "aten::dsplit"}
    | {"aten::unsafe_split", "aten::unsafe_split_with_sizes", "aten::unsafe_chunk"}
)
_DROPOUTS = frozenset({"aten::dropout", "aten::alpha_dropout", "aten::feature_dropout", "aten::feature_alpha_dropout"})
UNWRAPS = frozenset({"aten::_unwrap_optional", "prim::unchecked_cast", "prim::unchecked_unwrap_optional"})
_AT_LEAST = frozenset({"aten::atleast_1d", "aten::atleast_2d", "aten::atleast_3d"})
SAME_ORDER = frozenset(
    {"aten::view", "aten::view_as", "aten::_unsafe_view", "aten::squeeze", "aten::unsqueeze", "aten::unflatten"}
    | {"aten::_reshape_alias"}
    | _AT_LEAST
    | UNWRAPS
)
_VIEWS = (
    frozenset({"aten::select", "aten::slice", "aten::narrow", "aten::permute", "aten::unfold"})
    | {"aten::transpose", "aten::swapaxes", "aten::swapdims", "aten::t", "aten::numpy_T", "aten::mT"}
    | {"aten::movedim", "aten::moveaxis", "aten::diagonal", "aten::linalg_diagonal"}
    | EXPANDS
    | SAME_ORDER
)


def _is_whole(eqn: Eqn, base: TensorType) -> bool:
    args = dict(zip(eqn.names, eqn.args, strict=True))
    dim, end = args["dim"], args["end"]
    if args["start"] not in (None, 0) or args["step"] != 1:
        return False
    if end is None or end == MAX_SIZE:
        return True
    if base.shape is None or not isinstance(dim, int) or not isinstance(end, int):
        return False
    size = base.shape[dim] if -len(base.shape) <= dim < len(base.shape) else None
    return isinstance(size, int) and end >= size


def _conversion(eqn: Eqn, base: TensorType, is_contiguous: bool) -> Sharing:
    args = dict(zip(eqn.names, eqn.args, strict=True))
    if args.get("copy"):
        return Sharing.FRESH if args["copy"] is True else Sharing.MAYBE
    target = tensor_type(args["other"]).dtype if "other" in args else args.get("dtype", base.dtype)
    if target is None and "other" not in args:
        target = base.dtype
    if not isinstance(target, DType) or base.dtype is None:
        return Sharing.MAYBE
    if target is not base.dtype:
        return Sharing.FRESH
    # Another tensor, or a device, may be elsewhere: then it is a copy.
    if "other" in args or args.get("device") is not None or args.get("layout") is not None:
        return Sharing.MAYBE
    memory_format = _literal(eqn, "memory_format")
    keeps = memory_format in (None, PRESERVE) or (memory_format == CONTIGUOUS and is_contiguous)
    return Sharing.SAME if keeps else Sharing.MAYBE


def _literal(eqn: Eqn, name: str) -> object:
    value = dict(zip(eqn.names, eqn.args, strict=True)).get(name)
    return value.value if isinstance(value, Enumeral) else value


def _dropout(eqn: Eqn, _: TensorType) -> Sharing:
    train, p = _literal(eqn, "train"), _literal(eqn, "p")
    if train is False:
        return Sharing.SAME
    # With a probability of 0 the input is handed back.
    return Sharing.FRESH if train is True and isinstance(p, float) and p > 0 else Sharing.MAYBE


def _at_least(eqn: Eqn, base: TensorType) -> Sharing:
    """With as many axes as are asked for the tensor itself comes back, whose shape may change in place later."""
    if base.rank is None:
        return Sharing.MAYBE
    return Sharing.SAME if base.rank >= int(eqn.op.name[len("atleast_")]) else Sharing.VIEW


def _adjoint(_: Eqn, base: TensorType) -> Sharing:
    if base.rank is None or base.dtype is None or base.dtype.is_complex:
        return Sharing.MAYBE
    return Sharing.VIEW if base.rank else Sharing.SAME


def _matrix_transpose(_: Eqn, base: TensorType) -> Sharing:
    return Sharing.SAME if base.rank == 0 else Sharing.VIEW


def _reshape(eqn: Eqn, base: TensorType, is_contiguous: bool) -> Sharing:
    start, end = _literal(eqn, "start_dim"), _literal(eqn, "end_dim")
    if eqn.op.base == "aten::flatten" and base.rank != 0:
        if base.rank is None or not isinstance(start, int) or not isinstance(end, int):
            return Sharing.MAYBE
        # One axis alone is not flattened: the tensor itself comes back, whose shape may change in place later.
        if start % base.rank == end % base.rank:
            return Sharing.SAME
    out = tensor_type(eqn.outputs[0])
    return Sharing.VIEW if is_contiguous or _differs_by_ones(base, out) else Sharing.MAYBE


def _differs_by_ones(base: TensorType, out: TensorType) -> bool:
    if base.shape is None or out.shape is None:
        return False
    return [dim for dim in base.shape if dim != 1] == [dim for dim in out.shape if dim != 1]


def _bounds(step: Step, name: str, index: int, base: TensorType) -> tuple[int, int] | None:
    """Start and end of an element of a list of slices along ``dim``; None where they depend on unknown sizes."""
    if name in ("split", "split_with_sizes") and index >= 0:
        sizes = step.rest[0]
        if isinstance(sizes, int):
            return index * sizes, (index + 1) * sizes
        if isinstance(sizes, tuple):
            known = [size for size in sizes[: index + 1] if isinstance(size, int)]
            return (sum(known[:-1]), sum(known)) if len(known) == index + 1 else None
    if name == "chunk" and index >= 0:
        dim, chunks = step.arg("dim"), step.arg("chunks")
        size = base.shape[dim] if base.shape is not None and isinstance(dim, int) and base.shape else None
        if isinstance(size, int) and isinstance(chunks, int):
            width = -(-size // chunks)
            return index * width, (index + 1) * width
    return None


_BY_TYPE: dict[str, Callable[[Eqn, TensorType], Sharing]] = {
    **dict.fromkeys(_AT_LEAST, _at_least),
    **dict.fromkeys(_DROPOUTS, _dropout),
    **dict.fromkeys(ADJOINTS, _adjoint),
    "aten::mT": _matrix_transpose,
}
