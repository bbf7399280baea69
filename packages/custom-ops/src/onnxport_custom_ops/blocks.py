"""Branches and loops that symbolic functions write: a node first, then its blocks, then what goes into them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from onnxport_ir import Block, DType, TensorType, Value
from onnxport_ir.errors import InvalidArgument, UnsupportedCase
from onnxport_ir.graph import AttrValue
from onnxport_symbolics import Call

from onnxport_custom_ops.values import SymbolicNode, SymbolicValue, Views

if TYPE_CHECKING:
    from onnxport_symbolics.emitter import Scope
    from onnxport_symbolics.op import Op

    from onnxport_custom_ops.context import GraphContext

#: The attributes that hold the blocks of ONNX's operators, in the order in which blocks are added.
BODIES: dict[str, tuple[str, ...]] = {
    "If": ("then_branch", "else_branch"),
    "Loop": ("body",),
    "Scan": ("body",),
    "SequenceMap": ("body",),
}


class SymbolicBlock:
    """A block as symbolic functions see it: that of the model, or one of a node.

    Args:
        scopes: the blocks that are open around what it holds, itself last; none for the one that is open anyway.
        node: the node that it belongs to.
    """

    def __init__(self, scopes: Sequence[Scope] = (), node: OpenNode | None = None) -> None:
        self.scopes = tuple(scopes)
        self.context: GraphContext | None = None
        self._node = node
        self._outputs: list[SymbolicValue] = []
        self._inputs: list[SymbolicValue] = []
        self._is_closed = False

    @contextmanager
    def entered(self, op: Op) -> Iterator[None]:
        """Let what is emitted go into this block."""
        if self._is_closed:
            raise InvalidArgument(
                "a symbolic function writes to a block whose node is in use already",
                hint="Fill all blocks of a node before its results are used.",
            )
        with ExitStack() as stack:
            for scope in self.scopes:
                stack.enter_context(op.inside(scope))
            yield

    def __getattr__(self, name: str) -> Any:
        """What a context has: older symbolic functions take a block for the graph, ``block.op("Neg", x)``."""
        context = self.__dict__.get("context")
        if context is None or name.startswith("__"):
            raise AttributeError(name)
        return getattr(dataclasses.replace(context, block=self), name)

    def addInputToBlock(self) -> SymbolicValue:  # noqa: N802 - torch's name
        """A new formal input of the body of a Loop or Scan; ``setType`` states what is known of its sizes."""
        if self._node is None:
            raise InvalidArgument("a symbolic function adds an input to the model")
        value = Value(self._node.formal_type(len(self._inputs)))
        self.scopes[-1].block.inputs.append(value)
        view = self._node.views.of(value)
        self._inputs.append(view)
        return view

    def registerOutput(self, value: Any) -> int:  # noqa: N802 - torch's name
        """Give a value back; the number is its place among those that are given back."""
        if self._node is None:
            raise InvalidArgument("a symbolic function gives back a value of the model", hint="Return the value.")
        self._outputs.append(value if isinstance(value, SymbolicValue) else self._node.views.of(value))
        return len(self._outputs) - 1

    def inputs(self) -> list[SymbolicValue]:
        """The formal inputs."""
        return list(self._inputs)

    def outputs(self) -> list[SymbolicValue]:
        """The values that are given back."""
        return list(self._outputs)

    def close(self, op: Op) -> Block:
        """The finished block."""
        results = [value.lowered for value in self._outputs]
        with self.entered(op):
            values = [item if isinstance(item, Value) else op.const(item) for item in results]
            self.scopes[-1].block.outputs = [op.own(value) for value in values]
        self._is_closed = True
        return self.scopes[-1].block


def add_op_with_blocks(
    graph_context: GraphContext, opname: str, *inputs: Any, outputs: int = 1, n_blocks: int = 1, **attributes: Any
) -> tuple[Any, tuple[GraphContext, ...], SymbolicNode]:
    """Emit an If, Loop or Scan whose blocks are filled afterwards, each through a context of its own.

    Args:
        graph_context: the context of the symbolic function.
        opname: the operator.
        inputs: values, tensors and numbers.
        outputs: the number of results.
        n_blocks: the number of blocks.
        attributes: attributes, with the suffix of their type.

    Returns:
        The result, or a tuple of them; the contexts of the blocks; the node.
    """
    results = graph_context.op(opname, *inputs, outputs=outputs, **attributes)
    node: SymbolicNode = (results[0] if isinstance(results, tuple) else results).node()
    contexts = tuple(dataclasses.replace(graph_context, block=node.addBlock()) for _ in range(n_blocks))
    return results, contexts, node


class OpenNode(SymbolicNode):
    """A node whose blocks are still to be added and filled; it is emitted when one of its results is used."""

    __slots__ = ("_attrs", "_blocks", "_context", "_is_finished", "_op", "_op_type", "_operands", "_results", "views")

    def __init__(
        self,
        op: Op,
        views: Views,
        context: GraphContext,
        call: Call,
    ) -> None:
        self.views = views
        self._op = op
        self._context = context
        self._op_type = call.op_type
        self._operands = call.operands
        self._attrs = dict(call.attributes)
        self._blocks: list[SymbolicBlock] = []
        self._is_finished = False
        self._results = [SymbolicValue(views, None, self) for _ in range(call.num_results)]
        super().__init__(views, self._results[0])

    def kind(self) -> str:
        """``onnx::If``."""
        return f"onnx::{self._op_type}"

    def addBlock(self) -> SymbolicBlock:  # noqa: N802 - torch's name
        """A new block: the branches of an If in their order, or the body of a loop."""
        if len(self._blocks) == len(BODIES[self._op_type]):
            raise InvalidArgument(f"a symbolic function adds {len(self._blocks) + 1} blocks to {self._op_type}")
        name = BODIES[self._op_type][len(self._blocks)]
        block = SymbolicBlock([*self._context.block.scopes, self._op.scope(name=name)], self)
        block.context = self._context
        self._blocks.append(block)
        return block

    def blocks(self) -> list[SymbolicBlock]:
        """The blocks that it has so far."""
        return list(self._blocks)

    def inputs(self) -> list[SymbolicValue]:
        """What the node reads."""
        return [self.views.of(operand) for operand in self._operands]

    def outputs(self) -> list[SymbolicValue]:
        """What the node gives."""
        return list(self._results)

    def formal_type(self, index: int) -> TensorType:
        """What is known of the type of a formal input: no sizes, which may change from turn to turn."""
        if self._op_type == "Loop" and index < 2:
            return TensorType((DType.INT64, DType.BOOL)[index], ())
        operand = self._operands[index] if index < len(self._operands) else None
        return TensorType(operand.dtype if operand is not None and operand.is_tensor else None)

    def finish(self) -> None:
        """Emit the node with its blocks.

        Raises:
            UnsupportedCase: if it has other blocks than ONNX's operator.
        """
        if self._is_finished:
            return
        self._is_finished = True
        names = BODIES[self._op_type]
        if len(self._blocks) != len(names):
            raise UnsupportedCase(
                f"a symbolic function uses {self._op_type} with {len(self._blocks)} of {len(names)} blocks"
            )
        bodies = [block.close(self._op) for block in self._blocks]
        self._check(bodies)
        attributes = {**self._attrs, **dict(zip(names, bodies, strict=True))}
        call = Call(self._op_type, list(self._operands), attributes, len(self._results))
        with self._context.block.entered(self._op):
            values = self._op.emit(call)
        for view, value in zip(self._results, values, strict=True):
            view.resolve(value)

    def _check(self, bodies: Sequence[Block]) -> None:
        for name, body in zip(BODIES[self._op_type], bodies, strict=True):
            inputs = 0 if self._op_type == "If" else len(self._operands)
            # The body of a Loop gives the condition as well.
            outputs = len(self._results) + (self._op_type == "Loop")
            if (len(body.inputs), len(body.outputs)) != (inputs, outputs):
                raise UnsupportedCase(
                    f"a symbolic function gives {self._op_type} a {name} with {len(body.inputs)} inputs and "
                    f"{len(body.outputs)} outputs",
                    why=f"it must have {inputs} and {outputs}",
                )
        if self._op_type == "If":
            pairs = list(zip(bodies[0].outputs, bodies[1].outputs, strict=True))
        else:
            carried = self._operands[2:] if self._op_type == "Loop" else ()
            pairs = [(a, b) for a, b in zip(carried, bodies[0].outputs[1:], strict=False) if a is not None]
        for left, right in pairs:
            if left.dtype is not right.dtype and None not in (left.dtype, right.dtype):
                raise UnsupportedCase(
                    f"a symbolic function writes {self._op_type} with values of different types in one place",
                    why=f"{left.value_type} and {right.value_type}",
                )

    def _attributes(self) -> dict[str, AttrValue]:
        return self._attrs
