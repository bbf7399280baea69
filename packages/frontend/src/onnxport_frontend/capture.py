"""``capture``: a PyTorch model as a captured graph."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from onnxport_ir.captured import CapturedGraph, Input, Output, Param
from onnxport_ir.dims import Dim, DimSource, SymDim
from onnxport_ir.errors import InvalidArgument
from onnxport_ir.types import AnyType, ScalarType, TensorType

from onnxport_frontend import _torch_private as private, names as naming, script
from onnxport_frontend.findings import Finding
from onnxport_frontend.inline import Inliner
from onnxport_frontend.names import DynamicAxes
from onnxport_frontend.signature import Call, Signature, parameters_of
from onnxport_frontend.torch_types import dtype_from_torch
from onnxport_frontend.tracing import run, trace
from onnxport_frontend.value_types import Typer
from onnxport_frontend.weights import Weights, check_tensors

_PARALLEL = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)


@dataclass(frozen=True, slots=True, eq=False)
class Captured:
    """A captured model.

    Attributes:
        graph: the equations.
        signature: turns calls into named inputs, and outputs into the model's result.
        example_inputs: the example's value of each input of the graph, by name, as it was passed.
        example_outputs: the model's own results for them, one per output of the graph.
        findings: values that the trace has fixed.
        functions: the classes of ``autograd.Function`` calls, by the name in their ``prim::PythonOp`` equations.
    """

    graph: CapturedGraph
    signature: Signature
    example_inputs: dict[str, Any]
    example_outputs: tuple[Any, ...]
    findings: tuple[Finding, ...] = ()
    functions: dict[str, type] = field(default_factory=dict)


def capture(
    model: torch.nn.Module | torch.jit.ScriptFunction[Any, Any],
    args: Any = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic_axes: DynamicAxes | None = None,
    training: bool | None = None,
) -> Captured:
    """Capture a model by tracing it, or from its graph where it is TorchScript already.

    The model comes out as it went in, also after an error. Tensors among the arguments become inputs, everything else
    is a constant; of TorchScript, numbers become inputs as well.

    Args:
        model: the model.
        args: the example's positional arguments; anything but a tuple is the only one.
        kwargs: the example's keyword arguments.
        input_names: names for the first inputs, in the order of the call; names beyond the inputs are for the
            parameters, in ``state_dict`` order. The default is the name of the argument of ``forward``, and a path
            within it.
        output_names: names for the first outputs.
        dynamic_axes: the axes whose size the example does not fix, by name of an input, output or argument of
            ``forward``.
        training: the mode to run the model in; None leaves all its modules as they are.

    Raises:
        InvalidArgument: if ``model`` is none, or an argument does not fit it.
        CaptureFailed: if the model raises, holds no data, or cannot be traced.
        UnsafeMutation: if it writes where an export cannot follow.
        NotYetSupported: for what this release leaves out.
    """
    _check_model(model)
    module = model if isinstance(model, torch.nn.Module) else None
    scripted = module is None or private.is_script_object(model)
    weights = Weights(module)
    call = Call.of(args if isinstance(args, tuple) else (args,), kwargs or {}, _parameters(model))
    check_tensors(
        [(".".join(p), t) for p, t in zip(call.paths, call.leaves, strict=True) if isinstance(t, torch.Tensor)],
        "inputs",
    )
    result = run(model, call, training) if module is None or scripted else trace(module, call, training)

    names = naming.Naming(input_names, output_names, dynamic_axes)
    inliner = Inliner(weights, Typer(DimSource()), _class_names(model))
    positions = [i for i, leaf in enumerate(call.leaves) if _is_input(leaf, scripted)]
    inputs = _inputs(inliner.typer, call, positions, names)
    returned = script.follow(inliner, model, call, dict(zip(positions, inputs, strict=True)), result)
    outputs = _outputs(returned, names)
    params = _params(weights, names)
    names.check()
    graph = CapturedGraph(
        inputs,
        tuple(inliner.eqns),
        outputs,
        params,
        type(model).__name__ if not scripted else script.class_name(model),
        {path: inliner.class_names.get(path, "").rpartition(".")[2] for path in inliner.paths},
        tuple(inliner.calls),
    )
    signature = Signature(
        call,
        tuple((item.name, call.paths[index]) for item, index in zip(inputs, positions, strict=True)),
        returned.tree,
        returned.slots,
        returned.constants,
    )
    examples = {item.name: call.leaves[index] for item, index in zip(inputs, positions, strict=True)}
    return Captured(graph, signature, examples, returned.examples, result.findings, dict(inliner.functions))


def _check_model(model: object) -> None:
    """Refuse what is no model, and what wraps one for several devices.

    Raises:
        InvalidArgument: with what to pass instead.
    """
    if isinstance(model, _PARALLEL):
        kind = type(model).__name__
        raise InvalidArgument(
            f"{kind} cannot be exported", hint=f"Export the model inside of it: model.module of the {kind}."
        )
    if isinstance(model, type):
        raise InvalidArgument(f"{model.__name__} is a class", hint=f"Make a model of it: {model.__name__}(...).")
    if not isinstance(model, torch.nn.Module) and not private.is_script_object(model):
        raise InvalidArgument(
            f"a {type(model).__name__} is no model",
            why="capture takes an nn.Module, a ScriptModule or a ScriptFunction",
            hint="Call a function from the forward of an nn.Module.",
        )


def _parameters(model: Any) -> inspect.Signature | None:
    return script.parameters_of(model) if private.is_script_object(model) else parameters_of(model.forward)


def _class_names(model: Any) -> dict[str, str]:
    """The class of each module, with its Python module, by path."""
    if not isinstance(model, torch.nn.Module):
        return {}
    return {path: script.class_name(module) for path, module in model.named_modules(remove_duplicate=False)}


def _is_input(leaf: Any, scripted: bool) -> bool:
    """A trace fixes everything but tensors; a script keeps its numbers."""
    return isinstance(leaf, torch.Tensor) or (scripted and isinstance(leaf, (bool, int, float)))


def _inputs(typer: Typer, call: Call, positions: Sequence[int], names: naming.Naming) -> tuple[Input, ...]:
    ports = [naming.Port(call.paths[index], _shape(call.leaves[index])) for index in positions]
    return tuple(
        Input(typer.input(_input_type(call.leaves[index], named.axes), named.name), named.name)
        for index, named in zip(positions, names.inputs(ports), strict=True)
    )


def _input_type(leaf: Any, axes: Mapping[int, str]) -> AnyType:
    if not isinstance(leaf, torch.Tensor):
        return ScalarType("bool" if isinstance(leaf, bool) else "int" if isinstance(leaf, int) else "float")
    shape: list[Dim] = [
        SymDim.named(axes[axis], size) if axis in axes else size for axis, size in enumerate(map(int, leaf.shape))
    ]
    return TensorType(dtype_from_torch(leaf.dtype), tuple(shape))


def _outputs(returned: script.Returned, names: naming.Naming) -> tuple[Output, ...]:
    paths = [path for path, slot in zip(returned.tree.paths(), returned.slots, strict=True) if slot is not None]
    ports = [naming.Port(path, _shape(example)) for path, example in zip(paths, returned.examples, strict=True)]
    return tuple(
        Output(value, named.name, tuple(sorted(named.axes.items())))
        for value, named in zip(returned.values, names.outputs(ports, returned.tree), strict=True)
    )


def _params(weights: Weights, names: naming.Naming) -> tuple[Param, ...]:
    params = weights.params()
    given = names.params([param.name for param in params])
    return tuple(replace(param, name=name) for param, name in zip(params, given, strict=True))


def _shape(leaf: Any) -> tuple[int, ...] | None:
    return tuple(leaf.shape) if isinstance(leaf, torch.Tensor) else None
