"""One case through one exporter, in a process of its own; prints a line of JSON.

Floor and export alternate, so that what else the machine does hits both. Seconds are the fastest of some repeats
after a warm-up.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from cases import CASES, Example

Export = Callable[[torch.nn.Module, Example, Path], None]


def floor(model: torch.nn.Module, args: Example, path: Path) -> None:
    """What no exporter by tracing can go below: one trace, and the weights written once."""
    torch.jit.trace(model, args, check_trace=False, strict=False)
    with path.open("wb") as file:
        for tensor in model.state_dict().values():
            file.write(tensor.contiguous().numpy().reshape(-1).view("uint8").data)


def ours(model: torch.nn.Module, args: Example, path: Path) -> None:
    """Export with onnxport."""
    import onnxport  # noqa: PLC0415 - not in the processes that measure the others

    onnxport.export(model, args, path, opset_version=18)


def torchscript(model: torch.nn.Module, args: Example, path: Path) -> None:
    """Export with torch's TorchScript-based exporter, the anchor."""
    torch.onnx.export(model, args, str(path), opset_version=18, dynamo=False)


def dynamo(model: torch.nn.Module, args: Example, path: Path) -> None:
    """Export with torch's exporter by torch.export."""
    torch.onnx.export(model, args, str(path), opset_version=18, dynamo=True, verbose=False)


EXPORTERS: dict[str, Export] = {"onnxport": ours, "torchscript": torchscript, "dynamo": dynamo}


def main(case_name: str, exporter: str) -> None:
    """Measure and print."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    case = CASES[case_name]
    torch.manual_seed(0)
    model, args = case.build()
    model.eval()
    nbytes = sum(tensor.nbytes for tensor in model.state_dict().values())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        export = EXPORTERS[exporter]
        _seconds(floor, model, args, path)
        cold = _seconds(export, model, args, path)
        floor_peak = _peak_of(floor, model, args, path)
        peak = _peak_of(export, model, args, path)
        floors, exports = [], []
        for _ in range(case.repeats):
            floors.append(_seconds(floor, model, args, path))
            exports.append(_seconds(export, model, args, path))
    print(
        json.dumps(
            {
                "case": case_name,
                "exporter": exporter,
                "floor_s": min(floors),
                "export_s": min(exports),
                "cold_s": cold,
                "peak_bytes": peak,
                "floor_peak_bytes": floor_peak,
                "weight_bytes": nbytes,
            }
        )
    )


def _seconds(export: Export, model: torch.nn.Module, args: Example, path: Path) -> float:
    start = time.perf_counter()
    export(model, args, path)
    return time.perf_counter() - start


def _peak_of(export: Export, model: torch.nn.Module, args: Example, path: Path) -> int:
    """The memory that a call needs at most beside what is there before it, in bytes."""
    gc.collect()
    # What earlier calls have freed goes back to the system, so that this one is seen to take it.
    ctypes.CDLL(None).malloc_trim(0)
    # Forgets the highest use so far.
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    export(model, args, path)
    return _status("VmHWM") - before


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {field}")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(*sys.argv[1:])
