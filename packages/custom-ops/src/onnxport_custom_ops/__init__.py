"""onnxport-custom-ops: the user's own operators and symbolic functions in onnxport."""

from onnxport_custom_ops import symbolic_helper
from onnxport_custom_ops.aten_calls import call_aten, has_operator
from onnxport_custom_ops.blocks import SymbolicBlock, add_op_with_blocks
from onnxport_custom_ops.context import GraphContext
from onnxport_custom_ops.keep import Keeping
from onnxport_custom_ops.registrations import register_custom_op_symbolic, unregister_custom_op_symbolic
from onnxport_custom_ops.scalar_types import JitScalarType, TensorProtoDataType
from onnxport_custom_ops.session import Session
from onnxport_custom_ops.types import SymbolicType
from onnxport_custom_ops.values import SymbolicNode, SymbolicValue

__all__ = [
    "GraphContext",
    "JitScalarType",
    "Keeping",
    "Session",
    "SymbolicBlock",
    "SymbolicNode",
    "SymbolicType",
    "SymbolicValue",
    "TensorProtoDataType",
    "add_op_with_blocks",
    "call_aten",
    "has_operator",
    "register_custom_op_symbolic",
    "symbolic_helper",
    "unregister_custom_op_symbolic",
]
