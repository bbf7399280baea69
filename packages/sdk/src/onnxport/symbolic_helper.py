"""Helpers for symbolic functions, under the names of ``torch.onnx.symbolic_helper``."""

from onnxport_custom_ops.symbolic_helper import *  # noqa: F403 - its __all__ has the names with an underscore as well
from onnxport_custom_ops.symbolic_helper import __all__  # noqa: F401 - the same names
