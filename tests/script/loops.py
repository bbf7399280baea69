"""Programs with loops."""

# ruff: noqa: B007, B905, SIM108, UP006, UP035, UP045, RUF100 - the script language as people write it

from __future__ import annotations

from typing import List, Optional

import torch

from tests.script.corpus import ints, program, rows

X, Y = rows(2, 3), rows(4, 3, start=0.25)


@program((X,), (Y,))
def for_constant(x):
    for i in range(4):
        x = x * 0.5 + i
    return x


@program((X,), (Y,), loops="unroll")
def for_constant_unrolled(x):
    for i in range(4):
        x = x * 0.5 + i
    return x


@program((X, 3), (Y, 0), (X, 1))
def for_argument(x, n: int):
    for i in range(n):
        x = x + i
    return x


@program((X,), (Y,))
def for_over_rows(x):
    total = torch.zeros(3)
    for i in range(x.size(0)):
        total = total * 0.5 + x[i]
    return total


@program((X,), (Y,))
def for_over_tensor(x):
    total = torch.zeros(3)
    for row in x:
        total = total.tanh() + row
    return total


@program((X, 1, 9, 3), (Y, -2, 3, 2), (Y, 3, 3, 1))
def for_with_start_and_step(x, a: int, b: int, c: int):
    s = 0
    for i in range(a, b, c):
        s += i * i
        x = x + i
    return x, s


@program((X, 5), (X, 0))
def for_downwards(x, n: int):
    for i in range(n, -1, -2):
        x = x * 2 - i
    return x


@program((X,), (Y,), (X * 100,))
def while_on_tensor(x):
    while bool(x.abs().sum() > 4):
        x = x / 2
    return x


@program((X, 20), (X, 3))
def while_on_int(x, n: int):
    steps = 0
    while n > 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        steps += 1
    return x + n, steps


@program((X, 10), (X, 2))
def for_with_break(x, n: int):
    for i in range(n):
        if i == 4:
            break
        x = x + i
    return x


@program((X,), (Y,))
def for_with_dynamic_break(x):
    count = 0
    for i in range(10):
        x = x * 1.5
        if bool(x.abs().sum() > 30):
            break
        count += 1
    return x, count


@program((X, 7), (X, 1))
def for_with_continue(x, n: int):
    for i in range(n):
        if i % 3 == 0:
            continue
        x = x + i
    return x


@program((X, 7), (X, 40))
def while_with_break_and_continue(x, n: int):
    i = 0
    while i < n:
        i += 1
        if i % 2 == 0:
            continue
        if i > 20:
            break
        x = x + i
    return x, i


@program((X,), (Y,))
def nested_loops(x):
    total = torch.zeros(1)
    for i in range(x.size(0)):
        for j in range(x.size(1)):
            total = total * 0.9 + x[i, j] * (i + 1) - j
    return total


@program((X, 3), (Y, 2))
def nested_with_branch(x, n: int):
    for i in range(n):
        for j in range(i):
            if bool(x.sum() > 3):
                x = x - j
            else:
                x = x + i
    return x


@program((X, 3), (X, 0), (X, 5))
def return_in_loop(x, n: int):
    for i in range(n):
        x = x + 1
        if bool(x.sum() > 12):
            return x * 10
    return x


@program((X, 3), (X, 0))
def carried_shape_grows(x, n: int):
    y = x
    for i in range(n):
        y = torch.cat([y, x + i])
    return y


@program((X, 3), (X, 1))
def carried_shape_shrinks(x, n: int):
    y = torch.cat([x, x, x])
    for i in range(n):
        y = y[1:]
    return y, y.size(0)


@program((X, 2), (X, 0))
def carried_rank_changes(x, n: int):
    for i in range(n):
        x = x.unsqueeze(0)
    return x


@program((X, 1), (X, 0), refused="element type")
def carried_dtype_changes(x, n: int):
    for i in range(n):
        x = x.to(torch.float64)
    return x


@program((X, 4), (X, 0))
def carried_numbers(x, n: int):
    a, b, flag = 1, 1.0, False
    for i in range(n):
        a, b, flag = a + i, b / (i + 1), not flag
    if flag:
        return x * b
    return x + a


@program((X, 10), (X, 1))
def fibonacci(x, n: int):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return x * a


@program((X,), (Y,))
def outer_size_in_loop(x):
    n = x.size(0)
    y = x
    for i in range(3):
        y = y + x.size(0) * n
    return y.reshape(x.size(0) * 3)


@program((X, 3), (Y, 2))
def inner_values_stay_inside(x, n: int):
    y = x
    for i in range(n):
        w = x[: i + 1].exp()
        y = y + w.sum() + w.size(0)
    return y + x.exp().sum(), x[:1].exp()


@program((X, 3), (X, 0))
def optional_carried(x, n: int):
    last: Optional[torch.Tensor] = None
    for i in range(n):
        if last is None:
            last = x
        else:
            last = last * 2 + i
    if last is None:
        return x - 1
    return last


@program((X, 5), (X, 2))
def loop_only_condition(x, n: int):
    found = False
    i = 0
    while not found and i < n:
        if i == 3:
            found = True
        i += 1
    return x + i, found


@program((X, ints(2, 0, 1)), (Y, ints(0, 1, 1)))
def gather_by_tensor_elements(x, idx):
    total = x[0]
    for i in range(3):
        total = total + x[idx[i] % 2] * i
    return total


@program((X, ints(3)), (Y, ints(1)))
def trip_count_from_tensor(x, n):
    for i in range(int(n)):
        x = x + i
    return x


@program((X,), (Y,))
def cumulative_in_place(x):
    y = x.clone()
    for i in range(1, y.size(0)):
        y[i] = y[i] + y[i - 1]
    return y


@program((X,), (Y,))
def fill_rows(x):
    out = torch.zeros(x.size(0), 3)
    for i in range(x.size(0)):
        out[i] = x[i] * i
    return out


@program((X,), (Y,))
def in_place_in_branch(x):
    y = x.clone()
    if bool(x.sum() > 5):
        y.mul_(2)
        y[0] = 7
    return y


@program((X, 3), (Y, 1))
def augmented_on_view_in_loop(x, n: int):
    y = x.clone()
    v = y[:, 0]
    for i in range(n):
        v += i
        v.mul_(2)
    return y


@program((X, 5), (Y, 2))
def newton(x, n: int):
    guess = torch.ones_like(x)
    a = x.abs() + 1
    for _ in range(n):
        guess = 0.5 * (guess + a / guess)
    return guess


@program((X,), (Y,))
def zip_and_enumerate(x):
    parts = [x + 1, x * 2, x - 3]
    weights = [0.5, 0.25, 2.0]
    total = torch.zeros_like(x)
    for i, (p, w) in enumerate(zip(parts, weights)):
        total = total + p * w + i
    return total


@program((X,), (Y,))
def static_list_in_loop(x):
    parts = [x, x.exp(), x.abs()]
    total = torch.zeros_like(x)
    for p in parts:
        total = total * 0.5 + p
    return total


@program((X,), (Y,))
def static_list_of_different_ranks(x):
    parts = [x, x.sum(0), x.sum()]
    total = torch.zeros_like(x)
    for p in parts:
        total = total + p
    return total


@program((X,), (Y,))
def dead_loop(x):
    y = x
    for i in range(3):
        y = y + i
    return x * 2


@program((X, 3), (X, 0))
def loop_result_int(x, n: int):
    k = 0
    for i in range(n):
        k = i
    return x, k


@program((X, [2, 3]), (Y, [4, 1]))
def loop_over_int_list(x, sizes: List[int]):
    s = 0
    for n in sizes:
        s = s * 10 + n
    return x + s
