"""Elements read and written by position, by mask and through views; masks made of lengths."""

import torch
import torch.nn.functional as F

from tests.modules.corpus import integers, module, normal


@module(lambda: (normal(3, 4),), lambda: (normal(5, 6),))
def read_last_row(x):
    return (x[-1], x[:, -1], x[..., 0], x[None, :, 1:], x[::2, 1::2])


@module(lambda: (normal(3, 4), integers(3, 5)), lambda: (normal(6, 4), integers(6, 2)))
def read_tensor(x, k):
    return (x[k], x[k, 1], x[k][:, 0])


@module(
    lambda: (normal(3, 4, 5), integers(3, 2), integers(4, 2)), lambda: (normal(5, 4, 5), integers(5, 7), integers(4, 7))
)
def read_two(x, a, c):
    return (x[a, c], x[a, :, :], x[:, c])


@module(
    lambda: (normal(3, 4, 5), integers(3, 2), integers(5, 2)), lambda: (normal(4, 4, 5), integers(4, 3), integers(5, 3))
)
def read_nonconsecutive(x, a, c):
    return x[a, :, c]


@module(
    lambda: (normal(3, 4, 5), integers(3, 2, 1), integers(4, 3)),
    lambda: (normal(4, 6, 5), integers(4, 3, 1), integers(6, 2)),
)
def read_broadcast2d(x, a, c):
    return x[a, c]


@module(lambda: (normal(3, 4), torch.tensor([-1, 0, -2])), lambda: (normal(5, 4), torch.tensor([-3, -5, 1])))
def read_negative(x, k):
    return x[k]


@module(
    lambda: (torch.tensor([[1.0, -1.0, 2.0], [0.5, -3.0, 0.0]]),),
    lambda: (torch.tensor([[1.0, 2.0], [-1.0, -2.0], [3.0, -4.0]]),),
)
def read_mask(x):
    return x[x > 0]


@module(
    lambda: (normal(4, 3), torch.tensor([True, False, True, True])),
    lambda: (normal(3, 3), torch.tensor([False, True, False])),
)
def read_row_mask(x, m):
    return (x[m], x[m].sum(0), x[~m].shape[0])


@module(
    lambda: (normal(2, 3, 4), torch.tensor([[True, False, True], [False, True, False]])),
    lambda: (normal(3, 2, 4), torch.tensor([[True, True], [False, True], [False, False]])),
)
def read_mask2d_of3d(x, m):
    return x[m]


@module(
    lambda: (normal(2, 3, 4), torch.tensor([True, False, True])),
    lambda: (normal(5, 3, 4), torch.tensor([False, False, True])),
)
def read_mask_mid(x, m):
    return (x[:, m], x[:, m, 1])


@module(lambda: (normal(2, 6, 3), torch.tensor([6, 4])), lambda: (normal(3, 8, 3), torch.tensor([1, 8, 5])))
def read_last_valid(x, lens):
    return x[torch.arange(x.shape[0]), lens - 1]


@module(lambda: (normal(2, 6),), lambda: (normal(3, 8),))
def read_half(x):
    h = x.shape[1] // 2
    return (x[:, :h], x[:, h:], x[:, -h:], x[:, : x.size(1) - 1])


@module(lambda: (normal(3, 4),), lambda: (normal(3, 6),))
def read_ellipsis_none(x):
    return (x[..., None], x[None, ..., None, :], x[:, None, None, 1:3])


@module(lambda: (normal(2, 3, 4, 5),), lambda: (normal(3, 3, 6, 5),))
def read_mixed_int_slice(x):
    return (x[0, :, 1:, -1], x[:, 1, ::2, ::3], x[1:, ..., 2])


@module(lambda: (normal(10),), lambda: (normal(7),))
def read_flip_steps(x):
    return (x.flip(0)[::2], torch.flip(x, [0]))


@module(lambda: (normal(2, 4, 4),), lambda: (normal(3, 5, 5),))
def read_triu_mask(x):
    m = torch.triu(torch.ones(x.size(1), x.size(2), dtype=torch.bool), diagonal=1)
    return (x[:, m], x.masked_fill(m, 0.0))


@module(lambda: (normal(2, 3, 8, 8), integers(8, 2, 5, 2)), lambda: (normal(1, 3, 6, 9), integers(6, 1, 4, 2)))
def read_batched_pixels(f, p):
    bidx = torch.arange(f.size(0))[:, None].expand(-1, p.size(1))
    return f[bidx, :, p[..., 1], p[..., 0]]


@module(lambda: (normal(2, 3), integers(3, 2)), lambda: (normal(4, 3), integers(3, 4)))
def read_one_hot_select(x, k):
    return ((x * F.one_hot(k, 3)).sum(1), F.one_hot(k, num_classes=3).float())


@module(lambda: (normal(3, 5), torch.tensor(3)), lambda: (normal(3, 8), torch.tensor(6)), ways="s")
def read_slice_by_tensor_int(x, n):
    k = int(n)
    return (x[:, :k], x[:, k:])


@module(lambda: (normal(3, 5), torch.tensor(3)), lambda: (normal(3, 8), torch.tensor(6)))
def read_narrow_tensor(x, n):
    return x[:, :n]


@module(lambda: (normal(2, 3, 4),), lambda: (normal(2, 5, 4),))
def read_unbind_sum(x):
    a, c = x.unbind(0)
    return (a + c, torch.stack([a, c], 1))


@module(lambda: (normal(3, 4),), lambda: (normal(5, 6),))
def write_row(x):
    x = x.clone()
    x[0] = 0
    x[:, 1] = 2.5
    x[-1, -1] = -1
    return x


@module(lambda: (normal(3, 4), normal(4)), lambda: (normal(5, 4), normal(4)))
def write_slice_broadcast(x, v):
    y = torch.zeros_like(x)
    y[1:] = v
    y[:, ::2] += 1
    return y


@module(lambda: (normal(3, 4),), lambda: (normal(5, 6),))
def write_mask_scalar(x):
    y = x.clone()
    y[y < 0] = 0.0
    y[x > 1] *= 2
    return y


@module(lambda: (normal(2, 6), torch.tensor([4, 6])), lambda: (normal(3, 5), torch.tensor([1, 5, 2])))
def write_mask_lengths(x, lens):
    m = torch.arange(x.size(1))[None] >= lens[:, None]
    x = x.clone()
    x[m] = float("-inf")
    return F.softmax(x, -1)


@module(lambda: (torch.tensor([1.0, -1.0, 2.0, 0.0]),), lambda: (torch.tensor([-1.0, 2.0, 3.0]),))
def write_mask_and_index(R):
    q = torch.zeros((R.shape[0], 2), dtype=R.dtype)
    m = R > 0
    q[m, 0] = R[m]
    return q


@module(
    lambda: (normal(4, 3), torch.tensor([0, 2]), normal(2, 3)),
    lambda: (normal(5, 3), torch.tensor([4, 1, 0]), normal(3, 3)),
)
def write_rows_by_index(x, k, v):
    x = x.clone()
    x[k] = v
    return x


@module(
    lambda: (normal(4, 3), torch.tensor([0, 2, 0]), normal(3, 3)),
    lambda: (normal(5, 3), torch.tensor([4, 4, 0, 1]), normal(4, 3)),
)
def write_accumulate(x, k, v):
    return (x.index_put((k,), v, accumulate=True), x.index_add(0, k, v))


@module(lambda: (normal(2, 4, 5),), lambda: (normal(3, 6, 5),))
def write_copy_into_zeros(x):
    B, L, D = x.shape
    out = torch.zeros(B, L + 2, D)
    out[:, 1:-1] = x
    return out


@module(lambda: (normal(2, 3, 4, 4),), lambda: (normal(1, 3, 6, 8),))
def write_yolo_wh(p):
    p = p.clone()
    p[:, 2:4] = torch.exp(p[:, 2:4]) * 8
    p[:, 0:2] = p[:, 0:2].sigmoid() + 1
    return p.flatten(2).permute(0, 2, 1)


@module(lambda: (normal(3, 4),), lambda: (normal(5, 4),))
def write_augmented_view(x):
    x = x.clone()
    v = x[:, 0]
    v += 1
    v.mul_(2)
    x[:, 1:3].clamp_(min=0)
    return x


@module(lambda: (normal(2, 4),), lambda: (normal(3, 4),))
def write_loop_columns(x):
    out = torch.empty_like(x)
    for j in range(4):
        out[:, j] = x[:, j] * j
    return out


@module(lambda: (normal(2, 4, 6),), lambda: (normal(3, 5, 6),))
def write_tsm_shift(x):
    out = torch.zeros_like(x)
    f = 2
    out[:, :-1, :f] = x[:, 1:, :f]
    out[:, 1:, f : 2 * f] = x[:, :-1, f : 2 * f]
    out[:, :, 2 * f :] = x[:, :, 2 * f :]
    return out


@module(lambda: (normal(4, 4),), lambda: (normal(6, 6),), ways="t")
def write_diag_arange(x):
    x = x.clone()
    k = torch.arange(x.size(0))
    x[k, k] = -1000000000.0
    return x
