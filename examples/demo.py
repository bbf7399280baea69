"""Export AlexNet, check the file, and run it at two batch sizes: ``python examples/demo.py [-o FILE]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxport
import onnxruntime
import torch
from alexnet import AlexNet

LARGEST_ERROR = 1e-6
"""What ONNX Runtime's scores may differ from torch's; they are around 0.02 with random weights."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example; returns 1 if the exported model's outputs are wrong."""
    parser = argparse.ArgumentParser(description="Export AlexNet with random weights, check the file and run it.")
    parser.add_argument("-o", "--output", type=Path, default=Path("alexnet.onnx"), help="the file to write")
    parser.add_argument("--opset", type=int, default=None, help="the ONNX opset; by default the SDK's own choice")
    options = parser.parse_args(arguments)

    torch.manual_seed(0)
    model = AlexNet().eval()
    dummy_input = torch.randn(10, 3, 224, 224)
    input_names = ["actual_input_1"] + [f"learned_{i}" for i in range(16)]
    output_names = ["output1"]
    program = onnxport.export(
        model,
        (dummy_input,),
        options.output,
        verbose=True,
        input_names=input_names,
        output_names=output_names,
        opset_version=options.opset,
        dynamic_axes={"actual_input_1": {0: "batch"}},
    )

    onnx.checker.check_model(str(options.output), full_check=True)
    session = onnxruntime.InferenceSession(str(options.output), providers=["CPUExecutionProvider"])
    errors = {size: largest_error(model, session, size) for size in (10, 3)}
    print(table(options.output, program, errors))
    return 0 if max(errors.values()) <= LARGEST_ERROR else 1


def largest_error(model: torch.nn.Module, session: onnxruntime.InferenceSession, batch_size: int) -> float:
    """The largest difference between ONNX Runtime's outputs and torch's, on fresh images."""
    images = torch.randn(batch_size, 3, 224, 224)
    with torch.no_grad():
        expected = model(images).numpy()
    (actual,) = session.run(["output1"], {"actual_input_1": images.numpy()})
    if actual.shape != expected.shape:
        return float("inf")
    return float(np.abs(actual - expected).max())


def table(path: Path, program: onnxport.ONNXProgram, errors: dict[int, float]) -> str:
    """What came out, as a table of two columns."""
    proto = onnx.load(path)
    weights = sum(int(np.prod(tensor.dims)) for tensor in proto.graph.initializer)
    rows = [
        ("opset", str(proto.opset_import[0].version)),
        ("nodes", str(len(proto.graph.node))),
        ("weights", f"{weights:,} in {len(proto.graph.initializer)} tensors"),
        ("file size", f"{path.stat().st_size / 2**20:.1f} MiB"),
        *((f"largest error, batch of {size}", f"{error:.1e}") for size, error in errors.items()),
        *((f"seconds for {what}", f"{program.timings[stage]:.2f}") for stage, what in STAGES.items()),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(["", f"AlexNet, exported to {path}", *(f"  {name:<{width}}  {value}" for name, value in rows)])


STAGES = {"capture": "capture", "lower": "lowering", "write": "writing"}
"""The stages of an export that the table shows, and what it calls them."""


if __name__ == "__main__":
    sys.exit(main())
