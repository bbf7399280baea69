"""What two ONNX files have in common and where they differ, whatever their values and nodes are called."""

from __future__ import annotations

import collections
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import onnx
import onnx.numpy_helper
from onnxport.errors import InvalidArgument

#: What computes a value: equal for values that are computed in the same way from the same inputs and constants.
Digest = bytes


@dataclass(frozen=True, slots=True)
class FoundNode:
    """A node of a graph or function.

    Attributes:
        label: its operator, and its name in the file.
        digest: what it computes.
        operands: what its operands are.
    """

    label: str
    digest: Digest
    operands: tuple[Digest, ...]


@dataclass(slots=True)
class Structure:
    """A graph or function without its names.

    Attributes:
        nodes: in the order of the file, those of inner graphs not among them.
        outputs: what the outputs are.
    """

    nodes: list[FoundNode] = field(default_factory=list)
    outputs: list[Digest] = field(default_factory=list)


def graph_structure(graph: onnx.GraphProto, folder: Path) -> Structure:
    """The structure of a model's graph.

    Args:
        graph: the graph.
        folder: that of the file, for external data.

    Raises:
        InvalidArgument: if external data is missing.
    """
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [item.name for item in graph.input if item.name not in stored]
    env = {name: _digest("input", index) for index, name in enumerate(inputs)}
    return _Reader(folder).body(graph.node, graph.initializer, [item.name for item in graph.output], env)


def function_structure(function: onnx.FunctionProto, folder: Path) -> Structure:
    """The structure of a local function."""
    env = {name: _digest("input", index) for index, name in enumerate(function.input)}
    return _Reader(folder).body(function.node, (), function.output, env)


def tensor_digest(tensor: onnx.TensorProto, folder: Path) -> Digest:
    """What a tensor holds: type, shape and elements.

    Raises:
        InvalidArgument: if its external data is missing or too short.
    """
    try:
        array = onnx.numpy_helper.to_array(tensor, base_dir=str(folder))
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise InvalidArgument(f"the elements of {tensor.name} cannot be read", why=str(error)) from error
    content = repr(array.tolist()).encode() if array.dtype == object else array.tobytes()
    return _digest("tensor", tensor.data_type, tuple(tensor.dims), hashlib.sha256(content).digest())


def first_differences(ours: Structure, theirs: Structure) -> list[str]:
    """The nodes of one structure that the other one lacks though it has all that they read."""
    known = collections.Counter(node.digest for node in theirs.nodes)
    available = {node.digest for node in theirs.nodes}
    found = []
    for node in ours.nodes:
        if known[node.digest]:
            known[node.digest] -= 1
        elif all(not _is_result(operand) or operand[:-2] in available for operand in node.operands):
            found.append(node.label)
    return found


def _is_result(digest: Digest) -> bool:
    """Whether this is a node's result, which ends with its index, rather than an input or a constant."""
    return len(digest) > _SIZE


_SIZE = hashlib.sha256().digest_size


class _Reader:
    """Reads the structure of one graph or function.

    Args:
        folder: that of the file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._depth = 0

    def body(
        self,
        nodes: Iterable[onnx.NodeProto],
        initializers: Iterable[onnx.TensorProto],
        outputs: Sequence[str],
        env: Mapping[str, Digest],
    ) -> Structure:
        known = dict(env)
        known.update({tensor.name: tensor_digest(tensor, self._folder) for tensor in initializers})
        found = Structure()
        for node in nodes:
            if node.op_type == "Constant" and not node.domain and node.attribute[0].type == onnx.AttributeProto.TENSOR:
                # It does not matter whether a constant is a node or an initializer.
                known[node.output[0]] = tensor_digest(node.attribute[0].t, self._folder)
                continue
            operands = tuple(known.get(name, b"") for name in node.input)
            attributes = sorted((item.name, self._attribute(item, known)) for item in node.attribute)
            digest = _digest(node.domain, node.op_type, node.overload, operands, attributes, len(node.output))
            label = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
            found.nodes.append(FoundNode(f"{label} {node.name or node.output[0]}", digest, operands))
            for index, name in enumerate(node.output):
                known[name] = digest + index.to_bytes(2, "big")
        found.outputs = [known.get(name, b"") for name in outputs]
        return found

    def _attribute(self, attribute: onnx.AttributeProto, known: Mapping[str, Digest]) -> Digest:
        if attribute.ref_attr_name:
            return _digest("reference", attribute.ref_attr_name)
        if attribute.type == onnx.AttributeProto.GRAPH:
            graph = attribute.g
            self._depth += 1
            inputs = {item.name: _digest("inner", self._depth, index) for index, item in enumerate(graph.input)}
            outputs = [item.name for item in graph.output]
            inner = self.body(graph.node, graph.initializer, outputs, {**known, **inputs})
            self._depth -= 1
            return _digest([node.digest for node in inner.nodes], inner.outputs, len(graph.input))
        if attribute.type == onnx.AttributeProto.TENSOR:
            return tensor_digest(attribute.t, self._folder)
        plain = onnx.AttributeProto()
        plain.CopyFrom(attribute)
        plain.ClearField("doc_string")
        return _digest(plain.SerializeToString(deterministic=True))


def _digest(*parts: object) -> Digest:
    return hashlib.sha256(repr(parts).encode()).digest()
