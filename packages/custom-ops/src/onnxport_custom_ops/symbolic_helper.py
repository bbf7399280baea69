"""Helpers for symbolic functions, under the names of ``torch.onnx.symbolic_helper``.

Symbolic functions import them by these names, those with a leading underscore too, so that the names are a public
interface here. What they do is documented by the functions themselves.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from onnxport_ir import Value
from onnxport_ir.errors import InvalidArgument, NeedsOpset, NeedsStatic, UnsupportedCase

from onnxport_custom_ops.context import GraphContext
from onnxport_custom_ops.refusals import (  # noqa: F401 - part of the interface, by these names
    _onnx_opset_unsupported,
    _onnx_opset_unsupported_detailed,
    _onnx_unsupported,
    _unimplemented,
)
from onnxport_custom_ops.scalar_types import JitScalarType
from onnxport_custom_ops.values import SymbolicValue, python_value

_F = TypeVar("_F", bound=Callable[..., Any])

_NUMBERS = {"i": int, "f": float, "b": bool}
_LISTS = {"is": int, "fs": float}

#: ONNX's numbers of element types, by the names that tensor types give them.
cast_pytorch_to_onnx: dict[str, int] = {
    member.scalar_name(): member.onnx_type()
    for member in JitScalarType
    if member.onnx_compatible() and not member.name.startswith("Q")
}
#: The names that tensor types give element types, by torch's name of them.
pytorch_name_to_type: dict[str, str] = {
    member.torch_name(): member.scalar_name() for member in JitScalarType if member is not JitScalarType.UNDEFINED
}
scalar_name_to_pytorch: dict[str, str] = {name: torch_name for torch_name, name in pytorch_name_to_type.items()}
#: torch's dtypes, by the numbers of :class:`JitScalarType`.
scalar_type_to_pytorch_type: list[torch.dtype] = [
    member.dtype() for member in JitScalarType if member is not JitScalarType.UNDEFINED
]
#: ONNX's numbers of element types, by the numbers of :class:`JitScalarType`; 0 where ONNX has none.
scalar_type_to_onnx: list[int] = [member.onnx_type() if member.onnx_compatible() else 0 for member in JitScalarType]


def parse_args(*arg_descriptors: str) -> Callable[[_F], _F]:
    """Say what a symbolic function wants of its arguments, which arrive as Python objects then.

    Args:
        arg_descriptors: one for each argument after the graph: ``v`` for a value as it is, ``i``, ``f``, ``b``, ``s``,
            ``t`` for an integer, float, truth value, text or tensor, ``is`` and ``fs`` for lists, ``none`` for an
            argument that is not looked at.

    Raises:
        InvalidArgument: for a descriptor that is none of these.
    """
    unknown = set(arg_descriptors) - {"v", "s", "t", "none", *_NUMBERS, *_LISTS}
    if unknown:
        raise InvalidArgument(f"parse_args knows no {', '.join(sorted(unknown))}")

    def decorate(function: _F) -> _F:
        names = [p.name for p in list(inspect.signature(function).parameters.values())[1:]]
        wanted = dict(zip(names, arg_descriptors, strict=False))

        @functools.wraps(function)
        def symbolic(g: GraphContext, *args: Any, **kwargs: Any) -> Any:
            if len(args) > len(arg_descriptors):
                raise InvalidArgument(
                    f"{function.__name__} has {len(arg_descriptors)} descriptors for {len(args)} arguments"
                )
            parsed = [
                _parse_arg(arg, descriptor, name)
                for arg, descriptor, name in zip(args, arg_descriptors, [*names, *arg_descriptors], strict=False)
            ]
            named = {name: _parse_arg(arg, wanted.get(name, "v"), name) for name, arg in kwargs.items()}
            return function(g, *parsed, **named)

        return symbolic  # type: ignore[return-value]  # has the parameters of what it wraps

    return decorate


def _parse_arg(value: Any, desc: str, arg_name: str | None = None, node_name: str | None = None) -> Any:
    """An argument as the Python object that a descriptor of :func:`parse_args` asks for; None stays None.

    Raises:
        NeedsStatic: if it depends on the input.
        UnsupportedCase: if it is something else.
    """
    if desc in ("v", "none") or not _is_value(value):
        return value
    lowered = value.lowered
    if lowered is None:
        return None
    what = f"argument {arg_name}" if arg_name else "an argument"
    if _depends(lowered):
        raise NeedsStatic(f"{what} must be known during the export and depends on the input")
    found = python_value(lowered)
    try:
        if desc in _NUMBERS:
            return _NUMBERS[desc](found.item() if isinstance(found, torch.Tensor) else found)
        if desc in _LISTS:
            items = found.reshape(-1).tolist() if isinstance(found, torch.Tensor) else found
            items = items if isinstance(items, list) else [items]
            return [_LISTS[desc](item.item() if isinstance(item, torch.Tensor) else item) for item in items]
        if desc == "t":
            return found if isinstance(found, torch.Tensor) else torch.as_tensor(found)
        return str(found)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UnsupportedCase(f"{what}, {value}, is not what the descriptor {desc!r} says") from error


def _depends(lowered: Any) -> bool:
    if isinstance(lowered, tuple):
        return any(map(_depends, lowered))
    return isinstance(lowered, Value) and lowered.const is None


def quantized_args(
    *arg_q_descriptors: bool, scale: float | None = None, zero_point: int | None = None, quantize_output: bool = True
) -> Callable[[_F], _F]:
    """Let a symbolic function for floats serve quantized tensors as well: it gets them dequantized.

    Args:
        arg_q_descriptors: for each argument, whether it may be quantized.
        scale: the scale of the result; that of the first quantized argument if None.
        zero_point: the zero point of the result; that of the first quantized argument if None.
        quantize_output: whether the result is quantized again.
    """

    def decorate(function: _F) -> _F:
        @functools.wraps(function)
        def symbolic(g: GraphContext, *args: Any, **kwargs: Any) -> Any:
            flags = [*arg_q_descriptors, *[False] * len(args)]
            packed = [_is_quantized(arg) and flag for arg, flag in zip(args, flags, strict=False)]
            if not any(packed):
                return function(g, *args, **kwargs)
            own_scale = own_zero = None
            floats = []
            for arg, is_packed in zip(args, packed, strict=True):
                if is_packed:
                    arg, its_scale, its_zero, _ = dequantize_helper(g, arg)  # noqa: PLW2901 - it takes its place
                    own_scale = its_scale if own_scale is None else own_scale
                    own_zero = its_zero if own_zero is None else own_zero
                floats.append(arg)
            result = function(g, *floats, **kwargs)
            if not quantize_output:
                return result
            out_scale = own_scale if scale is None else g.op("Constant", value_t=torch.tensor(scale))
            out_zero = (
                own_zero
                if zero_point is None
                else g.op("Constant", value_t=torch.tensor(zero_point, dtype=torch.uint8))
            )
            return quantize_helper(g, result, out_scale, out_zero)

        return symbolic  # type: ignore[return-value]  # has the parameters of what it wraps

    return decorate


def _is_quantized(value: Any) -> bool:
    return _is_value(value) and value.node().kind() == "prim::TupleConstruct"


def dequantize_helper(g: GraphContext, qtensor: SymbolicValue, qdtype: int | None = None) -> tuple[Any, ...]:
    """A quantized tensor, which is a tuple of integers, scale, zero point and perhaps axis, as floats.

    Returns:
        The floats, the scale, the zero point, and the axis or None.
    """
    tensor, scale, zero_point, *rest = _unpack_tuple(qtensor)
    axis = _get_const(rest[0], "i", "axis") if rest and not _is_none(rest[0]) else None
    result = g.op("DequantizeLinear", tensor, scale, zero_point, axis_i=axis)
    return result, scale, zero_point, rest[0] if rest else None


def quantize_helper(g: GraphContext, tensor: Any, scale: Any, zero_point: Any, axis: Any = None) -> SymbolicValue:
    """Floats as a quantized tensor: a tuple of integers, scale, zero point and perhaps axis."""
    number = None if axis is None or _is_none(axis) else _get_const(axis, "i", "axis")
    result = g.op("QuantizeLinear", tensor, scale, zero_point, axis_i=number)
    parts = [result, scale, zero_point, *([] if axis is None else [axis])]
    return g.pack(*parts)


def _is_value(x: Any) -> bool:
    """Whether it is a value of the graph, not a Python object."""
    return type(x) is SymbolicValue


def _is_none(x: Any) -> bool:
    """Whether it is None, or a value that stands for it."""
    return x is None or (_is_value(x) and x.lowered is None)


def _is_constant(value: Any) -> bool:
    """Whether it is known during the export; a weight is not taken for a constant."""
    return not _is_value(value) or value.node().kind() in ("onnx::Constant", "prim::Constant")


_is_onnx_constant = _is_constant


def _is_tensor(x: SymbolicValue) -> bool:
    """Whether it is a tensor."""
    return x.type().kind() == "TensorType"


def _is_list(x: SymbolicValue) -> bool:
    """Whether it is a list."""
    return x.type().kind() == "ListType"


def _is_tensor_list(x: SymbolicValue) -> bool:
    """Whether it is a list of tensors."""
    return _is_list(x) and x.type().getElementType().kind() == "TensorType"


def _is_scalar_list(x: SymbolicValue) -> bool:
    """Whether it is a list of numbers."""
    return _is_list(x) and x.type().getElementType().kind() in ("IntType", "FloatType", "BoolType")


def _is_tuple_construct(x: SymbolicValue) -> bool:
    """Whether it is a tuple that the model makes."""
    return x.node().kind() == "prim::TupleConstruct"


def _is_packed_list(list_value: Any) -> bool:
    """Whether it is a list that the model makes, whose items can be had."""
    return _is_value(list_value) and list_value.node().kind() == "prim::ListConstruct"


def is_complex_value(x: SymbolicValue) -> bool:
    """Whether its elements are complex."""
    return "Complex" in (x.type().scalarType() or "")


def _is_fp(value: Any) -> bool:
    """Whether its elements are floats."""
    return JitScalarType.from_value(value, JitScalarType.UNDEFINED).name in ("HALF", "FLOAT", "DOUBLE", "BFLOAT16")


def _is_bool(value: Any) -> bool:
    """Whether its elements are truth values."""
    return JitScalarType.from_value(value, JitScalarType.UNDEFINED) is JitScalarType.BOOL


def _get_const(value: Any, desc: str, arg_name: str) -> Any:
    """A constant as a Python object.

    Raises:
        NeedsStatic: if it depends on the input.
    """
    return _parse_arg(value, desc, arg_name)


def _maybe_get_const(value: Any, descriptor: str) -> Any:
    """A constant as a Python object; any other value as it is."""
    if _is_value(value) and not _depends(value.lowered) and not _is_weight(value):
        return _parse_arg(value, descriptor)
    return value


def _is_weight(value: SymbolicValue) -> bool:
    return isinstance(value.lowered, Value) and value.lowered.is_weight


def _maybe_get_scalar(value: Any) -> Any:
    """A constant of one element as a tensor of rank 0; any other value as it is."""
    found = _maybe_get_const(value, "t") if not (_is_value(value) and value.lowered is None) else value
    return found if isinstance(found, torch.Tensor) and found.shape == () else value


def _scalar(x: Any) -> Any:
    """The number in a tensor of rank 0; None for anything else."""
    return x.item() if isinstance(x, torch.Tensor) and x.shape == () else None


def _unpack_list(list_value: SymbolicValue) -> list[SymbolicValue]:
    """The items of a list that the model makes.

    Raises:
        UnsupportedCase: if it is none.
    """
    if list_value.node().kind() != "prim::ListConstruct":
        raise UnsupportedCase(f"{list_value} is no list whose items are known")
    return list_value.node().inputs()


def _unpack_tuple(tuple_value: SymbolicValue) -> tuple[SymbolicValue, ...]:
    """The items of a tuple that the model makes.

    Raises:
        UnsupportedCase: if it is none.
    """
    if tuple_value.node().kind() not in ("prim::TupleConstruct", "prim::ListConstruct"):
        raise UnsupportedCase(f"{tuple_value} is no tuple whose items are known")
    return tuple(tuple_value.node().inputs())


_unpack_quantized_tensor = _unpack_tuple


def _get_tensor_rank(x: SymbolicValue) -> int | None:
    """The number of dimensions; None if unknown or if it is no tensor."""
    return x.type().dim()


def _get_tensor_sizes(x: SymbolicValue, allow_nonstatic: bool = True) -> Any:
    """The sizes, with None for those that are not known, or None for all of them if these are not allowed."""
    return x.type().varyingSizes() if allow_nonstatic else x.type().sizes()


def _get_tensor_dim_size(x: SymbolicValue, dim: int) -> int | None:
    """One size; None if it is not known."""
    sizes = _get_tensor_sizes(x)
    return sizes[dim] if sizes else None


def _try_get_scalar_type(*args: Any) -> JitScalarType | None:
    """The first element type that is known; None if none is."""
    found = (JitScalarType.from_value(arg, JitScalarType.UNDEFINED) for arg in args)
    return next((kind for kind in found if kind is not JitScalarType.UNDEFINED), None)


def _type_promote_from_values(*args: Any) -> JitScalarType:
    """The element type that torch's promotion gives for tensors of these types."""
    kinds = [kind for kind in map(_try_get_scalar_type, args) if kind is not None]
    if not kinds:
        return JitScalarType.UNDEFINED
    return JitScalarType.from_dtype(functools.reduce(torch.promote_types, [kind.dtype() for kind in kinds]))


def _maybe_cast_to_type(g: GraphContext, value: SymbolicValue, jit_type: JitScalarType) -> SymbolicValue:
    """``value`` in another element type."""
    if JitScalarType.from_value(value, JitScalarType.UNDEFINED) is jit_type:
        return value
    return g.op("Cast", value, to_i=jit_type.onnx_type())  # type: ignore[no-any-return]  # one result is a value


def args_have_same_dtype(args: Sequence[SymbolicValue]) -> bool:
    """Whether all have the same element type."""
    return len({JitScalarType.from_value(arg, JitScalarType.UNDEFINED) for arg in args}) <= 1


def _unsqueeze_helper(g: GraphContext, input: Any, axes_i: Sequence[int]) -> Any:  # noqa: A002 - torch's name
    """``Unsqueeze`` as the opset spells it."""
    return _with_axes(g, "Unsqueeze", input, axes_i, since=13)


def _squeeze_helper(g: GraphContext, input: Any, axes_i: Any) -> Any:  # noqa: A002 - torch's name
    """``Squeeze`` as the opset spells it."""
    return _with_axes(g, "Squeeze", input, axes_i, since=13)


def _reducesum_helper(
    g: GraphContext,
    input: Any,  # noqa: A002 - torch's name
    axes_i: Any = None,
    keepdims_i: int = 1,
    noop_with_empty_axes_i: int = 0,
) -> Any:
    """``ReduceSum`` as the opset spells it."""
    if noop_with_empty_axes_i and not axes_i:
        return input
    return _with_axes(g, "ReduceSum", input, axes_i, since=13, keepdims_i=keepdims_i)


def _with_axes(g: GraphContext, op_type: str, x: Any, axes: Any, *, since: int, **attributes: int) -> Any:
    """An operator whose axes became an input at opset ``since``."""
    if g.opset < since:
        return g.op(op_type, x, axes_i=_maybe_get_const(axes, "is"), **attributes)
    if axes is None:
        return g.op(op_type, x, **attributes)
    if not _is_value(axes):
        axes = g.op("Constant", value_t=torch.tensor(axes, dtype=torch.int64).reshape(-1))
    return g.op(op_type, x, axes, **attributes)


def _select_helper(g: GraphContext, self: Any, dim: Any, index: Any, apply_reshape: bool = True) -> Any:
    """One index along an axis, which goes away."""
    known = _maybe_get_const(index, "i")
    if isinstance(known, int):
        index = g.op("Constant", value_t=torch.tensor(known))
    elif apply_reshape and _get_tensor_rank(index) != 0:
        index = _reshape_helper(g, index, torch.tensor([], dtype=torch.int64))
    return g.op("Gather", self, index, axis_i=_get_const(dim, "i", "dim"))


def _slice_helper(
    g: GraphContext,
    input: Any,  # noqa: A002 - torch's name
    axes: Any,
    starts: Any,
    ends: Any,
    steps: Any = None,
) -> Any:
    """``Slice`` as the opset spells it."""
    if g.opset < 10:
        if steps is not None and any(step != 1 for step in _maybe_get_const(steps, "is")):
            raise NeedsOpset("Slice with steps", 10, g.opset)
        lists = [_maybe_get_const(items, "is") for items in (axes, starts, ends)]
        return g.op("Slice", input, axes_i=lists[0], starts_i=lists[1], ends_i=lists[2])
    operands = [starts, ends, axes, *([] if steps is None else [steps])]
    return g.op("Slice", input, *[item if _is_value(item) else torch.tensor(item).reshape(-1) for item in operands])


def _reshape_helper(
    g: GraphContext,
    input: Any,  # noqa: A002 - torch's name
    shape: Any,
    allowzero: int = 0,
) -> Any:
    """``Reshape`` to a list of sizes, known or not."""
    if not _is_value(shape):
        shape = g.op("Constant", value_t=torch.as_tensor(shape, dtype=torch.int64).reshape(-1))
    return g.op("Reshape", input, shape, allowzero_i=allowzero or None)


def _size_helper(g: GraphContext, self: Any, dim: Any) -> Any:
    """The size of an axis, as a value of rank 0."""
    return g.op("Gather", g.op("Shape", self), dim, axis_i=0)


def _numel_helper(g: GraphContext, self: Any) -> Any:
    """The number of elements, as a value of rank 0."""
    return g.op("Size", self)


def _topk_helper(
    g: GraphContext,
    input: Any,  # noqa: A002 - torch's name
    k: Any,
    dim: Any,
    largest: bool = True,
    sorted: bool = False,  # noqa: A002 - torch's name
    out: Any = None,
) -> Any:
    """``TopK`` as the opset spells it: values and indices.

    Raises:
        NeedsOpset: if the smallest are wanted below opset 11.
    """
    axis = _get_const(dim, "i", "dim")
    if g.opset < 11 and not largest:
        raise NeedsOpset("TopK with largest=0", 11, g.opset)
    if g.opset < 10:
        return g.op("TopK", input, k_i=_get_const(k, "i", "k"), axis_i=axis, outputs=2)
    if not _is_value(k):
        k = g.op("Constant", value_t=torch.tensor([k], dtype=torch.int64))
    else:
        k = _reshape_helper(g, k, [1])
    if g.opset < 11:
        return g.op("TopK", input, k, axis_i=axis, outputs=2)
    return g.op("TopK", input, k, axis_i=axis, largest_i=int(largest), sorted_i=int(sorted), outputs=2)


def _lt_helper(g: GraphContext, input: Any, other: Any) -> Any:  # noqa: A002 - torch's name
    """``Less``."""
    return g.op("Less", input, other)


def _optional_input_placeholder_tensor(g: GraphContext) -> SymbolicValue:
    """Stands for an optional input that is left out."""
    return g.op("prim::Constant")  # type: ignore[no-any-return]  # one result is a value


def _generate_wrapped_number(g: GraphContext, scalar: Any) -> Any:
    """A number as a tensor that takes its type from what it meets."""
    return g.op("Constant", value_t=torch.tensor(scalar))


def _flatten_helper(
    g: GraphContext,
    input: Any,  # noqa: A002 - torch's name
    start_dim: int,
    end_dim: int,
    dim: int,
) -> Any:
    """Join the axes from ``start_dim`` to ``end_dim`` of a tensor of rank ``dim``."""
    sizes = g.op("Shape", input)
    parts = [torch.tensor([-1])]
    if start_dim > 0:
        parts.insert(0, _slice_helper(g, sizes, axes=[0], starts=[0], ends=[start_dim]))
    if end_dim < dim - 1:
        parts.append(_slice_helper(g, sizes, axes=[0], starts=[end_dim + 1], ends=[dim]))
    return _reshape_helper(g, input, g.op("Concat", *parts, axis_i=0) if len(parts) > 1 else [-1])


def check_training_mode(op_train_mode: int, op_name: str) -> None:
    """Warn if an operator works otherwise in training, and the model is exported in that mode."""
    if op_train_mode:
        warnings.warn(f"{op_name} is exported as it works in training", stacklevel=2)
