"""Every scripted program, at every opset, on every call, against the scripted model itself."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import onnx
import pytest
import torch
from onnxport.export import build
from onnxport.options import ExportOptions
from onnxport.runtime import create_session, run_session
from onnxport_frontend import _torch_private as private, capture
from onnxport_ir.check import check_model
from onnxport_ir.errors import InternalError, LoweringError, NeedsOpset, OnnxExporterError, UnsupportedOperators
from onnxport_ir.proto import to_proto
from onnxport_symbolics import NEWEST_OPSET, Target, default_registry
from onnxruntime.capi.onnxruntime_pybind11_state import Fail
from torch.utils import _pytree as pytree

import tests.script.branches
import tests.script.everyday
import tests.script.filled_lists
import tests.script.lists
import tests.script.loops
import tests.script.modules
import tests.script.numbers
import tests.script.objects
import tests.script.scans  # noqa: F401 - importing these enters their programs
from tests.script.corpus import PROGRAMS, Program

OPSETS = (11, 12, 13, 17, 18, 21, NEWEST_OPSET)


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_program(program: Program) -> None:
    model = program.build()
    if program.refused is not None:
        with pytest.raises(OnnxExporterError, match=program.refused) as caught:
            exported(program, model, NEWEST_OPSET)
        assert not isinstance(caught.value, InternalError)
        if not program.has_line:
            return
        assert re.search(r"tests/script/\w+\.py:\d+", str(caught.value)), f"no line of the script: {caught.value}"
        return
    expected = [model(*clone(call)) for call in program.calls]
    for opset in OPSETS:
        if opset > program.until:
            continue
        if opset < program.since:
            with pytest.raises(LoweringError) as caught:
                exported(program, model, opset)
            assert any(isinstance(error, NeedsOpset) for error in errors_of(caught.value)), str(caught.value)
            continue
        signature, onnx_model = exported(program, model, opset)
        proto = to_proto(onnx_model)
        # With the inference of types and shapes, strictly.
        onnx.checker.check_model(proto, full_check=True)
        session = create_session(proto.SerializeToString())
        uneven = 0
        for call, theirs in zip(program.calls, expected, strict=True):
            feeds = signature.flatten(clone(call), {})
            try:
                results = run_session(session, feeds, [value.name or "" for value in onnx_model.graph.outputs])
            except Fail as error:
                if opset >= program.uneven_since or "Inconsistent shape in loop output" not in str(error):
                    raise
                uneven += 1
                continue
            compare(theirs, signature.unflatten(results), f"opset {opset}")
        assert (uneven > 0) == (opset < program.uneven_since), f"opset {opset}: {uneven} calls are refused"


def exported(program: Program, model: Any, opset: int) -> tuple[Any, Any]:
    captured = capture(model, clone(program.calls[0]), dynamic_axes=dynamic_axes(program, model))
    options = ExportOptions(Target(opset), loops=program.loops)
    onnx_model = build(captured, default_registry(), options, {})
    check_model(onnx_model)
    return captured.signature, onnx_model


def dynamic_axes(program: Program, model: Any) -> dict[str, list[int]]:
    """The axes on which the calls differ, of the tensors among the arguments and in their tuples and dictionaries."""
    if isinstance(model, torch.jit.ScriptModule | torch.jit.ScriptFunction):
        names = [argument.name for argument in private.schema_of(model).arguments if argument.name != "self"]
    else:
        names = list(inspect.signature(model.forward).parameters)
    axes: dict[str, list[int]] = {}
    first = dict(tensors(program.calls[0], names))
    for call in program.calls[1:]:
        for name, tensor in tensors(call, names):
            found = [i for i, (m, n) in enumerate(zip(first[name].shape, tensor.shape, strict=True)) if m != n]
            if found:
                axes[name] = sorted({*axes.get(name, []), *found})
    return axes


def tensors(call: Any, names: list[str]) -> Iterator[tuple[str, torch.Tensor]]:
    for name, part in zip(names, call, strict=False):
        parts = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, tuple) else ()
        yield from ((f"{name}.{key}", item) for key, item in parts if isinstance(item, torch.Tensor))
        if isinstance(part, torch.Tensor):
            yield name, part


def errors_of(error: LoweringError) -> list[LoweringError]:
    return [refusal.error for refusal in error.refusals] if isinstance(error, UnsupportedOperators) else [error]


def clone(value: Any) -> Any:
    return pytree.tree_map(lambda x: x.detach().clone() if isinstance(x, torch.Tensor) else x, value)


def compare(theirs: Any, ours: Any, where: str, *, number_rtol: float = 1e-6) -> None:
    """Compare values, shapes, dtypes and structure; a number of the script language is a tensor of rank 0 here."""
    if isinstance(theirs, torch.Tensor):
        close = {"rtol": 1e-4, "atol": 1e-5, "equal_nan": True}
        torch.testing.assert_close(ours, theirs, **close, msg=lambda text: f"{where}: {text}")
    elif isinstance(theirs, bool | int | float):
        dtype = {bool: torch.bool, int: torch.int64, float: torch.float64}[type(theirs)]
        found = torch.as_tensor(ours, dtype=dtype if not isinstance(ours, torch.Tensor) else None)
        close = {"rtol": number_rtol, "atol": number_rtol / 1000, "equal_nan": True}
        torch.testing.assert_close(
            found, torch.tensor(theirs, dtype=dtype), **close, msg=lambda text: f"{where}: {text}"
        )
    elif theirs is None or isinstance(theirs, str):
        assert ours == theirs, where
    elif isinstance(theirs, dict):
        assert list(theirs) == list(ours), where
        compare(list(theirs.values()), list(ours.values()), where, number_rtol=number_rtol)
    else:
        assert len(theirs) == len(ours), f"{where}: {len(ours)} results, torch has {len(theirs)}"
        for left, right in zip(theirs, ours, strict=True):
            compare(left, right, where, number_rtol=number_rtol)
