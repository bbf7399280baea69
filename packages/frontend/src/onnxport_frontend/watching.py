"""A mode for traces that sees what ``torch.jit.trace`` passes over without a word.

``for i in range(x.shape[1])``, ``[...][n]``, ``"a" * n`` and ``x.stride(0)`` make a Python number of what the input
decides, like ``int(n)``, of which torch does warn. ``x.data`` is a tensor that the trace has never heard of, so that
its value becomes a constant; ``x.detach()`` is the same tensor with a record.

Dropout outside of training, ``x.type_as(y)`` and others can hand back their argument, but their schemas have it as a
tensor of its own: torch then takes a write to it for a write to nothing else, and drops it if only the argument is read
later.

Calls inside torch's own functions are not seen: a mode is off while torch's code runs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from onnxport_frontend import _torch_private as private
from onnxport_frontend.aliasing import SILENT_ALIASES

_INDEX = torch.Tensor.__index__
_STRIDE = torch.Tensor.stride
_DATA = torch.Tensor.data.__get__  # type: ignore[attr-defined]  # a descriptor of C, declared as a tensor


def _functions(names: Iterable[str]) -> frozenset[Callable[..., Any]]:
    found = {getattr(module, name, None) for module in (torch, torch.Tensor, functional) for name in names}
    return frozenset(function for function in found if function is not None)


_DROPOUTS = ("dropout1d", "dropout2d", "dropout3d")
#: What can hand back its argument although the schema says that it does not.
_HAND_BACK = _functions([*(name.removeprefix("aten::") for name in SILENT_ALIASES), *_DROPOUTS])


class Watching(TorchFunctionMode):
    """Warns as torch does, of what torch does not warn of, and keeps the trace from losing tensors."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call ``func``, or what is to be called for it."""
        if func is _INDEX:
            warnings.warn("Converting a tensor to a Python index", private.TracerWarning, stacklevel=2)
        elif func is _STRIDE:
            warnings.warn("Reading the strides of a tensor as Python integers", private.TracerWarning, stacklevel=2)
        elif func == _DATA:
            return args[0].detach()
        elif func in _HAND_BACK:
            return _call_keeping_identity(func, args, kwargs or {})
        return func(*args, **(kwargs or {}))


def _call_keeping_identity(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call a function; a result that is an argument, or the same part of its memory, is that in the trace as well."""
    given = [value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)]
    before = [(tensor, private.write_count(tensor), private.remembered_value(tensor)) for tensor in given]
    result = func(*args, **kwargs)
    if isinstance(result, torch.Tensor) and result.numel():
        for tensor, writes, restore in before:
            if result is tensor and private.write_count(tensor) == writes:
                restore()
            elif result is not tensor and _is_same_part(result, tensor):
                return tensor.view_as(tensor)
    return result


def _is_same_part(left: torch.Tensor, right: torch.Tensor) -> bool:
    if left.layout is not torch.strided or right.layout is not torch.strided:
        return False
    return left.data_ptr() == right.data_ptr() and left.shape == right.shape and _STRIDE(left) == _STRIDE(right)
