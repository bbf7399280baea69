"""``export_modules_as_functions``: which calls become functions, and what is told of their modules."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from onnxport_ir import Block, CapturedGraph, Eqn, Model, ModuleCall, Node
from onnxport_ir.errors import InvalidArgument, NeedsOpset
from onnxport_ir.graph import AttrValue
from onnxport_ir.passes.functions import FUNCTIONS_SINCE, FunctionCall, extract_functions
from onnxport_symbolics.binder import Lowered


@dataclass(slots=True, eq=False)
class ModuleFunctions:
    """The modules of one export that become functions.

    Attributes:
        model: the torch model.
        types: the classes of modules whose calls become functions; None for all.
        calls: the calls that do, once they are chosen.
    """

    model: Any
    types: frozenset[type] | None
    calls: tuple[ModuleCall, ...] = ()
    _ends: list[int] = field(default_factory=list)
    _nodes: list[Node] = field(default_factory=list)

    @staticmethod
    def of(asked: object, model: object, opset: int) -> ModuleFunctions | None:
        """Read the parameter; None if no module becomes a function.

        Raises:
            InvalidArgument: if it is neither a truth value nor a set of classes of modules.
            NeedsOpset: if the opset has no functions.
        """
        if asked is False or (isinstance(asked, Collection) and not asked):
            return None
        types = None
        if asked is not True:
            is_set = isinstance(asked, Collection) and all(
                isinstance(item, type) and issubclass(item, torch.nn.Module) for item in asked
            )
            if not is_set or not isinstance(asked, Collection):
                raise InvalidArgument(
                    f"export_modules_as_functions={asked!r}",
                    hint="Choose True, False or a set of subclasses of nn.Module.",
                )
            types = frozenset(asked)
        if opset < FUNCTIONS_SINCE:
            raise NeedsOpset("export_modules_as_functions", FUNCTIONS_SINCE, opset)
        return ModuleFunctions(model, types)

    def choose(self, graph: CapturedGraph) -> Sequence[ModuleCall]:
        """Choose among the calls of a graph that is about to be lowered."""
        names = None if self.types is None else {_class_name(kind) for kind in self.types}
        self.calls = tuple(call for call in graph.calls if names is None or call.class_name in names)
        return self.calls

    def lowered(self, eqn: Eqn, results: Sequence[Lowered], block: Block) -> None:
        """Note which nodes belong to which equation."""
        self._ends.append(len(block.nodes))
        self._nodes += block.nodes[len(self._nodes) :]

    def apply(self, model: Model) -> None:
        """Make functions of the chosen calls."""
        starts = [0, *self._ends]
        extract_functions(
            model,
            [
                FunctionCall(
                    call.path,
                    *_function_name(call.class_name),
                    self._nodes[starts[call.first] : starts[call.last]],
                    self._attributes(call.path),
                )
                for call in self.calls
            ],
        )

    def _attributes(self, path: str) -> Mapping[str, AttrValue]:
        # A script has no class that could annotate anything.
        if isinstance(self.model, torch.jit.ScriptModule) or not isinstance(self.model, torch.nn.Module):
            return {}
        module = self.model.get_submodule(path)
        return {} if isinstance(module, torch.jit.ScriptModule) else annotated_attributes(module)


def annotated_attributes(module: torch.nn.Module) -> dict[str, AttrValue]:
    """The variables of a module that its class annotates, where an attribute of ONNX can hold them.

    These are numbers, texts, and lists of one of them; not those that every module has, nor parameters and buffers.
    """
    names: dict[str, None] = {}
    for kind in reversed(type(module).__mro__):
        if issubclass(kind, torch.nn.Module) and kind is not torch.nn.Module:
            names.update(dict.fromkeys(inspect.get_annotations(kind)))
    found: dict[str, AttrValue] = {}
    for name in names:
        value = _attribute(getattr(module, name, None))
        if value is not None:
            found[name] = value
    return found


def _attribute(value: object) -> AttrValue | None:
    if isinstance(value, bool | int):
        return int(value)
    if isinstance(value, float | str):
        return value
    if isinstance(value, tuple | list) and value:
        for kind in (int, float, str):
            if all(isinstance(item, kind) for item in value):
                return tuple(value)
    return None


def _class_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _function_name(class_name: str) -> tuple[str, str]:
    """Domain and name of the function of a class; where a class was defined inside of a function does not matter."""
    module, _, name = class_name.replace(".<locals>", "").rpartition(".")
    return module or "modules", name or "Module"
