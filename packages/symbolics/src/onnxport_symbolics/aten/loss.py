"""Loss functions. Their argument ``reduction`` is 0 for none, 1 for the mean, 2 for the sum."""

from __future__ import annotations

import math

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.aten.activation import log_softmax
from onnxport_symbolics.aten.arithmetic import add, mul, promote_real, sub
from onnxport_symbolics.aten.comparison import clamp_min
from onnxport_symbolics.aten.elementwise import xlogy
from onnxport_symbolics.aten.norms import pairwise_distance
from onnxport_symbolics.aten.reduce import mean, reduce_dims, sum_
from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten

_NONE, _MEAN, _SUM = 0, 1, 2


def reduced(op: Op, loss: Value, reduction: int) -> Value:
    """The losses as they are, their mean, or their sum."""
    if reduction == _NONE:
        return loss
    return mean(op, loss) if reduction == _MEAN else sum_(op, loss)


@aten("mse_loss")
def mse_loss(op: Op, self: Value, target: Value, reduction: int = _MEAN) -> Value:
    """mse_loss(Tensor self, Tensor target, int reduction=Mean) -> Tensor"""
    difference = sub(op, self, target)
    return reduced(op, op.Mul(difference, difference), reduction)


@aten("l1_loss")
def l1_loss(op: Op, self: Value, target: Value, reduction: int = _MEAN) -> Value:
    """l1_loss(Tensor self, Tensor target, int reduction=Mean) -> Tensor"""
    return reduced(op, op.Abs(sub(op, self, target)), reduction)


@aten("smooth_l1_loss")
def smooth_l1_loss(op: Op, self: Value, target: Value, reduction: int = _MEAN, beta: float = 1.0) -> Value:
    """smooth_l1_loss(Tensor self, Tensor target, int reduction=Mean, float beta=1) -> Tensor"""
    distance = op.Abs(sub(op, self, target))
    if beta == 0:
        return reduced(op, distance, reduction)
    limit, half = op.const_like(beta, distance), op.const_like(0.5, distance)
    near = op.Div(op.Mul(op.Mul(distance, distance), half), limit)
    far = op.Sub(distance, op.const_like(0.5 * beta, distance))
    return reduced(op, op.Where(op.Less(distance, limit), near, far), reduction)


@aten("huber_loss")
def huber_loss(op: Op, self: Value, target: Value, reduction: int = _MEAN, delta: float = 1.0) -> Value:
    """huber_loss(Tensor self, Tensor target, int reduction=Mean, float delta=1) -> Tensor"""
    distance = op.Abs(sub(op, self, target))
    limit, half = op.const_like(delta, distance), op.const_like(0.5, distance)
    near = op.Mul(op.Mul(distance, distance), half)
    far = op.Mul(op.Sub(distance, op.const_like(0.5 * delta, distance)), limit)
    return reduced(op, op.Where(op.Less(limit, distance), far, near), reduction)


@aten("binary_cross_entropy")
def binary_cross_entropy(
    op: Op, self: Value, target: Value, weight: Value | None = None, reduction: int = _MEAN
) -> Value:
    """binary_cross_entropy(Tensor self, Tensor target, Tensor? weight=None, int reduction=Mean) -> Tensor"""
    x, y = promote_real(op, self, target)
    one, floor = op.const_like(1, x), op.const_like(-100, x)
    # The logarithms are cut off at -100, as torch does, so that the loss stays finite.
    present = op.Max(op.Log(x), floor)
    absent = op.Max(op.Log(op.Sub(one, x)), floor)
    loss = op.Sub(op.Mul(op.Sub(y, one), absent), op.Mul(y, present))
    return reduced(op, loss if weight is None else mul(op, loss, weight), reduction)


@aten("binary_cross_entropy_with_logits")
def binary_cross_entropy_with_logits(
    op: Op,
    self: Value,
    target: Value,
    weight: Value | None = None,
    pos_weight: Value | None = None,
    reduction: int = _MEAN,
) -> Value:
    """binary_cross_entropy_with_logits(Tensor self, Tensor target, Tensor? weight=None, Tensor? pos_weight, ...)"""
    x, y = promote_real(op, self, target)
    absent = op.Mul(op.Sub(op.const_like(1, x), y), x)
    loss = op.Softplus(op.Neg(x))
    if pos_weight is not None:
        one = op.const_like(1, x)
        factor = op.Add(op.Mul(op.Sub(op.cast(pos_weight, op.dtype(x)), one), y), one)
        loss = op.Mul(factor, loss)
    loss = op.Add(absent, loss)
    return reduced(op, loss if weight is None else mul(op, loss, weight), reduction)


@aten("kl_div")
def kl_div(op: Op, self: Value, target: Value, reduction: int = _MEAN, log_target: bool = False) -> Value:
    """kl_div(Tensor self, Tensor target, int reduction=Mean, *, bool log_target=False) -> Tensor"""
    x, y = promote_real(op, self, target)
    loss = op.Mul(op.Exp(y), op.Sub(y, x)) if log_target else op.Sub(xlogy(op, y, y), op.Mul(y, x))
    return reduced(op, loss, reduction)


@aten("soft_margin_loss")
def soft_margin_loss(op: Op, self: Value, target: Value, reduction: int = _MEAN) -> Value:
    """soft_margin_loss(Tensor self, Tensor target, int reduction=Mean) -> Tensor"""
    x, y = promote_real(op, self, target)
    return reduced(op, op.Softplus(op.Neg(op.Mul(x, y))), reduction)


@aten("hinge_embedding_loss")
def hinge_embedding_loss(op: Op, self: Value, target: Value, margin: float = 1.0, reduction: int = _MEAN) -> Value:
    """hinge_embedding_loss(Tensor self, Tensor target, float margin=1, int reduction=Mean) -> Tensor"""
    if op.dtype(target) is DType.UINT8:
        raise op.refuse("a target of uint8, which cannot be -1")
    below = clamp_min(op, sub(op, margin, self), 0)
    zero = op.const_like(0, below)
    away = op.Where(op.Equal(target, op.const_like(1, target)), zero, below)
    near = op.Where(op.Equal(target, op.const_like(-1, target)), zero, op.cast(self, op.dtype(below)))
    return reduced(op, op.Add(away, near), reduction)


@aten("margin_ranking_loss")
def margin_ranking_loss(
    op: Op, input1: Value, input2: Value, target: Value, margin: float = 0.0, reduction: int = _MEAN
) -> Value:
    """margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0, int reduction=Mean) -> Tensor"""
    loss = add(op, mul(op, op.Neg(target), sub(op, input1, input2)), margin)
    return reduced(op, clamp_min(op, loss, 0), reduction)


@aten("cosine_embedding_loss")
def cosine_embedding_loss(
    op: Op, input1: Value, input2: Value, target: Value, margin: float = 0.0, reduction: int = _MEAN
) -> Value:
    """cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0, int reduction=Mean)"""
    if op.dtype(target) is DType.UINT8:
        raise op.refuse("a target of uint8, which cannot be -1")
    left, right = promote_real(op, input1, input2, to_float=True)
    axis = [op.rank(target)]
    epsilon = op.const_like(1e-12, left)
    lengths = [op.Add(reduce_dims(op, "ReduceSum", op.Mul(x, x), axis), epsilon) for x in (left, right)]
    product = reduce_dims(op, "ReduceSum", op.Mul(left, right), axis)
    cosine = op.Div(product, op.Sqrt(op.Mul(*lengths)))
    zero = op.const_like(0, cosine)
    near = op.Where(op.Equal(target, op.const_like(1, target)), op.Sub(op.const_like(1, cosine), cosine), zero)
    away = op.Max(op.Sub(cosine, op.const_like(margin, cosine)), zero)
    return reduced(op, op.Add(near, op.Where(op.Equal(target, op.const_like(-1, target)), away, zero)), reduction)


@aten("triplet_margin_loss")
def triplet_margin_loss(
    op: Op,
    anchor: Value,
    positive: Value,
    negative: Value,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: int = _MEAN,
) -> Value:
    """triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin=1, float p=2, ...) -> Tensor"""
    near = pairwise_distance(op, anchor, positive, p, eps)
    far = pairwise_distance(op, anchor, negative, p, eps)
    if swap:
        far = op.Min(far, pairwise_distance(op, positive, negative, p, eps))
    return reduced(op, clamp_min(op, op.Add(op.const_like(margin, near), op.Sub(near, far)), 0), reduction)


@aten("poisson_nll_loss")
def poisson_nll_loss(
    op: Op, input: Value, target: Value, log_input: bool, full: bool, eps: float, reduction: int
) -> Value:
    """poisson_nll_loss(Tensor input, Tensor target, bool log_input, bool full, float eps, int reduction) -> Tensor"""
    x, y = promote_real(op, input, target, to_float=True)
    loss = (
        op.Sub(op.Exp(x), op.Mul(y, x)) if log_input else op.Sub(x, op.Mul(y, op.Log(op.Add(x, op.const_like(eps, x)))))
    )
    if full:
        half = op.const_like(0.5, y)
        turn = op.Mul(half, op.Log(op.Mul(op.const_like(2 * math.pi, y), y)))
        stirling = op.Add(op.Sub(op.Mul(y, op.Log(y)), y), turn)
        loss = op.Add(loss, op.Where(op.Less(op.const_like(1, y), y), stirling, op.const_like(0, y)))
    return reduced(op, loss, reduction)


@aten("nll_loss", "nll_loss_nd", "nll_loss2d")
def nll_loss(
    op: Op,
    self: Value,
    target: Value,
    weight: Value | None = None,
    reduction: int = _MEAN,
    ignore_index: int = -100,
) -> Value:
    """nll_loss_nd(Tensor self, Tensor target, Tensor? weight=None, int reduction=Mean, SymInt ignore_index=-100)

    self: (C) or (N, C, ...), target: () or (N, ...)
    """
    return _nll(op, self, target, weight, reduction, ignore_index)[0]


@aten("nll_loss_forward", "nll_loss2d_forward")
def nll_loss_forward(
    op: Op, self: Value, target: Value, weight: Value | None, reduction: int, ignore_index: int
) -> tuple[Value, Value]:
    """nll_loss_forward(Tensor self, Tensor target, Tensor? weight, int reduction, SymInt ignore_index)"""
    return _nll(op, self, target, weight, reduction, ignore_index)


def _nll(
    op: Op, x: Value, target: Value, weight: Value | None, reduction: int, ignore_index: int
) -> tuple[Value, Value]:
    """The loss, and the sum of the weights that it is a mean by."""
    classes = 0 if op.rank(x) == 1 else 1
    ignored = op.Equal(target, op.const_like(ignore_index, target))
    # An ignored class need not be one; 0 always is.
    chosen = op.Where(ignored, op.const_like(0, target), target)
    picked = op.GatherElements(x, op.Unsqueeze(chosen, op.const([classes])), axis=classes)
    loss = op.Neg(op.Squeeze(picked, op.const([classes])))
    zero = op.const_like(0, x)
    if weight is None:
        weights = op.cast(op.Not(ignored), op.dtype(x))
    else:
        weights = op.Where(ignored, zero, op.Gather(op.cast(weight, op.dtype(x)), chosen))
        loss = op.Mul(loss, weights)
    loss = op.Where(ignored, zero, loss)
    total = sum_(op, weights)
    if reduction == _NONE:
        return loss, op.const_like(0, x)
    loss = sum_(op, loss)
    return (op.Div(loss, total) if reduction == _MEAN else loss), total


@aten("cross_entropy_loss")
def cross_entropy_loss(
    op: Op,
    self: Value,
    target: Value,
    weight: Value | None = None,
    reduction: int = _MEAN,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Value:
    """cross_entropy_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=Mean, ...) -> Tensor

    self: (C) or (N, C, ...), target: classes () or (N, ...), or probabilities of the shape of self
    """
    classes = 0 if op.rank(self) == 1 else 1
    log_probability = log_softmax(op, self, classes)
    if op.rank(target) == op.rank(self) and op.dtype(target).is_float:
        return _cross_entropy_of_probabilities(op, log_probability, target, weight, reduction, classes, label_smoothing)
    loss, total = _nll(op, log_probability, target, weight, reduction, ignore_index)
    if label_smoothing == 0:
        return loss
    smooth = _smooth_loss(op, log_probability, target, weight, ignore_index, classes)
    if reduction == _MEAN:
        smooth = op.Div(sum_(op, smooth), total)
    elif reduction == _SUM:
        smooth = sum_(op, smooth)
    share = op.Div(op.const_like(label_smoothing, smooth), _class_count(op, self, classes, op.dtype(smooth)))
    return op.Add(op.Mul(loss, op.const_like(1 - label_smoothing, loss)), op.Mul(smooth, share))


def _smooth_loss(
    op: Op, log_probability: Value, target: Value, weight: Value | None, ignore_index: int, classes: int
) -> Value:
    """The losses for all classes, summed up, of the targets that are not ignored."""
    x = log_probability
    if weight is not None:
        x = op.Mul(x, _along_classes(op, weight, x, classes))
    smooth = op.Neg(reduce_dims(op, "ReduceSum", x, [classes]))
    ignored = op.Equal(target, op.const_like(ignore_index, target))
    return op.Where(ignored, op.const_like(0, smooth), smooth)


def _cross_entropy_of_probabilities(
    op: Op,
    log_probability: Value,
    target: Value,
    weight: Value | None,
    reduction: int,
    classes: int,
    label_smoothing: float,
) -> Value:
    x, y = promote_real(op, log_probability, target)
    if label_smoothing:
        share = op.Div(op.const_like(label_smoothing, y), _class_count(op, x, classes, op.dtype(y)))
        y = op.Add(op.Mul(y, op.const_like(1 - label_smoothing, y)), share)
    product = op.Mul(x, y)
    if weight is not None:
        product = op.Mul(product, _along_classes(op, weight, x, classes))
    loss = op.Neg(reduce_dims(op, "ReduceSum", product, [classes]))
    # The mean is over the batch and the positions; the classes are summed up.
    return reduced(op, loss, reduction)


def _along_classes(op: Op, weight: Value, like: Value, classes: int) -> Value:
    trailing = op.rank(like) - 1 - classes
    x = op.cast(weight, op.dtype(like))
    return op.Unsqueeze(x, op.const(list(range(1, 1 + trailing)))) if trailing else x


def _class_count(op: Op, x: Value, classes: int, dtype: DType) -> Value:
    return op.scalar(op.dim(x, classes), dtype)


@aten("multi_margin_loss")
def multi_margin_loss(
    op: Op,
    self: Value,
    target: Value,
    p: float = 1,
    margin: float = 1,
    weight: Value | None = None,
    reduction: int = _MEAN,
) -> Value:
    """multi_margin_loss(Tensor self, Tensor target, Scalar p=1, Scalar margin=1, Tensor? weight=None, ...) -> Tensor

    self: (C) or (N, C), target: () or (N)
    """
    x = self if op.rank(self) else op.Unsqueeze(self, op.const([0]))
    classes = op.rank(x) - 1
    index = op.Unsqueeze(target, op.const([classes])) if op.rank(target) == classes else target
    right = op.GatherElements(x, index, axis=classes)
    violation = op.Max(op.Add(op.Sub(op.const_like(margin, x), right), x), op.const_like(0, x))
    if p == 2:
        violation = op.Mul(violation, violation)
    if weight is not None:
        violation = op.Mul(violation, op.Gather(op.cast(weight, op.dtype(x)), index))
    others = op.Not(op.Equal(_positions(op, x, classes), index))
    kept = op.Where(others, violation, op.const_like(0, x))
    return reduced(op, reduce_dims(op, "ReduceMean", kept, [classes]), reduction)


def _positions(op: Op, x: Value, axis: int) -> Value:
    size = op.dim(x, axis)
    if isinstance(size, int):
        return op.const(np.arange(size, dtype=np.int64))
    return op.Range(op.const(0), size, op.const(1))


@aten("multilabel_margin_loss_forward")
def multilabel_margin_loss_forward(op: Op, self: Value, target: Value, reduction: int) -> tuple[Value, Value]:
    """multilabel_margin_loss_forward(Tensor self, Tensor target, int reduction) -> (Tensor output, Tensor is_target)

    self, target: (C) or (N, C); the classes of a sample end before the first -1
    """
    x = self if op.rank(self) else op.Unsqueeze(self, op.const([0]))
    given = op.cast(target if op.rank(target) else op.Unsqueeze(target, op.const([0])), DType.INT64)
    last = op.rank(x) - 1
    places = _positions(op, x, last)
    count = op.scalar(op.dim(x, last), DType.INT64)
    ends = op.Where(op.Equal(given, op.const(-1)), places, count)
    valid = op.Less(places, op.ReduceMin(ends, op.const([last]), keepdims=1))
    chosen = op.Where(valid, given, op.const(0))
    right = op.Unsqueeze(op.GatherElements(x, chosen, axis=last), op.const([last + 1]))
    # (N, targets, classes)
    named = op.Equal(op.Unsqueeze(op.Where(valid, given, op.const(-1)), op.const([last + 1])), places)
    is_target = op.ReduceMax(op.cast(named, DType.INT32), op.const([last]), keepdims=1)
    zero = op.const_like(0, x)
    margin = op.Add(op.Sub(op.const_like(1, x), right), op.Unsqueeze(x, op.const([last])))
    counts = op.And(op.Unsqueeze(valid, op.const([last + 1])), op.Not(op.cast(is_target, DType.BOOL)))
    kept = op.Where(op.And(counts, op.Less(zero, margin)), margin, zero)
    loss = op.Div(reduce_dims(op, "ReduceSum", kept, [last, last + 1]), op.cast(count, op.dtype(x)))
    is_target = op.cast(op.Squeeze(is_target, op.const([last])), op.dtype(x))
    if op.rank(self) == 0:
        is_target = op.Squeeze(is_target, op.const([0]))
    return reduced(op, loss, reduction), is_target


@aten("multilabel_margin_loss")
def multilabel_margin_loss(op: Op, self: Value, target: Value, reduction: int = _MEAN) -> Value:
    """multilabel_margin_loss(Tensor self, Tensor target, int reduction=Mean) -> Tensor"""
    return multilabel_margin_loss_forward(op, self, target, reduction)[0]
