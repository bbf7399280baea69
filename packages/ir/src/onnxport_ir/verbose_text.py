"""The ONNX graph as text, in the form in which torch prints it for ``verbose=True``.

Inputs, weights and outputs go by their names, all other values by numbers that count on from the inputs and
weights; a weight stands in the head, any other constant before its first use. Sizes that are known by formula
print it, others print ``*``; ``Dynamic`` is a shape of which nothing is known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from onnxport_ir.dims import Dim
from onnxport_ir.errors import Place
from onnxport_ir.graph import AttrValue, Block, Function, Model, Node, RefAttr, Value
from onnxport_ir.proto import source_of
from onnxport_ir.tensors import TensorRef
from onnxport_ir.types import AnyType, OptionalType, SequenceType, TensorType

#: Constants with more elements than this are printed without them.
_PRINTED_ELEMENTS = 16


def format_model(model: Model, module_classes: Mapping[str, str] | None = None) -> str:
    """The graph and its functions as text.

    Args:
        model: finished; it needs no names but those of inputs, outputs and weights.
        module_classes: the class of each module path, of the model itself under the empty path.
    """
    printer = _Printer(model, module_classes or {})
    lines = printer.main_graph(model.graph)
    for function in model.functions.values():
        lines += ["", *_Printer(model, module_classes or {}).function(function)]
    return "\n".join(lines) + "\n"


def type_text(value_type: AnyType) -> str:
    """A type as torch prints it: ``Float(10, 3, 224, 224)``, ``Long()``, ``Dynamic``."""
    match value_type:
        case TensorType(dtype, shape):
            if dtype is None or shape is None:
                return "Dynamic"
            return f"{dtype.torch_name}({', '.join(map(_dim_text, shape))})"
        case SequenceType(element):
            return f"{type_text(element)}[]"
        case OptionalType(element):
            return f"{type_text(element)}?"
    return str(value_type)


def scope_text(module: str, module_classes: Mapping[str, str]) -> str:
    """A module path with its classes: ``AlexNet/Sequential[features]/Conv2d[0]``.

    A part whose class is not known is joined to the next one: a ``ModuleList`` is never called itself.
    """
    root = module_classes.get("")
    scope = [] if root is None else [_class_text(root)]
    path, pending = "", ""
    for part in module.split(".") if module else ():
        path = f"{path}.{part}" if path else part
        pending = f"{pending}.{part}" if pending else part
        if path in module_classes:
            scope.append(f"{_class_text(module_classes[path])}[{pending}]")
            pending = ""
    return "/".join([*scope, pending] if pending else scope)


class _Printer:
    """Prints one graph or function."""

    def __init__(self, model: Model, module_classes: Mapping[str, str]) -> None:
        self._model = model
        self._classes = module_classes
        self._names: dict[Value, str] = {}
        self._next = 0
        self._scopes: dict[str, str] = {}

    def main_graph(self, graph: Block) -> list[str]:
        parameters = [*graph.inputs, *(value for value in graph.constants() if value.is_weight)]
        for value in parameters:
            self._name(value)
        for value in graph.outputs:
            if value.name and value not in self._names:
                self._names[value] = f"%{value.name}"
        return [
            *_head("graph(", [f"{self._names[value]} : {type_text(value.value_type)}" for value in parameters]),
            *self._body(graph, "  "),
            f"  return ({', '.join(map(self._name, graph.outputs))});",
            "}",
        ]

    def function(self, function: Function) -> list[str]:
        title = f"{function.domain}::{function.name}" + (f":{function.overload}" if function.overload else "")
        attributes = f"[{', '.join(function.attributes)}]" if function.attributes else ""
        return [
            *_head(f"function {title}{attributes}(", [self._name(value) for value in function.body.inputs]),
            *self._body(function.body, "  "),
            f"  return ({', '.join(map(self._name, function.body.outputs))});",
            "}",
        ]

    def _body(self, block: Block, indent: str) -> list[str]:
        lines: list[str] = []
        for node in block.nodes:
            lines += self._constants(node.operands, indent)
            lines += self._node(node, indent)
        return lines + self._constants(block.outputs, indent)

    def _constants(self, values: Iterable[Value | None], indent: str) -> list[str]:
        lines = []
        for value in values:
            if value is not None and value.const is not None and value not in self._names:
                content = _tensor_text(value.const)
                name = self._name(value, numbered=True)
                lines.append(f"{indent}{name} : {type_text(value.value_type)} = onnx::Constant[value={content}]()")
        return lines

    def _node(self, node: Node, indent: str) -> list[str]:
        operands = ", ".join("%" if operand is None else self._name(operand) for operand in node.operands)
        attributes = ", ".join(
            f"{key}={_attribute_text(value)}"
            for key, value in sorted(node.attributes.items())
            if not isinstance(value, Block)
        )
        results = ", ".join(f"{self._name(v, numbered=True)} : {type_text(v.value_type)}" for v in node.results)
        operator = f"{node.domain or 'onnx'}::{node.op_type}" + (f"[{attributes}]" if attributes else "")
        source = source_of(node.place)
        comment = f"  # {source}" if source else ""
        lines = [f"{indent}{results} = {operator}({operands}){self._scope(node.place)}{comment}"]
        for key, block in node.attributes.items():
            if isinstance(block, Block):
                inputs = ", ".join(f"{self._name(v, numbered=True)} : {type_text(v.value_type)}" for v in block.inputs)
                lines.append(f"{indent}  {key}({inputs}):")
                lines += self._body(block, indent + "    ")
                lines.append(f"{indent}    -> ({', '.join(map(self._name, block.outputs))})")
        return lines

    def _scope(self, place: Place) -> str:
        scope = self._scopes.get(place.module)
        if scope is None:
            text = scope_text(place.module, self._classes)
            scope = self._scopes[place.module] = f", scope: {text}" if text else ""
        return scope

    def _name(self, value: Value, *, numbered: bool = False) -> str:
        """The value's printed name; each value counts, so that numbers start after the inputs and weights."""
        name = self._names.get(value)
        if name is None:
            label = value.name if value.name and not numbered else str(self._next)
            name = self._names[value] = f"%{label}"
            self._next += 1
        return name


def _head(opening: str, parameters: list[str]) -> list[str]:
    indent = " " * len(opening)
    lines = [f"{opening if index == 0 else indent}{parameter}" for index, parameter in enumerate(parameters)]
    lines = lines or [opening]
    lines[-1] += ") {"
    return lines


def _class_text(name: str) -> str:
    return name.rpartition(".")[2]


def _dim_text(dim: Dim) -> str:
    return str(dim) if isinstance(dim, int) or dim.is_printable else "*"


def _attribute_text(value: AttrValue) -> str:
    match value:
        case float():
            return f"{value:g}"
        case str():
            return f'"{value}"'
        case bytes():
            return f'"{value.decode(errors="replace")}"'
        case tuple():
            return f"[{', '.join(map(_attribute_text, value))}]"
        case RefAttr():
            return f"@{value.name}"
        case TensorType() | SequenceType() | OptionalType():
            return type_text(value)
        case TensorRef():
            return _tensor_text(value)
    return str(value)


def _tensor_text(tensor: TensorRef) -> str:
    if not 0 < math.prod(tensor.shape) <= _PRINTED_ELEMENTS:
        return f"<{type_text(TensorType(tensor.dtype, tensor.shape))}>"
    return _elements_text(tensor.numpy().tolist())


def _elements_text(elements: Any) -> str:  # nested lists of whatever the array holds
    if not isinstance(elements, list):
        return f"{{{_element_text(elements)}}}"
    return "{" + ", ".join(_elements_text(e) if isinstance(e, list) else _element_text(e) for e in elements) + "}"


def _element_text(element: object) -> str:
    return f"{element:g}" if isinstance(element, float) else str(element)
