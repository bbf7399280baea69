"""torch's ``prims``: what its own decompositions end in. They promote nothing, their operands have one type already."""

from __future__ import annotations

from collections.abc import Sequence

from onnxport_ir import DType, Value

from onnxport_symbolics.aten import arithmetic, comparison, elementwise, reduce  # noqa: F401 - elementwise registers
from onnxport_symbolics.aten.casts import convert
from onnxport_symbolics.aten.statistics import var as variance
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.promote import TensorOrNumber
from onnxport_symbolics.registry import BUILTIN, prims
from onnxport_symbolics.shaping import expand_to, reshape

#: Operators with the arguments and the meaning of those of the same name in ``aten``.
_AS_ATEN = (
    *("abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "erf", "exp", "expm1", "floor"),
    *("log", "log1p", "log2", "log10", "neg", "reciprocal", "round", "rsqrt", "sign", "signbit", "sin", "sinh", "sqrt"),
    *("tan", "tanh", "trunc"),
)
_HANDLERS = {str(handler.name): handler.function for handler in BUILTIN}
for _name in _AS_ATEN:
    prims(_name)(_HANDLERS[f"aten::{_name}"])

for _name, _function in {
    "add": arithmetic.add,
    "sub": arithmetic.sub,
    "mul": arithmetic.mul,
    "remainder": arithmetic.remainder,
    "fmod": arithmetic.fmod,
    "atan2": arithmetic.atan2,
    "maximum": comparison.maximum,
    "minimum": comparison.minimum,
    "eq": comparison.eq,
    "ne": comparison.ne,
    "lt": comparison.lt,
    "le": comparison.le,
    "gt": comparison.gt,
    "ge": comparison.ge,
}.items():
    prims(_name)(_function)


@prims("pow")
def pow_(op: Op, self: TensorOrNumber, other: TensorOrNumber) -> Value:
    """pow(Tensor self, Tensor other) -> Tensor"""
    return arithmetic.pow_(op, self, other)


@prims("div")
def div(op: Op, self: TensorOrNumber, other: TensorOrNumber) -> Value:
    """div(Tensor self, Tensor other) -> Tensor; integers are divided towards 0"""
    is_float = any(isinstance(x, float) or (isinstance(x, Value) and op.dtype(x).is_float) for x in (self, other))
    return arithmetic.div(op, self, other, None if is_float else "trunc")


@prims("where")
def where(op: Op, pred: Value, a: TensorOrNumber, b: TensorOrNumber) -> Value:
    """where(Tensor pred, Tensor a, Tensor b) -> Tensor"""
    return comparison.where(op, pred, a, b)


@prims("convert_element_type")
def convert_element_type(op: Op, a: Value, dtype: DType) -> Value:
    """convert_element_type(Tensor a, ScalarType dtype) -> Tensor"""
    return convert(op, a, dtype)


@prims("device_put", "view_of", "clone")
def same(op: Op, a: Value | None = None, self: Value | None = None) -> Value:
    """device_put(Tensor a, Device device, bool non_blocking=False) -> Tensor; view_of; clone"""
    given = self if a is None else a
    if given is None:
        raise op.refuse("a call without a tensor")
    return given


@prims("broadcast_in_dim")
def broadcast_in_dim(op: Op, a: Value, shape: Sequence[Int], broadcast_dimensions: Sequence[int]) -> Value:
    """broadcast_in_dim(Tensor(a) a, SymInt[] shape, int[] broadcast_dimensions) -> Tensor(a)

    ``broadcast_dimensions`` says which axis of the result each axis of ``a`` becomes, in order.
    """
    added = [axis for axis in range(len(shape)) if axis not in broadcast_dimensions]
    return expand_to(op, op.Unsqueeze(a, added) if added else a, shape)


@prims("reshape", "view")
def reshape_(op: Op, a: Value, shape: Sequence[Int]) -> Value:
    """reshape(Tensor a, SymInt[] shape) -> Tensor"""
    return reshape(op, a, shape)


@prims("squeeze")
def squeeze(op: Op, a: Value, dimensions: Sequence[int]) -> Value:
    """squeeze(Tensor(a) a, int[] dimensions) -> Tensor(a); all of these have the size 1"""
    return op.Squeeze(a, sorted(dimensions)) if dimensions else a


@prims("transpose")
def transpose(op: Op, a: Value, permutation: Sequence[int]) -> Value:
    """transpose(Tensor(a) a, int[] permutation) -> Tensor(a)"""
    return op.Transpose(a, perm=list(permutation)) if permutation else a


@prims("sum")
def sum_(op: Op, inp: Value, dims: Sequence[int] | None, output_dtype: DType | None) -> Value:
    """sum(Tensor inp, int[]? dims, *, ScalarType? output_dtype=None) -> Tensor; of all axes if ``dims`` is empty"""
    return reduce.sum_(op, inp, dims or None, False, output_dtype)


@prims("prod")
def prod(op: Op, inp: Value, dims: Sequence[int] | None, output_dtype: DType | None) -> Value:
    """prod(Tensor inp, int[]? dims, *, ScalarType? output_dtype=None) -> Tensor; of no axes if ``dims`` is empty"""
    found = convert(op, inp, reduce.accumulator_dtype(op, inp, output_dtype))
    return reduce.reduce_dims(op, "ReduceProd", found, dims, False) if dims is None or dims else found


@prims("var")
def var(op: Op, inp: Value, dims: Sequence[int] | None, correction: float | None, output_dtype: DType | None) -> Value:
    """var(Tensor inp, int[]? dims, float? correction=1, *, ScalarType? output_dtype=None) -> Tensor"""
    found = variance(op, inp, dims or None, correction=1.0 if correction is None else correction)
    return found if output_dtype is None else convert(op, found, output_dtype)
