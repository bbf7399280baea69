"""What is known of the elements of small integer tensors: numbers or formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from onnxport_ir.dims import Dim
from onnxport_ir.dtypes import DType
from onnxport_ir.graph import Value

#: Tensors with more elements than this are not followed.
MAX_ELEMENTS = 64


def contents(value: Value) -> tuple[Dim, ...] | None:
    """The elements of an integer tensor of rank 0 or 1 and at most 64 elements, if known; a weight's never are.

    A weight may be replaced in the exported file, so nothing is derived from what it holds.
    """
    if value.symbolic is not None:
        return value.symbolic
    const = value.const
    if const is None or value.is_weight:
        return None
    shape = const.shape
    if len(shape) > 1 or (shape and shape[0] > MAX_ELEMENTS) or not const.dtype.is_integer:
        return None
    return tuple(int(element) for element in const.numpy().reshape(-1).tolist())


def known_array(value: Value) -> npt.NDArray[Any] | None:
    """The elements of a constant that is no weight, or of an integer tensor whose symbolic contents are all numbers.

    Returns:
        The array in the value's dtype and shape, to be read only; None if the elements are not known.
    """
    if value.const is not None:
        return None if value.is_weight else value.const.numpy()
    symbolic, dtype, rank = value.symbolic, value.dtype, value.rank
    if symbolic is None or dtype is None or rank is None:
        return None
    numbers = [element for element in symbolic if isinstance(element, int)]
    if len(numbers) != len(symbolic):
        return None
    array = np.array(numbers, dtype=dtype.numpy)
    return array.reshape(()) if rank == 0 else array


def fits(dtype: DType | None, elements: tuple[Dim, ...]) -> bool:
    """Whether contents can be followed: few elements, of a type that sizes are computed in, without overflow."""
    if dtype is DType.INT64:
        low, high = -(1 << 63), 1 << 63
    elif dtype is DType.INT32:
        low, high = -(1 << 31), 1 << 31
    else:
        return False
    return len(elements) <= MAX_ELEMENTS and all(
        not isinstance(element, int) or low <= element < high for element in elements
    )
