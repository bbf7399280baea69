"""What an export comes to know on its way: for the result, and for the report also where it ends in an error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from onnxport_frontend import Captured
from onnxport_ir import Model, OpName
from onnxport_symbolics import Handler, Registry

from onnxport.selfcheck import Checked
from onnxport.verification import Verification


@dataclass(slots=True)
class OperatorTiming:
    """What lowering an operator has cost.

    Attributes:
        calls: how often it was lowered.
        seconds: the time that took, with the shape inference of its nodes.
    """

    calls: int = 0
    seconds: float = 0.0


@dataclass(slots=True, eq=False)
class Journal:
    """The course of one export.

    Attributes:
        model_class: the class of the torch model, with its Python module.
        opset: the opset that is exported to.
        timings: seconds by stage.
        captured: the capture, once it is made.
        decomposed: the operators that were expressed in others.
        model: the finished graph.
        changes: what each pass has changed.
        checked: what the check on other inputs did.
        verification: the comparison on the example.
        operators: the cost of each of torch's operators; None if it is not taken.
    """

    model_class: str = ""
    opset: int = 0
    timings: dict[str, float] = field(default_factory=dict)
    captured: Captured | None = None
    decomposed: tuple[OpName, ...] = ()
    model: Model | None = None
    changes: dict[str, int] = field(default_factory=dict)
    checked: Checked | None = None
    verification: Verification | None = None
    operators: dict[str, OperatorTiming] | None = None

    def again(self) -> Journal:
        """A journal for another way of exporting the same model."""
        operators: dict[str, OperatorTiming] | None = None if self.operators is None else {}
        return Journal(self.model_class, self.opset, self.timings, operators=operators)

    def take(self, other: Journal) -> None:
        """Go on with what another way of exporting the model has come to know; the time is that of all ways."""
        for name in ("captured", "decomposed", "model", "changes", "checked", "operators"):
            setattr(self, name, getattr(other, name))

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Take the time of a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.timings[stage] = self.timings.get(stage, 0.0) + time.perf_counter() - start

    def profiled(self, registry: Registry) -> Registry:
        """A registry whose handlers' time is taken, if operators are profiled."""
        return registry if self.operators is None else _TimedRegistry(registry, self.operators)


class _TimedRegistry(Registry):
    """A registry whose handlers count and time their calls."""

    def __init__(self, base: Registry, timings: dict[str, OperatorTiming]) -> None:
        super().__init__([])
        self._base = base
        self._timings = timings

    def find(self, name: OpName) -> Handler | None:
        """The handler of an operator."""
        handler = self._base.find(name)
        if handler is None:
            return None
        return replace(handler, function=self._timed(str(name), handler.function))

    def __iter__(self) -> Iterator[Handler]:
        return iter(self._base)

    def _timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        # Any: a handler's parameters are those of the ATen schema that it implements.
        def timed(*args: Any, **kwargs: Any) -> Any:
            timing = self._timings.setdefault(name, OperatorTiming())
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                timing.calls += 1
                timing.seconds += time.perf_counter() - start

        return timed
