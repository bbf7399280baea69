from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools import size


def function(lines: int, docstring: bool = False) -> str:
    body = ['    """One."""'] if docstring else []
    return "\n".join(["def f():", *body, *["    pass"] * (lines - 1)]) + "\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    source = tmp_path / "packages/ir/src/onnxport_ir"
    (source / "inner").mkdir(parents=True)
    (source / "a.py").write_text("a = 1\n\nb = 2\n")
    (source / "inner/b.py").write_text("a = 1\n")
    (tmp_path / "packages/ir/tests").mkdir()
    (tmp_path / "packages/ir/tests/test_a.py").write_text("a = 1\n")
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    return tmp_path


def test_lines_are_counted_per_package_and_file(project):
    text = size.report(size.sources_in_tree(project))
    rows = [line.split() for line in text.splitlines()]
    assert rows == [["ir", "4"], ["onnxport_ir/a.py", "3"], ["onnxport_ir/inner/b.py", "1"], ["total", "4"]]


def test_the_difference_knows_new_and_removed_files(project):
    source = project / "packages/ir/src/onnxport_ir"
    (source / "a.py").unlink()
    (source / "c.py").write_text("a = 1\nb = 2\n")
    text = size.report(size.sources_in_tree(project), size.sources_at(project, "HEAD"))
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines()}
    assert rows["onnxport_ir/a.py"] == ["0", "-3"]
    assert rows["onnxport_ir/c.py"] == ["2", "+2"]
    assert rows["onnxport_ir/inner/b.py"] == ["1", "+0"]
    assert rows["total"] == ["3", "-1"]


def test_long_files_and_functions_are_flagged():
    sources = {
        "packages/ir/src/a/long.py": "a = 1\n" * 501,
        "packages/ir/src/a/fits.py": "a = 1\n" * 500,
        "packages/ir/src/a/function.py": "\n" + function(61),
        "packages/ir/src/a/short.py": function(60, docstring=True),
    }
    places = [flag.place for flag in size.flags(sources)]
    assert places == ["packages/ir/src/a/long.py", "packages/ir/src/a/function.py:2 f"]


def test_check_makes_a_flag_an_error(project, capsys):
    assert size.main(["--root", str(project), "--check"]) == 0
    (project / "packages/ir/src/onnxport_ir/long.py").write_text(function(80))
    assert size.main(["--root", str(project)]) == 0
    assert size.main(["--root", str(project), "--check"]) == 1
    assert "long.py:1 f: 80 lines, the limit is 60" in capsys.readouterr().out


def test_an_unknown_commit_is_named(project, capsys):
    assert size.main(["--root", str(project), "--against", "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err
