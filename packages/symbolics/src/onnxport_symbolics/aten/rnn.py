"""Recurrent networks: one ONNX node per layer, both directions in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnxport_ir import DType, Value

from onnxport_symbolics.aten.casts import dropout as dropout_of
from onnxport_symbolics.aten.packed import packed_like, unpacked
from onnxport_symbolics.aten.projected import run_projected
from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import slice_axis
from onnxport_symbolics.weights import derived_weight


@dataclass(frozen=True)
class Cell:
    """A kind of cell.

    Attributes:
        op_type: the ONNX operator.
        gates: where ONNX's gates stand among torch's.
        activation: the function of the hidden state, if it is not the operator's own.
        attributes: what the operator needs to know beside sizes.
    """

    op_type: str
    gates: tuple[int, ...]
    activation: str | None = None
    attributes: tuple[tuple[str, int], ...] = ()


# torch: input, forget, cell, output; ONNX: input, output, forget, cell.
_LSTM = Cell("LSTM", (0, 3, 1, 2))
# torch: reset, update, new; ONNX: update, reset, hidden.
_GRU = Cell("GRU", (1, 0, 2), attributes=(("linear_before_reset", 1),))
_RNN_TANH = Cell("RNN", (0,), "Tanh")
_RNN_RELU = Cell("RNN", (0,), "Relu")


@dataclass(frozen=True)
class Network:
    """The arguments that all recurrent networks share."""

    cell: Cell
    params: Sequence[Value]
    has_biases: bool
    num_layers: int
    bidirectional: bool
    dropout: float

    @property
    def directions(self) -> int:
        """1 or 2."""
        return 2 if self.bidirectional else 1

    @property
    def has_projections(self) -> bool:
        """Whether each direction has a further weight, by which hidden states are multiplied."""
        return len(self.params) != self.num_layers * self.directions * (4 if self.has_biases else 2)

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
    network = Network(_LSTM, params, has_biases, num_layers, bidirectional, dropout if train else 0.0)
    return run_network(op, network, input, hx, batch_first=batch_first)


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
    network = Network(_GRU, params, has_biases, num_layers, bidirectional, dropout if train else 0.0)
    return run_network(op, network, input, [hx], batch_first=batch_first)


def _plain(cell: Cell, name: str) -> None:
    @aten(f"{name}.input")
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
        network = Network(cell, params, has_biases, num_layers, bidirectional, dropout if train else 0.0)
        return run_network(op, network, input, [hx], batch_first=batch_first)


_plain(_RNN_TANH, "rnn_tanh")
_plain(_RNN_RELU, "rnn_relu")


@aten("lstm.data")
def lstm_packed(
    op: Op,
    data: Value,
    batch_sizes: Value,
    hx: Sequence[Value],
    params: Sequence[Value],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
) -> tuple[Value, ...]:
    """lstm.data(Tensor data, Tensor batch_sizes, Tensor[] hx, Tensor[] params, bool has_biases, int num_layers,
    float dropout, bool train, bool bidirectional) -> (Tensor, Tensor, Tensor)
    """
    network = Network(_LSTM, params, has_biases, num_layers, bidirectional, dropout if train else 0.0)
    return _run_packed(op, network, data, batch_sizes, hx)


def _plain_packed(cell: Cell, name: str) -> None:
    @aten(f"{name}.data")
    def packed(
        op: Op,
        data: Value,
        batch_sizes: Value,
        hx: Value,
        params: Sequence[Value],
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
    ) -> tuple[Value, ...]:
        """gru.data(Tensor data, Tensor batch_sizes, Tensor hx, Tensor[] params, bool has_biases, int num_layers,
        float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)
        """
        network = Network(cell, params, has_biases, num_layers, bidirectional, dropout if train else 0.0)
        return _run_packed(op, network, data, batch_sizes, [hx])


_plain_packed(_GRU, "gru")
_plain_packed(_RNN_TANH, "rnn_tanh")
_plain_packed(_RNN_RELU, "rnn_relu")


def _run_packed(op: Op, network: Network, data: Value, batch_sizes: Value, hx: Sequence[Value]) -> tuple[Value, ...]:
    padded, lengths = unpacked(op, data, batch_sizes)
    output, *states = run_network(op, network, padded, hx, lengths=lengths)
    return packed_like(op, output, lengths, batch_sizes), *states


def run_network(
    op: Op,
    network: Network,
    input: Value,
    hx: Sequence[Value],
    *,
    batch_first: bool = False,
    lengths: Value | None = None,
) -> tuple[Value, ...]:
    """The output of the last layer, and the last states of all layers.

    Args:
        op: the builder.
        network: the layers.
        input: (L, N, C), or (N, L, C) if batch_first.
        hx: the initial states, (layers * directions, N, H) each.
        batch_first: whether input and output have the batch first.
        lengths: (N) int64, how many steps of each sample count.
    """
    x = op.Transpose(input, perm=(1, 0, 2)) if batch_first else input
    if network.has_projections:
        found = run_projected(
            op, network.params, network.has_biases, network.bidirectional, network.dropout, x, hx, lengths
        )
        return (op.Transpose(found[0], perm=(1, 0, 2)) if batch_first else found[0]), *found[1:]
    steps = None if lengths is None else op.cast(lengths, DType.INT32)
    finals: list[list[Value]] = [[] for _ in hx]
    for layer in range(network.num_layers):
        if layer:
            x = dropout_of(op, _joined(op, network, x), network.dropout, network.dropout > 0)
        initial = [_initial_state(op, network, state, layer) for state in hx]
        x, *last = _layer(op, network, layer, x, initial, steps)
        for collected, state in zip(finals, last, strict=True):
            collected.append(state)
    return _joined(op, network, x, batch_first=batch_first), *(op.Concat(*states, axis=0) for states in finals)


def _joined(op: Op, network: Network, y: Value, *, batch_first: bool = False) -> Value:
    """ONNX's output (L, directions, N, H) as (L, N, directions * H), or with the batch first."""
    if not network.bidirectional:
        x = op.Squeeze(y, [1])
        return op.Transpose(x, perm=(1, 0, 2)) if batch_first else x
    turned = op.Transpose(y, perm=(2, 0, 1, 3) if batch_first else (0, 2, 1, 3))
    return op.Reshape(turned, [0, 0, -1])


def _initial_state(op: Op, network: Network, state: Value, layer: int) -> Value | None:
    """The part of the initial states that is a layer's; nothing if it is zeros, as ONNX has it by default."""
    if _is_zero(state):
        return None
    first = layer * network.directions
    return slice_axis(op, state, 0, first, first + network.directions)


def _is_zero(state: Value) -> bool:
    if state.const is not None:
        return not state.is_weight and not state.array().any()
    node = state.producer
    if node is None or node.domain:
        return False
    if node.op_type == "ConstantOfShape":
        value = node.attributes.get("value")
        return value is None or not value.numpy().any()  # type: ignore[union-attr]  # the schema says a tensor
    source = node.operands[0] if node.operands else None
    return node.op_type in ("Expand", "Tile") and source is not None and _is_zero(source)


def _layer(
    op: Op, network: Network, layer: int, x: Value, initial: Sequence[Value | None], steps: Value | None
) -> tuple[Value, ...]:
    params = network.layer_params(layer)
    cell = network.cell
    hidden = op.sizes(params[0][1])[1]
    if not isinstance(hidden, int):
        raise op.refuse("a recurrent network whose hidden size is unknown")
    bias = None
    if network.has_biases:
        bias = _stacked_biases(op, cell, [p[2:4] for p in params])
    return op.multi(
        cell.op_type,
        1 + len(initial),
        x,
        _stacked(op, cell, [p[0] for p in params], "W"),
        _stacked(op, cell, [p[1] for p in params], "R"),
        bias,
        steps,
        *initial,
        hidden_size=hidden,
        direction="bidirectional" if network.bidirectional else "forward",
        activations=None if cell.activation is None else [cell.activation] * network.directions,
        **dict(cell.attributes),
    )


def _stacked(op: Op, cell: Cell, weights: Sequence[Value], kind: str) -> Value:
    """(gates * H, K) of each direction -> (directions, gates * H, K) with the gates in ONNX's order."""
    if op.folds_weights and all(weight.const is not None for weight in weights):
        return derived_weight(op, weights, lambda arrays: _stack(arrays, cell.gates), f"{cell.op_type}.{kind}")
    return op.Concat(*(op.Unsqueeze(_reordered(op, cell, weight), [0]) for weight in weights), axis=0)


def _stacked_biases(op: Op, cell: Cell, biases: Sequence[Sequence[Value]]) -> Value:
    """Two biases (gates * H) of each direction -> (directions, 2 * gates * H)."""
    flat = [bias for pair in biases for bias in pair]
    if op.folds_weights and all(bias.const is not None for bias in flat):
        return derived_weight(op, flat, lambda arrays: _stack_biases(arrays, cell.gates), f"{cell.op_type}.B")
    rows = [op.Concat(*(_reordered(op, cell, bias) for bias in pair), axis=0) for pair in biases]
    return op.Concat(*(op.Unsqueeze(row, [0]) for row in rows), axis=0)


def _reordered(op: Op, cell: Cell, weight: Value) -> Value:
    """A weight that is not known, with its gates in ONNX's order."""
    rows = op.sizes(weight)[0]
    if not isinstance(rows, int):
        raise op.refuse("a recurrent network whose hidden size is unknown")
    order = np.concatenate([np.split(np.arange(rows), len(cell.gates))[gate] for gate in cell.gates])
    return op.Gather(weight, op.const(order, DType.INT64), axis=0)


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
