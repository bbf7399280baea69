"""Common operators on every element type, for tensors of rank 0, without elements, and ordinary ones."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import onnx
import pytest
import torch
from onnxport.export import build
from onnxport.options import ExportOptions
from onnxport.runtime import create_session, run_session
from onnxport_frontend import capture
from onnxport_ir.errors import OnnxExporterError
from onnxport_ir.proto import to_proto
from onnxport_symbolics import NEWEST_OPSET, Target, default_registry
from torch.nn import functional as F
from torch.utils import _pytree as pytree

from tests.ops.harness import Call

DTYPES = (
    *(torch.float32, torch.float64, torch.float16, torch.bfloat16),
    *(torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.bool),
)
SHAPES: dict[str, tuple[int, ...]] = {"rank 0": (), "empty": (0, 3), "empty inside": (2, 0, 3), "ordinary": (2, 3)}
# Any: tensors and tuples of them.
Function = Callable[[torch.Tensor], Any]

OPERATORS: dict[str, Function] = {
    "add": lambda x: x + x,
    "add number": lambda x: x + 2,
    "add float": lambda x: x + 0.5,
    "sub": lambda x: x - 1,
    "rsub": lambda x: 3 - x,
    "mul": lambda x: x * x,
    "div": lambda x: x / 3,
    "div trunc": lambda x: torch.div(x, 2, rounding_mode="trunc"),
    "floor_divide": lambda x: x // 2,
    "remainder": lambda x: x % 3,
    "fmod": lambda x: torch.fmod(x, 3),
    "pow": lambda x: x**2,
    "neg": lambda x: -x,
    "abs": torch.abs,
    "sign": torch.sign,
    "exp": torch.exp,
    "sqrt": torch.sqrt,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "gelu": F.gelu,
    "softmax": lambda x: F.softmax(x, -1),
    "log_softmax": lambda x: F.log_softmax(x, -1),
    "clamp": lambda x: torch.clamp(x, 1, 2),
    "eq": lambda x: x == 1,
    "lt": lambda x: x < 2,
    "ge float": lambda x: x >= 1.5,
    "ne": lambda x: x != x.flip(0) if x.dim() else x != x,
    "maximum": lambda x: torch.maximum(x, x.flip(0) if x.dim() else x),
    "where": lambda x: torch.where(x > 1, x, 0),
    "masked_fill": lambda x: x.masked_fill(x > 1, 0),
    "logical_and": lambda x: torch.logical_and(x, x > 1),
    "logical_not": torch.logical_not,
    "bitwise_and": lambda x: x & 3 if x.dtype != torch.bool else x & True,
    "bitwise_not": torch.bitwise_not,
    "shift": lambda x: x << 1,
    "isnan": torch.isnan,
    "floor": torch.floor,
    "round": torch.round,
    "sum": torch.sum,
    "sum axis": lambda x: x.sum(-1, keepdim=True),
    "mean": lambda x: torch.mean(x, -1),
    "amax": lambda x: torch.amax(x, -1),
    "amin all": torch.amin,
    "max": torch.max,
    "max axis": lambda x: torch.max(x, -1),
    "argmax": lambda x: torch.argmax(x, -1),
    "prod": lambda x: torch.prod(x, -1),
    "any": torch.any,
    "all axis": lambda x: torch.all(x, -1),
    "var": lambda x: torch.var(x, -1, correction=0),
    "cumsum": lambda x: torch.cumsum(x, 0),
    "norm": torch.linalg.vector_norm,
    "sort": lambda x: torch.sort(x, -1),
    "topk": lambda x: torch.topk(x, 1, -1),
    "reshape": lambda x: x.reshape(-1),
    "transpose": lambda x: x.transpose(0, -1),
    "unsqueeze": lambda x: x.unsqueeze(0),
    "squeeze": lambda x: x.squeeze(),
    "expand": lambda x: x.expand(2, *x.shape),
    "cat": lambda x: torch.cat([x, x], -1),
    "stack": lambda x: torch.stack([x, x]),
    "flip": lambda x: x.flip(-1),
    "pad": lambda x: F.pad(x, [1, 2], value=1),
    "repeat": lambda x: x.repeat(2, *([1] * x.dim())),
    "roll": lambda x: torch.roll(x, 1, -1),
    "select": lambda x: x[..., 0],
    "slice": lambda x: x[..., 1:],
    "split": lambda x: torch.split(x, 2, -1),
    "index": lambda x: x[..., torch.tensor([0, 0])],
    "index_select": lambda x: x.index_select(-1, torch.tensor([0])),
    "gather": lambda x: x.gather(-1, torch.zeros_like(x, dtype=torch.int64)),
    "scatter_add": lambda x: x.scatter_add(-1, torch.zeros_like(x, dtype=torch.int64), x),
    "mask": lambda x: x[x > 1],
    "nonzero": torch.nonzero,
    "tril": torch.tril,
    "matmul": lambda x: x @ x.transpose(-1, -2),
    "zeros_like": torch.zeros_like,
    "full_like": lambda x: torch.full_like(x, 1),
    "to float": lambda x: x.float(),
    "to int": lambda x: x.to(torch.int32),
    "to bool": lambda x: x.bool(),
    "to byte": lambda x: x.to(torch.int8),
    "layer_norm": lambda x: F.layer_norm(x, x.shape[-1:]),
    "one_hot": lambda x: F.one_hot(x, 5),
    "embedding": lambda x: F.embedding(x, torch.arange(12.0).reshape(4, 3)),
    "lerp": lambda x: torch.lerp(x, x + 1, 0.3),
    "isin": lambda x: torch.isin(x, torch.tensor([1, 3], dtype=x.dtype)),
    "searchsorted": lambda x: torch.bucketize(x, torch.tensor([0, 2, 3], dtype=x.dtype)),
    "unique": torch.unique,
    "bincount": lambda x: torch.bincount(x.reshape(-1).abs()),
    "diff": torch.diff,
    "addcmul": lambda x: torch.addcmul(x, x, x, value=2),
}


#: What is refused for good reasons, beside what needs a later opset.
REFUSED = (
    "as torch does not say which of equal elements they name",
    "a list whose length depends on the input",
    "argument normalized_shape must be known during the export",
    # torch does nothing to integers if there are none; it does not take others.
    "Softmax does not take i64",
)
#: The opsets of the exports with fixed sizes, one after the other.
STATIC_OPSETS = (9, 11, 13, 23, NEWEST_OPSET)


def example(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """A tensor with elements of several kinds: 0, 1, larger ones, negative ones and fractions where there are such."""
    numbers = torch.tensor([1.5, 0.0, 3.0, -2.5, 1.0, 2.0])
    found = numbers[: max(torch.Size(shape).numel(), 0)].reshape(shape)
    return found.abs().to(dtype) if dtype == torch.uint8 else found.to(dtype)


def tried(function: Function, shape: tuple[int, ...], dtype: torch.dtype, opset: int, *, dynamic: bool) -> str | None:
    """What became of a case: None if torch refuses it, else a word and, if it is bad, more."""
    x = example(shape, dtype)
    try:
        with torch.no_grad():
            theirs = pytree.tree_leaves(function(x.clone()))
    # torch says in all of these ways that it does not take the case.
    except (RuntimeError, IndexError, TypeError, NotImplementedError, ValueError):
        return None
    axes = {"x": list(range(x.dim()))} if dynamic else None
    try:
        captured = capture(Call(function), (x.clone(),), input_names=["x"], dynamic_axes=axes)
        model = build(captured, default_registry(), ExportOptions(Target(opset)), {})
        proto = to_proto(model)
    except OnnxExporterError as error:
        message = str(error.args[0])
        is_known = error.code == "OXP102" or any(text in message for text in REFUSED)
        return "known" if is_known else f"{error.code}: {message}"
    try:
        onnx.checker.check_model(proto)
        session = create_session(proto.SerializeToString())
        found = run_session(session, {"x": x}, [value.name or "" for value in model.graph.outputs])
    except Exception as error:
        return f"runtime: {error}"
    for ours, wanted in zip(pytree.tree_leaves(captured.signature.unflatten(found)), theirs, strict=True):
        if (ours.dtype, ours.shape) != (wanted.dtype, wanted.shape):
            return f"wrong: {ours.dtype}{list(ours.shape)}, not {wanted.dtype}{list(wanted.shape)}"
        coarse = {torch.float16: 2e-3, torch.bfloat16: 2e-2}.get(wanted.dtype, 1e-5)
        if not torch.allclose(ours, wanted, rtol=coarse, atol=coarse, equal_nan=True):
            return f"wrong: {ours.tolist()}, not {wanted.tolist()}"
    return "passed"


@pytest.mark.parametrize("name", OPERATORS)
def test_element_types(name: str) -> None:
    bad, passed = [], 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, (dtype, shape_name) in enumerate(itertools.product(DTYPES, SHAPES)):
            for opset, dynamic in ((18, True), (STATIC_OPSETS[number % len(STATIC_OPSETS)], False)):
                outcome = tried(OPERATORS[name], SHAPES[shape_name], dtype, opset, dynamic=dynamic)
                passed += outcome == "passed"
                if outcome not in (None, "passed", "known"):
                    bad.append(f"{dtype}, {shape_name}, opset {opset}: {outcome}")
    assert passed
    assert not bad, "\n".join(bad)
