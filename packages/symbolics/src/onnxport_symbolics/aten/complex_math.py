"""Arithmetic, functions, sums and products of complex tensors, on their parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from onnxport_ir import DType, Value

from onnxport_symbolics import complex_values as cv
from onnxport_symbolics.aten import linear, reduce
from onnxport_symbolics.aten.arithmetic import atan2
from onnxport_symbolics.aten.complex_views import AnyOperand, expected
from onnxport_symbolics.complex_values import ComplexValue
from onnxport_symbolics.op import Op
from onnxport_symbolics.promote import expected_dtype
from onnxport_symbolics.registry import aten_complex
from onnxport_symbolics.shaping import broadcast_shape, expand_to


def _real(op: Op, operand: Value | complex, dtype: DType) -> Value:
    """A real tensor, or the real part of a number, in the type of the parts."""
    kind = cv.part_dtype(dtype)
    return op.cast(operand, kind) if isinstance(operand, Value) else op.const(complex(operand).real, kind)


def _is_real(operand: AnyOperand) -> bool:
    return isinstance(operand, Value) or (not isinstance(operand, ComplexValue) and not complex(operand).imag)


def _same_shape(op: Op, real: Value, imaginary: Value) -> ComplexValue:
    """Parts of which one may be smaller, because a real operand has not touched it."""
    if real.shape is not None and real.shape == imaginary.shape:
        return ComplexValue(parts=(real, imaginary))
    dims = broadcast_shape(op, real, imaginary)
    return ComplexValue(parts=(expand_to(op, real, dims), expand_to(op, imaginary, dims)))


@aten_complex("add", "__add__")
def add(
    op: Op,
    self: ComplexValue | Value | complex,
    other: ComplexValue | Value | complex,
    alpha: ComplexValue | Value | complex = 1,
) -> ComplexValue:
    """add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor; add.Scalar"""
    return _sum(op, self, other if _is_one(alpha) else mul(op, other, alpha))


@aten_complex("sub", "subtract", "__sub__")
def sub(
    op: Op,
    self: ComplexValue | Value | complex,
    other: ComplexValue | Value | complex,
    alpha: ComplexValue | Value | complex = 1,
) -> ComplexValue:
    """sub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor; sub.Scalar"""
    dtype = expected(op)
    left = cv.parts(op, cv.as_complex(op, self, dtype))
    scaled = other if _is_one(alpha) else mul(op, other, alpha)
    if _is_real(scaled) and not isinstance(scaled, ComplexValue):
        return _same_shape(op, op.Sub(left[0], _real(op, scaled, dtype)), left[1])
    right = cv.parts(op, cv.as_complex(op, scaled, dtype))
    return ComplexValue(parts=(op.Sub(left[0], right[0]), op.Sub(left[1], right[1])))


@aten_complex("rsub")
def rsub(
    op: Op, self: ComplexValue, other: ComplexValue | Value | complex, alpha: ComplexValue | Value | complex = 1
) -> ComplexValue:
    """rsub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor"""
    return sub(op, other, self, alpha)


def _is_one(alpha: AnyOperand) -> bool:
    return not isinstance(alpha, ComplexValue | Value) and alpha == 1


def _sum(op: Op, left: AnyOperand, right: AnyOperand) -> ComplexValue:
    dtype = expected(op)
    if _is_real(left):
        left, right = right, left
    a, b = cv.parts(op, cv.as_complex(op, left, dtype))
    if _is_real(right) and not isinstance(right, ComplexValue):
        return _same_shape(op, op.Add(a, _real(op, right, dtype)), b)
    c, d = cv.parts(op, cv.as_complex(op, right, dtype))
    return ComplexValue(parts=(op.Add(a, c), op.Add(b, d)))


@aten_complex("mul", "multiply", "__mul__")
def mul(op: Op, self: ComplexValue | Value | complex, other: ComplexValue | Value | complex) -> ComplexValue:
    """mul.Tensor(Tensor self, Tensor other) -> Tensor; mul.Scalar(Tensor self, Scalar other) -> Tensor"""
    dtype = expected(op)
    left, right = (other, self) if _is_real(self) else (self, other)
    if _is_real(right) and not isinstance(right, ComplexValue):
        return _scaled(op, cv.as_complex(op, left, dtype), _real(op, right, dtype), op.Mul)
    a, b = cv.parts(op, cv.as_complex(op, left, dtype))
    c, d = cv.parts(op, cv.as_complex(op, right, dtype))
    return ComplexValue(parts=(op.Sub(op.Mul(a, c), op.Mul(b, d)), op.Add(op.Mul(a, d), op.Mul(b, c))))


def _scaled(op: Op, z: ComplexValue, factor: Value, operator: Callable[[Value, Value], Value]) -> ComplexValue:
    """Both parts multiplied with, or divided by, a real tensor."""
    if z.whole is not None:
        if factor.rank == 0:
            return ComplexValue(operator(z.whole, factor))
        if op.rank(factor) <= cv.rank(op, z):
            return ComplexValue(operator(z.whole, op.Unsqueeze(factor, [-1])))
    a, b = cv.parts(op, z)
    return ComplexValue(parts=(operator(a, factor), operator(b, factor)))


@aten_complex("div", "divide", "true_divide", "__div__")
def div(op: Op, self: ComplexValue | Value | complex, other: ComplexValue | Value | complex) -> ComplexValue:
    """div.Tensor(Tensor self, Tensor other) -> Tensor; div.Scalar(Tensor self, Scalar other) -> Tensor"""
    dtype = expected(op)
    if _is_real(other) and not isinstance(other, ComplexValue):
        return _scaled(op, cv.as_complex(op, self, dtype), _real(op, other, dtype), op.Div)
    c, d = cv.parts(op, cv.as_complex(op, other, dtype))
    # Divided by the larger part first, the squares neither overflow nor vanish.
    largest = op.Max(op.Abs(c), op.Abs(d))
    c, d = op.Div(c, largest), op.Div(d, largest)
    norm = op.Mul(op.Add(op.Mul(c, c), op.Mul(d, d)), largest)
    a, b = cv.parts(op, cv.as_complex(op, self, dtype))
    real = op.Add(op.Mul(a, c), op.Mul(b, d))
    imaginary = op.Sub(op.Mul(b, c), op.Mul(a, d))
    return ComplexValue(parts=(op.Div(real, norm), op.Div(imaginary, norm)))


@aten_complex("reciprocal")
def reciprocal(op: Op, self: ComplexValue) -> ComplexValue:
    """reciprocal(Tensor self) -> Tensor"""
    return div(op, 1, self)


@aten_complex("neg", "negative")
def neg(op: Op, self: ComplexValue) -> ComplexValue:
    """neg(Tensor self) -> Tensor"""
    if self.whole is not None:
        return ComplexValue(op.Neg(self.whole))
    a, b = cv.parts(op, self)
    return ComplexValue(parts=(op.Neg(a), op.Neg(b)))


@aten_complex("abs", "absolute")
def abs_(op: Op, self: ComplexValue) -> Value:
    """abs(Tensor self) -> Tensor"""
    if self.whole is not None:
        return op.ReduceL2(self.whole, [-1], keepdims=0)
    a, b = cv.parts(op, self)
    return op.Sqrt(op.Add(op.Mul(a, a), op.Mul(b, b)))


@aten_complex("angle")
def angle(op: Op, self: ComplexValue) -> Value:
    """angle(Tensor self) -> Tensor"""
    a, b = cv.parts(op, self)
    return atan2(op, b, a)


@aten_complex("exp")
def exp(op: Op, self: ComplexValue) -> ComplexValue:
    """exp(Tensor self) -> Tensor"""
    a, b = cv.parts(op, self)
    size = op.Exp(a)
    return ComplexValue(parts=(op.Mul(size, op.Cos(b)), op.Mul(size, op.Sin(b))))


@aten_complex("log")
def log(op: Op, self: ComplexValue) -> ComplexValue:
    """log(Tensor self) -> Tensor"""
    return ComplexValue(parts=(op.Log(abs_(op, self)), angle(op, self)))


@aten_complex("square")
def square(op: Op, self: ComplexValue) -> ComplexValue:
    """square(Tensor self) -> Tensor"""
    return mul(op, self, self)


@aten_complex("pow", "__pow__")
def pow_(op: Op, self: ComplexValue, exponent: ComplexValue | Value | complex) -> ComplexValue:
    """pow.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor; whole powers up to 4"""
    if isinstance(exponent, ComplexValue | Value) or exponent not in (1, 2, 3, 4):
        raise op.refuse(f"complex numbers to the power {exponent!r}", "Use torch.polar, abs and angle.")
    result = self
    for _ in range(int(complex(exponent).real) - 1):
        result = mul(op, result, self)
    return result


@aten_complex("eq", "ne")
def eq(op: Op, self: ComplexValue | Value, other: ComplexValue | Value | complex) -> Value:
    """eq.Tensor(Tensor self, Tensor other) -> Tensor"""
    raise op.refuse("comparisons of complex numbers", "Compare their parts: torch.view_as_real.")


@aten_complex("where.self", "where.ScalarOther", "where.ScalarSelf", "where.Scalar")
def where(
    op: Op,
    condition: Value,
    self: ComplexValue | Value | complex,
    other: ComplexValue | Value | complex,
) -> ComplexValue:
    """where.self(Tensor condition, Tensor self, Tensor other) -> Tensor"""
    dtype = expected(op)
    left, right = (cv.parts(op, cv.as_complex(op, operand, dtype)) for operand in (self, other))
    chosen = op.cast(condition, DType.BOOL)
    return ComplexValue(parts=(op.Where(chosen, left[0], right[0]), op.Where(chosen, left[1], right[1])))


@aten_complex("masked_fill")
def masked_fill(op: Op, self: ComplexValue, mask: Value, value: ComplexValue | Value | complex) -> ComplexValue:
    """masked_fill.Scalar(Tensor self, Tensor mask, Scalar value) -> Tensor"""
    return where(op, mask, value, self)


@aten_complex("sum")
def sum_(
    op: Op, self: ComplexValue, dim: Sequence[int] | None = None, keepdim: bool = False, dtype: DType | None = None
) -> ComplexValue:
    """sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"""
    a, b = cv.parts(op, cv.as_complex(op, self, expected(op)))
    return ComplexValue(parts=(reduce.sum_(op, a, dim, keepdim), reduce.sum_(op, b, dim, keepdim)))


@aten_complex("mean")
def mean(
    op: Op, self: ComplexValue, dim: Sequence[int] | None = None, keepdim: bool = False, dtype: DType | None = None
) -> ComplexValue:
    """mean.dim(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"""
    a, b = cv.parts(op, cv.as_complex(op, self, expected(op)))
    return ComplexValue(parts=(reduce.mean(op, a, dim, keepdim), reduce.mean(op, b, dim, keepdim)))


#: Multiplies two real tensors.
_Product = Callable[[Value, Value], Value]


def _product(op: Op, left: ComplexValue | Value, right: ComplexValue | Value, product: _Product) -> ComplexValue:
    """A product that is linear in both factors, of which at least one is complex."""
    kind = cv.part_dtype(expected_dtype(op) or expected(op))

    def taken(z: ComplexValue) -> list[Value]:
        return [op.cast(part, kind) for part in cv.parts(op, z)]

    if isinstance(left, Value) and isinstance(right, Value):
        raise op.refuse("a complex product of real tensors")
    if isinstance(left, Value) and isinstance(right, ComplexValue):
        a, (c, d) = op.cast(left, kind), taken(right)
        return ComplexValue(parts=(product(a, c), product(a, d)))
    if isinstance(right, Value) and isinstance(left, ComplexValue):
        (a, b), c = taken(left), op.cast(right, kind)
        return ComplexValue(parts=(product(a, c), product(b, c)))
    (a, b), (c, d) = taken(left), taken(right)  # type: ignore[arg-type]  # neither is a Value here
    return ComplexValue(
        parts=(op.Sub(product(a, c), product(b, d)), op.Add(product(a, d), product(b, c))),
    )


@aten_complex("mm", "bmm", "matmul", "linalg_matmul", "mv", "dot")
def matmul(
    op: Op,
    self: ComplexValue | Value,
    other: ComplexValue | Value | None = None,
    mat2: ComplexValue | Value | None = None,
    vec: ComplexValue | Value | None = None,
    tensor: ComplexValue | Value | None = None,
) -> ComplexValue:
    """matmul(Tensor self, Tensor other) -> Tensor; mm(Tensor self, Tensor mat2); mv(Tensor self, Tensor vec); dot"""
    right = next(item for item in (other, mat2, vec, tensor) if item is not None)
    return _product(op, self, right, op.MatMul)


@aten_complex("einsum")
def einsum(
    op: Op, equation: str, tensors: Sequence[ComplexValue | Value | complex], path: object = None
) -> ComplexValue:
    """einsum(str equation, Tensor[] tensors, *, int[]? path=None) -> Tensor; of one or two tensors"""
    if len(tensors) == 1 and isinstance(tensors[0], ComplexValue):
        a, b = (linear.einsum(op, equation, [part]) for part in cv.parts(op, tensors[0]))
        return ComplexValue(parts=(a, b))
    operands = [item for item in tensors if isinstance(item, ComplexValue | Value)]
    if len(tensors) != 2 or len(operands) != 2:
        raise op.refuse(f"einsum of {len(tensors)} tensors of which some are complex", "Use one einsum for each two.")
    return _product(op, operands[0], operands[1], lambda x, y: linear.einsum(op, equation, [x, y]))
