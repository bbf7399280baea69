"""Integers at the bounds of their types, and numbers that wrap around."""

from __future__ import annotations

import pytest
import torch
from onnxport import NEWEST_OPSET
from torch.nn import functional as F

from tests.ops.extremes import Function, Limits, faults

DTYPES = (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8)
OPSETS = (9, 11, 13, NEWEST_OPSET)


def bounds(dtype: torch.dtype) -> torch.Tensor:
    """The bounds of an integer type, small numbers, and such that float32 or float64 do not hold."""
    info = torch.iinfo(dtype)
    found = [info.min, info.min + 1, info.max, info.max - 1, 0, 1, 2, 3, 7, 100, info.max // 2]
    found += [-1, -2, -3, -7, -100] if info.min < 0 else []
    found += [2**24 + 1, -(2**24) - 1] if info.bits >= 32 else []
    found += [2**53 + 1, -(2**53) - 1, 2**31, -(2**31) - 1, 10**18 + 1] if info.bits == 64 else []
    return torch.tensor(found, dtype=dtype)


def no_zero(y: torch.Tensor) -> torch.Tensor:
    """Divisors."""
    return torch.where(y == 0, 1, y)


def divisors(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Divisors whose quotients do not overflow."""
    overflows = (x == torch.iinfo(x.dtype).min) & (y == -1) if torch.iinfo(x.dtype).min < 0 else y < 0
    return torch.where(overflows, 1, no_zero(y))


NAMED = """
abs neg sign square bitwise_not exp relu floor round signbit isnan isfinite logical_not nan_to_num diff any all unique
"""
TYPES = "float double bool char byte short int long"
ALONG = "cumsum cumprod cummax argmax max sort"
UNARY: dict[str, Function] = {
    **{name: getattr(torch, name) for name in NAMED.split()},
    **{f"x ** {p}": (lambda x, p=p: x**p) for p in (0, 1, 2, 3, 10, 63, 64, 65, 100)},
    **{f"x // {d}": (lambda x, d=d: x // d) for d in (2, 3, -3, 7, 2.5)},
    **{f"x % {d}": (lambda x, d=d: x % d) for d in (2, 3, -3, 7, 2.5)},
    **{f"fmod {d}": (lambda x, d=d: torch.fmod(x, d)) for d in (2, -3)},
    **{f"div {d} trunc": (lambda x, d=d: torch.div(x, d, rounding_mode="trunc")) for d in (2, -3)},
    **{f"to {name}": (lambda x, n=name: getattr(x, n)()) for name in TYPES.split()},
    **{f"x {'<<' if n > 0 else '>>'} {abs(n)}": (lambda x, n=n: x << n if n > 0 else x >> -n) for n in (1, -1, -7)},
    **{f"{name} axis": (lambda x, n=name: getattr(x, n)(0)) for name in ALONG.split()},
    "x + 100": lambda x: x + 100,
    "3 - x": lambda x: 3 - x,
    "x * 3": lambda x: x * 3,
    "x / 3": lambda x: x / 3,
    "x * 0.1": lambda x: x * 0.1,
    "2 ** x": lambda x: 2 ** (x.abs() % 7).abs(),
    "divmod": lambda x: torch.div(x, 7, rounding_mode="floor") * 7 + x % 7,
    "clamp": lambda x: x.clamp(1, 5),
    "prod": torch.prod,
    "amax": torch.amax,
    "amin": torch.amin,
    "argmin": torch.argmin,
    "median": torch.median,
    "sort down": lambda x: x.sort(descending=True)[0],
    "topk": lambda x: x.topk(3)[0],
    "x < 2.5": lambda x: x < 2.5,
    "x >= 100": lambda x: x >= 100,
    "x & 5": lambda x: x & 5,
    "x ^ 5": lambda x: x ^ 5,
    "dot": lambda x: torch.dot(x, x),
    "outer": lambda x: torch.outer(x, x),
    "isin": lambda x: torch.isin(x, x[:3]),
    "gcd": lambda x: torch.gcd(x, torch.full_like(x, 12)),
    "scatter_add": lambda x: x.scatter_add(0, torch.zeros(len(x), dtype=torch.int64), x),
    "index_add": lambda x: x.index_add(0, torch.zeros(len(x), dtype=torch.int64), x),
    "scatter prod": lambda x: x.scatter_reduce(0, torch.zeros(len(x), dtype=torch.int64), x, "prod"),
    "addcmul": lambda x: torch.addcmul(x, x, x, value=2),
    "searchsorted": lambda x: torch.searchsorted(x.sort()[0], x),
    "x + 300 wraps": lambda x: x + 300,
    "x - 1 wraps": lambda x: x + (-1),
    "x * -3 wraps": lambda x: x * -3,
    "clamp wraps": lambda x: x.clamp(min=-1),
    "where wraps": lambda x: torch.where(x > 5, x, -1),
    "x == -1 wraps": lambda x: x == -1,
    "x > -1 wraps": lambda x: x > -1,
    "x < 300 wraps": lambda x: x < 300,
    "masked_fill wraps": lambda x: x.masked_fill(x > 5, -1),
    "x & -2 wraps": lambda x: x & -2,
    "full_like wraps": lambda x: torch.full_like(x, -1),
    "pad wraps": lambda x: F.pad(x, (1, 1), value=-1),
    "-7 // x wraps": lambda x: -7 // no_zero(x),
    "index_fill wraps": lambda x: x.index_fill(0, torch.tensor([0]), -1),
}

TWO = "add sub mul maximum minimum eq lt ge ne isclose heaviside"
BINARY: dict[str, Function] = {
    **{name: getattr(torch, name) for name in TWO.split()},
    **{f"bitwise_{name}": getattr(torch, f"bitwise_{name}") for name in ("and", "or", "xor")},
    **{f"logical_{name}": getattr(torch, f"logical_{name}") for name in ("and", "xor")},
    "add alpha": lambda x, y: torch.add(x, y, alpha=3),
    "floor_divide": lambda x, y: torch.floor_divide(x, divisors(x, y)),
    "remainder": lambda x, y: torch.remainder(x, divisors(x, y)),
    "fmod": lambda x, y: torch.fmod(x, divisors(x, y)),
    "div trunc": lambda x, y: torch.div(x, divisors(x, y), rounding_mode="trunc"),
    "div": lambda x, y: x / no_zero(y),
    "pow": lambda x, y: x ** (y.abs() % 5).abs(),
    "shift left": lambda x, y: x << (y.abs() % 7).abs(),
    "shift right": lambda x, y: x >> (y.abs() % 7).abs(),
    "clamp": lambda x, y: torch.clamp(x, min=y),
    "where": lambda x, y: torch.where(x > y, x, y),
    "with int64": lambda x, y: x.long() * y,
    "with float": lambda x, y: x * y.float(),
}


@pytest.mark.parametrize("name", UNARY)
def test_bounds(name: str) -> None:
    for dtype in DTYPES:
        assert not list(faults(UNARY[name], (bounds(dtype),), OPSETS, Limits(units=4, of_double=False))), dtype


@pytest.mark.parametrize("name", BINARY)
def test_pairs_of_bounds(name: str) -> None:
    for dtype in DTYPES:
        x, y = torch.meshgrid(bounds(dtype), bounds(dtype), indexing="ij")
        args = (x.reshape(-1).clone(), y.reshape(-1).clone())
        assert not list(faults(BINARY[name], args, OPSETS, Limits(units=4, of_double=False))), dtype
