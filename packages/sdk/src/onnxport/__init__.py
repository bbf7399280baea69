"""onnxport: export PyTorch models to ONNX: any opset from 7 on, and never a wrong model silently."""

from onnxport_symbolics import NEWEST_OPSET

from onnxport import errors
from onnxport.errors import OnnxExporterError
from onnxport.export import export
from onnxport.options import DEFAULT_OPSET, TrainingMode
from onnxport.program import ONNXProgram
from onnxport.selfcheck import FrozenValueWarning

__all__ = [
    "DEFAULT_OPSET",
    "NEWEST_OPSET",
    "FrozenValueWarning",
    "ONNXProgram",
    "OnnxExporterError",
    "TrainingMode",
    "errors",
    "export",
]
