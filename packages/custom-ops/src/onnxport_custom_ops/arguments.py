"""Which argument of an operator goes to which parameter of its symbolic function."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from onnxport_ir import OpName, Value
from onnxport_ir.errors import UnsupportedCase

from onnxport_custom_ops import _torch_private as private
from onnxport_custom_ops.registrations import SymbolicFunction
from onnxport_custom_ops.values import SymbolicValue, python_value

# What the schemas of operators and Python's functions call the same argument.
_SYNONYMS = {"self": "input", "input": "self"}


def arrange(
    function: SymbolicFunction, name: OpName, names: Sequence[str], values: Sequence[SymbolicValue]
) -> tuple[list[SymbolicValue], dict[str, Any]]:
    """The positional and keyword arguments for a symbolic function.

    A function that takes as many as the operator has gets them in order. One that takes fewer gets those that it
    names, if the others are what the operator's schema has as defaults.

    Raises:
        UnsupportedCase: if the function leaves out an argument that has an effect.
    """
    parameters = _parameters(function)
    if parameters is None or _fits(parameters, len(values)):
        return list(values), {}
    wanted = {parameter.name for parameter in parameters}
    arguments = private.schema_arguments(name.namespace, name.name, name.overload) or []
    defaults = {argument.name: argument.default for argument in arguments}
    keywords: dict[str, Any] = {}
    for schema_name, value in zip(names, values, strict=True):
        found = next((n for n in (schema_name, _SYNONYMS.get(schema_name)) if n in wanted), None)
        if found is not None:
            keywords[found] = value
        elif not _is_default(value, schema_name, defaults):
            raise UnsupportedCase(f"the symbolic function of {name} takes no argument {schema_name}, which is {value}")
    missing = [p.name for p in parameters if p.default is p.empty and p.name not in keywords and p.kind is not _REST]
    if missing:
        raise UnsupportedCase(
            f"the symbolic function of {name} wants {', '.join(missing)}",
            why=f"the operator has {', '.join(names) or 'no arguments'}",
        )
    return [], keywords


_REST = inspect.Parameter.VAR_POSITIONAL
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _parameters(function: SymbolicFunction) -> list[inspect.Parameter] | None:
    """The positional parameters after the graph; None if they cannot be told."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    if parameters and parameters[0].kind is not _REST:
        parameters = parameters[1:]
    return [p for p in parameters if p.kind in (*_POSITIONAL, _REST)]


def _fits(parameters: Sequence[inspect.Parameter], count: int) -> bool:
    if any(parameter.kind is _REST for parameter in parameters):
        return True
    required = sum(parameter.default is parameter.empty for parameter in parameters)
    return required <= count <= len(parameters)


def _is_default(value: SymbolicValue, name: str, defaults: dict[str, object]) -> bool:
    lowered = value.lowered
    if isinstance(lowered, Value) or name not in defaults:
        return lowered is None
    return bool(python_value(lowered) == defaults[name])
