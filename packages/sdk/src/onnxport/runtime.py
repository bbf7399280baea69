"""Running exported models in ONNX Runtime, with torch tensors on both sides."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.utils.dlpack
from onnxport_ir import DType, Model
from onnxport_ir.errors import OnnxExporterError
from onnxport_ir.graph import Node
from onnxport_ir.proto import to_proto
from onnxport_ir.write import write

if TYPE_CHECKING:
    import onnxruntime

#: A model with more bytes of weights goes to ONNX Runtime as files, without a copy in memory on the way.
_IN_MEMORY_BYTES = 256 << 20

_QUANTISERS = frozenset({"QuantizeLinear", "DynamicQuantizeLinear"})
_RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)
# The data, how much of it is dropped, and whether any is.
_DROPOUT_OPERANDS = 3


def has_runtime() -> bool:
    """Whether onnxruntime is installed."""
    return importlib.util.find_spec("onnxruntime") is not None


def create_session(
    model: bytes | str, *, optimize: bool = True, session_options: onnxruntime.SessionOptions | None = None
) -> onnxruntime.InferenceSession:
    """A session on the CPU, for serialised models and for paths.

    Args:
        model: the bytes of a model, or its path.
        optimize: False leaves the graph as it is, which is faster for a single run.
        session_options: settings of the caller, which are taken as they are.

    Raises:
        OnnxExporterError: if onnxruntime is not installed, or refuses the model.
    """
    try:
        import onnxruntime  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise OnnxExporterError(
            "running a model needs onnxruntime", hint="Install it: pip install 'onnxport[runtime]'"
        ) from error
    options = session_options
    if options is None:
        options = onnxruntime.SessionOptions()
        if not optimize:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        # Its warnings are about its own optimisations, and its errors are raised.
        options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base class but this
        raise OnnxExporterError("ONNX Runtime does not load the model", why=str(error)) from error


def model_session(
    model: Model, *, optimize: bool = True, session_options: onnxruntime.SessionOptions | None = None
) -> onnxruntime.InferenceSession:
    """A session on the CPU for a finished model of any size.

    Args:
        model: finished and named.
        optimize: as for :func:`create_session`.
        session_options: as for :func:`create_session`.

    Raises:
        OnnxExporterError: as :func:`create_session`.
    """
    weights = (value.const for value in model.graph.constants() if model.is_stored(value))
    if sum(tensor.nbytes for tensor in weights if tensor is not None) <= _IN_MEMORY_BYTES:
        content = to_proto(model).SerializeToString()
        return create_session(content, optimize=optimize, session_options=session_options)
    with tempfile.TemporaryDirectory(prefix="onnxport_") as folder:
        path = f"{folder}/model.onnx"
        write(model, path, external_data="always")
        return create_session(path, optimize=optimize, session_options=session_options)


def draws_random_numbers(model: Model) -> bool:
    """Whether two runs of a model have different results."""
    return any(node.op_type in _RANDOM or _drops(node) for node in _all_nodes(model))


def quantises(model: Model) -> bool:
    """Whether a model rounds numbers to those of a quantised type."""
    return any(node.op_type in _QUANTISERS for node in _all_nodes(model))


def _drops(node: Node) -> bool:
    """Whether a node is a Dropout that acts: its third operand says so, and it is there at a training's export only."""
    if node.op_type != "Dropout" or len(node.operands) < _DROPOUT_OPERANDS:
        return False
    training = node.operands[_DROPOUT_OPERANDS - 1]
    return training is not None and (training.const is None or bool(training.array().item()))


def _all_nodes(model: Model) -> Iterator[Node]:
    for body in (model.graph, *(function.body for function in model.functions.values())):
        yield from body.all_nodes()


def run_session(
    session: onnxruntime.InferenceSession, feeds: Mapping[str, Any], output_names: Sequence[str]
) -> list[Any]:
    """Run a session.

    Args:
        session: the session.
        feeds: tensors, arrays, numbers, or lists of tensors (sequences), by input name.
        output_names: the wanted outputs, in order.

    Returns:
        The outputs: torch tensors on the CPU, lists of them for sequences, None for absent optionals.
    """
    arrays = {name: to_arrays(value) for name, value in feeds.items()}
    types = {item.name: item.type for item in (*session.get_inputs(), *session.get_outputs())}
    if not any("bfloat16" in text for text in types.values()):
        return [_to_torch(result) for result in session.run(list(output_names), arrays)]
    # numpy has no bfloat16, so that its bits travel as int16.
    values = {name: _as_ort_value(array, "bfloat16" in types[name]) for name, array in arrays.items()}
    return [_from_ort_value(result) for result in session.run_with_ort_values(list(output_names), values)]


def loose_weights(model: Model) -> dict[str, Any]:
    """The weights that the file of a model does not hold, by the names of the inputs that take them."""
    return {
        value.name or "": value.const.numpy()
        for value in model.graph.constants()
        if value.const is not None and not model.is_stored(value)
    }


def to_arrays(value: Any) -> Any:
    """A tensor, number or list of these as ONNX Runtime takes it; bfloat16 as its bits, in int16."""
    if isinstance(value, list | tuple):
        return [to_arrays(item) for item in value]
    if isinstance(value, float):
        # The number of a script; torch would make it a tensor of its default type.
        value = torch.tensor(value, dtype=torch.float64)
    if isinstance(value, np.ndarray):
        return value.view(np.int16) if value.dtype == DType.BFLOAT16.numpy else value
    tensor = value if isinstance(value, torch.Tensor) else torch.as_tensor(value)
    tensor = tensor.detach().cpu().contiguous()
    if tensor.is_complex():
        # A model that takes complex numbers takes their parts.
        tensor = torch.view_as_real(tensor.resolve_conj())
    return tensor.view(torch.int16).numpy() if tensor.dtype is torch.bfloat16 else tensor.resolve_neg().numpy()


def _to_torch(result: Any) -> Any:
    if result is None:
        return None
    return [_to_torch(item) for item in result] if isinstance(result, list) else torch.as_tensor(result)


def _as_ort_value(array: Any, is_bfloat16: bool) -> onnxruntime.OrtValue:
    from onnxruntime import OrtValue  # noqa: PLC0415 - an optional extra

    if is_bfloat16:
        return OrtValue.ortvalue_from_numpy_with_onnx_type(array, DType.BFLOAT16.onnx)
    return OrtValue.ortvalue_from_numpy(array)


def _from_ort_value(value: onnxruntime.OrtValue) -> torch.Tensor:
    if value.element_type() == DType.BFLOAT16.onnx:
        # The tensor shares the value's memory, which goes with the session's results.
        return torch.utils.dlpack.from_dlpack(value._get_c_value().to_dlpack()).clone()
    return torch.as_tensor(value.numpy())
