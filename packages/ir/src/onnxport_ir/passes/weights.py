"""Weights that are read through a node that only puts their elements in another order are stored in that order."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from onnxport_ir.graph import Block, Model, Node, Value
from onnxport_ir.tensors import LazyTensor
from onnxport_ir.types import TensorType

#: What becomes of a weight, and how its new name ends.
_Layout = tuple[Callable[[npt.NDArray[Any]], npt.NDArray[Any]], str]

#: A weight of which elements are repeated, or left out, may become this long, or as long as it was.
_SELECTED_ELEMENTS = 4096


def transpose_weights(model: Model) -> int:
    """Replace ``Transpose(weight)`` by a weight ``<name>.T`` that is transposed while it is written.

    So for a weight that is read through a Reshape, Unsqueeze, Squeeze, Expand or Gather whose other operands are known.
    A weight that something else reads as well (a tied embedding) is left as it is: storing it twice would cost more
    than the node.

    Returns:
        The number of nodes removed.
    """
    if model.keep_initializers_as_inputs or not model.store_weights:
        # The caller may put other weights in, and knows them by their own names and shapes.
        return 0
    reads = count_reads(model)
    replaced: dict[Value, Value] = {}
    _collect(model.graph, reads, replaced)
    replace_values(model, replaced)
    return len(replaced)


def count_reads(model: Model) -> Counter[Value]:
    """How many operands of nodes each value is, and outputs of blocks."""
    reads = Counter(operand for node in model.graph.all_nodes() for operand in node.operands if operand is not None)
    reads.update(model.graph.outputs)
    for node in model.graph.all_nodes():
        for block in node.blocks():
            reads.update(block.outputs)
    return reads


def replace_values(model: Model, replaced: Mapping[Value, Value]) -> None:
    """Put values into the places of others, in the operands of nodes and the outputs of blocks."""
    if not replaced:
        return
    for node in model.graph.all_nodes():
        if any(operand in replaced for operand in node.operands):
            node.operands = tuple(o if o is None else replaced.get(o, o) for o in node.operands)
    for block in (model.graph, *(inner for node in model.graph.all_nodes() for inner in node.blocks())):
        block.outputs = [replaced.get(output, output) for output in block.outputs]


def _collect(block: Block, reads: Counter[Value], replaced: dict[Value, Value]) -> None:
    kept: list[Node] = []
    outputs = set(block.outputs)
    for node in block.nodes:
        for inner in node.blocks():
            _collect(inner, reads, replaced)
        first = node.operands[0] if node.operands else None
        weight = None if first is None else replaced.get(first, first)
        layout = None
        if first is not None and weight is not None and weight.is_weight and reads[first] == 1:
            layout = None if node.domain or node.result in outputs else _layout(node, weight)
        if layout is None or weight is None:
            kept.append(node)
        else:
            replaced[node.result] = _in_layout(weight, *layout)
    block.nodes = kept


def _layout(node: Node, weight: Value) -> _Layout | None:
    """What a node does to a weight, if it only moves elements and its other operands are known."""
    if weight.const is None:
        raise TypeError("a weight without elements")
    shape = weight.const.shape
    if node.op_type == "Transpose":
        perm = node.attributes.get("perm")
        axes = tuple(int(a) for a in perm) if isinstance(perm, tuple) else tuple(reversed(range(len(shape))))
        suffix = "T" if axes == tuple(reversed(range(len(axes)))) else "permuted"
        return lambda array: np.transpose(array, axes), suffix
    sizes = tuple(size for size in node.result.shape or () if isinstance(size, int))
    if node.result.shape is None or len(sizes) != len(node.result.shape):
        return None
    if node.op_type in ("Reshape", "Unsqueeze", "Squeeze"):
        return lambda array: np.reshape(array, sizes), "reshaped"
    if math.prod(sizes) > max(math.prod(shape), _SELECTED_ELEMENTS):
        return None
    if node.op_type == "Expand":
        return lambda array: np.broadcast_to(array, sizes), "expanded"
    return _gathered(node, shape) if node.op_type == "Gather" else None


def _gathered(node: Node, shape: tuple[int, ...]) -> _Layout | None:
    indices, axis = node.operands[1], node.attributes.get("axis", 0)
    if indices is None or indices.const is None or indices.is_weight or not isinstance(axis, int):
        return None
    found, size = indices.array(), shape[axis]
    if found.size and not (-size <= found.min() and found.max() < size):
        return None
    return lambda array: np.take(array, found, axis), "gathered"


def _in_layout(weight: Value, transform: Callable[[npt.NDArray[Any]], npt.NDArray[Any]], suffix: str) -> Value:
    tensor = weight.const
    if tensor is None:
        raise TypeError("a weight without elements")
    # An array of zero strides has the right shape and takes no memory.
    shape = transform(np.broadcast_to(np.zeros((), tensor.dtype.numpy), tensor.shape)).shape
    lazy = LazyTensor(tensor, transform, tensor.dtype, shape)
    value = Value.weight(lazy, f"{weight.name}.{suffix}")
    value.value_type = TensorType(tensor.dtype, shape)
    return value
