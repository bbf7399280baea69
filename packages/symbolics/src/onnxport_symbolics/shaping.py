"""Reshapes, expansions and slices, for the handlers of all families.

A size is an ``int`` where it is known during the export, else a value of rank 0
(:data:`onnxport_symbolics.op.Int`); arithmetic on sizes is in :mod:`onnxport_symbolics.integers`. The helpers write
target shapes with ONNX's 0 ("copy") and -1 ("what is left") where that spares nodes that would compute a shape at
run time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnxport_ir import ArrayTensor, Dim, DType, TensorType, Value
from onnxport_ir.dims import product
from onnxport_ir.rules.sizes import polynomial_quotient

from onnxport_symbolics.integers import INT64_MAX, INT64_MIN, settle
from onnxport_symbolics.op import Int, Op


def dim_of(op: Op, size: Int) -> Dim | None:
    """A size as a dim: a number or a formula; None if nothing is known of it."""
    if isinstance(size, int):
        return size
    known = op.known_dims(size)
    return known[0] if known is not None and len(known) == 1 else None


def reshape(op: Op, x: Value, dims: Sequence[Int]) -> Value:
    """``x`` with the sizes ``dims``, as ``Tensor.view`` reads them: one may be -1, and a 0 is a size of 0.

    The shape is a constant unless two or more of the sizes are dynamic and none of ``x``'s at the same place. Where
    such a constant copies a size that is 0 at run time and infers another, the run fails (as ``view`` does for a -1):
    ONNX cannot know what is meant. Before opset 14, the same holds for computed shapes.
    """
    sizes = [settle(size) for size in dims]
    if any(isinstance(size, int) and size == 0 for size in sizes):
        return _empty(op, x, sizes)
    formulas = [dim_of(op, size) for size in sizes]
    _resolve(x, sizes, formulas)
    if any(isinstance(size, int) and size == 0 for size in sizes):
        return _empty(op, x, sizes)
    if x.shape is not None and tuple(formulas) == x.shape:
        return x
    shape = x.shape or ()
    axis = _flattened_at(formulas, shape)
    if axis is not None:
        return _with_formulas(op, x, op.Flatten(x, axis=axis), formulas)
    entries: list[Int] = list(sizes)
    for axis, formula in enumerate(formulas):
        if not isinstance(sizes[axis], int) and formula is not None and axis < len(shape) and formula == shape[axis]:
            entries[axis] = 0
    _copy_inferred(entries, formulas, shape)
    rest = [axis for axis, entry in enumerate(entries) if not isinstance(entry, int)]
    if len(rest) + (-1 in entries) > 1 and op.has_attribute("Reshape", "allowzero"):
        # A computed size of 0 must not be read as a copy, so there are no copies either.
        explicit = [op.dim(x, axis) if entry == 0 else entry for axis, entry in enumerate(entries)]
        result = op.Reshape(x, op.ints(explicit), allowzero=1)
    else:
        if rest and -1 not in entries:
            entries[max(rest, key=lambda axis: _cost(formulas[axis]))] = -1
        result = op.Reshape(x, op.ints(entries))
    return _with_formulas(op, x, result, formulas)


def _flattened_at(formulas: Sequence[Dim | None], shape: Sequence[Dim]) -> int | None:
    """Where the axes of a tensor are parted, if the sizes are the products of those before and after.

    ONNX's Flatten needs no sizes, so that none can be taken for a copy; with all sizes known, and with one that is
    not, Reshape says as much.
    """
    if len(formulas) != 2 or sum(not isinstance(size, int) for size in formulas) < 2:
        return None
    for axis in range(1, len(shape)):
        if product(shape[:axis]) == formulas[0] and product(shape[axis:]) == formulas[1]:
            return axis
    return None


def _resolve(x: Value, sizes: list[Int], formulas: list[Dim | None]) -> None:
    """Find out what a -1 stands for, as a number or formula."""
    if -1 not in formulas or x.shape is None:
        return
    inferred = formulas.index(-1)
    others: list[Dim] = []
    for axis, formula in enumerate(formulas):
        if formula is None:
            return
        if axis != inferred:
            others.append(formula)
    size = polynomial_quotient(product(x.shape), product(others))
    if size is not None:
        formulas[inferred] = size
        if isinstance(size, int):
            sizes[inferred] = size


def _copy_inferred(entries: list[Int], formulas: Sequence[Dim | None], shape: Sequence[Dim]) -> None:
    """Spell a -1 as a copy where it stands for the size that is copied, if another size needs the -1."""
    if -1 not in entries or all(isinstance(entry, int) for entry in entries):
        return
    inferred = entries.index(-1)
    if inferred < len(shape) and formulas[inferred] == shape[inferred]:
        entries[inferred] = 0


def _cost(formula: Dim | None) -> int:
    """How much is saved by leaving a size to ONNX: most for one that is computed from others."""
    if formula is None:
        return 1
    return 0 if isinstance(formula, int) or formula.name is not None else 2


def _with_formulas(op: Op, x: Value, result: Value, formulas: Sequence[Dim | None]) -> Value:
    """Put in the sizes that the model's code computed, which read better than ONNX's quotients of products."""
    if result is x or result.const is not None or result.shape is None or len(result.shape) != len(formulas):
        return result
    shape = tuple(
        found if formula is None or formula == -1 else formula
        for found, formula in zip(result.shape, formulas, strict=True)
    )
    return op.retype(result, TensorType(result.dtype, shape))


def _empty(op: Op, x: Value, sizes: Sequence[Int]) -> Value:
    """A tensor without elements: ONNX would read the 0 in its shape as a copy."""
    if x.shape is not None and tuple(sizes) == x.shape:
        return x
    return full(op, sizes, 0, op.dtype(x))


def full(op: Op, sizes: Sequence[Int], number: complex, dtype: DType) -> Value:
    """A tensor of ``sizes`` with all elements equal to ``number``; a constant if it is small and its sizes known."""
    if dtype not in _FILLABLE:
        return op.cast(full(op, sizes, number, DType.FLOAT32), dtype)
    value = ArrayTensor.of(np.array([number]).astype(dtype.numpy), dtype)
    return op.ConstantOfShape(op.ints(sizes), value=value)


#: The types that ConstantOfShape has had from the start.
_FILLABLE = frozenset(
    {
        DType.BOOL,
        DType.UINT8,
        DType.INT8,
        DType.UINT16,
        DType.INT16,
        DType.UINT32,
        DType.INT32,
        DType.UINT64,
        DType.INT64,
        DType.FLOAT16,
        DType.FLOAT32,
        DType.FLOAT64,
    }
)


def expand_to(op: Op, x: Value, dims: Sequence[Int]) -> Value:
    """``x`` broadcast to the sizes ``dims``, as ``Tensor.expand`` reads them: -1 keeps a size."""
    sizes = [settle(size) for size in dims]
    added = len(sizes) - op.rank(x)
    if added < 0:
        raise op.refuse(f"an expansion of a tensor of rank {op.rank(x)} to {len(sizes)} sizes")
    if -1 in sizes[:added]:
        raise op.refuse("an expansion that keeps the size of a new axis")
    shape = (None,) * added + op.sizes(x)
    entries: list[Int] = []
    for size, old in zip(sizes, shape, strict=True):
        keeps = old is not None and (size == -1 or dim_of(op, size) == old)
        entries.append(1 if keeps else size)
    if not added and all(entry == 1 for entry in entries):
        return x
    if all(entry == 1 for entry in entries):
        return unsqueeze(op, x, range(added))
    # Leading entries of 1 for axes that x has say nothing.
    while not added and entries[0] == 1:
        entries.pop(0)
    return op.Expand(x, op.ints(entries))


def broadcast_shape(op: Op, *tensors: Value) -> list[Int]:
    """The sizes that tensors are broadcast to."""
    result: list[Int] = []
    for tensor in tensors:
        sizes = op.dims(tensor)
        length = max(len(result), len(sizes))
        left: list[Int] = [*(1 for _ in range(length - len(result))), *result]
        right: list[Int] = [*(1 for _ in range(length - len(sizes))), *sizes]
        result = [_broadcast_size(op, a, b) for a, b in zip(left, right, strict=True)]
    return result


def _broadcast_size(op: Op, left: Int, right: Int) -> Int:
    if isinstance(left, int) and left == 1:
        return right
    if isinstance(right, int) and right == 1:
        return left
    if isinstance(left, int):
        return left
    if isinstance(right, int):
        return right
    if left is right or (dim_of(op, left) is not None and dim_of(op, left) == dim_of(op, right)):
        return left
    return op.Where(op.Equal(left, 1), right, left)


def unsqueeze(op: Op, x: Value, axes: Sequence[int]) -> Value:
    """Insert axes of size 1; ``axes`` count in the result, negative ones from its end."""
    if not axes:
        return x
    if x.rank is None and len(axes) == 1:
        return op.Unsqueeze(x, list(axes))
    rank = op.rank(x) + len(axes)
    return op.Unsqueeze(x, sorted(axis % rank for axis in axes))


def squeeze(op: Op, x: Value, axes: Sequence[int]) -> Value:
    """Remove axes, which must be of size 1; negative ones count from the end."""
    if not axes:
        return x
    return op.Squeeze(x, sorted(op.axis(x, axis) for axis in axes))


def transpose(op: Op, x: Value, first: int, second: int) -> Value:
    """Swap two axes."""
    perm = list(range(op.rank(x)))
    if not perm:
        return x
    a, b = op.axis(x, first), op.axis(x, second)
    perm[a], perm[b] = b, a
    return op.Transpose(x, perm=perm)


def transpose_last(op: Op, x: Value) -> Value:
    """Swap the last two axes of a tensor of at least rank 2."""
    return transpose(op, x, -1, -2)


def move_axis(op: Op, x: Value, source: int, target: int) -> Value:
    """Move one axis to another place; the others keep their order."""
    rest = [axis for axis in range(op.rank(x)) if axis != op.axis(x, source)]
    rest.insert(op.axis(x, target), op.axis(x, source))
    return op.Transpose(x, perm=rest)


def flatten_all(op: Op, x: Value) -> Value:
    """``x`` as a tensor of rank 1."""
    return x if x.rank == 1 else op.Reshape(x, [-1])


def slice_axis(op: Op, x: Value, axis: int, start: Int | None = None, end: Int | None = None, step: int = 1) -> Value:
    """``x[..., start:end:step, ...]`` along one axis, with ONNX's reading of a negative start or end.

    A start or end that is left out is the one that takes everything; out of range ones are cut to the axis.
    """
    axis = op.axis(x, axis)
    size = op.sizes(x)[axis]
    first: Int = settle(start) if start is not None else 0 if step > 0 else INT64_MAX
    last: Int = settle(end) if end is not None else INT64_MAX if step > 0 else INT64_MIN
    if step == 1 and isinstance(last, Value) and dim_of(op, last) == size:
        last = INT64_MAX
    if step == 1 and isinstance(size, int) and isinstance(first, int) and isinstance(last, int):
        first, last, _ = slice(first, last).indices(size)
        last = max(first, last)
        if first == 0 and last == size:
            return x
    elif step == 1 and first == 0 and last == INT64_MAX:
        return x
    steps = None if step == 1 else [step]
    return op.Slice(x, op.ints([first]), op.ints([last]), [axis], steps)


def index_axis(op: Op, x: Value, axis: int, index: Int) -> Value:
    """``x[..., index, ...]`` along one axis, which goes away; a negative index counts from the end."""
    axis = op.axis(x, axis)
    size = op.sizes(x)[axis]
    if isinstance(index, int) and isinstance(size, int) and -size <= index < size:
        index %= size
    return op.Gather(x, op.scalar(index, DType.INT64), axis=axis)


def pad_axes(
    op: Op,
    x: Value,
    axes: Sequence[int],
    before: Sequence[Int],
    after: Sequence[Int],
    fill: Value | None = None,
    mode: str = "constant",
) -> Value:
    """``x`` longer along some axes; ``fill`` is what constant padding consists of, 0 if it is left out.

    The node has sizes for all axes: ONNX Runtime's optimizer gets a transpose past no Pad that names its axes.
    """
    starts: list[Int] = [0] * op.rank(x)
    ends = list(starts)
    for axis, start, end in zip(axes, before, after, strict=True):
        starts[axis], ends[axis] = start, end
    return op.Pad(x, op.ints([*starts, *ends]), fill, mode=mode)
