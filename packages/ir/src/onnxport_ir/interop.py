"""To and from onnx_ir's representation, without a copy of a weight; needs the extra ``onnxport-ir[onnx-ir]``.

It is the way to everything that is built on onnx_ir: onnxscript's optimizer and rewriter, version conversion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy.typing as npt
import onnx

from onnxport_ir.dtypes import DType
from onnxport_ir.errors import NotYetSupported
from onnxport_ir.graph import Model
from onnxport_ir.proto import Encoder, Provenance, Storage, ValueInfo
from onnxport_ir.read import from_proto
from onnxport_ir.tensors import TensorRef

if TYPE_CHECKING:
    import onnx_ir


def to_onnx_ir(model: Model, *, provenance: Provenance = "module", value_info: ValueInfo = "all") -> onnx_ir.Model:
    """The model as an ``onnx_ir.Model``; weights are read from where they are when they are used.

    Args:
        model: finished and named; what is done to the result does not touch it.
        provenance: what to say of each node's origin.
        value_info: which types to hand over beside those of inputs and outputs.

    Raises:
        ImportError: if onnx_ir is not installed.
    """
    ir = _onnx_ir()
    encoder = Encoder(model, provenance=provenance, value_info=value_info, storage=lambda _: Storage.BARE)
    skeleton = onnx.ModelProto.FromString(encoder.model().to_bytes())
    converted: onnx_ir.Model = ir.from_proto(skeleton)
    for value in encoder.initializers:
        if value.name and value.const is not None and value.const.dtype is not DType.STRING:
            converted.graph.initializers[value.name].const_value = _lazy(ir, value.const, value.name)
    return converted


def from_onnx_ir(model: onnx_ir.Model) -> Model:
    """Take a model over from onnx_ir; the weights of its main graph are read when they are used.

    Args:
        model: what happens to it later does not touch the result, but its tensors must stay readable.

    Raises:
        ImportError: if onnx_ir is not installed.
        NotYetSupported: if it has something that the graph cannot hold.
    """
    ir = _onnx_ir()
    proto = onnx.ModelProto(
        ir_version=model.ir_version,
        producer_name=model.producer_name or "",
        producer_version=model.producer_version or "",
        functions=[ir.to_proto(function) for function in model.functions.values()],
        opset_import=[onnx.OperatorSetIdProto(domain=d, version=v) for d, v in model.opset_imports.items()],
        metadata_props=[onnx.StringStringEntryProto(key=k, value=v) for k, v in model.metadata_props.items()],
    )
    graph = proto.graph
    graph.name = model.graph.name or ""
    graph.input.extend(ir.to_proto(value) for value in model.graph.inputs)
    graph.output.extend(ir.to_proto(value) for value in model.graph.outputs)
    outputs = set(model.graph.outputs)
    for node in model.graph:
        graph.node.append(ir.to_proto(node))
        for value in node.outputs:
            if value.name and value.type is not None and value not in outputs:
                graph.value_info.append(ir.to_proto(value))
    return from_proto(proto, tensors={name: _tensor(value) for name, value in model.graph.initializers.items()})


@dataclass(frozen=True, eq=False, slots=True)
class IrTensor:
    """A tensor of onnx_ir.

    Attributes:
        tensor: it.
        dtype: the element type.
        shape: the sizes.
    """

    tensor: onnx_ir.TensorProtocol
    dtype: DType
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes in ``raw_data``."""
        return self.tensor.nbytes

    def write_to(self, out: BinaryIO) -> None:
        """Write the elements."""
        # Newer releases can write without making one object of bytes first.
        to_file = getattr(self.tensor, "tofile", None)
        if to_file is None:
            out.write(self.tensor.tobytes())
        else:
            to_file(out)

    def numpy(self) -> npt.NDArray[Any]:
        """The elements."""
        return self.tensor.numpy()


def _tensor(value: onnx_ir.Value) -> IrTensor:
    tensor = value.const_value
    if tensor is None:
        raise NotYetSupported(f"the initializer {value.name!r}, which has no elements")
    try:
        dtype = DType(int(tensor.dtype))
    except ValueError:
        raise NotYetSupported(f"the initializer {value.name!r} of type {tensor.dtype}") from None
    return IrTensor(tensor, dtype, tuple(tensor.shape.numpy()))


def _lazy(ir: Any, tensor: TensorRef, name: str) -> onnx_ir.TensorProtocol:  # Any: the optional module
    dtype = ir.DataType(tensor.dtype.onnx)

    def elements() -> onnx_ir.TensorProtocol:
        made: onnx_ir.TensorProtocol = ir.Tensor(tensor.numpy(), dtype=dtype, name=name)
        return made

    lazy: onnx_ir.TensorProtocol = ir.LazyTensor(elements, dtype=dtype, shape=ir.Shape(tensor.shape), name=name)
    return lazy


def _onnx_ir() -> Any:  # Any: mypy need not have the optional package
    try:
        import onnx_ir as ir  # noqa: PLC0415 - optional
    except ImportError as error:
        raise ImportError("This needs onnx_ir: pip install 'onnxport-ir[onnx-ir]'") from error
    return ir
