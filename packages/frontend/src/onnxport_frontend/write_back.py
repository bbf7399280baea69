"""How a write to a view reaches the base: the inverse of each view operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from onnxport_ir.captured import Arg, Var
from onnxport_ir.dims import hint_of
from onnxport_ir.dtypes import DType
from onnxport_ir.errors import UnsafeMutation
from onnxport_ir.types import TensorType

from onnxport_frontend.emitting import Emitter, flat, positions, reshape_like
from onnxport_frontend.views import ADJOINTS, EXPANDS, MAX_SIZE, RESHAPES, SAME_ORDER, UNWRAPS, Step, apply


@dataclass(frozen=True, slots=True)
class Write:
    """A write to a view.

    Attributes:
        emit: where the equations go.
        step: how the view is made.
        base: the value of the base before the write.
        kind: the base's type.
        view: the view's type.
        value: what the view holds after the write.
    """

    emit: Emitter
    step: Step
    base: Arg
    kind: TensorType
    view: TensorType
    value: Arg


def write_back(write: Write) -> Arg:
    """The value of the base after the write.

    Raises:
        UnsafeMutation: if several elements of the view are one element of the base.
    """
    step = write.step
    writer = _WRITERS.get(step.op.base) if step.item is None else None
    written = None if writer is None else writer(write)
    if written is not None:
        return written
    if step.op.base in EXPANDS or _overlaps(step):
        raise UnsafeMutation(
            f"a tensor is written through {step.op.base}",
            why="elements of that view can share memory, so the result is undefined",
            where=write.emit.place,
            hint="Call clone() on the tensor before writing to it.",
        )
    return _scatter_positions(write)


def _scatter_positions(write: Write) -> Arg:
    """Right for every view without overlap: the same view of the elements' positions says where each value goes."""
    emit = write.emit
    where = Var(TensorType(DType.INT64, write.view.shape))
    apply(emit, write.step, positions(emit, write.base, write.kind), where, emit.place)
    base = flat(emit, write.base, write.kind)
    indices, values = flat(emit, where, write.view), flat(emit, write.value, write.view)
    return reshape_like(emit, emit("aten::scatter.src", base.type, base, 0, indices, values), write.kind, write.base)


def _whole(write: Write) -> Arg:
    return write.value


def _same_elements(write: Write) -> Arg:
    return reshape_like(write.emit, write.value, write.kind, write.base)


def _unsqueeze(write: Write) -> Arg:
    return write.emit("aten::squeeze.dim", write.kind, write.value, write.step.arg("dim"))


def _select(write: Write) -> Arg:
    dim, index = write.step.arg("dim"), write.step.arg("index")
    return write.emit("aten::select_scatter", write.kind, write.base, write.value, dim, index)


def _slice(write: Write) -> Arg:
    return write.emit("aten::slice_scatter", write.kind, write.base, write.value, *write.step.rest)


def _narrow(write: Write) -> Arg | None:
    dim, start, length = write.step.rest
    if not isinstance(start, int) or not isinstance(length, int):
        return None
    # A negative start counts from the end, where an end of 0 would mean the beginning.
    end = start + length if start >= 0 or start + length < 0 else MAX_SIZE
    return write.emit("aten::slice_scatter", write.kind, write.base, write.value, dim, start, end)


def _self_inverse(write: Write) -> Arg:
    return write.emit(write.step.op, write.kind, write.value, *write.step.rest)


def _permute(write: Write) -> Arg | None:
    dims = write.step.arg("dims")
    order = [dim for dim in dims if isinstance(dim, int)] if isinstance(dims, tuple) else []
    if not isinstance(dims, tuple) or len(order) != len(dims):
        return None
    order = [dim % len(order) for dim in order]
    inverse = tuple(order.index(dim) for dim in range(len(order)))
    return write.emit("aten::permute", write.kind, write.value, inverse)


def _movedim(write: Write) -> Arg:
    source, destination = write.step.rest
    return write.emit(write.step.op, write.kind, write.value, destination, source)


def _diagonal(write: Write) -> Arg:
    where = [write.step.arg(name) for name in ("offset", "dim1", "dim2")]
    return write.emit("aten::diagonal_scatter", write.kind, write.base, write.value, *where)


def _expand(write: Write) -> Arg | None:
    """Only an expansion that repeats nothing can be written through.

    Sizes that are the same for the example are taken to be the same: torch refuses the write where they are not, unless
    they are 1 in the base.
    """
    sizes = write.step.arg("size") if "size" in write.step.names else None
    if isinstance(sizes, tuple) and sizes and all(size in (-1, 1) for size in sizes):
        return _same_elements(write)
    if write.kind.shape is None or write.view.shape is None:
        return None
    new = len(write.view.shape) - len(write.kind.shape)
    for before, after in zip(write.kind.shape, write.view.shape[new:], strict=True):
        if before != after and (hint_of(before) in (None, 1) or hint_of(before) != hint_of(after)):
            return None
    if any(hint_of(dim) != 1 for dim in write.view.shape[:new]):
        return None
    return _same_elements(write) if write.view.shape != write.kind.shape else write.value


def _take(write: Write) -> Arg:
    base = flat(write.emit, write.base, write.kind)
    where = flat(write.emit, write.step.arg("index"), write.view)
    values = flat(write.emit, write.value, write.view)
    placed = write.emit("aten::scatter.src", base.type, base, 0, where, values)
    return reshape_like(write.emit, placed, write.kind, write.base)


def _overlaps(step: Step) -> bool:
    if step.op.base != "aten::unfold":
        return False
    size, stride = step.arg("size"), step.arg("step")
    return not (isinstance(size, int) and isinstance(stride, int) and stride >= size)


_WRITERS: dict[str, Callable[[Write], Arg | None]] = {
    **dict.fromkeys(RESHAPES | SAME_ORDER, _same_elements),
    **dict.fromkeys(UNWRAPS, _whole),
    **dict.fromkeys(EXPANDS, _expand),
    **dict.fromkeys(("aten::transpose", "aten::swapaxes", "aten::swapdims"), _self_inverse),
    **dict.fromkeys(("aten::t", "aten::numpy_T", "aten::mT", *ADJOINTS), _self_inverse),
    **dict.fromkeys(("aten::movedim", "aten::moveaxis"), _movedim),
    **dict.fromkeys(("aten::diagonal", "aten::linalg_diagonal"), _diagonal),
    "aten::select": _select,
    "aten::take": _take,
    "aten::slice": _slice,
    "aten::narrow": _narrow,
    "aten::unsqueeze": _unsqueeze,
    "aten::permute": _permute,
}
