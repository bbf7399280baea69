"""Layers: normalisation, dropout, pooling, recurrent networks, sampling, Fourier transforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onnxport_ir import DType, Value

from onnxport_symbolics import integers
from onnxport_symbolics.calls import Call, downgrade
from onnxport_symbolics.downgrades.axes import first
from onnxport_symbolics.integers import known_ints
from onnxport_symbolics.op import Op
from onnxport_symbolics.sampling import sampled

#: Names of modes of GridSample before and after opset 20.
_OLD_MODES = {"linear": "bilinear", "cubic": "bicubic"}


@downgrade("BatchNormalization", at=15)
def batch_norm_scale_of_data(op: Op, call: Call) -> Call | tuple[Value, ...]:
    """Scale and bias had the type of the data."""
    return _in_one_type(op, call, 3)


@downgrade("BatchNormalization", at=14)
def batch_norm_of_inference(op: Op, call: Call) -> Call | tuple[Value, ...]:
    """All operands had one type. Training was told by the number of results, its variance not specified."""
    if not call.attributes.pop("training_mode", 0):
        return _in_one_type(op, call, 5)
    data, scale, bias, mean, variance = (value for value in call.operands if value is not None)
    epsilon = op.const_like(float(call.attributes.get("epsilon", 1e-5)), data)
    momentum = float(call.attributes.get("momentum", 0.9))
    rank = op.rank(data)
    axes = [axis for axis in range(rank) if axis != 1]
    batch_mean = op.ReduceMean(data, axes, keepdims=1)
    centred = op.Sub(data, batch_mean)
    batch_variance = op.ReduceMean(op.Mul(centred, centred), axes, keepdims=1)
    column = [-1 if axis == 0 else 1 for axis in range(rank - 1)]
    normal = op.Div(centred, op.Sqrt(op.Add(batch_variance, epsilon)))
    result = op.Add(op.Mul(normal, op.Reshape(scale, column)), op.Reshape(bias, column))
    running = [
        op.Add(
            op.Mul(old, op.const_like(momentum, old)), op.Mul(op.Reshape(new, [-1]), op.const_like(1 - momentum, old))
        )
        for old, new in ((mean, batch_mean), (variance, batch_variance))
    ]
    return (result, *running)[: call.num_results]


def _in_one_type(op: Op, call: Call, count: int) -> Call | tuple[Value, ...]:
    """The call if its first ``count`` operands have one type, else all of it in the widest."""
    values = [value for value in call.operands if value is not None]
    dtypes = [op.dtype(value) for value in values]
    if len(set(dtypes[:count])) == 1:
        return call
    widest = DType.FLOAT64 if DType.FLOAT64 in dtypes else DType.FLOAT32
    wide = [op.cast(value, widest) for value in values]
    results = op.multi("BatchNormalization", call.num_results, *wide, **call.attributes)
    return (op.cast(results[0], dtypes[0]), *(op.cast(result, dtypes[3]) for result in results[1:]))


@downgrade("Dropout", at=12)
def dropout_of_inference(op: Op, call: Call) -> Call | tuple[Value, ...]:
    """The ratio was an attribute, and which mode it is was for the runtime to know: that of inference."""
    training = call.operand("training_mode")
    ratio = call.operand("ratio")
    if training is not None and training.const is None:
        raise op.needs_opset("Dropout with a training_mode that depends on the input", 12)
    if training is not None and bool(training.array().reshape(-1)[0]):
        return _dropped(op, first(call), ratio, call.attributes.get("seed"))[: call.num_results]
    # Neither has an effect in inference.
    attributes = {} if ratio is None or ratio.const is None else {"ratio": float(ratio.array().reshape(-1)[0])}
    older = Call("Dropout", call.operands[:1], attributes)
    if call.num_results == 1:
        return older
    # Nothing is dropped; runtimes did not agree on what the mask holds then.
    return *op.emit(older), op.Expand(op.const(True, DType.BOOL), op.shape(first(call)))


def _dropped(op: Op, data: Value, ratio: Value | None, seed: int | None) -> tuple[Value, Value]:
    """The data scaled, with some of it times 0, and what was kept."""
    dtype = op.dtype(data)
    share = op.const(0.5, dtype) if ratio is None else op.cast(ratio, dtype)
    drawn = op.RandomUniformLike(data, dtype=dtype, seed=None if seed is None else float(seed))
    kept = op.Not(op.Less(drawn, share))
    scale = op.Div(op.const(1, dtype), op.Sub(op.const(1, dtype), share))
    return op.Mul(op.Mul(data, op.cast(kept, dtype)), scale), kept


@downgrade("MaxPool", at=10)
def max_pool_without_ceil_mode(op: Op, call: Call) -> Call:
    """There were neither dilations nor ceil_mode; rounding up is done by padding at the end."""
    return _rounded_up(op, _undilated(op, call, 10), 10)


@downgrade("MaxPool", at=8)
def max_pool_without_indices(op: Op, call: Call) -> Call:
    """There were no indices."""
    if call.num_results > 1:
        raise op.needs_opset("MaxPool with indices", 8)
    call.attributes.pop("storage_order", None)
    return call


@downgrade("AveragePool", at=19)
def average_pool_without_dilations(op: Op, call: Call) -> Call:
    """There were no dilations."""
    return _undilated(op, call, 19)


@downgrade("AveragePool", at=10)
def average_pool_without_ceil_mode(op: Op, call: Call) -> Call:
    """There was no ceil_mode; rounding up is done by padding at the end."""
    behind: Sequence[int] = ()
    if call.attributes.get("ceil_mode", 0) and call.attributes.get("count_include_pad", 0):
        pads = call.attributes.pop("pads", None)
        call.attributes.pop("count_include_pad")
        if pads is not None and any(pads):
            # The pads that count become elements; those that only round up are left out of the count.
            half = len(pads) // 2
            full = [0, 0, *pads[:half], 0, 0, *pads[half:]]
            call.operands[0] = op.Pad(first(call), full)
            behind = pads[half:]
    return _rounded_up(op, call, 10, behind)


@downgrade("LpPool", at=18)
def lp_pool_without_ceil_mode(op: Op, call: Call) -> Call:
    """There were neither dilations nor ceil_mode; rounding up is done by padding at the end."""
    return _rounded_up(op, _undilated(op, call, 18), 18)


def _undilated(op: Op, call: Call, at: int) -> Call:
    dilations = call.attributes.pop("dilations", None)
    if dilations is not None and any(dilation != 1 for dilation in dilations):
        raise op.needs_opset(f"{call.op_type} with dilations={dilations}", at)
    return call


def _rounded_up(op: Op, call: Call, at: int, behind: Sequence[int] = ()) -> Call:
    """The call without ceil_mode, padded so far that the last window ends where rounding up would have it end.

    Args:
        op: the builder.
        call: the call.
        at: the opset that has ceil_mode.
        behind: how many of the last elements along each axis are padding, in which no window begins.
    """
    if not call.attributes.pop("ceil_mode", 0):
        return call
    kernel = call.attributes["kernel_shape"]
    spatial = op.sizes(first(call))[2:]
    if call.attributes.get("auto_pad", "NOTSET") not in ("NOTSET", b"NOTSET"):
        raise op.needs_opset(f"{call.op_type} with ceil_mode=1 and auto_pad", at)
    strides = call.attributes.get("strides", (1,) * len(kernel))
    pads = list(call.attributes.get("pads", (0,) * (2 * len(kernel))))
    for index, (window, stride, size) in enumerate(zip(kernel, strides, spatial, strict=True)):
        if stride == 1:
            continue
        if not isinstance(size, int):
            raise op.needs_opset(f"{call.op_type} with ceil_mode=1 along a dynamic axis", at)
        start, end = pads[index], pads[index + len(kernel)]
        count = -(-(size + start + end - window) // stride) + 1
        if (count - 1) * stride >= size + start - (behind[index] if behind else 0):
            # The last window must begin inside the input or the padding before it.
            count -= 1
        pads[index + len(kernel)] = max(end, (count - 1) * stride + window - size - start)
    call.attributes["pads"] = tuple(pads)
    return call


@downgrade("LSTM", "GRU", "RNN", at=14)
def sequence_comes_first(op: Op, call: Call) -> Call | tuple[Value, ...]:
    """There was no layout=1, in which the batch comes first."""
    if not call.attributes.pop("layout", 0):
        return call
    operands = list(call.operands)
    for index in (0, 5, 6):
        value = operands[index] if index < len(operands) else None
        if value is not None:
            operands[index] = op.Transpose(value, perm=[1, 0, 2])
    results = op.multi(call.op_type, call.num_results, *operands, **call.attributes)
    return (op.Transpose(results[0], perm=[2, 0, 1, 3]), *(op.Transpose(r, perm=[1, 0, 2]) for r in results[1:]))


@downgrade("GridSample", at=20)
def grid_sample_in_two_dimensions(op: Op, call: Call) -> Call | Value:
    """The modes had other names, and images two dimensions."""
    mode = str(call.attributes.get("mode", "linear"))
    data, grid = call.operands
    if op.rank(first(call)) != 4 and data is not None and grid is not None:
        corners = bool(call.attributes.get("align_corners", 0))
        return sampled(op, data, grid, corners, mode, str(call.attributes.get("padding_mode", "zeros")))
    call.attributes["mode"] = _OLD_MODES.get(mode, mode)
    return call


@downgrade("RoiAlign", at=16)
def roi_align_without_half_pixel(op: Op, call: Call) -> Call:
    """Coordinates were not shifted by half a pixel, which is the default now."""
    if call.attributes.pop("coordinate_transformation_mode", "half_pixel") != "output_half_pixel":
        raise op.needs_opset("RoiAlign with coordinate_transformation_mode='half_pixel'", 16)
    return call


@downgrade("DFT", at=20)
def dft_axis_becomes_attribute(op: Op, call: Call) -> Call:
    """The axis was an attribute, and 1 unless it was given."""
    axis = call.take("axis")
    known = (-2,) if axis is None else known_ints(axis)
    if known is None:
        raise op.needs_opset("DFT along an axis that depends on the input", 20)
    call.attributes["axis"] = known[0]
    return call


@downgrade("GatherND", at=12)
def gather_nd_without_batch(op: Op, call: Call) -> Call | Value:
    """There was no batch_dims: the position in the batch becomes a part of the indices."""
    count = int(call.attributes.pop("batch_dims", 0))
    if count == 0:
        return call
    data, indices = call.operands
    if data is None or indices is None:
        return call
    rank = op.rank(indices)
    sizes = op.dims(indices)[:-1]
    shape = op.ints([*sizes, 1])
    grids = [
        op.Expand(integers.along(op, integers.arange(op, sizes[axis]), axis, rank), shape) for axis in range(count)
    ]
    return op.GatherND(data, op.Concat(*grids, op.cast(indices, DType.INT64), axis=-1))


@downgrade("GroupNormalization", at=21)
def group_norm_scales_groups(op: Op, call: Call) -> Value:
    """Scale and bias were given per group, which was soon withdrawn: the backport stands in for it."""
    data, scale, bias = (value for value in call.operands if value is not None)
    return group_normalized(op, data, scale, bias, call.attributes)


def group_normalized(op: Op, data: Value, scale: Value, bias: Value, attributes: dict[str, Any]) -> Value:
    """GroupNormalization as an instance normalisation of groups; scale and bias are those of channels."""
    dtype = op.dtype(data)
    groups, epsilon = int(attributes["num_groups"]), float(attributes.get("epsilon", 1e-5))
    # Statistics are computed in single precision at least.
    wide = op.cast(data, DType.FLOAT32) if dtype in (DType.FLOAT16, DType.BFLOAT16) else data
    grouped = op.Reshape(wide, [0, groups, -1])
    if dtype is DType.FLOAT64:
        normal = op.LayerNormalization(grouped, op.const(1.0, DType.FLOAT64), axis=-1, epsilon=epsilon)
    else:
        ones, zeros = (op.const([number] * groups, op.dtype(wide)) for number in (1, 0))
        normal = op.InstanceNormalization(grouped, ones, zeros, epsilon=epsilon)
    normal = op.cast(op.Reshape(normal, op.shape(data)), dtype)
    column = [-1 if axis == 0 else 1 for axis in range(op.rank(data) - 1)]
    return op.Add(op.Mul(normal, op.Reshape(scale, column)), op.Reshape(bias, column))
