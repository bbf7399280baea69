"""Weights that are read through a Transpose only are stored transposed."""

from __future__ import annotations

from collections import Counter

import numpy as np

from onnxport_ir.graph import Block, Model, Node, Value
from onnxport_ir.tensors import LazyTensor
from onnxport_ir.types import TensorType


def transpose_weights(model: Model) -> int:
    """Replace ``Transpose(weight)`` by a weight ``<name>.T`` that is transposed while it is written.

    A weight that something else reads as well (a tied embedding) is left as it is: storing it twice would cost more
    than the node.

    Returns:
        The number of nodes removed.
    """
    if model.keep_initializers_as_inputs or not model.store_weights:
        # The caller may put other weights in, and knows them by their own names and shapes.
        return 0
    reads = Counter(
        operand
        for node in model.graph.all_nodes()
        for operand in node.operands
        if operand is not None and operand.is_weight
    )
    reads.update(output for output in model.graph.outputs if output.is_weight)
    replaced: dict[Value, Value] = {}
    _collect(model.graph, reads, replaced)
    if replaced:
        for node in model.graph.all_nodes():
            if any(operand in replaced for operand in node.operands):
                node.operands = tuple(o if o is None else replaced.get(o, o) for o in node.operands)
    return len(replaced)


def _collect(block: Block, reads: Counter[Value], replaced: dict[Value, Value]) -> None:
    kept: list[Node] = []
    outputs = set(block.outputs)
    for node in block.nodes:
        for inner in node.blocks():
            _collect(inner, reads, replaced)
        weight = node.operands[0] if node.operands else None
        if (
            node.op_type == "Transpose"
            and not node.domain
            and weight is not None
            and weight.is_weight
            and reads[weight] == 1
            and node.result not in outputs
        ):
            replaced[node.result] = _transposed(weight, node)
        else:
            kept.append(node)
    block.nodes = kept


def _transposed(weight: Value, node: Node) -> Value:
    tensor = weight.const
    perm = node.attributes.get("perm")
    if tensor is None:
        raise TypeError("a weight without elements")
    axes = tuple(int(a) for a in perm) if isinstance(perm, tuple) else tuple(reversed(range(len(tensor.shape))))
    shape = tuple(tensor.shape[axis] for axis in axes)
    lazy = LazyTensor(tensor, lambda array: np.transpose(array, axes), tensor.dtype, shape)
    suffix = "T" if axes == tuple(reversed(range(len(axes)))) else "permuted"
    value = Value.weight(lazy, f"{weight.name}.{suffix}")
    value.value_type = TensorType(tensor.dtype, shape)
    return value
