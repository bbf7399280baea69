"""What a model asks about its tensors: sizes, element types, whether they are alike."""

from __future__ import annotations

from onnxport_ir import Device, DType, Value

from onnxport_symbolics.aten.joining import expand_like
from onnxport_symbolics.aten.scalar_math import common
from onnxport_symbolics.aten.scalars import numel, size
from onnxport_symbolics.aten.sequence import elements
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten, prim


@aten("sym_size")
def sym_size(op: Op, self: Value, dim: int | None = None) -> object:
    """sym_size.int(Tensor self, int dim) -> SymInt; sym_size(Tensor self) -> SymInt[]"""
    return size(op, self, dim)


@aten("sym_numel")
def sym_numel(op: Op, self: Value) -> Int:
    """sym_numel(Tensor self) -> SymInt"""
    return numel(op, self)


@aten("is_floating_point")
def is_floating_point(op: Op, self: Value) -> bool:
    """is_floating_point(Tensor self) -> bool"""
    return op.dtype(self).is_float


@aten("is_complex")
def is_complex(op: Op, self: Value) -> bool:
    """is_complex(Tensor self) -> bool"""
    return op.dtype(self).is_complex


@aten("is_signed")
def is_signed(op: Op, self: Value) -> bool:
    """is_signed(Tensor self) -> bool"""
    return op.dtype(self).is_signed


@aten("is_same_size")
def is_same_size(op: Op, self: Value, other: Value) -> bool | Value:
    """is_same_size(Tensor self, Tensor other) -> bool"""
    ours, theirs = op.sizes(self), op.sizes(other)
    if len(ours) != len(theirs):
        return False
    if ours == theirs:
        return True
    if all(isinstance(dim, int) for dim in (*ours, *theirs)):
        return False
    equal = op.cast(op.Equal(op.shape(self), op.shape(other)), DType.INT64)
    return op.Equal(op.ReduceSum(equal, [0], keepdims=0), len(ours))


@aten("_shape_as_tensor")
def shape_as_tensor(op: Op, self: Value) -> Value:
    """_shape_as_tensor(Tensor self) -> Tensor"""
    return op.shape(self)


@aten("_reshape_from_tensor")
def reshape_from_tensor(op: Op, self: Value, shape: Value) -> Value:
    """_reshape_from_tensor(Tensor self, Tensor shape) -> Tensor"""
    return op.Reshape(self, op.cast(shape, DType.INT64))


@prim("data")
def data(op: Op, a: Value) -> Value:
    """prim::data(Tensor(a) a) -> Tensor(a)"""
    return a


@prim("dtype")
def dtype(op: Op, a: Value) -> DType:
    """prim::dtype(Tensor a) -> int"""
    return op.dtype(a)


@prim("device")
def device(op: Op, a: Value) -> Device:
    """prim::device(Tensor a) -> Device"""
    return Device("cpu")


@aten("copy")
def copy(op: Op, self: Value, src: Value) -> Value:
    """copy(Tensor self, Tensor src, bool non_blocking=False) -> Tensor"""
    return expand_like(op, op.cast(src, op.dtype(self)), self)


@prim("layout")
def layout(op: Op, a: Value) -> int:
    """prim::layout(Tensor a) -> Layout; torch.strided, which is a number in scripts"""
    return 0


@prim("type")
def device_type(op: Op, self: Device) -> str:
    """prim::type(Device self) -> str"""
    return self.name.partition(":")[0]


@prim("is_cuda", "is_sparse", "is_quantized", "is_mkldnn", "is_meta", "is_nested", "requires_grad")
def is_other(op: Op, a: Value) -> bool:
    """prim::is_cuda(Tensor a) -> bool; prim::requires_grad(Tensor a) -> bool"""
    return False


@aten("is_pinned")
def is_pinned(op: Op, self: Value) -> bool:
    """is_pinned(Tensor self, Device? device=None) -> bool"""
    return False


@prim("tolist")
def tolist(op: Op, arg0: Value, arg1: int, arg2: int) -> object:
    """prim::tolist(Tensor self, int dim, int elem_ty) -> t[]; the numbers of a tensor as those of the language"""
    kind = op.dtype(arg0)
    wide = kind if kind is DType.BOOL else DType.FLOAT64 if kind.is_float else DType.INT64
    return _nested(op, op.cast(arg0, wide))


def _nested(op: Op, x: Value) -> object:
    """A vector is a list of numbers; of more axes, all but the last are taken apart."""
    if op.rank(x) <= 1:
        return x
    size = op.sizes(x)[0]
    if not isinstance(size, int):
        raise op.refuse("a list of lists whose length depends on the input", "Make the axis static.")
    return tuple(_nested(op, op.Gather(x, op.const(index))) for index in range(size))


@aten("__contains__.int_list", "__contains__.float_list", "__contains__.str_list")
def contains(op: Op, l: object, item: object) -> bool | Value:  # noqa: E741 - ATen's name
    """__contains__.int_list(int[] l, int item) -> bool; .float_list; .str_list"""
    wanted = _plain(item)
    if isinstance(l, Value) and l.rank == 1 and isinstance(wanted, int | float | Value):
        return op.Greater(op.ReduceSum(op.cast(op.Equal(*common(op, l, wanted)), DType.INT64), keepdims=0), 0)
    unknown: Value | None = None
    for found in map(_plain, elements(op, l)):
        if not isinstance(found, Value) and not isinstance(wanted, Value):
            if found == wanted:
                return True
        elif isinstance(found, str) or isinstance(wanted, str):
            raise op.refuse("a search for a text that depends on the input")
        else:
            same = op.Equal(*common(op, found, wanted))  # type: ignore[arg-type]  # numbers, by the schema
            unknown = same if unknown is None else op.Or(unknown, same)
    return False if unknown is None else unknown


def _plain(item: object) -> object:
    """An element type as the number that the script language has for it."""
    return item.torch_number if isinstance(item, DType) else item
