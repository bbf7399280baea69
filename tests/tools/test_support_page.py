from __future__ import annotations

import json

import pytest

from tools import support_page
from tools.support_page import Measurements


def write(folder, opset, *, operators=(), dtype="float32", detail="", **statuses):
    cases = [
        {
            "name": n,
            "dtype": dtype,
            "opset": opset,
            "status": s,
            "detail": detail if s != "pass" else "",
            "by_type_only": n == "rand",
            "operators": operators,
        }
        for n, s in statuses.items()
    ]
    path = folder / f"opset{opset}-{dtype}.json"
    path.write_text(json.dumps({"versions": {"torch": "2.13.0", "onnx": "1.23.2"}, "cases": cases}))
    return path


def test_overloads_are_named_unless_a_handler_covers_all():
    names = ["aten::add", "aten::sum.dim_IntList", "aten::sum.default", "aten::add.Tensor"]
    table = support_page.operator_table(names, Measurements())
    assert "2 operators;" in table
    assert "| `aten::add` | all |" in table
    assert "| `aten::sum` | `default`, `dim_IntList` |" in table


def test_an_operator_shows_its_cases_at_the_newest_opset(tmp_path):
    old = write(tmp_path, 9, operators=["aten::add.Tensor"], add="wrong")
    new = write(tmp_path, 18, operators=["aten::add.Tensor"], add="pass", sub="refused", mul="pass")
    table = support_page.operator_table(["aten::add", "aten::mul"], Measurements.of_runs([old, new]))
    assert "| operator | overloads | passes from opset | cases passed at opset 18 |" in table
    assert "| `aten::add` | all | 18 | 2 of 3 |" in table
    assert "| `aten::mul` | all |  |  |" in table


def test_without_measurements_the_page_says_so():
    assert "There are no measurements" in support_page.measured_tables(Measurements())


def test_measurements_are_counted_and_listed_by_opset(tmp_path):
    late = write(tmp_path, 18, add="pass", sub="pass", fft="refused", rand="pass", svd="skip")
    early = write(tmp_path, 9, add="pass", sub="wrong")
    text = support_page.measured_tables(Measurements.of_runs([late, early]))
    assert "| float32, int64, bool | 9 | 1 | 0 | 1 | 0 | 0 | 0 | 0 | 2 | 50.0 % |" in text
    assert "| float32, int64, bool | 18 | 3 | 1 | 0 | 0 | 0 | 0 | 0 | 4 | 75.0 % |" in text
    assert "| `sub` | float32 | wrong | passed |" in text
    assert "| `fft` | float32 |  | refused |" in text
    assert "| `rand` | float32 |  | passed (types) |" in text
    assert "svd" not in text
    assert "With torch 2.13.0, onnx 1.23.2." in text


def test_other_element_types_are_counted_apart(tmp_path):
    runs = [write(tmp_path, 18, add="pass"), write(tmp_path, 18, dtype="float16", add="pass", sub="wrong")]
    text = support_page.measured_tables(Measurements.of_runs(runs))
    assert "| float32, int64, bool | 18 | 1 | 0 | 0 | 0 | 0 | 0 | 0 | 1 | 100.0 % |" in text
    assert "| float16 | 18 | 1 | 0 | 1 | 0 | 0 | 0 | 0 | 2 | 50.0 % |" in text


def test_refusals_are_listed_by_reason(tmp_path):
    message = "UnsupportedCase: [OXP104] a sparse tensor|matrix\n  at model.py:3"
    runs = [write(tmp_path, 18, detail=message, mm="refused", add="pass"), write(tmp_path, 9, detail="x", mm="refused")]
    text = support_page.measured_tables(Measurements.of_runs(runs))
    assert "### What is refused at opset 18, and why" in text
    assert r"| a sparse tensor\|matrix | `mm` (float32) |" in text
    assert "| x |" not in text


def test_an_unknown_status_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="maybe"):
        Measurements.of_runs([write(tmp_path, 18, add="maybe")])


def test_the_page_lists_the_built_in_handlers(tmp_path):
    from onnxport_symbolics import default_registry  # noqa: PLC0415 - the tests above need no package

    text = support_page.render(tmp_path)
    names = {f"| `{handler.name.base}` |" for handler in default_registry(plugins=False)}
    assert names
    assert all(name in text for name in names)


def test_what_is_recorded_is_read_again(tmp_path):
    runs = [
        write(tmp_path, 9, operators=["aten::add.Tensor"], add="pass", sub="wrong", rand="pass"),
        write(tmp_path, 18, operators=["aten::add.Tensor"], detail="why", add="pass", sub="refused", svd="skip"),
    ]
    measured = Measurements.of_runs(runs)
    path = tmp_path / "docs" / "coverage.json"
    measured.record(path)
    assert Measurements.recorded(path) == measured
    assert len(path.read_text().splitlines()) == len({"add", "sub", "rand"}) + 2


def test_an_operator_has_passed_from_its_lowest_opset_on(tmp_path):
    runs = [
        write(tmp_path, 18, operators=["aten::add.Tensor", "aten::mul"], add="pass"),
        write(tmp_path, 9, operators=["aten::add.out"], add="pass", mul="pass"),
        write(tmp_path, 7, operators=["aten::add.Tensor", "aten::sub"], add="wrong"),
    ]
    assert Measurements.of_runs(runs).first_opsets() == {"aten::add": 9, "aten::mul": 18}


def test_recording_writes_both_files(tmp_path):
    (tmp_path / support_page.FIRST_OPSETS).parent.mkdir(parents=True)
    run = write(tmp_path, 9, operators=["aten::add.Tensor"], add="pass")
    assert support_page.record([run], tmp_path) == "1 outcomes at 1 opsets, 1 operators"
    assert json.loads((tmp_path / support_page.FIRST_OPSETS).read_text()) == {"first_opset": {"aten::add": 9}}
    assert "| float32, int64, bool | 9 | 1 | 0 | 0 | 0 | 0 | 0 | 0 | 1 | 100.0 % |" in support_page.render(tmp_path)
    support_page.record([run], tmp_path, "0a1b2c3")
    assert "With torch 2.13.0, onnx 1.23.2, onnxport at 0a1b2c3." in support_page.render(tmp_path)


def test_both_files_are_of_the_same_measurements():
    measured = Measurements.recorded(support_page.ROOT / support_page.RECORDS)
    kept = json.loads((support_page.ROOT / support_page.FIRST_OPSETS).read_text())
    assert kept == {"first_opset": measured.first_opsets()}
