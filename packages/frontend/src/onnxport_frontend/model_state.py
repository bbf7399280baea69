"""The model is as it was after a capture, whatever happened in between."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterator

import torch
from onnxport_ir.errors import UnsafeMutation

from onnxport_frontend import _torch_private as private


@contextlib.contextmanager
def preserved(model: torch.nn.Module, training: bool | None) -> Iterator[None]:
    """Run the body with the model in the given mode, and undo what the body does to the model.

    Attributes, modes, hooks, gradients and the values of buffers and of tensor attributes come back. Parameters are not
    copied, they may be most of the machine's memory; a model that writes to one while it runs is refused.

    Args:
        model: the model; scripted modules are put back as far as buffers and modes go.
        training: the mode to run in; None leaves each module in its own.

    Raises:
        UnsafeMutation: if the body has written to a parameter.
    """
    modules = list(model.modules())
    modes = [module.training for module in modules]
    attributes = [_Attributes(module) for module in modules if not isinstance(module, torch.jit.ScriptModule)]
    versions = {
        name: (parameter, private.write_count(parameter), parameter.grad)
        for name, parameter in model.named_parameters()
    }
    values = [(tensor, private.write_count(tensor), tensor.detach().clone()) for tensor in _values(model)]
    try:
        if training is not None:
            model.train(training)
        for state in attributes:
            state.prepare()
        yield
    finally:
        for state in attributes:
            state.restore()
        with torch.no_grad():
            for tensor, version, before in values:
                # The running statistics of a normalization are written to without being counted.
                if private.write_count(tensor) != version or not torch.equal(tensor, before):
                    tensor.copy_(before)
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
        for parameter, _, grad in versions.values():
            parameter.grad = grad
    written = [name for name, (parameter, version, _) in versions.items() if private.write_count(parameter) != version]
    if written:
        raise UnsafeMutation(
            f"the model writes to its parameters while it runs: {', '.join(written)}",
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


class _Attributes:
    """What a module holds, one level deep: its members, and the members of its dictionaries of members."""

    _TABLES = ("_parameters", "_buffers", "_modules")

    def __init__(self, module: torch.nn.Module) -> None:
        self._module = module
        self._members = dict(vars(module))
        self._tables = {name: dict(getattr(module, name)) for name in self._TABLES}

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
        for name, before in self._tables.items():
            table = members[name]
            if list(table) != list(before) or any(table[k] is not v for k, v in before.items()):
                table.clear()
                table.update(before)
