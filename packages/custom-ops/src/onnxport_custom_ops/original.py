"""The call in the user's model, as the symbolic function that stands for it can read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onnxport_ir import OpName
from onnxport_ir.errors import InvalidArgument, Place

from onnxport_custom_ops import _torch_private as private
from onnxport_custom_ops.types import SymbolicType
from onnxport_custom_ops.values import SymbolicValue


@dataclass(frozen=True, slots=True)
class OriginalOutput:
    """A result of the call in the model: it can be asked for its type only."""

    output_type: SymbolicType

    def type(self) -> SymbolicType:
        """What the capture knows of it."""
        return self.output_type


@dataclass(frozen=True, slots=True, eq=False)
class OriginalNode:
    """A call of an operator, or of an ``autograd.Function``.

    Attributes:
        op: the operator.
        values: its arguments; of a function, those that are tensors.
        output_types: the types of its results, as far as the capture knows.
        place: where in the user's code it stands.
        function: the ``autograd.Function``, if it is one.
        arguments: the function's arguments that are no tensors, as they were passed.
    """

    op: OpName
    values: Sequence[SymbolicValue]
    output_types: Sequence[SymbolicType]
    place: Place
    function: type | None = None
    arguments: Sequence[Any] = ()

    @property  # type: ignore[misc]  # the class that isinstance() sees, which mypy wants to be fixed
    def __class__(self) -> type:
        return private.GraphNode

    def kind(self) -> str:
        """``my_ops::foo``, ``prim::PythonOp``."""
        return self.op.base

    def inputs(self) -> list[SymbolicValue]:
        """The arguments."""
        return list(self.values)

    def inputsSize(self) -> int:  # noqa: N802 - torch's name
        """How many arguments there are."""
        return len(self.values)

    def outputs(self) -> list[OriginalOutput]:
        """The results."""
        return [OriginalOutput(output_type) for output_type in self.output_types]

    def output(self) -> OriginalOutput:
        """The only result.

        Raises:
            InvalidArgument: if there are more, or none.
        """
        if len(self.output_types) != 1:
            raise InvalidArgument(f"{self.op} has {len(self.output_types)} results")
        return self.outputs()[0]

    def outputsSize(self) -> int:  # noqa: N802 - torch's name
        """How many results there are."""
        return len(self.output_types)

    def pyname(self) -> str:
        """The name of the ``autograd.Function``."""
        return self._function.__name__

    def pyobj(self) -> Any:
        """The ``apply`` of the ``autograd.Function``."""
        return self._function.apply  # type: ignore[attr-defined]  # every autograd.Function has it

    def scalar_args(self) -> list[Any]:
        """The arguments of the ``autograd.Function`` that are no tensors, as they were passed."""
        return list(self.arguments)

    def hasAttribute(self, name: str) -> bool:  # noqa: N802 - torch's name
        """Whether there is an attribute of that name: functions have ``name`` and ``module``."""
        return self.function is not None and name in ("name", "module")

    def attributeNames(self) -> list[str]:  # noqa: N802 - torch's name
        """The names of the attributes."""
        return ["name", "module"] if self.function is not None else []

    def kindOf(self, name: str) -> str:  # noqa: N802 - torch's name
        """The kind of an attribute: a text."""
        return "s"

    def s(self, name: str) -> str:
        """An attribute."""
        return {"name": self._function.__name__, "module": self._function.__module__}[name]

    def scopeName(self) -> str:  # noqa: N802 - torch's name
        """The path of the module of the user's model."""
        return self.place.module

    def sourceRange(self) -> str:  # noqa: N802 - torch's name
        """Where in the user's code it stands."""
        return str(self.place)

    @property
    def _function(self) -> type:
        if self.function is None:
            raise InvalidArgument(f"{self.op} is a call of no autograd.Function")
        return self.function
