"""Programs of ATen's operators on tensors."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tests.operators.programs import Program, called, noise, program, written

ops = torch.ops.aten
F = nn.functional
INDEX = torch.tensor([2, 0, 2, 1])
COMPARISONS = ("greater", "greater_equal", "less", "less_equal")
SPECIALS = ("special_erf", "special_erfc", "special_expm1", "special_sinc")
X, OTHER_X = noise(3, 4), (noise(5, 2),)
COLUMN, TABLE, CHANNELS, OTHER_BIAS = noise(3, 1), noise(4, 3), noise(4), noise(3, 4, 6)
POSITIVE, OTHER_POSITIVE = noise(3, 4).abs() + 0.1, (noise(5, 2).abs() + 0.1,)
INTEGERS = torch.tensor([[1, 5, -3], [0, 7, 2]])
OTHER_INTEGERS = (torch.tensor([[4], [9], [-6]]),)
IMAGES, OTHER_IMAGES = noise(2, 4, 6, 8), (noise(1, 4, 9, 7),)
SIGNALS, OTHER_SIGNALS = noise(2, 4, 9), (noise(3, 4, 12),)
VOLUMES, OTHER_VOLUMES = noise(2, 4, 4, 5, 6), (noise(1, 4, 6, 4, 5),)
WEIGHTS = {1: noise(6, 4, 3), 2: noise(6, 4, 3, 2), 3: noise(6, 4, 2, 3, 2)}
BACK = {1: noise(4, 6, 3), 2: noise(4, 6, 3, 2), 3: noise(4, 6, 2, 3, 2)}
BIAS = noise(6)
SEQUENCE, OTHER_SEQUENCE = noise(5, 2, 4), (noise(7, 3, 4),)
_STEPS = {0: [0, 1]}
_SIZES = {0: [0, 2, 3]}
LSTM, GRU = nn.LSTM(4, 3), nn.GRU(4, 3)
RNN_TANH, RNN_RELU = nn.RNN(4, 3), nn.RNN(4, 3, nonlinearity="relu")
CELLS: dict[str, nn.Module] = {
    "lstm_cell": nn.LSTMCell(4, 3),
    "gru_cell": nn.GRUCell(4, 3),
    "rnn_tanh_cell": nn.RNNCell(4, 3),
    "rnn_relu_cell": nn.RNNCell(4, 3, nonlinearity="relu"),
}
SCALAR = """graph(%x : Tensor):
  %n : Scalar = aten::_local_scalar_dense(%x)
  %r : Tensor = aten::mul(%x, %n)
  return (%r)"""
CONJ = """graph(%x : Tensor):
  %z : Tensor = aten::complex(%x, %x)
  %c : Tensor = aten::conj(%z)
  %r : Tensor = aten::imag(%c)
  return (%r)"""


class Packed(nn.Module):
    """A network on sequences of several lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.LSTM(4, 3)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths)
        return nn.utils.rnn.pad_packed_sequence(self.network(packed)[0])[0]


def _convolution(dims: int, *, transposed: bool) -> Program:
    """The operator that the compiler of the script language writes; a trace has ``_convolution``."""
    example, other = {1: (SIGNALS, OTHER_SIGNALS), 2: (IMAGES, OTHER_IMAGES), 3: (VOLUMES, OTHER_VOLUMES)}[dims]
    name = f"aten::conv_transpose{dims}d" if transposed else f"aten::conv{dims}d"
    ones, zeros = [1] * dims, [0] * dims
    steps: list[Any] = [ones, zeros, zeros, 1, ones] if transposed else [ones, zeros, ones, 1]
    layer = ((BACK if transposed else WEIGHTS)[dims], BIAS)
    axes = {0: [0, *range(2, dims + 2)]}
    return program(name, called(name, "x", "w", "b", *steps), example, *layer, other=(*other, *layer), axes=axes)


def _norm(kind: str, training: bool) -> object:
    """Batch normalisation under one of its names, of which the first result is read."""
    scale, shift, mean, var = noise(4), noise(4, seed=1), noise(4, seed=2), noise(4, seed=3).abs() + 0.5

    def run(x: torch.Tensor) -> torch.Tensor:
        flag = () if kind.endswith("no_training") else (training,)
        return getattr(ops, kind)(x, scale, shift, mean, var, *flag, 0.1, 1e-5)[0]

    return run


PROGRAMS: list[Program] = [
    program("aten::_conj", lambda x: torch.view_as_real(ops._conj(torch.complex(x, x + 1)).resolve_conj()), X),
    program("aten::complex aten::imag", lambda x: ops.imag(torch.complex(x, x + 1).conj()), X, other=OTHER_X),
    program("aten::conj", written(CONJ), X, other=OTHER_X),
    program("aten::conj_physical", lambda x: torch.view_as_real(ops.conj_physical(torch.complex(x, x + 1))), X),
    program("aten::atleast_1d", called("aten::atleast_1d", "x"), X, other=OTHER_X),
    program("aten::atleast_2d", called("aten::atleast_2d", "x"), X[0], other=(OTHER_X[0][0],)),
    program("aten::atleast_3d", called("aten::atleast_3d", "x"), X, other=OTHER_X),
    program("aten::polar", lambda x: torch.view_as_real(torch.polar(x, x + 1)), POSITIVE, other=OTHER_POSITIVE),
    program(
        "aten::view_as_complex aten::view_as_real",
        lambda x: torch.view_as_real(torch.view_as_complex(x) * 2j),
        noise(3, 2),
        other=(noise(5, 2),),
        axes={0: [0]},
    ),
    program(
        "aten::view_as_complex_copy aten::view_as_real_copy",
        lambda x: torch.view_as_real_copy(torch.view_as_complex_copy(x) + 1),
        noise(3, 2),
    ),
    program("aten::_dim_arange", lambda x: ops._dim_arange(x, 0), X, other=OTHER_X),
    program("aten::_log_softmax", lambda x: ops._log_softmax(x, 0, False), X, other=OTHER_X),
    program("aten::_softmax", lambda x: ops._softmax(x, -1, False), X, other=OTHER_X),
    program("aten::special_softmax", called("aten::special_softmax", "x", 0, None), X, other=OTHER_X),
    program("aten::special_log_softmax", called("aten::special_log_softmax", "x", 1, None), X, other=OTHER_X),
    program(
        "aten::_pack_padded_sequence aten::_pad_packed_sequence aten::lstm",
        Packed(),
        SEQUENCE,
        torch.tensor([5, 3]),
        other=(noise(7, 3, 4), torch.tensor([7, 2, 1])),
        axes={0: [0, 1], 1: [0]},
    ),
    program("aten::lstm", LSTM, SEQUENCE, other=OTHER_SEQUENCE, axes=_STEPS),
    program("aten::gru", GRU, SEQUENCE, other=OTHER_SEQUENCE, axes=_STEPS),
    program("aten::rnn_tanh", RNN_TANH, SEQUENCE, other=OTHER_SEQUENCE, axes=_STEPS),
    program("aten::rnn_relu", RNN_RELU, SEQUENCE, other=OTHER_SEQUENCE, axes=_STEPS),
    *(
        program(f"aten::{name}", torch.jit.script(cell), noise(2, 4), other=(noise(5, 4),), axes={0: [0]})
        for name, cell in CELLS.items()
    ),
    program(
        "aten::_reshape_from_tensor aten::_shape_as_tensor",
        lambda x, y: ops._reshape_from_tensor(x, torch._shape_as_tensor(y)),
        X,
        noise(2, 6),
        other=(noise(5, 2), noise(10, 1)),
    ),
    program("aten::_unique", lambda x: ops._unique(x, True, True), INTEGERS, other=OTHER_INTEGERS, since=11),
    program("aten::_unique2", lambda x: torch.unique(x, return_counts=True), INTEGERS, other=OTHER_INTEGERS, since=11),
    program("aten::unique_dim", lambda x: torch.unique(x, dim=0), INTEGERS, other=OTHER_INTEGERS, since=11),
    program("aten::nonzero_numpy", ops.nonzero_numpy, INTEGERS, other=OTHER_INTEGERS),
    program("aten::_weight_norm", lambda x: ops._weight_norm(x, COLUMN, 0), X),
    program(
        "aten::affine_grid_generator",
        lambda x: ops.affine_grid_generator(x, [2, 3, 4, 5], False),
        noise(2, 2, 3),
    ),
    program("aten::alias", lambda x: ops.alias(x) + 1, X, other=OTHER_X),
    program("aten::lift", lambda x: ops.lift(x) + 1, X, other=OTHER_X),
    program("aten::lift_fresh_copy", lambda x: ops.lift_fresh_copy(x) + 1, X, other=OTHER_X),
    program("aten::alpha_dropout", lambda x: ops.alpha_dropout(x, 0.5, False), X, other=OTHER_X),
    program("aten::alpha_dropout_", lambda x: ops.alpha_dropout_(x + 1, 0.5, False), X, other=OTHER_X),
    program("aten::dropout_", lambda x: ops.dropout_(x + 1, 0.5, False), X, other=OTHER_X),
    program("aten::feature_dropout_", lambda x: ops.feature_dropout_(x + 1, 0.5, False), X, other=OTHER_X),
    program("aten::feature_alpha_dropout_", lambda x: ops.feature_alpha_dropout_(x + 1, 0.5, False), X, other=OTHER_X),
    program("aten::native_dropout", lambda x: ops.native_dropout(x, 0.5, False), X, other=OTHER_X),
    program("aten::masked_fill_", lambda x: (x + 0).masked_fill_(x > 0, 2.0), X, other=OTHER_X),
    program("aten::fill", called("aten::fill", "x", 3.5), X, other=OTHER_X),
    program("aten::zero", called("aten::zero", "x"), X, other=OTHER_X),
    program("aten::frobenius_norm", lambda x: ops.frobenius_norm(x, [0, 1], True), X, other=OTHER_X),
    program("aten::norm", lambda x: ops.norm(x, 3, [1], True), X, other=OTHER_X),
    program("aten::hann_window", lambda x: x * torch.hann_window(4), X),
    program("aten::hamming_window", lambda x: x * torch.hamming_window(4), X),
    program("aten::blackman_window", lambda x: x * torch.blackman_window(4), X),
    program("aten::nll_loss", lambda x: ops.nll_loss(x, torch.tensor([1, 0, 3])), X),
    program("aten::nll_loss2d", lambda x: ops.nll_loss2d(x, torch.ones(2, 3, 4, dtype=torch.int64)), noise(2, 5, 3, 4)),
    program(
        "aten::nll_loss_forward",
        lambda x: ops.nll_loss_forward(x, torch.tensor([1, -100, 3]), None, 1, -100),
        X,
    ),
    program("aten::rand", lambda x: x + (torch.rand(3, 4) >= 0), X),
    program("aten::rand_like", lambda x: (torch.rand_like(x) < 1) & (torch.rand_like(x) >= 0), X, other=OTHER_X),
    program("aten::rrelu", lambda x: ops.rrelu(x, 0.1, 0.3, False), X, other=OTHER_X),
    program("aten::reflection_pad1d", lambda x: ops.reflection_pad1d(x, [1, 2]), SIGNALS, other=OTHER_SIGNALS),
    program("aten::reflection_pad2d", lambda x: ops.reflection_pad2d(x, [1, 2, 3, 0]), IMAGES, other=OTHER_IMAGES),
    program(
        "aten::reflection_pad3d", lambda x: ops.reflection_pad3d(x, [1, 2, 3, 0, 1, 1]), VOLUMES, other=OTHER_VOLUMES
    ),
    program("aten::replication_pad1d", lambda x: ops.replication_pad1d(x, [1, 2]), SIGNALS, other=OTHER_SIGNALS),
    program("aten::replication_pad2d", lambda x: ops.replication_pad2d(x, [1, 2, 3, 0]), IMAGES, other=OTHER_IMAGES),
    program(
        "aten::replication_pad3d", lambda x: ops.replication_pad3d(x, [1, 2, 3, 0, 1, 1]), VOLUMES, other=OTHER_VOLUMES
    ),
    program("aten::tensor_split", lambda x: ops.tensor_split(x, 2, 1), X, other=(noise(5, 4),), axes={0: [0]}),
    program("aten::true_divide", called("aten::true_divide", "x", 3), INTEGERS, other=OTHER_INTEGERS),
    program("aten::type_as", lambda x: x.type_as(X), INTEGERS, other=OTHER_INTEGERS),
    program("aten::unsafe_split_with_sizes", lambda x: ops.unsafe_split_with_sizes(x, [1, 3], 1), X),
    program("aten::upsample_nearest2d", lambda x: ops.upsample_nearest2d(x, [9, 13]), IMAGES),
    program("aten::upsample_nearest3d", lambda x: ops.upsample_nearest3d(x, [7, 9, 13]), VOLUMES),
    program("aten::stft", lambda x: torch.stft(x, 4, 2, return_complex=False, window=torch.ones(4)), noise(2, 16)),
    program("aten::col2im", lambda x: ops.col2im(x, [4, 5], [2, 2], [1, 1], [0, 0], [1, 1]), noise(2, 12, 12)),
    *(_convolution(dims, transposed=transposed) for dims in (1, 2, 3) for transposed in (False, True)),
    program(
        "aten::convolution",
        called("aten::convolution", "x", "w", "b", [2, 1], [1, 0], [1, 2], False, [0, 0], 1),
        *(IMAGES, WEIGHTS[2], BIAS),
        other=(*OTHER_IMAGES, WEIGHTS[2], BIAS),
        axes=_SIZES,
    ),
    program(
        "aten::conv_tbc", lambda x: ops.conv_tbc(x, OTHER_BIAS, BIAS, 1), SEQUENCE, other=OTHER_SEQUENCE, axes=_STEPS
    ),
    program("aten::__lshift__", lambda x: ops.__lshift__(x, 2), INTEGERS.abs()),
    program("aten::__rshift__", lambda x: ops.__rshift__(x, 1), INTEGERS, other=OTHER_INTEGERS),
    program("aten::_embedding_bag", lambda x: ops._embedding_bag(TABLE, x, torch.tensor([0, 2]))[0], INDEX),
    program(
        "aten::_embedding_bag_forward_only",
        lambda x: ops._embedding_bag_forward_only(TABLE, x, torch.tensor([0, 2]), False, 1)[0],
        INDEX,
    ),
    program("aten::_fft_r2c", lambda x: torch.view_as_real(ops._fft_r2c(x, [1], 0, True)), X),
    program("aten::_fft_c2c", lambda x: torch.view_as_real(ops._fft_c2c(torch.complex(x, x), [0, 1], 1, True)), X),
    program("aten::_fft_c2r", lambda x: ops._fft_c2r(torch.complex(x, x + 1), [1], 2, 6), X),
    program("aten::_linalg_det", lambda x: ops._linalg_det(x)[0], noise(2, 3, 3), since=11),
    program("aten::det", called("aten::det", "x"), noise(2, 3, 3), since=11),
    program("aten::_native_batch_norm_legit_functional", _norm("_native_batch_norm_legit_functional", False), IMAGES),
    program("aten::_native_batch_norm_legit_no_training", _norm("_native_batch_norm_legit_no_training", False), IMAGES),
    program("aten::_native_batch_norm_legit", _norm("_native_batch_norm_legit", False), IMAGES),
    program("aten::_prelu_kernel", lambda x: ops._prelu_kernel(x, CHANNELS), X),
    program("aten::_to_copy", lambda x: ops._to_copy(x, dtype=torch.float64), INTEGERS, other=OTHER_INTEGERS),
    program("aten::_unsafe_index", lambda x: ops._unsafe_index(x, [None, INDEX]), X),
    program("aten::_unsafe_index_put", lambda x: ops._unsafe_index_put(x, [None, INDEX], x * 2, True), X),
    program("aten::_unsafe_view", lambda x: ops._unsafe_view(x, [-1]), X, other=OTHER_X),
    # A trace has an indexing in its place.
    program("aten::as_strided", called("aten::as_strided", "x", [2, 2], [1, 2], 1), X),
    program("aten::_upsample_bicubic2d_aa", lambda x: ops._upsample_bicubic2d_aa(x, [4, 5], False), IMAGES),
    program("aten::_upsample_bilinear2d_aa", lambda x: ops._upsample_bilinear2d_aa(x, [4, 5], False), IMAGES),
    program("aten::concat", called("aten::concat", ["x", "x"], 1), X, other=OTHER_X),
    program("aten::concatenate", called("aten::concatenate", ["x", "x"], 0), X, other=OTHER_X),
    program("aten::copy", lambda x: ops.copy(x, X.long()), X),
    program("aten::divide", called("aten::divide", "x", "x"), INTEGERS, other=OTHER_INTEGERS),
    program("aten::multiply", called("aten::multiply", "x", "x"), X, other=OTHER_X),
    program("aten::subtract", called("aten::subtract", "x", "x", 2), X, other=OTHER_X),
    *(program(f"aten::{name}", called(f"aten::{name}", "x", 0.5), X, other=OTHER_X) for name in COMPARISONS),
    program("aten::hardtanh_backward", lambda x: ops.hardtanh_backward(x + 1, x, -0.5, 0.7), X, other=OTHER_X),
    *(program(f"aten::{name}", called(f"aten::{name}", "x"), X, other=OTHER_X) for name in SPECIALS),
    *(program(f"aten::{name}", getattr(torch, name), POSITIVE, other=OTHER_POSITIVE) for name in ("log2", "log10")),
    program("aten::softplus", F.softplus, X, other=OTHER_X),
    program("aten::softshrink", F.softshrink, X, other=OTHER_X),
    program("aten::max_pool1d", lambda x: F.max_pool1d(x, 2), SIGNALS, other=OTHER_SIGNALS, axes={0: [0, 2]}),
    program(
        "aten::max_pool1d_with_indices",
        lambda x: F.max_pool1d(x, 2, return_indices=True),
        SIGNALS,
        other=OTHER_SIGNALS,
        axes={0: [0, 2]},
        since=8,
    ),
    program(
        "aten::embedding_renorm",
        lambda indices: ops.embedding_renorm(TABLE, indices, 0.5, 2.0),
        torch.tensor([[0, 2], [2, 1]]),
        other=(torch.tensor([[3]]),),
    ),
    # What is drawn is not compared; its distribution is a test of its own.
    program("aten::_standard_gamma", lambda x: torch._standard_gamma(x) > 0, POSITIVE, other=OTHER_POSITIVE),
    program(
        "aten::_sample_dirichlet",
        lambda x: torch._sample_dirichlet(x).sum(1).sub(1).abs() < 1e-5,
        POSITIVE + 1,
        other=(noise(5, 2).abs() + 1,),
    ),
    program(
        "aten::_grouped_mm",
        lambda x, y: ops._grouped_mm(x.bfloat16(), y.bfloat16(), torch.tensor([3, 8], dtype=torch.int32)).float(),
        *(noise(8, 16), noise(2, 16, 8)),
        tolerance=0.05,
        since=13,
    ),
    program(
        "aten::_scaled_dot_product_flash_attention_for_cpu",
        lambda x: ops._scaled_dot_product_flash_attention_for_cpu(x, x + 1, x * 2, 0.0, True)[0],
        noise(2, 3, 5, 8),
        other=(noise(1, 3, 7, 8),),
        axes={0: [0, 2]},
    ),
    program("aten::_local_scalar_dense", written(SCALAR), COLUMN[0], other=(COLUMN[1],), axes={}),
]
