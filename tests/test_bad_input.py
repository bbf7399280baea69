"""What cannot be exported: a specific error each, nothing left on disk, the model as it was."""

from __future__ import annotations

import errno
import io
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxport
import pytest
import torch
from onnxport.errors import (
    CaptureFailed,
    InvalidArgument,
    NeedsOpset,
    OnnxExporterError,
    UnknownOpset,
    UnsupportedOperators,
    WriteFailed,
)
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.linear(x) + y


ARGS = (torch.ones(2, 3), torch.ones(2, 4))


def line_with(marker: str) -> int:
    """The number of the line of this file that ends in a comment."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    (number,) = (index for index, line in enumerate(lines, 1) if line.endswith(f"  # {marker}"))
    return number


def refused(
    expected: type[OnnxExporterError], code: str, folder: Path, model: Any, args: Any = ARGS, **options: Any
) -> OnnxExporterError:
    """Export to a new file in ``folder`` and return the error, after a look at what it has left behind."""
    older = folder / "older.onnx"
    older.write_bytes(b"older")
    state = {name: (tensor, tensor._version) for name, tensor in _state(model).items()}
    modes = [module.training for module in model.modules()] if isinstance(model, nn.Module) else []
    for path in (folder / "new.onnx", older):
        with pytest.raises(expected) as caught:
            onnxport.export(model, args, path, **options)
    assert type(caught.value) is expected
    assert caught.value.code == code
    assert f"[{code}]" in str(caught.value)
    assert str(caught.value).endswith(f"errors/{code}")
    assert [path.name for path in folder.iterdir()] == ["older.onnx"]
    assert older.read_bytes() == b"older"
    assert {name: (tensor, tensor._version) for name, tensor in _state(model).items()}.keys() == state.keys()
    for name, tensor in _state(model).items():
        assert tensor is state[name][0]
        assert tensor._version == state[name][1]
    if isinstance(model, nn.Module):
        assert [module.training for module in model.modules()] == modes
    assert not torch.onnx.is_in_onnx_export()
    assert torch.is_grad_enabled()
    return caught.value


def _state(model: Any) -> dict[str, Tensor]:
    return model.state_dict(keep_vars=True) if isinstance(model, nn.Module) else {}


# --- operators -------------------------------------------------------------------------------------------------------


LIBRARY = torch.library.Library("bad_input", "DEF")
for name in ("first", "second"):
    LIBRARY.define(f"{name}(Tensor x) -> Tensor")
    LIBRARY.impl(name, lambda x: x + 1, "CompositeExplicitAutograd")


class Inner(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.bad_input.first(x)  # the first unknown


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Inner(), Inner()])

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return torch.ops.bad_input.second(x)  # the second unknown


def test_unsupported_operators_are_reported_all_at_once(tmp_path: Path) -> None:
    error = refused(UnsupportedOperators, "OXP101", tmp_path, Outer(), torch.eye(3))
    assert isinstance(error, UnsupportedOperators)
    found = {
        (refusal.op, place.module, place.line)
        for refusal in error.refusals
        for place in [refusal.error.where]
        if place is not None
    }
    assert {entry for entry in found if entry[0] == "bad_input::first"} == {
        ("bad_input::first", "blocks.0", line_with("the first unknown")),
        ("bad_input::first", "blocks.1", line_with("the first unknown")),
    }
    assert {entry[2] for entry in found if entry[0] != "bad_input::first"} == {line_with("the second unknown")}
    assert all(refusal.error.where.file == __file__ for refusal in error.refusals if refusal.error.where)
    text = str(error)
    assert f"{__file__}:{line_with('the first unknown')}, in forward, module blocks.0" in text
    assert "2 operators cannot be converted: bad_input::first, bad_input::second" in text


class Newer(torch.autograd.Function):
    """An operator of ONNX itself, which is not expressed in others."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return nn.functional.gelu(x)

    @staticmethod
    def symbolic(g: Any, x: Any) -> Any:
        return g.op("Gelu", x)


def test_an_opset_that_is_too_old_is_named(tmp_path: Path) -> None:
    class Model(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return Newer.apply(x)  # needs a later opset

    error = refused(NeedsOpset, "OXP102", tmp_path, Model(), torch.eye(3), opset_version=8)
    assert isinstance(error, NeedsOpset)
    assert (error.needs, error.target) == (20, 8)
    assert error.where is not None
    assert error.where.line == line_with("needs a later opset")
    assert "opset_version=20" in str(error)


# --- arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opset", [6, 0, -1, onnxport.NEWEST_OPSET + 1, True, "18", 18.0])
def test_unknown_opset(opset: Any, tmp_path: Path) -> None:
    error = refused(UnknownOpset, "OXP002", tmp_path, Model(), opset_version=opset)
    assert str(opset) in str(error)
    assert isinstance(error, ValueError)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_names": ["a", "a"]}, "'a' more than once"),
        ({"input_names": [""]}, "empty name"),
        ({"input_names": "xy"}, "sequence of texts"),
        ({"input_names": [1, 2]}, "sequence of texts"),
        ({"input_names": list("abcde")}, "1 names more than the model has inputs and parameters"),
        ({"output_names": ["a", "b"]}, "output_names has 2 names, the model has 1 outputs"),
        ({"input_names": ["a"], "output_names": ["a"]}, "'a' is both"),
        ({"dynamic_axes": {"z": {0: "n"}}}, "dynamic_axes names 'z'"),
        ({"dynamic_axes": {"x": {2: "n"}}}, "axis 2 is out of range for a tensor of rank 2"),
        ({"dynamic_axes": {"x": {-3: "n"}}}, "axis -3 is out of range"),
        ({"dynamic_axes": {"output": [5]}}, "axis 5 is out of range"),
        ({"dynamic_axes": {"x": {"0": "n"}}}, "axis '0' is no integer"),
        ({"dynamic_axes": {"x": {0: ""}}}, "no name for a dimension"),
        ({"dynamic_axes": {"x": 0}}, "neither a mapping of axes to names nor a sequence of axes"),
        ({"dynamic_axes": {"x": [0, -2]}}, "axis 0 occurs twice"),
        ({"dynamic_axes": {"x": {1: "n"}, "y": {1: "n"}}}, "dynamic axis 'n' has size 3 in x[1] and 4 in y[1]"),
        ({"training": "eval"}, "no TrainingMode"),
    ],
)
def test_names_and_axes_that_do_not_fit(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    assert message in str(refused(InvalidArgument, "OXP001", tmp_path, Model(), **options))


def test_all_names_that_do_not_fit_are_said_at_once(tmp_path: Path) -> None:
    options = {"input_names": ["a", "a"], "dynamic_axes": {"z": [0]}, "output_names": ["b", "c"]}
    text = str(refused(InvalidArgument, "OXP001", tmp_path, Model(), **options))
    assert all(part in text for part in ("'a' more than once", "names 'z'", "output_names has 2 names"))


@pytest.mark.parametrize(
    ("model", "args", "message"),
    [
        (Model(), (torch.ones(2, 3),), "missing a required argument: 'y'"),
        (Model(), (*ARGS, torch.ones(1)), "too many positional arguments"),
        (Model, ARGS, "is a class"),
        (lambda x, y: x, ARGS, "no model"),
        ("model.pt", ARGS, "no model"),
    ],
    ids=["missing", "too-many", "class", "function", "text"],
)
def test_calls_and_models_that_do_not_fit(model: Any, args: Any, message: str, tmp_path: Path) -> None:
    assert message in str(refused(InvalidArgument, "OXP001", tmp_path, model, args))


# --- the model -------------------------------------------------------------------------------------------------------


def test_a_forward_that_raises(tmp_path: Path) -> None:
    class Raising(Model):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            self.eval()
            raise KeyError("left out")  # raises

    error = refused(CaptureFailed, "OXP201", tmp_path, Raising())
    assert isinstance(error.__cause__, KeyError)
    assert "the model raised KeyError: 'left out'" in str(error)
    assert error.where is not None
    assert (error.where.file, error.where.line) == (__file__, line_with("raises"))


def test_weights_without_data(tmp_path: Path) -> None:
    model = Model()
    model.linear = nn.Linear(3, 4, device="meta")
    error = refused(CaptureFailed, "OXP201", tmp_path, model)
    assert "meta" in str(error)
    assert "linear.weight" in str(error)


def test_inputs_without_data(tmp_path: Path) -> None:
    error = refused(CaptureFailed, "OXP201", tmp_path, Model(), (torch.ones(2, 3, device="meta"), torch.ones(2, 4)))
    assert "meta" in str(error)
    assert "x" in str(error)


# --- the file --------------------------------------------------------------------------------------------------------


def test_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    before = sorted(tmp_path.rglob("*"))
    for path in (tmp_path / "missing" / "m.onnx", tmp_path / "file" / "m.onnx", tmp_path):
        with pytest.raises(WriteFailed) as caught:
            onnxport.export(Model(), ARGS, path)
        assert caught.value.code == "OXP301"
        assert str(tmp_path) in str(caught.value)
        assert isinstance(caught.value, OSError)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.getuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(WriteFailed, match="ermission"):
            onnxport.export(Model(), ARGS, tmp_path / "m.onnx")
    finally:
        tmp_path.chmod(0o700)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_full_device() -> None:
    with pytest.raises(WriteFailed, match="no space is left") as caught:
        onnxport.export(Model(), ARGS, "/dev/full")
    assert caught.value.code == "OXP301"
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(WriteFailed, match="no space is left"):
        onnxport.export(Model(), ARGS, full)


class Filling(io.RawIOBase):
    """A disk with room for some bytes, behind an open file."""

    def __init__(self, room: int) -> None:
        self.room = room

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        taken = min(self.room, len(data))
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= taken
        return taken


@pytest.mark.parametrize("room", [0, 1, 100, 30_000])
@pytest.mark.parametrize("buffered", [False, True])
def test_a_file_object_that_fills_up(room: int, buffered: bool) -> None:
    model, x = nn.Linear(100, 100), torch.ones(1, 100)
    raw = Filling(room)
    file = io.BufferedWriter(raw) if buffered else raw
    with pytest.raises(WriteFailed, match="no space is left"):
        onnxport.export(model, x, file)
    raw.room = 1 << 30  # a buffer is written again when it goes away
    onnxport.export(model, x, io.BytesIO())


@pytest.mark.parametrize("room", [0, 1000, 30_000, 50_000])
@pytest.mark.parametrize("external_data", [False, True])
def test_a_disk_that_fills_up(room: int, external_data: bool, tmp_path: Path, limited: Callable[[int], None]) -> None:
    program = onnxport.export(nn.Linear(100, 200), torch.ones(1, 100))
    path = tmp_path / "m.onnx"
    path.write_bytes(b"older")
    limited(room)
    with pytest.raises(WriteFailed) as caught:
        program.save(path, external_data=external_data)
    assert caught.value.code == "OXP301"
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.onnx"]
    assert path.read_bytes() == b"older"


@pytest.fixture
def limited() -> Any:
    """Limits the size of files that this process writes: a write fails in its middle, as on a full disk."""
    resource = pytest.importorskip("resource", reason="limits of a process are a feature of Unix")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("f", [3.5, object(), ["m.onnx"], io.StringIO()], ids=["number", "object", "list", "text"])
def test_what_is_no_file(f: Any) -> None:
    with pytest.raises((InvalidArgument, WriteFailed)):
        onnxport.export(Model(), ARGS, f)
