"""How operators make sizes out of sizes, for :mod:`onnxport_frontend.dependence`.

A rule gives the sizes of an operator's result, or None where it does not know.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import cast

from onnxport_ir.captured import Arg, TensorLiteral, Var
from onnxport_ir.dims import Dim, hint_of, product
from onnxport_ir.types import TensorType

from onnxport_frontend.dependence import Facts
from onnxport_frontend.size_calls import Call, Dims, Rule, quotient


def broadcast(call: Call) -> Dims | None:
    """The sizes of what all tensors among the arguments are spread to."""
    given = [call.facts.arg(arg).dims for arg in call.eqn.args if isinstance(arg, Var | TensorLiteral)]
    return _broadcast_of(call.facts, [dims for dims in given if dims is not None])


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
        largest = max(hint_of(dim) or 1 for dim in sizes)
        formulas = [dim for dim in sizes if not isinstance(dim, int) and dim.is_printable and hint_of(dim) == largest]
        if len(formulas) == 1 and largest > 1:
            # Where the others are as large, they must be so in general as well, or 1.
            result.append(formulas[0])
            continue
        deps = functools.reduce(lambda a, b: a | b, map(facts.deps_of, sizes))
        result.append(facts.unknown(largest, deps))
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
        rest = quotient(facts, above, below)
    return tuple(rest if dim == -1 else dim for dim in given)


def _expand(call: Call) -> Dims | None:
    dims, sizes = call.dims(), call.named.get("size")
    if dims is None or not isinstance(sizes, tuple):
        return None
    given = [call.number(size) for size in sizes]
    padded: Dims = (1,) * (len(given) - len(dims)) + dims
    return tuple(old if new == -1 else new for old, new in zip(padded, given, strict=True))


#: Operators that make tensors of a given size.
NEW = frozenset({"new_zeros", "new_ones", "new_full", "new_empty", "zeros", "ones", "full", "empty"})


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
        deps = facts.deps_of(size) | facts.counted(facts.arg(start).deps | facts.arg(end).deps | facts.arg(step).deps)
        new = facts.unknown(None, deps)
        last = facts.arg(end).number
        if start in (0, None) and step == 1 and last is not None and _fits(last, size):
            new = last
    return (*dims[:axis], new, *dims[axis + 1 :])


def _fits(last: Dim, size: Dim) -> bool:
    """Whether a slice ends within the tensor; beyond a table of positions, say, a model does not work anyway."""
    end, whole = hint_of(last), hint_of(size)
    return end is not None and whole is not None and 0 < end <= whole


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
        found = _windows(call, dim, axis - first, weight)
        if found is None or hint_of(found) != seen:
            found = dim if hint_of(dim) == seen else _scaled(call.facts, dim, seen)
        result.append(found)
    return tuple(result)


def _windows(call: Call, dim: Dim, place: int, weight: Dims | None) -> Dim | None:
    """How many windows fit into an axis; None where it is not known."""
    named = call.named
    if named.get("transposed") is True or "transpose" in call.eqn.op.name or named.get("ceil_mode") is True:
        return None
    kernel = weight[2 + place] if weight is not None else _at(named.get("kernel_size"), place, None)
    stride = _at(named.get("stride"), place, kernel)
    padding, dilation = _at(named.get("padding", 0), place, None), _at(named.get("dilation", 1), place, None)
    if not all(isinstance(number, int) for number in (kernel, stride, padding, dilation)):
        return None
    # They are; the type checker does not see through all().
    kernel, stride, padding, dilation = (cast("int", number) for number in (kernel, stride, padding, dilation))
    return quotient(call.facts, dim + (2 * padding - dilation * (kernel - 1) - 1), stride) + 1


def _at(given: Arg | None, place: int, default: Dim | None) -> Dim | None:
    """One of the numbers for the axes of a picture; one number is for all of them, none is the default."""
    if isinstance(given, tuple):
        given = given[place if len(given) > 1 else 0] if given else None
    return given if isinstance(given, int) else default if given is None else None


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


def _one_hot(call: Call) -> Dims | None:
    dims = call.dims()
    return None if dims is None else (*dims, call.number(call.named["num_classes"]))


def _where(call: Call) -> Dims | None:
    return broadcast(call) if len(call.eqn.args) == 3 else None


#: Operators that give as many tensors as an axis is long, or as fit into it, and the name of the axis argument.
LISTS = {
    **dict.fromkeys(
        ("unbind", "split", "chunk", "unsafe_split", "unsafe_chunk", "tensor_split", "split_with_sizes"), "dim"
    )
}


def item_dims(call: Call) -> Dims | None:
    """The sizes of each tensor in the list that an operator gives."""
    dims = call.dims()
    axis = None if dims is None else call.axis("dim", len(dims))
    if dims is None or axis is None:
        return None
    if call.eqn.op.name == "unbind":
        return dims[:axis] + dims[axis + 1 :]
    return (*dims[:axis], call.facts.unknown(None, call.facts.deps_of(dims[axis])), *dims[axis + 1 :])


def _index(call: Call) -> Dims | None:
    """Indices of whole numbers: their common sizes stand where the first was, or in front if they are apart."""
    dims, indices = call.dims(), call.eqn.args[1]
    if dims is None or not isinstance(indices, tuple):
        return None
    indices += (None,) * (len(dims) - len(indices))
    axes = [axis for axis, index in enumerate(indices) if index is not None]
    given = [call.facts.arg(indices[axis]).dims for axis in axes]
    common = _broadcast_of(call.facts, [item for item in given if item is not None])
    if common is None or None in given:
        return None
    rest = [dim for axis, dim in enumerate(dims) if axis not in axes]
    first = axes[0] if axes == list(range(axes[0], axes[-1] + 1)) else 0
    return (*rest[:first], *common, *rest[first:])


def _pad(call: Call) -> Dims | None:
    dims, pads = call.dims(), call.named.get("pad", call.named.get("padding"))
    if dims is None or not isinstance(pads, tuple):
        return None
    result = list(dims)
    for place in range(len(pads) // 2):
        before, after = call.number(pads[2 * place]), call.number(pads[2 * place + 1])
        result[-1 - place] = before + result[-1 - place] + after
    return tuple(result)


def _repeat(call: Call) -> Dims | None:
    dims, times = call.dims(), call.named.get("repeats")
    if dims is None or not isinstance(times, tuple):
        return None
    padded: Dims = (1,) * (len(times) - len(dims)) + dims
    return tuple(call.number(number) * dim for number, dim in zip(times, padded, strict=True))


def _einsum(call: Call) -> Dims | None:
    equation, tensors = call.eqn.args[0], call.eqn.args[1]
    if not isinstance(equation, str) or not isinstance(tensors, tuple) or "->" not in equation or "." in equation:
        return None
    left, _, right = equation.replace(" ", "").partition("->")
    known: dict[str, Dim] = {}
    for letters, tensor in zip(left.split(","), tensors, strict=True):
        dims = call.facts.arg(tensor).dims
        if dims is None or len(dims) != len(letters):
            return None
        known.update((letter, dim) for letter, dim in zip(letters, dims, strict=True) if known.get(letter, 1) == 1)
    return tuple(known[letter] for letter in right)


def _gather(call: Call) -> Dims | None:
    return call.facts.arg(call.named["index"]).dims


def _topk(call: Call) -> Dims | None:
    dims = call.dims()
    axis = None if dims is None else call.axis("dim", len(dims))
    if dims is None or axis is None:
        return None
    return (*dims[:axis], call.number(call.named["k"]), *dims[axis + 1 :])


def _extreme(call: Call) -> Dims | None:
    """The largest elements, or one of two tensors."""
    return broadcast(call) if "other" in call.named else _reduced(call)


SAME = frozenset(
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

RULES: dict[str, Rule] = {
    **dict.fromkeys(("view", "reshape", "_unsafe_view"), _view),
    **dict.fromkeys(("expand", "broadcast_to"), _expand),
    **dict.fromkeys(NEW, _made),
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
    **dict.fromkeys(("max", "min", "median", "mode", "kthvalue"), _extreme),
    **dict.fromkeys(("pad", "constant_pad_nd"), _pad),
    "index": _index,
    "repeat": _repeat,
    "einsum": _einsum,
    "gather": _gather,
    "topk": _topk,
    "ListUnpack": Call.dims,
    "permute": _permute,
    "unsqueeze": _unsqueeze,
    "select": _without_axis,
    "arange": _arange,
    "linear": _linear,
    "embedding": _embedding,
    "index_select": _index_select,
    "flatten": _flatten,
    "scaled_dot_product_attention": _attention,
    "one_hot": _one_hot,
    "where": _where,
}
