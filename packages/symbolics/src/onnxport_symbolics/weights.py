"""Weights in another layout: made from the model's while the file is written, never before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnxport_ir import LazyTensor, TensorRef, Value

from onnxport_symbolics.op import Op

Arrays = Sequence[npt.NDArray[Any]]


def derived_weight(
    op: Op, sources: Sequence[Value], transform: Callable[[Arrays], npt.NDArray[Any]], suffix: str
) -> Value:
    """A weight computed from constants.

    Args:
        op: the builder, which remembers what it has made: equal calls give one value.
        sources: weights or constants, of one element type.
        transform: takes their arrays; called when the weight is written, and once with empty stand-ins for its shape.
        suffix: what is appended to the first source's name.

    Raises:
        UnsupportedCase: if a source is computed by the model.
    """
    key = ("derived weight", suffix, *sources)
    known = op.recall(key)
    if known is not None:
        return known
    tensors = [_tensor(op, source) for source in sources]
    # Arrays of zero strides have the right shapes and take no memory.
    shape = transform([np.broadcast_to(np.zeros((), t.dtype.numpy), t.shape) for t in tensors]).shape
    dtype = tensors[0].dtype
    lazy = LazyTensor(tensors[0], lambda _: transform([t.numpy() for t in tensors]), dtype, shape)
    if not any(source.is_weight for source in sources):
        value = op.const(transform([t.numpy() for t in tensors]), dtype)
    else:
        value = Value.weight(lazy, f"{sources[0].name}.{suffix}")
    op.memorise(key, value)
    return value


def _tensor(op: Op, source: Value) -> TensorRef:
    if source.const is None:
        raise op.refuse("weights that the model computes itself", "Use the module's own parameters.")
    return source.const
