"""Scatters that combine, for opsets whose scatters only write, and that write, for opsets without any."""

from __future__ import annotations

from collections.abc import Callable

from onnxport_ir import DType, TensorType, Value

from onnxport_symbolics.integers import along, arange, product, settle
from onnxport_symbolics.op import Int, Op

_COMBINE = {"add": "Add", "mul": "Mul", "max": "Max", "min": "Min"}


def scatter_elements(op: Op, data: Value, indices: Value, updates: Value, axis: int, reduction: str) -> Value:
    """One position along the axis after the other: within one, no element is written twice.

    Args:
        op: the builder.
        data: what is added to.
        indices: where along the axis each update belongs.
        updates: of the shape of the indices.
        axis: counted from the front.
        reduction: ``add``, ``mul``, ``max`` or ``min``.
    """

    def combined(into: Value, place: Value, update: Value) -> Value:
        found = op.GatherElements(into, place, axis=axis)
        (result,) = op.multi(_COMBINE[reduction], 1, found, update)
        return op.ScatterElements(into, place, result, axis=axis)

    return _one_by_one(op, data, (indices, updates), axis, combined)


def write_elements(op: Op, data: Value, indices: Value, updates: Value, axis: int) -> Value:
    """ScatterElements without any scatter: one position along the axis after the other, chosen by comparison.

    Raises:
        NeedsOpset: if the updates do not cover the other axes.
    """
    sizes = op.sizes(data)
    if any(sizes[other] != size for other, size in enumerate(op.sizes(indices)) if other != axis):
        raise op.needs_opset("ScatterElements of a part of the other axes", 9)
    positions = along(op, arange(op, op.dim(data, axis)), axis, op.rank(data))

    def chosen(into: Value, place: Value, update: Value) -> Value:
        return op.Where(op.Equal(positions, op.cast(place, DType.INT64)), update, into)

    return _one_by_one(op, data, (indices, updates), axis, chosen)


def _one_by_one(
    op: Op, data: Value, given: tuple[Value, Value], axis: int, step: Callable[[Value, Value, Value], Value]
) -> Value:
    """``step(data, indices, updates)`` for each position of indices and updates along the axis."""
    count = op.dim(given[0], axis)
    if count == 1:
        return step(data, *given)
    counter, flag = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ()))
    carried = Value(TensorType(op.dtype(data), op.sizes(data)))
    with op.body([counter, flag, carried], name="scatter") as body:
        position = op.Reshape(counter, [1])
        place, update = (op.Gather(value, position, axis=axis) for value in given)
        body.outputs = [op.alias(flag), op.own(step(carried, place, update))]
    (result,) = op.multi("Loop", 1, op.scalar(count, DType.INT64), op.const(True, DType.BOOL), data, body=body)
    return op.retype(result, data.value_type)


def scatter_nd(op: Op, data: Value, indices: Value, updates: Value, reduction: str) -> Value:
    """Rows of the data with the indexed axes made one, one index after the other."""
    depth = op.sizes(indices)[-1]
    if not isinstance(depth, int):
        raise op.needs_opset(f"ScatterND with reduction={reduction!r} along an unknown number of axes", 16)
    sizes = op.dims(data)
    count: Int = product(op, op.dims(indices)[:-1])
    joined: Value | None = None
    for axis in range(depth):
        part = op.Gather(indices, op.const(axis, DType.INT64), axis=-1)
        size, stride = op.scalar(sizes[axis], DType.INT64), product(op, sizes[axis + 1 : depth])
        counted = op.Where(op.Less(part, op.const(0, DType.INT64)), op.Add(part, size), part)
        term = op.Mul(counted, op.scalar(stride, DType.INT64))
        joined = term if joined is None else op.Add(joined, term)
    if joined is None:
        raise op.refuse("indices that name no axis")
    width = settle(product(op, sizes[depth:]))
    rows = op.Reshape(data, op.ints([product(op, sizes[:depth]), width]))
    places = op.Expand(op.Reshape(joined, op.ints([count, 1])), op.ints([count, width]))
    added = op.Reshape(updates, op.ints([count, width]))
    if reduction == "none":
        return op.Reshape(op.ScatterElements(rows, places, added, axis=0), op.shape(data))
    return op.Reshape(scatter_elements(op, rows, places, added, 0, reduction), op.shape(data))
