"""How nodes are counted, and how models are run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnxport.runtime import create_session
from torch.utils import _pytree as pytree

#: The largest difference of floats from torch's, relative and absolute.
TOLERANCE = 1e-4


def count(model: onnx.ModelProto) -> int:
    """The nodes of a model, those of bodies and of called functions among them; constants are no nodes."""
    functions = {(function.domain, function.name): function for function in model.functions}
    return _count(model.graph.node, functions)


def _count(nodes: Sequence[onnx.NodeProto], functions: dict[tuple[str, str], onnx.FunctionProto]) -> int:
    total = 0
    for node in nodes:
        called = functions.get((node.domain, node.op_type))
        if called is not None:
            total += _count(called.node, functions)
        elif node.op_type != "Constant":
            total += 1
        total += sum(_count(attribute.g.node, functions) for attribute in node.attribute if attribute.HasField("g"))
    return total


def eager(model: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    """What torch gives."""
    with torch.no_grad():
        found: list[torch.Tensor] = pytree.tree_leaves(model(*args))
    return found


def difference(model: onnx.ModelProto, args: tuple[torch.Tensor, ...], expected: list[torch.Tensor]) -> str | None:
    """What is not as in torch when ONNX Runtime runs a model; None if nothing is."""
    try:
        session = create_session(model.SerializeToString())
        feeds = {item.name: arg.numpy() for item, arg in zip(session.get_inputs(), args, strict=False)}
        results = session.run(None, feeds)
    except Exception as error:  # the runtime has errors of its own, and what others export may raise any of them
        return f"does not run: {str(error).splitlines()[0][:160]}"
    return _difference(results, expected)


def _difference(results: Sequence[Any], expected: list[torch.Tensor]) -> str | None:
    if len(results) != len(expected):
        return f"{len(results)} results, torch has {len(expected)}"
    for result, wanted in zip(results, expected, strict=True):
        if result.shape != tuple(wanted.shape):
            return f"shape {list(result.shape)}, torch has {list(wanted.shape)}"
        if result.dtype != wanted.numpy().dtype:
            return f"{result.dtype}, torch has {wanted.dtype}"
        if not np.allclose(result, wanted.numpy(), TOLERANCE, TOLERANCE, equal_nan=True):
            return "other values than torch"
    return None
