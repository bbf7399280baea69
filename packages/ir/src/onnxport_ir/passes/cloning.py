"""Copies of nodes with other values in the place of theirs, and what makes two nodes equal."""

from __future__ import annotations

import struct
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

from onnxport_ir.errors import InternalError, Place
from onnxport_ir.graph import AttrValue, Block, Node, RefAttr, Value
from onnxport_ir.tensors import TensorRef
from onnxport_ir.wire import tensor_bytes


class Cloner:
    """Copies nodes.

    Args:
        values: what stands for values that are not made by the copied nodes; others are kept.
        place: the place of a copy.

    Attributes:
        values: the same, and what stands for the results of the nodes copied so far.
    """

    def __init__(self, values: Mapping[Value, Value], place: Callable[[Place], Place]) -> None:
        self.values = dict(values)
        self._place = place

    def node(self, node: Node) -> Node:
        """A copy of a node, with copies of its blocks."""
        attributes = {
            key: self._block(value) if isinstance(value, Block) else value for key, value in node.attributes.items()
        }
        operands = [None if operand is None else self.values.get(operand, operand) for operand in node.operands]
        clone = Node(
            node.op_type,
            operands,
            attributes,
            result_types=[result.value_type for result in node.results],
            domain=node.domain,
            place=self._place(node.place),
            overload=node.overload,
        )
        self.values.update(zip(node.results, clone.results, strict=True))
        return clone

    def _block(self, block: Block) -> Block:
        inputs = [Value(value.value_type) for value in block.inputs]
        self.values.update(zip(block.inputs, inputs, strict=True))
        nodes = [self.node(node) for node in block.nodes]
        return Block(inputs, nodes, [self.values.get(value, value) for value in block.outputs])


def block_reads(block: Block) -> Iterator[Value]:
    """The values from outside that a block reads, and constants."""
    own = {*block.inputs}
    for node in block.nodes:
        for operand in node.operands:
            if operand is not None and operand not in own:
                yield operand
        for inner in node.blocks():
            for value in block_reads(inner):
                if value not in own:
                    yield value
        own.update(node.results)
    yield from (value for value in block.outputs if value not in own)


def structure_of(item: Value | AttrValue, number: Mapping[Value, int]) -> Hashable:
    """What must be equal of two values or attributes for nodes to be equal.

    Args:
        item: the value or attribute.
        number: a number for each value that is no constant, equal for values in the same role.

    Raises:
        InternalError: for a value without number.
    """
    match item:
        case Value():
            if item in number:
                return number[item]
            if item.const is None:
                raise InternalError(f"{item!r} is read before it is made")
            return structure_of(item.const, number)
        case Block():
            return _block_structure(item, number)
        case RefAttr():
            return ("ref", item.name, item.attr_type)
        case float():
            return ("float", struct.pack("<d", item))
        case tuple():
            return tuple(structure_of(element, number) for element in item)
        case TensorRef():
            return (item.dtype, item.shape, bytes(tensor_bytes(item)))
    return (type(item), item)


def _block_structure(block: Block, outer: Mapping[Value, int]) -> Hashable:
    number: dict[Value, int] = dict(outer)
    for value in block.inputs:
        number[value] = len(number)
    parts: list[Any] = [tuple(value.value_type for value in block.inputs)]  # Any: hashable things of all kinds
    for node in block.nodes:
        operands = tuple(None if operand is None else structure_of(operand, number) for operand in node.operands)
        attributes = tuple((key, structure_of(value, number)) for key, value in node.attributes.items())
        for result in node.results:
            number[result] = len(number)
        parts.append((node.op_type, node.domain, node.overload, operands, attributes, len(node.results)))
    # Types of a block's outputs are in the file.
    parts.append(tuple((structure_of(value, number), value.value_type) for value in block.outputs))
    return tuple(parts)
