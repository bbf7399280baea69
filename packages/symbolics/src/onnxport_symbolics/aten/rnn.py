"""Recurrent networks: one ONNX node per layer, both directions in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnxport_ir import Value

from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import reshape, slice_axis
from onnxport_symbolics.weights import derived_weight


@dataclass(frozen=True)
class Cell:
    """A kind of cell.

    Attributes:
        op_type: the ONNX operator.
        gates: where ONNX's gates stand among torch's.
        attributes: what the operator needs to know beside sizes.
    """

    op_type: str
    gates: tuple[int, ...]
    attributes: tuple[tuple[str, Any], ...] = ()


# torch: input, forget, cell, output; ONNX: input, output, forget, cell.
_LSTM = Cell("LSTM", (0, 3, 1, 2))
# torch: reset, update, new; ONNX: update, reset, hidden.
_GRU = Cell("GRU", (1, 0, 2), (("linear_before_reset", 1),))
_RNN = Cell("RNN", (0,))


@dataclass(frozen=True)
class Network:
    """The arguments that all recurrent networks share."""

    cell: Cell
    params: Sequence[Value]
    has_biases: bool
    num_layers: int
    bidirectional: bool
    activation: str | None = None

    @property
    def directions(self) -> int:
        """1 or 2."""
        return 2 if self.bidirectional else 1

    def layer_params(self, layer: int) -> list[Sequence[Value]]:
        """The weights of a layer, a list for each direction."""
        each = 4 if self.has_biases else 2
        first = layer * self.directions * each
        return [self.params[first + i * each : first + (i + 1) * each] for i in range(self.directions)]


@aten("lstm.input")
def lstm(
    op: Op,
    input: Value,
    hx: Sequence[Value],
    params: Sequence[Value],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Value, ...]:
    """lstm.input(Tensor input, Tensor[] hx, Tensor[] params, bool has_biases, int num_layers, float dropout,
    bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor, Tensor)

    input (L, N, C), or (N, L, C) if batch_first; hx two of (layers * directions, N, H).
    """
    _refuse_dropout(op, dropout, train, num_layers)
    expected = num_layers * (2 if bidirectional else 1) * (4 if has_biases else 2)
    if len(params) != expected:
        raise op.refuse("an LSTM with projections", "Use proj_size=0.")
    network = Network(_LSTM, params, has_biases, num_layers, bidirectional)
    output, states = _run(op, network, input, hx, batch_first)
    return output, *states


@aten("gru.input")
def gru(
    op: Op,
    input: Value,
    hx: Value,
    params: Sequence[Value],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Value, ...]:
    """gru.input(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train,
    bool bidirectional, bool batch_first) -> (Tensor, Tensor)
    """
    _refuse_dropout(op, dropout, train, num_layers)
    network = Network(_GRU, params, has_biases, num_layers, bidirectional)
    output, states = _run(op, network, input, [hx], batch_first)
    return output, *states


def _plain(activation: str) -> None:
    @aten(f"rnn_{activation}.input")
    def rnn(
        op: Op,
        input: Value,
        hx: Value,
        params: Sequence[Value],
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> tuple[Value, ...]:
        """rnn_tanh.input(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout,
        bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)
        """
        _refuse_dropout(op, dropout, train, num_layers)
        network = Network(_RNN, params, has_biases, num_layers, bidirectional, activation.capitalize())
        output, states = _run(op, network, input, [hx], batch_first)
        return output, *states


_plain("tanh")
_plain("relu")


def _run(op: Op, network: Network, input: Value, hx: Sequence[Value], batch_first: bool) -> tuple[Value, list[Value]]:
    """The output of the last layer, and the last states of all layers."""
    x = op.Transpose(input, perm=(1, 0, 2)) if batch_first else input
    finals: list[list[Value]] = [[] for _ in hx]
    for layer in range(network.num_layers):
        initial = [_layer_state(op, network, state, layer) for state in hx]
        x, *last = _layer(op, network, layer, x, initial)
        for collected, state in zip(finals, last, strict=True):
            collected.append(state)
    output = op.Transpose(x, perm=(1, 0, 2)) if batch_first else x
    return output, [op.Concat(*states, axis=0) for states in finals]


def _layer_state(op: Op, network: Network, state: Value, layer: int) -> Value:
    if network.num_layers == 1:
        return state
    first = layer * network.directions
    return slice_axis(op, state, 0, first, first + network.directions)


def _layer(op: Op, network: Network, layer: int, x: Value, initial: Sequence[Value]) -> tuple[Value, ...]:
    params = network.layer_params(layer)
    cell = network.cell
    hidden = op.sizes(params[0][1])[1]
    if not isinstance(hidden, int):
        raise op.refuse("a recurrent network whose hidden size is unknown")

    def stacked(index: int, suffix: str) -> Value:
        return derived_weight(op, [p[index] for p in params], lambda arrays: _stack(arrays, cell.gates), suffix)

    bias = None
    if network.has_biases:
        sources = [p[index] for p in params for index in (2, 3)]
        bias = derived_weight(op, sources, lambda arrays: _stack_biases(arrays, cell.gates), f"{cell.op_type}.B")
    attributes = dict(cell.attributes)
    if network.activation is not None:
        attributes["activations"] = [network.activation] * network.directions
    y, *last = op.multi(
        cell.op_type,
        1 + len(initial),
        x,
        stacked(0, f"{cell.op_type}.W"),
        stacked(1, f"{cell.op_type}.R"),
        bias,
        None,
        *initial,
        hidden_size=hidden,
        direction="bidirectional" if network.bidirectional else "forward",
        **attributes,
    )
    # (L, directions, N, H) -> (L, N, directions * H)
    if not network.bidirectional:
        return op.Squeeze(y, [1]), *last
    turned = op.Transpose(y, perm=(0, 2, 1, 3))
    length, batch = op.dim(x, 0), op.dim(x, 1)
    return reshape(op, turned, [length, batch, network.directions * hidden]), *last


def _stack(arrays: Sequence[npt.NDArray[Any]], gates: Sequence[int]) -> npt.NDArray[Any]:
    """(gates * H, K) of each direction -> (directions, gates * H, K) with the gates in ONNX's order."""
    return np.stack([_reorder(array, gates) for array in arrays])


def _stack_biases(arrays: Sequence[npt.NDArray[Any]], gates: Sequence[int]) -> npt.NDArray[Any]:
    """Two biases (gates * H) of each direction -> (directions, 2 * gates * H)."""
    reordered = [_reorder(array, gates) for array in arrays]
    pairs = zip(reordered[0::2], reordered[1::2], strict=True)
    return np.stack([np.concatenate(pair) for pair in pairs])


def _reorder(array: npt.NDArray[Any], gates: Sequence[int]) -> npt.NDArray[Any]:
    parts = np.split(array, len(gates))
    return np.concatenate([parts[gate] for gate in gates])


def _refuse_dropout(op: Op, dropout: float, train: bool, num_layers: int) -> None:
    if train and dropout and num_layers > 1:
        raise op.refuse(f"a recurrent network in training mode with dropout={dropout}", "Export it in eval mode.")
