"""Contents of small integer tensors, and the arithmetic on sizes, for every small size."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from onnxport_ir import ArrayTensor, DType, Node, SymDim, TensorType, Value
from onnxport_ir.dims import hint_of
from onnxport_ir.rules import contents, known_array, propagate
from onnxport_ir.rules.contents import MAX_ELEMENTS
from onnxport_ir.rules.sizes import (
    affine_quotient,
    ceil_quotient,
    is_at_least,
    is_capped,
    is_nonnegative,
    maximum,
    minimum,
    polynomial_quotient,
    quotient,
    same_size,
)

n, m, h, w, k = (SymDim.named(name) for name in "nmhwk")
ZERO = [dict(zip("nhm", sizes, strict=True)) for sizes in itertools.product([0, 1, 2, 5], repeat=3)]


def ints(*numbers):
    return np.array(numbers, np.int64)


def number(dim, **sizes):
    return dim if isinstance(dim, int) else eval(str(dim), {"min": min, **sizes})


PAIR = [("sizes", n, 7), ("sizes", h + 1, 2)]
CASES = {
    **{op: (op, PAIR, {}, {"known": True}) for op in ["Add", "Sub", "Mul", "Div"]},
    **{op: (op, PAIR, {}, {"known": True, "first": first}) for op, first in [("Mod", 10), ("Max", 12), ("Min", 12)]},
    "Add-scalar": ("Add", [("sizes", n, h), ("size", m)], {}, {"known": True}),
    "Sum": ("Max", [("sizes", n, h), ("size", m), np.int64(2)], {}, {"known": True, "first": 12}),
    "Div-even": ("Div", [("sizes", 6 * n, 12), np.int64(3)], {}, {"known": True}),
    "Div-numbers": ("Div", [("sizes", -7, 7, -8), ("sizes", 2, -2, -3)], {}, {"known": True}),
    "Mod-negative": ("Mod", [("sizes", n, -7), ("sizes", -3, 4)], {}, {"known": True}),
    "Mod-sign-unknown": ("Mod", [("sizes", n - 4, 3), np.int64(3)], {}, {"known": True}),
    "Neg": ("Neg", [("sizes", n, h)], {}, {"known": True}),
    "Abs": ("Abs", [("sizes", n, 4)], {}, {"known": True}),
    "Abs-numbers": ("Abs", [("sizes", -3, 4)], {}, {"known": True}),
    "Identity": ("Identity", [("sizes", n, h)], {}, {"known": True}),
    "Cast": ("Cast", [("sizes", n, 4)], {"to": 6}, {"known": True}),
    "CastLike": ("CastLike", [("sizes", n, 4), np.int32(0)], {}, {"known": True}),
    "Flatten": ("Flatten", [("sizes", n, 4)], {}, {"first": 9}),
}


def test_contents_are_those_of_the_runtime(case, oracle):
    opset, op, operands, attributes, options = case
    options = dict(options)
    if op in {"Div", "Mod", "Max", "Min", "Sub"} and "sizes" not in options:
        options["sizes"] = ZERO[::7]
    oracle.check(opset, op, operands, attributes, **options)


def propagated(op, operands, dtype=DType.INT64, shape=(1,), **attributes):
    node = Node(op, operands, attributes, result_types=[TensorType(dtype, shape)])
    propagate(node, 18)
    return node.result.symbolic


def sizes(*dims):
    value = Value(TensorType(DType.INT64, (len(dims),)))
    value.symbolic = dims
    return value


def test_what_may_be_rounded_either_way_is_not_followed():
    # ONNX rounds -1 / 2 to 0, the formula to -1.
    assert propagated("Div", [sizes(n - 2), sizes(2)]) is None
    assert propagated("Div", [sizes(n), sizes(-2)]) is None
    assert propagated("Div", [sizes(n), sizes(0)]) is None
    assert propagated("Div", [sizes(7), sizes(0)]) is None
    assert propagated("Mod", [sizes(n), sizes(0)]) is None
    assert propagated("Abs", [sizes(n - 2)]) is None


def test_what_does_not_fit_the_type_is_not_followed():
    assert propagated("Mul", [sizes(1 << 40), sizes(1 << 40)]) is None
    assert propagated("Cast", [sizes(1 << 31)], DType.INT32, to=6) is None
    assert propagated("Cast", [sizes(5)], DType.INT32, to=6) == (5,)
    assert propagated("Cast", [sizes(300)], DType.UINT8, to=2) is None
    assert propagated("Cast", [Value.of(np.float32([2.5]))], to=7) is None
    assert propagated("Add", [sizes(n), Value(TensorType(DType.INT64, (1,)))]) is None
    assert propagated("Reshape", [sizes(n)], shape=(1, 1)) is None
    assert propagated("Range", [Value.of(np.int64(0)), Value.of(np.int64(99)), Value.of(np.int64(1))]) is None


def test_contents_of_constants():
    assert contents(Value.of(ints(1, 2))) == (1, 2)
    assert contents(Value.of(np.int32(3))) == (3,)
    assert contents(Value.of(ints(*range(MAX_ELEMENTS + 1)))) is None
    assert contents(Value.of(ints(1, 2).reshape(1, 2))) is None
    assert contents(Value.of(np.float32([1]))) is None
    assert contents(Value.of(np.array([True]))) is None
    assert contents(Value.weight(ArrayTensor.of(ints(1, 2)), "w")) is None
    assert contents(Value(TensorType(DType.INT64, (2,)))) is None


def test_known_array_has_the_type_of_the_value():
    value = sizes(3, 4)
    assert known_array(value).tolist() == [3, 4]
    assert known_array(value).dtype == np.int64
    value = Value(TensorType(DType.INT32, ()))
    value.symbolic = (3,)
    assert known_array(value).shape == ()
    assert known_array(value).dtype == np.int32
    assert known_array(sizes(3, n)) is None
    assert known_array(Value.of(np.float32([1.5]))).tolist() == [1.5]
    assert known_array(Value.weight(ArrayTensor.of(ints(1, 2)), "w")) is None
    assert known_array(Value(TensorType(DType.INT64, (2,)))) is None


def dims():
    coefficient = st.integers(-6, 6)
    return st.builds(lambda a, b, c, d: a * n + b * h + c * n * h + d, *[coefficient] * 4)


@settings(max_examples=300, deadline=None)
@given(dims(), st.integers(1, 7), st.integers(-5, 5), st.integers(-3, 3))
def test_quotients_round_down(dim, divisor, offset, plus):
    for size in ZERO[::5]:
        value = number(dim, **size)
        assert number(quotient(dim, divisor), **size) == value // divisor
        assert number(quotient(dim, -divisor), **size) == value // -divisor
        assert number(ceil_quotient(dim, divisor), **size) == -(-value // divisor)
        assert number(affine_quotient(dim, offset, divisor, plus), **size) == (value + offset) // divisor + plus


@settings(max_examples=200, deadline=None)
@given(dims(), st.integers(1, 7), st.integers(-20, 20))
def test_a_quotient_does_not_depend_on_spelling(dim, divisor, shift):
    assert quotient(dim + divisor * shift, divisor) == quotient(dim, divisor) + shift


@settings(max_examples=200, deadline=None)
@given(dims(), dims())
def test_products_divide_again(left, right):
    if right == 0 or left == 0:
        return
    assert polynomial_quotient(left * right, right) == left


@settings(max_examples=200, deadline=None)
@given(dims(), dims())
def test_minimum_maximum_and_what_is_provable(left, right):
    least, most = minimum(left, right), maximum(left, right)
    for size in ZERO[::3]:
        a, b = number(left, **size), number(right, **size)
        assert least is None or number(least, **size) == min(a, b)
        assert most is None or number(most, **size) == max(a, b)
        assert not is_nonnegative(left) or a >= 0
        assert not is_at_least(left, right) or a >= b
    assert minimum(right, left) == least


def test_quotients_with_hints():
    size = SymDim.named("n", 10)
    for dim, hint in [
        (quotient(size - 1, 2), 4),
        (quotient(3 * size + 1, 2), 15),
        (ceil_quotient(size, 4), 3),
        (affine_quotient(size, -3, 2, 1), 4),
        (minimum(3, size), 3),
        (quotient(size * size, size), 10),
        (quotient(size, SymDim.named("h", 3)), 3),
    ]:
        assert hint_of(dim) == hint, str(dim)
    assert hint_of(quotient(n - 1, 2)) is None


def test_hints_are_not_remembered_from_another_model():
    assert hint_of(quotient(SymDim.named("n", 10), 4)) == 2
    assert hint_of(quotient(SymDim.named("n", 20), 4)) == 5


def test_same_size_prefers_what_is_known():
    unknown = SymDim.named("?0")
    assert same_size(n, 3) == same_size(3, n) == 3
    assert same_size(unknown, n) == same_size(n, unknown) == n
    assert same_size(3, 4) is None


def test_quotients_and_minima_of_names_are_sizes():
    assert is_nonnegative(quotient(n - 1, 2) + 1)
    assert is_nonnegative(minimum(3, n))
    assert not is_nonnegative(quotient(n, -2))
    assert not is_nonnegative(minimum(n - 3, h))
    assert is_nonnegative(SymDim.named("batch-size"))


def test_capped():
    assert is_capped(minimum(3, n), n)
    assert not is_capped(minimum(3, n), h)
    assert not is_capped(n, minimum(3, n))
    assert minimum(n, minimum(3, n)) == minimum(3, n)


def test_long_formulas_are_given_up():
    dim = n
    for _ in range(12):
        cut = minimum(1, dim)
        if cut is None:
            return
        dim = dim - cut
    pytest.fail("the formula grows without end")
