"""The check of a finished model on other inputs than the example, against the torch model.

A trace fixes what the model computes in Python: a size that became an ``int``, a branch on a value. The exported model
then is right for the example, and wrong for other sizes. Most of what is fixed is harmless, and some of what is wrong
is not known to be fixed; running both models tells them apart.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from onnxport_frontend import Captured, Finding, replay
from onnxport_ir import Model
from onnxport_ir.errors import CaptureFailed, FrozenValue, OnnxExporterError, VerificationFailed

from onnxport.comparison import LENIENT, QUANTISED, compare_values, has_moved, largest_distance
from onnxport.frozen_values import (
    FrozenValueWarning,
    OnFrozen,
    OtherRank,
    differs,
    frozen,
    report_limits,
    report_open,
    suspected,
    table,
    turning_sizes,
)
from onnxport.other_inputs import elements, example_sizes, further_sizes, other_signs, other_values, redrawn, variants
from onnxport.runtime import draws_random_numbers, has_runtime, loose_weights, model_session, quantises, run_session

if TYPE_CHECKING:
    import onnxruntime

#: ``check="auto"`` leaves larger models alone: checking them would cost more than exporting them. Where the trace has
#: fixed a value in code that is not torch's own, the check is worth more.
AUTO_WEIGHT_BYTES = 16 << 20
AUTO_SUSPECT_WEIGHT_BYTES = 128 << 20
AUTO_NODES = 4000
AUTO_CAPTURE_S = 5.0
#: What further sizes may cost, beyond half of the capture.
FURTHER_S = 0.1
#: The same where a check was asked for.
ASKED_FURTHER_S = 20.0

#: The part of a run's time that does not depend on the sizes of its inputs, as an estimate.
_SMALLEST_SHARE = 0.25

#: By how much inputs change to see whether outputs follow: a last digit, and what deep models make of one.
_NUDGES = (2e-6, 2e-5)
#: More for the exported model alone, of whose sums of few elements many digits are the same.
_OWN_NUDGES = (*_NUDGES, 1e-6, 5e-6, 1e-5)
_LARGER = 64
_SQUEEZED = "A graph has the ranks of the example; name the axes that squeeze() may drop for a size of 1: squeeze(-1)."
_DRAWS = "the model draws random numbers"
_OTHER_SIGN = "inputs of the other sign than the example's"

_DECIDES = frozenset({"bool", "len", "int", "index", "float", "number"})


class ExampleDiffers(FrozenValue):
    """Outputs are wrong for the example itself, where the trace went another way than it."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found.

    Attributes:
        sizes: the sizes that the model was run with, by the name of the axis; None if it was not run.
        reason: why it was not.
        further: other sizes that it was run with.
        cleared: fixed values that would have been others there, without an effect on the outputs.
        limits: what was wrong with other sizes than ``sizes``, for which the model holds.
        signs: what was wrong with floats of the other sign than all of the example's.
    """

    sizes: dict[str, int] | None
    reason: str = ""
    further: tuple[dict[str, int], ...] = ()
    cleared: frozenset[Finding] = frozenset()
    limits: tuple[FrozenValue | VerificationFailed, ...] = ()
    signs: OnnxExporterError | None = None


def is_cheap(captured: Captured, capture_s: float) -> bool:
    """Whether ``check="auto"`` checks this model."""
    nbytes = sum(param.tensor.nbytes for param in captured.graph.params)
    limit = AUTO_SUSPECT_WEIGHT_BYTES if suspected(captured) else AUTO_WEIGHT_BYTES
    return nbytes <= limit and len(captured.graph.eqns) <= AUTO_NODES and capture_s <= AUTO_CAPTURE_S


def report_unchecked(captured: Captured, checked: Checked, on_frozen: OnFrozen) -> None:
    """Say what the trace has fixed that no check has cleared.

    Args:
        captured: the capture.
        checked: what the check did.
        on_frozen: whether to raise, to warn, or to leave it at ``ONNXProgram.findings``; ``"auto"`` raises where the
            elements of inputs decide a value, and warns where sizes do.

    Raises:
        FrozenValue: if there is something to say and ``on_frozen`` asks for an error.
    """
    signs = "" if checked.signs is None else f"{_OTHER_SIGN}: {checked.signs.what}, {checked.signs.why}"
    if checked.limits:
        report_limits(captured, checked.cleared, checked.limits, on_frozen)
        is_said = False
    else:
        reason = signs or "none of the other inputs that were tried has made them other ones"
        if checked.sizes is None:
            reason = f"the exported model was not checked on other inputs: {checked.reason}"
        is_said = report_open(captured, checked.cleared, reason, on_frozen)
    if checked.signs is not None and not is_said:
        # Images and probabilities are never negative, and what a model does with negative ones need not matter.
        warnings.warn(f"{signs}\n  {checked.signs.hint}", FrozenValueWarning, stacklevel=3)


def check_other_inputs(
    torch_model: Any,
    captured: Captured,
    model: Model,
    training: bool | None,
    *,
    further_s: float = FURTHER_S,
) -> Checked:
    """Run both models on an example whose dynamic axes have other sizes, and whose floats are mirrored.

    Args:
        torch_model: the model that was exported.
        captured: its capture.
        model: the finished graph.
        training: the mode that it was captured in.
        further_s: the time for further sizes, in seconds: odd ones, 1, and those at which fixed values turn.

    Returns:
        The sizes that were tried, or why none were.

    Raises:
        FrozenValue: if the outputs differ and the trace has fixed values, which are listed.
        VerificationFailed: if they differ without that.
    """
    if not has_runtime():
        return Checked(None, "onnxruntime is not installed")
    draws = draws_random_numbers(model)
    if draws and not example_sizes(captured):
        return Checked(None, _DRAWS)
    domains = _custom_domains(model)
    if domains:
        return Checked(None, f"the model has operators of {', '.join(domains)}")
    if not example_sizes(captured) and not suspected(captured):
        return Checked(None, "no axis is dynamic, and the trace has fixed nothing but in torch's own code")
    check = _Check(torch_model, captured, model, training, draws=draws)
    checked = check.run(further_s)
    if draws:
        # Right shapes tell nothing of the elements; wrong ones are wrong whatever is drawn.
        return Checked(None, _DRAWS, limits=checked.limits)
    if checked.sizes is None or not suspected(captured):
        return checked
    return replace(checked, signs=check.other_signs())


def report_wrong(error: OnnxExporterError, on_frozen: OnFrozen) -> Checked:
    """Raise what a check has raised, or warn of it.

    Args:
        error: the error.
        on_frozen: ``"warn"`` and ``"ignore"`` make a warning of outputs that differ.

    Returns:
        What is to be said of the check.

    Raises:
        FrozenValue: unless it is a warning.
        VerificationFailed: as the check did.
    """
    if not isinstance(error, FrozenValue) or on_frozen not in ("warn", "ignore"):
        raise error
    warnings.warn(f"{error.what}: {error.why}\n  {error.hint}", FrozenValueWarning, stacklevel=3)
    return Checked(None, "its outputs differ from torch's, as another warning says")


def _custom_domains(model: Model) -> list[str]:
    """The domains of operators that are neither ONNX's nor functions of the model."""
    functions = {(domain, name) for domain, name, _ in model.functions}
    bodies = [model.graph, *(function.body for function in model.functions.values())]
    nodes = {(node.domain, node.op_type) for body in bodies for node in body.all_nodes() if node.domain}
    return sorted({domain for domain, _ in nodes - functions})


class _Check:
    """One check: both models, and what has been found out.

    Attributes:
        cleared: the fixed values that were others while the outputs were right.
        limits: what was wrong with further sizes.
    """

    def __init__(
        self, torch_model: Any, captured: Captured, model: Model, training: bool | None, *, draws: bool = False
    ) -> None:
        self.cleared: set[Finding] = set()
        self.limits: list[FrozenValue | VerificationFailed] = []
        self._torch_model = torch_model
        self._captured = captured
        self._model = model
        self._training = training
        self._draws = draws
        self._symbols = example_sizes(captured)
        self._suspects = suspected(captured)
        self._session: onnxruntime.InferenceSession | None = None
        self._seconds = self._loading_s = 0.0
        self._elements = 1

    def run(self, further_s: float) -> Checked:
        """Try other inputs.

        Raises:
            FrozenValue: as :func:`check_other_inputs`.
            VerificationFailed: as :func:`check_other_inputs`.
        """
        if any(finding.is_turned for finding in self._suspects):
            # The trace went another way than the example, which has to come out right all the same.
            try:
                agrees = self._agrees(self._captured.example_inputs, self._symbols)
            except FrozenValue as error:
                raise ExampleDiffers(error.what, why=error.why, where=error.where, hint=error.hint) from error
            if not agrees:
                raise ExampleDiffers("outputs for the example differ, or torch's change with a last digit")
        tried: dict[str, int] | None = None
        for sizes, mirrored in variants(self._symbols):
            if tried is not None and not (mirrored and self._suspects):
                continue
            inputs = other_values(self._captured, sizes, mirrored=mirrored)
            agrees = self._agrees(inputs, sizes)
            if agrees is None:
                # These inputs are not for this model; perhaps the next are.
                continue
            if not agrees:
                return Checked(None, "the torch model's own results change with the last digit of its inputs")
            tried = sizes
            if mirrored:
                break
        if tried is None:
            return Checked(None, "the torch model takes none of the other inputs that were tried")
        further = tuple(self._further(tried, further_s))
        return Checked(tried, "", further, frozenset(self.cleared), tuple(self.limits))

    def other_signs(self) -> OnnxExporterError | None:
        """Try floats of the other sign where the example has one sign only; gives what was wrong."""
        inputs = other_signs(self._captured)
        if inputs is not None:
            try:
                self._agrees(inputs, self._symbols)
            except OnnxExporterError as error:
                return error
        return None

    def _further(self, tried: Mapping[str, int], further_s: float) -> Iterator[dict[str, int]]:
        """Run with sizes that other things than twice the example's depend on, as long as there is time.

        Raises:
            VerificationFailed: if outputs differ, the trace has fixed nothing, and all sizes that were equal still are.
        """
        until = time.thread_time() + further_s
        done = [dict(tried), self._symbols]
        for sizes in self._sizes():
            if sizes in done:
                continue
            done.append(sizes)
            inputs = other_values(self._captured, sizes, mirrored=False)
            count = elements(inputs)
            expected_s = self._seconds * max(_SMALLEST_SHARE, count / self._elements)
            if count > _LARGER * elements(self._captured.example_inputs) or time.thread_time() + expected_s > until:
                continue
            try:
                agrees = self._agrees(inputs, sizes)
            except FrozenValue as error:
                # Sizes that belong together may have parted: the model may still be what is wanted.
                self.limits.append(error)
                continue
            except VerificationFailed as error:
                if not isinstance(error, OtherRank) and not self._have_parted(sizes):
                    raise
                self.limits.append(error)
                continue
            if agrees is None:
                self._refused(sizes)
            elif agrees:
                yield sizes

    def _sizes(self) -> Iterator[dict[str, int]]:
        yield from further_sizes(self._symbols)
        # Also for what is cleared: outputs may have been right by chance.
        for finding in self._suspects:
            turns = turning_sizes(self._captured, finding, self._symbols) if finding.kind == "bool" else None
            for name, size in (pair for turn in turns or () for pair in turn.items()):
                # Right where it turns, both ways are often the same: the larger of two equal sizes.
                beyond = size + (1 if size > self._symbols[name] else -1)
                yield from ({**self._symbols, name: tried} for tried in (beyond, size) if tried > 0)

    def _agrees(self, inputs: Mapping[str, Any], sizes: Mapping[str, int]) -> bool | None:
        """Whether the outputs agree; None if torch refuses the inputs, False if they say nothing."""
        start, self._loading_s = time.thread_time(), 0.0
        try:
            expected = replay(self._torch_model, self._captured.signature, inputs, self._training)
        except CaptureFailed:
            return None
        if self._is_single(sizes) and any(map(_holds_nan, expected)):
            # The mean of nothing, or the deviation of a single element: the model is not for these sizes.
            return None
        differences = self._differences(inputs, expected, sizes)
        if elements(inputs) >= self._elements:
            # Of the largest inputs so far: small ones take as long as it takes to begin.
            self._seconds, self._elements = time.thread_time() - start - self._loading_s, elements(inputs)
        if differences:
            error = self._first_true(inputs, expected, differences)
            if error is None:
                return False
            raise error
        self._clear(inputs, sizes)
        return True

    def _have_parted(self, sizes: Mapping[str, int]) -> bool:
        """Whether axes that have one size in the example have several: two batches, of which torch expands one of 1."""
        equal: dict[int, set[int]] = {}
        for name, size in self._symbols.items():
            equal.setdefault(size, set()).add(sizes[name])
        return any(len(found) > 1 for found in equal.values())

    def _is_single(self, sizes: Mapping[str, int]) -> bool:
        """Whether an axis has a single element that has more in the example."""
        return any(size == 1 != self._symbols[name] for name, size in sizes.items())

    def _clear(self, inputs: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
        """Note which fixed values would have been others: they have not mattered."""
        if self._symbols and all(size == 1 for size in sizes.values()):
            # Much is the same for a single element.
            return
        left = [finding for finding in self._suspects if finding not in self.cleared]
        values = self._values(left, inputs, sizes)
        for finding in left:
            if finding in values:
                if differs(finding, values[finding]):
                    self.cleared.add(finding)
            elif finding.kind not in _DECIDES and self._has_changed(finding, inputs, sizes):
                self.cleared.add(finding)

    def _values(
        self, findings: Sequence[Finding], inputs: Mapping[str, Any], sizes: Mapping[str, int]
    ) -> dict[Finding, tuple[Any, ...]]:
        """What fixed values would be for other inputs, as far as that can be told."""
        known = {}
        for finding in findings:
            values = self._captured.frozen.for_sizes(finding, sizes)
            if values is not None:
                known[finding] = values
        rest = [finding for finding in findings if finding not in known and finding.values]
        return known | self._captured.frozen.for_inputs(rest, inputs)

    def _has_changed(self, finding: Finding, inputs: Mapping[str, Any], sizes: Mapping[str, int]) -> bool:
        """Whether all that a value depends on is other than in the example."""
        depends = finding.depends
        if depends is None or not depends.is_known:
            return False
        examples = self._captured.example_inputs
        names = {*depends.inputs, *depends.counts}
        return all(sizes.get(name) != self._symbols.get(name) for name in depends.sizes) and all(
            not (_same(inputs[name], examples[name])) for name in names
        )

    def _refused(self, sizes: Mapping[str, int]) -> None:
        """Note which fixed values would have been others where the torch model raises: it says so itself."""
        for finding in self._suspects:
            values = self._captured.frozen.for_sizes(finding, sizes)
            if finding.kind == "bool" and values is not None and differs(finding, values):
                self.cleared.add(finding)

    def _differences(
        self, inputs: Mapping[str, Any], expected: Sequence[Any], sizes: Mapping[str, int]
    ) -> dict[int, OnnxExporterError]:
        """The error for each output that differs, by position; raises if the exported model does not even run."""
        names = [value.name or "" for value in self._model.graph.outputs]
        where = ", ".join(f"{name}={size}" for name, size in sizes.items()) or "other values"
        try:
            if self._session is None:
                start = time.thread_time()
                self._session = model_session(self._model, optimize=False)
                self._loading_s = time.thread_time() - start
            found = run_session(self._session, {**loose_weights(self._model), **inputs}, names)
        except Exception as error:  # onnxruntime's exceptions share no base class but this
            failure = self._failure(f"the exported model does not run with {where}", str(error), inputs, sizes)
            raise failure from error
        tolerance = QUANTISED if quantises(self._model) or _is_quantised(self._captured) else LENIENT
        errors: dict[int, OnnxExporterError] = {}
        for position, (name, theirs, ours) in enumerate(zip(names, expected, found, strict=True)):
            difference = compare_values(theirs, ours, tolerance, values=not self._draws)
            if difference is None:
                continue
            what = f"output {name} is wrong with {where}"
            if self._is_squeezed(theirs, ours, sizes):
                errors[position] = OtherRank(what, why=difference, hint=_SQUEEZED)
            else:
                errors[position] = self._failure(what, difference, inputs, sizes)
        return errors

    def _is_squeezed(self, theirs: Any, ours: Any, sizes: Mapping[str, int]) -> bool:
        """Whether torch has dropped an axis for its size of 1, and the exported model has not."""
        if not isinstance(theirs, torch.Tensor) or not isinstance(ours, torch.Tensor):
            return False
        squeezes = any(op.name.startswith("squeeze") for op in self._captured.graph.op_counts())
        return squeezes and theirs.dim() < ours.dim() and self._is_single(sizes)

    def _first_true(
        self, inputs: Mapping[str, Any], expected: Sequence[Any], errors: Mapping[int, OnnxExporterError]
    ) -> OnnxExporterError | None:
        """The first error but for outputs that change as much when the inputs change in their last places.

        Sorting and thresholding nearly equal scores, as detectors with random weights do, turns rounding into other
        results; a difference then says nothing about the export. So does the angle of what should have been 0, of which
        torch's sums may leave nothing where those of the runtime leave a last digit.
        """
        remaining = dict(errors)
        ours = self._results(inputs)
        wrong = {} if ours is None else {at: largest_distance(expected[at], ours[at]) for at in errors}
        for count, share in enumerate(_OWN_NUDGES if self._draws else _NUDGES, start=1):
            with redrawn(count):
                again = replay(self._torch_model, self._captured.signature, _nudged_all(inputs, share), self._training)
            remaining = self._unchanged(remaining, expected, again, wrong)
        for share in _OWN_NUDGES if remaining else ():
            moved = self._results(_nudged_all(inputs, share))
            if ours is not None and moved is not None:
                remaining = self._unchanged(remaining, ours, moved, wrong)
        return min(remaining.values(), key=lambda error: isinstance(error, OtherRank), default=None)

    def _unchanged(
        self, errors: dict[int, OnnxExporterError], before: Sequence[Any], after: Sequence[Any], wrong: dict[int, Any]
    ) -> dict[int, OnnxExporterError]:
        """The errors of outputs that a nudge leaves as they are, or moves by far less than they are wrong."""
        return {
            at: error
            for at, error in errors.items()
            if not has_moved(before[at], after[at], wrong.get(at), values=not self._draws)
        }

    def _results(self, inputs: Mapping[str, Any]) -> list[Any] | None:
        """What the exported model gives; None if it does not run."""
        names = [value.name or "" for value in self._model.graph.outputs]
        try:
            if self._session is None:
                return None
            return list(run_session(self._session, {**loose_weights(self._model), **inputs}, names))
        except Exception:  # onnxruntime's exceptions share no base class but this
            return None

    def _failure(self, what: str, why: str, inputs: Mapping[str, Any], sizes: Mapping[str, int]) -> OnnxExporterError:
        """The error for outputs that differ, with the fixed values: those that would be others here come first."""
        suspects = frozen(self._captured)
        if not suspects:
            hint = "Please report it; check=False exports the model all the same."
            return VerificationFailed(what, why=why, hint=hint)
        values = self._values(suspects, inputs, sizes)
        suspects.sort(key=lambda finding: finding not in values or not differs(finding, values[finding]))
        return FrozenValue(what, why=why, where=suspects[0].place, hint=table(suspects, (), values))


def _same(left: Any, right: Any) -> bool:
    if not isinstance(left, torch.Tensor) or not isinstance(right, torch.Tensor):
        return True
    return left.shape == right.shape and torch.equal(left, right)


def _holds_nan(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point() and bool(value.isnan().any())


def _is_quantised(captured: Captured) -> bool:
    """Whether the torch model quantises, also where the target's spelling of it has no operator of that name."""
    return any(op.namespace == "quantized" or "quantize" in op.name for op in captured.graph.op_counts())


def _nudged_all(inputs: Mapping[str, Any], share: float) -> dict[str, Any]:
    return {
        name: _nudged(value, share) if isinstance(value, torch.Tensor) and value.dtype.is_floating_point else value
        for name, value in inputs.items()
    }


def _nudged(value: torch.Tensor, share: float) -> torch.Tensor:
    """Each element larger by a share of it, every one by another amount: equal ones are so no longer."""
    largest = float(value.abs().max()) if value.numel() else 0.0
    steps = torch.linspace(0, share / 5, value.numel(), dtype=torch.float64, device=value.device).reshape(value.shape)
    return (value.double() * (1 + share) + (largest or 1.0) * steps).to(value.dtype)
