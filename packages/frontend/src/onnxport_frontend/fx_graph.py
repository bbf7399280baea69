"""Graphs of ``torch.fx``, as ``make_fx`` makes them of a decomposition, as equations."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from onnxport_ir.captured import Arg, Enumeral, Eqn, OpName, Var
from onnxport_ir.dims import Dim, DimSource
from onnxport_ir.errors import Place
from onnxport_ir.types import AnyType, ScalarType, SequenceType, TensorType

from onnxport_frontend._torch_private import OpOverload
from onnxport_frontend.schema import Schema, literal, read_schema, tensor_literal
from onnxport_frontend.torch_types import dtype_from_torch


class NotExpressible(Exception):
    """Something that equations do not have, or whose value is not known."""


#: Python's arithmetic on sizes, as the script language has it.
_ON_SIZES: dict[Any, str] = {
    operator.add: "aten::add.int",
    operator.sub: "aten::sub.int",
    operator.mul: "aten::mul.int",
    operator.floordiv: "aten::floordiv.int",
    operator.mod: "aten::remainder.int",
    operator.neg: "aten::neg.int",
    operator.truediv: "aten::div.int",
    torch.sym_max: "prim::max.int",
    torch.sym_min: "prim::min.int",
    torch.sym_float: "aten::Float.int",
}
#: Kinds of numbers that an operator can give.
_SCALARS: dict[Literal["bool", "int", "float"], tuple[type, ...]] = {
    "bool": (bool, torch.SymBool),
    "int": (int, torch.SymInt),
    "float": (float, torch.SymFloat),
}
_UNPACK = OpName("prim", "ListUnpack")
#: What only marks or copies its argument.
_SAME = frozenset({"aten::lift_fresh_copy", "aten::lift_fresh", "aten::detach", "aten::alias"})


@dataclass(frozen=True, slots=True, eq=False)
class FxGraph:
    """A traced decomposition.

    Attributes:
        module: the graph with its constants.
        text: what it does, without the sizes that are symbols; two traces with one text do the same.
    """

    module: torch.fx.GraphModule
    text: str

    @staticmethod
    def of(module: torch.fx.GraphModule) -> FxGraph:
        """Read a traced graph.

        Raises:
            NotExpressible: if it holds calls that are none of operators.
        """
        module.graph.eliminate_dead_code()
        names: dict[torch.fx.Node, str] = {}
        lines = []
        for index, node in enumerate(module.graph.nodes):
            names[node] = f"%{index}"
            if node.op == "get_attr":
                constant = getattr(module, node.target)
                if not isinstance(constant, torch.Tensor) or type(constant) not in (torch.Tensor, torch.nn.Parameter):
                    raise NotExpressible("a constant that is no tensor with data")
                lines.append(f"{names[node]} = {constant.dtype} {constant.tolist()}")
                continue
            args = _text((node.args, node.kwargs), names)
            lines.append(f"{names[node]} = {node.op} {node.target} {args} {_meta(node.meta.get('val'))}")
        return FxGraph(module, "\n".join(lines[_count_inputs(module) :]))


def _text(value: Any, names: Mapping[torch.fx.Node, str]) -> str:
    """An argument of a node."""
    if isinstance(value, torch.fx.Node):
        return names[value]
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_text(item, names)}' for key, item in value.items())}}}"
    return f"[{', '.join(_text(item, names) for item in value)}]" if isinstance(value, list | tuple) else repr(value)


def _count_inputs(module: torch.fx.GraphModule) -> int:
    return sum(node.op == "placeholder" for node in module.graph.nodes)


def _meta(value: Any) -> str:
    """Element type and fixed sizes of a result."""
    if isinstance(value, torch.Tensor):
        return f"{value.dtype}[{', '.join(map(_meta, value.shape))}]"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_meta, value))}]"
    return str(value) if isinstance(value, bool | int | float) else type(value).__name__


def inline_fx(graph: FxGraph, args: Sequence[Arg], place: Place, dims: DimSource) -> tuple[list[Eqn], Arg]:
    """A traced graph as equations.

    Args:
        graph: the graph.
        args: what its inputs are.
        place: the place of the equations.
        dims: gives out sizes of which nothing is known.

    Returns:
        The equations, and what the graph returns.

    Raises:
        NotExpressible: if an equation cannot say it.
    """
    reader = _Reader(graph.module, place, dims)
    inputs = iter(args)
    for node in graph.module.graph.nodes:
        match node.op:
            case "placeholder":
                reader.values[node] = next(inputs)
            case "get_attr":
                reader.values[node] = tensor_literal(getattr(graph.module, node.target))
            case "call_function":
                reader.values[node] = reader.call(node)
            case "output":
                return reader.eqns, reader.arg(node.args[0])
            case _:
                raise NotExpressible(f"a node of kind {node.op}")
    raise NotExpressible("a graph without results")


class _Reader:
    """Makes equations of nodes."""

    def __init__(self, module: torch.fx.GraphModule, place: Place, dims: DimSource) -> None:
        self.eqns: list[Eqn] = []
        self.values: dict[torch.fx.Node, Arg] = {}
        self._module = module
        self._place = place
        self._dims = dims
        self._schemas: dict[Any, Schema] = {}

    def call(self, node: torch.fx.Node) -> Arg:
        """Enter a call; gives what stands for its result."""
        target: Any = node.target
        if target is operator.getitem:
            whole, index = self.arg(node.args[0]), node.args[1]
            if not isinstance(whole, tuple) or not isinstance(index, int):
                raise NotExpressible("an item of what is no tuple")
            return whole[index]
        if target in _ON_SIZES:
            numbers = tuple(map(self.arg, node.args))
            kind: AnyType = ScalarType("float" if isinstance(node.meta.get("val"), torch.SymFloat) else "int")
            return self._emit(OpName.parse(_ON_SIZES[target]), ("a", "b")[: len(numbers)], numbers, kind)
        if not isinstance(target, OpOverload):
            raise NotExpressible(f"a call of {target}")
        return self._operator(node, target)

    def _operator(self, node: torch.fx.Node, target: OpOverload) -> Arg:
        if target not in self._schemas:
            self._schemas[target] = read_schema(str(target._schema))
        schema = self._schemas[target]
        given = {spec.name: spec.default for spec in schema.arguments if spec.has_default}
        given.update(zip(schema.names, map(self.arg, node.args), strict=False))
        given.update({name: self.arg(value) for name, value in node.kwargs.items()})
        if schema.op.base in _SAME:
            return given["self"]
        args, names = schema.bind([given[name] for name in schema.names])
        value = node.meta.get("val")
        if not isinstance(value, list):
            return self._emit(schema.op, names, args, self._type(value))
        kinds = [self._single(item) for item in value]
        if not kinds:
            raise NotExpressible("an empty list")
        whole = self._emit(schema.op, names, args, SequenceType(TensorType()))
        return self._emit(_UNPACK, ("list",), (whole,), kinds)

    def _emit(self, op: OpName, names: tuple[str, ...], args: tuple[Arg, ...], kind: AnyType | list[AnyType]) -> Arg:
        outputs = tuple(Var(item) for item in kind) if isinstance(kind, list) else (Var(kind),)
        self.eqns.append(Eqn(op, tuple(args), tuple(names), outputs, place=self._place))
        return outputs if isinstance(kind, list) else outputs[0]

    def _type(self, value: Any) -> AnyType | list[AnyType]:
        if isinstance(value, torch.Tensor):
            return self._tensor_type(value)
        if isinstance(value, tuple):
            return [self._single(item) for item in value]
        return self._single(value)

    def _single(self, value: Any) -> AnyType:
        if isinstance(value, torch.Tensor):
            return self._tensor_type(value)
        for kind, classes in _SCALARS.items():
            if isinstance(value, classes):
                return ScalarType(kind)
        raise NotExpressible(f"a result of type {type(value).__name__}")

    def _tensor_type(self, value: torch.Tensor) -> TensorType:
        try:
            dtype = dtype_from_torch(value.dtype)
        except TypeError as error:
            raise NotExpressible(str(error)) from error
        return TensorType(dtype, tuple(self._dim(size) for size in value.shape))

    def _dim(self, size: Any) -> Dim:
        return size if isinstance(size, int) else self._dims.unknown(size.node.hint)

    def arg(self, value: Any) -> Arg:
        """A node's argument."""
        if isinstance(value, torch.fx.Node):
            return self.values[value]
        if isinstance(value, list | tuple):
            return tuple(self.arg(item) for item in value)
        if isinstance(value, torch.memory_format | torch.layout):
            return Enumeral(type(value).__name__, 0)
        return literal(value)
