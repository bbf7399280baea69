"""The result of an export."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from onnxport_ir import Model, OpName
from onnxport_ir.proto import to_proto
from onnxport_ir.write import ExternalData, write

from onnxport.runtime import loose_weights, model_session, run_session
from onnxport.selfcheck import Checked
from onnxport.verification import Verification

if TYPE_CHECKING:
    import onnx
    import onnxruntime
    from onnxport_frontend import Captured, Finding, Signature

    from onnxport.journal import Journal, OperatorTiming


class ONNXProgram:
    """An exported model: to be saved, looked at, and called.

    Attributes:
        model: the graph; its weights are the tensors of the torch model, not copies.
        signature: how a call of the torch model maps to the inputs and outputs of the graph.
        timings: seconds by stage: ``capture``, ``lower``, ``passes``, ``check``, ``verify``, ``write``.
        findings: what the capture has to say about the model, in order.
        checked: with which other sizes the model was checked against torch, or why it was not.
        decomposed: the operators that are exported as torch expresses them in others, for want of a handler.
        verification: how the outputs for the example differ from torch's; None if that was not asked for.
        operator_timings: what lowering each of torch's operators has cost; None if that was not asked for.
        report: the file of the report; None if none was asked for.
    """

    def __init__(
        self,
        model: Model,
        signature: Signature,
        timings: Mapping[str, float],
        findings: tuple[Finding, ...] = (),
        checked: Checked | None = None,
        decomposed: tuple[OpName, ...] = (),
    ) -> None:
        self.model = model
        self.signature = signature
        self.timings = dict(timings)
        self.findings = findings
        self.checked = checked or Checked(None, "not asked for")
        self.decomposed = decomposed
        self.verification: Verification | None = None
        self.operator_timings: Mapping[str, OperatorTiming] | None = None
        self.report: Path | None = None
        self._proto: onnx.ModelProto | None = None
        self._session: onnxruntime.InferenceSession | None = None

    @staticmethod
    def of(model: Model, captured: Captured, journal: Journal, report: Path | None) -> ONNXProgram:
        """The result of an export, as its journal tells it."""
        timings, checked = journal.timings, journal.checked
        program = ONNXProgram(model, captured.signature, timings, captured.findings, checked, journal.decomposed)
        program.verification = journal.verification
        program.operator_timings = journal.operators
        program.report = report
        return program

    @property
    def model_proto(self) -> onnx.ModelProto:
        """The model as an ``onnx.ModelProto``, weights included; made at the first use."""
        if self._proto is None:
            self._proto = to_proto(self.model)
        return self._proto

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names of the graph's inputs that a caller gives."""
        return tuple(value.name or "" for value in self.model.graph.inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the graph's outputs."""
        return tuple(value.name or "" for value in self.model.graph.outputs)

    def save(self, destination: str | os.PathLike[str] | BinaryIO, *, external_data: bool | None = None) -> None:
        """Write the model.

        Args:
            destination: a path, or a binary file object.
            external_data: True puts the weights into ``<destination>.data``, False never does, None does so if
                the model exceeds what one file can hold (2 GB).

        Raises:
            WriteFailed: if the file cannot be written; nothing is left of it.
        """
        choices: dict[bool | None, ExternalData] = {None: "auto", True: "always", False: "never"}
        write(self.model, destination, external_data=choices[external_data])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # Any: the call of the user's own model
        """Run the model in ONNX Runtime on the CPU, with the arguments of the torch model's ``forward``.

        Returns:
            What ``forward`` returns, in its structure, with torch tensors.

        Raises:
            InvalidArgument: if the arguments differ in structure from those of the export.
            OnnxExporterError: if onnxruntime is not installed.
        """
        feeds = {**loose_weights(self.model), **self.signature.flatten(args, kwargs)}
        return self.signature.unflatten(run_session(self._runtime(), feeds, self.output_names))

    def _runtime(self) -> onnxruntime.InferenceSession:
        if self._session is None:
            self._session = model_session(self.model)
        return self._session

    def __repr__(self) -> str:
        return (
            f"ONNXProgram(opset={self.model.opset}, nodes={self.model.num_nodes()}, "
            f"inputs={list(self.input_names)}, outputs={list(self.output_names)})"
        )
