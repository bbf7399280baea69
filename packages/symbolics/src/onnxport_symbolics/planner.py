"""Which layout covers a value that comes from several places: from the branches of an If, or the turns of a loop."""

from __future__ import annotations

from collections.abc import Iterator

from onnxport_ir import Dim, ScalarType, SequenceType, SymDim, TensorLiteral, TensorType, Value
from onnxport_ir.dtypes import DType
from onnxport_ir.errors import LoweringError
from onnxport_ir.types import AnyType, OptionalType, TupleType, ValueType, scalar_dtype

from onnxport_symbolics.binder import Lowered
from onnxport_symbolics.layouts import (
    Appended,
    AsList,
    AsMaybe,
    InColumns,
    Known,
    Layout,
    Leaf,
    Nothing,
    Several,
    Stacked,
)
from onnxport_symbolics.op import Op
from onnxport_symbolics.stacked_lists import carries_sequences, common_type, element_type, visible_size
from onnxport_symbolics.structures import (
    Columns,
    Growing,
    ListCell,
    Maybe,
    Pieces,
    Poisoned,
    ReadWhileGrowing,
    Rows,
    Uninitialized,
)


class Planner:
    """Finds the layout of a value that comes from several places.

    Args:
        op: the builder.
        what: the places, for messages: ``the branches of an If``.
        sizes: how many unknown sizes there were before those places: only these are sizes outside of them too.

    Attributes:
        loose: sizes that this planner has given up; whatever meets them is covered by them.
    """

    def __init__(self, op: Op, what: str, sizes: int) -> None:
        self.op = op
        self.what = what
        self.sizes = sizes
        self.loose: set[Dim] = set()

    def layout(self, lowered: Lowered, kind: AnyType | None, *, changes: bool = False) -> Layout:
        """How ``lowered`` travels.

        Args:
            lowered: the value.
            kind: its type in the graph.
            changes: whether a number is carried although it is known here.
        """
        match lowered:
            case Uninitialized():
                return Nothing()
            case Poisoned() | LoweringError():
                return Known(lowered)
            case ListCell():
                return AsList(self._list(lowered.content, lowered.element, changes), lowered.element)
            case Columns() | Pieces() | Growing():
                return self._list(lowered, kind.element if isinstance(kind, SequenceType) else None, changes)
            case Maybe():
                return AsMaybe(self.layout(lowered.value, _inner(kind), changes=changes))
            case tuple():
                if isinstance(kind, SequenceType):
                    return self._list(lowered, kind.element, changes)
                kinds = kind.elements if isinstance(kind, TupleType) else (None,) * len(lowered)
                items = zip(lowered, kinds, strict=True)
                return Several(tuple(self.layout(item, one, changes=changes) for item, one in items))
            case Value() if lowered.const is not None and not changes:
                return Known(lowered)
            case Value():
                return self._value(lowered, kind)
            case TensorLiteral():
                return Leaf(TensorType(lowered.tensor.dtype, lowered.tensor.shape))
            case bool() | int() | float() if changes:
                return Leaf(TensorType(_number_dtype(lowered, kind), ()))
            case _:
                return Known(lowered)

    def _value(self, value: Value, kind: AnyType | None) -> Layout:
        dtype = scalar_dtype(kind.kind) if isinstance(kind, ScalarType) else None
        if dtype is not None:
            return Leaf(TensorType(dtype, ()))
        return Leaf(value.value_type, isinstance(kind, SequenceType))

    def _list(self, content: Lowered, element: AnyType | None, changes: bool) -> Layout:
        if isinstance(content, Poisoned | LoweringError):
            return Known(content)
        if isinstance(content, Value):
            return Leaf(content.value_type, is_list=True)
        if isinstance(content, Pieces):
            return self._pieces(content, changes)
        if isinstance(content, Growing):
            if any(isinstance(item, Rows) for item in content.added):
                raise ReadWhileGrowing(content.owner)
            return Appended(content.owner, tuple(self.layout(item, element) for item in content.added))
        if isinstance(content, Columns):
            kinds = element.elements if isinstance(element, TupleType) else ()
            pairs = zip(content.parts, kinds, strict=True)
            return InColumns(tuple(self._list(part, kind, changes) for part, kind in pairs))
        return Several(tuple(self.layout(item, element, changes=changes) for item in content))

    def _pieces(self, pieces: Pieces, changes: bool) -> Layout:
        """A list of tensors that stand in one; what a loop does to lists is quicker with sequences."""
        kind = common_type(self.op, pieces.items)
        if kind is not None and self.is_settled(kind) and not (changes and carries_sequences(self.op)):
            return Stacked(TensorType(kind.dtype, (self._loosen(), *(kind.shape or ()))))
        found: ValueType | None = None
        for item in pieces.items:
            found = self._join_types(found, element_type(self.op, item))
        return Leaf(SequenceType(self._varying(found)), is_list=True)

    def is_settled(self, kind: TensorType) -> bool:
        """Whether all sizes of a tensor are sizes outside of the places as well."""
        known = self.op.unknown_sizes
        return kind.shape is not None and all(known.is_among_first(size, self.sizes) for size in kind.shape)

    def join(self, left: Layout, right: Layout, kind: AnyType | None) -> Layout:
        """The layout of a value that is one or the other.

        Raises:
            UnsupportedCase: if nothing can carry both.
        """
        for side in (left, right):
            if _is_missing(side):
                return side
        match left, right:
            case (Nothing(), other) | (other, Nothing()):
                return self._of_any_size(other)
            case Known(a), Known(b) if _same(a, b):
                return left
            case (AsMaybe(a), Known(None)) | (Known(None), AsMaybe(a)):
                return AsMaybe(self._of_any_size(a))
            case (Known(None), other) | (other, Known(None)):
                return AsMaybe(self._of_any_size(self._carried(other, _inner(kind))))
            case (AsMaybe(a), AsMaybe(b)):
                return AsMaybe(self.join(a, b, _inner(kind)))
            case (AsMaybe(a), b) | (b, AsMaybe(a)):
                return AsMaybe(self.join(a, b, _inner(kind)))
            case AsList(a, element), AsList(b, _):
                return AsList(self._join_lists(a, b, element), element)
            case (AsList(a, element), b) | (b, AsList(a, element)):
                return AsList(self._join_lists(a, b, element), element)
            case Several(a), Several(b) if not isinstance(kind, SequenceType):
                kinds = kind.elements if isinstance(kind, TupleType) else (None,) * len(a)
                return Several(tuple(self.join(x, y, one) for x, y, one in zip(a, b, kinds, strict=True)))
        if isinstance(kind, SequenceType):
            return self._join_lists(left, right, kind.element)
        return Leaf(self._join_types(self._carried_type(left, kind), self._carried_type(right, kind)))

    def _of_any_size(self, layout: Layout) -> Layout:
        """A layout for a value that is missing in some runs: what stands for it then has sizes of its own."""
        match layout:
            case Leaf(TensorType(dtype, shape), is_list) if shape is not None:
                sizes = (dim if isinstance(dim, int) or dim in self.loose else self._loosen() for dim in shape)
                return Leaf(TensorType(dtype, tuple(sizes)), is_list)
            case Several(items):
                return Several(tuple(map(self._of_any_size, items)))
            case InColumns(items):
                return InColumns(tuple(map(self._of_any_size, items)))
            case Stacked(TensorType(dtype, shape)) if shape is not None:
                sizes = (dim if isinstance(dim, int) or dim in self.loose else self._loosen() for dim in shape)
                return Stacked(TensorType(dtype, tuple(sizes)))
            case Appended(owner, items):
                return Appended(owner, tuple(map(self._of_any_size, items)))
            case AsList(content, element):
                return AsList(self._of_any_size(content), element)
            case AsMaybe(value):
                return AsMaybe(self._of_any_size(value))
        return layout

    def _join_lists(self, left: Layout, right: Layout, element: AnyType) -> Layout:
        for side in (left, right):
            if _is_missing(side):
                return side
        if isinstance(left, Several) and isinstance(right, Several) and len(left.items) == len(right.items):
            pairs = zip(left.items, right.items, strict=True)
            return Several(tuple(self.join(a, b, element) for a, b in pairs))
        if isinstance(left, Appended) or isinstance(right, Appended):
            return self._join_appended(left, right, element)
        stacked = self._join_stacked(left, right, element)
        if stacked is not None:
            return stacked
        if isinstance(element, TupleType):
            columns = [self._columns(side, element) for side in (left, right)]
            triples = zip(*columns, element.elements, strict=True)
            return InColumns(tuple(self._join_columns(a, b, kind) for a, b, kind in triples))
        types = [self._list_type(side, element) for side in (left, right)]
        return Leaf(self._join_types(*types), is_list=True)

    def _join_appended(self, left: Layout, right: Layout, element: AnyType) -> Layout:
        for side, other in ((left, right), (right, left)):
            if isinstance(side, Appended):
                if not isinstance(other, Appended) or other.owner is not side.owner:
                    raise ReadWhileGrowing(side.owner)
                if len(other.items) != len(side.items):
                    raise ReadWhileGrowing(side.owner)
                pairs = zip(side.items, other.items, strict=True)
                return Appended(side.owner, tuple(self.join(a, b, element) for a, b in pairs))
        raise self.op.refuse(f"{self.what} that give lists")

    def _join_stacked(self, left: Layout, right: Layout, element: AnyType) -> Layout | None:
        """A list of tensors of one shape in one tensor, where sequences cannot be carried or it is in one already."""
        if not isinstance(element, TensorType):
            return None
        if carries_sequences(self.op) and not (isinstance(left, Stacked) or isinstance(right, Stacked)):
            return None
        kinds = {kind for side in (left, right) for kind in self._elements(side)}
        if len(kinds) != 1:
            return None
        (kind,) = kinds
        if kind is None or kind.dtype is None or not self.is_settled(kind):
            return None
        is_empty = any(isinstance(side, Several) and not side.items for side in (left, right))
        if is_empty and any(visible_size(self.op, size) is None for size in kind.shape or ()):
            return None
        counts = [side.type.shape[0] for side in (left, right) if isinstance(side, Stacked) and side.type.shape]
        count = next((size for size in counts if size in self.loose), None)
        return Stacked(TensorType(kind.dtype, (self._loosen() if count is None else count, *(kind.shape or ()))))

    def _elements(self, layout: Layout) -> Iterator[TensorType | None]:
        """The types of the elements of a list; None for what is no tensor."""
        if isinstance(layout, Stacked):
            yield TensorType(layout.type.dtype, (layout.type.shape or ())[1:])
        elif isinstance(layout, Several):
            for item in layout.items:
                kind = item.type if isinstance(item, Leaf) and not item.is_list else None
                if isinstance(item, Known) and isinstance(item.lowered, Value):
                    kind = item.lowered.value_type
                yield kind if isinstance(kind, TensorType) else None
        else:
            yield None

    def _varying(self, kind: ValueType | None) -> TensorType:
        """A type for all elements of a sequence: a size that is not known may differ from one to the next."""
        if not isinstance(kind, TensorType) or kind.shape is None:
            return kind if isinstance(kind, TensorType) else TensorType()
        sizes = (dim if isinstance(dim, int) or dim.is_printable else self._loosen() for dim in kind.shape)
        return TensorType(kind.dtype, tuple(sizes))

    def _columns(self, layout: Layout, element: TupleType) -> tuple[Layout, ...]:
        if isinstance(layout, InColumns):
            return layout.items
        rows = layout.items if isinstance(layout, Several) else ()
        if not isinstance(layout, Several) or not all(isinstance(row, Several) for row in rows):
            raise self.op.refuse(f"a list of {_plural(element)} whose length depends on the input")
        places = range(len(element.elements))
        return tuple(Several(tuple(row.items[i] for row in rows if isinstance(row, Several))) for i in places)

    def _join_columns(self, left: Layout, right: Layout, element: AnyType) -> Layout:
        if isinstance(element, TupleType):
            return self._join_lists(left, right, element)
        stacked = self._join_stacked(left, right, element)
        if stacked is not None:
            return stacked
        return Leaf(self._join_types(*(self._list_type(side, element) for side in (left, right))), is_list=True)

    def _list_type(self, layout: Layout, element: AnyType) -> ValueType | None:
        """The type of the value that holds a list whose length changes; None if an empty list says nothing."""
        if isinstance(layout, Leaf):
            return layout.type
        if isinstance(layout, Stacked):
            return SequenceType(self._varying(TensorType(layout.type.dtype, (layout.type.shape or ())[1:])))
        if not isinstance(layout, Several):
            raise self.op.refuse(f"{self.what} that give a list and no list")
        if isinstance(element, ScalarType):
            return TensorType(scalar_dtype(element.kind), (self._loosen(),))
        if not isinstance(element, TensorType):
            raise self.op.refuse(f"a list of {_plural(element)} whose length depends on the input")
        found: ValueType | None = None
        for item in layout.items:
            found = self._join_types(found, self._carried_type(item, element))
        return None if found is None else SequenceType(found)

    def _carried(self, layout: Layout, kind: AnyType | None) -> Layout:
        """A layout under which a value can be left out: known numbers are carried."""
        if isinstance(layout, Known):
            return Leaf(self._carried_type(layout, kind))
        return layout

    def _carried_type(self, layout: Layout, kind: AnyType | None) -> ValueType:
        if isinstance(layout, Leaf):
            return layout.type
        if isinstance(layout, Known):
            lowered = layout.lowered
            if isinstance(lowered, Value):
                return lowered.value_type
            if isinstance(lowered, bool | int | float):
                return TensorType(_number_dtype(lowered, kind), ())
        raise self.op.refuse(f"{self.what} that give {_show(layout)}")

    def _join_types(self, left: ValueType | None, right: ValueType | None) -> ValueType:
        if left is None or right is None:
            found = right if left is None else left
            return TensorType() if found is None else found
        if isinstance(left, TensorType) and isinstance(right, TensorType):
            return self._join_tensors(left, right)
        if isinstance(left, SequenceType) and isinstance(right, SequenceType):
            if left.element == TensorType() or right.element == TensorType():
                return right if left.element == TensorType() else left
            if isinstance(left.element, TensorType) and isinstance(right.element, TensorType):
                return SequenceType(self._join_tensors(left.element, right.element))
        raise self.op.refuse(f"{self.what} that give {left} and {right}")

    def _join_tensors(self, left: TensorType, right: TensorType) -> TensorType:
        if left.dtype is not None and right.dtype is not None and left.dtype is not right.dtype:
            raise self.op.refuse(
                f"{self.what} that give {left.dtype.short} and {right.dtype.short}",
                "ONNX needs one element type: convert in the model.",
            )
        dtype = left.dtype or right.dtype
        if left.shape is None or right.shape is None or len(left.shape) != len(right.shape):
            return TensorType(dtype)
        pairs = zip(left.shape, right.shape, strict=True)
        return TensorType(dtype, tuple(a if a == b or a in self.loose else self._loosen() for a, b in pairs))

    def _loosen(self) -> SymDim:
        dim = self.op.unknown_dim()
        self.loose.add(dim)
        return dim

    def outside(self, value_type: ValueType) -> ValueType:
        """A type as it holds once a loop is left: sizes that were given up are unknown, and no two are equal."""
        if isinstance(value_type, TensorType) and value_type.shape is not None:
            dims = (self.op.unknown_dim() if dim in self.loose else dim for dim in value_type.shape)
            return TensorType(value_type.dtype, tuple(dims))
        if isinstance(value_type, SequenceType):
            return SequenceType(self.outside(value_type.element))  # type: ignore[arg-type]  # of tensors, by how it is made
        return value_type


def _is_missing(layout: Layout) -> bool:
    return isinstance(layout, Known) and isinstance(layout.lowered, Poisoned | LoweringError)


def _inner(kind: AnyType | None) -> AnyType | None:
    return kind.element if isinstance(kind, OptionalType) else kind


def _number_dtype(number: float, kind: AnyType | None) -> DType | None:
    name = kind.kind if isinstance(kind, ScalarType) and kind.kind != "number" else type(number).__name__
    return scalar_dtype(name)


def _same(left: Lowered, right: Lowered) -> bool:
    if left is right:
        return True
    if isinstance(left, Value) or isinstance(right, Value):
        return False
    # 1 and True and 1.0 are equal in Python, and 0.0 equals -0.0.
    return type(left) is type(right) and repr(left) == repr(right)


def _plural(kind: AnyType) -> str:
    match kind:
        case SequenceType():
            return "lists"
        case TupleType():
            return "tuples"
        case OptionalType():
            return "values that may be None"
    return f"values of type {kind}"


def _show(layout: Layout) -> str:
    match layout:
        case Known(lowered):
            return repr(lowered)
        case Several(items):
            return f"a tuple of {len(items)}"
        case AsList() | Stacked():
            return "a list"
        case AsMaybe():
            return "a value that may be None"
    return "a value"
