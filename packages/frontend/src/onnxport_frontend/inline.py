"""From TorchScript's graphs, one per method, to one list of equations.

Calls of methods and functions are followed; classes, their attributes, tuples and lists that are never written to exist
only while this runs. What an operator is called with has been bound to its schema when it becomes an equation.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from onnxport_ir.captured import Arg, Block, Eqn, ModuleCall, OpName, Var
from onnxport_ir.errors import CaptureFailed, InternalError, NotYetSupported, OnnxExporterError, Place, UnsafeMutation
from onnxport_ir.types import AnyType, OptionalType, ScalarType, SequenceType

from onnxport_frontend import _torch_private as private
from onnxport_frontend.aliasing import SILENT_ALIASES
from onnxport_frontend.attributes import SetAttributes, hands_back
from onnxport_frontend.bodies import follow_if, follow_loop, type_of
from onnxport_frontend.dictionaries import EnumMember, Journal, Record, StaticDict, StaticObject, call_dict, call_enum
from onnxport_frontend.fold import FOLDED, fold
from onnxport_frontend.identity import NEW_OBJECTS, Choice, Identities
from onnxport_frontend.list_writes import LIST_WRITES, built, escapes, is_written, refuse_lost_writes
from onnxport_frontend.places import Places
from onnxport_frontend.python_calls import follow_python_call
from onnxport_frontend.quantisation import unpacked
from onnxport_frontend.schema import Schemas, literal, tensor_literal
from onnxport_frontend.script_nodes import NODES
from onnxport_frontend.value_types import Typer
from onnxport_frontend.weights import Weights


@dataclass(frozen=True, slots=True, eq=False)
class _Module:
    """A module in a graph: its path in the user's model, and its C++ object."""

    path: str
    cpp: Any

    def member(self, name: str) -> str:
        """The path of an attribute."""
        return f"{self.path}.{name}" if self.path else name


@dataclass(frozen=True, slots=True, eq=False)
class _Function:
    """A function in a graph; its body is reached through the call."""


# A tuple may hold any of these.
Known = Arg | _Module | _Function | Record | EnumMember | tuple[Any, ...]


@dataclass(slots=True, eq=False)
class Frame:
    """One method or function being followed: whose it is, and what its values are, by their numbers in its graph."""

    path: str
    values: dict[int, Known] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Inliner:
    """Follows graphs and collects equations.

    Attributes:
        weights: the model's tensors.
        typer: gives variables their types.
        class_names: the class of each module of the user's model, with its Python module.
        eqns: the equations so far.
        calls: the calls of submodules so far.
        paths: the module paths that equations name.
        identities: which values may be one object.
        functions: the classes of the ``autograd.Function`` calls, by the name that the equation has.
        packed: what packed weights hold, by the attribute that holds them.
        attributes: what a script has put into its modules' attributes.
        block_depth: how many branches and loops are around what is followed now.
        journal: what was written to dictionaries and objects.
        schemas: the schemas read so far.
        has_written_constant: whether something has written to a constant, before the trace or during it.
        is_on_cpu: whether the model and the example are on the CPU.
    """

    weights: Weights
    typer: Typer
    class_names: dict[str, str]
    eqns: list[Eqn] = field(default_factory=list)
    calls: list[ModuleCall] = field(default_factory=list)
    paths: dict[str, None] = field(default_factory=dict)
    functions: dict[str, type] = field(default_factory=dict)
    has_written_constant: bool = False
    packed: dict[str, Arg] = field(default_factory=dict)
    attributes: SetAttributes = field(default_factory=SetAttributes)
    block_depth: int = 0
    journal: Journal = field(default_factory=Journal)
    schemas: Schemas = field(default_factory=Schemas)
    is_on_cpu: bool = True
    _places: Places = field(default_factory=Places)
    # Inputs are different tensors, as they are in the file.
    identities: Identities = field(default_factory=Identities)
    # What a branch gives that has left the function or the loop.
    _uninitialized: set[Var] = field(default_factory=set)
    _root: private.Graph | None = None
    _writes_lists: bool | None = None

    def module(self, cpp: Any, args: Sequence[Known]) -> list[Known]:
        """Follow ``forward`` of the user's model; gives its results."""
        return self.graph(private.method_graph(cpp, "forward"), "", [_Module("", cpp), *args])

    def unpack(self, value: Var, types: Sequence[AnyType]) -> tuple[Var, ...]:
        """Take a tuple, or a list of that many elements, apart that only the running model has."""
        outputs = tuple(Var(type_) for type_ in types)
        is_list = isinstance(value.type, SequenceType)
        name, argument = ("prim::ListUnpack", "arg0") if is_list else ("prim::TupleUnpack", "tup")
        self.eqns.append(Eqn.of(name, [(argument, value)], outputs))
        return outputs

    def graph(self, graph: private.Graph, path: str, args: Sequence[Known]) -> list[Known]:
        """Follow a graph with these values as its inputs; gives its results."""
        frame = Frame(path)
        if self._root is None:
            self._root = graph
        for value, arg in zip(graph.inputs(), args, strict=True):
            frame.values[value.unique()] = arg
        self._nodes(graph.nodes(), frame)
        return [frame.values[value.unique()] for value in graph.outputs()]

    def _nodes(self, nodes: Iterable[private.Node], frame: Frame) -> None:
        for node in nodes:
            rule = _RULES.get(node.kind())
            try:
                if rule is None:
                    self._operator(node, frame)
                else:
                    rule(self, node, frame)
            except OnnxExporterError as error:
                error.at(self._nearest_place(node, frame))
                raise
            except Exception as error:
                # A fault in here, or a node that no version of torch has had so far: say where, and keep the cause.
                place = self._place(node, frame)
                raise InternalError(f"{node.kind()} could not be followed: {error!r}", where=place) from error

    def _place(self, node: private.Node, frame: Frame) -> Place:
        return self._places(frame.path, node.sourceRange())

    def _nearest_place(self, node: private.Node, frame: Frame) -> Place:
        """The place of a node; of its neighbours where it has none, as ``with`` and ``isinstance``."""
        nodes = [node, *(value.node() for value in private.inputs_of(node))]
        nodes += [use.user for value in private.outputs_of(node) for use in value.uses()]
        places = [self._place(item, frame) for item in nodes]
        return next((place for place in places if place.file is not None), places[0])

    def args(self, node: private.Node, frame: Frame) -> list[Arg]:
        """The inputs of a node, as arguments of an equation."""
        return [as_arg(known) for known in self.known(node, frame)]

    def known(self, node: private.Node, frame: Frame) -> list[Known]:
        """The inputs of a node."""
        return [frame.values[value.unique()] for value in private.inputs_of(node)]

    # One method per kind of node; each enters the node's outputs into the frame.

    def _operator(self, node: private.Node, frame: Frame) -> None:
        known = [frame.values[value.unique()] for value in private.inputs_of(node)]
        if known and isinstance(known[0], (StaticDict, EnumMember)):
            self._static(node, frame)
            return
        schema = self.schemas.of(node)
        given = [as_arg(item) for item in known]
        outputs = private.outputs_of(node)
        if schema is None:
            op = OpName.parse(node.kind())
            args, names = tuple(given), tuple(f"arg{index}" for index in range(len(given)))
        else:
            op = schema.op
            args, names = schema.bind(given)
            if schema.is_mutable:
                refuse_lost_writes(schema, args)
            folded, value = fold(op, args) if op.name in FOLDED else (False, None)
            if not folded and op.name in ("__is__", "__isnot__"):
                folded, value = self._identity(op.name, args)
            if folded and len(outputs) == 1:
                frame.values[outputs[0].unique()] = value
                return
        variables = self.typer.results(schema, args, outputs)
        if (schema is None or schema.returns_alias or op.base in SILENT_ALIASES) and op.base not in NEW_OBJECTS:
            self.identities.may_be_old(variables)
        self.emit(node, frame, op, args, names, variables)
        for output, variable in zip(outputs, variables, strict=True):
            frame.values[output.unique()] = variable

    def _identity(self, name: str, args: tuple[Arg, ...]) -> tuple[bool, Arg]:
        """Whether two tensors are one object, if that is known."""
        found, wanted = self.identities.same(*args), name == "__is__"
        if not isinstance(found, Choice):
            return found is not None, found is wanted
        if found.where_true is wanted:
            return True, found.condition
        opposite = Var(ScalarType("bool"))
        self.eqns.append(Eqn.of("aten::__not__", [("self", found.condition)], (opposite,)))
        return True, opposite

    def _static(self, node: private.Node, frame: Frame) -> None:
        """An operator on a dictionary or a member of an enumeration: it has a result now."""
        first, *rest = [frame.values[value.unique()] for value in private.inputs_of(node)]
        name = OpName.parse(node.kind()).name
        if isinstance(first, StaticDict):
            result = call_dict(name, first, rest, self.block_depth, self.journal)
        else:
            result = call_enum(name, [first, *rest])
        outputs = private.outputs_of(node)
        if outputs:
            frame.values[outputs[0].unique()] = result

    def emit(
        self,
        node: private.Node,
        frame: Frame,
        op: OpName,
        args: tuple[Arg, ...],
        names: tuple[str, ...],
        outputs: tuple[Var, ...],
        blocks: tuple[Block, ...] = (),
    ) -> None:
        """Add an equation for a node."""
        self.paths.setdefault(frame.path)
        self.eqns.append(Eqn(op, args, names, outputs, blocks, self._place(node, frame)))

    def _constant(self, node: private.Node, frame: Frame) -> None:
        output = node.output()
        value = output.toIValue()
        if value is None and output.type().kind() == "FunctionType":
            frame.values[output.unique()] = _Function()
        else:
            frame.values[output.unique()] = value if type(value) in _PLAIN else self._known(value)

    def _known(self, value: Any) -> Known:
        return _enum_member(value) if isinstance(value, enum.Enum) else self._literal(value)

    def _literal(self, value: Any) -> Arg:
        if isinstance(value, torch.Tensor):
            # A parameter that the code reaches without its module is still that parameter.
            known = self.weights.find(value)
            self.has_written_constant |= known is None and bool(private.write_count(value))
            return known or tensor_literal(value)
        if isinstance(value, (list, tuple)):
            return tuple(self._literal(item) for item in value)
        return literal(value)

    def _get_attr(self, node: private.Node, frame: Frame) -> None:
        owner, name = frame.values[node.input().unique()], node.s("name")
        if isinstance(owner, StaticObject):
            frame.values[node.output().unique()] = owner.at(name)
            return
        if not isinstance(owner, _Module):
            raise NotYetSupported(f"the attribute {name} of an object that is no module")
        value = owner.cpp.getattr(name)
        path = owner.member(name)
        if private.is_cpp_module(value):
            frame.values[node.output().unique()] = _Module(path, value)
        elif path in self.attributes:
            frame.values[node.output().unique()] = self.attributes.get(path)
        else:
            self.attributes.note_read(path)
            frame.values[node.output().unique()] = self._attribute_of(path, value)

    def _attribute_of(self, path: str, value: Any) -> Known:
        if isinstance(value, enum.Enum):
            return _enum_member(value)
        if isinstance(value, dict):
            # It would be another dictionary with each use, and outlives the call: writes to it are refused.
            pairs = [(key, self._attribute_of(f"{path}.{key}", item)) for key, item in value.items()]
            return StaticDict.of(pairs, -1)
        return self._attribute(path, value)

    def _attribute(self, path: str, value: Any) -> Arg:
        if isinstance(value, torch.Tensor):
            return self.weights.var(path, value)
        if isinstance(value, (list, tuple)):
            return tuple(self._attribute(f"{path}.{index}", item) for index, item in enumerate(value))
        if isinstance(value, torch.ScriptObject):
            if path not in self.packed:
                self.packed[path] = unpacked(value, path, self.weights.var)
            return self.packed[path]
        try:
            return literal(value)
        except CaptureFailed as error:
            raise NotYetSupported(f"the attribute {path} of type {type(value).__name__}") from error

    def _set_attr(self, node: private.Node, frame: Frame) -> None:
        owner, value = self.known(node, frame)
        if isinstance(owner, StaticObject):
            name = node.s("name")
            if name in owner.unsure or not hands_back(self.eqns, owner.entries.get(name), value):
                self.journal.before(owner)
                owner.entries[name] = value
                owner.unsure -= {name}
            return
        if not isinstance(owner, _Module):
            raise NotYetSupported(f"the attribute {node.s('name')} of an object that is no module")
        if self._is_same_tensor(owner, node.s("name"), value):
            # `self.count += 1` has written to the tensor, and sets the attribute to what it is.
            return
        path, held = owner.member(node.s("name")), owner.cpp.getattr(node.s("name"))
        if private.is_cpp_module(held) or (isinstance(held, torch.Tensor) and self.weights.is_parameter(held)):
            raise UnsafeMutation(f"the model puts something else in the place of {path}")
        before = self.attributes.get(path) if path in self.attributes else self._attribute_of(path, held)
        self.attributes.set(path, value, before, held, self.journal, self.block_depth)

    def _is_same_tensor(self, owner: _Module, name: str, value: Known) -> bool:
        """Whether a value is a module's tensor, or what an operator that writes to that hands back."""
        before = owner.cpp.getattr(name)
        if not isinstance(before, torch.Tensor) or owner.member(name) in self.attributes:
            return False
        var = self.weights.var(owner.member(name), before)
        return hands_back(self.eqns, var, value)

    def _call_method(self, node: private.Node, frame: Frame) -> None:
        owner, *args = self.known(node, frame)
        name = node.s("name")
        if isinstance(owner, StaticObject):
            self.bind(node, self.graph(private.callee_graph(node), frame.path, [owner, *args]), frame)
            return
        if not isinstance(owner, _Module):
            raise NotYetSupported(f"the method {name} of an object that is no module")
        first, position = len(self.eqns), len(self.calls)
        path = owner.path or ""
        results = self.graph(private.method_graph(owner.cpp, name), path, [owner, *args])
        self.bind(node, results, frame)
        if path and not self.block_depth:
            self.calls.insert(position, ModuleCall(path, self.class_names.get(path, ""), first, len(self.eqns)))

    def _call_function(self, node: private.Node, frame: Frame) -> None:
        _, *args = self.known(node, frame)
        self.bind(node, self.graph(private.callee_graph(node), frame.path, args), frame)

    def bind(self, node: private.Node, results: Sequence[Known], frame: Frame) -> None:
        """Say what the outputs of a node are."""
        for value, result in zip(private.outputs_of(node), results, strict=True):
            frame.values[value.unique()] = result

    def _sequence(self, node: private.Node, frame: Frame) -> None:
        """A tuple, or a list: its elements, unless something may write to the list."""
        output = node.output()
        is_list = node.kind() == "prim::ListConstruct"
        if is_list and (is_written(output, self.schemas) or (escapes(output) and self._has_list_writes())):
            self._operator(node, frame)
        else:
            # A tuple may hold what exists only while graphs are followed, as long as it is taken apart again.
            frame.values[output.unique()] = tuple(self.args(node, frame) if is_list else self.known(node, frame))

    def _has_list_writes(self) -> bool:
        """Whether anything in the whole program writes to a list."""
        if self._writes_lists is None:
            self._writes_lists = self._root is None or private.calls_any(self._root, LIST_WRITES | {"prim::fork"})
        return self._writes_lists

    def _dict(self, node: private.Node, frame: Frame) -> None:
        given = self.known(node, frame)
        pairs = [(as_arg(key), value) for key, value in zip(given[0::2], given[1::2], strict=True)]
        frame.values[node.output().unique()] = StaticDict.of(pairs, self.block_depth)

    def _cast(self, node: private.Node, frame: Frame) -> None:
        """What only the compiler needs to know, unless the value may be None when the model runs."""
        (value,) = private.inputs_of(node)
        known = frame.values[value.unique()]
        if node.output().type().kind() == "NoneType":
            # Where the program has asked whether it is None, and it is.
            frame.values[node.output().unique()] = None
        elif isinstance(known, Var) and isinstance(known.type, OptionalType):
            self._operator(node, frame)
        else:
            frame.values[node.output().unique()] = known

    def _unpack(self, node: private.Node, frame: Frame) -> None:
        value = frame.values[node.input().unique()]
        if isinstance(value, Var):
            value = built(self.eqns, value) or value
        if isinstance(value, tuple) and len(value) == len(private.outputs_of(node)):
            self.bind(node, value, frame)
        else:
            self._operator(node, frame)

    def _tuple_index(self, node: private.Node, frame: Frame) -> None:
        value, index = self.known(node, frame)
        if isinstance(value, tuple) and isinstance(index, int):
            frame.values[node.output().unique()] = value[index]
        else:
            self._operator(node, frame)

    def _tuple_slice(self, node: private.Node, frame: Frame) -> None:
        (value,) = self.known(node, frame)
        if not isinstance(value, tuple):
            raise NotYetSupported("a slice of a tuple that only the running model has")
        frame.values[node.output().unique()] = value[node.i("beg") : node.i("end")]

    def run(self, block: private.Block, frame: Frame) -> list[Known]:
        """Follow a body; its values are in the same numbering as those around it. Gives its results."""
        self._nodes(block.nodes(), frame)
        return [frame.values[value.unique()] for value in block.outputs()]

    def enter(self, values: Iterable[private.Value], known: Sequence[Known], frame: Frame) -> None:
        """Say what values are."""
        for value, found in zip(values, known, strict=True):
            frame.values[value.unique()] = found

    def collect(self, body: Callable[[], list[Known]]) -> tuple[tuple[Eqn, ...], list[Known]]:
        """The equations of a body, and what it gives."""
        outer, self.eqns = self.eqns, []
        self.block_depth += 1
        try:
            results = body()
            return tuple(self.eqns), results
        finally:
            self.eqns = outer
            self.block_depth -= 1

    def as_arg(self, known: Known) -> Arg:
        """A value as an argument; see :func:`as_arg`."""
        return as_arg(known)

    def variable(self, kind: AnyType) -> Var:
        """A value that a branch or loop gives, of which nothing but the type is known."""
        return self.typer.input(kind, "")

    def is_uninitialized(self, known: Known) -> bool:
        """Whether a value is never read."""
        return isinstance(known, Var) and known in self._uninitialized

    def never_read(self, known: Known) -> None:
        """Note that nobody reads a value."""
        if isinstance(known, Var):
            self._uninitialized.add(known)

    def type_of(self, known: Known) -> AnyType | None:
        """The type of a value for a variable that may be it; None if it is never read."""
        return None if self.is_uninitialized(known) else type_of(as_arg(known))

    def _no_value(self, node: private.Node, frame: Frame) -> None:
        self._operator(node, frame)
        for value in private.outputs_of(node):
            self.never_read(frame.values[value.unique()])

    def _container_item(self, node: private.Node, frame: Frame) -> None:
        """A module of a ModuleList or ModuleDict."""
        owner, index = self.known(node, frame)
        if not isinstance(owner, _Module) or not isinstance(index, int | str):
            raise NotYetSupported(
                "a module that is chosen by an index which depends on the input",
                hint="Branch on the index, and call the modules in the branches.",
            )
        name = str(index)
        frame.values[node.output().unique()] = _Module(owner.member(name), owner.cpp.getattr(name))


_PLAIN = frozenset({type(None), bool, int, float, str})

_RULES: dict[str, Callable[[Inliner, private.Node, Frame], None]] = {
    "prim::Constant": Inliner._constant,
    "prim::GetAttr": Inliner._get_attr,
    "prim::SetAttr": Inliner._set_attr,
    "prim::CallMethod": Inliner._call_method,
    "prim::CallFunction": Inliner._call_function,
    "prim::ListConstruct": Inliner._sequence,
    "prim::TupleConstruct": Inliner._sequence,
    "prim::DictConstruct": Inliner._dict,
    "prim::TupleUnpack": Inliner._unpack,
    "prim::ListUnpack": Inliner._unpack,
    "prim::TupleIndex": Inliner._tuple_index,
    "prim::TupleSlice": Inliner._tuple_slice,
    "prim::unchecked_cast": Inliner._cast,
    "prim::If": follow_if,
    "prim::Loop": follow_loop,
    "prim::Uninitialized": Inliner._no_value,
    **NODES,
    "prim::ModuleContainerIndex": Inliner._container_item,
    "prim::PythonOp": follow_python_call,
}


def as_arg(value: Known) -> Arg:
    """A value as an argument.

    Raises:
        NotYetSupported: for what exists only while graphs are followed.
    """
    if not isinstance(value, (_Module, _Function, Record, EnumMember)):
        return tuple(map(as_arg, value)) if value.__class__ is tuple else value
    if isinstance(value, _Module):
        raise NotYetSupported(f"the module {value.path} as a value")
    if isinstance(value, _Function):
        raise NotYetSupported("a function as a value")
    if isinstance(value, EnumMember):
        raise NotYetSupported(f"{value.enum}.{value.name} as a value that a branch or loop gives, or in a list")
    raise NotYetSupported(f"{value.what} as an argument or in a list or tuple")


def _enum_member(value: enum.Enum) -> EnumMember:
    return EnumMember(type(value).__qualname__, value.name, literal(value.value))
