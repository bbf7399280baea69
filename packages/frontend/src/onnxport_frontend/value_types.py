"""Types of captured values, and which sizes of a trace are facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

from onnxport_ir.captured import Arg, Var, arg_vars
from onnxport_ir.dims import Dim, DimSource
from onnxport_ir.types import AnyType, OpaqueType, OptionalType, ScalarType, SequenceType, TensorType, TupleType

from onnxport_frontend import _torch_private as private
from onnxport_frontend.schema import Schema
from onnxport_frontend.torch_types import dtype_from_type_name

_ScalarKind = Literal["int", "float", "bool", "complex", "number", "str", "none", "device", "dtype"]
_SCALARS: dict[str, _ScalarKind] = {
    "IntType": "int",
    "SymIntType": "int",
    "FloatType": "float",
    "BoolType": "bool",
    "ComplexType": "complex",
    "NumberType": "number",
    "StringType": "str",
    "NoneType": "none",
    "DeviceObjType": "device",
    "ScalarTypeType": "dtype",
}

# What these tell of a tensor is its type, never its elements.
_OF_SHAPE = frozenset({"size", "sym_size", "numel", "sym_numel", "len", "shape", "stride", "sym_stride"})
_OF_TYPE = frozenset({"dim", "ndimension", "is_floating_point", "is_complex", "dtype", "device", "layout", "is_cuda"})
_MASKS = frozenset({"index", "index_put", "index_put_", "_unsafe_index"})


class Typer:
    """Gives new variables their types, and keeps book of what the example decided.

    A variable's *shape* varies if another input could give another one, its *elements* vary if another input could give
    others. A size that the trace has seen is a fact only for a variable whose shape does not vary.

    Attributes:
        dims: the source of sizes that are no facts.
    """

    def __init__(self, dims: DimSource) -> None:
        self.dims = dims
        self._shape_varies: set[Var] = set()
        self._elements_vary: set[Var] = set()

    def input(self, type_: AnyType, hint: str) -> Var:
        """An input of the model; its type says which axes are dynamic."""
        var = Var(type_, hint)
        self._elements_vary.add(var)
        if not is_static(type_):
            self._shape_varies.add(var)
        return var

    def constant(self, type_: AnyType, hint: str) -> Var:
        """A weight."""
        return Var(type_, hint)

    def unknown(self, value: private.Value) -> Var:
        """A value of which nothing is a fact: an input of a block, a result of one."""
        return self._make(value, shape_varies=True, elements_vary=True)

    def like(self, var: Var) -> Var:
        """A value that is another under its own name: what is no fact of the one is none of the other."""
        result = Var(var.type, var.hint)
        if var in self._shape_varies:
            self._shape_varies.add(result)
        if var in self._elements_vary:
            self._elements_vary.add(result)
        return result

    def results(self, schema: Schema | None, args: tuple[Arg, ...], values: Iterable[private.Value]) -> tuple[Var, ...]:
        """The results of a call of an operator."""
        shape_varies, elements_vary = self._judge(schema, args)
        return tuple(self._make(value, shape_varies, elements_vary) for value in values)

    def _judge(self, schema: Schema | None, args: tuple[Arg, ...]) -> tuple[bool, bool]:
        # Most arguments are variables or literals; only lists have to be searched.
        variables: list[Var] = []
        for arg in args:
            if arg.__class__ is Var:
                variables.append(arg)
            elif arg.__class__ is tuple:
                variables.extend(arg_vars(arg))
        shapes = not self._shape_varies.isdisjoint(variables)
        elements = shapes or not self._elements_vary.isdisjoint(variables)
        if not elements:
            return False, False
        if schema is None:
            return elements, elements
        name = schema.op.name
        if name in _OF_TYPE:
            return False, False
        if name in _OF_SHAPE and variables and isinstance(variables[0].type, TensorType):
            return False, shapes
        # A number computed from elements can become a size. A tensor cannot, except where the operator says so.
        # A list of so few is quicker than a generator.
        numbers = any([var.type.__class__ is not TensorType and var in self._elements_vary for var in variables])  # noqa: C419 - see above
        decides = schema.dynamic_shape and (name not in _MASKS or _has_mask(args))
        return shapes or numbers or decides, elements

    def _make(self, value: private.Value, shape_varies: bool, elements_vary: bool) -> Var:
        size: Callable[[int], Dim] = self.dims.unknown if shape_varies else int
        var = Var(from_jit(value.type(), size), _hint(value))
        if shape_varies:
            self._shape_varies.add(var)
        if elements_vary:
            self._elements_vary.add(var)
        return var


def from_jit(type_: private.JitType, size: Callable[[int], Dim]) -> AnyType:
    """A TorchScript type as ours; ``size`` says what becomes of a size that it states."""
    kind = type_.kind()
    if kind == "TensorType":
        return _tensor(type_, size)
    if kind in _SCALARS:
        return ScalarType(_SCALARS[kind])
    if kind == "ListType":
        return SequenceType(from_jit(type_.getElementType(), size))
    if kind == "OptionalType":
        return OptionalType(from_jit(type_.getElementType(), size))
    if kind == "TupleType":
        return TupleType(tuple(from_jit(element, size) for element in type_.elements()))
    return OpaqueType(str(type_))


def _tensor(type_: Any, size: Callable[[int], Dim]) -> TensorType:
    sizes = type_.sizes()
    if sizes is None and type_.dim() is not None:
        sizes = type_.varyingSizes()
    dtype = dtype_from_type_name(type_.scalarType())
    return TensorType(dtype, None if sizes is None else tuple(size(number) for number in sizes))


def is_static(type_: AnyType) -> bool:
    """Whether all sizes are numbers; true of what has no sizes."""
    if isinstance(type_, TensorType):
        return type_.shape is not None and all(isinstance(dim, int) for dim in type_.shape)
    return isinstance(type_, ScalarType)


def _has_mask(args: tuple[Arg, ...]) -> bool:
    """Whether an indexing operator may have a mask among its indices, which are its second argument."""
    return any(
        not isinstance(var.type, TensorType) or var.type.dtype is None or var.type.dtype.short in ("bool", "u8")
        for var in arg_vars(args[1])
    )


def _hint(value: private.Value) -> str:
    name = value.debugName()
    return "" if name.isdigit() else name.partition(".")[0]
