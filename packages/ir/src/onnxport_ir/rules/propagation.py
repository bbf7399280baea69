"""Sizes as they pass through nodes: the elements of small integer tensors, followed by formula."""

from __future__ import annotations

import math
from collections.abc import Callable

from onnxport_ir.dims import Dim, product
from onnxport_ir.dtypes import DType
from onnxport_ir.graph import Node
from onnxport_ir.rules.common import int_attr, int_contents, ints_attr, operand, operand_contents, tensor
from onnxport_ir.rules.contents import MAX_ELEMENTS, fits
from onnxport_ir.rules.shaping import shape_range
from onnxport_ir.rules.sizes import is_nonnegative, maximum, minimum, quotient
from onnxport_ir.rules.slicing import slice_range
from onnxport_ir.tensors import ArrayTensor, TensorRef

#: The elements of a node's first result, or None where they are not known.
Follow = Callable[[Node], "tuple[Dim, ...] | None"]


def propagate(node: Node, opset: int) -> None:
    """Set ``symbolic`` of a node's results where their elements are known by formula.

    To be called when the results have their types. Only int64 and int32 tensors of rank 0 or 1 with at most 64
    elements are followed.

    Args:
        node: the node.
        opset: the version of ONNX's operator set.
    """
    if node.domain:
        return
    follow = _FOLLOW.get(node.op_type)
    if follow is None or not node.results:
        return
    result = node.results[0]
    dtype = result.dtype
    if dtype is not DType.INT64 and dtype is not DType.INT32:
        return
    rank = result.rank
    if rank is None or rank > 1:
        return
    if node.op_type == "Split":
        _split(node)
        return
    elements = follow(node)
    if elements is not None and fits(dtype, elements):
        result.symbolic = elements


def _shape(node: Node) -> tuple[Dim, ...] | None:
    shape = tensor(node, 0).shape
    if shape is None or not node.attributes:
        return shape
    start, end = shape_range(node, len(shape))
    return shape[start:end]


def _size(node: Node) -> tuple[Dim, ...] | None:
    shape = tensor(node, 0).shape
    return None if shape is None else (product(shape),)


def _same(node: Node) -> tuple[Dim, ...] | None:
    """Identity, and whatever only moves between rank 0 and 1."""
    return operand_contents(node, 0)


def _cast(node: Node) -> tuple[Dim, ...] | None:
    # Sizes fit any type that is followed at all; that numbers do is checked afterwards.
    return operand_contents(node, 0) if tensor(node, 0).dtype in _FOLLOWED else None


_FOLLOWED = (DType.INT64, DType.INT32)


def _gather(node: Node) -> tuple[Dim, ...] | None:
    elements, indices = operand_contents(node, 0), int_contents(node, 1)
    if elements is None or indices is None or tensor(node, 0).rank != 1:
        return None
    if not all(-len(elements) <= index < len(elements) for index in indices):
        return None
    return tuple([elements[index] for index in indices])


def _concat(node: Node) -> tuple[Dim, ...] | None:
    parts: list[Dim] = []
    for index in range(len(node.operands)):
        elements = operand_contents(node, index)
        if elements is None:
            return None
        parts.extend(elements)
    return tuple(parts)


def _slice(node: Node) -> tuple[Dim, ...] | None:
    elements = operand_contents(node, 0)
    if elements is None:
        return None
    if "starts" in node.attributes:
        starts, ends, steps = ints_attr(node, "starts"), ints_attr(node, "ends"), None
    else:
        starts, ends, steps = int_contents(node, 1), int_contents(node, 2), int_contents(node, 4)
        if steps is None and operand(node, 4) is not None:
            return None
    step = steps[0] if steps else 1
    if not starts or not ends or len(starts) != 1 or step == 0:
        return None
    return tuple([elements[index] for index in slice_range(len(elements), starts[0], ends[0], step)])


def _split(node: Node) -> None:
    elements = operand_contents(node, 0)
    if elements is None:
        return
    sizes = [result.shape[0] if result.shape else None for result in node.results]
    start = 0
    for result, size in zip(node.results, sizes, strict=True):
        if not isinstance(size, int):
            return
        result.symbolic = elements[start : start + size]
        start += size


def _arithmetic(function: Callable[[Dim, Dim], Dim | None]) -> Follow:
    """Element by element, over any number of operands; one element is broadcast."""

    def follow(node: Node) -> tuple[Dim, ...] | None:
        result = operand_contents(node, 0)
        for index in range(1, len(node.operands)):
            other = operand_contents(node, index)
            if result is None or other is None:
                return None
            result = _zipped(function, result, other)
        return result

    return follow


def _zipped(
    function: Callable[[Dim, Dim], Dim | None], left: tuple[Dim, ...], right: tuple[Dim, ...]
) -> tuple[Dim, ...] | None:
    if len(left) != len(right):
        if len(left) == 1:
            left *= len(right)
        elif len(right) == 1:
            right *= len(left)
        else:
            return None
    result: list[Dim] = []
    for a, b in zip(left, right, strict=True):
        element = function(a, b)
        if element is None:
            return None
        result.append(element)
    return tuple(result)


def _add(left: Dim, right: Dim) -> Dim:
    return left + right


def _sub(left: Dim, right: Dim) -> Dim:
    return left - right


def _mul(left: Dim, right: Dim) -> Dim:
    return left * right


def _div(left: Dim, right: Dim) -> Dim | None:
    """ONNX rounds towards zero, a quotient of sizes down: the same only where nothing is negative."""
    if isinstance(left, int) and isinstance(right, int):
        if right == 0:
            return None
        return left // right if (left < 0) == (right < 0) else -(-left // right)
    if right == 0:
        return None
    if is_nonnegative(left) and is_nonnegative(right):
        return quotient(left, right)
    return None


def _mod(left: Dim, right: Dim) -> Dim | None:
    """The sign follows the divisor, which is what rounding the quotient down gives."""
    if right == 0:
        return None
    return left - right * quotient(left, right)


def _mod_node(node: Node) -> tuple[Dim, ...] | None:
    return None if int_attr(node, "fmod", 0) else _MOD(node)


_MOD = _arithmetic(_mod)


def _neg(node: Node) -> tuple[Dim, ...] | None:
    elements = operand_contents(node, 0)
    return None if elements is None else tuple([-element for element in elements])


def _abs(node: Node) -> tuple[Dim, ...] | None:
    elements = operand_contents(node, 0)
    if elements is None:
        return None
    if all(is_nonnegative(element) for element in elements):
        return elements
    return tuple(abs(e) for e in elements if isinstance(e, int)) if all(isinstance(e, int) for e in elements) else None


def _reduced(function: Callable[[Dim, Dim], Dim | None], empty: Dim | None) -> Follow:
    """Over all elements: an axis that is left out, or the only one."""

    def follow(node: Node) -> tuple[Dim, ...] | None:
        elements = operand_contents(node, 0)
        if elements is None or tensor(node, 0).rank != 1:
            return elements
        if int_attr(node, "noop_with_empty_axes", 0) and not ints_attr(node, "axes"):
            axes = int_contents(node, 1)
            if axes is None and operand(node, 1) is not None:
                return None
            if not axes:
                return elements
        if not elements:
            return None if empty is None else (empty,)
        total: Dim | None = elements[0]
        for element in elements[1:]:
            total = None if total is None else function(total, element)
        return None if total is None else (total,)

    return follow


def _range(node: Node) -> tuple[Dim, ...] | None:
    numbers = [int_contents(node, index) for index in range(3)]
    if any(not number for number in numbers):
        return None
    start, limit, delta = (number[0] for number in numbers if number)
    if delta == 0 or len(range(start, limit, delta)) > MAX_ELEMENTS:
        return None
    return tuple(range(start, limit, delta))


def _constant_of_shape(node: Node) -> tuple[Dim, ...] | None:
    sizes = int_contents(node, 0)
    value = node.attributes.get("value")
    if sizes is None or not isinstance(value, ArrayTensor | TensorRef):
        return None
    count = math.prod(sizes)
    return (int(value.numpy().reshape(-1)[0]),) * count if 0 <= count <= MAX_ELEMENTS else None


def _expand(node: Node) -> tuple[Dim, ...] | None:
    elements, shape = operand_contents(node, 0), node.result.shape
    if elements is None or shape is None:
        return None
    if not shape or shape[0] == len(elements):
        return elements
    if len(elements) == 1 and isinstance(shape[0], int) and 0 <= shape[0] <= MAX_ELEMENTS:
        return elements * shape[0]
    return None


_FOLLOW: dict[str, Follow] = {
    **dict.fromkeys(["Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"], _same),
    **dict.fromkeys(["Cast", "CastLike"], _cast),
    **dict.fromkeys(["Add", "Sum"], _arithmetic(_add)),
    "Abs": _abs,
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "Div": _arithmetic(_div),
    "Expand": _expand,
    "Gather": _gather,
    "Max": _arithmetic(maximum),
    "Min": _arithmetic(minimum),
    "Mod": _mod_node,
    "Mul": _arithmetic(_mul),
    "Neg": _neg,
    "Range": _range,
    "ReduceMax": _reduced(maximum, None),
    "ReduceMin": _reduced(minimum, None),
    "ReduceProd": _reduced(_mul, 1),
    "ReduceSum": _reduced(_add, 0),
    "Shape": _shape,
    "Size": _size,
    "Slice": _slice,
    "Split": lambda node: None,
    "Sub": _arithmetic(_sub),
}
