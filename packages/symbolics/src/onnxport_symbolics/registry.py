"""Which handler lowers which operator.

Handlers are registered in a :class:`Table` when their module is imported; a :class:`Registry` is made of tables, of
which later ones override earlier ones, and is not changed by an export. Packages add tables through the entry point
group ``onnxport.symbolics``: an entry point names a :class:`Table`.
"""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from onnxport_ir import OpName

from onnxport_symbolics.binder import Signature, signature_of

# Any: a handler's parameters are those of the ATen schema that it implements.
HandlerFunction = Callable[..., Any]
_F = TypeVar("_F", bound=HandlerFunction)

ENTRY_POINT_GROUP = "onnxport.symbolics"


@dataclass(frozen=True, slots=True)
class Handler:
    """A function that lowers a schema family.

    Attributes:
        name: the operator, without overload if it takes all of them.
        function: called as ``function(op, **arguments)``.
        signature: what it wants to know of each argument.
        origin: the table that it came from.
    """

    name: OpName
    function: HandlerFunction
    signature: Signature
    origin: str

    @property
    def doc(self) -> str:
        """The ATen schemas that it implements: its docstring."""
        return self.function.__doc__ or ""


class Table:
    """A set of handlers, filled by decorators.

    Args:
        origin: a name for reports: the package that holds the handlers.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._handlers: dict[OpName, Handler] = {}

    def op(self, *names: str) -> Callable[[_F], _F]:
        """Register a function for operators: ``@table.op("aten::add", "aten::sub.Tensor")``.

        A name without overload stands for all overloads that have no handler of their own.
        """

        def register(function: _F) -> _F:
            signature = signature_of(function)
            for text in names:
                name = OpName.parse(text)
                if name in self._handlers:
                    raise ValueError(f"{name} has a handler in {self.origin} already")
                self._handlers[name] = Handler(name, function, signature, self.origin)
            return function

        return register

    def __iter__(self) -> Iterator[Handler]:
        return iter(self._handlers.values())

    def __len__(self) -> int:
        return len(self._handlers)


class Registry:
    """Finds handlers; immutable.

    Args:
        tables: searched from the last to the first.
    """

    def __init__(self, tables: Iterable[Table]) -> None:
        self._handlers: dict[OpName, Handler] = {}
        for table in tables:
            self._handlers = _overridden(self._handlers, {handler.name: handler for handler in table})

    def find(self, name: OpName) -> Handler | None:
        """The handler of an operator: of this overload, or of all of its overloads."""
        return self._handlers.get(name) or self._handlers.get(OpName(name.namespace, name.name))

    def extended(self, *tables: Table) -> Registry:
        """A registry in which ``tables`` override this one's handlers."""
        registry = Registry(tables)
        registry._handlers = _overridden(self._handlers, registry._handlers)
        return registry

    def __iter__(self) -> Iterator[Handler]:
        return iter(self._handlers.values())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, OpName) and self.find(name) is not None


#: The namespace of handlers that take the place of ``aten`` ones for complex tensors; no operator of torch has it.
COMPLEX = "complex"


def _overridden(handlers: dict[OpName, Handler], by: dict[OpName, Handler]) -> dict[OpName, Handler]:
    """``handlers`` with those of a later table; one of all overloads also overrides those of single overloads."""
    families = {name for name in by if not name.overload}
    kept = {n: h for n, h in handlers.items() if not n.overload or OpName(n.namespace, n.name) not in families}
    return {**kept, **by}


#: ONNXPort's own handlers; filled when :mod:`onnxport_symbolics.aten` is imported.
BUILTIN = Table("onnxport-symbolics")


def aten(*names: str) -> Callable[[_F], _F]:
    """Register a handler for ATen operators, ``@aten("elu", "celu.default")``, in the built-in table."""
    return BUILTIN.op(*(f"aten::{name}" for name in names))


def aten_complex(*names: str) -> Callable[[_F], _F]:
    """Register what is called in the place of an operator's handler where arguments or results are complex."""
    return BUILTIN.op(*(f"{COMPLEX}::{name}" for name in names))


def quantized(*names: str) -> Callable[[_F], _F]:
    """Register a handler for torch's ``quantized`` operators in the built-in table."""
    return BUILTIN.op(*(f"quantized::{name}" for name in names))


def prim(*names: str) -> Callable[[_F], _F]:
    """Register a handler for ``prim`` operators in the built-in table."""
    return BUILTIN.op(*(f"prim::{name}" for name in names))


def prims(*names: str) -> Callable[[_F], _F]:
    """Register a handler for ``prims`` operators, of which torch's decompositions are made, in the built-in table."""
    return BUILTIN.op(*(f"prims::{name}" for name in names))


def plugin_tables() -> list[Table]:
    """The tables of installed packages, by the entry point group ``onnxport.symbolics``, in order of their names.

    Raises:
        TypeError: if an entry point does not name a :class:`Table`.
    """
    tables = []
    for entry in sorted(importlib.metadata.entry_points(group=ENTRY_POINT_GROUP), key=lambda e: e.name):
        table = entry.load()
        if not isinstance(table, Table):
            raise TypeError(f"entry point {entry.name} = {entry.value} is no onnxport_symbolics.Table")
        tables.append(table)
    return tables


@functools.cache
def default_registry(*, plugins: bool = True) -> Registry:
    """The built-in handlers, and those of installed packages; packages are looked for once per process."""
    import onnxport_symbolics.aten  # noqa: F401, PLC0415 - importing it fills the table, and it imports this module

    return Registry([BUILTIN, *(plugin_tables() if plugins else [])])
