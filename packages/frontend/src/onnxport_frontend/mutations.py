"""One operator that writes, as functional operators: the new value of what it writes, and the write itself."""

from __future__ import annotations

from collections.abc import Callable

from onnxport_ir.captured import Arg, Eqn, OpName, TensorLiteral, Var
from onnxport_ir.dims import hint_of
from onnxport_ir.dtypes import DType
from onnxport_ir.errors import UnsafeMutation
from onnxport_ir.types import Shape, TensorType

from onnxport_frontend.aliasing import (
    BOOL_RESULTS,
    KEEPS_SELF,
    WIDENS_INTEGERS,
    OpFacts,
    Twin,
    functional_twin,
    is_pointwise,
    op_facts,
)
from onnxport_frontend.emitting import cast, expand_like, reshape_like, static_sizes, tensor_type
from onnxport_frontend.storage import Handle, Region, group
from onnxport_frontend.tensor_state import TensorState, is_tracked, owners_of
from onnxport_frontend.views import EXPANDS, step_of


def mutate(state: TensorState, eqn: Eqn, facts: OpFacts) -> None:
    """Carry out an operator that writes tensors.

    Raises:
        UnsafeMutation: if the operator has no functional form, or the write cannot be carried to all aliases.
    """
    handler = _HANDLERS.get(eqn.op.base)
    if handler is not None:
        handler(state, eqn)
        return
    twin = None if eqn.op.base in _REFUSED else functional_twin(eqn.op)
    if twin is None or any(facts.args[i].is_container for i in facts.tensor_writes):
        raise UnsafeMutation(
            f"{eqn.op} writes its arguments", why="it has no functional form", where=eqn.place, hint=_HINT
        )
    if eqn.op.name.endswith("_"):
        _in_place(state, eqn, twin)
    else:
        _out(state, eqn, facts, twin)


_HINT = "Write the model without this in-place operator."


def _target(state: TensorState, eqn: Eqn, index: int = 0) -> Handle:
    target = eqn.args[index]
    if not isinstance(target, Var | TensorLiteral):
        raise UnsafeMutation(f"{eqn.op} writes {target!r}", why="that is no tensor", where=eqn.place)
    return state.handle(target)


def _finish(state: TensorState, eqn: Eqn, handle: Handle, value: Arg) -> None:
    """Write ``value`` to the first argument, which is also the result."""
    state.write(handle.region, value, f"{eqn.op} writes a tensor")
    for out in eqn.outputs:
        state.bind(out, handle)


def _call_twin(state: TensorState, eqn: Eqn, twin: Twin, outs: list[Var], dtype: DType | None = None) -> None:
    args = [
        default if source is None else state.resolve(eqn.args[source])
        for source, default in zip(twin.sources, twin.defaults, strict=True)
    ]
    if dtype is not None and "dtype" in twin.names:
        position = twin.names.index("dtype")
        # What is created, or summed up, takes the type of `out` from the start.
        if args[position] is None and (twin.sources[position] is None or twin.op.name in _ACCUMULATES_IN_OUT):
            args[position] = dtype
    state.emit.add(Eqn(twin.op, tuple(args), twin.names, tuple(outs), place=eqn.place))


_ACCUMULATES_IN_OUT = frozenset({"sum", "nansum", "prod"})


def _in_place(state: TensorState, eqn: Eqn, twin: Twin) -> None:
    handle = _target(state, eqn)
    kind = handle.region.tensor_type
    exact = _keeps_type(twin, kind, eqn)
    result = Var(kind if exact else TensorType(_result_dtype(twin), kind.shape))
    _call_twin(state, eqn, twin, [result])
    value = result if exact else cast(state.emit, result, kind.dtype, state.resolve(eqn.args[0]))
    _finish(state, eqn, handle, value)


def _keeps_type(twin: Twin, kind: TensorType, eqn: Eqn) -> bool:
    """Whether the functional operator is sure to give the type of ``self``, which the in-place one always gives."""
    name, dtype = twin.op.name, kind.dtype
    if name in KEEPS_SELF:
        return True
    if name in BOOL_RESULTS or dtype is None:
        return dtype is DType.BOOL
    if name in WIDENS_INTEGERS and dtype.is_integer and dtype is not DType.INT64:
        return False
    return not any(_promotes(kind, dtype, arg) for arg in eqn.args[1:])


def _promotes(kind: TensorType, dtype: DType, arg: Arg) -> bool:
    if isinstance(arg, tuple):
        return any(_promotes(kind, dtype, item) for item in arg)
    if not isinstance(arg, TensorLiteral) and not (isinstance(arg, Var) and isinstance(arg.type, TensorType)):
        return False
    other = tensor_type(arg)
    if other.dtype is None or other.dtype is dtype:
        return other.dtype is None
    is_scalar = (other.rank == 0 and bool(kind.rank)) or (isinstance(arg, TensorLiteral) and arg.wrapped_number)
    return not (is_scalar and _category(other.dtype) <= _category(dtype))


def _category(dtype: DType) -> int:
    return 3 if dtype.is_complex else 2 if dtype.is_float else 1 if dtype.is_integer else 0


def _result_dtype(twin: Twin) -> DType | None:
    return DType.BOOL if twin.op.name in BOOL_RESULTS else None


def _out(state: TensorState, eqn: Eqn, facts: OpFacts, twin: Twin) -> None:
    """``out=``: the result goes to the given tensors in their element types, whatever they held before."""
    handles = [_target(state, eqn, index) for index in facts.tensor_writes]
    shapes = [tensor_type(out).shape for out in eqn.outputs] or [None] * len(handles)
    kept = [_keeps_shape(state, eqn, twin, handle, shape) for handle, shape in zip(handles, shapes, strict=True)]
    results = [Var(TensorType(None, shape)) for shape in shapes]
    _call_twin(state, eqn, twin, results, handles[0].region.tensor_type.dtype if len(handles) == 1 else None)
    for position, (handle, result) in enumerate(zip(handles, results, strict=True)):
        region, shape = handle.region, shapes[position]
        dtype, written = region.tensor_type.dtype, eqn.args[facts.tensor_writes[position]]
        like = state.resolve(written) if dtype is None else None
        value = cast(state.emit, result, dtype, like)
        if kept[position] and region.tensor_type.shape != shape:
            # Where the sizes differ after all, no model is run rather than a wrong one.
            value = reshape_like(state.emit, value, region.tensor_type, state.resolve(written))
        elif region.tensor_type.shape is None or region.tensor_type.shape != shape:
            state.memory.set(region, "type", TensorType(dtype, shape))
        state.write(region, value, f"{eqn.op} writes a tensor")
    for out, handle in zip(eqn.outputs, handles, strict=False):
        state.bind(out, handle)


def _keeps_shape(state: TensorState, eqn: Eqn, twin: Twin, handle: Handle, shape: Shape) -> bool:
    """Whether ``out`` has the result's shape already. One that no other tensor shares memory with may get another.

    Raises:
        UnsafeMutation: if neither is known.
    """
    region = handle.region
    if _may_be_same(region.tensor_type.shape, shape):
        return True
    operands = [arg for arg, name in zip(eqn.args, eqn.names, strict=True) if name != "out"]
    owners = [owner for owner in owners_of(tuple(operands)) if is_tracked(owner)]
    if shape is None and is_pointwise(twin.op) and any(state.handle(owner).region is region for owner in owners):
        # `torch.add(x, y, out=x)`: what does not broadcast to x is deprecated.
        return True
    is_alone = region.parent is None and not region.children and len(group(region.base)) == 1 and not region.is_shared
    if not is_alone or handle.depth < state.memory.depth:
        raise UnsafeMutation(
            f"{eqn.op} writes to `out`",
            why="its shape is not known to be that of the result, and its memory is shared",
            where=eqn.place,
            hint="Assign the result instead of passing out=.",
        )
    return False


def _may_be_same(left: Shape, right: Shape) -> bool:
    """Whether two shapes are the same for the example."""
    if left is None or right is None or len(left) != len(right):
        return False
    return all(
        a == b or (hint_of(a) is not None and hint_of(a) == hint_of(b)) for a, b in zip(left, right, strict=True)
    )


def _copy(state: TensorState, eqn: Eqn) -> None:
    handle, source = _target(state, eqn), eqn.args[1]
    region = handle.region
    if isinstance(source, Var | TensorLiteral) and state.handle(source).region is region:
        # `y[i] += 1` ends by copying a view to itself.
        for out in eqn.outputs:
            state.bind(out, handle)
        return
    _finish(state, eqn, handle, _converted(state, eqn, region, _unexpanded(state, source, region.tensor_type.rank)))


def _unexpanded(state: TensorState, source: Arg, rank: int | None) -> Arg:
    """What is assigned, before torch gave it the shape of the target.

    For ``x[:] = y`` a trace holds ``copy_(x[:], y.view(6).expand(4, 6))`` with the sizes of the example. The view takes
    leading axes of size 1 away; broadcasting does without it, as long as the target has as many axes.
    """
    if not isinstance(source, Var | TensorLiteral) or not is_tracked(source):
        return state.resolve(source)
    region = state.handle(source).region
    while region.parent is not None and region.step is not None and region.step.op.base in EXPANDS:
        region = region.parent
    ones = _leading_ones(region)
    if ones is None or region.parent is None:
        return state.memory.read(region, state.emit)
    value, kind = state.memory.read(region.parent, state.emit), region.parent.tensor_type
    # An axis of dynamic size may be 1 in the example only: no more go than must.
    for _ in range(ones if rank is None or kind.rank is None else min(ones, max(0, kind.rank - rank))):
        kind = TensorType(kind.dtype, kind.shape[1:] if kind.shape else None)
        value = state.emit("aten::select.int", kind, value, 0, 0)
    return value


def _index_put(state: TensorState, eqn: Eqn) -> None:
    """``x[index] = y``, where a trace takes leading axes of ``y`` away as in :func:`_unexpanded`."""
    rank = _indexed_rank(_target(state, eqn).region.tensor_type.rank, eqn.args[1])
    values = eqn.args[2] if rank is None else _unexpanded(state, eqn.args[2], rank)
    _by_twin(state, Eqn(eqn.op, (*eqn.args[:2], values, *eqn.args[3:]), eqn.names, eqn.outputs, place=eqn.place))


def _indexed_rank(rank: int | None, indices: Arg) -> int | None:
    """The rank of ``x[indices]``; None if it is not known."""
    if rank is None or not isinstance(indices, tuple):
        return None
    taken, ranks = 0, [0]
    for index in indices:
        if index is None:
            continue
        kind = tensor_type(index)
        if kind.rank is None or kind.dtype is None:
            return None
        is_mask = kind.dtype in (DType.BOOL, DType.UINT8)
        taken += kind.rank if is_mask else 1
        ranks.append(1 if is_mask else kind.rank)
    return rank - taken + max(ranks)


def _by_twin(state: TensorState, eqn: Eqn) -> None:
    """An in-place operator that is known to have a functional form."""
    twin = functional_twin(eqn.op)
    if twin is None:
        raise UnsafeMutation(f"{eqn.op} writes its argument", where=eqn.place, hint=_HINT)
    _in_place(state, eqn, twin)


def _leading_ones(region: Region) -> int | None:
    """How many leading axes of size 1 the region's view takes away and nothing else; None if it does anything else."""
    parent, step = region.parent, region.step
    if parent is None or step is None or step.op.base != "aten::view" or parent.tensor_type.shape is None:
        return None
    before = [hint_of(dim) for dim in parent.tensor_type.shape]
    ones = next((index for index, size in enumerate(before) if size != 1), len(before))
    return ones if step.rest[0] == tuple(before[ones:]) else None


def _masked_scatter(state: TensorState, eqn: Eqn) -> None:
    """The source is read while torch writes; of what they share, the order decides."""
    target = _target(state, eqn).region.base
    if any(target in group(base) for base in state.bases(eqn.args[2:])):
        raise UnsafeMutation(
            f"{eqn.op} writes a tensor",
            why="its source may share memory with the tensor, and is read while that is written",
            where=eqn.place,
            hint="Pass source.clone().",
        )
    _by_twin(state, eqn)


def _converted(state: TensorState, eqn: Eqn, region: Region, value: Arg) -> Arg:
    """``value`` in the element type and shape of the target."""
    kind, emit = region.tensor_type, state.emit
    if not isinstance(value, TensorLiteral) and not (isinstance(value, Var) and isinstance(value.type, TensorType)):
        return _full_like(state, region, eqn.args[0], value)
    needs_like = kind.dtype is None or (static_sizes(kind) is None and tensor_type(value).shape != kind.shape)
    like = state.resolve(eqn.args[0]) if needs_like or kind.shape is None else None
    return expand_like(emit, cast(emit, value, kind.dtype, like), kind, like)


def _full_like(state: TensorState, region: Region, target: Arg, number: Arg) -> Var:
    return state.emit("aten::full_like", region.tensor_type, state.resolve(target), number)


def _fill(state: TensorState, eqn: Eqn) -> None:
    handle = _target(state, eqn)
    _finish(state, eqn, handle, _converted(state, eqn, handle.region, state.resolve(eqn.args[1])))


def _zero(state: TensorState, eqn: Eqn) -> None:
    handle = _target(state, eqn)
    _finish(state, eqn, handle, _full_like(state, handle.region, eqn.args[0], 0))


def _fill_diagonal(state: TensorState, eqn: Eqn) -> None:
    handle = _target(state, eqn)
    kind = handle.region.tensor_type
    if kind.rank != 2 or eqn.args[2] is not False:
        raise UnsafeMutation(
            f"{eqn.op} writes a tensor",
            why="it is known how to do that for matrices without wrap only",
            where=eqn.place,
            hint=_HINT,
        )
    diagonal = state.emit("aten::diagonal", TensorType(kind.dtype), state.resolve(eqn.args[0]))
    values = state.emit("aten::full_like", diagonal.type, diagonal, state.resolve(eqn.args[1]))
    value = state.emit("aten::diagonal_scatter", kind, state.resolve(eqn.args[0]), values)
    _finish(state, eqn, handle, value)


def _nothing(state: TensorState, eqn: Eqn) -> None:
    """Operators that change no element: ``requires_grad_``, ``detach_``."""
    for out in eqn.outputs:
        state.bind(out, _target(state, eqn))


def _reshape_in_place(state: TensorState, eqn: Eqn) -> None:
    """``unsqueeze_`` and the like: the tensor object becomes a view of what it was."""
    handle = _target(state, eqn)
    if handle.depth < state.memory.depth:
        raise UnsafeMutation(
            f"{eqn.op} changes the shape of a tensor from outside the branch or loop",
            where=eqn.place,
            hint=f"Use {eqn.op.name.removesuffix('_')}, which does not work in place.",
        )
    if handle.region.is_doubtful:
        raise UnsafeMutation(
            f"{eqn.op} changes the shape of a tensor",
            why="a branch or loop decides which of several tensors it is",
            where=eqn.place,
            hint=f"Use {eqn.op.name.removesuffix('_')}, which does not work in place.",
        )
    op = OpName(eqn.op.namespace, eqn.op.name.removesuffix("_"), _VIEW_OVERLOADS.get(eqn.op.name, eqn.op.overload))
    facts = op_facts(op)
    if facts is None or not eqn.outputs:
        raise UnsafeMutation(f"{eqn.op} changes the shape of a tensor", where=eqn.place, hint=_HINT)
    rest = state.resolve_all(eqn.args[1:])
    step = step_of(Eqn(op, eqn.args, eqn.names, eqn.outputs, place=eqn.place), rest)
    out = eqn.outputs[0]
    region = state.memory.child(handle.region, step, out.type)
    if not state.memory.is_current(region):
        state.memory.read(region, state.emit, out)
    # A tensor that may be this same object, as what `x.type_as(y)` gives, may have changed its shape with it.
    for other in group(handle.region.base):
        if other is not handle.region.base:
            state.spoil(
                other, f"{eqn.op} changes the shape of a tensor", "another tensor may or may not be the same one"
            )
    state.memory.set(handle, "region", region)
    state.bind(out, handle)


_VIEW_OVERLOADS = {"transpose_": "int"}


def _batch_norm(state: TensorState, eqn: Eqn) -> None:
    """The batch norms that write running statistics; their functional forms give those behind the other results."""
    handles = [_target(state, eqn, eqn.names.index(name)) for name in ("running_mean", "running_var")]
    updated = [Var(handle.region.tensor_type) for handle in handles]
    op = OpName(eqn.op.namespace, f"{eqn.op.name}_functional")
    args = state.resolve_all(eqn.args)
    state.emit.add(Eqn(op, tuple(args), eqn.names, (*eqn.outputs, *updated), place=eqn.place))
    for handle, value in zip(handles, updated, strict=True):
        state.write(handle.region, value, f"{eqn.op} writes a tensor")


_HANDLERS: dict[str, Callable[[TensorState, Eqn], None]] = {
    "aten::copy_": _copy,
    "aten::fill_": _fill,
    "aten::_no_grad_fill_": _fill,
    "aten::zero_": _zero,
    "aten::_no_grad_zero_": _zero,
    "aten::fill_diagonal_": _fill_diagonal,
    "aten::masked_scatter_": _masked_scatter,
    "aten::index_put_": _index_put,
    "aten::_native_batch_norm_legit": _batch_norm,
    "aten::_batch_norm_with_update": _batch_norm,
    **dict.fromkeys(("aten::requires_grad_", "aten::detach_", "aten::retain_grad", "aten::record_stream"), _nothing),
    **dict.fromkeys(
        ("aten::unsqueeze_", "aten::squeeze_", "aten::t_", "aten::transpose_", "aten::swapaxes_", "aten::swapdims_"),
        _reshape_in_place,
    ),
}

# These change what a tensor's memory is, not what it holds; torch's own functional forms of them return a copy.
_REFUSED = frozenset(
    {"aten::set_", "aten::resize_", "aten::resize_as_", "aten::_resize_output_", "aten::set_data"}
    | {"aten::as_strided_", "aten::resize_as_sparse_", "aten::sparse_resize_", "aten::rename_"}
)
