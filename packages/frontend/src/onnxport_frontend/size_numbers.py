"""Whole numbers that sizes decide: what a model computes with ``x.shape[1]``."""

from __future__ import annotations

from collections.abc import Callable

from onnxport_ir.dims import Dim, product
from onnxport_ir.types import TensorType

from onnxport_frontend.size_calls import LONGEST, Call, quotient


def number_of(call: Call) -> Dim | None:
    """The whole number that a call gives, if sizes decide it."""
    eqn = call.eqn
    if len(eqn.outputs) != 1 or not eqn.args:
        return None
    rule = _NUMBERS.get(eqn.op.name)
    if rule is None:
        return None
    result = rule(call)
    return None if result is None or (not isinstance(result, int) and len(result.terms) > LONGEST) else result


def _size(call: Call) -> Dim | None:
    dims = call.dims()
    axis = None if dims is None else call.axis("dim", len(dims))
    return None if dims is None or axis is None else dims[axis]


def _numel(call: Call) -> Dim | None:
    dims = call.dims()
    return None if dims is None else product(dims)


def _same_number(call: Call) -> Dim | None:
    out = call.eqn.outputs[0].type
    if isinstance(out, TensorType) and (out.dtype is None or out.dtype.short not in ("i64", "i32", "i16", "i8", "u8")):
        return None
    return call.facts.arg(call.eqn.args[0]).number


def _arithmetic(combine: Callable[[Dim, Dim], Dim | None]) -> Callable[[Call], Dim | None]:
    def rule(call: Call) -> Dim | None:
        if call.named.get("alpha", 1) != 1 or call.named.get("rounding_mode") not in (None, "floor"):
            return None
        left, right = (call.facts.arg(arg).number for arg in call.eqn.args[:2])
        return None if left is None or right is None else combine(left, right)

    return rule


def _divided(call: Call) -> Dim | None:
    if call.eqn.op.name == "div" and call.named.get("rounding_mode") != "floor":
        return None
    left, right = (call.facts.arg(arg).number for arg in call.eqn.args[:2])
    if left is None or right is None or right == 0:
        return None
    return quotient(call.facts, left, right)


_NUMBERS: dict[str, Callable[[Call], Dim | None]] = {
    "size": _size,
    "sym_size": _size,
    "numel": _numel,
    "NumToTensor": _same_number,
    "Int": _same_number,
    "IntImplicit": _same_number,
    "ScalarImplicit": _same_number,
    "detach": _same_number,
    "clone": _same_number,
    "to": _same_number,
    "add": _arithmetic(lambda a, b: a + b),
    "sub": _arithmetic(lambda a, b: a - b),
    "rsub": _arithmetic(lambda a, b: b - a),
    "mul": _arithmetic(lambda a, b: a * b),
    "floor_divide": _divided,
    "floordiv": _divided,
    "div": _divided,
}
