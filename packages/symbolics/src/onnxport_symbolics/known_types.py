"""What is known of the types of inputs and results: the capture's knowledge and the lowering's, which must agree."""

from __future__ import annotations

from onnxport_ir import Eqn, ScalarType, SequenceType, SymDim, TensorType, Value
from onnxport_ir.dims import Dim
from onnxport_ir.errors import UnsupportedCase
from onnxport_ir.types import AnyType, Shape, ValueType, scalar_dtype

from onnxport_symbolics.binder import Lowered
from onnxport_symbolics.complex_values import ComplexValue, is_complex_type


def onnx_type(captured: AnyType) -> ValueType:
    """The tensor type that carries a captured input; a script scalar is a tensor of rank 0.

    Raises:
        UnsupportedCase: for what ONNX has no type for.
    """
    if is_complex_type(captured):
        raise UnsupportedCase(
            "a complex input", hint="Export with complex_pairs=True, or take its parts: torch.view_as_complex."
        )
    if isinstance(captured, TensorType):
        return captured
    if isinstance(captured, SequenceType) and isinstance(captured.element, TensorType):
        return captured
    dtype = scalar_dtype(captured.kind) if isinstance(captured, ScalarType) else None
    if dtype is None:
        raise UnsupportedCase(f"an input of type {captured}")
    return TensorType(dtype, ())


def refine(eqn: Eqn, result: Lowered, expected: AnyType) -> Lowered:
    """Join what the handler's result is known to be with what the capture knows, which must agree.

    Raises:
        UnsupportedCase: if they contradict each other; the model would be wrong.
    """
    if isinstance(result, ComplexValue) and isinstance(expected, TensorType):
        if None not in (expected.dtype, result.dtype) and result.dtype is not expected.dtype:
            raise UnsupportedCase(f"{eqn.op} was lowered to {result} where torch gives {expected}")
        result.refined(_join(eqn, result.shape, expected.shape))
        return result
    if not isinstance(result, Value) or not isinstance(expected, TensorType) or not result.is_tensor:
        return result
    if expected.dtype is not None and result.dtype is not None and result.dtype is not expected.dtype:
        raise UnsupportedCase(f"{eqn.op} was lowered to {result.dtype.short} where torch gives {expected.dtype.short}")
    shape = _join(eqn, result.shape, expected.shape)
    if shape is not result.shape or (result.dtype is None and expected.dtype is not None):
        result.value_type = TensorType(result.dtype or expected.dtype, shape)
    return result


def _join(eqn: Eqn, found: Shape, expected: Shape) -> Shape:
    if found == expected:
        return found
    if found is None or expected is None:
        return expected if found is None else found
    if len(found) != len(expected):
        raise UnsupportedCase(f"{eqn.op} was lowered to rank {len(found)} where torch gives rank {len(expected)}")
    joined: list[Dim] = []
    for ours, theirs in zip(found, expected, strict=True):
        if isinstance(ours, int) and isinstance(theirs, int) and ours != theirs:
            raise UnsupportedCase(
                f"{eqn.op} was lowered to shape {list(map(str, found))} where torch gives {list(map(str, expected))}"
            )
        joined.append(ours if isinstance(ours, int) or isinstance(theirs, SymDim) else theirs)
    return found if tuple(joined) == found else tuple(joined)
