"""Every operator that torch's exporters take is taken here, or stands in the documentation with the reason."""

from __future__ import annotations

import pytest
from onnxport_symbolics import NEWEST_OPSET

from tests.operators import tensors
from tests.operators.programs import Program

PROGRAMS: list[Program] = [*tensors.PROGRAMS]


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_program(program: Program) -> None:
    graph = program.torch_graph()
    for name in program.names:
        assert f"{name}(" in graph, f"torch's graph has no {name}:\n{graph}"
    program.case.check((7, 9, 18, NEWEST_OPSET))
