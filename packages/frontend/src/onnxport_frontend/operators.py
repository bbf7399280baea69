"""The operators that torch can put into a captured graph."""

from __future__ import annotations

from onnxport_frontend import _torch_private as private

_NAMESPACES = frozenset({"aten", "prim", "quantized", "torchvision", "torchaudio"})
_VARIANTS = ("_out", "_backward", "_copy", "_functional")


def operator_names() -> frozenset[str]:
    """The functional operators of torch, without overloads: ``aten::add``.

    Left out are those that never reach a handler: in-place operators, writes into a given tensor, gradients, and
    torch's internal names, which start with an underscore.
    """
    names = {schema.name for schema in private.registered_schemas()}
    return frozenset(name for name in names if _is_functional(name))


def _is_functional(name: str) -> bool:
    namespace, _, base = name.partition("::")
    if namespace not in _NAMESPACES or base.startswith("_") or base.endswith("_"):
        return False
    return not base.endswith(_VARIANTS)
