"""Complex tensors made, taken apart, and under another shape; the parts are a last axis that no shape touches."""

from __future__ import annotations

from collections.abc import Sequence

from onnxport_ir import DType, Value

from onnxport_symbolics import complex_values as cv
from onnxport_symbolics.aten import diagonal, index, joining, scatter, shape, slicing
from onnxport_symbolics.aten.scalars import numel
from onnxport_symbolics.complex_values import ComplexValue
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.promote import expected_dtype, promote
from onnxport_symbolics.registry import aten, aten_complex
from onnxport_symbolics.shaping import broadcast_shape, expand_to, full, reshape

#: A tensor of either kind, or a number.
AnyOperand = ComplexValue | Value | complex


def expected(op: Op) -> DType:
    """The complex type of the result, as the capture knows it; complex64 if it does not."""
    dtype = expected_dtype(op)
    return dtype if dtype is not None and dtype.is_complex else DType.COMPLEX64


@aten("complex")
def complex_(op: Op, real: Value, imag: Value) -> ComplexValue:
    """complex(Tensor real, Tensor imag) -> Tensor"""
    left, right = promote(op, real, imag)
    dims = broadcast_shape(op, left, right)
    return ComplexValue(parts=(expand_to(op, left, dims), expand_to(op, right, dims)))


@aten("polar")
def polar(op: Op, abs: Value, angle: Value) -> ComplexValue:
    """polar(Tensor abs, Tensor angle) -> Tensor"""
    return ComplexValue(parts=(op.Mul(abs, op.Cos(angle)), op.Mul(abs, op.Sin(angle))))


@aten("view_as_complex", "view_as_complex_copy")
def view_as_complex(op: Op, self: Value) -> ComplexValue:
    """view_as_complex(Tensor(a) self) -> Tensor(a); self: (..., 2)"""
    return ComplexValue(self)


@aten("view_as_real", "view_as_real_copy", "_view_as_real_physical")
def view_as_real(op: Op, self: ComplexValue) -> Value:
    """view_as_real(Tensor(a) self) -> Tensor(a); result: (..., 2)"""
    return cv.pair(op, self)


@aten_complex("real")
def real(op: Op, self: ComplexValue) -> Value:
    """real(Tensor(a) self) -> Tensor(a)"""
    return cv.parts(op, self)[0]


@aten("imag")
def imag(op: Op, self: ComplexValue) -> Value:
    """imag(Tensor(a) self) -> Tensor(a); of complex tensors"""
    return cv.parts(op, self)[1]


@aten_complex("conj", "conj_physical", "_conj", "_conj_physical")
def conj(op: Op, self: ComplexValue) -> ComplexValue:
    """conj(Tensor(a) self) -> Tensor(a)"""
    a, b = cv.parts(op, self)
    return ComplexValue(parts=(a, op.Neg(b)))


@aten_complex("to", "_to_copy", "type_as", "cfloat", "cdouble", "copy", "scalar_tensor")
def to(
    op: Op,
    self: ComplexValue | Value | complex = 0,
    dtype: DType | None = None,
    other: object = None,
    src: ComplexValue | Value | complex | None = None,
    s: ComplexValue | Value | complex | None = None,
) -> ComplexValue | Value:
    """to.dtype(Tensor(a) self, ScalarType dtype, ...); to.other(Tensor self, Tensor other); copy(Tensor self, src)"""
    source = src if src is not None else s if s is not None else self
    target = expected_dtype(op) or dtype
    if target is None:
        raise op.refuse("a conversion of complex numbers to a type that is not known")
    if target.is_complex:
        result = cv.as_complex(op, source, target)
        if src is not None and isinstance(self, ComplexValue):
            return ComplexValue(joining.expand_like(op, cv.pair(op, result), cv.pair(op, self)))
        return result
    first = cv.parts(op, source)[0] if isinstance(source, ComplexValue) else source
    if not isinstance(first, Value):
        raise op.refuse("a complex number as a tensor")
    if src is not None and isinstance(self, Value):
        return joining.expand_like(op, op.cast(first, target), self)
    return op.cast(first, target)


@aten_complex("detach", "detach_copy", "alias", "alias_copy", "clone", "contiguous", "data", "cpu", "cuda", "positive")
@aten_complex("lift", "lift_fresh", "lift_fresh_copy", "resolve_conj", "resolve_neg")
def identity(op: Op, self: ComplexValue) -> ComplexValue:
    """clone(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor"""
    return self


@aten_complex("is_complex")
def is_complex(op: Op, self: ComplexValue) -> bool:
    """is_complex(Tensor self) -> bool"""
    return True


@aten_complex("is_floating_point")
def is_floating_point(op: Op, self: ComplexValue) -> bool:
    """is_floating_point(Tensor self) -> bool"""
    return False


@aten_complex("size", "sym_size")
def size(op: Op, self: ComplexValue, dim: int | None = None) -> Int | Sequence[Int]:
    """size.int(Tensor self, int dim) -> int; size(Tensor self) -> int[]"""
    return tuple(dims_of(op, self)) if dim is None else dims_of(op, self)[cv.axis(op, self, dim)]


@aten_complex("dim")
def dim_(op: Op, self: ComplexValue) -> int:
    """dim(Tensor self) -> int"""
    return cv.rank(op, self)


@aten_complex("numel")
def numel_(op: Op, self: ComplexValue) -> Int:
    """numel(Tensor self) -> int"""
    return numel(op, cv.parts(op, self)[0])


def dims_of(op: Op, z: ComplexValue | Value) -> list[Int]:
    """The sizes, without the axis of the parts."""
    if isinstance(z, Value):
        return op.dims(z)
    value = z.whole if z.whole is not None else cv.parts(op, z)[0]
    return [op.dim(value, axis) for axis in range(cv.rank(op, z))]


@aten_complex("zeros", "empty", "new_zeros", "new_empty")
def zeros(op: Op, size: Sequence[Int], dtype: DType | None = None, self: object = None) -> ComplexValue:
    """zeros(SymInt[] size, *, ScalarType? dtype=None) -> Tensor; new_zeros(Tensor self, SymInt[] size, ...)"""
    return _filled(op, size, 0)


@aten_complex("ones", "new_ones")
def ones(op: Op, size: Sequence[Int], dtype: DType | None = None, self: object = None) -> ComplexValue:
    """ones(SymInt[] size, *, ScalarType? dtype=None) -> Tensor; new_ones(Tensor self, SymInt[] size, ...)"""
    return _filled(op, size, 1)


@aten_complex("full", "new_full")
def full_(
    op: Op,
    size: Sequence[Int],
    fill_value: ComplexValue | Value | complex,
    dtype: DType | None = None,
    self: object = None,
) -> ComplexValue:
    """full(SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None) -> Tensor; new_full(Tensor self, ...)"""
    return _filled(op, size, fill_value)


@aten_complex("zeros_like", "empty_like", "zero")
def zeros_like(op: Op, self: ComplexValue | Value, dtype: DType | None = None) -> ComplexValue:
    """zeros_like(Tensor self, *, ScalarType? dtype=None) -> Tensor"""
    return _filled(op, dims_of(op, self), 0)


@aten_complex("ones_like")
def ones_like(op: Op, self: ComplexValue | Value, dtype: DType | None = None) -> ComplexValue:
    """ones_like(Tensor self, *, ScalarType? dtype=None) -> Tensor"""
    return _filled(op, dims_of(op, self), 1)


@aten_complex("full_like")
def full_like(
    op: Op, self: ComplexValue | Value, fill_value: ComplexValue | Value | complex, dtype: DType | None = None
) -> ComplexValue:
    """full_like(Tensor self, Scalar fill_value, *, ScalarType? dtype=None) -> Tensor"""
    return _filled(op, dims_of(op, self), fill_value)


@aten_complex("fill")
def fill(op: Op, self: ComplexValue, value: ComplexValue | Value | complex) -> ComplexValue:
    """fill.Scalar(Tensor self, Scalar value) -> Tensor; fill.Tensor(Tensor self, Tensor value) -> Tensor"""
    return _filled(op, dims_of(op, self), value)


def _filled(op: Op, dims: Sequence[Int], number: ComplexValue | Value | complex) -> ComplexValue:
    target = expected(op)
    if isinstance(number, ComplexValue | Value):
        return ComplexValue(expand_to(op, cv.pair(op, cv.as_complex(op, number, target)), [*dims, 2]))
    kind = cv.part_dtype(target)
    number = complex(number)
    return ComplexValue(parts=(full(op, dims, number.real, kind), full(op, dims, number.imag, kind)))


@aten_complex("view", "_unsafe_view", "view_copy", "_reshape_alias", "reshape")
def view(
    op: Op,
    self: ComplexValue,
    size: Sequence[Int] | None = None,
    stride: Sequence[Int] | None = None,
    shape: Sequence[Int] | None = None,
) -> ComplexValue:
    """view(Tensor(a) self, SymInt[] size) -> Tensor(a); reshape(Tensor(a) self, SymInt[] shape) -> Tensor(a)"""
    return ComplexValue(reshape(op, cv.pair(op, self), [*((size if shape is None else shape) or ()), 2]))


@aten_complex("view_as", "reshape_as")
def view_as(op: Op, self: ComplexValue, other: ComplexValue | Value) -> ComplexValue:
    """view_as(Tensor(a) self, Tensor other) -> Tensor(a)"""
    return view(op, self, dims_of(op, other))


@aten_complex("flatten")
def flatten(op: Op, self: ComplexValue, start_dim: int = 0, end_dim: int = -1) -> ComplexValue:
    """flatten.using_ints(Tensor(a) self, int start_dim=0, int end_dim=-1) -> Tensor(a)"""
    if cv.rank(op, self) == 0:
        return view(op, self, [1])
    start, end = cv.axis(op, self, start_dim), cv.axis(op, self, end_dim)
    return ComplexValue(shape.flatten(op, cv.pair(op, self), start, end))


@aten_complex("unflatten")
def unflatten(op: Op, self: ComplexValue, dim: int, sizes: Sequence[Int]) -> ComplexValue:
    """unflatten.int(Tensor(a) self, int dim, SymInt[] sizes) -> Tensor(a)"""
    return ComplexValue(shape.unflatten(op, cv.pair(op, self), cv.axis(op, self, dim), sizes))


@aten_complex("squeeze", "squeeze_copy")
def squeeze(op: Op, self: ComplexValue, dim: Sequence[int] | None = None) -> ComplexValue:
    """squeeze(Tensor(a) self); squeeze.dim(Tensor(a) self, int dim); squeeze.dims(Tensor(a) self, int[] dim)"""
    if cv.rank(op, self) == 0:
        return self
    # Without axes, those of size 1 go, and that of the parts has size 2.
    axes = None if dim is None else [cv.axis(op, self, item) for item in dim]
    return ComplexValue(shape.squeeze(op, cv.pair(op, self), axes))


@aten_complex("unsqueeze", "unsqueeze_copy")
def unsqueeze(op: Op, self: ComplexValue, dim: int) -> ComplexValue:
    """unsqueeze(Tensor(a) self, int dim) -> Tensor(a)"""
    return ComplexValue(op.Unsqueeze(cv.pair(op, self), [dim % (cv.rank(op, self) + 1)]))


@aten_complex("transpose", "transpose_copy", "swapdims")
def transpose(op: Op, self: ComplexValue, dim0: int, dim1: int) -> ComplexValue:
    """transpose.int(Tensor(a) self, int dim0, int dim1) -> Tensor(a)"""
    if cv.rank(op, self) == 0:
        return self
    return ComplexValue(shape.transpose_(op, cv.pair(op, self), cv.axis(op, self, dim0), cv.axis(op, self, dim1)))


@aten_complex("t", "t_copy", "mT")
def transposed(op: Op, self: ComplexValue) -> ComplexValue:
    """t(Tensor(a) self) -> Tensor(a); mT(Tensor(a) self) -> Tensor(a)"""
    return self if cv.rank(op, self) < 2 else transpose(op, self, -1, -2)


@aten_complex("permute", "permute_copy")
def permute(op: Op, self: ComplexValue, dims: Sequence[int]) -> ComplexValue:
    """permute(Tensor(a) self, int[] dims) -> Tensor(a)"""
    order = [cv.axis(op, self, dim) for dim in dims]
    return ComplexValue(op.Transpose(cv.pair(op, self), perm=[*order, len(order)]))


@aten_complex("movedim", "moveaxis")
def movedim(op: Op, self: ComplexValue, source: Sequence[int], destination: Sequence[int]) -> ComplexValue:
    """movedim.intlist(Tensor(a) self, int[] source, int[] destination) -> Tensor(a)"""
    places = [[cv.axis(op, self, dim) for dim in dims] for dims in (source, destination)]
    return ComplexValue(shape.movedim(op, cv.pair(op, self), *places))


@aten_complex("slice.Tensor", "slice_copy.Tensor")
def slice_(op: Op, self: ComplexValue, dim: int, start: Int | None, end: Int | None, step: int) -> ComplexValue:
    """slice.Tensor(Tensor(a) self, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> Tensor(a)"""
    return ComplexValue(slicing.slice_(op, cv.pair(op, self), cv.axis(op, self, dim), start, end, step))


@aten_complex("select.int", "select_copy.int")
def select(op: Op, self: ComplexValue, dim: int, index: Int) -> ComplexValue:
    """select.int(Tensor(a) self, int dim, SymInt index) -> Tensor(a)"""
    return ComplexValue(slicing.select(op, cv.pair(op, self), cv.axis(op, self, dim), index))


@aten_complex("narrow", "narrow_copy")
def narrow(op: Op, self: ComplexValue, dim: int, start: Int, length: Int) -> ComplexValue:
    """narrow(Tensor(a) self, int dim, SymInt start, SymInt length) -> Tensor(a)"""
    return ComplexValue(slicing.narrow(op, cv.pair(op, self), cv.axis(op, self, dim), start, length))


@aten_complex("split.Tensor", "unsafe_split.Tensor")
def split(op: Op, self: ComplexValue, split_size: Int, dim: int) -> list[ComplexValue]:
    """split.Tensor(Tensor(a -> *) self, SymInt split_size, int dim=0) -> Tensor(a)[]"""
    found = slicing.split(op, cv.pair(op, self), split_size, cv.axis(op, self, dim))
    if isinstance(found, Value):
        raise op.refuse("a split of complex numbers into a number of parts that depends on the input")
    return [ComplexValue(item) for item in found]


@aten_complex("split_with_sizes", "unsafe_split_with_sizes")
def split_with_sizes(op: Op, self: ComplexValue, split_sizes: Sequence[Int], dim: int) -> list[ComplexValue]:
    """split_with_sizes(Tensor(a -> *) self, SymInt[] split_sizes, int dim=0) -> Tensor(a)[]"""
    found = slicing.split_with_sizes(op, cv.pair(op, self), split_sizes, cv.axis(op, self, dim))
    return [ComplexValue(item) for item in found]


@aten_complex("chunk", "unsafe_chunk")
def chunk(op: Op, self: ComplexValue, chunks: int, dim: int) -> list[ComplexValue]:
    """chunk(Tensor(a -> *) self, int chunks, int dim=0) -> Tensor(a)[]"""
    found = slicing.chunk(op, cv.pair(op, self), chunks, cv.axis(op, self, dim))
    if isinstance(found, Value):
        raise op.refuse("chunks of complex numbers along an axis whose size depends on the input")
    return [ComplexValue(item) for item in found]


@aten_complex("unbind")
def unbind(op: Op, self: ComplexValue, dim: int) -> list[ComplexValue]:
    """unbind.int(Tensor(a -> *) self, int dim=0) -> Tensor(a)[]"""
    found = slicing.unbind(op, cv.pair(op, self), cv.axis(op, self, dim))
    if isinstance(found, Value):
        raise op.refuse("complex numbers unbound along an axis whose size depends on the input")
    return [ComplexValue(item) for item in found]


@aten_complex("flip")
def flip(op: Op, self: ComplexValue, dims: Sequence[int]) -> ComplexValue:
    """flip(Tensor self, int[] dims) -> Tensor"""
    return ComplexValue(slicing.flip(op, cv.pair(op, self), [cv.axis(op, self, dim) for dim in dims]))


@aten_complex("roll")
def roll(op: Op, self: ComplexValue, shifts: Sequence[Int], dims: Sequence[int]) -> ComplexValue:
    """roll(Tensor self, SymInt[1] shifts, int[1] dims=[]) -> Tensor"""
    if dims:
        return ComplexValue(slicing.roll(op, cv.pair(op, self), shifts, [cv.axis(op, self, dim) for dim in dims]))
    flat = reshape(op, cv.pair(op, self), [-1, 2])
    return ComplexValue(reshape(op, slicing.roll(op, flat, shifts, [0]), [*dims_of(op, self), 2]))


@aten_complex("fft_fftshift")
def fft_shift(op: Op, self: ComplexValue, dim: Sequence[int] | None) -> ComplexValue:
    """fft_fftshift(Tensor self, int[1]? dim=None) -> Tensor"""
    return ComplexValue(slicing.fft_shift(op, cv.pair(op, self), _shifted_axes(op, self, dim)))


@aten_complex("fft_ifftshift")
def fft_shift_back(op: Op, self: ComplexValue, dim: Sequence[int] | None) -> ComplexValue:
    """fft_ifftshift(Tensor self, int[1]? dim=None) -> Tensor"""
    return ComplexValue(slicing.fft_shift_back(op, cv.pair(op, self), _shifted_axes(op, self, dim)))


def _shifted_axes(op: Op, z: ComplexValue, dim: Sequence[int] | None) -> list[int]:
    return list(range(cv.rank(op, z))) if dim is None else [cv.axis(op, z, item) for item in dim]


@aten_complex("cat", "concat", "concatenate")
def cat(op: Op, tensors: Sequence[ComplexValue | Value | complex], dim: int) -> ComplexValue:
    """cat(Tensor[] tensors, int dim=0) -> Tensor"""
    items = [cv.as_complex(op, item, expected(op)) for item in tensors]
    # An empty tensor of rank 1 fits any others.
    kept = [item for item in items if item.shape != (0,)] or items[:1]
    axis = cv.axis(op, kept[0], dim)
    return ComplexValue(op.Concat(*(cv.pair(op, item) for item in kept), axis=axis))


@aten_complex("stack")
def stack(op: Op, tensors: Sequence[ComplexValue | Value | complex], dim: int) -> ComplexValue:
    """stack(Tensor[] tensors, int dim=0) -> Tensor"""
    items = [cv.as_complex(op, item, expected(op)) for item in tensors]
    axis = dim % (cv.rank(op, items[0]) + 1)
    return ComplexValue(op.Concat(*(op.Unsqueeze(cv.pair(op, item), [axis]) for item in items), axis=axis))


@aten_complex("expand", "expand_copy", "broadcast_to")
def expand(op: Op, self: ComplexValue, size: Sequence[Int]) -> ComplexValue:
    """expand(Tensor(a) self, SymInt[] size, *, bool implicit=False) -> Tensor(a)"""
    added = len(size) - cv.rank(op, self)
    whole = reshape(op, cv.pair(op, self), [*([1] * added), *dims_of(op, self), 2]) if added else cv.pair(op, self)
    return ComplexValue(expand_to(op, whole, [*size, 2]))


@aten_complex("expand_as")
def expand_as(op: Op, self: ComplexValue, other: ComplexValue | Value) -> ComplexValue:
    """expand_as(Tensor(a) self, Tensor other) -> Tensor(a)"""
    return expand(op, self, dims_of(op, other))


@aten_complex("repeat")
def repeat(op: Op, self: ComplexValue, repeats: Sequence[Int]) -> ComplexValue:
    """repeat(Tensor self, SymInt[] repeats) -> Tensor"""
    added = len(repeats) - cv.rank(op, self)
    whole = reshape(op, cv.pair(op, self), [*([1] * added), *dims_of(op, self), 2]) if added else cv.pair(op, self)
    return ComplexValue(joining.repeat(op, whole, [*repeats, 1]))


@aten_complex("constant_pad_nd", "pad")
def constant_pad_nd(
    op: Op, self: ComplexValue, pad: Sequence[Int], value: float | None = 0, mode: str = "constant"
) -> ComplexValue:
    """constant_pad_nd(Tensor self, SymInt[] pad, Scalar value=0) -> Tensor"""
    if mode != "constant" or value:
        raise op.refuse(f"a padding of complex numbers with mode={mode!r} and value={value}")
    rank = cv.rank(op, self)
    before, after = [list(reversed(pad[side::2])) for side in (0, 1)]
    rest: list[Int] = [0] * (rank - len(before))
    return ComplexValue(op.Pad(cv.pair(op, self), op.ints([*rest, *before, 0, *rest, *after, 0])))


@aten_complex("index", "_unsafe_index")
def index_(op: Op, self: ComplexValue, indices: Sequence[Value | None]) -> ComplexValue:
    """index.Tensor(Tensor self, Tensor?[] indices) -> Tensor"""
    return ComplexValue(index.index(op, cv.pair(op, self), indices))


@aten_complex("index_select")
def index_select(op: Op, self: ComplexValue, dim: int, index: Value) -> ComplexValue:
    """index_select(Tensor self, int dim, Tensor index) -> Tensor"""
    return ComplexValue(op.Gather(cv.pair(op, self), index, axis=cv.axis(op, self, dim)))


@aten_complex("slice_scatter")
def slice_scatter(
    op: Op, self: ComplexValue, src: ComplexValue | Value, dim: int, start: Int | None, end: Int | None, step: int
) -> ComplexValue:
    """slice_scatter(Tensor self, Tensor src, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1)"""
    part = cv.pair(op, cv.as_complex(op, src, expected(op)))
    axis = cv.axis(op, self, dim)
    return ComplexValue(diagonal.slice_scatter(op, cv.pair(op, self), part, axis, start, end, step))


@aten_complex("select_scatter")
def select_scatter(op: Op, self: ComplexValue, src: ComplexValue | Value, dim: int, index: Int) -> ComplexValue:
    """select_scatter(Tensor self, Tensor src, int dim, SymInt index) -> Tensor"""
    part = cv.pair(op, cv.as_complex(op, src, expected(op)))
    return ComplexValue(diagonal.select_scatter(op, cv.pair(op, self), part, cv.axis(op, self, dim), index))


@aten_complex("index_put", "_index_put_impl", "_unsafe_index_put")
def index_put(
    op: Op,
    self: ComplexValue,
    indices: Sequence[Value | None],
    values: ComplexValue | Value,
    accumulate: bool,
    unsafe: bool = False,
) -> ComplexValue:
    """index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor"""
    part = cv.pair(op, cv.as_complex(op, values, expected(op)))
    return ComplexValue(scatter.index_put(op, cv.pair(op, self), indices, part, accumulate, unsafe))
