"""The errors that an export can end in; each has a page in the documentation."""

from onnxport_ir.errors import (
    CaptureFailed,
    FrozenValue,
    InternalError,
    InvalidArgument,
    LoweringError,
    NeedsOpset,
    NeedsStatic,
    NotYetSupported,
    OnnxExporterError,
    Place,
    Refusal,
    UnknownOpset,
    UnsafeMutation,
    UnsupportedCase,
    UnsupportedOperator,
    UnsupportedOperators,
    VerificationFailed,
    WriteFailed,
)

#: What torch's exporter calls an operator, or a call of one, that cannot be converted.
UnsupportedOperatorError = LoweringError

__all__ = [
    "CaptureFailed",
    "FrozenValue",
    "InternalError",
    "InvalidArgument",
    "LoweringError",
    "NeedsOpset",
    "NeedsStatic",
    "NotYetSupported",
    "OnnxExporterError",
    "Place",
    "Refusal",
    "UnknownOpset",
    "UnsafeMutation",
    "UnsupportedCase",
    "UnsupportedOperator",
    "UnsupportedOperatorError",
    "UnsupportedOperators",
    "VerificationFailed",
    "WriteFailed",
]
