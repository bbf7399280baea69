"""A lowering that is watched, and calls of modules whose nodes are theirs alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

from onnxport_ir import Block, CapturedGraph, Eqn, ModuleCall

from onnxport_symbolics.binder import Lowered

if TYPE_CHECKING:
    from onnxport_symbolics.lower import Lowering


class Watcher(Protocol):
    """Is told what each equation of a graph was lowered to."""

    def lowered(self, eqn: Eqn, results: Sequence[Lowered], block: Block) -> None:
        """Called after each equation of the graph itself, in order.

        Args:
            eqn: the equation.
            results: what its outputs were lowered to, one each.
            block: the graph as far as it goes.
        """


def run_watched(
    lowering: Lowering, graph: CapturedGraph, block: Block, watcher: Watcher | None, separate: Sequence[ModuleCall]
) -> None:
    """Lower the equations of a graph one by one.

    Args:
        lowering: with the graph's inputs.
        graph: the graph.
        block: what it is lowered to.
        watcher: is told of each equation.
        separate: calls of modules, outer before inner, that share no node with what is around them.
    """
    calls = [call for call in separate if call.first < call.last]
    begun = 0
    open_calls: list[tuple[int, ExitStack]] = []
    for index, eqn in enumerate(graph.eqns):
        while open_calls and open_calls[-1][0] <= index:
            open_calls.pop()[1].close()
        while begun < len(calls) and calls[begun].first == index:
            stack = ExitStack()
            stack.enter_context(lowering.op.alone())
            open_calls.append((calls[begun].last, stack))
            begun += 1
        lowering.run((eqn,))
        if watcher is not None:
            watcher.lowered(eqn, [lowering.env[var] for var in eqn.outputs], block)
    while open_calls:
        open_calls.pop()[1].close()
