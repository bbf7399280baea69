"""Every operator that torch's exporters take is taken here, or stands in the documentation with the reason."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from onnxport_ir import OpName
from onnxport_symbolics import NEWEST_OPSET, default_registry
from onnxport_symbolics.control import CONTROL
from onnxport_symbolics.support import first_tested_opsets

from tests.operators import primitives, quantised, scripts, tensors
from tests.operators.programs import Program

ROOT = Path(__file__).parents[1]
PROGRAMS: list[Program] = [*tensors.PROGRAMS, *scripts.PROGRAMS, *quantised.PROGRAMS, *primitives.PROGRAMS]
#: What the capture resolves, so that no handler meets it.
RESOLVED = frozenset({"aten::dropout_", "aten::alpha_dropout_", "aten::feature_dropout_"}) | {
    *("aten::feature_alpha_dropout_", "aten::masked_fill_", "prim::Constant", "prim::unchecked_cast"),
}


def names() -> dict[str, int]:
    """The lowest opset at which one of torch's exporters takes each operator."""
    found: dict[str, int] = {}
    for by_opset in json.loads((ROOT / "tests" / "operators" / "names.json").read_text(encoding="utf-8")).values():
        for opset, group in by_opset.items():
            for name in map(spelled, group):
                found[name] = min(int(opset), found.get(name, NEWEST_OPSET))
    return found


def spelled(name: str) -> str:
    """torch's exporter writes ``aten::__and_`` for ``aten::__and__``."""
    base = name.partition("::")[2]
    return f"{name}_" if re.fullmatch(r"__\w*[^_]_", base) else name


def exceptions() -> dict[str, int | None]:
    """What the documentation excepts: the opset from which on it is exported; None for none."""
    found: dict[str, int | None] = {}
    text = (ROOT / "docs" / "support.md").read_text(encoding="utf-8")
    for operators, opset, reason in re.findall(r"^\| (`.*`) \| ?(\d*) ?\| (.+) \|$", text, re.MULTILINE):
        assert len(reason) > 20, f"{operators} has no reason"
        for name in re.findall(r"`([^`]+)`", operators):
            found[name] = int(opset) if opset else None
    return found


def shown() -> dict[str, int]:
    """The lowest opset at which each operator was seen to give torch's results."""
    found = dict(first_tested_opsets())
    for program in PROGRAMS:
        for name in program.names:
            found[name] = min(program.case.since, found.get(name, NEWEST_OPSET))
    return found


def test_every_name_is_shown_or_excepted() -> None:
    tested, excepted = shown(), exceptions()
    assert len(excepted) > 5
    late = {}
    for name, theirs in names().items():
        ours = tested.get(name)
        if name in excepted:
            wanted = excepted[name]
            assert wanted is None or (ours == wanted > theirs), f"{name} is excepted without need, or wrongly"
        elif ours is None or ours > theirs:
            late[name] = (theirs, ours)
    assert not late, f"name: (torch's first opset, ours): {late}"


def test_exceptions_are_names_of_torch() -> None:
    assert exceptions().keys() <= names().keys()


def test_every_name_that_is_not_excepted_is_handled() -> None:
    registry = default_registry(plugins=False)
    bases = {f"{handler.name.namespace}::{handler.name.name}" for handler in registry}
    without = [
        name
        for name in names()
        if name not in bases and OpName.parse(name) not in registry and name not in {*CONTROL, *RESOLVED, *exceptions()}
    ]
    # torch's own decompositions express these in others.
    assert set(without) <= {"aten::hardtanh_backward"}, without


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_program(program: Program) -> None:
    graph = program.torch_graph()
    for name in program.names:
        assert f"{name}(" in graph or f"{name}[" in graph, f"torch's graph has no {name}:\n{graph}"
    program.case.check((7, 9, 10, 13, 18, NEWEST_OPSET))
