"""What a node of small constants comes to, computed with numpy as ONNX defines it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from onnxport_ir.evaluate import arithmetic, arrays, selection
from onnxport_ir.evaluate.call import Array, Call, Declined, Kernel
from onnxport_ir.graph import Node, RefAttr, Value
from onnxport_ir.rules.contents import known_array
from onnxport_ir.rules.shaping import shape_range

__all__ = ["can_evaluate", "evaluate"]

_KERNELS: dict[str, Kernel] = {**arithmetic.KERNELS, **arrays.KERNELS, **selection.KERNELS}

#: What numpy raises for operands that do not fit; the runtime reports those itself.
_REFUSED = (Declined, ArithmeticError, LookupError, TypeError, ValueError, MemoryError)


def can_evaluate(op_type: str) -> bool:
    """Whether :func:`evaluate` knows an operator of ONNX's own domain."""
    return op_type in _KERNELS or op_type in {"Shape", "Size"}


def evaluate(node: Node, opset: int, max_elements: int = 1024) -> list[npt.NDArray[Any]] | None:
    """The results of a node whose operands are constants, or whose symbolic contents are all numbers.

    Arithmetic is done in the operands' own element type. A case is declined where the specification leaves the
    result open or runtimes are known to differ: division of integers by zero, NaN in an ordering, conversion of a
    number that the target cannot hold, sums of half precision. Exp, Log, Pow and the like may differ from a
    runtime's result in the last place.

    Args:
        node: a node of ONNX's own domain as it is written at ``opset``; whether an operand is a weight that should
            stay one is for the caller to decide.
        opset: the version of ONNX's operator set.
        max_elements: no operand is read and no result made that has more elements.

    Returns:
        One array per result, or None if the node is not evaluated.
    """
    if node.domain or any(isinstance(attribute, RefAttr) for attribute in node.attributes.values()):
        return None
    if node.op_type in {"Shape", "Size"}:
        return _of_shape(node)
    kernel = _KERNELS.get(node.op_type)
    if kernel is None:
        return None
    operands: list[Array | None] = []
    for value in node.operands:
        array = None if value is None else _read(value, max_elements)
        if value is not None and array is None:
            return None
        operands.append(array)
    try:
        with np.errstate(all="ignore"):
            results = kernel(Call(node, opset, tuple(operands), max_elements))
    except _REFUSED:
        return None
    if len(results) < len(node.results) or any(np.size(result) > max_elements for result in results):
        return None
    return [np.asarray(result) for result in results[: len(node.results)]]


def _read(value: Value, max_elements: int) -> Array | None:
    """The operand's elements, if it is a small constant of numbers or truth values."""
    if value.const is None:
        return known_array(value)
    if math.prod(value.const.shape) > max_elements:
        return None
    array = value.const.numpy()
    return None if array.dtype == object else array


def _of_shape(node: Node) -> list[Array] | None:
    """Shape and Size, which need to know no elements."""
    shape = node.operands[0].shape if node.operands and node.operands[0] is not None else None
    if shape is None:
        return None
    if node.op_type == "Shape":
        start, end = shape_range(node, len(shape))
        shape = shape[start:end]
    sizes = [size for size in shape if isinstance(size, int)]
    if len(sizes) != len(shape):
        return None
    return [np.array(sizes, np.int64) if node.op_type == "Shape" else np.array(math.prod(sizes), np.int64)]
