"""How values leave a branch or go around a loop.

A :class:`Layout` says how a value travels: as a tensor, as an ONNX sequence, as several values, or not at all, because
it is known. :mod:`onnxport_symbolics.planner` finds the layout that covers what comes from several places.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from onnxport_ir import DType, SequenceType, TensorType, Value
from onnxport_ir.types import AnyType, ValueType

from onnxport_symbolics.binder import Lowered
from onnxport_symbolics.op import Op
from onnxport_symbolics.stacked_lists import as_sequence as sequence_of_pieces, no_rows, of_rows, visible_size, whole
from onnxport_symbolics.structures import (
    UNINITIALIZED,
    Columns,
    Filled,
    Growing,
    ListCell,
    Maybe,
    Pieces,
    Uninitialized,
    as_element,
    as_sequence,
    as_vector,
    columns_of,
    contents_once,
)


@dataclass(frozen=True, slots=True)
class Known:
    """A value that is the same on all ways and needs no carrying."""

    lowered: Lowered


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value of ONNX; ``is_list`` if it holds the elements of a list."""

    type: ValueType
    is_list: bool = False


@dataclass(frozen=True, slots=True)
class Several:
    """A tuple, or a list of fixed length."""

    items: tuple[Layout, ...]


@dataclass(frozen=True, slots=True)
class Stacked:
    """The content of a list of tensors of one shape, as one tensor with an axis for the elements before all others."""

    type: TensorType


@dataclass(frozen=True, slots=True)
class Appended:
    """What is appended to a list in a loop that does nothing else with it."""

    owner: Filled
    items: tuple[Layout, ...]


@dataclass(frozen=True, slots=True)
class AsList:
    """A list, made anew of its content."""

    content: Layout
    element: AnyType


@dataclass(frozen=True, slots=True)
class InColumns:
    """A list of tuples, as one list for each place in the tuples."""

    items: tuple[Layout, ...]


@dataclass(frozen=True, slots=True)
class AsMaybe:
    """A truth value, and what is there if it is true."""

    value: Layout


@dataclass(frozen=True, slots=True)
class Nothing:
    """A value that is never read."""


Layout = Known | Leaf | Several | Stacked | Appended | AsList | InColumns | AsMaybe | Nothing


def leaves(layout: Layout) -> Iterator[ValueType]:
    """The types of the values that a layout takes."""
    match layout:
        case Leaf() | Stacked():
            yield layout.type
        case Several() | InColumns() | Appended():
            for item in layout.items:
                yield from leaves(item)
        case AsList():
            yield from leaves(layout.content)
        case AsMaybe():
            yield TensorType(DType.BOOL, ())
            yield from leaves(layout.value)


def pack(op: Op, layout: Layout, lowered: Lowered) -> list[Value]:
    """The values that carry ``lowered``."""
    match layout:
        case Leaf():
            return [_leaf(op, layout, lowered)]
        case Several():
            items = (lowered,) * len(layout.items) if isinstance(lowered, Uninitialized) else contents_once(lowered)
            return [value for inner, item in zip(layout.items, items, strict=True) for value in pack(op, inner, item)]
        case Stacked():
            return [_stacked(op, layout.type, contents_once(lowered))]
        case Appended():
            added = (lowered,) * len(layout.items) if isinstance(lowered, Uninitialized) else lowered.added
            return [value for inner, item in zip(layout.items, added, strict=True) for value in pack(op, inner, item)]
        case InColumns():
            columns = columns_of(contents_once(lowered), len(layout.items))
            return [value for inner, part in zip(layout.items, columns, strict=True) for value in pack(op, inner, part)]
        case AsList():
            return pack(op, layout.content, lowered.content if isinstance(lowered, ListCell) else lowered)
        case AsMaybe():
            if isinstance(lowered, Maybe):
                return [lowered.present, *pack(op, layout.value, lowered.value)]
            is_absent = lowered is None or isinstance(lowered, Uninitialized)
            flag = op.const(not is_absent, DType.BOOL)
            return [flag, *pack(op, layout.value, UNINITIALIZED if is_absent else lowered)]
    return []


def unpack(layout: Layout, values: Iterator[Value], depth: int) -> Lowered:
    """What :func:`pack` took apart, of other values."""
    match layout:
        case Known():
            return layout.lowered
        case Leaf():
            return next(values)
        case Several():
            return tuple(unpack(item, values, depth) for item in layout.items)
        case Stacked():
            return of_rows(next(values))
        case Appended():
            return Growing(layout.owner, tuple(unpack(item, values, depth) for item in layout.items))
        case AsList():
            return ListCell(unpack(layout.content, values, depth), layout.element, depth)
        case InColumns():
            return Columns(tuple(unpack(item, values, depth) for item in layout.items))
        case AsMaybe():
            return Maybe(next(values), unpack(layout.value, values, depth))
        case Nothing():
            return UNINITIALIZED


def _stacked(op: Op, kind: TensorType, lowered: Lowered) -> Value:
    """A list of tensors of one shape as one tensor."""
    if isinstance(lowered, Uninitialized):
        return _stand_in(op, kind)
    if isinstance(lowered, tuple) and not lowered:
        sizes = [visible_size(op, size) for size in (kind.shape or ())[1:]]
        return no_rows(op, kind, [0 if size is None else size for size in sizes])
    found = whole(op, lowered if isinstance(lowered, Pieces) else Pieces(lowered))
    if found is None:
        raise op.refuse("a list of tensors of different shapes")
    return found


def _leaf(op: Op, layout: Leaf, lowered: Lowered) -> Value:
    kind = layout.type
    lowered = contents_once(lowered)
    if isinstance(lowered, Uninitialized):
        return _stand_in(op, kind)
    if isinstance(lowered, tuple):
        if isinstance(kind, SequenceType):
            dtype = kind.element.dtype if isinstance(kind.element, TensorType) else None
            return as_sequence(op, lowered, dtype)
        if layout.is_list and isinstance(kind, TensorType) and kind.dtype is not None:
            return as_vector(op, lowered, kind.dtype)
    if isinstance(lowered, Pieces):
        return sequence_of_pieces(op, lowered)
    if not isinstance(kind, TensorType):
        return as_element(op, lowered, None)
    value = as_element(op, lowered, kind.dtype)
    if kind.shape == () and value.rank != 0:
        # A number of the script language that was read from a tensor of one element.
        value = op.Reshape(value, np.zeros(0, np.int64))
    return value if kind.dtype is None or value.dtype is None else op.cast(value, kind.dtype)


def _stand_in(op: Op, kind: ValueType) -> Value:
    """A value of a type, which nobody reads."""
    if isinstance(kind, SequenceType):
        dtype = kind.element.dtype if isinstance(kind.element, TensorType) else None
        return op.SequenceEmpty(dtype=dtype or DType.FLOAT32)
    if not isinstance(kind, TensorType) or kind.dtype is None:
        raise op.refuse("a result that some branch does not have, of unknown type")
    # Of unknown rank, it must not look like a number: ONNX takes a shape that it does not know for one of rank 0.
    sizes = (0,) if kind.shape is None else tuple(dim if isinstance(dim, int) else 0 for dim in kind.shape)
    if int(np.prod(sizes)) <= 1:
        return op.const(np.zeros(sizes, kind.dtype.numpy), kind.dtype)
    return op.Expand(op.const(np.zeros((), kind.dtype.numpy), kind.dtype), list(sizes))
