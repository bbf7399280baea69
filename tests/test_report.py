"""``report`` and ``profile``: what an export tells of itself."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import onnxport
import pytest
import torch
from onnxport.errors import CaptureFailed, InvalidArgument, UnsupportedOperators, VerificationFailed, WriteFailed
from torch import Tensor, nn


@torch.library.custom_op("report_test::opaque", mutates_args=())
def opaque(x: Tensor) -> Tensor:
    return x + 1


@torch.library.custom_op("report_test::lattice", mutates_args=())
def lattice(x: Tensor) -> Tensor:
    return x + 2


class Model(nn.Module):
    """Freezes a size, and is right for it alone by name only."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = x * int(x.shape[0] > 0)
        return torch.relu(self.linear(x)) + torch.relu(x)


class Unsupported(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(_Lattice())

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + opaque(x)


class _Lattice(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return lattice(lattice(x))


def tables(text: str) -> dict[str, list[list[str]]]:
    """The rows of each table of a report, without the head, by the heading above it."""
    found = {}
    for title, body in re.findall(r"^## (.+?)\n\n((?:\|.*\n?)+)", text, flags=re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in body.splitlines()]
        found[title] = rows[2:]
    return found


def test_a_report_says_what_was_done(tmp_path: Path) -> None:
    folder = tmp_path / "reports" / "today"
    program = onnxport.export(
        Model(),
        (torch.randn(2, 4),),
        tmp_path / "small.onnx",
        report=True,
        artifacts_dir=folder,
        verify=True,
        dynamic_axes={"x": {0: "batch"}},
    )
    assert program.report == folder / "small.report.md"
    text = program.report.read_text(encoding="utf-8")
    assert text.startswith("# Export of `Model`: succeeded\n")
    found = tables(text)
    assert [row[0] for row in found["Stages"]] == ["capture", "lower", "passes", "check", "verify", "write"]
    assert ["aten::relu", "2"] in found["Operators of torch"]
    assert ["Gemm", "1"] in found["Operators of ONNX"]
    assert "2 weights of 80 bytes" in text
    assert "Ran with batch=4." in text
    ((name, kind, _, _, result),) = found["Verification on the example"]
    assert (name, kind, result) == ("output", "float32[2, 4]", "agrees")
    line = Model.forward.__code__.co_firstlineno + 1
    frozen = [row[2] for row in found["Frozen values and writes"]]
    assert frozen == [f"test_report.py:{line}, in forward"]
    versions = dict(found["Versions"])
    assert versions["torch"] == torch.__version__
    assert versions["Python"] == ".".join(map(str, sys.version_info[:3]))


def test_a_report_of_an_export_without_file_is_called_after_the_class(tmp_path: Path) -> None:
    onnxport.export(Model(), (torch.randn(2, 4),), report=True, artifacts_dir=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["Model.report.md"]


def test_without_it_nothing_is_written(tmp_path: Path) -> None:
    program = onnxport.export(Model(), (torch.randn(2, 4),), artifacts_dir=tmp_path)
    assert program.report is None
    assert program.operator_timings is None
    assert not list(tmp_path.iterdir())


def test_a_failed_export_leaves_a_report_with_all_operators(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOperators) as caught:
        onnxport.export(
            Unsupported(), (torch.ones(2),), tmp_path / "m.onnx", report=True, artifacts_dir=tmp_path / "why"
        )
    path = tmp_path / "why" / "m.report.md"
    assert caught.value.__notes__ == [f"Report: {path}"]
    assert not (tmp_path / "m.onnx").exists()
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# Export of `Unsupported`: failed\n")
    assert "OXP101: 2 operators cannot be converted" in text
    rows = tables(text)["Unsupported operators"]
    line = _Lattice.forward.__code__.co_firstlineno + 1
    assert [(row[0], row[2], row[3]) for row in rows] == [
        ("report_test::lattice", f"test_report.py:{line}, in forward, module inner.0", "2"),
        (
            "report_test::opaque",
            f"test_report.py:{Unsupported.forward.__code__.co_firstlineno + 1}, in forward",
            "1",
        ),
    ]
    assert all("Register a symbolic function" in row[4] for row in rows)
    assert "Operators of ONNX" not in tables(text)


def test_errors_before_the_lowering_are_reported_too(tmp_path: Path) -> None:
    class Raising(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError(f"no weights in {tmp_path}{os.sep}weights.bin")

    with pytest.raises(CaptureFailed):
        onnxport.export(Raising(), (torch.ones(2),), report=True, artifacts_dir=tmp_path)
    text = (tmp_path / "Raising.report.md").read_text(encoding="utf-8")
    assert "OXP201" in text
    assert "weights.bin" in text


def test_a_failed_verification_is_in_the_report(tmp_path: Path) -> None:
    with pytest.raises(VerificationFailed):
        onnxport.export(
            nn.Softmax(-1),
            (torch.randn(64),),
            report=True,
            artifacts_dir=tmp_path,
            verify=onnxport.VerifyOptions(rtol=0.0, atol=-1.0),
        )
    text = (tmp_path / "Softmax.report.md").read_text(encoding="utf-8")
    assert "OXP401" in text
    ((_, _, _, _, result),) = tables(text)["Verification on the example"]
    assert result.startswith("its largest error is")


def test_no_folder_of_this_machine_is_in_a_report(tmp_path: Path) -> None:
    class Raising(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError(f"see {__file__} and {Path.home() / 'data' / 'x.bin'} and {torch.__file__}")

    onnxport.export(Model(), (torch.randn(2, 4),), report=True, artifacts_dir=tmp_path, dynamic_axes={"x": [0]})
    for model in (Unsupported(), Raising()):
        with pytest.raises(onnxport.OnnxExporterError):
            onnxport.export(model, (torch.ones(2),), report=True, artifacts_dir=tmp_path)
    reports = [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()]
    assert len(reports) == 3
    for folder in (tmp_path, Path.cwd(), Path.home(), Path(torch.__file__).parents[1], Path(__file__).parent):
        assert not any(f"{folder}{os.sep}" in text for text in reports)
    assert any("x.bin" in text for text in reports)


def test_cells_stay_in_their_table(tmp_path: Path) -> None:
    class Named(nn.Module):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"a|b\nc": x + 1}

    program = onnxport.export(Named(), (torch.ones(2),), report=True, artifacts_dir=tmp_path, verify=True)
    assert program.report is not None
    assert r"| a\|b c" in program.report.read_text(encoding="utf-8")


def test_a_report_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    with pytest.raises(WriteFailed, match="cannot write the report"):
        onnxport.export(Model(), (torch.randn(2, 4),), report=True, artifacts_dir=tmp_path / "file")
    with pytest.raises(UnsupportedOperators) as caught:
        onnxport.export(Unsupported(), (torch.ones(2),), report=True, artifacts_dir=tmp_path / "file")
    assert "cannot write the report" in caught.value.__notes__[0]


def test_a_profile_has_the_time_of_each_operator(tmp_path: Path) -> None:
    program = onnxport.export(Model(), (torch.randn(2, 4),), profile=True, report=True, artifacts_dir=tmp_path)
    timings = program.operator_timings
    assert timings is not None
    assert timings["aten::relu"].calls == 2
    assert 0 < sum(timing.seconds for timing in timings.values()) < program.timings["lower"]
    assert program.report is not None
    rows = {row[0]: row[1:] for row in tables(program.report.read_text(encoding="utf-8"))["Operators of torch"]}
    assert rows["aten::relu"][:2] == ["2", "2"]
    assert rows["aten::relu"][2] == f"{timings['aten::relu'].seconds:.4f}"


def test_a_profiled_export_gives_the_same_model() -> None:
    model, args = Model(), (torch.randn(2, 4),)
    plain = onnxport.export(model, args).model_proto.SerializeToString()
    assert onnxport.export(model, args, profile=True).model_proto.SerializeToString() == plain


# --- the passes ------------------------------------------------------------------------------------------------------


class Transposed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4))

    def forward(self, x: Tensor) -> Tensor:
        unused = x.exp().sin()
        return x @ self.weight.t() + unused.shape[0]


@pytest.mark.parametrize(
    ("optimize", "operators"),
    [
        (True, {"MatMul", "Add"}),
        (["dead-code", "transpose-weights"], {"MatMul", "Add"}),
        (["transpose-weights", "dead-code"], {"MatMul", "Add"}),
        ("transpose-weights", {"MatMul", "Add"}),
        (["dead-code"], {"MatMul", "Add", "Transpose"}),
        ([], {"MatMul", "Add", "Transpose"}),
        (False, {"MatMul", "Add", "Transpose"}),
    ],
    ids=lambda value: None if isinstance(value, set) else str(value),  # the order of a set changes from run to run
)
def test_passes_run_by_name(optimize: object, operators: set[str]) -> None:
    program = onnxport.export(Transposed(), (torch.randn(2, 4),), optimize=optimize, verify=True)
    found = {node.op_type for node in program.model_proto.graph.node}
    assert operators <= found
    assert ("Transpose" in found) == ("Transpose" in operators)


@pytest.mark.parametrize("optimize", [["dead-kode"], "all", 3, {"dead-code": 1}])
def test_unknown_passes_are_refused_with_those_that_there_are(optimize: object) -> None:
    with pytest.raises(InvalidArgument, match=r"'dead-code', .*'transpose-weights', .*'onnxscript'"):
        onnxport.export(Transposed(), (torch.randn(2, 4),), optimize=optimize)


class Foldable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.arange(6.0))

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.sqrt(self.table)


def test_the_optimizer_of_onnxscript_is_a_choice(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    x = torch.randn(2, 6)
    plain = onnxport.export(Foldable(), (x,))
    program = onnxport.export(Foldable(), (x,), tmp_path / "m.onnx", optimize=["onnxscript"], verify=True)
    assert [node.op_type for node in plain.model_proto.graph.node] == ["Sqrt", "Add"]
    assert [node.op_type for node in program.model_proto.graph.node] == ["Add"]
    torch.testing.assert_close(program(x), Foldable()(x))
    assert (tmp_path / "m.onnx").stat().st_size > 0


def test_the_optimizer_of_onnxscript_needs_it_and_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgument, match="needs the weights"):
        onnxport.export(Foldable(), (torch.ones(6),), optimize=["onnxscript"], export_params=False)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(onnxport.OnnxExporterError, match=r"pip install 'onnxport\[onnxscript\]'"):
        onnxport.export(Foldable(), (torch.ones(6),), optimize=["onnxscript"])
