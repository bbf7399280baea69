"""The documentation says what is: one page per error, and code that runs."""

from __future__ import annotations

import inspect
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import onnxport
import pytest
from onnxport_ir import errors

ROOT = Path(__file__).parents[1]
PLACE = errors.Place("encoder.layer.0", "model.py", 41, "forward")
WARP = errors.Place("warp", "model.py", 57, "forward")
EIGH = errors.UnsupportedOperator(
    "aten::linalg_eigh is not supported",
    where=PLACE,
    hint="Register a symbolic function for it, or change the model not to use it.",
)

EXAMPLES: dict[str, errors.OnnxExporterError] = {
    "OXP000": errors.OnnxExporterError(
        "calling an ONNXProgram needs onnxruntime", hint="pip install 'onnxport[runtime]'"
    ),
    "OXP001": errors.InvalidArgument("2 output names are given for 1 outputs"),
    "OXP002": errors.UnknownOpset("opset 99 is unknown", why="the range is 7 to 28, the newest of onnx 1.23.2"),
    "OXP003": errors.NotYetSupported(
        "dynamo=True: not supported yet",
        hint="Leave the parameter out; see the table of parameters in the documentation.",
    ),
    "OXP101": errors.UnsupportedOperators(
        [
            errors.Refusal("aten::linalg_eigh", EIGH, 2),
            errors.Refusal("aten::grid_sampler", errors.NeedsOpset("GridSample", 16, 13, where=WARP)),
        ]
    ),
    "OXP102": errors.NeedsOpset("GridSample", 16, 13, where=WARP),
    "OXP103": errors.NeedsStatic(
        "argument dim must be known during the export and depends on the input",
        where=PLACE,
        hint="Make dim a Python number in the model, or take the dynamic axis that it depends on away.",
    ),
    "OXP104": errors.UnsupportedCase("argument accumulate=True", where=PLACE),
    "OXP201": errors.CaptureFailed(
        "the model raised ValueError",
        why="expected 3 channels",
        where=PLACE,
        hint="Check that the model runs with the example arguments outside of the export.",
    ),
    "OXP202": errors.UnsafeMutation(
        "a write through aten::expand",
        why="elements of the view can share memory, so the result of the write is undefined",
        where=PLACE,
        hint="Call clone() on the tensor before writing to it.",
    ),
    "OXP203": errors.FrozenValue(
        "a tensor is turned into a Python boolean",
        why="the trace keeps the branch that the example took",
        where=PLACE,
        hint="Compute both branches and choose with torch.where, or script the function.",
    ),
    "OXP301": errors.WriteFailed(
        "cannot write models/alexnet.onnx",
        why="no space is left on the device",
        hint="Make room, or write to another device.",
    ),
    "OXP401": errors.VerificationFailed(
        "output 0 differs by 0.31",
        why="the tolerance is 1e-05",
        hint="Compare the model's intermediate values, and report the operator.",
    ),
    "OXP900": errors.InternalError("Add reads a value before it is defined"),
}
"""What the pages show; a page's example is the text of the error here."""

PAGES = sorted((ROOT / "docs" / "errors").glob("OXP*.md"))


def error_classes(
    base: type[errors.OnnxExporterError] = errors.OnnxExporterError,
) -> Iterator[type[errors.OnnxExporterError]]:
    yield base
    for child in base.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from error_classes(child)


def test_each_code_has_a_page_and_each_page_a_code():
    assert [page.stem for page in PAGES] == sorted({error.code for error in error_classes()})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_what_it_must(page: Path):
    text = page.read_text(encoding="utf-8")
    title, example = re.match(r"# (.+)\n", text), re.search(r"```text\n(.+?)\n```", text, re.DOTALL)
    code, _, name = title[1].partition(": ")
    assert code == page.stem
    assert getattr(errors, name).code == code
    assert type(EXAMPLES[code]).__name__ == name
    assert example[1] == str(EXAMPLES[code])
    assert re.search(r"## What to do\n\n\* .+", text)


def test_the_index_lists_every_page():
    index = (ROOT / "docs" / "errors" / "index.md").read_text(encoding="utf-8")
    assert re.findall(r"^OXP\d+$", index, re.MULTILINE) == [page.stem for page in PAGES]


def blocks(path: str) -> str:
    """The Python blocks of a page as one program; blocks that only show a form hold a line of dots."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return "\n".join(code for code in re.findall(r"```python\n(.+?)```", text, re.DOTALL) if "..." not in code)


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "docs/getting-started.md",
        "docs/scripted-models.md",
        "packages/sdk/README.md",
        "packages/ir/README.md",
    ],
)
def test_the_code_of_a_page_runs(path: str, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # A file, because scripting reads the source of what it compiles.
    page = tmp_path / "page.py"
    page.write_text(blocks(path), encoding="utf-8")
    runpy.run_path(str(page), run_name="page")


def test_the_page_about_operators_tests_its_operator(tmp_path: Path):
    code = blocks("docs/add-an-operator.md")
    assert "def test_" in code
    program = {"__name__": "page"}
    exec(compile(code, "docs/add-an-operator.md", "exec"), program)
    for name, value in program.items():
        if name.startswith("test_"):
            value()


def test_the_table_of_parameters_is_complete():
    text = (ROOT / "docs" / "parameters.md").read_text(encoding="utf-8")
    listed = [
        name for cell in re.findall(r"^\| (`.+?`) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)
    ]
    assert sorted(listed) == sorted(inspect.signature(onnxport.export).parameters)


def test_parameters_that_differ_from_torchs_are_parameters():
    text = (ROOT / "docs" / "parameters.md").read_text(encoding="utf-8")
    section = text.partition("## Where they differ from torch's")[2]
    named = {
        name for item in re.findall(r"^- \*\*(.+?)\*\*", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", item)
    }
    assert named
    assert named <= inspect.signature(onnxport.export).parameters.keys()


#: The signature that the description of the TorchScript exporter has, without the types.
SIGNATURE = {
    "args": (),
    "f": None,
    "kwargs": None,
    "export_params": True,
    "verbose": None,
    "input_names": None,
    "output_names": None,
    "opset_version": None,
    "dynamic_axes": None,
    "keep_initializers_as_inputs": False,
    "dynamo": False,
    "external_data": True,
    "dynamic_shapes": None,
    "custom_translation_table": None,
    "report": False,
    "optimize": True,
    "verify": False,
    "profile": False,
    "dump_exported_program": False,
    "artifacts_dir": ".",
    "fallback": False,
    "training": 0,
    "operator_export_type": 0,
    "do_constant_folding": True,
    "custom_opsets": None,
    "export_modules_as_functions": False,
    "autograd_inlining": True,
}


def test_names_order_and_defaults_are_those_of_the_torchscript_exporter():
    parameters = dict(inspect.signature(onnxport.export).parameters)
    assert list(parameters)[: 1 + len(SIGNATURE)] == ["model", *SIGNATURE]
    assert {name: parameters[name].default for name in SIGNATURE} == SIGNATURE
    assert {name for name in SIGNATURE if parameters[name].kind is not inspect.Parameter.KEYWORD_ONLY} == {"args", "f"}
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in list(parameters.values())[3:])
