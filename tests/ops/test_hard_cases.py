"""Operators that exporters are known to get wrong: all values of their options, many element types, two sizes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from onnxport import NEWEST_OPSET
from torch.nn import functional as F

from tests.ops.harness import Case

ops = torch.ops.aten
FLOATS = (torch.float32, torch.float64, torch.float16)
INTEGERS = (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8)
ALL = (*FLOATS, *INTEGERS, torch.bool)
OPSETS = (7, 9, 13, 18, NEWEST_OPSET)
# Any: results of models.
Function = Callable[..., Any]


def case(name: str, function: Function, *args: torch.Tensor, other: tuple[torch.Tensor, ...], **facts: Any) -> Case:
    """A case with all axes dynamic."""
    facts.setdefault("axes", {index: list(range(arg.dim())) for index, arg in enumerate(args)})
    return Case(name, function, args, other, **facts)


def numbers(*sizes: int, dtype: torch.dtype, seed: int = 0) -> torch.Tensor:
    """Numbers from -6 to 6, fractions for floats."""
    generator = torch.Generator().manual_seed(seed + sum(sizes))
    found = torch.randint(-24, 25, sizes, generator=generator) / 4
    if dtype == torch.uint8:
        found = found.abs()
    return found.round().to(dtype) if not dtype.is_floating_point else found.to(dtype)


def truths() -> Iterator[Case]:
    """Fractions are true, also those between 0 and 1, and NaN is."""
    for dtype in ALL:
        x = torch.tensor([[0.25, 0, 0], [0, 0, 0], [-0.5, 2, float("nan")]]) if dtype.is_floating_point else None
        x = torch.tensor([[1, 0, 0], [0, 0, 0], [0, 2, 3]]) if x is None else x
        for reduce in ("any", "all"):
            function = getattr(torch, reduce)
            other = (x[:, :1].to(dtype).contiguous(),)
            yield case(f"{reduce} {dtype}", function, x.to(dtype), other=other)
            yield case(f"{reduce} axis {dtype}", lambda x, f=function: f(x, 1), x.to(dtype), other=other)
            yield case(
                f"{reduce} axes {dtype}", lambda x, f=function: f(x, dim=(0, 1), keepdim=True), x.to(dtype), other=other
            )


def divisions() -> Iterator[Case]:
    """Quotients of both signs, of all modes."""
    for dtype in (*FLOATS, *INTEGERS):
        signs = torch.tensor([1, -1, 1, -1] if dtype != torch.uint8 else [1, 1, 1, 1])
        x = (torch.tensor([7, 7, 8, 9]) * signs).to(dtype)
        y = (torch.tensor([2, 2, 3, 3]) * (signs.roll(2) if dtype != torch.uint8 else signs)).to(dtype)
        pairs = {"other": (x[:1] + 3, y[1:2]), "axes": {0: [0], 1: [0]}}
        for name, function in {
            "floor_divide": torch.floor_divide,
            "floor": lambda x, y: torch.div(x, y, rounding_mode="floor"),
            "trunc": lambda x, y: torch.div(x, y, rounding_mode="trunc"),
            "remainder": torch.remainder,
            "fmod": torch.fmod,
            "operator": lambda x, y: (x // 3, x % 3, 7 // y),
        }.items():
            since = 10 if dtype == torch.float64 and name != "trunc" else 7
            yield case(f"{name} {dtype}", function, x, y, since=since, **pairs)


def shifts() -> Iterator[Case]:
    """Shifts to the right keep the sign."""
    for dtype in INTEGERS:
        x = torch.tensor([-128, -7, -1, 0, 5, 127]) if dtype != torch.uint8 else torch.tensor([0, 1, 7, 128, 200, 255])
        by = torch.tensor([1, 2, 3, 1, 0, 6])
        for name, function in {
            "right": torch.bitwise_right_shift,
            "left": torch.bitwise_left_shift,
            "numbers": lambda x, by: (x >> 2, x << 1, x.__rshift__(1)),
        }.items():
            yield case(
                f"shift {name} {dtype}", function, x.to(dtype), by.to(dtype), other=(x[:2].to(dtype), by[:2].to(dtype))
            )


def spreads() -> Iterator[Case]:
    for dtype in FLOATS[:2]:
        x, other = numbers(3, 4, 2, dtype=dtype), (numbers(2, 5, 3, dtype=dtype),)
        for function, correction, keep, dim in itertools.product(
            (torch.var, torch.std), (0, 1, 2, 0.5), (False, True), (1, (0, 2), None, (-1,))
        ):
            name = f"{function.__name__} {correction} {keep} {dim} {dtype}"
            yield case(
                name,
                lambda x, f=function, c=correction, k=keep, d=dim: f(x, dim=d, correction=c, keepdim=k),
                x,
                other=other,
            )
        for unbiased in (False, True):
            yield case(f"unbiased {unbiased} {dtype}", lambda x, u=unbiased: x.var(unbiased=u), x, other=other)
            yield case(f"var_mean {unbiased} {dtype}", lambda x, u=unbiased: torch.var_mean(x, 1, u), x, other=other)


def distances() -> Iterator[Case]:
    modes = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")
    x, y = numbers(2, 5, 3, dtype=torch.float32), numbers(2, 4, 3, dtype=torch.float32, seed=1)
    other = (numbers(1, 2, 3, dtype=torch.float32), numbers(1, 6, 3, dtype=torch.float32))
    for p in (0.0, 0.5, 1.0, 2.0, 3.0, float("inf")):
        for mode in modes if p == 2 else modes[:1]:
            yield case(
                f"cdist {p} {mode}",
                lambda x, y, p=p, m=mode: torch.cdist(x, y, p, m),
                *(x, y),
                other=other,
                axes={0: [0, 1], 1: [0, 1]},
                # Two equal points: the root of a product's rounding error.
                tolerance=2e-3,
            )


def pools() -> Iterator[Case]:
    x = numbers(2, 3, 9, 8, dtype=torch.float32)
    options = itertools.product((1, 2, 3), (0, 1), (False, True), (False, True), (None, 5))
    for chosen in options:
        yield Case(f"avg_pool2d {chosen}", lambda x, a=chosen: F.avg_pool2d(x, 3, *a), (x,), (x[:1] * 2,), {0: [0]})
        if not chosen[2]:
            other = (numbers(1, 3, 12, 7, dtype=torch.float32),)
            axes = {0: [0, 2, 3]}
            yield Case(f"avg_pool2d sizes {chosen}", lambda x, a=chosen: F.avg_pool2d(x, 3, *a), (x,), other, axes)


def diagonals() -> Iterator[Case]:
    for dtype in ALL:
        x, other = numbers(3, 4, 2, dtype=dtype), (numbers(5, 3, 4, dtype=dtype),)
        for offset, dims in itertools.product((-1, 0, 2), ((0, 1), (2, 0))):
            yield case(
                f"diagonal {offset} {dims} {dtype}",
                lambda x, o=offset, d=dims: torch.diagonal(x, o, *d),
                x,
                other=other,
                since=10,
            )


def repeated() -> Iterator[Case]:
    for dtype in (*FLOATS[:2], torch.int32, torch.int64):
        x, other = numbers(4, 3, dtype=dtype), (numbers(5, 3, dtype=dtype),)
        rows = numbers(5, 3, dtype=dtype, seed=3)
        index = torch.tensor([1, 1, 3, 0, 1])
        programs: dict[str, Function] = {
            "index_put": lambda x, i=index, r=rows: x.index_put((i,), r, accumulate=True),
            "index_put two": lambda x, i=index, r=rows: x.index_put((i, i % 3), r[:, 0], accumulate=True),
            "index_add": lambda x, i=index, r=rows: x.index_add(0, i, r, alpha=2),
            "index_add columns": lambda x: x.index_add(1, torch.tensor([2, 2]), x[:, :2]),
            "scatter_add": lambda x, i=index, r=rows: x.scatter_add(0, i[:, None].expand(5, 3), r),
            **{
                f"scatter_reduce {how} {include}": (
                    lambda x, i=index, r=rows, h=how, s=include: x.scatter_reduce(
                        0, i[:, None].expand(5, 3), r, h, include_self=s
                    )
                )
                for how, include in itertools.product(("sum", "prod", "mean", "amax", "amin"), (False, True))
            },
        }
        for name, function in programs.items():
            yield case(f"{name} {dtype}", function, x, other=other, axes={0: [0]})


def activations() -> Iterator[Case]:
    x, other = numbers(3, 4, dtype=torch.float32), (numbers(5, 2, dtype=torch.float32),)
    for alpha, scale, input_scale in itertools.product((1.0, 0.7, -0.5), (1.0, 1.3), (1.0, 2.0, 0.25)):
        yield case(
            f"elu {alpha} {scale} {input_scale}",
            lambda x, a=(alpha, scale, input_scale): ops.elu(x, *a),
            x,
            other=other,
        )


CASES = [
    *truths(),
    *divisions(),
    *shifts(),
    *spreads(),
    *distances(),
    *pools(),
    *diagonals(),
    *repeated(),
    *activations(),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_hard_case(case: Case) -> None:
    case.check(OPSETS)
