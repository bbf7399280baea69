"""Lists whose length depends on the input: sequences of tensors, vectors of numbers, and tensors side by side in one.

ONNX can put one element into a sequence, take one out and read one; everything else is a loop of that.
"""

from __future__ import annotations

from onnxport_ir import Dim, DType, SequenceType, TensorType, Value
from onnxport_ir.types import ValueType

from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.shaping import slice_axis


def length_of(op: Op, items: Value) -> Int:
    """The number of elements."""
    return op.SequenceLength(items) if items.is_sequence else op.dim(items, 0)


def from_front(op: Op, index: Int, length: Int) -> Value:
    """The position that an index means which may count from the end."""
    if isinstance(index, int) and index >= 0:
        return op.const(index)
    where = op.scalar(index, DType.INT64)
    counted = op.Add(where, op.scalar(length, DType.INT64))
    return counted if isinstance(index, int) else op.Where(op.Less(where, op.const(0)), counted, where)


def clamped(op: Op, index: Int, length: Int) -> Value:
    """The position that an index means of a list that takes any: before the first element, or after the last."""
    if index == 0 and isinstance(index, int):
        return op.const(0)
    size = op.scalar(length, DType.INT64)
    return op.Max(op.Min(from_front(op, index, length), size), op.const(0))


def chosen(op: Op, items: Value, positions: Value) -> Value:
    """The elements at some positions, in the order of those."""
    if not items.is_sequence:
        return op.Gather(items, positions)
    element = _element(items)
    return _appended(op, op.SequenceEmpty(dtype=element.dtype or DType.FLOAT32), items, positions, element)


def joined(op: Op, left: Value, right: Value) -> Value:
    """The elements of one list, then those of another."""
    if not left.is_sequence:
        return op.Concat(left, right, axis=0)
    return _appended(op, left, right, _positions(op, right), _both(op, _element(left), _element(right)))


def of_rows(op: Op, rows: Value) -> Value:
    """A sequence of the parts of a tensor along its first axis."""
    element = TensorType(rows.dtype, rows.shape and rows.shape[1:])
    start = op.SequenceEmpty(dtype=element.dtype or DType.FLOAT32)
    return _appended(op, start, rows, _positions(op, rows), element)


def part(op: Op, items: Value, start: Int | None, end: Int | None, step: Int) -> Value:
    """``items[start:end:step]``."""
    if isinstance(step, Value):
        raise op.refuse("a part of a list whose step depends on the input")
    if step < 0 and start is not None:
        # Before the first element ONNX would begin with the first one, the script language with none.
        raise op.refuse("a part of a list taken backwards from an index, of a list whose length depends on the input")
    if not items.is_sequence:
        return slice_axis(op, items, 0, start, end, step)
    return chosen(op, items, slice_axis(op, _positions(op, items), 0, start, end, step))


def repeated(op: Op, items: Value, count: Int) -> Value:
    """``items * count``."""
    is_vector = items.rank == 1 and not items.is_sequence
    times = op.Max(op.scalar(count, DType.INT64), op.const(0))
    found = op.Tile(items if is_vector else _positions(op, items), op.Reshape(times, [1]))
    return found if is_vector else chosen(op, items, found)


def without(op: Op, items: Value, index: Int) -> Value:
    """The list after the element at an index was taken out."""
    if items.is_sequence:
        return op.SequenceErase(items, op.scalar(index, DType.INT64))
    at = from_front(op, index, length_of(op, items))
    return op.Concat(_head(op, items, at), _tail(op, items, op.Add(at, op.const(1))), axis=0)


def inserted(op: Op, items: Value, index: Int, item: Value) -> Value:
    """The list with a new element before an index; ``item`` has an axis for the elements where ``items`` has one."""
    at = clamped(op, index, length_of(op, items))
    if items.is_sequence:
        return op.SequenceInsert(items, item, at)
    return op.Concat(_head(op, items, at), item, _tail(op, items, at), axis=0)


def ordered(op: Op, items: Value, *, reverse: bool) -> Value:
    """Numbers in order."""
    is_truth = items.dtype is DType.BOOL
    numbers = op.cast(items, DType.INT64) if is_truth else items
    count = op.Reshape(op.scalar(length_of(op, items), DType.INT64), [1])
    found, _ = op.multi("TopK", 2, numbers, count, axis=0, largest=int(reverse), sorted=1)
    return op.cast(found, DType.BOOL) if is_truth else found


def place_of(op: Op, items: Value, number: Value) -> Value:
    """The first position of a number that is in the list."""
    return op.ArgMax(op.cast(op.Equal(items, number), DType.INT32), axis=0, keepdims=0)


def _one(op: Op, number: Int) -> Value:
    return op.Reshape(op.scalar(number, DType.INT64), [1])


def _head(op: Op, items: Value, end: Value) -> Value:
    return op.Slice(items, [0], _one(op, end), [0])


def _tail(op: Op, items: Value, start: Value) -> Value:
    return op.Slice(items, _one(op, start), [2**63 - 1], [0])


def _positions(op: Op, items: Value) -> Value:
    return op.Range(op.const(0), op.scalar(length_of(op, items), DType.INT64), op.const(1))


def _element(items: Value) -> TensorType:
    kind = items.value_type
    element = kind.element if isinstance(kind, SequenceType) else None
    return element if isinstance(element, TensorType) else TensorType()


def _both(op: Op, left: TensorType, right: TensorType) -> TensorType:
    """What is known of an element of one list or of another."""
    if left == TensorType(left.dtype) or left.shape is None:
        return TensorType(left.dtype or right.dtype)
    if right.shape is None or len(right.shape) != len(left.shape):
        return TensorType(left.dtype or right.dtype)
    pairs = zip(left.shape, right.shape, strict=True)
    return TensorType(left.dtype, tuple(a if a == b else op.unknown_dim() for a, b in pairs))


def _appended(op: Op, start: Value, items: Value, positions: Value, element: TensorType) -> Value:
    """``start`` with elements of ``items`` behind it, by a loop."""
    kind: ValueType = SequenceType(TensorType(element.dtype, _sizes(op, element)))
    counter, flag = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ()))
    carried = Value(kind)
    with op.body([counter, flag, carried], name="elements") as body:
        place = op.Gather(positions, counter)
        item = op.SequenceAt(items, place) if items.is_sequence else op.Gather(items, place)
        longer = op.retype(op.SequenceInsert(carried, item), kind)
        body.outputs = [op.own(flag), op.own(longer)]
    trips = op.scalar(length_of(op, positions), DType.INT64)
    (result,) = op.multi("Loop", 1, trips, op.const(True), start, body=body)
    return op.retype(result, kind)


def _sizes(op: Op, element: TensorType) -> tuple[Dim, ...] | None:
    """Sizes that all elements have: one that is not known may differ from one to the next."""
    if element.shape is None:
        return None
    return tuple(size if isinstance(size, int) else op.unknown_dim() for size in element.shape)
