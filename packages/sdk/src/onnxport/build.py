"""From a captured model to a finished ONNX model: lowering, passes, names."""

from __future__ import annotations

import torch
from onnxport_custom_ops import Session
from onnxport_frontend import Captured, dtype_from_torch
from onnxport_frontend.decompose import decompose
from onnxport_ir import Model, TensorType, passes
from onnxport_ir.captured_text import check_graph
from onnxport_ir.errors import OnnxExporterError
from onnxport_ir.interop import from_onnx_ir, to_onnx_ir
from onnxport_ir.naming import assign_names
from onnxport_symbolics import Registry, lower

from onnxport.journal import Journal
from onnxport.module_functions import ModuleFunctions
from onnxport.options import ExportOptions


def build(
    captured: Captured,
    registry: Registry,
    options: ExportOptions,
    timings: dict[str, float],
    session: Session | None = None,
    *,
    journal: Journal | None = None,
    functions: ModuleFunctions | None = None,
) -> Model:
    """Make the ONNX model of a captured one.

    Args:
        captured: the capture.
        registry: the handlers.
        options: what is asked for.
        timings: receives the seconds of the stages ``lower`` and ``passes``.
        session: the user's operators; without it there are none.
        journal: receives what else there is to know.
        functions: the modules whose calls become functions.

    Returns:
        The finished model, with names.
    """
    journal = journal or Journal()
    journal.timings = timings
    with journal.timed("lower"):
        check_graph(captured.graph)
        if session is not None:
            registry = session.registry(registry, captured.functions)
        registry = journal.profiled(registry)
        supported = decompose(captured.graph, lambda op: op in registry)
        journal.decomposed = supported.operators
        separate = functions.choose(supported.graph) if functions else ()
        model = lower(
            supported.graph,
            registry,
            options.target,
            loops=options.loops,
            complex_pairs=options.complex_pairs,
            watcher=functions,
            separate=separate,
        )
        _type_outputs(model, captured)
    with journal.timed("passes"):
        model.store_weights = options.export_params
        model.keep_initializers_as_inputs = options.keep_initializers_as_inputs
        # A module that becomes a function keeps its nodes to itself.
        pipeline = [step for step in options.pipeline if functions is None or not step.joins_modules]
        journal.changes = passes.run(pipeline, model)
        if functions is not None:
            functions.apply(model)
        if session is not None:
            session.finish(model)
        assign_names(model)
        if options.uses_onnxscript:
            model = _optimized_by_onnxscript(model)
    journal.model = model
    return model


def _type_outputs(model: Model, captured: Captured) -> None:
    """Give outputs whose element type no one knows that of the example: a script says nothing of custom operators."""
    for output, example in zip(model.graph.outputs, captured.example_outputs, strict=True):
        if output.is_tensor and output.dtype is None and isinstance(example, torch.Tensor):
            output.value_type = TensorType(dtype_from_torch(example.dtype), output.shape)


def _optimized_by_onnxscript(model: Model) -> Model:
    try:
        from onnxscript import optimizer  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise OnnxExporterError(
            "optimize='onnxscript' needs onnxscript", hint="Install it: pip install 'onnxport[onnxscript]'"
        ) from error
    converted = to_onnx_ir(model)
    optimizer.optimize(converted)
    optimized = from_onnx_ir(converted)
    optimized.keep_initializers_as_inputs = model.keep_initializers_as_inputs
    return optimized
