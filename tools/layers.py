"""Check the directions of the house: who may import whom, and where private torch and opset numbers may stand.

Three rules, all read off the syntax tree, nothing is imported:

* packages import along the arrows ``ir <- symbolics <- custom-ops``, ``ir <- frontend``, all four ``<- sdk <- cli``,
  and ir and symbolics never import torch;
* ``torch.onnx`` and names of torch that start with an underscore (but ``torch.utils._pytree``) stand in files called
  ``_torch_private.py`` (and ``torch.onnx`` in custom-ops' ``bridge.py``, which runs symbolics that users registered
  there); what exports or lowers in ``torch.onnx`` stands nowhere;
* no handler in ``onnxport_symbolics/aten`` compares an opset or counts with one: spelling is for the downgrades,
  absence for the backports.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ALLOWED: dict[str, frozenset[str]] = {
    "onnxport_ir": frozenset(),
    "onnxport_symbolics": frozenset({"onnxport_ir"}),
    "onnxport_frontend": frozenset({"onnxport_ir", "torch"}),
    "onnxport_custom_ops": frozenset({"onnxport_ir", "onnxport_symbolics", "torch"}),
    "onnxport": frozenset({"onnxport_ir", "onnxport_symbolics", "onnxport_frontend", "onnxport_custom_ops", "torch"}),
    "onnxport_cli": frozenset(
        {"onnxport_ir", "onnxport_symbolics", "onnxport_frontend", "onnxport_custom_ops", "onnxport", "torch"}
    ),
}
"""What each package may import of the others and of torch."""

PRIVATE_FILE = "_torch_private.py"
BRIDGE = ("onnxport_custom_ops", "bridge.py")
# torch's own functions on nested structures, used by its documentation of torch.export; they have no public name.
TOLERATED = "torch.utils._pytree"
FORBIDDEN = (
    "torch.onnx.export",
    "torch.onnx.utils",
    "torch.onnx.symbolic_",
    "torch.onnx._internal.torchscript_exporter.utils",
)
FORBIDDEN_PASSES = "_jit_pass_onnx"


@dataclass(frozen=True, order=True)
class Finding:
    """One breach of a rule."""

    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


def check_tree(root: Path) -> list[Finding]:
    """All findings in the packages below a project's root, in order of file and line."""
    findings: list[Finding] = []
    for package in ALLOWED:
        for folder in root.glob(f"packages/*/src/{package}"):
            for path in sorted(folder.rglob("*.py")):
                tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
                findings += check_file(package, path.relative_to(root), tree)
    return sorted(findings)


def check_file(package: str, path: Path, tree: ast.Module) -> Iterator[Finding]:
    """The findings in one file of a package."""
    yield from _check_arrows(package, path, tree)
    yield from _check_private_torch(package, path, tree)
    if package == "onnxport_symbolics" and "aten" in path.parts:
        yield from _check_opsets(path, tree)


def _check_arrows(package: str, path: Path, tree: ast.Module) -> Iterator[Finding]:
    governed = {*ALLOWED, "torch"}
    for node in ast.walk(tree):
        for line, target in _imported(node):
            top = target.partition(".")[0]
            if top in governed and top != package and top not in ALLOWED[package]:
                yield Finding(path, line, f"{package} must not import {top}")


def _check_private_torch(package: str, path: Path, tree: ast.Module) -> Iterator[Finding]:
    names = _bound_names(tree)
    for line, dotted in _uses(tree, names):
        if dotted.split(".")[0] != "torch":
            continue
        if dotted.startswith(FORBIDDEN) or FORBIDDEN_PASSES in dotted:
            yield Finding(path, line, f"{dotted} is the exporter that onnxport replaces, not a part of it")
        elif path.name == PRIVATE_FILE or f"{dotted}.".startswith(f"{TOLERATED}."):
            continue
        elif f"{dotted}.".startswith("torch.onnx."):
            if (package, path.name) != BRIDGE:
                yield Finding(path, line, f"{dotted} belongs into {PRIVATE_FILE}")
        elif any(part.startswith("_") and not part.startswith("__") for part in dotted.split(".")):
            yield Finding(path, line, f"{dotted} is private to torch: it belongs into {PRIVATE_FILE}")


def _check_opsets(path: Path, tree: ast.Module) -> Iterator[Finding]:
    for node in ast.walk(tree):
        subject = node.subject if isinstance(node, ast.Match) else node
        if isinstance(node, ast.Compare | ast.BinOp | ast.Match) and _mentions_opset(subject):
            yield Finding(path, node.lineno, 'a handler depends on an opset number: ask op.has("Operator") instead')


def _mentions_opset(node: ast.AST) -> bool:
    for inner in ast.walk(node):
        name = inner.id if isinstance(inner, ast.Name) else inner.attr if isinstance(inner, ast.Attribute) else ""
        if "opset" in name.lower():
            return True
    return False


def _imported(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Import):
        yield from ((node.lineno, alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
        yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def _bound_names(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for: ``{"F": "torch.nn.functional"}``."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    return names


def _uses(tree: ast.Module, names: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import and every attribute chain on an imported name."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        yield from _imported(node)
        dotted = _dotted(node, names)
        if dotted is not None:
            yield getattr(node, "lineno", 0), dotted
        else:
            pending.extend(ast.iter_child_nodes(node))


def _dotted(node: ast.AST, names: dict[str, str]) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not parts or not isinstance(node, ast.Name) or node.id not in names:
        return None
    return ".".join([names[node.id], *reversed(parts)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the findings; returns 1 if there are any."""
    parser = argparse.ArgumentParser(description="Check imports between packages, private torch, and opset numbers.")
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).parents[1], help="the project's root")
    findings = check_tree(parser.parse_args(arguments).root)
    for finding in findings:
        print(finding)
    print(f"{len(findings)} findings" if findings else "layers: imports, private torch and opset numbers are in order")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
