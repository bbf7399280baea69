"""Operators that stay what they are: nodes of their own domain, for a runtime that has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnxport_ir import Device, DType, OpName, SequenceType, TensorLiteral, Value
from onnxport_ir.errors import NeedsStatic, UnsupportedCase
from onnxport_ir.graph import AttrValue
from onnxport_symbolics import Call, Op
from onnxport_symbolics.binder import Lowered

from onnxport_custom_ops import _torch_private as private
from onnxport_custom_ops.scalar_types import from_torch
from onnxport_custom_ops.values import SymbolicValue, python_value

#: The namespaces of torch itself; all others are of custom operators.
_TORCH = frozenset({"aten", "prim", "prims", "quantized", "onnx"})


@dataclass(frozen=True, slots=True)
class Keeping:
    """What stays where nothing converts it.

    Attributes:
        custom: operators outside of torch.
        aten: torch's operators, as ``aten::ATen`` nodes.
        all_aten: those that could be converted as well.
        fallthrough: all operators, under their own names.
        autograd_inlining: whether calls of ``autograd.Function`` are followed instead.
    """

    custom: bool = False
    aten: bool = False
    all_aten: bool = False
    fallthrough: bool = False
    autograd_inlining: bool = True

    def prefers(self, name: OpName) -> bool:
        """Whether an operator stays although it has a handler: one whose results are tensors."""
        return (
            self.all_aten
            and name.namespace == "aten"
            and private.gives_tensors(name.namespace, name.name, name.overload)
        )

    def keeps(self, name: OpName) -> bool:
        """Whether an operator without a handler stays."""
        if name.namespace in _TORCH:
            return self.fallthrough or (self.aten and name.namespace == "aten")
        return self.custom or self.fallthrough


def keep_operator(keeping: Keeping, name: OpName, op: Op, names: Sequence[str], args: Sequence[Lowered]) -> Lowered:
    """A node that stands for an operator.

    A custom operator's tensors are inputs of the node, everything else is an attribute of that name. What
    ``operator_export_type`` keeps is written as torch's exporter does: all arguments are inputs, in the schema's order.

    Raises:
        NeedsStatic: if an argument of a custom operator that is no tensor depends on the input.
        UnsupportedCase: for what a node cannot hold.
    """
    if any(isinstance(kind, SequenceType) for kind in op.expected):
        raise UnsupportedCase(
            f"{name} as a node",
            why="it gives a list of tensors, and a node has so many results as it has",
            hint="Register a symbolic function for it, which returns a list: list(g.op('my::Op', x, outputs=2)).",
        )
    op_type = name.name
    if name.namespace not in _TORCH and keeping.custom:
        operands, attributes = _split(name, op, names, args)
        if name.overload:
            attributes["overload_name"] = name.overload
    else:
        operands, attributes = _in_order(name, op, args), {}
        if keeping.aten and not keeping.fallthrough:
            attributes = {"operator": op_type, "overload_name": name.overload}
            op_type = "ATen"
        elif name.overload:
            attributes["overload_name"] = name.overload
    return _emit(op, Call(op_type, operands, attributes), domain_of(name.namespace))


def domain_of(namespace: str) -> str:
    """The domain of nodes that stand for operators of a namespace: that of torch's own has a longer name in files."""
    return f"org.pytorch.{namespace}" if namespace in ("aten", "_caffe2") else namespace


def keep_function(op: Op, function: type, arguments: Sequence[Any]) -> Lowered:
    """A node ``prim::PythonOp`` that stands for a call of an ``autograd.Function``, with its name and arguments.

    Raises:
        UnsupportedCase: for an argument that a node cannot hold.
    """
    attributes: dict[str, AttrValue] = {"name": function.__name__, "module": function.__module__}
    operands: list[Value | None] = []
    for index, argument in enumerate(arguments):
        if isinstance(argument, SymbolicValue):
            operands.append(argument.lowered)
        elif argument is not None:
            attributes[f"arg{index}"] = _attribute(f"argument {index} of {function.__name__}", argument)
    return _emit(op, Call("PythonOp", operands, attributes), "prim")


def _emit(op: Op, call: Call, domain: str) -> Lowered:
    """The results, which get the types that the capture knows, as many as the operator has."""
    call.num_results = max(len(op.expected), 1)
    results = op.emit(call, domain)
    return results[0] if len(results) == 1 else results


def _in_order(name: OpName, op: Op, args: Sequence[Lowered]) -> list[Value | None]:
    """All arguments as operands: numbers, texts and lists of numbers are constants, lists of tensors sequences."""
    operands = [_constant(name, op, arg) for arg in args]
    while operands and operands[-1] is None:
        operands.pop()
    return operands


def _constant(name: OpName, op: Op, arg: Lowered) -> Value | None:
    if isinstance(arg, tuple):
        if any(isinstance(item, TensorLiteral) or (isinstance(item, Value) and item.rank != 0) for item in arg):
            return op.SequenceConstruct(*(_operand(op, item) for item in arg))
        if any(isinstance(item, Value) for item in arg):
            return op.ints(arg)
        items = python_value(arg)
        return (
            _text(op, items)
            if any(isinstance(item, str) for item in items)
            else op.const(items, None if items else DType.INT64)
        )
    if arg is None or isinstance(arg, TensorLiteral | Value):
        return _operand(op, arg)
    value = python_value(arg)
    if isinstance(arg, Device):
        # A model has no devices.
        return None
    if isinstance(value, str):
        return _text(op, value)
    if not isinstance(value, bool | int | float):
        raise UnsupportedCase(f"{name} as a node", why=f"its argument {value!r} is no tensor, number or text")
    return op.const(value)


def _text(op: Op, text: Any) -> Value:
    return op.const(np.array(text, object), DType.STRING)


def _split(
    name: OpName, op: Op, names: Sequence[str], args: Sequence[Lowered]
) -> tuple[list[Value | None], dict[str, AttrValue]]:
    schema = private.schema_arguments(name.namespace, name.name, name.overload) or []
    tensors = {argument.name for argument in schema if argument.is_tensor}
    lists = {argument.name for argument in schema if argument.is_tensor_list}
    operands: list[Value | None] = []
    attributes: dict[str, AttrValue] = {}
    has_list = False
    for arg_name, arg in zip(names, args, strict=True):
        if has_list and arg is not None and (arg_name in tensors or arg_name in lists):
            raise UnsupportedCase(f"{name} as a node", why="inputs after a list of tensors could not be told from it")
        if arg_name in lists and arg is not None:
            has_list = True
            operands += [_operand(op, item) for item in arg]
        elif arg_name in tensors or isinstance(arg, TensorLiteral):
            operands.append(_operand(op, arg))
        elif isinstance(arg, Value):
            if schema:
                raise NeedsStatic(f"argument {arg_name} of {name} depends on the input")
            operands.append(arg)
        elif arg is not None:
            attributes[arg_name] = _attribute(f"argument {arg_name} of {name}", python_value(arg))
    while operands and operands[-1] is None:
        operands.pop()
    return operands, attributes


def _operand(op: Op, arg: Lowered) -> Value | None:
    if isinstance(arg, TensorLiteral):
        return op.const(arg.tensor.numpy(), arg.tensor.dtype)
    if arg is None or isinstance(arg, Value):
        return arg
    return op.const(arg)


def _attribute(what: str, value: Any) -> AttrValue:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float | str):
        return value
    if isinstance(value, list | tuple):
        items = tuple(_attribute(what, item) for item in value)
        if len({type(item) for item in items}) <= 1 and all(isinstance(item, int | float | str) for item in items):
            return items  # type: ignore[return-value]  # of one type, as just checked
    if hasattr(value, "dim") and hasattr(value, "numel"):
        return from_torch(value)
    raise UnsupportedCase(f"{what}, {value!r}, as an attribute of a node")
