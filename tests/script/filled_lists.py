"""Programs that use lists which loops have filled."""

# ruff: noqa: B007, SIM108, UP006, UP035, RUF100 - the script language

from __future__ import annotations

from typing import List

import torch

from tests.script.corpus import program, rows

X, Y = rows(2, 3), rows(4, 3, start=0.25)


@program((X, 3), (Y, 0), since=11)
def changed_after_the_loop(x, n: int):
    found = [x * 5]
    for i in range(n):
        found.append(x * i)
    found.append(x * 9)
    found.insert(0, x + 1)
    found.insert(2, x + 2)
    first = found.pop(0)
    last = found.pop()
    found[-1] = found[-1] * 10
    found.extend([first, last])
    found.reverse()
    return torch.stack(found), len(found), found * 2, torch.cat(found + found[1:])


@program((X, 3), (Y, 2), since=11)
def elements_of_other_shape_put_in(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        found.append(x * i)
    found[n - 2] = x[:1]
    found.insert(1, x.sum(0, keepdim=True))
    return torch.cat(found), found


@program((X, 3), (Y, 0))
def elements_read_by_the_next_loop(x, n: int):
    found = [x]
    for i in range(n):
        found.append(x * i)
    total = x
    for i in range(len(found)):
        total = total * 0.5 + found[len(found) - 1 - i]
    for t in found:
        total = total - t.sum()
    return total


def _multiples(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        found.append(x * i)
    return found


@program((X, 3, True), (Y, 2, False))
def chosen_after_the_loop(x, n: int, first: bool):
    a = _multiples(x, n)
    b = _multiples(x * 2, n + 1)
    if first:
        c = a
    else:
        c = b
    return torch.stack(c), len(c), torch.cat(a)


@program((X, 3, True), (Y, 2, False), since=13)
def chosen_after_the_loop_of_other_shapes(x, n: int, first: bool):
    a = _multiples(x, n)
    b = _multiples(x[:1], n + 1)
    if first:
        c = a
    else:
        c = b
    return torch.stack(c), len(c), torch.cat(a)


@program((X, 3), (Y, 2), since=11)
def written_by_the_next_loop(x, n: int):
    a = _multiples(x, n)
    for i in range(n):
        a[i] = a[i] * 2
    b = _multiples(x, n)
    while len(b) > 1:
        y = b.pop()
        b[0] = b[0] + y
    return torch.stack(a), b[0]


@program((X, 3), (Y, 2))
def lists_in_tuples_and_dictionaries(x, n: int):
    found: List[torch.Tensor] = []
    pair = (found, [x])
    table = {"a": [x], "b": [x * 2]}
    for i in range(n):
        pair[0].append(x * i)
        pair[1].append(x + i)
        table["a"].append(x * i)
    return torch.stack(found), torch.stack(pair[1]), torch.stack(table["a"]), torch.stack(table["b"])


@program(([X, X + 1], 3), ([Y, Y * 2, Y - 1], 2), since=11)
def argument_read_in_the_loop(xs: List[torch.Tensor], n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        found.append(torch.tanh(xs[i % len(xs)]))
    return torch.cat(found)


@program(([X, X + 1],), ([Y, Y * 2, Y - 1],), since=11)
def argument_mapped(xs: List[torch.Tensor]):
    return torch.stack([torch.tanh(x) for x in xs])


@program(([X, X + 1], 3), ([Y, Y * 2, Y - 1], 2), since=13)
def argument_appended_to(xs: List[torch.Tensor], n: int):
    for i in range(n):
        xs.append(torch.tanh(xs[0]))
    return torch.cat(xs)


@program((X, 3), (Y, 2), since=11)
def known_list_read_in_the_loop(x, n: int):
    xs = [x, x * 2, x[:1] - 1]
    found: List[torch.Tensor] = []
    for i in range(n):
        found.append(torch.tanh(xs[i]).sum(0))
    return torch.stack(found)


@program((X, 3), (Y, 2))
def branches_of_one_length(x, n: int):
    if n > 2:
        xs = [x, x * 2]
    else:
        xs = [x - 1, x.sum(0, keepdim=True)]
    found: List[torch.Tensor] = []
    for i in range(n):
        found.append(xs[0] * i)
    return torch.cat(found), torch.cat(xs)


@program((X, 3), (Y, 2), since=11)
def branches_of_other_lengths(x, n: int):
    if n > 2:
        xs = [x, x * 2]
    else:
        xs = [x - 1]
    return torch.cat(xs), len(xs), xs
