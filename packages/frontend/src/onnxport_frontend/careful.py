"""Two things that ``torch.jit.trace`` cannot write down, and a mode in which it can.

``x == True``: a trace records a Python truth value passed as a ``Scalar`` as a constant of type bool, finds no schema
that takes one, and gives up with an internal error. Under the mode such calls receive an equal number or tensor.

``t = torch.tensor([1.0]); t += x``: a trace keeps the tensor itself as the constant, so that after the run the constant
holds what was written to it. Under the mode the constant is kept and the model gets a copy.

The mode is on only for a second trace, after one of these has been seen, since it costs each call of torch a few
microseconds and makes some of torch's functions look different to the tracer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

#: What torch.jit.trace says in the first case; the operator's name and the argument types follow.
MARKER = "We don't have an op for "

# The result has the first tensor's type, or is a truth value: a number does as well.
_TAKE_NUMBER = frozenset(
    {
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "fill",
        "masked_fill",
        "index_fill",
        "scatter",
        "clamp",
        "clamp_min",
        "clamp_max",
    }
)
# The operands decide the type of the result: it must stay a truth value, and a tensor of rank 0 is one.
_TAKE_TENSOR = frozenset(
    {"and", "or", "xor", "rand", "ror", "rxor", "bitwise_and", "bitwise_or", "bitwise_xor", "where"}
)
_MAKE = frozenset({"full", "new_full", "full_like"})


_FROM_PYTHON = frozenset({"tensor", "as_tensor", "from_numpy"})


class Careful(TorchFunctionMode):
    """Passes truth values on in a form that can be traced, and copies tensors that were made of Python values."""

    def __init__(self) -> None:
        super().__init__()
        # Made before the trace, these are constants of it; made during the trace they would be calls in it.
        self._tensors = {value: torch.tensor(value) for value in (False, True)}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call ``func`` with other arguments where that is needed."""
        named = dict(kwargs or {})
        name = getattr(func, "__name__", "").strip("_")
        if name in _TAKE_NUMBER:
            args, named = _replace(args, named, int)
        elif name in _TAKE_TENSOR:
            args, named = _replace(args, named, self._tensors.__getitem__)
        elif name in _MAKE and any(isinstance(value, bool) for value in (*args, named.get("fill_value"))):
            if name == "full" and named.get("dtype") is None:
                named["dtype"] = torch.bool
            args = tuple(int(value) if isinstance(value, bool) else value for value in args)
            if "fill_value" in named:
                named["fill_value"] = int(named["fill_value"])
        result = func(*args, **named)
        return result.clone() if name in _FROM_PYTHON else result


def _replace(
    args: tuple[Any, ...], kwargs: dict[str, Any], change: Callable[[bool], Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (
        tuple(change(value) if isinstance(value, bool) else value for value in args),
        {name: change(value) if isinstance(value, bool) else value for name, value in kwargs.items()},
    )
