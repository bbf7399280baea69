"""How calls of ONNX operators were spelled before their schemas changed; importing it fills the table.

``docs/opsets.md`` lists what each of them does, and which changes need none.
"""

from onnxport_symbolics.downgrades import axes, control, layers, numeric, quantized, resize, shaping, types

__all__ = ["axes", "control", "layers", "numeric", "quantized", "resize", "shaping", "types"]
