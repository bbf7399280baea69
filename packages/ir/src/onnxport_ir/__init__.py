"""onnxport-ir: the captured graph, the ONNX graph, and the writer. Needs no torch."""

from onnxport_ir.captured import (
    Block as CapturedBlock,
    CapturedGraph,
    Device,
    Enumeral,
    Eqn,
    Input,
    ModuleCall,
    OpName,
    Output,
    Param,
    PyObject,
    TensorLiteral,
    Var,
)
from onnxport_ir.dims import Dim, DimSource, SymDim
from onnxport_ir.dtypes import DType
from onnxport_ir.graph import Block, Function, Model, Node, RefAttr, Value
from onnxport_ir.tensors import ArrayTensor, FileTensor, LazyTensor, TensorRef
from onnxport_ir.types import OpaqueType, OptionalType, ScalarType, SequenceType, TensorType, TupleType

__all__ = [
    "ArrayTensor",
    "Block",
    "CapturedBlock",
    "CapturedGraph",
    "DType",
    "Device",
    "Dim",
    "DimSource",
    "Enumeral",
    "Eqn",
    "FileTensor",
    "Function",
    "Input",
    "LazyTensor",
    "Model",
    "ModuleCall",
    "Node",
    "OpName",
    "OpaqueType",
    "OptionalType",
    "Output",
    "Param",
    "PyObject",
    "RefAttr",
    "ScalarType",
    "SequenceType",
    "SymDim",
    "TensorLiteral",
    "TensorRef",
    "TensorType",
    "TupleType",
    "Value",
    "Var",
]
