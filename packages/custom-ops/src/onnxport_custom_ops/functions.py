"""Functions of ONNX-script as local functions of the model."""

from __future__ import annotations

from typing import Any

import onnx
from onnxport_ir import Function, Model
from onnxport_ir.errors import InvalidArgument, NeedsOpset, UnsupportedCase
from onnxport_ir.read import from_proto

#: The first opset whose file format has local functions.
FUNCTIONS_SINCE = 15

_Key = tuple[str, str]


class LocalFunctions:
    """The local functions of one export, each once, callees before callers."""

    def __init__(self) -> None:
        self._protos: dict[_Key, onnx.FunctionProto] = {}

    def add(self, function: Any, opset: int) -> _Key:
        """Take a function of ONNX-script over, and those that it calls; gives its domain and name.

        Raises:
            InvalidArgument: if it is none, or another one of the same domain and name was taken over.
            NeedsOpset: below opset 15.
            UnsupportedCase: if an operator in it means something else at the model's opset.
        """
        if not hasattr(function, "to_function_proto"):
            raise InvalidArgument(
                f"{function!r} is no function of ONNX-script", hint="Decorate it: @onnxscript.script(opset)."
            )
        if opset < FUNCTIONS_SINCE:
            raise NeedsOpset(f"the local function {function.name}", FUNCTIONS_SINCE, opset)
        for called in _called(function):
            self._add(called.to_function_proto(), opset)
        return self._add(function.to_function_proto(), opset)

    def _add(self, proto: onnx.FunctionProto, opset: int) -> _Key:
        key = (proto.domain, proto.name)
        known = self._protos.get(key)
        if known is None:
            _check_opset(proto, opset)
            self._protos[key] = proto
        elif known != proto:
            raise InvalidArgument(
                f"two different functions are called {proto.domain}::{proto.name}",
                hint="Give them different names, or put them into different domains.",
            )
        return key

    def put_into(self, model: Model) -> None:
        """Add those functions that the model calls, directly or not."""
        if not self._protos:
            return
        wanted = {(node.domain, node.op_type) for node in model.graph.all_nodes()} & self._protos.keys()
        for key in reversed(self._protos):
            if key in wanted:
                wanted |= {(node.domain, node.op_type) for node in _nodes(self._protos[key].node)} & self._protos.keys()
        for function in _read([self._protos[key] for key in self._protos if key in wanted], model.opset):
            model.functions[function.key] = function


def _called(function: Any) -> list[Any]:
    """The functions that a function calls, directly or not, callees before callers.

    ONNX-script's own list goes by the name alone, and would lose one of two functions of different domains.
    """
    found: dict[int, Any] = {}

    def visit(caller: Any) -> None:
        for node in caller.function_ir.graph.all_nodes():
            callee = node.meta.get("callee")
            if hasattr(callee, "to_function_proto") and id(callee) not in found:
                visit(callee)
                found[id(callee)] = callee

    visit(function)
    return list(found.values())


def _read(protos: list[onnx.FunctionProto], opset: int) -> list[Function]:
    graph = onnx.helper.make_graph([], "functions", [], [])
    imports = [onnx.helper.make_opsetid("", opset)]
    holder = onnx.helper.make_model(graph, functions=protos, opset_imports=imports)
    return list(from_proto(holder).functions.values())


def _check_opset(proto: onnx.FunctionProto, opset: int) -> None:
    """A runtime reads a function's nodes at the model's opset or at the function's: both must mean the same."""
    own = next((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), opset)
    if own == opset:
        return
    for node in _nodes(proto.node):
        if node.domain not in ("", "ai.onnx"):
            continue
        if _version(node.op_type, own) != _version(node.op_type, opset):
            raise UnsupportedCase(
                f"the function {proto.name} is written for opset {own}",
                why=f"{node.op_type} is another operator at opset {opset}",
                hint=f"Write it with onnxscript.onnx_opset.opset{opset}, or export with opset_version={own}.",
            )


def _version(op_type: str, opset: int) -> int | None:
    try:
        version: int = onnx.defs.get_schema(op_type, opset, "").since_version
    except onnx.defs.SchemaError:
        return None
    return version


def _nodes(nodes: Any) -> list[onnx.NodeProto]:
    found: list[onnx.NodeProto] = []
    pending = list(nodes)
    while pending:
        node = pending.pop()
        found.append(node)
        for attribute in node.attribute:
            pending += [*attribute.g.node, *(inner for graph in attribute.graphs for inner in graph.node)]
    return found
