"""How outputs of an exported model differ from torch's: one comparison for all checks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

#: Relative and absolute tolerances of floats; the absolute one is a share of the largest element.
_SINGLE, _HALF = (1e-3, 1e-4), (5e-2, 1e-2)
_FLOOR = 1e-6
#: The share of an error by which an output has to move if the error is to be one of rounding.
_EXPLAINS = 0.01


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far outputs may be apart.

    Attributes:
        rtol: the allowed error as a share of torch's value; None is 1e-3, and 5e-2 in half precision.
        atol: the allowed error beside that; None is 1e-4 of torch's largest value, and 1e-2 in half precision.
        mismatched: the share of integers and truth values that may differ.
        of_spread: whether ``rtol`` is a share of the distance of torch's smallest from its largest value instead.
    """

    rtol: float | None = None
    atol: float | None = None
    mismatched: float = 0.0
    of_spread: bool = False

    def allowed(self, theirs: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """The allowed error of each element.

        Args:
            theirs: torch's values as float64, finite, at least one.
            dtype: what they were.
        """
        rtol, atol = _HALF if dtype in (torch.float16, torch.bfloat16, torch.complex32) else _SINGLE
        absolute = float(theirs.abs().max()) * atol + _FLOOR if self.atol is None else self.atol
        scale = theirs.max() - theirs.min() if self.of_spread else theirs.abs()
        return scale * (rtol if self.rtol is None else self.rtol) + absolute


#: For models that run with other inputs than the example's: of integers one in ten may differ, as the positions of
#: nearly equal maxima do.
LENIENT = Tolerance(mismatched=0.1, of_spread=True)
#: The same for models that quantise, where rounding differently by one step carries on through the layers.
QUANTISED = Tolerance(rtol=0.1, mismatched=0.1, of_spread=True)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What comparing one output has shown.

    Attributes:
        kind: element type and shape of torch's output, ``float32[2, 3]``; ``sequence`` or ``none`` if it is no tensor.
        max_abs_error: the largest absolute error; None where elements were not compared.
        max_rel_error: the largest error as a share of torch's value, of elements that are not 0; None as above.
        problem: how the outputs differ by more than the tolerance, in words; None if they do not.
    """

    kind: str
    max_abs_error: float | None = None
    max_rel_error: float | None = None
    problem: str | None = None


def compare(theirs: Any, ours: Any, tolerance: Tolerance, *, values: bool = True) -> Comparison:
    """Compare an output of torch's with one of the exported model.

    Args:
        theirs: a tensor, a number of a script, a list of these, or None.
        ours: the same of ONNX Runtime's.
        tolerance: how far they may be apart.
        values: False compares types and shapes alone.
    """
    if isinstance(theirs, bool | int | float) and isinstance(ours, torch.Tensor):
        theirs = torch.tensor(theirs, dtype=ours.dtype if isinstance(theirs, float) else None)
    if isinstance(theirs, list) and isinstance(ours, torch.Tensor) and all(isinstance(n, int | float) for n in theirs):
        # A list of numbers is a vector here.
        theirs = torch.tensor(theirs, dtype=ours.dtype if not theirs or isinstance(theirs[0], float) else None)
    if isinstance(theirs, torch.Tensor) and isinstance(ours, torch.Tensor):
        return _compare_tensors(theirs.detach().cpu(), ours, tolerance, values)
    kind = _kind(theirs)
    if isinstance(theirs, list | tuple) and isinstance(ours, list | tuple):
        if len(theirs) != len(ours):
            return Comparison(kind, problem=f"it has {len(ours)} elements, torch's has {len(theirs)}")
        return _joined(kind, [compare(a, b, tolerance, values=values) for a, b in zip(theirs, ours, strict=True)])
    if (theirs is None) != (ours is None) or isinstance(theirs, list | tuple) != isinstance(ours, list | tuple):
        return Comparison(kind, problem=f"it is {_kind(ours)}, torch's is {kind}")
    return Comparison(kind)


def compare_values(theirs: Any, ours: Any, tolerance: Tolerance = LENIENT, *, values: bool = True) -> str | None:
    """How an output of a model on other inputs differs from torch's, in words; None if it does not.

    Floats agree by default within 1e-3 of their spread and 1e-4 of the largest (5e-2 and 1e-2 in half precision);
    without ``values``, only types and shapes have to.
    """
    return compare(theirs, ours, tolerance, values=values).problem


def has_moved(before: Any, after: Any, distance: float | None, *, values: bool = True) -> bool:
    """Whether an output of a model has changed by more than the tolerance, and by enough to explain an error.

    Of what is about 0 the last digits are all there is: they change, and are no reason for an output of 2.

    Args:
        before: the output.
        after: the same for inputs that are nearly equal.
        distance: by how much the exported model's output is wrong; None where that cannot be said.
        values: False compares types and shapes alone.
    """
    if compare_values(before, after, values=values) is None:
        return False
    moved = largest_distance(before, after)
    return moved is None or distance is None or moved >= _EXPLAINS * distance


def largest_distance(left: Any, right: Any) -> float | None:
    """How far the elements of two tensors of floats are apart; None for anything else, also where some are infinite."""
    if not isinstance(left, torch.Tensor) or not isinstance(right, torch.Tensor) or left.shape != right.shape:
        return None
    if not left.is_floating_point() or not right.is_floating_point() or not left.numel():
        return None
    distance = float((left.detach().cpu().double() - right.detach().cpu().double()).abs().max())
    return distance if math.isfinite(distance) else None


def _compare_tensors(theirs: torch.Tensor, ours: torch.Tensor, tolerance: Tolerance, values: bool) -> Comparison:
    if theirs.is_complex() and not ours.is_complex():
        theirs = torch.view_as_real(theirs.resolve_conj())
    kind = _kind(theirs)
    if theirs.dtype != ours.dtype or theirs.shape != ours.shape:
        return Comparison(kind, problem=f"it is {_torch_kind(ours)}, torch's is {_torch_kind(theirs)}")
    if not values:
        return Comparison(kind)
    if not theirs.numel():
        return Comparison(kind, 0.0, 0.0)
    dtype = theirs.dtype
    if dtype.is_complex:
        theirs, ours = torch.view_as_real(theirs.resolve_conj()), torch.view_as_real(ours.resolve_conj())
    a, b = theirs.double(), ours.double()
    if not theirs.dtype.is_floating_point:
        # Of integers beyond float64 the error is not exact, that they differ is.
        share = float((theirs != ours).double().mean())
        problem = f"{share:.0%} of its elements differ" if share > tolerance.mismatched else None
        return Comparison(kind, *_errors(a, b), problem)
    finite = a.isfinite()
    if not torch.equal(finite, b.isfinite()) or not torch.equal(a[~finite].nan_to_num(), b[~finite].nan_to_num()):
        return Comparison(kind, problem="it has NaN or infinity at other places")
    a, b = a[finite], b[finite]
    if not a.numel():
        return Comparison(kind, 0.0, 0.0)
    error, relative = _errors(a, b)
    wrong = bool(((a - b).abs() > tolerance.allowed(a, dtype)).any())
    return Comparison(kind, error, relative, f"its largest error is {error:.3g}" if wrong else None)


def _errors(a: torch.Tensor, b: torch.Tensor) -> tuple[float, float]:
    difference = (a - b).abs()
    nonzero = a != 0
    relative = float((difference[nonzero] / a[nonzero].abs()).max()) if bool(nonzero.any()) else 0.0
    return float(difference.max()), relative


def _joined(kind: str, parts: list[Comparison]) -> Comparison:
    absolute = [part.max_abs_error for part in parts if part.max_abs_error is not None]
    relative = [part.max_rel_error for part in parts if part.max_rel_error is not None]
    problems = [f"element {index}: {part.problem}" for index, part in enumerate(parts) if part.problem]
    return Comparison(kind, max(absolute, default=None), max(relative, default=None), "; ".join(problems[:3]) or None)


def _kind(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return _torch_kind(value).removeprefix("torch.")
    return f"sequence of {len(value)}" if isinstance(value, list | tuple) else "none"


def _torch_kind(value: torch.Tensor) -> str:
    return f"{value.dtype}{list(value.shape)}"
