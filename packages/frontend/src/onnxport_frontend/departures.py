"""Another way through a model than the example's: numbers that stay tensors, and branches that go the other way.

``int(n)``, ``max(h, w)`` and ``x.tolist()`` make Python's numbers of tensors, which a trace then fixes. Where a first
trace has found that, a second one can have tensors there instead, as it has for ``x.shape[1] * 2`` in any case.

``if x.shape[1] % 8: x = pad(x)`` is decided by the example. Where a branch does nothing if its condition does not hold,
pads by nothing, cuts nothing away, interpolates to the size that is there, a trace that takes it holds for all sizes.
Whether it does so nobody knows before both models have been compared on either side of the branch.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import FrameType, ModuleType
from typing import Any

import torch

#: A file and a line.
Line = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Departures:
    """What a trace does otherwise than the model with the example.

    Attributes:
        kept: lines on which numbers that are made of tensors stay tensors.
        branches: lines on which a tensor is this truth value, whatever its elements.
        loops: lines on which a loop over ``range`` of a size, or over the rows of a tensor, stays a loop.
    """

    kept: frozenset[Line] = frozenset()
    branches: Mapping[Line, bool] = field(default_factory=dict)
    loops: frozenset[Line] = frozenset()

    def keeps(self, frame: FrameType) -> bool:
        """Whether numbers stay tensors where a frame is."""
        return bool(self.kept) and (frame.f_code.co_filename, frame.f_lineno) in self.kept

    def rolls(self, frame: FrameType) -> bool:
        """Whether a loop stays one where a frame is."""
        return (frame.f_code.co_filename, frame.f_lineno) in self.loops


#: As it is without a second trace.
AS_THE_EXAMPLE = Departures()


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """What ``int`` makes of a tensor of one element, as a tensor."""
    number = tensor.reshape(()) if tensor.dim() else tensor
    if number.dtype.is_floating_point:
        number = number.trunc()
    return number if number.dtype is torch.int64 else number.to(torch.int64)


def number(tensor: torch.Tensor) -> torch.Tensor:
    """What ``item`` makes of a tensor of one element, as a tensor: Python's floats are double."""
    number = tensor.reshape(()) if tensor.dim() else tensor
    wanted = torch.float64 if number.dtype.is_floating_point else torch.int64
    return number if number.dtype in (wanted, torch.bool) else number.to(wanted)


def listed(tensor: torch.Tensor) -> Any:
    """What ``tolist`` makes of a tensor, with tensors for its numbers."""
    if not tensor.dim():
        return number(tensor)
    return [listed(tensor.select(0, index)) for index in range(int(tensor.shape[0]))]


def is_number(value: Any) -> bool:
    """Whether a value is a tensor that Python takes for a number."""
    return (
        isinstance(value, torch.Tensor)
        and not value.is_quantized
        and not value.is_complex()
        and value.layout is torch.strided
        and value.numel() == 1
    )


@contextlib.contextmanager
def numbers_kept(departures: Departures, is_on: Callable[[], bool], turns: Callable[..., Any]) -> Iterator[None]:
    """Python's functions on numbers, in the modules of some lines, as functions of tensors on these lines.

    Args:
        departures: says which lines.
        is_on: whether this thread is tracing; elsewhere they are Python's own.
        turns: stands in for ``range`` on lines with loops.
    """
    files = {file for file, _ in departures.kept | departures.loops}
    names = _stand_ins(lambda: is_on() and departures.keeps(_caller())) if files else {}
    if departures.loops:
        names["range"] = _type_standing_in(
            range, _stand_in(lambda: is_on() and departures.rolls(_caller()), turns, range), ()
        )
    undo: list[tuple[dict[str, Any], str, Any]] = []
    try:
        for module in list(sys.modules.values()) if files else ():
            if getattr(module, "__file__", None) in files:
                for name, stand_in in names.items():
                    _put(vars(module), name, stand_in, undo)
        yield
    finally:
        for names_of_module, name, before in reversed(undo):
            if before is _BUILTIN:
                del names_of_module[name]
            else:
                names_of_module[name] = before


def _caller() -> FrameType:
    """The frame of whoever called a stand-in."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename == __file__ and frame.f_back is not None:
        frame = frame.f_back
    return frame


# A sentinel: the module has no such name of its own.
_BUILTIN = object()


def _put(names: dict[str, Any], name: str, stand_in: Any, undo: list[tuple[dict[str, Any], str, Any]]) -> None:
    """Enter a stand-in unless the name means something else in a module."""
    before = names.get(name, _BUILTIN)
    if before is (math if name == "math" else _BUILTIN):
        undo.append((names, name, before))
        names[name] = stand_in


def _stand_ins(is_kept: Callable[[], bool]) -> dict[str, Any]:
    """What stands in for functions of Python's, by their names."""
    stand_in = functools.partial(_stand_in, is_kept)
    functions = {name: stand_in(ours, getattr(builtins, name)) for name, ours in _FUNCTIONS.items()}
    module = ModuleType("math")
    vars(module).update(vars(math))
    for name, ours in _MATH.items():
        setattr(module, name, stand_in(ours, getattr(math, name)))
    return {
        **functions,
        "math": module,
        "int": _type_standing_in(int, stand_in(_int, int)),
        "float": _type_standing_in(float, stand_in(_float, float)),
    }


def _stand_in(is_kept: Callable[[], bool], ours: Callable[..., Any], original: Callable[..., Any]) -> Any:
    """A function that is ours where numbers are kept and it has something to give, and Python's elsewhere."""

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not kwargs and _has_number(args) and is_kept():
            result = ours(*args)
            if result is not NotImplemented:
                return result
        return original(*args, **kwargs)

    return call


def _has_number(args: Iterable[Any]) -> bool:
    return any(isinstance(arg, torch.Tensor) or (isinstance(arg, (list, tuple)) and _has_number(arg)) for arg in args)


def _type_standing_in(original: type, call: Callable[..., Any], bases: tuple[type, ...] | None = None) -> type:
    """A class that is called as ``call`` and is ``original`` in all other ways that code asks for."""

    class Like(type):
        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            return call(*args, **kwargs)

        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, original)

        def __subclasscheck__(cls, other: type) -> bool:
            return issubclass(other, original)

        def __eq__(cls, other: object) -> bool:
            return other is cls or other is original

        def __hash__(cls) -> int:
            return hash(original)

    # Nothing can inherit from range.
    return Like(original.__name__, (original,) if bases is None else bases, {})


def _int(value: Any = 0, *base: Any) -> Any:
    return whole(value) if is_number(value) and not base else NotImplemented


def _float(value: Any = 0.0) -> Any:
    return number(value).to(torch.float64) if is_number(value) else NotImplemented


def _len(value: Any) -> Any:
    # In a trace a size is a tensor.
    return value.shape[0] if isinstance(value, torch.Tensor) and value.dim() else NotImplemented


def _extreme(choose: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Callable[..., Any]:
    def extreme(*values: Any) -> Any:
        given = values[0] if len(values) == 1 else values
        if not isinstance(given, (list, tuple)) or not all(is_number(v) or type(v) in (int, float) for v in given):
            return NotImplemented
        return functools.reduce(choose, map(_as_number, given))

    return extreme


def _as_number(value: Any) -> torch.Tensor:
    return number(torch.as_tensor(value))


def _of_doubles(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., Any]:
    def call(value: Any, *more: Any) -> Any:
        return function(number(value).to(torch.float64)) if is_number(value) and not more else NotImplemented

    return call


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": _len,
    "max": _extreme(torch.maximum),
    "min": _extreme(torch.minimum),
}
_MATH: dict[str, Callable[..., Any]] = {
    name: _of_doubles(getattr(torch, name)) for name in ("sqrt", "log", "log2", "log10", "exp", "sin", "cos", "tanh")
}
