"""What a trace has fixed is found by running the exported model on other inputs."""

import sys

import onnxport
import pytest
import torch
from onnxport.errors import FrozenValue, VerificationFailed
from onnxport.selfcheck import compare_values
from onnxport_ir import Value
from onnxport_symbolics import Op, Table, default_registry


class Call(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def export(function, **options):
    torch.manual_seed(0)
    return onnxport.export(Call(function), (torch.rand(2, 3) + 1,), dynamic_axes={"x": {1: "n"}}, **options)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: sum(x[:, i] * i**2 for i in range(x.shape[1])),
        lambda x: x * float(x.sum().numpy()),
        lambda x: x + x[:, 1:].stride(0),
        lambda x: x + x.shape.numel(),
        lambda x: x * 2 if x.shape[1] == 3 else x,
        lambda x: x * 2 if x[0, 1] > 1.5 else x,
    ],
    ids=["range", "numpy", "stride", "numel", "branch-size", "branch-value"],
)
def test_what_the_trace_has_fixed_is_refused(function, tmp_path):
    with pytest.raises(FrozenValue) as caught:
        export(function, f=tmp_path / "m.onnx")
    assert caught.value.code == "OXP203"
    assert f"{__file__}:" in str(caught.value)
    assert not list(tmp_path.iterdir())
    export(function, f=tmp_path / "m.onnx", check=False, on_frozen="ignore")
    assert (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * x.shape[1],
        lambda x: x[:, : x.shape[1] - 1],
        lambda x: x.view(x.shape[0], -1, 1).sum(1),
        lambda x: x if x.shape[0] == 2 else x * 2,
        lambda x: x if x.dim() == 2 else x * 2,
        lambda x: x + torch.tensor(x.shape[0]),
        lambda x: x + x.data.sum(),
    ],
    ids=["size", "slice", "view", "static", "rank", "constant", "data"],
)
def test_what_holds_for_other_sizes_passes(function):
    program = export(function, check=True)
    assert set(program.checked.sizes) == {"n"}
    assert program.checked.sizes["n"] != 3


def test_a_branch_that_only_other_signs_take_is_a_warning():
    with pytest.warns(onnxport.FrozenValueWarning, match=r"other sign[\s\S]*test_selfcheck\.py"):
        program = export(lambda x: x * 2 if (x > 0).all() else x, on_frozen="warn")
    assert program.checked.sizes == {"n": 6}


def test_a_wrong_model_without_a_fixed_value_is_reported(monkeypatch):
    table = Table("wrong")

    @table.op("aten::relu")
    def relu(op: Op, self: Value) -> Value:
        """relu(Tensor self) -> Tensor"""
        return op.Neg(self)

    # The package's attribute of that name is the function.
    module = sys.modules["onnxport.export"]
    registry = default_registry().extended(table)
    monkeypatch.setattr(module, "default_registry", lambda: registry)
    with pytest.raises(VerificationFailed, match="OXP401"):
        export(torch.relu)


def test_large_models_are_not_checked_unless_asked_for():
    model = torch.nn.Linear(5000, 5000, bias=False)
    options = {"dynamic_axes": {"input": {0: "n"}}}
    assert onnxport.export(model, torch.ones(1, 5000), **options).checked.sizes is None
    assert onnxport.export(model, torch.ones(1, 5000), check=True, **options).checked.sizes is not None


def test_models_that_draw_random_numbers_are_not_checked():
    checked = export(lambda x: x + torch.randn_like(x), check=True).checked
    assert (checked.sizes, checked.reason) == (None, "the model draws random numbers")


def test_a_model_for_one_size_alone_is_exported_with_a_reason():
    def function(x):
        if x.shape[1] != 3:
            raise ValueError("three columns, please")
        return x * 2

    checked = export(function).checked
    assert checked.sizes is None or checked.sizes == {"n": 3}


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        (torch.ones(2), torch.ones(2), None),
        (torch.ones(2), torch.ones(3), "[3], torch's is torch.float32[2]"),
        (torch.ones(2), torch.ones(2, dtype=torch.int64), "torch.int64"),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.1]), "largest error is 0.1"),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0 + 1e-5]), None),
        (torch.tensor([1.0, float("nan")]), torch.tensor([1.0, 0.0]), "NaN or infinity"),
        (torch.tensor([True, False]), torch.tensor([True, True]), "50% of its elements differ"),
        (torch.ones(0), torch.ones(0), None),
        ([1, 2], torch.tensor([1, 2]), None),
        ([], torch.zeros(0, dtype=torch.int64), None),
        ([1, 2], torch.tensor([1, 2, 3]), "int64[3], torch's is torch.int64[2]"),
        ([0.5, 1.0], torch.tensor([0.5, 2.0], dtype=torch.float64), "largest error is"),
        (torch.ones(2), [torch.ones(2)], "sequence of 1"),
        ([torch.ones(2)], torch.ones(2), "torch's is sequence of 1"),
    ],
)
def test_comparison(theirs, ours, expected):
    found = compare_values(theirs, ours)
    assert found is None if expected is None else expected in found
