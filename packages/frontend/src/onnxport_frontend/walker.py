"""The walk over a graph that makes it functional: views become regions of memory, writes become new values."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from onnxport_ir.captured import Arg, Eqn, TensorLiteral, Var
from onnxport_ir.errors import UnsafeMutation
from onnxport_ir.types import SequenceType

from onnxport_frontend.aliasing import SILENT_ALIASES, OpFacts, op_facts
from onnxport_frontend.choices import ChoosingMemory, can_choose
from onnxport_frontend.mutation_blocks import visit_if, visit_other
from onnxport_frontend.mutation_loops import LoopFacts, visit_loop
from onnxport_frontend.mutations import mutate
from onnxport_frontend.running_statistics import STATISTICS, normalise
from onnxport_frontend.storage import Region
from onnxport_frontend.tensor_state import TensorState, is_tracked, owners_of
from onnxport_frontend.views import Sharing, item_step, sharing, step_of


class Walker:
    """Reads equations in order and builds the functional ones in ``state.emit``."""

    def __init__(self, state: TensorState) -> None:
        self.state = state
        self._loops: dict[Eqn, LoopFacts] = {}

    def run(self, eqns: Sequence[Eqn]) -> None:
        """Read equations of the current block."""
        for eqn in eqns:
            self.visit(eqn)

    def visit(self, eqn: Eqn) -> None:
        """Read one equation.

        Raises:
            UnsafeMutation: if the effect of a write cannot be proved.
        """
        self.state.emit.place = eqn.place
        if eqn.blocks:
            self._blocks(eqn)
            return
        structure = _STRUCTURES.get(eqn.op.base)
        if structure is not None and structure(self.state, eqn):
            return
        facts = op_facts(eqn.op)
        if facts is None:
            self._unknown(eqn)
        elif facts.tensor_writes:
            mutate(self.state, eqn, facts)
        elif facts.container_writes:
            self._write_container(eqn)
        elif eqn.op.base in STATISTICS:
            normalise(self.state, eqn)
        else:
            self._ordinary(eqn, facts)

    def _blocks(self, eqn: Eqn) -> None:
        if eqn.op.base == "prim::If":
            visit_if(self.state, eqn, self.run)
        elif eqn.op.base == "prim::Loop":
            # An inner loop is read each time that the outer one is; what was found out the first time still holds.
            visit_loop(self.state, eqn, self.run, self._loops.setdefault(eqn, LoopFacts()))
        else:
            visit_other(self.state, eqn, self.run)

    def _unknown(self, eqn: Eqn) -> None:
        """An operator without a schema may do anything with memory, except write it under an in-place name."""
        if eqn.op.name.endswith("_") and not eqn.op.name.endswith("__"):
            raise UnsafeMutation(f"{eqn.op} writes its argument", why="its schema is not known", where=eqn.place)
        self.state.emit_resolved(eqn, self.state.resolve_all(eqn.args))
        self.state.relate(eqn.outputs, eqn.args)

    def _ordinary(self, eqn: Eqn, facts: OpFacts) -> None:
        state = self.state
        args = state.resolve_all(eqn.args)
        kind = Sharing.FRESH
        sources = sorted({source for result in facts.sources for source in result})
        is_silent = eqn.op.base in SILENT_ALIASES and not _multiplies(eqn)
        if (sources or is_silent) and any(is_tracked(out) for out in eqn.outputs):
            kind = self._sharing(eqn, facts, sources)
        if kind in (Sharing.FRESH, Sharing.MAYBE):
            state.emit_resolved(eqn, args)
            if kind is Sharing.MAYBE:
                for out in eqn.outputs:
                    state.set_strided(out, True)
                silent = [arg for arg, name in zip(eqn.args, eqn.names, strict=True) if name != "other"]
                state.relate(eqn.outputs, silent if is_silent else [eqn.args[source] for source in sources])
            return
        _bind_view(state, eqn, args, kind)

    def _sharing(self, eqn: Eqn, facts: OpFacts, sources: Sequence[int]) -> Sharing:
        first = eqn.args[0] if eqn.args else None
        if len(eqn.outputs) != 1 or not isinstance(first, Var | TensorLiteral) or any(sources):
            return Sharing.MAYBE
        if facts.args[0].is_container:
            # `l[1:]` has the name of a view of a tensor.
            return Sharing.MAYBE
        region = self.state.handle(first).region
        return sharing(eqn, region.tensor_type, region.is_contiguous)

    def _write_container(self, eqn: Eqn) -> None:
        """A list or dict is written: from now on its content may be what is put in now, or came out before."""
        state = self.state
        target = eqn.args[0]
        if isinstance(target, Var) and is_tracked(target) and state.handle(target).region.parent is not None:
            # A list of views could not be made again once it was changed.
            if state.handle(target).depth < state.memory.depth:
                raise UnsafeMutation(f"{eqn.op} changes a list of views", where=eqn.place)
            state.bind_opaque(target, state.resolve(target))
        state.emit_resolved(eqn, state.resolve_all(eqn.args))
        state.relate(eqn.outputs, eqn.args)
        state.relate([owner for owner in owners_of(target) if isinstance(owner, Var)], eqn.args[1:])


def _multiplies(eqn: Eqn) -> bool:
    """Whether the result is a product of several tensors, and so none of them."""
    products = ("aten::einsum", "aten::chain_matmul", "aten::linalg_multi_dot")
    return eqn.op.base in products and any(isinstance(arg, tuple) and len(arg) > 1 for arg in eqn.args)


def _bind_view(state: TensorState, eqn: Eqn, args: tuple[Arg, ...], kind: Sharing) -> None:
    first, out = eqn.args[0], eqn.outputs[0]
    if not isinstance(first, Var | TensorLiteral):
        raise UnsafeMutation(f"{eqn.op} views {first!r}", where=eqn.place)
    handle = state.handle(first)
    if kind is Sharing.SAME:
        state.bind(out, handle)
    elif kind is Sharing.WHOLE:
        handle.region.is_shared = True
        state.bind_region(out, handle.region)
    else:
        _bind_region(state, out, state.memory.child(handle.region, step_of(eqn, args[1:]), out.type))


def _bind_region(state: TensorState, out: Var, region: Region) -> None:
    """Let ``out`` be a view; its equation stands where the program made it, unless the same view exists."""
    if not state.memory.is_current(region):
        state.memory.read(region, state.emit, out)
    state.bind_region(out, region)


def _tuple_construct(state: TensorState, eqn: Eqn) -> bool:
    args = state.resolve_all(eqn.args)
    state.emit_resolved(eqn, args)
    resolved = state.emit.eqns[-1]
    state.made.add(resolved)
    items = eqn.args[0] if len(eqn.args) == 1 and isinstance(eqn.args[0], tuple) else eqn.args
    state.bind_tuple(resolved, items)
    return True


def _tuple_unpack(state: TensorState, eqn: Eqn) -> bool:
    items = state.tuple_items(eqn.args[0])
    if items is None or len(items) != len(eqn.outputs):
        return _list_construct(state, eqn)
    tensors = [isinstance(item, Var | TensorLiteral) and is_tracked(item) for item in items]
    if not all(tensors):
        state.emit_resolved(eqn, state.resolve_all(eqn.args))
    for item, out, is_tensor in zip(items, eqn.outputs, tensors, strict=True):
        if is_tensor and isinstance(item, Var | TensorLiteral):
            state.bind(out, state.handle(item))
    return True


def _uninitialized(state: TensorState, eqn: Eqn) -> bool:
    state.emit_resolved(eqn, eqn.args)
    for out in eqn.outputs:
        if is_tracked(out):
            state.handle(out).region.base.is_void = True
    return True


def _tuple_index(state: TensorState, eqn: Eqn) -> bool:
    items, index = state.tuple_items(eqn.args[0]), eqn.args[1]
    item = items[index] if items is not None and isinstance(index, int) and index < len(items) else None
    if isinstance(item, Var | TensorLiteral) and is_tracked(item):
        state.bind(eqn.outputs[0], state.handle(item))
        return True
    return _list_construct(state, eqn)


def _list_construct(state: TensorState, eqn: Eqn) -> bool:
    """The tensors are in the list from now on, whatever is done to it."""
    state.emit_resolved(eqn, state.resolve_all(eqn.args))
    if any(is_tracked(out) for out in eqn.outputs):
        state.relate(eqn.outputs, eqn.args)
    return True


def _cast(state: TensorState, eqn: Eqn) -> bool:
    """What was a value or None is the value; the schema does not say that it is the same tensor."""
    first = eqn.args[0]
    if isinstance(state.memory, ChoosingMemory) and isinstance(first, Var) and can_choose(eqn.outputs[0].type):
        _bind_view(state, eqn, state.resolve_all(eqn.args), Sharing.VIEW)
        return True
    return _list_construct(state, eqn)


def _list_unpack(state: TensorState, eqn: Eqn) -> bool:
    parts = _list_of_views(state, eqn.args[0])
    if parts is None or parts.parent is None or parts.step is None:
        return _tuple_unpack(state, eqn)
    base = parts.parent
    regions = [
        state.memory.child(base, item_step(parts.step, index, base.tensor_type), out.type)
        for index, out in enumerate(eqn.outputs)
    ]
    state.memory.check(parts.base)
    if state.memory.is_current(parts) and not any(state.memory.is_current(region) for region in regions):
        state.emit.add(Eqn(eqn.op, (parts.value,), eqn.names, eqn.outputs, place=eqn.place))
        for region, out in zip(regions, eqn.outputs, strict=True):
            state.memory.hold(region, out)
    for region, out in zip(regions, eqn.outputs, strict=True):
        _bind_region(state, out, region)
    return True


def _get_item(state: TensorState, eqn: Eqn) -> bool:
    if eqn.op.overload not in ("", "t"):
        return False
    parts = _list_of_views(state, eqn.args[0])
    index = eqn.args[1]
    if parts is None or parts.parent is None or parts.step is None or not isinstance(index, int):
        return False
    out = eqn.outputs[0]
    region = state.memory.child(parts.parent, item_step(parts.step, index, parts.parent.tensor_type), out.type)
    _bind_region(state, out, region)
    return True


def _list_of_views(state: TensorState, arg: Arg) -> Region | None:
    """The region of a list that unbind, split or the like gave."""
    if not isinstance(arg, Var) or not isinstance(arg.type, SequenceType) or not is_tracked(arg):
        return None
    region = state.handle(arg).region
    return region if region.parent is not None else None


_STRUCTURES: dict[str, Callable[[TensorState, Eqn], bool]] = {
    "prim::TupleConstruct": _tuple_construct,
    "prim::TupleUnpack": _tuple_unpack,
    "prim::TupleIndex": _tuple_index,
    "prim::Uninitialized": _uninitialized,
    "prim::ListConstruct": _list_construct,
    "prim::unchecked_cast": _cast,
    "prim::ListUnpack": _list_unpack,
    "aten::__getitem__": _get_item,
    "aten::select": _get_item,
}
