"""Refusals that symbolic functions raise through :mod:`onnxport_custom_ops.symbolic_helper`."""

from __future__ import annotations

from typing import Any, NoReturn

from onnxport_ir.errors import NeedsOpset, UnsupportedCase, UnsupportedOperator


def _unimplemented(op: str, msg: str, value: Any = None) -> NoReturn:
    """Refuse a call that the symbolic function does not convert.

    Raises:
        UnsupportedCase: always.
    """
    raise UnsupportedCase(f"{op}: {msg}", why=None if value is None else f"with {value}")


def _onnx_unsupported(op_name: str, value: Any = None) -> NoReturn:
    """Refuse an operator that ONNX does not have.

    Raises:
        UnsupportedOperator: always.
    """
    raise UnsupportedOperator(f"{op_name} is not supported", why=None if value is None else f"with {value}")


def _onnx_opset_unsupported(op_name: str, current_opset: int, supported_opset: int, value: Any = None) -> NoReturn:
    """Refuse an operator that needs a later opset.

    Raises:
        NeedsOpset: always.
    """
    raise NeedsOpset(op_name, supported_opset, current_opset)


def _onnx_opset_unsupported_detailed(
    op_name: str, current_opset: int, supported_opset: int, reason: str, value: Any = None
) -> NoReturn:
    """Refuse a call that needs a later opset, with a reason.

    Raises:
        NeedsOpset: always.
    """
    raise NeedsOpset(f"{op_name} ({reason})", supported_opset, current_opset)
