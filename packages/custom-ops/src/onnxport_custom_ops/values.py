"""Values and nodes under the names that symbolic functions written for torch use.

A :class:`SymbolicValue` is a thin view of what an argument was lowered to: a value of the ONNX graph, a number, a
list, None. Within one export a value of the graph has one view, so that ``is`` and dictionaries work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from onnxport_ir import (
    Block,
    Device,
    DType,
    Enumeral,
    Node,
    OptionalType,
    ScalarType,
    SequenceType,
    SymDim,
    TensorLiteral,
    TensorRef,
    TensorType,
    TupleType,
    Value,
)
from onnxport_ir.errors import InvalidArgument, Place
from onnxport_ir.graph import AttrValue
from onnxport_ir.types import AnyType, ValueType
from onnxport_symbolics import Op
from onnxport_symbolics.binder import Lowered

from onnxport_custom_ops import _torch_private as private
from onnxport_custom_ops.scalar_types import to_torch
from onnxport_custom_ops.types import UNKNOWN, SymbolicType, ir_type_of

if TYPE_CHECKING:
    from onnxport_custom_ops.blocks import OpenNode

#: How graphs that torch makes write an element type: its number in torch. Only the ones that JitScalarType shares.
DTYPE_NUMBERS: dict[DType, int] = {
    DType.UINT8: 0,
    DType.INT8: 1,
    DType.INT16: 2,
    DType.INT32: 3,
    DType.INT64: 4,
    DType.FLOAT16: 5,
    DType.FLOAT32: 6,
    DType.FLOAT64: 7,
    DType.COMPLEX64: 9,
    DType.COMPLEX128: 10,
    DType.BOOL: 11,
    DType.BFLOAT16: 15,
    DType.FLOAT8E5M2: 16,
    DType.FLOAT8E4M3FN: 17,
    DType.FLOAT8E5M2FNUZ: 18,
    DType.FLOAT8E4M3FNUZ: 19,
}


class Views:
    """The views of one export.

    Args:
        op: the builder of the graph.
    """

    def __init__(self, op: Op) -> None:
        self.op = op
        #: Whether weights are constants to who asks for the node of a value.
        self.knows_weights = False
        self._of_values: dict[Value, SymbolicValue] = {}
        self._count = 0

    def of(self, lowered: Lowered) -> SymbolicValue:
        """The view of what an argument was lowered to."""
        if isinstance(lowered, TensorLiteral):
            array = lowered.tensor.numpy()
            lowered = array.item() if lowered.wrapped_number else self.op.const(array, lowered.tensor.dtype)
        if not isinstance(lowered, Value):
            return SymbolicValue(self, lowered)
        view = self._of_values.get(lowered)
        if view is None:
            view = self._of_values[lowered] = SymbolicValue(self, lowered)
        return view

    def is_known(self, value: Value) -> bool:
        """Whether a value counts as a constant."""
        return value.const is not None and (not value.is_weight or self.knows_weights)

    def put(self, value: Value, view: SymbolicValue) -> None:
        """Let a view that was there before stand for a value."""
        self._of_values[value] = view

    def number(self) -> int:
        """A new number for the name of a value."""
        self._count += 1
        return self._count


class SymbolicValue:
    """A value as symbolic functions see it.

    ``isinstance`` takes it for the class of values of torch's exporter, because symbolic functions ask for it.

    Attributes:
        lowered: what it stands for: a value of the ONNX graph, or a constant of the program.
    """

    __slots__ = ("_lowered", "_name", "_open", "_stated", "_views")

    def __init__(self, views: Views, lowered: Lowered, open_node: OpenNode | None = None) -> None:
        self._lowered = lowered
        self._open = open_node
        self._stated: Any = None
        self._views = views
        self._name: str | None = None

    @property
    def lowered(self) -> Lowered:
        """What it stands for; a node whose blocks are filled by hand is emitted when this is asked for."""
        if self._open is not None:
            self._open.finish()
        return self._lowered

    def resolve(self, value: Value) -> None:
        """Say what a result of a node stands for, once the node is emitted."""
        self._lowered = value
        self._open = None
        self._views.put(value, self)
        if self._stated is not None:
            self.setType(self._stated)
        if self._name is not None:
            self.setDebugName(self._name)

    @property  # type: ignore[misc]  # the class that isinstance() sees, which mypy wants to be fixed
    def __class__(self) -> type:
        return private.GraphValue

    def type(self) -> SymbolicType:
        """What is known of its element type and sizes."""
        if self._open is not None:
            return SymbolicType(TensorType() if self._stated is None else ir_type_of(self._stated))
        return SymbolicType(_type_of(self.lowered))

    def setType(self, given: Any) -> SymbolicValue:  # noqa: N802 - torch's name
        """State the type; what is known already must agree. Returns this value.

        Raises:
            UnsupportedCase: if it contradicts what the operator gives.
        """
        stated = ir_type_of(given)
        if self._open is not None:
            self._stated = given
            return self
        if isinstance(self.lowered, Value) and isinstance(stated, TensorType | SequenceType | OptionalType):
            self._state(self.lowered, stated)
        return self

    def setTypeAs(self, other: SymbolicValue) -> SymbolicValue:  # noqa: N802 - torch's name
        """State that the type is that of another value. Returns this value."""
        return self.setType(other.type())

    def _state(self, value: Value, stated: ValueType) -> None:
        known = value.value_type
        op = self._views.op
        if not isinstance(known, TensorType) or not isinstance(stated, TensorType):
            is_open = isinstance(known, TensorType) and known == TensorType()
            if not is_open and type(known) is not type(stated):
                raise op.refuse(f"a symbolic function states the type {stated} of a value that is {known}")
            value.value_type = stated if is_open else known
            return
        if known.dtype is not None and stated.dtype not in (None, known.dtype):
            raise op.refuse(f"a symbolic function states the type {stated} of a value that is {known}")
        shape = known.shape
        if shape is None and stated.shape is not None:
            shape = tuple(
                op.unknown_dim() if isinstance(dim, SymDim) and dim.name == UNKNOWN else dim for dim in stated.shape
            )
        elif shape is not None and stated.shape is not None:
            pairs = list(zip(shape, stated.shape, strict=False))
            if len(shape) != len(stated.shape) or any(
                isinstance(a, int) and isinstance(b, int) and a != b for a, b in pairs
            ):
                raise op.refuse(f"a symbolic function states the type {stated} of a value that is {known}")
            shape = tuple(b if isinstance(b, int) else a for a, b in pairs)
        value.value_type = TensorType(known.dtype or stated.dtype, shape)

    def node(self) -> SymbolicNode:
        """What gives the value: the node, or a constant, an input, the construction of a list."""
        return SymbolicNode(self._views, self) if self._open is None else self._open

    def isCompleteTensor(self) -> bool:  # noqa: N802 - torch's name
        """Whether it is a tensor whose element type and sizes are all known."""
        kind = self.type()
        return kind.kind() == "TensorType" and kind.scalarType() is not None and kind.sizes() is not None

    def debugName(self) -> str:  # noqa: N802 - torch's name
        """A name of it within this export: that of an input or weight, or a number."""
        if self._name is None:
            named = self._lowered.name if isinstance(self._lowered, Value) else None
            self._name = named or str(self._views.number())
        return self._name

    def setDebugName(self, name: str) -> SymbolicValue:  # noqa: N802 - torch's name
        """Wish for a name in the exported model. Returns this value."""
        if isinstance(self._lowered, Value) and self._lowered.producer is not None:
            self._lowered.name = name
        self._name = name
        return self

    def unique(self) -> int:
        """A number of its own."""
        return id(self.lowered) if isinstance(self.lowered, Value) else id(self)

    def toIValue(self) -> Any:  # noqa: N802 - torch's name
        """The Python object that a constant stands for; None for other values."""
        return python_value(self.lowered)

    def requires_grad(self) -> bool:
        """Always False."""
        return False

    def requiresGrad(self) -> bool:  # noqa: N802 - torch's name
        """Always False."""
        return False

    def __repr__(self) -> str:
        return f"%{self.debugName()} : {self.type()}"


class SymbolicNode:
    """The node of a value as symbolic functions see it; it can be read, not changed."""

    __slots__ = ("_value", "_views")

    def __init__(self, views: Views, value: SymbolicValue) -> None:
        self._views = views
        self._value = value

    @property  # type: ignore[misc]  # as in SymbolicValue
    def __class__(self) -> type:
        return private.GraphNode

    def kind(self) -> str:
        """``onnx::Add``, ``my_domain::Foo``, ``onnx::Constant``, ``prim::Constant``, ``prim::ListConstruct``, ..."""
        lowered = self._value.lowered
        if isinstance(lowered, Value):
            if lowered.producer is not None:
                return f"{lowered.producer.domain or 'onnx'}::{lowered.producer.op_type}"
            return "onnx::Constant" if self._views.is_known(lowered) else "prim::Param"
        if isinstance(lowered, tuple):
            return "prim::ListConstruct" if _element_type(lowered) is not None else "prim::TupleConstruct"
        return "onnx::Constant" if _is_number(lowered) or isinstance(lowered, str) else "prim::Constant"

    def mustBeNone(self) -> bool:  # noqa: N802 - torch's name
        """Whether the value is None."""
        return self._value.lowered is None

    def hasAttribute(self, name: str) -> bool:  # noqa: N802 - torch's name
        """Whether there is an attribute of that name."""
        return name in self._attributes()

    def attributeNames(self) -> list[str]:  # noqa: N802 - torch's name
        """The names of the attributes."""
        return list(self._attributes())

    def kindOf(self, name: str) -> str:  # noqa: N802 - torch's name
        """The kind of an attribute: ``i``, ``f``, ``s``, ``t``, or one of these with an s for a list."""
        return attribute_kind(self._attribute(name))

    def i(self, name: str) -> int:
        """An attribute that is an integer."""
        return int(self._number(name))

    def f(self, name: str) -> float:
        """An attribute that is a number."""
        return float(self._number(name))

    def s(self, name: str) -> str:
        """An attribute that is a text."""
        value = self._attribute(name)
        return value.decode() if isinstance(value, bytes) else str(value)

    def t(self, name: str) -> torch.Tensor:
        """An attribute that is a tensor."""
        value = self._attribute(name)
        if isinstance(value, TensorRef):
            return to_torch(value.numpy(), value.dtype)
        # In double precision, so that a number of the program stays what it is.
        return torch.tensor(value, dtype=torch.float64 if isinstance(value, float) else None)

    def ival(self, name: str) -> Any:
        """An attribute as a Python object."""
        value = self._attribute(name)
        return self.t(name) if isinstance(value, TensorRef) else value

    def ss(self, name: str) -> list[str]:
        """An attribute that is a list of texts."""
        return [str(item) for item in self._items(name)]

    def fs(self, name: str) -> list[float]:
        """An attribute that is a list of numbers."""
        return [float(item) for item in self._items(name)]

    # `is` is a keyword, which getattr() and torch do not mind.
    def _ints(self, name: str) -> list[int]:
        return [int(item) for item in self._items(name)]

    def __getitem__(self, name: str) -> Any:
        """An attribute as torch gives it: a tensor, a number, a text, or a list."""
        return getattr(self, self.kindOf(name))(name)

    def inputs(self) -> list[SymbolicValue]:
        """What the node reads, or what a list or tuple is made of."""
        lowered = self._value.lowered
        if isinstance(lowered, tuple):
            return [self._views.of(item) for item in lowered]
        if isinstance(lowered, Value) and lowered.producer is not None:
            return [self._views.of(operand) for operand in lowered.producer.operands]
        return []

    def inputsSize(self) -> int:  # noqa: N802 - torch's name
        """How many values the node reads."""
        return len(self.inputs())

    def inputsAt(self, index: int) -> SymbolicValue:  # noqa: N802 - torch's name
        """One of the values that the node reads."""
        return self.inputs()[index]

    def input(self) -> SymbolicValue:
        """The only value that the node reads."""
        (value,) = self.inputs()
        return value

    def outputs(self) -> list[SymbolicValue]:
        """What the node gives."""
        lowered = self._value.lowered
        if isinstance(lowered, Value) and lowered.producer is not None:
            return [self._views.of(result) for result in lowered.producer.results]
        return [self._value]

    def outputsSize(self) -> int:  # noqa: N802 - torch's name
        """How many values the node gives."""
        return len(self.outputs())

    def output(self) -> SymbolicValue:
        """The only value that the node gives."""
        (value,) = self.outputs()
        return value

    def addBlock(self) -> Any:  # noqa: N802 - torch's name
        """Blocks belong to nodes of ONNX that are made without them.

        Raises:
            InvalidArgument: always.
        """
        raise InvalidArgument(f"{self.kind()} has no blocks", hint="If, Loop, Scan and SequenceMap have.")

    def scopeName(self) -> str:  # noqa: N802 - torch's name
        """The path of the module of the user's model."""
        return self._place.module

    def sourceRange(self) -> str:  # noqa: N802 - torch's name
        """Where in the user's code it comes from."""
        return str(self._place)

    @property
    def _place(self) -> Place:
        producer = self._producer
        return self._views.op.place if producer is None else producer.place

    @property
    def _producer(self) -> Node | None:
        return self._value.lowered.producer if isinstance(self._value.lowered, Value) else None

    def _attributes(self) -> dict[str, AttrValue]:
        producer = self._producer
        if producer is not None:
            return producer.attributes
        lowered = self._value.lowered
        if isinstance(lowered, Value):
            return {"value": lowered.const} if self._views.is_known(lowered) and lowered.const is not None else {}
        if _is_number(lowered) or isinstance(lowered, str):
            return {"value": _plain(lowered)}
        return {}

    def _attribute(self, name: str) -> AttrValue:
        found = self._attributes()
        if name not in found:
            raise InvalidArgument(f"{self.kind()} has no attribute {name}", where=self._place)
        return found[name]

    def _number(self, name: str) -> Any:
        value = self._attribute(name)
        return value.numpy().item() if isinstance(value, TensorRef) else value

    def _items(self, name: str) -> Sequence[Any]:
        value = self._attribute(name)
        if isinstance(value, TensorRef):
            items: list[Any] = np.atleast_1d(value.numpy()).tolist()
            return items
        if not isinstance(value, tuple):
            raise InvalidArgument(f"the attribute {name} of {self.kind()} is no list", where=self._place)
        return value

    def __repr__(self) -> str:
        inputs = ", ".join(f"%{value.debugName()}" for value in self.inputs())
        return f"%{self._value.debugName()} = {self.kind()}({inputs})"


setattr(SymbolicNode, "is", SymbolicNode._ints)


def attribute_kind(value: AttrValue) -> str:
    """The letter or letters of an attribute's value, as symbolic functions spell them."""
    if isinstance(value, tuple):
        return f"{attribute_kind(value[0])}s" if value else "is"
    match value:
        case int():
            return "i"
        case float():
            return "f"
        case str() | bytes():
            return "s"
        case TensorType() | SequenceType() | OptionalType():
            return "ty"
        case Block():
            return "g"
    return "t"


def python_value(lowered: Lowered) -> Any:
    """A constant as a Python object: a tensor, a number, a text, a list; None for what is not constant."""
    if isinstance(lowered, Value):
        if lowered.const is None:
            return None
        return to_torch(lowered.array(), lowered.const.dtype)
    if isinstance(lowered, tuple):
        return [python_value(item) for item in lowered]
    return _plain(lowered)


def _plain(lowered: Lowered) -> Any:
    if isinstance(lowered, DType):
        return DTYPE_NUMBERS.get(lowered)
    if isinstance(lowered, Enumeral):
        return lowered.value
    if isinstance(lowered, Device):
        return lowered.name
    return lowered


def _is_number(lowered: Lowered) -> bool:
    return isinstance(lowered, bool | int | float | complex | DType | Enumeral)


def _type_of(lowered: Lowered) -> AnyType:
    if isinstance(lowered, Value):
        return lowered.value_type
    if isinstance(lowered, bool):
        return TensorType(DType.BOOL, ())
    if isinstance(lowered, int | DType | Enumeral):
        return TensorType(DType.INT64, ())
    if isinstance(lowered, float):
        return TensorType(DType.FLOAT32, ())
    if isinstance(lowered, tuple):
        element = _element_type(lowered)
        return SequenceType(element) if element is not None else TupleType(tuple(map(_type_of, lowered)))
    if isinstance(lowered, str):
        return ScalarType("str")
    return ScalarType("device" if isinstance(lowered, Device) else "none")


def _element_type(items: tuple[Lowered, ...]) -> AnyType | None:
    """What all items of a list are; None if they are of several kinds, which makes it a tuple."""
    if not items:
        return TensorType()
    if all(isinstance(item, Value | TensorLiteral) for item in items):
        dtypes = {item.dtype if isinstance(item, Value) else item.tensor.dtype for item in items}
        return TensorType(dtypes.pop()) if len(dtypes) == 1 else None
    for python, kind in ((bool, "bool"), (int, "int"), (float, "float"), (str, "str")):
        if all(isinstance(item, python) for item in items):
            return ScalarType(kind)  # type: ignore[arg-type]  # one of the literals
    if all(isinstance(item, int | Value) for item in items):
        return ScalarType("int")
    return None
