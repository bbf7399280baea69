from __future__ import annotations

import io
import math

import ml_dtypes
import numpy as np
import onnx
import onnx.helper
import pytest
from hypothesis import given, strategies as st
from onnxport_ir import (
    ArrayTensor,
    DType,
    FileTensor,
    LazyTensor,
    OpaqueType,
    OptionalType,
    ScalarType,
    SequenceType,
    SymDim,
    TensorRef,
    TensorType,
    TupleType,
)
from onnxport_ir.tensors import packed_nbytes, write_array
from onnxport_ir.types import scalar_dtype

RAW = [dtype for dtype in DType if dtype is not DType.STRING]


def written(tensor: TensorRef) -> bytes:
    out = io.BytesIO()
    tensor.write_to(out)
    return out.getvalue()


@pytest.mark.parametrize("dtype", DType)
def test_element_types_agree_with_onnx(dtype):
    assert onnx.helper.tensor_dtype_to_np_dtype(dtype.onnx) == dtype.numpy
    name = onnx.TensorProto.DataType.Name(dtype.onnx)
    assert name == {"FLOAT32": "FLOAT", "FLOAT64": "DOUBLE"}.get(dtype.name, dtype.name)
    assert DType.from_numpy(dtype.numpy) is dtype


@pytest.mark.parametrize("dtype", DType)
def test_torchs_numbers_of_element_types(dtype):
    if dtype in (DType.STRING, DType.INT4, DType.UINT4):
        assert dtype.torch_number is None
    else:
        assert DType.from_torch_number(dtype.torch_number) is dtype


def test_a_number_that_onnx_has_no_type_for():
    complex32 = 8
    assert DType.from_torch_number(complex32) is None


def test_kinds_of_element_types():
    assert [dtype.name for dtype in DType if dtype.is_float] == [
        "FLOAT32",
        "FLOAT16",
        "FLOAT64",
        "BFLOAT16",
        "FLOAT8E4M3FN",
        "FLOAT8E4M3FNUZ",
        "FLOAT8E5M2",
        "FLOAT8E5M2FNUZ",
    ]
    assert not DType.BOOL.is_integer
    assert DType.UINT4.is_integer
    assert not DType.UINT8.is_signed
    assert DType.COMPLEX64.is_complex
    assert (DType.INT4.bits, DType.BOOL.bits, DType.COMPLEX128.bits) == (4, 8, 128)
    assert len({dtype.short for dtype in DType}) == len(DType)
    assert (DType.INT64.torch_name, DType.UINT16.torch_name) == ("Long", "Uint16")
    with pytest.raises(TypeError, match="datetime64"):
        DType.from_numpy("datetime64[s]")


@pytest.mark.parametrize("dtype", RAW)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 2)])
def test_raw_data_is_what_onnx_reads(dtype, shape, tmp_path):
    count = math.prod(shape)
    array = (np.arange(count) % 2).reshape(shape).astype(dtype.numpy)
    tensor = ArrayTensor(array, dtype)
    raw = written(tensor)
    assert len(raw) == tensor.nbytes == packed_nbytes(dtype, shape)
    proto = onnx.TensorProto(dims=shape, data_type=dtype.onnx, raw_data=raw)
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(proto).astype(complex), array.astype(complex))

    (tmp_path / "w").write_bytes(b"12345" + raw + b"rest")
    in_file = FileTensor(tmp_path / "w", 5, dtype, shape)
    assert written(in_file) == raw
    assert in_file.numpy().dtype == dtype.numpy
    np.testing.assert_array_equal(in_file.numpy().astype(complex), array.astype(complex))


@given(st.lists(st.integers(-8, 7), max_size=9))
def test_int4_is_packed_two_a_byte(values):
    raw = written(ArrayTensor(np.array(values, np.int8).astype(ml_dtypes.int4), DType.INT4))
    proto = onnx.TensorProto(dims=[len(values)], data_type=onnx.TensorProto.INT4, raw_data=raw)
    assert onnx.numpy_helper.to_array(proto).astype(int).tolist() == values


def test_int4_in_a_file_keeps_its_sign(tmp_path):
    array = np.array([-8, 7, -1], np.int8).astype(ml_dtypes.int4)
    (tmp_path / "w").write_bytes(written(ArrayTensor(array, DType.INT4)))
    assert FileTensor(tmp_path / "w", 0, DType.INT4, (3,)).numpy().astype(int).tolist() == [-8, 7, -1]


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1)])
@pytest.mark.parametrize("shape", [(3, 4, 5), (300, 40, 50)])
def test_arrays_in_any_order_are_written_in_c_order(axes, shape):
    array = np.arange(math.prod(shape), dtype=np.float32).reshape(shape).transpose(axes)
    out = io.BytesIO()
    write_array(array, DType.FLOAT32, out)
    assert out.getvalue() == array.tobytes()


def test_a_large_view_is_written_in_chunks():
    class Counting(io.BytesIO):
        largest = 0

        def write(self, data):
            self.largest = max(self.largest, len(data))
            return super().write(data)

    array = np.zeros((1024, 2048), np.float32).T
    out = Counting()
    write_array(array, DType.FLOAT32, out)
    assert len(out.getvalue()) == array.nbytes
    assert out.largest <= 1 << 20


def test_arrays_are_wrapped_and_not_copied():
    array = np.arange(4, dtype=np.float32)
    assert ArrayTensor.of(array).numpy() is array
    assert ArrayTensor.of([1, 2], DType.FLOAT32).numpy().dtype == np.float32
    assert ArrayTensor.of(3).shape == ()


def test_lazy_tensors_are_made_at_each_use():
    calls = []

    def negate(array):
        calls.append(1)
        return -array

    tensor = LazyTensor(ArrayTensor.of(np.array([1, 2], np.float32)), negate, DType.FLOAT32, (2,))
    assert tensor.nbytes == 8
    assert calls == []
    assert written(tensor) == np.array([-1, -2], np.float32).tobytes()
    assert tensor.numpy().tolist() == [-1, -2]
    assert len(calls) == 2


def test_a_file_that_is_too_short(tmp_path):
    (tmp_path / "w").write_bytes(b"1234")
    with pytest.raises(OSError, match="w ends 4 bytes before its tensor does"):
        written(FileTensor(tmp_path / "w", 0, DType.FLOAT32, (2,)))


def test_tensors_meet_the_protocol(tmp_path):
    array = ArrayTensor.of([1.0])
    for tensor in (array, FileTensor(tmp_path, 0, DType.INT8, ()), LazyTensor(array, abs, DType.FLOAT64, (1,))):
        assert isinstance(tensor, TensorRef)
    assert not isinstance(np.zeros(1), TensorRef)


@pytest.mark.parametrize(
    ("value_type", "text"),
    [
        (TensorType(), "?[...]"),
        (TensorType(DType.FLOAT32, (2, SymDim.named("n"))), "f32[2,n]"),
        (TensorType(None, ()), "?[]"),
        (SequenceType(TensorType(DType.BOOL)), "bool[...][]"),
        (OptionalType(ScalarType("int")), "int?"),
        (TupleType((ScalarType("str"), TensorType())), "(str, ?[...])"),
        (OpaqueType("Generator"), "Generator"),
    ],
)
def test_types_are_printed_shortly(value_type, text):
    assert str(value_type) == text


def test_ranks_and_scalars():
    assert TensorType(None, (1, 2)).rank == 2
    assert TensorType(DType.INT8).rank is None
    assert scalar_dtype("int") is DType.INT64
    assert scalar_dtype("float") is DType.FLOAT64
    assert scalar_dtype("str") is None
