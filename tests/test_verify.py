"""``verify``: the finished model on the example, against torch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import onnxport
import onnxruntime
import pytest
import torch
from onnxport.comparison import LENIENT, Tolerance, compare
from onnxport.errors import InvalidArgument, VerificationFailed
from onnxport_symbolics import Op, Table, default_registry
from torch import Tensor, nn


class Twice(nn.Module):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"twice": x * 2, "positive": x > 0}


@pytest.fixture
def wrong_relu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes relu give a hundredth too much."""
    table = Table("a test")

    @table.op("aten::relu")
    def relu(op: Op, self: Any) -> Any:
        return op.Add(op.Relu(self), op.const(0.01, self.dtype))

    registry = default_registry().extended(table)
    monkeypatch.setattr(sys.modules["onnxport.export"], "default_registry", lambda: registry)


def test_what_agrees_is_told_for_each_output() -> None:
    x = torch.tensor([[1.0, -2.0, 3.0]])
    program = onnxport.export(Twice(), (x,), verify=True, output_names=["twice", "positive"])
    assert program.verification is not None
    found = program.verification.outputs
    assert list(found) == ["twice", "positive"]
    assert (found["twice"].kind, found["positive"].kind) == ("float32[1, 3]", "bool[1, 3]")
    assert (found["twice"].max_abs_error, found["twice"].max_rel_error, found["twice"].problem) == (0.0, 0.0, None)
    assert program.verification.problems == {}
    assert program.timings["verify"] > 0


def test_without_it_there_is_no_verification() -> None:
    program = onnxport.export(Twice(), (torch.ones(2),))
    assert program.verification is None
    assert "verify" not in program.timings


@pytest.mark.usefixtures("wrong_relu")
def test_a_wrong_model_is_refused_and_not_written(tmp_path: Path) -> None:
    with pytest.raises(VerificationFailed, match=r"OXP401.*output output: its largest error is 0\.01") as caught:
        onnxport.export(nn.ReLU(), (torch.ones(2, 3),), tmp_path / "m.onnx", verify=True, check=False)
    assert "onnxport.bisect" in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("wrong_relu")
@pytest.mark.parametrize(("options", "agrees"), [({"atol": 0.02}, True), ({"rtol": 0.005, "atol": 0.0}, False)])
def test_tolerances_are_those_asked_for(options: dict[str, float], agrees: bool) -> None:
    verify = onnxport.VerifyOptions(**options)
    if agrees:
        program = onnxport.export(nn.ReLU(), (torch.ones(2, 3),), verify=verify, check=False)
        assert program.verification is not None
        assert program.verification.outputs["output"].max_abs_error == pytest.approx(0.01, rel=1e-4)
    else:
        with pytest.raises(VerificationFailed):
            onnxport.export(nn.ReLU(), (torch.ones(2, 3),), verify=verify, check=False)


def test_of_random_models_types_and_shapes_are_compared() -> None:
    class Noisy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.randn_like(x)

    verification = onnxport.export(Noisy(), (torch.ones(2, 3),), verify=True).verification
    assert verification is not None
    assert (verification.values, verification.outputs["output"].max_abs_error) == (False, None)


def test_weights_outside_of_the_file_are_those_of_the_model() -> None:
    verification = onnxport.export(nn.Linear(3, 2), (torch.ones(2, 3),), verify=True, export_params=False).verification
    assert verification is not None
    assert verification.problems == {}


def test_operators_that_the_runtime_lacks_are_an_error_of_verification() -> None:
    class Sine(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.sin()

        @staticmethod
        def symbolic(g: Any, x: Any) -> Any:
            return g.op("nowhere::Sine", x)

    class Model(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return Sine.apply(x)

    with pytest.raises(VerificationFailed, match="does not load the model"):
        onnxport.export(Model(), (torch.ones(2),), verify=True)


def test_the_session_is_the_one_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[Any] = []
    original = onnxruntime.InferenceSession

    def session(model: Any, options: Any, **kwargs: Any) -> Any:
        used.append(options)
        return original(model, options, **kwargs)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    options = onnxruntime.SessionOptions()
    onnxport.export(nn.ReLU(), (torch.ones(2),), verify=onnxport.VerifyOptions(session_options=options), check=False)
    assert used == [options]


def test_a_model_with_more_weights_than_fit_into_memory_twice_goes_through_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("onnxport.runtime._IN_MEMORY_BYTES", 100)
    given: list[Any] = []
    original = onnxruntime.InferenceSession

    def session(model: Any, *args: Any, **kwargs: Any) -> Any:
        given.append((model, sorted(path.name for path in Path(model).parent.iterdir())))
        return original(model, *args, **kwargs)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    program = onnxport.export(nn.Linear(30, 20), (torch.ones(2, 30),), verify=True, check=False)
    assert program.verification is not None
    assert program.verification.problems == {}
    ((path, files),) = given
    assert files == ["model.onnx", "model.onnx.data"]
    assert not Path(path).exists()


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_other_values_are_refused(value: Any) -> None:
    with pytest.raises(InvalidArgument, match="verify="):
        onnxport.export(nn.ReLU(), (torch.ones(2),), verify=value)


NAN = float("nan")
INF = float("inf")


@pytest.mark.parametrize(
    ("theirs", "ours", "problem"),
    [
        (torch.tensor([1, 2]), torch.tensor([1, 3]), "50% of its elements differ"),
        (torch.tensor([2**60]), torch.tensor([2**60 + 1]), "100% of its elements differ"),
        (torch.tensor([INF]), torch.tensor([-INF]), "NaN or infinity"),
        (torch.tensor([INF]), torch.tensor([NAN]), "NaN or infinity"),
        (torch.tensor([NAN, 1.0]), torch.tensor([NAN, 1.0]), None),
        (torch.tensor([1 + 2j]), torch.tensor([1 + 2.1j]), "largest error is 0.1"),
        (torch.tensor([1.0, 1000.0]), torch.tensor([1.0, 1000.5]), None),
        (torch.tensor([1.0, 1000.0]), torch.tensor([1.5, 1000.0]), "largest error is 0.5"),
        (torch.tensor([1.0], dtype=torch.float16), torch.tensor([1.04], dtype=torch.float16), None),
        ([torch.ones(1)], [torch.ones(1), torch.ones(1)], "2 elements, torch's has 1"),
        ([torch.ones(1), torch.ones(2)], [torch.ones(1), torch.zeros(2)], "element 1: its largest error is 1"),
        (None, torch.ones(1), "torch's is none"),
        (None, None, None),
        (3, torch.tensor(3), None),
        (3, torch.tensor(4), "100% of its elements differ"),
        (0.1, torch.tensor(0.1), None),
    ],
)
def test_comparison(theirs: Any, ours: Any, problem: str | None) -> None:
    found = compare(theirs, ours, Tolerance()).problem
    assert found is None if problem is None else problem in (found or "")


def test_the_lenient_comparison_allows_for_the_spread() -> None:
    theirs, ours = torch.tensor([0.0, 1000.0]), torch.tensor([0.9, 1000.0])
    assert compare(theirs, ours, LENIENT).problem is None
    assert compare(theirs, ours, Tolerance()).problem is not None


# --- files -----------------------------------------------------------------------------------------------------------


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x: Tensor, state: dict[str, Tensor], flag: bool = True) -> tuple[Tensor, None, Tensor]:
        return self.linear(x) + state["a"], None, x.argmax(-1)


MIXED = (torch.randn(2, 3), {"a": torch.randn(3)})


@pytest.mark.parametrize(
    "options",
    [{}, {"export_params": False}, {"input_names": ["first", "second"]}],
    ids=str,
)
def test_a_file_is_compared_with_its_model(tmp_path: Path, options: dict[str, Any]) -> None:
    model = Mixed()
    onnxport.export(model, MIXED, tmp_path / "m.onnx", **options)
    found = onnxport.verify(tmp_path / "m.onnx", model, MIXED)
    assert found.problems == {}
    assert [item.kind for item in found.outputs.values()] == ["float32[2, 3]", "int64[2]"]
    other = Mixed()
    assert list(onnxport.verify(tmp_path / "m.onnx", other, MIXED).problems) == (
        [] if options.get("export_params") is False else list(found.outputs)[:1]
    )


def test_inputs_in_another_order_are_found_by_their_names(tmp_path: Path) -> None:
    class Difference(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x - y

    args = (torch.ones(2), torch.zeros(2))
    proto = onnxport.export(Difference(), args).model_proto
    inputs = list(proto.graph.input)
    del proto.graph.input[:]
    proto.graph.input.extend(reversed(inputs))
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    assert onnxport.verify(tmp_path / "m.onnx", Difference(), args).problems == {}
    for item, name in zip(proto.graph.input, ("a", "b"), strict=True):
        for node in proto.graph.node:
            node.input[:] = [name if given == item.name else given for given in node.input]
        item.name = name
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    assert "largest error is 2" in onnxport.verify(tmp_path / "m.onnx", Difference(), args).problems["output"]


def test_a_file_that_does_not_fit_the_model(tmp_path: Path) -> None:
    onnxport.export(nn.Linear(3, 2), (torch.ones(2, 3),), tmp_path / "m.onnx")
    with pytest.raises(InvalidArgument, match="the file has 1 inputs, the call of the torch model 2 tensors"):
        onnxport.verify(tmp_path / "m.onnx", Mixed(), MIXED)
    with pytest.raises(VerificationFailed, match="the exported model has 1 outputs, the torch model 2"):
        onnxport.verify(tmp_path / "m.onnx", Twice(), (torch.ones(2, 3),))
    with pytest.raises(VerificationFailed, match="does not run on the example"):
        onnxport.verify(tmp_path / "m.onnx", nn.Linear(4, 2), (torch.ones(2, 4),))
