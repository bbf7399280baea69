"""Inputs for a captured model that are not the example's: other sizes of dynamic axes, other values."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from onnxport_frontend import Captured
from onnxport_ir import Input, SymDim, TensorType
from onnxport_ir.dims import evaluate


def example_sizes(captured: Captured) -> dict[str, int]:
    """The example's size of each dynamic axis, by its name."""
    sizes: dict[str, int] = {}
    for item in captured.graph.inputs:
        shape = item.var.type.shape if isinstance(item.var.type, TensorType) else None
        for dim in shape or ():
            if isinstance(dim, SymDim) and dim.name is not None and dim.hint is not None:
                sizes[dim.name] = dim.hint
    return sizes


def variants(symbols: Mapping[str, int]) -> Iterator[tuple[dict[str, int], bool]]:
    """Sizes to try, and whether floats are mirrored, which takes the other side of many a branch.

    Twice the example's sizes come first: they divide by what the example's do, and many a model takes no others. The
    last one is for models that took no other size together with other values.
    """
    doubled = {name: size * 2 for name, size in symbols.items()}
    yield doubled, True
    if symbols:
        yield doubled, False
        yield {name: size + 1 for name, size in symbols.items()}, False
        first = next(iter(symbols))
        yield {**symbols, first: symbols[first] + 1}, False
        yield dict(symbols), True


def further_sizes(symbols: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Sizes at which models differ that hold for twice the example's: odd ones, and 1."""
    if not symbols:
        return
    yield {name: size + 1 for name, size in symbols.items()}
    # The first axis is the batch, in nearly all models.
    yield {**symbols, next(iter(symbols)): 1}
    yield dict.fromkeys(symbols, 1)


def other_values(captured: Captured, sizes: Mapping[str, int], *, mirrored: bool) -> dict[str, Any]:
    """The example's inputs with other sizes.

    Args:
        captured: the capture.
        sizes: a size for the name of each dynamic axis.
        mirrored: whether floats get other values as well.
    """
    return {item.name: _varied(captured, item, sizes, mirrored) for item in captured.graph.inputs}


def other_signs(captured: Captured) -> dict[str, Any] | None:
    """The example's inputs with the other sign where floats have one sign only; None if there are no such inputs."""
    inputs = {name: -value if _has_one_sign(value) else value for name, value in captured.example_inputs.items()}
    return None if all(inputs[name] is value for name, value in captured.example_inputs.items()) else inputs


@contextlib.contextmanager
def redrawn(count: int) -> Iterator[None]:
    """Have torch draw other random numbers on the CPU than it would, and the same as ever afterwards.

    Args:
        count: how many numbers are left out.
    """
    with torch.random.fork_rng(devices=()):
        torch.rand(count, device="cpu")
        yield


def elements(inputs: Mapping[str, Any]) -> int:
    """How many elements inputs have together."""
    return sum(value.numel() for value in inputs.values() if isinstance(value, torch.Tensor))


def _has_one_sign(value: Any) -> bool:
    if not isinstance(value, torch.Tensor) or not value.dtype.is_floating_point or not value.numel():
        return False
    return bool((value >= 0).all()) or bool((value <= 0).all())


def _varied(captured: Captured, item: Input, sizes: Mapping[str, int], mirrored: bool) -> Any:
    """The example of an input with its elements repeated up to the wanted sizes: they stay values the model takes.

    The copies of floats differ by their scale, and what is in order along an axis stays so: equal scores would have
    no order that two programs agree on, and lengths, offsets and distances along a ray must be sorted.
    """
    example = captured.example_inputs[item.name]
    shape = item.var.type.shape if isinstance(item.var.type, TensorType) else None
    if not isinstance(example, torch.Tensor) or shape is None:
        return example
    floating = example.dtype.is_floating_point
    scaled = floating and bool((example != example.round()).any())
    orders = [(axis, _order(example, axis)) for axis in range(example.dim())]
    for axis, dim in enumerate(shape):
        wanted = evaluate(dim, sizes)
        size = example.shape[axis]
        if wanted is not None and wanted != size and size:
            places = torch.arange(wanted, device=example.device)
            example = example.index_select(axis, places % size)
            if scaled:
                copies = (places // size).to(example.dtype).reshape([-1] + [1] * (example.dim() - axis - 1))
                example = example * (1 - (0.03 + 0.01 * axis) * copies / (1 + copies))
    if mirrored and floating and example.numel():
        example = _mirrored(example)
    for axis, order in orders:
        if order is not None:
            example = example.sort(dim=axis, descending=order).values
    return example


def _order(example: torch.Tensor, axis: int) -> bool | None:
    """Whether the elements along an axis descend; None where they are in no order, or there are too few to tell."""
    count = example.shape[axis]
    if count < (2 if example.dim() == 1 else 3) or example.dtype is torch.bool or example.is_complex():
        return None
    before, after = example.narrow(axis, 0, count - 1), example.narrow(axis, 1, count - 1)
    if bool((after >= before).all()):
        return False
    return True if bool((after <= before).all()) else None


def _mirrored(example: torch.Tensor) -> torch.Tensor:
    """Other floats in the example's own range, so that images stay images: large where it was small, none the largest.

    Where the example has both signs, they change.
    """
    low, high = example.min(), example.max()
    return -0.8 * example if bool(low < 0 < high) else low + 0.8 * (high - example)
