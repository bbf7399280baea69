"""The repository itself: layers, packages without torch, and the files that each package must have."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tools import layers

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))

BLOCK_TORCH = """
import importlib.abc, sys

class NoTorch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

sys.meta_path.insert(0, NoTorch())
"""


def load(package: Path) -> dict:
    return tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_imports_follow_the_layers():
    assert layers.check_tree(ROOT) == []


def test_every_package_has_a_place_in_the_layers():
    sources = {path.parent.name for package in PACKAGES for path in package.glob("src/*/py.typed")}
    assert sources == set(layers.ALLOWED)


def test_ir_and_symbolics_import_without_torch():
    code = BLOCK_TORCH + "import onnxport_ir, onnxport_symbolics; print(sorted(m for m in sys.modules if m == 'torch'))"
    result = run(code)
    assert (result.returncode, result.stdout) == (0, "[]\n"), result.stderr


def test_the_block_on_torch_works():
    result = subprocess.run(
        [sys.executable, "-c", BLOCK_TORCH + "import torch"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "No module named 'torch'" in result.stderr


def test_the_sessions_name_no_package():
    text = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    names = {load(package)["project"]["name"] for package in PACKAGES} | set(layers.ALLOWED)
    assert [name for name in names if name in text] == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
class TestPackage:
    def test_has_its_files(self, package: Path):
        for name in ("README.md", "CHANGELOG.md", "LICENSE"):
            assert (package / name).stat().st_size > 100, name
        assert list(package.glob("src/*/py.typed"))
        assert (package / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()

    def test_has_its_own_tags(self, package: Path):
        options = load(package)["tool"]["hatch"]["version"]["raw-options"]
        assert options["tag_regex"].startswith(f"^{package.name}-v")
        assert options["git_describe_command"][-1] == f"{package.name}-v*"

    def test_declares_the_house_as_its_layer_allows(self, package: Path):
        (source,) = (path.parent.name for path in package.glob("src/*/py.typed"))
        dists = {load(other)["project"]["name"]: other for other in PACKAGES}
        wanted = {line.partition(">=")[0].partition("[")[0] for line in load(package)["project"]["dependencies"]}
        own = {path.parent.name for dist in wanted & set(dists) for path in dists[dist].glob("src/*/py.typed")}
        assert own <= layers.ALLOWED[source]
        assert "torch" not in wanted or "torch" in layers.ALLOWED[source]

    def test_declares_what_it_imports(self, package: Path):
        project = load(package)["project"]
        needs = project["dependencies"] + [
            need for extra in project.get("optional-dependencies", {}).values() for need in extra
        ]
        declared = {re.split(r"[\[>]", need)[0].replace("-", "_") for need in needs}
        declared |= {"google"} if "protobuf" in declared else set()
        (source,) = (path.parent for path in package.glob("src/*/py.typed"))
        imported = {
            target.partition(".")[0]
            for path in source.rglob("*.py")
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            for _, target in layers._imported(node)
        }
        assert imported - sys.stdlib_module_names - {source.name} - declared == set()

    def test_every_requirement_has_a_floor(self, package: Path):
        project = load(package)["project"]
        lines = project["dependencies"] + [
            need for extra in project.get("optional-dependencies", {}).values() for need in extra
        ]
        assert [line for line in lines if ">=" not in line] == []
