"""onnxport-frontend: PyTorch models as captured graphs."""

from onnxport_frontend._torch_private import is_exporting
from onnxport_frontend.capture import Captured, capture
from onnxport_frontend.departures import Departures
from onnxport_frontend.dependence import Dependence
from onnxport_frontend.findings import Finding
from onnxport_frontend.operators import operator_names
from onnxport_frontend.replay import replay, run_model
from onnxport_frontend.signature import Signature
from onnxport_frontend.torch_types import TorchTensor, dtype_from_torch, dtype_to_torch

__all__ = [
    "Captured",
    "Departures",
    "Dependence",
    "Finding",
    "Signature",
    "TorchTensor",
    "capture",
    "dtype_from_torch",
    "dtype_to_torch",
    "is_exporting",
    "operator_names",
    "replay",
    "run_model",
]
