"""Reductions, ArgMax and ArgMin, and products of matrices."""

from __future__ import annotations

from onnxport_ir.dims import Dim
from onnxport_ir.dtypes import DType
from onnxport_ir.graph import Node
from onnxport_ir.rules.common import (
    Context,
    Rule,
    broadcast,
    broadcast_dim,
    int_attr,
    ints_of,
    length_of,
    mismatch,
    normalise_axes,
    require_same,
    tensor,
    text_attr,
)
from onnxport_ir.types import Shape, TensorType, ValueType


def _reduce(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    given, axes = ints_of(node, "axes", 1)
    keep = int_attr(node, "keepdims", 1)
    if given and axes is None:
        return [TensorType(data.dtype, _reduced_somewhere(node, data.shape, keep, ctx))]
    if not axes and int_attr(node, "noop_with_empty_axes", 0):
        return [data]
    if data.shape is None:
        return [TensorType(data.dtype, None if axes or keep else ())]
    return [TensorType(data.dtype, reduced(node, data.shape, axes, keep))]


def reduced(node: Node, shape: tuple[Dim, ...], axes: tuple[int, ...] | None, keep: int) -> Shape:
    """The shape after reducing ``axes``, or all of them if there are none."""
    if not axes:
        return (1,) * len(shape) if keep else ()
    gone = normalise_axes(node, axes, len(shape))
    if keep:
        return tuple([1 if axis in gone else size for axis, size in enumerate(shape)])
    return tuple([size for axis, size in enumerate(shape) if axis not in gone])


def _reduced_somewhere(node: Node, shape: Shape, keep: int, ctx: Context) -> Shape:
    """The shape after reducing axes that are not known; an empty list of them means all, or none."""
    if shape is None:
        return None
    if keep:
        return tuple(1 if size == 1 else ctx.dims.unknown() for size in shape)
    count = length_of(node, 1)
    return ctx.unknown(len(shape) - count) if count else None


def _arg(node: Node, ctx: Context) -> list[ValueType]:
    shape = tensor(node, 0).shape
    if shape is None:
        return [TensorType(DType.INT64)]
    axes = (int_attr(node, "axis", 0),)
    return [TensorType(DType.INT64, reduced(node, shape, axes, int_attr(node, "keepdims", 1)))]


def product_shape(node: Node, left: Shape, right: Shape, ctx: Context) -> Shape:
    """The shape of the matrix product of two stacks of matrices, numpy's rules for vectors included.

    Raises:
        ShapeMismatch: if the inner sizes differ, the stacks do not broadcast or one is a scalar.
    """
    if left is None or right is None:
        return None
    if not left or not right:
        mismatch(node, "a scalar is no matrix")
    rows = left[-2:-1]
    columns = right[-1:] if len(right) > 1 else ()
    require_same(node, left[-1], right[-2] if len(right) > 1 else right[0], "inner sizes")
    stack = broadcast(node, left[:-2], right[:-2], ctx)
    return None if stack is None else (*stack, *rows, *columns)


def _matmul(node: Node, ctx: Context) -> list[ValueType]:
    left, right = tensor(node, 0), tensor(node, 1)
    return [TensorType(left.dtype or right.dtype, product_shape(node, left.shape, right.shape, ctx))]


def _matmul_integer(node: Node, ctx: Context) -> list[ValueType]:
    return [TensorType(DType.INT32, product_shape(node, tensor(node, 0).shape, tensor(node, 1).shape, ctx))]


def _qlinear_matmul(node: Node, ctx: Context) -> list[ValueType]:
    # Operands: a, its scale and zero point, b, its scale and zero point, the result's scale and zero point.
    shape = product_shape(node, tensor(node, 0).shape, tensor(node, 3).shape, ctx)
    return [TensorType(tensor(node, 7).dtype, shape)]


def _gemm(node: Node, ctx: Context) -> list[ValueType]:
    left, right = tensor(node, 0), tensor(node, 1)
    dtype = left.dtype or right.dtype
    a, b = left.shape, right.shape
    if (a is not None and len(a) != 2) or (b is not None and len(b) != 2):
        mismatch(node, "no matrices")
    if a is not None and int_attr(node, "transA", 0):
        a = a[::-1]
    if b is not None and int_attr(node, "transB", 0):
        b = b[::-1]
    if a is not None and b is not None:
        require_same(node, a[1], b[0], "inner sizes")
    rows = ctx.dims.unknown() if a is None else a[0]
    columns = ctx.dims.unknown() if b is None else b[1]
    return [TensorType(dtype, (rows, columns))]


def _einsum(node: Node, ctx: Context) -> list[ValueType]:
    types = [tensor(node, index) for index in range(len(node.operands))]
    dtype = next((t.dtype for t in types if t.dtype is not None), None)
    equation = text_attr(node, "equation", "").replace(" ", "")
    given, arrow, wanted = equation.partition("->")
    terms = given.split(",")
    if len(terms) != len(types):
        mismatch(node, f"equation {equation}")
    if not arrow:
        letters = [c for c in given if c not in ".,"]
        wanted = ("..." if "..." in given else "") + "".join(sorted(c for c in letters if letters.count(c) == 1))
    sizes: dict[str, Dim] = {}
    ellipsis: Shape = ()
    for term, value in zip(terms, types, strict=True):
        if value.shape is None:
            return [TensorType(dtype, None if "..." in wanted else ctx.unknown(len(wanted)))]
        middle = _read_term(node, term, value.shape, sizes, ctx)
        ellipsis = broadcast(node, ellipsis, middle, ctx)
    before, dots, after = wanted.partition("...")
    middle = (ellipsis or ()) if dots else ()
    if any(letter not in sizes for letter in before + after):
        mismatch(node, f"equation {equation}")
    return [TensorType(dtype, (*(sizes[c] for c in before), *middle, *(sizes[c] for c in after)))]


def _read_term(node: Node, term: str, shape: tuple[Dim, ...], sizes: dict[str, Dim], ctx: Context) -> tuple[Dim, ...]:
    """Note the sizes of a term's letters, and return those of its ellipsis."""
    before, dots, after = term.partition("...")
    hidden = len(shape) - len(before) - len(after)
    if hidden < 0 or (hidden and not dots):
        mismatch(node, f"term {term} for rank {len(shape)}")
    end = len(before) + hidden
    for letter, size in zip(before + after, shape[: len(before)] + shape[end:], strict=True):
        known = sizes.setdefault(letter, size)
        if known != size:
            # Einsum lets a size of 1 stretch.
            sizes[letter] = broadcast_dim(node, known, size, ctx)
    return shape[len(before) : end]


def _det(node: Node, ctx: Context) -> list[ValueType]:
    data = tensor(node, 0)
    return [TensorType(data.dtype, None if data.shape is None else data.shape[:-2])]


def _loss(node: Node, ctx: Context) -> list[ValueType]:
    scores, target = tensor(node, 0), tensor(node, 1)
    reduction = text_attr(node, "reduction", "mean")
    shape = target.shape if reduction == "none" else ()
    return [TensorType(scores.dtype, shape), scores]


_REDUCE = [
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
]

RULES: dict[str, Rule] = {
    **dict.fromkeys(_REDUCE, _reduce),
    **dict.fromkeys(["ArgMax", "ArgMin"], _arg),
    "Det": _det,
    "Einsum": _einsum,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "MatMulInteger": _matmul_integer,
    "NegativeLogLikelihoodLoss": _loss,
    "QLinearMatMul": _qlinear_matmul,
    "SoftmaxCrossEntropyLoss": _loss,
}
