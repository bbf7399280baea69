"""The layers of quantised models one by one: each exported alone and given torch's own input, compared in quanta."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnxport
import onnxruntime
import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

# torch calls these below its functions; they are exported by the functions' own operators, too.
_MOVES = frozenset({"aten::dequantize", "aten::detach", "aten::clone", "aten::alias"})


def run(program: onnxport.ONNXProgram, inputs: Sequence[torch.Tensor], *, optimised: bool = True) -> list[torch.Tensor]:
    """The results of ONNX Runtime.

    Args:
        program: the exported model.
        inputs: its inputs, in order.
        optimised: whether the runtime may fuse quantisers with what is between them.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), options)
    feeds = {node.name: x.numpy() for node, x in zip(session.get_inputs(), inputs, strict=True)}
    return [torch.from_numpy(np.asarray(found)) for found in session.run(None, feeds)]


class _Recorder(TorchDispatchMode):
    """Writes down all calls of operators."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any]] = []

    # Any: torch's own signature.
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        self.calls.append((func, (args, kwargs or {}), found))
        return found


class Layer(torch.nn.Module):
    """One call of an operator: its inputs are the real numbers of the quantised tensors, and so is its result."""

    def __init__(self, function: Any, arguments: Any) -> None:
        super().__init__()
        self.function = function
        self.leaves, self.spec = pytree.tree_flatten(arguments)
        quantised = [index for index, leaf in enumerate(self.leaves) if _is_quantised(leaf)]
        tensors = [index for index, leaf in enumerate(self.leaves) if isinstance(leaf, torch.Tensor)]
        self.places = quantised or tensors[:1]
        self.objects = [index for index, leaf in enumerate(self.leaves) if isinstance(leaf, torch.ScriptObject)]
        for index in self.objects:
            setattr(self, f"packed{index}", self.leaves[index])

    @property
    def inputs(self) -> tuple[torch.Tensor, ...]:
        """What torch gave to the layer."""
        return tuple(_real(self.leaves[index]) for index in self.places)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        leaves = list(self.leaves)
        for index, x in zip(self.places, inputs, strict=True):
            like = self.leaves[index]
            is_real = not like.is_quantized
            leaves[index] = (
                x if is_real else torch.quantize_per_tensor(x, like.q_scale(), like.q_zero_point(), like.dtype)
            )
        for index in self.objects:
            leaves[index] = getattr(self, f"packed{index}")
        args, kwargs = pytree.tree_unflatten(leaves, self.spec)
        return _real(self.function(*args, **kwargs))


def _is_quantised(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.is_quantized


def _real(x: torch.Tensor) -> torch.Tensor:
    return x.dequantize() if x.is_quantized else x


@dataclasses.dataclass(frozen=True)
class Difference:
    """How a layer's result differs from torch's.

    Attributes:
        operator: the layer's.
        largest: the largest difference, in quanta.
        count: how many elements differ.
        size: how many elements there are.
    """

    operator: str
    largest: int
    count: int
    size: int


def differences(model: torch.nn.Module, x: torch.Tensor, opset: int, *, optimised: bool = True) -> Iterator[Difference]:
    """Each layer of a model with one quantised result, given what torch gives to it."""
    with torch.no_grad(), _Recorder() as recorder:
        model(x)
    for function, arguments, found in recorder.calls:
        if not _is_quantised(found) or function._schema.name in _MOVES:
            continue
        layer = Layer(function, arguments).eval()
        program = onnxport.export(layer, layer.inputs, opset_version=opset)
        (ours,) = run(program, layer.inputs, optimised=optimised)
        yield difference(function._schema.name, ours, layer(*layer.inputs), found.q_scale())


def difference(operator: str, ours: torch.Tensor, theirs: torch.Tensor, scale: float) -> Difference:
    """Two results in quanta."""
    quanta = ((ours - theirs).abs() / scale).round()
    return Difference(operator, int(quanta.max()), int((quanta > 0).sum()), quanta.numel())
