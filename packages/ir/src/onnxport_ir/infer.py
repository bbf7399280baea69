"""Types that our own rules left open, found by onnx's shape inference: once, on the whole graph, without weights."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
import onnx.shape_inference

from onnxport_ir.dims import Dim, SymDim
from onnxport_ir.errors import NotYetSupported
from onnxport_ir.graph import Block, Model, Value
from onnxport_ir.proto import Encoder, FileNames, Storage
from onnxport_ir.read import type_from_proto
from onnxport_ir.types import AnyType, OptionalType, SequenceType, TensorType, ValueType

#: Constants up to this size are shown to the inference, which needs the values of shapes and the like.
_SHOWN_BYTES = 1024
_UNKNOWN = "?inferred"
#: Initializers need not be inputs from this version on.
_IR_VERSION = 4


def fill_types(model: Model) -> list[str]:
    """Fill in the dtypes, ranks and sizes that are not known yet.

    What is known stays as it is; where nothing is open, nothing is done. Names are not needed and not given.

    Args:
        model: the types of values of the main graph and its blocks are completed in place; its outputs are
            finished (:func:`onnxport_ir.naming.finish_outputs`), as onnx infers nothing for other branches.

    Returns:
        What was found to contradict a type that is known in part, or why there was no inference; empty if nothing
        was noticed. Types that are known in full are believed, by onnx as well.
    """
    if not any(_is_open(value.value_type) for value in _values(model.graph)):
        return []
    names = _NumberedNames()
    encoder = Encoder(
        model, value_info="all", storage=_storage, names=names, ir_version=max(model.ir_version, _IR_VERSION)
    )
    content = encoder.model().to_bytes()
    try:
        inferred = onnx.shape_inference.infer_shapes(content, check_type=False, strict_mode=False, data_prop=True)
    # The inference is foreign code that raises errors of many kinds; its failure must not be the export's.
    except Exception as error:
        return [f"onnx's shape inference failed: {error}"]
    found: dict[str, onnx.TypeProto] = {}
    _collect(inferred.graph, found)
    reader = _Reader(model)
    findings = []
    for value in list(_values(model.graph)):
        proto = found.get(names[value][1:].decode() if value in names else "")
        if proto is None:
            continue
        try:
            value.value_type = _completed(value.value_type, reader.value_type(proto))
        except _Conflict as conflict:
            findings.append(f"{value.producer!r} gives {conflict}")
        except NotYetSupported:
            # A map or a sparse tensor, which only operators outside our range give.
            continue
    return findings


class _NumberedNames(FileNames):
    """Numbers in place of names, as the model may not have its names yet."""

    def __missing__(self, value: Value) -> bytes:
        """The next number."""
        label = f"v{len(self)}".encode()
        field = self[value] = bytes((len(label),)) + label
        return field


class _Conflict(Exception):
    """Two types that cannot both be true."""


class _Reader:
    """Reads types, and gives each symbol of the inference one dim."""

    def __init__(self, model: Model) -> None:
        self._symbols: dict[str, Dim] = {}
        self._next = 0
        for value in _values(model.graph):
            for dim in value.shape or ():
                if isinstance(dim, int):
                    continue
                if dim.is_printable:
                    self._symbols.setdefault(str(dim), dim)
                elif dim.name is not None and dim.name.startswith(_UNKNOWN):
                    self._next = max(self._next, int(dim.name.removeprefix(_UNKNOWN)) + 1)

    def value_type(self, proto: onnx.TypeProto) -> ValueType:
        """The type that ``proto`` describes."""
        return type_from_proto(proto, self._dim)

    def _dim(self, proto: onnx.TensorShapeProto.Dimension) -> Dim:
        if proto.HasField("dim_value"):
            return int(proto.dim_value)
        known = self._symbols.get(proto.dim_param)
        if known is None:
            known = SymDim.named(f"{_UNKNOWN}{self._next}")
            self._next += 1
            if proto.dim_param:
                self._symbols[proto.dim_param] = known
        return known


def _completed(known: AnyType, found: AnyType) -> ValueType:
    """``known`` with what is open in it taken from ``found``.

    Raises:
        _Conflict: if they contradict each other.
    """
    match known, found:
        case TensorType(None, None), TensorType() | SequenceType() | OptionalType():
            return found
        case TensorType(), TensorType():
            if found.dtype not in {None, known.dtype} and known.dtype is not None:
                raise _Conflict(f"{found} by onnx's inference, {known} by ours")
            return TensorType(known.dtype or found.dtype, _completed_shape(known, found))
        case SequenceType(), SequenceType():
            return SequenceType(_completed(known.element, found.element))
        case OptionalType(), OptionalType():
            return OptionalType(_completed(known.element, found.element))
    raise _Conflict(f"{found} by onnx's inference, {known} by ours")


def _completed_shape(known: TensorType, found: TensorType) -> tuple[Dim, ...] | None:
    if known.shape is None or found.shape is None:
        return known.shape if found.shape is None else found.shape
    if len(known.shape) != len(found.shape):
        raise _Conflict(f"{found} by onnx's inference, {known} by ours")
    dims = []
    for ours, theirs in zip(known.shape, found.shape, strict=True):
        if isinstance(ours, int) and isinstance(theirs, int) and ours != theirs:
            raise _Conflict(f"{found} by onnx's inference, {known} by ours")
        is_open = isinstance(ours, SymDim) and not ours.is_printable
        dims.append(theirs if is_open and (isinstance(theirs, int) or theirs.is_printable) else ours)
    return tuple(dims)


def _is_open(value_type: AnyType) -> bool:
    match value_type:
        case TensorType(dtype, shape):
            return dtype is None or shape is None or any(isinstance(d, SymDim) and not d.is_printable for d in shape)
        case SequenceType(element) | OptionalType(element):
            return _is_open(element)
    return False


def _storage(value: Value) -> Storage:
    small = value.const is not None and value.const.nbytes <= _SHOWN_BYTES
    return Storage.INLINE if small else Storage.INPUT


def _collect(graph: onnx.GraphProto, found: dict[str, onnx.TypeProto]) -> None:
    for info in (*graph.value_info, *graph.output):
        if info.HasField("type"):
            found[info.name] = info.type
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _collect(attribute.g, found)


def _values(block: Block) -> Iterator[Value]:
    yield from block.inputs
    for node in block.all_nodes():
        yield from node.results
        for inner in node.blocks():
            yield from inner.inputs
