"""How a call of the model becomes named tensors, and named tensors the model's result."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from onnxport_ir.errors import InvalidArgument

from onnxport_frontend.structure import Path, Tree, flatten

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class TensorList:
    """The annotation of a parameter that takes a list of tensors of any length: the list is one input."""


class _Whole:
    """Keeps a list from being taken apart."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """The arguments of one call, flattened.

    Attributes:
        leaves: all leaves, positional arguments first.
        paths: how each is reached, starting with the name of the parameter.
        tree: the structure of ``(args, kwargs)``.
        parameters: the signature of what is called, where Python knows it.
    """

    leaves: tuple[Any, ...]
    paths: tuple[Path, ...]
    tree: Tree
    parameters: inspect.Signature | None

    @staticmethod
    def of(args: tuple[Any, ...], kwargs: Mapping[str, Any], parameters: inspect.Signature | None) -> Call:
        """Flatten a call.

        Raises:
            InvalidArgument: if the arguments do not fit ``parameters``.
        """
        if parameters is not None:
            try:
                parameters.bind(*args, **kwargs)
            except TypeError as error:
                raise InvalidArgument(
                    f"the example arguments do not fit the model's forward{parameters}: {error}"
                ) from error
        names = _positional_names(parameters, len(args))
        positional = tuple(_whole(arg, parameters, name[0]) for arg, name in zip(args, names, strict=True))
        leaves, tree = flatten((positional, {name: _whole(arg, parameters, name) for name, arg in kwargs.items()}))
        leaves = [leaf.value if isinstance(leaf, _Whole) else leaf for leaf in leaves]
        paths = [names[int(path[1])] + path[2:] if path[0] == "0" else path[1:] for path in tree.paths()]
        return Call(tuple(leaves), tuple(paths), tree, parameters)

    @staticmethod
    def given(args: Any, kwargs: Mapping[str, Any] | None, parameters: inspect.Signature | None) -> Call:
        """Flatten the arguments of an export: without ``kwargs``, a dict in last place may be them.

        It is where the call fits the model that way, as for callers of ``torch.onnx.export``; an empty one after it
        keeps a dict positional.

        Raises:
            InvalidArgument: if the arguments do not fit ``parameters``.
        """
        positional = args if isinstance(args, tuple) else (args,)
        if kwargs is None and parameters is not None and positional and type(positional[-1]) is dict:
            named = positional[-1]
            if all(isinstance(name, str) for name in named) and _binds(parameters, positional[:-1], named):
                return Call.of(positional[:-1], named, parameters)
        return Call.of(positional, kwargs or {}, parameters)

    def rebuild(self, leaves: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """``(args, kwargs)`` with other leaves, in the containers of the original call."""
        args, kwargs = self.tree.unflatten(map(_own, leaves))
        return args, kwargs

    def default_of(self, path: Path) -> Any:
        """The default of a parameter; ``inspect.Parameter.empty`` if there is none."""
        parameter = None if self.parameters is None else self.parameters.parameters.get(path[0])
        return inspect.Parameter.empty if parameter is None or len(path) > 1 else parameter.default


@dataclass(frozen=True, slots=True, eq=False)
class Signature:
    """The outside of a captured model.

    Attributes:
        call: the example call.
        inputs: ``(name, path)`` of each input of the graph, in its order.
        output_tree: the structure of the result.
        output_slots: for each leaf of the result the index of the graph's output, or None for a constant.
        output_constants: each leaf's value where it is a constant.
        state: the buffers whose new values are further outputs, behind those of the result.
    """

    call: Call
    inputs: tuple[tuple[str, Path], ...]
    output_tree: Tree
    output_slots: tuple[int | None, ...]
    output_constants: tuple[Any, ...]
    state: tuple[str, ...] = ()

    def flatten(self, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The named inputs of a call, which may pass by keyword what the example passed by position.

        Args:
            args: positional arguments, as for the model.
            kwargs: keyword arguments, as for the model.

        Returns:
            the leaf that belongs to each input name, as it was passed.

        Raises:
            InvalidArgument: if a tensor is missing or too many, or a constant differs from the captured one.
        """
        call = Call.of(args, kwargs or {}, self.call.parameters)
        given = dict(zip(call.paths, call.leaves, strict=True))
        wanted = {path: name for name, path in self.inputs}
        problems = [f"{name} is missing" for path, name in wanted.items() if path not in given]
        constants = {p: v for p, v in zip(self.call.paths, self.call.leaves, strict=True) if p not in wanted}
        for path in [*constants, *(path for path in given if path not in wanted and path not in constants)]:
            captured = constants.get(path, self.call.default_of(path))
            value = given.get(path, self.call.default_of(path))
            if not _same(captured, value):
                problems.append(f"{'.'.join(path)} is {_show(value)}, the model was exported with {_show(captured)}")
        if problems:
            raise InvalidArgument(f"the call does not fit the exported model: {'; '.join(problems)}")
        return {name: given[path] for name, path in self.inputs}

    def unflatten(self, outputs: Sequence[Any]) -> Any:
        """The model's result of the graph's outputs, in the structure that the model returned."""
        leaves = [
            constant if slot is None else outputs[slot]
            for slot, constant in zip(self.output_slots, self.output_constants, strict=True)
        ]
        return self.output_tree.unflatten(iter(leaves))


def parameters_of(function: Callable[..., Any]) -> inspect.Signature | None:
    """The parameters of ``function``; None if Python does not know them."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def _whole(arg: Any, parameters: inspect.Signature | None, name: str) -> Any:
    parameter = None if parameters is None else parameters.parameters.get(name)
    is_list = parameter is not None and parameter.annotation is TensorList and isinstance(arg, (list, tuple))
    return _Whole(list(arg)) if is_list else arg


def is_tensor_list(leaf: Any) -> bool:
    """Whether a leaf is a list of tensors, which a script takes as one input."""
    return isinstance(leaf, list) and all(isinstance(item, torch.Tensor) for item in leaf)


def _own(leaf: Any) -> Any:
    """A copy of an object that the model may fill (an empty key-value cache); the rest, and sentinels, as they are."""
    if isinstance(leaf, torch.Tensor) or callable(leaf) or not getattr(leaf, "__dict__", None):
        return leaf
    try:
        return copy.deepcopy(leaf)
    except Exception:  # a user's __deepcopy__ may raise anything; the call then gets the object itself
        return leaf


def _binds(parameters: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    try:
        parameters.bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _positional_names(parameters: inspect.Signature | None, count: int) -> list[Path]:
    names: list[Path] = []
    rest = "arg"
    if parameters is not None:
        for parameter in parameters.parameters.values():
            if parameter.kind in _POSITIONAL:
                names.append((parameter.name,))
            elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                rest = parameter.name
    names = names[:count]
    names += [(rest, str(index)) for index in range(count - len(names))]
    return names


def _same(left: Any, right: Any) -> bool:
    if left is right:
        return True
    if isinstance(left, torch.Tensor) or isinstance(right, torch.Tensor) or type(left) is not type(right):
        return False
    try:
        return bool(left == right)
    except Exception:  # a user's __eq__ may raise anything; the values are then not known to be the same
        return False


def _show(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return "not given"
    if isinstance(value, torch.Tensor):
        return "a tensor"
    text = repr(value)
    return text if len(text) <= 60 else f"a {type(value).__name__}"
