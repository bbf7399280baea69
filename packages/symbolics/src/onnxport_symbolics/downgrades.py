"""How calls of ONNX operators were spelled before their schemas changed."""
