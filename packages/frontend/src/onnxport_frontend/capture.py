"""``capture``: a PyTorch model as a captured graph."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

import torch
from onnxport_ir.captured import CapturedGraph, Input, Output, Param, Var
from onnxport_ir.dims import Dim, DimSource, SymDim
from onnxport_ir.errors import InvalidArgument, NotYetSupported, UnsafeMutation
from onnxport_ir.types import AnyType, ScalarType, SequenceType, TensorType

from onnxport_frontend import _torch_private as private, names as naming, script
from onnxport_frontend.buffers import MutatedBuffers, Written, check_choice, replaced_outputs, with_outputs
from onnxport_frontend.departures import AS_THE_EXAMPLE, Departures
from onnxport_frontend.dependence import without_marks
from onnxport_frontend.findings import Finding
from onnxport_frontend.frozen import Frozen, resolve
from onnxport_frontend.functionalize import Functionalized, functionalize_with_report, has_branches
from onnxport_frontend.inline import Inliner
from onnxport_frontend.names import DynamicAxes
from onnxport_frontend.quantisation import settle_observers
from onnxport_frontend.rolling import rolled
from onnxport_frontend.signature import Call, Signature, is_tensor_list, parameters_of
from onnxport_frontend.torch_types import dtype_from_torch
from onnxport_frontend.tracing import Result, run, trace
from onnxport_frontend.value_types import Typer
from onnxport_frontend.weights import Weights, check_tensors, named_tensors

_PARALLEL = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)
# The class of what torch.compile makes of a module, by its name: importing torch._dynamo would take a second.
_COMPILED = "OptimizedModule"


@dataclass(frozen=True, slots=True, eq=False)
class Captured:
    """A captured model.

    Attributes:
        graph: the equations.
        signature: turns calls into named inputs, and outputs into the model's result.
        example_inputs: the example's value of each input of the graph, by name, as it was passed.
        example_outputs: the model's own results for them, one per output of the graph.
        findings: values that the trace has fixed, and writes to inputs and buffers.
        functions: the classes of ``autograd.Function`` calls, by the name in their ``prim::PythonOp`` equations.
        frozen: tells what values that the trace has fixed would be for other inputs.
    """

    graph: CapturedGraph
    signature: Signature
    example_inputs: dict[str, Any]
    example_outputs: tuple[Any, ...]
    findings: tuple[Finding, ...] = ()
    functions: dict[str, type] = field(default_factory=dict)
    frozen: Frozen = field(default_factory=Frozen)


def capture(
    model: torch.nn.Module | torch.jit.ScriptFunction[Any, Any],
    args: Any = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic_axes: DynamicAxes | None = None,
    training: bool | None = None,
    functional: bool = True,
    keeps_function: Callable[[type], bool] = lambda _: True,
    mutated_buffers: MutatedBuffers = "ignore",
    departures: Departures = AS_THE_EXAMPLE,
) -> Captured:
    """Capture a model by tracing it, or from its graph where it is TorchScript already.

    The model comes out as it went in, also after an error. Tensors among the arguments become inputs, everything else
    is a constant; of TorchScript, numbers become inputs as well.

    Args:
        model: the model.
        args: the example's positional arguments; anything but a tuple is the only one. A dict in last place holds the
            keyword arguments where there are no ``kwargs`` and the call fits the model so.
        kwargs: the example's keyword arguments.
        input_names: names for the first inputs, in the order of the call; names beyond the inputs are for the
            parameters, in ``state_dict`` order. The default is the name of the argument of ``forward``, and a path
            within it.
        output_names: names for the first outputs.
        dynamic_axes: the axes whose size the example does not fix, by name of an input, output or argument of
            ``forward``.
        training: the mode to run the model in; None leaves all its modules as they are.
        functional: whether to resolve in-place operators and writes through views; without it, the graph has them as
            the model does, and cannot be lowered.
        keeps_function: of which ``autograd.Function`` classes a call becomes one ``prim::PythonOp`` equation, with
            what it did as a block; that of the others is in the graph as if it were called directly.
        mutated_buffers: what becomes of what the model writes to its buffers: a finding, ``"ignore"``; a further output
            for each, ``"outputs"``; or an error.
        departures: what a trace does otherwise than the model does with the example.

    Raises:
        InvalidArgument: if ``model`` is none, or an argument does not fit it.
        CaptureFailed: if the model raises, holds no data, or cannot be traced.
        UnsafeMutation: if it writes where an export cannot follow.
        NotYetSupported: for what this release leaves out.
    """
    _check_model(model)
    check_choice(mutated_buffers)
    call = Call.given(args, kwargs, _parameters(model))
    if isinstance(model, torch.nn.Module):
        check_tensors([(name, tensor) for name, tensor, _ in named_tensors(model)], "parameters and buffers")
    named = zip(call.paths, call.leaves, strict=True)
    check_tensors([(".".join(path), leaf) for path, leaf in named if isinstance(leaf, torch.Tensor)], "inputs")
    request = _Request(model, call, input_names, output_names, dynamic_axes)
    if not isinstance(model, torch.nn.Module) or private.is_script_object(model):
        draft = _follow(request, run(model, call, training))
    else:
        options: _Options = {
            "keeps_function": keeps_function,
            "keeps_state": mutated_buffers == "outputs",
            "departures": departures,
        }
        draft = _follow(request, trace(model, call, training, **options))
        if draft.is_doubtful:
            draft = _follow(request, trace(model, call, training, careful=True, **options))
    if not functional:
        return _finish(draft)
    captured = _resolved(draft, request, training, mutated_buffers)
    return replace(captured, graph=rolled(captured.graph)) if departures.loops else captured


class _Options(TypedDict):
    """How to trace."""

    keeps_function: Callable[[type], bool]
    keeps_state: bool
    departures: Departures


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    """What was asked for."""

    model: torch.nn.Module | torch.jit.ScriptFunction[Any, Any]
    call: Call
    input_names: Sequence[str] | None
    output_names: Sequence[str] | None
    dynamic_axes: DynamicAxes | None


@dataclass(frozen=True, slots=True, eq=False)
class _Draft:
    """A graph with its names, in which operators may still write."""

    graph: CapturedGraph
    call: Call
    result: Result
    positions: Sequence[int]
    returned: script.Returned
    functions: dict[str, type]
    has_written_constant: bool
    original: dict[str, str]

    @property
    def is_doubtful(self) -> bool:
        """Whether a constant may hold what the model has written to it.

        A tensor that was made before the trace may have been written to before it, so that alone says nothing.
        """
        return self.has_written_constant and any(finding.kind == "constant" for finding in self.result.findings)


def _follow(request: _Request, result: Result) -> _Draft:
    """Inline what was traced or compiled, and give everything its name."""
    model, call = request.model, request.call
    scripted = private.is_script_object(model)
    weights = Weights(model if isinstance(model, torch.nn.Module) else None)
    names = naming.Naming(request.input_names, request.output_names, request.dynamic_axes)
    on_cpu = weights.is_on_cpu and all(leaf.is_cpu for leaf in call.leaves if isinstance(leaf, torch.Tensor))
    inliner = Inliner(weights, Typer(DimSource("trace")), _class_names(model), is_on_cpu=on_cpu)
    positions = [index for index, leaf in enumerate(call.leaves) if _is_input(leaf, scripted)]
    inputs = _inputs(inliner.typer, call, positions, names)
    returned = script.follow(inliner, model, call, dict(zip(positions, inputs, strict=True)), result)
    outputs = _outputs(returned, names)
    params = _params(weights, names)
    original = {given.name: param.name for given, param in zip(params, weights.params(), strict=True)}
    names.check()
    graph = CapturedGraph(
        inputs,
        tuple(inliner.eqns),
        outputs,
        params,
        script.class_name(model).rpartition(".")[2],
        {path: inliner.class_names.get(path, "").rpartition(".")[2] for path in _with_parents(inliner.paths)},
        tuple(inliner.calls),
    )
    return _Draft(graph, call, result, positions, returned, inliner.functions, inliner.has_written_constant, original)


def _with_parents(paths: Iterable[str]) -> dict[str, None]:
    """Module paths and those of the modules around them, without repetition."""
    found: dict[str, None] = {"": None}
    for path in paths:
        parts = path.split(".")
        found.update(dict.fromkeys(".".join(parts[:count]) for count in range(1, len(parts) + 1)))
    return found


def _resolved(draft: _Draft, request: _Request, training: bool | None, choice: MutatedBuffers) -> Captured:
    """Resolve writes, and put together what belongs to the graph.

    Raises:
        UnsafeMutation: if a write cannot be resolved, or is to a parameter.
    """
    inputs = zip(draft.graph.inputs, draft.positions, strict=True)
    strided = [item.var for item, index in inputs if _strided(draft.call.leaves[index])]
    replaced = {**dict.fromkeys(draft.result.replaced), **draft.returned.replaced}
    graph = settle_observers(draft.graph)
    if choice == "outputs":
        graph = with_outputs(graph, replaced_outputs(replaced, draft.original))
    report = _functional(graph, strided, choice == "outputs")
    written = Written(report, tuple(replaced), draft.original, draft.returned.kept)
    findings, frozen = resolve(list(draft.result.findings), report.graph, draft.functions)
    findings += written.findings()
    if choice != "ignore":
        written.refuse(choice)
    captured = _finish(replace(draft, graph=with_outputs(report.graph, written.outputs())), findings, frozen)
    if choice != "outputs" or not written.state:
        return captured
    values = run(request.model, draft.call, training, written.state).buffers
    signature = replace(captured.signature, state=written.state)
    return replace(captured, signature=signature, example_outputs=(*captured.example_outputs, *values))


def _finish(draft: _Draft, findings: Sequence[Finding] | None = None, frozen: Frozen | None = None) -> Captured:
    """Put together what belongs to the graph."""
    call, returned = draft.call, draft.returned
    graph = without_marks(draft.graph if findings is not None else settle_observers(draft.graph))
    places = list(zip(graph.inputs, draft.positions, strict=True))
    signature = Signature(
        call,
        tuple((item.name, call.paths[index]) for item, index in places),
        returned.tree,
        returned.slots,
        returned.constants,
    )
    examples = {item.name: call.leaves[index] for item, index in places}
    found = tuple(draft.result.findings if findings is None else findings)
    return Captured(graph, signature, examples, returned.examples, found, draft.functions, frozen or Frozen())


def _functional(graph: CapturedGraph, strided: list[Var], keeps_state: bool) -> Functionalized:
    """The functional graph with its marks; without them where it is only for a mark that a write cannot be resolved.

    Where a branch or loop decides which memory a name is, and nothing else helps, that is followed as well.
    """
    try:
        return functionalize_with_report(graph, strided, keeps_state=keeps_state)
    except UnsafeMutation:
        bare = without_marks(graph)
        graphs = [graph] if bare is graph else [graph, bare]
        attempts = [(one, False) for one in graphs[1:]]
        attempts += [(one, True) for one in graphs] if has_branches(graph) else []
        if not attempts:
            raise
    for one, chooses in attempts[:-1]:
        with contextlib.suppress(UnsafeMutation):
            return functionalize_with_report(one, strided, keeps_state=keeps_state, chooses=chooses)
    one, chooses = attempts[-1]
    return functionalize_with_report(one, strided, keeps_state=keeps_state, chooses=chooses)


def _check_model(model: object) -> None:
    """Refuse what is no model, and what wraps one for several devices or for a compiler.

    Raises:
        InvalidArgument: with what to pass instead.
    """
    if isinstance(model, torch.nn.Module) and not isinstance(model, torch.jit.ScriptModule):
        _check_wrappers(model)
    if isinstance(model, type):
        raise InvalidArgument(f"{model.__name__} is a class", hint=f"Make a model of it: {model.__name__}(...).")
    if not isinstance(model, torch.nn.Module) and not private.is_script_object(model):
        raise InvalidArgument(
            f"an object of type {type(model).__name__} is no model",
            why="capture takes an nn.Module, a ScriptModule or a ScriptFunction",
            hint="Call a function from the forward of an nn.Module.",
        )
    if isinstance(model, torch.jit.ScriptModule) and not hasattr(model, "forward"):
        raise InvalidArgument(
            "the script module has no method forward",
            why="where forward has overloads, as in nn.LSTM, a script has only these",
            hint="Call it from the forward of another module, and script that one.",
        )


def _check_wrappers(model: torch.nn.Module) -> None:
    for path, module in model.named_modules():
        kind = type(module).__name__
        inner = "module" if isinstance(module, _PARALLEL) else "_orig_mod" if kind == _COMPILED else None
        if inner is not None:
            name = f"model.{path}" if path else "model"
            hint = f"Put the module inside of it into its place: {name} = {name}.{inner}." if path else None
            raise InvalidArgument(
                f"{kind} cannot be exported" + (f": {name}" if path else ""),
                hint=hint or f"Export the model inside of it: model.{inner} of the {kind}.",
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
    return isinstance(leaf, torch.Tensor) or (
        scripted and (isinstance(leaf, (bool, int, float)) or is_tensor_list(leaf))
    )


def _inputs(typer: Typer, call: Call, positions: Sequence[int], names: naming.Naming) -> tuple[Input, ...]:
    ports = [naming.Port(call.paths[index], _shape(call.leaves[index])) for index in positions]
    return tuple(
        Input(typer.input(_input_type(call.leaves[index], named.axes, typer.dims), named.name), named.name)
        for index, named in zip(positions, names.inputs(ports), strict=True)
    )


def _list_type(tensors: Sequence[torch.Tensor], dims: DimSource) -> SequenceType:
    """The type of a list of which the example shows only some elements: their sizes say nothing of others'.

    Raises:
        NotYetSupported: if the elements differ in what they must share.
    """
    dtypes = {tensor.dtype for tensor in tensors}
    if len(dtypes) != 1:
        raise NotYetSupported(
            "an empty list" if not dtypes else "a list of tensors of several element types",
            hint="The list becomes an ONNX sequence, whose element type is taken from the example.",
        )
    ranks = {tensor.dim() for tensor in tensors}
    shape = tuple(dims.unknown() for _ in range(ranks.pop())) if len(ranks) == 1 else None
    return SequenceType(TensorType(dtype_from_torch(dtypes.pop()), shape))


def _input_type(leaf: Any, axes: Mapping[int, str], dims: DimSource) -> AnyType:
    if is_tensor_list(leaf):
        return _list_type(leaf, dims)
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
        Output(value, named.name, tuple(sorted(named.axes.items())), None if port.shape is None else len(port.shape))
        for value, named, port in zip(returned.values, names.outputs(ports, returned.tree), ports, strict=True)
    )


def _params(weights: Weights, names: naming.Naming) -> tuple[Param, ...]:
    params = weights.params()
    given = names.params([param.name for param in params])
    return tuple(replace(param, name=name) for param, name in zip(params, given, strict=True))


def _strided(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor) and not leaf.is_contiguous()


def _shape(leaf: Any) -> tuple[int, ...] | None:
    return tuple(leaf.shape) if isinstance(leaf, torch.Tensor) else None
