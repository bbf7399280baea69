"""What stands in for ONNX operators at opsets that lack them."""
