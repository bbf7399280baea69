"""Parameters and buffers of the user's model under their ``state_dict`` names, each tensor once."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

import torch
from onnxport_ir.captured import Param, Var
from onnxport_ir.errors import CaptureFailed
from onnxport_ir.types import TensorType

from onnxport_frontend.torch_types import TorchTensor, dtype_from_torch


@dataclass(slots=True)
class _Weight:
    """A tensor of the model, and its variable once something reads it."""

    names: list[str]
    tensor: torch.Tensor
    is_buffer: bool
    var: Var | None = field(default=None)


class Weights:
    """The tensors of a model, found by identity.

    Args:
        model: the user's model, whose tensors have been checked; None for a bare function.
    """

    def __init__(self, model: torch.nn.Module | None) -> None:
        self._known: dict[Hashable, _Weight] = {}
        if model is not None:
            for name, tensor, is_buffer in named_tensors(model):
                self._add(name, tensor, is_buffer)

    def _add(self, name: str, tensor: torch.Tensor, is_buffer: bool) -> _Weight:
        weight = self._known.setdefault(_identity(tensor), _Weight([], tensor, is_buffer))
        if name not in weight.names:
            weight.names.append(name)
        return weight

    def var(self, name: str, tensor: torch.Tensor) -> Var:
        """The variable of a tensor that the module ``name`` leads to holds."""
        weight = self._known.get(_identity(tensor))
        if weight is None:
            # Neither parameter nor buffer: a tensor attribute of a scripted module.
            check_tensors([(name, tensor)], "tensors")
            weight = self._add(name, tensor, is_buffer=True)
        if weight.var is None:
            weight.var = Var(TensorType(dtype_from_torch(tensor.dtype), tuple(tensor.shape)), name.rpartition(".")[2])
        return weight.var

    def is_parameter(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor is a parameter of the model."""
        weight = self._known.get(_identity(tensor))
        return weight is not None and not weight.is_buffer

    def find(self, tensor: torch.Tensor) -> Var | None:
        """The variable of a constant of the code that is one of the model's tensors; None if it is none of them."""
        weight = self._known.get(_identity(tensor)) if tensor.dim() else None
        return None if weight is None else self.var(weight.names[0], tensor)

    @property
    def is_on_cpu(self) -> bool:
        """Whether all parameters and buffers are on the CPU."""
        return all(weight.tensor.device.type == "cpu" for weight in self._known.values())

    def params(self) -> tuple[Param, ...]:
        """What was read, in ``state_dict`` order."""
        return tuple(
            Param(w.var, w.names[0], TorchTensor.of(w.tensor), tuple(w.names[1:]), w.is_buffer)
            for w in self._known.values()
            if w.var is not None
        )


def named_tensors(model: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor, bool]]:
    """Name, tensor and whether it is a buffer, in ``state_dict`` order, tied ones under each of their names."""
    for path, module in model.named_modules(remove_duplicate=False):
        prefix = f"{path}." if path else ""
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            yield prefix + name, parameter, False
        for name, buffer in module.named_buffers(recurse=False, remove_duplicate=False):
            yield prefix + name, buffer, True


def check_tensors(named: list[tuple[str, torch.Tensor]], what: str) -> None:
    """Refuse tensors without data, and those that are no plain arrays.

    Raises:
        CaptureFailed: naming all of them.
    """
    faults: dict[str, list[str]] = {}
    for name, tensor in named:
        fault = _fault(tensor)
        if fault is not None:
            faults.setdefault(fault, []).append(name)
    if not faults:
        return
    parts = [f"{fault}: {_some(names)}" for fault, names in faults.items()]
    hint = None
    if any("uninitialized" in fault for fault in faults):
        hint = "Run the model once, so that its lazy modules get their sizes."
    elif any("hold no data" in fault for fault in faults):
        hint = "Load the weights first: model.to_empty(device='cpu') and model.load_state_dict(...)."
    raise CaptureFailed(f"{what} that cannot be captured", why="; ".join(parts), hint=hint)


def _fault(tensor: torch.Tensor) -> str | None:
    if torch.nn.parameter.is_lazy(tensor):
        return "uninitialized tensors hold no data"
    if type(tensor).__name__ == "FakeTensor":
        return "fake tensors hold no data"
    if tensor.device.type == "meta":
        return "tensors on the meta device hold no data"
    if tensor.is_quantized:
        return "quantized tensors are not supported"
    if tensor.layout is not torch.strided:
        return f"tensors of layout {tensor.layout} are not supported"
    if tensor.is_nested:
        return "nested tensors are not supported"
    try:
        dtype_from_torch(tensor.dtype)
    except TypeError as error:
        return str(error)
    if tensor.numel() and not tensor.untyped_storage().data_ptr():
        return f"tensors of type {type(tensor).__name__} hold no data of their own"
    return None


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"


def _identity(tensor: torch.Tensor) -> Hashable:
    """Equal for two tensors that are the same memory seen in the same way."""
    if tensor.numel() == 0:
        return id(tensor)
    return (
        tensor.untyped_storage().data_ptr(),
        tensor.storage_offset(),
        tensor.shape,
        tensor.stride(),
        tensor.dtype,
        tensor.device,
    )
