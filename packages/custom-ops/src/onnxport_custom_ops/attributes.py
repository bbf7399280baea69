"""Attributes as symbolic functions write them: the suffix of a keyword says of which type it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnxport_ir import ArrayTensor, Block, TensorRef, Value
from onnxport_ir.errors import InvalidArgument, NeedsOpset, NeedsStatic, UnsupportedCase
from onnxport_ir.graph import AttrValue
from onnxport_symbolics.schemas import NEWEST_OPSET, OLDEST_OPSET, Schema, schema_at

from onnxport_custom_ops.scalar_types import from_torch
from onnxport_custom_ops.types import SymbolicType
from onnxport_custom_ops.values import SymbolicValue, attribute_kind, python_value

_SUFFIX = re.compile(r"(?P<name>.+)_(?P<kind>is|fs|ss|ts|ty|[ifstzg])")
_Kind = onnx.defs.OpSchema.AttrType
_KINDS: dict[Any, str] = {  # Any: onnx's enumeration has no stubs
    _Kind.INT: "i",
    _Kind.INTS: "is",
    _Kind.FLOAT: "f",
    _Kind.FLOATS: "fs",
    _Kind.STRING: "s",
    _Kind.STRINGS: "ss",
    _Kind.TENSOR: "t",
    _Kind.GRAPH: "g",
    _Kind.TYPE_PROTO: "ty",
}


def read_attributes(op_type: str, keywords: Mapping[str, Any]) -> dict[str, AttrValue]:
    """The attributes that keywords such as ``alpha_f=1.0`` and ``axes_i=[0, 1]`` stand for, by name.

    Those that are None are left out. Numbers may be values that are constants.

    Raises:
        InvalidArgument: for a keyword without a suffix, or a value that does not fit it.
        NeedsStatic: for a value that depends on the input.
    """
    found: dict[str, AttrValue] = {}
    for keyword, given in sorted(keywords.items()):
        if given is None:
            continue
        match = _SUFFIX.fullmatch(keyword)
        if match is None:
            raise InvalidArgument(
                f"{op_type}: the attribute {keyword} has no suffix that says of which type it is",
                hint=f"Write {keyword}_i for an integer, _f for a float, _s for a text, _t for a tensor, or a list.",
            )
        name, kind = match["name"], match["kind"]
        value = _known(f"{op_type}: the attribute {name}", given)
        try:
            found[name] = _read(kind, value)
        except (TypeError, ValueError) as error:
            raise InvalidArgument(f"{op_type}: {keyword}={given!r} is not what its suffix says") from error
    return found


def _known(what: str, given: Any) -> Any:
    if isinstance(given, SymbolicValue):
        if isinstance(given.lowered, Value) and given.lowered.const is None:
            raise NeedsStatic(f"{what} must be known during the export and depends on the input")
        return python_value(given.lowered)
    if isinstance(given, list | tuple):
        return [_known(what, item) for item in given]
    return given


def _read(kind: str, value: Any) -> AttrValue:
    is_list = isinstance(value, Iterable) and not isinstance(value, str | bytes | np.ndarray | Block)
    if isinstance(value, torch.Tensor) and (kind in ("t", "z") or value.dim() == 0):
        is_list = False
    element = kind[0] if kind != "ty" else kind
    if not is_list and len(kind) == 2 and kind != "ty":
        raise TypeError(f"{value!r} is no list")
    if is_list:
        return tuple(_ELEMENTS[element](item) for item in value)
    found: AttrValue = _ELEMENTS[element](value)
    return found


def _integer(value: Any) -> int:
    number = int(value)
    if isinstance(value, float) and value != number:
        raise ValueError(f"{value} is no integer")
    return number


def _text(value: Any) -> str | bytes:
    return value if isinstance(value, bytes) else str(value)


def _tensor(value: Any) -> TensorRef:
    if isinstance(value, torch.Tensor):
        return from_torch(value)
    return ArrayTensor.of(value) if isinstance(value, np.ndarray | np.generic) else from_torch(torch.as_tensor(value))


def _block(value: Any) -> Block:
    if not isinstance(value, Block):
        raise TypeError(f"{value!r} is no graph")
    return value


def _type(value: Any) -> Any:
    return value.ir_type if type(value) is SymbolicType else value


# Any: a list of tensors or of graphs has no place among the attributes of ONNX's own operators.
_ELEMENTS: dict[str, Callable[[Any], Any]] = {
    "i": _integer,
    "f": float,
    "s": _text,
    "t": _tensor,
    "z": _tensor,
    "g": _block,
    "ty": _type,
}


def check_attributes(
    schema: Schema, opset: int, attributes: Mapping[str, AttrValue], later: Sequence[str] = ()
) -> None:
    """Check attributes against ONNX's operator at the target opset; those in ``later`` are still to come.

    Raises:
        UnsupportedCase: if one is missing, unknown, or of another type.
        NeedsOpset: if a later opset has it.
    """
    for name, value in attributes.items():
        declared = schema.attributes.get(name)
        if declared is None:
            raise _unknown(schema.name, opset, name)
        wanted, given = _KINDS.get(declared), attribute_kind(value)
        if wanted is not None and given != wanted and not (value == () and wanted in ("fs", "ss")):
            raise UnsupportedCase(
                f"a symbolic function gives {schema.name} the attribute {name}_{given}",
                why=f"ONNX's attribute is {name}_{wanted}",
            )
    missing = sorted(schema.required - attributes.keys() - set(later))
    if missing:
        raise UnsupportedCase(f"a symbolic function calls {schema.name} without {', '.join(missing)}")


def _unknown(op_type: str, opset: int, name: str) -> UnsupportedCase | NeedsOpset:
    others = [
        version
        for version in range(OLDEST_OPSET, NEWEST_OPSET + 1)
        if _exists(op_type, version) and name in schema_at(op_type, version).attributes
    ]
    later = [version for version in others if version > opset]
    if later:
        return NeedsOpset(f"{op_type} with the attribute {name}", later[0], opset)
    why = f"it had it up to opset {others[-1]}" if others else "it has it at no opset"
    return UnsupportedCase(
        f"a symbolic function gives {op_type} the attribute {name}, which it does not have at opset {opset}",
        why=why,
        hint="Let the symbolic function write what the opset has (g.opset), or register one for each opset."
        if others
        else None,
    )


def _exists(op_type: str, opset: int) -> bool:
    try:
        schema_at(op_type, opset)
    except KeyError:
        return False
    return True
