"""Views: the same elements under another shape or another order of axes."""

from __future__ import annotations

from collections.abc import Sequence

from onnxport_ir import Dim, DType, TensorType, Value
from onnxport_ir.dims import hint_of
from onnxport_ir.errors import NeedsStatic

from onnxport_symbolics.integers import product
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import flatten_all, reshape, transpose, unsqueeze


@aten("view", "_unsafe_view", "_reshape_alias", "view_copy")
def view(op: Op, self: Value, size: Sequence[Int], stride: Sequence[Int] | None = None) -> Value:
    """view(Tensor(a) self, SymInt[] size) -> Tensor(a); _reshape_alias(Tensor self, SymInt[] size, SymInt[] stride)"""
    return reshape(op, self, size)


@aten("view.dtype", "view_copy.dtype")
def view_dtype(op: Op, self: Value, dtype: DType) -> Value:
    """view.dtype(Tensor(a) self, ScalarType dtype) -> Tensor(a)"""
    own = op.dtype(self)
    if own is dtype:
        return self
    if own.bits != dtype.bits or DType.BOOL in (own, dtype):
        raise op.refuse(f"the bits of {own.short} read as {dtype.short}")
    return op.BitCast(self, to=dtype)


@aten("reshape")
def reshape_(op: Op, self: Value, shape: Sequence[Int]) -> Value:
    """reshape(Tensor(a) self, SymInt[] shape) -> Tensor(a)"""
    return reshape(op, self, shape)


@aten("view_as", "reshape_as")
def view_as(op: Op, self: Value, other: Value) -> Value:
    """view_as(Tensor(a) self, Tensor other) -> Tensor(a)"""
    if self.shape is not None and self.shape == other.shape:
        return self
    return reshape(op, self, op.dims(other))


@aten("flatten")
def flatten(op: Op, self: Value, start_dim: int = 0, end_dim: int = -1) -> Value:
    """flatten.using_ints(Tensor(a) self, int start_dim=0, int end_dim=-1) -> Tensor(a)"""
    rank = op.rank(self)
    if rank == 0:
        return reshape(op, self, [1])
    start, end = op.axis(self, start_dim), op.axis(self, end_dim)
    if start > end:
        raise op.refuse(f"flatten with start_dim={start_dim} behind end_dim={end_dim}")
    if start == end:
        return self
    if end == rank - 1 and start == 1 and op.dtype(self) in _FLATTENED:
        return op.Flatten(self, axis=1)
    sizes = op.dims(self)
    return reshape(op, self, [*sizes[:start], product(op, sizes[start : end + 1]), *sizes[end + 1 :]])


#: The types that Flatten has had from the start; Reshape has always taken all.
_FLATTENED = frozenset({DType.FLOAT16, DType.FLOAT32, DType.FLOAT64})


@aten("ravel")
def ravel(op: Op, self: Value) -> Value:
    """ravel(Tensor(a) self) -> Tensor(a)"""
    return flatten_all(op, self)


@aten("unflatten")
def unflatten(op: Op, self: Value, dim: int, sizes: Sequence[Int]) -> Value:
    """unflatten.int(Tensor(a) self, int dim, SymInt[] sizes) -> Tensor(a)"""
    axis = op.axis(self, dim)
    before = op.dims(self)
    return reshape(op, self, [*before[:axis], *sizes, *before[axis + 1 :]])


@aten("squeeze", "squeeze_copy")
def squeeze(op: Op, self: Value, dim: Sequence[int] | None = None) -> Value:
    """squeeze(Tensor(a) self); squeeze.dim(Tensor(a) self, int dim); squeeze.dims(Tensor(a) self, int[] dim)

    Whether an axis of dynamic size goes away depends on the input, and the rank of an ONNX value does not: the
    example decides (as it does for everything that a trace makes of the result), by the rank that it gave. Where such
    an axis is removed and has another size at run time, the run fails.
    """
    sizes = op.sizes(self)
    axes = range(len(sizes)) if dim is None else sorted({op.axis(self, axis) for axis in dim if sizes})
    removed = [axis for axis in axes if sizes[axis] == 1]
    open_axes = [axis for axis in axes if not isinstance(sizes[axis], int)]
    if open_axes:
        hint = "Name the axes of size 1: squeeze(dim), or index them with 0."
        if dim is not None:
            hint = "Where the size is 1, index the axis with 0: select(dim, 0). Where it may be another, branch on it."
        removed += _removed_in_example(op, self, open_axes, len(removed), hint)
    return op.Squeeze(self, sorted(removed)) if removed else self


def _removed_in_example(op: Op, x: Value, axes: Sequence[int], known: int, hint: str) -> list[int]:
    """Which of the ``axes`` of dynamic size the example has removed, beside ``known`` others."""
    expected = op.expected[0] if op.expected else None
    sizes = op.sizes(x)
    if isinstance(expected, TensorType) and expected.rank is not None:
        count = len(sizes) - expected.rank - known
        if count == 0:
            return []
        if count == len(axes):
            return list(axes)
        by_hint = [axis for axis in axes if hint_of(sizes[axis]) == 1]
        if len(by_hint) == count and all(hint_of(sizes[axis]) is not None for axis in axes):
            return by_hint
    raise NeedsStatic(
        f"squeeze of an axis of dynamic size ({', '.join(_name(sizes[axis]) for axis in axes)})",
        where=op.place,
        hint=hint,
    )


def _name(size: Dim) -> str:
    return str(size) if isinstance(size, int) or size.is_printable else "an unknown size"


@aten("unsqueeze", "unsqueeze_copy")
def unsqueeze_(op: Op, self: Value, dim: int) -> Value:
    """unsqueeze(Tensor(a) self, int dim) -> Tensor(a)"""
    return unsqueeze(op, self, [dim])


@aten("transpose", "transpose_copy", "swapdims")
def transpose_(op: Op, self: Value, dim0: int, dim1: int) -> Value:
    """transpose.int(Tensor(a) self, int dim0, int dim1) -> Tensor(a)"""
    return transpose(op, self, dim0, dim1)


@aten("swapaxes")
def swapaxes(op: Op, self: Value, axis0: int, axis1: int) -> Value:
    """swapaxes(Tensor(a) self, int axis0, int axis1) -> Tensor(a)"""
    return transpose(op, self, axis0, axis1)


@aten("t", "t_copy")
def t(op: Op, self: Value) -> Value:
    """t(Tensor(a) self) -> Tensor(a)"""
    return transpose(op, self, 0, 1) if op.rank(self) == 2 else self


@aten("numpy_T")
def numpy_t(op: Op, self: Value) -> Value:
    """numpy_T(Tensor(a) self) -> Tensor(a)"""
    return op.Transpose(self, perm=tuple(range(op.rank(self)))[::-1])


@aten("mT")
def matrix_t(op: Op, self: Value) -> Value:
    """mT(Tensor(a) self) -> Tensor(a)"""
    return transpose(op, self, -2, -1)


@aten("mH", "adjoint", "matrix_H")
def adjoint(op: Op, self: Value) -> Value:
    """adjoint(Tensor(a) self) -> Tensor(a)"""
    _require_real(op, self)
    return transpose(op, self, -2, -1) if op.rank(self) else self


@aten("permute", "permute_copy")
def permute(op: Op, self: Value, dims: Sequence[int]) -> Value:
    """permute(Tensor(a) self, int[] dims) -> Tensor(a)"""
    return op.Transpose(self, perm=[op.axis(self, dim) for dim in dims]) if dims else self


@aten("movedim", "moveaxis")
def movedim(op: Op, self: Value, source: Sequence[int], destination: Sequence[int]) -> Value:
    """movedim.intlist(Tensor(a) self, int[] source, int[] destination); movedim.int(Tensor(a) self, int, int)"""
    rank = op.rank(self)
    if rank == 0:
        return self
    moved = {op.axis(self, d): op.axis(self, s) for s, d in zip(source, destination, strict=True)}
    rest = iter([axis for axis in range(rank) if axis not in moved.values()])
    return op.Transpose(self, perm=[moved[axis] if axis in moved else next(rest) for axis in range(rank)])


@aten("pixel_shuffle")
def pixel_shuffle(op: Op, self: Value, upscale_factor: int) -> Value:
    """pixel_shuffle(Tensor self, int upscale_factor) -> Tensor; self: (..., C * r * r, H, W)"""
    r = upscale_factor
    if _is_image_of_known_channels(op, self):
        return op.DepthToSpace(self, blocksize=r, mode="CRD")
    *batch, channels, height, width = op.dims(self)
    channels = _divided(op, channels, r * r)
    x = reshape(op, self, [*batch, channels, r, r, height, width])
    n = len(batch)
    x = op.Transpose(x, perm=[*range(n + 1), n + 3, n + 1, n + 4, n + 2])
    return reshape(op, x, [*batch, channels, product(op, [height, r]), product(op, [width, r])])


@aten("pixel_unshuffle")
def pixel_unshuffle(op: Op, self: Value, downscale_factor: int) -> Value:
    """pixel_unshuffle(Tensor self, int downscale_factor) -> Tensor; self: (..., C, H * r, W * r)"""
    r = downscale_factor
    if _is_image_of_known_channels(op, self):
        return op.SpaceToDepth(self, blocksize=r, mode="CRD")
    *batch, channels, height, width = op.dims(self)
    height, width = _divided(op, height, r), _divided(op, width, r)
    x = reshape(op, self, [*batch, channels, height, r, width, r])
    n = len(batch)
    x = op.Transpose(x, perm=[*range(n + 1), n + 2, n + 4, n + 1, n + 3])
    return reshape(op, x, [*batch, product(op, [channels, r * r]), height, width])


@aten("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(op: Op, self: Value, groups: int) -> Value:
    """channel_shuffle(Tensor self, SymInt groups) -> Tensor; self: (N, C, ...)"""
    batch, channels, *rest = op.dims(self)
    x = reshape(op, self, [batch, groups, _divided(op, channels, groups), *rest])
    return reshape(op, transpose(op, x, 1, 2), [batch, channels, *rest])


def _is_image_of_known_channels(op: Op, x: Value) -> bool:
    """Whether ONNX Runtime has a kernel for blocks of a tensor, whose channels older opsets can reorder."""
    if op.rank(x) != 4 or op.dtype(x) not in (DType.FLOAT32, DType.FLOAT64):
        return False
    return isinstance(op.sizes(x)[1], int)


def _divided(op: Op, size: Int, divisor: int) -> Int:
    if not isinstance(size, int):
        return op.Div(size, divisor)
    if size % divisor:
        raise op.refuse(f"a size of {size} in {divisor} equal parts")
    return size // divisor


def _require_real(op: Op, x: Value) -> None:
    if op.dtype(x).is_complex:
        raise op.refuse("the conjugate of a complex tensor")
