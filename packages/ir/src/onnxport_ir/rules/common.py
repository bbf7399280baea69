"""What all rules share: reading operands and attributes, contradictions, broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn

from onnxport_ir.dims import Dim, DimSource, hint_of
from onnxport_ir.dtypes import DType
from onnxport_ir.errors import InternalError
from onnxport_ir.graph import Node, Value
from onnxport_ir.rules.contents import contents
from onnxport_ir.rules.sizes import is_capped, same_size
from onnxport_ir.types import Shape, TensorType, ValueType


class ShapeMismatch(InternalError):
    """Operands of a node contradict each other or its attributes; the text names the types of all operands."""


class Context:
    """What a rule knows beside the node.

    Attributes:
        opset: the version of ONNX's operator set.
        dims: where unknown sizes come from.
    """

    __slots__ = ("dims", "opset")

    def __init__(self, opset: int, dims: DimSource) -> None:
        self.opset = opset
        self.dims = dims

    def unknown(self, count: int) -> tuple[Dim, ...]:
        """``count`` sizes of which nothing is known."""
        return tuple(self.dims.unknown() for _ in range(count))


#: Gives the types of a node's results; results beyond the list stay unknown.
Rule = Callable[[Node, Context], "list[ValueType]"]

#: A tensor of which nothing is known.
UNKNOWN = TensorType()


def mismatch(node: Node, why: str, *, cause: Exception | None = None) -> NoReturn:
    """Refuse a contradiction.

    Raises:
        ShapeMismatch: always.
    """
    types = ", ".join("-" if value is None else str(value.value_type) for value in node.operands)
    raise ShapeMismatch(f"{node.op_type} of {types}: {why}", where=node.place) from cause


def operand(node: Node, index: int) -> Value | None:
    """The operand at ``index``; None where it is left out."""
    return node.operands[index] if index < len(node.operands) else None


def tensor(node: Node, index: int) -> TensorType:
    """The type of the operand at ``index``; an unknown tensor where it is left out or is no tensor."""
    if index < len(node.operands):
        value = node.operands[index]
        if value is not None:
            value_type = value.value_type
            if value_type.__class__ is TensorType:
                return value_type
    return UNKNOWN


def int_attr(node: Node, name: str, default: int) -> int:
    """An integer attribute."""
    value = node.attributes.get(name)
    return default if value is None else int(value)  # type: ignore[arg-type]  # the schema says it is an int


def ints_attr(node: Node, name: str) -> tuple[int, ...] | None:
    """An attribute of several integers; None where it is left out."""
    value = node.attributes.get(name)
    return None if value is None else tuple(map(int, value))  # type: ignore[arg-type]  # the schema says it holds ints


def text_attr(node: Node, name: str, default: str) -> str:
    """A text attribute."""
    value = node.attributes.get(name, default)
    return value.decode() if isinstance(value, bytes) else str(value)


def dtype_attr(node: Node, name: str, default: DType | None) -> DType | None:
    """An attribute that holds the number of an element type; None if that type is not known here."""
    value = node.attributes.get(name)
    if value is None:
        return default
    return dtype_of(int(value))  # type: ignore[arg-type]  # the schema says it is an int


def dtype_of(number: int) -> DType | None:
    """The element type for a ``TensorProto.DataType`` number."""
    return _DTYPES.get(number)


_DTYPES = {member.value: member for member in DType}


def operand_contents(node: Node, index: int) -> tuple[Dim, ...] | None:
    """The elements of an integer operand, as far as they are known by formula."""
    value = operand(node, index)
    return None if value is None else contents(value)


def int_contents(node: Node, index: int) -> tuple[int, ...] | None:
    """The elements of an integer operand if all of them are numbers."""
    found = operand_contents(node, index)
    if found is None:
        return None
    numbers = tuple(element for element in found if isinstance(element, int))
    return numbers if len(numbers) == len(found) else None


def length_of(node: Node, index: int) -> int | None:
    """The number of elements of a rank 1 operand (1 for rank 0), if known."""
    shape = tensor(node, index).shape
    if shape is None or len(shape) > 1:
        return None
    if not shape:
        return 1
    return shape[0] if isinstance(shape[0], int) else None


def ints_of(node: Node, name: str, index: int) -> tuple[bool, tuple[int, ...] | None]:
    """A list of integers that is an attribute in some opsets and an operand in others.

    Returns:
        Whether it is given at all, and its elements (None if they are not known).
    """
    if name in node.attributes:
        return True, ints_attr(node, name)
    if operand(node, index) is None:
        return False, None
    return True, int_contents(node, index)


def normalise_axis(node: Node, axis: int, rank: int) -> int:
    """``axis`` counted from the front.

    Raises:
        ShapeMismatch: if it is out of range.
    """
    if not -rank <= axis < rank:
        mismatch(node, f"axis {axis} of rank {rank}")
    return axis + rank if axis < 0 else axis


def normalise_axes(node: Node, axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """``axes`` counted from the front.

    Raises:
        ShapeMismatch: if one is out of range or occurs twice.
    """
    result = tuple(normalise_axis(node, axis, rank) for axis in axes)
    if len(set(result)) != len(result):
        mismatch(node, f"repeated axes {tuple(axes)}")
    return result


def require_same(node: Node, left: Dim, right: Dim, what: str) -> Dim:
    """The better known of two sizes that must be equal.

    Raises:
        ShapeMismatch: if they are different numbers.
    """
    size = same_size(left, right)
    if size is None:
        mismatch(node, f"{what} {left} and {right}")
    return size


def broadcast(node: Node, left: Shape, right: Shape, ctx: Context) -> Shape:
    """The shape that two operands are broadcast to; None if one of them is not known.

    Raises:
        ShapeMismatch: if they do not fit.
    """
    if left == right:
        return left
    if left is None or right is None:
        return None
    if len(left) < len(right):
        left, right = right, left
    result = list(left)
    for index, size in enumerate(right, len(left) - len(right)):
        if size != 1 and size != result[index]:
            result[index] = broadcast_dim(node, result[index], size, ctx)
    return tuple(result)


def broadcast_dim(node: Node, left: Dim, right: Dim, ctx: Context) -> Dim:
    """The size that two different sizes are broadcast to.

    Raises:
        ShapeMismatch: if both are numbers and neither is 1.
    """
    if isinstance(left, int):
        if left == 1:
            return right
        if isinstance(right, int) and right not in {1, left}:
            mismatch(node, f"sizes {left} and {right} do not broadcast")
        return left
    if isinstance(right, int):
        return left if right == 1 else right
    if left == right or is_capped(right, left):
        return left
    if is_capped(left, right):
        return right
    a, b = hint_of(left), hint_of(right)
    hint = None if a is None or b is None else (b if a == 1 else a)
    return ctx.dims.unknown(hint)


def broadcast_all(node: Node, shapes: Sequence[Shape], ctx: Context) -> Shape:
    """The shape that all of ``shapes`` (at least one) are broadcast to."""
    result = shapes[0]
    for shape in shapes[1:]:
        result = broadcast(node, result, shape, ctx)
    return result


def replaced(shape: Sequence[Dim], axis: int, size: Dim) -> tuple[Dim, ...]:
    """``shape`` with another size at ``axis``, which counts from the front."""
    return (*shape[:axis], size, *shape[axis + 1 :])
