"""``verify``: the finished model, or a file, on the example in ONNX Runtime, against torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from onnxport_frontend import Captured, replay, run_model
from onnxport_ir import Model
from onnxport_ir.errors import InvalidArgument, OnnxExporterError, VerificationFailed

from onnxport.comparison import Comparison, Tolerance, compare
from onnxport.options import TrainingMode
from onnxport.runtime import (
    create_session,
    draws_random_numbers,
    has_runtime,
    loose_weights,
    model_session,
    run_session,
)

if TYPE_CHECKING:
    import onnxruntime


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """How an exported model is verified.

    Attributes:
        rtol: the allowed error as a share of torch's value; by default 1e-3, and 5e-2 in half precision.
        atol: the allowed error beside that; by default 1e-4 of torch's largest value, 1e-2 in half precision.
        mismatched: the share of integers and truth values of an output that may differ.
        session_options: how ONNX Runtime is to run the model, such as with a library of custom operators.
    """

    rtol: float | None = None
    atol: float | None = None
    mismatched: float = 0.0
    session_options: onnxruntime.SessionOptions | None = None

    @staticmethod
    def of(verify: object) -> VerifyOptions | None:
        """Read the parameter ``verify``; None if nothing is to be verified.

        Raises:
            InvalidArgument: if it is neither a truth value nor options.
        """
        if isinstance(verify, VerifyOptions):
            return verify
        if isinstance(verify, bool):
            return VerifyOptions() if verify else None
        raise InvalidArgument(f"verify={verify!r}", hint="Choose True, False or onnxport.VerifyOptions(...).")

    @property
    def tolerance(self) -> Tolerance:
        """How far outputs may be apart."""
        return Tolerance(self.rtol, self.atol, self.mismatched)


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification has shown.

    Attributes:
        outputs: the comparison of each output, by its name.
        values: whether elements were compared, or types and shapes alone, as in models that draw random numbers.
    """

    outputs: Mapping[str, Comparison]
    values: bool = True

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong, by the name of the output."""
        return {name: found.problem for name, found in self.outputs.items() if found.problem}

    def raise_problems(self) -> None:
        """Raise what is wrong, if anything is.

        Raises:
            VerificationFailed: naming all outputs that differ.
        """
        problems = self.problems
        if problems:
            raise VerificationFailed(
                "the exported model differs from torch's on the example",
                why="; ".join(f"output {name}: {problem}" for name, problem in problems.items()),
                hint="onnxport.bisect finds the operator; verify=VerifyOptions(rtol=...) sets the tolerance.",
            )


def verify_example(
    torch_model: Any, captured: Captured, model: Model, training: bool | None, options: VerifyOptions
) -> Verification:
    """Run the finished model and the torch model on the example.

    Args:
        torch_model: the model that was exported.
        captured: its capture.
        model: the finished graph.
        training: the mode that it was captured in.
        options: the tolerances.

    Returns:
        The comparison of all outputs, which may have problems.

    Raises:
        VerificationFailed: if ONNX Runtime does not run the model.
        OnnxExporterError: if onnxruntime is not installed.
    """
    expected = replay(torch_model, captured.signature, captured.example_inputs, training)
    names = [value.name or "" for value in model.graph.outputs]
    make_session = partial(model_session, model, session_options=options.session_options)
    found = run_verified(make_session, {**loose_weights(model), **captured.example_inputs}, names)
    return compare_outputs(names, expected, found, options, values=not draws_random_numbers(model))


def verify(
    path: str | os.PathLike[str],
    model: torch.nn.Module | torch.jit.ScriptModule | torch.jit.ScriptFunction[Any, Any],
    args: Any = (),  # Any: the arguments of the user's own model
    *,
    kwargs: Mapping[str, Any] | None = None,
    training: TrainingMode | int = TrainingMode.EVAL,
    options: VerifyOptions | None = None,
) -> Verification:
    """Compare a file, whoever has made it, with the torch model that it stands for.

    Args:
        path: an ONNX file.
        model: the torch model.
        args: the positional arguments of one call; their tensors go to the file's inputs, by name if the names are the
            same, else in order.
        kwargs: the keyword arguments of the call.
        training: the mode in which the torch model runs.
        options: the tolerances.

    Returns:
        The comparison of all outputs, which may have problems.

    Raises:
        InvalidArgument: if the file has other inputs than the call.
        CaptureFailed: if the torch model raises.
        VerificationFailed: if ONNX Runtime does not run the file, or it has another number of outputs.
        OnnxExporterError: if onnxruntime is not installed.
    """
    options = options or VerifyOptions()
    given, expected = run_model(model, args, kwargs, TrainingMode.of(training).module_mode)
    session = create_session(os.fspath(path), session_options=options.session_options)
    names = [item.name for item in session.get_inputs()]
    state = model.state_dict() if isinstance(model, torch.nn.Module) else {}
    # The weights of a file without weights are inputs.
    loose = {name: state[name] for name in names if name in state and name not in given}
    wanted = [name for name in names if name not in loose]
    if len(wanted) != len(given):
        raise InvalidArgument(
            f"the file has {len(wanted)} inputs, the call of the torch model {len(given)} tensors",
            why=f"{', '.join(wanted)} and {', '.join(given)}",
        )
    feeds = given if set(given) == set(wanted) else dict(zip(wanted, given.values(), strict=True))
    outputs = [item.name for item in session.get_outputs()]
    found = run_verified(lambda: session, {**feeds, **loose}, outputs)
    return compare_outputs(outputs, expected, found, options)


def run_verified(
    make_session: Callable[[], onnxruntime.InferenceSession], feeds: Mapping[str, Any], names: Sequence[str]
) -> list[Any]:
    """Run a model that is to be verified.

    Args:
        make_session: makes the session.
        feeds: the inputs.
        names: of the outputs.

    Raises:
        VerificationFailed: if the model does not load or does not run.
        OnnxExporterError: if onnxruntime is not installed.
    """
    try:
        return run_session(make_session(), feeds, names)
    except Exception as error:  # onnxruntime's exceptions share no base class but this
        if not has_runtime():
            raise
        why = error.describe() if isinstance(error, OnnxExporterError) else str(error).strip()
        raise VerificationFailed("the exported model does not run on the example", why=why) from error


def compare_outputs(
    names: Sequence[str], expected: Sequence[Any], found: Sequence[Any], options: VerifyOptions, *, values: bool = True
) -> Verification:
    """Compare all outputs.

    Args:
        names: of the outputs.
        expected: torch's.
        found: ONNX Runtime's.
        options: the tolerances.
        values: False compares types and shapes alone.

    Raises:
        VerificationFailed: if there are more or fewer outputs than torch's.
    """
    if len(expected) != len(found):
        raise VerificationFailed(f"the exported model has {len(found)} outputs, the torch model {len(expected)}")
    outputs = {
        name: compare(theirs, ours, options.tolerance, values=values)
        for name, theirs, ours in zip(names, expected, found, strict=True)
    }
    return Verification(outputs, values)
