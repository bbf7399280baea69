"""DeformConv: a convolution whose kernel's elements lie at computed places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.calls import backport
from onnxport_symbolics.integers import along, arange, mul, product
from onnxport_symbolics.op import Op
from onnxport_symbolics.sampling import at_positions


@backport("DeformConv")
def deform_conv(
    op: Op,
    x: Value,
    weight: Value,
    offset: Value,
    bias: Value | None = None,
    mask: Value | None = None,
    dilations: Sequence[int] = (1, 1),
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    offset_group: int = 1,
    pads: Sequence[int] = (0, 0, 0, 0),
    strides: Sequence[int] = (1, 1),
) -> Value:
    """Each element of the kernel is sampled from the image for each position; a product of matrices sums them up."""
    channels, kernel = op.sizes(x)[1], op.sizes(weight)[2:]
    known = [size for size in (channels, *kernel) if isinstance(size, int)]
    if len(known) != 3 or op.rank(x) != 4:
        raise op.needs("DeformConv")
    channels, rows, columns = known
    count = rows * columns
    groups = mul(op, op.dim(x, 0), offset_group)
    places = op.dims(offset)[2:]
    moved = op.Reshape(offset, op.ints([groups, count, 2, *places]))
    coordinates = []
    for axis in range(2):
        # Where each element of the kernel lies for each position, before it is moved.
        within = np.arange(count) // columns if axis == 0 else np.arange(count) % columns
        first = op.const((within * dilations[axis] - pads[axis]).reshape(1, -1, 1, 1), DType.INT64)
        steps = along(op, op.Mul(arange(op, places[axis]), op.const(strides[axis])), axis + 2, 4)
        shift = op.Gather(moved, op.const(axis, DType.INT64), axis=2)
        coordinates.append(op.Add(op.cast(op.Add(steps, first), op.dtype(x)), shift))
    images = op.Reshape(x, op.ints([groups, channels // offset_group, *op.dims(x)[2:]]))
    sampled = at_positions(op, images, coordinates, "linear", "zeros")
    if mask is not None:
        sampled = op.Mul(sampled, op.Reshape(mask, op.ints([groups, count, *places, 1])))
    area = product(op, places)
    inner = channels // group * count
    patches = op.Transpose(sampled, perm=[0, 4, 1, 2, 3])
    patches = op.Reshape(patches, op.ints([op.dim(x, 0), group, inner, area]))
    outer = op.dim(weight, 0)
    kernels = op.Reshape(weight, [group, -1, inner])
    result = op.Reshape(op.MatMul(kernels, patches), op.ints([op.dim(x, 0), outer, *places]))
    return result if bias is None else op.Add(result, op.Reshape(bias, [-1, 1, 1]))
