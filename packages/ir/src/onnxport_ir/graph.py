"""The ONNX graph under construction: values, nodes, blocks, functions, models.

Values are objects and need no names until a model is finished (:mod:`onnxport_ir.naming`). A value with a
``const`` becomes an initializer of the file only when a node uses it. The words ``type``, ``node``, ``inputs``,
``outputs``, ``kind`` and ``uses`` are left to the classes that speak to symbolic functions written for torch; here
the terms are *operands* and *results* of a node, and the *producer* of a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy.typing as npt

from onnxport_ir.dims import Dim
from onnxport_ir.dtypes import DType
from onnxport_ir.errors import InternalError, Place
from onnxport_ir.tensors import ArrayTensor, TensorRef
from onnxport_ir.types import SequenceType, Shape, TensorType, ValueType

#: What a node's attribute can hold. A :class:`Block` is a subgraph, a :class:`RefAttr` a function's parameter.
AttrValue: TypeAlias = (
    "int | float | str | bytes | TensorRef | Block | RefAttr | ValueType"
    " | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]"
)


class Value:
    """A value of the graph: the result of a node, an input, or a constant.

    Attributes:
        value_type: tensor, sequence or optional type; what is known of it.
        const: the elements, if this is a constant or a weight.
        symbolic: the elements of an integer tensor of rank 0 or 1 as dims, where they are known by formula
            (``Shape`` of a dynamic tensor); a tuple for rank 1, of one dim for rank 0.
        producer: the node that gives this value; None for inputs and constants.
        name: the name in the file; None until it is finished, or a wish if it is given before.
        is_weight: whether ``const`` is a parameter or buffer of the model, which keeps its name and is never
            folded into something else.
    """

    __slots__ = ("const", "is_weight", "name", "producer", "symbolic", "value_type")

    def __init__(
        self,
        value_type: ValueType | None = None,
        *,
        name: str | None = None,
        const: TensorRef | None = None,
        producer: Node | None = None,
        is_weight: bool = False,
    ) -> None:
        self.value_type: ValueType = TensorType() if value_type is None else value_type
        self.name = name
        self.const = const
        self.producer = producer
        self.is_weight = is_weight
        self.symbolic: tuple[Dim, ...] | None = None

    @staticmethod
    def of(array: npt.ArrayLike, dtype: DType | None = None, name: str | None = None) -> Value:
        """A constant."""
        tensor = ArrayTensor.of(array, dtype)
        return Value(TensorType(tensor.dtype, tensor.shape), const=tensor, name=name)

    @staticmethod
    def weight(tensor: TensorRef, name: str) -> Value:
        """A parameter or buffer of the model."""
        return Value(TensorType(tensor.dtype, tensor.shape), const=tensor, name=name, is_weight=True)

    @property
    def dtype(self) -> DType | None:
        """The element type; None if unknown or if this is no tensor."""
        value_type = self.value_type
        return value_type.dtype if value_type.__class__ is TensorType else None

    @property
    def shape(self) -> Shape:
        """The sizes; None if the rank is unknown or if this is no tensor."""
        value_type = self.value_type
        return value_type.shape if value_type.__class__ is TensorType else None

    @property
    def rank(self) -> int | None:
        """The number of dimensions; None if unknown."""
        shape = self.shape
        return None if shape is None else len(shape)

    @property
    def is_tensor(self) -> bool:
        """Whether this is a tensor (not a sequence or an optional)."""
        return isinstance(self.value_type, TensorType)

    @property
    def is_sequence(self) -> bool:
        """Whether this is an ONNX sequence."""
        return isinstance(self.value_type, SequenceType)

    def array(self) -> npt.NDArray[Any]:
        """The elements of a constant.

        Raises:
            InternalError: if this is none.
        """
        if self.const is None:
            raise InternalError(f"{self!r} is not a constant")
        return self.const.numpy()

    def __repr__(self) -> str:
        kind = "const " if self.const is not None else ""
        return f"<{kind}{self.name or 'value'}: {self.value_type}>"


class RefAttr:
    """An attribute of a node inside a function that stands for the function's attribute of that name."""

    __slots__ = ("attr_type", "name")

    def __init__(self, name: str, attr_type: int) -> None:
        self.name = name
        self.attr_type = attr_type


class Node:
    """One ONNX operator at work.

    Attributes:
        op_type: the operator's name.
        domain: its domain; empty for ONNX's own.
        operands: what it reads; None where an optional input is left out.
        attributes: by name, in order.
        results: what it gives; a result without a use may have an empty name in the file.
        name: the name in the file.
        place: module and source line in the user's model.
    """

    __slots__ = ("attributes", "domain", "name", "op_type", "operands", "overload", "place", "results")

    def __init__(
        self,
        op_type: str,
        operands: Sequence[Value | None],
        attributes: Mapping[str, AttrValue] | None = None,
        *,
        result_types: Sequence[ValueType | None] = (None,),
        domain: str = "",
        place: Place | None = None,
        overload: str = "",
    ) -> None:
        self.op_type = op_type
        self.domain = domain
        self.overload = overload
        self.operands: tuple[Value | None, ...] = tuple(operands)
        self.attributes: dict[str, AttrValue] = dict(attributes or {})
        self.results = tuple(Value(t, producer=self) for t in result_types)
        self.name = ""
        self.place = place or Place()

    @property
    def result(self) -> Value:
        """The first result."""
        return self.results[0]

    def blocks(self) -> Sequence[Block]:
        """The subgraphs among the attributes."""
        # Most nodes have no attributes, and passes ask all of them many times.
        if not self.attributes:
            return ()
        return [attribute for attribute in self.attributes.values() if isinstance(attribute, Block)]

    def __repr__(self) -> str:
        return f"<Node {self.domain + '::' if self.domain else ''}{self.op_type} {self.name}>"


class Block:
    """A body of nodes: the graph of a model, or a branch or loop body, which may read the values around it.

    Attributes:
        inputs: the formal inputs.
        nodes: in an order in which each comes after those it reads from.
        outputs: the values given back.
        name: the name in the file.
    """

    __slots__ = ("inputs", "name", "nodes", "outputs")

    def __init__(
        self,
        inputs: Sequence[Value] = (),
        nodes: Sequence[Node] = (),
        outputs: Sequence[Value] = (),
        name: str = "graph",
    ) -> None:
        self.inputs = list(inputs)
        self.nodes = list(nodes)
        self.outputs = list(outputs)
        self.name = name

    def all_nodes(self) -> Iterator[Node]:
        """The nodes of this block and of those inside it."""
        for node in self.nodes:
            yield node
            for block in node.blocks():
                yield from block.all_nodes()

    def constants(self) -> list[Value]:
        """The constants that nodes or outputs of this block (and of inner blocks) use, in order of first use."""
        seen: dict[Value, None] = {}
        for value in self._used():
            if value.const is not None and value.producer is None:
                seen.setdefault(value)
        return list(seen)

    def _used(self) -> Iterator[Value]:
        for node in self.all_nodes():
            for operand in node.operands:
                if operand is not None:
                    yield operand
            for block in node.blocks():
                yield from block.outputs
        yield from self.outputs


class Function:
    """A local function of a model (ONNX IR version 8, opset 15).

    Attributes:
        domain: its domain.
        name: its name; unique in the domain together with ``overload``.
        body: nodes, inputs and outputs; it has no access to values outside.
        attributes: names of attributes without default, or with one.
        opset_imports: the operator sets that its nodes use.
    """

    __slots__ = ("attributes", "body", "domain", "name", "opset_imports", "overload")

    def __init__(
        self,
        domain: str,
        name: str,
        body: Block,
        *,
        attributes: Mapping[str, AttrValue | None] | None = None,
        opset_imports: Mapping[str, int] | None = None,
        overload: str = "",
    ) -> None:
        self.domain = domain
        self.name = name
        self.overload = overload
        self.body = body
        # None as a value marks an attribute without a default.
        self.attributes: dict[str, AttrValue | None] = dict(attributes or {})
        self.opset_imports: dict[str, int] = dict(opset_imports or {})

    @property
    def key(self) -> tuple[str, str, str]:
        """What identifies a function in its model."""
        return (self.domain, self.name, self.overload)


class Model:
    """A whole model.

    Attributes:
        graph: the main graph.
        opset_imports: version by domain; ONNX's own domain is the empty string.
        functions: local functions by :attr:`Function.key`, callees before callers.
        ir_version: ONNX's file format version.
        producer_name: who made it.
        producer_version: of which version.
        metadata: further entries for ``metadata_props``.
        keep_initializers_as_inputs: whether initializers are graph inputs as well, so that a caller may replace them.
        store_weights: whether weights are written; without them they become plain inputs of the graph.
    """

    __slots__ = (
        "functions",
        "graph",
        "ir_version",
        "keep_initializers_as_inputs",
        "metadata",
        "opset_imports",
        "producer_name",
        "producer_version",
        "store_weights",
    )

    def __init__(self, graph: Block, opset_imports: Mapping[str, int], *, ir_version: int) -> None:
        self.graph = graph
        self.opset_imports: dict[str, int] = dict(opset_imports)
        self.functions: dict[tuple[str, str, str], Function] = {}
        self.ir_version = ir_version
        self.producer_name = "onnxport"
        self.producer_version = ""
        self.metadata: dict[str, str] = {}
        self.keep_initializers_as_inputs = False
        self.store_weights = True

    @property
    def opset(self) -> int:
        """The version of ONNX's own operator set."""
        return self.opset_imports[""]

    def is_stored(self, constant: Value) -> bool:
        """Whether a constant of the graph becomes an initializer of the file."""
        return self.store_weights or not constant.is_weight

    def num_nodes(self) -> int:
        """How many nodes there are, subgraphs and functions included."""
        bodies = [self.graph, *(function.body for function in self.functions.values())]
        return sum(1 for body in bodies for _ in body.all_nodes())
