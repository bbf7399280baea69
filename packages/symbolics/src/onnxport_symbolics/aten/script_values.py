"""What the script language asks of values of all kinds: whether they are None, what torch's switches say."""

from __future__ import annotations

from onnxport_ir import Value

from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten, prim
from onnxport_symbolics.structures import Maybe


def _is_none(op: Op, left: object, right: object) -> bool | Value:
    if right is not None:
        left, right = right, left
    if right is not None:
        raise op.refuse("the identity of two values")
    if isinstance(left, Maybe):
        return op.Not(left.present)
    return left is None


@aten("__is__")
def is_(op: Op, self: object, obj: object) -> bool | Value:
    """__is__(t1 self, t2 obj) -> bool"""
    return _is_none(op, self, obj)


@aten("__isnot__")
def is_not(op: Op, self: object, obj: object) -> bool | Value:
    """__isnot__(t1 self, t2 obj) -> bool"""
    found = _is_none(op, self, obj)
    return op.Not(found) if isinstance(found, Value) else not found


@prim("unchecked_cast")
def unchecked_cast(op: Op, x: object) -> object:
    """prim::unchecked_cast(t x) -> t"""
    return x.value if isinstance(x, Maybe) else x


@aten("_unwrap_optional")
def unwrap_optional(op: Op, optional: object) -> object:
    """_unwrap_optional(t(a)? optional) -> t(a)"""
    if optional is None:
        raise op.refuse("a value that is None where the model needs one")
    return optional.value if isinstance(optional, Maybe) else optional


@aten("is_autocast_enabled", "is_autocast_cpu_enabled", "is_grad_enabled")
def is_switched_on(op: Op) -> bool:
    """is_autocast_enabled() -> bool; is_grad_enabled() -> bool"""
    return False


@aten("eq.enum")
def same(op: Op, a: object, b: object) -> bool:
    """eq.enum(AnyEnumType a, AnyEnumType b) -> bool"""
    return a == b


@aten("element_size")
def element_size(op: Op, self: Value) -> int:
    """element_size(Tensor self) -> int"""
    return op.dtype(self).bits // 8
