"""Lists that a loop appends to and does nothing else with: what each turn appends is a scan output of ONNX's Loop.

A Loop gives the values of all its turns side by side in one tensor, in time that grows with their number, while a
sequence that goes around is copied in each turn; and it does so at opsets at which no sequence can go around. All
elements must have one shape, for which the formulas of their sizes vouch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from onnxport_ir import ScalarType, TensorType, Value
from onnxport_ir.types import AnyType, TupleType, scalar_dtype

from onnxport_symbolics.binder import Lowered
from onnxport_symbolics.integers import add, mul
from onnxport_symbolics.layouts import Leaf, pack
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.planner import Planner
from onnxport_symbolics.script_lists import joined
from onnxport_symbolics.stacked_lists import as_rows, carries_sequences, common_type, element_type, length_of, merged
from onnxport_symbolics.structures import (
    Columns,
    Filled,
    Growing,
    ListCell,
    Pieces,
    ReadWhileGrowing,
    Rows,
    as_element,
    columns_of,
)


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """A list that a loop appends to.

    Attributes:
        before: what it holds before the loop.
        element: the type of its elements.
        growing: stands for what it holds in the body.
    """

    before: Lowered
    element: AnyType
    growing: Growing

    def added(self, end: Lowered) -> tuple[Lowered, ...] | None:
        """What a turn has appended, of what the list holds at the end of the turn; None if it has done more."""
        content = end.content if isinstance(end, ListCell) else end
        is_same = isinstance(content, Growing) and content.owner is self.growing.owner
        return content.added if is_same else None


def proposed(op: Op, cell: ListCell, end: Lowered, turn: Value) -> Scan | None:
    """A scan for a list that was changed in a turn which was lowered with what the list holds before the loop.

    Args:
        op: the builder, outside of the loop.
        cell: the list, with what it holds before the loop.
        end: what it holds at the end of the turn.
        turn: the number of the turn, in the body.
    """
    before, after = cell.content, end.content if isinstance(end, ListCell) else end
    if not _is_scannable(cell.element) or (isinstance(before, Value) and before.is_sequence):
        return None
    if not isinstance(before, Columns) and not _is_longer(before, after):
        return None
    items, longer = _items(before), _items(after)
    added = longer[len(items) :] if isinstance(items, tuple) and isinstance(longer, tuple) else None
    is_counted = added is not None and not any(isinstance(item, Rows) for item in added)
    length = None if isinstance(before, Growing) else _length(op, before)
    return Scan(before, cell.element, Growing(Filled(length, len(added) if added and is_counted else None, turn)))


def _length(op: Op, content: Lowered) -> Int:
    while isinstance(content, Columns):
        content = content.parts[0]
    if isinstance(content, tuple):
        return len(content)
    return length_of(op, content) if isinstance(content, Pieces) else op.dim(content, 0)


def length_in_turn(op: Op, growing: Growing) -> Int:
    """How many elements a list has in the middle of a turn.

    Raises:
        ReadWhileGrowing: if that is not a number that each turn adds.
    """
    owner = growing.owner
    if owner.length is None or owner.per_turn is None or any(isinstance(item, Rows) for item in growing.added):
        raise ReadWhileGrowing(owner)
    return add(op, add(op, mul(op, owner.turn, owner.per_turn), owner.length), len(growing.added))


def _is_scannable(element: AnyType) -> bool:
    if isinstance(element, TupleType):
        return bool(element.elements) and all(map(_is_scannable, element.elements))
    if isinstance(element, ScalarType):
        return scalar_dtype(element.kind) is not None
    return isinstance(element, TensorType)


def _is_longer(before: Lowered, after: Lowered) -> bool:
    """Whether a list may hold what it held before, and something behind it: the next round shows whether it does."""
    if isinstance(before, Value):
        # Numbers in a vector: a longer one does not show what of it is new.
        return isinstance(after, Value) and not after.is_sequence
    pairs = ((before, after), (_items(before), _items(after)))
    short, long = next(((a, b) for a, b in pairs if isinstance(a, tuple) and isinstance(b, tuple)), ((), ()))
    return len(short) < len(long)


def _items(content: Lowered) -> Lowered:
    if isinstance(content, Growing):
        return content.added
    return content.items if isinstance(content, Pieces) else content


def fits(planner: Planner, scan: Scan, added: Sequence[Lowered], element: AnyType) -> bool:
    """Whether what a turn appends has one shape, the same in every turn as far as is known."""
    if not added or scan.growing.owner.per_turn not in (None, len(added)):
        return False
    if isinstance(element, TupleType):
        if isinstance(scan.before, Growing) or not all(isinstance(row, tuple) for row in added):
            return False
        columns = columns_of(tuple(added), len(element.elements))
        return all(fits(planner, scan, part, kind) for part, kind in zip(columns, element.elements, strict=True))
    if isinstance(element, ScalarType):
        return all(_is_number(item) or _is_settled(planner, item) for item in added)
    if any(isinstance(item, ListCell | tuple) or item is None for item in added):
        return False
    kinds = [element_type(planner.op, item) for item in (*added, *_tensors(scan.before))]
    if any(kind.dtype is not kinds[0].dtype or kind.dtype is None for kind in kinds):
        return False
    own = kinds[: len(added)]
    if all(kind == own[0] and planner.is_settled(kind) for kind in own):
        return all(_is_settled(planner, item) for item in added)
    # Where no sequence can go around, ONNX Runtime finds out: it refuses to run where sizes differ.
    return (
        len(own) == 1
        and own[0].rank is not None
        and not isinstance(added[0], Rows)
        and not carries_sequences(planner.op)
    )


def _is_number(item: Lowered) -> bool:
    return not isinstance(item, Rows) and (isinstance(item, Value | bool | int | float))


def _is_settled(planner: Planner, item: Lowered) -> bool:
    """Whether several elements are as many in each turn."""
    return not isinstance(item, Rows) or planner.is_settled(TensorType(item.value.dtype, item.value.shape))


def _tensors(before: Lowered) -> Iterator[Lowered]:
    items = _items(before)
    if isinstance(items, tuple):
        yield from (item for item in items if isinstance(item, Value | Rows))


def scanned(op: Op, added: Sequence[Lowered], element: AnyType) -> Iterator[Value]:
    """What a turn gives: for several elements a tensor with an axis for them."""
    if isinstance(element, TupleType):
        for part, kind in zip(columns_of(tuple(added), len(element.elements)), element.elements, strict=True):
            yield from scanned(op, part, kind)
        return
    items = [item if isinstance(item, Rows) else _value(op, item, element) for item in added]
    if len(items) == 1:
        yield items[0].value if isinstance(items[0], Rows) else items[0]
    else:
        yield op.Concat(*as_rows(op, items), axis=0)


def _value(op: Op, item: Lowered, element: AnyType) -> Value:
    if not isinstance(element, ScalarType):
        return as_element(op, item, None)
    (number,) = pack(op, Leaf(TensorType(scalar_dtype(element.kind), ())), item)
    return number


def collected(
    planner: Planner, before: Lowered, element: AnyType, added: Sequence[Lowered], values: Iterator[Value]
) -> Lowered:
    """What the list holds after the loop.

    Args:
        planner: knows which sizes are the same outside of the loop.
        before: what it held before.
        element: the type of its elements.
        added: what the last turn that was lowered appends.
        values: the scan outputs.
    """
    op = planner.op
    if isinstance(element, TupleType):
        columns = zip(
            columns_of(before, len(element.elements)),
            columns_of(tuple(added), len(element.elements)),
            element.elements,
            strict=True,
        )
        return Columns(tuple(collected(planner, part, kind, own, values) for part, own, kind in columns))
    rows = next(values)
    kind = element_type(op, added[0]) if isinstance(element, TensorType) else TensorType(rows.dtype, ())
    is_one = len(added) == 1 and not isinstance(added[0], Rows)
    if rows.shape is not None and kind.shape is not None:
        outer = common_type(op, added) is not None if isinstance(element, TensorType) else True
        sizes = kind.shape if outer and planner.is_settled(kind) else [_outside(planner, size) for size in kind.shape]
        first = rows.shape[: 1 if is_one else 2]
        rows = op.retype(rows, TensorType(rows.dtype, (*first, *sizes)))
    if not is_one:
        rows = merged(op, rows)
    found: Lowered = rows if isinstance(element, ScalarType) else Pieces((Rows(rows),))
    if isinstance(before, Growing):
        return Growing(before.owner, (*before.added, Rows(rows)))
    return joined(op, before, found, element) if before != () else found


def _outside(planner: Planner, size: object) -> object:
    return size if isinstance(size, int) else planner.op.unknown_dim()
