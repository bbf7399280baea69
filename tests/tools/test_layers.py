from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tools import layers


def findings(package: str, code: str, path: str = "module.py") -> list[str]:
    return [finding.message for finding in layers.check_file(package, Path(path), ast.parse(code))]


@pytest.mark.parametrize(
    ("package", "code"),
    [
        ("onnxport_ir", "import torch"),
        ("onnxport_ir", "from onnxport_symbolics import lower"),
        ("onnxport_ir", "def f():\n    import torch.nn as nn"),
        ("onnxport_symbolics", "import onnxport_frontend.capture"),
        ("onnxport_frontend", "from onnxport_symbolics.registry import Registry"),
        ("onnxport_frontend", "import onnxport"),
        ("onnxport_custom_ops", "import onnxport_frontend"),
        ("onnxport", "import onnxport_cli"),
    ],
)
def test_an_arrow_the_wrong_way_is_found(package, code):
    (message,) = findings(package, code)
    assert "must not import" in message


@pytest.mark.parametrize(
    ("package", "code"),
    [
        ("onnxport_symbolics", "from onnxport_ir import Value\nimport onnxport_symbolics.op"),
        ("onnxport_custom_ops", "import onnxport_symbolics, onnxport_ir, torch"),
        ("onnxport", "import onnxport_frontend, onnxport_custom_ops"),
        ("onnxport_cli", "import onnxport"),
        ("onnxport_ir", "from . import torch\nimport torchlike"),
    ],
)
def test_an_arrow_the_right_way_is_not(package, code):
    assert findings(package, code) == []


@pytest.mark.parametrize(
    "code",
    [
        "import torch\ntorch._C._jit_flatten(x)",
        "import torch as t\nt.jit._trace.x",
        "from torch._C import Graph",
        "from torch.jit import _script",
        "import torch.onnx",
        "import torch\ntorch.onnx.is_in_onnx_export()",
        "from torch import onnx",
    ],
)
def test_private_torch_belongs_into_one_file(code):
    assert [m for m in findings("onnxport_frontend", code) if "belongs into _torch_private.py" in m]
    assert findings("onnxport_frontend", code, "_torch_private.py") == []


def test_public_torch_may_stand_anywhere():
    code = "import torch\nfrom torch import nn\ntorch.jit.trace(f, x)\nx.__class__\ntorch.Tensor.__add__\nself._C.x"
    code += "\nimport torch.utils._pytree as pytree\npytree.tree_flatten(x)"
    assert findings("onnxport_frontend", code) == []


def test_the_bridge_may_use_torch_onnx_but_not_private_names():
    code = "import torch\ntorch.onnx.OperatorExportTypes\n"
    assert findings("onnxport_custom_ops", code, "bridge.py") == []
    assert len(findings("onnxport_custom_ops", "import torch\ntorch._C.x", "bridge.py")) == 1
    assert len(findings("onnxport_frontend", code, "bridge.py")) == 1


@pytest.mark.parametrize(
    "code",
    [
        "import torch\ntorch.onnx.export(m, x)",
        "from torch.onnx import symbolic_opset9",
        "from torch.onnx.utils import _export",
        "import torch\ntorch._C._jit_pass_onnx_peephole(g)",
    ],
)
def test_the_exporter_itself_is_out_of_bounds_everywhere(code):
    assert [m for m in findings("onnxport_frontend", code, "_torch_private.py") if "replaces" in m]


@pytest.mark.parametrize(
    "code",
    ["if op.opset >= 13:\n    pass", "n = target_opset - 1", "match op.target.opset:\n    case 7:\n        pass"],
)
def test_opset_numbers_in_handlers_are_found(code):
    (message,) = findings("onnxport_symbolics", code, "onnxport_symbolics/aten/shape.py")
    assert "op.has" in message
    assert findings("onnxport_symbolics", code, "onnxport_symbolics/downgrades.py") == []


def test_asking_for_an_operator_is_no_opset_number():
    assert findings("onnxport_symbolics", 'op.has("Attention") and n > 3', "onnxport_symbolics/aten/shape.py") == []


def test_the_command_prints_file_and_line(tmp_path, capsys):
    source = tmp_path / "packages/ir/src/onnxport_ir"
    source.mkdir(parents=True)
    (source / "bad.py").write_text("\n\nimport torch\n")
    assert layers.main([str(tmp_path)]) == 1
    assert "bad.py:3: onnxport_ir must not import torch" in capsys.readouterr().out
    (source / "bad.py").write_text("import numpy\n")
    assert layers.main([str(tmp_path)]) == 0
