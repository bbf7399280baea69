"""``aten::__interpolate``, which old scripts call for ``torch.nn.functional.interpolate``."""

from __future__ import annotations

from collections.abc import Sequence

from onnxport_ir import Value

from onnxport_symbolics.aten import adaptive_pool, nearest, resize  # noqa: F401 - these register what is looked up
from onnxport_symbolics.aten.nearest import scaled_size
from onnxport_symbolics.op import Int, Op
from onnxport_symbolics.registry import BUILTIN, aten

#: The operator of each mode, by the number of axes.
_OPERATORS = {
    "nearest": ("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d"),
    "area": ("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
    "linear": ("upsample_linear1d", None, None),
    "bilinear": (None, "upsample_bilinear2d", None),
    "trilinear": (None, None, "upsample_trilinear3d"),
    "bicubic": (None, "upsample_bicubic2d", None),
}
_HANDLERS = {str(handler.name): handler.function for handler in BUILTIN}


@aten("__interpolate")
def interpolate(
    op: Op,
    input: Value,
    size: Sequence[Int] | None,
    scale_factor: Sequence[float] | None,
    mode: str,
    align_corners: bool | None,
    recompute_scale_factor: bool | None,
) -> Value:
    """__interpolate(Tensor input, int? size=None, float? scale_factor=None, str mode="nearest", bool?
    align_corners=None, bool? recompute_scale_factor=None, bool antialias=False) -> Tensor; input: (N, C, *)

    Here, factors that nothing is said of only decide the sizes.
    """
    count = op.rank(input) - 2
    name = _OPERATORS.get(mode, (None, None, None))[count - 1] if 1 <= count <= 3 else None
    if name is None:
        raise op.refuse(f"an interpolation in mode {mode!r} of a tensor of rank {count + 2}")
    function = _HANDLERS[f"aten::{name}"]
    factors = None if scale_factor is None else list(scale_factor) * (count if len(scale_factor) == 1 else 1)
    sizes = None if size is None else list(size) * (count if len(size) == 1 else 1)
    if sizes is None and factors is not None and (recompute_scale_factor is not False or mode == "area"):
        sizes = [scaled_size(op, op.dim(input, axis), factor) for axis, factor in enumerate(factors, 2)]
        factors = None
    if mode == "area":
        return function(op, input, sizes)  # type: ignore[no-any-return]  # a handler
    keywords = {} if mode == "nearest" else {"align_corners": bool(align_corners)}
    return function(op, output_size=sizes, input=input, scale_factors=factors, **keywords)  # type: ignore[no-any-return]  # a handler
