"""Export time and peak memory, as ratios to the floor: one trace of the model, and its weights written once.

``nox -s bench`` runs all cases through onnxport and, beside it, through both of torch's exporters. Ratios compare
within one process; seconds are of this machine and this moment. The exit code is 1 if onnxport exceeds its bounds.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from cases import CASES

#: Export time over the floor, and memory above the model and the floor's: a part of the weights, and a constant.
MAX_RATIO = 3.0
MAX_PEAK_SHARE = 0.1
MAX_PEAK_BYTES = 60e6
TIMEOUT_S = 900
HERE = Path(__file__).parent


def main() -> int:
    """Run what the command line asks for."""
    options = _parser().parse_args()
    rows = []
    for name in (name for name in CASES if re.search(options.cases, name)):
        for exporter in options.exporters:
            if exporter in CASES[name].slow and not options.all:
                continue
            row = measure(name, exporter)
            rows.append(row)
            print(line(row), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    over = [row for row in rows if row["exporter"] == "onnxport" and not within_bounds(row)]
    for row in over:
        print(f"over the bounds: {row['case']}")
    return 1 if over else 0


def measure(case: str, exporter: str) -> dict[str, Any]:
    """Run one case in a process of its own."""
    command = [sys.executable, str(HERE / "measure.py"), case, exporter]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return {"case": case, "exporter": exporter, "error": f"more than {TIMEOUT_S} s"}
    for text in reversed(done.stdout.splitlines()):
        if text.startswith("{"):
            found: dict[str, Any] = json.loads(text)
            return found
    return {"case": case, "exporter": exporter, "error": done.stderr.strip().splitlines()[-1][:200]}


def within_bounds(row: dict[str, Any]) -> bool:
    """Whether a measurement of ours is as it must be."""
    if "error" in row:
        return False
    allowed = MAX_PEAK_SHARE * row["weight_bytes"] + MAX_PEAK_BYTES
    above_floor = row["peak_bytes"] - row["floor_peak_bytes"]
    return bool(row["export_s"] <= MAX_RATIO * row["floor_s"] and above_floor <= allowed)


def line(row: dict[str, Any]) -> str:
    """One measurement as text."""
    head = f"{row['case']:16} {row['exporter']:12}"
    if "error" in row:
        return f"{head} failed: {row['error']}"
    ratio = row["export_s"] / row["floor_s"]
    peak = f"peak {row['peak_bytes'] / 1e6:7.1f} MB (floor {row['floor_peak_bytes'] / 1e6:.1f} MB)"
    if row["weight_bytes"] > 1e7:
        peak += f" = {row['peak_bytes'] / row['weight_bytes']:4.2f} of the weights"
    seconds = f"{row['floor_s']:.3f} s -> {row['export_s']:.3f} s, cold {row['cold_s']:.3f} s"
    return f"{head} {ratio:6.2f} x floor ({seconds})  {peak}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="", metavar="REGEX", help=f"only these: {', '.join(CASES)}")
    parser.add_argument(
        "--exporters", nargs="+", default=["onnxport", "torchscript", "dynamo"], help="default: all three"
    )
    parser.add_argument("--all", action="store_true", help="also what takes minutes")
    parser.add_argument("--json", type=Path, help="where to write the measurements")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
