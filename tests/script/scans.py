"""Programs in which loops fill lists."""

# ruff: noqa: B007, PERF401, SIM108, UP006, UP035, RUF100 - the script language

from __future__ import annotations

from typing import List, Tuple

import torch

from tests.script.corpus import program, rows

X, Y = rows(2, 3), rows(4, 3, start=0.25)


@program((X, 3), (Y, 1))
def stacked_along_other_axes(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        found.append(x * i)
    along = torch.stack(found, 1), torch.stack(found, -1), torch.cat(found, 1), torch.cat(found, -2)
    return along, found[0], found[-1], len(found)


@program((X, 3), (Y, 0), (Y, 1))
def no_turns_after_an_element(x, n: int):
    found = [x]
    for i in range(n):
        found.append(x[:1].expand(x.size(0), 3) * i)
    return torch.stack(found, 1), torch.cat(found, 1), torch.cat(found), found[-1], len(found), found[n // 2]


@program((X, 3), (Y, 0), (Y, 1), since=11)
def no_turns_before_an_element(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        found.append(x + i)
    found.append(x * 7)
    total = x
    for t in found:
        total = total * 0.5 + t
    return found, len(found), torch.cat(found), total, len(found[1:]), found[::-1]


@program((X, 3), (Y, 0), since=11)
def element_of_other_shape(x, n: int):
    found = [x.sum(0, keepdim=True)]
    for i in range(n):
        found.append(x + i)
    return torch.cat(found), len(found), found


@program((X, 3), (Y, 0), (X, 5))
def filled_by_two_loops(x, n: int):
    found = [x]
    for i in range(n):
        found.append(x + i)
    found.append(x * 7)
    for i in range(n - 1):
        found.append(x * i)
    return torch.stack(found), torch.cat(found, 1), len(found), found[1]


@program((X, 3), (Y, 0), (X, 5))
def two_loops_of_other_shapes(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        found.append(x + i)
    for i in range(n + 1):
        found.append(x[0:1] * i)
    return torch.cat(found), len(found)


@program((X, 3), (Y, 1), since=13)
def list_of_two_loops_of_other_shapes(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        found.append(x + i)
    for i in range(n + 1):
        found.append(x[0:1] * i)
    return found


@program((X, 3), (Y, 0), since=11)
def several_lists(x, n: int):
    a: List[torch.Tensor] = []
    b = [x]
    c: List[int] = []
    d: List[float] = [0.5]
    e: List[bool] = [True]
    for i in range(n):
        a.append(x * i)
        b.append(x.t().contiguous().t() - i)
        c.append(i * 3)
        d.append(float(x[0, 0]) + i)
        e.append(i % 2 == 0)
    return a, torch.stack(b), c, len(c), d, e


@program((X, 3), (Y, 2))
def inner_turns_by_the_outer_loop(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        for j in range(i):
            found.append(x * i + j)
    return torch.stack(found), len(found)


@program((X, 3), (Y, 2))
def inner_turns_by_a_size(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        for j in range(x.size(0)):
            found.append(x[j] * i)
        found.append(x.sum(0))
    return torch.stack(found), len(found)


@program((X, 3), (Y, 2))
def list_of_the_inner_loop(x, n: int):
    outs: List[torch.Tensor] = []
    for i in range(n):
        found: List[torch.Tensor] = []
        for j in range(x.size(0)):
            found.append(x[j] * i + j)
        outs.append(torch.stack(found, 1))
    return torch.stack(outs)


@program((X, 3), (Y, 2))
def many_inner_turns(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        for j in range(70):
            found.append(x * i + j)
    return torch.stack(found), len(found)


@program((X, 5), (X, 2))
def many_turns(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(70):
        found.append(x * i)
    return torch.stack(found), torch.stack(found[3:5]), found[n], len(found)


@program((X, 3), (Y, 2), (X, 9))
def break_after_append(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        found.append(x * i)
        if bool((x * i).sum() > 10):
            break
    return torch.stack(found), len(found)


@program((X, 3), (Y, 2), (X, 9))
def break_before_append(x, n: int):
    found = [x]
    for i in range(n):
        if bool((x * i).sum() > 10):
            break
        found.append(x * i)
    return torch.stack(found), len(found)


@program((X, 3), (Y, 2), (X, 9))
def continue_before_append(x, n: int):
    found = [x]
    for i in range(n):
        if i % 2 == 0:
            continue
        found.append(x * i)
    return torch.cat(found), len(found)


@program((X, 3), (Y, 2), (X, 9), since=11)
def append_while(x, n: int):
    found: List[torch.Tensor] = []
    k = 0
    y = x
    while k < n and bool(y.sum() < 1000):
        y = y * 2 + 1
        found.append(y)
        k += 1
    return torch.stack(found), len(found), found


@program((X, 3), (Y, 2))
def either_is_appended(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        if i % 2 == 0:
            found.append(x * i)
        else:
            found.append(x - i)
    return torch.stack(found), len(found)


@program((X, 3), (Y, 2), uneven_since=13)
def either_is_appended_of_other_shape(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        if i % 2 == 0:
            found.append(x * i)
        else:
            found.append(x[:1] - i)
    return torch.cat(found), len(found)


@program((X, 3), (Y, 0))
def length_read_in_the_loop(x, n: int):
    found = [x]
    for i in range(n):
        found.append(x * len(found))
        found.append(x - len(found))
        if len(found) > 4:
            x = x + 1
    return torch.stack(found)


@program((X, 3), (Y, 2))
def filled_up(x, n: int):
    found: List[torch.Tensor] = []
    numbers = [5]
    while len(found) < n:
        found.append(x * len(found))
        numbers.append(len(numbers) + len(found))
    return torch.stack(found), len(found), numbers


@program((X, 3), (Y, 2))
def length_read_in_branches(x, n: int):
    found = [x[0]]
    for i in range(n):
        if i % 2 == 0:
            found.append(x.sum(0) * len(found))
        else:
            found.append(x[0] * len(found))
            x = x * len(found)
    return torch.stack(found), len(found)


@program((X, 3), (Y, 2))
def length_read_in_inner_loops(x, n: int):
    found = [x[0]]
    for i in range(n):
        for j in range(x.size(0)):
            found.append(x[j] * len(found))
        found.append(x.sum(0) * len(found))
    other: List[Tuple[torch.Tensor, int]] = []
    for i in range(n):
        other.append((x[0], len(other) + len(found)))
        for j in range(n):
            x = x + len(other)
    return torch.stack(found), len(found), x, other[-1][1]


@program((X, 3), (Y, 2), (X, 0))
def length_ends_the_loop(x, n: int):
    found = [x]
    for i in range(100):
        if len(found) >= n:
            break
        found.append(x * i)
    return torch.stack(found), len(found)


@program((X, 3), (Y, 2))
def elements_read_in_the_loop(x, n: int):
    found = [x]
    for i in range(n):
        found.append(torch.tanh(found[-1]) + found[0])
    return torch.stack(found)


@program((X, 3), (Y, 0), since=11)
def cleared_in_the_loop(x, n: int):
    found = [x]
    for i in range(n):
        found.append(x * i)
        if i == 1:
            found.clear()
    found.append(x)
    return torch.stack(found), len(found)


@program((X, 3), (Y, 2))
def made_anew_in_the_loop(x, n: int):
    found = [x]
    for i in range(n):
        found = [x * i]
        found.append(x)
    return torch.stack(found)


@program((X, 3), (Y, 2))
def two_names_for_a_list(x, n: int):
    found = [x]
    other = found
    for i in range(n):
        other.append(x * i)
    return torch.stack(found), len(other)


@program((X, 3), (Y, 2), refused="another name")
def names_change_places(x, n: int):
    a, b = [x], [x * 2]
    for i in range(n):
        a.append(x * i)
        a, b = b, a
    return torch.stack(a), torch.stack(b)


@program((X, 3), (Y, 2), since=11)
def filled_in_a_branch(x, n: int):
    xs: List[torch.Tensor] = []
    if n > 2:
        for i in range(n):
            xs.append(x * i)
    else:
        xs.append(x)
    return torch.stack(xs), len(xs), xs


@program((X, 3), (Y, 2), since=11)
def other_element_types(x, n: int):
    a: List[torch.Tensor] = []
    b: List[torch.Tensor] = []
    c: List[torch.Tensor] = []
    d: List[torch.Tensor] = []
    for i in range(n):
        a.append(x.to(torch.int64) + i)
        b.append(x > i)
        c.append((x.abs() * 3 + i).to(torch.uint8))
        d.append(x.sum().double())
    return torch.stack(a), torch.stack(b), torch.stack(c), torch.stack(d), a, b, d


@program((X, 3), (Y, 0), since=13)
def sequence_of_bytes(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        found.append((x.abs() * 3 + i).to(torch.uint8))
    return found


@program((X, 3), (Y, 2), since=11)
def tensors_of_rank_0(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        found.append(x.sum() * i)
    return torch.stack(found), found[1], len(found), found


@program((X, 3), (Y, 2))
def tuples_filled(x, n: int):
    found: List[Tuple[torch.Tensor, torch.Tensor, int]] = []
    for i in range(n):
        found.append((x * i, x.sum(), i))
    t, s, k = found[-1]
    return t, s, k, len(found), torch.stack([row[0] for row in found])


@program((X, 3), (Y, 2))
def one_tensor_in_two_lists(x, n: int):
    a: List[torch.Tensor] = []
    b: List[torch.Tensor] = []
    for i in range(n):
        y = x * i
        a.append(y)
        b.append(y)
        b.append(x)
    return torch.stack(a), torch.stack(b, 1)


@program((X, 3), (Y, 2))
def recurrent_steps(x, n: int):
    h = torch.zeros(3)
    outs: List[torch.Tensor] = []
    states = [h]
    for t in range(x.size(0)):
        h = torch.tanh(x[t] + h * 0.5)
        outs.append(h)
        states += [h]
    return torch.stack(outs), h, torch.stack(states)


@program((X, 3), (Y, 2))
def sizes_change_beside_the_list(x, n: int):
    y = x
    found: List[torch.Tensor] = []
    for i in range(n):
        y = torch.cat([y, x])
        found.append(y.sum(0))
    return torch.stack(found), y


@program((X, 3), (Y, 2))
def constants_appended(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        found.append(torch.zeros(2))
    return torch.stack(found) + x.sum()


@program((X, 3), (Y, 2))
def windows(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(x.size(0) - 1):
        found.append(x[i : i + 2])
    return torch.stack(found), torch.cat(found, 1)


@program((X, 3), (Y, 2))
def extended_in_the_loop(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        found.extend([x * i, x + i])
        found.append(x)
    return torch.stack(found), torch.cat(found, -1)


@program((X, 3), (Y, 2), since=13)
def extended_by_rows(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        found.extend(x.unbind(0))
    return torch.stack(found)


@program((X, 3), (Y, 2))
def one_or_the_other_list(x, n: int):
    a: List[torch.Tensor] = []
    b: List[torch.Tensor] = []
    for i in range(n):
        if i > 1:
            a.append(x * i)
        else:
            b.append(x * i)
    return torch.stack(a + b), len(a), len(b)


@program((X, 3), (Y, 2))
class Decoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.cell = torch.nn.LSTMCell(3, 5)
        self.out = torch.nn.Linear(5, 3)

    def forward(self, x, steps: int):
        h, c = torch.zeros(x.size(0), 5), torch.zeros(x.size(0), 5)
        found: List[torch.Tensor] = []
        for _ in range(steps):
            h, c = self.cell(x, (h, c))
            x = self.out(h)
            found.append(x)
        return torch.stack(found, dim=1), h
