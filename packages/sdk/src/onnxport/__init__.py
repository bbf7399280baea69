"""onnxport: export PyTorch models to ONNX: any opset from 7 on, and never a wrong model silently."""

from onnxport_custom_ops import (
    GraphContext,
    JitScalarType,
    TensorProtoDataType,
    register_custom_op_symbolic,
    unregister_custom_op_symbolic,
)
from onnxport_symbolics import NEWEST_OPSET

from onnxport import compat, errors, symbolic_helper, symbolic_opsets, utils
from onnxport.bisection import Bisection, bisect
from onnxport.buffers import MutatedBuffersWarning
from onnxport.errors import OnnxExporterError
from onnxport.export import export
from onnxport.frozen_values import FrozenValueWarning
from onnxport.mode import is_in_onnx_export, select_model_mode_for_export
from onnxport.options import DEFAULT_OPSET, OperatorExportTypes, TrainingMode
from onnxport.program import ONNXProgram
from onnxport.unconvertible import unconvertible_ops
from onnxport.verification import Verification, VerifyOptions, verify

# They are importable like those of torch.onnx: `from onnxport.symbolic_opset11 import unsqueeze`.
globals().update(symbolic_opsets.register(__name__))

__all__ = [
    "DEFAULT_OPSET",
    "NEWEST_OPSET",
    "Bisection",
    "FrozenValueWarning",
    "GraphContext",
    "JitScalarType",
    "MutatedBuffersWarning",
    "ONNXProgram",
    "OnnxExporterError",
    "OperatorExportTypes",
    "TensorProtoDataType",
    "TrainingMode",
    "Verification",
    "VerifyOptions",
    "bisect",
    "compat",
    "errors",
    "export",
    "is_in_onnx_export",
    "register_custom_op_symbolic",
    "select_model_mode_for_export",
    "symbolic_helper",
    "unconvertible_ops",
    "unregister_custom_op_symbolic",
    "utils",
    "verify",
]
