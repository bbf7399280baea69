"""Binding of a captured equation's arguments to a handler's parameters.

The annotations of a handler say what must be known during the export. ``alpha: float`` is a number; ``self: Value`` a
tensor (a number becomes a constant); ``dim: int | Value`` a number, or a value of rank 0 where it depends on the
input; ``size: Sequence[int | Value]`` a list of such. Annotations are read once per handler.
"""

from __future__ import annotations

import collections.abc
import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from onnxport_ir import Device, DType, Enumeral, TensorLiteral, Value
from onnxport_ir.errors import InternalError, NeedsStatic, UnsupportedCase

from onnxport_symbolics.complex_values import ComplexValue, as_pairs
from onnxport_symbolics.quantized_values import QuantizedValue

if TYPE_CHECKING:
    from onnxport_symbolics.op import Op

#: An argument of an equation with its variables replaced by what they were lowered to.
Lowered = Any  # Value | TensorLiteral | number | str | None | DType | Device | Enumeral | tuple of these

#: Arguments that have no effect on what ONNX computes.
IGNORED = frozenset(
    {
        "generator",
        "layout",
        "device",
        "pin_memory",
        "memory_format",
        "non_blocking",
        "requires_grad",
        "implicit",
        "copy",
        "sparse_grad",
        "sparse",
        "scale_grad_by_freq",
        "cudnn_enable",
        "cudnn_enabled",
        "benchmark",
        "deterministic",
        "allow_tf32",
        "dense_dim",
        "is_coalesced",
    }
)

_COMPLEX_HINT = "Compute with the real and imaginary parts there: torch.view_as_real."
_Convert = Callable[["Op", str, Lowered], Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a handler: its name, how arguments are converted for it, whether it has a default."""

    name: str
    convert: _Convert
    optional: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """A handler's parameters, by name."""

    parameters: Mapping[str, Parameter]

    def bind(self, op: Op, names: Sequence[str], args: Sequence[Lowered]) -> dict[str, Any]:
        """Convert the arguments of an equation, given with their schema's names.

        Raises:
            NeedsStatic: if a parameter must be known and depends on the input.
            UnsupportedCase: if an argument that has an effect is none of the handler's parameters.
        """
        bound: dict[str, Any] = {}
        for name, arg in zip(names, args, strict=True):
            parameter = self.parameters.get(_PYTHON_NAMES.get(name, name))
            if parameter is not None:
                bound[parameter.name] = parameter.convert(op, name, arg)
            elif name not in IGNORED and arg is not None and arg is not False:
                raise op.refuse(f"argument {name}={_show(arg)}")
        for parameter in self.parameters.values():
            if not parameter.optional and parameter.name not in bound:
                raise InternalError(f"the schema has no argument {parameter.name}: {', '.join(names)}")
        return bound


#: Schema names that are Python keywords.
_PYTHON_NAMES = {"from": "from_", "lambda": "lambd", "is": "is_"}


def signature_of(function: Callable[..., Any]) -> Signature:
    """Read a handler's annotations; its first parameter is the ``Op``.

    Raises:
        TypeError: if a parameter has no annotation, or one that says nothing to the binder.
    """
    from onnxport_symbolics.op import Op  # noqa: PLC0415 - op needs the registry's errors only when it runs

    hints = typing.get_type_hints(function, localns={"Op": Op})
    parameters: dict[str, Parameter] = {}
    for name, parameter in list(inspect.signature(function).parameters.items())[1:]:
        if name not in hints:
            raise TypeError(f"parameter {name} of {function.__qualname__} has no annotation")
        convert = _converter(hints[name])
        parameters[name] = Parameter(name, convert, parameter.default is not inspect.Parameter.empty)
    return Signature(parameters)


@functools.cache
def _converter(annotation: Any) -> _Convert:
    origin = typing.get_origin(annotation)
    if origin is collections.abc.Sequence:
        (element,) = typing.get_args(annotation)
        return functools.partial(_to_list, _converter(element))
    members = set(typing.get_args(annotation)) if origin in (types.UnionType, typing.Union) else {annotation}
    optional = type(None) in members
    members.discard(type(None))
    convert = _union(members)
    return functools.partial(_to_optional, convert) if optional else convert


def _union(members: set[Any]) -> _Convert:
    if len(members) == 1:
        (member,) = members
        if member in _SINGLE:
            return _SINGLE[member]
        if typing.get_origin(member) is collections.abc.Sequence:
            return _converter(member)
    if ComplexValue in members and members <= {ComplexValue, Value, complex}:
        return _to_complex
    if members == {QuantizedValue, Value}:
        return _to_value_or_quantized
    if members == {int, Value}:
        return _to_int_or_value
    if members == {float, Value}:
        return _to_float_or_value
    if members <= {int, float, bool, complex, Value}:
        return _to_number_or_value if Value in members else _to_number
    sequences = [m for m in members if typing.get_origin(m) is collections.abc.Sequence]
    if len(sequences) == 1 and len(members) == 2:
        (other,) = members - set(sequences)
        return functools.partial(_to_list_or, _converter(sequences[0]), _converter(other))
    raise TypeError(f"the binder knows no parameter of type {members}")


def _to_optional(convert: _Convert, op: Op, name: str, arg: Lowered) -> Any:
    return None if arg is None else convert(op, name, arg)


def _to_list(convert: _Convert, op: Op, name: str, arg: Lowered) -> list[Any]:
    if isinstance(arg, Value) and arg.const is None and arg.rank == 1 and isinstance(arg.shape and arg.shape[0], int):
        arg = tuple(op.Gather(arg, op.const(index)) for index in range(op.sizes(arg)[0]))  # type: ignore[arg-type]  # an int, see above
    known = _constant(arg)
    if known is not None:
        arg = tuple(np.atleast_1d(known).tolist())
    if not isinstance(arg, tuple):
        if isinstance(arg, Value):
            raise NeedsStatic(f"the length of {name} depends on the input", where=op.place)
        arg = (arg,)
    return [convert(op, name, item) for item in arg]


def _to_list_or(convert: _Convert, other: _Convert, op: Op, name: str, arg: Lowered) -> Any:
    return convert(op, name, arg) if isinstance(arg, tuple) else other(op, name, arg)


def _to_value(op: Op, name: str, arg: Lowered) -> Value:
    if isinstance(arg, Value):
        return arg
    if isinstance(arg, TensorLiteral):
        return op.const(arg.tensor.numpy(), arg.tensor.dtype)
    if isinstance(arg, bool | int | float):
        return op.const(arg)
    if isinstance(arg, ComplexValue | complex):
        raise UnsupportedCase(f"a complex {name}", where=op.place, hint=_COMPLEX_HINT)
    if isinstance(arg, QuantizedValue):
        raise UnsupportedCase(f"a quantised {name}", where=op.place, hint="Call dequantize() on it before.")
    raise InternalError(f"argument {name} is no tensor: {_show(arg)}")


def _to_complex(op: Op, name: str, arg: Lowered) -> Any:
    """A complex tensor, a real one or a number, as it comes."""
    if isinstance(arg, TensorLiteral) and arg.tensor.dtype.is_complex and not arg.wrapped_number:
        pairs = as_pairs(arg.tensor)
        return ComplexValue(op.const(pairs.numpy(), pairs.dtype))
    return arg if isinstance(arg, ComplexValue | complex) else _to_number_or_value(op, name, arg)


def _to_quantized(op: Op, name: str, arg: Lowered) -> QuantizedValue:
    if not isinstance(arg, QuantizedValue):
        raise UnsupportedCase(f"argument {name}={_show(arg)} is not quantised", where=op.place)
    return arg


def _to_value_or_quantized(op: Op, name: str, arg: Lowered) -> Value | QuantizedValue:
    return arg if isinstance(arg, QuantizedValue) else _to_value(op, name, arg)


def _to_number(op: Op, name: str, arg: Lowered) -> Any:
    if isinstance(arg, bool | int | float | complex):
        return arg
    found = _constant(arg)
    if found is not None and found.size == 1:
        return found.reshape(()).item()
    known = op.known_dims(arg) if isinstance(arg, Value) else None
    if known is not None and len(known) == 1 and isinstance(known[0], int):
        return known[0]
    if isinstance(arg, Value):
        raise NeedsStatic(
            f"argument {name} must be known during the export and depends on the input",
            where=op.place,
            hint=f"Make {name} a Python number in the model, or take the dynamic axis that it depends on away.",
        )
    raise UnsupportedCase(f"argument {name}={_show(arg)} is no number", where=op.place)


def _to_int(op: Op, name: str, arg: Lowered) -> int:
    number = _to_number(op, name, arg)
    if isinstance(number, complex) or number != int(number):
        raise UnsupportedCase(f"argument {name}={number} is no integer", where=op.place)
    return int(number)


def _to_float(op: Op, name: str, arg: Lowered) -> float:
    number = _to_number(op, name, arg)
    if isinstance(number, complex):
        raise UnsupportedCase(f"argument {name}={number} is complex", where=op.place)
    return float(number)


def _to_bool(op: Op, name: str, arg: Lowered) -> bool:
    return bool(_to_number(op, name, arg))


def _to_number_or_value(op: Op, name: str, arg: Lowered) -> Any:
    """A number stays one, so that it takes part in type promotion as a number; a tensor stays a tensor."""
    if isinstance(arg, TensorLiteral) and arg.wrapped_number:
        return arg.tensor.numpy().item()
    if isinstance(arg, DType):
        return arg.torch_number
    if isinstance(arg, Enumeral):
        return arg.value
    if isinstance(arg, bool | int | float | complex):
        return arg
    return _to_value(op, name, arg)


def _to_int_or_value(op: Op, name: str, arg: Lowered) -> int | Value:
    if isinstance(arg, Value) and arg.const is None:
        known = op.known_dims(arg)
        if known is None or len(known) != 1 or not isinstance(known[0], int):
            return arg
    return _to_int(op, name, arg)


def _to_float_or_value(op: Op, name: str, arg: Lowered) -> float | Value:
    if isinstance(arg, Value) and arg.const is None:
        return arg
    return _to_float(op, name, arg)


def _to_str(op: Op, name: str, arg: Lowered) -> str:
    if not isinstance(arg, str):
        raise InternalError(f"argument {name} is no text: {_show(arg)}")
    return arg


def _to_dtype(op: Op, name: str, arg: Lowered) -> DType:
    if isinstance(arg, int) and not isinstance(arg, bool):
        arg = DType.from_torch_number(arg)
    if not isinstance(arg, DType):
        raise UnsupportedCase(f"argument {name}={_show(arg)} is no element type", where=op.place)
    return arg


def _as_is(op: Op, name: str, arg: Lowered) -> Any:
    return arg


_SINGLE: dict[Any, _Convert] = {
    Value: _to_value,
    QuantizedValue: _to_quantized,
    int: _to_int,
    float: _to_float,
    bool: _to_bool,
    str: _to_str,
    DType: _to_dtype,
    Any: _as_is,
    object: _as_is,
    Device: _as_is,
    Enumeral: _as_is,
}


def _constant(arg: Lowered) -> np.ndarray[Any, Any] | None:
    if isinstance(arg, TensorLiteral):
        return arg.tensor.numpy()
    if isinstance(arg, Value) and arg.const is not None:
        return arg.array()
    return None


def _show(arg: Lowered) -> str:
    if isinstance(arg, Value):
        return f"<{arg.value_type}>"
    if isinstance(arg, tuple):
        return f"[{', '.join(map(_show, arg))}]"
    return repr(arg)
