from __future__ import annotations

import pytest
from hypothesis import assume, given, strategies as st
from onnxport_ir.dims import DimSource, SymDim, evaluate, exact_div, floor_div, hint_of, product, sym_max

NAMES = ("a", "b", "c")
SIZES = st.fixed_dictionaries({name: st.integers(0, 50) for name in NAMES})
LEAVES = st.integers(-9, 9) | st.sampled_from(NAMES)
FORMULAS = st.recursive(
    LEAVES,
    lambda inner: st.tuples(st.sampled_from("+-*"), inner, inner) | st.tuples(st.just("neg"), inner),
    max_leaves=8,
)


def build(formula, leaf):
    """The formula computed with ``leaf(name)`` for each name."""
    match formula:
        case int():
            return formula
        case str():
            return leaf(formula)
        case ("neg", inner):
            return -build(inner, leaf)
        case (operator, left, right):
            a, b = build(left, leaf), build(right, leaf)
            return {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b}[operator]()


def symbolic(formula, sizes=None):
    return build(formula, lambda name: SymDim.named(name, None if sizes is None else sizes[name]))


@given(FORMULAS, SIZES)
def test_polynomials_agree_with_integers(formula, sizes):
    assert evaluate(symbolic(formula), sizes) == build(formula, sizes.__getitem__)


@given(FORMULAS, SIZES)
def test_hints_are_the_sizes_of_the_example(formula, sizes):
    assert hint_of(symbolic(formula, sizes)) == build(formula, sizes.__getitem__)


@given(FORMULAS, FORMULAS, FORMULAS)
def test_two_spellings_of_one_polynomial_are_equal(f, g, h):
    x, y, z = symbolic(f), symbolic(g), symbolic(h)
    assert x + y == y + x
    assert x * y == y * x
    assert x * (y + z) == x * y + x * z
    assert (x + y) - y == x
    assert x - x == 0
    assert hash(x + y) == hash(y + x)


@given(FORMULAS, SIZES)
def test_what_is_printed_means_what_it_was(formula, sizes):
    dim = symbolic(formula)
    assert eval(str(dim), {}, dict(sizes)) == evaluate(dim, sizes)


@given(FORMULAS, st.integers(1, 9), SIZES)
def test_even_quotients_are_exact(formula, divisor, sizes):
    dim = symbolic(formula)
    assert floor_div(dim * divisor, divisor) == dim
    quotient = exact_div(dim, divisor)
    if quotient is not None:
        assert evaluate(quotient, sizes) * divisor == evaluate(dim, sizes)


@given(FORMULAS, SIZES)
def test_division_by_a_size(formula, sizes):
    assume(all(sizes.values()))
    a = SymDim.named("a")
    dim = symbolic(formula)
    assert exact_div(dim * a, a) == dim
    quotient = exact_div(dim, a)
    if quotient is not None:
        assert evaluate(quotient, sizes) * sizes["a"] == evaluate(dim, sizes)


@given(FORMULAS, st.integers(2, 9), SIZES)
def test_uneven_quotients_print_and_hint_what_they_are(formula, divisor, sizes):
    dim = floor_div(symbolic(formula, sizes), divisor)
    expected = build(formula, sizes.__getitem__) // divisor
    assert hint_of(dim) == expected
    assert eval(str(dim), {}, dict(sizes)) == expected
    assert floor_div(symbolic(formula), divisor) == dim


@given(st.lists(FORMULAS, max_size=4), SIZES)
def test_products(formulas, sizes):
    expected = 1
    for formula in formulas:
        expected *= build(formula, sizes.__getitem__)
    assert evaluate(product(map(symbolic, formulas)), sizes) == expected


def test_uneven_quotients_are_atoms():
    h = SymDim.named("h", 7)
    half = h // 2
    assert str(half) == "h//2"
    assert half == h // 2
    assert half != (h + 1) // 2
    assert half * 2 != h
    assert half - half == 0
    assert str((h - 1) // 2 + 1) == "(h - 1)//2 + 1"
    assert str(3 * half) == "3*(h//2)"
    assert (7 // h).name == "7//h"
    assert h // 1 is h


@pytest.mark.parametrize(
    ("dim", "text"),
    [
        (SymDim.named("batch"), "batch"),
        (SymDim.named("b") * 2 + 1, "2*b + 1"),
        (1 - SymDim.named("b"), "-b + 1"),
        (SymDim.named("b") * SymDim.named("a") - 3, "a*b - 3"),
        (SymDim.named("b") * SymDim.named("b"), "b*b"),
    ],
)
def test_printed_form(dim, text):
    assert str(dim) == text
    assert dim.is_printable


def test_constants_come_out_as_integers():
    b = SymDim.named("b")
    for dim, expected in ((b - b, 0), (b + 3 - b, 3), (b * 0, 0), (product([]), 1), (7 // (b - b + 2), 3)):
        assert dim == expected
        assert type(dim) is int


def test_unknown_sizes_equal_only_themselves():
    source = DimSource()
    first, second = source.unknown(4), source.unknown(4)
    assert first == first + 0
    assert first != second
    assert not (first * 2 + SymDim.named("b")).is_printable
    assert first.hint == 4
    assert [DimSource().unknown().name for _ in range(2)] == ["?0", "?0"]


def test_names():
    b = SymDim.named("b")
    assert b.name == "b"
    assert (b * 2).name is None
    assert (b + 1).name is None
    assert (b * b).name is None


def test_hints_take_no_part_in_equality():
    assert SymDim.named("b", 3) == SymDim.named("b", 4)
    assert hint_of(SymDim.named("b") + SymDim.named("c", 1)) is None


def test_the_larger_of_two():
    a, b = SymDim.named("a", 3), SymDim.named("b", 5)
    assert sym_max(3, 5) == 5
    assert sym_max(a, a) == a
    assert sym_max(a, b) == sym_max(b, a)
    assert str(sym_max(b, a)) == "max(a, b)"
    assert hint_of(sym_max(a, b)) == 5


def test_values_that_are_not_given():
    a, b = SymDim.named("a"), SymDim.named("b")
    assert evaluate(a + b, {"a": 1}) is None
    assert evaluate(a + b - b, {"a": 1}) == 1
    assert evaluate(7, {}) == 7


def test_division_by_zero_is_not_made_up():
    with pytest.raises(ZeroDivisionError):
        floor_div(4, 0)
    assert exact_div(SymDim.named("a"), 0) is None


def test_which_sizes_were_given_out_before():
    source = DimSource()
    early, count, late = source.unknown(), source.count, source.unknown()
    named = SymDim.named("batch")
    assert source.is_among_first(3, 0)
    assert source.is_among_first(named * 2 + 1, 0)
    assert source.is_among_first(floor_div(early - 1, 2) * named, count)
    assert not source.is_among_first(floor_div(late - 1, 2) * named, count)
    assert not source.is_among_first(early + late, count)
    # What another stage has given out is not known here.
    assert not source.is_among_first(DimSource("other").unknown(), count)
    assert not source.is_among_first(SymDim.named("?inferred"), count)
