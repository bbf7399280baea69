"""``onnxport.export``: the way of a model from torch to a file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from onnxport_custom_ops import Keeping, Session
from onnxport_frontend import Captured, Departures, capture
from onnxport_frontend.buffers import MutatedBuffers
from onnxport_frontend.script import class_name
from onnxport_ir import Model
from onnxport_ir.errors import LoweringError, OnnxExporterError
from onnxport_ir.verbose_text import format_model
from onnxport_ir.write import write
from onnxport_symbolics import NEWEST_OPSET, Target, default_registry

from onnxport.buffers import warn_of_buffers
from onnxport.build import build
from onnxport.collector import collector_paused
from onnxport.frozen_values import OnFrozen, report_turned
from onnxport.journal import Journal
from onnxport.mode import is_trained
from onnxport.module_functions import ModuleFunctions
from onnxport.options import (
    DEFAULT_OPSET,
    Custom,
    ExportOptions,
    OperatorExportTypes,
    Optimize,
    TrainingMode,
    check_choices,
    keeping_of,
    later_parameters,
)
from onnxport.problems import Problems
from onnxport.program import ONNXProgram
from onnxport.report import report_path, reporting
from onnxport.second_try import Attempt, improved
from onnxport.selfcheck import (
    ASKED_FURTHER_S,
    FURTHER_S,
    Checked,
    check_other_inputs,
    is_cheap,
    report_unchecked,
    report_wrong,
)
from onnxport.verification import VerifyOptions, verify_example

if TYPE_CHECKING:
    import torch


def export(
    model: torch.nn.Module | torch.jit.ScriptModule | torch.jit.ScriptFunction[Any, Any],
    args: Any = (),  # Any: the arguments of the user's own model
    f: str | os.PathLike[str] | BinaryIO | None = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    export_params: bool = True,
    verbose: bool | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    opset_version: int | None = None,
    dynamic_axes: Mapping[str, Mapping[int, str] | Sequence[int]] | None = None,
    keep_initializers_as_inputs: bool = False,
    dynamo: bool = False,
    external_data: bool = True,
    dynamic_shapes: Any = None,
    custom_translation_table: Mapping[Callable[..., Any], Any] | None = None,
    report: bool = False,
    optimize: Optimize = True,
    verify: bool | VerifyOptions = False,
    profile: bool = False,
    dump_exported_program: bool = False,
    artifacts_dir: str | os.PathLike[str] = ".",
    fallback: bool = False,
    training: TrainingMode | int | None = TrainingMode.EVAL,
    operator_export_type: OperatorExportTypes | int | None = OperatorExportTypes.ONNX,
    do_constant_folding: bool = True,
    custom_opsets: Mapping[str, int] | None = None,
    export_modules_as_functions: bool | Collection[type[torch.nn.Module]] = False,
    autograd_inlining: bool = True,
    check: bool | Literal["auto"] = "auto",
    on_frozen: OnFrozen = "auto",
    loops: Literal["keep", "unroll"] = "keep",
    custom: Custom = "error",
    complex_pairs: bool = False,
    mutated_buffers: MutatedBuffers = "ignore",
) -> ONNXProgram:
    """Export a model to ONNX.

    The signature is that of ``torch.onnx.export``; the documentation has a table of what each parameter does here.

    Args:
        model: a module, which is traced with the arguments; or a scripted one, which is taken as it is.
        args: the positional arguments of one call, a tuple, or a single tensor. Tensors become inputs of the
            exported model, in whatever structure they stand; everything else is fixed in it. A dict in last place holds
            the keyword arguments where ``kwargs`` is left out and the call fits the model so.
        f: where to write: a path, or a binary file object; None writes nothing.
        kwargs: the keyword arguments of the call.
        export_params: False leaves the weights out of the file and makes them inputs.
        verbose: True prints the exported graph.
        input_names: names of the inputs, in order; further names go to the parameters.
        output_names: names of the outputs, in order.
        opset_version: the ONNX opset, 7 to the newest of the installed onnx; 18 by default.
        dynamic_axes: axes whose size may differ from the example's: ``{"x": {0: "batch"}}`` or ``{"x": [0]}``.
        keep_initializers_as_inputs: True makes the weights inputs as well, so that a caller can replace them.
        dynamo: not supported yet.
        external_data: False forbids a second file for the weights; True writes one if the model exceeds 2 GB.
        dynamic_shapes: not supported yet; belongs to ``dynamo=True``.
        custom_translation_table: not supported yet; belongs to ``dynamo=True``.
        report: True writes a Markdown file about the export to ``artifacts_dir``, also where it fails.
        optimize: False leaves the graph as it was lowered; a list names the passes that run, with ``"onnxscript"`` for
            that package's optimizer, after all others.
        verify: True runs the finished model on the example in ONNX Runtime and compares its outputs with torch's;
            ``VerifyOptions`` sets tolerances. The result is ``ONNXProgram.verification``.
        profile: True takes the time of lowering each operator, for the report and ``ONNXProgram.operator_timings``.
        dump_exported_program: not supported yet; belongs to ``dynamo=True``.
        artifacts_dir: where reports go; without a report it has no effect.
        fallback: has no effect: the exporter to fall back to is this one.
        training: the mode that the model is captured in; it is put back afterwards.
        operator_export_type: ``ONNX_ATEN_FALLBACK`` keeps torch's operators that cannot be converted as ``ATen``
            nodes, ``ONNX_FALLTHROUGH`` keeps all such operators under their names; see :class:`OperatorExportTypes`.
        do_constant_folding: False stores every weight as the model has it, and computes what is made from weights in
            the exported model. In training, and where weights are inputs, this is so in any case.
        custom_opsets: the versions of custom operator domains that the model uses; 1 for those that it leaves out.
        export_modules_as_functions: True makes every call of a module a call of a local function, equal modules sharing
            one; a set of classes does so for modules of these classes. Needs opset 15.
        autograd_inlining: False keeps calls of an ``autograd.Function`` without symbolic function as nodes; by default
            the export follows what they do.
        check: whether to run the exported model in ONNX Runtime with other values and other sizes of its dynamic axes,
            against the torch model; ``"auto"`` does so where that costs little. Not a parameter of torch's.
        on_frozen: what to do if the trace has fixed a value that depends on the input, and no check has shown that it
            does not matter: ``"auto"`` raises where the elements of inputs decide it and warns where sizes do,
            ``"error"`` raises and ``"warn"`` warns in either case, ``"ignore"`` leaves it at ``ONNXProgram.findings``.
            With the last two, outputs that a check finds to be wrong for that reason are a warning as well. Not a
            parameter of torch's.
        loops: what becomes of a script's loops with a constant number of turns: ``"keep"`` makes them ONNX's Loop
            where that can express them, ``"unroll"`` writes their turns one after the other.
        custom: what becomes of custom operators without a symbolic function: ``"error"``, or ``"keep"``, which writes
            them as nodes of their own domain, for a runtime that has them. Not a parameter of torch's.
        complex_pairs: True makes complex inputs and outputs, which no runtime takes, real ones with the real and
            imaginary parts along a last axis of size 2; False refuses them. Not a parameter of torch's.
        mutated_buffers: what becomes of buffers that the model writes while it runs: ``"ignore"`` begins each run with
            their values at the export, and warns; ``"outputs"`` makes the new value of each an output behind those of
            the model, called ``NAME.updated``; ``"error"`` refuses the model. Not a parameter of torch's.

    Returns:
        The exported model. It shares the weights with the torch model.

    Raises:
        InvalidArgument: for names, axes or opsets that do not fit.
        NotYetSupported: for a parameter that this release does not act upon.
        CaptureFailed: if the model cannot be traced.
        LoweringError: if ONNX, or the opset, cannot express the model; all reasons at once.
        FrozenValue: if the check shows that the trace has fixed something that depends on a dynamic axis.
        VerificationFailed: if the check shows other outputs than torch's, for another reason.
        WriteFailed: if the file cannot be written.
    """
    problems = Problems()
    problems.read(
        None,
        later_parameters,
        dynamo=dynamo,
        dynamic_shapes=dynamic_shapes,
        custom_translation_table=custom_translation_table,
        dump_exported_program=dump_exported_program,
    )
    mode = problems.read(TrainingMode.EVAL, TrainingMode.of, training).module_mode
    # Whoever trains a model or gives it other weights knows them by their own names and shapes.
    keeps_weights = keep_initializers_as_inputs or not export_params or is_trained(model, mode)
    folds_weights = bool(do_constant_folding) and not keeps_weights
    opset = DEFAULT_OPSET if opset_version is None else opset_version
    target = problems.read(Target(DEFAULT_OPSET), Target, opset, folds_weights=folds_weights)
    options = problems.read(
        ExportOptions(target),
        ExportOptions,
        target,
        export_params=export_params,
        keep_initializers_as_inputs=keep_initializers_as_inputs,
        do_constant_folding=do_constant_folding,
        optimize=optimize,
        loops=loops,
        complex_pairs=complex_pairs,
    )
    keeping = problems.read(Keeping(), keeping_of, custom, operator_export_type, autograd_inlining)
    session = problems.read(Session(target.opset), Session, target.opset, keeping, custom_opsets)
    verifying = problems.read(None, VerifyOptions.of, verify)
    functions = problems.read(None, ModuleFunctions.of, export_modules_as_functions, model, target.opset)
    problems.read(None, check_choices, check, on_frozen)
    problems.raise_all()
    journal = Journal(class_name(model), target.opset, operators={} if profile else None)
    reported = report_path(artifacts_dir, f, journal.model_class) if report else None
    with collector_paused(), reporting(journal, reported):

        def attempt(departures: Departures, journal: Journal) -> Attempt:
            # Of this thread alone: what is checked must not depend on what else the machine does.
            started = time.thread_time()
            with journal.timed("capture"):
                captured = capture(
                    model,
                    args,
                    kwargs,
                    input_names=input_names,
                    output_names=output_names,
                    dynamic_axes=dynamic_axes,
                    training=mode,
                    keeps_function=session.keeps_function,
                    mutated_buffers=mutated_buffers,
                    departures=departures,
                )
            capture_s = time.thread_time() - started
            journal.captured = captured
            try:
                onnx_model = build(
                    captured,
                    default_registry(),
                    options,
                    journal.timings,
                    session,
                    journal=journal,
                    functions=functions,
                )
            except LoweringError as refusal:
                return Attempt(captured, None, Checked(None, "there is no model"), refusal, departures, journal)
            checked, error = _checked(model, captured, onnx_model, mode, check, capture_s, journal)
            return Attempt(captured, onnx_model, checked, error, departures, journal)

        done = attempt(Departures(), journal)
        if check:
            done = improved(done, lambda departures: attempt(departures, journal.again()))
            journal.take(done.journal)
        captured, onnx_model = done.captured, done.model
        if onnx_model is None:
            raise done.error or LoweringError("there is no model")
        checked = done.checked if done.error is None else report_wrong(done.error, on_frozen)
        journal.checked = checked
        report_unchecked(captured, checked, on_frozen)
        report_turned(captured, checked.sizes or {}, on_frozen)
        warn_of_buffers(captured)
        if verifying is not None:
            with journal.timed("verify"):
                journal.verification = verify_example(model, captured, onnx_model, mode, verifying)
            journal.verification.raise_problems()
        if verbose:
            text = format_model(onnx_model, captured.graph.module_classes)
            print(text, end="")  # noqa: T201 - what verbose asks for
        if f is not None:
            with journal.timed("write"):
                write(onnx_model, f, external_data="auto" if external_data else "never")
    return ONNXProgram.of(onnx_model, captured, journal, reported)


def _checked(
    model: Any,
    captured: Captured,
    onnx_model: Model,
    mode: bool | None,
    check: bool | Literal["auto"],
    capture_s: float,
    journal: Journal,
) -> tuple[Checked, OnnxExporterError | None]:
    """What a check found, and what it raised; without one, why there was none."""
    if check is not True and not (check == "auto" and is_cheap(captured, capture_s)):
        return Checked(None, "the model is too large for check='auto'" if check else "check=False"), None
    further_s = ASKED_FURTHER_S if check is True else FURTHER_S + capture_s / 2
    try:
        with journal.timed("check"):
            return check_other_inputs(model, captured, onnx_model, mode, further_s=further_s), None
    except OnnxExporterError as error:
        return Checked(None, "the check has failed"), error


__all__ = ["NEWEST_OPSET", "build", "export"]
