"""Errors: a code, what, why, where and the way out. Each code has a page in ``docs/errors``.

================================ ======= ==========================================================
class                            code    raised for
================================ ======= ==========================================================
InvalidArgument                  OXP001  an argument of ``export()`` that does not fit
UnknownOpset                     OXP002  an opset that the installed onnx does not know
NotYetSupported                  OXP003  a parameter or kind of model that is left for a later release
UnsupportedOperators             OXP101  operators without a handler, all at once
NeedsOpset                       OXP102  an operator that ONNX has only from a later opset on
NeedsStatic                      OXP103  a value that must be known during the export and is not
UnsupportedCase                  OXP104  an operator that is supported, but not with these arguments
CaptureFailed                    OXP201  a model whose forward raises, or that cannot be traced
UnsafeMutation                   OXP202  an in-place write whose effect cannot be proved
FrozenValue                      OXP203  a value that depends on the input but was fixed by the trace
WriteFailed                      OXP301  a file that cannot be written
VerificationFailed               OXP401  outputs of the exported model that differ from torch's
InternalError                    OXP900  a fault in onnxport itself
================================ ======= ==========================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

_DOCS = "https://onnxport.readthedocs.io/errors/"
#: A report names this many places of one reason; the exception's ``refusals`` have them all.
_PLACES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the user's model something happened.

    Attributes:
        module: the module's qualified name, ``encoder.layer.0``; empty for the model itself.
        file: the file of the user's code, as Python knows it.
        line: the line in it, from 1.
        function: the function around it.
    """

    module: str = ""
    file: str | None = None
    line: int | None = None
    function: str | None = None

    def __str__(self) -> str:
        parts = []
        if self.file is not None:
            parts.append(f"{self.file}:{self.line}")
        if self.function:
            parts.append(f"in {self.function}")
        if self.module:
            parts.append(f"module {self.module}")
        return ", ".join(parts)


class OnnxExporterError(RuntimeError):
    """Base of all errors that onnxport raises on purpose; a ``RuntimeError``, as users of torch.onnx expect.

    Args:
        what: what went wrong, as a clause: ``aten::foo is not supported``.
        why: the reason, if it is not in ``what``.
        where: the place in the user's model.
        hint: what to do about it.
    """

    code = "OXP000"

    def __init__(
        self, what: str, *, why: str | None = None, where: Place | None = None, hint: str | None = None
    ) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.where = where
        self.hint = hint

    def at(self, where: Place) -> OnnxExporterError:
        """Fill in the place if none is known yet, and return self (to raise again)."""
        if self.where is None:
            self.where = where
        return self

    def describe(self) -> str:
        """The message without the code and the link."""
        text = self.what if self.why is None else f"{self.what}: {self.why}"
        if self.where is not None and str(self.where):
            text += f"\n  at {self.where}"
        if self.hint:
            text += f"\n  {self.hint}"
        return text

    def __str__(self) -> str:
        return f"[{self.code}] {self.describe()}\n  See {_DOCS}{self.code}"


class InvalidArgument(OnnxExporterError, ValueError):
    """An argument of ``export()`` does not fit the model or the other arguments."""

    code = "OXP001"


class UnknownOpset(InvalidArgument):
    """The opset is outside the range that onnxport and the installed onnx know."""

    code = "OXP002"


class NotYetSupported(OnnxExporterError):
    """A documented feature that this release does not have yet."""

    code = "OXP003"


class LoweringError(OnnxExporterError):
    """Base of what one operator can be refused for; several are reported together."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused operator in a report: its name, the error, and how often it occurs."""

    op: str
    error: LoweringError
    count: int = 1


class UnsupportedOperator(LoweringError):
    """An operator without a handler; reported inside :class:`UnsupportedOperators`."""

    code = "OXP101"


class UnsupportedOperators(LoweringError):
    """Everything in the model that cannot be converted.

    Attributes:
        refusals: one entry per refused operator and place.
    """

    code = "OXP101"

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        self.refusals = tuple(refusals)
        kinds = sorted({r.op for r in refusals})
        super().__init__(f"{len(kinds)} operator{'s' * (len(kinds) != 1)} cannot be converted: {', '.join(kinds)}")

    def describe(self) -> str:
        """The report: each reason once, with the places where it occurs."""
        groups: dict[tuple[str, str, str], list[Refusal]] = {}
        for refusal in self.refusals:
            error = refusal.error
            reason = error.what if error.why is None else f"{error.what}: {error.why}"
            groups.setdefault((refusal.op, f"[{error.code}] {reason}", error.hint or ""), []).append(refusal)
        lines = [self.what]
        for (_, reason, hint), members in groups.items():
            lines.append(f"  - {reason}")
            lines += [f"      at {_place_text(member)}" for member in members[:_PLACES_SHOWN]]
            if len(members) > _PLACES_SHOWN:
                lines.append(f"      and at {len(members) - _PLACES_SHOWN} more places")
            if hint:
                lines.append(f"      {hint}")
        return "\n".join(lines)


def _place_text(refusal: Refusal) -> str:
    times = f" ({refusal.count} times)" if refusal.count > 1 else ""
    return f"{refusal.error.where or 'an unknown place'}{times}"


class NeedsOpset(LoweringError):
    """ONNX can express this only from a later opset on.

    Attributes:
        op: the ONNX operator, or a description of the feature.
        needs: the first opset that has it.
        target: the opset asked for.
    """

    code = "OXP102"

    def __init__(self, op: str, needs: int, target: int, *, where: Place | None = None) -> None:
        self.op, self.needs, self.target = op, needs, target
        super().__init__(
            f"{op} needs ONNX opset {needs}, the target is {target}",
            where=where,
            hint=f"Export with opset_version={needs} or later.",
        )


class NeedsStatic(LoweringError):
    """A value must be known during the export, and depends on the input."""

    code = "OXP103"


class UnsupportedCase(LoweringError):
    """The operator is supported, but not with these arguments."""

    code = "OXP104"


class CaptureFailed(OnnxExporterError):
    """The model could not be captured."""

    code = "OXP201"


class UnsafeMutation(OnnxExporterError):
    """The effect of an in-place write cannot be proved."""

    code = "OXP202"


class FrozenValue(OnnxExporterError):
    """The trace fixed a value that depends on the input."""

    code = "OXP203"


class WriteFailed(OnnxExporterError, OSError):
    """The file could not be written; nothing is left of it."""

    code = "OXP301"

    # With arguments, OSError.__new__ would parse them as errno and text.
    def __new__(cls, *args: object, **kwargs: object) -> WriteFailed:
        """Create without OSError's own reading of the arguments."""
        return OSError.__new__(cls)


class VerificationFailed(OnnxExporterError):
    """ONNX Runtime's outputs differ from torch's."""

    code = "OXP401"


class InternalError(OnnxExporterError):
    """A fault in onnxport: please report it."""

    code = "OXP900"


def merge_refusals(refusals: Iterable[Refusal]) -> list[Refusal]:
    """Join refusals with the same text and place into one with a count, in order of first occurrence."""
    merged: dict[tuple[str, str], Refusal] = {}
    for refusal in refusals:
        key = (refusal.op, refusal.error.describe())
        known = merged.get(key)
        merged[key] = refusal if known is None else replace(known, count=known.count + refusal.count)
    return list(merged.values())
