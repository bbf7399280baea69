"""Running a captured graph equation by equation with torch's own operators.

It is the measure of a lowering (each equation has a value of its own) and of a capture (the graph must do what the
model does). It is no fast way to run a model.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from onnxport_ir.captured import (
    Arg,
    Block,
    CapturedGraph,
    Device,
    Enumeral,
    Eqn,
    PyObject,
    TensorLiteral,
    Var,
    arg_vars,
)
from onnxport_ir.dtypes import DType
from onnxport_ir.errors import CaptureFailed, OnnxExporterError
from onnxport_ir.tensors import TensorRef

from onnxport_frontend.running_statistics import STATISTICS
from onnxport_frontend.torch_types import TorchTensor, dtype_to_torch

_FORMATS = {0: torch.contiguous_format, 1: torch.preserve_format, 2: torch.channels_last, 3: torch.channels_last_3d}


class Environment(dict[Var, Any]):  # Any: an equation's values are tensors, numbers, texts and lists of these
    """The value of each variable.

    Attributes:
        functions: the classes of ``autograd.Function`` calls, by the name in their equations.
    """

    def __init__(self, values: Mapping[Var, Any], functions: Mapping[str, type]) -> None:
        super().__init__(values)
        self.functions = functions


def interpret(graph: CapturedGraph, inputs: Sequence[Any], functions: Mapping[str, type] | None = None) -> list[Any]:
    """Run a graph.

    Args:
        graph: functional or not; weights and inputs are copied first, so that a graph that writes cannot change them.
        inputs: one value for each of the graph's inputs.
        functions: the classes of ``autograd.Function`` calls, by the name in their equations.

    Returns:
        One value for each of its outputs.

    Raises:
        CaptureFailed: if an equation raises, or cannot be run by itself.
    """
    env = environment(graph, inputs, functions)
    for _ in steps(graph, env):
        pass
    return [_copy(value_of(item.value, env)) for item in graph.outputs]


def environment(
    graph: CapturedGraph, inputs: Sequence[Any], functions: Mapping[str, type] | None = None
) -> Environment:
    """The values that a graph begins with: copies of its inputs and weights; the arguments are those of interpret."""
    values = {item.var: _copy(value) for item, value in zip(graph.inputs, inputs, strict=True)}
    values |= {param.var: tensor_of(param.tensor).clone() for param in graph.params}
    return Environment(values, functions or {})


def steps(graph: CapturedGraph, env: Environment) -> Iterator[Eqn]:
    """Run the graph's own equations one by one.

    Args:
        graph: the graph.
        env: what it begins with; holds the values of the equation that was run last and of all that are still to be
            read; the others are gone.

    Yields:
        Each equation after it was run.

    Raises:
        CaptureFailed: as :func:`interpret`.
    """
    last = _last_reads(graph)
    for index, eqn in enumerate(graph.eqns):
        run_equations((eqn,), env)
        yield eqn
        for var in last.get(index, ()):
            env.pop(var, None)


def value_of(arg: Arg, env: Mapping[Var, Any]) -> Any:
    """What an argument is, as torch's operators take it."""
    match arg:
        case Var():
            return env[arg]
        case tuple():
            return [value_of(item, env) for item in arg]
        case TensorLiteral():
            tensor = tensor_of(arg.tensor).clone()
            return tensor.item() if arg.wrapped_number else tensor
        case DType():
            return dtype_to_torch(arg)
        case Device():
            return torch.device(arg.name)
        case Enumeral(kind="MemoryFormat"):
            return _FORMATS[arg.value]
        case Enumeral():
            return None
        case PyObject():
            return arg.value
        case _:
            return arg


def free_variables(eqn: Eqn) -> list[Var]:
    """The variables that an equation reads, its blocks included, each once."""
    found: dict[Var, None] = {}
    for arg in eqn.args:
        found.update(dict.fromkeys(arg_vars(arg)))
    for block in eqn.blocks:
        own = {*block.inputs}
        for inner in block.eqns:
            found.update(dict.fromkeys(var for var in free_variables(inner) if var not in own))
            own.update(inner.outputs)
        found.update(dict.fromkeys(var for out in block.outputs for var in arg_vars(out) if var not in own))
    return list(found)


def _last_reads(graph: CapturedGraph) -> dict[int, list[Var]]:
    """The variables that are not read after an equation, by its index; those of the graph's outputs stay."""
    last: dict[Var, int] = {}
    for index, eqn in enumerate(graph.eqns):
        last.update(dict.fromkeys([*free_variables(eqn), *eqn.outputs], index))
    for output in graph.outputs:
        for var in arg_vars(output.value):
            last.pop(var, None)
    found: dict[int, list[Var]] = {}
    for var, index in last.items():
        found.setdefault(index, []).append(var)
    return found


def run_equations(eqns: Sequence[Eqn], env: Environment) -> None:
    """Run equations in an environment, which then has their results.

    Raises:
        CaptureFailed: as :func:`interpret`.
    """
    for eqn in eqns:
        special = _SPECIAL.get(eqn.op.base)
        try:
            results = _call(eqn, env) if special is None else special(eqn, env)
        except OnnxExporterError:
            raise
        except Exception as error:  # torch's operators raise errors of all kinds
            why = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            raise CaptureFailed(f"{eqn.op} does not run by itself", why=why, where=eqn.place) from error
        if len(eqn.outputs) == 1 and not eqn.op.name.endswith("Unpack"):
            results = [results]
        found = list(results or ())
        if eqn.outputs and len(found) != len(eqn.outputs):
            # A list that the trace has taken apart has another length with other inputs.
            raise CaptureFailed(f"{eqn.op} gives {len(found)} values instead of {len(eqn.outputs)}", where=eqn.place)
        env.update(zip(eqn.outputs, found, strict=bool(eqn.outputs)))


def _call(eqn: Eqn, env: Environment) -> Any:
    packet = getattr(getattr(torch.ops, eqn.op.namespace), eqn.op.name)
    overload = getattr(packet, eqn.op.overload or "default")
    given = {name: value_of(arg, env) for name, arg in zip(eqn.names, eqn.args, strict=True)}
    if eqn.op.base in STATISTICS:
        # torch writes the new running statistics, which the graph has as values of their own.
        given |= {name: _copy(value) for name, value in given.items() if name.startswith("running_")}
    return overload(**given)


def tensor_of(tensor: TensorRef) -> torch.Tensor:
    """The elements of a weight or constant as a tensor, which shares memory where that is possible."""
    if isinstance(tensor, TorchTensor):
        return tensor.tensor.detach()
    array = np.ascontiguousarray(tensor.numpy()).reshape(tensor.shape)
    dtype = dtype_to_torch(tensor.dtype)
    if array.dtype.kind in "biufc":
        return torch.from_numpy(array)
    # A type of ml_dtypes, which torch does not take from numpy.
    return torch.from_numpy(array.view(f"i{array.itemsize}")).view(dtype)


def _copy(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, torch.Tensor) else value


def _block(block: Block, env: Environment, inputs: Sequence[Any] = ()) -> list[Any]:
    inner = Environment(env | dict(zip(block.inputs, inputs, strict=True)), env.functions)
    run_equations(block.eqns, inner)
    return [value_of(output, inner) for output in block.outputs]


def _if(eqn: Eqn, env: Environment) -> Any:
    results = _block(eqn.blocks[0 if value_of(eqn.args[0], env) else 1], env)
    return results if len(results) != 1 else results[0]


def _loop(eqn: Eqn, env: Environment) -> Any:
    count, condition, *carried = [value_of(arg, env) for arg in eqn.args]
    number = 0
    while number < count and condition:
        condition, *carried = _block(eqn.blocks[0], env, [number, *carried])
        number += 1
    return carried if len(carried) != 1 else carried[0]


def _python_op(eqn: Eqn, env: Environment) -> Any:
    """A call of an ``autograd.Function``: itself, or what it did when it was traced."""
    name, *args = [value_of(arg, env) for arg in eqn.args]
    function: Any = env.functions.get(name)
    if function is not None:
        with torch.no_grad():
            return function.apply(*args)
    if not eqn.blocks or len(eqn.outputs) != len(eqn.blocks[0].outputs):
        raise CaptureFailed("the content of an autograd.Function is not known", where=eqn.place)
    results = _block(eqn.blocks[0], env)
    return results if len(results) != 1 else results[0]


def _first(eqn: Eqn, env: Environment) -> Any:
    return value_of(eqn.args[0], env)


def _append(eqn: Eqn, env: Environment) -> Any:
    _first(eqn, env).append(value_of(eqn.args[1], env))
    return _first(eqn, env)


def _view(eqn: Eqn, env: Environment) -> Any:
    """A graph says nothing of strides: after a write the base may lie in memory in another order than in torch."""
    if eqn.op.overload == "dtype":
        return _call(eqn, env)
    return _first(eqn, env).reshape(value_of(eqn.args[1], env))


def _raise(eqn: Eqn, env: Environment) -> Any:
    raise CaptureFailed("the model raises an error", why=str(_first(eqn, env)), where=eqn.place)


def _arithmetic(name: str) -> Callable[[Eqn, Environment], Any]:
    """Operators that Python has for numbers, texts and lists, and torch for tensors."""

    def call(eqn: Eqn, env: Environment) -> Any:
        if eqn.op.overload in ("Tensor", "Scalar", "out"):
            return _call(eqn, env)
        left, right, *_ = [value_of(arg, env) for arg in eqn.args]
        return getattr(operator, name)(left, right)

    return call


_SPECIAL: dict[str, Callable[[Eqn, Environment], Any]] = {
    "prim::If": _if,
    "prim::Loop": _loop,
    "prim::ListUnpack": _first,
    "prim::TupleUnpack": _first,
    "prim::ListConstruct": lambda eqn, env: [value_of(arg, env) for arg in eqn.args],
    "prim::TupleConstruct": lambda eqn, env: [value_of(arg, env) for arg in eqn.args],
    "prim::NumToTensor": lambda eqn, env: torch.tensor(_first(eqn, env)),
    "prim::PythonOp": _python_op,
    "prim::RaiseException": _raise,
    "prim::Uninitialized": lambda eqn, env: None,
    "aten::view": _view,
    "aten::append": _append,
    "aten::len": lambda eqn, env: len(_first(eqn, env)),
    "aten::__getitem__": lambda eqn, env: _first(eqn, env)[value_of(eqn.args[1], env)],
    "aten::Bool": lambda eqn, env: bool(_first(eqn, env)),
    "aten::Int": lambda eqn, env: int(_first(eqn, env)),
    "aten::Float": lambda eqn, env: float(_first(eqn, env)),
    "aten::IntImplicit": lambda eqn, env: int(_first(eqn, env)),
    "aten::ScalarImplicit": lambda eqn, env: _first(eqn, env).item(),
    "aten::FloatImplicit": lambda eqn, env: float(_first(eqn, env)),
    "aten::_unwrap_optional": _first,
    **{f"aten::{name}": _arithmetic(name) for name in ("eq", "ne", "lt", "le", "gt", "ge", "add", "sub", "mul")},
    "aten::remainder": _arithmetic("mod"),
}
