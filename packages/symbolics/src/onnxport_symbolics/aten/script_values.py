"""What the script language asks of values that are no tensors: whether they are None, and texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from onnxport_ir import Value
from onnxport_ir.errors import LoweringError

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


@aten("format")
def format_(
    op: Op,
    self: str,
    arg1: object = None,
    arg2: object = None,
    arg3: object = None,
    arg4: object = None,
    arg5: object = None,
    arg6: object = None,
) -> str | LoweringError:
    """format(str self, ...) -> str"""
    given = [arg1, arg2, arg3, arg4, arg5, arg6][: self.count("{}")]
    return _text(op, lambda: self.format(*given), *given)


@aten("str")
def str_(op: Op, elem: object) -> str | LoweringError:
    """str(t elem) -> str"""
    return _text(op, lambda: str(elem), elem)


def _text(op: Op, build: Callable[[], str], *parts: object) -> str | LoweringError:
    """A text of known parts; the error stands for one of other parts, which is often printed only."""
    if all(isinstance(part, bool | int | float | str) for part in parts):
        return build()
    return op.refuse("a text that depends on the input")


@aten("add.str")
def add_texts(op: Op, a: str, b: str) -> str:
    """add.str(str a, str b) -> str"""
    return a + b


@aten("lower")
def lower(op: Op, self: str) -> str:
    """lower(str self) -> str"""
    return self.lower()


@aten("upper")
def upper(op: Op, self: str) -> str:
    """upper(str self) -> str"""
    return self.upper()


@aten("startswith")
def startswith(op: Op, self: str, substr: str, start: int, end: int) -> bool:
    """startswith(str self, str substr, int start=0, int end=-1) -> bool"""
    return self.startswith(substr, start) if end == -1 else self.startswith(substr, start, end)


@aten("endswith")
def endswith(op: Op, self: str, substr: str, start: int, end: int) -> bool:
    """endswith(str self, str substr, int start=0, int end=-1) -> bool"""
    return self.endswith(substr, start) if end == -1 else self.endswith(substr, start, end)


@aten("replace")
def replace(op: Op, self: str, old: str, new: str, max: int) -> str:
    """replace(str self, str old, str new, int max=-1) -> str"""
    return self.replace(old, new, max)


@aten("split.str")
def split_text(op: Op, self: str, separator: str | None, max: int) -> tuple[str, ...]:
    """split.str(str self, str? separator=None, int max=-1) -> str[]"""
    return tuple(self.split(separator, max))


@aten("join")
def join_texts(op: Op, self: str, values: Sequence[str]) -> str:
    """join(str self, str[] values) -> str"""
    return self.join(values)


@aten("__contains__.str")
def text_in_text(op: Op, self: str, item: str) -> bool:
    """__contains__.str(str self, str item) -> bool"""
    return item in self


@aten("is_autocast_enabled", "is_autocast_cpu_enabled", "is_grad_enabled")
def is_switched_on(op: Op) -> bool:
    """is_autocast_enabled() -> bool; is_grad_enabled() -> bool"""
    return False
