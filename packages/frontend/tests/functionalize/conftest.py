"""Captured graphs before and after, and an evaluator that runs them with torch's own operators."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import hypothesis
import pytest
import torch
from onnxport_frontend import capture, dtype_to_torch
from onnxport_frontend.aliasing import op_facts
from onnxport_frontend.functionalize import functionalize
from onnxport_ir.captured import Arg, CapturedGraph, Device, Enumeral, Eqn, TensorLiteral, Var, walk
from onnxport_ir.captured_text import check_graph
from onnxport_ir.dtypes import DType

hypothesis.settings.register_profile(
    "functionalize", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)

_FORMATS = {0: torch.contiguous_format, 1: torch.preserve_format, 2: torch.channels_last}


def raw_graph(model: Any, args: Sequence[Any], **options: Any) -> CapturedGraph:
    """The graph of a model before it is made functional."""
    return capture(model, tuple(args), functional=False, **options).graph


def run_captured(graph: CapturedGraph, inputs: Sequence[Any]) -> list[Any]:
    """Run a graph; its inputs and parameters are copied first, so that a graph that writes cannot change them."""
    env: dict[Var, Any] = {item.var: _copy(value) for item, value in zip(graph.inputs, inputs, strict=True)}
    env |= {item.var: torch.from_numpy(item.tensor.numpy().copy()) for item in graph.params}
    _run(graph.eqns, env)
    return [_copy(_value(item.value, env)) for item in graph.outputs]


def _copy(value: Any) -> Any:
    return value.clone() if isinstance(value, torch.Tensor) else value


def _run(eqns: Sequence[Eqn], env: dict[Var, Any]) -> None:
    for eqn in eqns:
        special = _SPECIAL.get(eqn.op.base)
        results = _call(eqn, env) if special is None else special(eqn, env)
        if len(eqn.outputs) == 1 and not eqn.op.name.endswith("Unpack"):
            results = [results]
        for out, result in zip(eqn.outputs, results, strict=bool(eqn.outputs)):
            env[out] = result


def _call(eqn: Eqn, env: dict[Var, Any]) -> Any:
    packet = getattr(getattr(torch.ops, eqn.op.namespace), eqn.op.name)
    overload = getattr(packet, eqn.op.overload or "default")
    facts = op_facts(eqn.op)
    assert facts is not None, eqn.op
    schema = overload._schema.arguments
    assert [arg.name for arg in schema] == list(eqn.names), eqn.op
    args, named = [], {}
    for spec, arg in zip(schema, eqn.args, strict=True):
        if spec.kwarg_only:
            named[spec.name] = _value(arg, env)
        else:
            args.append(_value(arg, env))
    return overload(*args, **named)


def _value(arg: Arg, env: Mapping[Var, Any]) -> Any:
    match arg:
        case Var():
            return env[arg]
        case tuple():
            return [_value(item, env) for item in arg]
        case TensorLiteral():
            array = torch.from_numpy(arg.tensor.numpy().copy())
            return array.item() if arg.wrapped_number else array
        case DType():
            return dtype_to_torch(arg)
        case Device():
            return torch.device(arg.name)
        case Enumeral(kind="MemoryFormat"):
            return _FORMATS[arg.value]
        case Enumeral():
            return None
        case _:
            return arg


def _if(eqn: Eqn, env: dict[Var, Any]) -> Any:
    block = eqn.blocks[0 if _value(eqn.args[0], env) else 1]
    inner = dict(env)
    _run(block.eqns, inner)
    results = [_value(output, inner) for output in block.outputs]
    return results if len(results) != 1 else results[0]


def _loop(eqn: Eqn, env: dict[Var, Any]) -> Any:
    count, condition, *carried = [_value(arg, env) for arg in eqn.args]
    block, number = eqn.blocks[0], 0
    while number < count and condition:
        inner = dict(env) | dict(zip(block.inputs, [number, *carried], strict=True))
        _run(block.eqns, inner)
        condition, *carried = [_value(output, inner) for output in block.outputs]
        number += 1
    return carried if len(carried) != 1 else carried[0]


def _first(eqn: Eqn, env: Mapping[Var, Any]) -> Any:
    return _value(eqn.args[0], env)


def _append(eqn: Eqn, env: Mapping[Var, Any]) -> Any:
    _first(eqn, env).append(_value(eqn.args[1], env))
    return _first(eqn, env)


def _view(eqn: Eqn, env: Mapping[Var, Any]) -> Any:
    """A graph says nothing of strides: after a write the base may lie in memory in another order than in torch."""
    return _value(eqn.args[0], env).reshape(_value(eqn.args[1], env))


def _arithmetic(name: str) -> Callable[[Eqn, Mapping[Var, Any]], Any]:
    def call(eqn: Eqn, env: Mapping[Var, Any]) -> Any:
        if eqn.op.overload in ("Tensor", "Scalar", "out"):
            return _call(eqn, dict(env))
        left, right, *_ = [_value(arg, env) for arg in eqn.args]
        return getattr(operator, name)(left, right)

    return call


_SPECIAL: dict[str, Callable[[Eqn, dict[Var, Any]], Any]] = {
    "prim::If": _if,
    "prim::Loop": _loop,
    "prim::ListUnpack": _first,
    "prim::TupleUnpack": _first,
    "prim::ListConstruct": lambda eqn, env: [_value(arg, env) for arg in eqn.args],
    "prim::TupleConstruct": lambda eqn, env: [_value(arg, env) for arg in eqn.args],
    "prim::NumToTensor": lambda eqn, env: torch.tensor(_first(eqn, env)),
    "prim::PythonOp": lambda eqn, env: _value(eqn.args[1], env),
    "prim::RaiseException": lambda eqn, env: pytest.fail("the graph raised"),
    "aten::view": _view,
    "aten::append": _append,
    "aten::len": lambda eqn, env: len(_first(eqn, env)),
    "aten::__getitem__": lambda eqn, env: _first(eqn, env)[_value(eqn.args[1], env)],
    "aten::Bool": lambda eqn, env: bool(_first(eqn, env)),
    "aten::Int": lambda eqn, env: int(_first(eqn, env)),
    "aten::IntImplicit": lambda eqn, env: int(_first(eqn, env)),
    "aten::ScalarImplicit": lambda eqn, env: _first(eqn, env).item(),
    "aten::FloatImplicit": lambda eqn, env: float(_first(eqn, env)),
    "aten::_unwrap_optional": _first,
    **{f"aten::{name}": _arithmetic(name) for name in ("eq", "ne", "lt", "le", "gt", "ge", "add", "sub", "mul")},
    "aten::remainder": _arithmetic("mod"),
}


def written(graph: CapturedGraph) -> list[str]:
    """The operators in a graph that write tensors."""
    facts = [(str(eqn.op), op_facts(eqn.op)) for eqn in walk(graph.eqns)]
    return [name for name, fact in facts if fact is not None and fact.tensor_writes]


def checked(graph: CapturedGraph) -> CapturedGraph:
    """The functional graph, well formed and without writes."""
    result = functionalize(graph)
    check_graph(result)
    assert written(result) == []
    return result


def same(left: Any, right: Any) -> bool:
    """Whether two results are equal, element types included."""
    return left.dtype == right.dtype and torch.equal(left.nan_to_num(7.0), right.nan_to_num(7.0))


def flat(result: Any) -> list[Any]:
    """A model's result as a list of tensors."""
    return [leaf for item in result for leaf in flat(item)] if isinstance(result, list | tuple) else [result]


def agrees(model: Any, *inputs: Any, **options: Any) -> CapturedGraph:
    """Check a model's functional graph against the model, and give the graph."""
    graph = checked(raw_graph(model, inputs, **options))
    expected = flat(model(*(_copy(item) for item in inputs)))
    results = run_captured(graph, [item for item in inputs if isinstance(item, torch.Tensor)])
    assert len(results) == len(expected)
    for number, (got, wanted) in enumerate(zip(results, expected, strict=True)):
        assert same(got, wanted), f"result {number}: {got} is not {wanted}\n{graph}"
    return graph


class Function(torch.nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any) -> Any:
        return self.function(*args)


class Tools:
    """What the tests share."""

    agrees = staticmethod(agrees)
    checked = staticmethod(checked)
    raw_graph = staticmethod(raw_graph)
    run_captured = staticmethod(run_captured)
    same = staticmethod(same)
    flat = staticmethod(flat)

    @staticmethod
    def traced(function: Callable[..., Any], *inputs: torch.Tensor, **options: Any) -> CapturedGraph:
        """Trace a function and check its functional graph."""
        return agrees(Function(function), *inputs, **options)


@pytest.fixture(scope="session")
def tools() -> Tools:
    """What the tests share."""
    return Tools()
