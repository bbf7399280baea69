"""Padding."""

from __future__ import annotations

from collections.abc import Sequence

from onnxport_ir import DType, Value

from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.promote import Scalar
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import pad_axes, slice_axis

Pads = Sequence[int | Value]
_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@aten("constant_pad_nd")
def constant_pad_nd(op: Op, self: Value, pad: Sequence[int | Value], value: Scalar = 0) -> Value:
    """constant_pad_nd(Tensor self, SymInt[] pad, Scalar value=0) -> Tensor

    pad: a pair (before, after) for each of the last axes, the last one first; negative numbers cut off.
    """
    return _pad(op, self, pad, "constant", value)


@aten("pad")
def pad(op: Op, self: Value, pad: Sequence[int | Value], mode: str = "constant", value: float | None = None) -> Value:
    """pad(Tensor self, SymInt[] pad, str mode="constant", float? value=None) -> Tensor"""
    if mode not in _MODES:
        raise op.refuse(f"pad with mode={mode!r}")
    return _pad(op, self, pad, _MODES[mode], 0 if value is None else value)


def _register(onnx_mode: str, *names: str) -> None:
    @aten(*names)
    def pad_mode(
        op: Op, self: Value, padding: Sequence[int | Value] | None = None, pad: Sequence[int | Value] | None = None
    ) -> Value:
        """reflection_pad2d(Tensor self, SymInt[4] padding) -> Tensor; _pad_circular(Tensor self, SymInt[] pad)"""
        pads = padding if padding is not None else pad
        if pads is None:
            raise op.refuse("a padding without its sizes")
        return _pad(op, self, pads, onnx_mode, 0)


_register("reflect", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d")
_register("edge", "replication_pad1d", "replication_pad2d", "replication_pad3d")
_register("wrap", "_pad_circular")


def _pad(op: Op, x: Value, pads: Pads, mode: str, value: Scalar) -> Value:
    rank = op.rank(x)
    count = len(pads) // 2
    if len(pads) % 2 or count > rank:
        raise op.refuse(f"a padding of {len(pads)} sizes for a tensor of rank {rank}")
    # From the first axis to the last.
    sizes = [(rank - 1 - i, pads[2 * i], pads[2 * i + 1]) for i in reversed(range(count))]
    if mode == "wrap" and 0 in op.sizes(x):
        # A tensor without elements has none afterwards either, which runtimes do not all see.
        mode = "constant"
    if mode in ("reflect", "edge"):
        # What is mirrored or repeated may be what is cut off at the other end.
        return _cut(op, _grown(op, x, sizes, mode, value), sizes)
    return _grown(op, _cut(op, x, sizes), sizes, mode, value)


def _grown(op: Op, x: Value, sizes: Sequence[tuple[int, Int, Int]], mode: str, value: Scalar) -> Value:
    """Apply the sizes that are not negative."""
    kept = [(axis, _floored(start), _floored(end)) for axis, start, end in sizes]
    kept = [(axis, start, end) for axis, start, end in kept if start != 0 or end != 0]
    if not kept:
        return x
    axes, before, after = zip(*kept, strict=True)
    dtype = op.dtype(x)
    # Numbers other than 0 and False are padded with in the tensor's own type.
    fill = op.const(bool(value) if dtype is DType.BOOL else value, dtype) if mode == "constant" and value else None
    return pad_axes(op, x, axes, before, after, fill, mode)


def _floored(size: Int) -> Int:
    return max(size, 0) if isinstance(size, int) else size


def _cut(op: Op, x: Value, sizes: Sequence[tuple[int, Int, Int]]) -> Value:
    """Apply the negative sizes, which runtimes do not all take."""
    for axis, start, end in sizes:
        first = -start if isinstance(start, int) and start < 0 else 0
        last = end if isinstance(end, int) and end < 0 else None
        if first or last is not None:
            x = slice_axis(op, x, axis, first, last)
    return x
