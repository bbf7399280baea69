"""Batch normalization after a convolution becomes part of the convolution's weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from onnxport_ir.graph import Block, Model, Node, Value
from onnxport_ir.passes.weights import count_reads, replace_values
from onnxport_ir.tensors import LazyTensor, TensorRef

_DEFAULT_EPSILON = 1e-5


def fold_batch_norms(model: Model) -> int:
    """Multiply the weights of a convolution by the factors of the batch normalization that alone reads it.

    The products are computed in double precision while the file is written. The new weights are called
    ``<name>.folded``. A weight that something else reads as well is left as it is, and the normalization with it.

    Returns:
        The number of nodes removed.
    """
    if model.keep_initializers_as_inputs or not model.store_weights:
        # The caller may put other weights in, and knows them by their own names and values.
        return 0
    reads = count_reads(model)
    replaced: dict[Value, Value] = {}
    _fold(model.graph, reads, replaced)
    replace_values(model, replaced)
    return len(replaced)


def _fold(block: Block, reads: Counter[Value], replaced: dict[Value, Value]) -> None:
    kept: list[Node] = []
    convolutions: set[Node] = set()
    for node in block.nodes:
        for inner in node.blocks():
            _fold(inner, reads, replaced)
        if node.domain or node.op_type not in ("Conv", "BatchNormalization"):
            kept.append(node)
            continue
        if node.op_type == "Conv":
            convolutions.add(node)
            kept.append(node)
            continue
        source = node.operands[0].producer if node.operands[0] is not None else None
        if source is None or source not in convolutions or not _can_fold(source, node, reads):
            kept.append(node)
            continue
        _multiply(source, node)
        # The convolution now gives what the normalization gave, under the name that was wished for that.
        source.result.name, source.result.value_type = node.result.name, node.result.value_type
        replaced[node.result] = source.result
    block.nodes = kept


def _can_fold(convolution: Node, norm: Node, reads: Counter[Value]) -> bool:
    """Whether nobody else needs the convolution or its weights, and all is known."""
    if len(norm.results) != 1 or norm.attributes.get("training_mode", 0) or reads[convolution.result] != 1:
        return False
    known = [*convolution.operands[1:], *norm.operands[1:]]
    if len(norm.operands) != 5 or any(value is None or value.const is None for value in known):
        return False
    weight = convolution.operands[1]
    if weight is None or not weight.is_weight or reads[weight] != 1:
        return False
    return all(value is not None and value.dtype is weight.dtype for value in known)


def _multiply(convolution: Node, norm: Node) -> None:
    image, weight = convolution.operands[0], convolution.operands[1]
    bias = convolution.operands[2] if len(convolution.operands) > 2 else None
    tensors = [_tensor(value) for value in norm.operands[1:]]
    epsilon = norm.attributes.get("epsilon", _DEFAULT_EPSILON)
    folding = _Folding(tensors, float(epsilon) if isinstance(epsilon, int | float) else _DEFAULT_EPSILON)
    kernel, shift = _tensor(weight), norm.operands[2]
    scaled = LazyTensor(kernel, folding.weight, kernel.dtype, kernel.shape)
    before = None if bias is None else _tensor(bias)
    shifted = LazyTensor(tensors[1], lambda array: folding.bias(array, before), kernel.dtype, tensors[1].shape)
    # A bias of numbers that the model has no name for is named by the weight.
    named = next((value.name for value in (bias, shift) if value is not None and value.is_weight), None)
    name = weight.name if weight is not None else None
    convolution.operands = (
        image,
        Value.weight(scaled, f"{name}.folded"),
        Value.weight(shifted, f"{named or f'{name}.bias'}.folded"),
    )


class _Folding:
    """The factors of a batch normalization, computed when they are needed."""

    def __init__(self, tensors: Sequence[TensorRef], epsilon: float) -> None:
        self._tensors = tensors
        self._epsilon = epsilon

    def _wide(self) -> list[npt.NDArray[np.float64]]:
        scale, _, mean, variance = (tensor.numpy().astype(np.float64) for tensor in self._tensors)
        return [scale / np.sqrt(variance + self._epsilon), mean]

    def weight(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The weight (M, C/group, ...) of the convolution, each channel of the result by its factor."""
        factor, _ = self._wide()
        wide = array.astype(np.float64) * factor.reshape(-1, *[1] * (array.ndim - 1))
        return wide.astype(array.dtype)

    def bias(self, shift: npt.NDArray[Any], before: TensorRef | None) -> npt.NDArray[Any]:
        """The bias (M)."""
        factor, mean = self._wide()
        bias = 0.0 if before is None else before.numpy().astype(np.float64)
        result: npt.NDArray[Any] = (shift.astype(np.float64) + (bias - mean) * factor).astype(shift.dtype)
        return result


def _tensor(value: Value | None) -> TensorRef:
    if value is None or value.const is None:
        raise TypeError("a weight without elements")
    return value.const
