"""Arithmetic on the numbers of scripted models: known ones are computed, others become values of rank 0."""

from __future__ import annotations

import math

import numpy as np
import onnxport
import pytest
import torch
from onnxport.runtime import create_session

X = torch.linspace(-2, 2, 6).reshape(2, 3)
NUMBERS = [(5, 1.5), (7, 3.7), (1, 0.2), (4, 2.5), (-7, -2.5)]


@torch.jit.script
def integers(x: torch.Tensor, n: int, s: float):
    return x, n + 2, n - 2, 3 * n, n // 2, -n // 2, n % 3, -n % 3, n % -4, -n, abs(n), max(n, 4), min(2, n), n / 2


@torch.jit.script
def floats(x: torch.Tensor, n: int, s: float):
    return (
        x,
        s + n,
        s - 0.5,
        n * s,
        s / 4,
        s // 0.7,
        s % 0.7,
        s**2,
        -s,
        abs(s),
        max(s, 2.0),
        min(s, n),
        float(n),
        int(s),
    )


@torch.jit.script
def functions(x: torch.Tensor, n: int, s: float):
    a = abs(s)
    return x, math.floor(s), math.ceil(s), round(s), math.sqrt(a), math.exp(s), math.log(a), math.sin(s), math.tan(s)


@torch.jit.script
def truth(x: torch.Tensor, n: int, s: float):
    return x, n == 5, n != 5, n < 4, n <= 4, n > s, s >= 2.5, not (n > 3), n > 3 and s < 2, n > 3 or s < 2, bool(n)


@torch.jit.script
def with_tensors(x: torch.Tensor, n: int, s: float):
    counts = torch.arange(4)
    return x * n, x + s, counts * s, counts + n, counts // n, counts / n, counts > s, x.clamp(max=s), 2 - x * s, x**n


@torch.jit.script
def known(x: torch.Tensor, n: int, s: float):
    # Nothing of this depends on the input.
    a, b = 7, 2.5
    c = -a // 2 + a % 3 + abs(-a) + max(a, 3) + math.floor(b) + round(b) + a**2
    return x * c * (1.0 if a == 7 and not b < 1 else 2.0) + math.sqrt(b) / a


FUNCTIONS = [integers, floats, functions, truth, with_tensors, known]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.name)
@pytest.mark.parametrize("opset", [13, 18, 23])
def test_numbers_are_those_of_python(function: torch.jit.ScriptFunction, opset: int) -> None:
    program = onnxport.export(function, (X, 5, 1.5), input_names=["x", "n", "s"], opset_version=opset)
    session = create_session(program.model_proto.SerializeToString())
    names = [item.name for item in session.get_inputs()]
    for n, s in NUMBERS:
        given = {"x": X.numpy(), "n": np.array(n), "s": np.array(s)}
        results = session.run(None, {name: given[name] for name in names})
        expected = function(X, n, s)
        for ours, theirs in zip(results, expected if isinstance(expected, tuple) else (expected,), strict=True):
            # A float of a script is float64; torch.as_tensor would make it float32.
            wanted = theirs.numpy() if isinstance(theirs, torch.Tensor) else np.array(theirs)
            assert ours.dtype == wanted.dtype
            np.testing.assert_allclose(ours, wanted, rtol=1e-5)


def test_known_numbers_leave_no_nodes() -> None:
    program = onnxport.export(known, (X, 5, 1.5), input_names=["x", "n", "s"])
    assert [node.op_type for node in program.model_proto.graph.node] == ["Mul", "Add"]
