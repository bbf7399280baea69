"""Convolutions whose numbers are computed from sizes, which a trace otherwise takes from the example without a word.

``conv2d(x, w, groups=x.shape[0])``, or a transposed convolution with an ``output_size``: torch has no record of these
functions in a trace, only of what they call, and numbers are all that gets there. What records them is called instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from onnxport_frontend import _torch_private as private

_PLAIN = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_TRANSPOSED = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
_NUMBERS = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1}
#: Of backends; they do not reach ONNX.
_SETTINGS = {"benchmark": False, "deterministic": False, "cudnn_enabled": True, "allow_tf32": True}

#: The parameters of each function, and over how many axes it goes.
CONVOLUTIONS: dict[Callable[..., Any], tuple[tuple[str, ...], int]] = {
    torch.conv1d: (_PLAIN, 1),
    torch.conv2d: (_PLAIN, 2),
    torch.conv3d: (_PLAIN, 3),
    torch.conv_transpose1d: (_TRANSPOSED, 1),
    torch.conv_transpose2d: (_TRANSPOSED, 2),
    torch.conv_transpose3d: (_TRANSPOSED, 3),
}


def convolve(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call one of :data:`CONVOLUTIONS` so that a trace records the sizes among its numbers.

    Args:
        function: the function.
        args: its arguments.
        kwargs: those by name.

    Returns:
        Its result.
    """
    if not any(map(_has_tensor, args[3:])) and not any(_has_tensor(kwargs.get(name)) for name in _NUMBERS):
        return function(*args, **kwargs)
    names, spatial = CONVOLUTIONS[function]
    given = {"bias": None, **_NUMBERS, **dict(zip(names, args, strict=False)), **kwargs}
    x, weight = given["input"], given["weight"]
    single = x.dim() == spatial + 1
    if single:
        x = x.unsqueeze(0)
    stride, dilation = _spread(given["stride"], spatial), _spread(given["dilation"], spatial)
    if isinstance(given["padding"], str):
        result = private.convolution_mode(x, weight, given["bias"], stride, given["padding"], dilation, given["groups"])
    else:
        result = private.convolution(
            x,
            weight,
            given["bias"],
            stride,
            _spread(given["padding"], spatial),
            dilation,
            names is _TRANSPOSED,
            _spread(given["output_padding"], spatial),
            given["groups"],
            **_SETTINGS,
        )
    return result.squeeze(0) if single else result


def _has_tensor(value: Any) -> bool:
    """Whether a number is a tensor, as sizes are in a trace, or one of several is."""
    if isinstance(value, list | tuple):
        return any(isinstance(item, torch.Tensor) for item in value)
    return isinstance(value, torch.Tensor)


def _spread(value: Any, count: int) -> Sequence[Any]:
    """One number for all axes, or one for each."""
    numbers = list(value) if isinstance(value, list | tuple) else [value]
    return numbers * count if len(numbers) == 1 else numbers
