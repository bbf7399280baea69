"""Arguments bound by ATen schema: names, defaults and literals, once per operator and never again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from onnxport_ir.captured import Arg, Device, Enumeral, OpName, TensorLiteral, Var
from onnxport_ir.dtypes import DType
from onnxport_ir.errors import CaptureFailed
from onnxport_ir.tensors import ArrayTensor

from onnxport_frontend import _torch_private as private
from onnxport_frontend.torch_types import TorchTensor, dtype_from_torch

_NO_SCHEMA = "(no schema)"
# Integers in a graph whose meaning only the schema tells. Those without an ONNX meaning stay numbers with a label.
_ENUMERALS = ("ScalarType", "Layout", "MemoryFormat", "QScheme")


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a schema.

    Attributes:
        name: its name.
        kind: its type without ``?`` and ``[]``, as the schema spells it: ``ScalarType`` rather than ``int``.
        has_default: whether it may be left out.
        default: the literal for that case.
        is_write: whether the operator writes to it.
        is_list: whether it is a list of ``kind``.
    """

    name: str
    kind: str
    has_default: bool
    default: Arg
    is_write: bool
    is_list: bool


@dataclass(frozen=True, slots=True)
class Schema:
    """An operator's schema.

    Attributes:
        op: its name with the overload.
        arguments: in order.
        is_vararg: whether any number of further arguments may follow.
        is_mutable: whether it writes to an argument.
        returns_alias: whether a result shares memory, or is the same list, with an argument.
        dynamic_shape: whether the elements of its arguments decide the shape of a result.
        names: the names of the arguments.
    """

    op: OpName
    arguments: tuple[Argument, ...]
    is_vararg: bool
    is_mutable: bool
    returns_alias: bool
    dynamic_shape: bool
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(argument.name for argument in self.arguments))

    def bind(self, args: Sequence[Arg]) -> tuple[tuple[Arg, ...], tuple[str, ...]]:
        """One argument per argument of the schema, defaults filled in, and their names.

        Raises:
            CaptureFailed: if an argument is missing.
        """
        bound = [
            arg if arg is None or arg.__class__ is Var else _as_kind(arg, spec.kind)
            for arg, spec in zip(args, self.arguments, strict=False)
        ]
        if len(bound) == len(args) == len(self.names):
            return tuple(bound), self.names
        names = list(self.names)
        for spec in self.arguments[len(bound) :]:
            if not spec.has_default:
                raise CaptureFailed(f"{self.op} is called without its argument {spec.name}")
            bound.append(spec.default)
        extra = args[len(names) :]
        if extra and not self.is_vararg:
            raise CaptureFailed(f"{self.op} is called with {len(args)} arguments and takes {len(names)}")
        names += [f"arg{index}" for index in range(len(names), len(names) + len(extra))]
        return (*bound, *extra), tuple(names)


class Schemas:
    """The schemas of one capture, each read once."""

    def __init__(self) -> None:
        self._known: dict[str, Schema | None] = {}

    def of(self, node: private.Node) -> Schema | None:
        """The schema of a node; None for the script language's own nodes that have none."""
        text = node.schema()
        if text not in self._known:
            self._known[text] = None if text == _NO_SCHEMA else read_schema(text)
        return self._known[text]


def read_schema(text: str) -> Schema:
    """Read a schema as nodes print it."""
    parsed = private.parse_schema(text)
    op = OpName.parse(parsed.name)
    op = OpName(op.namespace, op.name, parsed.overload_name)
    arguments = tuple(_argument(argument) for argument in parsed.arguments)
    return Schema(
        op,
        arguments,
        "..." in text.partition(" -> ")[0],
        any(argument.is_write for argument in arguments),
        any(result.alias_info is not None for result in parsed.returns),
        private.has_dynamic_shape(op.namespace, op.name, op.overload),
    )


def _argument(argument: Any) -> Argument:
    kind, is_list = private.argument_kind(argument)
    has_default = argument.has_default_value()
    default = _as_kind(literal(argument.default_value), kind) if has_default else None
    return Argument(argument.name, kind, has_default, default, private.is_write(argument), is_list)


def literal(value: Any) -> Arg:
    """A Python value of a graph, an attribute or a default as a literal.

    Raises:
        CaptureFailed: if it is none that a captured graph can hold.
    """
    match value:
        case None | bool() | int() | float() | complex() | str():
            return value
        case torch.Tensor():
            return tensor_literal(value)
        case list() | tuple():
            return tuple(literal(item) for item in value)
        case torch.device():
            return Device(str(value))
        case torch.dtype():
            try:
                return dtype_from_torch(value)
            except TypeError as error:
                raise CaptureFailed(str(error)) from error
        case _:
            raise CaptureFailed(f"a constant of type {type(value).__name__} cannot be captured")


def tensor_literal(tensor: torch.Tensor) -> TensorLiteral:
    """A constant tensor of the code.

    Raises:
        CaptureFailed: if ONNX has no type for its elements.
    """
    try:
        reference = TorchTensor.of(tensor)
    except TypeError as error:
        raise CaptureFailed(f"a constant tensor cannot be captured: {error}") from error
    return TensorLiteral(reference)


def wrapped_number(value: complex) -> TensorLiteral:
    """A Python number where the schema wants a tensor.

    torch has made it a tensor of rank 0 that yields to other types in promotion; a constant of that kind comes out of a
    graph as the number again, and that is how it is told from a tensor that the user made.
    """
    dtype = _WRAPPED[type(value)]
    return TensorLiteral(ArrayTensor(np.array(value, dtype.numpy), dtype), wrapped_number=True)


_WRAPPED: dict[type, DType] = {
    bool: DType.BOOL,
    int: DType.INT64,
    float: DType.FLOAT64,
    complex: DType.COMPLEX128,
}


def _as_kind(arg: Arg, kind: str) -> Arg:
    if arg is None or isinstance(arg, Var):
        return arg
    if isinstance(arg, tuple):
        return tuple(_as_kind(item, kind) for item in arg)
    if kind == "Tensor" and isinstance(arg, (bool, int, float, complex)):
        return wrapped_number(arg)
    if isinstance(arg, bool) or not isinstance(arg, int):
        return arg
    if kind in _ENUMERALS:
        found = DType.from_torch_number(arg) if kind == "ScalarType" else None
        return Enumeral(kind, arg) if found is None else found
    return float(arg) if kind == "float" else arg
