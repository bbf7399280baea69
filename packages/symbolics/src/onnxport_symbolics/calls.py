"""Calls of ONNX operators on their way to a target opset, and the tables that rewrite them.

Opset versions belong to ONNX operators: a *downgrade* spells a call for an opset before a change of the operator's
schema, a *backport* expresses an operator where it does not exist yet. Both are found by the operator's name; the
tables are filled when :mod:`onnxport_symbolics.downgrades` and :mod:`onnxport_symbolics.backports` are imported,
and only read afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from onnxport_ir import Value
from onnxport_ir.graph import AttrValue

from onnxport_symbolics.schemas import newest_schema

if TYPE_CHECKING:
    from onnxport_symbolics.op import Op


@dataclass(slots=True)
class Call:
    """A call of an ONNX operator, spelled for some opset.

    Attributes:
        op_type: the operator.
        operands: its inputs; None where an optional one is left out.
        attributes: those that are given.
        num_results: how many results are wanted.
    """

    op_type: str
    operands: list[Value | None]
    # Any: attribute values are read by rewrites that know their type.
    attributes: dict[str, Any] = field(default_factory=dict)
    num_results: int = 1

    def operand(self, name: str) -> Value | None:
        """The operand of the newest schema's input ``name``; None if it is left out."""
        index = self._index(name)
        return self.operands[index] if index < len(self.operands) else None

    def take(self, name: str) -> Value | None:
        """Remove the operand called ``name`` and return it; the ones after it move up."""
        index = self._index(name)
        return self.operands.pop(index) if index < len(self.operands) else None

    def attribute(self, name: str) -> AttrValue | None:
        """An attribute's value, or the newest schema's default, or None."""
        if name in self.attributes:
            found: AttrValue = self.attributes[name]
            return found
        # Defaults are numbers, texts and tuples of them.
        return newest_schema(self.op_type).defaults.get(name)  # type: ignore[return-value]  # read off onnx as object

    def _index(self, name: str) -> int:
        index = newest_schema(self.op_type).input_index(name)
        if index is None:
            raise KeyError(f"{self.op_type} has no input {name}")
        return index


#: A downgrade gives the call spelled for the older opset, or the finished results.
Downgrade = Callable[["Op", Call], "Call | Value | tuple[Value, ...]"]
# Any: a backport's parameters are those of the ONNX operator that it stands in for.
Backport = Callable[..., Any]

_DOWNGRADES: dict[str, list[tuple[int, Downgrade]]] = {}
_BACKPORTS: dict[str, Backport] = {}
_STAND_INS: dict[str, Downgrade] = {}


def downgrade(*op_types: str, at: int) -> Callable[[Downgrade], Downgrade]:
    """Register a rewrite of calls for targets below opset ``at``, where the schema of ``op_types`` changed.

    The function receives a call spelled for opset ``at`` and gives it spelled for ``at - 1``. The downgrades of an
    operator are applied newest first.
    """

    def register(function: Downgrade) -> Downgrade:
        for op_type in op_types:
            steps = _DOWNGRADES.setdefault(op_type, [])
            if any(known == at for known, _ in steps):
                raise ValueError(f"{op_type} has a downgrade at {at} already")
            steps.append((at, function))
            steps.sort(key=lambda step: -step[0])
        return function

    return register


def backport(*op_types: str) -> Callable[[Backport], Backport]:
    """Register what stands in for operators at opsets that lack them.

    The function is called as ``function(op, *operands, **attributes)`` with the newest schema's inputs and
    attributes, and gives a value, or a tuple of as many values as were asked for (its keyword ``num_results`` says
    how many, if it has one).
    """

    def register(function: Backport) -> Backport:
        for op_type in op_types:
            if op_type in _BACKPORTS:
                raise ValueError(f"{op_type} has a backport already")
            _BACKPORTS[op_type] = function
        return function

    return register


def stand_in(*op_types: str) -> Callable[[Downgrade], Downgrade]:
    """Register what is done where ONNX Runtime has no kernel for a call's types; it gives other calls as it is."""

    def register(function: Downgrade) -> Downgrade:
        for op_type in op_types:
            if op_type in _STAND_INS:
                raise ValueError(f"{op_type} has a stand-in already")
            _STAND_INS[op_type] = function
        return function

    return register


def downgrades_of(op_type: str, target: int) -> list[Downgrade]:
    """The rewrites that bring a call of ``op_type`` from the newest opset to ``target``, in order."""
    steps = [function for at, function in _DOWNGRADES.get(op_type, ()) if at > target]
    return [_STAND_INS[op_type], *steps] if op_type in _STAND_INS else steps


def backport_of(op_type: str) -> Backport | None:
    """What stands in for ``op_type`` where it does not exist, if anything does."""
    return _BACKPORTS.get(op_type)


def known_downgrades() -> Mapping[str, tuple[int, ...]]:
    """The opsets at which each operator has a downgrade, for reports and tests."""
    return {op_type: tuple(at for at, _ in steps) for op_type, steps in _DOWNGRADES.items()}


def known_backports() -> frozenset[str]:
    """The operators that have a backport."""
    return frozenset(_BACKPORTS)
