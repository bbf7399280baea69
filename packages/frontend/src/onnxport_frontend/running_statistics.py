"""Normalisations in training: the new running statistics, of which the operators' schemas say nothing."""

from __future__ import annotations

from onnxport_ir.captured import Arg, Eqn, TensorLiteral, Var
from onnxport_ir.types import TensorType

from onnxport_frontend.emitting import cast, tensor_type
from onnxport_frontend.tensor_state import TensorState

#: Normalisations that write their running statistics, and the argument that says whether they do.
STATISTICS = {"aten::batch_norm": "training", "aten::instance_norm": "use_input_stats"}
_NAMES = ("running_mean", "running_var")


def normalise(state: TensorState, eqn: Eqn) -> None:
    """Read a normalisation: where it updates its statistics, the new ones are computed as torch does.

    Nobody may read them; then their equations go again.

    Raises:
        UnsafeMutation: if the statistics cannot be written, as constants cannot.
    """
    flag = STATISTICS[eqn.op.base]
    args = [state.resolve(arg, checked=name not in _NAMES) for name, arg in zip(eqn.names, eqn.args, strict=True)]
    state.emit_resolved(eqn, tuple(args))
    given = dict(zip(eqn.names, eqn.args, strict=True))
    if given[flag] is False:
        return
    momentum, targets = given["momentum"], [given[name] for name in _NAMES]
    if given[flag] is True and isinstance(momentum, int | float):
        _update(state, eqn, args[0], float(momentum), targets)
        return
    for base in state.bases(targets):
        state.note_write(base)
        why = "the new running statistics, which are read later, are not in the graph"
        state.spoil(base, f"{eqn.op} updates its running statistics", why)


def _update(state: TensorState, eqn: Eqn, value: Arg, momentum: float, targets: list[Arg]) -> None:
    """``(1 - momentum) * running + momentum * batch`` with the unbiased variance; x: (N, C, ...)."""
    emit, per_batch = state.emit, eqn.op.name == "batch_norm"
    dtype = tensor_type(value).dtype
    if per_batch:
        value = emit("aten::transpose.int", TensorType(dtype), value, 0, 1)
    axis = 1 if per_batch else 2
    flat: Arg = emit("aten::flatten.using_ints", TensorType(dtype), value, axis, -1)
    for target, is_mean in zip(targets, (True, False), strict=True):
        if not isinstance(target, Var | TensorLiteral):
            continue
        region = state.handle(target).region
        running = state.resolve(target)
        kind = region.tensor_type
        samples = cast(emit, flat, kind.dtype, running)
        if is_mean:
            found = emit("aten::mean.dim", TensorType(kind.dtype), samples, (axis,))
        else:
            found = emit("aten::var.correction", TensorType(kind.dtype), samples, (axis,), correction=1)
        if not per_batch:
            found = emit("aten::mean.dim", kind, found, (0,))
        kept = emit("aten::mul.Scalar", kind, running, 1 - momentum)
        share = emit("aten::mul.Scalar", kind, found, momentum)
        state.write(region, emit("aten::add.Tensor", kind, kept, share), f"{eqn.op} updates its running statistics")
