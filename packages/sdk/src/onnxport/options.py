"""What an export can be asked for."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from onnxport_custom_ops import Keeping
from onnxport_ir.errors import InvalidArgument, NotYetSupported
from onnxport_ir.passes import DEFAULT_PIPELINE, Pass
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
        """Read a mode of ours, of torch's, its number, or None for ``EVAL``.

        Raises:
            InvalidArgument: if it is none.
        """
        if mode is None:
            return cls.EVAL
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


class OperatorExportTypes(enum.IntEnum):
    """What becomes of operators without a handler; the values are those of ``torch.onnx.OperatorExportTypes``.

    ``ONNX`` refuses them. ``ONNX_ATEN_FALLBACK`` keeps those of torch as ``ATen`` nodes of the domain
    ``org.pytorch.aten``, ``ONNX_FALLTHROUGH`` keeps all under their own names; both keep calls of
    ``autograd.Function``. ``ONNX_ATEN`` keeps also those of torch that have a handler, if their results are tensors.
    """

    ONNX = 0
    ONNX_ATEN = 1
    ONNX_ATEN_FALLBACK = 2
    ONNX_FALLTHROUGH = 3

    @classmethod
    def of(cls, kind: object) -> OperatorExportTypes:
        """Read a member of ours, of torch's, its number, or None for ``ONNX``.

        Raises:
            InvalidArgument: if it is none.
        """
        name = getattr(kind, "name", None)
        if isinstance(name, str) and name in cls.__members__:
            return cls[name]
        if isinstance(kind, int) and not isinstance(kind, bool) and kind in list(cls):
            return cls(kind)
        if kind is None:
            return cls.ONNX
        raise InvalidArgument(
            f"operator_export_type={kind!r} is no OperatorExportTypes",
            hint="Use onnxport.OperatorExportTypes.ONNX.",
        )


#: What becomes of custom operators without a symbolic function.
Custom = Literal["error", "keep"]


def keeping_of(custom: str, operator_export_type: object, autograd_inlining: bool) -> Keeping:
    """Which operators stay what they are, as the parameters of ``export()`` ask.

    Raises:
        InvalidArgument: for another value of ``custom`` or ``operator_export_type``.
    """
    if custom not in get_args(Custom):
        raise InvalidArgument(f"custom={custom!r} is neither 'error' nor 'keep'")
    kind = OperatorExportTypes.of(operator_export_type)
    return Keeping(
        custom=custom == "keep",
        aten=kind in (OperatorExportTypes.ONNX_ATEN_FALLBACK, OperatorExportTypes.ONNX_ATEN),
        all_aten=kind is OperatorExportTypes.ONNX_ATEN,
        fallthrough=kind is OperatorExportTypes.ONNX_FALLTHROUGH,
        autograd_inlining=autograd_inlining and kind in (OperatorExportTypes.ONNX, OperatorExportTypes.ONNX_ATEN),
    )


#: Whether passes run, or the names of those that do.
Optimize = bool | str | Sequence[str]

_ONNXSCRIPT = "onnxscript"
#: The passes that store weights as something that is computed from them.
_FOLDS_WEIGHTS = tuple(step.name for step in DEFAULT_PIPELINE if step.folds_weights)


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """The options that act after the capture.

    Attributes:
        target: the opset.
        export_params: whether the weights are written.
        keep_initializers_as_inputs: whether they are inputs as well.
        do_constant_folding: whether weights may be stored as something that is computed from them.
        optimize: whether the passes run, or the names of those that do, with ``"onnxscript"`` for its optimizer.
        loops: whether loops of a script with a constant number of turns are kept, or their turns written out.
        complex_pairs: whether complex inputs and outputs become real ones with a last axis of size 2.
    """

    target: Target
    export_params: bool = True
    keep_initializers_as_inputs: bool = False
    do_constant_folding: bool = True
    optimize: Optimize = True
    loops: Loops = "keep"
    complex_pairs: bool = False

    def __post_init__(self) -> None:
        given: object = self.do_constant_folding
        if not isinstance(given, bool):
            raise InvalidArgument(f"do_constant_folding={given!r} is neither True nor False")
        known = [step.name for step in DEFAULT_PIPELINE] + [_ONNXSCRIPT]
        unknown = [repr(name) for name in self._passes if name not in known]
        if unknown:
            raise InvalidArgument(
                f"optimize: there is no pass {', '.join(unknown)}",
                hint=f"Choose True, False or a list of {', '.join(map(repr, known))}.",
            )
        if self.uses_onnxscript and not self.export_params:
            raise InvalidArgument("optimize with 'onnxscript' and export_params=False: it needs the weights")
        asked = [name for name in (*_FOLDS_WEIGHTS, _ONNXSCRIPT) if not isinstance(self.optimize, bool)]
        against = [repr(name) for name in asked if name in self._passes]
        if against and not self.do_constant_folding:
            raise InvalidArgument(
                f"do_constant_folding=False and optimize with {', '.join(against)}, which folds constants",
                hint="Leave one of the two out.",
            )
        if self.loops not in get_args(Loops):
            raise InvalidArgument(f"loops={self.loops!r} is neither 'keep' nor 'unroll'")

    @property
    def _passes(self) -> Sequence[object]:
        if isinstance(self.optimize, bool):
            return [step.name for step in DEFAULT_PIPELINE] if self.optimize else []
        # One name is a list of one; what is no list has no known name.
        given: object = self.optimize
        return given if isinstance(given, list | tuple) else [given]

    @property
    def pipeline(self) -> list[Pass]:
        """The passes that run, in their order, whatever that of their names."""
        left_out = () if self.target.folds_weights else _FOLDS_WEIGHTS
        return [step for step in DEFAULT_PIPELINE if step.name in self._passes and step.name not in left_out]

    @property
    def uses_onnxscript(self) -> bool:
        """Whether onnxscript's optimizer runs after our passes."""
        return _ONNXSCRIPT in self._passes


def check_choices(check: object, on_frozen: object) -> None:
    """Check the parameters of the check on other inputs.

    Raises:
        InvalidArgument: for a value that is none of their choices.
    """
    wrong = []
    if not isinstance(check, bool) and check != "auto":
        wrong.append(f"check={check!r} is none of 'auto', True and False")
    if on_frozen not in ("auto", "error", "warn", "ignore"):
        wrong.append(f"on_frozen={on_frozen!r} is none of 'auto', 'error', 'warn' and 'ignore'")
    if wrong:
        raise InvalidArgument("; ".join(wrong))


#: Parameters of ``export()`` that this release does not act upon, with the value that asks for nothing.
_LATER: dict[str, object] = {
    "dynamo": False,
    "dynamic_shapes": None,
    "custom_translation_table": None,
    "dump_exported_program": False,
}


def later_parameters(**given: object) -> None:
    """Refuse what would have no effect yet.

    Raises:
        NotYetSupported: naming every parameter that is not at the value that asks for nothing.
    """
    asked = [f"{name}={value!r}" for name, value in given.items() if value is not None and value != _LATER[name]]
    if asked:
        raise NotYetSupported(
            f"{', '.join(asked)}: not supported yet",
            hint="Leave the parameter out; see the table of parameters in the documentation.",
        )
