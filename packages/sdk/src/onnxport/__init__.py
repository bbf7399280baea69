"""onnxport: export PyTorch models to ONNX: any opset from 7 on, and never a wrong model silently."""

from onnxport_custom_ops import (
    GraphContext,
    JitScalarType,
    register_custom_op_symbolic,
    symbolic_helper,
    unregister_custom_op_symbolic,
)
from onnxport_symbolics import NEWEST_OPSET

from onnxport import errors
from onnxport.errors import OnnxExporterError
from onnxport.export import export
from onnxport.options import DEFAULT_OPSET, OperatorExportTypes, TrainingMode
from onnxport.program import ONNXProgram
from onnxport.selfcheck import FrozenValueWarning

__all__ = [
    "DEFAULT_OPSET",
    "NEWEST_OPSET",
    "FrozenValueWarning",
    "GraphContext",
    "JitScalarType",
    "ONNXProgram",
    "OnnxExporterError",
    "OperatorExportTypes",
    "TrainingMode",
    "errors",
    "export",
    "register_custom_op_symbolic",
    "symbolic_helper",
    "unregister_custom_op_symbolic",
]
