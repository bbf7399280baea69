"""What onnx.defs says about an operator, in the form the lowering asks for it; read once per operator and opset."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import onnx
from onnxport_ir import DType

#: The newest opset that the installed onnx knows.
NEWEST_OPSET: int = onnx.defs.onnx_opset_version()
#: The oldest opset that can be exported to.
OLDEST_OPSET = 7

_Formal = onnx.defs.OpSchema.FormalParameterOption

_TENSOR_DTYPES: dict[str, DType] = {
    "tensor(float)": DType.FLOAT32,
    "tensor(double)": DType.FLOAT64,
    "tensor(float16)": DType.FLOAT16,
    "tensor(bfloat16)": DType.BFLOAT16,
    "tensor(string)": DType.STRING,
    **{
        f"tensor({d.name.lower()})": d
        for d in DType
        if d not in (DType.FLOAT32, DType.FLOAT64, DType.FLOAT16, DType.BFLOAT16, DType.STRING)
    },
}


@dataclass(frozen=True, slots=True)
class Formal:
    """A formal input or output.

    Attributes:
        name: its name in the schema.
        type_str: the type variable it shares with others, or a concrete type.
        variadic: whether it stands for any number of values.
        optional: whether it may be left out.
        dtypes: the tensor element types that it accepts; empty if it takes no tensors.
    """

    name: str
    type_str: str
    variadic: bool
    optional: bool
    dtypes: frozenset[DType]


@dataclass(frozen=True, slots=True)
class Schema:
    """One version of an operator.

    Attributes:
        name: the operator.
        since: the opset this version came with.
        inputs: the formal inputs.
        outputs: the formal outputs.
        attributes: the type of each attribute.
        defaults: the default values of those that have one.
        required: the names of attributes that must be given.
        deprecated: whether this version only says that the operator is gone.
    """

    name: str
    since: int
    inputs: tuple[Formal, ...]
    outputs: tuple[Formal, ...]
    attributes: Mapping[str, onnx.defs.OpSchema.AttrType]
    defaults: Mapping[str, object]
    required: frozenset[str]
    deprecated: bool

    def formal(self, index: int) -> Formal:
        """The formal input of an operand; the last one repeats if it is variadic.

        Raises:
            IndexError: if there are more operands than the operator takes.
        """
        if index < len(self.inputs):
            return self.inputs[index]
        if self.inputs and self.inputs[-1].variadic:
            return self.inputs[-1]
        raise IndexError(f"{self.name} takes {len(self.inputs)} inputs")

    def input_index(self, name: str) -> int | None:
        """The position of the input called ``name``, if there is one."""
        for index, formal in enumerate(self.inputs):
            if formal.name == name:
                return index
        return None


@functools.cache
def first_opset(op_type: str) -> int | None:
    """The opset that introduced an operator of ONNX's own domain; None if there is no such operator."""
    return _first_opsets().get(op_type)


@functools.cache
def schema_at(op_type: str, opset: int) -> Schema:
    """The version of an operator that is in force at ``opset``.

    Raises:
        KeyError: if the operator is unknown there.
    """
    try:
        schema = onnx.defs.get_schema(op_type, opset, "")
    except onnx.defs.SchemaError as error:
        raise KeyError(f"ONNX opset {opset} has no operator {op_type}") from error
    dtypes = {
        constraint.type_param_str: frozenset(
            _TENSOR_DTYPES[text] for text in constraint.allowed_type_strs if text in _TENSOR_DTYPES
        )
        for constraint in schema.type_constraints
    }
    return Schema(
        name=op_type,
        since=schema.since_version,
        inputs=tuple(_formal(f, dtypes) for f in schema.inputs),
        outputs=tuple(_formal(f, dtypes) for f in schema.outputs),
        attributes={name: attribute.type for name, attribute in schema.attributes.items()},
        defaults={
            name: _default(attribute.default_value)
            for name, attribute in schema.attributes.items()
            if attribute.default_value.type != onnx.AttributeProto.UNDEFINED
        },
        required=frozenset(name for name, attribute in schema.attributes.items() if attribute.required),
        deprecated=schema.deprecated,
    )


def newest_schema(op_type: str) -> Schema:
    """The newest version of an operator that is not deprecated; handlers are written against this one."""
    return schema_at(op_type, _last_opsets()[op_type])


@functools.cache
def _first_opsets() -> dict[str, int]:
    first: dict[str, int] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "":
            first[schema.name] = min(first.get(schema.name, schema.since_version), schema.since_version)
    return first


@functools.cache
def _last_opsets() -> dict[str, int]:
    """The newest opset of each operator, or the last one before it was deprecated for good."""
    newest: dict[str, onnx.defs.OpSchema] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "" and (
            schema.name not in newest or schema.since_version > newest[schema.name].since_version
        ):
            newest[schema.name] = schema
    return {name: schema.since_version - 1 if schema.deprecated else NEWEST_OPSET for name, schema in newest.items()}


def _formal(formal: onnx.defs.OpSchema.FormalParameter, dtypes: Mapping[str, frozenset[DType]]) -> Formal:
    concrete = _TENSOR_DTYPES.get(formal.type_str)
    allowed = dtypes.get(formal.type_str, frozenset() if concrete is None else frozenset({concrete}))
    return Formal(
        formal.name,
        formal.type_str,
        formal.option == _Formal.Variadic,
        formal.option == _Formal.Optional,
        allowed,
    )


def _default(attribute: onnx.AttributeProto) -> object:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    return tuple(value) if isinstance(value, list) else value
