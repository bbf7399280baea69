"""Pooling windows whose sizes depend on the input: those that are as large as the axis, which a reduction can do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from onnxport_ir import Value
from onnxport_ir.errors import NeedsStatic

from onnxport_symbolics.integers import settle
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.shaping import dim_of


@dataclass(frozen=True)
class Rest:
    """What is left of a pooling once the axes with such windows are reduced.

    Attributes:
        x: the input, whose reduced axes have size 1.
        kernel: the sizes of the window; 1 for the reduced axes.
        stride: its steps; 1 for the reduced axes.
    """

    x: Value
    kernel: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to pool."""
        return {*self.kernel, *self.stride} == {1}


def reduce_whole(
    op: Op,
    reduce: Callable[[Op, Value, Sequence[int], bool], Value],
    x: Value,
    kernel: Sequence[Int],
    stride: Sequence[Int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Rest:
    """Reduce the axes whose window is not known but is the whole axis, as in ``max_pool2d(x, x.shape[2:])``.

    Args:
        op: the builder.
        reduce: what the pooling does with a window: called with the builder, x, the axes, and that they are kept.
        x: (N, C, *) or (C, *).
        kernel: the sizes of the window, one for each spatial axis or one for all; so are the others.
        stride: its steps; none where they are the window's sizes.
        padding: what is added at both ends of each axis.
        dilation: the distance of a window's elements.

    Raises:
        NeedsStatic: if a window depends on the input and is not the whole axis.
    """
    spatial = max(len(kernel), len(stride), len(padding), len(dilation))
    sizes, pads, apart = _spread(kernel, spatial), _spread(padding, spatial), _spread(dilation, spatial)
    steps = _spread(stride, spatial) if stride else sizes
    axes = [index for index, size in enumerate(sizes) if not isinstance(settle(size), int)]
    dims = op.sizes(x) or ()
    for index in axes:
        place = index - spatial
        if pads[index] or apart[index] != 1 or len(dims) < spatial or dim_of(op, sizes[index]) != dims[place]:
            raise NeedsStatic(
                "the size of a pooling window depends on the input, and is not the size of the whole axis",
                where=op.place,
                hint="Make kernel_size a Python number in the model, or take the dynamic axis that it depends on away.",
            )
    if axes:
        x = reduce(op, x, [index - spatial for index in axes], True)
    return Rest(
        x,
        tuple(_number(op, size, index in axes) for index, size in enumerate(sizes)),
        tuple(_number(op, step, index in axes) for index, step in enumerate(steps)),
    )


def _spread(sizes: Sequence[Int], count: int) -> list[Int]:
    return list(sizes) * count if len(sizes) == 1 else list(sizes)


def _number(op: Op, size: Int, is_whole: bool) -> int:
    found = settle(size)
    if is_whole:
        return 1
    if isinstance(found, int):
        return found
    raise NeedsStatic(
        "the stride of a pooling depends on the input",
        where=op.place,
        hint="Make stride a Python number in the model, or take the dynamic axis that it depends on away.",
    )
