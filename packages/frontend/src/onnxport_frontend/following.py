"""The walk that finds out what the values of a captured graph depend on, for :mod:`onnxport_frontend.dependence`.

A size that a rule gives and that disagrees with the one of the example is not believed. Without a rule a size depends
on all sizes of all arguments and on all numbers among them, and on the elements as well where these decide shapes.
"""

from __future__ import annotations

import functools

import torch
from onnxport_ir.captured import Arg, Eqn, OpName, Var
from onnxport_ir.dims import Dim, hint_of
from onnxport_ir.types import AnyType, SequenceType, TensorType

from onnxport_frontend import _torch_private as private
from onnxport_frontend.dependence import Fact, Facts, mark_of
from onnxport_frontend.size_calls import LONGEST, Call, Dims
from onnxport_frontend.size_numbers import number_of
from onnxport_frontend.size_rules import LISTS, NEW, RULES, SAME, broadcast, item_dims


def follow(eqn: Eqn, facts: Facts) -> None:
    """Enter what is known of the results of an equation."""
    if mark_of(eqn) is not None:
        return
    if eqn.blocks:
        _follow_blocks(eqn, facts)
        return
    call = Call.of(eqn, facts)
    whole = number_of(call)
    given = [facts.arg(arg) for arg in eqn.args]
    deps, shapes, numbers = 0, 0, 0
    for arg, fact in zip(eqn.args, given, strict=True):
        deps |= fact.deps
        shapes |= facts.shape_deps(fact)
        numbers |= _number_deps(arg, facts)
    for out in eqn.outputs:
        dims, rest = _dims(call, out, shapes | facts.counted(numbers), deps)
        elements = _elements(eqn, deps, shapes, numbers) if whole is None else facts.deps_of(whole)
        facts.of[out] = Fact(elements, dims, rest, whole)


def _number_deps(arg: Arg, facts: Facts) -> int:
    """What the numbers in an argument depend on, which can become sizes."""
    if isinstance(arg, tuple):
        return functools.reduce(lambda deps, item: deps | _number_deps(item, facts), arg, 0)
    if not isinstance(arg, Var) or _holds_tensors(arg.type):
        return 0
    return facts.arg(arg).deps


def _holds_tensors(type_: AnyType) -> bool:
    return isinstance(type_, TensorType) or (isinstance(type_, SequenceType) and _holds_tensors(type_.element))


def _follow_blocks(eqn: Eqn, facts: Facts) -> None:
    """Bodies may run any number of times: a result depends on all that is read in them."""
    deps = 0
    for arg in eqn.args:
        deps |= facts.all_deps(facts.arg(arg))
    for block in eqn.blocks:
        for var in block.inputs:
            facts.of[var] = Fact(deps, rest=facts.counted(deps) | 1)
        for inner in block.eqns:
            follow(inner, facts)
            for out in inner.outputs:
                deps |= facts.all_deps(facts.of[out])
        for value in block.outputs:
            deps |= facts.all_deps(facts.arg(value))
    for out in eqn.outputs:
        facts.of[out] = Fact(deps, rest=facts.counted(deps))


def _elements(eqn: Eqn, deps: int, shapes: int, numbers: int) -> int:
    """What the elements of a result depend on: a sum depends on how many it is of."""
    name = eqn.op.name
    if name in _OF_SIZES:
        return shapes
    if name in _OF_TYPE:
        return 0
    if name.endswith("_like") or name in NEW:
        return numbers
    return deps if name in SAME or _is_pointwise(eqn.op) else deps | shapes


_OF_SIZES = frozenset(
    {"size", "sym_size", "numel", "sym_numel", "len", "shape", "stride", "sym_stride", "_shape_as_tensor"}
)
_OF_TYPE = frozenset({"dim", "ndimension", "is_floating_point", "is_complex", "dtype", "device", "layout"})


def _dims(call: Call, out: Var, shapes: int, deps: int) -> tuple[Dims | None, int]:
    """The sizes of a result, and what they depend on where they are not known."""
    type_, eqn, facts = out.type, call.eqn, call.facts
    if eqn.op.name in LISTS and not isinstance(type_, TensorType):
        # As the sizes of a list stand those of its items.
        found = item_dims(call)
        return found, 0 if found is not None else shapes
    if not isinstance(type_, TensorType):
        return None, shapes
    may_count = private.has_dynamic_shape(eqn.op.namespace, eqn.op.name, eqn.op.overload) and _counts(call)
    rest = shapes | facts.counted(deps) if may_count else shapes
    if type_.shape is None:
        return None, rest
    if all(isinstance(dim, int) for dim in type_.shape):
        return type_.shape, 0
    found = _rule(call) if not may_count and (len(eqn.outputs) == 1 or eqn.op.name in _SEVERAL) else None
    if found is None or len(found) != len(type_.shape):
        found = tuple(facts.unknown(hint_of(dim), rest) for dim in type_.shape)
    return tuple(_believed(facts, dim, hint_of(seen), rest) for dim, seen in zip(found, type_.shape, strict=True)), 0


#: Operators with several results of the same sizes.
_SEVERAL = frozenset({"max", "min", "median", "mode", "sort", "topk", "kthvalue", "cummax", "cummin", "ListUnpack"})


def _believed(facts: Facts, dim: Dim, seen: int | None, rest: int) -> Dim:
    if seen is not None and hint_of(dim) is None:
        return facts.unknown(seen, facts.deps_of(dim))
    if seen is not None and hint_of(dim) != seen:
        return facts.unknown(seen, rest)
    if not isinstance(dim, int) and len(dim.terms) > LONGEST:
        return facts.unknown(seen, facts.deps_of(dim), functools.partial(facts.size, dim))
    return dim


_MASKS = frozenset({"index", "index_put", "_unsafe_index"})


def _counts(call: Call) -> bool:
    """Whether the elements of arguments decide sizes, where the operator can do so."""
    if call.eqn.op.name == "one_hot":
        classes = call.named.get("num_classes")
        return not isinstance(classes, int) or classes < 0
    return call.eqn.op.name not in _MASKS or _has_mask(call.eqn)


def _has_mask(eqn: Eqn) -> bool:
    indices = eqn.args[1] if isinstance(eqn.args[1], tuple) else (eqn.args[1],)
    types = [index.type for index in indices if isinstance(index, Var)]
    return any(
        not isinstance(type_, TensorType) or type_.dtype is None or type_.dtype.short in ("bool", "u8")
        for type_ in types
    )


def _rule(call: Call) -> Dims | None:
    name = call.eqn.op.name
    rule = RULES.get(name)
    if rule is not None:
        return rule(call)
    if name in SAME or name.endswith("_like"):
        return call.dims()
    return broadcast(call) if _is_pointwise(call.eqn.op) else None


@functools.lru_cache(maxsize=4096)
def _is_pointwise(op: OpName) -> bool:
    found = private.overload_of(op.namespace, op.name, op.overload)
    return torch.Tag.pointwise in getattr(found, "tags", ())
