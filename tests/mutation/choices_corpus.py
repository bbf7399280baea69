"""Scripts in which a branch or loop decides which memory a name is, and that write to it.

``x: (n, m)``, ``y: (m,)``; each program also takes ``flag``, which decides, and ``n``, which counts. What a program
returns shows every tensor that the write may have reached.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

CASES: list[Case] = []


@dataclasses.dataclass(frozen=True)
class Case:
    """One program.

    Attributes:
        function: the program, of ``x``, ``y``, ``flag`` and ``n``, or a class of modules with such a ``forward``.
        refused: part of the message that refuses it; None if it is exported.
    """

    function: Callable[..., Any]
    refused: str | None = None

    def __str__(self) -> str:
        return self.function.__name__


def case(refused: str | None = None) -> Callable[[Any], Any]:
    """Enter a function or module class."""

    def enter(function: Any) -> Any:
        CASES.append(Case(function, refused))
        return function

    return enter


# --- branches ----------------------------------------------------------------------------------------------------


@case()
def one_of_two(x, y, flag: bool, n: int):
    a, b = x * 1, x * 2
    v = a if flag else b
    v += 1
    return a, b, v


@case()
def one_of_two_inputs(x, y, flag: bool, n: int):
    v = x[0] if flag else y
    v.mul_(2)
    return x, y, v


@case()
def a_view_or_memory_of_its_own(x, y, flag: bool, n: int):
    a = x * 1
    v = a[0] if flag else a[1] * 2
    v += y
    v[0] = 7.0
    return a, v


@case()
def one_view_or_another(x, y, flag: bool, n: int):
    a = x * 1
    v = a[1:] if flag else a.t()[:, 1:].t()
    w = a[:2] if flag else a[2:]
    v.neg_()
    w[1] += y
    v[:, 0] = 3.0
    return a, v, w


@case()
def a_view_whose_bound_the_branch_computes(x, y, flag: bool, n: int):
    a = x * 1
    if flag:
        first = n % 3
        v = a[first:]
    else:
        v = a[:2]
    v += y
    return a, v


@case()
def branches_in_a_branch(x, y, flag: bool, n: int):
    a, b, c = x * 1, x * 2, x * 3
    v = (a if n > 1 else b[:]) if flag else c
    v[0] = 5.0
    b.add_(1)
    v.mul_(-1)
    return a, b, c, v


@case()
def chosen_from_what_was_chosen(x, y, flag: bool, n: int):
    a, b, c = x * 1, x * 2, x * 3
    v = a if flag else b
    w = v if n > 1 else c
    w += 1
    v *= 2
    a -= y
    return a, b, c, v, w


@case()
def another_name_is_written_while_it_is_read(x, y, flag: bool, n: int):
    a, b = x * 1, x * 2
    v = a[1] if flag else b[0]
    first = v * 1
    a.add_(1)
    second = v * 1
    b[0, 1:] = 4.0
    return first, second, v * 1


@case()
def views_of_what_was_chosen(x, y, flag: bool, n: int):
    a, b = x * 1, x * 2
    v = a if flag else b
    u = v[:, 1:]
    u.mul_(3)
    w = u.t()
    w[0] = y[0]
    b[1] -= 1
    w.unbind(0)[1].zero_()
    return a, b, u, w


@case()
def written_in_a_later_branch(x, y, flag: bool, n: int):
    a, b = x * 1, x * 2
    v = a if flag else b
    if n > 1:
        v[0] = y
        a += 1
    else:
        v.sub_(1)
    return a, b, v


@case()
def two_names_from_one_branch(x, y, flag: bool, n: int):
    a, b = x * 1, x * 2
    if flag:
        v = a
        w = a[0]
    else:
        v = b
        w = b[1]
    v += 1
    w *= 2
    v[1] += w
    return a, b, v, w


@case()
def masks_and_indices(x, y, flag: bool, n: int):
    a, b = x * 1, x * 2
    v = a if flag else b[:]
    v[v > 1] = 0.5
    v[torch.tensor([0, 1])] += y
    torch.add(v, 1, out=v)
    v.clamp_(-2, 2)
    return a, b


def picked(a: Tensor, b: Tensor, flag: bool) -> Tensor:
    if flag:
        return a
    return b


def ordered(a: Tensor, b: Tensor, flag: bool) -> tuple[Tensor, Tensor]:
    if flag:
        return a, b
    return b, a


@case()
def a_function_returns_one_of_its_arguments(x, y, flag: bool, n: int):
    a, b = x * 1, x * 2
    picked(a, b, flag).add_(1)
    picked(b, a, n > 1)[0] = y
    return a, b


@case()
def one_branch_leaves(x, y, flag: bool, n: int):
    a = x * 1
    v = a
    if flag:
        if n > 1:
            return a * 2, v
        v = a + 1
    v += 1
    return a, v


@case()
def the_same_memory_of_another_type(x, y, flag: bool, n: int):
    a = x * 1
    v = a.to(torch.float32) if flag else a.to(torch.float64).to(torch.float32)
    v += 1
    return a, v


@case()
class BufferOrInput(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("state", torch.arange(3.0))

    def forward(self, x, y, flag: bool, n: int):
        v = self.state if flag else x[0, :3]
        v += 1
        return self.state * 2, x, v


@case()
class ChildWritesWhatItIsGiven(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.ReLU(inplace=True)

    def forward(self, x, y, flag: bool, n: int):
        residual = x * 1
        h = residual if flag else residual + y
        h = self.act(h)
        return residual + h, residual


# --- loops -------------------------------------------------------------------------------------------------------


@case()
def swapped_and_written(x, y, flag: bool, n: int):
    a, b = x * 1, x * 2
    for _ in range(n):
        a, b = b, a
        a += 1
    return a, b


@case()
def swapped_and_both_kept(x, y, flag: bool, n: int):
    first, second = x * 1, x * 2
    a, b = first, second
    for i in range(n):
        a, b = b, a
        a[0] += i
        b *= 2
    a.sub_(y)
    return first, second, a, b


@case()
def the_first_turn_writes_what_was_given(x, y, flag: bool, n: int):
    a = x * 1
    h = a
    for i in range(n):
        h += i + 1
        h = h * 2
    h -= y
    return a, h


@case()
def a_turn_may_replace_it(x, y, flag: bool, n: int):
    a, b = x * 1, x * 2
    v = a
    for i in range(n):
        if i == 1:
            v = b[:]
        v += 1
        if flag and i == 2:
            v = v.clone()
    v[0] = 9.0
    return a, b, v


@case()
def a_view_from_the_second_turn_on(x, y, flag: bool, n: int):
    a = x * 1
    v = a
    for _ in range(n):
        v.mul_(2)
        v = a[1:]
    v[0] += y
    return a, v


@case()
def until_a_condition(x, y, flag: bool, n: int):
    a = x * 0
    b = x * 0 + 1
    v = a
    while bool(b.amax() < 4):
        v.add_(1)
        if bool(a.amax() > 0):
            v = b
        if flag:
            b += 1
    return a, b, v


@case()
def chosen_in_a_loop_in_a_loop(x, y, flag: bool, n: int):
    a, b = x * 1, x * 2
    v = a
    for i in range(n):
        for j in range(2):
            v += 1
            v = a if i + j > 1 else b
        if flag:
            v[0] = y
    v *= 2
    return a, b, v


@case()
def a_branch_of_a_loop_chooses(x, y, flag: bool, n: int):
    a, b = x * 1, x * 2
    total = torch.zeros(())
    for i in range(n):
        v = a[i % 2] if flag else b[1]
        v += y
        total += v.sum()
    return a, b, total


@case()
def ever_smaller_views(x, y, flag: bool, n: int):
    a = x * 1
    v = a
    for _ in range(n):
        v += 1
        v = v[1:]
    return a, v


@case()
def the_row_of_the_turn(x, y, flag: bool, n: int):
    a, b = x * 1, y * 2
    v = b
    for i in range(n):
        v += 1
        v = a[i]
    v.mul_(2)
    a += 1
    return a, b, v


@case()
def halves_of_one_of_two(x, y, flag: bool, n: int):
    a, b = x * 1, x * 2
    v = a if flag else b.t()[1:].t()
    w = a
    for i in range(n):
        v[0] += i
        v = v[:, 1:]
        if flag:
            w = w[:, ::2].t().t()
        w *= 2
    v -= 1
    return a, b, v, w


@case()
def repeated_rows_from_turn_to_turn(x, y, flag: bool, n: int):
    a = x * 1
    v = a
    for i in range(n):
        a += 1
        v = a[i].unsqueeze(0).expand(2, -1)
    return a, v


# --- lists, dictionaries and optional values ---------------------------------------------------------------------


@case()
def an_element_of_a_list(x, y, flag: bool, n: int):
    held = [x * 1, x * 2]
    v = held[0] if flag else held[1]
    v += 1
    held[1][0] = y
    return held[0], held[1], v


@case()
def an_entry_of_a_dictionary(x, y, flag: bool, n: int):
    held = {"a": x * 1, "b": x * 2}
    v = held["a"] if flag else held["b"]
    v[0] = y
    held["b"].mul_(2)
    return held["a"], held["b"], v


@case()
def an_entry_that_a_branch_replaces(x, y, flag: bool, n: int):
    a, b = x * 1, x * 2
    held = {"a": a, "b": b}
    if flag:
        held["a"] = b
    held["a"] += 1
    return a, b, held["a"]


@case("may have another name")
def one_of_two_dictionaries(x, y, flag: bool, n: int):
    first = {"v": x * 1}
    second = {"v": x * 2}
    held = first if flag else second
    held["v"] += 1
    return first["v"], second["v"], held["v"]


@case("may have another name")
def an_entry_of_one_of_two_dictionaries_replaced(x, y, flag: bool, n: int):
    first = {"v": x * 1}
    second = {"v": x * 2}
    held = first if flag else second
    held["v"] = y * 1
    held["v"] += 1
    return first["v"], second["v"], held["v"]


@case()
def a_function_returns_its_arguments_in_either_order(x, y, flag: bool, n: int):
    a, b = x * 1, x * 2
    first, second = ordered(a, b, flag)
    first += 1
    second *= 2
    return a, b, first, second


@case("may or may not share its memory")
def a_tuple_that_a_loop_hands_on(x, y, flag: bool, n: int):
    pair = (x * 1, x * 2)
    held = pair
    for _ in range(n):
        held[0].add_(1)
        held = (held[0], held[1] + 1)
    return pair[0], pair[1], held[0], held[1]


@case("may or may not share its memory")
def part_of_a_list(x, y, flag: bool, n: int):
    held = [x * 1, x * 2]
    for _ in range(n):
        held.append(x * 3)
    part = held[1:]
    part[0] += 1
    return held[1], x


@case()
def one_of_two_tuples(x, y, flag: bool, n: int):
    first = (x * 1, y * 1)
    second = (x * 2, y * 2)
    held = first if flag else second
    held[0].add_(1)
    held[1][0] = 4.0
    return first[0], first[1], second[0], second[1]


@case("may or may not share its memory")
def one_of_two_lists(x, y, flag: bool, n: int):
    first, second = [x * 1, x * 3], [x * 2, x * 4]
    held = first if flag else second
    held[1] += 1
    return first[0], first[1], second[0], second[1]


@case("may or may not share its memory")
def an_element_that_a_branch_replaces(x, y, flag: bool, n: int):
    a, b = x * 1, x * 2
    held = [a, b]
    if flag:
        held[0] = b
    held[0] += 1
    return a, b, held[0]


@case()
def perhaps_a_tensor(x, y, flag: bool, n: int):
    a = x * 1
    v: Tensor | None = None
    if flag:
        v = a[0]
    if v is not None:
        v += 1
    return a


def scaled(a: Tensor, bias: Tensor | None) -> Tensor:
    if bias is not None:
        bias *= 2
        return a + bias
    return a


@case()
def a_function_writes_what_it_may_be_given(x, y, flag: bool, n: int):
    a = x * 1
    bias: Tensor | None = None
    if flag:
        bias = a[1]
    first = scaled(x, bias)
    a.add_(1)
    second = scaled(x, bias)
    return a, first, second


@case("unknown rank")
def perhaps_a_tensor_from_a_turn_on(x, y, flag: bool, n: int):
    a, b = x * 1, x * 2
    v: Tensor | None = None
    for i in range(n):
        if v is not None:
            v += i
        if i == 1:
            v = a[0]
        if flag and i == 0:
            v = b[1]
    if v is not None:
        v.mul_(2)
    return a, b


@torch.jit.script
class Held:
    def __init__(self, value: Tensor):
        self.value = value


@case()
def one_of_two_objects(x, y, flag: bool, n: int):
    first, second = Held(x * 1), Held(x * 2)
    held = first if flag else second
    held.value += 1
    return first.value, second.value, held.value


@case("may have another name")
def an_attribute_of_one_of_two_objects_replaced(x, y, flag: bool, n: int):
    first, second = Held(x * 1), Held(x * 2)
    held = first if flag else second
    held.value = y * 1
    return first.value, second.value, held.value


@case()
def whether_it_is_one_of_two(x, y, flag: bool, n: int):
    v = x if flag else x * 2
    if v is x:
        return v * 2, x
    return v * 3, x


@case("the identity of two values")
def whether_an_element_is_one_of_two(x, y, flag: bool, n: int):
    v = [x, x * 2][n % 2]
    if v is x:
        return v * 2, x
    return v * 3, x


@case()
def an_attribute_that_a_branch_replaces(x, y, flag: bool, n: int):
    a, b = x * 1, x * 2
    held = Held(a)
    if flag:
        held.value = b
    held.value += 1
    return a, b, held.value
