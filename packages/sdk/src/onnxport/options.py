"""What an export can be asked for."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import get_args

from onnxport_ir.errors import InvalidArgument, NotYetSupported
from onnxport_symbolics import Target
from onnxport_symbolics.lower import Loops

#: The opset of an export that names none: new enough for compact graphs, old enough for every runtime in use.
DEFAULT_OPSET = 18


class TrainingMode(enum.IntEnum):
    """The mode in which a model is captured; the values are those of ``torch.onnx.TrainingMode``."""

    EVAL = 0
    PRESERVE = 1
    TRAINING = 2

    @classmethod
    def of(cls, mode: object) -> TrainingMode:
        """Read a mode of ours, of torch's, or its number.

        Raises:
            InvalidArgument: if it is none.
        """
        name = getattr(mode, "name", None)
        if isinstance(name, str) and name in cls.__members__:
            return cls[name]
        if isinstance(mode, int) and not isinstance(mode, bool) and mode in list(cls):
            return cls(mode)
        raise InvalidArgument(f"training={mode!r} is no TrainingMode", hint="Use onnxport.TrainingMode.EVAL.")

    @property
    def module_mode(self) -> bool | None:
        """What ``module.training`` is to be during the capture; None leaves it."""
        return {TrainingMode.EVAL: False, TrainingMode.PRESERVE: None, TrainingMode.TRAINING: True}[self]


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """The options that act after the capture.

    Attributes:
        target: the opset.
        export_params: whether the weights are written.
        keep_initializers_as_inputs: whether they are inputs as well.
        optimize: whether the passes run.
        loops: whether loops of a script with a constant number of turns are kept, or their turns written out.
    """

    target: Target
    export_params: bool = True
    keep_initializers_as_inputs: bool = False
    optimize: bool = True
    loops: Loops = "keep"

    def __post_init__(self) -> None:
        if self.loops not in get_args(Loops):
            raise InvalidArgument(f"loops={self.loops!r} is neither 'keep' nor 'unroll'")


#: Parameters of ``export()`` that this release does not act upon, with the value that asks for nothing.
_LATER: dict[str, object] = {
    "dynamo": False,
    "dynamic_shapes": None,
    "custom_translation_table": None,
    "report": False,
    "verify": False,
    "profile": False,
    "dump_exported_program": False,
    "fallback": False,
    "do_constant_folding": True,
    "custom_opsets": None,
    "export_modules_as_functions": False,
    "autograd_inlining": True,
}


def later_parameters(*, operator_export_type: object = None, **given: object) -> None:
    """Refuse what would have no effect yet.

    Raises:
        NotYetSupported: naming every parameter that is not at the value that asks for nothing.
    """
    asked = [f"{name}={value!r}" for name, value in given.items() if value is not None and value != _LATER[name]]
    if operator_export_type is not None and getattr(operator_export_type, "name", "ONNX") != "ONNX":
        asked.append(f"operator_export_type={operator_export_type}")
    if asked:
        raise NotYetSupported(
            f"{', '.join(asked)}: not supported yet",
            hint="Leave the parameter out; see the table of parameters in the documentation.",
        )
