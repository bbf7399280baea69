"""Einsum of one or two operands: transposed to batches of matrices, and multiplied."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from onnxport_ir import Dim, Value

from onnxport_symbolics.calls import backport
from onnxport_symbolics.integers import maximum, product
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.shaping import dim_of


@backport("Einsum")
def einsum(op: Op, *operands: Value, equation: str) -> Value:
    """Operands are contracted one after the other, from the left.

    Raises:
        NeedsOpset: for an ellipsis, or a label that an operand has twice.
    """
    terms, result = _parsed(op, equation.replace(" ", ""))
    if len(terms) != len(operands):
        raise op.refuse(f"Einsum of {len(operands)} operands with the equation {equation!r}")
    found: dict[str, dict[Dim, Int]] = {}
    for labels, operand in zip(terms, operands, strict=True):
        for axis, label in enumerate(labels):
            found.setdefault(label, {})[op.sizes(operand)[axis]] = op.dim(operand, axis)
    sizes = {label: _common(op, dims) for label, dims in found.items()}
    value, labels = operands[0], terms[0]
    for index in range(1, len(operands)):
        later = set(result).union(*terms[index + 1 :])
        value, labels = _contracted(op, (value, labels), (operands[index], terms[index]), later, sizes)
    value, labels = _summed(op, value, labels, set(result))
    return op.Transpose(value, perm=[labels.index(label) for label in result])


def _common(op: Op, dims: Mapping[Dim, Int]) -> Int:
    """The size of a label: a size of 1 is broadcast, which dynamic ones may be."""
    known = [size for size in dims.values() if isinstance(size, int) and size != 1]
    if known:
        return known[0]
    return functools.reduce(functools.partial(maximum, op), [size for size in dims.values() if size != 1] or [1])


def _parsed(op: Op, equation: str) -> tuple[list[str], str]:
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if "." in equation or any(len(set(term)) != len(term) for term in [*terms, right]):
        raise op.needs_opset(f"Einsum with the equation {equation!r}", 12)
    if arrow:
        return terms, right
    joined = "".join(terms)
    return terms, "".join(sorted(label for label in set(joined) if joined.count(label) == 1))


def _summed(op: Op, value: Value, labels: str, kept: set[str]) -> tuple[Value, str]:
    """``value`` without the axes whose labels nobody asks for any more."""
    axes = [axis for axis, label in enumerate(labels) if label not in kept]
    if not axes:
        return value, labels
    return op.ReduceSum(value, axes, keepdims=0), "".join(label for label in labels if label in kept)


def _contracted(
    op: Op, left: tuple[Value, str], right: tuple[Value, str], later: set[str], sizes: dict[str, Int]
) -> tuple[Value, str]:
    """The product of two operands, summed over the labels that they share and nobody asks for later."""
    a, a_labels = _summed(op, *left, later | set(right[1]))
    b, b_labels = _summed(op, *right, later | set(a_labels))
    batch = [label for label in a_labels if label in b_labels and label in later]
    inner = [label for label in a_labels if label in b_labels and label not in later]
    rows = [label for label in a_labels if label not in b_labels]
    columns = [label for label in b_labels if label not in a_labels]
    a = _arranged(op, a, a_labels, (batch, rows, inner), sizes)
    b = _arranged(op, b, b_labels, (batch, inner, columns), sizes)
    labels = "".join([*batch, *rows, *columns])
    return op.Reshape(op.MatMul(a, b), op.ints([sizes[label] for label in labels])), labels


def _arranged(op: Op, value: Value, labels: str, groups: Sequence[Sequence[str]], sizes: dict[str, Int]) -> Value:
    """``value`` with its axes in three groups, each made one axis."""
    order = [label for group in groups for label in group]
    value = op.Transpose(value, perm=[labels.index(label) for label in order])
    full = [sizes[label] for label in order]
    if any(known != dim_of(op, size) for known, size in zip(op.sizes(value), full, strict=True)):
        value = op.Expand(value, op.ints(full))
    return op.Reshape(value, op.ints([product(op, [sizes[label] for label in group]) for group in groups]))
