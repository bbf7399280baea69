"""Layers: convolutions, pools, norms, attention, recurrent layers and images, with every axis dynamic that can be."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from tests.dynamic_sizes.cases import case
from tests.dynamic_sizes.shapes import REST

IMAGE = "b 4 h w"

POOL = "ONNX Runtime does not pool what is empty"
SEQUENCE = "ONNX Runtime's Attention takes no empty sequence"
RECURRENT = "ONNX Runtime's recurrent layers end the process on an empty batch"


def windows(x: torch.Tensor) -> torch.Tensor:
    """An image (batch, height, width, channels) cut into windows of 2 by 2."""
    batch, height, width, channels = x.shape
    parts = x.view(batch, height // 2, 2, width // 2, 2, channels)
    return parts.permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, channels)


def unpooled(x: torch.Tensor, size: torch.Size | None = None) -> torch.Tensor:
    """What a pooling leaves, where it was."""
    found, places = F.max_pool2d(x, 2, return_indices=True)
    return F.max_unpool2d(found, places, 2, output_size=size)


def resized_by_a_factor(x: torch.Tensor) -> torch.Tensor:
    """To a shorter side of 6, as detectors do: a factor that is a tensor in a trace, of which sizes are made again."""
    factor = 6.0 / torch.tensor(x.shape[2:]).min().clamp(min=1).float()
    given = factor if torch.jit.is_tracing() else float(factor)
    return F.interpolate(x, scale_factor=given, mode="bilinear", recompute_scale_factor=True)


CASES = [
    case("conv1d", nn.Conv1d(4, 3, 3, padding=1), "b 4 s"),
    case("conv2d", nn.Conv2d(4, 3, 3, stride=2), IMAGE),
    case("conv2d, same", nn.Conv2d(4, 3, 3, padding="same"), IMAGE),
    case("conv2d, groups", nn.Conv2d(4, 4, 3, groups=4, dilation=2, padding=2), IMAGE),
    case("conv2d, reflect", nn.Conv2d(4, 3, 3, padding=1, padding_mode="reflect"), IMAGE),
    case("conv3d", nn.Conv3d(2, 3, 2), "b 2 s h w"),
    case("transposed convolution", nn.ConvTranspose2d(4, 3, 3, stride=2, output_padding=1), IMAGE),
    case("convolution by an input", F.conv2d, IMAGE, "3 4 2 2"),
    case("max pool", nn.MaxPool2d(3, 2, 1), IMAGE),
    case("max pool, ceil", nn.MaxPool2d(2, 2, ceil_mode=True), IMAGE, since=10),
    case("max pool with indices", nn.MaxPool2d(2, return_indices=True), IMAGE),
    case("average pool", nn.AvgPool2d(3, 2, 1), IMAGE),
    case("average pool, ceil", nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False), IMAGE, since=10),
    case("average pool 1d", nn.AvgPool1d(2), "b 4 s"),
    case("lp pool", nn.LPPool2d(2, 2), IMAGE),
    case("adaptive average pool of one", nn.AdaptiveAvgPool2d(1), IMAGE, loud=POOL),
    case("adaptive average pool", nn.AdaptiveAvgPool2d((2, 3)), IMAGE),
    case("adaptive average pool, kept", nn.AdaptiveAvgPool2d((None, 2)), IMAGE),
    case("adaptive max pool", nn.AdaptiveMaxPool2d(1), IMAGE),
    case("adaptive max pool of two", nn.AdaptiveMaxPool2d(2), IMAGE),
    case("average pool of an axis", lambda x: F.avg_pool1d(x, x.shape[2]), "b 4 s"),
    case("max pool of an axis", lambda x: F.max_pool1d(x, kernel_size=x.shape[2]).squeeze(2), "b 4 s"),
    case(
        "adaptive pool to a size",
        lambda x, y: F.adaptive_avg_pool1d(x, y.shape[0]),
        "b 4 s",
        "k",
        loud="its windows are found by a division by the size",
    ),
    case("max unpool", unpooled, IMAGE),
    case("max unpool to a size", lambda x: unpooled(x, x.size()), IMAGE),
    case("batch norm", nn.BatchNorm2d(4).eval(), IMAGE),
    case("batch norm 1d", nn.BatchNorm1d(4).eval(), "b 4"),
    case("instance norm", nn.InstanceNorm2d(4, affine=True), IMAGE),
    case("group norm", nn.GroupNorm(2, 4), IMAGE, loud=REST),
    case("layer norm", nn.LayerNorm(4), "b s 4"),
    case("layer norm of a dynamic axis", lambda x: F.layer_norm(x, x.shape[-1:]), "b s d"),
    case("layer norm by inputs", lambda x, w: F.layer_norm(x, w.shape, w, w * 2), "b s d", "d"),
    case("layer norm of two axes", lambda x: F.layer_norm(x, x.shape[1:]), "b s d"),
    case("rms norm", nn.RMSNorm(4, eps=1e-6), "b s 4"),
    case("local response norm", nn.LocalResponseNorm(3), IMAGE, loud=POOL),
    case("embedding", nn.Embedding(9, 4), "i9 b s"),
    case("embedding with padding", nn.Embedding(9, 4, padding_idx=0), "i9 b s"),
    case("embedding bag", nn.EmbeddingBag(9, 4, mode="mean"), "i9 b s"),
    case("embedding bag, offsets", nn.EmbeddingBag(9, 4, mode="sum"), "i9 n", "i1 b"),
    case("interpolate, nearest", lambda x: F.interpolate(x, scale_factor=2), IMAGE),
    case("interpolate, nearest by 1.5", lambda x: F.interpolate(x, scale_factor=1.5), IMAGE),
    case("interpolate, bilinear", lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), IMAGE, since=11),
    case(
        "interpolate, corners",
        lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True),
        IMAGE,
        since=11,
    ),
    case("interpolate to a size", lambda x: F.interpolate(x, size=(5, 7), mode="bilinear"), IMAGE, since=11),
    case("interpolate to another", lambda x, y: F.interpolate(x, size=y.shape[2:]), IMAGE, "b 1 n k"),
    case("interpolate, bicubic", lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"), IMAGE, since=11),
    case("interpolate by a factor of sizes", resized_by_a_factor, IMAGE, since=11),
    case("interpolate, area", lambda x: F.interpolate(x, size=(2, 3), mode="area"), IMAGE),
    case("interpolate, linear", lambda x: F.interpolate(x, scale_factor=2, mode="linear"), "b 4 s", since=11),
    case("grid_sample", lambda x, y: F.grid_sample(x, y, align_corners=False), IMAGE, "b n k 2"),
    case(
        "grid_sample, border",
        lambda x, y: F.grid_sample(x, y, padding_mode="border", align_corners=True),
        IMAGE,
        "b n k 2",
    ),
    case("affine_grid", lambda x, y: F.affine_grid(x, [y.shape[0], 1, y.shape[2], y.shape[3]], False), "b 2 3", IMAGE),
    case("pixel_shuffle", lambda x: F.pixel_shuffle(x, 2), IMAGE),
    case(
        "pixel_unshuffle",
        lambda x: F.pixel_unshuffle(x, 2),
        IMAGE,
        sizes=({}, {"h": 10, "w": 12}),
        nothing="torch gives the sizes of its input",
    ),
    case("blocks unfolded", nn.Unfold(2, padding=1), IMAGE, loud=REST),
    case("blocks folded", nn.Fold((4, 5), 2), "b 8 12"),
    case(
        "attention",
        F.scaled_dot_product_attention,
        "b 2 s d",
        "b 2 k d",
        "b 2 k d",
        loud=SEQUENCE,
    ),
    case(
        "attention, causal",
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        "b 2 s d",
        "b 2 k d",
        "b 2 k d",
        loud=SEQUENCE,
    ),
    case(
        "attention, bool mask",
        lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, attn_mask=m),
        "b 2 s d",
        "b 2 k d",
        "b 2 k d",
        "? b 1 s k",
        loud=SEQUENCE,
    ),
    case(
        "attention, float mask",
        lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, attn_mask=m),
        "b 2 s d",
        "b 2 k d",
        "b 2 k d",
        "s k",
        loud=SEQUENCE,
    ),
    case(
        "attention, groups",
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True),
        "b 4 s d",
        "b 2 k d",
        "b 2 k d",
        loud=SEQUENCE,
    ),
    case(
        "multi-head attention",
        nn.MultiheadAttention(4, 2, batch_first=True).eval(),
        "b s 4",
        "b k 4",
        "b k 4",
        loud=REST,
    ),
    case("encoder layer", nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).eval(), "b s 4", loud=REST),
    case("lstm", nn.LSTM(4, 3, batch_first=True), "b s 4", nothing=RECURRENT),
    case("lstm, both ways", nn.LSTM(4, 3, bidirectional=True, num_layers=2), "s b 4", nothing=RECURRENT),
    case("gru", nn.GRU(4, 3), "s b 4", nothing=RECURRENT),
    case("rnn", nn.RNN(4, 3), "s b 4", nothing=RECURRENT),
    case("gru with a state", nn.GRU(4, 3), "s b 4", "1 b 3", nothing=RECURRENT),
    case("lstm cell", nn.LSTMCell(4, 3), "b 4"),
    case("gru cell", nn.GRUCell(4, 3), "b 4", "b 3"),
    case("windows of an image", windows, "b h w 4", sizes=({}, {"h": 10, "w": 12})),
    case("patches", lambda x: x.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4), IMAGE),
    case("position bias", lambda x: x + torch.arange(x.shape[1])[None, :, None], "b s d"),
    case("dropout", nn.Dropout(0.5).eval(), "b s d"),
]
