"""Which lists of TorchScript may be written to; all others are known by their elements."""

from __future__ import annotations

from collections.abc import Sequence

from onnxport_ir.captured import Arg, Eqn, Var, arg_vars, walk
from onnxport_ir.errors import UnsafeMutation

from onnxport_frontend import _torch_private as private
from onnxport_frontend.schema import Schema, Schemas

LIST_WRITES = frozenset(
    f"aten::{name}"
    for name in ("append", "insert", "extend", "pop", "_set_item", "Delete", "clear", "reverse", "sort", "remove")
) | {"aten::add_", "aten::mul_"}
"""The operators that may write to a list."""

_ESCAPES = frozenset(
    {"prim::Return", "prim::If", "prim::Loop", "prim::CallMethod", "prim::CallFunction", "prim::TupleConstruct"}
    | {
        "prim::SetAttr",
        "prim::fork",
        "prim::ListConstruct",
        "prim::DictConstruct",
        "aten::append",
        "aten::_set_item",
        "aten::insert",
    }
)


def is_written(value: private.Value, schemas: Schemas) -> bool:
    """Whether an operator that takes the list writes to it."""
    for use in value.uses():
        schema = schemas.of(use.user)
        if schema is not None and use.offset < len(schema.arguments) and schema.arguments[use.offset].is_write:
            return True
    return False


def escapes(value: private.Value) -> bool:
    """Whether a list goes where its uses cannot be seen from here."""
    return any(use.user.kind() in _ESCAPES for use in value.uses())


def refuse_lost_writes(schema: Schema, args: tuple[Arg, ...]) -> None:
    """Refuse a write to a list that was taken for its elements: no one would see it.

    Raises:
        UnsafeMutation: if there is one.
    """
    for arg, spec in zip(args, schema.arguments, strict=False):
        if spec.is_write and isinstance(arg, tuple) and spec.is_list:
            raise UnsafeMutation(f"{schema.op} writes to a list that was made in another function")


def built(eqns: Sequence[Eqn], value: Var) -> tuple[Arg, ...] | None:
    """The elements of a list that equations without branches have made and done nothing but append to."""
    added: list[Arg] = []
    for eqn in reversed(eqns):
        if eqn.outputs and eqn.outputs[0] is value:
            return (*eqn.args, *reversed(added)) if eqn.op.base == "prim::ListConstruct" else None
        if eqn.op.base == "aten::append" and eqn.args[0] is value:
            added.append(eqn.args[1])
        elif any(value in arg_vars(arg) for inner in walk((eqn,)) for arg in inner.args) or any(
            value in arg_vars(out) for inner in walk((eqn,)) for block in inner.blocks for out in block.outputs
        ):
            return None
    return None
