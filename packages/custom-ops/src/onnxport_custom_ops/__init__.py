"""onnxport-custom-ops: the user's own operators and symbolic functions in onnxport."""
