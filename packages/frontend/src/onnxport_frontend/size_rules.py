"""How operators make sizes and whole numbers out of others, for :mod:`onnxport_frontend.dependence`.

A rule gives the sizes of an operator's only result, or None where it does not know. A size that disagrees with the one
of the example is not believed. Without a rule a size depends on all sizes of all arguments and on all numbers among
them, and on the elements as well where these decide shapes.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from onnxport_ir.captured import Arg, Eqn, OpName, Var
from onnxport_ir.dims import Dim, exact_div, floor_div, hint_of, product
from onnxport_ir.types import TensorType

from onnxport_frontend import _torch_private as private
from onnxport_frontend.dependence import Fact, Facts, mark_of

Dims = tuple[Dim, ...]
_LONGEST = 8


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A call of an operator, with what is known of its arguments."""

    eqn: Eqn
    facts: Facts
    named: Mapping[str, Arg]

    @staticmethod
    def of(eqn: Eqn, facts: Facts) -> Call:
        """Read an equation."""
        return Call(eqn, facts, dict(zip(eqn.names, eqn.args, strict=True)))

    def dims(self, index: int = 0) -> Dims | None:
        """The sizes of an argument."""
        return self.facts.arg(self.eqn.args[index]).dims

    def number(self, arg: Arg) -> Dim:
        """A whole number among the arguments."""
        fact = self.facts.arg(arg)
        if fact.number is not None:
            return fact.number
        return self.facts.unknown(None, fact.deps)

    def axis(self, name: str, rank: int) -> int | None:
        """The axis that an argument names; None if it is not known."""
        axis = self.named.get(name)
        return axis % rank if isinstance(axis, int) and rank else None

    def axes(self, name: str, rank: int) -> set[int] | None:
        """The axes that an argument names, all for none; None if they are not known."""
        given = self.named.get(name)
        if given is None or given == ():
            return set(range(rank))
        listed = given if isinstance(given, tuple) else (given,)
        known = [axis % rank for axis in listed if isinstance(axis, int) and rank]
        return set(known) if len(known) == len(listed) else None


def follow(eqn: Eqn, facts: Facts) -> None:
    """Enter what is known of the results of an equation."""
    if mark_of(eqn) is not None:
        return
    if eqn.blocks:
        _follow_blocks(eqn, facts)
        return
    call = Call.of(eqn, facts)
    whole = _number(call)
    given = [facts.arg(arg) for arg in eqn.args]
    deps, shapes, numbers = 0, 0, 0
    for arg, fact in zip(eqn.args, given, strict=True):
        deps |= fact.deps
        shapes |= facts.shape_deps(fact)
        if not (isinstance(arg, Var) and isinstance(arg.type, TensorType)):
            numbers |= fact.deps
    for out in eqn.outputs:
        dims, rest = _dims(call, out, shapes | numbers, deps)
        facts.of[out] = Fact(_elements(eqn, deps, shapes, numbers), dims, rest, whole)


def _follow_blocks(eqn: Eqn, facts: Facts) -> None:
    """Bodies may run any number of times: a result depends on all that is read in them."""
    deps = 0
    for arg in eqn.args:
        deps |= facts.all_deps(facts.arg(arg))
    for block in eqn.blocks:
        for var in block.inputs:
            facts.of[var] = Fact(deps, rest=deps | 1)
        for inner in block.eqns:
            follow(inner, facts)
            for out in inner.outputs:
                deps |= facts.all_deps(facts.of[out])
        for value in block.outputs:
            deps |= facts.all_deps(facts.arg(value))
    for out in eqn.outputs:
        facts.of[out] = Fact(deps, rest=deps)


def _elements(eqn: Eqn, deps: int, shapes: int, numbers: int) -> int:
    """What the elements of a result depend on: a sum depends on how many it is of."""
    name = eqn.op.name
    if name in _OF_SIZES:
        return shapes
    if name in _OF_TYPE:
        return 0
    if name.endswith("_like") or name in _NEW:
        return numbers
    return deps if name in _SAME or _is_pointwise(eqn.op) else deps | shapes


_OF_SIZES = frozenset(
    {"size", "sym_size", "numel", "sym_numel", "len", "shape", "stride", "sym_stride", "_shape_as_tensor"}
)
_OF_TYPE = frozenset({"dim", "ndimension", "is_floating_point", "is_complex", "dtype", "device", "layout"})
_NEW = frozenset({"new_zeros", "new_ones", "new_full", "new_empty", "zeros", "ones", "full", "empty"})


def _dims(call: Call, out: Var, shapes: int, deps: int) -> tuple[Dims | None, int]:
    """The sizes of a result, and what they depend on where they are not known."""
    type_ = out.type
    if not isinstance(type_, TensorType):
        return None, shapes
    eqn, facts = call.eqn, call.facts
    may_count = private.has_dynamic_shape(eqn.op.namespace, eqn.op.name, eqn.op.overload) and (
        eqn.op.name not in _MASKS or _has_mask(eqn)
    )
    rest = shapes | deps if may_count else shapes
    if type_.shape is None:
        return None, rest
    if all(isinstance(dim, int) for dim in type_.shape):
        return type_.shape, 0
    found = _rule(call) if len(eqn.outputs) == 1 and not may_count else None
    if found is None or len(found) != len(type_.shape):
        found = tuple(facts.unknown(hint_of(dim), rest) for dim in type_.shape)
    return tuple(_believed(facts, dim, hint_of(seen), rest) for dim, seen in zip(found, type_.shape, strict=True)), 0


def _believed(facts: Facts, dim: Dim, seen: int | None, rest: int) -> Dim:
    if seen is not None and hint_of(dim) is None:
        return facts.unknown(seen, facts.deps_of(dim))
    if seen is not None and hint_of(dim) != seen:
        return facts.unknown(seen, rest)
    if not isinstance(dim, int) and len(dim.terms) > _LONGEST:
        return facts.unknown(seen, facts.deps_of(dim), functools.partial(facts.size, dim))
    return dim


_MASKS = frozenset({"index", "index_put", "_unsafe_index"})


def _has_mask(eqn: Eqn) -> bool:
    indices = eqn.args[1] if isinstance(eqn.args[1], tuple) else (eqn.args[1],)
    types = [index.type for index in indices if isinstance(index, Var)]
    return any(
        not isinstance(type_, TensorType) or type_.dtype is None or type_.dtype.short in ("bool", "u8")
        for type_ in types
    )


def _rule(call: Call) -> Dims | None:
    name = call.eqn.op.name
    rule = _RULES.get(name)
    if rule is not None:
        return rule(call)
    if name in _SAME or name.endswith("_like"):
        return call.dims()
    return _broadcast(call) if _is_pointwise(call.eqn.op) else None


@functools.lru_cache(maxsize=4096)
def _is_pointwise(op: OpName) -> bool:
    found = private.overload_of(op.namespace, op.name, op.overload)
    return torch.Tag.pointwise in getattr(found, "tags", ())


# --- whole numbers ----------------------------------------------------------------------------------------------


def _number(call: Call) -> Dim | None:
    """The whole number that a call gives, if sizes decide it."""
    eqn = call.eqn
    if len(eqn.outputs) != 1 or not eqn.args:
        return None
    rule = _NUMBERS.get(eqn.op.name)
    if rule is None:
        return None
    result = rule(call)
    return None if result is None or (not isinstance(result, int) and len(result.terms) > _LONGEST) else result


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
    return _quotient(call.facts, left, right)


def _quotient(facts: Facts, left: Dim, right: Dim) -> Dim:
    if (isinstance(left, int) and isinstance(right, int)) or exact_div(left, right) is not None:
        return floor_div(left, right)

    def compute(sizes: Mapping[str, int]) -> int | None:
        above, below = facts.size(left, sizes), facts.size(right, sizes)
        return None if above is None or not below else above // below

    above, below = hint_of(left), hint_of(right)
    hint = None if above is None or not below else above // below
    return facts.unknown(hint, facts.deps_of(left) | facts.deps_of(right), compute)


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


# --- sizes ------------------------------------------------------------------------------------------------------


def _broadcast(call: Call) -> Dims | None:
    given = [call.facts.arg(arg).dims for arg in call.eqn.args if isinstance(arg, Var) or _is_tensor(arg)]
    return _broadcast_of(call.facts, [dims for dims in given if dims is not None])


def _is_tensor(arg: Arg) -> bool:
    return hasattr(arg, "tensor")


def _broadcast_of(facts: Facts, given: Sequence[Dims]) -> Dims | None:
    if not given:
        return None
    result: list[Dim] = []
    for column in itertools.zip_longest(*(dims[::-1] for dims in given), fillvalue=1):
        sizes = list(dict.fromkeys(dim for dim in column if dim != 1))
        if len(sizes) <= 1:
            result.append(sizes[0] if sizes else 1)
            continue
        fixed = [dim for dim in sizes if isinstance(dim, int)]
        if fixed:
            # Whatever the others are, they are this or 1.
            result.append(fixed[0])
            continue
        deps = functools.reduce(lambda a, b: a | b, map(facts.deps_of, sizes))
        result.append(facts.unknown(max((hint_of(dim) or 1 for dim in sizes), default=None), deps))
    return tuple(result[::-1])


def _view(call: Call) -> Dims | None:
    dims = call.dims()
    sizes = call.named.get("size", call.named.get("shape"))
    if dims is None or not isinstance(sizes, tuple):
        return None
    given = [call.number(size) for size in sizes]
    return _with_rest(call.facts, dims, given)


def _with_rest(facts: Facts, dims: Dims, given: list[Dim]) -> Dims:
    """Sizes of which one may be -1: what the others leave."""
    if -1 not in given:
        return tuple(given)
    left, right = list(dims), [dim for dim in given if dim != -1]
    for dim in list(right):
        if dim in left:
            left.remove(dim)
            right.remove(dim)
    above, below = product(left), product(right)
    if isinstance(below, int) and below == 0:
        rest: Dim = 0
    else:
        rest = _quotient(facts, above, below)
    return tuple(rest if dim == -1 else dim for dim in given)


def _expand(call: Call) -> Dims | None:
    dims, sizes = call.dims(), call.named.get("size")
    if dims is None or not isinstance(sizes, tuple):
        return None
    given = [call.number(size) for size in sizes]
    padded: Dims = (1,) * (len(given) - len(dims)) + dims
    return tuple(old if new == -1 else new for old, new in zip(padded, given, strict=True))


def _made(call: Call) -> Dims | None:
    sizes = call.named.get("size")
    return tuple(call.number(size) for size in sizes) if isinstance(sizes, tuple) else None


def _arange(call: Call) -> Dims | None:
    start, end = call.named.get("start", 0), call.named.get("end")
    if call.named.get("step", 1) != 1:
        return None
    first, last = call.facts.arg(start).number, call.facts.arg(end).number
    return None if first is None or last is None else (last - first,)


def _transpose(call: Call) -> Dims | None:
    dims = call.dims()
    if dims is None:
        return None
    if call.eqn.op.name == "t":
        return dims[::-1]
    first, second = call.axis("dim0", len(dims)), call.axis("dim1", len(dims))
    if first is None or second is None:
        return None
    swapped = list(dims)
    swapped[first], swapped[second] = dims[second], dims[first]
    return tuple(swapped)


def _permute(call: Call) -> Dims | None:
    dims, order = call.dims(), call.named.get("dims")
    if dims is None or not isinstance(order, tuple):
        return None
    axes = [axis for axis in order if isinstance(axis, int)]
    return tuple(dims[axis] for axis in axes) if len(axes) == len(dims) else None


def _unsqueeze(call: Call) -> Dims | None:
    dims = call.dims()
    axis = None if dims is None else call.axis("dim", len(dims) + 1)
    return None if dims is None or axis is None else (*dims[:axis], 1, *dims[axis:])


def _without_axis(call: Call) -> Dims | None:
    dims = call.dims()
    axis = None if dims is None else call.axis("dim", len(dims))
    return None if dims is None or axis is None else dims[:axis] + dims[axis + 1 :]


def _slice(call: Call) -> Dims | None:
    dims = call.dims()
    axis = None if dims is None else call.axis("dim", len(dims))
    if dims is None or axis is None:
        return None
    size = dims[axis]
    start, end, step = (call.named.get(name) for name in ("start", "end", "step"))
    new: Dim
    if call.eqn.op.name == "narrow":
        new = call.number(call.named.get("length"))
    elif start in (0, None) and end in (None, _LAST) and step == 1:
        new = size
    elif isinstance(start, int) and start > 0 and end in (None, _LAST) and step == 1 and not isinstance(size, int):
        new = size - start if (hint_of(size) or 0) >= start else call.facts.unknown(0, call.facts.deps_of(size))
    else:
        facts = call.facts
        deps = facts.deps_of(size) | facts.arg(start).deps | facts.arg(end).deps | facts.arg(step).deps
        new = facts.unknown(None, deps)
        last = facts.arg(end).number
        if start in (0, None) and step == 1 and last is not None and last == size:
            new = size
    return (*dims[:axis], new, *dims[axis + 1 :])


_LAST = 9223372036854775807


def _cat(call: Call) -> Dims | None:
    tensors = call.eqn.args[0]
    if not isinstance(tensors, tuple):
        return None
    given = [dims for dims in (call.facts.arg(tensor).dims for tensor in tensors) if dims is not None]
    if len(given) != len(tensors) or len({len(dims) for dims in given}) != 1:
        return None
    if call.eqn.op.name == "stack":
        axis = call.axis("dim", len(given[0]) + 1)
        return None if axis is None else (*given[0][:axis], len(given), *given[0][axis:])
    axis = call.axis("dim", len(given[0]))
    if axis is None:
        return None
    total: Dim = 0
    for dims in given:
        total = dims[axis] + total
    return (*given[0][:axis], total, *given[0][axis + 1 :])


def _matmul(call: Call) -> Dims | None:
    left, right = call.dims(0), call.dims(1)
    if left is None or right is None or len(left) < 2 or len(right) < 2:
        return None
    batch = _broadcast_of(call.facts, [left[:-2], right[:-2]])
    return None if batch is None else (*batch, left[-2], right[-1])


def _addmm(call: Call) -> Dims | None:
    left, right = call.dims(1), call.dims(2)
    return None if left is None or right is None else (*left[:-1], right[-1])


def _linear(call: Call) -> Dims | None:
    left, weight = call.dims(0), call.dims(1)
    return None if left is None or weight is None or len(weight) != 2 else (*left[:-1], weight[0])


def _embedding(call: Call) -> Dims | None:
    weight, indices = call.dims(0), call.dims(1)
    return None if weight is None or indices is None else (*indices, weight[1])


def _index_select(call: Call) -> Dims | None:
    dims, index = call.dims(0), call.dims(2)
    axis = None if dims is None else call.axis("dim", len(dims))
    if dims is None or index is None or axis is None:
        return None
    return (*dims[:axis], *(index or (1,)), *dims[axis + 1 :])


def _spatial(call: Call) -> Dims | None:
    """A convolution or pooling: each size of the picture comes from that size."""
    dims = call.dims()
    out = call.eqn.outputs[0].type
    if dims is None or not isinstance(out, TensorType) or out.shape is None or len(dims) != len(out.shape):
        return None
    result: list[Dim] = [dims[0]]
    weight = call.facts.arg(call.named["weight"]).dims if "weight" in call.named else None
    first = 1
    if weight is not None:
        transposed = call.named.get("transposed") is True or "transpose" in call.eqn.op.name
        groups = call.named.get("groups", 1)
        result.append(weight[1] * groups if transposed and isinstance(groups, int) else weight[0])
        first = 2
    elif len(dims) > first + _places(call):
        result += dims[1 : len(dims) - _places(call)]
        first = len(result)
    for axis in range(first, len(dims)):
        seen = hint_of(out.shape[axis])
        dim = dims[axis]
        result.append(dim if hint_of(dim) == seen else _scaled(call.facts, dim, seen))
    return tuple(result)


def _places(call: Call) -> int:
    """How many axes a pooling works on, as its name says."""
    return next((int(letter) for letter in call.eqn.op.name if letter.isdigit()), 1)


def _scaled(facts: Facts, dim: Dim, seen: int | None) -> Dim:
    return seen if isinstance(dim, int) and seen is not None else facts.unknown(seen, facts.deps_of(dim))


def _reduced(call: Call) -> Dims | None:
    dims = call.dims()
    if dims is None:
        return None
    axes = call.axes("dim", len(dims))
    if axes is None:
        return None
    if call.named.get("keepdim") is True:
        return tuple(1 if axis in axes else dim for axis, dim in enumerate(dims))
    return tuple(dim for axis, dim in enumerate(dims) if axis not in axes)


def _flatten(call: Call) -> Dims | None:
    dims = call.dims()
    if not dims:
        return None
    start, end = call.axis("start_dim", len(dims)), call.axis("end_dim", len(dims))
    if start is None or end is None:
        return None
    return (*dims[:start], product(dims[start : end + 1]), *dims[end + 1 :])


def _attention(call: Call) -> Dims | None:
    query, value = call.dims(0), call.dims(2)
    return None if query is None or value is None else (*query[:-1], value[-1])


def _where(call: Call) -> Dims | None:
    return _broadcast(call) if len(call.eqn.args) == 3 else None


_SAME = frozenset(
    {
        *(
            "softmax",
            "log_softmax",
            "_softmax",
            "_log_softmax",
            "layer_norm",
            "native_layer_norm",
            "group_norm",
            "rms_norm",
        ),
        *(
            "batch_norm",
            "instance_norm",
            "cumsum",
            "cumprod",
            "contiguous",
            "clone",
            "detach",
            "to",
            "type_as",
            "dropout",
        ),
        *(
            "masked_fill",
            "triu",
            "tril",
            "flip",
            "roll",
            "scatter",
            "index_put",
            "index_fill",
            "index_copy",
            "index_add",
        ),
        *(
            "alias",
            "_to_copy",
            "feature_dropout",
            "lift_fresh",
            "slice_scatter",
            "select_scatter",
            "copy",
            "fill",
            "sort",
        ),
    }
)

_RULES: dict[str, Callable[[Call], Dims | None]] = {
    **dict.fromkeys(("view", "reshape", "_unsafe_view"), _view),
    **dict.fromkeys(("expand", "broadcast_to"), _expand),
    **dict.fromkeys(_NEW, _made),
    **dict.fromkeys(("rand", "randn"), _made),
    **dict.fromkeys(("transpose", "swapaxes", "t"), _transpose),
    **dict.fromkeys(("slice", "narrow"), _slice),
    **dict.fromkeys(("cat", "concat", "stack"), _cat),
    **dict.fromkeys(("matmul", "bmm", "mm"), _matmul),
    **dict.fromkeys(("addmm", "baddbmm"), _addmm),
    **dict.fromkeys(("sum", "mean", "amax", "amin", "argmax", "argmin", "any", "all", "prod", "logsumexp"), _reduced),
    **dict.fromkeys(
        tuple(
            f"{kind}{places}d"
            for kind in ("conv", "conv_transpose", "avg_pool", "max_pool", "adaptive_avg_pool", "adaptive_max_pool")
            for places in (1, 2, 3)
        ),
        _spatial,
    ),
    **dict.fromkeys(("_convolution", "convolution"), _spatial),
    "permute": _permute,
    "unsqueeze": _unsqueeze,
    "select": _without_axis,
    "arange": _arange,
    "linear": _linear,
    "embedding": _embedding,
    "index_select": _index_select,
    "flatten": _flatten,
    "scaled_dot_product_attention": _attention,
    "where": _where,
}
