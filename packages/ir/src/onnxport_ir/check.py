"""Checking an ONNX graph: every operand defined before it is read, every node as its operator's schema wants it.

It is quicker than ``onnx.checker`` (nothing is serialised) and says where in the graph the fault is. It looks at
structure, not at types: those are checked by whoever loads the model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import onnx
import onnx.defs

from onnxport_ir.errors import InternalError
from onnxport_ir.graph import AttrValue, Block, Model, Node, RefAttr, Value
from onnxport_ir.tensors import TensorRef
from onnxport_ir.types import OptionalType, SequenceType, TensorType

_AROUND = 5
_MANY = 1000
_IR_FUNCTIONS = 8
_Kinds = onnx.defs.OpSchema.AttrType
_KIND_NUMBERS = {
    getattr(_Kinds, name): number for name, number in onnx.AttributeProto.AttributeType.items() if hasattr(_Kinds, name)
}


def check_model(model: Model) -> None:
    """Check the structure of ``model``; names are checked where they are given.

    Raises:
        InternalError: with the nodes around the fault.
    """
    functions = set(model.functions)
    if functions and model.ir_version < _IR_FUNCTIONS:
        raise InternalError(f"local functions need IR version {_IR_FUNCTIONS}, the model has {model.ir_version}")
    _Checker(model.opset_imports, functions).check_body(model.graph, "the graph")
    _check_names(model.graph)
    for value in (*model.graph.inputs, *model.graph.outputs):
        if isinstance(value.value_type, TensorType) and value.value_type.dtype is None:
            raise InternalError(f"the element type of {value!r}, an input or output of the graph, is not known")
    for function in model.functions.values():
        imports = function.opset_imports or model.opset_imports
        _Checker(imports, functions).check_body(function.body, f"function {function.name}")
        _check_names(function.body)


class _Checker:
    """Checks one graph or function with all its blocks."""

    def __init__(self, opset_imports: dict[str, int], functions: set[tuple[str, str, str]]) -> None:
        self._imports = opset_imports
        self._functions = functions
        self._schemas: dict[tuple[str, str, str], onnx.defs.OpSchema | None] = {}
        self._everywhere: set[Value] = set()
        self._visible: set[Value] = set()

    def check_body(self, block: Block, title: str) -> None:
        """Check a graph, a function or a block; what it defines is out of sight afterwards."""
        self._define(block.inputs, f"the inputs of {title}")
        for index, node in enumerate(block.nodes):
            try:
                self._check_node(node)
            except InternalError as error:
                if error.why is None:
                    error.why = f"the graph is malformed here\n{neighbourhood(block.nodes, index)}"
                raise error.at(node.place) from None
        self._check_used(block.outputs, f"the outputs of {title}")
        self._visible.difference_update(block.inputs)
        for node in block.nodes:
            self._visible.difference_update(node.results)

    def _check_node(self, node: Node) -> None:
        self._check_used(node.operands, str(node))
        schema = self._schema(node)
        if schema is not None:
            _check_counts(node, schema)
            _check_attributes(node, schema)
        for name, attribute in node.attributes.items():
            if isinstance(attribute, Block):
                self.check_body(attribute, f"{name} of {node!r}")
        for result in node.results:
            if result.producer is not node:
                raise InternalError(f"a result of {node!r} names {result.producer!r} as its producer")
        self._define(node.results, str(node))

    def _define(self, values: Iterable[Value], definer: str) -> None:
        for value in values:
            if value in self._everywhere:
                raise InternalError(f"{definer} defines {value!r} a second time")
            if value.const is not None and value.producer is None:
                raise InternalError(f"{definer} defines {value!r}, which is a constant")
            self._everywhere.add(value)
            self._visible.add(value)

    def _check_used(self, values: Iterable[Value | None], user: str) -> None:
        for value in values:
            if value is None or value in self._visible or (value.const is not None and value.producer is None):
                continue
            if value in self._everywhere:
                raise InternalError(f"{user} reads {value!r}, which is only visible in another block")
            raise InternalError(f"{user} reads {value!r} before it is defined")

    def _schema(self, node: Node) -> onnx.defs.OpSchema | None:
        """The operator's schema; None for an operator that is not ONNX's own, or is a function of the model."""
        key = (node.domain, node.op_type, node.overload)
        if key not in self._schemas:
            if node.domain not in self._imports:
                raise InternalError(f"{node!r} is of an operator set that the model does not import")
            self._schemas[key] = self._find_schema(node)
        return self._schemas[key]

    def _find_schema(self, node: Node) -> onnx.defs.OpSchema | None:
        if (node.domain, node.op_type, node.overload) in self._functions:
            return None
        version = self._imports[node.domain]
        try:
            schema = onnx.defs.get_schema(node.op_type, version, node.domain)
        except onnx.defs.SchemaError:
            if node.domain == "":
                raise InternalError(f"ONNX has no operator {node.op_type} at opset {version}") from None
            return None
        if schema.deprecated:
            raise InternalError(f"ONNX's operator {node.op_type} is deprecated at opset {version}")
        return schema


def neighbourhood(nodes: Sequence[Node], index: int) -> str:
    """The nodes around ``nodes[index]`` as text, with an arrow at that one."""
    first = max(0, index - _AROUND)
    labels: dict[Value, str] = {}
    lines = []
    for number, node in enumerate(nodes[first : index + _AROUND], first):
        operands = ", ".join("" if value is None else _label(value, labels) for value in node.operands)
        attributes = ", ".join(f"{key}={_brief(value)}" for key, value in node.attributes.items())
        results = ", ".join(f"{_label(value, labels)}:{value.value_type}" for value in node.results)
        operator = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
        where = f"  # {node.place}" if str(node.place) else ""
        arrow = "->" if number == index else "  "
        lines.append(f"  {arrow}{results} = {operator}{f'[{attributes}]' if attributes else ''}({operands}){where}")
    return "\n".join(lines)


def _label(value: Value, labels: dict[Value, str]) -> str:
    if value not in labels:
        kind = "const" if value.const is not None else "v"
        labels[value] = f"%{value.name or f'{kind}{len(labels)}'}"
    return labels[value]


def _brief(value: AttrValue) -> str:
    match value:
        case Block():
            return f"<block of {len(value.nodes)} nodes>"
        case RefAttr():
            return f"@{value.name}"
        case TensorType() | SequenceType() | OptionalType():
            return str(value)
        case TensorRef():
            return f"<{value.dtype.short}{list(value.shape)}>"
    return repr(value)


def _check_counts(node: Node, schema: onnx.defs.OpSchema) -> None:
    operands = list(node.operands)
    while operands and operands[-1] is None:
        operands.pop()
    for kind, values, least, most, formals in (
        ("inputs", operands, schema.min_input, schema.max_input, schema.inputs),
        ("outputs", list(node.results), schema.min_output, schema.max_output, schema.outputs),
    ):
        if not least <= len(values) <= most:
            counts = f"{least} or more" if most > _MANY else f"{least} to {most}"
            raise InternalError(f"{node!r} has {len(values)} {kind}, {schema.name} takes {counts}")
        for formal, value in zip(formals, values, strict=False):
            is_single = formal.option == onnx.defs.OpSchema.FormalParameterOption.Single
            if is_single and (value is None or value.name == ""):
                raise InternalError(f"{node!r} leaves out {formal.name}, which {schema.name} needs")


def _check_attributes(node: Node, schema: onnx.defs.OpSchema) -> None:
    for name, value in node.attributes.items():
        declared = schema.attributes.get(name)
        if declared is None:
            raise InternalError(
                f"{node!r} has an attribute {name}, which {schema.name} has not at opset {schema.since_version}"
            )
        if not _fits(value, declared.type):
            kind = onnx.AttributeProto.AttributeType.Name(_KIND_NUMBERS[declared.type])
            raise InternalError(f"attribute {name} of {node!r} is {_brief(value)}, it must be {kind}")
    for name, declared in schema.attributes.items():
        if declared.required and name not in node.attributes:
            raise InternalError(f"{node!r} has no attribute {name}, which {schema.name} needs")


def _fits(value: AttrValue, kind: onnx.defs.OpSchema.AttrType) -> bool:
    match value:
        case RefAttr():
            return bool(value.attr_type == _KIND_NUMBERS[kind])
        case Block():
            wanted = _Kinds.GRAPH
        case ():
            return kind in {_Kinds.INTS, _Kinds.FLOATS, _Kinds.STRINGS}
        case tuple():
            if kind == _Kinds.INTS:
                return all(isinstance(item, int) for item in value)
            if kind == _Kinds.FLOATS:
                return all(isinstance(item, int | float) for item in value)
            return bool(kind == _Kinds.STRINGS) and all(isinstance(item, str) for item in value)
        case int():
            wanted = _Kinds.INT
        case float():
            wanted = _Kinds.FLOAT
        case str() | bytes():
            wanted = _Kinds.STRING
        case TensorType() | SequenceType() | OptionalType():
            wanted = _Kinds.TYPE_PROTO
        case TensorRef():
            wanted = _Kinds.TENSOR
        case _:
            return False
    return bool(kind == wanted)


def _check_names(body: Block) -> None:
    """Names that are given must be given once."""
    names = Counter(value.name for value in {*_values(body)} if value.name)
    twice = sorted(name for name, count in names.items() if count > 1)
    if twice:
        raise InternalError(f"several values are called {', '.join(twice)}")
    nodes = Counter(node.name for node in body.all_nodes() if node.name)
    twice = sorted(name for name, count in nodes.items() if count > 1)
    if twice:
        raise InternalError(f"several nodes are called {', '.join(twice)}")


def _values(body: Block) -> Iterator[Value]:
    yield from body.inputs
    yield from body.constants()
    for node in body.all_nodes():
        yield from node.results
        for block in node.blocks():
            yield from block.inputs
