"""Element types both ways, and tensors by reference."""

import io

import ml_dtypes
import numpy as np
import pytest
import torch
from onnxport_frontend import TorchTensor, capture, dtype_from_torch, dtype_to_torch
from onnxport_ir.dtypes import DType
from torch import nn

ALL = [dtype for dtype in DType if dtype not in (DType.STRING, DType.INT4, DType.UINT4)]


def written(tensor: TorchTensor) -> bytes:
    out = io.BytesIO()
    tensor.write_to(out)
    return out.getvalue()


@pytest.mark.parametrize("dtype", ALL, ids=lambda dtype: dtype.short)
def test_both_ways(dtype):
    theirs = dtype_to_torch(dtype)
    assert dtype_from_torch(theirs) is dtype
    tensor = TorchTensor.of(torch.zeros(2, 3, dtype=theirs))
    assert tensor.dtype is dtype
    assert tensor.numpy().dtype == dtype.numpy
    assert tensor.nbytes == len(written(tensor)) == 6 * theirs.itemsize


@pytest.mark.parametrize("dtype", ALL, ids=lambda dtype: dtype.short)
def test_graphs_speak_the_same_numbers_and_names(dtype):
    class Model(nn.Module):
        def forward(self, x):
            return x.to(dtype_to_torch(dtype))

    captured = capture(Model(), (torch.zeros(2),))
    output = captured.graph.outputs[0].value
    assert output.type.dtype is dtype
    if dtype is not DType.FLOAT32:
        (eqn,) = captured.graph.eqns
        assert dtype in eqn.args


@pytest.mark.parametrize("name", ["STRING", "INT4"])
def test_types_that_torch_lacks(name):
    with pytest.raises(TypeError):
        dtype_to_torch(DType[name])
    with pytest.raises(TypeError):
        dtype_from_torch(torch.qint8)


def test_numpy_shares_memory():
    weight = nn.Parameter(torch.zeros(3))
    array = TorchTensor.of(weight).numpy()
    with torch.no_grad():
        weight[0] = 5
    assert array[0] == 5


def test_bfloat16_has_its_values():
    tensor = TorchTensor.of(torch.tensor([1.5, -2.0], dtype=torch.bfloat16))
    assert tensor.numpy().dtype == ml_dtypes.bfloat16
    assert tensor.numpy().astype(np.float32).tolist() == [1.5, -2.0]
    assert np.frombuffer(written(tensor), ml_dtypes.bfloat16).tolist() == [1.5, -2.0]


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(3 << 20, dtype=torch.float32).reshape(1024, 3, 1024).transpose(0, 2),
        torch.arange(5 << 20, dtype=torch.int32)[::2],
        torch.arange(4, dtype=torch.int64).expand(3, 4),
        torch.arange(6.0).reshape(2, 3).t(),
        torch.tensor(3.0),
        torch.zeros(0, 3),
        torch.arange(3 << 20, dtype=torch.float32).reshape(1, -1, 2).transpose(1, 2),
        torch.tensor([1 + 2j, 3 - 1j]).conj(),
    ],
    ids=["transposed", "strided", "expanded", "small", "scalar", "empty", "one-row", "conjugated"],
)
def test_bytes_of_any_layout(tensor):
    assert written(TorchTensor.of(tensor)) == tensor.resolve_conj().contiguous().numpy().tobytes()


class Counting:
    def __init__(self):
        self.largest = self.total = 0

    def write(self, data):
        self.largest = max(self.largest, len(memoryview(data).cast("B")))
        self.total += len(memoryview(data).cast("B"))


def test_a_layout_that_is_not_contiguous_is_written_in_parts():
    tensor = torch.zeros(64, 1 << 18).t()
    out = Counting()
    TorchTensor.of(tensor).write_to(out)
    assert out.total == tensor.numel() * 4
    assert out.largest <= 4 << 20
