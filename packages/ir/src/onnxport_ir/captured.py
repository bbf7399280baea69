"""The captured graph: a model as a list of ATen calls, functional and frozen.

It is the contract between the frontends, which make it, and the lowering, which reads it. Four concepts: a
:class:`Var` is a value (identity is identity, it has no name), an :class:`Eqn` one call of an operator, a
:class:`Block` a body with inputs and outputs, a :class:`CapturedGraph` a block with weights. It needs no torch; a
test writes one by hand::

    x = Var(TensorType(DType.FLOAT32, (2, 3)))
    y = Var(TensorType(DType.FLOAT32, (2, 3)))
    eqn = Eqn.of("aten::relu", [("self", x)], [y])
    graph = CapturedGraph(inputs=(Input(x, "x"),), eqns=(eqn,), outputs=(Output(y, "y"),))

An argument of an equation is a variable, a literal, or a tuple of arguments (a list or tuple in the script
language); there is one per argument of the operator's schema, in the schema's order, with defaults filled in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from onnxport_ir.dtypes import DType
from onnxport_ir.errors import Place
from onnxport_ir.tensors import TensorRef
from onnxport_ir.types import AnyType


@dataclass(frozen=True, slots=True)
class OpName:
    """An operator's name; the overload is empty for the default one.

    Attributes:
        namespace: ``aten``.
        name: ``sum``.
        overload: ``dim_IntList``.
        base: the name without its overload: ``aten::sum``.
    """

    namespace: str
    name: str
    overload: str = ""
    # Worked out once: a graph has many more equations than names, and tables are asked by name for each of them.
    base: str = field(init=False, repr=False, compare=False)
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "base", f"{self.namespace}::{self.name}")
        object.__setattr__(self, "_hash", hash((self.namespace, self.name, self.overload)))

    def __hash__(self) -> int:
        return self._hash

    @staticmethod
    def parse(text: str) -> OpName:
        """Read ``aten::sum.dim_IntList``.

        Raises:
            ValueError: if there is no namespace.
        """
        namespace, colons, rest = text.partition("::")
        if not colons or not rest:
            raise ValueError(f"not an operator name: {text!r}")
        name, _, overload = rest.partition(".")
        return OpName(namespace, name, overload)

    def __str__(self) -> str:
        return f"{self.base}.{self.overload}" if self.overload else self.base


@dataclass(frozen=True, slots=True)
class Device:
    """A device literal, ``cuda:0``; the lowering ignores it."""

    name: str


@dataclass(frozen=True, slots=True)
class Enumeral:
    """A literal of an enumeration that ONNX has no use for, such as a memory format or a layout."""

    kind: str
    value: int


@dataclass(frozen=True, slots=True, eq=False)
class Var:
    """A value of the captured graph.

    Attributes:
        type: what is certain about it: a size that a dynamic axis can have reached is a symbol here.
        hint: a name for people, from the user's code; not unique.
    """

    type: AnyType
    hint: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class TensorLiteral:
    """A constant tensor that stands in the code, not among the model's parameters.

    Attributes:
        tensor: the elements.
        wrapped_number: whether it is a Python number that a trace has turned into a tensor of rank 0; such a
            tensor does not take part in type promotion the way a tensor does.
    """

    tensor: TensorRef
    wrapped_number: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class PyObject:
    """A Python object that was passed to an ``autograd.Function``; only its symbolic function can read it.

    Attributes:
        value: the object.
    """

    value: object


Literal = None | bool | int | float | complex | str | DType | Device | Enumeral | TensorLiteral | PyObject
Arg = Var | Literal | tuple["Arg", ...]


@dataclass(frozen=True, slots=True, eq=False)
class Eqn:
    """One call of an operator.

    Attributes:
        op: the operator.
        args: one argument per argument of the schema, in its order.
        names: the schema's names of the arguments; as long as ``args``.
        outputs: the results; empty for an operator that only acts (a print, a raise).
        blocks: the bodies of ``prim::If`` and ``prim::Loop``.
        place: module and source line.
    """

    op: OpName
    args: tuple[Arg, ...]
    names: tuple[str, ...]
    outputs: tuple[Var, ...]
    blocks: tuple[Block, ...] = ()
    place: Place = field(default_factory=Place)

    @staticmethod
    def of(
        op: str | OpName,
        args: Iterable[tuple[str, Arg]],
        outputs: Sequence[Var],
        blocks: Sequence[Block] = (),
        place: Place | None = None,
    ) -> Eqn:
        """Write an equation from pairs of name and argument."""
        pairs = tuple(args)
        return Eqn(
            OpName.parse(op) if isinstance(op, str) else op,
            tuple(arg for _, arg in pairs),
            tuple(name for name, _ in pairs),
            tuple(outputs),
            tuple(blocks),
            place or Place(),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A body: equations over its inputs and the variables around it."""

    inputs: tuple[Var, ...] = ()
    eqns: tuple[Eqn, ...] = ()
    outputs: tuple[Arg, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """An input of the model.

    Attributes:
        var: the value.
        name: its name in the exported model.
    """

    var: Var
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Param:
    """A weight or buffer.

    Attributes:
        var: the value.
        name: the first qualified name in the model's ``state_dict`` order.
        tensor: the elements.
        aliases: further names of the same tensor (tied weights).
        is_buffer: whether it is a buffer rather than a parameter.
    """

    var: Var
    name: str
    tensor: TensorRef
    aliases: tuple[str, ...] = ()
    is_buffer: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """An output of the model.

    Attributes:
        value: the value.
        name: its name in the exported model.
        axes: names that the user gave to axes, ``((axis, name), ...)``; they replace what is found out of them.
        rank: the number of dimensions in the example, if it is a tensor: a file has to state one, and where only the
            running model can tell, it is this one.
    """

    value: Arg
    name: str
    axes: tuple[tuple[int, str], ...] = ()
    rank: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ModuleCall:
    """One call of a submodule, kept so that modules can become functions.

    Attributes:
        path: the module's qualified name.
        class_name: the module's class, with its Python module.
        first: the index of the call's first equation in ``CapturedGraph.eqns``.
        last: the index after its last one.
    """

    path: str
    class_name: str
    first: int
    last: int


@dataclass(frozen=True, slots=True, eq=False)
class CapturedGraph:
    """A whole model.

    Attributes:
        inputs: the model's tensor inputs, flattened, in the order of the call.
        params: weights and buffers that the equations use, each tensor once.
        eqns: the equations, each after those whose outputs it reads.
        outputs: the model's tensor outputs, flattened.
        name: the class of the model.
        module_classes: the class name of each module path that occurs in places.
        calls: the calls of submodules, outer before inner.
    """

    inputs: tuple[Input, ...]
    eqns: tuple[Eqn, ...]
    outputs: tuple[Output, ...]
    params: tuple[Param, ...] = ()
    name: str = "Model"
    module_classes: dict[str, str] = field(default_factory=dict)
    calls: tuple[ModuleCall, ...] = ()

    def op_counts(self) -> dict[OpName, int]:
        """How often each operator occurs, blocks included."""
        counts: dict[OpName, int] = {}
        for eqn in walk(self.eqns):
            counts[eqn.op] = counts.get(eqn.op, 0) + 1
        return counts

    def __str__(self) -> str:
        from onnxport_ir.captured_text import format_graph  # noqa: PLC0415 - the printer imports this module

        return format_graph(self)


def walk(eqns: Iterable[Eqn]) -> Iterator[Eqn]:
    """All equations, those of inner blocks after the one that holds them."""
    stack = [iter(eqns)]
    while stack:
        for eqn in stack[-1]:
            yield eqn
            if eqn.blocks:
                stack.append(iter([inner for block in eqn.blocks for inner in block.eqns]))
                break
        else:
            stack.pop()


def arg_vars(arg: Arg) -> Iterator[Var]:
    """The variables in an argument, in order, nested ones included."""
    if isinstance(arg, Var):
        yield arg
    elif isinstance(arg, tuple):
        for item in arg:
            yield from arg_vars(item)
