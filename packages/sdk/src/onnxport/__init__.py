"""onnxport: export PyTorch models to ONNX: any opset from 7 on, and never a wrong model silently."""
