"""A mode for traces that sees what ``torch.jit.trace`` passes over without a word.

``for i in range(x.shape[1])``, ``[...][n]``, ``"a" * n`` and ``x.stride(0)`` make a Python number of what the input
decides, like ``int(n)``, of which torch does warn. ``x.data`` is a tensor that the trace has never heard of, so that
its value becomes a constant; ``x.detach()`` is the same tensor with a record.

Dropout outside of training, ``x.type_as(y)`` and others can hand back their argument, but their schemas have it as a
tensor of its own: torch then takes a write to it for a write to nothing else, and drops it if only the argument is read
later.

Some functions take sizes as numbers without a record of them: convolutions, those of one number for all axes.

What puts other memory behind a tensor, or takes a tensor's memory elsewhere, is refused: ``x.set_(y)``, ``x.data = y``,
``copy.copy(x)``, ``torch.from_dlpack(x)``, ``x.resize_(2)``. No operator of the trace would tell.

Calls inside torch's own functions are not seen: a mode is off while torch's code runs.
"""

from __future__ import annotations

import functools
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping
from types import FrameType, MappingProxyType, TracebackType
from typing import Any

import torch
from onnxport_ir.errors import Place, UnsafeMutation
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from onnxport_frontend import _torch_private as private
from onnxport_frontend.aliasing import SILENT_ALIASES
from onnxport_frontend.convolutions import CONVOLUTIONS, convolve
from onnxport_frontend.numbers_of_sizes import STANDS, Stand
from onnxport_frontend.places import is_entrance, user_place
from onnxport_frontend.strides import read_arguments, strided_view

_INDEX = torch.Tensor.__index__
_STRIDE = torch.Tensor.stride
_DATA = torch.Tensor.data.__get__  # type: ignore[attr-defined]  # a descriptor of C, declared as a tensor
_SET_DATA = torch.Tensor.data.__set__  # type: ignore[attr-defined]  # the same
_DEEP_COPY = torch.Tensor.__deepcopy__
#: What a trace does not record, or forgets the tensor for, so that it becomes a constant.
_UNRECORDED: dict[Callable[..., Any], str] = {
    torch.Tensor.resize_: "Tensor.resize_",
    torch.Tensor.resize_as_: "Tensor.resize_as_",
    torch.resize_as_: "torch.resize_as_",
    torch.Tensor.apply_: "Tensor.apply_",
    torch.Tensor.map_: "Tensor.map_",
    torch.Tensor.__dlpack__: "DLPack",
}
#: Operators of torch record sizes that they take as numbers; those of libraries do not.
_OF_TORCH = frozenset({"aten", "prim", "prims"})
#: An operator, and all overloads of one.
_OPERATORS = (private.OpOverload, type(torch.ops.aten.relu))


def _functions(names: Iterable[str]) -> frozenset[Callable[..., Any]]:
    found = {getattr(module, name, None) for module in (torch, torch.Tensor, functional) for name in names}
    return frozenset(function for function in found if function is not None)


_AT_LEAST = {torch.atleast_1d: 1, torch.atleast_2d: 2, torch.atleast_3d: 3}
_DROPOUTS = ("dropout1d", "dropout2d", "dropout3d")
#: What can hand back its argument although the schema says that it does not.
_HAND_BACK = _functions([*(name.removeprefix("aten::") for name in SILENT_ALIASES), *_DROPOUTS])


#: What is done in place of a function: it gets the mode, the function, and its arguments.
Rule = Callable[["Watching", Callable[..., Any], tuple[Any, ...], Mapping[str, Any]], Any]


class Watching(TorchFunctionMode):
    """Warns as torch does, of what torch does not warn of, and keeps the trace from losing tensors.

    Args:
        rules: what else is to be called in place of functions.
    """

    def __init__(self, rules: Mapping[Callable[..., Any], Rule] = MappingProxyType({})) -> None:
        super().__init__()
        self._rules = {**_RULES, **rules}
        self._outer_set: Any = None
        # Memory that came back in another form: the tensor, how often it had been written to, from what, and where.
        self._handed_back: list[tuple[torch.Tensor, int | None, str, Place | None]] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call ``func``, or what is to be called for it.

        Raises:
            UnsafeMutation: if it puts memory behind a tensor in a way that the trace cannot tell.
        """
        # Once for every call of a function of torch: one look for those that have a rule.
        rule = self._rules.get(func)
        if rule is not None:
            return rule(self, func, args, kwargs or {})
        if isinstance(func, _OPERATORS):
            _warn_of_numbers(func, args, kwargs or {})
        return func(*args, **kwargs) if kwargs else func(*args)

    def call_keeping_identity(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Call a function; a result that is an argument, or the same part of its memory, is that in the trace too."""
        given = [value for value in tree_leaves((args, dict(kwargs))) if isinstance(value, torch.Tensor)]
        before = [(tensor, private.write_count(tensor), private.remembered_value(tensor)) for tensor in given]
        result = func(*args, **kwargs)
        if isinstance(result, torch.Tensor) and result.numel():
            for tensor, writes, restore in before:
                if result is tensor and private.write_count(tensor) == writes:
                    restore()
                elif result is not tensor and _is_same_part(result, tensor):
                    return tensor.view_as(tensor)
                elif result is not tensor and _shares_memory(result, tensor):
                    self._handed_back.append((tensor, writes, func.__name__, _here()))
        return result

    def call_strided(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """``as_strided``, by indices where it is known which elements of which value it means."""
        tensor, size, stride, offset = read_arguments(args, kwargs)
        result = strided_view(tensor, size, stride, offset)
        if result is None:
            return func(*args, **kwargs)
        for part in (tensor, result):
            self._handed_back.append((part, private.write_count(part), func.__name__, _here()))
        return result

    def __enter__(self) -> Watching:
        """Begin the mode; the caller holds the tracing lock."""
        thread = threading.get_ident()

        def set_(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
            if threading.get_ident() == thread:
                raise _untraceable("Tensor.set_, or a copy made by copy.copy")
            return super(torch.Tensor, tensor).set_(*args, **kwargs)

        # A model may export another one while it is traced.
        self._outer_set = vars(torch.Tensor).get("set_")
        # No mode sees this method. The class of C has it; a method of the same name here comes first.
        torch.Tensor.set_ = set_  # type: ignore[method-assign, assignment]  # taken away again at the end
        super().__enter__()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the mode, and refuse a trace that has lost a write.

        Raises:
            UnsafeMutation: if a tensor was written to after part of its memory came back in another form.
        """
        if self._outer_set is None:
            del torch.Tensor.set_
        else:
            torch.Tensor.set_ = self._outer_set  # type: ignore[method-assign]  # the outer trace's, as above
        super().__exit__(kind, error, traceback)  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        if kind is None:
            self._check()

    def _check(self) -> None:
        for tensor, writes, name, where in self._handed_back:
            if private.write_count(tensor) != writes:
                raise UnsafeMutation(
                    f"a tensor is written to that shares its memory with a result of {name}",
                    why="in the trace the result is a tensor of its own",
                    where=where,
                    hint=f"Call clone() on the result of {name}.",
                )


def _here() -> Place | None:
    frame: FrameType | None = sys._getframe(1)
    frames = []
    while frame is not None and not is_entrance(frame.f_code.co_filename):
        frames.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    return user_place(frames)


def _shares_memory(left: torch.Tensor, right: torch.Tensor) -> bool:
    if left.layout is not torch.strided or right.layout is not torch.strided or not right.numel():
        return False
    return left.untyped_storage().data_ptr() == right.untyped_storage().data_ptr()


def _refuse_other_memory(tensor: torch.Tensor, value: torch.Tensor) -> None:
    """``tensor.data = value`` is nothing where both are the same memory, as in ``module.to(device)``.

    What is written to parameters is refused at the end, with their names.
    """
    if isinstance(tensor, torch.nn.Parameter):
        return
    if not _is_same_part(tensor, value) or tensor.dtype is not value.dtype:
        raise _untraceable("an assignment to Tensor.data")


def _untraceable(what: str) -> UnsafeMutation:
    return UnsafeMutation(
        f"the model uses {what}",
        why="a trace does not record what that does to a tensor or its memory",
        where=_here(),
        hint="Make a tensor of the wanted size and values, or use detach(), clone() or copy_().",
    )


def _deep_copy(tensor: torch.Tensor, memo: dict[int, Any]) -> Any:
    """``copy.deepcopy`` of a tensor as an operator: torch's goes past the trace, with the values of the example."""
    if id(tensor) not in memo:
        memo[id(tensor)] = tensor.clone()
    return memo[id(tensor)]


def _warn_of_numbers(operator: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Warn of tensors that a custom operator takes as numbers: torch makes numbers of them without a word."""
    is_packet = not isinstance(operator, private.OpOverload)
    overloads = [getattr(operator, name) for name in operator.overloads()] if is_packet else [operator]
    if overloads[0].namespace in _OF_TORCH:
        return
    tensors: set[str] = set()
    for overload in overloads:
        arguments = overload._schema.arguments
        tensors |= {argument.name for argument in arguments if "Tensor" in str(argument.type)}
        given = [*zip([argument.name for argument in arguments], args, strict=False), *kwargs.items()]
    for name, values in given:
        if name not in tensors and any(isinstance(value, torch.Tensor) for value in tree_leaves(values)):
            what = f"Converting a tensor to a Python number, {name} of {operator}"
            # Between the model and the mode stands the operator's own __call__.
            warnings.warn(what, private.TracerWarning, stacklevel=4)


def _at_least(axes: int, args: tuple[Any, ...]) -> Any:
    """``torch.atleast_2d`` and the like by views that the trace knows to be such."""
    if len(args) == 1 and isinstance(args[0], torch.Tensor):
        return _with_axes(args[0], axes)
    tensors = args[0] if len(args) == 1 else args
    return tuple(_with_axes(tensor, axes) for tensor in tensors)


def _with_axes(tensor: torch.Tensor, axes: int) -> torch.Tensor:
    if axes == 3 and tensor.dim() in (1, 2):
        tensor = tensor.unsqueeze(-1)
    while tensor.dim() < axes:
        tensor = tensor.unsqueeze(0)
    return tensor


def _is_same_part(left: torch.Tensor, right: torch.Tensor) -> bool:
    if left.layout is not torch.strided or right.layout is not torch.strided:
        return False
    return left.data_ptr() == right.data_ptr() and left.shape == right.shape and _STRIDE(left) == _STRIDE(right)


def _warning_of(what: str) -> Rule:
    """Call the function, after the warning that torch owes."""

    def warn(_: Watching, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        warnings.warn(what, private.TracerWarning, stacklevel=3)
        return func(*args, **kwargs)

    return warn


def _set_data(_: Watching, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    _refuse_other_memory(args[0], args[1])
    return func(*args, **kwargs)


def _unrecorded(_: Watching, func: Callable[..., Any], __: tuple[Any, ...], ___: Mapping[str, Any]) -> Any:
    raise _untraceable(_UNRECORDED[func])


def _call_stand(
    stand: Stand, _: Watching, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    return stand(func, args, kwargs)


_RULES: dict[Callable[..., Any], Rule] = {
    **dict.fromkeys(_HAND_BACK, Watching.call_keeping_identity),
    **{function: lambda _, func, args, __: _at_least(_AT_LEAST[func], args) for function in _AT_LEAST},
    **dict.fromkeys(_UNRECORDED, _unrecorded),
    **dict.fromkeys(CONVOLUTIONS, lambda _, func, args, kwargs: convolve(func, args, kwargs)),
    **{function: functools.partial(_call_stand, stand) for function, stand in STANDS.items()},
    _DEEP_COPY: lambda _, __, args, ___: _deep_copy(args[0], args[1]),
    **dict.fromkeys((torch.Tensor.as_strided, torch.as_strided), Watching.call_strided),
    _SET_DATA: _set_data,
    _DATA: lambda _, __, args, ___: args[0].detach(),
    _STRIDE: _warning_of("Reading the strides of a tensor as Python integers"),
    _INDEX: _warning_of("Converting a tensor to a Python index"),
}
