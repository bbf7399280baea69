"""``onnxport.export``: the way of a model from torch to a file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import torch
from onnxport_custom_ops import Session
from onnxport_frontend import Captured, capture, dtype_from_torch
from onnxport_frontend.decompose import decompose
from onnxport_ir import Model, OpName, TensorType, passes
from onnxport_ir.captured_text import check_graph
from onnxport_ir.naming import assign_names
from onnxport_ir.passes import DEFAULT_PIPELINE
from onnxport_ir.verbose_text import format_model
from onnxport_ir.write import write
from onnxport_symbolics import NEWEST_OPSET, Registry, Target, default_registry, lower

from onnxport.collector import collector_paused
from onnxport.options import DEFAULT_OPSET, Custom, ExportOptions, TrainingMode, keeping_of, later_parameters
from onnxport.program import ONNXProgram
from onnxport.selfcheck import Checked, OnFrozen, check_other_inputs, is_cheap, report_unchecked

if TYPE_CHECKING:
    from collections.abc import Iterator


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
    optimize: bool = True,
    verify: bool = False,
    profile: bool = False,
    dump_exported_program: bool = False,
    artifacts_dir: str | os.PathLike[str] = ".",
    fallback: bool = False,
    training: TrainingMode | int = TrainingMode.EVAL,
    operator_export_type: Any = None,
    do_constant_folding: bool = True,
    custom_opsets: Mapping[str, int] | None = None,
    export_modules_as_functions: bool | Collection[type[torch.nn.Module]] = False,
    autograd_inlining: bool = True,
    check: bool | Literal["auto"] = "auto",
    on_frozen: OnFrozen = "warn",
    loops: Literal["keep", "unroll"] = "keep",
    custom: Custom = "error",
) -> ONNXProgram:
    """Export a model to ONNX.

    The signature is that of ``torch.onnx.export``; the documentation has a table of what each parameter does here.

    Args:
        model: a module, which is traced with the arguments; or a scripted one, which is taken as it is.
        args: the positional arguments of one call, a tuple, or a single tensor. Tensors become inputs of the
            exported model, in whatever structure they stand; everything else is fixed in it.
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
        report: not supported yet.
        optimize: False leaves the graph as it was lowered.
        verify: not supported yet.
        profile: not supported yet.
        dump_exported_program: not supported yet; belongs to ``dynamo=True``.
        artifacts_dir: where reports go; without a report it has no effect.
        fallback: not supported yet; belongs to ``dynamo=True``.
        training: the mode that the model is captured in; it is put back afterwards.
        operator_export_type: ``ONNX_ATEN_FALLBACK`` keeps torch's operators that cannot be converted as ``aten::ATen``
            nodes, ``ONNX_FALLTHROUGH`` keeps all such operators under their names; see :class:`OperatorExportTypes`.
        do_constant_folding: only True is supported.
        custom_opsets: the versions of custom operator domains that the model uses; 1 for those that it leaves out.
        export_modules_as_functions: not supported yet.
        autograd_inlining: False keeps calls of an ``autograd.Function`` without symbolic function as nodes; by default
            the export follows what they do.
        check: whether to run the exported model in ONNX Runtime with other values and other sizes of its dynamic axes,
            against the torch model; ``"auto"`` does so where that costs little. Not a parameter of torch's.
        on_frozen: what to do if the trace has fixed a value that may depend on the input, and no check has shown that
            it does not matter: ``"error"``, ``"warn"`` or ``"ignore"``. Not a parameter of torch's.
        loops: what becomes of a script's loops with a constant number of turns: ``"keep"`` makes them ONNX's Loop
            where that can express them, ``"unroll"`` writes their turns one after the other.
        custom: what becomes of custom operators without a symbolic function: ``"error"``, or ``"keep"``, which writes
            them as nodes of their own domain, for a runtime that has them. Not a parameter of torch's.

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
    later_parameters(
        dynamo=dynamo,
        dynamic_shapes=dynamic_shapes,
        custom_translation_table=custom_translation_table,
        report=report,
        verify=verify,
        profile=profile,
        dump_exported_program=dump_exported_program,
        fallback=fallback,
        do_constant_folding=do_constant_folding,
        export_modules_as_functions=export_modules_as_functions,
    )
    options = ExportOptions(
        target=Target(DEFAULT_OPSET if opset_version is None else opset_version),
        export_params=export_params,
        keep_initializers_as_inputs=keep_initializers_as_inputs,
        optimize=optimize,
        loops=loops,
    )
    session = Session(options.target.opset, keeping_of(custom, operator_export_type, autograd_inlining), custom_opsets)
    timings: dict[str, float] = {}
    mode = TrainingMode.of(training).module_mode
    with collector_paused():
        with _timed(timings, "capture"):
            captured = capture(
                model,
                args,
                kwargs,
                input_names=input_names,
                output_names=output_names,
                dynamic_axes=dynamic_axes,
                training=mode,
                keeps_function=session.keeps_function,
            )
        decomposed: list[OpName] = []
        onnx_model = build(captured, default_registry(), options, timings, session, decomposed)
        checked = Checked(None, "the model is too large for check='auto'" if check else "check=False")
        if check is True or (check == "auto" and is_cheap(captured, timings["capture"])):
            with _timed(timings, "check"):
                checked = check_other_inputs(model, captured, onnx_model, mode)
        report_unchecked(captured, checked, on_frozen)
        program = ONNXProgram(onnx_model, captured.signature, timings, captured.findings, checked, tuple(decomposed))
        if verbose:
            text = format_model(onnx_model, captured.graph.module_classes)
            print(text, end="")  # noqa: T201 - what verbose asks for
        if f is not None:
            with _timed(program.timings, "write"):
                write(onnx_model, f, external_data="auto" if external_data else "never")
    return program


def build(
    captured: Captured,
    registry: Registry,
    options: ExportOptions,
    timings: dict[str, float],
    session: Session | None = None,
    decomposed: list[OpName] | None = None,
) -> Model:
    """Make the ONNX model of a captured one.

    Args:
        captured: the capture.
        registry: the handlers.
        options: what is asked for.
        timings: receives the seconds of the stages ``lower`` and ``passes``.
        session: the user's operators; without it there are none.
        decomposed: receives the operators that were expressed in others as torch does, for want of a handler.

    Returns:
        The finished model, with names.
    """
    with _timed(timings, "lower"):
        check_graph(captured.graph)
        if session is not None:
            registry = session.registry(registry, captured.functions)
        supported = decompose(captured.graph, lambda op: op in registry)
        if decomposed is not None:
            decomposed += supported.operators
        model = lower(supported.graph, registry, options.target, loops=options.loops)
        _type_outputs(model, captured)
        if session is not None:
            session.finish(model)
    with _timed(timings, "passes"):
        model.store_weights = options.export_params
        model.keep_initializers_as_inputs = options.keep_initializers_as_inputs
        if options.optimize:
            passes.run(DEFAULT_PIPELINE, model)
        assign_names(model)
    return model


def _type_outputs(model: Model, captured: Captured) -> None:
    """Give outputs whose element type no one knows that of the example: a script says nothing of custom operators."""
    for output, example in zip(model.graph.outputs, captured.example_outputs, strict=True):
        if output.is_tensor and output.dtype is None and isinstance(example, torch.Tensor):
            output.value_type = TensorType(dtype_from_torch(example.dtype), output.shape)


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        timings[stage] = time.perf_counter() - start


__all__ = ["NEWEST_OPSET", "build", "export"]
