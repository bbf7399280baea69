"""``Op``: what a handler writes ONNX with.

``op.Squeeze(x, axes)`` takes the operands and attributes of the *newest* ONNX operator, whatever the target is;
the call is simplified, folded, rewritten for the target opset by downgrades or a backport, and emitted once.
Lower-case methods build what every family needs: constants, sizes, casts, reshapes, branches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnx
from onnxport_ir import Block, Dim, DimSource, DType, SymDim, Value
from onnxport_ir.errors import InternalError, NeedsOpset, Place, UnsupportedCase
from onnxport_ir.rules.contents import contents
from onnxport_ir.types import AnyType, ValueType

from onnxport_symbolics.calls import Call, Downgrade, backport_of, downgrades_of
from onnxport_symbolics.carriers import has_kernel
from onnxport_symbolics.emitter import IMPURE, Emitter, Scope, call_key, is_static
from onnxport_symbolics.schemas import Formal, Schema, first_opset, newest_schema, schema_at
from onnxport_symbolics.simplify import simplify
from onnxport_symbolics.size_vectors import vector

_Attr = onnx.defs.OpSchema.AttrType

#: What may stand for an operand: a value, nothing, or numbers that become a constant.
Operand = Value | None | bool | int | float | npt.NDArray[Any] | Sequence[bool] | Sequence[int] | Sequence[float]
#: A size or an index: known now, or a value of rank 0 and an integer type.
Int = int | Value


class OnnxOperator(Protocol):
    """A bound ONNX operator with one result, as ``op.Relu`` is."""

    def __call__(self, *operands: Operand, **attributes: Any) -> Value:  # Any: attribute values of all kinds
        """Call the operator."""


class Op:
    """Builds ONNX for one model.

    Args:
        emitter: where the nodes go.

    Attributes:
        expected: the types that the capture knows for the outputs of the equation being lowered; empty outside.
        numbers: the values among the arguments of that equation that are numbers of the script language, or lists of
            them: they take part in type promotion as numbers do.
    """

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter
        self._routes: dict[str, tuple[Downgrade, ...]] = {}
        self.expected: tuple[AnyType, ...] = ()
        self.numbers: frozenset[Value] = frozenset()

    @property
    def place(self) -> Place:
        """Where in the user's model the equation being lowered stands."""
        return self._emitter.place

    @place.setter
    def place(self, place: Place) -> None:
        self._emitter.place = place

    def __getattr__(self, name: str) -> OnnxOperator:
        if not name[:1].isupper():
            raise AttributeError(name)

        def operator(*operands: Operand, **attributes: Any) -> Value:  # Any: as OnnxOperator says
            return self.multi(name, 1, *operands, **attributes)[0]

        # Kept on the instance, so that the second use does not come here.
        self.__dict__[name] = operator
        return operator

    def multi(self, op_type: str, num_results: int, *operands: Operand, **attributes: Any) -> tuple[Value, ...]:
        """Call an operator with several results: ``values, indices = op.multi("TopK", 2, x, k, axis=1)``.

        Keywords are attributes, or inputs by the schema's names; those that are None are left out.

        Raises:
            NeedsOpset: if the target opset cannot express the call.
        """
        call = self._bind(op_type, operands, attributes, num_results)
        simplified = simplify(self, call)
        return simplified if simplified is not None else self.lower(call)

    def lower(self, call: Call) -> tuple[Value, ...]:
        """Fold a call spelled for the newest opset, or bring it to the target opset and emit it."""
        folded = self._emitter.fold(call)
        if folded is not None:
            return folded
        route = self._route(call.op_type)
        if not route:
            return self._emitter.emit(call)
        # A call that is rewritten is rewritten once; the word keeps the key apart from those of emitted nodes.
        key = call_key(call, "newest")
        found = None if key is None else self._emitter.lookup(key)
        if found is not None:
            return found
        results = self._rewrite(call, route)
        if key is not None and call.op_type not in IMPURE:
            self._emitter.remember(key, results)
        return results

    def emit(self, call: Call, domain: str = "") -> tuple[Value, ...]:
        """Emit a call that is spelled for the target opset already; for downgrades and for other domains."""
        return self._emitter.emit(call, domain)

    def custom(
        self, domain: str, op_type: str, operands: Sequence[Value | None], num_results: int = 1, **attributes: Any
    ) -> tuple[Value, ...]:
        """Emit an operator of another domain; its results have no types until the capture's are put in."""
        return self._emitter.emit(Call(op_type, list(operands), attributes, num_results), domain)

    def has(self, op_type: str) -> bool:
        """Whether the target opset has the operator itself, not a backport of it."""
        first = first_opset(op_type)
        return first is not None and first <= self._emitter.target

    def has_attribute(self, op_type: str, attribute: str) -> bool:
        """Whether the operator exists at the target opset and has the attribute there."""
        return self.has(op_type) and attribute in schema_at(op_type, self._emitter.target).attributes

    def since(self, op_type: str) -> int:
        """The opset with which the target's version of an operator came."""
        return schema_at(op_type, self._emitter.target).since

    def has_kernel(self, call: Call) -> bool:
        """Whether ONNX Runtime computes a call of an operator that the target opset has."""
        schema = schema_at(call.op_type, self._emitter.target)
        return all(
            operand is None
            or operand.dtype is None
            or index >= len(schema.inputs)
            or has_kernel(call.op_type, schema.inputs[index], operand.dtype, self._emitter.target)
            for index, operand in enumerate(call.operands)
        )

    def refuse(self, what: str, hint: str | None = None) -> UnsupportedCase:
        """The error for a case that is not supported; raise it."""
        return UnsupportedCase(what, where=self.place, hint=hint)

    def needs(self, op_type: str) -> NeedsOpset:
        """The error for a target opset without ``op_type``; raise it."""
        return NeedsOpset(op_type, first_opset(op_type) or 0, self._emitter.target, where=self.place)

    def needs_opset(self, what: str, opset: int) -> NeedsOpset:
        """The error for a call that can be spelled only from ``opset`` on; for downgrades. Raise it."""
        return NeedsOpset(what, opset, self._emitter.target, where=self.place)

    def const(self, array: npt.ArrayLike, dtype: DType | None = None) -> Value:
        """A constant; of int64, float32 or bool by its elements unless ``dtype`` says otherwise."""
        if dtype is None and not isinstance(array, np.ndarray | np.generic):
            kind = np.asarray(array).dtype.kind
            dtype = {"b": DType.BOOL, "i": DType.INT64, "u": DType.INT64, "f": DType.FLOAT32}.get(kind)
        return self._emitter.const(array, dtype)

    def const_like(self, number: bool | float, like: Value) -> Value:
        """A constant of rank 0 with the element type of ``like``."""
        return self.const(number, self.dtype(like))

    def dtype(self, value: Value) -> DType:
        """The element type of a tensor.

        Raises:
            UnsupportedCase: if it is unknown.
        """
        if value.dtype is None:
            raise self.refuse("an operator whose element type is unknown", "Annotate or trace the model.")
        return value.dtype

    def rank(self, value: Value) -> int:
        """The number of dimensions of a tensor.

        Raises:
            UnsupportedCase: if it is unknown.
        """
        if value.rank is None:
            raise self.refuse("an operator on a tensor of unknown rank", "Trace the model, or fix the rank.")
        return value.rank

    def axis(self, value: Value, dim: int) -> int:
        """``dim`` counted from the front; a tensor of rank 0 has an axis 0, as in torch."""
        rank = max(self.rank(value), 1)
        if not -rank <= dim < rank:
            raise self.refuse(f"axis {dim} of a tensor of rank {rank}")
        return dim % rank

    def sizes(self, value: Value) -> tuple[Dim, ...]:
        """The sizes of a tensor of known rank."""
        self.rank(value)
        return value.shape or ()

    def dim(self, value: Value, axis: int) -> Int:
        """The size of an axis: a number if it is known, else a value of rank 0 and type int64."""
        size = self.sizes(value)[axis]
        if isinstance(size, int):
            return size
        known = self._emitter.size_value(size)
        if known is None:
            known = self.Gather(self.Shape(value), self.const(axis % self.rank(value)))
            if known.symbolic is None:
                known.symbolic = (size,)
            self._emitter.note_size(size, known)
        return known

    def visible_size(self, size: SymDim) -> Int | None:
        """A size that some visible tensor is known to have; None if it is not found."""
        known = self._emitter.size_value(size)
        if known is not None:
            return known
        for value in self._emitter.visible_inputs():
            if value.shape is not None and size in value.shape:
                return self.dim(value, value.shape.index(size))
        return None

    def dims(self, value: Value) -> list[Int]:
        """The sizes of all axes, as :meth:`dim` gives them."""
        return [self.dim(value, axis) for axis in range(self.rank(value))]

    def shape(self, value: Value) -> Value:
        """The sizes as a value of rank 1 and type int64; a constant if all are known."""
        if value.shape is not None and is_static(value.shape):
            return self.const(np.array(value.shape, np.int64))
        return self.Shape(value)

    def ints(self, items: Sequence[Int]) -> Value:
        """Integers, known or not, as a value of rank 1 and type int64."""
        return vector(self, items)

    def cast(self, value: Value, dtype: DType) -> Value:
        """``value`` as ``dtype``; itself if it is that already."""
        return value if value.dtype is dtype else self.Cast(value, to=dtype)

    def scalar(self, number: Int | float | bool, dtype: DType) -> Value:
        """A number, known or not, as a value of rank 0 and type ``dtype``."""
        return self.cast(number, dtype) if isinstance(number, Value) else self.const(number, dtype)

    def known_dims(self, value: Value) -> tuple[Dim, ...] | None:
        """The elements of an integer value of rank 0 or 1 as dims, where they are known by formula."""
        return contents(value)

    def recall(self, key: object) -> Value | None:
        """What :meth:`memorise` was given under ``key`` in this block or one around it."""
        found = self._emitter.lookup(key)
        return None if found is None else found[0]

    def memorise(self, key: object, value: Value) -> None:
        """Keep a value that is expensive to make twice."""
        self._emitter.remember(key, (value,))

    def retype(self, value: Value, value_type: ValueType) -> Value:
        """State what is known of a value where no rule finds it; returns the value."""
        value.value_type = value_type
        return value

    def unknown_dim(self) -> SymDim:
        """A size of which nothing is known."""
        return self._emitter.dims.unknown()

    @contextmanager
    def body(self, inputs: Sequence[Value] = (), name: str = "body") -> Iterator[Block]:
        """Open the body of an If or Loop: nodes go there until it is left; set ``block.outputs`` inside."""
        with self._emitter.body(inputs, name) as block:
            yield block

    def scope(self, inputs: Sequence[Value] = (), name: str = "body") -> Scope:
        """A body that is filled in several goes, with :meth:`inside`."""
        return Scope(Block(inputs, name=name))

    @contextmanager
    def inside(self, scope: Scope) -> Iterator[Block]:
        """Let nodes go to a body of :meth:`scope` until it is left."""
        with self._emitter.inside(scope) as block:
            yield block

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let what is emitted reuse no earlier node, nor be reused afterwards."""
        with self._emitter.alone():
            yield

    @property
    def unknown_sizes(self) -> DimSource:
        """What gives out the sizes of which nothing is known."""
        return self._emitter.dims

    @property
    def folds_weights(self) -> bool:
        """Whether a weight may be stored as something that is computed from it."""
        return self._emitter.folds_weights

    @property
    def depth(self) -> int:
        """How many bodies are around the nodes that are emitted now."""
        return self._emitter.depth

    def branch(
        self,
        condition: Value,
        then: Callable[[], Value | Sequence[Value]],
        otherwise: Callable[[], Value | Sequence[Value]],
    ) -> tuple[Value, ...]:
        """``If``: each callable builds its branch and gives its results; both give as many."""
        blocks = []
        for name, build in (("then", then), ("else", otherwise)):
            with self.body(name=name) as block:
                results = build()
                block.outputs = [self.own(r) for r in ([results] if isinstance(results, Value) else results)]
            blocks.append(block)
        if len(blocks[0].outputs) != len(blocks[1].outputs):
            raise InternalError("the branches of an If give different numbers of results")
        return self.multi("If", len(blocks[0].outputs), condition, then_branch=blocks[0], else_branch=blocks[1])

    def own(self, value: Value) -> Value:
        """``value`` as the result of a node of the innermost open block, as a block's outputs must be."""
        return self._emitter.own(value)

    def alias(self, value: Value) -> Value:
        """A new value that is equal to ``value``: the result of an Identity node."""
        return self._emitter.alias(value)

    def _route(self, op_type: str) -> tuple[Downgrade, ...]:
        """The steps from the newest spelling to the target's: downgrades, or the backport alone."""
        route = self._routes.get(op_type)
        if route is None:
            first = first_opset(op_type)
            absent = first is not None and first > self._emitter.target
            route = (Op._backport,) if absent else tuple(downgrades_of(op_type, self._emitter.target))
            self._routes[op_type] = route
        return route

    def _rewrite(self, call: Call, route: Sequence[Downgrade]) -> tuple[Value, ...]:
        current = call
        for step in route:
            result = step(self, current)
            if not isinstance(result, Call):
                return result if isinstance(result, tuple) else (result,)
            if result.op_type != call.op_type:
                raise InternalError(f"a downgrade of {call.op_type} gives a call of {result.op_type}")
            current = result
        return self._emitter.emit(current)

    def _backport(self, call: Call) -> tuple[Value, ...]:
        function = backport_of(call.op_type)
        if function is None:
            raise self.needs(call.op_type)
        keywords = dict(call.attributes)
        if call.num_results != 1:
            keywords["num_results"] = call.num_results
        result = function(self, *call.operands, **keywords)
        results = result if isinstance(result, tuple) else (result,)
        if len(results) != call.num_results:
            raise InternalError(f"the backport of {call.op_type} gives {len(results)} of {call.num_results} results")
        return results

    def _bind(self, op_type: str, operands: Sequence[Operand], keywords: dict[str, Any], num_results: int) -> Call:
        try:
            schema = newest_schema(op_type)
        except KeyError as error:
            raise InternalError(f"ONNX has no operator {op_type}") from error
        given: list[Operand] = list(operands)
        attributes: dict[str, Any] = {}
        for name, value in keywords.items():
            if name in schema.attributes:
                if value is not None:
                    attributes[name] = _attribute(value, schema.attributes[name])
                continue
            index = schema.input_index(name)
            if index is None:
                raise InternalError(f"{op_type} has neither an attribute nor an input {name}")
            given += [None] * (index + 1 - len(given))
            given[index] = value
        while given and given[-1] is None:
            given.pop()
        missing = schema.required - attributes.keys()
        if missing:
            raise InternalError(f"{op_type} is called without {', '.join(sorted(missing))}")
        return Call(op_type, self._operands(schema, given), attributes, num_results)

    def _operands(self, schema: Schema, given: Sequence[Operand]) -> list[Value | None]:
        if all(item is None or isinstance(item, Value) for item in given):
            return list(given)  # type: ignore[arg-type]  # just checked
        dtypes: dict[str, DType] = {}
        for index, item in enumerate(given):
            if isinstance(item, Value) and item.dtype is not None:
                dtypes.setdefault(schema.formal(index).type_str, item.dtype)
        return [
            item if item is None or isinstance(item, Value) else self._constant(item, schema.formal(index), dtypes)
            for index, item in enumerate(given)
        ]

    def _constant(self, item: Operand, formal: Formal, dtypes: dict[str, DType]) -> Value:
        dtype = dtypes.get(formal.type_str)
        if dtype is None and len(formal.dtypes) == 1:
            (dtype,) = formal.dtypes
        if isinstance(item, Value | None):
            raise InternalError("not a number")
        if dtype is None and isinstance(item, list | tuple) and not item:
            dtype = DType.INT64
        return self.const(item, dtype)


def _attribute(value: Any, kind: Any) -> Any:  # Any: onnx.defs' enumeration has no stubs; values are of all kinds
    if isinstance(value, DType):
        return value.onnx
    if kind == _Attr.FLOAT:
        return float(value)
    if kind == _Attr.INT:
        return int(value)
    if kind == _Attr.INTS:
        return tuple(int(v) for v in value)
    if kind == _Attr.FLOATS:
        return tuple(float(v) for v in value)
    if kind == _Attr.STRINGS:
        return tuple(value)
    return value
