"""Helpers that read values and types; :mod:`onnxport_custom_ops.symbolic_helper` has them all."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from onnxport_ir import Value
from onnxport_ir.errors import InvalidArgument, NeedsStatic, UnsupportedCase

from onnxport_custom_ops.context import GraphContext
from onnxport_custom_ops.scalar_types import JitScalarType
from onnxport_custom_ops.values import SymbolicValue, python_value

_F = TypeVar("_F", bound=Callable[..., Any])

_NUMBERS = {"i": int, "f": float, "b": bool}
_LISTS = {"is": int, "fs": float}


def parse_args(*arg_descriptors: str) -> Callable[[_F], _F]:
    """Say what a symbolic function wants of its arguments, which arrive as Python objects then.

    Args:
        arg_descriptors: one for each argument after the graph: ``v`` for a value as it is, ``i``, ``f``, ``b``, ``s``,
            ``t`` for an integer, float, truth value, text or tensor, ``is`` and ``fs`` for lists, ``none`` for an
            argument that is not looked at.

    Raises:
        InvalidArgument: for a descriptor that is none of these.
    """
    unknown = set(arg_descriptors) - {"v", "s", "t", "none", *_NUMBERS, *_LISTS}
    if unknown:
        raise InvalidArgument(f"parse_args knows no {', '.join(sorted(unknown))}")

    def decorate(function: _F) -> _F:
        names = [p.name for p in list(inspect.signature(function).parameters.values())[1:]]
        wanted = dict(zip(names, arg_descriptors, strict=False))

        @functools.wraps(function)
        def symbolic(g: GraphContext, *args: Any, **kwargs: Any) -> Any:
            if len(args) > len(arg_descriptors):
                raise InvalidArgument(
                    f"{function.__name__} has {len(arg_descriptors)} descriptors for {len(args)} arguments"
                )
            parsed = [
                _parse_arg(arg, descriptor, name)
                for arg, descriptor, name in zip(args, arg_descriptors, [*names, *arg_descriptors], strict=False)
            ]
            named = {name: _parse_arg(arg, wanted.get(name, "v"), name) for name, arg in kwargs.items()}
            return function(g, *parsed, **named)

        return symbolic  # type: ignore[return-value]  # has the parameters of what it wraps

    return decorate


def _parse_arg(value: Any, desc: str, arg_name: str | None = None, node_name: str | None = None) -> Any:
    """An argument as the Python object that a descriptor of :func:`parse_args` asks for; None stays None.

    Raises:
        NeedsStatic: if it depends on the input.
        UnsupportedCase: if it is something else.
    """
    if desc in ("v", "none") or not _is_value(value):
        return value
    lowered = value.lowered
    if lowered is None:
        return None
    what = f"argument {arg_name}" if arg_name else "an argument"
    if _depends(lowered):
        raise NeedsStatic(f"{what} must be known during the export and depends on the input")
    found = python_value(lowered)
    try:
        if desc in _NUMBERS:
            return _NUMBERS[desc](found.item() if isinstance(found, torch.Tensor) else found)
        if desc in _LISTS:
            items = found.reshape(-1).tolist() if isinstance(found, torch.Tensor) else found
            items = items if isinstance(items, list) else [items]
            return [_LISTS[desc](item.item() if isinstance(item, torch.Tensor) else item) for item in items]
        if desc == "t":
            return found if isinstance(found, torch.Tensor) else torch.as_tensor(found)
        return str(found)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UnsupportedCase(f"{what}, {value}, is not what the descriptor {desc!r} says") from error


def _depends(lowered: Any) -> bool:
    if isinstance(lowered, tuple):
        return any(map(_depends, lowered))
    return isinstance(lowered, Value) and lowered.const is None


def _is_value(x: Any) -> bool:
    """Whether it is a value of the graph, not a Python object."""
    return type(x) is SymbolicValue


def _is_none(x: Any) -> bool:
    """Whether it is None, or a value that stands for it."""
    return x is None or (_is_value(x) and x.lowered is None)


def _is_constant(value: Any) -> bool:
    """Whether it is known during the export; a weight is not taken for a constant."""
    return not _is_value(value) or value.node().kind() in ("onnx::Constant", "prim::Constant")


_is_onnx_constant = _is_constant


def _is_tensor(x: SymbolicValue) -> bool:
    """Whether it is a tensor."""
    return x.type().kind() == "TensorType"


def _is_list(x: SymbolicValue) -> bool:
    """Whether it is a list."""
    return x.type().kind() == "ListType"


def _is_tensor_list(x: SymbolicValue) -> bool:
    """Whether it is a list of tensors."""
    return _is_list(x) and x.type().getElementType().kind() == "TensorType"


def _is_scalar_list(x: SymbolicValue) -> bool:
    """Whether it is a list of numbers."""
    return _is_list(x) and x.type().getElementType().kind() in ("IntType", "FloatType", "BoolType")


def _is_tuple_construct(x: SymbolicValue) -> bool:
    """Whether it is a tuple that the model makes."""
    return x.node().kind() == "prim::TupleConstruct"


def _is_packed_list(list_value: Any) -> bool:
    """Whether it is a list that the model makes, whose items can be had."""
    return _is_value(list_value) and list_value.node().kind() == "prim::ListConstruct"


def is_complex_value(x: SymbolicValue) -> bool:
    """Whether its elements are complex."""
    return "Complex" in (x.type().scalarType() or "")


def _is_fp(value: Any) -> bool:
    """Whether its elements are floats."""
    return JitScalarType.from_value(value, JitScalarType.UNDEFINED).name in ("HALF", "FLOAT", "DOUBLE", "BFLOAT16")


def _is_bool(value: Any) -> bool:
    """Whether its elements are truth values."""
    return JitScalarType.from_value(value, JitScalarType.UNDEFINED) is JitScalarType.BOOL


def _get_const(value: Any, desc: str, arg_name: str) -> Any:
    """A constant as a Python object.

    Raises:
        NeedsStatic: if it depends on the input.
    """
    return _parse_arg(value, desc, arg_name)


def _maybe_get_const(value: Any, descriptor: str) -> Any:
    """A constant as a Python object; any other value as it is."""
    if _is_value(value) and not _depends(value.lowered) and not _is_weight(value):
        return _parse_arg(value, descriptor)
    return value


def _is_weight(value: SymbolicValue) -> bool:
    return isinstance(value.lowered, Value) and value.lowered.is_weight


def _maybe_get_scalar(value: Any) -> Any:
    """A constant of one element as a tensor of rank 0; any other value as it is."""
    found = _maybe_get_const(value, "t") if not (_is_value(value) and value.lowered is None) else value
    return found if isinstance(found, torch.Tensor) and found.shape == () else value


def _scalar(x: Any) -> Any:
    """The number in a tensor of rank 0; None for anything else."""
    return x.item() if isinstance(x, torch.Tensor) and x.shape == () else None


def _unpack_list(list_value: SymbolicValue) -> list[SymbolicValue]:
    """The items of a list that the model makes.

    Raises:
        UnsupportedCase: if it is none.
    """
    if list_value.node().kind() != "prim::ListConstruct":
        raise UnsupportedCase(f"{list_value} is no list whose items are known")
    return list_value.node().inputs()


def _unpack_tuple(tuple_value: SymbolicValue) -> tuple[SymbolicValue, ...]:
    """The items of a tuple that the model makes.

    Raises:
        UnsupportedCase: if it is none.
    """
    if tuple_value.node().kind() not in ("prim::TupleConstruct", "prim::ListConstruct"):
        raise UnsupportedCase(f"{tuple_value} is no tuple whose items are known")
    return tuple(tuple_value.node().inputs())


_unpack_quantized_tensor = _unpack_tuple


def _get_tensor_rank(x: SymbolicValue) -> int | None:
    """The number of dimensions; None if unknown or if it is no tensor."""
    return x.type().dim()


def _get_tensor_sizes(x: SymbolicValue, allow_nonstatic: bool = True) -> Any:
    """The sizes, with None for those that are not known, or None for all of them if these are not allowed."""
    return x.type().varyingSizes() if allow_nonstatic else x.type().sizes()


def _get_tensor_dim_size(x: SymbolicValue, dim: int) -> int | None:
    """One size; None if it is not known."""
    sizes = _get_tensor_sizes(x)
    return sizes[dim] if sizes else None


def _try_get_scalar_type(*args: Any) -> JitScalarType | None:
    """The first element type that is known; None if none is."""
    found = (JitScalarType.from_value(arg, JitScalarType.UNDEFINED) for arg in args)
    return next((kind for kind in found if kind is not JitScalarType.UNDEFINED), None)


def _type_promote_from_values(*args: Any) -> JitScalarType:
    """The element type that torch's promotion gives for tensors of these types."""
    kinds = [kind for kind in map(_try_get_scalar_type, args) if kind is not None]
    if not kinds:
        return JitScalarType.UNDEFINED
    return JitScalarType.from_dtype(functools.reduce(torch.promote_types, [kind.dtype() for kind in kinds]))


def _maybe_cast_to_type(g: GraphContext, value: SymbolicValue, jit_type: JitScalarType) -> SymbolicValue:
    """``value`` in another element type."""
    if JitScalarType.from_value(value, JitScalarType.UNDEFINED) is jit_type:
        return value
    return g.op("Cast", value, to_i=jit_type.onnx_type())  # type: ignore[no-any-return]  # one result is a value


def args_have_same_dtype(args: Sequence[SymbolicValue]) -> bool:
    """Whether all have the same element type."""
    return len({JitScalarType.from_value(arg, JitScalarType.UNDEFINED) for arg in args}) <= 1
