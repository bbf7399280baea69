"""Quantised models: weights in torch's packed objects, and observers that observe no longer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from onnxport_ir.captured import Arg, CapturedGraph, Eqn, OpName, Param, Var, walk
from onnxport_ir.errors import NotYetSupported

from onnxport_frontend import _torch_private as private
from onnxport_frontend.schema import literal

_OBSERVER = "aten::fused_moving_avg_obs_fake_quant"
_PER_TENSOR = OpName("aten", "fake_quantize_per_tensor_affine", "tensor_qparams")
_PER_CHANNEL = OpName("aten", "fake_quantize_per_channel_affine")


def unpacked(packed: Any, path: str, weight_var: Callable[[str, torch.Tensor], Var]) -> Arg:
    """What a packed weight of quantised layers holds.

    Args:
        packed: the object of one of torch's ``PackedParamsBase`` classes.
        path: the attribute that holds it.
        weight_var: gives a tensor of the model its variable, by its name.

    Returns:
        The integers of the weight, its scale and zero point, the axis that these are along or None, the bias or None;
        for linear layers also whether ranges of 7 bits are taken for 8; for convolutions stride, padding, dilation,
        groups, output padding, and whether they are transposed. The weight of a linear layer in float16 has None for
        a scale. Of a cell of a recurrent network, what :func:`_cell` says; of a table of vectors, what :func:`_table`
        says.

    Raises:
        NotYetSupported: for packed weights of another kind.
    """
    kind = private.script_class(packed).rpartition(".")[2]
    if kind == "CellParamsBase":
        return _cell(packed, path, weight_var)
    if kind == "EmbeddingPackedParamsBase":
        return _table(packed, path, weight_var)
    rank = {"LinearPackedParamsBase": 0, "Conv2dPackedParamsBase": 2, "Conv3dPackedParamsBase": 3}.get(kind)
    if rank is None:
        raise NotYetSupported(f"the attribute {path}, a {kind}")
    ops = torch.ops.quantized
    prefix = "linear" if rank == 0 else f"conv{rank}d"
    try:
        weight, bias = getattr(ops, f"{prefix}_unpack")(packed)
    except RuntimeError as error:
        # Some engines compute what they do not give back: qnnpack does so with convolutions of 3 dimensions.
        raise NotYetSupported(
            f"the attribute {path}, whose weight torch does not unpack ({str(error).splitlines()[0]})",
            hint='Quantise for another engine: torch.backends.quantized.engine = "x86".',
        ) from error
    name = path.removesuffix("._packed_params").removesuffix("._packed_params")
    result: list[Arg]
    if weight.is_quantized:
        result = [weight_var(f"{name}.weight", weight.int_repr()), *_parameters(weight)]
    elif rank == 0:
        # Such weights were float16 before torch gave them back as float32.
        result = [weight_var(f"{name}.weight", weight.half()), None, None, None]
    else:
        raise NotYetSupported(f"the attribute {path}, weights of type {weight.dtype} for a quantised convolution")
    result.append(None if bias is None else weight_var(f"{name}.bias", bias.detach()))
    if rank == 0:
        # Its kernels take 8 bits where they are asked for 7. No weight tells its engine: it is that of the export.
        result.append(torch.backends.quantized.engine == "qnnpack")
    else:
        sizes = ("stride", "padding", "dilation", "groups", "output_padding", "transpose")
        result += [literal(getattr(ops, f"{prefix}_{size}")(packed)) for size in sizes]
    return tuple(result)


def _table(packed: Any, path: str, weight_var: Callable[[str, torch.Tensor], Var]) -> Arg:
    """What a table of vectors holds.

    Returns:
        How many bits an element has; the elements (N, D), two of 4 bits in a byte; for each vector what the elements
        are multiplied by, and what is added then, (N, 1) float32.

    Raises:
        NotYetSupported: for tables of other types, and of odd numbers of 4 bits.
    """
    weight = torch.ops.quantized.embedding_bag_unpack(packed)
    bits = {torch.quint8: 8, torch.quint4x2: 4}.get(weight.dtype)
    count, length = weight.shape
    if bits is None or length * bits % 8:
        raise NotYetSupported(f"the attribute {path}, {length} elements of type {weight.dtype} for each vector")
    scales = weight.q_per_channel_scales().float()
    shifts = -scales * weight.q_per_channel_zero_points().float()
    if bits == 4:
        # torch's kernel has these in half precision; what is unpacked here is not rounded yet.
        scales, shifts = scales.half().float(), shifts.half().float()
    name = path.removesuffix("._packed_weight").removesuffix("._packed_params")
    elements = weight_var(f"{name}.weight", weight.int_repr().reshape(count, length * bits // 8))
    columns = (("scale", scales), ("shift", shifts))
    return (bits, elements, *(weight_var(f"{name}.{kind}", column.unsqueeze(1)) for kind, column in columns))


def _cell(params: Any, path: str, weight_var: Callable[[str, torch.Tensor], Var]) -> Arg:
    """What one direction of a layer of a dynamically quantised network holds.

    Returns:
        Whether ranges have 7 bits; the packed weights of the input and of the state, as :func:`unpacked` gives them.

    Raises:
        NotYetSupported: for cells that are quantised otherwise.
    """
    (kind, _, _, numbers, weights), _ = params.__getstate__()
    if kind not in ("quantized_dynamic", "quantized_fp16") or len(weights) != 2:
        raise NotYetSupported(f"the attribute {path}, a cell of kind {kind}")
    halves = [unpacked(item, f"{path}.{name}", weight_var) for item, name in zip(weights, ("ih", "hh"), strict=True)]
    return (bool(numbers and numbers[0]), *halves)


def _parameters(weight: torch.Tensor) -> list[Arg]:
    """Scale, zero point and axis."""
    if weight.qscheme() in (torch.per_channel_affine, torch.per_channel_symmetric):
        scales, zeros = weight.q_per_channel_scales(), weight.q_per_channel_zero_points()
        return [literal(scales.float()), literal(zeros), weight.q_per_channel_axis()]
    return [weight.q_scale(), weight.q_zero_point(), None]


def settle_observers(graph: CapturedGraph) -> CapturedGraph:
    """The graph without observers that are switched off: they write nothing, and only quantise, or do nothing.

    Switches are buffers of the model, and the export is of the model as it is. Observers that are on stay, and are
    refused as writes.
    """
    if not any(eqn.op.base == _OBSERVER for eqn in walk(graph.eqns)):
        return graph
    switches = {param.var: param for param in graph.params if param.tensor.shape == (1,)}
    return replace(graph, eqns=tuple(_settled(eqn, switches) for eqn in graph.eqns))


def _settled(eqn: Eqn, switches: dict[Var, Param]) -> Eqn:
    if eqn.op.base != _OBSERVER:
        return eqn
    args = dict(zip(eqn.names, eqn.args, strict=True))
    observes, quantises = (_is_on(args[name], switches) for name in ("observer_on", "fake_quant_on"))
    if observes is not False or quantises is None:
        return eqn
    if not quantises:
        return Eqn(OpName("aten", "alias"), (args["self"],), ("self",), eqn.outputs, place=eqn.place)
    names = ("self", "scale", "zero_point", "ch_axis", "quant_min", "quant_max")
    if args["per_row_fake_quant"]:
        given = tuple(args[name] for name in names)
        schema: tuple[str, ...] = ("self", "scale", "zero_point", "axis", "quant_min", "quant_max")
        return Eqn(_PER_CHANNEL, given, schema, eqn.outputs, place=eqn.place)
    given = tuple(args[name] for name in names if name != "ch_axis")
    schema = ("self", "scale", "zero_point", "quant_min", "quant_max")
    return Eqn(_PER_TENSOR, given, schema, eqn.outputs, place=eqn.place)


def _is_on(arg: Arg, switches: dict[Var, Param]) -> bool | None:
    """The state of a switch, None if it is not known."""
    param = switches.get(arg) if isinstance(arg, Var) else None
    return None if param is None else bool(param.tensor.numpy().item())
