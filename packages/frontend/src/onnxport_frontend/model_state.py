"""The model is as it was after a capture, whatever happened in between."""

from __future__ import annotations

import contextlib
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from onnxport_ir.errors import InvalidArgument, UnsafeMutation

from onnxport_frontend import _torch_private as private


@contextlib.contextmanager
def preserved(model: torch.nn.Module, training: bool | None) -> Iterator[None]:
    """Run the body with the model in the given mode, and undo what the body does to the model.

    Attributes and what is in those that are containers, modes, hooks, gradients and the values of buffers and of tensor
    attributes come back. Parameters are not copied, they may be most of the machine's memory; a model that writes to
    one while it runs is refused. One that only puts other memory behind a parameter is refused as well, and comes back.

    Args:
        model: the model; scripted modules are put back as far as buffers, modes, and what they set themselves go.
        training: the mode to run in; None leaves each module in its own.

    Raises:
        InvalidArgument: if a model that has no mode is to be trained.
        UnsafeMutation: if the body has written to a parameter.
    """
    # What torch.jit.freeze gives has no mode.
    modules = [module for module in model.modules() if hasattr(module, "training")]
    if training and not hasattr(model, "training"):
        raise InvalidArgument("a frozen model has no training mode", hint="Export the model that it was made of.")
    modes = [module.training for module in modules]
    attributes: list[_Attributes | _SetByScripts]
    attributes = [_Attributes(module) for module in modules if not isinstance(module, torch.jit.ScriptModule)]
    parameters = [_Parameter(name, parameter) for name, parameter in model.named_parameters()]
    scripted = [
        (module, name, buffer)
        for module in modules
        if isinstance(module, torch.jit.ScriptModule)
        for name, buffer in module.named_buffers(recurse=False)
    ]
    attributes.append(_SetByScripts(modules))
    values = [
        (tensor, private.write_count(tensor), tensor.detach(), tensor.detach().clone()) for tensor in _values(model)
    ]
    try:
        if training is not None and hasattr(model, "training"):
            model.train(training)
        for state in attributes:
            state.prepare()
        yield
    finally:
        for state in attributes:
            state.restore()
        for script, name, buffer in scripted:
            if getattr(script, name).data_ptr() != buffer.data_ptr():
                setattr(script, name, buffer)
        with torch.no_grad():
            for tensor, version, part, before in values:
                if tensor.shape != part.shape or tensor.data_ptr() != part.data_ptr():
                    # `buffer.unsqueeze_(0)`, or other memory behind it.
                    tensor.data = part
                # The running statistics of a normalization are written to without being counted.
                if private.write_count(tensor) != version or not _same(tensor, before):
                    tensor.copy_(before)
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
        written = [state.name for state in parameters if state.restore()]
    if written:
        raise written_parameters(written)


@contextlib.contextmanager
def preserved_settings() -> Iterator[None]:
    """Undo what the body does to torch's random numbers and default element type.

    The random numbers of a GPU come back where one is in use.
    """
    dtype = torch.get_default_dtype()
    initialized = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    devices = range(torch.cuda.device_count()) if initialized else ()
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)


def written_parameters(names: Sequence[str]) -> UnsafeMutation:
    """The error for a model that writes to these parameters while it runs."""
    return UnsafeMutation(
        f"the model writes to its parameters while it runs: {', '.join(names)}",
        why="the export would hold the values after the example call, and the model holds them now",
        hint="Make them buffers, or leave the write out while torch.onnx.is_in_onnx_export().",
    )


def _values(model: torch.nn.Module) -> list[torch.Tensor]:
    """The tensors whose values a forward may change: buffers, and attributes that are neither buffer nor parameter."""
    found = {id(buffer): buffer for buffer in model.buffers()}
    for module in model.modules():
        plain = {} if isinstance(module, torch.jit.ScriptModule) else vars(module)
        for value in plain.values():
            if isinstance(value, torch.Tensor) and not isinstance(value, torch.nn.Parameter):
                found[id(value)] = value
    return [tensor for tensor in found.values() if tensor.device.type != "meta"]


class _Parameter:
    """A parameter as it was: its memory, its gradient, and enough of its values to tell whether they have changed.

    ``parameter.data.add_(1)`` is counted nowhere, so a sample of the values is compared.
    """

    _SAMPLE = 512

    def __init__(self, name: str, parameter: torch.nn.Parameter) -> None:
        self.name = name
        self._parameter = parameter
        self._data = parameter.data
        self._writes = private.write_count(parameter)
        self._grad = parameter.grad
        self._needs_grad = parameter.requires_grad
        self._values = self._sample().clone()

    def restore(self) -> bool:
        """Put back memory and gradient; gives whether the parameter was replaced or written to."""
        parameter = self._parameter
        written = private.write_count(parameter) != self._writes
        if parameter.data_ptr() != self._data.data_ptr() or parameter.shape != self._data.shape:
            parameter.data = self._data
            written = True
        parameter.grad = self._grad
        if parameter.requires_grad != self._needs_grad:
            parameter.requires_grad_(self._needs_grad)
        return written or not _same(self._sample(), self._values)

    def _sample(self) -> torch.Tensor:
        data = self._data
        if data.numel() > self._SAMPLE:
            step = data.numel() // self._SAMPLE
            data = data.view(-1)[::step] if data.is_contiguous() else data[(slice(0, 1),) * data.dim()]
        return data


def _same(left: torch.Tensor, right: torch.Tensor) -> bool:
    """Whether two tensors of one type and shape hold the same elements, bit by bit."""
    if left.is_floating_point() and left.dtype.itemsize > 1 and torch.equal(left, right):
        return True
    # nan differs from itself, and some types cannot be compared at all; their bytes can.
    return torch.equal(_bits(left), _bits(right))


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().reshape(-1).contiguous().view(torch.uint8)


class _Attributes:
    """What a module holds, one level deep: its members, and what is in those that are containers.

    Hooks and caches are such containers: ``self.losses.append(loss)``.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        self._module = module
        self._members = dict(vars(module))
        self._contents = [
            (held, _CONTENTS[type(held)](held)) for held in self._members.values() if type(held) in _CONTENTS
        ]

    def prepare(self) -> None:
        """Take away what torch.jit.trace refuses and a capture does not need."""
        module = self._module
        # No gradient flows here, so hooks on gradients would never run.
        for name in ("_backward_hooks", "_backward_pre_hooks"):
            if vars(module).get(name):
                setattr(module, name, OrderedDict())
        # A tensor under two names in one module: under the second one a plain attribute does as well.
        seen: set[int] = set()
        for table in (module._parameters, module._buffers):
            for name, tensor in list(table.items()):
                if tensor is not None and id(tensor) in seen:
                    del table[name]
                    vars(module)[name] = tensor
                seen.add(id(tensor))

    def restore(self) -> None:
        members = vars(self._module)
        if members.keys() != self._members.keys() or any(members[k] is not v for k, v in self._members.items()):
            members.clear()
            members.update(self._members)
        for held, before in self._contents:
            now = _CONTENTS[type(held)](held)
            if len(now) != len(before) or any(a is not b for a, b in zip(now, before, strict=True)):
                _refill(held, before)


class _SetByScripts:
    """The attributes that scripts set while they run, each by its module."""

    def __init__(self, modules: Sequence[torch.nn.Module]) -> None:
        scripts = [module for module in modules if isinstance(module, torch.jit.ScriptModule)]
        # A method may set an attribute of a module within its own.
        names = {name for module in scripts for name in private.attributes_set(module)}
        owners = [(private.cpp_module(module), name) for module in scripts for name in sorted(names)]
        held = [(cpp, name, cpp.getattr(name)) for cpp, name in owners if cpp.hasattr(name)]
        self._held = [item for item in held if not private.is_cpp_module(item[2])]

    def prepare(self) -> None:
        """Scripts run as they are."""

    def restore(self) -> None:
        for cpp, name, value in self._held:
            cpp.setattr(name, value)


#: What is in a container, as a list: keys and values in turn for a dictionary.
_CONTENTS: dict[type, Callable[[Any], list[Any]]] = {
    list: list,
    set: list,
    deque: list,
    dict: lambda held: [part for pair in held.items() for part in pair],
    OrderedDict: lambda held: [part for pair in held.items() for part in pair],
}


def _refill(held: Any, before: list[Any]) -> None:
    """Give a container back what was in it; it stays the same object, which others may hold."""
    held.clear()
    if isinstance(held, dict):
        held.update(zip(before[0::2], before[1::2], strict=True))
    elif isinstance(held, set):
        held.update(before)
    else:
        held.extend(before)
