"""Computing what a trace has fixed for other sizes of the dynamic axes, without running the model.

Most of what is fixed is little arithmetic on sizes: ``x.shape[1] % 8 == 0``. Its equations are run by themselves, from
sizes that have a formula.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from onnxport_ir.captured import Eqn, Var, arg_vars
from onnxport_ir.dims import Dim
from onnxport_ir.errors import OnnxExporterError
from onnxport_ir.types import ScalarType, TensorType

from onnxport_frontend.dependence import Facts, Mark
from onnxport_frontend.interpret import Environment, run_equations, value_of

_LONGEST = 100

Formula = Callable[[Mapping[str, int]], Any]


def formula(mark: Mark, facts: Facts, made: Mapping[Var, Eqn], order: Mapping[Eqn, int]) -> Formula | None:
    """How to compute what was marked from sizes of dynamic axes.

    Args:
        mark: the mark.
        facts: what is known of the graph's values.
        made: the equation of each variable.
        order: the position of each equation.

    Returns:
        A function of the sizes, by the name of the axis, that gives a number, or None for sizes that it does not fit;
        None if there is no such function.
    """
    if mark.aspect == "length":
        dims = facts.arg(mark.value).dims
        return _size(facts, dims[0]) if dims else None
    if mark.aspect != "value" or not isinstance(mark.value, Var):
        return None
    steps: list[Eqn] = []
    sizes: dict[Var, Dim] = {}
    seen: set[Var] = set()
    waiting = [mark.value]
    while waiting:
        var = waiting.pop()
        if var in seen:
            continue
        seen.add(var)
        number = facts.of[var].number if var in facts.of else None
        if number is not None:
            sizes[var] = number
            continue
        eqn = made.get(var)
        if eqn is None or eqn.blocks or not _is_small(var, facts) or len(steps) == _LONGEST:
            return None
        steps.append(eqn)
        waiting += [read for arg in eqn.args for read in arg_vars(arg)]
    steps = sorted(set(steps), key=order.__getitem__)
    return _Steps(mark.value, facts, sizes, steps)


def _size(facts: Facts, dim: Dim) -> Formula:
    return lambda sizes: facts.size(dim, sizes)


def _is_small(var: Var, facts: Facts) -> bool:
    if isinstance(var.type, TensorType):
        return facts.of[var].dims == () if var in facts.of else False
    return isinstance(var.type, ScalarType)


class _Steps:
    """A few equations on numbers."""

    def __init__(self, value: Var, facts: Facts, sizes: Mapping[Var, Dim], steps: list[Eqn]) -> None:
        self._value = value
        self._facts = facts
        self._sizes = sizes
        self._steps = steps

    def __call__(self, sizes: Mapping[str, int]) -> Any:
        env = Environment({}, {})
        for var, dim in self._sizes.items():
            number = self._facts.size(dim, sizes)
            if number is None:
                return None
            env[var] = torch.tensor(number) if isinstance(var.type, TensorType) else number
        try:
            run_equations(self._steps, env)
        except OnnxExporterError:
            return None
        found = value_of(self._value, env)
        return found.item() if isinstance(found, torch.Tensor) else found
