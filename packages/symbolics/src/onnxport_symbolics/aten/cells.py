"""Single steps of recurrent networks."""

from __future__ import annotations

from collections.abc import Sequence

from onnxport_ir import Value

from onnxport_symbolics.aten.linear import linear
from onnxport_symbolics.op import OnnxOperator, Op
from onnxport_symbolics.registry import aten


@aten("lstm_cell")
def lstm_cell(
    op: Op,
    input: Value,
    hx: Sequence[Value],
    w_ih: Value,
    w_hh: Value,
    b_ih: Value | None = None,
    b_hh: Value | None = None,
) -> tuple[Value, Value]:
    """lstm_cell(Tensor input, Tensor[] hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None)
    -> (Tensor, Tensor)

    input (N, C), hx two of (N, H).
    """
    gates = op.Add(linear(op, input, w_ih, b_ih), linear(op, hx[0], w_hh, b_hh))
    return lstm_step(op, gates, hx[1])


def lstm_step(op: Op, gates: Value, cell: Value) -> tuple[Value, Value]:
    """The new hidden and cell states; gates (N, 4 * H): input, forget, cell, output."""
    inward, forget, new, outward = op.multi("Split", 4, gates, axis=-1, num_outputs=4)
    kept = op.Mul(op.Sigmoid(forget), cell)
    cell = op.Add(kept, op.Mul(op.Sigmoid(inward), op.Tanh(new)))
    return op.Mul(op.Sigmoid(outward), op.Tanh(cell)), cell


@aten("gru_cell")
def gru_cell(
    op: Op, input: Value, hx: Value, w_ih: Value, w_hh: Value, b_ih: Value | None = None, b_hh: Value | None = None
) -> Value:
    """gru_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor"""
    return gru_step(op, linear(op, input, w_ih, b_ih), linear(op, hx, w_hh, b_hh), hx)


def gru_step(op: Op, inward: Value, hidden: Value, state: Value) -> Value:
    """The new state; gates of input and state (N, 3 * H): reset, update, new."""
    input_gates = op.multi("Split", 3, inward, axis=-1, num_outputs=3)
    state_gates = op.multi("Split", 3, hidden, axis=-1, num_outputs=3)
    reset = op.Sigmoid(op.Add(input_gates[0], state_gates[0]))
    update = op.Sigmoid(op.Add(input_gates[1], state_gates[1]))
    new = op.Tanh(op.Add(input_gates[2], op.Mul(reset, state_gates[2])))
    return op.Add(op.Mul(op.Sub(state, new), update), new)


def _plain(name: str, activation: str) -> None:
    @aten(name)
    def cell(
        op: Op, input: Value, hx: Value, w_ih: Value, w_hh: Value, b_ih: Value | None = None, b_hh: Value | None = None
    ) -> Value:
        """rnn_tanh_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None)
        -> Tensor
        """
        function: OnnxOperator = getattr(op, activation)
        return function(op.Add(linear(op, input, w_ih, b_ih), linear(op, hx, w_hh, b_hh)))


_plain("rnn_tanh_cell", "Tanh")
_plain("rnn_relu_cell", "Relu")


@aten("_thnn_fused_lstm_cell")
def fused_lstm_cell(
    op: Op,
    input_gates: Value,
    hidden_gates: Value,
    cx: Value,
    input_bias: Value | None = None,
    hidden_bias: Value | None = None,
) -> tuple[Value | Exception, ...]:
    """_thnn_fused_lstm_cell(Tensor input_gates, Tensor hidden_gates, Tensor cx, Tensor? input_bias=None,
    Tensor? hidden_bias=None) -> (Tensor, Tensor, Tensor)

    The third result serves a backward pass.
    """
    gates = op.Add(_biased(op, input_gates, input_bias), _biased(op, hidden_gates, hidden_bias))
    return *lstm_step(op, gates, cx), op.refuse("the workspace of _thnn_fused_lstm_cell")


@aten("_thnn_fused_gru_cell")
def fused_gru_cell(
    op: Op,
    input_gates: Value,
    hidden_gates: Value,
    hx: Value,
    input_bias: Value | None = None,
    hidden_bias: Value | None = None,
) -> tuple[Value | Exception, ...]:
    """_thnn_fused_gru_cell(Tensor input_gates, Tensor hidden_gates, Tensor hx, Tensor? input_bias=None,
    Tensor? hidden_bias=None) -> (Tensor, Tensor)

    The second result serves a backward pass.
    """
    inward, hidden = _biased(op, input_gates, input_bias), _biased(op, hidden_gates, hidden_bias)
    return gru_step(op, inward, hidden, hx), op.refuse("the workspace of _thnn_fused_gru_cell")


def _biased(op: Op, gates: Value, bias: Value | None) -> Value:
    return gates if bias is None else op.Add(gates, bias)
