"""Control flow: ``prim::If`` and ``prim::Loop``, the two equations with blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from onnxport_ir import DType, Eqn, TensorType, Value
from onnxport_ir.captured import Block as CapturedBlock

from onnxport_symbolics.binder import Lowered
from onnxport_symbolics.op import Op

if TYPE_CHECKING:
    from onnxport_symbolics.lower import Lowering

Control = Callable[["Lowering", Eqn], tuple[Lowered, ...]]


def lower_if(lowering: Lowering, eqn: Eqn) -> tuple[Lowered, ...]:
    """``prim::If``: the branch alone where the condition is known, else ONNX's If."""
    condition = lowering.value(eqn.args[0])
    known = _known_bool(condition)
    if known is not None:
        return _inline(lowering, eqn.blocks[0 if known else 1])
    if not isinstance(condition, Value):
        raise lowering.op.refuse(f"a condition that is no tensor: {condition!r}")
    branches = []
    for block, name in zip(eqn.blocks, ("then", "else"), strict=True):
        with lowering.op.body(name=name) as body:
            lowering.run(block.eqns)
            values = [
                lowering.as_value(lowering.value(out), var.type)
                for out, var in zip(block.outputs, eqn.outputs, strict=True)
            ]
            body.outputs = [lowering.op.own(value) for value in values]
        branches.append(body)
    if not eqn.outputs:
        return ()
    condition = lowering.op.cast(condition, DType.BOOL)
    return lowering.op.multi("If", len(eqn.outputs), condition, then_branch=branches[0], else_branch=branches[1])


def lower_loop(lowering: Lowering, eqn: Eqn) -> tuple[Lowered, ...]:
    """``prim::Loop(max_trip_count, condition, carried...)``: ONNX's Loop with the same carried values."""
    op = lowering.op
    trips, condition, *carried = (lowering.value(arg) for arg in eqn.args)
    body = eqn.blocks[0]
    initial = [lowering.as_value(c, var.type) for c, var in zip(carried, eqn.outputs, strict=True)]
    counter = Value(TensorType(DType.INT64, ()))
    flag = Value(TensorType(DType.BOOL, ()))
    formals = [Value(_loosened(op, value)) for value in initial]
    lowering.env.update(zip(body.inputs, [counter, *formals], strict=True))
    with op.body([counter, flag, *formals], name="loop") as block:
        lowering.run(body.eqns)
        types = [None, *(var.type for var in eqn.outputs)]
        values = [lowering.as_value(lowering.value(out), known) for out, known in zip(body.outputs, types, strict=True)]
        for value, formal in zip(values[1:], formals, strict=True):
            if value.dtype is not formal.dtype or (None not in (value.rank, formal.rank) and value.rank != formal.rank):
                raise op.refuse("a loop that carries a value whose type or rank changes")
        block.outputs = [op.own(value) for value in values]
    return op.multi(
        "Loop", len(initial), op.scalar(trips, DType.INT64), op.scalar(condition, DType.BOOL), *initial, body=block
    )


def _loosened(op: Op, value: Value) -> TensorType:
    """The type of a carried value inside the loop: its sizes may change from one turn to the next."""
    shape = None if value.shape is None else tuple(op.unknown_dim() for _ in value.shape)
    return TensorType(value.dtype, shape)


def _inline(lowering: Lowering, block: CapturedBlock) -> tuple[Lowered, ...]:
    lowering.run(block.eqns)
    return tuple(lowering.value(out) for out in block.outputs)


def _known_bool(condition: Lowered) -> bool | None:
    if isinstance(condition, bool | int):
        return bool(condition)
    if isinstance(condition, Value) and condition.const is not None:
        return bool(condition.array().reshape(-1)[0])
    return None


#: The equations that the lowering itself takes apart.
CONTROL: dict[str, Control] = {"prim::If": lower_if, "prim::Loop": lower_loop}
