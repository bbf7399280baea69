"""Programs with lists, tuples, dictionaries and strings."""

# ruff: noqa: B007, SIM108, SIM118, PLC0206, RUF005, RUF015, UP006, UP035, UP045, RUF100 - the script language

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Tuple

import torch

from tests.script.corpus import program, rows

X, Y = rows(2, 3), rows(4, 3, start=0.25)


@program((X,), (Y,))
def append_then_stack(x):
    found = []
    found.append(x)
    found.append(x * 2)
    found.append(x + 1)
    return torch.stack(found)


@program((X, 3), (Y, 1))
def append_in_loop_and_stack(x, n: int):
    found = [x]
    for i in range(n):
        found.append(x + i)
    return torch.stack(found)


@program((X,), (Y,))
def append_in_loop_and_cat(x):
    found: List[torch.Tensor] = []
    for i in range(x.size(0)):
        found.append(x[i : i + 1] * i)
    return torch.cat(found, dim=0)


@program((X,), (Y,), uneven_since=13)
def append_slices_of_different_size(x):
    found: List[torch.Tensor] = []
    for i in range(x.size(0)):
        found.append(x[: i + 1])
    return torch.cat(found), len(found)


@program((X,), (Y,), loops="unroll")
def append_in_unrolled_loop(x):
    found: List[torch.Tensor] = []
    for i in range(3):
        found.append(x + i)
    return torch.stack(found, dim=1)


@program((X,), (Y,))
def append_in_branch(x):
    found = [x]
    if bool(x.sum() > 5):
        found.append(x * 2)
    return torch.cat(found)


@program((X,), (Y,))
def append_in_both_branches(x):
    found = [x]
    if bool(x.sum() > 5):
        found.append(x * 2)
    else:
        found.append(x - 1)
    return torch.cat(found)


@program((X, 4), (Y, 2))
def append_in_branch_in_loop(x, n: int):
    found = [x]
    for i in range(n):
        if i % 2 == 1:
            found.append(x * i)
    return torch.cat(found), len(found)


@program((X,), (Y,))
def insert_pop_extend(x):
    a = [x, x + 1, x + 2]
    a.insert(1, x * 3)
    last = a.pop()
    first = a.pop(0)
    a.extend([last, first])
    a.reverse()
    a[0] = a[0] * 2
    return torch.stack(a)


@program((X,), (Y,))
def delete_and_clear(x):
    a = [x, x + 1, x + 2]
    del a[1]
    b = [x]
    b.clear()
    b.append(x * 5)
    return torch.stack(a + b), len(a), len(b)


@program((X,), (Y,))
def slices_and_concatenation(x):
    a = [x, x + 1, x + 2, x + 3]
    b = a[1:3] + a[:1] + a[-1:]
    return torch.cat(b[::2], 1), len(b)


@program((X,), (Y,))
def list_times_number(x):
    a = [x, x + 1] * 2
    return torch.stack(a)


@program((X, 1), (X, -1), since=11)
def dynamic_index_of_list(x, i: int):
    a = [x, x + 1, x + 2]
    return a[i]


@program((X, 2), (X, 0))
def dynamic_index_of_numbers(x, i: int):
    a = [3, 5, 7]
    b = [0.5, 0.25, 2.0]
    return x * a[i] + b[i]


@program((X,), (Y,))
def list_comprehension(x):
    return torch.stack([x[i] * i for i in range(2)])


@program((X,), (Y,))
def list_comprehension_over_rows(x):
    return torch.stack([row * 2 for row in x])


@program((X,), (Y,))
def list_comprehension_over_list(x):
    parts = [x, x + 1]
    return torch.cat([p * 2 for p in parts])


@program((X, 3), (X, 0))
def number_list_in_loop(x, n: int):
    a: List[int] = []
    for i in range(n):
        a.append(i * i)
    return x, len(a), torch.tensor(a, dtype=torch.int64)


@program((X, 4), (X, 2))
def float_list_in_loop(x, n: int):
    a = [0.5]
    for i in range(n):
        a.append(a[-1] * 2.0 + i)
    return x * a[n]


@program((X,), (Y,))
def sizes_in_list(x):
    size = list(x.size())
    size[1] = 1
    size.append(-1)
    return x.reshape(size)


@program((X,), (Y,))
def shape_arithmetic(x):
    shape = x.shape
    return x.reshape(shape[1], shape[0]).expand([2] + [shape[1], shape[0]])


@program((X,), (Y,))
def split_and_index(x):
    a, b, c = x.unbind(1)
    parts = torch.split(x, 1, dim=1)
    return a + b * c, parts[0] - parts[2], len(parts)


@program((X,), (Y,), since=11)
def split_of_dynamic_length(x):
    parts = torch.split(x, 1, dim=0)
    total = parts[0]
    for p in parts:
        total = total * 0.5 + p
    return total, len(parts)


@program((X,), (Y,), (rows(1, 3),), (rows(0, 3),), since=11)
def parts_of_none_are_one(x):
    last = x[1:].split(1)
    total = x.sum()
    for part in x.split(2):
        total = total * 2 + part.sum() + 1
    return torch.cat(last), len(last), torch.cat(x.split(2, 0)), len(x.split(2)), total


@program((X, 2), (Y, 3), (Y, 1), (rows(0, 3), 2), (rows(0, 3), 0), since=11)
def parts_of_a_length_that_is_given(x, n: int):
    parts = x.split(n)
    return torch.cat(parts), len(parts), parts[0]


@program((X,), (Y,), (rows(7, 3),), (rows(1, 3),), (rows(0, 3),), since=11)
def chunks_of_none_are_as_many_as_asked_for(x):
    parts = x.chunk(3)
    return torch.cat(parts), len(parts), parts[-1]


@program((X, 3), (X, 2), (rows(1, 3), 5), (Y, 5), since=11)
def parts_of_none_in_a_branch(x, n: int):
    last = x[n % 2 :].tanh()
    y = x
    if x.size(0) != n:
        y = torch.cat(last.split(1)).flip(0)
    return y, last


@program((X,), (Y,), since=11)
def chunks_appended(x):
    parts = list(torch.unbind(x, 0))
    parts.append(x.sum(0))
    return torch.stack(parts)


@program((X,), (Y,))
def tuples(x):
    a = (x, x + 1, 3)
    b, c, n = a
    d = (b, (c, n))
    return d[0] + d[1][0] * d[1][1], a[2]


@program((X,), (Y,))
def tuple_from_branches(x):
    if bool(x.sum() > 5):
        a = (x, x + 1)
    else:
        a = (x * 2, x * 3)
    return a[0] - a[1]


@program((X, 3), (Y, 2))
def tuple_carried(x, n: int):
    a = (x, x + 1)
    for i in range(n):
        a = (a[1], a[0] * 0.5 + i)
    return a


class Pair(NamedTuple):
    first: torch.Tensor
    second: torch.Tensor


@program((X,), (Y,))
def named_tuples(x):
    p = Pair(x, x * 2)
    if bool(x.sum() > 5):
        p = Pair(p.second, p.first)
    return p.first - p.second, Pair(p.second, x)


@program((X,), (Y,))
def dictionaries(x):
    d = {"a": x, "b": x + 1}
    d["c"] = d["a"] * d["b"]
    if "b" in d:
        d["a"] = d["a"] - 1
    return d["c"] + d["a"], len(d)


@program((X,), (Y,))
def dictionary_methods(x):
    d: Dict[str, torch.Tensor] = {}
    d["u"] = x
    d.update({"v": x * 2})
    y = d.get("w")
    if y is None:
        y = d.pop("u")
    total = torch.zeros_like(x)
    for key, value in d.items():
        total = total + value
    for key in d.keys():
        total = total * 2 + d[key]
    return total + y, list(d.values())[0]


@program((X,), (Y,))
def dictionary_result(x):
    return {"double": x * 2, "sum": x.sum()}


@program(({"a": X, "b": X + 1},), ({"a": Y, "b": Y * 2},))
def dictionary_argument(d: Dict[str, torch.Tensor]):
    total = d["a"] * 2 + d["b"]
    return total, d["b"]


@program((X,), (Y,), refused="dictionary")
def dictionary_with_keys_from_loop(x):
    d: Dict[int, torch.Tensor] = {}
    for i in range(x.size(0)):
        d[i] = x[i]
    return d[0]


@program(([X, X + 1, X * 2],), ([Y, Y - 1],), since=11)
def list_argument(xs: List[torch.Tensor]):
    return torch.stack(xs).sum(0), len(xs)


@program(([X, Y],), ([Y, X, X],), since=11)
def list_argument_indexed(xs: List[torch.Tensor]):
    return xs[0] * 2, torch.cat(xs), xs[-1]


@program(([X, X + 1],), ([Y, Y - 1, Y],), since=11)
def list_argument_loop(xs: List[torch.Tensor]):
    total = xs[0]
    for x in xs:
        total = total * 0.5 + x
    return total


@program((X, 3), (Y, 1))
def list_result(x, n: int):
    found: List[torch.Tensor] = []
    for i in range(n):
        found.append(x * i)
    return found


@program((X,), (Y,))
def static_list_result(x):
    return [x, x + 1], x * 2


@program((X, 2), (Y, 4))
def list_of_hidden_states(x, n: int):
    states = [x]
    for i in range(n):
        states.append(torch.tanh(states[-1] + i))
    return states[-1], torch.stack(states)


@program((X, 3), (X, 2))
def reassigned_list(x, n: int):
    found = [x]
    for i in range(n):
        found = found + [x * i]
    return torch.cat(found)


@program((X, 3), (X, 2))
def list_augmented(x, n: int):
    found = [x]
    for i in range(n):
        found += [x * i, x - i]
    return torch.cat(found)


@program((X, 3), (X, 2), refused="list")
def list_of_lists_in_loop(x, n: int):
    found: List[List[torch.Tensor]] = []
    for i in range(n):
        found.append([x, x + i])
    return found[0][1]


@program((X,), (Y,))
def list_of_lists(x):
    table = [[x, x + 1], [x * 2]]
    table[1].append(x * 5)
    return torch.stack(table[0]) - torch.stack(table[1])


@program((X,), (Y,))
def list_of_tuples(x):
    pairs: List[Tuple[torch.Tensor, int]] = []
    pairs.append((x, 1))
    pairs.append((x * 2, 3))
    a, n = pairs[1]
    return a * n + pairs[0][0]


@program((X,), (Y,))
def two_names_of_one_list(x):
    a = [x]
    b = a
    b.append(x * 2)
    return torch.stack(a), len(b)


def _collect(found: List[torch.Tensor], x: torch.Tensor):
    found.append(x)


@program((X,), (Y,))
def list_written_in_a_function(x):
    found = [x]
    _collect(found, x * 2)
    return torch.stack(found)


@program((X, 2), (Y, 3))
def list_written_in_a_function_in_a_loop(x, n: int):
    found = [x]
    for i in range(n):
        _collect(found, x * i)
    return torch.stack(found)


@program((X, 1), (X, 4))
def alias_chosen_by_branch(x, n: int):
    a, b = [x], [x * 2]
    if n > 2:
        c = a
    else:
        c = b
    return torch.cat(c)


@program((X, 1), (X, 4), refused="list")
def alias_chosen_by_branch_and_written(x, n: int):
    a, b = [x], [x * 2]
    if n > 2:
        c = a
    else:
        c = b
    c.append(x * 3)
    return torch.cat(a)


@program((X,), (Y,))
def strings(x):
    name = "conv" + "_" + str(1)
    n = len(name)
    if name.startswith("conv") and name.upper() == "CONV_1":
        return x * n
    return x


@program((X,), (Y,))
def any_all_sum_max_of_lists(x):
    a = [1, 5, 3]
    flags = [True, False]
    return x * max(a) + min(a) + sum(a), any(flags), all(flags), sorted(a)[1], 5 in a


@program((X, 5), (X, 2))
def contains_dynamic(x, n: int):
    if n in [1, 2, 3]:
        return x
    return x + 1


@program((X, 3), (X, 1))
def pop_in_loop(x, n: int):
    stack = [x, x + 1, x + 2, x + 3]
    total = x
    for _ in range(n):
        total = total * 2 + stack.pop()
    return total, len(stack)


@program((X, 3), (X, 1))
def set_item_in_loop(x, n: int):
    items = [x, x + 1, x + 2]
    for i in range(n):
        items[i] = items[i] * 10
    return torch.cat(items)


@program((X,), (Y,))
def optional_list_element(x):
    a: List[Optional[torch.Tensor]] = [None, x]
    total = x
    for item in a:
        if item is not None:
            total = total + item
    return total


@program((X,), (Y,))
def tolist_of_sizes(x):
    n = x.size(0)
    t = torch.tensor([n, 1, 2])
    return t, torch.tensor(n), torch.tensor([[1.0, 2.0], [3.0, float(n)]])


@program((X, 3), (Y, 0))
def list_of_numbers_result(x, n: int):
    found = [n]
    for i in range(n):
        found.append(i)
    return found, x, [n, 2], [0.5], [n > 2]


@program((X, 3), (Y, 1))
def written_list_result(x, n: int):
    found = [x]
    found.append(x * 2)
    return found, n


@program((X, 2), (Y, 3))
def part_of_list_by_argument(x, n: int):
    a = [x, x + 1, x + 2, x + 3]
    b, c = a[:n], a[n:]
    return torch.cat(b), torch.cat(c), len(b)


@program((X, 2), (Y, 3))
def dynamic_list_turned_and_joined(x, n: int):
    a = [x]
    for i in range(n):
        a.append(x + i)
    a.reverse()
    return torch.cat(a), torch.cat(a[::-1]), torch.cat(a + a[1:]), torch.cat(a[::2])


@program((X, 2), (Y, 3))
def list_times_argument(x, n: int):
    return torch.cat([x, x * 2] * n), sum([1, 2] * n)


@program((X, 2), (Y, 3))
def dynamic_list_written(x, n: int):
    a = [x]
    for i in range(n):
        a.append(x + i)
    a.insert(1, x * 5)
    a.insert(-1, x * 6)
    a.insert(100, x * 7)
    a.insert(-100, x * 8)
    b = a.pop(1)
    a[-1] = x * 9
    a.extend([b, b * 2])
    del a[0]
    return torch.cat(a), b, len(a)


@program((X, 3), (Y, 1), since=13)
def optional_list(x, n: int):
    a: Optional[List[torch.Tensor]] = None
    if n > 2:
        a = [x, x * 2]
    if a is None:
        a = [x]
    return torch.cat(a)


@program((X, 1), (Y, 2))
def list_of_optionals_of_known_length(x, n: int):
    a: List[Optional[torch.Tensor]] = []
    for i in range(3):
        a.append(x if i == n else None)
    total = x
    for item in a:
        if item is not None:
            total = total + item
    return total, len(a)


@program((X, 2), (Y, 0))
def list_as_a_shape(x, n: int):
    shape: List[int] = []
    for i in range(2):
        shape.append(n + i)
    return torch.zeros(shape) + x.sum(), torch.ones(shape + [1])


@program((X, 3), (Y, 1), refused="length")
def rank_by_argument(x, n: int):
    shape: List[int] = []
    for i in range(n):
        shape.append(i + 1)
    return torch.zeros(shape) + x.sum()


@program((X, 1), (X, 0), refused="element type")
def total_of_another_element_type(x, n: int):
    total = torch.tensor(0)
    for i in range(n):
        total = total + x.sum()
    return total


@program((X, 3), (Y, 0), (X, 1))
def tuples_appended_in_loop(x, n: int):
    a: List[Tuple[torch.Tensor, int]] = []
    for i in range(n):
        a.append((x + i, i))
    total = x
    for t, i in a:
        total = total + t * i
    return total, len(a)


@program((X, 3), (Y, 1))
def beams(x, n: int):
    found: List[Tuple[torch.Tensor, float]] = [(x, 0.5)]
    for i in range(n):
        t, s = found[-1]
        found.append((t * 2, s + i))
    b, c = found[-1], found[n - 1]
    return b[0] * b[1], len(found), c[0], c[1]


@program((X, 1), (X, -1), since=11)
def tuples_by_index(x, i: int):
    a = [(x, 1), (x * 2, 5), (x * 3, 7)]
    t, k = a[i]
    return t * k


@program((X, 3), (Y, 1))
def tuples_in_tuples_written(x, n: int):
    a = [(x, 1, (x, 0.5))]
    for i in range(n):
        a.append((x + i, i, (x * i, 0.25)))
    a.insert(1, (x * 5, 9, (x, 1.5)))
    a[-1] = (x * 7, 8, (x * 3, 2.5))
    t, k, p = a.pop()
    a.extend([(t, k, p), (t * 2, k, p)])
    u = a.pop(1)
    b = a[-2]
    a.reverse()
    return t * k * p[0] * p[1], u[0], len(a), b[2][0], a[0][1]


@program((X, 3), (Y, 2))
def tuples_turned_and_joined(x, n: int):
    a = [(x, 1)]
    if n > 2:
        a.append((x * 2, 2))
    b = a[1:] + a
    c = b * 2
    c.extend(a)
    d = [(x, 5)]
    d.extend(b)
    return len(b), len(c), b[-1][0], c[1][1], len(d), d[-1][1], a[: n - 1][-1][0]


@program((X, 3), (Y, 1), refused="list of lists")
def lists_appended_in_loop(x, n: int):
    found: List[List[torch.Tensor]] = []
    for i in range(n):
        found.append([x, x + i])
    return len(found), found[0][1]


@program((X, 3, True), (Y, 2, False), (Y, 3, True), since=13)
def list_missing_after_break(x, n: int, turns_around: bool):
    a, b = [x, x * 0.5], [x]
    k = n
    found: Optional[int] = None
    for i in range(x.size(0)):
        if isinstance(found, int):
            found = 3
        else:
            b = list(a)
            if bool(x.sum() > 100):
                break
            if turns_around:
                b.reverse()
                continue
        if k == 100:
            continue
        k = k + i
    return k
