"""Arguments and results of any structure as flat lists, and back.

torch's pytree knows the containers of Python and what other packages have registered with it; it is asked for one
level at a time. Beyond it, an instance of a class of the user's that is a dict, list or tuple is its items, a dataclass
is its fields, and any other object that holds tensors is the attributes that hold them: a key-value cache, a batch of
encodings. Nothing is registered, since the registry is one for the process.
"""

from __future__ import annotations

import collections
import copy
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.utils import _pytree as pytree

#: How to reach a leaf: argument name, then keys, indices and field names, all as text.
Path = tuple[str, ...]

_ATOMS = (
    torch.Tensor,
    torch.nn.Module,
    str,
    bytes,
    int,
    float,
    complex,
    bool,
    type(None),
    type,
    torch.dtype,
    torch.device,
)
_MAX_DEPTH = 64


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """One node of a structure; a leaf has no ``build``.

    Attributes:
        kind: the class of the container, None for a leaf.
        names: how each child is reached.
        children: the parts.
        build: makes a container like the original one of new parts.
    """

    kind: type | None = None
    names: tuple[str, ...] = ()
    children: tuple[Tree, ...] = ()
    build: Callable[[list[Any]], Any] | None = None

    @property
    def is_leaf(self) -> bool:
        """Whether this is one value."""
        return self.build is None

    def paths(self, prefix: Path = ()) -> Iterator[Path]:
        """The paths of all leaves, in order."""
        if self.is_leaf:
            yield prefix
        for name, child in zip(self.names, self.children, strict=True):
            yield from child.paths((*prefix, name))

    def unflatten(self, leaves: Iterator[Any]) -> Any:
        """A structure like the original one, of the next leaves."""
        if self.build is None:
            return next(leaves)
        return self.build([child.unflatten(leaves) for child in self.children])


def flatten(value: Any) -> tuple[list[Any], Tree]:
    """The leaves of ``value`` in order, and its structure."""
    leaves: list[Any] = []
    return leaves, _flatten(value, leaves, 0)


def _flatten(value: Any, leaves: list[Any], depth: int) -> Tree:
    parts = None if depth > _MAX_DEPTH else _open(value)
    if parts is None:
        leaves.append(value)
        return Tree()
    names, children, build = parts
    return Tree(type(value), tuple(names), tuple(_flatten(child, leaves, depth + 1) for child in children), build)


_Parts = tuple[Sequence[str], Sequence[Any], Callable[[list[Any]], Any]]


def _open(value: Any) -> _Parts | None:
    """One level of ``value``: names, parts, and how to put it together again; None for a leaf."""
    if isinstance(value, _ATOMS):
        return None
    known = _open_pytree(value)
    if known is not None:
        return known
    if isinstance(value, dict | list | tuple):
        return _open_items(value)
    if dataclasses.is_dataclass(value):
        return _open_attributes(value, [field.name for field in dataclasses.fields(value)])
    if hasattr(value, "__dict__") and not callable(value):
        held = [name for name, part in vars(value).items() if _holds_tensor(part, 0)]
        return _open_attributes(value, held) if held else None
    return None


def _open_pytree(value: Any) -> _Parts | None:
    pairs, spec = pytree.tree_flatten_with_path(value, is_leaf=lambda part: part is not value)
    if len(pairs) == 1 and pairs[0][1] is value:
        return None
    names = [_key_text(path[0]) for path, _ in pairs]
    return names, [part for _, part in pairs], lambda parts: pytree.tree_unflatten(parts, spec)


def _key_text(key: Any) -> str:
    for attribute in ("key", "idx", "name"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)


def _open_items(value: Any) -> _Parts:
    """The items of a class of the user's, and those of its attributes that hold other tensors than the items."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    items = [value[key] for key in keys]
    count = len(items)
    given = dict(getattr(value, "__dict__", {}))
    # Results often offer their items as attributes as well.
    positions = {id(item): index for index, item in enumerate(items)}
    shared = {name: positions[id(part)] for name, part in given.items() if id(part) in positions}
    held = [name for name, part in given.items() if name not in shared and _holds_tensor(part, 0)]

    def build(parts: list[Any]) -> Any:
        made = _with_items(value, keys, parts[:count])
        for name, part in (*((n, parts[i]) for n, i in shared.items()), *zip(held, parts[count:], strict=True)):
            object.__setattr__(made, name, part)
        return made

    return [*map(str, keys), *held], [*items, *(given[name] for name in held)], build


def _with_items(original: Any, keys: list[Any], items: list[Any]) -> Any:
    """A container like the original one; methods that its class has of its own are not called with the items."""
    if isinstance(original, tuple):
        made = tuple.__new__(type(original), items)
        for name, part in getattr(original, "__dict__", {}).items():
            object.__setattr__(made, name, part)
        return made
    made = copy.copy(original)
    if isinstance(made, list):
        list.__setitem__(made, slice(None), items)
        return made
    base: Any = collections.OrderedDict if isinstance(original, collections.OrderedDict) else dict
    for key, item in zip(keys, items, strict=True):
        base.__setitem__(made, key, item)
    return made


def _open_attributes(value: Any, names: Sequence[str]) -> _Parts:
    cls = type(value)
    rest = {name: part for name, part in getattr(value, "__dict__", {}).items() if name not in names}

    def build(parts: list[Any]) -> Any:
        # Neither __init__ nor __post_init__ runs: they may check, convert or count what they are given.
        made = object.__new__(cls)
        for name, part in (*rest.items(), *zip(names, parts, strict=True)):
            object.__setattr__(made, name, copy.copy(part) if isinstance(part, (dict, list, set)) else part)
        return made

    return names, [getattr(value, name) for name in names], build


def _holds_tensor(value: Any, depth: int) -> bool:
    if isinstance(value, torch.Tensor):
        return True
    if depth > _MAX_DEPTH or isinstance(value, _ATOMS):
        return False
    parts = _open_pytree(value)
    if parts is not None:
        return any(_holds_tensor(part, depth + 1) for part in parts[1])
    if isinstance(value, dict | list | tuple):
        items = value.values() if isinstance(value, dict) else value
        if any(_holds_tensor(part, depth + 1) for part in items):
            return True
    if hasattr(value, "__dict__") and not callable(value):
        return any(_holds_tensor(part, depth + 1) for part in vars(value).values())
    return False
