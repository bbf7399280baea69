"""Functions of one number: roots, exponentials, logarithms, trigonometry, rounding."""

from __future__ import annotations

import math

from onnxport_ir import DType, Value

from onnxport_symbolics.aten.arithmetic import known_number, promote_real, truncate
from onnxport_symbolics.aten.casts import as_float, in_single, real_dtype
from onnxport_symbolics.op import Op
from onnxport_symbolics.promote import TensorOrNumber
from onnxport_symbolics.registry import aten

#: Float functions that ONNX has, by ATen name.
_SAME = {
    "sqrt": "Sqrt",
    "exp": "Exp",
    "log": "Log",
    "sin": "Sin",
    "cos": "Cos",
    "tan": "Tan",
    "asin": "Asin",
    "arcsin": "Asin",
    "acos": "Acos",
    "arccos": "Acos",
    "atan": "Atan",
    "arctan": "Atan",
    "sinh": "Sinh",
    "cosh": "Cosh",
    "tanh": "Tanh",
    "asinh": "Asinh",
    "arcsinh": "Asinh",
    "acosh": "Acosh",
    "arccosh": "Acosh",
    "atanh": "Atanh",
    "arctanh": "Atanh",
    "erf": "Erf",
    "special_erf": "Erf",
    "sigmoid": "Sigmoid",
    "special_expit": "Sigmoid",
    "reciprocal": "Reciprocal",
}


def _same(name: str, op_type: str) -> None:
    def function(op: Op, self: Value) -> Value:
        return op.multi(op_type, 1, as_float(op, self))[0]

    function.__doc__ = f"{name}(Tensor self) -> Tensor"
    aten(name)(function)


for _name, _op_type in _SAME.items():
    _same(_name, _op_type)


@aten("rsqrt")
def rsqrt(op: Op, self: Value) -> Value:
    """rsqrt(Tensor self) -> Tensor"""
    return op.Reciprocal(op.Sqrt(as_float(op, self)))


@aten("exp2", "special_exp2")
def exp2(op: Op, self: Value) -> Value:
    """exp2(Tensor self) -> Tensor"""
    x = as_float(op, self)
    return op.Pow(op.const_like(2, x), x)


@aten("expm1", "special_expm1")
@in_single
def expm1(op: Op, self: Value) -> Value:
    """expm1(Tensor self) -> Tensor

    As ``tanh(x / 2) * (exp(x) + 1)``, which unlike ``exp(x) - 1`` keeps its digits near 0.
    """
    x = as_float(op, self)
    one, half = op.const_like(1, x), op.const_like(0.5, x)
    return op.Mul(op.Tanh(op.Mul(x, half)), op.Add(op.Exp(x), one))


@aten("log1p", "special_log1p")
@in_single
def log1p(op: Op, self: Value) -> Value:
    """log1p(Tensor self) -> Tensor

    ``log(1 + x)`` would lose the digits of ``x`` that rounding ``1 + x`` loses; what is lost is added back to first
    order, where there is any (there is none for -1 and infinity, of which the correction would be NaN).
    """
    x = as_float(op, self)
    one = op.const_like(1, x)
    rounded = op.Add(x, one)
    log, kept = op.Log(rounded), op.Sub(rounded, one)
    corrected = op.Add(log, op.Div(op.Sub(x, kept), rounded))
    return op.Where(op.Equal(kept, x), log, corrected)


@aten("log2")
@in_single
def log2(op: Op, self: Value) -> Value:
    """log2(Tensor self) -> Tensor"""
    return _log_to_base(op, as_float(op, self), 2)


@aten("log10")
@in_single
def log10(op: Op, self: Value) -> Value:
    """log10(Tensor self) -> Tensor"""
    return _log_to_base(op, as_float(op, self), 10)


def _log_to_base(op: Op, x: Value, base: int) -> Value:
    """The logarithm, exact for powers of the base: ``floor(log2(x))`` must not be one too small."""
    log = op.Div(op.Log(x), op.const_like(math.log(base), x))
    whole = op.Round(log)
    return op.Where(op.Equal(op.Pow(op.const_like(base, x), whole), x), whole, log)


@aten("special_ndtr")
@in_single
def ndtr(op: Op, self: Value) -> Value:
    """special_ndtr(Tensor self) -> Tensor"""
    x = as_float(op, self)
    half = op.const_like(0.5, x)
    return op.Mul(half, op.Add(op.const_like(1, x), op.Erf(op.Mul(x, op.const_like(math.sqrt(0.5), x)))))


@aten("logit", "special_logit")
@in_single
def logit(op: Op, self: Value, eps: float | None = None) -> Value:
    """logit(Tensor self, float? eps=None) -> Tensor"""
    x = as_float(op, self)
    one = op.const_like(1, x)
    if eps is not None:
        x = op.Clip(x, op.const_like(eps, x), op.const_like(1 - eps, x))
    return op.Log(op.Div(x, op.Sub(one, x)))


@aten("sinc", "special_sinc")
@in_single
def sinc(op: Op, self: Value) -> Value:
    """sinc(Tensor self) -> Tensor"""
    x = as_float(op, self)
    angle = op.Mul(x, op.const_like(math.pi, x))
    at_zero = op.Equal(x, op.const_like(0, x))
    return op.Where(at_zero, op.const_like(1, x), op.Div(op.Sin(angle), angle))


@aten("special_entr")
@in_single
def entr(op: Op, self: Value) -> Value:
    """special_entr(Tensor self) -> Tensor; -x log x, 0 at 0, -inf below"""
    x = as_float(op, self)
    zero = op.const_like(0, x)
    inside = op.Where(op.Equal(x, zero), zero, op.Mul(op.Neg(x), op.Log(x)))
    return op.Where(op.Less(x, zero), op.const_like(-math.inf, x), inside)


@aten("xlogy", "special_xlogy")
def xlogy(op: Op, self: TensorOrNumber, other: TensorOrNumber) -> Value:
    """xlogy.Tensor(Tensor self, Tensor other) -> Tensor; 0 where ``self`` is 0, unless ``other`` is NaN"""
    x, y = promote_real(op, self, other, to_float=True)
    return _times_log(op, x, y, op.Log(y))


@aten("special_xlog1py")
def xlog1py(op: Op, self: TensorOrNumber, other: TensorOrNumber) -> Value:
    """special_xlog1py(Tensor self, Tensor other) -> Tensor"""
    x, y = promote_real(op, self, other, to_float=True)
    return _times_log(op, x, y, log1p(op, y))


def _times_log(op: Op, x: Value, y: Value, log: Value) -> Value:
    number = known_number(x)
    product = op.Mul(x, log)
    if number is not None and number != 0:
        return product
    zero = op.And(op.Equal(x, op.const_like(0, x)), op.Not(op.IsNaN(y)))
    return op.Where(zero, op.const_like(0, x), product)


@aten("angle")
def angle(op: Op, self: Value) -> Value:
    """angle(Tensor self) -> Tensor; of real numbers: pi or 0"""
    x = as_float(op, self)
    zero = op.const_like(0, x)
    half_turn = op.Where(op.Less(x, zero), op.const_like(math.pi, x), zero)
    return op.Where(op.IsNaN(x), x, half_turn) if op.dtype(self).is_float else half_turn


@aten("neg", "negative")
def neg(op: Op, self: Value) -> Value:
    """neg(Tensor self) -> Tensor"""
    real_dtype(op, self)
    return op.Neg(self)


@aten("abs", "absolute")
def abs_(op: Op, self: Value) -> Value:
    """abs(Tensor self) -> Tensor"""
    return self if real_dtype(op, self) is DType.BOOL else op.Abs(self)


@aten("sign", "sgn")
def sign(op: Op, self: Value) -> Value:
    """sign(Tensor self) -> Tensor; that of NaN is 0, which ONNX leaves open"""
    dtype = real_dtype(op, self)
    if dtype is DType.BOOL:
        return self
    signs = op.Sign(self)
    return op.Where(op.IsNaN(self), op.const_like(0, self), signs) if dtype.is_float else signs


def _rounding(op: Op, x: Value, op_type: str) -> Value:
    return op.multi(op_type, 1, x)[0] if real_dtype(op, x).is_float else x


@aten("floor")
def floor(op: Op, self: Value) -> Value:
    """floor(Tensor self) -> Tensor"""
    return _rounding(op, self, "Floor")


@aten("ceil")
def ceil(op: Op, self: Value) -> Value:
    """ceil(Tensor self) -> Tensor"""
    return _rounding(op, self, "Ceil")


@aten("round", "special_round")
def round_(op: Op, self: Value, decimals: int = 0) -> Value:
    """round.decimals(Tensor self, *, int decimals) -> Tensor; halves go to the even neighbour"""
    if decimals == 0 or not real_dtype(op, self).is_float:
        return _rounding(op, self, "Round")
    factor = op.const_like(10.0 ** abs(decimals), self)
    if decimals > 0:
        return op.Div(op.Round(op.Mul(self, factor)), factor)
    return op.Mul(op.Round(op.Div(self, factor)), factor)


@aten("trunc", "fix")
def trunc(op: Op, self: Value) -> Value:
    """trunc(Tensor self) -> Tensor"""
    return truncate(op, self) if real_dtype(op, self).is_float else self


@aten("frac")
def frac(op: Op, self: Value) -> Value:
    """frac(Tensor self) -> Tensor"""
    return op.Sub(self, truncate(op, self))


@aten("frexp.Tensor")
def frexp(op: Op, self: Value) -> tuple[Value, Value]:
    """frexp.Tensor(Tensor self) -> (Tensor mantissa, Tensor exponent); mantissas in [0.5, 1), exponents of int32"""
    dtype = op.dtype(self)
    if dtype is DType.FLOAT64 or not dtype.is_float:
        raise op.refuse(f"frexp of {dtype.short}")
    x = op.cast(self, DType.FLOAT64)
    one, zero, two = (op.const(number, DType.FLOAT64) for number in (1.0, 0.0, 2.0))
    special = op.Or(op.Or(op.Equal(x, zero), op.IsInf(x)), op.IsNaN(x))
    size = op.Where(special, one, op.Abs(x))
    guess = op.Add(op.Floor(op.Mul(op.Log(size), op.const(1 / math.log(2), DType.FLOAT64))), one)
    # Next to a power of 2 the logarithm may be rounded to the other side; powers of 2 are exact.
    ratio = op.Div(size, op.Pow(two, guess))
    over, under = op.GreaterOrEqual(ratio, one), op.Less(ratio, op.const(0.5, DType.FLOAT64))
    exponent = op.Sub(op.Add(guess, op.cast(over, DType.FLOAT64)), op.cast(under, DType.FLOAT64))
    mantissa = op.Where(special, x, op.Div(x, op.Pow(two, exponent)))
    return op.cast(mantissa, dtype), op.cast(op.Where(special, zero, exponent), DType.INT32)


#: The digits of a type's numbers, the exponents of its smallest one and above its largest one.
_SPACING = {DType.FLOAT32: (24, -149, 128), DType.FLOAT16: (11, -24, 16), DType.BFLOAT16: (8, -133, 128)}


@aten("nextafter")
def nextafter(op: Op, self: Value, other: Value) -> Value:
    """nextafter(Tensor self, Tensor other) -> Tensor"""
    left, right = promote_real(op, self, other)
    dtype = op.dtype(left)
    if dtype not in _SPACING:
        raise op.refuse(f"nextafter of {dtype.short}")
    digits, least, above = _SPACING[dtype]
    mantissa, exponent = (op.cast(part, DType.FLOAT64) for part in frexp(op, left))
    x, y = op.cast(left, DType.FLOAT64), op.cast(right, DType.FLOAT64)
    zero, two = op.const(0.0, DType.FLOAT64), op.const(2.0, DType.FLOAT64)
    inward = op.Or(op.And(op.Greater(x, zero), op.Less(y, x)), op.And(op.Less(x, zero), op.Greater(y, x)))
    # Below a power of 2 the numbers are half as far apart.
    edge = op.And(inward, op.Equal(op.Abs(mantissa), op.const(0.5, DType.FLOAT64)))
    power = op.Sub(exponent, op.Add(op.cast(edge, DType.FLOAT64), op.const(float(digits), DType.FLOAT64)))
    smallest = op.const(float(least), DType.FLOAT64)
    step = op.Pow(two, op.Where(op.Equal(x, zero), smallest, op.Max(power, smallest)))
    moved = op.Where(op.Less(x, y), op.Add(x, step), op.Sub(x, step))
    largest = op.const(2.0**above - 2.0 ** (above - digits), DType.FLOAT64)
    moved = op.Where(op.IsInf(x), op.Mul(op.Sign(x), largest), moved)
    moved = op.Where(op.Equal(x, y), y, moved)
    # What is added to NaN is NaN.
    return op.cast(op.Where(op.Or(op.IsNaN(x), op.IsNaN(y)), op.Add(x, y), moved), dtype)
