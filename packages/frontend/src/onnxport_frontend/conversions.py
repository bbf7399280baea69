"""Seeing every tensor that becomes something of Python's while a model is traced, and which value of the trace it is.

torch warns of some of these conversions, and says nothing of which tensor it was. Here the methods that convert are
stood in for as long as a trace lasts, and leave a mark in the trace that reads the tensor: what the value depends on,
and what it would be for other inputs, can then be told from the captured graph (:mod:`onnxport_frontend.dependence`).
"""

from __future__ import annotations

import contextlib
import functools
import math
import operator
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, Literal, Protocol

import torch
from torch.utils import _pytree as pytree

from onnxport_frontend import _torch_private as private, strides
from onnxport_frontend.departures import AS_THE_EXAMPLE, Departures, is_number, listed, number, numbers_kept
from onnxport_frontend.numbers_of_sizes import with_factor
from onnxport_frontend.places import is_between, is_user_file
from onnxport_frontend.rolling import turn_text
from onnxport_frontend.watching import Watching

#: What of a tensor was converted: its elements, the size of its first axis, or all of its sizes.
Aspect = Literal["value", "length", "sizes"]


@dataclass(frozen=True, slots=True)
class Conversion:
    """A way in which tensors become something else.

    Attributes:
        kind: the kind of finding that it is.
        what: a sentence.
        aspect: what of the tensor is converted.
        has_value: whether the result is a number or a truth value, which can be compared with another one.
    """

    kind: str
    what: str
    aspect: Aspect = "value"
    has_value: bool = True


class Recorder(Protocol):
    """Takes what was converted."""

    def __call__(self, conversion: Conversion, tensors: list[torch.Tensor], value: Any, frame: FrameType) -> Any:
        """Note a conversion.

        Args:
            conversion: how.
            tensors: the tensors that became something else.
            value: what they became; None if it is no number.
            frame: the frame that asked for it.

        Returns:
            What the model shall get in place of ``value``, mostly that itself.
        """


_BOOL = Conversion("bool", "Converting a tensor to a Python boolean")
_COMPARISON = Conversion("bool", "Comparing tensors as a Python boolean", has_value=False)
_SAME_SIZES = Conversion("bool", "Comparing the sizes of tensors as a Python boolean", "sizes", has_value=False)
_NUMPY = Conversion("numpy", "Converting a tensor to a NumPy array", has_value=False)
_TEXT = Conversion("text", "Converting a tensor to a text", has_value=False)
_CONSTANT = Conversion("constant", "Making a constant of a tensor", has_value=False)

_ITEM = Conversion("number", "Converting a tensor to a Python number")
_LIST = Conversion("list", "Converting a tensor to a Python list", has_value=False)
_ROWS = Conversion("iteration", "Iterating over a tensor", "length", has_value=False)
_LENGTH = Conversion("list", "Converting a tensor to a list of numbers", "sizes", has_value=False)
_STRIDES = Conversion("stride", "Reading the strides of a tensor as Python integers", "sizes", has_value=False)
_KEPT = frozenset({_ITEM, _LIST})

#: The methods of a tensor that give something of Python's.
_METHODS = {
    "__bool__": _BOOL,
    "__int__": Conversion("int", "Converting a tensor to a Python integer"),
    "__float__": Conversion("float", "Converting a tensor to a Python float"),
    "__complex__": Conversion("number", "Converting a tensor to a Python complex number"),
    "__index__": Conversion("index", "Converting a tensor to a Python index"),
    "item": _ITEM,
    "tolist": _LIST,
    "numpy": _NUMPY,
    "__array__": _NUMPY,
    "__contains__": Conversion("bool", "Looking for a value in a tensor", has_value=False),
    "__len__": Conversion("len", "Using len to get tensor shape", "length"),
    "__iter__": _ROWS,
    "stride": _STRIDES,
    "__format__": _TEXT,
    "__repr__": _TEXT,
    "__hash__": Conversion("hash", "Using a tensor as a key", has_value=False),
    "equal": _COMPARISON,
    "allclose": _COMPARISON,
    "is_nonzero": _BOOL,
    "is_same_size": _SAME_SIZES,
}
#: The same as functions of ``torch``. These are not stood in for: code that is compiled meanwhile looks them up.
_FUNCTIONS = {getattr(torch, name): _METHODS[name] for name in ("equal", "allclose", "is_nonzero", "is_same_size")}
#: What makes a tensor of Python's values, some of which may be tensors.
_MAKERS: frozenset[Callable[..., Any]] = frozenset({torch.tensor, torch.as_tensor, torch.asarray})
_MAKER_METHODS = ("new", "new_tensor")

#: Rounding to whole numbers, for which Python asks tensors in vain: they stay tensors in a trace, as sizes are.
_ROUNDINGS: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], Callable[[float], int]]] = {
    "__ceil__": (torch.ceil, math.ceil),
    "__floor__": (torch.floor, math.floor),
    "__trunc__": (torch.trunc, math.trunc),
    "__round__": (torch.round, round),
}

#: What tensors lack and whole numbers have.
_DIVISIONS: dict[str, Callable[[Any, Any], Any]] = {
    "__divmod__": lambda left, right: (left // right, left % right),
    "__rdivmod__": lambda right, left: (left // right, left % right),
}

# A sentinel: the method is the class's own, and is put back by deleting what stands in for it.
_INHERITED = object()


@contextlib.contextmanager
def watched_conversions(record: Recorder, departures: Departures = AS_THE_EXAMPLE) -> Iterator[Watch]:
    """Give ``record`` each conversion that this thread makes in a trace; the caller holds the tracing lock.

    Args:
        record: is given them.
        departures: where numbers stay tensors.

    Yields:
        What watches, for a mode that sees functions of torch.
    """
    watch = Watch(record, departures)
    undo: list[tuple[str, Any]] = []

    def stand_in(name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        undo.append((name, vars(torch.Tensor).get(name, _INHERITED)))
        setattr(torch.Tensor, name, make(getattr(torch.Tensor, name, _missing)))

    try:
        for name, conversion in _METHODS.items():
            stand_in(name, functools.partial(watch.converting, conversion))
        for name in _MAKER_METHODS:
            stand_in(name, watch.making)
        for name in _ROUNDINGS:
            stand_in(name, functools.partial(watch.rounding, name))
        for name, divide in _DIVISIONS.items():
            stand_in(name, functools.partial(_standing_in, divide))
        with numbers_kept(departures, watch.is_on, watch.turns):
            yield watch
    finally:
        for name, before in reversed(undo):
            if before is _INHERITED:
                delattr(torch.Tensor, name)
            else:
                setattr(torch.Tensor, name, before)


class WatchingConversions(Watching):
    """The mode of a trace, which sees the functions of torch that convert tensors as well."""

    def __init__(self, watch: Watch) -> None:
        # A rule is called by the mode, and that by whoever called the function.
        def convert(_: Watching, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
            return watch.converting(_FUNCTIONS[func], func, sys._getframe(2))(*args, **kwargs)

        def make(_: Watching, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
            return watch.making(func, sys._getframe(2))(*args, **kwargs)

        def scale(_: Watching, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
            return with_factor(func, args, kwargs, watch.number)

        rules = {**dict.fromkeys(_FUNCTIONS, convert), **dict.fromkeys(_MAKERS, make)}
        super().__init__({**rules, torch.nn.functional.interpolate: scale})


class Watch:
    """What stands in for methods and functions, and whether one of them is at work."""

    def __init__(self, record: Recorder, departures: Departures = AS_THE_EXAMPLE) -> None:
        self.busy = False
        self._record = record
        self._departures = departures
        self._loops = 0
        self._thread = threading.get_ident()

    def converting(
        self, conversion: Conversion, call: Callable[..., Any], caller: FrameType | None = None
    ) -> Callable[..., Any]:
        """Something that converts its first arguments as ``call`` does, for whoever calls it unless that is said."""

        @functools.wraps(call)
        def convert(*args: Any, **kwargs: Any) -> Any:
            frame = caller or sys._getframe(1)
            if not self._is_news(conversion, args, frame):
                return self._unseen(call, conversion, frame, args, kwargs)
            if conversion is _STRIDES and is_user_file(frame.f_code.co_filename):
                with self._busy():
                    found = strides.strides_of_sizes(*args, **kwargs)
                if found is not None:
                    return found
            if conversion is _ROWS and self._departures.rolls(frame) and args[0].dim():
                return self.rows(args[0])
            if conversion in _KEPT and self._departures.keeps(frame) and not args[0].is_complex():
                return self._kept(conversion, args[0], frame)
            with self._busy():
                result = call(*args, **kwargs)
                if conversion.kind == "len":
                    # In a trace it is a tensor.
                    result = operator.index(result)
                tensors = [arg for arg in args if isinstance(arg, torch.Tensor)]
                if not conversion.has_value:
                    self._record(conversion, tensors, None, frame)
                    return result
                return self._record(conversion, tensors, result, frame)

        return convert

    def _kept(self, conversion: Conversion, tensor: torch.Tensor, frame: FrameType) -> Any:
        """A number or a list of numbers as tensors; how long the list is stays fixed."""
        if conversion is _ITEM and tensor.numel() == 1:
            return number(tensor)
        with self._busy():
            self._record(_LENGTH, [tensor], None, frame)
        return listed(tensor)

    def number(self, tensor: torch.Tensor) -> Any:
        """What a tensor is in the example, where a function takes nothing else; noted as the model's own doing."""
        frame = sys._getframe(1)
        while not is_user_file(frame.f_code.co_filename) and frame.f_back is not None:
            frame = frame.f_back
        with self._busy():
            return self._record(_METHODS["__float__"], [tensor], float(tensor), frame)

    def making(self, call: Callable[..., Any], caller: FrameType | None = None) -> Callable[..., Any]:
        """Something that makes a tensor as ``call`` does; what it is made of may be tensors."""

        @functools.wraps(call)
        def make(*args: Any, **kwargs: Any) -> Any:
            if not self.is_on():
                return call(*args, **kwargs)
            frame = caller or sys._getframe(1)
            owner = args[:1] if isinstance(call, _METHOD) else ()
            with self._busy():
                result = call(*args, **kwargs)
                followed = None if call is _NEW else _from_numbers(args[len(owner) :], kwargs, result)
            if followed is not None:
                return followed
            given = [leaf for leaf in pytree.tree_leaves((args[len(owner) :], kwargs)) if _is_plain(leaf)]
            # x.new(n, 2) is in the trace, with n as the number that it was.
            if given and (call is _NEW or private.is_constant_in_trace(result)):
                self._record(_CONSTANT, given, None, frame)
            return result

        return make

    def turns(self, *bounds: Any) -> Any:
        """``range`` from one number to another, with marks in the trace between the turns of a loop over it."""
        start, stop = (0, *bounds) if len(bounds) == 1 else bounds[:2]
        if len(bounds) == 3 or type(start) is not int or not is_number(stop):
            return NotImplemented
        count = stop - start if start else stop
        self._loops += 1
        return self._marked(self._loops, start, count)

    def rows(self, tensor: torch.Tensor) -> Iterator[torch.Tensor]:
        """The rows of a tensor one after the other, with the same marks."""
        self._loops += 1
        sizes: Any = tensor.shape  # in a trace they are tensors
        return (tensor.select(0, index) for index in self._marked(self._loops, 0, sizes[0]))

    def _marked(self, loop: int, start: int, count: torch.Tensor) -> Iterator[int]:
        with self._busy():
            turns = int(count)
        for turn in range(turns):
            private.mark_in_trace(count, turn_text(loop, turn))
            yield start + turn
        private.mark_in_trace(count, turn_text(loop, -1))

    def rounding(self, name: str, _: Callable[..., Any]) -> Callable[..., Any]:
        """A way to round a tensor of one number, which has none."""
        in_trace, in_python = _ROUNDINGS[name]

        def rounded(tensor: torch.Tensor, *digits: int | None) -> Any:
            if self.is_on() and digits in ((), (None,)):
                return in_trace(tensor).to(torch.int64)
            return in_python(float(tensor), *digits)

        return rounded

    def is_on(self) -> bool:
        """Whether this thread is tracing, and not in here."""
        return not self.busy and threading.get_ident() == self._thread and private.is_tracing()

    def _is_news(self, conversion: Conversion, args: tuple[Any, ...], frame: FrameType) -> bool:
        if not self.is_on() or not args or not _is_plain(args[0]):
            return False
        if _is_ours(conversion, frame):
            return False
        if conversion.kind == "index":
            # torch asks for the index of tensors that it has recorded already: x[:n].
            return is_user_file(frame.f_code.co_filename)
        # Tensors are keys by identity all over torch; only numbers would be found again in eager mode.
        return conversion.kind != "hash" or (args[0].dim() == 0 and is_user_file(frame.f_code.co_filename))

    def _unseen(
        self,
        call: Callable[..., Any],
        conversion: Conversion,
        frame: FrameType,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Convert without a record; torch's warning is none either where this package asks."""
        if not _is_ours(conversion, frame) or not self.is_on():
            return call(*args, **kwargs)
        with self._busy():
            return call(*args, **kwargs)

    @contextlib.contextmanager
    def _busy(self) -> Iterator[None]:
        self.busy = True
        try:
            yield
        finally:
            self.busy = False


_NEW = torch.Tensor.new
_METHOD = type(_NEW)


def _standing_in(ours: Callable[..., Any], _: Callable[..., Any]) -> Callable[..., Any]:
    return ours


def _missing(tensor: torch.Tensor) -> Any:
    raise TypeError(f"{type(tensor).__name__} has no such method")


def _from_numbers(args: tuple[Any, ...], kwargs: Mapping[str, Any], made: torch.Tensor) -> torch.Tensor | None:
    """What ``torch.tensor`` made of numbers, by operators that a trace records; None unless some of them are tensors.

    Args:
        args: what was passed, the data first.
        kwargs: the same by name.
        made: the tensor that was made, which the trace has as a constant.
    """
    data = args[0] if args else kwargs.get("data", kwargs.get("obj"))
    leaves = _leaves(data) if isinstance(data, (list, tuple)) else []
    if not any(map(_is_plain, leaves)) or len(leaves) != made.numel() or kwargs.get("requires_grad"):
        return None
    if any(leaf.dim() if _is_plain(leaf) else type(leaf) not in _NUMBERS for leaf in leaves):
        return None
    numbers = [
        leaf.to(made.device, made.dtype) if isinstance(leaf, torch.Tensor) else made.new_tensor(leaf) for leaf in leaves
    ]
    return torch.stack(numbers).reshape(made.shape)


_NUMBERS = frozenset({bool, int, float})


def _leaves(data: Any) -> list[Any]:
    """What nested lists hold."""
    return [leaf for item in data for leaf in _leaves(item)] if isinstance(data, (list, tuple)) else [data]


def _is_ours(conversion: Conversion, frame: FrameType) -> bool:
    """Whether a conversion is one that this package asks for itself."""
    file = frame.f_code.co_filename
    return file == strides.__file__ or (conversion.kind == "bool" and is_between(file))


def _is_plain(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and not value.is_quantized
