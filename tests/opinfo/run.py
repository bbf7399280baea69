"""Operator coverage: torch's OpInfo database through onnxport, against eager torch in ONNX Runtime.

``nox -s opinfo -- --opset 18`` runs all cases and prints a summary; ``--json`` keeps the results, of which the
documentation's support page is made. The exit code is 1 if a value is wrong or a process crashed.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import json
import multiprocessing
import multiprocessing.connection
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import onnx
import onnxport
import onnxruntime
import torch
from cases import SAMPLES, Outcome, names, run_case
from onnxport_symbolics import default_registry

Case = tuple[int, str, str]
#: The opsets, the number of samples a case, the seed of the samples.
Settings = tuple[list[int], int, int]


def main() -> int:
    """Run what the command line asks for."""
    options = _parser().parse_args()
    opsets = options.opset or [onnxport.DEFAULT_OPSET]
    selected = [c for c in names() if c[2] in options.dtype and re.search(options.ops, c[1])][:: options.every]
    # Once here, so that a fault in the house shows at once and not as a process that dies.
    default_registry()
    start = time.monotonic()
    outcomes: list[Outcome] = []
    for done, found in enumerate(_run_all(selected, opsets, options), 1):
        outcomes += found
        for outcome in found:
            if outcome.status in options.show:
                print(f"{outcome.status:8} {outcome.name} {outcome.dtype} opset {outcome.opset}: {outcome.detail}")
        if done % 100 == 0:
            print(f"... {done} of {len(selected)} cases, {time.monotonic() - start:.0f} s", file=sys.stderr)
    outcomes.sort(key=lambda outcome: (outcome.opset, outcome.name, outcome.dtype))
    if options.json:
        _save(options.json, outcomes)
    for opset in opsets:
        print(summary(opset, [outcome for outcome in outcomes if outcome.opset == opset]))
    bad = sum(outcome.status in ("wrong", "crash") for outcome in outcomes)
    return 1 if bad else 0


def summary(opset: int, outcomes: list[Outcome]) -> str:
    """One line about an opset."""
    counts = collections.Counter(outcome.status for outcome in outcomes)
    counted = len(outcomes) - counts["skip"]
    share = 100 * counts["pass"] / counted if counted else 0.0
    others = ", ".join(
        f"{counts[status]} {status}" for status in ("refused", "wrong", "error", "runtime", "crash", "timeout")
    )
    by_type = sum(outcome.by_type_only and outcome.status == "pass" for outcome in outcomes)
    return (
        f"opinfo opset {opset}: {counts['pass']} of {counted} counted cases pass ({share:.1f} %), {others}; "
        f"{counts['skip']} skipped, {by_type} compared by dtype and shape only"
    )


def _run_all(cases: list[Case], opsets: list[int], options: argparse.Namespace) -> Iterator[list[Outcome]]:
    """Run cases in processes, which are replaced when one dies or takes too long."""
    waiting = collections.deque(cases)
    running: dict[multiprocessing.connection.Connection, tuple[_Worker, Case, float]] = {}
    limit_s, settings = options.timeout_s, (opsets, options.samples, options.seed)
    idle = [_Worker(settings) for _ in range(options.workers)]
    while waiting or running:
        while idle and waiting:
            worker, case = idle.pop(), waiting.popleft()
            worker.pipe.send(case)
            running[worker.pipe] = (worker, case, time.monotonic())
        for pipe in multiprocessing.connection.wait(list(running), timeout=0.5):
            worker, case, _ = running.pop(pipe)  # type: ignore[call-overload]  # wait() gives back what it got
            try:
                yield worker.pipe.recv()
                idle.append(worker)
            except (EOFError, ConnectionError):
                yield _failed(case, opsets, "crash", "the process died")
                idle.append(_Worker(settings))
        for pipe, (worker, case, start) in list(running.items()):
            if time.monotonic() - start > limit_s:
                del running[pipe]
                worker.process.kill()
                yield _failed(case, opsets, "timeout", f"more than {limit_s:.0f} s")
                idle.append(_Worker(settings))
    for worker in idle:
        worker.pipe.close()


class _Worker:
    """A process that runs one case after the other."""

    def __init__(self, settings: Settings) -> None:
        context = multiprocessing.get_context("forkserver")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, settings), daemon=True)
        self.process.start()
        theirs.close()


def _work(pipe: Any, settings: Settings) -> None:
    torch.set_num_threads(1)
    registry = default_registry()
    opsets, samples, seed = settings
    while True:
        try:
            index, _, dtype = pipe.recv()
        except EOFError:
            return
        pipe.send(run_case(index, dtype, opsets, registry, samples, seed))


def _failed(case: Case, opsets: list[int], status: str, detail: str) -> list[Outcome]:
    return [Outcome(case[1], case[2], opset, status, detail) for opset in opsets]


def _save(path: Path, outcomes: list[Outcome]) -> None:
    versions = {"torch": torch.__version__, "onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}
    content = {"versions": versions, "cases": [dataclasses.asdict(outcome) for outcome in outcomes]}
    path.write_text(json.dumps(content, indent=1) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--opset", type=int, action="append", help="an opset; may be repeated (default: 18)")
    parser.add_argument("--ops", default="", metavar="REGEX", help="only operators whose name matches")
    parser.add_argument(
        "--dtype", nargs="+", default=["float32", "int64", "bool"], help="element types (default: float32 int64 bool)"
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth case")
    parser.add_argument("--samples", type=int, default=SAMPLES, help=f"samples a case (default: {SAMPLES})")
    parser.add_argument("--seed", type=int, default=0, help="of the samples' numbers (default: 0)")
    parser.add_argument("--workers", type=int, default=multiprocessing.cpu_count(), help="processes")
    parser.add_argument("--timeout-s", type=float, default=60.0, help="seconds for one case")
    parser.add_argument("--json", type=Path, help="where to write the results")
    parser.add_argument(
        "--show", nargs="*", default=["wrong", "crash", "error"], help="outcomes to print (default: wrong crash error)"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
