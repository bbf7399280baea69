"""Each parameter of ``onnxport.export``, and what comes back."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import io
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxport
import onnxruntime
import pytest
import torch
from onnxport.errors import InvalidArgument, NotYetSupported
from torch import Tensor, nn


class Sum(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sum(x, dim=1)


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.scale = nn.Parameter(torch.tensor([2.0]))

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return self.linear(x) * self.scale, y + 1


def shape_of(value: onnx.ValueInfoProto) -> list[int | str]:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def run(proto: onnx.ModelProto, feeds: dict[str, Any]) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


# --- the opset -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opset", [7, 13, 17, onnxport.NEWEST_OPSET])
def test_the_opset_is_the_one_asked_for(opset: int) -> None:
    proto = onnxport.export(Sum(), (torch.ones(2, 2),), opset_version=opset).model_proto
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", opset)]
    np.testing.assert_array_equal(run(proto, {"x": np.ones((2, 2), np.float32)})[0], [2, 2])


def test_without_an_opset_it_is_the_default() -> None:
    program = onnxport.export(Sum(), (torch.ones(2, 2),))
    assert program.model_proto.opset_import[0].version == onnxport.DEFAULT_OPSET == 18


# --- names and axes --------------------------------------------------------------------------------------------------


def test_without_dynamic_axes_shapes_are_the_examples() -> None:
    program = onnxport.export(Sum(), (torch.ones(2, 2),), input_names=["x"], output_names=["sum"])
    assert shape_of(program.model_proto.graph.input[0]) == [2, 2]
    assert shape_of(program.model_proto.graph.output[0]) == [2]


def test_dynamic_axes_in_both_forms() -> None:
    program = onnxport.export(
        Sum(),
        (torch.ones(2, 2),),
        input_names=["x"],
        output_names=["sum"],
        dynamic_axes={"x": {0: "my_custom_axis_name"}, "sum": [0]},
    )
    assert shape_of(program.model_proto.graph.input[0]) == ["my_custom_axis_name", 2]
    assert shape_of(program.model_proto.graph.output[0]) == ["sum_dynamic_axes_1"]


def test_automatic_names_count_the_axes_of_the_list() -> None:
    program = onnxport.export(nn.Identity(), (torch.ones(2, 3, 4),), input_names=["x"], dynamic_axes={"x": [2, 0]})
    assert shape_of(program.model_proto.graph.input[0]) == ["x_dynamic_axes_2", 3, "x_dynamic_axes_1"]


def test_names_in_order_and_those_beyond_the_inputs_for_weights() -> None:
    program = onnxport.export(
        TwoInputs(),
        (torch.ones(2, 3), torch.ones(1)),
        input_names=["a", "b", "learned_0"],
        output_names=["first"],
    )
    graph = program.model_proto.graph
    assert [item.name for item in graph.input] == ["a", "b"] == list(program.input_names)
    assert [item.name for item in graph.output] == ["first", "output_1"] == list(program.output_names)
    # Weights follow in the order of state_dict(), in which a module's own come before those of its parts.
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    assert weights.keys() >= {"learned_0", "linear.weight", "linear.bias"}
    np.testing.assert_array_equal(weights["learned_0"], [2.0])


def test_without_names_inputs_have_those_of_forward() -> None:
    program = onnxport.export(TwoInputs(), (torch.ones(2, 3),), kwargs={"y": torch.ones(1)})
    assert program.input_names == ("x", "y")


def test_an_input_that_nothing_uses_stays() -> None:
    class Unused(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return y * 2

    program = onnxport.export(Unused(), (torch.ones(2), torch.ones(3)))
    assert program.input_names == ("x", "y")
    assert torch.equal(program(torch.zeros(2), torch.ones(3)), torch.full((3,), 2.0))


# --- where it is written ---------------------------------------------------------------------------------------------


def test_f_may_be_text_a_path_an_open_file_or_none(tmp_path: Path) -> None:
    class AnyPath:
        def __fspath__(self) -> str:
            return str(tmp_path / "pathlike.onnx")

    model, args = TwoInputs(), (torch.ones(2, 3), torch.ones(1))
    buffer = io.BytesIO()
    with (tmp_path / "open.onnx").open("wb") as file:
        for f in (str(tmp_path / "text.onnx"), tmp_path / "path.onnx", AnyPath(), file, buffer, None):
            program = onnxport.export(model, args, f)
    contents = [path.read_bytes() for path in sorted(tmp_path.iterdir())]
    assert len(contents) == 4
    assert {*contents, buffer.getvalue()} == {program.model_proto.SerializeToString(deterministic=True)}
    onnx.checker.check_model(onnx.load_from_string(buffer.getvalue()), full_check=True)


def test_external_data_of_a_program(tmp_path: Path) -> None:
    model = nn.Linear(64, 64)
    program = onnxport.export(model, (torch.ones(2, 64),), tmp_path / "one.onnx")
    program.save(tmp_path / "two.onnx", external_data=True)
    assert {path.name for path in tmp_path.iterdir()} == {"one.onnx", "two.onnx", "two.onnx.data"}
    x = torch.randn(2, 64)
    session = onnxruntime.InferenceSession(str(tmp_path / "two.onnx"), providers=["CPUExecutionProvider"])
    torch.testing.assert_close(torch.from_numpy(session.run(None, {"input": x.numpy()})[0]), model(x).detach())


@pytest.mark.parametrize("external_data", [True, False])
def test_a_small_model_is_one_file_in_any_case(tmp_path: Path, external_data: bool) -> None:
    onnxport.export(nn.Linear(64, 64), (torch.ones(2, 64),), tmp_path / "m.onnx", external_data=external_data)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


# --- weights ---------------------------------------------------------------------------------------------------------


def test_export_params_false_makes_the_weights_inputs() -> None:
    model = TwoInputs()
    x, y = torch.randn(2, 3), torch.ones(1)
    program = onnxport.export(model, (x, y), export_params=False)
    proto = program.model_proto
    weights = {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}
    inputs = [item.name for item in proto.graph.input]
    assert inputs[:2] == ["x", "y"]
    assert set(inputs[2:]) == set(weights)
    assert not set(weights) & {tensor.name for tensor in proto.graph.initializer}
    onnx.checker.check_model(proto, full_check=True)
    found = run(proto, {"x": x.numpy(), "y": y.numpy(), **weights})
    torch.testing.assert_close(torch.from_numpy(found[0]), model(x, y)[0].detach())
    other = {**weights, "scale": np.zeros(1, np.float32)}
    assert not run(proto, {"x": x.numpy(), "y": y.numpy(), **other})[0].any()


def test_a_program_without_weights_is_called_with_those_of_the_model() -> None:
    model = TwoInputs()
    x, y = torch.randn(2, 3), torch.ones(1)
    program = onnxport.export(model, (x, y), export_params=False, dynamic_axes={"x": {0: "n"}}, check=True)
    torch.testing.assert_close(program(x, y)[0], model(x, y)[0].detach())


def test_initializers_that_are_inputs_can_be_replaced() -> None:
    model = TwoInputs()
    x, y = torch.randn(2, 3), torch.ones(1)
    proto = onnxport.export(model, (x, y), keep_initializers_as_inputs=True).model_proto
    names = list(model.state_dict())
    inputs = [item.name for item in proto.graph.input]
    assert inputs[:2] == ["x", "y"]
    assert set(inputs[2:]) == set(names)
    assert {tensor.name for tensor in proto.graph.initializer} == set(names)
    feeds = {"x": x.numpy(), "y": y.numpy()}
    torch.testing.assert_close(torch.from_numpy(run(proto, feeds)[0]), model(x, y)[0].detach())
    assert not run(proto, {**feeds, "scale": np.zeros(1, np.float32)})[0].any()


def test_tied_weights_are_stored_once() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(50, 8)
            self.head = nn.Linear(8, 50, bias=False)
            self.head.weight = self.embedding.weight

        def forward(self, tokens: Tensor) -> Tensor:
            return self.head(self.embedding(tokens))

    program = onnxport.export(Tied(), (torch.tensor([[1, 2]]),))
    assert [tensor.name for tensor in program.model_proto.graph.initializer] == ["embedding.weight"]


# --- what is printed -------------------------------------------------------------------------------------------------


def test_verbose_prints_the_graph(capsys: pytest.CaptureFixture[str]) -> None:
    """Without the places, which here are lines of torch."""
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    onnxport.export(model, (torch.ones(2, 3),), verbose=True, input_names=["x"], output_names=["y"])
    assert re.sub("  # .*", "", capsys.readouterr().out) == (
        "graph(%x : Float(2, 3)\n"
        "      %0.weight : Float(4, 3)\n"
        "      %0.bias : Float(4)) {\n"
        "  %3 : Float(2, 4) = onnx::Gemm[transB=1](%x, %0.weight, %0.bias), scope: Sequential/Linear[0]\n"
        "  %y : Float(2, 4) = onnx::Relu(%3), scope: Sequential/ReLU[1]\n"
        "  return (%y);\n"
        "}\n"
    )


@pytest.mark.parametrize("verbose", [None, False])
def test_otherwise_nothing_is_printed(verbose: bool | None, capfd: pytest.CaptureFixture[str]) -> None:
    onnxport.export(Sum(), (torch.ones(2, 2),), verbose=verbose)
    assert capfd.readouterr().out == ""


# --- structures ------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Boxes:
    corners: Tensor
    label: str
    scores: Tensor | None = None


class Point(NamedTuple):
    x: Tensor
    y: Tensor


class Output(collections.OrderedDict):  # type: ignore[type-arg]  # like the results of transformers
    """An ordered dictionary whose items are attributes as well."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


class Structured(nn.Module):
    def forward(
        self, points: list[Point], boxes: Boxes, mask: Tensor | None = None, *, offsets: dict[str, Any], factor: int = 2
    ) -> dict[str, Any]:
        total = points[0].x + points[1].y * factor + offsets["inner"]["value"]
        if mask is not None:
            total = total * mask
        result = Output(total=total)
        result["boxes"] = Boxes(boxes.corners + 1, boxes.label)
        return {"result": result, "point": Point(total, points[0].y), "nothing": None, "name": "n", "list": [total * 2]}


def structured_call(size: int, mask: Tensor | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    points = [Point(torch.randn(size), torch.randn(size)) for _ in range(2)]
    offsets = {"inner": {"value": torch.randn(size)}, "unused": None}
    return (points, Boxes(torch.randn(4), "cat")), {"mask": mask, "offsets": offsets, "factor": 3}


@pytest.mark.parametrize("mask", [None, torch.tensor([1.0, 0.0])], ids=["none", "tensor"])
def test_arguments_and_results_of_any_structure(mask: Tensor | None) -> None:
    model = Structured()
    args, kwargs = structured_call(2, mask)
    program = onnxport.export(model, args, kwargs=kwargs)
    expected_inputs = ["points.0.x", "points.0.y", "points.1.x", "points.1.y", "boxes.corners"]
    assert list(program.input_names)[:5] == expected_inputs
    assert ("mask" in program.input_names) == (mask is not None)
    args, kwargs = structured_call(2, mask)
    expected, found = model(*args, **kwargs), program(*args, **kwargs)
    assert list(found) == list(expected)
    assert type(found["result"]) is Output
    assert type(found["result"].boxes) is Boxes
    assert found["result"].boxes.label == "cat"
    assert found["result"].boxes.scores is None
    assert found["nothing"] is None
    assert found["name"] == "n"
    torch.testing.assert_close(found["result"].total, expected["result"].total)
    torch.testing.assert_close(found["result"].boxes.corners, expected["result"].boxes.corners)
    torch.testing.assert_close(tuple(found["point"]), tuple(expected["point"]))
    torch.testing.assert_close(found["list"], expected["list"])


def test_a_single_tensor_needs_no_tuple() -> None:
    assert torch.equal(onnxport.export(Sum(), torch.ones(2, 2))(torch.ones(2, 2)), torch.full((2,), 2.0))


@pytest.mark.parametrize(
    ("args", "names"),
    [
        ((torch.ones(2), {"y": torch.ones(2)}), ("x", "y")),
        (({"x": torch.ones(2), "y": torch.ones(2)},), ("x", "y")),
        ((torch.ones(2), torch.ones(2), {}), ("x", "y")),
        ((torch.ones(2), {"y": torch.ones(2)}, {}), ("x", "y.y")),
    ],
    ids=["named", "all-named", "none-named", "an-argument-before-none"],
)
def test_a_dictionary_in_last_place_holds_keyword_arguments(args: tuple[Any, ...], names: tuple[str, ...]) -> None:
    class Taking(nn.Module):
        def forward(self, x: Tensor, y: Tensor | dict[str, Tensor]) -> Tensor:
            return x + (y["y"] if isinstance(y, dict) else y)

    program = onnxport.export(Taking(), args)
    assert program.input_names == names
    assert torch.equal(
        program(torch.ones(2), {"y": torch.ones(2)} if "y.y" in names else torch.ones(2)), torch.full((2,), 2.0)
    )


def test_a_dictionary_in_last_place_that_names_no_parameter_is_an_argument() -> None:
    class Taking(nn.Module):
        def forward(self, x: Tensor, extra: dict[str, Tensor]) -> Tensor:
            return x + extra["y"]

    program = onnxport.export(Taking(), (torch.ones(2), {"y": torch.ones(2)}))
    assert program.input_names == ("x", "extra.y")
    assert torch.equal(program(torch.ones(2), {"y": torch.zeros(2)}), torch.ones(2))


def test_arguments_are_not_filled_up_with_defaults() -> None:
    class Defaults(nn.Module):
        def forward(self, x: Tensor, y: Tensor | None = None, *, z: Tensor | None = None, **rest: Any) -> Tensor:
            assert y is None
            assert not rest
            return x if z is None else x + z

    model = Defaults()
    program = onnxport.export(model, (torch.ones(2),), kwargs={"z": torch.ones(2)})
    assert program.input_names == ("x", "z")
    assert torch.equal(program(torch.ones(2), z=torch.ones(2)), torch.full((2,), 2.0))


# --- the program -----------------------------------------------------------------------------------------------------


def test_a_program_takes_the_models_call() -> None:
    model = TwoInputs()
    x, y = torch.randn(2, 3), torch.randn(1)
    program = onnxport.export(model, (x,), kwargs={"y": y}, dynamic_axes={"x": {0: "n"}})
    expected = model(torch.cat([x, x]), y)
    for found in (program(torch.cat([x, x]), y), program(torch.cat([x, x]), y=y), program(x=torch.cat([x, x]), y=y)):
        torch.testing.assert_close(found, tuple(value.detach() for value in expected))
    with pytest.raises(InvalidArgument, match="missing a required argument"):
        program(x)


def test_another_constant_than_the_exports_is_refused() -> None:
    class Scaled(nn.Module):
        def forward(self, x: Tensor, factor: int = 2) -> Tensor:
            return x * factor

    program = onnxport.export(Scaled(), (torch.ones(2),))
    assert torch.equal(program(torch.ones(2), 2), torch.full((2,), 2.0))
    with pytest.raises(InvalidArgument, match="factor is 3, the model was exported with"):
        program(torch.ones(2), 3)


def test_a_program_describes_itself() -> None:
    program = onnxport.export(Sum(), (torch.ones(2, 2),))
    assert repr(program) == "ONNXProgram(opset=18, nodes=1, inputs=['x'], outputs=['output'])"
    assert program.timings.keys() >= {"capture", "lower", "passes"}


# --- training --------------------------------------------------------------------------------------------------------


def test_the_mode_is_that_of_the_parameter_and_is_put_back() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)).train()
    model[0].eval()
    operators = {}
    for mode in onnxport.TrainingMode:
        program = onnxport.export(model, (torch.ones(2, 3),), training=mode, opset_version=13)
        operators[mode.name] = [node.op_type for node in program.model_proto.graph.node]
        assert [module.training for module in model.modules()] == [True, False, True]
    assert operators["EVAL"] == ["Gemm"]
    assert operators["TRAINING"] == operators["PRESERVE"] != ["Gemm"]
    by_number = onnxport.export(model, (torch.ones(2, 3),), training=torch.onnx.TrainingMode.EVAL, opset_version=13)
    assert [node.op_type for node in by_number.model_proto.graph.node] == ["Gemm"]


def test_optimize_false_gives_the_same_values() -> None:
    model = TwoInputs()
    args = torch.randn(2, 3), torch.randn(1)
    for optimize in (True, False):
        program = onnxport.export(model, args, optimize=optimize)
        torch.testing.assert_close(program(*args), tuple(value.detach() for value in model(*args)))


# --- what is for later -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dynamo", True),
        ("dynamic_shapes", {"x": {}}),
        ("custom_translation_table", {}),
        ("dump_exported_program", True),
    ],
)
def test_parameters_for_later_are_refused(name: str, value: object, tmp_path: Path) -> None:
    with pytest.raises(NotYetSupported, match=name) as caught:
        onnxport.export(Sum(), (torch.ones(2, 2),), tmp_path / "m.onnx", **{name: value})
    assert caught.value.code == "OXP003"
    assert not list(tmp_path.iterdir())


def test_all_parameters_for_later_are_named_at_once() -> None:
    with pytest.raises(NotYetSupported, match=r"dynamo=True, dump_exported_program=True"):
        onnxport.export(Sum(), (torch.ones(2, 2),), dynamo=True, dump_exported_program=True)


def test_values_that_ask_for_nothing_are_taken() -> None:
    onnxport.export(
        Sum(),
        (torch.ones(2, 2),),
        operator_export_type=torch.onnx.OperatorExportTypes.ONNX,
        do_constant_folding=True,
        artifacts_dir="reports",
        dynamo=False,
        fallback=True,
    )
    assert not os.path.exists("reports")


# --- determinism -----------------------------------------------------------------------------------------------------


def layers(depth: int) -> nn.Module:
    torch.manual_seed(depth)
    return nn.Sequential(*(nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.GELU()) for _ in range(depth)))


def digest(model: nn.Module) -> str:
    out = io.BytesIO()
    onnxport.export(model, (torch.ones(2, 4),), out, dynamic_axes={"input": {0: "n"}}, check=False)
    return hashlib.sha256(out.getvalue()).hexdigest()


def test_two_exports_are_the_same_bytes() -> None:
    assert digest(layers(3)) == digest(layers(3))


def test_exports_in_eight_threads_are_those_of_one() -> None:
    models = [layers(depth) for depth in range(1, 17)]
    alone = [digest(model) for model in models]
    assert len(set(alone)) == len(models)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(digest, models)) == alone


def test_no_path_of_this_machine_is_in_the_file() -> None:
    out = io.BytesIO()
    onnxport.export(layers(2), (torch.ones(2, 4),), out)
    for path in (Path(__file__).parents[1], Path(torch.__file__).parents[1], Path.home()):
        assert os.fsencode(path) not in out.getvalue()
    assert b".py" not in out.getvalue()


def test_the_model_and_the_arguments_come_out_as_they_went_in() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(3)
            self.register_buffer("calls", torch.zeros(()))
            self.last: Tensor | None = None

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            self.last = self.norm(x)
            return self.last.mul_(2)

    model = Counting().train()
    x = torch.randn(4, 3, requires_grad=True)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    before = x.detach().clone()
    onnxport.export(model, (x,), training=onnxport.TrainingMode.EVAL)
    assert model.training
    assert model.norm.training
    assert model.last is None
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(x, before)
    assert x.requires_grad
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not torch.onnx.is_in_onnx_export()
    assert torch.is_grad_enabled()
