"""Identities: calls whose result is one of their operands. Tried on every call before it is emitted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from onnxport_ir import DType, Node, Value
from onnxport_ir.dims import product
from onnxport_ir.rules.contents import contents

from onnxport_symbolics.calls import Call

if TYPE_CHECKING:
    from onnxport_symbolics.op import Op

_Rule = Callable[["Op", Call], "tuple[Value, ...] | None"]
_RULES: dict[str, _Rule] = {}
_INT64_MAX = 2**63 - 1


def simplify(op: Op, call: Call) -> tuple[Value, ...] | None:
    """The results of a call that needs no node, or fewer; None if it is as simple as it gets."""
    rule = _RULES.get(call.op_type)
    return None if rule is None else rule(op, call)


def _rule(*op_types: str) -> Callable[[_Rule], _Rule]:
    def register(function: _Rule) -> _Rule:
        for op_type in op_types:
            _RULES[op_type] = function
        return function

    return register


def _first(call: Call) -> Value:
    first = call.operands[0]
    if first is None:
        raise IndexError(f"{call.op_type} without its first operand")
    return first


def _same(value: Value) -> tuple[Value, ...]:
    return (value,)


@_rule("Identity")
def _identity(op: Op, call: Call) -> tuple[Value, ...] | None:
    return _same(_first(call))


@_rule("Cast")
def _cast(op: Op, call: Call) -> tuple[Value, ...] | None:
    """Cast to the type it has; int to int to wider int in one step."""
    x = _first(call)
    return _same(x) if x.dtype is not None and x.dtype.onnx == call.attributes["to"] else None


@_rule("Transpose")
def _transpose(op: Op, call: Call) -> tuple[Value, ...] | None:
    x = _first(call)
    perm = call.attributes.get("perm")
    if perm is None:
        return _same(x) if x.rank is not None and x.rank <= 1 else None
    if perm == tuple(range(len(perm))):
        return _same(x)
    inner = x.producer
    if inner is not None and inner.op_type == "Transpose" and not inner.domain and "perm" in inner.attributes:
        first = inner.attributes["perm"]
        source = inner.operands[0]
        if isinstance(first, tuple) and source is not None:
            return (op.Transpose(source, perm=tuple(first[p] for p in perm)),)
    return None


@_rule("Reshape")
def _reshape(op: Op, call: Call) -> tuple[Value, ...] | None:
    x, shape = _first(call), call.operands[1]
    if shape is None or x.shape is None:
        return None
    target = contents(shape)
    if target is None or len(target) != len(x.shape):
        return _reshape_of_reshaped(op, call)
    # A 0 copies the size (unless allowzero), one -1 is what is left: with all others equal it is equal too.
    copies = not call.attributes.get("allowzero", 0)
    unequal = [t for t, size in zip(target, x.shape, strict=True) if t != size and not (copies and t == 0)]
    return _same(x) if unequal in ([], [-1]) else _reshape_of_reshaped(op, call)


#: Operators that leave the elements of their first operand in their order.
_RESHAPES = frozenset({"Reshape", "Flatten", "Unsqueeze", "Squeeze"})


def _reshape_of_reshaped(op: Op, call: Call) -> tuple[Value, ...] | None:
    """What shape a tensor had between its first and its last does not matter, unless sizes are copied from it."""
    x, shape = _first(call), call.operands[1]
    inner = x.producer
    if inner is None or inner.op_type not in _RESHAPES or inner.domain or shape is None or x.shape is None:
        return None
    source = inner.operands[0]
    if source is None or source.shape is None or product(source.shape) != product(x.shape):
        # Where the sizes are related by something that is not in these formulas, it would be forgotten.
        return None
    if not call.attributes.get("allowzero", 0):
        known = _ints(call, 1)
        if known is None:
            # A size that is computed may come to 0, which is a copy.
            return None
        copied = [
            axis
            for axis, size in enumerate(known)
            if size == 0 and source.shape[axis : axis + 1] != x.shape[axis : axis + 1]
        ]
        if copied and (-1 in known or known.count(0) > 1):
            return None
        if copied:
            # What would be copied is what is left; beside a size of 0 that would not be known.
            shape = op.const(np.array([-1 if axis in copied else size for axis, size in enumerate(known)], np.int64))
    return (op.Reshape(source, shape, **call.attributes),)


@_rule("Expand")
def _expand(op: Op, call: Call) -> tuple[Value, ...] | None:
    x, shape = _first(call), call.operands[1]
    target = None if shape is None else contents(shape)
    if x.shape is None or target is None or len(target) > len(x.shape):
        return None
    added = len(x.shape) - len(target)
    sizes = x.shape[added:]
    if all(t in (1, size) for t, size in zip(target, sizes, strict=True)):
        return _same(x)
    numbers = _ints(call, 1)
    empty = [added + axis for axis, t in enumerate(numbers or ()) if t == 0 and sizes[axis] != 0]
    if numbers is None or not empty:
        return None
    # ONNX Runtime 1.32 takes an Expand from 1 to a constant 0 out of the graph, as if it changed nothing.
    x = op.Slice(x, [0] * len(empty), [0] * len(empty), empty)
    return (op.Expand(x, [number or 1 for number in numbers]),)


@_rule("Squeeze", "Unsqueeze")
def _squeeze(op: Op, call: Call) -> tuple[Value, ...] | None:
    x = _first(call)
    axes = _ints(call, 1)
    if axes == ():
        return _same(x)
    inner = x.producer
    joined = _one_unsqueeze(op, call, axes) if call.op_type == "Unsqueeze" else _squeeze_of_transposed(op, call, axes)
    if joined is not None:
        return joined
    opposite = {"Squeeze": "Unsqueeze", "Unsqueeze": "Squeeze"}[call.op_type]
    # With one axis on both sides the two undo each other, if it is counted from the same end.
    if axes and len(axes) == 1 and inner is not None and inner.op_type == opposite and not inner.domain:
        source = inner.operands[0]
        if source is not None and _axes_of(inner) == axes:
            return _same(source)
    return None


def _one_unsqueeze(op: Op, call: Call, axes: tuple[int, ...] | None) -> tuple[Value, ...] | None:
    """New axes beside others that are new are made with them."""
    x = _first(call)
    inner = x.producer
    if inner is None or inner.op_type != "Unsqueeze" or inner.domain or x.rank is None or axes is None:
        return None
    source, before = inner.operands[0], _axes_of(inner)
    if source is None or before is None:
        return None
    rank = x.rank + len(axes)
    added = {axis % rank for axis in axes}
    kept = [axis for axis in range(rank) if axis not in added]
    return (op.Unsqueeze(source, sorted(added | {kept[axis % x.rank] for axis in before})),)


def _squeeze_of_transposed(op: Op, call: Call, axes: tuple[int, ...] | None) -> tuple[Value, ...] | None:
    """An axis that is made, moved and taken away is not made."""
    moved = _first(call).producer
    if moved is None or moved.op_type != "Transpose" or moved.domain or axes is None or len(axes) != 1:
        return None
    perm, made = moved.attributes.get("perm"), None if moved.operands[0] is None else moved.operands[0].producer
    if made is None or made.op_type != "Unsqueeze" or made.domain or not isinstance(perm, tuple):
        return None
    source, before = made.operands[0], _axes_of(made)
    order = [int(axis) for axis in perm]
    if source is None or before is None or len(before) != 1 or order[axes[0]] != before[0] % len(order):
        return None
    removed = order.pop(axes[0])
    return (op.Transpose(source, perm=[axis - (axis > removed) for axis in order]),)


def _axes_of(node: Node) -> tuple[int, ...] | None:
    """The axes of a Squeeze or Unsqueeze, wherever its opset has them."""
    axes = node.attributes.get("axes")
    if axes is None and len(node.operands) > 1 and node.operands[1] is not None:
        known = node.operands[1]
        axes = None if known.const is None else np.atleast_1d(known.array()).tolist()
    return tuple(int(axis) for axis in axes) if isinstance(axes, tuple | list) else None


@_rule("Concat")
def _concat(op: Op, call: Call) -> tuple[Value, ...] | None:
    return _same(_first(call)) if len(call.operands) == 1 else None


@_rule("Slice")
def _slice(op: Op, call: Call) -> tuple[Value, ...] | None:
    x = _first(call)
    starts, ends, axes, steps = (_ints(call, i) for i in range(1, 5))
    if starts is None or ends is None or any(starts):
        return None
    if steps is None and len(call.operands) > 4 and call.operands[4] is not None:
        return None
    if steps is not None and any(step != 1 for step in steps):
        return None
    for index, end in enumerate(ends):
        size = None
        if x.shape is not None and axes is not None:
            size = x.shape[axes[index]]
        if end != _INT64_MAX and not (isinstance(size, int) and end >= size):
            return None
    return _same(x)


@_rule("Pad")
def _pad(op: Op, call: Call) -> tuple[Value, ...] | None:
    pads = _ints(call, 1)
    return _same(_first(call)) if pads is not None and not any(pads) else None


@_rule("Tile")
def _tile(op: Op, call: Call) -> tuple[Value, ...] | None:
    repeats = _ints(call, 1)
    return _same(_first(call)) if repeats is not None and all(r == 1 for r in repeats) else None


@_rule("Mul", "Div")
def _times_one(op: Op, call: Call) -> tuple[Value, ...] | None:
    """Multiplying by 1 is exact in every type."""
    return _neutral(call, 1, both=call.op_type == "Mul")


@_rule("Add", "Sub")
def _plus_zero(op: Op, call: Call) -> tuple[Value, ...] | None:
    """Adding 0 is left alone for floats: -0.0 + 0.0 is 0.0."""
    x = _first(call)
    if x.dtype is None or not (x.dtype.is_integer or call.op_type == "Sub"):
        return None
    return _neutral(call, 0, both=call.op_type == "Add")


@_rule("And", "Or")
def _logic(op: Op, call: Call) -> tuple[Value, ...] | None:
    return _neutral(call, call.op_type == "And", both=True)


@_rule("Not")
def _not(op: Op, call: Call) -> tuple[Value, ...] | None:
    inner = _first(call).producer
    if inner is not None and inner.op_type == "Not" and inner.operands[0] is not None:
        return _same(inner.operands[0])
    return None


def _neutral(call: Call, number: float, *, both: bool) -> tuple[Value, ...] | None:
    """The other operand, if one is a constant scalar equal to ``number`` and the result has the other's shape."""
    left, right = call.operands[0], call.operands[1]
    pairs = [(left, right), (right, left)] if both else [(left, right)]
    for kept, other in pairs:
        if kept is None or other is None or other.const is None or other.is_weight or kept.const is not None:
            continue
        tensor = other.const
        if len(tensor.shape) > 0 and (kept.rank is None or len(tensor.shape) > kept.rank):
            continue
        if all(size == 1 for size in tensor.shape) and other.array().reshape(-1)[0] == number:
            return _same(kept)
    return None


def _ints(call: Call, index: int) -> tuple[int, ...] | None:
    """A constant integer operand as numbers; None if it is left out or not known."""
    if index >= len(call.operands):
        return None
    operand = call.operands[index]
    if operand is None or operand.const is None or operand.dtype not in (DType.INT64, DType.INT32):
        return None
    return tuple(int(v) for v in np.atleast_1d(operand.array()))
