"""LSTMs whose weights are quantised, and whose inputs and states are by their range, anew at each step."""

from __future__ import annotations

from collections.abc import Sequence

from onnxport_ir import Value

from onnxport_symbolics.aten.projected import run_steps
from onnxport_symbolics.aten.quantized import dynamic_product
from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten


@aten("quantized_lstm.input")
def quantized_lstm(
    op: Op,
    input: Value,
    hx: Sequence[Value],
    params: object,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    dtype: object = None,
    use_dynamic: bool = False,
) -> tuple[Value, ...]:
    """quantized_lstm.input(Tensor input, Tensor[] hx, CellParamsBase[] params, bool has_biases, int num_layers, float
    dropout, bool train, bool bidirectional, bool batch_first, *, ScalarType? dtype=None, bool use_dynamic=False)
    -> (Tensor, Tensor, Tensor)

    input (L, N, C), or (N, L, C) if batch_first; hx two of (layers * directions, N, H).
    """
    directions = 2 if bidirectional else 1
    if not isinstance(params, tuple) or len(params) != num_layers * directions or not use_dynamic:
        raise op.refuse("a quantised LSTM whose weights are no attributes of the model")
    if train and dropout:
        raise op.refuse("a quantised LSTM with dropout in training", "Call eval() on the model.")
    x = op.Transpose(input, perm=(1, 0, 2)) if batch_first else input
    states: tuple[list[Value], list[Value]] = ([], [])
    for layer in range(num_layers):
        outputs = []
        for turn in range(directions):
            index = layer * directions + turn
            initial = [op.Gather(state, op.const(index), axis=0) for state in hx]
            hidden, cell, found = _direction(op, params[index], x, initial, turn)
            states[0].append(op.Unsqueeze(hidden, [0]))
            states[1].append(op.Unsqueeze(cell, [0]))
            outputs.append(found)
        x = op.Concat(*outputs, axis=2) if bidirectional else outputs[0]
    x = op.Transpose(x, perm=(1, 0, 2)) if batch_first else x
    return x, *(op.Concat(*of_layers, axis=0) for of_layers in states)


def _direction(op: Op, params: object, x: Value, initial: Sequence[Value], backward: int) -> tuple[Value, ...]:
    """The steps of one direction; ``params``: whether ranges have 7 bits, the packed weights of input and state."""
    if not isinstance(params, tuple):
        raise op.refuse("a quantised LSTM whose weights are no attributes of the model")
    reduce_range, w_ih, w_hh = params
    return run_steps(
        op,
        dynamic_product(op, x, w_ih, bool(reduce_range)),
        initial,
        lambda hidden: dynamic_product(op, hidden, w_hh, bool(reduce_range)),
        lambda wide: wide,
        None,
        backward,
    )
