"""Arithmetic on sizes that the rules need beyond :mod:`onnxport_ir.dims`: quotients, minima, and what is provable.

Everything here is exact: a formula that is returned holds for every size with which the model runs, zero included.
"""

from __future__ import annotations

import functools

from onnxport_ir.dims import Dim, DimSource, Monomial, SymDim, exact_div, floor_div, hint_of, without

#: Formulas grow by nesting; one longer than this is not worth having and becomes an unknown size.
_MAX_NAME = 96


def is_nonnegative(dim: Dim) -> bool:
    """Whether ``dim`` is at least 0 whatever the sizes in it are."""
    if isinstance(dim, int):
        return dim >= 0
    return all(
        coefficient > 0 and all(_is_atom_nonnegative(atom) for atom in monomial) for monomial, coefficient in dim.terms
    )


def is_at_least(left: Dim, right: Dim) -> bool:
    """Whether ``left >= right`` whatever the sizes are."""
    return is_nonnegative(left - right)


def _is_atom_nonnegative(atom: str) -> bool:
    # A plain name is a size. A quotient or minimum is one of sizes unless something is subtracted inside it.
    return "-" not in atom or ("//" not in atom and "(" not in atom)


def quotient(left: Dim, right: Dim) -> Dim:
    """``left // right`` (floor), in a form that does not depend on how ``left`` was spelled.

    Multiples of an integer divisor leave the quotient: ``(h - 1)//2`` is ``(h + 1)//2 - 1``.
    """
    if isinstance(right, SymDim):
        even = polynomial_quotient(left, right)
        return floor_div(left, right) if even is None else even
    if isinstance(left, int):
        return left // right
    return _affine_quotient(left.terms, left.hint, 0, right, 0)


def affine_quotient(size: Dim, offset: int, divisor: int, plus: int) -> Dim:
    """``(size + offset) // divisor + plus``, the formula of windows."""
    if isinstance(size, int):
        return (size + offset) // divisor + plus
    return _affine_quotient(size.terms, size.hint, offset, divisor, plus)


# Cached because the layers of a model ask for the same few; the arguments determine the result.
@functools.lru_cache(maxsize=1024)
def _affine_quotient(
    terms: tuple[tuple[Monomial, int], ...], hint: int | None, offset: int, divisor: int, plus: int
) -> Dim:
    if divisor < 0:
        terms, offset, divisor = tuple((m, -c) for m, c in terms), -offset, -divisor
        hint = None if hint is None else -hint
    if divisor == 0:
        raise ZeroDivisionError("a size divided by 0")
    whole: Dim = 0
    rest: Dim = 0
    constant = offset
    for monomial, coefficient in terms:
        if not monomial:
            constant += coefficient
            continue
        atom = SymDim(((monomial, 1),))
        whole = whole + atom * (coefficient // divisor)
        rest = rest + atom * (coefficient % divisor)
    whole = whole + (constant // divisor + plus)
    if isinstance(rest, SymDim):
        # No multiple of the divisor is left in `rest`; a constant alone would be below 1 and vanish.
        whole = whole + floor_div(rest + constant % divisor, divisor)
    return with_hint(whole, None if hint is None else (hint + offset) // divisor + plus)


def with_hint(dim: Dim, hint: int | None) -> Dim:
    """``dim`` with the example's size put in, if it is a formula and ``hint`` is known."""
    if isinstance(dim, int) or hint is None:
        return dim
    return SymDim(dim.terms, hint)


def ceil_quotient(left: Dim, right: int) -> Dim:
    """``left / right`` rounded up, for a positive ``right``."""
    return affine_quotient(left, right - 1, right, 0)


def polynomial_quotient(left: Dim, right: Dim) -> Dim | None:
    """``left / right`` if it is a polynomial with integer coefficients; else None."""
    even = exact_div(left, right)
    if even is not None or isinstance(right, int) or isinstance(left, int):
        return even
    lead, factor = min(right.terms, key=_leading)
    rest: Dim = left
    result: Dim = 0
    while isinstance(rest, SymDim):
        monomial, coefficient = min(rest.terms, key=_leading)
        atoms = without(monomial, lead)
        if atoms is None or coefficient % factor:
            return None
        term: Dim = SymDim(((atoms, coefficient // factor),)) if atoms else coefficient // factor
        result = result + term
        rest = rest - right * term
    if rest != 0:
        return None
    numerator, denominator = hint_of(left), hint_of(right)
    return with_hint(result, numerator // denominator if numerator is not None and denominator else None)


def _leading(term: tuple[Monomial, int]) -> tuple[int, Monomial]:
    # Graded lexicographic order; any order that products respect makes the division below terminate.
    return (-len(term[0]), term[0])


def minimum(left: Dim, right: Dim) -> Dim | None:
    """The smaller of two sizes: one of them where that is provable, else an atom ``min(a, b)``.

    None if the formula would be too long to be useful.
    """
    if isinstance(left, int):
        return min(left, right) if isinstance(right, int) else _cap(right.terms, right.hint, left)
    if isinstance(right, int):
        return _cap(left.terms, left.hint, right)
    difference = right - left
    if is_nonnegative(difference) or is_capped(left, right):
        return left
    if is_nonnegative(-difference) or is_capped(right, left):
        return right
    # Sorted, so that order does not matter.
    return _min_atom(*sorted((left, right), key=str))


@functools.lru_cache(maxsize=1024)
def _cap(terms: tuple[tuple[Monomial, int], ...], hint: int | None, limit: int) -> Dim | None:
    """The smaller of a size and a number."""
    size = SymDim(terms, hint)
    if is_at_least(size, limit):
        return limit
    # The number comes first, which `is_capped` relies on.
    return size if is_at_least(limit, size) else _min_atom(limit, size)


def _min_atom(first: Dim, second: Dim) -> Dim | None:
    name = f"min({first}, {second})"
    if len(name) > _MAX_NAME:
        return None
    a, b = hint_of(first), hint_of(second)
    return SymDim.named(name, None if a is None or b is None else min(a, b))


def maximum(left: Dim, right: Dim) -> Dim | None:
    """The larger of two sizes, written with their minimum so that the two cancel in sums."""
    smaller = minimum(left, right)
    return None if smaller is None else left + right - smaller


def is_capped(capped: Dim, size: Dim) -> bool:
    """Whether ``capped`` is ``min(k, size)`` for a number ``k`` of at least 1."""
    if isinstance(capped, int) or isinstance(size, int):
        return False
    name = capped.name
    if name is None or not name.startswith("min("):
        return False
    number, _, rest = name[4:-1].partition(", ")
    return number.isdecimal() and number != "0" and rest == str(size)


def known_or_unknown(dim: Dim | None, dims: DimSource) -> Dim:
    """``dim``, or a size of which nothing is known."""
    return dims.unknown() if dim is None else dim


def same_size(left: Dim, right: Dim) -> Dim | None:
    """One of two sizes that must be equal, the better known one; None if they are different numbers."""
    if left == right:
        return left
    if isinstance(left, int):
        return None if isinstance(right, int) else left
    if isinstance(right, int):
        return right
    return left if left.is_printable or not right.is_printable else right
