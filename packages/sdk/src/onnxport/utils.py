"""What programs take from ``torch.onnx.utils``, as far as it does not depend on torch's own graph."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NoReturn

from onnxport_custom_ops import (
    SymbolicBlock,
    SymbolicNode,
    SymbolicValue,
    add_op_with_blocks,
    register_custom_op_symbolic,
    unregister_custom_op_symbolic,
)

from onnxport.export import export
from onnxport.mode import is_in_onnx_export, select_model_mode_for_export
from onnxport.unconvertible import unconvertible_ops

if TYPE_CHECKING:
    from collections.abc import Callable

_INSTEAD = {
    "_model_to_graph": "onnxport_frontend.capture(model, args) gives the captured graph, onnxport.export(...).model "
    "that of ONNX",
    "_optimize_graph": "onnxport.export(..., optimize=[...]) chooses the passes by name",
    "_export": "onnxport.export gives a program with the model, its inputs and outputs",
    "_run_symbolic_function": "onnxport.symbolic_opset9.<operator>(g, ...) calls the handler of an operator",
    "_create_jit_graph": "onnxport_frontend.capture(model, args) gives the captured graph",
    "_trace_and_get_graph_from_model": "onnxport_frontend.capture(model, args) gives the captured graph",
    "_params_dict": "onnxport.export(...).model.graph.constants() gives the weights",
    "_validate_dynamic_axes": "onnxport.export checks its arguments itself",
    "_decide_input_format": "onnxport.export takes args and kwargs as the model does",
    "_setup_trace_module_map": "onnxport.export knows the modules of what it traces",
    "export_to_pretty_string": "onnxport.export(..., verbose=True) prints the graph",
    "exporter_context": "onnxport.export puts the model into its mode itself",
    "disable_apex_o2_state_dict_hook": "onnxport.export reads the weights themselves",
}


def __getattr__(name: str) -> NoReturn:
    """Say what to use in the place of a function that works on torch's own graph."""
    instead = f": {_INSTEAD[name]}" if name in _INSTEAD else ""
    raise AttributeError(f"onnxport.utils has no {name}{instead}", name=name)


def model_signature(model: Callable[..., Any]) -> inspect.Signature:  # Any: the arguments of the user's own model
    """The signature of a model's ``forward``, or of a function."""
    return inspect.signature(getattr(model, "forward", model))


def _add_block(node: SymbolicNode) -> SymbolicBlock:
    """Add a block to an If, Loop or Scan that ``g.op`` has made without it."""
    block: SymbolicBlock = node.addBlock()
    return block


def _add_input_to_block(block: SymbolicBlock) -> SymbolicValue:
    """A new formal input of the body of a Loop or Scan."""
    return block.addInputToBlock()


def _add_output_to_block(block: SymbolicBlock, value: SymbolicValue) -> int:
    """Let a block give a value back; the number is its place among those that it gives back."""
    return block.registerOutput(value)


__all__ = [
    "_add_block",
    "_add_input_to_block",
    "_add_output_to_block",
    "add_op_with_blocks",
    "export",
    "is_in_onnx_export",
    "model_signature",
    "register_custom_op_symbolic",
    "select_model_mode_for_export",
    "unconvertible_ops",
    "unregister_custom_op_symbolic",
]
