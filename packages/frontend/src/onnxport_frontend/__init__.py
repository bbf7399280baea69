"""onnxport-frontend: PyTorch models as captured graphs."""
