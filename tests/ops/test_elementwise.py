"""Arithmetic, functions of one number, comparisons and bits, with torch's type promotion."""

from __future__ import annotations

import math

import pytest
import torch

from tests.ops.harness import Case

nan, inf = math.nan, math.inf
FLOATS = torch.tensor([[1.5, -2.25, 0.0], [-0.0, 3.0, -7.5]])
OTHER = torch.tensor([[2.0, 0.5, -3.0, 1.0]])
SPECIAL = torch.tensor([nan, inf, -inf, 0.0, -0.0, 1.0, -2.5, 1e-7])
INTS = torch.tensor([[7, -7, 3], [-3, 0, 12]])
DIVISORS = torch.tensor([3, -2, 5])
MASK = torch.tensor([[True, False, True], [False, False, True]])
#: Where the operators of this family changed.
FEW_OPSETS = (7, 11, 13, 18, 23)
ALL = {0: (0, 1)}
BOTH = {0: (0, 1), 1: (0,)}


def on_floats(name: str, *, positive: bool = False) -> Case:
    """A function of one tensor, on floats of two shapes."""
    args = FLOATS.abs() + 1.25 if positive else FLOATS
    other = OTHER.abs() + 1.25 if positive else OTHER
    return Case(name, getattr(torch, name), (args,), (other,), ALL, tolerance=1e-5)


def floors_of_sizes(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    n = x.size(0)
    return torch.ones((n - 1) // 2 + 1), torch.ones(-(-n // 3)), torch.arange(2) + (n - 3) // 2, x * (n % 3) - (n // -2)


def in_place(x: torch.Tensor, m: torch.Tensor) -> tuple[torch.Tensor, ...]:
    x, m = x.clone(), m.clone()
    m &= x > 0
    m |= x == 3
    m ^= x < -3
    x *= 2
    x -= 1
    x //= 2
    x <<= 1
    x.clamp_(-4, 5).add_(1).masked_fill_(m, 7)
    return x, m


ARITHMETIC = [
    Case("add", lambda x, y: x + y, (FLOATS, torch.ones(3)), (OTHER, torch.ones(4)), BOTH, nodes={18: ["Add"]}),
    Case("add-alpha", lambda x, y: torch.add(x, y, alpha=2), (FLOATS, torch.ones(3)), (OTHER, torch.ones(4)), BOTH),
    Case("add-int-float", lambda x: x + 0.5, (INTS,), (INTS[:1],), ALL),
    Case("add-int-int", lambda x: x + 3, (INTS,), (INTS[:1],), ALL),
    Case("add-ranks", lambda x, y: x + y, (FLOATS, torch.tensor(2, dtype=torch.float64)), None, ALL),
    Case("add-int32-int64", lambda x, y: x + y, (INTS.int(), DIVISORS), None, ALL),
    Case("add-half-float", lambda x, y: x + y, (FLOATS.half(), torch.ones(3)), None, ALL),
    Case("add-uint8-int8", lambda x, y: x + y, (torch.tensor([1, 200]).byte(), torch.tensor([-1, 5]).char())),
    Case("add-bool", lambda x, y: x + y, (MASK, ~MASK), None, ALL),
    Case("mul-bool", lambda x, y: x * y, (MASK, ~MASK), None, ALL),
    Case("sub", lambda x: 1 - x, (FLOATS,), (OTHER,), ALL),
    Case("mul-size", lambda x: x * x.size(1), (INTS,), (INTS[:, :2],), ALL),
    Case("div-int", lambda x, y: x / y, (INTS, DIVISORS), None, ALL),
    Case("div-trunc", lambda x: torch.div(x, 2, rounding_mode="trunc"), (FLOATS,), (OTHER,), ALL),
    Case("div-trunc-int", lambda x, y: torch.div(x, y, rounding_mode="trunc"), (INTS, DIVISORS), None, ALL),
    Case("div-floor-int", lambda x, y: torch.div(x, y, rounding_mode="floor"), (INTS, DIVISORS), None, ALL),
    Case("floor-divide", lambda x, y: x // y, (FLOATS, torch.tensor([0.1, -2.0, 0.0])), None, ALL),
    Case("floor-divide-rounding", lambda x: x // 0.1, (torch.arange(12) / 10,), (torch.arange(30) / 10,), {0: (0,)}),
    Case("floor-divide-sizes", floors_of_sizes, (torch.ones(7, 2),), (torch.ones(1, 2),), {0: (0,)}),
    Case("floor-divide-size", lambda x: x * (x.size(1) // 2), (INTS,), (INTS[:, :2],), ALL),
    Case("remainder", lambda x, y: x % y, (FLOATS, torch.tensor([2.0, -2.0, -inf])), None, ALL),
    Case("remainder-number", lambda x: x % 2, (FLOATS,), (OTHER,), ALL),
    Case("remainder-negative", lambda x: x % -2.5, (FLOATS,), (OTHER,), ALL),
    Case("remainder-int", lambda x, y: x % y, (INTS, DIVISORS), None, ALL),
    Case("remainder-of-number", lambda y: torch.remainder(7, y), (DIVISORS,), None, {0: (0,)}),
    Case("fmod", torch.fmod, (FLOATS, torch.tensor([2.0, -2.0, 1.5])), None, ALL),
    Case("fmod-int", torch.fmod, (INTS, DIVISORS), None, ALL),
    *(
        Case(f"pow-{p}", lambda x, p=p: x**p, (SPECIAL,), (OTHER[0],), {0: (0,)})
        for p in (0, 0.5, 1, 2, 3, -0.5, -1, -2, 2.5)
    ),
    *(Case(f"pow-int-{p}", lambda x, p=p: x**p, (INTS,), (INTS[:1],), ALL) for p in (1, 2, 3, 5)),
    Case("pow-int-exact", lambda x: x**3, (torch.tensor([2000003, -1234567]),), None),
    Case("pow-int-float", lambda x: x**0.5, (INTS.abs(),), None, ALL),
    Case("pow-tensors", torch.pow, (FLOATS.abs(), torch.tensor([2.0, -1.0, 0.5])), None, ALL),
    Case("pow-of-number", lambda x: 2**x, (FLOATS,), (OTHER,), ALL),
    Case("pow-of-number-int", lambda x: 2**x, (INTS.abs(),), (INTS[:1].abs(),), ALL),
    Case("float-power", lambda x: torch.float_power(x, 2), (INTS,), None, ALL),
    Case("square", torch.square, (INTS,), (INTS[:1],), ALL, nodes={18: ["Mul"]}),
    Case("ldexp", torch.ldexp, (FLOATS, DIVISORS), None, ALL),
    Case("addcmul", lambda x, y, z: torch.addcmul(x, y, z, value=0.5), (FLOATS, FLOATS, FLOATS), None, ALL),
    Case("addcdiv", torch.addcdiv, (FLOATS, FLOATS, FLOATS.abs() + 1), None, ALL),
    *(
        Case(f"lerp-{w}", lambda x, y, w=w: torch.lerp(x, y, w), (FLOATS * 1e8, FLOATS + 1), None, ALL)
        for w in (0.25, 0.75, 1.0)
    ),
    Case("lerp-tensor", torch.lerp, (FLOATS, FLOATS + 1, FLOATS / 7), None, ALL),
    Case("hypot", torch.hypot, (FLOATS, FLOATS + 1), None, ALL),
    Case("atan2", torch.atan2, (SPECIAL[3:].repeat(5), SPECIAL[3:].repeat_interleave(5)), None, {0: (0,), 1: (0,)}),
    Case("copysign", torch.copysign, (FLOATS, torch.tensor([0.0, -0.0, -1.0])), None, ALL),
    Case("logaddexp", torch.logaddexp, (SPECIAL[1:], SPECIAL[1:].flip(0)), None),
    Case("logaddexp-same", torch.logaddexp, (SPECIAL, SPECIAL), None),
    Case("logaddexp2", torch.logaddexp2, (FLOATS, FLOATS + 1), None, ALL),
    Case("xlogy", torch.xlogy, (torch.tensor([0.0, 0.0, 0.0, 1.0]), torch.tensor([0.0, nan, 2.0, 3.0])), None),
    Case("heaviside", torch.heaviside, (FLOATS, torch.tensor([0.5, 0.25, 2.0])), None, ALL),
]

FLOAT_FUNCTIONS = (
    "exp",
    "exp2",
    "expm1",
    "sin",
    "cos",
    "tan",
    "atan",
    "sinh",
    "cosh",
    "asinh",
    "tanh",
    "sigmoid",
    "reciprocal",
    "neg",
    "abs",
    "sign",
    "floor",
    "ceil",
    "trunc",
    "frac",
    "sinc",
    "deg2rad",
    "rad2deg",
    "positive",
    "angle",
    "signbit",
    "erf",
    "erfc",
)

FUNCTIONS = [
    *map(on_floats, FLOAT_FUNCTIONS),
    *(on_floats(name, positive=True) for name in ("sqrt", "rsqrt", "log", "log1p", "log2", "log10", "acosh")),
    *(
        Case(f"{name}-int", getattr(torch, name), (INTS,), (INTS[:1],), ALL)
        for name in ("exp", "neg", "abs", "sign", "floor", "round", "trunc")
    ),
    Case("expm1-special", torch.expm1, (SPECIAL,)),
    Case("log1p-special", lambda x: torch.log1p(x.clamp(min=-1)), (SPECIAL,)),
    Case("log2-exact", lambda x: torch.floor(torch.log2(x)), (2.0 ** torch.arange(-30, 31),), None),
    Case("log10-exact", lambda x: torch.floor(torch.log10(x)), (10.0 ** torch.arange(0, 11),), None),
    Case("round", torch.round, (torch.tensor([0.5, 1.5, -0.5, -2.5, 2.4]),), (FLOATS[0],), {0: (0,)}),
    Case("round-decimals", lambda x: torch.round(x, decimals=1), (FLOATS,), (OTHER,), ALL),
    Case("round-tens", lambda x: torch.round(x * 10, decimals=-1), (FLOATS,), (OTHER,), ALL),
    Case("logit", torch.logit, (torch.tensor([0.25, 0.5, 0.9]),), None),
    Case("logit-eps", lambda x: torch.logit(x, eps=0.1), (torch.tensor([0.0, 0.5, 1.0]),), None),
    Case("entr", torch.special.entr, (SPECIAL,), None),
]

COMPARISONS = [
    *(
        Case(name, getattr(torch, name), (SPECIAL, SPECIAL.flip(0)))
        for name in ("eq", "ne", "lt", "le", "gt", "ge", "maximum", "minimum", "fmax", "fmin", "isclose")
    ),
    *(
        Case(f"{name}-int-float", lambda x, f=f: f(x, 2.5), (INTS,), (INTS[:1],), ALL)
        for name, f in (("eq", torch.eq), ("lt", torch.lt), ("ge", torch.ge))
    ),
    *(
        Case(f"{name}-bool", getattr(torch, name), (MASK, ~MASK[:1]), None, ALL)
        for name in ("eq", "lt", "maximum", "logical_and", "logical_xor")
    ),
    *(
        Case(name, getattr(torch, name), (SPECIAL,), (OTHER[0],), {0: (0,)})
        for name in ("isnan", "isinf", "isfinite", "isposinf", "isneginf")
    ),
    Case("isnan-int", torch.isnan, (INTS,), (INTS[:1],), ALL),
    Case("logical-not", torch.logical_not, (FLOATS,), (OTHER,), ALL),
    Case("logical-or", torch.logical_or, (FLOATS, INTS), None, ALL),
    Case("isclose-nan", lambda x: torch.isclose(x, x, equal_nan=True), (SPECIAL,), None),
    Case("clamp", lambda x: x.clamp(-1, 1), (SPECIAL,), (OTHER[0],), {0: (0,)}, nodes={18: ["Clip"]}),
    Case("clamp-min", lambda x: x.clamp(min=0), (SPECIAL,), (OTHER[0],), {0: (0,)}),
    Case("clamp-crossed", lambda x: x.clamp(2, 1), (FLOATS,), (OTHER,), ALL),
    Case("clamp-int", lambda x: x.clamp(-3, 3), (INTS,), (INTS[:1],), ALL),
    Case("clamp-int-float", lambda x: x.clamp(max=2.5), (INTS,), (INTS[:1],), ALL),
    Case("clamp-tensors", torch.clamp, (FLOATS, torch.zeros(3), torch.ones(3)), None, ALL),
    Case("where", torch.where, (MASK, FLOATS, torch.zeros(3)), None, ALL),
    Case("where-number", lambda m, x: torch.where(m, x, 0.5), (MASK, INTS), None, ALL),
    Case("where-numbers", lambda m: torch.where(m, 1, 2.5), (MASK,), None, ALL),
    Case("where-bool", lambda m: torch.where(m, ~m, m), (MASK,), None, ALL),
    Case("masked-fill", lambda x, m: x.masked_fill(m, -inf), (FLOATS, MASK), None, ALL),
    Case("masked-fill-broadcast", lambda x, m: x.masked_fill(m, 2), (FLOATS[:1], MASK), None, ALL),
    Case("nan-to-num", torch.nan_to_num, (SPECIAL,), None),
    Case("nan-to-num-given", lambda x: torch.nan_to_num(x, 1.0, posinf=2.0), (SPECIAL,), None),
    Case("threshold", lambda x: torch.nn.functional.threshold(x, 0.5, -1.0), (FLOATS,), (OTHER,), ALL),
]

BITS = [
    *(
        Case(f"bitwise-{name}-bool", getattr(torch, f"bitwise_{name}"), (MASK, ~MASK[:1]), None, ALL)
        for name in ("and", "or", "xor")
    ),
    *(
        Case(f"bitwise-{name}", getattr(torch, f"bitwise_{name}"), (INTS, DIVISORS), None, ALL)
        for name in ("and", "or", "xor")
    ),
    Case("bitwise-not", torch.bitwise_not, (INTS,), (INTS[:1],), ALL),
    Case("bitwise-not-bytes", torch.bitwise_not, (INTS.abs().byte(),), None, ALL),
    Case("invert", lambda m: ~m, (MASK,), None, ALL),
    Case("left-shift", lambda x: x << 3, (INTS,), (INTS[:1],), ALL),
    Case("right-shift", lambda x: x >> 1, (INTS,), (INTS[:1],), ALL),
    Case("gcd", torch.gcd, (INTS * 6, DIVISORS * 4), (INTS[:0], DIVISORS), {0: (0,)}),
    Case("lcm", torch.lcm, (INTS * 6, DIVISORS * 4), (INTS[:1], DIVISORS), {0: (0,)}),
    Case("gcd-number", torch.gcd, (torch.tensor(-12), torch.tensor(18))),
    Case("shift-tensors", lambda x, n: (x << n, x >> n), (INTS, DIVISORS.abs()), None, ALL),
]

#: Beyond what double precision holds, beyond the type, and inverses.
BASES = [3, 3, -3, 0, 0, -1, 2, 7, 10, -7, 2, 1]
EXPONENTS = [39, 40, 39, -2, 0, -3, -1, 22, 18, 22, 70, -5]
BITS += [
    Case(f"pow-{dtype}", torch.pow, (torch.tensor(BASES).to(dtype), torch.tensor(EXPONENTS).to(dtype)))
    for dtype in (torch.int64, torch.int32, torch.int8, torch.uint8)
]
BITS += [
    Case("pow-of-number", lambda n: 3**n, (torch.tensor(EXPONENTS).abs(),), (torch.tensor([41]),), {0: (0,)}),
    Case("pow-by-number", lambda x: x**25, (torch.tensor(BASES),), (torch.tensor([5]),), {0: (0,)}),
]

#: Powers of 2 and their neighbours, numbers without an exponent of their own, the largest, and what is none.
ENDS = [0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 3.7, 1e-45, -1e-45, 1.1754944e-38, 3.4028235e38, -3.4028235e38]
ENDS += [math.inf, -math.inf, math.nan]
BITS += [
    Case(f"nextafter-{dtype}", lambda x, y: torch.nextafter(x[:, None], y), (torch.tensor(ENDS).to(dtype),) * 2)
    for dtype in (torch.float32, torch.float16)
]

IN_PLACE = [Case("in-place", in_place, (INTS, MASK), None, ALL)]

#: Powers of 2 and their neighbours, the smallest and the largest numbers, and those without an exponent.
BINARY = [0.0, -0.0, 1.0, -1.0, 0.5, 3.7, 7.9999995, 8.0, 1e-40, 1e-45, 3.4e38, math.inf, -math.inf, math.nan]
BINARY += [2.0**k for k in range(-149, 128)]
CASTS = [
    *(
        Case(f"to-{dtype}", lambda x, dtype=dtype: x.to(dtype), (FLOATS,), (OTHER,), ALL)
        for dtype in (torch.float64, torch.float16, torch.int64, torch.int32, torch.int8, torch.bool)
    ),
    Case("to-other", lambda x, y: x.to(y), (INTS, FLOATS), None, ALL),
    Case("type-as", lambda x, y: x.type_as(y), (INTS, FLOATS), None, ALL),
    Case("to-same", lambda x: x.to(torch.float32) + x.float(), (FLOATS,), (OTHER,), ALL, nodes={18: ["Add"]}),
    Case("frexp", torch.frexp, (torch.tensor(BINARY),), (torch.tensor([-2.5]),), {0: (0,)}),
    Case("frexp-half", torch.frexp, (torch.tensor(BINARY).half(),)),
    Case("dropout-eval", lambda x: torch.dropout(x, 0.5, False) + 1, (FLOATS,), (OTHER,), ALL, nodes={18: ["Add"]}),
    Case("dropout-none", lambda x: torch.dropout(x, 0.0, True) + 1, (FLOATS,), (OTHER,), ALL, nodes={18: ["Add"]}),
    Case("feature-dropout", lambda x: torch.feature_dropout(x, 0.5, False), (FLOATS,), (OTHER,), ALL),
]


@pytest.mark.parametrize("case", ARITHMETIC + FUNCTIONS + COMPARISONS + BITS + IN_PLACE + CASTS, ids=str)
def test_values(case: Case) -> None:
    case.check(FEW_OPSETS)
