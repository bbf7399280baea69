"""Types and shapes of the results of ONNX operators, and the contents of small integer tensors by formula.

:func:`infer` gives the types of a node's results, :func:`propagate` follows the elements of tensors that hold sizes.
Whatever is not certain stays unknown; a contradiction is a :class:`ShapeMismatch`.
"""

from __future__ import annotations

from onnxport_ir.dims import DimSource
from onnxport_ir.graph import Node, RefAttr
from onnxport_ir.rules import containers, conv_pool, creation, elementwise, layers, reduction, shaping, slicing
from onnxport_ir.rules.common import UNKNOWN, Context, Rule, ShapeMismatch, mismatch
from onnxport_ir.rules.contents import contents, known_array
from onnxport_ir.rules.propagation import propagate
from onnxport_ir.rules.schema import types_from_schema
from onnxport_ir.types import ValueType

__all__ = ["ShapeMismatch", "contents", "infer", "known_array", "propagate"]

_RULES: dict[str, Rule] = {
    **elementwise.RULES,
    **shaping.RULES,
    **slicing.RULES,
    **conv_pool.RULES,
    **reduction.RULES,
    **creation.RULES,
    **layers.RULES,
    **containers.RULES,
}

#: What a rule runs into where an operand's rank or an attribute is not as the operator wants it.
_MALFORMED = (ArithmeticError, LookupError, TypeError, ValueError)


def infer(node: Node, opset: int, dims: DimSource) -> list[ValueType]:
    """The types of a node's results, from the types and contents of its operands and its attributes.

    Args:
        node: a node as it is written at ``opset``: axes and the like as attributes or operands, whichever it has.
        opset: the version of ONNX's operator set, from 7 on.
        dims: gives out the sizes of which nothing is known.

    Returns:
        One type per result; an unknown tensor where nothing follows, as for operators of other domains.

    Raises:
        ShapeMismatch: if operands contradict each other or the attributes.
    """
    rule = None if node.domain else _RULES.get(node.op_type)
    for attribute in node.attributes.values():
        if attribute.__class__ is RefAttr:
            # In a function the attribute differs from call to call, so only the schema is certain.
            rule = None
            break
    if rule is None:
        return types_from_schema(node, opset)
    try:
        types = rule(node, Context(opset, dims))
    except _MALFORMED as error:
        mismatch(node, f"its operands or attributes do not fit it ({error})", cause=error)
    count = len(node.results)
    if len(types) == count:
        return types
    return types[:count] + [UNKNOWN] * (count - len(types))
