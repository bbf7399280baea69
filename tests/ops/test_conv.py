"""Convolutions at all opsets."""

import pytest
import torch
import torch.nn.functional as F
from onnxport_ir.errors import UnsupportedCase
from torch import nn

from tests.ops.harness import Case

torch.manual_seed(0)
randn = torch.randn
aten = torch.ops.aten
_IMAGE = {0: [0, 2, 3]}
_IMAGES = (randn(2, 4, 9, 8),), (randn(3, 4, 12, 11),), _IMAGE
_WEIGHT = randn(6, 4, 3, 3)


def _image(name: str, model: nn.Module, **more: object) -> Case:
    """A case of images of any size and number."""
    return Case(name, model, *_IMAGES, **more)  # type: ignore[arg-type]  # dataclass fields


def _per_sample(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Each sample with a kernel of its own, as groups of one convolution."""
    count, channels, height, width = x.shape
    joined = x.reshape(1, count * channels, height, width)
    kernels = weight.reshape(-1, channels, *weight.shape[3:])
    result = F.conv2d(joined, kernels, stride=(2, 1), padding=1, groups=count)
    return result.reshape(count, -1, *result.shape[2:])


def _per_sample_transposed(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    count, channels, height, width = x.shape
    joined = x.reshape(1, count * channels, height, width)
    kernels = weight.transpose(1, 2).reshape(count * channels, -1, *weight.shape[3:])
    result = F.conv_transpose2d(joined, kernels, stride=2, groups=count)
    return result.reshape(count, -1, *result.shape[2:])


class _AsLargeAsBefore(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(4, 6, 3, stride=(2, 3), padding=1)
        self.up = nn.ConvTranspose2d(6, 4, 3, stride=(2, 3), padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.up(self.down(x), output_size=x.size())


_SAMPLES = (randn(2, 4, 9, 8), randn(2, 5, 4, 3, 3)), (randn(3, 4, 12, 11), randn(3, 5, 4, 3, 3))

CASES = [
    Case("one kernel per sample", _per_sample, *_SAMPLES, {0: {0: "n", 2: "h", 3: "w"}, 1: {0: "n"}}),
    Case("the same, transposed", _per_sample_transposed, *_SAMPLES, {0: {0: "n", 2: "h", 3: "w"}, 1: {0: "n"}}),
    Case(
        "depthwise, per sample",
        lambda x, k: F.conv2d(x.flatten(0, 1)[None], k.flatten(0, 1)[:, None], groups=k.shape[0] * k.shape[1]),
        (randn(2, 4, 9, 8), randn(2, 4, 3, 3)),
        (randn(3, 4, 12, 11), randn(3, 4, 3, 3)),
        {0: {0: "n", 2: "h", 3: "w"}, 1: {0: "n"}},
    ),
    Case(
        "groups from a size that is known",
        lambda x: F.conv2d(x, torch.ones(4, 1, 3, 3), padding="same", groups=x.shape[1]),
        *_IMAGES,
        nodes={18: ["Conv"]},
    ),
    Case(
        "unbatched, padding from a size",
        lambda x, w: F.conv1d(x, w, padding=w.shape[2] // 2),
        (randn(4, 9), randn(6, 4, 5)),
        (randn(4, 7), randn(6, 4, 5)),
        {0: [1]},
        nodes={18: ["Unsqueeze", "Conv", "Squeeze"]},
    ),
    _image("transposed to a size", _AsLargeAsBefore()),
    _image("conv2d", nn.Conv2d(4, 6, 3), nodes={7: ["Conv"], 18: ["Conv"], 23: ["Conv"]}),
    _image("without bias", nn.Conv2d(4, 6, 3, bias=False, stride=2, padding=1, dilation=2)),
    _image("grouped", nn.Conv2d(4, 8, (3, 2), groups=2, padding=(2, 1))),
    _image("depthwise", nn.Conv2d(4, 4, 3, groups=4)),
    _image("same, odd", nn.Conv2d(4, 6, 3, padding="same", dilation=2)),
    _image("same, even", nn.Conv2d(4, 6, (2, 4), padding="same")),
    _image("valid", nn.Conv2d(4, 6, 3, padding="valid")),
    _image("reflect", nn.Conv2d(4, 6, 3, padding=2, padding_mode="reflect")),
    _image("replicate", nn.Conv2d(4, 6, 3, padding=(1, 2), padding_mode="replicate")),
    _image("transposed", nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1)),
    _image("transposed in groups", nn.ConvTranspose2d(4, 6, 3, stride=3, groups=2, bias=False)),
    _image(
        "output padding beyond stride", nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=2, dilation=4)
    ),
    Case("conv1d", nn.Conv1d(3, 5, 4, stride=2), (randn(2, 3, 11),), (randn(4, 3, 20),), {0: [0, 2]}),
    Case("conv3d", nn.Conv3d(2, 3, 2), (randn(2, 2, 4, 5, 6),), (randn(1, 2, 6, 5, 4),), {0: [0, 2, 3, 4]}),
    Case("unbatched", nn.Conv2d(4, 6, 3), (randn(4, 9, 8),), (randn(4, 5, 6),), {0: [1, 2]}),
    Case("transposed, unbatched", nn.ConvTranspose1d(4, 6, 3), (randn(4, 9),), (randn(4, 5),), {0: [1]}),
    Case("weight as input", F.conv2d, (randn(2, 4, 9, 8), _WEIGHT), (randn(3, 4, 9, 9), _WEIGHT * 2), _IMAGE),
    Case("conv_tbc", torch.conv_tbc, (randn(7, 2, 4), randn(3, 4, 5), randn(5), 1)),
    Case(
        "thnn_conv2d", lambda x, w: aten.thnn_conv2d(x, w, [3, 3], None, [2, 1], [1, 0]), (randn(2, 4, 9, 8), _WEIGHT)
    ),
    Case(
        "slow_conv_transpose2d",
        lambda x, w: aten.slow_conv_transpose2d(x, w, [3, 3], None, [2, 2], [1, 1], [1, 0]),
        (randn(2, 6, 5, 4), _WEIGHT),
    ),
    Case("circular", nn.Conv1d(3, 5, 4, padding=2, padding_mode="circular"), (randn(2, 3, 11),), since=7),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_convolution(case: Case) -> None:
    case.check()


def test_dilation_beyond_the_stride_leaves_the_largest_output_size_open() -> None:
    def widened(x: torch.Tensor) -> torch.Tensor:
        return F.conv_transpose2d(x, _WEIGHT.transpose(0, 1), dilation=3, output_padding=(x.shape[2] % 2, 0))

    with pytest.raises(UnsupportedCase, match="a dilation beyond its stride"):
        Case("widened", widened, *_IMAGES).check([18])


def test_convolution_of_bytes_is_refused() -> None:
    with pytest.raises(UnsupportedCase, match="a convolution of u8"):
        Case("bytes", F.conv1d, (torch.ones(1, 1, 4).byte(), torch.ones(1, 1, 2).byte())).check()


def whole(*sizes: int, limit: int = 1 << 30) -> torch.Tensor:
    """Whole numbers whose products float32 cannot tell apart."""
    return torch.randint(-limit, limit, sizes, generator=torch.Generator().manual_seed(sum(sizes)))


WHOLE = [
    Case(
        "line",
        F.conv1d,
        (whole(2, 3, 9), whole(4, 3, 2), whole(4)),
        (whole(5, 3, 6), whole(4, 3, 2), whole(4)),
        {0: (0, 2)},
    ),
    Case("one", F.conv1d, (whole(3, 9), whole(4, 3, 9))),
    Case(
        "plane",
        lambda x, w: F.conv2d(x, w, None, (2, 1), (3, 1), (2, 1), 2),
        (whole(2, 4, 9, 8), whole(6, 2, 3, 2)),
        (whole(1, 4, 11, 10), whole(6, 2, 3, 2)),
        {0: (0, 2, 3)},
    ),
    Case("same", lambda x, w: F.conv2d(x, w, padding="same"), (whole(2, 3, 5, 6), whole(2, 3, 2, 3))),
    Case("volume", F.conv3d, (whole(1, 2, 4, 5, 6), whole(3, 2, 2, 3, 1))),
    Case("narrow", F.conv1d, (whole(2, 3, 9, limit=99).int(), whole(4, 3, 2, limit=99).int())),
    Case(
        "back-line", F.conv_transpose1d, (whole(2, 3, 5), whole(3, 4, 3)), (whole(1, 3, 8), whole(3, 4, 3)), {0: (0, 2)}
    ),
    Case(
        "back-plane",
        lambda x, w, b: F.conv_transpose2d(x, w, b, (2, 3), (1, 2), (1, 0), 2, (1, 2)),
        (whole(2, 4, 5, 4), whole(4, 3, 3, 2), whole(6)),
        (whole(1, 4, 3, 6), whole(4, 3, 3, 2), whole(6)),
        {0: (0, 2, 3)},
    ),
    Case("back-volume", F.conv_transpose3d, (whole(1, 2, 3, 2, 3), whole(2, 3, 2, 1, 2))),
]


@pytest.mark.parametrize("case", WHOLE, ids=str)
def test_convolution_of_integers_is_exact(case: Case) -> None:
    case.check((11, 13, 18, 23))
