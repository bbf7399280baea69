"""Symbolic dimensions: polynomials with integer coefficients over named sizes.

A dimension is an ``int`` or a :class:`SymDim`. Sums and products stay exact (``2*batch + 1``), so that two
spellings of one size compare equal; a quotient that does not come out even is an atom of its own
(``(h - 1)//2``), equal to every other quotient of the same two expressions. Sizes of which nothing is known are
atoms whose name starts with ``?``; they equal only themselves and are never written to a file.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

#: The name of a size of which nothing is known: the prefix of what gave it out, and a number.
_UNKNOWN = re.compile(r"\?([^\W\d]*)(\d*)")

#: A product of atoms, sorted by name; the empty product is the constant term.
Monomial = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SymDim:
    """A size known only by its formula.

    Attributes:
        terms: the polynomial, sorted: ``((monomial, coefficient), ...)`` without zero coefficients.
        hint: the size in the example inputs, if known; takes no part in equality.
    """

    terms: tuple[tuple[Monomial, int], ...]
    hint: int | None = field(default=None, compare=False)

    @staticmethod
    def named(name: str, hint: int | None = None) -> SymDim:
        """The atom called ``name``."""
        return SymDim((((name,), 1),), hint)

    @property
    def name(self) -> str | None:
        """The atom's name if this is a single atom, else None."""
        if len(self.terms) == 1 and self.terms[0][1] == 1 and len(self.terms[0][0]) == 1:
            return self.terms[0][0][0]
        return None

    @property
    def is_printable(self) -> bool:
        """Whether the formula consists of named sizes only."""
        return not any("?" in atom for monomial, _ in self.terms for atom in monomial)

    def __add__(self, other: Dim) -> Dim:
        return _combine(self, other, 1)

    def __radd__(self, other: int) -> Dim:
        return _combine(self, other, 1)

    def __sub__(self, other: Dim) -> Dim:
        return _combine(self, other, -1)

    def __rsub__(self, other: int) -> Dim:
        negative = self * -1
        return negative + other

    def __neg__(self) -> Dim:
        return self * -1

    def __mul__(self, other: Dim) -> Dim:
        terms: dict[Monomial, int] = {}
        for (left, a), (right, b) in itertools.product(self.terms, _terms(other)):
            key = tuple(sorted(left + right))
            terms[key] = terms.get(key, 0) + a * b
        return _build(terms, _hint2(self, other, lambda x, y: x * y))

    def __rmul__(self, other: int) -> Dim:
        return self * other

    def __floordiv__(self, other: Dim) -> Dim:
        return floor_div(self, other)

    def __rfloordiv__(self, other: int) -> Dim:
        return floor_div(other, self)

    def __str__(self) -> str:
        return _format(self)

    def __repr__(self) -> str:
        return f"SymDim({_format(self)!r})"


#: A size: a number, or a formula.
Dim = int | SymDim


class DimSource:
    """Gives out sizes of which nothing is known; one per stage of an export, so that names repeat from run to run.

    Args:
        prefix: keeps the names of one stage apart from those of another.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._count = 0

    @property
    def count(self) -> int:
        """How many sizes were given out so far."""
        return self._count

    def unknown(self, hint: int | None = None) -> SymDim:
        """A size that equals no other."""
        self._count += 1
        return SymDim.named(f"?{self._prefix}{self._count - 1}", hint)

    def is_among_first(self, dim: Dim, count: int) -> bool:
        """Whether a formula has, but for named sizes, only those of the first ``count`` that were given out here."""
        if isinstance(dim, int):
            return True
        atoms = {atom for monomial, _ in dim.terms for atom in monomial if "?" in atom}
        unknown = [name for atom in atoms for name in _UNKNOWN.findall(atom)]
        return all(prefix == self._prefix and number and int(number) < count for prefix, number in unknown)


def hint_of(dim: Dim) -> int | None:
    """The size of ``dim`` in the example inputs, if known."""
    return dim if isinstance(dim, int) else dim.hint


def product(dims: Iterable[Dim]) -> Dim:
    """The product of ``dims``; 1 for none."""
    result: Dim = 1
    for dim in dims:
        result = result * dim
    return result


def floor_div(left: Dim, right: Dim) -> Dim:
    """``left // right``, exact where the division comes out even for every value."""
    if isinstance(left, int) and isinstance(right, int):
        return left // right
    if isinstance(right, int) and right == 1:
        return left
    even = exact_div(left, right)
    if even is not None:
        return even
    hint = _hint2(left, right, lambda a, b: a // b if b else 0)
    return SymDim.named(f"{_group(left)}//{_group(right)}", hint)


def exact_div(left: Dim, right: Dim) -> Dim | None:
    """``left / right`` if the quotient is a polynomial again, for a ``right`` of one term; else None."""
    divisor = _terms(right)
    if len(divisor) != 1:
        return 1 if left == right else None
    ((atoms, factor),) = divisor
    if factor == 0:
        return None
    terms: dict[Monomial, int] = {}
    for monomial, coefficient in _terms(left):
        rest = without(monomial, atoms)
        if rest is None or coefficient % factor:
            return None
        terms[rest] = coefficient // factor
    return _build(terms, _hint2(left, right, lambda a, b: a // b if b else 0))


def sym_max(left: Dim, right: Dim) -> Dim:
    """The larger of two sizes, an atom of its own unless both are numbers or equal."""
    if isinstance(left, int) and isinstance(right, int):
        return max(left, right)
    if left == right:
        return left
    first, second = sorted((str(left), str(right)))
    return SymDim.named(f"max({first}, {second})", _hint2(left, right, max))


def evaluate(dim: Dim, sizes: Mapping[str, int]) -> int | None:
    """``dim`` with the atoms of ``sizes`` put in; None if another atom is left over."""
    total = 0
    for monomial, coefficient in _terms(dim):
        if any(atom not in sizes for atom in monomial):
            return None
        total += coefficient * math.prod(sizes[atom] for atom in monomial)
    return total


def _terms(dim: Dim) -> tuple[tuple[Monomial, int], ...]:
    if isinstance(dim, int):
        return (((), dim),) if dim else ()
    return dim.terms


def _combine(left: SymDim, right: Dim, sign: int) -> Dim:
    terms = dict(left.terms)
    for monomial, coefficient in _terms(right):
        terms[monomial] = terms.get(monomial, 0) + sign * coefficient
    return _build(terms, _hint2(left, right, lambda a, b: a + sign * b))


def _build(terms: Mapping[Monomial, int], hint: int | None) -> Dim:
    kept = tuple(sorted((m, c) for m, c in terms.items() if c))
    if not kept:
        return 0
    if len(kept) == 1 and kept[0][0] == ():
        return kept[0][1]
    return SymDim(kept, hint)


def _hint2(left: Dim, right: Dim, function: object) -> int | None:
    a, b = hint_of(left), hint_of(right)
    if a is None or b is None or not callable(function):
        return None
    result = function(a, b)
    return result if isinstance(result, int) else None


def without(monomial: Monomial, atoms: Monomial) -> Monomial | None:
    """What is left of a product when it is divided by another; None where it is no multiple."""
    rest = list(monomial)
    for atom in atoms:
        if atom not in rest:
            return None
        rest.remove(atom)
    return tuple(rest)


def _format(dim: SymDim) -> str:
    parts: list[str] = []
    # The constant term sorts first (it has no atoms) but reads better last.
    for monomial, coefficient in sorted(dim.terms, key=lambda term: (not term[0], term[0])):
        sign = "-" if coefficient < 0 else "+"
        size = abs(coefficient)
        factors = ([str(size)] if size != 1 or not monomial else []) + [_atom(a, monomial, size) for a in monomial]
        parts.append(f" {sign} " if parts else ("-" if sign == "-" else ""))
        parts.append("*".join(factors))
    return "".join(parts)


def _atom(atom: str, monomial: Monomial, size: int) -> str:
    alone = len(monomial) == 1 and size == 1
    return atom if alone or "//" not in atom else f"({atom})"


def _group(dim: Dim) -> str:
    text = str(dim)
    return f"({text})" if any(c in text for c in " */") else text
