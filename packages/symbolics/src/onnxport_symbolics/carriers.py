"""Carrier types: the wider type in which an operator is computed where it does not take the narrow one.

Two things can lack a type: the operator's schema at the target opset, and ONNX Runtime's CPU kernels, which cover
less than the standard allows (:func:`kernel_gaps`; a documented choice: such a model is correct everywhere, and the
casts cost little). A carrier holds every value of the type that it stands in for, so that nothing is lost; int64
and float64 have none.
"""

from __future__ import annotations

from onnxport_ir import DType
from onnxport_ir.errors import NeedsOpset, UnsupportedCase

from onnxport_symbolics.kernel_gaps import kernel_gaps
from onnxport_symbolics.schemas import NEWEST_OPSET, Formal, schema_at

_WIDER: dict[DType, tuple[DType, ...]] = {
    DType.BOOL: (DType.UINT8, DType.INT32, DType.INT64, DType.FLOAT32),
    DType.INT8: (DType.INT16, DType.INT32, DType.INT64, DType.FLOAT32, DType.FLOAT64),
    DType.UINT8: (DType.INT16, DType.INT32, DType.INT64, DType.FLOAT32, DType.FLOAT64),
    DType.INT16: (DType.INT32, DType.INT64, DType.FLOAT32, DType.FLOAT64),
    DType.UINT16: (DType.INT32, DType.INT64, DType.FLOAT32, DType.FLOAT64),
    DType.INT32: (DType.INT64, DType.FLOAT64),
    DType.UINT32: (DType.INT64, DType.FLOAT64),
    DType.FLOAT16: (DType.FLOAT32, DType.FLOAT64),
    DType.BFLOAT16: (DType.FLOAT32, DType.FLOAT64),
    DType.FLOAT32: (DType.FLOAT64,),
}


def has_kernel(op_type: str, formal: Formal, dtype: DType, target: int) -> bool:
    """Whether ONNX Runtime computes what ONNX allows: in the type itself, or in a wider one."""
    gaps = kernel_gaps(op_type, formal.type_str, target)
    if dtype not in gaps:
        return True
    return any(wider in formal.dtypes and wider not in gaps for wider in _WIDER.get(dtype, ()))


def carrier_of(op_type: str, formal: Formal, dtype: DType, target: int) -> DType:
    """The type in which ``op_type`` takes a value of ``dtype`` at ``target``: the type itself if it can.

    Raises:
        NeedsOpset: if only a later opset's operator takes the type.
        UnsupportedCase: if none does.
    """
    gaps = kernel_gaps(op_type, formal.type_str, target)
    if dtype in formal.dtypes and dtype not in gaps:
        return dtype
    for wider in _WIDER.get(dtype, ()):
        if wider in formal.dtypes and wider not in gaps:
            return wider
    for wider in () if dtype in formal.dtypes else _WIDER.get(dtype, ()):
        if wider in formal.dtypes:
            return wider
    if dtype in formal.dtypes:
        # The standard allows it; a runtime other than the one the gaps were measured with may have the kernel.
        return dtype
    for opset in range(target + 1, NEWEST_OPSET + 1):
        later = schema_at(op_type, opset)
        if any(f.name == formal.name and dtype in f.dtypes for f in later.inputs):
            raise NeedsOpset(f"{op_type} of {dtype.short}", opset, target)
    raise UnsupportedCase(f"ONNX's {op_type} does not take {dtype.short} as {formal.name}")
