"""Well-known architectures of images and sequences, narrow but of full depth and with the usual code paths."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def convolution(channels: int, width: int, kernel: int, *, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution that keeps the image's size (divided by the stride), and its batch normalisation."""
    return [
        nn.Conv2d(channels, width, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(width),
    ]


def settle(model: nn.Module) -> nn.Module:
    """Give the statistics of batch normalisation random values, as after training; the initial ones hide mistakes."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return model


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions around which the input is added (He et al., 2015, figure 5, right)."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *convolution(channels, width, 1),
            nn.ReLU(inplace=True),
            *convolution(width, width, 3, stride=stride),
            nn.ReLU(inplace=True),
            *convolution(width, 4 * width, 1),
        )
        changes = stride != 1 or channels != 4 * width
        self.shortcut = nn.Sequential(*convolution(channels, 4 * width, 1, stride=stride)) if changes else nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.body(x)
        out += self.shortcut(x)
        return self.relu(out)


class ResNet50(nn.Module):
    """Sixteen bottlenecks in four stages (He et al., 2015).

    Args:
        width: of the first stage; 64 in the paper.
    """

    def __init__(self, width: int = 8, num_classes: int = 10) -> None:
        super().__init__()
        stem = [*convolution(3, width, 7, stride=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, padding=1)]
        self.stem = nn.Sequential(*stem)
        channels = width
        stages: list[nn.Module] = []
        for index, depth in enumerate((3, 4, 6, 3)):
            blocks = []
            for block in range(depth):
                stride = 2 if index > 0 and block == 0 else 1
                blocks.append(Bottleneck(channels, width * 2**index, stride))
                channels = 4 * width * 2**index
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.stages(self.stem(x)))
        return self.fc(torch.flatten(x, 1))


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution and projection (Sandler et al., 2018, figure 4)."""

    def __init__(self, channels: int, width: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = channels * expansion
        expand = [*convolution(channels, hidden, 1), nn.ReLU6(inplace=True)] if expansion != 1 else []
        self.body = nn.Sequential(
            *expand,
            *convolution(hidden, hidden, 3, stride=stride, groups=hidden),
            nn.ReLU6(inplace=True),
            *convolution(hidden, width, 1),
        )
        self.adds = stride == 1 and channels == width

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.adds else self.body(x)


class MobileNetV2(nn.Module):
    """Seventeen inverted residuals (Sandler et al., 2018, table 2), all widths divided by four."""

    #: expansion, width, depth, first stride
    STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        channels = 8
        layers: list[nn.Module] = [*convolution(3, channels, 3, stride=2), nn.ReLU6(inplace=True)]
        for expansion, width, depth, first in self.STAGES:
            for block in range(depth):
                layers.append(InvertedResidual(channels, width // 4, first if block == 0 else 1, expansion))
                channels = width // 4
        layers += [*convolution(channels, 320, 1), nn.ReLU6(inplace=True)]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(320, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        x = F.adaptive_avg_pool2d(x, (1, 1)).reshape(x.shape[0], -1)
        return self.classifier(x)


class UNet(nn.Module):
    """Contracting and expanding halves with skips between them (Ronneberger et al., 2015).

    Args:
        learned: whether the expanding half uses transposed convolutions rather than bilinear interpolation.
        width: of the first level; 64 in the paper.
    """

    def __init__(self, *, learned: bool, width: int = 4, depth: int = 4, num_classes: int = 2) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(
            self.double(channels, level) for channels, level in zip([3, *widths], widths, strict=False)
        )
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(2 * level, level, 2, stride=2)
            if learned
            else nn.Sequential(
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False), nn.Conv2d(2 * level, level, 1)
            )
            for level in reversed(widths[:-1])
        )
        self.merge = nn.ModuleList(self.double(2 * level, level) for level in reversed(widths[:-1]))
        self.head = nn.Conv2d(width, num_classes, 1)

    @staticmethod
    def double(channels: int, width: int) -> nn.Module:
        return nn.Sequential(
            *convolution(channels, width, 3),
            nn.ReLU(inplace=True),
            *convolution(width, width, 3),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for index, level in enumerate(self.down):
            x = level(self.pool(x) if index else x)
            skips.append(x)
        skips.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            skip = skips.pop()
            x = up(x)
            # Pooling an odd size loses a row or column.
            rows, columns = skip.shape[-2] - x.shape[-2], skip.shape[-1] - x.shape[-1]
            x = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
            x = merge(torch.cat([skip, x], dim=1))
        return self.head(x)


class SelfAttention(nn.Module):
    """Attention of a sequence to itself, with one projection for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        qkv = self.qkv(x).reshape(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)
        found = F.scaled_dot_product_attention(query, key, value)
        return self.out(found.transpose(1, 2).reshape(batch, length, width))


class ViTBlock(nn.Module):
    """Attention and a two-layer network, each after a normalisation."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attention = SelfAttention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    """Twelve blocks over the patches of an image (Dosovitskiy et al., 2020).

    The position embedding is resampled to the number of patches, so that the size of the image may vary.

    Args:
        size: the size of the square images that the position embedding is for.
        resamples: whether images of other sizes are taken.
    """

    def __init__(self, *, resamples: bool, size: int = 32, patch: int = 8, width: int = 16, heads: int = 4) -> None:
        super().__init__()
        self.grid = size // patch
        self.resamples = resamples
        self.patches = nn.Conv2d(3, width, patch, stride=patch)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.position = nn.Parameter(torch.randn(1, 1 + self.grid**2, width))
        self.blocks = nn.ModuleList(ViTBlock(width, heads) for _ in range(12))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, 10)

    def positions(self, rows: int, columns: int) -> Tensor:
        if not self.resamples:
            return self.position
        grid = self.position[:, 1:].transpose(1, 2).reshape(1, -1, self.grid, self.grid)
        grid = F.interpolate(grid, size=(rows, columns), mode="bilinear", align_corners=False)
        return torch.cat([self.position[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x)
        rows, columns = x.shape[-2:]
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.positions(rows, columns)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


class Recurrent(nn.Module):
    """Two bidirectional recurrent layers over embedded tokens, and a score for each token.

    Args:
        kind: ``nn.LSTM`` or ``nn.GRU``.
        batch_first: whether the layers take ``(N, L, E)`` rather than ``(L, N, E)``.
    """

    def __init__(self, kind: type[nn.RNNBase], *, batch_first: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 6)
        self.layers = kind(6, 5, num_layers=2, bidirectional=True, batch_first=batch_first, dropout=0.1)
        self.head = nn.Linear(10, 3)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor | tuple[Tensor, Tensor]]:
        x, state = self.layers(self.embedding(tokens))
        return self.head(x), state


class Encoder(nn.Module):
    """``nn.TransformerEncoder`` over embedded tokens, of which some are padding.

    Args:
        norm_first: where the layers normalise.
    """

    def __init__(self, *, norm_first: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 16)
        layer = nn.TransformerEncoderLayer(16, 4, 32, activation="gelu", batch_first=True, norm_first=norm_first)
        # The default is True, which torch itself warns does not go with norm_first.
        self.encoder = nn.TransformerEncoder(layer, 3, norm=nn.LayerNorm(16), enable_nested_tensor=not norm_first)

    def forward(self, tokens: Tensor, padding: Tensor) -> Tensor:
        x = self.encoder(self.embedding(tokens), src_key_padding_mask=padding)
        # What stands at padded places depends on the kernels that torch chooses.
        return x.masked_fill(padding.unsqueeze(-1), 0.0)
