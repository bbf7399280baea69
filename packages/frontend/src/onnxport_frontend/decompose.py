"""Operators that nobody lowers, expressed in others by torch's own decompositions.

A decomposition is traced without data, once at the sizes of the example and, where sizes may vary, at other ones: what
comes out must be the same, or the decomposition has decided something by a size and is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from onnxport_ir.captured import (
    Arg,
    Block,
    CapturedGraph,
    Device,
    Enumeral,
    Eqn,
    Input,
    OpName,
    Output,
    TensorLiteral,
    Var,
)
from onnxport_ir.dims import Dim, DimSource, SymDim, evaluate, hint_of
from onnxport_ir.dtypes import DType
from onnxport_ir.errors import OnnxExporterError
from onnxport_ir.types import ScalarType, TensorType

from onnxport_frontend import _torch_private as private
from onnxport_frontend.functionalize import functionalize_with_report
from onnxport_frontend.fx_graph import FxGraph, NotExpressible, inline_fx
from onnxport_frontend.torch_types import dtype_to_torch
from onnxport_frontend.tracing import TRACING

#: What an open size of the example is in the further traces.
_OTHER_SIZES: tuple[Callable[[int], int], ...] = (lambda size: 2 * size + 1, lambda size: 5 * size + 3)


@dataclass(frozen=True, slots=True, eq=False)
class Decomposed:
    """A graph after decomposition.

    Attributes:
        graph: the graph; the one that was given if nothing was decomposed.
        operators: what was decomposed, each once, in order of first occurrence.
    """

    graph: CapturedGraph
    operators: tuple[OpName, ...] = ()


def decompose(graph: CapturedGraph, is_supported: Callable[[OpName], bool]) -> Decomposed:
    """Express operators that are not supported in ones that are, where torch knows how.

    Args:
        graph: a functional graph.
        is_supported: whether an operator can be lowered as it is.

    Returns:
        The graph in which each equation of an unsupported operator is replaced by equations of supported ones, with
        its place; equations for which there is no exact way stay.
    """
    if all(is_supported(op) or op.namespace == "prim" for op in graph.op_counts()):
        return Decomposed(graph)
    work = _Work(is_supported)
    starts = []
    for eqn in graph.eqns:
        starts.append(len(work.eqns))
        work.visit(eqn)
    starts.append(len(work.eqns))
    if not work.operators:
        return Decomposed(graph)
    outputs = tuple(Output(work.renamed(item.value), item.name, item.axes, item.rank) for item in graph.outputs)
    calls = tuple(replace(call, first=starts[call.first], last=starts[call.last]) for call in graph.calls)
    return Decomposed(replace(graph, eqns=tuple(work.eqns), outputs=outputs, calls=calls), tuple(work.operators))


@dataclass(slots=True, eq=False)
class _Work:
    """A graph under decomposition."""

    is_supported: Callable[[OpName], bool]
    eqns: list[Eqn] = field(default_factory=list)
    operators: dict[OpName, None] = field(default_factory=dict)
    #: What stands for the results of equations that are gone.
    results: dict[Var, Arg] = field(default_factory=dict)
    #: Numbers that are sizes of tensors.
    sizes: dict[Var, Dim] = field(default_factory=dict)
    table: private.Decompositions | None = None
    dims: DimSource = field(default_factory=lambda: DimSource("decomposed"))

    def renamed(self, arg: Arg) -> Arg:
        """An argument, with what stands for results that are gone."""
        if isinstance(arg, Var):
            return self.results.get(arg, arg)
        return tuple(self.renamed(item) for item in arg) if isinstance(arg, tuple) else arg

    def visit(self, eqn: Eqn) -> None:
        if self.results:
            eqn = replace(eqn, args=tuple(self.renamed(arg) for arg in eqn.args))
        if eqn.blocks:
            eqn = replace(eqn, blocks=tuple(self._block(block) for block in eqn.blocks))
        self._note_size(eqn)
        if eqn.blocks or eqn.op.namespace == "prim" or self.is_supported(eqn.op):
            self.eqns.append(eqn)
            return
        found = self._decomposed(eqn)
        if found is None:
            self.eqns.append(eqn)
            return
        eqns, results = found
        self.operators.setdefault(eqn.op)
        self.eqns += eqns
        self.results.update(zip(eqn.outputs, results, strict=True))

    def _block(self, block: Block) -> Block:
        outer, self.eqns = self.eqns, []
        for eqn in block.eqns:
            self.visit(eqn)
        inner, self.eqns = self.eqns, outer
        return Block(block.inputs, tuple(inner), tuple(self.renamed(item) for item in block.outputs))

    def _note_size(self, eqn: Eqn) -> None:
        """Keep track of numbers that are made of sizes, whose value in the example a trace of a decomposition needs."""
        if len(eqn.outputs) != 1:
            return
        (output,) = eqn.outputs
        size = _size(eqn, self.sizes)
        if size is not None:
            self.sizes[output] = size

    def _decomposed(self, eqn: Eqn) -> tuple[list[Eqn], list[Arg]] | None:
        operator = private.overload_of(eqn.op.namespace, eqn.op.name, eqn.op.overload)
        if self.table is None:
            self.table = private.decompositions(lambda *name: self.is_supported(OpName(*name)))
        if operator not in self.table:
            return None
        call = _Call.of(operator, eqn, self.sizes)
        if call is None:
            return None
        try:
            with TRACING:
                graphs = call.traces(self.table)
            if graphs is None:
                return None
            eqns, result = self._functional(call.leaves, *inline_fx(graphs, call.leaves, eqn.place, self.dims))
        except (NotExpressible, OnnxExporterError):
            return None
        results = [result] if len(eqn.outputs) == 1 else list(result) if isinstance(result, tuple) else []
        if len(results) != len(eqn.outputs) or not all(self._is_lowered(item.op) for item in eqns):
            return None
        return eqns, results

    def _functional(self, leaves: Sequence[Arg], eqns: list[Eqn], result: Arg) -> tuple[list[Eqn], Arg]:
        """The equations without writes.

        Raises:
            UnsafeMutation: if there are writes whose effect cannot be proved.
        """
        inputs = tuple(Input(leaf, "") for leaf in dict.fromkeys(leaves) if isinstance(leaf, Var))
        report = functionalize_with_report(CapturedGraph(inputs, tuple(eqns), (Output(result, ""),)))
        if report.mutated_inputs:
            raise NotExpressible("a decomposition that writes to its arguments")
        return list(report.graph.eqns), report.graph.outputs[0].value

    def _is_lowered(self, op: OpName) -> bool:
        return op.namespace == "prim" or self.is_supported(op)


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """A call of an operator, ready to be traced.

    Attributes:
        operator: of ``torch.ops``.
        leaves: the arguments that become inputs of the trace.
        positional: all arguments in the schema's order; :class:`_Slot` where an input of the trace belongs.
        dims: the sizes of each leaf; a number is its own size.
    """

    operator: Any
    leaves: tuple[Arg, ...]
    positional: tuple[tuple[str, Any], ...]
    dims: tuple[Dim | tuple[Dim, ...], ...]

    @staticmethod
    def of(operator: Any, eqn: Eqn, sizes: Mapping[Var, Dim]) -> _Call | None:
        """Read an equation; None if too little is known of an argument."""
        leaves: list[Arg] = []
        dims: list[Dim | tuple[Dim, ...]] = []

        def enter(arg: Arg) -> Any:
            if isinstance(arg, tuple):
                return [enter(item) for item in arg]
            if isinstance(arg, TensorLiteral) and arg.wrapped_number:
                return arg.tensor.numpy().item()
            if isinstance(arg, Var | TensorLiteral):
                leaves.append(arg)
                dims.append(_example_dims(arg, sizes))
                return _Slot(len(leaves) - 1)
            return _python(arg)

        try:
            arguments = tuple((name, enter(arg)) for name, arg in zip(eqn.names, eqn.args, strict=True))
        except NotExpressible:
            return None
        return _Call(operator, tuple(leaves), arguments, tuple(dims))

    def traces(self, table: private.Decompositions) -> FxGraph | None:
        """The decomposition, if it is the same at all sizes that were tried."""
        first = self._trace(_hints(self.dims, lambda size: size), table)
        if first is None:
            return None
        if self._is_dynamic():
            for change in _OTHER_SIZES:
                other = self._trace(_hints(self.dims, change), table)
                if other is None or other.text != first.text:
                    return None
        return first

    def _is_dynamic(self) -> bool:
        return any(
            not isinstance(dim, int) for dims in self.dims for dim in (dims if isinstance(dims, tuple) else [dims])
        )

    def _trace(self, sizes: Sequence[int | tuple[int, ...]], table: private.Decompositions) -> FxGraph | None:
        examples: list[private.ExampleTensor | private.ExampleInt] = []
        for leaf, dims, numbers in zip(self.leaves, self.dims, sizes, strict=True):
            if isinstance(numbers, tuple) and isinstance(dims, tuple):
                dynamic = tuple(not isinstance(dim, int) for dim in dims)
                examples.append(private.ExampleTensor(dtype_to_torch(_dtype(leaf)), numbers, dynamic))
            elif isinstance(numbers, int):
                examples.append(private.ExampleInt(numbers))
        try:
            return FxGraph.of(private.trace_decomposition(self._run, examples, table))
        except NotExpressible:
            raise
        except Exception:
            # torch's decompositions fail in many ways; then there is none for this call.
            return None

    def _run(self, *tensors: Any) -> Any:
        def fill(item: Any) -> Any:
            if isinstance(item, _Slot):
                return tensors[item.index]
            return [fill(inner) for inner in item] if isinstance(item, list) else item

        schema = self.operator._schema.arguments
        keywords = {argument.name for argument in schema if argument.kwarg_only}
        args = [fill(item) for name, item in self.positional if name not in keywords]
        return self.operator(*args, **{name: fill(item) for name, item in self.positional if name in keywords})


@dataclass(frozen=True, slots=True)
class _Slot:
    """The place of an input of the trace."""

    index: int


def _dtype(leaf: Arg) -> DType:
    if isinstance(leaf, TensorLiteral):
        return leaf.tensor.dtype
    if isinstance(leaf, Var) and isinstance(leaf.type, TensorType) and leaf.type.dtype is not None:
        return leaf.type.dtype
    raise NotExpressible("an element type that is not known")


def _example_dims(arg: Var | TensorLiteral, sizes: Mapping[Var, Dim]) -> Dim | tuple[Dim, ...]:
    """The sizes of a tensor, or the number itself.

    Raises:
        NotExpressible: if one is not known for the example.
    """
    if isinstance(arg, TensorLiteral):
        return tuple(arg.tensor.shape)
    if isinstance(arg.type, ScalarType):
        if arg not in sizes or hint_of(sizes[arg]) is None:
            raise NotExpressible("a number that is no size")
        return sizes[arg]
    if not isinstance(arg.type, TensorType) or arg.type.shape is None or arg.type.dtype is None:
        raise NotExpressible("a tensor of unknown type")
    if any(hint_of(dim) is None for dim in arg.type.shape):
        raise NotExpressible("a size without an example")
    return arg.type.shape


def _python(arg: Arg) -> Any:
    if isinstance(arg, DType):
        return dtype_to_torch(arg)
    if isinstance(arg, Device):
        return torch.device("cpu")
    if isinstance(arg, Enumeral):
        # Layouts and memory formats have no effect on values; where they must be given, their default does.
        return None
    if arg is None or isinstance(arg, bool | int | float | complex | str):
        return arg
    raise NotExpressible("an argument that is no tensor or number")


def _hints(dims: Iterable[Dim | tuple[Dim, ...]], change: Callable[[int], int]) -> list[int | tuple[int, ...]]:
    """The sizes at which to trace: named sizes changed all alike, so that formulas of them still hold."""
    dims = list(dims)
    atoms: dict[str, int] = {}
    for dim in (item for entry in dims for item in (entry if isinstance(entry, tuple) else (entry,))):
        if isinstance(dim, SymDim) and dim.name is not None and dim.hint is not None:
            atoms[dim.name] = change(dim.hint)

    def size(dim: Dim) -> int:
        known = evaluate(dim, atoms)
        return change(hint_of(dim) or 0) if known is None else known

    return [tuple(size(dim) for dim in entry) if isinstance(entry, tuple) else size(entry) for entry in dims]


def _size(eqn: Eqn, sizes: Mapping[Var, Dim]) -> Dim | None:
    """The size that an equation gives, if it gives one."""
    name, args = eqn.op.name, eqn.args
    if name in ("size", "sym_size") and len(args) == 2:
        tensor, axis = args
        shape = tensor.type.shape if isinstance(tensor, Var) and isinstance(tensor.type, TensorType) else None
        return None if shape is None or not isinstance(axis, int) or axis >= len(shape) else shape[axis]
    known = [_known(arg, sizes) for arg in args]
    if name in ("NumToTensor", "Int", "IntImplicit", "ScalarImplicit", "item") and known:
        return known[0]
    if name not in _ARITHMETIC or len(known) < 2 or known[0] is None or known[1] is None:
        return None
    if any(item not in (None, 1) for item in known[2:]):
        return None
    return _ARITHMETIC[name](known[0], known[1])


def _known(arg: Arg, sizes: Mapping[Var, Dim]) -> Dim | None:
    if isinstance(arg, TensorLiteral) and not arg.tensor.shape and arg.tensor.dtype.is_integer:
        return int(arg.tensor.numpy().item())
    if isinstance(arg, Var):
        return sizes.get(arg)
    return arg if isinstance(arg, int) and not isinstance(arg, bool) else None


_ARITHMETIC: dict[str, Callable[[Dim, Dim], Dim]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "floordiv": lambda a, b: a // b,
    "floor_divide": lambda a, b: a // b,
}
