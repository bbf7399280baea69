"""Functions of one and two numbers: on every number of half precision, on all magnitudes of the others."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.ops.extremes import HALVES, OPSETS, SINGLES, Function, Limits, check, every_half, pairs, spread_numbers

NAMED = """
abs neg sign sgn sqrt rsqrt exp exp2 expm1 log log2 log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh
atanh erf erfc erfinv sigmoid reciprocal sinc logit square floor ceil round trunc frac signbit isnan isinf isfinite
isposinf isneginf deg2rad rad2deg angle lgamma digamma nan_to_num i0 positive logical_not relu selu frexp
"""
SPECIAL = """
entr ndtr ndtri log_ndtr erfcx i0e i1 i1e bessel_j0 bessel_j1 bessel_y0 bessel_y1 modified_bessel_i0 modified_bessel_i1
modified_bessel_k0 modified_bessel_k1 scaled_modified_bessel_k0 scaled_modified_bessel_k1 spherical_bessel_j0
"""
ACTIVATIONS = """
relu6 hardtanh leaky_relu elu celu gelu silu mish softplus softsign softshrink hardshrink hardsigmoid hardswish
logsigmoid tanhshrink rrelu
"""


def _inside(x: torch.Tensor) -> torch.Tensor:
    """Numbers between the poles."""
    return torch.where((x.abs() > 1e-9) & (x.abs() < 1e9) & (x.frac() != 0), x, 1.5)


def _divisor(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Divisors whose quotients have digits after the point: torch gives NaN for others of float64."""
    return torch.where(y.abs() * 1e15 < x.abs(), x, y)


UNARY: dict[str, Function] = {
    **{name: getattr(torch, name) for name in NAMED.split()},
    **{name: getattr(torch.special, name) for name in SPECIAL.split()},
    **{name: getattr(F, name) for name in ACTIVATIONS.split()},
    **{f"x ** {p}": (lambda x, p=p: x**p) for p in (0, 1, 2, 3, 4, -1, -2, -3, 0.5, -0.5, 1.5, 0.3, 7, 100, 2.0)},
    **{f"{b} ** x": (lambda x, b=b: b**x) for b in (0, 1, 2, 10, 0.5, 3.7)},
    # The lowest number of float32 is as near to 1e-45 as it can be.
    "log10": lambda x: torch.log10(torch.where(x.abs() < torch.finfo(x.dtype).tiny, 0, x)),
    "gelu tanh": lambda x: F.gelu(x, approximate="tanh"),
    "softplus beta": lambda x: F.softplus(x, 2.0, 5.0),
    "softplus small beta": lambda x: F.softplus(x, 0.1, 20.0),
    "elu alpha": lambda x: F.elu(x, 0.7),
    "celu alpha": lambda x: F.celu(x, 0.7),
    "leaky_relu up": lambda x: F.leaky_relu(x, -0.3),
    "threshold": lambda x: F.threshold(x, 0.5, -3.0),
    "logit small eps": lambda x: torch.logit(x, 1e-6),
    "logit eps": lambda x: torch.logit(x, 0.1),
    "hardshrink 2": lambda x: F.hardshrink(x, 2.0),
    "nan_to_num 1 2 -3": lambda x: torch.nan_to_num(x, 1.0, 2.0, -3.0),
    "clamp": lambda x: torch.clamp(x, -1.5, 2.5),
    "clamp min": lambda x: torch.clamp(x, min=0.1),
    "clamp max": lambda x: torch.clamp(x, max=0.1),
    "round 2": lambda x: torch.round(x, decimals=2),
    "round -2": lambda x: torch.round(x, decimals=-2),
    "x + 1": lambda x: x + 1,
    "x + 1e4": lambda x: x + 1e4,
    "x + 2.7 * 1.3": lambda x: torch.add(x, 1.3, alpha=2.7),
    "3.3 - x": lambda x: 3.3 - x,
    "x * 3.3": lambda x: x * 3.3,
    "x * 1e-9": lambda x: x * 1e-9,
    "x * 1e9": lambda x: x * 1e9,
    "x / 3": lambda x: x / 3,
    "x / 1e-3": lambda x: x / 1e-3,
    "x / 1e9": lambda x: x / 1e9,
    "3.3 / x": lambda x: 3.3 / x,
    "x // 3": lambda x: x // 3,
    "x // -3": lambda x: x // -3,
    "x // 0.7": lambda x: x // 0.7,
    "3 // x": lambda x: 3 // x,
    "x / 0.7 truncated": lambda x: torch.div(x, 0.7, rounding_mode="trunc"),
    "x % 3": lambda x: x % 3,
    "x % -3": lambda x: x % -3,
    "fmod(x, 3)": lambda x: torch.fmod(x, 3),
    # torch has other limits at the poles and at infinity, where the functions have none or 0.
    "polygamma 1": lambda x: torch.special.polygamma(1, _inside(x)),
    "polygamma 2": lambda x: torch.special.polygamma(2, _inside(x)),
    "multigammaln": lambda x: torch.special.multigammaln(x.abs().clamp(min=2), 2),
    "xlogy": lambda x: torch.xlogy(x, 2.5),
    "xlog1py": lambda x: torch.special.xlog1py(2.5, x),
    "lerp": lambda x: torch.lerp(x, x * 0 + 1, 0.3),
    "addcmul": lambda x: torch.addcmul(x, x, x, value=0.5),
    "addcdiv": lambda x: torch.addcdiv(x, x, x + 1, value=0.5),
    "where": lambda x: torch.where(x > 1, x, 0.1),
    "masked_fill": lambda x: x.masked_fill(x > 1, 0.1),
    "x == 0.1": lambda x: x == 0.1,
    "x < 0.1": lambda x: x < 0.1,
    "x > 1e9": lambda x: x > 1e9,
    "x != 3": lambda x: x != 3,
    "heaviside": lambda x: torch.heaviside(x, torch.tensor(0.5, dtype=x.dtype)),
    "copysign": lambda x: torch.copysign(x, -1),
    "ldexp": lambda x: torch.ldexp(x, torch.tensor(3)),
    "float_power": lambda x: torch.float_power(x, 1.5),
    "bool": lambda x: x.bool(),
    "float": lambda x: x.float(),
    "double": lambda x: x.double(),
    "half": lambda x: x.half(),
    "bfloat16": lambda x: x.bfloat16(),
    "logical_and": lambda x: torch.logical_and(x, x),
    "prelu": lambda x: F.prelu(x, torch.tensor([0.3], dtype=x.dtype)),
    "glu": lambda x: F.glu(torch.stack([x, x]), 0),
    "gammainc": lambda x: torch.special.gammainc(torch.tensor(1.5, dtype=x.dtype), x.abs()),
    "gammaincc": lambda x: torch.special.gammaincc(torch.tensor(1.5, dtype=x.dtype), x.abs()),
    "chebyshev": lambda x: torch.special.chebyshev_polynomial_t(x, 3),
    "fake_quantize": lambda x: torch.fake_quantize_per_tensor_affine(x.nan_to_num(0), 0.125, 3, -128, 127),
}

BINARY_NAMED = """
add sub mul div floor_divide pow float_power hypot atan2 logaddexp logaddexp2 maximum minimum fmax fmin
copysign nextafter heaviside eq ne lt le gt ge isclose logical_and logical_or logical_xor xlogy ldexp
"""
BINARY: dict[str, Function] = {
    **{name: getattr(torch, name) for name in BINARY_NAMED.split()},
    "xlog1py": torch.special.xlog1py,
    "remainder": lambda x, y: torch.remainder(x, _divisor(x, y)),
    "fmod": lambda x, y: torch.fmod(x, _divisor(x, y)),
    "add alpha": lambda x, y: torch.add(x, y, alpha=0.3),
    "sub alpha": lambda x, y: torch.sub(x, y, alpha=0.7),
    "div trunc": lambda x, y: torch.div(x, y, rounding_mode="trunc"),
    "lerp": lambda x, y: torch.lerp(x, y, 0.3),
    "lerp far": lambda x, y: torch.lerp(x, y, 0.9),
    "lerp tensor": lambda x, y: torch.lerp(x, y, torch.full_like(x, 0.7)),
    "addcdiv": lambda x, y: torch.addcdiv(x, x, y, value=0.7),
    "clamp": lambda x, y: torch.clamp(x, y, y + 1),
    "clamp min": lambda x, y: torch.clamp(x, min=y),
    "clamp max": lambda x, y: torch.clamp(x, max=y),
    "clamp to bounds": lambda x, y: torch.clamp(torch.ones_like(x), x, y),
    "where": lambda x, y: torch.where(x > y, x, y),
    "isclose tolerant": lambda x, y: torch.isclose(x, y, 1e-2, 1e-3, True),
    "isin": lambda x, y: torch.isin(x, y[:7]),
    "mse": lambda x, y: F.mse_loss(x, y, reduction="none"),
    "l1": lambda x, y: F.l1_loss(x, y, reduction="none"),
    "smooth_l1": lambda x, y: F.smooth_l1_loss(x, y, reduction="none", beta=0.5),
    "huber": lambda x, y: F.huber_loss(x, y, reduction="none", delta=0.5),
    "kl_div": lambda x, y: F.kl_div(x, y, reduction="none"),
    "bce": lambda x, y: F.binary_cross_entropy(x.abs().clamp(max=1), y, reduction="none"),
    "bce logits": lambda x, y: F.binary_cross_entropy_with_logits(x, y, reduction="none"),
    "poisson": lambda x, y: F.poisson_nll_loss(x, y, reduction="none"),
    "hinge": lambda x, y: F.hinge_embedding_loss(x, torch.sign(y), reduction="none"),
    "angle": lambda x, y: torch.complex(x.float(), y.float()).angle(),
    "threshold backward": lambda x, y: torch.ops.aten.threshold_backward(x, y, 0.5),
    "tanh backward": torch.ops.aten.tanh_backward,
}

#: Sums: what cancels out leaves the rounding of the operands.
SUMS = frozenset(
    (
        *("x + 1", "x + 1e4", "x + 2.7 * 1.3", "3.3 - x", "lerp", "lerp far", "lerp tensor", "addcmul", "addcdiv"),
        *("add alpha", "sub alpha", "bce logits", "poisson", "logaddexp", "logaddexp2", "logit", "logit small eps"),
        *("chebyshev", "multigammaln"),
    )
)
#: Functions whose kernels in ONNX Runtime lose small results, with the difference that they leave; see docs/support.md.
KERNELS = {
    **dict.fromkeys(("elu", "celu", "selu", "elu alpha", "celu alpha"), 2e-7),
    **dict.fromkeys(("sigmoid", "glu", "silu", "logsigmoid"), 2e-6),
    **dict.fromkeys(("gelu", "mish"), 4e-6),
    "gelu tanh": 3e-5,
    **dict.fromkeys(("tanh", "tanhshrink", "expm1", "tanh backward"), 1e-7),
    **dict.fromkeys(("ndtr", "lgamma", "sinc", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1"), 1e-6),
    **dict.fromkeys(("x ** -2", "log_ndtr", "gammainc", "polygamma 2"), 1e-12),
    **dict.fromkeys(("ndtri", "softplus small beta", "softplus", "softplus beta"), 1e-7),
}
REFUSED_DOUBLES = frozenset({"erfinv", "frexp", "nextafter"})
#: Series whose error grows with the distance from 0.
SERIES = frozenset({"scaled_modified_bessel_k0", "scaled_modified_bessel_k1"})


def limits_of(name: str, dtype: torch.dtype) -> Limits:
    """What a function of a type has to keep: two units of half precision, and the digits of the kernels of others."""
    halved = dtype in HALVES
    units = 2 if halved else 64 if dtype == torch.float32 else 2.0**20 if name in SERIES else 2.0**12
    return Limits(units=units, operand_units=(1 if halved else 64) if name in SUMS else 0, floor=KERNELS.get(name, 0.0))


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", HALVES, ids=["half", "brain"])
def test_every_number_of_half_precision(name: str, dtype: torch.dtype) -> None:
    check(UNARY[name], (every_half(dtype),), OPSETS, limits_of(name, dtype))


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", SINGLES, ids=["single", "double"])
def test_all_magnitudes(name: str, dtype: torch.dtype) -> None:
    if dtype == torch.float64 and name in REFUSED_DOUBLES:
        pytest.skip("refused, as its series are not exact enough")
    numbers = spread_numbers(dtype, 1 if dtype == torch.float32 else 8)
    check(UNARY[name], (numbers,), (11, 18, 23), limits_of(name, dtype))


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("dtype", [*HALVES, *SINGLES], ids=["half", "brain", "single", "double"])
def test_pairs(name: str, dtype: torch.dtype) -> None:
    if dtype == torch.float64 and name in REFUSED_DOUBLES:
        pytest.skip("refused, as nothing wider tells what is next")
    check(BINARY[name], pairs(dtype), (11, 13, 18, 20, 23), limits_of(name, dtype))
