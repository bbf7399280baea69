from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from packaging.version import Version

from tools import release

ROOT = Path(__file__).parents[2]


def git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def project(tmp_path: Path, monkeypatch) -> Path:
    for name in ("ir", "frontend"):
        folder = tmp_path / "packages" / name
        (folder / "changelog.d").mkdir(parents=True)
        for file in ("pyproject.toml", "CHANGELOG.md"):
            (folder / file).write_text((ROOT / "packages" / name / file).read_text(encoding="utf-8"))
    (tmp_path / "packages/ir/changelog.d/+streaming.feature.md").write_text("Weights are streamed.\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "config", "user.name", "a")
    git(tmp_path, "config", "user.email", "a@b")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "start")
    return tmp_path


@pytest.mark.parametrize(
    ("last", "kinds", "expected"),
    [
        (None, {"fix"}, "0.1.0"),
        ("0.1.0", {"fix", "doc"}, "0.1.1"),
        ("0.1.3", {"feature", "fix"}, "0.2.0"),
        ("0.1.3", {"breaking"}, "0.2.0"),
        ("1.4.2", {"performance"}, "1.4.3"),
        ("1.4.2", {"feature"}, "1.5.0"),
        ("1.4.2", {"breaking", "feature"}, "2.0.0"),
    ],
)
def test_the_next_version_follows_from_the_fragments(last, kinds, expected):
    assert release.next_version(Version(last) if last else None, kinds) == Version(expected)


def test_the_last_version_is_the_highest_of_the_package_s_own_tags(project):
    for tag in ("ir-v0.9.0", "ir-v0.10.0", "frontend-v3.0.0"):
        git(project, "tag", tag)
    assert release.last_version(project, "ir") == Version("0.10.0")
    assert release.last_version(project, "cli") is None


def test_a_dry_run_shows_the_changelog_and_changes_nothing(project, capsys):
    assert release.main(["ir", "--root", str(project)]) == 0
    shown = capsys.readouterr().out
    assert "tag ir-v0.1.0" in shown
    assert "Weights are streamed." in shown
    assert git(project, "status", "--porcelain") == ""
    assert git(project, "tag") == ""


def test_a_release_writes_commits_and_tags(project):
    assert release.main(["ir", "--root", str(project), "--write"]) == 0
    assert git(project, "tag").split() == ["ir-v0.1.0"]
    assert git(project, "status", "--porcelain") == ""
    changelog = (project / "packages/ir/CHANGELOG.md").read_text(encoding="utf-8")
    assert "## 0.1.0 (" in changelog
    assert changelog.index("## 0.1.0") > changelog.index("release notes start")
    assert not list((project / "packages/ir/changelog.d").glob("*.md"))


def test_a_version_that_a_sibling_s_range_leaves_out_stops_the_release(project, capsys):
    git(project, "tag", "ir-v0.1.0")
    assert release.plan(project, "ir").left_behind == ("frontend: onnxport-ir>=0.1.0.dev0,<0.2",)
    assert release.main(["ir", "--root", str(project), "--write"]) == 1
    assert "widen these ranges first: frontend" in capsys.readouterr().err
    assert git(project, "tag").split() == ["ir-v0.1.0"]


@pytest.mark.parametrize(
    ("package", "fragment", "message"),
    [
        ("nothing", None, "there is no package 'nothing'; the packages are frontend, ir"),
        ("frontend", None, "no changelog fragments"),
        ("frontend", "12.rumour.md", "unknown kinds of changelog fragments: rumour"),
    ],
)
def test_what_cannot_be_released_is_said(project, capsys, package, fragment, message):
    if fragment:
        (project / "packages" / package / "changelog.d" / fragment).write_text("x\n")
    assert release.main([package, "--root", str(project)]) == 1
    assert message in capsys.readouterr().err


def test_uncommitted_changes_stop_a_release(project, capsys):
    (project / "file").touch()
    assert release.main(["ir", "--root", str(project), "--write"]) == 1
    assert "uncommitted" in capsys.readouterr().err
