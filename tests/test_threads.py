"""Many exports at once, of all kinds: each gives what it gives alone."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import onnxport
import pytest
import torch
from torch import Tensor, nn

LIBRARY = torch.library.Library("threads", "DEF")
LIBRARY.define("scaled(Tensor x, float by) -> Tensor")
LIBRARY.impl("scaled", lambda x, by: x * by, "CompositeExplicitAutograd")


class Scripted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor, turns: int) -> Tensor:
        for _ in range(turns):
            if bool(x.sum() > 0):
                x = self.linear(x)
                x = x.relu()
            else:
                x = x * 2
        return x


class Custom(nn.Module):
    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.threads.scaled(self.linear(x), self.by) + x.size(0)


class Warning_(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * int(x.size(0)) * float(x.sum().item() > 0)


class Unsupported(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.threads.scaled(torch.ops.aten._foobar(x), 1.0)


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * x


class Followed(nn.Module):
    def __init__(self, depth: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*[nn.Linear(4, 4) for _ in range(depth)])
        self.lstm = nn.LSTM(4, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return Square.apply(self.lstm(self.layers(x))[0])


def jobs() -> list[tuple[Any, tuple[Any, ...], dict[str, Any]]]:
    torch.manual_seed(0)
    found: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = []
    for number in range(3):
        x = torch.ones(2, 4)
        modules = {"export_modules_as_functions": number % 2 == 0}
        mode = onnxport.TrainingMode.TRAINING if number % 2 else onnxport.TrainingMode.EVAL
        found += [
            (torch.jit.script(Scripted()), (x, 2 + number), {}),
            (Custom(1.5 + number), (x,), {"dynamic_axes": {"x": {0: "n"}}, "opset_version": 13 + number}),
            (Warning_(), (torch.ones(2 + number, 4),), {"on_frozen": "ignore"}),
            (Unsupported(), (x,), {}),
            (Followed(1 + number), (torch.ones(2, 3, 4),), {"dynamic_axes": {"x": [0, 1]}, **modules}),
            (nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5), (torch.ones(1, 3 + number, 8),), {"training": mode}),
        ]
    return found


def outcome(job: tuple[Any, tuple[Any, ...], dict[str, Any]]) -> str:
    """A digest of the file, or the error."""
    model, args, options = job
    out = io.BytesIO()
    try:
        onnxport.export(model, args, out, check=False, **options)
    except onnxport.OnnxExporterError as error:
        return str(error)
    data = out.getvalue()
    for path in (Path(__file__).parents[1], Path(torch.__file__).parents[1], Path.cwd()):
        assert os.fsencode(path) not in data
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(autouse=True)
def _symbolic() -> Any:
    onnxport.register_custom_op_symbolic("threads::scaled", lambda g, x, by: g.op("Mul", x, by), 9)
    yield
    onnxport.unregister_custom_op_symbolic("threads::scaled", 9)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch.jit.script, which is what is tested
def test_eight_threads_give_what_one_does() -> None:
    work = jobs()
    alone = [outcome(job) for job in work]
    assert len(set(alone)) == len(work) - 2, "all differ but for the one that is refused"
    assert [outcome(job) for job in work] == alone
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(outcome, work)) == alone


PROGRAM = """
import hashlib, io, onnxport, torch
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten())
out = io.BytesIO()
onnxport.export(model.eval(), torch.ones(1, 3, 8, 8), out, export_modules_as_functions=True, custom_opsets={"a": 2})
print(hashlib.sha256(out.getvalue()).hexdigest())
"""


def test_processes_and_folders_give_the_same_bytes(tmp_path: Path) -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed, folder in (("0", tmp_path), ("1", Path.cwd()))
    }
    assert len(digests) == 1
