"""Numbers of gamma and Dirichlet distributions, by Marsaglia and Tsang's rejection method."""

from __future__ import annotations

import numpy as np
from onnxport_ir import DType, TensorType, Value

from onnxport_symbolics.aten.random import normal_like, uniform_like
from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten


@aten("_standard_gamma")
def standard_gamma(op: Op, self: Value) -> Value:
    """_standard_gamma(Tensor self, Generator? generator=None) -> Tensor; the scale is 1"""
    dtype = op.dtype(self)
    if not dtype.is_float:
        raise op.refuse(f"a gamma distribution of {dtype.short}")
    kind = dtype if dtype is DType.FLOAT64 else DType.FLOAT32
    alpha = op.cast(self, kind)
    one = op.const(1.0, kind)
    is_small = op.Less(alpha, one)
    # The method needs a shape of 1 or more; a smaller one is that of the next larger times a power of a uniform number.
    drawn = _rejected(op, op.Where(is_small, op.Add(alpha, one), alpha))
    # 1 - u lies in (0, 1], of which no power is 0 for certain.
    shrunk = op.Pow(op.Sub(one, uniform_like(op, alpha, kind)), op.Reciprocal(alpha))
    return op.cast(op.Where(is_small, op.Mul(drawn, shrunk), drawn), dtype)


def _rejected(op: Op, alpha: Value) -> Value:
    """Numbers for shapes of at least 1: they are drawn until the last one is accepted."""
    kind = op.dtype(alpha)
    third, one, half = (op.const(number, kind) for number in (1 / 3, 1.0, 0.5))
    base = op.Sub(alpha, third)
    width = op.Reciprocal(op.Sqrt(op.Mul(base, op.const(9.0, kind))))
    counter, flag = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ()))
    waiting, kept = Value(TensorType(DType.FLOAT32, alpha.shape)), Value(TensorType(kind, alpha.shape))
    with op.body([counter, flag, waiting, kept], name="gamma") as body:
        normal = normal_like(op, kept, kind)
        root = op.Add(one, op.Mul(width, normal))
        cube = op.Mul(op.Mul(root, root), root)
        is_positive = op.Greater(root, op.const(0.0, kind))
        log = op.Log(op.Where(is_positive, cube, one))
        limit = op.Add(op.Mul(half, op.Mul(normal, normal)), op.Mul(base, op.Add(op.Sub(one, cube), log)))
        accepted = op.And(is_positive, op.Less(op.Log(op.Sub(one, uniform_like(op, kept, kind))), limit))
        taken = op.And(accepted, op.Greater(waiting, op.const(0.0)))
        result = op.Where(taken, op.Mul(base, cube), kept)
        left = op.Where(accepted, op.const(0.0), waiting)
        # Of no elements, none is waiting.
        several = op.Concat(op.Reshape(left, [-1]), op.const([0.0]), axis=0)
        goes_on = op.Greater(op.ReduceMax(several, keepdims=0), op.const(0.0))
        body.outputs = [op.own(goes_on), op.own(left), op.own(result)]
    # NaN is never accepted, nor is anything for infinity: these are not waited for.
    is_finite = op.And(op.Greater(alpha, op.const(0.0, kind)), op.Less(alpha, op.const(np.inf, kind)))
    is_number = op.cast(is_finite, DType.FLOAT32)
    found = op.multi("Loop", 2, None, op.const(True), is_number, op.Add(alpha, op.const(0.0, kind)), body=body)
    return op.retype(found[1], TensorType(kind, alpha.shape))


@aten("_sample_dirichlet")
def sample_dirichlet(op: Op, self: Value) -> Value:
    """_sample_dirichlet(Tensor self, Generator? generator=None) -> Tensor; (*, K) positive -> (*, K), summing to 1"""
    drawn = standard_gamma(op, self)
    return op.Div(drawn, op.ReduceSum(drawn, [-1], keepdims=1))
