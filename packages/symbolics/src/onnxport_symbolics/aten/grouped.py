"""Products of groups of rows with a matrix each, as mixtures of experts have them."""

from __future__ import annotations

from onnxport_ir import DType, Value

from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import index_axis, slice_axis


@aten("_grouped_mm")
def grouped_mm(
    op: Op,
    self: Value,
    mat2: Value,
    offs: Value | None = None,
    bias: Value | None = None,
    out_dtype: DType | None = None,
) -> Value:
    """_grouped_mm(Tensor self, Tensor mat2, Tensor? offs=None, Tensor? bias=None, ScalarType? out_dtype=None)
    -> Tensor

    self (T, K) and mat2 (G, K, N): rows offs[g-1] to offs[g] times mat2[g] -> (T, N); rows behind the last offset,
    which torch leaves open, go with the last matrix. self (G, M, K) and mat2 (K, T): columns, -> (M, T). Both of
    rank 2, (M, T) and (T, N): the inner axis is cut -> (G, M, N). Both of rank 3: a batch of products.
    """
    if bias is not None:
        raise op.refuse("_grouped_mm with bias")
    result = op.MatMul(self, mat2) if offs is None else _by_groups(op, self, mat2, op.cast(offs, DType.INT64))
    return result if out_dtype is None else op.cast(result, out_dtype)


def _by_groups(op: Op, left: Value, right: Value, ends: Value) -> Value:
    count = op.dim(ends, 0)
    if not isinstance(count, int) or count == 0:
        raise op.refuse("_grouped_mm with a number of groups that depends on the input")
    ranks = op.rank(left), op.rank(right)
    if ranks not in ((2, 3), (3, 2), (2, 2)):
        raise op.refuse(f"_grouped_mm of ranks {ranks[0]} and {ranks[1]} with offsets")
    products = []
    start: Int = 0
    for group in range(count):
        end = index_axis(op, ends, 0, group)
        # Only the inner axis may end before the tensor does: rows and columns must come out complete.
        last = None if group == count - 1 and ranks != (2, 2) else end
        a = slice_axis(op, left, 0 if ranks == (2, 3) else 1, start, last) if ranks != (3, 2) else _one(op, left, group)
        b = (
            slice_axis(op, right, 1 if ranks == (3, 2) else 0, start, last)
            if ranks != (2, 3)
            else _one(op, right, group)
        )
        products.append(op.MatMul(a, b))
        start = end
    if ranks == (2, 2):
        return op.Concat(*(op.Unsqueeze(product, [0]) for product in products), axis=0)
    return op.Concat(*products, axis=0 if ranks == (2, 3) else 1)


def _one(op: Op, stack: Value, group: int) -> Value:
    return index_axis(op, stack, 0, group)
