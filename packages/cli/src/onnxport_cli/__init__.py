"""onnxport-cli: the onnxport command: export, check, inspect and list operators."""
