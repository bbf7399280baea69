"""Which of torch's operators can be exported."""

from __future__ import annotations

from dataclasses import dataclass

from onnxport_frontend import operator_names
from onnxport_symbolics import Registry, default_registry
from onnxport_symbolics.registry import COMPLEX
from onnxport_symbolics.support import first_tested_opsets


@dataclass(frozen=True, slots=True)
class Coverage:
    """One operator.

    Attributes:
        name: its name without overload, ``aten::add``.
        origin: the package that lowers it; None if none does.
        first_opset: the lowest opset at which it has passed the coverage tests; None if they do not have it.
    """

    name: str
    origin: str | None
    first_opset: int | None


def operator_coverage(registry: Registry | None = None) -> list[Coverage]:
    """All functional operators of torch's ``aten``, ``prim`` and ``quantized`` namespaces, and those of handlers.

    Args:
        registry: the handlers; those of an ordinary export if None.

    Returns:
        One entry per name, sorted.
    """
    origins: dict[str, str] = {}
    for handler in registry or default_registry():
        if handler.name.namespace == COMPLEX:
            continue
        origins.setdefault(handler.name.base, handler.origin)
    tested = first_tested_opsets()
    names = {*operator_names(), *origins}
    return [Coverage(name, origins.get(name), tested.get(name)) for name in sorted(names)]
