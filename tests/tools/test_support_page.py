from __future__ import annotations

import json

import pytest

from tools import support_page


def write(folder, opset, **outcomes):
    cases = [{"variant": name, "dtype": "float32", "outcome": outcome} for name, outcome in outcomes.items()]
    document = {"opset": opset, "torch": "2.13.0", "onnx": "1.23.2", "cases": cases}
    (folder / f"opset{opset}.json").write_text(json.dumps(document))
    return folder / f"opset{opset}.json"


def test_overloads_are_named_unless_a_handler_covers_all():
    table = support_page.operator_table(["aten::add", "aten::sum.dim_IntList", "aten::sum.default", "aten::add.Tensor"])
    assert "2 operators;" in table
    assert "| `aten::add` | all |" in table
    assert "| `aten::sum` | `default`, `dim_IntList` |" in table


def test_without_measurements_the_page_says_so():
    assert "There are no measurements" in support_page.measured_tables([])


def test_measurements_are_counted_and_listed_by_opset(tmp_path):
    late = support_page.Measurement.read(write(tmp_path, 18, add="passed", sub="passed", fft="refused", rand="skipped"))
    early = support_page.Measurement.read(write(tmp_path, 9, add="passed", sub="wrong"))
    text = support_page.measured_tables([early, late])
    assert "| 9 | 1 | 0 | 1 | 0 | 2 |" in text
    assert "| 18 | 2 | 1 | 0 | 0 | 3 |" in text
    assert "| `sub` | float32 | wrong | passed |" in text
    assert "| `fft` | float32 |  | refused |" in text
    assert "With torch 2.13.0, onnx 1.23.2." in text


def test_an_unknown_outcome_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="maybe"):
        support_page.Measurement.read(write(tmp_path, 18, add="maybe"))


def test_the_page_lists_the_built_in_handlers(tmp_path):
    from onnxport_symbolics import default_registry  # noqa: PLC0415 - the tests above need no package

    text = support_page.render(tmp_path / "missing")
    names = {f"| `{handler.name.base}` |" for handler in default_registry(plugins=False)}
    assert names
    assert all(name in text for name in names)
