"""Rules of Slice, the Gather family and their kin."""

from __future__ import annotations

import itertools

import numpy as np
from onnxport_ir import SymDim
from onnxport_ir.rules.slicing import slice_length

n, m, h, w, k = (SymDim.named(name) for name in "nmhwk")
FAR = 2**63 - 1
SMALL = ({"n": 5, "h": 1}, {"n": 0, "h": 2}, {"n": 1, "h": 0}, {"n": 9, "h": 9})


def ints(*numbers):
    return np.array(numbers, np.int64)


def sliced(start, end, step=1):
    return ("Slice", [("f32", n, h), ints(start), ints(end), ints(0), ints(step)], {}, {"first": 10, "sizes": SMALL})


CASES = {
    **{f"from{a}to{b}": sliced(a, b) for a, b in itertools.product([0, 1, 3], [2, 4, FAR, -1, -3, -FAR])},
    **{f"from{a}to{b}": sliced(a, b) for a, b in [(-1, FAR), (-3, FAR), (-3, -1), (-1, -3), (-FAR, 2), (FAR, FAR)]},
    **{f"from{a}to{b}by{c}": sliced(a, b, c) for a, b, c in [(0, FAR, 2), (1, FAR, 3), (1, -1, 2), (-4, FAR, 2)]},
    **{f"back{a}to{b}by{c}": sliced(a, b, c) for a, b, c in [(-1, -FAR - 1, -1), (FAR, -FAR, -1), (-1, -FAR, -2)]},
    "Slice-attributes": ("Slice", [("f32", n, h)], {"starts": (1, 0), "ends": (FAR, 2)}, {"last": 9, "sizes": SMALL}),
    "Slice-attribute-axes": ("Slice", [("f32", n, h)], {"starts": (1,), "ends": (-1,), "axes": (1,)}, {"last": 9}),
    "Slice-numbers": ("Slice", [("f32", 9, n), ints(7), ints(1), ints(0), ints(-2)], {}, {"first": 10}),
    "Slice-numbers-clamped": ("Slice", [("f32", 5, n), ints(-100), ints(-100), ints(0), ints(-1)], {}, {"first": 10}),
    "Slice-numbers-over": ("Slice", [("f32", 5, n), ints(3), ints(100)], {}, {"first": 10}),
    "Slice-no-axes": ("Slice", [("f32", n, h), ints(0, 1), ints(1, FAR)], {}, {"first": 10, "sizes": SMALL}),
    "Slice-int32": (
        "Slice",
        [("f32", n, h), np.int32([1]), np.int32([2**31 - 1])],
        {},
        {"first": 10},
    ),
    "Slice-symbolic-end": ("Slice", [("f32", 1, 12), ints(0), ("sizes", n), ints(1)], {}, {"first": 10}),
    "Slice-symbolic-beyond": (
        "Slice",
        [("f32", 1, 4), ints(0), ("sizes", n), ints(1)],
        {},
        {"first": 10, "sizes": [{"n": 2}, {"n": 7}]},
    ),
    "Slice-symbolic-both": (
        "Slice",
        [("f32", n + h), ("sizes", n), ("sizes", n + h)],
        {},
        {"first": 10, "sizes": SMALL},
    ),
    "Slice-symbolic-start": ("Slice", [("f32", 12, n), ("sizes", n), ints(FAR)], {}, {"first": 10}),
    "Slice-symbolic-back": ("Slice", [("f32", n), ("sizes", -1 - h), ints(FAR)], {}, {"first": 10, "sizes": SMALL}),
    # For a size of 0 this start would count from the front.
    "Slice-symbolic-maybe-back": ("Slice", [("f32", n), ("sizes", -h), ints(FAR)], {}, {"first": 10, "loose": 1}),
    "Slice-window": ("Slice", [("f32", 20), ("sizes", n), ("sizes", n + h)], {}, {"first": 10, "sizes": SMALL}),
    "Slice-sign-unknown": ("Slice", [("f32", 20), ints(0), ("sizes", n - h)], {}, {"first": 10, "loose": 1}),
    "Slice-dynamic": ("Slice", [("f32", n, h), ("i64", 1), ("i64", 1), ints(1)], {}, {"first": 10, "loose": 1}),
    "Slice-contents": ("Slice", [("sizes", n, h, 3), ints(1), ints(FAR)], {}, {"first": 10, "known": True}),
    "Slice-contents-back": (
        "Slice",
        [("sizes", n, h, 3), ints(-1), ints(-FAR), ints(0), ints(-1)],
        {},
        {"first": 10, "known": True},
    ),
    "Gather": ("Gather", [("f32", n, h), ints(0, 1)]),
    "Gather-axis": ("Gather", [("f32", n, h, 7), np.int64([[0, 1]])], {"axis": -1}),
    "Gather-scalar": ("Gather", [("f32", n, h), np.int64(0)], {"axis": 1}),
    "Gather-symbols": ("Gather", [("f32", 9, 4), ("i64", n, h)]),
    "Gather-contents": ("Gather", [("sizes", n, h, 3), ints(1, -1)], {}, {"known": True, "first": 11}),
    "Gather-contents-ends": ("Gather", [("sizes", n, h, 3), ints(-3, 2)], {}, {"known": True, "first": 11}),
    "Gather-contents-scalar": ("Gather", [("sizes", n, h, 3), np.int64(0)], {}, {"known": True}),
    "GatherElements": ("GatherElements", [("f32", n, 3), np.int64([[0, 1]])], {"axis": 1}),
    "GatherND": ("GatherND", [("f32", n, h, w), np.int64([[[0, 1]], [[1, 1]]])]),
    "GatherND-batch": ("GatherND", [("f32", 2, h, w), np.int64([[1], [0]])], {"batch_dims": 1}, {"first": 12}),
    "Compress": ("Compress", [("f32", n, h), np.array([True, False])], {"axis": 0}, {"loose": 1}),
    "Compress-flat": ("Compress", [("f32", n, h), np.array([True, False])], {}, {"loose": 1}),
    "Unique": ("Unique", [("i64", n, h)], {}, {"results": 4, "loose": 1}),
    "Unique-axis": ("Unique", [("i64", n, h)], {"axis": 1}, {"results": 4, "loose": 1}),
    "NonZero": ("NonZero", [("f32", n, h)], {}, {"loose": 1}),
    "TopK-attribute": ("TopK", [("f32", n, 5)], {"k": 2}, {"results": 2, "last": 9}),
    "TopK": ("TopK", [("f32", n, h), ints(2)], {"axis": 1}, {"results": 2, "first": 10}),
    "TopK-symbol": ("TopK", [("f32", n, h), ("sizes", n)], {}, {"results": 2, "first": 10}),
    "TopK-axis": ("TopK", [("f32", 4, h), ints(2)], {"axis": 0}, {"results": 2, "first": 10}),
    "CenterCropPad": ("CenterCropPad", [("f32", n, h, w), ("sizes", 3, 5)], {"axes": (-1, 0)}),
    "CenterCropPad-all": ("CenterCropPad", [("f32", h, w), ("sizes", n, 2)]),
}


def test_type_is_that_of_the_runtime(case, oracle):
    opset, op, operands, attributes, options = case
    oracle.check(opset, op, operands, attributes, **options)


def test_every_formula_of_a_slice_holds_for_every_size():
    far = [-FAR, -4, -2, -1, 0, 1, 3, 5, FAR]
    formulas = 0
    for start, end, step in itertools.product(far, far, [1, 2, 3]):
        length = slice_length(n, start, end, step)
        if length is None:
            continue
        formulas += 1
        for size in range(8):
            number = length if isinstance(length, int) else eval(str(length), {"n": size, "min": min})
            assert number == len(range(size)[start:end:step]), (start, end, step, size, str(length))
    # Only a start from the back with an end from the front stays open.
    assert formulas == 3 * (len(far) ** 2 - 3 * 4)
