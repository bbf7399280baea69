"""New tensors: of sizes, of numbers, of random numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnxruntime
import pytest
import torch
from onnxport import NEWEST_OPSET, export
from onnxport.export import build
from onnxport.options import ExportOptions
from onnxport.runtime import create_session, run_session
from onnxport_frontend import capture
from onnxport_ir.proto import to_proto
from onnxport_symbolics import Target, default_registry

from tests.ops.harness import Case

X = torch.arange(24.0).reshape(4, 6)
Y = torch.arange(10.0).reshape(2, 5)
AXES = {0: (0, 1)}
ZERO = torch.zeros(())


def case(name: str, model: Callable[..., object], since: int = 7, nodes: dict[int, list[str]] | None = None) -> Case:
    """A function of one tensor of which both axes are dynamic."""
    return Case(name, model, (X,), (Y,), AXES, since, nodes or {})


def constant(name: str, model: Callable[[], torch.Tensor], since: int = 7) -> Case:
    """A tensor made of nothing, beside a number so that there is a model."""
    return Case(name, lambda x: model() + x.to(model().dtype), (ZERO,), since=since)


SIZES = [
    case("zeros", lambda x: (torch.zeros(x.size(0), 3), torch.zeros(0, x.size(0)))),
    case("ones", lambda x: (torch.ones(2, x.size(1), dtype=torch.int64), x.new_ones(x.size(0)))),
    case("full", lambda x: (torch.full((x.size(0),), 2.5), x.new_full((x.size(1),), 3, dtype=torch.int32))),
    case("full-of-size", lambda x: torch.full((2,), x.size(0))),
    case("full-bool", lambda x: torch.full((x.size(0), 1), True)),
    case("like", lambda x: (torch.zeros_like(x), torch.ones_like(x, dtype=torch.bool), torch.full_like(x, math.nan))),
    case("new-zeros", lambda x: x.long().new_zeros(2, x.size(1))),
    case("fill", lambda x: (x.clone().fill_(3), x.clone().zero_(), x.long().fill_(2.9))),
    case("eye", lambda x: (torch.eye(x.size(0)), torch.eye(3, x.size(1), dtype=torch.int64))),
]

NUMBERS = [
    case("arange", lambda x: (torch.arange(x.size(0)), torch.arange(1, x.size(1), 2))),
    case("arange-float", lambda x: torch.arange(x.size(0), dtype=torch.float32)),
    case("arange-float-step", lambda x: torch.arange(0.0, x.size(0), 0.3)),
    case("arange-whole-step", lambda x: torch.arange(x.size(0), -1, -1.0, dtype=torch.int64)),
    constant("arange-exact", lambda: torch.arange(0, 1, 0.1)),
    constant("arange-int-of-floats", lambda: torch.arange(0, 2.5, dtype=torch.int64)),
    constant("arange-int32-of-floats", lambda: torch.arange(0, 2.5, dtype=torch.int32)),
    constant("arange-down", lambda: torch.arange(5, 1, -2)),
    constant("arange-long", lambda: torch.arange(10000)),
    constant("arange-long-float", lambda: torch.arange(0, 1000, 0.1)),
    constant("range", lambda: torch.range(0, 4, 0.5)),
    constant("linspace", lambda: torch.linspace(-3, 10, 7)),
    constant("linspace-int", lambda: torch.linspace(-3, 10, 5, dtype=torch.int64)),
    constant("linspace-one", lambda: torch.linspace(2, 5, 1)),
    constant("logspace", lambda: torch.logspace(0, 2, 4)),
    case("linspace-tensor", lambda x: torch.linspace(x[0, 0], x[0, 1], 5)),
    case("logspace-tensor", lambda x: torch.logspace(x[0, 0], 2, 5)),
    constant("eye-static", lambda: torch.eye(3, 4)),
    constant("eye-large", lambda: torch.eye(100)),
    case("tensor", lambda x: (torch.as_tensor(x.size(0)), torch.scalar_tensor(4) + x)),
    *(
        constant(f"{window.__name__}-{length}-{periodic}", lambda w=window, n=length, p=periodic: w(n, periodic=p))
        for window in (
            torch.hann_window,
            torch.hamming_window,
            torch.blackman_window,
            torch.bartlett_window,
            torch.kaiser_window,
        )
        for length, periodic in ((0, True), (1, True), (2, True), (7, True), (8, False))
    ),
]


@pytest.mark.parametrize("case", [*SIZES, *NUMBERS], ids=str)
def test_new_tensors(case: Case) -> None:
    case.check()


COUNT = 40_000
#: name, function of a vector of COUNT zeros, expected mean, expected standard deviation, dtype
DISTRIBUTIONS = [
    ("rand", lambda x: torch.rand(x.size(0)), 0.5, math.sqrt(1 / 12), torch.float32),
    ("rand-like", torch.rand_like, 0.5, math.sqrt(1 / 12), torch.float32),
    ("randn", lambda x: torch.randn(x.size(0), dtype=torch.float64), 0.0, 1.0, torch.float64),
    ("randn-like", torch.randn_like, 0.0, 1.0, torch.float32),
    ("randint", lambda x: torch.randint(2, 7, (x.size(0),)), 4.0, math.sqrt(2), torch.int64),
    ("randint-like", lambda x: torch.randint_like(x, 5), 2.0, math.sqrt(2), torch.float32),
    ("normal", lambda x: torch.normal(x + 3, 2.0), 3.0, 2.0, torch.float32),
    ("normal-size", lambda x: torch.normal(1.0, 2.0, (COUNT,)) + x, 1.0, 2.0, torch.float32),
    ("normal-write", lambda x: x.clone().normal_(1, 2), 1.0, 2.0, torch.float32),
    ("uniform", lambda x: x.clone().uniform_(2, 4), 3.0, math.sqrt(4 / 12), torch.float32),
    ("bernoulli", lambda x: torch.bernoulli(x + 0.25), 0.25, math.sqrt(0.1875), torch.float32),
    ("bernoulli-p", lambda x: x.clone().bernoulli_(0.25), 0.25, math.sqrt(0.1875), torch.float32),
    ("exponential", lambda x: x.clone().exponential_(2), 0.5, 0.5, torch.float32),
    ("geometric", lambda x: x.clone().geometric_(0.5), 2.0, math.sqrt(2), torch.float32),
    ("log-normal", lambda x: x.clone().log_normal_(0, 0.5).log(), 0.0, 0.5, torch.float32),
    ("multinomial", lambda x: torch.multinomial(torch.tensor([1.0, 0.0, 3.0]) + x[:3], COUNT, True), 1.5,
     math.sqrt(0.75), torch.int64),
    ("multinomial-once", lambda x: torch.multinomial(torch.tensor([1.0, 0.0, 3.0]) + x[:, None], 1), 1.5,
     math.sqrt(0.75), torch.int64),
]  # fmt: skip


@pytest.mark.parametrize("opset", [9, 15, 21, 23, NEWEST_OPSET])
@pytest.mark.parametrize(
    ("name", "model", "mean", "deviation", "dtype"), DISTRIBUTIONS, ids=[d[0] for d in DISTRIBUTIONS]
)
def test_distributions(
    name: str, model: Callable[..., torch.Tensor], mean: float, deviation: float, dtype: torch.dtype, opset: int
) -> None:
    """Mean and standard deviation of many draws lie within six standard errors."""
    drawn = _draw(model, torch.zeros(COUNT), opset)
    assert drawn.dtype is dtype
    assert drawn.numel() == COUNT
    assert abs(drawn.double().mean().item() - mean) < 6 * deviation / math.sqrt(COUNT)
    assert abs(drawn.double().std().item() / deviation - 1) < 0.05


@pytest.mark.parametrize("opset", [18, 23])
def test_draws_differ(opset: int) -> None:
    """Two draws of one model are not one node, and say nothing of each other."""
    both = _draw(lambda x: torch.stack([torch.rand_like(x), torch.rand_like(x)]), torch.zeros(COUNT), opset)
    assert not torch.equal(both[0], both[1])
    assert abs(torch.corrcoef(both)[0, 1].item()) < 6 / math.sqrt(COUNT)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_uniform_numbers_without_a_generator(kind: torch.dtype) -> None:
    """Where the runtime has no kernel: each tenth of the range gets its share, no number is 1, runs are independent."""

    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.rand_like(x)

    axes = {"x": {0: "rows", 1: "columns"}}
    example = torch.zeros(2, 3, dtype=kind)
    program = export(Model(), (example,), opset_version=23, input_names=["x"], dynamic_axes=axes)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    many, again = (session.run(None, {"x": torch.zeros(100, 400, dtype=kind).numpy()})[0] for _ in range(2))
    assert many.dtype == torch.zeros(0, dtype=kind).numpy().dtype
    counts, _ = np.histogram(many, 10, (0, 1))
    assert (abs(counts - 4000) < 6 * math.sqrt(4000)).all()
    assert 0 <= many.min() < 0.001 < 0.999 < many.max() < 1
    assert abs(np.corrcoef(many.ravel(), again.ravel())[0, 1]) < 6 / math.sqrt(many.size)
    # The same position of runs that follow each other.
    single = np.array([session.run(None, {"x": np.zeros((1, 1), many.dtype)})[0].item() for _ in range(2000)])
    assert abs(np.corrcoef(single[1:], single[:-1])[0, 1]) < 6 / math.sqrt(2000)
    assert session.run(None, {"x": np.zeros((0, 4), many.dtype)})[0].shape == (0, 4)


@pytest.mark.parametrize("opset", [11, 18, 23])
def test_permutations_hold_each_number_once(opset: int) -> None:
    drawn = _draw(lambda x: torch.randperm(x.size(0)), torch.zeros(50), opset)
    assert drawn.dtype is torch.int64
    assert drawn.sort()[0].tolist() == list(range(50))
    assert drawn.tolist() != list(range(50))


@pytest.mark.parametrize("opset", [11, 18, 23])
def test_draws_without_replacement_differ(opset: int) -> None:
    drawn = _draw(lambda x: torch.multinomial(x + torch.arange(1.0, 6.0), 4), torch.zeros(200, 5), opset)
    assert drawn.shape == (200, 4)
    assert all(len(set(row)) == 4 for row in drawn.tolist())
    assert drawn.float()[:, 0].mean() > 2.0


def _draw(model: Callable[..., torch.Tensor], x: torch.Tensor, opset: int) -> torch.Tensor:
    class Module(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return model(x)

    captured = capture(Module().eval(), (x,), input_names=["x"], dynamic_axes={"x": [0]})
    built = build(captured, default_registry(), ExportOptions(Target(opset)), {})
    session = create_session(to_proto(built).SerializeToString())
    (result,) = run_session(session, captured.signature.flatten((x,), {}), [built.graph.outputs[0].name or ""])
    return result
