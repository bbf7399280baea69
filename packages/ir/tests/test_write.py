from __future__ import annotations

import errno
import io
import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnxport_ir import ArrayTensor, DType, FileTensor, LazyTensor, Value
from onnxport_ir.errors import InvalidArgument, WriteFailed
from onnxport_ir.external import DataFile, reads_from
from onnxport_ir.proto import encode
from onnxport_ir.read import load
from onnxport_ir.write import write

X = np.arange(8, dtype=np.float32).reshape(2, 4)


class Full(io.RawIOBase):
    """A device that is full after some bytes."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        if len(data) > self.capacity:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.capacity -= len(data)
        return len(data)


@pytest.fixture
def model(tools):
    return tools.finished(tools.mlp(width=1000))


def check_runs(tools, model, path: Path) -> None:
    onnx.checker.check_model(str(path), full_check=True)
    (result,) = tools.run_bytes(str(path), x=X)
    np.testing.assert_allclose(result, tools.mlp_expected(model, X), rtol=1e-5)


def test_one_file(tools, model, tmp_path):
    path = tmp_path / "model.onnx"
    written = write(model, path)
    assert os.listdir(tmp_path) == ["model.onnx"]
    assert written.path == path
    assert written.nbytes == path.stat().st_size
    assert written.data_path is None
    assert path.read_bytes() == encode(model).to_bytes()
    check_runs(tools, model, path)


def test_a_path_may_be_text_or_an_object(model, tmp_path):
    write(model, str(tmp_path / "a.onnx"))
    write(model, tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_external_data(tools, model, tmp_path):
    path = tmp_path / "model.onnx"
    written = write(model, path, external_data="always")
    assert sorted(os.listdir(tmp_path)) == ["model.onnx", "model.onnx.data"]
    assert written.data_path == tmp_path / "model.onnx.data"
    assert written.data_nbytes == written.data_path.stat().st_size
    assert written.nbytes == path.stat().st_size < 4000
    proto = onnx.load(path, load_external_data=False)
    entries = {t.name: {e.key: e.value for e in t.external_data} for t in proto.graph.initializer}
    assert entries == {
        "fc.weight": {"location": "model.onnx.data", "offset": "0", "length": "16000"},
        "fc.bias": {"location": "model.onnx.data", "offset": "16000", "length": "4000"},
        "/Reshape_constant": {},
    }
    check_runs(tools, model, path)
    loaded = onnx.load(path)
    for tensor, value in zip(loaded.graph.initializer, model.graph.constants(), strict=True):
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(tensor), value.array())


def test_a_model_over_the_limit_gets_external_data(tools, model, tmp_path):
    path = tmp_path / "model.onnx"
    write(model, path, size_limit_bytes=10_000)
    assert sorted(os.listdir(tmp_path)) == ["model.onnx", "model.onnx.data"]
    check_runs(tools, model, path)


def test_a_model_just_over_the_limit_because_of_its_nodes_gets_external_data(model, tmp_path):
    weights = sum(value.const.nbytes for value in model.graph.constants())
    written = write(model, tmp_path / "model.onnx", size_limit_bytes=weights + 10)
    assert written.data_path is not None


def test_the_data_file_has_the_name_asked_for(tools, model, tmp_path):
    write(model, tmp_path / "model.onnx", external_data="always", location="weights.bin")
    assert sorted(os.listdir(tmp_path)) == ["model.onnx", "weights.bin"]
    check_runs(tools, model, tmp_path / "model.onnx")


@pytest.mark.parametrize("location", ["../w", "a/b", "a\\b", "", "..", "model.onnx", "c:w"])
def test_the_data_file_lies_beside_the_model(model, tmp_path, location):
    with pytest.raises(InvalidArgument, match="file of weights"):
        write(model, tmp_path / "model.onnx", external_data="always", location=location)
    assert os.listdir(tmp_path) == []


def test_without_a_large_weight_there_is_no_data_file(tools, tmp_path):
    written = write(tools.finished(tools.mlp()), tmp_path / "model.onnx", external_data="always")
    assert written.data_path is None
    assert os.listdir(tmp_path) == ["model.onnx"]


def test_tensors_are_aligned_and_large_ones_start_at_a_page(tools):
    sizes = [300, 1 << 18, 1, 5000, 1 << 19]
    values = [tools.weight(f"w{index}", size) for index, size in enumerate(sizes)]
    layout = DataFile.plan(values, "w.data", 1024)
    offsets = {value.name: place.offset for value, place in layout.slices.items()}
    assert offsets == {"w0": 0, "w1": 4096, "w3": 4096 + (1 << 20), "w4": 262 * 4096}
    out = io.BytesIO()
    layout.write_to(out)
    content = out.getvalue()
    assert len(content) == layout.nbytes
    for value, place in layout.slices.items():
        assert content[place.offset : place.offset + place.nbytes] == value.array().tobytes()


def test_the_same_model_gives_the_same_files(tools, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        model = tools.finished(tools.mlp(width=1000))
        write(model, tmp_path / name / "m.onnx", external_data="always")
    for file in ("m.onnx", "m.onnx.data"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_file_object(tools, model):
    out = io.BytesIO()
    written = write(model, out)
    assert written.path is None
    assert written.nbytes == len(out.getvalue())
    (result,) = tools.run_bytes(out.getvalue(), x=X)
    np.testing.assert_allclose(result, tools.mlp_expected(model, X), rtol=1e-5)


def test_a_file_object_that_takes_a_part_at_a_time(model):
    class Slow(io.RawIOBase):
        content = b""

        def writable(self) -> bool:
            return True

        def write(self, data) -> int:
            part = bytes(data[:777])
            self.content += part
            return len(part)

    out = Slow()
    write(model, out)
    assert out.content == encode(model).to_bytes()


def test_an_object_whose_write_returns_nothing(model):
    class Collector:
        content = b""

        def write(self, data):
            self.content += bytes(data)

    out = Collector()
    write(model, out)
    assert out.content == encode(model).to_bytes()


def test_a_model_over_the_limit_does_not_fit_a_file_object_or_a_single_file(model, tmp_path):
    with pytest.raises(WriteFailed, match="Write to a path"):
        write(model, io.BytesIO(), size_limit_bytes=10_000)
    with pytest.raises(WriteFailed, match="external_data=True"):
        write(model, tmp_path / "m.onnx", external_data="never", size_limit_bytes=10_000)
    with pytest.raises(WriteFailed, match="Give a path"):
        write(model, io.BytesIO(), external_data="always")
    assert os.listdir(tmp_path) == []


def test_a_model_that_is_too_large_without_its_weights_is_refused(model, tmp_path):
    with pytest.raises(WriteFailed, match="without its weights"):
        write(model, tmp_path / "m.onnx", size_limit_bytes=100)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("f", [None, 3, object()])
def test_what_is_no_file(model, f):
    with pytest.raises(InvalidArgument, match="a path or a file object"):
        write(model, f)


@pytest.mark.parametrize("f", [b"m.onnx", "m\0.onnx"])
def test_what_is_no_path(model, f):
    with pytest.raises(InvalidArgument):
        write(model, f)


def test_a_missing_folder(model, tmp_path):
    with pytest.raises(WriteFailed, match=r"nowhere does not exist") as caught:
        write(model, tmp_path / "nowhere" / "m.onnx")
    assert caught.value.errno == errno.ENOENT
    assert isinstance(caught.value, OSError)
    assert os.listdir(tmp_path) == []


def test_a_folder_in_place_of_a_file(model, tmp_path):
    with pytest.raises(WriteFailed, match="it is a folder"):
        write(model, tmp_path)
    (tmp_path / "m.onnx.data").mkdir()
    with pytest.raises(WriteFailed, match=r"m\.onnx\.data: it is a folder"):
        write(model, tmp_path / "m.onnx", external_data="always")
    assert os.listdir(tmp_path) == ["m.onnx.data"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs a user whom permissions stop")
def test_a_folder_without_permission(model, tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(WriteFailed, match="Permission denied"):
            write(model, tmp_path / "m.onnx")
    finally:
        tmp_path.chmod(stat.S_IRWXU)
    assert os.listdir(tmp_path) == []


def test_a_file_without_permission_is_not_replaced(model, tmp_path, monkeypatch):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"older")
    monkeypatch.setattr(os, "access", lambda *_args, **_kwargs: False)
    with pytest.raises(WriteFailed, match="Permission denied"):
        write(model, path)
    assert path.read_bytes() == b"older"


@pytest.mark.parametrize("external_data", ["never", "always"])
@pytest.mark.parametrize("capacity", [0, 3000, 16_100, 20_100])
def test_a_disk_that_fills_up_leaves_nothing_behind(model, tmp_path, monkeypatch, external_data, capacity):
    total = sum(value.const.nbytes for value in model.graph.constants())
    assert capacity < total + 300
    disk = Full(capacity)
    real_open = Path.open

    def open_on_full_disk(self, mode="r", *args, **kwargs):
        opened = real_open(self, mode, *args, **kwargs)
        if "x" in mode:
            write_to_file = opened.write

            class Limited:
                def __enter__(self):
                    return self

                def __exit__(self, *_):
                    opened.close()

                def write(self, data):
                    disk.write(data)
                    return write_to_file(data)

            return Limited()
        return opened

    monkeypatch.setattr(Path, "open", open_on_full_disk)
    (tmp_path / "m.onnx").write_bytes(b"older")
    (tmp_path / "m.onnx.data").write_bytes(b"older data")
    with pytest.raises(WriteFailed, match="no space is left on the device") as caught:
        write(model, tmp_path / "m.onnx", external_data=external_data)
    assert caught.value.errno == errno.ENOSPC
    assert sorted(os.listdir(tmp_path)) == ["m.onnx", "m.onnx.data"]
    assert (tmp_path / "m.onnx").read_bytes() == b"older"
    assert (tmp_path / "m.onnx.data").read_bytes() == b"older data"


def test_a_file_object_that_is_full(model):
    with pytest.raises(WriteFailed, match="cannot write the file object: no space is left"):
        write(model, Full(5000))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_device(model):
    with pytest.raises(WriteFailed, match="no space is left on the device"):
        write(model, "/dev/full")
    assert Path("/dev/full").is_char_device()


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="needs /dev/null")
def test_a_device_is_written_to_and_not_replaced(model):
    write(model, "/dev/null")
    assert Path("/dev/null").is_char_device()
    with pytest.raises(WriteFailed, match="Give a path"):
        write(model, "/dev/null", external_data="always")


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("external_data", ["never", "always"])
def test_any_error_leaves_nothing_behind(model, tmp_path, error, external_data):
    def fail(_array):
        raise error

    weight = model.graph.constants()[1]
    weight.const = LazyTensor(weight.const, fail, DType.FLOAT32, weight.const.shape)
    with pytest.raises(error):
        write(model, tmp_path / "m.onnx", external_data=external_data)
    assert os.listdir(tmp_path) == []


def test_what_a_failed_export_wrote_to_a_file_object_is_taken_back(tools, tmp_path):
    model = tools.finished(tools.mlp(width=2000))

    def fail(_array):
        raise OSError(errno.EIO, "broken")

    weight = model.graph.constants()[1]
    weight.const = LazyTensor(weight.const, fail, DType.FLOAT32, weight.const.shape)
    with (tmp_path / "m.onnx").open("w+b") as out:
        out.write(b"before")
        with pytest.raises(WriteFailed):
            write(model, out)
        out.seek(0)
        assert out.read() == b"before"


def test_unsuitable_file_objects(model, tmp_path):
    path = tmp_path / "m.onnx"
    with path.open("w") as out, pytest.raises(WriteFailed, match='mode "wb"'):
        write(model, out)
    with path.open("wb") as out:
        pass
    with pytest.raises(WriteFailed, match="closed"):
        write(model, out)
    with path.open("rb") as out, pytest.raises(WriteFailed, match="not open for writing"):
        write(model, out)


def test_if_the_model_cannot_be_put_in_place_the_data_file_is_taken_back(model, tmp_path, monkeypatch):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"older")
    data = tmp_path / "m.onnx.data"
    real_replace = Path.replace

    def replace(self, target):
        if Path(target) == path:
            raise OSError(errno.EIO, "Input/output error")
        return real_replace(self, target)

    for older in (None, b"older data"):
        if older is not None:
            data.write_bytes(older)
        monkeypatch.setattr(Path, "replace", replace)
        with pytest.raises(WriteFailed, match="cannot write"):
            write(model, path, external_data="always")
        monkeypatch.undo()
        assert path.read_bytes() == b"older"
        assert (data.read_bytes() if data.exists() else None) == older
        assert len(os.listdir(tmp_path)) == 1 + (older is not None)


def test_files_are_replaced(tools, model, tmp_path):
    path = tmp_path / "m.onnx"
    for external_data in ("always", "always", "never"):
        path.write_bytes(b"older")
        write(model, path, external_data=external_data)
        check_runs(tools, model, path)
    assert sorted(os.listdir(tmp_path)) == ["m.onnx", "m.onnx.data"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_permissions_are_those_of_the_older_file_or_of_any_new_file(model, tmp_path):
    older, fresh, plain = tmp_path / "older.onnx", tmp_path / "fresh.onnx", tmp_path / "plain"
    older.touch()
    older.chmod(0o640)
    plain.touch()
    write(model, older)
    write(model, fresh)
    assert stat.S_IMODE(older.stat().st_mode) == 0o640
    assert fresh.stat().st_mode == plain.stat().st_mode


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege there")
def test_a_symbolic_link_is_replaced_and_not_followed(model, tmp_path):
    target, link = tmp_path / "precious", tmp_path / "m.onnx"
    target.write_bytes(b"precious")
    link.symlink_to(target)
    write(model, link)
    assert target.read_bytes() == b"precious"
    assert not link.is_symlink()


def test_a_model_is_not_written_over_its_own_weights(model, tmp_path):
    path = tmp_path / "m.onnx"
    write(model, path, external_data="always")
    before = (tmp_path / "m.onnx.data").read_bytes()
    loaded = load(path)
    with pytest.raises(WriteFailed, match="weights of this model are read from that file"):
        write(loaded, path, external_data="always")
    assert (tmp_path / "m.onnx.data").read_bytes() == before
    write(loaded, tmp_path / "other.onnx", external_data="always")
    assert (tmp_path / "other.onnx.data").read_bytes() == before
    write(loaded, path)
    assert path.stat().st_size > 16_000


def test_where_a_transformed_tensor_comes_from(tmp_path):
    tensor = FileTensor(tmp_path / "w", 0, DType.FLOAT32, (2,))
    lazy = LazyTensor(tensor, np.negative, DType.FLOAT32, (2,))
    assert reads_from(lazy, tmp_path / "w")
    assert not reads_from(lazy, tmp_path / "v")
    assert not reads_from(ArrayTensor.of([1.0]), tmp_path / "w")


def test_a_missing_source_of_weights_is_named(model, tmp_path):
    weight = model.graph.constants()[0]
    weight.const = FileTensor(tmp_path / "gone.bin", 0, DType.FLOAT32, weight.const.shape)
    with pytest.raises(WriteFailed, match=r"weights cannot be read from .*gone\.bin"):
        write(model, tmp_path / "m.onnx")
    assert os.listdir(tmp_path) == []


def test_a_source_of_weights_that_ends_early(model, tmp_path):
    (tmp_path / "short.bin").write_bytes(b"1234")
    weight = model.graph.constants()[0]
    weight.const = FileTensor(tmp_path / "short.bin", 0, DType.FLOAT32, weight.const.shape)
    with pytest.raises(WriteFailed, match=r"short\.bin ends 15996 bytes before its tensor does"):
        write(model, tmp_path / "m.onnx")
    assert os.listdir(tmp_path) == ["short.bin"]


def test_weights_that_are_views_are_written_in_order(tools, tmp_path):
    model = tools.finished(tools.mlp(width=1000))
    weight = model.graph.constants()[0]
    source = np.random.default_rng(0).standard_normal((1000, 4)).astype(np.float32)
    weight.const = LazyTensor(ArrayTensor.of(source), np.transpose, DType.FLOAT32, (4, 1000))
    write(model, tmp_path / "m.onnx", external_data="always")
    check_runs(tools, model, tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx.data").read_bytes()[:16000] == source.T.tobytes()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("external_data", ["never", "always"])
def test_writing_takes_little_memory_beside_the_weights(tmp_path, external_data):
    program = textwrap.dedent(
        f"""
        import numpy as np
        from onnxport_ir import ArrayTensor, Block, DType, LazyTensor, Model, Node, TensorType, Value
        from onnxport_ir.naming import assign_names
        from onnxport_ir.write import write

        def peak():
            with open("/proc/self/status") as status:
                return int(next(line for line in status if line.startswith("VmHWM")).split()[1])

        value = x = Value(TensorType(DType.FLOAT32, (1, 1024)), name="x")
        nodes = []
        for number in range(16):
            weight = ArrayTensor.of(np.full((1024, 1024), number, np.float32))
            if number % 2:
                weight = LazyTensor(weight, np.transpose, DType.FLOAT32, (1024, 1024))
            nodes.append(Node("MatMul", [value, Value.weight(weight, f"w{{number}}")], result_types=[x.value_type]))
            value = nodes[-1].result
        model = Model(Block([x], nodes, [value]), {{"": 17}}, ir_version=8)
        assign_names(model)
        before = peak()
        write(model, {str(tmp_path / "m.onnx")!r}, external_data={external_data!r})
        print(peak() - before)
        """
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    # 64 MiB of weights; what is left is the interpreter's own growth.
    assert int(result.stdout) < 16 * 1024
    assert (tmp_path / "m.onnx").exists()


def test_text_and_empty_weights_stay_in_the_model(tools, tmp_path):
    values = [
        Value.weight(ArrayTensor.of(np.array(["a" * 2000] * 200, object)), "text"),
        Value.weight(ArrayTensor.of(np.zeros((0, 5), np.float32)), "empty"),
    ]
    assert DataFile.plan(values, "w", 0).slices == {}
