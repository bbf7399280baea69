"""Lists of tensors of which some elements stand in one tensor, as a loop gives them that appends one in each turn.

A list is never put into a sequence, nor its pieces together, before something needs that: what stacks or concatenates
it takes the pieces as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from onnxport_ir import Dim, DType, SymDim, TensorType, Value

from onnxport_symbolics import dynamic_lists
from onnxport_symbolics.binder import Lowered
from onnxport_symbolics.integers import add, mul
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.shaping import full, reshape, unsqueeze
from onnxport_symbolics.structures import Pieces, Rows, as_element, as_sequence as sequence_of_elements

#: The opset from which on branches and loops take sequences.
_SEQUENCES_ARE_CARRIED = 13


def carries_sequences(op: Op) -> bool:
    """Whether sequences leave branches and go around loops at the target opset; if not, tensors have to do."""
    return op.since("Loop") >= _SEQUENCES_ARE_CARRIED


def of_rows(value: Value) -> Pieces:
    """The list whose elements stand in a tensor, along its first axis."""
    return Pieces((Rows(value),))


def of_items(items: tuple[Lowered, ...]) -> Lowered:
    """The list of some elements and rows; without rows its length is known."""
    return Pieces(items) if any(isinstance(item, Rows) for item in items) else items


def length_of(op: Op, pieces: Pieces) -> Int:
    """The number of elements."""
    total: Int = sum(not isinstance(item, Rows) for item in pieces.items)
    for item in pieces.items:
        if isinstance(item, Rows):
            total = add(op, total, op.dim(item.value, 0))
    return total


def known_elements(op: Op, pieces: Pieces) -> tuple[Lowered, ...] | None:
    """The elements one by one; None if it is not known how many there are."""
    found: list[Lowered] = []
    for item in pieces.items:
        if not isinstance(item, Rows):
            found.append(item)
            continue
        count = op.dim(item.value, 0)
        if not isinstance(count, int):
            return None
        found += [op.Gather(item.value, op.const(index)) for index in range(count)]
    return tuple(found)


def element_type(op: Op, item: Lowered) -> TensorType:
    """What is known of an element, or of each of several."""
    if isinstance(item, Rows):
        shape = item.value.shape
        return TensorType(item.value.dtype, None if shape is None else shape[1:])
    value = as_element(op, item, None)
    return TensorType(value.dtype, value.shape)


def common_type(op: Op, items: Sequence[Lowered]) -> TensorType | None:
    """The element type and shape of all elements; None where they are not known, or not known to be the same."""
    types = {element_type(op, item) for item in items}
    found = types.pop() if len(types) == 1 else TensorType()
    return None if found.dtype is None or found.shape is None else found


def as_rows(op: Op, items: Sequence[Lowered]) -> list[Value]:
    """Tensors of which each has some of the elements along its first axis."""
    return [item.value if isinstance(item, Rows) else unsqueeze(op, as_element(op, item, None), [0]) for item in items]


def whole(op: Op, pieces: Pieces) -> Value | None:
    """All elements in one tensor; None if it is not known that they have one shape."""
    if len(pieces.items) != 1 and common_type(op, pieces.items) is None:
        return None
    # A loop without turns gives no rows, and these have no columns either where their number is not known before; ONNX
    # Runtime's Concat looks at the sizes of tensors with elements only.
    parts = as_rows(op, pieces.items)
    return parts[0] if len(parts) == 1 else op.Concat(*parts, axis=0)


def visible_size(op: Op, size: Dim) -> Int | None:
    """A size as a number or value; None if nothing is at hand of which it is the size."""
    if isinstance(size, int):
        return size
    known = op.visible_size(size)
    if known is not None or size.name is not None:
        return known
    total: Int = 0
    for atoms, factor in size.terms:
        product: Int = factor
        for atom in atoms:
            part = visible_size(op, SymDim.named(atom))
            if part is None:
                return None
            product = mul(op, product, part)
        total = add(op, total, product)
    return total


def no_rows(op: Op, kind: TensorType, sizes: Sequence[Int]) -> Value:
    """A tensor for the elements of an empty list."""
    return full(op, [0, *sizes], 0, kind.dtype or DType.FLOAT32)


def concatenated(op: Op, pieces: Pieces, axis: int) -> tuple[Value, ...]:
    """Tensors to concatenate in the place of the elements, along one of their axes."""
    found = []
    for item in pieces.items:
        if not isinstance(item, Rows):
            found.append(as_element(op, item, None))
            continue
        rows, rank = item.value, op.rank(item.value) - 1
        if not rank:
            raise op.refuse("cat of tensors of rank 0")
        if not -rank <= axis < rank:
            raise op.refuse(f"axis {axis} of a tensor of rank {rank}")
        place = axis % rank
        rest = [other for other in range(1, rank + 1) if other <= place]
        turned = op.Transpose(rows, perm=[*rest, 0, *range(place + 1, rank + 1)])
        found.append(merged(op, turned, place, is_alone=len(pieces.items) == 1))
    return tuple(found)


def merged(op: Op, x: Value, axis: int = 0, *, is_alone: bool = False) -> Value:
    """``x`` with two axes, ``axis`` and the next one, made one.

    Args:
        op: the builder.
        x: the tensor.
        axis: the first of the two.
        is_alone: whether nobody asks for the result if ``x`` has no elements.
    """
    sizes = op.dims(x)
    before, after = sizes[:axis], sizes[axis + 2 :]
    if is_alone or all(isinstance(size, int) for size in (*before, *after)):
        return reshape(op, x, [*before, -1, *after])
    # Without turns of the loop, sizes that are read from its result are 0, beside which nothing can be inferred.
    shape = op.ints([*before, mul(op, sizes[axis], sizes[axis + 1]), *after])
    return op.Reshape(x, shape, allowzero=1 if op.has_attribute("Reshape", "allowzero") else None)


def as_sequence(op: Op, pieces: Pieces) -> Value:
    """The list as an ONNX sequence.

    Raises:
        NeedsOpset: if the target has no way to make one.
    """
    places = [index for index, item in enumerate(pieces.items) if isinstance(item, Rows)]
    all_rows = whole(op, pieces) if len(places) > 1 else None
    if all_rows is not None:
        return _split(op, all_rows)
    if not places:
        return sequence_of_elements(op, pieces.items, None)
    start, *others = places
    result = _split(op, pieces.items[start].value)
    for index, item in enumerate(pieces.items[:start]):
        result = op.SequenceInsert(result, as_element(op, item, None), op.const(index))
    for index, item in enumerate(pieces.items[start + 1 :], start + 1):
        if index in others:
            result = dynamic_lists.joined(op, result, _split(op, item.value))
        else:
            result = op.SequenceInsert(result, as_element(op, item, None))
    return result


def _split(op: Op, rows: Value) -> Value:
    if rows.dtype in _SPLIT:
        return op.SplitToSequence(rows, axis=0, keepdims=0)
    return dynamic_lists.of_rows(op, rows)


#: The element types that ONNX Runtime's SplitToSequence takes.
_SPLIT = frozenset({DType.FLOAT32, DType.FLOAT64, DType.FLOAT16, DType.INT32, DType.INT64, DType.BOOL})


def item_of(op: Op, pieces: Pieces, index: Int) -> Lowered:
    """The element at an index, which may count from the end."""
    if isinstance(index, Value) and index.const is not None:
        index = int(index.array().reshape(-1)[0])
    if isinstance(index, int):
        items = pieces.items if index >= 0 else pieces.items[::-1]
        skipped = index if index >= 0 else -1 - index
        for place, item in enumerate(items):
            if isinstance(item, Rows):
                if place + 1 == len(items):
                    return op.Gather(item.value, op.const(skipped if index >= 0 else -1 - skipped))
                break
            if not skipped:
                return item
            skipped -= 1
    where = op.scalar(index, DType.INT64)
    rows = whole(op, pieces)
    return op.SequenceAt(as_sequence(op, pieces), where) if rows is None else op.Gather(rows, where)


def part_of(op: Op, pieces: Pieces, bounds: tuple[Int | None, Int | None], step: Int) -> Value | Pieces:
    """``items[start:end:step]``: a sequence where the elements have no common shape."""
    rows = whole(op, pieces)
    if rows is None:
        return dynamic_lists.part(op, as_sequence(op, pieces), *bounds, step)
    return of_rows(dynamic_lists.part(op, rows, *bounds, step))


def repeated(op: Op, pieces: Pieces, count: Int) -> Lowered:
    """``items * count``."""
    if isinstance(count, int):
        return of_items(pieces.items * count)
    rows = whole(op, pieces)
    if rows is None:
        return dynamic_lists.repeated(op, as_sequence(op, pieces), count)
    return of_rows(dynamic_lists.repeated(op, rows, count))


def inserted(op: Op, pieces: Pieces, index: Int, item: Lowered) -> Lowered:
    """The list with a new element before an index."""
    if index == 0 and isinstance(index, int):
        return of_items((item, *pieces.items))
    rows, added = whole(op, pieces), as_element(op, item, None)
    if rows is None or common_type(op, [Rows(rows), added]) is None:
        return dynamic_lists.inserted(op, as_sequence(op, pieces), index, added)
    return of_rows(dynamic_lists.inserted(op, rows, index, unsqueeze(op, added, [0])))


def without(op: Op, pieces: Pieces, index: Int) -> tuple[Lowered, Lowered]:
    """The list after the element at an index was taken out, and that element."""
    ends = {0: (pieces.items[0], pieces.items[1:]), -1: (pieces.items[-1], pieces.items[:-1])}
    if isinstance(index, int) and index in ends and not isinstance(ends[index][0], Rows):
        return of_items(ends[index][1]), ends[index][0]
    item, rows = item_of(op, pieces, index), whole(op, pieces)
    if rows is None:
        return dynamic_lists.without(op, as_sequence(op, pieces), index), item
    return of_rows(dynamic_lists.without(op, rows, index)), item


def replaced(op: Op, pieces: Pieces, index: Int, item: Lowered) -> Lowered:
    """The list with another element at an index, which there must be."""
    rows, added = whole(op, pieces), as_element(op, item, None)
    if rows is None or common_type(op, [Rows(rows), added]) is None:
        items = as_sequence(op, pieces)
        where = dynamic_lists.from_front(op, index, op.SequenceLength(items))
        return op.SequenceInsert(op.SequenceErase(items, where), added, where)
    # Counted from the front, by something that fails where there is no such element.
    places = op.Range(op.const(0), op.scalar(op.dim(rows, 0), DType.INT64), op.const(1))
    where = op.Gather(places, op.scalar(index, DType.INT64))
    before = dynamic_lists.part(op, rows, 0, where, 1)
    after = dynamic_lists.part(op, rows, op.Add(where, op.const(1)), None, 1)
    return of_rows(op.Concat(before, unsqueeze(op, added, [0]), after, axis=0))


def backwards(op: Op, pieces: Pieces) -> Pieces:
    """The list in reverse order."""

    def turned() -> Iterator[Lowered]:
        for item in reversed(pieces.items):
            yield Rows(dynamic_lists.part(op, item.value, None, None, -1)) if isinstance(item, Rows) else item

    return Pieces(tuple(turned()))
