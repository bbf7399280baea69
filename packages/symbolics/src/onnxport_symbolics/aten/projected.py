"""LSTM with projections, which ONNX's operator does not have: its steps, one after the other, in a Scan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from onnxport_ir import DType, TensorType, Value

from onnxport_symbolics.aten.casts import dropout as dropout_of
from onnxport_symbolics.aten.cells import lstm_step
from onnxport_symbolics.aten.linear import linear
from onnxport_symbolics.integers import arange
from onnxport_symbolics.op import Op


@dataclass(frozen=True)
class Direction:
    """The weights of one direction of a layer.

    Attributes:
        w_ih: (4 * H, C).
        w_hh: (4 * H, P).
        b_ih: (4 * H), or None.
        b_hh: (4 * H), or None.
        w_hr: (P, H), the projection.
    """

    w_ih: Value
    w_hh: Value
    b_ih: Value | None
    b_hh: Value | None
    w_hr: Value

    @staticmethod
    def of(params: Sequence[Value], has_biases: bool) -> Direction:
        """The weights in the order of ``aten::lstm``."""
        b_ih, b_hh = params[2:4] if has_biases else (None, None)
        return Direction(params[0], params[1], b_ih, b_hh, params[-1])

    def run(self, op: Op, x: Value, initial: Sequence[Value], inside: Value | None, backward: int) -> tuple[Value, ...]:
        """The last states and all hidden states, as :func:`run_steps` gives them."""
        return run_steps(
            op,
            linear(op, x, self.w_ih, self.b_ih),
            initial,
            lambda hidden: linear(op, hidden, self.w_hh, self.b_hh),
            lambda wide: linear(op, wide, self.w_hr, None),
            inside,
            backward,
        )


def run_projected(
    op: Op,
    params: Sequence[Value],
    has_biases: bool,
    bidirectional: bool,
    dropout: float,
    x: Value,
    hx: Sequence[Value],
    lengths: Value | None,
) -> tuple[Value, ...]:
    """The output of the last layer, and the last states of all layers.

    Args:
        op: the builder.
        params: the weights of all directions of all layers.
        has_biases: whether there are biases among them.
        bidirectional: whether there are two directions.
        dropout: what is dropped between layers.
        x: (L, N, C).
        hx: the initial states, (layers * directions, N, P) and (layers * directions, N, H).
        lengths: (N) int64, how many steps of each sample count; None for all.
    """
    each, directions = 5 if has_biases else 3, 2 if bidirectional else 1
    inside = None
    if lengths is not None:
        steps = op.Unsqueeze(arange(op, op.dim(x, 0)), [1])
        inside = op.Unsqueeze(op.Less(steps, op.cast(lengths, DType.INT64)), [2])
    states: tuple[list[Value], list[Value]] = ([], [])
    for layer in range(len(params) // (each * directions)):
        if layer:
            x = dropout_of(op, x, dropout, dropout > 0)
        outputs = []
        for turn in range(directions):
            index = layer * directions + turn
            weights = Direction.of(params[index * each : (index + 1) * each], has_biases)
            initial = [op.Gather(state, op.const(index), axis=0) for state in hx]
            hidden, cell, found = weights.run(op, x, initial, inside, turn)
            states[0].append(op.Unsqueeze(hidden, [0]))
            states[1].append(op.Unsqueeze(cell, [0]))
            outputs.append(found)
        x = op.Concat(*outputs, axis=2) if bidirectional else outputs[0]
    return x, *(op.Concat(*of_layers, axis=0) for of_layers in states)


def run_steps(
    op: Op,
    gates: Value,
    initial: Sequence[Value],
    hidden_gates: Callable[[Value], Value],
    project: Callable[[Value], Value],
    inside: Value | None,
    backward: int,
) -> tuple[Value, ...]:
    """The last hidden and cell states (N, P) and (N, H), and the hidden states of all steps (L, N, P).

    Args:
        op: the builder.
        gates: what the input contributes, (L, N, 4 * H).
        initial: the hidden and the cell state to begin with.
        hidden_gates: what a hidden state contributes, (N, P) -> (N, 4 * H).
        project: what becomes of a new hidden state, (N, H) -> (N, P).
        inside: (L, N, 1) bool, which steps of which samples count; None for all.
        backward: 1 to begin with the last step.
    """
    dtype = op.dtype(gates)
    hidden, cell = (Value(TensorType(dtype, state.shape)) for state in initial)
    step = Value(TensorType(dtype, op.sizes(gates)[1:]))
    formals, scanned = [hidden, cell, step], [gates]
    if inside is not None:
        formals.append(Value(TensorType(DType.BOOL, op.sizes(inside)[1:])))
        scanned.append(inside)
    with op.body(formals, name="step") as body:
        wide, next_cell = lstm_step(op, op.Add(step, hidden_gates(hidden)), cell)
        projected = project(wide)
        if inside is not None:
            # Behind its end, a sample's state stays what it is.
            projected, next_cell = op.Where(formals[3], projected, hidden), op.Where(formals[3], next_cell, cell)
        projected, next_cell = op.own(projected), op.own(next_cell)
        body.outputs = [projected, next_cell, op.alias(projected)]
    found = op.multi(
        "Scan",
        3,
        *initial,
        *scanned,
        body=body,
        num_scan_inputs=len(scanned),
        scan_input_directions=[backward] * len(scanned),
        scan_output_directions=[backward],
    )
    shape = (op.sizes(gates)[0], *op.sizes(initial[0]))
    kinds = (hidden.value_type, cell.value_type, TensorType(dtype, shape))
    return tuple(op.retype(value, kind) for value, kind in zip(found, kinds, strict=True))
