"""Matrix products."""

from __future__ import annotations

import string
from collections.abc import Sequence

from onnxport_ir import Value

from onnxport_symbolics.aten.arithmetic import mul
from onnxport_symbolics.aten.diagonal import diagonal
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.promote import Scalar, as_dtype
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import full


@aten("mm", "bmm", "matmul", "linalg_matmul", "mv", "dot", "vdot")
def matmul(
    op: Op,
    self: Value,
    other: Value | None = None,
    mat2: Value | None = None,
    vec: Value | None = None,
    tensor: Value | None = None,
) -> Value:
    """matmul(Tensor self, Tensor other) -> Tensor; mm, bmm(Tensor self, Tensor mat2); mv(Tensor self, Tensor vec)"""
    right = next((operand for operand in (other, mat2, vec, tensor) if operand is not None), None)
    if right is None:
        raise op.refuse("a matrix product without its second operand")
    return product(op, self, right)


def product(op: Op, left: Value, right: Value) -> Value:
    """``left @ right`` for ranks from 1 on, in their own element type.

    ONNX's MatMul takes integers as torch does, but no bool; torch refuses that as well.
    """
    return op.MatMul(left, right)


@aten("linear")
def linear(op: Op, input: Value, weight: Value, bias: Value | None = None) -> Value:
    """linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor

    input (*, K), weight (N, K) or (K), bias (N) -> (*, N) or (*).
    """
    if op.rank(weight) == 1:
        result = product(op, input, weight)
    elif op.rank(input) == 2 and op.dtype(input).is_float:
        return op.Gemm(input, weight, bias, transB=1)
    else:
        result = product(op, input, op.Transpose(weight, perm=(1, 0)))
    return result if bias is None else op.Add(result, bias)


@aten("addmm")
def addmm(op: Op, self: Value, mat1: Value, mat2: Value, beta: Scalar, alpha: Scalar) -> Value:
    """addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor

    self broadcasts to (N, M); mat1 (N, K), mat2 (K, M). With beta = 0, self is not read (its NaNs do not count).
    """
    if op.dtype(mat1).is_float and op.rank(self) <= 2:
        return op.Gemm(mat1, mat2, self if beta else None, alpha=alpha, beta=beta)
    return _added(op, self, product(op, mat1, mat2), beta, alpha)


@aten("addmv")
def addmv(op: Op, self: Value, mat: Value, vec: Value, beta: Scalar, alpha: Scalar) -> Value:
    """addmv(Tensor self, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) -> Tensor"""
    return _added(op, self, product(op, mat, vec), beta, alpha)


@aten("baddbmm")
def baddbmm(op: Op, self: Value, batch1: Value, batch2: Value, beta: Scalar, alpha: Scalar) -> Value:
    """baddbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor"""
    return _added(op, self, product(op, batch1, batch2), beta, alpha)


@aten("addbmm")
def addbmm(op: Op, self: Value, batch1: Value, batch2: Value, beta: Scalar, alpha: Scalar) -> Value:
    """addbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor"""
    summed = op.ReduceSum(product(op, batch1, batch2), [0], keepdims=0)
    return _added(op, self, summed, beta, alpha)


@aten("addr")
def addr(op: Op, self: Value, vec1: Value, vec2: Value, beta: Scalar, alpha: Scalar) -> Value:
    """addr(Tensor self, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1) -> Tensor"""
    return _added(op, self, outer(op, vec1, vec2), beta, alpha)


@aten("outer", "ger")
def outer(op: Op, self: Value, vec2: Value) -> Value:
    """outer(Tensor self, Tensor vec2) -> Tensor"""
    return mul(op, op.Unsqueeze(self, [1]), op.Unsqueeze(vec2, [0]))


def _added(op: Op, bias: Value, result: Value, beta: Scalar, alpha: Scalar) -> Value:
    """``beta * bias + alpha * result``, of which a factor of 1 costs nothing and beta = 0 leaves bias unread."""
    dtype = op.dtype(result)
    scaled = op.Mul(result, as_dtype(op, alpha, dtype))
    if not beta:
        return scaled
    return op.Add(op.Mul(bias, as_dtype(op, beta, dtype)), scaled)


@aten("einsum")
def einsum(op: Op, equation: str, tensors: Sequence[Value], path: object = None) -> Value:
    """einsum(str equation, Tensor[] tensors, *, int[]? path=None) -> Tensor"""
    equation = _explicit(equation.replace(" ", ""), tensors)
    if not op.has("Einsum"):
        equation, tensors = _without_diagonals(op, equation, tensors)
    if any(0 in op.sizes(tensor) for tensor in tensors):
        return _sum_of_nothing(op, equation, tensors)
    product = _matrix_product(op, equation, tensors)
    return op.Einsum(*tensors, equation=equation) if product is None else product


def _explicit(equation: str, tensors: Sequence[Value]) -> str:
    """The equation with its result, and with labels for what an ellipsis stands for.

    ONNX Runtime wants an ellipsis to stand for equally many axes everywhere; torch, as many as are left.
    """
    left, arrow, result = equation.partition("->")
    terms = left.split(",")
    ranks = [tensor.rank for tensor in tensors]
    if "..." in left and None not in ranks and len(terms) == len(ranks):
        counts = [(rank or 0) - len(term) + 3 if "..." in term else 0 for term, rank in zip(terms, ranks, strict=True)]
        free = [label for label in string.ascii_letters if label not in equation][: max(counts)]
        if len(free) < max(counts):
            return equation
        joined = "".join(free)
        terms = [term.replace("...", joined[len(joined) - count :]) for term, count in zip(terms, counts, strict=True)]
        if not arrow:
            result = "..."
        result = result.replace("...", joined)
    elif "." in left:
        return equation
    if not arrow:
        result += "".join(sorted(label for label in set(left) - {",", "."} if left.count(label) == 1))
    return f"{','.join(terms)}->{result}"


def _without_diagonals(op: Op, equation: str, tensors: Sequence[Value]) -> tuple[str, list[Value]]:
    """The equation with diagonals in place of operands that have a label twice."""
    left, arrow, result = equation.partition("->")
    terms, found = left.split(","), list(tensors)
    for index, term in enumerate(terms):
        for label in [label for label in dict.fromkeys(term) if term.count(label) > 1 and label != "."]:
            while terms[index].count(label) > 1:
                labels = terms[index]
                first = labels.index(label)
                second = labels.index(label, first + 1)
                found[index] = diagonal(op, found[index], 0, first, second)
                terms[index] = labels[:first] + labels[first + 1 : second] + labels[second + 1 :] + label
    return f"{','.join(terms)}{arrow}{result}", found


def _sum_of_nothing(op: Op, equation: str, tensors: Sequence[Value]) -> Value:
    """The result of an equation in which a size is known to be 0: zeros, if it has elements at all."""
    terms, arrow, result = equation.partition("->")
    if "." in equation or not arrow:
        raise op.refuse(f"einsum {equation!r} of a tensor without elements", "Name all axes and those of the result.")
    sizes: dict[str, Int] = {}
    for term, tensor in zip(terms.split(","), tensors, strict=True):
        for axis, label in enumerate(term):
            size = op.dim(tensor, axis)
            sizes[label] = size if sizes.get(label, 1) == 1 else sizes[label]
    return full(op, [sizes[label] for label in result], 0, op.dtype(tensors[0]))


def _matrix_product(op: Op, equation: str, tensors: Sequence[Value]) -> Value | None:
    """An equation of dynamic sizes as MatMul, where transpositions are all that it needs else.

    ONNX Runtime's Einsum divides by zero where a size is 0, which ends the process.
    """
    terms, _, result = equation.partition("->")
    if len(tensors) != 2 or "." in equation or not all(terms.split(",")) or len(result) < 2:
        return None
    left, right = terms.split(",")
    shared = [label for label in left if label in right]
    batch, inner = [label for label in result if label in shared], [label for label in shared if label not in result]
    rows, columns = [label for label in left if label not in shared], [label for label in right if label not in shared]
    if not len(inner) == len(rows) == len(columns) == 1 or len({*left}) + len({*right}) != len(left) + len(right):
        return None
    if sorted(result) != sorted([*batch, *rows, *columns]):
        return None
    sizes = [
        dict(zip(term, op.sizes(tensor), strict=True)) for term, tensor in zip((left, right), tensors, strict=True)
    ]
    if any(sizes[0][label] != sizes[1][label] for label in shared):
        return None
    if all(isinstance(size, int) and size for found in sizes for size in found.values()):
        return None
    a = op.Transpose(tensors[0], perm=[left.index(label) for label in [*batch, *rows, *inner]])
    b = op.Transpose(tensors[1], perm=[right.index(label) for label in [*batch, *inner, *columns]])
    order = [*batch, *rows, *columns]
    return op.Transpose(op.MatMul(a, b), perm=[order.index(label) for label in result])


@aten("chain_matmul", "linalg_multi_dot")
def multi_dot(op: Op, tensors: Sequence[Value] | None = None, matrices: Sequence[Value] | None = None) -> Value:
    """linalg_multi_dot(Tensor[] tensors) -> Tensor; chain_matmul(Tensor[] matrices) -> Tensor"""
    first, *rest = tensors if tensors is not None else matrices or ()
    for matrix in rest:
        first = op.MatMul(first, matrix)
    return first


@aten("bilinear")
def bilinear(op: Op, input1: Value, input2: Value, weight: Value, bias: Value | None = None) -> Value:
    """bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor

    input1 (*, A), input2 (*, B), weight (M, A, B), bias (M) -> (*, M).
    """
    # (*, 1, 1, A) @ (M, A, B) -> (*, M, 1, B), times input2 and summed over B.
    left = op.MatMul(op.Unsqueeze(input1, [-2, -3]), weight)
    products = op.MatMul(left, op.Unsqueeze(input2, [-1, -3]))
    result = op.Squeeze(products, [-1, -2])
    return result if bias is None else op.Add(result, bias)
