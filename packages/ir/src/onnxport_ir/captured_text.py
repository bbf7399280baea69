"""Printing and checking captured graphs; names are given here, values have none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from onnxport_ir.captured import (
    Arg,
    Block,
    CapturedGraph,
    Device,
    Enumeral,
    Eqn,
    PyObject,
    TensorLiteral,
    Var,
    arg_vars,
)
from onnxport_ir.dtypes import DType
from onnxport_ir.errors import InternalError

_AROUND = 5


class _Names:
    """Gives each variable a letter, in order of appearance: a, b, ..., z, aa, ab, ..."""

    def __init__(self) -> None:
        self._names: dict[Var, str] = {}

    def __call__(self, var: Var) -> str:
        if var not in self._names:
            number, letters = len(self._names), ""
            while True:
                number, letter = divmod(number, 26)
                letters = chr(ord("a") + letter) + letters
                if not number:
                    break
                number -= 1
            self._names[var] = letters
        return self._names[var]

    def typed(self, var: Var) -> str:
        return f"{self(var)}:{var.type}"


def format_graph(graph: CapturedGraph) -> str:
    """The graph as text, one line an equation, with types and places."""
    names = _Names()
    lines = [f"{graph.name} {{"]
    lines += [f"  input {item.name} = {names.typed(item.var)}" for item in graph.inputs]
    lines += [f"  param {item.name} = {names.typed(item.var)}" for item in graph.params]
    lines += _format_eqns(graph.eqns, names, "  ")
    lines += [f"  output {item.name} = {_format_arg(item.value, names)}" for item in graph.outputs]
    return "\n".join([*lines, "}"])


def check_graph(graph: CapturedGraph) -> None:
    """Check that every variable is defined once and before its use, and that equations are well formed.

    Raises:
        InternalError: with the equations around the fault.
    """
    defined: set[Var] = set()
    _define([*(i.var for i in graph.inputs), *(p.var for p in graph.params)], defined, "an input")
    _check_eqns(graph.eqns, defined)
    _check_used([item.value for item in graph.outputs], defined, "the graph's outputs")
    for kind, labels in (("input", [i.name for i in graph.inputs]), ("parameter", [p.name for p in graph.params])):
        twice = {label for label in labels if labels.count(label) > 1} if len(set(labels)) < len(labels) else set()
        if twice:
            raise InternalError(f"captured graph: {kind} names occur twice: {sorted(twice)}")


def _check_eqns(eqns: Sequence[Eqn], defined: set[Var]) -> None:
    for index, eqn in enumerate(eqns):
        try:
            if len(eqn.args) != len(eqn.names):
                raise InternalError(f"{eqn.op} has {len(eqn.args)} arguments but {len(eqn.names)} names")
            _check_used(eqn.args, defined, str(eqn.op))
            for block in eqn.blocks:
                inner = set(defined)
                _define(block.inputs, inner, f"a block of {eqn.op}")
                _check_eqns(block.eqns, inner)
                _check_used(block.outputs, inner, f"the outputs of a block of {eqn.op}")
            _define(eqn.outputs, defined, str(eqn.op))
        except InternalError as error:
            if error.why is None:
                error.why = f"captured graph is malformed here\n{_around(eqns, index)}"
            raise


def _check_used(args: Iterable[Arg], defined: set[Var], user: str) -> None:
    for arg in args:
        for var in arg_vars(arg):
            if var not in defined:
                raise InternalError(f"{user} uses a variable of type {var.type} before it is defined")


def _define(variables: Iterable[Var], defined: set[Var], definer: str) -> None:
    for var in variables:
        if var in defined:
            raise InternalError(f"{definer} defines a variable of type {var.type} a second time")
        defined.add(var)


def _around(eqns: Sequence[Eqn], index: int) -> str:
    first = max(0, index - _AROUND)
    lines = []
    names = _Names()
    for number, eqn in enumerate(eqns[first : index + _AROUND], first):
        text = "\n".join(_format_eqns([eqn], names, "    "))
        lines.append(("->" if number == index else "  ") + text[2:])
    return "\n".join(lines)


def _format_eqns(eqns: Iterable[Eqn], names: _Names, indent: str) -> list[str]:
    lines = []
    for eqn in eqns:
        args = ", ".join(f"{name}={_format_arg(arg, names)}" for name, arg in zip(eqn.names, eqn.args, strict=False))
        left = ", ".join(names.typed(var) for var in eqn.outputs)
        where = f"  # {eqn.place}" if str(eqn.place) else ""
        lines.append(f"{indent}{left}{' = ' if left else ''}{eqn.op}({args}){where}")
        for number, block in enumerate(eqn.blocks):
            lines += _format_block(block, number, names, indent + "  ")
    return lines


def _format_block(block: Block, number: int, names: _Names, indent: str) -> list[str]:
    inputs = ", ".join(names.typed(var) for var in block.inputs)
    lines = [f"{indent}block{number}({inputs}):", *_format_eqns(block.eqns, names, indent + "  ")]
    outputs = ", ".join(_format_arg(arg, names) for arg in block.outputs)
    return [*lines, f"{indent}  -> ({outputs})"]


def _format_arg(arg: Arg, names: _Names) -> str:
    match arg:
        case Var():
            return names(arg)
        case tuple():
            return f"[{', '.join(_format_arg(item, names) for item in arg)}]"
        case TensorLiteral():
            if not arg.tensor.shape:
                return f"{arg.tensor.numpy().item()}:{arg.tensor.dtype.short}[]"
            return f"<{arg.tensor.dtype.short}[{','.join(map(str, arg.tensor.shape))}]>"
        case DType():
            return arg.short
        case Device():
            return arg.name
        case Enumeral():
            return f"{arg.kind}:{arg.value}"
        case PyObject():
            return f"<{type(arg.value).__name__}>"
        case _:
            return repr(arg)
