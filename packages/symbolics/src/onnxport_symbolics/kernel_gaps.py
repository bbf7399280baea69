"""Types that ONNX allows and ONNX Runtime's CPU kernels lack, by operator."""

from __future__ import annotations

from onnxport_ir import DType

#: Measured with ONNX Runtime 1.32 on the CPU.
KERNEL_GAPS: dict[str, frozenset[DType]] = {}
