"""All uses of torch that torch does not document; each says why there is no public way.

Each was tried on torch 2.13, with the tests of this package.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import _C

#: The class of the values that torch's exporter hands to symbolic functions, which those functions test for.
GraphValue: type = _C.Value
#: The class of the nodes of those values.
GraphNode: type = _C.Node

#: The classes of the script language's types by kind, for the same reason.
TYPES: dict[str, type] = {
    kind: getattr(_C, kind)
    for kind in (
        "TensorType",
        "ListType",
        "TupleType",
        "OptionalType",
        "IntType",
        "FloatType",
        "BoolType",
        "ComplexType",
        "NumberType",
        "StringType",
        "NoneType",
        "DeviceObjType",
    )
}


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of an operator's schema.

    Attributes:
        name: its name.
        kind: its type as torch prints it: ``Tensor``, ``Optional[Tensor]``, ``List[int]``.
        default: its default; None if it has none.
        has_default: whether it may be left out.
        by_name_only: whether Python gives it by its name.
    """

    name: str
    kind: str
    default: object
    has_default: bool
    by_name_only: bool = False

    @property
    def is_tensor(self) -> bool:
        """Whether it takes a tensor, or none where that is allowed."""
        return self.kind in ("Tensor", "Optional[Tensor]")

    @property
    def is_tensor_list(self) -> bool:
        """Whether it takes a list of tensors."""
        return self.kind in ("List[Tensor]", "List[Optional[Tensor]]", "Optional[List[Tensor]]")


def schema_arguments(namespace: str, name: str, overload: str) -> list[Argument] | None:
    """The arguments of an operator; None if torch has no such operator.

    ``torch.ops`` is documented, the schema of what is in it is not.
    """
    packet = getattr(getattr(torch.ops, namespace), name, None)
    operator: Any = getattr(packet, overload or "default", None)
    schema = getattr(operator, "_schema", None)
    if schema is None:
        return None
    return [
        Argument(item.name, str(item.type), item.default_value, item.has_default_value(), item.kwarg_only)
        for item in schema.arguments
    ]


def overloads(namespace: str, name: str) -> list[str]:
    """The overloads of an operator, the one without a name as ``""``; empty if torch has no such operator."""
    packet = getattr(getattr(torch.ops, namespace), name, None)
    found = packet.overloads() if packet is not None else []
    return ["" if overload == "default" else overload for overload in found]


def gives_tensors(namespace: str, name: str, overload: str) -> bool:
    """Whether an operator of torch has results, and all of them are tensors."""
    packet = getattr(getattr(torch.ops, namespace), name, None)
    schema = getattr(getattr(packet, overload or "default", None), "_schema", None)
    return schema is not None and bool(schema.returns) and all(str(item.type) == "Tensor" for item in schema.returns)
