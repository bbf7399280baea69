"""The symbolic functions that users have registered: the one table that the whole process shares.

The functions that fill it have no export to belong to. So there is one table behind a lock, and an export takes a
copy of it when it starts.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from onnxport_ir.errors import InvalidArgument
from onnxport_symbolics import NEWEST_OPSET

#: ``symbolic(g, *arguments)``; Any: the arguments are those of the operator.
SymbolicFunction = Callable[..., Any]

_NAME = re.compile(r"[\w-]+::[A-Za-z_-][\w-]*(\.\w+)?")
# Below it, a symbolic function of the opset after it is taken: torch's oldest complete set was the one for 9.
_FIRST_COMPLETE_OPSET = 9

_lock = threading.Lock()
_table: dict[str, dict[int, SymbolicFunction]] = {}


def register_custom_op_symbolic(symbolic_name: str, symbolic_fn: SymbolicFunction, opset_version: int) -> None:
    """Register a symbolic function for an operator; exports that start later use it.

    Args:
        symbolic_name: the operator, ``my_ops::foo``; ``aten::relu`` replaces what is there; ``prim::PythonOp`` stands
            for every ``autograd.Function`` without a symbolic function of its own.
        symbolic_fn: called as ``symbolic_fn(g, *arguments)`` with a :class:`GraphContext` and
            :class:`SymbolicValue`; gives a value, a tuple of them, or None where it cannot convert the call.
        opset_version: the first opset that it is for; from the next opset on that a function is registered for, that
            one takes its place.

    Raises:
        InvalidArgument: for a name without a namespace, a function that cannot be called, or an opset that is none.
    """
    name = checked_name(symbolic_name)
    if not callable(symbolic_fn):
        raise InvalidArgument(f"the symbolic function of {name} cannot be called: {symbolic_fn!r}")
    opset = _checked_opset(opset_version)
    with _lock:
        _table.setdefault(name, {})[opset] = symbolic_fn


def unregister_custom_op_symbolic(symbolic_name: str, opset_version: int) -> None:
    """Take back what was registered for an operator.

    Args:
        symbolic_name: the operator.
        opset_version: the opset that it was registered with.

    Raises:
        InvalidArgument: for a name without a namespace, or an opset that is none.
    """
    name = checked_name(symbolic_name)
    opset = _checked_opset(opset_version)
    with _lock:
        registered = _table.get(name, {})
        found = registered.pop(opset, None)
        if not registered:
            _table.pop(name, None)
    if found is None:
        warnings.warn(f"no symbolic function is registered for {name} at opset {opset}", stacklevel=2)


def registered_for(opset: int) -> dict[str, SymbolicFunction]:
    """The symbolic functions for an opset, by operator: a copy, which later registrations leave as it is."""
    with _lock:
        return choose(_table, opset)


def choose(table: Mapping[str, Mapping[int, SymbolicFunction]], opset: int) -> dict[str, SymbolicFunction]:
    """Those functions of a table that an export to ``opset`` uses."""
    chosen: dict[str, SymbolicFunction] = {}
    for name, by_opset in table.items():
        known = sorted(by_opset)
        below = [version for version in known if version <= opset]
        above = [version for version in known if opset < version <= _FIRST_COMPLETE_OPSET]
        if below or above:
            chosen[name] = by_opset[below[-1] if below else above[0]]
    return chosen


def checked_name(name: object) -> str:
    """An operator's name with its namespace; ``::foo`` is ``aten::foo``.

    Raises:
        InvalidArgument: if it is none.
    """
    full = f"aten{name}" if isinstance(name, str) and name.startswith("::") else name
    if not isinstance(full, str) or not _NAME.fullmatch(full):
        raise InvalidArgument(f"{name!r} is no operator's name", hint="Write it with its namespace: 'my_ops::foo'.")
    return full


def _checked_opset(opset: object) -> int:
    if isinstance(opset, bool) or not isinstance(opset, int) or not 1 <= opset <= NEWEST_OPSET:
        raise InvalidArgument(f"{opset!r} is no opset", hint=f"Opsets are the integers from 1 to {NEWEST_OPSET}.")
    return opset
