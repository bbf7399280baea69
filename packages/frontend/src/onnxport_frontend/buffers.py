"""Buffers that the model writes while it runs: ignored with a finding, handed out as further outputs, or refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from onnxport_ir.captured import Arg, CapturedGraph, Output
from onnxport_ir.errors import InvalidArgument, Place, UnsafeMutation

from onnxport_frontend.findings import Finding
from onnxport_frontend.functionalize import Functionalized
from onnxport_frontend.model_state import written_parameters

#: What becomes of what a model writes to its buffers.
MutatedBuffers = Literal["ignore", "outputs", "error"]

#: The name of the output with the new value of a buffer.
UPDATED = "{}.updated"


@dataclass(frozen=True, slots=True)
class Written:
    """What a model writes that outlives the call.

    Attributes:
        report: the functional graph, and its writes.
        replaced: the buffers for which the model holds other tensors after the call.
        original: the ``state_dict`` name of each parameter of the graph.
        attributes: the attributes which are no tensors that the model reads and sets.
    """

    report: Functionalized
    replaced: Sequence[str]
    original: Mapping[str, str]
    attributes: Sequence[str] = ()

    @property
    def buffers(self) -> dict[str, Place]:
        """The buffers that are written to, by the names that they have in the graph."""
        return dict(self.report.mutated_params)

    def findings(self) -> list[Finding]:
        """One for each buffer and input.

        Raises:
            UnsafeMutation: if the model writes to a parameter, whose values have then changed.
        """
        known = {param.name for param in self.report.graph.params if param.is_buffer}
        findings = []
        for name, place in self.buffers.items():
            if name not in known:
                raise written_parameters([name]).at(place)
            findings.append(Finding("buffer_write", f"the model writes to its buffer {name}", place))
        for name in self.replaced:
            findings.append(Finding("buffer_write", f"the model replaces its buffer {name}", Place()))
        for name in self.attributes:
            findings.append(Finding("buffer_write", f"the model reads and sets its attribute {name}", Place()))
        for name, place in self.report.mutated_inputs:
            findings.append(Finding("input_write", f"the model writes to its input {name}", place))
        return findings

    def refuse(self, choice: MutatedBuffers) -> None:
        """Refuse writes to buffers, or those that cannot be handed out.

        Raises:
            UnsafeMutation: if there are any.
        """
        if self.attributes:
            raise UnsafeMutation(
                f"the model sets attributes, which no output can be: {', '.join(self.attributes)}",
                hint='Make them buffers; mutated_buffers="ignore" begins each run with their present values.',
            )
        names = [] if choice == "outputs" else [*self.buffers, *self.replaced]
        if names:
            raise UnsafeMutation(
                f"the model writes to its buffers while it runs: {', '.join(names)}",
                where=next(iter(self.buffers.values()), None),
                hint='mutated_buffers="outputs" hands their new values out, "ignore" leaves them as they are.',
            )

    def outputs(self) -> tuple[Output, ...]:
        """An output for each buffer that is written in place, named for it."""
        return tuple([Output(value, UPDATED.format(name)) for name, value in self._in_place])

    @property
    def state(self) -> tuple[str, ...]:
        """The ``state_dict`` names of the buffers whose new values are outputs: replaced ones, then :meth:`outputs`."""
        return (*self.replaced, *(self.original[name] for name, _ in self._in_place))

    @property
    def _in_place(self) -> list[tuple[str, Arg]]:
        return [(name, value) for name, value in self.report.state if self.original[name] not in self.replaced]


def replaced_outputs(replaced: Mapping[str, Arg], original: Mapping[str, str]) -> tuple[Output, ...]:
    """An output for each buffer in whose place the model puts another tensor.

    Args:
        replaced: that tensor, by the buffer's ``state_dict`` name.
        original: the ``state_dict`` name of each parameter of the graph.
    """
    given = {path: name for name, path in original.items()}
    return tuple([Output(value, UPDATED.format(given.get(path, path))) for path, value in replaced.items()])


def with_outputs(graph: CapturedGraph, outputs: Sequence[Output]) -> CapturedGraph:
    """The graph with further outputs.

    Raises:
        InvalidArgument: if another output has the name of one of them.
    """
    names = {*(item.name for item in graph.outputs), *(item.name for item in graph.inputs)}
    taken = names & {item.name for item in outputs}
    if taken:
        raise InvalidArgument(f"{', '.join(sorted(taken))}: the name is that of a written buffer's output")
    return replace(graph, outputs=(*graph.outputs, *outputs))


def check_choice(choice: object) -> None:
    """Refuse another value of ``mutated_buffers``.

    Raises:
        InvalidArgument: if it is none of the choices.
    """
    if choice not in get_args(MutatedBuffers):
        raise InvalidArgument(f"mutated_buffers={choice!r} is none of 'ignore', 'outputs' and 'error'")
