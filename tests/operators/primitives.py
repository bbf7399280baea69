"""Programs of ``prims``, which torch's decompositions are made of, and of gradients inside a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from tests.operators.programs import Program, noise, program, written

ops, aten = torch.ops.prims, torch.ops.aten
X, OTHER_X = noise(3, 4), (noise(5, 2),)
INTEGERS, OTHER_INTEGERS = torch.tensor([[7, -7, 5], [4, -9, 1]]), (torch.tensor([[3], [-8], [6]]),)
#: Numbers that each function takes.
_DOMAINS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "acos": torch.tanh,
    "asin": torch.tanh,
    "atanh": lambda x: torch.tanh(x) * 0.9,
    "acosh": lambda x: x.abs() + 1,
    "log": lambda x: x.abs() + 0.1,
    "sqrt": torch.abs,
}
DEVICE = """graph(%x : Tensor):
  %d : Device = prim::Constant[value="cpu"]()
  %no : bool = prim::Constant[value=0]()
  %r : Tensor = prims::device_put(%x, %d, %no)
  return (%r)"""
_UNARY = (
    *("abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "erf", "exp", "floor", "log"),
    *("neg", "round", "sin", "sinh", "sqrt", "tan", "tanh"),
)
_BINARY = ("add", "sub", "mul", "div", "eq", "ne", "lt", "gt", "le", "ge", "remainder")


def _unary(name: str) -> Program:
    prepare = _DOMAINS.get(name, lambda x: x)
    return program(f"prims::{name}", lambda x: getattr(ops, name)(prepare(x)), X, other=OTHER_X)


class Gradient(torch.nn.Module):
    """The gradient of a function, computed by the model itself."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            (found,) = torch.autograd.grad(self.function(leaf).sum(), leaf)
        return found.detach()


#: Operators of gradients, called as torch's backward pass does.
BACKWARD: dict[str, Callable[[torch.Tensor], Any]] = {
    "gelu_backward": lambda x: aten.gelu_backward(x + 1, x, approximate="tanh"),
    "threshold_backward": lambda x: aten.threshold_backward(x + 1, x, 0.1),
    "leaky_relu_backward": lambda x: aten.leaky_relu_backward(x + 1, x, 0.1, False),
    "elu_backward": lambda x: aten.elu_backward(x + 1, 1.5, 1.2, 0.7, False, x),
    "hardtanh_backward": lambda x: aten.hardtanh_backward(x + 1, x, -0.5, 0.7),
    "hardswish_backward": lambda x: aten.hardswish_backward(x + 1, x),
    "hardsigmoid_backward": lambda x: aten.hardsigmoid_backward(x + 1, x),
    "silu_backward": lambda x: aten.silu_backward(x + 1, x),
    "mish_backward": lambda x: aten.mish_backward(x + 1, x),
    "sigmoid_backward": lambda x: aten.sigmoid_backward(x + 1, x.sigmoid()),
    "tanh_backward": lambda x: aten.tanh_backward(x + 1, x.tanh()),
    "softplus_backward": lambda x: aten.softplus_backward(x + 1, x, 2, 20),
    "_softmax_backward_data": lambda x: aten._softmax_backward_data(x + 1, x.softmax(1), 1, torch.float32),
    "_log_softmax_backward_data": lambda x: aten._log_softmax_backward_data(x, x.log_softmax(0), 0, torch.float32),
    "mse_loss_backward": lambda x: aten.mse_loss_backward(x.sum(), x, x * 2, 1),
    "embedding_dense_backward": lambda x: aten.embedding_dense_backward(x, (x[:, 0] > 0).long(), 5, -1, False),
}
PROGRAMS: list[Program] = [
    *map(_unary, _UNARY),
    *(program(f"prims::{name}", lambda x, n=name: getattr(ops, n)(x, x.flip(0)), X, other=OTHER_X) for name in _BINARY),
    *(
        program(
            f"prims::{name}",
            lambda x, n=name: getattr(ops, n)(x, torch.full_like(x, 3)),
            INTEGERS,
            other=OTHER_INTEGERS,
        )
        for name in ("div", "remainder", "mul")
    ),
    program("prims::pow", lambda x: ops.pow(x.abs() + 0.1, x), X, other=OTHER_X),
    program("prims::where", lambda x: ops.where(x > 0, x, x * 2), X, other=OTHER_X),
    program("prims::convert_element_type", lambda x: ops.convert_element_type(x, torch.int64), X, other=OTHER_X),
    program("prims::device_put", written(DEVICE), X, other=OTHER_X),
    program("prims::broadcast_in_dim", lambda x: ops.broadcast_in_dim(x, [3, 5, 4], [0, 2]) + 1, X),
    program("prims::reshape", lambda x: ops.reshape(x, [4, 3]), X),
    program("prims::squeeze", lambda x: ops.squeeze(x.unsqueeze(1), [1]) + 1, X, other=OTHER_X),
    program("prims::transpose", lambda x: ops.transpose(x, [1, 0]) + 1, X, other=OTHER_X),
    program("prims::sum", lambda x: (ops.sum(x, [0]), ops.sum(x, []), ops.sum(x > 0, [1])), X, other=OTHER_X),
    program("prims::var", lambda x: ops.var(x, [0], 1.0), X, other=OTHER_X),
    *(program(f"aten::{name}", function, X, other=OTHER_X) for name, function in BACKWARD.items()),
    program("aten::gelu_backward", Gradient(F.gelu), X),
    program("aten::mish_backward", Gradient(F.mish), X),
]
