"""Views, joins, repeats and parts: what only moves elements."""

from __future__ import annotations

import pytest
import torch
from onnxport_ir.errors import NeedsStatic, UnsupportedCase

from tests.ops.harness import Case

X = torch.arange(72.0).reshape(4, 6, 3)
Y = torch.arange(162.0).reshape(6, 9, 3)
EVEN = torch.arange(64.0).reshape(4, 4, 4)
AXES = {0: {0: "batch", 1: "time"}}


def case(name: str, model: object, since: int = 7, nodes: dict[int, list[str]] | None = None) -> Case:
    """A function of one tensor of which two axes are dynamic."""
    return Case(name, model, (X,), (Y,), AXES, since, nodes or {})


VIEWS = [
    case("view-infer", lambda x: x.view(x.size(0), -1), nodes={18: ["Flatten"]}),
    case("view-merge", lambda x: x.view(x.size(0) * x.size(1), 3), nodes={18: ["Reshape"]}),
    case("view-copy", lambda x: x.view(x.size(0), x.size(1), 3, 1), nodes={18: ["Reshape"]}),
    case("view-heads", lambda x: x.view(x.size(0), x.size(1), 3, 1).transpose(1, 2).reshape(x.size(0) * 3, -1, 1)),
    case("view-two-dynamic", lambda x: x.transpose(0, 1).reshape(3, x.size(1), x.size(0))),
    case("view-same", lambda x: x.view(x.shape) + 1, nodes={18: ["Add"]}),
    case("reshape-as", lambda x: x.transpose(0, 1).reshape_as(x)),
    case("flatten", lambda x: x.flatten(1), nodes={18: ["Flatten"]}),
    case("flatten-ints", lambda x: x.long().flatten(1)),
    case("flatten-front", lambda x: x.flatten(0, 1), nodes={18: ["Reshape"]}),
    case("flatten-middle", lambda x: x.transpose(1, 2).flatten(0, 1)),
    case("flatten-scalar", lambda x: x[0, 0, 0].flatten()),
    case("ravel", lambda x: x.ravel()),
    case("unflatten", lambda x: x.unflatten(2, (1, -1)).unflatten(1, (1, -1))),
    case("squeeze-all", lambda x: x.unsqueeze(0).unsqueeze(-1).squeeze()),
    case("squeeze-dim", lambda x: x.unsqueeze(1).squeeze(1).squeeze(0)),
    case("squeeze-dims", lambda x: torch.squeeze(x[:, None, :, :1], (1, 3, 0))),
    case("unsqueeze-negative", lambda x: x.unsqueeze(-2)),
    case("transpose", lambda x: x.transpose(-1, 0)),
    case("permute", lambda x: x.permute(2, 0, -2)),
    case("matrix-transposes", lambda x: (x.mT, x[0].T, x[0].t(), x[0, 0].t(), x.mH)),
    case("movedim", lambda x: (x.movedim(0, -1), x.movedim((0, 1), (2, 0)))),
    case("swap", lambda x: x.swapaxes(0, 1).swapdims(1, 2)),
    case(
        "at-least",
        lambda x: [
            f(v) for f in (torch.atleast_1d, torch.atleast_2d, torch.atleast_3d) for v in (x, x[0], x[0, 0], x[0, 0, 0])
        ],
    ),
    Case(
        "pixel-shuffle",
        lambda x: torch.pixel_shuffle(x, 2),
        (torch.randn(2, 8, 3, 2),),
        (torch.randn(1, 8, 2, 5),),
        {0: (0, 2, 3)},
    ),
    Case(
        "pixel-shuffle-ints",
        lambda x: torch.pixel_shuffle(x.long(), 2),
        (torch.randn(8, 3, 2),),
        (torch.randn(8, 2, 5),),
        {0: (1, 2)},
    ),
    Case(
        "pixel-unshuffle",
        lambda x: torch.pixel_unshuffle(x, 2),
        (torch.randn(2, 3, 4, 2),),
        (torch.randn(1, 3, 2, 6),),
        {0: (0, 2, 3)},
    ),
    Case(
        "channel-shuffle",
        lambda x: torch.channel_shuffle(x, 3),
        (torch.randn(2, 6, 4),),
        (torch.randn(1, 6, 5),),
        {0: (0, 2)},
    ),
    Case("view-no-elements", lambda x: x.view(0, 7), (torch.zeros(2, 0, 3),)),
]

JOINS = [
    case("cat-promotes", lambda x: torch.cat([x, torch.ones(1, dtype=torch.float64).expand_as(x), x.long()], 1)),
    case("cat-legacy-empty", lambda x: torch.cat([torch.empty(0), x, x[:, :1]], -2), nodes={18: ["Slice", "Concat"]}),
    case("stack", lambda x: torch.stack([x, x.double()], -1)),
    case("stack-scalars", lambda x: torch.stack([x[0, 0, 0], x[0, 0, 1]])),
    case("hstack", lambda x: (torch.hstack([x, x]), torch.hstack([x[0, 0], x[0, 0, 0]]))),
    case("vstack", lambda x: torch.vstack([x[0, 0], x[0]])),
    case("dstack", lambda x: (torch.dstack([x[0], x[0]]), torch.dstack([x[0, 0], x[0, 0]]))),
    case("column-stack", lambda x: torch.column_stack([x[:, 0], x[:, 0, 0]])),
    case("block-diag", lambda x: torch.block_diag(x[0], x[:, 0], x[0, 0, 0])),
    case("expand", lambda x: x[:1].expand(x.size(0), -1, -1)),
    case("expand-new-axis", lambda x: x.expand(2, *x.shape)),
    case("expand-as", lambda x: x[:1].expand_as(x)),
    case("broadcast-tensors", lambda x: torch.broadcast_tensors(x[:1], x[:, :1])),
    case("repeat", lambda x: x.repeat(2, 1, 3), nodes={18: ["Tile"]}),
    case("repeat-new-axis", lambda x: x[:, :1].repeat(2, 1, 3, 1)),
    case("repeat-zero", lambda x: x.repeat(2, 0, 1)),
    case("tile", lambda x: x.tile(2)),
    case("repeat-interleave", lambda x: x.repeat_interleave(3, 1)),
    case("repeat-interleave-static", lambda x: x.repeat_interleave(2, -1), nodes={18: ["Gather"]}),
    case(
        "repeat-interleave-constant", lambda x: x.repeat_interleave(torch.tensor([1, 0, 2]), 2), nodes={18: ["Gather"]}
    ),
    case("repeat-interleave-tensor", lambda x: x.repeat_interleave(x[0, 0].gt(0).long() * 2, 2)),
    case("repeat-interleave-flat", lambda x: x.repeat_interleave(2)),
    case(
        "meshgrid",
        lambda x: (
            torch.meshgrid(x[0, 0], x[:, 0, 0], indexing="ij"),
            torch.meshgrid(x[0, 0], x[:, 0, 0], x[0, :, 0], indexing="xy"),
        ),
    ),
    case("kron", lambda x: (torch.kron(x[0], x[:, :, 0].long()), torch.kron(x, x[0, 0]))),
    case("cartesian-prod", lambda x: torch.cartesian_prod(x[0, 0], x[:, 0, 0])),
    case("combinations", lambda x: (torch.combinations(x[0, 0]), torch.combinations(x[0, 0], 2, True))),
]

PARTS = [
    case("slice", lambda x: x[1:, :-1], nodes={18: ["Slice", "Slice"]}),
    case("slice-steps", lambda x: x[:, -2:, ::2]),
    case("slice-dynamic", lambda x: x[:, x.size(0) // 2 :]),
    case("slice-empty", lambda x: x[: x.size(0) - 1, 5:1]),
    case("slice-all", lambda x: x[:, :, :3] + 1, nodes={18: ["Add"]}),
    case("select", lambda x: x[0] + x[-1]),
    case("select-dynamic", lambda x: x[:, x.size(0) - 1]),
    case("narrow", lambda x: (x.narrow(1, 1, 2), x.narrow(1, -2, 2), x.narrow(1, -2, x.size(0) // 2 - 1))),
    case("split", lambda x: x.split(1, 2)),
    case("split-sizes", lambda x: x.split([1, 2], 2)),
    case("split-sizes-dynamic", lambda x: x.split([1, x.size(1) - 1], 1)),
    case("chunk", lambda x: x.chunk(2, 2)),
    case("chunk-dynamic", lambda x: x.chunk(2, 1)),
    case("chunk-multiple", lambda x: torch.cat([x, x, x], 1).chunk(3, 1)),
    case("tensor-split", lambda x: (x.tensor_split(4, 1), x.tensor_split((1, 3), 1))),
    case("numpy-splits", lambda x: x.hsplit((1, 2)) + x.vsplit((1,)) + x.dsplit(3)),
    case("unbind", lambda x: x.unbind(2), nodes={18: ["Gather", "Gather", "Gather"]}),
    case("flip", lambda x: (x.flip(0), x.flip(0, 2), x.fliplr(), x.flipud())),
    case("rot90", lambda x: [x.rot90(k, (0, 2)) for k in range(-1, 4)]),
    case("fft-shift", lambda x: (torch.fft.fftshift(x), torch.fft.ifftshift(x), torch.fft.fftshift(x, (1,)))),
    case("roll", lambda x: (x.roll(1, 1), x.roll((1, -7), (0, 1)), x.roll(3), x.roll((2, 2), (1, 1)))),
    case("unfold", lambda x: (x.unfold(1, 2, 1), x.unfold(2, 2, 2), x.unfold(0, 2, 3))),
    Case("as-strided", lambda x: x.as_strided((2, 3), (1, 2), 1), (X,), (X + 1,)),
    Case("as-strided-inside", lambda x: (x.transpose(0, 1) + 1).as_strided((2, 3), (1, 2)), (X,)),
    case(
        "diagonal",
        lambda x: [x.diagonal(k) for k in (-3, 0, 2)] + [x.diagonal(1, 2, 1), x.diagonal(-1, 0, 2)],
        since=10,
    ),
    Case("diagonal-static", lambda x: [x.diagonal(k) for k in (-5, -1, 0, 2, 9)], (X,)),
    case("diag", lambda x: (torch.diag(x[0, :, 0], 1), torch.diag(x[0], -1), torch.diagflat(x[0], -2))),
    case("diag-embed", lambda x: [torch.diag_embed(x, k) for k in (-2, 0, 1)] + [torch.diag_embed(x, 1, 0, 2)]),
    case("diag-embed-dynamic", lambda x: [torch.diag_embed(x[:, :, 0], k) for k in (-2, 0, 1)]),
    case("diagonal-scatter", lambda x: torch.diagonal_scatter(x, x.diagonal(1, 2, 1) * 2, 1, 2, 1), since=10),
    case("triangles", lambda x: (x.tril(), x.triu(1), x.tril(-1), x.triu(-2), x.gt(9).tril(), x.long().triu())),
    case("triangle-indices", lambda x: x[torch.tril_indices(3, 3, 1), 0, 0]),
    case("vander", lambda x: (torch.vander(x[0, 0]), torch.vander(x[0, 0], 2, True), torch.vander(x[0, 0].long(), 4))),
    case("linalg-vander", lambda x: torch.linalg.vander(x, N=3)),
    case("select-scatter", lambda x: (torch.select_scatter(x, x[:, 0], 1, -1), torch.select_scatter(x, x[0], 0, 2))),
    case(
        "slice-scatter",
        lambda x: (torch.slice_scatter(x, x[:, :2] * 2, 1, 1, 3), torch.slice_scatter(x, x[:, :2] * 2, 1, -2)),
    ),
    case("slice-scatter-steps", lambda x: torch.slice_scatter(x, x[:, ::2] * 2, 1, 0, None, 2)),
]


@pytest.mark.parametrize("case", VIEWS, ids=str)
def test_views(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("case", JOINS, ids=str)
def test_joins(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("case", PARTS, ids=str)
def test_parts(case: Case) -> None:
    case.check()


class Questions(torch.nn.Module):
    """Asks a list and a tensor for what they are; compiled, not traced."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        parts = x.split(2, 0)
        zero = torch.zeros(2, 1, 1, dtype=x.dtype, device=x.device)
        count = len(parts) + x.dim() + (1 if x.is_floating_point() else 2)
        return parts[0] * 2 + zero, parts[-1] + count


def test_lists_of_dynamic_length() -> None:
    """Below opset 11 there are no sequences."""
    Case("split-sequence", torch.jit.script(Questions()), (X,), (Y,), AXES, 11).check()


def test_parts_of_a_dynamic_axis_are_taken_by_their_place() -> None:
    Case("split-dynamic", lambda x: x.split(2, 1)[1], (X,), (Y,), AXES).check((11, 18))
    Case("chunk-dynamic", lambda x: x.chunk(3, 1)[0], (X,), (Y,), AXES).check((11, 18))


def test_number_of_parts_must_be_known_in_a_branch() -> None:
    class Parts(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if bool(x.sum() > 0):
                first, _ = x.split(3, 1)
                return first
            return x

    with pytest.raises(NeedsStatic):
        Case("split-in-a-branch", torch.jit.script(Parts()), (X,), None, AXES).check((18,))


def test_strided_view_of_unknown_layout_is_refused() -> None:
    with pytest.raises(UnsupportedCase, match="layout in memory"):
        Case("as-strided-of-a-part", lambda x: (x + 1)[:, ::2].as_strided((2, 2), (1, 2)), (X,)).check((18,))


def test_no_elements_at_run_time() -> None:
    """From opset 14 on, computed shapes hold sizes of 0."""
    Case(
        "view-two-dynamic-nothing",
        lambda x: x.transpose(0, 1).reshape(3, x.size(1), x.size(0)),
        (X,),
        (X[:, :0],),
        AXES,
    ).check((14, 18, 23))
