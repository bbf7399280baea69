"""Root mean square normalization, written out as language models do, becomes ONNX's operator of that name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from onnxport_ir.dtypes import DType
from onnxport_ir.graph import Block, Model, Node, Value
from onnxport_ir.passes.weights import count_reads

#: The first opset with RMSNormalization.
_SINCE = 23


def fuse_rms_norms(model: Model) -> int:
    """Replace ``x / sqrt(mean(x * x, -1) + epsilon) * weight`` by RMSNormalization, where the opset has it.

    Only for float32, which the operator computes in whatever the type, for a weight with as many elements as the last
    axis, and where nothing else reads what lies between.

    Returns:
        The number of normalizations.
    """
    if model.opset < _SINCE:
        return 0
    reads = count_reads(model)
    return _fuse(model.graph, reads)


def _fuse(block: Block, reads: Counter[Value]) -> int:
    count = 0
    dead: set[Node] = set()
    for node in block.nodes:
        for inner in node.blocks():
            count += _fuse(inner, reads)
        found = _match(node, reads)
        if found is not None:
            node.operands, epsilon, between = found
            node.op_type, node.attributes = "RMSNormalization", {"axis": -1, "epsilon": epsilon}
            dead.update(between)
            count += 1
    if dead:
        block.nodes = [node for node in block.nodes if node not in dead]
    return count


def _match(node: Node, reads: Counter[Value]) -> tuple[tuple[Value, Value], float, list[Node]] | None:
    """The operands and epsilon of the normalization that ends in a node, and the nodes that it makes needless."""
    if not _is(node, "Mul") or node.result.dtype is not DType.FLOAT32:
        return None
    for weight, normal in _both_ways(node.operands):
        scaled = _alone(normal, "Mul", reads)
        if scaled is None or not _is_weight(weight, node.result):
            continue
        for x, inverse in _both_ways(scaled.operands):
            found = _inverse_root(inverse, x, reads)
            if found is not None and weight is not None and x is not None:
                epsilon, between = found
                return (x, weight), epsilon, [*between, scaled]
    return None


def _inverse_root(value: Value | None, x: Value | None, reads: Counter[Value]) -> tuple[float, list[Node]] | None:
    """Epsilon and the nodes of ``1 / sqrt(mean(x * x, -1) + epsilon)``."""
    inverse = _alone(value, "Reciprocal", reads)
    root = None if inverse is None else _alone(inverse.operands[0], "Sqrt", reads)
    total = None if root is None else _alone(root.operands[0], "Add", reads)
    if inverse is None or root is None or total is None:
        return None
    for mean, constant in _both_ways(total.operands):
        reduced, epsilon = _alone(mean, "ReduceMean", reads), _number(constant)
        if reduced is None or epsilon is None or not _is_of_last_axis(reduced):
            continue
        square = reduced.operands[0].producer if reduced.operands[0] is not None else None
        if square is not None and reads[square.result] == 1 and _is_square(square, x):
            return epsilon, [square, reduced, total, root, inverse]
    return None


def _is(node: Node | None, op_type: str) -> bool:
    return node is not None and not node.domain and node.op_type == op_type


def _alone(value: Value | None, op_type: str, reads: Counter[Value]) -> Node | None:
    """The node that gives a value, if it is of that kind and nothing else reads the value."""
    node = None if value is None or reads[value] != 1 else value.producer
    return node if _is(node, op_type) else None


def _both_ways(operands: Sequence[Value | None]) -> list[tuple[Value | None, Value | None]]:
    return [(operands[0], operands[1]), (operands[1], operands[0])]


def _is_weight(value: Value | None, result: Value) -> bool:
    """Whether a value has one number for each place along the last axis of the result."""
    shape = None if value is None else value.shape
    if shape is None or len(shape) != 1 or not result.shape:
        return False
    return isinstance(shape[0], int) and shape[0] == result.shape[-1]


def _is_of_last_axis(node: Node) -> bool:
    axes = node.operands[1] if len(node.operands) > 1 else None
    rank = None if node.operands[0] is None else node.operands[0].rank
    if axes is None or axes.const is None or axes.is_weight or rank is None or not node.attributes.get("keepdims", 1):
        return False
    return [int(axis) % rank for axis in np.atleast_1d(axes.array())] == [rank - 1]


def _is_square(node: Node, x: Value | None) -> bool:
    if x is None or node.operands[0] is not x:
        return False
    if _is(node, "Mul"):
        return node.operands[1] is x
    return _is(node, "Pow") and _number(node.operands[1]) == 2.0


def _number(value: Value | None) -> float | None:
    if value is None or value.const is None or value.is_weight or value.const.shape not in ((), (1,)):
        return None
    return float(value.array().reshape(())) if value.array().dtype.kind in "fi" else None
