"""The smallest model that shows a difference, with its inputs."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnxport_frontend import dtype_from_torch
from onnxport_frontend.interpret import free_variables
from onnxport_ir import CapturedGraph, Eqn, Input, Model, Output, TensorType, Value, Var
from onnxport_ir.captured import Arg
from onnxport_ir.errors import WriteFailed
from onnxport_ir.naming import assign_names, finish_outputs
from onnxport_ir.passes.dead_code import remove_dead_code
from onnxport_ir.write import write

from onnxport.comparison import compare
from onnxport.runtime import model_session, run_session, to_arrays
from onnxport.verification import VerifyOptions

MODEL_NAME, INPUTS_NAME = "bisect.onnx", "bisect.npz"


@dataclass(frozen=True, slots=True, eq=False)
class Reproduction:
    """A model, its inputs, and what torch has for its outputs.

    Attributes:
        model: finished and named.
        inputs: by name.
        expected: one for each output.
    """

    model: Model
    inputs: Mapping[str, Any]
    expected: Sequence[Any]

    def write(self, folder: Path) -> None:
        """Write the model and an archive of arrays; bfloat16 is written as its bits, in int16.

        Args:
            folder: made if it is not there.

        Raises:
            WriteFailed: if a file cannot be written.
        """
        arrays = dict(self.inputs) | {f"expected_{index}": value for index, value in enumerate(self.expected)}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write(self.model, folder / MODEL_NAME)
            with zipfile.ZipFile(folder / INPUTS_NAME, "w") as archive:
                for name, value in arrays.items():
                    with archive.open(f"{name}.npy", "w") as file:
                        np.lib.format.write_array(file, np.asarray(to_arrays(value)))
        except OSError as error:
            raise WriteFailed(f"cannot write to {folder}", why=error.strerror or str(error)) from error


def reproduce_operator(
    eqn: Eqn,
    values: Mapping[Var, Any],
    graph: CapturedGraph,
    lower: Callable[[CapturedGraph], Model],
    options: VerifyOptions,
) -> Reproduction | None:
    """One operator alone, with torch's values as its inputs.

    Args:
        eqn: the call of the operator.
        values: what torch has for each variable that it reads, and for its results.
        graph: where it comes from.
        lower: lowers a graph as the whole one was.
        options: the tolerances.

    Returns:
        None if the operator alone is right, or cannot stand alone.
    """
    expected = [values[var] for var in eqn.outputs]
    single = _Single(values, {param.var for param in graph.params})
    alone = single.graph(eqn, graph)
    if alone is None or not expected or not all(isinstance(value, torch.Tensor) for value in expected):
        return None
    inputs = {item.name: single.inputs[item.var] for item in alone.inputs}
    try:
        model = lower(alone)
        remove_dead_code(model)
        assign_names(model)
        session = model_session(model, session_options=options.session_options)
        found = run_session(session, inputs, [value.name or "" for value in model.graph.outputs])
    except Exception:  # what does not run by itself, for whatever reason, shows nothing
        return None
    pairs = zip(expected, found, strict=True)
    if not any(compare(theirs, ours, options.tolerance).problem for theirs, ours in pairs):
        return None
    return Reproduction(model, inputs, expected)


def reproduce_graph(model: Model, output: Value, inputs: Mapping[str, Any], expected: Any) -> Reproduction:
    """The whole graph up to one value.

    Args:
        model: changed in place.
        output: the value.
        inputs: the model's, by name.
        expected: what torch has for the value.
    """
    model.graph.outputs = [output]
    finish_outputs(model)
    remove_dead_code(model)
    assign_names(model)
    return Reproduction(model, inputs, [expected])


class _Single:
    """Makes a graph of one equation.

    Args:
        values: what torch has for the variables.
        weights: the variables that are weights, and stay so.

    Attributes:
        inputs: the value of each variable that is an input of the graph.
    """

    def __init__(self, values: Mapping[Var, Any], weights: set[Var]) -> None:
        self.inputs: dict[Var, Any] = {}
        self._values = values
        self._weights = weights

    def graph(self, eqn: Eqn, whole: CapturedGraph) -> CapturedGraph | None:
        """The graph; None if it cannot be made."""
        try:
            alone = replace(eqn, args=tuple(self._argument(arg) for arg in eqn.args))
        except TypeError:
            return None
        read = free_variables(alone)
        for var in read:
            if var not in self._weights and isinstance(self._values.get(var), torch.Tensor):
                self.inputs[var] = self._values[var]
        if any(var not in self._weights and var not in self.inputs for var in read):
            # A body reads a number.
            return None
        return CapturedGraph(
            tuple(Input(var, f"input_{index}") for index, var in enumerate(self.inputs)),
            (alone,),
            tuple(Output(var, f"output_{index}") for index, var in enumerate(eqn.outputs)),
            tuple(param for param in whole.params if param.var in read),
            whole.name,
            whole.module_classes,
        )

    def _argument(self, arg: Arg) -> Arg:
        """An argument in which variables that are no tensors are replaced by their values."""
        if isinstance(arg, tuple):
            return tuple(self._argument(item) for item in arg)
        if not isinstance(arg, Var) or arg in self._weights:
            return arg
        return self._known(arg, self._values[arg])

    def _known(self, var: Var | None, value: Any) -> Arg:
        if isinstance(value, torch.Tensor):
            var = var or Var(TensorType(dtype_from_torch(value.dtype), tuple(value.shape)))
            self.inputs[var] = value
            return var
        if isinstance(value, list | tuple):
            return tuple(self._known(None, item) for item in value)
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise TypeError(f"{value!r} is no argument")
