"""What a trace has fixed, with what it depends on, and what it would be for other inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from onnxport_ir.captured import CapturedGraph, Output, Var
from onnxport_ir.errors import OnnxExporterError

from onnxport_frontend.dependence import Dependence, Mark, Marked, analyse, marks_of
from onnxport_frontend.findings import Finding
from onnxport_frontend.interpret import environment, free_variables, steps, value_of
from onnxport_frontend.places import is_user_file

_Formulas = Mapping[int, Callable[[Mapping[str, int]], Any]]

#: What a value of each kind is made with, of the tensor that was marked.
_CONVERT: dict[str, Callable[[torch.Tensor], Any]] = {
    "bool": bool,
    "int": int,
    "index": int,
    "float": float,
    "number": lambda tensor: tensor.item(),
}


@dataclass(frozen=True, slots=True, eq=False)
class Frozen:
    """The values that a trace has fixed, as functions of the inputs.

    Attributes:
        graph: the functional graph with its marks; None if there are none.
        functions: the classes of ``autograd.Function`` calls, by their names in it.
        formulas: marks as functions of the sizes of dynamic axes.
    """

    graph: CapturedGraph | None = None
    functions: Mapping[str, type] = field(default_factory=dict)
    formulas: _Formulas = field(default_factory=dict)

    def for_sizes(self, finding: Finding, sizes: Mapping[str, int]) -> tuple[Any, ...] | None:
        """The values of a finding for sizes of the dynamic axes.

        Args:
            finding: one of the capture's.
            sizes: a size for the name of each dynamic axis.

        Returns:
            The distinct values, as in ``Finding.values``; None where they cannot be told from sizes.
        """
        values: dict[Any, None] = {}
        for number in finding.marks:
            formula = self.formulas.get(number)
            value = None if formula is None else formula(sizes)
            if value is None:
                return None
            values[_converted(finding.kind, value)] = None
        return tuple(values) if finding.values else None

    def for_inputs(self, findings: Sequence[Finding], inputs: Mapping[str, Any]) -> dict[Finding, tuple[Any, ...]]:
        """The values of findings for other inputs, as the captured graph has them.

        Args:
            findings: some of the capture's.
            inputs: a value for each input of the graph, by name.

        Returns:
            The distinct values of each finding of which all are known: the graph, in which values are fixed, need not
            be able to run with other inputs to its end.
        """
        wanted = {number for finding in findings for number in finding.marks}
        if self.graph is None or not wanted:
            return {}
        marks = {mark.number: mark for mark in marks_of(self.graph.eqns) if mark.number in wanted}
        found = _run(self.graph, marks.values(), inputs, self.functions)
        result = {}
        for finding in findings:
            if finding.values and finding.kind in _CONVERT and all(number in found for number in finding.marks):
                values = [_CONVERT[finding.kind](found[number]) for number in finding.marks]
                result[finding] = tuple(dict.fromkeys(values))
        return result


def resolve(
    findings: Sequence[Finding], graph: CapturedGraph, functions: Mapping[str, type]
) -> tuple[list[Finding], Frozen]:
    """Find out what findings depend on.

    Args:
        findings: those of the trace.
        graph: the functional graph with the marks.
        functions: the classes of ``autograd.Function`` calls, by their names in it.

    Returns:
        The findings, with those that only the graph shows, and their values for other inputs.
    """
    marked = analyse(graph)
    resolved = [_resolved(finding, marked) for finding in findings]
    # A loop over a tensor takes it apart as well.
    seen = {replace(f.place, module="", function=None) for f in resolved if f.kind == "iteration"}
    for eqn, depends in marked.parts:
        finding = Finding(
            "parts",
            f"Taking {eqn.op.name} of a tensor apart",
            replace(eqn.place, module=""),
            not is_user_file(eqn.place.file or ""),
            depends,
        )
        line = replace(finding.place, function=None)
        if line not in seen:
            seen.add(line)
            resolved.append(finding)
    has_marks = bool(marked.dependences)
    return resolved, Frozen(graph if has_marks else None, functions, marked.formulas)


def _resolved(finding: Finding, marked: Marked) -> Finding:
    if not finding.marks:
        return finding
    depends = Dependence()
    for number in finding.marks:
        depends |= marked.dependences.get(number, Dependence(is_known=False))
    return replace(finding, depends=depends)


def _run(
    graph: CapturedGraph, marks: Iterable[Mark], inputs: Mapping[str, Any], functions: Mapping[str, type]
) -> dict[int, torch.Tensor]:
    """The values of marks, up to the first equation that does not run."""
    wanted = list(marks)
    outputs = tuple(Output(mark.value, str(mark.number)) for mark in wanted)
    needed = {mark.value for mark in wanted if isinstance(mark.value, Var)}
    kept = []
    for eqn in reversed(graph.eqns):
        if any(out in needed for out in eqn.outputs):
            kept.append(eqn)
            needed.update(free_variables(eqn))
    params = tuple(param for param in graph.params if param.var in needed)
    cone = replace(graph, eqns=tuple(kept[::-1]), outputs=outputs, params=params, calls=())
    env = environment(cone, [inputs[item.name] for item in cone.inputs], functions)
    try:
        with torch.no_grad():
            for _ in steps(cone, env):
                pass
    except OnnxExporterError:
        # The graph holds sizes of the example; what comes before one of them is still right.
        pass
    return {
        mark.number: torch.as_tensor(value_of(mark.value, env))
        for mark in wanted
        if not isinstance(mark.value, Var) or mark.value in env
    }


def _converted(kind: str, value: Any) -> Any:
    return bool(value) if kind == "bool" else value
