"""``GraphContext``: what symbolic functions call ``g``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from onnxport_ir import DType, Enumeral, Node, TensorLiteral, TensorRef, Value
from onnxport_ir.errors import InvalidArgument, NeedsOpset, UnsupportedCase, UnsupportedOperator
from onnxport_ir.evaluate import evaluate
from onnxport_ir.graph import AttrValue
from onnxport_symbolics import Call, Op, Registry
from onnxport_symbolics.binder import Lowered
from onnxport_symbolics.emitter import FOLD_LIMIT_ELEMENTS
from onnxport_symbolics.schemas import Schema, first_opset, schema_at

from onnxport_custom_ops.attributes import check_attributes, read_attributes
from onnxport_custom_ops.blocks import BODIES, OpenNode, SymbolicBlock
from onnxport_custom_ops.keep import domain_of
from onnxport_custom_ops.scalar_types import from_torch
from onnxport_custom_ops.values import SymbolicNode, SymbolicValue, Views, python_value

if TYPE_CHECKING:
    from onnxport_custom_ops.functions import LocalFunctions
    from onnxport_custom_ops.original import OriginalNode

#: Attributes that torch's graphs have and ONNX does not.
_DROPPED = ("inplace", "aten")
#: Operators whose variadic inputs are of a type each.
_MIXED = frozenset({"Loop", "Scan", "SequenceMap"})


@dataclass(frozen=True, slots=True)
class Writer:
    """What all contexts of one call share.

    Attributes:
        op: the builder of the graph.
        views: the views of the export.
        functions: the local functions of the export.
        registry: the handlers of the export.
    """

    op: Op
    views: Views
    functions: LocalFunctions
    registry: Registry


@dataclass(eq=False)
class GraphContext:
    """Writes ONNX for one call of an operator of the model, under the names of torch's ``GraphContext``.

    Attributes:
        opset: the opset of the export.
        original_node: the call in the model, to be read.
        writer: where the nodes go.
        block: the block that is being filled; ``dataclasses.replace(g, block=block)`` fills another.
        params_dict: always empty: weights are constants with elements, ``value.toIValue()``.
        env: always empty: there is no second graph.
        values_in_env: always empty.
        new_nodes: the nodes that :meth:`op` has made.
    """

    opset: int
    original_node: OriginalNode
    writer: Writer
    block: SymbolicBlock = field(default_factory=SymbolicBlock)
    # Any: nobody finds anything in them.
    params_dict: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[Any, Any] = field(default_factory=dict)
    values_in_env: Collection[Any] = frozenset()
    new_nodes: list[SymbolicNode] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.block.context is None:
            self.block.context = self

    @property
    def graph(self) -> GraphContext:
        """The graph that is being made: this object, which has its methods."""
        return self

    @property
    def cur_node(self) -> OriginalNode:
        """The call in the model, under an older name."""
        return self.original_node

    def op(self, opname: str, *raw_args: Any, outputs: int = 1, **kwargs: Any) -> Any:
        """Emit an operator, as the target opset spells it.

        Args:
            opname: ``Clip`` for one of ONNX's own, ``my_domain::Foo`` for any other.
            raw_args: values, tensors and numbers, which become constants; None where an optional one is left out.
            outputs: the number of results.
            kwargs: attributes, with the suffix of their type: ``alpha_f=1.0``, ``axes_i=[0, 1]``.

        Returns:
            The result, or a tuple of them.

        Raises:
            UnsupportedCase: if ONNX's operator is not called like that at the target opset.
            NeedsOpset: if a later opset has the operator, or what it is given.
        """
        domain, _, op_type = opname.rpartition("::")
        if opname == "prim::Constant" and not kwargs:
            return self.writer.views.of(None)
        keywords = {name: value for name, value in kwargs.items() if name not in _DROPPED}
        attributes = read_attributes(op_type, keywords)
        domain = "" if domain in ("onnx", "ai.onnx") else domain
        if not domain and op_type == "Constant":
            return self.writer.views.of(self._constant(attributes))
        # Before the block is entered: an argument may be the result of a node that is still to be emitted.
        given = [arg.lowered if isinstance(arg, SymbolicValue) else arg for arg in raw_args]
        with self.block.entered(self.writer.op):
            found = self._emitted(domain, op_type, given, attributes, outputs)
        results = [self.writer.views.of(item) for item in found] if isinstance(found, tuple) else found.outputs()
        self.new_nodes.append(results[0].node())
        return results[0] if outputs == 1 else tuple(results)

    def _emitted(
        self, domain: str, op_type: str, raw_args: Sequence[Any], attributes: dict[str, AttrValue], outputs: int
    ) -> tuple[Value, ...] | OpenNode:
        """The results of an operator, or the node itself where its blocks are still to come."""
        given = [self._operand(arg) for arg in raw_args]
        if domain:
            call = Call(op_type, [self._constant_of(item) for item in given], attributes, outputs)
            return self.writer.op.emit(call, domain_of(domain))
        schema = self._schema(op_type)
        bodies = BODIES.get(op_type, ())
        is_open = bool(bodies) and not any(name in attributes for name in bodies)
        check_attributes(schema, self.opset, attributes, later=bodies if is_open else ())
        _check_counts(schema, given, outputs, self.opset)
        call = Call(op_type, self._typed(schema, given), attributes, outputs)
        if is_open:
            return OpenNode(self.writer.op, self.writer.views, self, call)
        return self._folded(call) or self.writer.op.emit(call)

    def _folded(self, call: Call) -> tuple[Value, ...] | None:
        """The results of a call of small constants, as constants: runtimes want the zero point of a quantiser so."""
        if not call.operands or any(operand is not None and not _is_small(operand) for operand in call.operands):
            return None
        node = Node(call.op_type, call.operands, call.attributes, result_types=[None] * call.num_results)
        arrays = None if list(node.blocks()) else evaluate(node, self.opset, FOLD_LIMIT_ELEMENTS)
        return None if arrays is None else tuple(self.writer.op.const(array) for array in arrays)

    def aten_op(self, operator: str, *args: Any, overload_name: str = "", **kwargs: Any) -> Any:
        """Emit an operator of torch as it is, for a runtime that has them: ``aten::ATen``."""
        return self.op("aten::ATen", *args, operator_s=operator, overload_name_s=overload_name, **kwargs)

    at = aten_op

    def onnxscript_op(self, onnx_fn: Any, *raw_args: Any, outputs: int = 1, **kwargs: Any) -> Any:
        """Call a function of ONNX-script, which becomes a local function of the model.

        Args:
            onnx_fn: what ``@onnxscript.script(opset)`` gives.
            raw_args: as for :meth:`op`.
            outputs: the number of results.
            kwargs: attributes, as for :meth:`op`.

        Raises:
            NeedsOpset: below opset 15, which has no local functions.
            UnsupportedCase: if the function is written for an opset in which its operators mean something else.
        """
        domain, name = self.writer.functions.add(onnx_fn, self.opset)
        return self.op(f"{domain}::{name}", *raw_args, outputs=outputs, **kwargs)

    def pack(self, *values: Any) -> SymbolicValue:
        """A tuple of values as one value, as the model makes tuples; no node is needed for it."""
        return self.writer.views.of(
            tuple(value.lowered if isinstance(value, SymbolicValue) else value for value in values)
        )

    def _const(self, tensor: torch.Tensor) -> Value:
        found = from_torch(tensor)
        return self.writer.op.const(found.array, found.dtype)

    def _schema(self, op_type: str) -> Schema:
        try:
            schema = schema_at(op_type, self.opset)
        except KeyError:
            first = first_opset(op_type)
            if first is None:
                raise UnsupportedOperator(
                    f"ONNX has no operator {op_type}",
                    hint=f"An operator of another domain is written with it: g.op('my_domain::{op_type}', ...).",
                ) from None
            raise NeedsOpset(op_type, first, self.opset) from None
        if schema.deprecated:
            raise UnsupportedCase(f"ONNX's {op_type} no longer exists at opset {self.opset}")
        return schema

    def _constant(self, attributes: Mapping[str, AttrValue]) -> Value:
        """``Constant``: numbers of the program are as good as tensors."""
        if len(attributes) != 1:
            raise InvalidArgument("a Constant has one attribute", hint="g.op('Constant', value_t=tensor)")
        (value,) = attributes.values()
        if isinstance(value, TensorRef):
            return self.writer.op.const(value.numpy(), value.dtype)
        if isinstance(value, str | bytes):
            return self.writer.op.const(np.array(value, object), DType.STRING)
        items = value if isinstance(value, tuple) else (value,)
        if any(isinstance(item, str | bytes) for item in items):
            return self.writer.op.const(np.array(value, object), DType.STRING)
        return self.writer.op.const(np.array(value), DType.FLOAT32 if isinstance(items[0], float) else DType.INT64)

    def _operand(self, arg: Any) -> Any:
        """A value of the graph, None, or a number that becomes a constant of the type that the operator wants."""
        if isinstance(arg, TensorLiteral):
            return self.writer.views.of(arg).lowered
        if isinstance(arg, torch.Tensor):
            return self._const(arg)
        if isinstance(arg, np.generic):
            return np.asarray(arg)
        if arg is None or isinstance(arg, bool | int | float | np.ndarray | Value):
            return arg
        if isinstance(arg, list | tuple) and not any(isinstance(item, SymbolicValue) for item in arg):
            return self._list(tuple(arg))
        if isinstance(arg, DType | Enumeral):
            return python_value(arg)
        raise InvalidArgument(
            f"{arg!r} is no operand of an ONNX operator",
            hint="Pass the values of a list one by one: *symbolic_helper._unpack_list(values).",
        )

    def _list(self, items: tuple[Lowered, ...]) -> Any:
        """A list of the program as one operand: numbers, of which some may depend on the input."""
        if not any(isinstance(item, Value) for item in items):
            return list(items)
        if all(isinstance(item, int) or _is_size(item) for item in items):
            return self.writer.op.ints(items)
        raise InvalidArgument(
            "a list of tensors is no operand of an ONNX operator",
            hint="Pass them one by one: *symbolic_helper._unpack_list(values).",
        )

    def _constant_of(self, item: Any) -> Value | None:
        if item is None or isinstance(item, Value):
            return item
        if isinstance(item, str | tuple):
            raise InvalidArgument(f"{item!r} is no operand of an ONNX operator")
        return self.writer.op.const(item)

    def _typed(self, schema: Schema, given: Sequence[Any]) -> list[Value | None]:
        """Operands of one type variable have one type: numbers take that of the others."""
        dtypes: dict[str, DType] = {}
        if schema.name in _MIXED:
            return [self._constant_of(item) for item in given]
        # What depends on the input decides, then weights, then other constants.
        for is_decisive in (lambda v: v.const is None, lambda v: v.is_weight, lambda _: True):
            for index, item in enumerate(given):
                if isinstance(item, Value) and item.dtype is not None and is_decisive(item):
                    dtypes.setdefault(schema.formal(index).type_str, item.dtype)
        operands: list[Value | None] = []
        for index, item in enumerate(given):
            formal = schema.formal(index)
            wanted = dtypes.get(formal.type_str)
            if wanted is None and len(formal.dtypes) == 1:
                (wanted,) = formal.dtypes
            if item is None:
                operands.append(None)
            elif isinstance(item, Value):
                operands.append(self._agreeing(schema, item, wanted))
            elif isinstance(item, str | tuple):
                raise InvalidArgument(f"{item!r} is no operand of ONNX's {schema.name}")
            else:
                operands.append(self.writer.op.const(item, wanted))
        return operands

    def _agreeing(self, schema: Schema, value: Value, wanted: DType | None) -> Value:
        """``value``, or, of a constant of one element of another type, the same number in the type of the others."""
        dtype = value.dtype
        if wanted is None or dtype is None or dtype is wanted:
            return value
        if value.const is not None and not value.is_weight and int(np.prod(value.const.shape)) == 1:
            array = value.array()
            converted = array.astype(wanted.numpy)
            if wanted.is_float or np.array_equal(converted, array):
                return self.writer.op.const(converted, wanted)
        raise UnsupportedCase(
            f"a symbolic function gives {schema.name} operands of different types",
            why=f"{dtype.short} and {wanted.short}",
            hint="Cast one of them: g.op('Cast', x, to_i=...).",
        )


def _is_small(operand: Value) -> bool:
    tensor = operand.const
    return tensor is not None and not operand.is_weight and int(np.prod(tensor.shape)) <= FOLD_LIMIT_ELEMENTS


def _is_size(item: Lowered) -> bool:
    return isinstance(item, Value) and item.rank == 0 and item.dtype is not None and item.dtype.is_integer


def _check_counts(schema: Schema, given: Sequence[Any], outputs: int, opset: int) -> None:
    is_variadic = bool(schema.inputs) and schema.inputs[-1].variadic
    required = sum(not (formal.optional or formal.variadic) for formal in schema.inputs)
    if len(given) < required or (len(given) > len(schema.inputs) and not is_variadic):
        raise UnsupportedCase(
            f"a symbolic function gives {schema.name} {len(given)} inputs",
            why=f"it takes {required} to {'any number' if is_variadic else len(schema.inputs)} at opset {opset}",
        )
    if outputs > len(schema.outputs) and not (schema.outputs and schema.outputs[-1].variadic):
        raise UnsupportedCase(
            f"a symbolic function wants {outputs} results of {schema.name}", why=f"it has {len(schema.outputs)}"
        )
