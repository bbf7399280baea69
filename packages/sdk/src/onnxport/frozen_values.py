"""Which of the values that a trace has fixed may matter, and what is said of them."""

from __future__ import annotations

import bisect
import time
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from onnxport_frontend import Captured, Finding
from onnxport_ir.errors import FrozenValue, VerificationFailed

from onnxport.other_inputs import example_sizes

#: What to do about values that the trace has fixed and no check has cleared.
OnFrozen: TypeAlias = Literal["auto", "error", "warn", "ignore"]

_SHOWN = 8
#: Sizes at which code is likely to decide otherwise: small ones, and those around powers of two.
_SIZES = sorted(set(range(1, 18)) | {2**power + step for power in range(4, 14) for step in (-1, 0, 1)})
_SEARCH_S = 0.2

#: The kinds of findings that fix a value.
_FROZEN = frozenset(
    {
        *("bool", "int", "float", "number", "index", "list", "numpy", "len", "iteration", "stride", "constant"),
        *("parts", "text", "hash"),
    }
)
#: The kinds whose value would decide nothing but what is printed, in most models.
_TEXTS = frozenset({"text", "hash"})


class FrozenValueWarning(UserWarning):
    """The trace has fixed values that may depend on the input, and no check has shown that they do not matter."""


class OtherRank(VerificationFailed):
    """An output of the torch model has another rank than in the example, where an axis is 1: squeeze has dropped it."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A fixed value that may matter.

    Attributes:
        finding: what the capture says of it.
        sizes: the size of one axis for which it would be another one; None where that is not known.
    """

    finding: Finding
    sizes: dict[str, int] | None = None

    @property
    def is_data(self) -> bool:
        """Whether the elements of inputs decide it."""
        depends = self.finding.depends
        return depends is not None and bool(depends.inputs) and self.finding.kind not in _TEXTS


def frozen(captured: Captured) -> list[Finding]:
    """What the trace has fixed; the user's lines first: what torch's own code reads is mostly a check of arguments."""
    found = [finding for finding in captured.findings if finding.kind in _FROZEN and not _is_invariant(finding)]
    return sorted(found, key=lambda finding: finding.in_library)


def suspected(captured: Captured) -> list[Finding]:
    """What code outside torch has fixed, and depends on something."""
    return [finding for finding in frozen(captured) if not finding.in_library]


def open_questions(captured: Captured, cleared: Collection[Finding]) -> list[Suspect]:
    """What may matter after a check, or without one.

    Args:
        captured: the capture.
        cleared: what was another value while the outputs were right.

    Returns:
        The rest, without what is the same for all sizes that were computed.
    """
    symbols = example_sizes(captured)
    until = time.thread_time() + _SEARCH_S
    found = []
    for finding in suspected(captured):
        if finding in cleared:
            continue
        sizes = turning_sizes(captured, finding, symbols) if time.thread_time() < until else None
        if sizes != []:
            found.append(Suspect(finding, sizes[0] if sizes else None))
    return found


def turning_sizes(captured: Captured, finding: Finding, symbols: Mapping[str, int]) -> list[dict[str, int]] | None:
    """Sizes for which a fixed value would be another one, the closest to the example's first.

    Args:
        captured: the capture.
        finding: the fixed value.
        symbols: the example's size of each dynamic axis.

    Returns:
        The size of one axis each; None if the value does not follow from sizes.
    """
    depends = finding.depends
    if depends is None or not depends.is_known or depends.inputs or depends.counts:
        return None
    found = []
    for name in depends.sizes:
        if name not in symbols:
            return None
        values = {size: captured.frozen.for_sizes(finding, {**symbols, name: size}) for size in _around(symbols[name])}
        known = {size: value for size, value in values.items() if value is not None}
        if captured.frozen.for_sizes(finding, symbols) is None or not known:
            return None
        other = [size for size, value in known.items() if differs(finding, value)]
        if other:
            found.append((name, _nearest(captured, finding, symbols, name, other)))
    found.sort(key=lambda item: abs(item[1] - symbols[item[0]]))
    return [{name: size} for name, size in found]


def differs(finding: Finding, values: Sequence[Any]) -> bool:
    """Whether values are others than those of the example."""
    return set(values) != set(finding.values)


def _around(size: int) -> list[int]:
    return sorted({*_SIZES, size - 1, size + 1, 2 * size, 3 * size} - {0, size})


def _nearest(captured: Captured, finding: Finding, symbols: Mapping[str, int], name: str, sizes: Sequence[int]) -> int:
    """The size closest to the example's, between the two that are known to be on either side of the turn."""
    example = symbols[name]
    size = min(sizes, key=lambda size: abs(size - example))

    def is_other(step: int) -> bool:
        values = captured.frozen.for_sizes(
            finding, {**symbols, name: example + step if size > example else example - step}
        )
        return values is not None and differs(finding, values)

    steps = range(1, abs(size - example) + 1)
    step = steps[min(bisect.bisect_left(steps, True, key=is_other), len(steps) - 1)]
    return example + step if size > example else example - step


def report_open(captured: Captured, cleared: Collection[Finding], reason: str, on_frozen: OnFrozen) -> bool:
    """Say which fixed values may matter; gives whether there was anything to say.

    Args:
        captured: the capture.
        cleared: what a check has cleared.
        reason: why the rest is open.
        on_frozen: ``"auto"`` raises for what elements of inputs decide and warns of the rest.

    Raises:
        FrozenValue: if ``on_frozen`` asks for it.
    """
    suspects = [] if on_frozen == "ignore" else open_questions(captured, cleared)
    if not suspects:
        return False
    data = [suspect for suspect in suspects if suspect.is_data]
    what = "the trace has fixed values that may depend on the input"
    if on_frozen == "error" or (on_frozen == "auto" and data):
        shown = suspects if on_frozen == "error" else data
        if on_frozen == "auto":
            what = "the trace has fixed values that the elements of inputs decide"
        hint = f"{table([item.finding for item in shown], shown)}\n  on_frozen='warn' exports the model all the same."
        raise FrozenValue(what, why=reason, where=shown[0].finding.place, hint=hint)
    warnings.warn(
        f"{what}, and {reason}\n  {table([item.finding for item in suspects], suspects)}",
        FrozenValueWarning,
        stacklevel=4,
    )
    return True


def report_turned(captured: Captured, sizes: Mapping[str, int], on_frozen: OnFrozen) -> None:
    """Say which branches the exported model takes always, as the check has found to be right.

    Args:
        captured: the capture.
        sizes: the sizes of the check, by the name of the axis.
        on_frozen: whether that is an error, a warning, or nothing.

    Raises:
        FrozenValue: if ``on_frozen`` is ``"error"``.
    """
    turned = [finding for finding in captured.findings if finding.is_turned]
    if not turned or on_frozen == "ignore":
        return
    what = "the exported model always takes branches that the example does not take"
    why = (
        f"the check has found that right with {', '.join(f'{name}={size}' for name, size in sizes.items())} and others"
    )
    if on_frozen == "error":
        raise FrozenValue(what, why=f"{why}, and can try no more than some", where=turned[0].place, hint=table(turned))
    warnings.warn(f"{what}: {why}\n  {table(turned)}", FrozenValueWarning, stacklevel=3)


def report_limits(
    captured: Captured,
    cleared: Collection[Finding],
    limits: Sequence[FrozenValue | VerificationFailed],
    on_frozen: OnFrozen,
) -> None:
    """Say for which sizes a model is wrong that holds for others.

    Args:
        captured: the capture.
        cleared: what a check has cleared.
        limits: what was wrong, one for each of the sizes.
        on_frozen: ``"auto"`` raises where elements of inputs decide something that is not cleared, and where there is
            one dynamic axis only: with several, sizes that belong together may have parted. Ranks that no graph can
            change are no reason.

    Raises:
        FrozenValue: if ``on_frozen`` asks for it.
        VerificationFailed: the same where the trace has fixed nothing.
    """
    first, *others = sorted(limits, key=lambda error: isinstance(error, OtherRank))
    is_plain = len(example_sizes(captured)) == 1 or any(item.is_data for item in open_questions(captured, cleared))
    if on_frozen == "error" or (on_frozen == "auto" and is_plain and not isinstance(first, OtherRank)):
        raise first
    more = "".join(f"\n  {error.what}: {error.why}" for error in others)
    text = f"the exported model does not hold for all sizes: {first.what}: {first.why}\n  {first.hint}{more}"
    warnings.warn(text, FrozenValueWarning, stacklevel=4)


def table(
    findings: Sequence[Finding], suspects: Sequence[Suspect] = (), values: Mapping[Finding, Sequence[Any]] | None = None
) -> str:
    """The fixed values, one a line, and how to mend them.

    Args:
        findings: what to show.
        suspects: what is known of sizes for which they are others.
        values: what they would be for the inputs in question.
    """
    turns = {suspect.finding: suspect.sizes for suspect in suspects if suspect.sizes is not None}
    lines = []
    for finding in findings[:_SHOWN]:
        line = describe(finding)
        if values and finding in values and differs(finding, values[finding]):
            line += f"; here it would be {_some(values[finding])}"
        elif finding in turns:
            line += f"; it is another for {', '.join(f'{name}={size}' for name, size in turns[finding].items())}"
        lines.append(f"    {line}")
    more = f"\n    and {len(findings) - _SHOWN} more" if len(findings) > _SHOWN else ""
    body = "\n".join(lines)
    return (
        f"Fixed during the trace:\n{body}{more}\n"
        "  Compute them with tensors, script the function around them, or make the axis static."
    )


def describe(finding: Finding) -> str:
    """One line for a fixed value."""
    what = _WHAT.get(finding.kind, f"a tensor or size became a Python {finding.kind}")
    value = f", {_some(finding.values)} in the example" if finding.values else ""
    depends = "" if finding.depends is None else f"; {finding.depends}"
    turned = "; the exported model goes the other way" if finding.is_turned else ""
    return f"{finding.place}: {what}{value}{depends}{turned}"


_WHAT = {
    "parts": "a tensor was taken apart into as many as the example has",
    "constant": "a constant was made of a tensor or size",
    "iteration": "a loop ran over the example's rows",
    "numpy": "a tensor or size became a NumPy array",
    "stride": "the strides of a tensor were read",
    "hash": "a tensor or size became a key",
}


def _some(values: Sequence[Any]) -> str:
    shown = ", ".join(str(value) for value in list(values)[:4])
    return shown + (", ..." if len(values) > 4 else "")


def _is_invariant(finding: Finding) -> bool:
    return finding.depends is not None and finding.depends.is_nothing
