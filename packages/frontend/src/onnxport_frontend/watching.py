"""A mode for traces that sees what ``torch.jit.trace`` passes over without a word.

``for i in range(x.shape[1])``, ``[...][n]``, ``"a" * n`` and ``x.stride(0)`` make a Python number of what the input
decides, like ``int(n)``, of which torch does warn. ``x.data`` is a tensor that the trace has never heard of, so that
its value becomes a constant; ``x.detach()`` is the same tensor with a record.

Dropout outside of training hands back its argument, but its schema has it as a tensor of its own: torch then takes a
write to it for a write to nothing else, and drops it if only the argument is read later.

Calls inside torch's own functions are not seen: a mode is off while torch's code runs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from onnxport_frontend import _torch_private as private

_INDEX = torch.Tensor.__index__
_STRIDE = torch.Tensor.stride
_DATA = torch.Tensor.data.__get__  # type: ignore[attr-defined]  # a descriptor of C, declared as a tensor
#: What can hand back its argument although the schema says that it does not.
_HAND_BACK = frozenset(
    getattr(module, name)
    for module, names in {
        torch: ("dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout"),
        functional: ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"),
    }.items()
    for name in names
)


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
    """Call a function; a result that is the argument itself, or a view of it, is that in the trace as well."""
    given = args[0] if args else kwargs.get("input")
    if not isinstance(given, torch.Tensor):
        return func(*args, **kwargs)
    writes, restore = private.write_count(given), private.remembered_value(given)
    result = func(*args, **kwargs)
    if private.write_count(given) != writes:
        return result
    if result is given:
        restore()
    elif result.numel() and result.data_ptr() == given.data_ptr():
        return given.view_as(given)
    return result
