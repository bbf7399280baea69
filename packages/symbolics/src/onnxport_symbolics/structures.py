"""What the script language has beside tensors and numbers: lists that are written to, and values that may be None.

They exist only while a graph is lowered; how they leave a branch or go around a loop is in
:mod:`onnxport_symbolics.layouts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from onnxport_ir import DType, TensorLiteral, Value
from onnxport_ir.errors import LoweringError, UnsupportedCase
from onnxport_ir.types import AnyType

from onnxport_symbolics.binder import Lowered
from onnxport_symbolics.op import Int, Op


@dataclass(slots=True, eq=False)
class ListCell:
    """A list of the script language; who holds the list sees what others write to it.

    Attributes:
        content: a tuple where the length is known; else an ONNX sequence or :class:`Pieces` for tensors, a tensor of
            rank 1 for numbers, or :class:`Columns` for tuples; :class:`Growing` in the body of a loop that appends.
        element: the type of the elements.
        depth: how many blocks are around the place where it was made.
        twins: lists that may be this one under another name: a write to one leaves the content of the others open.
    """

    content: Lowered
    element: AnyType
    depth: int
    twins: set[ListCell] = field(default_factory=set)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The content of a list of tuples whose length depends on the input: a list for each place in the tuples.

    Attributes:
        parts: the content of each of these lists.
    """

    parts: tuple[Lowered, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Some elements of a list, side by side in one tensor.

    Attributes:
        value: the tensor: (count, ...), where the rest is the shape of each element.
    """

    value: Value


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """The content of a list of tensors of which some elements stand in one tensor.

    Attributes:
        items: elements, and :class:`Rows` of them, in their order.
    """

    items: tuple[Lowered, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Filled:
    """A list and a loop that does nothing but append to it, and ask for its length.

    Attributes:
        length: how many elements the list has before the loop; None if the outer loop's turns would have to be counted.
        per_turn: how many each turn adds; None if an inner loop adds some.
        turn: the number of the turn.
    """

    length: Int | None
    per_turn: int | None
    turn: Value


@dataclass(frozen=True, slots=True, eq=False)
class Growing:
    """The content of a list in the body of a loop that does nothing but append to it.

    Attributes:
        owner: the list and the loop.
        added: what this turn has appended so far: elements, and :class:`Rows` of an inner loop.
    """

    owner: Filled
    added: tuple[Lowered, ...] = ()


class ReadWhileGrowing(UnsupportedCase):
    """A list was looked at, or changed otherwise, in a loop that is supposed to append to it only.

    Attributes:
        owner: as in :class:`Growing`.
    """

    def __init__(self, owner: Filled) -> None:
        super().__init__("a list that a loop appends to and reads")
        self.owner = owner


@dataclass(frozen=True, slots=True, eq=False)
class Maybe:
    """A value that is None in some runs.

    Attributes:
        present: a truth value.
        value: what it is if it is present; without meaning if it is not.
    """

    present: Value
    value: Lowered


#: The operators that can be asked about a value that may be None; all others need to know.
TAKES_MAYBE = frozenset(
    {"aten::__is__", "aten::__isnot__", "aten::_unwrap_optional", "prim::unchecked_cast"}
    | {"aten::__getitem__", "prim::TupleIndex", "prim::TupleUnpack", "prim::ListUnpack"}
)


class ModelRaises(Exception):
    """The block that is being lowered raises an error whatever the input is."""


class Poisoned:
    """Stands for the result of an equation that was refused, so that the rest can be looked at as well."""


POISONED = Poisoned()


class Uninitialized:
    """A value that the program never reads: what a branch gives that has left the function or the loop."""


UNINITIALIZED = Uninitialized()


def is_list_value(value: Value) -> bool:
    """Whether a value can be the content of a list: a sequence, or a vector of numbers."""
    return value.is_sequence or value.rank == 1


def contents(lowered: Lowered) -> Lowered:
    """A value with its lists replaced by what they hold at present.

    Raises:
        ReadWhileGrowing: of a list of which that is not known.
    """
    if isinstance(lowered, ListCell):
        return contents(contents_once(lowered))
    if isinstance(lowered, tuple):
        return tuple(contents(item) for item in lowered)
    return lowered


def raise_refused(lowered: Lowered) -> None:
    """Raise the error that a handler gave in the place of a result, now that the result is used."""
    if isinstance(lowered, LoweringError):
        raise lowered
    if isinstance(lowered, tuple):
        for item in lowered:
            raise_refused(item)


def contents_once(lowered: Lowered) -> Lowered:
    """The content of a list; anything else as it is.

    Raises:
        ReadWhileGrowing: of a list of which that is not known.
    """
    if not isinstance(lowered, ListCell):
        return lowered
    if isinstance(lowered.content, Growing):
        raise ReadWhileGrowing(lowered.content.owner)
    return lowered.content


def as_tensors(op: Op, items: tuple[Lowered, ...], dtype: DType | None = None) -> list[Value]:
    """The elements of a list of tensors, as values."""
    return [as_element(op, item, dtype) for item in items]


def as_sequence(op: Op, items: tuple[Lowered, ...], dtype: DType | None) -> Value:
    """A list of tensors as an ONNX sequence."""
    if not items:
        return op.SequenceEmpty(dtype=dtype or DType.FLOAT32)
    return op.SequenceConstruct(*as_tensors(op, items))


def as_vector(op: Op, items: tuple[Lowered, ...], dtype: DType) -> Value:
    """A list of numbers as a tensor of rank 1."""
    if not any(isinstance(item, Value) for item in items):
        return op.const(np.array(items, dtype.numpy), dtype)
    parts = [op.Reshape(op.scalar(item, dtype), [1]) for item in items]
    return parts[0] if len(parts) == 1 else op.Concat(*parts, axis=0)


def as_element(op: Op, lowered: Lowered, dtype: DType | None) -> Value:
    """An element of a list, or a number, as a value."""
    if isinstance(lowered, Value):
        return lowered
    if isinstance(lowered, TensorLiteral):
        return op.const(lowered.tensor.numpy(), lowered.tensor.dtype)
    if isinstance(lowered, bool | int | float):
        return op.const(lowered, dtype)
    raise op.refuse(f"{lowered!r} as a value that depends on the input")


def columns_of(content: Lowered, count: int) -> tuple[Lowered, ...]:
    """A list of tuples as a list for each of the ``count`` places in the tuples."""
    if isinstance(content, Columns):
        return content.parts
    if isinstance(content, Uninitialized):
        return (content,) * count
    return tuple(tuple(row[index] for row in content) for index in range(count))


def cells_of(lowered: Lowered) -> Iterator[ListCell]:
    """The lists in a value, nested ones included."""
    if isinstance(lowered, ListCell):
        yield lowered
        yield from cells_of(lowered.content)
    elif isinstance(lowered, tuple):
        for item in lowered:
            yield from cells_of(item)


def sources_of(ways: Iterable[Lowered]) -> set[ListCell]:
    """The lists that the lists in some values may be."""
    return {known for way in ways for cell in cells_of(way) for known in (cell, *cell.twins)}


def entangle(results: Sequence[Lowered], ways: Sequence[Iterable[Lowered]], depth: int) -> None:
    """Note which lists the results of a block may be.

    Args:
        results: the results.
        ways: for each result, what the block may have given for it.
        depth: how many blocks are around the results; lists from further inside exist no more.
    """
    sources = [sources_of(way) for way in ways]
    for index, result in enumerate(results):
        for cell in cells_of(result):
            others = {known for known in sources[index] if known.depth <= depth}
            for earlier in range(index + 1):
                if sources[index] & sources[earlier]:
                    others.update(cells_of(results[earlier]))
            for other in others - {cell}:
                cell.twins.add(other)
                other.twins.add(cell)


@contextmanager
def holding(lists: Mapping[ListCell, Lowered]) -> Iterator[None]:
    """Let lists hold what a block has left in them, as long as what it gives is looked at."""
    before = {cell: cell.content for cell in lists}
    for cell, content in lists.items():
        cell.content = content
    try:
        yield
    finally:
        for cell, content in before.items():
            cell.content = content
