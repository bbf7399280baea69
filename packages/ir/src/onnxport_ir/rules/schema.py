"""What an operator's schema alone says about the types of its results."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import onnx.defs

from onnxport_ir.dtypes import DType
from onnxport_ir.graph import Node
from onnxport_ir.types import OptionalType, SequenceType, TensorType, ValueType

_ELEMENT_TYPES = {
    "float": DType.FLOAT32,
    "double": DType.FLOAT64,
    "float16": DType.FLOAT16,
    **{member.name.lower(): member for member in DType},
}


@dataclass(frozen=True, slots=True)
class _Result:
    """How to find one result's type: as an operand has it (the first of these that is there), or always the same."""

    operands: tuple[int, ...]
    fixed: ValueType


@functools.lru_cache(maxsize=2048)
def _results(op_type: str, domain: str, opset: int) -> tuple[_Result, ...]:
    try:
        schema = onnx.defs.get_schema(op_type, opset, domain)
    except onnx.defs.SchemaError:
        return ()
    constraints = {c.type_param_str: list(c.allowed_type_strs) for c in schema.type_constraints}
    results = []
    for output in schema.outputs:
        allowed = constraints.get(output.type_str, [output.type_str])
        # A variadic operand whose parts may differ says nothing about the results.
        sources = tuple(
            index
            for index, given in enumerate(schema.inputs)
            if given.type_str == output.type_str
            and (given.option != onnx.defs.OpSchema.FormalParameterOption.Variadic or given.is_homogeneous)
        )
        if output.option == onnx.defs.OpSchema.FormalParameterOption.Variadic and not output.is_homogeneous:
            results.append(_Result((), TensorType()))
        else:
            results.append(_Result(sources, _fixed(allowed)))
    return tuple(results)


def _fixed(allowed: list[str]) -> ValueType:
    """What all the allowed types have in common."""
    parsed = {_parse(text) for text in allowed}
    if len(parsed) == 1:
        return parsed.pop()
    if all(isinstance(candidate, SequenceType) for candidate in parsed):
        return SequenceType(TensorType())
    if all(isinstance(candidate, OptionalType) for candidate in parsed):
        return OptionalType(TensorType())
    return TensorType()


def _parse(text: str) -> ValueType:
    kind, _, rest = text.removesuffix(")").partition("(")
    if kind == "seq":
        return SequenceType(_parse(rest))
    if kind == "optional":
        return OptionalType(_parse(rest))
    return TensorType(_ELEMENT_TYPES.get(rest))


def without_shape(value_type: ValueType) -> ValueType:
    """The same kind of value and element type, of unknown shape."""
    if isinstance(value_type, TensorType):
        return TensorType(value_type.dtype)
    element = value_type.element
    known = without_shape(element) if isinstance(element, TensorType | SequenceType | OptionalType) else TensorType()
    return SequenceType(known) if isinstance(value_type, SequenceType) else OptionalType(known)


def types_from_schema(node: Node, opset: int) -> list[ValueType]:
    """Element types of a node's results, as far as they follow from the operator's schema; shapes are unknown."""
    formal = _results(node.op_type, node.domain, opset)
    types: list[ValueType] = []
    for index in range(len(node.results)):
        if not formal:
            types.append(TensorType())
            continue
        result = formal[min(index, len(formal) - 1)]
        found = result.fixed
        for source in result.operands:
            value = node.operands[source] if source < len(node.operands) else None
            if value is not None and value.value_type != TensorType():
                found = without_shape(value.value_type)
                break
        types.append(found)
    return types
