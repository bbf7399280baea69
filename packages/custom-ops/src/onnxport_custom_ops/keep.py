"""Operators that stay what they are: nodes of their own domain, for a runtime that has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onnxport_ir import OpName, TensorLiteral, Value
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
        fallthrough: torch's operators, under their own names.
        autograd_inlining: whether calls of ``autograd.Function`` are followed instead.
    """

    custom: bool = False
    aten: bool = False
    fallthrough: bool = False
    autograd_inlining: bool = True

    def keeps(self, name: OpName) -> bool:
        """Whether an operator without a handler stays."""
        if name.namespace in _TORCH:
            return self.fallthrough or (self.aten and name.namespace == "aten")
        return self.custom or self.fallthrough


def keep_operator(keeping: Keeping, name: OpName, op: Op, names: Sequence[str], args: Sequence[Lowered]) -> Lowered:
    """A node that stands for an operator: tensors are inputs, everything else is an attribute of that name.

    Raises:
        NeedsStatic: if an argument that is no tensor depends on the input.
        UnsupportedCase: for what a node cannot hold.
    """
    domain, op_type = name.namespace, name.name
    operands, attributes = _split(name, op, names, args)
    if keeping.aten and not keeping.fallthrough and domain == "aten":
        attributes |= {"operator": op_type, "overload_name": name.overload}
        op_type = "ATen"
    elif name.overload:
        attributes["overload_name"] = name.overload
    return _emit(op, Call(op_type, operands, attributes), domain)


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
