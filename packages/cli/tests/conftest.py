"""The command as users see it: exit code, standard output and standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from onnxport_cli.main import main

#: A file with factories of all kinds, as a user would have one.
FACTORIES = '''
"""Models."""

from dataclasses import dataclass

import torch


@dataclass
class Size:
    """Asks for its module by name, as a pickle does."""

    width: int = 4


class Model(torch.nn.Module):
    """Adds to a linear layer."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(Size().width, 3)

    def forward(self, x, y=None):
        return self.linear(x) if y is None else self.linear(x) + y


def model():
    return Model()


def with_args():
    return Model(), (torch.ones(2, 4),)


def with_tensor():
    return Model(), torch.ones(2, 4)


def with_kwargs():
    return Model(), (torch.ones(2, 4),), {"y": torch.ones(3)}


class Wanting(torch.nn.Linear):
    def __init__(self, size):
        super().__init__(size, size)


def raising():
    raise LookupError("no weights here")


class Gelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.nn.functional.gelu(x)

    @staticmethod
    def symbolic(g, x):
        return g.op("Gelu", x)


class Unsupported(torch.nn.Module):
    def forward(self, x):
        return Gelu.apply(x)


def unsupported():
    return Unsupported(), (torch.ones(2),)


instance = Model()
number = 3
'''


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON document on standard output."""
        return json.loads(self.out)


Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs ``onnxport`` with arguments, in an empty folder with ``factories.py``."""
    (tmp_path / "factories.py").write_text(FACTORIES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["onnxport", *map(str, arguments)])
        monkeypatch.delitem(sys.modules, "factories", raising=False)
        capfd.readouterr()
        try:
            main()
            code: Any = 0
        except SystemExit as leaving:
            code = leaving.code or 0
        out, err = capfd.readouterr()
        return Result(code, out, err)

    return call
