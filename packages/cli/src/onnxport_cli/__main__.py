"""``python -m onnxport_cli``."""

from onnxport_cli.main import main

main()
