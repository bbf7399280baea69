"""Dictionaries, objects and enumerations of the script language: they exist only while a graph is followed.

ONNX has none of them. A graph is followed in the order in which it runs, so that a write to a dictionary or an object
is carried out on the spot; what a branch or a loop has written is put together afterwards, in
:mod:`onnxport_frontend.bodies`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from onnxport_ir.captured import Arg
from onnxport_ir.errors import CaptureFailed, NotYetSupported, UnsafeMutation

_Key = str | int | float | bool
_COPIES = frozenset({"copy", "dict"})
_WRITES = frozenset({"_set_item", "Delete", "clear", "pop", "popitem", "setdefault", "update"})


# Any: what is held: arguments, and whatever else exists only while a graph is followed.
@dataclass(slots=True, eq=False)
class Record:
    """What has named parts that can be written: a dictionary whose keys are known, or an object.

    Attributes:
        entries: what it holds at present.
        depth: how many branches and loops are around the place where it was made; -1 for what outlives the call.
        unsure: the keys that it has in some runs only.
        is_shared: whether it may be the same one as another, so that a write to it cannot be followed.
    """

    entries: dict[_Key, Any]
    depth: int = 0
    unsure: frozenset[_Key] = frozenset()
    is_shared: bool = False

    def sure(self) -> dict[_Key, Any]:
        """What it holds in all runs.

        Raises:
            NotYetSupported: if that is not all.
        """
        if self.unsure:
            raise NotYetSupported(f"{self.what} that has {_listed(self.unsure)} in some runs and not in others")
        return self.entries

    def at(self, key: _Key) -> Any:
        """What it holds under a key that it has.

        Raises:
            NotYetSupported: if it has it in some runs only.
            CaptureFailed: if it has it in none.
        """
        if key in self.unsure:
            self.sure()
        if key not in self.entries:
            raise CaptureFailed(f"{self.what} has no {key!r}")
        return self.entries[key]

    @property
    def what(self) -> str:
        """What it is, for messages."""
        return "a dictionary"


@dataclass(slots=True, eq=False)
class StaticDict(Record):
    """A dictionary whose keys are known."""

    @property
    def items(self) -> tuple[tuple[_Key, Any], ...]:
        """Keys and what belongs to them, in order."""
        return tuple(self.sure().items())

    @staticmethod
    def of(pairs: Sequence[tuple[Arg, Any]], depth: int) -> StaticDict:
        """A new dictionary.

        Raises:
            NotYetSupported: if a key depends on the input.
        """
        return StaticDict({_key(key): value for key, value in pairs}, depth)


@dataclass(slots=True, eq=False)
class StaticObject(Record):
    """An object of a class that was compiled, with its attributes.

    Attributes:
        kind: its class, as torch names it.
    """

    kind: str = ""

    @property
    def what(self) -> str:
        """What it is, for messages."""
        return f"an object of the class {self.kind.removeprefix('__torch__.')}"


def _listed(keys: Iterable[_Key]) -> str:
    return ", ".join(sorted(map(repr, keys)))


class Journal:
    """What was written to dictionaries and objects, so that it can be taken back."""

    def __init__(self) -> None:
        self._levels: list[tuple[float, dict[Record, _State]]] = []

    def before(self, record: Record) -> None:
        """Keep what a record holds, as it is about to be written.

        Raises:
            UnsafeMutation: if the effect of a write to it cannot be followed.
        """
        if record.depth < 0:
            raise UnsafeMutation(f"the model writes to {record.what} that is one of its attributes")
        if record.is_shared:
            raise UnsafeMutation(
                f"a write to {record.what} that may have another name",
                why="a branch or loop decides which one it is",
                hint="Make a copy of it before.",
            )
        for depth, states in self._levels:
            if record.depth < depth:
                states.setdefault(record, _state(record))

    @contextmanager
    def level(self, depth: float) -> Iterator[dict[Record, _State]]:
        """Note what is written to records made at a lower depth: their states before, as long as this is open."""
        states: dict[Record, _State] = {}
        self._levels.append((depth, states))
        try:
            yield states
        finally:
            self._levels.pop()


_State = tuple[dict[_Key, Any], frozenset[_Key], bool]


def _state(record: Record) -> _State:
    return dict(record.entries), record.unsure, record.is_shared


def put_back(states: Mapping[Record, _State]) -> dict[Record, dict[_Key, Any]]:
    """Let records hold what they held before; gives what they hold now, without the keys that are in doubt."""
    found = {}
    for record, (entries, unsure, is_shared) in states.items():
        found[record] = {key: value for key, value in record.entries.items() if key not in record.unsure}
        record.entries, record.unsure, record.is_shared = entries, unsure, is_shared
    return found


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


def call_dict(name: str, target: StaticDict, args: Sequence[Any], depth: int, journal: Journal) -> Any:
    """The result of an operator whose first argument is a dictionary.

    Args:
        name: the operator's name.
        target: the dictionary.
        args: the other arguments.
        depth: how many branches and loops are around the call.
        journal: is told of writes.

    Raises:
        NotYetSupported: if it has no result that is known now.
        UnsafeMutation: if the operator writes, and to which dictionary is not known.
        CaptureFailed: if the key is missing.
    """
    function = _DICT.get(name)
    if function is None:
        raise NotYetSupported(f"a dictionary as an argument of {name}")
    if name in _WRITES:
        journal.before(target)
    try:
        result = function(target, *args)
    except KeyError as error:
        raise CaptureFailed(f"a dictionary has no key {error}") from error
    if name in _COPIES:
        result.depth = depth
    return result


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
    return target.at(_key(key)) if _has(target, key) else default


def _has(target: StaticDict, key: Any) -> bool:
    if _key(key) in target.unsure:
        target.sure()
    return _key(key) in target.entries


def _set(target: StaticDict, key: Any, value: Any) -> None:
    target.entries[_key(key)] = value
    target.unsure -= {_key(key)}


def _pop(target: StaticDict, key: Any, *default: Any) -> Any:
    return target.sure().pop(_key(key), *default)


def _update(target: StaticDict, other: Any) -> None:
    if not isinstance(other, StaticDict):
        raise NotYetSupported("a dictionary updated by a list of pairs")
    target.entries.update(other.sure())
    target.unsure -= set(other.entries)


def _copy(target: StaticDict) -> StaticDict:
    return StaticDict(dict(target.sure()))


# The keys of a dictionary, and its entries, are lists of their own in the script language.
_DICT: dict[str, Callable[..., Any]] = {
    "__getitem__": lambda target, key: target.at(_key(key)),
    "__contains__": _has,
    "_set_item": _set,
    "Delete": lambda target, key: operator.delitem(target.sure(), _key(key)),
    "clear": lambda target: target.sure().clear(),
    "copy": _copy,
    "dict": _copy,
    "get": _get,
    "items": lambda target: target.items,
    "keys": lambda target: tuple(target.sure()),
    "len": lambda target: len(target.sure()),
    "pop": _pop,
    "popitem": lambda target: target.sure().popitem(),
    "setdefault": lambda target, key, value: target.sure().setdefault(_key(key), value),
    "update": _update,
    "values": lambda target: tuple(target.sure().values()),
    "__is__": lambda target, other: target is other,
    "__isnot__": lambda target, other: target is not other,
}
