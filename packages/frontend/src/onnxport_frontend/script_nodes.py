"""Nodes that only the compiler of scripts makes: objects, context managers, tasks, questions about types."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from onnxport_ir.captured import OpName, Var
from onnxport_ir.errors import NotYetSupported
from onnxport_ir.types import OpaqueType, OptionalType, ScalarType

from onnxport_frontend import _torch_private as private
from onnxport_frontend.bodies import type_of
from onnxport_frontend.dictionaries import StaticDict, StaticObject, call_dict
from onnxport_frontend.schema import literal
from onnxport_frontend.value_types import from_jit

if TYPE_CHECKING:
    from onnxport_frontend.inline import Frame, Inliner

_CAST = OpName("prim", "unchecked_cast")
_CHUNK = OpName("prim", "ConstantChunk")
_IS = OpName("aten", "__is__")
_IS_NOT = OpName("aten", "__isnot__")


def _create(inliner: Inliner, node: private.Node, frame: Frame) -> None:
    """An object whose attributes its ``__init__`` is about to set."""
    created = StaticObject({}, inliner.block_depth, kind=private.class_of(node.output()))
    inliner.bind(node, [created], frame)


def _dict(inliner: Inliner, node: private.Node, frame: Frame) -> None:
    """``dict()`` and ``OrderedDict()`` of nothing, of another dictionary, or of pairs."""
    known = inliner.known(node, frame)
    if known and isinstance(known[0], StaticDict):
        made = call_dict("dict", known[0], [], inliner.block_depth, inliner.journal)
    else:
        pairs: Any = known[0] if known else ()  # Any: what it is shows next
        if not isinstance(pairs, tuple) or not all(isinstance(pair, tuple) for pair in pairs):
            raise NotYetSupported("a dictionary made of a list of pairs that only the running model has")
        made = StaticDict.of(pairs, inliner.block_depth)
    inliner.bind(node, [made], frame)


def _context(inliner: Inliner, node: private.Node, frame: Frame) -> None:
    """``with``: no_grad and profiling change nothing of what is computed; autocast and others may."""
    (manager,) = inliner.known(node, frame)
    if not isinstance(manager, StaticObject) or not _changes_nothing(inliner, manager):
        what = manager.what if isinstance(manager, StaticObject) else "something else"
        hint = "A trace of the model holds the casts that autocast makes." if what.endswith("autocast") else None
        raise NotYetSupported(f"the context manager of a with statement that is {what}", hint=hint)
    inliner.bind(node, [None] * len(private.outputs_of(node)), frame)


def _changes_nothing(inliner: Inliner, manager: StaticObject) -> bool:
    """Whether a model computes the same without a context manager."""
    if manager.kind.startswith("__torch__.torch.autograd."):
        return True
    if not manager.kind.endswith(".autocast_mode.autocast"):
        return False
    # One that is switched off is of no account, as one that is on around it has been refused; nor is one for GPUs.
    device = manager.entries.get("device")
    return manager.entries.get("_enabled") is False or (device == "cuda" and inliner.is_on_cpu)


def _autocast_dtype(inliner: Inliner, node: private.Node, frame: Frame) -> None:
    """The element type that autocast casts to, as a number; asked for also where autocast is switched off."""
    (device,) = inliner.args(node, frame)
    if not isinstance(device, str):
        raise NotYetSupported("the element type of autocast on a device that depends on the input")
    inliner.bind(node, [literal(torch.get_autocast_dtype(device))], frame)


def _fork(inliner: Inliner, node: private.Node, frame: Frame) -> None:
    """A task, which is done at once: its result stands for it."""
    inliner.bind(node, inliner.graph(node.g("Subgraph"), frame.path, inliner.known(node, frame)), frame)


def _wait(inliner: Inliner, node: private.Node, frame: Frame) -> None:
    (known,) = inliner.known(node, frame)
    if isinstance(known, Var):
        # A list of tasks, say, has elements of a type that is not known here: the result has one.
        outputs = (inliner.typer.unknown(node.output()),)
        inliner.identities.may_be_old(outputs)
        inliner.emit(node, frame, _CAST, (known,), ("x",), outputs)
        known = outputs[0]
    inliner.bind(node, [known], frame)


def _is_instance(inliner: Inliner, node: private.Node, frame: Frame) -> None:
    """Whether a value is of one of some types, which is known but for values that may be None."""
    (known,) = inliner.args(node, frame)
    kinds = [from_jit(kind, int) for kind in node.tys("types")]
    found = type_of(known)
    if isinstance(found, OpaqueType):
        raise NotYetSupported(f"isinstance of a value of type {found}")
    if not isinstance(found, OptionalType):
        inliner.bind(node, [found in kinds], frame)
        return
    if_present, if_none = found.element in kinds, ScalarType("none") in kinds
    if if_present is if_none:
        inliner.bind(node, [if_present], frame)
        return
    outputs = (inliner.typer.unknown(node.output()),)
    inliner.emit(node, frame, _IS_NOT if if_present else _IS, (known, None), ("self", "obj"), outputs)
    inliner.bind(node, outputs, frame)


def _constant_chunk(inliner: Inliner, node: private.Node, frame: Frame) -> None:
    """Parts of a tensor; their number and the axis are attributes of the node."""
    args = (*inliner.args(node, frame), node.i("chunks"), node.i("dim"))
    outputs = inliner.typer.results(None, args, private.outputs_of(node))
    inliner.identities.may_be_old(outputs)
    inliner.emit(node, frame, _CHUNK, args, ("self", "chunks", "dim"), outputs)
    inliner.bind(node, outputs, frame)


def _other_layout(inliner: Inliner, node: private.Node, frame: Frame) -> None:
    raise NotYetSupported(
        "a model whose layers are in a format of oneDNN",
        hint="Export the model that torch.jit.optimize_for_inference was given.",
    )


#: How to follow these nodes.
NODES: dict[str, Callable[[Inliner, private.Node, Frame], None]] = {
    "prim::ConstantChunk": _constant_chunk,
    "prim::CreateObject": _create,
    "aten::dict": _dict,
    "aten::get_autocast_dtype": _autocast_dtype,
    "prim::Enter": _context,
    "prim::Exit": _context,
    "prim::fork": _fork,
    "aten::wait": _wait,
    "prim::isinstance": _is_instance,
    "aten::to_mkldnn": _other_layout,
}
