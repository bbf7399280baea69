"""``verify``, ``bisect`` and ``diff``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import onnxport
import pytest
import torch
from onnxport import bisection
from onnxport_cli.diff import compare_models
from onnxport_symbolics import Op, Table, default_registry

#: The fixture of conftest.py: gives the exit code, standard output and standard error.
Run = Callable[..., Any]

TEXT = """
agraph (float[n, 3] x) => (float[n, 2] y)
<float[3, 2] w = {1, 2, 3, 4, 5, 6}, float[2] b = {1, 2}>
{ h = MatMul(x, w) z = Add(h, b) y = Relu(z) }
"""


def save(path: str, text: str = TEXT, opset: int = 18, **options: Any) -> onnx.ModelProto:
    graph = onnx.parser.parse_graph(text)
    imports = [onnx.helper.make_opsetid("", opset), onnx.helper.make_opsetid("local", 1)]
    model = onnx.helper.make_model(graph, opset_imports=imports, ir_version=8, **options)
    onnx.save(model, path)
    return model


# --- verify ----------------------------------------------------------------------------------------------------------


def test_verify(run: Run) -> None:
    assert run("export", "factories:with_kwargs", "-o", "m.onnx").code == 0
    result = run("verify", "m.onnx", "--model", "factories:instance", "-i", "2,4", "-i", "y=3")
    # Two models of the class have different weights.
    assert result.code == 1
    assert "its largest error is" in result.out
    torch.manual_seed(0)
    assert run("export", "factories:with_args", "-o", "m.onnx").code == 0
    torch.manual_seed(0)
    result = run("verify", "m.onnx", "-m", "factories:with_args", "--json")
    assert (result.code, result.document["ok"]) == (0, True)
    ((output),) = result.document["outputs"]
    assert (output["name"], output["type"], output["problem"]) == ("output", "float32[2, 3]", None)
    assert output["max_abs_error"] < 1e-6


def test_verify_with_tolerances(run: Run) -> None:
    assert run("export", "factories:with_args", "-o", "m.onnx").code == 0
    assert run("verify", "m.onnx", "-m", "factories:with_args", "--atol", "100").code == 0
    assert run("verify", "m.onnx", "-m", "factories:with_args", "--atol", "1e-9", "--rtol", "0").code == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing.onnx", "-m", "factories:with_args"], 2, "there is no file"),
        (["m.onnx", "-m", "factories:missing"], 2, "has no missing"),
        (["m.onnx", "-m", "factories:with_kwargs"], 2, "the file has 1 inputs, the call of the torch model 2 tensors"),
        (["m.onnx"], 2, "--model"),
    ],
)
def test_verify_of_what_does_not_fit(run: Run, arguments: list[str], code: int, message: str) -> None:
    assert run("export", "factories:with_args", "-o", "m.onnx").code == 0
    result = run("verify", *arguments)
    assert result.code == code
    assert message in result.err
    assert "Traceback" not in result.err


# --- bisect ----------------------------------------------------------------------------------------------------------


def test_bisect_of_a_model_that_is_right(run: Run) -> None:
    result = run("bisect", "factories:with_args")
    assert result.code == 0
    assert "agrees with torch's" in result.out
    assert not list(Path().glob("bisect.*"))


def test_bisect_of_a_model_that_is_wrong(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table("a test")

    @table.op("aten::add")
    def add(op: Op, self: Any, other: Any, alpha: Any) -> Any:
        return op.Add(self, op.Add(other, other))

    registry = default_registry().extended(table)
    monkeypatch.setattr(bisection, "default_registry", lambda: registry)
    result = run("bisect", "factories:with_kwargs", "--output", "found", "--opset", "17", "-d", "x:0")
    assert result.code == 1
    assert "aten::add" in result.out
    assert "self.linear(x) + y" in result.out
    document = run("bisect", "factories:with_kwargs", "--json", "-o", "found").document
    assert document["operator"].startswith("aten::add")
    assert (document["verdict"], document["nodes"], document["class"]) == ("operator", ["Add", "Add"], "Model")
    assert sorted(path.name for path in Path("found").iterdir()) == ["bisect.npz", "bisect.onnx"]


# --- diff ------------------------------------------------------------------------------------------------------------


def test_a_model_and_itself_under_other_names(run: Run) -> None:
    save("a.onnx")
    save("b.onnx", TEXT.replace("h =", "other =").replace("(h,", "(other,"), producer_name="someone else")
    result = run("diff", "a.onnx", "b.onnx")
    assert (result.code, result.out) == (0, "a.onnx and b.onnx are the same model\n")
    assert run("diff", "a.onnx", "b.onnx", "--json").document["same"] is True


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("Relu(z)", "Tanh(z)"), {"operators": {"Relu": (1, 0), "Tanh": (0, 1)}, "nodes": (["Relu y"], ["Tanh y"])}),
        (("Add(h, b)", "Add(b, h)"), {"nodes": (["Add z"], ["Add z"])}),
        (("5, 6}", "5, 7}"), {"weights": {"w": "changed"}, "nodes": (["MatMul h"], ["MatMul h"])}),
        (("n, 3]", "m, 3]"), {"inputs": {"0": ("x: float32[n, 3]", "x: float32[m, 3]")}}),
        (("float[n, 2] y", "float y"), {"outputs": {"0": ("y: float32[n, 2]", "y: float32[]")}}),
        (
            ("y = Relu(z)", "y = Relu(z) d = Relu(y)"),
            {"operators": {"Relu": (1, 2)}, "nodes": ([], ["Relu d"])},
        ),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_what_differs(run: Run, change: tuple[str, str], expected: dict[str, Any]) -> None:
    save("a.onnx")
    save("b.onnx", TEXT.replace(*change))
    found = compare_models(Path("a.onnx"), Path("b.onnx"))
    for name in ("opsets", "inputs", "outputs", "operators", "weights", "functions"):
        assert getattr(found, name) == expected.get(name, {}), name
    nodes = expected.get("nodes", ([], []))
    assert (found.nodes.get("only in a", []), found.nodes.get("only in b", [])) == nodes
    result = run("diff", "a.onnx", "b.onnx")
    assert result.code == 1
    assert result.err == ""
    document = run("diff", "a.onnx", "b.onnx", "--json").document
    assert document["same"] is False
    assert document["operators"] == json.loads(json.dumps(found.operators))


def test_weights_that_are_called_otherwise(run: Run) -> None:
    save("a.onnx")
    save("b.onnx", TEXT.replace(" w =", " weight =").replace("x, w)", "x, weight)").replace("1, 2}>", "1, 3}>"))
    found = compare_models(Path("a.onnx"), Path("b.onnx"))
    assert found.weights == {"w": "renamed to weight", "b": "changed"}
    save("c.onnx", TEXT.replace(" b =", " c =").replace(" b)", " c)").replace("1, 2}>", "1, 3}>"))
    assert compare_models(Path("a.onnx"), Path("c.onnx")).weights == {"b": "only in a", "c": "only in b"}


def test_weights_in_another_file_and_constants_as_nodes(run: Run) -> None:
    model = save("a.onnx")
    for tensor in model.graph.initializer:
        # Only raw bytes can be in another file.
        tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor), tensor.name))
    onnx.save(model, "b.onnx", save_as_external_data=True, location="b.data", size_threshold=0)
    assert run("diff", "a.onnx", "b.onnx").code == 0
    model = onnx.load("a.onnx")
    bias = model.graph.initializer.pop()
    model.graph.node.insert(0, onnx.helper.make_node("Constant", [], [bias.name], value=bias))
    onnx.save(model, "c.onnx")
    found = compare_models(Path("a.onnx"), Path("c.onnx"))
    assert (found.nodes, found.weights) == ({}, {"b": "only in a"})
    Path("b.data").unlink()
    result = run("diff", "a.onnx", "b.onnx")
    assert result.code == 2
    assert "cannot be read" in result.err


def test_opsets_and_the_order_of_outputs(run: Run) -> None:
    save("a.onnx", "g (float[2] x) => (float[2] y, float[2] z) { y = Relu(x) z = Tanh(x) }")
    save("b.onnx", "g (float[2] x) => (float[2] y, float[2] z) { y = Tanh(x) z = Relu(x) }", opset=17)
    found = compare_models(Path("a.onnx"), Path("b.onnx"))
    assert found.opsets == {"": (18, 17)}
    assert found.nodes == {"only in b": ["the outputs are other values, or in another order"]}
    assert "ai.onnx" in run("diff", "a.onnx", "b.onnx").out


BRANCHES = """
g (bool c, float[2] x) => (float[2] y)
{
  h = Exp(x)
  y = If(c) <
    then_branch = t () => (float[2] a) { a = Relu(h) },
    else_branch = e () => (float[2] b) { b = Neg(h) }
  >
}
"""


def test_branches(run: Run) -> None:
    save("a.onnx", BRANCHES)
    save("b.onnx", BRANCHES.replace("Relu(h)", "Abs(h)"))
    save("c.onnx", BRANCHES.replace(" a)", " aa)").replace("{ a =", "{ aa ="))
    assert compare_models(Path("a.onnx"), Path("b.onnx")).nodes == {"only in a": ["If y"], "only in b": ["If y"]}
    assert not compare_models(Path("a.onnx"), Path("c.onnx"))


def test_functions(run: Run) -> None:
    model = save("a.onnx", "g (float[2] x) => (float[2] y) { y = local.Twice(x) }")
    for path, factor in (("a.onnx", 2.0), ("b.onnx", 2.0), ("c.onnx", 3.0)):
        del model.functions[:]
        constant = onnx.numpy_helper.from_array(np.array(factor, np.float32))
        nodes = [
            onnx.helper.make_node("Constant", [], [f"c{path[0]}"], value=constant),
            onnx.helper.make_node("Mul", ["x", f"c{path[0]}"], ["y"]),
        ]
        opsets = [onnx.helper.make_opsetid("", 18)]
        model.functions.append(onnx.helper.make_function("local", "Twice", ["x"], ["y"], nodes, opsets))
        onnx.save(model, path)
    assert not compare_models(Path("a.onnx"), Path("b.onnx"))
    assert compare_models(Path("a.onnx"), Path("c.onnx")).functions == {"local::Twice": "changed"}
    del model.functions[:]
    onnx.save(model, "d.onnx")
    assert compare_models(Path("a.onnx"), Path("d.onnx")).functions == {"local::Twice": "only in a"}
    assert run("diff", "a.onnx", "c.onnx").code == 1


def test_two_exports_and_one_of_another_opset(run: Run) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Softmax(-1))
    for path, opset in (("a.onnx", 18), ("b.onnx", 18), ("c.onnx", 12)):
        onnxport.export(model, (torch.ones(2, 3),), path, opset_version=opset)
    assert run("diff", "a.onnx", "b.onnx").code == 0
    result = run("diff", "a.onnx", "c.onnx", "--json")
    assert result.code == 1
    assert result.document["opsets"]["ai.onnx" if "ai.onnx" in result.document["opsets"] else ""] == [18, 12]


def test_files_that_are_no_models(run: Run) -> None:
    save("a.onnx")
    result = run("diff", "a.onnx", "factories.py")
    assert result.code == 2
    assert "is no ONNX model" in result.err
