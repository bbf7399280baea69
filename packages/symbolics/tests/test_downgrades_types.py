"""Elementwise calls give numpy's results in every element type at every opset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnxport_ir import DType, Value
from onnxport_ir.errors import NeedsOpset
from onnxport_symbolics.op import Op
from onnxport_symbolics.schemas import NEWEST_OPSET, OLDEST_OPSET

Array = np.ndarray[Any, Any]

INTEGERS = [DType.INT8, DType.UINT8, DType.INT16, DType.UINT16, DType.INT32, DType.UINT32, DType.INT64, DType.UINT64]
FLOATS = [DType.FLOAT16, DType.FLOAT32, DType.FLOAT64]

#: Calls of two operands, what numpy calls them, and in which types.
BINARY: list[tuple[str, Callable[[Array, Array], Array], list[DType]]] = [
    ("Add", np.add, INTEGERS + FLOATS),
    ("Sub", np.subtract, INTEGERS + FLOATS),
    ("Mul", np.multiply, INTEGERS + FLOATS),
    ("Max", np.maximum, INTEGERS + FLOATS),
    ("Min", np.minimum, INTEGERS + FLOATS),
    ("Equal", np.equal, [DType.BOOL, *INTEGERS, *FLOATS]),
    ("Less", np.less, INTEGERS + FLOATS),
    ("Greater", np.greater, INTEGERS + FLOATS),
    ("LessOrEqual", np.less_equal, INTEGERS + FLOATS),
    ("GreaterOrEqual", np.greater_equal, INTEGERS + FLOATS),
    ("And", np.logical_and, [DType.BOOL]),
    ("BitwiseAnd", np.bitwise_and, INTEGERS),
    ("BitwiseXor", np.bitwise_xor, INTEGERS),
]
#: Refused below this opset.
SINCE = {("BitwiseAnd", DType.UINT64): 18, ("BitwiseXor", DType.UINT64): 18}
#: No kernel, and nothing that stands in for it, at these opsets.
NO_KERNEL: dict[tuple[str, DType], range] = {
    ("Max", DType.UINT64): range(9, 12),
    ("Min", DType.UINT64): range(9, 12),
}


def samples(dtype: DType) -> tuple[Array, Array]:
    """Two tensors that broadcast, with the extremes of the type."""
    rng = np.random.default_rng(dtype.value)
    if dtype is DType.BOOL:
        return rng.integers(0, 2, (3, 4)).astype(bool), rng.integers(0, 2, 4).astype(bool)
    if dtype.is_float:
        return rng.standard_normal((3, 4)).astype(dtype.numpy), rng.standard_normal(4).astype(dtype.numpy)
    info = np.iinfo(dtype.numpy)
    left = np.array([[info.min, info.max, 0], [3, 5, info.max // 2 + 1]], dtype.numpy)
    return left, np.array([info.max // 2, 3, info.max // 2], dtype.numpy)


@pytest.mark.parametrize(
    ("name", "function", "dtype"),
    [pytest.param(n, f, d, id=f"{n}-{d.short}") for n, f, dtypes in BINARY for d in dtypes],
)
def test_gives_numpys_result(
    name: str,
    function: Callable[[Array, Array], Array],
    dtype: DType,
    lower_build: Callable[..., onnx.ModelProto],
    run_model: Callable[..., list[Array]],
) -> None:
    left, right = samples(dtype)

    def build(op: Op, x: Value, y: Value) -> Value:
        return op.multi(name, 1, x, y)[0]

    with np.errstate(over="ignore"):
        wanted = function(left, right)
    for opset in range(OLDEST_OPSET, NEWEST_OPSET + 1):
        if opset < SINCE.get((name, dtype), 0):
            with pytest.raises(NeedsOpset):
                lower_build(build, [left, right], opset)
            continue
        model = lower_build(build, [left, right], opset)
        if opset in NO_KERNEL.get((name, dtype), ()):
            continue
        (result,) = run_model(model, [left, right])
        assert result.dtype == wanted.dtype
        np.testing.assert_array_equal(result, wanted, err_msg=f"opset {opset}")
