"""Script code's arithmetic on values that are known: what a compiled function asks of its defaults and flags.

Only numbers, truth values, texts, None and their tuples are looked at, never tensors, so there is nothing to get wrong
about types or devices. What is not in the table stays an equation.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from onnxport_ir.captured import Arg, Device, OpName, Var
from onnxport_ir.texts import formatted, percent_formatted
from onnxport_ir.types import ScalarType, TensorType

_NUMBERS: dict[str, Callable[..., Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "neg": operator.neg,
    "__not__": operator.not_,
    "__and__": operator.and_,
    "__or__": operator.or_,
    "Bool": bool,
    "Int": int,
    "Float": float,
}
#: What the keys of dictionaries are made of, the turns of loops whose range has a step, and devices by name.
_OTHERS: dict[str, Callable[..., Any]] = {
    "__derive_index": lambda index, start, step: start + index * step,
    "__range_length": lambda low, high, step: len(range(low, high, step)),
    "abs": abs,
    "device": Device,
    "format": lambda template, *values: formatted(template, values),
    "join": lambda separator, texts: separator.join(texts),
    "lower": str.lower,
    "max": lambda *values: _extreme(max, values),
    "min": lambda *values: _extreme(min, values),
    "percentFormat": lambda template, *values: percent_formatted(
        template, values[0] if values and isinstance(values[0], tuple) else values
    ),
    "replace": str.replace,
    "split": lambda text, separator, count: tuple(text.split(separator, count)),
    "str": str,
    "upper": str.upper,
}
_OF_LISTS = frozenset({"join", "max", "min", "percentFormat"})
_DIVISIONS: dict[str, Callable[..., Any]] = {
    "floordiv": operator.floordiv,
    "remainder": operator.mod,
    "div": operator.truediv,
}

#: The operators that :func:`fold` looks at; all others it need not be asked about.
FOLDED = frozenset({"__is__", "__isnot__", "_unwrap_optional", "len", "__getitem__", *_NUMBERS, *_DIVISIONS, *_OTHERS})


def fold(op: OpName, args: tuple[Arg, ...]) -> tuple[bool, Arg]:
    """The value of a call of the script language's own operators, if it is known.

    Returns:
        whether it is known, and the value.
    """
    name = op.name
    if name in ("__is__", "__isnot__"):
        return _is_none(args, name == "__is__")
    if name == "_unwrap_optional" and args[0] is not None:
        return True, args[0]
    if name == "len" and len(args) == 1 and isinstance(args[0], tuple):
        return True, len(args[0])
    if name == "__getitem__" and isinstance(args[0], tuple) and isinstance(args[1], int):
        return (True, args[0][args[1]]) if -len(args[0]) <= args[1] < len(args[0]) else (False, None)
    if name in _OTHERS:
        return _other(name, args)
    if not args or not all(_is_known(arg) for arg in args):
        return False, None
    if name in _NUMBERS:
        return True, _NUMBERS[name](*args)
    if name in _DIVISIONS and args[1] != 0:
        return True, _DIVISIONS[name](*args)
    return False, None


def _extreme(function: Callable[..., Any], values: tuple[Any, ...]) -> Any:
    """The largest or smallest, which of an int and a float is a float."""
    items = values[0] if len(values) == 1 else values
    found = function(items)
    return float(found) if any(isinstance(item, float) for item in items) else found


def _other(name: str, args: tuple[Arg, ...]) -> tuple[bool, Arg]:
    items = [item for arg in args for item in (arg if isinstance(arg, tuple) and name in _OF_LISTS else (arg,))]
    if not all(map(_is_known, items)):
        return False, None
    try:
        return True, _OTHERS[name](*args)
    except (TypeError, ValueError):
        # The operator of that name is another one, or raises: an equation says where.
        return False, None


def _is_none(args: tuple[Arg, ...], wanted: bool) -> tuple[bool, Arg]:
    left, right = args
    if right is not None or (isinstance(left, Var) and _may_be_none(left)):
        return False, None
    return True, (left is None) is wanted


def _may_be_none(var: Var) -> bool:
    if isinstance(var.type, ScalarType):
        return var.type.kind == "none"
    return not isinstance(var.type, TensorType)


def _is_known(arg: Arg) -> bool:
    return isinstance(arg, (bool, int, float, str))
