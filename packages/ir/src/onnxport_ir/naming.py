"""Names of a finished model: unique, the same in every run, and telling where in the user's model a node comes from.

A node is called after its module, ``/encoder/layer.0/attention/MatMul``, its results ``<node>_output_0``, the
constants that it is the first to use ``<node>_constant``; what would occur twice gets ``_1``, ``_2``, ... . Names
that are given already are kept: first those of the model's inputs and outputs, which are the user's, then those of
weights, then all others. Values of all blocks share one name space; each function has its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from onnxport_ir.errors import InvalidArgument, NeedsOpset
from onnxport_ir.graph import Block, Function, Model, Node, Value
from onnxport_ir.types import OptionalType, SequenceType

#: The first opset whose Identity takes this kind of value.
_IDENTITY_SINCE = {SequenceType: 14, OptionalType: 16}


def finish_outputs(model: Model, names: Sequence[str] | None = None) -> None:
    """Make each output of each body a value of its own that a node of that body gives.

    An output that is an input, a constant, a value from around the body, or an output already goes through an
    ``Identity``: a file has one name per value, and runtimes differ in what else they accept.

    Args:
        model: changed in place.
        names: names of the model's outputs, one each; None keeps those that the values have.

    Raises:
        InvalidArgument: if there are more or fewer names than outputs.
        NeedsOpset: if a sequence or an optional must be passed through and the opset cannot do that.
    """
    if names is not None and len(names) != len(model.graph.outputs):
        raise InvalidArgument(f"{len(names)} output names are given for {len(model.graph.outputs)} outputs")
    for body in [model.graph, *(function.body for function in model.functions.values())]:
        _finish_body(body, model.opset)
    for value, name in zip(model.graph.outputs, names or (), strict=False):
        value.name = name


def assign_names(model: Model) -> None:
    """Name every node and value of ``model``; running it again changes nothing.

    Args:
        model: changed in place; call :func:`finish_outputs` first.

    Raises:
        InvalidArgument: if two different inputs or outputs were given the same name.
    """
    scope = _Scope()
    scope.reserve([*model.graph.inputs, *model.graph.outputs])
    scope.keep(value for value in model.graph.constants() if value.is_weight)
    scope.name_body(model.graph, "input")
    for function in model.functions.values():
        _name_function(function)


def module_prefix(module: str) -> str:
    """The path of a module as node names begin: ``encoder.layer.0`` gives ``/encoder/layer.0``, the model itself ''."""
    prefix = ""
    for part in module.split(".") if module else ():
        # An item of a ModuleList or Sequential belongs to its list: nothing else is called that way.
        prefix += f".{part}" if part.isdecimal() and prefix else f"/{part}"
    return prefix


def _finish_body(body: Block, opset: int) -> None:
    made: set[Value] = set()
    for node in body.nodes:
        made.update(node.results)
        for block in node.blocks():
            _finish_body(block, opset)
    for index, value in enumerate(body.outputs):
        if value in made:
            made.discard(value)
            continue
        since = _IDENTITY_SINCE.get(type(value.value_type), 1)
        if opset < since:
            kind = "sequence" if value.is_sequence else "optional"
            raise NeedsOpset(f"a {kind} that is an output without having been computed", since, opset)
        place = value.producer.place if value.producer else None
        node = Node("Identity", [value], result_types=[value.value_type], place=place)
        node.result.symbolic = value.symbolic
        body.nodes.append(node)
        body.outputs[index] = node.result


def _name_function(function: Function) -> None:
    scope = _Scope()
    # A constant can be shared with the main graph or another function, and has its name from there.
    scope.keep(function.body.constants())
    scope.keep([*function.body.inputs, *function.body.outputs])
    scope.name_body(function.body, "input")


class _Names:
    """Names that are taken, and the next number of each name that was wanted twice."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def take(self, wish: str) -> str:
        """``wish``, or the first of ``wish_1``, ``wish_2``, ... that is free."""
        name = wish
        if name in self._taken:
            number = self._next.get(wish, 1)
            while (name := f"{wish}_{number}") in self._taken:
                number += 1
            self._next[wish] = number + 1
        self._taken.add(name)
        return name

    def __contains__(self, name: str) -> bool:
        return name in self._taken


class _Scope:
    """One name space: the main graph with all its blocks, or a function."""

    def __init__(self) -> None:
        self._values = _Names()
        self._nodes = _Names()
        self._named: set[Value] = set()
        self._prefixes: dict[str, str] = {}

    def reserve(self, values: Iterable[Value]) -> None:
        """Keep names that must not change."""
        for value in values:
            if value.name and value not in self._named:
                if value.name in self._values:
                    raise InvalidArgument(
                        f"the name {value.name!r} is given to two different inputs or outputs",
                        hint="Give each input and each output a name of its own.",
                    )
                self._named.add(value)
                self._values.take(value.name)

    def keep(self, values: Iterable[Value]) -> None:
        """Keep the names that these values have, with a number where they are taken."""
        for value in values:
            if value.name and value not in self._named:
                self._named.add(value)
                value.name = self._values.take(value.name)

    def name_body(self, body: Block, input_name: str) -> None:
        """Name what has no name yet, in the order of the nodes, after keeping all that has one."""
        for node in body.all_nodes():
            self.keep(_values_of(node))
            if node.name:
                node.name = self._nodes.take(node.name)
        self._give_names(body, input_name, "constant")

    def _give_names(self, body: Block, input_name: str, constant_name: str) -> None:
        for value in body.inputs:
            self._give(value, input_name)
        for node in body.nodes:
            if not node.name:
                node.name = self._nodes.take(f"{self._prefix(node)}/{node.op_type}")
            for operand in node.operands:
                if operand is not None and operand.const is not None:
                    self._give(operand, f"{node.name}_constant")
            for index, result in enumerate(node.results):
                # An empty name is a result that is left out.
                if result.name is None:
                    self._give(result, f"{node.name}_output_{index}")
            for key, attribute in node.attributes.items():
                if isinstance(attribute, Block):
                    if attribute.name == "graph":
                        attribute.name = f"{node.name}_{key}"
                    self._give_names(attribute, f"{attribute.name}_input", f"{attribute.name}_constant")
        for value in body.outputs:
            if value.const is not None:
                self._give(value, constant_name)

    def _give(self, value: Value, wish: str) -> None:
        if value not in self._named:
            self._named.add(value)
            value.name = self._values.take(value.name or wish)

    def _prefix(self, node: Node) -> str:
        module = node.place.module
        prefix = self._prefixes.get(module)
        if prefix is None:
            prefix = self._prefixes[module] = module_prefix(module)
        return prefix


def _values_of(node: Node) -> Iterator[Value]:
    for operand in node.operands:
        if operand is not None and operand.const is not None:
            yield operand
    yield from node.results
    for block in node.blocks():
        yield from block.inputs
