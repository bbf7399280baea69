"""Running the model that was captured once more, with other inputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from onnxport_frontend import _torch_private as private, script
from onnxport_frontend.signature import Call, Signature, parameters_of
from onnxport_frontend.structure import Tree
from onnxport_frontend.tracing import run


def replay(
    model: torch.nn.Module | torch.jit.ScriptFunction[Any, Any],
    signature: Signature,
    inputs: Mapping[str, Any],
    training: bool | None,
) -> list[Any]:
    """Run the model as it was captured, on copies of other inputs, without the warnings that it has for them.

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
    result = run(model, dataclasses.replace(call, leaves=leaves), training, signature.state, quiet=True)
    found = _along(signature.output_tree, result.tree, iter(result.leaves))
    returned = [leaf for leaf, slot in zip(found, signature.output_slots, strict=True) if slot is not None]
    return [*returned, *result.buffers]


def _along(captured: Tree, tree: Tree, leaves: Iterator[Any]) -> list[Any]:
    """What a result has where the captured one has leaves, of which some are lists of any length."""
    if captured.is_leaf:
        return [tree.unflatten(leaves)]
    if tree.is_leaf or len(tree.children) != len(captured.children):
        # Another structure: whoever compares finds a list, or nothing, where a value should be.
        count = len(list(captured.paths()))
        return [tree.unflatten(leaves), *[None] * count][:count]
    pairs = zip(captured.children, tree.children, strict=True)
    return [leaf for like, child in pairs for leaf in _along(like, child, leaves)]


def run_model(
    model: torch.nn.Module | torch.jit.ScriptFunction[Any, Any],
    args: Any,
    kwargs: Mapping[str, Any] | None,
    training: bool | None,
) -> tuple[dict[str, Any], list[Any]]:
    """Run a model on copies of a call's arguments, without capturing it.

    Args:
        model: the model.
        args: positional arguments; anything but a tuple is the only one.
        kwargs: keyword arguments.
        training: the mode to run it in; None leaves all its modules as they are.

    Returns:
        What a capture would make inputs of, by their paths (``"state.0"``) in the order of the call, and what it would
        make outputs of.

    Raises:
        InvalidArgument: if the arguments do not fit the model.
        CaptureFailed: if the model raises.
    """
    scripted = private.is_script_object(model)
    owner: Any = model
    parameters = script.parameters_of(model) if scripted else parameters_of(owner.forward)
    call = Call.of(args if isinstance(args, tuple) else (args,), kwargs or {}, parameters)
    kinds = (torch.Tensor, bool, int, float) if scripted else (torch.Tensor,)
    inputs = {
        ".".join(path): leaf for path, leaf in zip(call.paths, call.leaves, strict=True) if isinstance(leaf, kinds)
    }
    return inputs, [leaf for leaf in run(model, call, training).leaves if isinstance(leaf, kinds)]
