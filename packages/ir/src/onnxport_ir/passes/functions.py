"""Calls of modules become calls of local functions; equal modules share one.

The nodes of a call are taken out of the graph, a node of the function stands for them: inlining it gives the same graph
again. What the nodes read from outside are the function's inputs, weights after all others, so that two layers share a
function though their weights differ. Where two calls differ in numbers alone (an epsilon, a stride, a target shape),
the function has an attribute for each of them, called ``inferred::...``.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

import onnx

from onnxport_ir.dtypes import DType
from onnxport_ir.errors import InternalError, NeedsOpset, Place
from onnxport_ir.graph import AttrValue, Block, Function, Model, Node, RefAttr, Value
from onnxport_ir.passes.cloning import Cloner, block_reads, structure_of

#: The first opset whose files can hold functions.
FUNCTIONS_SINCE = 15
#: Larger constants are inputs of a function, and initializers of the model.
_INNER_CONSTANT_BYTES = 1024

_KINDS = (
    (str, onnx.AttributeProto.STRING, onnx.AttributeProto.STRINGS),
    (float, onnx.AttributeProto.FLOAT, onnx.AttributeProto.FLOATS),
    (int, onnx.AttributeProto.INT, onnx.AttributeProto.INTS),
)
"""Element types of attributes, of one element and of a list; a list with one float is a list of floats."""
_NUMBERS: dict[tuple[DType, int], tuple[str, int]] = {
    (DType.FLOAT32, 0): ("value_float", onnx.AttributeProto.FLOAT),
    (DType.FLOAT32, 1): ("value_floats", onnx.AttributeProto.FLOATS),
    (DType.INT64, 0): ("value_int", onnx.AttributeProto.INT),
    (DType.INT64, 1): ("value_ints", onnx.AttributeProto.INTS),
}
"""The attribute of ``Constant`` that holds numbers of this type and rank."""


@dataclass(frozen=True, slots=True, eq=False)
class FunctionCall:
    """A call of a module that is to be a call of a function.

    Attributes:
        path: the module's qualified name.
        domain: the function's domain: the Python module of the class.
        name: the function's name: that of the class.
        nodes: the nodes of the call, one after the other in the graph, those of calls inside it included; nodes that
            are no longer in the graph do not count.
        attributes: what is known of the module; not used inside the function.
    """

    path: str
    domain: str
    name: str
    nodes: Sequence[Node]
    attributes: Mapping[str, AttrValue] = field(default_factory=dict)


def extract_functions(model: Model, calls: Sequence[FunctionCall]) -> int:
    """Replace calls of modules by calls of local functions.

    Args:
        model: changed in place; not named yet.
        calls: outer before inner, otherwise in the order of the graph.

    Returns:
        The number of functions; a call without nodes, or without a result that anything reads, has none.

    Raises:
        NeedsOpset: if the model's opset has no functions.
    """
    if model.opset < FUNCTIONS_SINCE:
        raise NeedsOpset("a module as a function", FUNCTIONS_SINCE, model.opset)
    work = _Extraction(model)
    model.graph.nodes = work.group(model.graph.nodes, work.tree(calls))
    for family in work.families.values():
        family.settle()
        function = family.function(model)
        model.functions[function.key] = function
        model.opset_imports.setdefault(function.domain, 1)
    return len(work.families)


@dataclass(slots=True, eq=False)
class _Tree:
    """A call with those inside it; ``first`` and ``last`` are positions in the graph."""

    call: FunctionCall
    first: int
    last: int
    inner: list[_Tree] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Slot:
    """A number inside a function in which its calls may differ.

    Attributes:
        node: the node of the function's body that has it.
        key: the name of its attribute, or the index of its operand.
        name: what the function calls it.
        values: what it is in each call.
    """

    node: Node
    key: str | int
    name: str
    values: list[AttrValue] = field(default_factory=list)

    @property
    def varies(self) -> bool:
        # By their texts, because 0.0 equals -0.0 and NaN does not equal itself.
        first = repr(self.values[0])
        return any(repr(value) != first for value in self.values)


@dataclass(slots=True, eq=False)
class _Family:
    """The calls that share a function."""

    domain: str
    name: str
    body: Block
    slots: list[_Slot]
    calls: list[Node] = field(default_factory=list)
    annotated: dict[str, None] = field(default_factory=dict)

    def settle(self) -> None:
        """Decide which numbers are attributes of the function; the others stay where they are."""
        constants: list[Node] = []
        for slot in self.slots:
            if not slot.varies:
                for call in self.calls:
                    del call.attributes[slot.name]
            elif isinstance(slot.key, str):
                slot.node.attributes[slot.key] = RefAttr(slot.name, _kind(slot.values[0]))
            else:
                constants.append(_constant(slot))
        self.body.nodes[:0] = constants

    def function(self, model: Model) -> Function:
        """The function."""
        names = [*self.annotated, *(slot.name for slot in self.slots if slot.varies)]
        imports = {"": model.opset}
        for node in self.body.all_nodes():
            imports.setdefault(node.domain, model.opset_imports.get(node.domain, 1))
        attributes = dict.fromkeys(names)
        return Function(self.domain, self.name, self.body, attributes=attributes, opset_imports=imports)


class _Extraction:
    """One run of the pass.

    Attributes:
        families: by what their calls have in common, callees before callers.
    """

    def __init__(self, model: Model) -> None:
        self.families: dict[Hashable, _Family] = {}
        self._names: set[tuple[str, str]] = {(domain, name) for domain, name, _ in model.functions}
        self._position = {node: index for index, node in enumerate(model.graph.nodes)}
        self._family_of: dict[Node, _Family] = {}
        self._last_read: dict[Value, int] = {}
        for node, index in self._position.items():
            for value in _reads(node):
                self._last_read[value] = index
        end = len(model.graph.nodes)
        self._last_read.update(dict.fromkeys(model.graph.outputs, end))

    def tree(self, calls: Sequence[FunctionCall]) -> list[_Tree]:
        """The calls as trees, by the positions of their nodes."""
        roots: list[_Tree] = []
        around: list[_Tree] = []
        for call in calls:
            positions = [self._position[node] for node in call.nodes if node in self._position]
            if not positions:
                continue
            item = _Tree(call, min(positions), max(positions) + 1)
            if item.last - item.first != len(positions):
                raise InternalError(f"the nodes of {call.path} are not together")
            while around and around[-1].last <= item.first:
                around.pop()
            (around[-1].inner if around else roots).append(item)
            around.append(item)
        return roots

    def group(self, nodes: Sequence[Node], trees: Sequence[_Tree]) -> list[Node]:
        """Replace the nodes of each tree by a node of its function."""
        grouped: list[Node] = []
        done = 0
        index = {self._position[node]: at for at, node in enumerate(nodes)}
        for item in trees:
            first, last = index[item.first], index[item.last - 1] + 1
            grouped += nodes[done:first]
            inner = self.group(nodes[first:last], item.inner)
            call = self._call(item, inner)
            grouped += inner if call is None else [call]
            done = last
        return [*grouped, *nodes[done:]]

    def _call(self, item: _Tree, nodes: Sequence[Node]) -> Node | None:
        outputs = [r for node in nodes for r in node.results if self._last_read.get(r, -1) >= item.last]
        if not outputs:
            return None
        body, data, weights = self._body(item.call, nodes, outputs)
        slots, abstract = self._slots(nodes, body)
        key = (item.call.domain, item.call.name, len(data), len(weights), tuple(sorted(item.call.attributes)), abstract)
        family = self.families.get(key)
        if family is None:
            name = self._unused(item.call.domain, item.call.name)
            own = _distinct(slots, item.call.attributes)
            family = _Family(item.call.domain, name, body, own, annotated=dict.fromkeys(item.call.attributes))
            self.families[key] = family
        call = Node(family.name, [*data, *weights], {}, result_types=(), domain=family.domain)
        call.place = Place(item.call.path)
        call.results = tuple(outputs)
        for output in outputs:
            output.producer = call
        call.attributes.update(item.call.attributes)
        for slot, (_, _, value) in zip(family.slots, slots, strict=True):
            slot.values.append(value)
            call.attributes[slot.name] = value
        self._family_of[call] = family
        family.calls.append(call)
        return call

    def _body(
        self, call: FunctionCall, nodes: Sequence[Node], outputs: Sequence[Value]
    ) -> tuple[Block, list[Value], list[Value]]:
        """The nodes once more as a body of its own, and what is read from outside: values and weights."""
        made = {result for node in nodes for result in node.results}
        data: dict[Value, Value] = {}
        weights: dict[Value, Value] = {}
        for node in nodes:
            for value in _reads(node):
                if value in made or value in data or value in weights:
                    continue
                if value.const is None or value.producer is not None:
                    data[value] = Value(value.value_type)
                elif _is_outer(value):
                    weights[value] = Value(value.value_type, name=_relative(value.name, call.path))
        cloner = Cloner({**data, **weights}, lambda place: _moved(place, call.path))
        clones = [cloner.node(node) for node in nodes]
        for node, clone in zip(nodes, clones, strict=True):
            if (family := self._family_of.get(node)) is not None:
                # A call inside a function is one more call of its family, whose attributes have yet to be settled.
                family.calls.append(clone)
        body = Block([*data.values(), *weights.values()], clones, [cloner.values[value] for value in outputs])
        return body, list(data), list(weights)

    def _slots(self, nodes: Sequence[Node], body: Block) -> tuple[list[tuple[Node, str | int, AttrValue]], Hashable]:
        """The numbers in a body in which calls may differ, and what two calls must share beside them."""
        found: list[tuple[Node, str | int, AttrValue]] = []
        number = {value: index for index, value in enumerate(body.inputs)}
        parts: list[Hashable] = []
        for clone in body.nodes:
            operands: list[Hashable] = []
            for index, operand in enumerate(clone.operands):
                if operand is None or operand in number:
                    operands.append(None if operand is None else number[operand])
                elif (value := _number(operand)) is not None:
                    operands.append(("number", operand.dtype, operand.rank))
                    found.append((clone, index, value))
                else:
                    operands.append(structure_of(operand, number))
            attributes: list[Hashable] = []
            for key, attribute in clone.attributes.items():
                if _may_vary(attribute):
                    attributes.append((key, _kind(attribute)))
                    found.append((clone, key, attribute))
                else:
                    attributes.append((key, structure_of(attribute, number)))
            for result in clone.results:
                number[result] = len(number)
            parts.append((clone.op_type, clone.domain, clone.overload, *operands, *attributes, len(clone.results)))
        return found, (tuple(parts), tuple(number[value] for value in body.outputs))

    def _unused(self, domain: str, wish: str) -> str:
        name = wish
        numbers = count(1)
        while (domain, name) in self._names:
            name = f"{wish}.{next(numbers)}"
        self._names.add((domain, name))
        return name


def _distinct(found: Sequence[tuple[Node, str | int, AttrValue]], taken: Mapping[str, object]) -> list[_Slot]:
    """Slots with a name each: by the operator and its attribute, numbered where that is not enough."""
    names = set(taken)
    slots = []
    for node, key, _ in found:
        wish = key if isinstance(key, str) and key.startswith("inferred::") else f"inferred::{node.op_type}_{key}"
        name = wish
        numbers = count(1)
        while name in names:
            name = f"{wish}_{next(numbers)}"
        names.add(name)
        slots.append(_Slot(node, key, name))
    return slots


def _constant(slot: _Slot) -> Node:
    """A node for a constant operand that is an attribute of the function, put in the operand's place."""
    if not isinstance(slot.key, int) or (operand := slot.node.operands[slot.key]) is None or operand.dtype is None:
        raise InternalError(f"{slot.name} is no constant")
    key, kind = _NUMBERS[operand.dtype, operand.rank or 0]
    attributes = {key: RefAttr(slot.name, kind)}
    node = Node("Constant", [], attributes, result_types=[operand.value_type], place=slot.node.place)
    operands = list(slot.node.operands)
    operands[slot.key] = node.result
    slot.node.operands = tuple(operands)
    return node


def _number(value: Value) -> AttrValue | None:
    """The elements of a constant that an attribute can hold."""
    if value.const is None or value.producer is not None or value.dtype is None:
        return None
    if (value.dtype, value.rank) not in _NUMBERS or not value.const.nbytes:
        return None
    elements = value.array().tolist()
    return tuple(elements) if isinstance(elements, list) else elements


def _may_vary(attribute: AttrValue) -> bool:
    if isinstance(attribute, tuple):
        # An empty list does not say of what.
        return bool(attribute)
    return isinstance(attribute, int | float | str)


def _kind(attribute: AttrValue) -> int:
    elements = attribute if isinstance(attribute, tuple) else (attribute,)
    for kind, scalar, many in _KINDS:
        if any(isinstance(element, kind) for element in elements):
            return many if isinstance(attribute, tuple) else scalar
    raise InternalError(f"{attribute!r} is no number and no text")


def _is_outer(constant: Value) -> bool:
    tensor = constant.const
    return constant.is_weight or (tensor is not None and tensor.nbytes > _INNER_CONSTANT_BYTES)


def _reads(node: Node) -> Iterator[Value]:
    """What a node reads, its blocks included."""
    for operand in node.operands:
        if operand is not None:
            yield operand
    for block in node.blocks():
        yield from block_reads(block)


def _relative(name: str | None, path: str) -> str | None:
    return name.removeprefix(f"{path}.") if name else None


def _moved(place: Place, path: str) -> Place:
    """A place inside a function: the module's name is relative to the function's."""
    module = "" if place.module == path else place.module.removeprefix(f"{path}.")
    return Place(module, place.file, place.line, place.function)
