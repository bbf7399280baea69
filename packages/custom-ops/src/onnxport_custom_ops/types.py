"""Types of values under the names that symbolic functions written for torch use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from onnxport_ir import Dim, OptionalType, ScalarType, SequenceType, SymDim, TensorType, TupleType
from onnxport_ir.errors import InvalidArgument
from onnxport_ir.types import AnyType, Shape

from onnxport_custom_ops import _torch_private as private
from onnxport_custom_ops.scalar_types import dtype_of_scalar_name, from_torch_dtype, scalar_name, to_torch_dtype

_SCALAR_KINDS = {
    "int": "IntType",
    "float": "FloatType",
    "bool": "BoolType",
    "complex": "ComplexType",
    "number": "NumberType",
    "str": "StringType",
    "none": "NoneType",
    "device": "DeviceObjType",
    "dtype": "IntType",
}
_KINDS: dict[type, str] = {
    TensorType: "TensorType",
    SequenceType: "ListType",
    OptionalType: "OptionalType",
    TupleType: "TupleType",
}


class SymbolicType:
    """The type of a value, as :meth:`SymbolicValue.type` gives it.

    It answers as torch's type classes do and ``isinstance`` takes it for one of them, because symbolic functions ask
    both ways.

    Attributes:
        ir_type: the type as the rest of onnxport has it.
    """

    __slots__ = ("ir_type",)

    def __init__(self, ir_type: AnyType) -> None:
        self.ir_type = ir_type

    @property  # type: ignore[misc]  # the class that isinstance() sees, which mypy wants to be fixed
    def __class__(self) -> type:
        return private.TYPES.get(self.kind(), SymbolicType)

    def kind(self) -> str:
        """``TensorType``, ``ListType``, ``OptionalType``, ``TupleType``, ``IntType``, ``NoneType``, ..."""
        if type(self.ir_type) is ScalarType:
            return _SCALAR_KINDS[self.ir_type.kind]
        return _KINDS.get(type(self.ir_type), "AnyType")

    def sizes(self) -> list[int] | None:
        """The sizes; None if one of them, or their number, is not known during the export."""
        shape = self._shape
        if shape is None:
            return None
        sizes = [dim for dim in shape if isinstance(dim, int)]
        return sizes if len(sizes) == len(shape) else None

    def varyingSizes(self) -> list[int | None] | None:  # noqa: N802 - torch's name
        """The sizes with None for each that is not known; None if not even their number is."""
        shape = self._shape
        return None if shape is None else [dim if isinstance(dim, int) else None for dim in shape]

    def symbolic_sizes(self) -> list[int | str] | None:
        """The sizes with the names of those that are not known."""
        shape = self._shape
        return None if shape is None else [dim if isinstance(dim, int) else str(dim) for dim in shape]

    def strides(self) -> list[int] | None:
        """The strides of a contiguous tensor of these sizes: memory has no meaning in ONNX."""
        sizes = self.sizes()
        if sizes is None:
            return None
        strides = [1]
        for size in reversed(sizes[1:]):
            strides.append(strides[-1] * max(size, 1))
        return strides[::-1] if sizes else []

    def dim(self) -> int | None:
        """The number of dimensions; None if unknown."""
        shape = self._shape
        return None if shape is None else len(shape)

    def scalarType(self) -> str | None:  # noqa: N802 - torch's name
        """The name of the element type, ``Float``; None if unknown."""
        ir_type = self.ir_type
        if not isinstance(ir_type, TensorType) or ir_type.dtype is None:
            return None
        return scalar_name(ir_type.dtype)

    def dtype(self) -> torch.dtype | None:
        """The element type; None if unknown."""
        ir_type = self.ir_type
        if not isinstance(ir_type, TensorType) or ir_type.dtype is None:
            return None
        return to_torch_dtype(ir_type.dtype)

    def device(self) -> torch.device:
        """Always the CPU: an ONNX model has no devices."""
        return torch.device("cpu")

    def requires_grad(self) -> bool:
        """Always False."""
        return False

    def undefined(self) -> bool:
        """Always False: what is undefined is None."""
        return False

    def with_sizes(self, sizes: Sequence[int | None] | None) -> SymbolicType:
        """The tensor type with other sizes; None stands for one that is not known."""
        shape = None if sizes is None else tuple(_unknown() if size is None else int(size) for size in sizes)
        return SymbolicType(TensorType(self._tensor.dtype, shape))

    def with_dtype(self, dtype: torch.dtype) -> SymbolicType:
        """The tensor type with another element type."""
        return SymbolicType(TensorType(from_torch_dtype(dtype), self._tensor.shape))

    def with_dim(self, dim: int | None) -> SymbolicType:
        """The tensor type with so many dimensions of unknown size."""
        return self.with_sizes(None if dim is None else [None] * dim)

    def dimensionedOnly(self) -> SymbolicType:  # noqa: N802 - torch's name
        """The tensor type without its sizes, but with their number."""
        return self.with_dim(self.dim())

    def getElementType(self) -> SymbolicType:  # noqa: N802 - torch's name
        """What a list or an optional holds.

        Raises:
            InvalidArgument: if this is neither.
        """
        if isinstance(self.ir_type, SequenceType | OptionalType):
            return SymbolicType(self.ir_type.element)
        raise InvalidArgument(f"the type {self.ir_type} holds no elements")

    def elements(self) -> list[SymbolicType]:
        """What a tuple holds.

        Raises:
            InvalidArgument: if this is none.
        """
        if isinstance(self.ir_type, TupleType):
            return [SymbolicType(element) for element in self.ir_type.elements]
        raise InvalidArgument(f"the type {self.ir_type} is no tuple")

    def isSubtypeOf(self, other: Any) -> bool:  # noqa: N802 - torch's name
        """Whether a value of this type is one of ``other``, which may be a type of torch's."""
        if self.kind() in ("ListType", "OptionalType") and other.kind() == self.kind():
            return self.getElementType().isSubtypeOf(other.getElementType())
        if other.kind() == "OptionalType":
            return self.kind() == "NoneType" or self.isSubtypeOf(other.getElementType())
        return bool(other.kind() in (self.kind(), "AnyType"))

    @property
    def annotation_str(self) -> str:
        """The type as torch prints it."""
        return repr(self)

    @property
    def _shape(self) -> Shape:
        return self.ir_type.shape if isinstance(self.ir_type, TensorType) else None

    @property
    def _tensor(self) -> TensorType:
        if not isinstance(self.ir_type, TensorType):
            raise InvalidArgument(f"the type {self.ir_type} is no tensor")
        return self.ir_type

    def __eq__(self, other: object) -> bool:
        return type(other) is SymbolicType and other.ir_type == self.ir_type

    def __hash__(self) -> int:
        return hash(self.ir_type)

    def __repr__(self) -> str:
        ir_type = self.ir_type
        if not isinstance(ir_type, TensorType):
            return f"{self.getElementType()!r}[]" if isinstance(ir_type, SequenceType) else str(ir_type)
        name = self.scalarType() or "Tensor"
        if ir_type.shape is None:
            return name
        return f"{name}({', '.join('*' if isinstance(dim, SymDim) else str(dim) for dim in ir_type.shape)})"

    __str__ = __repr__


def _unknown() -> Dim:
    # Each is a size of its own; the name keeps it from being printed.
    return SymDim.named(UNKNOWN)


#: Stands for an unknown size until a value gets the type, and with it a size of its own.
UNKNOWN = "?"


def ir_type_of(given: Any) -> AnyType:
    """The type that a symbolic function states: one of ours, or one that torch has made.

    Raises:
        InvalidArgument: if it is no type, or of a kind that values in ONNX do not have.
    """
    if type(given) is SymbolicType:
        return given.ir_type
    kind = given.kind() if hasattr(given, "kind") else None
    if kind == "TensorType":
        sizes = given.sizes() if given.sizes() is not None else given.varyingSizes()
        shape = None if sizes is None else tuple(_unknown() if size is None else int(size) for size in sizes)
        return TensorType(dtype_of_scalar_name(given.scalarType()), shape)
    if kind == "ListType":
        return SequenceType(ir_type_of(given.getElementType()))
    if kind == "OptionalType":
        return OptionalType(ir_type_of(given.getElementType()))
    if kind == "NoneType":
        return ScalarType("none")
    raise InvalidArgument(f"{given!r} is no type of a value in ONNX")
