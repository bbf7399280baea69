"""A mode for traces that sees what ``torch.jit.trace`` passes over without a word.

``for i in range(x.shape[1])``, ``[...][n]``, ``"a" * n`` and ``x.stride(0)`` make a Python number of what the input
decides, like ``int(n)``, of which torch does warn. ``x.data`` is a tensor that the trace has never heard of, so that
its value becomes a constant; ``x.detach()`` is the same tensor with a record.

Calls inside torch's own functions are not seen: a mode is off while torch's code runs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from onnxport_frontend import _torch_private as private

_INDEX = torch.Tensor.__index__
_STRIDE = torch.Tensor.stride
_DATA = torch.Tensor.data.__get__  # type: ignore[attr-defined]  # a descriptor of C, declared as a tensor


class Watching(TorchFunctionMode):
    """Warns as torch does, of what torch does not warn of, and keeps ``x.data`` in the trace."""

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
        return func(*args, **(kwargs or {}))
