"""Scatters that combine, for opsets whose scatters only write."""

from __future__ import annotations

from onnxport_ir import DType, TensorType, Value

from onnxport_symbolics.integers import product, settle
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
    dtype, count = op.dtype(data), op.dim(indices, axis)
    if count == 1:
        return _combined(op, data, indices, updates, axis, reduction)
    counter, flag = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ()))
    carried = Value(TensorType(dtype, op.sizes(data)))
    with op.body([counter, flag, carried], name="scatter") as body:
        position = op.Reshape(counter, [1])
        place, update = (op.Gather(value, position, axis=axis) for value in (indices, updates))
        result = _combined(op, carried, place, update, axis, reduction)
        body.outputs = [op.alias(flag), op.own(result)]
    (result,) = op.multi("Loop", 1, op.scalar(count, DType.INT64), op.const(True, DType.BOOL), data, body=body)
    return op.retype(result, data.value_type)


def _combined(op: Op, data: Value, indices: Value, updates: Value, axis: int, reduction: str) -> Value:
    found = op.GatherElements(data, indices, axis=axis)
    (combined,) = op.multi(_COMBINE[reduction], 1, found, updates)
    return op.ScatterElements(data, indices, combined, axis=axis)


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
    return op.Reshape(scatter_elements(op, rows, places, added, 0, reduction), op.shape(data))
