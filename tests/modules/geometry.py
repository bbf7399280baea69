"""Sorting, boxes, graphs, point clouds, decoding, and element types that are mixed."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.modules.corpus import flags, integers, module, normal, uniform


@module(lambda: (normal(3, 7),), lambda: (normal(5, 9),))
def de_topk(x):
    v, k = x.topk(3, dim=1)
    v2, k2 = torch.topk(x, 2, largest=False, sorted=True)
    return (v, k, v2, k2, x.sort(descending=True)[0], x.argsort(-1), torch.sort(x, 0).indices)


@module(lambda: (normal(3, 7),), lambda: (normal(5, 9),), ways="s")
def topk_dyn(x):
    k = min(x.size(1), 8)
    return x.topk(k, 1)[0]


@module(lambda: (normal(3, 7),), lambda: (normal(5, 11),))
def topk_dyn_half(x):
    return (x.topk(x.shape[1] // 2, 1)[0], x.topk(x.shape[1], dim=-1)[1])


@module(lambda: (normal(3, 7),), lambda: (normal(5, 9),))
def argmax_gather(x):
    k = x.argmax(1)
    m, j = x.max(dim=1)
    return (
        k,
        m,
        j,
        x.gather(1, k[:, None]).squeeze(1),
        x.amax(1),
        x.max(),
        x.argmax(),
        x.argmin(1, keepdim=True),
        x.min(0).values,
        x.aminmax(dim=1)[0],
    )


@module(lambda: (uniform(10, 4) * 50,), lambda: (uniform(6, 4) * 50,))
def xywh2xyxy(b_):
    y = b_.clone()
    y[..., 0] = b_[..., 0] - b_[..., 2] / 2
    y[..., 1] = b_[..., 1] - b_[..., 3] / 2
    y[..., 2] = b_[..., 0] + b_[..., 2] / 2
    y[..., 3] = b_[..., 1] + b_[..., 3] / 2
    cx, cy, w, h = b_.unbind(-1)
    return (y, torch.stack([cx - 0.5 * w, cy - 0.5 * h, cx + 0.5 * w, cy + 0.5 * h], -1))


@module(lambda: (normal(1, 18, 4, 4),), lambda: (normal(2, 18, 6, 5),))
class YoloHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("anchors", torch.tensor([[10.0, 13], [16, 30], [33, 23]]))
        self.stride = 8
        self.na = 3
        self.no = 6

    def forward(self, x):
        bs, _, ny, nx = x.shape
        x = x.view(bs, self.na, self.no, ny, nx).permute(0, 1, 3, 4, 2).contiguous()
        yv, xv = torch.meshgrid(torch.arange(ny), torch.arange(nx), indexing="ij")
        grid = torch.stack((xv, yv), 2).view(1, 1, ny, nx, 2).float()
        y = x.sigmoid()
        y[..., 0:2] = (y[..., 0:2] * 2.0 - 0.5 + grid) * self.stride
        y[..., 2:4] = (y[..., 2:4] * 2) ** 2 * self.anchors.view(1, self.na, 1, 1, 2)
        return y.view(bs, -1, self.no)


@module(lambda: (normal(1, 18, 4, 4),), lambda: (normal(2, 18, 6, 5),), ways="t")
class YoloGridCache(nn.Module):
    def __init__(self):
        super().__init__()
        self.grid = torch.zeros(1)

    def forward(self, x):
        bs, _, ny, nx = x.shape
        x = x.view(bs, 3, 6, ny, nx).permute(0, 1, 3, 4, 2).contiguous()
        if self.grid.shape[2:4] != x.shape[2:4]:
            yv, xv = torch.meshgrid([torch.arange(ny), torch.arange(nx)], indexing="ij")
            self.grid = torch.stack((xv, yv), 2).view((1, 1, ny, nx, 2)).float()
        xy = x[..., :2].sigmoid() + self.grid
        return torch.cat((xy, x[..., 2:]), -1).view(bs, -1, 6)


@module(lambda: (uniform(2, 20, 6),), lambda: (uniform(1, 30, 6),))
def postprocess_topk(p):
    boxes, scores = (p[..., :4], p[..., 4:])
    conf, lab = scores.max(-1)
    v, k = conf.topk(5, dim=1)
    return (torch.gather(boxes, 1, k.unsqueeze(-1).expand(-1, -1, 4)), v, lab.gather(1, k))


@module(lambda: (uniform(20, 6),), lambda: (uniform(33, 6),))
def filter_conf(p):
    conf, lab = p[:, 4:].max(1, keepdim=True)
    x = torch.cat((p[:, :4], conf, lab.float()), 1)[conf.view(-1) > 0.6]
    return (x, x[x[:, 4].argsort(descending=True)][:3], x[:, 5].long())


@module(lambda: (uniform(20, 6),), lambda: (uniform(33, 6),), ways="t")
def de_nonzero(p):
    k, j = (p[:, 4:] > 0.5).nonzero(as_tuple=True)
    return (
        torch.cat((p[k, :4], p[k, j + 4, None], j[:, None].float()), 1),
        (p > 0.9).nonzero(),
        torch.nonzero(p[:, 0] > 0.5).squeeze(1),
    )


@module(lambda: (uniform(2, 3, 8, 8),), lambda: (uniform(1, 3, 6, 10),))
def heatmap_peaks(h):
    m = F.max_pool2d(h, 3, stride=1, padding=1)
    h = h * (m == h).float()
    B, C, H, W = h.size()
    s, k = torch.topk(h.view(B, C, -1), 4)
    k = k % (H * W)
    return (
        s,
        (k // W).float(),
        (k % W).int().float(),
        torch.div(k, W, rounding_mode="floor"),
        torch.div(k, W, rounding_mode="trunc"),
    )


@module(lambda: (uniform(2, 5, 6, 6),), lambda: (uniform(1, 5, 4, 8),))
def soft_argmax(h):
    B, C, H, W = h.shape
    p = h.view(B, C, -1).softmax(-1).view(B, C, H, W)
    x = (p.sum(2) * torch.arange(W, dtype=h.dtype)).sum(-1)
    y = (p.sum(3) * torch.arange(H).to(h)).sum(-1)
    return torch.stack([x / (W - 1) * 2 - 1, y], -1)


@module(lambda: (normal(2, 4, 6, 8), normal(2, 3, 5, 2)), lambda: (normal(1, 4, 5, 4), normal(1, 2, 6, 2)))
def point_sample(f, p):
    return F.grid_sample(f, 2 * p - 1, align_corners=False).permute(0, 2, 3, 1)


@module(lambda: (normal(5, 3), normal(7, 3)), lambda: (normal(4, 3), normal(9, 3)))
def knn(q, s):
    d = ((q[:, None] - s[None]) ** 2).sum(-1)
    k = d.topk(3, largest=False)[1]
    return (s[k], k, s[k].mean(1) - q)


@module(lambda: (normal(2, 3, 8),), lambda: (normal(3, 3, 12),))
def edgeconv(x):
    inner = -2 * torch.matmul(x.transpose(2, 1), x)
    xx = torch.sum(x**2, dim=1, keepdim=True)
    d = -xx - inner - xx.transpose(2, 1)
    idx = d.topk(k=4, dim=-1)[1]
    B, n = (x.size(0), x.size(2))
    idx = (idx + torch.arange(0, B).view(-1, 1, 1) * n).view(-1)
    xt = x.transpose(2, 1).contiguous()
    f = xt.view(B * n, -1)[idx, :].view(B, n, 4, 3)
    return torch.cat((f - xt.view(B, n, 1, 3).repeat(1, 1, 4, 1), f), dim=3).permute(0, 3, 1, 2)


@module(lambda: (normal(2, 10, 3),), lambda: (normal(1, 14, 3),))
def fps(x):
    B, N, _ = x.shape
    cent = torch.zeros(B, 4, dtype=torch.long)
    dist = torch.ones(B, N) * 10000000000.0
    far = torch.zeros(B, dtype=torch.long)
    bi = torch.arange(B)
    for k in range(4):
        cent[:, k] = far
        c = x[bi, far, :].view(B, 1, 3)
        d = torch.sum((x - c) ** 2, -1)
        m = d < dist
        dist[m] = d[m]
        far = torch.max(dist, -1)[1]
    return cent


@module(lambda: (normal(2, 10, 3), normal(2, 4, 3)), lambda: (normal(1, 14, 3), normal(1, 4, 3)))
def ball_query(x, nx):
    B, N, _ = x.shape
    S = nx.shape[1]
    g = torch.arange(N).view(1, 1, N).repeat([B, S, 1])
    d = torch.cdist(nx, x) ** 2
    g[d > 1.5] = N
    g = g.sort(dim=-1)[0][:, :, :3]
    first = g[:, :, 0].view(B, S, 1).repeat([1, 1, 3])
    m = g == N
    g[m] = first[m]
    return g


@module(
    lambda: (normal(6, 4), torch.tensor([[0, 1, 2, 3], [1, 2, 0, 5]])),
    lambda: (normal(4, 4), torch.tensor([[0, 1, 2], [1, 3, 0]])),
    ways="t",
)
def gcn(x, ei):
    n = x.size(0)
    row, col = ei
    deg = torch.zeros(n).scatter_add_(0, row, torch.ones(row.size(0)))
    dis = deg.pow(-0.5)
    dis[dis == float("inf")] = 0
    out = torch.zeros_like(x)
    out.index_add_(0, col, x[row] * (dis[row] * dis[col]).unsqueeze(-1))
    return out


@module(
    lambda: (normal(6, 4), torch.tensor([[0, 1, 2, 3], [1, 2, 0, 5]])),
    lambda: (normal(4, 4), torch.tensor([[0, 1, 2], [1, 3, 0]])),
    ways="t",
)
class Gat(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 1)

    def forward(self, x, ei):
        s, d = (ei[0], ei[1])
        e = F.leaky_relu(self.a(torch.cat([x[s], x[d]], -1)), 0.2)
        mx = torch.full((x.size(0), 1), -1000000000.0).scatter_reduce(0, d[:, None], e, reduce="amax")
        ex = (e - mx[d]).exp()
        den = torch.zeros(x.size(0), 1).index_add(0, d, ex)
        return torch.zeros_like(x).index_add(0, d, ex / den[d] * x[s])


@module(lambda: (normal(6, 4), (normal(6, 6) > 0).float()), lambda: (normal(4, 4), (normal(4, 4) > 0).float()))
def adj_dense(x, a):
    a = a + torch.eye(a.size(0))
    d = torch.diag(a.sum(1).pow(-0.5))
    return torch.mm(d @ a @ d, x)


@module(lambda: (integers(5, 2, 8),), lambda: (integers(5, 3, 6),), ways="t")
def ctc_collapse(ids):
    prev = F.pad(ids, (1, 0), value=-1)[:, :-1]
    keep = (ids != prev) & (ids != 0)
    return (keep.sum(1), torch.where(keep, ids, torch.full_like(ids, -1)), torch.unique_consecutive(ids[0]))


@module(lambda: (integers(5, 9),), lambda: (integers(7, 12),))
def de_unique(x):
    return (torch.unique(x), *torch.unique(x, return_inverse=True, return_counts=True)[1:])


@module(lambda: (integers(5, 9),), lambda: (integers(5, 12),))
def de_bincount(x):
    return (torch.bincount(x, minlength=6), torch.histc(x.float(), 5, 0, 4), (x[:, None] == torch.arange(5)).sum(0))


@module(lambda: (normal(3, 5),), lambda: (normal(4, 8),))
def cumsum_rank(x):
    m = x > 0
    return (
        m.cumsum(1),
        x.cumsum(0),
        x.argsort(1).argsort(1),
        torch.cumprod(x, 1),
        x.logcumsumexp(1),
        torch.cummax(x, 1)[0],
        m.long().cumsum(-1) - 1,
    )


@module(lambda: (normal(3, 5),), lambda: (normal(4, 8),))
def de_searchsorted(x):
    e = torch.tensor([-1.0, 0.0, 1.0])
    return (torch.bucketize(x, e), torch.searchsorted(e, x.contiguous(), right=True))


@module(lambda: (normal(2, 3), integers(5, 2, 3), flags(2, 3)), lambda: (normal(4, 3), integers(5, 4, 3), flags(4, 3)))
def mix(x, k, m):
    return (
        x + k,
        k * 2.5,
        k / 2,
        k // 2,
        m + 1,
        m * x,
        m.sum(),
        k**2,
        2**k,
        x + m,
        k - 1.0,
        1 - m.int(),
        k.float().mean(),
        -k,
        k % 3,
        x // 0.5,
    )


@module(lambda: (normal(2, 3).double(), normal(2, 3)), lambda: (normal(4, 3).double(), normal(4, 3)))
def dt_double(x, y):
    return (
        x + y,
        x * 2,
        y.double().sqrt().abs(),
        x.float() @ y.t(),
        x.to(y.dtype),
        torch.zeros(2, dtype=torch.float64) + y[:, :2],
    )


@module(
    lambda: (
        integers(100, 2, 3).int(),
        integers(100, 2, 3).to(torch.uint8),
        integers(100, 2, 3).to(torch.int8),
        integers(100, 2, 3).to(torch.int16),
    ),
    lambda: (
        integers(100, 4, 3).int(),
        integers(100, 4, 3).to(torch.uint8),
        integers(100, 4, 3).to(torch.int8),
        integers(100, 4, 3).to(torch.int16),
    ),
    ways="t",
)
def ints(a, u8, i8, i16):
    return (
        a + 1,
        u8 + i8,
        i16 * 2,
        a // 3,
        u8 // 2,
        i8 - 5,
        a.sum(),
        u8.max(),
        u8.float() / 255,
        a & 3,
        u8 >> 1,
        i16 << 1,
        ~a,
        a.bitwise_xor(1),
        a.clamp(1, 50),
        u8.clamp(max=30),
        i8.abs(),
        a.bool(),
    )


@module(lambda: (normal(2, 3),), lambda: (normal(4, 3),))
def dt_round(x):
    return (
        x.round(),
        x.floor().long(),
        x.ceil().int(),
        x.trunc(),
        x.frac(),
        torch.round(x, decimals=2),
        x.sign(),
        x.to(torch.int64),
        x.long().float(),
        torch.fmod(x, 0.3),
        torch.remainder(x, -0.3),
        x.int() // 2,
    )


@module(lambda: (normal(2, 6),), lambda: (normal(4, 6),), ways="t")
def acts(x):
    return (
        F.elu(x),
        F.celu(x),
        F.selu(x),
        F.softplus(x, 2, 5),
        F.mish(x),
        F.glu(x),
        F.hardtanh(x, -2, 0.5),
        F.logsigmoid(x),
        F.softsign(x),
        F.tanhshrink(x),
        F.hardshrink(x, 0.3),
        F.softshrink(x, 0.3),
        F.threshold(x, 0.1, 20.0),
        F.rrelu(x),
        F.gelu(x),
        F.relu6(x),
        F.softmin(x, 1),
        x.sigmoid().logit(),
        x.erf(),
        x.expm1(),
        x.abs().log1p(),
        x.rsqrt().nan_to_num(),
        torch.special.expit(x),
        x.square(),
        x.reciprocal(),
        torch.atan2(x, x + 1),
        x.sinc(),
        x.lerp(x * 2, 0.3),
        torch.addcmul(x, x, x, value=0.5),
        torch.hypot(x, x),
        x.clip(-1, 1),
        x.clamp_min(0.1),
        x.softmax(1).log(),
        x.heaviside(torch.tensor(0.5)),
        torch.logaddexp(x, x),
        x.copysign(-x),
        x.maximum(torch.tensor(0.0)),
        x.fmin(-x),
    )


@module(lambda: (normal(2, 3, 4), normal(2, 4, 3)), lambda: (normal(4, 3, 4), normal(4, 4, 3)))
def dt_linalg(a, c):
    return (
        a @ c,
        torch.bmm(a, c),
        torch.matmul(a, c[0]),
        torch.baddbmm(torch.zeros(1), a, c),
        torch.addmm(torch.zeros(3), a[0], c[0], alpha=0.5),
        a[0].mm(c[0]),
        torch.mv(a[0], a[0, 0]),
        torch.dot(a[0, 0], a[1, 1]),
        torch.outer(a[0, 0], c[0, 0]),
        torch.kron(a[0], c[0]),
        torch.tensordot(a, c[0], dims=1),
        torch.cross(c, c + 1, dim=-1),
        F.cosine_similarity(a, a + 1, dim=-1),
        F.pairwise_distance(a[0], a[1]),
        F.bilinear(a[:, 0], c[:, :, 0], torch.ones(2, 4, 4)),
        torch.linalg.det(a @ c),
        torch.inverse(torch.eye(3) * 2 + 0 * a[0] @ c[0]),
        torch.trace(a[0] @ c[0]),
        torch.linalg.inv(a @ c + 9 * torch.eye(3)),
    )


@module(lambda: (normal(4, 3), integers(3, 4)), lambda: (normal(6, 3), integers(3, 6)))
def losses(x, t):
    return (
        F.cross_entropy(x, t),
        F.cross_entropy(x, t, reduction="none", label_smoothing=0.1),
        F.nll_loss(x.log_softmax(1), t),
        F.mse_loss(x, x + 1),
        F.l1_loss(x, x * 2, reduction="sum"),
        F.smooth_l1_loss(x, x + 0.3),
        F.binary_cross_entropy_with_logits(x, x.sigmoid()),
        F.kl_div(x.log_softmax(1), x.softmax(1), reduction="batchmean"),
        F.huber_loss(x, x + 2),
        F.cosine_embedding_loss(x, x + 1, torch.ones(1)),
        F.triplet_margin_loss(x, x + 1, x - 1),
        F.cross_entropy(x, t, weight=torch.tensor([1.0, 2.0, 3.0]), ignore_index=2),
    )
