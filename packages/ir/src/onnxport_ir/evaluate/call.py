"""A node with the arrays of its operands, as the kernels read it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from onnxport_ir.graph import AttrValue, Node

Array: TypeAlias = npt.NDArray[Any]


class Declined(Exception):
    """A case that is left to the runtime: too large, undefined by the specification, or not the same everywhere."""


class Call:
    """What a kernel gets.

    Attributes:
        node: the node.
        opset: the version of ONNX's operator set.
        arrays: one per operand; None where it is left out.
        limit: the number of elements that no result may exceed.
    """

    __slots__ = ("arrays", "limit", "node", "opset")

    def __init__(self, node: Node, opset: int, arrays: tuple[Array | None, ...], limit: int) -> None:
        self.node = node
        self.opset = opset
        self.arrays = arrays
        self.limit = limit

    def has(self, index: int) -> bool:
        """Whether the operand is given."""
        return index < len(self.arrays) and self.arrays[index] is not None

    def __getitem__(self, index: int) -> Array:
        array = self.arrays[index] if index < len(self.arrays) else None
        if array is None:
            raise Declined
        return array

    def all(self) -> list[Array]:
        """All operands of an operator that needs each of them."""
        return [self[index] for index in range(len(self.arrays))]

    def ints(self, index: int) -> list[int]:
        """The elements of an integer operand of rank 0 or 1."""
        array = self[index]
        if array.dtype.kind not in "iu" or array.ndim > 1:
            raise Declined
        return [int(element) for element in array.reshape(-1).tolist()]

    def number(self, name: str, default: int) -> int:
        """An integer attribute."""
        value = self.node.attributes.get(name)
        if value is None:
            return default
        if not isinstance(value, int):
            raise Declined
        return value

    def attribute(self, name: str) -> AttrValue | None:
        """An attribute as it is."""
        return self.node.attributes.get(name)

    def int_list(self, name: str, index: int) -> list[int] | None:
        """A list that is an attribute in some opsets and an operand in others; None if it is neither."""
        value = self.node.attributes.get(name)
        if isinstance(value, tuple | list):
            return [int(element) for element in value]
        return self.ints(index) if self.has(index) else None

    def room(self, shape: Iterable[int]) -> tuple[int, ...]:
        """``shape`` if a result of it is small enough."""
        sizes = tuple(shape)
        if math.prod(sizes) > self.limit or any(size < 0 for size in sizes):
            raise Declined
        return sizes

    def axis(self, default: int, rank: int) -> int:
        """The attribute ``axis`` counted from the front."""
        return normalise(self.number("axis", default), rank)


#: Gives the results of a node.
Kernel: TypeAlias = Callable[[Call], "list[Array]"]


def normalise(axis: int, rank: int) -> int:
    """``axis`` counted from the front."""
    if not -rank <= axis < rank:
        raise Declined
    return axis + rank if axis < 0 else axis


def is_float(array: Array) -> bool:
    """Whether numpy itself computes with this floating-point type."""
    return array.dtype.kind == "f"


def is_integer(array: Array) -> bool:
    """Whether the elements are whole numbers of a type that numpy itself has."""
    return array.dtype.kind in "iu"


def require(condition: bool) -> None:
    """Decline unless ``condition`` holds."""
    if not condition:
        raise Declined


def has_nan(*arrays: Array) -> bool:
    """Whether a floating-point array holds a NaN, which runtimes order differently."""
    return any(is_float(array) and bool(np.isnan(array).any()) for array in arrays)
