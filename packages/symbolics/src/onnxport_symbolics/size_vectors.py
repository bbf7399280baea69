"""Sizes, known or not, side by side in a value of rank 1: the shapes that Reshape, Expand and the like are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from onnxport_ir import Dim, DType, Value
from onnxport_ir.rules.contents import contents

if TYPE_CHECKING:
    from onnxport_symbolics.op import Int, Op

#: Arithmetic that is the same on a vector of one element.
_ARITHMETIC = frozenset({"Add", "Sub", "Mul", "Div", "Mod", "Max", "Min"})
#: How many operations, one after the other, are done anew on vectors rather than their result reshaped to one.
_DEPTH = 3


def vector(op: Op, items: Sequence[Int]) -> Value:
    """Integers as a value of rank 1 and type int64; a constant if all are known.

    Sizes that stand side by side in the shape of a tensor are taken from it together.
    """
    if all(isinstance(item, int) for item in items):
        return op.const(np.array(items, np.int64))
    formulas = [_formula(item) for item in items]
    parts: list[Value] = []
    index = 0
    while index < len(items):
        count = _known(items, index)
        if index == 0 and (whole := _from_one_shape(op, items[count], formulas, count)) is not None:
            return whole
        if count:
            parts.append(op.const(np.array(items[index : index + count], np.int64)))
        else:
            part, count = _run(op, items, formulas, index)
            parts.append(part)
        index += count
    return parts[0] if len(parts) == 1 else op.Concat(*parts, axis=0)


def _formula(item: Int) -> Dim | None:
    if isinstance(item, int):
        return item
    found = contents(item)
    return found[0] if found is not None and len(found) == 1 else None


def _known(items: Sequence[Int], start: int) -> int:
    """How many numbers stand side by side from ``start`` on."""
    count = 0
    while start + count < len(items) and isinstance(items[start + count], int):
        count += 1
    return count


def _from_one_shape(op: Op, item: Int, formulas: Sequence[Dim | None], index: int) -> Value | None:
    """All of the sizes from the shape that the one at ``index`` comes from, if they stand in it like that."""
    source = _source(item)
    if source is None:
        return None
    tensor, axis = source
    shape, start = tensor.shape or (), axis - index
    if start < 0 or tuple(formulas) != shape[start : start + len(formulas)]:
        return None
    return _part_of_shape(op, tensor, start, len(formulas))


def _run(op: Op, items: Sequence[Int], formulas: Sequence[Dim | None], index: int) -> tuple[Value, int]:
    """The size at ``index``, which is not known, with those after it that come from the same shape; and how many."""
    item = items[index]
    source = _source(item)
    if source is None:
        return (item, 1) if isinstance(item, Value) and item.rank == 1 else (_as_vector(op, item, _DEPTH), 1)
    tensor, axis = source
    count, length, shape = 1, 1, tensor.shape or ()
    while index + length < len(items) and axis + length < len(shape):
        if formulas[index + length] is None or formulas[index + length] != shape[axis + length]:
            break
        length += 1
        # A number at the end is better seen in a constant.
        count = count if isinstance(items[index + length - 1], int) else length
    return _part_of_shape(op, tensor, axis, count), count


def _source(item: Int) -> tuple[Value, int] | None:
    """The tensor and axis of which a value of rank 0 is the size."""
    node = None if isinstance(item, int) or item.rank != 0 else item.producer
    if node is None or node.op_type != "Gather" or node.domain:
        return None
    shape, position = node.operands[0], node.operands[1]
    if shape is None or position is None or position.const is None or position.rank != 0:
        return None
    above = shape.producer
    if above is None or above.op_type != "Shape" or above.domain or above.attributes or above.operands[0] is None:
        return None
    tensor, axis = above.operands[0], int(position.array())
    return None if tensor.rank is None else (tensor, axis % tensor.rank)


def _part_of_shape(op: Op, tensor: Value, start: int, count: int) -> Value:
    """Sizes that stand side by side."""
    if start == 0 and count == tensor.rank:
        return op.Shape(tensor)
    if op.has_attribute("Shape", "start"):
        return op.Shape(tensor, start=start, end=start + count)
    return op.Gather(op.Shape(tensor), op.const(np.arange(start, start + count, dtype=np.int64)))


def _as_vector(op: Op, item: Int, depth: int) -> Value:
    """A number as a value of rank 1.

    Where it is computed from sizes, that is done anew on vectors: the computation on numbers is most often not needed
    for anything else.
    """
    if isinstance(item, int):
        return op.const(np.array([item], np.int64))
    if item.const is not None and not item.is_weight:
        return op.const(item.array().reshape(1), item.dtype)
    source = _source(item)
    if source is not None:
        return _part_of_shape(op, *source, 1)
    if _is_of_sizes(item, depth):
        node = item.producer
        if node is not None:
            operands = [operand if operand is None else _as_vector(op, operand, depth - 1) for operand in node.operands]
            return op.multi(node.op_type, 1, *operands, **node.attributes)[0]
    return op.Reshape(op.cast(item, DType.INT64), [1])


def _is_of_sizes(item: Value, depth: int) -> bool:
    """Whether a value of rank 0 is computed from sizes and constants in a few steps."""
    if item.const is not None:
        return not item.is_weight and item.rank == 0
    if _source(item) is not None:
        return True
    node = item.producer
    if depth == 0 or item.rank != 0 or item.dtype is not DType.INT64:
        return False
    if node is None or node.domain or node.op_type not in _ARITHMETIC:
        return False
    return all(operand is not None and _is_of_sizes(operand, depth - 1) for operand in node.operands)
