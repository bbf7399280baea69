"""Reading ONNX files into the graph of :mod:`onnxport_ir.graph`; external data stays where it is until it is used."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import onnx
import onnx.numpy_helper

from onnxport_ir.dims import Dim, DimSource, SymDim, floor_div, sym_max
from onnxport_ir.dtypes import DType
from onnxport_ir.errors import InvalidArgument, NotYetSupported, Place
from onnxport_ir.graph import AttrValue, Block, Function, Model, Node, RefAttr, Value
from onnxport_ir.naming import assign_names
from onnxport_ir.proto import MODULE_KEY, SOURCE_KEY
from onnxport_ir.tensors import ArrayTensor, FileTensor, TensorRef, packed_nbytes
from onnxport_ir.types import OptionalType, SequenceType, TensorType, ValueType

_DTYPES = {dtype.onnx: dtype for dtype in DType}
_Attribute = onnx.AttributeProto


def load(path: str | os.PathLike[str]) -> Model:
    """Read a model file; external data is left in its file.

    Raises:
        InvalidArgument: if it is no ONNX model, or a malformed one.
        NotYetSupported: if it has something that the graph cannot hold.
        OSError: if it cannot be read.
    """
    file = Path(path)
    content = file.read_bytes()
    try:
        proto = onnx.ModelProto.FromString(content)
    # protobuf's DecodeError, which is not worth an import of a package without types.
    except Exception as error:
        raise InvalidArgument(f"{file} is not an ONNX model", why=str(error)) from error
    return from_proto(proto, file.parent)


def from_proto(
    proto: onnx.ModelProto, base_dir: Path | None = None, *, tensors: Mapping[str, TensorRef] | None = None
) -> Model:
    """Take a model over from its protobuf form.

    Names, types of values, and module and source of nodes are kept; documentation strings and other metadata of
    nodes are not. Initializers become weights. Nodes without a name get one, and names that several inner graphs
    use get a number.

    Args:
        proto: the model.
        base_dir: the folder that external data lies in.
        tensors: initializers of the main graph, by name, that are not in ``proto``.

    Raises:
        InvalidArgument: if it is malformed, or has external data and there is no ``base_dir``.
        NotYetSupported: if it has something that the graph cannot hold.
    """
    for kind in ("training_info", "configuration"):
        if getattr(proto, kind, None):
            raise NotYetSupported(f"models with {kind}")
    reader = _Reader(base_dir)
    graph = reader.main_graph(proto.graph, tensors or {})
    model = Model(graph, _imports(proto.opset_import), ir_version=proto.ir_version)
    model.producer_name = proto.producer_name
    model.producer_version = proto.producer_version
    model.metadata = {entry.key: entry.value for entry in proto.metadata_props}
    model.keep_initializers_as_inputs = reader.has_initializers_as_inputs
    for function_proto in proto.functions:
        function = _Reader(base_dir).function(function_proto)
        model.functions[function.key] = function
    # Names may occur once in each of several inner graphs, whose initializers become the model's.
    assign_names(model)
    return model


class _Reader:
    """Reads one graph or function with its blocks.

    Attributes:
        has_initializers_as_inputs: whether an initializer is an input as well.
    """

    def __init__(self, base_dir: Path | None) -> None:
        self.has_initializers_as_inputs = False
        self._base_dir = base_dir
        self._dims = DimSource()
        self._values: dict[str, Value] = {}
        # Names defined in the current block, to be forgotten at its end.
        self._local: list[str] = []

    def main_graph(self, proto: onnx.GraphProto, tensors: Mapping[str, TensorRef]) -> Block:
        """The graph of a model; an input that has an initializer is a weight, not an input."""
        stored = {tensor.name: self._tensor(tensor) for tensor in proto.initializer} | dict(tensors)
        names = {info.name for info in proto.input}
        self.has_initializers_as_inputs = not names.isdisjoint(stored)
        for name, tensor in stored.items():
            weight = Value.weight(tensor, name)
            # Where some can be replaced by the caller and others cannot, the others are constants.
            weight.is_weight = name in names or not self.has_initializers_as_inputs
            self._define(name, weight)
        inputs = [self._input(info) for info in proto.input if info.name not in stored]
        return self._body(proto, inputs)

    def function(self, proto: onnx.FunctionProto) -> Function:
        """A local function."""
        inputs = [Value(name=name) for name in proto.input]
        for value in inputs:
            self._define(value.name or "", value)
        nodes = [self._node(node) for node in proto.node]
        body = Block(inputs, nodes, [self._used(name, "an output") for name in proto.output], name=proto.name)
        attributes: dict[str, AttrValue | None] = dict.fromkeys(proto.attribute)
        attributes.update({attribute.name: self._attribute(attribute) for attribute in proto.attribute_proto})
        imports = _imports(proto.opset_import)
        return Function(
            proto.domain, proto.name, body, attributes=attributes, opset_imports=imports, overload=proto.overload
        )

    def _block(self, proto: onnx.GraphProto) -> Block:
        outer, self._local = self._local, []
        for tensor in proto.initializer:
            constant = Value.weight(self._tensor(tensor), tensor.name)
            constant.is_weight = not self.has_initializers_as_inputs
            self._define(tensor.name, constant)
        block = self._body(proto, [self._input(info) for info in proto.input])
        for name in self._local:
            del self._values[name]
        self._local = outer
        return block

    def _body(self, proto: onnx.GraphProto, inputs: list[Value]) -> Block:
        if proto.sparse_initializer:
            raise NotYetSupported("sparse initializers")
        if proto.quantization_annotation:
            raise NotYetSupported("quantization annotations")
        nodes = [self._node(node) for node in proto.node]
        outputs = [self._used(info.name, "an output") for info in proto.output]
        for info in (*proto.value_info, *proto.output):
            value = self._values.get(info.name)
            if value is not None and value.const is None and info.HasField("type"):
                value.value_type = type_from_proto(info.type, self._dim)
        return Block(inputs, nodes, outputs, name=proto.name)

    def _input(self, info: onnx.ValueInfoProto) -> Value:
        value = Value(type_from_proto(info.type, self._dim), name=info.name)
        self._define(info.name, value)
        return value

    def _dim(self, proto: onnx.TensorShapeProto.Dimension) -> Dim:
        if proto.HasField("dim_value"):
            return int(proto.dim_value)
        return parse_dim(proto.dim_param) if proto.dim_param else self._dims.unknown()

    def _define(self, name: str, value: Value) -> None:
        if name in self._values:
            raise InvalidArgument(f"the model is malformed: {name!r} is defined twice")
        self._values[name] = value
        self._local.append(name)

    def _used(self, name: str, user: str) -> Value:
        value = self._values.get(name)
        if value is None:
            raise InvalidArgument(f"the model is malformed: {user} reads {name!r}, which nothing before it defines")
        return value

    def _node(self, proto: onnx.NodeProto) -> Node:
        user = f"node {proto.name!r} ({proto.op_type})"
        operands = [self._used(name, user) if name else None for name in proto.input]
        attributes = {attribute.name: self._attribute(attribute) for attribute in proto.attribute}
        node = Node(
            proto.op_type,
            operands,
            attributes,
            result_types=[None] * len(proto.output),
            domain="" if proto.domain == "ai.onnx" else proto.domain,
            place=_place(proto),
            overload=proto.overload,
        )
        node.name = proto.name
        for name, result in zip(proto.output, node.results, strict=True):
            result.name = name
            if name:
                self._define(name, result)
        return node

    def _attribute(self, proto: onnx.AttributeProto) -> AttrValue:
        if proto.ref_attr_name:
            return RefAttr(proto.ref_attr_name, proto.type)
        match proto.type:
            case _Attribute.INT:
                return int(proto.i)
            case _Attribute.FLOAT:
                return float(proto.f)
            case _Attribute.STRING:
                return _text(proto.s)
            case _Attribute.INTS:
                return tuple(proto.ints)
            case _Attribute.FLOATS:
                return tuple(proto.floats)
            case _Attribute.STRINGS:
                items = [_text(item) for item in proto.strings]
                if all(isinstance(item, str) for item in items):
                    return tuple(str(item) for item in items)
            case _Attribute.TENSOR:
                return self._tensor(proto.t)
            case _Attribute.GRAPH:
                return self._block(proto.g)
            case _Attribute.TYPE_PROTO:
                return type_from_proto(proto.tp, self._dim)
        kind = _Attribute.AttributeType.Name(proto.type)
        raise NotYetSupported(f"the attribute {proto.name} of type {kind}")

    def _tensor(self, proto: onnx.TensorProto) -> TensorRef:
        dtype = _DTYPES.get(proto.data_type)
        if dtype is None:
            raise NotYetSupported(f"the tensor {proto.name!r} of ONNX element type {proto.data_type}")
        shape = tuple(proto.dims)
        if proto.data_location == onnx.TensorProto.EXTERNAL:
            return self._external(proto, dtype, shape)
        if dtype is DType.STRING:
            array = np.empty(shape, object)
            array.reshape(-1)[:] = [_text(item) for item in proto.string_data]
            return ArrayTensor(array, dtype)
        if not proto.HasField("raw_data") or dtype.bits < 8:
            try:
                return ArrayTensor(np.asarray(onnx.numpy_helper.to_array(proto), dtype.numpy), dtype)
            except ValueError as error:
                raise InvalidArgument(f"the tensor {proto.name!r} is malformed", why=str(error)) from error
        raw = proto.raw_data
        if len(raw) != packed_nbytes(dtype, shape):
            raise InvalidArgument(f"the tensor {proto.name!r} has {len(raw)} bytes, its shape is {list(shape)}")
        return ArrayTensor(np.frombuffer(raw, dtype.numpy).reshape(shape), dtype)

    def _external(self, proto: onnx.TensorProto, dtype: DType, shape: tuple[int, ...]) -> FileTensor:
        entries = {entry.key: entry.value for entry in proto.external_data}
        location = entries.get("location", "")
        if self._base_dir is None:
            raise InvalidArgument(f"the tensor {proto.name!r} lies in {location!r}", hint="Say where: base_dir.")
        # A model must not be able to make anyone read a file outside its folder.
        parts = {*PurePosixPath(location).parts, *PureWindowsPath(location).parts}
        if not location or ".." in parts or location[0] in "/\\" or PureWindowsPath(location).drive:
            raise InvalidArgument(f"the tensor {proto.name!r} lies in {location!r}, outside the model's folder")
        tensor = FileTensor(self._base_dir / location, int(entries.get("offset", 0)), dtype, shape)
        if int(entries.get("length", tensor.nbytes)) != tensor.nbytes:
            raise InvalidArgument(f"the tensor {proto.name!r} has {entries['length']} bytes, its shape is {shape}")
        return tensor


def type_from_proto(proto: onnx.TypeProto, dim: Callable[[onnx.TensorShapeProto.Dimension], Dim]) -> ValueType:
    """The type that ``proto`` describes; what it leaves out is unknown.

    Args:
        proto: the type of a tensor, a sequence or an optional, or of nothing.
        dim: gives the dim of each axis.

    Raises:
        NotYetSupported: if it is a map, a sparse tensor or an opaque type.
    """
    match proto.WhichOneof("value"):
        case None:
            return TensorType()
        case "tensor_type":
            tensor = proto.tensor_type
            shape = tuple(map(dim, tensor.shape.dim)) if tensor.HasField("shape") else None
            return TensorType(_DTYPES.get(tensor.elem_type), shape)
        case "sequence_type":
            return SequenceType(type_from_proto(proto.sequence_type.elem_type, dim))
        case "optional_type":
            return OptionalType(type_from_proto(proto.optional_type.elem_type, dim))
    raise NotYetSupported(f"values of type {proto.WhichOneof('value')}")


def parse_dim(text: str) -> Dim:
    """The formula that ``text`` is the printed form of; any other text is a name."""
    try:
        dim = _dim_of(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError):
        return SymDim.named(text)
    return dim if str(dim) == text else SymDim.named(text)


def _dim_of(node: ast.expr) -> Dim:
    match node:
        case ast.Name(name):
            return SymDim.named(name)
        case ast.Constant(int(number)):
            return number
        case ast.UnaryOp(ast.USub(), operand):
            return -_dim_of(operand)
        case ast.BinOp(left, operator, right):
            a, b = _dim_of(left), _dim_of(right)
            match operator:
                case ast.Add():
                    return a + b
                case ast.Sub():
                    return a - b
                case ast.Mult():
                    return a * b
                case ast.FloorDiv():
                    return floor_div(a, b)
        case ast.Call(ast.Name("max"), [left, right], []):
            return sym_max(_dim_of(left), _dim_of(right))
    raise ValueError("no formula of sizes")


def _imports(entries: Iterable[onnx.OperatorSetIdProto]) -> dict[str, int]:
    """Versions by domain; ``ai.onnx`` is another spelling of ONNX's own domain."""
    return {"" if entry.domain == "ai.onnx" else entry.domain: entry.version for entry in entries}


def _place(proto: onnx.NodeProto) -> Place:
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    file, _, line = metadata.get(SOURCE_KEY, "").rpartition(":")
    return Place(metadata.get(MODULE_KEY, ""), file or None, int(line) if file and line.isdecimal() else None)


def _text(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data
