"""Removal of nodes whose results nobody reads."""

from __future__ import annotations

from onnxport_ir.graph import Block, Model, Node, Value


def remove_dead_code(model: Model) -> int:
    """Remove nodes without effect from the graph, from its inner blocks and from functions.

    ONNX operators have no effects but their results, so that a node is dead if no result of it is read by a live
    node and none is an output. One walk from the end to the beginning; inner blocks count as reads where their
    node is live.

    Returns:
        The number of nodes removed.
    """
    return sum(_sweep(body, set()) for body in [model.graph, *(f.body for f in model.functions.values())])


def _sweep(block: Block, live: set[Value]) -> int:
    live.update(block.outputs)
    kept: list[Node] = []
    removed = 0
    for node in reversed(block.nodes):
        if not any(result in live for result in node.results):
            removed += 1
            continue
        kept.append(node)
        for inner in node.blocks():
            removed += _sweep(inner, live)
        live.update(operand for operand in node.operands if operand is not None)
    block.nodes = kept[::-1]
    return removed
