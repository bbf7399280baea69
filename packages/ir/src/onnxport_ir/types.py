"""Types of values: tensors, sequences, optionals, and the scalars of the script language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from onnxport_ir.dims import Dim
from onnxport_ir.dtypes import DType

#: The sizes of a tensor, or None where not even the rank is known.
Shape = tuple[Dim, ...] | None


@dataclass(frozen=True, slots=True)
class TensorType:
    """A tensor's element type and shape; None means unknown.

    Attributes:
        dtype: the element type.
        shape: a tuple of dims, or None if the rank is unknown.
    """

    dtype: DType | None = None
    shape: Shape = None

    @property
    def rank(self) -> int | None:
        """The number of dimensions, if known."""
        return None if self.shape is None else len(self.shape)

    def __str__(self) -> str:
        dtype = "?" if self.dtype is None else self.dtype.short
        if self.shape is None:
            return f"{dtype}[...]"
        return f"{dtype}[{','.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class ScalarType:
    """A number, truth value or text of the script language (not a tensor)."""

    kind: Literal["int", "float", "bool", "complex", "number", "str", "none", "device", "dtype"]

    def __str__(self) -> str:
        return self.kind


@dataclass(frozen=True, slots=True)
class SequenceType:
    """A list of values of one type; in ONNX a Sequence (opset 11)."""

    element: AnyType

    def __str__(self) -> str:
        return f"{self.element}[]"


@dataclass(frozen=True, slots=True)
class OptionalType:
    """A value that may be absent; in ONNX an Optional (opset 15)."""

    element: AnyType

    def __str__(self) -> str:
        return f"{self.element}?"


@dataclass(frozen=True, slots=True)
class TupleType:
    """A tuple of values of fixed types; has no counterpart in ONNX and is resolved while lowering."""

    elements: tuple[AnyType, ...]

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.elements))})"


@dataclass(frozen=True, slots=True)
class OpaqueType:
    """Anything else TorchScript can name: a class, a generator, a stream."""

    name: str

    def __str__(self) -> str:
        return self.name


#: What a variable of a captured graph can be.
AnyType = TensorType | ScalarType | SequenceType | OptionalType | TupleType | OpaqueType
#: What a value of an ONNX graph can be.
ValueType = TensorType | SequenceType | OptionalType

_SCALAR_DTYPES = {"int": DType.INT64, "float": DType.FLOAT64, "bool": DType.BOOL}


def scalar_dtype(kind: str) -> DType | None:
    """The element type that carries a script scalar in ONNX: int64, float64 or bool; None for the others."""
    return _SCALAR_DTYPES.get(kind)
