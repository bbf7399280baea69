"""Running the model that was captured once more, with other inputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch

from onnxport_frontend.signature import Signature
from onnxport_frontend.tracing import run


def replay(
    model: torch.nn.Module | torch.jit.ScriptFunction[Any, Any],
    signature: Signature,
    inputs: Mapping[str, Any],
    training: bool | None,
) -> list[Any]:
    """Run the model as it was captured, on copies of other inputs.

    Args:
        model: the model.
        signature: that of its capture.
        inputs: a tensor or number for each input of the graph, by name.
        training: the mode that it was captured in.

    Returns:
        What belongs to each output of the graph, in order.

    Raises:
        CaptureFailed: if the model raises.
    """
    names = {path: name for name, path in signature.inputs}
    call = signature.call
    leaves = tuple(
        inputs[names[path]] if path in names else leaf for path, leaf in zip(call.paths, call.leaves, strict=True)
    )
    result = run(model, dataclasses.replace(call, leaves=leaves), training)
    return [leaf for leaf, slot in zip(result.leaves, signature.output_slots, strict=False) if slot is not None]
