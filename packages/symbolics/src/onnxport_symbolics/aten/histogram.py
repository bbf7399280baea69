"""Histograms with their edges, of numbers and of points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnxport_ir import DType, Value

from onnxport_symbolics.aten.create import linspace
from onnxport_symbolics.integers import arange, product, sub
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import flatten_all, index_axis, reshape, slice_axis


def _edges(op: Op, x: Value, count: int, bounds: Sequence[float] | None) -> Value:
    """Evenly spaced edges of ``count`` bins that reach from the least to the greatest number unless told."""
    dtype = op.dtype(x)
    if bounds is not None:
        low, high = bounds
        if low == high:
            low, high = low - 0.5, high + 0.5
        return linspace(op, low, high, count + 1, dtype)
    size = op.sizes(x)[0]
    if size == 0:
        return linspace(op, 0.0, 1.0, count + 1, dtype)
    if not isinstance(size, int):
        raise op.refuse("a histogram without a range of a number of elements that depends on the input", "Give range.")
    least, most = op.ReduceMin(x, keepdims=0), op.ReduceMax(x, keepdims=0)
    half = op.Where(op.Equal(least, most), op.const(0.5, dtype), op.const(0.0, dtype))
    return linspace(op, op.Sub(least, half), op.Add(most, half), count + 1, dtype)


def _counted(op: Op, columns: Sequence[Value], edges: Sequence[Value], weight: Value | None, *, density: bool) -> Value:
    """How many points, given by their coordinates (N), lie in each bin; the last bin of an axis includes its end."""
    dtype = op.dtype(columns[0])
    counts: list[Int] = [sub(op, op.dim(edge, 0), 1) for edge in edges]
    index: Value | None = None
    inside: Value | None = None
    for x, edge, count in zip(columns, edges, counts, strict=True):
        reached = op.GreaterOrEqual(op.Unsqueeze(x, op.const([1])), op.Unsqueeze(edge, op.const([0])))
        place = op.Sub(op.ReduceSum(op.cast(reached, DType.INT64), op.const([1]), keepdims=0), op.const(1))
        size = op.scalar(count, DType.INT64)
        place = op.Min(place, op.Sub(size, op.const(1)))
        last = op.Gather(edge, size, axis=0)
        fits = op.And(op.GreaterOrEqual(place, op.const(0)), op.LessOrEqual(x, last))
        index = place if index is None else op.Add(op.Mul(index, size), place)
        inside = fits if inside is None else op.And(inside, fits)
    if index is None or inside is None:
        raise op.refuse("a histogram of points without coordinates")
    total = product(op, counts)
    hits = op.Equal(op.Unsqueeze(arange(op, total), op.const([1])), op.Where(inside, index, op.const(-1)))
    given = op.const(1.0, dtype) if weight is None else op.cast(flatten_all(op, weight), dtype)
    zero = op.const(0.0, dtype)
    found = reshape(op, op.ReduceSum(op.Where(hits, given, zero), op.const([1]), keepdims=0), counts)
    if density:
        found = op.Div(found, op.ReduceSum(found, keepdims=0))
        for axis, edge in enumerate(edges):
            widths = op.Sub(slice_axis(op, edge, 0, 1), slice_axis(op, edge, 0, 0, -1))
            found = op.Div(found, reshape(op, widths, [-1 if k == axis else 1 for k in range(len(edges))]))
    return found


def _floats(op: Op, x: Value) -> Value:
    if not op.dtype(x).is_float:
        raise op.refuse(f"a histogram of {op.dtype(x).short}")
    return x


@aten("histogram.bin_ct")
def histogram(
    op: Op,
    self: Value,
    bins: int,
    range: Sequence[float] | None = None,
    weight: Value | None = None,
    density: bool = False,
) -> tuple[Value, Value]:
    """histogram.bin_ct(Tensor self, int bins=100, *, float[]? range=None, Tensor? weight=None, bool density=False)
    -> (Tensor hist, Tensor bin_edges)
    """
    x = flatten_all(op, _floats(op, self))
    edges = _edges(op, x, bins, range)
    return _counted(op, [x], [edges], weight, density=density), edges


@aten("histogram.bins_tensor")
def histogram_by_edges(
    op: Op, self: Value, bins: Value, weight: Value | None = None, density: bool = False
) -> tuple[Value, Value]:
    """histogram.bins_tensor(Tensor self, Tensor bins, *, Tensor? weight=None, bool density=False)
    -> (Tensor hist, Tensor bin_edges)
    """
    x = flatten_all(op, _floats(op, self))
    return _counted(op, [x], [bins], weight, density=density), bins


def _columns(op: Op, points: Value) -> list[Value]:
    count = op.sizes(points)[-1]
    if not isinstance(count, int):
        raise op.refuse("a histogram of points of a dynamic number of coordinates")
    flat = reshape(op, _floats(op, points), [-1, count])
    return [index_axis(op, flat, 1, axis) for axis in np.arange(count).tolist()]


@aten("histogramdd", "histogramdd.int_bins")
def histogramdd(
    op: Op,
    self: Value,
    bins: int | Sequence[int],
    range: Sequence[float] | None = None,
    weight: Value | None = None,
    density: bool = False,
) -> tuple[Value, list[Value]]:
    """histogramdd(Tensor self, int[] bins, float[]? range=None, Tensor? weight=None, bool density=False)
    -> (Tensor hist, Tensor[] bin_edges); (*, D)
    """
    columns = _columns(op, self)
    counts = [bins] * len(columns) if isinstance(bins, int) else bins
    bounds = [None if range is None else range[2 * k : 2 * k + 2] for k, _ in enumerate(columns)]
    edges = [_edges(op, x, count, bound) for x, count, bound in zip(columns, counts, bounds, strict=True)]
    return _counted(op, columns, edges, weight, density=density), edges


@aten("histogramdd.TensorList_bins")
def histogramdd_by_edges(
    op: Op,
    self: Value,
    bins: Sequence[Value],
    range: Sequence[float] | None = None,
    weight: Value | None = None,
    density: bool = False,
) -> tuple[Value, list[Value]]:
    """histogramdd.TensorList_bins(Tensor self, Tensor[] bins, float[]? range=None, Tensor? weight=None, bool density)
    -> (Tensor hist, Tensor[] bin_edges); (*, D)
    """
    edges = list(bins)
    return _counted(op, _columns(op, self), edges, weight, density=density), edges
