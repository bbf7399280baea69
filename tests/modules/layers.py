"""Modules: positions, attention, caches, recurrent layers, convolutions, experts."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.modules.corpus import integers, module, normal, uniform


@module(lambda: (integers(20, 2, 6),), lambda: (integers(20, 3, 9),))
class PosBuffer(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(20, 8)
        pe = torch.zeros(16, 8)
        pos = torch.arange(16).float().unsqueeze(1)
        div = torch.exp(torch.arange(0, 8, 2).float() * (-math.log(10000.0) / 8))
        pe[:, 0::2] = torch.sin(pos * div)
        pe[:, 1::2] = torch.cos(pos * div)
        self.register_buffer("pe", pe.unsqueeze(0))

    def forward(self, x):
        return self.e(x) * math.sqrt(8) + self.pe[:, : x.size(1)]


@module(lambda: (integers(20, 2, 6),), lambda: (integers(20, 3, 9),))
class PosIds(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(20, 8, padding_idx=0)
        self.p = nn.Embedding(16, 8)
        self.register_buffer("ids", torch.arange(16).expand((1, -1)), persistent=False)
        self.ln = nn.LayerNorm(8)

    def forward(self, x):
        pos = self.ids[:, : x.size(1)]
        tt = torch.zeros(x.size(), dtype=torch.long)
        return self.ln(self.e(x) + self.p(pos) + self.p(tt))


@module(lambda: (normal(2, 5, 8),), lambda: (normal(3, 9, 8),))
class PosArange(nn.Module):
    def __init__(self):
        super().__init__()
        self.p = nn.Embedding(32, 8)

    def forward(self, x):
        b_, n, _ = x.shape
        return x + self.p(torch.arange(n).unsqueeze(0).repeat(b_, 1))


@module(lambda: (normal(2, 5, 8),), lambda: (normal(3, 9, 8),))
class Rope(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("inv", 1.0 / 10000 ** (torch.arange(0, 8, 2).float() / 8))

    def forward(self, x):
        f = torch.outer(torch.arange(x.size(1)).type_as(self.inv), self.inv)
        e = torch.cat((f, f), -1)
        a, c = x.chunk(2, -1)
        return x * e.cos() + torch.cat((-c, a), -1) * e.sin()


@module(lambda: (normal(2, 5, 8),), lambda: (normal(3, 9, 8),), ways="t")
class RopeComplex(nn.Module):
    def forward(self, x):
        th = 1.0 / 10000 ** (torch.arange(0, 8, 2).float() / 8)
        f = torch.outer(torch.arange(x.size(1)).float(), th)
        fc = torch.polar(torch.ones_like(f), f)
        xc = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
        return torch.view_as_real(xc * fc.unsqueeze(0)).flatten(2).type_as(x)


@module(lambda: (normal(2, 5, 8),), lambda: (normal(3, 9, 8),), ways="t")
class RopeCached(nn.Module):
    def __init__(self):
        super().__init__()
        self.cache = None
        self.n = 0

    def forward(self, x):
        n = x.shape[1]
        if n > self.n:
            self.n = n
            self.cache = torch.arange(n).float()[:, None] * torch.ones(8)
        return x * self.cache[:n].cos()


@module(lambda: (normal(2, 3, 8),), lambda: (normal(4, 3, 8),))
class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(8, 24)
        self.o = nn.Linear(8, 8)

    def forward(self, x):
        B, N, C = x.shape
        q, k, v = self.qkv(x).reshape(B, N, 3, 2, C // 2).permute(2, 0, 3, 1, 4).unbind(0)
        a = q @ k.transpose(-2, -1) * (C // 2) ** (-0.5)
        return self.o((a.softmax(-1) @ v).transpose(1, 2).reshape(B, N, C))


@module(lambda: (normal(2, 3, 8),), lambda: (normal(4, 6, 8),))
class SdpaCausal(nn.Module):
    def __init__(self):
        super().__init__()
        self.q = nn.Linear(8, 8)
        self.kv = nn.Linear(8, 8)

    def forward(self, x):
        B, N, _ = x.shape
        q = self.q(x).view(B, N, 4, 2).transpose(1, 2)
        k, v = self.kv(x).chunk(2, -1)
        k = k.view(B, N, 2, 2).transpose(1, 2).repeat_interleave(2, 1)
        v = v.view(B, N, 2, 2).transpose(1, 2).repeat_interleave(2, 1)
        return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)


@module(
    lambda: (normal(2, 3, 8), normal(2, 5, 8), torch.tensor([[False] * 5, [False, False, False, True, True]])),
    lambda: (
        normal(3, 4, 8),
        normal(3, 6, 8),
        torch.tensor([[False] * 6, [False] * 4 + [True] * 2, [False] * 5 + [True]]),
    ),
)
class MhaCross(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, q, kv, pad):
        return self.a(q, kv, kv, key_padding_mask=pad)


@module(lambda: (normal(5, 2, 8),), lambda: (normal(7, 3, 8),), ways="t")
class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2, enable_nested_tensor=False)

    def forward(self, x):
        m = nn.Transformer.generate_square_subsequent_mask(x.size(0))
        return self.e(x, mask=m)


@module(
    lambda: (normal(2, 1, 8), normal(2, 2, 4, 4), normal(2, 2, 4, 4)),
    lambda: (normal(3, 1, 8), normal(3, 2, 6, 4), normal(3, 2, 6, 4)),
)
class KvCache(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(8, 24)

    def forward(self, x, pk, pv):
        B, N, _ = x.shape
        q, k, v = [t.view(B, N, 2, 4).transpose(1, 2) for t in self.l(x).split(8, dim=-1)]
        k = torch.cat([pk, k], 2)
        v = torch.cat([pv, v], dim=2)
        return (F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, N, -1), k, v)


@module(lambda: (normal(2, 1, 4), torch.tensor([3])), lambda: (normal(2, 1, 4), torch.tensor([5])), ways="t")
class StaticCache(nn.Module):
    def forward(self, x, pos):
        cache = torch.zeros(2, 8, 4)
        cache = cache.index_copy(1, pos, x)
        m = torch.arange(8)[None] <= pos[:, None]
        return (cache * m.unsqueeze(-1)).sum(1)


@module(lambda: (normal(2, 5, 4),), lambda: (normal(3, 7, 4),))
class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.LSTM(4, 3, 2, batch_first=True, bidirectional=True)
        self.f = nn.Linear(6, 2)

    def forward(self, x):
        o, (h, c) = self.l(x)
        return (self.f(o[:, -1, :]), torch.cat([h[-2], h[-1]], 1), c)


@module(
    lambda: (normal(5, 2, 4), (normal(1, 2, 3), normal(1, 2, 3))),
    lambda: (normal(7, 3, 4), (normal(1, 3, 3), normal(1, 3, 3))),
)
class LstmStateIO(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.LSTM(4, 3)

    def forward(self, x, s: tuple[Tensor, Tensor]):
        o, s2 = self.l(x, s)
        return (o, s2)


@module(lambda: (normal(2, 5, 4),), lambda: (normal(3, 7, 4),))
class GruRnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.g = nn.GRU(4, 3, batch_first=True, num_layers=2, dropout=0.1)
        self.r = nn.RNN(3, 3, nonlinearity="relu", batch_first=True, bias=False)

    def forward(self, x):
        o, h = self.g(x)
        o2, h2 = self.r(o)
        return (o2, h.permute(1, 0, 2).flatten(1), h2[0])


@module(lambda: (normal(2, 5, 4), torch.tensor([3, 5])), lambda: (normal(3, 7, 4), torch.tensor([1, 7, 4])), ways="t")
class PackedUnsorted(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.GRU(4, 3, batch_first=True)

    def forward(self, x, lens):
        p = nn.utils.rnn.pack_padded_sequence(x, lens.cpu(), batch_first=True, enforce_sorted=False)
        o, h = self.l(p)
        return (nn.utils.rnn.pad_packed_sequence(o, batch_first=True, total_length=x.size(1))[0], h)


@module(lambda: (normal(2, 5, 4), torch.tensor([3, 5])), lambda: (normal(3, 7, 4), torch.tensor([1, 7, 4])), ways="t")
class PackedManualSort(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.LSTM(4, 3, batch_first=True)

    def forward(self, x, lens):
        s, k = torch.sort(lens, descending=True)
        _, u_ = torch.sort(k)
        o, (h, _) = self.l(nn.utils.rnn.pack_padded_sequence(x[k], s.cpu(), batch_first=True))
        o, _ = nn.utils.rnn.pad_packed_sequence(o, batch_first=True)
        return (o.index_select(0, u_), h[-1].index_select(0, u_))


@module(lambda: (normal(2, 3, 8, 8),), lambda: (normal(4, 3, 12, 10),))
class ConvBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.b = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding="same", bias=False),
            nn.BatchNorm2d(8),
            nn.Hardswish(),
            nn.Conv2d(8, 8, 3, 2, 1, groups=8),
            nn.GroupNorm(2, 8),
            nn.PReLU(8),
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
            nn.ConvTranspose2d(8, 4, 2, 2),
            nn.LeakyReLU(0.1),
            nn.AvgPool2d(3, 2, 1, count_include_pad=False),
            nn.MaxPool2d(2, ceil_mode=True),
        )

    def forward(self, x):
        return self.b(x)


@module(lambda: (normal(2, 8, 6, 6),), lambda: (normal(3, 8, 4, 9),))
class SE(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(8, 2), nn.ReLU(inplace=True), nn.Linear(2, 8), nn.Hardsigmoid())

    def forward(self, x):
        b_, c, _, _ = x.size()
        y = F.adaptive_avg_pool2d(x, 1).view(b_, c)
        return x * self.f(y).view(b_, c, 1, 1).expand_as(x)


@module(lambda: (normal(2, 8, 6, 6),), lambda: (normal(3, 8, 4, 9),))
class Cbam(nn.Module):
    def __init__(self):
        super().__init__()
        self.m = nn.Conv2d(8, 4, 1)
        self.s = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x):
        a = torch.mean(x, dim=1, keepdim=True)
        m, _ = torch.max(x, dim=1, keepdim=True)
        ch = self.m(F.max_pool2d(x, (x.size(2), x.size(3)), stride=(x.size(2), x.size(3)))) + self.m(
            F.avg_pool2d(x, x.shape[2:])
        )
        return (x * torch.sigmoid(self.s(torch.cat([a, m], 1))), ch)


@module(lambda: (normal(2, 5, 8),), lambda: (normal(3, 9, 8),))
class Alibi(nn.Module):
    def forward(self, x):
        n = x.size(1)
        d = torch.arange(n)[None, :] - torch.arange(n)[:, None]
        s = torch.tensor([2 ** (-8 * (k + 1) / 4) for k in range(4)])
        return d.abs().neg() * s[:, None, None] + x.mean()


@module(lambda: (normal(2, 5, 8),), lambda: (normal(3, 9, 8),))
class RelPosBucket(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(16, 2)

    def forward(self, x):
        n = x.size(1)
        rel = torch.arange(n)[None] - torch.arange(n)[:, None]
        rb = (rel > 0).to(torch.long) * 8
        a = rel.abs()
        small = a < 4
        big = 4 + (torch.log(a.float() / 4) / math.log(32 / 4) * 4).to(torch.long)
        big = torch.min(big, torch.full_like(big, 7))
        return self.e(rb + torch.where(small, a, big)).permute(2, 0, 1).unsqueeze(0)


@module(lambda: (normal(2, 16, 8),), lambda: (normal(3, 16, 8),))
class SwinBias(nn.Module):
    def __init__(self):
        super().__init__()
        self.t = nn.Parameter(torch.randn(49, 2))
        c = torch.stack(torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij")).flatten(1)
        rel = (c[:, :, None] - c[:, None]).permute(1, 2, 0).contiguous()
        rel[..., 0] += 3
        rel[..., 1] += 3
        rel[..., 0] *= 7
        self.register_buffer("idx", rel.sum(-1))

    def forward(self, x):
        b = self.t[self.idx.view(-1)].view(16, 16, -1).permute(2, 0, 1).contiguous()
        return (x @ x.transpose(-2, -1)).unsqueeze(1) + b.unsqueeze(0)


@module(lambda: (normal(2, 3, 8, 8),), lambda: (normal(1, 3, 16, 8),))
def window_roll(x):
    x = x.permute(0, 2, 3, 1)
    B, H, W, C = x.shape
    x = torch.roll(x, shifts=(-2, -2), dims=(1, 2))
    w = x.view(B, H // 4, 4, W // 4, 4, C).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, C)
    y = w.view(B, H // 4, W // 4, 4, 4, -1).permute(0, 1, 3, 2, 4, 5).reshape(B, H, W, -1)
    return torch.roll(y, shifts=(2, 2), dims=(1, 2)).permute(0, 3, 1, 2)


@module(lambda: (normal(1, 2, 8, 8),), lambda: (normal(1, 2, 12, 8),), ways="t")
def attn_mask_slices(x):
    H, W = x.shape[-2:]
    m = torch.zeros(1, H, W, 1)
    cnt = 0
    for h in (slice(0, -4), slice(-4, -2), slice(-2, None)):
        for w in (slice(0, -4), slice(-4, -2), slice(-2, None)):
            m[:, h, w, :] = cnt
            cnt += 1
    mw = m.view(1, H // 4, 4, W // 4, 4, 1).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16)
    a = mw.unsqueeze(1) - mw.unsqueeze(2)
    return a.masked_fill(a != 0, -100.0).masked_fill(a == 0, 0.0)


@module(lambda: (normal(2, 4, 6),), lambda: (normal(5, 4, 6),), ways="t")
def stack_list_mean(x):
    fs = []
    for k in range(4):
        fs.append(x[:, k].relu())
    return (torch.stack(fs, dim=1).mean(dim=1), sum(fs), torch.cat(fs, dim=-1))


@module(lambda: (normal(2, 3, 4, 5),), lambda: (normal(3, 3, 6, 7),))
def spatial_flatten_attn(x):
    B, C, H, W = x.size()
    q = x.view(B, -1, W * H).permute(0, 2, 1)
    k = x.view(B, -1, W * H)
    return torch.bmm(x.view(B, -1, W * H), torch.bmm(q, k).softmax(-1).permute(0, 2, 1)).view(B, C, H, W) + x


@module(lambda: (normal(2, 7, 4), torch.tensor([7, 5])), lambda: (normal(3, 10, 4), torch.tensor([3, 10, 6])))
def reverse_padded(x, n):
    idx = torch.arange(x.size(1))[None].expand(x.size(0), -1)
    rev = (n[:, None] - 1 - idx).clamp(min=0)
    rev = torch.where(idx < n[:, None], rev, idx)
    return x.gather(1, rev[..., None].expand_as(x))


@module(
    lambda: (torch.tensor([[2, 0, 1], [1, 2, 1]]), normal(2, 3, 4)),
    lambda: (torch.tensor([[1, 3, 1], [2, 2, 3]]), normal(2, 3, 4)),
)
def length_regulator_matrix(d, x):
    c = d.cumsum(1)
    n = c[:, -1].max()
    p = torch.arange(n)[None, :, None]
    a = (p >= F.pad(c, (1, 0))[:, None, :-1]) & (p < c[:, None])
    return a.float() @ x


@module(lambda: (normal(2, 5),), lambda: (normal(4, 5),))
def straight_through_gumbel(x):
    y = x.softmax(-1)
    k = y.max(-1, keepdim=True)[1]
    h = torch.zeros_like(x).scatter_(-1, k, 1.0)
    return h - y.detach() + y


@module(lambda: (normal(2, 3, 8, 8), uniform(4, 4) * 7), lambda: (normal(1, 3, 8, 8), uniform(6, 4) * 7))
def manual_roi_mean(f, b_):
    xs = torch.linspace(0, 1, 3)
    g = b_[:, None, :2] + (b_[:, None, 2:] - b_[:, None, :2]) * xs[None, :, None]
    k = g.round().long().clamp(0, 7)
    return f[0][:, k[..., 1], k[..., 0]].mean(-1).t()


@module(lambda: (normal(6, 4), torch.tensor([2, 4])), lambda: (normal(8, 4), torch.tensor([3, 5])), ways="s")
def split_by_sizes_script(x, n):
    out: list[Tensor] = []
    s = 0
    for k in range(n.size(0)):
        e = s + int(n[k])
        out.append(x[s:e].sum(0))
        s = e
    return torch.stack(out)


@module(lambda: (normal(6, 4),), lambda: (normal(8, 4),), ways="s")
class RunningState(nn.Module):
    def __init__(self):
        super().__init__()
        self.ws = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])

    def forward(self, x):
        hs: list[Tensor] = []
        for k, w in enumerate(self.ws):
            x = w(x) if k % 2 == 0 else torch.relu(w(x))
            hs.append(x)
        out = hs[0]
        for h in hs[1:]:
            out = out + h
        return (out, hs[-1])


@module(lambda: (normal(2, 4),), lambda: (normal(3, 4),), ways="s")
def bool_ops(x):
    a = bool((x > 0).any())
    c = bool((x > 10).all())
    if a and (not c):
        y = x + 1
    elif a or c:
        y = x + 2
    else:
        y = x
    return (y, a, c)


@module(lambda: (normal(5, 3),), lambda: (normal(7, 3),), ways="s")
def while_two_pointers(x):
    s, _ = x.sum(1).sort()
    lo = 0
    hi = s.size(0) - 1
    n = 0
    while lo < hi:
        if bool(s[lo] + s[hi] > 0):
            hi -= 1
            n += 1
        else:
            lo += 1
    return (n, lo, hi)


@module(lambda: (normal(4, 3),), lambda: (normal(6, 3),), ways="s")
def dp_table(x):
    n = x.size(0)
    d = torch.zeros(n + 1, 4)
    for a in range(1, n + 1):
        for c in range(1, 4):
            d[a, c] = torch.max(d[a - 1, c], d[a, c - 1]) + x[a - 1, c - 1]
    return d


@module(lambda: (normal(4, 3), torch.tensor(2)), lambda: (normal(6, 3), torch.tensor(4)), ways="s")
def dyn_index_script(x, k):
    i_ = int(k)
    return (x[i_], x[: i_ + 1].sum(), x[i_ - 1 :, 0])


@module(lambda: (normal(2, 3, 6, 6),), lambda: (normal(1, 3, 9, 9),), ways="s")
def multi_scale_script(x):
    outs: list[Tensor] = []
    for s in [1, 2, 3]:
        outs.append(
            F.interpolate(F.avg_pool2d(x, s), size=[x.size(2), x.size(3)], mode="bilinear", align_corners=False)
        )
    return torch.cat(outs, 1)
