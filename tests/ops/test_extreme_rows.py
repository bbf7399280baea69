"""Functions of many numbers: sums, norms, losses, products and attention on rows that are large, tiny, infinite."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import pytest
import torch
from onnxport import NEWEST_OPSET
from torch import Tensor, nn
from torch.nn import functional as F

from tests.ops.extremes import HALVES, SINGLES, Function, Limits, check

WIDTH = 12
OPSETS = (11, 13, 17, 21, 23, NEWEST_OPSET)
INFINITY, NAN = math.inf, math.nan


def rows(dtype: torch.dtype) -> Tensor:
    """Finite rows: ordinary ones, such that are constant, far from 0, next to 0, and so large that squares just fit."""
    info = torch.finfo(dtype)
    large = 6e4 if dtype == torch.float16 else 1e140 if dtype == torch.float64 else 1e15
    base = torch.randn(WIDTH, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ramp = torch.linspace(-1, 1, WIDTH, dtype=torch.float64)
    found = [base, base * 10, base * 100, base + 100, base.abs() * 30, ramp * 11.5, ramp * 88, ramp * 700, 1000 + ramp]
    found += [torch.full((WIDTH,), number, dtype=torch.float64) for number in (large, 300, -300, 2e4, 1, 1 / 3, 0)]
    found += [ramp * large / 4, ramp * large**0.5 * 4, base * 1e-3, base * 1e-5, base * info.tiny]
    return torch.stack(found).to(dtype)


def special_rows(dtype: torch.dtype) -> Tensor:
    """Rows with infinities and with zeros of both signs."""
    found = [torch.randn(WIDTH, generator=torch.Generator().manual_seed(0))] * 6
    found = [row.clone() for row in found]
    for row, kinds in zip(found, ([INFINITY], [-INFINITY], [INFINITY, -INFINITY], [0.0, -0.0]), strict=False):
        row[3 : 3 + len(kinds)] = torch.tensor(kinds)
    found[4][::2], found[5][1:] = -INFINITY, -INFINITY
    return torch.stack([*found, torch.full((WIDTH,), -INFINITY), torch.full((WIDTH,), INFINITY)]).to(dtype)


def with_nan(dtype: torch.dtype) -> Tensor:
    """The special rows, and such with NaN."""
    found = special_rows(dtype)[:3].clone()
    found[0, 3], found[1, 3], found[2, 0] = NAN, NAN, NAN
    return torch.cat([special_rows(dtype), found, torch.full((1, WIDTH), NAN, dtype=dtype)])


@functools.cache
def weights(dtype: torch.dtype, *shape: int, seed: int = 1) -> Tensor:
    """The same random numbers in each type."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@functools.cache
def module(make: Callable[[], nn.Module], dtype: torch.dtype) -> nn.Module:
    """A module with the same weights in each type."""
    torch.manual_seed(3)
    return make().double().eval().to(dtype).requires_grad_(False)


def image(x: Tensor) -> Tensor:
    return x.reshape(-1, 1, 3, 4)


def heads(x: Tensor) -> Tensor:
    """Rows whose scores float32 tells apart; some are larger than float16 has numbers."""
    return image(x[[0, 1, 2, 3, 4, 5, 10, 11, 12]])


def steps(x: Tensor) -> Tensor:
    return x.reshape(-1, 3, 4)


def classes(x: Tensor) -> Tensor:
    return torch.arange(x.shape[0]) % WIDTH


def random(x: Tensor, seed: int = 1) -> Tensor:
    """Numbers of the shape of ``x``."""
    return weights(x.dtype, int(x.shape[0]), WIDTH, seed=seed)


#: What is right with infinities, and with NaN.
WITH_NAN: dict[str, Function] = {
    **{name: (lambda x, n=name: getattr(x, n)(-1)) for name in ("sum", "nansum", "mean", "nanmean", "prod")},
    **{name: (lambda x, n=name: getattr(x, n)(-1)) for name in ("cumsum", "cumprod", "logcumsumexp", "any", "all")},
    **{name: (lambda x, n=name: getattr(x, n)(-1)[0]) for name in ("cummax", "cummin", "median", "nanmedian")},
    "logsumexp": lambda x: x.logsumexp(-1),
    "count_nonzero": lambda x: x.count_nonzero(-1),
    "softmax": lambda x: x.softmax(-1),
    "softmin": lambda x: F.softmin(x, -1),
    "kthvalue": lambda x: x.kthvalue(3, -1)[0],
    "sort": lambda x: x.sort(-1)[0],
    "sort down": lambda x: x.sort(-1, descending=True)[0],
    "topk": lambda x: x.topk(4, -1)[0],
    "topk smallest": lambda x: x.topk(4, -1, largest=False)[0],
    "var of one": lambda x: x[:, :1].var(-1),
    "std of one": lambda x: x[:, :1].std(-1, unbiased=False),
    "bucketize": lambda x: torch.bucketize(x, torch.tensor([-1.0, 0.0, 0.5], dtype=x.dtype)),
    "norm": lambda x: torch.linalg.vector_norm(x, 2, -1),
    "norm 1": lambda x: torch.linalg.vector_norm(x, 1, -1),
    "norm 3": lambda x: torch.linalg.vector_norm(x, 3, -1),
    "pad": lambda x: F.pad(x, (1, 2), value=3.0),
    "scatter sum": lambda x: x.scatter_reduce(1, torch.arange(WIDTH).remainder(3).expand(x.shape), x, "sum"),
    "nan_to_num": torch.nan_to_num,
}

#: ONNX Runtime passes over NaN, or makes others of it, in the operators of these: see docs/support.md.
WITH_INFINITIES: dict[str, Function] = {
    "log_softmax": lambda x: x.log_softmax(-1),
    "mode": lambda x: x.mode(-1)[0],
    "amax": lambda x: x.amax(-1),
    "amin": lambda x: x.amin(-1),
    "max": lambda x: x.max(-1),
    "min": lambda x: x.min(-1),
    "argmax": lambda x: x.argmax(-1),
    "argmin": lambda x: x.argmin(-1),
    "norm of infinity": lambda x: torch.linalg.vector_norm(x, INFINITY, -1),
    "max_pool2d": lambda x: F.max_pool2d(image(x), 2),
    "cross_entropy": lambda x: F.cross_entropy(x, classes(x), reduction="none"),
    "scatter amax": lambda x: x.scatter_reduce(1, torch.arange(WIDTH).remainder(3).expand(x.shape), x, "amax"),
}

FINITE: dict[str, Function] = {
    **{f"var {c}": (lambda x, c=c: x.var(-1, correction=c)) for c in (0, 1, 0.5)},
    **{f"norm {p}": (lambda x, p=p: torch.linalg.vector_norm(x, p, -1)) for p in (0, 0.5, 1.5, 4, -1, -2)},
    "std": lambda x: x[:-1].std(-1),
    "var_mean": lambda x: torch.var_mean(x, -1),
    "softmax first": lambda x: x.softmax(0),
    "softmax in float32": lambda x: x.softmax(-1, dtype=torch.float32),
    "sum in float32": lambda x: x.sum(-1, dtype=torch.float32),
    "matrix_norm 1": lambda x: torch.linalg.matrix_norm(steps(x), 1),
    "normalize": lambda x: F.normalize(x[:-3], dim=-1),
    "renorm": lambda x: torch.renorm(x, 3, 0, 3.0),
    "quantile": lambda x: x.quantile(0.3, -1),
    "trapezoid": torch.trapezoid,
    "layer_norm": lambda x: F.layer_norm(x, (WIDTH,)),
    "layer_norm affine": lambda x: F.layer_norm(x, (12,), weights(x.dtype, 12), weights(x.dtype, 12, seed=2)),
    "rms_norm": lambda x: F.rms_norm(x, (WIDTH,), weights(x.dtype, 12), 1e-6),
    "group_norm": lambda x: F.group_norm(x.reshape(-1, 4, 3), 2),
    "group_norm affine": lambda x: F.group_norm(
        x.reshape(-1, 4, 3), 2, weights(x.dtype, 4), weights(x.dtype, 4, seed=2)
    ),
    "instance_norm": lambda x: F.instance_norm(torch.cat([x[:9], x[10:]]).reshape(-1, 2, 6)),
    "batch_norm": lambda x: F.batch_norm(steps(x), weights(x.dtype, 3), weights(x.dtype, 3, seed=2).abs()),
    "local_response_norm": lambda x: F.local_response_norm(steps(x), 2),
    "cosine_similarity": lambda x: F.cosine_similarity(x[:-1], random(x)[:-1]),
    "pairwise_distance": lambda x: F.pairwise_distance(x, random(x), 3.0),
    "cdist 1": lambda x: torch.cdist(x, weights(x.dtype, 5, 12), 1.0),
    "cdist 3": lambda x: torch.cdist(x, weights(x.dtype, 5, 12), 3.0),
    "linear": lambda x: F.linear(x, weights(x.dtype, 5, 12), weights(x.dtype, 5)),
    "linear of many": lambda x: x[:4].repeat(1, 200) @ weights(x.dtype, 2400, 5),
    "addmm": lambda x: torch.addmm(weights(x.dtype, 5), x, weights(x.dtype, 12, 5), beta=0.5, alpha=2.0),
    "bmm": lambda x: torch.bmm(steps(x), weights(x.dtype, 1, 4, 3).expand(x.shape[0], 4, 3)),
    "einsum": lambda x: torch.einsum("bij,kj->bik", steps(x), weights(x.dtype, 5, 4)),
    "bilinear": lambda x: F.bilinear(random(x), random(x, 2), weights(x.dtype, 2, 12, 12)),
    "conv1d": lambda x: F.conv1d(steps(x), weights(x.dtype, 2, 3, 3), weights(x.dtype, 2), padding=1),
    "conv2d": lambda x: F.conv2d(image(x), weights(x.dtype, 2, 1, 3, 3), weights(x.dtype, 2), padding=1),
    "conv_transpose2d": lambda x: F.conv_transpose2d(image(x), weights(x.dtype, 1, 2, 3, 3)),
    "max_pool2d padded": lambda x: F.max_pool2d(image(x), 3, 1, 1),
    "avg_pool2d": lambda x: F.avg_pool2d(image(x), 3, 1, 1, count_include_pad=False),
    "lp_pool2d": lambda x: F.lp_pool2d(image(x.abs()[:-5]), 2.0, 2),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(image(x), (2, 3)),
    "adaptive_max_pool2d": lambda x: F.adaptive_max_pool2d(image(x), (2, 2)),
    **{
        f"interpolate {mode}": (lambda x, m=mode: F.interpolate(image(x), scale_factor=2.0, mode=m))
        for mode in ("nearest", "bilinear", "bicubic", "area")
    },
    "mse": lambda x: F.mse_loss(x, random(x), reduction="none").mean(-1),
    "mse of all": lambda x: F.mse_loss(x[:4], random(x)[:4]),
    "l1 of all": lambda x: F.l1_loss(x[:9], random(x)[:9]),
    "cross_entropy of all": lambda x: F.cross_entropy(x[:9], classes(x)[:9]),
    "cross_entropy smooth": lambda x: F.cross_entropy(x, classes(x), label_smoothing=0.1, reduction="none"),
    "cross_entropy weighted": lambda x: F.cross_entropy(x[:9], classes(x)[:9], weights(x.dtype, 12).abs()),
    "nll": lambda x: F.nll_loss(x, classes(x), reduction="none"),
    "multi_margin": lambda x: F.multi_margin_loss(x, classes(x), reduction="none"),
    "multilabel_margin": lambda x: F.multilabel_margin_loss(
        x, torch.tensor([[0, 3, 5, -1, *[0] * 8]]).expand(x.shape[0], WIDTH), reduction="none"
    ),
    "multilabel_margin of all": lambda x: F.multilabel_margin_loss(x[:4], classes(x[:12]).expand(4, WIDTH)),
    "triplet": lambda x: F.triplet_margin_loss(x, random(x), random(x, 2), reduction="none"),
    "bce logits of all": lambda x: F.binary_cross_entropy_with_logits(x[:9], random(x)[:9].sigmoid()),
    "attention": lambda x: F.scaled_dot_product_attention(*[heads(x)] * 3),
    "attention causal": lambda x: F.scaled_dot_product_attention(*[heads(x)] * 3, is_causal=True),
    "attention masked": lambda x: F.scaled_dot_product_attention(
        *[heads(x)] * 3, torch.tensor([[True, False, True], [False] * 3, [False, True, True]])
    ),
    "attention lowest": lambda x: F.scaled_dot_product_attention(
        *[heads(x)] * 3, torch.full((3, 3), torch.finfo(x.dtype).min, dtype=x.dtype).triu(1)
    ),
    "embedding_bag": lambda x: F.embedding_bag(torch.tensor([[0, 1, 2], [3, 3, 4]]), x, mode="mean"),
    "index_add": lambda x: x.index_add(0, torch.tensor([1, 1, 3, 3]), x[:4]),
    "swiglu": lambda x: F.silu(x[..., :6]) * x[..., 6:],
    "geglu": lambda x: F.gelu(x[..., :6]) * x[..., 6:],
    "rotary": lambda x: x * x.cos() + torch.cat([-x[..., 6:], x[..., :6]], -1) * x.sin(),
    "logaddexp": lambda x: torch.logaddexp(x, x.flip(0)),
    "fake_quantize": lambda x: torch.fake_quantize_per_channel_affine(
        x[:9], torch.full((9,), 0.0625), torch.zeros(9, dtype=torch.int32), 0, -127, 127
    ),
}

OF_NOTHING: dict[str, Function] = {
    **{
        name: (lambda x, n=name: getattr(x, n)(-1))
        for name in ("sum", "nansum", "mean", "nanmean", "prod", "logsumexp")
    },
    **{name: (lambda x, n=name: getattr(x, n)(-1)) for name in ("cumsum", "any", "all", "softmax", "var", "std")},
    **{f"{name} of all": getattr(torch, name) for name in ("sum", "mean", "prod", "any", "all", "var", "std")},
    "norm": lambda x: torch.linalg.vector_norm(x, 2, -1),
    "norm 3": lambda x: torch.linalg.vector_norm(x, 3, -1),
    "mse": lambda x: F.mse_loss(x, x + 1),
    "cross_entropy": lambda x: F.cross_entropy(x.reshape(0, 3), torch.zeros(0, dtype=torch.int64)),
    "linear": lambda x: F.linear(x, torch.zeros(2, 0, dtype=x.dtype), torch.ones(2, dtype=x.dtype)),
    "sort": lambda x: x.sort(-1),
}

MODULES: dict[str, Function] = {
    name: (lambda x, m=make, s=shape: module(m, x.dtype)(s(x[:6]))[0])
    for name, make, shape in (
        ("rnn", lambda: nn.RNN(4, 3, batch_first=True), steps),
        ("lstm", lambda: nn.LSTM(4, 3, batch_first=True), steps),
        ("gru", lambda: nn.GRU(4, 3, batch_first=True), steps),
        ("lstm cell", lambda: nn.LSTMCell(WIDTH, 3), lambda x: x),
        ("gru cell", lambda: nn.GRUCell(WIDTH, 3), lambda x: x),
        ("encoder", lambda: nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), steps),
    )
}


def limits_of(name: str, dtype: torch.dtype) -> Limits:
    """A few units of the result, and one of the largest number in a row where numbers are added up."""
    halved = dtype in HALVES
    units = 4 if halved else 256 if dtype == torch.float32 else 2.0**32
    floor = 1e-6 if name in KERNELS else 1e-12 if dtype == torch.float64 else 0
    return Limits(units=units, operand_units=0 if name in EXACT else 2 if halved else 64, floor=floor)


#: ONNX Runtime's logarithms and sigmoids lose small results; see docs/support.md.
KERNELS = frozenset({"log_softmax", "cross_entropy", "cross_entropy smooth", "swiglu", "geglu"})
#: What is chosen from the numbers of a row, or far smaller than they are.
EXACT = frozenset({*WITH_NAN, *WITH_INFINITIES, "softmax in float32"}) - {"sum", "nansum", "mean", "nanmean", "cumsum"}
TYPES = pytest.mark.parametrize("dtype", [*HALVES, *SINGLES], ids=["half", "brain", "single", "double"])


@TYPES
@pytest.mark.parametrize("name", WITH_NAN)
def test_rows_with_nan(name: str, dtype: torch.dtype) -> None:
    check(WITH_NAN[name], (with_nan(dtype),), OPSETS, limits_of(name, dtype))


@TYPES
@pytest.mark.parametrize("name", WITH_INFINITIES)
def test_rows_with_infinities(name: str, dtype: torch.dtype) -> None:
    if dtype == torch.float64 and name in ("log_softmax", "cross_entropy"):
        pytest.skip("ONNX Runtime's LogSoftmax of float64 is -inf where a row has an infinity, not NaN")
    check(WITH_INFINITIES[name], (special_rows(dtype),), OPSETS, limits_of(name, dtype))


@TYPES
@pytest.mark.parametrize("name", [*WITH_NAN, *WITH_INFINITIES, *FINITE])
def test_finite_rows(name: str, dtype: torch.dtype) -> None:
    function = {**WITH_NAN, **WITH_INFINITIES, **FINITE}[name]
    check(function, (rows(dtype),), OPSETS, limits_of(name, dtype))


@TYPES
@pytest.mark.parametrize("name", OF_NOTHING)
def test_nothing(name: str, dtype: torch.dtype) -> None:
    check(OF_NOTHING[name], (torch.zeros(3, 0, dtype=dtype),), OPSETS, limits_of(name, dtype))


@TYPES
@pytest.mark.parametrize("name", MODULES)
def test_modules(name: str, dtype: torch.dtype) -> None:
    limits = Limits(units=8 if dtype in HALVES else 2.0**32, floor=4e-3 if dtype in HALVES else 1e-5)
    check(MODULES[name], (rows(dtype),), OPSETS, limits)
