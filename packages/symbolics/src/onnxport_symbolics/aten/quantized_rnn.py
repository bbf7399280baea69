"""Recurrent networks whose weights are quantised, and whose inputs and states are by their range, anew at each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from onnxport_ir import TensorType, Value

from onnxport_symbolics.aten.cells import gru_step, lstm_step
from onnxport_symbolics.aten.projected import run_steps
from onnxport_symbolics.aten.quantized import dynamic_product
from onnxport_symbolics.op import OnnxOperator, Op
from onnxport_symbolics.registry import aten, quantized

#: One direction of a layer: its weights, the input (L, N, C), the initial states, 1 to begin at the end. It gives the
#: last states (N, H) and the hidden states (L, N, H).
_Run = Callable[[Op, object, Value, Sequence[Value], int], tuple[Value, ...]]


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
    if train and dropout:
        raise op.refuse("a quantised LSTM with dropout in training", "Call eval() on the model.")
    return _layers(op, _lstm, input, hx, params, num_layers, bidirectional, batch_first)


@aten("quantized_gru.input")
def quantized_gru(
    op: Op,
    input: Value,
    hx: Value,
    params: object,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Value, ...]:
    """quantized_gru.input(Tensor input, Tensor hx, CellParamsBase[] params, bool has_biases, int num_layers, float
    dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)

    input (L, N, C), or (N, L, C) if batch_first; hx (layers * directions, N, H).
    """
    if train and dropout:
        raise op.refuse("a quantised GRU with dropout in training", "Call eval() on the model.")
    return _layers(op, _gru, input, [hx], params, num_layers, bidirectional, batch_first)


def _layers(
    op: Op,
    run: _Run,
    input: Value,
    hx: Sequence[Value],
    params: object,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Value, ...]:
    """The output of the last layer, and the last states of all layers."""
    directions = 2 if bidirectional else 1
    if not isinstance(params, tuple) or len(params) != num_layers * directions:
        raise op.refuse("a quantised recurrent network whose weights are no attributes of the model")
    x = op.Transpose(input, perm=(1, 0, 2)) if batch_first else input
    states: list[list[Value]] = [[] for _ in hx]
    for layer in range(num_layers):
        outputs = []
        for turn in range(directions):
            index = layer * directions + turn
            initial = [op.Gather(state, op.const(index), axis=0) for state in hx]
            *last, found = run(op, params[index], x, initial, turn)
            for kind, state in zip(states, last, strict=True):
                kind.append(op.Unsqueeze(state, [0]))
            outputs.append(found)
        x = op.Concat(*outputs, axis=2) if bidirectional else outputs[0]
    x = op.Transpose(x, perm=(1, 0, 2)) if batch_first else x
    return x, *(op.Concat(*of_layers, axis=0) for of_layers in states)


def _halves(op: Op, params: object) -> tuple[bool, object, object]:
    """Whether ranges have 7 bits; the packed weights of the input and of the state."""
    if not isinstance(params, tuple):
        raise op.refuse("a quantised recurrent network whose weights are no attributes of the model")
    reduce_range, w_ih, w_hh = params
    return bool(reduce_range), w_ih, w_hh


def _lstm(op: Op, params: object, x: Value, initial: Sequence[Value], backward: int) -> tuple[Value, ...]:
    reduce_range, w_ih, w_hh = _halves(op, params)
    return run_steps(
        op,
        dynamic_product(op, x, w_ih, reduce_range),
        initial,
        lambda hidden: dynamic_product(op, hidden, w_hh, reduce_range),
        lambda wide: wide,
        None,
        backward,
    )


def _gru(op: Op, params: object, x: Value, initial: Sequence[Value], backward: int) -> tuple[Value, ...]:
    reduce_range, w_ih, w_hh = _halves(op, params)
    gates = dynamic_product(op, x, w_ih, reduce_range)
    dtype = op.dtype(gates)
    state = Value(TensorType(dtype, initial[0].shape))
    step = Value(TensorType(dtype, op.sizes(gates)[1:]))
    with op.body([state, step], name="step") as body:
        found = op.own(gru_step(op, step, dynamic_product(op, state, w_hh, reduce_range), state))
        body.outputs = [found, op.alias(found)]
    last, states = op.multi(
        "Scan",
        2,
        initial[0],
        gates,
        body=body,
        num_scan_inputs=1,
        scan_input_directions=[backward],
        scan_output_directions=[backward],
    )
    shape = (op.sizes(gates)[0], *op.sizes(initial[0]))
    return op.retype(last, state.value_type), op.retype(states, TensorType(dtype, shape))


@quantized("quantized_lstm_cell_dynamic")
def lstm_cell(
    op: Op, input: Value, hx: Sequence[Value], w_ih: object, w_hh: object, bias_ih: object, bias_hh: object
) -> tuple[Value, Value]:
    """quantized_lstm_cell_dynamic(Tensor input, Tensor[] hx, LinearPackedParamsBase w_ih, ... w_hh, Tensor bias_ih,
    Tensor bias_hh) -> (Tensor, Tensor)

    The packed weights hold the biases.
    """
    return lstm_step(op, op.Add(*_products(op, input, hx[0], w_ih, w_hh)), hx[1])


@quantized("quantized_gru_cell_dynamic")
def gru_cell(op: Op, input: Value, hx: Value, w_ih: object, w_hh: object, b_ih: object, b_hh: object) -> Value:
    """quantized_gru_cell_dynamic(Tensor input, Tensor hx, LinearPackedParamsBase w_ih, ... w_hh, Tensor b_ih, ...)"""
    return gru_step(op, *_products(op, input, hx, w_ih, w_hh), hx)


def _plain_cell(name: str, activation: str) -> None:
    def function(op: Op, input: Value, hx: Value, w_ih: object, w_hh: object, b_ih: object, b_hh: object) -> Value:
        shape: OnnxOperator = getattr(op, activation)
        return shape(op.Add(*_products(op, input, hx, w_ih, w_hh)))

    function.__doc__ = f"{name}(Tensor input, Tensor hx, LinearPackedParamsBase w_ih, ... w_hh, Tensor b_ih, ...)"
    quantized(name)(function)


def _products(op: Op, x: Value, state: Value, w_ih: object, w_hh: object) -> tuple[Value, Value]:
    """What the input and the state contribute; torch gives single steps ranges of 7 bits."""
    return dynamic_product(op, x, w_ih, True), dynamic_product(op, state, w_hh, True)


_plain_cell("quantized_rnn_tanh_cell_dynamic", "Tanh")
_plain_cell("quantized_rnn_relu_cell_dynamic", "Relu")
