"""Lists and tuples of the script language: Python tuples where they are known, ONNX sequences where they are not."""

from __future__ import annotations

import itertools

from onnxport_ir import DType, ScalarType, SequenceType, TensorLiteral, TensorType, Value
from onnxport_ir.errors import NeedsStatic
from onnxport_ir.types import AnyType, TupleType, scalar_dtype

from onnxport_symbolics import dynamic_lists, stacked_lists
from onnxport_symbolics.aten import slicing
from onnxport_symbolics.integers import mul
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten, prim
from onnxport_symbolics.script_lists import as_content, joined, part_of, repeated, sorted_items
from onnxport_symbolics.shaping import index_axis, slice_axis
from onnxport_symbolics.structures import Columns, ModelRaises, Pieces, as_sequence, as_vector, columns_of


def elements(op: Op, items: object) -> tuple[object, ...]:
    """The elements of a list that is known during the export; those of an integer vector of known length too.

    Raises:
        NeedsStatic: if the list has as many elements as the input decides.
    """
    if isinstance(items, Pieces):
        items = stacked_lists.known_elements(op, items)
    if isinstance(items, tuple | list):
        return tuple(items)
    if isinstance(items, Value) and items.rank == 1:
        (size,) = op.sizes(items)
        if isinstance(size, int):
            return tuple(op.Gather(items, op.const(index)) for index in range(size))
    raise NeedsStatic(
        "a list whose length depends on the input",
        where=op.place,
        hint="Take the parts one by one with indices, or make the size that decides their number static.",
    )


@prim("ListUnpack", "TupleUnpack")
def unpack(op: Op, arg0: object = None, tup: object = None) -> object:
    """prim::ListUnpack(t[] list) -> (t, ...); prim::TupleUnpack((...) tup) -> (...)"""
    items = tup if arg0 is None else arg0
    parts = _parts(op, items, len(op.expected)) if isinstance(items, Value) else None
    found = elements(op, items) if parts is None else parts
    if len(found) != len(op.expected):
        raise op.refuse(f"a list of {len(found)} taken apart into {len(op.expected)} values")
    return found[0] if len(found) == 1 else found


def _parts(op: Op, items: Value, count: int) -> tuple[Value, ...] | None:
    """The first ``count`` parts of a tensor that was cut into as many as its size decides; None for another list.

    That there are as many is what the capture has found to be fixed. Inside of branches and loops it does not look.
    """
    node = items.producer
    if not items.is_sequence or node is None or node.op_type != "SplitToSequence" or op.depth:
        return None
    whole, length, *_ = (*node.operands, None)
    if whole is None:
        return None
    axis = node.attributes.get("axis", 0)
    if not isinstance(axis, int):
        return None
    if length is None and not node.attributes.get("keepdims", 1):
        return _typed(op, [index_axis(op, whole, axis, index) for index in range(count)])
    step = 1 if length is None else slicing.part_of_sequence(length)
    if step is None:
        return None
    starts = [mul(op, index, step) for index in range(count + 1)]
    return _typed(op, [slice_axis(op, whole, axis, start, end) for start, end in itertools.pairwise(starts)])


def _typed(op: Op, parts: list[Value]) -> tuple[Value, ...]:
    """Parts with the element types that torch gives them: what was cut may be carried by another one."""
    kinds = [kind.dtype if isinstance(kind, TensorType) else None for kind in op.expected]
    return tuple(part if kind is None else op.cast(part, kind) for part, kind in zip(parts, kinds, strict=True))


@prim("ConstantChunk")
def constant_chunk(op: Op, self: Value, chunks: int, dim: int) -> tuple[object, ...]:
    """prim::ConstantChunk[int chunks, int dim](Tensor self) -> (Tensor, ...)"""
    return elements(op, slicing.chunk(op, self, chunks, dim))


@prim("TupleIndex")
def tuple_index(op: Op, tup: object = None, i: int = 0) -> object:
    """prim::TupleIndex(Any tup, int i) -> Any"""
    return elements(op, tup)[i]


@aten("__getitem__.t", "select.t")
def get_item(op: Op, list: object, idx: Int) -> object:
    """__getitem__.t(t[](a) list, int idx) -> t(*)"""
    if isinstance(list, Pieces):
        return stacked_lists.item_of(op, list, idx)
    if isinstance(list, Value) and list.is_sequence:
        return op.SequenceAt(list, op.scalar(idx, DType.INT64))
    if isinstance(list, Value) and list.rank == 1:
        return op.Gather(list, op.scalar(idx, DType.INT64))
    kind = op.expected[0] if op.expected else None
    if isinstance(kind, TupleType) and (isinstance(list, Columns) or (isinstance(idx, Value) and idx.const is None)):
        return _row(op, list, kind, idx)
    items = elements(op, list)
    if not items or (isinstance(idx, int) and not -len(items) <= idx < len(items)):
        raise ModelRaises(f"an index of a list of {len(items)} that is not in it")
    if isinstance(idx, Value):
        return _chosen(op, items, idx)
    return items[idx]


def _row(op: Op, rows: object, kind: TupleType, index: Int) -> tuple[object, ...]:
    """A tuple of a list of tuples."""
    found: list[object] = []
    for part, inner in zip(columns_of(rows, len(kind.elements)), kind.elements, strict=True):
        if isinstance(inner, TupleType):
            found.append(_row(op, part, inner, index))
            continue
        if isinstance(part, Pieces):
            found.append(stacked_lists.item_of(op, part, index))
            continue
        items, where = as_content(op, part, inner), op.scalar(index, DType.INT64)
        found.append(op.SequenceAt(items, where) if items.is_sequence else op.Gather(items, where))
    return tuple(found)


def _chosen(op: Op, items: tuple[object, ...], index: Value) -> Value:
    """An element of a list of known length by an index that depends on the input."""
    kind = op.expected[0] if op.expected else None
    dtype = scalar_dtype(kind.kind) if isinstance(kind, ScalarType) else None
    if dtype is not None:
        return op.Gather(as_vector(op, items, dtype), index)
    if not all(isinstance(item, Value | TensorLiteral) for item in items):
        raise NeedsStatic("an index that depends on the input, into a list of no tensors", where=op.place)
    return op.SequenceAt(as_sequence(op, items, None), index)


@aten("len")
def length(op: Op, a: object = None, t: Value | None = None, s: str | None = None) -> Int:
    """len.t(t[] a) -> int; len.Tensor(Tensor t) -> int; len.str(str s) -> int"""
    if s is not None:
        return len(s)
    if t is not None:
        if not op.rank(t):
            raise op.refuse("the length of a tensor of rank 0")
        return op.dim(t, 0)
    while isinstance(a, Columns):
        a = a.parts[0]
    if isinstance(a, Pieces):
        return stacked_lists.length_of(op, a)
    if isinstance(a, Value) and a.is_sequence:
        return op.SequenceLength(a)
    if isinstance(a, Value) and a.rank == 1:
        return op.dim(a, 0)
    return len(elements(op, a))


@aten("slice.t")
def slice_list(op: Op, l: object, start: Int | None, end: Int | None, step: Int) -> object:  # noqa: E741 - ATen's name
    """slice.t(t[] l, int? start=None, int? end=None, int step=1) -> t[]"""
    if (
        isinstance(l, tuple)
        and not isinstance(start, Value)
        and not isinstance(end, Value)
        and not isinstance(step, Value)
    ):
        return l[start:end:step]
    return part_of(op, l, (start, end), step, _element(op))


def _element(op: Op) -> AnyType:
    """The type of the elements of the list that the equation gives."""
    kind = op.expected[0] if op.expected else None
    return kind.element if isinstance(kind, SequenceType) else TensorType()


@aten("list.t", "copy.t")
def copy_list(op: Op, l: object = None, self: object = None) -> object:  # noqa: E741 - ATen's name
    """list.t(t[] l) -> t[]; copy.t(t[](a) self) -> t[]"""
    return self if l is None else l


@aten("add.t")
def add_lists(op: Op, a: object, b: object) -> object:
    """add.t(t[] a, t[] b) -> t[]"""
    return joined(op, a, b, _element(op))


@aten("mul.left_t", "mul.right_")
def multiply_list(op: Op, l: object, n: Int) -> object:  # noqa: E741 - ATen's name
    """mul.left_t(t[] l, int n) -> t[]; mul.right_(int n, t[] l) -> t[]"""
    return repeated(op, l, n, _element(op))


@aten("sorted")
def sorted_list(op: Op, input: object) -> object:
    """sorted.int(int[](a) input) -> int[]"""
    return sorted_items(op, input, _element(op), reverse=False)


@aten("index.list_int", "index.list_float", "index.list_bool", "index.list_str")
def index_of(op: Op, self: object, el: object) -> Int:
    """index.list_int(int[] self, int el) -> int"""
    if isinstance(self, tuple) and not any(isinstance(item, Value) for item in (*self, el)):
        if el not in self:
            raise op.refuse(f"the index of {el!r} in a list that has none")
        return self.index(el)
    items = _numbers(op, self, el)
    return dynamic_lists.place_of(op, items, op.scalar(el, op.dtype(items)))  # type: ignore[arg-type]  # a number, by the schema


@aten("count.int", "count.float", "count.bool", "count.str")
def count_of(op: Op, self: object, el: object) -> Int:
    """count.int(int[] self, int el) -> int"""
    if isinstance(self, tuple) and not any(isinstance(item, Value) for item in (*self, el)):
        return self.count(el)
    items = _numbers(op, self, el)
    same = op.Equal(items, op.scalar(el, op.dtype(items)))  # type: ignore[arg-type]  # a number, by the schema
    return op.ReduceSum(op.cast(same, DType.INT64), keepdims=0)


def _numbers(op: Op, items: object, like: object) -> Value:
    """A list of numbers as a vector; ``like`` has the type of its elements."""
    if isinstance(items, Value):
        return items
    dtypes = {bool: DType.BOOL, int: DType.INT64, float: DType.FLOAT64}
    dtype = like.dtype if isinstance(like, Value) else dtypes.get(type(like))
    if dtype is None:
        raise op.refuse("a search for a text that depends on the input")
    return as_vector(op, elements(op, items), dtype)
