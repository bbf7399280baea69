"""A call of an operator as the rules for sizes see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from onnxport_ir.captured import Arg, Eqn
from onnxport_ir.dims import Dim, exact_div, floor_div, hint_of

from onnxport_frontend.dependence import Facts

Dims = tuple[Dim, ...]
Rule = Callable[["Call"], Dims | None]
#: A sum of more terms than these is a size of its own.
LONGEST = 8


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
        return self.facts.unknown(None, self.facts.counted(fact.deps))

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


def quotient(facts: Facts, left: Dim, right: Dim) -> Dim:
    """``left // right``, with a formula."""
    if (isinstance(left, int) and isinstance(right, int)) or exact_div(left, right) is not None:
        return floor_div(left, right)

    def compute(sizes: Mapping[str, int]) -> int | None:
        above, below = facts.size(left, sizes), facts.size(right, sizes)
        return None if above is None or not below else above // below

    above, below = hint_of(left), hint_of(right)
    hint = None if above is None or not below else above // below
    return facts.unknown(hint, facts.deps_of(left) | facts.deps_of(right), compute)
