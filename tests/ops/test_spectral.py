"""Fourier transforms and complex tensors between real inputs and real outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnxport
import pytest
import torch

from tests.ops.harness import Case

fft = torch.fft


def _x(*sizes: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*sizes, generator=torch.Generator().manual_seed(seed + sum(sizes))) * 2 - 1


def _parts(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """A function of a complex tensor as one of its parts."""

    def run(x: torch.Tensor) -> torch.Tensor:
        result = function(torch.view_as_complex(x))
        return torch.view_as_real(result.resolve_conj()) if result.is_complex() else result

    return run


def _real(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    return lambda x: torch.view_as_real(function(x).resolve_conj())


_ALL = {0: [0, 1]}
_PAIRS = {0: [0, 1]}
#: At opset 9 to 16 there is no DFT, and what stands for it needs the length.
_LATE = {"since": 17}


class Window(torch.nn.Module):
    """A short-time transform with a window of its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options
        self.register_buffer("window", torch.hann_window(options.get("win_length", options["n_fft"])))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stft(x, window=self.window, return_complex=True, **self.options).abs()


class Back(Window):
    """A short-time transform and its inverse."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spectrum = torch.stft(x, window=self.window, return_complex=True, **self.options)
        return torch.istft(spectrum * 2, window=self.window, **self.options)


class FourierLayer(torch.nn.Module):
    """The layer of a Fourier neural operator: some modes of the spectrum times complex weights."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.view_as_complex(_x(3, 4, 5, 2)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spectrum = fft.rfft(x)
        out = torch.zeros(x.shape[0], 4, x.shape[-1] // 2 + 1, dtype=torch.cfloat)
        out[:, :, :5] = torch.einsum("bix,iox->box", spectrum[:, :, :5], self.weight)
        return fft.irfft(out, n=x.shape[-1])


class Rotary(torch.nn.Module):
    """Rotary embeddings as complex numbers."""

    def __init__(self) -> None:
        super().__init__()
        angles = torch.outer(torch.arange(16.0), torch.arange(1.0, 5.0))
        self.register_buffer("frequencies", torch.polar(torch.ones_like(angles), angles))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))
        return torch.view_as_real(pairs * self.frequencies[: x.shape[1]]).flatten(2)


CASES = [
    Case("rfft magnitude", lambda x: fft.rfft(x).abs(), (_x(3, 8),), (_x(2, 8),), {0: [0]}),
    Case("rfft dynamic", lambda x: fft.rfft(x).abs(), (_x(3, 8),), (_x(2, 7),), _ALL, **_LATE),
    Case("rfft n dim", _real(lambda x: fft.rfft(x, n=6, dim=0, norm="ortho")), (_x(5, 3),)),
    Case("rfft longer", _real(lambda x: fft.rfft(x, n=9, norm="forward")), (_x(5, 4),)),
    Case("fft of real", _real(lambda x: fft.fft(x, dim=0)), (_x(5, 4),), (_x(5, 3),), {0: [1]}),
    Case("fft of integers", _real(fft.fft), (torch.arange(7),)),
    Case("fft", _parts(fft.fft), (_x(4, 6, 2),), (_x(3, 5, 2),), _PAIRS, **_LATE),
    Case("fft longer", _parts(lambda z: fft.fft(z, n=8)), (_x(4, 6, 2),), (_x(3, 9, 2),), _PAIRS),
    Case("matrix product with the adjoint", _parts(lambda z: z @ z.mH), (_x(4, 6, 2),), (_x(3, 5, 2),), _PAIRS),
    Case("transposed", _parts(lambda z: z.T.contiguous()), (_x(4, 6, 2),), (_x(3, 5, 2),), _PAIRS),
    Case("running sum", _parts(lambda z: z.cumsum(1)), (_x(4, 6, 2),), (_x(3, 5, 2),), _PAIRS),
    Case(
        "gather", _parts(lambda z: z.gather(1, torch.tensor([[1], [0]]))), (_x(2, 6, 2),), (_x(2, 3, 2),), {0: [1]}, 9
    ),
    Case("triangles", _parts(lambda z: z.tril() + z.triu(1)), (_x(4, 6, 2),), (_x(3, 5, 2),), _PAIRS),
    Case("diagonal", _parts(lambda z: z.diagonal()), (_x(4, 6, 2),)),
    Case("outer", _parts(lambda z: torch.outer(z[0], z[1])), (_x(2, 6, 2),), (_x(2, 3, 2),), {0: [1]}),
    Case("vdot", _parts(lambda z: torch.vdot(z[0], z[1])), (_x(2, 6, 2),), (_x(2, 3, 2),), {0: [1]}),
    Case("linear", _parts(lambda z: torch.nn.functional.linear(z, z[:2], z[0, :2])), (_x(4, 6, 2),)),
    Case("norm", _parts(lambda z: torch.linalg.norm(z, dim=1)), (_x(4, 6, 2),), (_x(3, 5, 2),), _PAIRS),
    Case("norm of all", _parts(lambda z: torch.linalg.vector_norm(z, 3)), (_x(4, 6, 2),), (_x(3, 5, 2),), _PAIRS),
    Case("root", _parts(torch.sqrt), (_x(4, 6, 2),), (_x(3, 5, 2),), _PAIRS, since=9),
    Case("sign", _parts(torch.sgn), (torch.cat([_x(4, 6, 2), torch.zeros(1, 6, 2)]),), (_x(3, 5, 2),), _PAIRS),
    Case("ifft", _parts(lambda z: fft.ifft(z, dim=0)), (_x(4, 6, 2),)),
    Case("ifft ortho", _parts(lambda z: fft.ifft(z, norm="ortho")), (_x(4, 6, 2),)),
    Case("ifft forward", _parts(lambda z: fft.ifft(z, norm="forward")), (_x(4, 6, 2),)),
    Case("irfft", _parts(fft.irfft), (_x(4, 5, 2),), (_x(3, 7, 2),), _PAIRS, **_LATE),
    Case("irfft odd", _parts(lambda z: fft.irfft(z, n=7)), (_x(4, 4, 2),)),
    Case("irfft 1", _parts(lambda z: fft.irfft(z, n=1)), (_x(4, 4, 2),)),
    Case("irfft cut", _parts(lambda z: fft.irfft(z, n=4, dim=0, norm="forward")), (_x(6, 4, 2),)),
    Case("round trip", lambda x: fft.irfft(fft.rfft(x), n=x.shape[-1]), (_x(3, 9),), (_x(4, 6),), _ALL, **_LATE),
    Case("hfft", _parts(lambda z: fft.hfft(z, norm="ortho")), (_x(4, 5, 2),)),
    Case("ihfft", _real(fft.ihfft), (_x(4, 6),)),
    Case("fft2", _parts(fft.fft2), (_x(2, 4, 6, 2),)),
    Case("ifft2", _parts(lambda z: fft.ifft2(z, s=(3, 8))), (_x(2, 4, 6, 2),)),
    Case("fftn", _parts(lambda z: fft.fftn(z, norm="forward")), (_x(2, 4, 6, 2),)),
    Case("rfft2", _real(fft.rfft2), (_x(2, 4, 6),)),
    Case("irfft2", _parts(lambda z: fft.irfft2(z, s=(4, 7))), (_x(2, 4, 4, 2),)),
    Case("rfftn", _real(lambda x: fft.rfftn(x, s=(4, 5), dim=(0, 2))), (_x(2, 4, 6),)),
    Case("irfftn", _parts(fft.irfftn), (_x(2, 4, 4, 2),)),
    Case("hfft2", _parts(fft.hfft2), (_x(2, 4, 4, 2),)),
    Case("ihfft2", _real(fft.ihfft2), (_x(2, 4, 5),)),
    Case("fftshift", lambda x: fft.fftshift(fft.fft2(x)).abs(), (_x(3, 5),)),
    Case("roll", _parts(lambda z: z.roll(2)), (_x(3, 5, 2),)),
    Case("fnet", lambda x: fft.fft(fft.fft(x, dim=-1), dim=-2).real, (_x(2, 4, 8),)),
    Case("double", lambda x: fft.rfft(x.double()).abs(), (_x(3, 8),)),
    Case("stft", Window(n_fft=16), (_x(2, 64),), (_x(3, 90),), _ALL),
    Case("stft hop", Window(n_fft=16, hop_length=5, win_length=10, normalized=True, center=False), (_x(50),)),
    Case("stft both sides", Window(n_fft=10, onesided=False), (_x(2, 50),)),
    Case("istft", Back(n_fft=16), (_x(2, 64),), (_x(3, 96),), _ALL, tolerance=1e-3),
    Case("istft hop", Back(n_fft=12, hop_length=4, normalized=True), (_x(64),), tolerance=1e-3),
    Case("fourier layer", FourierLayer(), (_x(2, 3, 16),), (_x(3, 3, 16),), {0: [0]}),
    Case("rotary", Rotary(), (_x(2, 6, 8),), (_x(3, 9, 8),), _ALL),
    Case("complex", lambda a, b: torch.complex(a, b).angle(), (_x(3, 4), _x(4, seed=1))),
    Case("polar", lambda a, b: torch.view_as_real(torch.polar(a.abs(), b)), (_x(3, 4), _x(3, 4, seed=1))),
    Case("abs angle", _parts(lambda z: z.abs() + z.angle()), (_x(3, 4, 2),)),
    Case("conj", _parts(lambda z: z.conj() * z), (_x(3, 4, 2),)),
    Case("arithmetic", _parts(lambda z: (z * (2 - 1j) + 3 - z / z.roll(1)) * 0.5), (_x(3, 4, 2),)),
    Case("real operand", _parts(lambda z: z * z.abs() + z.real - 1j / z), (_x(3, 4, 2),)),
    Case("broadcast", _parts(lambda z: z[0] * z[:, :1] + z.real[0]), (_x(3, 4, 2),)),
    Case("exp log", _parts(lambda z: z.exp() + z.log()), (_x(3, 4, 2),)),
    Case("matmul", _parts(lambda z: z @ z.mT.conj()), (_x(2, 3, 4, 2),)),
    Case("matmul real", _parts(lambda z: z @ z.real.mT.to(z.dtype)), (_x(2, 3, 4, 2),)),
    Case("sum mean", _parts(lambda z: z.sum(0) + z.mean(dim=(0, 1)) + z.sum()), (_x(3, 4, 2),)),
    Case("where", _parts(lambda z: torch.where(z.real > 0, z, 1.0)), (_x(3, 4, 2),)),
    Case("views", _parts(lambda z: z.reshape(2, 6).t()[1:, None].expand(5, 3, 2).permute(2, 0, 1)), (_x(3, 4, 2),)),
    Case("joining", _parts(lambda z: torch.cat([z, z.real, torch.stack([z[0], z[1]])])), (_x(3, 4, 2),)),
    Case("index", _parts(lambda z: z[torch.tensor([2, 0])]), (_x(3, 4, 2),)),
    Case("pad", _parts(lambda z: torch.nn.functional.pad(z, (1, 2, 0, 1))), (_x(3, 4, 2),)),
    Case("to", _parts(lambda z: z.to(torch.complex128) + z.real.to(torch.complex64)), (_x(3, 4, 2),)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values(case: Case) -> None:
    case.check((9, 13, 17, 18, 20, 23))


class Complex(torch.nn.Module):
    """Returns complex numbers."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 1j


def test_complex_outputs_are_refused() -> None:
    with pytest.raises(onnxport.OnnxExporterError, match="a complex tensor as an output"):
        onnxport.export(Complex(), (_x(2),))


def test_complex_inputs_are_refused() -> None:
    with pytest.raises(onnxport.OnnxExporterError, match="a complex input"):
        onnxport.export(Complex(), (torch.view_as_complex(_x(3, 2)),))


def test_an_operator_that_knows_no_complex_numbers_is_refused() -> None:
    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.view_as_complex(x).tanh().abs()

    with pytest.raises(onnxport.OnnxExporterError, match="a complex self"):
        onnxport.export(Model(), (_x(3, 2),))


def test_complex_inputs_and_outputs_as_pairs() -> None:
    z = torch.view_as_complex(_x(3, 4, 2))
    program = onnxport.export(Complex(), (z,), complex_pairs=True, dynamic_axes={"x": [0]}, check=True)
    assert program.checked.sizes is not None
    other = torch.view_as_complex(_x(5, 4, 2))
    torch.testing.assert_close(program(other), torch.view_as_real(other * 1j))
