"""``onnxport.bisect``: the first operator at which an exported model and the torch model part."""

from __future__ import annotations

import linecache
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from onnxport_custom_ops import Session
from onnxport_frontend import Captured, capture, replay
from onnxport_frontend.decompose import decompose
from onnxport_frontend.interpret import Environment, environment, free_variables, steps, tensor_of, value_of
from onnxport_ir import Block, CapturedGraph, Eqn, Model, Node, OptionalType, Value, Var
from onnxport_ir.errors import OnnxExporterError, Place
from onnxport_ir.naming import assign_names
from onnxport_symbolics import Target, default_registry, lower
from onnxport_symbolics.binder import Lowered

from onnxport.comparison import Comparison, compare
from onnxport.options import DEFAULT_OPSET, Custom, TrainingMode, keeping_of
from onnxport.reproduction import INPUTS_NAME, MODEL_NAME, reproduce_graph, reproduce_operator
from onnxport.runtime import draws_random_numbers, model_session
from onnxport.verification import VerifyOptions, compare_outputs, run_verified

#: What is compared in one run of the model: more would hold all values of a large model in memory at once.
_BATCH_BYTES = 256 << 20

Verdict = Literal["agrees", "operator", "capture", "optimization", "spread"]


@dataclass(frozen=True, slots=True)
class Bisection:
    """What was found.

    Attributes:
        verdict: ``"agrees"``: the models agree. ``"operator"``: an operator has another result in ONNX Runtime;
            ``operator`` and what follows say which. ``"capture"``: the captured graph, run by torch, does not do what
            the model does, such as one with frozen values. ``"optimization"``: the models agree if ONNX Runtime does
            not optimise. ``"spread"``: no single result is beyond the tolerance, the outputs are.
        comparison: of the first result that is wrong, or of the first output.
        operator: torch's operator.
        module: the qualified name of the module that called it; empty for the model itself.
        module_class: the class of that module.
        place: where in the user's code.
        nodes: the operators of ONNX that it was lowered to.
        model_path: a model that shows the difference alone.
        inputs_path: its inputs, by name, and what torch has for its outputs, as ``expected_<name>``.
    """

    verdict: Verdict
    comparison: Comparison | None = None
    operator: str = ""
    module: str = ""
    module_class: str = ""
    place: Place = field(default_factory=Place)
    nodes: tuple[str, ...] = ()
    model_path: Path | None = None
    inputs_path: Path | None = None

    @property
    def source_line(self) -> str:
        """The line of the user's code; empty if it is not to be had."""
        if self.place.file is None or self.place.line is None:
            return ""
        return linecache.getline(self.place.file, self.place.line).strip()

    def __str__(self) -> str:
        problem = self.comparison.problem if self.comparison else None
        if self.verdict != "operator":
            return _SENTENCES[self.verdict] + (f": {problem}" if problem else "")
        module = f"module {self.module or '(the model)'}" + (f" ({self.module_class})" if self.module_class else "")
        lines = [f"{self.operator} in {module}: {problem}", f"  lowered to {', '.join(self.nodes) or 'a constant'}"]
        if self.place.file:
            lines.append(f"  at {self.place.file}:{self.place.line}: {self.source_line}")
        if self.model_path:
            lines.append(f"  reproduction: {self.model_path}, {self.inputs_path}")
        return "\n".join(lines)


_SENTENCES: Mapping[Verdict, str] = {
    "agrees": "the exported model agrees with torch's on the example",
    "capture": "the captured graph does not do what the model does; see ONNXProgram.findings for frozen values",
    "optimization": "the models agree as soon as ONNX Runtime does not optimise the exported one",
    "spread": "no operator is beyond the tolerance by itself, the outputs are; set a tighter one",
}


def bisect(
    model: torch.nn.Module | torch.jit.ScriptModule | torch.jit.ScriptFunction[Any, Any],
    args: Any = (),  # Any: the arguments of the user's own model
    *,
    kwargs: Mapping[str, Any] | None = None,
    opset_version: int | None = None,
    dynamic_axes: Mapping[str, Mapping[int, str] | Sequence[int]] | None = None,
    training: TrainingMode | int = TrainingMode.EVAL,
    custom_opsets: Mapping[str, int] | None = None,
    custom: Custom = "error",
    options: VerifyOptions | None = None,
    folder: str | os.PathLike[str] | None = ".",
) -> Bisection:
    """Find the first operator whose result in ONNX Runtime differs from torch's.

    The model is exported with the results of all operators as outputs, and these are compared in the order of the
    model with what torch has for them.

    Args:
        model: as for :func:`onnxport.export`.
        args: as for :func:`onnxport.export`.
        kwargs: as for :func:`onnxport.export`.
        opset_version: as for :func:`onnxport.export`.
        dynamic_axes: as for :func:`onnxport.export`.
        training: as for :func:`onnxport.export`.
        custom_opsets: as for :func:`onnxport.export`.
        custom: as for :func:`onnxport.export`.
        options: the tolerances.
        folder: where the reproduction goes, ``bisect.onnx`` and ``bisect.npz``; None writes none.

    Raises:
        OnnxExporterError: if onnxruntime is not installed, the model draws random numbers, or it cannot be exported.
        VerificationFailed: if ONNX Runtime does not run the exported model.
    """
    target = Target(DEFAULT_OPSET if opset_version is None else opset_version)
    session = Session(target.opset, keeping_of(custom, None, True), custom_opsets)
    mode = TrainingMode.of(training).module_mode
    captured = capture(
        model, args, kwargs, dynamic_axes=dynamic_axes, training=mode, keeps_function=session.keeps_function
    )
    registry = session.registry(default_registry(), captured.functions)
    graph = decompose(captured.graph, lambda op: op in registry).graph
    trail = _Trail()
    lowered = lower(graph, registry, target, watcher=trail)
    session.finish(lowered)
    assign_names(lowered)
    if draws_random_numbers(lowered):
        raise OnnxExporterError("the model draws random numbers, so that no two runs of it agree")
    search = _Search(captured, graph, lowered, trail, options or VerifyOptions())
    found = search.run(replay(model, captured.signature, captured.example_inputs, mode))
    if not isinstance(found, _Difference):
        return found
    if folder is None:
        return _bisection(found, graph, None)

    def lower_again(part: CapturedGraph) -> Model:
        made = lower(part, registry, target)
        session.finish(made)
        return made

    made = reproduce_operator(found.eqn, search.values_around(found.eqn), graph, lower_again, search.options)
    if made is None and isinstance(found.lowered, Value):
        made = reproduce_graph(lowered, found.lowered, captured.example_inputs, found.theirs)
    if made is not None:
        made.write(Path(folder))
    return _bisection(found, graph, None if made is None else Path(folder))


@dataclass(frozen=True, slots=True, eq=False)
class _Difference:
    """A result of an equation, and what it was lowered to."""

    eqn: Eqn
    nodes: Sequence[Node]
    lowered: Lowered
    theirs: Any
    comparison: Comparison | None = None


@dataclass(slots=True, eq=False)
class _Trail:
    """What each equation was lowered to."""

    results: list[Sequence[Lowered]] = field(default_factory=list)
    nodes: list[Sequence[Node]] = field(default_factory=list)
    _count: int = 0

    def lowered(self, eqn: Eqn, results: Sequence[Lowered], block: Block) -> None:
        """Note an equation."""
        self.results.append(results)
        self.nodes.append(block.nodes[self._count :])
        self._count = len(block.nodes)


@dataclass(slots=True, eq=False)
class _Search:
    """One search.

    Attributes:
        captured: the capture.
        graph: the graph that was lowered.
        model: what it was lowered to, with names.
        trail: which equation was lowered to what.
        options: the tolerances.
    """

    captured: Captured
    graph: CapturedGraph
    model: Model
    trail: _Trail
    options: VerifyOptions

    def run(self, expected: Sequence[Any]) -> Bisection | _Difference:
        """Compare the outputs, then the results of the equations in order, then look for other reasons."""
        outputs = list(self.model.graph.outputs)
        first = self._compare_outputs(expected, self._results_of(outputs))
        if first is None or first.problem is None:
            return Bisection("agrees", first)
        env = self._environment()
        batch: list[_Difference] = []
        nbytes = 0
        for index, eqn in enumerate(steps(self.graph, env)):
            for var, lowered in zip(eqn.outputs, self.trail.results[index], strict=True):
                if _is_comparable(lowered):
                    batch.append(_Difference(eqn, self.trail.nodes[index], lowered, env[var]))
                    nbytes += _nbytes(env[var])
            if nbytes > _BATCH_BYTES:
                found = self._first_difference(batch)
                if found is not None:
                    return found
                batch, nbytes = [], 0
        found = self._first_difference(batch)
        if found is not None:
            return found
        captured = self._compare_outputs(expected, [value_of(item.value, env) for item in self.graph.outputs])
        if captured is not None and captured.problem:
            return Bisection("capture", captured)
        plain = self._compare_outputs(expected, self._results_of(outputs, optimize=False))
        return Bisection("spread" if plain is not None and plain.problem else "optimization", first)

    def values_around(self, eqn: Eqn) -> dict[Var, Any]:
        """What torch has for the variables that an equation reads, and for its results."""
        env = self._environment()
        for done in steps(self.graph, env):
            if done is eqn:
                break
        return {var: env[var] for var in [*free_variables(eqn), *eqn.outputs]}

    def _environment(self) -> Environment:
        inputs = [self.captured.example_inputs[item.name] for item in self.graph.inputs]
        return environment(self.graph, inputs, self.captured.functions)

    def _first_difference(self, batch: Sequence[_Difference]) -> _Difference | None:
        wanted = [item.lowered for item in batch if isinstance(item.lowered, Value) and item.lowered.producer]
        wanted = list(dict.fromkeys(wanted))
        found = dict(zip(wanted, self._results_of(wanted), strict=True))
        for item in batch:
            ours = found[item.lowered] if item.lowered in found else _known(item.lowered)
            comparison = compare(item.theirs, ours, self.options.tolerance)
            if comparison.problem:
                return replace(item, comparison=comparison)
        return None

    def _results_of(self, values: Sequence[Value], *, optimize: bool = True) -> list[Any]:
        """What ONNX Runtime has for values of the graph."""
        if not values:
            return []
        outputs = self.model.graph.outputs
        self.model.graph.outputs = list(values)
        try:
            options = self.options.session_options
            make_session = partial(model_session, self.model, optimize=optimize, session_options=options)
            return run_verified(make_session, self.captured.example_inputs, [value.name or "" for value in values])
        finally:
            self.model.graph.outputs = outputs

    def _compare_outputs(self, expected: Sequence[Any], found: Sequence[Any]) -> Comparison | None:
        """The comparison of the first output that is wrong, or of the first one."""
        verification = compare_outputs([item.name for item in self.graph.outputs], expected, found, self.options)
        compared = list(verification.outputs.values())
        return next((item for item in compared if item.problem), compared[0] if compared else None)


def _bisection(found: _Difference, graph: CapturedGraph, folder: Path | None) -> Bisection:
    place = found.eqn.place
    return Bisection(
        "operator",
        found.comparison,
        str(found.eqn.op),
        place.module,
        graph.module_classes.get(place.module, ""),
        place,
        tuple(node.op_type for node in found.nodes),
        None if folder is None else folder / MODEL_NAME,
        None if folder is None else folder / INPUTS_NAME,
    )


def _is_comparable(lowered: Lowered) -> bool:
    """Whether torch's and the exported model's values can be told to be the same."""
    if isinstance(lowered, Value):
        # An input is what it is.
        is_input = lowered.producer is None and lowered.const is None
        return not is_input and not isinstance(lowered.value_type, OptionalType)
    return isinstance(lowered, bool | int | float)


def _known(lowered: Lowered) -> Any:
    tensor = lowered.const if isinstance(lowered, Value) else None
    if tensor is not None:
        return tensor_of(tensor)
    return torch.tensor(lowered, dtype=torch.float64 if isinstance(lowered, float) else None)


def _nbytes(value: Any) -> int:
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    return sum(map(_nbytes, value)) if isinstance(value, list | tuple) else 0
