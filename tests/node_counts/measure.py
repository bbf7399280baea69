"""Count the nodes that torch.onnx.export makes of each pattern, in both its modes: the yardstick of our own counts.

Run from the project's root: ``python -m tests.node_counts.measure [NAME ...]``; it writes ``anchors.json`` beside this
file, or renews the named patterns in it. Nothing else in the project needs it.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import onnx
import onnxscript
import torch

from tests.node_counts.counting import count, difference, eager
from tests.node_counts.patterns import OPSETS, PATTERNS, Call, Pattern

DATA = Path(__file__).with_name("anchors.json")
#: The opset from which on each mode can export.
MODES = {"torchscript": (0, 20), "dynamo": (18, 99)}


def export(pattern: Pattern, opset: int, *, dynamic: bool, dynamo: bool) -> onnx.ModelProto:
    """The model that torch makes."""
    names = [f"x{index}" for index in range(len(pattern.args))]
    options: dict[str, Any] = {}
    if dynamic and dynamo:
        # One parameter takes all arguments.
        options["dynamic_shapes"] = (
            tuple(dict.fromkeys(pattern.axes.get(index, ()), torch.export.Dim.DYNAMIC) for index in range(len(names))),
        )
    elif dynamic:
        options["dynamic_axes"] = {names[index]: list(axes) for index, axes in pattern.axes.items()}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path = Path(folder) / "model.onnx"
        model = Call(pattern.model()) if dynamo else pattern.model()
        torch.onnx.export(
            model,
            pattern.args,
            str(path),
            input_names=names,
            opset_version=opset,
            dynamo=dynamo,
            verbose=False,
            **options,
        )
        return onnx.load(path)


def measure(pattern: Pattern, opset: int, *, dynamic: bool, dynamo: bool) -> int | str:
    """The number of nodes, or why there is none to hold us to."""
    try:
        model = export(pattern, opset, dynamic=dynamic, dynamo=dynamo)
    except Exception as error:  # whatever it is, there is no count
        return f"no export: {str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__}"
    found = next(item.version for item in model.opset_import if item.domain in ("", "ai.onnx"))
    if found != opset:
        return f"no export: it is left at opset {found}"
    other = {item.domain for item in model.opset_import} - {"", "ai.onnx"}
    for args, what in [(pattern.args, "the example"), (pattern.other, "other sizes")][: 2 if dynamic else 1]:
        problem = difference(model, args, eager(pattern.model(), args))
        if problem is not None:
            return f"{count(model)} nodes, but on {what}: {problem}"
    return count(model) if not other or model.functions else f"{count(model)} nodes, of domains {sorted(other)} too"


def main(names: list[str]) -> None:
    """Measure the patterns of these names, or all."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    counts = json.loads(DATA.read_text(encoding="utf-8"))["counts"] if names else {}
    for pattern in PATTERNS:
        if names and pattern.name not in names:
            continue
        counts[pattern.name] = {
            kind: {
                mode: {
                    str(opset): measure(pattern, opset, dynamic=kind == "dynamic", dynamo=mode == "dynamo")
                    for opset in OPSETS
                    if low <= opset <= high
                }
                for mode, (low, high) in MODES.items()
            }
            for kind in ("fixed", "dynamic")
        }
        print(pattern.name, counts[pattern.name], flush=True)  # noqa: T201 - a script
    data = {"torch": torch.__version__, "onnxscript": onnxscript.__version__, "counts": counts}
    DATA.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
