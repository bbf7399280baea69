"""Where ONNX Runtime has no kernel for a type, something that it has stands in, at every opset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnxport_ir import Value
from onnxport_symbolics.op import Op
from onnxport_symbolics.schemas import NEWEST_OPSET

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(13)
X = RNG.standard_normal((2, 3, 4)) * 3
IMAGE = RNG.standard_normal((1, 4, 3, 5))
CHANNELS = [RNG.standard_normal(4), RNG.standard_normal(4), RNG.standard_normal(4), RNG.random(4) + 0.5]


def case(
    op_type: str, *operands: Any, name: str = "", since: int = 7, tolerance: float = 1e-12, **attributes: Any
) -> Any:
    """A call whose first operand has a type that kernels lack; ``since`` is the first opset whose kernels suffice."""
    return pytest.param(op_type, operands, attributes, since, tolerance, id=f"{op_type}-{name}" if name else op_type)


CASES = [
    case("Relu", np.array([-3, 0, 2**62 + 1]), name="int64"),
    case("DepthToSpace", np.arange(32).reshape(1, 8, 2, 2), blocksize=2, name="int64"),
    case("DepthToSpace", np.arange(32).reshape(1, 8, 2, 2), blocksize=2, mode="CRD", name="int64-CRD"),
    case("SpaceToDepth", np.arange(32).reshape(1, 2, 4, 4), blocksize=2, name="int64"),
    case("SpaceToDepth", np.arange(32).reshape(1, 2, 4, 4), blocksize=2, mode="CRD", name="int64-CRD"),
    case("Resize", np.arange(12).reshape(1, 1, 3, 4), None, None, [1, 1, 5, 7], name="int64"),
    case("Resize", IMAGE, None, None, [5, 7], axes=[2, 3], mode="linear", tolerance=1e-6),
    case("PRelu", np.array([[-3, 2], [5, -1]]), np.array([2, 3]), name="int64"),
    case("Gemm", np.arange(6).reshape(2, 3), np.arange(12).reshape(4, 3), np.arange(4), transB=1, name="int64"),
    case("Elu", X, alpha=1.5),
    case("Selu", X),
    # Attributes are rounded to single precision in the reference, and here they are not.
    case("LeakyRelu", X, tolerance=1e-7),
    case("HardSigmoid", X, tolerance=1e-7),
    case("HardSwish", X, tolerance=1e-6),
    case("Softplus", X),
    case("Softsign", X),
    case("Tan", X),
    case("Mish", X),
    case("Swish", X),
    case("Swish", X.astype(np.float32), name="float32", tolerance=1e-6),
    case("Sinh", X),
    case("Cosh", X),
    case("Asinh", X),
    case("Acosh", np.abs(X) + 1),
    case("Atanh", X / 20),
    case("ThresholdedRelu", X, alpha=0.5),
    case("PRelu", X, RNG.standard_normal(4)),
    case("Clip", X, -0.5, 0.75),
    case("Celu", X, alpha=1.5),
    case("GlobalAveragePool", IMAGE),
    case("GlobalMaxPool", IMAGE),
    case("InstanceNormalization", IMAGE, *CHANNELS[:2]),
    case("BatchNormalization", IMAGE, *CHANNELS),
    case("GroupNormalization", IMAGE, *CHANNELS[:2], num_groups=2, tolerance=1e-5),
    case("GridSample", IMAGE, RNG.random((1, 2, 3, 2)) * 2 - 1, tolerance=1e-6),
    case("Pad", np.zeros((0, 2, 3)), [0, 0, 1, 0, 0, 2], mode="wrap", name="empty"),
    case("OneHot", np.array([1, 0, 3]), 4, np.array([0.5, 2.0])),
]


@pytest.mark.parametrize(("op_type", "operands", "attributes", "since", "tolerance"), CASES)
def test_runs_where_the_kernel_is_lacking(
    op_type: str,
    operands: tuple[Any, ...],
    attributes: dict[str, Any],
    since: int,
    tolerance: float,
    lower_build: Callable[..., onnx.ModelProto],
    run_model: Callable[..., list[Array]],
    case_of: Callable[..., Any],
    expected_of: Callable[..., list[Array]],
) -> None:
    call = case_of(op_type, operands, attributes)

    def build(op: Op, *values: Value) -> tuple[Value, ...]:
        results: tuple[Value, ...] = call.build(op, *values)
        return results

    wanted = expected_of(call)
    for opset in range(since, NEWEST_OPSET + 1):
        (result,) = run_model(lower_build(build, call.inputs, opset), call.inputs)
        assert result.dtype == wanted[0].dtype
        np.testing.assert_allclose(result, wanted[0], rtol=tolerance, atol=tolerance, err_msg=f"opset {opset}")
