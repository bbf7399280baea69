"""Modules: submodules, scripts in traces and traces in scripts, saved models, scalar arithmetic."""

# ruff: noqa: UP006, UP035, UP045, RUF100 - the script language as people write it
from __future__ import annotations

import io
import math
from typing import Dict, List, Optional, Tuple

import torch
from torch import nn

from tests.script.corpus import add, ints, program, rows

X, Y = rows(2, 3), rows(4, 3, start=0.25)


class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(3, 3)
        self.register_buffer("scale", torch.tensor([0.5, 1.0, 2.0]))
        self.threshold = 0.5

    def forward(self, x):
        if bool(self.linear(x).sum() > self.threshold):
            return self.linear(x) * self.scale
        return x


@program((X,), (Y,), (-Y,))
class GateModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = Gate()

    def forward(self, x):
        return self.gate(x) + 1


@program((X, 3), (Y, 0))
class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.cell = nn.Linear(6, 3)

    def step(self, x, h):
        return torch.tanh(self.cell(torch.cat([x, h], 1)))

    def forward(self, x, n: int):
        h = torch.zeros_like(x)
        for _ in range(n):
            h = self.step(x, h)
        return h


@program((rows(2, 5, 3),), (rows(3, 2, 3),))
class RecurrentOverTime(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.cell = nn.GRUCell(3, 4)

    def forward(self, x):
        h = torch.zeros(x.size(0), 4)
        outputs: List[torch.Tensor] = []
        for t in range(x.size(1)):
            h = self.cell(x[:, t], h)
            outputs.append(h)
        return torch.stack(outputs, dim=1), h


@program((X,), (Y,))
class Blocks(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList([nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3)])
        self.table = nn.ModuleDict({"a": nn.Linear(3, 3), "b": nn.Tanh()})
        self.weights = nn.ParameterList([nn.Parameter(torch.ones(3)), nn.Parameter(torch.zeros(3))])
        self.sizes = [1, 2, 3]
        self.options = {"a": 1.5, "b": 2.5}
        self.pair = (0.5, 2)

    def forward(self, x):
        for i, block in enumerate(self.blocks):
            x = block(x) * self.sizes[i]
        for name, block in self.table.items():
            x = block(x) + self.options[name]
        return x * self.pair[0] + self.weights[0] - self.weights[1]


@program((X,), (Y,))
class OptionalSubmodule(nn.Module):
    def __init__(self):
        super().__init__()
        self.down: Optional[nn.Module] = None
        self.bias: Optional[torch.Tensor] = None

    def forward(self, x):
        y = x
        if self.down is not None:
            y = self.down(y)
        if self.bias is not None:
            y = y + self.bias
        return y * 2


@program((X,), (Y,))
class DefaultsAndKeywords(nn.Module):
    def scaled(self, x, factor: float = 2.0, shift: Optional[int] = None):
        if shift is None:
            shift = 1
        return x * factor + shift

    def forward(self, x):
        return self.scaled(x) + self.scaled(x, shift=3) - self.scaled(x, 0.5, 2)


def loaded(model):
    """The model from a saved file, which has no Python source."""
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(model.eval()) if not isinstance(model, torch.jit.ScriptModule) else model, file)
    file.seek(0)
    return torch.jit.load(file)


add("saved_gate", lambda: loaded(GateModel()), (X,), (Y,), (-Y,))
add("saved_recurrent", lambda: loaded(Recurrent()), (X, 3), (Y, 1))
add("saved_recurrent_over_time", lambda: loaded(RecurrentOverTime()), (rows(2, 5, 3),), (rows(1, 2, 3),))
add("saved_blocks", lambda: loaded(Blocks()), (X,), (Y,))


class TracedAround(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(3, 3)
        self.gate = torch.jit.script(Gate())

    def forward(self, x):
        return self.gate(self.first(x)).relu()


@torch.jit.script
def clipped_sum(x, limit: float):
    total = torch.zeros(x.size(1))
    for i in range(x.size(0)):
        if bool(x[i].sum() < limit):
            total = total + x[i]
    return total


class TracedWithFunction(nn.Module):
    def forward(self, x):
        return clipped_sum(x * 2, 3.0) + clipped_sum(x, 1.0) * 2


class ScriptedAround(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.inner = torch.jit.trace(nn.Sequential(nn.Linear(3, 4), nn.Tanh()), torch.ones(2, 3))

    def forward(self, x):
        if bool(x.sum() > 5):
            x = x * 2
        return self.inner(x)


add("traced_with_scripted_module", TracedAround, (X,), (Y,), (-Y,))
add("traced_with_scripted_function", TracedWithFunction, (X,), (Y,))
add("scripted_with_traced_module", lambda: torch.jit.script(ScriptedAround()), (X,), (Y,))
add("saved_mixed", lambda: loaded(ScriptedAround()), (X,), (Y,))
add(
    "traced_then_saved_with_scripted_module",
    lambda: loaded(torch.jit.trace(TracedAround().eval(), X)),
    (X,),
    (Y,),
    (-Y,),
)


@program((X, 7, 3), (X, -7, 3), (X, 7, -3), (X, -7, -3))
def integer_arithmetic(x, a: int, b: int):
    return (
        x,
        a // b,
        a % b,
        a / b,
        a * b - a + b,
        -a,
        abs(a),
        max(a, b),
        min(a, b),
        a & b,
        a | b,
        a ^ b,
        int(a / b),
        a == b,
        a != b,
    )


@program((X, 7.5, 2.0), (X, -7.5, 2.0), (X, 7.5, -2.0))
def float_arithmetic(x, a: float, b: float):
    return x, a // b, a % b, a / b, a**2.0, int(a), round(a), math.floor(a), math.ceil(a), math.sqrt(abs(a)), a < b


@program((X, 7, 2.5), (X, -3, 0.5))
def mixed_arithmetic(x, n: int, f: float):
    return x * (n * f), n + f, n / 2, f - n, float(n), bool(n), n > f, math.exp(f), math.log(abs(f)), n // 2 * f


@program((X, True, False), (X, False, False))
def bool_arithmetic(x, a: bool, b: bool):
    return x, a and b, a or b, not a, a == b, a != b, int(a), float(b), a ^ b


@program((X,), (Y,))
def tensor_to_numbers(x):
    n = int(x.sum())
    f = float(x.mean())
    return x * n + f, x.sum().item(), x.numel(), x.dim(), len(x)


@program((X,), (Y,))
def numbers_into_tensors(x):
    n = x.size(0)
    f = 0.5 * n
    return torch.full([n, 2], f), torch.arange(n), torch.zeros(n) + f, torch.ones(n, dtype=torch.int64) * n


@program((X, ints(1, 2)), (X, ints(0, 5)))
def number_from_element(x, t):
    k = t[0].item()
    return x + k, x * int(t[1])


@program((X,), (Y,))
class WithBuffer(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([1.0, 2.0, 3.0]))

    def forward(self, x):
        y = x - self.mean
        if y.requires_grad or torch.jit.is_scripting():
            y = y * 2
        if self.training:
            y = y + 100
        return y


@program(((X, X + 1),), ((Y, Y * 2),))
def tuple_argument(pair: Tuple[torch.Tensor, torch.Tensor]):
    a, b = pair
    if bool(a.sum() > 5):
        a, b = b, a
    return a * 2 - b


@program((X, {"scale": X, "shift": X + 1}), (Y, {"scale": Y, "shift": Y}))
def dictionary_of_options(x, options: Dict[str, torch.Tensor]):
    if "scale" in options:
        x = x * options["scale"]
    if "missing" in options:
        x = x * 0
    return x + options["shift"]


@program((rows(1, 1, 6, 6),), (rows(2, 1, 4, 4),))
class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(1, 2, 3, padding=1)
        self.norm = nn.BatchNorm2d(2)

    def forward(self, x):
        y = torch.relu(self.norm(self.conv(x)))
        if y.shape[-1] > 5:
            y = nn.functional.max_pool2d(y, 2)
        return nn.functional.interpolate(y, scale_factor=2.0, mode="nearest")


@program((rows(2, 4, 6),), (rows(1, 3, 6),))
class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.norm = nn.LayerNorm(6)

    def forward(self, x):
        y, weights = self.attention(x, x, x)
        return self.norm(x + y), weights


@program((rows(2, 4, 3),), (rows(1, 6, 3),))
class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.lstm = nn.LSTM(3, 4, batch_first=True)

    def forward(self, x):
        y, (h, c) = self.lstm(x)
        if bool(y.sum() > 0):
            y = y * 2
        return y, h, c


@program((ints(1, 0, 0), 5), (ints(3, 0, 0), 2))
class GreedyDecoder(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(8, 4)
        self.out = nn.Linear(4, 8)

    def forward(self, start, limit: int):
        tokens = start[:1]
        step = 0
        done = False
        while step < limit and not done:
            logits = self.out(self.embed(tokens).mean(0))
            best = logits.argmax(-1, keepdim=True)
            tokens = torch.cat([tokens, best])
            done = bool(best == 2)
            step += 1
        return tokens
