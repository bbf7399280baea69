"""torch's operators for symbolic functions: ``onnxport.symbolic_opset11.unsqueeze(g, x, 0)``.

``torch.onnx`` has a module for each opset, with a function for each operator that is written otherwise from this opset
on. Here all these names stand for one and the same: a handler writes what the opset of the export has, whichever module
it is taken from.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from onnxport_custom_ops import SymbolicValue, call_aten, has_operator, symbolic_helper

if TYPE_CHECKING:
    from onnxport_custom_ops import GraphContext

#: The opsets that ``torch.onnx`` has modules for.
VERSIONS = range(7, 21)


def __getattr__(name: str) -> Callable[..., Any]:  # Any: values, and Python objects that stand for them
    """The function for an operator of torch."""
    if name in _HELPERS:
        return _HELPERS[name]
    if name.startswith("__") or not has_operator(name):
        raise AttributeError(
            f"torch has no operator aten::{name}, so that onnxport.symbolic_opset* has no function for it; "
            "write what it does with g.op"
        )
    return functools.partial(_call, name)


def _select(g: GraphContext, self: Any, dim: Any, index: Any) -> Any:  # Any: as above
    several = isinstance(index, SymbolicValue) and index.type().dim() != 0
    if several:
        return g.op("Gather", self, index, axis_i=symbolic_helper._get_const(dim, "i", "dim"))
    return call_aten(g, "select", [self, dim, index])


def _unused(g: GraphContext) -> Any:  # Any: as above
    return g.op("prim::Constant")


#: What torch's functions take beyond the operator: ``select`` with several indices, which keeps the axis.
_HELPERS: dict[str, Callable[..., Any]] = {  # Any: as above
    "select": _select,
    "unused": _unused,
    "_reshape_from_tensor": symbolic_helper._reshape_helper,
    "size": symbolic_helper._size_helper,
    "numel": symbolic_helper._numel_helper,
}


def _call(name: str, g: GraphContext, *args: Any, **kwargs: Any) -> Any:  # Any: as above
    return call_aten(g, name, args, kwargs)


def register(package: str) -> dict[str, Any]:  # Any: modules
    """Let ``package.symbolic_opset9`` and the others be imported; gives them by name."""
    names = [f"symbolic_opset{version}" for version in VERSIONS]
    module = sys.modules[__name__]
    sys.modules.update({f"{package}.{name}": module for name in names})
    return dict.fromkeys(names, module)
