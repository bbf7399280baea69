"""Elements read and written by position: GatherElements, GatherND, ScatterElements, ScatterND and their kin."""

from __future__ import annotations

from collections.abc import Sequence

from onnxport_ir import DType, Value
from onnxport_ir.dims import SymDim

from onnxport_symbolics import integers, reductions
from onnxport_symbolics.calls import backport
from onnxport_symbolics.integers import along, arange, product, wrap
from onnxport_symbolics.op import Int, Op


@backport("GatherElements")
def gather_elements(op: Op, data: Value, indices: Value, axis: int = 0) -> Value:
    """Gather from the flattened data at positions computed from the indices."""
    axis = op.axis(data, axis)
    if op.rank(data) == 1:
        return op.Gather(data, indices, axis=0)
    return op.Gather(op.Reshape(data, [-1]), _positions(op, data, indices, axis), axis=0)


def _positions(op: Op, data: Value, indices: Value, axis: int) -> Value:
    """Where in the flattened data the elements lie that indices along an axis name."""
    sizes, rank = op.dims(data), op.rank(data)
    wrapped = wrap(op, op.cast(indices, DType.INT64), sizes[axis])
    result = op.Mul(wrapped, op.scalar(product(op, sizes[axis + 1 :]), DType.INT64))
    for other, size in enumerate(op.dims(indices)):
        if other != axis and size != 1:
            stride = op.scalar(product(op, sizes[other + 1 :]), DType.INT64)
            result = op.Add(result, along(op, op.Mul(arange(op, size), stride), other, rank))
    return result


@backport("GatherND")
def gather_nd(op: Op, data: Value, indices: Value, batch_dims: int = 0) -> Value:
    """Gather from the data with the indexed axes made one."""
    indices = op.cast(indices, DType.INT64)
    rank = op.rank(indices)
    parts: list[Value] = []
    if batch_dims:
        sizes = op.dims(indices)
        parts += [along(op, arange(op, sizes[axis]), axis, rank - 1) for axis in range(batch_dims)]
    count = _depth(op, indices, "GatherND")
    parts += [op.Gather(indices, op.const(index, DType.INT64), axis=rank - 1) for index in range(count)]
    if not parts:
        raise op.needs("GatherND")
    joined, merged = _merged(op, data, parts)
    return op.Gather(merged, joined, axis=0)


def _depth(op: Op, indices: Value, name: str) -> int:
    """How many axes the last axis of the indices names."""
    depth: int | SymDim = op.sizes(indices)[-1]
    if not isinstance(depth, int):
        raise op.needs(name)
    return depth


def _merged(op: Op, data: Value, parts: Sequence[Value]) -> tuple[Value, Value]:
    """Positions along the first axes as positions along one, and the data with those axes made one."""
    sizes, count = op.dims(data), len(parts)
    joined: Value | None = None
    for axis, part in enumerate(parts):
        stride = product(op, sizes[axis + 1 : count])
        term = op.Mul(wrap(op, part, sizes[axis]), op.scalar(stride, DType.INT64))
        joined = term if joined is None else op.Add(joined, term)
    merged = data if count == 1 else op.Reshape(data, op.ints([product(op, sizes[:count]), *sizes[count:]]))
    if joined is None:
        raise op.refuse("indices that name no axis")
    return joined, merged


@backport("ScatterElements")
def scatter_elements(
    op: Op, data: Value, indices: Value, updates: Value, axis: int = 0, reduction: str = "none"
) -> Value:
    """Scatter, which was its name in two opsets, or before them a loop."""
    axis = op.axis(data, axis)
    if reduction != "none":
        return reductions.scatter_elements(op, data, indices, updates, axis, reduction)
    wrapped = wrap(op, indices, op.dim(data, axis))
    if op.has("Scatter"):
        return op.Scatter(data, wrapped, updates, axis=axis)
    return reductions.write_elements(op, data, wrapped, updates, axis)


@backport("ScatterND")
def scatter_nd(op: Op, data: Value, indices: Value, updates: Value, reduction: str = "none") -> Value:
    """Scatter to the flattened data, each element of a slice at its own position."""
    if not op.has("Scatter"):
        # Whole slices at once: a loop over their elements would take many turns.
        return reductions.scatter_nd(op, data, indices, updates, reduction)
    if reduction != "none":
        return reductions.scatter_nd(op, data, indices, updates, reduction)
    rank = op.rank(indices)
    count = _depth(op, indices, "ScatterND")
    parts = [op.Gather(indices, op.const(index, DType.INT64), axis=rank - 1) for index in range(count)]
    joined, _ = _merged(op, data, parts)
    slice_size = product(op, op.dims(data)[count:])
    if slice_size != 1:
        starts = op.Mul(op.Reshape(joined, [-1, 1]), op.scalar(slice_size, DType.INT64))
        joined = op.Add(starts, op.Unsqueeze(arange(op, slice_size), [0]))
    flat = op.Reshape(data, [-1])
    written = op.ScatterElements(flat, op.Reshape(joined, [-1]), op.Reshape(updates, [-1]), axis=0)
    return op.Reshape(written, op.shape(data))


@backport("TensorScatter")
def tensor_scatter(
    op: Op, past: Value, update: Value, write_indices: Value | None = None, axis: int = -2, mode: str = "linear"
) -> Value:
    """The positions of each sample begin at its own index."""
    rank, axis = op.rank(past), op.axis(past, axis)
    positions = along(op, arange(op, op.dim(update, axis)), axis, rank)
    if write_indices is not None:
        positions = op.Add(positions, along(op, op.cast(write_indices, DType.INT64), 0, rank))
    if mode == "circular":
        positions = op.Mod(positions, op.scalar(op.dim(past, axis), DType.INT64))
    return op.ScatterElements(past, op.Expand(positions, op.shape(update)), update, axis=axis)


@backport("ReverseSequence")
def reverse_sequence(op: Op, data: Value, lengths: Value, batch_axis: int = 1, time_axis: int = 0) -> Value:
    """Position ``t`` of a sequence of length ``n`` comes from ``n - 1 - t``, or from ``t`` beyond its end."""
    order = list(range(op.rank(data)))
    order[0], order[1] = batch_axis, time_axis
    batched = op.Transpose(data, perm=order)
    sizes = op.dims(batched)
    times = op.Unsqueeze(arange(op, sizes[1]), [0])
    ends = op.Unsqueeze(lengths, [1])
    reversed_times = op.Sub(op.Sub(ends, op.const(1)), times)
    source = op.Where(op.Less(times, ends), reversed_times, times)
    joined, merged = _merged(op, batched, [op.Unsqueeze(arange(op, sizes[0]), [1]), source])
    return op.Transpose(op.Gather(merged, joined, axis=0), perm=order)


@backport("Col2Im")
def col2im(
    op: Op,
    data: Value,
    image_shape: Value,
    block_shape: Value,
    dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Value:
    """A transposed convolution with a kernel per column, of one 1 and zeros."""
    image, block = integers.items(op, image_shape), integers.known_ints(block_shape)
    if image is None or block is None:
        raise op.needs("Col2Im")
    rank = len(image)
    dilations, strides = dilations or (1,) * rank, strides or (1,) * rank
    pads = tuple(pads or (0,) * (2 * rank))
    kernel, rows = _columns_kernel(op, data, block)
    grid: list[Int] = []
    ends, extra = [], []
    for axis, size in enumerate(image):
        reach = dilations[axis] * (block[axis] - 1) + 1
        room = integers.add(op, size, pads[axis] + pads[rank + axis] - reach)
        if isinstance(size, int) and isinstance(room, int):
            grid.append(room // strides[axis] + 1)
            rest = room // strides[axis] * strides[axis] + reach - pads[axis] - size
            ends.append(max(rest, 0))
            extra.append(max(-rest, 0))
        else:
            grid.append(integers.add(op, op.Div(op.scalar(room, DType.INT64), op.const(strides[axis])), 1))
            # At least as much as the image holds, which is then cut.
            ends.append(0)
            extra.append(strides[axis] - 1)
    columns = op.Reshape(data, op.ints([op.dim(data, 0), rows, *grid]))
    result = op.ConvTranspose(
        columns,
        kernel,
        group=rows // _count(block),
        kernel_shape=block,
        strides=strides,
        dilations=dilations,
        pads=(*pads[:rank], *ends),
        output_padding=extra,
    )
    cut = [axis for axis, size in enumerate(image) if not isinstance(size, int)]
    if not cut:
        return result
    return op.Slice(result, [0] * len(cut), op.ints([image[axis] for axis in cut]), [2 + axis for axis in cut])


def _columns_kernel(op: Op, data: Value, block: Sequence[int]) -> tuple[Value, int]:
    rows = op.sizes(data)[1]
    if not isinstance(rows, int):
        raise op.needs("Col2Im")
    count = _count(block)
    eye = [[float(row % count == column) for column in range(count)] for row in range(rows)]
    return op.Reshape(op.const(eye, op.dtype(data)), [rows, 1, *block]), rows


def _count(block: Sequence[int]) -> int:
    count = 1
    for size in block:
        count *= size
    return count
