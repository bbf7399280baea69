from __future__ import annotations

import pytest

from tools import import_all


@pytest.fixture
def package(request, tmp_path, monkeypatch):
    folder = tmp_path / f"package_of_{request.node.name}"  # no two tests may share a module
    (folder / "inner").mkdir(parents=True)
    for name in ("__init__", "fine", "inner/__init__", "inner/also_fine", "_private"):
        (folder / f"{name}.py").touch()
    (folder / "_private.py").write_text("import not_installed_anywhere\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def test_public_modules_are_imported_and_private_ones_are_not(package, capsys):
    assert import_all.main([package.name]) == 0
    assert "4 modules imported, 0 failed" in capsys.readouterr().out


def test_a_missing_import_is_reported_with_its_module(package, capsys):
    (package / "inner/bad.py").write_text("import not_installed_anywhere\n")
    assert import_all.main([package.name]) == 1
    assert f"{package.name}.inner.bad: No module named 'not_installed_anywhere'" in capsys.readouterr().err
