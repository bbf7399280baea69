"""One case of the coverage: an operator of torch's OpInfo database, with one element type."""

from __future__ import annotations

import dataclasses
import itertools
import os
import unittest.mock
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import onnxport
import torch
from onnxport.export import build
from onnxport.options import ExportOptions
from onnxport.runtime import create_session, run_session
from onnxport_frontend import Captured, capture
from onnxport_ir.proto import to_proto
from onnxport_symbolics import Registry, Target
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils import _pytree as pytree

DTYPES = {
    "float32": torch.float32,
    "int64": torch.int64,
    "bool": torch.bool,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float64": torch.float64,
    "int32": torch.int32,
    "int16": torch.int16,
    "int8": torch.int8,
    "uint8": torch.uint8,
}
HALVES = (torch.float16, torch.bfloat16)
SAMPLES = 4
#: Their results are whatever the memory held.
UNINITIALISED = frozenset({"empty", "empty_like", "empty_permuted", "empty_strided", "new_empty", "new_empty_strided"})


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a case.

    Attributes:
        name: the operator, with its variant after a dot.
        dtype: the element type of the samples.
        opset: the opset.
        status: ``pass``, ``refused`` (an error of ours that says why), ``wrong`` (other dtype, shape or values than
            torch's), ``error`` (anything that is not a refusal), ``runtime`` (ONNX Runtime does not load or run it),
            ``crash``, ``timeout``, or ``skip`` (torch itself does not run it, or nothing can be exported).
        detail: the message, for anything but a pass.
        samples: how many samples were tried.
        by_type_only: whether values were not compared because torch's own differ from run to run.
        operators: the ATen operators in the captured graphs.
    """

    name: str
    dtype: str
    opset: int
    status: str
    detail: str = ""
    samples: int = 0
    by_type_only: bool = False
    operators: tuple[str, ...] = ()


#: From bad to good: the worst outcome of a sample is the case's.
ORDER = ("crash", "timeout", "wrong", "error", "runtime", "refused", "pass", "skip")


@dataclasses.dataclass(frozen=True)
class Reference:
    """What torch makes of a sample.

    Attributes:
        results: the leaves of its results.
        exact: those of the same sample in double precision, where the sample's type is a half precision and torch's
            own rounding may err more than the tolerance; None elsewhere.
        sorted_by: the tensor and axis that a sorting operator orders: which of equal elements stands first is
            not specified, so that its integer results are places in this tensor.
        by_type_only: whether values cannot be compared, because they are random or undefined.
        input_rounding: the rounding of the largest operand in half precision: where operands cancel out, it is what
            is left of the digits; 0 elsewhere.
    """

    results: list[Any]
    exact: list[Any] | None = None
    sorted_by: tuple[torch.Tensor, int] | None = None
    by_type_only: bool = False
    input_rounding: float = 0.0


#: Where the axis stands among the positional arguments, by operator; the default is the last axis.
SORTING = {"sort": 0, "argsort": 0, "topk": 1, "kthvalue": 1, "mode": 0, "msort": -1}
#: A random operator is run so often; if no two results differ, its values are compared.
RANDOM_RUNS = 12


class Call(torch.nn.Module):
    """An operator as a model: its arguments are the model's."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


def names() -> list[tuple[int, str, str]]:
    """All cases: the position in the database, the name, the element type."""
    cases = []
    for index, info in enumerate(op_db):
        supported = info.supported_dtypes("cpu")
        full = f"{info.name}.{info.variant_test_name}" if info.variant_test_name else info.name
        cases += [(index, full, name) for name, dtype in DTYPES.items() if dtype in supported]
    return cases


def run_case(
    index: int, dtype_name: str, opsets: list[int], registry: Registry, count: int = SAMPLES, seed: int = 0
) -> list[Outcome]:
    """Try a case at several opsets; the model is captured once for all of them."""
    info = op_db[index]
    name = f"{info.name}.{info.variant_test_name}" if info.variant_test_name else info.name
    outcomes: dict[int, list[Outcome]] = {opset: [] for opset in opsets}
    try:
        samples = list(itertools.islice(_samples(info, DTYPES[dtype_name], seed), count))
    except Exception as error:  # the database's own generators fail for some types
        return [Outcome(name, dtype_name, opset, "skip", f"no samples: {_brief(error)}") for opset in opsets]
    for sample in samples:
        blank = Outcome(name, dtype_name, 0, "skip", samples=1)
        for outcome in _run_sample(blank, info, sample, opsets, registry):
            outcomes[outcome.opset].append(outcome)
    return [_merged(name, dtype_name, opset, found) for opset, found in outcomes.items()]


def _samples(info: Any, dtype: torch.dtype, seed: int) -> Iterator[Any]:
    torch.manual_seed(seed)
    yield from info.sample_inputs("cpu", dtype, requires_grad=False)


def _run_sample(blank: Outcome, info: Any, sample: Any, opsets: list[int], registry: Registry) -> Iterator[Outcome]:
    def each(status: str, detail: str, **more: Any) -> Iterator[Outcome]:
        for opset in opsets:
            yield dataclasses.replace(blank, opset=opset, status=status, detail=detail, **more)

    args, kwargs = (sample.input, *sample.args), dict(sample.kwargs)
    try:
        expected = _run_eager(info.op, args, kwargs)
    except Exception as error:  # whatever torch says no with
        yield from each("skip", f"torch: {_brief(error)}")
        return
    if not any(isinstance(leaf, torch.Tensor) for leaf in expected):
        yield from each("skip", "no tensor among the results")
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            captured = capture(Call(info.op), _clone(args), _clone(kwargs))
    except onnxport.OnnxExporterError as error:
        yield from each("error" if error.code == "OXP900" else "refused", _brief(error))
        return
    except Exception as error:  # anything else is a fault of ours
        yield from each("error", f"capture: {_brief(error)}")
        return
    operators = tuple(sorted({op.base for op in captured.graph.op_counts()}))
    reference = _reference(info, args, kwargs, expected, operators)
    for opset in opsets:
        status, detail = _run_opset(captured, opset, registry, args, kwargs, reference)
        yield dataclasses.replace(
            blank,
            opset=opset,
            status=status,
            detail=detail,
            by_type_only=reference.by_type_only,
            operators=operators,
        )


def _reference(
    info: Any, args: tuple[Any, ...], kwargs: dict[str, Any], expected: list[Any], operators: tuple[str, ...]
) -> Reference:
    runs = RANDOM_RUNS if any(map(_is_random, operators)) else 2
    others = (_run_eager(info.op, args, kwargs, seed) for seed in range(1, runs))
    by_type_only = info.name in UNINITIALISED or not all(_same(expected, other) for other in others)
    exact = None
    if _is_half(expected) and not by_type_only:
        try:
            exact = _run_eager(info.op, *pytree.tree_map(_as_double, (args, kwargs)))
        except Exception:  # what torch does not compute in double precision is compared as it is
            exact = None
    sorted_by = None
    if info.name in SORTING and isinstance(args[0], torch.Tensor):
        place = SORTING[info.name] + 1
        axis = kwargs.get("dim", args[place] if 0 < place < len(args) else 0 if info.name == "msort" else -1)
        sorted_by = args[0].detach(), axis
    return Reference(expected, exact, sorted_by, by_type_only, _input_rounding(args, kwargs))


def _input_rounding(args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
    """Half a unit in the last place of the largest operand in half precision."""
    halves = [x for x in pytree.tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor) and x.dtype in HALVES]
    sizes = [float(x.detach().float().nan_to_num(0, 0, 0).abs().max()) for x in halves if x.numel()]
    return max((0.5 * torch.finfo(halves[0].dtype).eps * size for size in sizes), default=0.0)


def _is_random(operator: str) -> bool:
    """Whether an ATen operator, ``aten::rand``, draws numbers."""
    namespace, _, name = operator.partition("::")
    packet = getattr(getattr(torch.ops, namespace), name, None)
    return any(
        torch.Tag.nondeterministic_seeded in getattr(packet, overload).tags
        for overload in (packet.overloads() if isinstance(packet, torch._ops.OpOverloadPacket) else ())
    )


def _is_half(leaves: list[Any]) -> bool:
    return any(isinstance(leaf, torch.Tensor) and leaf.dtype in HALVES for leaf in leaves)


def _as_double(leaf: Any) -> Any:
    if isinstance(leaf, torch.dtype):
        return torch.float64 if leaf in HALVES else leaf
    return leaf.double() if isinstance(leaf, torch.Tensor) and leaf.dtype in HALVES else leaf


def _run_opset(
    captured: Captured,
    opset: int,
    registry: Registry,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    reference: Reference,
) -> tuple[str, str]:
    try:
        model = build(captured, registry, ExportOptions(Target(opset), complex_pairs=True), {})
        content = to_proto(model).SerializeToString()
    except onnxport.OnnxExporterError as error:
        return ("error" if error.code == "OXP900" else "refused"), _brief(error)
    except Exception as error:  # anything else is a fault of ours
        return "error", f"lower: {_brief(error)}"
    try:
        feeds = captured.signature.flatten(_clone(args), _clone(kwargs))
        outputs = [value.name or "" for value in model.graph.outputs]
        found = run_session(create_session(content), feeds, outputs)
        results = pytree.tree_leaves(captured.signature.unflatten(found))
    except Exception as error:  # the runtime's exceptions have no common base
        return "runtime", _brief(error)
    difference = compare(reference, results)
    return ("pass", "") if difference is None else ("wrong", difference)


def compare(reference: Reference, found: list[Any]) -> str | None:
    """The first difference between torch's flat results and others, in words; None if there is none.

    Values agree within 2e-4 of their spread and 1e-5 of the largest. In half precision it is 2e-2 of the spread and a
    unit in the last place of the largest, or the rounding of the largest operand, of torch's own result or of that in
    double precision.
    """
    expected = reference.results
    if len(expected) != len(found):
        return f"{len(found)} results, torch has {len(expected)}"
    for index, (theirs, ours) in enumerate(zip(expected, found, strict=True)):
        if not isinstance(theirs, torch.Tensor):
            continue
        if not isinstance(ours, torch.Tensor):
            return f"result {index} is {type(ours).__name__}, torch has a tensor"
        if (ours.dtype, ours.shape) != (theirs.dtype, theirs.shape):
            return f"result {index} is {ours.dtype}{list(ours.shape)}, torch has {theirs.dtype}{list(theirs.shape)}"
        if reference.by_type_only or not theirs.numel():
            continue
        difference = _value_difference(theirs, ours, reference.input_rounding)
        if difference is not None and theirs.dtype is torch.int64 and reference.sorted_by is not None:
            difference = _place_difference(*reference.sorted_by, theirs, ours)
        if difference is not None and theirs.dtype in HALVES and reference.exact is not None:
            exact = reference.exact[index].to(theirs.dtype)
            difference = difference if _value_difference(exact, ours, reference.input_rounding) is not None else None
        if difference is not None:
            return f"result {index}: {difference}"
    return None


def _place_difference(data: torch.Tensor, axis: int, theirs: torch.Tensor, ours: torch.Tensor) -> str | None:
    """Whether indices name other elements, or one of them twice."""
    if bool((ours < 0).any()) or bool((ours >= max(data.shape[axis] if data.dim() else 1, 1)).any()):
        return "indices out of range"
    if theirs.dim() == data.dim() > 0:
        named = [torch.take_along_dim(data, places, axis) for places in (theirs, ours)]
        order = ours.sort(axis)[0]
        if bool((order.diff(dim=axis) == 0).any()):
            return "an element is named twice"
    else:
        named = [torch.take_along_dim(data, places.unsqueeze(axis), axis) for places in (theirs, ours)]
    wrong = int((named[0] != named[1]).sum())
    return f"indices name {wrong} other elements" if wrong else None


def _value_difference(theirs: torch.Tensor, ours: torch.Tensor, rounding: float = 0.0) -> str | None:
    theirs = theirs.detach()
    if not theirs.dtype.is_floating_point:
        wrong = int((theirs != ours).sum())
        return f"{wrong} of {theirs.numel()} elements differ" if wrong else None
    a, b = theirs.double(), ours.double()
    finite = a.isfinite()
    if bool((finite != b.isfinite()).any()) or not torch.equal(a[~finite].nan_to_num(), b[~finite].nan_to_num()):
        return "NaN or infinity at other places"
    a, b = a[finite], b[finite]
    if not a.numel():
        return None
    spread, largest = float(a.max() - a.min()), float(a.abs().max())
    if theirs.dtype in HALVES:
        # A unit in the last place is the least that rounding in another order makes.
        unit = torch.finfo(theirs.dtype).eps
        limit = 2e-2 * spread + unit * largest + max(unit, rounding)
    else:
        limit = 2e-4 * spread + 1e-5 * largest + 1e-6
    error = float((a - b).abs().max())
    return f"largest error {error:.3g}, allowed {limit:.3g}" if error > limit else None


def _run_eager(function: Any, args: Any, kwargs: Any, seed: int = 0) -> list[Any]:
    torch.manual_seed(seed)
    # Some of the database's functions set a seed of their own, which would hide that they are random.
    with torch.no_grad(), unittest.mock.patch("torch.manual_seed"):
        return [_as_exported(_dense(leaf)) for leaf in pytree.tree_leaves(function(*_clone(args), **_clone(kwargs)))]


def _as_exported(leaf: Any) -> Any:
    """Complex results are exported as their parts."""
    is_complex = isinstance(leaf, torch.Tensor) and leaf.dtype.is_complex
    return torch.view_as_real(leaf.resolve_conj()) if is_complex else leaf


def _dense(leaf: Any) -> Any:
    if isinstance(leaf, torch.Tensor) and (leaf.layout is not torch.strided or leaf.is_nested):
        raise TypeError("a sparse or nested result")
    return leaf


def _clone(value: Any) -> Any:
    return pytree.tree_map(lambda x: x.detach().clone() if isinstance(x, torch.Tensor) else x, value)


def _same(left: list[Any], right: list[Any]) -> bool:
    for a, b in zip(left, right, strict=True):
        if isinstance(a, torch.Tensor) and not torch.allclose(a, b, equal_nan=True):
            return False
    return True


def _merged(name: str, dtype: str, opset: int, found: list[Outcome]) -> Outcome:
    if not found:
        return Outcome(name, dtype, opset, "skip", "no samples")
    worst = min(found, key=lambda outcome: ORDER.index(outcome.status))
    return dataclasses.replace(
        worst,
        samples=len(found),
        by_type_only=any(outcome.by_type_only for outcome in found),
        operators=tuple(sorted({operator for outcome in found for operator in outcome.operators})),
    )


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:600]}".replace(os.getcwd(), ".")
