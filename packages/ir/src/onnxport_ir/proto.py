"""From a finished model to the bytes of an ONNX file, without a ``ModelProto`` and without a copy of a weight.

The encoder goes through the model once and writes the fields of each message in the order of their numbers, as
protobuf itself does, so that reading and writing the file again gives the same bytes. It is written by hand because
protobuf's Python objects hold a second copy of every weight, and are no faster for nodes either.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import onnx
import onnx.defs

from onnxport_ir.dims import SymDim
from onnxport_ir.dtypes import DType
from onnxport_ir.errors import InternalError, Place
from onnxport_ir.graph import AttrValue, Block, Function, Model, Node, RefAttr, Value
from onnxport_ir.tensors import TensorRef
from onnxport_ir.types import AnyType, OptionalType, SequenceType, TensorType
from onnxport_ir.wire import (
    Encoded,
    Message,
    bytes_tag,
    float32,
    float_tag,
    tensor_bytes,
    text,
    varint,
    varint_tag,
)

#: What is told of a node's origin in its ``metadata_props`` (from IR version 10 on).
Provenance: TypeAlias = Literal["none", "module", "source"]
#: Which values between inputs and outputs have their type in the file: none, the results of operators that ONNX
#: does not define (nobody else could find it out), or all.
ValueInfo: TypeAlias = Literal["none", "custom", "all"]

#: Keys of a node's metadata.
MODULE_KEY = "onnxport.module"
SOURCE_KEY = "onnxport.source"

#: Tensors up to this size are read at once, not kept as references.
_SMALL_BYTES = 4096
_IR_INITIALIZERS_ALONE = 4
_IR_FUNCTIONS = 8
_IR_NODE_METADATA = 10
_OPSET_CONSTANTS = 9
_OLD_CONSTANTS = frozenset({DType.FLOAT16, DType.FLOAT32, DType.FLOAT64})

_TAG = {field: bytes_tag(field) for field in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 20, 21, 25)}
_INT_TAG = {field: varint_tag(field) for field in (1, 2, 3, 8, 14, 20)}
_ATTR_F, _ATTR_FLOATS = float_tag(2), float_tag(7)
_ATTR_INTS = varint_tag(8)
_KIND = {name: varint_tag(20) + varint(number) for name, number in onnx.AttributeProto.AttributeType.items()}
_EXTERNAL = _INT_TAG[14] + varint(onnx.TensorProto.EXTERNAL)


class Storage(enum.Enum):
    """What becomes of a constant that the graph uses."""

    INLINE = enum.auto()
    #: Named and typed, without data: whoever asked for it puts the data in.
    BARE = enum.auto()
    #: No initializer, but an input of the graph.
    INPUT = enum.auto()


@dataclass(frozen=True, slots=True)
class ExternalSlice:
    """A place in the file beside the model."""

    location: str
    offset: int
    nbytes: int


class FileNames(dict[Value, bytes]):
    """The names of values as they are written, by value."""

    def __missing__(self, value: Value) -> bytes:
        """Encode the name that ``value`` has.

        Raises:
            InternalError: if it has none.
        """
        if value.name is None:
            raise InternalError(f"{value!r} of {value.producer!r} has no name", hint="Call assign_names(model) first.")
        data = value.name.encode()
        field = self[value] = varint(len(data)) + data
        return field


def encode(model: Model, *, provenance: Provenance = "module", value_info: ValueInfo = "custom") -> Message:
    """The whole model as one message, weights by reference.

    Args:
        model: finished and named.
        provenance: what to say of each node's origin.
        value_info: which types to write beside those of inputs and outputs.

    Raises:
        InternalError: if the model is not finished, or something in it has no place in a file.
    """
    return Encoder(model, provenance=provenance, value_info=value_info).model()


def to_proto(model: Model, *, provenance: Provenance = "module", value_info: ValueInfo = "custom") -> onnx.ModelProto:
    """The model as a protobuf object, weights as ``raw_data``; the same content as the file.

    Args:
        model: finished and named.
        provenance: what to say of each node's origin.
        value_info: which types to write beside those of inputs and outputs.

    Raises:
        InternalError: as :func:`encode`.
    """
    encoder = Encoder(model, provenance=provenance, value_info=value_info, storage=lambda _: Storage.BARE)
    proto: onnx.ModelProto = onnx.ModelProto.FromString(encoder.model().to_bytes())
    for tensor, value in zip(proto.graph.initializer, encoder.initializers, strict=True):
        if value.const is not None and value.const.dtype is not DType.STRING:
            tensor.raw_data = tensor_bytes(value.const)
    return proto


class Encoder:
    """Encodes one model.

    Args:
        model: finished and named.
        provenance: what to say of each node's origin.
        value_info: which types to write beside those of inputs and outputs.
        storage: what becomes of a constant that is used by the graph; inline if not given.
        names: the names of values; those that they have if not given.
        ir_version: the file format's version, if not the model's own.

    Attributes:
        initializers: the constants that became initializers, in the order of the file.
    """

    def __init__(
        self,
        model: Model,
        *,
        provenance: Provenance = "none",
        value_info: ValueInfo = "none",
        storage: Callable[[Value], Storage | ExternalSlice] | None = None,
        names: FileNames | None = None,
        ir_version: int | None = None,
    ) -> None:
        self.initializers: list[Value] = []
        self._model = model
        self._ir_version = model.ir_version if ir_version is None else ir_version
        self._provenance = provenance if self._ir_version >= _IR_NODE_METADATA else "none"
        self._value_info = value_info
        self._storage = storage
        self._names = FileNames() if names is None else names
        self._all_are_inputs = model.keep_initializers_as_inputs or self._ir_version < _IR_INITIALIZERS_ALONE
        self._types: dict[AnyType, bytes] = {}
        self._heads: dict[tuple[str, str, str], tuple[bytes, bytes]] = {}
        self._places: dict[Place, bytes] = {}
        self._typed: list[Value] = []

    def model(self) -> Message:
        """Encode the model."""
        model = self._model
        if model.functions and self._ir_version < _IR_FUNCTIONS:
            raise InternalError(f"local functions need IR version {_IR_FUNCTIONS}, the model has {self._ir_version}")
        message = Message()
        message.add(_INT_TAG[1] + varint(self._ir_version))
        message.add(text(_TAG[2], model.producer_name))
        if model.producer_version:
            message.add(text(_TAG[3], model.producer_version))
        message.add_message(_TAG[7], self._main_graph(model.graph))
        message.add(_opsets(8, model.opset_imports))
        for key, value in model.metadata.items():
            message.add(_entry(_TAG[14], key, value))
        for function in model.functions.values():
            message.add_message(_TAG[25], self._function(function))
        return message

    def _main_graph(self, graph: Block) -> Message:
        message = Message()
        stored, extra_inputs = [], []
        for value in graph.constants():
            how = self._how(value)
            if how is Storage.INPUT:
                extra_inputs.append(value)
            elif self._all_are_inputs and not value.is_weight and self._has_constant_node(value):
                # An input can be replaced by the caller, which would keep runtimes from folding a shape.
                message.add_message(_TAG[1], self._constant_node(value, how))
            else:
                stored.append((value, how))
                if self._all_are_inputs:
                    extra_inputs.append(value)
        self._nodes(graph.nodes, message, _TAG[1])
        message.add(text(_TAG[2], graph.name))
        for value, how in stored:
            self.initializers.append(value)
            message.add_message(_TAG[5], self._tensor(value.const, self._names[value], how))
        for value in (*graph.inputs, *extra_inputs):
            message.add(self._typed_name(_TAG[11], value))
        for value in graph.outputs:
            message.add(self._typed_name(_TAG[12], value))
        own = {*graph.inputs, *graph.outputs}
        for value in self._typed:
            if value not in own and self._type(value.value_type):
                message.add(self._typed_name(_TAG[13], value))
        return message

    def _has_constant_node(self, value: Value) -> bool:
        """Whether the operator set has ``Constant`` for this type; the oldest ones have it for floats only."""
        return self._model.opset >= _OPSET_CONSTANTS or value.dtype in _OLD_CONSTANTS

    def _how(self, value: Value) -> Storage | ExternalSlice:
        if not self._model.is_stored(value):
            return Storage.INPUT
        return Storage.INLINE if self._storage is None else self._storage(value)

    def _block(self, block: Block) -> Encoded:
        message = Message()
        outer, self._typed = self._typed, []
        self._nodes(block.nodes, message, _TAG[1])
        message.add(text(_TAG[2], block.name))
        for value in block.inputs:
            message.add(self._typed_name(_TAG[11], value))
        for value in block.outputs:
            message.add(self._typed_name(_TAG[12], value))
        own = set(block.outputs)
        for value in self._typed:
            if value not in own and self._type(value.value_type):
                message.add(self._typed_name(_TAG[13], value))
        self._typed = outer
        return message

    def _function(self, function: Function) -> Message:
        body, message = function.body, Message()
        message.add(text(_TAG[1], function.name))
        for field, values in ((4, body.inputs), (5, body.outputs)):
            for value in values:
                message.add(_TAG[field] + self._names[value])
        for name, default in function.attributes.items():
            if default is None:
                message.add(text(_TAG[6], name))
        for value in body.constants():
            if not self._model.is_stored(value):
                raise InternalError(f"function {function.name} holds the weight {value.name}, which is not stored")
            # A function has no initializers.
            message.add_message(_TAG[7], self._constant_node(value, Storage.INLINE))
        outer, self._typed = self._typed, []
        self._nodes(body.nodes, message, _TAG[7])
        self._typed = outer
        message.add(_opsets(9, function.opset_imports))
        message.add(text(_TAG[10], function.domain))
        for name, default in function.attributes.items():
            if default is not None:
                message.add_message(_TAG[11], self._attribute(name, default))
        if function.overload:
            message.add(text(_TAG[13], function.overload))
        return message

    def _nodes(self, nodes: Iterable[Node], message: Message, tag: bytes) -> None:
        everything, custom = self._value_info == "all", self._value_info == "custom"
        for node in nodes:
            message.add_message(tag, self._node(node))
            if everything or (custom and node.domain):
                self._typed += (value for value in node.results if value.name != "")

    def _node(self, node: Node) -> Encoded:
        names = self._names
        operands = node.operands
        while operands and operands[-1] is None:
            operands = operands[:-1]
        parts = [b"\n" + names[operand] if operand is not None else b"\n\0" for operand in operands]
        parts += [b"\x12" + names[result] for result in node.results]
        name = node.name.encode()
        head, tail = self._head(node)
        parts += (b"\x1a", varint(len(name)), name, head)
        whole: Message | None = None
        for key, value in node.attributes.items():
            try:
                is_empty = isinstance(value, tuple) and not value
                attribute = self._empty_list(node, key) if is_empty else self._attribute(key, value)
            except InternalError as error:
                raise error.at(node.place) from None
            if isinstance(attribute, bytes):
                parts += (b"*", varint(len(attribute)), attribute)
            else:
                whole = whole or Message()
                whole.add(b"".join(parts))
                whole.add_message(b"*", attribute)
                parts = []
        parts.append(tail)
        if self._provenance != "none":
            parts.append(self._metadata(node.place))
        if whole is None:
            return b"".join(parts)
        whole.add(b"".join(parts))
        return whole

    def _head(self, node: Node) -> tuple[bytes, bytes]:
        """The fields of a node that follow from its operator."""
        key = (node.op_type, node.domain, node.overload)
        fields = self._heads.get(key)
        if fields is None:
            tail = text(_TAG[7], node.domain) if node.domain else b""
            if node.overload:
                tail += text(_TAG[8], node.overload)
            fields = self._heads[key] = (text(_TAG[4], node.op_type), tail)
        return fields

    def _constant_node(self, value: Value, how: Storage | ExternalSlice) -> Encoded:
        name = self._names[value]
        attribute = Message()
        attribute.add(text(_TAG[1], "value"))
        attribute.add_message(_TAG[5], self._tensor(value.const, b"", Storage.INLINE if how is Storage.BARE else how))
        attribute.add(_KIND["TENSOR"])
        node = Message()
        node.add(_TAG[2] + name + _TAG[3] + name + text(_TAG[4], "Constant"))
        node.add_message(_TAG[5], attribute)
        return node

    def _metadata(self, place: Place) -> bytes:
        encoded = self._places.get(place)
        if encoded is None:
            encoded = _entry(_TAG[9], MODULE_KEY, place.module) if place.module else b""
            if self._provenance == "source" and (source := source_of(place)):
                encoded += _entry(_TAG[9], SOURCE_KEY, source)
            self._places[place] = encoded
        return encoded

    def _attribute(self, name: str, value: AttrValue) -> Encoded:
        head = text(_TAG[1], name)
        match value:
            case int() | np.integer() | np.bool_():
                return head + _INT_TAG[3] + varint(int(value)) + _KIND["INT"]
            case float() | np.floating():
                return head + _ATTR_F + float32(float(value)) + _KIND["FLOAT"]
            case str() | bytes():
                return head + text(_TAG[4], value) + _KIND["STRING"]
            case tuple() | list():
                return head + _many(name, value)
            case Block():
                return _wrapped(head, _TAG[6], self._block(value), _KIND["GRAPH"])
            case RefAttr():
                kind = varint_tag(20) + varint(value.attr_type)
                return head + kind + text(_TAG[21], value.name)
            case TensorType() | SequenceType() | OptionalType():
                if encoded := self._type(value):
                    return head + _TAG[14] + encoded + _KIND["TYPE_PROTO"]
            case TensorRef():
                return _wrapped(head, _TAG[5], self._tensor(value, b"", Storage.INLINE), _KIND["TENSOR"])
        raise InternalError(f"attribute {name} is {value!r}, which has no place in a file")

    def _empty_list(self, node: Node, name: str) -> bytes:
        """A list attribute without elements, of the type that the operator declares; of integers if there is none."""
        kind = "INTS"
        version = self._model.opset_imports.get(node.domain)
        if version is not None and onnx.defs.has(node.op_type, node.domain):
            schema = onnx.defs.get_schema(node.op_type, version, node.domain)
            declared = schema.attributes[name].type if name in schema.attributes else None
            for other in ("FLOATS", "STRINGS"):
                if declared == getattr(onnx.defs.OpSchema.AttrType, other):
                    kind = other
        return text(_TAG[1], name) + _KIND[kind]

    def _tensor(self, tensor: TensorRef | None, name: bytes, how: Storage | ExternalSlice) -> Encoded:
        if tensor is None:
            raise InternalError("a value that is no constant stands among the constants")
        head = b"".join(_INT_TAG[1] + varint(size) for size in tensor.shape)
        head += _INT_TAG[2] + varint(tensor.dtype.onnx)
        label = _TAG[8] + name if name else b""
        if tensor.dtype is DType.STRING:
            return head + b"".join(text(_TAG[6], item) for item in tensor.numpy().reshape(-1).tolist()) + label
        head += label
        if how is Storage.BARE:
            return head
        if isinstance(how, ExternalSlice):
            where = {"location": how.location, "offset": str(how.offset), "length": str(how.nbytes)}
            return head + b"".join(_entry(_TAG[13], key, entry) for key, entry in where.items()) + _EXTERNAL
        if tensor.nbytes <= _SMALL_BYTES:
            return head + text(_TAG[9], tensor_bytes(tensor))
        message = Message()
        message.add(head)
        message.add_tensor(_TAG[9], tensor)
        return message

    def _typed_name(self, tag: bytes, value: Value) -> bytes:
        return text(tag, _TAG[1] + self._names[value] + self._typed_field(value.value_type))

    def _typed_field(self, value_type: AnyType) -> bytes:
        encoded = self._type(value_type)
        return _TAG[2] + encoded if encoded else b""

    def _type(self, value_type: AnyType) -> bytes:
        """A ``TypeProto`` preceded by its length; empty if not even the element type is known."""
        encoded = self._types.get(value_type)
        if encoded is None:
            fields = _type_fields(value_type)
            encoded = self._types[value_type] = varint(len(fields)) + fields if fields else b""
        return encoded


def source_of(place: Place) -> str:
    """The line of the user's code, ``model.py:42``, without the folder, which is nobody else's business."""
    if place.file is None:
        return ""
    name = place.file.replace("\\", "/").rpartition("/")[2]
    return f"{name}:{place.line}" if place.line else name


def _wrapped(head: bytes, tag: bytes, inner: Encoded, tail: bytes) -> Encoded:
    if isinstance(inner, bytes):
        return head + tag + varint(len(inner)) + inner + tail
    message = Message()
    message.add(head)
    message.add_message(tag, inner)
    message.add(tail)
    return message


def _many(name: str, values: Sequence[Any]) -> bytes:
    """The elements and the type of a list attribute."""
    if all(isinstance(value, int | np.integer) for value in values):
        return b"".join([_ATTR_INTS + varint(int(value)) for value in values]) + _KIND["INTS"]
    if all(isinstance(value, int | float | np.integer | np.floating) for value in values):
        return b"".join([_ATTR_FLOATS + float32(float(value)) for value in values]) + _KIND["FLOATS"]
    if all(isinstance(value, str | bytes) for value in values):
        return b"".join([text(_TAG[9], value) for value in values]) + _KIND["STRINGS"]
    kinds = sorted({type(value).__name__ for value in values})
    raise InternalError(f"attribute {name} is a list of {', '.join(kinds)}, which has no place in a file")


def _type_fields(value_type: AnyType) -> bytes:
    match value_type:
        case TensorType(dtype, shape):
            if dtype is None:
                return b""
            fields = _INT_TAG[1] + varint(dtype.onnx)
            if shape is not None:
                fields += text(_TAG[2], b"".join([text(_TAG[1], _dim(dim)) for dim in shape]))
            return text(_TAG[1], fields)
        case SequenceType(element):
            inner = _type_fields(element)
            return text(_TAG[4], text(_TAG[1], inner)) if inner else b""
        case OptionalType(element):
            inner = _type_fields(element)
            return text(_TAG[9], text(_TAG[1], inner)) if inner else b""
    raise InternalError(f"a value of type {value_type} has no place in an ONNX graph")


def _dim(dim: int | SymDim) -> bytes:
    if isinstance(dim, int):
        return _INT_TAG[1] + varint(dim)
    return text(_TAG[2], str(dim)) if dim.is_printable else b""


def _entry(tag: bytes, key: str, value: str) -> bytes:
    return text(tag, text(_TAG[1], key) + text(_TAG[2], value))


def _opsets(field: int, imports: Mapping[str, int]) -> bytes:
    return b"".join(
        text(_TAG[field], text(_TAG[1], domain) + _INT_TAG[2] + varint(version)) for domain, version in imports.items()
    )
