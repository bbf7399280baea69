"""What ``is`` says of two tensors: whether they are one object, where branches decide which one a name stands for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from onnxport_ir.captured import Arg, Var

#: Views that are a new object in any case; other operators whose result may share memory may hand back their input.
NEW_OBJECTS = frozenset(
    f"aten::{name}"
    for name in ("diagonal", "expand", "narrow", "permute", "select", "slice", "squeeze", "t", "transpose", "unsqueeze")
)


@dataclass(frozen=True, slots=True)
class Choice:
    """One truth value where a condition holds, and the other where it does not.

    Attributes:
        condition: the condition of a branch.
        where_true: what holds in its first block.
    """

    condition: Arg
    where_true: bool


#: What was found out about pairs.
_Found = dict[tuple[Var, Var], "bool | Choice | None"]


@dataclass(frozen=True, slots=True, eq=False)
class _Ways:
    """What the branches of one If give for a variable."""

    branch: object
    condition: Arg
    values: tuple[Arg, Arg]


@dataclass(slots=True, eq=False)
class Identities:
    """Which variables may be objects that others are already."""

    _maybe_old: set[Var] = field(default_factory=set)
    _ways: dict[Var, _Ways] = field(default_factory=dict)

    def may_be_old(self, variables: Iterable[Var]) -> None:
        """Note that variables may be tensors that have others already."""
        self._maybe_old.update(variables)

    def chosen(self, variable: Var, branch: object, condition: Arg, values: tuple[Arg, Arg]) -> None:
        """Note that a variable is one value or another, as a branch decides.

        Args:
            variable: the variable.
            branch: the same for all results of one If.
            condition: its condition.
            values: what its blocks give.
        """
        self._maybe_old.add(variable)
        self._ways[variable] = _Ways(branch, condition, values)

    def same(self, left: Arg, right: Arg) -> bool | Choice | None:
        """Whether two values are one tensor; None if that is not known."""
        return self._same(left, right, {})

    def _same(self, left: Arg, right: Arg, known: _Found) -> bool | Choice | None:
        if not isinstance(left, Var) or not isinstance(right, Var):
            return None
        if left is right:
            return True
        if (left, right) not in known:
            known[left, right] = self._decided(left, right, known)
        return known[left, right]

    def _decided(self, left: Var, right: Var, known: _Found) -> bool | Choice | None:
        ways = self._ways.get(left) or self._ways.get(right)
        if ways is None:
            return None if {left, right} & self._maybe_old else False
        pairs = zip(self._sides(left, ways), self._sides(right, ways), strict=True)
        found = [self._same(*pair, known) for pair in pairs]
        if not all(isinstance(item, bool) for item in found):
            return None
        return bool(found[0]) if found[0] is found[1] else Choice(ways.condition, bool(found[0]))

    def _sides(self, variable: Var, ways: _Ways) -> tuple[Arg, Arg]:
        known = self._ways.get(variable)
        return known.values if known is not None and known.branch is ways.branch else (variable, variable)
