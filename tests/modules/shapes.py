"""Shapes computed from shapes, padding, grids, structures in and out, and Python around tensors."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from tests.modules.corpus import module, normal


@module(lambda: (normal(2, 3, 4),), lambda: (normal(5, 3, 6),))
def view_minus1(x):
    return (x.view(x.size(0), -1), x.reshape(-1, x.shape[-1]), x.view(-1), x.flatten(1), x.flatten(0, 1))


@module(lambda: (normal(2, 6, 8),), lambda: (normal(3, 4, 8),))
def heads(x):
    B, N, C = x.shape
    y = x.reshape(B, N, 2, C // 2).permute(0, 2, 1, 3)
    return (y, y.transpose(1, 2).contiguous().view(B, N, C))


@module(lambda: (normal(2, 8, 4, 6),), lambda: (normal(3, 8, 6, 2),))
def channel_shuffle(x):
    n, c, h, w = x.size()
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, -1, h, w)


@module(lambda: (normal(2, 4, 8, 8),), lambda: (normal(3, 4, 4, 12),), ways="s")
def window_partition(x):
    x = x.permute(0, 2, 3, 1)
    B, H, W, C = x.shape
    ws = 4
    w = x.view(B, H // ws, ws, W // ws, ws, C).permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, ws, ws, C)
    nB = int(w.shape[0] / (H * W / ws / ws))
    y = w.view(nB, H // ws, W // ws, ws, ws, -1).permute(0, 1, 3, 2, 4, 5).contiguous().view(nB, H, W, -1)
    return (w, y)


@module(lambda: (normal(2, 3, 4),), lambda: (normal(5, 2, 4),))
def sh_numel(x):
    return (x.view(x.numel() // 4, 4), x.reshape(x.shape[0] * x.shape[1], 4), torch.zeros(x.numel()))


@module(lambda: (normal(2, 3, 4),), lambda: (normal(5, 2, 4),), ways="s")
def shape_tensor(x):
    s = torch.tensor(x.shape)
    return (s, s.prod(), x.sum() / s[0])


@module(lambda: (normal(2, 3, 4),), lambda: (normal(5, 2, 4),))
def shape_list(x):
    s = list(x.shape)
    s[-1] = 1
    return (torch.ones(s), x.new_zeros(x.size()[:2]), x.mean(-1).view(s))


@module(lambda: (normal(2, 3), normal(5, 3)), lambda: (normal(4, 3), normal(1, 3)))
def pairwise(a, c):
    return ((a[:, None] - c[None]).pow(2).sum(-1), torch.cdist(a, c), a.unsqueeze(1).expand(-1, c.size(0), -1))


@module(lambda: (normal(2, 1, 3), normal(1, 5, 3)), lambda: (normal(4, 1, 3), normal(1, 2, 3)))
def sh_expand_as(a, c):
    o = a + c
    return (a.expand_as(o), c.expand(a.size(0), -1, -1), torch.broadcast_to(a, o.shape), a.repeat(1, c.size(1), 1))


@module(lambda: (normal(2, 3),), lambda: (normal(4, 5),))
def sh_repeat(x):
    return (
        x.repeat(2, 3),
        x.repeat(2, 1, 1),
        x.repeat_interleave(2, dim=0),
        x.repeat_interleave(3, 1),
        torch.tile(x, (2,)),
        x.unsqueeze(1).repeat(1, x.size(1), 1),
    )


@module(lambda: (normal(3, 2), torch.tensor([1, 2, 3])), lambda: (normal(2, 2), torch.tensor([4, 0])))
def repeat_interleave_tensor(x, n):
    return (x.repeat_interleave(n, 0), torch.repeat_interleave(n))


@module(lambda: (normal(2, 7),), lambda: (normal(3, 10),))
def pad_to_multiple(x):
    p = (4 - x.size(1) % 4) % 4
    y = F.pad(x, (0, p))
    return y.view(x.size(0), -1, 4)


@module(lambda: (normal(1, 2, 7, 9),), lambda: (normal(1, 2, 12, 5),), ways="s")
def pad_same_conv(x):
    h, w = x.shape[-2:]
    ph = max((math.ceil(h / 2) - 1) * 2 + 3 - h, 0)
    pw = max((math.ceil(w / 2) - 1) * 2 + 3 - w, 0)
    return F.pad(x, [pw // 2, pw - pw // 2, ph // 2, ph - ph // 2])


@module(lambda: (normal(1, 2, 7, 9),), lambda: (normal(1, 2, 12, 5),), ways="s")
def pad_square(x):
    h, w = (x.size(2), x.size(3))
    s = max(h, w)
    return F.pad(x, (0, s - w, 0, s - h), value=114.0)


@module(lambda: (normal(1, 2, 8, 8), normal(1, 2, 5, 6)), lambda: (normal(2, 2, 9, 12), normal(2, 2, 4, 6)))
def unet_pad_cat(skip, x):
    dy = skip.size(2) - x.size(2)
    dx = skip.size(3) - x.size(3)
    x = F.pad(x, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
    return torch.cat([skip, x], dim=1)


@module(lambda: (normal(1, 2, 8, 8), normal(1, 2, 5, 6)), lambda: (normal(2, 2, 9, 12), normal(2, 2, 4, 6)))
def center_crop(a, c):
    h, w = (c.shape[2], c.shape[3])
    y = (a.shape[2] - h) // 2
    x = (a.shape[3] - w) // 2
    return a[:, :, y : y + h, x : x + w] + c


@module(lambda: (normal(2, 5, 4),), lambda: (normal(2, 8, 4),))
def split_sizes(x):
    a, c = x.split([1, 3], dim=2)
    p, q = torch.split(x, 2, 2)
    return (a, c, p, q, x.tensor_split(2, dim=2)[1])


@module(lambda: (normal(6, 4),), lambda: (normal(9, 4),), ways="s")
def split_list_loop(x):
    s = x.new_zeros(1)
    for p in x.split(3, 0):
        s = s + p.sum()
    return s


@module(lambda: (normal(2, 12, 3),), lambda: (normal(4, 12, 5),))
def sh_unflatten(x):
    return (
        x.unflatten(1, (3, 4)),
        x.unflatten(1, (-1, 2)),
        nn.functional.pixel_shuffle(x.view(x.size(0), 12, 1, x.size(2)), 2),
    )


@module(lambda: (normal(2, 3, 8, 8),), lambda: (normal(1, 3, 12, 4),))
def patchify(x):
    B, C, H, W = x.shape
    p = 4
    y = x.reshape(B, C, H // p, p, W // p, p)
    return (
        torch.einsum("nchpwq->nhwpqc", y).reshape(B, H // p * (W // p), p * p * C),
        x.unfold(2, p, p).unfold(3, p, p).contiguous().view(B, C, -1, p, p),
    )


@module(lambda: (normal(2, 3), normal(2, 3)), lambda: (normal(4, 3), normal(4, 3)), ways="t")
class VarArgs(nn.Module):
    def forward(self, *xs):
        return (sum(xs), torch.stack(xs).mean(0))


@module(lambda: (normal(2, 3), None, normal(2, 3)), lambda: (normal(4, 3), None, normal(4, 3)), ways="t")
class NoneMiddle(nn.Module):
    def forward(self, x, m, y):
        if m is not None:
            x = x * m
        return (x + y, None)


@module(lambda: (normal(2, 3),), lambda: (normal(4, 3),))
class SameOutTwice(nn.Module):
    def forward(self, x):
        y = x + 1
        return (y, y, x)


@module(lambda: (normal(2, 3),), lambda: (normal(4, 3),))
class Identity(nn.Module):
    def forward(self, x):
        return x


@module(lambda: (normal(2, 3), normal(2, 3)), lambda: (normal(4, 3), normal(4, 3)))
class Unused(nn.Module):
    def forward(self, x, y):
        return x * 2


@module(lambda: (torch.tensor(2.5), normal(3)), lambda: (torch.tensor(-1.0), normal(3)))
def scalar_in(s, x):
    return (x * s, s + 1)


@module(lambda: (normal(0, 3),), lambda: (normal(4, 3),))
def empty_example(x):
    return (x * 2, x.sum(0), torch.cat([x, x]))


@module(lambda: (normal(4, 3),), lambda: (normal(0, 3),))
def empty_second(x):
    return (x.relu() @ torch.ones(3, 2), x.sum(0), x[:2], x.view(-1, 3), F.softmax(x, 1))


@module(lambda: (normal(1, 3, 4),), lambda: (normal(4, 3, 4),))
def batch_one_ops(x):
    B = x.size(0)
    return (
        torch.bmm(x, x.transpose(1, 2)),
        x.reshape(B * 3, 4).view(B, 3, 4),
        torch.zeros(B, 3) + x[..., 0],
        x + torch.ones(1, 3, 1),
        x.repeat(1, 2, 1),
        torch.cat([torch.zeros(B, 1, 4), x], 1),
    )


@module(lambda: (normal(1, 1, 4),), lambda: (normal(3, 5, 4),))
class ClsToken(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Parameter(torch.randn(1, 1, 4))
        self.p = nn.Parameter(torch.randn(1, 9, 4))

    def forward(self, x):
        x = torch.cat((self.c.expand(x.shape[0], -1, -1), x), 1)
        return x + self.p[:, : x.shape[1]]


@module(lambda: (normal(2, 3, 8, 8),), lambda: (normal(1, 3, 16, 12),))
class PosInterp(nn.Module):
    def __init__(self):
        super().__init__()
        self.p = nn.Parameter(torch.randn(1, 4, 4, 4))
        self.c = nn.Conv2d(3, 4, 2, 2)

    def forward(self, x):
        y = self.c(x)
        return y + F.interpolate(self.p, size=(y.shape[2], y.shape[3]), mode="bicubic", align_corners=False)


@module(lambda: (normal(2, 5, 3),), lambda: (normal(3, 9, 3),))
class Timestep(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(8, 3)

    def forward(self, x):
        t = torch.arange(x.size(0)).float()
        half = 4
        f = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32) / half)
        e = t[:, None] * f[None]
        return x + self.l(torch.cat([torch.sin(e), torch.cos(e)], -1))[:, None]


@module(lambda: (normal(2, 16),), lambda: (normal(3, 20),))
class Frame(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("w", torch.hann_window(8))

    def forward(self, x):
        f = x.unfold(-1, 8, 4) * self.w
        return (f.pow(2).mean(-1), torch.log(f.abs().sum(1) + 1e-06))


@module(lambda: (normal(2, 64),), lambda: (normal(3, 96),))
class Stft(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("w", torch.hann_window(16))

    def forward(self, x):
        s = torch.stft(x, 16, 4, 16, self.w, return_complex=True)
        return (s.abs(), torch.view_as_real(s), s.real**2 + s.imag**2)


@module(lambda: (normal(2, 3),), lambda: (normal(4, 3),), ways="t")
def python_math(x):
    s = x.shape[0]
    k = max(s, 1)
    return (x * math.sqrt(3) + k, x * (s if s > 0 else 1), x / s, x * 2**0.5)


@module(lambda: (normal(2, 3),), lambda: (normal(4, 3),), ways="t")
def item_const(x):
    return x * torch.tensor(2.0).item() + torch.ones(3).sum().item()


@module(lambda: (normal(2, 3),), lambda: (normal(4, 3),), ways="t")
def io_tolist(x):
    return x.sum(1) + torch.tensor(x.shape).tolist()[1]


@module(lambda: (normal(2, 3), torch.tensor([1, 2])), lambda: (normal(4, 3), torch.tensor([1, 2, 3, 0])), ways="t")
def iter_tensor(x, k):
    a, b_, c = x.unbind(1)
    return [a, b_ * c]


@module(lambda: (normal(2, 3),), lambda: (normal(4, 3),), ways="t")
def enumerate_channels(x):
    return torch.stack([c * k for k, c in enumerate(x.t())], 1)


@module(lambda: (normal(2, 3, 4),), lambda: (normal(4, 3, 4),), ways="t")
def functional_vmap(x):
    return torch.vmap(lambda t: t @ t.t())(x)
