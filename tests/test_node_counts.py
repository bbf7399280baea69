"""Graphs are no larger than those of ``torch.onnx.export``, in either of its modes, and right at other sizes.

What torch makes was counted once by ``tests/node_counts/measure.py``; a count is held against us only if that model
ran and was right on the inputs tried here. Where torch has fewer nodes because it is wrong, or fails, on other inputs,
our own count is held.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from onnxport.export import build
from onnxport.options import ExportOptions
from onnxport_frontend import capture
from onnxport_ir.errors import NeedsOpset
from onnxport_ir.proto import to_proto
from onnxport_symbolics import Target, default_registry

from tests.node_counts.counting import count, difference, eager
from tests.node_counts.patterns import OPSETS, PATTERNS, Pattern

DATA = json.loads(Path(__file__).with_name("node_counts").joinpath("anchors.json").read_text(encoding="utf-8"))
# Any: a tree of names, opsets and counts.
ANCHORS: Mapping[str, Any] = DATA["counts"]


@dataclasses.dataclass(frozen=True)
class Above:
    """A pattern of which we have more nodes than torch.

    Attributes:
        why: what is wrong with torch's graph.
        nodes: the most that we may have, by opset; for fixed and for dynamic sizes.
    """

    why: str
    fixed: Mapping[int, int]
    dynamic: Mapping[int, int]


ABOVE = {
    "sdpa, float mask": Above(
        "ONNX Runtime's Attention takes the lowest float32 for -inf at these opsets, and gives zeros for a row of it",
        fixed={23: 9},
        dynamic={23: 9},
    ),
    "cross entropy": Above(
        "ONNX Runtime's SoftmaxCrossEntropyLoss fails on an empty batch",
        fixed=dict.fromkeys((13, 17, 18, 20, 23), 13),
        dynamic=dict.fromkeys((13, 17, 18, 20, 23), 13),
    ),
    "interpolate to another's size": Above(
        "ONNX Runtime's Resize picks other elements than torch, from 14 to 2 for example",
        fixed={},
        dynamic={9: 34} | dict.fromkeys((13, 17, 18, 20, 23), 26),
    ),
    "einsum": Above(
        "ONNX Runtime's Einsum divides by zero on an empty batch, which ends the process",
        fixed={},
        dynamic=dict.fromkeys((13, 17, 18, 20, 23), 2),
    ),
    "group norm": Above(
        "ONNX Runtime's variance of a group is a difference of mean squares, 0.3 off where the mean is 1000 deviations",
        fixed={23: 5},
        dynamic={23: 6},
    ),
    "gather": Above(
        "torch multiplies the tensor by a one-hot tensor, so that an infinity anywhere makes the result NaN",
        fixed={},
        dynamic={9: 15},
    ),
}


def limit(pattern: Pattern, kind: str, opset: int) -> int | None:
    """How many nodes there may be; None where torch has no model to compare with."""
    above = ABOVE.get(pattern.name)
    held = {} if above is None else above.dynamic if kind == "dynamic" else above.fixed
    if opset in held:
        return held[opset]
    counts = [found for mode in ANCHORS[pattern.name][kind].values() if isinstance(found := mode.get(str(opset)), int)]
    return min(counts, default=None)


@pytest.mark.parametrize("kind", ["fixed", "dynamic"])
@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
def test_graphs_are_no_larger_than_torchs(pattern: Pattern, kind: str) -> None:
    names = [f"x{index}" for index in range(len(pattern.args))]
    axes = {names[index]: dict(dims) for index, dims in pattern.axes.items()} if kind == "dynamic" else {}
    captured = capture(pattern.model(), pattern.args, input_names=names, dynamic_axes=axes)
    tries = [pattern.args, pattern.other] if kind == "dynamic" else [pattern.args]
    expected = [eager(pattern.model(), args) for args in tries]
    found: dict[int, int] = {}
    for opset in OPSETS:
        allowed = limit(pattern, kind, opset)
        try:
            model = to_proto(build(captured, default_registry(), ExportOptions(Target(opset)), {}))
        except NeedsOpset:
            assert allowed is None, f"opset {opset} can express it"
            continue
        for args, wanted in zip(tries, expected, strict=True):
            assert difference(model, args, wanted) is None, f"opset {opset}"
        nodes = count(model)
        if allowed is not None and nodes > allowed:
            found[opset] = nodes
    assert not found, f"more nodes than {[limit(pattern, kind, opset) for opset in found]}: {found}"


def test_the_data_is_of_these_patterns() -> None:
    assert list(ANCHORS) == [pattern.name for pattern in PATTERNS]
    assert DATA["torch"].startswith("2.")
    measured = [found for by_kind in ANCHORS.values() for by_mode in by_kind.values() for found in by_mode.values()]
    counts = [item for by_opset in measured for item in by_opset.values() if isinstance(item, int)]
    assert len(counts) > 1000


@pytest.mark.parametrize("name", ABOVE)
def test_exemptions_are_needed(name: str) -> None:
    for kind, held in (("fixed", ABOVE[name].fixed), ("dynamic", ABOVE[name].dynamic)):
        for opset, nodes in held.items():
            anchors = [mode.get(str(opset)) for mode in ANCHORS[name][kind].values()]
            assert min(found for found in anchors if isinstance(found, int)) < nodes
