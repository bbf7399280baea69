"""Programs with branches, early returns, errors, and values that may be None."""

# ruff: noqa: SIM105, SIM108, RET505, SIM102, SIM103, T201, TRY003, TRY301, EM101, UP032, UP045, F841, RUF100 - the script language as people write it

from __future__ import annotations

import enum
from typing import Optional

import torch

from tests.script.corpus import ints, program, rows

X, Y, NEG = rows(2, 3), rows(4, 3, start=0.5), -rows(2, 3, start=0.5)


@program((X,), (Y,), (NEG,))
def if_sum(x):
    if x.sum() > 0:
        y = x * 2
    else:
        y = x - 1
    return y


@program((X,), (Y,), (NEG,))
def if_several_outputs(x):
    if bool(x.sum() > 0):
        a, b, c = x + 1, x * 2, 3
    else:
        a, b, c = x - 1, x / 2, 4
    return a, b * c


@program((X,), (Y,))
def if_one_side(x):
    if bool(x.mean() > 1):
        x = x.relu()
    return x + 1


@program((X,), (Y,), (NEG,))
def if_elif(x):
    s = x.sum()
    if bool(s > 10):
        r = x
    elif bool(s > 0):
        r = -x
    elif bool(s > -5):
        r = x.abs()
    else:
        r = x.exp()
    return r


@program((X, 3), (X, -3), (Y, 0))
def if_on_int(x, n: int):
    if n > 0:
        return x * n
    elif n == 0:
        return x
    return x - n


@program((X, 0.5), (X, -1.5))
def if_on_float(x, f: float):
    if f > 0.0:
        return x * f
    return x + f


@program((X, True), (X, False))
def if_on_bool(x, flag: bool):
    if flag:
        return x.t()
    return (x * 2).t()


@program((X,), (Y,))
def if_on_size(x):
    if x.size(0) > 3:
        return x.sum(0)
    return x.mean(0)


@program((X,), (Y,))
def if_static_rank(x):
    if x.dim() == 2:
        return x.sum(1)
    else:
        return x.unsqueeze(5)


@program((X,), (NEG,), (Y,))
def nested_if(x):
    if bool(x.sum() > 0):
        if bool(x.max() > 3):
            y = x + 1
        else:
            y = x + 2
    else:
        if bool(x.min() < -2):
            y = x + 3
        else:
            y = x + 4
    return y * 2


@program((X,), (Y,))
def branches_of_different_shape(x):
    if bool(x.sum() > 5):
        y = x
    else:
        y = torch.cat([x, x], 1)
    return y * 2


@program((X,), (Y,))
def branches_of_different_rank(x):
    if bool(x.sum() > 5):
        y = x
    else:
        y = x.sum(0)
    return y


@program((X,), (Y,), refused="element type")
def branches_of_different_dtype(x):
    if bool(x.sum() > 5):
        y = x
    else:
        y = x.to(torch.int64)
    return y


@program((X,), (Y,), (NEG,))
def early_return(x):
    if bool(x.sum() < 0):
        return x
    y = x * 3
    if bool(y.max() > 5):
        return y + 1
    return y - 1


@program((X, 2), (X, 7), (X, 12))
def early_return_of_scalars(x, n: int):
    if n > 10:
        return x, n
    m = n * 2
    if m > 10:
        return x + m, m - 1
    return x - m, m + 1


@program((X, 1), (X, 5))
def scalar_results_of_branches(x, n: int):
    if n > 3:
        a, b, c = 1, 0.5, True
    else:
        a, b, c = n, float(n) / 3, False
    return x * a + b, c, a


@program((X,), (Y,))
def outer_values(x):
    y = x.exp()
    z = x.size(0) * 2
    if bool(x.sum() > 5):
        w = y + z
    else:
        w = y - z + x
    return w + y


@program((X,), (Y,))
def unused_results(x):
    if bool(x.sum() > 5):
        y, unused = x + 1, x.to(torch.int64)
    else:
        y, unused = x - 1, x
    return y


@program((X,), (Y,))
def branch_passes_input(x):
    if bool(x.sum() > 5):
        y = x
    else:
        y = x + 0
    return y


@program((X, X + 1), (Y, Y * 2))
def optional_argument_given(x, y: Optional[torch.Tensor]):
    if y is not None:
        x = x + y
    return x


@program((X,), (Y,))
def optional_argument_left_out(x, y: Optional[torch.Tensor] = None):
    if y is None:
        y = x * 2
    return x + y


@program((X,), (Y,), (NEG,))
def optional_set_in_branch(x):
    y: Optional[torch.Tensor] = None
    if bool(x.sum() > 0):
        y = x * 2
    if y is not None:
        return x + y
    return x


@program((X, 4), (X, 1))
def optional_number_set_in_branch(x, n: int):
    k: Optional[int] = None
    if n > 2:
        k = n * 3
    if k is None:
        k = 7
    return x * k


@program((X,), (Y,), since=16, until=27)
def optional_result(x):
    y: Optional[torch.Tensor] = None
    if bool(x.sum() > 5):
        y = x * 2
    return y, x


@program((X,), (Y,))
def assert_holds(x):
    assert x.dim() == 2, "rank"
    assert bool(x.abs().sum() > 0), "all zero"
    return x + 1


@program((X,), (Y,))
def raise_in_branch(x):
    if bool(x.numel() > 1000):
        raise ValueError("too large: {}".format(x.numel()))
    return x * 2


@program((X,), (Y,))
def raise_in_else(x):
    if x.dim() == 2:
        y = x.sum()
    elif bool(x.sum() > 0):
        y = x.mean()
    else:
        raise RuntimeError("no")
    return y


@program((X, 1), (X, 2))
def raise_in_the_last_of_three(x, mode: int):
    if mode == 1:
        y = x + 1
    elif mode == 2:
        y = x * 2
    else:
        raise RuntimeError("mode")
    return y


@program((X,), (Y,))
def printing(x):
    print("x is", x)
    if bool(x.sum() > 5):
        print("large {}".format(x.size(0)))
        x = x * 2
    return x + 1


@program((X, "add"), (Y, "add"))
def string_mode(x, mode: str):
    if mode == "add":
        return x + 1
    elif mode in ["mul", "times"]:
        return x * 2
    raise RuntimeError("unknown mode " + mode)


@program((X,), (Y,))
def annotate_and_isinstance(x):
    n = torch.jit.annotate(Optional[int], 3)
    if isinstance(n, int):
        x = x * n
    assert isinstance(x, torch.Tensor)
    return x


class Color(enum.Enum):
    RED = 1
    GREEN = 2


@program((X,), (Y,))
class EnumMode(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.color = Color.GREEN

    def forward(self, x):
        if self.color == Color.RED:
            return x + 1
        return x * self.color.value


@program((X,), (NEG,), (Y,))
def logic_on_conditions(x):
    a = bool(x.sum() > 0)
    b = bool(x.max() > 3)
    if a and not b:
        return x + 1
    if a or b:
        return x + 2
    return x + 3


@program((X,), (Y,))
def ternary(x):
    n = 2 if x.size(0) > 3 else 5
    return x * n if bool(x.sum() > 5) else x + n


@program((X, ints(1)), (X, ints(0)))
def tensor_of_one_element_as_condition(x, flag):
    if flag:
        return x + 1
    return x - 1


@program((X,), (Y,))
def dtype_and_device_checks(x):
    if x.dtype == torch.float32 and x.device.type == "cpu" and x.is_floating_point():
        return x.to(torch.float64)
    return x.double() * 0


@program((X,), (Y,))
def values_made_in_branch_from_size(x):
    if bool(x.sum() > 5):
        y = torch.zeros(x.size(0), 2)
    else:
        y = torch.ones(x.size(0), 2)
    n = x.size(0)
    return y + n


@program((X,), (Y,))
def same_size_in_both_branches_and_after(x):
    if bool(x.sum() > 5):
        y = x.reshape(x.size(0) * x.size(1))
    else:
        y = x.t().reshape(x.size(0) * x.size(1))
    return y.reshape(x.size(1), x.size(0))


@program((X, 1, 1.0), (Y, 1, -100.0), (Y, 3, -100.0), (X, 3, 100.0), since=11)
def sum_or_unknown_rank_in_loop(x, n: int, f: float):
    v = x
    for _ in range(n):
        if x.sum() > f:
            w = x.sum()
        else:
            if n > 2:
                w = x[0]
            else:
                w = x
        if n == 3:
            v = w
        else:
            v = w * 2
    return v
