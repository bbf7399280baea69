"""Lists of the script language that are written to, and the equations that hand their elements on.

A list is a tuple as long as its length is known. Where the input decides the length, a list of tensors is an ONNX
sequence and a list of numbers a tensor of rank 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from onnxport_ir import DType, Eqn, ScalarType, TensorType, Value
from onnxport_ir.errors import LoweringError, NeedsStatic
from onnxport_ir.types import AnyType, TupleType, scalar_dtype

from onnxport_symbolics import dynamic_lists, stacked_lists
from onnxport_symbolics.binder import Lowered
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.structures import (
    Columns,
    Growing,
    ListCell,
    ModelRaises,
    Pieces,
    ReadWhileGrowing,
    as_sequence,
    as_vector,
    columns_of,
    contents,
    contents_once,
)

if TYPE_CHECKING:
    from onnxport_symbolics.lower import Lowering

_Write = Callable[[Op, ListCell, tuple[Lowered, ...]], tuple[Lowered, Lowered]]


def _known_index(op: Op, index: Lowered, length: int, *, clamp: bool = False) -> int | None:
    """An index counted from the front; None if the input decides it."""
    if isinstance(index, Value):
        if index.const is None:
            return None
        index = int(index.array().reshape(-1)[0])
    if not isinstance(index, int):
        raise op.refuse(f"{index!r} as an index of a list")
    if clamp:
        return min(max(index + length if index < 0 else index, 0), length)
    if not -length <= index < length:
        # In a branch that is taken only once a loop has made the list longer, say.
        raise ModelRaises(f"index {index} of a list of {length}")
    return index % length


def _as_value(op: Op, cell: ListCell) -> Value:
    """The content of a list as one value of ONNX."""
    return as_content(op, cell.content, cell.element)


def as_content(op: Op, content: Lowered, element: AnyType) -> Value:
    """A list as one value of ONNX: a sequence, or a vector of numbers.

    Raises:
        NeedsStatic: if its elements are neither tensors nor numbers.
    """
    if isinstance(content, Value):
        return content
    if isinstance(content, Pieces):
        return stacked_lists.as_sequence(op, content)
    if isinstance(element, ScalarType):
        return as_vector(op, contents(content), _scalar_dtype(op, element))
    if isinstance(content, Columns) or any(map(_is_no_tensor, content)):
        raise NeedsStatic("an index into a list of lists, tuples or None that depends on the input", where=op.place)
    return as_sequence(op, content, None)


def _as_pieces(op: Op, content: Lowered, element: AnyType) -> Lowered:
    """A list of tensors of one shape in one tensor, where the target opset has no loops with sequences."""
    is_plain = isinstance(content, tuple) and isinstance(element, TensorType) and content
    if not is_plain or stacked_lists.carries_sequences(op) or any(map(_is_no_tensor, content)):
        return content
    return content if stacked_lists.common_type(op, content) is None else Pieces(content)


def _is_no_tensor(item: Lowered) -> bool:
    return isinstance(item, ListCell | tuple) or item is None


def by_columns(items: Lowered, element: TupleType, change: Callable[[Lowered, AnyType, int], Lowered]) -> Columns:
    """A list of tuples whose length depends on the input, changed column by column."""
    parts = zip(columns_of(items, len(element.elements)), element.elements, strict=True)
    return Columns(tuple(change(part, kind, index) for index, (part, kind) in enumerate(parts)))


def part_of(
    op: Op, items: Lowered, bounds: tuple[Int | None, Int | None], step: Int, element: AnyType
) -> Value | Columns | Pieces:
    """A part of a list whose length, or that of the part, depends on the input."""
    items = _as_pieces(op, items, element)
    if isinstance(items, Pieces):
        return stacked_lists.part_of(op, items, bounds, step)
    if isinstance(element, TupleType):
        return by_columns(items, element, lambda part, kind, _: part_of(op, part, bounds, step, kind))
    return dynamic_lists.part(op, as_content(op, items, element), *bounds, step)


def _dtype(op: Op, cell: ListCell) -> DType:
    return _scalar_dtype(op, cell.element)


def _scalar_dtype(op: Op, element: AnyType) -> DType:
    dtype = scalar_dtype(element.kind) if isinstance(element, ScalarType) else None
    if dtype is None:
        raise op.refuse(f"a list of {element} whose content depends on the input")
    return dtype


def _vector(op: Op, cell: ListCell, number: Lowered) -> Value:
    return op.Reshape(op.scalar(number, _dtype(op, cell)), [1])


def _tensor(op: Op, item: Lowered) -> Value:
    if _is_no_tensor(item):
        raise op.refuse("a list of lists, tuples or None whose length depends on the input")
    return as_sequence_item(op, item)


def as_sequence_item(op: Op, item: Lowered) -> Value:
    """An element of a list of tensors as a value."""
    if isinstance(item, Value):
        return item
    return op.const(item.tensor.numpy(), item.tensor.dtype)


def _append(op: Op, cell: ListCell, args: tuple[Lowered, ...]) -> tuple[Lowered, Lowered]:
    (item,) = args
    content = cell.content
    if isinstance(content, tuple):
        return (*content, item), cell
    if content.is_sequence:
        return op.SequenceInsert(content, _tensor(op, item)), cell
    return op.Concat(content, _vector(op, cell, item), axis=0), cell


def _insert(op: Op, cell: ListCell, args: tuple[Lowered, ...]) -> tuple[Lowered, Lowered]:
    index, item = args
    content = cell.content
    if isinstance(content, tuple):
        place = _known_index(op, index, len(content), clamp=True)
        if place is not None:
            return (*content[:place], item, *content[place:]), cell
        content = _as_value(op, cell)
    added = _tensor(op, item) if content.is_sequence else _vector(op, cell, item)
    return dynamic_lists.inserted(op, content, index, added), cell


def _extend(op: Op, cell: ListCell, args: tuple[Lowered, ...]) -> tuple[Lowered, Lowered]:
    return joined(op, cell.content, contents_once(args[0]), cell.element), cell


def joined(op: Op, left: Lowered, right: Lowered, element: AnyType) -> Lowered:
    """The elements of one list, then those of another."""
    if isinstance(element, TupleType) and (isinstance(left, Columns) or isinstance(right, Columns)):
        others = columns_of(right, len(element.elements))
        return by_columns(left, element, lambda part, kind, index: joined(op, part, others[index], kind))
    if isinstance(left, tuple) and isinstance(right, tuple):
        return (*left, *right)
    pieces = [side.items if isinstance(side, Pieces) else side for side in (left, right)]
    if (isinstance(left, Pieces) or isinstance(right, Pieces)) and all(isinstance(part, tuple) for part in pieces):
        return Pieces((*pieces[0], *pieces[1]))
    left, right = (as_content(op, side, element) if isinstance(side, Pieces) else side for side in (left, right))
    if isinstance(element, ScalarType):
        return op.Concat(*(as_content(op, side, element) for side in (left, right)), axis=0)
    if isinstance(right, tuple):
        result = left
        for item in right:
            result = op.SequenceInsert(result, _tensor(op, item))
        return result
    if isinstance(left, tuple):
        result = right
        for index, item in enumerate(left):
            result = op.SequenceInsert(result, _tensor(op, item), op.const(index))
        return result
    return dynamic_lists.joined(op, left, right)


def _pop(op: Op, cell: ListCell, args: tuple[Lowered, ...]) -> tuple[Lowered, Lowered]:
    index = args[0] if args else -1
    content = cell.content
    if isinstance(content, tuple):
        place = _known_index(op, index, len(content))
        if place is not None:
            return (*content[:place], *content[place + 1 :]), content[place]
        content = _as_value(op, cell)
    where = op.scalar(index, DType.INT64)
    item = op.SequenceAt(content, where) if content.is_sequence else op.Gather(content, where)
    return dynamic_lists.without(op, content, index), item


def _set_item(op: Op, cell: ListCell, args: tuple[Lowered, ...]) -> tuple[Lowered, Lowered]:
    index, item = args
    content = cell.content
    if isinstance(content, tuple):
        place = _known_index(op, index, len(content))
        if place is not None:
            return (*content[:place], item, *content[place + 1 :]), cell
        content = _as_value(op, cell)
    where = op.scalar(index, DType.INT64)
    if not content.is_sequence:
        where = op.Reshape(where, [1])
        return op.ScatterElements(content, where, _vector(op, cell, item), axis=0), cell
    # Once the old element is gone, an index that counts from the end would mean another place.
    where = dynamic_lists.from_front(op, index, op.SequenceLength(content))
    return op.SequenceInsert(op.SequenceErase(content, where), _tensor(op, item), where), cell


def _delete(op: Op, cell: ListCell, args: tuple[Lowered, ...]) -> tuple[Lowered, Lowered]:
    return _pop(op, cell, args)[0], None


def _clear(op: Op, cell: ListCell, args: tuple[Lowered, ...]) -> tuple[Lowered, Lowered]:
    return (), cell


def _reverse(op: Op, cell: ListCell, args: tuple[Lowered, ...]) -> tuple[Lowered, Lowered]:
    if isinstance(cell.content, tuple):
        return cell.content[::-1], cell
    return part_of(op, cell.content, (None, None), -1, cell.element), cell


def _repeat(op: Op, cell: ListCell, args: tuple[Lowered, ...]) -> tuple[Lowered, Lowered]:
    return repeated(op, cell.content, args[0], cell.element), cell


def repeated(op: Op, items: Lowered, count: Lowered, element: AnyType) -> Lowered:
    """A list that many times."""
    if isinstance(items, tuple) and not isinstance(count, Value):
        return items * count
    items = _as_pieces(op, items, element)
    if isinstance(items, Pieces):
        return stacked_lists.repeated(op, items, count)
    if isinstance(element, TupleType):
        return by_columns(items, element, lambda part, kind, _: repeated(op, part, count, kind))
    return dynamic_lists.repeated(op, as_content(op, items, element), count)


def _sort(op: Op, cell: ListCell, args: tuple[Lowered, ...]) -> tuple[Lowered, Lowered]:
    return sorted_items(op, cell.content, cell.element, reverse=bool(args[0]) if args else False), cell


def sorted_items(op: Op, items: Lowered, element: AnyType, *, reverse: bool) -> Lowered:
    """A list of numbers or texts in order."""
    if isinstance(items, tuple) and all(isinstance(item, bool | int | float | str) for item in items):
        return tuple(sorted(items, reverse=reverse))
    found = dynamic_lists.ordered(op, as_content(op, items, element), reverse=reverse)
    if not isinstance(items, tuple):
        return found
    return tuple(op.Gather(found, op.const(index)) for index in range(len(items)))


def _remove(op: Op, cell: ListCell, args: tuple[Lowered, ...]) -> tuple[Lowered, Lowered]:
    (item,) = args
    content = cell.content
    if isinstance(content, tuple) and not any(isinstance(one, Value) for one in (*content, item)):
        if item not in content:
            raise op.refuse(f"{item!r} taken out of a list that has none")
        place = content.index(item)
        return (*content[:place], *content[place + 1 :]), None
    items = _as_value(op, cell)
    return dynamic_lists.without(op, items, dynamic_lists.place_of(op, items, op.scalar(item, _dtype(op, cell)))), None


_WRITES: dict[str, _Write] = {
    "aten::append": _append,
    "aten::insert": _insert,
    "aten::extend": _extend,
    "aten::add_": _extend,
    "aten::mul_": _repeat,
    "aten::pop": _pop,
    "aten::_set_item": _set_item,
    "aten::Delete": _delete,
    "aten::clear": _clear,
    "aten::reverse": _reverse,
    "aten::sort": _sort,
    "aten::remove": _remove,
}
#: The operators that write to a list, without overload; most of these names have other meanings for tensors.
WRITES = frozenset(_WRITES)
#: Operators whose results are elements of a list or tuple.
PICKS = frozenset({"aten::__getitem__.t", "prim::ListUnpack", "prim::TupleIndex", "prim::TupleUnpack"})
#: Operators whose results are elements of a list, or lists of the same elements: those may be lists themselves.
HAND_ON = PICKS | {
    "aten::add.t",
    "aten::copy.t",
    "aten::list.t",
    "aten::mul.left_t",
    "aten::mul.right_",
    "aten::slice.t",
}


def _write(lowering: Lowering, eqn: Eqn) -> tuple[Lowered, ...] | None:
    cell = lowering.raw(eqn.args[0])
    if not isinstance(cell, ListCell):
        return lowering.poisoned(eqn) if lowering.is_poisoned(cell) else None
    lowering.op.expected = tuple(var.type for var in eqn.outputs)
    args = tuple(lowering.raw(arg) for arg in eqn.args[1:])
    if isinstance(cell.content, LoweringError):
        raise cell.content
    if any(map(lowering.is_poisoned, (cell, *args))):
        lowering.write(cell, lowering.poisoned(eqn, 1)[0])
        return lowering.poisoned(eqn)
    try:
        content, result = _written(lowering.op, _WRITES[eqn.op.base], cell, args)
    except LoweringError:
        lowering.write(cell, lowering.poisoned(eqn, 1)[0])
        raise
    lowering.write(cell, content)
    return (result,) if eqn.outputs else ()


#: Which argument is an element, or a list of them.
_ITEMS: dict[_Write, int] = {_append: 0, _insert: 1, _set_item: 1, _extend: 0}


def _written(op: Op, write: _Write, cell: ListCell, args: tuple[Lowered, ...]) -> tuple[Lowered, Lowered]:
    """What a list holds after a write, and the result; a list of tuples in columns is written column by column."""
    content, kinds = cell.content, cell.element
    indices = args[:1] if write in (_pop, _delete) else args[:-1]
    is_open = isinstance(content, tuple) and any(isinstance(arg, Value) and arg.const is None for arg in indices)
    if isinstance(content, Growing):
        return _grown(write, content, args), cell
    if is_open and write in (_insert, _pop, _set_item, _delete):
        content = _as_pieces(op, content, kinds)
    if isinstance(content, Pieces):
        return _written_to_pieces(op, write, cell, content, args)
    if not isinstance(kinds, TupleType) or not (isinstance(content, Columns) or (is_open and write is _set_item)):
        return write(op, cell, args)
    count, place = len(kinds.elements), _ITEMS.get(write)
    found = []
    for index, (part, kind) in enumerate(zip(columns_of(content, count), kinds.elements, strict=True)):
        given = [
            arg
            if position != place
            else columns_of(contents_once(arg), count)[index]
            if write is _extend
            else arg[index]
            for position, arg in enumerate(args)
        ]
        found.append(_written(op, write, ListCell(part, kind, cell.depth), tuple(given)))
    contents_after = Columns(tuple(after for after, _ in found))
    if write is _pop:
        return contents_after, tuple(result for _, result in found)
    return contents_after, None if write is _delete else cell


def _grown(write: _Write, content: Growing, args: tuple[Lowered, ...]) -> Growing:
    """What a loop that does nothing but append has appended."""
    added = args if write is _append else contents_once(args[0]) if write is _extend else None
    if isinstance(added, Pieces):
        added = added.items
    if not isinstance(added, tuple):
        raise ReadWhileGrowing(content.owner)
    return Growing(content.owner, (*content.added, *added))


def _written_to_pieces(
    op: Op, write: _Write, cell: ListCell, pieces: Pieces, args: tuple[Lowered, ...]
) -> tuple[Lowered, Lowered]:
    """What a list holds after a write, and the result, where some elements stand in one tensor."""
    if write is _append:
        return Pieces((*pieces.items, _tensor(op, args[0]))), cell
    if write is _reverse:
        return stacked_lists.backwards(op, pieces), cell
    if write is _pop:
        return stacked_lists.without(op, pieces, args[0] if args else -1)
    if write is _delete:
        return stacked_lists.without(op, pieces, args[0])[0], None
    if write is _insert:
        return stacked_lists.inserted(op, pieces, args[0], _tensor(op, args[1])), cell
    if write is _set_item:
        return stacked_lists.replaced(op, pieces, args[0], _tensor(op, args[1])), cell
    if write in (_extend, _repeat, _clear):
        return write(op, cell, args)
    raise op.refuse("a list of tensors that is sorted, or searched for one")


def _joined(lowering: Lowering, eqn: Eqn) -> tuple[Lowered, ...] | None:
    """``xs + ys`` of a list that a loop appends to is that list with more appended."""
    cell = lowering.raw(eqn.args[0])
    if not isinstance(cell, ListCell) or not isinstance(cell.content, Growing):
        return None
    content = _grown(_extend, cell.content, (lowering.raw(eqn.args[1]),))
    return (ListCell(content, cell.element, lowering.op.depth),)


def _construct(lowering: Lowering, eqn: Eqn) -> tuple[Lowered, ...]:
    """A list or tuple of known length."""
    return (tuple(lowering.raw(arg) for arg in eqn.args),)


#: The equations on lists that need more than their arguments' values.
LISTS: dict[str, Callable[[Lowering, Eqn], tuple[Lowered, ...] | None]] = {
    **dict.fromkeys(_WRITES, _write),
    "aten::add": _joined,
    "prim::ListConstruct": _construct,
    "prim::TupleConstruct": _construct,
}
