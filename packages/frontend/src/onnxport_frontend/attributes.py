"""What a script puts into its modules' attributes while it runs: it is there until the call ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from onnxport_ir.captured import Eqn, Var

from onnxport_frontend.dictionaries import Journal, Record

_VALUE = "value"


def hands_back(eqns: Sequence[Eqn], before: Any, value: Any) -> bool:
    """Whether a value is a tensor, or what the operator that was just called to write to that tensor hands back.

    What ``self.x += 1`` sets is what is there: only the tensor is written.
    """
    if not isinstance(before, Var):
        return False
    written = [eqn for eqn in eqns[-1:] if eqn.outputs and eqn.outputs[0] is value and eqn.args[0] is before]
    return value is before or any(eqn.op.name.endswith("_") and not eqn.op.name.endswith("__") for eqn in written)


@dataclass(slots=True, eq=False)
class SetAttribute(Record):
    """An attribute that the script sets.

    Attributes:
        path: its name, with those of the modules around it.
        is_tensor: whether the module holds a tensor there, as it does for a buffer.
    """

    path: str = ""
    is_tensor: bool = False

    @property
    def what(self) -> str:
        """What it is, for messages."""
        return f"the attribute {self.path}"


@dataclass(slots=True, eq=False)
class SetAttributes:
    """The attributes that a script sets.

    What a branch or a loop sets is followed as what it writes to an object: see :mod:`onnxport_frontend.bodies`.
    """

    _records: dict[str, SetAttribute] = field(default_factory=dict)
    _read: set[str] = field(default_factory=set)

    def __contains__(self, path: str) -> bool:
        return path in self._records

    def get(self, path: str) -> Any:
        """What an attribute holds that has been set."""
        return self._records[path].at(_VALUE)

    def note_read(self, path: str) -> None:
        """Note that the script looks at an attribute as it was before the call."""
        self._read.add(path)

    def set(self, path: str, value: Any, before: Any, held: Any, journal: Journal, depth: int) -> None:
        """Let an attribute hold something else.

        Args:
            path: the attribute.
            value: what it holds from now on.
            before: what it holds before the call.
            held: the same, as the module has it.
            journal: is told of the write.
            depth: how many branches and loops are around the write.
        """
        if path not in self._records:
            self._records[path] = SetAttribute({_VALUE: before}, path=path, is_tensor=isinstance(held, torch.Tensor))
            if depth:
                # Where the branch is not taken, it stays what it is.
                self._read.add(path)
        record = self._records[path]
        journal.before(record)
        record.entries[_VALUE] = value

    @property
    def tensors(self) -> dict[str, Any]:
        """What stands in place of the modules' tensors after the call, by their names."""
        return {path: record.at(_VALUE) for path, record in self._records.items() if record.is_tensor}

    @property
    def kept(self) -> tuple[str, ...]:
        """The other attributes that a call finds as the call before has left them."""
        return tuple(path for path, record in self._records.items() if path in self._read and not record.is_tensor)
