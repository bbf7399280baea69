"""The check of a finished model on other inputs than the example, against the torch model.

A trace fixes what the model computes in Python: a size that became an ``int``, a branch on a value. The exported model
then is right for the example, and wrong for other sizes. Of what the trace warns of, most is harmless, and of what is
wrong, some is not warned of; running both models tells them apart.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from onnxport_frontend import Captured, Finding, replay
from onnxport_ir import Input, Model, SymDim, TensorType
from onnxport_ir.dims import evaluate
from onnxport_ir.errors import CaptureFailed, FrozenValue, InvalidArgument, OnnxExporterError, VerificationFailed

from onnxport.comparison import LENIENT, QUANTISED, compare_values
from onnxport.runtime import draws_random_numbers, has_runtime, loose_weights, model_session, quantises, run_session

#: ``check="auto"`` leaves larger models alone: checking them would cost more than exporting them. Where the trace has
#: fixed a value in code that is not torch's own, the check is worth more.
AUTO_WEIGHT_BYTES = 16 << 20
AUTO_SUSPECT_WEIGHT_BYTES = 128 << 20
AUTO_NODES = 4000
AUTO_CAPTURE_S = 5.0

#: By how much inputs change to see whether outputs follow: a last digit, and what deep models make of one.
_NUDGES = (2e-6, 2e-5)

#: What to do about values that the trace has fixed and no check has cleared.
OnFrozen: TypeAlias = Literal["error", "warn", "ignore"]

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found.

    Attributes:
        sizes: the sizes that the model was run with, by the name of the axis; None if it was not run.
        reason: why it was not.
    """

    sizes: dict[str, int] | None
    reason: str = ""


class FrozenValueWarning(UserWarning):
    """The trace has fixed values that may depend on the input, and no check has shown that they do not matter."""


def is_cheap(captured: Captured, capture_s: float) -> bool:
    """Whether ``check="auto"`` checks this model."""
    nbytes = sum(param.tensor.nbytes for param in captured.graph.params)
    limit = AUTO_SUSPECT_WEIGHT_BYTES if _suspects(captured) else AUTO_WEIGHT_BYTES
    return nbytes <= limit and len(captured.graph.eqns) <= AUTO_NODES and capture_s <= AUTO_CAPTURE_S


def report_unchecked(captured: Captured, checked: Checked, on_frozen: OnFrozen) -> None:
    """Say what the trace has fixed in a model that no check has cleared.

    Args:
        captured: the capture.
        checked: what the check did.
        on_frozen: whether to raise, to warn, or to leave it at ``ONNXProgram.findings``.

    Raises:
        FrozenValue: if there is something to say and ``on_frozen`` is ``"error"``.
        InvalidArgument: if ``on_frozen`` is none of its choices.
    """
    if on_frozen not in ("error", "warn", "ignore"):
        raise InvalidArgument(f"on_frozen={on_frozen!r}", hint='Choose "error", "warn" or "ignore".')
    suspects = _suspects(captured)
    if checked.sizes is not None or not suspects or on_frozen == "ignore":
        return
    what = "the trace has fixed values that may depend on the input"
    why = f"and the exported model was not checked on other inputs: {checked.reason}"
    if on_frozen == "error":
        raise FrozenValue(what, why=why, where=suspects[0].place, hint=_table(suspects))
    warnings.warn(f"{what}, {why}\n  {_table(suspects)}", FrozenValueWarning, stacklevel=3)


def check_other_inputs(torch_model: Any, captured: Captured, model: Model, training: bool | None) -> Checked:
    """Run both models on an example whose dynamic axes have other sizes, and whose floats are mirrored.

    Args:
        torch_model: the model that was exported.
        captured: its capture.
        model: the finished graph.
        training: the mode that it was captured in.

    Returns:
        The sizes that were tried, or why none were.

    Raises:
        FrozenValue: if the outputs differ and the trace has fixed values, which are listed.
        VerificationFailed: if they differ without that.
    """
    if not has_runtime():
        return Checked(None, "onnxruntime is not installed")
    if draws_random_numbers(model):
        return Checked(None, "the model draws random numbers")
    domains = _custom_domains(model)
    if domains:
        return Checked(None, f"the model has operators of {', '.join(domains)}")
    symbols = _example_sizes(captured)
    if not symbols and not _suspects(captured):
        return Checked(None, "no axis is dynamic, and the trace has fixed nothing but in torch's own code")
    checked = _try_variants(torch_model, captured, model, training, symbols)
    if checked.sizes is not None and _suspects(captured):
        _warn_of_other_signs(torch_model, captured, model, training, symbols)
    return checked


def _try_variants(
    torch_model: Any, captured: Captured, model: Model, training: bool | None, symbols: Mapping[str, int]
) -> Checked:
    tried: dict[str, int] | None = None
    for sizes, mirrored in _variants(symbols):
        if tried is not None and not (mirrored and _suspects(captured)):
            continue
        inputs = {item.name: _varied(captured, item, sizes, mirrored) for item in captured.graph.inputs}
        try:
            expected = replay(torch_model, captured.signature, inputs, training)
        except CaptureFailed:
            # These inputs are not for this model; perhaps the next are.
            continue
        differences = _compare(captured, model, inputs, expected, sizes)
        if differences:
            error = _first_true(torch_model, captured, inputs, expected, training, differences)
            if error is None:
                return Checked(None, "the torch model's own results change with the last digit of its inputs")
            raise error
        if mirrored:
            return Checked(sizes)
        tried = sizes
    if tried is not None:
        return Checked(tried)
    return Checked(None, "the torch model takes none of the other inputs that were tried")


def _warn_of_other_signs(
    torch_model: Any, captured: Captured, model: Model, training: bool | None, symbols: Mapping[str, int]
) -> None:
    """Try floats of the other sign where the example has one sign only; a difference there is no error.

    Images and probabilities are never negative, and what a model does with negative ones need not matter.
    """
    inputs = {name: -value if _has_one_sign(value) else value for name, value in captured.example_inputs.items()}
    if all(inputs[name] is value for name, value in captured.example_inputs.items()):
        return
    try:
        expected = replay(torch_model, captured.signature, inputs, training)
        differences = _compare(captured, model, inputs, expected, symbols)
        error = _first_true(torch_model, captured, inputs, expected, training, differences) if differences else None
    except CaptureFailed:
        return
    except OnnxExporterError as failure:
        error = failure
    if error is not None:
        warnings.warn(
            f"inputs of the other sign than the example's: {error.what}, {error.why}\n  {error.hint}",
            FrozenValueWarning,
            stacklevel=4,
        )


def _has_one_sign(value: Any) -> bool:
    if not isinstance(value, torch.Tensor) or not value.dtype.is_floating_point or not value.numel():
        return False
    return bool((value >= 0).all()) or bool((value <= 0).all())


def _custom_domains(model: Model) -> list[str]:
    """The domains of operators that are neither ONNX's nor functions of the model."""
    functions = {(domain, name) for domain, name, _ in model.functions}
    bodies = [model.graph, *(function.body for function in model.functions.values())]
    nodes = {(node.domain, node.op_type) for body in bodies for node in body.all_nodes() if node.domain}
    return sorted({domain for domain, _ in nodes - functions})


def _example_sizes(captured: Captured) -> dict[str, int]:
    """The example's size of each dynamic axis, by its name."""
    sizes: dict[str, int] = {}
    for item in captured.graph.inputs:
        shape = item.var.type.shape if isinstance(item.var.type, TensorType) else None
        for dim in shape or ():
            if isinstance(dim, SymDim) and dim.name is not None and dim.hint is not None:
                sizes[dim.name] = dim.hint
    return sizes


def _variants(symbols: Mapping[str, int]) -> Iterator[tuple[dict[str, int], bool]]:
    """Sizes to try, and whether floats are mirrored, which takes the other side of many a branch.

    Twice the example's sizes come first: they divide by what the example's do, and many a model takes no others. The
    last one is for models that took no other size together with other values.
    """
    doubled = {name: size * 2 for name, size in symbols.items()}
    yield doubled, True
    if symbols:
        yield doubled, False
        yield {name: size + 1 for name, size in symbols.items()}, False
        first = next(iter(symbols))
        yield {**symbols, first: symbols[first] + 1}, False
        yield dict(symbols), True


def _varied(captured: Captured, item: Input, sizes: Mapping[str, int], mirrored: bool) -> Any:
    """The example of an input with its elements repeated up to the wanted sizes: they stay values the model takes.

    The copies of floats differ by their scale, and indices that are in order stay so: equal scores would have no
    order that two programs agree on, and lengths and offsets must be sorted.
    """
    example = captured.example_inputs[item.name]
    shape = item.var.type.shape if isinstance(item.var.type, TensorType) else None
    if not isinstance(example, torch.Tensor) or shape is None:
        return example
    floating = example.dtype.is_floating_point
    order = None if floating else _order(example)
    scaled = floating and bool((example != example.round()).any())
    for axis, dim in enumerate(shape):
        wanted = evaluate(dim, sizes)
        size = example.shape[axis]
        if wanted is not None and wanted != size and size:
            places = torch.arange(wanted, device=example.device)
            example = example.index_select(axis, places % size)
            if scaled:
                copies = (places // size).to(example.dtype).reshape([-1] + [1] * (example.dim() - axis - 1))
                example = example * (1 - (0.03 + 0.01 * axis) * copies / (1 + copies))
    if order is not None:
        example = example.sort(descending=order).values
    return _mirrored(example) if mirrored and floating and example.numel() else example


def _order(example: torch.Tensor) -> bool | None:
    """Whether the elements of a rank-1 tensor descend; None where they are in no order."""
    if example.dim() != 1 or example.shape[0] < 2 or example.dtype is torch.bool:
        return None
    if bool((example[1:] >= example[:-1]).all()):
        return False
    return True if bool((example[1:] <= example[:-1]).all()) else None


def _mirrored(example: torch.Tensor) -> torch.Tensor:
    """Other floats in the example's own range, so that images stay images: large where it was small, none the largest.

    Where the example has both signs, they change.
    """
    low, high = example.min(), example.max()
    return -0.8 * example if bool(low < 0 < high) else low + 0.8 * (high - example)


def _compare(
    captured: Captured, model: Model, inputs: Mapping[str, Any], expected: Sequence[Any], sizes: Mapping[str, int]
) -> dict[int, OnnxExporterError]:
    """The error for each output that differs, by position; raises if the exported model does not even run."""
    names = [value.name or "" for value in model.graph.outputs]
    where = ", ".join(f"{name}={size}" for name, size in sizes.items()) or "other values"
    try:
        session = model_session(model, optimize=False)
        found = run_session(session, {**loose_weights(model), **inputs}, names)
    except Exception as error:  # onnxruntime's exceptions share no base class but this
        raise _failure(captured, f"the exported model does not run with {where}", str(error)) from error
    tolerance = QUANTISED if quantises(model) or _is_quantised(captured) else LENIENT
    errors = {}
    for position, (name, theirs, ours) in enumerate(zip(names, expected, found, strict=True)):
        difference = compare_values(theirs, ours, tolerance)
        if difference is not None:
            errors[position] = _failure(captured, f"output {name} is wrong with {where}", difference)
    return errors


def _is_quantised(captured: Captured) -> bool:
    """Whether the torch model quantises, also where the target's spelling of it has no operator of that name."""
    return any(op.namespace == "quantized" or "quantize" in op.name for op in captured.graph.op_counts())


def _first_true(
    torch_model: Any,
    captured: Captured,
    inputs: Mapping[str, Any],
    expected: Sequence[Any],
    training: bool | None,
    errors: Mapping[int, OnnxExporterError],
) -> OnnxExporterError | None:
    """The first error but for outputs that change as much in torch when the inputs change in their last places.

    Sorting and thresholding nearly equal scores, as detectors with random weights do, turns rounding into other
    results; a difference then says nothing about the export.
    """
    remaining = dict(errors)
    for share in _NUDGES:
        nudged = {
            name: _nudged(value, share) if isinstance(value, torch.Tensor) and value.dtype.is_floating_point else value
            for name, value in inputs.items()
        }
        again = replay(torch_model, captured.signature, nudged, training)
        remaining = {
            position: error
            for position, error in remaining.items()
            if compare_values(expected[position], again[position]) is None
        }
    return next(iter(remaining.values()), None)


def _nudged(value: torch.Tensor, share: float) -> torch.Tensor:
    """Each element larger by a share of it, every one by another amount: equal ones are so no longer."""
    largest = float(value.abs().max()) if value.numel() else 0.0
    steps = torch.linspace(0, share / 5, value.numel(), dtype=torch.float64, device=value.device).reshape(value.shape)
    return (value.double() * (1 + share) + (largest or 1.0) * steps).to(value.dtype)


def _failure(captured: Captured, what: str, why: str) -> OnnxExporterError:
    frozen = _frozen(captured)
    if not frozen:
        return VerificationFailed(what, why=why, hint="Please report it; check=False exports the model all the same.")
    return FrozenValue(what, why=why, where=frozen[0].place, hint=_table(frozen))


def _table(frozen: Sequence[Finding]) -> str:
    lines = "\n".join(f"    {_describe(finding)}" for finding in frozen[:_SHOWN])
    more = f"\n    and {len(frozen) - _SHOWN} more" if len(frozen) > _SHOWN else ""
    return (
        f"Fixed during the trace:\n{lines}{more}\n"
        "  Compute them with tensors, script the function around them, or make the axis static."
    )


def _frozen(captured: Captured) -> list[Finding]:
    """What the trace has fixed; the user's lines first: what torch's own code reads is mostly a check of arguments."""
    found = [finding for finding in captured.findings if finding.kind in _FROZEN]
    return sorted(found, key=lambda finding: finding.in_library)


def _suspects(captured: Captured) -> list[Finding]:
    """What code outside torch has fixed."""
    return [finding for finding in _frozen(captured) if not finding.in_library]


def _describe(finding: Finding) -> str:
    return f"{finding.place}: a tensor or size became a Python {finding.kind}"


#: The kinds of findings that fix a value.
_FROZEN = frozenset(
    {"bool", "int", "float", "number", "index", "list", "numpy", "len", "iteration", "stride", "constant"}
)
