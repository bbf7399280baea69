"""Each command: what it prints, and with which exit code it ends."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import onnxport
import pytest
import torch

#: The fixture of conftest.py: gives the exit code, standard output and standard error.
Run = Callable[..., Any]


def test_help_of_the_command_and_of_each_part(run: Run) -> None:
    everything = run("--help")
    assert everything.code == 0
    commands = re.findall(r"^│ (\w+)  ", everything.out, flags=re.MULTILINE)
    assert commands == ["export", "check", "verify", "bisect", "diff", "inspect", "ops", "doctor"]
    for command in commands:
        part = run(command, "-h")
        assert part.code == 0
        assert f"Usage: onnxport {command} " in part.out
        assert "--json" in part.out


def test_version(run: Run) -> None:
    assert re.fullmatch(r"onnxport-cli \S.*, onnxport \S.*\n", run("--version").out)


@pytest.mark.parametrize(
    "arguments", [(), ("unknown",), ("export",), ("export", "a.py:f"), ("check", "m.onnx", "--no")]
)
def test_a_wrong_command_line_is_2(run: Run, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.code == 2
    assert "Usage: onnxport" in result.out + result.err


# --- export ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["factories:with_args", "factories.py:with_args", "./factories.py:with_args"])
def test_export_of_a_factory(run: Run, source: str, tmp_path: Path) -> None:
    result = run("export", source, "-o", "m.onnx", "--opset", 13, "-d", "x:0=batch")
    assert (result.code, result.err) == (0, "")
    assert "opset 13, 1 nodes" in result.out
    assert re.search(r"^checked with batch=\d+$", result.out, flags=re.MULTILINE)
    model = onnx.load(tmp_path / "m.onnx")
    assert model.opset_import[0].version == 13
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


@pytest.mark.parametrize("name", ["model", "Model", "instance", "with_tensor", "with_args"])
def test_export_with_inputs_from_the_command_line(run: Run, name: str, tmp_path: Path) -> None:
    result = run("export", f"factories:{name}", "-o", "m.onnx", "-i", "7,4", "--input", "y=3", "--no-check")
    assert (result.code, result.err) == (0, "")
    shapes = [
        [dim.dim_value for dim in item.type.tensor_type.shape.dim]
        for item in onnx.load(tmp_path / "m.onnx").graph.input
    ]
    assert shapes == [[7, 4], [3]]


def test_export_as_json(run: Run, tmp_path: Path) -> None:
    result = run("export", "factories:with_kwargs", "-o", "m.onnx", "--json", "-d", "x:0", "--output-name", "scores")
    assert result.code == 0
    document = result.document
    assert document["checked"].pop("sizes").keys() == {"x_dynamic_axes_1"}
    assert document.pop("seconds").keys() >= {"capture", "lower", "write"}
    assert document == {
        "path": "m.onnx",
        "opset": onnxport.DEFAULT_OPSET,
        "nodes": 2,
        "bytes": (tmp_path / "m.onnx").stat().st_size,
        "inputs": ["x", "y"],
        "outputs": ["scores"],
        "checked": {"reason": ""},
    }


def test_json_stays_alone_on_standard_output(run: Run) -> None:
    Path("noisy.py").write_text("from factories import *\nprint('hello')\n", encoding="utf-8")
    result = run("export", "noisy.py:with_args", "-o", "m.onnx", "--json", "--verbose")
    assert result.document["path"] == "m.onnx"
    assert "hello" in result.err
    assert "graph(%x" in result.err


def test_verbose_prints_the_graph(run: Run) -> None:
    assert "graph(%x : Float(2, 4)" in run("export", "factories:with_args", "-o", "m.onnx", "-v").out


def test_a_file_named_like_a_module_does_not_take_its_place(run: Run) -> None:
    Path("json.py").write_text("from factories import *\n", encoding="utf-8")
    assert run("export", "json.py:with_args", "-o", "m.onnx", "--json").document["nodes"] == 1
    assert sys.modules["json"] is json


def test_torchscript_files(run: Run, tmp_path: Path) -> None:
    traced = torch.jit.trace(torch.nn.Linear(4, 3), (torch.ones(2, 4),))
    torch.jit.save(traced, tmp_path / "traced.pt")
    torch.jit.save(torch.jit.script(torch.nn.Linear(4, 3)), tmp_path / "scripted.bin")
    for name in ("traced.pt", "scripted.bin"):
        result = run("export", name, "-o", "m.onnx", "-i", "2,4")
        assert (result.code, result.err) == (0, "")
        onnx.checker.check_model(onnx.load("m.onnx"))


def test_pickled_files_are_refused_with_the_reason(run: Run, tmp_path: Path) -> None:
    marker = tmp_path / "executed"

    class Evil:
        def __reduce__(self):
            return Path.touch, (marker,)

    torch.save({"model": Evil()}, tmp_path / "pickled.pt")
    torch.save({"model": Evil()}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    for name, reason in (("pickled.pt", "can run any code"), ("old.pth", "no file of torch.jit.save")):
        result = run("export", name, "-o", "m.onnx", "-i", "2,4")
        assert result.code == 2
        assert reason in result.err
    assert not marker.exists()
    assert not Path("m.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["factories:model"], 2, "says nothing of the arguments"),
        (["factories:model", "-i", "two"], 2, "--input 'two' is not understood"),
        (["factories:model", "-i", "2:float31"], 2, "types: float16"),
        (["factories:with_args", "-d", "x"], 2, "--dynamic 'x' is not understood"),
        (["factories:with_args", "-d", "z:0"], 2, "dynamic_axes names 'z'"),
        (["factories:with_args", "--opset", "6"], 2, "OXP002"),
        (["factories:nothing"], 2, "factories has no nothing"),
        (["factories:number", "-i", "2"], 2, "int is no model"),
        (["factories:number"], 2, "factories:number: int is no model"),
        (["factories:Wanting"], 2, "cannot be called without arguments: missing a required argument: 'size'"),
        (["factories"], 2, "names no model"),
        (["missing_module:x"], 2, "there is no module missing_module"),
        (["missing.py:x"], 2, "there is no file missing.py"),
        (["missing.pt"], 2, "there is no file missing.pt"),
        (["factories:raising"], 1, "error: LookupError: no weights here"),
        (["factories:model", "-i", "2,5"], 1, "OXP201"),
        (["factories:unsupported", "--opset", "8"], 1, "Gelu needs ONNX opset 20"),
    ],
)
def test_errors_of_an_export(run: Run, arguments: list[str], code: int, message: str) -> None:
    result = run("export", *arguments, "-o", "m.onnx", "--json")
    assert result.code == code
    assert message in result.err
    assert "Traceback" not in result.err
    assert result.out == ""
    assert not Path("m.onnx").exists()


def test_an_unwritable_path_is_1(run: Run) -> None:
    result = run("export", "factories:with_args", "-o", "missing/m.onnx")
    assert result.code == 1
    assert "OXP301" in result.err


@pytest.mark.parametrize("position", [0, 1, 4])
def test_debug_shows_the_traceback(run: Run, position: int) -> None:
    arguments = ["export", "factories:raising", "-o", "m.onnx"]
    arguments.insert(position, "--debug")
    with pytest.raises(LookupError, match="no weights here"):
        run(*arguments)


# --- check and inspect -----------------------------------------------------------------------------------------------


@pytest.fixture
def exported(run: Run) -> str:
    assert run("export", "factories:with_kwargs", "-o", "m.onnx", "-d", "x:0=n").code == 0
    return "m.onnx"


def test_check(run: Run, exported: str) -> None:
    result = run("check", exported, "--size", "n=5")
    assert (result.code, result.err) == (0, "")
    assert "float32[5, 3]" in result.out
    document = run("check", exported, "--json", "--default-size", 4).document
    assert (document["path"], document["ok"]) == (exported, True)
    assert [(item["name"], item["type"]) for item in document["outputs"]] == [("output", "float32[4, 3]")]


def test_check_finds_a_model_that_is_not_well_formed(run: Run, exported: str) -> None:
    model = onnx.load(exported)
    model.graph.node[0].op_type = "Gemmm"
    onnx.save(model, "broken.onnx")
    result = run("check", "broken.onnx")
    assert result.code == 1
    assert "not well formed" in result.err
    assert "Gemmm" in result.err


def test_check_finds_a_model_that_does_not_run(run: Run) -> None:
    graph = onnx.parser.parse_graph("g (float[n] x, float[m] y) => (float[k] z) { z = Add(x, y) }")
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, "m.onnx")
    assert run("check", "m.onnx").code == 0
    result = run("check", "m.onnx", "-s", "n=2", "-s", "m=3")
    assert result.code == 1
    assert "does not run" in result.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("g (string[2] x) => (string[2] z) { z = Identity(x) }", "input x is of type string"),
        ("g (seq(float[2]) x) => (seq(float[2]) z) { z = Identity(x) }", "input x is no tensor"),
    ],
)
def test_check_says_which_inputs_it_cannot_make(run: Run, text: str, message: str) -> None:
    imports = [onnx.helper.make_opsetid("", 18)]
    onnx.save(onnx.helper.make_model(onnx.parser.parse_graph(text), opset_imports=imports, ir_version=8), "m.onnx")
    result = run("check", "m.onnx")
    assert result.code == 1
    assert message in result.err
    assert run("inspect", "m.onnx").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["factories.py"], "is no ONNX model"),
        (["missing.onnx"], "there is no file missing.onnx"),
        (["."], "there is no file ."),
    ],
)
def test_files_that_are_no_models(run: Run, arguments: list[str], message: str) -> None:
    for command in ("check", "inspect"):
        result = run(command, *arguments)
        assert result.code == 2
        assert message in result.err
        assert result.out == ""


def test_check_refuses_sizes_that_it_does_not_understand(run: Run, exported: str) -> None:
    result = run("check", exported, "--size", "n")
    assert result.code == 2
    assert "--size 'n'" in result.err


def test_inspect(run: Run, exported: str) -> None:
    result = run("inspect", exported)
    assert (result.code, result.err) == (0, "")
    for text in ("float32[n, 4]", "float32[n, 3]", "Gemm", "linear.weight", "Weights: 2, 60 B", "ai.onnx"):
        assert text in result.out
    assert "linear.weight" not in run("inspect", exported, "--weights", 0).out


def test_inspect_as_json(run: Run, exported: str) -> None:
    document = run("inspect", exported, "--json").document
    assert document["inputs"] == [{"name": "x", "type": "float32[n, 4]"}, {"name": "y", "type": "float32[3]"}]
    assert document["outputs"] == [{"name": "output", "type": "float32[n, 3]"}]
    assert document["operators"] == {"Add": 1, "Gemm": 1}
    assert document["opsets"] == {"": onnxport.DEFAULT_OPSET}
    assert document["weights"] == [
        {"name": "linear.weight", "type": "float32[3, 4]", "bytes": 48},
        {"name": "linear.bias", "type": "float32[3]", "bytes": 12},
    ]


# --- ops -------------------------------------------------------------------------------------------------------------


def test_ops(run: Run) -> None:
    result = run("ops", "^aten::(relu|nonzero)$")
    assert (result.code, result.err) == (0, "")
    assert "aten::relu" in result.out
    assert "onnxport-symbolics" in result.out
    assert "2 of 2 operators" in result.out


def test_ops_and_those_missing_are_all(run: Run) -> None:
    names = {
        missing: {
            entry["name"] for entry in run("ops", "--json", *(["--missing"] if missing else [])).document["operators"]
        }
        for missing in (False, True)
    }
    assert not names[False] & names[True]
    assert "aten::relu" in names[False]
    assert len(names[True]) > 10


def test_ops_at_an_opset(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxport.coverage.first_tested_opsets", lambda: {"aten::nonzero": 9})
    early = run("ops", "aten::nonzero$", "--opset", 8, "--json").document
    assert (early["opset"], early["operators"]) == (8, [])
    assert [
        entry["name"]
        for entry in run("ops", "aten::nonzero$", "--opset", 8, "--missing", "--json").document["operators"]
    ] == ["aten::nonzero"]
    (late,) = run("ops", "aten::nonzero$", "--opset", 9, "--json").document["operators"]
    assert late == {"name": "aten::nonzero", "origin": "onnxport-symbolics", "first_opset": 9}


@pytest.mark.parametrize(("arguments", "message"), [(["("], "no regular expression"), (["--opset", "99"], "OXP002")])
def test_ops_with_what_makes_no_sense(run: Run, arguments: list[str], message: str) -> None:
    result = run("ops", *arguments)
    assert result.code == 2
    assert message in result.err


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_commands_of_the_page_run(run: Run) -> None:
    page = Path(__file__).parents[3] / "docs" / "command-line.md"
    if not page.exists():
        pytest.skip("the tests are not in the repository")
    # `verify` needs the same weights as `export`.
    seeded = "def classifier():\n    torch.manual_seed(0)\n    return with_args()\n"
    seeded = f"import torch\nfrom factories import with_args\n{seeded}"
    Path("models.py").write_text(seeded, encoding="utf-8")
    lines = re.findall(r"^\$ onnxport (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(lines) == 9
    for line in lines:
        if line.startswith("diff"):
            shutil.copy("classifier.onnx", "before.onnx")
            shutil.copy("classifier.onnx", "after.onnx")
        result = run(*shlex.split(line))
        assert (result.code, result.err) == (0, ""), line
        assert result.out


# --- a real process --------------------------------------------------------------------------------------------------


def test_a_process_of_its_own(run: Run, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "onnxport_cli"]
    good = subprocess.run(
        [*command, "export", "factories.py:with_args", "-o", "m.onnx", "--json"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (good.returncode, good.stderr) == (0, "")
    assert json.loads(good.stdout)["nodes"] == 1
    bad = subprocess.run(
        [*command, "export", "factories.py:raising", "-o", "n.onnx"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert bad.returncode == 1
    assert bad.stdout == ""
    assert bad.stderr.startswith("error: LookupError: no weights here")
    assert {path.name for path in tmp_path.iterdir()} >= {"m.onnx", "factories.py"}
    assert not (tmp_path / "n.onnx").exists()
