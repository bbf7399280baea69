"""The example plugin, from its wheel: found by its entry point, used by exports, listed by ``onnxport doctor``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

EXPORT = """
import onnxruntime, torch, onnxport

library = torch.library.Library("example", "DEF")
library.define("scaled_add(Tensor x, Tensor y, float scale) -> Tensor")
library.impl("scaled_add", lambda x, y, scale: x + y * scale, "CompositeExplicitAutograd")


class Model(torch.nn.Module):
    def forward(self, x, y):
        return torch.nn.functional.hardswish(torch.ops.example.scaled_add(x, y, 0.5))


args = torch.randn(2, 3), torch.randn(2, 3)
program = onnxport.export(Model(), args)
torch.testing.assert_close(program(*args), Model()(*args))
print(*(node.op_type for node in program.model_proto.graph.node))
"""


def python(*arguments: str, path: Path | None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plugin in it, as an installer leaves it."""
    target = tmp_path_factory.mktemp("target")
    wheels = tmp_path_factory.mktemp("wheels")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)],
        cwd=ROOT / "examples" / "plugin",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = wheels.glob("onnxport_example_plugin-1.0.0-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def test_exports_use_its_handlers(installed: Path) -> None:
    result = python("-c", EXPORT, path=installed)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["Mul", "Add", "Add", "Clip", "Mul", "Div"]


def test_without_it_the_operator_is_refused() -> None:
    result = python("-c", EXPORT, path=None)
    assert "example::scaled_add is not supported" in result.stderr


def test_doctor_says_what_it_adds_and_overrides(installed: Path) -> None:
    document = json.loads(python("-m", "onnxport_cli", "doctor", "--json", path=installed).stdout)
    assert document["is_healthy"] is True
    (plugin,) = (entry for entry in document["plugins"] if entry["name"] == "example-plugin")
    assert plugin["package"] == "onnxport-example-plugin 1.0.0"
    assert plugin["value"] == "onnxport_example_plugin:TABLE"
    assert plugin["adds"] == ["example::scaled_add"]
    assert plugin["overrides"] == ["aten::hardswish"]
    assert document["versions"]["torch"]
    shown = python("-m", "onnxport_cli", "doctor", path=installed)
    assert shown.returncode == 0
    assert "adds example::scaled_add" in shown.stdout
    assert "overrides aten::hardswish" in shown.stdout


@pytest.mark.parametrize(
    ("content", "problem"),
    [("import nothing_like_it", "ModuleNotFoundError"), ("TABLE = 3", "is no onnxport_symbolics.Table")],
)
def test_doctor_finds_a_plugin_that_cannot_be_loaded(tmp_path: Path, content: str, problem: str) -> None:
    (tmp_path / "broken_plugin.py").write_text(content)
    metadata = tmp_path / "broken_plugin-2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugin\nVersion: 2\n")
    (metadata / "entry_points.txt").write_text("[onnxport.symbolics]\nbroken = broken_plugin:TABLE\n")
    result = python("-m", "onnxport_cli", "doctor", "--json", path=tmp_path)
    assert result.returncode == 1
    document = json.loads(result.stdout)
    (plugin,) = (entry for entry in document["plugins"] if entry["name"] == "broken")
    assert problem in plugin["problem"]
    assert document["is_healthy"] is False
