"""All operators of a model that cannot be converted, at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from onnxport_custom_ops import Session
from onnxport_frontend import capture
from onnxport_ir import CapturedGraph
from onnxport_symbolics import Target, default_registry, refusals

from onnxport.options import DEFAULT_OPSET, TrainingMode

if TYPE_CHECKING:
    import torch


def unconvertible_ops(
    model: torch.nn.Module | torch.jit.ScriptModule | torch.jit.ScriptFunction[Any, Any],
    args: Any,  # Any: the arguments of the user's own model
    training: TrainingMode | int = TrainingMode.EVAL,
    opset_version: int | None = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    dynamic_axes: Mapping[str, Mapping[int, str] | Any] | None = None,
) -> tuple[CapturedGraph, list[str]]:
    """Find the operators of a model that an export would refuse.

    Other than an export, which reports all of them in its error, it gives the names as a list. Like an export, it goes
    through the conversion itself, so that operators are listed which have a handler but not for these arguments.

    Args:
        model: as for :func:`onnxport.export`.
        args: as for :func:`onnxport.export`.
        training: as for :func:`onnxport.export`.
        opset_version: as for :func:`onnxport.export`.
        kwargs: as for :func:`onnxport.export`.
        dynamic_axes: as for :func:`onnxport.export`.

    Returns:
        The captured graph, which prints as text, and the names of the operators, one for each reason and place.

    Raises:
        InvalidArgument: as :func:`onnxport.export`.
        CaptureFailed: if the model cannot be traced.
    """
    target = Target(DEFAULT_OPSET if opset_version is None else opset_version)
    session = Session(target.opset)
    captured = capture(
        model,
        args,
        kwargs,
        dynamic_axes=dynamic_axes,
        training=TrainingMode.of(training).module_mode,
        keeps_function=session.keeps_function,
    )
    registry = session.registry(default_registry(), captured.functions)
    found = refusals(captured.graph, registry, target)
    return captured.graph, [refusal.op.partition(".")[0] for refusal in found]
