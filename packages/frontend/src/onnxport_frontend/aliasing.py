"""What torch's schemas say about memory: which arguments an operator writes, and which results share memory.

The annotations ``(a!)`` and ``(a)`` of the schemas are the source. Where a schema is silent although the operator
can hand back its input (``dropout`` in evaluation, ``type_as``), :data:`SILENT_ALIASES` says so.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from onnxport_ir.captured import Arg, OpName
from onnxport_ir.errors import InternalError

from onnxport_frontend import _torch_private

_CONTAINER = re.compile(r"(List|Dict|Tuple)[\[(]")
# A tensor, or a type variable such as `t`; not the key type of a dictionary.
_ELEMENT = re.compile(r"\b(Tensor|t|tVal|T)\b")
# The schemas of `l[1:]`, `l + l` and `list(l)` do not say that the elements are the same ones.
_VARIABLE = re.compile(r"\b(t|tVal|T|Any)\b")


@dataclass(frozen=True, slots=True)
class SchemaArg:
    """One argument of a schema.

    Attributes:
        name: the argument's name.
        kind: the type as the script language prints it, ``Optional[Tensor]``.
        is_written: whether the operator writes it (``(a!)``).
        sets: the alias sets that it belongs to, before or after the call.
        has_default: whether it may be left out.
        default: the value if it is left out.
    """

    name: str
    kind: str
    is_written: bool
    sets: frozenset[str]
    has_default: bool
    default: Arg

    @property
    def is_tensor(self) -> bool:
        """Whether it is one tensor or none."""
        return self.kind in ("Tensor", "Optional[Tensor]")

    @property
    def is_container(self) -> bool:
        """Whether it can hold tensors without being one."""
        inner = _CONTAINER.search(self.kind)
        return inner is not None and _ELEMENT.search(self.kind, inner.end()) is not None


@dataclass(frozen=True, slots=True)
class OpFacts:
    """What a schema says about memory.

    Attributes:
        args: the arguments.
        sources: per result the indices of the arguments whose memory it can share.
        tensor_writes: the indices of the tensor arguments that are written.
        container_writes: the indices of other written arguments: lists, dicts, generators.
    """

    args: tuple[SchemaArg, ...]
    sources: tuple[tuple[int, ...], ...]
    tensor_writes: tuple[int, ...]
    container_writes: tuple[int, ...]

    def index(self, name: str) -> int:
        """The position of an argument."""
        return next(i for i, arg in enumerate(self.args) if arg.name == name)


@dataclass(frozen=True, slots=True)
class Twin:
    """The functional form of an operator that writes.

    Attributes:
        op: the functional operator.
        sources: per argument of the functional operator the index of the writing operator's argument, or None.
        defaults: what the arguments without a source get.
        names: the functional operator's argument names.
    """

    op: OpName
    sources: tuple[int | None, ...]
    defaults: tuple[Arg, ...]
    names: tuple[str, ...]


def op_facts(op: OpName) -> OpFacts | None:
    """The facts of an operator's schema, or None if torch has no such operator."""
    try:
        return _facts(op)
    except LookupError:
        return None


def functional_twin(op: OpName) -> Twin | None:
    """The operator that computes what ``op`` writes, or None if torch has none.

    ``aten::add_.Tensor`` has ``aten::add.Tensor``, ``aten::add.out`` the same one; each result of the twin is one
    written argument, in the schema's order.
    """
    try:
        return _twin(op)
    except LookupError:
        return None


def bind_call(op: OpName, args: Sequence[Arg], named: Mapping[str, Arg]) -> tuple[tuple[Arg, ...], tuple[str, ...]]:
    """Arguments and names of a call in the schema's order, with defaults filled in.

    Raises:
        InternalError: if the arguments do not fit the schema.
    """
    facts = op_facts(op)
    if facts is None or len(args) > len(facts.args):
        raise InternalError(f"{op} cannot be called with {len(args)} arguments")
    given = dict(zip((arg.name for arg in facts.args), args, strict=False)) | dict(named)
    missing = [arg.name for arg in facts.args if arg.name not in given and not arg.has_default]
    if missing or len(given) > len(facts.args):
        raise InternalError(f"{op} cannot be called with {sorted(given)}")
    return tuple(given.get(arg.name, arg.default) for arg in facts.args), tuple(arg.name for arg in facts.args)


def is_pointwise(op: OpName) -> bool:
    """Whether torch tags the operator as elementwise."""
    return op.namespace == "aten" and _is_pointwise(op)


#: Operators that can hand back their input although their schema has no alias annotation.
SILENT_ALIASES = frozenset(
    {
        "aten::_unsafe_view",
        "aten::align_as",
        "aten::align_tensors",
        "aten::align_to",
        "aten::alpha_dropout",
        "aten::atleast_1d",
        "aten::atleast_2d",
        "aten::atleast_3d",
        "aten::broadcast_tensors",
        "aten::cartesian_prod",
        "aten::chain_matmul",
        "aten::channel_shuffle",
        "aten::combinations",
        "aten::conj_physical",
        "aten::dropout",
        "aten::einsum",
        "aten::feature_alpha_dropout",
        "aten::feature_dropout",
        "aten::linalg_multi_dot",
        "aten::meshgrid",
        "aten::native_channel_shuffle",
        "aten::pixel_shuffle",
        "aten::pixel_unshuffle",
        "aten::sum_to_size",
        "aten::type_as",
        "aten::unflatten_dense_tensors",
        "aten::unsafe_chunk",
        "aten::unsafe_split",
        "aten::unsafe_split_with_sizes",
    }
)

#: Elementwise operators whose result is bool, whatever they are given.
BOOL_RESULTS = frozenset(
    {"eq", "ne", "lt", "le", "gt", "ge", "less", "less_equal", "greater", "greater_equal", "not_equal"}
    | {"logical_and", "logical_or", "logical_xor", "logical_not"}
)

#: Operators whose result has the type of ``self``, whatever the other arguments are.
KEEPS_SELF = frozenset(
    {"masked_fill", "masked_scatter", "index_put", "_index_put_impl", "index_fill", "index_copy", "index_add"}
    | {"index_reduce", "put", "scatter", "scatter_add", "scatter_reduce", "renorm", "tril", "triu", "dropout"}
    | {"bernoulli", "uniform", "normal_functional", "exponential", "geometric", "cauchy", "log_normal", "random"}
)

#: Operators that turn narrow integers into int64.
WIDENS_INTEGERS = frozenset({"cumsum", "cumprod"})

# Names that do not follow the rule "drop the underscore".
_TWIN_NAMES = {
    "aten::normal_": "aten::normal_functional",
    "aten::__iand__": "aten::__and__",
    "aten::__ior__": "aten::__or__",
    "aten::__ixor__": "aten::__xor__",
    "aten::__ilshift__": "aten::__lshift__",
    "aten::__irshift__": "aten::__rshift__",
}

# The random fillers' overloads are named for the type of the argument.
_TWIN_OVERLOADS = {"aten::bernoulli_.float": "p"}


_NO_DEFAULT = object()


@functools.lru_cache(maxsize=4096)
def _facts(op: OpName) -> OpFacts:
    for schema in _torch_private.operator_schemas(op.base):
        if schema.overload_name == op.overload:
            return _read(schema)
    raise LookupError(str(op))


def _read(schema: _torch_private.FunctionSchema) -> OpFacts:
    args = tuple(_read_arg(arg) for arg in schema.arguments)
    sources = tuple([_sources(result, args) for result in schema.returns])
    written = [i for i, arg in enumerate(args) if arg.is_written]
    tensors = tuple(i for i in written if args[i].is_tensor or (args[i].kind == "List[Tensor]" and _is_foreach(schema)))
    return OpFacts(args, sources, tensors, tuple(i for i in written if i not in tensors))


def _is_foreach(schema: _torch_private.FunctionSchema) -> bool:
    # A written Tensor[] means the tensors for _foreach_add_ and torch.split_copy(out=), the list for aten::remove.
    return schema.name not in ("aten::remove", "aten::sort")


def _read_arg(arg: Any) -> SchemaArg:
    info = arg.alias_info
    default = arg.default_value if arg.has_default_value() else _NO_DEFAULT
    is_literal = default is None or isinstance(default, bool | int | float | complex | str | list)
    return SchemaArg(
        arg.name,
        str(arg.type),
        info is not None and info.is_write,
        _sets(info),
        is_literal,
        _literal(default) if is_literal else None,
    )


def _sets(info: Any) -> frozenset[str]:
    return frozenset() if info is None else frozenset(info.before_set) | frozenset(info.after_set)


def _sources(result: Any, args: tuple[SchemaArg, ...]) -> tuple[int, ...]:
    sets = _sets(result.alias_info)
    if result.alias_info is None:
        is_generic = _VARIABLE.search(str(result.type)) is not None
        return tuple([i for i, arg in enumerate(args) if is_generic and _VARIABLE.search(arg.kind)])
    # A list result such as unbind's carries its sets on the elements, which torch does not show: it is `(a)[]`
    # of an argument that is marked `(a -> *)`. What comes out of a container is marked `(*)`.
    inner = not sets or "*" in sets
    return tuple(
        i for i, arg in enumerate(args) if (arg.sets & sets) or (inner and ("*" in arg.sets or arg.is_container))
    )


def _literal(value: Any) -> Arg:
    literal: Arg = tuple(value) if isinstance(value, list) else value
    return literal


@functools.lru_cache(maxsize=1024)
def _twin(op: OpName) -> Twin:
    facts = _facts(op)
    name = _twin_name(op, facts)
    outs = set(facts.tensor_writes) if name == op.base else set()
    given = {arg.name: i for i, arg in enumerate(facts.args) if i not in outs}
    found: list[tuple[bool, int, Twin]] = []
    for schema in _torch_private.operator_schemas(name):
        twin = _read(schema)
        fits = not twin.tensor_writes and len(schema.returns) == len(facts.tensor_writes)
        sources = _match(facts, given, twin) if fits else None
        if sources is not None:
            overload = _TWIN_OVERLOADS.get(str(op), op.overload)
            candidate = Twin(
                OpName.parse(name if not schema.overload_name else f"{name}.{schema.overload_name}"),
                sources,
                tuple(arg.default for arg in twin.args),
                tuple(arg.name for arg in twin.args),
            )
            found.append((schema.overload_name != overload, sources.count(None), candidate))
    if not found:
        raise LookupError(str(op))
    return min(found, key=lambda item: item[:2])[2]


def _twin_name(op: OpName, facts: OpFacts) -> str:
    if op.base in _TWIN_NAMES:
        return _TWIN_NAMES[op.base]
    if op.name.endswith("_") and not op.name.endswith("__"):
        return op.base[:-1]
    is_out = (bool(facts.tensor_writes) and "out" in op.overload) or any(a.name == "out" for a in facts.args)
    is_out = is_out or facts.tensor_writes == tuple(range(len(facts.args) - len(facts.tensor_writes), len(facts.args)))
    if not is_out:
        raise LookupError(str(op))
    return op.base


def _match(facts: OpFacts, given: Mapping[str, int], twin: OpFacts) -> tuple[int | None, ...] | None:
    sources: list[int | None] = []
    for position, arg in enumerate(twin.args):
        source = given.get(arg.name)
        if source is None and position == 0 and arg.name == "input":
            source = given.get("self")
        if source is None and not arg.has_default:
            return None
        if source is not None and facts.args[source].kind != arg.kind:
            return None
        sources.append(source)
    return tuple(sources) if set(given.values()) <= set(sources) else None


@functools.lru_cache(maxsize=4096)
def _is_pointwise(op: OpName) -> bool:
    packet = getattr(torch.ops.aten, op.name, None)
    overload = getattr(packet, op.overload or "default", None)
    return torch.Tag.pointwise in getattr(overload, "tags", ())
