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

DTYPES = {"float32": torch.float32, "int64": torch.int64, "bool": torch.bool, "float16": torch.float16}
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


def run_case(index: int, dtype_name: str, opsets: list[int], registry: Registry) -> list[Outcome]:
    """Try a case at several opsets; the model is captured once for all of them."""
    info = op_db[index]
    name = f"{info.name}.{info.variant_test_name}" if info.variant_test_name else info.name
    outcomes: dict[int, list[Outcome]] = {opset: [] for opset in opsets}
    try:
        samples = list(itertools.islice(_samples(info, DTYPES[dtype_name]), SAMPLES))
    except Exception as error:  # the database's own generators fail for some types
        return [Outcome(name, dtype_name, opset, "skip", f"no samples: {_brief(error)}") for opset in opsets]
    for sample in samples:
        blank = Outcome(name, dtype_name, 0, "skip", samples=1)
        for outcome in _run_sample(blank, info.op, sample, opsets, registry, info.name in UNINITIALISED):
            outcomes[outcome.opset].append(outcome)
    return [_merged(name, dtype_name, opset, found) for opset, found in outcomes.items()]


def _samples(info: Any, dtype: torch.dtype) -> Iterator[Any]:
    torch.manual_seed(0)
    yield from info.sample_inputs("cpu", dtype, requires_grad=False)


def _run_sample(
    blank: Outcome, function: Any, sample: Any, opsets: list[int], registry: Registry, any_values: bool
) -> Iterator[Outcome]:
    def each(status: str, detail: str, **more: Any) -> Iterator[Outcome]:
        for opset in opsets:
            yield dataclasses.replace(blank, opset=opset, status=status, detail=detail, **more)

    args, kwargs = (sample.input, *sample.args), dict(sample.kwargs)
    try:
        expected = _run_eager(function, args, kwargs)
        again = _run_eager(function, args, kwargs, seed=1)
    except Exception as error:  # whatever torch says no with
        yield from each("skip", f"torch: {_brief(error)}")
        return
    if not any(isinstance(leaf, torch.Tensor) for leaf in expected):
        yield from each("skip", "no tensor among the results")
        return
    by_type_only = any_values or not _same(expected, again)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            captured = capture(Call(function), _clone(args), _clone(kwargs))
    except onnxport.OnnxExporterError as error:
        yield from each("error" if error.code == "OXP900" else "refused", _brief(error))
        return
    except Exception as error:  # anything else is a fault of ours
        yield from each("error", f"capture: {_brief(error)}")
        return
    operators = tuple(sorted({op.base for op in captured.graph.op_counts()}))
    for opset in opsets:
        status, detail = _run_opset(captured, opset, registry, args, kwargs, expected, by_type_only)
        yield dataclasses.replace(
            blank, opset=opset, status=status, detail=detail, by_type_only=by_type_only, operators=operators
        )


def _run_opset(
    captured: Captured,
    opset: int,
    registry: Registry,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    expected: list[Any],
    by_type_only: bool,
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
    difference = compare(expected, results, by_type_only)
    return ("pass", "") if difference is None else ("wrong", difference)


def compare(expected: list[Any], found: list[Any], by_type_only: bool) -> str | None:
    """The first difference between two flat results, in words; None if there is none.

    Values agree within 2e-4 of their spread and 1e-5 of the largest (2e-2 and 1e-3 in half precision).
    """
    if len(expected) != len(found):
        return f"{len(found)} results, torch has {len(expected)}"
    for index, (theirs, ours) in enumerate(zip(expected, found, strict=True)):
        if not isinstance(theirs, torch.Tensor):
            continue
        if not isinstance(ours, torch.Tensor):
            return f"result {index} is {type(ours).__name__}, torch has a tensor"
        if (ours.dtype, ours.shape) != (theirs.dtype, theirs.shape):
            return f"result {index} is {ours.dtype}{list(ours.shape)}, torch has {theirs.dtype}{list(theirs.shape)}"
        if not by_type_only and theirs.numel():
            difference = _value_difference(theirs.detach(), ours)
            if difference is not None:
                return f"result {index}: {difference}"
    return None


def _value_difference(theirs: torch.Tensor, ours: torch.Tensor) -> str | None:
    if not theirs.dtype.is_floating_point:
        wrong = int((theirs != ours).sum())
        return f"{wrong} of {theirs.numel()} elements differ" if wrong else None
    coarse = theirs.dtype in (torch.float16, torch.bfloat16)
    a, b = theirs.double(), ours.double()
    finite = a.isfinite()
    if bool((finite != b.isfinite()).any()) or not torch.equal(a[~finite].nan_to_num(), b[~finite].nan_to_num()):
        return "NaN or infinity at other places"
    a, b = a[finite], b[finite]
    if not a.numel():
        return None
    relative, absolute = (2e-2, 1e-3) if coarse else (2e-4, 1e-5)
    limit = relative * float(a.max() - a.min()) + absolute * float(a.abs().max()) + (1e-3 if coarse else 1e-6)
    error = float((a - b).abs().max())
    return f"largest error {error:.3g}, allowed {limit:.3g}" if error > limit else None


def _run_eager(function: Any, args: Any, kwargs: Any, seed: int = 0) -> list[Any]:
    torch.manual_seed(seed)
    # Some of the database's functions set a seed of their own, which would hide that they are random.
    with torch.no_grad(), unittest.mock.patch("torch.manual_seed"):
        return [_as_exported(_dense(leaf)) for leaf in pytree.tree_leaves(function(*_clone(args), **_clone(kwargs)))]


def _as_exported(leaf: Any) -> Any:
    """Complex results are exported as their parts."""
    is_complex = isinstance(leaf, torch.Tensor) and leaf.dtype in (torch.complex64, torch.complex128)
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
