"""Whether the source of a loop lets its turns differ by what a trace does not see.

A loop that a trace has unrolled shows the turns that the example has. That all further ones are like them is certain
only where nothing of Python's tells one from another: ``if t % 50 == 0`` may hold first in a turn that neither the
example nor a check has. So a loop must decide nothing by what changes in it, but for what is so in the first turn only,
and its variable must do no more than choose elements and take part in sums and products.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator

import torch

#: What leaves a turn, or repeats part of it as often as it likes.
_LEAVES = (ast.While, ast.Match, ast.Try, ast.Break, ast.Continue, ast.Return, ast.Yield, ast.Lambda, ast.NamedExpr)
_LINEAR = (ast.Add, ast.Sub, ast.Mult, ast.Div)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)


def is_uniform(file: str, line: int) -> bool:
    """Whether a loop that begins on a line does the same in each turn, as far as its own text says.

    Args:
        file: the file.
        line: the line of what is iterated over, from 1.
    """
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return False
    nodes = list(ast.walk(tree))
    loops = [node for node in nodes if _iterates_on(node, line)]
    if not loops:
        return any(_lists(node, line) for node in nodes)
    return len(loops) == 1 and _is_uniform(loops[0])


def _lists(node: ast.AST, line: int) -> bool:
    """``list(x)``, of which each turn takes a row and nothing else."""
    is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("list", "tuple")
    return is_call and getattr(node, "lineno", 0) <= line <= (getattr(node, "end_lineno", 0) or line)


def _iterates_on(node: ast.AST, line: int) -> bool:
    if isinstance(node, ast.For):
        return node.iter.lineno <= line <= (node.iter.end_lineno or line)
    return isinstance(node, _COMPREHENSIONS) and any(
        item.iter.lineno <= line <= (item.iter.end_lineno or line) for item in node.generators
    )


def _is_uniform(loop: ast.AST) -> bool:
    nodes = [node for part in _body(loop) for node in ast.walk(part)]
    turn = {node.id for part in _targets(loop) for node in ast.walk(part) if isinstance(node, ast.Name)}
    changed = turn | set(filter(None, map(_changed, nodes)))
    return not any(isinstance(node, _LEAVES) or _tells_apart(node, turn, changed) for node in nodes)


def _targets(loop: ast.AST) -> list[ast.expr]:
    if isinstance(loop, ast.For):
        return [loop.target]
    return [item.target for item in getattr(loop, "generators", ())]


def _body(loop: ast.AST) -> Iterator[ast.AST]:
    if isinstance(loop, ast.For):
        yield from loop.body
        yield from loop.orelse
    elif isinstance(loop, ast.DictComp):
        yield from (loop.key, loop.value)
    elif isinstance(loop, (ast.ListComp, ast.SetComp, ast.GeneratorExp)):
        yield loop.elt
    for item in getattr(loop, "generators", ()):
        for condition in item.ifs:
            yield ast.IfExp(condition, ast.Constant(1), ast.Constant(0))


def _changed(node: ast.AST) -> str | None:
    """The name of what a part of a loop's body sets."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) else None


def _tells_apart(node: ast.AST, turn: set[str], changed: set[str]) -> bool:
    """Whether a part of a loop's body does something of its own in some turns.

    Args:
        node: the part.
        turn: the names that each turn gives a value.
        changed: these and all others that a turn may set.
    """
    if isinstance(node, (ast.If, ast.IfExp)):
        return _reads(node.test, changed, through=True) and not _is_of_first_turn(node.test, turn)
    if isinstance(node, ast.BoolOp):
        return _reads(node, changed, through=True)
    if isinstance(node, ast.Compare):
        return _reads(node, turn) and not _is_of_first_turn(node, turn)
    if isinstance(node, ast.BinOp) and not isinstance(node.op, _LINEAR):
        return _reads(node, turn)
    return isinstance(node, ast.Call) and not _is_of_tensors(node.func) and any(_reads(a, turn) for a in _given(node))


def _given(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _is_of_first_turn(test: ast.expr, turn: set[str]) -> bool:
    """``state is None`` and ``t == 0``: what later turns are all alike in."""
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or not isinstance(test.left, ast.Name):
        return False
    (op,), (right,) = test.ops, test.comparators
    value = right.value if isinstance(right, ast.Constant) else ...
    if isinstance(op, (ast.Is, ast.IsNot)):
        return value is None
    return isinstance(op, (ast.Eq, ast.NotEq, ast.Gt)) and value == 0 and test.left.id in turn


def _is_of_tensors(function: ast.expr) -> bool:
    """Whether a function is one of torch's or a method that tensors have: it takes a number for what it is."""
    if not isinstance(function, ast.Attribute):
        return False
    root = function.value
    while isinstance(root, (ast.Attribute, ast.Subscript, ast.Call)):
        root = root.func if isinstance(root, ast.Call) else root.value
    is_own = isinstance(root, ast.Name) and root.id in ("self", "cls", "super")
    return not is_own and (hasattr(torch.Tensor, function.attr) or hasattr(torch, function.attr))


def _reads(node: ast.AST, names: set[str], *, through: bool = False) -> bool:
    """Whether an expression is made of names, otherwise than by choosing elements with them unless ``through``."""
    if isinstance(node, ast.Subscript) and not through:
        return _reads(node.value, names)
    if isinstance(node, ast.Name):
        return node.id in names
    if isinstance(node, ast.Attribute) and node.attr in names:
        return True
    return any(_reads(child, names, through=through) for child in ast.iter_child_nodes(node))
