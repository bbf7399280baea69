"""torch's type promotion.

Operands count by category (bool < integer < float < complex) and, within a category, by whether they are tensors with
dimensions, tensors of rank 0, or numbers: a lower kind takes part in the choice only if its category is higher.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from onnxport_ir import DType, TensorType, Value

from onnxport_symbolics.op import Op

#: A tensor, or a number of the script language.
Scalar = bool | int | float
TensorOrNumber = Value | bool | int | float

_LATTICE: dict[frozenset[DType], DType] = {
    frozenset({DType.UINT8, DType.INT8}): DType.INT16,
    frozenset({DType.FLOAT16, DType.BFLOAT16}): DType.FLOAT32,
}
_RANKS: dict[DType, int] = {
    DType.BOOL: 0,
    DType.UINT8: 1,
    DType.INT8: 1,
    DType.INT16: 2,
    DType.INT32: 3,
    DType.INT64: 4,
    DType.FLOAT16: 5,
    DType.BFLOAT16: 5,
    DType.FLOAT32: 6,
    DType.FLOAT64: 7,
    DType.COMPLEX64: 8,
    DType.COMPLEX128: 9,
}


def promote_dtypes(left: DType, right: DType) -> DType:
    """The element type of an operation on two tensors with dimensions, as ``torch.promote_types`` gives it."""
    if left is right:
        return left
    special = _LATTICE.get(frozenset({left, right}))
    if special is not None:
        return special
    if {left, right} == {DType.FLOAT64, DType.COMPLEX64}:
        return DType.COMPLEX128
    if left not in _RANKS or right not in _RANKS:
        raise TypeError(f"torch does not promote {left.short} with {right.short}")
    return left if _RANKS[left] >= _RANKS[right] else right


def category(dtype: DType) -> int:
    """0 for bool, 1 for integers, 2 for floats, 3 for complex."""
    if dtype is DType.BOOL:
        return 0
    return 3 if dtype.is_complex else 2 if dtype.is_float else 1


def result_dtype(op: Op, *operands: TensorOrNumber) -> DType:
    """The type that torch computes an elementwise operation of these operands in.

    Numbers of Python have the default types int64 and float32 if nothing else decides.
    """
    unknown = [operand for operand in operands if isinstance(operand, Value) and operand.rank is None]
    if unknown:
        # Whether a rank is 0 often changes nothing.
        guesses = itertools.product((0, 1), repeat=len(unknown))
        found = {_result_dtype(op, operands, dict(zip(unknown, guess, strict=True))) for guess in guesses}
        if len(found) == 1:
            return found.pop()
    return _result_dtype(op, operands, {})


def _result_dtype(op: Op, operands: Sequence[TensorOrNumber], ranks: Mapping[Value, int]) -> DType:
    """The type, with guesses of the ranks that are not known."""
    kinds: list[DType | None] = [None, None, None]
    for operand in operands:
        if isinstance(operand, Value) and operand not in op.numbers:
            rank = ranks[operand] if operand in ranks else op.rank(operand)
            kind, dtype = (0 if rank else 1), op.dtype(operand)
        else:
            kind, dtype = 2, default_dtype(op, operand)
        known = kinds[kind]
        kinds[kind] = dtype if known is None else promote_dtypes(known, dtype)
    result: DType | None = None
    for candidate in kinds:
        if candidate is not None and (result is None or category(candidate) > category(result)):
            result = candidate
    if result is None:
        raise op.refuse("an operation without operands")
    return result


def number_dtype(number: Scalar) -> DType:
    """The default element type of a Python number."""
    if isinstance(number, bool):
        return DType.BOOL
    return DType.INT64 if isinstance(number, int) else DType.FLOAT32


def default_dtype(op: Op, operand: TensorOrNumber) -> DType:
    """The element type of a tensor, or of one that is made of a number, known or not."""
    if not isinstance(operand, Value):
        return number_dtype(operand)
    dtype = op.dtype(operand)
    # The script language computes in float64, and makes tensors of the default type.
    return DType.FLOAT32 if dtype is DType.FLOAT64 and operand in op.numbers else dtype


def promote(op: Op, *operands: TensorOrNumber, to_float: bool = False) -> list[Value]:
    """The operands, cast to the type that torch computes in.

    Args:
        op: the builder.
        *operands: tensors and numbers.
        to_float: whether integers are computed in the default float type, as by ``div`` and ``sin``.
    """
    dtype = result_dtype(op, *operands)
    if to_float and not (dtype.is_float or dtype.is_complex):
        dtype = DType.FLOAT32
    return [as_dtype(op, operand, dtype) for operand in operands]


def as_dtype(op: Op, operand: TensorOrNumber, dtype: DType) -> Value:
    """A tensor or number as a value of type ``dtype``; integers wrap around, as -1 in unsigned types."""
    if isinstance(operand, Value):
        return op.cast(operand, dtype)
    return op.const(_wrapped(operand, dtype), dtype)


def _wrapped(number: Scalar, dtype: DType) -> Scalar:
    if not dtype.is_integer or isinstance(number, bool | float):
        return number
    lowest = -(1 << (dtype.bits - 1)) if dtype.is_signed else 0
    return (number - lowest) % (1 << dtype.bits) + lowest


def expected_dtype(op: Op, index: int = 0) -> DType | None:
    """The element type that the capture knows for an output of the equation being lowered."""
    if index < len(op.expected):
        expected = op.expected[index]
        if isinstance(expected, TensorType):
            return expected.dtype
    return None
