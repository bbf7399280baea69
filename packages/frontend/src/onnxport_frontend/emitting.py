"""Making equations: calls of ATen operators by name, with types and the place of the code that they stand for."""

from __future__ import annotations

from dataclasses import dataclass, field

from onnxport_ir.captured import Arg, Eqn, OpName, TensorLiteral, Var
from onnxport_ir.dims import product
from onnxport_ir.dtypes import DType
from onnxport_ir.errors import Place
from onnxport_ir.types import AnyType, ScalarType, TensorType

from onnxport_frontend.aliasing import bind_call


@dataclass(slots=True)
class Emitter:
    """Adds equations to a block under construction.

    Attributes:
        eqns: the block's equations so far.
        made: all equations made here; without users they are dead code.
        place: the place that new equations get.
        added: equations with blocks that have results which can go if nobody uses them, with the number of the others.
    """

    eqns: list[Eqn]
    made: set[Eqn]
    place: Place = field(default_factory=Place)
    added: dict[Eqn, int] = field(default_factory=dict)

    def __call__(self, op: str | OpName, result: AnyType, *args: Arg, hint: str = "", **named: Arg) -> Var:
        """Call an operator with one result; arguments left out get the schema's defaults."""
        name = OpName.parse(op) if isinstance(op, str) else op
        bound, names = bind_call(name, args, named)
        out = Var(result, hint)
        self.add(Eqn(name, bound, names, (out,), place=self.place))
        return out

    def add(self, eqn: Eqn) -> None:
        """Add an equation that may be dropped again if nobody uses its results."""
        self.made.add(eqn)
        self.eqns.append(eqn)


def tensor_type(arg: Arg) -> TensorType:
    """The tensor type of a variable or constant; one that says nothing for anything else."""
    if isinstance(arg, TensorLiteral):
        return TensorType(arg.tensor.dtype, arg.tensor.shape)
    if isinstance(arg, Var) and isinstance(arg.type, TensorType):
        return arg.type
    return TensorType()


def static_sizes(kind: TensorType) -> tuple[int, ...] | None:
    """The sizes if all are numbers."""
    if kind.shape is None:
        return None
    sizes = tuple(dim for dim in kind.shape if isinstance(dim, int))
    return sizes if len(sizes) == len(kind.shape) else None


def cast(emit: Emitter, value: Arg, dtype: DType | None, like: Arg) -> Arg:
    """``value`` in the element type ``dtype``, or in that of ``like`` where that is not known."""
    kind = tensor_type(value)
    if dtype is None:
        return emit("aten::type_as", TensorType(None, kind.shape), value, like)
    if kind.dtype is dtype:
        return value
    return emit("aten::to.dtype", TensorType(dtype, kind.shape), value, dtype)


def reshape_like(emit: Emitter, value: Arg, kind: TensorType, like: Arg) -> Var:
    """``value`` with the shape of ``like``, whose type is ``kind``."""
    result = TensorType(tensor_type(value).dtype, kind.shape)
    sizes = static_sizes(kind)
    if sizes is None:
        return emit("aten::reshape_as", result, value, like)
    return emit("aten::reshape", result, value, sizes)


def expand_like(emit: Emitter, value: Arg, kind: TensorType, like: Arg) -> Arg:
    """``value`` broadcast to the shape of ``like``, whose type is ``kind``."""
    shape = tensor_type(value).shape
    if shape is not None and shape == kind.shape:
        return value
    result = TensorType(tensor_type(value).dtype, kind.shape)
    sizes = static_sizes(kind)
    if sizes is None:
        return emit("aten::expand_as", result, value, like)
    return emit("aten::expand", result, value, sizes)


def flat(emit: Emitter, value: Arg, kind: TensorType) -> Var:
    """``value`` in one dimension."""
    shape = None if kind.shape is None else (product(kind.shape),)
    return emit("aten::reshape", TensorType(tensor_type(value).dtype, shape), value, (-1,))


def positions(emit: Emitter, like: Arg, kind: TensorType) -> Var:
    """The flat index of each element, in the shape of ``like``."""
    sizes = static_sizes(kind)
    count: Arg = emit("aten::numel", ScalarType("int"), like) if sizes is None else _count(sizes)
    shape = None if kind.shape is None else (product(kind.shape),)
    numbers = emit("aten::arange", TensorType(DType.INT64, shape), count, dtype=DType.INT64)
    return reshape_like(emit, numbers, kind, like)


def _count(sizes: tuple[int, ...]) -> int:
    count = product(sizes)
    return count if isinstance(count, int) else 0
