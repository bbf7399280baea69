"""Dictionaries and enumerations of the script language: they exist only while a graph is followed.

ONNX has neither. A graph is followed in the order in which it runs, so that a write to a dictionary can be carried out
on the spot, as long as no branch or loop is around it that is not around the dictionary.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from onnxport_ir.captured import Arg
from onnxport_ir.errors import CaptureFailed, NotYetSupported, UnsafeMutation

_Key = str | int | float | bool
_WRITES = frozenset({"_set_item", "Delete", "clear", "pop", "popitem", "setdefault", "update"})


# Any: what the dictionary holds: arguments, and whatever else exists only while a graph is followed.
@dataclass(slots=True, eq=False)
class StaticDict:
    """A dictionary whose keys are known.

    Attributes:
        entries: what it holds at present.
        depth: how many branches and loops are around the place where it was made.
    """

    entries: dict[_Key, Any]
    depth: int = 0

    @property
    def items(self) -> tuple[tuple[_Key, Any], ...]:
        """Keys and what belongs to them, in order."""
        return tuple(self.entries.items())

    @staticmethod
    def of(pairs: Sequence[tuple[Arg, Any]], depth: int) -> StaticDict:
        """A new dictionary.

        Raises:
            NotYetSupported: if a key depends on the input.
        """
        return StaticDict({_key(key): value for key, value in pairs}, depth)


@dataclass(frozen=True, slots=True)
class EnumMember:
    """A member of an enumeration.

    Attributes:
        enum: the enumeration.
        name: the member's name.
        value: what it stands for.
    """

    enum: str
    name: str
    value: Arg


def call_dict(name: str, target: StaticDict, args: Sequence[Any], depth: int) -> Any:
    """The result of an operator whose first argument is a dictionary.

    Args:
        name: the operator's name.
        target: the dictionary.
        args: the other arguments.
        depth: how many branches and loops are around the call.

    Raises:
        NotYetSupported: if it has no result that is known now.
        UnsafeMutation: if the operator writes, and may or may not run.
        CaptureFailed: if the key is missing.
    """
    function = _DICT.get(name)
    if function is None:
        raise NotYetSupported(f"a dictionary as an argument of {name}")
    if name in _WRITES and depth > target.depth:
        raise UnsafeMutation(
            "a branch or loop writes to a dictionary from outside of it",
            why="ONNX has no dictionaries, so that what they hold must be known",
            hint="Collect the values in a list, or write to the dictionary outside of the branch.",
        )
    try:
        return function(target, *args)
    except KeyError as error:
        raise CaptureFailed(f"a dictionary has no key {error}") from error


def call_enum(name: str, args: Sequence[Any]) -> Any:
    """The result of an operator on members of enumerations.

    Raises:
        NotYetSupported: if there is no such operator.
    """
    left, *rest = args
    match name:
        case "EnumValue":
            return left.value
        case "EnumName":
            return left.name
        case "eq" | "__is__":
            return left == rest[0]
        case "ne" | "__isnot__":
            return left != rest[0]
    raise NotYetSupported(f"a member of an enumeration as an argument of {name}")


def _key(key: Any) -> _Key:
    if isinstance(key, (str, int, float, bool)):
        return key
    raise NotYetSupported("a dictionary with a key that depends on the input")


def _get(target: StaticDict, key: Any, default: Any = None) -> Any:
    return target.entries.get(_key(key), default)


def _set(target: StaticDict, key: Any, value: Any) -> None:
    target.entries[_key(key)] = value


def _pop(target: StaticDict, key: Any, *default: Any) -> Any:
    return target.entries.pop(_key(key), *default)


def _update(target: StaticDict, other: Any) -> None:
    if not isinstance(other, StaticDict):
        raise NotYetSupported("a dictionary updated by a list of pairs")
    target.entries.update(other.entries)


def _copy(target: StaticDict) -> StaticDict:
    return StaticDict(dict(target.entries), target.depth)


# The keys of a dictionary, and its entries, are lists of their own in the script language.
_DICT: dict[str, Callable[..., Any]] = {
    "__getitem__": lambda target, key: target.entries[_key(key)],
    "__contains__": lambda target, key: _key(key) in target.entries,
    "_set_item": _set,
    "Delete": lambda target, key: operator.delitem(target.entries, _key(key)),
    "clear": lambda target: target.entries.clear(),
    "copy": _copy,
    "dict": _copy,
    "get": _get,
    "items": lambda target: target.items,
    "keys": lambda target: tuple(target.entries),
    "len": lambda target: len(target.entries),
    "pop": _pop,
    "popitem": lambda target: target.entries.popitem(),
    "setdefault": lambda target, key, value: target.entries.setdefault(_key(key), value),
    "update": _update,
    "values": lambda target: tuple(target.entries.values()),
    "__is__": lambda target, other: False,
    "__isnot__": lambda target, other: True,
}
