"""Images sampled at positions that the model computes."""

from __future__ import annotations

from collections.abc import Sequence

from onnxport_ir import Value

from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten

#: ONNX's names of torch's numbers.
_MODES = {0: "linear", 1: "nearest", 2: "cubic"}
_PADDINGS = {0: "zeros", 1: "border", 2: "reflection"}


@aten("grid_sampler", "grid_sampler_2d", "grid_sampler_3d", "_grid_sampler_2d_cpu_fallback")
def grid_sampler(
    op: Op, input: Value, grid: Value, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Value:
    """grid_sampler(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor

    input (N, C, *), grid (N, *', n) -> (N, C, *').
    """
    mode = _MODES[interpolation_mode]
    if mode == "cubic" and op.rank(input) != 4:
        raise op.refuse("grid_sample with mode='bicubic' in 3 dimensions")
    return op.GridSample(input, grid, align_corners=int(align_corners), mode=mode, padding_mode=_PADDINGS[padding_mode])


@aten("cudnn_grid_sampler")
def cudnn_grid_sampler(op: Op, self: Value, grid: Value) -> Value:
    """cudnn_grid_sampler(Tensor self, Tensor grid) -> Tensor; bilinear, with zeros outside and aligned corners"""
    return grid_sampler(op, self, grid, 0, 0, True)


@aten("affine_grid_generator")
def affine_grid_generator(op: Op, theta: Value, size: Sequence[int | Value], align_corners: bool) -> Value:
    """affine_grid_generator(Tensor theta, SymInt[] size, bool align_corners) -> Tensor

    theta (N, 2, 3), size (N, C, H, W) -> (N, H, W, 2); or theta (N, 3, 4), size (N, C, D, H, W) -> (N, D, H, W, 3).
    """
    return op.AffineGrid(theta, op.ints(size), align_corners=int(align_corners))


@aten("cudnn_affine_grid_generator")
def cudnn_affine_grid_generator(
    op: Op, theta: Value, N: int | Value, C: int | Value, H: int | Value, W: int | Value
) -> Value:
    """cudnn_affine_grid_generator(Tensor theta, int N, int C, int H, int W) -> Tensor grid"""
    return affine_grid_generator(op, theta, [N, C, H, W], True)
