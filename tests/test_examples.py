"""The examples run as a user runs them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import onnx

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_the_demo_exports_checks_and_runs_alexnet(tmp_path: Path):
    file = tmp_path / "alexnet.onnx"
    command = [sys.executable, str(EXAMPLES / "demo.py"), "-o", str(file)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr
    assert re.search(r"^graph\(%actual_input_1", result.stdout, re.MULTILINE)
    for row in (
        "opset",
        "nodes",
        "weights",
        "file size",
        "batch of 10",
        "batch of 3",
        "capture",
        "lowering",
        "writing",
    ):
        assert re.search(rf"^  .*{row} +\S", result.stdout, re.MULTILINE), row
    graph = onnx.load(file).graph
    assert [value.name for value in graph.input] == ["actual_input_1"]
    assert [value.name for value in graph.output] == ["output1"]
    assert {tensor.name for tensor in graph.initializer} >= {f"learned_{i}" for i in range(16)}
