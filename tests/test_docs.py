"""The documentation says what is: one page per error, and code that runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from onnxport_ir import errors

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "errors").glob("OXP*.md"))


def error_classes(
    base: type[errors.OnnxExporterError] = errors.OnnxExporterError,
) -> Iterator[type[errors.OnnxExporterError]]:
    yield base
    for child in base.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from error_classes(child)


def test_each_code_has_a_page_and_each_page_a_code():
    assert [page.stem for page in PAGES] == sorted({error.code for error in error_classes()})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_what_it_must(page: Path):
    text = page.read_text(encoding="utf-8")
    title, example = re.match(r"# (.+)\n", text), re.search(r"```text\n(.+?)\n```", text, re.DOTALL)
    code, _, name = title[1].partition(": ")
    assert code == page.stem
    assert getattr(errors, name).code == code
    assert example[1].startswith(f"[{code}] ")
    assert example[1].endswith(f"/errors/{code}")
    assert re.search(r"## What to do\n\n\* .+", text)


def test_the_index_lists_every_page():
    index = (ROOT / "docs" / "errors" / "index.md").read_text(encoding="utf-8")
    assert re.findall(r"^OXP\d+$", index, re.MULTILINE) == [page.stem for page in PAGES]


def blocks(path: str) -> str:
    """The Python blocks of a page as one program; blocks that only show a form hold a line of dots."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return "\n".join(code for code in re.findall(r"```python\n(.+?)```", text, re.DOTALL) if "..." not in code)


@pytest.mark.parametrize(
    "path", ["README.md", "docs/getting-started.md", "packages/sdk/README.md", "packages/ir/README.md"]
)
def test_the_code_of_a_page_runs(path: str, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks(path), path, "exec"), {"__name__": "page"})


def test_the_page_about_operators_tests_its_operator(tmp_path: Path):
    code = blocks("docs/add-an-operator.md")
    assert "def test_" in code
    program = {"__name__": "page"}
    exec(compile(code, "docs/add-an-operator.md", "exec"), program)
    for name, value in program.items():
        if name.startswith("test_"):
            value()
