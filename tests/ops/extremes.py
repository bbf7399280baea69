"""Functions on extreme numbers: every number of half precision, and the edges of the wider types.

A result is right where it is within some units in the last place of eager torch's, or of what torch computes in
double precision: torch itself rounds in between or overflows here and there. NaN and infinities count as values.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import onnx
import pytest
import torch
from onnxport import NEWEST_OPSET
from onnxport.export import build
from onnxport.options import ExportOptions
from onnxport.runtime import create_session, run_session
from onnxport_frontend import capture
from onnxport_ir.errors import OnnxExporterError
from onnxport_ir.proto import to_proto
from onnxport_symbolics import Target, default_registry
from torch.utils import _pytree as pytree

from tests.ops.harness import Call

#: Where operators of half precision change: kernels of ONNX Runtime come and go, operators begin to be one node.
OPSETS = (11, 13, 18, 20, 23, NEWEST_OPSET)
HALVES = (torch.float16, torch.bfloat16)
SINGLES = (torch.float32, torch.float64)

# Any: tensors, and tuples of them.
Function = Callable[..., Any]
_BITS = {
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
    torch.float32: torch.int32,
    torch.float64: torch.int64,
}


@dataclasses.dataclass(frozen=True)
class Limits:
    """How far results may be from torch's.

    Attributes:
        units: in the last place of the result.
        operand_units: in the last place of the largest finite operand, for results of operands that cancel out: of the
            same element of vectors, of the same row of matrices.
        floor: the difference that says nothing, however small the result.
        of_double: whether what torch computes in double precision is right as well.
    """

    units: float = 2
    operand_units: float = 0
    floor: float = 0
    of_double: bool = True


def every_half(dtype: torch.dtype) -> torch.Tensor:
    """All numbers of a type of 16 bits: 65,536 of them, with all NaN as one."""
    found = torch.arange(-(2**15), 2**15).to(torch.int16).view(dtype)
    return torch.where(found.isnan(), torch.tensor(float("nan"), dtype=dtype), found)


def spread_numbers(dtype: torch.dtype, step: int = 1) -> torch.Tensor:
    """Numbers of all magnitudes of float32 or float64, with halves and the neighbours of integers among them."""
    info = torch.finfo(dtype)
    # Near the ends of float64 there is nothing wider to tell what is right, and torch itself is not.
    lowest, highest = {torch.float32: (-149, 128), torch.float64: (-960, 960)}[dtype]
    powers = [2.0**e for e in range(lowest, highest, step)]
    found = [*powers, *(p * 1.3125 for p in powers[5:]), *(n / 4 for n in range(200))]
    found += [info.max, info.tiny] if dtype == torch.float32 else []
    numbers = torch.tensor(found, dtype=torch.float64)
    numbers = torch.cat([numbers, numbers * (1 - info.eps), -numbers]).to(dtype)
    numbers = numbers[numbers.isfinite()].unique()
    return torch.cat([numbers, torch.tensor([0.0, -0.0, float("inf"), -float("inf"), float("nan")], dtype=dtype)])


def edges(dtype: torch.dtype) -> torch.Tensor:
    """Few numbers of all kinds, for functions of two of them."""
    info = torch.finfo(dtype)
    root = info.max**0.5
    smallest = info.tiny if dtype == torch.float64 else info.tiny / 8
    found = [0.0, smallest, info.tiny, 1e-3, 0.3, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 7.0, 10.5, 12.0, 100.0]
    found += [1 - info.eps, 1 + info.eps, root * 0.7, root * 1.7, info.max / 3, info.max]
    signed = [sign * number for number in found for sign in (1, -1)]
    return torch.tensor([*signed, float("inf"), -float("inf"), float("nan")], dtype=dtype)


def pairs(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Each of the edges with each, flat."""
    numbers = edges(dtype)
    left, right = torch.meshgrid(numbers, numbers, indexing="ij")
    return left.reshape(-1).clone(), right.reshape(-1).clone()


def faults(
    function: Function,
    args: Sequence[torch.Tensor],
    opsets: Sequence[int] = OPSETS,
    limits: Limits = Limits(),
) -> Iterator[str]:
    """What is wrong with the exported function, opset by opset; opsets that give the same nodes are taken once.

    A function that is refused at all opsets is wrong, one that torch does not compute in this type is not.
    """
    wanted = _eager(function, args)
    if wanted is None:
        return
    double = _eager(function, [x.double() if x.is_floating_point() else x for x in args]) if limits.of_double else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        captured = capture(
            Call(function), tuple(x.clone() for x in args), input_names=[f"x{i}" for i in range(len(args))]
        )
    seen, refusal = set(), ""
    for opset in opsets:
        try:
            model = build(captured, default_registry(), ExportOptions(Target(opset)), {})
        except OnnxExporterError as error:
            if error.code not in ("OXP101", "OXP102", "OXP103", "OXP104"):
                raise
            refusal = str(error)
            continue
        proto = to_proto(model)
        key = _key(proto, opset)
        if key in seen:
            continue
        seen.add(key)
        session = create_session(proto.SerializeToString())
        feeds = captured.signature.flatten(tuple(x.clone() for x in args), {})
        results = run_session(session, feeds, [value.name or "" for value in model.graph.outputs])
        found = pytree.tree_leaves(captured.signature.unflatten(results))
        for index, (ours, theirs) in enumerate(zip(found, wanted, strict=True)):
            text = differences(ours, theirs, None if double is None else double[index], args, limits)
            if text:
                yield f"opset {opset}, {sorted({n.op_type for n in proto.graph.node})}: {text}"
    if not seen:
        yield f"refused: {refusal}"


def check(function: Function, args: Sequence[torch.Tensor], opsets: Sequence[int], limits: Limits) -> None:
    """Export a function, and compare what it computes with torch.

    Raises:
        AssertionError: if something differs, or is refused at all opsets.
    """
    if _eager(function, args) is None:
        pytest.skip("torch does not compute it in this type")
    found = list(faults(function, args, opsets, limits))
    assert not found, "\n".join(found)


def differences(
    ours: torch.Tensor,
    theirs: torch.Tensor,
    double: torch.Tensor | None,
    args: Sequence[torch.Tensor],
    limits: Limits = Limits(),
) -> str:
    """The first elements that differ, with the arguments if these have the same shape; nothing if none does."""
    if (ours.dtype, ours.shape) != (theirs.dtype, theirs.shape):
        return f"{ours.dtype}{list(ours.shape)}, not {theirs.dtype}{list(theirs.shape)}"
    if not theirs.is_floating_point():
        bad = ours != theirs
    else:
        bad = ~_near(ours, theirs, args, limits)
        if double is not None:
            bad &= ~_near(ours, double.to(theirs.dtype), args, limits)
    if not bad.any():
        return ""
    places = bad.reshape(-1).nonzero()[:, 0]
    shown = []
    for place in places[:: max(1, len(places) // 6)][:7].tolist():
        inputs = [x.reshape(-1)[place].item() for x in args if x.shape == ours.shape]
        shown.append(f"{inputs or place}: {ours.reshape(-1)[place].item()}, not {theirs.reshape(-1)[place].item()}")
    return f"{len(places)} of {bad.numel()} differ: {'; '.join(shown)}"


def _near(ours: torch.Tensor, theirs: torch.Tensor, args: Sequence[torch.Tensor], limits: Limits) -> torch.Tensor:
    """Which elements are equal, or finite and near."""
    x, y = ours.double(), theirs.double()
    same = (x == y) | (x.isnan() & y.isnan())
    allowed = limits.units * unit_of(y, theirs.dtype) + limits.floor
    if limits.operand_units:
        sizes = [_size(arg, y) for arg in args if arg.is_floating_point() and arg.numel()]
        allowed = allowed + limits.operand_units * sum(unit_of(size, theirs.dtype) for size in sizes)
    return same | (x.isfinite() & y.isfinite() & ((x - y).abs() <= allowed))


def _size(operand: torch.Tensor, result: torch.Tensor) -> torch.Tensor:
    """How large the finite numbers are that an element of the result may be made of."""
    sizes = operand.double().abs().nan_to_num(0, 0, 0)
    if operand.dim() == 1 and operand.shape == result.shape:
        return sizes
    if result.dim() and operand.dim() and operand.shape[0] == result.shape[0]:
        return sizes.flatten(1).amax(1).reshape(-1, *[1] * (result.dim() - 1))
    return sizes.max()


def unit_of(x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The distance from the numbers of a type to their neighbours."""
    info = torch.finfo(dtype)
    size = x.abs().clamp(min=info.tiny, max=info.max)
    return torch.exp2(torch.floor(torch.log2(size))) * info.eps


def _eager(function: Function, args: Sequence[torch.Tensor]) -> list[torch.Tensor] | None:
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            leaves = pytree.tree_leaves(function(*(x.clone() for x in args)))
    # torch says in these ways that it does not take the type.
    except (RuntimeError, NotImplementedError, TypeError):
        return None
    return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]


def _key(proto: onnx.ModelProto, opset: int) -> bytes:
    """What the runtime computes: the nodes, and the versions of their operators."""
    since = []
    for node in _nodes(proto.graph):
        if node.domain == "":
            since.append(onnx.defs.get_schema(node.op_type, opset, "").since_version)
    return hashlib.sha256(proto.graph.SerializeToString() + repr(since).encode()).digest()


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            yield from itertools.chain.from_iterable(map(_nodes, [attribute.g, *attribute.graphs]))
