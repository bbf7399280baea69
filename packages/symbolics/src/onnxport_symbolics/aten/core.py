"""Operators below the ones that models call: what torch records of backward passes and of composite operators."""

from __future__ import annotations

from collections.abc import Sequence

from onnxport_ir import DType, Value

from onnxport_symbolics.aten import linalg, norms, spectral
from onnxport_symbolics.aten.embedding import embedding_bag
from onnxport_symbolics.aten.index import as_index
from onnxport_symbolics.aten.scalars import scalar_implicit
from onnxport_symbolics.complex_values import ComplexValue
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import aten
from onnxport_symbolics.shaping import full

#: How the numbers of ``fft_norm_mode`` are called where a transform goes forward: none, by the root, by the length.
_FORWARD = ("backward", "ortho", "forward")
_INVERSE = ("forward", "ortho", "backward")


@aten("_fft_c2c")
def fft_c2c(op: Op, self: ComplexValue, dim: Sequence[int], normalization: int, forward: bool) -> ComplexValue:
    """_fft_c2c(Tensor self, SymInt[] dim, int normalization, bool forward) -> Tensor"""
    if forward:
        return spectral.fftn(op, self, None, dim, _FORWARD[normalization])
    return spectral.ifftn(op, self, None, dim, _INVERSE[normalization])


@aten("_fft_r2c")
def fft_r2c(op: Op, self: Value, dim: Sequence[int], normalization: int, onesided: bool) -> ComplexValue:
    """_fft_r2c(Tensor self, int[] dim, int normalization, bool onesided) -> Tensor"""
    transform = spectral.rfftn if onesided else spectral.fftn
    return transform(op, self, None, dim, _FORWARD[normalization])


@aten("_fft_c2r")
def fft_c2r(op: Op, self: ComplexValue, dim: Sequence[int], normalization: int, last_dim_size: Int) -> Value:
    """_fft_c2r(Tensor self, int[] dim, int normalization, SymInt last_dim_size) -> Tensor"""
    sizes: list[Int] = [*(-1 for _ in dim[1:]), last_dim_size]
    return spectral.irfftn(op, self, sizes, dim, _INVERSE[normalization])


@aten("_linalg_det")
def linalg_det(op: Op, A: Value) -> tuple[Value, object, object]:
    """_linalg_det(Tensor A) -> (Tensor result, Tensor LU, Tensor pivots)"""
    rest = op.refuse("the decomposition that a determinant is computed from", "Call torch.linalg.lu_factor.")
    return linalg.det(op, A), rest, rest


@aten("_embedding_bag", "_embedding_bag_forward_only")
def embedding_bag_(
    op: Op,
    weight: Value,
    indices: Value,
    offsets: Value,
    mode: int,
    per_sample_weights: Value | None,
    include_last_offset: bool,
    padding_idx: int,
) -> tuple[Value, object, object, object]:
    """_embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, bool
    sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False, int padding_idx=-1) -> (Tensor,
    Tensor, Tensor, Tensor)

    A negative ``padding_idx`` is none.
    """
    padding = padding_idx if padding_idx >= 0 else None
    found = embedding_bag(op, weight, indices, offsets, mode, per_sample_weights, include_last_offset, padding)
    rest = op.refuse("what embedding_bag keeps for its gradient")
    return found[0], rest, rest, rest


@aten("_local_scalar_dense")
def local_scalar_dense(op: Op, self: Value) -> object:
    """_local_scalar_dense(Tensor self) -> Scalar"""
    return scalar_implicit(op, self=self)


@aten("embedding_renorm")
def embedding_renorm(op: Op, self: Value, indices: Value, max_norm: float, norm_type: float) -> Value:
    """embedding_renorm(Tensor self, Tensor indices, float max_norm, float norm_type) -> Tensor; self: (N, D)

    Rows that an index names and whose norm is larger are scaled to ``max_norm``.
    """
    kind = op.dtype(self)
    if not kind.is_float:
        raise op.refuse(f"embedding_renorm of {kind.short}")
    flat = as_index(op, op.Reshape(indices, [-1]))
    number = op.Reshape(op.shape(flat), [1])
    named = op.ScatterElements(
        full(op, [op.dim(self, 0)], 0, DType.FLOAT32), flat, op.Expand(op.const([1.0]), number), axis=0
    )
    norm = norms.vector_norm(op, self, norm_type, [1], True)
    limit = op.const_like(max_norm, self)
    # torch guards the division like this.
    scaled = op.Mul(self, op.Div(limit, op.Add(norm, op.const_like(1e-7, self))))
    is_scaled = op.And(op.Greater(op.Unsqueeze(named, [1]), op.const(0.0)), op.Greater(norm, limit))
    return op.Where(is_scaled, scaled, self)
