"""Calls of Python in a graph: those of ``autograd.Function`` become one equation, with what they did as a block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from onnxport_ir.captured import Arg, Block, OpName, PyObject, Var
from onnxport_ir.errors import NotYetSupported

from onnxport_frontend import _torch_private as private

if TYPE_CHECKING:
    from onnxport_frontend.inline import Frame, Inliner

_PLAIN = frozenset({type(None), bool, int, float, str})
_PYTHON_OP = OpName("prim", "PythonOp")


def follow_python_call(inliner: Inliner, node: private.Node, frame: Frame) -> None:
    """A call of ``autograd.Function``: its arguments in order, and a body with what its ``forward`` did.

    Raises:
        NotYetSupported: for a call of anything else.
    """
    if private.is_left_to_python(node):
        raise NotYetSupported(
            "a call of Python in a script",
            why="torch.jit.ignore and torch.jit.unused keep it out of the script",
            hint="Export without the call, or write the function so that it can be compiled.",
        )
    given, subgraph = inliner.args(node, frame), private.python_op_body(node)
    tensors = iter(given)
    scalars = iter(private.python_op_scalars(node))
    args = tuple(next(tensors) if letter == "d" else _literal(next(scalars)) for letter in node.cconv())
    blocks: tuple[Block, ...] = ()
    output = node.output()
    results = _tuple_elements(output)
    variables: Sequence[Var] = inliner.typer.results(None, args, [output] if results is None else results)
    if subgraph is not None:
        eqns, found = inliner.collect(lambda: inliner.graph(subgraph, frame.path, given))
        outputs = tuple(map(inliner.as_arg, found))
        # The body has its outputs in the order in which they were computed, which need not be that of the results.
        blocks = (Block((), eqns, outputs if results is None else ()),)
        if results is None and isinstance(outputs[0], Var):
            # The body knows which sizes follow from those of the arguments; of the call itself nobody does.
            variables = [inliner.typer.like(outputs[0])]
    names = ("function", *(f"arg{index}" for index in range(len(args))))
    name = _function_name(inliner.functions, private.python_op_class(node))
    inliner.emit(node, frame, _PYTHON_OP, (name, *args), names, tuple(variables), blocks)
    inliner.bind(node, variables if results is None else [tuple(variables)], frame)


class _Element:
    """An element of a tuple in a graph, with what a value is asked for."""

    def __init__(self, type_: private.JitType) -> None:
        self._type = type_

    def type(self) -> private.JitType:
        return self._type

    def debugName(self) -> str:  # noqa: N802 - as values have it
        return "0"


def _tuple_elements(value: private.Value) -> list[private.Value] | None:
    """The elements of a tuple, of which types are known and nothing else; None if the value is none."""
    type_ = value.type()
    return [_Element(element) for element in type_.elements()] if type_.kind() == "TupleType" else None


def _function_name(functions: dict[str, type], function: type) -> str:
    """A name for the class of an ``autograd.Function``; classes of the same name get a number."""
    base = name = f"{function.__module__}.{function.__qualname__}"
    number = 1
    while functions.setdefault(name, function) is not function:
        number += 1
        name = f"{base}#{number}"
    return name


def _literal(value: Any) -> Arg:
    """An argument of an ``autograd.Function`` that is no tensor; its symbolic function gets it as it was passed."""
    return value if type(value) in _PLAIN else PyObject(value)
