"""Lines per package and file, the difference to a commit, and what has outgrown the house's measures.

A file has at most 500 lines and a function at most 60; both are flagged, `--check` makes them an error.
"""

from __future__ import annotations

import argparse
import ast
import io
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FILE_LIMIT_LINES = 500
FUNCTION_LIMIT_LINES = 60

Sources = Mapping[str, str]
"""The text of each source file by its path below the root, with forward slashes."""


@dataclass(frozen=True)
class Flag:
    """A file or function over its limit."""

    place: str
    lines: int
    limit: int

    def __str__(self) -> str:
        return f"{self.place}: {self.lines} lines, the limit is {self.limit}"


def sources_in_tree(root: Path) -> Sources:
    """The packages' source files as they lie in a project's root."""
    paths = sorted(root.glob("packages/*/src/**/*.py"))
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def sources_at(root: Path, ref: str) -> Sources:
    """The packages' source files in a commit.

    Raises:
        ValueError: if git does not know the commit.
    """
    result = subprocess.run(
        ["git", "-C", str(root), "archive", "--format=tar", ref, "packages"], capture_output=True, check=False
    )
    if result.returncode != 0:
        raise ValueError(f"git cannot read {ref}: {result.stderr.decode().strip()}")
    found: dict[str, str] = {}
    with tarfile.open(fileobj=io.BytesIO(result.stdout)) as archive:
        for member in archive:
            parts = member.name.split("/")
            content = archive.extractfile(member)
            if content is not None and member.name.endswith(".py") and parts[2:3] == ["src"]:
                found[member.name] = content.read().decode("utf-8")
    return found


def line_count(text: str) -> int:
    """Physical lines, blank ones and comments included."""
    return len(text.splitlines())


def flags(sources: Sources) -> Iterator[Flag]:
    """Files and functions over their limits; a function's docstring does not count."""
    for path, text in sources.items():
        if line_count(text) > FILE_LIMIT_LINES:
            yield Flag(path, line_count(text), FILE_LIMIT_LINES)
        for node in ast.walk(ast.parse(text, path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = _function_lines(node)
                if lines > FUNCTION_LIMIT_LINES:
                    yield Flag(f"{path}:{node.lineno} {node.name}", lines, FUNCTION_LIMIT_LINES)


def _function_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def report(sources: Sources, before: Sources | None = None, *, files: bool = True) -> str:
    """The table: one line per package, below it one per file.

    Args:
        sources: what to count.
        before: what to compare with; without it there is no column of differences.
        files: whether the files are listed, or only the packages.
    """
    paths = sorted({*sources, *(before or {})})
    rows: list[tuple[str, int, int]] = []
    for package in sorted({path.split("/")[1] for path in paths}):
        inside = [path for path in paths if path.split("/")[1] == package]
        rows.append((package, *_sums(inside, sources, before)))
        if files:
            rows += [("  " + path.split("/src/", 1)[1], *_sums([path], sources, before)) for path in inside]
    rows.append(("total", *_sums(paths, sources, before)))
    width = max(len(name) for name, _, _ in rows)
    if before is None:
        return "\n".join(f"{name:<{width}} {now:>7}" for name, now, _ in rows)
    return "\n".join(f"{name:<{width}} {now:>7} {now - then:>+7}" for name, now, then in rows)


def _sums(paths: Sequence[str], sources: Sources, before: Sources | None) -> tuple[int, int]:
    now = sum(line_count(sources[path]) for path in paths if path in sources)
    then = sum(line_count(before[path]) for path in paths if path in before) if before else 0
    return now, then


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report; returns 1 if `--check` is given and something is flagged, 2 for an unknown commit."""
    parser = argparse.ArgumentParser(description="Lines per package and file, and what has grown too long.")
    parser.add_argument("--against", metavar="REF", help="show the difference to this commit")
    parser.add_argument("--packages", action="store_true", help="packages only, without their files")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a file or function is too long")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1], help="the project's root")
    options = parser.parse_args(arguments)
    try:
        before = sources_at(options.root, options.against) if options.against else None
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    sources = sources_in_tree(options.root)
    print(report(sources, before, files=not options.packages))
    found = list(flags(sources))
    if found:
        print("\n" + "\n".join(str(flag) for flag in found))
    return 1 if found and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
