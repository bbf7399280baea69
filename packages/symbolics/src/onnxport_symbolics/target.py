"""What is exported to."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import SupportsIndex

import onnx
from onnxport_ir.errors import UnknownOpset

from onnxport_symbolics.schemas import NEWEST_OPSET, OLDEST_OPSET


@dataclass(frozen=True, slots=True)
class Target:
    """The target of an export.

    Attributes:
        opset: the version of ONNX's own operator set, 7 to the newest that the installed onnx knows.
        folds_weights: whether weights may be stored as something that is computed from them; False leaves each as it
            is, under its own name, and computes the rest in the model.

    Raises:
        UnknownOpset: for another opset.
    """

    opset: int
    folds_weights: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.opset, bool) or not isinstance(self.opset, SupportsIndex):
            raise UnknownOpset(f"opset_version must be an integer, not {self.opset!r}")
        # An integer of numpy, say, becomes one of Python.
        object.__setattr__(self, "opset", operator.index(self.opset))
        if not OLDEST_OPSET <= self.opset <= NEWEST_OPSET:
            raise UnknownOpset(
                f"opset {self.opset} is unknown",
                why=f"the range is {OLDEST_OPSET} to {NEWEST_OPSET}, the newest of onnx {onnx.__version__}",
            )

    @property
    def ir_version(self) -> int:
        """The version of the file format that goes with the opset."""
        version: int = onnx.helper.find_min_ir_version_for([onnx.helper.make_opsetid("", self.opset)])
        # Older runtimes refuse a newer format than they know; below 4, initializers would have to be inputs too.
        return max(version, 4)
