"""The two ends of a TorchScript graph: its inputs from a call's arguments, its results as a flat list."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from onnxport_ir.captured import Arg, Input, Var
from onnxport_ir.errors import CaptureFailed, InternalError, NotYetSupported
from onnxport_ir.types import OpaqueType, OptionalType, SequenceType, TupleType

from onnxport_frontend import _torch_private as private
from onnxport_frontend.dictionaries import StaticDict
from onnxport_frontend.inline import Inliner, Known, as_arg
from onnxport_frontend.schema import literal
from onnxport_frontend.signature import Call, TensorList
from onnxport_frontend.structure import Tree
from onnxport_frontend.tracing import Result


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Returned:
    """What the captured graph returns.

    Attributes:
        tree: the structure of the model's result; a list whose length only the running model knows is a leaf.
        values: one per output.
        examples: the model's own result for each output.
        slots: for each leaf the index of its output, None for a constant.
        constants: each leaf's value where it is a constant.
        replaced: what the model has put in place of its buffers, by their names.
        kept: attributes that are no tensors, which the model reads and sets.
    """

    tree: Tree
    values: tuple[Arg, ...]
    examples: tuple[Any, ...]
    slots: tuple[int | None, ...]
    constants: tuple[Any, ...]
    replaced: Mapping[str, Arg] = dataclasses.field(default_factory=dict)
    kept: tuple[str, ...] = ()


def parameters_of(model: Any) -> inspect.Signature:
    """The parameters of a script module's ``forward`` or of a script function, with their defaults."""
    parameters: list[inspect.Parameter] = []
    for argument in private.schema_of(model).arguments:
        if argument.name == "self" and isinstance(model, torch.nn.Module) and not parameters:
            continue
        default = argument.default_value if argument.has_default_value() else inspect.Parameter.empty
        kind = inspect.Parameter.KEYWORD_ONLY if argument.kwarg_only else inspect.Parameter.POSITIONAL_OR_KEYWORD
        annotation = TensorList if str(argument.type) == "List[Tensor]" else inspect.Parameter.empty
        parameters.append(inspect.Parameter(argument.name, kind, default=default, annotation=annotation))
    return inspect.Signature(parameters)


def class_name(model: Any) -> str:
    """The class of a module, with its Python module; for a script the class that it was made of."""
    return private.original_name(model) or f"{type(model).__module__}.{type(model).__qualname__}"


def follow(inliner: Inliner, model: Any, call: Call, inputs: Mapping[int, Input], result: Result) -> Returned:
    """Inline the model's graph.

    Args:
        inliner: collects the equations.
        model: the user's model.
        call: the example call.
        inputs: the graph's inputs, by their index among the leaves of the call.
        result: what the model returned for the example.

    Raises:
        NotYetSupported: for arguments or results that have no counterpart in a graph.
    """
    if result.traced is not None:
        returned = inliner.module(private.cpp_module(result.traced), [item.var for item in inputs.values()])
        values = returned[0] if len(returned) == 1 and isinstance(returned[0], tuple) else returned
        return _traced(values, result)
    args = _arguments(model, call, {index: item.var for index, item in inputs.items()})
    if isinstance(model, torch.nn.Module):
        known = inliner.module(private.cpp_module(model), args)
    else:
        known = inliner.graph(private.function_graph(model), "", args)
    replaced = {path: as_arg(value) for path, value in inliner.attributes.tensors.items()}
    found = _scripted(inliner, known, result)
    return dataclasses.replace(found, replaced=replaced, kept=inliner.attributes.kept)


def _traced(values: Sequence[Known], result: Result) -> Returned:
    slots: list[int | None] = []
    for leaf in result.leaves:
        slots.append(sum(slot is not None for slot in slots) if isinstance(leaf, torch.Tensor) else None)
    examples = tuple(leaf for leaf in result.leaves if isinstance(leaf, torch.Tensor))
    replaced = dict(zip(result.replaced, map(as_arg, values[len(examples) :]), strict=False))
    if len(values) != len(examples) + len(replaced):
        raise InternalError(f"the trace has {len(values)} results, the model returned {len(examples)} tensors")
    values = values[: len(examples)]
    constants = tuple(None if isinstance(leaf, torch.Tensor) else leaf for leaf in result.leaves)
    return Returned(result.tree, tuple(map(as_arg, values)), examples, tuple(slots), constants, replaced)


def _arguments(model: Any, call: Call, variables: Mapping[int, Var]) -> list[Known]:
    """A value for each argument of the script, defaults filled in."""
    leaves = iter([variables[i] if i in variables else _constant(leaf) for i, leaf in enumerate(call.leaves)])
    positional, keywords = (_argument_list(child, leaves) for child in call.tree.children)
    names = list(parameters_of(model).parameters.values())
    given = dict(zip([p.name for p in names], [value for _, value in positional], strict=False)) | dict(keywords)
    return [given[p.name] if p.name in given else literal(p.default) for p in names]


def _argument_list(tree: Tree, leaves: Iterator[Known]) -> list[tuple[str, Known]]:
    return [(name, _argument(child, leaves)) for name, child in zip(tree.names, tree.children, strict=True)]


def _argument(tree: Tree, leaves: Iterator[Known]) -> Known:
    if tree.is_leaf:
        return next(leaves)
    pairs = _argument_list(tree, leaves)
    if tree.kind is not None and issubclass(tree.kind, dict):
        return StaticDict.of(pairs, 0)
    return tuple(as_arg(value) for _, value in pairs)


def _constant(leaf: Any) -> Arg:
    try:
        return literal(leaf)
    except CaptureFailed as error:
        raise NotYetSupported(f"an argument of type {type(leaf).__name__} of a TorchScript model") from error


def _scripted(inliner: Inliner, known: list[Known], result: Result) -> Returned:
    leaves = iter(result.leaves)
    values: list[Arg] = []
    examples: list[Any] = []
    slots: list[int | None] = []
    constants: list[Any] = []

    def align(value: Known, tree: Tree) -> Tree:
        if isinstance(value, Var) and isinstance(value.type, TupleType) and not tree.is_leaf:
            value = inliner.unpack(value, value.type.elements)
        if isinstance(value, Var) and isinstance(value.type, SequenceType) and not tree.is_leaf:
            # ONNX has no sequence of these; a list of another length than the example's is refused when it is lowered.
            element = value.type.element
            if isinstance(element, TupleType | SequenceType | OptionalType):
                value = inliner.unpack(value, (element,) * len(tree.children))
        if isinstance(value, StaticDict):
            value = tuple(item for _, item in value.items)
        if isinstance(value, tuple) and not tree.is_leaf:
            children = tuple(align(item, child) for item, child in zip(value, tree.children, strict=True))
            return Tree(tree.kind, tree.names, children, tree.build)
        if isinstance(value, Var) and isinstance(value.type, OpaqueType):
            raise NotYetSupported(f"a result of type {value.type}")
        if not tree.is_leaf and isinstance(value, Var) and isinstance(value.type, OptionalType):
            raise NotYetSupported(
                f"a result of type {value.type}, which is None in some runs",
                why="ONNX has no optional tuple",
                hint="Return its parts one by one, or let an attribute of the model decide what is None.",
            )
        if not tree.is_leaf and not (isinstance(value, Var) and isinstance(value.type, SequenceType)):
            raise NotYetSupported(f"a result that is a {tree.kind.__name__ if tree.kind else 'value'}")
        enter(value, tree.unflatten(leaves))
        return Tree()

    def enter(value: Known, example: Any) -> None:
        # A number is an output also where it is known: how much is found out says nothing about a model's outputs.
        constant = not isinstance(value, Var) and not isinstance(example, torch.Tensor | bool | int | float)
        slots.append(None if constant else len(values))
        constants.append(example if constant else None)
        if not constant:
            values.append(as_arg(value))
            examples.append(example)

    tree = align(known[0] if len(known) == 1 else tuple(known), result.tree)
    if not values:
        raise CaptureFailed("the model returns nothing that depends on its inputs")
    return Returned(tree, tuple(values), tuple(examples), tuple(slots), tuple(constants))
