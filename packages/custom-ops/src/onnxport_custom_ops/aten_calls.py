"""Operators of torch called from symbolic functions, through the handlers that an export has for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from onnxport_ir import DType, OpName, TensorLiteral, Value
from onnxport_ir.errors import InvalidArgument, UnsupportedCase, UnsupportedOperator
from onnxport_symbolics.binder import Lowered

from onnxport_custom_ops import _torch_private as private
from onnxport_custom_ops.context import GraphContext
from onnxport_custom_ops.scalar_types import JitScalarType, from_torch_dtype
from onnxport_custom_ops.values import SymbolicValue, python_value

#: What the schemas of operators and the symbolic functions of torch call the same argument.
_SYNONYMS = {"input": "self"}
_NUMBERS = ("int", "float", "bool", "number", "Scalar", "SymInt")


def call_aten(g: GraphContext, name: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
    """Emit what an operator of torch is lowered to at the opset of the export.

    Args:
        g: the context of a symbolic function.
        name: the operator, without its namespace and overload, which the arguments choose.
        args: values, tensors, numbers, lists of these; None for what is left out.
        kwargs: arguments by the names of the operator's schema.

    Returns:
        The result, or a tuple or list of them, as values.

    Raises:
        InvalidArgument: if the operator takes no such arguments.
        UnsupportedOperator: if torch has no such operator, or the export has no handler for it.
    """
    named = {_SYNONYMS.get(key, key): value for key, value in (kwargs or {}).items()}
    overload, bound = _chosen(name, args, named)
    operator = OpName("aten", name, overload)
    handler = g.writer.registry.find(operator)
    if handler is None:
        raise UnsupportedOperator(f"{operator}, which a symbolic function calls, is not supported")
    op = g.writer.op
    lowered = [_lowered(g, argument, bound.get(argument.name)) for argument in bound_arguments(name, overload)]
    names = [argument.name for argument in bound_arguments(name, overload)]
    before, op.expected = op.expected, ()
    try:
        with g.block.entered(op):
            result = handler.function(op, **handler.signature.bind(op, names, lowered))
    finally:
        op.expected = before
    return _viewed(g, operator, result)


def has_operator(name: str) -> bool:
    """Whether torch has an operator ``aten::name``."""
    return bool(private.overloads("aten", name))


def bound_arguments(name: str, overload: str) -> list[private.Argument]:
    """The arguments of an operator of torch, in the order of its schema."""
    return private.schema_arguments("aten", name, overload) or []


def _chosen(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The overload that takes the arguments best, and the arguments by name."""
    overloads = private.overloads("aten", name)
    if not overloads:
        raise UnsupportedOperator(f"torch has no operator aten::{name}, which a symbolic function calls")
    best: tuple[int, str, dict[str, Any]] | None = None
    for overload in overloads:
        arguments = bound_arguments(name, overload)
        if len(args) > len(arguments) or any(argument.name == "out" for argument in arguments):
            continue
        bound = dict(zip([argument.name for argument in arguments], args, strict=False))
        if bound.keys() & kwargs.keys() or kwargs.keys() - {argument.name for argument in arguments}:
            continue
        bound |= kwargs
        scores = [_score(argument, bound.get(argument.name)) for argument in arguments]
        if None in scores:
            continue
        total = sum(score for score in scores if score is not None)
        # Symbolic functions of torch take by position what Python gives by name; only if nothing else fits better.
        total -= 3 * sum(
            argument.by_name_only for argument in arguments[: len(args)] if bound[argument.name] is not None
        )
        if best is None or total > best[0]:
            best = total, overload, bound
    if best is None:
        given = [*map(str, args), *(f"{key}={value}" for key, value in kwargs.items())]
        raise InvalidArgument(f"a symbolic function calls aten::{name} with {', '.join(given) or 'no arguments'}")
    return best[1], best[2]


def _score(argument: private.Argument, given: Any) -> int | None:
    """How well a value fits an argument; None if not at all."""
    lowered = given.lowered if isinstance(given, SymbolicValue) else given
    if lowered is None:
        return 0 if argument.has_default or argument.kind.startswith("Optional") else None
    kind = argument.kind.removeprefix("Optional[").removesuffix("]") if "Optional[" in argument.kind else argument.kind
    if argument.is_tensor:
        if isinstance(lowered, Value | TensorLiteral | torch.Tensor):
            return 3
        return 1 if isinstance(lowered, bool | int | float) else None
    if argument.is_tensor_list or kind.startswith("List"):
        is_list = isinstance(lowered, tuple | list)
        known = isinstance(lowered, int | float | torch.Tensor) or _is_constant(lowered)
        return 3 if is_list else (1 if known and not argument.is_tensor_list else None)
    if kind == "str":
        return 3 if isinstance(lowered, str) else None
    if kind in _NUMBERS:
        if isinstance(lowered, bool | int | float | DType | torch.dtype | JitScalarType):
            return 3
        if not isinstance(lowered, Value):
            return None
        is_number = lowered.rank == 0 or (_is_constant(lowered) and lowered.array().size == 1)
        return (2 if _is_constant(lowered) else 1) if is_number else None
    return 1


def _is_constant(lowered: Any) -> bool:
    return isinstance(lowered, Value) and lowered.const is not None and not lowered.is_weight


def _lowered(g: GraphContext, argument: private.Argument, given: Any) -> Lowered:
    """An argument as an equation has it."""
    value = given.lowered if isinstance(given, SymbolicValue) else given
    if value is None:
        value = argument.default
    if isinstance(value, tuple | list):
        element = private.Argument(argument.name, argument.kind.replace("List[", ""), None, True)
        return tuple(_lowered(g, element, item) for item in value)
    if argument.is_tensor or argument.is_tensor_list:
        return g.writer.views.of(_constant(g, value)).lowered if isinstance(value, torch.Tensor) else value
    if argument.name == "dtype" and value is not None:
        return _dtype(value)
    if _is_constant(value):
        found = python_value(value)
        items = found.reshape(-1).tolist()
        return tuple(items) if argument.kind.startswith(("List", "Optional[List")) else items[0]
    if argument.kind.startswith("List") and isinstance(value, int | float):
        return (value,)
    return value


def _constant(g: GraphContext, tensor: torch.Tensor) -> Value:
    found = g.op("Constant", value_t=tensor).lowered
    if not isinstance(found, Value):
        raise InvalidArgument(f"{tensor!r} is no constant of ONNX")
    return found


def _dtype(value: Any) -> DType:
    if isinstance(value, DType):
        return value
    if isinstance(value, torch.dtype):
        return from_torch_dtype(value)
    number = python_value(value)
    number = number.item() if isinstance(number, torch.Tensor) else number
    return from_torch_dtype(JitScalarType(int(number)).dtype())


def _viewed(g: GraphContext, operator: OpName, result: Lowered) -> Any:
    if isinstance(result, tuple | list):
        return type(result)(_viewed(g, operator, item) for item in result)
    if isinstance(result, Value | bool | int | float):
        return g.writer.views.of(result)
    raise UnsupportedCase(f"a symbolic function calls {operator}, whose result here is {result!r}")
