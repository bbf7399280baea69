"""Making a captured graph functional: no operator writes, every read sees what was written through any alias."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from onnxport_ir.captured import Arg, Block, CapturedGraph, Eqn, OpName, Output, Var, arg_vars, walk
from onnxport_ir.errors import Place, UnsafeMutation

from onnxport_frontend.aliasing import op_facts
from onnxport_frontend.choices import ChoosingMemory
from onnxport_frontend.running_statistics import STATISTICS
from onnxport_frontend.storage import Memory
from onnxport_frontend.tensor_state import TensorState
from onnxport_frontend.torch_types import TorchTensor
from onnxport_frontend.walker import Walker


@dataclass(frozen=True, slots=True)
class Functionalized:
    """A functional graph, and the writes that it cannot express.

    Attributes:
        graph: the graph.
        mutated_params: name and first write of each parameter or buffer that the model writes. Reads later in the
            graph see the new value; the stored tensor stays as it is from run to run.
        mutated_inputs: the same for the model's inputs: the caller's tensors are not written.
        state: what each written parameter or buffer holds at the end, if that was asked for.
    """

    graph: CapturedGraph
    mutated_params: tuple[tuple[str, Place], ...] = ()
    mutated_inputs: tuple[tuple[str, Place], ...] = ()
    state: tuple[tuple[str, Arg], ...] = ()


def functionalize(graph: CapturedGraph) -> CapturedGraph:
    """The graph without operators that write; the same object if there are none.

    Raises:
        UnsafeMutation: if the effect of a write cannot be proved.
    """
    try:
        return functionalize_with_report(graph).graph
    except UnsafeMutation:
        if not has_branches(graph):
            raise
    return functionalize_with_report(graph, chooses=True).graph


def has_branches(graph: CapturedGraph) -> bool:
    """Whether a condition can decide anything in a graph."""
    return any(eqn.blocks for eqn in graph.eqns)


def functionalize_with_report(
    graph: CapturedGraph, strided: Iterable[Var] = (), *, keeps_state: bool = False, chooses: bool = False
) -> Functionalized:
    """The graph without operators that write, and what it writes to inputs and parameters.

    Args:
        graph: the graph, straight from TorchScript.
        strided: inputs that are not contiguous in memory. It decides whether ``reshape`` and the like share memory;
            parameters are asked themselves.
        keeps_state: whether what written parameters and buffers hold at the end is wanted.
        chooses: whether to follow tensors whose memory a branch or loop decides. Each of them takes equations that
            models in which no such tensor is written do without.

    Raises:
        UnsafeMutation: if the effect of a write cannot be proved.
    """
    if not any(_writes(op) for op in graph.op_counts()) and not any(map(_updates_statistics, walk(graph.eqns))):
        return Functionalized(graph)
    memory = ChoosingMemory() if chooses else Memory()
    state = TensorState(graph, (*strided, *_strided_params(graph)), memory)
    walker = Walker(state)
    starts = []
    for eqn in graph.eqns:
        starts.append(len(state.emit.eqns))
        walker.visit(eqn)
    outputs = tuple([Output(state.resolve(item.value), item.name, item.axes, item.rank) for item in graph.outputs])
    written = [item for item in graph.params if item.var in state.mutated]
    kept_state = tuple([(item.name, state.resolve(item.var)) for item in written]) if keeps_state else ()
    starts.append(len(state.emit.eqns))
    eqns = state.emit.eqns
    used = {var for value in (*(item.value for item in outputs), *dict(kept_state).values()) for var in arg_vars(value)}
    kept = _sweep(eqns, used, state)
    counts = [0]
    for item in kept:
        counts.append(counts[-1] + (item is not None))
    calls = tuple([replace(c, first=counts[starts[c.first]], last=counts[starts[c.last]]) for c in graph.calls])
    live = tuple([eqn for eqn in kept if eqn is not None])
    return Functionalized(
        replace(graph, eqns=live, outputs=outputs, calls=calls),
        tuple([(item.name, state.mutated[item.var]) for item in written]),
        tuple([(item.name, state.mutated[item.var]) for item in graph.inputs if item.var in state.mutated]),
        kept_state,
    )


def _writes(op: OpName) -> bool:
    facts = op_facts(op)
    if facts is None:
        return op.name.endswith("_") and not op.name.endswith("__")
    return bool(facts.tensor_writes)


def _updates_statistics(eqn: Eqn) -> bool:
    flag = STATISTICS.get(eqn.op.base)
    if flag is None:
        return False
    args = dict(zip(eqn.names, eqn.args, strict=True))
    return args[flag] is not False and args["running_mean"] is not None


def _strided_params(graph: CapturedGraph) -> list[Var]:
    tensors = [(item.var, item.tensor) for item in graph.params]
    return [var for var, ref in tensors if isinstance(ref, TorchTensor) and not ref.tensor.is_contiguous()]


def _sweep(eqns: Sequence[Eqn], used: set[Var], state: TensorState) -> list[Eqn | None]:
    """Drop views and made equations without users, and results without users that were added to blocks.

    Args:
        eqns: the equations of a block.
        used: the variables that are used after it; those used in it are added.
        state: which equations may go.
    """
    kept: list[Eqn | None] = []
    for eqn in reversed(eqns):
        if eqn in state.made and not any(out in used for out in eqn.outputs):
            kept.append(None)
            continue
        swept = _sweep_blocks(eqn, used, state) if eqn.blocks else eqn
        used.update(var for arg in swept.args for var in arg_vars(arg))
        kept.append(swept)
    return kept[::-1]


def _sweep_blocks(eqn: Eqn, used: set[Var], state: TensorState) -> Eqn:
    before = state.emit.added.get(eqn, len(eqn.outputs))
    # A loop's carried variables are read by the next iteration, so only those of branches can go.
    is_branch = eqn.op.base == "prim::If"
    live = [i for i, out in enumerate(eqn.outputs) if i < before or not is_branch or out in used]
    blocks = []
    for block in eqn.blocks:
        outputs = tuple([block.outputs[i] for i in live]) if is_branch else block.outputs
        used.update(var for arg in outputs for var in arg_vars(arg))
        inner = _sweep(block.eqns, used, state)
        blocks.append(Block(block.inputs, tuple([item for item in inner if item is not None]), outputs))
    return Eqn(eqn.op, eqn.args, eqn.names, tuple([eqn.outputs[i] for i in live]), tuple(blocks), eqn.place)
