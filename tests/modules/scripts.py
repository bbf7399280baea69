"""Branches, loops, lists and dictionaries of the script language, and what traces make of them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.modules.corpus import module, normal


@module(lambda: (normal(3, 4),), lambda: (-normal(5, 4).abs(),), ways="s")
def if_sum(x):
    if x.sum() > 0:
        return x * 2
    return x - 1


@module(lambda: (normal(3, 4),), lambda: (normal(6, 4),), ways="s")
def loop_rows(x):
    s = torch.zeros(4)
    for k in range(x.size(0)):
        s = s * 0.5 + x[k]
    return s


@module(lambda: (normal(3, 4),), lambda: (normal(6, 4),), ways="s")
def for_row_in_tensor(x):
    out: list[Tensor] = []
    for row in x:
        out.append(row * row.sum())
    return torch.stack(out)


@module(lambda: (normal(5, 2, 4),), lambda: (normal(3, 3, 4),), ways="s")
def unbind_list(x):
    out = []
    h = torch.zeros(x.size(1), x.size(2))
    for t in x.unbind(0):
        h = torch.tanh(h + t)
        out.append(h)
    return (torch.stack(out, 0), h)


@module(lambda: (normal(5, 4), torch.tensor([2, 3])), lambda: (normal(7, 4), torch.tensor([3, 3, 1])), ways="s")
def pad_from_lens(x, lens):
    out = torch.zeros([lens.size(0), int(lens.max()), x.size(1)])
    s = 0
    for k in range(lens.size(0)):
        n = int(lens[k])
        out[k, :n] = x[s : s + n]
        s += n
    return out


@module(lambda: (torch.tensor([10.0]),), lambda: (torch.tensor([200.0]),), ways="s")
def while_halve(x):
    n = 0
    while bool(x > 1):
        x = x / 2
        n += 1
    return (x, n)


@module(lambda: (normal(8),), lambda: (normal(5),), ways="s")
def break_first_positive(x):
    idx = -1
    for k in range(x.size(0)):
        if x[k] > 0:
            idx = k
            break
    return idx


@module(lambda: (normal(8),), lambda: (normal(5),), ways="s")
def continue_sum(x):
    s = torch.zeros(1)
    for k in range(x.size(0)):
        if x[k] < 0:
            continue
        s += x[k]
    return s


@module(lambda: (normal(2, 3),), lambda: (normal(2, 3),), ways="s")
def early_return(x):
    if x.size(0) > 4:
        return x
    y = x * 2
    if y.mean() > 100:
        return y
    return y + 1


@module(lambda: (normal(2, 3), None), lambda: (normal(4, 3), None))
def optional_none(x, m: Tensor | None = None):
    if m is not None:
        x = x * m
    return x.relu()


@module(lambda: (normal(2, 3),), lambda: (normal(4, 3),))
class TrainingFlag(nn.Module):
    def __init__(self):
        super().__init__()
        self.d = nn.Dropout(0.5)
        self.l = nn.Linear(3, 3)

    def forward(self, x):
        if self.training:
            return self.d(self.l(x))
        return self.l(x).sigmoid()


@module(lambda: (normal(2, 3),), lambda: (normal(4, 3),))
class RankBranch(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(3, 5)

    def forward(self, x):
        if x.dim() == 2:
            x = x.unsqueeze(1)
        y = self.l(x)
        return y.squeeze(1) if y.shape[1] == 1 else y


@module(lambda: (normal(1, 3, 8, 8),), lambda: (normal(2, 3, 9, 7),), ways="s")
def odd_pad(x):
    H, W = (x.shape[2], x.shape[3])
    if H % 2 == 1 or W % 2 == 1:
        x = F.pad(x, (0, W % 2, 0, H % 2))
    return F.avg_pool2d(x, 2)


@module(lambda: (normal(2, 4),), lambda: (normal(9, 4),), ways="s")
def size_branch(x):
    if x.size(0) > 5:
        return x.sum(0)
    return x.mean(0)


@module(lambda: (normal(2, 4),), lambda: (normal(9, 4),), ways="s")
def ternary_and_bool(x):
    n = x.size(0)
    k = 2 if n > 5 else 1
    f = n % 2 == 0 and n > 3
    s = 1.5 if f or n < 2 else -1.0
    return (x * k * s, k, f, s)


@module(lambda: (normal(3, 4),), lambda: (normal(5, 4),), ways="s")
def nested_if_loop(x):
    acc = torch.zeros(4)
    for j in range(x.size(0)):
        if j % 2 == 0:
            for k in range(2):
                acc = acc + x[j] * k
        else:
            acc = acc - x[j]
    return acc


@module(lambda: (normal(3, 4),), lambda: (normal(5, 4),), ways="s")
def list_cat_dyn(x):
    parts = [x]
    for k in range(x.size(0)):
        parts.append(x[k : k + 1] + k)
    return torch.cat(parts, 0)


@module(lambda: (normal(3, 4),), lambda: (normal(5, 4),), ways="s")
def list_of_ints(x):
    sizes: list[int] = []
    for k in range(x.dim()):
        sizes.append(x.size(k) * 2)
    return (torch.zeros(sizes), sizes[0] + sizes[1])


@module(lambda: (normal(3, 4),), lambda: (normal(5, 4),))
def return_nested(x):
    return (x, (x + 1, [x * 2, x.sum()]))


@module(lambda: (normal(3, 4),), lambda: (normal(5, 4),), ways="s")
def assert_raise(x):
    assert x.size(1) == 4, "bad"
    if x.dim() != 2:
        raise ValueError("rank")
    return x * 2


@module(lambda: (normal(3, 4), 3), lambda: (normal(5, 4), 3))
def int_arg(x, n: int = 2):
    for _ in range(n):
        x = x * 1.1
    return x + n


@module(lambda: (normal(3, 4), True), lambda: (normal(5, 4), True))
def bool_arg(x, flag: bool):
    return x.exp() if flag else x


@module(lambda: (normal(3, 4), "sum"), lambda: (normal(5, 4), "sum"))
def str_arg(x, red: str = "mean"):
    if red == "mean":
        return x.mean()
    if red == "sum":
        return x.sum()
    return x


@module(lambda: (normal(2, 6), torch.tensor(3)), lambda: (normal(2, 6), torch.tensor(5)), ways="s")
def tensor_count_loop(x, n):
    for _ in range(int(n.item())):
        x = torch.tanh(x) + 0.1
    return x


@module(lambda: (normal(2, 6), torch.tensor(3)), lambda: (normal(2, 6), torch.tensor(5)), ways="s")
def for_in_arange(x, n):
    for _ in torch.arange(n):
        x = x * 0.9
    return x


@module(lambda: (normal(4, 5),), lambda: (normal(3, 7),), ways="s")
def argmax_loop(x):
    out = torch.zeros(x.size(0), dtype=torch.long)
    for k in range(x.size(0)):
        out[k] = torch.argmax(x[k])
    return out


@module(lambda: (normal(6, 3),), lambda: (normal(9, 3),), ways="s")
def running_max(x):
    best = x[0]
    at = 0
    for k in range(1, x.size(0)):
        if x[k].sum() > best.sum():
            best = x[k]
            at = k
    return (best, at)


@module(
    lambda: (
        torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.9], [5.0, 5.0, 6.0, 6.0]]),
        torch.tensor([0.9, 0.8, 0.7]),
    ),
    lambda: (
        torch.tensor([[0.0, 0.0, 2.0, 2.0], [5.0, 5.0, 6.0, 6.0], [0.0, 0.0, 2.0, 1.9], [5.0, 5.0, 6.1, 6.0]]),
        torch.tensor([0.3, 0.8, 0.7, 0.75]),
    ),
    ways="s",
)
def nms(boxes, scores):
    order = scores.argsort(descending=True)
    keep: list[Tensor] = []
    while order.numel() > 0:
        k = order[0]
        keep.append(k)
        rest = order[1:]
        lt = torch.max(boxes[k, :2], boxes[rest, :2])
        rb = torch.min(boxes[k, 2:], boxes[rest, 2:])
        wh = (rb - lt).clamp(min=0)
        inter = wh[:, 0] * wh[:, 1]
        a = (boxes[k, 2] - boxes[k, 0]) * (boxes[k, 3] - boxes[k, 1])
        c = (boxes[rest, 2] - boxes[rest, 0]) * (boxes[rest, 3] - boxes[rest, 1])
        order = rest[inter / (a + c - inter) <= 0.5]
    return torch.stack(keep)


@module(lambda: (normal(2, 5, 4),), lambda: (normal(3, 7, 4),), ways="s")
class LstmCellLoop(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(4, 3)

    def forward(self, x):
        h = torch.zeros(x.size(0), 3)
        c = torch.zeros(x.size(0), 3)
        outs: list[Tensor] = []
        for t in range(x.size(1)):
            h, c = self.cell(x[:, t], (h, c))
            outs.append(h)
        return (torch.stack(outs, 1), (h, c))


@module(lambda: (normal(2, 5, 4),), lambda: (normal(3, 5, 4),), ways="t")
class LstmCellLoopTraced(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(4, 3)

    def forward(self, x):
        h = x.new_zeros(x.size(0), 3)
        c = torch.zeros_like(h)
        outs = []
        for t in range(x.size(1)):
            h, c = self.cell(x[:, t], (h, c))
            outs.append(h)
        return (torch.stack(outs, 1), (h, c))


@module(lambda: (normal(4, 6),), lambda: (normal(2, 6),), ways="s")
def list_comprehension(x):
    ps = [x[:, k] * k for k in range(3)]
    return (torch.stack(ps, 1), [p.sum() for p in ps])


@module(lambda: (normal(4, 6),), lambda: (normal(2, 6),))
def python_comprehension(x):
    return torch.cat([x[:, k : k + 2].mean(1, keepdim=True) for k in range(0, 6, 2)], 1)


@module(lambda: (normal(2, 3),), lambda: (normal(4, 3),), ways="s")
def tuple_swap(x):
    a, b_ = (x, x + 1)
    for _ in range(3):
        a, b_ = (b_, a + b_)
    return (a, b_)


@module(lambda: ((normal(2, 3), normal(2, 3)),), lambda: ((normal(4, 3), normal(4, 3)),))
def tuple_input(xs: tuple[Tensor, Tensor]):
    a, c = xs
    return a * c
