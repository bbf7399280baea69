"""Emission of nodes at the target opset: scopes, hash-consing, folding, types.

The emitter knows nothing of ATen and nothing of older or newer spellings: it takes a call as the target opset
spells it, and gives its results, as a constant where they are known, as an earlier node's where that computed the
same, else as those of a new node.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from onnxport_ir import (
    ArrayTensor,
    Block,
    Dim,
    DimSource,
    DType,
    Node,
    SequenceType,
    SymDim,
    TensorRef,
    TensorType,
    Value,
)
from onnxport_ir.errors import NeedsOpset, Place, UnsupportedCase
from onnxport_ir.evaluate import evaluate
from onnxport_ir.rules import infer, known_array, propagate

from onnxport_symbolics.calls import Call
from onnxport_symbolics.carriers import carrier_of
from onnxport_symbolics.schemas import NEWEST_OPSET, Schema, schema_at

#: Constants larger than this are left to the runtime.
FOLD_LIMIT_ELEMENTS = 4096

#: Operators of which two equal calls have different results.
IMPURE = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli", "Dropout"}
)


_IDENTITY_OF_SEQUENCES = 14

_HALVES = frozenset({DType.FLOAT16, DType.BFLOAT16})


@dataclass(slots=True)
class Scope:
    """A block being filled.

    Attributes:
        block: the block.
        seen: results by what computed them.
        sizes: values of rank 0 that hold a dynamic size, by the size.
        nodes: the nodes of the block, to ask whether one is among them.
    """

    block: Block
    # Any: the keys hold frozen attribute values of all kinds.
    seen: dict[Any, tuple[Value, ...]] = field(default_factory=dict)
    sizes: dict[SymDim, Value] = field(default_factory=dict)
    nodes: set[Node] = field(default_factory=set)


class Emitter:
    """Appends nodes to the innermost open block.

    Attributes:
        target: the opset.
        folds_weights: whether weights may be stored as something that is computed from them.
        dims: the source of unknown sizes.
    """

    def __init__(self, target: int, graph: Block, *, folds_weights: bool = True) -> None:
        self.target = target
        self.folds_weights = folds_weights
        self.dims = DimSource()
        self._place = Place()
        # What was computed in float32 since the last equation began, by what it was rounded to.
        self._unrounded: dict[Value, Value] = {}
        self._scopes = [Scope(graph)]
        # What :meth:`_carriers` says depends on the operator and the types alone.
        self._casts: dict[tuple[str | DType | None, ...], dict[str, tuple[DType, DType]]] = {}
        self._constants: dict[tuple[DType, tuple[int, ...], bytes], Value] = {}

    @property
    def place(self) -> Place:
        """Where in the user's model the next nodes come from; to set it begins an equation."""
        return self._place

    @place.setter
    def place(self, place: Place) -> None:
        self._place = place
        if self._unrounded:
            self._unrounded.clear()

    def const(self, array: npt.ArrayLike, dtype: DType | None = None) -> Value:
        """A constant; equal small ones are one value."""
        tensor = ArrayTensor.of(array, dtype)
        if tensor.array.size > FOLD_LIMIT_ELEMENTS:
            return Value.of(tensor.array, tensor.dtype)
        key = (tensor.dtype, tensor.shape, tensor.array.tobytes())
        if key not in self._constants:
            self._constants[key] = Value.of(tensor.array, tensor.dtype)
        return self._constants[key]

    @contextmanager
    def body(self, inputs: Sequence[Value] = (), name: str = "body") -> Iterator[Block]:
        """Open an inner block, which sees everything around it; set its ``outputs`` before leaving."""
        with self.inside(Scope(Block(inputs, name=name))) as block:
            yield block

    @contextmanager
    def inside(self, scope: Scope) -> Iterator[Block]:
        """Fill a block, also one that was left before, where the same blocks are around it."""
        self._scopes.append(scope)
        try:
            yield scope.block
        finally:
            self._scopes.pop()
            self._unrounded.clear()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let the next nodes of the innermost block reuse none of its earlier ones, nor be reused by later ones."""
        scope = self._scopes[-1]
        before = scope.seen, scope.sizes
        scope.seen, scope.sizes = {}, {}
        try:
            yield
        finally:
            scope.seen, scope.sizes = before

    @property
    def depth(self) -> int:
        """How many blocks are open inside the graph's own."""
        return len(self._scopes) - 1

    def size_value(self, dim: SymDim) -> Value | None:
        """A visible value of rank 0 that holds ``dim``, if one was computed before."""
        for scope in reversed(self._scopes):
            if dim in scope.sizes:
                return scope.sizes[dim]
        return None

    def visible_inputs(self) -> Iterator[Value]:
        """The inputs of the open blocks, those of the graph first."""
        for scope in self._scopes:
            yield from scope.block.inputs

    def note_size(self, dim: SymDim, value: Value) -> None:
        """Remember that ``value`` holds ``dim``."""
        self._scopes[-1].sizes.setdefault(dim, value)

    def fold(self, call: Call) -> tuple[Value, ...] | None:
        """The results of a call of small constants, spelled for the newest opset; None if they are not known."""
        for operand in call.operands:
            if operand is not None and (operand.const is None or not _is_small(operand)):
                return None
        if call.op_type in IMPURE:
            return None
        node = Node(call.op_type, call.operands, call.attributes, result_types=[None] * call.num_results)
        arrays = evaluate(node, NEWEST_OPSET, max_elements=FOLD_LIMIT_ELEMENTS)
        if arrays is None:
            return None
        return tuple(self.const(array) for array in arrays)

    def lookup(self, key: object) -> tuple[Value, ...] | None:
        """What was remembered under ``key`` in this block or one around it."""
        for scope in reversed(self._scopes):
            found = scope.seen.get(key)
            if found is not None:
                return found
        return None

    def remember(self, key: object, results: tuple[Value, ...]) -> None:
        """Let later equal calls have these results."""
        self._scopes[-1].seen[key] = results

    def emit(self, call: Call, domain: str = "") -> tuple[Value, ...]:
        """Append a node for a call spelled for the target opset.

        What an equation computes in float32 is rounded to half precision once, in its results: torch does not round
        within a function either.

        Raises:
            NeedsOpset: if the operator of the target opset lacks an attribute, an input or a type.
            UnsupportedCase: if ONNX's operator does not take an operand's type in any opset.
        """
        if domain:
            return self._append(call, domain)
        if call.op_type == "Cast":
            return (self._emit_cast(call),)
        return self._emit(call)

    def _emit(self, call: Call) -> tuple[Value, ...]:
        schema = schema_at(call.op_type, self.target)
        if schema.deprecated:
            raise UnsupportedCase(f"ONNX's {call.op_type} no longer exists at opset {self.target}")
        _fit(call, schema, self.target)
        kinds = (call.op_type, *[None if operand is None else operand.dtype for operand in call.operands])
        casts = self._casts.get(kinds)
        if casts is None:
            casts = self._casts[kinds] = self._carriers(call, schema)
        if not casts:
            return self._append(call, "")
        operands = [
            self._widened(operand, casts[schema.formal(i).type_str][1])
            if operand is not None and schema.formal(i).type_str in casts
            else operand
            for i, operand in enumerate(call.operands)
        ]
        results = self._append(Call(call.op_type, operands, call.attributes, call.num_results), "")
        formals = [schema.outputs[min(i, len(schema.outputs) - 1)] for i in range(len(results))]
        return tuple(
            self._rounded(result, casts[formal.type_str][0]) if formal.type_str in casts else result
            for result, formal in zip(results, formals, strict=True)
        )

    def _emit_cast(self, call: Call) -> Value:
        value = call.operands[0]
        wide = None if value is None else self._unrounded.get(value)
        if wide is not None and wide.dtype is not None and wide.dtype.onnx == call.attributes["to"]:
            return wide
        (result,) = self._emit(call)
        if value is not None and value.dtype is DType.FLOAT32 and result.dtype in _HALVES:
            self._unrounded[result] = value
        return result

    def _rounded(self, wide: Value, dtype: DType) -> Value:
        rounded = self._cast(wide, dtype)
        if dtype in _HALVES:
            self._unrounded[rounded] = wide
        return rounded

    def _widened(self, value: Value, dtype: DType) -> Value:
        wide = self._unrounded.get(value)
        return wide if wide is not None and wide.dtype is dtype else self._cast(value, dtype)

    def _carriers(self, call: Call, schema: Schema) -> dict[str, tuple[DType, DType]]:
        """For each type variable bound to a type the target or the runtime lacks: that type and its carrier."""
        casts: dict[str, tuple[DType, DType]] = {}
        for index, operand in enumerate(call.operands):
            if operand is None or operand.dtype is None:
                continue
            formal = schema.formal(index)
            if not formal.dtypes or formal.type_str in casts:
                continue
            carrier = carrier_of(call.op_type, formal, operand.dtype, self.target)
            if carrier is not operand.dtype:
                casts[formal.type_str] = (operand.dtype, carrier)
        return casts

    def _cast(self, value: Value, dtype: DType) -> Value:
        if value.dtype is dtype:
            return value
        for kind in (value.dtype, dtype):
            require_tensors(kind, self.target)
        return self._append(Call("Cast", [value], {"to": dtype.onnx}), "")[0]

    def _append(self, call: Call, domain: str) -> tuple[Value, ...]:
        # Of another domain's operator it is not known whether two equal calls have equal results.
        key = None if domain or call.op_type in IMPURE else call_key(call)
        if key is not None:
            found = self.lookup(key)
            if found is not None:
                return found
        node = Node(
            call.op_type,
            call.operands,
            call.attributes,
            result_types=[None] * call.num_results,
            domain=domain,
            place=self.place,
        )
        if not domain:
            for result, value_type in zip(node.results, infer(node, self.target, self.dims), strict=True):
                result.value_type = value_type
            propagate(node, self.target)
            known = self._known(node)
            if known is not None:
                return known
        self._push(node)
        if key is not None:
            self.remember(key, node.results)
        return node.results

    def own(self, value: Value) -> Value:
        """``value``, through an Identity unless it is the result of a node of the innermost open block."""
        if value.producer is not None and value.producer in self._scopes[-1].nodes:
            return value
        return self.alias(value)

    def alias(self, value: Value) -> Value:
        """The result of a new Identity node."""
        require_tensors(value.dtype, self.target)
        if isinstance(value.value_type, SequenceType) and self.target < _IDENTITY_OF_SEQUENCES:
            return self._copy_of_sequence(value, value.value_type)
        node = Node("Identity", [value], result_types=[value.value_type], place=self.place)
        self._push(node)
        return node.result

    def _copy_of_sequence(self, value: Value, kind: SequenceType) -> Value:
        """Something is put into a sequence and taken out again; Identity took only tensors."""
        element = kind.element
        if not isinstance(element, TensorType) or element.dtype is None:
            raise NeedsOpset("Identity with a sequence", _IDENTITY_OF_SEQUENCES, self.target)
        something = self.const(np.zeros((), element.dtype.numpy), element.dtype)
        longer = Node("SequenceInsert", [value, something], result_types=[SequenceType(TensorType(element.dtype))])
        node = Node("SequenceErase", [longer.result], result_types=[kind], place=self.place)
        self._push(longer)
        self._push(node)
        return node.result

    def _push(self, node: Node) -> None:
        scope = self._scopes[-1]
        scope.block.nodes.append(node)
        scope.nodes.add(node)

    def _known(self, node: Node) -> tuple[Value, ...] | None:
        if len(node.results) != 1 or node.result.symbolic is None:
            return None
        array = known_array(node.result)
        return None if array is None else (self.const(array, node.result.dtype),)


def require_tensors(dtype: DType | None, target: int) -> None:
    """Check that an opset has tensors of an element type, which is so where they can be converted.

    Raises:
        NeedsOpset: if only later ones have.
    """
    if dtype is None or dtype in schema_at("Cast", target).inputs[0].dtypes:
        return
    needs = _first_with("Cast", target, lambda s: dtype in s.inputs[0].dtypes)
    raise NeedsOpset(f"a tensor of {dtype.short}", needs, target)


def call_key(call: Call, domain: str = "") -> object | None:
    """What two calls must share to have the same results; None for calls with subgraphs."""
    for value in call.attributes.values():
        if isinstance(value, Block):
            return None
    if not call.attributes:
        return (domain, call.op_type, call.num_results, *call.operands)
    # Lists would not hash; tensors hash by identity, which errs on the safe side; 1 and 1.0 hash alike.
    attributes = [
        (name, type(value), tuple(value) if isinstance(value, list) else value)
        for name, value in sorted(call.attributes.items())
    ]
    return (domain, call.op_type, call.num_results, *call.operands, *attributes)


def is_static(dims: Sequence[Dim]) -> bool:
    """Whether all sizes are numbers."""
    return all(isinstance(dim, int) for dim in dims)


def _is_small(operand: Value) -> bool:
    tensor: TensorRef | None = operand.const
    return tensor is not None and not operand.is_weight and int(np.prod(tensor.shape)) <= FOLD_LIMIT_ELEMENTS


def _fit(call: Call, schema: Schema, target: int) -> None:
    """Drop what says nothing, and refuse what the target cannot say."""
    while call.operands and call.operands[-1] is None:
        call.operands.pop()
    if len(call.operands) > len(schema.inputs) and not (schema.inputs and schema.inputs[-1].variadic):
        extra = _first_with(call.op_type, target, lambda s: len(s.inputs) >= len(call.operands))
        raise NeedsOpset(f"{call.op_type} with {len(call.operands)} inputs", extra, target)
    for name in [name for name in call.attributes if name not in schema.attributes]:
        newest = schema_at(call.op_type, NEWEST_OPSET)
        if name not in newest.defaults or newest.defaults[name] != call.attributes[name]:
            needs = _first_with(call.op_type, target, lambda s, n=name: n in s.attributes)
            raise NeedsOpset(f"{call.op_type} with {name}={call.attributes[name]!r}", needs, target)
        del call.attributes[name]


def _first_with(op_type: str, target: int, holds: Any) -> int:  # Any: a lambda with a default argument has no type
    for opset in range(target + 1, NEWEST_OPSET + 1):
        if holds(schema_at(op_type, opset)):
            return opset
    return NEWEST_OPSET
