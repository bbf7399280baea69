"""Release one package: the next version from its changelog fragments, the changelog, the commit, the tag.

The version follows from the kinds of the fragments in ``packages/PACKAGE/changelog.d``: from 1.0.0 on ``breaking``
raises the first number, ``feature`` the second, the rest the third; before it ``breaking`` and ``feature`` raise the
second. The first release is 0.1.0. Nothing is changed without ``--write``, and nothing is ever pushed: the tag, once
pushed, is what the release workflow builds and publishes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

FIRST_VERSION = Version("0.1.0")


class ReleaseError(Exception):
    """Why a package cannot be released now."""


@dataclass(frozen=True)
class Plan:
    """What a release would do.

    Attributes:
        package: the package's folder.
        version: its next version.
        fragments: the changelog fragments that go into it.
        left_behind: the packages whose declared ranges leave the version out, as ``name: requirement``.
    """

    package: Path
    version: Version
    fragments: tuple[Path, ...]
    left_behind: tuple[str, ...]

    @property
    def tag(self) -> str:
        """The tag of the release."""
        return f"{self.package.name}-v{self.version}"


def plan(root: Path, name: str) -> Plan:
    """Work out the next release of a package.

    Raises:
        ReleaseError: if there is no such package, or nothing to release.
    """
    package = root / "packages" / name
    if not (package / "pyproject.toml").exists():
        known = ", ".join(sorted(path.parent.name for path in root.glob("packages/*/pyproject.toml")))
        raise ReleaseError(f"there is no package {name!r}; the packages are {known}")
    fragments = tuple(sorted((package / "changelog.d").glob("*.*.md")))
    if not fragments:
        raise ReleaseError(f"{name} has no changelog fragments, so there is nothing to release")
    kinds = {_kind(fragment) for fragment in fragments}
    unknown = kinds - set(_kinds(package))
    if unknown:
        raise ReleaseError(f"unknown kinds of changelog fragments: {', '.join(sorted(unknown))}")
    version = next_version(last_version(root, name), kinds)
    return Plan(package, version, fragments, tuple(_left_behind(root, package, version)))


def next_version(last: Version | None, kinds: Iterable[str]) -> Version:
    """The version after `last` (None: there is none yet) for changes of these kinds."""
    kinds = set(kinds)
    if last is None:
        return FIRST_VERSION
    major, minor, micro = last.major, last.minor, last.micro
    if "breaking" in kinds and major > 0:
        return Version(f"{major + 1}.0.0")
    if "feature" in kinds or "breaking" in kinds:
        return Version(f"{major}.{minor + 1}.0")
    return Version(f"{major}.{minor}.{micro + 1}")


def last_version(root: Path, name: str) -> Version | None:
    """The highest version among a package's tags."""
    tags = _git(root, "tag", "--list", f"{name}-v*").split()
    return max((Version(tag.removeprefix(f"{name}-v")) for tag in tags), default=None)


def write(root: Path, release: Plan) -> None:
    """Write the changelog, commit it, and tag the commit.

    Raises:
        ReleaseError: if there are uncommitted changes, or the tag exists.
    """
    if _git(root, "status", "--porcelain").strip():
        raise ReleaseError("there are uncommitted changes")
    if release.left_behind:
        raise ReleaseError(f"widen these ranges first: {'; '.join(release.left_behind)}")
    changelog(release, draft=False)
    _git(root, "add", "--all", "--", str(release.package))
    _git(root, "commit", "--quiet", "--message", f"release: {release.tag}")
    _git(root, "tag", "--annotate", release.tag, "--message", release.tag)


def changelog(release: Plan, *, draft: bool) -> str:
    """Have towncrier render the fragments; unless it is a draft, into the changelog, and remove them.

    Raises:
        ReleaseError: if towncrier fails.
    """
    mode = "--draft" if draft else "--yes"
    command = [sys.executable, "-m", "towncrier", "build", mode, "--version", str(release.version)]
    # towncrier calls git where it runs, whatever --dir says.
    result = subprocess.run(command, cwd=release.package, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ReleaseError(f"towncrier failed: {result.stderr or result.stdout}")
    return result.stdout


def _kind(fragment: Path) -> str:
    return fragment.name.split(".")[-2]


def _kinds(package: Path) -> list[str]:
    return [kind["directory"] for kind in _load(package)["tool"]["towncrier"]["type"]]


def _left_behind(root: Path, package: Path, version: Version) -> Iterable[str]:
    name = _load(package)["project"]["name"]
    for path in sorted(root.glob("packages/*/pyproject.toml")):
        for text in _load(path.parent)["project"].get("dependencies", ()):
            need = Requirement(text)
            if need.name == name and not need.specifier.contains(version):
                yield f"{path.parent.name}: {text}"


def _load(package: Path) -> dict:  # type: ignore[type-arg]  # a TOML document has no more precise type
    return tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))


def _git(root: Path, *arguments: str) -> str:
    result = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ReleaseError(f"git {arguments[0]} failed: {result.stderr.strip()}")
    return result.stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """Show or make a release; returns 1 if it cannot be made."""
    parser = argparse.ArgumentParser(description="Release one package; without --write, show what would happen.")
    parser.add_argument("package", help="the package's folder in packages/")
    parser.add_argument("--write", action="store_true", help="write the changelog, commit it and tag the commit")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1], help="the project's root")
    options = parser.parse_args(arguments)
    try:
        release = plan(options.root, options.package)
        print(f"{release.package.name} {release.version}, tag {release.tag}\n")
        for line in release.left_behind:
            print(f"leaves this version out: {line}")
        if not options.write:
            print(changelog(release, draft=True))
            print("Nothing was changed; --write makes the release.")
            return 0
        write(options.root, release)
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Committed and tagged. To publish it: git push origin HEAD {release.tag}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
