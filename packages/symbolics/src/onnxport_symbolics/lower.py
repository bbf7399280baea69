"""The lowering: a captured graph, one equation after the other, through its handlers to an ONNX model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Literal

from onnxport_ir import (
    Block,
    CapturedGraph,
    Eqn,
    Model,
    ModuleCall,
    OpName,
    OptionalType,
    Output,
    ScalarType,
    SequenceType,
    SymDim,
    TensorLiteral,
    TensorType,
    Value,
    Var,
)
from onnxport_ir.captured import Arg, arg_vars, walk
from onnxport_ir.errors import (
    InternalError,
    LoweringError,
    NeedsStatic,
    Refusal,
    UnsupportedCase,
    UnsupportedOperator,
    UnsupportedOperators,
    merge_refusals,
)
from onnxport_ir.naming import finish_outputs
from onnxport_ir.rules.common import ShapeMismatch
from onnxport_ir.types import AnyType, scalar_dtype

from onnxport_symbolics.binder import Lowered
from onnxport_symbolics.complex_values import ComplexValue, as_pairs, holds_complex, is_complex_type, pair, pair_type
from onnxport_symbolics.control import CONTROL
from onnxport_symbolics.emitter import Emitter, Scope, require_tensors
from onnxport_symbolics.known_types import onnx_type, refine
from onnxport_symbolics.loops import known_int
from onnxport_symbolics.op import Op
from onnxport_symbolics.quantized_values import ON_REAL_NUMBERS, QuantizedValue, RealNumbers, holds_quantized
from onnxport_symbolics.registry import COMPLEX, Handler, Registry
from onnxport_symbolics.script_lists import HAND_ON, PICKS, WRITES, as_content
from onnxport_symbolics.structures import (
    POISONED,
    TAKES_MAYBE,
    Columns,
    ListCell,
    Maybe,
    ModelRaises,
    Pieces,
    Poisoned,
    contents,
    contents_once,
    is_list_value,
    raise_refused,
)
from onnxport_symbolics.target import Target
from onnxport_symbolics.watching import Watcher, run_watched

#: What becomes of loops with a constant number of turns.
Loops = Literal["keep", "unroll"]


def lower(
    graph: CapturedGraph,
    registry: Registry,
    target: Target,
    *,
    loops: Loops = "keep",
    complex_pairs: bool = False,
    watcher: Watcher | None = None,
    separate: Sequence[ModuleCall] = (),
) -> Model:
    """Lower a captured graph to ONNX.

    Args:
        graph: the model; functional and checked.
        registry: the handlers.
        target: the opset to lower to.
        loops: whether loops with a constant number of turns are kept, or their turns written one after the other.
        complex_pairs: whether complex inputs and outputs become real ones with a last axis of size 2; else they are
            refused.
        watcher: is told of each equation.
        separate: calls of modules, outer before inner, that reuse no node from outside, and whose nodes nobody outside
            reuses, so that equal calls are lowered to equal nodes.

    Returns:
        The model, with types on everything that is known; values have no names yet but for inputs, outputs and
        weights.

    Raises:
        LoweringError: what the target cannot express; :class:`UnsupportedOperators` if it is more than one thing.
    """
    block = Block(name=graph.name)
    emitter = Emitter(target.opset, block, folds_weights=target.folds_weights)
    lowering = Lowering(registry, emitter, graph, loops, complex_pairs)
    lowering.inputs(graph, block)
    try:
        if watcher is None and not separate:
            lowering.run(graph.eqns)
        else:
            run_watched(lowering, graph, block, watcher, separate)
    except ModelRaises:
        lowering.raise_refusals()
        raise UnsupportedCase("the model raises an error whatever its input is", where=lowering.op.place) from None
    lowering.raise_refusals()
    block.outputs = lowering.outputs(graph.outputs)
    lowering.raise_refusals()
    for value in block.outputs:
        require_tensors(value.dtype, target.opset)
    model = Model(block, {"": target.opset}, ir_version=target.ir_version)
    finish_outputs(model, [output.name for output in graph.outputs])
    for value, output in zip(block.outputs, graph.outputs, strict=True):
        if value.is_tensor and value.shape is None and output.rank is not None:
            dims = tuple(lowering.op.unknown_dim() for _ in range(output.rank))
            value.value_type = TensorType(value.dtype, dims)
        _name_axes(value, output)
    return model


def refusals(
    graph: CapturedGraph, registry: Registry, target: Target, *, loops: Loops = "keep", complex_pairs: bool = False
) -> list[Refusal]:
    """What :func:`lower` would refuse of a graph, each operator and place once.

    Args:
        graph: as for :func:`lower`.
        registry: as for :func:`lower`.
        target: as for :func:`lower`.
        loops: as for :func:`lower`.
        complex_pairs: as for :func:`lower`.
    """
    block = Block(name=graph.name)
    lowering = Lowering(registry, Emitter(target.opset, block), graph, loops, complex_pairs)
    lowering.inputs(graph, block)
    with suppress(ModelRaises):
        lowering.run(graph.eqns)
    return merge_refusals(lowering.refusals)


_UNPACKS = frozenset({"prim::ListUnpack", "prim::TupleUnpack"})
_NO_NUMBERS: frozenset[Value] = frozenset()


class Attempt:
    """Something that is lowered on trial; set ``succeeded`` to keep it."""

    succeeded = False


class Lowering:
    """The state of one lowering.

    Attributes:
        op: the builder that handlers get.
        env: what each variable was lowered to.
        refusals: what could not be lowered so far.
        loops: what becomes of loops with a constant number of turns.
        used: the variables that something reads; empty if the graph has no blocks.
    """

    def __init__(
        self,
        registry: Registry,
        emitter: Emitter,
        graph: CapturedGraph,
        loops: Loops = "keep",
        complex_pairs: bool = False,
    ) -> None:
        self.op = Op(emitter)
        self._complex_pairs = complex_pairs
        self.loops: Loops = loops
        self.used = used_variables(graph)
        # Lists need no identity where none is written to and none leaves a block.
        self._has_lists = bool(self.used) or any(op.base in WRITES for op in graph.op_counts())
        self._written: list[dict[ListCell, Lowered]] = []
        self.env: dict[Var, Lowered] = {}
        self.refusals: list[Refusal] = []
        self._registry = registry
        # Whether env holds anything but lowered values: results of refused equations, or refused results.
        self._has_stand_ins = False
        self._has_quantized = False
        self._has_complex = any(is_complex_type(param.var.type) for param in graph.params)
        self._found: dict[OpName, Handler | None] = {}

    def inputs(self, graph: CapturedGraph, block: Block) -> None:
        """Define the graph's inputs and weights."""
        for item in graph.inputs:
            if self._complex_pairs and is_complex_type(item.var.type):
                value = Value(pair_type(item.var.type), name=item.name)
                self.env[item.var] = ComplexValue(value)
                self._has_complex = True
                block.inputs.append(value)
                continue
            value = Value(onnx_type(item.var.type), name=item.name)
            self.env[item.var] = self._as_list(value, item.var.type) if self._has_lists else value
            block.inputs.append(value)
        for param in graph.params:
            if is_complex_type(param.var.type):
                self.env[param.var] = ComplexValue(Value.weight(as_pairs(param.tensor), param.name))
            else:
                self.env[param.var] = Value.weight(param.tensor, param.name)

    def run(self, eqns: Sequence[Eqn]) -> None:
        """Lower equations into the innermost open block; what is refused is collected."""
        for eqn in eqns:
            self.op.place = eqn.place
            refused = len(self.refusals)
            try:
                results = self._lower(eqn)
            except LoweringError as error:
                self.refusals.append(Refusal(str(eqn.op), error.at(eqn.place)))  # type: ignore[arg-type]  # at() is fluent
                results = (POISONED,) * len(eqn.outputs)
            except ShapeMismatch as error:
                refusal = UnsupportedCase(f"{eqn.op} was lowered to shapes that do not fit", why=error.what)
                self.refusals.append(Refusal(str(eqn.op), refusal.at(eqn.place)))  # type: ignore[arg-type]  # as above
                results = (POISONED,) * len(eqn.outputs)
            if eqn.blocks and len(self.refusals) > refused:
                self._lose_lists(eqn)
            if self._has_lists:
                results = tuple(self._as_list(r, var.type) for r, var in zip(results, eqn.outputs, strict=True))
            self.env.update(zip(eqn.outputs, results, strict=True))
            for result in results:
                if isinstance(result, LoweringError | Poisoned):
                    self._has_stand_ins = True
                elif holds_complex(result):
                    self._has_complex = True
                elif holds_quantized(result):
                    self._has_quantized = True

    def _lose_lists(self, eqn: Eqn) -> None:
        """Nothing is known of lists that a block writes to which cannot be lowered: what reads them says no more."""
        given = [arg for arg in eqn.args if isinstance(arg, Var)]
        written = [inner.args[0] for block in eqn.blocks for inner in walk(block.eqns) if inner.op.base in WRITES]
        for var in (*given, *(arg for arg in written if isinstance(arg, Var))):
            cell = self.env.get(var)
            if isinstance(cell, ListCell) and cell.depth <= self.op.depth:
                self._has_stand_ins = True
                self.write(cell, POISONED)

    def raw(self, arg: Arg) -> Lowered:
        """An argument with its variables replaced by what they were lowered to; lists are still themselves."""
        if isinstance(arg, Var):
            return self.env[arg]
        if isinstance(arg, tuple):
            return tuple(self.raw(item) for item in arg)
        return arg

    def value(self, arg: Arg) -> Lowered:
        """An argument with its variables replaced by what they were lowered to, and lists by what they hold."""
        return contents(self.raw(arg)) if self._has_lists else self.raw(arg)

    def write(self, cell: ListCell, content: Lowered) -> None:
        """Change what a list holds; what lists hold that may or may not be this one is then open."""
        self._set(cell, content)
        for twin in cell.twins:
            self._has_stand_ins = True
            error = self.op.refuse(
                "a list that may have been written to under another name",
                "A branch or loop decides which list it is. Make a copy of it before: list(xs).",
            )
            self._set(twin, error)

    def restore(self, cell: ListCell, content: Lowered) -> None:
        """Say what a list holds after a block, in which it was written to."""
        self._set(cell, content)

    def _set(self, cell: ListCell, content: Lowered) -> None:
        if self._written:
            self._written[-1].setdefault(cell, cell.content)
        cell.content = content

    @contextmanager
    def block(self, scope: Scope) -> Iterator[dict[ListCell, Lowered]]:
        """Lower into a body; what it has written to lists from outside is in the result, and taken back."""
        lists: dict[ListCell, Lowered] = {}
        depth = self.op.depth
        self._written.append({})
        try:
            with self.op.inside(scope):
                yield lists
        finally:
            for cell, before in self._written.pop().items():
                if cell.depth <= depth:
                    lists[cell], cell.content = cell.content, before

    @contextmanager
    def attempt(self) -> Iterator[Attempt]:
        """Lower something that is taken back unless it is said to have succeeded."""
        attempt, before = Attempt(), len(self.refusals)
        self._written.append({})
        try:
            yield attempt
        finally:
            written = self._written.pop()
            for cell, content in written.items():
                if not attempt.succeeded:
                    cell.content = content
                elif self._written:
                    self._written[-1].setdefault(cell, content)
            if not attempt.succeeded:
                del self.refusals[before:]

    def is_poisoned(self, lowered: Lowered) -> bool:
        """Whether a value is, or holds, the result of an equation that was refused."""
        return self._has_stand_ins and _is_poisoned(lowered)

    def poisoned(self, eqn: Eqn, count: int | None = None) -> tuple[Lowered, ...]:
        """Stands for the results of an equation that cannot be lowered."""
        self._has_stand_ins = True
        return (POISONED,) * (len(eqn.outputs) if count is None else count)

    def _as_list(self, result: Lowered, kind: AnyType) -> Lowered:
        if not isinstance(kind, SequenceType):
            return result
        is_list = isinstance(result, tuple | Columns | Pieces) or (isinstance(result, Value) and is_list_value(result))
        return ListCell(result, kind.element, self.op.depth) if is_list else result

    def as_value(self, lowered: Lowered, var_type: AnyType | None = None) -> Value:
        """A lowered argument as a value: numbers become constants.

        Raises:
            UnsupportedCase: for what ONNX has no value for: None, a text, a tuple.
        """
        raise_refused(lowered)
        if isinstance(lowered, Value):
            return lowered
        if isinstance(lowered, TensorLiteral):
            return self.op.const(lowered.tensor.numpy(), lowered.tensor.dtype)
        if isinstance(lowered, Maybe):
            return self._optional(lowered)
        if isinstance(lowered, bool | int | float):
            kind = var_type.kind if isinstance(var_type, ScalarType) else type(lowered).__name__
            return self.op.const(lowered, scalar_dtype(kind))
        if isinstance(lowered, tuple | Pieces) and isinstance(var_type, SequenceType):
            return as_content(self.op, contents(lowered), var_type.element)
        if isinstance(lowered, QuantizedValue):
            raise self.op.refuse("a quantised tensor as an output", "Return dequantize() of it.")
        if isinstance(lowered, ComplexValue):
            raise self.op.refuse(
                "a complex tensor as an output, or one that a branch or loop gives",
                "Export with complex_pairs=True, or return torch.view_as_real of it.",
            )
        raise self.op.refuse(f"{lowered!r} as a value of the exported model")

    def _optional(self, maybe: Maybe) -> Value:
        """A value that may be None as an ONNX Optional."""
        value = self.as_value(maybe.value)
        kind = TensorType(value.dtype) if value.is_tensor else value.value_type
        (result,) = self.op.branch(
            maybe.present, lambda: self.op.Optional(value), lambda: self.op.Optional(None, type=kind)
        )
        return self.op.retype(result, OptionalType(value.value_type))

    def raise_refusals(self) -> None:
        """Raise what was refused, if anything: one error as it is, several in a report."""
        refusals = merge_refusals(self.refusals)
        if len(refusals) == 1:
            raise refusals[0].error
        if refusals:
            raise UnsupportedOperators(refusals)

    def outputs(self, outputs: Sequence[Output]) -> list[Value]:
        """The values of the graph's outputs; what ONNX has no value for is refused."""
        values = []
        for output in outputs:
            try:
                value = self.value(output.value)
                if self._complex_pairs and isinstance(value, ComplexValue):
                    value = pair(self.op, value)
                kind = output.value.type if isinstance(output.value, Var) else None
                values.append(self.as_value(value, kind))
            except LoweringError as error:
                self.refusals.append(Refusal(f"output {output.name}", error))
        return values

    def _lower(self, eqn: Eqn) -> tuple[Lowered, ...]:
        control = CONTROL.get(eqn.op.base)
        if control is not None:
            found = control(self, eqn)
            if found is not None:
                return found
        if self._has_complex or any(is_complex_type(var.type) for var in eqn.outputs):
            handler = self._handler_of_complex(eqn)
        else:
            handler = self._handler(eqn.op)
        if handler is None:
            raise UnsupportedOperator(
                f"{eqn.op} is not supported",
                hint="Register a symbolic function for it, or change the model not to use it.",
            )
        if self._has_lists and str(eqn.op) in HAND_ON:
            args = tuple(contents_once(self.raw(arg)) for arg in eqn.args)
        else:
            args = tuple(self.value(arg) for arg in eqn.args)
        if self._has_lists and eqn.op.base not in TAKES_MAYBE:
            self._refuse_maybe(eqn, args)
        if self._has_stand_ins:
            # Only the element that is read in the end matters, if it is known which one that is.
            picks = eqn.op.base in _UNPACKS or (str(eqn.op) in PICKS and known_int(args[-1]) is not None)
            looked_at = tuple(arg for arg in args if not isinstance(arg, tuple)) if picks else args
            if any(map(_is_poisoned, looked_at)):
                return (POISONED,) * len(eqn.outputs)
            raise_refused(looked_at)
        is_on_real = self._has_quantized and eqn.op.base in ON_REAL_NUMBERS
        real = RealNumbers.of(self.op, eqn.op.base, eqn.names, args) if is_on_real else None
        args = args if real is None else real.args
        self.op.expected = tuple(var.type for var in eqn.outputs)
        self.op.numbers = frozenset(self._numbers(eqn.args)) if _has_numbers(eqn.args) else _NO_NUMBERS
        bound = handler.signature.bind(self.op, eqn.names, args)
        result = handler.function(self.op, **bound)
        return self._results(eqn, result if real is None else real.quantized(self.op, result))

    def _handler_of_complex(self, eqn: Eqn) -> Handler | None:
        """The handler for complex tensors, if there are any and it exists; others refuse them by their annotations."""
        args = tuple(self.value(arg) for arg in eqn.args)
        if any(map(holds_complex, args)) or any(is_complex_type(var.type) for var in eqn.outputs):
            found = self._handler(OpName(COMPLEX, eqn.op.name, eqn.op.overload)) if eqn.op.namespace == "aten" else None
            if found is not None:
                return found
        return self._handler(eqn.op)

    def _refuse_maybe(self, eqn: Eqn, args: Sequence[Lowered]) -> None:
        is_of_lists = eqn.op.base == "aten::len" or str(eqn.op) in HAND_ON
        for name, arg in zip(eqn.names, args, strict=True):
            holds = isinstance(arg, tuple) and not is_of_lists and any(isinstance(item, Maybe) for item in arg)
            if isinstance(arg, Maybe) or holds:
                raise NeedsStatic(f"{eqn.op} with {name} that is None in some runs and not in others")

    def _numbers(self, args: Sequence[Arg]) -> Iterator[Value]:
        """The values among arguments that are numbers of the script language, or lists of them."""
        for arg in args:
            if isinstance(arg, tuple):
                yield from self._numbers(arg)
            elif isinstance(arg, Var) and arg.type.__class__ is not TensorType:
                kind = arg.type.element if isinstance(arg.type, SequenceType) else arg.type
                if isinstance(kind, ScalarType):
                    found = self.value(arg)
                    yield from (
                        item for item in (found if isinstance(found, tuple) else (found,)) if isinstance(item, Value)
                    )

    def _handler(self, name: OpName) -> Handler | None:
        if name not in self._found:
            self._found[name] = self._registry.find(name)
        return self._found[name]

    def _results(self, eqn: Eqn, result: Lowered) -> tuple[Lowered, ...]:
        if len(eqn.outputs) == 1:
            results: tuple[Lowered, ...] = (tuple(result) if isinstance(result, list) else result,)
        else:
            results = tuple(result) if isinstance(result, tuple | list) else (result,)
        if not eqn.outputs:
            return ()
        if len(results) != len(eqn.outputs):
            raise InternalError(f"the handler of {eqn.op} gives {len(results)} of {len(eqn.outputs)} results")
        if len(results) == 1:
            return (refine(eqn, results[0], eqn.outputs[0].type),)
        return tuple(refine(eqn, r, var.type) for r, var in zip(results, eqn.outputs, strict=True))


def _has_numbers(args: Sequence[Arg]) -> bool:
    """Whether there is a variable among arguments that is no tensor, or a list, which may hold some."""
    for arg in args:  # noqa: SIM110 - asked for each equation, and quicker than a generator
        if arg.__class__ is tuple or (isinstance(arg, Var) and arg.type.__class__ is not TensorType):
            return True
    return False


def _name_axes(value: Value, output: Output) -> None:
    """Put the user's names of an output's axes in the place of what was found out about their sizes."""
    if output.axes and value.shape is not None:
        names = dict(output.axes)
        shape = tuple(SymDim.named(names[i]) if i in names else dim for i, dim in enumerate(value.shape))
        value.value_type = TensorType(value.dtype, shape)


def used_variables(graph: CapturedGraph) -> frozenset[Var]:
    """The variables that something reads; empty if there are no blocks.

    A loop that only hands a value on from turn to turn does not read it.
    """
    if not any(eqn.blocks for eqn in graph.eqns):
        return frozenset()
    used = {var for output in graph.outputs for var in arg_vars(output.value)}
    for eqn in walk(graph.eqns):
        used.update(var for arg in eqn.args for var in arg_vars(arg))
        for block in eqn.blocks:
            for index, out in enumerate(block.outputs):
                if eqn.op.base != "prim::Loop" or index == 0 or out is not block.inputs[index]:
                    used.update(arg_vars(out))
    return frozenset(used)


def _is_poisoned(lowered: Lowered) -> bool:
    if isinstance(lowered, ListCell):
        return _is_poisoned(lowered.content)
    if isinstance(lowered, tuple):
        return any(map(_is_poisoned, lowered))
    return isinstance(lowered, Poisoned)
