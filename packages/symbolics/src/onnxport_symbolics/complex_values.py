"""Complex tensors inside a graph: ONNX Runtime computes none, so each is two real ones.

A complex tensor of shape (...) is a real one of shape (..., 2), as ``torch.view_as_real`` gives it, or its two parts.
It is no :class:`~onnxport_ir.Value`: a handler gets one only if its annotation says so, and others refuse it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from onnxport_ir import ArrayTensor, Dim, DType, TensorType, Value
from onnxport_ir.errors import InternalError
from onnxport_ir.tensors import TensorRef
from onnxport_ir.types import AnyType

if TYPE_CHECKING:
    from onnxport_symbolics.op import Op

_COMPLEX = {DType.FLOAT32: DType.COMPLEX64, DType.FLOAT64: DType.COMPLEX128}
_PARTS = {theirs: ours for ours, theirs in _COMPLEX.items()}


@dataclass(frozen=True, slots=True, eq=False)
class ComplexValue:
    """A complex tensor.

    Attributes:
        whole: real and imaginary parts along a last axis of size 2; None if there are ``parts``.
        parts: the real and the imaginary part, of one shape; None if there is a ``whole``.
    """

    whole: Value | None = None
    parts: tuple[Value, Value] | None = None

    @property
    def dtype(self) -> DType | None:
        """The complex element type, if known."""
        real = self._any().dtype
        return None if real is None else _COMPLEX.get(real)

    @property
    def shape(self) -> tuple[Dim, ...] | None:
        """The sizes, without the axis of the parts; None if the rank is unknown."""
        shape = self._any().shape
        return shape if shape is None or self.whole is None else shape[:-1]

    def _any(self) -> Value:
        value = self.whole if self.parts is None else self.parts[0]
        if value is None:
            raise InternalError("a complex value that holds nothing")
        return value

    def refined(self, shape: tuple[Dim, ...] | None) -> None:
        """Put in sizes that are known of it."""
        if shape is None:
            return
        for value in self.parts or ():
            value.value_type = TensorType(value.dtype, shape)
        if self.whole is not None:
            self.whole.value_type = TensorType(self.whole.dtype, (*shape, 2))

    def __repr__(self) -> str:
        kind = self.dtype
        return f"<{TensorType(kind, self.shape)}>"


def is_complex_type(kind: AnyType) -> bool:
    """Whether the capture knows a type to be a complex tensor's."""
    return isinstance(kind, TensorType) and kind.dtype is not None and kind.dtype.is_complex


def pair_type(kind: AnyType) -> TensorType:
    """The type of the parts of a complex tensor along a last axis."""
    if not isinstance(kind, TensorType) or kind.dtype is None:
        raise InternalError(f"{kind} is not complex")
    return TensorType(part_dtype(kind.dtype), None if kind.shape is None else (*kind.shape, 2))


def holds_complex(lowered: object) -> bool:
    """Whether an argument is, or contains, a complex tensor."""
    if isinstance(lowered, tuple):
        return any(map(holds_complex, lowered))
    return isinstance(lowered, ComplexValue)


def part_dtype(dtype: DType) -> DType:
    """The element type of the parts; real types are their own."""
    return _PARTS.get(dtype, dtype)


def as_pairs(tensor: TensorRef) -> TensorRef:
    """A complex tensor in memory as a real one with a last axis of size 2; shares the memory where it can."""
    array: npt.NDArray[Any] = np.ascontiguousarray(tensor.numpy())
    real = part_dtype(tensor.dtype)
    return ArrayTensor.of(array.view(real.numpy).reshape((*tensor.shape, 2)), real)


def rank(op: Op, z: ComplexValue) -> int:
    """The number of dimensions, without the axis of the parts."""
    return op.rank(z.whole) - 1 if z.whole is not None else op.rank(parts(op, z)[0])


def axis(op: Op, z: ComplexValue, dim: int) -> int:
    """``dim`` counted from the front."""
    count = max(rank(op, z), 1)
    if not -count <= dim < count:
        raise op.refuse(f"axis {dim} of a tensor of rank {count}")
    return dim % count


def pair(op: Op, z: ComplexValue) -> Value:
    """The parts along a last axis of size 2."""
    if z.whole is not None:
        return z.whole
    real, imaginary = (op.Unsqueeze(part, [-1]) for part in parts(op, z))
    return op.Concat(real, imaginary, axis=-1)


def parts(op: Op, z: ComplexValue) -> tuple[Value, Value]:
    """The real and the imaginary part."""
    if z.parts is not None:
        return z.parts
    if z.whole is None:
        raise InternalError("a complex value that holds nothing")
    return op.Gather(z.whole, 0, axis=-1), op.Gather(z.whole, 1, axis=-1)


def as_complex(op: Op, operand: ComplexValue | Value | complex, dtype: DType) -> ComplexValue:
    """A tensor or number as a complex tensor of type ``dtype``."""
    real = part_dtype(dtype)
    if isinstance(operand, ComplexValue):
        if operand.whole is not None:
            return ComplexValue(op.cast(operand.whole, real))
        return ComplexValue(parts=tuple(op.cast(part, real) for part in parts(op, operand)))  # type: ignore[arg-type]  # two
    if isinstance(operand, Value):
        return from_real(op, op.cast(operand, real))
    number = complex(operand)
    return ComplexValue(parts=(op.const(number.real, real), op.const(number.imag, real)))


def from_real(op: Op, x: Value) -> ComplexValue:
    """A real tensor of floats as a complex one."""
    return ComplexValue(op.Pad(op.Unsqueeze(x, [-1]), [0] * (2 * op.rank(x) + 1) + [1]))
